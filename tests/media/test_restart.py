"""The media server dies and comes back; the calls go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from tests.media.support.carrier import Phone
from tests.media.support.house import House

pytestmark = pytest.mark.e2e

CALLS = 10
TONES = tuple(400 + 100 * number for number in range(CALLS))
GAP_SECONDS = 0.150
PLANNED_GAP_SECONDS = 0.5


class Call(NamedTuple):
    phone: Phone
    endpoint: str
    partner: int
    """Whom they hear, in Hz."""


async def talking(house: House) -> list[Call]:
    """Five rooms of two callers each."""
    calls = [await house.answered(hertz, sender=f"+3314000{number:04}") for number, hertz in enumerate(TONES)]
    rooms = {}
    for number in range(0, CALLS, 2):
        a, b = calls[number][1], calls[number + 1][1]
        rooms[f"room-{number}"] = {"endpoints": [a, b], "hears": {a: [b], b: [a]}}
    await house.server.control.rooms(**rooms)
    found = [Call(phone, endpoint, TONES[number ^ 1]) for number, (phone, endpoint) in enumerate(calls)]
    for call in found:
        await call.phone.speaker.hears({call.partner}, TONES)
    return found


async def the_calls_went_on(house: House, calls: list[Call], marks: list[int]) -> float:
    """Everybody hears their partner and nobody else; gives the longest gap, in seconds."""
    for call in calls:
        await call.phone.speaker.hears({call.partner}, TONES)
    heard = [call.phone.speaker.since(mark) for call, mark in zip(calls, marks, strict=True)]
    for hearing in heard:
        assert len({packet.source for packet in hearing.audio}) == 1, "the stream is another one"
    return max(hearing.longest_gap for hearing in heard)


async def all_can_hang_up(house: House, calls: list[Call]) -> None:
    """Half of them by the caller, half by us."""
    for number, call in enumerate(calls):
        if number % 2:
            call.phone.do("HANGUP")
        else:
            await house.server.control.act(call.endpoint, "hangup")
    for call in calls:
        await call.phone.over()
    assert (await house.server.control.state())["endpoints"] == []


async def test_ten_calls_survive_kill_9(house: House, counted: Callable[[str, object], None]) -> None:
    calls = await talking(house)
    before = await house.server.control.state()
    marks = [len(call.phone.speaker.packets) for call in calls]
    await house.server.kill()
    started = await house.server.start()
    assert (await house.server.events.wait_for("recovered"))["count"] == CALLS
    gap = await the_calls_went_on(house, calls, marks)
    after = await house.server.control.state()
    assert after["epoch"] != before["epoch"]
    for part in ("endpoints", "rooms", "trunks_rev"):
        assert after[part] == before[part], part
    await all_can_hang_up(house, calls)
    counted("media server, kill -9 during ten calls: longest gap ms", round(gap * 1000))
    counted("media server, kill -9 during ten calls: ms until it answers", round(started * 1000))
    assert gap < GAP_SECONDS


async def test_calls_survive_a_planned_restart(house: House) -> None:
    calls = await talking(house)
    marks = [len(call.phone.speaker.packets) for call in calls]
    assert await house.server.stop() == 0
    await house.server.start()
    assert await the_calls_went_on(house, calls, marks) < PLANNED_GAP_SECONDS
    await all_can_hang_up(house, calls)


async def test_a_drained_server_takes_nothing_new_and_ends_with_its_last_call(house: House) -> None:
    anne, a = await house.answered(TONES[0])
    await house.server.control.ask("POST", "/v1/drain", status=202)
    ben = await house.carrier.calls(TONES[1])
    await ben.lived("refused 503")
    assert house.server.code() is None
    await house.server.control.act(a, "hangup")
    await anne.over()
    assert await house.server.ended() == 0
