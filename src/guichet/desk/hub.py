"""Brings committed rows to those who watch them. Runs on the web process's loop; knows no sockets.

A subscription is one view and one partition. It first collects what is committed while its snapshot is read,
then hands over the snapshot, then what it collected: nothing is missed, and what the snapshot held already is
only set to the same values again. Whoever may not read a row gets no word of it, not even that it is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Protocol, cast

import structlog

from guichet.accounts.access import Access
from guichet.desk.lens import Delta, Lens, Piece, cleared
from guichet.desk.views import View, view_named
from guichet.kit.errors import Refused
from guichet.kit.tasks import Supervisor
from guichet.leader.loop import Committed
from guichet.store.port import Reader
from guichet.store.rows import TABLES, Change, Value

log = structlog.get_logger(__name__)

MAX_PENDING = 2_000
"""Deltas kept while one snapshot is read; past that it is read again."""


class Receiver(Protocol):
    """Who watches: a desk's socket, or a channel. Called on the loop; must not wait."""

    def snapshot(self, subscription: Subscription, whole: Delta) -> None:
        """All rows of the partition now, in place of those held before."""
        ...

    def delta(self, subscription: Subscription, delta: Delta) -> None: ...

    def ended(self, subscription: Subscription, refused: Refused) -> None:
        """Nothing more comes: it may not be read any more."""
        ...


class Subscription:
    """One view of one partition, watched by one receiver. `access` None: trusted (a channel)."""

    __slots__ = ("access", "bucket", "floor", "n", "name", "pending", "receiver", "stale", "subject")

    def __init__(self, name: str, bucket: Bucket, receiver: Receiver, access: Access | None) -> None:
        self.name = name
        self.bucket: Bucket | None = bucket
        self.receiver = receiver
        self.access = access
        self.n = 0
        self.pending: list[Delta] | None = []
        self.stale = False
        self.floor: int | None = None
        self.subject: str | None = None


class Bucket:
    """All subscriptions of one (view, organisation, partition).

    `version` counts the commits that touched it. `whole`: what was read of an organisation's view and nothing
    has touched since: when a thousand desks come back at once, one of them reads.
    """

    __slots__ = ("key", "lens", "reading", "subscriptions", "version", "whole")

    def __init__(self, lens: Lens, key: tuple[str, str, str]) -> None:
        self.lens = lens
        self.key = key
        self.version = 0
        self.whole: Delta | None = None
        self.reading = asyncio.Lock() if lens.view.partition == "org" else None
        self.subscriptions: list[Subscription] = []


class LacksColumn(AssertionError):
    """A projection's row operation lacks what a view needs to know about the row."""


