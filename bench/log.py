"""The log alone: `Writer.append` of facts, without rows, beside the same rows written by hand."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import uvloop
from pysqlite3 import dbapi2 as sqlite3

from bench.bare import SqliteDriver, statement
from bench.house import ENGINES, MASTER_KEY, ORG, Place, place
from bench.measure import Meter, Table
from guichet.kit.clock import SystemClock
from guichet.kit.ids import new_id
from guichet.leader.thread import LoopThread
from guichet.store.engines import open_store
from guichet.store.engines.postgres_base import CONNECTION
from guichet.store.engines.sqlite_file import connect
from guichet.store.entry import Entry
from guichet.store.port import Batch, Store
from guichet.store.steps import STEPS

BATCHES = (1, 32, 256)
ROUNDS = 3
DATA = b'{"conversation":"06a1f3c2q0r1s2t3u4v5061728","message":"06a1f3c2q0r1s2t3u4v5061729","n":12}'
SEALED = bytes(220)
HEAD = ["engine", "facts a commit", "Guichet facts/s", "CPU us", "by hand facts/s", "CPU us", "ratio"]

Write = Callable[[list[Entry]], Awaitable[None]]


def entries(after: int, number: int) -> list[Entry]:
    """Facts of about 400 bytes, each of a stream of its own."""
    return [
        Entry(seq, 1_800_000_000_000, ORG, f"conversation/{new_id()}", 1, "message.received", 1,
              "visitor:06a1f3c2q0r1s2t3u4v5061730", "06a1f3c2q0r1s2t3u4v5061730", DATA, SEALED)
        for seq in range(after + 1, after + 1 + number)
    ]  # fmt: skip


async def measured(engine: str, seconds: float) -> list[list[str]]:
    with place(engine) as where:
        other = where.another("bare")
        await _make(other)
        thread = LoopThread("leader", uvloop.new_event_loop)
        thread.start()
        store = await open_store(where.url, where.folder, thread.loop, SystemClock(), MASTER_KEY)
        try:
            async with _by_hand(other) as hand:
                return await thread.run(_compared(engine, seconds, where, store, hand))
        finally:
            await store.close()
            thread.stop()


async def _compared(
    engine: str, seconds: float, where: Place, store: Store, by_hand: Callable[[], Awaitable[Write]]
) -> list[list[str]]:
    """On the leader's loop, where the writer belongs; the driver by hand runs on the same one."""
    epoch = await store.writer.lead(0)
    await store.writer.rebuild_needed([])

    async def ours(facts: list[Entry]) -> None:
        await store.writer.append(Batch(0, epoch, facts, [], [], [], []))

    hand, rows = await by_hand(), []
    seq = {ours: 0, hand: 0}
    for size in BATCHES:
        meters = {ours: Meter(where.backend), hand: Meter(where.backend)}
        for _ in range(ROUNDS):
            for write, meter in meters.items():
                end, done = time.perf_counter() + seconds / ROUNDS, 0
                meter.start()
                while time.perf_counter() < end:
                    await write(entries(seq[write] + done, size))
                    done += size
                meter.stop(done)
                seq[write] += done
        one, two = meters[ours], meters[hand]
        ratio = f"{one.rate / two.rate:.2f}"
        rows.append([engine, str(size), f"{one.rate:,.0f}", one.cost, f"{two.rate:,.0f}", two.cost, ratio])
        print(" ", *rows[-1], flush=True)
    return rows


async def _make(where: Place) -> None:
    """The log's tables, and a leader's epoch."""
    thread = LoopThread("leader")
    thread.start()
    store = await open_store(where.url, where.folder, thread.loop, SystemClock(), MASTER_KEY)
    await thread.run(store.writer.lead(0))
    await store.close()
    thread.stop()


@contextlib.asynccontextmanager
async def _by_hand(where: Place) -> Any:  # noqa: ANN401 (a context manager's shape)
    """How to begin to write by hand, once on the loop that does it."""
    opened: list[sqlite3.Connection | asyncpg.Connection[Any]] = []

    async def begin() -> Write:
        if where.url == "sqlite":
            db = connect(where.folder / "guichet.db", "FULL", STEPS)
            opened.append(db)
            sql = SqliteDriver.FACTS

            async def write(facts: list[Entry]) -> None:
                db.execute("BEGIN IMMEDIATE")
                assert db.execute("SELECT epoch FROM shard WHERE shard = 0").fetchone()[0] == 1
                db.executemany(sql, [_tuple(e) for e in facts])
                db.execute("COMMIT")

            return write
        connection = await asyncpg.connect(where.url, **CONNECTION)
        opened.append(connection)
        text = statement((), keys=False)

        async def insert(facts: list[Entry]) -> None:
            columns = list(map(list, zip(*map(_tuple, facts), strict=True)))
            assert await connection.fetchval(text, 0, 1, *columns) == 1

        return insert

    try:
        yield begin
    finally:
        for connection in opened:
            (connection.close if isinstance(connection, sqlite3.Connection) else connection.terminate)()


def _tuple(e: Entry) -> tuple[Any, ...]:
    return (
        e.seq,
        e.t,
        e.org,
        e.stream,
        e.version,
        e.type,
        e.type_version,
        e.actor,
        e.subject,
        e.data,
        e.sealed,
    )


def main(arguments: list[str] | None = None) -> list[Table]:
    parser = argparse.ArgumentParser(prog="python -m bench.log", description=__doc__)
    parser.add_argument("--seconds", type=float, default=4, help="for each line and side")
    parser.add_argument("--engine", choices=ENGINES, action="append")
    options = parser.parse_args(arguments)
    table = Table("The log alone", "python -m bench.log", HEAD)
    for engine in options.engine or ENGINES:
        table.rows += uvloop.run(measured(engine, options.seconds))
    return [table]


if __name__ == "__main__":
    for made in main():
        print(made.text())
