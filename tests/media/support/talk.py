"""A talk that goes through the phases of a call, with an ear at each telephone and each page."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from typing import Protocol

import numpy as np

from tests.media.support import matrix, tones
from tests.media.support.carrier import Phone
from tests.media.support.house import House
from tests.media.support.matrix import PHASES, TONES, Block, Matrix, leaks, voices
from tests.media.support.pages import Person
from tests.support.waiting import wait_until

ENOUGH, MOST = 30, 27
"""Of the last so many blocks of 20 ms, somebody has so many with all whom they are to hear, and nobody else."""
PATIENCE = 1_500
"""Blocks that everybody has heard when that still was not so. A busy machine leaves gaps, and one that stalls brings no
blocks: what counts is what was heard, and not how long it took."""
SETTLED_SECONDS = 0.06
"""Three ticks after a put was answered, what was on its way to a telephone has arrived."""


class Ear(Protocol):
    """Somebody who speaks and listens."""

    async def says(self, hertz: int) -> None: ...
    async def hears(self) -> list[tuple[float, Block]]:
        """Waits for more; what reached them, every 20 ms of it, and when it came in by the kernel's clock.

        Of what comes out of a browser that is not known: 0.
        """
        ...


class AtPhone:
    """Judges each packet."""

    def __init__(self, phone: Phone) -> None:
        self._speaker = phone.speaker
        self._heard = len(self._speaker.packets)

    async def says(self, hertz: int) -> None:
        self._speaker.says(hertz)

    async def hears(self) -> list[tuple[float, Block]]:
        await wait_until(lambda: len(self._speaker.packets) > self._heard, "a packet comes")
        hearing = self._speaker.since(self._heard)
        self._heard += len(hearing.packets)
        rate = tones.RATES[hearing.codec]
        return [(each.at, voices(tones.decode(hearing.codec, each.payload), rate)) for each in hearing.audio]


class AtPage:
    """Judges all that comes out of the browser."""

    def __init__(self, person: Person) -> None:
        self.says = person.says
        self._person = person
        self._rest = np.array([], np.int16)

    async def hears(self) -> list[tuple[float, Block]]:
        samples = np.concatenate((self._rest, await self._person.heard()))
        whole = len(samples) // 320 * 320
        self._rest = samples[whole:]
        return [(0.0, voices(block, 16_000)) for block in samples[:whole].reshape(-1, 320)]


class Talk:
    """One room. Before the first phase all of its people say their tone of odd turns."""

    def __init__(self, house: House, ids: Mapping[str, str], ears: Mapping[str, Ear]) -> None:
        self._house, self._ids, self._ears = house, ids, ears
        self._turn = 1
        self._now: Matrix = {}
        self._before: Matrix = {}
        self._settled = 0.0
        self._heard: dict[str, list[Block]] = {}
        self.judged: Counter[str] = Counter()
        self.leaked: list[tuple[str, Block]] = []
        """Who heard what did not concern them, block by block."""

    async def goes_through(self, phase: str) -> None:
        """Until everybody had enough of whom they are to hear; raises AssertionError when somebody else is heard."""
        await self._change(PHASES[phase], recorded=phase == "voicemail")
        while any(self._had(name) < MOST for name in self._ears):
            await self._listen()
            assert not self.leaked, f"{phase}: {self.leaked}"
            had = {name: f"{self._had(name)} of {ENOUGH}" for name in self._ears}
            assert min(map(len, self._heard.values())) < PATIENCE, f"{phase}: of what they are to hear, {had}"

    async def everybody_is_a_stranger(self) -> None:
        """Lets all hear all others, which concerns nobody, and waits until all of it was found."""
        await self._change({name: [other for other in self._ears if other != name] for name in self._ears})
        wanted = {(name, voice) for name in self._ears for voice in self._wanted(name)}
        self._now = self._before = {}
        while wanted - {(name, voice) for name, block in self.leaked for voice in block}:
            await self._listen()
            assert min(map(len, self._heard.values())) < PATIENCE, "what leaks is not found"

    async def _change(self, hears: Matrix, *, recorded: bool = False) -> None:
        await self._listen()
        self._turn = 1 - self._turn
        self._before, self._now = self._now, hears
        self._heard = {name: [] for name in self._ears}
        document = matrix.room(hears, self._ids, self._turn, recorded=recorded)
        await self._house.server.control.room("c", **document)
        self._settled = time.clock_gettime(time.CLOCK_REALTIME) + SETTLED_SECONDS
        for name, ear in self._ears.items():
            await ear.says(TONES[name][self._turn])

    async def _listen(self) -> None:
        for name, ear in self._ears.items():
            now, before = self._now.get(name, ()), self._before.get(name, ())
            for at, block in await ear.hears():
                self._heard.setdefault(name, []).append(block)
                self.judged[name] += 1
                if leak := leaks(block, self._turn, now, () if at > self._settled else before):
                    self.leaked.append((name, leak))

    def _wanted(self, name: str) -> Block:
        return frozenset((who, self._turn) for who in self._now.get(name, ()))

    def _had(self, name: str) -> int:
        return self._heard[name][-ENOUGH:].count(self._wanted(name))
