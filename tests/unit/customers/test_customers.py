"""Customers: found by what is proven, never by what is typed; merged, described, erased."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from guichet.customers.erasure import erase
from guichet.customers.identity import IdentityHasher
from guichet.customers.part import KEEP, Customers
from guichet.kit.clock import MINUTE
from guichet.kit.errors import Refused
from guichet.leader.registry import Command
from guichet.store.port import Job
from tests.support.harness import Harness, conversation, customer, furnished, names
from tests.support.stores import Opened

pytestmark = pytest.mark.unit

OPENING = {
    "conversation": "c9",
    "customer": "ines",
    "entry_point": "shop-talk",
    "live": True,
    "outbox": False,
}
HASHER = IdentityHasher(b"secret")


@pytest.fixture
def house() -> Iterator[Harness]:
    house = furnished()
    yield house
    house.check_replay()


def register(
    house: Harness, customer: str, *, proven: tuple[str, ...] = (), claimed: tuple[str, ...] = (),
    client: str = "shop", org: str = "org", name: str | None = None,
) -> str:  # fmt: skip
    """Registers somebody with e-mail addresses; gives who they are."""
    identities = [
        {"kind": "email", "handle": h, "hash": HASHER(org, client, "email", h), "proven": h in proven}
        for h in (*proven, *claimed)
    ]
    house.do(
        house.system(org),
        "register_customer",
        customer=customer,
        client=client,
        identities=identities,
        name=name,
    )
    assert house.answer is not None
    return str(house.answer["customer"])


def test_the_same_proven_address_is_the_same_customer(house: Harness) -> None:
    assert register(house, "a", proven=("ines@x.example",), name="Inès") == "a"
    before = len(house.log)
    assert register(house, "b", proven=(" INES@x.example",)) == "a"
    assert len(house.log) == before
    row = house.row("identity")
    assert (row["customer"], row["handle"], row["proven"]) == ("a", "ines@x.example", True)
    assert house.row("customer")["name"] == "Inès"


def test_a_typed_address_leads_to_nobody(house: Harness) -> None:
    register(house, "a", proven=("ines@x.example",))
    assert register(house, "b", claimed=("ines@x.example",)) == "b"
    assert register(house, "c", claimed=("ines@x.example",)) == "c"
    assert {(r["customer"], r["proven"]) for r in house.rows("identity")} == {
        ("a", True),
        ("b", False),
        ("c", False),
    }
    assert register(house, "d", proven=("ines@x.example",)) == "a", (
        "and does not stand in the way of who proves it"
    )


def test_a_claim_that_is_proven_later_is_one_identity(house: Harness) -> None:
    register(house, "a", claimed=("ines@x.example",))
    before = len(house.log)
    register(house, "a", claimed=("ines@x.example",))
    assert len(house.log) == before
    register(house, "a", proven=("ines@x.example",))
    assert house.row("identity")["proven"] is True
    before = len(house.log)
    register(house, "a", claimed=("ines@x.example",))
    assert len(house.log) == before


def test_another_client_and_another_organisation_know_somebody_else(house: Harness) -> None:
    assert register(house, "a", proven=("ines@x.example",)) == "a"
    assert register(house, "b", proven=("ines@x.example",), client="bank") == "b"
    assert register(house, "c", proven=("ines@x.example",), org="other") == "c"
    for org, client in (("other", "shop"), ("org", "bank")):
        with pytest.raises(Refused) as refused:
            register(house, "a", org=org, client=client)
        assert refused.value.code == "customer.not_found"


def test_a_visitor_who_proves_to_be_a_known_customer_is_merged(house: Harness) -> None:
    register(house, "a", proven=("ines@x.example",))
    customer(house, "v")
    assert register(house, "v", proven=("ines@x.example",), name="Inès L.") == "a"
    assert house.row("customer", customer="v")["merged_into"] == "a"
    assert house.row("customer", customer="a")["name"] is None, "a visitor does not rename a customer"
    customer(house, "w")
    assert register(house, "w", proven=("ines@x.example",)) == "a"
    part = house.state.part(Customers)
    assert [c.id for c in part.person(part.get("w"))] == ["a", "v", "w"]


def test_merging_stays_one_step_deep(house: Harness) -> None:
    register(house, "a", proven=("a@x.example",))
    register(house, "b", proven=("b@x.example",))
    customer(house, "v")
    register(house, "v", proven=("b@x.example",))
    house.do(
        house.system(), "register_customer", customer="n", client="shop",
        identities=[
            {"kind": "email", "handle": h, "hash": HASHER("org", "shop", "email", h), "proven": True}
            for h in ("a@x.example", "b@x.example")
        ],
    )  # fmt: skip
    assert house.answer == {"customer": "a"}
    assert {r["customer"]: r["merged_into"] for r in house.rows("customer")} == {
        "a": None,
        "b": "a",
        "v": "a",
    }
    assert register(house, "m", proven=("b@x.example",)) == "a"


def test_erasing_takes_the_whole_person_and_every_row(house: Harness) -> None:
    register(house, "a", proven=("ines@x.example",), name="Inès")
    customer(house, "v")
    conversation(house, "c1", customer="v")
    conversation(house, "c2", customer="a", live=False)
    house.join("c1", "paul")
    register(house, "v", proven=("ines@x.example",))
    customer(house, "other")
    erased = names(house.do(house.agent("ada"), "erase_customer", customer="v"))
    assert erased.count("customer.erased") == 2
    assert erased.count("conversation.closed") == 2
    assert [r["customer"] for r in house.rows("customer")] == ["other"]
    for table in ("identity", "conversation", "message"):
        assert not house.rows(table), table
    assert {job.key for job in house.jobs} == {"a", "v"}
    assert house.do(house.agent("ada"), "erase_customer", customer="a") == [], "once is enough"
    house.destroyed = {"a", "v"}


def test_nobody_speaks_with_somebody_who_was_erased(house: Harness) -> None:
    customer(house)
    conversation(house)
    house.join("c1", "paul")
    house.do(house.agent("ada"), "erase_customer", customer="ines")
    before = len(house.log)
    ines, paul = house.visitor("ines"), house.agent("paul")
    for actor, name, payload in (
        (ines, "receive_message", {"conversation": "c1", "message": "m2", "text": "?"}),
        (paul, "add_note", {"conversation": "c1", "text": "?"}),
        (ines, "open_conversation", OPENING),
        (paul, "describe_customer", {"customer": "ines", "name": "?"}),
        (ines, "register_customer", {"customer": "ines", "client": "shop"}),
    ):  # fmt: skip
        with pytest.raises(Refused):
            house.do(actor, name, **payload)
    assert len(house.log) == before


def test_who_was_erased_comes_back_as_somebody_new(house: Harness) -> None:
    register(house, "a", proven=("ines@x.example",))
    house.do(house.agent("ada"), "erase_customer", customer="a")
    assert register(house, "b", proven=("ines@x.example",)) == "b"
    assert house.row("identity")["customer"] == "b"
    house.destroyed = {"a"}


def test_rows_are_the_same_when_replayed_without_the_destroyed_key(house: Harness) -> None:
    register(house, "a", proven=("ines@x.example",), claimed=("i@y.example",), name="Inès")
    conversation(house, customer="a")
    house.join("c1", "paul")
    house.do(house.agent("paul"), "send_message", conversation="c1", message="a1", text="Bonjour")
    house.do(house.agent("ada"), "erase_customer", customer="a")
    house.destroyed = {"a"}  # the fixture replays


def test_erasure_is_completed_once_and_only_by_the_system(house: Harness) -> None:
    customer(house)
    with pytest.raises(Refused):
        house.do(house.system(), "complete_erasure", customer="ines")
    house.do(house.agent("ada"), "erase_customer", customer="ines")
    assert names(house.do(house.system(), "complete_erasure", customer="ines")) == [
        "customer.erasure_completed"
    ]
    assert house.do(house.system(), "complete_erasure", customer="ines") == []


async def test_the_job_destroys_key_blobs_and_drafts_and_may_run_twice(
    house: Harness, tmp_path: Path
) -> None:
    opened = await Opened("sqlite", tmp_path / "data").open()
    try:
        store = opened.store
        customer(house)
        await store.keys.ensure("ines")
        address, _ = await store.blobs.put("ines", b"facture")
        house.do(house.agent("ada"), "erase_customer", customer="ines")
        (job,) = house.jobs
        claimed = Job("1", job.queue, job.key, job.payload, 1, 0)
        for _ in range(2):
            await erase(claimed, store.keys, store.blobs, store.drafts, submitting(house))
        assert await store.keys.get(["ines"]) == {}
        assert await store.blobs.get(address) is None
        with pytest.raises(Refused):
            await store.keys.ensure("ines")
        assert house.state.part(Customers).get("ines").erasure_completed
    finally:
        await opened.close()


def submitting(house: Harness) -> Callable[[Command], Awaitable[dict[str, Any]]]:
    async def submit(command: Command) -> dict[str, Any]:
        house.submit(command)
        return house.answer or {}

    return submit


def test_quiet_customers_are_forgotten_and_loaded_again(house: Harness) -> None:
    customer(house)
    house.t += KEEP + MINUTE
    customer(house, "omar")
    loads = house.loads
    house.do(house.agent("paul"), "describe_customer", customer="ines", name="Inès")
    assert house.loads == loads + 1
    house.restart()
    house.do(house.agent("paul"), "describe_customer", customer="ines", phone="")
    assert (
        house.row("customer", customer="ines")["name"],
        house.row("customer", customer="ines")["phone"],
    ) == ("Inès", "")


def test_an_unknown_customer_is_not_found_and_leaves_nothing_behind(house: Harness) -> None:
    with pytest.raises(Refused) as refused:
        house.do(house.agent("ada"), "erase_customer", customer="nobody")
    assert refused.value.code == "customer.not_found"
    assert customer(house, "nobody") == "nobody"


@pytest.mark.parametrize(
    ("kind", "one", "two"),
    [
        ("email", "Ines@X.example ", "ines@x.example"),
        ("phone", "+33 6 12 34 56 78", "+33612345678"),
        ("phone", "06 12", "0612"),
        ("token", " a", "a"),
    ],
)
def test_two_ways_of_writing_a_handle_are_one(kind: str, one: str, two: str) -> None:
    assert HASHER("org", "shop", kind, one) == HASHER("org", "shop", kind, two)


def test_a_hash_says_nothing_without_the_secret_and_differs_by_wall() -> None:
    hashes = {
        hasher(org, client, kind, "ines@x.example")
        for hasher in (HASHER, IdentityHasher(b"another"))
        for org, client in (("org", "shop"), ("org", "bank"), ("other", "shop"), ("orgs", "hop"))
        for kind in ("email", "token")
    }
    assert len(hashes) == 16
