"""Every fact ever written can still be read: the catalogue against its snapshot."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from tools.catalogue import SNAPSHOT, described, problems

pytestmark = pytest.mark.arch

Catalogue = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def snapshot() -> Catalogue:
    found: Catalogue = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    return found


def test_no_fact_was_removed_or_changed_without_an_upcaster(snapshot: Catalogue) -> None:
    assert problems(snapshot, described()) == []


def test_the_snapshot_is_up_to_date(snapshot: Catalogue) -> None:
    assert snapshot == described(), "run python -m tools.catalogue and commit what it wrote"


def test_every_personal_field_has_a_subject_that_is_a_field() -> None:
    for name, entry in described().items():
        fields = entry["fields"]["$defs"].values()
        if entry["personal"]:
            assert any(entry["subject"] in struct["properties"] for struct in fields), name


def test_what_customers_say_is_personal() -> None:
    catalogue = described()
    for name, field in (
        ("message.received", "text"),
        ("message.queued", "text"),
        ("note.added", "text"),
        ("conversation.opened", "subject"),
        ("identity.claimed", "handle"),
        ("identity.claimed", "hash"),
        ("customer.described", "email"),
    ):
        assert field in catalogue[name]["personal"], name


def changed(snapshot: Catalogue, **more: Any) -> Catalogue:
    after = copy.deepcopy(snapshot)
    after["message.received"] |= more
    return after


def fields(catalogue: Catalogue) -> dict[str, Any]:
    found: dict[str, Any] = catalogue["message.received"]["fields"]["$defs"]["MessageReceived"]
    return found


def test_a_removed_fact_is_seen(snapshot: Catalogue) -> None:
    after = {name: entry for name, entry in snapshot.items() if name != "message.received"}
    assert problems(snapshot, after) == ["message.received: removed, but logs hold it"]


def test_a_new_version_needs_a_step_from_each_older_one(snapshot: Catalogue) -> None:
    after = changed(snapshot, version=3)
    del fields(after)["properties"]["text"]
    assert problems(snapshot, after, {("message.received", 1)}) == [
        "message.received: no upcaster from version 2"
    ]
    assert problems(snapshot, after, {("message.received", 1), ("message.received", 2)}) == []
    assert problems(after, snapshot) == ["message.received: version 1 is older than 3"]


@pytest.mark.parametrize("key", ["opens", "subject", "stream"])
def test_a_change_of_place_is_seen(snapshot: Catalogue, key: str) -> None:
    assert problems(snapshot, changed(snapshot, **{key: "else"})) == [f"message.received: {key} changed"]


def test_changed_fields_are_seen(snapshot: Catalogue) -> None:
    removed, typed, required, plain = (copy.deepcopy(snapshot) for _ in range(4))
    del fields(removed)["properties"]["text"]
    fields(typed)["properties"]["n"] = {"type": "string"}
    fields(required)["properties"]["new"] = {"type": "string"}
    fields(required)["required"].append("new")
    plain["message.received"]["personal"] = []
    for after in (removed, typed, required, plain):
        assert len(problems(snapshot, after)) == 1


def test_a_new_field_with_a_default_and_a_new_choice_are_fine(snapshot: Catalogue) -> None:
    after = copy.deepcopy(snapshot)
    fields(after)["properties"]["new"] = {"type": "string", "default": ""}
    status = after["delivery.recorded"]["fields"]["$defs"]["DeliveryRecorded"]["properties"]["status"]
    status["enum"] = sorted([*status["enum"], "opened"])
    assert problems(snapshot, after) == []
    assert len(problems(after, snapshot)) == 2
