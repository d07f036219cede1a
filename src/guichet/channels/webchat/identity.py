"""Who is logged in at the shop, as the shop signs it: a JSON Web Token with HMAC-SHA256 and nothing else.

Claims: `handle` (the shop's own id of its customer), `exp` (seconds since the epoch), and, where known, `name`
and `email`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Annotated

import msgspec

from guichet.kit.clock import Instant
from guichet.kit.errors import Refused
from guichet.kit.ids import same_secret

MAX_TOKEN = 4_096


class Claims(msgspec.Struct, frozen=True):
    """What the shop vouches for."""

    handle: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    exp: int
    name: Annotated[str, msgspec.Meta(max_length=200)] = ""
    email: Annotated[str, msgspec.Meta(max_length=254)] = ""


class _Header(msgspec.Struct, frozen=True):
    alg: str


def verify(token: str, secret: bytes, now: Instant) -> Claims:
    """The claims. Raises Refused(forbidden): identity.invalid or identity.expired."""
    parts = token.split(".")
    if len(token) > MAX_TOKEN or len(parts) != 3 or not token.isascii():
        raise _no()
    header, payload, signature = parts
    try:
        if msgspec.json.decode(_unpack(header), type=_Header).alg != "HS256":
            raise _no()
        # The signature is checked before anything of the payload is believed.
        if not same_secret(_unpack(signature), _mac(f"{header}.{payload}", secret)):
            raise _no()
        claims = msgspec.json.decode(_unpack(payload), type=Claims)
    except (ValueError, msgspec.MsgspecError) as error:
        raise _no() from error
    if claims.exp * 1_000 <= now:
        raise Refused("forbidden", "identity.expired", "let the shop sign a new one", field="identity")
    return claims


def sign(claims: Claims, secret: bytes) -> str:
    """The token as a shop would make it."""
    head, body = _pack(b'{"alg":"HS256","typ":"JWT"}'), _pack(msgspec.json.encode(claims))
    return f"{head}.{body}.{_pack(_mac(f'{head}.{body}', secret))}"


def _mac(text: str, secret: bytes) -> bytes:
    return hmac.new(secret, text.encode(), hashlib.sha256).digest()


def _pack(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _unpack(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _no() -> Refused:
    return Refused("forbidden", "identity.invalid", "the shop's signature does not match", field="identity")
