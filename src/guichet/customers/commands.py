"""What may be asked of customers."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Annotated

import msgspec

from guichet.accounts.permissions import ERASE, SPEAK_AS_CUSTOMER, SYSTEM, WORK
from guichet.customers.identity import identity_key
from guichet.customers.part import Customer, Customers, not_found
from guichet.customers.tables import IDENTITY
from guichet.events.base import Fact
from guichet.events.customers import (
    CustomerAbsorbed,
    CustomerCreated,
    CustomerDescribed,
    CustomerErased,
    CustomerErasureCompleted,
    CustomerMerged,
    IdentityClaimed,
)
from guichet.kit.errors import invalid
from guichet.kit.ids import Ident
from guichet.leader.registry import Answer, Now, Scope, command

ERASE_QUEUE = "erase"
"""Jobs that destroy what is left of an erased customer; see `erasure.py`."""

Words = Annotated[str, msgspec.Meta(max_length=254)]


class ClaimedIdentity(msgspec.Struct, frozen=True):
    """`hash` by `IdentityHasher`, made at the edge. `proven`: the provider or a signature vouches for it."""

    kind: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    handle: Annotated[str, msgspec.Meta(min_length=1, max_length=320)]
    hash: Annotated[str, msgspec.Meta(min_length=32, max_length=128)]
    proven: bool = False


class RegisterCustomer(msgspec.Struct, frozen=True, kw_only=True):
    """`customer`: a new id, or the visitor's own who now proves who they are. Its key exists already."""

    customer: Ident
    client: Ident
    anonymous: bool = False
    identities: Annotated[list[ClaimedIdentity], msgspec.Meta(max_length=10)] = []
    name: Words | None = None
    email: Words | None = None
    phone: Words | None = None
    language: Words | None = None


class DescribeCustomer(msgspec.Struct, frozen=True, kw_only=True):
    """None leaves a field as it is, an empty text clears it."""

    customer: Ident
    name: Words | None = None
    email: Words | None = None
    phone: Words | None = None
    language: Words | None = None


class EraseCustomer(msgspec.Struct, frozen=True):
    """Everybody who was merged with the customer is erased too."""

    customer: Ident


class CompleteErasure(msgspec.Struct, frozen=True):
    """Key, blobs and drafts are gone."""

    customer: Ident


def _of_customer(part: Customers, ask: DescribeCustomer | EraseCustomer | CompleteErasure) -> Scope:
    customer = part.get(ask.customer)
    return Scope(org=customer.org, client=customer.client, customer=customer.id)


@command(
    "register_customer",
    permission=SPEAK_AS_CUSTOMER,
    scope=lambda part, ask: Scope(client=ask.client, customer=ask.customer),
)
def register_customer(part: Customers, ask: RegisterCustomer, now: Now) -> Generator[Fact, None, Answer]:
    """Answers {customer}: whoever owns one of the proven identities, else the one that was asked for. An
    identity that somebody merely typed never leads to anybody. A known visitor who proves to be another
    customer is merged into them."""
    client = part.accounts.client(now.org, ask.client)
    if client is None or not client.active:
        raise invalid("client", "client.unknown", "there is no such client")
    known = part.find(ask.customer)
    if known is not None and (known.org != now.org or known.client != ask.client or known.erased):
        raise not_found()
    people = _owners(part, ask)
    if known is not None and (person := part.root(known)) not in people:
        people.append(person)
    if not people:
        yield CustomerCreated(customer=ask.customer, client=ask.client, anonymous=ask.anonymous)
    for other in people[1:]:
        yield from _merge(part, other, people[0])
    remains = people[0].id if people else ask.customer
    yield from _new_identities(part, ask, remains)
    described = _described(ask, remains, ask.client)
    if described is not None and (not people or ask.customer == remains):
        yield described
    return {"customer": remains}


def _owners(part: Customers, ask: RegisterCustomer) -> list[Customer]:
    """Who owns the proven identities, each person once."""
    owners: list[Customer] = []
    for identity in ask.identities:
        owner = _holder(part, identity.hash) if identity.proven else None
        if owner is not None and owner not in owners:
            owners.append(owner)
    return owners


def _holder(part: Customers, key: str) -> Customer | None:
    """Who stands under this key of table `identity`."""
    row = part.lookups.get(IDENTITY, (key,))
    if row is None or part.is_erased(str(row["customer"])):
        return None
    return part.root(part.get(str(row["customer"])))


def _merge(part: Customers, other: Customer, into: Customer) -> Iterator[Fact]:
    """`other`, and whoever was merged into it before, becomes `into`: always one step deep."""
    for customer in part.person(other):
        yield CustomerMerged(customer=customer.id, into=into.id, client=into.client)
        yield CustomerAbsorbed(customer=into.id, absorbed=customer.id, client=into.client)


def _new_identities(part: Customers, ask: RegisterCustomer, customer: str) -> Iterator[Fact]:
    """What we do not know yet. (An owner who was just merged away is found: what they proved stays proven.)"""
    seen: set[str] = set()
    for identity in ask.identities:
        holder = _holder(part, identity.hash)
        key = identity_key(identity.hash, customer, proven=identity.proven)
        known = holder is not None if identity.proven else _holder(part, key) is not None
        if known or key in seen or (holder is not None and holder.id == customer):
            continue
        seen.add(key)
        yield IdentityClaimed(
            customer=customer,
            client=ask.client,
            kind=identity.kind,
            proven=identity.proven,
            hash=identity.hash,
            handle=identity.handle,
        )


def _described(ask: RegisterCustomer | DescribeCustomer, customer: str, client: str) -> Fact | None:
    if ask.name is ask.email is ask.phone is ask.language is None:
        return None
    return CustomerDescribed(
        customer=customer,
        client=client,
        name=ask.name,
        email=ask.email,
        phone=ask.phone,
        language=ask.language,
    )


@command("describe_customer", permission=WORK, scope=_of_customer)
def describe_customer(part: Customers, ask: DescribeCustomer, now: Now) -> Iterator[Fact]:
    """Corrects what is known of somebody."""
    customer = part.get(ask.customer)
    if customer.erased:
        raise not_found()
    described = _described(ask, customer.id, customer.client)
    if described is not None:
        yield described


@command("erase_customer", permission=ERASE, scope=_of_customer)
def erase_customer(part: Customers, ask: EraseCustomer, now: Now) -> Iterator[Fact]:
    """For good. A repetition changes nothing."""
    for customer in part.person(part.get(ask.customer)):
        if not customer.erased:
            yield CustomerErased(customer=customer.id, client=customer.client)


@command("complete_erasure", permission=SYSTEM, scope=_of_customer)
def complete_erasure(part: Customers, ask: CompleteErasure, now: Now) -> Iterator[Fact]:
    """Says that the job has done its work; a repetition changes nothing."""
    customer = part.get(ask.customer)
    if not customer.erased:
        raise not_found()
    if not customer.erasure_completed:
        yield CustomerErasureCompleted(customer=customer.id)
