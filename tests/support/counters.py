"""A tiny domain for tests of the leader: counters with a secret word, a limit, and an alarm."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec

from guichet.events.base import Fact, Id, Personal, fact
from guichet.events.leader import DeadlineFired
from guichet.kit.errors import invalid
from guichet.leader.registry import Answer, At, Facts, Now, Scope, command, project, reacts_to
from guichet.leader.state import Missing, Part, folds
from guichet.store.rows import Delete, Insert, NewJob, RowOp, Update, table


@fact("test.counted", stream="counter", subject="customer")
class Counted(Fact, frozen=True, kw_only=True):
    counter: Id
    customer: Id
    total: int
    word: Personal[str] = ""


@fact("test.alarm_set", stream="counter")
class AlarmSet(Fact, frozen=True, kw_only=True):
    counter: Id
    due: int


@fact("test.echoed", stream=lambda f: f"echo/{f.counter}")
class Echoed(Fact, frozen=True, kw_only=True):
    counter: Id
    total: int


@fact("test.box_opened", stream="box", opens=True)
class BoxOpened(Fact, frozen=True, kw_only=True):
    box: Id


@fact("test.rung", stream="counter")
class Rung(Fact, frozen=True, kw_only=True):
    counter: Id


COUNTER = table(
    "test_counter",
    key=("counter",),
    columns={"counter": "text", "subject": "text", "total": "int", "word": "text", "rung": "bool"},
)


class Counters(Part):
    """Totals by counter; a counter or box at rest (not resident) is loaded again."""

    cold = frozenset({"counter", "box"})

    def __init__(self) -> None:
        self.totals: dict[str, int] = {}
        self.rung: list[str] = []
        self.resting: set[str] = set()
        self.boxes: set[str] = set()

    def get(self, counter: str) -> int:
        if counter not in self.totals:
            raise Missing(f"counter/{counter}")
        return self.totals[counter]

    def loaded(self, stream: str) -> None:
        kind, _, name = stream.partition("/")
        if kind == "counter":
            self.totals.setdefault(name, 0)

    @folds(Counted)
    def counted(self, fact: Counted, at: At) -> None:
        self.totals[fact.counter] = fact.total

    @folds(BoxOpened)
    def box_opened(self, fact: BoxOpened, at: At) -> None:
        self.boxes.add(fact.box)

    @folds(AlarmSet)
    def alarm_set(self, fact: AlarmSet, at: At) -> None:
        self.totals.setdefault(fact.counter, 0)
        self.deadlines.set("test_alarm", fact.counter, fact.due, at.org)

    @folds(Rung)
    def has_rung(self, fact: Rung, at: At) -> None:
        self.rung.append(fact.counter)

    def at_rest(self) -> Iterator[str]:
        for counter in sorted(self.resting):
            self.totals.pop(counter, None)
            yield f"counter/{counter}"
        self.resting.clear()
        for box in sorted(self.boxes):
            yield f"box/{box}"
        self.boxes.clear()

    def dump(self) -> Any:
        return {
            "totals": {name: total for name, total in self.totals.items() if total},
            "rung": list(self.rung),
        }

    def restore(self, data: Any) -> None:
        self.totals, self.rung = data["totals"], data["rung"]


class Count(msgspec.Struct, frozen=True):
    counter: Annotated[str, msgspec.Meta(max_length=64)]
    customer: str = "someone"
    word: str = ""


class OpenBox(msgspec.Struct, frozen=True):
    box: str


class SetAlarm(msgspec.Struct, frozen=True):
    counter: str
    due: int


def anywhere(part: Counters, ask: object) -> Scope:
    return Scope()


@command("test_count", permission="system", scope=anywhere)
def count(part: Counters, ask: Count, now: Now) -> Facts:
    total = part.get(ask.counter) + 1
    if ask.word == "crash in handler":
        raise RuntimeError(ask.word)
    if total > 100:
        raise invalid("counter", "counter.full", "start another counter", limit=100)
    yield Counted(counter=ask.counter, customer=ask.customer, total=total, word=ask.word)
    answer: Answer = {"total": total}
    return answer


@command("test_open_box", permission="system", scope=anywhere)
def open_box(part: Counters, ask: OpenBox, now: Now) -> Facts:
    if ask.box not in part.boxes:
        yield BoxOpened(box=ask.box)
    return None


@command("test_set_alarm", permission="system", scope=anywhere)
def set_alarm(part: Counters, ask: SetAlarm, now: Now) -> Facts:
    part.get(ask.counter)
    yield AlarmSet(counter=ask.counter, due=ask.due)
    return None


@reacts_to(Counted)
def echo(part: Counters, fact: Counted, now: Now) -> Iterator[Fact]:
    if fact.word == "crash in reactor":
        raise RuntimeError(fact.word)
    yield Echoed(counter=fact.counter, total=fact.total)


@reacts_to(DeadlineFired)
def ring(part: Counters, fact: DeadlineFired, now: Now) -> Iterator[Fact]:
    if fact.kind == "test_alarm":
        yield Rung(counter=fact.id)


@project(Counted)
def show_count(part: Counters, fact: Counted, at: At) -> Iterator[RowOp]:
    if fact.word == "gone":
        yield Delete(COUNTER, (fact.counter,))
        return
    values: dict[str, Any] = {"total": fact.total, "word": fact.word, "subject": fact.customer, "rung": False}
    yield (
        Insert(COUNTER, (fact.counter,), values)
        if fact.total == 1
        else Update(COUNTER, (fact.counter,), {"total": fact.total, "word": fact.word})
    )
    if fact.word == "job":
        yield NewJob("test", f"{fact.counter}/{fact.total}", {"counter": fact.counter})


@project(Rung)
def show_ring(part: Counters, fact: Rung, at: At) -> Iterator[RowOp]:
    yield Update(COUNTER, (fact.counter,), {"rung": True})
