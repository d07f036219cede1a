"""The channels there are: every module of this folder that is not part of the house exports `CHANNEL`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from guichet import channels
from guichet.accounts.directory import Directory
from guichet.accounts.settings import EntryPoint
from guichet.channels.base import Capabilities, Channel, Entry
from guichet.kit.errors import Refused, invalid
from guichet.kit.plugins import BrokenPlugin, discover

HOUSE = frozenset(
    {"base", "registry", "delivery", "inbound", "reading", "secrets", "tokens", "uploads", "work"}
)
"""Modules of this folder that serve every channel and are none."""

_found: dict[str, Channel] = {}


def load() -> dict[str, Channel]:
    """Every channel by its name. Raises BrokenPlugin for a module that exports none."""
    found: dict[str, Channel] = {}
    for file, module in discover(channels).items():
        if file in HOUSE:
            continue
        channel = getattr(module, "CHANNEL", None)
        if channel is None:
            raise BrokenPlugin(f"{module.__name__} must export CHANNEL")
        if channel.name in found:
            raise BrokenPlugin(f"{module.__name__}: there is another channel {channel.name!r}")
        found[channel.name] = channel
    _found.clear()
    _found.update(found)
    return found


def all_channels() -> dict[str, Channel]:
    """Every channel by its name; the folder is read once."""
    return _found or load()


def channel(name: str) -> Channel:
    """Raises Refused for a name that no module has."""
    found = all_channels().get(name)
    if found is None:
        raise invalid("channel", "channel.unknown", f"there is no channel {name!r}")
    return found


def capabilities(name: str) -> Capabilities:
    """What the channel can do. Raises Refused for an unknown name."""
    return channel(name).capabilities


def channel_settings(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """An entry point's own settings as they are kept, checked by its channel. Raises Refused that names the field."""
    try:
        return channel(name).Settings.model_validate(settings).model_dump(mode="json")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(("settings", *(str(part) for part in first["loc"])))
        raise Refused("invalid", "settings.invalid", first["msg"], field=field) from error


def addresses(name: str, entry_point: str, settings: dict[str, Any]) -> frozenset[str]:
    """By what the outside knows an entry point; nothing where it has no settings that its channel takes."""
    with suppress(ValidationError):
        return frozenset(
            channel(name).addresses(entry_point, channel(name).Settings.model_validate(settings))
        )
    return frozenset()


def entries(directory: Directory, name: str) -> Iterator[Entry]:
    """The active entry points of a channel, over all organisations; one with broken settings is left out."""
    for org, ident, config in directory.all("entry_point"):
        if isinstance(config, EntryPoint) and config.channel == name and config.active:
            with suppress(ValidationError):
                yield Entry(org, ident, config, channel(name).Settings.model_validate(config.settings))


def entry_named(directory: Directory, name: str, ident: str) -> Entry:
    """The active entry point of a channel with this id. Raises Refused."""
    for org, found, config in directory.all("entry_point"):
        if found == ident and isinstance(config, EntryPoint) and config.channel == name and config.active:
            with suppress(ValidationError):
                return Entry(org, ident, config, channel(name).Settings.model_validate(config.settings))
    raise Refused("not_found", "entry_point.unknown", "there is no such entry point")
