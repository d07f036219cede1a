"""What a channel is, what it hands in, and what the composition root hands to it.

A channel is one module (or package) of this folder that exports `CHANNEL`; nothing else is edited. What lies
downstream of this stage (the conversations, the hub, the desks) reaches it as `Edge`, made in `server`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import msgspec
from pydantic import BaseModel, ConfigDict
from starlette.routing import BaseRoute

from guichet.accounts.settings import EntryPoint, Settings
from guichet.kit.clock import Clock, Instant
from guichet.kit.tasks import Supervisor
from guichet.leader.registry import Command
from guichet.store.port import Blobs, Jobs, Keys, Reader, Row, Secrets, Sessions

Cancel = Callable[[], None]

# --- what a channel says about itself ---------------------------------------------------------------


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel can do; the stages downstream ask this, never a channel's name."""

    live: bool
    """The customer waits now: its tasks are live ones."""
    outbox: bool
    """Released messages become jobs of the queue "send"; otherwise the customer's side follows the thread."""
    undo_seconds: int = 0
    """How long an agent may take a message back before it is released."""
    attachments: bool = False
    read_marks: bool = False
    typing: bool = False


class ChannelSettings(BaseModel):
    """Base of a channel's entry point settings; the administration form comes from its JSON schema."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Options(BaseModel):
    """What a channel reads of the process settings: its fields are names of `ProcessSettings`."""

    model_config = ConfigDict(extra="ignore", frozen=True)


# --- what comes in ----------------------------------------------------------------------------------


class Identity(msgspec.Struct, frozen=True):
    """By what we know somebody: a `handle` of a `kind`. `proven`: signed, not just typed or written on a letter."""

    kind: str
    handle: str
    proven: bool = False


class Part(msgspec.Struct, frozen=True):
    """A file that came with a message, not stored yet. `cid` marks an image shown inside the text."""

    name: str
    type: str
    content: bytes
    cid: str | None = None


class Attachment(msgspec.Struct, frozen=True, omit_defaults=True):
    """A stored file: the blob's address, its name, MIME type and size in bytes."""

    address: str
    name: str
    type: str
    size: int
    cid: str = ""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A customer's words, as the provider brought them. Text is bounded by the channel."""

    event: str
    """The provider's id of it (or one derived from its content): a repetition has the same."""
    text: str
    sender: Identity | None = None
    """None: the door knows who speaks (a visitor's session)."""
    name: str = ""
    subject: str = ""
    html: str = ""
    parts: tuple[Part, ...] = ()
    headers: dict[str, str] = {}
    attachments: tuple[Attachment, ...] = ()
    """Files that were stored before (uploaded)."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What became of something we sent: one `message`, or everything up to `n`."""

    event: str
    status: Literal["sent", "delivered", "read", "failed", "bounced"]
    message: str = ""
    conversation: str = ""
    n: int = 0
    reason: str = ""


class Left(msgspec.Struct, frozen=True):
    """The customer went away."""


Inbound = Message | Delivery | Left

# --- what goes out ----------------------------------------------------------------------------------


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """One released message with all that a channel needs to render it; nothing is looked up later."""

    org: str
    client: str
    client_name: str
    agent_name: str
    conversation: str
    message: str
    n: int
    text: str
    at: Instant
    to: str
    """The customer's handle on this channel."""
    to_name: str = ""
    subject: str = ""
    language: str = "fr"
    entry_point: str = ""
    settings: dict[str, Any] = {}
    earlier: tuple[Row, ...] = ()
    """Messages of the thread before this one, newest first (bounded)."""
    parts: tuple[Part, ...] = ()


class Sent(msgspec.Struct, frozen=True):
    """How sending went: `status` sent, failed or bounced for good, or "later" for one more try; `reason` is a code."""

    status: Literal["sent", "failed", "bounced", "later"]
    reason: str = ""


# --- what the composition root gives ----------------------------------------------------------------


