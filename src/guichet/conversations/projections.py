"""Tables `conversation`, `message`, `leg`: what people read. One sentence of a chat is one row inserted and one
updated. An erased customer's conversations have no rows, whatever still happens to them."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from guichet.conversations.part import Conversation, Conversations
from guichet.conversations.states import ACTIVE, RETRIED
from guichet.conversations.tables import CONVERSATION, LEG, MESSAGE
from guichet.events.conversations import (
    Attachment,
    ConversationClosed,
    ConversationDisposed,
    ConversationLeft,
    ConversationOpened,
    ConversationParked,
    ConversationRequeued,
    ConversationTagged,
    ConversationWaiting,
    DeliveryRecorded,
    LegEnded,
    LegStarted,
    MessageQueued,
    MessageReceived,
    MessageReleased,
    MessageWithdrawn,
    NoteAdded,
)
from guichet.events.customers import CustomerDescribed
from guichet.leader.registry import At, project
from guichet.store.rows import Delete, Insert, NewJob, RowOp, Update, Value

SEND_QUEUE = "send"
"""Jobs that carry a released reply out, for channels with an outbox."""
LAST_WORDS = 120


@project(ConversationOpened)
def show_opened(part: Conversations, fact: ConversationOpened, at: At) -> Iterator[RowOp]:
    """One row per conversation."""
    values: dict[str, Value] = {
        "customer": fact.customer,
        "subject": fact.customer,
        "client": fact.client,
        "channel": fact.channel,
        "entry_point": fact.entry_point,
        "queue": fact.queue,
        "live": fact.live,
        "language": fact.language,
        "state": "open",
        "subject_line": fact.subject,
        "customer_name": fact.name,
        "last_at": at.t,
        "n": 0,
        "unread": 0,
        "tags": [],
        "opened_at": at.t,
    }
    yield Insert(CONVERSATION, (fact.conversation,), values)


@project(MessageReceived)
def show_received(part: Conversations, fact: MessageReceived, at: At) -> Iterator[RowOp]:
    """The customer's words, for agents and for the customer's own view."""
    c = _shown(part, fact.conversation)
    if c is None:
        return
    values: dict[str, Value] = {
        "message": fact.message,
        "subject": fact.customer,
        "client": fact.client,
        "kind": "customer",
        "author": fact.customer,
        "text": fact.text,
        "html_blob": fact.html_blob,
        "attachments": _plain(fact.attachments),
        "headers": dict(fact.headers),
        "status": "received",
        "at": at.t,
        "sent_at": fact.sent_at,
        "internal": False,
    }
    yield Insert(MESSAGE, (fact.conversation, fact.n), values)
    last = _last(c, fact, "customer", at)
    if reply_to := fact.headers.get("reply_to"):
        last.values["reply_to"] = reply_to
    yield last


@project(MessageQueued)
def show_queued(part: Conversations, fact: MessageQueued, at: At) -> Iterator[RowOp]:
    """An agent's reply; `release_at` says how long it can be taken back."""
    c = _shown(part, fact.conversation)
    if c is None:
        return
    values: dict[str, Value] = {
        "message": fact.message,
        "subject": fact.customer,
        "client": fact.client,
        "kind": "agent",
        "author": fact.agent,
        "text": fact.text,
        "attachments": _plain(fact.attachments),
        "status": "held",
        "at": at.t,
        "release_at": fact.release_at,
        "internal": False,
    }
    yield Insert(MESSAGE, (fact.conversation, fact.n), values)
    yield _last(c, fact, "agent", at)


@project(MessageReleased)
def show_released(part: Conversations, fact: MessageReleased, at: At) -> Iterator[RowOp]:
    """Sent, where the customer's own view shows it; else queued, with a job to send it."""
    c = _shown(part, fact.conversation)
    if c is None:
        return
    values: dict[str, Value] = {
        "status": "queued" if c.outbox else "sent",
        "release_at": None,
        "reason": None,
    }
    yield _update_message(c, fact.n, fact.message, values)
    if fact.attempt > 1:
        yield _update(c, {"waiting_since": c.waiting_since})
    if c.outbox:
        yield NewJob(
            SEND_QUEUE,
            f"{fact.conversation}/{fact.message}/{fact.attempt}",
            {
                "org": at.org,
                "conversation": fact.conversation,
                "message": fact.message,
                "n": fact.n,
                "channel": c.channel,
                "entry_point": c.entry_point,
            },
        )


@project(MessageWithdrawn)
def show_withdrawn(part: Conversations, fact: MessageWithdrawn, at: At) -> Iterator[RowOp]:
    """Nobody was told: the row goes."""
    c = _shown(part, fact.conversation)
    if c is not None:
        known: dict[str, Value] = {"client": c.client, "internal": False, "message": fact.message}
        yield Delete(MESSAGE, (fact.conversation, fact.n), known)


@project(DeliveryRecorded)
def show_delivery(part: Conversations, fact: DeliveryRecorded, at: At) -> Iterator[RowOp]:
    """The mark beside a reply."""
    c = _shown(part, fact.conversation)
    if c is not None:
        values: dict[str, Value] = {"status": fact.status, "reason": fact.reason}
        yield _update_message(c, fact.n, fact.message, values)
        if fact.status in RETRIED:
            yield _update(c, {"waiting_since": c.waiting_since})


