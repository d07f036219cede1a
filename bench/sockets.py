"""Ten thousand desks: real WebSockets on loopback to one web process, each an agent of its own with three views.

The server is a process of its own (`bench.sockets_server`); this one is all the browsers: a bare protocol that
answers pings, checks each subscription's chain of `prev`, and reads the time of the commit out of each delta.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any, cast

import uvloop

from bench.house import MASTER_KEY, Place, house
from bench.measure import Table, ms, percentile
from bench.sockets_server import raise_file_limit

HEAD = [
    "desks",
    "KB each",
    "CPU to open, µs",
    "idle CPU",
    "deltas/s",
    "CPU",
    "µs a delta",
    "tick ms",
    "p50 ms",
    "p99 ms",
    "GC ms",
]
NOTE = (
    "KB each: what the process grew by, sockets, sessions, subscriptions and all. CPU: of one core, server "
    "process, fed with committed batches every 10 ms; one change in ten is of a client without clearance and must "
    "not arrive. Tick: the longest that one turn of the loop took. Latency: from the hand-over of the commit to "
    "the frame in the client, both on these cores. GC: a full collection, which Python makes by itself when the "
    "sockets have grown by a quarter; one is made before the deltas."
)
VIEWS = 3
OPENING = 200
"""Desks that open at once."""
SETTLE_SECONDS = 5.0
GUID = b"0123456789abcdef"


class Desk(asyncio.Protocol):
    """One browser."""

    def __init__(self, crowd: Crowd, token: str, conversation: str) -> None:
        self.crowd = crowd
        self.token = token
        self.conversation = conversation
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.buffer = b""
        self.open = False
        self.snapshots = 0
        self.n: dict[bytes, int] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        origin = f"127.0.0.1:{self.crowd.port}"
        self.transport.write(
            f"GET /api/desk HTTP/1.1\r\nHost: {origin}\r\nOrigin: http://{origin}\r\nConnection: Upgrade\r\n"
            f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nCookie: guichet_session={self.token}\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(GUID).decode()}\r\n\r\n".encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.crowd.leaving:
            self.crowd.lost += 1
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("the desk was closed"))

    def data_received(self, data: bytes) -> None:
        buffer = self.buffer + data if self.buffer else data
        if not self.open:
            head, found, buffer = buffer.partition(b"\r\n\r\n")
            if not found:
                self.buffer = head
                return
            assert b" 101 " in head.splitlines()[0], head
            self.open = True
            for view, partition in (("my_work", ""), ("me", ""), ("thread", self.conversation)):
                frame = {"op": "subscribe", "sub": view, "view": view, "partition": partition}
                self.transport.write(masked(1, json.dumps(frame).encode()))
        at = 0
        while len(buffer) - at >= 2:
            length, start = buffer[at + 1], at + 2
            if length == 126:
                if len(buffer) - at < 4:
                    break
                length, start = int.from_bytes(buffer[at + 2 : at + 4], "big"), at + 4
            elif length == 127:
                if len(buffer) - at < 10:
                    break
                length, start = int.from_bytes(buffer[at + 2 : at + 10], "big"), at + 10
            if len(buffer) < start + length:
                break
            self.frame(buffer[at] & 15, buffer[start : start + length])
            at = start + length
        self.buffer = buffer[at:]

    def frame(self, opcode: int, payload: bytes) -> None:
        if opcode == 9:
            self.transport.write(masked(10, payload))
        elif payload.startswith(b'{"op":"delta"'):
            self.delta(payload)
        elif payload.startswith(b'{"op":"snapshot"'):
            frame = json.loads(payload)
            self.n[frame["sub"].encode()] = frame["n"]
            self.snapshots += 1
            if self.snapshots == VIEWS:
                self.ready.set_result(None)
        elif opcode == 1 and not payload.startswith(b'{"op":"hello"'):
            self.crowd.strange.append(payload[:200])

    def delta(self, payload: bytes) -> None:
        sub, prev, n = payload.split(b",", 4)[1:4]
        name = sub[7:-1]
        if self.n[name] != int(prev[7:]):
            self.crowd.strange.append(payload[:200])
        self.n[name] = int(n[4:])
        mark = b'"at":' if name == b"thread" else b'"since":'
        rows = payload.split(mark)[1:]
        self.crowd.rows += len(rows)
        if self.crowd.listening:
            now = time.monotonic_ns() // 1_000
            self.crowd.latencies += [now - int(row.partition(b",")[0].rstrip(b"}]")) for row in rows]


def masked(opcode: int, payload: bytes) -> bytes:
    """A client's frame; a mask of zeros leaves the payload as it is."""
    length = len(payload)
    small = length < 126
    head = bytes([128 | opcode, 128 | length]) if small else struct.pack("!BBH", 128 | opcode, 254, length)
    return head + bytes(4) + payload


