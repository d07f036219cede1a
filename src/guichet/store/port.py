"""The port behind which SQLite and PostgreSQL stand. One contract suite runs on both.

Two loops meet here. The **leader's loop** (a thread of its own) owns the one writer: `Writer`. The **web
loop** reads and keeps the side tables. An engine gives each loop what it may use; SQLite's side writes travel to
the leader's loop and run between two batches.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import ClassVar, Protocol

import msgspec

from guichet.kit.clock import Instant
from guichet.store.entry import Entry as Entry
from guichet.store.rows import Change, Key, NewJob, Table, Value
from guichet.store.sealing import Sealer
from guichet.store.side import Database
from guichet.store.trouble import Away as Away
from guichet.store.trouble import Full as Full
from guichet.store.trouble import NewerDatabase as NewerDatabase
from guichet.store.trouble import full_disk as full_disk

Row = dict[str, Value]


class Answered(msgspec.Struct, gc=False):
    """The first answer to a command's key, kept for whoever repeats it. `answer` is JSON."""

    org: str
    actor: str
    key: str
    t: Instant
    answer: bytes


class Batch(msgspec.Struct, gc=False):
    """All that one group commit writes, in one transaction, or not at all. `erased` customers' rows are deleted
    before `changes` are made."""

    shard: int
    epoch: int
    entries: list[Entry]
    answers: list[Answered]
    changes: list[Change]
    erased: list[str]
    jobs: list[NewJob]


class Fenced(Exception):
    """Another leader has taken the shard (the epoch row is not ours any more)."""


class DuplicateKey(Exception):
    """A command key of the batch was answered long ago; nothing was written."""


class Conflict(Exception):
    """A (shard, seq) or (stream, version) of the batch exists already; nothing was written."""


class BadChange(Exception):
    """A row operation contradicts its table (a key inserted twice, an unknown column, a wrong type); nothing was
    written. Always a defect of a projection."""


class Writer(Protocol):
    """What the leader uses, on its own loop only, one call after the other. `overlaps`: whether the loop is free
    while `append` waits, so that it pays to run another batch meanwhile."""

    overlaps: ClassVar[bool]

    async def lead(self, shard: int) -> int:
        """Takes the shard: waits for the lock, raises the epoch row by one and gives it back."""
        ...

    async def append(self, batch: Batch) -> None:
        """Writes the batch durably (fsynced) in one transaction that verifies the epoch.

        Raises Fenced, DuplicateKey, Conflict, Full, or OSError; after any of them nothing of it is written.
        """
        ...

    async def last(self, shard: int) -> tuple[int, Instant]:
        """(seq, t) of the newest entry; (0, 0) when the log is empty."""
        ...

    async def entries(self, shard: int, after: int, limit: int) -> list[Entry]:
        """Entries with seq > `after`, in order."""
        ...

    async def streams(self, names: Sequence[str]) -> dict[str, list[Entry]]:
        """All entries of the named streams, each in order; a stream without any is an empty list."""
        ...

    async def rows(self, table: Table, keys: Sequence[Key]) -> dict[Key, Row]:
        """Rows of an inline table by whole key; those absent are left out."""
        ...

    async def answered(self, keys: Sequence[tuple[str, str, str]]) -> list[Answered]:
        """The answers to these (org, actor, key), where there are any."""
        ...

    async def recent_answers(self, limit: int) -> list[Answered]:
        """The newest answers, oldest first."""
        ...

    async def save_snapshot(self, shard: int, seq: int, code: str, data: bytes) -> None:
        """Keeps the leader's state as of `seq`; `code` names the code version that can read it."""
        ...

    async def load_snapshot(self, shard: int, code: str) -> tuple[int, bytes] | None:
        """The newest snapshot that this code version wrote, or None."""
        ...

    async def rebuild_needed(self, tables: Iterable[Table]) -> list[Table]:
        """Creates absent tables and names those whose stored version differs (or that are new on a non-empty log)."""
        ...

    async def begin_rebuild(self, tables: Sequence[Table]) -> None:
        """Empties these tables; until `end_rebuild` they are not marked as current."""
        ...

    async def rebuild(self, changes: Sequence[Change], erased: Sequence[str]) -> None:
        """Applies erasures, then changes, to tables under rebuild, outside the log."""
        ...

    async def end_rebuild(self, tables: Sequence[Table]) -> None:
        """Marks them as current."""
        ...


