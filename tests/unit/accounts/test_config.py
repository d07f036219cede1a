"""Configuration: what is kept fits together, whoever asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from guichet.accounts.part import Accounts, Rules
from guichet.accounts.settings import KINDS, Agent, SkillLevel, references
from guichet.conversations.part import Conversations
from guichet.customers.part import Customers
from guichet.kit.errors import Refused, invalid
from guichet.leader.state import State
from tests.support.harness import Harness, config, furnished, names

pytestmark = pytest.mark.unit


def channel_settings(channel: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Two channels, one of which has a setting."""
    if channel not in ("talk", "letter"):
        raise invalid("channel", "channel.unknown", "no such channel")
    return {"colour": "blue"} | settings if channel == "talk" else settings


def ruled_state() -> State:
    accounts = Accounts(Rules(policies={"longest_idle"}, channel_settings=channel_settings))
    customers = Customers(accounts)
    return State([accounts, customers, Conversations(accounts, customers)])


@pytest.fixture
def house() -> Iterator[Harness]:
    house = furnished(ruled_state)
    yield house
    house.check_replay()


def refused(house: Harness, kind: str, ident: str, version: int = 0, /, **value: object) -> Refused:
    """The refusal, which left the log as it was."""
    before = len(house.log)
    with pytest.raises(Refused) as error:
        config(house, "org", kind, ident, version, **value)
    assert len(house.log) == before
    return error.value


AGENT = {"name": "Zoé", "email": "zoe@org.example", "site": "main", "clients": ["shop"]}
SITE = {"name": "S", "country": "FR", "zone": "EU", "employer": "E"}
HOURS = {"name": "H", "time_zone": "Europe/Paris"}
QUEUE = {"name": "Q", "client": "shop"}
DOOR = {"name": "D", "client": "shop", "channel": "talk", "queue": "shop"}


def test_a_value_is_kept_whole_with_its_version(house: Harness) -> None:
    assert names(config(house, "org", "agent", "zoe", **AGENT)) == ["config.changed"]
    assert house.answer == {"version": 1}
    config(house, "org", "agent", "zoe", 1, **AGENT, capacity=8)
    row = house.row("config", organisation="org", kind="agent", id="zoe")
    assert (row["version"], row["changed_by"]) == (2, "system:test")
    part = house.state.part(Accounts)
    agent = part.agent("org", "zoe")
    assert agent is not None
    assert agent.capacity == 8
    assert part.agent("other", "zoe") != agent


def test_who_saw_an_older_version_is_told(house: Harness) -> None:
    config(house, "org", "agent", "zoe", **AGENT)
    for version in (0, 2):
        assert refused(house, "agent", "zoe", version, **AGENT).code == "config.stale"


