"""Decisions of the routing engine per second, each with its record: 50,000 agents in 2,000 profiles, 500 queues.

A decision is an arrival that looks for an agent or a freed agent who looks for work. Everything around it counts:
folding the facts, the record, deadlines; not the log. Two loads: some agents free (arrivals find agents), and
more work than agents (freed agents find work).
"""

from __future__ import annotations

import argparse
import gc
import heapq
import time
from collections.abc import Iterator

import msgspec

from bench.measure import Table, percentile
from guichet.events.base import Fact
from guichet.events.routing import (
    AgentConnected,
    OfferAccepted,
    OfferMade,
    PresenceChanged,
    TaskEnded,
    TaskQueued,
)
from guichet.kit.draws import exponentials
from guichet.leader.state import Deadlines
from guichet.routing.engine import Engine, ended
from guichet.routing.index import unfit
from guichet.routing.model import ANY, AgentSpec, QueueSpec

AGENTS, PROFILES, QUEUES = 50_000, 2_000, 500
SKILLS, LANGUAGES, CLIENTS = 120, 30, 20
SERVICE = 300_000
"""Mean milliseconds of a contact."""
POLICIES = ("longest_idle", "fewest_skills")
LOADS = (0.92, 1.10)
DECISIONS = 60_000
TITLE = f"Decisions of the routing engine, {AGENTS:,} agents in {PROFILES:,} profiles, {QUEUES} queues"
NOTE = (
    "A decision: an arrival that looks for an agent, or a freed agent who looks for work, with folds, record and "
    "deadlines, and the acceptance of the offer it made; in one process, without the log. Such a centre has about "
    "350 a second. Record: the largest seen, bytes of JSON."
)
HEAD = [
    "policy",
    "load",
    "decisions/s",
    "p50 us",
    "p99 us",
    "arrival p99",
    "release p99",
    "waiting",
    "record",
]


class Numbers:
    """Whole numbers from seeded draws, the same on every run."""

    def __init__(self, seed: int) -> None:
        self._draws = exponentials(seed, "bench")

    def below(self, limit: int) -> int:
        return int(next(self._draws) * 1e9) % limit


def centre(policy: str, agents: int) -> Engine:
    """A large centre: each queue asks for a skill and a language, each profile has up to thirty skills."""
    numbers, engine = Numbers(1), Engine("bench", Deadlines())
    for n in range(QUEUES):
        engine.set_queue(
            QueueSpec(
                f"queue-{n}",
                f"client-{n % CLIENTS}",
                skills=((f"skill-{numbers.below(SKILLS)}", 1 + numbers.below(3)),),
                language=f"l{numbers.below(6)}",
                policy=policy,
            )
        )
    profiles = []
    for _ in range(PROFILES):
        skills = {
            f"skill-{numbers.below(SKILLS)}": 1 + numbers.below(5) for _ in range(8 + numbers.below(22))
        }
        languages = frozenset(f"l{numbers.below(6)}" for _ in range(2))
        some = frozenset(f"client-{numbers.below(CLIENTS)}" for _ in range(4 + numbers.below(6)))
        clients = some if numbers.below(2) else frozenset({ANY})
        profiles.append((frozenset(skills.items()), languages, clients))
    for n in range(agents):
        skills_, languages, clients = profiles[n % PROFILES]
        engine.set_agent(AgentSpec(f"agent-{n}", skills_, languages, clients))
        engine.apply(AgentConnected(organisation="bench", agent=f"agent-{n}"), t=n)
        engine.apply(PresenceChanged(organisation="bench", agent=f"agent-{n}", presence="available"), t=n)
    return engine


