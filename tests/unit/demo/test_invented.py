"""The invented operator: its words are whole, its history is deterministic and breaks none of the house's rules."""

from __future__ import annotations

import re
import string
import tomllib
from collections import Counter
from importlib import resources

import msgspec
import pytest

from guichet.customers.identity import IdentityHasher
from guichet.events.base import Fact, decode
from guichet.events.conversations import ConversationOpened, LegStarted
from guichet.kit.clock import DAY, MINUTE
from guichet.kit.seeded import Seeded
from guichet.server import stages
from guichet.server.demo.dialogues import as_mail, as_reply, book, compose, said
from guichet.server.demo.history import DAYS
from guichet.server.demo.operator import PEOPLE, SHOPS, SITES
from guichet.server.demo.past import Past
from guichet.server.demo.seed import invent
from guichet.store.rows import Value

pytestmark = pytest.mark.unit
stages.load()

NOW = 1_795_500_000_000
RELAY = ("127.0.0.1", 2526)
KNOWN = {"order", "product", "city", "day", "name", "agent", "client"}


@pytest.fixture(scope="module")
def past() -> Past:
    return invent(IdentityHasher(b"x" * 32), NOW, RELAY)


def facts(past: Past) -> list[Fact]:
    return [decode(e.type, e.type_version, e.data) for e in past.run.entries]


def rows(past: Past, name: str) -> list[dict[str, Value]]:
    changes = [change for (table, _), change in past.run.changes.rows.items() if table == name]
    return [change.values for change in changes if change.values is not None and not change.deleted]


class TestWords:
    @pytest.mark.parametrize("language", ["fr", "en"])
    def test_templates_ask_only_for_what_is_filled_in(self, language: str) -> None:
        for topic in book(language).topic:
            assert len(topic.turns) == 6
            for text in [*topic.subjects, *topic.note, *(t for turn in topic.turns for t in turn)]:
                fields = {field for _, field, _, _ in string.Formatter().parse(text) if field is not None}
                assert fields <= KNOWN, text

    def test_both_languages_cover_the_same_concerns(self) -> None:
        assert [t.code for t in book("fr").topic] == [t.code for t in book("en").topic]

    def test_pages_have_the_same_words_in_both_languages(self) -> None:
        text = resources.files("guichet.server.demo").joinpath("words/pages.toml").read_text("utf-8")
        pages = tomllib.loads(text)
        assert pages["fr"].keys() == pages["en"].keys()
        for key, french in pages["fr"].items():
            assert set(re.findall(r"\{\w+\}", french)) == set(re.findall(r"\{\w+\}", pages["en"][key])), key

    @pytest.mark.parametrize("name", ["fr.toml", "pages.toml"])
    def test_french_has_its_non_breaking_spaces(self, name: str) -> None:
        text = resources.files("guichet.server.demo").joinpath(f"words/{name}").read_text("utf-8")
        french = text.split("[en]")[0]
        for line in french.splitlines():
            if not line.startswith("#"):
                assert not re.search(r"\w [;!?]", line), line

    def test_nothing_is_left_to_fill_in(self) -> None:
        chance = Seeded(7)
        for _ in range(300):
            shop = chance.pick(SHOPS)
            dialogue = compose(shop, chance)
            whole = [dialogue.subject, dialogue.note, as_mail(dialogue, 0, chance)]
            whole += [said(dialogue, t, "Paul") for t in range(1, len(dialogue.turns), 2)]
            whole += [as_reply(dialogue, 1, "Paul", shop.name, chance)]
            for text in whole:
                assert "{" not in text


class TestSeeded:
    def test_tells_the_same_story_again(self) -> None:
        one, two = Seeded(3), Seeded(3)
        assert [one.bits() for _ in range(50)] == [two.bits() for _ in range(50)]
        assert Seeded(4).bits() != Seeded(3).bits()

    def test_is_fair_enough(self) -> None:
        chance = Seeded(1)
        counts = Counter(chance.below(6) for _ in range(60_000))
        assert all(9_500 < counts[n] < 10_500 for n in range(6))
        mean = sum(chance.exponential(20) for _ in range(20_000)) / 20_000
        assert 19 < mean < 21

    def test_ids_sort_by_their_time(self) -> None:
        chance = Seeded(1)
        ids = [chance.id_at(NOW + n) for n in range(100)]
        assert ids == sorted(ids)
        assert all(len(i) == 26 for i in ids)


class TestHistory:
    def test_is_the_same_each_time(self, past: Past) -> None:
        again = invent(IdentityHasher(b"x" * 32), NOW, RELAY)
        assert [(e.seq, e.t, e.stream, e.data) for e in again.run.entries] == [
            (e.seq, e.t, e.stream, e.data) for e in past.run.entries
        ]

    def test_lies_in_the_last_month_and_in_order(self, past: Past) -> None:
        times = [e.t for e in past.run.entries]
        assert times == sorted(times)
        assert times[0] >= NOW - (DAYS + 1) * DAY
        assert times[-1] < NOW

    def test_has_a_few_hundred_conversations_on_both_channels_of_both_clients(self, past: Past) -> None:
        opened = [f for f in facts(past) if isinstance(f, ConversationOpened)]
        assert 250 < len(opened) < 800
        by_door = Counter((f.client, f.live) for f in opened)
        assert len(by_door) == 4
        assert min(by_door.values()) > 40

    def test_agents_work_only_for_clients_they_are_cleared_for_from_three_countries(self, past: Past) -> None:
        cleared = {p.id: p.clients for p in PEOPLE}
        clients = {f.conversation: f.client for f in facts(past) if isinstance(f, ConversationOpened)}
        legs = [f for f in facts(past) if isinstance(f, LegStarted)]
        assert all(clients[leg.conversation] in cleared[str(leg.agent)] for leg in legs)
        assert {leg.country for leg in legs} == {site["country"] for site in SITES.values()}

    @pytest.mark.parametrize("minutes", range(360, 7 * 24 * 60, 605))
    def test_ends_in_order_whatever_the_hour_and_the_day(self, minutes: int) -> None:
        """Mails are left to answer, no chat is in the air, nobody is at a desk."""
        past = invent(IdentityHasher(b"x" * 32), NOW + minutes * MINUTE, RELAY)
        tasks, agents = rows(past, "task"), rows(past, "agent_state")
        assert [task["state"] for task in tasks if task["live"]] == []
        assert {task["state"] for task in tasks} == {"queued"}
        assert len(tasks) >= 4
        assert {agent["presence"] for agent in agents} == {"offline"}
        assert not any(agent["connected"] for agent in agents)

    def test_chats_are_answered_fast_and_mostly(self, past: Past) -> None:
        types = Counter(e.type for e in past.run.entries)
        assert types["offer.accepted"] > 0.8 * types["offer.made"]
        assert 0 < types["conversation.left"] < 0.2 * types["conversation.opened"]
        first: dict[str, int] = {}
        waits: list[int] = []
        for entry in past.run.entries:
            if entry.type == "task.queued":
                task = msgspec.json.decode(entry.data)
                if task["live"]:
                    first[task["conversation"]] = entry.t
            elif entry.type == "leg.started":
                started = first.pop(msgspec.json.decode(entry.data)["conversation"], None)
                if started is not None:
                    waits.append(entry.t - started)
        assert sorted(waits)[len(waits) // 2] < MINUTE
