"""Guichet's clock jumps beside its media server: calls, acts, rooms and trunks do not go by it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from guichet.kit.clock import HOUR
from guichet.leader.registry import Actor
from guichet.media.drivers.server import MediaServer
from guichet.media.tables import ENDPOINT
from tests.media.support.carrier import Carrier, Phone
from tests.media.support.server import RTP_PORTS, rtp_block
from tests.media.support.speaker import Studio
from tests.support.centre import ORG, Centre
from tests.support.clocks import WrongClock
from tests.support.serving import lasting_port
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ANNE, BEN, CLEA = 400, 650, 900
ALL = (ANNE, BEN, CLEA)
SYSTEM = Actor("system", "test", ORG)
UNNOTICED_SECONDS = 0.5


class Voices:
    """A centre, its media server and a carrier; `clock` is the centre's, the media server has the machine's."""

    def __init__(self, centre: Centre, carrier: Carrier) -> None:
        self.centre = centre
        self.carrier = carrier
        process = centre.node.media_process
        assert process is not None
        self.server = MediaServer(process.url, process.token)

    @classmethod
    @asynccontextmanager
    async def running(
        cls, folder: Path, clock: WrongClock, carrier: Carrier, **settings: Any
    ) -> AsyncIterator[Voices]:
        async with Centre.running(folder / "data", clock, **settings) as centre:
            voices = cls(centre, carrier)
            try:
                link = centre.node.media
                assert link is not None
                await wait_until(lambda: link.condition == "up", "voice is up")
                yield voices
            finally:
                await voices.server.close()

    async def trunk(self, version: int, **more: object) -> None:
        """The trunk becomes so, and the media server knows it."""
        value = {
            "name": "Carrier", "peer": f"{self.carrier.host}:{self.carrier.port}", "allow": [f"{self.carrier.host}/32"],
            "codecs": ["PCMA"], "options_seconds": 0, **more,
        }  # fmt: skip
        before = (await self.server.state()).trunks_rev
        await self.centre.do(
            SYSTEM, "set_config", kind="trunk", id="carrier", value=value, expected_version=version
        )

        async def put() -> bool:
            return (await self.server.state()).trunks_rev > before

        await wait_until(put, "the trunk is put")

    async def state(self, endpoint: str) -> str:
        row = await self.centre.node.store.reader.row(ENDPOINT, (endpoint,))
        return str(row["state"]) if row is not None else "over"

    async def until(self, endpoint: str, state: str) -> None:
        async def so() -> bool:
            return await self.state(endpoint) == state

        await wait_until(so, f"{endpoint} is {state}")

    async def call(self, hertz: int, sender: str) -> tuple[Phone, str]:
        """Somebody calls, is answered and speaks."""
        before = {str(row["endpoint"]) for row in await self.centre.rows("endpoint")}
        phone = await self.carrier.calls(hertz, sender=sender)

        async def fresh() -> str | None:
            return next(
                (
                    str(row["endpoint"])
                    for row in await self.centre.rows("endpoint")
                    if row["endpoint"] not in before
                ),
                None,
            )

        endpoint = await wait_until(fresh, "the call is offered")
        await self.ask(endpoint, "answer")
        await phone.answered()
        await self.until(endpoint, "answered")
        return phone, endpoint

    async def ask(self, endpoint: str, act: str) -> None:
        await self.centre.do(SYSTEM, "ask_endpoint", endpoint=endpoint, act=act)

    async def talk(self, hears: dict[str, list[str]]) -> None:
        await self.centre.do(SYSTEM, "set_rooms", rooms={"room": {"endpoints": list(hears), "hears": hears}})


async def hears(phone: Phone, *expected: int) -> None:
    """Exactly these, however long a busy machine keeps the speakers themselves from speaking."""
    for left in (2, 1, 0):
        try:
            await phone.speaker.hears(expected, ALL)
            return
        except AssertionError:
            if not left:
                raise


async def test_calls_go_on_while_guichets_clock_jumps(
    tmp_path: Path, media_program: Path, counted: Callable[[str, object], None]
) -> None:
    clock = WrongClock()
    first = rtp_block()
    settings = {
        "media_server": str(media_program), "sip_port": lasting_port(), "webrtc_port": lasting_port(),
        "rtp_ports": f"{first}-{first + RTP_PORTS - 1}",
    }  # fmt: skip
    server: Any = SimpleNamespace(sip_port=settings["sip_port"])
    with Studio() as studio:
        async with Carrier.running(tmp_path, studio, server) as carrier:
            async with Voices.running(tmp_path, clock, carrier, **settings) as voices:
                centre = voices.centre
                await centre.found()
                await centre.node.store.keys.ensure("c1")
                await centre.do(
                    SYSTEM, "register_customer", customer="c1", client="lune", language="fr", anonymous=True
                )
                await centre.do(SYSTEM, "open_room", room="room", customer="c1")
                await voices.trunk(0)
                anne, a = await voices.call(ANNE, "+33140000001")
                ben, b = await voices.call(BEN, "+33140000002")
                for turn, shift in enumerate((-HOUR, HOUR, 0), 1):
                    await voices.talk({a: [b], b: [a]})
                    await hears(ben, ANNE)
                    mark = len(anne.speaker.packets)
                    clock.shift = shift
                    await voices.talk({a: [b], b: []})
                    await hears(ben)
                    await voices.trunk(turn, countries=["+33"] if turn % 2 else [])
                    clea, c = await voices.call(CLEA, f"+3314000001{turn}")
                    await voices.talk({a: [b], b: [], c: [a]})
                    await hears(clea, ANNE)
                    await voices.ask(c, "hang_up")
                    await clea.over()
                    await voices.until(c, "over")
                    gap = anne.speaker.since(mark).longest_gap
                    counted(f"clock {shift // HOUR:+d} h: longest gap in a call, ms", round(gap * 1_000))
                    assert gap < UNNOTICED_SECONDS
                clock.shift = HOUR
                await voices.trunk(4)

            # Both end and begin again, Guichet an hour behind what it last said to the media server.
            clock.shift = 0
            async with Voices.running(tmp_path, clock, carrier, **settings) as voices:
                assert [await voices.state(endpoint) for endpoint in (a, b)] == ["answered", "answered"]
                await voices.trunk(5)
                await voices.talk({a: [b], b: [a]})
                await hears(anne, BEN)
                await hears(ben, ANNE)
                ben.do("HANGUP")
                await ben.over()
                await voices.until(b, "over")
                await voices.ask(a, "hang_up")
                await anne.over()
                stamps = [entry.t for entry in await voices.centre.node.store.reader.entries(0, 0, 100_000)]
                assert stamps == sorted(stamps)
