"""One process with every role: store, leader, hub, channels, workers, HTTP. Everything is wired here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib import metadata

import structlog
import uvloop

from guichet.accounts.authorise import authorise
from guichet.accounts.directory import Directory
from guichet.accounts.projections import CONFIG
from guichet.channels import delivery
from guichet.channels import registry as channels
from guichet.channels.base import Door, Edge
from guichet.channels.work import work
from guichet.customers.commands import ERASE_QUEUE
from guichet.customers.erasure import erase
from guichet.customers.identity import IdentityHasher
from guichet.desk.follow import Follow
from guichet.desk.hub import Hub
from guichet.desk.presence import Presence
from guichet.desk.signals import Signals
from guichet.kit.clock import Clock, SystemClock
from guichet.kit.tasks import Supervisor
from guichet.leader.loop import Committed
from guichet.leader.thread import LoopThread
from guichet.media.acts import Acts
from guichet.media.drivers.server import MediaServer
from guichet.media.link import Link
from guichet.media.plane import MediaPlane
from guichet.media.recordings import Recordings
from guichet.media.reports import Reports
from guichet.media.testcall import TestCalls
from guichet.server import stages
from guichet.server.leading import SHARD, Leading
from guichet.server.lines import Lines
from guichet.server.mediaserver import MediaProcess
from guichet.server.settings import ProcessSettings
from guichet.store.ciphers import derive
from guichet.store.engines import open_store
from guichet.store.followers import Runner
from guichet.store.people import People, PeopleIndex
from guichet.store.port import Job, Store
from guichet.store.search import Search, SearchIndex
from guichet.store.vault import master_key

log = structlog.get_logger(__name__)

PAGE = 10_000
Listener = Callable[[Committed], None]


class Node:
    """An opened Guichet. `open` gives one that leads and works; `close` ends everything it started."""

    def __init__(
        self,
        settings: ProcessSettings,
        clock: Clock,
        store: Store,
        thread: LoopThread,
        plane: MediaPlane | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.store = store
        self.build = metadata.version("guichet")
        self.supervisor = Supervisor()
        self.directory = Directory()
        self.hub = Hub(store.reader, self.supervisor)
        self.signals = Signals(clock)
        self.search = Search(store.follower("search"))
        self.people = People(store.follower("people"))
        self.lines = Lines(store.reader, self.directory, clock)
        self.listeners: list[Listener] = [self._follow_config, self.lines.committed]
        """Told of every commit, in this order: who may read is known before anybody is shown anything."""
        self.thread = thread
        self.indexer = Runner(
            SearchIndex(), store.follower("search"), store.reader, store.sealer, shard=SHARD
        )
        self.people_indexer = Runner(
            PeopleIndex(), store.follower("people"), store.reader, store.sealer, shard=SHARD
        )
        self.leading = Leading(
            thread,
            store,
            clock,
            stages.new_state,
            authorise,
            self._committed,
            self._led,
            settings.max_waiting,
        )
        self.submit = self.leading.submit
        self.presence = Presence(self.submit, self.supervisor, self._vanish_seconds)
        self.hasher = IdentityHasher(derive(_master(settings), "guichet identities"))
        self.edge = self._edge()
        self.media_process = (
            MediaProcess(settings, clock) if plane is None and settings.media_server != "off" else None
        )
        self.media: Link | None = None
        self.test_calls: TestCalls | None = None
        self._plane = plane
        self._media_server: MediaServer | None = None
        self.doors: list[Door] = []
        self.open_doors: list[asyncio.Task[None]] = []
        """One that ends with Refused could not be opened: whoever serves this node should say so and stop."""
        self._leader: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        settings: ProcessSettings,
        clock: Clock | None = None,
        plane: MediaPlane | None = None,
    ) -> Node:
        """Opens the store and waits until it leads. `plane`: a media server that is there already. Raises Refused,
        NewerDatabase, OSError."""
        stages.load()
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        thread = LoopThread("leader", uvloop.new_event_loop)
        thread.start()
        clock = clock or SystemClock()
        try:
            store = await open_store(
                settings.database_url, settings.data_dir, thread.loop, clock, _master(settings)
            )
        except BaseException:
            thread.stop()
            raise
        node = cls(settings, clock, store, thread, plane)
        node.supervisor.start("lag", node.leading.lag.watch())
        node._leader = node.supervisor.start("leading", node.leading.run())
        await node.leading.ready.wait()
        # Whoever led before is gone, and worked in the same process: a reply must not wait for a dead worker's lease.
        await store.jobs.free()
        await node.read_config()
        return node

    async def read_config(self) -> None:
        """Fills the directory; commits since the leader was ready have been followed already and repeat nothing."""
        for row in await self.store.reader.rows(CONFIG, {}, limit=PAGE * 100):
            self.directory.put_row(row)

    def work(self) -> None:
        """Starts the lasting work: search, deliveries, erasures, the channels' own doors."""
        start = self.supervisor.start
        start("search", self.indexer.run())
        start("people", self.people_indexer.run())
        start("deliveries", delivery.run(self.edge))
        start("erasures", work(self.edge, ERASE_QUEUE, self._erase, forever=True))
        self._link_media()
        self.doors = [channel.door(self.edge) for channel in channels.all_channels().values()]
        self.open_doors = [start(f"door {type(door).__name__}", door.run()) for door in self.doors]

    def _link_media(self) -> None:
        """Voice is an effect: nothing waits for it."""
        process, plane = self.media_process, self._plane
        if process is not None:
            plane = self._media_server = MediaServer(process.url, process.token)
            self.supervisor.start("media server", process.run())
        if plane is None:
            return
        reports = Reports(plane, self.edge)
        recordings = Recordings(self.edge, self.settings.data_dir / "media" / "spool")
        self.media = Link(plane, self.edge, reports, recordings)
        self.test_calls = TestCalls(plane, self.media, self.clock, self.supervisor)
        self.listeners.append(self.media.committed)
        # Also where there is no program to start: what the log still calls a call is lost then, after a while.
        self.supervisor.start("media", self.media.follow())
        self.supervisor.start("media rooms", self.media.put())
        self.supervisor.start("media recordings", recordings.run())
        acts = Acts(plane, self.edge, self.store.sealer, reports)
        self.supervisor.start("media acts", acts.run())

    async def close(self) -> None:
        """Ends what was started, the leader after its last batch, and closes the store."""
        if self.media_process is not None:
            self.media_process.stop()
        self.leading.stop()
        if self._leader is not None:
            await asyncio.wait([self._leader])
        if self.media_process is not None:
            await self.media_process.ended()
        await self.supervisor.close()
        if self._media_server is not None:
            await self._media_server.close()
        await self.store.close()
        self.thread.stop()

    # -- what others are told -------------------------------------------------------------------------

    def _committed(self, committed: Committed) -> None:
        for listener in self.listeners:
            listener(committed)
        self.indexer.notify()
        self.people_indexer.notify()

    def _led(self) -> None:
        self.presence.tell_again()

    def _follow_config(self, committed: Committed) -> None:
        self.directory.take(committed.changes)

    def _vanish_seconds(self, org: str) -> float:
        return self.directory.organisation(org).vanish_seconds

    async def _erase(self, job: Job, owner: str) -> None:
        store = self.store
        await erase(job, store.keys, store.blobs, store.drafts, self.submit)
        await store.jobs.done(job, owner)

    def _edge(self) -> Edge:
        store = self.store
        return Edge(
            submit=self.submit,
            subscribe=Follow(self.hub, self.signals),
            writing=self._customer_writes,
            place=self.lines.place,
            reader=store.reader,
            keys=store.keys,
            blobs=store.blobs,
            sessions=store.sessions,
            secrets=store.secrets,
            jobs=store.jobs,
            clock=self.clock,
            directory=self.directory,
            hasher=self.hasher,
            tasks=self.supervisor,
            is_open=self.lines.is_open,
            process=self.settings.model_dump(),
        )

    def _customer_writes(self, org: str, conversation: str) -> None:
        self.signals.writing(org, conversation, None)


def _master(settings: ProcessSettings) -> bytes:
    return master_key(settings.data_dir / "master.key")