class Traffic:
    """Poisson arrivals over all queues; every offer is accepted at once; exponential service."""

    def __init__(self, engine: Engine, load: float, agents: int) -> None:
        self.engine = engine
        self.t = agents
        self._gap = SERVICE / agents / load
        self._clock = float(agents)
        self._draws = exponentials(2, "traffic")
        self._numbers = Numbers(3)
        self._served = [
            [queue for queue in engine.queues.values() if unfit(profile.spec, queue, queue.client) is None]
            for profile in engine.index.by_number
        ]
        self._served = [served for served in self._served if served]
        self._ends: list[tuple[int, str]] = []
        self._count = 0
        self.arrivals: list[float] = []
        self.releases: list[float] = []
        self.record = 0

    def _queue(self) -> TaskQueued:
        """Work arrives in proportion to who can do it, so that no queue is out of anybody's reach."""
        served = self._served[self._numbers.below(len(self._served))]
        spec = served[self._numbers.below(len(served))]
        self._count += 1
        return TaskQueued(
            task=f"conversation-{self._count}-1", conversation=f"conversation-{self._count}", client=spec.client,
            queue=spec.id, live=True, priority=0, cost=1, interruptible=False, since=self.t,
        )  # fmt: skip

    def _inputs(self) -> Iterator[TaskQueued | TaskEnded]:
        while True:
            self._clock += next(self._draws) * self._gap
            while self._ends and self._ends[0][0] <= self._clock:
                self.t, task = heapq.heappop(self._ends)
                yield ended(self.engine.tasks[task], "done")
            self.t = int(self._clock)
            yield self._queue()

    def fill(self, tasks: int) -> None:
        """So many contacts at once, each as far in its service as an exponential one is."""
        for _ in range(tasks):
            self._accept(self.engine.apply(self._queue(), t=self.t))

    def run(self, decisions: int) -> float:
        """Seconds spent in the engine."""
        inputs, engine, spent = self._inputs(), self.engine, 0.0
        for _ in range(decisions):
            fact = next(inputs)
            begun = time.perf_counter()
            facts = engine.apply(fact, t=self.t)
            took = time.perf_counter() - begun
            (self.arrivals if isinstance(fact, TaskQueued) else self.releases).append(took)
            spent += took
            begun = time.perf_counter()
            self._accept(facts)
            spent += time.perf_counter() - begun
            for made in facts:
                if isinstance(made, OfferMade):
                    self.record = max(self.record, len(msgspec.json.encode(made.record)))
        return spent

    def _accept(self, facts: list[Fact]) -> None:
        for fact in facts:
            if isinstance(fact, OfferMade):
                accepted = OfferAccepted(offer=fact.offer, task=fact.task, agent=fact.agent)
                self.engine.apply(accepted, t=self.t)
                heapq.heappush(self._ends, (self.t + round(next(self._draws) * SERVICE), fact.task))


def measure(policy: str, load: float, agents: int, decisions: int) -> list[str]:
    """One row of the table."""
    engine = centre(policy, agents)
    traffic = Traffic(engine, load, agents)
    traffic.fill(round(agents * min(load, 1.0)))
    traffic.run(decisions // 6)
    traffic.arrivals.clear()
    traffic.releases.clear()
    gc.collect()
    gc.freeze()
    gc.disable()
    spent = traffic.run(decisions)
    gc.enable()
    gc.unfreeze()
    both = traffic.arrivals + traffic.releases
    return [
        policy,
        f"{load:.0%}",
        f"{decisions / spent:,.0f}",
        f"{percentile(both, 0.5) * 1e6:.0f}",
        f"{percentile(both, 0.99) * 1e6:.0f}",
        f"{percentile(traffic.arrivals, 0.99) * 1e6:.0f}",
        f"{percentile(traffic.releases, 0.99) * 1e6:.0f}",
        str(sum(len(line.tasks) for line in engine.index.by_bit)),
        str(traffic.record),
    ]


def main(arguments: list[str] | None = None) -> list[Table]:
    """Measures and gives the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine", description=__doc__)
    parser.add_argument("--agents", type=int, default=AGENTS)
    parser.add_argument("--decisions", type=int, default=DECISIONS, help="for each line")
    options = parser.parse_args(arguments)
    table = Table(TITLE, "python -m bench.engine", HEAD, notes=[NOTE])
    for policy in POLICIES:
        for load in LOADS:
            table.rows.append(measure(policy, load, options.agents, options.decisions))
    return [table]


if __name__ == "__main__":
    for made in main():
        print(made.text())
