"""Routing's share of the leader's state: one engine per organisation, fed with facts and configuration."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any

import msgspec

from guichet.accounts.part import Accounts
from guichet.accounts.settings import Agent as AgentSettings
from guichet.accounts.settings import Hours, OrganisationSettings
from guichet.accounts.settings import Queue as QueueSettings
from guichet.conversations.part import Conversations
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
    WrapupEnded,
    WrapupStarted,
)
from guichet.kit.clock import SECOND, Instant, Millis
from guichet.leader.registry import At
from guichet.leader.state import Part, folds
from guichet.routing.counts import QueueCounts
from guichet.routing.engine import Engine
from guichet.routing.hours import next_change, next_midnight, open_at
from guichet.routing.model import AgentSpec, QueueSpec, Rules
from guichet.routing.saved import dump_floor, restore_floor

QUEUE_HOURS, REFRESH, DAY = "queue_hours", "refresh", "routing_day"
"""Kinds of deadline that the part sets beside the engine's."""

REFRESH_EVERY: Millis = SECOND
PLACES = 100
"""How many in each line are told their place."""

TaskFact = (
    TaskQueued | TaskAssigned | TaskRequeued | TaskEnded | WrapupStarted | WrapupEnded | OfferMade
    | OfferAccepted | OfferDeclined | OfferMissed | OfferWithdrawn
)  # fmt: skip
AgentFact = PresenceChanged | AgentConnected | AgentDisconnected | AgentVanished
TASK_FACTS: tuple[type[TaskFact], ...] = typing.get_args(TaskFact)
AGENT_FACTS: tuple[type[AgentFact], ...] = typing.get_args(AgentFact)


class House(msgspec.Struct):
    """What the part keeps of one organisation beside the engine.

    `dirty`: queues whose row is behind. `places`: what waiting tasks were told. `parked`: (agent, task) whose
    list still shows a parked conversation. `refreshed` and `unparked` are what the last fold did, for its rows.
    """

    counts: dict[str, QueueCounts] = {}
    dirty: set[str] = set()
    places: dict[str, int] = {}
    parked: dict[str, tuple[str, str]] = {}
    refreshed: list[str] = []
    moved: dict[str, int] = {}
    unparked: tuple[str, str] | None = None
    day: bool = False

    def count(self, queue: str) -> QueueCounts:
        counts = self.counts.get(queue)
        if counts is None:
            counts = self.counts[queue] = QueueCounts()
        return counts


