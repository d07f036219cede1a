"""The harness with routing in it: furnished, and everybody who is named stands ready."""

from __future__ import annotations

import pytest

import guichet.routing.commands
import guichet.routing.projections
import guichet.routing.reactors  # noqa: F401 (each registers what it holds)
from guichet.accounts.part import Accounts
from guichet.conversations.part import Conversations
from guichet.customers.part import Customers
from guichet.events.base import Fact, decode
from guichet.events.routing import OfferMade, OfferMissed
from guichet.kit.errors import Refused
from guichet.leader.registry import At
from guichet.leader.replay import Reactions
from guichet.leader.state import State
from guichet.routing.engine import Engine
from guichet.routing.part import Routing
from tests.support.harness import Harness, config, customer, furnished, names


def new_state() -> State:
    """Every stage that a leader has."""
    accounts = Accounts()
    customers = Customers(accounts)
    conversations = Conversations(accounts, customers)
    return State([accounts, customers, conversations, Routing(accounts, conversations)])


def floor(*ready: str) -> Harness:
    """`furnished`, with a visitor, and these agents at a desk and available."""
    house = furnished(new_state)
    customer(house)
    for agent in ready:
        come(house, agent)
    return house


def check_decisions(house: Harness) -> None:
    """Fed with the log's inputs alone, a new engine decides the same."""
    state = new_state()
    reactions = Reactions(state, frozenset({OfferMade, OfferMissed}))
    for entry in house.log:
        at = At(entry.seq, entry.t, entry.org, entry.actor, entry.version)
        fact = decode(entry.type, entry.type_version, entry.data)
        state.fold(fact, at)
        reactions.take(fact, at)
    differences = reactions.end()
    assert not differences, differences


def come(house: Harness, agent: str, org: str = "org") -> list[Fact]:
    """The agent opens a desk and is available."""
    facts = house.do(house.system(org), "agent_connected", agent=agent)
    return facts + house.do(house.agent(agent, org), "set_presence", presence="available")


def change_agent(house: Harness, agent: str, **values: object) -> list[Fact]:
    """Changes some of an agent's settings."""
    return _change(house, "agent", agent, values)


def change_queue(house: Harness, queue: str, **values: object) -> list[Fact]:
    """Changes some of a queue's settings."""
    return _change(house, "queue", queue, values)


def change_organisation(house: Harness, **values: object) -> list[Fact]:
    """Changes some of the organisation's settings."""
    return _change(house, "organisation", "organisation", values)


def _change(house: Harness, kind: str, ident: str, values: dict[str, object]) -> list[Fact]:
    item = house.state.part(Accounts).directory.item("org", kind, ident)
    assert item is not None
    return config(house, "org", kind, ident, item.version, **{**item.value.model_dump(mode="json"), **values})


def engine(house: Harness) -> Engine:
    """The engine of organisation "org"."""
    return house.state.part(Routing).engine("org")


def offer_to(house: Harness, agent: str) -> str:
    """The id of the one offer that this agent has."""
    (offer,) = engine(house).agents[agent].offers
    return offer


def accept(house: Harness, agent: str) -> list[Fact]:
    """The agent accepts the one offer that they have."""
    return house.do(house.agent(agent), "accept_offer", offer=offer_to(house, agent))


def say(house: Harness, message: str, conversation: str = "c1") -> list[str]:
    """Inès writes; gives the names of the facts."""
    ines = house.visitor("ines")
    return names(house.do(ines, "receive_message", conversation=conversation, message=message, text="Allô"))


def reply(house: Harness, agent: str = "paul", message: str = "a1") -> list[str]:
    """The agent answers."""
    return names(
        house.do(house.agent(agent), "send_message", conversation="c1", message=message, text="Bonjour")
    )


def close(house: Harness, agent: str = "paul") -> list[str]:
    """The agent closes the conversation."""
    return names(house.do(house.agent(agent), "close", conversation="c1"))


def refused(house: Harness, agent: str, name: str, /, **payload: object) -> str:
    """The code with which a command is refused, which leaves no trace."""
    before = len(house.log)
    with pytest.raises(Refused) as caught:
        house.do(house.agent(agent), name, **payload)
    assert len(house.log) == before
    return caught.value.code
