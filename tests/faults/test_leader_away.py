"""Nobody leads for longer than any job is tried: what was to be written then is written afterwards."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from guichet.channels.webchat import presence
from guichet.store import jobs
from tests.support.centre import Centre
from tests.support.waiting import wait_until
from tests.support.widget_client import Visitor

pytestmark = pytest.mark.fault


async def test_a_visitor_who_left_meanwhile_has_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the agent keeps a place for somebody who is not there, until they close it by hand."""
    monkeypatch.setattr(presence, "GONE_AFTER", 200)
    monkeypatch.setattr(jobs, "MAX_ATTEMPTS", 2)
    monkeypatch.setattr(jobs, "FIRST_DELAY", 20)
    async with Centre.running(tmp_path) as centre:
        await centre.found()
        visitor = Visitor(f"http://127.0.0.1:{centre.port}", "shop", "ines")
        line = asyncio.create_task(visitor.run())
        await visitor.say("Allô ?")
        await visitor.settled()
        with capture_logs() as logged:
            centre.node.leading.ready.clear()  # as while it begins anew
            line.cancel()
            await asyncio.wait([line])
            tries = {"queue": presence.QUEUE, "attempts": 2}
            await wait_until(lambda: any(tries.items() <= said.items() for said in logged), "it was tried")
        centre.node.leading.ready.set()

        async def left() -> bool:
            return "conversation.left" in await centre.facts()

        await wait_until(left, "the visitor has left")
