"""The one writer on PostgreSQL: a connection of the leader's loop, one statement per batch, fenced by the epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import asyncpg
import msgspec
import structlog

from guichet.kit.clock import Instant
from guichet.kit.faults import fault_point
from guichet.kit.ids import new_id
from guichet.store.engines.postgres_base import CONNECTION, LOCKS, Connection, Pool, clean, meaning
from guichet.store.points import AFTER_COMMIT, BEFORE_COMMIT
from guichet.store.port import Answered, Batch, Entry, Fenced, Row
from guichet.store.rows import Change, Key, Table
from guichet.store.sql import Groups, Plan, grouped, quote, shape
from guichet.store.wake import Wake

log = structlog.get_logger(__name__)

_ENTRY = ", ".join(Entry.__struct_fields__)
_ENTRY_TYPES = (
    "bigint", "bigint", "text", "text", "bigint", "text", "bigint", "text", "text", "bytea", "bytea",
)  # fmt: skip
_ANSWER_TYPES = "text", "text", "text", "bigint", "bytea"
_JOB_TYPES = "text", "text", "text", "text", "bigint"
_HELD = "EXISTS (SELECT FROM fence)"
_values = msgspec.structs.astuple
_encode = msgspec.json.Encoder().encode

# Everything this connection does is by key. Without statistics (a table that has just been made) the planner
# would think otherwise, and a prepared plan stays.
SETTINGS = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_bitmapscan": "off",
}
# A leader whose machine vanished must lose its lock in seconds, not in the system's two hours.
KEEPALIVES = {"tcp_keepalives_idle": "2", "tcp_keepalives_interval": "1", "tcp_keepalives_count": "3"}

Arguments = list[Any]
Form = Callable[[Arguments], Arguments]
"""What is done to the parameters before they are sent."""


class PostgresWriter:
    """`port.Writer` on PostgreSQL. When the connection breaks during a commit nobody knows whether it happened;
    the leader reads the log again, and the commands' keys make the retry safe."""

    overlaps: ClassVar[bool] = True

    def __init__(self, url: str, jobs: Wake) -> None:
        self._url = url
        self._jobs = jobs
        self._connection: Connection | None = None
        self._lock: Connection | None = None
        self._held: set[int] = set()
        self._subject_tables: set[str] = set()
        self._rebuilding: set[str] = set()
        self._shapes = Shapes()

    async def _connect(self, settings: dict[str, str]) -> Connection:
        options = dict(CONNECTION)
        options["server_settings"] = {**CONNECTION["server_settings"], **settings}
        with meaning():
            connection: Connection = await asyncpg.connect(self._url, **options)
        return connection

    async def _writer(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._connect(SETTINGS)
        return self._connection

    async def _fetch(self, sql: str, *values: object) -> list[Any]:
        connection = await self._writer()
        with meaning():
            return list(await connection.fetch(sql, *values))

    async def lead(self, shard: int) -> int:
        if self._lock is None or self._lock.is_closed():
            self._lock, self._held = await self._connect(KEEPALIVES), set()
        if shard not in self._held:
            try:
                with meaning():
                    if not await self._lock.fetchval("SELECT pg_try_advisory_lock($1, $2)", LOCKS, shard):
                        log.warning("another Guichet leads this database: waiting until it ends", shard=shard)
                        await self._lock.execute("SELECT pg_advisory_lock($1, $2)", LOCKS, shard)
            except BaseException:
                self._lock.terminate()
                raise
            self._held.add(shard)
        sql = """INSERT INTO shard (shard, epoch) VALUES ($1, 1)
            ON CONFLICT (shard) DO UPDATE SET epoch = shard.epoch + 1 RETURNING epoch"""
        return int((await self._fetch(sql, shard))[0][0])

    async def append(self, batch: Batch) -> None:
        deletes, rest = grouped(batch.changes)
        connection = await self._writer()
        with meaning():
            fault_point(BEFORE_COMMIT)
            try:
                await self._append(connection, batch, deletes, rest, as_is)
            except asyncpg.CharacterNotInRepertoireError:
                await self._append(connection, batch, deletes, rest, clean)
        fault_point(AFTER_COMMIT)
        if batch.jobs:
            self._jobs.notify()

    async def _append(
        self, connection: Connection, batch: Batch, deletes: Groups, rest: Groups, form: Form
    ) -> None:
        replaced = any(change.replaced for change in batch.changes)
        if not (batch.erased or replaced):
            await self._statement(connection, batch, {**deletes, **rest}, form)
            return
        # The parts of one statement see the same rows: what must come first needs a statement of its own.
        async with connection.transaction():
            await _erase(connection, self._subject_tables, batch.erased)
            await _apply(connection, deletes, form)
            await self._statement(connection, batch, rest, form)

    async def _statement(self, connection: Connection, batch: Batch, groups: Groups, form: Form) -> None:
        """The whole batch as one statement. Raises Fenced when the epoch is not the batch's."""
        plans, sql = self._shapes.covering(groups)
        values: Arguments = [batch.shard, batch.epoch]
        values.extend(_columns(map(_values, batch.entries), len(_ENTRY_TYPES)))
        values.extend(_columns(map(_values, batch.answers), len(_ANSWER_TYPES)))
        jobs = ((new_id(), j.queue, j.key, _encode(j.payload).decode(), 0) for j in batch.jobs)
        values.extend(_columns(jobs, len(_JOB_TYPES)))
        for plan in plans:
            values.extend(_columns(groups.get(plan, ()), len(plan.parameters)))
        if not await connection.fetchval(sql, *form(values)):
            raise Fenced(f"shard {batch.shard} is led under another epoch")

    async def last(self, shard: int) -> tuple[int, Instant]:
        return await last(await self._writer(), shard)

    async def entries(self, shard: int, after: int, limit: int) -> list[Entry]:
        return await entries(await self._writer(), shard, after, limit)

    async def streams(self, names: Sequence[str]) -> dict[str, list[Entry]]:
        return await streams(await self._writer(), names)

    async def rows(self, table: Table, keys: Sequence[Key]) -> dict[Key, Row]:
        if not keys:
            return {}
        known, plan = shape(table), Plan("delete", table, ())
        arrays, names = _unnest(plan.types("postgres"), 1), [f"k{i}" for i in range(len(table.key))]
        columns = ", ".join(f"t.{quote(c)}" for c in known.columns)
        on = " AND ".join(f"t.{quote(c)} = u.{n}" for c, n in zip(table.key, names, strict=True))
        sql = f"SELECT {columns} FROM {arrays} AS u({', '.join(names)}) JOIN {quote(table.name)} AS t ON {on}"
        found = [known.decode(row) for row in await self._fetch(sql, *clean(list(zip(*keys, strict=True))))]
        return {tuple(row[c] for c in table.key): row for row in found}  # type: ignore[misc]

    async def answered(self, keys: Sequence[tuple[str, str, str]]) -> list[Answered]:
        sql = """SELECT k.org, k.actor, k.key, k.t, k.answer
            FROM unnest($1::text[], $2::text[], $3::text[]) AS u(org, actor, key)
            JOIN command_key AS k ON k.org = u.org AND k.actor = u.actor AND k.key = u.key"""
        if not keys:
            return []
        return [Answered(*row) for row in await self._fetch(sql, *clean(list(zip(*keys, strict=True))))]

    async def recent_answers(self, limit: int) -> list[Answered]:
        sql = "SELECT org, actor, key, t, answer FROM command_key ORDER BY t DESC LIMIT $1"
        return [Answered(*row) for row in reversed(await self._fetch(sql, limit))]

    async def save_snapshot(self, shard: int, seq: int, code: str, data: bytes) -> None:
        connection = await self._writer()
        with meaning():
            async with connection.transaction():
                await connection.execute("DELETE FROM snapshot WHERE shard = $1", shard)
                sql = "INSERT INTO snapshot (shard, seq, code, data) VALUES ($1, $2, $3, $4)"
                await connection.execute(sql, shard, seq, code, data)

    async def load_snapshot(self, shard: int, code: str) -> tuple[int, bytes] | None:
        sql = "SELECT seq, data FROM snapshot WHERE shard = $1 AND code = $2 ORDER BY seq DESC LIMIT 1"
        found = await self._fetch(sql, shard, code)
        return (found[0][0], found[0][1]) if found else None

    async def rebuild_needed(self, tables: Iterable[Table]) -> list[Table]:
        connection = await self._writer()
        needed = []
        with meaning():
            async with connection.transaction():
                found = await connection.fetch("SELECT name, fingerprint, ready FROM projection")
                stored = {row[0]: (row[1], row[2]) for row in found}
                empty = not await connection.fetchval("SELECT EXISTS (SELECT FROM fact)")
                for table in tables:
                    if "subject" in table.columns:
                        self._subject_tables.add(table.name)
                    if table.name not in stored:
                        await _create(connection, table, ready=empty)
                        if not empty:
                            needed.append(table)
                    elif stored[table.name] != (shape(table).fingerprint, 1):
                        needed.append(table)
        return needed

    async def begin_rebuild(self, tables: Sequence[Table]) -> None:
        self._rebuilding = {t.name for t in tables if "subject" in t.columns}
        connection = await self._writer()
        with meaning():
            async with connection.transaction():
                for table in tables:
                    await connection.execute(f"DROP TABLE IF EXISTS {quote(table.name)}")
                    await _create(connection, table, ready=False)

    async def rebuild(self, changes: Sequence[Change], erased: Sequence[str]) -> None:
        deletes, rest = grouped(changes)
        connection = await self._writer()
        with meaning():
            async with connection.transaction():
                await _erase(connection, self._rebuilding, erased)
                await _apply(connection, deletes, clean)
                await _apply(connection, rest, clean)

    async def end_rebuild(self, tables: Sequence[Table]) -> None:
        await self._fetch("UPDATE projection SET ready = 1 WHERE name = ANY($1)", [t.name for t in tables])

    async def close(self) -> None:
        """Lets go of the shard."""
        for connection in (self._connection, self._lock):
            if connection is not None and not connection.is_closed():
                await connection.close()

    def terminate(self) -> None:
        """The same, when the loop of the connections has ended already."""
        for connection in (self._connection, self._lock):
            if connection is not None:
                connection.terminate()


def as_is(values: Arguments) -> Arguments:
    """The arguments, unchanged."""
    return values


def _columns(rows: Iterable[Sequence[Any]], width: int) -> Iterable[list[Any]]:
    """Rows turned into one array per column; `width` empty ones when there is no row."""
    return list(map(list, zip(*rows, strict=True))) or [[] for _ in range(width)]


class Shapes:
    """The statements that write batches, one for each set of plans, and not too many of them.

    A new statement costs the server one to two milliseconds and about 300 kB for good; a part without rows costs
    5 microseconds. So a batch may use the statement of a somewhat larger set, and beyond `MOST` statements one
    that knows all plans.
    """

    MOST = 48
    SPARE = 4

    def __init__(self) -> None:
        self._statements: dict[frozenset[Plan], tuple[list[Plan], str]] = {}
        self._covers: dict[frozenset[Plan], tuple[list[Plan], str]] = {}

    def covering(self, wanted: Iterable[Plan]) -> tuple[list[Plan], str]:
        """The plans of a statement that has at least the wanted ones, in order, and its SQL."""
        plans = frozenset(wanted)
        found = self._covers.get(plans)
        if found is None:
            if len(self._covers) > 10_000:
                self._covers.clear()
            found = self._covers[plans] = self._cover(plans)
        return found

    def _cover(self, wanted: frozenset[Plan]) -> tuple[list[Plan], str]:
        best = min((plans for plans in self._statements if wanted <= plans), key=len, default=None)
        full = len(self._statements) >= self.MOST
        if best is None or (len(best) > len(wanted) + self.SPARE and not full):
            best = wanted.union(*self._statements) if full else wanted
            ordered = list(best)
            self._statements[best] = (ordered, _batch_sql(ordered))
        return self._statements[best]


def _unnest(types: Sequence[str], first: int) -> str:
    return f"unnest({', '.join(f'${n}::{kind}[]' for n, kind in enumerate(types, first))})"


def _batch_sql(plans: Sequence[Plan]) -> str:
    """Each part inserts, updates or deletes from its arrays, unless the fence is empty."""
    parts = ["fence AS MATERIALIZED (SELECT FROM shard WHERE shard = $1 AND epoch = $2 FOR SHARE)"]
    first = 3

    def part(sql: str, types: Sequence[str]) -> None:
        nonlocal first
        parts.append(f"c{len(parts)} AS ({sql.format(arrays=_unnest(types, first))})")
        first += len(types)

    part(
        f"INSERT INTO fact (shard, {_ENTRY}) SELECT $1, u.* FROM {{arrays}} AS u WHERE {_HELD}", _ENTRY_TYPES
    )
    columns = "org, actor, key, t, answer"
    part(f"INSERT INTO command_key ({columns}) SELECT u.* FROM {{arrays}} AS u WHERE {_HELD}", _ANSWER_TYPES)
    part(
        f"""INSERT INTO job (id, queue, key, payload, due, attempt, dead)
        SELECT u.*, 0, 0 FROM {{arrays}} AS u WHERE {_HELD} ON CONFLICT (queue, key) DO NOTHING""",
        _JOB_TYPES,
    )
    for plan in plans:
        part(plan.postgres("{arrays}", _HELD), plan.types("postgres"))
    return f"WITH {', '.join(parts)} SELECT count(*) FROM fence"


async def _apply(connection: Connection, groups: Groups, form: Form) -> None:
    for plan, rows in groups.items():
        sql = plan.postgres(_unnest(plan.types("postgres"), 1))
        await connection.execute(sql, *form(list(map(list, zip(*rows, strict=True)))))


async def _erase(connection: Connection, tables: Iterable[str], subjects: Sequence[str]) -> None:
    for name in tables if subjects else ():
        await connection.execute(f"DELETE FROM {quote(name)} WHERE subject = ANY($1)", list(subjects))


async def _create(connection: Connection, table: Table, *, ready: bool) -> None:
    for sql in shape(table).ddl("postgres"):
        await connection.execute(sql)
    sql = """INSERT INTO projection (name, fingerprint, ready) VALUES ($1, $2, $3) ON CONFLICT (name)
        DO UPDATE SET fingerprint = excluded.fingerprint, ready = excluded.ready"""
    await connection.execute(sql, table.name, shape(table).fingerprint, int(ready))


async def last(connection: Connection | Pool, shard: int) -> tuple[int, Instant]:
    """(seq, t) of the newest entry, or (0, 0)."""
    sql = "SELECT seq, t FROM fact WHERE shard = $1 ORDER BY seq DESC LIMIT 1"
    with meaning():
        row = await connection.fetchrow(sql, shard)
    return (0, 0) if row is None else (row[0], row[1])


async def entries(connection: Connection | Pool, shard: int, after: int, limit: int) -> list[Entry]:
    """The tail of the log after a position."""
    sql = f"SELECT {_ENTRY} FROM fact WHERE shard = $1 AND seq > $2 ORDER BY seq LIMIT $3"
    with meaning():
        return [Entry(*row) for row in await connection.fetch(sql, shard, after, limit)]


async def streams(connection: Connection | Pool, names: Sequence[str]) -> dict[str, list[Entry]]:
    """Whole streams, each in order."""
    found: dict[str, list[Entry]] = {name: [] for name in names}
    asked = [name for name in found if "\0" not in name]  # PostgreSQL holds none, and refuses to be asked
    sql = f"SELECT {_ENTRY} FROM fact WHERE stream = ANY($1) ORDER BY stream, version"
    with meaning():
        for row in await connection.fetch(sql, asked):
            entry = Entry(*row)
            found[entry.stream].append(entry)
    return found
