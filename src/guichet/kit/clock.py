"""The only door to time. Everything outside `kit` gets a `Clock`; the leader alone reads it for facts."""

from __future__ import annotations

import time
from typing import Protocol

Instant = int
"""Milliseconds since the Unix epoch, UTC."""

Millis = int
"""A duration in milliseconds."""

SECOND: Millis = 1_000
MINUTE: Millis = 60 * SECOND
HOUR: Millis = 60 * MINUTE
DAY: Millis = 24 * HOUR


class Clock(Protocol):
    """Where the time comes from; `SystemClock` in production, `ManualClock` in tests and the simulator."""

    def now(self) -> Instant:
        """Wall clock, ms since the Unix epoch. May jump back: only the leader's stamp is monotone."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary origin, never going back. For durations and rate limits."""
        ...


class SystemClock:
    """The machine's clocks (Linux)."""

    def now(self) -> Instant:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        # CLOCK_BOOTTIME goes on while a laptop sleeps, so that deadlines do not stand still with it.
        return time.clock_gettime(time.CLOCK_BOOTTIME)


class SteadyClock:
    """Instants that neither jump back nor forth while this process lives: where the wall clock stood, and what has
    passed since. For times that are only compared with each other."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._origin = clock.now() - round(clock.monotonic() * SECOND)

    def now(self) -> Instant:
        return self._origin + round(self._clock.monotonic() * SECOND)


class ManualClock:
    """A clock that moves only when told; `now` may be set back to test jumps."""

    def __init__(self, now: Instant = 1_800_000_000_000) -> None:
        self._now = now
        self._monotonic = 0.0

    def now(self) -> Instant:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, millis: Millis) -> None:
        self._now += millis
        self._monotonic += millis / 1_000

    def jump(self, now: Instant) -> None:
        """Sets the wall clock alone, as an administrator or NTP would."""
        self._now = now