class Hub:
    """The subscriptions of one web process.

    Args:
        strict: a row operation that lacks a scope column raises LacksColumn (tests); else it is logged and
            the row is not sent.
    """

    def __init__(self, reader: Reader, supervisor: Supervisor, *, strict: bool = False) -> None:
        self._reader = reader
        self._supervisor = supervisor
        self._strict = strict
        self._buckets: dict[tuple[str, str, str], Bucket] = {}
        self._lenses: dict[str, Lens] = {}
        self._by_table: dict[str, list[Lens]] = {}

    # -- who watches what -----------------------------------------------------------------------------

    async def subscribe(
        self,
        view: str,
        org: str,
        partition: str,
        receiver: Receiver,
        *,
        access: Access | None,
        name: str = "",
    ) -> Subscription:
        """Watches; the snapshot has been handed over when this returns. `name` is the receiver's own.

        Raises Refused: unknown view, no permission, or nothing there that this access may know of.
        """
        declared = view_named(view)
        _may_watch(declared, org, partition, access)
        lens = self._lenses.get(view)
        if lens is None:
            lens = self._lenses[view] = Lens(declared)
            self._by_table.setdefault(declared.table, []).append(lens)
        key = (view, org, partition)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(lens, key)
        subscription = Subscription(name, bucket, receiver, access)
        bucket.subscriptions.append(subscription)
        try:
            await self._load(subscription, first=True)
        except BaseException:
            self.unsubscribe(subscription)
            raise
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Ends it without a word; again is harmless."""
        bucket, subscription.bucket = subscription.bucket, None
        if bucket is None:
            return
        bucket.subscriptions.remove(subscription)
        if not bucket.subscriptions:
            del self._buckets[bucket.key]

    def reauthorise(self, subscription: Subscription, access: Access) -> None:
        """The subscriber's rights changed: a new snapshot takes away and adds what it must, or it ends."""
        subscription.access = access
        bucket = subscription.bucket
        if bucket is None:
            return
        try:
            _may_watch(bucket.lens.view, bucket.key[1], bucket.key[2], access)
        except Refused as refused:
            self._end(subscription, refused)
        else:
            self._renew(subscription)

    # -- what comes in --------------------------------------------------------------------------------

    def committed(self, committed: Committed) -> None:
        """Takes in what one commit did, in commit order."""
        for key, pieces in self._pieces(committed.changes).items():
            # A receiver whose buffer is full ends all its subscriptions right here, in this bucket and in others.
            bucket = self._buckets.get(key)
            if bucket is not None:
                bucket.version += 1
                bucket.whole = None
                self._hand_out(list(bucket.subscriptions), Delta(pieces))
        if committed.erased:
            self._erased(set(committed.erased))

    def _pieces(self, changes: Iterable[Change]) -> dict[tuple[str, str, str], list[Piece]]:
        """What the changes mean for each bucket that somebody watches."""
        found: dict[tuple[str, str, str], list[Piece]] = {}
        for change in changes:
            for lens in self._by_table.get(change.table.name, ()):
                try:
                    key = (lens.view.name, change.org, lens.partition(change))
                    if key not in self._buckets and not self._strict:
                        continue
                    piece = lens.piece(change)
                except KeyError as missing:
                    self._defect(lens.view, change, str(missing))
                    continue
                if piece is not None and key in self._buckets:
                    found.setdefault(key, []).append(piece)
        return found

    def _hand_out(self, subscriptions: list[Subscription], delta: Delta) -> None:
        for subscription in subscriptions:
            if subscription.bucket is None:
                continue
            if subscription.pending is None:
                _deliver(subscription, delta)
            elif len(subscription.pending) < MAX_PENDING:
                subscription.pending.append(delta)
            else:
                self._renew(subscription)

    # -- inside ---------------------------------------------------------------------------------------

    async def _load(self, subscription: Subscription, *, first: bool) -> None:
        """Reads the snapshot until it is one that nothing made stale, and hands it over. Raises Refused."""
        while True:
            subscription.stale = False
            bucket = subscription.bucket
            if bucket is None:  # ended meanwhile
                return
            allowed = await self._guarded(bucket, subscription, first=first)
            whole = await self._whole(bucket) if allowed else Delta([])
            if not subscription.stale:
                break
        if subscription.bucket is None:
            return
        view = bucket.lens.view
        full = view.newest is not None and len(whole.pieces) >= view.limit
        subscription.floor = cast("int", whole.pieces[0].row[view.newest or ""]) if full else None
        pieces = _allowed(whole.pieces, subscription, view)
        subscription.receiver.snapshot(subscription, whole if pieces is whole.pieces else Delta(pieces))
        pending, subscription.pending = subscription.pending, None
        for delta in pending or ():
            if subscription.bucket is not None:
                _deliver(subscription, delta)

    async def _guarded(self, bucket: Bucket, subscription: Subscription, *, first: bool) -> bool:
        """Whether there is something to read; False once the conversation was erased. Raises Refused."""
        _, org, partition = bucket.key
        if not bucket.lens.view.guarded:
            return True
        guard = await self._reader.row(TABLES["conversation"], (partition,))
        if guard is None and not first:
            return False  # what was readable has become nothing
        access = subscription.access
        if guard is None or guard["org"] != org or not cleared(access, cast("str", guard["client"])):
            raise not_found()
        subscription.subject = cast("str | None", guard.get("subject"))
        return True

    async def _whole(self, bucket: Bucket) -> Delta:
        """All rows of the partition: as of now, or as of a moment since which nothing touched them."""
        if bucket.reading is None:
            return await self._read(bucket)
        async with bucket.reading:
            if bucket.whole is not None:
                return bucket.whole
            version = bucket.version
            whole = await self._read(bucket)
            if bucket.version == version:
                bucket.whole = whole
            return whole

    async def _read(self, bucket: Bucket) -> Delta:
        lens, view, (_, org, partition) = bucket.lens, bucket.lens.view, bucket.key
        where: dict[str, Value | Sequence[Value]] = {"org": org}
        if view.partition != "org":
            where[view.partition] = partition
        if view.only is not None:
            where[view.only[0]] = view.only[1]
        newest = view.newest is not None
        rows = await self._reader.rows(
            lens.table, where, order=view.newest, descending=newest, limit=view.limit
        )
        if newest:
            rows.reverse()
        elif len(rows) >= view.limit:
            log.warning("view is cut off", view=view.name, org=org, limit=view.limit)
        return Delta([lens.stored(row) for row in rows])

    def _renew(self, subscription: Subscription) -> None:
        """A new snapshot. What was collected so far is in it: a later read sees every earlier commit."""
        if subscription.pending is not None:
            subscription.pending.clear()
            subscription.stale = True
            return
        subscription.pending = []
        self._supervisor.start("desk snapshot", self._reload(subscription))

    async def _reload(self, subscription: Subscription) -> None:
        try:
            await self._load(subscription, first=False)
        except Refused as refused:
            self._end(subscription, refused)
        except OSError:
            self._end(subscription, Refused("unavailable", "view.unavailable", "subscribe again in a moment"))

    def _end(self, subscription: Subscription, refused: Refused) -> None:
        if subscription.bucket is not None:
            self.unsubscribe(subscription)
            subscription.receiver.ended(subscription, refused)

    def _erased(self, subjects: set[str]) -> None:
        """Rows of these customers are gone from every table with a column `subject`; which, nobody read."""
        for bucket in list(self._buckets.values()):
            if bucket.lens.view.guarded:
                for subscription in list(bucket.subscriptions):
                    # One whose guard is not read yet reads it after this commit, or again.
                    if subscription.subject in subjects or subscription.subject is None:
                        self._renew(subscription)

    def _defect(self, view: View, change: Change, what: str) -> None:
        if self._strict:
            raise LacksColumn(
                f"{change.table.name}{change.key}: view {view.name} needs {what} in values or known"
            )
        log.error("row operation lacks a column", table=change.table.name, view=view.name, column=what)


