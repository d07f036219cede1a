"""Between the log and a media server: what is desired goes there, what happens there becomes facts.

The log is the truth, the server an effect. After a restart of either side, or a line that was cut, everything
desired is put again and what both sides believe of each call is compared; a server that stays away takes its calls
with it, and whoever called may be called back.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Iterable
from contextlib import aclosing
from typing import Literal, cast

import msgspec
import structlog

from guichet.channels.base import Edge
from guichet.kit.errors import Refused
from guichet.leader.loop import Committed
from guichet.media.plane import Event, Gap, Hearing, MediaPlane, Position, Room, Silent, State
from guichet.media.recordings import Recordings
from guichet.media.reports import Desired, Reports
from guichet.media.tables import ENDPOINT, POSITION, ROOM
from guichet.media.trunks import all_trunks
from guichet.store.port import Row

RETRY = 0.1
PATIENCE = 2.0
"""Seconds after which a server that does not answer has lost its calls. One that was killed is back in less."""
STARTING = 10.0
"""The same while this process has not seen it yet: both may just have been started."""
PAGE = 100_000
PARKED = "parked-"
"""So begin the rooms in which the server keeps calls that nobody took; it ends them itself."""
AT_ONCE = 200
"""Rooms of one put when everything is put again."""

Listener = Callable[[Event], None]
Condition = Literal["preparing", "up", "down"]

log = structlog.get_logger(__name__)


class Link:
    """One media server of this process. `committed` hears of every commit; `follow` and `put` work until cancelled."""

    def __init__(self, plane: MediaPlane, edge: Edge, reports: Reports, recordings: Recordings) -> None:
        self.condition: Condition = "preparing"
        self.listeners: list[Listener] = []
        """Told of every event, also of those that become no facts (digits, quality, what has been played)."""
        self._plane = plane
        self._edge = edge
        self._reports = reports
        self._recordings = recordings
        self._rooms: dict[str, Room] = {}
        self._stale_trunks = False
        self._trunks_rev = 0
        self._wake = asyncio.Event()
        self._position: Position | None = None
        self._missed = False
        self._seen = False
        """Whether the two have agreed since this process began: what is lost now is lost now."""
        self._lost = False
        """So it is: the server is another one, or has forgotten."""

    def committed(self, committed: Committed) -> None:
        """Collects what changed; the rooms of one commit go out together."""
        for change in committed.changes:
            if change.table is ROOM and change.values is not None and change.values.get("rev"):
                self._desire([_room({"room": change.key[0], **change.values})])
            elif change.table is ENDPOINT:
                self._reports.know(str(change.key[0]), None if change.deleted else change.org)
            elif change.table.name == "config" and change.key[1] in ("trunk", "number"):
                self.refresh_trunks()

    def refresh_trunks(self) -> None:
        """A password of theirs is another one: put them again."""
        self._stale_trunks = True
        self._wake.set()

    def _desire(self, rooms: Iterable[Room]) -> None:
        for room in rooms:
            waiting = self._rooms.get(room.id)
            if waiting is None or waiting.rev < room.rev:
                self._rooms[room.id] = room
        self._wake.set()

    # -- there ---------------------------------------------------------------------------------------------

    async def put(self) -> None:
        """Puts what changes."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            rooms, self._rooms = list(self._rooms.values()), {}
            trunks, self._stale_trunks = self._stale_trunks, False
            try:
                if trunks:
                    await self._put_trunks()
                for at in range(0, len(rooms), AT_ONCE):
                    await self._put(rooms[at : at + AT_ONCE])
            except Silent:
                self._stale_trunks = self._stale_trunks or trunks
                self._desire(rooms)
                await asyncio.sleep(RETRY)

    async def _put(self, rooms: list[Room]) -> None:
        """All in one tick. What is refused is left out, that of a room alone where that is enough: who hears whom must
        not wait for a file."""
        while True:
            try:
                await self._plane.put(rooms)
                return
            except Silent:
                raise
            except Refused as refused:
                log.warning("room refused", code=refused.code, field=refused.field, rooms=len(rooms))
                rest = without(rooms, refused.field or "")
            if rest is None:
                break
            rooms, failed = rest
            if failed is not None:
                for listener in self.listeners:
                    listener(failed)
        for room in rooms if len(rooms) > 1 else ():
            await self._put([room])

    async def _put_trunks(self) -> None:
        """All of them. One that is refused must not hold up the others, which may be another organisation's."""
        trunks = await all_trunks(self._edge.directory, self._edge.secrets)
        while True:
            self._trunks_rev = max(self._edge.clock.now(), self._trunks_rev + 1)
            try:
                await self._plane.trunks(self._trunks_rev, trunks)
                return
            except Silent:
                raise
            except Refused as refused:
                log.warning("trunks refused", code=refused.code, field=refused.field)
                found = re.match(r"trunks\[(\d+)\]\.?(.*)", refused.field or "")
            if found is None or int(found[1]) >= len(trunks):
                return
            await self._reports.trunk_refused(trunks.pop(int(found[1])).id, found[2])

    # -- and back ------------------------------------------------------------------------------------------

    async def follow(self) -> None:
        """Agrees with the server, then takes in what happens; again whenever the line was cut."""
        gone_since: float | None = None
        before = Desired([], set())
        while True:
            try:
                before = await self._reports.desired()
                state = await self._plane.state()
                gone_since = None
                after = await self._agree(state)
                self._recordings.look()
                self.condition = "up"
                await self._take_events(after, before, state)
            except Silent:
                now = self._edge.clock.monotonic()
                gone_since = now if gone_since is None else gone_since
                if self.condition == "up":
                    log.warning("the media server does not answer")
                    self.condition = "down"
                if now - gone_since > (PATIENCE if self.condition == "down" else STARTING):
                    await self._reports.lost(before, seen=self._seen)
            except Gap as gap:
                log.warning("events of the media server were missed")
                self._missed, self._position = True, gap.kept
            except Refused as refused:
                log.warning("the log and the media server do not agree yet", code=refused.code)
            await asyncio.sleep(RETRY)

    async def _agree(self, state: State) -> Position:
        """Puts everything desired that is not so, and compares the calls. Gives where to go on with the events."""
        rows = await self._edge.reader.rows(ROOM, {"closed": False}, limit=PAGE)
        wanted = {room.id: room for row in rows if (room := _room(row)).rev}
        there = {room.id: room.rev for room in state.rooms}
        self._stale_trunks, self._trunks_rev = True, max(self._trunks_rev, state.trunks_rev)
        self._desire(room for room in wanted.values() if there.get(room.id) != room.rev)
        strange = [room for room in state.rooms if room.id not in wanted and not room.id.startswith(PARKED)]
        self._desire([await self._closed(room) for room in strange])
        known = self._position or await self._known()
        restarted = known is None or known.epoch != state.epoch
        if restarted:
            self._missed, self._lost = True, self._seen
        await self._reports.agree(state)
        return Position(state.epoch, 0) if known is None or restarted else known

    async def _closed(self, there: Room) -> Room:
        row = await self._edge.reader.row(ROOM, (there.id,))
        rev = max(there.rev + 1, cast("int", row["rev"]) if row is not None else 0)
        return Room(id=there.id, rev=rev, closed=True)

    async def _known(self) -> Position | None:
        row = await self._edge.reader.row(POSITION, ("media",))
        return Position(str(row["epoch"]), cast("int", row["seq"])) if row is not None else None

    async def _take_events(self, after: Position, before: Desired, state: State) -> None:
        async with aclosing(self._plane.events(after)) as events:
            concluded = after.seq >= state.seq
            if concluded:
                await self._conclude(before, state)
            async for event in events:
                await self._take(event)
                self._position = Position(event.epoch, event.seq)
                if not concluded and event.seq >= state.seq:
                    concluded = True
                    await self._conclude(before, state)

    async def _conclude(self, before: Desired, state: State) -> None:
        """All is known that was told up to this state."""
        if self._missed:
            await self._reports.conclude(before, state, seen=self._lost)
        self._missed, self._lost, self._seen = False, False, True

    async def _take(self, event: Event) -> None:
        if event.kind == "recording_ready":
            self._recordings.look()
        elif event.kind == "recording_failed":
            await self._recordings.failed(event)
        elif not await self._reports.take(event) and event.kind != "left":
            # The log has done with a call that goes on: nobody else would end it.
            with contextlib.suppress(Refused):
                await self._plane.hang_up(event.endpoint)
        for listener in self.listeners:
            listener(event)


