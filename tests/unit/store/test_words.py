"""How search cuts and folds words, and what it shows of a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guichet.store.search import EXCERPT, MAX_WORD, excerpt, words_of

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Bonjour, mon colis n'est PAS arrivé !", ["bonjour", "mon", "colis", "n", "est", "pas", "arrive"]),
        ("e\u0301te\u0301 ÉTÉ été", ["ete", "ete", "ete"]),
        ("Straße œuvre Łódź", ["strasse", "oeuvre", "lodz"]),
        ("commande n°12-345/ab_c", ["commande", "n", "12", "345", "ab", "c"]),
        ("ﬁn 𝐛𝐨𝐥𝐝 Ⅳ", ["fin", "bold", "iv"]),
        ("日本語 русский العربية", ["日本語", "русскии", "العربية"]),
        ("\0 \U0001f600 -- ';", []),
        ("x" * 100, ["x" * MAX_WORD]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@given(st.text(max_size=200))
def test_words_hold_nothing_that_a_query_language_understands(text: str) -> None:
    for word in words_of(text):
        assert word
        assert word.isalnum()
        assert words_of(word) == [word], "folding what is folded changes nothing"


def test_an_excerpt_shows_the_match_on_one_line() -> None:
    before, after = "avant " * 60, " après" * 60
    shown = excerpt(f"{before}\n\nle  Colís perdu{after}", ["colis"])
    assert "le Colís perdu" in shown
    assert shown.startswith("… avant")
    assert shown.endswith(" …")
    assert len(shown) <= EXCERPT + 4


def test_an_excerpt_of_a_short_text_is_the_text() -> None:
    assert excerpt("Où est mon\ncolis ?", ["colis"]) == "Où est mon colis ?"


@given(st.text(max_size=600), st.text(min_size=1, max_size=8))
def test_an_excerpt_is_never_longer_than_it_may_be(text: str, word: str) -> None:
    assert len(excerpt(text, words_of(word))) <= EXCERPT + 4
