"""Facts of organisations and their configuration."""

from __future__ import annotations

from typing import Any

from guichet.events.base import Fact, Id, Plain, fact


@fact("organisation.founded", stream="organisation", opens=True)
class OrganisationFounded(Fact, frozen=True, kw_only=True):
    """A tenant began. Its settings, first site and administrator follow as `config.changed`."""

    organisation: Id
    name: Plain[str]


@fact("config.changed", stream=lambda f: f"config/{f.organisation}.{f.kind}.{f.id}")
class ConfigChanged(Fact, frozen=True, kw_only=True):
    """A setting took this value. `version` counts from 1 per (organisation, kind, id); `value` is the whole
    value, valid for the kind's model when it was set. Nothing is deleted: `active` false takes it out of use."""

    organisation: Id
    kind: Plain[str]
    id: Id
    version: int
    value: Plain[dict[str, Any]]
