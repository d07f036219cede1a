"""Secrets that settings name: an administrator enters one, and nobody is ever shown it again. It is removed once no
value names it any more, retired ones included; an older value that is restored then names one that is not there.

Where it lies, `vault` says; what uses there are, the settings' own schemas (`settings.Secret`).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, ConfigDict, StringConstraints

from guichet.accounts import vault
from guichet.accounts.access import Access
from guichet.accounts.door import Door
from guichet.accounts.permissions import ADMINISTER
from guichet.kit.errors import Refused
from guichet.store.port import Secrets

Use = Annotated[str, Path(max_length=40)]
SecretId = Annotated[str, Path(pattern=r"^[A-Za-z0-9._-]{1,64}$")]


class SecretBody(BaseModel):
    """What to keep."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    secret: Annotated[str, StringConstraints(min_length=1, max_length=4_096)]


def uses_in(schema: object) -> Iterator[str]:
    """What the secrets that a JSON schema's fields name are for."""
    if isinstance(schema, dict):
        if isinstance(use := schema.get("secret"), str):
            yield use
        for part in schema.values():
            yield from uses_in(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from uses_in(part)


def named(schema: dict[str, Any], value: object, root: dict[str, Any] | None = None) -> Iterator[str]:
    """The places in the vault of the secrets that a value of this JSON schema names."""
    root = schema if root is None else root
    if "$ref" in schema:
        yield from named(root["$defs"][schema["$ref"].rpartition("/")[2]], value, root)
    for part in schema.get("anyOf", ()):
        yield from named(part, value, root)
    if isinstance(value, dict):
        for field, part in schema.get("properties", {}).items():
            yield from named(part, value.get(field), root)
    elif isinstance(value, list):
        for each in value:
            yield from named(schema.get("items", {}), each, root)
    elif isinstance(value, str) and value and "secret" in schema:
        yield vault.place(schema["secret"], value)


def routes(
    api: APIRouter,
    door: Door,
    secrets: Secrets,
    uses: frozenset[str],
    kept: Callable[[str], None],
    named_by: Callable[[str], Container[str]],
) -> None:
    """Adds the routes of secrets. `kept` is told for what use there is a new one; `named_by` tells the places that an
    organisation's configuration names."""

    def place(access: Access, use: str, name: str) -> str:
        access.need(ADMINISTER)
        if use not in uses:
            raise Refused("not_found", "not_found", "no settings name a secret for this")
        return vault.place(use, name)

    @api.put("/secrets/{use}/{name}", status_code=204)
    async def keep(
        use: Use, name: SecretId, body: SecretBody, access: Access = Depends(door.signed_in)
    ) -> Response:
        """Keeps it for one's own organisation, in the place of an older one of this name."""
        await secrets.put(access.org, place(access, use, name), body.secret.encode())
        kept(use)
        return Response(status_code=204)

    @api.get("/secrets/{use}/{name}")
    async def known(use: Use, name: SecretId, access: Access = Depends(door.signed_in)) -> dict[str, bool]:
        """Whether there is one; what it is, nobody learns."""
        return {"known": await secrets.get(access.org, place(access, use, name)) is not None}

    @api.delete("/secrets/{use}/{name}", status_code=204)
    async def remove(use: Use, name: SecretId, access: Access = Depends(door.signed_in)) -> Response:
        """Forgets it for good, unless a value still names it."""
        where = place(access, use, name)
        if where in named_by(access.org):
            raise Refused(
                "conflict", "secret.in_use", "settings still name this secret: take it out there first"
            )
        await secrets.delete(access.org, where)
        return Response(status_code=204)
