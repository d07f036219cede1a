"""PostgreSQL connections: one pool per event loop, the port's errors, numbered steps, side tables."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeAlias

import asyncpg

from guichet.store.port import Away, BadChange, Conflict, DuplicateKey, Full, NewerDatabase, full_disk
from guichet.store.side import Dialect, Found
from guichet.store.sql import numbered

# Generic for the type checker only.
Connection: TypeAlias = "asyncpg.Connection[Any]"
Pool: TypeAlias = "asyncpg.Pool[Any]"
Pooled: TypeAlias = "asyncpg.pool.PoolConnectionProxy[Any]"

TYPES = {"int": "bigint", "bytes": "bytea", "strict": "", "vault": "vault."}
LOCKS = 0x67756963
"""The class of our advisory locks; the number in it is the shard, or MIGRATION."""
MIGRATION = -1

POOL = 8
CLOSING_SECONDS = 5.0


@contextmanager
def meaning() -> Iterator[None]:
    """Turns PostgreSQL's errors into the port's."""
    try:
        with full_disk():
            yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        translated = _translated(error)
        if isinstance(translated, OSError):
            raise translated from error
        raise translated from None  # the original quotes values, which may be personal and end in a log
    except (ConnectionError, TimeoutError, socket.gaierror) as error:
        raise Away(str(error)) from error
    except (
        asyncpg.InternalClientError
    ) as error:  # how a server's last word before it ends a connection is met
        raise Away(str(error)) from error


def _translated(error: asyncpg.PostgresError | asyncpg.InterfaceError) -> Exception:
    kind = type(error).__name__
    if isinstance(error, asyncpg.UniqueViolationError):
        name = error.constraint_name or ""
        if name.startswith("fact_"):
            return Conflict(name)
        return DuplicateKey(name) if name == "command_key_once" else BadChange(f"{kind}: {name}")
    if isinstance(error, asyncpg.DiskFullError):
        return Full()
    if isinstance(error, asyncpg.exceptions.DataError):  # found before anything was sent
        return BadChange(str(error).split(":", maxsplit=1)[0])
    if isinstance(error, asyncpg.SyntaxOrAccessError):
        return BadChange(f"{kind}: {error.args[0]}")
    if isinstance(error, asyncpg.DataError | asyncpg.IntegrityConstraintViolationError):
        return BadChange(f"{kind} in {error.table_name or '?'}.{error.column_name or '?'}")
    return Away(f"{kind}: {error}")


def clean(values: Sequence[Any]) -> list[Any]:
    """PostgreSQL's text holds no NUL: it becomes U+FFFD, the sign for what cannot be shown."""
    return [
        v.replace("\0", "\ufffd") if isinstance(v, str) else clean(v) if isinstance(v, list | tuple) else v
        for v in values
    ]


class Pools:
    """A pool of connections for each loop that asks."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._pools: dict[asyncio.AbstractEventLoop, Pool] = {}
        self._making: dict[asyncio.AbstractEventLoop, asyncio.Lock] = {}

    async def here(self) -> Pool:
        """The running loop's pool. Raises OSError."""
        loop = asyncio.get_running_loop()
        pool = self._pools.get(loop)
        if pool is None:
            async with self._making.setdefault(loop, asyncio.Lock()):
                pool = self._pools.get(loop)
                if pool is None:
                    with meaning():
                        pool = await asyncpg.create_pool(
                            self.url, min_size=1, max_size=POOL, reset=_no_reset, **CONNECTION
                        )
                    self._pools[loop] = pool
        return pool

    async def close(self) -> None:
        """Closes all of them, each on its own loop where that still runs."""
        here = asyncio.get_running_loop()
        for loop, pool in self._pools.items():
            if loop is here:
                await _close(pool)
            elif loop.is_running():
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_close(pool), loop))
            else:
                pool.terminate()
        self._pools.clear()


async def _close(pool: Pool) -> None:
    """Waits a moment for what is under way, then ends it."""
    try:
        await asyncio.wait_for(pool.close(), CLOSING_SECONDS)
    except TimeoutError:
        pool.terminate()


CONNECTION: dict[str, Any] = {
    "statement_cache_size": 1_000,
    "max_cached_statement_lifetime": 0,
    "max_cacheable_statement_size": 0,
    "server_settings": {"application_name": "guichet", "jit": "off"},
}


async def _no_reset(connection: Connection) -> None:
    """Nothing here changes a session, so a connection goes back to the pool without a round trip."""


class PostgresDatabase:
    """Side tables and followers' tables. A `Database`."""

    dialect: Dialect = "postgres"

    def __init__(self, pools: Pools) -> None:
        self._pools = pools

    async def read(self, sql: str, *values: object) -> Found:
        return await run(await self._pools.here(), sql, values)

    write = read

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresTransaction]:
        """One transaction on a connection of the pool."""
        pool = await self._pools.here()
        with meaning():
            async with pool.acquire() as connection, connection.transaction():
                yield PostgresTransaction(connection)


class PostgresTransaction:
    """The statements of one transaction."""

    dialect: Dialect = "postgres"

    def __init__(self, connection: Pooled) -> None:
        self._connection = connection

    async def read(self, sql: str, *values: object) -> Found:
        # An error ends a transaction, so a NUL is looked for beforehand.
        return await run(self._connection, sql, clean(values))

    write = read

    async def many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        await self._connection.executemany(numbered(sql), [clean(row) for row in rows])


async def run(connection: Pool | Pooled, sql: str, values: Sequence[object]) -> Found:
    """Runs one statement with "?" for its parameters."""
    with meaning():
        try:
            found = await connection.fetch(numbered(sql), *values)
        except asyncpg.CharacterNotInRepertoireError:
            found = await connection.fetch(numbered(sql), *clean(values))
    return [tuple(row) for row in found]


async def migrate(pools: Pools, schema: str, steps: Sequence[Sequence[str]]) -> None:
    """Brings one schema's own tables up to date; of several processes one does it. Raises NewerDatabase."""
    pool = await pools.here()
    with meaning():
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1, $2)", LOCKS, MIGRATION)
            await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
            await connection.execute(f"CREATE TABLE IF NOT EXISTS {schema}.step (done bigint NOT NULL)")
            done = await connection.fetchval(f"SELECT coalesce(max(done), 0) FROM {schema}.step")
            if done > len(steps):
                raise NewerDatabase("the database")
            for number in range(done + 1, len(steps) + 1):
                for sql in steps[number - 1]:
                    await connection.execute(sql.format(**TYPES))
                await connection.execute(f"INSERT INTO {schema}.step (done) VALUES ($1)", number)