class Submit(Protocol):
    """Hands a command to the leader; returns its answer after the commit. Raises Refused."""

    def __call__(self, command: Command, /) -> Awaitable[dict[str, Any]]: ...


class Update(msgspec.Struct, gc=False):
    """News of one view's partition. `whole`: `rows` replace all that was known (a snapshot); else rows to set
    (key columns and what changed) and keys that are `gone`."""

    whole: bool
    rows: Sequence[Row]
    gone: Sequence[Row] = ()


class Subscribe(Protocol):
    """Follows a view: a snapshot first, then deltas in order, until cancelled. Callbacks run on the web loop and
    must not block. Not authorised: who asks has checked that this partition is the visitor's own.

    Views used by channels: `visitor_thread` (messages of a conversation that its customer may see),
    `conversation` (its one row), `visitor_place` (the conversation's task rows: state, place).
    """

    def __call__(
        self, view: str, org: str, partition: str, on: Callable[[Update], None], /
    ) -> Awaitable[Cancel]: ...


class Signal(msgspec.Struct, frozen=True):
    """Something that is true for some seconds and never stored: somebody writes."""

    org: str
    conversation: str
    kind: Literal["writing"]
    who: Literal["customer", "agent"]
    agent: str | None
    until: Instant


class Signals(Protocol):
    """The ephemeral way between the desks and the customers' side. Never blocks, may drop."""

    def send(self, signal: Signal) -> None: ...

    def listen(self, org: str, conversation: str, on: Callable[[Signal], None]) -> Cancel: ...


class Directory(Protocol):
    """Configuration as the web process knows it; `accounts.directory` gives it."""

    def get(self, org: str, kind: str, name: str, /) -> Settings | None:
        """The settings model of that kind, or None."""
        ...

    def all(self, kind: str, /) -> Sequence[tuple[str, str, Settings]]:
        """Every (organisation, id, settings) of a kind."""
        ...


class IdentityHasher(Protocol):
    """The keyed hash by which identities are looked up; `customers` gives it."""

    def __call__(self, org: str, client: str, kind: str, handle: str) -> str: ...


Estimate = Callable[[str, str, int], tuple[int, int] | None]
"""(organisation, queue, place in line) -> honest (low, high) seconds to wait, or None when nothing can be said."""


@dataclass(frozen=True, slots=True)
class Edge:
    """Everything a channel may use."""

    submit: Submit
    subscribe: Subscribe
    signals: Signals
    reader: Reader
    keys: Keys
    blobs: Blobs
    sessions: Sessions
    secrets: Secrets
    jobs: Jobs
    clock: Clock
    directory: Directory
    hasher: IdentityHasher
    tasks: Supervisor
    estimate: Estimate
    process: Mapping[str, Any]
    """The process settings by name, of which a channel reads its `Options`."""


class Channel(Protocol):
    """One kind of medium. `parse` and `render` are pure; `send` and `run` talk to the outside."""

    name: ClassVar[str]
    Settings: ClassVar[type[ChannelSettings]]
    capabilities: ClassVar[Capabilities]

    def parse(self, raw: bytes) -> Inbound:
        """The provider's payload in our words. Raises Refused; never anything else, whatever the bytes."""
        ...

    def render(self, message: Outgoing) -> bytes:
        """Our words as the provider's payload."""
        ...

    async def send(self, message: Outgoing, edge: Edge) -> Sent:
        """Sends it; at least once, recognisable when repeated. Only asked of channels with an outbox."""
        ...

    def routes(self, edge: Edge) -> Sequence[BaseRoute]:
        """HTTP and WebSocket routes of its own, below /api/<name>."""
        ...

    async def run(self, edge: Edge) -> None:
        """A door of its own or other lasting work; runs under supervision until cancelled."""
        ...


class Entry(msgspec.Struct, frozen=True):
    """An active entry point with its parsed settings."""

    org: str
    id: str
    config: EntryPoint
    settings: Any
