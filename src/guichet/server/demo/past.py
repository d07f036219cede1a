"""Commands run at chosen times in the past, by the leader's own code, against a state that nobody leads yet.

All of it is one batch: the history is there whole, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from guichet.accounts.authorise import authorise
from guichet.events.base import Fact, decode
from guichet.kit.clock import Instant
from guichet.kit.errors import Refused
from guichet.leader.registry import COMMANDS, Actor, ActorKind, Command
from guichet.leader.run import Run
from guichet.leader.state import Missing, MissingRow
from guichet.server.leading import SHARD
from guichet.server.stages import new_state
from guichet.store.port import Batch, Store
from guichet.store.rows import TABLES


class Past:
    """An empty installation at time `t`; `move` and `ask` fill it."""

    def __init__(self, org: str, t: Instant) -> None:
        self._org = org
        self._state = new_state()
        self.run = Run(self._state, authorise, 0, t)
        self._told = 0

    @property
    def t(self) -> Instant:
        return self.run.t

    def next_due(self) -> Instant | None:
        """When the next deadline falls due."""
        due = self._state.deadlines.next()
        return due[0] if due is not None else None

    def move(self, t: Instant) -> None:
        """Goes on to `t`, firing what is due by then."""
        self.run.t = max(self.run.t, t)
        self.run.fire_deadlines()

    def ask(self, name: str, kind: ActorKind, actor: str, /, **fields: object) -> dict[str, Any]:
        """Runs a command now and gives its answer. Raises Refused."""
        payload = msgspec.convert(fields, COMMANDS[name].payload)
        command = Command(name, "", Actor(kind, actor, self._org), payload)
        while True:
            try:
                return self.run.command(command) or {}
            except Missing as missing:  # nothing was ever forgotten here, so there is nothing to load
                self._state.loaded(missing.stream)
            except MissingRow as missing:
                self._state.lookups.put(missing.table, missing.key, None)

    def news(self) -> Iterator[Fact]:
        """The facts since the last call, without their personal fields."""
        entries = self.run.entries[self._told :]
        self._told += len(entries)
        for entry in entries:
            yield decode(entry.type, entry.type_version, entry.data)

    async def prepare(self, store: Store) -> Batch:
        """The batch, sealed; the keys are durable first. On the web's loop."""
        subjects = {entry.subject for entry, _ in self.run.personal if entry.subject is not None}
        for subject in sorted(subjects):
            await store.keys.ensure(subject)
        await store.sealer.load_keys(subjects)
        for entry, personal in self.run.personal:
            entry.sealed = store.sealer.seal(entry, personal)
        changes = self.run.changes
        # Without the jobs: the replies of the past were sent in the past.
        return Batch(SHARD, 0, self.run.entries, [], list(changes.rows.values()), changes.erased, [])


async def append(store: Store, batch: Batch) -> None:
    """Writes it, on the writer's own loop, before anybody leads. Raises Refused (not on an empty log)."""
    writer = store.writer
    await writer.rebuild_needed(TABLES.values())
    if await writer.last(SHARD) != (0, 0):
        raise Refused("conflict", "demo.not_empty", "the history needs an empty data directory")
    batch.epoch = await writer.lead(SHARD)
    await writer.append(batch)
