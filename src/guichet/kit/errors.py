"""The one way to say no. A `Refused` names what was wrong, where, and what to do about it."""

from __future__ import annotations

from typing import Literal

Kind = Literal[
    "invalid", "forbidden", "not_found", "conflict", "too_large", "limited", "unavailable", "signed_out"
]

HTTP_STATUS: dict[Kind, int] = {
    "invalid": 422,
    "forbidden": 403,
    "not_found": 404,
    "conflict": 409,
    "too_large": 413,
    "limited": 429,
    "unavailable": 503,
    "signed_out": 401,
}


class Refused(Exception):
    """A request that was not carried out; nothing changed.

    Args:
        kind: the family, which decides the HTTP status.
        code: a stable dotted name that screens translate, e.g. "message.too_long".
        remedy: an English sentence that says what to do.
        field: the input at fault, where there is one.
        limit: the bound that was passed, where there is one.
    """

    def __init__(
        self, kind: Kind, code: str, remedy: str, *, field: str | None = None, limit: int | None = None
    ) -> None:
        super().__init__(f"{code}: {remedy}")
        self.kind: Kind = kind
        self.code = code
        self.remedy = remedy
        self.field = field
        self.limit = limit

    def as_dict(self) -> dict[str, str | int]:
        """What goes over the wire: {kind, code, remedy[, field][, limit]}."""
        out: dict[str, str | int] = {"kind": self.kind, "code": self.code, "remedy": self.remedy}
        if self.field is not None:
            out["field"] = self.field
        if self.limit is not None:
            out["limit"] = self.limit
        return out


def invalid(field: str, code: str, remedy: str, *, limit: int | None = None) -> Refused:
    """Short for the most common refusal: one field is wrong."""
    return Refused("invalid", code, remedy, field=field, limit=limit)
