"""What customers, channels and agents may ask of a conversation."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Annotated

import msgspec

from guichet.accounts.permissions import LEAD, SPEAK_AS_CUSTOMER, SYSTEM, WORK
from guichet.accounts.settings import Tag
from guichet.conversations.bounds import check_files, check_text
from guichet.conversations.part import Conversation, Conversations, not_found
from guichet.conversations.states import (
    CLOSED,
    DELIVERIES,
    OPEN,
    RETRIED,
    WAITING,
    allowed,
    follow,
)
from guichet.events.base import Fact
from guichet.events.conversations import (
    Attachment,
    ConversationClosed,
    ConversationLeft,
    ConversationOpened,
    ConversationParked,
    ConversationTagged,
    ConversationWaiting,
    DeliveryRecorded,
    DeliveryStatus,
    MessageQueued,
    MessageReceived,
    MessageReleased,
    MessageWithdrawn,
    NoteAdded,
)
from guichet.kit.clock import DAY, SECOND, Instant
from guichet.kit.errors import Refused, invalid
from guichet.kit.ids import Ident
from guichet.leader.registry import Answer, Now, Scope, command

MAX_PARKED = 366 * DAY

Attachments = Annotated[list[Attachment], msgspec.Meta(max_length=50)]
Header = Annotated[str, msgspec.Meta(max_length=4_000)]


class OpenConversation(msgspec.Struct, frozen=True, kw_only=True):
    """A new conversation, without words yet. What the channel can do comes from the channel."""

    conversation: Ident
    customer: Ident
    entry_point: Ident
    live: bool
    outbox: bool
    undo_seconds: Annotated[int, msgspec.Meta(ge=0, le=600)] = 0
    language: Annotated[str, msgspec.Meta(max_length=8)] = ""
    subject: Annotated[str, msgspec.Meta(max_length=1_000)] = ""
    name: Annotated[str, msgspec.Meta(max_length=254)] = ""


class ReceiveMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The customer's words. `message` is the id that the customer's side or the provider made. `automatic`: their
    machine's answer to ours."""

    conversation: Ident
    message: Ident
    text: str
    attachments: Attachments = []
    html_blob: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    headers: Annotated[dict[Header, Header], msgspec.Meta(max_length=50)] = {}
    sent_at: Instant | None = None
    automatic: bool = False


class OnConversation(msgspec.Struct, frozen=True):
    """A request about one conversation that says nothing more."""

    conversation: Ident


class CustomerRead(msgspec.Struct, frozen=True):
    """The customer has seen everything up to `n`."""

    conversation: Ident
    n: Annotated[int, msgspec.Meta(ge=0)]


class RecordDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider says of one of our messages. `reason` is a code."""

    conversation: Ident
    message: Ident
    status: DeliveryStatus
    reason: Annotated[str, msgspec.Meta(max_length=80)] | None = None


class SendMessage(msgspec.Struct, frozen=True, kw_only=True):
    """An agent's reply. `message` is the id that the desk made."""

    conversation: Ident
    message: Ident
    text: str
    attachments: Attachments = []


class OnMessage(msgspec.Struct, frozen=True):
    """A request about one of our messages."""

    conversation: Ident
    message: Ident


class AddNote(msgspec.Struct, frozen=True):
    """A word among colleagues."""

    conversation: Ident
    text: str


class Park(msgspec.Struct, frozen=True):
    """Put aside until a time, or (None) until the customer writes."""

    conversation: Ident
    until: Instant | None = None


class TagConversation(msgspec.Struct, frozen=True):
    """The whole set of tags, by the ids of configured ones."""

    conversation: Ident
    tags: Annotated[list[Ident], msgspec.Meta(max_length=20)]


class _About(msgspec.Struct):
    conversation: str


def of_conversation(part: Conversations, ask: _About) -> Scope:
    """The scope of every request about a conversation. Raises Missing, Refused."""
    c = part.get(ask.conversation)
    return Scope(org=c.org, client=c.client, customer=c.customer)


# --- the customer's side ---------------------------------------------------------------------------


@command("open_conversation", permission=SPEAK_AS_CUSTOMER, scope=lambda _, ask: Scope(customer=ask.customer))
def open_conversation(part: Conversations, ask: OpenConversation, now: Now) -> Iterator[Fact]:
    """Through an active entry point, for a customer of its client. A repetition changes nothing."""
    entry = part.accounts.entry_point(now.org, ask.entry_point)
    if entry is None or not entry.active:
        raise invalid("entry_point", "entry_point.unknown", "there is no such entry point")
    customer = part.customers.get(ask.customer)
    if customer.org != now.org or customer.client != entry.client or customer.erased:
        raise invalid("customer", "customer.not_found", "there is no such customer of this client")
    if ask.undo_seconds and not ask.outbox:
        raise invalid(
            "undo_seconds", "conversation.undo", "what the customer's view shows cannot be taken back"
        )
    known = part.peek(ask.conversation)
    if known is not None:
        if known.org != now.org or known.customer != ask.customer:
            raise not_found()
        return
    yield ConversationOpened(
        conversation=ask.conversation,
        customer=ask.customer,
        client=entry.client,
        entry_point=ask.entry_point,
        channel=entry.channel,
        queue=entry.queue,
        live=ask.live,
        outbox=ask.outbox,
        undo_seconds=ask.undo_seconds,
        language=ask.language or entry.language,
        subject=ask.subject,
        name=ask.name,
    )


