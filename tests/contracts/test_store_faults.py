"""Kills and full disks: what was acknowledged is there, what was not is whole or absent."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from guichet.kit.clock import HOUR
from guichet.kit.errors import Refused
from guichet.kit.ids import random_bytes
from guichet.store.points import AFTER_COMMIT, BEFORE_COMMIT, KEYS_WRITTEN
from guichet.store.port import Entry, Full
from tests.support.store_child import BATCH, ROWS
from tests.support.stores import Opened

pytestmark = pytest.mark.fault


# -- kill -9 ----------------------------------------------------------------------------------------


async def _until_killed(opened: Opened, *, faults: str = "", after: int = 0) -> int:
    """Runs the writing process until it is killed; gives the last position that it acknowledged."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.store_child", opened.url, str(opened.folder)),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "GUICHET_FAULTS": faults},
    )
    assert child.stdout is not None
    acknowledged = 0
    async for line in child.stdout:
        if not line.endswith(b"\n"):
            break
        acknowledged = int(line)
        if after and acknowledged >= after:
            child.kill()
            after = 0
    assert await child.wait() == -9
    return acknowledged


async def _check(opened: Opened, acknowledged: int) -> None:
    """Nothing acknowledged is lost, no batch is half there, and rows, keys and jobs agree with the log."""
    reader = opened.store.reader
    entries = await reader.entries(0, 0, 1_000_000)
    last = len(entries)
    assert [entry.seq for entry in entries] == list(range(1, last + 1))
    assert last >= acknowledged
    assert last <= acknowledged + BATCH, "at most the batch in hand was durable and not yet acknowledged"
    assert last % BATCH == 0
    rows = await reader.rows(ROWS, {}, order="n", limit=1_000_000)
    assert [row["n"] for row in rows] == list(range(1, last + 1))
    answers = await opened.leading(opened.store.writer.recent_answers(1_000_000))
    assert [int(a.key) for a in answers] == list(range(BATCH, last + 1, BATCH))
    jobs = await opened.store.jobs.claim(["mail"], "w", 0, 1_000_000)
    assert sorted(int(job.key) for job in jobs) == list(range(BATCH, last + 1, BATCH))
    opened_entries = await opened.store.sealer.open_many(entries[-50:])
    assert all(personal == b"words" * 40 for _, personal in opened_entries)


@pytest.mark.parametrize("point", [BEFORE_COMMIT, AFTER_COMMIT])
async def test_killed_at_a_fault_point(opened: Opened, point: str) -> None:
    await opened.close()
    try:
        acknowledged = await _until_killed(opened, faults=f"{point}=kill@30")
    finally:
        await opened.open(ROWS)
    assert acknowledged == 29 * BATCH
    await _check(opened, acknowledged)
    last, _ = await opened.store.reader.last(0)
    assert last == acknowledged + (BATCH if point == AFTER_COMMIT else 0)


async def test_killed_under_load_again_and_again(opened: Opened, soak: bool) -> None:
    await opened.close()
    acknowledged = 0
    try:
        for kill in range(1, (30 if soak else 3) + 1):
            acknowledged = await _until_killed(opened, after=acknowledged + kill * 300)
    finally:
        await opened.open(ROWS)
    await _check(opened, acknowledged)


async def test_killed_when_the_key_was_written(opened: Opened) -> None:
    await opened.close()
    try:
        assert await _until_killed(opened, faults=f"{KEYS_WRITTEN}=kill") == 0
    finally:
        await opened.open(ROWS)
    assert set(await opened.store.keys.get(["s1"])) == {"s1"}


# -- a full disk ------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of sixteen megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may mount the small file system that this test fills")
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"mounting is refused here: {mounted.stderr.strip()}")
    yield folder
    # Lazily: a test that failed half way may still hold files open.
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def test_a_full_disk_is_refused_loudly_and_nothing_is_lost(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(9_000_000))
    opened = await Opened("sqlite", small_disk / "data").open()
    store, later = opened.store, opened.clock.now() + HOUR
    await store.keys.ensure("s1")
    kept: list[Entry] = []

    async def append_until_full() -> None:
        while len(kept) < 1_000:
            entry = opened.entry(f"thing/{opened.seq}", random_bytes(50_000))
            await opened.append([entry])
            kept.append(entry)

    async def sign_in_until_full() -> None:
        for _ in range(1_000):
            await store.sessions.create("agent", "org", "agent:1", later, {"x": "y" * 2_000})

    # Everything that writes says so; everything that reads goes on.
    with pytest.raises(Full):
        await append_until_full()
    assert len(kept) > 10
    opened.seq -= 1
    with pytest.raises(Refused, match=r"store\.full"):
        await sign_in_until_full()
    with pytest.raises(Full):
        await store.blobs.put("s1", random_bytes(16_000_000))
    with pytest.raises(Full):
        await opened.append([opened.entry(f"thing/{opened.seq}", random_bytes(50_000))])
    opened.seq -= 1
    assert await store.reader.entries(0, 0, 1_000) == kept

    ballast.unlink()
    entry = opened.entry("thing/after", random_bytes(50_000))
    await opened.append([entry])
    kept.append(entry)
    address, _ = await store.blobs.put("s1", b"fits")
    await opened.reopen()
    assert await opened.store.reader.entries(0, 0, 1_000) == kept
    assert await opened.store.blobs.get(address) == b"fits"
    await opened.close()


async def test_a_follower_works_again_when_there_is_space(small_disk: Path) -> None:
    opened = await Opened("sqlite", small_disk / "data").open()
    database = opened.store.follower("search")
    await database.write("CREATE TABLE filler (data BLOB)")
    ballast = small_disk / "ballast"

    async def fill() -> None:
        for _ in range(1_000):
            await database.write("INSERT INTO filler VALUES (?)", random_bytes(100_000))

    ballast.write_bytes(bytes(10_000_000))
    with pytest.raises(Full):
        await fill()
    ballast.unlink()
    await database.write("INSERT INTO filler VALUES (?)", random_bytes(100_000))
    await opened.close()
