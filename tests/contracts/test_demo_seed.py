"""The demonstration's first start, on both engines: all of the month is there, it equals its log, and only once."""

from __future__ import annotations

from pathlib import Path

import pytest

from guichet.kit.clock import SystemClock
from guichet.server.checking import check_log
from guichet.server.demo import Demo
from guichet.server.settings import ProcessSettings

pytestmark = pytest.mark.contract


async def test_fills_an_empty_installation_once(database: str, tmp_path: Path) -> None:
    settings = ProcessSettings(data_dir=tmp_path, database_url=database, smtp_port=0)
    steps: list[str] = []
    for first in (True, False):
        demo = Demo(settings, SystemClock(), lambda: ("127.0.0.1", 0))
        try:
            assert await demo.open(steps.append) is first
        finally:
            await demo.close()
    assert len(steps) == 2
    assert not await check_log(settings, compare=True)
