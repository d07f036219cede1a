"""A machine whose clock is wrong."""

from __future__ import annotations

from guichet.kit.clock import Instant, Millis, SystemClock


class WrongClock(SystemClock):
    """The machine's, `shift` milliseconds off. Only what may jump does: not the time since the machine began."""

    shift: Millis = 0

    def now(self) -> Instant:
        return super().now() + self.shift
