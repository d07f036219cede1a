"""Runs commands against the state: no I/O, no waiting. The loop around it is `loop.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec
import structlog

from guichet.events.base import BY_CLASS, Fact, encode, stream_of, subject_of
from guichet.events.leader import DeadlineFired
from guichet.kit.clock import Instant
from guichet.kit.errors import Refused
from guichet.leader.registry import (
    COMMANDS,
    Actor,
    Answer,
    At,
    Command,
    CommandSpec,
    Now,
    Scope,
)
from guichet.leader.state import Missing, MissingRow, State
from guichet.store.port import Entry
from guichet.store.rows import Changes, Key, Table

Authorise = Callable[[State, Actor, CommandSpec, Scope], None]
"""Raises Refused when the actor may not do this there. The composition root gives it: accounts knows."""

log = structlog.get_logger(__name__)

MAX_REACTIONS = 1_000_000
"""Far past what one fact can cause: a queue that opens may offer as many tasks as there are agents free."""


class Broken(Exception):
    """A defect in a fold, projection or reactor: the batch fails and the state is read again from the log."""


class Run:
    """One batch in the making: facts in order, their rows, what each fact's personal fields hold."""

    def __init__(self, state: State, authorise: Authorise, seq: int, t: Instant) -> None:
        self.state = state
        self.authorise = authorise
        self.seq = seq
        self.t = t
        self.entries: list[Entry] = []
        self.personal: list[tuple[Entry, bytes]] = []
        self.changes = Changes()

    def command(self, command: Command) -> Answer | None:
        """Runs one command. After Refused nothing has changed; after Missing or MissingRow load, then repeat."""
        now = Now(self.t, command.actor.org, command.actor)
        try:
            facts, answer = self._handle(command, now)
        except (Refused, Missing, MissingRow):
            raise
        except Exception as error:
            log.exception("command failed", command=command.name, error=type(error).__name__)
            raise Refused("unavailable", "command.failed", "an internal error; nothing was saved") from error
        self._append(facts, now)
        return answer

    def look_ahead(self, commands: Iterable[Command]) -> tuple[list[str], dict[Table, list[Key]]]:
        """The cold streams and the rows that these commands ask for first, so that one read brings them all.

        A handler changes nothing, so trying it is harmless; what else it says now is no matter: its turn comes.
        """
        streams: list[str] = []
        rows: dict[Table, list[Key]] = {}
        for command in commands:
            try:
                self._handle(command, Now(self.t, command.actor.org, command.actor))
            except Missing as missing:
                streams.append(missing.stream)
            except MissingRow as missing:
                rows.setdefault(missing.table, []).append(missing.key)
            except Exception:  # noqa: BLE001, S112 (it is said when it counts)
                continue
        return streams, rows

    def _handle(self, command: Command, now: Now) -> tuple[list[Fact], Answer | None]:
        """The facts that a permitted command leads to; nothing of them has happened yet."""
        spec = COMMANDS.get(command.name)
        if spec is None:
            raise Refused("invalid", "command.unknown", f"there is no command {command.name!r}", field="name")
        part = self.state.part(spec.part)
        scope = spec.scope(part, command.payload)
        if scope.org is not None and scope.org != command.actor.org:
            # The same answer as for what does not exist: nobody learns of other organisations' ids.
            raise Refused("not_found", "not_found", "there is nothing with this id")
        self.authorise(self.state, command.actor, spec, scope)
        facts: list[Fact] = []
        answer = _collect(spec.handle(part, command.payload, now), facts)
        for fact in facts:  # cold streams are asked for before anything is folded
            self.state.next_version(stream_of(fact), BY_CLASS[type(fact)].opens)
        return facts, answer

    def fire_deadlines(self) -> None:
        """Fires what is due by now, each as a logged fact, in (due, kind, id) order."""
        while (due := self.state.deadlines.next()) is not None and due[0] <= self.t:
            instant, kind, what, org = due
            actor = Actor("system", "deadline", org)
            self._append([DeadlineFired(kind=kind, id=what, due=instant)], Now(self.t, org, actor))

    def start(self) -> None:
        """What the stages do when their leader begins to lead."""
        for starter in self.state.starters():
            for org, fact in list(starter.start(self.state.part(starter.part), self.t)):
                self._append([fact], Now(self.t, org, Actor("system", "start", org)))

    def _append(self, facts: Iterable[Fact], now: Now) -> None:
        """Folds and records facts, then what the reactors answer, breadth first, in stage order."""
        queue = list(facts)
        actor = str(now.actor)
        done = 0
        while done < len(queue):
            fact = queue[done]
            done += 1
            if done > MAX_REACTIONS:
                raise Broken(f"reactors without end after {type(fact).__name__}")
            try:
                self._record(fact, now.org, actor)
                queue.extend(self.state.react(fact, now))
            except (Refused, Missing, MissingRow) as error:
                # Too late to say no or to load: facts were folded. A reactor works on what is resident.
                raise Broken(f"after {type(fact).__name__}: {error}") from error

    def _record(self, fact: Fact, org: str, actor: str) -> None:
        entry_type = BY_CLASS[type(fact)]
        stream = stream_of(fact)
        version = self.state.next_version(stream, entry_type.opens)
        self.seq += 1
        at = At(self.seq, self.t, org, actor, version)
        data, personal = encode(fact)
        entry = Entry(
            self.seq, self.t, org, stream, version, entry_type.name, entry_type.version, actor,
            subject_of(fact), data, None,
        )  # fmt: skip
        self.entries.append(entry)
        if personal is not None:
            self.personal.append((entry, personal))
        self.state.fold(fact, at)
        self.changes.add(org, self.state.project(fact, at))


def _collect(facts: Iterator[Fact], into: list[Fact]) -> Answer | None:
    """Takes all facts of a handler and gives back what it returned."""
    while True:
        try:
            into.append(next(facts))
        except StopIteration as end:
            value = end.value
            return value if isinstance(value, dict) else None


def encode_answer(answer: Answer | None) -> bytes:
    """An answer as JSON."""
    return msgspec.json.encode(answer if answer is not None else {})
