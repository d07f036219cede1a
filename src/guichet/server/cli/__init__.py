"""The command line: `guichet serve`, `guichet log`, `guichet simulate`, `guichet media`."""

from __future__ import annotations

import asyncio
import os
import sys
import typing
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from pydantic import ValidationError

from guichet.kit.errors import Refused
from guichet.kit.faults import arm_from_environment
from guichet.kit.logs import configure
from guichet.server.checking import check_log
from guichet.server.lab import serve as serve_lab
from guichet.server.serve import run
from guichet.server.settings import ProcessSettings, unknown_variables
from guichet.sim import cli as simulate

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)
log = typer.Typer(no_args_is_help=True, help="The log: check that the live state equals it.")
app.add_typer(log, name="log")
media = typer.Typer(no_args_is_help=True, help="The media server.")
app.add_typer(media, name="media")
simulate.register(app)


def read_settings(**given: object) -> ProcessSettings:
    """Settings from the environment and the options that were given. Ends the process with a clear line."""
    unknown = unknown_variables(dict(os.environ))
    if unknown:
        fail(f"unknown setting {', '.join(unknown)}: see docs/reference/settings.md")
    try:
        return ProcessSettings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        fail(f"GUICHET_{'_'.join(str(part) for part in first['loc']).upper()}: {first['msg']}")


def fail(message: str) -> typing.NoReturn:
    """Says what is wrong and what to do, and ends with status 2."""
    print(message, file=sys.stderr)
    raise SystemExit(2)


@app.command()
def serve(
    data: Annotated[Path | None, typer.Option(help="The data directory.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="HTTP port.")] = None,
    demo: Annotated[bool, typer.Option(help="Seed and show the invented operator.")] = False,
    traffic: Annotated[bool, typer.Option(help="With --demo: start with traffic.")] = False,
) -> None:
    """Runs Guichet: everything in one process."""
    settings = read_settings(data_dir=data, host=host, port=port)
    configure(settings.log_level)
    arm_from_environment(settings.faults)
    try:
        uvloop.run(run(settings, demo=demo, traffic=traffic))
    except Refused as refused:
        fail(refused.remedy)


@log.command()
def replay(
    check: Annotated[bool, typer.Option("--check", help="Compare with the live state and tables.")] = False,
    data: Annotated[Path | None, typer.Option(help="The data directory.")] = None,
) -> None:
    """Reads the whole log into a fresh state and fresh tables."""
    settings = read_settings(data_dir=data)
    configure(settings.log_level)
    try:
        found = asyncio.run(check_log(settings, compare=check))
    except Refused as refused:
        fail(refused.remedy)
    raise SystemExit(1 if found else 0)


@media.command()
def lab(
    port: Annotated[int, typer.Option(help="HTTP port of the page.")] = 8090,
    program: Annotated[
        str, typer.Option(help="The media server's program; auto: the one that is built.")
    ] = "auto",
) -> None:
    """A page to try phones and browsers on: who hears whom, with a carrier that is not one."""
    try:
        asyncio.run(serve_lab(port, program))
    except Refused as refused:
        fail(refused.remedy)


def main() -> None:
    """The entry point of the installed command."""
    app()
