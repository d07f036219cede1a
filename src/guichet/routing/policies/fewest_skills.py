"""The agent with the fewest skills who can do it, so that flexible agents stay free for the rest.

Better service than longest idle below saturation, at the price of an unequal workload.
"""

from __future__ import annotations

from collections.abc import Sequence

from guichet.routing.policy import Candidate, Waiting

NAME = "fewest_skills"
VERSION = 1


def rank(breadth: int, load: int) -> int:
    return breadth * 128 + load


def pick_agent(task: Waiting, candidates: Sequence[Candidate]) -> Candidate:
    return min(candidates, key=lambda c: (c.breadth, c.load, c.turn))


def pick_task(agent: Candidate, heads: Sequence[Waiting]) -> Waiting:
    return min(heads, key=lambda head: (-head.priority, head.since, head.number))
