"""Facts of rooms and endpoints. No telephone number and no digit is in any of them but the one that is dialled:
who called is the customer's identity, and digits may be those of a card."""

from __future__ import annotations

from typing import Any, Literal

from guichet.events.base import Fact, Id, Personal, Plain, fact

Act = Literal["ring", "early", "answer", "reject", "hang_up"]
Who = Literal["us", "them", "network"]


@fact("room.opened", stream="room", opens=True)
class RoomOpened(Fact, frozen=True, kw_only=True):
    """A conversation got its place at the media server. The room has the conversation's id; recordings lie under
    the customer's key."""

    room: Id
    client: Id
    customer: Id


@fact("room.set", stream="room")
class RoomSet(Fact, frozen=True, kw_only=True):
    """The desired state as a whole (`media.plane.Room` without id and rev). `rev` counts from 1."""

    room: Id
    rev: int
    document: Plain[dict[str, Any]]


@fact("room.closed", stream="room")
class RoomClosed(Fact, frozen=True, kw_only=True):
    """Nobody hears anybody there any more."""

    room: Id
    rev: int


class Heard(Fact, frozen=True, kw_only=True):
    """What the media server told: its event `seq` of its run `epoch`."""

    endpoint: Id
    epoch: Id
    seq: int


@fact("endpoint.dialled", stream="endpoint", subject="customer", opens=True)
class EndpointDialled(Fact, frozen=True, kw_only=True):
    """Somebody is to be called. `trunk` and `caller_id` name configuration: a trunk and a number of ours."""

    endpoint: Id
    client: Id
    customer: Id
    trunk: Id
    caller_id: Plain[str]
    timeout_seconds: int
    early_media: bool
    number: Personal[str] = ""
    number_of: Id = ""
    """The endpoint whose stream holds the number, where it is not here; this call stands in for that one."""
    again: bool = False
    """That endpoint was lost by a failure of ours: whoever was in it is called again."""


@fact("endpoint.joined", stream="endpoint", opens=True)
class EndpointJoined(Fact, frozen=True, kw_only=True):
    """A browser (or a program at an audio socket) of this party: "agent:<id>", "customer:<id>", "bot:<id>"."""

    endpoint: Id
    party: Id


@fact("endpoint.asked", stream="endpoint")
class EndpointAsked(Fact, frozen=True, kw_only=True):
    """The endpoint is to ring, to be answered, to be hung up. `code`: the SIP status of a refusal."""

    endpoint: Id
    act: Act
    code: int = 0


@fact("endpoint.hold_wanted", stream="endpoint")
class EndpointHoldWanted(Fact, frozen=True, kw_only=True):
    """The far side is to be told that we hold it, or not any more."""

    endpoint: Id
    on: bool


@fact("endpoint.transfer_wanted", stream="endpoint", subject="customer")
class EndpointTransferWanted(Fact, frozen=True, kw_only=True):
    """The far side is to talk to `number` and not to us any more. `transfer` is also the id of the call that we make
    ourselves when the carrier does not take it over; `trunk`, `caller_id` and `timeout_seconds` are meant for that."""

    endpoint: Id
    transfer: Id
    client: Id
    customer: Id
    trunk: Id
    caller_id: Plain[str]
    timeout_seconds: int
    number: Personal[str] = ""


@fact("endpoint.referred", stream="endpoint")
class EndpointReferred(Heard, frozen=True, kw_only=True):
    """What the carrier made of it. `code`: the SIP status of its call there, or of its refusal; 0: it never told."""

    transfer: Id
    code: int


@fact("endpoint.transferred", stream="endpoint")
class EndpointTransferred(Fact, frozen=True, kw_only=True):
    """Who connects the two: the carrier, a bridge of ours, or nobody: then the call is still with us."""

    endpoint: Id
    transfer: Id
    by: Literal["carrier", "us", "nobody"]


@fact("endpoint.offered", stream="endpoint", opens=True)
class EndpointOffered(Heard, frozen=True, kw_only=True):
    """A call came in. `number`: which of ours was called, as the trunk wrote it."""

    trunk: Id
    number: Plain[str]


@fact("endpoint.rang", stream="endpoint")
class EndpointRang(Heard, frozen=True, kw_only=True):
    """Where we called it rings; `early`: and one hears what the carrier plays."""

    early: bool


@fact("endpoint.answered", stream="endpoint")
class EndpointAnswered(Heard, frozen=True, kw_only=True):
    """Either way: from now on people can talk."""

    codec: Plain[str]


@fact("endpoint.held", stream="endpoint")
class EndpointHeld(Heard, frozen=True, kw_only=True):
    """The far side put us on hold, or came back."""

    on: bool


@fact("endpoint.left", stream="endpoint")
class EndpointLeft(Heard, frozen=True, kw_only=True):
    """It is over. `cause` is a word of the control protocol, `code` the SIP status where there is one."""

    who: Who
    cause: Plain[str]
    code: int = 0


@fact("recording.kept", stream="room", subject="customer")
class RecordingKept(Fact, frozen=True, kw_only=True):
    """A recording was taken over: `blob` under the customer's key, `sha256` of the plain file, `millis` long."""

    room: Id
    recording: Id
    customer: Id
    blob: Plain[str]
    sha256: Plain[str]
    size: int
    millis: int


@fact("recording.failed", stream="room")
class RecordingFailed(Fact, frozen=True, kw_only=True):
    """The call went on, its recording did not."""

    room: Id
    recording: Id
    cause: Plain[str]


@fact("trunk.turned", stream="trunk")
class TrunkTurned(Fact, frozen=True, kw_only=True):
    """A trunk answers, or does not any more."""

    trunk: Id
    up: bool
    cause: Plain[str] = ""
