"""Runs commands against the state: no I/O, no waiting. The loop around it is `loop.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec
import structlog

from guichet.events.base import BY_CLASS, Fact, encode
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

    def __init__(
        self, state: State, authorise: Authorise, seq: int, t: Instant, *, look_up_new: bool = True
    ) -> None:
        """`look_up_new`: whether streams that a command opens are looked up first. A new id is always absent; without
        the look-up the store's own index says so, and refuses the whole batch when it is wrong."""
        self.state = state
        self.authorise = authorise
        self.seq = seq
        self.t = t
        self._look_up_new = look_up_new
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
            entry_type = BY_CLASS[type(fact)]
            if self._look_up_new or not entry_type.opens:
                self.state.next_version(entry_type.stream_of(fact), opens=False)
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
        org, actor, react = now.org, str(now.actor), self.state.react
        for done, fact in enumerate(queue):  # the queue grows meanwhile
            if done > MAX_REACTIONS:
                raise Broken(f"reactors without end after {type(fact).__name__}")
            try:
                self._record(fact, org, actor)
                queue.extend(react(fact, now))
            except (Refused, Missing, MissingRow) as error:
                # Too late to say no or to load: facts were folded. A reactor works on what is resident.
                raise Broken(f"after {type(fact).__name__}: {error}") from error

    def _record(self, fact: Fact, org: str, actor: str) -> None:
        state, t = self.state, self.t
        entry_type = BY_CLASS[type(fact)]
        stream = entry_type.stream_of(fact)
        version = state.next_version(stream, entry_type.opens)
        self.seq = seq = self.seq + 1
        at = At(seq, t, org, actor, version)
        data, personal = encode(fact)
        subject = entry_type.subject_of(fact) if entry_type.subject_of is not None else None
        entry = Entry(
            seq, t, org, stream, version, entry_type.name, entry_type.version, actor, subject, data, None
        )
        self.entries.append(entry)
        if personal is not None:
            self.personal.append((entry, personal))
        state.fold(fact, at, stream)
        self.changes.add(org, state.project(fact, at))


def _collect(facts: Iterator[Fact], into: list[Fact]) -> Answer | None:
    """Takes all facts of a handler and gives back what it returned."""
    try:
        while True:
            into.append(next(facts))
    except StopIteration as end:
        value = end.value
        return value if isinstance(value, dict) else None


def encode_answer(answer: Answer | None) -> bytes:
    """An answer as JSON."""
    return msgspec.json.encode(answer if answer is not None else {})
