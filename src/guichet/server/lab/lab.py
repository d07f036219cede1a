"""The lab: a media server in a folder of its own, a page with two browsers, a dial pad and the matrix to click."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import aclosing
from importlib import resources
from itertools import count
from pathlib import Path

import msgspec
import uvicorn
from rich.console import Console
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketClose, WebSocketDisconnect

from guichet.accounts.door import check_origin
from guichet.kit.body import decode_body
from guichet.kit.clock import SystemClock
from guichet.kit.errors import HTTP_STATUS, Refused, invalid
from guichet.kit.ids import new_id
from guichet.kit.tasks import Supervisor
from guichet.media.drivers.server import MediaServer
from guichet.media.plane import Dial, Gap, Hearing, MediaPlane, Play, Position, Room, Silent, Trunk
from guichet.server.lab.carrier import NUMBER, Carrier
from guichet.server.mediaserver import MediaProcess
from guichet.server.ports import free_port
from guichet.server.serve import Server
from guichet.server.settings import ProcessSettings

ROOM = "lab"
TRUNK = "carrier"
RETRY = 0.2
MAX_BODY = 128 * 1024
HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""How a browser may call the page: it listens on this machine alone, also at the end of a tunnel."""
FILES = {
    "lab.html": "text/html",
    "lab.css": "text/css",
    "lab.js": "text/javascript",
    "words.js": "text/javascript",
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ws:; "
    "media-src 'self' blob:; img-src data:; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
}


class Number(msgspec.Struct, frozen=True):
    """Whom to dial."""

    number: str


class Offer(msgspec.Struct, frozen=True):
    """A browser's."""

    sdp: str


class Digits(msgspec.Struct, frozen=True):
    """Keys of the dial pad."""

    digits: str


