"""`guichet serve` as a child process: started, killed, started again on the same ports and data, and its log kept.

    async with Serving.running(tmp_path) as serving:
        office = await Office.found(serving)
        await serving.kill()
        await serving.start(faults="leader.before_commit=kill@20")
        assert await serving.ended() == -signal.SIGKILL

Nothing of the product is imported: what is known of it is its command line and its HTTP interface.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import httpx

from tests.support.ports import listens
from tests.support.waiting import wait_until

GUICHET = Path(sys.executable).parent / "guichet"
START_SECONDS = 60.0
STOP_SECONDS = 30.0
FIRST_PORT, PORTS = 12_000, 20_000
"""Below the ports that outgoing connections get: while the server is down, nobody else may take its port."""

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For every client of ours: reading the machine's certificates anew for each would take longer than the requests."""

_numbers: Iterator[int] = itertools.count(os.getpid() * 1_009)
"""Test processes whose ids lie close together keep far apart: a port of one that is down just now looks free."""


def lasting_port() -> int:
    """A TCP port of the loopback interface that stays free while nothing listens on it."""
    for number in _numbers:
        port = FIRST_PORT + number % PORTS
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


class Serving:
    """One installation. Several lives of it share data, ports and log."""

    def __init__(self, folder: Path, database_url: str = "sqlite", **settings: object) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.log_file = folder / "serve.log"
        self.port, self.smtp_port = lasting_port(), lasting_port()
        self.lives = 0
        self._process: subprocess.Popen[bytes] | None = None
        given = {name.upper(): str(value) for name, value in settings.items()}
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GUICHET_")},
            **{f"GUICHET_{name}": value for name, value in given.items()},
            "GUICHET_DATABASE_URL": database_url,
            "GUICHET_SMTP_PORT": str(self.smtp_port),
            "GUICHET_MEDIA_SERVER": given.get("MEDIA_SERVER", "off"),
        }

    @classmethod
    @asynccontextmanager
    async def running(
        cls, folder: Path, database_url: str = "sqlite", **settings: object
    ) -> AsyncIterator[Self]:
        """A started one; whatever it is doing at the end, it is ended."""
        serving = cls(folder, database_url, **settings)
        try:
            await serving.start()
            yield serving
        finally:
            serving.end()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None, "it is not running"
        return self._process.pid

    # -- its life --------------------------------------------------------------------------------------

    def launch(self, faults: str = "") -> None:
        """Starts the process and does not wait for it."""
        self._process = self._popen(
            "serve", "--data", str(self.data), "--port", str(self.port), faults=faults
        )
        self.lives += 1

    def _popen(self, *arguments: str, faults: str = "") -> subprocess.Popen[bytes]:
        with self.log_file.open("ab") as log:
            return subprocess.Popen(
                [str(GUICHET), *arguments],
                env={**self.environment, "GUICHET_FAULTS": faults},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - must outlive nothing, not even kill -9 of pytest
            )

    async def start(self, faults: str = "") -> None:
        """Starts it and waits until it leads, or until a fault killed it on the way."""
        self.launch(faults)
        await wait_until(self._up_or_ended, "guichet serve answers", START_SECONDS)
        if self.code() not in (None, -signal.SIGKILL):
            raise AssertionError(f"guichet serve ended with {self.code()}: {self.log()[-3_000:]}")

    async def _up_or_ended(self) -> bool:
        return self.code() is not None or (await self.health()).get("leads", False)

    async def health(self) -> dict[str, Any]:
        """What it says of itself; nothing while it does not answer."""
        if not listens(self.port):
            return {}
        try:
            async with httpx.AsyncClient(verify=NO_TLS) as http:
                answer = await http.get(f"{self.url}/api/health", timeout=5)
        except httpx.TransportError:
            return {}
        return dict(answer.json()) if answer.status_code == 200 else {}

    def code(self) -> int | None:
        """The exit status; None while it runs."""
        return self._process.poll() if self._process is not None else 0

    async def ended(self, timeout: float = STOP_SECONDS) -> int:
        """Waits until it has ended by itself; gives its status (-9: killed)."""
        await wait_until(lambda: self.code() is not None, "guichet serve ends", timeout)
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
        """At once, whatever it does. For the end of a test."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
        if self._process is not None:
            self._process.wait()

    # -- its words -------------------------------------------------------------------------------------

    def log(self) -> str:
        """All that it printed, in all its lives."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def problems(self) -> list[str]:
        """Its log's lines of level error and the tracebacks in it."""
        lines = self.log().splitlines()
        return [line for line in lines if '"level": "error"' in line or line.startswith("Traceback")]

    async def run(self, *arguments: str) -> tuple[int, str]:
        """Another command of the same installation, `log replay --check` for instance: (status, output)."""
        before = len(self.log())
        child = self._popen(*arguments, "--data", str(self.data))
        try:
            await wait_until(lambda: child.poll() is not None, f"guichet {arguments[0]} ends", 120)
        finally:
            if child.poll() is None:
                child.kill()
            child.wait()
        return child.returncode, self.log()[before:]


def _die_with_parent() -> None:
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


class Office:
    """The administrator of an installation, by HTTP: sets it up and hires people."""

    PASSWORD = "correct horse battery"

    def __init__(self, serving: Serving, http: httpx.AsyncClient) -> None:
        self.serving = serving
        self.http = http
        self.organisation = ""

    @classmethod
    async def found(cls, serving: Serving) -> Office:
        """The first run: an organisation with one client ("own") and one site ("main")."""
        office = cls(serving, browser(serving))
        body = {
            "organisation": "Lune", "name": "Anne Admin", "email": "anne@lune.example", "password": cls.PASSWORD,
        }  # fmt: skip
        answer = await office.http.post("/api/setup", json=body)
        assert answer.status_code == 201, answer.text
        office.organisation = answer.json()["organisation"]
        return office

    async def set(self, kind: str, ident: str, version: int = 0, /, **value: object) -> None:
        """Sets a value of the configuration."""
        payload = {"kind": kind, "id": ident, "value": value, "expected_version": version}
        await self.command("set_config", f"set:{kind}.{ident}.{version}", **payload)

    async def command(self, name: str, key: str, /, **payload: object) -> dict[str, Any]:
        answer = await self.http.post("/api/commands", json={"name": name, "key": key, "payload": payload})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def hire(self, ident: str, **more: object) -> httpx.AsyncClient:
        """A new agent, invited, with a password: their browser, signed in."""
        value = {
            "name": ident.capitalize(), "email": f"{ident}@lune.example", "site": "main", "clients": ["*"],
            "languages": ["fr", "en"],
        }  # fmt: skip
        await self.set("agent", ident, **(value | more))
        invitation = await self.http.post("/api/invitations", json={"agent": ident})
        token = invitation.json()["link"].rpartition("/")[2]
        http = browser(self.serving)
        answer = await http.post(f"/api/invitations/{token}", json={"password": self.PASSWORD})
        assert answer.status_code == 200, answer.text
        return http

    async def close(self) -> None:
        await self.http.aclose()


def browser(serving: Serving) -> httpx.AsyncClient:
    """Keeps cookies and says that it is ours."""
    return httpx.AsyncClient(base_url=serving.url, headers={"X-Guichet": "1"}, timeout=30, verify=NO_TLS)


def cookie_of(http: httpx.AsyncClient) -> str:
    """The session as a Cookie header, for a WebSocket."""
    return "; ".join(f"{name}={value}" for name, value in http.cookies.items())
