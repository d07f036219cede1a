"""Days on which nothing is as it should be: each is said clearly, with what to do, and nothing acknowledged is lost."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pysqlite3 import dbapi2 as sqlite3

from tests.support.ledger import Ledger
from tests.support.log import facts_of, opened
from tests.support.mail_client import Sink
from tests.support.postgres import Cluster
from tests.support.serving import Serving, lasting_port
from tests.support.traffic import Traffic
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.fault, pytest.mark.slow]

PIECE = 64 * 1024


# -- a full disk ------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 megabytes."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount the small file system that this test fills")
    folder = tmp_path / "data"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"mounting is refused here: {mounted.stderr.strip()}")
    yield folder
    # Lazily: a test that failed half way may still hold files open.
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(ballast: Path) -> None:
    """Takes what space is left."""
    with ballast.open("ab", buffering=0) as file:
        for size in (PIECE, 1024):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass


async def test_a_full_disk_is_said_to_everybody_and_loses_nothing(small_disk: Path, tmp_path: Path) -> None:
    ledger, ballast = Ledger(), small_disk / "ballast"
    async with Sink.running() as sink, Serving.running(tmp_path, relay_port=sink.port) as serving:
        traffic = Traffic(serving, ledger, sink)
        await traffic.set_up()
        try:
            async with traffic.flowing():
                await wait_until(lambda: ledger.total > 100, "traffic", 30)
                fill(ballast)
                await _everybody_is_refused(traffic, {"store.full"}, lambda: fill(ballast))
                assert (await traffic.office.http.get("/api/conversations")).status_code == 200
                ballast.unlink()
                enough = ledger.total + 200
                await wait_until(lambda: ledger.total > enough, "traffic goes on", 60)
                await traffic.drain()
            for visitor in traffic.visitors:
                assert ledger.check_thread(visitor, await visitor.whole_thread()) == []
        finally:
            await traffic.close()
        assert await serving.stop() == 0
        await _log_agrees(serving, ledger)


async def _everybody_is_refused(traffic: Traffic, codes: set[str], again: Callable[[], None]) -> None:
    """The widget, the mail door, a desk's socket and HTTP each say no, and say why where they can."""
    letters = len(traffic.refused_letters())

    async def refused() -> bool:
        again()
        answer = await traffic.try_note()
        return (
            bool(codes & traffic.refused_words())
            and len(traffic.refused_letters()) > letters
            and bool(codes & traffic.refused_commands())
            and answer.status_code == 503
            and answer.json()["code"] in codes
        )

    await wait_until(refused, f"everybody is told {codes}", 60)
    assert set(traffic.refused_letters()) <= {451, 452}


async def _log_agrees(serving: Serving, ledger: Ledger) -> None:
    code, said = await serving.run("log", "replay", "--check")
    assert code == 0, said
    async with opened(serving) as store:
        assert ledger.check(await facts_of(store)) == []


# -- PostgreSQL goes and comes back -----------------------------------------------------------------


@pytest.mark.timeout(300)
async def test_postgres_dies_under_traffic_and_comes_back(tmp_path: Path) -> None:
    """First one of its processes is killed, which makes it end all of them; then it is gone for a while."""
    ledger = Ledger()
    with Cluster.running(fsync="on", full_page_writes="on") as cluster:
        url = cluster.url(cluster.create_database())
        async with Sink.running() as sink, Serving.running(tmp_path, url, relay_port=sink.port) as serving:
            traffic = Traffic(serving, ledger, sink)
            await traffic.set_up()
            try:
                async with traffic.flowing():
                    await _more(ledger)
                    sql = "SELECT pid FROM pg_stat_activity WHERE application_name = 'guichet' LIMIT 1"
                    os.kill(int(cluster.run_sql(sql)), signal.SIGKILL)
                    await _more(ledger)
                    cluster.stop()
                    await _everybody_is_refused(traffic, AWAY, lambda: None)
                    cluster.start_again()
                    await _more(ledger)
                    await traffic.drain()
                for visitor in traffic.visitors:
                    assert ledger.check_thread(visitor, await visitor.whole_thread()) == []
            finally:
                await traffic.close()
            assert await serving.stop() == 0
            assert serving.lives == 1
            await _log_agrees(serving, ledger)


