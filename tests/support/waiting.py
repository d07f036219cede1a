"""Waiting for something to become true, instead of sleeping and hoping."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

TIMEOUT_SECONDS = 30.0
"""Long enough for a busy machine: it is a limit, nobody waits for it."""
PAUSE_SECONDS = 0.005


@overload
async def wait_until(
    condition: Callable[[], Awaitable[T | None]], what: str = "", timeout: float = TIMEOUT_SECONDS
) -> T: ...


@overload
async def wait_until(
    condition: Callable[[], T | None], what: str = "", timeout: float = TIMEOUT_SECONDS
) -> T: ...


async def wait_until(condition: Callable[[], Any], what: str = "", timeout: float = TIMEOUT_SECONDS) -> Any:
    """Returns the condition's first truthy value; fails, saying what it waited for, after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(_gave_up(condition, what, timeout))
        await asyncio.sleep(PAUSE_SECONDS)


def wait_until_sync(condition: Callable[[], T], what: str = "", timeout: float = TIMEOUT_SECONDS) -> T:
    """`wait_until` for tests without a loop."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(_gave_up(condition, what, timeout))
        time.sleep(PAUSE_SECONDS)


def _gave_up(condition: object, what: str, timeout: float) -> str:
    return f"still not after {timeout:g} s: {what or getattr(condition, '__qualname__', condition)}"
