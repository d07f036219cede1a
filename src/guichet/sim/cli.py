"""`guichet simulate`: the engine against queueing theory, case by case."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from guichet.kit.clock import SystemClock
from guichet.kit.errors import Refused
from guichet.sim.oracle import MAX_DEVIATION, WIDE, Case, Compared, compare, model_of, read_cases
from guichet.sim.simulator import Progress

BROKEN = 2
"""Exit code for a file that cannot be read."""


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("simulate")(simulate)


def simulate(
    oracle: Annotated[Path, typer.Option(help="A JSON file of cases with their exact answers.")],
    only: Annotated[str, typer.Option(help="Ids of the cases to run, with commas between them.")] = "",
    seed: Annotated[int, typer.Option(help="Another seed, another run.", min=0)] = 1,
    contacts: Annotated[int, typer.Option(help="Contacts per case; 0: as the case needs.", min=0)] = 0,
) -> None:
    """Simulate cases of queueing theory with the routing engine and compare with the exact answers."""
    try:
        cases = _chosen(read_cases(oracle), only)
        failed = [case.id for case in cases if not _run(case, seed, contacts)]
    except Refused as refused:
        typer.echo(refused.remedy, err=True)
        raise typer.Exit(BROKEN) from refused
    if failed:
        typer.echo(f"failed: {', '.join(failed)}", err=True)
        raise typer.Exit(1)


def _chosen(cases: list[Case], only: str) -> list[Case]:
    wanted = [name.strip() for name in only.split(",") if name.strip()]
    unknown = sorted(set(wanted) - {case.id for case in cases})
    if unknown:
        raise Refused(
            "not_found", "oracle.no_case", f"no case {', '.join(unknown)} in the file", field="only"
        )
    return [case for case in cases if not wanted or case.id in wanted]


def _run(case: Case, seed: int, contacts: int) -> bool:
    model = model_of(case)
    if model is None:
        typer.echo(f"{case.id}  {case.model}: this model cannot be expressed yet")
        return True
    count = contacts or model.contacts
    clock = SystemClock()
    started = clock.monotonic()
    compared = compare(case, model, seed, count, _progress(case, count))
    seconds = max(clock.monotonic() - started, 1e-9)
    typer.echo(f"{case.id}  {case.model}, {count:,} contacts in {seconds:.0f} s ({count / seconds:,.0f}/s)")
    for figure in compared:
        typer.echo(_line(figure))
    unknown = sorted(set(case.outputs) - {figure.name for figure in compared})
    if unknown:
        typer.echo(f"  not measured: {', '.join(unknown)}")
    return all(figure.passed for figure in compared)


def _line(figure: Compared) -> str:
    reference, estimate = figure.reference, figure.estimate
    share = f"{estimate.error / abs(reference):7.2%}" if reference else "      -"
    verdict = "ok" if figure.passed else f"FAILED: more than {MAX_DEVIATION:g} standard errors away"
    if figure.wide and reference:
        verdict += f" (standard error over {WIDE:.0%}: more contacts would tell more)"
    return (
        f"  {figure.name:<32} reference {reference:>12.6g}  simulated {estimate.value:>12.6g}"
        f"  SE {estimate.error:>10.3g} {share}  z {figure.deviation:>+6.2f}  {verdict}"
    )


def _progress(case: Case, contacts: int) -> Progress:
    """Says on standard error how far the run is: on one line of a terminal, else every tenth."""
    terminal = sys.stderr.isatty()
    said = -1

    def tell(done: int) -> None:
        nonlocal said
        percent = min(100, 100 * done // contacts)
        step = percent if terminal else percent // 10
        if step == said:
            return
        said = step
        end = "\n" if not terminal else "\r"
        typer.echo(f"{case.id}  {percent} % of {contacts:,} contacts{end}", err=True, nl=False)

    return tell
