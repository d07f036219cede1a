"""The configuration in memory, as typed values. The leader's part folds facts into one; a web process fills its
own from rows of table `config`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

import msgspec

from guichet.accounts.access import Access
from guichet.accounts.settings import KINDS, Agent, OrganisationSettings, Settings
from guichet.store.port import Row
from guichet.store.rows import Change

S = TypeVar("S", bound=Settings)

ORGANISATION = "organisation"
"""Kind and id of an organisation's own settings."""


class Item(msgspec.Struct, frozen=True):
    """One value of the configuration."""

    version: int
    value: Settings


class Directory:
    """Values by (organisation, kind, ident). `version` counts all changes, `version_of` those of one organisation."""

    def __init__(self) -> None:
        self._items: dict[tuple[str, str], dict[str, Item]] = {}
        self._emails: dict[str, set[tuple[str, str]]] = {}
        self._versions: dict[str, int] = {}

    # -- filling ---------------------------------------------------------------------------------------

    def put(self, org: str, kind: str, ident: str, version: int, value: Mapping[str, Any]) -> None:
        """Takes a value in. Kinds that this code does not know are left out (an older version reads a newer log)."""
        model = KINDS.get(kind)
        if model is None:
            return
        items = self._items.setdefault((org, kind), {})
        old = items.get(ident)
        if old is not None and old.version >= version:
            return  # told twice: a web process reads the table while it follows the commits
        new = model.model_validate(value)
        self._versions[org] = self._versions.get(org, 0) + version - (old.version if old is not None else 0)
        if isinstance(new, Agent):
            if old is not None:
                self._emails[folded(cast(Agent, old.value).email)].discard((org, ident))
            self._emails.setdefault(folded(new.email), set()).add((org, ident))
        items[ident] = Item(version, new)

    def put_row(self, row: Row) -> None:
        """Takes a row of table `config` in."""
        org, kind, ident = str(row["organisation"]), str(row["kind"]), str(row["id"])
        self.put(org, kind, ident, cast(int, row["version"]), cast("dict[str, Any]", row["value"]))

    def take(self, changes: Sequence[Change]) -> None:
        """Follows the commits: picks the changes of table `config` out of a batch's."""
        for change in changes:
            if change.table.name == "config" and change.values is not None:
                org, kind, ident = map(str, change.key)
                version, value = change.values["version"], change.values["value"]
                self.put(org, kind, ident, cast(int, version), cast("dict[str, Any]", value))

    # -- reading ---------------------------------------------------------------------------------------

    def version_of(self, org: str) -> int:
        return self._versions.get(org, 0)

    @property
    def version(self) -> int:
        return sum(self._versions.values())

    def organisations(self) -> list[str]:
        return sorted(org for org, kind in self._items if kind == ORGANISATION)

    def item(self, org: str, kind: str, ident: str) -> Item | None:
        """A value with its version."""
        return self._items.get((org, kind), {}).get(ident)

    def get(self, org: str, kind: str, ident: str) -> Settings | None:
        item = self.item(org, kind, ident)
        return item.value if item is not None else None

    def find(self, org: str, model: type[S], ident: str) -> S | None:
        """A value by its model."""
        return cast("S | None", self.get(org, _KIND_OF[model], ident))

    def items(self, org: str, kind: str) -> Mapping[str, Item]:
        """All of a kind with their versions, in the order in which they were first set."""
        return self._items.get((org, kind), {})

    def of(self, org: str, model: type[S]) -> dict[str, S]:
        """All of a kind by ident, active or not."""
        return {ident: cast(S, item.value) for ident, item in self.items(org, _KIND_OF[model]).items()}

    def all(self, kind: str) -> list[tuple[str, str, Settings]]:
        """All of a kind over all organisations, as (organisation, ident, value)."""
        return [
            (org, ident, item.value)
            for (org, of), items in self._items.items()
            if of == kind
            for ident, item in items.items()
        ]

    def agents_with(self, email: str) -> list[tuple[str, str]]:
        """Active agents by e-mail address, as (organisation, agent): one person may work for several."""
        found = sorted(self._emails.get(folded(email), ()))
        return [(org, ident) for org, ident in found if self.access(org, ident) is not None]

    def access(self, org: str, agent: str) -> Access | None:
        """What an agent may do now; None when there is no such active agent."""
        settings = self.find(org, Agent, agent)
        if settings is None or not settings.active or not self.organisation(org).active:
            return None
        return Access.of(org, agent, settings)

    def organisation(self, org: str) -> OrganisationSettings:
        """An organisation's settings. Raises KeyError when there is no such organisation."""
        item = self._items[org, ORGANISATION][ORGANISATION]
        return cast(OrganisationSettings, item.value)

    def dump(self) -> list[list[Any]]:
        """Everything as plain values, in an order that does not depend on how it came about."""
        return sorted(
            [org, kind, ident, item.version, item.value.model_dump(mode="json")]
            for (org, kind), items in self._items.items()
            for ident, item in items.items()
        )

    def __iter__(self) -> Iterator[tuple[str, str, str, Item]]:
        """Everything, as (organisation, kind, id, item)."""
        for (org, kind), items in self._items.items():
            for ident, item in items.items():
                yield org, kind, ident, item


_KIND_OF: dict[type[Settings], str] = {model: kind for kind, model in KINDS.items()}


def folded(email: str) -> str:
    """An address as it is compared: people do not care about its case."""
    return email.strip().casefold()
