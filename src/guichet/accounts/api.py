"""HTTP of accounts: sign-in, set-up, invitations, reading the configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, StringConstraints

from guichet.accounts import secrets
from guichet.accounts.access import Access
from guichet.accounts.commands import FoundOrganisation
from guichet.accounts.directory import Directory
from guichet.accounts.door import Door
from guichet.accounts.invitations import Invitations
from guichet.accounts.passwords import Passwords
from guichet.accounts.permissions import ADMINISTER
from guichet.accounts.settings import KINDS, Country, EntryPoint, Name, TimeZone
from guichet.accounts.setup import SetUp
from guichet.accounts.sign_in import SignIn
from guichet.events.accounts import ConfigChanged
from guichet.events.base import decode
from guichet.kit.errors import Refused, invalid
from guichet.kit.ids import new_id
from guichet.store.port import Reader, Secrets

Email = Annotated[str, StringConstraints(min_length=3, max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")]
Password = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
"""Its real bounds are those of `passwords`, which says why."""
Ident = Annotated[str, StringConstraints(min_length=1, max_length=64)]
HISTORY = 200


class Body(BaseModel):
    """Base of what is sent to us: no unknown field, no conversion."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class SignInBody(Body):
    """`organisation` when the address is known in several."""

    email: Annotated[str, StringConstraints(min_length=1, max_length=254)]
    password: Password
    organisation: Ident | None = None


class SetUpBody(Body):
    """The first organisation and its administrator."""

    organisation: Name
    name: Name
    email: Email
    password: Password
    language: Literal["fr", "en"] = "fr"
    country: Country = "FR"
    zone: Name = "EU"
    time_zone: TimeZone = "Europe/Paris"


class InvitationBody(Body):
    """Whom to invite."""

    agent: Ident


class PasswordBody(Body):
    """The chosen password."""

    password: Password


class NewPasswordBody(PasswordBody):
    """The same, with the one it replaces."""

    old: Password


class Me(BaseModel):
    """Who is signed in."""

    organisation: str
    organisation_name: str
    agent: str
    name: str
    role: str
    clients: list[str]


class Choice(BaseModel):
    """One of the organisations that somebody works for."""

    organisation: str
    name: str


class Choices(BaseModel):
    """The password is right in several organisations: ask again with one of them."""

    choose: list[Choice]


class Link(BaseModel):
    """`link` is a path; it works once, until `expires`."""

    link: str
    expires: int


class Value(BaseModel):
    """One value of the configuration."""

    id: str
    version: int
    value: dict[str, Any]


class Past(BaseModel):
    """One value that it had, when, and by whose hand."""

    version: int
    value: dict[str, Any]
    at: int
    by: str


class Kinds(BaseModel):
    """JSON schemas of every kind, of each channel's entry point settings, and the names of the policies."""

    kinds: dict[str, dict[str, Any]]
    channels: dict[str, dict[str, Any]]
    policies: list[str]


@dataclass(frozen=True, slots=True)
class Deps:
    """What these routes need. `signed_out` is told of each session that ended, to close its sockets;
    `signed_out_elsewhere` of all sessions of an agent (organisation, agent), but for one token; `secret_kept` of each
    use that has a new secret."""

    door: Door
    directory: Directory
    sign_in: SignIn
    invitations: Invitations
    set_up: SetUp
    passwords: Passwords
    secrets: Secrets
    secret_kept: Callable[[str], None]
    reader: Reader
    channel_schemas: dict[str, dict[str, Any]]
    policies: list[str]
    signed_out: Callable[[str], None]
    signed_out_elsewhere: Callable[[str, str, str], None]
    invitation_path: str = "/desk/invitation/"


def router(deps: Deps) -> APIRouter:
    """All routes of accounts."""
    api = APIRouter(prefix="/api", tags=["accounts"])
    _sign_in_routes(api, deps)
    _invitation_routes(api, deps)
    _config_routes(api, deps)
    return api


