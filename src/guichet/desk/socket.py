"""/api/desk: one WebSocket per open desk. A plain ASGI endpoint, because ten thousand of them share a process.

A socket has one task, uvicorn's own, which reads; a second one exists only while there is something to send.
Frames are handled one after the other, so that a desk's commands arrive in the order in which they were made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, cast

import msgspec
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from guichet.accounts.access import Access
from guichet.accounts.door import Door, SignedIn
from guichet.channels.base import Cancel
from guichet.desk import frames
from guichet.desk.commands import Commands, field_refused
from guichet.desk.hub import Hub, Subscription, home
from guichet.desk.lens import Delta
from guichet.desk.presence import Presence
from guichet.desk.signals import Signal, Signals
from guichet.kit.clock import Clock
from guichet.kit.errors import Refused
from guichet.kit.tasks import Supervisor
from guichet.leader.loop import Committed

MAX_WAITING = 1_000_000
"""Characters (and `PER_FRAME` for each frame) that may wait for a slow peer before it is let go."""
PER_FRAME = 500
MAX_SUBSCRIPTIONS = 128
"""What the highest screen shows at once, one view of each conversation, and room to turn the page."""
MAX_SOCKETS = 20
"""Open desks of one agent."""
CHECK_SECONDS = 60.0
"""How long a session that was ended in another process may still be watched."""

_encode = msgspec.json.Encoder().encode
_frame = msgspec.json.Decoder(frames.AnyClientFrame)


class _Named(msgspec.Struct):
    id: str | None = None
    sub: str | None = None


_named = msgspec.json.Decoder(_Named)


class Desks:
    """Every open desk of one web process; the endpoint itself.

    Args:
        door: reads the session cookie, and turns other sites' pages away.
        access_of: an agent's rights now (organisation, agent); None when they may not work any more.
    """

    def __init__(
        self,
        *,
        views: Hub,
        signals: Signals,
        presence: Presence,
        commands: Commands,
        door: Door,
        access_of: Callable[[str, str], Access | None],
        supervisor: Supervisor,
        clock: Clock,
        build: str,
    ) -> None:
        self.views = views
        self.signals = signals
        self.commands = commands
        self.door = door
        self.supervisor = supervisor
        self.clock = clock
        self.build = build
        self._presence = presence
        self._access_of = access_of
        self._sockets: dict[tuple[str, str], list[Socket]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        try:
            self.door.check_origin(HTTPConnection(scope))
        except Refused:
            await send({"type": "websocket.close", "code": 1008})
            return
        await send({"type": "websocket.accept"})
        # From here to its entry in the list nothing waits: no change of rights can fall in between.
        signed_in = await self.door.who(HTTPConnection(scope))
        if signed_in is None:
            await _refuse(send, "signed_out")
            return
        agent = (signed_in.access.org, signed_in.access.agent)
        mine = self._sockets.setdefault(agent, [])
        if len(mine) >= MAX_SOCKETS:
            await _refuse(send, "too_many")
            return
        socket = Socket(self, send, signed_in)
        mine.append(socket)
        self._presence.came(agent)
        try:
            socket.hello()
            await socket.read(receive)
        finally:
            socket.forget()
            mine.remove(socket)
            if not mine and self._sockets.get(agent) is mine:
                del self._sockets[agent]
            self._presence.left(agent)

    def committed(self, committed: Committed) -> None:
        """Takes in what one commit did; the directory must know it already. Rights first: what else the commit
        holds is shown under the new ones."""
        for change in committed.changes:
            if change.table.name == "config":
                org, kind, ident = map(str, change.key)
                if kind == "agent":
                    self._reauthorise(org, ident)
                elif kind == "organisation":
                    for _, agent in [of for of in self._sockets if of[0] == org]:
                        self._reauthorise(org, agent)
        self.views.committed(committed)

    def _reauthorise(self, org: str, agent: str) -> None:
        access = self._access_of(org, agent)
        for socket in list(self._sockets.get((org, agent), ())):
            if access is None:
                socket.end("signed_out")
            elif access != socket.access:
                socket.reauthorise(access)

    def signed_out(self, token: str) -> None:
        """Ends the desks of a session that has ended."""
        for socket in [socket for sockets in self._sockets.values() for socket in sockets]:
            if socket.token == token:
                socket.end("signed_out")

    def signed_out_elsewhere(self, org: str, agent: str, token: str) -> None:
        """Ends an agent's desks, except those of one session."""
        for socket in list(self._sockets.get((org, agent), ())):
            if socket.token != token:
                socket.end("signed_out")

    def close(self) -> None:
        """Says goodbye to everybody: the process stops."""
        self._presence.close()
        for sockets in list(self._sockets.values()):
            for socket in list(sockets):
                socket.end("stopping")