@project(NoteAdded)
def show_note(part: Conversations, fact: NoteAdded, at: At) -> Iterator[RowOp]:
    """In the thread, but never in the customer's view."""
    c = _shown(part, fact.conversation)
    if c is None:
        return
    values: dict[str, Value] = {
        "message": f"{fact.conversation}.{fact.n}",
        "subject": fact.customer,
        "client": fact.client,
        "kind": "note",
        "author": fact.agent,
        "text": fact.text,
        "attachments": [],
        "at": at.t,
        "internal": True,
    }
    yield Insert(MESSAGE, (fact.conversation, fact.n), values)
    yield _update(c, {"n": fact.n})


@project(ConversationWaiting, ConversationRequeued)
def show_waiting(
    part: Conversations, fact: ConversationWaiting | ConversationRequeued, at: At
) -> Iterator[RowOp]:
    """In line for whoever can take it."""
    c = _shown(part, fact.conversation)
    if c is not None:
        yield _update(
            c, {"state": c.state, "queue": c.queue, "agent": None, "parked_until": None, "closed_at": None}
        )


@project(LegStarted)
def show_leg(part: Conversations, fact: LegStarted, at: At) -> Iterator[RowOp]:
    """Who was in it, from where, when. Legs say nothing about the customer and stay."""
    values: dict[str, Value] = {
        "party": fact.party,
        "agent": fact.agent,
        "site": fact.site,
        "country": fact.country,
        "employer": fact.employer,
        "started": at.t,
    }
    yield Insert(LEG, (fact.conversation, fact.leg), values)
    c = _shown(part, fact.conversation)
    if c is not None and fact.party == "agent":
        yield _update(c, {"state": ACTIVE, "agent": fact.agent, "parked_until": None, "closed_at": None})


@project(LegEnded)
def show_leg_ended(part: Conversations, fact: LegEnded, at: At) -> Iterator[RowOp]:
    """The conversation shows who is left, or who had it last."""
    yield Update(LEG, (fact.conversation, fact.leg), {"ended": at.t, "reason": fact.reason})
    c = _shown(part, fact.conversation)
    if c is not None:
        values: dict[str, Value] = {"state": c.state}
        if c.agents:
            values["agent"] = c.agents[-1]
        yield _update(c, values)


@project(ConversationParked)
def show_parked(part: Conversations, fact: ConversationParked, at: At) -> Iterator[RowOp]:
    """Put aside by an agent."""
    c = _shown(part, fact.conversation)
    if c is not None:
        yield _update(c, {"state": c.state, "agent": fact.agent, "parked_until": fact.until})


@project(ConversationClosed)
def show_closed(part: Conversations, fact: ConversationClosed, at: At) -> Iterator[RowOp]:
    """Done."""
    c = _shown(part, fact.conversation)
    if c is not None:
        yield _update(c, {"state": c.state, "closed_at": at.t, "waiting_since": None, "parked_until": None})


@project(ConversationLeft)
def show_left(part: Conversations, fact: ConversationLeft, at: At) -> Iterator[RowOp]:
    """The customer went away; the next message says that they are back."""
    c = _shown(part, fact.conversation)
    if c is not None:
        yield _update(c, {"left_at": c.left_at})


@project(ConversationTagged)
def show_tags(part: Conversations, fact: ConversationTagged, at: At) -> Iterator[RowOp]:
    """The whole set."""
    c = _shown(part, fact.conversation)
    if c is not None:
        yield _update(c, {"tags": list(fact.tags)})


@project(ConversationDisposed)
def show_disposition(part: Conversations, fact: ConversationDisposed, at: At) -> Iterator[RowOp]:
    """The result code of the last wrap-up."""
    c = _shown(part, fact.conversation)
    if c is not None:
        yield _update(c, {"disposition": fact.disposition})


@project(CustomerDescribed)
def show_name(part: Conversations, fact: CustomerDescribed, at: At) -> Iterator[RowOp]:
    """A new name shows where somebody is at work on it; closed conversations keep the name of their time."""
    if fact.name is not None and not part.customers.is_erased(fact.customer):
        for c in part.unclosed_of(fact.customer):
            yield _update(c, {"customer_name": fact.name})


def _shown(part: Conversations, conversation: str) -> Conversation | None:
    """The conversation, unless its customer was erased."""
    c = part.peek(conversation)
    return None if c is None or part.customers.is_erased(c.customer) else c


def _update(c: Conversation, values: dict[str, Value]) -> Update:
    return Update(CONVERSATION, (c.id,), values, {"client": c.client, "customer": c.customer})


def _update_message(c: Conversation, n: int, message: str, values: dict[str, Value]) -> Update:
    return Update(MESSAGE, (c.id, n), values, {"client": c.client, "internal": False, "message": message})


def _last(c: Conversation, fact: MessageReceived | MessageQueued, author: str, at: At) -> Update:
    words = " ".join(fact.text[: 4 * LAST_WORDS].split())[:LAST_WORDS]
    if not words and fact.attachments:
        words = fact.attachments[0].name[:LAST_WORDS]
    values: dict[str, Value] = {
        "n": fact.n,
        "last_words": words,
        "last_author": author,
        "last_at": at.t,
        "unread": c.unread,
        "waiting_since": c.waiting_since,
        "left_at": c.left_at,
    }
    return _update(c, values)


def _plain(attachments: list[Attachment]) -> list[object]:
    return [msgspec.to_builtins(a) for a in attachments]
