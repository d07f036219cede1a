"""The media's share of the leader's state: which rooms and endpoints there are. No numbers, no digits."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any, Literal

import msgspec

from guichet.accounts.part import Accounts
from guichet.customers.part import Customers
from guichet.events.media import (
    EndpointAnswered,
    EndpointAsked,
    EndpointDialled,
    EndpointHeld,
    EndpointJoined,
    EndpointLeft,
    EndpointOffered,
    EndpointRang,
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
    """A room that was opened. `rev` 0: nothing was put yet. `recordings`: by id, whether it is kept (else it failed,
    and what there is of it may still come)."""

    id: str
    org: str
    client: str
    customer: str
    rev: int = 0
    closed: bool = False
    endpoints: list[str] = []
    recordings: dict[str, bool] = {}


class Endpoint(msgspec.Struct):
    """A call or a browser. `asked`: the acts that were asked of it."""

    id: str
    org: str
    client: str
    state: EndpointState
    asked: list[str] = []


class Media(Part):
    """Rooms and endpoints by id; what is closed or over is forgotten and loaded again when asked for."""

    cold = frozenset({"room", "endpoint"})

    def __init__(self, accounts: Accounts, customers: Customers) -> None:
        self.accounts = accounts
        self.customers = customers
        self.rooms: dict[str, Room | None] = {}
        self.endpoints: dict[str, Endpoint | None] = {}
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

    def elsewhere(self, endpoints: set[str], rooms: Container[str]) -> bool:
        """Whether one of the endpoints is in an open room other than these."""
        return any(
            not room.closed and not endpoints.isdisjoint(room.endpoints) and room.id not in rooms
            for room in self.rooms.values()
            if room is not None
        )

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

    # -- folding ---------------------------------------------------------------------------------------

    @folds(RoomOpened)
    def _opened(self, fact: RoomOpened, at: At) -> None:
        self.rooms[fact.room] = Room(fact.room, at.org, fact.client, fact.customer)

    @folds(RoomSet)
    def _set(self, fact: RoomSet, at: At) -> None:
        room = self._room(fact.room)
        room.rev, room.closed, room.endpoints = fact.rev, False, list(fact.document.get("endpoints", ()))

    @folds(RoomClosed)
    def _closed(self, fact: RoomClosed, at: At) -> None:
        room = self._room(fact.room)
        room.rev, room.closed, room.endpoints = fact.rev, True, []
        self._over.append(f"room/{fact.room}")

    @folds(RecordingKept, RecordingFailed)
    def _recorded(self, fact: RecordingKept | RecordingFailed, at: At) -> None:
        self._room(fact.room).recordings[fact.recording] = isinstance(fact, RecordingKept)

    @folds(EndpointDialled)
    def _dialled(self, fact: EndpointDialled, at: At) -> None:
        self.endpoints[fact.endpoint] = Endpoint(fact.endpoint, at.org, fact.client, "dialled")

    @folds(EndpointJoined)
    def _joined(self, fact: EndpointJoined, at: At) -> None:
        self.endpoints[fact.endpoint] = Endpoint(fact.endpoint, at.org, "", "joined")

    @folds(EndpointOffered)
    def _offered(self, fact: EndpointOffered, at: At) -> None:
        self.endpoints[fact.endpoint] = Endpoint(fact.endpoint, at.org, "", "offered")
        self._heard(fact, at)

    @folds(EndpointAsked)
    def _asked(self, fact: EndpointAsked, at: At) -> None:
        self._endpoint(fact.endpoint).asked.append(fact.act)

    @folds(EndpointRang, EndpointAnswered, EndpointHeld, EndpointLeft)
    def _went_on(self, fact: EndpointRang | EndpointAnswered | EndpointHeld | EndpointLeft, at: At) -> None:
        endpoint = self._endpoint(fact.endpoint)
        if isinstance(fact, EndpointHeld):
            endpoint.state = "held" if fact.on else "answered"
        elif isinstance(fact, EndpointLeft):
            endpoint.state = "left"
            self._over.append(f"endpoint/{fact.endpoint}")
        else:
            endpoint.state = "ringing" if isinstance(fact, EndpointRang) else "answered"
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
        self.epoch, self.seq, self._heard_at = data["heard"]
        over = [f"room/{i}" for i, r in self.rooms.items() if r is not None and self._is_over(r)]
        self._over = over + [
            f"endpoint/{i}" for i, e in self.endpoints.items() if e is not None and self._is_over(e)
        ]
