"""The other end of a media plane, whichever driver stands behind it, and what the plane tells."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Protocol

from guichet.kit.clock import SystemClock
from guichet.kit.tasks import Supervisor
from guichet.media.drivers.fake import FakeMedia
from guichet.media.plane import Event, MediaPlane, Position, Trunk
from tests.media.support.carrier import Carrier, Phone
from tests.media.support.house import House
from tests.support.waiting import wait_until


class Far(Protocol):
    """Whoever is at the other end of the trunk."""

    plane: MediaPlane
    trunk: Trunk

    async def calls(self) -> str:
        """Somebody calls; gives the endpoint that is offered."""
        ...

    async def is_called(self) -> None:
        """Somebody will be called: their phone is there."""
        ...

    async def answers(self, endpoint: str) -> None: ...
    async def is_held(self, endpoint: str, on: bool) -> None:
        """They were told that we hold them, or not any more."""
        ...

    async def hangs_up(self, endpoint: str) -> None: ...
    async def goes(self) -> None:
        """The media server is gone."""
        ...


class FakeFar:
    def __init__(self, tasks: Supervisor) -> None:
        self.media = FakeMedia(SystemClock(), tasks)
        self.plane: MediaPlane = self.media
        self.trunk = Trunk(
            id="org.carrier", peer="192.0.2.1:5060", transport="udp", allow=["192.0.2.0/24"], codecs=["PCMA"],
            max_calls=10, max_per_s=10, countries=["+33"],
        )  # fmt: skip

    async def calls(self) -> str:
        return self.media.far_calls(self.trunk.id, "+33140000001", "+33140000099")

    async def is_called(self) -> None:
        return

    async def answers(self, endpoint: str) -> None:
        self.media.far_rings(endpoint)
        self.media.far_answers(endpoint)

    async def is_held(self, endpoint: str, on: bool) -> None:
        assert self.media.endpoints[endpoint].holding == on

    async def hangs_up(self, endpoint: str) -> None:
        self.media.far_hangs_up(endpoint)

    async def goes(self) -> None:
        self.media.goes()


class RealFar:
    """Our media server, with sipp as the carrier."""

    def __init__(self, house: House, plane: MediaPlane) -> None:
        self.house = house
        self.plane = plane
        carrier: Carrier = house.carrier
        known = carrier.trunk()
        self.trunk = Trunk(**{name: known[name] for name in known})
        self.phones: dict[str, Phone] = {}
        self.next: Phone | None = None

    async def calls(self) -> str:
        phone, endpoint = await self.house.offered(440)
        self.phones[endpoint] = phone
        return endpoint

    async def is_called(self) -> None:
        self.next = await self.house.carrier.awaits(440)

    async def answers(self, endpoint: str) -> None:
        assert self.next is not None
        self.phones[endpoint] = self.next
        await self.next.lived("rings")
        self.next.do("ANSWER")
        await self.next.answered()

    async def is_held(self, endpoint: str, on: bool) -> None:
        await self.phones[endpoint].lived("direction sendonly" if on else "direction sendrecv")

    async def hangs_up(self, endpoint: str) -> None:
        phone = self.phones[endpoint]
        phone.do("HANGUP")
        await phone.over()

    async def goes(self) -> None:
        await self.house.server.kill()


class Told:
    """Events from the beginning of the run."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def wait(self, kind: str, **fields: object) -> Event:
        def found() -> Event | None:
            for event in self.events:
                if event.kind == kind and all(
                    getattr(event, name) == value for name, value in fields.items()
                ):
                    return event
            return None

        return await wait_until(found, f"{kind} {fields} among {self.events}")


@asynccontextmanager
async def telling(plane: MediaPlane) -> AsyncIterator[Told]:
    told, tasks = Told(), Supervisor()
    state = await plane.state()

    async def read() -> None:
        async with aclosing(plane.events(Position(state.epoch, 0))) as events:
            async for event in events:
                told.events.append(event)

    tasks.start("telling", read())
    try:
        yield told
    finally:
        await tasks.close()
