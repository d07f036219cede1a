"""One fact as the log holds it."""

from __future__ import annotations

import msgspec

from guichet.kit.clock import Instant


class Entry(msgspec.Struct, gc=False):
    """One fact as stored. `sealed` is the ciphertext of its personal fields (nonce first), or None."""

    seq: int
    t: Instant
    org: str
    stream: str
    version: int
    type: str
    type_version: int
    actor: str
    subject: str | None
    data: bytes
    sealed: bytes | None
