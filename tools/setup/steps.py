"""What every part uses: running a command quietly, saying the step, and remembering what was done."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
BIN = VENV / "bin"
WEB = ROOT / "web"
STATIC = ROOT / "src" / "guichet" / "server" / "static"

LAST_LINES = 25


class Stuck(Exception):
    """Something is missing that only the person in front of the machine can give; the text says what to do."""


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Two `make`s in one checkout take turns, as both would write the same folders."""
    name = hashlib.sha256(str(ROOT).encode()).hexdigest()[:16]
    with (Path(tempfile.gettempdir()) / f"guichet-setup-{os.getuid()}-{name}").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write("another make is installing in this checkout, waiting for it\n")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def digest(*paths: Path, salt: str = "") -> str:
    """One hash over the contents of files; folders are walked by `files_in` first."""
    total = hashlib.sha256(salt.encode())
    for path in sorted(paths):
        total.update(f"{path.relative_to(ROOT)}\0".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def files_in(folder: Path, without: Iterable[str]) -> list[Path]:
    """All files below a folder, except below folders of these names."""
    skipped = set(without)
    found: list[Path] = []
    for here, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in skipped]
        found += [Path(here) / name for name in names]
    return found


def done(stamp: Path, content: str) -> bool:
    """Whether the step that leaves this stamp was done for just this content."""
    return stamp.exists() and stamp.read_text() == content


def run(
    what: str, command: list[str], hint: str, *, folder: Path = ROOT, env: dict[str, str] | None = None
) -> None:
    """Runs one command, showing `what` and the seconds; its output appears only when it fails."""
    started = time.monotonic()
    with _progress(what, started):
        try:
            ran = subprocess.run(
                command,
                cwd=folder,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
            )
        except FileNotFoundError as missing:
            raise Stuck(f"{command[0]} is missing. {hint}") from missing
    if ran.returncode != 0:
        tail = "\n".join(ran.stdout.splitlines()[-LAST_LINES:])
        raise Stuck(f"{tail}\n\n{what} failed (exit {ran.returncode}). {hint}")


@contextmanager
def _progress(what: str, started: float) -> Iterator[None]:
    """A line that counts the seconds on a terminal, and one plain line at the end elsewhere."""
    finished = threading.Event()
    live = sys.stderr.isatty()

    def tick() -> None:
        while not finished.wait(0.5):
            sys.stderr.write(f"\r  {what} ... {time.monotonic() - started:.0f} s ")
            sys.stderr.flush()

    ticker = threading.Thread(target=tick, daemon=True)
    if live:
        ticker.start()
    else:
        sys.stderr.write(f"  {what} ...\n")
    try:
        yield
    finally:
        finished.set()
        if live:
            ticker.join()
        sys.stderr.write(f"{chr(13) if live else ''}  {what}: {time.monotonic() - started:.1f} s    \n")
