"""How soon Guichet works again after kill -9 on a long log, what it takes when idle, what browsers load first."""

from __future__ import annotations

import argparse
import asyncio
import gzip
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import uvloop

from bench.house import ENGINES, ORG, TEXT, Place, house, opened, place, visitor
from bench.measure import Table
from guichet.accounts.authorise import authorise
from guichet.kit.clock import SECOND
from guichet.kit.ids import new_id
from guichet.leader.memory import Memory
from guichet.leader.registry import COMMANDS, Actor, Command
from guichet.leader.run import Run, encode_answer
from guichet.leader.state import Missing, MissingRow
from guichet.server import stages
from guichet.server.app import DESK, WIDGET
from guichet.server.leading import SHARD
from guichet.store.port import Answered, Batch, Store
from tests.support.serving import Serving

FACTS, OPEN = 1_000_000, 5_000
SNAPSHOT = 100_000
CUSTOMERS = 2_000
BATCH = 200
"""Conversations in one commit of the history."""
STARTS = 3
GZIP_LEVEL = 6


# --- a long history ----------------------------------------------------------------------------------


class History:
    """Writes a history through the leader's own code, faster than it could have happened."""

    def __init__(self, store: Store, customers: list[str], agent: str) -> None:
        self._writer = store.writer
        self._sealer = store.sealer
        self._customers = customers
        self._agent = Actor("agent", agent, ORG)
        self._memory = Memory(SHARD, store.writer, store.sealer, stages.new_state)
        self._begun = 0

    async def write(self, facts: int, unclosed: int) -> int:
        """Until the log is that long, with a snapshot as far back as one can be; gives the log's length.
        The last `unclosed` conversations stay open. Runs on the leader's loop."""
        memory = self._memory
        epoch = await self._writer.lead(SHARD)
        await memory.load()
        await self._sealer.load_keys(self._customers)
        saved = False
        while memory.seq < facts:
            each = memory.seq / self._begun if self._begun else 25
            left = (facts - memory.seq) / each
            chosen = [self._conversation(left - n > unclosed) for n in range(BATCH)]
            await self._commit(epoch, [command for commands in chosen for command in commands])
            if not saved and memory.seq >= facts - SNAPSHOT:
                await memory.save_snapshot()
                saved = True
        return memory.seq

    def _conversation(self, over: bool) -> Iterator[Command]:
        """Six sentences and five replies, then its end."""
        customer, conversation = self._customers[self._begun % len(self._customers)], new_id()
        self._begun += 1
        yield _ask(
            visitor(customer), "open_conversation", conversation=conversation, customer=customer,
            entry_point="shop-chat", live=True, outbox=False,
        )  # fmt: skip
        for turn in range(6):
            yield _ask(
                visitor(customer), "receive_message", conversation=conversation, message=new_id(), text=TEXT
            )
            if turn == 0:
                yield _ask(self._agent, "take", conversation=conversation)
            if turn < 5:
                yield _ask(
                    self._agent, "send_message", conversation=conversation, message=new_id(), text=TEXT
                )
        if over:
            yield _ask(self._agent, "close", conversation=conversation)

    async def _commit(self, epoch: int, commands: list[Command]) -> None:
        memory = self._memory
        run = Run(memory.state, authorise, memory.seq, memory.t + 30 * SECOND)
        run.fire_deadlines()
        answers: list[Answered] = []
        for command in commands:
            answer: bytes | None = None
            while answer is None:
                try:
                    answer = encode_answer(run.command(command))
                except (Missing, MissingRow):
                    streams, _ = run.look_ahead(commands)
                    await memory.load_streams(streams)
            answers.append(Answered(ORG, str(command.actor), command.key, run.t, answer))
        for entry, personal in run.personal:
            entry.sealed = self._sealer.seal(entry, personal)
        rows = list(run.changes.rows.values())
        await self._writer.append(Batch(SHARD, epoch, run.entries, answers, rows, [], run.changes.jobs))
        memory.seq, memory.t = run.seq, run.t
        memory.state.forget_at_rest()


def _ask(actor: Actor, name: str, **payload: object) -> Command:
    return Command(name, new_id(), actor, msgspec.convert(payload, COMMANDS[name].payload))


