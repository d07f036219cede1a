"""The leader's loop: takes waiting commands as one batch, runs it, commits it, and only then answers.

While a batch is on its way into the log the next one is run on top of it. That one is sent, and whoever waits for it
answered, only when the one before is durable; if that comes to nothing, both are forgotten and what was not answered
is run again. So nobody ever hears of what might still be undone.

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
from guichet.kit.tasks import Supervisor
from guichet.leader.batch import Committed as Committed
from guichet.leader.batch import Made, Undone, Waiting, answer, refuse
from guichet.leader.batch import unavailable as unavailable
from guichet.leader.memory import Memory
from guichet.leader.registry import Answer, Command
from guichet.leader.replay import rebuild_tables
from guichet.leader.run import Authorise, Run, encode_answer
from guichet.leader.state import Missing, MissingRow, State
from guichet.store.port import Answered, Batch, Conflict, DuplicateKey, Entry, Fenced, Full, Writer
from guichet.store.sealing import Sealer

log = structlog.get_logger(__name__)

BEFORE_COMMIT = declare("leader.before_commit")
AFTER_COMMIT = declare("leader.after_commit")

MAX_BATCH = 256
BREATH = 32
"""So many commands are run without a look at what else is to be done on this loop (an answer of the store)."""
HALVED = 64
"""From so many waiting commands on, two smaller batches one upon the other are quicker than a large one."""
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


Listener = Callable[[Committed], None]


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
        self._waiting: deque[Waiting] = deque()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._awake = True
        self._stopping = False
        self._origin = 0.0
        self._snapshot_at = 0
        self._careful_until = 0.0
        self._failed = False
        self._tasks = Supervisor()
        self._flying: tuple[Made, asyncio.Task[Exception | None]] | None = None
        """The batch on its way into the log, and what comes of it."""
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
            self._waiting.append(Waiting(command, future, loop))
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
        try:
            await self._batch([], starting=True)
            await self._arrive()
            self._loop = asyncio.get_running_loop()
            ready()
            while not self._stopping:
                batch = self._take(self._share())
                if not batch and self._flying is None and not self._due():
                    await self._sleep()
                    continue
                await self._batch(batch)
                if self._flying is not None and self._flying[1].done():
                    await self._arrive()
                await self._keep_snapshot()
                # Side writes of the store share this loop: let them run between two batches.
                await asyncio.sleep(PAUSE_SECONDS if self._failed else 0)
                self._failed = False
            await self._arrive()
        finally:
            with self._lock:
                self._loop = None
            await self._tasks.close()
            if self._flying is not None:
                refuse(self._flying[0].waiting)
                self._flying = None
            while batch := self._take(MAX_BATCH):
                refuse(batch)
        await self.memory.save_snapshot()

    def _share(self) -> int:
        """How much of what waits is taken: of much, one half, if the other can be run while that is being written."""
        waiting = len(self._waiting)
        halved = self._flying is None and self._writer.overlaps and waiting >= HALVED
        return min(waiting // 2, MAX_BATCH) if halved else MAX_BATCH

    def _take(self, most: int) -> list[Waiting]:
        with self._lock:
            return [self._waiting.popleft() for _ in range(min(len(self._waiting), most))]

    async def _sleep(self) -> None:
        """Until there is something to do."""
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

    def _last(self) -> tuple[int, Instant]:
        """Position and time of the newest fact, be it durable or on its way."""
        if self._flying is not None:
            run = self._flying[0].run
            return run.seq, run.t
        return self.memory.seq, self.memory.t

    def _now(self) -> Instant:
        return max(self._last()[1], int(self._origin + self._clock.monotonic() * 1_000))

    def _due(self) -> bool:
        due = self.memory.state.deadlines.next()
        return due is not None and due[0] <= self._now()

    # -- one batch ------------------------------------------------------------------------------------

    async def _batch(self, waiting: list[Waiting], *, starting: bool = False) -> None:
        """Runs a batch, with what else comes until the one before is durable; then sends it into the log."""
        made: Made | None = None
        undone: list[Waiting] | None
        try:
            while made is None:
                try:
                    made = await self._make(waiting, starting)
                except Undone as before:
                    undone = before.waiting
                except Fenced:
                    raise
                except Exception as error:
                    undone = await self._land()
                    if undone is None:  # it is this batch that is broken
                        await self._fail(waiting, error)
                        if starting:
                            raise
                        return
                else:
                    undone = await self._land()
                if undone is not None:
                    made, waiting = None, undone + waiting
        except BaseException:
            refuse(waiting)
            raise
        # Whoever needs again what is dropped here reads it from the log, once this batch has arrived there.
        self.memory.state.forget_at_rest()
        if made.run.entries or made.answers:
            task = self._tasks.start("commit", self._write(made))
            task.add_done_callback(lambda _: self._wake.set())
            self._flying = made, task
            await asyncio.sleep(0)  # it sets off
        else:
            answer(waiting, made.results)

    async def _make(self, waiting: list[Waiting], starting: bool) -> Made:
        """Runs a batch on what the memory holds; part of that may not be durable yet. Raises Undone."""
        careful = self._clock.monotonic() < self._careful_until
        if careful:
            await self._settle()
            await self.memory.recall_answers([item.command for item in waiting])
        run = Run(self.memory.state, self._authorise, self._last()[0], self._now(), look_up_new=careful)
        made = Made(waiting, run, careful, starting)
        if starting:
            run.start()
        while True:
            run.fire_deadlines()
            commands = [item.command for item in waiting[len(made.results) :]]
            for at in range(len(commands)):
                if at % BREATH == 0 and self._flying is not None:
                    await asyncio.sleep(0)
                made.results.append(await self._one(run, commands, at, made.answers))
            personal, run.personal = run.personal, []
            await self._sealer.seal_all(personal)
            if self._flying is None or self._flying[1].done() or self._stopping or len(waiting) >= MAX_BATCH:
                return made
            await self._sleep()
            waiting += self._take(MAX_BATCH - len(waiting))
            run.t = max(run.t, self._now())

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
                await self._settle()
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

    # -- into the log ---------------------------------------------------------------------------------

    async def _write(self, made: Made) -> Exception | None:
        """Writes a batch, tells the listener and answers the callers. Gives the error, for `_land` to deal with
        when nothing runs on the memory."""
        run, changes = made.run, made.run.changes
        try:
            rows = list(changes.rows.values())
            fault_point(BEFORE_COMMIT)
            if run.entries:
                first, jobs = self.memory.seq + 1, bool(changes.jobs)
                committed = Committed(self.shard, first, run.seq, run.t, rows, changes.erased, jobs)
                self._unsure = committed, run.entries[-1]
            await self._writer.append(
                Batch(self.shard, self.epoch, run.entries, made.answers, rows, changes.erased, changes.jobs)
            )
            fault_point(AFTER_COMMIT)
            self.memory.seq, self.memory.t = run.seq, run.t
            self._tell()
        except Exception as error:  # noqa: BLE001 (given back)
            return error
        answer(made.waiting, made.results)
        return None

    async def _land(self) -> list[Waiting] | None:
        """Waits for the batch on its way. None: everything that was sent is durable. Else the memory has been read
        again without it, and these of its commands are to be run anew before all others. Raises Fenced, OSError."""
        if self._flying is None:
            return None
        made, task = self._flying
        try:
            error = await task
            self._flying = None
            if error is None:
                return None
            if isinstance(error, DuplicateKey | Conflict) and not made.careful:
                self._careful_until = self._clock.monotonic() + CAREFUL_SECONDS
                await self._reload()
                return made.waiting
            await self._fail(made.waiting, error)
            if made.starting or isinstance(error, Fenced):
                raise error
        except BaseException:
            refuse(made.waiting)
            raise
        return []

    async def _settle(self) -> None:
        """Before the log is read: what was run before this batch is in it. Raises Undone."""
        undone = await self._land()
        if undone is not None:
            raise Undone(undone)

    async def _arrive(self) -> bool:
        """Between two batches: whether all that was sent is durable. What is to be run anew is first in line again."""
        undone = await self._land()
        with self._lock:
            self._waiting.extendleft(reversed(undone or []))
        return undone is None

    async def _fail(self, waiting: list[Waiting], error: Exception) -> None:
        log.error("batch failed", commands=len(waiting), error=type(error).__name__, exc_info=error)
        self._failed = True
        answer(waiting, [Full() if isinstance(error, Full) else unavailable() for _ in waiting])
        await self._reload()

    async def _keep_snapshot(self) -> None:
        """Takes a snapshot when one is due, and writes it when it is packed, while nothing else is on its way."""
        due = self._last()[0] - self._snapshot_at >= SNAPSHOT_EVERY
        if not (due or self.memory.packed) or not await self._arrive():
            return
        if due:
            self._snapshot_at = self.memory.seq
            self.memory.take_snapshot()
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
