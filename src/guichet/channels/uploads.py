"""A file that somebody sends by HTTP, a customer or an agent: the raw file as the body, its name URL-encoded in
`X-Filename`."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from urllib.parse import unquote

from starlette.requests import ClientDisconnect, Request

from guichet.events.conversations import Attachment
from guichet.kit.errors import Refused, invalid
from guichet.store.port import Blobs

MAX_FILE = 25 * 1024 * 1024
"""Bytes."""
_TYPE = re.compile(r"[a-z0-9.+-]{1,64}/[a-z0-9.+-]{1,64}")


async def take_file(request: Request, blobs: Blobs, subject: str) -> Attachment:
    """Keeps it under the subject's key, piece by piece; a message may name it then. Raises Refused."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > MAX_FILE:
        raise _too_large()
    try:
        address, size = await blobs.put(subject, _bounded(request))
    except ClientDisconnect as error:
        raise invalid("body", "upload.broken_off", "send the file again") from error
    if size == 0:
        raise invalid("body", "attachment.empty", "choose a file that holds something")
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    kind = declared if _TYPE.fullmatch(declared) else "application/octet-stream"
    return Attachment(address, file_name(request.headers.get("x-filename", "")), kind, size)


def file_name(header: str) -> str:
    """The name that an URL-encoded header gives, without folders and control characters, at most 255 long."""
    name = re.split(r"[/\\]", unquote(header, errors="replace"))[-1]
    return "".join(c for c in name if c.isprintable()).strip()[:255] or "file"


async def _bounded(request: Request) -> AsyncIterator[bytes]:
    """The body, until it is too much."""
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > MAX_FILE:
            raise _too_large()
        if piece:
            yield piece


def _too_large() -> Refused:
    remedy = "a file may have 25 MB: send a smaller one, or a link"
    return Refused("too_large", "attachment.too_large", remedy, field="body", limit=MAX_FILE)
