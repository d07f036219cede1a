"""Opening a store: who may, who must wait, what is refused with words."""

from __future__ import annotations

import asyncio
import contextlib
import stat
from pathlib import Path

import asyncpg
import pytest
from pysqlite3 import dbapi2 as sqlite3

from guichet.kit.clock import ManualClock
from guichet.kit.errors import Refused
from guichet.store.engines import open_store
from guichet.store.port import Away, Conflict, Entry, Fenced, NewerDatabase
from guichet.store.vault import master_key
from tests.support.stores import MASTER_KEY, Opened
from tests.support.waiting import wait_until

pytestmark = pytest.mark.contract


async def test_a_folder_serves_one_process(tmp_path: Path) -> None:
    first = await Opened("sqlite", tmp_path / "data").open()
    with pytest.raises(Refused, match=r"store\.in_use: another Guichet runs on this folder"):
        await Opened("sqlite", tmp_path / "data").open()
    await first.append([first.entry()])
    await first.close()
    again = await Opened("sqlite", tmp_path / "data").open()
    assert await again.store.reader.last(0) == (1, again.clock.now())
    await again.close()


async def test_files_are_their_owners_alone(tmp_path: Path) -> None:
    opened = await Opened("sqlite", tmp_path / "data").open()
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    await opened.close()


async def test_a_newer_database_is_left_alone(opened: Opened) -> None:
    await opened.append([opened.entry()])
    await opened.close()
    if opened.url == "sqlite":
        with sqlite3.connect(opened.folder / "guichet.db") as db:
            db.execute("PRAGMA user_version = 999")
        db.close()
    else:
        connection = await asyncpg.connect(opened.url)
        await connection.execute("INSERT INTO step VALUES (999)")
        await connection.close()
    with pytest.raises(NewerDatabase, match="newer Guichet"):
        await opened.open()
    if opened.url == "sqlite":
        with sqlite3.connect(opened.folder / "guichet.db") as db:
            db.execute("PRAGMA user_version = 1")
        db.close()
    else:
        connection = await asyncpg.connect(opened.url)
        await connection.execute("DELETE FROM step WHERE done = 999")
        await connection.close()
    await opened.open()
    assert len(await opened.store.reader.entries(0, 0, 10)) == 1


@pytest.mark.parametrize("url", ["", "mysql://host/db", "sqlite:///file", "guichet.db"])
async def test_an_unknown_url_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(Refused, match=r"store\.url"):
        await open_store(url, tmp_path, asyncio.get_running_loop(), ManualClock(), MASTER_KEY)


async def test_the_leaders_loop_may_be_the_web_loop(
    engine_kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """One loop for both: what a small tool does (`guichet log`)."""
    url = "sqlite" if engine_kind == "sqlite" else str(request.getfixturevalue("postgres_url"))
    clock = ManualClock()
    store = await open_store(url, tmp_path, asyncio.get_running_loop(), clock, MASTER_KEY)
    assert await store.writer.lead(0) == 1
    token = await store.sessions.create("agent", "org", "agent:1", clock.now() + 1)
    assert await store.sessions.find("agent", token) is not None
    await store.close()


async def test_a_second_leader_waits_and_the_first_is_fenced(postgres_url: str, tmp_path: Path) -> None:
    """The stand-by gets the shard when the first leader's lock connection breaks, and not before."""
    first = await Opened(postgres_url, tmp_path / "one").open()
    await first.append([first.entry()])
    second = Opened(postgres_url, tmp_path / "two")
    standing_by = asyncio.ensure_future(second.open())
    done, _ = await asyncio.wait([standing_by], timeout=0.3)
    assert not done
    await first.append([first.entry()])

    killer = await asyncpg.connect(postgres_url)
    locks = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid()"
    assert await killer.fetchval(f"SELECT count(pg_terminate_backend(pid)) FROM ({locks}) AS holders") == 1
    await killer.close()

    await asyncio.wait_for(standing_by, 10)
    assert second.epoch == first.epoch + 1
    late = first.entry()
    with pytest.raises(Fenced):
        await first.append([late])
    second.seq = 2
    await second.append([second.entry("thing/2")])
    assert [entry.stream for entry in await second.store.reader.entries(0, 0, 10)] == [
        "thing/1",
        "thing/1",
        "thing/2",
    ]
    await first.close()
    await second.close()


async def test_a_broken_connection_fails_one_batch_and_no_more(postgres_url: str, tmp_path: Path) -> None:
    opened = await Opened(postgres_url, tmp_path).open()
    entry = opened.entry()
    killer = await asyncpg.connect(postgres_url)
    await killer.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid()"
    )
    await killer.close()
    with contextlib.suppress(OSError):  # unless it was noticed before
        await opened.append([entry])
    with contextlib.suppress(Conflict):
        await opened.append([entry])

    async def kept() -> list[Entry]:
        with contextlib.suppress(Away):  # likewise, on the connections that read
            return await opened.store.reader.entries(0, 0, 10)
        return []

    assert await wait_until(kept, "the log is read again") == [entry]
    await opened.append([opened.entry()])
    await opened.close()


def test_the_master_key_is_made_once_and_kept_private(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    key = master_key(path)
    assert len(key) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert master_key(path) == key
    path.chmod(0o644)
    with pytest.raises(Refused, match=r"master_key_open.*chmod 600"):
        master_key(path)
    path.chmod(0o600)
    path.write_text("not a key")
    with pytest.raises(Refused, match="master_key_damaged"):
        master_key(path)
