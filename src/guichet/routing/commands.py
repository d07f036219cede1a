"""What agents, leaders and the desk's own process may ask of routing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from guichet.accounts.permissions import LEAD, SYSTEM, WORK
from guichet.accounts.settings import Disposition, Reason
from guichet.conversations.bounds import MAX_TEXT
from guichet.conversations.part import Conversation
from guichet.events.base import Fact
from guichet.events.conversations import ConversationDisposed, ConversationWaiting, NoteAdded
from guichet.events.routing import (
    AgentConnected,
    AgentVanished,
    OfferAccepted,
    OfferDeclined,
    PresenceChanged,
    WrapupEnded,
)
from guichet.kit.errors import Refused, invalid
from guichet.kit.ids import Ident
from guichet.leader.registry import Now, Scope, command
from guichet.routing.engine import requeue, withdrawal
from guichet.routing.model import Agent, Offer
from guichet.routing.part import Routing

Note = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
Chosen = Literal["offline", "available", "break", "training", "meeting", "back_office"]
"""Presences that people choose; "missed" is the engine's."""


class AcceptOffer(msgspec.Struct, frozen=True):
    """Takes the task that is offered."""

    offer: Ident


class DeclineOffer(msgspec.Struct, frozen=True):
    """Leaves it to others."""

    offer: Ident


