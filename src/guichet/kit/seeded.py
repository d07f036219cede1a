"""A small deterministic generator for invented data: the same seed tells the same story, on every machine."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from typing import TypeVar

from guichet.kit.clock import Instant

T = TypeVar("T")

MASK = (1 << 64) - 1


class Seeded:
    """SplitMix64. Not for secrets (`kit.ids`), not for statistics (`kit.draws`)."""

    def __init__(self, seed: int) -> None:
        self._state = seed & MASK

    def bits(self) -> int:
        """64 bits."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & MASK
        z = self._state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def below(self, n: int) -> int:
        """0 <= result < n."""
        return self.bits() % n

    def between(self, low: int, high: int) -> int:
        """low <= result <= high."""
        return low + self.below(high - low + 1)

    def chance(self, share: float) -> bool:
        """True in `share` of all cases."""
        return self.bits() < share * (MASK + 1)

    def pick(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def exponential(self, mean: float) -> float:
        return -mean * math.log((self.bits() + 1) / (MASK + 1))

    def id_at(self, t: Instant) -> str:
        """An id as `kit.ids.new_id` would have made it at that time."""
        value = t << 80 | 0x7 << 76 | (self.bits() << 12 | self.bits() >> 52)
        return base64.b32hexencode(value.to_bytes(16, "big")).decode().rstrip("=").lower()
