"""What every measurement needs: the machine's name, CPU used, callers at work, percentiles, a table."""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import msgspec
import psutil


class Table(msgspec.Struct):
    """One table of results. `command` is what makes it again."""

    title: str
    command: str
    head: list[str]
    rows: list[list[str]] = []
    notes: list[str] = []

    def text(self) -> str:
        """As Markdown, readable in a terminal too."""
        lines = [self.head, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.head))]
        parts = [f"### {self.title}", "", f"`{self.command}`", ""]
        for number, line in enumerate(lines):
            parts.append(
                "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |"
            )
            if number == 0:
                parts.append("|" + "|".join("-" * (w + 2) for w in widths) + "|")
        parts += ["", *self.notes] if self.notes else []
        return "\n".join(parts) + "\n"


def machine() -> str:
    """The machine in one line."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = psutil.virtual_memory().total / 2**30
    load = psutil.getloadavg()[0]
    return (
        f"{psutil.cpu_count()} cores of {model}, {memory:.0f} GiB, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}; load before the run {load:.1f}"
    )


class Meter:
    """Wall time, and CPU of this process and (`backend`) of another one with all its children."""

    def __init__(self, backend: int | None = None) -> None:
        self._backend = backend
        self.count = 0
        self.seconds = 0.0
        self.own = 0.0
        self.other = 0.0
        self.latencies: list[float] = []

    def start(self) -> None:
        self._wall, self._own, self._other = time.perf_counter(), time.process_time(), self._backend_cpu()

    def stop(self, count: int) -> None:
        self.count += count
        self.seconds += time.perf_counter() - self._wall
        self.own += time.process_time() - self._own
        self.other += self._backend_cpu() - self._other

    def _backend_cpu(self) -> float:
        return cpu_of(self._backend) if self._backend is not None else 0.0

    @property
    def rate(self) -> float:
        return self.count / self.seconds

    @property
    def cost(self) -> str:
        """CPU microseconds each, of Python and of the backend."""
        own = f"{self.own / self.count * 1e6:.0f}"
        return own if self._backend is None else f"{own}+{self.other / self.count * 1e6:.0f}"


def cpu_of(pid: int) -> float:
    """CPU seconds that a process and its children have used so far."""
    root = psutil.Process(pid)
    total = float(root.cpu_times().children_user + root.cpu_times().children_system)  # those that have ended
    for process in (root, *root.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


async def callers(number: int, seconds: float, ask: Callable[[int], Awaitable[object]], meter: Meter) -> None:
    """`number` callers ask one after the other, each waiting for its answer, for `seconds`."""
    end = time.perf_counter() + seconds
    latencies = meter.latencies

    async def caller(me: int) -> int:
        done = 0
        while (begun := time.perf_counter()) < end:
            await ask(me)
            latencies.append(time.perf_counter() - begun)
            done += 1
        return done

    meter.start()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(caller(me)) for me in range(number)]
    meter.stop(sum(task.result() for task in tasks))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of all values do not pass; nan of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def ms(seconds: float) -> str:
    return f"{seconds * 1e3:.2f}" if seconds < 0.01 else f"{seconds * 1e3:.1f}"
