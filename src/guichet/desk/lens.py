"""A committed row as a view shows it: which subscribers it concerns, which of its columns, as JSON made once."""

from __future__ import annotations

from typing import cast

import msgspec

from guichet.accounts.access import Access
from guichet.desk.views import View
from guichet.store.port import Row
from guichet.store.rows import Change

_encode = msgspec.json.Encoder().encode


class Piece:
    """One changed row as one view shows it; encoded once, however many watch it."""

    __slots__ = ("_text", "client", "gone", "row")

    def __init__(self, row: Row, client: str | None, *, gone: bool) -> None:
        self.row = row
        self.client = client
        self.gone = gone
        self._text: str | None = None

    @property
    def text(self) -> str:
        """The row as JSON."""
        if self._text is None:
            self._text = _encode(self.row).decode()
        return self._text


class Delta:
    """Rows of one partition: those set by one commit (key and changed columns) and keys gone; or all, whole."""

    __slots__ = ("_rows", "pieces")

    def __init__(self, pieces: list[Piece]) -> None:
        self.pieces = pieces
        self._rows: str | None = None

    @property
    def rows(self) -> str:
        """The rows set as a JSON array, the same text for all that see all of it."""
        if self._rows is None:
            self._rows = f"[{','.join(p.text for p in self.pieces if not p.gone)}]"
        return self._rows

    @property
    def keys(self) -> str:
        """The keys gone as a JSON array."""
        return f"[{','.join(p.text for p in self.pieces if p.gone)}]"

    @property
    def set(self) -> list[Row]:
        return [p.row for p in self.pieces if not p.gone]

    @property
    def gone(self) -> list[Row]:
        return [p.row for p in self.pieces if p.gone]


class Lens:
    """A view as the hub uses it for every change: what is looked up by name is looked up once."""

    __slots__ = ("_at", "_keys", "columns", "order", "table", "view")

    def __init__(self, view: View) -> None:
        self.view = view
        self.table = view.source
        self.order = view.shown
        self.columns = frozenset(self.order)
        key = self.table.key
        self._keys = [(column, key.index(column)) for column in view.key]
        self._at = key.index(view.partition) if view.partition in key else None

    def partition(self, change: Change) -> str:
        """Which subscribers the change concerns. Raises KeyError (a missing column)."""
        if self._at is not None:
            return str(change.key[self._at])
        name = self.view.partition
        if name == "org":
            return change.org
        values = change.values
        return str(values[name] if values is not None and name in values else change.known[name])

    def piece(self, change: Change) -> Piece | None:
        """The change as the view shows it; None when it shows nothing of it. Raises KeyError (a missing column)."""
        view, values = self.view, change.values
        known = change.known if values is None else {**change.known, **values}
        if view.only is not None and known[view.only[0]] != view.only[1]:
            return None
        client = cast("str | None", known[view.scope]) if view.scope is not None else None
        row: Row = {column: change.key[at] for column, at in self._keys}
        if values is None:
            return Piece(row, client, gone=True)
        if change.fresh:
            row = {**{column: values.get(column) for column in self.order}, **row}
        else:
            columns, keys = self.columns, len(row)
            row.update((column, value) for column, value in values.items() if column in columns)
            if len(row) == keys:
                return None
        if view.public is not None:
            client, row = view.public(row)
        return Piece(row, client, gone=False)

    def stored(self, row: Row) -> Piece:
        """A stored row as the view shows it."""
        view = self.view
        client = cast("str | None", row[view.scope]) if view.scope is not None else None
        shown: Row = {column: row[column] for column in self.order}
        if view.public is not None:
            client, shown = view.public(shown)
        return Piece(shown, client, gone=False)


def cleared(access: Access | None, client: str | None) -> bool:
    """Whether a row of this client may be shown; no access: a trusted receiver, no client: anybody's row."""
    return access is None or client is None or access.cleared(client)
