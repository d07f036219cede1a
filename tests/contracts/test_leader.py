"""The leader on a real store, with a tiny domain: what a command may rely on, on both engines."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from guichet.kit.clock import ManualClock, SystemClock
from guichet.kit.errors import Refused
from guichet.kit.faults import arm
from guichet.leader import loop
from guichet.leader.loop import AFTER_COMMIT, BEFORE_COMMIT, PAUSE_SECONDS
from guichet.leader.registry import Actor
from guichet.leader.version import code_version
from guichet.store.port import Batch, DuplicateKey, Entry, Full
from tests.support.counters import COUNTER, Count, Counters, OpenBox, SetAlarm
from tests.support.led import house
from tests.support.led import url as url
from tests.support.waiting import wait_until

pytestmark = pytest.mark.contract


async def test_a_repeated_key_gets_the_first_answer_and_changes_nothing(url: str, tmp_path: Path) -> None:
    async with house(url, tmp_path) as h:
        assert await h.do(Count("c"), "k") == {"total": 1}
        assert await h.do(Count("c"), "k") == {"total": 1}
        one, two = await asyncio.gather(h.do(Count("c"), "k2"), h.do(Count("c"), "k2"))
        assert one == two == {"total": 2}
        assert await h.do(Count("c"), "k", Actor("agent", "paul", "org")) == {"total": 3}
        await h.check_replay()


async def test_a_key_older_than_the_window_is_still_known(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guichet.leader.memory.KEEP_ANSWERS", 3)
    async with house(url, tmp_path) as h:
        assert await h.do(Count("c"), "old") == {"total": 1}
        for n in range(5):
            await h.do(Count("c"), f"newer-{n}")
        assert await h.do(Count("c"), "old") == {"total": 1}
        assert await h.do(Count("c"), "fresh") == {"total": 7}
        await h.check_replay()


async def test_many_old_keys_cost_one_reload(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a visitor who says old things again, or a network that comes back, would stop the whole centre."""
    monkeypatch.setattr("guichet.leader.memory.KEEP_ANSWERS", 3)
    async with house(url, tmp_path) as h:
        for n in range(8):
            await h.do(Count("c"), f"old-{n}")
        loads, load = [], h.store.writer.load_snapshot

        async def counted(shard: int, code: str) -> tuple[int, bytes] | None:
            loads.append(shard)
            return await load(shard, code)

        monkeypatch.setattr(h.store.writer, "load_snapshot", counted)
        assert [await h.do(Count("c"), f"old-{n}") for n in range(4)] == [{"total": n + 1} for n in range(4)]
        assert len(loads) == 1
        assert await h.do(Count("c"), "fresh") == {"total": 9}
        await h.check_replay()


