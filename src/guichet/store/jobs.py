"""Durable work for the outside world: leases, back-off with jitter, dead letters."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import structlog

from guichet.kit.clock import HOUR, SECOND, Clock, Millis, SteadyClock
from guichet.kit.faults import fault_point
from guichet.kit.ids import new_id, random_bytes
from guichet.store.points import JOB_CLAIMED
from guichet.store.port import Job
from guichet.store.rows import NewJob
from guichet.store.side import Found, Side
from guichet.store.wake import Wake

log = structlog.get_logger(__name__)

MAX_ATTEMPTS = 12
FIRST_DELAY: Millis = 5 * SECOND
LONGEST_DELAY: Millis = HOUR
"""Give or take a fifth."""
MAX_REASON = 500

_COLUMNS = "id, queue, key, payload, attempt, due"


class Jobs:
    """`port.Jobs`. A claimed job's `due` is the end of its lease: a worker that died gives it back by itself. Due
    times do not follow a wall clock that jumps; `free` mends those that another process wrote before a jump."""

    def __init__(self, side: Side, clock: Clock, wake: Wake) -> None:
        self._side = side
        self._clock = SteadyClock(clock)
        self._wake = wake

    async def add(self, job: NewJob, after: Millis = 0) -> None:
        sql = """INSERT INTO job (id, queue, key, payload, attempt, due, dead) VALUES (?, ?, ?, ?, 0, ?, 0)
            ON CONFLICT (queue, key) DO NOTHING"""
        payload = msgspec.json.encode(job.payload).decode()
        due = self._clock.now() + after
        await self._side.write(sql, new_id(), job.queue, job.key, payload, due)
        self._wake.notify()

    async def claim(
        self, queues: Sequence[str], owner: str, lease: Millis, limit: int, *, forever: bool = False
    ) -> list[Job]:
        now = self._clock.now()
        last = 2**31 if forever else MAX_ATTEMPTS
        skip = "FOR UPDATE SKIP LOCKED" if self._side.dialect == "postgres" else ""
        sql = f"""UPDATE job SET owner = ?, due = ?, attempt = attempt + 1,
                dead = CASE WHEN attempt >= {last} THEN 1 ELSE 0 END,
                reason = CASE WHEN attempt >= {last} THEN 'every worker died on it' ELSE reason END
            WHERE id IN (SELECT id FROM job WHERE dead = 0 AND queue IN ({_marks(queues)}) AND due <= ?
                ORDER BY due LIMIT ? {skip})
            RETURNING {_COLUMNS}, dead"""
        found = await self._side.write(sql, owner, now + lease, *queues, now, limit)
        if not found:
            return []
        fault_point(JOB_CLAIMED)
        for row in found:
            if row[-1]:
                log.error("job is dead", queue=row[1], job=row[0], reason="every worker died on it")
        return _jobs([row[:-1] for row in sorted(found) if not row[-1]])

    async def done(self, job: Job, owner: str) -> bool:
        sql = "DELETE FROM job WHERE id = ? AND owner = ? AND attempt = ? AND dead = 0 RETURNING id"
        return bool(await self._side.write(sql, job.id, owner, job.attempt))

    async def failed(
        self, job: Job, owner: str, reason: str, *, retry: bool = True, forever: bool = False
    ) -> bool:
        spent = job.attempt >= MAX_ATTEMPTS
        dead = not retry or (spent and not forever)
        due = self._clock.now() + _delay(job.attempt)
        sql = """UPDATE job SET owner = NULL, due = ?, dead = ?, reason = ?
            WHERE id = ? AND owner = ? AND attempt = ? AND dead = 0 RETURNING id"""
        held = await self._side.write(sql, due, int(dead), reason[:MAX_REASON], job.id, owner, job.attempt)
        if held and (dead or spent):
            log.error(
                "job is dead" if dead else "job still fails",
                queue=job.queue,
                job=job.id,
                attempts=job.attempt,
            )
        self._wake.notify()  # who waits for the end of its lease looks again: it is due sooner
        return bool(held) and dead

    async def free(self) -> None:
        sql = "UPDATE job SET owner = NULL, due = ? WHERE (owner IS NOT NULL OR due > ?) AND dead = 0"
        now = self._clock.now()
        await self._side.write(sql, now, now + LONGEST_DELAY * 6 // 5)
        self._wake.notify()

    async def dead(self, limit: int = 100) -> list[Job]:
        sql = f"SELECT {_COLUMNS} FROM job WHERE dead = 1 ORDER BY id LIMIT ?"
        return _jobs(await self._side.read(sql, limit))

    async def undone(self, queue: str) -> set[str]:
        rows = await self._side.read("SELECT key FROM job WHERE queue = ? AND dead = 0", queue)
        return {str(key) for (key,) in rows}

    async def revive(self, job_id: str) -> None:
        sql = "UPDATE job SET dead = 0, attempt = 0, owner = NULL, due = ? WHERE id = ? AND dead = 1"
        await self._side.write(sql, self._clock.now(), job_id)
        self._wake.notify()

    async def wait(self, queues: Sequence[str], timeout: float) -> None:
        seen = self._wake.count
        sql = f"SELECT min(due) FROM job WHERE dead = 0 AND queue IN ({_marks(queues)})"
        due = (await self._side.read(sql, *queues))[0][0]
        left = timeout if due is None else min(timeout, (due - self._clock.now()) / 1_000)
        if left > 0:
            await self._wake.wait(seen, left)


def _marks(queues: Sequence[str]) -> str:
    return ", ".join("?" * len(queues))


def _jobs(found: Found) -> list[Job]:
    return [
        Job(job_id, queue, key, msgspec.json.decode(payload), attempt, due)
        for job_id, queue, key, payload, attempt, due in found
    ]


def _delay(attempt: int) -> Millis:
    """5 s, doubling to an hour, give or take a fifth: jobs that failed together do not come back together."""
    delay = min(FIRST_DELAY << min(attempt - 1, 20), LONGEST_DELAY)
    return delay * (800 + int.from_bytes(random_bytes(2), "big") * 400 // 0x10000) // 1_000
