"""The simulator against theory, small and fixed; `guichet simulate` does it at length."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from guichet.kit.errors import Refused
from guichet.routing.model import AgentSpec, QueueSpec
from guichet.sim.cli import register
from guichet.sim.metrics import BATCHES, Figures
from guichet.sim.oracle import Case, compare, model_of, read_cases
from guichet.sim.simulator import Simulator
from guichet.sim.workload import Centre, Duration, Source, one_queue

pytestmark = pytest.mark.unit

CASES = [
    {
        "id": "C6",
        "model": "M/M/c",
        "inputs": {"lam_per_s": 0.008333333333333333, "aht": 300, "c": 6, "T": 20},
        "outputs": {
            "PW": 0.04744481219445542,
            "ASA": 4.066698188096178,
            "SL": 0.9624289482464027,
            "occ": 0.4166666666666667,
            "Lq": 0.033889151567468155,
            "p90": 0.0,
        },
    },
    {
        "id": "A8",
        "model": "M/M/c+M",
        "inputs": {"lam_per_s": 0.05555555555555555, "aht": 180, "patience": 120, "c": 14, "T": 20},
        "outputs": {},
    },
    {
        "id": "MD2_0.8",
        "model": "M/D/c",
        "inputs": {"c": 2, "rho": 0.8, "D": 1},
        "outputs": {"EW": 0.903284},
    },
    {"id": "B1", "model": "M/M/c/c", "inputs": {"c": 10, "a": 10.0}, "outputs": {"block": 0.2145823431}},
]


def cases() -> dict[str, Case]:
    return {case["id"]: msgspec.convert(case, Case) for case in CASES}  # type: ignore[misc]


def erlang_a(servers: int, rate: float, service: float, patience: float) -> dict[str, float]:
    """M/M/c+M from its birth-death equations: share delayed, share abandoned, mean wait."""
    weights = [1.0]
    for n in range(1, servers + 2_000):
        weights.append(weights[-1] * rate / (min(n, servers) / service + max(0, n - servers) / patience))
    total = sum(weights)
    waiting = sum((n - servers) * w for n, w in enumerate(weights) if n > servers) / total
    return {
        "PW": sum(weights[servers:]) / total,
        "EW": waiting / rate,
        "PAb": waiting / patience / rate,
    }


@pytest.mark.parametrize("name", ["C6", "MD2_0.8"])
def test_known_cases_come_out(name: str) -> None:
    case = cases()[name]
    model = model_of(case)
    assert model is not None
    compared = compare(case, model, 1, 40_000, None)
    assert {figure.name for figure in compared} == set(case.outputs)
    assert [figure.name for figure in compared if not figure.passed] == []


def test_impatience_comes_out_and_a_wrong_reference_is_found_out() -> None:
    theory = erlang_a(14, 1 / 18, 180, 120)
    case = msgspec.structs.replace(cases()["A8"], outputs=theory)
    model = model_of(case)
    assert model is not None
    compared = compare(case, model, 1, 40_000, None)
    assert [figure.name for figure in compared if not figure.passed] == []
    wrong = msgspec.structs.replace(case, outputs={"PAb": theory["PAb"] * 1.5})
    (figure,) = compare(wrong, model, 1, 40_000, None)
    assert not figure.passed


def test_abandonment_is_wait_over_patience() -> None:
    """P(Ab) = E[W] / patience holds exactly in theory, so both figures must agree within their errors."""
    source = Source("q", 2_500, Duration("exponential", 300_000), Duration("exponential", 300_000))
    course = Simulator(one_queue(100, source), 3).run(22_000, 400)
    figures = Figures(course, 2_000, 400, 1_000)
    abandoned, wait = figures.abandoned(), figures.wait()
    assert abandoned.value == pytest.approx(wait.value / 300, abs=4 * abandoned.error)


def test_the_same_seed_is_the_same_run_and_contacts_are_common_to_policies() -> None:
    def centre(policy: str) -> Centre:
        return Centre(
            queues=(QueueSpec("q", "shop", policy=policy),),
            agents=tuple(AgentSpec(f"a{n}", skills=frozenset((f"s{k}", 1) for k in range(n))) for n in range(3)),
            sources=(Source("q", 60_000, Duration("lognormal", 100_000, 120_000), Duration("deterministic", 60_000)),),
        )  # fmt: skip

    one, two = (Simulator(centre("longest_idle"), 7).run(3_000, 100) for _ in range(2))
    other = Simulator(centre("fewest_skills"), 7).run(3_000, 100)
    assert one.waits == two.waits
    # One queue, equal speeds: who serves does not matter, when and how long comes from the contact.
    assert one.waits == other.waits
    assert Simulator(centre("longest_idle"), 8).run(3_000, 100).waits != one.waits


def test_figures_need_enough_whole_batches() -> None:
    course = Simulator(one_queue(1, Source("q", 1_000, Duration("deterministic", 500))), 1).run(3_000, 100)
    with pytest.raises(ValueError, match="too few"):
        Figures(course, 200, 100, 1_000)
    with pytest.raises(ValueError, match="whole batches"):
        Figures(course, 150, 100, 1_000)
    assert np.isclose(Figures(course, 0, 100, 1_000).occupancy(1).value, 0.5, atol=0.05)
    assert BATCHES >= 30


# --- the command line ------------------------------------------------------------------------------


def run(path: Path, *arguments: str) -> tuple[int, str]:
    app = typer.Typer()
    register(app)
    app.callback()(lambda: None)
    result = CliRunner().invoke(app, ["simulate", "--oracle", str(path), *arguments])
    return result.exit_code, result.output


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "cases.json"
    path.write_text(json.dumps(CASES))
    return path


def test_the_command_says_each_figure_and_what_it_cannot_express(file: Path) -> None:
    code, output = run(file, "--only", "B1,MD2_0.8", "--contacts", "20000")
    assert code == 0
    assert "B1  M/M/c/c: this model cannot be expressed yet" in output
    assert "reference     0.903284" in output
    assert "SE" in output
    assert "100 % of 20,000 contacts" in output


def test_a_failed_case_fails_the_command(file: Path) -> None:
    text = file.read_text().replace("0.903284", "1.5")
    file.write_text(text)
    code, output = run(file, "--only", "MD2_0.8", "--contacts", "20000")
    assert code == 1
    assert "FAILED" in output
    assert "failed: MD2_0.8" in output


@pytest.mark.parametrize(
    ("content", "only", "says"),
    [
        ("[", "", "Input data was truncated"),
        ('[{"id": 3}]', "", "Expected `str`, got `int`"),
        (json.dumps(CASES), "X9", "no case X9"),
        (
            json.dumps(
                [{"id": "C", "model": "M/M/c", "inputs": {"lam_per_s": -1, "aht": 1, "c": 1}, "outputs": {}}]
            ),
            "",
            "lam_per_s must be a positive number",
        ),
        (
            json.dumps(
                [{"id": "C", "model": "M/M/c", "inputs": {"lam_per_s": 2, "aht": 1, "c": 1}, "outputs": {}}]
            ),
            "",
            "the line would grow for ever",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, content: str, only: str, says: str) -> None:
    path = tmp_path / "cases.json"
    path.write_text(content)
    code, output = run(path, "--only", only)
    assert code == 2
    assert says in output


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="No such file"):
        read_cases(tmp_path / "none.json")
