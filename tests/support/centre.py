"""A whole centre in this process, on SQLite in a folder of the test's own: store, leader, channels, HTTP.

    async with Centre.running(tmp_path) as centre:
        token = (await centre.open_chat())["token"]

One client "lune" with an agent, a queue, a chat door "shop" and a mailbox "bonjour@lune.example" whose relay is
`centre.relay`, an SMTP server that keeps what it gets.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from guichet.channels.email.smtp import SmtpDoor
from guichet.channels.inbound import ask
from guichet.kit.clock import Clock
from guichet.kit.errors import Refused
from guichet.kit.ids import new_id
from guichet.leader.registry import Actor
from guichet.server.app import new_app
from guichet.server.node import Node
from guichet.server.settings import ProcessSettings
from guichet.store.port import Row
from guichet.store.rows import TABLES
from tests.support.patience import never_busy
from tests.support.waiting import wait_until

ORG = "org"
ADDRESS = "bonjour@lune.example"
CHECKED_BY = "mx.lune.example"
"""The server whose word about senders the mailbox trusts."""


class Relay:
    """Takes every mail; `mails` are (sender, recipients, content). `refusals`: raised first, one a mail."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, list[str], bytes]] = []
        self.refusals: list[Refused] = []
        self.unknown: set[str] = set()

    def knows(self, address: str) -> bool:
        return address not in self.unknown

    async def take(self, sender: str, recipients: Sequence[str], content: bytes) -> str:
        if self.refusals:
            raise self.refusals.pop(0)
        self.mails.append((sender, list(recipients), content))
        return "kept"


class Centre:
    """See the module's text."""

    def __init__(self, node: Node, port: int, relay: Relay, relay_port: int) -> None:
        self.node = node
        self.port = port
        self.relay = relay
        self.relay_port = relay_port
        self.http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}")

    @classmethod
    @asynccontextmanager
    async def running(
        cls, folder: Path, clock: Clock | None = None, **settings: Any
    ) -> AsyncIterator[Centre]:
        relay = Relay()
        sink = SmtpDoor(relay, "relay.example")
        relay_port = await sink.open("127.0.0.1", 0)
        listener = socket.create_server(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
        options: dict[str, Any] = {
            "data_dir": folder,
            "smtp_port": 0,
            "relay_port": relay_port,
            "port": port,
        } | settings
        node = await Node.open(ProcessSettings(**options), clock)
        never_busy(node)
        try:
            node.listeners.append(node.hub.committed)
            node.work()
            app = new_app("test", _health, [route for door in node.doors for route in door.routes])
            config = uvicorn.Config(
                app, ws="websockets-sansio", ws_per_message_deflate=False, log_config=None, lifespan="off"
            )
            server = uvicorn.Server(config)
            serving = node.supervisor.start("http", server.serve(sockets=[listener]))
            centre = cls(node, port, relay, relay_port)
            try:
                await wait_until(lambda: server.started, "the server listens")
                yield centre
            finally:
                await centre.http.aclose()
                server.should_exit = server.force_exit = True
                await serving
        finally:
            await node.close()
            await sink.close()

    # -- what is asked ---------------------------------------------------------------------------------

    async def do(self, actor: Actor, name: str, /, **fields: object) -> dict[str, Any]:
        return await self.node.submit(ask(name, new_id(), actor, **fields))

    async def found(self, **chat: object) -> None:
        """The organisation and its doors; `chat` are settings of the chat door."""
        system = Actor("system", "setup", ORG)
        await self.do(
            system, "found_organisation", organisation=ORG, name="Lune", administrator="admin",
            administrator_name="Anne Admin", email="admin@lune.example",
        )  # fmt: skip
        agent: dict[str, object] = {
            "name": "Paul Martin", "email": "paul@lune.example", "site": "lyon", "clients": ["*"],
            "languages": ["fr", "en"],
        }  # fmt: skip
        mailbox: dict[str, object] = {
            "address": ADDRESS, "aliases": ["aide@lune.example"], "checked_by": CHECKED_BY,
        }  # fmt: skip
        values: list[tuple[str, str, dict[str, object]]] = [
            ("client", "lune", {"name": "Boutique Lune", "mark": "L"}),
            ("site", "lyon", {
                "name": "Lyon", "country": "FR", "zone": "EU", "time_zone": "Europe/Paris", "employer": "Lune",
            }),
            ("agent", "paul", agent),
            ("queue", "q", {"name": "Accueil", "client": "lune"}),
            ("entry_point", "shop", {
                "name": "Chat", "client": "lune", "channel": "webchat", "queue": "q", "settings": chat,
            }),
            ("entry_point", "mail", {
                "name": "Courriel", "client": "lune", "channel": "email", "queue": "q", "settings": mailbox,
            }),
        ]  # fmt: skip
        for kind, ident, value in values:
            await self.do(system, "set_config", kind=kind, id=ident, value=value, expected_version=0)

    def agent(self, name: str = "paul") -> Actor:
        return Actor("agent", name, ORG)

    async def available(self, name: str = "paul") -> None:
        """The agent is at work."""
        await self.do(Actor("system", "desk", ORG), "agent_connected", agent=name)
        await self.do(self.agent(name), "set_presence", presence="available")

    async def accept(self, conversation: str, name: str = "paul") -> None:
        """The agent takes the offer of this conversation."""

        async def offered() -> Row | None:
            found = await self.rows("work", agent=name, conversation=conversation)
            return found[0] if found and found[0]["offer"] else None

        waited: Callable[[], Any] = offered
        work = await wait_until(waited, "an offer")
        await self.do(self.agent(name), "accept_offer", offer=work["offer"])

    # -- what there is ----------------------------------------------------------------------------------

    async def rows(self, table: str, **where: Any) -> list[Row]:
        return await self.node.store.reader.rows(TABLES[table], {"org": ORG, **where})

    async def until(self, condition: Callable[[], Awaitable[bool]], what: str) -> None:
        """Waits for something that has to be asked for."""

        waited: Callable[[], Any] = condition
        await wait_until(waited, what)

    async def messages(self, conversation: str) -> list[Row]:
        return sorted(
            await self.rows("message", conversation=conversation), key=lambda row: int(str(row["n"]))
        )

    async def facts(self) -> list[str]:
        """The names of all facts, in order."""
        return [entry.type for entry in await self.node.store.reader.entries(0, 0, 100_000)]

    async def open_chat(self, entry: str = "shop", **fields: object) -> dict[str, Any]:
        answer = await self.http.post(f"/api/webchat/{entry}/open", json={"language": "fr", **fields})
        answer.raise_for_status()
        opened: dict[str, Any] = answer.json()
        return opened


async def _health() -> dict[str, Any]:
    return {}
