"""A process with more to do than it can: visitors are asked to wait, everybody else gets through."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import websockets

from guichet.kit.clock import ManualClock, SystemClock
from guichet.kit.tasks import Supervisor
from guichet.server.leading import MAX_LAG, Lag
from tests.support.centre import Centre

pytestmark = pytest.mark.contract


async def looked_at(pauses: list[int], monkeypatch: pytest.MonkeyPatch) -> float:
    """What a lag says of a loop that was held up so many milliseconds at each look."""
    monkeypatch.setattr(Lag, "EVERY", 0.0)
    clock, supervisor = ManualClock(), Supervisor()
    lag = Lag(clock)
    supervisor.start("lag", lag.watch())
    await asyncio.sleep(0)
    for pause in pauses:
        clock.advance(pause)
        await asyncio.sleep(0)
    await supervisor.close()
    return lag.seconds


async def test_a_loop_that_is_late_again_and_again_has_a_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await looked_at([200, 300, 200], monkeypatch) == pytest.approx(0.2)


async def test_a_single_pause_is_no_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await looked_at([0, 2_000, 0, 0], monkeypatch) == 0


async def test_visitors_wait_and_agents_get_through(tmp_path: Path) -> None:
    async with Centre.running(tmp_path) as centre:
        await centre.found()
        leading = centre.node.leading
        token = (await centre.open_chat())["token"]
        url = f"ws://127.0.0.1:{centre.port}/api/webchat/shop/socket?token={token}"
        async with websockets.connect(url) as socket:
            leading.lag = Lag(SystemClock())  # nobody looks any more: it stays late
            leading.lag.seconds = 2 * MAX_LAG
            nack = await say(socket, "m1")
            assert nack["op"] == "nack"
            assert (nack["error"]["kind"], nack["error"]["code"]) == ("limited", "server.busy")
            assert "message.received" not in await centre.facts()
            await centre.available()
            leading.lag.seconds = 0.0
            assert (await say(socket, "m1"))["op"] == "ack"
        assert (await centre.facts()).count("message.received") == 1


async def say(socket: Any, ident: str) -> dict[str, Any]:
    """Says something; gives the answer to it."""
    await socket.send(json.dumps({"op": "say", "id": ident, "text": "Bonjour", "attachments": []}))
    async with asyncio.timeout(10):
        while True:
            frame: dict[str, Any] = json.loads(await socket.recv())
            if frame["op"] in ("ack", "nack"):
                return frame
