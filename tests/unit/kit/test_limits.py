"""A limited rate per key."""

from __future__ import annotations

import pytest

from guichet.kit.clock import ManualClock
from guichet.kit.limits import Buckets

pytestmark = pytest.mark.unit


def test_a_bucket_empties_and_fills_again() -> None:
    clock = ManualClock()
    buckets = Buckets(clock, size=2, per_second=0.1)
    assert [buckets.take("a") for _ in range(3)] == [True, True, False]
    assert buckets.take("b"), "each key has its own"
    clock.advance(9_999)
    assert not buckets.take("a")
    clock.advance(10)
    assert buckets.take("a")
    clock.advance(3_600_000)
    assert [buckets.take("a") for _ in range(3)] == [True, True, False], "never more than its size"


def test_what_was_given_back_can_be_taken() -> None:
    buckets = Buckets(ManualClock(), size=1, per_second=0.001)
    assert buckets.take("a")
    buckets.give_back("a")
    buckets.give_back("never seen")
    assert [buckets.take("a") for _ in range(2)] == [True, False]


def test_memory_is_bounded() -> None:
    buckets = Buckets(ManualClock(), size=1, per_second=0.001, keys=2)
    for key in ("a", "b", "c"):
        assert buckets.take(key)
    assert not buckets.take("c")
    assert buckets.take("a"), "forgotten, so full again"
