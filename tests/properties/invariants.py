"""What must hold of routing, checked on the stream of its facts by books kept apart from the engine.

`Ledger.take(fact, t)` follows one fact; `Ledger.at_rest(t)` is asked when nothing more follows. Both raise
`Broken`, which names the property: double, capacity, clearance, people, order, conserving.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from guichet.accounts.settings import KINDS, Agent, Hours, OrganisationSettings, Queue
from guichet.events.accounts import ConfigChanged
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
    WrapupStarted,
)
from guichet.kit.clock import SECOND, Instant
from guichet.routing.model import AgentSpec, QueueSpec, Rules
from guichet.routing.part import agent_spec, queue_spec

LIMBO = frozenset({"taken", "left", "closed"})


class Broken(AssertionError):
    """A property does not hold."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(f"{name}: {what}")
        self.name = name


@dataclass
class Person:
    """An agent as the books know them."""

    spec: AgentSpec
    active: bool = True
    presence: str = "offline"
    connected: bool = False

    @property
    def present(self) -> bool:
        return self.active and self.connected and self.presence == "available"


@dataclass
class Piece:
    """A task as the books know it."""

    id: str
    client: str
    queue: str
    live: bool
    priority: int
    since: Instant
    cost: int
    interruptible: bool
    number: int
    state: str = "queued"
    agent: str | None = None
    offer: str | None = None
    held: str | None = None
    skips: dict[str, Instant] = field(default_factory=dict)

    @property
    def key(self) -> tuple[int, int, int]:
        return (-self.priority, self.since, self.number)


