"""A centre with voice in a process of its own, and what a test asks of it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil

from tests.media.support.carrier import Carrier, Phone
from tests.media.support.server import RTP_PORTS, rtp_block
from tests.support.serving import lasting_port
from tests.support.waiting import wait_until

START_SECONDS = 60.0
"""A start takes a second; on a machine that does much else, many."""


class Child:
    """One life after another of a centre in a folder, with a media server beside it."""

    def __init__(self, folder: Path, program: Path, **settings: str) -> None:
        self.folder = folder
        self.sip_port = lasting_port()
        first = rtp_block()
        given = {
            "DATA_DIR": str(folder / "data"), "SMTP_PORT": "0", "PORT": "0", "MEDIA_SERVER": str(program),
            "SIP_PORT": str(self.sip_port), "WEBRTC_PORT": str(lasting_port()),
            "RTP_PORTS": f"{first}-{first + RTP_PORTS - 1}", **settings,
        }  # fmt: skip
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("GUICHET_")}
        self.environment = inherited | {f"GUICHET_{name}": value for name, value in given.items()}
        self.process: subprocess.Popen[bytes] | None = None

    @classmethod
    @asynccontextmanager
    async def running(cls, folder: Path, program: Path, **settings: str) -> AsyncIterator[Child]:
        """`settings`: of its environment, by their names there."""
        child = cls(folder, program, **settings)
        try:
            await child.start()
            yield child
        finally:
            await child.kill()
            if media := child.media():
                media.kill()
                await wait_until(lambda: child.media() is None, "the media server is gone")

    async def start(self) -> None:
        self.launch()
        await self.until_up()

    def launch(self) -> None:
        with (self.folder / "child.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.media.support.centre_child"], env=self.environment,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip

    async def until_up(self) -> None:
        async def up() -> bool:
            return bool(await self.ask({}) == "up")

        await wait_until(up, "voice is up", START_SECONDS)

    async def ask(self, asked: dict[str, object]) -> Any:
        process = self.process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(msgspec.json.encode(asked) + b"\n")
        process.stdin.flush()
        line = await asyncio.to_thread(process.stdout.readline)
        assert line, (self.folder / "child.log").read_text()[-3_000:]
        return msgspec.json.decode(line)

    async def do(self, name: str, /, **payload: object) -> Any:
        answer = await self.ask({"name": name, "payload": payload})
        assert "remedy" not in answer, answer
        return answer

    async def endpoints(self) -> dict[str, str]:
        return {row["endpoint"]: row["state"] for row in await self.ask({"table": "endpoint"})}

    async def until(self, endpoint: str, state: str) -> None:
        async def so() -> bool:
            return (await self.endpoints()).get(endpoint, "over") == state

        await wait_until(so, f"{endpoint} is {state}")

    async def kill(self) -> None:
        """kill -9, of Guichet alone."""
        assert self.process is not None
        with self.process as process:  # closes its pipes
            process.kill()

    async def stop(self) -> None:
        assert self.process is not None
        with self.process as process:
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, 10) == 0

    def media(self) -> psutil.Process | None:
        file = self.folder / "data" / "media" / "running.json"
        if not file.exists():
            return None
        try:
            process = psutil.Process(msgspec.json.decode(file.read_bytes())["pid"])
            return process if process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None

    async def call(self, carrier: Carrier, hertz: int, sender: str) -> tuple[Phone, str]:
        """Somebody calls, is answered and speaks."""
        before = set(await self.endpoints())
        phone = await carrier.calls(hertz, sender=sender)

        async def fresh() -> str | None:
            return next(iter(set(await self.endpoints()) - before), None)

        endpoint = await wait_until(fresh, "the call is offered")
        await self.do("ask_endpoint", endpoint=endpoint, act="answer")
        await phone.answered()
        await self.until(endpoint, "answered")
        return phone, endpoint


async def prepare(child: Child, carrier: Carrier) -> None:
    """An organisation with this carrier as its trunk, and a customer with a room."""
    await child.do(
        "found_organisation", organisation="org", name="Lune", administrator="admin", administrator_name="Anne Admin",
        email="admin@lune.example",
    )  # fmt: skip
    trunk = {
        "name": "Carrier", "peer": f"{carrier.host}:{carrier.port}", "allow": [f"{carrier.host}/32"],
        "codecs": ["PCMA"], "options_seconds": 0, "countries": ["+33"],
    }  # fmt: skip
    await child.do("set_config", kind="trunk", id="carrier", value=trunk, expected_version=0)
    await child.ask({"key": "c1"})
    await child.do("register_customer", customer="c1", client="own", language="fr", anonymous=True)
    await child.do("open_room", room="room", customer="c1")
