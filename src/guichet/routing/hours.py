"""Opening hours: whether a queue is open, and when that changes next. Wall-clock times in the hours' own zone, so
that nine o'clock is nine o'clock on both sides of a clock change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from guichet.accounts.settings import Hours
from guichet.kit.clock import SECOND, Instant

HORIZON = 420
"""Days looked ahead for the next change; longer than any run of closed days."""


def open_at(hours: Hours, t: Instant) -> bool:
    """Whether the hours say open at this instant."""
    local = datetime.fromtimestamp(t / SECOND, _zone(hours.time_zone))
    if local.date().isoformat() in hours.closed_days:
        return False
    day, clock = local.isoweekday(), local.strftime("%H:%M")
    return any(slot.day == day and slot.start <= clock < slot.end for slot in hours.slots)


def next_change(hours: Hours, t: Instant) -> Instant:
    """The next instant after `t` at which `open_at` says something else, or at which to look again."""
    now = open_at(hours, t)
    zone = _zone(hours.time_zone)
    first = datetime.fromtimestamp(t / SECOND, zone).date()
    for ahead in range(HORIZON):
        day = first + timedelta(days=ahead)
        for instant in _boundaries(hours, day, zone):
            if instant > t and open_at(hours, instant) != now:
                return instant
    return _instant(first + timedelta(days=HORIZON), 0, zone)


def next_midnight(time_zone: str, t: Instant) -> Instant:
    """When the day of `t` ends in this zone."""
    zone = _zone(time_zone)
    return _instant(datetime.fromtimestamp(t / SECOND, zone).date() + timedelta(days=1), 0, zone)


def _boundaries(hours: Hours, day: date, zone: ZoneInfo) -> list[Instant]:
    """Every instant of a day at which the answer might change, in order."""
    minutes = {0}
    for slot in hours.slots:
        if slot.day == day.isoweekday():
            minutes |= {_minutes(slot.start), _minutes(slot.end)}
    found = {_instant(day, minute, zone, fold) for minute in minutes for fold in (0, 1)}
    change = _clock_change(day, zone)
    if change is not None:
        found.add(change)
    return sorted(found)


def _clock_change(day: date, zone: ZoneInfo) -> Instant | None:
    """The instant of this day at which the zone's clocks change, if they do."""
    low, high = _instant(day, 0, zone), _instant(day + timedelta(days=1), 0, zone)
    before = _offset(low, zone)
    if before == _offset(high, zone):
        return None
    low, high = low // SECOND, high // SECOND
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(middle * SECOND, zone) == before:
            low = middle
        else:
            high = middle
    return high * SECOND


def _offset(t: Instant, zone: ZoneInfo) -> timedelta | None:
    return datetime.fromtimestamp(t / SECOND, zone).utcoffset()


def _minutes(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])


def _instant(day: date, minute: int, zone: ZoneInfo, fold: int = 0) -> Instant:
    hour = divmod(minute, 60)
    if hour[0] == 24:
        day, hour = day + timedelta(days=1), (0, 0)
    local = datetime(day.year, day.month, day.day, *hour, tzinfo=zone, fold=fold)
    return int(local.astimezone(UTC).timestamp()) * SECOND


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
