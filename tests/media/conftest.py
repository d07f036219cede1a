"""The media server's tests: its program, built once, and a house for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.media.support.house import House
from tests.media.support.server import media_server_program


@pytest.fixture(scope="session")
def media_program() -> Path:
    """The program as the sources are now; GUICHET_MEDIA_PROGRAM names another, for instance with the race detector."""
    return media_server_program()


@pytest_asyncio.fixture
async def house(media_program: Path, tmp_path: Path) -> AsyncIterator[House]:
    async with House.running(media_program, tmp_path) as running:
        yield running