class Lab:
    """One visit: rooms and calls live as long as the process."""

    def __init__(self, plane: MediaPlane, carrier: Carrier, sip_port: int) -> None:
        self.plane = plane
        self.carrier = carrier
        self.sip_port = sip_port
        self._rev = 0
        self._calls = count(1)

    def routes(self) -> list[Route | WebSocketRoute]:
        return [
            Route("/", self.page),
            Route("/{name:str}", self.file),
            Route("/api/state", self.state),
            Route("/api/room", self.room, methods=["PUT"]),
            Route("/api/dial", self.dial, methods=["POST"]),
            Route("/api/call-in", self.call_in, methods=["POST"]),
            Route("/api/play", self.play, methods=["POST"]),
            Route("/api/endpoints/{endpoint}/{act}", self.act, methods=["POST"]),
            WebSocketRoute("/api/events", self.events),
        ]

    async def page(self, request: Request) -> Response:
        return _file("lab.html")

    async def file(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in FILES:
            raise Refused("not_found", "not_found", "there is no such page")
        return _file(name)

    async def state(self, request: Request) -> Response:
        return _json(
            {"state": await self.plane.state(), "number": NUMBER, "carrier": not self.carrier.missing}
        )

    async def room(self, request: Request) -> Response:
        wanted = await decode_body(request, Hearing, MAX_BODY)
        self._rev = max(self._rev, await self._put_rev()) + 1
        fields = {name: getattr(wanted, name) for name in Hearing.__struct_fields__}
        await self.plane.put([Room(id=ROOM, rev=self._rev, **fields)])
        return _json({"rev": self._rev})

    async def _put_rev(self) -> int:
        return max((room.rev for room in (await self.plane.state()).rooms if room.id == ROOM), default=0)

    async def dial(self, request: Request) -> Response:
        asked = await decode_body(request, Number, MAX_BODY)
        call = Dial(trunk=TRUNK, number=asked.number, caller_id=NUMBER, timeout_ms=30_000)
        endpoint = f"out-{next(self._calls)}-{new_id()[-6:]}"
        await self.plane.dial(endpoint, call)
        return _json({"endpoint": endpoint})

    async def call_in(self, request: Request) -> Response:
        await self.carrier.call(self.sip_port)
        return _json({})

    async def play(self, request: Request) -> Response:
        await self.plane.play(ROOM, await decode_body(request, Play, MAX_BODY))
        return _json({})

    async def act(self, request: Request) -> Response:
        endpoint, act = request.path_params["endpoint"], request.path_params["act"]
        match act:
            case "offer":
                offer = await decode_body(request, Offer, MAX_BODY)
                return _json({"sdp": await self.plane.browser(endpoint, offer.sdp)})
            case "answer":
                await self.plane.answer(endpoint)
            case "reject":
                await self.plane.reject(endpoint, 486)
            case "hangup":
                await self.plane.hang_up(endpoint)
            case "digits":
                keys = await decode_body(request, Digits, MAX_BODY)
                await self.plane.digits(endpoint, new_id(), keys.digits)
            case _:
                raise invalid("act", "lab.unknown_act", "there is no such act")
        return _json({})

    async def events(self, socket: WebSocket) -> None:
        """What happens, and five times a second how loud each one is; until the page goes."""
        await socket.accept()
        try:
            while True:
                try:
                    state = await self.plane.state()
                    await socket.send_text('{"kind":"state"}')
                    async with aclosing(
                        self.plane.events(Position(state.epoch, state.seq), levels=True)
                    ) as events:
                        async for event in events:
                            await socket.send_text(msgspec.json.encode(event).decode())
                except (Silent, Gap):
                    await socket.send_text('{"kind":"away"}')
                    await asyncio.sleep(RETRY)
        except WebSocketDisconnect:
            return


class OwnPage:
    """Lets the lab's own page in, on this machine, and nothing else: who opens a page of another site while the lab
    runs would let that site place calls, also under a name of its own that leads here (DNS rebinding)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer: ASGIApp = self._app
        if scope["type"] in ("http", "websocket"):
            try:
                _check(HTTPConnection(scope))
            except Refused as refused:
                answer = WebSocketClose(1008) if scope["type"] == "websocket" else _refusal(refused)
        await answer(scope, receive, send)


def _check(connection: HTTPConnection) -> None:
    host = connection.headers.get("host", "")
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    if name not in HOSTS:
        raise Refused("forbidden", "lab.foreign_host", "the lab is on this machine: ask for it by 127.0.0.1")
    check_origin(connection)


def _refusal(refused: Refused) -> Response:
    return JSONResponse(refused.as_dict(), HTTP_STATUS[refused.kind], HEADERS)


def application(lab: Lab) -> Starlette:
    """The page and what it asks. A refusal is answered with what to do."""

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return _refusal(error)

    return Starlette(
        routes=lab.routes(), middleware=[Middleware(OwnPage)], exception_handlers={Refused: refused}
    )


async def serve(port: int, program: str) -> None:
    """Runs until told to stop. Raises Refused when there is no media server."""
    console = Console()
    tasks = Supervisor()
    with tempfile.TemporaryDirectory(prefix="guichet-lab-") as name:
        folder = Path(name)
        sip_port = free_port()
        settings = ProcessSettings(
            data_dir=folder,
            media_server=program,
            sip_port=sip_port,
            webrtc_port=free_port(),
            media_host="127.0.0.1",
        )
        media = MediaProcess(settings, SystemClock())
        if media.program() is None:
            remedy = "the media server is not built yet: run `python -m tools.setup media`, or name it with --program"
            raise Refused("unavailable", "media.missing", remedy)
        carrier = Carrier(folder)
        plane = MediaServer(media.url, media.token)
        tasks.start("media server", media.run())
        try:
            await carrier.open()
            await _ready(plane, carrier)
            app = application(Lab(plane, carrier, sip_port))
            console.print(f"The lab answers at http://127.0.0.1:{port}")
            if carrier.missing:
                console.print(
                    "  without a carrier: install sipp (Debian: sip-tester) to have one", style="dim"
                )
            config = uvicorn.Config(app, port=port, log_level="warning", timeout_graceful_shutdown=1)
            await Server(config).serve()
        finally:
            media.stop()
            await media.ended()  # before its folder goes
            await carrier.close()
            await plane.close()
            await tasks.close()


async def _ready(plane: MediaServer, carrier: Carrier) -> None:
    trunk = Trunk(
        id=TRUNK, peer=f"{carrier.host}:{carrier.port}", transport="udp", allow=[f"{carrier.host}/32"],
        codecs=["PCMA", "PCMU"], max_calls=50, max_per_s=20, countries=[f"+{zone}" for zone in range(1, 10)],
    )  # fmt: skip
    while True:
        try:
            await plane.trunks(1, [trunk])
            return
        except Silent:
            await asyncio.sleep(RETRY)


def _file(name: str) -> Response:
    content = resources.files(__package__).joinpath("pages", name).read_bytes()
    return Response(content, media_type=FILES[name], headers=HEADERS)


def _json(what: object) -> Response:
    return Response(msgspec.json.encode(what), media_type="application/json", headers=HEADERS)
