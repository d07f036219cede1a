"""A decision record as parts that a screen words in its own language: a code and numbers each, no sentences."""

from __future__ import annotations

from guichet.events.routing import Decision

Part = dict[str, str | int]


def explain(record: Decision) -> list[Part]:
    """What decided, in the order in which one would tell it.

    Codes: `known` (the customer knows this agent), `freed` (the agent became free; `tasks` waited that fit, this
    one first), `idle` (idle since, first of `candidates`), `only` (nobody else could), `waited` (milliseconds),
    `removed` (`agents` by `criterion`, out of `of`), `policy` (`name`, `config`).
    """
    parts: list[Part] = []
    if record.side == "known":
        parts.append({"code": "known"})
    elif record.side == "agent":
        parts.append({"code": "freed", "tasks": record.tasks})
    elif record.candidates == 1:
        parts.append({"code": "only"})
    else:
        parts.append({"code": "idle", "candidates": record.candidates, "load": record.load})
    parts.append({"code": "idle_since", "t": record.idle_since})
    parts.append({"code": "waited", "ms": record.waited})
    for criterion in type(record.removed).__struct_fields__:
        count = getattr(record.removed, criterion)
        if count:
            parts.append({"code": "removed", "criterion": criterion, "agents": count, "of": record.agents})
    parts.append({"code": "policy", "name": record.policy, "config": record.config})
    return parts
