"""The leader's state: one typed part per stage, changed only by folds, plus deadlines and look-ups."""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, TypeVar

import msgspec

from guichet.events.base import Fact, stream_of
from guichet.events.leader import DeadlineFired
from guichet.kit.clock import Instant
from guichet.leader.registry import PROJECTORS, REACTORS, STARTERS, At, Now, Starter
from guichet.store.port import Row
from guichet.store.rows import Key, RowOp, Table

F = TypeVar("F", bound=Callable[..., Any])
P = TypeVar("P", bound="Part")


class Missing(Exception):
    """A cold stream must be loaded before the command can run."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.stream = stream


class MissingRow(Exception):
    """A row of an inline table must be read before the command can run."""

    def __init__(self, table: Table, key: Key) -> None:
        super().__init__(f"{table.name}{key}")
        self.table = table
        self.key = key


def folds(*facts: type[Fact]) -> Callable[[F], F]:
    """Marks a part's method `(self, fact, at)` as the one that folds these facts."""

    def mark(method: F) -> F:
        method.__folds__ = facts  # type: ignore[attr-defined]
        return method

    return mark


class Deadlines:
    """All that is due in a shard, in (due, kind, id) order. Setting one anew moves it."""

    def __init__(self) -> None:
        self._due: dict[tuple[str, str], tuple[Instant, str]] = {}
        self._heap: list[tuple[Instant, str, str, str]] = []

    def set(self, kind: str, what: str, due: Instant, org: str) -> None:
        """`what` (an offer, a task ...) is due at `due`; `kind` tells deadlines of one thing apart."""
        self._due[kind, what] = (due, org)
        heapq.heappush(self._heap, (due, kind, what, org))

    def drop(self, kind: str, what: str) -> None:
        """Forgets it; nothing happens when there is none."""
        self._due.pop((kind, what), None)

    def next(self) -> tuple[Instant, str, str, str] | None:
        """The earliest (due, kind, id, organisation), or None."""
        while self._heap:
            due, kind, what, org = self._heap[0]
            if self._due.get((kind, what)) == (due, org):
                return due, kind, what, org
            heapq.heappop(self._heap)
        return None

    def items(self) -> list[tuple[str, str, Instant, str]]:
        """All of them, in no order."""
        return [(kind, what, due, org) for (kind, what), (due, org) in self._due.items()]


class Lookups:
    """Rows that handlers asked for by key: a bounded memory of what the inline tables say. Not state:
    a fold keeps it true (`put`), and what was forgotten is read again."""

    LIMIT = 100_000

    def __init__(self) -> None:
        self._rows: OrderedDict[tuple[str, Key], Row | None] = OrderedDict()

    def get(self, table: Table, key: Key) -> Row | None:
        """The row, or None when there is none. Raises MissingRow when nobody knows yet."""
        at = (table.name, key)
        if at not in self._rows:
            raise MissingRow(table, key)
        self._rows.move_to_end(at)
        return self._rows[at]

    def put(self, table: Table, key: Key, row: Row | None) -> None:
        self._rows[table.name, key] = row
        if len(self._rows) > self.LIMIT:
            self._rows.popitem(last=False)


class Part:
    """One stage's share of the state. Holds ids, states, times and hashes, never text.

    `cold` names the kinds of stream that are loaded when asked for and forgotten when at rest; facts of
    such a stream must be enough to rebuild its entity alone.
    """

    cold: ClassVar[frozenset[str]] = frozenset()
    folders: ClassVar[dict[type[Fact], str]] = {}

    deadlines: Deadlines
    lookups: Lookups

    def __init_subclass__(cls) -> None:
        cls.folders = {
            fact: name
            for name in dir(cls)
            if not name.startswith("__")
            for fact in getattr(getattr(cls, name, None), "__folds__", ())
        }

    def loaded(self, stream: str) -> None:
        """Called after a cold stream was folded; `stream` may have had no facts at all."""

    def at_rest(self) -> Iterator[str]:
        """Cold streams that may be forgotten now; they are dropped from the part by the time this ends."""
        return iter(())

    def dump(self) -> Any:  # noqa: ANN401 (each part's own shape)
        """The part as msgpack-able data: what `restore` takes, and what the replay check compares. It is packed at
        once, so it may share what the part holds; structs are packed far faster than plain copies of them are made."""
        raise NotImplementedError

    def restore(self, data: Any) -> None:  # noqa: ANN401
        """Replaces the part's content by what `dump` gave (msgpack-decoded: lists for tuples)."""
        raise NotImplementedError


