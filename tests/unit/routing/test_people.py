"""People decide, come and go, and change the configuration; the machine follows."""

from __future__ import annotations

import msgspec
import pytest

from guichet.events.routing import TaskAssigned
from guichet.kit.clock import HOUR, MINUTE, SECOND
from tests.support.floor import (
    accept,
    change_agent,
    change_organisation,
    change_queue,
    check_decisions,
    close,
    come,
    engine,
    offer_to,
    refused,
    reply,
)
from tests.support.harness import Harness, config, conversation, names

pytestmark = pytest.mark.unit


# --- people decide ---------------------------------------------------------------------------------


def test_taking_wins_against_an_offer(house: Harness) -> None:
    come(house, "eva")
    conversation(house)
    offer = offer_to(house, "paul")
    facts = house.do(house.agent("eva"), "take", conversation="c1")
    assert names(facts) == ["offer.withdrawn", "task.assigned", "leg.started"]
    assert refused(house, "paul", "accept_offer", offer=offer) == "offer.over"
    assert [row["agent"] for row in house.rows("work")] == ["eva"]


def test_taking_overrides_presence_and_capacity_but_never_the_clearance(house: Harness) -> None:
    conversation(house)
    house.do(house.system(), "agent_connected", agent="eva")
    (assigned,) = [
        fact
        for fact in house.do(house.agent("eva"), "take", conversation="c1")
        if isinstance(fact, TaskAssigned)
    ]
    assert assigned.forced
    house.do(house.system(), "agent_connected", agent="bob")
    assert refused(house, "bob", "take", conversation="c1") == "client.not_cleared"
    assert refused(house, "lea", "assign", conversation="c1", agent="bob") == "client.not_cleared"


def test_what_a_colleague_has_takes_a_leader(house: Harness) -> None:
    conversation(house)
    accept(house, "paul")
    come(house, "eva")
    assert refused(house, "eva", "take", conversation="c1") == "task.taken"
    assert refused(house, "eva", "assign", conversation="c1", agent="eva") == "permission.missing"
    facts = house.do(house.agent("lea"), "assign", conversation="c1", agent="eva")
    assert names(facts) == ["task.assigned", "leg.ended", "leg.started"]
    assert [row["agent"] for row in house.rows("work")] == ["eva"]
    assert refused(house, "lea", "assign", conversation="c1", agent="lea") == "agent.absent"


def test_a_transfer_to_a_queue_takes_a_note_along(house: Harness) -> None:
    conversation(house)
    accept(house, "paul")
    house.advance(MINUTE)
    paul = house.agent("paul")
    facts = house.do(paul, "transfer", conversation="c1", queue="shop", note="Veut un remboursement")
    assert names(facts)[:2] == ["note.added", "task.requeued"]
    assert "conversation.requeued" in names(facts)
    task = engine(house).tasks["c1-1"]
    assert (task.since, task.state) == (house.t, "queued"), "not back to the one who gave it away"
    come(house, "eva")
    assert offer_to(house, "eva") == "c1-1-2"
    assert refused(house, "eva", "transfer", conversation="c1", queue="shop") == "conversation.not_yours"


def test_a_transfer_to_an_agent_gives_it_to_them(house: Harness) -> None:
    conversation(house)
    accept(house, "paul")
    come(house, "eva")
    facts = house.do(house.agent("paul"), "transfer", conversation="c1", agent="eva")
    assert names(facts) == ["task.assigned", "leg.ended", "leg.started"]
    assert refused(house, "ada", "transfer", conversation="c1", queue="bank") == "queue.other_client"
    assert refused(house, "eva", "transfer", conversation="c1", queue="bank") == "queue.not_found"
    assert refused(house, "eva", "transfer", conversation="c1") == "transfer.target"


def test_an_agent_may_open_what_nobody_asked_for(house: Harness) -> None:
    conversation(house, live=False)
    accept(house, "paul")
    reply(house)
    close(house)
    come(house, "eva")
    facts = names(house.do(house.agent("eva"), "take", conversation="c1"))
    assert facts == ["conversation.waiting", "task.queued", "task.assigned", "leg.started"]


# --- presence --------------------------------------------------------------------------------------


def test_whoever_vanishes_loses_live_work_and_keeps_the_rest(house: Harness) -> None:
    conversation(house)
    accept(house, "paul")
    conversation(house, "mail", live=False)
    accept(house, "paul")
    conversation(house, "c3")
    since = engine(house).tasks["c1-1"].since
    facts = names(house.do(house.system(), "agent_vanished", agent="paul"))
    assert facts[0] == "agent.vanished"
    assert engine(house).tasks["c1-1"].state == "queued"
    assert engine(house).tasks["c1-1"].since == since
    assert engine(house).tasks["mail-1"].state == "assigned"
    assert engine(house).tasks["c3-1"].state == "queued"
    assert house.row("agent_state", agent="paul")["presence"] == "offline"
    facts = names(come(house, "eva"))
    assert facts.count("offer.made") == 2
    assert names(house.do(house.system(), "agent_vanished", agent="paul")) == []


