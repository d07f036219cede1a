"""Calls in and out, and what ends them; sipp is the carrier, each person speaks a tone of their own."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.media.support.house import House
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

ANNE, BEN = 400, 650
ALL = (ANNE, BEN)


async def test_two_callers_in_a_room_hear_each_other(house: House) -> None:
    anne, a = await house.offered(ANNE)
    ben, b = await house.offered(BEN, sender="+33140000002")
    for phone, endpoint in ((anne, a), (ben, b)):
        await house.server.control.act(endpoint, "ring")
        await phone.lived("rings")
        await house.server.control.act(endpoint, "answer")
        await phone.answered()
        await house.server.events.wait_for("answered", endpoint=endpoint, codec="PCMA")
    await house.server.control.room("c1", endpoints=[a, b], hears={a: [b], b: [a]})
    await anne.speaker.hears({BEN}, ALL)
    await ben.speaker.hears({ANNE}, ALL)

    ben.do("HANGUP")
    await house.server.events.wait_for("left", endpoint=b, who="them")
    await ben.over()
    await anne.speaker.hears((), ALL)
    await house.server.control.act(a, "hangup")
    await anne.lived("got BYE")
    await anne.over()
    await house.server.events.wait_for("left", endpoint=a, who="us")
    assert (await house.server.control.state())["endpoints"] == []


async def test_a_machine_that_stalls_makes_a_pause_and_nobody_else_heard(house: House) -> None:
    """In these tests too: half a second without sound is not taken for a wrong room."""
    anne, a = await house.answered(ANNE)
    ben, b = await house.answered(BEN)
    await house.server.control.room("c1", endpoints=[a, b], hears={a: [b], b: [a]})
    await ben.speaker.hears({ANNE}, ALL)
    os.kill(house.server.pid, signal.SIGSTOP)
    try:
        hears = asyncio.ensure_future(ben.speaker.hears({ANNE}, ALL))
        assert (await anne.speaker.hearing(0.5)).seconds < 0.1
    finally:
        os.kill(house.server.pid, signal.SIGCONT)
    assert (await hears).seconds >= 0.3
    await anne.speaker.hears({BEN}, ALL)


@pytest.mark.parametrize(("codec", "ptime"), [("PCMU", 20), ("G722", 20), ("PCMA", 30)])
async def test_codecs_and_packets_of_other_lengths(
    media_program: Path, tmp_path: Path, codec: str, ptime: int
) -> None:
    async with House.running(media_program, tmp_path, codecs=["PCMA", "PCMU", "G722"]) as house:
        anne, a = await house.answered(ANNE, codecs=[codec], ptime=ptime)
        ben, b = await house.answered(BEN)
        await house.server.control.room("c1", endpoints=[a, b], hears={a: [b], b: [a]})
        await anne.speaker.hears({BEN}, ALL)
        hearing = await ben.speaker.hears({ANNE}, ALL)
        assert hearing.lost == 0
        assert (await house.server.control.endpoint(a) or {})["codec"] == codec


async def test_digits_both_ways(house: House) -> None:
    anne, a = await house.answered(ANNE)
    anne.speaker.press("15#")
    for digit in "15#":
        await house.server.events.wait_for("digit", endpoint=a, digit=digit, via="rtp")
    await house.server.control.act(a, "digits", act="d1", digits="42*")
    await wait_until(lambda: anne.speaker.since(0).digits == "42*", "the keys arrive")


async def test_a_dialled_phone_is_heard_and_hangs_up(house: House) -> None:
    anne, a = await house.answered(ANNE)
    ben = await house.dialled(BEN, "out-ben")
    ben.do("ANSWER")
    await ben.answered()
    await house.server.events.wait_for("answered", endpoint="out-ben", codec="PCMA")
    await house.server.control.room("c1", endpoints=[a, "out-ben"], hears={a: ["out-ben"], "out-ben": [a]})
    await anne.speaker.hears({BEN}, ALL)
    await ben.speaker.hears({ANNE}, ALL)
    ben.do("HANGUP")
    await ben.over()
    await house.server.events.wait_for("left", endpoint="out-ben", who="them")


async def test_we_hang_up_a_dialled_phone(house: House) -> None:
    ben = await house.dialled(BEN, "out-ben")
    ben.do("ANSWER")
    await ben.answered()
    await house.server.control.act("out-ben", "hangup")
    await ben.lived("got BYE")
    await ben.over()
    await house.server.events.wait_for("left", endpoint="out-ben", who="us")


async def test_a_caller_gives_up(house: House) -> None:
    anne, a = await house.offered(ANNE)
    await house.server.control.act(a, "ring")
    await anne.lived("rings")
    anne.do("GIVEUP")
    await anne.lived("refused 487")
    await anne.over()
    await house.server.events.wait_for("left", endpoint=a, who="them")
    await house.server.control.act(a, "answer", status=404)


async def test_a_caller_is_refused(house: House) -> None:
    anne, a = await house.offered(ANNE)
    await house.server.control.act(a, "reject", code=486)
    await anne.lived("refused 486")
    await anne.over()
    await house.server.events.wait_for("left", endpoint=a, who="us")


@pytest.mark.parametrize(("word", "code"), [("BUSY", 486), ("DECLINE", 603)])
async def test_a_dialled_phone_is_busy_or_declines(house: House, word: str, code: int) -> None:
    ben = await house.dialled(BEN, "out-ben")
    ben.do(word)
    await ben.over()
    await house.server.events.wait_for("left", endpoint="out-ben", who="them", code=code)


async def test_a_dialled_phone_does_not_answer(house: House) -> None:
    ben = await house.dialled(BEN, "out-ben", timeout_ms=1500)
    await ben.lived("refused 487")
    await ben.over()
    left = await house.server.events.wait_for("left", endpoint="out-ben")
    assert left["cause"] == "no_answer", left


async def test_we_stop_dialling(house: House) -> None:
    ben = await house.dialled(BEN, "out-ben")
    await house.server.control.act("out-ben", "hangup")
    await ben.lived("refused 487")
    await ben.over()
    await house.server.events.wait_for("left", endpoint="out-ben", who="us")
