"""Walls: every command of accounts, customers and conversations, tried by everybody who must not, each refusal
beside the same request by somebody who may. A command without a case fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from guichet.kit.clock import MINUTE
from guichet.kit.errors import Refused
from guichet.leader.registry import COMMANDS, Actor
from tests.support.harness import Harness, config, conversation, customer, furnished

pytestmark = pytest.mark.unit

STAGES = ("accounts", "customers", "conversations")


class Case(msgspec.Struct, frozen=True):
    """`may`: one rightful actor; `must_not`: actors with the codes of their refusals."""

    may: Actor
    payload: dict[str, Any]
    must_not: dict[Actor, str]
    prepare: Callable[[Harness], None] = lambda house: None


def agent(name: str, org: str = "org") -> Actor:
    return Actor("agent", name, org)


def visitor(name: str, org: str = "org") -> Actor:
    return Actor("visitor", name, org)


def system(org: str = "org") -> Actor:
    return Actor("system", "test", org)


AGENTS_ONLY = {
    agent("bob"): "client.not_cleared",
    agent("max", "other"): "not_found",
    agent("zoe", "other"): "not_found",
    agent("nobody"): "agent.unknown",
    visitor("ines"): "permission.missing",
    system(): "permission.missing",
}
"""Who must not touch a conversation of the shop."""
CUSTOMER_ONLY = {
    visitor("omar"): "not_found",
    visitor("ines", "other"): "not_found",
    system("other"): "not_found",
    agent("paul"): "permission.missing",
    agent("ada"): "permission.missing",
}
"""Who must not speak for Inès."""
SYSTEM_ONLY = {
    system("other"): "not_found",
    visitor("ines"): "permission.missing",
    agent("paul"): "permission.missing",
    agent("ada"): "permission.missing",
}
ADMINISTRATOR_ONLY = {
    agent("paul"): "permission.missing",
    agent("lea"): "permission.missing",
    agent("nobody"): "agent.unknown",
    visitor("ines"): "permission.missing",
}


def held(house: Harness) -> None:
    """Paul has a reply that has not left."""
    conversation(house, "c2", live=False)
    house.join("c2", "paul")
    house.do(house.agent("paul"), "send_message", conversation="c2", message="a1", text="Bonjour")


def failed(house: Harness) -> None:
    """Paul has a reply that failed."""
    held(house)
    house.advance(MINUTE)
    house.do(house.system(), "record_delivery", conversation="c2", message="a1", status="failed")


def sent(house: Harness) -> None:
    """Paul has a reply that left."""
    held(house)
    house.advance(MINUTE)


def erased(house: Harness) -> None:
    """Inès asked to be forgotten."""
    house.do(house.agent("ada"), "erase_customer", customer="ines")


def listed(house: Harness) -> None:
    """There is a tag to choose."""
    config(house, "org", "tag", "colis", name="Colis")
    config(house, "other", "tag", "colis", name="Colis")


OPENING = {
    "conversation": "c9",
    "customer": "ines",
    "entry_point": "shop-talk",
    "live": True,
    "outbox": False,
}
NEW_TEAM = {"kind": "team", "id": "blue", "value": {"name": "Blue"}, "expected_version": 0}
FOUNDING = {
    "organisation": "org3",
    "name": "X",
    "administrator": "a",
    "administrator_name": "A",
    "email": "a@x.y",
}

CASES: dict[str, Case] = {
    "found_organisation": Case(
        system("org3"),
        FOUNDING,
        {system(): "not_found", agent("ada"): "not_found", agent("a", "org3"): "agent.unknown"},
    ),
    "set_config": Case(agent("ada"), NEW_TEAM, ADMINISTRATOR_ONLY),
    "register_customer": Case(
        visitor("new"),
        {"customer": "new", "client": "shop"},
        {visitor("omar"): "not_found", agent("paul"): "permission.missing"},
    ),
    "describe_customer": Case(agent("paul"), {"customer": "ines", "name": "Inès"}, AGENTS_ONLY),
    "erase_customer": Case(
        agent("ada"), {"customer": "ines"}, ADMINISTRATOR_ONLY | {agent("zoe", "other"): "not_found"}
    ),
    "complete_erasure": Case(system(), {"customer": "ines"}, SYSTEM_ONLY, erased),
    "open_conversation": Case(
        visitor("ines"),
        OPENING,
        {
            visitor("omar"): "not_found",
            visitor("ines", "other"): "customer.not_found",
            agent("paul"): "permission.missing",
        },
    ),
    "receive_message": Case(
        visitor("ines"), {"conversation": "c1", "message": "m2", "text": "?"}, CUSTOMER_ONLY
    ),
    "customer_left": Case(visitor("ines"), {"conversation": "c1"}, CUSTOMER_ONLY),
    "customer_read": Case(visitor("ines"), {"conversation": "c2", "n": 9}, CUSTOMER_ONLY, sent),
    "record_delivery": Case(
        system(), {"conversation": "c2", "message": "a1", "status": "sent"}, SYSTEM_ONLY, sent
    ),
    "send_message": Case(
        agent("paul"),
        {"conversation": "c1", "message": "a9", "text": "Bonjour"},
        AGENTS_ONLY | {agent("eva"): "conversation.not_yours", agent("lea"): "conversation.not_yours"},
    ),
    "undo_message": Case(
        agent("paul"),
        {"conversation": "c2", "message": "a1"},
        AGENTS_ONLY | {agent("eva"): "message.not_found"},
        held,
    ),
    "retry_message": Case(agent("paul"), {"conversation": "c2", "message": "a1"}, AGENTS_ONLY, failed),
    "add_note": Case(agent("eva"), {"conversation": "c1", "text": "Note"}, AGENTS_ONLY),
    "park": Case(
        agent("paul"), {"conversation": "c1"}, AGENTS_ONLY | {agent("eva"): "conversation.not_yours"}
    ),
    "close": Case(
        agent("paul"), {"conversation": "c1"}, AGENTS_ONLY | {agent("eva"): "conversation.not_yours"}
    ),
    "tag": Case(agent("eva"), {"conversation": "c1", "tags": ["colis"]}, AGENTS_ONLY, listed),
}


def ours() -> list[str]:
    """The commands of these stages, as they are registered."""
    return sorted(name for name, spec in COMMANDS.items() if spec.handle.__module__.split(".")[1] in STAGES)


def test_every_command_has_a_case() -> None:
    assert ours() == sorted(CASES)


@pytest.mark.parametrize("name", sorted(CASES))
def test_only_who_may(name: str) -> None:
    house, case = furnished(), CASES[name]
    customer(house)
    customer(house, "omar")
    conversation(house)
    house.join("c1", "paul")
    case.prepare(house)
    before = len(house.log)
    for actor, code in case.must_not.items():
        with pytest.raises(Refused) as refused:
            house.do(actor, name, **case.payload)
        assert refused.value.code == code, actor
    assert len(house.log) == before, "a refusal leaves no trace"
    assert house.do(case.may, name, **case.payload), "and the rightful actor is not refused"
    house.check_replay()


ABOUT_ONE = [n for n in sorted(CASES) if "conversation" in CASES[n].payload and n != "open_conversation"]


@pytest.mark.parametrize("name", ABOUT_ONE)
def test_unknown_conversations_are_not_found(name: str) -> None:
    house, case = furnished(), CASES[name]
    with pytest.raises(Refused) as refused:
        house.do(case.may, name, **(case.payload | {"conversation": "nothing"}))
    assert refused.value.kind == "not_found"
