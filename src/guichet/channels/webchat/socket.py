"""One visitor's socket: words in, acknowledged after the commit; the thread out, from where the widget left off.

Frames are taken one after the other, so a visitor's words keep their order and a busy leader slows down who
writes. Frames out wait in a bounded line; a browser that does not read is dropped and resumes later.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from guichet.channels.base import Cancel, Edge, Message, Place, Update
from guichet.channels.inbound import ask, receive
from guichet.channels.reading import conversation_row, said_before
from guichet.channels.webchat import wire
from guichet.channels.webchat.presence import leave
from guichet.channels.webchat.protocol import (
    Leave,
    Read,
    Resume,
    Say,
    Typing,
    decode,
    encode,
    frame_id,
    inbound,
)
from guichet.channels.webchat.visitors import NAME, Visit, begin_conversation
from guichet.kit.clock import SECOND, Instant
from guichet.kit.errors import Refused, invalid
from guichet.kit.ids import new_id
from guichet.kit.limits import Buckets
from guichet.leader.registry import Actor
from guichet.store.port import Row

if TYPE_CHECKING:
    from guichet.channels.webchat.presence import Presence

MAX_LINE = 512
"""Frames that may wait for a slow browser."""
BURST, PER_SECOND = 40, 10
"""Frames a visit may send at once, and in the long run, over all its sockets."""
TYPING_EVERY = SECOND
AGAIN = frozenset({"limited", "unavailable"})
"""Refusals after which the widget says the same again."""
VIEWS = ("visitor_thread", "conversation")
LOOKED_BACK = 50
"""Messages among which words are looked for that another tab may have said."""
MAX_MARKS = 50
"""Messages of one update that are marked as delivered; more come only after a long absence."""

log = structlog.get_logger(__name__)


class Line:
    """Frames on their way to the browser."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._frames: deque[str] = deque()
        self._more = asyncio.Event()
        self._reader = asyncio.current_task()
        self.slow = False

    def say(self, frame: str) -> None:
        """Sends the frame when the ones before it are gone. Never waits; drops the socket when it is too slow."""
        if self.slow:
            return
        if len(self._frames) >= MAX_LINE:
            self.slow = True
            if self._reader is not None:
                self._reader.cancel()
            return
        self._frames.append(frame)
        self._more.set()

    async def pump(self) -> None:
        """Sends until cancelled or the socket is gone."""
        try:
            while True:
                await self._more.wait()
                self._more.clear()
                while self._frames:
                    await self._socket.send_text(self._frames.popleft())
        except (WebSocketDisconnect, RuntimeError, OSError):
            return  # closed while we were sending: the reader learns of it as well


