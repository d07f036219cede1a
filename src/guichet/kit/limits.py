"""A limited rate per key: a bucket of tokens that fills up again."""

from __future__ import annotations

from collections import OrderedDict

from guichet.kit.clock import Clock


class Buckets:
    """Buckets of `size` tokens, refilled at `per_second`. At most `keys` are remembered: the one that was used
    longest ago is forgotten, and is full when it comes back."""

    def __init__(self, clock: Clock, size: int, per_second: float, keys: int = 100_000) -> None:
        self._clock = clock
        self._size = size
        self._per_second = per_second
        self._keys = keys
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> bool:
        """Takes a token; False when there is none."""
        now = self._clock.monotonic()
        level, since = self._levels.pop(key, (float(self._size), now))
        level = min(self._size, level + (now - since) * self._per_second)
        taken = level >= 1
        self._levels[key] = (level - 1 if taken else level, now)
        if len(self._levels) > self._keys:
            self._levels.popitem(last=False)
        return taken

    def give_back(self, key: str) -> None:
        """What was taken need not have been."""
        if key in self._levels:
            level, since = self._levels[key]
            self._levels[key] = (min(self._size, level + 1), since)
