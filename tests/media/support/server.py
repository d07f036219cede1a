"""The media server as a child process: built, started, killed, started again on the same ports and folders.

async with MediaServer.running(binary, tmp_path) as server:
    await server.control.room("c1", endpoints=["in-a"], ...)
    offered = await server.events.wait_for("offered", within=2)
    await server.kill()
    await server.start()
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import websockets
from websockets.asyncio.client import ClientConnection, connect
from websockets.protocol import State

from tests.media.support import tones
from tests.support.ports import listens
from tests.support.serving import NO_TLS, lasting_port
from tests.support.waiting import wait_until
from tools.setup import media, steps

TOKEN = "a token of the tests"
START_SECONDS = 10.0
WITHIN_SECONDS = 15.0
"""Long enough for a busy machine: it is a limit, nobody waits for it."""
LIFE_SECONDS = 3600.0
FIRST_RTP, LAST_RTP, RTP_PORTS = 2_000, 12_000, 200
"""Beside the ports of `lasting_port`, which are looked for by TCP alone."""

Event = dict[str, Any]


_ours: dict[int, socket.socket] = {}
"""Blocks of this process, each with a TCP socket at its first port that keeps other processes away."""


def media_server_program() -> Path:
    """The program as its sources are now, built when they changed, or what GUICHET_MEDIA_PROGRAM names."""
    if other := os.environ.get("GUICHET_MEDIA_PROGRAM"):
        return Path(other)
    with steps.one_at_a_time():
        media.build()
    return media.PROGRAM


def rtp_block() -> int:
    """The first of RTP_PORTS UDP ports that nobody uses now, and no other test process gets while they are free."""
    blocks = (LAST_RTP - FIRST_RTP) // RTP_PORTS
    for turn in range(blocks):
        first = FIRST_RTP + (os.getpid() + turn) % blocks * RTP_PORTS
        if _unused(first) and _reserved(first):
            return first
    raise AssertionError("no block of UDP ports is free")


def _unused(first: int) -> bool:
    try:
        for port in range(first, first + RTP_PORTS):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


def _reserved(first: int) -> bool:
    if first in _ours:
        return True
    mark = socket.socket()
    try:
        mark.bind(("127.0.0.1", first))
    except OSError:
        mark.close()
        return False
    _ours[first] = mark
    return True


class Control:
    """Guichet's side of the control protocol."""

    def __init__(self, port: int) -> None:
        self.http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=30,
            verify=NO_TLS,
        )
        self._revisions: defaultdict[str, int] = defaultdict(int)

    async def ask(self, method: str, path: str, body: object = None, *, status: int = 204) -> Any:
        """One request that must be answered with this status; gives the document of the answer."""
        answer = await self.http.request(method, path, json=body)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def rooms(self, **rooms: dict[str, Any]) -> None:
        """Puts whole rooms, all between the same two ticks; their revisions are counted here."""
        documents = []
        for room, document in rooms.items():
            self._revisions[room] += 1
            documents.append({"id": room, "rev": self._revisions[room], **document})
        await self.ask("PUT", "/v1/rooms", {"rooms": documents})

    async def room(self, room: str, **document: Any) -> None:
        """Puts one room: endpoints, hears, sources, recording, video."""
        await self.rooms(**{room: document})

    async def trunks(self, *trunks: dict[str, Any]) -> None:
        self._revisions["/trunks"] += 1
        await self.ask("PUT", "/v1/trunks", {"rev": self._revisions["/trunks"], "trunks": list(trunks)})

    async def act(self, endpoint: str, act: str, /, *, status: int = 204, **body: Any) -> Any:
        """dial, ring, early, answer, reject, hangup, refer, digits, offer."""
        return await self.ask("POST", f"/v1/endpoints/{endpoint}/{act}", body, status=status)

    async def dial(self, endpoint: str, trunk: str, number: str = "+33140000077", **more: Any) -> None:
        body = {"trunk": trunk, "number": number, "caller_id": "+33140000099", "timeout_ms": 20_000, **more}
        await self.act(endpoint, "dial", **body)

    async def play(self, room: str, play: str, *heard_by: str, **more: Any) -> None:
        await self.ask("POST", f"/v1/rooms/{room}/plays", {"play": play, "heard_by": list(heard_by), **more})

    async def state(self) -> dict[str, Any]:
        return dict(await self.ask("GET", "/v1/state", status=200))

    async def stats(self) -> dict[str, Any]:
        return dict(await self.ask("GET", "/v1/stats", status=200))

    async def endpoint(self, endpoint: str) -> dict[str, Any] | None:
        """What /v1/state tells of one endpoint."""
        return next((each for each in (await self.state())["endpoints"] if each["id"] == endpoint), None)