@command("receive_message", permission=SPEAK_AS_CUSTOMER, scope=of_conversation)
def receive_message(part: Conversations, ask: ReceiveMessage, now: Now) -> Generator[Fact, None, Answer]:
    """Answers {n}. When nobody is on the conversation somebody is needed now; not for an automatic answer, unless
    it opens the conversation: nobody would see it."""
    c = part.get(ask.conversation)
    if (n := c.seen.get(ask.message)) is not None:
        return {"n": n}  # told twice
    _check_words(part, c, ask.text, bool(ask.attachments) or ask.html_blob is not None)
    check_files(ask.attachments)
    automatic = ask.automatic and c.n > 0
    yield MessageReceived(
        conversation=c.id,
        message=ask.message,
        n=c.n + 1,
        customer=c.customer,
        client=c.client,
        automatic=automatic,
        sent_at=ask.sent_at,
        html_blob=ask.html_blob,
        text=ask.text,
        attachments=ask.attachments,
        headers=ask.headers,
    )
    if not automatic and allowed(c.state, ConversationWaiting):
        yield waiting(c, now.t)
    return {"n": c.n + 1}


def waiting(c: Conversation, since: Instant, prefer_agent: str | None = None) -> ConversationWaiting:
    """Somebody is needed, best the one who knows it."""
    return ConversationWaiting(
        conversation=c.id,
        queue=c.queue,
        since=since,
        live=c.live,
        prefer_agent=prefer_agent if prefer_agent is not None else c.last_agent,
    )


@command("customer_left", permission=SPEAK_AS_CUSTOMER, scope=of_conversation)
def customer_left(part: Conversations, ask: OnConversation, now: Now) -> Iterator[Fact]:
    """Ends a live conversation that nobody is on (abandoned when somebody was needed); an agent who is on it
    is told and closes it. Nothing to do for a deferred one: its customer never stays."""
    c = part.get(ask.conversation)
    if not c.live or c.state == CLOSED:
        return
    yield ConversationLeft(conversation=c.id)
    if c.state in (OPEN, WAITING):
        reason = "abandoned" if c.state == WAITING else "left"
        yield ConversationClosed(conversation=c.id, by="customer", reason=reason)


@command("customer_read", permission=SPEAK_AS_CUSTOMER, scope=of_conversation)
def customer_read(part: Conversations, ask: CustomerRead, now: Now) -> Iterator[Fact]:
    """Marks our messages up to `n` as read, each once."""
    c = part.get(ask.conversation)
    for message, reply in c.replies.items():
        if reply.n <= ask.n and "read" in DELIVERIES[reply.delivery]:
            yield DeliveryRecorded(conversation=c.id, message=message, n=reply.n, status="read")


@command("record_delivery", permission=SYSTEM, scope=of_conversation)
def record_delivery(part: Conversations, ask: RecordDelivery, now: Now) -> Iterator[Fact]:
    """Late and repeated news, and news of messages long forgotten, change nothing. A reply that did not arrive
    needs somebody again, best who wrote it; once for each time it was sent, so reports of reports end here."""
    c = part.get(ask.conversation)
    reply = c.replies.get(ask.message)
    if reply is None or ask.status not in DELIVERIES[reply.delivery]:
        return
    yield DeliveryRecorded(
        conversation=c.id, message=ask.message, n=reply.n, status=ask.status, reason=ask.reason
    )
    erased = part.customers.is_erased(c.customer)
    if ask.status in RETRIED and not erased and allowed(c.state, ConversationWaiting):
        yield waiting(c, now.t, reply.agent)


# --- the agents' side ------------------------------------------------------------------------------


@command("send_message", permission=WORK, scope=of_conversation)
def send_message(part: Conversations, ask: SendMessage, now: Now) -> Generator[Fact, None, Answer]:
    """Answers {n}. Released at once, or once it cannot be taken back any more."""
    c = part.get(ask.conversation)
    if (reply := c.replies.get(ask.message)) is not None:
        return {"n": reply.n}
    agent = _own(c, now)
    follow(c.state, MessageQueued)
    _check_words(part, c, ask.text, bool(ask.attachments))
    check_files(ask.attachments)
    n = c.n + 1
    yield MessageQueued(
        conversation=c.id,
        message=ask.message,
        n=n,
        customer=c.customer,
        client=c.client,
        agent=agent,
        release_at=now.t + c.undo_seconds * SECOND if c.undo_seconds else None,
        text=ask.text,
        attachments=ask.attachments,
    )
    if not c.undo_seconds:
        yield MessageReleased(conversation=c.id, message=ask.message, n=n)
    return {"n": n}


