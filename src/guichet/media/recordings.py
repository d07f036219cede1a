"""Finished recordings, taken over from the media server's spool into the blob store, under the customer's key.

The spool is the truth, and not the events, which only say that it is time to look: beside each recording lies a
sidecar (`<recording>.json`) that tells what it is, and both go once the log knows of it. So it makes no difference when
either side is killed. Whatever is slow here, a long file or a full disk, holds up no call.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Annotated, BinaryIO, NamedTuple

import msgspec
import structlog

from guichet.channels.base import Edge
from guichet.kit.errors import Refused
from guichet.kit.ids import Ident
from guichet.media.commands import KeepRecording, Natural, Word
from guichet.media.plane import Event
from guichet.media.tables import RECORDING, ROOM
from guichet.media.telling import PASSES, tell
from guichet.store.port import Row

CHUNK = 256 * 1024
AT_ONCE = 2
"""Recordings that are taken over side by side."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds after which a recording is tried again for which there was no room, doubled each time."""
SIDECAR, RAW, SOUND = ".json", ".raw", (".ogg", ".wav")
LOST = "lost"
"""Folder in the spool for what belongs to nobody."""
MOST_LOST = 200
"""Files that lie there at most; the oldest go."""

log = structlog.get_logger(__name__)


class Sidecar(msgspec.Struct, kw_only=True):
    """A recording that lies in `file`; or one of which there is nothing, for what `failed` says; or, with neither, one
    that is not finished."""

    recording: Ident
    room: Ident
    file: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._:~-]{0,128}\Z")] = ""
    sha256: Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{64})?\Z")] = ""
    millis: Natural = 0
    failed: Word = ""


class Odd(Exception):
    """A recording that nobody can keep: it is put aside for a person to look at."""


class Waiting(NamedTuple):
    """A recording that could not be taken over: `due` again (monotonic seconds) after a `pause`."""

    due: float
    pause: float
    why: str


