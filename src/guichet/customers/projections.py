"""Tables `customer` and `identity`, and what erasing a customer does to every table."""

from __future__ import annotations

from collections.abc import Iterator

from guichet.customers.commands import ERASE_QUEUE
from guichet.customers.identity import identity_key
from guichet.customers.part import Customers
from guichet.customers.tables import CUSTOMER, IDENTITY
from guichet.events.customers import (
    CustomerCreated,
    CustomerDescribed,
    CustomerErased,
    CustomerMerged,
    IdentityClaimed,
)
from guichet.leader.registry import At, project
from guichet.store.rows import Delete, EraseSubject, Insert, NewJob, RowOp, Update, Value


@project(CustomerCreated)
def show_customer(part: Customers, fact: CustomerCreated, at: At) -> Iterator[RowOp]:
    """One row per customer; merged ones keep theirs."""
    values: dict[str, Value] = {
        "client": fact.client,
        "subject": fact.customer,
        "anonymous": fact.anonymous,
        "created_at": at.t,
    }
    yield Insert(CUSTOMER, (fact.customer,), values)


@project(IdentityClaimed)
def show_identity(part: Customers, fact: IdentityClaimed, at: At) -> Iterator[RowOp]:
    """One row per identity. Without its key (erased) there is none."""
    if not fact.hash:
        return
    values: dict[str, Value] = {
        "customer": fact.customer,
        "subject": fact.customer,
        "client": fact.client,
        "kind": fact.kind,
        "handle": fact.handle,
        "proven": fact.proven,
    }
    if fact.proven:
        yield Delete(IDENTITY, (identity_key(fact.hash, fact.customer, proven=False),))
        yield Update(CUSTOMER, (fact.customer,), {"anonymous": False}, {"client": fact.client})
    yield Insert(IDENTITY, (identity_key(fact.hash, fact.customer, proven=fact.proven),), values)


@project(CustomerDescribed)
def show_description(part: Customers, fact: CustomerDescribed, at: At) -> Iterator[RowOp]:
    """Only what was said."""
    said = {"name": fact.name, "email": fact.email, "phone": fact.phone, "language": fact.language}
    values: dict[str, Value] = {column: text for column, text in said.items() if text is not None}
    if values:
        yield Update(CUSTOMER, (fact.customer,), values, {"client": fact.client})


@project(CustomerMerged)
def show_merged(part: Customers, fact: CustomerMerged, at: At) -> Iterator[RowOp]:
    """Readers of a customer also read those that were merged into it."""
    yield Update(CUSTOMER, (fact.customer,), {"merged_into": fact.into}, {"client": fact.client})


@project(CustomerErased)
def erase_rows(part: Customers, fact: CustomerErased, at: At) -> Iterator[RowOp]:
    """Every row with this subject goes in the same commit; the rest is a job's work."""
    yield EraseSubject(fact.customer)
    yield NewJob(ERASE_QUEUE, fact.customer, {"org": at.org, "customer": fact.customer})
