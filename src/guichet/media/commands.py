"""What may be asked of rooms and endpoints, and what the media server tells. Asked by parts of the system: the
stages downstream decide who hears whom, and check who may ask them to."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Annotated, Any

import msgspec

from guichet.accounts.permissions import SYSTEM
from guichet.accounts.settings import Trunk
from guichet.customers.part import Customer, not_found
from guichet.events.base import Fact
from guichet.events.media import (
    Act,
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
    EndpointTransferWanted,
    RecordingFailed,
    RecordingKept,
    RoomClosed,
    RoomOpened,
    RoomSet,
    TrunkTurned,
    Who,
)
from guichet.kit.errors import Refused, invalid
from guichet.kit.ids import Ident
from guichet.leader.registry import Answer, Now, Scope, command
from guichet.media.part import Endpoint, Media, Room
from guichet.media.plane import Hearing, Name
from guichet.media.trunks import org_of

E164orShort = Annotated[str, msgspec.Meta(pattern=r"^(\+[1-9]\d{2,14}|\d{2,4})$")]
Word = Annotated[str, msgspec.Meta(max_length=64)]
Natural = Annotated[int, msgspec.Meta(ge=0)]
Code = Annotated[int, msgspec.Meta(ge=0, le=699)]


class OpenRoom(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation needs a room. A repetition changes nothing."""

    room: Ident
    customer: Ident


class SetRooms(msgspec.Struct, frozen=True, kw_only=True):
    """The new whole state of some rooms, in one tick. `closed` rooms end."""

    rooms: Annotated[dict[Ident, Hearing], msgspec.Meta(max_length=16)] = {}
    closed: Annotated[list[Ident], msgspec.Meta(max_length=16)] = []


class DialEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Call a customer over a trunk of the configuration. `number` is E.164, or short as emergency numbers are (no other
    short one passes the media server); `caller_id` one of our numbers."""

    endpoint: Ident
    customer: Ident
    trunk: Ident
    number: E164orShort
    caller_id: Annotated[str, msgspec.Meta(max_length=32)] = ""
    timeout_seconds: Annotated[int, msgspec.Meta(ge=1, le=300)] = 60
    early_media: bool = False


class JoinEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A browser of this party is there."""

    endpoint: Ident
    party: Annotated[str, msgspec.Meta(pattern=r"^(agent|customer|bot):[A-Za-z0-9_-]{1,64}$")]


class AskEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Ring, answer, reject, hang up. Asking twice is asking once."""

    endpoint: Ident
    act: Act
    code: Code = 0


class HoldEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Tell the far side of an answered call that it is on hold, or not any more. What it hears is the room's matter."""

    endpoint: Ident
    on: bool


class TransferEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Connect the far side of an answered call with `number`, and leave. The carrier does it where it can; else the
    call `transfer` is made over `trunk` (empty: the same one) and the two are put together in the room, alone."""

    endpoint: Ident
    transfer: Ident
    number: E164orShort
    trunk: Annotated[str, msgspec.Meta(max_length=64)] = ""
    caller_id: Annotated[str, msgspec.Meta(max_length=32)] = ""
    timeout_seconds: Annotated[int, msgspec.Meta(ge=1, le=300)] = 60


class ReportEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """An event of the media server that becomes a fact. `seq` 0: concluded from its silence. `trunk` as the media
    server knows it, `number` the one that was called, `act` the transfer that was asked for."""

    endpoint: Name
    epoch: Word
    seq: Natural
    kind: Annotated[str, msgspec.Meta(max_length=32)]
    trunk: Annotated[str, msgspec.Meta(max_length=128)] = ""
    number: Annotated[str, msgspec.Meta(max_length=64)] = ""
    codec: Word = ""
    act: Annotated[str, msgspec.Meta(max_length=128)] = ""
    who: Who = "network"
    cause: Word = ""
    code: Code = 0


class KeepRecording(msgspec.Struct, frozen=True, kw_only=True):
    """A finished recording lies in the blob store; or, with `failed`, there is none."""

    room: Ident
    recording: Ident
    blob: Annotated[str, msgspec.Meta(max_length=128)] = ""
    sha256: Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{64})?$")] = ""
    size: Natural = 0
    millis: Natural = 0
    failed: Word = ""


class ReportTrunk(msgspec.Struct, frozen=True, kw_only=True):
    """A trunk answers, or does not."""

    trunk: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    up: bool
    cause: Word = ""


def _of_customer(part: Media, ask: OpenRoom | DialEndpoint) -> Scope:
    customer = part.customers.get(ask.customer)
    return Scope(org=customer.org, client=customer.client)


def _of_trunk(part: Media, ask: ReportTrunk) -> Scope:
    return Scope(org=org_of(ask.trunk))


def _of_endpoint(part: Media, ask: AskEndpoint | JoinEndpoint | HoldEndpoint | TransferEndpoint) -> Scope:
    endpoint = part.endpoint(ask.endpoint)
    return Scope(org=endpoint.org) if endpoint is not None else Scope()


def _of_report(part: Media, ask: ReportEndpoint) -> Scope:
    endpoint = part.endpoint(ask.endpoint)
    if endpoint is not None:
        return Scope(org=endpoint.org)
    return Scope(org=org_of(ask.trunk)) if ask.kind == "offered" else Scope()


def _of_room(part: Media, ask: KeepRecording) -> Scope:
    return Scope(org=_open(part, ask.room).org)


def _of_rooms(part: Media, ask: SetRooms) -> Scope:
    orgs = {_open(part, room).org for room in (*ask.rooms, *ask.closed)}
    return Scope(org=orgs.pop()) if len(orgs) == 1 else Scope(org="" if orgs else None)


def _open(part: Media, ident: str) -> Room:
    room = part.room(ident)
    if room is None:
        raise Refused("not_found", "room.not_found", "there is no such room")
    return room


@command("open_room", permission=SYSTEM, scope=_of_customer)
def open_room(part: Media, ask: OpenRoom, now: Now) -> Iterator[Fact]:
    """Refused when another customer's room has this id."""
    customer = _customer(part, ask.customer)
    room = part.room(ask.room)
    if room is None:
        yield RoomOpened(room=ask.room, client=customer.client, customer=customer.id)
    elif room.customer != customer.id:
        raise Refused("conflict", "room.taken", "another conversation has this room", field="room")


def _customer(part: Media, ident: str) -> Customer:
    customer = part.customers.get(ident)
    if customer.erased:
        raise not_found()
    return customer


@command("set_rooms", permission=SYSTEM, scope=_of_rooms)
def set_rooms(part: Media, ask: SetRooms, now: Now) -> Iterator[Fact]:
    """Refused when an endpoint is in two of the rooms, or in one that stays as it is, hears in a room that it is not
    in, or hears what is neither in the room nor among its sources; when a recording has the id of one that is kept."""
    places: dict[str, str] = {}
    for ident, wanted in ask.rooms.items():
        check(wanted)
        for endpoint in wanted.endpoints:
            if places.setdefault(endpoint, ident) != ident:
                raise invalid("rooms", "room.two_places", "an endpoint can be in one room at a time")
    if part.elsewhere(set(places), {*ask.rooms, *ask.closed}):
        remedy = "an endpoint is in another room: set both in one command, so that it moves in one tick"
        raise invalid("rooms", "room.two_places", remedy)
    for ident, wanted in ask.rooms.items():
        room = _open(part, ident)
        document: dict[str, Any] = msgspec.to_builtins(wanted)
        recording = wanted.recording.id if wanted.recording is not None else ""
        if recording != room.recording() and room.recordings.get(recording):
            raise invalid("recording", "recording.used", "give each recording an id of its own")
        yield RoomSet(room=ident, rev=room.rev + 1, document=document)
    for ident in ask.closed:
        room = _open(part, ident)
        if ident not in ask.rooms and not room.closed:
            yield RoomClosed(room=ident, rev=room.rev + 1)


