"""What a leader holds in memory, and how it gets it back: snapshot, tail, cold streams, answers."""

from __future__ import annotations

import asyncio
import gc
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from guichet.events.base import decode
from guichet.kit.clock import Instant
from guichet.leader.registry import At, Command
from guichet.leader.state import State
from guichet.leader.version import code_version
from guichet.store.port import Answered, Entry, Writer
from guichet.store.rows import Key, Table
from guichet.store.sealing import Sealer

KEEP_ANSWERS = 50_000
CHUNK = 5_000
GC_EVERY = 10_000
"""New objects between two looks of the garbage collector, for the whole process. One first message makes about
sixty: by Python's own 700, a fifth of its CPU went into looking through a state that holds no garbage."""


class Memory:
    """State, position and recent answers of one shard."""

    def __init__(self, shard: int, writer: Writer, sealer: Sealer, new_state: Callable[[], State]) -> None:
        self._shard = shard
        self._writer = writer
        self._sealer = sealer
        self._new_state = new_state
        self._packing: tuple[int, asyncio.Future[bytes]] | None = None
        self.discard()

    def discard(self) -> None:
        """Forgets everything; `load` must follow."""
        self.state = self._new_state()
        self.seq = 0
        self.t: Instant = 0
        self._answers: OrderedDict[tuple[str, str, str], bytes] = OrderedDict()

    async def load(self) -> None:
        """Snapshot, then the tail of the log, then the recent answers."""
        gc.unfreeze()
        snapshot = await self._writer.load_snapshot(self._shard, code_version())
        if snapshot is not None:
            self.seq = snapshot[0]
            self.state.restore(zlib.decompress(snapshot[1]))
        while entries := await self._writer.entries(self._shard, self.seq, CHUNK):
            await self._load_cold(entries)
            for entry in entries:
                self._fold(entry)
            self.seq, self.t = entries[-1].seq, entries[-1].t
        if not self.t:
            self.t = (await self._writer.last(self._shard))[1]
        self.state.forget_at_rest()
        for answered in await self._writer.recent_answers(KEEP_ANSWERS):
            self.remember(answered)
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_EVERY)

    async def _load_cold(self, entries: Sequence[Entry]) -> None:
        """Reads cold streams that the tail goes on with and the snapshot lacks, up to where the tail starts."""
        state, first = self.state, entries[0].seq
        wanted = {
            e.stream for e in entries
            if e.version > 1 and e.stream not in state.versions and e.stream[: e.stream.index("/")] in state.cold
        } - {e.stream for e in entries if e.version == 1}  # fmt: skip
        if wanted:
            for stream, past in (await self._writer.streams(sorted(wanted))).items():
                self._fold_stream(stream, [e for e in past if e.seq < first])

    def _fold_stream(self, stream: str, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self._fold(entry)
        self.state.loaded(stream)

    def _fold(self, entry: Entry) -> None:
        fact = decode(entry.type, entry.type_version, entry.data)
        at = At(entry.seq, entry.t, entry.org, entry.actor, entry.version)
        self.state.fold(fact, at, entry.stream)

    async def load_streams(self, streams: Sequence[str]) -> None:
        """Makes cold streams resident."""
        for stream, entries in (await self._writer.streams(streams)).items():
            self._fold_stream(stream, entries)

    async def load_rows(self, table: Table, keys: Sequence[Key]) -> None:
        """Reads rows that a handler asked for."""
        found = await self._writer.rows(table, keys)
        for key in keys:
            self.state.lookups.put(table, key, found.get(key))

    def answer_to(self, org: str, actor: str, key: str) -> bytes | None:
        """The first answer to this key, if it is remembered."""
        return self._answers.get((org, actor, key))

    def remember(self, answered: Answered) -> None:
        self._answers[answered.org, answered.actor, answered.key] = answered.answer
        if len(self._answers) > KEEP_ANSWERS:
            self._answers.popitem(last=False)

    async def recall_answers(self, commands: Sequence[Command]) -> None:
        """Looks the keys of these commands up in the store (one of them may have been answered long ago)."""
        keys = [key for c in commands if (key := (c.actor.org, str(c.actor), c.key)) not in self._answers]
        for answered in await self._writer.answered(keys):
            self.remember(answered)

    def take_snapshot(self) -> None:
        """Holds the state as it is now, so that the next start reads only what came after. Commands wait for this,
        but not for the thread that packs it; `keep_snapshot` writes it later."""
        if self._packing is None:
            packed = asyncio.get_running_loop().run_in_executor(None, _pack, self.state.dump())
            self._packing = self.seq, packed

    @property
    def packed(self) -> bool:
        """Whether a snapshot is ready to be written."""
        return self._packing is not None and self._packing[1].done()

    async def keep_snapshot(self) -> None:
        """Writes what `take_snapshot` held, once it is packed."""
        if self._packing is not None and self._packing[1].done():
            (seq, packed), self._packing = self._packing, None
            await self._write_snapshot(seq, packed.result())

    async def save_snapshot(self) -> None:
        """Takes and keeps one at once."""
        self._packing = None
        await self._write_snapshot(self.seq, _pack(self.state.dump()))

    async def _write_snapshot(self, seq: int, packed: bytes) -> None:
        await self._writer.save_snapshot(self._shard, seq, code_version(), packed)


def _pack(data: bytes) -> bytes:
    return zlib.compress(data, 1)
