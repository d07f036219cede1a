"""A house with one chat and one mail conversation, and what people say there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.harness import Harness, customer, furnished, names


@pytest.fixture
def house() -> Iterator[Harness]:
    """A furnished house with a visitor; state and rows come out of the log again after every test."""
    customer(house := furnished())
    yield house
    house.check_replay()


def say(house: Harness, message: str, text: str = "Allô ?", conversation: str = "c1") -> list[str]:
    words = {"message": message, "text": text, "conversation": conversation}
    return names(house.do(house.visitor("ines"), "receive_message", **words))


def send(house: Harness, message: str, text: str = "Bonjour Inès", agent: str = "paul") -> list[str]:
    return names(house.do(house.agent(agent), "send_message", conversation="c1", message=message, text=text))
