"""A recording survives whoever is killed: in the media server's spool, and on its way from there to the blob store."""

from __future__ import annotations

import asyncio
import hashlib
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from guichet.events.media import RecordingFailed, RecordingKept
from tests.media.support.carrier import Carrier
from tests.media.support.child import Child, prepare
from tests.media.support.speaker import Studio
from tests.support.log import facts_of, opened
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

HERTZ = 400
SPOOLED = 64_000
"""Bytes a second while it goes on."""
PATIENCE = 30.0
"""Seconds: an encoder of the lowest priority waits for everything else on the machine."""


class Call:
    """Somebody who speaks in a room of a centre that can be killed."""

    def __init__(self, child: Child, endpoint: str) -> None:
        self.child = child
        self.endpoint = endpoint
        self.spool = child.folder / "data" / "media" / "spool"

    @classmethod
    @asynccontextmanager
    async def running(cls, folder: Path, program: Path, **settings: str) -> AsyncIterator[Call]:
        with Studio() as studio:
            async with Child.running(folder, program, **settings) as child:
                server: Any = SimpleNamespace(sip_port=child.sip_port)
                async with Carrier.running(folder, studio, server) as carrier:
                    await prepare(child, carrier)
                    _, endpoint = await child.call(carrier, HERTZ, "+33140000001")
                    yield cls(child, endpoint)

    async def is_recorded(self, on: bool) -> None:
        recording = {"id": "r1", "left": [self.endpoint], "right": []} if on else None
        await self.child.do(
            "set_rooms", rooms={"room": {"endpoints": [self.endpoint], "recording": recording}}
        )

    async def until_spooled(self, seconds: float) -> None:
        """So much of it is on the disk."""
        raw = self.spool / "r1.raw"
        await wait_until(
            lambda: raw.exists() and raw.stat().st_size >= seconds * SPOOLED, "it is recorded", PATIENCE
        )

    def spooled(self) -> set[str]:
        return {file.name for file in self.spool.iterdir()}

    async def kept_once(self) -> int:
        """Waits until it is, ends everything, and gives how long it is, in milliseconds."""

        async def kept() -> dict[str, Any] | None:
            return next(iter(await self.child.ask({"table": "recording"})), None)

        row = await wait_until(kept, "the recording is kept", PATIENCE)
        assert row["failed"] is None
        await wait_until(lambda: not self.spooled(), "the spool is empty")
        assert await self.child.endpoints() == {self.endpoint: "answered"}, "the call went on"
        await self.child.stop()
        files: Any = SimpleNamespace(data=self.child.folder / "data", environment=self.child.environment)
        async with opened(files) as store:
            facts = [f for f in await facts_of(store) if isinstance(f, RecordingKept | RecordingFailed)]
            assert [type(fact).__name__ for fact in facts] == ["RecordingKept"]
            blob = await store.blobs.get(row["blob"])
        assert blob is not None
        assert hashlib.sha256(blob).hexdigest() == row["sha256"]
        return int(row["millis"])


@pytest.mark.parametrize("media_too", [False, True], ids=["guichet", "both"])
async def test_it_was_killed_between_the_event_and_the_fact(
    tmp_path: Path, media_program: Path, database: str, media_too: bool
) -> None:
    dies = "store.blob.written=kill"
    async with Call.running(tmp_path, media_program, DATABASE_URL=database, FAULTS=dies) as call:
        await call.is_recorded(on=True)
        await call.until_spooled(1)
        await call.is_recorded(on=False)
        process = call.child.process
        assert process is not None
        with process:  # closes its pipes
            assert await asyncio.to_thread(process.wait, PATIENCE) == -signal.SIGKILL
        assert "r1.json" in call.spooled()
        if media_too:
            media = call.child.media()
            assert media is not None
            media.kill()
        del call.child.environment["GUICHET_FAULTS"]
        await call.child.start()
        assert await call.kept_once() >= 1_000


async def test_both_were_killed_while_it_was_recorded(tmp_path: Path, media_program: Path) -> None:
    async with Call.running(tmp_path, media_program, DATABASE_URL="sqlite") as call:
        await call.is_recorded(on=True)
        await call.until_spooled(1)
        media = call.child.media()
        assert media is not None
        await call.child.kill()
        media.kill()
        assert {"r1.json", "r1.raw"} <= call.spooled()
        await call.child.start()
        await call.until_spooled(2)
        await call.is_recorded(on=False)
        assert await call.kept_once() >= 2_000
