"""What follows in routing from what happens: tasks from conversations, the engine's reactions, legs, the start."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from guichet.events.accounts import ConfigChanged
from guichet.events.base import Fact
from guichet.events.conversations import (
    ConversationClosed,
    ConversationParked,
    ConversationRequeued,
    ConversationWaiting,
    LegEnded,
    LegStarted,
    MessageQueued,
)
from guichet.events.leader import DeadlineFired
from guichet.events.routing import (
    AgentDisconnected,
    OfferAccepted,
    SkillNeed,
    TaskAssigned,
    TaskEnded,
    TaskQueued,
    TaskRequeued,
    WrapupStarted,
)
from guichet.kit.clock import SECOND, Instant
from guichet.leader.registry import Now, at_start, reacts_to
from guichet.routing.engine import ended, withdrawal
from guichet.routing.model import Task
from guichet.routing.part import AGENT_FACTS, TASK_FACTS, Routing

LEG_ENDS = {"done": "replied", "closed": "closed", "parked": "parked", "abandoned": "left"}
"""Why a leg ended, by the outcome of its task."""


# --- conversations -> tasks ------------------------------------------------------------------------


@reacts_to(ConversationWaiting)
def queue_task(part: Routing, fact: ConversationWaiting, now: Now) -> Iterator[Fact]:
    """A task with what its queue asks for now. Where an agent's own command names an agent, a person decided:
    they get it at once; otherwise the agent whom the customer knows is only asked first."""
    c = part.conversations.peek(fact.conversation)
    engine = part.engine(now.org)
    queue = engine.queues.get(fact.queue)
    if c is None:
        return
    known = engine.agents.get(fact.prefer_agent) if fact.prefer_agent is not None else None
    if known is not None and not known.spec.cleared(c.client):
        known = None
    decided = known is not None and now.actor.kind == "agent"
    hold = part.settings(now.org).known_agent_seconds * SECOND if known is not None else 0
    asked = not decided and hold > 0
    yield TaskQueued(
        task=f"{c.id}-{c.tasks}",
        conversation=c.id,
        client=c.client,
        queue=fact.queue,
        live=fact.live,
        priority=queue.priority if queue is not None else 0,
        cost=queue.cost if queue is not None else 1,
        interruptible=queue.interruptible if queue is not None else False,
        since=fact.since,
        skills=tuple([SkillNeed(*need) for need in queue.skills]) if queue is not None else (),
        language=queue.language if queue is not None else None,
        prefer_agent=known.id if known is not None and asked else None,
        prefer_until=now.t + hold if asked else None,
        assign_to=known.id if known is not None and decided else None,
    )


@reacts_to(ConversationClosed)
def end_closed(part: Routing, fact: ConversationClosed, now: Now) -> Iterator[Fact]:
    """Live work is wrapped up; the rest ends. Nobody was on it and the customer went: abandoned."""
    task = part.engine(now.org).by_conversation.get(fact.conversation)
    if task is None:
        return
    if task.agent is None:
        left = fact.reason in ("abandoned", "left")
        yield from _end_waiting(task, "left" if left else "closed", "abandoned" if left else "closed")
        return
    wrapup = part.wrapup(now.org, task.line.queue.id)
    if task.live and wrapup and fact.reason != "erased":
        yield WrapupStarted(
            task=task.id, conversation=task.conversation, agent=task.agent.id, until=now.t + wrapup
        )
    else:
        yield ended(task, "closed")


@reacts_to(ConversationParked)
def end_parked(part: Routing, fact: ConversationParked, now: Now) -> Iterator[Fact]:
    """What is put aside holds no capacity."""
    task = part.engine(now.org).by_conversation.get(fact.conversation)
    if task is not None and task.agent is None:
        yield from _end_waiting(task, "closed", "parked")
    elif task is not None:
        yield ended(task, "parked")


@reacts_to(MessageQueued)
def end_replied(part: Routing, fact: MessageQueued, now: Now) -> Iterator[Fact]:
    """A reply ends a deferred task: awaiting the customer holds no capacity."""
    task = part.engine(now.org).by_conversation.get(fact.conversation)
    if task is not None and not task.live and task.agent is not None and task.agent.id == fact.agent:
        yield ended(task, "done")


def _end_waiting(task: Task, reason: str, outcome: str) -> Iterator[Fact]:
    if task.offer is not None:
        yield withdrawal(task, reason)
    yield ended(task, outcome)


# --- the engine ------------------------------------------------------------------------------------


@reacts_to(*TASK_FACTS, *AGENT_FACTS, DeadlineFired, ConfigChanged)
def run_engine(part: Routing, fact: Fact, now: Now) -> Iterable[Fact]:
    """Consequences and decisions."""
    return part.engine(now.org).react(fact, now.t)


# --- tasks -> legs ---------------------------------------------------------------------------------


@reacts_to(OfferAccepted, TaskAssigned)
def start_leg(part: Routing, fact: OfferAccepted | TaskAssigned, now: Now) -> Iterator[Fact]:
    """The agent is in the conversation from now on, at the site where they work at this moment."""
    task = part.engine(now.org).tasks[fact.task]
    yield from _end_legs(part, task.conversation, task.id, "taken")
    settings = part.accounts.agent(now.org, fact.agent)
    site = part.accounts.site(now.org, settings.site) if settings is not None else None
    yield LegStarted(
        conversation=task.conversation,
        leg=f"{task.id}.{task.legs}",
        party="agent",
        agent=fact.agent,
        site=settings.site if settings is not None else None,
        country=site.country if site is not None else None,
        employer=site.employer if site is not None else None,
    )


@reacts_to(TaskRequeued)
def leave_requeued(part: Routing, fact: TaskRequeued, now: Now) -> Iterator[Fact]:
    """The agent has left the conversation, which waits again."""
    yield from _end_legs(part, fact.conversation, fact.task, fact.reason)
    if part.conversations.peek(fact.conversation) is not None:
        yield ConversationRequeued(
            conversation=fact.conversation, queue=fact.queue, since=fact.since, reason=fact.reason
        )


@reacts_to(WrapupStarted)
def leave_wrapped_up(part: Routing, fact: WrapupStarted, now: Now) -> Iterator[Fact]:
    """The agent wraps up outside the conversation."""
    yield from _end_legs(part, fact.conversation, fact.task, "closed")


@reacts_to(TaskEnded)
def leave_ended(part: Routing, fact: TaskEnded, now: Now) -> Iterator[Fact]:
    """The agent has left, unless they only wrapped up."""
    yield from _end_legs(part, fact.conversation, fact.task, LEG_ENDS[fact.outcome])


def _end_legs(part: Routing, conversation: str, task: str, reason: str) -> Iterator[Fact]:
    c = part.conversations.peek(conversation)
    for leg in c.legs if c is not None else ():
        if leg.startswith(f"{task}."):
            yield LegEnded(conversation=conversation, leg=leg, reason=reason)


# --- the start -------------------------------------------------------------------------------------


@at_start
def begin(part: Routing, t: Instant) -> Iterator[tuple[str, Fact]]:
    """Nobody is at a desk until they say so again; offers that nobody could answer meanwhile are withdrawn,
    never counted as missed."""
    for org, engine in sorted(part.engines.items()):
        until = t + part.settings(org).vanish_seconds * SECOND
        for name, agent in sorted(engine.agents.items()):
            if agent.connected:
                yield org, AgentDisconnected(organisation=org, agent=name, until=until)
        for _, offer in sorted(engine.offers.items()):
            yield org, withdrawal(offer.task, "restart")
