"""Finished recordings, taken from the media server's spool into the blob store, under the customer's key."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

import structlog

from guichet.channels.base import Edge
from guichet.kit.errors import Refused
from guichet.leader.registry import Actor, Command
from guichet.media.commands import KeepRecording
from guichet.media.plane import Event
from guichet.media.tables import ROOM

CHUNK = 256 * 1024
PAUSE = 1.0
"""Seconds to wait for a disk that is full, a database that is away."""

log = structlog.get_logger(__name__)


class Recordings:
    """`spool`: the folder in which the media server leaves them; nothing outside it is read."""

    def __init__(self, edge: Edge, spool: Path) -> None:
        self._edge = edge
        self._spool = spool

    async def take(self, event: Event) -> None:
        """Keeps a recording, then deletes the plain file; says so when there is none. Waits while the disk is full:
        the file is still there."""
        row = await self._edge.reader.row(ROOM, (event.room,))
        if row is None:
            log.warning("a recording of a room that nobody knows", recording=event.recording)
            return
        org, customer = str(row["org"]), str(row["customer"])
        while True:
            try:
                await self._keep(event, org, customer)
                return
            except Refused as refused:
                if refused.kind != "unavailable":
                    log.warning("a recording was refused", code=refused.code, recording=event.recording)
                    return
                await asyncio.sleep(PAUSE)

    async def _keep(self, event: Event, org: str, customer: str) -> None:
        failed, blob, size = event.cause, "", 0
        file: Path | None = None
        if event.kind == "recording_ready":
            try:
                file = self._file(event)
                if file is None or not file.is_file():
                    failed = "file_missing"
                elif await asyncio.to_thread(_sha256, file) != event.sha256:
                    failed = "file_changed"
                else:
                    failed = ""
                    blob, size = await self._edge.blobs.put(customer, _pieces(file))
            except Refused:
                raise
            except OSError as error:  # of this file alone: it stays, and is told again some day
                log.warning("a recording cannot be read", recording=event.recording, error=error.strerror)
                failed = "file_unreadable"
        kept = KeepRecording(
            room=event.room, recording=event.recording, blob=blob, sha256=event.sha256 if blob else "", size=size,
            millis=event.millis if blob else 0, failed=(failed or "failed")[:64] if not blob else "",
        )  # fmt: skip
        key = f"recording/{event.recording}/{'kept' if blob else 'failed'}"
        await self._edge.submit(Command("keep_recording", key, Actor("system", "media", org), kept))
        if file is not None and blob:
            await asyncio.to_thread(file.unlink, missing_ok=True)

    def _file(self, event: Event) -> Path | None:
        file = (self._spool / event.path).resolve()
        return file if event.path and file.is_relative_to(self._spool.resolve()) else None


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


async def _pieces(file: Path) -> AsyncIterator[bytes]:
    opened: BinaryIO = await asyncio.to_thread(file.open, "rb")
    try:
        while piece := await asyncio.to_thread(opened.read, CHUNK):
            yield piece
    finally:
        opened.close()
