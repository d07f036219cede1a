"""The least loaded agent, idle longest; work by priority, then age. Simple to explain, shares idle time evenly."""

from __future__ import annotations

from collections.abc import Sequence

from guichet.routing.policy import Candidate, Waiting

NAME = "longest_idle"
VERSION = 1


def rank(breadth: int, load: int) -> int:
    return load


def pick_agent(task: Waiting, candidates: Sequence[Candidate]) -> Candidate:
    return min(candidates, key=lambda c: (c.load, c.turn))


def pick_task(agent: Candidate, heads: Sequence[Waiting]) -> Waiting:
    return min(heads, key=lambda head: (-head.priority, head.since, head.number))
