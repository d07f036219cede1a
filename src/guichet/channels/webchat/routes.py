"""The chat door's HTTP side: what a visitor may know, opening a visit, files, and the socket.

Plain routes and msgspec: this is the hot path. The widget runs on the client's own site, so every answer
carries the CORS headers of an allowed origin, refusals too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import quote, urlsplit

import msgspec
import structlog
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from guichet.accounts.settings import Client
from guichet.channels.base import Edge, Entry
from guichet.channels.inbound import language_of
from guichet.channels.reading import said_before
from guichet.channels.registry import entry_named
from guichet.channels.uploads import take_file
from guichet.channels.webchat.limits import PerAddress
from guichet.channels.webchat.presence import Presence
from guichet.channels.webchat.socket import BURST, PER_SECOND, Talk
from guichet.channels.webchat.visitors import NAME, OpenRequest, Visit, find_visit, open_visit
from guichet.kit.body import read_body
from guichet.kit.errors import HTTP_STATUS, Refused, invalid
from guichet.kit.limits import Buckets

ROOT = f"/api/{NAME}/{{entry}}"
MAX_OPEN = 16 * 1024
"""Bytes of the request that opens a visit."""
SHOWN_INLINE = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
FILES_SEARCHED = 1_000
"""Messages of a visit's conversation in which an attachment is looked for."""
GONE = {"signed_out": 4401, "limited": 1013, "unavailable": 1013}

log = structlog.get_logger(__name__)

Answer = Callable[[Request, Entry], Awaitable[Response]]


class FormFields(msgspec.Struct, frozen=True):
    """What the form before the chat asks for: no, optional, required."""

    name: str
    email: str


class Shop(msgspec.Struct, frozen=True):
    """Whose chat it is."""

    name: str
    colour: str
    mark: str


class DoorWords(msgspec.Struct, frozen=True):
    """What anybody may know before saying who they are."""

    client: Shop
    open: bool
    hours: str | None
    form: FormFields
    greeting: str


class Opened(msgspec.Struct, frozen=True):
    """A visit's token, and how things stand."""

    token: str
    customer: str
    conversation: str | None
    client: Shop
    open: bool
    hours: str | None


