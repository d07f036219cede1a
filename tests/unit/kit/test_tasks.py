"""The supervisor ends what it started, also what does not listen the first time."""

from __future__ import annotations

import asyncio

import pytest

from guichet.kit.tasks import Supervisor

pytestmark = pytest.mark.unit


async def test_close_ends_a_task_that_swallows_a_cancellation() -> None:
    heard = 0

    async def stubborn() -> None:
        nonlocal heard
        while heard < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                heard += 1

    supervisor = Supervisor()
    task = supervisor.start("stubborn", stubborn())
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await supervisor.close()
    assert task.done()
    assert heard == 2


async def test_a_failure_is_heard() -> None:
    failed: list[str] = []

    async def break_down() -> None:
        raise ValueError("x")

    supervisor = Supervisor(lambda name, error: failed.append(f"{name}: {error}"))
    await asyncio.wait([supervisor.start("worker", break_down())])
    await supervisor.close()
    assert failed == ["worker: x"]
