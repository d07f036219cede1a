"""What a simulated centre is given: who works, what arrives, how long it takes, how long people wait for it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import msgspec

from guichet.kit.clock import Millis
from guichet.kit.draws import exponentials, normals
from guichet.routing.model import AgentSpec, QueueSpec, Rules

Shape = Literal["exponential", "deterministic", "lognormal"]


class Duration(msgspec.Struct, frozen=True):
    """A random duration. `mean` and `deviation` in milliseconds; the deviation only counts for lognormal."""

    shape: Shape
    mean: float
    deviation: float = 0.0

    def draws(self, seed: int, purpose: str) -> Iterator[Millis]:
        """One duration per contact, without end."""
        if self.shape == "deterministic":
            fixed = round(self.mean)
            while True:
                yield fixed
        elif self.shape == "exponential":
            mean = self.mean
            for unit in exponentials(seed, purpose):
                yield round(unit * mean)
        else:
            variance = math.log1p((self.deviation / self.mean) ** 2)
            centre, spread = math.log(self.mean) - variance / 2, math.sqrt(variance)
            for unit in normals(seed, purpose):
                yield round(math.exp(centre + spread * unit))


class Source(msgspec.Struct, frozen=True):
    """A stream of contacts into one queue: Poisson arrivals of mean `gap` milliseconds.

    `patience` None: people wait for ever.
    """

    queue: str
    gap: float
    service: Duration
    patience: Duration | None = None
    live: bool = True


class Centre(msgspec.Struct, frozen=True):
    """A centre to simulate. Every agent is available throughout and accepts at once."""

    queues: tuple[QueueSpec, ...]
    agents: tuple[AgentSpec, ...]
    sources: tuple[Source, ...]
    rules: Rules = Rules()


def one_queue(servers: int, source: Source) -> Centre:
    """`servers` equal agents, each for one contact at a time, and one queue: the textbook's M/G/c+G."""
    return Centre(
        queues=(QueueSpec(source.queue, "client"),),
        agents=tuple(AgentSpec(f"a{n:05}") for n in range(servers)),
        sources=(source,),
    )
