"""The media's share of the leader's state: which rooms and endpoints there are. No numbers, no digits."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from typing import Any, Literal

import msgspec

from guichet.accounts.part import Accounts
from guichet.accounts.settings import Number
from guichet.customers.part import Customers
from guichet.events.media import (
    EndpointAnswered,
    EndpointAsked,
    EndpointDialled,
    EndpointHeld,
    EndpointHoldWanted,
    EndpointJoined,
    EndpointLeft,
    EndpointOffered,
    EndpointRang,
    EndpointReferred,
    EndpointTransferred,
    EndpointTransferWanted,
    Heard,
    RecordingFailed,
    RecordingKept,
    RoomClosed,
    RoomOpened,
    RoomSet,
)
from guichet.kit.errors import Refused
from guichet.leader.registry import At
from guichet.leader.state import Missing, Part, folds

EndpointState = Literal["dialled", "offered", "ringing", "joined", "answered", "held", "left"]


class Room(msgspec.Struct):
    """A room that was opened. `rev` 0: nothing was put yet; `set_at` by which fact (seq). `recordings`: by id, whether
    it is kept (else it failed, and what there is of it may still come). `again`: the last call that stands in for a
    lost one of the customer's."""

    id: str
    org: str
    client: str
    customer: str
    rev: int = 0
    closed: bool = False
    document: dict[str, Any] = {}
    set_at: int = 0
    again: str = ""
    recordings: dict[str, bool] = {}

    def recording(self) -> str:
        """The id of what is being recorded; empty: nothing is."""
        found = self.document.get("recording") or {}
        return str(found.get("id", ""))


class Transfer(msgspec.Struct, frozen=True):
    """One that is under way; `bridging`: we call there ourselves."""

    id: str
    customer: str
    trunk: str
    caller_id: str
    timeout_seconds: int
    bridging: bool = False


class Endpoint(msgspec.Struct):
    """A call or a browser. `trunk`: of a call. `ours`: the number of ours that is seen there, as it was written.
    `asked`: the acts that were asked of it. `talked`: it was answered. `hold`: whether we want it on hold. `bridged`:
    the call that it was transferred to, or that was transferred to it. `again`: it stands in for one that was lost."""

    id: str
    org: str
    client: str
    state: EndpointState
    trunk: str = ""
    ours: str = ""
    asked: list[str] = []
    talked: bool = False
    hold: bool = False
    transfer: Transfer | None = None
    bridged: str = ""
    again: bool = False
    incoming: bool = False


