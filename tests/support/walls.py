"""Two organisations behind the whole application, and everybody who may, or must not, look over a wall.

Organisation "org" has a conversation "zircon" of its client shop and "amber" of its client bank; organisation
"other" has "cobalt". Whatever belongs to one of them carries its name, so that a glimpse of it is seen anywhere.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from guichet.kit.clock import HOUR, Instant, ManualClock
from guichet.kit.errors import Refused
from guichet.leader.registry import Actor
from guichet.media.plane import MediaPlane
from guichet.server.node import Node
from guichet.server.serve import application
from guichet.server.settings import ProcessSettings
from tests.support.desk_centre import AGENTS, HOST, Browser, DeskCentre
from tests.support.waiting import wait_until

PEOPLE: dict[str, tuple[str, str, list[str]]] = {
    **AGENTS,
    "ned": ("org", "leader", ["bank"]),
    "rita": ("org", "administrator", ["bank"]),
    "oda": ("org", "agent", ["vip"]),
    "odo": ("org", "agent", ["vip"]),
    "leo": ("other", "leader", ["*"]),
}
"""Organisation, role, clearances."""
LEADERS = frozenset(name for name, (_, role, _) in PEOPLE.items() if role != "agent")
ADMINISTRATORS = frozenset(name for name, (_, role, _) in PEOPLE.items() if role == "administrator")

TARGETS: dict[str, tuple[str, str]] = {
    "zircon": ("org", "shop"),
    "amber": ("org", "bank"),
    "cobalt": ("other", "shop"),
}
"""Conversations, and whose they are: organisation, client."""
HOLDERS = {"zircon": "paul", "amber": "bob", "cobalt": "max"}
"""Who answers them."""
WORDS = "retard"
"""Said in every one of them."""
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
EVIL = "https://evil.example"
METRICS_TOKEN = "of the probe"


def may_see(who: str, org: str, client: str) -> bool:
    """Whether this is their organisation, and they are cleared for the client."""
    own, _, clients = PEOPLE[who]
    return own == org and bool({"*", client} & set(clients))


def rightful(of: str) -> list[str]:
    """Who may see this conversation."""
    return [who for who in PEOPLE if may_see(who, *TARGETS[of])]


def outsiders(of: str) -> list[str]:
    """Everybody else."""
    return [who for who in PEOPLE if not may_see(who, *TARGETS[of])]


def seen_in(text: str) -> set[str]:
    """Which conversations show in a text."""
    return {of for of in TARGETS if of in text}


def seen_by(who: str) -> set[str]:
    """Which conversations somebody may see anything of."""
    return {of for of in TARGETS if may_see(who, *TARGETS[of])}


def doors_of(routes: list[BaseRoute]) -> set[str]:
    """Every way in, as "GET /path", "WS /path" or "MOUNT /path"."""
    found: set[str] = set()
    for route in routes:
        if isinstance(route, WebSocketRoute):
            found.add(f"WS {route.path}")
        elif isinstance(route, Mount):
            found.add(f"MOUNT {route.path}")
        elif isinstance(route, Route):  # FastAPI's are some, too
            assert route.methods, f"{route.path} answers every method"
            found.update(f"{method} {route.path}" for method in route.methods if method != "HEAD")
        else:
            raise AssertionError(f"what kind of route is {route!r}?")  # noqa: TRY004 (a failed test, no wrong argument)
    return found


class House(DeskCentre):
    """See the module's text. Everything runs as `guichet serve` runs it, but for the listening socket."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.app: FastAPI = application(node, self.web)
        self.files: dict[str, str] = {}
        """A file that the customer sent, by conversation."""
        self.visits: dict[str, str] = {}
        """The token of each conversation's visitor."""
        self.tries = 0

    @classmethod
    @asynccontextmanager
    async def running(
        cls,
        folder: Path,
        database_url: str = "sqlite",
        *,
        empty: bool = False,
        plane: MediaPlane | None = None,
        **more: Any,
    ) -> AsyncIterator[House]:
        settings = ProcessSettings(
            data_dir=folder,
            smtp_port=0,
            port=0,
            database_url=database_url,
            metrics_token=METRICS_TOKEN,
            **more,
        )
        node = await Node.open(settings, ManualClock(), plane)  # nothing comes due while the walls are tried
        try:
            node.work()
            house = cls(node)
            if not empty:
                await house._furnish()
                await house._furnish_more()
            yield house
            for client in house._clients:
                await client.aclose()
            house.web.close()
        finally:
            await node.close()

    async def _furnish_more(self) -> None:
        await self.config("org", "client", "vip", name="Vip")
        await self.config("org", "queue", "vip", name="Vip", client="vip")
        door = {"name": "Chat", "client": "vip", "channel": "webchat", "queue": "vip"}
        await self.config("org", "entry_point", "vip-chat", **door)
        for name, (org, role, clients) in PEOPLE.items():
            if name not in AGENTS:
                await self.hire(name, org, role, clients)
        await self.hire("old", "org", "agent", ["*"])
        await self.change("org", "agent", "old", active=False)
        for of, (org, client) in TARGETS.items():
            await self.config(org, "disposition", f"{of}-code", name=f"Code {of}", client=client)
            await self.config(org, "queue", f"{of}-queue", name=f"Queue {of}", client=client)

    async def hire(self, name: str, org: str, role: str, clients: list[str]) -> None:
        """A new colleague, with a session."""
        email = f"{name}@{org}.example"
        who = {"name": name.title(), "email": email, "site": "main", "role": role, "clients": clients}
        await self.config(org, "agent", name, **who)
        expires = self.node.clock.now() + 12 * HOUR
        self.tokens[name] = await self.node.store.sessions.create("agent", org, name, expires)

    def agent(self, name: str) -> Actor:
        return Actor("agent", name, PEOPLE[name][0])

    async def talk(self) -> None:
        """The three conversations: offered to its agent and accepted, with a file, a reply and a note."""
        for of, (org, client) in TARGETS.items():
            holder = HOLDERS[of]
            await self.do(self.system(org), "agent_connected", agent=holder)
            await self.do(self.agent(holder), "set_presence", presence="available")
            await self.open(of, client, org)
            self.files[of], size = await self.node.store.blobs.put(f"{of}-customer", PNG)
            file = {"address": self.files[of], "name": f"{of}.png", "type": "image/png", "size": size}
            await self.say(of, f"Un {WORDS}, {of} !", org, attachments=[file])
            (offered,) = await self.rows("work", org=org, conversation=of)
            await self.do(self.agent(holder), "accept_offer", offer=offered["offer"])
            await self.do(self.agent(holder), "add_note", conversation=of, text=f"Note de {of}")
            await self.do(self.agent(holder), "set_presence", presence="break")
        await self.indexed()

    # -- what is asked ---------------------------------------------------------------------------------

    async def last(self) -> tuple[int, Instant]:
        """Where the log ends."""
        return await self.node.store.reader.last(0)

    @asynccontextmanager
    async def unchanged(self, what: str) -> AsyncIterator[None]:
        """What happens in here is refused, and leaves the log as it was."""
        before = await self.last()
        yield
        self.tries += 1
        assert await self.last() == before, f"{what} left a trace in the log"

    async def desks(self) -> dict[str, Browser]:
        """An open desk of everybody. Their coming is in the log when this returns."""
        opened = {who: await self.desk(who) for who in PEOPLE}

        async def connected() -> bool:
            return len(await self.rows("agent_state", connected=True)) == len(PEOPLE)

        await wait_until(connected, "everybody is at a desk")
        return opened

    async def refusal(self, actor: Actor, name: str, payload: dict[str, Any]) -> str:
        """What the leader tells an actor, whatever edge let them through."""
        try:
            answer = await self.do(actor, name, **payload)
        except Refused as refused:
            return refused.code
        raise AssertionError(f"{actor} may {name}: {answer}")

    def chat_socket(self, entry: str, token: str, origin: str | None = None) -> Browser:
        """A widget's socket."""
        return Browser(self, None, origin, f"/api/webchat/{entry}/socket", f"token={token}")

    def desk_socket(self, token: str | None, origin: str | None = f"http://{HOST}") -> Browser:
        """A desk's socket with any cookie."""
        return Browser(self, token, origin)


def shown(frame: dict[str, Any]) -> str:
    """A frame's rows as text, in which names are looked for."""
    return json.dumps(frame.get("rows", []), ensure_ascii=False)
