"""What has been quiet for long enough to be forgotten."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from guichet.kit.clock import Instant, Millis


class Resting:
    """Keys by the time they were last touched. Time is what `touch` says, not a clock's: whoever folds the same
    facts forgets the same keys, live or in a replay."""

    def __init__(self, keep: Millis, now: Instant = 0) -> None:
        self.now = now
        self._keep = keep
        self._touched: OrderedDict[str, Instant] = OrderedDict()

    def touch(self, key: str, t: Instant) -> None:
        """`key` is at rest since `t`."""
        self.now = max(self.now, t)
        self._touched[key] = t
        self._touched.move_to_end(key)

    def wake(self, key: str) -> None:
        """`key` is not at rest."""
        self._touched.pop(key, None)

    def recall(self, key: str) -> None:
        """`key` was brought back from long ago: if it is at rest it is the first to be forgotten again."""
        if key in self._touched:
            self._touched.move_to_end(key, last=False)

    def overdue(self) -> Iterator[str]:
        """Takes out every key that has been at rest for `keep` milliseconds."""
        while self._touched:
            key, t = next(iter(self._touched.items()))
            if t > self.now - self._keep:
                return
            del self._touched[key]
            yield key
