"""Erasing a customer in a whole centre, on both engines: rows, search, drafts, files and the key are gone, and the
log replayed without the key still equals what is live."""

from __future__ import annotations

from pathlib import Path

import pytest

from guichet.leader.registry import Actor
from guichet.leader.replay import compare_rows, compare_states, replay
from guichet.server import stages
from guichet.store import jobs
from guichet.store.port import Draft
from guichet.store.rows import TABLES
from tests.support.centre import ORG, Centre

pytestmark = pytest.mark.contract

SECRET = "Mirabelle"


async def words_anywhere(centre: Centre) -> list[str]:
    """Tables that still hold the customer's word."""
    found = []
    for name, table in TABLES.items():
        rows = await centre.node.store.reader.rows(table, {"org": ORG}, limit=10_000)
        if SECRET in repr(rows):
            found.append(name)
    return found


async def test_nothing_of_an_erased_customer_can_be_read_again(database: str, tmp_path: Path) -> None:
    async with Centre.running(tmp_path / "data", database_url=database) as centre:
        await centre.found()
        store = centre.node.store
        visitor = Actor("visitor", "customer-1", ORG)
        other = Actor("visitor", "customer-2", ORG)
        for actor in (visitor, other):
            await store.keys.ensure(actor.id)
            await centre.do(
                actor, "register_customer", customer=actor.id, client="lune", anonymous=True,
                name=SECRET if actor is visitor else "Basile",
            )  # fmt: skip
            await centre.do(
                actor, "open_conversation", conversation=f"talk-{actor.id}", customer=actor.id,
                entry_point="shop", live=True, outbox=False, undo_seconds=0, subject="", language="fr",
                name=SECRET if actor is visitor else "Basile",
            )  # fmt: skip
            await centre.do(
                actor, "receive_message", conversation=f"talk-{actor.id}", message="m1",
                text=f"{SECRET} écrit" if actor is visitor else "Basile écrit",
            )  # fmt: skip
        await centre.available()
        await centre.accept("talk-customer-1")
        paul = centre.agent()
        await centre.do(
            paul, "send_message", conversation="talk-customer-1", message="r1", text=f"Chère {SECRET}"
        )
        await centre.do(paul, "add_note", conversation="talk-customer-1", text=f"{SECRET} rappelle")
        draft = Draft(
            ORG, "talk-customer-1", "reply", "paul", f"Bonjour {SECRET}", [], 1, centre.node.clock.now()
        )
        await store.drafts.save(draft, visitor.id)
        address, _ = await store.blobs.put(visitor.id, SECRET.encode())

        async def is_indexed() -> bool:
            return len(await centre.node.search.find(ORG, None, SECRET, 10)) == 3

        await centre.until(is_indexed, "search knows the words")
        assert await words_anywhere(centre) == ["customer", "conversation", "message"]

        await centre.do(Actor("agent", "admin", ORG), "erase_customer", customer=visitor.id)

        async def is_complete() -> bool:
            return "customer.erasure_completed" in await centre.facts()

        await centre.until(is_complete, "the erasure is complete")
        assert await words_anywhere(centre) == []
        assert await store.keys.get([visitor.id]) == {}
        assert await store.drafts.get(ORG, "talk-customer-1") == []
        assert await store.blobs.get(address) is None

        async def is_forgotten() -> bool:
            return await centre.node.search.find(ORG, None, SECRET, 10) == []

        await centre.until(is_forgotten, "search has forgotten")
        assert len(await centre.node.search.find(ORG, None, "Basile", 10)) == 1
        for entry in await store.reader.entries(0, 0, 10_000):
            assert SECRET.encode() not in entry.data
            if entry.subject == visitor.id and entry.sealed is not None:
                assert store.sealer.unseal(entry) is None
        await live_equals_log(centre)


async def test_an_erasure_that_fails_is_tried_until_it_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a number of times: nobody would notice that the promise was not kept."""
    monkeypatch.setattr(jobs, "MAX_ATTEMPTS", 2)
    monkeypatch.setattr(jobs, "FIRST_DELAY", 5)
    async with Centre.running(tmp_path) as centre:
        await centre.found()
        await centre.node.store.keys.ensure("ines")
        visitor = Actor("visitor", "ines", ORG)
        await centre.do(visitor, "register_customer", customer="ines", client="lune")
        failures = 0
        erase = centre.node.store.blobs.erase

        async def failing(subject: str) -> None:
            nonlocal failures
            if failures < 6:
                failures += 1
                raise OSError("the disk is away")
            await erase(subject)

        monkeypatch.setattr(centre.node.store.blobs, "erase", failing)
        await centre.do(centre.agent("admin"), "erase_customer", customer="ines")

        async def is_complete() -> bool:
            return "customer.erasure_completed" in await centre.facts()

        await centre.until(is_complete, "the erasure is complete")
        assert failures == 6
        assert await centre.node.store.jobs.dead() == []


async def live_equals_log(centre: Centre) -> None:
    store = centre.node.store
    replayed = await replay(store.reader, store.sealer, 0, stages.new_state, stages.ANSWERS_ONLY)
    differences = replayed.reactions.end()
    differences += compare_states(replayed.state, centre.node.leading.leader.memory.state)
    for name, table in TABLES.items():
        differences += compare_rows(
            table, replayed.rows[name], await store.reader.rows(table, {}, limit=10_000)
        )
    assert differences == []
