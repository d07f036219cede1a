"""Followers and the first of them, search, on both engines."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from guichet.events import conversations, customers
from guichet.events.base import BY_CLASS, Fact, encode, stream_of, subject_of
from guichet.kit import faults
from guichet.kit.ids import new_id
from guichet.store.followers import Item, Runner, live
from guichet.store.points import FOLLOWER_BEFORE_COMMIT
from guichet.store.port import BadChange, Entry
from guichet.store.rows import EraseSubject
from guichet.store.search import Search, SearchIndex
from guichet.store.side import Transaction
from tests.support.stores import ORG, Opened
from tests.support.waiting import wait_until

pytestmark = pytest.mark.contract


def said(
    text: str, conversation: str = "conv1", customer: str = "s1", client: str = "c1", n: int = 1
) -> Fact:
    return conversations.MessageReceived(
        conversation=conversation, message=new_id(), n=n, customer=customer, client=client, text=text
    )


def erased(customer: str) -> Fact:
    return customers.CustomerErased(customer=customer, client="c1")


async def log(opened: Opened, *facts: Fact, org: str = ORG) -> list[Entry]:
    """Appends facts as the leader would: sealed under the customer's key."""
    entries = []
    for fact in facts:
        entry_type, subject = BY_CLASS[type(fact)], subject_of(fact)
        data, personal = encode(fact)
        fields = {"type": entry_type.name, "type_version": entry_type.version, "subject": subject, "org": org}
        entry = opened.entry(stream_of(fact), data, **fields)
        if personal is not None and subject is not None:
            await opened.store.keys.ensure(subject)
            entry.sealed = opened.store.sealer.seal(entry, personal)
        entries.append(entry)
    await opened.append(
        entries, [EraseSubject(f.customer) for f in facts if isinstance(f, customers.CustomerErased)]
    )
    return entries


def runner(opened: Opened, index: SearchIndex | None = None) -> Runner:
    store = opened.store
    return Runner(index or SearchIndex(), store.follower("search"), store.reader, store.sealer)


async def catch_up(opened: Opened, index: SearchIndex | None = None) -> Runner:
    follower = runner(opened, index)
    await follower.prepare()
    while await follower.step():
        pass
    return follower


async def found(
    opened: Opened, words: str, org: str = ORG, clients: Sequence[str] | None = None, limit: int = 10
) -> list[str]:
    search = Search(opened.store.follower("search"))
    return [hit.excerpt for hit in await search.find(org, clients, words, limit)]


async def test_what_was_taken_back_is_not_found(opened: Opened) -> None:
    here: dict[str, Any] = {"conversation": "conv1", "message": "r1", "n": 2}
    reply = conversations.MessageQueued(**here, customer="s1", client="c1", agent="a", text="Deux citrons")
    await log(opened, said("Un citron"), reply, said("Trois citrons", n=3))
    await catch_up(opened)
    assert await found(opened, "citron") == ["Trois citrons", "Deux citrons", "Un citron"]
    await log(opened, conversations.MessageWithdrawn(**here, agent="a"))
    await catch_up(opened)
    assert await found(opened, "citron") == ["Trois citrons", "Un citron"]
    assert await found(opened, "deux") == []


async def test_words_are_found_without_accents_by_their_beginnings_newest_first(opened: Opened) -> None:
    await log(opened, said("Où est mon colis ?"), said("Été à la plage"), said("Deux COLIS perdus, n°4471"))
    note = conversations.NoteAdded(
        conversation="conv2", n=4, customer="s1", client="c1", agent="a", text="Colis retrouvé"
    )
    reply = conversations.MessageQueued(
        conversation="conv1", message="m9", n=9, customer="s1", client="c1", agent="a", text="Nous cherchons."
    )
    await log(opened, reply, note)
    assert await found(opened, "colis") == []
    await catch_up(opened)
    assert await found(opened, "colis") == [
        "Colis retrouvé",
        "Deux COLIS perdus, n°4471",
        "Où est mon colis ?",
    ]
    assert await found(opened, "ete") == ["Été à la plage"]
    assert await found(opened, "ÉTÉ plage") == ["Été à la plage"]
    assert await found(opened, "col per 44") == ["Deux COLIS perdus, n°4471"]
    assert await found(opened, "cherch") == ["Nous cherchons."]
    assert await found(opened, "colis plage") == []
    assert await found(opened, "olis") == []
    assert await found(opened, "colis", limit=1) == ["Colis retrouvé"]


async def test_a_hit_says_where_it_is(opened: Opened) -> None:
    note = conversations.NoteAdded(
        conversation="conv2", n=4, customer="s1", client="c1", agent="a", text="noté"
    )
    message, _ = await log(opened, said("écrit", n=3), note)
    await catch_up(opened)
    search = Search(opened.store.follower("search"))
    (hit,) = await search.find(ORG, None, "ecrit", 10)
    assert (hit.conversation, hit.client, hit.n, hit.t, len(hit.message)) == ("conv1", "c1", 3, message.t, 26)
    (hit,) = await search.find(ORG, None, "note", 10)
    assert (hit.conversation, hit.n) == ("conv2", 4)
    assert await search.position() == 2


async def test_walls_between_organisations_and_clients(opened: Opened) -> None:
    await log(opened, said("secret un", client="c1"), said("secret deux", client="c2"))
    await log(opened, said("secret trois", conversation="conv9", client="c1"), org="org2")
    await catch_up(opened)
    assert await found(opened, "secret") == ["secret deux", "secret un"]
    assert await found(opened, "secret", clients=["c1", "c3"]) == ["secret un"]
    assert await found(opened, "secret", clients=[]) == []
    assert await found(opened, "secret", org="org2", clients=["c1"]) == ["secret trois"]
    assert await found(opened, "secret", org="org3") == []


