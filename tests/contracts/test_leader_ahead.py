"""While a batch is being written the next one is run upon it: nobody hears of what might still be undone."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from guichet.kit.errors import Refused
from guichet.leader import loop
from guichet.store.port import Away, Batch, DuplicateKey, Entry, Fenced, Full
from tests.support.counters import Count, Counters
from tests.support.led import House, house
from tests.support.led import url as url
from tests.support.waiting import wait_until

pytestmark = pytest.mark.contract

COUNT = Count("c")

Append = Callable[[Batch], Awaitable[None]]


class Gate:
    """Stands before the store. While it is shut, each batch waits until it is let through, in one way or another."""

    def __init__(self, h: House, monkeypatch: pytest.MonkeyPatch) -> None:
        self._loop = h.thread.loop
        self._append: Append = h.store.writer.append
        self._turn: asyncio.Future[Append] | None = None
        self._thread = h.thread
        self._asked = 0
        self.shut = True
        monkeypatch.setattr(h.store.writer, "append", self.append)
        get = Counters.get

        def counted(part: Counters, counter: str) -> int:
            self._asked += self.holds
            return get(part, counter)

        monkeypatch.setattr(Counters, "get", counted)

    @property
    def holds(self) -> bool:
        """Whether a batch stands here."""
        return self._turn is not None

    async def append(self, batch: Batch) -> None:
        way = self._append
        if self.shut:
            self._turn = self._loop.create_future()
            way = await self._turn
            self._turn = None
        await way(batch)

    async def reached(self) -> None:
        """Until a batch stands here."""
        await wait_until(lambda: self.holds)

    async def run_upon(self) -> None:
        """Until another command has been run upon it, and whatever came of that at once has come."""
        await wait_until(lambda: self._asked > 0)
        await self._thread.run(asyncio.sleep(0))

    def open(self, way: Append | None = None) -> None:
        """Lets the batch that stands here through (`way`: what becomes of it), and those that follow."""
        turn, self.shut = self._turn, False
        assert turn is not None
        self._loop.call_soon_threadsafe(turn.set_result, way or self._append)

    async def then_break(self, batch: Batch) -> None:
        """It is written, and its answer is lost."""
        await self._append(batch)
        raise Away("the connection broke")


def refuse_with(error: Exception) -> Append:
    async def refuse(batch: Batch) -> None:
        raise error

    return refuse


@asynccontextmanager
async def two_batches(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch, second: Count = COUNT, before: int = 1
) -> AsyncIterator[tuple[House, Gate, asyncio.Task[object], asyncio.Task[object]]]:
    """The first one is being written, the second one was run upon it."""
    async with house(url, folder) as h:
        await asyncio.gather(*(h.do(COUNT) for _ in range(before)))
        gate = Gate(h, monkeypatch)
        one = asyncio.ensure_future(h.do(COUNT, "one"))
        await gate.reached()
        two = asyncio.ensure_future(h.do(second, "two"))
        await gate.run_upon()
        assert not one.done()
        assert not two.done()
        assert h.committed[-1].last == h.leader.memory.seq  # and nobody was told of either
        yield h, gate, one, two
        last, _ = await h.store.reader.last(0)
        told = [seq for commit in h.committed for seq in range(commit.first, commit.last + 1)]
        assert told == list(range(1, last + 1))
        await h.check_replay()


async def test_both_arrive_in_order(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with two_batches(url, tmp_path, monkeypatch) as (_, gate, one, two):
        gate.open()
        assert [await one, await two] == [{"total": 2}, {"total": 3}]


async def test_what_stood_on_a_batch_that_failed_is_run_again(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two_batches(url, tmp_path, monkeypatch) as (h, gate, one, two):
        gate.open(refuse_with(Full()))
        with pytest.raises(Refused, match=r"store\.full"):
            await one
        assert await two == {"total": 2}
        assert await h.do(COUNT, "one") == {"total": 3}


async def test_an_old_key_below_another_batch_gets_its_first_answer(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two_batches(url, tmp_path, monkeypatch) as (_, gate, one, two):
        gate.open(refuse_with(DuplicateKey("command_key_once")))  # found by nobody: so it is run again
        assert [await one, await two] == [{"total": 2}, {"total": 3}]


async def test_a_commit_whose_answer_was_lost_is_told_before_the_next(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two_batches(url, tmp_path, monkeypatch) as (h, gate, one, two):
        gate.open(gate.then_break)
        with pytest.raises(Refused, match=r"leader\.unavailable"):
            await one
        assert await two == {"total": 3}
        assert await h.do(COUNT, "one") == {"total": 2}


async def test_a_defect_above_does_not_harm_the_batch_below(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = Count("c", word="crash in reactor")
    async with two_batches(url, tmp_path, monkeypatch, second) as (h, gate, one, two):
        gate.open()
        assert await one == {"total": 2}
        with pytest.raises(Refused, match=r"leader\.unavailable"):
            await two
        assert await h.do(COUNT) == {"total": 3}


async def test_a_refusal_because_of_the_batch_below_is_thought_over(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two_batches(url, tmp_path, monkeypatch, before=99) as (_, gate, one, two):
        gate.open(refuse_with(Full()))
        with pytest.raises(Refused, match=r"store\.full"):
            await one  # it would have been the hundredth, after which the counter is full
        assert await two == {"total": 100}


async def test_a_repeated_key_above_waits_for_the_first(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two_batches(url, tmp_path, monkeypatch) as (h, gate, one, two):
        again = asyncio.ensure_future(h.do(COUNT, "one"))
        await wait_until(lambda: not h.leader._waiting)
        await h.thread.run(asyncio.sleep(0))
        assert not again.done()
        gate.open()
        assert [await one, await two, await again] == [{"total": 2}, {"total": 3}, {"total": 2}]


async def test_the_log_is_read_after_the_batch_below(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(url, tmp_path) as h:
        await h.do(COUNT)
        gate = Gate(h, monkeypatch)
        h.leader.memory.state.part(Counters).resting.add("c")  # forgotten as soon as the first one was run
        one = asyncio.ensure_future(h.do(COUNT))
        await gate.reached()
        read, asked = h.store.writer.streams, []

        async def watched(names: list[str]) -> dict[str, list[Entry]]:
            asked.append(gate.holds)
            return await read(names)

        monkeypatch.setattr(h.store.writer, "streams", watched)
        two = asyncio.ensure_future(h.do(COUNT))
        await gate.run_upon()
        gate.open()
        assert [await one, await two] == [{"total": 2}, {"total": 3}]
        assert asked == [False]
        await h.check_replay()


async def test_a_deposed_leader_answers_neither(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two_batches(url, tmp_path, monkeypatch) as (_, gate, one, two):
        gate.open(refuse_with(Fenced("another leads")))
        for task in (one, two):
            with pytest.raises(Refused, match=r"leader\.unavailable"):
                await task


async def test_a_leader_that_stops_finishes_what_is_on_its_way(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two_batches(url, tmp_path, monkeypatch) as (h, gate, one, two):
        h.leader.stop()
        gate.open()
        assert await one == {"total": 2}
        assert await two == {"total": 3}


async def test_nothing_is_lost_or_doubled_on_bad_days(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty callers, each with a counter of its own and a common one; every fifth batch comes to a bad end."""
    dice = random.Random(7)
    monkeypatch.setattr(loop, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(loop.log, "error", lambda *_, **__: None)
    async with house(url, tmp_path) as h:
        append = h.store.writer.append

        async def unlucky(batch: Batch) -> None:
            await asyncio.sleep(0.002)  # lint: allow sleeping-test, a store takes a while
            luck = dice.random()
            if luck < 0.1:
                raise (Full() if luck < 0.05 else DuplicateKey("command_key_once"))
            await append(batch)
            if luck > 0.9:
                raise Away("the connection broke")

        monkeypatch.setattr(h.store.writer, "append", unlucky)

        async def ask(counter: str, key: str) -> object:
            while True:
                try:
                    return (await h.do(Count(counter), key))["total"]
                except Refused as refused:
                    if refused.kind != "unavailable":
                        raise

        async def caller(number: int) -> None:
            for turn in range(1, 9):
                await asyncio.gather(
                    ask(f"c{number}", f"own-{turn}-{number}"), ask(f"common{turn}", f"common-{turn}-{number}")
                )

        await asyncio.gather(*(caller(number) for number in range(30)))
        monkeypatch.setattr(h.store.writer, "append", append)
        assert (await h.do(Count("c1")))["total"] == 9
        totals = h.leader.memory.state.part(Counters).totals
        assert {name: total for name, total in totals.items() if name != "c1"} == (
            {f"c{n}": 8 for n in range(30) if n != 1} | {f"common{turn}": 30 for turn in range(1, 9)}
        )
        last, _ = await h.store.reader.last(0)
        told = [seq for commit in h.committed for seq in range(commit.first, commit.last + 1)]
        assert told == list(range(1, last + 1))
        await h.check_replay()
