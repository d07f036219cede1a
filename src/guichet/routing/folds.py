"""How each fact of routing changes the floor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from guichet.events.base import Fact
from guichet.events.leader import DeadlineFired
from guichet.events.routing import (
    AgentConnected,
    AgentDisconnected,
    AgentVanished,
    OfferAccepted,
    OfferDeclined,
    OfferMade,
    OfferMissed,
    OfferWithdrawn,
    PresenceChanged,
    TaskAssigned,
    TaskEnded,
    TaskQueued,
    TaskRequeued,
    WrapupEnded,
    WrapupStarted,
)
from guichet.kit.clock import Instant
from guichet.routing.floor import KNOWN_AGENT, OFFER, SKIP, VANISH, WRAPUP, Floor
from guichet.routing.model import Offer, Task

ENDS_AT_ONCE = frozenset({"taken", "left", "closed"})
"""Reasons of a withdrawal after which the task does not wait again: its next fact follows at once."""


class FoldingFloor(Floor):
    """A floor that takes facts in; others than routing's are ignored."""

    def fold(self, fact: Fact, t: Instant) -> None:
        """Takes one fact in."""
        self.touched = []
        fold = _FOLDS.get(type(fact))
        if fold is not None:
            fold(self, fact, t)

    # -- tasks ----------------------------------------------------------------------------------------

    def _task_queued(self, fact: TaskQueued, t: Instant) -> None:
        self.last_number += 1
        task = Task(fact.task, fact.conversation, fact.client, fact.live, self.last_number)
        line = self.line(fact.queue, fact.client, fact.live, fact.cost)
        task.stand(line, fact.priority, fact.since)
        task.cost_as(fact.cost, fact.interruptible)
        task.prefer, task.prefer_until = fact.prefer_agent, fact.prefer_until
        self.tasks[task.id] = task
        self.by_number[task.number] = task
        self.by_conversation[task.conversation] = task
        if fact.assign_to is not None:
            self._suspend(task)
        else:
            self._wait(task)
            self.touched.append(task)

    def _task_assigned(self, fact: TaskAssigned, t: Instant) -> None:
        task, agent = self.tasks[fact.task], self.agents[fact.agent]
        self._detach(task, t)
        self._give(task, agent)
        self.hold(agent, task)

    def _task_requeued(self, fact: TaskRequeued, t: Instant) -> None:
        task = self.tasks[fact.task]
        self._detach(task, t)
        line = self.line(fact.queue, task.client, task.live, task.cost)
        task.stand(line, line.queue.priority, fact.since)
        task.state = "queued"
        if fact.agent is not None and fact.reason == "transferred":
            self._skip(task, fact.agent, t)
        self._wait(task)
        self.touched.append(task)

    def _task_ended(self, fact: TaskEnded, t: Instant) -> None:
        task = self.tasks.pop(fact.task)
        self._over(task)
        self._detach(task, t)
        task.state = "ended"
        if task.skips:
            self.deadlines.drop(SKIP, task.id)
        del self.by_number[task.number]

    def _over(self, task: Task) -> None:
        if self.by_conversation.get(task.conversation) is task:
            del self.by_conversation[task.conversation]

    def _wrapup_started(self, fact: WrapupStarted, t: Instant) -> None:
        task = self.tasks[fact.task]
        task.state, task.wrapup_until = "wrapup", fact.until
        self._over(task)
        self.deadlines.set(WRAPUP, task.id, fact.until, self.org)

    def _wrapup_ended(self, fact: WrapupEnded, t: Instant) -> None:
        self.deadlines.drop(WRAPUP, fact.task)

    # -- offers ---------------------------------------------------------------------------------------

    def _offer_made(self, fact: OfferMade, t: Instant) -> None:
        task, agent = self.tasks[fact.task], self.agents[fact.agent]
        self._unwait(task, t)
        offer = Offer(fact.offer, task, agent, fact.deadline)
        task.state, task.offer = "offered", offer
        task.offers += 1
        self.offers[offer.id] = agent.offers[offer.id] = offer
        self.hold(agent, task)
        self.deadlines.set(OFFER, offer.id, fact.deadline, self.org)

    def _offer_accepted(self, fact: OfferAccepted, t: Instant) -> None:
        offer = self._close_offer(fact.offer)
        offer.agent.missed = 0
        self._give(offer.task, offer.agent)

    def _offer_refused(self, fact: OfferDeclined | OfferMissed, t: Instant) -> None:
        offer = self._close_offer(fact.offer)
        task, agent = offer.task, offer.agent
        agent.missed = agent.missed + 1 if isinstance(fact, OfferMissed) else 0
        self._let_go(agent, task)
        self._skip(task, agent.id, t)
        task.prefer = None
        self._wait(task)
        self.touched += (task, agent)

    def _offer_withdrawn(self, fact: OfferWithdrawn, t: Instant) -> None:
        offer = self._close_offer(fact.offer)
        task, agent = offer.task, offer.agent
        self._let_go(agent, task)
        if fact.reason in ENDS_AT_ONCE:
            self._suspend(task)
        else:
            self._wait(task)
            self.touched.append(task)
        self.touched.append(agent)

    def _suspend(self, task: Task) -> None:
        task.held, task.prefer = True, None
        self.limbo.add(task.id)

    def _close_offer(self, name: str) -> Offer:
        offer = self.offers.pop(name)
        del offer.agent.offers[name]
        offer.task.offer = None
        offer.task.state = "queued"
        self.deadlines.drop(OFFER, name)
        return offer

    # -- agents ---------------------------------------------------------------------------------------

    def _presence_changed(self, fact: PresenceChanged, t: Instant) -> None:
        agent = self.agents[fact.agent]
        self._away(agent, t)
        if fact.presence != agent.presence:
            agent.since = t
        agent.presence, agent.reason = fact.presence, fact.reason
        agent.missed = 0
        self._back(agent, t, idle=True)

    def _agent_connected(self, fact: AgentConnected, t: Instant) -> None:
        agent = self.agents[fact.agent]
        self._away(agent, t)
        agent.connected, agent.vanishes = True, None
        self.deadlines.drop(VANISH, self.vanish_id(agent.id))
        self._back(agent, t)

    def _agent_disconnected(self, fact: AgentDisconnected, t: Instant) -> None:
        agent = self.agents[fact.agent]
        self._away(agent, t)
        agent.connected, agent.vanishes = False, fact.until
        self.deadlines.set(VANISH, self.vanish_id(agent.id), fact.until, self.org)
        self._release_preferred(agent)

    def _agent_vanished(self, fact: AgentVanished, t: Instant) -> None:
        agent = self.agents[fact.agent]
        self._away(agent, t)
        agent.connected, agent.vanishes = False, None
        self.deadlines.drop(VANISH, self.vanish_id(agent.id))
        self._release_preferred(agent)

    def vanish_id(self, agent: str) -> str:
        """Agents of two organisations may have one id; deadlines are the shard's."""
        return f"{self.org}/{agent}"

    def _deadline_fired(self, fact: DeadlineFired, t: Instant) -> None:
        task = self.tasks.get(fact.id) if fact.kind in (KNOWN_AGENT, SKIP) else None
        if task is None:
            return
        if fact.kind == KNOWN_AGENT:
            self._unwait(task, t)
            self._wait(task)
        else:
            task.skips = {agent: until for agent, until in task.skips.items() if until > fact.due}
            if task.skips:
                self.deadlines.set(SKIP, task.id, min(task.skips.values()), self.org)
        self.touched.append(task)


_FOLDS: dict[type[Fact], Callable[[FoldingFloor, Any, Instant], None]] = {
    TaskQueued: FoldingFloor._task_queued,
    TaskAssigned: FoldingFloor._task_assigned,
    TaskRequeued: FoldingFloor._task_requeued,
    TaskEnded: FoldingFloor._task_ended,
    WrapupStarted: FoldingFloor._wrapup_started,
    WrapupEnded: FoldingFloor._wrapup_ended,
    OfferMade: FoldingFloor._offer_made,
    OfferAccepted: FoldingFloor._offer_accepted,
    OfferDeclined: FoldingFloor._offer_refused,
    OfferMissed: FoldingFloor._offer_refused,
    OfferWithdrawn: FoldingFloor._offer_withdrawn,
    PresenceChanged: FoldingFloor._presence_changed,
    AgentConnected: FoldingFloor._agent_connected,
    AgentDisconnected: FoldingFloor._agent_disconnected,
    AgentVanished: FoldingFloor._agent_vanished,
    DeadlineFired: FoldingFloor._deadline_fired,
}
