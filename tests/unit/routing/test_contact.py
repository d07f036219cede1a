"""From a customer's words to an agent and back, over the real leader with all its stages."""

from __future__ import annotations

import msgspec
import pytest

from guichet.events.conversations import LegStarted
from guichet.events.routing import Decision, OfferMade, RunnerUp, TaskQueued
from guichet.kit.clock import HOUR, MINUTE, SECOND
from tests.support.floor import (
    accept,
    change_queue,
    close,
    come,
    engine,
    offer_to,
    refused,
    reply,
    say,
)
from tests.support.harness import Harness, conversation, customer, names

pytestmark = pytest.mark.unit


# --- offers ----------------------------------------------------------------------------------------


def test_a_chat_is_offered_accepted_answered_wrapped_up(house: Harness) -> None:
    conversation(house, words=None)
    assert say(house, "m1") == ["message.received", "conversation.waiting", "task.queued", "offer.made"]
    card = house.row("work", agent="paul")
    assert (card["state"], card["deadline"], card["queue"]) == ("offered", house.t + 20 * SECOND, "shop")
    assert house.row("agent_state", agent="paul")["offered"] == 1
    facts = accept(house, "paul")
    assert names(facts) == ["offer.accepted", "leg.started"]
    leg = facts[1]
    assert isinstance(leg, LegStarted)
    assert (leg.agent, leg.site, leg.country, leg.employer) == ("paul", "main", "FR", "Org")
    assert house.row("conversation")["state"] == "active"
    assert reply(house) == ["message.queued", "message.released"]
    assert close(house) == ["conversation.closed", "wrapup.started", "leg.ended"]
    assert house.row("work", agent="paul")["state"] == "wrapup"
    assert house.row("agent_state", agent="paul")["load"] == 2
    done = house.do(house.agent("paul"), "finish_wrapup", task="c1-1", note="Rappeler demain")
    assert names(done) == ["note.added", "wrapup.ended", "task.ended"]
    assert house.rows("work") == house.rows("task") == []
    assert house.row("agent_state", agent="paul")["load"] == 0


def test_wrap_up_ends_by_itself(house: Harness) -> None:
    conversation(house)
    accept(house, "paul")
    close(house)
    assert house.advance(59 * SECOND)  # the queue's row is refreshed meanwhile
    assert house.row("work", agent="paul")["state"] == "wrapup"
    fired = names(house.advance(SECOND))
    assert "wrapup.ended" in fired
    assert "task.ended" in fired
    assert refused(house, "paul", "finish_wrapup", task="c1-1") == "wrapup.over"


def test_the_record_says_why_and_is_small(house: Harness) -> None:
    come(house, "eva")
    conversation(house)
    row = house.row("decision")
    record = row["record"]
    assert isinstance(record, dict)
    assert row["agent"] == "paul"
    # ada serves every client but is away; bob is not cleared for the shop; lea is away.
    assert record["agents"] == 5
    assert record["removed"] == {
        "clearance": 1, "queue": 0, "language": 0, "skill": 0, "presence": 2, "capacity": 0, "skipped": 0,
    }  # fmt: skip
    assert record["candidates"] == 2
    assert msgspec.convert(record, Decision).runners_up == (RunnerUp("eva", house.t, 0),)
    assert record["policy"] == "longest_idle@1"
    assert len(msgspec.json.encode(record)) < 1_000
    assert house.row("work", agent="paul")["why"] == record


def test_a_declined_task_goes_to_the_next_and_comes_back_when_nobody_else_is_there(house: Harness) -> None:
    come(house, "eva")
    conversation(house)
    paul = house.agent("paul")
    facts = house.do(paul, "decline_offer", offer=offer_to(house, "paul"))
    assert names(facts) == ["offer.declined", "offer.made"]
    facts = house.do(house.agent("eva"), "decline_offer", offer=offer_to(house, "eva"))
    assert names(facts) == ["offer.declined"]
    assert house.row("task")["state"] == "queued"
    again = names(house.advance(MINUTE))
    assert "offer.made" in again


