"""A centre to measure: the leader over a real store, with an organisation, agents, customers, open chats."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import uvloop
from pysqlite3 import dbapi2 as sqlite3

from guichet.accounts.authorise import authorise
from guichet.kit.clock import SystemClock
from guichet.kit.errors import Refused
from guichet.kit.ids import new_id
from guichet.leader.loop import Committed, Leader
from guichet.leader.registry import COMMANDS, Actor, Answer, Command
from guichet.leader.thread import LoopThread
from guichet.server import stages
from guichet.server.leading import SHARD
from guichet.store.engines import open_store
from guichet.store.port import Store
from guichet.store.vault import master_key
from tests.support.postgres import Cluster

stages.load()  # what the stages register, and their tables

ORG = "bench"
MASTER_KEY = bytes(32)
ENGINES = ("sqlite", "postgres")
SYSTEM = Actor("system", "bench", ORG)
TEXT = "Bonjour, mon colis devait arriver hier et le suivi ne dit rien. Pouvez-vous regarder ?"
AT_ONCE = 200
DURABLE = {"fsync": "on", "full_page_writes": "on", "max_wal_size": "2GB", "autovacuum": "on"}


class Place:
    """Where an engine keeps things: a folder, and for PostgreSQL a server of our own with an empty database."""

    def __init__(self, folder: Path, cluster: Cluster | None) -> None:
        self.folder = folder
        self._cluster = cluster
        self.url = cluster.socket_url(cluster.create_database()) if cluster is not None else "sqlite"

    @property
    def backend(self) -> int | None:
        """The server's process."""
        return self._cluster.process.pid if self._cluster is not None else None

    async def read(self, sql: str) -> list[tuple[Any, ...]]:
        """Reads with a connection of its own what stands there now."""
        if self._cluster is None:
            with contextlib.closing(
                sqlite3.connect(f"file:{self.folder}/guichet.db?mode=ro", uri=True)
            ) as db:
                return list(db.execute(sql))
        connection = await asyncpg.connect(self.url)
        try:
            return [tuple(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    def another(self, name: str) -> Place:
        """A second place on the same engine and server."""
        folder = self.folder / name
        folder.mkdir()
        return Place(folder, self._cluster)


@contextmanager
def place(engine: str) -> Iterator[Place]:
    """An empty place on the engine, with fsync on."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="guichet-bench-")))
        cluster = stack.enter_context(Cluster.running(**DURABLE)) if engine == "postgres" else None
        yield Place(folder, cluster)


class House:
    """A leader at work in its own thread."""

    def __init__(self, store: Store, leader: Leader, thread: LoopThread) -> None:
        self.store = store
        self.leader = leader
        self.thread = thread

    async def do(self, actor: Actor, name: str, key: str = "", /, **payload: object) -> Answer:
        """Runs one command."""
        return await self.leader.submit(
            Command(name, key or new_id(), actor, msgspec.convert(payload, COMMANDS[name].payload))
        )

    async def many(self, actor: Actor, name: str, payloads: list[dict[str, Any]]) -> None:
        """The same command over and over, many at once."""
        for start in range(0, len(payloads), AT_ONCE):
            await asyncio.gather(*(self.do(actor, name, **p) for p in payloads[start : start + AT_ONCE]))

    async def config(self, kind: str, ident: str, **value: object) -> None:
        await self.do(SYSTEM, "set_config", kind=kind, id=ident, value=value, expected_version=0)

    async def found(self) -> None:
        """The organisation with one client, queue and chat door; offers last long."""
        await self.do(
            SYSTEM, "found_organisation", organisation=ORG, name="Bench", administrator="ada",
            administrator_name="Ada", email="ada@bench.example",
        )  # fmt: skip
        settings = {"name": "Bench", "offer_seconds": 300, "wrapup_seconds": 0}
        await self.do(
            SYSTEM, "set_config", kind="organisation", id="organisation", value=settings, expected_version=1
        )
        await self.config("client", "shop", name="Shop")
        await self.config("queue", "shop", name="Shop", client="shop", cost=1)
        await self.config(
            "entry_point", "shop-chat", name="Shop chat", client="shop", channel="webchat", queue="shop"
        )

    async def agents(self, number: int, presence: str = "available") -> list[str]:
        """Agents at their desks."""
        names = [f"agent{n:05}" for n in range(number)]
        values = [
            {
                "name": name,
                "email": f"{name}@bench.example",
                "site": "main",
                "clients": ["shop"],
                "capacity": 100,
            }
            for name in names
        ]
        await self.many(
            SYSTEM, "set_config",
            [{"kind": "agent", "id": n, "value": v, "expected_version": 0} for n, v in zip(names, values, strict=True)],
        )  # fmt: skip
        await self.many(SYSTEM, "agent_connected", [{"agent": name} for name in names])
        await self.present(names, presence)
        return names

    async def present(self, names: list[str], presence: str = "available") -> None:
        """What these agents do from now on."""
        for start in range(0, len(names), AT_ONCE):
            chosen = names[start : start + AT_ONCE]
            await asyncio.gather(
                *(self.do(Actor("agent", name, ORG), "set_presence", presence=presence) for name in chosen)
            )

    async def customers(self, number: int) -> list[str]:
        """Anonymous visitors, their keys made."""
        names = [new_id() for _ in range(number)]
        await asyncio.gather(*(self.store.keys.ensure(name) for name in names))
        for start in range(0, number, AT_ONCE):
            chosen = names[start : start + AT_ONCE]
            await asyncio.gather(
                *(
                    self.do(visitor(name), "register_customer", customer=name, client="shop", anonymous=True)
                    for name in chosen
                )
            )
        return names

    async def open(self, conversation: str, customer: str) -> None:
        """A chat without words yet."""
        await self.do(
            visitor(customer), "open_conversation", f"open:{conversation}", conversation=conversation,
            customer=customer, entry_point="shop-chat", live=True, outbox=False, name="Inès",
        )  # fmt: skip

    async def say(self, conversation: str, customer: str, message: str) -> Answer:
        """A sentence of the customer."""
        return await self.do(
            visitor(customer),
            "receive_message",
            message,
            conversation=conversation,
            message=message,
            text=TEXT,
        )

    async def attended(self, customers: list[str], agent: str) -> list[str]:
        """A chat of each customer that the agent is on."""
        conversations = [new_id() for _ in customers]
        for start in range(0, len(customers), AT_ONCE):
            pairs = list(zip(conversations, customers, strict=True))[start : start + AT_ONCE]
            await asyncio.gather(*(self.open(c, who) for c, who in pairs))
            await asyncio.gather(*(self.say(c, who, new_id()) for c, who in pairs))
            actor = Actor("agent", agent, ORG)
            await asyncio.gather(*(self.do(actor, "take", conversation=c) for c, _ in pairs))
        return conversations


def visitor(customer: str) -> Actor:
    return Actor("visitor", customer, ORG)


def ignore(committed: Committed) -> None:
    """Nobody listens."""


@asynccontextmanager
async def opened(where: Place) -> AsyncIterator[tuple[Store, LoopThread]]:
    """The place's store, with the thread to which its writer belongs."""
    thread = LoopThread("leader", uvloop.new_event_loop)
    thread.start()
    try:
        key = master_key(where.folder / "master.key")
        store = await open_store(where.url, where.folder, thread.loop, SystemClock(), key)
        try:
            yield store, thread
        finally:
            await store.close()
    finally:
        thread.stop()


@asynccontextmanager
async def house(where: Place) -> AsyncIterator[House]:
    """A leader on the place's store, as the product starts it, without sockets or followers."""
    async with opened(where) as (store, thread):
        leader = Leader(SHARD, store.writer, store.sealer, SystemClock(), stages.new_state, authorise, ignore)
        ready, loop = asyncio.Event(), asyncio.get_running_loop()

        def started() -> None:
            loop.call_soon_threadsafe(ready.set)

        leading: asyncio.Future[Any] = asyncio.wrap_future(thread.submit(leader.run(started)))
        waiting: asyncio.Future[Any] = asyncio.ensure_future(ready.wait())
        try:
            await asyncio.wait([leading, waiting], return_when=asyncio.FIRST_COMPLETED)
            if leading.done():
                leading.result()
                raise Refused("unavailable", "bench.leader", "the leader ended at once")
            yield House(store, leader, thread)
        finally:
            leader.stop()
            await asyncio.gather(leading, return_exceptions=True)
