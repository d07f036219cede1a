"""Facts of rooms and endpoints as rows, and the work that follows from them."""

from __future__ import annotations

from collections.abc import Iterator

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
    TrunkTurned,
)
from guichet.kit.clock import MINUTE, Instant
from guichet.leader.registry import At, project
from guichet.media.part import Media
from guichet.media.tables import ENDPOINT, POSITION, RECORDING, ROOM, TRUNK
from guichet.store.rows import Delete, Insert, NewJob, RowOp, Update, Value

ACTS = "media_acts"
"""Queue of what is asked of endpoints: done after the commit, repeated without harm."""
WORTH_IT = 2 * MINUTE
"""For how long after they were cut off somebody is called again."""


@project(RoomOpened)
def show_room(part: Media, fact: RoomOpened, at: At) -> Iterator[RowOp]:
    values: dict[str, Value] = {"client": fact.client, "customer": fact.customer}
    yield Insert(ROOM, (fact.room,), {**values, "rev": 0, "closed": False, "document": {}})


@project(RoomSet)
def show_document(part: Media, fact: RoomSet, at: At) -> Iterator[RowOp]:
    yield Update(ROOM, (fact.room,), {"rev": fact.rev, "closed": False, "document": fact.document})


@project(RoomClosed)
def show_closed(part: Media, fact: RoomClosed, at: At) -> Iterator[RowOp]:
    yield Update(ROOM, (fact.room,), {"rev": fact.rev, "closed": True, "document": {}})


@project(EndpointDialled)
def show_dialled(part: Media, fact: EndpointDialled, at: At) -> Iterator[RowOp]:
    values = {
        "client": fact.client,
        "party": f"customer:{fact.customer}",
        "trunk": fact.trunk,
        "state": "dialled",
    }
    yield Insert(ENDPOINT, (fact.endpoint,), {**values, "since": at.t})
    yield _job(fact.endpoint, at.org, "dial", until=at.t + WORTH_IT if fact.again else None)


@project(EndpointJoined)
def show_joined(part: Media, fact: EndpointJoined, at: At) -> Iterator[RowOp]:
    yield Insert(ENDPOINT, (fact.endpoint,), {"party": fact.party, "state": "joined", "since": at.t})


@project(EndpointOffered)
def show_offered(part: Media, fact: EndpointOffered, at: At) -> Iterator[RowOp]:
    yield Insert(ENDPOINT, (fact.endpoint,), {"trunk": fact.trunk, "state": "offered", "since": at.t})


@project(EndpointAsked)
def do_asked(part: Media, fact: EndpointAsked, at: At) -> Iterator[RowOp]:
    yield _job(fact.endpoint, at.org, fact.act, code=fact.code)


@project(EndpointHoldWanted)
def show_hold(part: Media, fact: EndpointHoldWanted, at: At) -> Iterator[RowOp]:
    yield Update(ENDPOINT, (fact.endpoint,), {"hold": fact.on})
    yield _job(fact.endpoint, at.org, "hold", name=str(at.seq))


@project(EndpointTransferWanted)
def show_transfer(part: Media, fact: EndpointTransferWanted, at: At) -> Iterator[RowOp]:
    yield Update(ENDPOINT, (fact.endpoint,), {"transfer": fact.transfer})
    yield _job(fact.endpoint, at.org, "refer", name=fact.transfer)


@project(EndpointReferred, EndpointTransferred)
def show_transferred(part: Media, fact: EndpointReferred | EndpointTransferred, at: At) -> Iterator[RowOp]:
    yield Update(ENDPOINT, (fact.endpoint,), {"transfer": None})


@project(EndpointRang, EndpointAnswered, EndpointHeld)
def show_state(part: Media, fact: EndpointRang | EndpointAnswered | EndpointHeld, at: At) -> Iterator[RowOp]:
    endpoint = part.endpoints[fact.endpoint]
    if endpoint is not None:
        codec = {"codec": fact.codec} if isinstance(fact, EndpointAnswered) else {}
        yield Update(ENDPOINT, (fact.endpoint,), {"state": endpoint.state, "since": at.t, **codec})


@project(EndpointLeft)
def show_left(part: Media, fact: EndpointLeft, at: At) -> Iterator[RowOp]:
    yield Delete(ENDPOINT, (fact.endpoint,))


@project(RecordingKept)
def show_recording(part: Media, fact: RecordingKept, at: At) -> Iterator[RowOp]:
    values = {"room": fact.room, "subject": fact.customer, "blob": fact.blob, "sha256": fact.sha256}
    yield Delete(RECORDING, (fact.recording,))  # it may have been said to have failed
    yield Insert(
        RECORDING, (fact.recording,), {**values, "size": fact.size, "millis": fact.millis, "at": at.t}
    )


@project(RecordingFailed)
def show_failure(part: Media, fact: RecordingFailed, at: At) -> Iterator[RowOp]:
    room = part.rooms[fact.room]
    subject = room.customer if room is not None else None
    values = {"room": fact.room, "subject": subject, "at": at.t, "failed": fact.cause}
    yield Insert(RECORDING, (fact.recording,), dict(values))


@project(TrunkTurned)
def show_trunk(part: Media, fact: TrunkTurned, at: At) -> Iterator[RowOp]:
    yield Delete(TRUNK, (fact.trunk,))
    yield Insert(TRUNK, (fact.trunk,), {"up": fact.up, "cause": fact.cause, "since": at.t})


@project(EndpointOffered, EndpointRang, EndpointAnswered, EndpointHeld, EndpointReferred, EndpointLeft)
def show_position(part: Media, fact: Heard, at: At) -> Iterator[RowOp]:
    if fact.seq:
        yield Delete(POSITION, ("media",))
        yield Insert(POSITION, ("media",), {"epoch": fact.epoch, "seq": fact.seq})


def job_key(endpoint: str, act: str, name: str = "") -> str:
    """`name` tells two of one kind apart, which for most acts are one."""
    return f"{endpoint}/{act}" + f"/{name}" * bool(name)


def _job(
    endpoint: str, org: str, act: str, *, code: int = 0, name: str = "", until: Instant | None = None
) -> NewJob:
    payload: dict[str, str | int | None] = {
        "org": org,
        "endpoint": endpoint,
        "act": act,
        "code": code,
        "until": until,
    }
    return NewJob(ACTS, job_key(endpoint, act, name), payload)
