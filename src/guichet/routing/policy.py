"""What a routing policy is, and the registry of those in `policies/`.

A policy chooses among candidates that the engine has already found fit. A module may also export
`rank(breadth, load) -> int` (0 to 16,383): it states that the policy prefers the lowest rank and, within a rank,
the agent idle longest. The engine's index then finds the agent without listing the candidates; the contract
suite checks that both ways agree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

import guichet.routing.policies as folder
from guichet.kit import plugins
from guichet.kit.clock import Instant

MAX_RANK = 16_383


class Waiting(msgspec.Struct, frozen=True, gc=False):
    """A task as policies see it. `number` counts the tasks as they were first queued: unique, lowest came first."""

    task: str
    number: int
    queue: str
    priority: int
    since: Instant
    live: bool
    cost: int


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """An agent as policies see it. `breadth` is the number of skills; `turn` orders agents by when they last
    became free: unique, lowest is idle longest."""

    agent: str
    breadth: int
    load: int
    capacity: int
    idle_since: Instant
    turn: int


class Policy(msgspec.Struct, frozen=True):
    """One policy. `label` goes into decision records."""

    name: str
    label: str
    pick_agent: Callable[[Waiting, Sequence[Candidate]], Candidate]
    pick_task: Callable[[Candidate, Sequence[Waiting]], Waiting]
    rank: Callable[[int, int], int] | None


def policies() -> dict[str, Policy]:
    """Every policy by its NAME. Raises kit.plugins.BrokenPlugin."""
    found: dict[str, Policy] = {}
    for module in plugins.discover(folder, "NAME", "VERSION", "pick_agent", "pick_task").values():
        if module.NAME in found:
            raise plugins.BrokenPlugin(f"{module.__name__}: a policy {module.NAME!r} exists already")
        found[module.NAME] = Policy(
            name=module.NAME,
            label=f"{module.NAME}@{module.VERSION}",
            pick_agent=module.pick_agent,
            pick_task=module.pick_task,
            rank=getattr(module, "rank", None),
        )
    return found
