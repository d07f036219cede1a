"""The web's types are those of the server."""

from __future__ import annotations

import msgspec
import pytest
from pydantic import ValidationError

from guichet.desk import frames
from guichet.desk.api import CommandBody
from tools import protocol

pytestmark = pytest.mark.unit


def test_generated_types_are_up_to_date() -> None:
    fresh = protocol.generate()
    assert protocol.FILE.read_text() == fresh, "run `python -m tools.protocol` and commit what it writes"


def test_what_is_said_of_columns_is_about_columns_that_exist() -> None:
    fresh = protocol.generate()
    assert "export interface WorkRow" in fresh
    views = protocol.desk_views()
    tables = {view.table: view.source for view in views}
    assert set(protocol.ALWAYS) == set(tables)
    for table, columns in protocol.ALWAYS.items():
        assert set(columns.split()) <= set(tables[table].columns)
    for table, column in (*protocol.WORDS, *protocol.JSON):
        assert column in tables[table].columns
    for view in views:
        missing = [
            c for c in view.shown if view.source.columns[c] == "json" and (view.table, c) not in protocol.JSON
        ]
        assert not missing, f"say in tools/protocol.py what {view.table}.{missing} hold"


@pytest.mark.parametrize("key", ["", "a\\u0000b", "é", "x" * 129])
def test_a_key_is_made_of_plain_characters(key: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"\$\.key"):
        msgspec.json.decode(
            f'{{"op":"command","id":"c1","name":"close","key":"{key}","payload":{{}}}}',
            type=frames.AnyClientFrame,
        )
    with pytest.raises(ValidationError, match="key"):
        CommandBody.model_validate_json(f'{{"name":"close","key":"{key}","payload":{{}}}}')