def _sign_in_routes(api: APIRouter, deps: Deps) -> None:
    door, directory = deps.door, deps.directory

    def me(access: Access) -> Me:
        organisation = directory.organisation(access.org)
        return Me(
            organisation=access.org,
            organisation_name=organisation.name,
            agent=access.agent,
            name=access.name,
            role=access.role,
            clients=list(access.clients),
        )

    @api.post("/sign-in")
    async def sign_in(body: SignInBody, request: Request, response: Response) -> Me | Choices:
        """Opens a session; with a right password in several organisations, asks which."""
        door.check_origin(request)
        address = request.client.host if request.client is not None else ""
        found = await deps.sign_in.check(body.email, body.password, body.organisation, address)
        if len(found) > 1:
            return Choices(
                choose=[Choice(organisation=a.org, name=directory.organisation(a.org).name) for a in found]
            )
        await door.open(response, request, found[0])
        return me(found[0])

    @api.post("/sign-out", status_code=204)
    async def sign_out(request: Request) -> Response:
        """Ends the session, if there is one."""
        door.check_origin(request)
        response = Response(status_code=204)
        token = await door.end(response, request)
        if token is not None:
            deps.signed_out(token)
        return response

    @api.post("/password", status_code=204)
    async def change_password(
        body: NewPasswordBody, request: Request, access: Access = Depends(door.signed_in)
    ) -> Response:
        """One's own; every other session of the agent ends."""
        address = request.client.host if request.client is not None else ""
        await deps.sign_in.confirm(access, body.old, address)
        await deps.passwords.set(access.org, access.agent, body.password)
        token = await door.end_others(request, access)
        deps.signed_out_elsewhere(access.org, access.agent, token)
        return Response(status_code=204)

    @api.get("/me")
    async def read_me(access: Access = Depends(door.signed_in)) -> Me:
        """Who is signed in."""
        return me(access)

    @api.get("/setup")
    async def read_setup() -> dict[str, bool]:
        """Whether this installation has no organisation yet."""
        return {"needed": deps.set_up.needed}

    @api.post("/setup", status_code=201)
    async def set_up(body: SetUpBody, request: Request, response: Response) -> dict[str, str]:
        """Founds the first organisation and signs its administrator in."""
        door.check_origin(request)
        ask = FoundOrganisation(
            organisation=new_id(),
            name=body.organisation,
            administrator=new_id(),
            administrator_name=body.name,
            email=body.email,
            language=body.language,
            country=body.country,
            zone=body.zone,
            time_zone=body.time_zone,
            first=True,
        )
        access = await deps.set_up.run(ask, body.password)
        await door.open(response, request, access)
        return {"organisation": access.org, "agent": access.agent}


def _invitation_routes(api: APIRouter, deps: Deps) -> None:
    door, invitations = deps.door, deps.invitations

    @api.post("/invitations", status_code=201)
    async def invite(body: InvitationBody, access: Access = Depends(door.signed_in)) -> Link:
        """A new link for an agent; older ones of theirs stop working."""
        token, expires = await invitations.create(access, body.agent)
        return Link(link=f"{deps.invitation_path}{token}", expires=expires)

    @api.get("/invitations/{token}")
    async def read_invitation(token: str) -> dict[str, str]:
        """Whom it is for."""
        access = await invitations.who(token)
        organisation = deps.directory.organisation(access.org)
        return {
            "name": access.name,
            "organisation": organisation.name,
            "language": organisation.default_language,
        }

    @api.post("/invitations/{token}")
    async def accept(token: str, body: PasswordBody, request: Request, response: Response) -> dict[str, str]:
        """Sets the password and signs in; every other session of the agent ends."""
        door.check_origin(request)
        access = await invitations.accept(token, body.password)
        await door.end_all(access.org, access.agent)
        deps.signed_out_elsewhere(access.org, access.agent, "")
        await door.open(response, request, access)
        return {"organisation": access.org, "agent": access.agent}


def _config_routes(api: APIRouter, deps: Deps) -> None:
    signed_in = deps.door.signed_in
    schemas = {kind: model.model_json_schema() for kind, model in KINDS.items()}
    uses = frozenset(secrets.uses_in([*schemas.values(), *deps.channel_schemas.values()]))
    naming = [kind for kind, schema in schemas.items() if any(secrets.uses_in(schema))]

    def named_by(org: str) -> set[str]:
        found: set[str] = set()
        for kind in naming:
            for item in deps.directory.items(org, kind).values():
                found.update(secrets.named(schemas[kind], item.value.model_dump(mode="json")))
        for entry in deps.directory.of(org, EntryPoint).values():
            found.update(secrets.named(deps.channel_schemas.get(entry.channel, {}), entry.settings))
        return found

    secrets.routes(api, deps.door, deps.secrets, uses, deps.secret_kept, named_by)

    @api.get("/config/kinds")
    async def kinds(access: Access = Depends(signed_in)) -> Kinds:
        """What there is to configure, as JSON schemas: the forms are made from them."""
        access.need(ADMINISTER)
        return Kinds(kinds=schemas, channels=deps.channel_schemas, policies=deps.policies)

    @api.get("/config/{kind}")
    async def values(kind: str, access: Access = Depends(signed_in)) -> list[Value]:
        """All values of a kind, active or not."""
        _check(access, kind)
        return [
            Value(id=ident, version=item.version, value=item.value.model_dump(mode="json"))
            for ident, item in deps.directory.items(access.org, kind).items()
        ]

    @api.get("/config/{kind}/{ident}/history")
    async def history(kind: str, ident: str, access: Access = Depends(signed_in)) -> list[Past]:
        """What it was, newest first, at most the last 200 changes."""
        _check(access, kind)
        if deps.directory.item(access.org, kind, ident) is None:
            raise Refused("not_found", "not_found", "there is nothing with this id")
        stream = f"config/{access.org}.{kind}.{ident}"
        past: list[Past] = []
        for entry in (await deps.reader.streams([stream]))[stream]:
            fact = decode(entry.type, entry.type_version, entry.data)
            if isinstance(fact, ConfigChanged):
                past.append(Past(version=fact.version, value=fact.value, at=entry.t, by=entry.actor))
        return past[: -HISTORY - 1 : -1]


def _check(access: Access, kind: str) -> None:
    access.need(ADMINISTER)
    if kind not in KINDS:
        raise invalid("kind", "config.unknown_kind", f"there is no kind {kind[:40]!r} of configuration")
