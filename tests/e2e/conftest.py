"""Fixtures of the end-to-end tests: one browser, and a demonstration on each engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.browser import browser as browser
from tests.e2e.demonstration import Demonstration


@pytest.fixture
async def demo(tmp_path: Path, database: str) -> AsyncIterator[Demonstration]:
    """`guichet serve --demo` of the test's own, on the engine in turn."""
    async with Demonstration.running(tmp_path, database) as serving:
        yield serving
