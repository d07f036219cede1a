"""What follows in conversations when time passes, and when a customer is erased."""

from __future__ import annotations

from collections.abc import Iterator

from guichet.conversations.commands import waiting
from guichet.conversations.part import SNOOZE, UNDO, Conversations
from guichet.conversations.states import PARKED
from guichet.events.base import Fact
from guichet.events.conversations import ConversationClosed, MessageReleased
from guichet.events.customers import CustomerErased
from guichet.events.leader import DeadlineFired
from guichet.leader.registry import Now, reacts_to


@reacts_to(DeadlineFired)
def when_due(part: Conversations, fact: DeadlineFired, now: Now) -> Iterator[Fact]:
    """A reply cannot be taken back any more; a parked conversation comes back."""
    if fact.kind == UNDO:
        conversation, _, message = fact.id.partition("/")
        c = part.peek(conversation)
        reply = c.replies.get(message) if c is not None else None
        if reply is not None and reply.delivery == "held":
            yield MessageReleased(conversation=conversation, message=message, n=reply.n)
    elif fact.kind == SNOOZE:
        c = part.peek(fact.id)
        if c is not None and c.state == PARKED:
            yield waiting(c, now.t)


@reacts_to(CustomerErased)
def when_erased(part: Conversations, fact: CustomerErased, now: Now) -> Iterator[Fact]:
    """Nobody works for somebody who was erased."""
    for c in part.unclosed_of(fact.customer):
        yield ConversationClosed(conversation=c.id, by="system", reason="erased")
