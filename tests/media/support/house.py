"""A server with one carrier, and the steps most tests begin with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.media.support.carrier import Carrier, Phone
from tests.media.support.server import MediaServer
from tests.media.support.speaker import Studio


@dataclass(frozen=True)
class House:
    """`server` knows `carrier` as its only trunk."""

    server: MediaServer
    carrier: Carrier
    studio: Studio

    @classmethod
    @asynccontextmanager
    async def running(
        cls, program: Path, folder: Path, *, prompts: Mapping[str, int] | None = None,
        config: Mapping[str, Any] | None = None, **trunk: Any,
    ) -> AsyncIterator[House]:  # fmt: skip
        with Studio() as studio:
            async with (
                MediaServer.running(program, folder, prompts, **(config or {})) as server,
                Carrier.running(folder, studio, server) as carrier,
            ):
                await server.control.trunks(carrier.trunk(**trunk))
                yield cls(server, carrier, studio)

    async def stalls(self) -> int:
        """How often this machine kept the server or the speakers waiting: sound in real time suffers from it."""
        return self.studio.stalls + int((await self.server.control.stats())["mixer"]["late"])

    async def offered(self, hertz: int, **how: Any) -> tuple[Phone, str]:
        """Somebody calls: their phone, and the endpoint that was offered."""
        phone = await self.carrier.calls(hertz, **how)
        event = await self.server.events.wait_for("offered", trunk=self.carrier.id)
        return phone, str(event["endpoint"])

    async def answered(self, hertz: int, **how: Any) -> tuple[Phone, str]:
        """Somebody calls, is answered and speaks."""
        phone, endpoint = await self.offered(hertz, **how)
        await self.server.control.act(endpoint, "answer")
        await phone.answered()
        await self.server.events.wait_for("answered", endpoint=endpoint)
        return phone, endpoint

    async def dialled(self, hertz: int, endpoint: str, *, session: str = "", **how: Any) -> Phone:
        """We call somebody, whose phone rings now; `session` is their timer (see `Audio`)."""
        phone = await self.carrier.awaits(hertz, session=session)
        await self.server.control.dial(endpoint, self.carrier.id, **how)
        await phone.lived("rings")
        await self.server.events.wait_for("ringing", endpoint=endpoint)
        return phone
