"""Speech through a bad network: how well it is understood, and how long it is on its way while that lasts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np
import pytest
from websockets.asyncio.client import connect

from tests.media.support import carrier, speech, tones
from tests.media.support.house import House
from tests.media.support.server import TOKEN
from tests.media.support.speaker import Packet, Speaker
from tests.media.support.speech import RATE, Heard, Speech
from tests.media.support.weather import Relay, Talker, Weather
from tests.support.repository import ROOT
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

DRAWINGS = ROOT / "test-output" / "media"
BAD, GOOD = Weather(loss=0.05, jitter=0.04), Weather()
PPM = 100.0
STALL_SECONDS = 0.3
SECONDS, LONG_SECONDS = 30.0, 600.0
STALLS = (16.0, 120.0)
"""The first, and how long until the next (s)."""
BACK_SECONDS, BACK_MS = 6.0, 60.0
"""So long after a stall all is as it was, but for so much of a machine that does other things too."""
HABIT_SECONDS = 20.0
"""After two stalls within that time the play-out expects a third, for as long."""
GROWTH_MS = 30.0
"""By which the end of a long call may differ; left alone, its clocks would make 60 of it."""
PIECE = RATE * 3 // 4
SETTLED_SECONDS = 4.0
"""What the play-out may take to know a network."""


@dataclass
class Ear:
    """What a listener got, with the times of arrival."""

    name: str
    rate: int
    frames: list[tuple[float, int, bytes]]
    """(arrival in Unix seconds, position in samples, s16 or a-law)"""

    def heard(self) -> Heard:
        """As one row of samples at 8 kHz; the clock of the positions is tied to the arrivals' median."""
        first = min(position for _, position, _ in self.frames)
        began = float(np.median([at - (position - first) / self.rate for at, position, _ in self.frames]))
        last = max(position for _, position, _ in self.frames)
        row = np.zeros(last - first + 2 * self.rate // 50)
        for _, position, data in self.frames:
            samples = tones.decode("PCMA", data) if self.rate == RATE else np.frombuffer(data, dtype="<i2")
            row[position - first : position - first + len(samples)] = samples
        if self.rate != RATE:  # enough of a low-pass for speech that came from 8 kHz
            row = np.convolve(row, np.sinc(np.arange(-16, 17) / 2) * np.hamming(33) / 2, mode="same")[::2]
        return Heard(row, began)


def ear_of(speaker: Speaker) -> Ear:
    """A phone."""

    def position(packet: Packet) -> int:
        since = packet.timestamp - speaker.packets[0].timestamp
        return (since + (1 << 31)) % (1 << 32) - (1 << 31)

    return Ear("phone", RATE, [(packet.at, position(packet), packet.payload) for packet in speaker.packets])


@asynccontextmanager
async def bot(house: House, endpoint: str) -> AsyncIterator[Ear]:
    """A program at a PCM socket, which says nothing."""
    ear = Ear("PCM socket", 2 * RATE, [])

    async def listen() -> None:
        async for frame in line:
            if isinstance(frame, bytes):
                ear.frames.append((time.time(), 320 * len(ear.frames), frame))

    url = f"ws://127.0.0.1:{house.server.port}/v1/endpoints/{endpoint}/pcm"
    async with connect(url, additional_headers={"Authorization": f"Bearer {TOKEN}"}, proxy=None) as line:
        listening = asyncio.ensure_future(listen())
        try:
            yield ear
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


@dataclass
class Call:
    """What was said, what became of it, and what was heard."""

    talker: Talker
    relay: Relay
    ears: list[Ear]
    seconds: float


@dataclass
class Result:
    """Of one call: a score for each ear, and the delay (s since the start, ms) as the phone heard it."""

    scores: dict[str, float]
    delays: list[tuple[float, float]]

    stalls: list[float]
    """Ordered ones, and those of the machine."""

    def median(self, begin: float, end: float) -> float:
        """Of the delays in a span, in ms, while the network had been as usual for some time; nan when it never had."""
        return float(
            np.median([late for at, late in self.delays if begin <= at < end and self._usual(at)] or [np.nan])
        )

    def _usual(self, at: float) -> bool:
        lately = [stall for stall in self.stalls if at - BACK_SECONDS - HABIT_SECONDS < stall < at]
        return not lately or (lately[-1] < at - BACK_SECONDS and lately[-1] - lately[0] < 1)


async def two_phones(house: House) -> tuple[int, str, str, Speaker]:
    """One whose audio the server awaits at a port, and one that listens: (port, endpoint, endpoint, listener)."""
    anne, a = await house.offered(400)
    await house.server.control.act(a, "answer")
    await anne.lived("answered")
    port = int([line.partition(" ")[2] for line in anne.story if line.startswith("media ")][-1])
    ben, b = await house.answered(650)
    return port, a, b, ben.speaker


async def talk(
    house: House, phones: tuple[int, str, str, Speaker], said: Speech, weather: Weather, ppm: float, seconds: float
) -> Call:  # fmt: skip
    """Somebody speaks through this weather; a second phone and a program hear them."""
    port, a, b, listener = phones
    host = house.carrier.host
    async with bot(house, f"bot-{a}") as program:
        ears = [b, f"bot-{a}"]
        await house.server.control.room(f"room-{a}", endpoints=[a, *ears], hears={each: [a] for each in ears})
        with (
            Relay(host, port, weather, seed=26) as relay,
            Talker(host, relay.port, said.payloads, ppm) as talker,
        ):
            began = time.monotonic()
            await wait_until(lambda: time.monotonic() - began > seconds, "they have spoken", seconds + 5)
        return Call(talker, relay, [ear_of(listener), program], seconds)


def judge(said: Speech, call: Call) -> Result:
    """Each sentence at each ear."""
    scores: dict[str, float] = {}
    delays: list[tuple[float, float]] = []
    for ear in call.ears:
        heard, each = ear.heard(), []
        for turn in range(int(call.seconds * RATE) // len(said.samples) + 1):
            for first, last in said.sentences:
                begin = turn * len(said.samples) + first
                if not SETTLED_SECONDS * RATE < begin < (call.seconds - 1) * RATE - (last - first):
                    continue
                sentence, pieces = said.samples[first:last], []
                for at in range(0, last - first - PIECE, PIECE // 4):
                    late = speech.delay(sentence[at : at + PIECE], heard, call.talker.spoken(begin + at))
                    if late is not None:
                        pieces.append((at + PIECE // 2, late))
                mouth = call.talker.spoken(begin)
                each.append(speech.score(sentence, heard, mouth, pieces) if pieces else 0.0)
                if ear is call.ears[0]:
                    delays += [((begin + at) / RATE, 1e3 * late) for at, late in pieces]
        scores[ear.name] = float(np.mean(each))
    stalls = call.relay.weather.stalls
    machine: list[float] = []
    for held_up in sorted(at - call.talker.began for at in call.talker.held_up + call.relay.held_up):
        ordered = any(stall - 0.1 < held_up < stall + length + 0.1 for stall, length in stalls)
        if not ordered and (not machine or held_up > machine[-1] + 1):
            machine.append(held_up)
    return Result(scores, delays, sorted([at for at, _ in stalls] + machine))


async def test_speech_through_a_bad_network(
    house: House, soak: bool, counted: Callable[[str, object], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = LONG_SECONDS if soak else SECONDS
    monkeypatch.setattr(carrier, "LIFE_SECONDS", seconds + carrier.LIFE_SECONDS)
    stalls = [float(at) for at in np.arange(STALLS[0], seconds - 2 * BACK_SECONDS, STALLS[1])]
    weather = Weather(BAD.loss, BAD.burst, BAD.jitter, tuple((at, STALL_SECONDS) for at in stalls))
    said = await asyncio.to_thread(speech.speak)
    phones, others = await two_phones(house), await two_phones(house)
    call, clear_call = await asyncio.gather(
        talk(house, phones, said, weather, PPM, seconds), talk(house, others, said, GOOD, 0, SECONDS)
    )
    result, clear = judge(said, call), judge(said, clear_call)
    share = len(call.relay.lost) / call.relay.sent
    speech.draw(
        DRAWINGS / ("quality-long.svg" if soak else "quality.svg"),
        f"Mouth to ear: {100 * share:.1f} % lost in bursts (red), 40 ms of jitter, {PPM:.0f} ppm, stalls",
        {"bad network": result.delays, "none of it": clear.delays},
        [at - call.talker.began for at in call.relay.lost],
    )
    for ear in result.scores:
        counted(f"STOI at the {ear}", f"{result.scores[ear]:.3f} (without loss {clear.scores[ear]:.3f})")
    before = result.median(SETTLED_SECONDS, stalls[0])
    after = [result.median(at + BACK_SECONDS, min(at + STALLS[1], seconds)) for at in stalls]
    after = [known for known in after if np.isfinite(known)]
    counted(
        "mouth to ear, ms, before and after a stall of 300 ms",
        f"{before:.0f}, {max(after, default=np.nan):.0f} at most (without loss {clear.median(0, SECONDS):.0f})",
    )
    counted("stalls of the machine itself", len(result.stalls) - len(stalls))
    assert 0.02 < share < 0.09
    for ear in result.scores:
        assert clear.scores[ear] > 0.85, ear
        assert result.scores[ear] > 0.7, ear
    assert not any(late > before + BACK_MS for late in after), "it stays late after a stall"
    if soak:
        at_the_end = result.median(seconds * 2 / 3, seconds)
        assert np.isfinite([before, at_the_end]).all(), "the machine was too busy to tell"
        assert at_the_end < before + GROWTH_MS, "it grows"
