"""Ids that come from outside, in every command that there is."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from msgspec import inspect

from guichet.kit.ids import Ident, new_id
from guichet.leader.registry import COMMANDS
from guichet.server import stages

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("text", ["", "x" * 65, "a\n", "\n", "a\0b", "a b", "a/b", "é", "a\u202eb", "a\x7f"])
def test_an_id_is_short_and_printable(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(text, Ident)


@pytest.mark.parametrize("text", ["x" * 64, "c1.m-2", "shop_chat", "c1-1.2"])
def test_our_own_ids_are_ids(text: str) -> None:
    assert msgspec.convert(text, Ident) == text
    assert msgspec.convert(new_id(), Ident)


def strings(kind: inspect.Type) -> Iterator[inspect.StrType]:
    """Every kind of text within a type."""
    if isinstance(kind, inspect.StrType):
        yield kind
    elif isinstance(kind, inspect.UnionType):
        for one in kind.types:
            yield from strings(one)
    elif isinstance(kind, inspect.ListType):
        yield from strings(kind.item_type)


def test_every_command_asks_for_ids_of_this_kind() -> None:
    stages.load()
    ident = inspect.type_info(Ident)
    assert isinstance(ident, inspect.StrType)
    loose = [
        f"{name}.{field.name}"
        for name, command in COMMANDS.items()
        for field in inspect.type_info(command.payload).fields  # type: ignore[attr-defined]
        for text in strings(field.type)
        if (text.min_length, text.max_length) == (1, 64) and text.pattern not in (ident.pattern, CONFIGURED)
    ]
    assert loose == []


CONFIGURED = r"^[A-Za-z0-9_-]+\Z"
"""Ids of configuration, which stand in addresses and tokens, are narrower still."""
