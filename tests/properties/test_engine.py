"""The engine alone under anything that may happen: the books of `invariants.py` always agree, a second engine that
was restored from the first one's snapshot says the same, and folding the facts without deciding gives the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from guichet.events.base import Fact
from guichet.events.leader import DeadlineFired
from guichet.events.routing import (
    AgentConnected,
    AgentDisconnected,
    AgentVanished,
    OfferAccepted,
    OfferDeclined,
    Presence,
    PresenceChanged,
    TaskQueued,
    WrapupEnded,
    WrapupStarted,
)
from guichet.kit.clock import SECOND
from guichet.leader.state import Deadlines
from guichet.routing.engine import Engine, ended, requeue, withdrawal
from guichet.routing.model import AgentSpec, QueueSpec, Task
from guichet.routing.policy import policies
from guichet.routing.saved import dump_floor, restore_floor
from tests.properties.invariants import Ledger

pytestmark = pytest.mark.property

CLIENTS = ("shop", "bank")
CLEARED = (frozenset({"shop"}), frozenset({"bank"}), frozenset({"shop", "bank"}), frozenset({"*"}))
SKILLS = ("retours", "facture")
POLICIES = policies()

agents = st.integers(0, 3).map(lambda n: f"a{n}")
skills = st.frozensets(st.tuples(st.sampled_from(SKILLS), st.integers(1, 3)), max_size=2)
specs = st.builds(
    AgentSpec,
    id=agents,
    skills=skills,
    languages=st.frozensets(st.sampled_from(["fr", "en"]), max_size=2),
    clients=st.sampled_from(CLEARED),
    queues=st.sampled_from([frozenset({"*"}), frozenset({"q0", "q2"})]),
    capacity=st.integers(1, 6),
)
queues = st.integers(0, 3).map(lambda n: f"q{n}")


@st.composite
def queue_specs(draw: st.DrawFn) -> QueueSpec:
    name = draw(queues)
    return QueueSpec(
        id=name,
        client=CLIENTS[int(name[1]) % 2],
        skills=draw(st.sampled_from([(), (), (("retours", 2),), (("facture", 1),)])),
        language=draw(st.sampled_from([None, None, "fr"])),
        priority=draw(st.integers(0, 1)),
        cost=draw(st.integers(1, 4)),
        interruptible=draw(st.booleans()),
        policy=draw(st.sampled_from(sorted(POLICIES))),
    )


class Machine(RuleBasedStateMachine):
    """Everything that commands, deadlines and configuration can bring about."""

    def __init__(self) -> None:
        super().__init__()
        self.t = 1_000_000
        self.engine = Engine("org", Deadlines(), POLICIES)
        self.shadow = Engine("org", Deadlines(), POLICIES)
        self.folded = Engine("org", Deadlines(), POLICIES)
        self.ledger = Ledger()
        self.count = 0
        for name in range(4):
            self._set_queue(QueueSpec(f"q{name}", CLIENTS[name % 2], cost=1 + name % 2), True)
            self._set_agent(AgentSpec(f"a{name}", clients=CLEARED[name], capacity=2))
            self.come(f"a{name}")

    # -- the driver -----------------------------------------------------------------------------------

    def do(self, *facts: Fact) -> None:
        happened = self.engine.apply(*facts, t=self.t)
        assert self.shadow.apply(*facts, t=self.t) == happened
        for fact in happened:
            self.folded.fold(fact, self.t)
            self.ledger.take(fact, self.t)

    def _configure(self, change: Any) -> None:
        for engine in (self.engine, self.shadow, self.folded):
            change(engine)
        for engine in (self.engine, self.shadow):
            engine.look_at(engine.touched)
        self.do(DeadlineFired(kind="nothing", id="", due=self.t))

    def _set_queue(self, spec: QueueSpec, open_: bool) -> None:
        self.ledger.set_queue(spec, open_=open_)
        self._configure(lambda engine: engine.set_queue(spec, open_=open_))

    def _set_agent(self, spec: AgentSpec) -> None:
        self.ledger.set_agent(spec)
        self._configure(lambda engine: engine.set_agent(spec))

    def tasks(self, *states: str) -> list[Task]:
        return [task for _, task in sorted(self.engine.tasks.items()) if task.state in states]

    # -- what happens ---------------------------------------------------------------------------------

    @rule(queue=queues, live=st.booleans(), prefer=st.none() | agents, later=st.integers(0, 40))
    def arrive(self, queue: str, live: bool, prefer: str | None, later: int) -> None:
        self.count += 1
        spec = self.engine.queues[queue]
        queued = TaskQueued(
            task=f"c{self.count}-1",
            conversation=f"c{self.count}",
            client=spec.client,
            queue=queue,
            live=live,
            priority=spec.priority,
            cost=spec.cost,
            interruptible=spec.interruptible,
            since=self.t - later * SECOND,
            prefer_agent=prefer,
            prefer_until=self.t + 30 * SECOND if prefer is not None else None,
        )
        self.do(queued)

    @precondition(lambda self: self.engine.offers)
    @rule(data=st.data(), accept=st.booleans())
    def answer(self, data: st.DataObject, accept: bool) -> None:
        offer = self.engine.offers[data.draw(st.sampled_from(sorted(self.engine.offers)))]
        answer = OfferAccepted if accept else OfferDeclined
        self.do(answer(offer=offer.id, task=offer.task.id, agent=offer.agent.id))

    @precondition(lambda self: self.engine.tasks)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        task = data.draw(st.sampled_from(self.tasks("queued", "offered", "assigned", "wrapup")))
        if task.state == "wrapup":
            assert task.agent is not None
            self.do(WrapupEnded(task=task.id, agent=task.agent.id))
        elif task.state == "assigned" and task.live:
            assert task.agent is not None
            until = self.t + 60 * SECOND
            self.do(
                WrapupStarted(task=task.id, conversation=task.conversation, agent=task.agent.id, until=until)
            )
        elif task.offer is not None:
            self.do(withdrawal(task, "left"), ended(task, "abandoned"))
        else:
            self.do(ended(task, "done" if task.agent is not None else "abandoned"))

    @precondition(lambda self: self.tasks("queued", "offered", "assigned"))
    @rule(data=st.data(), agent=agents)
    def take(self, data: st.DataObject, agent: str) -> None:
        task = data.draw(st.sampled_from(self.tasks("queued", "offered", "assigned")))
        target = self.engine.agents[agent]
        if target.profile is None or not target.spec.cleared(task.client) or task.agent is target:
            return
        facts: list[Fact] = [withdrawal(task, "taken")] if task.offer is not None else []
        self.do(*facts, self.engine.assignment(task, target, by=agent))
        assert self.engine.tasks[task.id].agent is target

    @precondition(lambda self: self.tasks("offered", "assigned"))
    @rule(data=st.data(), queue=queues)
    def transfer(self, data: st.DataObject, queue: str) -> None:
        task = data.draw(st.sampled_from(self.tasks("offered", "assigned")))
        if self.engine.queues[queue].client != task.client:
            return
        facts: list[Fact] = [withdrawal(task, "taken")] if task.offer is not None else []
        self.do(*facts, requeue(task, "transferred", queue, self.t))

    @rule(agent=agents, presence=st.sampled_from(["available", "available", "break", "offline"]))
    def presence(self, agent: str, presence: Presence) -> None:
        self.do(PresenceChanged(organisation="org", agent=agent, presence=presence))

    @rule(agent=agents)
    def come(self, agent: str) -> None:
        self.do(AgentConnected(organisation="org", agent=agent))
        self.do(PresenceChanged(organisation="org", agent=agent, presence="available"))

    @rule(agent=agents, vanish=st.booleans())
    def go(self, agent: str, vanish: bool) -> None:
        if vanish:
            self.do(AgentVanished(organisation="org", agent=agent))
        else:
            self.do(AgentDisconnected(organisation="org", agent=agent, until=self.t + 30 * SECOND))

    @rule(spec=specs)
    def change_agent(self, spec: AgentSpec) -> None:
        """Clearances only grow here: what their loss takes away is config.changed's reaction."""
        clients = spec.clients | self.engine.agents[spec.id].spec.clients
        self._set_agent(AgentSpec(spec.id, spec.skills, spec.languages, clients, spec.queues, spec.capacity))

    @rule(spec=queue_specs(), open_=st.booleans())
    def change_queue(self, spec: QueueSpec, open_: bool) -> None:
        self._set_queue(spec, open_)

    @rule(seconds=st.sampled_from([0, 1, 7, 20, 30, 60, 120]))
    def wait(self, seconds: int) -> None:
        until = self.t + seconds * SECOND
        while (due := self.engine.deadlines.next()) is not None and due[0] <= until:
            self.t = max(self.t, due[0])
            for engine in (self.engine, self.shadow, self.folded):
                engine.deadlines.drop(due[1], due[2])
            self.do(DeadlineFired(kind=due[1], id=due[2], due=due[0]))
        self.t = until

    @rule()
    def restart(self) -> None:
        """From here on the shadow is an engine restored from a snapshot."""
        saved = dump_floor(self.engine)
        deadlines = Deadlines()
        for kind, name, due, org in self.engine.deadlines.items():
            deadlines.set(kind, name, due, org)
        self.shadow = Engine("org", deadlines, POLICIES)
        for queue in self.engine.queues.values():
            self.shadow.set_queue(queue, open_=queue.id not in self.engine.closed)
        for agent in self.engine.agents.values():
            self.shadow.set_agent(agent.spec)
        restore_floor(self.shadow, saved)
        assert dump_floor(self.shadow) == saved

    # -- what must hold -------------------------------------------------------------------------------

    @invariant()
    def the_books_agree(self) -> None:
        self.ledger.at_rest(self.t)
        for name, agent in self.engine.agents.items():
            assert agent.total == self.ledger.load(name, live=False)
            assert agent.hard == self.ledger.load(name, live=True)

    @invariant()
    def folding_alone_gives_the_same(self) -> None:
        assert dump_floor(self.folded) == dump_floor(self.engine)
        assert self.folded.deadlines.items() == self.engine.deadlines.items()


TestEngine = Machine.TestCase
