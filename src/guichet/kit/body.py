"""The body of an HTTP request, read no further than a bound."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from starlette.requests import Request

from guichet.kit.errors import Refused, invalid

T = TypeVar("T")


async def read_body(request: Request, limit: int) -> bytes:
    """All of it. Raises Refused past `limit` bytes."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > limit:
            raise Refused("too_large", "body.too_large", "send less", field="body", limit=limit)
    return body


async def decode_body(request: Request, kind: type[T], limit: int) -> T:
    """Its JSON as this kind. Raises Refused."""
    try:
        return msgspec.json.decode(await read_body(request, limit), type=kind)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise invalid("body", "body.invalid", str(error)) from error
