"""The media server as a process of its own beside this one: found, started, kept alive, and found again.

It outlives a Guichet that is killed, so that calls do not notice: the next one reads in `running.json` where it
listens and goes on with it. It is not waited for: without the program everything but voice works.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from pathlib import Path

import msgspec
import structlog

from guichet.kit.clock import Clock
from guichet.kit.ids import new_token
from guichet.server.ports import free_port
from guichet.server.settings import ProcessSettings

PROGRAM = "guichet-media"
BUILT = Path(__file__).resolve().parents[3] / "media-server" / "build" / PROGRAM
"""Where `make run` builds it in a checkout."""
LOOK = 1.0
"""Seconds between two looks for the program while it is being built."""
ALIVE = 0.2
STEADY = 10.0
"""Seconds after which a start counts as good: the next failure is tried again at once."""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 30.0
ENDING = 5.0
"""Seconds in which one that was stopped ends; it saves its calls as they go on."""

log = structlog.get_logger(__name__)


class Running(msgspec.Struct):
    """How to reach a media server that runs."""

    pid: int
    port: int
    token: str


class MediaProcess:
    """One media server in `<data>/media`. `run` works until cancelled; `stop` ends the process."""

    def __init__(self, settings: ProcessSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self.folder = settings.data_dir / "media"
        self.spool = self.folder / "spool"
        for folder in (self.folder, self.spool, self.folder / "prompts", self.folder / "state"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._config_file = (self.folder / "config.json").resolve()
        self._stopping = False
        self._child: asyncio.subprocess.Process | None = None
        self._running = self._found() or Running(0, 0, "")
        if not self.alive():  # another program may have its port by now
            self._running = Running(0, free_port(), new_token())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._running.port}"

    @property
    def token(self) -> str:
        return self._running.token

    def program(self) -> Path | None:
        """The program, if it is there (yet)."""
        if self._settings.media_server != "auto":
            return Path(self._settings.media_server)
        found = shutil.which(PROGRAM)
        return BUILT if BUILT.is_file() else Path(found) if found else None

    async def run(self) -> None:
        """Starts it, and again whenever it ends; not after `stop`."""
        pause = FIRST_PAUSE
        while not self._stopping:
            if self.alive():
                await self._until_gone()
                continue
            program = self.program()
            if program is None:
                await asyncio.sleep(LOOK)
                continue
            begun = self._clock.monotonic()
            try:
                code = await self._start(program)
                log.warning("the media server ended", code=code)
            except OSError as error:
                why = error.strerror
                log.warning("the media server cannot be started", program=str(program), error=why)
            pause = FIRST_PAUSE if self._clock.monotonic() - begun > STEADY else min(pause * 2, LONGEST_PAUSE)
            await asyncio.sleep(pause)

    async def _start(self, program: Path) -> int:
        self._config_file.write_bytes(msgspec.json.format(msgspec.json.encode(self._config())))
        environment = {"GUICHET_MEDIA_TOKEN": self.token, "PATH": os.environ.get("PATH", "")}
        # A session of its own: what ends this process by the keyboard or by force is not meant for the calls.
        process = await asyncio.create_subprocess_exec(
            str(program), "-config", str(self._config_file), env=environment, stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        self._child, self._running.pid = process, process.pid
        self._remember()
        if self._stopping:
            process.terminate()
        return await process.wait()

    def stop(self) -> None:
        """Asks it to end, for good; its calls come back if the next Guichet starts it soon."""
        self._stopping = True
        if self.alive():
            os.kill(self._running.pid, signal.SIGTERM)

    async def ended(self) -> None:
        """After `stop`: waits until it has ended, so that the next one finds its ports free."""
        if self._child is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._child.wait(), ENDING)

    async def _until_gone(self) -> None:
        while self.alive():  # noqa: ASYNC110 (another's child: the system tells nobody else when it ends)
            await asyncio.sleep(ALIVE)

    def alive(self) -> bool:
        """Whether the process runs and is the media server of this folder (its number may be another's by now)."""
        if not self._running.pid:
            return False
        with contextlib.suppress(OSError):
            return os.fsencode(self._config_file) in Path(f"/proc/{self._running.pid}/cmdline").read_bytes()
        return False

    def _found(self) -> Running | None:
        try:
            return msgspec.json.decode((self.folder / "running.json").read_bytes(), type=Running)
        except (OSError, msgspec.DecodeError):
            return None

    def _remember(self) -> None:
        file = self.folder / "running.json"
        fresh = file.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(msgspec.json.encode(self._running))
        fresh.replace(file)

    def _config(self) -> dict[str, object]:
        settings, folder = self._settings, self.folder
        host = settings.media_host
        sip = f"{host}:{settings.sip_port}" if settings.sip_port else ""
        first, last = (int(part) for part in settings.rtp_ports.split("-"))
        return {
            "control": f"127.0.0.1:{self._running.port}",
            "state": str(folder / "state"),
            "prompts": str(folder / "prompts"),
            "spool": str(self.spool),
            "sip_udp": sip,
            "sip_tcp": sip,
            "sip_tls": f"{host}:{settings.sip_tls_port}" if settings.sip_tls_port else "",
            "tls_cert": settings.sip_certificate,
            "tls_key": settings.sip_certificate,
            "tls_roots": settings.sip_authorities,
            "rtp_host": host,
            "public_host": settings.media_public_host or host,
            "rtp_first": first,
            "rtp_last": last,
            "web_udp": f"{host}:{settings.webrtc_port}",
            "web_tcp": f"{host}:{settings.webrtc_port}",
        }
