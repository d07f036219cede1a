"""A floor as plain data for snapshots, and back. Configuration is not in it: the accounts' part has that."""

from __future__ import annotations

from typing import Any

from guichet.routing.floor import Floor
from guichet.routing.model import Agent, AgentSpec, Offer, Task


def dump_floor(floor: Floor) -> dict[str, Any]:
    """In an order that does not depend on how the floor came about."""
    return {
        "config": floor.config,
        "last_number": floor.last_number,
        "last_turn": floor.last_turn,
        "closed": sorted(floor.closed),
        "agents": [_dump_agent(floor.agents[name]) for name in sorted(floor.agents)],
        "tasks": [_dump_task(floor.by_number[number]) for number in sorted(floor.by_number)],
    }


def restore_floor(floor: Floor, data: dict[str, Any]) -> None:
    """Into a floor whose queues are configured already. Agents get their saved state and the profile that the
    configuration gives them by `floor.set_agent`, which must have been called for those who are active."""
    floor.config = data["config"]
    for saved in data["agents"]:
        _restore_agent(floor, saved)
    for saved in data["tasks"]:
        _restore_task(floor, saved)
    floor.last_number, floor.last_turn = data["last_number"], data["last_turn"]
    floor.touched = []


def _dump_agent(agent: Agent) -> list[Any]:
    return [
        agent.id, agent.presence, agent.reason, agent.since, agent.connected, agent.vanishes, agent.turn,
        agent.idle_since, agent.missed,
    ]  # fmt: skip


def _restore_agent(floor: Floor, saved: list[Any]) -> None:
    name = saved[0]
    agent = floor.agents.get(name)
    if agent is None:  # out of use, perhaps with work left
        agent = floor.agents[name] = Agent(AgentSpec(name, clients=frozenset()))
    (
        agent.presence, agent.reason, agent.since, agent.connected, agent.vanishes, agent.turn,
        agent.idle_since, agent.missed,
    ) = saved[1:]  # fmt: skip
    if agent.present:
        floor.index.enter(agent)


def _dump_task(task: Task) -> list[Any]:
    offer = task.offer
    return [
        task.id, task.conversation, task.client, task.live, task.number, task.line.queue.id, task.priority,
        task.since, task.cost, task.hard, task.state, task.agent.id if task.agent is not None else None,
        [offer.id, offer.agent.id, offer.deadline] if offer is not None else None, task.offers, task.legs,
        task.prefer, task.prefer_until, task.held, task.skips, task.wrapup_until,
    ]  # fmt: skip


def _restore_task(floor: Floor, saved: list[Any]) -> None:
    (
        name, conversation, client, live, number, queue, priority, since, cost, hard, state, holder, offered,
        offers, legs, prefer, prefer_until, held, skips, wrapup_until,
    ) = saved  # fmt: skip
    task = Task(name, conversation, client, live, number)
    task.stand(floor.line(queue, client, live, cost), priority, since)
    task.cost, task.hard = cost, hard
    task.state, task.offers, task.legs = state, offers, legs
    task.prefer, task.prefer_until, task.held = prefer, prefer_until, held
    task.skips, task.wrapup_until = skips, wrapup_until
    floor.tasks[name] = floor.by_number[number] = task
    if state != "wrapup":
        floor.by_conversation[conversation] = task
    if offered is not None:
        agent = floor.agents[offered[1]]
        task.offer = floor.offers[offered[0]] = agent.offers[offered[0]] = Offer(
            offered[0], task, agent, offered[2]
        )
        floor.hold(agent, task)
    elif holder is not None:
        task.agent = floor.agents[holder]
        task.agent.tasks[name] = task
        floor.hold(task.agent, task)
    elif held and prefer is not None:
        floor.agents[prefer].preferred[name] = floor.held[name] = task
    else:
        floor.index.put(task.line, task)