class State:
    """All parts of one shard, wired by the composition root in stage order."""

    def __init__(self, parts: list[Part]) -> None:
        self.deadlines = Deadlines()
        self.lookups = Lookups()
        self.versions: dict[str, int] = {}
        self.parts = parts
        self._by_type = {type(part): part for part in parts}
        self._folds: dict[type[Fact], list[Callable[[Any, At], None]]] = {DeadlineFired: [self._fired]}
        self.cold: frozenset[str] = frozenset().union(*(part.cold for part in parts))
        for part in parts:
            part.deadlines, part.lookups = self.deadlines, self.lookups
            for fact, name in part.folders.items():
                self._folds.setdefault(fact, []).append(getattr(part, name))

        # What is registered for parts that this state does not have is no business of its.
        self._reactors = {
            fact: [(r.react, self._by_type[r.part]) for r in reactors if r.part in self._by_type]
            for fact, reactors in REACTORS.items()
        }
        self._projectors = {
            fact: [(p.project, self._by_type[p.part]) for p in projectors if p.part in self._by_type]
            for fact, projectors in PROJECTORS.items()
        }

    def part(self, kind: type[P]) -> P:
        """The part of this type. Raises KeyError when the state has none."""
        return self._by_type[kind]  # type: ignore[return-value]

    def starters(self) -> list[Starter]:
        """What its stages do when a leader begins to lead."""
        return [starter for starter in STARTERS if starter.part in self._by_type]

    def react(self, fact: Fact, now: Now) -> Iterable[Fact]:
        """What the stages answer to a folded fact, in stage order; to be taken once, at once."""
        reactors = self._reactors.get(type(fact), ())
        if len(reactors) == 1:
            react, part = reactors[0]
            return react(part, fact, now)
        return [answer for react, part in reactors for answer in react(part, fact, now)]

    def project(self, fact: Fact, at: At) -> Iterable[RowOp]:
        """The row operations that a folded fact makes; to be taken once, at once."""
        projectors = self._projectors.get(type(fact), ())
        if len(projectors) == 1:
            project, part = projectors[0]
            return project(part, fact, at)
        return [op for project, part in projectors for op in project(part, fact, at)]

    def next_version(self, stream: str, opens: bool) -> int:
        """The version that the stream's next fact gets. Raises Missing for a cold stream that is not here."""
        version = self.versions.get(stream)
        if version is None:
            if not opens and stream[: stream.index("/")] in self.cold:
                raise Missing(stream)
            return 1
        return version + 1

    def fold(self, fact: Fact, at: At, stream: str | None = None) -> None:
        """Takes one fact in. Whoever knows its stream already says so."""
        self.versions[stream if stream is not None else stream_of(fact)] = at.version
        for fold in self._folds.get(type(fact), ()):
            fold(fact, at)

    def _fired(self, fact: DeadlineFired, at: At) -> None:
        self.deadlines.drop(fact.kind, fact.id)

    def loaded(self, stream: str) -> None:
        """Marks a cold stream as resident (also one without facts)."""
        self.versions.setdefault(stream, 0)
        kind = stream[: stream.index("/")]
        for part in self.parts:
            if kind in part.cold:
                part.loaded(stream)

    def forget_at_rest(self) -> None:
        """Drops what may be loaded again."""
        for part in self.parts:
            for stream in part.at_rest():
                self.versions.pop(stream, None)

    def dump(self) -> bytes:
        """A snapshot of everything; holds no personal data because parts hold none."""
        return msgspec.msgpack.encode(
            {
                "versions": self.versions,
                "deadlines": self.deadlines.items(),
                "parts": {type(part).__name__: part.dump() for part in self.parts},
            }
        )

    def restore(self, data: bytes) -> None:
        """The opposite of `dump`, into fresh parts."""
        content = msgspec.msgpack.decode(data)
        self.versions = content["versions"]
        for kind, what, due, org in content["deadlines"]:
            self.deadlines.set(kind, what, due, org)
        for part in self.parts:
            part.restore(content["parts"][type(part).__name__])
