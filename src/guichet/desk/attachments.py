"""Files of a conversation: taken in piece by piece, given out so that nothing in them can act in our name."""

from __future__ import annotations

import base64
import re
from typing import Annotated, Any, cast
from urllib.parse import quote

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import BaseModel

from guichet.accounts.access import Access
from guichet.accounts.permissions import WORK
from guichet.channels.uploads import take_file
from guichet.conversations.tables import MESSAGE
from guichet.desk.http import Deps, Ident, Needs, answer, problems
from guichet.desk.hub import not_found
from guichet.desk.reach import conversation_of
from guichet.store.port import Blobs, Row

MAX_NAME = 255
MAX_INLINE = 5 * 1024 * 1024
"""Bytes of a mail's own pictures that are put into its document."""
MAX_MESSAGES = 1_000

PICTURES: dict[bytes, str] = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}
"""What may be shown in place, by its first bytes: what a sender calls it counts for nothing."""

HARMLESS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, max-age=3600",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'self'",
}
MAIL_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src data:; "
    "style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)

_CID = re.compile(r"""(<img\b[^>]*?\bsrc=)(["'])cid:([^"'<>]{1,255})\2""", re.IGNORECASE)


class StoredFile(BaseModel):
    """A file that a message may name now."""

    address: str
    name: str
    type: str
    size: int


def routes(api: APIRouter, deps: Deps) -> None:
    """Adds the routes of files."""
    works = Needs(deps.door, WORK)
    body = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}

    @api.post(
        "/attachments",
        status_code=201,
        responses={201: {"model": StoredFile}, **problems(404, 409, 413)},
        openapi_extra={"requestBody": {"required": True, **body}},
        response_model=None,
    )
    async def upload(
        request: Request,
        conversation: Annotated[str, Query(min_length=1, max_length=128)],
        x_filename: Annotated[str, Header(max_length=3 * MAX_NAME)] = "",
        access: Access = Depends(works),
    ) -> Response:
        """The raw file as the body, its name URL-encoded in `X-Filename`. Kept under the customer's key."""
        row = await conversation_of(deps.reader, access, conversation)
        stored = await take_file(request, deps.blobs, str(row["subject"]))
        response = answer(stored)
        response.status_code = 201
        return response

    @api.get(
        "/attachments/{conversation}/{address}",
        responses={200: {"content": body["content"]}, **problems(404)},
        response_model=None,
    )
    async def download(conversation: Ident, address: Ident, access: Access = Depends(works)) -> Response:
        """A file of the conversation, or a mail as its sender laid it out."""
        row = await conversation_of(deps.reader, access, conversation)
        content = await read_file(deps.blobs, row, address)
        messages = await deps.reader.rows(
            MESSAGE,
            {"conversation": conversation, "org": access.org},
            order="n",
            descending=True,
            limit=MAX_MESSAGES,
        )
        for message in messages:
            if message["html_blob"] == address:
                html = await _with_pictures(deps.blobs, row, message, content.decode(errors="replace"))
                headers = {**HARMLESS, "Content-Security-Policy": MAIL_POLICY}
                return Response(html, media_type="text/html; charset=utf-8", headers=headers)
        return _file(content, _name_of(messages, address))


async def read_file(blobs: Blobs, conversation: Row, address: str) -> bytes:
    """A file kept under this conversation's customer's key. Raises Refused, also for anybody else's."""
    if await blobs.owner(address) != conversation["subject"]:
        raise not_found()
    content = await blobs.get(address)
    if content is None:
        raise not_found()
    return content


def _file(content: bytes, name: str) -> Response:
    """In place if it is a picture, else to be saved."""
    kind = picture(content)
    how = "inline" if kind else "attachment"
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", name)
    disposition = f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    return Response(
        content,
        media_type=kind or "application/octet-stream",
        headers={**HARMLESS, "Content-Disposition": disposition},
    )


def picture(content: bytes) -> str | None:
    """The type of a picture that browsers show, by what it really is."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for start, kind in PICTURES.items() if content.startswith(start)), None)


def _name_of(messages: list[Row], address: str) -> str:
    for message in messages:
        for file in cast("list[dict[str, Any]]", message["attachments"] or []):
            if file["address"] == address:
                return str(file["name"])
    return "file"


async def _with_pictures(blobs: Blobs, conversation: Row, message: Row, html: str) -> str:
    """The mail with its own pictures inside: a sandboxed document may fetch nothing, not even from us. Each says in
    `data-file` which of the message's files it is."""
    files = {
        f["cid"]: f["address"]
        for f in cast("list[dict[str, Any]]", message["attachments"] or [])
        if f.get("cid")
    }
    urls: dict[str, str] = {}
    room = MAX_INLINE
    for cid in dict.fromkeys(match[3] for match in _CID.finditer(html)):
        if cid not in files:
            continue
        content = await read_file(blobs, conversation, str(files[cid]))
        kind = picture(content)
        if kind is not None and len(content) <= room:
            room -= len(content)
            urls[cid] = f"data:{kind};base64,{base64.b64encode(content).decode()}"

    def shown(found: re.Match[str]) -> str:
        start, quote_mark, cid = found.groups()
        name = f" data-file={quote_mark}{files[cid]}{quote_mark}" if cid in urls else ""
        return f"{start}{quote_mark}{urls.get(cid, '')}{quote_mark}{name}"

    return _CID.sub(shown, html)