AWAY = {"store.away", "leader.unavailable"}


async def _more(ledger: Ledger) -> None:
    enough = ledger.total + 150
    await wait_until(lambda: ledger.total > enough, "traffic", 60)


# -- what cannot be started says what to do ----------------------------------------------------------


async def _ends_saying(serving: Serving, *words: str) -> None:
    before = len(serving.log())
    serving.launch()
    assert await serving.ended() == 2, serving.log()
    said = serving.log()[before:]
    assert not any(line.startswith("Traceback") for line in said.splitlines()), said
    assert [word for word in words if word not in said.replace("\n", " ")] == [], said


async def test_a_port_in_use(tmp_path: Path) -> None:
    async with Serving.running(tmp_path) as serving:
        (tmp_path / "two").mkdir()
        second = Serving(tmp_path / "two")
        second.port = serving.port
        await _ends_saying(second, f"port {serving.port}", "--port")
        second.port = lasting_port()
        second.environment["GUICHET_SMTP_PORT"] = str(serving.smtp_port)
        await _ends_saying(second, f"port {serving.smtp_port}", "GUICHET_SMTP_PORT")


async def test_a_second_process_on_the_same_folder(tmp_path: Path) -> None:
    async with Serving.running(tmp_path) as serving:
        second = Serving(tmp_path)
        second.log_file = tmp_path / "second.log"
        await _ends_saying(second, "another Guichet runs on this folder", "stop it")
        assert (await serving.health())["leads"]


async def test_a_second_process_on_the_same_database(tmp_path: Path, postgres_url: str) -> None:
    """It waits, says so, and leads once the first one is gone, however that went."""
    async with Serving.running(tmp_path, postgres_url) as serving:
        second = Serving(tmp_path, postgres_url)
        second.log_file = tmp_path / "second.log"
        second.launch()
        try:
            await wait_until(lambda: "another Guichet leads" in second.log(), "it says that it waits", 30)
            assert (await serving.health())["leads"]
            assert await second.health() == {}
            await serving.kill()
            await wait_until(second.health, "it leads", 30)
        finally:
            second.end()


async def test_a_database_of_a_newer_version(tmp_path: Path) -> None:
    async with Serving.running(tmp_path) as serving:
        await serving.stop()
        with closing(sqlite3.connect(serving.data / "guichet.db")) as db:
            db.execute("PRAGMA user_version = 999")
        await _ends_saying(serving, "written by a newer Guichet", "install that version")
        code, said = await serving.run("log", "replay")
        assert (code, "Traceback" in said) == (2, False), said


async def test_a_newer_postgres_database(
    tmp_path: Path, postgres_url: str, postgres_cluster: Cluster
) -> None:
    async with Serving.running(tmp_path, postgres_url) as serving:
        await serving.stop()
        postgres_cluster.run_sql("INSERT INTO step (done) VALUES (999)", postgres_url.rpartition("/")[2])
        await _ends_saying(serving, "written by a newer Guichet", "install that version")


async def test_a_master_key_that_is_missing_or_another_one(tmp_path: Path) -> None:
    async with Serving.running(tmp_path) as serving:
        await serving.stop()
        key = serving.data / "master.key"
        right = key.read_text()
        key.unlink()
        await _ends_saying(serving, "master.key", "put", "back")
        assert not key.exists(), "a new key beside old data could end in the backup of the right one"
        key.write_text("00" * 32)
        key.chmod(0o600)
        await _ends_saying(serving, "put the right master key back")
        key.write_text(right)
        key.chmod(0o644)
        await _ends_saying(serving, "chmod 600")
        key.chmod(0o600)
        await serving.start()


async def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    serving = Serving(tmp_path, f"postgresql://guichet@127.0.0.1:{lasting_port()}/guichet")
    await _ends_saying(serving, "GUICHET_DATABASE_URL")
