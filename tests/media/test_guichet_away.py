"""Guichet is gone for a while; the calls do not notice, and what happened is told when it is back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.media.support.house import House
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

ANNE, BEN, PROMPT = 400, 650, 900
MUSIC = {"files": ["music.wav"]}
PROMPTS = {"music.wav": 700, "wait.wav": PROMPT}
PARKED_WITHIN = 5.0


async def test_what_happened_meanwhile_is_told_and_agrees_with_the_state(house: House) -> None:
    anne, a = await house.answered(ANNE)
    ben, b = await house.answered(BEN)
    await house.server.control.room("c1", endpoints=[a, b], hears={a: [b], b: [a]})
    await house.server.events.stop()
    ben.do("HANGUP")
    await ben.over()
    state = await house.server.control.state()
    house.server.events.go_on()
    left = await house.server.events.wait_for("left", endpoint=b)
    assert left["seq"] <= state["seq"]
    assert [endpoint["id"] for endpoint in state["endpoints"]] == [a]
    assert house.server.events.count("gap") == 1, "it went on where it was"
    await anne.speaker.hears((), (ANNE, BEN))


@pytest.mark.parametrize("how", ["early", "answer"])
async def test_a_call_nobody_takes_hears_the_prompt_and_is_taken_up_later(
    media_program: Path, tmp_path: Path, how: str
) -> None:
    config = {"park": how, "default_prompt": "wait.wav"}
    async with House.running(media_program, tmp_path, prompts=PROMPTS, config=config) as house:
        await house.server.events.stop()
        anne = await house.carrier.calls(ANNE)
        await anne.lived("early" if how == "early" else "answered", PARKED_WITHIN)
        anne.talk()
        await anne.speaker.hears({PROMPT}, (ANNE, PROMPT))
        house.server.events.go_on()
        a = (await house.server.events.wait_for("offered"))["endpoint"]
        parked = await house.server.events.wait_for("parked", endpoint=a)
        assert parked["room"] == f"parked-{a}"
        await house.server.control.act(a, "answer")
        if how == "early":
            await anne.answered()
        await house.server.control.room("c1", endpoints=[a], hears={a: ["music"]}, sources={"music": MUSIC})
        await anne.speaker.hears({700}, (ANNE, PROMPT, 700))
        await wait_until(lambda: _rooms(house, ["c1"]), "the parked room is gone")


async def _rooms(house: House, expected: list[str]) -> bool:
    return [room["id"] for room in (await house.server.control.state())["rooms"]] == expected
