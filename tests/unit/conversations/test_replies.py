"""Replies of agents: sent, taken back, failed, sent again."""

from __future__ import annotations

from typing import cast

import pytest

from guichet.events.conversations import ConversationWaiting
from guichet.kit.clock import MINUTE, SECOND
from guichet.kit.errors import Refused
from tests.support.harness import Harness, conversation, names
from tests.support.talking import house as house
from tests.support.talking import send

pytestmark = pytest.mark.unit


def test_a_live_reply_leaves_at_once_and_its_marks_come_back(house: Harness) -> None:
    conversation(house)
    house.join("c1", "paul")
    assert send(house, "a1") == ["message.queued", "message.released"]
    assert house.row("message", message="a1")["status"] == "sent"
    row = house.row("conversation")
    assert (row["unread"], row["waiting_since"], row["last_author"]) == (0, None, "agent")
    assert not house.jobs
    read = house.do(house.visitor("ines"), "customer_read", conversation="c1", n=2)
    assert names(read) == ["delivery.recorded"]
    assert house.row("message", message="a1")["status"] == "read"
    assert house.do(house.visitor("ines"), "customer_read", conversation="c1", n=2) == []


def test_a_reply_sent_twice_is_one_reply(house: Harness) -> None:
    conversation(house)
    house.join("c1", "paul")
    send(house, "a1")
    assert send(house, "a1") == []
    assert house.answer == {"n": 2}


def test_a_deferred_reply_can_be_taken_back_for_ten_seconds(house: Harness) -> None:
    conversation(house, live=False)
    house.join("c1", "paul")
    assert send(house, "a1") == ["message.queued"]
    assert house.row("message", message="a1")["release_at"] == house.t + 10 * SECOND
    house.advance(10 * SECOND - 1)
    undone = house.do(house.agent("paul"), "undo_message", conversation="c1", message="a1")
    assert names(undone) == ["message.withdrawn"], "paul is still on it"
    assert not house.rows("message", message="a1")
    assert house.advance(MINUTE) == []
    assert not house.jobs


def test_what_is_not_taken_back_becomes_a_job_and_then_it_is_too_late(house: Harness) -> None:
    conversation(house, live=False)
    house.join("c1", "paul")
    send(house, "a1")
    assert names(house.advance(10 * SECOND)) == ["deadline.fired", "message.released"]
    assert house.row("message", message="a1")["status"] == "queued"
    (job,) = house.jobs
    assert (job.queue, job.key) == ("send", "c1/a1/1")
    assert (job.payload["conversation"], job.payload["channel"]) == ("c1", "letter")
    with pytest.raises(Refused) as refused:
        house.do(house.agent("paul"), "undo_message", conversation="c1", message="a1")
    assert refused.value.code == "message.released"


def test_taking_back_the_only_answer_asks_for_somebody_again(house: Harness) -> None:
    conversation(house, live=False)
    leg = house.join("c1", "paul")
    send(house, "a1")
    house.do(house.agent("paul"), "close", conversation="c1")
    house.leave("c1", leg, "closed")
    undone = house.do(house.agent("paul"), "undo_message", conversation="c1", message="a1")
    assert names(undone) == ["message.withdrawn", "conversation.waiting"]
    assert cast(ConversationWaiting, undone[1]).prefer_agent == "paul"
    assert house.row("conversation")["state"] == "waiting"


def test_only_its_author_takes_a_reply_back(house: Harness) -> None:
    conversation(house, live=False)
    house.join("c1", "paul")
    send(house, "a1")
    with pytest.raises(Refused) as refused:
        house.do(house.agent("eva"), "undo_message", conversation="c1", message="a1")
    assert refused.value.code == "message.not_found"