class SetPresence(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent does from now on; `agent` None: oneself. `reason`: a configured reason's id."""

    agent: Ident | None = None
    presence: Chosen
    reason: Annotated[str, msgspec.Meta(max_length=64)] = ""


class FinishWrapup(msgspec.Struct, frozen=True, kw_only=True):
    """After-contact work is done, with its result code and a note for colleagues."""

    task: Ident
    disposition: Ident | None = None
    note: Note = ""


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """To a queue or to an agent, one of them."""

    conversation: Ident
    queue: Ident | None = None
    agent: Ident | None = None
    note: Note = ""


class Take(msgspec.Struct, frozen=True):
    """Takes a conversation oneself, whatever the machine had in mind."""

    conversation: Ident


class Assign(msgspec.Struct, frozen=True):
    """Gives a conversation to an agent."""

    conversation: Ident
    agent: Ident


class OfAgent(msgspec.Struct, frozen=True):
    """Which agent's desk came or went."""

    agent: Ident


class _AboutOffer(msgspec.Struct):
    offer: str


class _AboutConversation(msgspec.Struct):
    conversation: str


# --- scopes ----------------------------------------------------------------------------------------


def offer_over() -> Refused:
    """The offer was answered, missed or withdrawn."""
    return Refused("conflict", "offer.over", "this offer is over; somebody else has it, or it waits again")


def not_found(what: str) -> Refused:
    """There is no such thing, or not for the asker."""
    return Refused("not_found", f"{what}.not_found", f"there is no such {what}")


def wrapup_over() -> Refused:
    """The wrap-up was finished, or its time has passed."""
    return Refused("conflict", "wrapup.over", "this wrap-up is over")


def _of_offer(part: Routing, ask: _AboutOffer) -> Scope:
    return _of_task(part, ask.offer.rpartition("-")[0])


def _of_wrapup(part: Routing, ask: FinishWrapup) -> Scope:
    return _of_task(part, ask.task)


def _of_task(part: Routing, task: str) -> Scope:
    # A task is the n-th of its conversation and named so. Whether it has ended is for those only who may know of
    # the conversation; to all others neither exists.
    return _scope(part, task.rpartition("-")[0])


def _of_conversation(part: Routing, ask: _AboutConversation) -> Scope:
    return _scope(part, ask.conversation)


def _scope(part: Routing, conversation: str) -> Scope:
    c = part.conversations.get(conversation)
    return Scope(org=c.org, client=c.client)


# --- offers ----------------------------------------------------------------------------------------


@command("accept_offer", permission=WORK, scope=_of_offer)
def accept_offer(part: Routing, ask: AcceptOffer, now: Now) -> Iterator[Fact]:
    """Refused once the offer is over, and to anybody but whom it was made to."""
    offer = _own_offer(part, ask.offer, now)
    yield OfferAccepted(offer=offer.id, task=offer.task.id, agent=offer.agent.id)


@command("decline_offer", permission=WORK, scope=_of_offer)
def decline_offer(part: Routing, ask: DeclineOffer, now: Now) -> Iterator[Fact]:
    """The task goes to others, and comes back after a while if nobody takes it."""
    offer = _own_offer(part, ask.offer, now)
    yield OfferDeclined(offer=offer.id, task=offer.task.id, agent=offer.agent.id)


def _own_offer(part: Routing, name: str, now: Now) -> Offer:
    offer = part.engine(now.org).offers.get(name)
    if offer is None or offer.agent.id != now.actor.id:
        raise offer_over()
    return offer


@command("finish_wrapup", permission=WORK, scope=_of_wrapup)
def finish_wrapup(part: Routing, ask: FinishWrapup, now: Now) -> Iterator[Fact]:
    """One's own; the result code and the note go to the conversation."""
    task = part.engine(now.org).tasks.get(ask.task)
    if task is None or task.state != "wrapup" or task.agent is None or task.agent.id != now.actor.id:
        raise wrapup_over()
    c = part.conversations.get(task.conversation)
    if ask.disposition is not None:
        found = part.accounts.directory.find(now.org, Disposition, ask.disposition)
        if found is None or not found.active or found.client not in (None, c.client):
            raise invalid("disposition", "disposition.unknown", "choose a result code of this client")
        yield ConversationDisposed(conversation=c.id, agent=task.agent.id, disposition=ask.disposition)
    yield from _note(part, c, ask.note, now)
    yield WrapupEnded(task=task.id, agent=task.agent.id)


def _note(part: Routing, c: Conversation, text: str, now: Now) -> Iterator[Fact]:
    if len(text.encode()) > MAX_TEXT:
        raise Refused("too_large", "note.too_long", "shorten the note", field="note", limit=MAX_TEXT)
    if text.strip() and not part.conversations.customers.is_erased(c.customer):
        yield NoteAdded(
            conversation=c.id, n=c.n + 1, customer=c.customer, client=c.client, agent=now.actor.id, text=text
        )


# --- people decide ---------------------------------------------------------------------------------


@command("take", permission=WORK, scope=_of_conversation)
def take(part: Routing, ask: Take, now: Now) -> Iterator[Fact]:
    """Skill, capacity and presence do not matter, only the clearance. What a colleague at work has takes a
    leader, or the colleague's transfer."""
    engine = part.engine(now.org)
    task = engine.by_conversation.get(ask.conversation)
    holder = task.agent if task is not None else None
    if holder is not None and holder.id != now.actor.id and holder.connected and not _leads(part, now):
        raise Refused("conflict", "task.taken", "a colleague has it; ask them to transfer it to you")
    yield from _give(part, part.conversations.get(ask.conversation), now.actor.id, now)


@command("assign", permission=LEAD, scope=_of_conversation)
def assign(part: Routing, ask: Assign, now: Now) -> Iterator[Fact]:
    """Gives it to an agent who is cleared for the client and, for live work, at a desk."""
    yield from _give(part, part.conversations.get(ask.conversation), ask.agent, now)


@command("transfer", permission=WORK, scope=_of_conversation)
def transfer(part: Routing, ask: Transfer, now: Now) -> Iterator[Fact]:
    """One's own conversation, or as a leader anybody's, with a note for whoever gets it."""
    if (ask.queue is None) == (ask.agent is None):
        raise invalid("queue", "transfer.target", "name a queue or an agent, one of them")
    c = part.conversations.get(ask.conversation)
    task = part.engine(now.org).by_conversation.get(c.id)
    holder = task.agent.id if task is not None and task.agent is not None else c.holder
    if holder != now.actor.id and not _leads(part, now):
        raise Refused("conflict", "conversation.not_yours", "take the conversation first")
    if ask.agent is not None:
        yield from _note(part, c, ask.note, now)
        yield from _give(part, c, ask.agent, now)
        return
    assert ask.queue is not None
    queue = part.queue(now.org, ask.queue)
    if queue is None or not queue.active or not _cleared(part, queue.client, now):
        raise not_found("queue")
    if queue.client != c.client:
        raise invalid("queue", "queue.other_client", "this queue serves another client")
    yield from _note(part, c, ask.note, now)
    if task is None:
        yield ConversationWaiting(conversation=c.id, queue=ask.queue, since=now.t, live=c.live)
        return
    if task.offer is not None:
        yield withdrawal(task, "taken")
    yield requeue(task, "transferred", ask.queue, now.t)


def _give(part: Routing, c: Conversation, agent: str, now: Now) -> Iterator[Fact]:
    engine = part.engine(now.org)
    target = _able(part, c, agent, now)
    task = engine.by_conversation.get(c.id)
    if task is None:
        # The reactor queues a task for it and, as a person names the agent, gives it to them at once.
        yield ConversationWaiting(
            conversation=c.id, queue=c.queue, since=now.t, live=c.live, prefer_agent=target.id
        )
        return
    if task.agent is target:
        return
    if task.offer is not None:
        if task.offer.agent is target and target.id == now.actor.id:
            yield OfferAccepted(offer=task.offer.id, task=task.id, agent=target.id)
            return
        yield withdrawal(task, "taken")
    yield engine.assignment(task, target, by=now.actor.id)


def _able(part: Routing, c: Conversation, agent: str, now: Now) -> Agent:
    """The agent, if they may have the conversation at all. Raises Refused."""
    target = part.engine(now.org).agents.get(agent)
    if target is None or target.profile is None:
        raise not_found("agent")
    if not target.spec.cleared(c.client):
        raise Refused(
            "forbidden", "client.not_cleared", "this agent is not cleared for the client", field="agent"
        )
    if c.live and not target.connected:
        raise Refused("conflict", "agent.absent", "this agent is not at a desk", field="agent")
    return target


def _leads(part: Routing, now: Now) -> bool:
    access = part.accounts.directory.access(now.org, now.actor.id)
    return access is not None and access.may(LEAD)


def _cleared(part: Routing, client: str, now: Now) -> bool:
    access = part.accounts.directory.access(now.org, now.actor.id)
    return access is not None and access.cleared(client)


# --- presence --------------------------------------------------------------------------------------


@command("set_presence", permission=WORK, scope=lambda _, ask: Scope(agent=ask.agent))
def set_presence(part: Routing, ask: SetPresence, now: Now) -> Iterator[Fact]:
    """One's own, or as a leader anybody's. Current work is kept; live offers are withdrawn when leaving."""
    agent = part.engine(now.org).agents.get(ask.agent if ask.agent is not None else now.actor.id)
    if agent is None or agent.profile is None:
        raise not_found("agent")
    if ask.reason:
        reason = part.accounts.directory.find(now.org, Reason, ask.reason)
        if reason is None or not reason.active or reason.presence != ask.presence:
            raise invalid("reason", "reason.unknown", "choose a reason that belongs to this presence")
    if (agent.presence, agent.reason) != (ask.presence, ask.reason):
        yield PresenceChanged(
            organisation=now.org,
            agent=agent.id,
            presence=ask.presence,
            reason=ask.reason,
            by=str(now.actor),
        )


@command("agent_connected", permission=SYSTEM, scope=lambda _, ask: Scope())
def agent_connected(part: Routing, ask: OfAgent, now: Now) -> Iterator[Fact]:
    """The first socket of an agent. A repetition changes nothing."""
    agent = part.engine(now.org).agents.get(ask.agent)
    if agent is None:
        raise not_found("agent")
    if not agent.connected:
        yield AgentConnected(organisation=now.org, agent=agent.id)


@command("agent_vanished", permission=SYSTEM, scope=lambda _, ask: Scope())
def agent_vanished(part: Routing, ask: OfAgent, now: Now) -> Iterator[Fact]:
    """No socket for as long as an organisation waits. A repetition changes nothing."""
    agent = part.engine(now.org).agents.get(ask.agent)
    if agent is None:
        raise not_found("agent")
    if agent.connected or agent.vanishes is not None:
        yield AgentVanished(organisation=now.org, agent=agent.id)
