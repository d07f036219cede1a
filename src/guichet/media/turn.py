"""Credentials of a TURN server, for browsers in closed networks. Made here, good for a while, known to it by a secret
that both share: the way of coturn's `use-auth-secret` (draft-uberti-behave-turn-rest-00)."""

from __future__ import annotations

import base64
import hashlib
import hmac

import msgspec

from guichet.kit.clock import HOUR, SECOND, Instant

GOOD_FOR = 12 * HOUR
"""A shift."""


class IceServer(msgspec.Struct, frozen=True):
    """An entry of a browser's `iceServers`."""

    urls: list[str]
    username: str
    credential: str


class Turn:
    """`urls` such as turns:turn.example:443?transport=tcp; none: there is no TURN server."""

    def __init__(self, urls: list[str], secret: str) -> None:
        self._urls = urls
        self._secret = secret.encode()

    def servers(self, who: str, now: Instant) -> list[IceServer]:
        """For a browser of this person, from now on for `GOOD_FOR` milliseconds."""
        if not self._urls:
            return []
        name = f"{(now + GOOD_FOR) // SECOND}:{who}"
        proof = hmac.new(self._secret, name.encode(), hashlib.sha1).digest()
        return [IceServer(self._urls, name, base64.b64encode(proof).decode())]
