"""A phone whose network loses and delays packets: a talker with a clock of its own, and a relay of UDP between it and
the server.

with Relay(host, server_port, Weather(loss=0.05, jitter=0.04), seed=1) as relay:
    with Talker(host, relay.port, payloads, ppm=100) as talker:
        ...
"""

from __future__ import annotations

import heapq
import itertools
import random
import selectors
import socket
import struct
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

PACKET_SECONDS = 0.02
PCMA = 8
OWN_SECONDS = 0.05
"""A thread that is so late was held up by the machine: that is weather too, and nobody ordered it."""


@dataclass(frozen=True)
class Weather:
    """What a network does. `loss` is a share, in bursts of `burst` packets on average (Gilbert-Elliott, everything
    lost in the bad state); `jitter` in seconds, as netem's: each packet takes `jitter` more or less by chance, evenly,
    and may overtake others. In a stall, seconds since the start and how long, nothing arrives, and then all at once."""

    loss: float = 0.0
    burst: float = 3.0
    jitter: float = 0.0
    stalls: tuple[tuple[float, float], ...] = ()


class _Thread:
    """Work that goes on as long as the block."""

    def __init__(self, name: str) -> None:
        self.held_up: list[float] = []
        """When the machine held it up, in Unix seconds."""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._close()

    def _run(self) -> None:
        raise NotImplementedError

    def _close(self) -> None:
        raise NotImplementedError


def _socket(host: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((host, 0))
    made.setblocking(False)
    return made


class Relay(_Thread):
    """Phones send to `port`; from another port of the same host it goes on to the server, if it does."""

    def __init__(self, host: str, server_port: int, weather: Weather, seed: int) -> None:
        super().__init__("relay")
        self.sent = 0
        self.lost: list[float] = []
        """When packets were lost, in Unix seconds."""
        self.weather = weather
        self._chance = random.Random(seed)
        self._bad = False
        self._near, self._far = _socket(host), _socket(host)
        self._server = ("127.0.0.1", server_port)
        self._held: list[tuple[float, int, bytes]] = []
        self._numbers = itertools.count()
        self._began = time.monotonic()
        self.port = int(self._near.getsockname()[1])

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._near, selectors.EVENT_READ)
            while not self._over.is_set():
                due = self._held[0][0] - time.monotonic() if self._held else 0.1
                for _ in selector.select(max(due, 0)):
                    self._take()
                self._pass_on()

    def _take(self) -> None:
        while True:
            try:
                packet = self._near.recv(2048)
            except BlockingIOError:
                return
            self.sent += 1
            if self._loses():
                self.lost.append(time.time())
                continue
            now = time.monotonic()
            due = now + self.weather.jitter + self._chance.uniform(-1, 1) * self.weather.jitter
            for at, length in self.weather.stalls:
                if at <= due - self._began < at + length:
                    due = self._began + at + length
            heapq.heappush(self._held, (due, next(self._numbers), packet))

    def _loses(self) -> bool:
        weather = self.weather
        recovers = 1 / weather.burst
        turns = recovers if self._bad else weather.loss * recovers / (1 - weather.loss)
        if self._chance.random() < turns:
            self._bad = not self._bad
        return self._bad

    def _pass_on(self) -> None:
        while self._held and (late := time.monotonic() - self._held[0][0]) >= 0:
            if late > OWN_SECONDS:
                self.held_up.append(time.time())
            self._far.sendto(heapq.heappop(self._held)[2], self._server)

    def _close(self) -> None:
        self._near.close()
        self._far.close()


class Talker(_Thread):
    """Says the payloads (a-law, 20 ms) round and round, by a clock that is fast by so many ppm."""

    def __init__(self, host: str, port: int, payloads: list[bytes], ppm: float = 0.0) -> None:
        super().__init__("talker")
        self._payloads = payloads
        self._to = (host, port)
        self._every = PACKET_SECONDS / (1 + ppm * 1e-6)
        self._socket = _socket(host)
        self.began = 0.0
        """When the first sample was spoken, in Unix seconds."""

    def spoken(self, sample: int) -> float:
        """When a sample (8 kHz, from the beginning) was spoken, in Unix seconds."""
        return self.began + sample / 160 * self._every

    def _run(self) -> None:
        start = time.monotonic()
        self.began = time.time() - PACKET_SECONDS  # a phone sends what it has collected
        for number in itertools.count():
            wait = start + number * self._every - time.monotonic()
            if wait > 0 and self._over.wait(wait):
                return
            if self._over.is_set():
                return
            if time.monotonic() - start - number * self._every > OWN_SECONDS:
                self.held_up.append(time.time())
            head = struct.pack("!BBHII", 0x80, PCMA, number & 0xFFFF, (number * 160) & 0xFFFFFFFF, 0x7A1C0001)
            self._socket.sendto(head + self._payloads[number % len(self._payloads)], self._to)

    def _close(self) -> None:
        self._socket.close()
