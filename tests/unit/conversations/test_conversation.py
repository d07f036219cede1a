"""A conversation from the first word to the last, over the real leader."""

from __future__ import annotations

from typing import cast

import pytest

from guichet.conversations.part import KEEP, Conversations
from guichet.events.conversations import ConversationClosed, ConversationWaiting, LegStarted, NoteAdded
from guichet.kit.clock import MINUTE, SECOND
from guichet.kit.errors import Refused
from tests.support.harness import Harness, config, conversation, customer, names
from tests.support.talking import house as house
from tests.support.talking import say, send

pytestmark = pytest.mark.unit


def test_first_words_need_somebody_and_the_next_ones_do_not_ask_again(house: Harness) -> None:
    conversation(house, words=None)
    assert house.row("conversation")["state"] == "open"
    assert say(house, "m1", "Bonjour,\nmon  colis ?") == ["message.received", "conversation.waiting"]
    row = house.row("conversation")
    assert (row["state"], row["last_words"]) == ("waiting", "Bonjour, mon colis ?")
    assert (row["n"], row["unread"]) == (1, 1)
    waiting_since = row["waiting_since"]
    house.t += 5 * SECOND
    assert say(house, "m2") == ["message.received"]
    row = house.row("conversation")
    assert (row["waiting_since"], row["unread"], row["n"]) == (waiting_since, 2, 2)


def test_a_message_told_twice_is_one_message(house: Harness) -> None:
    conversation(house)
    before = len(house.log)
    assert say(house, "m1") == []
    assert house.answer == {"n": 1}
    assert len(house.log) == before


def test_one_sentence_of_a_chat_costs_one_fact_and_two_rows(house: Harness) -> None:
    conversation(house)
    house.join("c1", "paul")
    assert say(house, "m2") == ["message.received"]
    part = house.state.part(Conversations)
    assert part.get("c1").agents == ["paul"]


@pytest.mark.parametrize("state", ["open", "closed", "parked"])
def test_an_automatic_reply_is_shown_and_wakes_nobody(house: Harness, state: str) -> None:
    conversation(house, live=False)
    leg = house.join("c1", "paul")
    send(house, "a1")
    if state != "open":
        until = {"until": None} if state == "parked" else {}
        house.do(house.agent("paul"), "park" if until else "close", conversation="c1", **until)
    house.leave("c1", leg)
    said = {"conversation": "c1", "message": "m2", "text": "Je suis absente", "automatic": True}
    assert names(house.do(house.visitor("ines"), "receive_message", **said)) == ["message.received"]
    row = house.row("conversation")
    assert (row["state"], row["unread"], row["waiting_since"]) == (state, 0, None)
    assert (row["n"], row["last_words"]) == (3, "Je suis absente")
    assert house.row("message", message="m2")["text"] == "Je suis absente"
    assert say(house, "m3") == ["message.received", "conversation.waiting"]


def test_an_automatic_message_that_opens_a_conversation_is_work(house: Harness) -> None:
    """Nobody else would ever see it."""
    conversation(house, live=False, words=None)
    said = {"conversation": "c1", "message": "m1", "text": "Formulaire", "automatic": True}
    woken = house.do(house.visitor("ines"), "receive_message", **said)
    assert names(woken) == ["message.received", "conversation.waiting"]
    assert house.row("conversation")["unread"] == 1


def test_after_the_answer_the_next_message_prefers_who_answered(house: Harness) -> None:
    conversation(house, live=False)
    leg = house.join("c1", "paul")
    send(house, "a1")
    house.advance(10 * SECOND)
    house.leave("c1", leg)
    row = house.row("conversation")
    assert (row["state"], row["agent"]) == ("open", "paul")
    ines = house.visitor("ines")
    woken = house.do(ines, "receive_message", conversation="c1", message="m2", text="Merci, mais…")
    assert names(woken) == ["message.received", "conversation.waiting"]
    assert cast(ConversationWaiting, woken[1]).prefer_agent == "paul"


def test_the_holder_may_write_again_without_taking_it(house: Harness) -> None:
    conversation(house, live=False)
    leg = house.join("c1", "paul")
    send(house, "a1")
    house.leave("c1", leg)
    assert send(house, "a2") == ["message.queued"]
    with pytest.raises(Refused) as refused:
        send(house, "a3", agent="eva")
    assert refused.value.code == "conversation.not_yours"


def test_parked_until_a_time_comes_back_by_itself(house: Harness) -> None:
    conversation(house)
    leg = house.join("c1", "paul")
    house.do(house.agent("paul"), "park", conversation="c1", until=house.t + MINUTE)
    house.leave("c1", leg, "parked")
    assert house.row("conversation")["state"] == "parked"
    woken = house.advance(MINUTE)
    assert names(woken) == ["deadline.fired", "conversation.waiting"]
    assert cast(ConversationWaiting, woken[1]).prefer_agent == "paul"
    assert house.row("conversation")["parked_until"] is None


