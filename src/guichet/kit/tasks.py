"""Supervised tasks: the only place that may create one. A task that dies is heard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

log = structlog.get_logger(__name__)


class Supervisor:
    """Owns background tasks of one event loop; `close` ends them all and waits for them.

    A task that ends with an exception is logged and handed to `on_failure`; nothing is ever lost in silence.
    """

    def __init__(self, on_failure: Callable[[str, BaseException], None] | None = None) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._on_failure = on_failure

    def start(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Runs `work` under supervision and gives its task back."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            return
        log.error("task failed", task=task.get_name(), error=repr(error), exc_info=error)
        if self._on_failure is not None:
            self._on_failure(task.get_name(), error)

    async def close(self) -> None:
        """Cancels what still runs and waits until all of it has ended.

        Again after a second: a cancellation may be swallowed (by `wait_for` of Python 3.11, by a library).
        """
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks, timeout=1.0)
