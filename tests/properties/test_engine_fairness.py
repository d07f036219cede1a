"""No channel starves another: whatever the costs, with equal priorities and more work than anybody can do, every
queue's tasks go on being served."""

from __future__ import annotations

import heapq
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guichet.events.base import Fact
from guichet.events.routing import AgentConnected, OfferAccepted, OfferMade, PresenceChanged, TaskQueued
from guichet.kit.clock import SECOND
from guichet.leader.state import Deadlines
from guichet.routing.engine import Engine, ended
from guichet.routing.model import AgentSpec, QueueSpec
from guichet.routing.policy import policies

pytestmark = pytest.mark.property

CAPACITY = 6
STEP = 10 * SECOND
STEPS = 300
POLICIES = policies()

queues = st.lists(
    st.tuples(st.integers(1, CAPACITY), st.booleans(), st.booleans(), st.integers(1, 9)),
    min_size=2,
    max_size=4,
)
"""(cost, live, interruptible, steps that a task takes) of each."""


class Saturated:
    """Every step each queue gets a task; tasks end after their steps; every offer is accepted at once."""

    def __init__(self, queues: list[tuple[int, bool, bool, int]], agents: int) -> None:
        self.engine = Engine("org", Deadlines(), POLICIES)
        self.queues = queues
        self.t = 0
        self.count = 0
        self.ends: list[tuple[int, str]] = []
        self.served: Counter[str] = Counter()
        for n, (cost, _, interruptible, _) in enumerate(queues):
            self.engine.set_queue(QueueSpec(f"q{n}", "shop", cost=cost, interruptible=interruptible))
        for n in range(agents):
            self.engine.set_agent(AgentSpec(f"a{n}", capacity=CAPACITY))
            self.do(AgentConnected(organisation="org", agent=f"a{n}"))
            self.do(PresenceChanged(organisation="org", agent=f"a{n}", presence="available"))

    def do(self, fact: Fact) -> None:
        for made in self.engine.apply(fact, t=self.t):
            if isinstance(made, OfferMade):
                queue = self.engine.tasks[made.task].line.queue.id
                self.served[queue] += 1
                heapq.heappush(self.ends, (self.t + self.queues[int(queue[1])][3] * STEP, made.task))
                self.do(OfferAccepted(offer=made.offer, task=made.task, agent=made.agent))

    def step(self) -> None:
        self.t += STEP
        while self.ends and self.ends[0][0] <= self.t:
            self.do(ended(self.engine.tasks[heapq.heappop(self.ends)[1]], "done"))
        for n, (cost, live, interruptible, _) in enumerate(self.queues):
            self.count += 1
            queued = TaskQueued(
                task=f"c{self.count}-1", conversation=f"c{self.count}", client="shop", queue=f"q{n}", live=live,
                priority=0, cost=cost, interruptible=interruptible, since=self.t,
            )  # fmt: skip
            self.do(queued)


@given(queues=queues, agents=st.integers(1, 2))
def test_every_queue_goes_on_being_served(queues: list[tuple[int, bool, bool, int]], agents: int) -> None:
    centre = Saturated(queues, agents)
    for _ in range(STEPS):
        centre.step()
    before = Counter(centre.served)
    for _ in range(STEPS):
        centre.step()
    starved = [n for n in range(len(queues)) if centre.served[f"q{n}"] == before[f"q{n}"]]
    assert not starved, (queues, centre.served)