class Recordings:
    """Those of one spool folder; nothing outside it is read. `run` works until cancelled."""

    def __init__(self, edge: Edge, spool: Path) -> None:
        self._edge = edge
        self._spool = spool
        self._news = asyncio.Event()
        self._news.set()
        self._waiting: dict[Path, Waiting] = {}

    def look(self) -> None:
        """There may be something in the spool. Never waits."""
        self._news.set()

    async def failed(self, event: Event) -> None:
        """A recording fails: reported like what happens to a call, as there is no file to wait for. What there is of
        it still comes to lie in the spool."""
        self.look()
        row = await self._edge.reader.row(ROOM, (event.room,))
        if row is None:
            log.warning("a recording failed in a room that nobody knows", recording=event.recording)
            return
        try:
            await self._submit(row, KeepRecording(
                room=event.room, recording=event.recording, failed=event.cause[:64] or "failed",
            ))  # fmt: skip
        except Refused as refused:
            log.warning("a recording's failure was refused", recording=event.recording, code=refused.code)

    async def run(self) -> None:
        """Takes over whatever is finished, each time there is news and when what waits is due."""
        while True:
            self._news.clear()
            found = iter(await asyncio.to_thread(self._sidecars))
            await asyncio.gather(*(self._take_all(found) for _ in range(AT_ONCE)))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._until_due()):
                    await self._news.wait()

    def _until_due(self) -> float | None:
        due = min((waiting.due for waiting in self._waiting.values()), default=None)
        return None if due is None else max(0.0, due - self._edge.clock.monotonic())

    async def _take_all(self, found: Iterator[Path]) -> None:
        for sidecar in found:
            waiting = self._waiting.get(sidecar)
            if waiting is not None and waiting.due > self._edge.clock.monotonic():
                continue
            try:
                await self._take(sidecar)
                self._waiting.pop(sidecar, None)
            except Refused as refused:
                self._wait(sidecar, refused.code)
            except OSError as error:
                self._wait(sidecar, error.strerror or type(error).__name__)
            except Exception:
                # One bad recording must not stop the others.
                log.exception("a recording cannot be taken over", recording=sidecar.stem)
                self._wait(sidecar, "defect")

    def _wait(self, sidecar: Path, why: str) -> None:
        """Loud for the first one that waits for this, silent for the others and for each further try."""
        if why not in {waiting.why for waiting in self._waiting.values()}:
            log.error("recordings wait in the spool: they cannot be taken over", why=why, first=sidecar.stem)
        before = self._waiting.get(sidecar)
        pause = min(before.pause * 2, LONGEST_WAIT) if before is not None else FIRST_WAIT
        self._waiting[sidecar] = Waiting(self._edge.clock.monotonic() + pause, pause, why)

    async def _take(self, sidecar: Path) -> None:
        """One recording, whole or not at all; what was kept before a crash is not kept again. Raises Refused and
        OSError for what may be better later."""
        try:
            found = await asyncio.to_thread(_read, sidecar)
            if found is None:
                return
            if await self._is_kept(found):
                log.info("a recording had been taken over before", recording=found.recording)
            else:
                await self._keep(found)
            await asyncio.to_thread(self._remove, found, sidecar)
        except Odd as odd:
            log.warning("a recording is put aside", why=str(odd), recording=sidecar.stem)
            await asyncio.to_thread(self._put_aside, sidecar)

    async def _is_kept(self, found: Sidecar) -> bool:
        row = await self._edge.reader.row(RECORDING, (found.recording,))
        if row is None or row["failed"] is not None:
            return False
        if found.sha256 not in ("", row["sha256"]):
            raise Odd("another recording has had its id")
        return True

    async def _keep(self, found: Sidecar) -> None:
        room = await self._edge.reader.row(ROOM, (found.room,))
        if room is None:
            raise Odd("nobody knows its room")
        file = self._spool / found.file
        failed = found.failed or await asyncio.to_thread(_fault, file, found.sha256)
        kept = KeepRecording(room=found.room, recording=found.recording, failed=failed)
        try:
            if not failed:
                async with contextlib.aclosing(_pieces(file)) as pieces:
                    blob, size = await self._edge.blobs.put(str(room["customer"]), pieces)
                kept = msgspec.structs.replace(
                    kept, blob=blob, sha256=found.sha256, size=size, millis=found.millis
                )
            await self._submit(room, kept)
        except Refused as refused:
            if refused.code == "customer.erased":  # and so is this
                return
            if refused.kind in PASSES:
                raise
            raise Odd(refused.code) from refused
        if failed and not found.failed:
            raise Odd(failed)

    async def _submit(self, room: Row, kept: KeepRecording) -> None:
        """Until the leader has taken it. Raises Refused."""
        key = f"recording/{kept.recording}/{'failed' if kept.failed else 'kept'}"
        await tell(self._edge, str(room["org"]), "keep_recording", key, kept)

    # -- the folder, in a thread ---------------------------------------------------------------------------

    def _sidecars(self) -> list[Path]:
        """Of what may be finished: nothing is being recorded there any more."""
        try:
            names = {entry.name for entry in os.scandir(self._spool)}
        except OSError as error:
            if not isinstance(error, FileNotFoundError):  # there never was a media server
                log.warning("the spool of recordings cannot be read", error=error.strerror)
            return []
        found = [
            self._spool / name
            for name in names
            if name.endswith(SIDECAR) and name.removesuffix(SIDECAR) + RAW not in names
        ]
        self._waiting = {sidecar: self._waiting[sidecar] for sidecar in found if sidecar in self._waiting}
        return found

    def _remove(self, found: Sidecar, sidecar: Path) -> None:
        """The sidecar last: without it nobody would know what the rest is."""
        if found.file:
            (self._spool / found.file).unlink(missing_ok=True)
        sidecar.unlink(missing_ok=True)

    def _put_aside(self, sidecar: Path) -> None:
        lost = self._spool / LOST
        lost.mkdir(mode=0o700, exist_ok=True)
        for file in (*(sidecar.with_name(sidecar.stem + suffix) for suffix in SOUND), sidecar):
            with contextlib.suppress(FileNotFoundError):
                file.replace(lost / file.name)
        for file in sorted(lost.iterdir(), key=lambda file: file.stat().st_mtime)[:-MOST_LOST]:
            file.unlink(missing_ok=True)


def _read(sidecar: Path) -> Sidecar | None:
    """None when it is not finished. Raises Odd, OSError."""
    try:
        found = msgspec.json.decode(sidecar.read_bytes(), type=Sidecar)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise Odd("its sidecar cannot be read") from error
    # Looked at again now that it is said to be finished: until the raw audio is gone the encoder may come back to it.
    raw = sidecar.with_name(sidecar.stem + RAW)
    return found if (found.sha256 or found.failed) and not raw.exists() else None


def _fault(file: Path, sha256: str) -> str:
    if not file.is_file():
        return "file_missing"
    with file.open("rb") as opened:
        return "" if hashlib.file_digest(opened, "sha256").hexdigest() == sha256 else "file_changed"


async def _pieces(file: Path) -> AsyncGenerator[bytes]:
    opened: BinaryIO = await asyncio.to_thread(file.open, "rb")
    try:
        while piece := await asyncio.to_thread(opened.read, CHUNK):
            yield piece
    finally:
        opened.close()