@pytest.mark.parametrize(
    ("kind", "value", "field", "code"),
    [
        ("nothing", {}, "kind", "config.unknown_kind"),
        ("agent", AGENT | {"emial": "x"}, "emial", "config.invalid"),
        ("agent", AGENT | {"capacity": "6"}, "capacity", "config.invalid"),
        ("agent", AGENT | {"skills": [{"skill": "fr", "level": 6}]}, "skills.0.level", "config.invalid"),
        ("agent", AGENT | {"site": "moon"}, "site", "config.unknown_reference"),
        ("agent", AGENT | {"clients": ["moon"]}, "clients", "config.unknown_reference"),
        ("agent", AGENT | {"skills": [{"skill": "moon", "level": 1}]}, "skills", "config.unknown_reference"),
        ("agent", AGENT | {"email": "PAUL@org.example"}, "email", "agent.email_taken"),
        ("queue", QUEUE | {"client": "moon"}, "client", "config.unknown_reference"),
        ("queue", QUEUE | {"hours": "moon"}, "hours", "config.unknown_reference"),
        ("queue", QUEUE | {"policy": "dice"}, "policy", "config.unknown_policy"),
        ("entry_point", DOOR | {"queue": "bank"}, "queue", "config.other_client"),
        ("entry_point", DOOR | {"channel": "pigeon"}, "channel", "channel.unknown"),
        ("site", SITE | {"time_zone": "Paris"}, "time_zone", "config.invalid"),
        ("site", SITE | {"time_zone": "../../etc/passwd"}, "time_zone", "config.invalid"),
        ("hours", HOURS | {"closed_days": ["2026-02-30"]}, "closed_days.0", "config.invalid"),
        ("hours", HOURS | {"slots": [{"day": 1, "start": "18:00", "end": "08:00"}]}, "slots.0", "config.invalid"),
        ("organisation", {"name": "O"}, "id", "config.id"),
        ("team", {"name": "x" * 81}, "name", "config.invalid"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(
    house: Harness, kind: str, value: dict[str, object], field: str, code: str
) -> None:
    error = refused(house, kind, "new", **value)
    assert (error.field, error.code) == (field, code)


def test_a_value_has_a_size(house: Harness) -> None:
    error = refused(house, "entry_point", "new", **DOOR, settings={"x": "y" * 70_000})
    assert (error.field, error.code, error.limit) == ("value", "config.too_large", 65_536)


def test_a_channel_completes_its_settings(house: Harness) -> None:
    config(house, "org", "entry_point", "new", **DOOR)
    entry = house.state.part(Accounts).entry_point("org", "new")
    assert entry is not None
    assert entry.settings == {"colour": "blue"}


def test_what_is_in_use_is_not_taken_out_of_use(house: Harness) -> None:
    assert (
        refused(house, "queue", "shop", 1, name="Shop", client="shop", active=False).code == "config.in_use"
    )
    for door in ("shop-talk", "shop-letter"):
        channel = door.removeprefix("shop-")
        config(house, "org", "entry_point", door, 1, **DOOR | {"channel": channel}, active=False)
    config(house, "org", "queue", "shop", 1, name="Shop", client="shop", active=False)
    error = refused(house, "entry_point", "shop-talk", 2, **DOOR)
    assert (error.field, error.code) == ("queue", "config.inactive_reference")


def test_a_queue_stays_with_its_client(house: Harness) -> None:
    assert refused(house, "queue", "shop", 1, name="Shop", client="bank").code == "config.client_fixed"


def test_the_last_administrator_stays(house: Harness) -> None:
    ada = {"name": "Ada", "email": "ada@org.example", "site": "main", "clients": ["*"]}
    error = refused(house, "agent", "ada", 1, **ada, role="leader")
    assert (error.code, error.field) == ("agent.last_administrator", "role")
    assert refused(house, "agent", "ada", 1, **ada, role="administrator", active=False).field == "active"
    config(house, "org", "agent", "zoe", **AGENT, role="administrator")
    config(house, "org", "agent", "ada", 1, **ada, role="leader")
    assert refused(house, "agent", "zoe", 1, **AGENT).code == "agent.last_administrator"


def test_an_organisation_is_founded_once_and_stays_in_use(house: Harness) -> None:
    before = len(house.log)
    for first in (False, True):
        with pytest.raises(Refused) as error:
            house.do(
                house.system("third" if first else "org"), "found_organisation",
                organisation="third" if first else "org", name="X", administrator="a",
                administrator_name="A", email="a@x.example", first=first,
            )  # fmt: skip
        assert error.value.code == "organisation.exists"
    assert len(house.log) == before
    assert refused(house, "organisation", "organisation", 1, name="O", active=False).field == "active"


def test_nobody_takes_out_of_use_what_another_organisation_uses(house: Harness) -> None:
    """The same ids stand on both sides of the wall."""
    paul = house.state.part(Accounts).agent("org", "paul")
    assert paul is not None
    config(house, "other", "team", "blue", name="Blue")
    config(house, "org", "team", "blue", name="Blue")
    config(house, "org", "agent", "paul", 1, **paul.model_dump(mode="json") | {"team": "blue"})
    config(house, "other", "team", "blue", 1, name="Blue", active=False)
    assert refused(house, "team", "blue", 1, name="Blue", active=False).code == "config.in_use"


def test_a_restored_directory_is_the_same(house: Harness) -> None:
    part = house.state.part(Accounts)
    again = Accounts()
    again.restore(part.dump())
    assert again.dump() == part.dump()
    assert again.version == part.version
    assert again.directory.agents_with("PAUL@org.example") == [("org", "paul")]


def test_every_kind_has_a_form_that_says_what_it_refers_to() -> None:
    agent = Agent(
        name="A", email="a@b", site="s", skills=[SkillLevel(skill="k")], clients=["*", "c"], queues=["*"]
    )
    assert list(references(agent)) == [
        ("site", "site", "s"),
        ("skills", "skill", "k"),
        ("clients", "client", "c"),
    ]
    for model in KINDS.values():
        assert model.model_json_schema()["additionalProperties"] is False


TRUNK = {"name": "Carrier", "peer": "sip.example.net:5060", "allow": ["192.0.2.0/24"], "countries": ["+33"]}


@pytest.mark.parametrize(
    "wrong",
    [
        {"peer": "sip.example.net:0"},
        {"peer": "sip.example.net:70000"},
        {"domain": "not a host"},
        {"username": 'ab"12'},
        {"register_with_it": True},
        {"in_username": "pbx"},
        {"in_secret": "pbx"},
        {"codecs": ["PCMA", "PCMA"]},
        {"session_seconds": 60},
        {"options_seconds": 3},
        {"encrypted": True},
    ],
)
def test_a_trunk_that_the_media_server_could_not_have_is_not_kept(
    house: Harness, wrong: dict[str, object]
) -> None:
    config(house, "org", "trunk", "good", **TRUNK)
    assert refused(house, "trunk", "carrier", **{**TRUNK, **wrong}).kind == "invalid"


def test_a_number_is_one_organisations_only(house: Harness) -> None:
    number = {"name": "Line", "number": "+33199001234", "trunk": "good"}
    for org in ("org", "other"):
        config(house, org, "trunk", "good", **TRUNK)
    config(house, "other", "number", "theirs", **number)
    error = refused(house, "number", "mine", **number | {"number": "+33 1 99 00 12 34"})
    assert (error.kind, error.code, error.field) == ("conflict", "number.taken", "number")
    config(house, "org", "number", "mine", **number, active=False)
    assert refused(house, "number", "mine", 1, **number).code == "number.taken"
    config(house, "other", "number", "theirs", 1, **number, active=False)
    config(house, "org", "number", "mine", 1, **number)
    config(house, "org", "number", "again", **number)  # over another trunk, for instance
