"""An agent at a desk, over the desk's own socket: takes what is offered, answers, closes, wraps up. Every command is
repeated under its key until there is an answer, whatever happens to the server meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Origin

PAUSE = 0.1
REDIAL = 0.3
ANSWER_WITHIN = 15.0
AGAIN = frozenset({"limited", "unavailable"})
LINE_FAILURES = (OSError, WebSocketException, TimeoutError)

Row = dict[str, Any]


class Records(Protocol):
    """Who writes down what the desk was told to have happened."""

    def answered(self, name: str, payload: dict[str, Any]) -> None: ...


class Refusal(Exception):
    """A command that was not carried out, and will not be."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error['code']}: {error['remedy']}")
        self.error = error


class DeskAgent:
    """`work`: the agent's list by task. `replies` to each live task before it is closed."""

    def __init__(self, url: str, name: str, cookie: str, records: Records, replies: int = 2) -> None:
        self.name = name
        self.work: dict[str, Row] = {}
        self.refused: list[str] = []
        self._url = url
        self._cookie = cookie
        self._records = records
        self._replies = replies
        self._presence = ""
        self._socket: ClientConnection | None = None
        self._up = asyncio.Event()
        self._changed = asyncio.Event()
        self._waiting: dict[str, asyncio.Future[dict[str, Any] | None]] = {}
        self._numbers = itertools.count(1)
        self._answered: set[str] = set()

    @property
    def idle(self) -> bool:
        return not self.work and self._socket is not None

    async def run(self) -> None:
        """At work until cancelled."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._keep_up())
            both.create_task(self._act())

    # -- the line ---------------------------------------------------------------------------------------

    async def _keep_up(self) -> None:
        address = self._url.replace("http", "ws", 1) + "/api/desk"
        headers = {"Cookie": self._cookie}
        while True:
            try:
                async with connect(
                    address,
                    additional_headers=headers,
                    origin=Origin(self._url),
                    compression=None,
                    max_size=None,
                ) as socket:
                    await self._listen(socket)
            except LINE_FAILURES:
                pass
            finally:
                self._socket = None
                self._up.clear()
                for future in self._waiting.values():
                    if not future.done():
                        future.set_result(None)
            await asyncio.sleep(REDIAL)

    async def _listen(self, socket: ClientConnection) -> None:
        for sub, view in (("me", "me"), ("work", "my_work")):
            await socket.send(json.dumps({"op": "subscribe", "sub": sub, "view": view}))
        self._socket = socket
        self._up.set()
        async for raw in socket:
            frame = json.loads(raw)
            match frame["op"]:
                case "answer":
                    future = self._waiting.get(frame["id"])
                    if future is not None and not future.done():
                        future.set_result(frame)
                case "snapshot" | "delta":
                    self._take(frame)
                case "bye":
                    assert frame["reason"] == "stopping", f"{self.name} was sent away: {frame['reason']}"
                case _:
                    pass

    def _take(self, frame: dict[str, Any]) -> None:
        if frame["sub"] == "work":
            if frame["op"] == "snapshot":
                self.work = {row["task"]: row for row in frame["rows"]}
            else:
                for row in frame["del"]:
                    self.work.pop(row["task"], None)
                for row in frame["set"]:
                    self.work[row["task"]] = self.work.get(row["task"], {}) | row
        else:
            for row in frame["rows"] if frame["op"] == "snapshot" else frame["set"]:
                self._presence = row.get("presence", self._presence)
        self._changed.set()

    async def ask(self, name: str, key: str, **payload: object) -> dict[str, Any]:
        """The answer, however often it takes. Raises Refusal."""
        while True:
            await self._up.wait()
            ident = str(next(self._numbers))
            future = self._waiting[ident] = asyncio.get_running_loop().create_future()
            frame = {"op": "command", "id": ident, "name": name, "key": key, "payload": payload}
            try:
                if self._socket is None:
                    continue
                await self._socket.send(json.dumps(frame))
                answer = await asyncio.wait_for(future, ANSWER_WITHIN)
            except LINE_FAILURES:
                answer = None
            finally:
                del self._waiting[ident]
            if answer is None:  # nobody knows: the same once more
                await asyncio.sleep(PAUSE)
                continue
            if "error" not in answer:
                if key not in self._answered:
                    self._answered.add(key)
                    self._records.answered(name, {**payload, **answer["ok"]})
                return dict(answer["ok"])
            self.refused.append(answer["error"]["code"])
            if answer["error"]["kind"] not in AGAIN:
                raise Refusal(answer["error"])
            await asyncio.sleep(PAUSE)

    # -- the work ---------------------------------------------------------------------------------------

    async def _act(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._presence != "available":
                await self.ask("set_presence", f"here:{next(self._numbers)}", presence="available")
            for task in list(self.work):
                with contextlib.suppress(
                    Refusal
                ):  # what is over meanwhile is gone from the list, or soon will be
                    await self._on(task)

    async def _on(self, task: str) -> None:
        row = self.work.get(task)
        if row is None:
            return
        conversation = row["conversation"]
        if row["state"] == "offered" and row["offer"]:
            await self.ask("accept_offer", f"accept:{row['offer']}", offer=row["offer"])
        elif row["state"] == "assigned":
            for number in range(self._replies if row["live"] else 1):
                message = f"{task}.{self.name}.{number}"
                text = f"Réponse {message}"
                await self.ask("send_message", message, conversation=conversation, message=message, text=text)
            if row["live"]:
                await self.ask("close", f"close:{task}", conversation=conversation)
        elif row["state"] == "wrapup":
            await self.ask("finish_wrapup", f"wrapup:{task}", task=task)