class Events:
    """All events, over every life of the server: it connects again and goes on where it was."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.all: list[Event] = []
        self._line: ClientConnection | None = None
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._taken: set[int] = set()
        self._epoch, self._seq = "", 0

    async def collect(self) -> None:
        while True:
            await self._wanted.wait()
            try:
                url = f"ws://127.0.0.1:{self._port}/v1/events?epoch={self._epoch}&after={self._seq}"
                headers = {"Authorization": f"Bearer {TOKEN}"}
                async with connect(
                    url, additional_headers=headers, max_size=None, proxy=None, ping_interval=None
                ) as line:
                    self._line = line
                    async for frame in line:
                        self._take(json.loads(frame))
            except (OSError, websockets.WebSocketException):
                pass
            self._line = None
            await wait_until(lambda: listens(self._port), "the server is there again", LIFE_SECONDS)

    @property
    def connected(self) -> bool:
        return self._line is not None and self._line.state is State.OPEN

    async def stop(self) -> None:
        """As if Guichet were gone; what happens meanwhile comes after `go_on`."""
        self._wanted.clear()
        if self._line is not None:
            await self._line.close()

    def go_on(self) -> None:
        self._wanted.set()

    def _take(self, event: Event) -> None:
        self._epoch, self._seq = event["epoch"], event["seq"]
        self.all.append(event)

    async def wait_for(self, kind: str, within: float = WITHIN_SECONDS, **fields: Any) -> Event:
        """The first event of this kind with these fields that nobody has waited for yet."""

        def found() -> Event | None:
            for number, event in enumerate(self.all):
                if number not in self._taken and _matches(event, kind, fields):
                    self._taken.add(number)
                    return event
            return None

        try:
            return await wait_until(found, "", within)
        except AssertionError as late:
            told = [
                {name: each[name] for name in each if name not in ("epoch", "at_ms")}
                for each in self.all[-30:]
            ]
            raise AssertionError(f"not within {within:g} s: {kind} {fields}; there was {told}") from late

    def count(self, kind: str, **fields: Any) -> int:
        return sum(_matches(event, kind, fields) for event in self.all)


def _matches(event: Event, kind: str, fields: dict[str, Any]) -> bool:
    return event["kind"] == kind and all(event.get(name) == value for name, value in fields.items())


class MediaServer:
    """One server. Several lives of it share ports, folders and log."""

    def __init__(
        self, binary: Path, folder: Path, prompts: Mapping[str, int] | None = None, **config: Any
    ) -> None:
        """`prompts`: files to be played, each a tone of so many Hz."""
        self.folder = folder
        self.log_file = folder / "media.log"
        self.prompts, self.spool, self.state = folder / "prompts", folder / "spool", folder / "state"
        self.prompts.mkdir(parents=True, exist_ok=True)
        for name, hertz in (prompts or {}).items():
            tones.write_wav(self.prompts / name, hertz)
        self.port, self.sip_port, self.web_port = lasting_port(), lasting_port(), lasting_port()
        self.rtp_first = rtp_block()
        self.config = {
            "control": f"127.0.0.1:{self.port}",
            "state": str(self.state),
            "prompts": str(self.prompts),
            "spool": str(self.spool),
            "sip_udp": f"127.0.0.1:{self.sip_port}",
            "sip_tcp": f"127.0.0.1:{self.sip_port}",
            "rtp_first": self.rtp_first,
            "rtp_last": self.rtp_first + RTP_PORTS - 1,
            "web_udp": f"127.0.0.1:{self.web_port}",
            "web_tcp": f"127.0.0.1:{self.web_port}",
            **config,
        }
        self.control = Control(self.port)
        self.events = Events(self.port)
        self.forgiven = ""
        """An error that the test itself brings about; its log has no others."""
        self._binary = binary
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    @asynccontextmanager
    async def running(
        cls, binary: Path, folder: Path, prompts: Mapping[str, int] | None = None, **config: Any
    ) -> AsyncIterator[MediaServer]:
        """A started one, whose events are collected; whatever it is doing at the end, it is ended."""
        server = cls(binary, folder, prompts, **config)
        reading = asyncio.ensure_future(server.events.collect())
        try:
            await server.start()
            yield server
            assert not server.problems(), server.problems()
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await server.control.http.aclose()
            server.end()

    @property
    def pid(self) -> int:
        assert self._process is not None, "it is not running"
        return self._process.pid

    def launch(self, *flags: str) -> None:
        """Starts the process and does not wait for it."""
        config = self.folder / "media.json"
        config.write_text(json.dumps(self.config))
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._binary), "-config", str(config), *flags],
                env={**os.environ, "GUICHET_MEDIA_TOKEN": TOKEN, "GORACE": "atexit_sleep_ms=0"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def start(self) -> float:
        """Starts it; returns the seconds until it answered."""
        began = time.monotonic()
        self.launch()
        await wait_until(self._up, "the media server answers", START_SECONDS)
        took = time.monotonic() - began
        await wait_until(lambda: self.events.connected, "its events are read")
        return took

    async def _up(self) -> bool:
        assert self.code() is None, f"the media server ended with {self.code()}: {self.log()[-3000:]}"
        try:
            return (await self.control.http.get("/healthz")).status_code == 200
        except httpx.TransportError:
            return False

    def code(self) -> int | None:
        """The exit status; None while it runs."""
        return self._process.poll() if self._process is not None else 0

    async def ended(self, within: float = 10.0) -> int:
        """Waits until it has ended by itself; gives its status (-9: killed)."""
        await wait_until(lambda: self.code() is not None, "the media server ends", within)
        code = self.code()
        assert code is not None
        return code

    async def kill(self) -> None:
        """kill -9."""
        os.kill(self.pid, signal.SIGKILL)
        assert await self.ended() == -signal.SIGKILL

    async def stop(self) -> int:
        """SIGTERM, as an operator would; gives its status."""
        os.kill(self.pid, signal.SIGTERM)
        return await self.ended()

    def end(self) -> None:
        """At once, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def log(self) -> str:
        """All it wrote, in all its lives."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def problems(self) -> list[str]:
        """Errors and crashes in its log."""
        return [
            line
            for line in self.log().splitlines()
            if ('"level":"ERROR"' in line and not (self.forgiven and self.forgiven in line))
            or line.startswith(("panic:", "fatal error:", "WARNING: DATA RACE"))
        ]
