"""The machine's clock is set back a day, and forth again: time in the log never is, and work goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from guichet.channels.webchat import presence
from guichet.kit.clock import DAY, Instant
from tests.support.centre import ADDRESS, Centre
from tests.support.clocks import WrongClock
from tests.support.mail_client import Sender, letter
from tests.support.waiting import wait_until
from tests.support.widget_client import Visitor

pytestmark = [pytest.mark.fault, pytest.mark.slow]

TOLERANCE = 60_000


@asynccontextmanager
async def chatting(centre: Centre, name: str) -> AsyncIterator[Visitor]:
    visitor = Visitor(f"http://127.0.0.1:{centre.port}", "shop", name)
    async with asyncio.TaskGroup() as group:
        line = group.create_task(visitor.run())
        try:
            yield visitor
        finally:
            line.cancel()


async def times(centre: Centre) -> list[Instant]:
    return [entry.t for entry in await centre.node.store.reader.entries(0, 0, 100_000)]


async def test_a_clock_that_jumps_back(tmp_path: Path) -> None:
    clock = WrongClock()
    async with Centre.running(tmp_path, clock) as centre:
        await centre.found()
        await centre.available()
        async with chatting(centre, "ines") as visitor:
            await visitor.say("avant")
            await visitor.settled()
            assert visitor.conversation is not None
            clock.shift = -DAY

            await visitor.say("après")
            await visitor.settled()
            await centre.accept(visitor.conversation)
            send = {"conversation": visitor.conversation, "message": "r1", "text": "Bonjour"}
            await centre.do(centre.agent(), "send_message", **send)
            await visitor.heard(1)
            await centre.do(centre.agent(), "close", conversation=visitor.conversation)
            assert [m["text"] for m in visitor.thread.values()] == ["avant", "après", "Bonjour"]
            assert visitor.faults == []
        await _a_mail_is_answered(centre)
        before = await times(centre)
    assert before == sorted(before)

    # A start with the wrong clock goes on from the log's last moment, and one with the right clock catches up.
    async with Centre.running(tmp_path, clock) as centre:
        await centre.available()
        clock.shift = 0
        async with chatting(centre, "hugo") as visitor:
            await visitor.say("le lendemain")
            await visitor.settled()
        after = await times(centre)
    assert after == sorted(after)
    assert after[-1] - before[-1] < TOLERANCE
    async with Centre.running(tmp_path, clock) as centre:
        assert abs((await times(centre))[-1] - clock.now()) < TOLERANCE


async def test_who_left_is_missed_though_the_clock_went_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "GONE_AFTER", 1_000)
    clock = WrongClock()
    async with Centre.running(tmp_path, clock) as centre:
        await centre.found()
        async with chatting(centre, "ines") as visitor:
            await visitor.say("Allô ?")
            await visitor.settled()
            clock.shift = -DAY

        async def closed() -> bool:
            return [row["state"] for row in await centre.rows("conversation")] == ["closed"]

        await centre.until(closed, "the visitor counts as gone")


async def _a_mail_is_answered(centre: Centre) -> None:
    """In through the door, offered, answered, out after the seconds in which it can be taken back."""
    sender = Sender(next(door.port for door in centre.node.doors if hasattr(door, "port")))
    try:
        await sender.post(letter("ines@clients.example", ADDRESS, "c1", "Mon colis ?"), ADDRESS)
    finally:
        sender.close()
    (row,) = await centre.rows("conversation", channel="email")
    await centre.accept(str(row["conversation"]))
    send = {"conversation": row["conversation"], "message": "r2", "text": "Il arrive"}
    await centre.do(centre.agent(), "send_message", **send)
    await wait_until(lambda: len(centre.relay.mails) == 1, "the reply leaves", 30)
