"""A finished recording is taken over once, whatever is slow or dies meanwhile, and no call waits for it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from guichet.events.base import Fact
from guichet.events.media import EndpointAnswered, EndpointLeft, RecordingFailed, RecordingKept
from guichet.kit import faults
from guichet.kit.errors import Refused
from guichet.kit.ids import random_bytes
from guichet.leader.loop import BEFORE_COMMIT
from guichet.media import recordings
from guichet.media.drivers.fake import FakeMedia
from guichet.media.tables import RECORDING
from guichet.server.settings import ProcessSettings
from guichet.store.points import BLOB_WRITTEN
from guichet.store.port import Row
from guichet.store.trouble import Full
from tests.support.log import facts_of
from tests.support.voice import CUSTOMER, Voice
from tests.support.waiting import wait_until

pytestmark = pytest.mark.contract

LONG = 200 * 1024 * 1024
"""Bytes: nine hours of a call at 48 kbit/s."""


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    folder = tmp_path / "media" / "spool"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
async def voice(voice: Voice) -> Voice:
    await voice.room()
    return voice


@contextmanager
def no_room(tries: list[str]) -> Iterator[None]:
    """The blob store has no room for anything, once it has all been written."""

    def refuse() -> None:
        tries.append("refused")
        faults.arm(BLOB_WRITTEN, refuse)
        raise Full

    faults.arm(BLOB_WRITTEN, refuse)
    try:
        yield
    finally:
        faults.disarm_all()


async def kept(voice: Voice, recording: str, within: float = 10.0) -> Row:
    async def row() -> Row | None:
        row = await voice.row(RECORDING, recording)
        return row if row is not None and row["failed"] is None else None

    return await wait_until(row, f"{recording} is kept", within)


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


async def until_empty(spool: Path) -> None:
    await wait_until(lambda: names(spool) <= {recordings.LOST}, "the spool is empty")


async def facts(voice: Voice, *kinds: type[Fact]) -> list[str]:
    return [type(fact).__name__ for fact in await facts_of(voice.node.store) if isinstance(fact, kinds)]


async def test_it_ends_in_the_blob_store_and_nowhere_else(voice: Voice, spool: Path) -> None:
    content = random_bytes(300_000)
    voice.media.records(spool, "room", "r1", content, 2_000)
    row = await kept(voice, "r1")
    assert (row["size"], row["millis"]) == (300_000, 2_000)
    assert await voice.node.store.blobs.get(str(row["blob"])) == content
    assert await voice.node.store.blobs.owner(str(row["blob"])) == CUSTOMER
    await until_empty(spool)


async def test_the_id_of_one_that_is_kept_is_its_own(voice: Voice, spool: Path) -> None:
    await voice.room()
    wanted = {"endpoints": ["a"], "recording": {"id": "r1", "left": ["a"], "right": []}}
    await voice.do("set_rooms", rooms={"room": wanted})
    await voice.do("set_rooms", rooms={"room": {"endpoints": ["a"]}})
    voice.media.records(spool, "room", "r1", b"OggS", 20)
    await wait_until(lambda: voice.row(RECORDING, "r1"), "it is kept")
    with pytest.raises(Refused) as refused:
        await voice.do("set_rooms", rooms={"room": wanted})
    assert refused.value.code == "recording.used"


@pytest.mark.timeout(300)
async def test_no_call_waits_for_a_long_recording_or_a_full_disk(voice: Voice, spool: Path) -> None:
    tries: list[str] = []
    with no_room(tries):
        voice.media.records(spool, "room", "long", bytes(LONG), 1)
        call = voice.media.far_calls("org.carrier", "+33611000000", "+33199000000")
        await voice.until_state(call, "offered")
        await voice.media.answer(call)
        await voice.until_state(call, "answered")
        await wait_until(lambda: tries, "all of it was written, and refused", 60)
        voice.media.far_hangs_up(call)
        await voice.until_state(call, "over")
        assert await voice.row(RECORDING, "long") is None
    row = await kept(voice, "long", 60)
    assert row["size"] == LONG
    await until_empty(spool)
    kinds = (EndpointAnswered, EndpointLeft, RecordingKept)
    assert await facts(voice, *kinds) == ["EndpointAnswered", "EndpointLeft", "RecordingKept"]
    await voice.node.store.blobs.erase(CUSTOMER)  # it is large


async def test_a_full_disk_is_said_once_and_tried_again_ever_more_rarely(
    voice: Voice, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "FIRST_WAIT", 0.02)
    tries: list[str] = []
    with capture_logs() as logs, no_room(tries):
        for name in ("r1", "r2", "r3"):
            voice.media.records(spool, "room", name, b"OggS", 1)
        await wait_until(lambda: len(tries) > 9, "they were tried again and again")
    assert [entry["why"] for entry in logs if entry["event"].startswith("recordings wait")] == ["store.full"]
    assert {await voice.row(RECORDING, name) for name in ("r1", "r2", "r3")} == {None}
    for name in ("r1", "r2", "r3"):
        await kept(voice, name)
    assert await facts(voice, RecordingKept) == ["RecordingKept"] * 3
    await until_empty(spool)


@contextmanager
def disk(folder: Path, size: str) -> Iterator[Callable[[str], None]]:
    """A small file system; gives what makes it larger."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system; the test before this one needs none")
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if (done := subprocess.run(mount, capture_output=True, text=True, check=False)).returncode:
        pytest.skip(f"mounting is refused here: {done.stderr.strip()}")

    def grow(size: str) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)

    try:
        yield grow
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def test_what_finds_room_is_not_held_up_by_what_does_not(
    tmp_path: Path, media: FakeMedia, spool: Path
) -> None:
    with disk(tmp_path / "blobs", "8m") as grow:
        async with Voice.running(ProcessSettings(data_dir=tmp_path, smtp_port=0, port=0), media) as voice:
            await voice.found()
            await voice.room()
            for name in ("a", "b", "c"):
                media.records(spool, "room", f"{name}-large", random_bytes(16_000_000), 1)
            media.records(spool, "room", "small", b"OggS", 1)
            await kept(voice, "small")
            assert await facts(voice, RecordingKept) == ["RecordingKept"]
            grow("64m")
            for name in ("a", "b", "c"):
                await kept(voice, f"{name}-large", 30)
            await until_empty(spool)