class Reader(Protocol):
    """Reads for the web loop (and followers). Never sees half a batch."""

    async def row(self, table: Table, key: Key) -> Row | None: ...

    async def rows(
        self,
        table: Table,
        where: dict[str, Value | Sequence[Value]],
        *,
        order: str | None = None,
        descending: bool = False,
        before: Value = None,
        limit: int = 1000,
    ) -> list[Row]:
        """Rows whose columns equal the given values (a list: any of them), `order`ed by one column;
        `before` (with `order`) starts below/after that value for paging."""
        ...

    async def entries(self, shard: int, after: int, limit: int) -> list[Entry]: ...

    async def streams(self, names: Sequence[str]) -> dict[str, list[Entry]]: ...

    async def last(self, shard: int) -> tuple[int, Instant]: ...


class Keys(Protocol):
    """The key store: one 256-bit key per customer, in a file or schema of its own, fsynced. Any loop may call."""

    async def ensure(self, subject: str) -> None:
        """Makes the subject's key durable if it has none. Raises Refused once it was destroyed."""
        ...

    async def get(self, subjects: Iterable[str]) -> dict[str, bytes]:
        """The raw keys that exist."""
        ...

    def cached(self, subject: str) -> bytes | None:
        """The raw key if `get` or `ensure` had it not long ago."""
        ...

    async def destroy(self, subject: str) -> None:
        """Forgets the key for ever (overwritten on disk) and remembers that it was destroyed. Idempotent."""
        ...


class Session(msgspec.Struct, frozen=True):
    """A signed-in agent or an open visitor. `token` is never stored, only its SHA-256."""

    org: str
    actor: str
    created: Instant
    expires: Instant
    data: dict[str, str]


class Sessions(Protocol):
    """Opaque random tokens; also invitations and other one-time links (`kind`)."""

    async def create(
        self, kind: str, org: str, actor: str, expires: Instant, data: dict[str, str] | None = None
    ) -> str:
        """Returns the new token."""
        ...

    async def find(self, kind: str, token: str) -> Session | None:
        """None when unknown or expired."""
        ...

    async def end(self, kind: str, token: str) -> bool:
        """True for exactly one caller when the token was valid: so a one-time link is used up."""
        ...

    async def end_all(self, kind: str, org: str, actor: str, *, but: str = "") -> None:
        """All of one actor, except one token."""
        ...


class Secrets(Protocol):
    """The vault: small secrets, encrypted under the installation's master key, by reference."""

    async def put(self, org: str, name: str, secret: bytes) -> None: ...

    async def get(self, org: str, name: str) -> bytes | None: ...

    async def delete(self, org: str, name: str) -> None: ...


class Draft(msgspec.Struct, frozen=True):
    """What an agent typed and has not sent: one per conversation and kind ("reply", "note")."""

    org: str
    conversation: str
    kind: str
    agent: str
    text: str
    attachments: list[str]
    revision: int
    t: Instant


class Drafts(Protocol):
    """What agents typed and have not sent."""

    async def save(self, draft: Draft, subject: str) -> Draft:
        """Keeps it when `draft.revision` is the stored revision + 1, else raises Refused(conflict) with code
        "draft.stale"; text is encrypted under the subject's key."""
        ...

    async def get(self, org: str, conversation: str) -> list[Draft]: ...

    async def delete(self, org: str, conversation: str, kind: str) -> None: ...

    async def erase(self, subject: str) -> None: ...


