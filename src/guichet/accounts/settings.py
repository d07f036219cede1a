"""The kinds of configuration, as models. Administration forms are generated from their JSON schema.

A value is stored by `set_config(kind, id, value, expected_version)` as the fact `config.changed`.
`title` and `description` are message keys' English text; the desk translates them by kind and field.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(min_length=1, max_length=80, strip_whitespace=True)]
Ref = Annotated[str, StringConstraints(min_length=1, max_length=64)]
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
    mark: Annotated[str, StringConstraints(min_length=1, max_length=3)] = "?"


class Site(Settings):
    """A place of work."""

    name: Name
    country: Country
    zone: Name
    time_zone: Name
    employer: Name


class Team(Settings):
    name: Name


class Skill(Settings):
    name: Name


class SkillLevel(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    skill: Ref
    level: Level = 1


class Agent(Settings):
    """A person who signs in. `clients` lists the clearances ("*": all); `capacity` is the shared budget."""

    name: Name
    email: Annotated[str, StringConstraints(min_length=3, max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")]
    role: Role = "agent"
    site: Ref
    team: Ref | None = None
    languages: Annotated[list[Language], Field(max_length=20)] = []
    skills: Annotated[list[SkillLevel], Field(max_length=100)] = []
    clients: Annotated[list[Ref], Field(max_length=200)] = []
    queues: Annotated[list[Ref], Field(max_length=200)] = ["*"]
    capacity: Annotated[int, Field(ge=1, le=100)] = 6


class Slot(BaseModel):
    """Open from `start` to `end` ("HH:MM", end exclusive, "24:00" allowed) on `day` (1 Monday to 7 Sunday)."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    day: Annotated[int, Field(ge=1, le=7)]
    start: Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
    end: Annotated[str, StringConstraints(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$")]


class Hours(Settings):
    """Opening hours; a queue names one, without it is always open."""

    name: Name
    time_zone: Name
    slots: Annotated[list[Slot], Field(max_length=50)] = []
    closed_days: Annotated[list[Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\d$")]], Field(max_length=400)] = []


class Queue(Settings):
    """Where tasks wait. `cost` is what one task of it takes from an agent's capacity."""

    name: Name
    client: Ref
    skills: Annotated[list[SkillLevel], Field(max_length=20)] = []
    language: Language | None = None
    priority: Annotated[int, Field(ge=0, le=10)] = 0
    cost: Annotated[int, Field(ge=1, le=100)] = 2
    interruptible: bool = False
    policy: Ref = "longest_idle"
    hours: Ref | None = None
    answer_within_seconds: Annotated[int, Field(ge=1, le=2_592_000)] = 60
    wrapup_seconds: Annotated[int, Field(ge=0, le=3600)] | None = None


class EntryPoint(Settings):
    """One configured door. `settings` are the channel's own and are checked against its model."""

    name: Name
    client: Ref
    channel: Ref
    queue: Ref
    language: Language = "fr"
    settings: dict[str, Any] = {}


class Reason(Settings):
    """Why an agent is not available, beside the built-in presences."""

    name: Name
    presence: Literal["break", "training", "meeting", "back_office"] = "break"


class Disposition(Settings):
    """The result code of a wrap-up; `client` None: for all."""

    name: Name
    client: Ref | None = None


class CannedReply(Settings):
    """Text by shortcut; placeholders {customer}, {agent}, {client}."""

    shortcut: Annotated[str, StringConstraints(min_length=1, max_length=30, pattern=r"^[\w-]+$")]
    text: Annotated[str, StringConstraints(min_length=1, max_length=4_000)]
    client: Ref | None = None
    language: Language = "fr"


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
    "canned_reply": CannedReply,
}
