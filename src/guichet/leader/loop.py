"""The leader's loop: takes waiting commands as one batch, runs it, commits it, and only then answers.

It lives in a thread with an event loop of its own, so that a commit's fsync never holds up the sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable

import msgspec
import structlog

from guichet.kit.clock import Clock, Instant
from guichet.kit.errors import Refused
from guichet.kit.faults import declare, fault_point
from guichet.leader.memory import Memory
from guichet.leader.registry import Answer, Command
from guichet.leader.replay import rebuild_tables
from guichet.leader.run import Authorise, Run, encode_answer
from guichet.leader.state import Missing, MissingRow, State
from guichet.store.port import Answered, Batch, Conflict, DuplicateKey, Entry, Fenced, Full, Writer
from guichet.store.rows import Change
from guichet.store.sealing import Sealer

log = structlog.get_logger(__name__)

BEFORE_COMMIT = declare("leader.before_commit")
AFTER_COMMIT = declare("leader.after_commit")

MAX_BATCH = 256
MAX_WAITING = 4_000
"""Past this many waiting commands a new one is refused at once: a clear answer beats a late one."""
MAX_LOADS = 64
SNAPSHOT_EVERY = 100_000
CAREFUL_SECONDS = 60.0
"""For so long after a key that was answered long ago, or a stream opened twice, these are looked up in the store
before they are used: others may follow (a network that comes back, somebody who means harm), and each would cost a
reload."""
PAUSE_SECONDS = 0.2
"""After a batch that failed: what is due would fail again at once, for as long as a disk is full."""


class Committed(msgspec.Struct, frozen=True):
    """What one commit did, for those who wait: the hub, the followers, the workers."""

    shard: int
    first: int
    last: int
    t: Instant
    changes: list[Change]
    erased: list[str]
    jobs: bool


Listener = Callable[[Committed], None]


class _Waiting(msgspec.Struct, frozen=True):
    command: Command
    future: asyncio.Future[Answer]
    loop: asyncio.AbstractEventLoop


def unavailable() -> Refused:
    """The answer when a commit did not happen; the same key makes a retry safe."""
    return Refused("unavailable", "leader.unavailable", "nothing was saved; try again with the same key")


class Leader:
    """Leads one shard. `run` ends when `stop` was called, or when another took over (Fenced)."""

    def __init__(
        self,
        shard: int,
        writer: Writer,
        sealer: Sealer,
        clock: Clock,
        new_state: Callable[[], State],
        authorise: Authorise,
        on_commit: Listener,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self.shard = shard
        self.epoch = 0
        self.memory = Memory(shard, writer, sealer, new_state)
        self._new_state = new_state
        self._writer = writer
        self._sealer = sealer
        self._clock = clock
        self._authorise = authorise
        self._on_commit = on_commit
        self._max_waiting = max_waiting
        self._waiting: deque[_Waiting] = deque()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._awake = True
        self._stopping = False
        self._origin = 0.0
        self._snapshot_at = 0
        self._careful_until = 0.0
        self._unsure: tuple[Committed, Entry] | None = None
        """The commit in hand and its last entry, from before it is tried until its outcome is known."""

    # -- the edge's side: any thread ------------------------------------------------------------------

    def submit(self, command: Command) -> asyncio.Future[Answer]:
        """Queues a command from the caller's loop. The future ends after the commit: answer or Refused.

        Raises Refused at once when the leader is overloaded or not leading.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        with self._lock:  # a leader that ends here refuses all that waits, or is seen to have ended
            leading = self._loop
            if leading is None or self._stopping:
                raise unavailable()
            if len(self._waiting) >= self._max_waiting:
                raise Refused(
                    "limited", "leader.busy", "too much at once; try again in a second with the same key"
                )
            self._waiting.append(_Waiting(command, future, loop))
            wake, self._awake = not self._awake, True
            if wake:
                leading.call_soon_threadsafe(self._wake.set)
        return future

    def stop(self) -> None:
        """Asks `run` to end after the batch in hand. Any thread."""
        self._stopping = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake.set)

    # -- the leader's side: its own loop --------------------------------------------------------------

    async def run(self, ready: Callable[[], None]) -> None:
        """Leads until stopped; `ready` is called when commands are taken. Raises Fenced, OSError."""
        self.memory.discard()
        self.epoch = await self._writer.lead(self.shard)
        rebuilt = await rebuild_tables(self._writer, self._sealer, self.shard, self._new_state)
        if rebuilt:
            log.info("tables rebuilt from the log", tables=rebuilt)
        await self._load()
        self._origin = max(self.memory.t, self._clock.now()) - self._clock.monotonic() * 1_000
        self._snapshot_at = self.memory.seq
        await self._batch([], starting=True)
        self._loop = asyncio.get_running_loop()
        ready()
        try:
            while not self._stopping:
                batch = self._take()
                if not batch and not self._due():
                    await self._sleep()
                    continue
                done = await self._batch(batch)
                await self._keep_snapshot()
                # Side writes of the store share this loop: let them run between two batches.
                await asyncio.sleep(0 if done else PAUSE_SECONDS)
        finally:
            with self._lock:
                self._loop = None
            self._refuse_all()
        await self.memory.save_snapshot()

    def _take(self) -> list[_Waiting]:
        with self._lock:
            count = min(len(self._waiting), MAX_BATCH)
            return [self._waiting.popleft() for _ in range(count)]

    async def _sleep(self) -> None:
        with self._lock:
            if self._waiting or self._stopping:
                return
            self._awake = False
            self._wake.clear()
        due = self.memory.state.deadlines.next()
        timeout = None if due is None else max(0.0, (due[0] - self._now()) / 1_000)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), timeout)
        with self._lock:
            self._awake = True

    def _now(self) -> Instant:
        return max(self.memory.t, int(self._origin + self._clock.monotonic() * 1_000))

    def _due(self) -> bool:
        due = self.memory.state.deadlines.next()
        return due is not None and due[0] <= self._now()

    async def _batch(self, waiting: list[_Waiting], *, starting: bool = False, again: bool = False) -> bool:
        """Runs and commits one batch and answers its callers; False when it failed. `again`: with looked-up keys."""
        memory = self.memory
        careful = self._clock.monotonic() < self._careful_until
        run = Run(memory.state, self._authorise, memory.seq, self._now(), look_up_new=careful)
        answers: list[Answered] = []
        results: list[Answer | Refused] = []
        try:
            if careful:
                await memory.recall_answers([item.command for item in waiting])
            if starting:
                run.start()
            run.fire_deadlines()
            commands = [item.command for item in waiting]
            results.extend([await self._one(run, commands, at, answers) for at in range(len(commands))])
            if run.entries or answers:
                await self._commit(run, answers)
        except (DuplicateKey, Conflict):
            self._careful_until = self._clock.monotonic() + CAREFUL_SECONDS
            try:
                await self._reload()
            except BaseException:
                self._answer(waiting, [unavailable()] * len(waiting))
                raise
            if again:  # the store has it, and does not find it: once more would be for ever
                log.exception("a key or a stream was not found again", commands=len(waiting))
                self._answer(waiting, [unavailable()] * len(waiting))
                return False
            return await self._batch(waiting, again=True)
        except Exception as error:
            log.exception("batch failed", commands=len(waiting), error=type(error).__name__)
            self._answer(waiting, [Full() if isinstance(error, Full) else unavailable()] * len(waiting))
            await self._reload()
            if starting or isinstance(error, Fenced):
                raise
            return False
        self._answer(waiting, results)
        return True

    async def _one(
        self, run: Run, commands: list[Command], at: int, answers: list[Answered]
    ) -> Answer | Refused:
        """Runs one command of a batch, after those before it."""
        memory, command = self.memory, commands[at]
        org, actor = command.actor.org, str(command.actor)
        known = memory.answer_to(org, actor, command.key)
        if known is not None:
            return msgspec.json.decode(known, type=dict)
        for _ in range(MAX_LOADS):
            try:
                answer = run.command(command)
            except (Missing, MissingRow):
                streams, rows = run.look_ahead(commands[at:])
                await memory.load_streams(streams)
                for table, keys in rows.items():
                    await memory.load_rows(table, keys)
            except Refused as refused:
                return refused
            else:
                encoded = encode_answer(answer)
                answered = Answered(org, actor, command.key, run.t, encoded)
                answers.append(answered)
                memory.remember(answered)
                return answer if answer is not None else {}
        raise RuntimeError(f"{command.name} asked for more than {MAX_LOADS} streams")

    async def _commit(self, run: Run, answers: list[Answered]) -> None:
        await self._sealer.seal_all(run.personal)
        changes = run.changes
        rows = list(changes.rows.values())
        fault_point(BEFORE_COMMIT)
        if run.entries:
            first, jobs = self.memory.seq + 1, bool(changes.jobs)
            committed = Committed(self.shard, first, run.seq, run.t, rows, changes.erased, jobs)
            self._unsure = committed, run.entries[-1]
        await self._writer.append(
            Batch(self.shard, self.epoch, run.entries, answers, rows, changes.erased, changes.jobs)
        )
        fault_point(AFTER_COMMIT)
        self.memory.seq, self.memory.t = run.seq, run.t
        self.memory.state.forget_at_rest()
        self._tell()
        if run.seq - self._snapshot_at >= SNAPSHOT_EVERY:
            self._snapshot_at = run.seq
            self.memory.take_snapshot()

    async def _keep_snapshot(self) -> None:
        try:
            await self.memory.keep_snapshot()
        except Exception as error:  # noqa: BLE001 (nothing is lost: the next start reads more of the log)
            log.warning("snapshot not kept", error=type(error).__name__)

    async def _reload(self) -> None:
        """Discards the memory and reads it again. What cannot be read leaves the leader without a state:
        the error ends `run`, and whoever supervises it starts anew."""
        self.memory.discard()
        await self._load()

    async def _load(self) -> None:
        await self.memory.load()
        if self._unsure is not None:
            # A commit that broke may have happened all the same: then whoever follows learns of it here.
            committed, entry = self._unsure
            if await self._writer.entries(self.shard, committed.last - 1, 1) == [entry]:
                self._tell()
            self._unsure = None

    def _tell(self) -> None:
        """Tells the listener of the commit in hand, which has happened."""
        if self._unsure is not None:
            committed, _ = self._unsure
            self._unsure = None
            self._on_commit(committed)

    def _answer(self, waiting: list[_Waiting], results: list[Answer | Refused]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Answer], Answer | Refused]]] = {}
        for item, result in zip(waiting, results, strict=True):
            by_loop.setdefault(item.loop, []).append((item.future, result))
        for loop, pairs in by_loop.items():
            try:
                loop.call_soon_threadsafe(_deliver, pairs)
            except RuntimeError:  # the caller's loop has closed: nobody waits any more
                continue

    def _refuse_all(self) -> None:
        while self._waiting:
            batch = self._take()
            self._answer(batch, [unavailable() for _ in batch])


def _deliver(pairs: list[tuple[asyncio.Future[Answer], Answer | Refused]]) -> None:
    for future, result in pairs:
        if future.done():
            continue
        if isinstance(result, Refused):
            future.set_exception(result)
        else:
            future.set_result(result)
