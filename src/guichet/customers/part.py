"""The customers' share of the leader's state: who exists, who is one person, who was erased. No words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from guichet.accounts.part import Accounts
from guichet.customers.identity import identity_key
from guichet.customers.tables import IDENTITY
from guichet.events.customers import (
    CustomerAbsorbed,
    CustomerCreated,
    CustomerErased,
    CustomerErasureCompleted,
    CustomerMerged,
    IdentityClaimed,
)
from guichet.kit.clock import MINUTE, Instant
from guichet.kit.errors import Refused
from guichet.kit.resting import Resting
from guichet.leader.registry import At
from guichet.leader.state import Missing, Part, folds

KEEP = 10 * MINUTE
"""How long a customer stays in memory after the last fact about them."""


class Customer(msgspec.Struct, omit_defaults=True, gc=False):
    """One customer. `into`: the customer that this one turned out to be; `absorbed`: the other way round."""

    id: str
    org: str
    client: str
    anonymous: bool
    touched: Instant
    into: str | None = None
    absorbed: list[str] = []
    erased: bool = False
    erasure_completed: bool = False


def not_found() -> Refused:
    """There is no such customer, or not any more."""
    return Refused("not_found", "customer.not_found", "there is no customer with this id")


class Customers(Part):
    """Customers by id, resident for a while after each fact; who was erased is known for ever."""

    cold = frozenset({"customer"})

    def __init__(self, accounts: Accounts) -> None:
        self.accounts = accounts
        self._customers: dict[str, Customer | None] = {}
        self._erased: set[str] = set()
        self._resting = Resting(KEEP)
        self._absent: set[str] = set()

    # -- reading ---------------------------------------------------------------------------------------

    def find(self, customer: str) -> Customer | None:
        """The customer, or None when there is none. Raises Missing when nobody knows yet."""
        if customer not in self._customers:
            raise Missing(f"customer/{customer}")
        return self._customers[customer]

    def get(self, customer: str) -> Customer:
        """The customer. Raises Missing, or Refused when there is none."""
        found = self.find(customer)
        if found is None:
            raise not_found()
        return found

    def root(self, customer: Customer) -> Customer:
        """Who that person is after merging."""
        return customer if customer.into is None else self.get(customer.into)

    def person(self, customer: Customer) -> list[Customer]:
        """All customers that are this one person, the one that remains first."""
        root = self.root(customer)
        return [root, *(self.get(other) for other in root.absorbed)]

    def is_erased(self, customer: str) -> bool:
        """Known without loading anything."""
        return customer in self._erased

    # -- folding ---------------------------------------------------------------------------------------

    @folds(CustomerCreated)
    def _created(self, fact: CustomerCreated, at: At) -> None:
        self._customers[fact.customer] = Customer(fact.customer, at.org, fact.client, fact.anonymous, at.t)
        self._absent.discard(fact.customer)
        self._resting.touch(fact.customer, at.t)

    @folds(IdentityClaimed)
    def _claimed(self, fact: IdentityClaimed, at: At) -> None:
        customer = self._touched(fact.customer, at)
        if fact.proven:
            customer.anonymous = False
        if fact.hash:  # read without the key in a replay: then look-ups read the table
            key = identity_key(fact.hash, fact.customer, proven=fact.proven)
            self.lookups.put(IDENTITY, (key,), {"customer": fact.customer})

    @folds(CustomerMerged)
    def _merged(self, fact: CustomerMerged, at: At) -> None:
        customer = self._touched(fact.customer, at)
        customer.into = fact.into
        customer.absorbed = []

    @folds(CustomerAbsorbed)
    def _absorbed(self, fact: CustomerAbsorbed, at: At) -> None:
        self._touched(fact.customer, at).absorbed.append(fact.absorbed)

    @folds(CustomerErased)
    def _was_erased(self, fact: CustomerErased, at: At) -> None:
        self._touched(fact.customer, at).erased = True
        self._erased.add(fact.customer)

    @folds(CustomerErasureCompleted)
    def _erasure_completed(self, fact: CustomerErasureCompleted, at: At) -> None:
        self._touched(fact.customer, at).erasure_completed = True

    def _touched(self, customer: str, at: At) -> Customer:
        found = self._customers[customer]
        assert found is not None, "a stream begins with customer.created"
        found.touched = at.t
        self._resting.touch(customer, at.t)
        return found

    # -- residency -------------------------------------------------------------------------------------

    def loaded(self, stream: str) -> None:
        kind, _, customer = stream.partition("/")
        if kind == "customer":
            if customer not in self._customers:
                self._customers[customer] = None
                self._absent.add(customer)
            self._resting.recall(customer)

    def at_rest(self) -> Iterator[str]:
        for customer in [*self._absent, *self._resting.overdue()]:
            del self._customers[customer]
            yield f"customer/{customer}"
        self._absent.clear()

    def dump(self) -> Any:  # noqa: ANN401 (plain data)
        return {
            "customers": {name: c for name, c in self._customers.items() if c is not None},
            "erased": sorted(self._erased),
            "now": self._resting.now,
        }

    def restore(self, data: Any) -> None:  # noqa: ANN401
        resident = msgspec.convert(data["customers"], dict[str, Customer])
        self._customers = {**resident}
        self._erased = set(data["erased"])
        self._resting = Resting(KEEP, data["now"])
        for customer in sorted(resident.values(), key=lambda c: c.touched):
            self._resting.touch(customer.id, customer.touched)
