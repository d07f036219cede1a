"""What all of the desk's routes share: who may ask, what they may see, how an answer and its description look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, cast

import msgspec
from fastapi import Path, Request, Response
from pydantic import BaseModel, ConfigDict, create_model

from guichet.accounts.access import Access
from guichet.accounts.directory import Directory
from guichet.accounts.door import Door
from guichet.desk.commands import Commands
from guichet.kit.clock import Clock
from guichet.store.port import Blobs, Drafts, People, Reader, Row, Search
from guichet.store.rows import ColumnType, Table

Ident = Annotated[str, Path(min_length=1, max_length=128)]

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Deps:
    """What the desk's routes need."""

    door: Door
    directory: Directory
    reader: Reader
    search: Search
    people: People
    drafts: Drafts
    blobs: Blobs
    commands: Commands
    clock: Clock


class Needs:
    """A FastAPI dependency: the access of whoever asks, with this permission. The walls test reads it off the
    routes. Raises Refused."""

    def __init__(self, door: Door, permission: str) -> None:
        self.permission = permission
        self._door = door

    async def __call__(self, request: Request) -> Access:
        access = await self._door.signed_in(request)
        access.need(self.permission)
        return access


class Body(BaseModel):
    """Base of what is sent to us: no unknown field, no conversion."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Problem(BaseModel):
    """A refusal, as everywhere: see `kit.errors`."""

    kind: str
    code: str
    remedy: str
    field: str | None = None
    limit: int | None = None


def problems(*more: int) -> dict[int | str, dict[str, Any]]:
    """The refusals that any of our routes may answer with, for its description."""
    return {status: {"model": Problem} for status in sorted({401, 403, 422, 503, *more})}


def answer(value: object) -> Response:
    """A JSON response that nobody may keep."""
    headers = {"Cache-Control": "no-store"}
    return Response(_encode(value), media_type="application/json", headers=headers)


_TYPES: dict[ColumnType, Any] = {
    "text": str,
    "int": int,
    "real": float,
    "bool": bool,
    "json": Any,
    "blob": str,
}
HIDDEN = frozenset({"org", "subject"})


def row_model(name: str, table: Table, **more: object) -> type[BaseModel]:
    """The description of a table's rows as they are answered; columns outside the key may be null."""
    fields: dict[str, Any] = {
        column: (_TYPES[kind] if column in table.key else _TYPES[kind] | None, ...)
        for column, kind in table.columns.items()
        if column not in HIDDEN
    }
    fields.update({field: (kind, ...) for field, kind in more.items()})
    return cast("type[BaseModel]", create_model(name, **fields))


def shown(row: Row) -> Row:
    """A row without the columns that are nobody's business."""
    return {column: value for column, value in row.items() if column not in HIDDEN}
