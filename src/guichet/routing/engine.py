"""The routing engine: a pure, deterministic state machine. No I/O, no clock, no randomness.

`fold(fact, t)` changes the floor; `react(fact, t)` says what follows from a fact just folded. The leader's
reactors, the simulator and the replay check are three drivers of this one engine. What `react` gives must be
folded in order; until it all is, no further decision is made, so that each decision sees the one before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from guichet.events.accounts import ConfigChanged
from guichet.events.base import Fact
from guichet.events.leader import DeadlineFired
from guichet.events.routing import (
    AgentVanished,
    OfferMade,
    OfferMissed,
    OfferWithdrawn,
    Presence,
    PresenceChanged,
    TaskAssigned,
    TaskEnded,
    TaskQueued,
    TaskRequeued,
    WrapupEnded,
)
from guichet.kit.clock import Instant
from guichet.leader.state import Deadlines
from guichet.routing.decide import agent_for, fits, work_for
from guichet.routing.floor import OFFER, VANISH, WRAPUP
from guichet.routing.folds import FoldingFloor
from guichet.routing.model import Agent, Line, Task
from guichet.routing.policy import Policy


class Engine(FoldingFloor):
    """One organisation's engine."""

    def __init__(self, org: str, deadlines: Deadlines, known: dict[str, Policy] | None = None) -> None:
        super().__init__(org, deadlines, known)
        self._flying: deque[Fact] = deque()
        self._agents: dict[Agent, None] = {}
        self._tasks: deque[Task] = deque()
        self._lines: dict[Line, None] = {}

    def apply(self, *inputs: Fact, t: Instant) -> list[Fact]:
        """Folds inputs and all that follows from them, as the leader does; gives the facts in order."""
        facts = list(inputs)
        for fact in facts:
            self.fold(fact, t)
            facts.extend(self.react(fact, t))
        return facts

    def fold(self, fact: Fact, t: Instant) -> None:
        flying = self._flying
        if flying and (flying[0] is fact or flying[0] == fact):
            flying.popleft()
        super().fold(fact, t)

    def react(self, fact: Fact, t: Instant) -> Sequence[Fact]:
        """What follows from the fact that was folded last: its consequences, else at most one decision."""
        if self.touched:
            self.look_at(self.touched)
            self.touched = []
        reaction = _REACTIONS.get(type(fact))
        if reaction is not None:
            follows: list[Fact] = reaction(self, fact, t)
            if follows:
                self._flying.extend(follows)
                return follows
        if not self._flying and not self.limbo and (self._agents or self._lines or self._tasks):
            decision = self._decide(t)
            if decision is not None:
                self._flying.append(decision)
                return (decision,)
        return ()

    def look_at(self, items: Iterable[Task | Agent | Line]) -> None:
        """What might match now is looked at with the next decision."""
        for item in items:
            if isinstance(item, Agent):
                self._agents[item] = None
            elif isinstance(item, Line):
                self._lines[item] = None
            elif item.held:
                self._tasks.append(item)
            else:
                self._lines[item.line] = None

    def _decide(self, t: Instant) -> Fact | None:
        """The next offer. Freed agents choose first, idle longest before the others; then tasks held for
        somebody; then lines, the one whose head has waited longest before the others. Whoever got something stays
        on the list: there may be room for more.
        """
        while self._agents:
            agent = min(self._agents, key=lambda agent: agent.turn)
            offer = work_for(self, agent, t)
            if offer is not None:
                return offer
            del self._agents[agent]
        while self._tasks:
            offer = agent_for(self, self._tasks.popleft(), t)
            if offer is not None:
                return offer
        while self._lines:
            line = min(self._lines, key=lambda line: line.tasks[0] if line.tasks else (0,))
            offer = self._first_placeable(line, t)
            if offer is not None:
                return offer
            del self._lines[line]
        return None

    def _first_placeable(self, line: Line, t: Instant) -> OfferMade | None:
        for key in line.tasks:
            task = self.by_number[key[2]]
            offer = agent_for(self, task, t)
            if offer is not None:
                return offer
            if not task.skips:  # whoever does not fit this one does not fit the others of the line
                return None
        return None

    # -- consequences ---------------------------------------------------------------------------------

    def _after_task_queued(self, fact: TaskQueued, t: Instant) -> list[Fact]:
        if fact.assign_to is None:
            return []
        return [self.assignment(self.tasks[fact.task], self.agents[fact.assign_to], by=fact.assign_to)]

    def assignment(self, task: Task, agent: Agent, by: str) -> TaskAssigned:
        """A person's decision as a fact; the caller has checked the clearance."""
        forced = not fits(self, task, agent)
        return TaskAssigned(
            task=task.id,
            conversation=task.conversation,
            agent=agent.id,
            by=by,
            forced=forced,
            previous=task.agent.id if task.agent is not None else None,
        )

    def _after_offer_missed(self, fact: OfferMissed, t: Instant) -> list[Fact]:
        agent = self.agents[fact.agent]
        if agent.presence != "available" or agent.missed < self.rules.missed_limit:
            return []
        return [self._presence(agent, "missed", cause=fact.offer)]

    def _after_presence_changed(self, fact: PresenceChanged, t: Instant) -> list[Fact]:
        agent = self.agents[fact.agent]
        return [] if agent.presence == "available" else self._withdraw(agent, "presence")

    def _after_agent_vanished(self, fact: AgentVanished, t: Instant) -> list[Fact]:
        agent = self.agents[fact.agent]
        facts = self._withdraw(agent, "vanished")
        facts += [
            requeue(task, "vanished")
            for task in self._tasks_of(agent)
            if task.live and task.state == "assigned"
        ]
        if agent.presence != "offline":
            facts.append(self._presence(agent, "offline", cause="vanished"))
        return facts

    def _after_wrapup_ended(self, fact: WrapupEnded, t: Instant) -> list[Fact]:
        return [ended(self.tasks[fact.task], "done")]

    def _after_deadline_fired(self, fact: DeadlineFired, t: Instant) -> list[Fact]:
        if fact.kind == OFFER and (offer := self.offers.get(fact.id)) is not None:
            return [OfferMissed(offer=offer.id, task=offer.task.id, agent=offer.agent.id)]
        if fact.kind == WRAPUP and (task := self.tasks.get(fact.id)) is not None and task.agent is not None:
            return [WrapupEnded(task=task.id, agent=task.agent.id)]
        if fact.kind == VANISH and (agent := fact.id.removeprefix(f"{self.org}/")) in self.agents:
            return [AgentVanished(organisation=self.org, agent=agent)]
        return []

    def _after_config_changed(self, fact: ConfigChanged, t: Instant) -> list[Fact]:
        """An agent who left, or who lost the clearance for a client, has nothing of it any more."""
        agent = self.agents.get(fact.id) if fact.kind == "agent" else None
        if agent is None:
            return []
        gone = agent.profile is None
        facts: list[Fact] = [
            withdrawal(task, "config")
            for task in self._offered_to(agent)
            if gone or not agent.spec.cleared(task.client)
        ]
        facts += [
            requeue(task, "config")
            for task in self._tasks_of(agent)
            if task.state == "assigned" and (gone or not agent.spec.cleared(task.client))
        ]
        return facts

    def _presence(self, agent: Agent, presence: Presence, cause: str) -> PresenceChanged:
        return PresenceChanged(
            organisation=self.org, agent=agent.id, presence=presence, by="system", cause=cause
        )

    def _withdraw(self, agent: Agent, reason: str) -> list[Fact]:
        return [withdrawal(task, reason) for task in self._offered_to(agent)]

    def _tasks_of(self, agent: Agent) -> list[Task]:
        """Oldest first: the order must not depend on how the state came about."""
        return sorted(agent.tasks.values(), key=lambda task: task.number)

    def _offered_to(self, agent: Agent) -> list[Task]:
        return sorted((offer.task for offer in agent.offers.values()), key=lambda task: task.number)


