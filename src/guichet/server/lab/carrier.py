"""A virtual carrier: sipp plays phones that call and can be called. Each says a tune of its own."""

from __future__ import annotations

import asyncio
import contextlib
import math
import shutil
from importlib import resources
from pathlib import Path

import numpy as np

from guichet.kit.errors import Refused
from guichet.server.ports import free_port

RATE = 8_000
CALLED = (660, 0, 660, 0, 880, 0, 0, 0)
CALLING = (440, 0, 550, 0, 440, 0, 0, 0)
BEAT = 0.25
"""Seconds of each note."""
CUSTOMER = "+33199000001"
NUMBER = "+33199000099"
"""Invented: numbers of this kind are kept for films."""


class Carrier:
    """Phones in `folder`; `host`:`port` is where they can be called."""

    def __init__(self, folder: Path, host: str = "127.0.0.2") -> None:
        self.host = host
        self.port = free_port(host)
        self._folder = folder
        self._phones: set[asyncio.subprocess.Process] = set()

    @property
    def missing(self) -> bool:
        """Whether there is no sipp on this machine."""
        return shutil.which("sipp") is None

    async def open(self) -> None:
        """Phones wait to be called. Nothing happens without sipp."""
        if self.missing:
            return
        for name, notes in (("called", CALLED), ("calling", CALLING)):
            (self._folder / f"{name}.alaw").write_bytes(tune(notes))
            scenario = resources.files(__package__).joinpath("pages", f"{name}.xml").read_text()
            (self._folder / f"{name}.xml").write_text(
                scenario.replace("{tune}", str(self._folder / f"{name}.alaw"))
            )
        await self._sipp("-sf", "called.xml", "-p", str(self.port))

    async def call(self, sip_port: int) -> None:
        """A customer calls the media server. Raises Refused without sipp."""
        if self.missing:
            raise Refused("unavailable", "lab.no_sipp", "install sipp (Debian: sip-tester) to have a carrier")
        await self._sipp(
            "-sf", "calling.xml", "-m", "1", "-s", NUMBER, "-key", "caller", CUSTOMER,
            "-p", str(free_port(self.host)), f"127.0.0.1:{sip_port}",
        )  # fmt: skip

    async def _sipp(self, *arguments: str) -> None:
        process = await asyncio.create_subprocess_exec(
            "sipp", "-i", self.host, "-nostdin", *arguments, cwd=self._folder, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        self._phones.add(process)

    async def close(self) -> None:
        """All phones are gone."""
        for process in self._phones:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def tune(notes: tuple[int, ...]) -> bytes:
    """The notes (Hz, 0 a pause) as G.711 A-law."""
    length = int(RATE * BEAT)
    time = np.arange(length) / RATE
    fade = np.minimum(1.0, np.minimum(np.arange(length), np.arange(length)[::-1]) / 160)
    beats = [6_000 * fade * np.sin(2 * math.pi * hertz * time) for hertz in notes]
    return alaw(np.concatenate(beats).astype(np.int32))


def alaw(samples: np.ndarray[tuple[int], np.dtype[np.int32]]) -> bytes:
    """ITU-T G.711, A-law, even bits inverted."""
    positive = samples >= 0
    size = np.minimum(np.where(positive, samples, -samples - 1) >> 3, 4_095)
    exponent = np.maximum(0, np.floor(np.log2(np.maximum(size, 1))).astype(np.int32) - 4)
    mantissa = np.where(exponent > 1, size >> np.maximum(exponent, 1), size >> 1) & 0x0F
    code = np.where(size < 32, size >> 1, (exponent << 4) | mantissa)
    return bytes((np.where(positive, code | 0x80, code) ^ 0x55).astype(np.uint8))
