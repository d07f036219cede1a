"""The simulator: drives the routing engine, the very one of the live leader, on a virtual clock."""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Callable, Iterable

import msgspec

from guichet.events.base import Fact
from guichet.events.leader import DeadlineFired
from guichet.events.routing import (
    AgentConnected,
    OfferAccepted,
    OfferMade,
    PresenceChanged,
    TaskEnded,
    TaskQueued,
)
from guichet.kit.clock import Instant, Millis
from guichet.kit.draws import exponentials
from guichet.leader.state import Deadlines
from guichet.routing.engine import Engine
from guichet.sim.workload import Centre

Progress = Callable[[int], None]
PROGRESS_EVERY = 20_000

_ARRIVE, _LEAVE, _FINISH = 0, 1, 2


class Mark(msgspec.Struct, frozen=True):
    """The time integrals as a batch of contacts begins: contacts so far, agents at work, contacts in line."""

    contacts: int
    t: Instant
    busy: int
    waiting: int


class Course:
    """What happened, by contact in the order of arrival.

    `waits[n]`: milliseconds until the offer or until giving up; 0 for whoever was served on arrival.
    `served[n]`: 1 or 0. `marks`: one at each batch's beginning and at the end of the last.
    """

    def __init__(self, contacts: int) -> None:
        self.waits = array("q", bytes(8 * contacts))
        self.served = array("b", bytes(contacts))
        self.marks: list[Mark] = []


class _Contact(msgspec.Struct, gc=False):
    number: int
    task: str
    agent: str
    arrived: Instant
    service: Millis
    begun: bool = False


class Simulator:
    """One run: everybody is there, accepts at once and needs no wrap-up."""

    def __init__(self, centre: Centre, seed: int) -> None:
        self.centre = centre
        self.engine = Engine("sim", Deadlines())
        self._seed = seed
        self._events: list[tuple[Instant, int, int, int | _Contact]] = []
        self._ordinal = 0
        self._contacts: dict[str, _Contact] = {}
        self._busy = 0
        engine = self.engine
        engine.rules = centre.rules
        for queue in centre.queues:
            engine.set_queue(queue)
        for spec in centre.agents:
            engine.set_agent(spec)
            engine.apply(AgentConnected(organisation="sim", agent=spec.id), t=0)
            engine.apply(PresenceChanged(organisation="sim", agent=spec.id, presence="available"), t=0)

    def run(self, contacts: int, batch: int, progress: Progress | None = None) -> Course:
        """Lets so many contacts arrive, a mark after each `batch` of them, and ends when all are gone."""
        course = Course(contacts)
        gaps = [exponentials(self._seed, f"arrivals {n}") for n in range(len(self.centre.sources))]
        services = [s.service.draws(self._seed, f"service {n}") for n, s in enumerate(self.centre.sources)]
        patiences = [
            s.patience.draws(self._seed, f"patience {n}") if s.patience is not None else None
            for n, s in enumerate(self.centre.sources)
        ]
        clocks = [0.0] * len(gaps)
        events, deadlines = self._events, self.engine.deadlines
        for at, source in enumerate(self.centre.sources):
            clocks[at] = next(gaps[at]) * source.gap
            self._at(round(clocks[at]), _ARRIVE, at)
        arrived = last = busy_area = waiting_area = 0
        while events:
            t, _, kind, item = heapq.heappop(events)
            busy_area += self._busy * (t - last)
            waiting_area += (len(self._contacts) - self._busy) * (t - last)
            last = t
            while (due := deadlines.next()) is not None and due[0] <= t:
                fired = DeadlineFired(kind=due[1], id=due[2], due=due[0])
                deadlines.drop(due[1], due[2])
                self._serve(self.engine.apply(fired, t=t), t, course)
            if isinstance(item, _Contact):
                if kind == _LEAVE and item.begun:
                    continue
                self._end(item, t, course)
                continue
            if arrived % batch == 0 and (not course.marks or course.marks[-1].contacts < arrived):
                course.marks.append(Mark(arrived, t, busy_area, waiting_area))
            if arrived == contacts:
                continue
            source, patience = self.centre.sources[item], patiences[item]
            contact = self._arrive(arrived, item, next(services[item]), t, course)
            arrived += 1
            if patience is not None:
                waits_for = next(patience)
                if not contact.begun:
                    self._at(t + waits_for, _LEAVE, contact)
            clocks[item] += next(gaps[item]) * source.gap
            self._at(round(clocks[item]), _ARRIVE, item)
            if progress is not None and arrived % PROGRESS_EVERY == 0:
                progress(arrived)
        return course

    def _at(self, t: Instant, kind: int, item: int | _Contact) -> None:
        self._ordinal += 1
        heapq.heappush(self._events, (t, self._ordinal, kind, item))

    def _arrive(self, number: int, at: int, service: Millis, t: Instant, course: Course) -> _Contact:
        source = self.centre.sources[at]
        spec = self.engine.queues[source.queue]
        conversation = f"c{number}"
        contact = _Contact(number, f"{conversation}-1", "", t, service)
        self._contacts[contact.task] = contact
        queued = TaskQueued(
            task=contact.task,
            conversation=conversation,
            client=spec.client,
            queue=spec.id,
            live=source.live,
            priority=spec.priority,
            cost=spec.cost,
            interruptible=spec.interruptible,
            since=t,
        )
        self._serve(self.engine.apply(queued, t=t), t, course)
        return contact

    def _serve(self, facts: Iterable[Fact], t: Instant, course: Course) -> None:
        """Accepts every offer among the facts."""
        for fact in facts:
            if not isinstance(fact, OfferMade):
                continue
            contact = self._contacts[fact.task]
            contact.begun, contact.agent = True, fact.agent
            self._busy += 1
            course.waits[contact.number] = t - contact.arrived
            course.served[contact.number] = 1
            accepted = OfferAccepted(offer=fact.offer, task=fact.task, agent=fact.agent)
            self.engine.apply(accepted, t=t)
            self._at(t + contact.service, _FINISH, contact)

    def _end(self, contact: _Contact, t: Instant, course: Course) -> None:
        del self._contacts[contact.task]
        if contact.begun:
            self._busy -= 1
        else:
            course.waits[contact.number] = t - contact.arrived
        fact = TaskEnded(
            task=contact.task,
            conversation=contact.task[:-2],
            client=self.centre.queues[0].client,
            agent=contact.agent or None,
            outcome="done" if contact.begun else "abandoned",
        )
        self._serve(self.engine.apply(fact, t=t), t, course)
