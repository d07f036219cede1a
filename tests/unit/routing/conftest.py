"""A house with routing for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from guichet.kit.clock import SECOND
from tests.support.floor import (
    check_decisions,
    floor,
)
from tests.support.harness import Harness


@pytest.fixture
def house() -> Iterator[Harness]:
    """Paul is ready; state and rows come out of the log again after every test."""
    house = floor("paul")
    yield house
    house.advance(2 * SECOND)
    house.check_replay()
    check_decisions(house)
    before = house.state.dump()
    house.restart()
    assert house.state.dump() == before
