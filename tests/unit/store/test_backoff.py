"""The delay before a failed job is tried again."""

from __future__ import annotations

import pytest

from guichet.kit.clock import HOUR, SECOND
from guichet.store.jobs import _delay

pytestmark = pytest.mark.unit


def test_it_doubles_from_five_seconds_to_an_hour_give_or_take_a_fifth() -> None:
    for attempt, middle in [(1, 5 * SECOND), (2, 10 * SECOND), (5, 80 * SECOND), (11, HOUR), (500, HOUR)]:
        delays = {_delay(attempt) for _ in range(200)}
        assert all(0.8 * middle <= delay <= 1.2 * middle for delay in delays)
        assert len(delays) > 50, "jobs that failed together must not come back together"
