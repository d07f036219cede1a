"""Named fault points: places where a test may stop, break or kill the process. Free when off.

`GUICHET_FAULTS="leader.commit.before=kill@3,blob.written=raise"` arms them in a process of its own:
the action happens at the given hit (default 1). Actions: `kill` (SIGKILL to itself), `raise` (OSError),
`full` (OSError ENOSPC). Tests in the same process use `arm`.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable

POINTS: set[str] = set()
"""Every point that the code declared; the fault suite fails when it never hit one of them."""

_armed: dict[str, tuple[Callable[[], None], int]] = {}


def declare(name: str) -> str:
    """Registers a point at import time and gives its name back, to be kept in a module constant."""
    POINTS.add(name)
    return name


def fault_point(name: str) -> None:
    """Does nothing unless the point is armed."""
    if not _armed:
        return
    entry = _armed.get(name)
    if entry is None:
        return
    action, left = entry
    if left > 1:
        _armed[name] = (action, left - 1)
        return
    del _armed[name]
    action()


def arm(name: str, action: Callable[[], None] | str, at_hit: int = 1) -> None:
    """Arms a point: the action runs once, at the given hit from now."""
    _armed[name] = (_ACTIONS[action] if isinstance(action, str) else action, at_hit)


def disarm_all() -> None:
    """Back to normal."""
    _armed.clear()


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _raise() -> None:
    raise OSError(errno.EIO, "fault point")


def _full() -> None:
    raise OSError(errno.ENOSPC, "fault point: no space left on device")


_ACTIONS: dict[str, Callable[[], None]] = {"kill": _kill, "raise": _raise, "full": _full}


def arm_from_environment(text: str) -> None:
    """Parses `GUICHET_FAULTS`. Raises ValueError for an unknown action."""
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, _, action = part.partition("=")
        verb, _, hit = action.partition("@")
        if verb not in _ACTIONS:
            raise ValueError(f"GUICHET_FAULTS: unknown action {verb!r} for {name!r}; use kill, raise or full")
        arm(name, verb, int(hit or 1))
