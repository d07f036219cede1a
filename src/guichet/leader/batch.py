"""A batch of commands: who waits for it, what it made, and how its callers hear of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from guichet.kit.clock import Instant
from guichet.kit.errors import Refused
from guichet.leader.registry import Answer, Command
from guichet.leader.run import Run
from guichet.store.port import Answered
from guichet.store.rows import Change


class Waiting(msgspec.Struct, frozen=True):
    """A command and whoever waits for its answer, on a loop of theirs."""

    command: Command
    future: asyncio.Future[Answer]
    loop: asyncio.AbstractEventLoop


class Made(msgspec.Struct):
    """A batch that was run: what it writes, and what its callers hear once that is durable. `careful`: what is new
    was looked up first."""

    waiting: list[Waiting]
    run: Run
    careful: bool
    starting: bool
    answers: list[Answered] = []
    results: list[Answer | Refused] = []


class Committed(msgspec.Struct, frozen=True):
    """What one commit did, for those who wait: the hub, the followers, the workers."""

    shard: int
    first: int
    last: int
    t: Instant
    changes: list[Change]
    erased: list[str]
    jobs: bool


class Undone(Exception):
    """The batch before the one that is being run came to nothing; `waiting` are to be run again before it."""

    def __init__(self, waiting: list[Waiting]) -> None:
        super().__init__()
        self.waiting = waiting


def unavailable() -> Refused:
    """The answer when a commit did not happen; the same key makes a retry safe."""
    return Refused("unavailable", "leader.unavailable", "nothing was saved; try again with the same key")


def answer(waiting: Sequence[Waiting], results: Sequence[Answer | Refused]) -> None:
    """Gives everybody their answer, unless they have one already."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Answer], Answer | Refused]]] = {}
    for item, result in zip(waiting, results, strict=True):
        by_loop.setdefault(item.loop, []).append((item.future, result))
    for loop, pairs in by_loop.items():
        try:
            loop.call_soon_threadsafe(_deliver, pairs)
        except RuntimeError:  # the caller's loop has closed: nobody waits any more
            continue


def refuse(waiting: Sequence[Waiting]) -> None:
    """Tells everybody that nothing was saved."""
    answer(waiting, [unavailable() for _ in waiting])


def _deliver(pairs: list[tuple[asyncio.Future[Answer], Answer | Refused]]) -> None:
    for future, result in pairs:
        if future.done():
            continue
        if isinstance(result, Refused):
            future.set_exception(result)
        else:
            future.set_result(result)