async def test_a_key_that_does_not_find_itself_is_not_tried_for_ever(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(url, tmp_path) as h:

        async def refuse(batch: Batch) -> None:
            raise DuplicateKey("command_key_once")

        append = h.store.writer.append
        monkeypatch.setattr(h.store.writer, "append", refuse)
        with pytest.raises(Refused, match=r"leader\.unavailable"):
            await asyncio.wait_for(h.do(Count("c"), "odd"), 5)
        monkeypatch.setattr(h.store.writer, "append", append)
        assert await h.do(Count("c"), "odd") == {"total": 1}


async def test_what_is_opened_twice_is_opened_once(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new id is not looked up. One that is not new is told by the store's index; then ids are looked up."""
    async with house(url, tmp_path) as h:
        await h.do(OpenBox("one"))
        await h.do(OpenBox("two"))
        loads, load = [], h.store.writer.load_snapshot

        async def counted(shard: int, code: str) -> tuple[int, bytes] | None:
            loads.append(shard)
            return await load(shard, code)

        monkeypatch.setattr(h.store.writer, "load_snapshot", counted)
        asked = [OpenBox("one"), Count("c"), OpenBox("three")]
        assert await asyncio.gather(*map(h.do, asked)) == [{}, {"total": 1}, {}]
        await h.do(OpenBox("two"))
        assert len(loads) == 1
        opened = [e.stream for e in await h.store.reader.entries(0, 0, 100) if e.type == "test.box_opened"]
        assert opened == ["box/one", "box/two", "box/three"]
        await h.check_replay()


async def test_a_snapshot_is_kept_while_others_are_served(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SNAPSHOT_EVERY", 10)
    async with house(url, tmp_path) as h:
        kept, save = [], h.store.writer.save_snapshot

        async def counted(shard: int, seq: int, code: str, data: bytes) -> None:
            kept.append(seq)
            if len(kept) == 1:
                raise Full
            await save(shard, seq, code, data)

        monkeypatch.setattr(h.store.writer, "save_snapshot", counted)
        total = 0
        while len(kept) < 3:  # the first one fails, and nobody is told
            total += 1
            assert await h.do(Count("c")) == {"total": total}
        total += 1
        assert await h.do(Count("c")) == {"total": total}  # by now the last one is written
        snapshot = await h.thread.run(h.store.writer.load_snapshot(0, code_version()))
        assert snapshot is not None
        assert snapshot[0] == kept[-1]
    async with house(url, tmp_path) as h:
        assert await h.do(Count("c")) == {"total": total + 1}
        await h.check_replay()


async def test_a_refusal_changes_nothing_and_may_be_repeated(url: str, tmp_path: Path) -> None:
    async with house(url, tmp_path) as h:
        await asyncio.gather(*(h.do(Count("c")) for _ in range(100)))
        before = await h.store.reader.last(0)
        with pytest.raises(Refused, match=r"counter\.full"):
            await h.do(Count("c"), "again")
        with pytest.raises(Refused, match="forbidden"):
            await h.do(Count("other"), actor=Actor("agent", "mallory", "org"))
        with pytest.raises(Refused, match=r"command\.failed"):
            await h.do(Count("d", word="crash in handler"))
        assert await h.store.reader.last(0) == before
        await h.check_replay()


async def test_a_defect_in_a_reactor_fails_the_batch_and_the_memory_is_read_again(
    url: str, tmp_path: Path
) -> None:
    async with house(url, tmp_path) as h:
        await h.do(Count("c"))
        before = await h.store.reader.last(0)
        with pytest.raises(Refused, match=r"leader\.unavailable"):
            await h.do(Count("c", word="crash in reactor"))
        assert await h.store.reader.last(0) == before
        assert await h.do(Count("c")) == {"total": 2}
        await h.check_replay()


@pytest.mark.parametrize("point", [BEFORE_COMMIT, AFTER_COMMIT])
async def test_a_broken_commit_answers_unavailable_and_a_retry_is_safe(
    url: str, tmp_path: Path, point: str
) -> None:
    async with house(url, tmp_path) as h:
        await h.do(Count("c"))
        arm(point, "full" if point == BEFORE_COMMIT else "raise")
        with pytest.raises(Refused, match=r"leader\.unavailable"):
            await h.do(Count("c"), "retried")
        assert await h.do(Count("c"), "retried") == {"total": 2}
        await h.check_replay()
        # Whoever follows is told of it too, once: also where it had happened and only its answer was lost.
        last, _ = await h.store.reader.last(0)
        told = [seq for commit in h.committed for seq in range(commit.first, commit.last + 1)]
        assert told == list(range(1, last + 1))


async def test_what_rests_is_loaded_again(url: str, tmp_path: Path) -> None:
    async with house(url, tmp_path) as h:
        counters = h.leader.memory.state.part(Counters)
        await h.do(Count("c"))
        counters.resting.add("c")
        await h.do(Count("d"))
        assert "c" not in counters.totals
        assert await h.do(Count("c")) == {"total": 2}
        await h.check_replay()


async def test_a_batch_reads_what_it_lacks_at_once(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(url, tmp_path) as h:
        await asyncio.gather(*(h.do(Count(f"c{n}")) for n in range(20)))
        counters = h.leader.memory.state.part(Counters)
        counters.resting.update(f"c{n}" for n in range(20))
        await h.do(Count("d"))
        asked: list[Sequence[str]] = []
        read = h.store.writer.streams

        async def counted(names: Sequence[str]) -> dict[str, list[Entry]]:
            asked.append(names)
            return await read(names)

        monkeypatch.setattr(h.store.writer, "streams", counted)
        stands, go = threading.Event(), threading.Event()

        def stand() -> None:
            stands.set()
            go.wait(10)

        h.thread.loop.call_soon_threadsafe(stand)
        await asyncio.to_thread(stands.wait, 10)
        together = asyncio.gather(*(h.do(Count(f"c{n}")) for n in [*range(20), *range(20)]))
        await asyncio.sleep(0)  # all are queued before the leader's thread takes the first ones
        go.set()
        answers = await together
        assert [a["total"] for a in answers] == [2] * 20 + [3] * 20
        assert len(asked) == 1
        assert {name for names in asked for name in names} == {f"counter/c{n}" for n in range(20)}
        await h.check_replay()


async def test_a_restart_goes_on_where_it_was(url: str, tmp_path: Path) -> None:
    async with house(url, tmp_path) as h:
        await h.do(Count("c", word="mot"), "k")
        counters = h.leader.memory.state.part(Counters)
        counters.resting.add("c")
        await h.do(Count("d"))
    async with house(url, tmp_path) as h:
        assert await h.do(Count("c"), "k") == {"total": 1}
        assert await h.do(Count("c")) == {"total": 2}
        assert await h.do(Count("d")) == {"total": 2}
        await h.check_replay()


async def test_deadlines_fire_as_facts_in_order(url: str, tmp_path: Path) -> None:
    clock = ManualClock()
    async with house(url, tmp_path, clock) as h:
        for name, after in (("late", 3_000), ("b", 1_000), ("a", 1_000)):
            await h.do(SetAlarm(name, clock.now() + after))
        clock.advance(1_500)
        await h.do(Count("c"))
        assert h.leader.memory.state.part(Counters).rung == ["a", "b"]
        await h.check_replay()


async def test_a_quiet_leader_wakes_for_a_deadline(url: str, tmp_path: Path) -> None:
    async with house(url, tmp_path) as h:
        await h.do(SetAlarm("soon", SystemClock().now() + 50))
        await wait_until(lambda: any(c.last == h.leader.memory.seq for c in h.committed[1:]))
        assert h.leader.memory.state.part(Counters).rung == ["soon"]
        await h.check_replay()


async def test_what_is_due_while_the_disk_is_full_is_tried_at_a_measured_pace(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(url, tmp_path) as h:
        tries: list[float] = []
        set_alarm, append = asyncio.Event(), h.store.writer.append

        async def refuse(batch: Batch) -> None:
            if not set_alarm.is_set():
                set_alarm.set()
                await append(batch)
                return
            tries.append(asyncio.get_running_loop().time())
            raise Full

        monkeypatch.setattr(loop.log, "exception", lambda *_, **__: None)  # its tracebacks would set the pace
        monkeypatch.setattr(h.store.writer, "append", refuse)
        await h.do(SetAlarm("soon", SystemClock().now() + 50))
        await wait_until(lambda: len(tries) >= 3)
        assert tries[2] - tries[0] >= 2 * PAUSE_SECONDS
        monkeypatch.setattr(h.store.writer, "append", append)
        await wait_until(lambda: len(h.committed) > 1)
        assert h.leader.memory.state.part(Counters).rung == ["soon"]
        await h.check_replay()


async def test_a_leader_that_ends_leaves_no_caller_waiting(url: str, tmp_path: Path) -> None:
    async with house(url, tmp_path) as h:
        lock = h.leader._lock

        class EndsFirst:
            """The leader ends after a caller came and before its command is queued."""

            def __enter__(self) -> None:
                h.leader._lock = lock
                ended = h.thread.loop
                h.leader.stop()
                asyncio.run_coroutine_threadsafe(asyncio.sleep(0), ended).result(5)
                while h.leader._loop is not None:
                    asyncio.run_coroutine_threadsafe(asyncio.sleep(0), ended).result(5)
                lock.acquire()

            def __exit__(self, *_: object) -> None:
                lock.release()

        h.leader._lock = EndsFirst()  # type: ignore[assignment]
        with pytest.raises(Refused, match=r"leader\.unavailable"):
            await asyncio.wait_for(h.do(Count("c")), 5)


async def test_time_never_goes_back(url: str, tmp_path: Path) -> None:
    clock = ManualClock()
    async with house(url, tmp_path, clock) as h:
        await h.do(Count("c"))
        clock.jump(clock.now() - 3_600_000)
        clock.advance(5)
        await h.do(Count("c"))
    clock.jump(1_000)
    async with house(url, tmp_path, clock) as h:
        await h.do(Count("c"))
        times = [entry.t for entry in await h.store.reader.entries(0, 0, 100)]
        assert times == sorted(times)


async def test_a_deposed_leader_writes_nothing(url: str, tmp_path: Path) -> None:
    async with house(url, tmp_path) as h:
        await h.do(Count("c"))
        h.leader.epoch -= 1
        before = await h.store.reader.last(0)
        with pytest.raises(Refused, match=r"leader\.unavailable"):
            await h.do(Count("c"))
        assert await h.store.reader.last(0) == before


async def test_an_overloaded_leader_says_so_at_once(url: str, tmp_path: Path) -> None:
    async with house(url, tmp_path, max_waiting=10) as h:
        results = await asyncio.gather(*(h.do(Count("c")) for _ in range(50)), return_exceptions=True)
        refused = [r for r in results if isinstance(r, Refused)]
        assert refused
        assert all(r.kind == "limited" for r in refused)
        done = [r["total"] for r in results if isinstance(r, dict)]
        assert done == list(range(1, len(done) + 1))
        await h.check_replay()


async def test_the_rows_of_a_commit_reach_the_listener_once_and_merged(url: str, tmp_path: Path) -> None:
    async with house(url, tmp_path) as h:
        await asyncio.gather(*(h.do(Count("c", word=str(n))) for n in range(20)))
        rows = [change for commit in h.committed for change in commit.changes]
        assert rows[0].fresh
        assert (rows[-1].values or {})["total"] == 20
        assert [c.first for c in h.committed][1:] == [c.last + 1 for c in h.committed][:-1]
        (row,) = await h.store.reader.rows(COUNTER, {"counter": "c"})
        assert (row["total"], row["word"], row["rung"]) == (20, "19", False)


async def test_a_new_table_version_is_rebuilt_from_the_log(url: str, tmp_path: Path) -> None:
    async with house(url, tmp_path) as h:
        await h.do(Count("c", word="mot"))
        await h.do(Count("d"))
    newer = msgspec.structs.replace(COUNTER, version=2)
    from guichet.store import rows

    rows.TABLES["test_counter"] = newer
    try:
        async with house(url, tmp_path) as h:
            await h.check_replay()
            assert [r["word"] for r in await h.store.reader.rows(COUNTER, {}, order="counter")] == ["mot", ""]
    finally:
        rows.TABLES["test_counter"] = COUNTER


async def test_the_log_holds_no_word_in_the_clear(url: str, tmp_path: Path) -> None:
    async with house(url, tmp_path) as h:
        await h.do(Count("c", word="Bonjour, mon colis ?"))
        entries = await h.store.reader.entries(0, 0, 10)
        assert all(b"colis" not in e.data and b"colis" not in (e.sealed or b"") for e in entries)
        assert any(e.sealed for e in entries)
