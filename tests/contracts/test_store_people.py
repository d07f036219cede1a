"""Finding customers by their words, on both engines."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from guichet.events.base import BY_CLASS, Fact, encode, stream_of, subject_of
from guichet.events.customers import CustomerDescribed, CustomerErased, IdentityClaimed
from guichet.store.followers import Runner
from guichet.store.people import People, PeopleIndex
from guichet.store.port import Entry
from tests.support.stores import ORG, Opened

pytestmark = pytest.mark.contract


async def found(
    opened: Opened, words: str, clients: Sequence[str] | None = None, limit: int = 20
) -> list[str]:
    return await People(opened.store.follower("people")).find(ORG, clients, words, limit)


async def indexed(opened: Opened, *facts: Fact, org: str = ORG) -> None:
    """Appends facts as the leader would, and lets the follower read them."""
    entries: list[Entry] = []
    for fact in facts:
        entry_type, subject = BY_CLASS[type(fact)], subject_of(fact)
        data, personal = encode(fact)
        entry = opened.entry(
            stream_of(fact),
            data,
            type=entry_type.name,
            type_version=entry_type.version,
            subject=subject,
            org=org,
        )
        if personal is not None and subject is not None:
            await opened.store.keys.ensure(subject)
            entry.sealed = opened.store.sealer.seal(entry, personal)
        entries.append(entry)
    await opened.append(entries)
    store = opened.store
    runner = Runner(PeopleIndex(), store.follower("people"), store.reader, store.sealer)
    await runner.prepare()
    while await runner.step():
        pass


def described(customer: str, client: str = "shop", **words: str | None) -> Fact:
    return CustomerDescribed(customer=customer, client=client, **words)


async def test_nobody_is_found_before_anything_is_known(opened: Opened) -> None:
    assert await found(opened, "ines") == []


async def test_all_words_or_their_beginnings_newest_first(opened: Opened) -> None:
    await indexed(
        opened,
        described("p1", name="Inès Caradec", email="ines@mail.example"),
        described("p2", name="Étienne Carad", phone="+33 6 12 34 56 78"),
        described("p3", "bank", name="Carada Łukasz"),
    )
    for words, wanted in {
        "carad": ["p3", "p2", "p1"],
        "CARADEC ines": ["p1"],
        "etienne": ["p2"],
        "łuk": ["p3"],
        "ines@mail.example": ["p1"],
        "33612": ["p2"],
        "+33 612345678": ["p2"],
        "caradec etienne": [],
        "%": [],
        "' OR 1=1 --": [],
    }.items():
        assert await found(opened, words) == wanted, words
    assert await found(opened, "carad", ["shop"]) == ["p2", "p1"]
    assert await found(opened, "carad", []) == []
    assert await found(opened, "carad", limit=1) == ["p3"]


async def test_a_change_takes_the_old_words_with_it_and_none_leaves_them(opened: Opened) -> None:
    await indexed(opened, described("p1", name="Inès Caradec", phone="0102030405"))
    await indexed(opened, described("p1", name="Inès Morvan"))
    assert await found(opened, "caradec") == []
    assert await found(opened, "morvan 0102030405") == ["p1"]
    await indexed(opened, described("p1", phone=""))
    assert await found(opened, "0102") == []
    assert await found(opened, "morvan") == ["p1"]


async def test_handles_are_words_too_and_erasure_takes_all(opened: Opened) -> None:
    def handle(customer: str, handle: str) -> Fact:
        return IdentityClaimed(
            customer=customer,
            client="shop",
            kind="address",
            proven=True,
            hash=f"hash of {handle}",
            handle=handle,
        )

    await indexed(opened, handle("p1", "nuage@mail.example"), handle("p1", "brume@mail.example"))
    await indexed(opened, described("p2", name="Nuage"), org="other")
    assert await found(opened, "nuage") == ["p1"]
    assert await found(opened, "mail") == ["p1"]
    await indexed(opened, CustomerErased(customer="p1", client="shop"))
    assert await found(opened, "nuage") == []
    assert await found(opened, "brume") == []
