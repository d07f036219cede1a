"""Keys, sealing and blobs on both engines: what is encrypted, what erasure leaves (nothing)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from guichet.kit import faults
from guichet.kit.errors import Refused
from guichet.kit.ids import random_bytes
from guichet.store import engines
from guichet.store.blobs import CHUNK
from guichet.store.ciphers import Damaged
from guichet.store.keys import Keys
from guichet.store.points import BLOB_WRITTEN, KEYS_WRITTEN
from guichet.store.port import Full
from guichet.store.sealing import NoKey
from tests.support.stores import Opened

pytestmark = pytest.mark.contract


# -- keys -------------------------------------------------------------------------------------------


async def test_a_key_is_made_once_and_outlives_the_process(opened: Opened) -> None:
    keys = opened.store.keys
    await asyncio.gather(*(keys.ensure("s1") for _ in range(8)))
    await keys.ensure("s2")
    made = await keys.get(["s1", "s2", "unknown"])
    assert set(made) == {"s1", "s2"}
    assert {len(key) for key in made.values()} == {32}
    assert made["s1"] != made["s2"]
    await opened.reopen()
    assert opened.store.keys.cached("s1") is None
    await opened.store.keys.ensure("s1")
    assert await opened.store.keys.get(["s1", "s2"]) == made
    assert await opened.leading(opened.store.keys.get(["s2"])) == {"s2": made["s2"]}


async def test_many_keys_are_read_at_once(opened: Opened) -> None:
    for n in range(40):
        await opened.store.keys.ensure(f"s{n}")
    await opened.reopen()
    wanted = [f"s{n}" for n in range(1_200)]
    assert len(await opened.store.keys.get(wanted)) == 40


async def test_a_destroyed_key_never_comes_back(opened: Opened) -> None:
    keys = opened.store.keys
    await keys.ensure("s1")
    await keys.destroy("s1")
    await keys.destroy("s1")
    await keys.destroy("never made")
    for _ in range(2):
        assert await opened.store.keys.get(["s1", "never made"]) == {}
        assert opened.store.keys.cached("s1") is None
        for subject in ("s1", "never made"):
            with pytest.raises(Refused, match=r"customer\.erased"):
                await opened.store.keys.ensure(subject)
        await opened.reopen()


async def test_nothing_of_a_destroyed_key_is_left_on_disk(opened: Opened) -> None:
    if opened.url != "sqlite":
        pytest.skip("PostgreSQL's own files are its operator's; the row itself is tested above")
    await opened.store.keys.ensure("s0")
    await opened.store.keys.ensure("s1")
    (row,) = await _wrapped(opened, "s1")
    assert row in _bytes(opened.folder)
    await opened.store.keys.destroy("s1")
    assert row not in _bytes(opened.folder)
    assert len(await opened.store.keys.get(["s0"])) == 1


async def _wrapped(opened: Opened, subject: str) -> list[bytes]:
    keys = opened.store.keys
    assert isinstance(keys, Keys)
    found = await keys._side.read("SELECT wrapped FROM subject_key WHERE subject = ?", subject)
    return [row[0] for row in found]


def _bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


async def test_a_key_that_was_written_but_not_acknowledged(opened: Opened) -> None:
    faults.arm(KEYS_WRITTEN, "raise")
    with pytest.raises(OSError, match="fault point"):
        await opened.store.keys.ensure("s1")
    await opened.store.keys.ensure("s1")
    assert set(await opened.store.keys.get(["s1"])) == {"s1"}


async def test_another_master_key_is_refused(opened: Opened) -> None:
    await opened.store.keys.ensure("s1")
    if opened.url == "sqlite":
        await opened.close()
    with pytest.raises(Refused, match="master_key"):
        await engines.open_store(
            opened.url, opened.folder, asyncio.get_running_loop(), opened.clock, b"x" * 32
        )
    if opened.url == "sqlite":
        await opened.open()


# -- sealing ----------------------------------------------------------------------------------------


async def test_personal_fields_are_sealed_for_their_place_and_open_again(opened: Opened) -> None:
    keys, sealer = opened.store.keys, opened.store.sealer
    await keys.ensure("s1")
    entry = opened.entry("thing/1", subject="s1")
    entry.sealed = sealer.seal(entry, b'{"text":"d\xc3\xa9j\xc3\xa0"}')
    assert b"text" not in entry.sealed
    assert entry.sealed != sealer.seal(entry, b'{"text":"d\xc3\xa9j\xc3\xa0"}')
    bare = opened.entry("thing/2", subject="s1")
    await opened.append([entry, bare])
    await opened.reopen()
    stored = await opened.store.reader.entries(0, 0, 10)
    fresh = opened.store.sealer
    assert fresh.unseal(stored[0]) is None  # its key was not loaded
    await fresh.load_keys(["s1"])
    assert fresh.unseal(stored[0]) == b'{"text":"d\xc3\xa9j\xc3\xa0"}'
    assert fresh.unseal(stored[1]) is None
    opened_now = await opened.leading(fresh.open_many(stored))
    assert opened_now == [(stored[0], b'{"text":"d\xc3\xa9j\xc3\xa0"}'), (stored[1], None)]


@pytest.mark.parametrize("field", ["org", "stream", "version", "type"])
async def test_a_sealed_field_opens_nowhere_else(opened: Opened, field: str) -> None:
    await opened.store.keys.ensure("s1")
    sealer, entry = opened.store.sealer, opened.entry(subject="s1")
    entry.sealed = sealer.seal(entry, b"secret")
    setattr(entry, field, 77 if field == "version" else "moved")
    with pytest.raises(Damaged):
        sealer.unseal(entry)
    with pytest.raises(Damaged):
        await sealer.open_many([entry])


async def test_without_a_key_nothing_is_sealed_and_nothing_opens(opened: Opened) -> None:
    keys, sealer = opened.store.keys, opened.store.sealer
    await keys.ensure("s1")
    entry = opened.entry(subject="s1")
    entry.sealed = sealer.seal(entry, b"secret")
    await keys.destroy("s1")
    await sealer.load_keys(["s1"])
    assert sealer.unseal(entry) is None
    assert await sealer.open_many([entry]) == [(entry, None)]
    for subject in ("s1", "s2", None):
        with pytest.raises(NoKey):
            sealer.seal(opened.entry(subject=subject), b"secret")


# -- blobs ------------------------------------------------------------------------------------------


@pytest.fixture
async def keyed(opened: Opened) -> Opened:
    await opened.store.keys.ensure("s1")
    await opened.store.keys.ensure("s2")
    return opened


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
async def test_a_blob_comes_back(keyed: Opened, size: int) -> None:
    content = random_bytes(size)
    address, told = await keyed.store.blobs.put("s1", content)
    assert told == size
    await keyed.reopen()
    assert await keyed.store.blobs.get(address) == content


async def test_the_same_words_have_different_addresses(keyed: Opened) -> None:
    blobs = keyed.store.blobs
    addresses = {(await blobs.put(subject, b"same"))[0] for subject in ("s1", "s1", "s2")}
    assert len(addresses) == 3
    assert {len(address) for address in addresses} == {64}


async def test_twenty_five_megabytes_stream_in_pieces(keyed: Opened) -> None:
    pieces = [random_bytes(250_000 + n) for n in range(100)]

    async def arriving() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    address, size = await keyed.store.blobs.put("s1", arriving())
    assert size == sum(map(len, pieces))
    assert await keyed.store.blobs.get(address) == b"".join(pieces)


async def test_an_upload_that_breaks_off_leaves_nothing(keyed: Opened) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield random_bytes(CHUNK * 2)
        raise ConnectionError("gone")

    before = sorted(keyed.folder.rglob("*"))
    with pytest.raises(ConnectionError):
        await keyed.store.blobs.put("s1", broken())
    assert sorted(keyed.folder.rglob("*")) == before


async def test_a_full_disk_refuses_a_blob(keyed: Opened) -> None:
    faults.arm(BLOB_WRITTEN, "full")
    with pytest.raises(Full):
        await keyed.store.blobs.put("s1", b"content")
    assert await _ciphertexts(keyed) == 0, "what was refused takes no room"
    address, _ = await keyed.store.blobs.put("s1", b"content")
    assert await keyed.store.blobs.get(address) == b"content"
    assert await _ciphertexts(keyed) == 1


async def _ciphertexts(keyed: Opened) -> int:
    if keyed.url == "sqlite":
        return sum(path.is_file() for path in (keyed.folder / "blobs").rglob("*"))
    connection = await asyncpg.connect(keyed.url)
    try:
        return int(await connection.fetchval("SELECT count(DISTINCT address) FROM blob_chunk"))
    finally:
        await connection.close()


async def test_blobs_go_with_their_customer(keyed: Opened) -> None:
    blobs = keyed.store.blobs
    mine = [(await blobs.put("s1", random_bytes(CHUNK + n)))[0] for n in range(3)]
    other, _ = await blobs.put("s2", b"stays")
    await keyed.store.keys.destroy("s1")
    assert [await blobs.get(address) for address in mine] == [None] * 3
    await blobs.erase("s1")
    await blobs.erase("s1")
    assert [await blobs.get(address) for address in mine] == [None] * 3
    assert await blobs.get(other) == b"stays"
    if keyed.url == "sqlite":
        assert len([path for path in (keyed.folder / "blobs").rglob("*") if path.is_file()]) == 1
    with pytest.raises(Refused, match=r"customer\.erased"):
        await blobs.put("s1", b"late")
    assert await blobs.get("0" * 64) is None
    assert await blobs.get("../../etc/passwd") is None


@pytest.mark.parametrize("change", ["flip", "cut", "swap", "lose"])
async def test_a_damaged_blob_is_never_handed_out(keyed: Opened, change: str) -> None:
    address, _ = await keyed.store.blobs.put("s1", random_bytes(3 * CHUNK))
    if keyed.url == "sqlite":
        path = keyed.folder / "blobs" / address[:2] / address[2:]
        stored, frame = path.read_bytes(), CHUNK + 16
        head, frames = stored[:11], [stored[11 + n * frame : 11 + (n + 1) * frame] for n in range(3)]
        path.write_bytes(head + b"".join(_changed(frames, change)))
    else:
        connection = await asyncpg.connect(keyed.url)
        rows = await connection.fetch(
            "SELECT data FROM blob_chunk WHERE address = $1 AND n > 0 ORDER BY n", address
        )
        await connection.execute("DELETE FROM blob_chunk WHERE address = $1 AND n > 0", address)
        for n, data in enumerate(_changed([row["data"] for row in rows], change), 1):
            await connection.execute("INSERT INTO blob_chunk VALUES ($1, $2, $3)", address, n, data)
        await connection.close()
    with pytest.raises(Damaged):
        await keyed.store.blobs.get(address)


def _changed(frames: list[bytes], change: str) -> Iterator[bytes]:
    if change == "flip":
        yield from (frames[0], bytes([frames[1][0] ^ 1]) + frames[1][1:], frames[2])
    elif change == "cut":
        yield from frames[:2]
    elif change == "swap":
        yield from (frames[1], frames[0], frames[2])
    # "lose": nothing at all
