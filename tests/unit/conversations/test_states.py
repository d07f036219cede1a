"""The state table and the delivery table: nothing is left to chance."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guichet.conversations.states import (
    ANYWHERE,
    DELIVERIES,
    EVENTS,
    FIRST,
    RETRIED,
    STATES,
    TRANSITIONS,
    Delivery,
    State,
    allowed,
    follow,
)
from guichet.events import conversations
from guichet.events.base import CATALOGUE, Fact
from guichet.events.conversations import (
    ConversationClosed,
    ConversationOpened,
    ConversationWaiting,
    LegEnded,
    LegStarted,
    MessageReceived,
)
from guichet.kit.errors import Refused
from tools.conversation_states import PAGE, page

pytestmark = pytest.mark.unit

PAIRS = [(state, event) for state in STATES for event in EVENTS]


def test_every_fact_of_a_conversation_is_an_event_of_the_table() -> None:
    facts = {entry.cls for entry in CATALOGUE.values() if entry.cls.__module__ == conversations.__name__}
    assert facts - {ConversationOpened} == set(EVENTS)


@pytest.mark.parametrize(("state", "event"), PAIRS, ids=lambda x: getattr(x, "__name__", x))
def test_every_pair_is_listed_or_refused(state: State, event: type[Fact]) -> None:
    if allowed(state, event):
        assert follow(state, event) in STATES
        return
    with pytest.raises(Refused) as refused:
        follow(state, event)
    assert (refused.value.kind, refused.value.code) == ("conflict", f"conversation.{state}")


REFUSED = {
    ("waiting", "ConversationWaiting"),
    ("active", "ConversationWaiting"),
    ("parked", "ConversationRequeued"),
    ("closed", "ConversationRequeued"),
    ("waiting", "MessageQueued"),
    ("closed", "MessageQueued"),
    ("closed", "ConversationParked"),
    ("closed", "ConversationClosed"),
    ("closed", "ConversationLeft"),
}


def test_the_refused_pairs_are_these() -> None:
    assert {(s, e.__name__) for s, e in PAIRS if not allowed(s, e)} == REFUSED


@given(st.lists(st.sampled_from(EVENTS), max_size=60))
def test_any_history_keeps_the_promises(events: list[type[Fact]]) -> None:
    state: State = FIRST
    for event in events:
        before = state
        if (before, event) not in TRANSITIONS:
            continue
        state = follow(before, event)
        if event in ANYWHERE:
            assert state == before
        if state == "waiting" and before != "waiting":
            assert event.__name__ in {"ConversationWaiting", "ConversationRequeued"}
        if state == "active" and before != "active":
            assert event is LegStarted
        if before == "closed" and state != "closed":
            assert event in (ConversationWaiting, LegStarted)
        assert allowed(state, MessageReceived), "a customer is always heard"
        assert allowed(state, LegEnded), "a leg can always end"
        assert state == "closed" or allowed(state, ConversationClosed), "everything can be closed"


@given(st.lists(st.sampled_from(["sent", "delivered", "read", "failed", "bounced", "retry"]), max_size=40))
def test_a_reply_never_goes_backwards(news: list[str]) -> None:
    rank = {"queued": 0, "sent": 1, "delivered": 2, "read": 3, "failed": 4, "bounced": 4}
    delivery: Delivery = "queued"
    for said in news:
        before = delivery
        if said == "retry":
            if delivery in RETRIED:
                delivery = "queued"
        elif said in DELIVERIES[delivery]:
            delivery = said
            assert rank[delivery] > rank[before]
            assert before not in {"read", "failed", "bounced"}, "these are final until somebody tries again"


def test_a_bounce_is_admitted_after_sent_but_not_after_read() -> None:
    assert "bounced" in DELIVERIES["sent"]
    assert not DELIVERIES["read"]
    assert not DELIVERIES["held"], "what has not left has no news"


def test_the_page_about_states_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m tools.conversation_states"
