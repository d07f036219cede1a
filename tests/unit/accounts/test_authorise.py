"""Who may do what: each refusal beside the same request by somebody who may."""

from __future__ import annotations

import pytest

from guichet.accounts.access import Access
from guichet.accounts.authorise import authorise
from guichet.accounts.permissions import (
    ADMINISTER,
    BY_ROLE,
    ERASE,
    LEAD,
    OF_SYSTEM,
    SPEAK_AS_CUSTOMER,
    SYSTEM,
    WORK,
)
from guichet.kit.errors import Refused
from guichet.leader.registry import COMMANDS, Actor, Scope
from tests.support.harness import Harness, furnished

pytestmark = pytest.mark.unit

PERMISSIONS = (SPEAK_AS_CUSTOMER, WORK, LEAD, ADMINISTER, ERASE, SYSTEM)


@pytest.fixture(scope="module")
def house() -> Harness:
    return furnished()


def code(house: Harness, actor: Actor, permission: str, scope: Scope) -> str:
    """The refusal's code, or "" when it may be."""
    spec = next(iter(COMMANDS.values()))
    spec = type(spec)(spec.name, permission, spec.part, spec.payload, spec.scope, spec.handle)
    try:
        authorise(house.state, actor, spec, scope)
    except Refused as refused:
        return refused.code
    return ""


@pytest.mark.parametrize("permission", PERMISSIONS)
@pytest.mark.parametrize(("agent", "role"), [("paul", "agent"), ("lea", "leader"), ("ada", "administrator")])
def test_a_role_holds_its_permissions_and_no_others(
    house: Harness, agent: str, role: str, permission: str
) -> None:
    expected = "" if permission in BY_ROLE[role] else "permission.missing"  # type: ignore[index]
    assert code(house, house.agent(agent), permission, Scope(client="shop")) == expected


@pytest.mark.parametrize("permission", PERMISSIONS)
def test_the_system_does_no_agents_work(house: Harness, permission: str) -> None:
    expected = "" if permission in OF_SYSTEM else "permission.missing"
    assert code(house, house.system(), permission, Scope(client="shop")) == expected


@pytest.mark.parametrize("permission", PERMISSIONS)
def test_a_visitor_speaks_for_themself_only(house: Harness, permission: str) -> None:
    own, others = Scope(client="shop", customer="ines"), Scope(client="shop", customer="omar")
    ines = house.visitor("ines")
    speaks = permission == SPEAK_AS_CUSTOMER
    assert code(house, ines, permission, own) == ("" if speaks else "permission.missing")
    assert code(house, ines, permission, others) == ("not_found" if speaks else "permission.missing")
    assert code(house, ines, permission, Scope()) == ("not_found" if speaks else "permission.missing")


def test_clearance_is_a_wall_for_every_role(house: Harness) -> None:
    for agent in ("paul", "lea"):
        assert code(house, house.agent(agent), WORK, Scope(client="shop")) == ""
        assert code(house, house.agent(agent), WORK, Scope(client="bank")) == "client.not_cleared"
    assert code(house, house.agent("ada"), WORK, Scope(client="bank")) == ""


def test_what_touches_a_colleague_takes_a_leader(house: Harness) -> None:
    assert code(house, house.agent("paul"), WORK, Scope(agent="paul")) == ""
    assert code(house, house.agent("paul"), WORK, Scope(agent="eva")) == "permission.missing"
    assert code(house, house.agent("lea"), WORK, Scope(agent="eva")) == ""


def test_unknown_and_foreign_agents_are_signed_out(house: Harness) -> None:
    for actor in (house.agent("nobody"), house.agent("paul", "other"), house.agent("paul", "nowhere")):
        assert code(house, actor, WORK, Scope()) == "agent.unknown"


def test_access_says_the_same_for_reads() -> None:
    access = Access("org", "paul", "Paul", "agent", ("shop",))
    assert access.may(WORK)
    assert access.cleared("shop")
    assert not access.cleared("bank")
    with pytest.raises(Refused):
        access.need(LEAD)
