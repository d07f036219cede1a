"""A call over a trunk to a number of the administrator's own: does it ring, is it answered, does one hear a tone?"""

from __future__ import annotations

import asyncio
from typing import Literal

import msgspec
import structlog

from guichet.kit.clock import Clock
from guichet.kit.errors import Refused
from guichet.kit.ids import new_id
from guichet.kit.tasks import Supervisor
from guichet.media.link import Link
from guichet.media.plane import Dial, Event, MediaPlane, Room, Source
from guichet.media.trunks import trunk_id

RING_SECONDS = 30
TONE_SECONDS = 3.0
TONE = "440/400,0/200,660/400,0/1000"

log = structlog.get_logger(__name__)


class Outcome(msgspec.Struct, frozen=True):
    """How it went. `cause` and `code` (SIP) say why it did not; times in milliseconds since the dialling."""

    outcome: Literal["answered", "failed"]
    cause: str = ""
    code: int = 0
    codec: str = ""
    rang_ms: int | None = None
    answered_ms: int | None = None


class TestCalls:
    """Places test calls, one at a time in each organisation."""

    def __init__(self, plane: MediaPlane, link: Link, clock: Clock, tasks: Supervisor) -> None:
        self._plane = plane
        self._link = link
        self._clock = clock
        self._tasks = tasks
        self._busy: set[str] = set()

    async def place(self, org: str, trunk: str, number: str) -> Outcome:
        """Calls, and tells at once how it went; whoever answers hears a tone, then the call ends. Raises Refused, also
        when the trunk may not call there."""
        if org in self._busy:
            raise Refused("limited", "test_call.busy", "a test call is being made; wait for its end")
        if self._link.condition != "up":
            raise Refused("unavailable", "media.preparing", "voice is being prepared; try again in a moment")
        endpoint = f"test-{new_id()}"
        events: asyncio.Queue[Event] = asyncio.Queue()

        def listen(event: Event) -> None:
            if event.endpoint == endpoint:
                events.put_nowait(event)

        self._busy.add(org)
        self._link.listeners.append(listen)
        tone = Source(tone=TONE)
        room = Room(
            id=endpoint, rev=1, endpoints=[endpoint], hears={endpoint: ["tone"]}, sources={"tone": tone}
        )
        heard = 0.0
        try:
            await self._plane.put([room])
            timeout = RING_SECONDS * 1_000
            await self._plane.dial(
                endpoint, Dial(trunk=trunk_id(org, trunk), number=number, timeout_ms=timeout)
            )
            outcome = await self._outcome(events)
            heard = TONE_SECONDS if outcome.outcome == "answered" else 0.0
            return outcome
        finally:
            self._link.listeners.remove(listen)
            self._tasks.start("test call", self._end(org, endpoint, heard))

    async def _end(self, org: str, endpoint: str, after: float) -> None:
        try:
            await asyncio.sleep(after)
            await self._plane.hang_up(endpoint)
            await self._plane.put([Room(id=endpoint, rev=2, closed=True)])
        except Refused as refused:
            # Its timeout ends it, or its server.
            log.warning("a test call could not be ended", code=refused.code)
        finally:
            self._busy.discard(org)

    async def _outcome(self, events: asyncio.Queue[Event]) -> Outcome:
        begun = self._clock.monotonic()
        rang: int | None = None
        while True:
            try:
                event = await asyncio.wait_for(events.get(), RING_SECONDS + 5)
            except TimeoutError:
                return Outcome("failed", "no_answer", rang_ms=rang)
            after = round((self._clock.monotonic() - begun) * 1_000)
            if event.kind in ("ringing", "early"):
                rang = after if rang is None else rang
            elif event.kind == "answered":
                return Outcome("answered", codec=event.codec, rang_ms=rang, answered_ms=after)
            elif event.kind == "left":
                return Outcome("failed", event.cause, event.code, rang_ms=rang)
