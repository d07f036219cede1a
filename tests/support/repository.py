"""The repository as git sees it: what is tracked, and where it stands."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def tracked() -> tuple[str, ...]:
    """Paths of all tracked files that are still there."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return tuple(path for path in listed.stdout.split("\0") if path and (ROOT / path).exists())


def text_of(path: str) -> str:
    """A tracked file's text; "" for pictures and the like."""
    content = (ROOT / path).read_bytes()
    return "" if b"\0" in content[:8000] else content.decode(errors="replace")