async def test_what_was_finished_while_guichet_was_away_is_taken_over(
    settings: ProcessSettings, media: FakeMedia, spool: Path
) -> None:
    """It was killed before it heard of one, and the media server, which knows nothing of it any more, after that."""
    async with Voice.running(settings, media) as voice:
        await voice.found()
        await voice.room()
    media.records(spool, "room", "r1", b"OggS", 1)
    media.restarts()
    async with Voice.running(settings, media) as voice:
        await kept(voice, "r1")
        media.goes()
        media.records(spool, "room", "r2", b"OggS", 1)
        media.comes_back()
        await kept(voice, "r2")
        await until_empty(spool)


async def test_what_was_kept_before_a_crash_is_not_kept_again(
    settings: ProcessSettings, media: FakeMedia, spool: Path
) -> None:
    async with Voice.running(settings, media) as voice:
        await voice.found()
        await voice.room()
        for name in ("r1", "r2"):
            media.records(spool, "room", name, name.encode(), 1)
        rows = [await kept(voice, name) for name in ("r1", "r2")]
        await until_empty(spool)
    media.records(spool, "room", "r1", b"r1", 1)  # as if it had died before it deleted anything,
    media.records(spool, "room", "r2", b"r2", 1)
    (spool / "r2.ogg").unlink()  # and in the middle of that
    async with Voice.running(settings, media) as voice:
        await until_empty(spool)
        assert [await kept(voice, name) for name in ("r1", "r2")] == rows
        assert await facts(voice, RecordingKept, RecordingFailed) == ["RecordingKept"] * 2
    assert not (spool / recordings.LOST).exists()


async def test_one_that_is_not_finished_is_left_alone(voice: Voice, spool: Path) -> None:
    (spool / "on.json").write_text('{"recording": "on", "room": "room"}')
    (spool / "on.raw").write_bytes(b"sound")
    (spool / "r1.raw").write_bytes(b"its encoder may come back to it")
    voice.media.records(spool, "room", "r1", b"OggS", 1)
    voice.media.records(spool, "room", "r2", b"OggS", 1)
    await kept(voice, "r2")
    await wait_until(lambda: not (spool / "r2.json").exists(), "it is over with the other")
    assert names(spool) == {"on.json", "on.raw", "r1.json", "r1.ogg", "r1.raw"}
    (spool / "r1.raw").unlink()
    voice.media.records(spool, "room", "r3", b"OggS", 1)
    await kept(voice, "r1")


