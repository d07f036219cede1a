"""The second replay check: fed with what people, customers and deadlines did, the engine must decide again what the
log says it decided."""

from __future__ import annotations

from collections import deque

from guichet.events.base import Fact
from guichet.events.routing import OfferMade, OfferMissed
from guichet.leader.registry import At
from guichet.routing.part import AGENT_FACTS, TASK_FACTS, Routing

_ROUTING = frozenset((*TASK_FACTS, *AGENT_FACTS))
_DECIDED = (OfferMade, OfferMissed)
"""Facts that only ever come from the engine. Others of its facts may also be somebody's command."""


class Diverged(Exception):
    """The engine and the log disagree; names the place, never anything personal."""


class DecisionCheck:
    """Asked after each fold of a replay, in the order of the log."""

    def __init__(self, routing: Routing) -> None:
        self._routing = routing
        self._expected: dict[str, deque[Fact]] = {}

    def after(self, fact: Fact, at: At) -> None:
        """Compares a fact with what was expected, and learns what must follow. Raises Diverged."""
        expected = self._expected.setdefault(at.org, deque())
        if type(fact) in _ROUTING:
            if expected and expected[0] == fact:
                expected.popleft()
            elif isinstance(fact, _DECIDED):
                raise Diverged(f"{at.seq}: the engine would not have made this {type(fact).__name__}")
        expected.extend(self._routing.engine(at.org).react(fact, at.t))

    def finish(self) -> None:
        """At the end of the log nothing is owed. Raises Diverged."""
        for org, expected in self._expected.items():
            if expected:
                raise Diverged(f"{org}: the log lacks a {type(expected[0]).__name__}")
