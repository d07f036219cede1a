"""Guichet in one folder: guichet.db (the log, rows, side tables), keys.db, one file per follower, blobs/."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from guichet.kit.clock import Clock, Instant
from guichet.kit.errors import Refused
from guichet.store.blobs import BlobFiles, Blobs
from guichet.store.drafts import Drafts
from guichet.store.engines.sqlite_file import Checkpointer, Readers, SqliteFile, connect, empty_log
from guichet.store.engines.sqlite_writer import LeaderSide, SqliteWriter, entries, last, streams
from guichet.store.jobs import Jobs
from guichet.store.keys import Keys
from guichet.store.port import Entry, Row
from guichet.store.rows import Key, Table, Value
from guichet.store.sealing import Sealer
from guichet.store.sessions import Sessions
from guichet.store.sql import quote, select, shape
from guichet.store.steps import FOLLOWER_STEPS, KEY_STEPS, STEPS
from guichet.store.vault import WRAPPED, Secrets
from guichet.store.wake import Wake


class SqliteReader:
    """`port.Reader` on the reader threads."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    async def row(self, table: Table, key: Key) -> Row | None:
        where = " AND ".join(f"{quote(c)} = ?" for c in table.key)
        sql = f"SELECT {shape(table).selected} FROM {quote(table.name)} WHERE {where}"
        found = await self._readers.read(sql, *key)
        return shape(table).decode(found[0]) if found else None

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
        sql, values = select(
            "sqlite", table, where, order=order, descending=descending, before=before, limit=limit
        )
        decode = shape(table).decode
        return await self._readers.run(lambda db: [decode(row) for row in db.execute(sql, values)])

    async def entries(self, shard: int, after: int, limit: int) -> list[Entry]:
        return await self._readers.run(lambda db: entries(db, shard, after, limit))

    async def streams(self, names: Sequence[str]) -> dict[str, list[Entry]]:
        return await self._readers.run(lambda db: streams(db, names))

    async def last(self, shard: int) -> tuple[int, Instant]:
        return await self._readers.run(lambda db: last(db, shard))


class SqliteStore:
    """`port.Store` over one folder. Opened by `engines.open_store`."""

    def __init__(
        self, folder: Path, leader_loop: asyncio.AbstractEventLoop, clock: Clock, master_key: bytes
    ) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        with ExitStack() as opening:
            opening.callback(os.close, _only_one(folder))
            self._db = opening.enter_context(closing(connect(folder / "guichet.db", "FULL", STEPS)))
            checkpointer = opening.enter_context(closing(Checkpointer(folder / "guichet.db", self._db)))
            self._readers = opening.enter_context(closing(Readers(folder / "guichet.db")))
            self._keys_file = opening.enter_context(closing(SqliteFile(folder / WRAPPED, "FULL", KEY_STEPS)))
            blobs = BlobFiles(folder / "blobs")
            self._opened = opening.pop_all()
        self._followers: dict[str, SqliteFile] = {}
        side = LeaderSide(self._db, self._readers, leader_loop)
        wake = Wake()
        self.writer = SqliteWriter(self._db, wake, checkpointer)
        self.reader = SqliteReader(self._readers)
        self.keys = Keys(self._keys_file, master_key, after_destroy=self._empty_logs)
        self.sealer = Sealer(self.keys)
        self.sessions = Sessions(side, clock)
        self.secrets = Secrets(side, master_key)
        self.drafts = Drafts(side, self.keys)
        self.jobs = Jobs(side, clock, wake)
        self.blobs = Blobs(side, self.keys, blobs)

    def follower(self, name: str) -> SqliteFile:
        """The follower's file, made when it is asked for first."""
        if name not in self._followers:
            file = SqliteFile(self._folder / f"{name}.db", "NORMAL", FOLLOWER_STEPS)
            self._followers[name] = self._opened.enter_context(closing(file))
        return self._followers[name]

    async def _empty_logs(self) -> None:
        """After an erasure: what was overwritten must not remain in the write-ahead logs either."""
        for name in ("keys", "guichet", *self._followers):
            await asyncio.to_thread(empty_log, self._folder / f"{name}.db")

    async def close(self) -> None:
        """Ends threads and closes files. The leader must have stopped."""
        self._opened.close()


def _only_one(folder: Path) -> int:
    """Locks the folder for this process; the system lets go when the process ends. Raises Refused."""
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        remedy = f"another Guichet runs on this folder ({folder}): stop it, or choose another folder"
        raise Refused("conflict", "store.in_use", remedy) from error
    return lock
