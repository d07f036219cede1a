"""The whole matrix: who hears whom in everything that people do in a call.

Once among telephones, packet by packet; once with a caller at a telephone and the others at browsers, where all that
comes out of the browser is judged.
"""

from __future__ import annotations

import asyncio
import itertools
import subprocess
from collections.abc import Callable

import numpy as np
import pytest

from tests.e2e import browser
from tests.media.support import matrix, pages, tones
from tests.media.support.house import House
from tests.media.support.matrix import PHASES, TONES, leaks, voices
from tests.media.support.pages import Person
from tests.media.support.talk import AtPage, AtPhone, Ear, Talk

pytestmark = pytest.mark.e2e

Counted = Callable[[str, object], None]


async def test_nobody_hears_what_does_not_concern_them(house: House, counted: Counted) -> None:
    matrix.write_music(house.server.prompts)
    people = {}
    for number, name in enumerate(("customer", "agent", "target", "supervisor")):
        people[name] = await house.answered(TONES[name][1], sender=f"+3314000000{number}")
    ids = {name: endpoint for name, (_, endpoint) in people.items()}
    talk = Talk(house, ids, {name: AtPhone(phone) for name, (phone, _) in people.items()})
    for phase in PHASES:
        await talk.goes_through(phase)
    counted("the matrix: packets judged", talk.judged.total())
    counted("the matrix: leaked", len(talk.leaked))
    await a_message_was_left(house, ids["customer"])
    await talk.everybody_is_a_stranger()


@pytest.mark.timeout(240)
async def test_people_at_browsers_and_a_caller_hear_only_what_concerns_them(
    house: House, counted: Counted
) -> None:
    """Each browser has one connection for all of it, and nothing is negotiated again."""
    matrix.write_music(house.server.prompts)
    phone, customer = await house.answered(TONES["customer"][1])
    with browser.running(*pages.FLAGS) as chromium:
        people = {}
        for name in ("agent", "target", "supervisor"):
            people[name] = await Person.joins(chromium, house.server, f"web-{name}", TONES[name][1])
            await people[name].listens()
        ids = {"customer": customer} | {name: person.endpoint for name, person in people.items()}
        ears: dict[str, Ear] = {name: AtPage(person) for name, person in people.items()}
        talk = Talk(house, ids, ears | {"customer": AtPhone(phone)})
        for phase in PHASES:
            await talk.goes_through(phase)
        counted("the matrix with browsers: packets at the telephone judged", talk.judged["customer"])
        counted(
            "the matrix with browsers: 20 ms at browsers judged", sum(talk.judged[name] for name in people)
        )
        counted("the matrix with browsers: leaked", len(talk.leaked))
        await a_message_was_left(house, customer)
        await talk.everybody_is_a_stranger()
        for person in people.values():
            assert await person.does(pages.NEGOTIATIONS) == 0
            assert house.server.events.count("connected", endpoint=person.endpoint) == 1
        assert not house.server.events.count("left")


async def a_message_was_left(house: House, customer: str) -> None:
    """The voicemail holds what the customer said, on the left, and nothing else."""
    await house.server.control.room("c", endpoints=[customer])
    ready = await house.server.events.wait_for("recording_ready", recording="voicemail", within=20)
    file = house.server.spool / str(ready["path"])
    decode = ["ffmpeg", "-v", "error", "-i", str(file), "-f", "s16le", "-ar", "16000", "-"]
    raw = await asyncio.to_thread(subprocess.check_output, decode)
    stereo = np.frombuffer(raw, dtype=np.int16).reshape(-1, 2)
    left, right = stereo[8_000:, 0], stereo[8_000:, 1]
    blocks = left[: len(left) // 320 * 320].reshape(-1, 320)
    assert {who for block in blocks for who, _ in voices(block, 16_000)} == {"customer"}
    assert np.abs(right).max() < 300


@pytest.mark.parametrize(("codec", "rate"), [("PCMA", 8_000), ("G722", 16_000)])
def test_who_speaks_is_told_apart(codec: str, rate: int) -> None:
    """The judge itself: what it is given it finds, and nothing else."""
    size = rate // 50
    for names in (
        [("customer", 0)], [("agent", 1), ("target", 0)], [("customer", 0), ("customer", 1), ("supervisor", 1)], [],
    ):  # fmt: skip
        total = sum(
            (tones.sine(TONES[who][turn], size, rate) for who, turn in names), np.zeros(size, np.int16)
        )
        heard = tones.decode(codec, tones.encode(codec, np.tile(total, 3)))[-size:]
        assert voices(heard, rate) == set(names)


@pytest.mark.parametrize("rate", [8_000, 16_000])
def test_a_voice_with_gaps_is_nobody_else(rate: int) -> None:
    """One that breaks off in the midst of 20 ms, or turns round; and concealment, which repeats 2.5 to 15 ms of it."""
    size = rate // 50
    for who, turn in itertools.product(TONES, (0, 1)):
        sound = tones.sine(TONES[who][turn], size, rate)
        for at in range(0, size, 4):
            after = np.arange(size) >= at
            assert voices(np.where(after, sound, 0), rate) <= {(who, turn)}
            assert voices(np.where(after, sound, -sound), rate) <= {(who, turn)}
        for lag in range(rate // 400, size * 3 // 4):
            assert voices(np.resize(sound[:lag], size), rate) <= {(who, turn)}


def test_what_was_said_before_a_change_is_not_taken_for_a_leak_after_it() -> None:
    late, now = ("agent", 0), ("agent", 1)
    assert not leaks(frozenset({late}), 1, now=[], before=["agent"])
    assert leaks(frozenset({now, ("customer", 1)}), 1, now=["customer"], before=["agent"]) == {now}
    assert leaks(frozenset({late}), 1, now=["customer"], before=[]) == {late}