def withdrawal(task: Task, reason: str) -> OfferWithdrawn:
    """The end of a task's live offer, without the agent's doing."""
    assert task.offer is not None
    return OfferWithdrawn(offer=task.offer.id, task=task.id, agent=task.offer.agent.id, reason=reason)


def requeue(task: Task, reason: str, queue: str | None = None, since: Instant | None = None) -> TaskRequeued:
    """Back into its queue at its place, or into another one as of `since`."""
    return TaskRequeued(
        task=task.id,
        conversation=task.conversation,
        agent=task.agent.id if task.agent is not None else None,
        queue=queue if queue is not None else task.line.queue.id,
        since=since if since is not None else task.since,
        reason=reason,
    )


def ended(task: Task, outcome: str) -> TaskEnded:
    """The end of a task that is queued, assigned or wrapped up."""
    return TaskEnded(
        task=task.id,
        conversation=task.conversation,
        client=task.client,
        agent=task.agent.id if task.agent is not None else None,
        outcome=outcome,  # type: ignore[arg-type]
    )


_REACTIONS: dict[type[Fact], Callable[[Engine, Any, Instant], list[Fact]]] = {
    TaskQueued: Engine._after_task_queued,
    OfferMissed: Engine._after_offer_missed,
    PresenceChanged: Engine._after_presence_changed,
    AgentVanished: Engine._after_agent_vanished,
    WrapupEnded: Engine._after_wrapup_ended,
    DeadlineFired: Engine._after_deadline_fired,
    ConfigChanged: Engine._after_config_changed,
}
