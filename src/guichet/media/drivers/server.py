"""The driver for our own media server: its control protocol (docs/reference/media-control.md)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeVar
from urllib.parse import quote

import httpx
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from guichet.kit.errors import HTTP_STATUS, Refused
from guichet.media.plane import AudioSocket, Dial, Event, Gap, Play, Position, Room, Silent, State, Trunk

T = TypeVar("T")

ANSWER_SECONDS = 2.0
"""How long an answer may take: a media server that takes longer is gone."""
OFFER_SECONDS = 5.0
PING_SECONDS = 0.5
"""Twice this without a word and the event socket is over: a host that died is noticed within 2 s."""
KINDS = {status: kind for kind, status in HTTP_STATUS.items()}


class _Said(msgspec.Struct):
    """The body of a refusal."""

    code: str = "refused"
    field: str | None = None
    remedy: str = "the media server refused"


class MediaServer:
    """`MediaPlane` over HTTP and WebSockets. `close` when done."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.AsyncClient(
            base_url=self._url, headers=self._headers, timeout=ANSWER_SECONDS, trust_env=False
        )

    async def close(self) -> None:
        """Ends the connections."""
        await self._http.aclose()

    # -- what lasts --------------------------------------------------------------------------------------

    async def put(self, rooms: Sequence[Room]) -> None:
        await self._ask("PUT", "/v1/rooms", {"rooms": rooms})

    async def trunks(self, rev: int, trunks: Sequence[Trunk]) -> None:
        await self._ask("PUT", "/v1/trunks", {"rev": rev, "trunks": trunks})

    # -- acts --------------------------------------------------------------------------------------------

    async def dial(self, endpoint: str, call: Dial) -> None:
        await self._act(endpoint, "dial", call)

    async def browser(self, endpoint: str, offer: str) -> str:
        answer = await self._act(endpoint, "offer", {"sdp": offer}, OFFER_SECONDS)
        return msgspec.json.decode(answer, type=dict[str, str])["sdp"]

    async def ring(self, endpoint: str) -> None:
        await self._act(endpoint, "ring")

    async def early(self, endpoint: str) -> None:
        await self._act(endpoint, "early")

    async def answer(self, endpoint: str) -> None:
        await self._act(endpoint, "answer")

    async def reject(self, endpoint: str, code: int) -> None:
        await self._act(endpoint, "reject", {"code": code})

    async def hang_up(self, endpoint: str) -> None:
        await self._act(endpoint, "hangup", {})

    async def hold(self, endpoint: str, on: bool) -> None:
        await self._act(endpoint, "hold" if on else "resume")

    async def refer(self, endpoint: str, act: str, number: str) -> None:
        await self._act(endpoint, "refer", {"act": act, "number": number})

    async def digits(
        self, endpoint: str, act: str, digits: str, *, via: Literal["rtp", "info"] = "rtp"
    ) -> None:
        await self._act(endpoint, "digits", {"act": act, "digits": digits, "via": via})

    async def play(self, room: str, play: Play) -> None:
        await self._ask("POST", f"/v1/rooms/{_part(room)}/plays", play)

    async def stop(self, room: str, play: str) -> None:
        await self._ask("DELETE", f"/v1/rooms/{_part(room)}/plays/{_part(play)}")

    async def state(self) -> State:
        return msgspec.json.decode(await self._ask("GET", "/v1/state"), type=State)

    # -- streams -----------------------------------------------------------------------------------------

    async def events(self, after: Position, *, levels: bool = False) -> AsyncGenerator[Event]:
        query = f"epoch={_part(after.epoch)}&after={after.seq}" + "&levels=1" * levels
        async with self._socket(f"/v1/events?{query}") as socket:
            try:
                async for message in socket:
                    event = msgspec.json.decode(message, type=Event)
                    if event.kind == "gap":
                        raise Gap(Position(event.epoch, event.seq))
                    yield event
            except ConnectionClosed as closed:
                raise Silent from closed
            raise Silent

    @asynccontextmanager
    async def pcm(self, endpoint: str) -> AsyncIterator[AudioSocket]:
        async with self._socket(f"/v1/endpoints/{_part(endpoint)}/pcm") as socket:
            yield _Audio(socket)

    @asynccontextmanager
    async def _socket(self, path: str) -> AsyncIterator[ClientConnection]:
        url = "ws" + self._url.removeprefix("http") + path
        try:
            opened = connect(
                url, additional_headers=self._headers, open_timeout=ANSWER_SECONDS, ping_interval=PING_SECONDS,
                ping_timeout=PING_SECONDS, close_timeout=PING_SECONDS, max_size=1 << 20, proxy=None, compression=None,
            )  # fmt: skip
            socket = await opened
        except (OSError, TimeoutError, InvalidHandshake) as error:
            raise Silent from error
        try:
            yield socket
        finally:
            await socket.close()

    # -- one question --------------------------------------------------------------------------------------

    async def _act(
        self, endpoint: str, act: str, body: object = None, timeout: float = ANSWER_SECONDS
    ) -> bytes:
        return await self._ask("POST", f"/v1/endpoints/{_part(endpoint)}/{act}", body, timeout)

    async def _ask(
        self, method: str, path: str, body: object = None, timeout: float = ANSWER_SECONDS
    ) -> bytes:
        content = msgspec.json.encode(body) if body is not None else None
        try:
            answer = await self._http.request(method, path, content=content, timeout=timeout)
        except httpx.HTTPError as error:
            raise Silent from error
        if answer.is_success:
            return answer.content
        raise _refusal(answer)


class _Audio:
    """`AudioSocket` over a WebSocket."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def say(self, frame: bytes) -> None:
        await self._send(frame)

    async def clear(self) -> None:
        await self._send('{"clear":true}')

    async def hear(self) -> bytes:
        while True:
            try:
                message = await self._socket.recv()
            except ConnectionClosed as closed:
                raise EOFError from closed
            if isinstance(message, bytes):
                return message

    async def _send(self, what: bytes | str) -> None:
        try:
            await self._socket.send(what)
        except ConnectionClosed as closed:
            raise EOFError from closed


def _part(ident: str) -> str:
    return quote(ident, safe="")


def _refusal(answer: httpx.Response) -> Refused:
    try:
        said = msgspec.json.decode(answer.content, type=_Said)
    except msgspec.DecodeError:
        said = _Said()
    kind: Any = KINDS.get(answer.status_code, "unavailable")
    return Refused(kind, f"media.{said.code}", said.remedy, field=said.field)
