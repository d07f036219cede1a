"""Seeded draws for simulations: the same seed gives the same numbers, on every machine and run.

Each purpose (arrivals, service, patience ...) has a stream of its own, and the n-th contact always gets the
n-th number of each: two policies can be compared on the very same contacts (common random numbers).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np

BLOCK = 4_096


def _generator(seed: int, purpose: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([seed, zlib.crc32(purpose.encode())]))


def exponentials(seed: int, purpose: str) -> Iterator[float]:
    """Without end, of mean 1."""
    generator = _generator(seed, purpose)
    while True:
        yield from generator.standard_exponential(BLOCK).tolist()


def normals(seed: int, purpose: str) -> Iterator[float]:
    """Without end, of mean 0 and deviation 1."""
    generator = _generator(seed, purpose)
    while True:
        yield from generator.standard_normal(BLOCK).tolist()
