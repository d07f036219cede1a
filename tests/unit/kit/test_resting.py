"""What has been quiet for long enough is forgotten, by the time that facts tell."""

from __future__ import annotations

import pytest

from guichet.kit.resting import Resting

pytestmark = pytest.mark.unit


def test_quiet_keys_are_overdue_in_order_and_once() -> None:
    resting = Resting(keep=10)
    for key, t in (("a", 0), ("b", 5), ("c", 9), ("a", 11)):
        resting.touch(key, t)
    assert list(resting.overdue()) == []
    resting.touch("d", 19)
    assert list(resting.overdue()) == ["b", "c"]
    assert list(resting.overdue()) == []


def test_awake_keys_stay() -> None:
    resting = Resting(keep=10)
    resting.touch("a", 0)
    resting.wake("a")
    resting.wake("unknown")
    resting.touch("b", 100)
    assert list(resting.overdue()) == []


def test_what_was_brought_back_from_long_ago_goes_first() -> None:
    resting = Resting(keep=10, now=100)
    resting.touch("recent", 95)
    resting.touch("old", 3)
    assert list(resting.overdue()) == [], "it stands behind the recent one"
    resting.recall("old")
    assert list(resting.overdue()) == ["old"]
    assert resting.now == 100, "old facts do not turn time back"
