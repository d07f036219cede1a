"""The kinds of configuration, as models. Administration forms are generated from their JSON schema.

A value is stored by `set_config(kind, id, value, expected_version)` as the fact `config.changed`.
`title` and `description` are message keys' English text; the desk translates them by kind and field.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import typing
import zoneinfo
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal

import phonenumbers
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class To:
    """Marks a reference: the field holds an id of that kind. Its JSON schema says `"ref": kind`."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(schema), "ref": self.kind}


class Secret:
    """Marks the name of a secret in the vault, and what it is for. Its JSON schema says `"secret": use`."""

    def __init__(self, use: str) -> None:
        self.use = use

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(schema), "secret": self.use}


def _time_zone(name: str) -> str:
    try:
        zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError) as error:
        raise ValueError("no such time zone; write one like Europe/Paris") from error
    return name


def _date(text: str) -> str:
    dt.date.fromisoformat(text)
    return text


def _cidr(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise ValueError("write addresses like 203.0.113.0/24; bits after the prefix must be 0") from error


def _e164(text: str) -> str:
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException as error:
        raise ValueError("write the number with + and its country code, like +33 1 99 00 12 34") from error
    if not phonenumbers.is_possible_number(number):
        raise ValueError("no number of that country has this length")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


ANY = "*"
"""In a list of references: all of that kind."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=80, strip_whitespace=True)]
Ref = Annotated[str, StringConstraints(min_length=1, max_length=64)]
ClientRef = Annotated[Ref, To("client")]
SiteRef = Annotated[Ref, To("site")]
TeamRef = Annotated[Ref, To("team")]
SkillRef = Annotated[Ref, To("skill")]
HoursRef = Annotated[Ref, To("hours")]
QueueRef = Annotated[Ref, To("queue")]
TrunkRef = Annotated[Ref, To("trunk")]
Cidr = Annotated[str, StringConstraints(max_length=64), AfterValidator(_cidr)]
E164 = Annotated[str, StringConstraints(max_length=40), AfterValidator(_e164)]
TrunkSecret = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{0,64}$"), Secret("trunk")]
SipName = Annotated[str, StringConstraints(pattern=r"^[ !#-;=?-\[\]-~]{0,100}$")]
Prefix = Annotated[str, StringConstraints(pattern=r"^\+\d{1,14}$")]
TimeZone = Annotated[str, StringConstraints(min_length=1, max_length=80), AfterValidator(_time_zone)]
Day = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\d$"), AfterValidator(_date)]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
Level = Annotated[int, Field(ge=1, le=5)]
Role = Literal["agent", "leader", "administrator"]


class Settings(BaseModel):
    """Base of every kind. Unknown fields are an error, so that a typo is never silent."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    active: bool = True


class OrganisationSettings(Settings):
    """One per organisation, id "organisation"."""

    name: Name
    default_language: Literal["fr", "en"] = "fr"
    offer_seconds: Annotated[int, Field(ge=5, le=300)] = 20
    wrapup_seconds: Annotated[int, Field(ge=0, le=3600)] = 60
    vanish_seconds: Annotated[int, Field(ge=5, le=600)] = 30
    known_agent_seconds: Annotated[int, Field(ge=0, le=600)] = 30
    missed_limit: Annotated[int, Field(ge=1, le=10)] = 2


class Client(Settings):
    """An ordering company: the wall between data."""

    name: Name
    colour: Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")] = "#1f5f8b"
    mark: Annotated[str, StringConstraints(max_length=3)] = ""

    @model_validator(mode="before")
    @classmethod
    def _initials(cls, value: Any) -> Any:  # noqa: ANN401 (whatever was sent)
        """Without letters of its own it is marked by its name's initials."""
        if isinstance(value, dict) and value.get("mark", "") == "" and isinstance(value.get("name"), str):
            letters = "".join(word[0] for word in value["name"].split())
            return {**value, "mark": letters[:3].upper()}
        return value


class Site(Settings):
    """A place of work."""

    name: Name
    country: Country
    zone: Name
    time_zone: TimeZone
    employer: Name


class Team(Settings):
    """People who work together."""

    name: Name


class Skill(Settings):
    """Something that a task may ask of an agent."""

    name: Name


class SkillLevel(BaseModel):
    """A skill that an agent has, or at least must have."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    skill: SkillRef
    level: Level = 1


class Agent(Settings):
    """A person who signs in. `clients` lists the clearances ("*": all); `capacity` is the shared budget."""

    name: Name
    email: Annotated[str, StringConstraints(min_length=3, max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")]
    role: Role = "agent"
    site: SiteRef
    team: TeamRef | None = None
    languages: Annotated[list[Language], Field(max_length=20)] = []
    skills: Annotated[list[SkillLevel], Field(max_length=100)] = []
    clients: Annotated[list[ClientRef], Field(max_length=200)] = []
    queues: Annotated[list[QueueRef], Field(max_length=200)] = ["*"]
    capacity: Annotated[int, Field(ge=1, le=100)] = 6


class Slot(BaseModel):
    """Open from `start` to `end` ("HH:MM", end exclusive, "24:00" allowed) on `day` (1 Monday to 7 Sunday)."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    day: Annotated[int, Field(ge=1, le=7)]
    start: Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
    end: Annotated[str, StringConstraints(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$")]

    @model_validator(mode="after")
    def _in_order(self) -> Slot:
        if self.start >= self.end:
            raise ValueError("the end must be after the start; write two slots to pass midnight")
        return self


class Hours(Settings):
    """Opening hours; a queue names one, without it is always open."""

    name: Name
    time_zone: TimeZone
    slots: Annotated[list[Slot], Field(max_length=50)] = []
    closed_days: Annotated[list[Day], Field(max_length=400)] = []


class Queue(Settings):
    """Where tasks wait. `cost` is what one task of it takes from an agent's capacity."""

    name: Name
    client: ClientRef
    skills: Annotated[list[SkillLevel], Field(max_length=20)] = []
    language: Language | None = None
    priority: Annotated[int, Field(ge=0, le=10)] = 0
    cost: Annotated[int, Field(ge=1, le=100)] = 2
    interruptible: bool = False
    policy: Ref = "longest_idle"
    hours: HoursRef | None = None
    answer_within_seconds: Annotated[int, Field(ge=1, le=2_592_000)] = 60
    wrapup_seconds: Annotated[int, Field(ge=0, le=3600)] | None = None


class EntryPoint(Settings):
    """One configured door. `settings` are the channel's own and are checked against its model."""

    name: Name
    client: ClientRef
    channel: Ref
    queue: QueueRef
    language: Language = "fr"
    settings: dict[str, Any] = {}


class Reason(Settings):
    """Why an agent is not available, beside the built-in presences."""

    name: Name
    presence: Literal["break", "training", "meeting", "back_office"] = "break"


class Disposition(Settings):
    """The result code of a wrap-up; `client` None: for all."""

    name: Name
    client: ClientRef | None = None


class Tag(Settings):
    """A word for conversations of a kind, chosen from the list, so that nobody writes a name there; `client` None:
    for all."""

    name: Name
    client: ClientRef | None = None


class CannedReply(Settings):
    """Text by shortcut; placeholders {customer}, {agent}, {client}."""

    shortcut: Annotated[str, StringConstraints(min_length=1, max_length=30, pattern=r"^[\w-]+$")]
    text: Annotated[str, StringConstraints(min_length=1, max_length=4_000)]
    client: ClientRef | None = None
    language: Language = "fr"


class Price(BaseModel):
    """What a minute to numbers that begin so costs, in the carrier's currency; the longest prefix counts."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    prefix: Prefix
    per_minute: Annotated[float, Field(ge=0, le=1_000)]


class Trunk(Settings):
    """A carrier, or a telephone system of the house. `secret` and `in_secret` name the vault's passwords: ours when it
    challenges us, its own when we challenge it. Calls come only from `allow` and go
    only to `countries`: empty, none do. `call_again`: whoever a failure of ours cut off is called back."""

    name: Name
    peer: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.\-\[\]:]+:\d{1,5}$", max_length=256)]
    transport: Literal["udp", "tcp", "tls"] = "udp"
    encrypted: bool = False
    allow: Annotated[list[Cidr], Field(max_length=64)] = []
    domain: Annotated[
        str, StringConstraints(pattern=r"^([A-Za-z0-9]([A-Za-z0-9.:-]{0,198}[A-Za-z0-9])?)?$")
    ] = ""
    username: SipName = ""
    secret: TrunkSecret = ""
    register_with_it: bool = False
    in_username: SipName = ""
    in_secret: TrunkSecret = ""
    codecs: Annotated[list[Literal["G722", "PCMA", "PCMU"]], Field(min_length=1, max_length=3)] = [
        "G722",
        "PCMA",
        "PCMU",
    ]
    session_seconds: Annotated[int, Field(ge=0, le=7_200)] = 1_800
    """0: no timer is asked for, and a call whose end was lost lasts until somebody hangs up."""
    options_seconds: Annotated[int, Field(ge=0, le=3_600)] = 60
    max_calls: Annotated[int, Field(ge=1, le=10_000)] = 30
    max_calls_per_second: Annotated[float, Field(gt=0, le=1_000)] = 5.0
    countries: Annotated[list[Prefix], Field(max_length=250)] = []
    spend_per_day: Annotated[float, Field(ge=0, le=1_000_000)] = 0.0
    prices: Annotated[list[Price], Field(max_length=500)] = []
    call_again: bool = True

    @model_validator(mode="after")
    def _consistent(self) -> Trunk:
        if self.encrypted and self.transport != "tls":
            raise ValueError("encrypted calls need the transport tls: their keys travel in its messages")
        if not 0 < int(self.peer.rpartition(":")[2]) < 65_536:
            raise ValueError("the peer's port is 1 to 65535")
        if self.register_with_it and not self.username:
            raise ValueError("a registration needs a username")
        if bool(self.in_username) != bool(self.in_secret):
            raise ValueError("in_username and in_secret go together")
        if len(set(self.codecs)) < len(self.codecs):
            raise ValueError("name each codec once")
        if 0 < self.session_seconds < 90 or 0 < self.options_seconds < 5:
            raise ValueError("session_seconds is 0 or at least 90, options_seconds 0 or at least 5")
        if self.spend_per_day and not self.prices:
            raise ValueError("a limit of spend needs prices")
        return self


class Number(Settings):
    """A telephone number of ours, in the international form."""

    name: Name
    number: E164
    trunk: TrunkRef


KINDS: dict[str, type[Settings]] = {
    "organisation": OrganisationSettings,
    "client": Client,
    "site": Site,
    "team": Team,
    "skill": Skill,
    "agent": Agent,
    "hours": Hours,
    "queue": Queue,
    "entry_point": EntryPoint,
    "reason": Reason,
    "disposition": Disposition,
    "tag": Tag,
    "canned_reply": CannedReply,
    "trunk": Trunk,
    "number": Number,
}


def references(value: BaseModel) -> Iterator[tuple[str, str, str]]:
    """Every id of something else in a value, as (field, kind, id); `ANY` is left out."""
    for field, hint in typing.get_type_hints(type(value), include_extras=True).items():
        if field in type(value).model_fields:
            for kind, ident in _references(hint, getattr(value, field)):
                yield field, kind, ident


def _references(hint: object, value: object) -> Iterator[tuple[str, str]]:
    if value is None or value == ANY:
        return
    if isinstance(value, BaseModel):
        for _, kind, ident in references(value):
            yield kind, ident
    elif typing.get_origin(hint) is Annotated:
        for mark in hint.__metadata__:  # type: ignore[attr-defined]
            if isinstance(mark, To):
                yield mark.kind, str(value)
        yield from _references(typing.get_args(hint)[0], value)
    elif typing.get_origin(hint) in (UnionType, typing.Union):
        for arg in typing.get_args(hint):
            yield from _references(arg, value)
    elif isinstance(value, list):
        (inner,) = typing.get_args(hint)
        for item in value:
            yield from _references(inner, item)
