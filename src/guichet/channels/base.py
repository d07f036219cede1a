"""What a channel is, what it hands in, and what the composition root hands to it.

A channel is one module (or package) of this folder that exports `CHANNEL`; nothing else is edited. What lies
downstream of this stage (the conversations, the hub, the desks) reaches it as `Edge`, made in `server`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import msgspec
from pydantic import BaseModel, ConfigDict
from starlette.routing import BaseRoute

from guichet.accounts.directory import Directory
from guichet.accounts.settings import EntryPoint
from guichet.customers.identity import IdentityHasher
from guichet.events.conversations import Attachment, DeliveryStatus
from guichet.kit.clock import Clock, Instant
from guichet.kit.errors import Refused
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
    sent_at: Instant | None = None
    """The provider's word."""
    automatic: bool = False
    """A machine answered ours: nobody waits for an answer to it."""
    attachments: tuple[Attachment, ...] = ()
    """Files that were stored before (uploaded)."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What became of something we sent: one `message`, or everything up to `n`."""

    event: str
    status: DeliveryStatus
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
    settings: Any = None
    """The entry point's, as the channel's own `Settings`."""
    token: str = ""
    """Names the conversation and cannot be made up; an answer that carries it belongs there."""
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


class Follower(Protocol):
    """Who follows a view. Called on the web loop; must not wait."""

    def update(self, view: str, update: Update, /) -> None: ...

    def writing(self, agent: str, until: Instant, /) -> None:
        """An agent is writing in the conversation, until then unless it is said again."""
        ...

    def ended(self, view: str, refused: Refused, /) -> None:
        """Nothing more comes of that view."""
        ...


class Subscribe(Protocol):
    """Follows a view: a snapshot before it returns, then deltas in order, until cancelled. Not authorised: who
    asks has checked that this partition is the customer's own. Raises Refused (nothing there).

    Channels use `visitor_thread` (what of a conversation its customer may see; also brings `writing`) and
    `conversation` (its one row).
    """

    def __call__(self, view: str, org: str, partition: str, follower: Follower, /) -> Awaitable[Cancel]: ...


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """A place in line, 1 the next one; an honest range of seconds where one can be given."""

    place: int
    low_s: int | None = None
    high_s: int | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """Everything a channel may use."""

    submit: Submit
    subscribe: Subscribe
    writing: Callable[[str, str], None]
    """(organisation, conversation): tells the desks that the customer is writing. Never blocks, may drop."""
    place: Callable[[str, str], Awaitable[Place | None]]
    """(organisation, conversation): the place in line; None when it is not waiting in one."""
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
    is_open: Callable[[str, str], bool]
    """(organisation, queue): whether people answer there now."""
    process: Mapping[str, Any]
    """The process settings by name, of which a channel reads its `Options`."""


class Door:
    """A channel at work in one process: what it serves and does by itself. This one does nothing."""

    routes: Sequence[BaseRoute] = ()
    """HTTP and WebSocket routes of its own, below /api/<name>."""

    async def run(self) -> None:
        """Lasting work (a listener, timers); runs under supervision until cancelled. Raises Refused when it cannot
        be opened at all: then the process ends and says why."""


class Channel(Protocol):
    """One kind of medium. `parse` and `render` are pure; `send` and the door talk to the outside.

    Subclass it: what a channel cannot do it need not write.
    """

    name: ClassVar[str]
    Settings: ClassVar[type[ChannelSettings]]
    capabilities: ClassVar[Capabilities]

    def addresses(self, entry_point: str, settings: Any) -> Collection[str]:  # noqa: ANN401 (its Settings)
        """By what the outside knows an entry point: its id, unless the channel has better ones. No two share one."""
        return (entry_point,)

    def parse(self, raw: bytes) -> Inbound:
        """The provider's payload in our words. Raises Refused; never anything else, whatever the bytes."""
        ...

    def render(self, message: Outgoing) -> bytes:
        """Our words as the provider's payload; plain text unless the channel knows better."""
        return message.text.encode()

    async def send(self, message: Outgoing, edge: Edge) -> Sent:
        """Sends it; at least once, recognisable when repeated. Only asked of channels with an outbox."""
        return Sent("failed", "channel.no_outbox")

    def door(self, edge: Edge) -> Door:
        """What serves the customers' side in this process; made once."""
        return Door()


class Entry(msgspec.Struct, frozen=True):
    """An active entry point with its parsed settings."""

    org: str
    id: str
    config: EntryPoint
    settings: Any
