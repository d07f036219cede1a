"""Full-text search, the first follower: FTS5 on SQLite, tsvector on PostgreSQL.

Words are cut and folded here, in Python, so that both engines find the same: "Été" is found by "ete", and each
word asked for also finds the longer words that begin with it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import msgspec

from guichet.store.followers import Item, live
from guichet.store.port import Hit
from guichet.store.side import Database, Dialect, Transaction

MAX_QUERY = 200
"""Characters of what a user asks for; the rest is not looked at."""
MAX_WORDS = 20
MAX_WORD = 64
MAX_HITS = 100
EXCERPT_BEFORE = 60
EXCERPT = 180

_WORD = re.compile(r"[^\W_]+")
_SHOWN_WORD = re.compile(r"[^\W_](?:[^\W_]|[\u0300-\u036f])*")
_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "ı": "i"})


def fold(text: str) -> str:
    """Lower case, without accents and ligatures."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    if not plain.isascii():
        plain = "".join(c for c in plain if not unicodedata.combining(c)).translate(_LIGATURES)
    return plain


def words_of(text: str) -> list[str]:
    """The folded words of a text, each cut to MAX_WORD characters."""
    return [word[:MAX_WORD] for word in _WORD.findall(fold(text))]


class _Said(msgspec.Struct):
    """What search reads of a fact."""

    conversation: str
    client: str
    text: str
    message: str = ""
    n: int = 0


class _Withdrawn(msgspec.Struct):
    """What it reads of a reply that was taken back: nobody said it."""

    conversation: str
    n: int


class _Erased(msgspec.Struct):
    customer: str


class SearchIndex:
    """The `Follower`."""

    name = "search"
    version = 2
    facts = frozenset(
        {"message.received", "message.queued", "message.withdrawn", "note.added", "customer.erased"}
    )

    def create(self, prefix: str, dialect: Dialect) -> list[str]:
        words = ", words tsvector NOT NULL" if dialect == "postgres" else ""
        statements = [
            f"""CREATE TABLE {prefix}_entry (
                id bigint PRIMARY KEY, org text NOT NULL, client text NOT NULL, conversation text NOT NULL,
                message text NOT NULL, n bigint NOT NULL, subject text, t bigint NOT NULL,
                text text NOT NULL{words})""",
            f"CREATE INDEX {prefix}_subject ON {prefix}_entry (subject)",
            f"CREATE INDEX {prefix}_place ON {prefix}_entry (conversation, n)",
        ]
        if dialect == "postgres":
            return [*statements, f"CREATE INDEX {prefix}_words ON {prefix}_entry USING gin (words)"]
        return [
            *statements,
            f"""CREATE VIRTUAL TABLE {prefix}_words USING fts5 (
                words, content = '', tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3')""",
            # What is deleted leaves the index at once, not at some later merge.
            f"INSERT INTO {prefix}_words ({prefix}_words, rank) VALUES ('secure-delete', 1)",
        ]

    def drop(self, prefix: str) -> list[str]:
        # On PostgreSQL {prefix}_words is an index and goes with its table.
        return [f"DROP TABLE IF EXISTS {prefix}_entry", f"DROP TABLE IF EXISTS {prefix}_words"]

    async def apply(self, transaction: Transaction, prefix: str, items: Sequence[Item]) -> None:
        said: list[Item] = []
        for item in items:
            if item.entry.type not in ("customer.erased", "message.withdrawn"):
                said.append(item)
                continue
            await self._add(transaction, prefix, said)
            said = []
            if item.entry.type == "customer.erased":
                erased = msgspec.convert(item.fact, _Erased, from_attributes=True)
                await self._remove(transaction, prefix, "subject = ?", erased.customer)
            else:
                place = msgspec.convert(item.fact, _Withdrawn, from_attributes=True)
                await self._remove(
                    transaction, prefix, "conversation = ? AND n = ?", place.conversation, place.n
                )
        await self._add(transaction, prefix, said)

    async def _add(self, transaction: Transaction, prefix: str, items: Sequence[Item]) -> None:
        rows: list[tuple[object, ...]] = []
        index: list[tuple[int, str]] = []
        for item in items:
            entry, said = item.entry, msgspec.convert(item.fact, _Said, from_attributes=True)
            words = words_of(said.text)
            if not words:
                continue
            number = item.shard << 48 | entry.seq
            row = (
                number, entry.org, said.client, said.conversation, said.message, said.n, entry.subject, entry.t,
                said.text,
            )  # fmt: skip
            if transaction.dialect == "postgres":
                rows.append((*row, words))
            else:
                rows.append(row)
                index.append((number, " ".join(words)))
        if not rows:
            return
        columns = "id, org, client, conversation, message, n, subject, t, text"
        if transaction.dialect == "postgres":
            sql = f"""INSERT INTO {prefix}_entry ({columns}, words)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, array_to_tsvector(?))"""
            await transaction.many(sql, rows)
        else:
            sql = f"INSERT INTO {prefix}_entry ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
            await transaction.many(sql, rows)
            await transaction.many(f"INSERT INTO {prefix}_words (rowid, words) VALUES (?, ?)", index)

    async def _remove(self, transaction: Transaction, prefix: str, where: str, *values: object) -> None:
        if transaction.dialect == "sqlite":
            # An index without content is told what it held.
            sql = f"SELECT id, text FROM {prefix}_entry WHERE {where}"
            held = [
                (number, " ".join(words_of(text))) for number, text in await transaction.read(sql, *values)
            ]
            sql = f"INSERT INTO {prefix}_words ({prefix}_words, rowid, words) VALUES ('delete', ?, ?)"
            await transaction.many(sql, held)
        await transaction.write(f"DELETE FROM {prefix}_entry WHERE {where}", *values)


