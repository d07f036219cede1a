"""How far a read may go: the organisation and the clients that an access is cleared for, and no word beyond."""

from __future__ import annotations

from collections.abc import Sequence

from guichet.accounts.access import Access
from guichet.accounts.settings import ANY
from guichet.desk.hub import not_found
from guichet.store.port import Reader, Row
from guichet.store.rows import TABLES, Value


def within(access: Access) -> dict[str, Value | Sequence[Value]]:
    """The condition that keeps a read inside the organisation and the cleared clients."""
    where: dict[str, Value | Sequence[Value]] = {"org": access.org}
    if ANY not in access.clients:
        where["client"] = list(access.clients)
    return where


async def conversation_of(reader: Reader, access: Access, conversation: str) -> Row:
    """The conversation's row, if this access may see it. Raises Refused, the same for all that it may not."""
    return await _visible(reader, access, "conversation", conversation)


async def customer_of(reader: Reader, access: Access, customer: str) -> Row:
    """The same for a customer."""
    return await _visible(reader, access, "customer", customer)


async def _visible(reader: Reader, access: Access, table: str, ident: str) -> Row:
    row = await reader.row(TABLES[table], (ident,))
    if row is None or row["org"] != access.org or not access.cleared(str(row["client"])):
        raise not_found()
    return row
