"""Followers: read tables beside the commit, such as full-text search. Each keeps its own position in the log.

A follower's tables carry its version in their names. A new version fills new tables while the old ones are
still read; when it has caught up they are swapped. What a follower did and its position are one transaction,
so a restart goes on without a gap or a repetition.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
import structlog

from guichet.events.base import Fact, decode
from guichet.kit.faults import fault_point
from guichet.store.points import FOLLOWER_BEFORE_COMMIT
from guichet.store.port import Entry, Reader
from guichet.store.sealing import Sealer
from guichet.store.side import Database, Dialect, Transaction
from guichet.store.wake import Wake

log = structlog.get_logger(__name__)

CHUNK = 500
IDLE_SECONDS = 2.0
"""How long a follower that was not woken waits before it looks by itself."""
FIRST_DELAY_SECONDS = 1.0
LONGEST_DELAY_SECONDS = 60.0

Trouble = Callable[[str, BaseException], None]


class Item(msgspec.Struct, frozen=True):
    """One fact for a follower: as stored and as decoded, with its personal fields where their key still exists."""

    shard: int
    entry: Entry
    fact: Fact


class Follower(Protocol):
    """What a follower says of itself. `prefix` stands before its tables' names: it differs by version."""

    name: str
    version: int
    facts: frozenset[str]
    """The types of fact that it wants to see."""

    def create(self, prefix: str, dialect: Dialect) -> list[str]:
        """The statements that make its tables."""
        ...

    def drop(self, prefix: str) -> list[str]:
        """The statements that remove them."""
        ...

    async def apply(self, transaction: Transaction, prefix: str, items: Sequence[Item]) -> None:
        """Takes facts in, in order, each exactly once."""
        ...


async def live(database: Database, name: str) -> tuple[str, int] | None:
    """(prefix, position) of the tables that may be read; None before the follower first ran."""
    sql = "SELECT version, position FROM follower WHERE name = ? AND live = 1"
    found = await database.read(sql, name)
    return (_prefix(name, found[0][0]), found[0][1]) if found else None


def _prefix(name: str, version: int) -> str:
    return f"{name}_{version:d}"


class Runner:
    """Runs one follower over one shard. One runner per follower at a time."""

    def __init__(
        self,
        follower: Follower,
        database: Database,
        reader: Reader,
        sealer: Sealer,
        *,
        shard: int = 0,
        on_trouble: Trouble | None = None,
        first_delay: float = FIRST_DELAY_SECONDS,
    ) -> None:
        self.position = 0
        self.trouble: str | None = None
        """Why it does not get on, while it does not: for the health page."""
        self._follower = follower
        self._database = database
        self._reader = reader
        self._sealer = sealer
        self._shard = shard
        self._on_trouble = on_trouble
        self._first_delay = first_delay
        self._prefix = _prefix(follower.name, follower.version)
        self._live = False
        self._wake = Wake()

    def notify(self) -> None:
        """Something was committed. Any thread."""
        self._wake.notify()

    async def run(self) -> None:
        """Follows until cancelled. An error is reported and tried again, later and later; nothing is skipped."""
        delay = self._first_delay
        while True:
            try:
                await self.prepare()
                while True:
                    seen = self._wake.count
                    moved = await self.step()
                    delay, self.trouble = self._first_delay, None
                    if not moved:
                        await self._wake.wait(seen, IDLE_SECONDS)
            except Exception as error:
                self.trouble = type(error).__name__
                log.exception("follower failed", follower=self._follower.name, position=self.position)
                if self._on_trouble is not None:
                    self._on_trouble(self._follower.name, error)
                await asyncio.sleep(delay)
                delay = min(2 * delay, LONGEST_DELAY_SECONDS)

    async def prepare(self) -> None:
        """Makes or finds this version's tables and its position."""
        name, version = self._follower.name, self._follower.version
        found = await self._database.read("SELECT version, position, live FROM follower WHERE name = ?", name)
        mine = next((row for row in found if row[0] == version), None)
        last, _ = await self._reader.last(self._shard)
        if mine is not None and mine[1] <= last:
            self.position, self._live = mine[1], bool(mine[2])
            return
        # Also when it is ahead of the log: that log was brought back from a backup, so this one starts anew.
        others = any(row[0] != version and row[2] for row in found)
        async with self._database.transaction() as transaction:
            for sql in (
                *self._follower.drop(self._prefix),
                *self._follower.create(self._prefix, transaction.dialect),
            ):
                await transaction.write(sql)
            await transaction.write("DELETE FROM follower WHERE name = ? AND version = ?", name, version)
            sql = "INSERT INTO follower (name, version, position, live) VALUES (?, ?, 0, ?)"
            await transaction.write(sql, name, version, int(not others))
        self.position, self._live = 0, not others

    async def step(self) -> bool:
        """Takes in the next facts. False when there were none."""
        entries = await self._reader.entries(self._shard, self.position, CHUNK)
        if not entries:
            if not self._live:
                await self._swap()
            return False
        if entries[0].seq != self.position + 1:
            raise LookupError(f"the log of shard {self._shard} has a gap after {self.position}")
        wanted = [entry for entry in entries if entry.type in self._follower.facts]
        items = [
            Item(self._shard, entry, decode(entry.type, entry.type_version, entry.data, personal))
            for entry, personal in await self._sealer.open_many(wanted)
        ]
        async with self._database.transaction() as transaction:
            if items:
                await self._follower.apply(transaction, self._prefix, items)
            sql = "UPDATE follower SET position = ? WHERE name = ? AND version = ?"
            await transaction.write(sql, entries[-1].seq, self._follower.name, self._follower.version)
            fault_point(FOLLOWER_BEFORE_COMMIT)
        self.position = entries[-1].seq
        return True

    async def _swap(self) -> None:
        """This version has caught up: from now on it is the one that is read."""
        name, version = self._follower.name, self._follower.version
        old = await self._database.read(
            "SELECT version FROM follower WHERE name = ? AND version <> ?", name, version
        )
        async with self._database.transaction() as transaction:
            await transaction.write("DELETE FROM follower WHERE name = ? AND version <> ?", name, version)
            await transaction.write("UPDATE follower SET live = 1 WHERE name = ?", name)
            for row in old:
                for sql in self._follower.drop(_prefix(name, row[0])):
                    await transaction.write(sql)
        self._live = True