def not_found() -> Refused:
    """The one answer for what does not exist, belongs to others, or is of a client without clearance."""
    return Refused("not_found", "not_found", "there is nothing with this id")


def home(view: str, access: Access) -> str:
    """The partition meant by who names none: one's own organisation, or oneself. Raises Refused."""
    declared = view_named(view)
    return access.org if declared.partition == "org" else access.agent if declared.own else ""


def _may_watch(view: View, org: str, partition: str, access: Access | None) -> None:
    if access is None:
        return
    if not view.permission or not access.may(view.permission):
        raise Refused("forbidden", "view.forbidden", f"your role may not watch {view.name}")
    mine = access.agent if view.own else access.org if view.partition == "org" else partition
    if access.org != org or partition != mine:
        raise not_found()


def _deliver(subscription: Subscription, delta: Delta) -> None:
    """Hands over what of the delta this subscription may see."""
    bucket = cast("Bucket", subscription.bucket)
    allowed = _allowed(delta.pieces, subscription, bucket.lens.view)
    if allowed is not delta.pieces:
        delta = Delta(allowed)
    if delta.pieces:
        subscription.receiver.delta(subscription, delta)


def _allowed(pieces: list[Piece], subscription: Subscription, view: View) -> list[Piece]:
    access, floor = subscription.access, subscription.floor
    seen: Iterable[Piece] = pieces
    if floor is not None and view.newest is not None:
        column = view.newest
        seen = [p for p in seen if cast("int", p.row.get(column, floor)) >= floor]
    seen = [p for p in seen if cleared(access, p.client)]
    return pieces if len(seen) == len(pieces) else seen
