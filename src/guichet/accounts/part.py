"""The accounts' share of the leader's state: the configuration, typed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from guichet.accounts.directory import Directory
from guichet.accounts.settings import (
    Agent,
    Client,
    EntryPoint,
    Hours,
    OrganisationSettings,
    Queue,
    Settings,
    Site,
)
from guichet.events.accounts import ConfigChanged, OrganisationFounded
from guichet.leader.registry import At
from guichet.leader.state import Part, folds


class Rules(msgspec.Struct, frozen=True):
    """What the composition root knows of stages downstream. `policies`: the routing policies there are (None:
    not checked). `channel_settings(channel, settings)` gives the settings as they are kept, or raises Refused.
    `addresses(channel, entry point, settings)`: by what the outside knows it."""

    policies: Collection[str] | None = None
    channel_settings: Callable[[str, dict[str, Any]], dict[str, Any]] | None = None
    addresses: Callable[[str, str, dict[str, Any]], frozenset[str]] | None = None


class Accounts(Part):
    """Typed, read-only access for handlers of this stage and those downstream. Ids not found give None."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.rules = rules if rules is not None else Rules()
        self.directory = Directory()
        self._organisations: set[str] = set()

    # -- reading ---------------------------------------------------------------------------------------

    @property
    def version(self) -> int:
        """Grows with every change of any configuration."""
        return self.directory.version

    def version_of(self, org: str) -> int:
        """Grows with every change of an organisation's configuration: what a decision record names."""
        return self.directory.version_of(org)

    def exists(self, org: str) -> bool:
        return org in self._organisations

    @property
    def organisations(self) -> list[str]:
        return sorted(self._organisations)

    def organisation(self, org: str) -> OrganisationSettings:
        """Raises KeyError when there is no such organisation."""
        return self.directory.organisation(org)

    def agent(self, org: str, ident: str) -> Agent | None:
        return self.directory.find(org, Agent, ident)

    def queue(self, org: str, ident: str) -> Queue | None:
        return self.directory.find(org, Queue, ident)

    def site(self, org: str, ident: str) -> Site | None:
        return self.directory.find(org, Site, ident)

    def client(self, org: str, ident: str) -> Client | None:
        return self.directory.find(org, Client, ident)

    def entry_point(self, org: str, ident: str) -> EntryPoint | None:
        return self.directory.find(org, EntryPoint, ident)

    def hours(self, org: str, ident: str) -> Hours | None:
        return self.directory.find(org, Hours, ident)

    def all(self, org: str, kind: str) -> Mapping[str, Settings]:
        """All values of a kind by ident, active or not."""
        return {ident: item.value for ident, item in self.directory.items(org, kind).items()}

    # -- folding ---------------------------------------------------------------------------------------

    @folds(OrganisationFounded)
    def _founded(self, fact: OrganisationFounded, at: At) -> None:
        self._organisations.add(fact.organisation)

    @folds(ConfigChanged)
    def _changed(self, fact: ConfigChanged, at: At) -> None:
        self.directory.put(fact.organisation, fact.kind, fact.id, fact.version, fact.value)

    def dump(self) -> Any:  # noqa: ANN401 (plain data)
        return {"organisations": self.organisations, "config": self.directory.dump()}

    def restore(self, data: Any) -> None:  # noqa: ANN401
        self._organisations = set(data["organisations"])
        self.directory = Directory()
        for org, kind, ident, version, value in data["config"]:
            self.directory.put(org, kind, ident, version, value)
