"""The floor: who works, what waits, who has what. It changes only by folding facts, each named in `_FOLDS`.

`touched` lists, after each fold, what might match now (a task, an agent, a line of tasks): the engine looks
at these when it reacts to the same fact. It is not state.
"""

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
from guichet.leader.state import Deadlines
from guichet.routing.index import Index
from guichet.routing.model import Agent, AgentSpec, Line, Offer, QueueSpec, Rules, Task
from guichet.routing.policy import Policy, policies

DEFAULT_POLICY = "longest_idle"

OFFER, WRAPUP, KNOWN_AGENT, SKIP, VANISH = "offer", "wrapup", "known_agent", "skip", "vanish"
"""Kinds of deadline that the floor sets."""

ENDS_AT_ONCE = frozenset({"taken", "left", "closed"})
"""Reasons of a withdrawal after which the task does not wait again: its next fact follows at once."""


class Floor:
    """One organisation's floor. `deadlines` is where its deadlines are kept (the leader's, the simulator's)."""

    def __init__(self, org: str, deadlines: Deadlines, known: dict[str, Policy] | None = None) -> None:
        self.org = org
        self.deadlines = deadlines
        self.policies = known if known is not None else policies()
        self.rules = Rules()
        self.config = 0
        self.queues: dict[str, QueueSpec] = {}
        self.closed: set[str] = set()
        self.agents: dict[str, Agent] = {}
        self.tasks: dict[str, Task] = {}
        self.offers: dict[str, Offer] = {}
        self.by_number: dict[int, Task] = {}
        self.by_conversation: dict[str, Task] = {}
        """The task of each conversation that somebody has or should have; not those in wrap-up."""
        self.held: dict[str, Task] = {}
        """Queued tasks that wait for one agent alone."""
        self.last_number = 0
        self.last_turn = 0
        self.index = Index()
        self.touched: list[Task | Agent | Line] = []

    def fold(self, fact: Fact, t: Instant) -> None:
        """Takes one fact in; others than routing's are ignored."""
        self.touched = []
        fold = _FOLDS.get(type(fact))
        if fold is not None:
            fold(self, fact, t)

    # -- configuration --------------------------------------------------------------------------------

    def set_queue(self, spec: QueueSpec, *, open_: bool = True) -> None:
        """A queue is new, or asks for something else now; what waits in it follows."""
        self.queues[spec.id] = spec
        (self.closed.discard if open_ else self.closed.add)(spec.id)
        for line in self.index.by_bit:
            if line.queue.id == spec.id:
                self.index.configure(line, spec, self._policy(spec), open_)
                self.touched.append(line)
        for task in self.tasks.values():
            if task.state == "queued" and task.line.queue.id == spec.id:
                task.cost = spec.cost
                task.hard = 0 if spec.interruptible and not task.live else spec.cost

    def set_open(self, queue: str, open_: bool) -> None:
        """The queue's hours begin or end."""
        spec = self.queues.get(queue)
        if spec is not None and open_ == (queue in self.closed):
            self.set_queue(spec, open_=open_)

    def set_agent(self, spec: AgentSpec) -> None:
        """An agent is new or has changed."""
        agent = self.agents.get(spec.id)
        if agent is None:
            agent = self.agents[spec.id] = Agent(spec)
            agent.turn = self._next_turn()
        else:
            if agent.profile is not None:
                self.index.leave(agent)
            agent.spec = spec
            self._release_preferred(agent)
        self.index.join(agent)
        if agent.present:
            self.touched.append(agent)

    def drop_agent(self, name: str) -> None:
        """An agent was made inactive: no new work; what they have stays until somebody moves it."""
        agent = self.agents.get(name)
        if agent is not None and agent.profile is not None:
            self.index.leave(agent)
            self._release_preferred(agent)

    # -- tasks ----------------------------------------------------------------------------------------

    def _task_queued(self, fact: TaskQueued, t: Instant) -> None:
        self.last_number += 1
        task = Task(fact.task, fact.conversation, fact.client, fact.live, self.last_number)
        line = self.line(fact.queue, fact.client, fact.live, fact.cost)
        task.stand(line, fact.priority, fact.since, fact.cost, fact.interruptible)
        task.prefer, task.prefer_until = fact.prefer_agent, fact.prefer_until
        self.tasks[task.id] = task
        self.by_number[task.number] = task
        self.by_conversation[task.conversation] = task
        if fact.assign_to is not None:
            task.held, task.prefer = True, None
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
        spec = line.queue
        task.stand(line, spec.priority, fact.since, spec.cost, spec.interruptible)
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
        self._unwait(task)
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
            task.held, task.prefer = True, None
        else:
            self._wait(task)
            self.touched.append(task)
        self.touched.append(agent)

    def _skip(self, task: Task, agent: str, t: Instant) -> None:
        """The task passes the agent over for a while."""
        task.skips[agent] = t + self.rules.skip
        self.deadlines.set(SKIP, task.id, min(task.skips.values()), self.org)

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
        self._away(agent)
        if fact.presence != agent.presence:
            agent.since = t
        agent.presence, agent.reason = fact.presence, fact.reason
        agent.missed = 0
        self._back(agent, t)

    def _agent_connected(self, fact: AgentConnected, t: Instant) -> None:
        agent = self.agents[fact.agent]
        self._away(agent)
        agent.connected, agent.vanishes = True, None
        self.deadlines.drop(VANISH, self.vanish_id(agent.id))
        self._back(agent, None)

    def _agent_disconnected(self, fact: AgentDisconnected, t: Instant) -> None:
        agent = self.agents[fact.agent]
        self._away(agent)
        agent.connected, agent.vanishes = False, fact.until
        self.deadlines.set(VANISH, self.vanish_id(agent.id), fact.until, self.org)
        self._release_preferred(agent)

    def _agent_vanished(self, fact: AgentVanished, t: Instant) -> None:
        agent = self.agents[fact.agent]
        self._away(agent)
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
            self._unwait(task)
            self._wait(task)
        else:
            task.skips = {agent: until for agent, until in task.skips.items() if until > fact.due}
            if task.skips:
                self.deadlines.set(SKIP, task.id, min(task.skips.values()), self.org)
        self.touched.append(task)

    # -- how they hang together -----------------------------------------------------------------------

    def _wait(self, task: Task) -> None:
        """Puts a queued task into its line, or holds it for the agent whom the customer knows."""
        agent = self.agents.get(task.prefer) if task.prefer is not None else None
        if (
            agent is not None
            and task.prefer_until is not None
            and agent.present
            and agent.profile is not None
            and agent.profile.mask >> task.line.bit & 1
        ):
            task.held = True
            agent.preferred[task.id] = self.held[task.id] = task
            self.deadlines.set(KNOWN_AGENT, task.id, task.prefer_until, self.org)
        else:
            task.held, task.prefer = False, None
            self.index.put(task.line, task)

    def _unwait(self, task: Task) -> None:
        """Takes a queued task out of wherever it waits."""
        if not task.held:
            self.index.take(task.line, task)
        elif task.prefer is not None:
            del self.agents[task.prefer].preferred[task.id], self.held[task.id]
            self.deadlines.drop(KNOWN_AGENT, task.id)
            task.prefer = None
        task.held = False

    def _detach(self, task: Task, t: Instant) -> None:
        """Takes a task out of its line or away from whoever has it."""
        agent = task.agent
        if agent is None:
            self._unwait(task)
            return
        if task.state == "wrapup":
            self.deadlines.drop(WRAPUP, task.id)
            task.wrapup_until = None
        del agent.tasks[task.id]
        task.agent = None
        self._let_go(agent, task, freed=t)
        self.touched.append(agent)

    def _give(self, task: Task, agent: Agent) -> None:
        task.state, task.agent, task.held = "assigned", agent, False
        task.legs += 1
        agent.tasks[task.id] = task
        if task.skips:
            task.skips = {}
            self.deadlines.drop(SKIP, task.id)

    def hold(self, agent: Agent, task: Task) -> None:
        """The agent holds the task's cost from now on."""
        present = agent.present
        if present:
            self.index.unpark(agent)
        agent.hard += task.hard
        agent.total += task.cost
        if present:
            self.index.park(agent)

    def _let_go(self, agent: Agent, task: Task, freed: Instant | None = None) -> None:
        """The agent holds it no more. Freed: to the end of the line of idle agents; an offer that came to nothing
        does not change an agent's place."""
        present = agent.present
        if present:
            self.index.unpark(agent)
        agent.hard -= task.hard
        agent.total -= task.cost
        if freed is not None:
            self._idle(agent, freed, present)
        if present:
            self.index.park(agent)

    def _idle(self, agent: Agent, t: Instant, present: bool) -> None:
        if present:
            del self.index.by_turn[agent.turn]
        agent.turn, agent.idle_since = self._next_turn(), t
        if present:
            self.index.by_turn[agent.turn] = agent

    def _next_turn(self) -> int:
        self.last_turn += 1
        return self.last_turn

    def _away(self, agent: Agent) -> None:
        """Before a change of presence: the agent leaves the index."""
        if agent.present:
            self.index.exit(agent)

    def _back(self, agent: Agent, idle_since: Instant | None) -> None:
        """After it: present agents come back, idle from now on when `idle_since` is given."""
        if not agent.present:
            self._release_preferred(agent)
            return
        if idle_since is not None:
            self._idle(agent, idle_since, present=False)
        self.index.enter(agent)
        self.touched.append(agent)

    def _release_preferred(self, agent: Agent) -> None:
        """What waited for this agent alone waits for everybody."""
        for task in list(agent.preferred.values()):
            self._unwait(task)
            self._wait(task)
            self.touched.append(task)

    def line(self, queue: str, client: str, live: bool, cost: int) -> Line:
        """The line for such tasks, made on first use."""
        line = self.index.lines.get((queue, client, live))
        if line is not None:
            return line
        spec = self.queues.get(queue)
        if spec is None:  # never lose work, even for a queue that nobody has configured
            spec = self.queues[queue] = QueueSpec(queue, client, cost=cost)
        return self.index.line(spec, client, live, self._policy(spec), queue not in self.closed)

    def _policy(self, spec: QueueSpec) -> Policy:
        return self.policies.get(spec.policy) or self.policies[DEFAULT_POLICY]


_FOLDS: dict[type[Fact], Callable[[Floor, Any, Instant], None]] = {
    TaskQueued: Floor._task_queued,
    TaskAssigned: Floor._task_assigned,
    TaskRequeued: Floor._task_requeued,
    TaskEnded: Floor._task_ended,
    WrapupStarted: Floor._wrapup_started,
    WrapupEnded: Floor._wrapup_ended,
    OfferMade: Floor._offer_made,
    OfferAccepted: Floor._offer_accepted,
    OfferDeclined: Floor._offer_refused,
    OfferMissed: Floor._offer_refused,
    OfferWithdrawn: Floor._offer_withdrawn,
    PresenceChanged: Floor._presence_changed,
    AgentConnected: Floor._agent_connected,
    AgentDisconnected: Floor._agent_disconnected,
    AgentVanished: Floor._agent_vanished,
    DeadlineFired: Floor._deadline_fired,
}
