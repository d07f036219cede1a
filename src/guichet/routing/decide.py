"""Who gets what: the two questions "who for this task?" and "what for this agent?", and why.

Work is given whenever somebody fit is free, with two exceptions, both bounded in time: a task waits for the
agent whom the customer knows, and an agent is kept for a task that is too large for anybody's free capacity
and has waited long (without this, small tasks would starve it for ever).
"""

from __future__ import annotations

from guichet.events.routing import Decision, OfferMade, OtherTask, Removed, RunnerUp
from guichet.kit.clock import Instant
from guichet.routing.floor import Floor
from guichet.routing.model import Agent, Line, Task
from guichet.routing.policy import Candidate, Waiting

RUNNERS_UP = 3


def agent_for(floor: Floor, task: Task, t: Instant) -> OfferMade | None:
    """An offer of this task to the best agent, or None when nobody fit is free."""
    if task.state != "queued":
        return None
    if task.held:
        return _to_known(floor, task, t)
    line = task.line
    if not line.open:
        return None
    if line.policy.rank is not None:
        # Those passed over may stand first, so ask for that many more.
        best = floor.index.best(line, 1 + RUNNERS_UP + len(task.skips))
        if task.skips:
            best = [agent for agent in best if agent.id not in task.skips]
        if best and not floor.index.uniform and floor.index.waiting & _mask(best[0]):
            best = _not_kept(floor, task, best, t)
    else:
        best = _by_hook(floor, task, t)
    if not best:
        return None
    winner = best[0]
    runners_up = tuple([RunnerUp(a.id, a.idle_since, a.total) for a in best[1 : 1 + RUNNERS_UP]])
    return _offer(floor, task, winner, t, "task", runners_up, 1, ())


def work_for(floor: Floor, agent: Agent, t: Instant) -> OfferMade | None:
    """An offer of the best waiting task to this agent, or None when nothing fits."""
    if agent.hard >= agent.spec.capacity or not agent.present:
        return None
    heads = [
        task for line in floor.index.lines_of(floor.index.waiting & _mask(agent))
        if agent.fits(line.live, line.queue.cost) and (task := _first(floor, line, agent)) is not None
    ]  # fmt: skip
    if agent.preferred:
        heads += [
            task for task in agent.preferred.values() if task.line.open and agent.fits(task.live, task.cost)
        ]
    if not heads:
        return None
    first = min(heads, key=_key)
    chosen = first
    if len(heads) > 1:
        heads.sort(key=_key)
        picked = first.line.policy.pick_task(candidate(agent), [waiting(task) for task in heads])
        chosen = floor.tasks[picked.task]
    if _kept(floor, agent, chosen, t):
        return None
    others = tuple(
        [OtherTask(o.id, o.line.queue.id, o.priority, o.since) for o in heads if o is not chosen][:RUNNERS_UP]
    )
    return _offer(floor, chosen, agent, t, "known" if chosen.held else "agent", (), len(heads), others)


def fits(floor: Floor, task: Task, agent: Agent) -> bool:
    """Whether the machine itself could have offered the task to this agent; if not, a person forces it."""
    return agent.present and bool(_mask(agent) >> task.line.bit & 1) and agent.fits(task.live, task.cost)


def waiting(task: Task) -> Waiting:
    """A task as policies see it."""
    return Waiting(task.id, task.number, task.line.queue.id, task.priority, task.since, task.live, task.cost)


def candidate(agent: Agent) -> Candidate:
    """An agent as policies see them."""
    return Candidate(
        agent.id, len(agent.spec.skills), agent.total, agent.spec.capacity, agent.idle_since, agent.turn
    )


def _key(task: Task) -> tuple[int, int, int]:
    return task.key


def _mask(agent: Agent) -> int:
    return agent.profile.mask if agent.profile is not None else 0


def _to_known(floor: Floor, task: Task, t: Instant) -> OfferMade | None:
    """Somebody it is held for gets it as soon as their capacity allows."""
    agent = floor.agents.get(task.prefer) if task.prefer is not None else None
    if agent is None or not task.line.open or not agent.fits(task.live, task.cost):
        return None
    return _offer(floor, task, agent, t, "known", (), 1, ())


def _by_hook(floor: Floor, task: Task, t: Instant) -> list[Agent]:
    """The winner and runners-up by a policy without `rank`: asked again without each one that it picked."""
    left = [agent for agent in floor.index.fitting(task.line) if agent.id not in task.skips]
    left = sorted(_not_kept(floor, task, left, t), key=lambda agent: agent.turn)
    seen, asked = [candidate(agent) for agent in left], waiting(task)
    best: list[Agent] = []
    while seen and len(best) <= RUNNERS_UP:
        pick = task.line.policy.pick_agent(asked, seen)
        seen.remove(pick)
        best.append(floor.agents[pick.agent])
    return best


def _first(floor: Floor, line: Line, agent: Agent) -> Task | None:
    """The first task in line that does not pass this agent over."""
    for key in line.tasks:
        task = floor.by_number[key[2]]
        if agent.id not in task.skips:
            return task
    return None


# -- keeping an agent for a large task ------------------------------------------------------------------


def _not_kept(floor: Floor, task: Task, agents: list[Agent], t: Instant) -> list[Agent]:
    return [agent for agent in agents if not _kept(floor, agent, task, t)]


def _kept(floor: Floor, agent: Agent, task: Task, t: Instant) -> bool:
    """Whether the agent must not take `task` because a starving one before it waits for their capacity."""
    if floor.index.uniform:
        return False
    limit = t - floor.rules.starving
    for line in floor.index.lines_of(floor.index.waiting & _mask(agent)):
        cost = line.queue.cost
        if agent.fits(line.live, cost) or cost > agent.spec.capacity:
            continue
        first = _first(floor, line, agent)
        if first is None or first.since > limit or first.key > task.key:
            continue
        # Whoever has interruptible work already is free for live work: that is what it is for.
        delays = task.hard > 0 if line.live else not task.live or agent.total == agent.hard
        if delays and floor.index.emptiest(line) is agent:
            return True
    return False


# -- the record -----------------------------------------------------------------------------------------


def _offer(
    floor: Floor,
    task: Task,
    agent: Agent,
    t: Instant,
    side: str,
    runners_up: tuple[RunnerUp, ...],
    tasks: int,
    others: tuple[OtherTask, ...],
) -> OfferMade:
    index, line = floor.index, task.line
    eligible, (clearance, queue, language, skill) = index.eligible(line)
    present, free = index.present(line), index.candidates(line)
    skipped = 0
    for name in task.skips:
        passed = floor.agents[name]
        if passed.present and _mask(passed) >> line.bit & 1 and passed.fits(task.live, line.queue.cost):
            skipped += 1
    record = Decision(
        side=side,  # type: ignore[arg-type]
        policy=line.policy.label,
        config=floor.config,
        agents=index.agents,
        removed=Removed(
            clearance, queue, language, skill, eligible - present, present - free, skipped
        ),
        candidates=free - skipped,
        waited=t - task.since,
        idle_since=agent.idle_since,
        load=agent.total,
        runners_up=runners_up,
        tasks=tasks,
        other_tasks=others,
    )  # fmt: skip
    return OfferMade(
        offer=f"{task.id}-{task.offers + 1}",
        task=task.id,
        conversation=task.conversation,
        client=task.client,
        agent=agent.id,
        deadline=t + floor.rules.offer,
        record=record,
    )
