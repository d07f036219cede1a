"""Checks the engine against queueing theory: cases with exact answers, simulated and compared.

A case is `{"id", "model", "inputs", "outputs"}`; times in seconds. It passes when each figure lies within
`MAX_DEVIATION` standard errors of its reference.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from guichet.kit.errors import Refused, invalid
from guichet.sim.metrics import BATCHES, Estimate, Figures
from guichet.sim.simulator import Progress, Simulator
from guichet.sim.workload import Centre, Duration, Source, one_queue

MAX_DEVIATION = 4.0
WIDE = 0.05
"""A standard error beyond this share of its reference says little."""
MAX_FILE = 10_000_000
MIN_TICKS = 60_000
"""The mean service lasts at least so many milliseconds of the run, so that rounding to one of them is nothing."""


class Case(msgspec.Struct, frozen=True):
    """One case of a file."""

    id: str
    model: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]


class Model(msgspec.Struct, frozen=True):
    """A case as a centre. `relaxation`: seconds in which the run forgets its start; `contacts`: how many make
    standard errors small enough; `limit`: the service level's seconds."""

    centre: Centre
    servers: int
    rate: float
    second: float
    relaxation: float
    contacts: int
    limit: float


class Compared(msgspec.Struct, frozen=True):
    """One figure beside its reference. `deviation` in standard errors."""

    name: str
    reference: float
    estimate: Estimate
    deviation: float

    @property
    def passed(self) -> bool:
        return abs(self.deviation) <= MAX_DEVIATION

    @property
    def wide(self) -> bool:
        return self.estimate.error > WIDE * abs(self.reference)


def read_cases(path: Path) -> list[Case]:
    """The cases of a file. Raises Refused with a sentence that says what is wrong."""
    try:
        if path.stat().st_size > MAX_FILE:
            raise Refused("too_large", "oracle.too_large", "the file is larger than 10 MB", limit=MAX_FILE)
        return msgspec.json.decode(path.read_bytes(), type=list[Case])
    except OSError as error:
        raise Refused("not_found", "oracle.unreadable", f"{path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise invalid("oracle", "oracle.malformed", f"{path}: {error}") from error


def model_of(case: Case) -> Model | None:
    """The case as something to simulate; None when the engine cannot express its model yet.

    Raises Refused when an input of a known model is absent or no positive number.
    """
    make = _MODELS.get(case.model)
    return make(case) if make is not None else None


def compare(case: Case, model: Model, seed: int, contacts: int, progress: Progress | None) -> list[Compared]:
    """Simulates the case and sets each figure beside its reference; those without a definition are left out."""
    batch = max(1, contacts // BATCHES)
    warm_up = math.ceil(max(1.0, 20 * model.relaxation * model.rate) / batch) * batch
    course = Simulator(model.centre, seed).run(warm_up + BATCHES * batch, batch, progress)
    figures = Figures(course, warm_up, batch, model.second)
    compared = []
    for name, reference in case.outputs.items():
        define = FIGURES.get(name)
        if define is None or not isinstance(reference, int | float):
            continue
        estimate = define(figures, model)
        compared.append(Compared(name, float(reference), estimate, _deviation(estimate, float(reference))))
    return compared


def _deviation(estimate: Estimate, reference: float) -> float:
    difference = estimate.value - reference
    if estimate.error == 0.0:  # every batch said the same, to the millisecond
        return 0.0 if abs(difference) <= 1e-3 * max(1.0, abs(reference)) else math.inf
    return difference / estimate.error


FIGURES: dict[str, Callable[[Figures, Model], Estimate]] = {
    "PW": lambda figures, model: figures.delayed(),
    "ASA": lambda figures, model: figures.wait(),
    "EW": lambda figures, model: figures.wait(),
    "PAb": lambda figures, model: figures.abandoned(),
    "PAb_within_T": lambda figures, model: figures.abandoned_within(model.limit),
    "SL": lambda figures, model: figures.answered_within(model.limit),
    "SL1": lambda figures, model: figures.answered_within(model.limit),
    "SL1_answered_le_T_over_offered": lambda figures, model: figures.answered_within(model.limit),
    "SL2_over_answered": lambda figures, model: figures.answered_within_of_answered(model.limit),
    "SL3_plus_short_aband": lambda figures, model: figures.answered_or_left_within(model.limit),
    "SL4_excl_short_aband": lambda figures, model: figures.answered_within_without_short_abandoned(
        model.limit
    ),
    "occ": lambda figures, model: figures.occupancy(model.servers),
    "Lq": lambda figures, model: figures.in_line(),
    "p90": lambda figures, model: figures.percentile(0.9),
}
"""How each output is measured; SL1 to SL4 differ in what becomes of those who leave."""


def _number(case: Case, name: str) -> float:
    value = case.inputs.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise invalid(name, "oracle.input", f"case {case.id}: {name} must be a positive number")
    return float(value)


def _model(
    case: Case, rate: float, shape: str, service: float, servers: int, *, deviation: float = 0.0
) -> Model:
    """The common part: `servers` agents, Poisson arrivals at `rate` a second, service of mean `service`."""
    second = 1_000.0 * max(1.0, MIN_TICKS / (1_000.0 * service))
    duration = Duration(shape, service * second, deviation * second)  # type: ignore[arg-type]
    patience = None
    if "patience" in case.inputs:
        patience = Duration("exponential", _number(case, "patience") * second)
    elif "patience_det" in case.inputs:
        patience = Duration("deterministic", _number(case, "patience_det") * second)
    if patience is None:
        spare = math.sqrt(servers / service) - math.sqrt(rate)
        if spare <= 0:
            raise invalid("inputs", "oracle.unstable", f"case {case.id}: the line would grow for ever")
        relaxation, contacts = max(service, spare**-2), 2_000_000
    else:
        relaxation, contacts = max(service, patience.mean / second), 1_000_000
    source = Source("queue", second / rate, duration, patience)
    limit = _number(case, "T") if "T" in case.inputs else 0.0
    return Model(one_queue(servers, source), servers, rate, second, relaxation, contacts, limit)


def _exponential(case: Case) -> Model:
    return _model(
        case, _number(case, "lam_per_s"), "exponential", _number(case, "aht"), int(_number(case, "c"))
    )


def _deterministic(case: Case) -> Model:
    servers, service = int(_number(case, "c")), _number(case, "D")
    return _model(case, _number(case, "rho") * servers / service, "deterministic", service, servers)


def _lognormal(case: Case) -> Model:
    return _model(
        case, _number(case, "lam"), "lognormal", _number(case, "mean"), 1, deviation=_number(case, "sd")
    )


_MODELS: dict[str, Callable[[Case], Model]] = {
    "M/M/c": _exponential,
    "M/M/c+M": _exponential,
    "M/M/c+D": _exponential,
    "M/D/c": _deterministic,
    "M/LN/1": _lognormal,
}
