"""Simulated agents at the real desk: they sign in, take offers over the desk's socket, and answer by the script."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from guichet.kit.ids import new_id
from guichet.kit.tasks import Supervisor
from guichet.server.demo.dialogues import as_reply, book, said
from guichet.server.demo.operator import DISPOSITIONS, PASSWORD, SHOPS, Person
from guichet.server.demo.people import World, post

AGAIN_SECONDS = 5
FOR_PEOPLE = 45_000
"""Milliseconds for which a real person's words are left to real agents."""
SILENCE = 90
"""Seconds without a word from a chat's customer, after which the agent says goodbye."""

log = structlog.get_logger(__name__)

Row = dict[str, Any]
ROW = "row."
"""Prefix of the subscriptions to a conversation's own row."""


class Robot:
    """One agent's desk. Runs until cancelled; a broken line is dialled again."""

    def __init__(self, world: World, person: Person) -> None:
        self._world = world
        self._person = person
        self._socket: ClientConnection | None = None
        self._tasks = Supervisor()
        self._work: dict[str, Row] = {}
        self._threads: dict[str, dict[int, Row]] = {}
        self._busy: set[tuple[str, str]] = set()
        self._left: set[str] = set()
        self._changed = asyncio.Condition()

    async def run(self) -> None:
        while True:
            try:
                await self._shift()
            except (OSError, WebSocketException, TimeoutError) as error:
                log.info("simulated agent lost the desk", agent=self._person.id, error=type(error).__name__)
            await asyncio.sleep(AGAIN_SECONDS)

    async def _shift(self) -> None:
        _, cookie = await post(
            f"{self._world.url}/api/sign-in", {"email": self._person.email, "password": PASSWORD}
        )
        url: Any = self._world.url
        address = f"{self._world.socket_url}/api/desk"
        async with connect(address, origin=url, additional_headers={"Cookie": cookie}) as socket:
            self._socket = socket
            self._work.clear()
            self._threads.clear()
            self._busy.clear()
            self._left.clear()
            try:
                await self._send(
                    {"op": "subscribe", "sub": "work", "view": "my_work", "partition": self._person.id}
                )
                await self._ask("set_presence", {"presence": "available"})
                async for text in socket:
                    await self._hear(msgspec.json.decode(text))
            finally:
                await self._tasks.close()
                self._socket = None
                # Going home is said, so that nothing is offered to an empty chair.
                await asyncio.shield(_quietly(self._go(socket)))

    async def _go(self, socket: ClientConnection) -> None:
        frame = {
            "op": "command",
            "id": "bye",
            "name": "set_presence",
            "key": new_id(),
            "payload": {"presence": "offline"},
        }
        await socket.send(msgspec.json.encode(frame).decode())
        async with asyncio.timeout(AGAIN_SECONDS):  # a line that is closed at once may take the words with it
            async for text in socket:
                if msgspec.json.decode(text).get("id") == "bye":
                    return

    # -- the socket -------------------------------------------------------------------------------------

    async def _send(self, frame: dict[str, Any]) -> None:
        if self._socket is not None:
            await self._socket.send(msgspec.json.encode(frame).decode())

    async def _ask(self, name: str, payload: dict[str, Any]) -> None:
        """A command; what becomes of it shows in the rows."""
        await self._send({"op": "command", "id": new_id(), "name": name, "key": new_id(), "payload": payload})

    async def _hear(self, frame: dict[str, Any]) -> None:
        if frame["op"] not in ("snapshot", "delta"):
            return
        rows, gone = frame.get("rows") or frame.get("set") or [], frame.get("del") or []
        if frame["sub"] == "work":
            self._take_work(rows, gone, whole=frame["op"] == "snapshot")
        elif frame["sub"].startswith(ROW):
            conversation = frame["sub"].removeprefix(ROW)
            for row in rows:
                if row.get("left_at"):
                    self._left.add(conversation)
                elif "left_at" in row:  # back again
                    self._left.discard(conversation)
        else:
            thread = self._threads.setdefault(frame["sub"], {})
            for row in rows:
                thread[row["n"]] = {**thread.get(row["n"], {}), **row}
        async with self._changed:
            self._changed.notify_all()

    def _take_work(self, rows: list[Row], gone: list[Row], *, whole: bool) -> None:
        if whole:
            self._work.clear()
        for key in gone:
            self._work.pop(key["task"], None)
        for row in rows:
            known = self._work[row["task"]] = {**self._work.get(row["task"], {}), **row}
            step = (known["task"], known["state"] + str(known.get("offer") or ""))
            if step in self._busy:
                continue
            self._busy.add(step)
            act = {"offered": self._offered, "assigned": self._assigned, "wrapup": self._wrap_up}.get(
                known["state"]
            )
            if act is not None:
                self._tasks.start(f"{self._person.id} {known['state']}", _quietly(act(dict(known))))

    async def _thread(self, conversation: str) -> dict[int, Row]:
        """The conversation's messages, followed from now on."""
        if conversation not in self._threads:
            for sub, view in ((conversation, "thread"), (ROW + conversation, "conversation")):
                await self._send({"op": "subscribe", "sub": sub, "view": view, "partition": conversation})
            async with self._changed:
                await self._changed.wait_for(lambda: conversation in self._threads)
        return self._threads[conversation]

    # -- work -------------------------------------------------------------------------------------------

    async def _offered(self, row: Row) -> None:
        thread = await self._thread(row["conversation"])
        await self._world.pause(2, 6)
        scripted = any(
            m["kind"] == "customer" and self._world.script.find(m["text"] or "") for m in thread.values()
        )
        waited = self._world.clock.now() - row["since"]
        if not scripted and waited < FOR_PEOPLE / self._world.speed:
            await self._ask("decline_offer", {"offer": row["offer"]})
        else:
            await self._ask("accept_offer", {"offer": row["offer"]})

    async def _assigned(self, row: Row) -> None:
        conversation, live = row["conversation"], bool(row["live"])
        thread = await self._thread(conversation)
        answered = max((n for n, m in thread.items() if m["kind"] == "agent"), default=0)
        while row["task"] in self._work and self._work[row["task"]]["state"] == "assigned":
            newest = await self._customer_after(row, thread, answered)
            if newest is None:
                break
            text, over = self._answer(row, thread[newest]["text"] or "")
            if text:
                await self._send({"op": "writing", "conversation": conversation, "kind": "reply"})
                await self._world.pause(6, 20) if live else await self._world.pause(15, 60)
                await self._ask(
                    "send_message", {"conversation": conversation, "message": new_id(), "text": text}
                )
            answered = newest
            if over or not live:
                break
        await self._world.pause(4, 12)
        if live or self._world.chance.chance(0.7):
            await self._ask("close", {"conversation": conversation})

    async def _customer_after(self, row: Row, thread: dict[int, Row], n: int) -> int | None:
        """The newest message of the customer after `n`; None when a chat's customer left, or says nothing."""
        seconds = SILENCE / self._world.speed if row["live"] else None

        def newest() -> int:
            return max((k for k, m in thread.items() if m["kind"] == "customer" and k > n), default=0)

        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: bool(newest()) or row["conversation"] in self._left)
        except TimeoutError:
            return None
        return newest() or None

    def _answer(self, row: Row, text: str) -> tuple[str, bool]:
        """(what to say, whether that was the last word)."""
        found = self._world.script.find(text)
        shop = next(shop for shop in SHOPS if shop.client == row["client"])
        if found is None:
            return self._world.chance.pick(book(shop.language).generic), False
        dialogue, turn = found
        if turn + 1 >= len(dialogue.turns):
            return "", True
        name = self._person.name
        if row["live"]:
            return said(dialogue, turn + 1, name), turn + 2 >= len(dialogue.turns)
        return as_reply(dialogue, turn + 1, name, shop.name, self._world.chance), True

    async def _wrap_up(self, row: Row) -> None:
        thread = self._threads.get(row["conversation"], {})
        known = (self._world.script.find(m["text"] or "") for m in thread.values() if m["kind"] == "customer")
        code = next((line[0].code for line in known if line is not None), "other")
        await self._world.pause(4, 14)
        payload = {"task": row["task"], "disposition": code if code in DISPOSITIONS else "other"}
        await self._ask("finish_wrapup", payload)
        self._left.discard(row["conversation"])
        self._threads.pop(row["conversation"], None)
        for sub in (row["conversation"], ROW + row["conversation"]):
            await self._send({"op": "unsubscribe", "sub": sub})


async def _quietly(work: Any) -> None:  # noqa: ANN401 (any coroutine)
    """Work over a socket that may be gone: the next shift begins anew."""
    try:
        await work
    except (WebSocketException, OSError):
        return
