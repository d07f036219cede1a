"""The books of `invariants.py` are worth something: a defect of each kind, planted into the engine, is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from guichet.events.routing import OfferMade
from guichet.routing import decide, engine, folds, index
from guichet.routing.model import Agent, AgentSpec
from tests.properties.invariants import Broken
from tests.properties.test_engine import Machine

pytestmark = pytest.mark.property

Plant = Callable[[pytest.MonkeyPatch], None]


def twice(patch: pytest.MonkeyPatch) -> None:
    """A task that is offered stays in its line."""
    table: dict[Any, Any] = folds._FOLDS
    made = table[OfferMade]

    def leave(floor: Any, fact: OfferMade, t: int) -> None:
        made(floor, fact, t)
        task = floor.tasks[fact.task]
        floor.index.put(task.line, task)
        task.state = "queued"

    patch.setitem(table, OfferMade, leave)


def overfull(patch: pytest.MonkeyPatch) -> None:
    """A freed agent's capacity is not looked at."""
    patch.setattr(Agent, "fits", lambda agent, live, cost: True)


def uncleared(patch: pytest.MonkeyPatch) -> None:
    """The clearance is not looked at when somebody is looked for."""
    unfit = index.unfit

    def careless(agent: AgentSpec, queue: Any, client: str) -> str | None:
        reason = unfit(agent, queue, client)
        return None if reason == "clearance" else reason

    patch.setattr(index, "unfit", careless)


def overtaking(patch: pytest.MonkeyPatch) -> None:
    """The newest is taken first."""

    def last(floor: Any, line: Any, agent: Agent) -> Any:
        for key in reversed(line.tasks):
            task = floor.by_number[key[2]]
            if agent.id not in task.skips:
                return task
        return None

    patch.setattr(decide, "_first", last)


def idle(patch: pytest.MonkeyPatch) -> None:
    """A freed agent is forgotten."""
    patch.setattr(engine, "work_for", lambda floor, agent, t: None)


def machine_first(patch: pytest.MonkeyPatch) -> None:
    """Whoever is on a break is asked all the same."""
    patch.setattr(Agent, "present", property(lambda agent: agent.connected and agent.profile is not None))


@pytest.mark.parametrize(
    ("plant", "found"),
    [
        (twice, {"double"}),
        (overfull, {"capacity"}),
        (uncleared, {"clearance"}),
        (overtaking, {"order"}),
        (idle, {"conserving"}),
        (machine_first, {"people"}),
    ],
)
def test_a_planted_defect_is_found(plant: Plant, found: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises(Broken) as caught:
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=300,
                stateful_step_count=40,
                deadline=None,
                database=None,
                derandomize=True,
                report_multiple_bugs=False,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
    assert caught.value.name in found