async def test_what_there_is_of_a_failed_recording_is_kept(voice: Voice, spool: Path) -> None:
    for _ in range(2):
        voice.media.loses("room", "r1", "disk_full")
    row = await wait_until(lambda: voice.row(RECORDING, "r1"), "the failure is known")
    assert row["failed"] == "disk_full"
    voice.media.records(spool, "room", "r1", b"half", 20)
    await kept(voice, "r1")
    assert await facts(voice, RecordingKept, RecordingFailed) == ["RecordingFailed", "RecordingKept"]


async def test_one_of_which_there_is_nothing_has_failed(voice: Voice, spool: Path) -> None:
    (spool / "r1.json").write_text('{"recording": "r1", "room": "room", "failed": "empty"}')
    voice.media.loses("room", "r1", "empty")
    row = await wait_until(lambda: voice.row(RECORDING, "r1"), "the failure is known")
    assert row["failed"] == "empty"
    await until_empty(spool)
    assert await facts(voice, RecordingFailed) == ["RecordingFailed"]


async def test_what_cannot_be_kept_is_put_aside(
    voice: Voice, spool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "outside.ogg").write_bytes(b"secret")
    sha256 = "0" * 64
    odd = {
        "outside": f'{{"recording": "outside", "room": "room", "file": "../outside.ogg", "sha256": "{sha256}"}}',
        "words": "this is no document",
        "missing": f'{{"recording": "missing", "room": "room", "file": "missing.ogg", "sha256": "{sha256}"}}',
        "changed": f'{{"recording": "changed", "room": "room", "file": "changed.ogg", "sha256": "{sha256}"}}',
    }
    (spool / "changed.ogg").write_bytes(b"another")
    for name, sidecar in odd.items():
        (spool / f"{name}.json").write_text(sidecar)
    voice.media.records(spool, "strange", "nobodys", b"OggS", 1)
    voice.media.records(spool, "room", "r1", b"OggS", 1)
    await kept(voice, "r1")
    await until_empty(spool)
    for name, cause in (("missing", "file_missing"), ("changed", "file_changed")):
        row = await voice.row(RECORDING, name)
        assert row is not None
        assert row["failed"] == cause
    kinds = ["RecordingFailed", "RecordingFailed", "RecordingKept"]
    assert sorted(await facts(voice, RecordingKept, RecordingFailed)) == kinds
    lost = spool / recordings.LOST
    aside = {*(f"{name}.json" for name in (*odd, "nobodys")), "changed.ogg", "nobodys.ogg"}
    assert names(lost) == aside
    assert (tmp_path / "outside.ogg").read_bytes() == b"secret"

    monkeypatch.setattr(recordings, "MOST_LOST", 2)
    voice.media.records(spool, "room", "r1", b"another one of this name", 1)
    await until_empty(spool)
    assert names(lost) == {"r1.json", "r1.ogg"}


async def test_an_erased_customers_is_deleted(voice: Voice, spool: Path) -> None:
    await voice.erased()
    voice.media.records(spool, "room", "r1", b"OggS", 1)
    await wait_until(lambda: not (spool / "r1.json").exists(), "it is gone")
    assert names(spool) == set()
    assert await facts(voice, RecordingKept, RecordingFailed) == []


async def test_a_leader_that_refuses_gets_it_again_and_the_blob_store_does_not(
    voice: Voice, spool: Path
) -> None:
    puts: list[str] = []

    def count() -> None:
        puts.append("written")
        faults.arm(BLOB_WRITTEN, count)

    faults.arm(BLOB_WRITTEN, count)
    faults.arm(BEFORE_COMMIT, "full")
    try:
        voice.media.records(spool, "room", "r1", b"OggS", 1)
        await kept(voice, "r1")
    finally:
        faults.disarm_all()
    assert puts == ["written"]
