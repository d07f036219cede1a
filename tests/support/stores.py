"""An opened store with a leader's thread, on whichever engine a test runs, that can be closed and opened again."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any, TypeVar

from guichet.kit.clock import ManualClock
from guichet.leader.thread import LoopThread
from guichet.store.engines import open_store
from guichet.store.port import Answered, Batch, Entry, Store
from guichet.store.rows import Changes, NewJob, RowOp, Table

T = TypeVar("T")

MASTER_KEY = bytes(range(32))
ORG = "org1"


class Opened:
    """A store, the clock it reads and the leader's loop; what a test of the store wants to say in one line."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.clock = ManualClock()
        self.seq = 0
        self.epoch = 0
        self.tables: list[Table] = []
        self.versions: dict[str, int] = {}
        self.store: Store

    async def open(self, *tables: Table) -> Opened:
        self.thread = LoopThread("test-leader")
        self.thread.start()
        try:
            self.store = await open_store(self.url, self.folder, self.thread.loop, self.clock, MASTER_KEY)
        except BaseException:
            self.thread.stop()
            raise
        self.tables = list(tables) or self.tables
        self.epoch = await self.leading(self.store.writer.lead(0))
        await self.leading(self.store.writer.rebuild_needed(self.tables))
        return self

    async def leading(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs something of the writer where it belongs: on the leader's loop."""
        return await self.thread.run(work)

    async def close(self) -> None:
        await self.store.close()
        self.thread.stop()

    async def reopen(self, *tables: Table) -> None:
        await self.close()
        await self.open(*tables)

    def entry(self, stream: str = "thing/1", data: bytes = b"{}", **more: Any) -> Entry:
        """The next fact of a stream, with the next position."""
        self.seq += 1
        self.versions[stream] = self.versions.get(stream, 0) + 1
        fields: dict[str, Any] = {
            "seq": self.seq,
            "t": self.clock.now(),
            "org": ORG,
            "stream": stream,
            "version": self.versions[stream],
            "type": "test.thing",
            "type_version": 1,
            "actor": "agent:1",
            "subject": None,
            "data": data,
            "sealed": None,
        }
        return Entry(**(fields | more))

    def batch(
        self,
        entries: Iterable[Entry] = (),
        ops: Iterable[RowOp] = (),
        answers: Iterable[Answered] = (),
        jobs: Iterable[NewJob] = (),
        epoch: int | None = None,
    ) -> Batch:
        changes = Changes()
        changes.add(ORG, [*ops, *jobs])
        return Batch(
            shard=0,
            epoch=self.epoch if epoch is None else epoch,
            entries=list(entries),
            answers=list(answers),
            changes=list(changes.rows.values()),
            erased=changes.erased,
            jobs=changes.jobs,
        )

    async def append(self, entries: Iterable[Entry] = (), ops: Iterable[RowOp] = (), **more: Any) -> None:
        await self.leading(self.store.writer.append(self.batch(entries, ops, **more)))
