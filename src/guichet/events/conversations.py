"""Facts of conversations. Which of them may follow which is decided in `conversations/states.py` alone.

`n` counts messages and notes of a conversation from 1. Times are `Instant` (milliseconds, UTC).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from guichet.events.base import Fact, Id, Personal, Plain, fact
from guichet.kit.clock import Instant

Party = Literal["agent", "customer", "supervisor"]
DeliveryStatus = Literal["sent", "delivered", "read", "failed", "bounced"]


class Attachment(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file beside a message: `address` in the blob store, `size` in bytes; `cid` marks an image inside the text."""

    address: str
    name: str
    type: str
    size: int
    cid: str = ""


@fact("conversation.opened", stream="conversation", subject="customer", opens=True)
class ConversationOpened(Fact, frozen=True, kw_only=True):
    """An exchange with a customer began at an entry point. What the channel can do is kept with it: `live` (the
    customer waits on the line), `outbox` (a job carries replies out), `undo_seconds` (how long one can be taken
    back)."""

    conversation: Id
    customer: Id
    client: Id
    entry_point: Id
    channel: Plain[str]
    queue: Id
    live: bool
    outbox: bool
    undo_seconds: int
    language: Plain[str]
    subject: Personal[str] = ""
    name: Personal[str] = ""


@fact("message.received", stream="conversation", subject="customer")
class MessageReceived(Fact, frozen=True, kw_only=True):
    """The customer said something. `sent_at` is the provider's word; `headers` what the channel needs to reply;
    `automatic`: a machine answered ours, nobody waits."""

    conversation: Id
    message: Id
    n: int
    customer: Id
    client: Id
    automatic: bool = False
    sent_at: Instant | None = None
    html_blob: Plain[str] | None = None
    text: Personal[str] = ""
    attachments: Personal[list[Attachment]] = msgspec.field(default_factory=list)
    headers: Personal[dict[str, str]] = msgspec.field(default_factory=dict)


@fact("message.queued", stream="conversation", subject="customer")
class MessageQueued(Fact, frozen=True, kw_only=True):
    """An agent sent a reply. It can be undone until `release_at` (None: it is released at once)."""

    conversation: Id
    message: Id
    n: int
    customer: Id
    client: Id
    agent: Id
    release_at: Instant | None = None
    text: Personal[str] = ""
    attachments: Personal[list[Attachment]] = msgspec.field(default_factory=list)


@fact("message.released", stream="conversation")
class MessageReleased(Fact, frozen=True, kw_only=True):
    """The reply leaves: a live channel's view shows it, an outbox sends it. `attempt` > 1: an agent tried again."""

    conversation: Id
    message: Id
    n: int
    attempt: int = 1


@fact("message.withdrawn", stream="conversation")
class MessageWithdrawn(Fact, frozen=True, kw_only=True):
    """The agent took the reply back before it left."""

    conversation: Id
    message: Id
    n: int
    agent: Id


@fact("delivery.recorded", stream="conversation")
class DeliveryRecorded(Fact, frozen=True, kw_only=True):
    """What became of a reply, as the provider or the customer's widget says. `reason` is a code, never text."""

    conversation: Id
    message: Id
    n: int
    status: DeliveryStatus
    reason: Plain[str] | None = None


@fact("note.added", stream="conversation", subject="customer")
class NoteAdded(Fact, frozen=True, kw_only=True):
    """A word among colleagues; the customer never sees it."""

    conversation: Id
    n: int
    customer: Id
    client: Id
    agent: Id
    text: Personal[str] = ""


@fact("conversation.waiting", stream="conversation")
class ConversationWaiting(Fact, frozen=True, kw_only=True):
    """Nobody is on it and somebody must be: routing queues a new task. `prefer_agent`: who was last on it."""

    conversation: Id
    queue: Id
    since: Instant
    live: bool
    prefer_agent: Id | None = None


@fact("conversation.requeued", stream="conversation")
class ConversationRequeued(Fact, frozen=True, kw_only=True):
    """Back in line under the same task (a transfer, an agent who vanished). Routing says so beside `leg.ended`
    and `task.requeued`; it does not queue a task because of it."""

    conversation: Id
    queue: Id
    since: Instant
    reason: Plain[str]


@fact("leg.started", stream="conversation")
class LegStarted(Fact, frozen=True, kw_only=True):
    """A party joined. For people who work: from which site, country and employer."""

    conversation: Id
    leg: Id
    party: Party
    agent: Id | None = None
    site: Id | None = None
    country: Plain[str] | None = None
    employer: Plain[str] | None = None


@fact("leg.ended", stream="conversation")
class LegEnded(Fact, frozen=True, kw_only=True):
    """A party is no longer in it. Reasons: replied, closed, parked, transferred, vanished, left, taken."""

    conversation: Id
    leg: Id
    reason: Plain[str]


@fact("conversation.parked", stream="conversation")
class ConversationParked(Fact, frozen=True, kw_only=True):
    """Put aside by an agent until a time, or (None) until the customer writes."""

    conversation: Id
    agent: Id
    until: Instant | None = None


@fact("conversation.closed", stream="conversation")
class ConversationClosed(Fact, frozen=True, kw_only=True):
    """Done, as far as we know. `by` is an actor ("agent:<id>", "customer", "system"); reasons: closed, abandoned,
    left, erased. The customer's next message wakes it up again."""

    conversation: Id
    by: Plain[str]
    reason: Plain[str]


@fact("conversation.left", stream="conversation")
class ConversationLeft(Fact, frozen=True, kw_only=True):
    """The customer of a live conversation went away."""

    conversation: Id


@fact("conversation.tagged", stream="conversation")
class ConversationTagged(Fact, frozen=True, kw_only=True):
    """The whole set of tags from now on, by the ids of configured ones."""

    conversation: Id
    tags: Plain[list[str]]


@fact("conversation.disposed", stream="conversation")
class ConversationDisposed(Fact, frozen=True, kw_only=True):
    """The result code of a wrap-up."""

    conversation: Id
    agent: Id
    disposition: Id
