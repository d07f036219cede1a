"""Rows in memory behind the store's `Reader`, and a receiver that holds what a desk's client would hold."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

from guichet.desk.hub import Subscription
from guichet.desk.lens import Delta
from guichet.kit.errors import Refused
from guichet.store.port import Entry, Row
from guichet.store.rows import Change, Key, Table, Value


class MemoryReader:
    """Applies commits as an engine does. While `slow`, a read happens, and returns, only when told."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[Key, Row]] = {}
        self.slow = False
        self.reads: list[Read] = []

    def apply(self, changes: Sequence[Change], erased: Sequence[str] = ()) -> None:
        for change in changes:
            rows = self.tables.setdefault(change.table.name, {})
            if change.values is None:
                rows.pop(change.key, None)
            elif change.fresh:
                key = dict(zip(change.table.key, change.key, strict=True))
                empty: Row = dict.fromkeys(change.table.columns)
                rows[change.key] = {**empty, **change.values, **key, "org": change.org}
            elif change.key in rows:
                rows[change.key].update(change.values)
        for rows in self.tables.values():
            for gone in [k for k, row in rows.items() if row.get("subject") in erased]:
                del rows[gone]

    async def row(self, table: Table, key: Key) -> Row | None:
        rows = await self._read(table, dict(zip(table.key, key, strict=True)))
        return rows[0] if rows else None

    async def rows(
        self,
        table: Table,
        where: dict[str, Value | Sequence[Value]],
        *,
        order: str | None = None,
        descending: bool = False,
        before: Value = None,
        limit: int = 1000,
    ) -> list[Row]:
        rows = await self._read(table, where)
        if order is not None:
            rows.sort(key=lambda row: cast("int", row[order]), reverse=descending)
        return rows[:limit]

    async def _read(self, table: Table, where: dict[str, Any]) -> list[Row]:
        read = Read(self, table, where)
        if self.slow:
            self.reads.append(read)
            await read.finished.wait()
        else:
            read.happen()
        return read.rows

    async def entries(self, shard: int, after: int, limit: int) -> list[Entry]:
        raise NotImplementedError

    async def streams(self, names: Sequence[str]) -> dict[str, list[Entry]]:
        raise NotImplementedError

    async def last(self, shard: int) -> tuple[int, int]:
        raise NotImplementedError


class Read:
    """One read under way: it sees the rows of the moment at which it happens, and returns them later."""

    def __init__(self, reader: MemoryReader, table: Table, where: dict[str, Any]) -> None:
        self.finished = asyncio.Event()
        self.happened = False
        self.rows: list[Row] = []
        self._reader = reader
        self._table = table
        self._where = where

    def happen(self) -> None:
        self.happened = True
        rows = self._reader.tables.get(self._table.name, {})
        self.rows = [
            dict(row) for row in rows.values() if all(row.get(c) == v for c, v in self._where.items())
        ]


class Mirror:
    """A client: rows built from snapshots and deltas only. An unbroken chain of `prev` is asserted."""

    def __init__(self) -> None:
        self.rows: dict[Key, Row] | None = None
        self.refused: Refused | None = None
        self.seen: list[Row] = []
        """Rows of every frame, for whoever checks what was sent, and empties it."""
        self.gone: list[Row] = []
        self.loaded = False
        self.lost_rights = False

    def snapshot(self, subscription: Subscription, whole: Delta) -> None:
        rows = whole.set
        assert self.refused is None
        assert subscription.bucket is not None
        self.rows = {self._key(subscription, row): dict(row) for row in rows}
        assert len(self.rows) == len(rows)
        self.loaded = True
        self.seen.extend(rows)

    def delta(self, subscription: Subscription, delta: Delta) -> None:
        assert self.refused is None
        assert self.rows is not None, "a delta before the snapshot"
        assert delta.set or delta.gone
        for row in delta.set:
            self.rows.setdefault(self._key(subscription, row), {}).update(row)
        for row in delta.gone:
            self.rows.pop(self._key(subscription, row), None)
            self.gone.append(row)
        self.seen.extend(delta.set)

    def ended(self, subscription: Subscription, refused: Refused) -> None:
        self.refused = refused
        self.rows = None

    @staticmethod
    def _key(subscription: Subscription, row: Row) -> Key:
        assert subscription.bucket is not None
        return tuple(cast("str", row[column]) for column in subscription.bucket.lens.view.key)
