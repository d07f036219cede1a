"""`guichet log replay`: the log read again from its first fact, beside what is live."""

from __future__ import annotations

import uvloop
from rich.console import Console

from guichet.kit.clock import SystemClock
from guichet.leader.memory import Memory
from guichet.leader.replay import Difference, compare_rows, compare_states, replay
from guichet.leader.thread import LoopThread
from guichet.server import stages
from guichet.server.leading import SHARD
from guichet.server.settings import ProcessSettings
from guichet.store.engines import open_store
from guichet.store.port import Store
from guichet.store.rows import TABLES
from guichet.store.vault import master_key

SHOWN = 20
ALL = 100_000_000


async def check_log(settings: ProcessSettings, *, compare: bool) -> list[Difference]:
    """Replays the log of a Guichet that is stopped (SQLite) or not (PostgreSQL: only while nothing is written).

    Prints what it found; gives the differences (none when `compare` is off). Raises Refused.
    """
    stages.load()
    thread = LoopThread("replay", uvloop.new_event_loop)
    thread.start()
    try:
        master = master_key(settings.data_dir / "master.key")
        store = await open_store(settings.database_url, settings.data_dir, thread.loop, SystemClock(), master)
        try:
            return await _check(store, thread, compare=compare)
        finally:
            await store.close()
    finally:
        thread.stop()


async def _check(store: Store, thread: LoopThread, *, compare: bool) -> list[Difference]:
    console = Console()
    replayed = await replay(store.reader, store.sealer, SHARD, stages.new_state, stages.ANSWERS_ONLY)
    rows = sum(len(table) for table in replayed.rows.values())
    console.print(f"replayed {replayed.seq:,} facts into {rows:,} rows")
    if not compare:
        return []
    live = Memory(SHARD, store.writer, store.sealer, stages.new_state)
    await thread.run(live.load())
    reactions = replayed.reactions
    console.print(f"{reactions.inputs:,} inputs, to which reactors gave {reactions.answers:,} facts again")
    found = reactions.end() + compare_states(replayed.state, live.state)
    for name, table in TABLES.items():
        found += compare_rows(table, replayed.rows[name], await store.reader.rows(table, {}, limit=ALL))
    for difference in found[:SHOWN]:
        console.print(f"{difference.where}: {difference.what}", highlight=False)
    console.print(
        f"{len(found)} differences between the log and the live state" if found else "live equals log"
    )
    return found