def check(wanted: Hearing) -> None:
    """Raises Refused when a document names what is not in it."""
    inside = set(wanted.endpoints)
    heard = inside | set(wanted.sources)
    if inside & set(wanted.sources):
        raise invalid("sources", "room.same_name", "a source must not have the name of an endpoint")
    for hearer, sources in wanted.hears.items():
        if hearer not in inside:
            raise invalid("hears", "room.stranger_hears", "who hears must be among the endpoints")
        if not heard.issuperset(sources):
            raise invalid(
                "hears", "room.unknown_source", "what is heard must be an endpoint or a source of the room"
            )
    for forward in wanted.video:
        if not {forward.from_, forward.to} <= inside:
            raise invalid("video", "room.stranger_seen", "video goes between endpoints of the room")


@command("dial_endpoint", permission=SYSTEM, scope=_of_customer)
def dial_endpoint(part: Media, ask: DialEndpoint, now: Now) -> Iterator[Fact]:
    """The call goes out after the commit. A repetition changes nothing."""
    customer = _customer(part, ask.customer)
    _check_call(part, now.org, ask.trunk, ask.caller_id)
    if part.endpoint(ask.endpoint) is None:
        yield EndpointDialled(client=customer.client, **msgspec.structs.asdict(ask))


def _check_call(part: Media, org: str, trunk: str, caller_id: str) -> None:
    found = part.accounts.directory.find(org, Trunk, trunk)
    if found is None or not found.active:
        raise Refused("not_found", "trunk.not_found", "there is no such trunk in use", field="trunk")
    if caller_id and not part.shows(org, caller_id):
        raise invalid("caller_id", "number.not_found", "show a number of the configuration, or none")


@command("join_endpoint", permission=SYSTEM, scope=_of_endpoint)
def join_endpoint(part: Media, ask: JoinEndpoint, now: Now) -> Iterator[Fact]:
    """Refused when there is no such party here. A repetition changes nothing."""
    kind, _, ident = ask.party.partition(":")
    if kind == "agent" and part.accounts.agent(now.org, ident) is None:
        raise Refused("not_found", "agent.not_found", "there is no agent with this id", field="party")
    if kind == "customer" and _customer(part, ident).org != now.org:
        raise not_found()
    if part.endpoint(ask.endpoint) is None:
        yield EndpointJoined(endpoint=ask.endpoint, party=ask.party)


@command("ask_endpoint", permission=SYSTEM, scope=_of_endpoint)
def ask_endpoint(part: Media, ask: AskEndpoint, now: Now) -> Iterator[Fact]:
    """Carried out after the commit. Refused when the call is over."""
    if ask.act not in part.alive(ask.endpoint).asked:
        yield EndpointAsked(endpoint=ask.endpoint, act=ask.act, code=ask.code)


@command("hold_endpoint", permission=SYSTEM, scope=_of_endpoint)
def hold_endpoint(part: Media, ask: HoldEndpoint, now: Now) -> Iterator[Fact]:
    """Carried out after the commit, and again after a restart of the media server. Refused before the answer."""
    if _talking(part, ask.endpoint).hold != ask.on:
        yield EndpointHoldWanted(endpoint=ask.endpoint, on=ask.on)