class Talk:
    """A visit's socket at work. It follows two views: the thread and the conversation's row."""

    def __init__(
        self, edge: Edge, visit: Visit, socket: WebSocket, presence: Presence, frames: Buckets
    ) -> None:
        self._edge = edge
        self.visit = visit
        self._socket = socket
        self._presence = presence
        self._line = Line(socket)
        self._frames = frames
        self._begun = False
        self._cancels: dict[str, Cancel] = {}
        self._sent = 0
        self._held: dict[int, Row] = {}
        self._agent: str | None = None
        self._state = ""
        self._place: Place | None = None
        self._typed: Instant = 0
        self._owed = ""
        """The first words that were refused for now: those after them wait, or they would be shown before them."""

    @property
    def waiting(self) -> bool:
        """Whether the visitor stands in line."""
        return self._state == "waiting"

    async def serve(self) -> None:
        """Listens until the socket closes."""
        conversation = self.visit.conversation
        self._presence.came(conversation)
        pump = self._edge.tasks.start("visitor's line", self._line.pump())
        try:
            await self._listen()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self._line.slow or task is None or task.uncancel():
                raise
            log.info("a visitor's browser does not read: dropped")
        finally:
            pump.cancel()
            for cancel in self._cancels.values():
                cancel()
            self._presence.went(conversation, watched=self._begun)

    # -- in ---------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        while True:
            event = await self._socket.receive()
            if event["type"] != "websocket.receive":
                return
            raw: str | bytes = event.get("text") or event.get("bytes") or ""
            try:
                if not self._frames.take(self.visit.conversation):
                    raise Refused("limited", "frame.too_often", "wait a moment, then send it again")
                await self._take(raw)
            except Refused as refused:
                ident = frame_id(raw)
                if refused.kind in AGAIN:
                    self._owed = self._owed or ident
                elif ident == self._owed:  # refused for good after all: nobody waits for it
                    self._owed = ""
                self._line.say(encode("nack", id=ident, error=refused.as_dict()))

    async def _take(self, raw: str | bytes) -> None:
        frame = decode(raw)
        match frame:
            case Say():
                await self._say(frame)
            case Resume():
                await self._resume(frame)
            case Typing():
                self._typing()
            case Read() if self._begun:
                await self._submit_read(frame.n)
            case Leave() if self._begun:
                visit = self.visit
                await leave(self._edge, visit.actor, visit.conversation, f"left:{new_id()}")
            case _:
                pass

    async def _say(self, frame: Say) -> None:
        visit, message = self.visit, inbound(frame)
        if not isinstance(message, Message):
            return
        if self._owed and frame.id != self._owed and not await self._was_said(self._owed):
            raise Refused("limited", "message.out_of_turn", "first say again what was refused before it")
        for file in message.attachments:
            if await self._edge.blobs.owner(file.address) != visit.customer:
                raise invalid("attachments", "attachment.unknown", "upload the file first")
        await self._begin()
        answer = await receive(
            self._edge,
            visit.actor,
            message,
            key=frame.id,
            conversation=visit.conversation,
            customer=visit.customer,
            message_id=f"{visit.conversation}.{frame.id}",
        )
        self._owed = ""
        known = {"n": answer["n"]} if "n" in answer else {}
        self._line.say(encode("ack", id=frame.id, conversation=visit.conversation, **known))
        if len(self._cancels) < len(VIEWS):
            await self._follow()

    async def _was_said(self, ident: str) -> bool:
        """Whether the conversation has these words of the visitor's: another tab may have said them."""
        message = f"{self.visit.conversation}.{ident}"
        said = await said_before(self._edge.reader, self.visit.conversation, None, LOOKED_BACK)
        return any(row["message"] == message for row in said)

    async def _begin(self) -> None:
        if self._begun:
            return
        await begin_conversation(self._edge, self.visit)
        await self._presence.watch(self.visit)
        self._begun = True

    async def _resume(self, frame: Resume) -> None:
        visit = self.visit
        after = frame.after if frame.conversation in (None, visit.conversation) else 0
        if not self._begun and await conversation_row(self._edge.reader, visit.conversation) is not None:
            await self._presence.watch(visit)
            self._begun = True
        if not self._begun or (len(self._cancels) == len(VIEWS) and after == self._sent):
            known = visit.conversation if self._begun else None
            self._line.say(encode("thread", n=self._sent, conversation=known, messages=[]))
            return
        self._sent = after
        await self._follow()

    def _typing(self) -> None:
        now = self._edge.clock.now()
        if self._begun and not 0 <= now - self._typed < TYPING_EVERY:
            self._typed = now
            self._edge.writing(self.visit.org, self.visit.conversation)

    async def _submit_read(self, n: int) -> None:
        conversation = self.visit.conversation
        command = ask(
            "customer_read", f"read:{conversation}:{n}", self.visit.actor, conversation=conversation, n=n
        )
        await self._edge.submit(command)

    # -- out: a follower of both views -------------------------------------------------------------------

    async def _follow(self) -> None:
        """Follows both views anew; the snapshots say all that came after `_sent` and how things stand."""
        for view in VIEWS:
            if (cancel := self._cancels.pop(view, None)) is not None:
                cancel()
            self._cancels[view] = await self._edge.subscribe(
                view, self.visit.org, self.visit.conversation, self
            )

    def update(self, view: str, update: Update, /) -> None:
        if view == "conversation":
            for row in update.rows:
                self._conversation(row)
        else:
            self._thread(update)

    def writing(self, agent: str, until: Instant, /) -> None:
        self._line.say(encode("typing", name=wire.agent_name(self._edge.directory, self.visit.org, agent)))

    def ended(self, view: str, refused: Refused, /) -> None:
        """Erased, or the hub gave up: the widget resumes on the next silence."""
        self._cancels.pop(view, None)

    def _thread(self, update: Update) -> None:
        if update.whole:
            self._held.clear()
            # A widget that claims to know more than there is (a restored backup) is told everything new.
            self._sent = min(self._sent, max((int(str(row["n"])) for row in update.rows), default=0))
        for row in update.gone:  # taken back before the visitor saw it
            self._held.pop(int(str(row["n"])), None)
        fresh = []
        for row in update.rows:
            n = int(str(row["n"]))
            held = self._held.pop(n, None)
            if held is None and ("text" not in row or n <= self._sent):
                continue  # a mark on what was shown, or what the snapshot brought already
            whole = {**held, **row} if held is not None else row
            if whole["status"] in wire.NOT_YET:
                self._held[n] = whole
            else:
                fresh.append(whole)
        if fresh or update.whole:
            fresh.sort(key=lambda row: int(str(row["n"])))
            if fresh:
                self._sent = max(self._sent, int(str(fresh[-1]["n"])))
            visit, directory = self.visit, self._edge.directory
            messages = [wire.shown(row, visit.org, directory) for row in fresh]
            self._line.say(encode("thread", n=self._sent, conversation=visit.conversation, messages=messages))
            arrived = [str(r["message"]) for r in fresh if r["kind"] == "agent" and r["status"] == "sent"]
            if arrived:
                self._edge.tasks.start("delivery marks", self._mark_delivered(arrived[-MAX_MARKS:]))

    def _conversation(self, row: Row) -> None:
        if "state" in row and row["state"] != self._state:
            was, self._state = self._state, str(row["state"])
            if self._state == "closed":
                self._line.say(encode("closed"))
            elif was == "waiting":
                self.show_place(None)
        if "agent" in row and row["agent"] != self._agent:
            agent = row["agent"]
            self._agent = str(agent) if agent else None
            name = country = None
            if self._agent is not None:
                name = wire.agent_name(self._edge.directory, self.visit.org, self._agent)
                if self.visit.entry.settings.show_country:
                    country = wire.agent_country(self._edge.directory, self.visit.org, self._agent)
            self._line.say(encode("agent", name=name, country=country))

    def show_place(self, place: Place | None) -> None:
        """Tells the visitor their place in line, when it is another one than before."""
        if place != self._place:
            self._place = place
            self._line.say(encode("place", waiting=place))

    async def _mark_delivered(self, messages: list[str]) -> None:
        visit = self.visit
        actor = Actor("system", NAME, visit.org)
        for message in messages:
            event = f"{message}.delivered"
            try:
                await self._edge.submit(
                    ask(
                        "record_delivery", event, actor, conversation=visit.conversation, message=message,
                        status="delivered",
                    )
                )  # fmt: skip
            except Refused as refused:  # only a mark is missing; the next resume does not depend on it
                log.info("delivery not marked", code=refused.code)
