"""What a store refuses when the disk is full, the database away, or newer than this program."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from guichet.kit.errors import Refused


class Full(Refused):
    """No space is left; nothing was written. At the edge it is an answer like any other refusal."""

    def __init__(self) -> None:
        super().__init__(
            "unavailable", "store.full", "the disk is full: nothing was saved; free space, then try again"
        )


class Away(Refused, OSError):
    """The database does not answer, or its disk fails: an answer at the edge, else an OSError. `why` is for logs."""

    def __init__(self, why: str) -> None:
        remedy = "the database does not answer: nothing was saved; try again in a moment"
        super().__init__("unavailable", "store.away", remedy)
        self.why = why


@contextmanager
def full_disk() -> Iterator[None]:
    """Turns the system's "no space left" into Full."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Full from error
        raise


class NewerDatabase(Refused):
    """The database was written by a newer version of Guichet. `what`: which one, for people."""

    def __init__(self, what: str) -> None:
        remedy = f"{what} was written by a newer Guichet: install that version, or a later one"
        super().__init__("conflict", "store.newer", remedy)
