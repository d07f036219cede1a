"""The media server as a process beside Guichet: ended for good, found again, and never mistaken for another."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import psutil
import pytest

from guichet.channels.inbound import ask
from guichet.events.base import decode
from guichet.events.media import EndpointLeft
from guichet.kit.clock import SystemClock
from guichet.kit.ids import new_id
from guichet.kit.tasks import Supervisor
from guichet.leader.registry import Actor
from guichet.media import link
from guichet.media.drivers.fake import FakeMedia
from guichet.media.tables import ENDPOINT
from guichet.server.mediaserver import MediaProcess, Running
from guichet.server.node import Node
from guichet.server.settings import ProcessSettings
from tests.support.waiting import wait_until

pytestmark = pytest.mark.fault

WAITS = "import signal, sys; open(sys.argv[2] + '.up', 'w').close(); signal.pause()"
LINGERS = f"import signal, time; signal.signal(signal.SIGTERM, lambda *_: time.sleep(0.5)); {WAITS}"
"""As one that saves many calls before it ends."""


@pytest.fixture
def settings(tmp_path: Path) -> ProcessSettings:
    return built(tmp_path, WAITS)


def built(folder: Path, does: str) -> ProcessSettings:
    program = folder / "our-own-build"  # whoever builds it names it
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{does}" "$@"\n')
    program.chmod(0o755)
    return ProcessSettings(data_dir=folder / "data", media_server=str(program), smtp_port=0, port=0)


def said(settings: ProcessSettings) -> Running:
    return msgspec.json.decode((settings.data_dir / "media" / "running.json").read_bytes(), type=Running)


@asynccontextmanager
async def beside(settings: ProcessSettings) -> AsyncIterator[tuple[MediaProcess, asyncio.Task[None]]]:
    media = MediaProcess(settings, SystemClock())
    work = asyncio.create_task(media.run())
    try:
        await wait_until(media.alive, "it is started")
        up = settings.data_dir / "media" / "config.json.up"
        await wait_until(up.exists, "it runs")
        yield media, work
    finally:
        work.cancel()
        await asyncio.wait([work])


async def end(settings: ProcessSettings) -> None:
    pid = said(settings).pid
    if psutil.pid_exists(pid):
        os.kill(pid, signal.SIGKILL)
    await wait_until(lambda: not psutil.pid_exists(pid), "it is gone")


async def test_what_was_stopped_is_not_started_again(settings: ProcessSettings) -> None:
    async with beside(settings) as (media, work):
        media.stop()
        await asyncio.wait_for(asyncio.shield(work), 5)
    assert not psutil.pid_exists(said(settings).pid)


async def test_a_guichet_that_ends_waits_for_it(tmp_path: Path) -> None:
    """The next one must find its ports free, and may be started at once."""
    settings = built(tmp_path, LINGERS)
    node = await Node.open(settings)
    node.work()
    await wait_until((settings.data_dir / "media" / "config.json.up").exists, "it runs")
    await node.close()
    assert not psutil.pid_exists(said(settings).pid)


async def test_it_is_found_again_whatever_its_program_is_called(settings: ProcessSettings) -> None:
    async with beside(settings) as (first, _):
        before = said(settings)
    async with beside(settings) as (second, work):
        assert (said(settings), second.url, second.token) == (before, first.url, first.token)
        second.stop()
        await asyncio.wait_for(asyncio.shield(work), 5)
    await end(settings)


async def test_another_process_of_its_number_is_not_taken_for_it(settings: ProcessSettings) -> None:
    async with beside(settings) as (first, _):
        await end(settings)
    other = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import signal; signal.pause()",
        "guichet-media",
        "-config",
        "/elsewhere/config.json",
    )
    running = settings.data_dir / "media" / "running.json"
    running.write_bytes(msgspec.json.encode(Running(other.pid, said(settings).port, first.token)))
    try:
        async with beside(settings) as (second, work):
            assert said(settings).pid != other.pid
            assert second.url != first.url, "another program may have the port by now"
            second.stop()
            await asyncio.wait_for(asyncio.shield(work), 5)
        assert other.returncode is None
    finally:
        other.kill()
        await other.wait()


async def test_calls_of_a_run_before_are_lost_where_the_program_is_not_there_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upgrade without it, a build that fails: whoever routes must not wait for calls that nobody holds."""
    monkeypatch.setattr(link, "STARTING", 0.5)
    settings = ProcessSettings(data_dir=tmp_path / "data", media_server=str(tmp_path / "gone"), smtp_port=0)
    tasks = Supervisor()
    media = FakeMedia(SystemClock(), tasks)
    node = await Node.open(settings, plane=media)
    node.work()
    found = ask(
        "found_organisation", new_id(), Actor("system", "setup", "org"), organisation="org", name="Lune",
        administrator="admin", administrator_name="Anne Admin", email="admin@lune.example",
    )  # fmt: skip
    await node.submit(found)
    call = media.far_calls("org.carrier", "+33199000001", "+33199000000")
    await wait_until(lambda: node.store.reader.row(ENDPOINT, (call,)), "the call is known")
    await node.close()
    await tasks.close()

    node = await Node.open(settings)
    try:
        node.work()

        async def over() -> bool:
            return await node.store.reader.row(ENDPOINT, (call,)) is None

        await wait_until(over, "the call is over in the log")
        (last,) = [e for e in await node.store.reader.entries(0, 0, 1_000) if e.type == "endpoint.left"]
        fact = decode(last.type, last.type_version, last.data)
        assert isinstance(fact, EndpointLeft)
        assert (fact.who, fact.cause) in (("network", "media_lost"), ("network", "missed"))
        assert node.media is not None
        assert node.media.condition == "preparing", "who asks is told so, as before"
    finally:
        await node.close()
