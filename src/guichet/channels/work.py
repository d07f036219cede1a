"""Durable work of this stage: jobs are claimed, done, tried again; a body may run twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from guichet.channels.base import Edge
from guichet.kit.clock import MINUTE
from guichet.kit.errors import Refused
from guichet.kit.ids import new_id
from guichet.store.port import Job

LEASE = 2 * MINUTE
AT_ONCE = 20
LOOK_EVERY = 30.0
"""Seconds after which the table is looked at though nobody said that there is work."""
PAUSE = 1.0
"""Seconds to wait when the store itself fails."""

log = structlog.get_logger(__name__)

Handle = Callable[[Job, str], Awaitable[None]]
"""Does a job and says so (`done` or `failed` with the owner given)."""


async def work(edge: Edge, queue: str, handle: Handle, *, forever: bool = False) -> None:
    """Works off a queue until cancelled, at most `AT_ONCE` jobs side by side; a slow one holds up no other.
    `forever`: no job is ever given up."""
    owner = new_id()
    running: set[asyncio.Task[None]] = set()
    while True:
        try:
            jobs = await edge.jobs.claim([queue], owner, LEASE, AT_ONCE - len(running), forever=forever)
            for job in jobs:
                task = edge.tasks.start(f"{queue} job", _one(edge, job, owner, handle, forever))
                running.add(task)
                task.add_done_callback(running.discard)
            if len(running) >= AT_ONCE:
                await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            elif not jobs:
                await edge.jobs.wait([queue], LOOK_EVERY)
        except (OSError, Refused) as error:  # a full or failing disk: it may come back
            log.warning("queue cannot be read", queue=queue, error=type(error).__name__)
            await asyncio.sleep(PAUSE)


async def _one(edge: Edge, job: Job, owner: str, handle: Handle, forever: bool) -> None:
    try:
        await handle(job, owner)
    except Refused as refused:
        await edge.jobs.failed(job, owner, refused.code, forever=forever)
    except Exception as error:
        # One bad job must not stop the others; it is tried again, and kept as a dead letter in the end.
        log.exception("job failed", queue=job.queue, job=job.id)
        await edge.jobs.failed(job, owner, type(error).__name__, forever=forever)