class Crowd:
    """All the browsers."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.desks: list[Desk] = []
        self.latencies: list[int] = []
        self.rows = 0
        self.lost = 0
        self.strange: list[bytes] = []
        self.listening = False
        self.leaving = False

    async def come(self, tokens: list[str], conversations: list[str]) -> None:
        loop = asyncio.get_running_loop()
        pairs = list(zip(tokens, conversations, strict=True))
        for start in range(0, len(pairs), OPENING):
            desks = [Desk(self, *pair) for pair in pairs[start : start + OPENING]]
            async with asyncio.timeout(60):
                for desk in desks:
                    await loop.create_connection(partial(_the, desk), "127.0.0.1", self.port)
                await asyncio.gather(*(desk.ready for desk in desks))
            self.desks += desks

    def go(self) -> None:
        self.leaving = True
        for desk in self.desks:
            desk.transport.abort()


def _the(desk: Desk) -> Desk:
    return desk


class Server:
    """The measured process, asked by lines."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.sockets_server", str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    async def read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        while (line := await asyncio.to_thread(self.process.stdout.readline)) and not line.startswith("{"):
            print(line, end="", file=sys.stderr)  # a log line
        return dict(json.loads(line))

    async def ask(self, **what: object) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        return await self.read()

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


async def filled(folder: Path, number: int) -> list[str]:
    """The centre on disk: agents, and a chat for each."""
    key = folder / "master.key"
    key.write_text(MASTER_KEY.hex() + "\n")
    key.chmod(0o600)
    async with house(Place(folder, None)) as h:
        await h.found()
        await h.agents(number, "offline")
        conversations = []
        customers = await h.customers(number)
        for start in range(0, number, 200):
            chosen = customers[start : start + 200]
            names = [f"c{start + i}" for i in range(len(chosen))]
            await asyncio.gather(*(h.open(name, who) for name, who in zip(names, chosen, strict=True)))
            conversations += names
    return conversations


async def measured(number: int, rate: int, seconds: float) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="guichet-bench-") as name:
        folder = Path(name)
        conversations = await filled(folder, number)
        server = Server(folder)
        try:
            return await _measured(server, conversations, rate, seconds)
        finally:
            server.end()


async def _measured(server: Server, conversations: list[str], rate: int, seconds: float) -> list[str]:
    started = await server.read()
    crowd = Crowd(started["port"])
    tokens, agents = started["tokens"], started["agents"]
    # One desk first: what the process loads lazily is not the sockets' weight.
    await crowd.come(tokens[:1], conversations[:1])
    before = await server.ask(do="look")
    await crowd.come(tokens[1:], conversations[1:])
    await asyncio.sleep(SETTLE_SECONDS)  # the leader has been told of everybody who came
    after = await server.ask(do="look")
    await asyncio.sleep(SETTLE_SECONDS)
    idle = await server.ask(do="look")
    crowd.rows, crowd.listening = 0, True
    fed = await server.ask(do="feed", agents=agents, conversations=conversations, rate=rate, seconds=seconds)
    await asyncio.sleep(1)
    crowd.go()
    assert not crowd.lost, f"{crowd.lost} desks were lost"
    assert not crowd.strange, crowd.strange[:3]
    assert crowd.rows == fed["sent"], f"{fed['sent']} rows were for the desks, {crowd.rows} arrived"
    count = len(tokens) - 1
    seconds = fed["seconds"]
    latencies = [value / 1e6 for value in crowd.latencies]
    return [
        f"{len(tokens):,}",
        f"{(after['rss'] - before['rss']) / count / 1024:.1f}",
        f"{(after['cpu'] - before['cpu']) / count * 1e6:.0f}",
        f"{(idle['cpu'] - idle['collecting'] - after['cpu']) / SETTLE_SECONDS:.0%}",
        f"{fed['sent'] / seconds:,.0f}",
        f"{fed['cpu'] / seconds:.0%}",
        f"{fed['cpu'] / fed['sent'] * 1e6:.0f}",
        f"{fed['longest_tick'] * 1e3:.0f}",
        ms(percentile(latencies, 0.5)),
        ms(percentile(latencies, 0.99)),
        f"{idle['collecting'] * 1e3:.0f}",
    ]


def main(arguments: list[str] | None = None) -> list[Table]:
    """Measures and gives the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.sockets", description=__doc__)
    parser.add_argument("--desks", type=int, default=10_000)
    parser.add_argument("--rate", type=int, default=5_000, help="changes a second")
    parser.add_argument("--seconds", type=float, default=15)
    options = parser.parse_args(arguments)
    raise_file_limit()
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    row = uvloop.run(measured(options.desks, options.rate, options.seconds))
    return [Table("Desks in one web process", "python -m bench.sockets", HEAD, [row], [NOTE])]


if __name__ == "__main__":
    for made in main():
        print(made.text())