async def furnish(where: Place, facts: int, unclosed: int) -> int:
    async with house(where) as h:
        await h.found()
        (agent,) = await h.agents(1, "break")
        customers = await h.customers(CUSTOMERS)
    async with opened(where) as (store, thread):
        return await thread.run(History(store, customers, agent).write(facts, unclosed))


# --- starts ------------------------------------------------------------------------------------------


async def started(server: Serving) -> float:
    """Seconds from the start of the process until it leads."""
    begun = time.perf_counter()
    server.launch()
    while not (await server.health()).get("leads"):
        assert server.code() is None, server.log()[-2_000:]
        await asyncio.sleep(0.01)
    return time.perf_counter() - begun


async def restarts(engine: str, facts: int) -> list[str]:
    unclosed = min(OPEN, facts // 100)
    with place(engine) as where:
        length = await furnish(where, facts, unclosed)
        server = Serving(where.folder, where.url)
        server.data = where.folder
        times = []
        try:
            await started(server)
            for _ in range(STARTS):
                await server.kill()
                times.append(await started(server))
            memory = psutil.Process(server.pid).memory_info().rss / 2**20
        finally:
            server.end()
    best, worst = min(times), max(times)
    return [
        engine, f"{length:,}", f"{unclosed:,}", f"{best:.2f} to {worst:.2f}", f"{memory:.0f}",
        f"under 3 s {'met' if worst < 3 else 'missed'}",
    ]  # fmt: skip


async def idle() -> list[str]:
    """A new installation that nobody uses."""
    with tempfile.TemporaryDirectory(prefix="guichet-bench-") as folder:
        server = Serving(Path(folder))
        try:
            first = await started(server)
            await asyncio.sleep(5)
            process = psutil.Process(server.pid)
            before = process.cpu_times()
            await asyncio.sleep(10)
            after = process.cpu_times()
            memory = process.memory_full_info()
        finally:
            server.end()
    cpu = (after.user + after.system - before.user - before.system) / 10
    rss = memory.rss / 2**20
    return [
        "sqlite", f"{first:.2f}", f"{rss:.0f}", f"{memory.uss / 2**20:.0f}", f"{cpu:.1%}",
        f"under 160 MB {'met' if rss < 160 else 'missed'}",
    ]  # fmt: skip


# --- what browsers load ------------------------------------------------------------------------------


def loads() -> list[list[str]]:
    """Compressed sizes of the built files; what is not built is said."""
    rows = []
    page = DESK / "index.html"
    first = [page]
    if page.is_file():
        named = re.findall(r'(?:src|href)="/desk/(assets/[^"]+\.(?:js|css))"', page.read_text())
        first += [DESK / name for name in named]
    for what, files, most in (("desk, first load", first, 300), ("widget", [WIDGET], 60)):
        if not all(file.is_file() for file in files):
            rows.append([what, "not built: run `make web`", "", f"under {most} kB"])
            continue
        size = sum(len(gzip.compress(file.read_bytes(), GZIP_LEVEL, mtime=0)) for file in files) / 1000
        met = "met" if size < most else "missed"
        rows.append([what, str(len(files)), f"{size:.0f}", f"under {most} kB {met}"])
    return rows


def main(arguments: list[str] | None = None) -> list[Table]:
    """Measures and gives the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.restart", description=__doc__)
    parser.add_argument("--facts", type=int, default=FACTS)
    parser.add_argument("--engine", choices=ENGINES, action="append")
    parser.add_argument("--only", choices=("restarts", "idle", "loads"))
    options = parser.parse_args(arguments)
    command = "python -m bench.restart"
    tables = []
    if options.only in (None, "restarts"):
        head = ["engine", "facts", "open conversations", "seconds until it leads", "MB", "aim"]
        note = (
            f"{STARTS} starts of `guichet serve`, each after kill -9; the snapshot is {SNAPSHOT:,} facts old."
        )
        rows = [uvloop.run(restarts(engine, options.facts)) for engine in options.engine or ENGINES]
        tables.append(Table("Start after kill -9", command, head, rows, [note]))
    if options.only in (None, "idle"):
        head = ["engine", "first start, s", "MB resident", "MB its own", "CPU of a core", "aim"]
        tables.append(Table("An idle installation", command, head, [uvloop.run(idle())]))
    if options.only in (None, "loads"):
        tables.append(Table("What browsers load", command, ["what", "files", "kB gzip", "aim"], loads()))
    return tables


if __name__ == "__main__":
    for made in main():
        print(made.text())