def test_a_leader_changes_others_and_an_agent_does_not(house: Harness) -> None:
    assert refused(house, "eva", "set_presence", agent="paul", presence="break") == "permission.missing"
    house.do(house.agent("lea"), "set_presence", agent="paul", presence="break")
    assert house.row("agent_state", agent="paul")["presence"] == "break"
    assert refused(house, "paul", "set_presence", presence="break", reason="lunch") == "reason.unknown"


def test_after_a_restart_no_offer_is_lost_missed_or_doubled(house: Harness) -> None:
    conversation(house)
    conversation(house, "c2")
    accept_first = min(engine(house).agents["paul"].offers)
    house.do(house.agent("paul"), "accept_offer", offer=accept_first)
    house.restart()
    house.t += HOUR
    begun = names(house.start())
    assert begun == ["agent.disconnected", "offer.withdrawn"]
    assert "offer.missed" not in names(house.advance(0))
    back = house.do(house.system(), "agent_connected", agent="paul")
    assert names(back) == ["agent.connected", "offer.made"]
    assert engine(house).tasks["c1-1"].state == "assigned"
    assert "agent.vanished" not in names(house.advance(HOUR))


def test_whoever_does_not_come_back_after_a_restart_vanishes(house: Harness) -> None:
    conversation(house)
    accept(house, "paul")
    house.restart()
    house.start()
    fired = names(house.advance(30 * SECOND))
    assert "agent.vanished" in fired
    assert engine(house).tasks["c1-1"].state == "queued"


# --- configuration ---------------------------------------------------------------------------------


def test_a_skill_that_a_queue_asks_for_counts_at_once(house: Harness) -> None:
    config(house, "org", "skill", "retours", name="Retours")
    change_queue(house, "shop", skills=[{"skill": "retours", "level": 3}])
    conversation(house)
    assert house.row("task")["state"] == "queued"
    change_agent(house, "paul", skills=[{"skill": "retours", "level": 2}])
    assert house.row("task")["state"] == "queued"
    facts = change_agent(house, "paul", skills=[{"skill": "retours", "level": 3}])
    assert names(facts) == ["config.changed", "offer.made"]
    house.do(house.agent("paul"), "decline_offer", offer=offer_to(house, "paul"))
    come(house, "eva")
    facts = change_queue(house, "shop", skills=[])
    assert names(facts) == ["config.changed", "offer.made"]


def test_whoever_loses_a_clearance_loses_its_work(house: Harness) -> None:
    conversation(house)
    accept(house, "paul")
    conversation(house, "c2")
    facts = names(change_agent(house, "paul", clients=["bank"]))
    assert "offer.withdrawn" in facts
    assert "task.requeued" in facts
    assert not engine(house).agents["paul"].tasks


def test_whoever_is_taken_out_of_use_gets_and_keeps_nothing(house: Harness) -> None:
    conversation(house)
    accept(house, "paul")
    change_agent(house, "paul", active=False)
    assert engine(house).tasks["c1-1"].state == "queued"
    assert house.rows("agent_state", agent="paul") == []


def test_deferred_work_waits_for_the_opening_and_live_work_does_not(house: Harness) -> None:
    config(house, "org", "hours", "never", name="Jamais", time_zone="Europe/Paris", slots=[])
    change_queue(house, "shop", hours="never")
    assert not house.row("queue_state", org="org", queue="shop")["open"]
    conversation(house, live=False)
    conversation(house, "c2")
    assert engine(house).tasks["c1-1"].state == "queued"
    assert engine(house).tasks["c2-1"].state == "offered"
    facts = change_queue(house, "shop", hours=None)
    assert "offer.made" in names(facts)


def test_settings_of_the_organisation_count_at_once(house: Harness) -> None:
    change_organisation(house, offer_seconds=7, missed_limit=1)
    conversation(house)
    assert house.row("work")["deadline"] == house.t + 7 * SECOND
    fired = names(house.advance(7 * SECOND))
    assert "presence.changed" in fired


# --- the second replay check -----------------------------------------------------------------------


def test_a_log_that_says_another_decision_is_found_out(house: Harness) -> None:
    come(house, "eva")
    conversation(house)
    accept(house, "paul")
    check_decisions(house)
    log = list(house.log)
    (at,) = [n for n, entry in enumerate(log) if entry.type == "offer.made"]
    house.log = [msgspec.structs.replace(e, data=e.data.replace(b'"paul"', b'"eva"')) for e in log]
    with pytest.raises(AssertionError, match="no reactor gives it"):
        check_decisions(house)
    house.log = log[:at] + log[at + 2 :]
    with pytest.raises(AssertionError, match="OfferMade"):
        check_decisions(house)
    house.log = log
