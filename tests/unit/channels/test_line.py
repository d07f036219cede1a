"""Frames on their way to a browser: in order, bounded, and never waited for."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from starlette.websockets import WebSocket

from guichet.channels.webchat.socket import MAX_LINE, Line
from tests.support.waiting import wait_until

pytestmark = pytest.mark.unit


def socket_that(send: Any) -> WebSocket:
    """A socket at the server's own interface (ASGI): `send` is what the server does with a frame."""

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    return WebSocket(cast("Any", {"type": "websocket", "path": "/", "headers": []}), receive, send)


async def test_frames_leave_in_order() -> None:
    sent: list[str] = []

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "websocket.send":
            sent.append(message["text"])

    socket = socket_that(send)
    await socket.accept()
    line = Line(socket)
    pump = asyncio.ensure_future(line.pump())
    for i in range(3):
        line.say(str(i))
    await wait_until(lambda: len(sent) == 3, "three frames")
    pump.cancel()
    assert sent == ["0", "1", "2"]


async def test_a_browser_that_does_not_read_is_dropped() -> None:
    never = asyncio.Event()

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "websocket.send":
            await never.wait()

    async def talk() -> int:
        socket = socket_that(send)
        await socket.accept()
        line = Line(socket)
        pump = asyncio.ensure_future(line.pump())
        said = 0
        try:
            while said < 10 * MAX_LINE:
                line.say("x" * 100)
                said += 1
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            assert line.slow
            return said
        finally:
            pump.cancel()
        return said

    said = await asyncio.ensure_future(talk())
    assert said <= MAX_LINE + 5
