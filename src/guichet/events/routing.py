"""Facts of routing: tasks, offers and their decision records, wrap-up, presence.

A task's facts form its stream, opened by `task.queued`; an agent's presence forms the stream of the agent.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from guichet.events.base import Fact, Id, Plain, fact
from guichet.kit.clock import Instant, Millis

Presence = Literal["offline", "available", "break", "training", "meeting", "back_office", "missed"]
"""What an agent is doing. `missed`: offers were missed in a row, so no more come until the agent says so."""

Outcome = Literal["done", "abandoned", "closed", "parked"]


class SkillNeed(msgspec.Struct, frozen=True, gc=False):
    """A skill that the work asks for, from this level (1-5) up."""

    skill: Id
    level: int


class Removed(msgspec.Struct, frozen=True, gc=False):
    """How many agents each criterion removed, in this order; an agent counts once, at the first."""

    clearance: int = 0
    queue: int = 0
    language: int = 0
    skill: int = 0
    presence: int = 0
    capacity: int = 0
    skipped: int = 0


class RunnerUp(msgspec.Struct, frozen=True, gc=False):
    """Somebody who could have had the task: idle since when, with how much load."""

    agent: Id
    idle_since: Instant
    load: int


class OtherTask(msgspec.Struct, frozen=True, gc=False):
    """A task that the freed agent could have had instead."""

    task: Id
    queue: Id
    priority: int
    since: Instant


class Decision(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Why an offer went to this agent. Under 1 kB as JSON; the log position is that of the offer itself.

    `side`: "task" when a task looked for an agent, "agent" when a freed agent looked for work, "known" when
    the task asked for the agent whom the customer knows. `config` is the version of the configuration.
    """

    side: Literal["task", "agent", "known"]
    policy: Plain[str]
    config: int
    agents: int
    removed: Removed
    candidates: int
    waited: Millis
    idle_since: Instant
    load: int
    runners_up: tuple[RunnerUp, ...] = ()
    tasks: int = 1
    other_tasks: tuple[OtherTask, ...] = ()


@fact("task.queued", stream="task", opens=True)
class TaskQueued(Fact, frozen=True, kw_only=True):
    """A conversation needs somebody. Carries what the work asks for at this moment.

    `prefer_agent` is asked alone until `prefer_until`. `assign_to` takes it at once, by a person's decision.
    """

    task: Id
    conversation: Id
    client: Id
    queue: Id
    live: bool
    priority: int
    cost: int
    interruptible: bool
    since: Instant
    skills: tuple[SkillNeed, ...] = ()
    language: Id | None = None
    prefer_agent: Id | None = None
    prefer_until: Instant | None = None
    assign_to: Id | None = None


@fact("offer.made", stream="task")
class OfferMade(Fact, frozen=True, kw_only=True):
    """The task is proposed to one agent until `deadline`; it holds capacity meanwhile."""

    offer: Id
    task: Id
    conversation: Id
    client: Id
    agent: Id
    deadline: Instant
    record: Decision


@fact("offer.accepted", stream="task")
class OfferAccepted(Fact, frozen=True, kw_only=True):
    """The agent took it."""

    offer: Id
    task: Id
    agent: Id
    reason: Plain[str] = ""


@fact("offer.declined", stream="task")
class OfferDeclined(Fact, frozen=True, kw_only=True):
    """The agent said no; the task goes back to its place and skips this agent for a while. `reason` stays empty: an
    agent's own words would outlive the erasure of the customer whom they name."""

    offer: Id
    task: Id
    agent: Id
    reason: Plain[str] = ""


@fact("offer.missed", stream="task")
class OfferMissed(Fact, frozen=True, kw_only=True):
    """The deadline passed without an answer; as declined, and counted for the breaker."""

    offer: Id
    task: Id
    agent: Id
    reason: Plain[str] = ""


@fact("offer.withdrawn", stream="task")
class OfferWithdrawn(Fact, frozen=True, kw_only=True):
    """The offer ended without the agent's doing. `reason`: taken (a person gives the task to somebody else),
    left, closed, presence, vanished, restart, config."""

    offer: Id
    task: Id
    agent: Id
    reason: Plain[str] = ""


@fact("task.assigned", stream="task")
class TaskAssigned(Fact, frozen=True, kw_only=True):
    """A person gave the task to an agent, or took it. `forced`: skill, capacity or presence were overridden.
    `previous`: from whom."""

    task: Id
    conversation: Id
    agent: Id
    by: Id
    forced: bool
    previous: Id | None = None


@fact("task.requeued", stream="task")
class TaskRequeued(Fact, frozen=True, kw_only=True):
    """The task left `agent` and waits again, in `queue`, at the place of `since`. `reason`: vanished,
    transferred, config (the agent may not have it any more)."""

    task: Id
    conversation: Id
    agent: Id | None
    queue: Id
    since: Instant
    reason: Plain[str] = ""


@fact("wrapup.started", stream="task")
class WrapupStarted(Fact, frozen=True, kw_only=True):
    """The live contact is over; its cost is held until `until` or until the agent has finished."""

    task: Id
    conversation: Id
    agent: Id
    until: Instant


@fact("wrapup.ended", stream="task")
class WrapupEnded(Fact, frozen=True, kw_only=True):
    """After-contact work is finished. `task.ended` follows."""

    task: Id
    agent: Id


@fact("task.ended", stream="task")
class TaskEnded(Fact, frozen=True, kw_only=True):
    """The last fact of a task. `agent`: who had it, if anybody did."""

    task: Id
    conversation: Id
    client: Id
    agent: Id | None
    outcome: Outcome


def agent_stream(value: PresenceChanged | AgentConnected | AgentDisconnected | AgentVanished) -> str:
    """Two organisations may have agents of one id."""
    return f"agent/{value.organisation}.{value.agent}"


@fact("presence.changed", stream=agent_stream)
class PresenceChanged(Fact, frozen=True, kw_only=True):
    """What the agent does from now on. `reason` is a configured reason's id, `by` who changed it ("agent:<id>",
    "system"), `cause` what made the system do it (an offer's id)."""

    organisation: Id
    agent: Id
    presence: Presence
    reason: Plain[str] = ""
    by: Plain[str] = ""
    cause: Plain[str] = ""


@fact("agent.connected", stream=agent_stream)
class AgentConnected(Fact, frozen=True, kw_only=True):
    """The agent has a desk open."""

    organisation: Id
    agent: Id


@fact("agent.disconnected", stream=agent_stream)
class AgentDisconnected(Fact, frozen=True, kw_only=True):
    """The agent's desk is gone, perhaps for a moment: no new offers until it is back, or until `until`, when
    the agent counts as vanished."""

    organisation: Id
    agent: Id
    until: Instant


@fact("agent.vanished", stream=agent_stream)
class AgentVanished(Fact, frozen=True, kw_only=True):
    """The agent did not come back: offers are withdrawn, live tasks go back to their queues."""

    organisation: Id
    agent: Id
