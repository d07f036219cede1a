"""Finding customers by name, address or number: a follower with one row per word, the same on both engines.

Each word asked for also finds the longer words that begin with it. A field that changes takes its old words
with it; erasure takes all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from guichet.store.followers import Item, live
from guichet.store.search import MAX_HITS, MAX_QUERY, MAX_WORDS, words_of
from guichet.store.side import Database, Dialect, Transaction

_LAST = "\U0010ffff"
_FEWEST_DIGITS = 4
"""Digits in a row of groups that are also kept as one word, so that a number is found however it is spaced."""


class _Known(msgspec.Struct):
    """What the index reads of a fact; None: this fact says nothing about it."""

    customer: str
    client: str = ""
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    handle: str | None = None
    hash: str = ""


class PeopleIndex:
    """The `Follower`."""

    name = "people"
    version = 1
    facts = frozenset({"customer.described", "identity.claimed", "customer.erased"})

    def create(self, prefix: str, dialect: Dialect) -> list[str]:
        # Bytes order on both engines, so that a range of words is the words that begin so.
        order = ' COLLATE "C"' if dialect == "postgres" else ""
        return [
            f"""CREATE TABLE {prefix}_word (
                org text NOT NULL, word text{order} NOT NULL, customer text NOT NULL, field text NOT NULL,
                client text NOT NULL, PRIMARY KEY (customer, field, word))""",
            f"CREATE INDEX {prefix}_words ON {prefix}_word (org, word, customer)",
        ]

    def drop(self, prefix: str) -> list[str]:
        return [f"DROP TABLE IF EXISTS {prefix}_word"]

    async def apply(self, transaction: Transaction, prefix: str, items: Sequence[Item]) -> None:
        for item in items:
            known = msgspec.convert(item.fact, _Known, from_attributes=True)
            if item.entry.type == "customer.erased":
                await transaction.write(f"DELETE FROM {prefix}_word WHERE customer = ?", known.customer)
                continue
            for field, text in _fields(known):
                sql = f"DELETE FROM {prefix}_word WHERE customer = ? AND field = ?"
                await transaction.write(sql, known.customer, field)
                rows = [(item.entry.org, w, known.customer, field, known.client) for w in _words(text)]
                if rows:
                    columns = "org, word, customer, field, client"
                    sql = f"INSERT INTO {prefix}_word ({columns}) VALUES (?, ?, ?, ?, ?)"
                    await transaction.many(sql, rows)


def _fields(known: _Known) -> Iterator[tuple[str, str]]:
    for field in ("name", "email", "phone"):
        text = getattr(known, field)
        if text is not None:
            yield field, text
    if known.handle:
        yield f"handle {known.hash}", known.handle


def _words(text: str) -> list[str]:
    words = words_of(text)
    digits = "".join(word for word in words if word.isdecimal())
    if len(digits) >= _FEWEST_DIGITS:
        words.append(digits)
    return list(dict.fromkeys(words))


class People:
    """`port.People` over what the follower has indexed so far."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, org: str, clients: Sequence[str] | None, words: str, limit: int) -> list[str]:
        wanted = list(dict.fromkeys(words_of(words[:MAX_QUERY])))[:MAX_WORDS]
        tables = await live(self._database, PeopleIndex.name)
        if not wanted or tables is None or (clients is not None and not clients):
            return []
        if all(word.isdecimal() for word in wanted):
            wanted = ["".join(wanted)]
        among = "" if clients is None else f" AND client IN ({', '.join('?' * len(clients))})"
        one = f"SELECT customer FROM {tables[0]}_word WHERE org = ? AND word >= ? AND word < ?{among}"
        values = [value for word in wanted for value in (org, word, word + _LAST, *(clients or ()))]
        # Ids are ordered in time: the newest customers first.
        sql = f"SELECT customer FROM ({' INTERSECT '.join([one] * len(wanted))}) AS found"
        found = await self._database.read(
            f"{sql} GROUP BY customer ORDER BY customer DESC LIMIT ?", *values, min(limit, MAX_HITS)
        )
        return [row[0] for row in found]