class Socket:
    """One open desk: its subscriptions and what waits to be sent."""

    __slots__ = (
        "_cancels", "_checked", "_desks", "_ended", "_queue", "_send", "_sending", "_subscriptions", "_waiting",
        "access", "token",
    )  # fmt: skip

    def __init__(self, desks: Desks, send: Send, signed_in: SignedIn) -> None:
        self.access = signed_in.access
        self.token = signed_in.token
        self._desks = desks
        self._send = send
        self._subscriptions: dict[str, Subscription] = {}
        self._cancels: dict[str, Cancel] | None = None
        self._queue: list[str] = []
        self._waiting = 0
        self._sending = False
        self._ended = False
        self._checked = desks.clock.monotonic()

    # -- what the peer sends --------------------------------------------------------------------------

    def hello(self) -> None:
        """Tells the desk the time and who it is; again when that changed."""
        access = self.access
        self._push_frame(
            frames.Hello(
                t=self._desks.clock.now(), org=access.org, agent=access.agent, name=access.name, role=access.role,
                clients=sorted(access.clients), build=self._desks.build,
            )
        )  # fmt: skip

    async def read(self, receive: Receive) -> None:
        """Handles frame after frame until the peer is gone."""
        while (message := await receive())["type"] != "websocket.disconnect":
            text = message.get("text")
            if self._ended:
                continue
            if text is None or len(text) > frames.MAX_FRAME:
                problem = Refused("too_large", "frame.too_large", "send less at once", limit=frames.MAX_FRAME)
                self._push_frame(frames.RefusedFrame(error=_problem(problem)))
                continue
            try:
                frame = _frame.decode(text)
            except msgspec.MsgspecError as error:
                self._push_frame(_malformed(text, error))
                continue
            await self._handle(frame)

    async def _handle(self, frame: frames.AnyClientFrame) -> None:
        if isinstance(frame, frames.Ask):
            await self._command(frame)
        elif isinstance(frame, frames.Subscribe):
            await self._subscribe(frame)
        elif isinstance(frame, frames.Unsubscribe):
            self._drop(frame.sub)
        elif isinstance(frame, frames.Writing):
            self._writing(frame)
        else:
            await self._check()
            self._push_frame(frames.Pong(t=self._desks.clock.now()))

    async def _command(self, ask: frames.Ask) -> None:
        try:
            ok = await self._desks.commands.submit(self.access, ask.name, ask.key, ask.payload)
            answer = frames.Answer(id=ask.id, ok=ok)
        except Refused as refused:
            answer = frames.Answer(id=ask.id, error=_problem(refused))
        self._push_frame(answer)

    async def _subscribe(self, ask: frames.Subscribe) -> None:
        self._drop(ask.sub)
        try:
            if len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
                raise Refused("limited", "view.too_many", "end a subscription first", limit=MAX_SUBSCRIPTIONS)
            access = self.access
            partition = ask.partition or home(ask.view, access)
            subscription = await self._desks.views.subscribe(
                ask.view, access.org, partition, self, access=access, name=ask.sub
            )
        except Refused as refused:
            self._push_frame(frames.RefusedFrame(sub=ask.sub, error=_problem(refused)))
            return
        if self._ended:
            self._desks.views.unsubscribe(subscription)
            return
        if access is not self.access:  # changed while the snapshot was read
            self._desks.views.reauthorise(subscription, self.access)
        if subscription.bucket is None:
            return
        self._subscriptions[ask.sub] = subscription
        if ask.view == "thread":
            self._cancels = self._cancels or {}
            self._cancels[ask.sub] = self._desks.signals.listen(
                access.org, partition, self._signal, colleague=True
            )

    def _drop(self, sub: str) -> None:
        subscription = self._subscriptions.pop(sub, None)
        if subscription is not None:
            self._desks.views.unsubscribe(subscription)
        cancel = self._cancels.pop(sub, None) if self._cancels else None
        if cancel is not None:
            cancel()

    def _writing(self, frame: frames.Writing) -> None:
        """Passed on only from whoever watches that thread, which they could not without clearance."""
        watched = ("thread", self.access.org, frame.conversation)
        if not any(s.bucket is not None and s.bucket.key == watched for s in self._subscriptions.values()):
            return
        self._desks.signals.writing(
            self.access.org, frame.conversation, self.access.agent, internal=frame.kind == "note"
        )

    async def _check(self) -> None:
        """Asks, not too often, whether the session still stands: it may have been ended in another process."""
        now = self._desks.clock.monotonic()
        if now - self._checked < CHECK_SECONDS:
            return
        self._checked = now
        if not await self._desks.door.still(self.token):
            self.end("signed_out")

    # -- what the peer gets ---------------------------------------------------------------------------

    def snapshot(self, subscription: Subscription, whole: Delta) -> None:
        name, n = subscription.name, subscription.n
        self._push(f'{{"op":"snapshot","sub":"{name}","n":{n},"rows":{whole.rows}}}')

    def delta(self, subscription: Subscription, delta: Delta) -> None:
        prev = subscription.n
        subscription.n = n = prev + 1
        name, rows, keys = subscription.name, delta.rows, delta.keys
        self._push(f'{{"op":"delta","sub":"{name}","prev":{prev},"n":{n},"set":{rows},"del":{keys}}}')

    def ended(self, subscription: Subscription, refused: Refused) -> None:
        self._drop(subscription.name)
        self._push_frame(frames.RefusedFrame(sub=subscription.name, error=_problem(refused)))

    def _signal(self, signal: Signal) -> None:
        if signal.agent != self.access.agent:
            who: Literal["customer", "agent"] = "customer" if signal.agent is None else "agent"
            self._push_frame(
                frames.SignalFrame(signal.conversation, "writing", who, signal.agent, signal.until)
            )

    def reauthorise(self, access: Access) -> None:
        """The agent's rights changed: every subscription is looked at again, and the desk is told who it is."""
        self.access = access
        self.hello()
        for subscription in list(self._subscriptions.values()):
            self._desks.views.reauthorise(subscription, access)

    def end(self, reason: str) -> None:
        """Says why, then closes. What already waits is sent first, if the peer still takes it."""
        if self._ended:
            return
        self._push_frame(frames.Bye(cast("Any", reason)), last=True)
        self.forget()

    def forget(self) -> None:
        """Watches nothing any more."""
        self._ended = True
        for sub in list(self._subscriptions):
            self._drop(sub)

    def _push_frame(self, frame: frames.ServerFrame, *, last: bool = False) -> None:
        self._push(_encode(frame).decode(), last=last)

    def _push(self, text: str, *, last: bool = False) -> None:
        if self._ended:
            return
        if self._waiting > MAX_WAITING and not last:
            # Reading slower than the centre speaks: it starts afresh with a snapshot when it can.
            self._queue.clear()
            self.end("too_slow")
            return
        self._queue.append(text)
        self._waiting += len(text) + PER_FRAME
        if not self._sending:
            self._sending = True
            self._desks.supervisor.start("desk send", self._drain())

    async def _drain(self) -> None:
        send = self._send
        try:
            while self._queue:
                texts, self._queue = self._queue, []
                for text in texts:
                    await send({"type": "websocket.send", "text": text})
                    self._waiting -= len(text) + PER_FRAME
            if self._ended:
                await send({"type": "websocket.close", "code": 1000})
        except (OSError, RuntimeError):
            # The peer is gone or going, and the server says so in either way; the reading task ends by itself.
            self._queue.clear()
        finally:
            self._sending = False


async def _refuse(send: Send, reason: str) -> None:
    await send({"type": "websocket.send", "text": _encode(frames.Bye(cast("Any", reason))).decode()})
    await send({"type": "websocket.close", "code": 1000})


def _malformed(text: str, error: msgspec.MsgspecError) -> frames.RefusedFrame:
    """Says what is wrong with a frame, to whom it may concern: whoever waits for this `id` or `sub`."""
    try:
        of = _named.decode(text)
    except msgspec.MsgspecError:
        of = _Named()
    return frames.RefusedFrame(error=_problem(field_refused(error)), sub=of.sub, id=of.id)


def _problem(refused: Refused) -> frames.Problem:
    return frames.Problem(refused.kind, refused.code, refused.remedy, refused.field, refused.limit)
