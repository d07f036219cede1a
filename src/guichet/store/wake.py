"""Wakes coroutines from any thread. A wake-up is only a hint: whoever waits looks again anyway."""

from __future__ import annotations

import asyncio


class Wake:
    """Counts its notifications, so that one between a look and the wait is not lost."""

    def __init__(self) -> None:
        self.count = 0
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def notify(self) -> None:
        """Wakes everybody. Any thread."""
        self.count += 1
        for loop, event in list(self._waiting):
            try:
                loop.call_soon_threadsafe(event.set)
            except RuntimeError:  # that loop has closed: nobody waits there any more
                continue

    async def wait(self, seen: int, timeout: float) -> None:
        """Returns after `timeout` seconds, or as soon as `count` is past `seen`."""
        event = asyncio.Event()
        waiting = (asyncio.get_running_loop(), event)
        self._waiting.add(waiting)
        try:
            if self.count == seen:
                # Not wait_for: when the wake-up and a cancellation meet, Python 3.11's forgets the cancellation.
                async with asyncio.timeout(timeout):
                    await event.wait()
        except TimeoutError:
            pass
        finally:
            self._waiting.discard(waiting)