def _room(row: Row) -> Room:
    """The room as it is put."""
    ident, rev = str(row["room"]), cast("int", row["rev"])
    if row["closed"]:
        return Room(id=ident, rev=rev, closed=True)
    hearing = msgspec.convert(row["document"], Hearing)
    fields = {name: getattr(hearing, name) for name in Hearing.__struct_fields__}
    return Room(id=ident, rev=rev, **fields)


def without(rooms: list[Room], field: str) -> tuple[list[Room], Event | None] | None:
    """These rooms without the source, recording or video that was refused, and the event that tells of a source which
    nobody will hear. None: it was something else."""
    found = re.match(r"rooms\[(\d+)\]\.(.*)", field)
    if found is None or int(found[1]) >= len(rooms):
        return None
    at, part = int(found[1]), found[2]
    room = rooms[at]
    names = [name for name in room.sources if part.startswith((f"sources.{name}.", f'sources["{name}"]'))]
    event = None
    if names:
        gone = max(names, key=len)
        sources = {name: source for name, source in room.sources.items() if name != gone}
        hears = {hearer: [name for name in heard if name != gone] for hearer, heard in room.hears.items()}
        rest = msgspec.structs.replace(room, sources=sources, hears=hears)
        event = Event(kind="played", room=room.id, play=gone, cause="failed")
    elif part.startswith("recording") and room.recording is not None:
        rest = msgspec.structs.replace(room, recording=None)
    elif part.startswith("video") and room.video:
        rest = msgspec.structs.replace(room, video=[])
    else:
        return None
    return [*rooms[:at], rest, *rooms[at + 1 :]], event
