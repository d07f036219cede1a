"""The floor: who works, what waits, who has what, and how these hang together. Facts change it: `folds.py`.

`touched` lists, after each fold, what might match now (a task, an agent, a line of tasks): the engine looks
at these when it reacts to the same fact. It is not state.
"""

from __future__ import annotations

from guichet.kit.clock import Instant
from guichet.leader.state import Deadlines
from guichet.routing.index import Index
from guichet.routing.model import Agent, AgentSpec, Line, Offer, QueueSpec, Rules, Task
from guichet.routing.policy import Policy, policies

DEFAULT_POLICY = "longest_idle"

OFFER, WRAPUP, KNOWN_AGENT, SKIP, VANISH = "offer", "wrapup", "known_agent", "skip", "vanish"
"""Kinds of deadline that the floor sets."""


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
        self.limbo: set[str] = set()
        """Tasks whose next fact follows at once (given to somebody, ended): no decision before it."""
        self.last_number = 0
        self.last_turn = 0
        self.index = Index()
        self.touched: list[Task | Agent | Line] = []

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
                task.cost_as(spec.cost, spec.interruptible)
                if task.held:
                    self.touched.append(task)

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

    # -- how they hang together -----------------------------------------------------------------------

    def _wait(self, task: Task) -> None:
        """Puts a queued task into its line, or holds it for the agent whom the customer knows. It costs what the
        queue says now."""
        task.cost_as(task.line.queue.cost, task.line.queue.interruptible)
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

    def _unwait(self, task: Task, t: Instant) -> None:
        """Takes a queued task out of wherever it waits."""
        if not task.held:
            self._look_at_kept(1 << task.line.bit, t)
            self.index.take(task.line, task)
        elif task.prefer is not None:
            del self.agents[task.prefer].preferred[task.id], self.held[task.id]
            self.deadlines.drop(KNOWN_AGENT, task.id)
            task.prefer = None
        else:
            self.limbo.discard(task.id)
        task.held = False

    def _detach(self, task: Task, t: Instant) -> None:
        """Takes a task out of its line or away from whoever has it."""
        agent = task.agent
        if agent is None:
            self._unwait(task, t)
            return
        if agent.present and agent.profile is not None:
            self._look_at_kept(agent.profile.mask, t)
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

    def _away(self, agent: Agent, t: Instant) -> None:
        """Before a change of presence: the agent leaves the index."""
        if agent.profile is not None:
            self._look_at_kept(agent.profile.mask, t)
        if agent.present:
            self.index.exit(agent)

    def _back(self, agent: Agent, t: Instant, *, idle: bool = False) -> None:
        """After it: present agents come back, as if they had just become free when `idle`."""
        if not agent.present:
            self._release_preferred(agent)
            return
        if idle:
            self._idle(agent, t, present=False)
        self.index.enter(agent)
        self.touched.append(agent)

    def _look_at_kept(self, mask: int, t: Instant) -> None:
        """Before something changes for these lines: whoever is kept for one of them may be free of it soon."""
        if self.index.uniform:
            return
        limit = t - self.rules.starving
        for line in self.index.lines_of(self.index.waiting & mask):
            if line.tasks[0][1] > limit:
                continue
            kept = self.index.emptiest(line)
            if kept is not None and not kept.fits(line.live, line.queue.cost):
                self.touched.append(kept)

    def _release_preferred(self, agent: Agent) -> None:
        """What waited for this agent alone waits for everybody."""
        for task in sorted(agent.preferred.values(), key=lambda task: task.number):
            self._unwait(task, 0)  # nobody is kept for a held task
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

    def _skip(self, task: Task, agent: str, t: Instant) -> None:
        """The task passes the agent over for a while."""
        task.skips[agent] = t + self.rules.skip
        self.deadlines.set(SKIP, task.id, min(task.skips.values()), self.org)
