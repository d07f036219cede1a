"""The log on both engines: append, read, unique violations, fencing, answers, snapshots."""

from __future__ import annotations

import asyncio

import pytest

from guichet.kit import faults
from guichet.store.points import AFTER_COMMIT, BEFORE_COMMIT
from guichet.store.port import Answered, Conflict, DuplicateKey, Entry, Fenced, Full
from tests.support.stores import ORG, Opened

pytestmark = pytest.mark.contract


def answer(key: str, t: int = 1) -> Answered:
    return Answered(ORG, "agent:1", key, t, b'{"ok":true}')


async def all_entries(opened: Opened) -> list[Entry]:
    return await opened.store.reader.entries(0, 0, 10_000)


async def test_what_was_appended_is_read_back_everywhere(opened: Opened) -> None:
    first = opened.entry("thing/1", b'{"n":1}', subject="s1", sealed=b"\x00\x01sealed")
    second = opened.entry("thing/2", b'{"words":"d\xc3\xa9j\xc3\xa0 vu"}')
    third = opened.entry("thing/1", b"\x00\xff")
    await opened.append([first, second])
    await opened.append([third])
    writer, reader = opened.store.writer, opened.store.reader
    assert await reader.entries(0, 0, 10) == [first, second, third]
    assert await opened.leading(writer.entries(0, 0, 10)) == [first, second, third]
    assert await reader.entries(0, 1, 1) == [second]
    assert await reader.entries(1, 0, 10) == []
    wanted = {"thing/1": [first, third], "nothing/1": [], "thing/2": [second], "nothing/\0": []}
    assert await reader.streams(list(wanted)) == wanted
    assert await opened.leading(writer.streams(list(wanted))) == wanted
    assert await reader.last(0) == (3, third.t)
    assert await opened.leading(writer.last(0)) == (3, third.t)
    assert await reader.last(1) == (0, 0)


async def test_the_log_outlives_the_process(opened: Opened) -> None:
    entries = [opened.entry(f"thing/{n}") for n in range(300)]
    await opened.append(entries)
    await opened.reopen()
    assert await all_entries(opened) == entries


async def test_a_position_is_taken_once(opened: Opened) -> None:
    entry = opened.entry()
    await opened.append([entry])
    with pytest.raises(Conflict):
        await opened.append([opened.entry("thing/2", seq=entry.seq)])
    assert await all_entries(opened) == [entry]


async def test_a_version_is_taken_once_and_the_batch_is_whole(opened: Opened) -> None:
    entry = opened.entry()
    await opened.append([entry])
    with pytest.raises(Conflict):
        await opened.append(
            [opened.entry("thing/9"), opened.entry("thing/1", version=1)], answers=[answer("k")]
        )
    assert await all_entries(opened) == [entry]
    assert await opened.leading(opened.store.writer.recent_answers(10)) == []


async def test_a_repeated_key_writes_nothing_and_finds_its_answer(opened: Opened) -> None:
    first = opened.entry()
    await opened.append([first], answers=[answer("a"), answer("b")])
    with pytest.raises(DuplicateKey):
        await opened.append([opened.entry("thing/2")], answers=[answer("c"), answer("b")])
    writer = opened.store.writer
    assert await all_entries(opened) == [first]
    keys = [(ORG, "agent:1", "b"), (ORG, "agent:1", "c"), (ORG, "agent:2", "a")]
    assert await opened.leading(writer.answered(keys)) == [answer("b")]
    assert await opened.leading(writer.answered([])) == []


async def test_the_newest_answers_come_oldest_first(opened: Opened) -> None:
    for t, key in enumerate("abcde", 1):
        await opened.append(answers=[answer(key, t)])
    recent = await opened.leading(opened.store.writer.recent_answers(3))
    assert [found.key for found in recent] == ["c", "d", "e"]


async def test_a_fenced_leader_writes_nothing(opened: Opened) -> None:
    old = opened.epoch
    new = await opened.leading(opened.store.writer.lead(0))
    assert new == old + 1
    with pytest.raises(Fenced):
        await opened.append([opened.entry()], answers=[answer("k")], epoch=old)
    with pytest.raises(Fenced):
        await opened.append([opened.entry()], epoch=new + 1)
    assert await all_entries(opened) == []
    assert await opened.leading(opened.store.writer.recent_answers(10)) == []
    opened.seq = 0
    await opened.append([opened.entry("thing/5")], epoch=new)
    assert len(await all_entries(opened)) == 1


async def test_shards_have_their_own_epochs(opened: Opened) -> None:
    assert await opened.leading(opened.store.writer.lead(0)) == opened.epoch + 1
    assert await opened.leading(opened.store.writer.lead(7)) == 1


async def test_a_reader_sees_whole_batches_only(opened: Opened) -> None:
    size, batches = 7, 60
    seen: list[int] = []

    async def read() -> None:
        while not seen or seen[-1] < size * batches:
            seen.append(len(await all_entries(opened)))

    async def write() -> None:
        for _ in range(batches):
            await opened.append([opened.entry(f"thing/{n}") for n in range(size)])

    await asyncio.gather(read(), write())
    assert all(count % size == 0 for count in seen)
    assert [e.seq for e in await all_entries(opened)] == list(range(1, size * batches + 1))


@pytest.mark.parametrize(("action", "error"), [("raise", OSError), ("full", Full)])
async def test_a_failed_commit_leaves_nothing_and_the_next_one_works(
    opened: Opened, action: str, error: type[Exception]
) -> None:
    faults.arm(BEFORE_COMMIT, action)
    lost = opened.entry()
    with pytest.raises(error):
        await opened.append([lost], answers=[answer("k")])
    assert await all_entries(opened) == []
    await opened.append([lost], answers=[answer("k")])
    assert await all_entries(opened) == [lost]


async def test_a_commit_that_lost_its_answer_is_there(opened: Opened) -> None:
    faults.arm(AFTER_COMMIT, "raise")
    entry = opened.entry()
    with pytest.raises(OSError, match="fault point"):
        await opened.append([entry], answers=[answer("k")])
    with pytest.raises((DuplicateKey, Conflict)):
        await opened.append([entry], answers=[answer("k")])
    assert await all_entries(opened) == [entry]


async def test_snapshots_belong_to_a_code_version(opened: Opened) -> None:
    writer = opened.store.writer
    assert await opened.leading(writer.load_snapshot(0, "one")) is None
    await opened.leading(writer.save_snapshot(0, 10, "one", b"ten"))
    await opened.leading(writer.save_snapshot(0, 20, "one", b"twenty" * 100_000))
    assert await opened.leading(writer.load_snapshot(0, "one")) == (20, b"twenty" * 100_000)
    assert await opened.leading(writer.load_snapshot(0, "two")) is None
    assert await opened.leading(writer.load_snapshot(1, "one")) is None


async def test_a_nul_in_a_key_does_not_stop_the_log(opened: Opened) -> None:
    await opened.append([opened.entry()], answers=[answer("a\0b"), answer("d\u00e9j\u00e0 \U0001f600")])
    with pytest.raises(DuplicateKey):
        await opened.append(answers=[answer("a\0b")])
    assert len(await opened.leading(opened.store.writer.answered([(ORG, "agent:1", "a\0b")]))) == 1
