"""The whole leader under anything that may happen: real stages, real commands, two organisations.

After every step the books of `invariants.py` agree with what routing did; at the end of every run state and rows
come out of the log again, and the reactors, asked again with only the inputs, give the same facts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from guichet.accounts.part import Rules
from guichet.events.accounts import ConfigChanged
from guichet.events.base import Fact
from guichet.kit.clock import SECOND
from guichet.kit.errors import Refused
from guichet.leader.registry import At
from guichet.leader.replay import Reactions
from guichet.leader.state import State
from guichet.routing.part import Routing
from guichet.server import stages
from tests.properties.invariants import Broken, Ledger
from tests.support import harness
from tests.support.harness import Harness, furnished

pytestmark = pytest.mark.property

stages.load()

AGENTS = {"org": ("paul", "eva", "bob", "lea"), "other": ("max",)}
CLIENTS = ("shop", "bank")
orgs = st.sampled_from(("org", "org", "org", "other"))


def new_state() -> State:
    """Every stage; the harness's entry points belong to no real channel."""
    return stages.new_state(Rules())


class House(RuleBasedStateMachine):
    """Customers, agents, leaders, administrators, time, and the end of processes."""

    def __init__(self) -> None:
        super().__init__()
        self.house: Harness = furnished(new_state)
        self.ledgers = {org: Ledger() for org in AGENTS}
        self.seen = 0
        self.conversations: dict[str, tuple[str, str]] = {}
        self.count = 0

    @initialize()
    def open_the_doors(self) -> None:
        for org, agents in AGENTS.items():
            for agent in agents:
                self.comes(org, agent)

    # -- the driver -----------------------------------------------------------------------------------

    def _follow(self) -> None:
        for entry in self.house.log[self.seen :]:
            fact = self.house._decode(entry)
            if not (isinstance(fact, ConfigChanged) and fact.kind == "client"):
                self.ledgers[entry.org].take(fact, entry.t)
        self.seen = len(self.house.log)

    def _try(self, act: Callable[[], object]) -> None:
        """People may ask for anything; a refusal changes nothing but what time brought first."""
        try:
            act()
        except Refused as refused:
            if refused.code == "command.failed":  # a defect in a handler, not a refusal
                raise

    def _as(self, org: str, agent: str, name: str, /, **payload: object) -> None:
        self._try(lambda: self.house.do(self.house.agent(agent, org), name, **payload))

    def _routing(self) -> Routing:
        return self.house.state.part(Routing)

    def _offers(self, org: str) -> list[str]:
        return sorted(self._routing().engine(org).offers)

    def _some_conversation(self, data: st.DataObject) -> tuple[str, str, str]:
        name = data.draw(st.sampled_from(sorted(self.conversations)))
        return (name, *self.conversations[name])

    # -- customers ------------------------------------------------------------------------------------

    @rule(org=orgs, client=st.sampled_from(CLIENTS), live=st.booleans())
    def writes_first(self, org: str, client: str, live: bool) -> None:
        self.count += 1
        customer, name = f"customer{self.count}", f"c{self.count}"
        harness.customer(self.house, customer, client, org)
        harness.conversation(self.house, name, customer=customer, client=client, live=live, org=org)
        self.conversations[name] = (org, customer)

    @precondition(lambda self: self.conversations)
    @rule(data=st.data())
    def writes_again(self, data: st.DataObject) -> None:
        name, org, customer = self._some_conversation(data)
        self.count += 1
        visitor = self.house.visitor(customer, org)
        message = f"m{self.count}"
        say = {"conversation": name, "message": message, "text": "Et alors ?"}
        self._try(lambda: self.house.do(visitor, "receive_message", **say))

    @precondition(lambda self: self.conversations)
    @rule(data=st.data())
    def leaves(self, data: st.DataObject) -> None:
        name, org, customer = self._some_conversation(data)
        visitor = self.house.visitor(customer, org)
        self._try(lambda: self.house.do(visitor, "customer_left", conversation=name))

    # -- agents ---------------------------------------------------------------------------------------

    @rule(
        org=orgs,
        data=st.data(),
        accept=st.sampled_from((True, True, False)),
        right=st.sampled_from((True, True, False)),
    )
    def answers_offer(self, org: str, data: st.DataObject, accept: bool, right: bool) -> None:
        if not (offers := self._offers(org)):
            return
        offer = data.draw(st.sampled_from(offers))
        agent = self._routing().engine(org).offers[offer].agent.id
        if not right:
            agent = data.draw(st.sampled_from(AGENTS[org]))
        self._as(org, agent, "accept_offer" if accept else "decline_offer", offer=offer)

    @rule(org=orgs)
    def accept_all(self, org: str) -> None:
        for offer in self._offers(org):
            live = self._routing().engine(org).offers.get(offer)
            if live is not None:
                self._as(org, live.agent.id, "accept_offer", offer=offer)

    @rule(org=orgs, data=st.data(), act=st.sampled_from(("send_message", "close", "park", "transfer")))
    def works(self, org: str, data: st.DataObject, act: str) -> None:
        """Somebody goes on with what they have."""
        tasks = [t for _, t in sorted(self._routing().engine(org).tasks.items()) if t.state == "assigned"]
        if not tasks:
            return
        task = data.draw(st.sampled_from(tasks))
        assert task.agent is not None
        self.count += 1
        more = {"message": f"r{self.count}", "text": "Voici."} if act == "send_message" else {}
        if act == "transfer":
            more = {"queue": task.line.queue.id}
        self._as(org, task.agent.id, act, conversation=task.conversation, **more)

    @precondition(lambda self: self.conversations)
    @rule(data=st.data(), act=st.sampled_from(("send_message", "park", "close", "take", "add_note")))
    def does(self, data: st.DataObject, act: str) -> None:
        name, org, _ = self._some_conversation(data)
        agent = data.draw(st.sampled_from(AGENTS[org]))
        self.count += 1
        payload: dict[str, Any] = {"conversation": name}
        if act == "send_message":
            payload |= {"message": f"r{self.count}", "text": "Voici."}
        elif act == "add_note":
            payload |= {"text": "à rappeler"}
        elif act == "park":
            payload |= {"until": self.house.t + data.draw(st.sampled_from((5, 90))) * SECOND}
        self._as(org, agent, act, **payload)

    @rule(org=orgs, data=st.data())
    def takes_what_is_offered(self, org: str, data: st.DataObject) -> None:
        """People win the race against the machine."""
        engine = self._routing().engine(org)
        if not engine.offers:
            return
        task = engine.offers[min(engine.offers)].task
        agent = engine.agents[data.draw(st.sampled_from(AGENTS[org]))]
        self._as(org, agent.id, "take", conversation=task.conversation)
        able = agent.spec.cleared(task.client) and (agent.connected or not task.live)
        if able and task.state != "ended" and task.agent is not agent:
            raise Broken("people", f"{agent.id} did not get {task.id}")

    @precondition(lambda self: self.conversations)
    @rule(data=st.data(), to_queue=st.booleans())
    def hands_over(self, data: st.DataObject, to_queue: bool) -> None:
        name, org, _ = self._some_conversation(data)
        agent = data.draw(st.sampled_from(AGENTS[org]))
        target = {"queue": data.draw(st.sampled_from(CLIENTS))} if to_queue else {"agent": agent}
        asker = data.draw(st.sampled_from(AGENTS[org]))
        name_of = "transfer" if to_queue or data.draw(st.booleans()) else "assign"
        self._as(org, asker, name_of, conversation=name, **target)

    @rule(org=orgs, data=st.data())
    def wraps_up(self, org: str, data: st.DataObject) -> None:
        tasks = [t for _, t in sorted(self._routing().engine(org).tasks.items()) if t.state == "wrapup"]
        if tasks:
            task = data.draw(st.sampled_from(tasks))
            assert task.agent is not None
            self._as(org, task.agent.id, "finish_wrapup", task=task.id)

    @rule(org=orgs, data=st.data(), presence=st.sampled_from(("available", "available", "break", "offline")))
    def sets_presence(self, org: str, data: st.DataObject, presence: str) -> None:
        self._as(org, data.draw(st.sampled_from(AGENTS[org])), "set_presence", presence=presence)

    @precondition(lambda self: self.count % 4 == 3)
    @rule(org=orgs, data=st.data())
    def goes(self, org: str, data: st.DataObject) -> None:
        agent = data.draw(st.sampled_from(AGENTS[org]))
        self._try(lambda: self.house.do(self.house.system(org), "agent_vanished", agent=agent))

    def comes(self, org: str, agent: str) -> None:
        self.house.do(self.house.system(org), "agent_connected", agent=agent)
        self._as(org, agent, "set_presence", presence="available")

    @rule(org=orgs, data=st.data())
    def comes_back(self, org: str, data: st.DataObject) -> None:
        self.comes(org, data.draw(st.sampled_from(AGENTS[org])))

    # -- administrators and the machine ---------------------------------------------------------------

    @rule(
        data=st.data(), clients=st.sampled_from((["shop"], ["bank"], ["*"], [])), capacity=st.integers(2, 6)
    )
    def changes_agent(self, data: st.DataObject, clients: list[str], capacity: int) -> None:
        agent = data.draw(st.sampled_from(AGENTS["org"]))
        item = self._routing().accounts.directory.item("org", "agent", agent)
        assert item is not None
        value = item.value.model_dump(mode="json") | {"clients": clients, "capacity": capacity}
        change = {"kind": "agent", "id": agent, "value": value, "expected_version": item.version}
        self._try(lambda: self.house.do(self.house.agent("ada"), "set_config", **change))

    @rule(seconds=st.sampled_from((1, 7, 20, 31, 61, 700)))
    def time_passes(self, seconds: int) -> None:
        """From deadline to deadline, as a leader does that is awake: the books read skips off the clock."""
        until = self.house.t + seconds * SECOND
        while (due := self.house.state.deadlines.next()) is not None and due[0] <= until:
            self.house.advance(max(0, due[0] - self.house.t))
        self.house.advance(until - self.house.t)

    @precondition(lambda self: self.count % 5 == 4)
    @rule()
    def restarts(self) -> None:
        self.house.restart()
        self.house.start()

    # -- what must hold -------------------------------------------------------------------------------

    @invariant()
    def the_books_agree(self) -> None:
        self._follow()
        for org, ledger in self.ledgers.items():
            ledger.at_rest(self.house.t)
            for name, agent in self._routing().engine(org).agents.items():
                assert agent.total == ledger.load(name, live=False), f"load of {name}"

    def teardown(self) -> None:
        self.house.check_replay()
        check_reactions(self.house)


def check_reactions(house: Harness) -> None:
    """Only the inputs, and the same answers."""
    state = new_state()
    reactions = Reactions(state, stages.ANSWERS_ONLY)
    for entry in house.log:
        fact: Fact = house._decode(entry)
        at = At(entry.seq, entry.t, entry.org, entry.actor, entry.version)
        state.fold(fact, at)
        reactions.take(fact, at)
    assert reactions.end() == []


TestHouse = House.TestCase
