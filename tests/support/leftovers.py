"""Finds what a test leaves behind: asyncio tasks, threads, child processes."""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import psutil
import pytest

GRACE_SECONDS = 2.0
HELPERS = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")
ALLOWED_THREADS = (
    "execnet",
    "pytest_timeout",
    "asyncio_",
)  # asyncio_ = the loop's pool, joined when it closes

_adopted: set[int] = set()


def adopt(pid: int) -> None:
    """This child outlives tests on purpose (a session's database server); its fixture ends it."""
    _adopted.add(pid)


@dataclass(frozen=True)
class Snapshot:
    """The threads and direct children of this process at one moment."""

    threads: frozenset[int]
    children: frozenset[int]

    @classmethod
    def take(cls) -> Snapshot:
        return cls(
            threads=frozenset(thread.ident or 0 for thread in threading.enumerate()),
            children=frozenset(child.pid for child in psutil.Process().children()),
        )


def fail_on(before: Snapshot) -> None:
    """Fails the test when threads or children are still here that were not here before it."""
    deadline = time.monotonic() + GRACE_SECONDS
    while found := _new_threads(before) + _new_children(before):
        if time.monotonic() > deadline:
            pytest.fail("the test left behind: " + "; ".join(found), pytrace=False)
        time.sleep(0.01)


def _new_threads(before: Snapshot) -> list[str]:
    return [
        f"thread {thread.name!r}"
        for thread in threading.enumerate()
        if thread.ident not in before.threads and not thread.name.startswith(ALLOWED_THREADS)
    ]


def _new_children(before: Snapshot) -> list[str]:
    found = []
    for child in psutil.Process().children():
        if child.pid in before.children or child.pid in _adopted:
            continue
        try:
            command = " ".join(child.cmdline())[:120]
            if child.status() == psutil.STATUS_ZOMBIE:
                command = f"{child.name()} (ended, never waited for)"
        except psutil.NoSuchProcess:
            continue
        if not any(helper in command for helper in HELPERS):
            found.append(f"process {child.pid} {command}")
    return found


def watch_tasks(item: pytest.Item) -> None:
    """Makes an async test fail when tasks that it started still run at its end. Fixtures' tasks are theirs."""
    if not isinstance(item, pytest.Function):
        return
    hypothesis_part = getattr(item.obj, "hypothesis", None)
    if hypothesis_part is not None:
        if inspect.iscoroutinefunction(hypothesis_part.inner_test):
            hypothesis_part.inner_test = _watched(hypothesis_part.inner_test)
    elif inspect.iscoroutinefunction(item.obj):
        item.obj = _watched(item.obj)


def _watched(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    if getattr(test, "watched", False):
        return test

    @functools.wraps(test)
    async def run(*args: Any, **kwargs: Any) -> None:
        before = asyncio.all_tasks()
        await test(*args, **kwargs)
        for _ in range(3):  # a task that was just cancelled or resolved needs a turn to finish
            await asyncio.sleep(0)
        # What a fixture's server began meanwhile (a connection on its way back to its pool) ends by itself;
        # what it begins while we wait is not the test's.
        left = asyncio.all_tasks() - before
        if left:
            _, left = await asyncio.wait(left, timeout=GRACE_SECONDS)
        if left:
            pytest.fail("the test left tasks running: " + ", ".join(sorted(map(_name, left))), pytrace=False)

    run.watched = True  # type: ignore[attr-defined]
    return run


def _name(task: asyncio.Task[Any]) -> str:
    coroutine = task.get_coro()
    return f"{task.get_name()} ({getattr(coroutine, '__qualname__', coroutine)})"