class Ledger:
    """The books of one organisation."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.rules = rules if rules is not None else Rules()
        self.queues: dict[str, QueueSpec] = {}
        self.closed: set[str] = set()
        self.hours: dict[str, str | None] = {}
        self.people: dict[str, Person] = {}
        self.pieces: dict[str, Piece] = {}
        self.numbers = 0
        self.decisions = 0

    # -- configuration --------------------------------------------------------------------------------

    def set_queue(self, spec: QueueSpec, *, open_: bool = True) -> None:
        self.queues[spec.id] = spec
        (self.closed.discard if open_ else self.closed.add)(spec.id)
        for piece in self.pieces.values():
            if piece.state == "queued" and piece.queue == spec.id:
                piece.cost, piece.interruptible = spec.cost, spec.interruptible

    def set_agent(self, spec: AgentSpec) -> None:
        person = self.people.setdefault(spec.id, Person(spec))
        person.spec, person.active = spec, True
        self._unhold(spec.id)

    def drop_agent(self, name: str) -> None:
        if name in self.people:
            self.people[name].active = False
            self._unhold(name)

    def _config(self, fact: ConfigChanged) -> None:
        model = KINDS[fact.kind].model_validate(fact.value)
        if isinstance(model, Agent):
            (self.set_agent if model.active else lambda spec: self.drop_agent(spec.id))(
                agent_spec(fact.id, model)
            )
        elif isinstance(model, Queue):
            # The books do not read clocks: whether hours are open is not their business.
            self.set_queue(queue_spec(fact.id, model), open_=model.hours is None)
        elif isinstance(model, OrganisationSettings):
            self.rules = Rules(offer=model.offer_seconds * SECOND, missed_limit=model.missed_limit)
        assert not isinstance(model, Hours) or fact.id not in self.hours

    # -- following ------------------------------------------------------------------------------------

    def take(self, fact: Fact, t: Instant) -> None:
        """Follows one fact and checks what it claims."""
        follow = _FOLLOW.get(type(fact))
        if follow is not None:
            follow(self, fact, t)

    def _queued(self, fact: TaskQueued, t: Instant) -> None:
        self.numbers += 1
        if any(p.id == fact.task for p in self.pieces.values()):
            raise Broken("double", f"{fact.task} is queued twice")
        piece = Piece(
            fact.task, fact.client, fact.queue, fact.live, fact.priority, fact.since, fact.cost,
            fact.interruptible, self.numbers,
        )  # fmt: skip
        self.pieces[piece.id] = piece
        if fact.assign_to is not None:
            piece.state = "limbo"
        elif fact.prefer_agent is not None and fact.prefer_until is not None:
            person = self.people.get(fact.prefer_agent)
            if person is not None and person.present and self.eligible(person, piece):
                piece.held = fact.prefer_agent

    def _made(self, fact: OfferMade, t: Instant) -> None:
        self.decisions += 1
        piece, person = self.pieces[fact.task], self.people[fact.agent]
        if piece.state != "queued":
            raise Broken("double", f"{piece.id} is offered while {piece.state}")
        if not person.spec.cleared(piece.client):
            raise Broken("clearance", f"{piece.id} is offered to {fact.agent}")
        if not self.room(person, piece):
            raise Broken("capacity", f"{piece.id} is offered to {fact.agent}, who is full")
        if not person.present:
            raise Broken("people", f"{piece.id} is offered to {fact.agent}, who is {person.presence}")
        for other in self.pieces.values():
            if self._overtaken(other, piece, fact.agent, t):
                raise Broken("order", f"{piece.id} overtakes {other.id}")
        piece.state, piece.agent, piece.offer, piece.held = "offered", fact.agent, fact.offer, None

    def _overtaken(self, other: Piece, piece: Piece, agent: str, t: Instant) -> bool:
        return (
            other.state == "queued"
            and (other.queue, other.client, other.live) == (piece.queue, piece.client, piece.live)
            and other.key < piece.key
            and other.held in (None, agent)
            and piece.held is None
            and other.skips.get(agent, -1) < t
        )

    def _accepted(self, fact: OfferAccepted, t: Instant) -> None:
        piece = self._close(fact.offer, fact.agent)
        piece.state, piece.agent, piece.skips = "assigned", fact.agent, {}

    def _refused(self, fact: OfferDeclined | OfferMissed, t: Instant) -> None:
        piece = self._close(fact.offer, fact.agent)
        self._back(piece)
        piece.skips[fact.agent] = t + self.rules.skip

    def _withdrawn(self, fact: OfferWithdrawn, t: Instant) -> None:
        piece = self._close(fact.offer, fact.agent)
        if fact.reason in LIMBO:
            piece.state, piece.agent = "limbo", None
        else:
            self._back(piece)

    def _close(self, offer: str, agent: str) -> Piece:
        found = [p for p in self.pieces.values() if p.offer == offer]
        if len(found) != 1 or found[0].agent != agent:
            raise Broken("double", f"{offer} is answered but not live with {agent}")
        piece = found[0]
        piece.offer = None
        return piece

    def _back(self, piece: Piece) -> None:
        piece.state, piece.agent, piece.held = "queued", None, None
        spec = self.queues[piece.queue]
        piece.cost, piece.interruptible = spec.cost, spec.interruptible

    def _assigned(self, fact: TaskAssigned, t: Instant) -> None:
        piece, person = self.pieces[fact.task], self.people[fact.agent]
        if piece.offer is not None:
            raise Broken("people", f"{piece.id} is given to {fact.agent} while {piece.agent} is asked")
        if not person.spec.cleared(piece.client):
            raise Broken("clearance", f"{piece.id} is given to {fact.agent}")
        piece.state, piece.agent, piece.held, piece.skips = "assigned", fact.agent, None, {}

    def _requeued(self, fact: TaskRequeued, t: Instant) -> None:
        piece = self.pieces[fact.task]
        if piece.offer is not None:
            raise Broken("double", f"{piece.id} goes back while it is offered")
        piece.queue, piece.since, piece.priority = fact.queue, fact.since, self.queues[fact.queue].priority
        self._back(piece)
        if fact.agent is not None and fact.reason == "transferred":
            piece.skips[fact.agent] = t + self.rules.skip

    def _wrapup(self, fact: WrapupStarted, t: Instant) -> None:
        self.pieces[fact.task].state = "wrapup"

    def _ended(self, fact: TaskEnded, t: Instant) -> None:
        piece = self.pieces.pop(fact.task)
        if piece.offer is not None:
            raise Broken("double", f"{piece.id} ends while it is offered")

    def _presence(self, fact: PresenceChanged, t: Instant) -> None:
        self.people[fact.agent].presence = fact.presence
        if fact.presence != "available":
            self._unhold(fact.agent)

    def _desk(self, fact: AgentConnected | AgentDisconnected | AgentVanished, t: Instant) -> None:
        self.people[fact.agent].connected = isinstance(fact, AgentConnected)
        if not isinstance(fact, AgentConnected):
            self._unhold(fact.agent)

    def _fired(self, fact: DeadlineFired, t: Instant) -> None:
        if fact.kind == "known_agent" and fact.id in self.pieces:
            self.pieces[fact.id].held = None

    def _unhold(self, agent: str) -> None:
        for piece in self.pieces.values():
            if piece.held == agent:
                piece.held = None

    # -- questions ------------------------------------------------------------------------------------

    def load(self, name: str, *, live: bool) -> int:
        """What counts against the budget for live work, or against the whole."""
        return sum(
            piece.cost
            for piece in self.pieces.values()
            if piece.agent == name and (piece.live or not (live and piece.interruptible))
        )

    def room(self, person: Person, piece: Piece) -> bool:
        return self.load(person.spec.id, live=piece.live) + piece.cost <= person.spec.capacity

    def eligible(self, person: Person, piece: Piece) -> bool:
        queue, agent = self.queues[piece.queue], person.spec
        return (
            agent.cleared(piece.client)
            and agent.serves(queue.id)
            and (queue.language is None or queue.language in agent.languages)
            and all(
                any(skill == s and has >= level for s, has in agent.skills) for skill, level in queue.skills
            )
        )

    def waiting(self) -> Iterator[Piece]:
        """Tasks that could be offered now."""
        for piece in self.pieces.values():
            if piece.state == "queued" and (piece.live or piece.queue not in self.closed):
                yield piece

    def at_rest(self, t: Instant) -> None:
        """Nothing follows any more: nobody fit is idle while somebody waits, nothing is in between."""
        for piece in self.pieces.values():
            if piece.state == "limbo":
                raise Broken("conserving", f"{piece.id} is nowhere")
        waiting = list(self.waiting())
        for piece in waiting:
            for name, person in self.people.items():
                if (
                    person.present
                    and self.eligible(person, piece)
                    and self.room(person, piece)
                    and piece.skips.get(name, -1) < t
                    and piece.held in (None, name)
                    and not self._kept(person, piece, waiting, t)
                ):
                    raise Broken("conserving", f"{piece.id} waits while {name} is free")

    def _kept(self, person: Person, piece: Piece, waiting: list[Piece], t: Instant) -> bool:
        """Whether the agent may be kept for an older task that is too large for anybody's free capacity. Whoever
        has interruptible work already is free for live work all the same."""
        name = person.spec.id
        gives_way = self.load(name, live=False) > self.load(name, live=True)
        return any(
            (large.cost > piece.cost or large.live != piece.live)
            and not (piece.live and not large.live and gives_way)
            and large.key < piece.key
            and large.since <= t - self.rules.starving
            and self.eligible(person, large)
            and not self.room(person, large)
            and person.spec.capacity >= large.cost
            for large in waiting
        )


_FOLLOW: dict[type[Fact], Callable[[Ledger, Any, Instant], None]] = {
    ConfigChanged: lambda ledger, fact, t: ledger._config(cast(ConfigChanged, fact)),
    TaskQueued: Ledger._queued,
    OfferMade: Ledger._made,
    OfferAccepted: Ledger._accepted,
    OfferDeclined: Ledger._refused,
    OfferMissed: Ledger._refused,
    OfferWithdrawn: Ledger._withdrawn,
    TaskAssigned: Ledger._assigned,
    TaskRequeued: Ledger._requeued,
    WrapupStarted: Ledger._wrapup,
    TaskEnded: Ledger._ended,
    PresenceChanged: Ledger._presence,
    AgentConnected: Ledger._desk,
    AgentDisconnected: Ledger._desk,
    AgentVanished: Ledger._desk,
    DeadlineFired: Ledger._fired,
}
