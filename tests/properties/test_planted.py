"""The random tests would notice: a defect planted into a copy of the code, one a property, is caught each time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import guichet

pytestmark = pytest.mark.property

SOURCE = Path(guichet.__file__).parent
ROOT = SOURCE.parents[1]
SECONDS = 240

PLANTED = {
    "double": (
        "routing/folds.py",
        (
            "        self._unwait(task, t)\n        offer = Offer(fact.offer, task, agent, fact.deadline)\n"
            '        task.state, task.offer = "offered", offer\n'
        ),
        "        offer = Offer(fact.offer, task, agent, fact.deadline)\n        task.offer = offer\n",
    ),
    "capacity": ("routing/model.py", "+ cost <= self.spec.capacity", "+ cost <= self.spec.capacity + 2"),
    "clearance": ("routing/commands.py", "    if not target.spec.cleared(c.client):", "    if False:"),
    "people": (
        "routing/commands.py",
        '        yield withdrawal(task, "taken")\n    yield engine.assignment',
        "        return\n    yield engine.assignment",
    ),
    "conserving": (
        "routing/engine.py",
        "            if isinstance(item, Agent):\n                self._agents[item] = None\n",
        "            if isinstance(item, Agent):\n                continue\n",
    ),
    "replay": (
        "routing/saved.py",
        'floor.last_number, floor.last_turn = data["last_number"], data["last_turn"]',
        'floor.last_turn = data["last_turn"]',
    ),
    "deterministic": (
        "routing/commands.py",
        "    if not agent.connected:\n        yield",
        "    if not agent.connected and not setattr(agent, 'missed', 1):\n        yield",
    ),
}
"""By property: file, what stands there, what the defect makes of it."""
CAUGHT = {
    "double": ("Broken: double", "inserted twice"),
    "replay": ("floor.",),
    "deterministic": ("floor.agents", "no reactor gives"),
}
"""By what it is caught, where not by the books of that name."""

PROBE = """
import random
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test
import guichet
assert guichet.__file__.startswith({copy!r}), guichet.__file__
from tests.properties.test_house import House
run_state_machine_as_test(House, settings=settings(
    max_examples=600, stateful_step_count=50, deadline=None, database=None, derandomize=True,
    phases=[Phase.generate], report_multiple_bugs=False,
))
"""


@pytest.mark.parametrize("name", [*PLANTED, "nothing"])
def test_a_planted_defect_is_caught(name: str, tmp_path: Path) -> None:
    copy = tmp_path / "guichet"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__", "static"))
    if name in PLANTED:
        file, good, bad = PLANTED[name]
        text = (copy / file).read_text()
        assert text.count(good) == 1, f"{file} has changed: plant {name} anew"
        (copy / file).write_text(text.replace(good, bad))
    probe = (
        PROBE.format(copy=str(tmp_path))
        if name in PLANTED
        else PROBE.format(copy=str(tmp_path)).replace("600", "40")
    )
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, timeout=SECONDS, env=environment,
        cwd=tmp_path, check=False,
    )  # fmt: skip
    said = done.stderr.strip().splitlines()
    if name == "nothing":
        assert done.returncode == 0, said[-15:]
    else:
        assert done.returncode != 0, f"nobody noticed {name}"
        caught_by = CAUGHT.get(name, (f"Broken: {name}",))
        errors = [line for line in said if "Error" in line or "Broken" in line]
        assert any(word in line for line in errors for word in caught_by), "\n".join(errors)