class Pages:
    """The routes, over one edge."""

    def __init__(self, edge: Edge, talks: set[Talk], presence: Presence) -> None:
        self._edge = edge
        self._talks = talks
        self._presence = presence
        self._opens = PerAddress(edge.clock, burst=60, per_second=2)
        self._frames = Buckets(edge.clock, BURST, PER_SECOND)
        self._uploads = PerAddress(edge.clock, burst=30, per_second=1)

    @property
    def routes(self) -> Sequence[BaseRoute]:
        return (
            self._route("", self._door, "GET"),
            self._route("/open", self._open, "POST"),
            self._route("/attachments", self._upload, "POST"),
            self._route("/attachments/{address}", self._download, "GET"),
            WebSocketRoute(f"{ROOT}/socket", self._socket),
        )

    def _route(self, path: str, answer: Answer, method: str) -> Route:
        async def handle(request: Request) -> Response:
            headers: dict[str, str] = {"Vary": "Origin"}
            try:
                entry = entry_named(self._edge.directory, NAME, request.path_params["entry"])
                origin = self._check_origin(request, entry)
                if origin:
                    headers["Access-Control-Allow-Origin"] = origin
                if request.method == "OPTIONS":
                    return Response(status_code=204, headers={**headers, **_preflight(method)})
                response = await answer(request, entry)
            except Refused as refused:
                response = _json(refused.as_dict(), HTTP_STATUS[refused.kind])
            response.headers.update(headers)
            return response

        return Route(ROOT + path, handle, methods=[method, "OPTIONS"])

    def _check_origin(self, connection: HTTPConnection, entry: Entry) -> str:
        """The browser's origin, "" when it names none. Raises Refused(forbidden) for a site that is not allowed."""
        origin = connection.headers.get("origin", "")
        if not origin:
            return ""
        own = {connection.headers.get("host", ""), urlsplit(str(self._edge.process.get("url", ""))).netloc}
        if origin.lower() not in entry.settings.allowed_origins and urlsplit(origin).netloc not in own - {""}:
            raise Refused(
                "forbidden", "origin.foreign", "this site may not show the chat; add it to the entry point"
            )
        return origin

    # -- pages -------------------------------------------------------------------------------------------

    async def _door(self, request: Request, entry: Entry) -> Response:
        language = language_of(entry.config, request.query_params.get("language", ""))
        settings = entry.settings
        is_open, hours = self._hours(entry, language)
        form = FormFields(settings.ask_name, settings.ask_email)
        words = DoorWords(self._shop(entry), is_open, hours, form, settings.greeting(language))
        return _json(words, headers={"Cache-Control": "public, max-age=30"})

    async def _open(self, request: Request, entry: Entry) -> Response:
        self._opens.check(_address(request))
        body = await read_body(request, MAX_OPEN)
        try:
            asked = msgspec.json.decode(body, type=OpenRequest)
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise invalid("body", "open.invalid", str(error)) from error
        token, visit = await open_visit(self._edge, entry, asked)
        is_open, hours = self._hours(entry, visit.language)
        conversation = visit.conversation if await self._has_begun(visit) else None
        opened = Opened(token, visit.customer, conversation, self._shop(entry), is_open, hours)
        return _json(opened, headers={"Cache-Control": "no-store"})

    async def _upload(self, request: Request, entry: Entry) -> Response:
        self._uploads.check(_address(request))
        visit = await self._visit(request, entry)
        return _json(await take_file(request, self._edge.blobs, visit.customer), 201)

    async def _download(self, request: Request, entry: Entry) -> Response:
        visit = await self._visit(request, entry)
        address = request.path_params["address"]
        for row in await said_before(self._edge.reader, visit.conversation, None, FILES_SEARCHED):
            for file in _files(row["attachments"]):
                if file.get("address") == address:
                    content = await self._edge.blobs.get(address)
                    if content is not None:
                        return _file(content, file)
        raise Refused("not_found", "attachment.unknown", "there is no such file in this conversation")

    async def _socket(self, socket: WebSocket) -> None:
        try:
            entry = entry_named(self._edge.directory, NAME, socket.path_params["entry"])
            self._check_origin(socket, entry)
            visit = await find_visit(self._edge, entry, socket.query_params.get("token", ""))
            talk = Talk(self._edge, visit, socket, self._presence, self._frames)
        except Refused as refused:
            if "websocket.http.response" in socket.scope.get("extensions", {}):
                await socket.send_denial_response(_json(refused.as_dict(), HTTP_STATUS[refused.kind]))
            else:
                await socket.close(GONE.get(refused.kind, 1008))
            return
        await socket.accept()
        self._talks.add(talk)
        try:
            await talk.serve()
        except Refused as refused:
            await socket.close(GONE.get(refused.kind, 1008), refused.code)
        finally:
            self._talks.discard(talk)

    # -- inside ------------------------------------------------------------------------------------------

    async def _visit(self, request: Request, entry: Entry) -> Visit:
        return await find_visit(self._edge, entry, request.headers.get("x-guichet-token", ""))

    async def _has_begun(self, visit: Visit) -> bool:
        return bool(await said_before(self._edge.reader, visit.conversation, None, 1))

    def _hours(self, entry: Entry, language: str) -> tuple[bool, str | None]:
        """Whether people answer now, and what to say when they do not."""
        is_open = self._edge.is_open(entry.org, entry.config.queue)
        return is_open, None if is_open else entry.settings.closed(language)

    def _shop(self, entry: Entry) -> Shop:
        client = self._edge.directory.find(entry.org, Client, entry.config.client)
        if client is None:
            return Shop(entry.config.name, "#1f5f8b", "")
        return Shop(client.name, client.colour, client.mark)


def _json(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(value), status, headers, "application/json")


def _preflight(method: str) -> dict[str, str]:
    return {
        "Access-Control-Allow-Methods": method,
        "Access-Control-Allow-Headers": "content-type, x-filename, x-guichet-token",
        "Access-Control-Max-Age": "600",
    }


def _address(request: Request) -> str:
    return request.client.host if request.client is not None else ""


def _files(value: object) -> list[dict[str, object]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _file(content: bytes, file: dict[str, object]) -> Response:
    """Only plain pictures are shown; anything else is saved, and nothing of it ever runs here."""
    kind = str(file.get("type"))
    safe = kind in SHOWN_INLINE
    name = quote(str(file.get("name", "file")), safe="")
    headers = {
        "Content-Disposition": f"{'inline' if safe else 'attachment'}; filename*=UTF-8''{name}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cache-Control": "private, max-age=3600",
    }
    return Response(content, 200, headers, kind if safe else "application/octet-stream")
