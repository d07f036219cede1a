"""What a signed-in person may watch: each view names its table, its partition, and who may read it.

A view is declared here and nowhere else; the hub, the sockets and the walls test all read this catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

import msgspec

from guichet.accounts.permissions import LEAD, WORK
from guichet.kit.errors import Refused
from guichet.store.port import Row
from guichet.store.rows import TABLES, Table, Value

Public = Callable[[Mapping[str, Value]], tuple[str | None, Row]]
"""What of a row is shown at all, and which client's clearance it takes (None: anybody's)."""


HIDDEN = frozenset({"org", "organisation", "subject"})
"""Columns that no row shows: whoever watches is in one organisation, and a subject is a customer's id again."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of one table, one partition at a time.

    Args:
        partition: an immutable column, or "org" for the whole organisation: what a subscriber names.
        permission: what the subscriber must be allowed to do; "" for channels only.
        scope: the column with the client whose clearance a row takes.
        guarded: the partition is a conversation; who may read that conversation's row may read all of it.
        own: the partition is an agent, who watches only their own.
        only: an immutable column and the value that a row must have in it.
        columns: the columns shown, beside those of the key; all but HIDDEN when empty.
        public: for rows whose shown part and client are not simply columns (configuration).
        newest: an integer column; only the `limit` rows with its highest values are shown.
        limit: rows in a snapshot, at most.
    """

    name: str
    table: str
    partition: str
    permission: str
    scope: str | None = None
    guarded: bool = False
    own: bool = False
    only: tuple[str, Value] | None = None
    columns: tuple[str, ...] = ()
    public: Public | None = None
    newest: str | None = None
    limit: int = 20_000

    @property
    def source(self) -> Table:
        """The table, declared by an upstream stage's projections."""
        return TABLES[self.table]

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that name a row within one organisation."""
        return tuple(column for column in self.source.key if column not in HIDDEN)

    @property
    def shown(self) -> tuple[str, ...]:
        """Every column of its rows, those of the key first."""
        columns = self.columns or tuple(self.source.columns)
        return (*self.key, *(c for c in columns if c not in HIDDEN and c not in self.key))


PUBLIC: dict[str, tuple[str, ...]] = {
    "organisation": ("name", "default_language", "offer_seconds", "wrapup_seconds", "active"),
    "client": ("name", "colour", "mark", "active"),
    "site": ("name", "country", "active"),
    "team": ("name", "active"),
    "skill": ("name", "active"),
    "agent": ("name", "role", "site", "team", "active"),
    "hours": ("name", "active"),
    "queue": ("name", "client", "language", "answer_within_seconds", "active"),
    "entry_point": ("name", "client", "channel", "queue", "active"),
    "reason": ("name", "presence", "active"),
    "disposition": ("name", "client", "active"),
    "tag": ("name", "client", "active"),
    "canned_reply": ("shortcut", "text", "client", "language", "active"),
    "trunk": ("name", "active"),
    "number": ("name", "number", "active"),
}
"""What everybody who works sees of each kind of configuration; the rest is for administrators, by HTTP."""


def public_config(row: Mapping[str, Value]) -> tuple[str | None, Row]:
    """A row of configuration as every desk may see it, and the client that it belongs to."""
    kind, value = cast("str", row["kind"]), cast("dict[str, object]", row["value"])
    shown = {name: value[name] for name in PUBLIC.get(kind, ()) if name in value}
    client = cast("str | None", row["id"] if kind == "client" else shown.get("client"))
    return client, {**row, "value": shown}


THREAD_LIMIT = 500

MY_WORK = View(name="my_work", table="work", partition="agent", permission=WORK, scope="client", own=True)
CONVERSATION = View(
    name="conversation", table="conversation", partition="conversation", permission=WORK, guarded=True
)
THREAD = View(
    name="thread", table="message", partition="conversation", permission=WORK, guarded=True,
    newest="n", limit=THREAD_LIMIT,
)  # fmt: skip
VISITOR_THREAD = View(
    name="visitor_thread", table="message", partition="conversation", permission="", guarded=True,
    only=("internal", False), newest="n", limit=THREAD_LIMIT,
    columns=("message", "kind", "author", "text", "attachments", "status", "reason", "at", "release_at"),
)  # fmt: skip
LEGS = View(name="legs", table="leg", partition="conversation", permission=WORK, guarded=True)
QUEUES = View(name="queues", table="queue_state", partition="org", permission=LEAD, scope="client")
AGENTS = View(name="agents", table="agent_state", partition="org", permission=LEAD, limit=100_000)
WAITING = View(name="waiting", table="task", partition="org", permission=WORK, scope="client")
ME = View(name="me", table="agent_state", partition="agent", permission=WORK, own=True)
CONFIG = View(
    name="config", table="config", partition="org", permission=WORK, public=public_config,
    columns=("version", "value"),
)  # fmt: skip

_ALL = (MY_WORK, CONVERSATION, THREAD, VISITOR_THREAD, LEGS, QUEUES, AGENTS, WAITING, ME, CONFIG)
VIEWS: dict[str, View] = {view.name: view for view in _ALL}


def view_named(name: str) -> View:
    """The view. Raises Refused."""
    view = VIEWS.get(name)
    if view is None:
        raise Refused("invalid", "view.unknown", f"there is no view {name!r}", field="view")
    return view