def test_parked_wakes_up_when_the_customer_writes_and_only_once(house: Harness) -> None:
    conversation(house)
    leg = house.join("c1", "paul")
    house.do(house.agent("paul"), "park", conversation="c1", until=house.t + MINUTE)
    house.leave("c1", leg, "parked")
    assert say(house, "m2") == ["message.received", "conversation.waiting"]
    assert house.advance(2 * MINUTE) == []


@pytest.mark.parametrize("ahead", [0, -1, 367 * 24 * 60 * MINUTE])
def test_park_names_a_time_that_makes_no_sense(house: Harness, ahead: int) -> None:
    conversation(house)
    house.join("c1", "paul")
    with pytest.raises(Refused) as refused:
        house.do(house.agent("paul"), "park", conversation="c1", until=house.t + ahead)
    assert refused.value.field == "until"


def test_closing_needs_a_leg_or_a_leader(house: Harness) -> None:
    conversation(house)
    house.join("c1", "paul")
    with pytest.raises(Refused) as refused:
        house.do(house.agent("eva"), "close", conversation="c1")
    assert refused.value.code == "conversation.not_yours"
    closed = house.do(house.agent("lea"), "close", conversation="c1")
    assert cast(ConversationClosed, closed[0]).by == "agent:lea"
    assert house.do(house.agent("eva"), "close", conversation="c1") == [], "a repetition changes nothing"
    with pytest.raises(Refused) as refused:
        send(house, "a1")
    assert refused.value.code == "conversation.closed"


def test_a_closed_conversation_is_forgotten_after_a_while_and_wakes_up(house: Harness) -> None:
    conversation(house)
    leg = house.join("c1", "paul")
    house.do(house.agent("paul"), "close", conversation="c1")
    house.leave("c1", leg, "closed")
    part = house.state.part(Conversations)
    house.t += KEEP
    conversation(house, "c2")
    house.do(house.agent("lea"), "close", conversation="c2")
    assert part.peek("c1") is None
    assert part.peek("c2") is not None
    loads = house.loads
    assert say(house, "m2") == ["message.received", "conversation.waiting"]
    assert house.loads == loads + 1
    assert house.row("conversation", conversation="c1")["state"] == "waiting"
    assert part.get("c1").last_agent == "paul"


def test_a_visitor_who_leaves_the_line_has_abandoned(house: Harness) -> None:
    conversation(house)
    left = house.do(house.visitor("ines"), "customer_left", conversation="c1")
    assert names(left) == ["conversation.left", "conversation.closed"]
    assert cast(ConversationClosed, left[1]).reason == "abandoned"
    assert house.do(house.visitor("ines"), "customer_left", conversation="c1") == []


def test_a_visitor_who_leaves_an_agent_is_shown_as_gone_until_they_write(house: Harness) -> None:
    conversation(house)
    house.join("c1", "paul")
    assert names(house.do(house.visitor("ines"), "customer_left", conversation="c1")) == ["conversation.left"]
    assert house.row("conversation")["left_at"] == house.t
    say(house, "m2")
    assert house.row("conversation")["left_at"] is None


def test_nobody_leaves_a_deferred_conversation(house: Harness) -> None:
    conversation(house, live=False)
    assert house.do(house.visitor("ines"), "customer_left", conversation="c1") == []


def test_two_agents_on_one_conversation(house: Harness) -> None:
    conversation(house)
    first, second = house.join("c1", "paul"), house.join("c1", "eva")
    house.leave("c1", second, "left")
    assert house.row("conversation")["state"] == "active"
    assert house.row("conversation")["agent"] == "paul"
    house.leave("c1", first, "left")
    assert house.row("conversation")["state"] == "open"
    assert [leg["reason"] for leg in house.rows("leg")] == ["left", "left"]


def test_a_supervisor_who_listens_moves_nothing(house: Harness) -> None:
    conversation(house)
    listening = LegStarted(conversation="c1", leg="l9", party="supervisor", agent="lea")
    house.happen(house.agent("lea"), listening)
    assert house.row("conversation")["state"] == "waiting"
    house.leave("c1", "l9", "left")
    assert house.row("conversation")["state"] == "waiting"


def test_notes_and_tags_stay_among_colleagues(house: Harness) -> None:
    conversation(house)
    noted = house.do(house.agent("eva"), "add_note", conversation="c1", text="Cliente fidèle")
    assert cast(NoteAdded, noted[0]).n == 2
    note = house.row("message", kind="note")
    assert (note["internal"], note["author"]) == (True, "eva")
    assert house.row("conversation")["last_words"] == "Bonjour"
    for tag in ("colis", "retard"):
        config(house, "org", "tag", tag, name=tag.title())
    house.do(house.agent("eva"), "tag", conversation="c1", tags=["colis", "colis", "retard"])
    assert house.row("conversation")["tags"] == ["colis", "retard"]
    assert say(house, "m2") == ["message.received"]
    assert house.row("message", message="m2")["n"] == 3


