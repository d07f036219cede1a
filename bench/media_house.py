"""A media server with callers and people at browsers, for `bench.media`: what it costs while they talk."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import http.server
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psutil

from bench.measure import percentile
from tests.e2e import browser
from tests.e2e.browser import Browser, Page
from tests.media.support.peer import Peer, Report
from tests.media.support.server import MediaServer

T = TypeVar("T")

RTP_FIRST, RTP_LAST = 20_000, 29_999
PAGES = Path(__file__).parent / "media_page"
ANSWERING = 16
"""Calls that are answered at once."""
STEP_SECONDS = 60.0
"""No one step takes so long."""
AWAY_SECONDS = 0.45
"""What is not heard so long after it was said is missing."""


async def aside(step: Callable[..., T], *arguments: object) -> T:
    """Does what blocks in a thread, with a limit."""
    return await asyncio.wait_for(asyncio.to_thread(step, *arguments), STEP_SECONDS)


class Hall:
    """One server, whose calls are answered at once."""

    def __init__(self, server: MediaServer) -> None:
        self.server = server
        self.answered: dict[str, list[str]] = {}
        """Endpoints by trunk, in the order they came."""
        self._trunks: list[dict[str, Any]] = []
        self._process = psutil.Process(server.pid)

    @classmethod
    @asynccontextmanager
    async def running(cls, program: Path, folder: Path) -> AsyncIterator[Hall]:
        finished = False
        try:
            async with MediaServer.running(
                program, folder, {"music.wav": 440}, rtp_first=RTP_FIRST, rtp_last=RTP_LAST
            ) as server:
                hall = cls(server)
                answering = asyncio.ensure_future(hall._answer())
                try:
                    yield hall
                    finished = True
                finally:
                    answering.cancel()
                    await asyncio.gather(answering, return_exceptions=True)
        except AssertionError as problems:  # an error in the server's log does not cost what was measured
            if not finished:
                raise
            print(f"  the server complained: {str(problems)[:1000]}", flush=True)

    async def trunk(self, peer: Peer) -> str:
        """Lets a peer in; gives the id of its trunk."""
        host = peer.address.partition(":")[0]
        name = f"trunk-{len(self._trunks)}"
        self._trunks.append(
            {
                "id": name, "peer": peer.address, "transport": "udp", "allow": [f"{host}/32"], "codecs": ["PCMA"],
                "max_calls": 10_000, "max_per_s": 1_000, "countries": ["+33"],
            }
        )  # fmt: skip
        await self.server.control.trunks(*self._trunks)
        self.answered[name] = []
        return name

    async def _answer(self) -> None:
        """As Guichet would; a call that is gone already is none of our business."""
        seen, places = 0, asyncio.Semaphore(ANSWERING)

        async def one(trunk: str, endpoint: str) -> None:
            async with places:
                with contextlib.suppress(AssertionError):
                    await self.server.control.act(endpoint, "answer")
                    self.answered[trunk].append(endpoint)

        async with asyncio.TaskGroup() as group:
            while True:
                events = self.server.events.all
                for event in events[seen:]:
                    if event["kind"] == "offered":
                        group.create_task(one(event["trunk"], event["endpoint"]))
                seen = len(events)
                await asyncio.sleep(0.005)

    def cpu(self) -> float:
        """CPU seconds of the server so far, without what it started."""
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def encoding(self) -> float:
        """CPU seconds of what it started and has ended."""
        times = self._process.cpu_times()
        return float(times.children_user + times.children_system)

    def dropped(self) -> int:
        """Packets that the kernel dropped at the sockets of calls, for want of reading."""
        total = 0
        for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
            words = line.split()
            if RTP_FIRST <= int(words[1].rpartition(":")[2], 16) <= RTP_LAST:
                total += int(words[-1])
        return total

    def waits(self, endpoint: str) -> float:
        """Milliseconds that this speaker's packets wait in the server's de-jitter, as it last said."""
        told = [
            event
            for event in self.server.events.all
            if event["kind"] == "quality" and event["endpoint"] == endpoint
        ]
        return float(told[-1].get("delay_ms", 0)) if told else float("nan")

    async def share(self, seconds: float) -> float:
        """CPU of the server in % of a core, for so long."""
        before, began = self.cpu(), time.monotonic()
        await asyncio.sleep(seconds)
        return 100 * (self.cpu() - before) / (time.monotonic() - began)

    async def load(self, peer: Peer, seconds: float) -> Load:
        """Lets the callers talk for so long."""
        before, dropped = (await self.server.control.stats())["mixer"], self.dropped()
        cpu, own, busy, began = self.cpu(), _cpu(peer.process.pid), psutil.cpu_times(), time.monotonic()
        report = await aside(peer.measure, seconds)
        span = time.monotonic() - began
        after = (await self.server.control.stats())["mixer"]
        now = psutil.cpu_times()
        idle = (now.idle + now.iowait - busy.idle - busy.iowait) / (sum(now) - sum(busy))
        return Load(
            report, 100 * (self.cpu() - cpu) / span, 100 * (_cpu(peer.process.pid) - own) / span, 100 * (1 - idle),
            after["late"] - before["late"] + after["skipped"] - before["skipped"], self.dropped() - dropped, after,
        )  # fmt: skip


def _cpu(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


class Load:
    """What callers saw, and what it cost: `server` and `callers` in % of a core, `machine` in % of all cores."""

    def __init__(
        self, report: Report, server: float, callers: float, machine: float, late: int, dropped: int,
        ticks: dict[str, Any],
    ) -> None:  # fmt: skip
        self.report, self.server, self.callers, self.machine = report, server, callers, machine
        self.late, self.dropped, self.ticks = late, dropped, ticks

    @property
    def clean(self) -> bool:
        """No tick was late, and each caller heard all there was to hear."""
        return not (self.late or self.report.lost or self.report.silent)

    def phase(self, name: str) -> float:
        """Milliseconds of a tick that 99 of 100 stay below: say, mix, hear, record, tick."""
        return float(self.ticks[name]["p99_us"]) / 1e3

    @property
    def limit(self) -> str:
        """What gave way first."""
        slowest = max(("say", "mix", "hear"), key=self.phase)
        others = self.machine * (psutil.cpu_count() or 1) - self.server - self.callers
        causes = [
            (
                self.report.dropped_here,
                f"the callers do not read fast enough ({self.report.dropped_here} dropped)",
            ),
            (self.dropped, f"the calls' sockets are not read fast enough ({self.dropped} dropped)"),
            (self.phase("tick") > 15, f"the tick's phase {slowest} ({self.phase(slowest):.1f} of 20 ms)"),
            (
                self.report.late_sends,
                f"the cores: {self.report.late_sends} of the callers' packets were late too",
            ),
        ]
        found = [text for holds, text in causes if holds] or [
            f"a pause of the machine: the tick itself took {self.phase('tick'):.1f} ms"
        ]
        return (
            f"{', '.join(found)}. Of {psutil.cpu_count()} cores the server had {self.server:.0f} %, the callers "
            f"{self.callers:.0f} %, all others {max(others, 0):.0f} %"
        )


@contextmanager
def chromium() -> Iterator[Page]:
    """A page of people, in a Chromium of its own."""
    handler = functools.partial(_Quiet, directory=str(PAGES))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        try:
            with browser.running("--disable-features=WebRtcHideLocalIpsWithMdns") as started:
                yield _page(started, server.server_port)
        finally:
            server.shutdown()
            serving.join()


def _page(started: Browser, port: int) -> Page:
    page = started.visit(f"http://127.0.0.1:{port}", "bench-media", language="en")
    page.open("/index.html")
    page.evaluate("() => ready()")
    return page


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its name there)
        pass


async def join(hall: Hall, page: Page, person: str, *, bursts: bool = False, hertz: int = 440) -> None:
    """One more person at a browser, until their audio flows."""
    sdp = await aside(page.evaluate, "(a) => offer(a)", [person, bursts, hertz])
    answer = await hall.server.control.act(person, "offer", status=200, sdp=sdp)
    await aside(page.evaluate, "(a) => accept(a)", [person, answer["sdp"]])
    await hall.server.events.wait_for("connected", 15, endpoint=person)


def delays(said: list[float], heard: list[float]) -> tuple[list[float], int]:
    """Milliseconds from each burst to when it was heard, and how many nobody heard; both in seconds of one clock."""
    found, missing = [], 0
    for at in said[:-1]:  # the last may still be on its way
        later = [ear - at for ear in heard if 0 < ear - at < AWAY_SECONDS]
        if later:
            found.append(1e3 * min(later))
        else:
            missing += 1
    return found, missing


def ranked(values: list[float]) -> list[str]:
    return [f"{percentile(values, share):.0f}" for share in (0.5, 0.9)] + [f"{max(values, default=0):.0f}"]