ODD = [
    "", " ", "'", '"', "''':*", "colis OR plage", "NOT colis", "colis*", 'co"lis', "words:colis", "(colis", "a & !b",
    "colis' | 'x", "\0colis\0", "^colis", "NEAR(colis plage)", "-colis", "\\colis", "%_", "🙂", "; DROP TABLE x",
    "x" * 5_000, "mot " * 5_000, "ﷺ" * 200,
]  # fmt: skip


async def test_what_users_type_is_only_words(opened: Opened) -> None:
    await log(opened, said("colis"))
    await catch_up(opened)
    for words in ODD:
        assert await found(opened, words) in ([], ["colis"])
    assert await found(opened, "colis") == ["colis"]


async def test_erasing_a_customer_takes_their_words(opened: Opened) -> None:
    await log(opened, said("zanzibar secret"), said("zanzibar public", customer="s2"), said("autre zanzibar"))
    await catch_up(opened)
    assert len(await found(opened, "zanzibar")) == 3
    await log(opened, said("encore zanzibar"), erased("s1"))
    await catch_up(opened)
    assert await found(opened, "zanzibar") == ["zanzibar public"]
    await opened.store.keys.destroy("s1")
    if opened.url == "sqlite":
        left = _bytes(opened.folder)
        assert b"zanzibar public" in left
        assert b"secret" not in left
        assert b"autre" not in left
    # From the log alone it is the same: the key is gone.
    index = SearchIndex()
    index.version = 2
    again = await catch_up(opened, index)
    assert again.position == 5
    assert await found(opened, "zanzibar") == ["zanzibar public"]


def _bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("search.db*")))


async def test_it_goes_on_from_its_position_after_a_restart(opened: Opened) -> None:
    await log(opened, *(said(f"mot {n}") for n in range(30)))
    await catch_up(opened)
    await log(opened, *(said(f"mot {n}") for n in range(30, 40)))
    await opened.reopen()
    again = runner(opened)
    await again.prepare()
    assert again.position == 30
    await catch_up(opened)
    assert len(await found(opened, "mot", limit=100)) == 40


async def test_what_it_did_and_its_position_are_one_commit(opened: Opened) -> None:
    await log(opened, said("premier"), said("second"))
    follower = runner(opened)
    await follower.prepare()
    faults.arm(FOLLOWER_BEFORE_COMMIT, "raise")
    with pytest.raises(OSError, match="fault point"):
        await follower.step()
    assert follower.position == 0
    assert await found(opened, "premier") == []
    await catch_up(opened)
    assert await found(opened, "premier") == ["premier"]
    assert await found(opened, "second") == ["second"]


class Slow(SearchIndex):
    """A later version of the index, whose rebuild can be stopped half way."""

    version = SearchIndex.version + 1


async def test_the_old_tables_are_read_until_the_new_ones_are_full(opened: Opened) -> None:
    await log(opened, *(said(f"mot {n}") for n in range(600)))
    await catch_up(opened)
    database = opened.store.follower("search")
    rebuilt = runner(opened, Slow())
    await rebuilt.prepare()
    assert await rebuilt.step()
    assert rebuilt.position == 500
    assert await live(database, "search") == ("search_2", 600)
    assert await found(opened, "mot 599") == ["mot 599"]
    await opened.reopen()
    await catch_up(opened, Slow())
    assert await live(opened.store.follower("search"), "search") == ("search_3", 600)
    assert await found(opened, "mot 599") == ["mot 599"]
    with pytest.raises((OSError, BadChange), match="search_2_entry"):
        await opened.store.follower("search").read("SELECT * FROM search_2_entry")


async def test_an_index_that_is_ahead_of_the_log_starts_anew(opened: Opened) -> None:
    await log(opened, said("un"), said("deux"))
    await catch_up(opened)
    await opened.store.follower("search").write("UPDATE follower SET position = 999")
    again = await catch_up(opened)
    assert again.position == 2
    assert await found(opened, "un") == ["un"]


class Failing(SearchIndex):
    """Fails until it is mended."""

    broken = True

    async def apply(self, transaction: Transaction, prefix: str, items: Sequence[Item]) -> None:
        await super().apply(transaction, prefix, items)
        if self.broken:
            raise ArithmeticError("not yet")


async def test_a_failing_follower_is_heard_and_tried_again_and_skips_nothing(opened: Opened) -> None:
    await log(opened, said("premier"))
    heard: list[tuple[str, str]] = []
    index, store = Failing(), opened.store
    follower = Runner(
        index, store.follower("search"), store.reader, store.sealer,
        on_trouble=lambda name, error: heard.append((name, str(error))), first_delay=0.001,
    )  # fmt: skip

    def trouble() -> str | None:
        return follower.trouble

    running = asyncio.ensure_future(follower.run())
    try:
        await wait_until(lambda: len(heard) > 2, "it was tried again")
        assert trouble() == "ArithmeticError"
        assert set(heard) == {("search", "not yet")}
        assert await found(opened, "premier") == []
        index.broken = False
        await wait_until(lambda: follower.position == 1, "it got on")
        assert trouble() is None
        assert await found(opened, "premier") == ["premier"]
        await log(opened, said("second"))
        follower.notify()
        await wait_until(lambda: follower.position == 2, "it was woken")
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert await found(opened, "second") == ["second"]


async def test_a_gap_in_the_log_is_never_passed_over(opened: Opened) -> None:
    await log(opened, said("premier"))
    opened.seq += 1
    await log(opened, said("third"))
    follower = runner(opened)
    await follower.prepare()
    await follower.step()
    follower.position = 1
    with pytest.raises(LookupError, match="gap"):
        await follower.step()
