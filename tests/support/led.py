"""A leader on a real store, with a tiny domain of counters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from guichet.kit.clock import ManualClock, SystemClock
from guichet.kit.errors import Refused
from guichet.kit.faults import disarm_all
from guichet.kit.ids import new_id
from guichet.leader.loop import Committed, Leader
from guichet.leader.registry import Actor, Command, CommandSpec, Scope
from guichet.leader.replay import compare_rows, compare_states, replay
from guichet.leader.state import State
from guichet.leader.thread import LoopThread
from guichet.store.engines import open_store
from guichet.store.port import Store
from tests.support.counters import COUNTER, Count, Counters, OpenBox, SetAlarm

ACTOR = Actor("agent", "amina", "org")
COMMANDS = {Count: "test_count", SetAlarm: "test_set_alarm", OpenBox: "test_open_box"}


def new_state() -> State:
    return State([Counters()])


def authorise(state: State, actor: Actor, spec: CommandSpec, scope: Scope) -> None:
    if actor.id == "mallory":
        raise Refused("forbidden", "forbidden", "ask your administrator")


class House:
    """One leader on one store."""

    def __init__(self, store: Store, thread: LoopThread, leader: Leader, committed: list[Committed]) -> None:
        self.store, self.thread, self.leader, self.committed = store, thread, leader, committed

    async def do(
        self, payload: msgspec.Struct, key: str | None = None, actor: Actor = ACTOR
    ) -> dict[str, object]:
        return await self.leader.submit(Command(COMMANDS[type(payload)], key or new_id(), actor, payload))

    async def check_replay(self) -> None:
        """State and rows from the log equal the live ones."""
        replayed = await replay(self.store.reader, self.store.sealer, 0, new_state)
        assert compare_states(replayed.state, self.leader.memory.state) == []
        live = await self.store.reader.rows(COUNTER, {})
        assert compare_rows(COUNTER, replayed.rows["test_counter"], live) == []


@asynccontextmanager
async def house(
    url: str, folder: Path, clock: SystemClock | ManualClock | None = None, max_waiting: int = 4_000
) -> AsyncIterator[House]:
    thread = LoopThread("test leader")
    thread.start()
    clock = clock or SystemClock()
    store = await open_store(url, folder, thread.loop, clock, b"m" * 32)
    await store.keys.ensure("someone")
    committed: list[Committed] = []
    ready = asyncio.Event()
    here = asyncio.get_running_loop()
    leader = Leader(0, store.writer, store.sealer, clock, new_state, authorise, committed.append, max_waiting)
    running = asyncio.wrap_future(thread.submit(leader.run(lambda: here.call_soon_threadsafe(ready.set))))  # type: ignore[arg-type]
    try:
        await asyncio.wait_for(ready.wait(), 10)
        yield House(store, thread, leader, committed)
    finally:
        disarm_all()
        leader.stop()
        await asyncio.gather(running, return_exceptions=True)
        await store.close()
        thread.stop()


@pytest.fixture
def url(engine_kind: str, request: pytest.FixtureRequest) -> str:
    return "sqlite" if engine_kind == "sqlite" else str(request.getfixturevalue("postgres_url"))
