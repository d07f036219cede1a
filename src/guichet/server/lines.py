"""What customers are told of the line they stand in: whether it is open, their place, an honest range."""

from __future__ import annotations

import math
from collections import deque
from typing import cast

from guichet.accounts.directory import Directory
from guichet.accounts.settings import Hours, Queue
from guichet.channels.base import Place
from guichet.kit.clock import Clock, Instant
from guichet.leader.loop import Committed
from guichet.routing.hours import open_at
from guichet.routing.tables import TASK
from guichet.store.port import Reader

KEPT = 20
"""Departures from a line that an estimate looks back on."""
ENOUGH = 3
TOO_OLD = 1_800_000
"""Milliseconds after which a departure says nothing about now."""
SPREAD = 1.28
"""Standard deviations on each side: 8 waits in 10 fall into the range if departures come at random."""


class Lines:
    """Watches the commits for tasks that leave the line, and estimates from their pace."""

    def __init__(self, reader: Reader, directory: Directory, clock: Clock) -> None:
        self._reader = reader
        self._directory = directory
        self._clock = clock
        self._waiting: dict[str, str] = {}
        self._left: dict[str, deque[Instant]] = {}

    def committed(self, committed: Committed) -> None:
        """Follows table `task`: what was waiting and is taken has left the line."""
        for change in committed.changes:
            if change.table is not TASK:
                continue
            task, values = str(change.key[0]), change.values or {}
            if change.fresh:
                self._waiting[task] = str(values["queue"])
            elif values.get("state") == "assigned" or change.deleted:
                queue = self._waiting.pop(task, None)
                if queue is not None and not change.deleted:
                    self._left.setdefault(queue, deque(maxlen=KEPT)).append(committed.t)

    def is_open(self, org: str, queue: str) -> bool:
        """Whether people answer there now; a queue without opening hours is always open."""
        settings = self._directory.find(org, Queue, queue)
        if settings is None or not settings.active:
            return False
        hours = self._directory.find(org, Hours, settings.hours) if settings.hours is not None else None
        return hours is None or open_at(hours, self._clock.now())

    async def place(self, org: str, conversation: str) -> Place | None:
        """The place in line of a conversation's task; None when it does not wait in one."""
        for row in await self._reader.rows(TASK, {"conversation": conversation, "org": org}):
            if row["place"] is not None and row["state"] in ("queued", "offered"):
                place = cast(int, row["place"])
                seconds = self.range(str(row["queue"]), place)
                return Place(place, *seconds) if seconds is not None else Place(place)
        return None

    def range(self, queue: str, place: int) -> tuple[int, int] | None:
        """(low, high) seconds until the one at `place` is taken; None without enough recent departures.

        With departures at random every d seconds, the wait is a sum of `place` intervals:
        mean place * d, standard deviation sqrt(place) * d.
        """
        now = self._clock.now()
        left = [t for t in self._left.get(queue, ()) if now - t < TOO_OLD]
        if len(left) < ENOUGH:
            return None
        interval = max(1.0, (now - left[0]) / 1_000 / len(left))
        spread = SPREAD * math.sqrt(place)
        return round(max(0.0, place - spread) * interval), round((place + spread) * interval)