def test_a_missed_offer_trips_the_breaker_and_the_task_keeps_its_place(house: Harness) -> None:
    conversation(house)
    since = house.row("task")["since"]
    assert "offer.missed" in names(house.advance(20 * SECOND))
    assert house.row("agent_state", agent="paul")["presence"] == "available"
    house.advance(MINUTE)  # offered again, as nobody else is there
    fired = names(house.advance(20 * SECOND))
    assert fired.index("offer.missed") < fired.index("presence.changed")
    state = house.row("agent_state", agent="paul")
    assert (state["presence"], state["offered"], state["load"]) == ("missed", 0, 0)
    assert house.row("task")["since"] == since
    house.advance(HOUR)
    assert house.row("task")["state"] == "queued", "nobody who does not answer is asked again"
    facts = house.do(house.agent("paul"), "set_presence", presence="available")
    assert names(facts) == ["presence.changed", "offer.made"]


def test_an_answer_too_late_is_refused(house: Harness) -> None:
    conversation(house)
    offer = offer_to(house, "paul")
    house.advance(20 * SECOND)
    assert refused(house, "paul", "accept_offer", offer=offer) == "offer.over"


def test_somebody_elses_offer_is_not_mine(house: Harness) -> None:
    conversation(house)
    assert refused(house, "eva", "accept_offer", offer=offer_to(house, "paul")) == "offer.over"
    assert refused(house, "bob", "accept_offer", offer=offer_to(house, "paul")) == "client.not_cleared"
    assert refused(house, "paul", "accept_offer", offer="c1-9-1") == "offer.over"
    assert refused(house, "paul", "accept_offer", offer="c9-1-1") == "conversation.not_found"


def test_leaving_withdraws_the_offer(house: Harness) -> None:
    conversation(house)
    facts = names(house.do(house.agent("paul"), "set_presence", presence="break"))
    assert facts == ["presence.changed", "offer.withdrawn"]
    assert house.rows("work") == []


def test_a_customer_who_leaves_before_anybody_came_has_abandoned(house: Harness) -> None:
    conversation(house)
    facts = names(house.do(house.visitor("ines"), "customer_left", conversation="c1"))
    assert facts == ["conversation.left", "conversation.closed", "offer.withdrawn", "task.ended"]
    house.advance(SECOND)
    assert house.row("queue_state", org="org", queue="shop")["abandoned_today"] == 1
    assert house.rows("work") == []


# --- capacity, order -------------------------------------------------------------------------------


def test_capacity_is_one_budget_and_freed_capacity_takes_the_oldest(house: Harness) -> None:
    for n in range(1, 6):
        conversation(house, f"c{n}")
        house.t += 1_000
    agent = engine(house).agents["paul"]
    assert len(agent.offers) == 3, "capacity 6, three chats of cost 2"
    for offer in sorted(agent.offers):
        house.do(house.agent("paul"), "accept_offer", offer=offer)
    close(house)
    facts = house.do(house.agent("paul"), "finish_wrapup", task="c1-1")
    offers = [fact for fact in facts if isinstance(fact, OfferMade)]
    assert [offer.conversation for offer in offers] == ["c4"]


def test_interruptible_mail_does_not_stand_in_the_way_of_a_chat(house: Harness) -> None:
    change_queue(house, "shop", interruptible=True)
    for n in range(1, 5):
        conversation(house, f"mail{n}", live=False)
    agent = engine(house).agents["paul"]
    assert len(agent.offers) == 3
    conversation(house, "chat")
    assert len(agent.offers) == 4
    assert agent.total == 8


# --- deferred --------------------------------------------------------------------------------------


def test_a_reply_ends_a_mails_task_and_taking_it_back_returns_it(house: Harness) -> None:
    conversation(house, live=False)
    accept(house, "paul")
    assert reply(house) == ["message.queued", "task.ended", "leg.ended"]
    assert house.rows("work") == []
    undone = house.do(house.agent("paul"), "undo_message", conversation="c1", message="a1")
    assert names(undone) == [
        "message.withdrawn",
        "conversation.waiting",
        "task.queued",
        "task.assigned",
        "leg.started",
    ]
    assert house.row("work", agent="paul")["state"] == "assigned"


