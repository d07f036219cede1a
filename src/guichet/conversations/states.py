"""The only table that says which fact may follow in which state of a conversation, and where it leads.

The diagram in `docs/reference/conversation-states.md` is made from it (`python -m tools.conversation_states`).
"""

from __future__ import annotations

from typing import Final, Literal

from guichet.events.base import Fact
from guichet.events.conversations import (
    ConversationClosed,
    ConversationDisposed,
    ConversationLeft,
    ConversationParked,
    ConversationRequeued,
    ConversationTagged,
    ConversationWaiting,
    DeliveryRecorded,
    DeliveryStatus,
    LegEnded,
    LegStarted,
    MessageQueued,
    MessageReceived,
    MessageReleased,
    MessageWithdrawn,
    NoteAdded,
)
from guichet.kit.errors import Refused

State = Literal["open", "waiting", "active", "parked", "closed"]

OPEN: Final = "open"
"""Nobody need do anything: it has just begun, or the customer was answered."""
WAITING: Final = "waiting"
"""Somebody is needed and nobody is on it."""
ACTIVE: Final = "active"
"""At least one agent is on it."""
PARKED: Final = "parked"
"""Put aside until a time, or until the customer writes."""
CLOSED: Final = "closed"
"""Done, as far as we know."""

STATES: tuple[State, ...] = (OPEN, WAITING, ACTIVE, PARKED, CLOSED)
FIRST: State = OPEN

TRANSITIONS: dict[tuple[State, type[Fact]], State] = {
    # Somebody is needed; while an agent is on it nobody else is. A closed one wakes up.
    (OPEN, ConversationWaiting): WAITING,
    (PARKED, ConversationWaiting): WAITING,
    (CLOSED, ConversationWaiting): WAITING,
    # Back in line: routing took it from whoever was on it.
    (OPEN, ConversationRequeued): WAITING,
    (WAITING, ConversationRequeued): WAITING,
    (ACTIVE, ConversationRequeued): WAITING,
    # An agent joins (the legs of customers and supervisors move nothing). People may take what nobody offers.
    (OPEN, LegStarted): ACTIVE,
    (WAITING, LegStarted): ACTIVE,
    (ACTIVE, LegStarted): ACTIVE,
    (PARKED, LegStarted): ACTIVE,
    (CLOSED, LegStarted): ACTIVE,
    # The last agent leaves; why it ended may have been said before.
    (OPEN, LegEnded): OPEN,
    (WAITING, LegEnded): WAITING,
    (ACTIVE, LegEnded): OPEN,
    (PARKED, LegEnded): PARKED,
    (CLOSED, LegEnded): CLOSED,
    (OPEN, ConversationParked): PARKED,
    (WAITING, ConversationParked): PARKED,
    (ACTIVE, ConversationParked): PARKED,
    (PARKED, ConversationParked): PARKED,
    (OPEN, ConversationClosed): CLOSED,
    (WAITING, ConversationClosed): CLOSED,
    (ACTIVE, ConversationClosed): CLOSED,
    (PARKED, ConversationClosed): CLOSED,
    # What changes no state, and where it may happen.
    (OPEN, MessageQueued): OPEN,
    (ACTIVE, MessageQueued): ACTIVE,
    (PARKED, MessageQueued): PARKED,
    (OPEN, ConversationLeft): OPEN,
    (WAITING, ConversationLeft): WAITING,
    (ACTIVE, ConversationLeft): ACTIVE,
    (PARKED, ConversationLeft): PARKED,
}

ANYWHERE: tuple[type[Fact], ...] = (
    MessageReceived,
    MessageReleased,
    MessageWithdrawn,
    DeliveryRecorded,
    NoteAdded,
    ConversationTagged,
    ConversationDisposed,
)
"""Facts that may happen in every state and change none."""
TRANSITIONS |= {(state, fact): state for fact in ANYWHERE for state in STATES}

EVENTS: tuple[type[Fact], ...] = tuple(dict.fromkeys(fact for _, fact in TRANSITIONS))


def allowed(state: State, fact: type[Fact]) -> bool:
    """Whether the fact may follow."""
    return (state, fact) in TRANSITIONS


def follow(state: State, fact: type[Fact]) -> State:
    """The next state. Raises Refused for a pair that is not in the table."""
    after = TRANSITIONS.get((state, fact))
    if after is None:
        raise Refused(
            "conflict", f"conversation.{state}", f"this cannot be done while the conversation is {state}"
        )
    return after


# --- what becomes of one reply -----------------------------------------------------------------------

Delivery = Literal["held", "queued", "sent", "delivered", "read", "failed", "bounced"]
"""`held`: it can still be taken back; `queued`: it was released and waits to be sent."""

DELIVERIES: dict[Delivery, frozenset[DeliveryStatus]] = {
    "held": frozenset(),
    "queued": frozenset({"sent", "delivered", "read", "failed", "bounced"}),
    "sent": frozenset({"delivered", "read", "failed", "bounced"}),
    "delivered": frozenset({"read"}),
    "read": frozenset(),
    "failed": frozenset(),
    "bounced": frozenset(),
}
"""What may be recorded next. All else is late or told twice, and is ignored: nothing ever goes backwards."""

RETRIED: frozenset[Delivery] = frozenset({"failed", "bounced"})
"""From where an agent may try again."""
