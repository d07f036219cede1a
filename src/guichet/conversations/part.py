"""The conversations' share of the leader's state. No words: ids, states, counts, times."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from guichet.accounts.part import Accounts
from guichet.conversations.states import CLOSED, FIRST, OPEN, PARKED, RETRIED, Delivery, State, follow
from guichet.customers.part import Customers
from guichet.events.base import Fact
from guichet.events.conversations import (
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
    Party,
)
from guichet.kit.clock import MINUTE, Instant
from guichet.kit.errors import Refused
from guichet.kit.resting import Resting
from guichet.leader.registry import At
from guichet.leader.state import Missing, Part, folds

KEEP = 10 * MINUTE
"""How long a closed conversation stays in memory."""
REMEMBERED = 200
"""Message ids and replies remembered per conversation, newest first to stay."""

UNDO = "undo"
SNOOZE = "snooze"


class Leg(msgspec.Struct, frozen=True, gc=False):
    """A party that is in the conversation now."""

    party: Party
    agent: str | None


class Reply(msgspec.Struct, gc=False):
    """A message of ours and what became of it."""

    n: int
    agent: str
    delivery: Delivery
    attempt: int = 1


class Conversation(msgspec.Struct, omit_defaults=True, gc=False):
    """One conversation. `n`: messages and notes so far; `tasks`: how often somebody was needed; `unread`: the
    customer's messages since our last reply; `waiting_since`: the first of those, or a reply that did not arrive;
    `last_agent`: who was last on
    it, or answered last."""

    id: str
    org: str
    client: str
    customer: str
    entry_point: str
    channel: str
    queue: str
    live: bool
    outbox: bool
    undo_seconds: int
    language: str
    touched: Instant
    state: State = FIRST
    n: int = 0
    tasks: int = 0
    unread: int = 0
    waiting_since: Instant | None = None
    last_agent: str | None = None
    parked_until: Instant | None = None
    left_at: Instant | None = None
    legs: dict[str, Leg] = {}
    seen: dict[str, int] = {}
    replies: dict[str, Reply] = {}

    @property
    def agents(self) -> list[str]:
        """The agents who are on it now."""
        return [leg.agent for leg in self.legs.values() if leg.party == "agent" and leg.agent is not None]

    @property
    def holder(self) -> str | None:
        """Whose it stays while nobody is on it: who parked or answered it last."""
        return self.last_agent if self.state in (OPEN, PARKED) else None

    def is_of(self, agent: str) -> bool:
        """Whether this agent is on it or holds it."""
        return agent in self.agents or agent == self.holder


def not_found() -> Refused:
    """There is no such conversation."""
    return Refused("not_found", "conversation.not_found", "there is no conversation with this id")


class Conversations(Part):
    """All conversations that are not closed, and those closed a short while ago."""

    cold = frozenset({"conversation"})

    def __init__(self, accounts: Accounts, customers: Customers) -> None:
        self.accounts = accounts
        self.customers = customers
        self._conversations: dict[str, Conversation] = {}
        self._absent: set[str] = set()
        self._unclosed: dict[str, set[str]] = {}
        self._resting = Resting(KEEP)

    # -- reading ---------------------------------------------------------------------------------------

    def find(self, conversation: str) -> Conversation | None:
        """The conversation, or None when there is none. Raises Missing when nobody knows yet."""
        found = self._conversations.get(conversation)
        if found is None and conversation not in self._absent:
            raise Missing(f"conversation/{conversation}")
        return found

    def get(self, conversation: str) -> Conversation:
        """The conversation. Raises Missing, or Refused when there is none."""
        found = self.find(conversation)
        if found is None:
            raise not_found()
        return found

    def peek(self, conversation: str) -> Conversation | None:
        """The conversation if it is in memory: always, unless it was closed a while ago."""
        return self._conversations.get(conversation)

    def unclosed_of(self, customer: str) -> list[Conversation]:
        """A customer's conversations that are not closed."""
        return [self._conversations[id_] for id_ in sorted(self._unclosed.get(customer, ()))]

    # -- folding ---------------------------------------------------------------------------------------

    @folds(ConversationOpened)
    def _opened(self, fact: ConversationOpened, at: At) -> None:
        self._absent.discard(fact.conversation)
        self._conversations[fact.conversation] = Conversation(
            id=fact.conversation,
            org=at.org,
            client=fact.client,
            customer=fact.customer,
            entry_point=fact.entry_point,
            channel=fact.channel,
            queue=fact.queue,
            live=fact.live,
            outbox=fact.outbox,
            undo_seconds=fact.undo_seconds,
            language=fact.language,
            touched=at.t,
        )
        self._unclosed.setdefault(fact.customer, set()).add(fact.conversation)

    @folds(MessageReceived)
    def _received(self, fact: MessageReceived, at: At) -> None:
        c = self._follow(fact.conversation, fact, at)
        c.n = fact.n
        c.left_at = None
        if not fact.automatic:
            c.unread += 1
            if c.waiting_since is None:
                c.waiting_since = at.t
        _remember(c.seen, fact.message, fact.n)

    @folds(MessageQueued)
    def _queued(self, fact: MessageQueued, at: At) -> None:
        c = self._follow(fact.conversation, fact, at)
        c.n = fact.n
        c.unread = 0
        c.waiting_since = None
        c.last_agent = fact.agent
        _remember(c.replies, fact.message, Reply(fact.n, fact.agent, "held"))
        if fact.release_at is not None:
            self.deadlines.set(UNDO, f"{c.id}/{fact.message}", fact.release_at, c.org)

    @folds(MessageReleased)
    def _released(self, fact: MessageReleased, at: At) -> None:
        c = self._follow(fact.conversation, fact, at)
        self.deadlines.drop(UNDO, f"{c.id}/{fact.message}")
        if fact.attempt > 1 and not c.unread:
            c.waiting_since = None
        if (reply := c.replies.get(fact.message)) is not None:
            reply.delivery, reply.attempt = "queued", fact.attempt
        self._rest(c)

    @folds(MessageWithdrawn)
    def _withdrawn(self, fact: MessageWithdrawn, at: At) -> None:
        c = self._follow(fact.conversation, fact, at)
        self.deadlines.drop(UNDO, f"{c.id}/{fact.message}")
        c.replies.pop(fact.message, None)
        self._rest(c)

    @folds(DeliveryRecorded)
    def _recorded(self, fact: DeliveryRecorded, at: At) -> None:
        c = self._follow(fact.conversation, fact, at)
        if (reply := c.replies.get(fact.message)) is not None:
            reply.delivery = fact.status
        if fact.status in RETRIED and c.waiting_since is None:
            c.waiting_since = at.t

    @folds(NoteAdded)
    def _noted(self, fact: NoteAdded, at: At) -> None:
        self._follow(fact.conversation, fact, at).n = fact.n

    @folds(ConversationWaiting, ConversationRequeued)
    def _waiting(self, fact: ConversationWaiting | ConversationRequeued, at: At) -> None:
        c = self._follow(fact.conversation, fact, at)
        c.queue = fact.queue
        c.tasks += isinstance(fact, ConversationWaiting)
        self._unpark(c)

    @folds(LegStarted)
    def _leg_started(self, fact: LegStarted, at: At) -> None:
        if fact.party == "agent":
            c = self._follow(fact.conversation, fact, at)
            c.last_agent = fact.agent
            self._unpark(c)
        else:
            c = self._touch(fact.conversation, at)
        c.legs[fact.leg] = Leg(fact.party, fact.agent)

    @folds(LegEnded)
    def _leg_ended(self, fact: LegEnded, at: At) -> None:
        c = self._touch(fact.conversation, at)
        leg = c.legs.pop(fact.leg, None)
        if leg is not None and leg.party == "agent" and not c.agents:
            self._follow(fact.conversation, fact, at)

    @folds(ConversationParked)
    def _parked(self, fact: ConversationParked, at: At) -> None:
        c = self._follow(fact.conversation, fact, at)
        self._unpark(c)
        c.last_agent, c.parked_until = fact.agent, fact.until
        if fact.until is not None:
            self.deadlines.set(SNOOZE, c.id, fact.until, c.org)

    @folds(ConversationClosed)
    def _closed(self, fact: ConversationClosed, at: At) -> None:
        c = self._follow(fact.conversation, fact, at)
        c.waiting_since = None
        self._unpark(c)

    @folds(ConversationLeft)
    def _left(self, fact: ConversationLeft, at: At) -> None:
        self._follow(fact.conversation, fact, at).left_at = at.t

    @folds(ConversationTagged, ConversationDisposed)
    def _labelled(self, fact: ConversationTagged | ConversationDisposed, at: At) -> None:
        self._follow(fact.conversation, fact, at)

    def _touch(self, conversation: str, at: At) -> Conversation:
        c = self._conversations[conversation]
        c.touched = at.t
        if c.state == CLOSED:
            self._rest(c)
        return c

    def _follow(self, conversation: str, fact: Fact, at: At) -> Conversation:
        """Moves a conversation as the table says."""
        c = self._touch(conversation, at)
        before, c.state = c.state, follow(c.state, type(fact))
        if c.state != before:
            self._rest(c)
        return c

    def _unpark(self, c: Conversation) -> None:
        self.deadlines.drop(SNOOZE, c.id)
        c.parked_until = None

    def _rest(self, c: Conversation) -> None:
        """A closed conversation is at rest once no reply of it can be taken back any more."""
        unclosed = self._unclosed.setdefault(c.customer, set())
        if c.state != CLOSED:
            unclosed.add(c.id)
            self._resting.wake(c.id)
            return
        unclosed.discard(c.id)
        if not unclosed:
            del self._unclosed[c.customer]
        if any(reply.delivery == "held" for reply in c.replies.values()):
            self._resting.wake(c.id)
        else:
            self._resting.touch(c.id, c.touched)

    # -- residency -------------------------------------------------------------------------------------

    def loaded(self, stream: str) -> None:
        kind, _, conversation = stream.partition("/")
        if kind == "conversation":
            if conversation not in self._conversations:
                self._absent.add(conversation)
            self._resting.recall(conversation)

    def at_rest(self) -> Iterator[str]:
        for conversation in self._absent:
            yield f"conversation/{conversation}"
        self._absent.clear()
        for conversation in self._resting.overdue():
            del self._conversations[conversation]
            yield f"conversation/{conversation}"

    def dump(self) -> Any:  # noqa: ANN401 (plain data)
        return {
            "conversations": self._conversations,
            "now": self._resting.now,
        }

    def restore(self, data: Any) -> None:  # noqa: ANN401
        self._conversations = msgspec.convert(data["conversations"], dict[str, Conversation])
        self._resting = Resting(KEEP, data["now"])
        for c in sorted(self._conversations.values(), key=lambda c: c.touched):
            self._rest(c)


def _remember(memory: dict[str, Any], key: str, value: object) -> None:
    memory[key] = value
    if len(memory) > REMEMBERED:
        del memory[next(iter(memory))]
