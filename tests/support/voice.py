"""A node that is linked to a media server without wires, and the steps of a call that tests of it share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from guichet.kit.clock import Clock
from guichet.kit.ids import new_id
from guichet.leader.registry import COMMANDS, Actor, Command
from guichet.media.drivers.fake import FakeMedia
from guichet.media.plane import Room
from guichet.media.tables import ENDPOINT, ROOM
from guichet.server.node import Node
from guichet.server.settings import ProcessSettings
from guichet.store.port import Row
from guichet.store.rows import Table
from tests.support.patience import never_busy
from tests.support.waiting import wait_until

ORG = "org"
CUSTOMER = "c1"
NUMBER = "+33199001234"
CALLER = "+33611000000"
TARGET = "+33199000042"


class Voice:
    """A node that is linked to a media server of the test's own."""

    def __init__(self, node: Node, media: FakeMedia) -> None:
        self.node = node
        self.media = media

    @classmethod
    @asynccontextmanager
    async def running(
        cls, settings: ProcessSettings, media: FakeMedia, clock: Clock | None = None
    ) -> AsyncIterator[Voice]:
        node = await Node.open(settings, clock, plane=media)
        never_busy(node)
        try:
            node.work()
            voice = cls(node, media)
            link = node.media
            assert link is not None
            await wait_until(lambda: link.condition == "up", "the link is up")
            yield voice
        finally:
            await node.close()

    async def do(
        self, name: str, /, *, org: str = ORG, actor: str = "system", **fields: object
    ) -> dict[str, object]:
        payload = msgspec.convert(fields, COMMANDS[name].payload)
        return await self.node.submit(Command(name, new_id(), Actor(actor, "test", org), payload))  # type: ignore[arg-type]

    async def row(self, table: Table, key: str) -> Row | None:
        return await self.node.store.reader.row(table, (key,))

    async def found(self) -> None:
        await self.do(
            "found_organisation", organisation=ORG, name="Lune", administrator="admin",
            administrator_name="Anne Admin", email="admin@lune.example",
        )  # fmt: skip
        trunk = {"name": "Carrier", "peer": "192.0.2.1:5060", "allow": ["192.0.2.0/24"], "countries": ["+33"]}
        await self.do("set_config", kind="trunk", id="carrier", value=trunk, expected_version=0)
        await self.node.store.keys.ensure(CUSTOMER)
        await self.do("register_customer", customer=CUSTOMER, client="own", language="fr", anonymous=True)

    async def room(self, ident: str = "room") -> None:
        await self.do("open_room", room=ident, customer=CUSTOMER)

    async def erased(self) -> None:
        """The customer is erased, by the administrator, and their key is gone."""
        payload = msgspec.convert({"customer": CUSTOMER}, COMMANDS["erase_customer"].payload)
        await self.node.submit(Command("erase_customer", new_id(), Actor("agent", "admin", ORG), payload))

        async def destroyed() -> bool:
            return not await self.node.store.keys.get([CUSTOMER])

        await wait_until(destroyed, "the key is destroyed")

    async def rooms(self) -> dict[str, Room]:
        return {room.id: room for room in (await self.media.state()).rooms}

    async def until_state(self, endpoint: str, state: str) -> None:
        async def reached() -> bool:
            row = await self.row(ENDPOINT, endpoint)
            return (row["state"] if row is not None else "over") == state

        await wait_until(reached, f"{endpoint} is {state}")


async def talking(voice: Voice, endpoint: str = "call") -> str:
    """Somebody was called, answered, and talks to an agent in the room."""
    await voice.room()
    await voice.do("dial_endpoint", endpoint=endpoint, customer=CUSTOMER, trunk="carrier", number=NUMBER)
    await wait_until(lambda: endpoint in voice.media.endpoints, "it is dialled")
    voice.media.far_answers(endpoint)
    await voice.until_state(endpoint, "answered")
    await with_an_agent(voice, endpoint)
    return endpoint


async def with_an_agent(voice: Voice, endpoint: str) -> None:
    talk = {
        "endpoints": [endpoint, "agent"],
        "hears": {endpoint: ["agent"], "agent": [endpoint]},
        "recording": {"id": "r1", "left": [endpoint], "right": ["agent"]},
        "video": [{"from": "agent", "kind": "camera", "to": endpoint}],
    }
    await voice.do("set_rooms", rooms={"room": talk})


async def document(voice: Voice) -> dict[str, Any]:
    row = await voice.row(ROOM, "room")
    assert row is not None
    found = row["document"]
    assert isinstance(found, dict)
    return found


async def in_the_room(voice: Voice, *endpoints: str) -> None:
    async def there() -> bool:
        return (await document(voice)).get("endpoints") == list(endpoints)

    await wait_until(there, f"{endpoints} are in the room")
