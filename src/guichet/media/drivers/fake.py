"""A media server in this process, without a network: for tests, which play the far side of its calls.

It keeps every promise of the port, also that only those hear who are named: audio sockets are mixed for real. What
it does not have is wires: a call's far side is the test (`far_...`), and browsers get an answer that is no SDP.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Literal

import msgspec

from guichet.kit.clock import Clock
from guichet.kit.errors import Refused, invalid
from guichet.kit.tasks import Supervisor
from guichet.media.drivers.fake_audio import FakeAudio, mix
from guichet.media.plane import (
    AudioSocket,
    Dial,
    Endpoint,
    Event,
    Gap,
    Play,
    Position,
    Room,
    Silent,
    State,
    Trunk,
)

TICK = 0.02


class FakeMedia:
    """`MediaPlane`. `journal` is how many events it keeps."""

    def __init__(self, clock: Clock, tasks: Supervisor, *, journal: int = 1_000) -> None:
        self._clock = clock
        self._runs = count(1)
        self._ids = count(1)
        self._away = False
        self.rooms: dict[str, Room] = {}
        self.puts: list[set[str]] = []
        """Which rooms came together."""
        self.endpoints: dict[str, Endpoint] = {}
        self.known_trunks: dict[str, Trunk] = {}
        self._rev = 0
        self._plays: dict[tuple[str, str], Play] = {}
        self._sockets: dict[str, FakeAudio] = {}
        self._acts: set[tuple[str, str]] = set()
        self.picks_up = False
        """Whether whoever is called answers at once."""
        self.sent_digits: list[tuple[str, str]] = []
        """(endpoint, digits) as its far side got them."""
        self.referred: list[tuple[str, str, str]] = []
        """(endpoint, act, number) of which the far side was asked."""
        self._journal: deque[Event] = deque(maxlen=journal)
        self._seq = 0
        self._news = asyncio.Event()
        self._epoch = f"run-{next(self._runs)}"
        tasks.start("fake media tick", self._tick())

    # -- the port ------------------------------------------------------------------------------------------

    async def put(self, rooms: Sequence[Room]) -> None:
        self._there()
        places: dict[str, str] = {}
        for room in rooms:
            known = self.rooms.get(room.id)
            if known is not None and (room.rev < known.rev or (room.rev == known.rev and room != known)):
                raise Refused("conflict", "media.old_rev", f"revision {known.rev} is newer", field="rev")
            for endpoint in room.endpoints:
                if places.setdefault(endpoint, room.id) != room.id:
                    raise invalid("rooms", "media.invalid", "an endpoint can be in one room at a time")
        self.puts.append({room.id for room in rooms})
        for room in rooms:
            for other in self.rooms.values():
                if other.id != room.id and set(other.endpoints) & set(room.endpoints):
                    left = [e for e in other.endpoints if e not in room.endpoints]
                    self.rooms[other.id] = msgspec.structs.replace(other, endpoints=left)
            self.rooms[room.id] = room
        for room in rooms:
            if room.closed:
                for key in [key for key in self._plays if key[0] == room.id]:
                    self._ended(*key, "stopped")

    async def trunks(self, rev: int, trunks: Sequence[Trunk]) -> None:
        self._there()
        if rev < self._rev:
            raise Refused("conflict", "media.old_rev", f"revision {self._rev} is newer", field="rev")
        for trunk in trunks:
            for network in trunk.allow:
                try:
                    ipaddress.ip_network(network)
                except ValueError as error:
                    raise invalid("allow", "media.invalid", "write networks like 203.0.113.0/24") from error
        self._rev, self.known_trunks = rev, {trunk.id: trunk for trunk in trunks}

    async def dial(self, endpoint: str, call: Dial) -> None:
        self._there()
        if endpoint in self.endpoints:
            return
        trunk = self.known_trunks.get(call.trunk)
        if trunk is None:
            raise Refused("not_found", "media.unknown_trunk", "there is no such trunk")
        if not any(call.number.startswith(prefix) for prefix in trunk.countries):
            remedy = "the trunk may not call there: add its prefix"
            raise Refused("forbidden", "media.country", remedy, field="countries")
        self.endpoints[endpoint] = Endpoint(
            id=endpoint,
            kind="phone",
            state="dialling",
            trunk=call.trunk,
            from_=call.caller_id,
            to=call.number,
        )
        if self.picks_up:
            self._answered(endpoint)

    async def browser(self, endpoint: str, offer: str) -> str:
        self._there()
        if not offer.startswith("v=0"):
            raise invalid("sdp", "media.invalid", "this is not SDP")
        if endpoint not in self.endpoints:
            self.endpoints[endpoint] = Endpoint(id=endpoint, kind="browser", state="connected")
            self._emit("connected", endpoint)
        return "v=0\r\n"

    async def ring(self, endpoint: str) -> None:
        self._find(endpoint)

    async def early(self, endpoint: str) -> None:
        self._find(endpoint)

    async def answer(self, endpoint: str) -> None:
        if self._find(endpoint).state == "offered":
            self._answered(endpoint)

    async def reject(self, endpoint: str, code: int) -> None:
        if endpoint in self.endpoints:
            self._left(endpoint, "us", "rejected", code)

    async def hang_up(self, endpoint: str) -> None:
        self._there()
        if endpoint in self.endpoints:
            self._left(endpoint, "us", "hangup")

    async def hold(self, endpoint: str, on: bool) -> None:
        call = self._find(endpoint)
        if call.state not in ("answered", "held"):
            raise Refused("conflict", "media.wrong_state", "the call is not answered")
        if call.holding != on:
            self.endpoints[endpoint] = msgspec.structs.replace(call, holding=on)
            self._emit("holding", endpoint, on=on)

    async def refer(self, endpoint: str, act: str, number: str) -> None:
        if self._once(endpoint, act):
            self.endpoints[endpoint] = msgspec.structs.replace(self.endpoints[endpoint], referring=act)
            self.referred.append((endpoint, act, number))

    async def digits(
        self, endpoint: str, act: str, digits: str, *, via: Literal["rtp", "info"] = "rtp"
    ) -> None:
        if self._once(endpoint, act):
            self.sent_digits.append((endpoint, digits))

    async def play(self, room: str, play: Play) -> None:
        self._there()
        if room not in self.rooms:
            raise Refused("not_found", "media.not_found", "there is no such room", field="room")
        self._plays.setdefault((room, play.play), play)

    async def stop(self, room: str, play: str) -> None:
        self._there()
        self._ended(room, play, "stopped")

    async def state(self) -> State:
        self._there()
        return State(
            epoch=self._epoch, seq=self._seq, rooms=[r for r in self.rooms.values() if not r.closed],
            endpoints=[msgspec.structs.replace(e, room=self._place(e.id)) for e in self.endpoints.values()],
            trunks_rev=self._rev,
        )  # fmt: skip

    async def events(self, after: Position, *, levels: bool = False) -> AsyncGenerator[Event]:
        self._there()
        epoch, seen = self._epoch, after.seq
        oldest = self._seq - len(self._journal)
        if after.epoch != epoch or seen < oldest:
            raise Gap(Position(epoch, oldest))
        while True:
            news = self._news
            if self._away or self._epoch != epoch:
                raise Silent
            for event in [e for e in self._journal if e.seq > seen]:
                seen = event.seq
                yield event
            if self._seq == seen:
                await news.wait()

    @asynccontextmanager
    async def pcm(self, endpoint: str) -> AsyncIterator[AudioSocket]:
        self._there()
        if endpoint in self.endpoints:
            raise Refused("conflict", "media.exists", "there is an endpoint with this id", field="endpoint")
        socket = self._sockets[endpoint] = FakeAudio()
        self.endpoints[endpoint] = Endpoint(id=endpoint, kind="socket", state="connected")
        self._emit("connected", endpoint)
        try:
            yield socket
        finally:
            if endpoint in self.endpoints:
                self._left(endpoint, "them", "closed")

    # -- the far side ----------------------------------------------------------------------------------------

    def far_calls(self, trunk: str, caller: str, called: str) -> str:
        """A call comes in; gives its endpoint."""
        endpoint = f"in-{next(self._ids)}"
        self.endpoints[endpoint] = Endpoint(
            id=endpoint, kind="phone", state="offered", trunk=trunk, from_=caller, to=called, incoming=True
        )
        self._emit("offered", endpoint, trunk=trunk, from_=caller, to=called)
        return endpoint

    def far_rings(self, endpoint: str) -> None:
        self._becomes(endpoint, "ringing")
        self._emit("ringing", endpoint)

    def far_answers(self, endpoint: str) -> None:
        self._answered(endpoint)

    def far_holds(self, endpoint: str, on: bool) -> None:
        self._becomes(endpoint, "held" if on else "answered")
        self._emit("held" if on else "resumed", endpoint)

    def far_presses(self, endpoint: str, digit: str) -> None:
        self._emit("digit", endpoint, digit=digit, via="rtp", millis=100)
        for (room, name), play in list(self._plays.items()):
            if play.interruptible and endpoint in play.heard_by:
                self._ended(room, name, "interrupted")

    def far_refers(self, endpoint: str, act: str, code: int) -> None:
        """What became of the transfer that they were asked for."""
        self.endpoints[endpoint] = msgspec.structs.replace(self.endpoints[endpoint], referring="")
        self._emit("referred", endpoint, act=act, code=code)

    def far_hangs_up(self, endpoint: str, code: int = 0) -> None:
        self._left(endpoint, "them", "busy" if code == 486 else "hangup", code)

    def records(self, spool: Path, room: str, recording: str, content: bytes, millis: int) -> None:
        """A recording is finished, and lies in the spool."""
        file, about = spool / f"{recording}.ogg", spool / f"{recording}.json"
        file.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        told: dict[str, object] = {"sha256": digest, "bytes": len(content), "millis": millis}
        sidecar = {"recording": recording, "room": room, "file": file.name, **told}
        about.with_suffix(".part").write_bytes(msgspec.json.encode(sidecar))
        about.with_suffix(".part").rename(about)
        self._emit("recording_ready", "", room=room, recording=recording, path=str(file), **told)

    def loses(self, room: str, recording: str, cause: str) -> None:
        """A recording fails; the call goes on."""
        self._emit("recording_failed", "", room=room, recording=recording, cause=cause)

    def far_trunk(self, trunk: str, *, up: bool) -> None:
        self._emit("trunk_up" if up else "trunk_down", "", trunk=trunk)

    def restarts(self) -> None:
        """It was killed and is there again: calls and rooms go on, browsers and sockets do not."""
        for ident in [e.id for e in self.endpoints.values() if e.kind != "phone"]:
            self._over(ident)
        self._epoch, self._seq = f"run-{next(self._runs)}", 0
        self._journal.clear()
        self._emit("recovered", "", count=len(self.endpoints))

    def goes(self, *, forgetting: bool = False) -> None:
        """Its host is gone; nobody is told anything. `forgetting`: and with it all calls."""
        self._away = True
        self._tell()
        if forgetting:
            for ident in list(self.endpoints):
                self._over(ident)
            self.rooms.clear()

    def comes_back(self, *, restarted: bool = True) -> None:
        """It is reachable again."""
        self._away = False
        if restarted:
            self.restarts()

    # -- inside ----------------------------------------------------------------------------------------------

    def _there(self) -> None:
        if self._away:
            raise Silent

    def _find(self, endpoint: str) -> Endpoint:
        self._there()
        found = self.endpoints.get(endpoint)
        if found is None:
            raise Refused("not_found", "media.not_found", "there is no such endpoint", field="endpoint")
        return found

    def _once(self, endpoint: str, act: str) -> bool:
        self._find(endpoint)
        fresh = (endpoint, act) not in self._acts
        self._acts.add((endpoint, act))
        return fresh

    def _place(self, endpoint: str) -> str:
        return next((r.id for r in self.rooms.values() if endpoint in r.endpoints and not r.closed), "")

    def _becomes(self, endpoint: str, state: str) -> None:
        self.endpoints[endpoint] = msgspec.structs.replace(self.endpoints[endpoint], state=state)

    def _answered(self, endpoint: str) -> None:
        self._becomes(endpoint, "answered")
        self._emit("answered", endpoint, codec="PCMA")

    def _left(self, endpoint: str, who: str, cause: str, code: int = 0) -> None:
        self._over(endpoint)
        self._emit("left", endpoint, who=who, cause=cause, code=code)

    def _over(self, endpoint: str) -> None:
        self.endpoints.pop(endpoint, None)
        if (socket := self._sockets.pop(endpoint, None)) is not None:
            socket.over()

    def _ended(self, room: str, play: str, cause: str) -> None:
        if self._plays.pop((room, play), None) is not None:
            self._emit("played", "", room=room, play=play, cause=cause)

    def _emit(self, kind: str, endpoint: str, **fields: object) -> None:
        self._seq += 1
        event = Event(kind=kind, endpoint=endpoint, epoch=self._epoch, seq=self._seq, at_ms=self._clock.now())
        self._journal.append(msgspec.structs.replace(event, **fields))
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            said = {ident: socket.next() for ident, socket in self._sockets.items()}
            rooms = [room for room in self.rooms.values() if not room.closed]
            hears = {e: room.hears.get(e, []) for room in rooms for e in room.endpoints}
            for ident, socket in self._sockets.items():
                socket.give(mix([said[source] for source in hears.get(ident, []) if source in said]))