def test_a_failed_reply_is_sent_again_under_a_key_of_its_own(house: Harness) -> None:
    conversation(house, live=False)
    house.join("c1", "paul")
    send(house, "a1")
    house.advance(10 * SECOND)
    with pytest.raises(Refused) as refused:
        house.do(house.agent("paul"), "retry_message", conversation="c1", message="a1")
    assert refused.value.code == "message.not_failed"
    deliver(house, "failed", "mailbox_full")
    assert house.row("message", message="a1")["reason"] == "mailbox_full"
    house.do(house.agent("paul"), "retry_message", conversation="c1", message="a1")
    row = house.row("message", message="a1")
    assert (row["status"], row["reason"]) == ("queued", None)
    assert [job.key for job in house.jobs] == ["c1/a1/1", "c1/a1/2"]


def deliver(house: Harness, status: str, reason: str | None = None) -> list[str]:
    return names(
        house.do(
            house.system(), "record_delivery", conversation="c1", message="a1", status=status, reason=reason
        )
    )


def test_late_news_is_ignored_and_a_bounce_after_sent_is_not(house: Harness) -> None:
    conversation(house, live=False)
    house.join("c1", "paul")
    send(house, "a1")
    assert deliver(house, "sent") == [], "it has not left yet"
    house.advance(10 * SECOND)
    assert deliver(house, "sent") == ["delivery.recorded"]
    assert deliver(house, "sent") == []
    assert deliver(house, "bounced", "no_such_user") == ["delivery.recorded"]
    assert deliver(house, "sent") == []
    assert house.row("message", message="a1")["status"] == "bounced"


@pytest.mark.parametrize("status", ["failed", "bounced"])
@pytest.mark.parametrize("state", ["open", "closed", "parked"])
def test_a_reply_that_did_not_arrive_needs_its_author_again(house: Harness, state: str, status: str) -> None:
    conversation(house, live=False)
    leg = house.join("c1", "paul")
    send(house, "a1")
    house.advance(10 * SECOND)
    deliver(house, "sent")
    if state == "closed":
        house.do(house.agent("paul"), "close", conversation="c1")
    elif state == "parked":
        house.do(house.agent("paul"), "park", conversation="c1", until=house.t + MINUTE)
    house.leave("c1", leg)
    assert house.row("conversation")["state"] == state
    house.t += MINUTE // 2
    assert deliver(house, status, "smtp.5.1.1") == ["delivery.recorded", "conversation.waiting"]
    row = house.row("conversation")
    assert (row["state"], row["waiting_since"]) == ("waiting", house.t)
    assert deliver(house, status, "smtp.5.1.1") == [], "told twice, or of a report about it"
    if state == "parked":
        assert house.advance(MINUTE) == [], "it is not waited for any more"


def test_whoever_is_on_it_sees_a_reply_come_back(house: Harness) -> None:
    conversation(house, live=False)
    house.join("c1", "paul")
    send(house, "a1")
    house.advance(10 * SECOND)
    assert deliver(house, "bounced") == ["delivery.recorded"]
    assert house.row("conversation")["waiting_since"] == house.t
    house.do(house.agent("paul"), "retry_message", conversation="c1", message="a1")
    assert house.row("conversation")["waiting_since"] is None
    send(house, "a2")
    house.do(house.agent("paul"), "close", conversation="c1")


def test_nobody_is_needed_for_an_erased_customers_bounce(house: Harness) -> None:
    conversation(house, live=False)
    house.join("c1", "paul")
    send(house, "a1")
    house.advance(10 * SECOND)
    house.do(house.agent("ada"), "erase_customer", customer="ines")
    assert deliver(house, "bounced") == ["delivery.recorded"]


def test_a_reply_that_the_customers_view_shows_cannot_be_held(house: Harness) -> None:
    before = len(house.log)
    with pytest.raises(Refused) as refused:
        house.do(
            house.visitor("ines"), "open_conversation", conversation="c9", customer="ines",
            entry_point="shop-talk", live=True, outbox=False, undo_seconds=5,
        )  # fmt: skip
    assert refused.value.field == "undo_seconds"
    assert len(house.log) == before
