"""How the tables beside the log are reached: the same few statements on either engine.

Statements mark parameters with "?"; both engines understand the rest of what is used here (ON CONFLICT,
RETURNING). A `Side` runs each statement in a transaction of its own; a `Database` also offers longer ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol

Dialect = Literal["sqlite", "postgres"]
Found = list[tuple[Any, ...]]


class Side(Protocol):
    """Single statements, each durable when it returns. Any loop may call. Raises Full, OSError."""

    dialect: Dialect

    async def read(self, sql: str, *values: object) -> Found: ...

    async def write(self, sql: str, *values: object) -> Found:
        """Runs the statement and gives the rows of its RETURNING clause, if it has one."""
        ...


class Transaction(Protocol):
    """Statements that are committed together, or not at all."""

    dialect: Dialect

    async def read(self, sql: str, *values: object) -> Found: ...

    async def write(self, sql: str, *values: object) -> Found: ...

    async def many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Runs the statement once per row of parameters."""
        ...


class Database(Side, Protocol):
    """A file of its own on SQLite, tables of the one database on PostgreSQL. One writer at a time."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]: ...
