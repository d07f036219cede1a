"""The one writer of guichet.db. It lives on the leader's loop; side writes come to it between two batches."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import ClassVar

import msgspec
from pysqlite3 import dbapi2 as sqlite3

from guichet.kit.clock import Instant
from guichet.kit.errors import Refused
from guichet.kit.faults import fault_point
from guichet.kit.ids import new_id
from guichet.store.engines.sqlite_file import Checkpointer, Readers, meaning, transaction
from guichet.store.points import AFTER_COMMIT, BEFORE_COMMIT
from guichet.store.port import Answered, Batch, Entry, Fenced, Row
from guichet.store.rows import Change, Key, NewJob, Table
from guichet.store.side import Dialect, Found
from guichet.store.sql import Groups, Plan, grouped, quote, shape
from guichet.store.wake import Wake

_ENTRY = ", ".join(Entry.__struct_fields__)
_values = msgspec.structs.astuple
_encode = msgspec.json.Encoder().encode
_statements: dict[Plan, str] = {}


def _apply(db: sqlite3.Connection, groups: Groups) -> None:
    for plan, rows in groups.items():
        sql = _statements.get(plan)
        if sql is None:
            sql = _statements[plan] = plan.sqlite()
        if len(rows) == 1:
            db.execute(sql, rows[0])
        else:
            db.executemany(sql, rows)


def _erase(db: sqlite3.Connection, tables: Iterable[str], subjects: Sequence[str]) -> None:
    for name in tables:
        sql = f"DELETE FROM {quote(name)} WHERE subject = ?"
        db.executemany(sql, [(subject,) for subject in subjects])


class SqliteWriter:
    """`port.Writer` on SQLite. Its methods never wait: between BEGIN and COMMIT nothing else runs on the loop."""

    overlaps: ClassVar[bool] = False

    def __init__(self, db: sqlite3.Connection, jobs: Wake, checkpointer: Checkpointer) -> None:
        self._db = db
        self._jobs = jobs
        self._checkpointer = checkpointer
        self._subject_tables: set[str] = set()
        self._rebuilding: set[str] = set()

    async def lead(self, shard: int) -> int:
        sql = """INSERT INTO shard (shard, epoch) VALUES (?, 1)
            ON CONFLICT (shard) DO UPDATE SET epoch = epoch + 1 RETURNING epoch"""
        with meaning():
            return int(self._db.execute(sql, (shard,)).fetchall()[0][0])

    async def append(self, batch: Batch) -> None:
        db, shard = self._db, batch.shard
        deletes, rest = grouped(batch.changes)
        with transaction(db):
            epoch = db.execute("SELECT epoch FROM shard WHERE shard = ?", (shard,)).fetchone()
            if epoch is None or epoch[0] != batch.epoch:
                raise Fenced(f"shard {shard} is led under another epoch")
            if batch.entries:
                marks = ", ".join("?" * len(Entry.__struct_fields__))
                sql = f"INSERT INTO fact (shard, {_ENTRY}) VALUES ({shard:d}, {marks})"
                db.executemany(sql, map(_values, batch.entries))
            if batch.answers:
                sql = "INSERT INTO command_key (org, actor, key, t, answer) VALUES (?, ?, ?, ?, ?)"
                db.executemany(sql, map(_values, batch.answers))
            if batch.erased:
                _erase(db, self._subject_tables, batch.erased)
            if deletes:
                _apply(db, deletes)
            if rest:
                _apply(db, rest)
            if batch.jobs:
                self._add_jobs(batch.jobs)
            fault_point(BEFORE_COMMIT)
        fault_point(AFTER_COMMIT)
        self._checkpointer.wrote(4 * len(batch.entries) + 3 * len(batch.changes))
        if batch.jobs:
            self._jobs.notify()

    def _add_jobs(self, jobs: Sequence[NewJob]) -> None:
        sql = """INSERT INTO job (id, queue, key, payload, attempt, due, dead) VALUES (?, ?, ?, ?, 0, ?, 0)
            ON CONFLICT (queue, key) DO NOTHING"""
        self._db.executemany(sql, [(new_id(), j.queue, j.key, _encode(j.payload).decode(), 0) for j in jobs])

    async def last(self, shard: int) -> tuple[int, Instant]:
        with meaning():
            return last(self._db, shard)

    async def entries(self, shard: int, after: int, limit: int) -> list[Entry]:
        with meaning():
            return entries(self._db, shard, after, limit)

    async def streams(self, names: Sequence[str]) -> dict[str, list[Entry]]:
        with meaning():
            return streams(self._db, names)

    async def rows(self, table: Table, keys: Sequence[Key]) -> dict[Key, Row]:
        known = shape(table)
        where = " AND ".join(f"{quote(c)} = ?" for c in table.key)
        sql = f"SELECT {known.selected} FROM {quote(table.name)} WHERE {where}"
        with meaning():
            found = ((key, self._db.execute(sql, key).fetchone()) for key in keys)
            return {key: known.decode(row) for key, row in found if row is not None}

    async def answered(self, keys: Sequence[tuple[str, str, str]]) -> list[Answered]:
        sql = "SELECT org, actor, key, t, answer FROM command_key WHERE org = ? AND actor = ? AND key = ?"
        with meaning():
            return [Answered(*row) for key in keys for row in self._db.execute(sql, key).fetchall()]

    async def recent_answers(self, limit: int) -> list[Answered]:
        sql = "SELECT org, actor, key, t, answer FROM command_key ORDER BY rowid DESC LIMIT ?"
        with meaning():
            found = self._db.execute(sql, (limit,)).fetchall()
        return [Answered(*row) for row in reversed(found)]

    async def save_snapshot(self, shard: int, seq: int, code: str, data: bytes) -> None:
        with transaction(self._db):
            self._db.execute("DELETE FROM snapshot WHERE shard = ?", (shard,))
            self._db.execute(
                "INSERT INTO snapshot (shard, seq, code, data) VALUES (?, ?, ?, ?)", (shard, seq, code, data)
            )

    async def load_snapshot(self, shard: int, code: str) -> tuple[int, bytes] | None:
        sql = "SELECT seq, data FROM snapshot WHERE shard = ? AND code = ? ORDER BY seq DESC LIMIT 1"
        with meaning():
            row = self._db.execute(sql, (shard, code)).fetchone()
        return None if row is None else (row[0], row[1])

    async def rebuild_needed(self, tables: Iterable[Table]) -> list[Table]:
        db = self._db
        needed = []
        with transaction(db):
            stored = {name: (mark, ready) for name, mark, ready in db.execute("SELECT * FROM projection")}
            empty = db.execute("SELECT 1 FROM fact LIMIT 1").fetchone() is None
            for table in tables:
                if "subject" in table.columns:
                    self._subject_tables.add(table.name)
                if table.name not in stored:
                    self._create(table, ready=empty)
                    if not empty:
                        needed.append(table)
                elif stored[table.name] != (shape(table).fingerprint, 1):
                    needed.append(table)
        return needed

    def _create(self, table: Table, *, ready: bool) -> None:
        for sql in shape(table).ddl("sqlite"):
            self._db.execute(sql)
        sql = "INSERT OR REPLACE INTO projection (name, fingerprint, ready) VALUES (?, ?, ?)"
        self._db.execute(sql, (table.name, shape(table).fingerprint, int(ready)))

    async def begin_rebuild(self, tables: Sequence[Table]) -> None:
        self._rebuilding = {t.name for t in tables if "subject" in t.columns}
        with transaction(self._db):
            for table in tables:
                self._db.execute(f"DROP TABLE IF EXISTS {quote(table.name)}")
                self._create(table, ready=False)

    async def rebuild(self, changes: Sequence[Change], erased: Sequence[str]) -> None:
        deletes, rest = grouped(changes)
        with transaction(self._db):
            _erase(self._db, self._rebuilding, erased)
            _apply(self._db, deletes)
            _apply(self._db, rest)

    async def end_rebuild(self, tables: Sequence[Table]) -> None:
        with transaction(self._db):
            self._db.executemany(
                "UPDATE projection SET ready = 1 WHERE name = ?", [(t.name,) for t in tables]
            )


def last(db: sqlite3.Connection, shard: int) -> tuple[int, Instant]:
    """(seq, t) of the newest entry, or (0, 0)."""
    row = db.execute("SELECT seq, t FROM fact WHERE shard = ? ORDER BY seq DESC LIMIT 1", (shard,)).fetchone()
    return (0, 0) if row is None else (row[0], row[1])


def entries(db: sqlite3.Connection, shard: int, after: int, limit: int) -> list[Entry]:
    """The tail of the log after a position."""
    sql = f"SELECT {_ENTRY} FROM fact WHERE shard = ? AND seq > ? ORDER BY seq LIMIT ?"
    return [Entry(*row) for row in db.execute(sql, (shard, after, limit))]


def streams(db: sqlite3.Connection, names: Sequence[str]) -> dict[str, list[Entry]]:
    """Whole streams, each in order."""
    found: dict[str, list[Entry]] = {name: [] for name in names}
    sql = (
        f"SELECT {_ENTRY} FROM fact WHERE stream IN (SELECT value FROM json_each(?)) ORDER BY stream, version"
    )
    for row in db.execute(sql, (_encode(list(found)).decode(),)):
        entry = Entry(*row)
        found[entry.stream].append(entry)
    return found


class LeaderSide:
    """Side tables in guichet.db: writes travel to the leader's loop, reads use the reader threads. A `Side`."""

    dialect: Dialect = "sqlite"

    def __init__(
        self, db: sqlite3.Connection, readers: Readers, leader_loop: asyncio.AbstractEventLoop
    ) -> None:
        self._db = db
        self._readers = readers
        self._loop = leader_loop

    async def read(self, sql: str, *values: object) -> Found:
        return await self._readers.read(sql, *values)

    async def write(self, sql: str, *values: object) -> Found:
        if asyncio.get_running_loop() is self._loop:
            return self._write(sql, values)
        future: Future[Found] = Future()

        def work() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(self._write(sql, values))
                except Exception as error:  # noqa: BLE001 - it is raised where the result is awaited
                    future.set_exception(error)

        try:
            self._loop.call_soon_threadsafe(work)
        except RuntimeError as error:
            raise Refused("unavailable", "store.closed", "Guichet is stopping; try again later") from error
        return await asyncio.wrap_future(future)

    def _write(self, sql: str, values: tuple[object, ...]) -> Found:
        with meaning():
            return self._db.execute(sql, values).fetchall()
