"""The leader of this process: its thread, its supervision, and what everybody else sees of it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import structlog

from guichet.kit.clock import Clock
from guichet.kit.errors import Refused
from guichet.leader.loop import Committed, Leader, unavailable
from guichet.leader.registry import Answer, Command
from guichet.leader.run import Authorise
from guichet.leader.state import State
from guichet.leader.thread import LoopThread
from guichet.store.port import Store

log = structlog.get_logger(__name__)

RESTART_SECONDS = 0.5
SHARD = 0
MAX_LAG = 0.1
"""Seconds that the web loop may be late before visitors are asked to wait."""


class Lag:
    """How late a loop is: what reaches it now waits that long behind everything else. A single pause is no
    sign of too much work, so this is the median of the last few looks."""

    EVERY = 0.05
    LOOKS = 5

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._looks = deque([0.0] * self.LOOKS, self.LOOKS)
        self.seconds = 0.0

    async def watch(self) -> None:
        """Looks until cancelled."""
        while True:
            begun = self._clock.monotonic()
            await asyncio.sleep(self.EVERY)
            self._looks.append(self._clock.monotonic() - begun - self.EVERY)
            self.seconds = sorted(self._looks)[self.LOOKS // 2]


class Leading:
    """Keeps one shard led: starts the leader in its thread, starts it anew when it ends badly."""

    def __init__(
        self,
        thread: LoopThread,
        store: Store,
        clock: Clock,
        new_state: Callable[[], State],
        authorise: Authorise,
        on_commit: Callable[[Committed], None],
        on_ready: Callable[[], None],
        max_waiting: int,
    ) -> None:
        self._thread = thread
        self._loop = asyncio.get_running_loop()
        self._listener = on_commit
        self._begun = on_ready
        self._stopping = False
        self.ready = asyncio.Event()
        self.lag = Lag(clock)
        self.leader = Leader(
            SHARD, store.writer, store.sealer, clock, new_state, authorise, self._committed, max_waiting
        )

    async def submit(self, command: Command) -> dict[str, Any]:
        """Runs a command and gives its answer after the commit. Raises Refused.

        Past what this process can do, visitors are refused at once, before their words cost anything more: their
        widgets send them again. Agents, mail and the system itself still get through.
        """
        if not self.ready.is_set():
            raise unavailable()
        if command.actor.kind == "visitor" and self.lag.seconds > MAX_LAG:
            raise Refused(
                "limited", "server.busy", "too much at once; try again in a moment with the same key"
            )
        answer: Answer = await self.leader.submit(command)
        return answer

    def _committed(self, committed: Committed) -> None:
        self._loop.call_soon_threadsafe(self._listener, committed)

    def _is_ready(self) -> None:
        self._loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        self.ready.set()
        self._begun()

    async def run(self) -> None:
        """Leads until `stop`; an error is logged and leading begins anew from the log."""
        while not self._stopping:
            try:
                await asyncio.wrap_future(self._thread.submit(self.leader.run(self._is_ready)))
            except Exception as error:  # whatever it was, the log is the truth and is read again
                log.exception("the leader ended", error=type(error).__name__)
                self.ready.clear()
                await asyncio.sleep(RESTART_SECONDS)

    def stop(self) -> None:
        """Asks the leader to end after the batch in hand; `run` then returns."""
        self._stopping = True
        self.leader.stop()
