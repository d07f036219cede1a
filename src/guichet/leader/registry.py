"""What a stage registers: commands, reactors, projections, and what runs when a leader starts.

    @command("receive_message", permission="speak_as_customer", scope=of_conversation)
    def receive_message(part: Conversations, ask: ReceiveMessage, now: Now) -> Iterator[Fact]: ...

The part and the payload are read from the annotations. A handler may `return` a dict: the answer, kept with
the key. Registration is global because stages are imported once, by the composition root.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Generator, Iterator
from typing import Any, Literal, TypeVar, cast

import msgspec

from guichet.events.base import Fact
from guichet.kit.clock import Instant
from guichet.store.rows import RowOp

Answer = dict[str, Any]
Facts = Generator[Fact, None, Answer | None] | Iterator[Fact]

ActorKind = Literal["agent", "visitor", "system"]


class Actor(msgspec.Struct, frozen=True):
    """Who asks: an agent (id: agent), a visitor (id: customer), or the system (id: which part of it)."""

    kind: ActorKind
    id: str
    org: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


class Command(msgspec.Struct, frozen=True):
    """A request to change something. `key` makes a repetition harmless, per (organisation, actor)."""

    name: str
    key: str
    actor: Actor
    payload: msgspec.Struct


class Now(msgspec.Struct, frozen=True, gc=False):
    """When a handler or reactor runs, and for whom."""

    t: Instant
    org: str
    actor: Actor


class At(msgspec.Struct, frozen=True, gc=False):
    """Where a fact stands in the log."""

    seq: int
    t: Instant
    org: str
    actor: str
    version: int


class Scope(msgspec.Struct, frozen=True):
    """What a command touches, for the permission check. `org` None: the actor's own organisation."""

    org: str | None = None
    client: str | None = None
    customer: str | None = None
    agent: str | None = None


class CommandSpec(msgspec.Struct, frozen=True):
    """One registered command."""

    name: str
    permission: str
    part: type[Any]
    payload: type[msgspec.Struct]
    scope: Callable[[Any, Any], Scope]
    handle: Callable[[Any, Any, Now], Facts]


class Reactor(msgspec.Struct, frozen=True):
    """One registered reactor."""

    part: type[Any]
    react: Callable[[Any, Any, Now], Iterator[Fact]]


class Projector(msgspec.Struct, frozen=True):
    """One registered projection."""

    part: type[Any]
    project: Callable[[Any, Any, At], Iterator[RowOp]]


class Starter(msgspec.Struct, frozen=True):
    """What one stage does at the start."""

    part: type[Any]
    start: Callable[[Any, Instant], Iterator[tuple[str, Fact]]]


COMMANDS: dict[str, CommandSpec] = {}
REACTORS: dict[type[Fact], list[Reactor]] = {}
PROJECTORS: dict[type[Fact], list[Projector]] = {}
STARTERS: list[Starter] = []

H = TypeVar("H", bound=Callable[..., Any])


def command(name: str, *, permission: str, scope: Callable[[Any, Any], Scope]) -> Callable[[H], H]:
    """Registers a handler under its name. Raises ValueError when the name is taken."""

    def register(handle: H) -> H:
        if name in COMMANDS:
            raise ValueError(f"command {name} is registered twice")
        part, payload = _parameters(handle)[:2]
        COMMANDS[name] = CommandSpec(name, permission, part, payload, scope, handle)
        return handle

    return register


def reacts_to(*facts: type[Fact]) -> Callable[[H], H]:
    """Registers what follows in this stage when one of these facts was appended, by whomever."""

    def register(react: H) -> H:
        for fact in facts:
            REACTORS.setdefault(fact, []).append(Reactor(_parameters(react)[0], react))
        return react

    return register


def project(*facts: type[Fact]) -> Callable[[H], H]:
    """Registers how facts become row operations; called after the fold: the part knows the fact."""

    def register(projector: H) -> H:
        for fact in facts:
            PROJECTORS.setdefault(fact, []).append(Projector(_parameters(projector)[0], projector))
        return projector

    return register


def at_start(start: H) -> H:
    """Registers what happens when a leader begins to lead: `(part, t)` -> (organisation, fact) pairs."""
    STARTERS.append(Starter(_parameters(start)[0], start))
    return start


def _parameters(function: Callable[..., Any]) -> list[type[Any]]:
    hints = typing.get_type_hints(function)
    hints.pop("return", None)
    return cast("list[type[Any]]", list(hints.values()))
