"""What may be asked of the configuration: founding an organisation, setting a value."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Annotated, Any

import msgspec
from pydantic import ValidationError

from guichet.accounts.directory import ORGANISATION, folded
from guichet.accounts.part import Accounts
from guichet.accounts.permissions import ADMINISTER, SYSTEM
from guichet.accounts.settings import (
    ANY,
    KINDS,
    Agent,
    EntryPoint,
    Number,
    OrganisationSettings,
    Queue,
    Settings,
    references,
)
from guichet.events.accounts import ConfigChanged, OrganisationFounded
from guichet.events.base import Fact
from guichet.kit.errors import Refused, invalid
from guichet.leader.registry import Answer, Now, Scope, command

Ident = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+\Z")]
Words = Annotated[str, msgspec.Meta(min_length=1, max_length=254)]

MAX_VALUE = 64 * 1024
"""Bytes of a value as JSON."""


class FoundOrganisation(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant with what it cannot work without: its settings, one client (itself), one site, one administrator.
    `first`: only while the installation has no organisation."""

    organisation: Ident
    name: Words
    administrator: Ident
    administrator_name: Words
    email: Words
    language: Words = "fr"
    country: Words = "FR"
    zone: Words = "EU"
    time_zone: Words = "Europe/Paris"
    first: bool = False


class SetConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Sets a whole value. `expected_version`: the version that the asker saw; 0 for a new one."""

    kind: Annotated[str, msgspec.Meta(max_length=40)]
    id: Ident
    value: dict[str, Any]
    expected_version: Annotated[int, msgspec.Meta(ge=0)]


@command("found_organisation", permission=SYSTEM, scope=lambda _, ask: Scope(org=ask.organisation))
def found_organisation(part: Accounts, ask: FoundOrganisation, now: Now) -> Iterator[Fact]:
    """Refused when it exists, or when `first` and there is any."""
    if part.exists(ask.organisation) or (ask.first and part.organisations):
        raise Refused("conflict", "organisation.exists", "this is set up already; sign in")
    name = ask.name.strip()
    values: list[tuple[str, str, dict[str, Any]]] = [
        (ORGANISATION, ORGANISATION, {"name": name, "default_language": ask.language}),
        ("client", "own", {"name": name}),
        (
            "site",
            "main",
            {
                "name": name,
                "country": ask.country,
                "zone": ask.zone,
                "time_zone": ask.time_zone,
                "employer": name,
            },
        ),
        (
            "agent",
            ask.administrator,
            {
                "name": ask.administrator_name,
                "email": ask.email,
                "role": "administrator",
                "site": "main",
                "clients": [ANY],
            },
        ),
    ]
    checked = [(kind, ident, parsed(kind, value)) for kind, ident, value in values]
    yield OrganisationFounded(organisation=ask.organisation, name=name)
    for kind, ident, value in checked:
        yield _changed(ask.organisation, kind, ident, 1, value)


@command("set_config", permission=ADMINISTER, scope=lambda part, ask: Scope())
def set_config(part: Accounts, ask: SetConfig, now: Now) -> Generator[Fact, None, Answer]:
    """Answers {version}. Refused: unknown kind, value that does not fit, unknown or inactive references, a stale
    version, an e-mail that a colleague has, the last administrator taken away, something in use taken out, an
    address that leads to another entry point, a number that another organisation has."""
    org = now.org
    if len(msgspec.json.encode(ask.value)) > MAX_VALUE:
        raise invalid("value", "config.too_large", "the value is too large", limit=MAX_VALUE)
    value = parsed(ask.kind, ask.value)
    item = part.directory.item(org, ask.kind, ask.id)
    version = item.version if item is not None else 0
    if version != ask.expected_version:
        raise Refused(
            "conflict",
            "config.stale",
            f"somebody changed it meanwhile; look at version {version}",
            limit=version,
        )
    if (ask.kind == ORGANISATION) != (ask.id == ORGANISATION):
        raise invalid(
            "id", "config.id", "an organisation's own settings have the id 'organisation', nothing else has"
        )
    value = _fitting(part, org, ask.id, value, item.value if item is not None else None)
    yield _changed(org, ask.kind, ask.id, version + 1, value)
    return {"version": version + 1}


def parsed(kind: str, value: dict[str, Any]) -> Settings:
    """The value as its kind's model. Raises Refused, which names the field."""
    model = KINDS.get(kind)
    if model is None:
        raise invalid("kind", "config.unknown_kind", f"there is no kind {kind[:40]!r} of configuration")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"])) or "value"
        raise invalid(field, "config.invalid", first["msg"]) from error


