"""A customer in the chat, over the widget's own protocol: client-made ids, resent after each reconnect until they
are acknowledged, exactly as `web/widget` does it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tests.support.serving import NO_TLS

AGAIN = frozenset({"limited", "unavailable"})
"""Refusals after which the same words are said again, under the same id."""
PAUSE = 0.1
REDIAL = 0.3
"""Seconds until a broken line is dialled again."""
SILENCE = 8.0
"""Seconds after which a line that owes an answer counts as dead."""
LINE_FAILURES = (OSError, WebSocketException, httpx.TransportError, TimeoutError)

Acknowledged = Callable[["Visitor", str, str], None]
"""Told (visitor, id, text) at the first acknowledgement of an id."""


class Visitor:
    """One visit. `thread`: what the widget shows, by place; `faults`: what it should never have been sent."""

    def __init__(
        self, url: str, entry: str, name: str, acknowledged: Acknowledged = lambda *_: None, **who: str
    ) -> None:
        self.url = url
        self.entry = entry
        self.name = name
        self.token = ""
        self.conversation: str | None = None
        self.said: list[str] = []
        self.thread: dict[int, dict[str, Any]] = {}
        self.faults: list[str] = []
        self.refusals: list[dict[str, Any]] = []
        self.acked: dict[str, str] = {}
        self._acknowledged = acknowledged
        self._who = who
        self._outbox: dict[str, dict[str, Any]] = {}
        self._socket: ClientConnection | None = None
        self._news = asyncio.Event()
        self._deadline: float | None = None

    # -- what the customer does -------------------------------------------------------------------------

    async def say(self, text: str, attachments: list[dict[str, Any]] | None = None) -> str:
        """Puts words into the outbox and sends them if the line is up; gives their id."""
        ident = f"m{len(self.said) + 1}"
        self.said.append(ident)
        self._outbox[ident] = {"op": "say", "id": ident, "text": text, "attachments": attachments or []}
        await self._send(self._outbox[ident])
        return ident

    async def settled(self) -> None:
        """Returns when everything said was acknowledged, or refused for good."""
        while self._outbox:
            self._news.clear()
            await self._news.wait()

    async def heard(self, count: int) -> None:
        """Returns when that many words of agents were shown."""
        while sum(m["author"] == "agent" for m in self.thread.values()) < count:
            self._news.clear()
            await self._news.wait()

    async def leave(self) -> None:
        await self._send({"op": "leave"})

    async def upload(self, name: str, kind: str, content: bytes) -> dict[str, Any]:
        """A file; tried again until it is taken. Only the last try's address is used."""
        async with httpx.AsyncClient(timeout=10, verify=NO_TLS) as http:
            while True:
                try:
                    headers = {"X-Guichet-Token": self.token, "X-Filename": name, "Content-Type": kind}
                    answer = await http.post(self._at("/attachments"), content=content, headers=headers)
                except httpx.TransportError:
                    await asyncio.sleep(REDIAL)
                    continue
                if answer.status_code == 201:
                    return dict(answer.json())
                await self._may_try_again(answer)

    # -- the line ---------------------------------------------------------------------------------------

    def _at(self, path: str) -> str:
        return f"{self.url}/api/webchat/{self.entry}{path}"

    async def open(self) -> None:
        """The visit's token; tried again until it is given."""
        async with httpx.AsyncClient(timeout=10, verify=NO_TLS) as http:
            while not self.token:
                try:
                    answer = await http.post(self._at("/open"), json={"language": "fr", **self._who})
                except httpx.TransportError:
                    await asyncio.sleep(REDIAL)
                    continue
                if answer.status_code == 200:
                    self.token = answer.json()["token"]
                else:
                    await self._may_try_again(answer)

    async def _may_try_again(self, answer: httpx.Response) -> None:
        refusal = answer.json()
        self.refusals.append(refusal)
        if refusal.get("kind") not in AGAIN:
            raise AssertionError(f"{self.name} was refused: {answer.status_code} {answer.text}")
        await asyncio.sleep(PAUSE)

    async def run(self) -> None:
        """Keeps the line up until cancelled."""
        await self.open()
        address = self._at(f"/socket?token={self.token}").replace("http", "ws", 1)
        while True:
            try:
                async with connect(address, compression=None, open_timeout=10, max_size=None) as socket:
                    await self._talk(socket)
            except LINE_FAILURES:
                pass
            finally:
                self._socket = None
            await asyncio.sleep(REDIAL)

    async def _talk(self, socket: ClientConnection) -> None:
        await socket.send(json.dumps({"op": "resume", "after": max(self.thread, default=0)} | self._known()))
        self._socket = socket
        for frame in list(self._outbox.values()):
            await socket.send(json.dumps(frame))
        while True:
            async with asyncio.timeout(SILENCE if self._outbox else None):
                raw = await socket.recv()
            await self._hear(json.loads(raw))

    def _known(self) -> dict[str, str]:
        return {"conversation": self.conversation} if self.conversation else {}

    async def _send(self, frame: dict[str, Any]) -> None:
        socket = self._socket
        if socket is None:
            return
        try:
            await socket.send(json.dumps(frame))
        except LINE_FAILURES:
            return  # the line is dialled again, and what is in the outbox sent then

    async def _hear(self, frame: dict[str, Any]) -> None:
        match frame["op"]:
            case "thread":
                self._take(frame)
            case "ack":
                self.conversation = frame.get("conversation") or self.conversation
                self._settle(frame["id"])
            case "nack":
                await self._refused(frame)
            case _:
                pass
        self._news.set()

    def _take(self, frame: dict[str, Any]) -> None:
        conversation = frame.get("conversation")
        if conversation and self.conversation and conversation != self.conversation:
            self.faults.append(f"moved from {self.conversation} to {conversation}")
        self.conversation = conversation or self.conversation
        for message in frame["messages"]:
            n = message["n"]
            if n <= max(self.thread, default=0):
                self.faults.append(f"{n} was shown after {max(self.thread)}")
            self.thread[n] = message
            if message["author"] == "me":
                self._settle(message["id"])

    def _settle(self, ident: str) -> None:
        frame = self._outbox.pop(ident, None)
        if frame is not None:
            self.acked[ident] = frame["text"]
            self._acknowledged(self, ident, frame["text"])

    async def _refused(self, frame: dict[str, Any]) -> None:
        self.refusals.append(frame["error"])
        if frame["error"]["kind"] not in AGAIN:
            self._outbox.pop(frame["id"], None)
            return
        await asyncio.sleep(PAUSE)
        for waiting in list(self._outbox.values()):
            await self._send(waiting)

    async def whole_thread(self) -> list[dict[str, Any]]:
        """The thread as a browser gets it that knows nothing yet."""
        address = self._at(f"/socket?token={self.token}").replace("http", "ws", 1)
        async with connect(address, compression=None, max_size=None) as socket:
            await socket.send(json.dumps({"op": "resume", "after": 0}))
            while True:
                async with asyncio.timeout(SILENCE):
                    frame = json.loads(await socket.recv())
                if frame["op"] == "thread":
                    return list(frame["messages"])
