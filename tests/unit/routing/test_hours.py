"""Opening hours by the wall clock, over clock changes and closed days."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guichet.accounts.settings import Hours
from guichet.kit.clock import DAY, HOUR, MINUTE
from guichet.routing.hours import next_change, next_midnight, open_at

pytestmark = pytest.mark.unit

PARIS = ZoneInfo("Europe/Paris")
WEEK = [{"day": day, "start": "09:00", "end": "18:00"} for day in range(1, 6)]


def hours(
    slots: list[dict[str, object]] = WEEK, closed: tuple[str, ...] = (), zone: str = "Europe/Paris"
) -> Hours:
    return Hours.model_validate({"name": "h", "time_zone": zone, "slots": slots, "closed_days": list(closed)})


def at(text: str, fold: int = 0) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=PARIS, fold=fold).timestamp() * 1_000)


def test_a_week() -> None:
    assert not open_at(hours(), at("2026-11-23T08:59:59"))
    assert open_at(hours(), at("2026-11-23T09:00"))
    assert open_at(hours(), at("2026-11-23T17:59:59"))
    assert not open_at(hours(), at("2026-11-23T18:00"))
    assert next_change(hours(), at("2026-11-23T12:00")) == at("2026-11-23T18:00")
    assert next_change(hours(), at("2026-11-27T18:00")) == at("2026-11-30T09:00")


def test_nine_is_nine_on_both_sides_of_a_clock_change() -> None:
    assert next_change(hours(), at("2026-03-27T20:00")) == at("2026-03-30T09:00")
    assert at("2026-03-30T09:00") - at("2026-03-27T09:00") == 3 * DAY - HOUR
    assert at("2026-10-26T09:00") - at("2026-10-23T09:00") == 3 * DAY + HOUR
    assert next_change(hours(), at("2026-10-23T20:00")) == at("2026-10-26T09:00")


def test_hours_that_begin_in_the_hour_that_spring_skips() -> None:
    night = hours([{"day": 7, "start": "02:30", "end": "05:00"}])
    opens = next_change(night, at("2026-03-29T00:00"))
    assert opens == at("2026-03-29T03:00"), "at two it is three"
    assert next_change(night, opens) == at("2026-03-29T05:00")


def test_hours_over_the_hour_that_autumn_repeats() -> None:
    night = hours([{"day": 7, "start": "01:00", "end": "03:00"}])
    opens = next_change(night, at("2026-10-25T00:00"))
    assert next_change(night, opens) - opens == 3 * HOUR


def test_closed_days_and_midnight() -> None:
    always = hours([{"day": day, "start": "00:00", "end": "24:00"} for day in range(1, 8)], ("2026-12-25",))
    assert open_at(always, at("2026-12-24T23:59"))
    assert next_change(always, at("2026-12-20T00:00")) == at("2026-12-25T00:00")
    assert next_change(always, at("2026-12-25T12:00")) == at("2026-12-26T00:00")
    assert next_midnight("Europe/Paris", at("2026-10-25T01:00")) == at("2026-10-26T00:00")


def test_without_slots_it_never_opens_and_is_looked_at_again() -> None:
    never = hours([])
    assert not open_at(never, at("2026-11-23T12:00"))
    assert next_change(never, at("2026-11-23T12:00")) > at("2027-11-23T12:00")


slots = st.builds(
    lambda day, start, length: {
        "day": day,
        "start": f"{start // 60:02}:{start % 60:02}",
        "end": f"{(start + length) // 60:02}:{(start + length) % 60:02}",
    },
    st.integers(1, 7),
    st.integers(0, 22 * 60),
    st.integers(1, 119),
)


@given(
    st.lists(slots, max_size=6),
    st.sampled_from(["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"]),
    st.integers(1_770_000_000, 1_800_000_000),
)
def test_nothing_changes_before_the_next_change(
    slots: list[dict[str, object]], zone: str, second: int
) -> None:
    given_hours, t = hours(slots, zone=zone), second * 1_000
    now, change = open_at(given_hours, t), next_change(given_hours, t)
    assert change > t
    step = max(MINUTE, (min(change, t + 3 * DAY) - t) // 300 // MINUTE * MINUTE)
    assert all(open_at(given_hours, at) == now for at in range(t, min(change, t + 3 * DAY), step))
    if change < t + 300 * DAY:
        assert open_at(given_hours, change) != now
        assert open_at(given_hours, change - 1) == now
