"""The only door to randomness: time-ordered ids, secret tokens, nonces."""

from __future__ import annotations

import base64
import os
import secrets
import threading
import time
from typing import Annotated

import msgspec

Ident = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+\Z")]
"""An id that came from outside. Nothing in it needs care where it is logged, shown or put beside others."""

_lock = threading.Lock()
_last = 0


def new_id() -> str:
    """A UUIDv7 as 26 lower-case base32hex characters; ids of one process sort in the order they were made.

    Layout: 48 bits of milliseconds, version, 74 random bits (RFC 9562, method 3: the random part is
    incremented when two ids fall into the same millisecond).
    """
    global _last  # noqa: PLW0603 (one counter a process is the point)
    fresh = (time.time_ns() // 1_000_000) << 80 | 0x7 << 76 | int.from_bytes(os.urandom(9), "big") << 2
    with _lock:
        _last = fresh if fresh > _last else _last + 1
        value = _last
    return base64.b32hexencode(value.to_bytes(16, "big")).decode().rstrip("=").lower()


def new_token() -> str:
    """An unguessable secret of 256 bits, URL-safe. Store only its hash."""
    return secrets.token_urlsafe(32)


def random_bytes(n: int) -> bytes:
    """`n` bytes from the operating system."""
    return os.urandom(n)


def same_secret(a: str | bytes, b: str | bytes) -> bool:
    """Compares in constant time."""
    left = a.encode() if isinstance(a, str) else a
    right = b.encode() if isinstance(b, str) else b
    return secrets.compare_digest(left, right)
