"""Guichet on PostgreSQL: the one log of several processes. Keys have a schema of their own, blobs are rows."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO, cast

from guichet.kit.clock import Clock, Instant
from guichet.kit.errors import Refused
from guichet.store.blobs import Blobs, frames
from guichet.store.drafts import Drafts
from guichet.store.engines import postgres_writer
from guichet.store.engines.postgres_base import Pools, PostgresDatabase, migrate, run
from guichet.store.engines.postgres_writer import PostgresWriter
from guichet.store.jobs import Jobs
from guichet.store.keys import Keys
from guichet.store.port import Away, Entry, Row
from guichet.store.rows import Key, Table, Value
from guichet.store.sealing import Sealer
from guichet.store.sessions import Sessions
from guichet.store.sql import quote, select, shape
from guichet.store.steps import KEY_STEPS, POSTGRES_STEPS, STEPS
from guichet.store.vault import Secrets
from guichet.store.wake import Wake


class PostgresReader:
    """`port.Reader` on the pool of whichever loop asks."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools

    async def row(self, table: Table, key: Key) -> Row | None:
        where = " AND ".join(f"{quote(c)} = ?" for c in table.key)
        sql = f"SELECT {shape(table).selected} FROM {quote(table.name)} WHERE {where}"
        found = await run(await self._pools.here(), sql, key)
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
            "postgres", table, where, order=order, descending=descending, before=before, limit=limit
        )
        decode = shape(table).decode
        return [decode(row) for row in await run(await self._pools.here(), sql, values)]

    async def entries(self, shard: int, after: int, limit: int) -> list[Entry]:
        return await postgres_writer.entries(await self._pools.here(), shard, after, limit)

    async def streams(self, names: Sequence[str]) -> dict[str, list[Entry]]:
        return await postgres_writer.streams(await self._pools.here(), names)

    async def last(self, shard: int) -> tuple[int, Instant]:
        return await postgres_writer.last(await self._pools.here(), shard)


class BlobRows:
    """Ciphertext as rows, one for the header and one per frame. A `blobs.Place`."""

    def __init__(self, database: PostgresDatabase, folder: Path) -> None:
        self._database = database
        self._folder = folder

    def begin(self) -> BinaryIO:
        # A file without a name: it is gone when this process is.
        return cast("BinaryIO", tempfile.TemporaryFile(dir=self._folder))

    async def keep(self, file: BinaryIO, address: str) -> None:
        sql = "INSERT INTO blob_chunk (address, n, data) VALUES (?, ?, ?)"
        file.seek(0)
        reading, n = frames(file), 0
        async with self._database.transaction() as transaction:
            while piece := await asyncio.to_thread(next, reading, b""):
                await transaction.write(sql, address, n, piece)
                n += 1

    def drop(self, file: BinaryIO) -> None:
        file.close()

    async def pieces(self, address: str) -> AsyncIterator[bytes]:
        n = 0
        sql = "SELECT data FROM blob_chunk WHERE address = ? AND n = ?"
        while found := await self._database.read(sql, address, n):
            yield found[0][0]
            n += 1

    async def remove(self, addresses: Sequence[str]) -> None:
        await self._database.write("DELETE FROM blob_chunk WHERE address = ANY(?)", list(addresses))


class PostgresStore:
    """`port.Store` over one database."""

    def __init__(
        self,
        pools: Pools,
        folder: Path,
        leader_loop: asyncio.AbstractEventLoop,
        clock: Clock,
        master_key: bytes,
    ) -> None:
        self._pools = pools
        self._leader_loop = leader_loop
        self._database = PostgresDatabase(pools)
        wake = Wake()
        self.writer = PostgresWriter(pools.url, wake)
        self.reader = PostgresReader(pools)
        self.keys = Keys(self._database, master_key, self._vacuum_keys, table="vault.subject_key")
        self.sealer = Sealer(self.keys)
        self.sessions = Sessions(self._database, clock)
        self.secrets = Secrets(self._database, master_key)
        self.drafts = Drafts(self._database, self.keys)
        self.jobs = Jobs(self._database, clock, wake)
        self.blobs = Blobs(self._database, self.keys, BlobRows(self._database, folder))

    @classmethod
    async def open(
        cls,
        url: str,
        folder: Path,
        leader_loop: asyncio.AbstractEventLoop,
        clock: Clock,
        master_key: bytes,
    ) -> PostgresStore:
        """Connects and brings the database up to date. Raises Refused: NewerDatabase, Full, not there."""
        await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
        pools = Pools(url)
        try:
            both = zip_longest(STEPS, POSTGRES_STEPS, fillvalue=())
            await migrate(pools, "public", [(*log, *more) for log, more in both])
            await migrate(pools, "vault", KEY_STEPS)
        except Away as error:
            await pools.close()
            remedy = f"the database does not answer ({error.why}): start it, or correct GUICHET_DATABASE_URL"
            raise Refused("unavailable", "store.not_there", remedy) from error
        except BaseException:
            await pools.close()
            raise
        return cls(pools, folder, leader_loop, clock, master_key)

    async def _vacuum_keys(self) -> None:
        """Takes the old row with the destroyed key out of its page. Copies in the server's own log and in
        backups go when those go; they are wrapped by the master key."""
        await self._database.write("VACUUM vault.subject_key")

    def follower(self, name: str) -> PostgresDatabase:
        """Followers keep their tables beside the log here."""
        return self._database

    async def close(self) -> None:
        """Closes every connection. The leader must have stopped."""
        if self._leader_loop is asyncio.get_running_loop():
            await self.writer.close()
        elif self._leader_loop.is_running():
            closing = asyncio.run_coroutine_threadsafe(self.writer.close(), self._leader_loop)
            await asyncio.wrap_future(closing)
        else:
            self.writer.terminate()
        await self._pools.close()
