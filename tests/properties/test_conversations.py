"""Random lives of conversations: whatever happens in whatever order, nothing breaks, counts agree, and state and
rows come out of the log again, also after restarts, long silences and erasures."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from guichet.conversations.part import KEEP, Conversations
from guichet.conversations.states import ACTIVE, CLOSED
from guichet.customers.part import Customers
from guichet.events.conversations import ConversationRequeued
from guichet.kit.clock import SECOND
from guichet.kit.errors import Refused
from guichet.leader.registry import Actor
from tests.support.harness import Harness, customer, furnished

pytestmark = pytest.mark.property

CUSTOMERS = st.sampled_from(["ines", "omar"])
CONVERSATIONS = st.sampled_from(["c1", "c2", "c3"])
AGENTS = st.sampled_from(["paul", "eva", "lea"])
MESSAGES = st.sampled_from(["m1", "m2", "m3", "m4"])
REPLIES = st.sampled_from(["a1", "a2", "a3"])
STATUSES = st.sampled_from(["sent", "delivered", "read", "failed", "bounced"])


class Lives(RuleBasedStateMachine):
    """Commands of customers, channels and agents, and what routing would say."""

    @initialize()
    def begin(self) -> None:
        self.house: Harness = furnished()
        self.said: dict[str, set[str]] = {}
        for name in ("ines", "omar"):
            customer(self.house, name)

    def attempt(self, actor: Actor, name: str, /, **payload: Any) -> bool:
        """Runs a command; a refusal leaves no trace (deadlines that were due anyway may)."""
        self.house.advance(0)
        before = len(self.house.log)
        try:
            self.house.do(actor, name, **payload)
        except Refused as error:
            refused = error
        else:
            return True
        assert refused.code != "command.failed"
        assert len(self.house.log) == before
        return False

    @property
    def part(self) -> Conversations:
        return self.house.state.part(Conversations)

    def erased(self, who: str) -> bool:
        return self.house.state.part(Customers).is_erased(who)

    @rule(conversation=CONVERSATIONS, who=CUSTOMERS, live=st.booleans())
    def open(self, conversation: str, who: str, live: bool) -> None:
        self.attempt(
            self.house.visitor(who), "open_conversation", conversation=conversation, customer=who,
            entry_point="shop-talk" if live else "shop-letter", live=live, outbox=not live,
            undo_seconds=0 if live else 10,
        )  # fmt: skip

    @rule(conversation=CONVERSATIONS, who=CUSTOMERS, message=MESSAGES)
    def say(self, conversation: str, who: str, message: str) -> None:
        if self.attempt(
            self.house.visitor(who), "receive_message", conversation=conversation, message=message, text="?"
        ):
            self.said.setdefault(conversation, set()).add(message)

    @rule(conversation=CONVERSATIONS, who=CUSTOMERS)
    def leave_the_line(self, conversation: str, who: str) -> None:
        self.attempt(self.house.visitor(who), "customer_left", conversation=conversation)

    @rule(conversation=CONVERSATIONS, agent=AGENTS)
    def join(self, conversation: str, agent: str) -> None:
        c = self.part.peek(conversation)
        if c is not None and c.state != CLOSED and agent not in c.agents:
            self.house.join(conversation, agent)

    @rule(conversation=CONVERSATIONS, requeue=st.booleans())
    def leave(self, conversation: str, requeue: bool) -> None:
        c = self.part.peek(conversation)
        if c is not None and c.legs:
            self.house.leave(conversation, next(iter(c.legs)))
            if requeue and c.state not in (CLOSED, "parked"):
                again = ConversationRequeued(
                    conversation=conversation, queue="shop", since=self.house.t, reason="transferred"
                )
                self.house.happen(self.house.system(), again)

    @rule(conversation=CONVERSATIONS, agent=AGENTS, message=REPLIES)
    def send(self, conversation: str, agent: str, message: str) -> None:
        self.attempt(
            self.house.agent(agent), "send_message", conversation=conversation, message=message, text="!"
        )

    @rule(conversation=CONVERSATIONS, agent=AGENTS, message=REPLIES, name=st.sampled_from(["undo", "retry"]))
    def about_a_reply(self, conversation: str, agent: str, message: str, name: str) -> None:
        self.attempt(self.house.agent(agent), f"{name}_message", conversation=conversation, message=message)

    @rule(conversation=CONVERSATIONS, message=REPLIES, status=STATUSES)
    def deliver(self, conversation: str, message: str, status: str) -> None:
        self.attempt(
            self.house.system(), "record_delivery", conversation=conversation, message=message, status=status
        )

    @rule(conversation=CONVERSATIONS, agent=AGENTS, seconds=st.sampled_from([None, 1, 30]))
    def park(self, conversation: str, agent: str, seconds: int | None) -> None:
        until = None if seconds is None else self.house.t + seconds * SECOND
        self.attempt(self.house.agent(agent), "park", conversation=conversation, until=until)

    @rule(conversation=CONVERSATIONS, agent=AGENTS)
    def close(self, conversation: str, agent: str) -> None:
        self.attempt(self.house.agent(agent), "close", conversation=conversation)

    @rule(conversation=CONVERSATIONS, agent=AGENTS)
    def note(self, conversation: str, agent: str) -> None:
        self.attempt(self.house.agent(agent), "add_note", conversation=conversation, text="…")

    @rule(millis=st.sampled_from([1, 10 * SECOND, 40 * SECOND, KEEP + 1]))
    def wait(self, millis: int) -> None:
        self.house.advance(millis)

    @rule()
    def restart(self) -> None:
        self.house.restart()

    @rule(who=CUSTOMERS)
    def erase(self, who: str) -> None:
        if self.attempt(self.house.agent("ada"), "erase_customer", customer=who):
            self.house.destroyed.add(who)

    @invariant()
    def states_and_rows_agree(self) -> None:
        house: Harness | None = getattr(self, "house", None)
        if house is None:
            return
        for row in house.rows("conversation"):
            c = self.part.peek(str(row["conversation"]))
            if c is None:
                assert row["state"] == CLOSED
                continue
            assert row["state"] == c.state
            assert (row["n"], row["unread"], row["waiting_since"]) == (c.n, c.unread, c.waiting_since)
            if c.agents:
                assert c.state in (ACTIVE, "waiting", "parked", CLOSED)
            else:
                assert c.state != ACTIVE
            numbers = [m["n"] for m in house.rows("message", conversation=c.id)]
            assert len(numbers) == len(set(numbers))
            words = [str(m["message"]) for m in house.rows("message", conversation=c.id, kind="customer")]
            assert sorted(words) == sorted(self.said.get(c.id, ())), "every word, once"
        assert not any(self.erased(str(row["customer"])) for row in house.rows("conversation"))

    def teardown(self) -> None:
        if hasattr(self, "house"):
            self.house.check_replay()


TestLives = Lives.TestCase
