"""Tables `task`, `work`, `agent_state`, `queue_state`, `decision`: what the desk shows of routing.

The part has folded the fact before: what it knows of a task is how the task stands afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from guichet.events.accounts import ConfigChanged
from guichet.events.conversations import ConversationClosed
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
    WrapupStarted,
)
from guichet.leader.registry import At, project
from guichet.routing.model import Agent, Task
from guichet.routing.part import REFRESH, Routing
from guichet.routing.tables import AGENT_STATE, DECISION, QUEUE_STATE, TASK, WORK
from guichet.store.rows import Delete, Insert, RowOp, Update, Value


@project(TaskQueued)
def show_queued(part: Routing, fact: TaskQueued, at: At) -> Iterator[RowOp]:
    """A task begins; a parked conversation that woke up leaves the list of whoever parked it."""
    values: dict[str, Value] = {
        "conversation": fact.conversation,
        "client": fact.client,
        "queue": fact.queue,
        "live": fact.live,
        "state": "queued",
        "since": fact.since,
        "priority": fact.priority,
        "answer_by": fact.since + part.answer_within(at.org, fact.queue),
        "place": part.house(at.org).places.get(fact.task),
    }
    yield Insert(TASK, (fact.task,), values)
    yield from _unparked(part, fact.client, at)


@project(OfferMade)
def show_offer(part: Routing, fact: OfferMade, at: At) -> Iterator[RowOp]:
    """The offer card, with why it went here; the record also stays when the card has gone."""
    task = part.engine(at.org).tasks[fact.task]
    record = msgspec.json.decode(msgspec.json.encode(fact.record))
    yield _task_row(task, {"state": "offered", "agent": fact.agent, "place": None})
    offered: dict[str, Value] = {
        "state": "offered",
        "deadline": fact.deadline,
        "offer": fact.offer,
        "why": record,
        "forced": False,
    }
    yield Insert(WORK, (fact.agent, task.id), _work_values(part, task, at) | offered)
    yield from _agent_row(part, at, fact.agent)
    decision: dict[str, Value] = {
        "task": task.id,
        "conversation": task.conversation,
        "client": task.client,
        "agent": fact.agent,
        "t": at.t,
        "record": record,
    }
    yield Insert(DECISION, (fact.offer,), decision)


@project(OfferAccepted)
def show_accepted(part: Routing, fact: OfferAccepted, at: At) -> Iterator[RowOp]:
    """The card becomes work."""
    task = part.engine(at.org).tasks[fact.task]
    yield _task_row(task, {"state": "assigned"})
    yield Update(
        WORK, (fact.agent, task.id), {"state": "assigned", "deadline": None}, {"client": task.client}
    )
    yield from _agent_row(part, at, fact.agent)


@project(OfferDeclined, OfferMissed, OfferWithdrawn)
def show_offer_over(
    part: Routing, fact: OfferDeclined | OfferMissed | OfferWithdrawn, at: At
) -> Iterator[RowOp]:
    """The card goes."""
    task = part.engine(at.org).tasks[fact.task]
    yield _task_row(task, {"state": "queued", "agent": None})
    yield Delete(WORK, (fact.agent, task.id), {"client": task.client})
    yield from _agent_row(part, at, fact.agent)


@project(TaskAssigned)
def show_assigned(part: Routing, fact: TaskAssigned, at: At) -> Iterator[RowOp]:
    """From one list, if it was in any, to another."""
    task = part.engine(at.org).tasks[fact.task]
    yield _task_row(task, {"state": "assigned", "agent": fact.agent, "place": None})
    if fact.previous is not None:
        yield Delete(WORK, (fact.previous, task.id), {"client": task.client})
        yield from _agent_row(part, at, fact.previous)
    values: dict[str, Value] = {"state": "assigned", "forced": fact.forced}
    yield Insert(WORK, (fact.agent, task.id), _work_values(part, task, at) | values)
    yield from _agent_row(part, at, fact.agent)


@project(TaskRequeued)
def show_requeued(part: Routing, fact: TaskRequeued, at: At) -> Iterator[RowOp]:
    """Out of the list, back in line."""
    task = part.engine(at.org).tasks[fact.task]
    values: dict[str, Value] = {
        "state": "queued",
        "agent": None,
        "queue": fact.queue,
        "since": fact.since,
        "priority": task.priority,
        "answer_by": fact.since + part.answer_within(at.org, fact.queue),
    }
    yield _task_row(task, values)
    if fact.agent is not None:
        yield Delete(WORK, (fact.agent, task.id), {"client": task.client})
        yield from _agent_row(part, at, fact.agent)


@project(WrapupStarted)
def show_wrapup(part: Routing, fact: WrapupStarted, at: At) -> Iterator[RowOp]:
    """Work after the contact, until a time."""
    task = part.engine(at.org).tasks[fact.task]
    yield _task_row(task, {"state": "wrapup"})
    yield Update(
        WORK, (fact.agent, task.id), {"state": "wrapup", "deadline": fact.until}, {"client": task.client}
    )
    yield from _agent_row(part, at, fact.agent)


@project(TaskEnded)
def show_ended(part: Routing, fact: TaskEnded, at: At) -> Iterator[RowOp]:
    """The row goes; what was parked stays in the list of whoever parked it."""
    known: dict[str, Value] = {"client": fact.client}
    yield Delete(TASK, (fact.task,), known)
    if fact.agent is None:
        return
    if fact.outcome == "parked":
        c = part.conversations.peek(fact.conversation)
        back = c.parked_until if c is not None else None
        yield Update(WORK, (fact.agent, fact.task), {"state": "parked", "deadline": back}, known)
    else:
        yield Delete(WORK, (fact.agent, fact.task), known)
    yield from _agent_row(part, at, fact.agent)


@project(ConversationClosed)
def show_closed(part: Routing, fact: ConversationClosed, at: At) -> Iterator[RowOp]:
    """A parked conversation was closed."""
    c = part.conversations.peek(fact.conversation)
    if c is not None:
        yield from _unparked(part, c.client, at)


@project(PresenceChanged, AgentConnected, AgentDisconnected, AgentVanished)
def show_agent(
    part: Routing, fact: PresenceChanged | AgentConnected | AgentDisconnected | AgentVanished, at: At
) -> Iterator[RowOp]:
    """What the agent does, and whether a desk is open."""
    yield from _agent_row(part, at, fact.agent)


@project(ConfigChanged)
def show_config(part: Routing, fact: ConfigChanged, at: At) -> Iterator[RowOp]:
    """An agent or a queue gets its row with its configuration, and loses it when taken out of use."""
    if fact.kind == "agent":
        yield Delete(AGENT_STATE, (at.org, fact.id))
        settings = part.accounts.agent(at.org, fact.id)
        if settings is not None and settings.active:
            agent = part.engine(at.org).agents[fact.id]
            values: dict[str, Value] = {"site": settings.site, "team": settings.team}
            yield Insert(AGENT_STATE, (at.org, fact.id), _agent_values(agent) | values)
    elif fact.kind == "queue":
        queue = part.queue(at.org, fact.id)
        client: dict[str, Value] = {"client": queue.client if queue is not None else None}
        yield Delete(QUEUE_STATE, (at.org, fact.id), client)
        if queue is not None and queue.active:
            yield Insert(QUEUE_STATE, (at.org, fact.id), _queue_values(part, at.org, fact.id) | client)


@project(DeadlineFired)
def show_refreshed(part: Routing, fact: DeadlineFired, at: At) -> Iterator[RowOp]:
    """Once a second at most: the figures of queues where something happened, and places in line."""
    if fact.kind != REFRESH:
        return
    house, engine = part.house(at.org), part.engine(at.org)
    for name in house.refreshed:
        queue = part.queue(at.org, name)
        if queue is not None and queue.active:
            known: dict[str, Value] = {"client": queue.client}
            yield Update(QUEUE_STATE, (at.org, name), _queue_values(part, at.org, name), known)
    for name, place in house.moved.items():
        yield _task_row(engine.tasks[name], {"place": place})


def _task_row(task: Task, values: dict[str, Value]) -> Update:
    return Update(TASK, (task.id,), values, {"client": task.client})


def _work_values(part: Routing, task: Task, at: At) -> dict[str, Value]:
    return {
        "conversation": task.conversation,
        "client": task.client,
        "queue": task.line.queue.id,
        "live": task.live,
        "since": task.since,
        "answer_by": task.since + part.answer_within(at.org, task.line.queue.id),
    }


def _agent_row(part: Routing, at: At, name: str) -> Iterator[RowOp]:
    """Nothing for somebody out of use, who has no row."""
    agent = part.engine(at.org).agents[name]
    if agent.profile is not None:
        yield Update(AGENT_STATE, (at.org, name), _agent_values(agent))


def _agent_values(agent: Agent) -> dict[str, Value]:
    ends = [task.wrapup_until for task in agent.tasks.values() if task.wrapup_until is not None]
    return {
        "presence": agent.presence,
        "reason": agent.reason,
        "since": agent.since,
        "load": agent.total,
        "capacity": agent.spec.capacity,
        "offered": len(agent.offers),
        "connected": agent.connected,
        "wrapup_until": max(ends, default=None),
    }


def _queue_values(part: Routing, org: str, queue: str) -> dict[str, Value]:
    engine, counts = part.engine(org), part.house(org).count(queue)
    waits = [key[1] for line in engine.index.by_bit if line.queue.id == queue for key in line.tasks]
    waits += [task.since for task in engine.held.values() if task.line.queue.id == queue]
    return {
        "open": queue not in engine.closed,
        "waiting": len(waits),
        "oldest": min(waits, default=None),
        "offered": counts.offered,
        "assigned": counts.assigned,
        "answered_today": counts.answered_today,
        "answered_in_time_today": counts.answered_in_time_today,
        "abandoned_today": counts.abandoned_today,
    }


def _unparked(part: Routing, client: str, at: At) -> Iterator[RowOp]:
    gone = part.house(at.org).unparked
    if gone is not None:
        yield Delete(WORK, gone, {"client": client})
