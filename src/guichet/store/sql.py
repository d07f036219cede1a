"""SQL made from table definitions, for both engines. Identifiers come from code, values are always parameters."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Literal

import msgspec

from guichet.store.port import BadChange, Row
from guichet.store.rows import Change, ColumnType, Table, Value
from guichet.store.side import Dialect

TYPES: dict[Dialect, dict[ColumnType, str]] = {
    "sqlite": {
        "text": "TEXT", "int": "INTEGER", "real": "REAL", "bool": "INTEGER", "json": "TEXT", "blob": "BLOB",
    },
    # JSON stays text: jsonb would reorder keys and refuse \u0000, and nobody looks inside with SQL.
    "postgres": {
        "text": "text", "int": "bigint", "real": "double precision", "bool": "boolean", "json": "text",
        "blob": "bytea",
    },
}  # fmt: skip

RESERVED = frozenset(
    {
        "shard", "fact", "command_key", "snapshot", "projection", "session", "draft", "job", "secret", "blob",
        "blob_chunk", "step", "follower",
    }
)  # fmt: skip
"""The log's own tables: an inline table may not take their names."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,48}")
_encode = msgspec.json.Encoder().encode


class Shape:
    """A table's columns as the engines see them: `org` included, key columns first."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.types: dict[str, ColumnType] = {name: self._type(table, name) for name in table.key}
        self.types.update(table.columns)
        self.types.setdefault("org", "text")
        for name in (table.name, *self.types):
            if not _NAME.fullmatch(name) or table.name in RESERVED:
                raise ValueError(f"table {table.name}: {name!r} may not be used as a name")
        self.columns = tuple(self.types)
        self.selected = ", ".join(map(quote, self.columns))
        self.json = tuple(c for c, kind in self.types.items() if kind == "json")
        self.bools = tuple(c for c, kind in self.types.items() if kind == "bool")

    @staticmethod
    def _type(table: Table, name: str) -> ColumnType:
        return table.columns.get(name, "text")

    @property
    def fingerprint(self) -> str:
        """Differs when the version or anything about the columns differs: such a table is rebuilt."""
        parts = (self.table.version, self.table.key, sorted(self.types.items()), self.table.indexes)
        return f"{self.table.version}:{zlib.crc32(repr(parts).encode()):08x}"

    def ddl(self, dialect: Dialect) -> list[str]:
        """The statements that create the table, with nothing in it."""
        table, kinds = self.table, TYPES[dialect]
        columns = [
            f"{quote(c)} {kinds[kind]}{' NOT NULL' if c in table.key else ''}"
            for c, kind in self.types.items()
        ]
        key = ", ".join(map(quote, table.key))
        made = f"CREATE TABLE {quote(table.name)} ({', '.join(columns)}, PRIMARY KEY ({key}))"
        statements = [made + (" STRICT" if dialect == "sqlite" else "")]
        for number, index in enumerate(table.indexes):
            # Both engines sort nulls first, so that a page and its index agree.
            nulls = " NULLS FIRST" if dialect == "postgres" else ""
            parts = ", ".join(quote(c) + ("" if c in table.key else nulls) for c in index)
            name = quote(f"{table.name}_{number}")
            statements.append(f"CREATE INDEX {name} ON {quote(table.name)} ({parts})")
        return statements

    def decode(self, values: Sequence[Any]) -> Row:
        """A stored row as the readers get it: JSON decoded, bools as bools."""
        row: Row = dict(zip(self.columns, values, strict=True))
        for name in self.json:
            text = row[name]
            if text is not None:
                row[name] = msgspec.json.decode(text)  # type: ignore[arg-type]
        for name in self.bools:
            if row[name] is not None:
                row[name] = bool(row[name])
        return row


@cache
def shape(table: Table) -> Shape:
    """The shape of a table, made once. Raises ValueError for names that SQL would not take."""
    return Shape(table)


def quote(name: str) -> str:
    """An identifier in quotes: `order` and `user` are good names for columns."""
    return f'"{name}"'


Kind = Literal["delete", "insert", "update"]


class Plan:
    """One statement that many changes of a batch share; each gives it one row of parameters."""

    __slots__ = ("columns", "json", "key", "kind", "table")

    def __init__(self, kind: Kind, table: Table, columns: tuple[str, ...]) -> None:
        types = shape(table).types
        unknown = [c for c in columns if c not in types]
        if unknown:
            raise BadChange(f"table {table.name} has no column {', '.join(unknown)}")
        self.kind = kind
        self.table = table
        self.columns = columns
        self.key = table.key
        self.json = tuple(i for i, c in enumerate(columns) if types[c] == "json")

    @property
    def parameters(self) -> tuple[str, ...]:
        """The column behind each parameter of a row, in order."""
        if self.kind == "insert":
            return self.columns
        return (*self.columns, *self.key)

    def types(self, dialect: Dialect) -> tuple[str, ...]:
        """The SQL types of the parameters."""
        known = shape(self.table).types
        return tuple(TYPES[dialect][known[c]] for c in self.parameters)

    def sqlite(self) -> str:
        """The statement for `executemany`."""
        table = quote(self.table.name)
        where = " AND ".join(f"{quote(c)} = ?" for c in self.key)
        if self.kind == "insert":
            marks = ", ".join("?" * len(self.columns))
            return f"INSERT INTO {table} ({', '.join(map(quote, self.columns))}) VALUES ({marks})"
        if self.kind == "update":
            return f"UPDATE {table} SET {', '.join(f'{quote(c)} = ?' for c in self.columns)} WHERE {where}"
        return f"DELETE FROM {table} WHERE {where}"

    def postgres(self, arrays: str, condition: str = "true") -> str:
        """The statement over `unnest`ed arrays (`arrays`: "unnest($3::text[], ...)"), done under a condition."""
        table = quote(self.table.name)
        names = [f"p{i}" for i in range(len(self.parameters))]
        source = f"{arrays} AS u({', '.join(names)})"
        if self.kind == "insert":
            columns, values = ", ".join(map(quote, self.columns)), ", ".join(f"u.{n}" for n in names)
            return f"INSERT INTO {table} ({columns}) SELECT {values} FROM {source} WHERE {condition}"
        sets, keys = names[: len(self.columns)], names[len(self.columns) :]
        same = [f"t.{quote(c)} = u.{n}" for c, n in zip(self.key, keys, strict=True)]
        where = " AND ".join([*same, condition])
        if self.kind == "update":
            assigned = ", ".join(f"{quote(c)} = u.{n}" for c, n in zip(self.columns, sets, strict=True))
            return f"UPDATE {table} AS t SET {assigned} FROM {source} WHERE {where}"
        return f"DELETE FROM {table} AS t USING {source} WHERE {where}"


Parameters = tuple[Value, ...] | list[Value]
Groups = dict[Plan, list[Parameters]]

_plans: dict[tuple[Kind, int, tuple[str, ...]], Plan] = {}
"""By kind, id of the table (which the plan keeps alive) and the columns that a change names."""


def _plan(kind: Kind, table: Table, named: tuple[str, ...]) -> Plan:
    plan = _plans.get((kind, id(table), named))
    if plan is None:
        columns = (*named, "org") if kind == "insert" and "org" not in named else named
        plan = _plans[kind, id(table), named] = Plan(kind, table, columns)
    return plan


def grouped(changes: Iterable[Change]) -> tuple[Groups, Groups]:
    """The changes by statement: those that must come first (deletes), then inserts and updates.

    One key occurs once in a batch, so the order inside each half does not matter.
    """
    deletes: Groups = {}
    rest: Groups = {}
    for change in changes:
        values = change.values
        if values is None or change.replaced:
            deletes.setdefault(_plan("delete", change.table, ()), []).append(change.key)
        if values is None or not (values or change.fresh):
            continue
        if change.fresh:
            plan = _plan("insert", change.table, tuple(values))
            row: list[Value] = list(values.values())
            if len(row) < len(plan.columns):
                row.append(change.org)
        else:
            plan = _plan("update", change.table, tuple(values))
            row = [*values.values(), *change.key]
        for i in plan.json:
            if row[i] is not None:
                row[i] = _encode(row[i]).decode()
        rows = rest.get(plan)
        if rows is None:
            rest[plan] = [row]
        else:
            rows.append(row)
    return deletes, rest


def select(
    dialect: Dialect,
    table: Table,
    where: dict[str, Value | Sequence[Value]],
    *,
    order: str | None = None,
    descending: bool = False,
    before: Value = None,
    limit: int,
) -> tuple[str, list[Any]]:
    """The query behind `Reader.rows`, with "?" for each parameter. Raises ValueError for unknown columns."""
    known = shape(table)
    unknown = [c for c in (*where, *([order] if order else [])) if known.types.get(c, "json") == "json"]
    if unknown:
        raise ValueError(f"table {table.name} cannot be searched by {', '.join(unknown)}")
    terms: list[str] = []
    values: list[Any] = []
    for column, wanted in where.items():
        if isinstance(wanted, (list, tuple, set, frozenset)):
            if dialect == "postgres":
                terms.append(f"{quote(column)} = ANY(?::{TYPES[dialect][known.types[column]]}[])")
                values.append(list(wanted))
            else:
                terms.append(f"{quote(column)} IN ({', '.join('?' * len(wanted))})")
                values.extend(wanted)
        elif wanted is None:
            terms.append(f"{quote(column)} IS NULL")
        else:
            terms.append(f"{quote(column)} = ?")
            values.append(wanted)
    tail = ""
    if order is not None:
        if before is not None:
            terms.append(f"{quote(order)} {'<' if descending else '>'} ?")
            values.append(before)
        way = "DESC" if descending else "ASC"
        nulls = "" if order in table.key else f" NULLS {'LAST' if descending else 'FIRST'}"
        tail = f" ORDER BY {quote(order)} {way}{nulls}"
    condition = f" WHERE {' AND '.join(terms)}" if terms else ""
    return f"SELECT {known.selected} FROM {quote(table.name)}{condition}{tail} LIMIT {limit:d}", values


@cache
def numbered(sql: str) -> str:
    """ "?" as "$1", "$2" ...: PostgreSQL's form of the same statement."""
    head, *rest = sql.split("?")
    return head + "".join(f"${n}{part}" for n, part in enumerate(rest, 1))
