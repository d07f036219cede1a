"""Rows that channels read. Tables declared downstream go by name, since imports point upstream only."""

from __future__ import annotations

from collections.abc import Sequence

from guichet.customers.tables import CUSTOMER, IDENTITY
from guichet.store.port import Reader, Row
from guichet.store.rows import TABLES, Value

Where = dict[str, Value | Sequence[Value]]


async def conversation_row(reader: Reader, conversation: str) -> Row | None:
    """The conversation, or None: not opened yet, or erased."""
    return await reader.row(TABLES["conversation"], (conversation,))


async def message_row(reader: Reader, conversation: str, n: int) -> Row | None:
    """The n-th message of a conversation."""
    return await reader.row(TABLES["message"], (conversation, n))


async def said_before(reader: Reader, conversation: str, n: int | None, limit: int) -> list[Row]:
    """What both sides said before message `n` (None: so far), newest first; no notes among colleagues."""
    where: Where = {"conversation": conversation, "internal": False}
    return await reader.rows(TABLES["message"], where, order="n", descending=True, before=n, limit=limit)


async def customer_behind(reader: Reader, identity_hash: str) -> str | None:
    """The customer who is known by this identity; the one that remains where customers were merged."""
    identity = await reader.row(IDENTITY, (identity_hash,))
    if identity is None:
        return None
    return await remaining(reader, str(identity["customer"]))


async def remaining(reader: Reader, customer: str) -> str | None:
    """Who a customer is now: the one that remains where customers were merged; None: erased, or never there."""
    row = await reader.row(CUSTOMER, (customer,))
    return str(row["merged_into"] or customer) if row is not None else None


async def is_known(reader: Reader, customer: str) -> bool:
    """Whether there is such a customer, not erased."""
    return await reader.row(CUSTOMER, (customer,)) is not None


async def customer_name(reader: Reader, customer: str) -> str:
    """What the customer is called, "" when nobody knows."""
    row = await reader.row(CUSTOMER, (customer,))
    return str(row["name"] or "") if row is not None else ""


async def customer_email(reader: Reader, customer: str) -> str:
    """The customer's mail address, "" when nobody knows."""
    row = await reader.row(CUSTOMER, (customer,))
    return str(row["email"] or "") if row is not None else ""


async def latest_conversation(reader: Reader, org: str, customer: str, entry_point: str) -> Row | None:
    """The customer's newest conversation at an entry point."""
    where: Where = {"org": org, "customer": customer, "entry_point": entry_point}
    found = await reader.rows(TABLES["conversation"], where, order="opened_at", descending=True, limit=1)
    return found[0] if found else None
