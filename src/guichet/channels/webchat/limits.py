"""Token buckets: how often somebody may do something."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

from guichet.kit.clock import Clock
from guichet.kit.errors import Refused


class Bucket:
    """Holds `burst` tokens at most, gains `per_second`."""

    __slots__ = ("_at", "_burst", "_clock", "_left", "_per_second")

    def __init__(self, clock: Clock, burst: float, per_second: float) -> None:
        self._clock = clock
        self._burst = burst
        self._per_second = per_second
        self._left = burst
        self._at = clock.monotonic()

    def take(self) -> bool:
        """Takes one token; False when there is none."""
        now = self._clock.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class PerAddress:
    """One bucket per network address (IPv6: per /64), the least recently seen forgotten."""

    LIMIT = 20_000

    def __init__(self, clock: Clock, burst: float, per_second: float) -> None:
        self._clock = clock
        self._burst = burst
        self._per_second = per_second
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def check(self, address: str) -> None:
        """Raises Refused(limited). This machine itself is the operator's and is not limited."""
        network = _network(address)
        if network is None:
            return
        bucket = self._buckets.get(network)
        if bucket is None:
            bucket = self._buckets[network] = Bucket(self._clock, self._burst, self._per_second)
            if len(self._buckets) > self.LIMIT:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(network)
        if not bucket.take():
            raise Refused("limited", "address.too_often", "wait a moment, then try again")


def _network(address: str) -> str | None:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.is_loopback:
        return None
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((parsed, 64), strict=False))
    return str(parsed)
