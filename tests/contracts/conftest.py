"""What contracts run against: an empty store on each engine in turn; a node linked to a media server without wires."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from guichet.kit.clock import SystemClock
from guichet.kit.tasks import Supervisor
from guichet.media.drivers.fake import FakeMedia
from guichet.server.checking import check_log
from guichet.server.settings import ProcessSettings
from tests.support.stores import Opened
from tests.support.voice import Voice
from tests.support.waiting import wait_until


@pytest.fixture
async def opened(engine_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opened]:
    """An open store of the engine in turn, led by a thread of its own."""
    url = "sqlite" if engine_kind == "sqlite" else str(request.getfixturevalue("postgres_url"))
    store = await Opened(url, tmp_path / "data").open()
    yield store
    await store.close()


@pytest.fixture
async def media() -> AsyncIterator[FakeMedia]:
    tasks = Supervisor()
    yield FakeMedia(SystemClock(), tasks)
    await tasks.close()


@pytest.fixture
def settings(tmp_path: Path, database: str) -> ProcessSettings:
    return ProcessSettings(data_dir=tmp_path, smtp_port=0, port=0, database_url=database)


@pytest.fixture
async def voice(settings: ProcessSettings, media: FakeMedia) -> AsyncIterator[Voice]:
    """With an organisation, a customer and a trunk that the media server knows; live equals log in the end."""
    async with Voice.running(settings, media) as running:
        await running.found()
        await wait_until(lambda: "org.carrier" in media.known_trunks, "the trunk is known")
        yield running
    assert not await check_log(settings, compare=True)
