"""What the store's contract suite runs against: each engine in turn, empty."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.stores import Opened


@pytest.fixture
async def opened(engine_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opened]:
    """An open store of the engine in turn, led by a thread of its own."""
    url = "sqlite" if engine_kind == "sqlite" else str(request.getfixturevalue("postgres_url"))
    store = await Opened(url, tmp_path / "data").open()
    yield store
    await store.close()
