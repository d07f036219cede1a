"""Audio of the media server without wires: queues of 20 ms, mixed as the matrix says."""

from __future__ import annotations

import asyncio
from collections import deque

import numpy as np

from guichet.media.plane import FRAME_BYTES

QUEUED = 100
"""Frames that a socket may be ahead, and that one who does not listen keeps."""
SILENCE = bytes(FRAME_BYTES)


class FakeAudio:
    """`AudioSocket` of the fake."""

    def __init__(self) -> None:
        self._out: deque[bytes] = deque(maxlen=QUEUED)
        self._in: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def say(self, frame: bytes) -> None:
        self._out.extend(frame[at : at + FRAME_BYTES] for at in range(0, len(frame), FRAME_BYTES))

    async def clear(self) -> None:
        self._out.clear()

    async def hear(self) -> bytes:
        frame = await self._in.get()
        if frame is None:
            self._in.put_nowait(None)
            raise EOFError
        return frame

    def next(self) -> bytes:
        return self._out.popleft() if self._out else SILENCE

    def give(self, frame: bytes) -> None:
        if self._in.qsize() >= QUEUED:
            self._in.get_nowait()
        self._in.put_nowait(frame)

    def over(self) -> None:
        self._in.put_nowait(None)


def mix(frames: list[bytes]) -> bytes:
    if not frames:
        return SILENCE
    total = sum(np.frombuffer(frame, "<i2").astype(np.int32) for frame in frames)
    return np.clip(total, -32_768, 32_767).astype("<i2").tobytes()
