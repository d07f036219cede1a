"""The port behind which a media server stands. One contract suite runs on every driver.

A conversation is a room; a phone call, a browser or a program is an endpoint in it; control is a hearing matrix.
What lasts is put as a whole document with a revision; what happens once is an act, repeated without harm.
The structs are the documents of the control protocol (docs/reference/media-control.md), field by field.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Literal, Protocol

import msgspec

from guichet.kit.errors import Refused

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Text = Annotated[str, msgspec.Meta(max_length=256)]
RATE = 16_000
"""Samples a second at an audio socket: mono, signed 16 bit, little endian."""
FRAME_BYTES = 640
"""20 ms of them."""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the protocol's documents. Fields that a newer media server adds are ignored."""


class Source(Document, frozen=True, kw_only=True):
    """Music, an announcement or a tone that goes on as long as the room says so. Files are relative to the media
    server's folder of prompts; `tone` is a name or a list "440+480/2000,0/4000" (Hz/ms)."""

    files: Annotated[list[Text], msgspec.Meta(max_length=100)] = []
    announcement: Text = ""
    every_ms: Annotated[int, msgspec.Meta(ge=0, le=3_600_000)] = 0
    tone: Text = ""
    gain_db: Annotated[float, msgspec.Meta(ge=-40, le=12)] = 0.0


class Recording(Document, frozen=True, kw_only=True):
    """Two channels: what `left` say, what `right` say."""

    id: Name
    left: Annotated[list[Name], msgspec.Meta(max_length=64)]
    right: Annotated[list[Name], msgspec.Meta(max_length=64)]
    paused: bool = False
    beep_every_ms: Annotated[int, msgspec.Meta(ge=0, le=600_000)] = 0


class Forward(Document, frozen=True, kw_only=True):
    """One video track of one browser, sent to another of the same room."""

    from_: Name = msgspec.field(name="from")
    kind: Literal["camera", "screen"]
    to: Name
    max_kbps: Annotated[int, msgspec.Meta(ge=0, le=50_000)] = 0


class Hearing(Document, frozen=True, kw_only=True):
    """What a room is to be like: who is in it, and which sources each of them hears (endpoints of the room, or names
    of `sources`). Who is not named hears nothing."""

    endpoints: Annotated[list[Name], msgspec.Meta(max_length=64)] = []
    hears: Annotated[
        dict[Name, Annotated[list[Name], msgspec.Meta(max_length=64)]], msgspec.Meta(max_length=64)
    ] = {}
    sources: Annotated[dict[Name, Source], msgspec.Meta(max_length=32)] = {}
    recording: Recording | None = None
    video: Annotated[list[Forward], msgspec.Meta(max_length=16)] = []


class Room(Hearing, frozen=True, kw_only=True):
    """A room as it is put. A smaller `rev` than the last is refused, the same one changes nothing."""

    id: Name
    rev: int
    closed: bool = False


class Trunk(Document, frozen=True, kw_only=True):
    """One carrier as the media server must know it; the protocol's page tells the fields."""

    id: Name
    peer: Text
    transport: Literal["udp", "tcp", "tls"]
    allow: list[Text]
    numbers: Annotated[list[Text], msgspec.Meta(max_length=10_000)] = []
    domain: Text = ""
    username: Text = ""
    password: Text = ""
    register: bool = False
    register_s: int = 0
    in_username: Text = ""
    in_password: Text = ""
    codecs: list[Text]
    srtp: Literal["", "off", "required"] = ""
    session_s: int = 0
    options_s: int = 0
    max_calls: int
    max_per_s: float
    countries: list[Text]
    spend_per_day: float = 0.0
    price_per_min: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"Trunk({self.id!r})"  # passwords stay out of logs and tracebacks


class Dial(Document, frozen=True, kw_only=True):
    """A call out. `number` and `caller_id` are E.164."""

    trunk: Name
    number: Text
    caller_id: Text = ""
    timeout_ms: Annotated[int, msgspec.Meta(ge=1_000, le=300_000)] = 60_000
    early_media: bool = False

    def __repr__(self) -> str:
        return f"Dial(trunk={self.trunk!r})"


class Play(Document, frozen=True, kw_only=True):
    """Something played once, or until stopped, to some endpoints of a room, in place of what they hear otherwise."""

    play: Name
    heard_by: Annotated[list[Name], msgspec.Meta(min_length=1, max_length=64)]
    file: Text = ""
    tone: Text = ""
    loop: bool = False
    interruptible: bool = False


class Level(Document, frozen=True, kw_only=True):
    """How loud one endpoint is: `db` below full scale."""

    endpoint: str
    room: str = ""
    db: float = -100.0
    talking: bool = False