class Media(Part):
    """Rooms and endpoints by id; what is closed or over is forgotten and loaded again when asked for."""

    cold = frozenset({"room", "endpoint"})

    def __init__(self, accounts: Accounts, customers: Customers) -> None:
        self.accounts = accounts
        self.customers = customers
        self.rooms: dict[str, Room | None] = {}
        self.endpoints: dict[str, Endpoint | None] = {}
        self._places: dict[str, tuple[int, str]] = {}
        self.epoch = ""
        self.seq = 0
        self._heard_at = 0
        self._over: list[str] = []

    # -- reading ---------------------------------------------------------------------------------------

    def room(self, ident: str) -> Room | None:
        """None when there is none. Raises Missing when nobody knows yet."""
        if ident not in self.rooms:
            raise Missing(f"room/{ident}")
        return self.rooms[ident]

    def place(self, endpoint: str) -> Room | None:
        """The open room that the endpoint is in."""
        place = self._places.get(endpoint)
        return self.rooms[place[1]] if place is not None else None

    def elsewhere(self, endpoints: Iterable[str], rooms: Container[str]) -> bool:
        """Whether one of the endpoints is in an open room other than these."""
        places = (self._places.get(endpoint) for endpoint in endpoints)
        return any(place is not None and place[1] not in rooms for place in places)

    def shows(self, org: str, number: str) -> bool:
        """Whether a call out may show this number: one of the configuration."""
        ours = self.accounts.directory.of(org, Number).values()
        return number in {each.number for each in ours if each.active}

    def endpoint(self, ident: str) -> Endpoint | None:
        """None when there is none. Raises Missing when nobody knows yet."""
        if ident not in self.endpoints:
            raise Missing(f"endpoint/{ident}")
        return self.endpoints[ident]

    def alive(self, ident: str) -> Endpoint:
        """An endpoint that is not over. Raises Refused, Missing."""
        endpoint = self.endpoint(ident)
        if endpoint is None or endpoint.state == "left":
            raise Refused("not_found", "endpoint.not_found", "there is no such call (any more)")
        return endpoint

    def is_alive(self, ident: str) -> bool:
        """Whether it is not over, known without loading anything: what lives is resident."""
        endpoint = self.endpoints.get(ident)
        return endpoint is not None and endpoint.state != "left"

    # -- folding ---------------------------------------------------------------------------------------

    @folds(RoomOpened)
    def _opened(self, fact: RoomOpened, at: At) -> None:
        self.rooms[fact.room] = Room(fact.room, at.org, fact.client, fact.customer)

    @folds(RoomSet)
    def _set(self, fact: RoomSet, at: At) -> None:
        room = self._room(fact.room)
        self._leave(room)
        room.rev, room.closed, room.document, room.set_at = fact.rev, False, fact.document, at.seq
        self._enter(room)

    @folds(RoomClosed)
    def _closed(self, fact: RoomClosed, at: At) -> None:
        room = self._room(fact.room)
        self._leave(room)
        room.rev, room.closed, room.document = fact.rev, True, {}
        self._over.append(f"room/{fact.room}")

    def _enter(self, room: Room) -> None:
        """Who is in it now; a cold stream tells only where somebody was before."""
        place = (room.set_at, room.id)
        for endpoint in room.document.get("endpoints", ()):
            self._places[endpoint] = max(place, self._places.get(endpoint, place))

    def _leave(self, room: Room) -> None:
        for endpoint in room.document.get("endpoints", ()):
            if self._places.get(endpoint) == (room.set_at, room.id):
                del self._places[endpoint]

    @folds(RecordingKept, RecordingFailed)
    def _recorded(self, fact: RecordingKept | RecordingFailed, at: At) -> None:
        self._room(fact.room).recordings[fact.recording] = isinstance(fact, RecordingKept)

    @folds(EndpointDialled)
    def _dialled(self, fact: EndpointDialled, at: At) -> None:
        self.endpoints[fact.endpoint] = Endpoint(
            fact.endpoint, at.org, fact.client, "dialled", fact.trunk, fact.caller_id, again=fact.again
        )
        other = self.endpoints.get(fact.number_of)
        room = self.place(fact.number_of) if fact.again and other is not None and other.incoming else None
        if room is not None:
            room.again = fact.endpoint
        if other is not None and other.transfer is not None and other.transfer.id == fact.endpoint:
            other.transfer = msgspec.structs.replace(other.transfer, bridging=True)
            other.bridged, self._endpoint(fact.endpoint).bridged = fact.endpoint, other.id

    @folds(EndpointJoined)
    def _joined(self, fact: EndpointJoined, at: At) -> None:
        self.endpoints[fact.endpoint] = Endpoint(fact.endpoint, at.org, "", "joined")

    @folds(EndpointOffered)
    def _offered(self, fact: EndpointOffered, at: At) -> None:
        self.endpoints[fact.endpoint] = Endpoint(
            fact.endpoint, at.org, "", "offered", fact.trunk, fact.number, incoming=True
        )
        self._heard(fact, at)

    @folds(EndpointAsked)
    def _asked(self, fact: EndpointAsked, at: At) -> None:
        self._endpoint(fact.endpoint).asked.append(fact.act)

    @folds(EndpointHoldWanted)
    def _hold_wanted(self, fact: EndpointHoldWanted, at: At) -> None:
        self._endpoint(fact.endpoint).hold = fact.on

    @folds(EndpointTransferWanted)
    def _transfer_wanted(self, fact: EndpointTransferWanted, at: At) -> None:
        self._endpoint(fact.endpoint).transfer = Transfer(
            fact.transfer, fact.customer, fact.trunk, fact.caller_id, fact.timeout_seconds
        )

    @folds(EndpointReferred)
    def _referred(self, fact: EndpointReferred, at: At) -> None:
        self._heard(fact, at)

    @folds(EndpointTransferred)
    def _transferred(self, fact: EndpointTransferred, at: At) -> None:
        endpoint = self._endpoint(fact.endpoint)
        endpoint.transfer = None
        if fact.by == "nobody":
            endpoint.bridged = ""

    @folds(EndpointRang, EndpointAnswered, EndpointHeld, EndpointLeft)
    def _went_on(self, fact: EndpointRang | EndpointAnswered | EndpointHeld | EndpointLeft, at: At) -> None:
        endpoint = self._endpoint(fact.endpoint)
        if isinstance(fact, EndpointHeld):
            endpoint.state = "held" if fact.on else "answered"
        elif isinstance(fact, EndpointLeft):
            endpoint.state = "left"
            self._over.append(f"endpoint/{fact.endpoint}")
        else:
            endpoint.talked = isinstance(fact, EndpointAnswered)
            endpoint.state = "answered" if endpoint.talked else "ringing"
        self._heard(fact, at)

    def _heard(self, fact: Heard, at: At) -> None:
        """Up to where events became facts. What a cold stream brings back was heard before."""
        if fact.seq and at.seq > self._heard_at:
            self.epoch, self.seq, self._heard_at = fact.epoch, fact.seq, at.seq

    def _room(self, ident: str) -> Room:
        room = self.rooms[ident]
        assert room is not None  # its stream was opened
        return room

    def _endpoint(self, ident: str) -> Endpoint:
        endpoint = self.endpoints[ident]
        assert endpoint is not None
        return endpoint

    # -- memory ----------------------------------------------------------------------------------------

    def loaded(self, stream: str) -> None:
        kind, _, ident = stream.partition("/")
        known: dict[str, Any] = self.rooms if kind == "room" else self.endpoints
        known.setdefault(ident, None)
        if kind in self.cold and (known[ident] is None or self._is_over(known[ident])):
            self._over.append(stream)

    @staticmethod
    def _is_over(what: Room | Endpoint) -> bool:
        return what.closed if isinstance(what, Room) else what.state == "left"

    def at_rest(self) -> Iterator[str]:
        over, self._over = self._over, []
        for stream in over:
            kind, _, ident = stream.partition("/")
            known: dict[str, Any] = self.rooms if kind == "room" else self.endpoints
            if ident in known and (known[ident] is None or self._is_over(known[ident])):
                del known[ident]
                yield stream

    def dump(self) -> Any:  # noqa: ANN401 (plain data)
        return msgspec.to_builtins(
            {
                "rooms": {i: r for i, r in sorted(self.rooms.items()) if r is not None},
                "endpoints": {i: e for i, e in sorted(self.endpoints.items()) if e is not None},
                "heard": [self.epoch, self.seq, self._heard_at],
            }
        )

    def restore(self, data: Any) -> None:  # noqa: ANN401
        self.rooms = msgspec.convert(data["rooms"], dict[str, Room | None])
        self.endpoints = msgspec.convert(data["endpoints"], dict[str, Endpoint | None])
        for room in self.rooms.values():
            if room is not None:
                self._enter(room)
        self.epoch, self.seq, self._heard_at = data["heard"]
        over = [f"room/{i}" for i, r in self.rooms.items() if r is not None and self._is_over(r)]
        self._over = over + [
            f"endpoint/{i}" for i, e in self.endpoints.items() if e is not None and self._is_over(e)
        ]
