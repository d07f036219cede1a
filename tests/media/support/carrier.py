"""A carrier and its customers: sipp signals, a `Speaker` talks and listens.

with Studio() as studio:
    async with Carrier.running(tmp_path, studio, server) as carrier:
        await server.control.trunks(carrier.trunk())
        phone = await carrier.calls(440)
        await phone.lived("rings")
"""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.media.support import scenarios
from tests.media.support.scenarios import Audio, Login
from tests.media.support.server import MediaServer
from tests.media.support.speaker import Speaker, Studio
from tests.support.serving import lasting_port
from tests.support.waiting import wait_until

MANY = 1000
WITHIN_SECONDS = 15.0
"""Long enough for a busy machine: it is a limit, nobody waits for it."""
LIFE_SECONDS = 110
"""A sipp that is forgotten ends by itself."""

_carriers = itertools.count(2)


class Phone:
    """One call at the carrier's end. What it lives through is in `story`, in order."""

    def __init__(self, folder: Path, host: str, port: int, speaker: Speaker) -> None:
        self.speaker = speaker
        self._log = folder / f"{host}-{port}.log"
        self._errors = folder / f"{host}-{port}.err"
        self._messages = folder / f"{host}-{port}.msg"
        self._folder = folder
        self._host, self._port = host, port
        self._process: subprocess.Popen[bytes] | None = None
        self._words = 0
        self._read = 0

    def start(self, scenario: str, peer: str = "", *, calls: int = 1) -> None:
        """Starts sipp: it calls `peer`, or waits to be called; it ends after so many calls."""
        file = self._folder / f"{self._host}-{self._port}.xml"
        file.write_text(scenario)
        command = [
            *(
                "sipp",
                "-sf",
                str(file),
                "-i",
                self._host,
                "-p",
                str(self._port),
                "-m",
                str(calls),
                "-nostdin",
            ),
            *("-trace_logs", "-log_file", str(self._log), "-trace_err", "-error_file", str(self._errors)),
            *("-trace_msg", "-message_file", str(self._messages), "-timeout", str(LIFE_SECONDS)),
            *([peer] if peer else []),
        ]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    @property
    def story(self) -> list[str]:
        return self._log.read_text().splitlines() if self._log.exists() else []

    async def lived(self, event: str, within: float = WITHIN_SECONDS) -> str:
        """Waits for a line that begins so and was not waited for yet; gives the rest of it."""

        def line() -> str | None:
            for number, text in enumerate(self.story[self._read :]):
                if text == event or text.startswith(f"{event} "):
                    self._read += number + 1
                    return f"{text} "
            return None

        try:
            found = await wait_until(line, "", within)
        except AssertionError as late:
            raise AssertionError(
                f"not within {within:g} s: {event!r}; it lived through {self.story}; {self.complaints()}"
            ) from late
        return found[len(event) :].strip()

    async def answered(self, within: float = WITHIN_SECONDS) -> None:
        """Waits until both sides agreed, and begins to speak."""
        await self.lived("answered", within)
        self.talk()

    def talk(self) -> None:
        """Speaks to where the server wants its audio."""
        ports = [line.partition(" ")[2] for line in self.story if line.startswith("media ")]
        self.speaker.speak_to(int(ports[-1]))

    def do(self, word: str) -> None:
        """Lets the scenario go on: ANSWER, HANGUP, HOLD ... (see scenarios.py)."""
        call = next(line.partition(" ")[2] for line in self.story if line.startswith("call "))
        self._words += 1
        lines = (
            f"{word} sip:test SIP/2.0",
            f"Via: SIP/2.0/UDP {self._host}:9;branch=z9hG4bK-word-{self._words}",
            "From: <sip:test>;tag=test",
            "To: <sip:test>",
            f"Call-ID: {call}",
            f"CSeq: {self._words} {word}",
            "Content-Length: 0",
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.sendto("\r\n".join((*lines, "", "")).encode(), (self._host, self._port))

    async def over(self, within: float = WITHIN_SECONDS) -> None:
        """Waits until the call is over and nothing went against the scenario."""
        process = self._process
        assert process is not None
        try:
            await wait_until(lambda: process.poll() is not None, "", within)
        except AssertionError as late:
            raise AssertionError(f"the call goes on: {self.story}; {self.complaints()}") from late
        assert process.returncode == 0, f"sipp ended with {process.returncode}: {self.complaints()}"

    def complaints(self) -> str:
        """What sipp did not expect."""
        return (
            self._errors.read_text(errors="replace")[-2000:] if self._errors.exists() else "sipp is content"
        )

    def messages(self) -> str:
        """All SIP messages of the call, with their times."""
        return self._messages.read_text(errors="replace") if self._messages.exists() else ""

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class Carrier:
    """A carrier with an address of its own, as a trunk is known by where its calls come from."""

    def __init__(self, folder: Path, studio: Studio, server: MediaServer) -> None:
        number = next(_carriers)
        self.host = f"127.{os.getpid() % 250 + 1}.{number // 250}.{number % 250 + 1}"
        self.port = lasting_port()
        self.id = f"carrier-{number}"
        self._folder = folder / self.id
        self._folder.mkdir()
        self._studio, self._server = studio, server
        self._phones: list[Phone] = []

    @classmethod
    @asynccontextmanager
    async def running(cls, folder: Path, studio: Studio, server: MediaServer) -> AsyncIterator[Carrier]:
        carrier = cls(folder, studio, server)
        try:
            yield carrier
        finally:
            for phone in carrier._phones:
                phone.end()

    def trunk(self, **more: Any) -> dict[str, Any]:
        """This carrier as a trunk of the server."""
        return {
            "id": self.id, "peer": f"{self.host}:{self.port}", "transport": "udp", "allow": [f"{self.host}/32"],
            "codecs": ["PCMA"], "max_calls": 100, "max_per_s": 100, "countries": ["+33"], **more,
        }  # fmt: skip

    async def calls(
        self, hertz: int, *, sender: str = "+33140000001", to: str = "+33140000099", codecs: Sequence[str] = ("PCMA",),
        login: Login | None = None, offer: bool = True, ptime: int = 20, moves_to: int = 0, events: bool = True,
    ) -> Phone:  # fmt: skip
        """A customer calls the server; `events`: with a telephone that tells keys by RFC 4733."""
        phone, audio = self._phone(hertz, lasting_port(), codecs, ptime, moves_to=moves_to, events=events)
        phone.start(
            scenarios.caller(audio, sender=sender, to=to, login=login, offer=offer),
            f"127.0.0.1:{self._server.sip_port}",
        )
        await phone.lived("call")
        return phone

    async def awaits(
        self, hertz: int, *, codecs: Sequence[str] = ("PCMA",), ptime: int = 20, session: str = "",
        login: Login | None = None,
    ) -> Phone:  # fmt: skip
        """A phone that the server can call; one at a time."""
        phone, audio = self._phone(hertz, self.port, codecs, ptime, session=session)
        phone.start(scenarios.called(audio, login))
        await wait_until(lambda: _bound(self.host, self.port), "sipp is ready to be called")
        return phone

    async def acts(self, scenario: str, *, calls: bool = False) -> Phone:
        """Lets sipp do something else than to talk, at the trunk's address; when it `calls`, from another port."""
        phone, _ = self._phone(0, lasting_port() if calls else self.port, ("PCMA",), 20)
        if calls:
            phone.start(scenario, f"127.0.0.1:{self._server.sip_port}")
        else:
            phone.start(scenario, calls=MANY)
            await wait_until(lambda: _bound(self.host, self.port), "sipp is ready")
        return phone

    def _phone(
        self,
        hertz: int,
        port: int,
        codecs: Sequence[str],
        ptime: int,
        *,
        moves_to: int = 0,
        session: str = "",
        events: bool = True,
    ) -> tuple[Phone, Audio]:
        speaker = self._studio.speaker(hertz, codec=codecs[0], host=self.host, ptime=ptime)
        phone = Phone(self._folder, self.host, port, speaker)
        self._phones.append(phone)
        audio = Audio(
            speaker.port, self.host, codecs, digits=events, ptime=ptime, moves_to=moves_to, session=session
        )
        return phone, audio


def _bound(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return True
        return False
