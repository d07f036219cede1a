"""The ratchet: a file past 400 lines is listed with its length, which may only fall; past 600 it is refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from tools.lint.model import Finding

NAME = "length"
ASKS_FOR_A_CUT = 400
REFUSED = 600
MOST_LONG_FILES = 5
"""Entries that the list may hold. It may fall; raising it needs a reason in the commit."""

LIST = "tools/lint/lengths.txt"
FOLDERS = ("src", "tests", "tools", "bench", "web")
SUFFIXES = frozenset({".py", ".ts", ".tsx", ".mjs", ".css", ".go"})
NOT_OURS = frozenset({"node_modules", "static", "generated", "__pycache__", "dist"})


def lengths(root: Path) -> dict[str, int]:
    """The lines of each source file of ours."""
    return {
        path.relative_to(root).as_posix(): len(path.read_text(errors="replace").splitlines())
        for folder in FOLDERS
        for path in _sources(root / folder)
    }


def _sources(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if path.name not in NOT_OURS:
                yield from _sources(path)
        elif path.suffix in SUFFIXES:
            yield path


def listed(text: str) -> dict[str, int]:
    """`path lines` per line; `#` begins a comment."""
    entries = (line.split("#", maxsplit=1)[0].split() for line in text.splitlines())
    return {entry[0]: int(entry[1]) for entry in entries if entry}


def check(found: dict[str, int], allowed: dict[str, int]) -> Iterator[Finding]:
    for path, count in found.items():
        if count > REFUSED:
            yield Finding(path, REFUSED, NAME, f"{count} lines; {REFUSED} is the limit: cut it in two")
        elif count > ASKS_FOR_A_CUT:
            yield from _long(path, count, allowed.get(path))
    yield from _stale(found, allowed)


def _long(path: str, count: int, may: int | None) -> Iterator[Finding]:
    if may is None:
        yield Finding(
            path, ASKS_FOR_A_CUT, NAME, f"{count} lines; past {ASKS_FOR_A_CUT} a file asks for a cut"
        )
    elif count > may:
        yield Finding(path, may, NAME, f"{count} lines, was {may}: a long file may only get shorter")
    elif count < may:
        yield Finding(LIST, 1, NAME, f"{path} fell to {count} lines: write that down")


def _stale(found: dict[str, int], allowed: Iterable[str]) -> Iterator[Finding]:
    entries = list(allowed)
    if len(entries) > MOST_LONG_FILES:
        yield Finding(LIST, 1, NAME, f"{len(entries)} long files, {MOST_LONG_FILES} may be listed")
    for path in entries:
        if found.get(path, 0) <= ASKS_FOR_A_CUT:
            yield Finding(LIST, 1, NAME, f"{path} is no longer long: take it off the list")
