"""Figures of a run with their standard errors, by batch means.

Each figure is a ratio of sums over batches, its error that of the linearised ratio; the 90th percentile's error
is that of the batches' percentiles. With `BATCHES` batches the deviation in standard errors follows Student's t
with BATCHES - 1 degrees of freedom: beyond 4 by chance once in some 5,000 comparisons.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
import numpy.typing as npt

from guichet.sim.simulator import Course

BATCHES = 50

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


class Estimate(msgspec.Struct, frozen=True):
    """A figure and its standard error, in the same unit."""

    value: float
    error: float


class Figures:
    """The figures of one course, its first `warm_up` contacts left out. Times in seconds of the model, whose
    second lasts `second` milliseconds of the run."""

    def __init__(self, course: Course, warm_up: int, batch: int, second: float) -> None:
        if warm_up % batch:
            raise ValueError("the warm-up must be whole batches")
        first = warm_up // batch
        self._marks = course.marks[first:]
        count = len(self._marks) - 1
        if count < 30:
            raise ValueError(f"{count} batches are too few for a standard error")
        end = warm_up + count * batch
        waits = np.frombuffer(course.waits, np.int64)[warm_up:end].reshape(count, batch)
        self._waits = waits / second
        self._served = np.frombuffer(course.served, np.int8)[warm_up:end].reshape(count, batch) == 1
        self._second = second

    def delayed(self) -> Estimate:
        """Share of those who did not get somebody at once."""
        return self._share(self._waits > 0)

    def wait(self) -> Estimate:
        """Mean wait of all, those who left included, in seconds."""
        return _ratio(self._waits.sum(axis=1), self._offered())

    def abandoned(self) -> Estimate:
        return self._share(~self._served)

    def abandoned_within(self, limit: float) -> Estimate:
        return self._share(~self._served & (self._waits <= limit))

    def answered_within(self, limit: float) -> Estimate:
        """Answered within `limit` seconds, of all offered."""
        return self._share(self._in_time(limit))

    def answered_within_of_answered(self, limit: float) -> Estimate:
        return _ratio(self._in_time(limit).sum(axis=1), self._served.sum(axis=1))

    def answered_or_left_within(self, limit: float) -> Estimate:
        """Answered or gone within `limit` seconds, of all offered."""
        return self._share(self._waits <= limit)

    def answered_within_without_short_abandoned(self, limit: float) -> Estimate:
        short = (~self._served & (self._waits <= limit)).sum(axis=1)
        return _ratio(self._in_time(limit).sum(axis=1), self._offered() - short)

    def percentile(self, share: float) -> Estimate:
        """The wait that this share does not exceed, in seconds."""
        by_batch = np.quantile(self._waits, share, axis=1)
        error = float(by_batch.std(ddof=1)) / math.sqrt(len(by_batch))
        return Estimate(float(np.quantile(self._waits, share)), error)

    def occupancy(self, agents: int) -> Estimate:
        """Share of the agents' time at work."""
        return _ratio(self._areas("busy"), self._areas("t") * agents)

    def in_line(self) -> Estimate:
        """Mean number of contacts waiting."""
        return _ratio(self._areas("waiting"), self._areas("t"))

    def _in_time(self, limit: float) -> Flags:
        in_time: Flags = self._served & (self._waits <= limit)
        return in_time

    def _share(self, which: Flags) -> Estimate:
        return _ratio(which.sum(axis=1), self._offered())

    def _offered(self) -> Floats:
        return np.full(self._waits.shape[0], float(self._waits.shape[1]))

    def _areas(self, name: str) -> Floats:
        return np.diff(np.array([getattr(mark, name) for mark in self._marks], np.float64))


def _ratio(above: npt.NDArray[np.generic], below: npt.NDArray[np.generic]) -> Estimate:
    numerator, denominator = above.astype(np.float64), below.astype(np.float64)
    value = float(numerator.sum() / denominator.sum())
    residual = numerator - value * denominator
    error = float(residual.std(ddof=1)) / float(denominator.mean()) / math.sqrt(len(residual))
    return Estimate(value, error)