@command("undo_message", permission=WORK, scope=of_conversation)
def undo_message(part: Conversations, ask: OnMessage, now: Now) -> Iterator[Fact]:
    """Takes one's own reply back while it is held. If nobody is on the conversation any more, somebody is
    needed again: the customer has no answer."""
    c = part.get(ask.conversation)
    reply = c.replies.get(ask.message)
    if reply is None or reply.agent != now.actor.id:
        raise Refused("not_found", "message.not_found", "there is no message of yours with this id")
    if reply.delivery != "held":
        raise Refused("conflict", "message.released", "too late: the message has left")
    yield MessageWithdrawn(conversation=c.id, message=ask.message, n=reply.n, agent=reply.agent)
    if c.state in (OPEN, CLOSED):
        yield waiting(c, now.t, reply.agent)


@command("retry_message", permission=WORK, scope=of_conversation)
def retry_message(part: Conversations, ask: OnMessage, now: Now) -> Iterator[Fact]:
    """Sends once more what failed or bounced."""
    c = part.get(ask.conversation)
    reply = c.replies.get(ask.message)
    if reply is None:
        raise Refused("not_found", "message.not_found", "there is no message with this id")
    if reply.delivery not in RETRIED:
        raise Refused("conflict", "message.not_failed", "only a message that failed can be sent again")
    _check_not_erased(part, c)
    yield MessageReleased(conversation=c.id, message=ask.message, n=reply.n, attempt=reply.attempt + 1)


@command("add_note", permission=WORK, scope=of_conversation)
def add_note(part: Conversations, ask: AddNote, now: Now) -> Generator[Fact, None, Answer]:
    """Answers {n}. Whoever is cleared for the client may leave one."""
    c = part.get(ask.conversation)
    _check_words(part, c, ask.text, False)
    yield NoteAdded(
        conversation=c.id, n=c.n + 1, customer=c.customer, client=c.client, agent=now.actor.id, text=ask.text
    )
    return {"n": c.n + 1}


@command("park", permission=WORK, scope=of_conversation)
def park(part: Conversations, ask: Park, now: Now) -> Iterator[Fact]:
    """Puts one's conversation aside; at `until` somebody is needed again, best the one who parked it."""
    c = part.get(ask.conversation)
    if ask.until is not None and not now.t < ask.until <= now.t + MAX_PARKED:
        raise invalid("until", "park.until", "choose a time within a year from now")
    agent = _own(c, now)
    follow(c.state, ConversationParked)
    yield ConversationParked(conversation=c.id, agent=agent, until=ask.until)


@command("close", permission=WORK, scope=of_conversation)
def close(part: Conversations, ask: OnConversation, now: Now) -> Iterator[Fact]:
    """Closes one's own conversation, or as a leader anybody's. A repetition changes nothing."""
    c = part.get(ask.conversation)
    if c.state == CLOSED:
        return
    access = part.accounts.directory.access(now.org, now.actor.id)
    if access is None or not access.may(LEAD):
        _own(c, now)
    yield ConversationClosed(conversation=c.id, by=str(now.actor), reason="closed")


@command("tag", permission=WORK, scope=of_conversation)
def tag(part: Conversations, ask: TagConversation, now: Now) -> Iterator[Fact]:
    """Sets the tags, in any state. One that is no longer in use may stay."""
    c = part.get(ask.conversation)
    tags = list(dict.fromkeys(ask.tags))
    for ident in tags:
        found = part.accounts.directory.find(now.org, Tag, ident)
        if found is None or found.client not in (None, c.client):
            raise invalid("tags", "tag.unknown", "choose tags of this client; an administrator adds new ones")
    yield ConversationTagged(conversation=c.id, tags=tags)


def _own(c: Conversation, now: Now) -> str:
    """The asking agent, if the conversation is theirs. Raises Refused."""
    if not c.is_of(now.actor.id):
        raise Refused("conflict", "conversation.not_yours", "take the conversation first")
    return now.actor.id


def _check_words(part: Conversations, c: Conversation, text: str, more: bool) -> None:
    check_text(text, more)
    _check_not_erased(part, c)


def _check_not_erased(part: Conversations, c: Conversation) -> None:
    if part.customers.is_erased(c.customer):
        raise Refused("conflict", "customer.erased", "the customer was erased; open a new conversation")