def _changed(org: str, kind: str, ident: str, version: int, value: Settings) -> ConfigChanged:
    return ConfigChanged(
        organisation=org, kind=kind, id=ident, version=version, value=value.model_dump(mode="json")
    )


def _fitting(part: Accounts, org: str, ident: str, value: Settings, old: Settings | None) -> Settings:
    """The value as it is kept, once it fits with everything around it. Raises Refused."""
    _check_references(part, org, value)
    if not value.active:
        _check_unused(part, org, ident, type(value))
    if isinstance(value, OrganisationSettings) and not value.active:
        raise invalid("active", "organisation.active", "an organisation cannot be taken out of use here")
    if isinstance(value, Agent):
        _check_agent(part, org, ident, value)
    if (
        isinstance(value, Queue | EntryPoint)
        and isinstance(old, Queue | EntryPoint)
        and old.client != value.client
    ):
        raise invalid(
            "client", "config.client_fixed", "the client cannot change; make a new one for the other client"
        )
    if (
        isinstance(value, Queue)
        and part.rules.policies is not None
        and value.policy not in part.rules.policies
    ):
        known = ", ".join(sorted(part.rules.policies))
        raise invalid(
            "policy", "config.unknown_policy", f"there is no such routing policy; known are {known}"
        )
    if isinstance(value, EntryPoint):
        value = _checked_entry_point(part, org, value)
        _check_addresses(part, org, ident, value)
    if isinstance(value, Number):
        _check_number(part, org, value)
    return value


def _check_references(part: Accounts, org: str, value: Settings) -> None:
    for field, kind, ident in references(value):
        other = part.directory.get(org, kind, ident)
        if other is None:
            raise invalid(field, "config.unknown_reference", f"there is no {kind} {ident[:64]!r}")
        if value.active and not other.active:
            raise invalid(field, "config.inactive_reference", f"the {kind} {ident[:64]!r} is out of use")


def _check_unused(part: Accounts, org: str, ident: str, model: type[Settings]) -> None:
    for other_org, kind, other_ident, item in part.directory:
        if other_org == org and item.value.active:
            for _, to, target in references(item.value):
                if target == ident and KINDS[to] is model:
                    raise invalid("active", "config.in_use", f"the {kind} {other_ident!r} still needs it")


def _check_agent(part: Accounts, org: str, ident: str, value: Agent) -> None:
    agents = part.directory.of(org, Agent)
    if value.active and any(
        other != ident and agent.active and folded(agent.email) == folded(value.email)
        for other, agent in agents.items()
    ):
        raise invalid("email", "agent.email_taken", "a colleague signs in with this address")
    administrators = {i for i, a in agents.items() if a.active and a.role == "administrator"}
    if administrators == {ident} and not (value.active and value.role == "administrator"):
        field = "role" if value.active else "active"
        raise Refused(
            "conflict", "agent.last_administrator", "make somebody else administrator first", field=field
        )


def _checked_entry_point(part: Accounts, org: str, value: EntryPoint) -> EntryPoint:
    queue = part.directory.find(org, Queue, value.queue)
    if queue is not None and queue.client != value.client:
        raise invalid("queue", "config.other_client", "this queue serves another client")
    if part.rules.channel_settings is None:
        return value
    settings = part.rules.channel_settings(value.channel, value.settings)
    return value.model_copy(update={"settings": settings})


def _check_addresses(part: Accounts, org: str, ident: str, value: EntryPoint) -> None:
    """A second entry point at the same address, whosever, would take the first one's contacts."""
    addresses = part.rules.addresses
    if addresses is None or not value.active:
        return
    mine = addresses(value.channel, ident, value.settings)
    for other_org, other, door in part.directory.all("entry_point"):
        if (other_org, other) == (org, ident) or not isinstance(door, EntryPoint):
            continue
        if not door.active or door.channel != value.channel:
            continue
        if taken := mine & addresses(door.channel, other, door.settings):
            remedy = f"{min(taken)} leads to another entry point already; choose another"
            field = "id" if ident in taken else "settings"
            raise Refused("conflict", "entry_point.taken", remedy, field=field)


def _check_number(part: Accounts, org: str, value: Number) -> None:
    """Where organisations share a carrier, calls go to who has the number: it is one organisation's only."""
    for other_org, _, other in part.directory.all("number"):
        if other_org == org or not isinstance(other, Number) or not (value.active and other.active):
            continue
        if other.number == value.number:
            remedy = "this number is in use elsewhere; check it"
            raise Refused("conflict", "number.taken", remedy, field="number")