@command("transfer_endpoint", permission=SYSTEM, scope=_of_endpoint)
def transfer_endpoint(part: Media, ask: TransferEndpoint, now: Now) -> Iterator[Fact]:
    """Begun after the commit; `endpoint.transferred` is the outcome. Refused while another is under way. A repetition
    changes nothing."""
    endpoint = _talking(part, ask.endpoint)
    known = part.endpoint(ask.transfer)
    if endpoint.transfer is not None and endpoint.transfer.id == ask.transfer:
        return
    room = part.place(ask.endpoint)
    if room is None:
        raise Refused("conflict", "transfer.no_room", "put the call into a room first: that of its customer")
    if endpoint.transfer is not None or endpoint.bridged:
        raise Refused("conflict", "transfer.pending", "this call is being transferred; wait for the outcome")
    if known is not None:
        raise Refused("conflict", "transfer.taken", "give the transfer an id of its own", field="transfer")
    customer = _customer(part, room.customer)
    trunk = ask.trunk or endpoint.trunk
    _check_call(part, now.org, trunk, ask.caller_id)
    fields = {**msgspec.structs.asdict(ask), "trunk": trunk}
    yield EndpointTransferWanted(client=customer.client, customer=customer.id, **fields)


def _talking(part: Media, ident: str) -> Endpoint:
    endpoint = part.alive(ident)
    if endpoint.state not in ("answered", "held"):
        raise Refused("conflict", "endpoint.not_answered", "this goes with an answered call only")
    return endpoint


@command("report_endpoint", permission=SYSTEM, scope=_of_report)
def report_endpoint(part: Media, ask: ReportEndpoint, now: Now) -> Generator[Fact, None, Answer]:
    """What is known already is no fact again: events are told at least once. Answers {over}: whether the log has done
    with this call before."""
    endpoint = part.endpoint(ask.endpoint)
    where: dict[str, Any] = {"endpoint": ask.endpoint, "epoch": ask.epoch, "seq": ask.seq}
    if ask.kind == "offered":
        if endpoint is None:
            yield EndpointOffered(**where, trunk=ask.trunk.partition(".")[2], number=ask.number)
    elif endpoint is not None and endpoint.state != "left":
        yield from _went_on(endpoint, ask, where)
    return {"over": endpoint is not None and endpoint.state == "left"}


def _went_on(endpoint: Endpoint, ask: ReportEndpoint, where: dict[str, Any]) -> Iterator[Fact]:
    match ask.kind:
        case "ringing" | "early" if endpoint.state in ("dialled", "ringing"):
            yield EndpointRang(**where, early=ask.kind == "early")
        case "answered" if endpoint.state not in ("answered", "held"):
            yield EndpointAnswered(**where, codec=ask.codec)
        case "held" if endpoint.state == "answered":
            yield EndpointHeld(**where, on=True)
        case "resumed" if endpoint.state == "held":
            yield EndpointHeld(**where, on=False)
        case "referred" if endpoint.transfer is not None and endpoint.transfer.id == ask.act:
            if not endpoint.transfer.bridging:
                yield EndpointReferred(**where, transfer=ask.act, code=ask.code)
        case "left":
            yield EndpointLeft(**where, who=ask.who, cause=ask.cause, code=ask.code)
        case _:
            pass


@command("keep_recording", permission=SYSTEM, scope=_of_room)
def keep_recording(part: Media, ask: KeepRecording, now: Now) -> Iterator[Fact]:
    """A repetition changes nothing."""
    room = _open(part, ask.room)
    known = room.recordings.get(ask.recording)
    if known or (known is False and ask.failed):
        return
    if part.customers.is_erased(room.customer) and not ask.failed:
        raise Refused(
            "conflict", "customer.erased", "the customer was erased, and their recordings with them"
        )
    if ask.failed:
        yield RecordingFailed(room=room.id, recording=ask.recording, cause=ask.failed)
    else:
        yield RecordingKept(
            room=room.id, recording=ask.recording, customer=room.customer, blob=ask.blob,
            sha256=ask.sha256, size=ask.size, millis=ask.millis,
        )  # fmt: skip


@command("report_trunk", permission=SYSTEM, scope=_of_trunk)
def report_trunk(part: Media, ask: ReportTrunk, now: Now) -> Iterator[Fact]:
    """Up or down, as the media server tells it."""
    yield TrunkTurned(trunk=ask.trunk, up=ask.up, cause=ask.cause)