class Search:
    """`port.Search` over what the follower has indexed so far."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, org: str, clients: Sequence[str] | None, words: str, limit: int) -> list[Hit]:
        wanted = list(dict.fromkeys(words_of(words[:MAX_QUERY])))[:MAX_WORDS]
        tables = await live(self._database, SearchIndex.name)
        if not wanted or tables is None or (clients is not None and not clients):
            return []
        sql, values = self._query(tables[0], wanted, org, clients)
        found = await self._database.read(f"{sql} LIMIT ?", *values, min(limit, MAX_HITS))
        return [
            Hit(conversation, message, client, t, excerpt(text, wanted), n)
            for conversation, message, client, t, n, text in found
        ]

    def _query(
        self, prefix: str, wanted: Sequence[str], org: str, clients: Sequence[str] | None
    ) -> tuple[str, list[object]]:
        columns = "e.conversation, e.message, e.client, e.t, e.n, e.text"
        among = "" if clients is None else f" AND e.client IN ({', '.join('?' * len(clients))})"
        values = [org, *(clients or ())]
        # Words are letters and digits only: nothing in them means anything to either query language.
        if self._database.dialect == "postgres":
            query = " & ".join(f"'{word}':*" for word in wanted)
            sql = f"""SELECT {columns} FROM {prefix}_entry AS e
                WHERE e.words @@ ?::text::tsquery AND e.org = ?{among} ORDER BY e.id DESC"""
        else:
            query = " AND ".join(f'"{word}"*' for word in wanted)
            sql = f"""SELECT {columns} FROM {prefix}_words AS w JOIN {prefix}_entry AS e ON e.id = w.rowid
                WHERE w.words MATCH ? AND e.org = ?{among} ORDER BY w.rowid DESC"""
        return sql, [query, *values]

    async def position(self) -> int:
        """How far the index is."""
        tables = await live(self._database, SearchIndex.name)
        return 0 if tables is None else tables[1]


def excerpt(text: str, wanted: Sequence[str]) -> str:
    """The part of a text around the first word that was asked for, on one line."""
    starts = tuple(wanted)
    match = next((m for m in _SHOWN_WORD.finditer(text) if fold(m.group()).startswith(starts)), None)
    at = match.start() if match else 0
    start = 0 if at <= EXCERPT_BEFORE else text.find(" ", at - EXCERPT_BEFORE, at) + 1 or at - EXCERPT_BEFORE
    end = start + EXCERPT
    shown = " ".join(text[start:end].split())
    return ("… " if start else "") + shown + (" …" if end < len(text) else "")
