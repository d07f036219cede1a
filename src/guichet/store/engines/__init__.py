"""The two engines behind the port."""

from __future__ import annotations

import asyncio
from pathlib import Path

from guichet.kit.clock import Clock
from guichet.kit.errors import Refused
from guichet.store.engines.postgres import PostgresStore
from guichet.store.engines.sqlite import SqliteStore
from guichet.store.port import Store


async def open_store(
    url: str, data_dir: Path, leader_loop: asyncio.AbstractEventLoop, clock: Clock, master_key: bytes
) -> Store:
    """Opens the engine that `url` names: "sqlite" (files in `data_dir`) or "postgresql://...".

    Called on the web loop. The writer then belongs to `leader_loop`, which must be running (it may be this one).
    Raises NewerDatabase, Full, OSError, Refused (the folder is in use, the master key is another one's).
    """
    store: SqliteStore | PostgresStore
    if url == "sqlite":
        store = SqliteStore(data_dir, leader_loop, clock, master_key)
    elif url.startswith(("postgresql://", "postgres://")):
        store = await PostgresStore.open(url, data_dir, leader_loop, clock, master_key)
    else:
        raise Refused(
            "invalid", "store.url", 'use "sqlite" or "postgresql://user@host/database"', field="url"
        )
    try:
        await store.keys.verify()
    except BaseException:
        await store.close()
        raise
    return store
