"""Process settings: few, explained, and no typo goes unnoticed."""

from __future__ import annotations

import pytest

from guichet.server.settings import ProcessSettings, unknown_variables
from tools.settings_page import PAGE, page

pytestmark = pytest.mark.unit


def test_there_are_at_most_forty_and_each_says_what_it_does() -> None:
    fields = ProcessSettings.model_fields
    assert len(fields) <= 40
    assert [name for name, field in fields.items() if not field.description] == []


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m tools.settings_page"


def test_an_unknown_variable_is_named() -> None:
    assert unknown_variables({"GUICHET_PORT": "1", "GUICHET_PROT": "1", "HOME": "/"}) == ["GUICHET_PROT"]
