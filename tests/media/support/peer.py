"""Many callers in one small process of Go: `media-server/cmd/peer`, built when it is first needed.

with Peer.running(program(), server, host="127.0.0.9") as peer:
    peer.call(100, per_second=50)   # elsewhere, the server is told to answer
    report = peer.measure(10)
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from tools.setup import media, steps

PATIENCE = 30.0


class Gaps(msgspec.Struct):
    """Milliseconds from one packet of a call to the next."""

    p50: float
    p99: float
    max: float


class Report(msgspec.Struct):
    """What the callers counted in `seconds`; see `Report` in media-server/internal/peer/count.go."""

    seconds: float
    calls: int
    silent: int
    sent: int
    received: int
    lost: int
    sounding: int
    gap_ms: Gaps
    dropped_here: int
    late_sends: int
    said: list[float] = []
    heard: list[float] = []


def program() -> Path:
    """The peer as its sources are now."""
    built = media.BUILD / "peer"
    with steps.one_at_a_time():
        media.BUILD.mkdir(exist_ok=True)
        steps.run(
            "peer of the media tests",
            [str(media.go()), "build", "-trimpath", "-o", str(built), "./cmd/peer"],
            media.NETWORK,
            folder=media.SOURCE,
            env={"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false"},
        )
    return built


class Peer:
    """A carrier with its callers; every step has a limit and raises AssertionError after it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._rest = b""
        self.address = str(self._answer(PATIENCE)["listens"])

    @classmethod
    @contextmanager
    def running(
        cls, binary: Path, sip_port: int, *, host: str, port: int = 0, bursts: bool = False,
        certificate: tuple[Path, Path] | None = None, cores: Sequence[int] = (),
    ) -> Iterator[Peer]:  # fmt: skip
        """A peer of the server whose SIP is at this port; with a certificate and its key by TLS and SRTP."""
        command = [str(binary), "-server", f"127.0.0.1:{sip_port}", "-host", host, "-port", str(port)]
        command += ["-bursts"] if bursts else []
        command += ["-cert", str(certificate[0]), "-key", str(certificate[1])] if certificate else []
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            if cores:
                os.sched_setaffinity(process.pid, cores)
            yield cls(process)
        finally:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()

    def call(self, number: int, per_second: float = 50) -> dict[str, Any]:
        """So many more call; returns when each is answered or refused: {"answered", "failed"}."""
        return self._do(f"call {number} {per_second}", number / per_second + PATIENCE)

    def calls(self) -> int:
        """How many stand."""
        return int(self._do("calls", PATIENCE)["calls"])

    def measure(self, seconds: float) -> Report:
        """Counts for so long."""
        return msgspec.convert(self._do(f"measure {seconds}", seconds + PATIENCE), Report)

    def hang_up(self) -> None:
        """Ends all calls."""
        self._do("hangup", PATIENCE)

    def _do(self, command: str, within: float) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command}\n".encode())
        self.process.stdin.flush()
        return self._answer(within)

    def _answer(self, within: float) -> dict[str, Any]:
        assert self.process.stdout is not None
        end = time.monotonic() + within
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self.process.stdout], [], [], max(end - time.monotonic(), 0))
            assert ready, f"the peer does not answer within {within:g} s"
            more = os.read(self.process.stdout.fileno(), 1 << 20)
            assert more, f"the peer ended with {self.process.wait()}"
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\n")
        return dict(json.loads(line))
