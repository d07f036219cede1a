"""The log of an installation that is stopped, read with its keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from guichet.events.base import Fact, decode
from guichet.kit.clock import SystemClock
from guichet.leader.thread import LoopThread
from guichet.server import stages
from guichet.store.engines import open_store
from guichet.store.port import Store
from guichet.store.vault import master_key
from tests.support.serving import Serving

ALL = 10_000_000


@asynccontextmanager
async def opened(serving: Serving) -> AsyncIterator[Store]:
    """Its store, beside nobody: nothing is led."""
    stages.load()
    thread = LoopThread("log")
    thread.start()
    try:
        url = serving.environment["GUICHET_DATABASE_URL"]
        key = master_key(serving.data / "master.key")
        store = await open_store(url, serving.data, thread.loop, SystemClock(), key)
        try:
            yield store
        finally:
            await store.close()
    finally:
        thread.stop()


async def facts_of(store: Store) -> list[Fact]:
    """All facts, in order, with what is personal in them. Fails where a position is missing."""
    entries = await store.reader.entries(0, 0, ALL)
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    return [
        decode(entry.type, entry.type_version, entry.data, personal)
        for entry, personal in await store.sealer.open_many(entries)
    ]
