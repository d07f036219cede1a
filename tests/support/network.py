"""Keeps tests off the network: unit tests open no connection at all, the others only to this machine."""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterator
from contextlib import contextmanager

NO_NETWORK = frozenset({"unit", "arch"})

_category = ""
_installed = False


class NetworkForbidden(Exception):
    """A test tried to reach something that its category may not."""


def install() -> None:
    global _installed  # noqa: PLW0603 - an audit hook can be added but never removed
    if not _installed:
        sys.addaudithook(_audit)
        _installed = True


@contextmanager
def limited_to(category: str) -> Iterator[None]:
    global _category  # noqa: PLW0603 - the hook has no other way to know which test runs
    _category = category
    try:
        yield
    finally:
        _category = ""


def _audit(event: str, args: tuple[object, ...]) -> None:
    if event != "socket.connect" or not _category:
        return
    address = args[1]
    if not isinstance(address, tuple):  # a path: a Unix socket
        return
    if _category in NO_NETWORK:
        raise NetworkForbidden(f"{_category} tests open no connections, this one tried {address}")
    if not _local(str(address[0])):
        raise NetworkForbidden(f"tests reach only this machine, this one tried {address}")


def _local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