def test_the_customers_next_words_ask_the_agent_they_know_first(house: Harness) -> None:
    conversation(house, live=False)
    accept(house, "paul")
    reply(house)
    come(house, "eva")
    for n in range(3):  # paul is full now
        conversation(house, f"full{n}")
        house.do(house.agent("paul"), "take", conversation=f"full{n}")
    house.advance(MINUTE)
    assert say(house, "m2") == ["message.received", "conversation.waiting", "task.queued"]
    assert engine(house).tasks["c1-2"].held
    fired = house.advance(30 * SECOND)
    made = [fact for fact in fired if isinstance(fact, OfferMade)]
    assert [offer.agent for offer in made] == ["eva"]


def test_a_known_agent_who_is_away_is_not_waited_for(house: Harness) -> None:
    conversation(house, live=False)
    accept(house, "paul")
    reply(house)
    house.do(house.agent("paul"), "set_presence", presence="break")
    come(house, "eva")
    assert say(house, "m2")[-1] == "offer.made"
    assert offer_to(house, "eva") == "c1-2-1"


def test_parked_work_holds_no_capacity_and_comes_back(house: Harness) -> None:
    conversation(house, live=False)
    accept(house, "paul")
    facts = house.do(house.agent("paul"), "park", conversation="c1", until=house.t + HOUR)
    assert names(facts) == ["conversation.parked", "task.ended", "leg.ended"]
    row = house.row("work", agent="paul")
    assert (row["state"], row["deadline"]) == ("parked", house.t + HOUR)
    assert house.row("agent_state", agent="paul")["load"] == 0
    fired = names(house.advance(HOUR))
    assert "offer.made" in fired
    assert [row["state"] for row in house.rows("work")] == ["offered"]


def test_closing_what_is_parked_clears_the_list(house: Harness) -> None:
    conversation(house, live=False)
    accept(house, "paul")
    house.do(house.agent("paul"), "park", conversation="c1")
    close(house)
    assert house.rows("work") == []


# --- figures ---------------------------------------------------------------------------------------


def test_queue_rows_lag_a_second_and_tell_places(house: Harness) -> None:
    house.do(house.agent("paul"), "set_presence", presence="break")
    house.advance(SECOND)
    for n in range(1, 4):
        conversation(house, f"c{n}")
    assert [row["place"] for row in house.rows("task")] == [1, 2, 3]
    assert house.row("queue_state", org="org", queue="shop")["waiting"] == 0
    first = house.t
    house.advance(SECOND)
    row = house.row("queue_state", org="org", queue="shop")
    assert (row["waiting"], row["oldest"]) == (3, first)
    house.do(house.visitor("ines"), "customer_left", conversation="c1")
    house.advance(SECOND)
    assert [row["place"] for row in house.rows("task")] == [1, 2]
    house.do(house.agent("paul"), "set_presence", presence="available")
    accept_all = sorted(engine(house).agents["paul"].offers)
    for offer in accept_all:
        house.do(house.agent("paul"), "accept_offer", offer=offer)
    house.advance(SECOND)
    row = house.row("queue_state", org="org", queue="shop")
    assert (row["waiting"], row["assigned"], row["answered_today"], row["answered_in_time_today"]) == (
        0,
        2,
        2,
        2,
    )
    house.advance(24 * HOUR)
    house.advance(SECOND)
    assert house.row("queue_state", org="org", queue="shop")["answered_today"] == 0


def test_two_organisations_with_equal_ids_do_not_meet(house: Harness) -> None:
    come(house, "max", org="other")
    customer(house, "autre", org="other")
    conversation(house, "x1", customer="autre", org="other")
    assert [row["agent"] for row in house.rows("work")] == ["max"]
    assert refused(house, "paul", "take", conversation="x1") == "not_found"
    assert refused(house, "paul", "accept_offer", offer="x1-1-1") == "not_found"


def test_a_task_says_what_its_queue_asked_for(house: Harness) -> None:
    conversation(house, words=None)
    queued = house.do(
        house.visitor("ines"), "receive_message", conversation="c1", message="m1", text="Bonjour"
    )[2]
    assert isinstance(queued, TaskQueued)
    assert (queued.task, queued.queue, queued.live, queued.cost) == ("c1-1", "shop", True, 2)