class Event(Document, frozen=True, kw_only=True):
    """Something that happened: numbered within one run of the media server, told at least once. Which fields a kind
    has is told on the protocol's page. `from_`, `to` and `digit` are personal: never in a log."""

    kind: str
    epoch: str = ""
    seq: int = 0
    at_ms: int = 0
    endpoint: str = ""
    room: str = ""
    trunk: str = ""
    from_: str = msgspec.field(name="from", default="")
    to: str = ""
    codec: str = ""
    who: str = ""
    cause: str = ""
    code: int = 0
    digit: str = ""
    via: str = ""
    on: bool = False
    play: str = ""
    act: str = ""
    recording: str = ""
    path: str = ""
    sha256: str = ""
    bytes: int = 0
    millis: int = 0
    track: str = ""
    loss: float = 0.0
    jitter_ms: float = 0.0
    delay_ms: float = 0.0
    count: int = 0
    levels: list[Level] = []

    def __repr__(self) -> str:
        return f"Event({self.epoch}/{self.seq} {self.kind} {self.endpoint or self.trunk})"


class Endpoint(Document, frozen=True, kw_only=True):
    """An endpoint as it is at the media server."""

    id: str
    kind: str
    state: str
    room: str = ""
    trunk: str = ""
    from_: str = msgspec.field(name="from", default="")
    to: str = ""
    codec: str = ""
    holding: bool = False
    """We put the far side on hold; the state "held" is the other way round."""
    incoming: bool = False
    referring: str = ""
    """The transfer whose outcome is awaited."""

    def __repr__(self) -> str:
        return f"Endpoint({self.id!r}, {self.kind}, {self.state})"


class State(Document, frozen=True, kw_only=True):
    """All that stands at the media server, and the last event that it contains."""

    epoch: str
    seq: int
    rooms: list[Room] = []
    endpoints: list[Endpoint] = []
    trunks_rev: int = 0


class Position(msgspec.Struct, frozen=True):
    """Up to where events are known."""

    epoch: str
    seq: int


class Gap(Exception):
    """Events after the position asked for are not kept any more: read `state`, then go on with those that are, which
    are the ones after `kept`."""

    def __init__(self, kept: Position) -> None:
        super().__init__(str(kept))
        self.kept = kept


class Silent(Refused):
    """The media server does not answer; nothing is known of what was asked."""

    def __init__(self) -> None:
        super().__init__(
            "unavailable", "media.silent", "the media server does not answer; try again in a moment"
        )


class AudioSocket(Protocol):
    """A program's place in a room. What it is sent is spoken, 20 ms at a time; what it hears comes the same way."""

    async def say(self, frame: bytes) -> None:
        """Speaks `FRAME_BYTES` (or a multiple) more; ahead of time is queued, with a bound."""
        ...

    async def hear(self) -> bytes:
        """The next 20 ms. Raises EOFError when the endpoint is over."""
        ...

    async def clear(self) -> None:
        """Forgets what is queued to be said: somebody interrupts."""
        ...


class MediaPlane(Protocol):
    """Everything that Guichet asks of a media server. All of it may be asked twice. Raises Refused, Silent."""

    async def put(self, rooms: Sequence[Room]) -> None:
        """Sets these rooms in one 20 ms tick, all or none: an endpoint moves between them without a gap."""
        ...

    async def trunks(self, rev: int, trunks: Sequence[Trunk]) -> None:
        """All the trunks there are. A smaller `rev` than the last is refused."""
        ...

    async def dial(self, endpoint: str, call: Dial) -> None:
        """Calls a number; what becomes of it comes as events of this endpoint."""
        ...

    async def browser(self, endpoint: str, offer: str) -> str:
        """Takes a browser's SDP offer (again: a change of it) and gives the answer."""
        ...

    async def ring(self, endpoint: str) -> None: ...
    async def early(self, endpoint: str) -> None: ...
    async def answer(self, endpoint: str) -> None: ...
    async def reject(self, endpoint: str, code: int) -> None: ...
    async def hang_up(self, endpoint: str) -> None: ...

    async def hold(self, endpoint: str, on: bool) -> None:
        """Puts the far side of an answered call on hold, or takes it back: it hears what its endpoint hears, and is
        heard by nobody. The outcome is the event "holding"; a far side that refuses leaves the call as it was."""
        ...

    async def refer(self, endpoint: str, act: str, number: str) -> None:
        """Asks the far side to call `number` in our place; the outcome is the event "referred"."""
        ...

    async def digits(
        self, endpoint: str, act: str, digits: str, *, via: Literal["rtp", "info"] = "rtp"
    ) -> None: ...

    async def play(self, room: str, play: Play) -> None: ...
    async def stop(self, room: str, play: str) -> None: ...

    def pcm(self, endpoint: str) -> AbstractAsyncContextManager[AudioSocket]:
        """Joins as a program; the endpoint is over when the context ends."""
        ...

    def events(self, after: Position, *, levels: bool = False) -> AsyncGenerator[Event]:
        """What happened after the position, then what happens; with `levels`, five times a second how loud each one
        is, in events without a number. Raises Gap (also for another run's position), Silent."""
        ...

    async def state(self) -> State: ...
