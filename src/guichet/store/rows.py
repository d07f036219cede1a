"""Read tables and the row operations that projections yield.

A row operation inserts a whole row, updates named columns by key, or deletes; it never reads or increments.
The operations of one batch that touch one key are merged before the engine sees them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

ColumnType = Literal["text", "int", "real", "bool", "json", "blob"]
Value = str | int | float | bool | bytes | list[object] | dict[str, object] | None
Key = tuple[str | int, ...]

TABLES: dict[str, Table] = {}
"""Every inline table by name, filled when the stages are imported."""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A read table: its columns, its key, which indexes it needs. A new `version` is rebuilt from the log.

    Every table also has a column `org`, filled by the leader. A table that holds words of a customer has a
    column `subject` (the customer's id, indexed), by which erasure deletes.
    """

    name: str
    key: tuple[str, ...]
    columns: dict[str, ColumnType]
    indexes: tuple[tuple[str, ...], ...] = ()
    version: int = 1

    def __hash__(self) -> int:
        return hash(self.name)


def table(
    name: str,
    *,
    key: tuple[str, ...],
    columns: Mapping[str, ColumnType],
    indexes: tuple[tuple[str, ...], ...] = (),
    version: int = 1,
) -> Table:
    """Declares a table; `columns` include those of the key. Raises ValueError when it contradicts itself."""
    unknown = [c for c in (*key, *(c for index in indexes for c in index)) if c not in columns and c != "org"]
    if unknown or name in TABLES:
        raise ValueError(
            f"table {name}: {'declared twice' if name in TABLES else f'unknown columns {unknown}'}"
        )
    if "subject" in columns and ("subject",) not in indexes:
        indexes = (*indexes, ("subject",))
    made = Table(name=name, key=key, columns=dict(columns), indexes=indexes, version=version)
    TABLES[name] = made
    return made


class Insert(msgspec.Struct, gc=False):
    """A whole new row. Columns that are not named are null."""

    table: Table
    key: Key
    values: dict[str, Value]


class Update(msgspec.Struct, gc=False):
    """Sets named columns of one row. `known` are immutable columns (partition, scope) for the views, not written."""

    table: Table
    key: Key
    values: dict[str, Value]
    known: dict[str, Value] = {}


class Delete(msgspec.Struct, gc=False):
    """Removes one row. `known` as in Update."""

    table: Table
    key: Key
    known: dict[str, Value] = {}


class EraseSubject(msgspec.Struct, gc=False):
    """Deletes a customer's rows from every table that has a column `subject`."""

    subject: str


class NewJob(msgspec.Struct, gc=False):
    """Work for the outside world, queued in the same commit. Ids only: no personal data in a payload."""

    queue: str
    key: str
    payload: dict[str, str | int | None]


RowOp = Insert | Update | Delete | EraseSubject | NewJob
"""Given away by whoever yields it: its `values` belong to no other operation, and those that follow change them."""


class Change(msgspec.Struct, gc=False):
    """One row's net change in a batch: what the engine writes and what the hub sends.

    `fresh`: the row did not exist before (insert). `replaced`: an older row of this key is deleted first.
    """

    table: Table
    key: Key
    org: str
    values: dict[str, Value] | None
    known: dict[str, Value]
    fresh: bool
    replaced: bool = False

    @property
    def deleted(self) -> bool:
        return self.values is None


class Changes:
    """Collects the row operations of one batch, merged by key, in first-touched order."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, Key], Change] = {}
        self.erased: list[str] = []
        self.jobs: list[NewJob] = []

    def add(self, org: str, ops: Iterable[RowOp]) -> None:
        """Merges operations into the batch."""
        rows = self.rows
        for op in ops:
            if isinstance(op, NewJob):
                self.jobs.append(op)
                continue
            if isinstance(op, EraseSubject):
                self._erase(op.subject)
                continue
            at = (op.table.name, op.key)
            old = rows.get(at)
            if isinstance(op, Update):
                if old is None:
                    rows[at] = Change(op.table, op.key, org, op.values, op.known, fresh=False)
                elif old.values is not None:
                    old.values.update(op.values)
                    old.known = {**old.known, **op.known}
            elif isinstance(op, Insert):
                values = op.values
                for column, value in zip(op.table.key, op.key, strict=True):
                    values[column] = value
                replaced = old is not None and not (old.fresh and not old.replaced)
                rows[at] = Change(op.table, op.key, org, values, {}, fresh=True, replaced=replaced)
            elif old is not None and old.fresh and not old.replaced:
                del rows[at]
            else:
                known = {**old.known, **op.known} if old is not None else op.known
                rows[at] = Change(op.table, op.key, org, None, known, fresh=False)

    def _erase(self, subject: str) -> None:
        """The engine erases before it writes the rows: what this batch made of the customer so far goes here."""
        self.erased.append(subject)
        for at, change in list(self.rows.items()):
            if change.fresh and change.values is not None and change.values.get("subject") == subject:
                if change.replaced:
                    self.rows[at] = Change(change.table, change.key, change.org, None, {}, fresh=False)
                else:
                    del self.rows[at]
