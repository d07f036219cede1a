"""Replay: state and rows again from the log alone. Used to rebuild tables, and to prove that live equals log."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import cast

import msgspec

from guichet.events.base import Fact, decode
from guichet.leader.registry import Actor, ActorKind, At, Now
from guichet.leader.state import State
from guichet.store.port import Entry, Reader, Row, Writer
from guichet.store.rows import TABLES, Change, Changes, Key, Table, Value
from guichet.store.sealing import Sealer

CHUNK = 2_000

Rows = dict[str, dict[tuple[str, Key], Row]]
"""Rows by table name, then by (organisation, key)."""


async def project_entries(
    state: State, sealer: Sealer, entries: Sequence[Entry], reactions: Reactions | None = None
) -> Changes:
    """Folds entries into `state` (which forgets nothing) and collects the rows they make.

    Personal fields are opened where the key still exists and are empty otherwise.
    """
    await sealer.load_keys({e.subject for e in entries if e.subject and e.sealed is not None})
    changes = Changes()
    for entry in entries:
        personal = sealer.unseal(entry) if entry.sealed is not None else None
        fact = decode(entry.type, entry.type_version, entry.data, personal)
        at = At(entry.seq, entry.t, entry.org, entry.actor, entry.version)
        state.fold(fact, at, entry.stream)
        changes.add(entry.org, state.project(fact, at))
        if reactions is not None:
            reactions.take(fact, at)
    return changes


async def rebuild_tables(writer: Writer, sealer: Sealer, shard: int, new_state: Callable[[], State]) -> int:
    """Rebuilds from the log whatever table is new or of another version; gives the number of tables."""
    tables = await writer.rebuild_needed(TABLES.values())
    if not tables:
        return 0
    names = {table.name for table in tables}
    await writer.begin_rebuild(tables)
    state, seq = new_state(), 0
    while entries := await writer.entries(shard, seq, CHUNK):
        changes = await project_entries(state, sealer, entries)
        rows = [change for change in changes.rows.values() if change.table.name in names]
        await writer.rebuild(rows, changes.erased)
        seq = entries[-1].seq
    await writer.end_rebuild(tables)
    return len(tables)


class Reactions:
    """The second check: given only what people, edges and deadlines brought in, the stages answer the same again.

    Each fact is either one that a reactor just gave (then it must come in that order) or an input. What a reactor
    gives now and the log does not hold, or a fact that only reactors make and none gave, is a difference.
    """

    def __init__(self, state: State, answers_only: frozenset[type[Fact]]) -> None:
        self._state = state
        self._answers_only = answers_only
        self._expected: deque[Fact] = deque()
        self.inputs = 0
        self.answers = 0
        self.found: list[Difference] = []

    def take(self, fact: Fact, at: At) -> None:
        """Follows a fact that was just folded into the state."""
        if self._expected and self._expected[0] == fact:
            self._expected.popleft()
            self.answers += 1
        else:
            self.inputs += 1
            if type(fact) in self._answers_only:
                self.found.append(Difference(f"fact {at.seq}", "no reactor gives it"))
        kind, _, name = at.actor.partition(":")
        actor = Actor(cast(ActorKind, kind), name, at.org)
        self._expected.extend(self._state.react(fact, Now(at.t, at.org, actor)))

    def end(self) -> list[Difference]:
        """All differences, once the log is at its end."""
        missing = [Difference("log", f"lacks {type(fact).__name__}") for fact in self._expected]
        self._expected.clear()
        return self.found + missing


class Difference(msgspec.Struct, frozen=True):
    """One thing that live and log disagree on; says where, never what (it may be personal)."""

    where: str
    what: str


class Replayed(msgspec.Struct):
    """What a whole replay gave."""

    state: State
    rows: Rows
    reactions: Reactions
    seq: int = 0


async def replay(
    reader: Reader,
    sealer: Sealer,
    shard: int,
    new_state: Callable[[], State],
    answers_only: frozenset[type[Fact]] = frozenset(),
) -> Replayed:
    """Reads the whole log into a fresh state and fresh rows, in memory, and asks the reactors again."""
    state = new_state()
    result = Replayed(state, {name: {} for name in TABLES}, Reactions(state, answers_only))
    while entries := await reader.entries(shard, result.seq, CHUNK):
        changes = await project_entries(result.state, sealer, entries, result.reactions)
        for subject in changes.erased:
            erase_rows(result.rows, subject)
        apply_changes(result.rows, changes.rows.values())
        result.seq = entries[-1].seq
    return result


def apply_changes(rows: Rows, changes: Iterable[Change]) -> None:
    """Does to `rows` what an engine does to its tables."""
    for change in changes:
        table, at = rows[change.table.name], (change.org, change.key)
        if change.values is None:
            table.pop(at, None)
        elif change.fresh:
            empty: Row = dict.fromkeys(change.table.columns)
            table[at] = empty | change.values | {"org": change.org}
        elif at in table:
            table[at].update(change.values)


def erase_rows(rows: Rows, subject: str) -> None:
    """Does to `rows` what erasing a customer does to the tables."""
    for name, table in rows.items():
        if "subject" in TABLES[name].columns:
            for at in [at for at, row in table.items() if row["subject"] == subject]:
                del table[at]


def compare_rows(table: Table, replayed: dict[tuple[str, Key], Row], live: Iterable[Row]) -> list[Difference]:
    """Differences between a replayed table and the live one."""
    found: list[Difference] = []
    seen: set[tuple[str, Key]] = set()
    for row in live:
        at = (str(row["org"]), tuple(row[c] for c in table.key))
        seen.add(at)  # type: ignore[arg-type]
        other = replayed.get(at)  # type: ignore[arg-type]
        if other is None:
            found.append(Difference(f"{table.name}{at}", "only live"))
            continue
        found.extend(
            Difference(f"{table.name}{at}", f"column {c} differs")
            for c, kind in table.columns.items()
            if _as_stored(kind, other.get(c)) != row.get(c)
        )
    found.extend(Difference(f"{table.name}{at}", "only replayed") for at in replayed if at not in seen)
    return found


def _as_stored(kind: str, value: Value) -> Value:
    """A value as its column gives it back: JSON knows no tuples."""
    return msgspec.json.decode(msgspec.json.encode(value)) if kind == "json" else value


def compare_states(replayed: State, live: State) -> list[Difference]:
    """Differences between two states, part by part, after both forgot what is at rest."""
    replayed.forget_at_rest()
    live.forget_at_rest()
    one, two = msgspec.msgpack.decode(replayed.dump()), msgspec.msgpack.decode(live.dump())
    same = sorted(one["deadlines"]) == sorted(two["deadlines"])
    found = [] if same else [Difference("deadlines", "differ")]
    both = sorted(set(one["versions"]) & set(two["versions"]))
    found.extend(
        Difference(stream, "version differs")
        for stream in both
        if one["versions"][stream] != two["versions"][stream]
    )
    for name in one["parts"]:
        found.extend(
            Difference(f"{name}{path}", "differs") for path in _paths(one["parts"][name], two["parts"][name])
        )
    return found


def _paths(one: object, two: object, path: str = "", limit: int = 20) -> list[str]:
    """Where two plain values differ."""
    if one == two:
        return []
    if isinstance(one, dict) and isinstance(two, dict):
        keys = sorted(set(one) | set(two), key=str)
        return [p for k in keys for p in _paths(one.get(k), two.get(k), f"{path}.{k}")][:limit]
    return [path]
