"""What travels over /api/desk, both ways, as JSON text frames told apart by `op`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from guichet.kit.clock import Instant

Sub = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:/-]+\Z")]
"""A subscription's name, the client's own. The pattern lets it into frames without escaping."""
Id = Annotated[str, msgspec.Meta(max_length=64)]
KEY = r"^[!-~]+$"
"""Plain characters: what a store would keep in another form would not be found again."""
Key = Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=KEY)]

MAX_FRAME = 512 * 1024
"""Characters of one incoming frame: a text of 32 KiB with every character escaped, and room."""


class ClientFrame(msgspec.Struct, tag_field="op", forbid_unknown_fields=True):
    """Base of what a desk sends."""


class Subscribe(ClientFrame, tag="subscribe"):
    """Watch a view. `partition` may be left out where there is only one: the own agent, the own organisation."""

    sub: Sub
    view: Id
    partition: Id = ""


class Unsubscribe(ClientFrame, tag="unsubscribe"):
    """Stop watching; an unknown name is harmless."""

    sub: Sub


class Ask(ClientFrame, tag="command"):
    """A command; `id` comes back in the answer, `key` makes a repetition harmless."""

    id: Id
    name: Id
    key: Key
    payload: msgspec.Raw


class Writing(ClientFrame, tag="writing"):
    """I am writing; sent again every few seconds while it is true. Of a note the customer learns nothing."""

    conversation: Id
    kind: Literal["reply", "note"] = "reply"


class Ping(ClientFrame, tag="ping"):
    """Asks for the time, and whether the session still stands."""


AnyClientFrame = Subscribe | Unsubscribe | Ask | Writing | Ping


class ServerFrame(msgspec.Struct, tag_field="op"):
    """Base of what a desk gets."""


class Hello(ServerFrame, tag="hello"):
    """The first frame: the server's time and who one is."""

    t: Instant
    org: str
    agent: str
    name: str
    role: str
    clients: list[str]
    build: str


class Snapshot(ServerFrame, tag="snapshot"):
    """All rows, in place of those held before. Only documents the wire: the socket splices these frames."""

    sub: str
    n: int
    rows: list[dict[str, Any]]


class Delta(ServerFrame, tag="delta", rename={"gone": "del"}):
    """Rows set (their key and what changed) and keys gone. `prev` is the `n` of the frame before it on this
    subscription; if it is not, subscribe again. Spliced like snapshots."""

    sub: str
    prev: int
    n: int
    set: list[dict[str, Any]]
    gone: list[dict[str, Any]]


class Problem(msgspec.Struct, omit_defaults=True):
    """A refusal, as everywhere: see `kit.errors`."""

    kind: Literal[
        "invalid", "forbidden", "not_found", "conflict", "too_large", "limited", "unavailable", "signed_out"
    ]
    code: str
    remedy: str
    field: str | None = None
    limit: int | None = None


class RefusedFrame(ServerFrame, tag="refused", omit_defaults=True):
    """A subscription that was not made or has ended, or a frame that made no sense (neither `sub` nor `id`)."""

    error: Problem
    sub: str | None = None
    id: str | None = None


class Answer(ServerFrame, tag="answer", omit_defaults=True):
    """What became of a command: `ok` or `error`."""

    id: str
    ok: dict[str, Any] | None = None
    error: Problem | None = None


class SignalFrame(ServerFrame, tag="signal"):
    """Somebody is writing in a conversation whose thread one watches; over at `until` unless repeated."""

    conversation: str
    kind: Literal["writing"]
    who: Literal["customer", "agent"]
    agent: str | None
    until: Instant


class Pong(ServerFrame, tag="pong"):
    """The answer to a ping: the server's time."""

    t: Instant


class Bye(ServerFrame, tag="bye"):
    """The last frame. After `signed_out` one must sign in; after the others one connects again."""

    reason: Literal["signed_out", "too_slow", "too_many", "stopping"]


AnyServerFrame = Hello | Snapshot | Delta | RefusedFrame | Answer | SignalFrame | Pong | Bye
