"""How often one network address may ask."""

from __future__ import annotations

import ipaddress

from guichet.kit.clock import Clock
from guichet.kit.errors import Refused
from guichet.kit.limits import Buckets


class PerAddress:
    """A bucket of tokens per network address, for IPv6 per /64."""

    def __init__(self, clock: Clock, burst: int, per_second: float) -> None:
        self._buckets = Buckets(clock, burst, per_second)

    def check(self, address: str) -> None:
        """Raises Refused(limited). This machine itself is the operator's and is not limited."""
        network = _network(address)
        if network is not None and not self._buckets.take(network):
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
