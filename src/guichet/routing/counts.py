"""Figures of a queue that its row shows: who waits, who works, what was answered today."""

from __future__ import annotations

import msgspec

from guichet.kit.clock import Instant


class QueueCounts(msgspec.Struct):
    """Kept by the part as facts are folded; today's begin anew at midnight."""

    offered: int = 0
    assigned: int = 0
    answered_today: int = 0
    answered_in_time_today: int = 0
    abandoned_today: int = 0

    def moved(self, state: str, by: int) -> None:
        """A task entered (1) or left (-1) a state."""
        if state == "offered":
            self.offered += by
        elif state == "assigned":
            self.assigned += by

    def answered(self, waited: Instant, within: Instant) -> None:
        """Somebody began to serve for the first time."""
        self.answered_today += 1
        self.answered_in_time_today += waited <= within

    def new_day(self) -> None:
        self.answered_today = self.answered_in_time_today = self.abandoned_today = 0
