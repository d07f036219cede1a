"""Table `config`: the configuration as web processes load it."""

from __future__ import annotations

from collections.abc import Iterator

from guichet.accounts.part import Accounts
from guichet.events.accounts import ConfigChanged
from guichet.leader.registry import At, project
from guichet.store.rows import Insert, RowOp, Update, Value, table

CONFIG = table(
    "config",
    key=("organisation", "kind", "id"),
    columns={
        "organisation": "text",
        "kind": "text",
        "id": "text",
        "version": "int",
        "value": "json",
        "changed_at": "int",
        "changed_by": "text",
    },
)


@project(ConfigChanged)
def show_config(part: Accounts, fact: ConfigChanged, at: At) -> Iterator[RowOp]:
    """One row per setting, with its latest value."""
    values: dict[str, Value] = {
        "version": fact.version,
        "value": fact.value,
        "changed_at": at.t,
        "changed_by": at.actor,
    }
    make = Insert if fact.version == 1 else Update
    yield make(CONFIG, (fact.organisation, fact.kind, fact.id), values)