class Job(msgspec.Struct, frozen=True):
    """One claimed job."""

    id: str
    queue: str
    key: str
    payload: dict[str, str | int | None]
    attempt: int
    due: Instant


class Jobs(Protocol):
    """Durable work: leases, back-off, dead letters. A body may run twice; the key makes the effect once."""

    async def add(self, job: NewJob, after: int = 0) -> None:
        """Due `after` milliseconds from now. Ignored when a job with this (queue, key) exists."""
        ...

    async def claim(
        self, queues: Sequence[str], owner: str, lease: int, limit: int, *, forever: bool = False
    ) -> list[Job]:
        """Takes due jobs (also those whose lease ran out) for `lease` milliseconds. `forever`: none is ever dead."""
        ...

    async def done(self, job: Job, owner: str) -> bool:
        """False when the lease was lost meanwhile."""
        ...

    async def failed(
        self, job: Job, owner: str, reason: str, *, retry: bool = True, forever: bool = False
    ) -> bool:
        """Back-off (5 s doubling to 1 h, with jitter), dead after 12 attempts (never: `forever`) or without `retry`.
        Returns True when the job is dead now. `reason` holds no personal data."""
        ...

    async def free(self) -> None:
        """Ends every lease, when whoever may hold one is gone: the jobs are due now, not when their time is over. So
        are those put off longer than any can be, by a clock that was ahead."""
        ...

    async def dead(self, limit: int = 100) -> list[Job]: ...

    async def undone(self, queue: str) -> set[str]:
        """The keys of all jobs of a queue that are not done and not dead."""
        ...

    async def revive(self, job_id: str) -> None: ...

    async def wait(self, queues: Sequence[str], timeout: float) -> None:
        """Returns when there may be work, or after `timeout` seconds."""
        ...


class Blobs(Protocol):
    """Content-addressed by the ciphertext's hash, encrypted under the subject's key, fsynced by `put`."""

    async def put(self, subject: str, content: bytes | AsyncIterator[bytes]) -> tuple[str, int]:
        """(address, size of the plain text). Raises Full."""
        ...

    async def get(self, address: str) -> bytes | None:
        """The plain text; None when absent or erased."""
        ...

    async def owner(self, address: str) -> str | None:
        """Under whose key it lies: whoever hands it out checks that first. None when absent."""
        ...

    async def erase(self, subject: str) -> None: ...


class Hit(msgspec.Struct, frozen=True):
    """One search result; the caller authorises by `client` before anybody sees it. `n`: where in the thread."""

    conversation: str
    message: str
    client: str
    t: Instant
    excerpt: str
    n: int = 0


class Search(Protocol):
    """Full text over messages and notes."""

    async def find(self, org: str, clients: Sequence[str] | None, words: str, limit: int) -> list[Hit]:
        """What holds all of these words (or longer ones that begin so), newest first; only the named clients
        (None: all). Of `words` the first 200 characters count."""
        ...

    async def position(self) -> int: ...


class People(Protocol):
    """Customers by the words of their names, addresses and numbers."""

    async def find(self, org: str, clients: Sequence[str] | None, words: str, limit: int) -> list[str]:
        """Ids of customers with all of these words (or longer ones that begin so), newest first; only of the
        named clients (None: all)."""
        ...


class Store(Protocol):
    """An opened engine. `engines.open_store` gives one."""

    @property
    def writer(self) -> Writer: ...
    @property
    def reader(self) -> Reader: ...
    @property
    def keys(self) -> Keys: ...
    @property
    def sealer(self) -> Sealer: ...
    @property
    def sessions(self) -> Sessions: ...
    @property
    def secrets(self) -> Secrets: ...
    @property
    def drafts(self) -> Drafts: ...
    @property
    def jobs(self) -> Jobs: ...
    @property
    def blobs(self) -> Blobs: ...

    def follower(self, name: str) -> Database:
        """Where a follower keeps its tables; its runner is the only one to write there."""
        ...

    async def close(self) -> None: ...
