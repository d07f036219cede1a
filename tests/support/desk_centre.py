"""A node with its web role and two organisations in it, asked without a network: HTTP and the desk's socket
straight into the application.

Organisation "org": clients shop and bank; paul, eva (agents, shop), bob (agent, bank), lea (leader, shop), ada
(administrator, all), nina (agent, nothing). Organisation "other": zoe (administrator), max (agent, all).
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from guichet.channels.inbound import ask
from guichet.kit.clock import HOUR
from guichet.kit.ids import new_id
from guichet.leader.registry import Actor
from guichet.server.app import new_app
from guichet.server.node import Node
from guichet.server.settings import ProcessSettings
from guichet.server.web import Web
from guichet.store.port import Row
from guichet.store.rows import TABLES
from tests.support.patience import never_busy
from tests.support.waiting import wait_until

HOST = "desk.example"
PATIENCE = 10.0
AGENTS: dict[str, tuple[str, str, list[str]]] = {
    "paul": ("org", "agent", ["shop"]),
    "eva": ("org", "agent", ["shop"]),
    "bob": ("org", "agent", ["bank"]),
    "lea": ("org", "leader", ["shop"]),
    "ada": ("org", "administrator", ["*"]),
    "nina": ("org", "agent", []),
    "zoe": ("other", "administrator", ["*"]),
    "max": ("other", "agent", ["*"]),
}


class Browser:
    """One connection to /api/desk, or to another socket."""

    def __init__(
        self,
        centre: DeskCentre,
        cookie: str | None,
        origin: str | None,
        path: str = "/api/desk",
        query: str = "",
    ) -> None:
        headers = [(b"host", HOST.encode())]
        if origin is not None:
            headers.append((b"origin", origin.encode()))
        if cookie is not None:
            headers.append((b"cookie", f"guichet_session={cookie}".encode()))
        self.scope: dict[str, Any] = {
            "type": "websocket", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1",
            "scheme": "ws", "server": (HOST, 80), "client": ("10.0.0.1", 1), "root_path": "", "path": path,
            "raw_path": path.encode(), "query_string": query.encode(), "headers": headers,
            "subprotocols": [], "state": {},
        }  # fmt: skip
        self.accepted = False
        self.closed: int | None = None
        self.frames: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.reading = asyncio.Event()
        """Cleared: the peer takes nothing any more, and `send` waits as a full transport makes it wait."""
        self.reading.set()
        self._in: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._in.put_nowait({"type": "websocket.connect"})
        self._task = centre.node.supervisor.start(
            "browser", centre.app(self.scope, self._receive, self._send)
        )

    async def _receive(self) -> dict[str, Any]:
        return await self._in.get()

    async def _send(self, message: Any) -> None:
        await self.reading.wait()
        if message["type"] == "websocket.accept":
            self.accepted = True
        elif message["type"] == "websocket.close":
            self.closed = message["code"]
            self._in.put_nowait({"type": "websocket.disconnect", "code": self.closed})
        else:
            self.frames.put_nowait(json.loads(message["text"]))

    def send_text(self, text: str) -> None:
        self._in.put_nowait({"type": "websocket.receive", "text": text})

    def send(self, **frame: Any) -> None:
        self.send_text(json.dumps(frame))

    async def frame(self, *ops: str) -> dict[str, Any]:
        """The next frame of one of these kinds (of any, when none is named)."""
        async with asyncio.timeout(PATIENCE):
            while True:
                frame = await self.frames.get()
                if not ops or frame["op"] in ops:
                    return frame

    async def subscribe(self, view: str, partition: str = "", sub: str = "") -> dict[str, Any]:
        """The snapshot, or the refusal."""
        self.send(op="subscribe", sub=sub or view, view=view, partition=partition)
        return await self.frame("snapshot", "refused")

    async def command(self, name: str, /, key: str | None = None, **payload: Any) -> dict[str, Any]:
        """The answer."""
        self.send(op="command", id="a", name=name, key=key or new_id(), payload=payload)
        return await self.frame("answer", "refused")

    async def ended(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait([self._task])

    async def leave(self) -> None:
        self._in.put_nowait({"type": "websocket.disconnect", "code": 1001})
        await self.ended()


class DeskCentre:
    """See the module's text."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.web = Web(node)
        self.routes = self.web.routes()
        self.app = new_app("test", _health, self.routes)
        self.tokens: dict[str, str] = {}
        self._clients: list[httpx.AsyncClient] = []

    @classmethod
    @asynccontextmanager
    async def running(cls, folder: Path, database_url: str = "sqlite") -> AsyncIterator[DeskCentre]:
        settings = ProcessSettings(data_dir=folder, smtp_port=0, port=0, database_url=database_url)
        node = await Node.open(settings)
        never_busy(node)
        try:
            node.supervisor.start("search", node.indexer.run())
            node.supervisor.start("people", node.people_indexer.run())
            centre = cls(node)
            await centre._furnish()
            yield centre
            for client in centre._clients:
                await client.aclose()
            centre.web.close()
        finally:
            await node.close()

    async def _furnish(self) -> None:
        for org, administrator in (("org", "ada"), ("other", "zoe")):
            await self.do(
                self.system(org), "found_organisation", organisation=org, name=org.title(),
                administrator=administrator, administrator_name=administrator.title(),
                email=f"{administrator}@{org}.example",
            )  # fmt: skip
            for client in ("shop", "bank"):
                await self.config(org, "client", client, name=client.title())
                await self.config(org, "queue", client, name=client.title(), client=client)
                door = {"name": "Chat", "client": client, "channel": "webchat", "queue": client}
                await self.config(org, "entry_point", door_of(client, org), **door)
        for agent, (org, role, clients) in AGENTS.items():
            if role != "administrator":
                await self.config(
                    org, "agent", agent, name=agent.title(), email=f"{agent}@{org}.example", site="main",
                    role=role, clients=clients,
                )  # fmt: skip
            expires = self.node.clock.now() + 12 * HOUR
            self.tokens[agent] = await self.node.store.sessions.create("agent", org, agent, expires)

    # -- who asks -------------------------------------------------------------------------------------

    def system(self, org: str = "org") -> Actor:
        return Actor("system", "test", org)

    def agent(self, name: str) -> Actor:
        return Actor("agent", name, AGENTS[name][0])

    def http(self, agent: str | None = None, **headers: str) -> httpx.AsyncClient:
        """A browser's HTTP side, signed in as an agent."""
        transport = httpx.ASGITransport(app=self.app, client=("10.0.0.1", 1))
        cookies = {"guichet_session": self.tokens[agent]} if agent else None
        client = httpx.AsyncClient(
            transport=transport,
            base_url=f"http://{HOST}",
            cookies=cookies,
            headers={"X-Guichet": "1", **headers},
        )
        self._clients.append(client)
        return client

    def browser(
        self, agent: str | None, origin: str | None = f"http://{HOST}", token: str | None = None
    ) -> Browser:
        """A browser's socket."""
        return Browser(self, token or (self.tokens[agent] if agent else None), origin)

    async def desk(self, agent: str) -> Browser:
        """An open desk; its first frame is read."""
        browser = self.browser(agent)
        assert (await browser.frame())["op"] == "hello"
        return browser

    # -- what happens -----------------------------------------------------------------------------------

    async def do(self, actor: Actor, name: str, /, **payload: object) -> dict[str, Any]:
        return await self.node.submit(ask(name, new_id(), actor, **payload))

    async def config(self, org: str, kind: str, ident: str, version: int = 0, /, **value: object) -> None:
        await self.do(
            self.system(org), "set_config", kind=kind, id=ident, value=value, expected_version=version
        )

    async def change(self, org: str, kind: str, ident: str, **values: object) -> None:
        """Changes some of a value."""
        item = self.node.directory.item(org, kind, ident)
        assert item is not None
        await self.config(org, kind, ident, item.version, **{**item.value.model_dump(mode="json"), **values})

    async def chat(
        self, conversation: str, client: str = "shop", org: str = "org", words: str = "Bonjour, mon colis ?"
    ) -> str:
        """A conversation with a first message of a customer of its own, `<conversation>-customer`."""
        await self.open(conversation, client, org)
        await self.say(conversation, words, org)
        return conversation

    def visitor(self, conversation: str, org: str = "org") -> Actor:
        """The customer of a conversation."""
        return Actor("visitor", f"{conversation}-customer", org)

    async def open(self, conversation: str, client: str = "shop", org: str = "org") -> None:
        """A conversation without words yet."""
        customer = f"{conversation}-customer"
        await self.node.store.keys.ensure(customer)
        visitor = self.visitor(conversation, org)
        await self.do(
            visitor, "register_customer", customer=customer, client=client, name=f"Inès {conversation.title()}",
            email=f"ines.{conversation}@mail.example",
        )  # fmt: skip
        await self.do(
            visitor, "open_conversation", conversation=conversation, customer=customer,
            entry_point=door_of(client, org), live=True, outbox=False, name="Inès",
        )  # fmt: skip

    async def say(self, conversation: str, words: str, org: str = "org", **more: object) -> None:
        await self.do(
            self.visitor(conversation, org),
            "receive_message",
            conversation=conversation,
            message=new_id(),
            text=words,
            **more,
        )

    async def take(self, conversation: str, agent: str) -> None:
        """The agent, at a desk now, takes the conversation."""
        await self.do(self.system(AGENTS[agent][0]), "agent_connected", agent=agent)
        await self.do(self.agent(agent), "take", conversation=conversation)

    async def position(self) -> int:
        return (await self.node.store.reader.last(0))[0]

    async def rows(self, table: str, **where: Any) -> list[Row]:
        return await self.node.store.reader.rows(TABLES[table], where)

    async def indexed(self) -> None:
        """The followers have read everything."""
        last = await self.position()

        async def there() -> bool:
            return self.node.indexer.position >= last and self.node.people_indexer.position >= last

        await wait_until(there, "the followers have read everything")


def door_of(client: str, org: str = "org") -> str:
    """The chat's entry point; what the outside knows it by is no other organisation's."""
    return f"{client}-chat" if org == "org" else f"{org}-{client}-chat"


async def _health() -> dict[str, Any]:
    return {}


def with_centre(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Gives a test its argument `centre`. Not a fixture: what runs in it must have ended when the test has."""

    async def run(tmp_path: Path, **arguments: object) -> None:
        async with DeskCentre.running(tmp_path / "data") as centre:
            await test(centre=centre, **arguments)

    functools.update_wrapper(run, test)
    asked = [p for p in inspect.signature(test).parameters.values() if p.name != "centre"]
    tmp_path = inspect.Parameter("tmp_path", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    run.__signature__ = inspect.Signature([tmp_path, *asked])  # type: ignore[attr-defined]
    return run
