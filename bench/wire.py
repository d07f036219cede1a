"""A browser's side of a WebSocket, bare: the load generators must not be what is measured."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import cast

MASK = bytes(4)
"""A mask of zeros leaves a frame's text as it is."""


class Wire(asyncio.Protocol):
    """One socket; `hear` gets each text frame."""

    def __init__(self, head: bytes, hear: Callable[[bytes], None]) -> None:
        self._head = head
        self._hear = hear
        self._buffer = b""
        self._open = False
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost = False

    @classmethod
    async def dial(cls, port: int, path: str, hear: Callable[[bytes], None], cookie: str = "") -> Wire:
        """An open socket. Raises OSError."""
        host = f"127.0.0.1:{port}"
        head = (
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nConnection: Upgrade\r\n"
            f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nCookie: {cookie}\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(b'0123456789abcdef').decode()}\r\n\r\n"
        )
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(lambda: cls(head.encode(), hear), "127.0.0.1", port)
        await made.opened
        return made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._head)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if not self.opened.done():
            self.opened.set_exception(exc or ConnectionError("the socket was closed"))

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        if not self._open:
            head, found, buffer = buffer.partition(b"\r\n\r\n")
            if not found:
                self._buffer = head
                return
            self._open = True
            if b" 101 " in head.splitlines()[0]:
                self.opened.set_result(None)
            else:
                self.opened.set_exception(ConnectionError(head.decode(errors="replace")))
        at = 0
        while len(buffer) - at >= 2:
            length, start = buffer[at + 1], at + 2
            if length > 125:
                start += 2 if length == 126 else 8
                length = int.from_bytes(buffer[at + 2 : start], "big")
            if len(buffer) < start + length:
                break
            self._frame(buffer[at] & 15, buffer[start : start + length])
            at = start + length
        self._buffer = buffer[at:]

    def _frame(self, opcode: int, payload: bytes) -> None:
        if opcode == 1:
            self._hear(payload)
        elif opcode == 9:
            self._write(10, payload)

    def say(self, text: bytes) -> None:
        """Sends a text frame."""
        self._write(1, text)

    def _write(self, opcode: int, payload: bytes) -> None:
        length = len(payload)
        if length < 126:
            head = bytes((0x80 | opcode, 0x80 | length))
        else:
            head = bytes((0x80 | opcode, 0x80 | 126)) + length.to_bytes(2, "big")
        self._transport.write(head + MASK + payload)

    def close(self) -> None:
        self._transport.close()