def test_only_tags_of_the_list_are_given_so_that_no_name_stands_there(house: Harness) -> None:
    conversation(house)
    config(house, "org", "tag", "late", name="Retard")
    config(house, "org", "tag", "banks", name="Banque", client="bank")
    config(house, "org", "tag", "old", name="Ancien", active=False)
    for tags in (["Mme.Colin"], ["late", "unknown"], ["banks"]):
        with pytest.raises(Refused) as refused:
            house.do(house.agent("eva"), "tag", conversation="c1", tags=tags)
        assert (refused.value.field, refused.value.code) == ("tags", "tag.unknown")
    house.do(house.agent("eva"), "tag", conversation="c1", tags=["late", "old"])
    assert house.row("conversation")["tags"] == ["late", "old"], "what it has it may keep"


@pytest.mark.parametrize("text", ["é" * 16_385, "x" * 32_769], ids=["accents", "letters"])
def test_too_long_words_are_refused_by_name(house: Harness, text: str) -> None:
    conversation(house)
    house.join("c1", "paul")
    before = len(house.log)
    for attempt in (
        lambda: say(house, "m2", text),
        lambda: send(house, "a1", text),
        lambda: house.do(house.agent("paul"), "add_note", conversation="c1", text=text),
    ):
        with pytest.raises(Refused) as refused:
            attempt()
        error = refused.value
        assert (error.kind, error.code, error.field, error.limit) == (
            "too_large",
            "message.too_long",
            "text",
            32_768,
        )
    assert len(house.log) == before


def test_exactly_32_kilobytes_are_taken_and_nothing_is_not(house: Harness) -> None:
    conversation(house)
    assert say(house, "m2", "é" * 16_384) == ["message.received"]
    assert len(str(house.row("conversation")["last_words"])) == 120
    with pytest.raises(Refused) as refused:
        say(house, "m3", " \n")
    assert refused.value.code == "message.empty"


def test_a_file_alone_is_a_message(house: Harness) -> None:
    conversation(house)
    file = {"address": "b1", "name": "facture.pdf", "type": "application/pdf", "size": 12}
    house.do(
        house.visitor("ines"), "receive_message", conversation="c1", message="m2", text="", attachments=[file]
    )
    assert house.row("conversation")["last_words"] == "facture.pdf"
    assert house.row("message", message="m2")["attachments"] == [file]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 256),
        ("name", "a\nb"),
        ("type", "x" * 130),
        ("address", "../x"),
        ("address", "x" * 129),
        ("cid", "x" * 256),
        ("size", -1),
        ("size", 2**31),
    ],
)
def test_what_is_said_of_a_file_is_bounded(house: Harness, field: str, value: object) -> None:
    conversation(house)
    house.join("c1", "paul")
    file = {"address": "b1", "name": "facture.pdf", "type": "application/pdf", "size": 12, field: value}
    said = {"conversation": "c1", "message": "m2", "text": "", "attachments": [file]}
    for actor, command in ((house.visitor("ines"), "receive_message"), (house.agent("paul"), "send_message")):
        with pytest.raises(Refused) as refused:
            house.do(actor, command, **said)
        assert refused.value.field == "attachments"


def test_opening_again_changes_nothing_and_another_customers_id_is_refused(house: Harness) -> None:
    conversation(house, words=None)
    before = len(house.log)
    conversation(house, words=None)
    assert len(house.log) == before
    customer(house, "omar")
    with pytest.raises(Refused) as refused:
        conversation(house, customer="omar", words=None)
    assert refused.value.kind == "not_found"


def test_a_customer_of_another_client_is_refused(house: Harness) -> None:
    with pytest.raises(Refused) as refused:
        conversation(house, client="bank", words=None)
    assert refused.value.field == "customer"


def test_a_restarted_leader_goes_on_where_it_was(house: Harness) -> None:
    conversation(house, live=False)
    house.join("c1", "paul")
    send(house, "a1")
    house.restart()
    assert names(house.advance(10 * SECOND)) == ["deadline.fired", "message.released"]
    assert send(house, "a1") == []


def test_a_new_name_shows_where_somebody_is_at_work(house: Harness) -> None:
    conversation(house)
    house.do(house.agent("paul"), "describe_customer", customer="ines", name="Inès Leroy")
    assert house.row("conversation")["customer_name"] == "Inès Leroy"
    assert house.row("customer")["name"] == "Inès Leroy"