class Routing(Part):
    """Engines and what is counted around them."""

    def __init__(self, accounts: Accounts, conversations: Conversations) -> None:
        self.accounts = accounts
        self.conversations = conversations
        self.engines: dict[str, Engine] = {}
        self.houses: dict[str, House] = {}
        self._ended: list[str] = []

    # -- reading --------------------------------------------------------------------------------------

    def engine(self, org: str) -> Engine:
        """The organisation's engine, made on first use."""
        engine = self.engines.get(org)
        if engine is None:
            engine = self.engines[org] = Engine(org, self.deadlines)
            self.houses[org] = House()
            engine.rules = self._rules(org)
        return engine

    def queue(self, org: str, name: str) -> QueueSettings | None:
        return self.accounts.queue(org, name)

    def wrapup(self, org: str, queue: str) -> Millis:
        """How long wrap-up may take after work of this queue."""
        settings = self.queue(org, queue)
        if settings is not None and settings.wrapup_seconds is not None:
            return settings.wrapup_seconds * SECOND
        return self.settings(org).wrapup_seconds * SECOND

    def settings(self, org: str) -> OrganisationSettings:
        """The organisation's settings, or their defaults while it is being founded."""
        found = self.accounts.directory.get(org, "organisation", "organisation")
        return found if isinstance(found, OrganisationSettings) else OrganisationSettings(name=org)

    def answer_within(self, org: str, queue: str) -> Millis:
        settings = self.queue(org, queue)
        return settings.answer_within_seconds * SECOND if settings is not None else 60 * SECOND

    # -- folding --------------------------------------------------------------------------------------

    @folds(*TASK_FACTS)
    def _task_fact(self, fact: TaskFact, at: At) -> None:
        engine, house = self.engine(at.org), self.houses[at.org]
        task = engine.tasks.get(fact.task)
        before = (task.line.queue.id, task.state, task.legs) if task is not None else None
        engine.fold(fact, at.t)
        task = engine.tasks.get(fact.task)
        house.unparked = None
        if before is not None:
            house.count(before[0]).moved(before[1], -1)
            self._dirty(house, before[0], at)
        if task is None:
            self._forget(house, fact, before)
            return
        queue = task.line.queue.id
        house.count(queue).moved(task.state, 1)
        self._dirty(house, queue, at)
        if task.state != "queued":
            house.places.pop(task.id, None)
        if task.legs == 1 and before is not None and before[2] == 0:
            house.count(queue).answered(at.t - task.since, self.answer_within(at.org, queue))
        if isinstance(fact, TaskQueued):
            house.unparked = house.parked.pop(task.conversation, None)
            if not task.held:
                house.places[task.id] = engine.index.place(task)

    def _forget(self, house: House, fact: TaskFact, before: tuple[str, str, int] | None) -> None:
        house.places.pop(fact.task, None)
        self._ended.append(fact.task)
        if isinstance(fact, TaskEnded) and before is not None:
            if fact.outcome == "abandoned":
                house.count(before[0]).abandoned_today += 1
            elif fact.outcome == "parked" and fact.agent is not None:
                house.parked[fact.conversation] = (fact.agent, fact.task)

    @folds(*AGENT_FACTS)
    def _agent_fact(self, fact: AgentFact, at: At) -> None:
        self.engine(at.org).fold(fact, at.t)

    @folds(ConversationClosed)
    def _closed(self, fact: ConversationClosed, at: At) -> None:
        house = self.house(at.org)
        house.unparked = house.parked.pop(fact.conversation, None)

    @folds(DeadlineFired)
    def _fired(self, fact: DeadlineFired, at: At) -> None:
        if at.org not in self.engines:
            return
        engine, house = self.engine(at.org), self.house(at.org)
        engine.fold(fact, at.t)
        if fact.kind == REFRESH:
            self._refresh(engine, house)
        elif fact.kind == DAY:
            for counts in house.counts.values():
                counts.new_day()
            house.day = False
            for queue in sorted(house.counts):
                self._dirty(house, queue, at)
        elif fact.kind == QUEUE_HOURS:
            self._keep_hours(engine, fact.id.removeprefix(f"{at.org}/"), at.t)

    @folds(ConfigChanged)
    def _config_changed(self, fact: ConfigChanged, at: At) -> None:
        engine = self.engine(at.org)
        engine.fold(fact, at.t)
        engine.config = self.accounts.version_of(at.org)
        if fact.kind == "organisation":
            engine.rules = self._rules(at.org)
        elif fact.kind == "agent":
            self._set_agent(engine, fact.id)
        elif fact.kind == "queue":
            self._set_queue(engine, fact.id)
            self._keep_hours(engine, fact.id, at.t)
            self.house(at.org).count(fact.id)
        elif fact.kind == "hours":
            for queue in self._queues_with(at.org, fact.id):
                self._keep_hours(engine, queue, at.t)

    # -- configuration --------------------------------------------------------------------------------

    def house(self, org: str) -> House:
        house = self.houses.get(org)
        if house is None:
            self.engine(org)
            house = self.houses[org]
        return house

    def _rules(self, org: str) -> Rules:
        settings = self.settings(org)
        return Rules(offer=settings.offer_seconds * SECOND, missed_limit=settings.missed_limit)

    def _set_agent(self, engine: Engine, name: str) -> None:
        settings = self.accounts.agent(engine.org, name)
        if settings is None or not settings.active:
            engine.drop_agent(name)
        else:
            engine.set_agent(agent_spec(name, settings))

    def _set_queue(self, engine: Engine, name: str) -> None:
        settings = self.queue(engine.org, name)
        if settings is not None:
            engine.set_queue(queue_spec(name, settings), open_=name not in engine.closed)

    def _keep_hours(self, engine: Engine, queue: str, t: Instant) -> None:
        """Opens or closes the queue by its hours as of `t`, and comes back when that changes."""
        settings = self.queue(engine.org, queue)
        hours = None
        if settings is not None and settings.hours is not None:
            hours = self.accounts.hours(engine.org, settings.hours)
        ident = f"{engine.org}/{queue}"
        if isinstance(hours, Hours) and hours.active:
            engine.set_open(queue, open_at(hours, t))
            self.deadlines.set(QUEUE_HOURS, ident, next_change(hours, t), engine.org)
        else:
            engine.set_open(queue, True)
            self.deadlines.drop(QUEUE_HOURS, ident)
        self._dirty_at(self.houses[engine.org], engine.org, queue, t)

    def _queues_with(self, org: str, hours: str) -> Iterator[str]:
        for name, value in self.accounts.all(org, "queue").items():
            if isinstance(value, QueueSettings) and value.hours == hours:
                yield name

    # -- rows that lag by up to a second --------------------------------------------------------------

    def _dirty(self, house: House, queue: str, at: At) -> None:
        if queue not in house.dirty or not house.day:
            self._dirty_at(house, at.org, queue, at.t)

    def _dirty_at(self, house: House, org: str, queue: str, t: Instant) -> None:
        if not house.dirty:
            self.deadlines.set(REFRESH, org, t + REFRESH_EVERY, org)
        house.dirty.add(queue)
        if not house.day:
            house.day = True
            self.deadlines.set(DAY, org, next_midnight(self._time_zone(org), t), org)

    def _refresh(self, engine: Engine, house: House) -> None:
        house.refreshed = sorted(house.dirty)
        house.dirty.clear()
        house.moved = {}
        for queue in house.refreshed:
            for line in engine.index.by_bit:
                if line.queue.id != queue:
                    continue
                for place, key in enumerate(line.tasks[:PLACES], 1):
                    task = engine.by_number[key[2]].id
                    if house.places.get(task) != place:
                        house.places[task] = house.moved[task] = place

    def _time_zone(self, org: str) -> str:
        """The day of the figures is that of the first site."""
        sites = self.accounts.all(org, "site")
        site = self.accounts.site(org, min(sites)) if sites else None
        return site.time_zone if site is not None else "UTC"

    # -- residency and snapshots ----------------------------------------------------------------------

    def at_rest(self) -> Iterator[str]:
        """An ended task's stream gets no more facts."""
        for task in self._ended:
            yield f"task/{task}"
        self._ended.clear()

    def dump(self) -> Any:  # noqa: ANN401 (plain data)
        return {
            org: {
                "floor": dump_floor(engine),
                "counts": msgspec.to_builtins(dict(sorted(self.houses[org].counts.items()))),
                "dirty": sorted(self.houses[org].dirty),
                "places": dict(sorted(self.houses[org].places.items())),
                "parked": {c: list(pair) for c, pair in sorted(self.houses[org].parked.items())},
                "day": self.houses[org].day,
            }
            for org, engine in sorted(self.engines.items())
        }

    def restore(self, data: Any) -> None:  # noqa: ANN401
        self.engines, self.houses, self._ended = {}, {}, []
        for org, saved in data.items():
            engine = self.engine(org)
            engine.closed = set(saved["floor"]["closed"])
            for queue in self.accounts.all(org, "queue"):
                self._set_queue(engine, queue)
            for agent in self.accounts.all(org, "agent"):
                self._set_agent(engine, agent)
            restore_floor(engine, saved["floor"])
            self.houses[org] = House(
                counts=msgspec.convert(saved["counts"], dict[str, QueueCounts]),
                dirty=set(saved["dirty"]),
                places=saved["places"],
                parked={c: (agent, task) for c, (agent, task) in saved["parked"].items()},
                day=saved["day"],
            )


def agent_spec(name: str, settings: AgentSettings) -> AgentSpec:
    """What the engine needs of an agent's settings."""
    return AgentSpec(
        id=name,
        skills=frozenset((skill.skill, skill.level) for skill in settings.skills),
        languages=frozenset(settings.languages),
        clients=frozenset(settings.clients),
        queues=frozenset(settings.queues),
        capacity=settings.capacity,
    )


def queue_spec(name: str, settings: QueueSettings) -> QueueSpec:
    """What the engine needs of a queue's settings."""
    return QueueSpec(
        id=name,
        client=settings.client,
        skills=tuple((skill.skill, skill.level) for skill in settings.skills),
        language=settings.language,
        priority=settings.priority,
        cost=settings.cost,
        interruptible=settings.interruptible,
        policy=settings.policy,
    )
