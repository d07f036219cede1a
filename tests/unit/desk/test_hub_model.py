"""Whatever happens in whatever order, a client's rows end up as the table rows that it may see."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from guichet.accounts.access import Access
from guichet.desk.hub import Hub, Subscription
from guichet.desk.views import VIEWS
from guichet.kit.errors import Refused
from guichet.kit.tasks import Supervisor
from guichet.leader.loop import Committed
from guichet.server import stages
from guichet.store.port import Row
from guichet.store.rows import TABLES, Changes, Delete, EraseSubject, Insert, RowOp, Update
from tests.support.desk import MemoryReader, Mirror

pytestmark = pytest.mark.property

stages.load()

ORGS = ("here", "there")
CLIENTS = ("shop", "bank")
CLEARANCES = ((), ("shop",), ("bank",), ("shop", "bank"), ("*",))
CONVERSATIONS = {"c1": ("here", "shop", "p1"), "c2": ("here", "bank", "p2"), "c3": ("there", "shop", "p3")}
AGENTS = ("ana", "bob")
WATCHED = [
    ("my_work", "ana"), ("my_work", "bob"), ("me", "ana"), ("queues", "here"), ("agents", "here"),
    ("waiting", "here"), ("waiting", "there"), ("config", "here"), ("visitor_thread", "c1"),
    *((view, c) for view in ("conversation", "thread", "legs") for c in (*CONVERSATIONS, "nothing")),
]  # fmt: skip


class Client:
    """Who watches one partition of one view, and what they hold."""

    def __init__(self, view: str, partition: str, access: Access | None) -> None:
        self.view = VIEWS[view]
        self.partition = partition
        self.access = access
        self.mirror = Mirror()
        self.subscription: Subscription | None = None
        self.task: asyncio.Task[None] | None = None


class HubModel(RuleBasedStateMachine):
    @initialize(
        watched=st.lists(st.sampled_from(WATCHED), min_size=1, max_size=6),
        clients=st.sampled_from(CLEARANCES[1:]),
        loaded=st.booleans(),
    )
    def start(self, watched: list[tuple[str, str]], clients: tuple[str, ...], loaded: bool) -> None:
        """Some rows, and some who watch them: with their snapshots, or waiting for them."""
        self.loop = asyncio.new_event_loop()
        self.reader = MemoryReader()
        self.reader.slow = True
        self.failed: list[BaseException] = []
        self.supervisor = Supervisor(on_failure=lambda _, error: self.failed.append(error))
        self.hub = Hub(self.reader, self.supervisor, strict=True)
        self.clients: list[Client] = []
        self.untold: list[Committed] = []
        self.changes = Changes()
        self.n = 0
        self.erased: set[str] = set()
        self.org = "here"
        for conversation, (org, client, person) in CONVERSATIONS.items():
            self.org = org
            self.put(
                "conversation", (conversation,), client=client, subject=person, customer=person, state="open"
            )
        for number in range(4):
            self.work(AGENTS[number % 2], number, "offered")
        for conversation in CONVERSATIONS:
            self.say(conversation, 1, internal=False)
            self.say(conversation, 2, internal=True)
        for client in CLIENTS:
            self.figures(client, "ana", 1)
            for kind in ("queue", "client"):
                self.configure(kind, client)
        self.commit()
        self.settle()
        for one in watched:
            self.watch(one, clients, "leader", "ana")
        if loaded:
            self.settle()

    # -- what the centre does -------------------------------------------------------------------------

    def has(self, table: str, key: tuple[Any, ...]) -> bool:
        change = self.changes.rows.get((table, key))
        if change is not None:
            return change.values is not None
        return key in self.reader.tables.get(table, {})

    def put(
        self, table: str, key: tuple[Any, ...], known: dict[str, Any] | None = None, **values: Any
    ) -> None:
        """A projection's way: inserts a new row whole, else updates what is given beside the immutable columns."""
        t, immutable = TABLES[table], ("client", "subject", "internal", "organisation", "kind", "customer")
        op: RowOp
        if self.has(table, key):
            op = Update(t, key, {k: v for k, v in values.items() if k not in immutable},
                        {k: v for k, v in values.items() if k in immutable})  # fmt: skip
        else:
            op = Insert(t, key, values)
        self.changes.add(self.org, [op])

    def drop(self, table: str, key: tuple[Any, ...], **known: Any) -> None:
        if self.has(table, key):
            self.changes.add(self.org, [Delete(TABLES[table], key, known)])

    @rule(
        agent=st.sampled_from(AGENTS),
        task=st.integers(0, 3),
        state=st.sampled_from(["offered", "assigned", ""]),
    )
    def work(self, agent: str, task: int, state: str) -> None:
        client, self.org = CLIENTS[task % 2], "here"
        if state:
            self.put("work", (agent, f"t{task}"), client=client, state=state, since=self.tick())
            self.put("task", (f"t{task}",), client=client, state=state, agent=agent, conversation="c1")
        else:
            self.drop("work", (agent, f"t{task}"), client=client)
            self.drop("task", (f"t{task}",), client=client)

    @rule(conversation=st.sampled_from(sorted(CONVERSATIONS)), n=st.integers(1, 4), internal=st.booleans())
    def say(self, conversation: str, n: int, internal: bool) -> None:
        self.org, client, person = CONVERSATIONS[conversation]
        old = self.reader.tables.get("message", {}).get((conversation, n))
        change = self.changes.rows.get(("message", (conversation, n)))
        before = change.values if change is not None and change.fresh else old
        if person in self.erased:
            return
        self.put("message", (conversation, n), client=client, subject=person, text=f"words {self.tick()}",
                 internal=before["internal"] if before else internal)  # fmt: skip
        self.put("conversation", (conversation,), client=client, subject=person, last_words=f"words {self.n}")
        self.put("leg", (conversation, f"l{n}"), agent="ana", started=self.n)

    @rule(queue=st.sampled_from(CLIENTS), agent=st.sampled_from(AGENTS), waiting=st.integers(0, 3))
    def figures(self, queue: str, agent: str, waiting: int) -> None:
        self.org = "here"
        self.put("queue_state", ("here", f"q-{queue}"), client=queue, waiting=waiting)
        self.put("agent_state", ("here", agent), load=waiting, presence="available")

    @rule(kind=st.sampled_from(["queue", "client", "team"]), client=st.sampled_from(CLIENTS))
    def configure(self, kind: str, client: str) -> None:
        self.org = "here"
        value = {"name": f"name {self.tick()}", "active": True, "secret": "not for the desk"}
        if kind == "queue":
            value["client"] = client
        ident = client if kind == "client" else f"{kind}-{client}"
        self.put("config", ("here", kind, ident), version=self.n, value=value)

    @rule(person=st.sampled_from(["p1", "p2"]))
    def erase(self, person: str) -> None:
        self.org = "here"
        self.commit()
        self.erased.add(person)
        self.changes.add(self.org, [EraseSubject(person)])
        self.commit()

    @precondition(lambda self: self.reader.reads)
    @rule(guards=st.booleans(), read=st.booleans(), told=st.booleans(), n=st.integers(1, 4), waiting=st.integers(0, 3),
          person=st.sampled_from([None, None, "p1", "p2"]))  # fmt: skip
    def race(self, guards: bool, read: bool, told: bool, n: int, waiting: int, person: str | None) -> None:
        """Something everywhere is committed while snapshots are read: after or before they see the rows, and
        before or after the hub has heard of it. `guards`: who must be let in first has been."""
        if guards:
            self.read_all()
            for _ in range(len(self.reader.reads)):
                self.finish(0)
        if read:
            self.read_all()
        for conversation in CONVERSATIONS:
            self.say(conversation, n, internal=False)
        for client in CLIENTS:
            self.figures(client, "ana", waiting)
            self.configure("client", client)
            self.work("ana", CLIENTS.index(client), "assigned" if waiting else "")
        self.commit()
        if person is not None:
            self.erase(person)
        while told and self.untold:
            self.tell()

    @rule()
    def commit(self) -> None:
        """Durable now; the hub hears of it later, in order."""
        if self.changes.rows or self.changes.erased:
            rows = list(self.changes.rows.values())
            self.reader.apply(rows, self.changes.erased)
            self.untold.append(Committed(0, 1, 1, 1, rows, self.changes.erased, False))
            self.changes = Changes()

    @precondition(lambda self: self.untold)
    @rule()
    def tell(self) -> None:
        self.loop.run_until_complete(self._in_loop(self.hub.committed, self.untold.pop(0)))

    # -- what people do -------------------------------------------------------------------------------

    @rule(watched=st.sampled_from(WATCHED), clients=st.sampled_from(CLEARANCES),
          role=st.sampled_from(["agent", "leader"]), agent=st.sampled_from(AGENTS))  # fmt: skip
    def watch(self, watched: tuple[str, str], clients: tuple[str, ...], role: Any, agent: str) -> None:
        view, partition = watched
        access = None if view == "visitor_thread" else Access("here", agent, "Name", role, clients)
        client = Client(view, partition, access)
        self.clients.append(client)
        client.task = self.loop.create_task(self._subscribe(client))
        self.turn()

    async def _subscribe(self, client: Client) -> None:
        try:
            client.subscription = await self.hub.subscribe(
                client.view.name, "here", client.partition, client.mirror, access=client.access
            )
        except Refused as refused:
            client.mirror.ended(None, refused)  # type: ignore[arg-type]

    @precondition(lambda self: self.clients)
    @rule(
        which=st.integers(0, 50),
        clients=st.sampled_from(CLEARANCES),
        role=st.sampled_from(["agent", "leader"]),
    )
    def other_rights(self, which: int, clients: tuple[str, ...], role: Any) -> None:
        client = self.clients[which % len(self.clients)]
        if client.access is None or client.subscription is None or client.subscription.bucket is None:
            return
        client.access = Access("here", client.access.agent, "Name", role, clients)
        client.mirror.lost_rights = True
        self.loop.run_until_complete(self._in_loop(self.hub.reauthorise, client.subscription, client.access))

    @precondition(lambda self: self.clients)
    @rule(which=st.integers(0, 50))
    def leave(self, which: int) -> None:
        client = self.clients.pop(which % len(self.clients))
        assert client.task is not None
        client.task.cancel()
        self.turn()
        if client.subscription is not None:
            self.hub.unsubscribe(client.subscription)

    # -- reads under way ------------------------------------------------------------------------------

    @precondition(lambda self: self.reader.reads)
    @rule()
    def read_all(self) -> None:
        for read in self.reader.reads:
            if not read.happened:
                read.happen()

    @precondition(lambda self: self.reader.reads)
    @rule(which=st.integers(0, 50))
    def read(self, which: int) -> None:
        self.reader.reads[which % len(self.reader.reads)].happen()

    @precondition(lambda self: any(read.happened for read in self.reader.reads))
    @rule(which=st.integers(0, 50))
    def finish(self, which: int) -> None:
        happened = [read for read in self.reader.reads if read.happened]
        read = happened[which % len(happened)]
        self.reader.reads.remove(read)
        read.finished.set()
        self.turn()

    # -- the measure ----------------------------------------------------------------------------------

    @invariant()
    def nothing_failed(self) -> None:
        if hasattr(self, "failed"):
            assert not self.failed

    @invariant()
    def nobody_was_sent_what_they_may_not_see(self) -> None:
        for client in getattr(self, "clients", ()):
            for row in client.mirror.seen:
                assert not (client.view.name == "visitor_thread" and row.get("internal"))
                assert "secret" not in str(row)
                owner = row.get("client") if client.view.name != "config" else _config_client(row)
                if owner is not None and client.access is not None:
                    assert client.access.cleared(owner)
            for key in client.mirror.gone:
                owner = CLIENTS[int(str(key["task"])[1:]) % 2]
                assert client.access is not None
                assert client.access.cleared(owner)
            client.mirror.seen, client.mirror.gone = [], []

    @rule()
    def settle(self) -> None:
        """Everything arrives; then what is held is what may be seen."""
        self.commit()
        while self.untold:
            self.tell()
        while self.reader.reads:
            self.read(0)
            self.finish(0)
        for client in self.clients:
            assert client.task is not None
            assert client.task.done()
            self.check(client)

    def check(self, client: Client) -> None:
        mirror, access, view = client.mirror, client.access, client.view
        guard = self.reader.tables["conversation"].get((client.partition,)) if view.guarded else None
        if mirror.refused is not None:
            assert mirror.rows is None
            # Nobody is sent away who may stay: only where the rights are gone, or nothing was ever shown.
            if access is not None and (mirror.lost_rights or not access.may(view.permission)):
                return
            cleared = guard is None or access is None or access.cleared(str(guard["client"]))
            assert not mirror.loaded or not cleared
            return
        if access is not None:
            assert access.may(view.permission)
        rows = self.reader.tables.get(view.table, {}).items()
        expected: dict[Any, Row] = {}
        for _, row in rows:
            if row["org"] != "here" or (view.partition != "org" and row[view.partition] != client.partition):
                continue
            if view.guarded and (
                guard is None or (access is not None and not access.cleared(str(guard["client"])))
            ):
                continue
            if view.only is not None and row[view.only[0]] != view.only[1]:
                continue
            shown: Row = {column: row[column] for column in view.shown}
            owner = row.get("client") if view.scope else None
            if view.public is not None:
                owner, shown = view.public(shown)
            if access is None or owner is None or access.cleared(str(owner)):
                expected[tuple(row[column] for column in view.key)] = shown
        assert mirror.rows == expected

    # -- the loop -------------------------------------------------------------------------------------

    def tick(self) -> int:
        self.n += 1
        return self.n

    async def _in_loop(self, call: Any, *args: Any) -> None:
        call(*args)
        for _ in range(6):
            await asyncio.sleep(0)

    def turn(self) -> None:
        self.loop.run_until_complete(self._in_loop(lambda: None))

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        try:
            self.settle()
            for client in self.clients:
                if client.subscription is not None:
                    self.hub.unsubscribe(client.subscription)
            assert not self.hub._buckets
        finally:
            self.loop.run_until_complete(self.supervisor.close())
            self.loop.close()


def _config_client(row: Row) -> str | None:
    value: Any = row["value"]
    return str(row["id"]) if row["kind"] == "client" else value.get("client")


TestHub = HubModel.TestCase
TestHub.settings = settings(max_examples=5_000 if os.environ.get("GUICHET_SOAK") == "1" else 250)
