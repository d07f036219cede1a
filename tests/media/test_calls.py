"""Calls in and out, and what ends them; sipp is the carrier, each person speaks a tone of their own."""

from __future__ import annotations

import pytest

from tests.media.support.house import House

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
