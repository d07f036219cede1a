"""The price of the rows themselves: a driver written by hand for two requests of one chat, and nothing else.

It writes what the leader writes (the bench compares the rows), with the same statements and the same sealing,
all that waits in one transaction. It checks nothing, keeps no state, and knows its two requests by heart.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec
from pysqlite3 import dbapi2 as sqlite3

from bench.house import ORG, Place
from guichet.kit.clock import SystemClock
from guichet.store.ciphers import encrypt
from guichet.store.engines.postgres_base import CONNECTION
from guichet.store.engines.postgres_writer import SETTINGS
from guichet.store.engines.sqlite_file import connect
from guichet.store.entry import Entry
from guichet.store.rows import TABLES
from guichet.store.sql import Plan, quote
from guichet.store.steps import STEPS

MAX_BATCH = 256
json = msgspec.json.Encoder().encode
now = SystemClock().now

INSERTS: dict[str, tuple[str, ...]] = {
    "message": (
        "conversation", "n", "message", "subject", "client", "kind", "author", "text", "html_blob", "attachments",
        "headers", "status", "at", "sent_at", "internal", "org",
    ),
    "conversation": (
        "conversation", "customer", "subject", "client", "channel", "entry_point", "queue", "live", "language",
        "state", "subject_line", "customer_name", "last_at", "n", "unread", "tags", "opened_at", "org",
    ),
    "task": (
        "task", "conversation", "client", "queue", "live", "state", "since", "priority", "answer_by", "place",
        "agent", "org",
    ),
    "work": (
        "agent", "task", "conversation", "client", "queue", "live", "since", "answer_by", "state", "deadline",
        "offer", "why", "forced", "org",
    ),
    "decision": ("offer", "task", "conversation", "client", "agent", "t", "record", "org"),
}  # fmt: skip
LAST = "n", "last_words", "last_author", "last_at", "unread", "waiting_since", "left_at"
WAITS = *LAST, "state", "queue", "agent", "parked_until", "closed_at"
AGENT = "presence", "reason", "since", "load", "capacity", "offered", "connected", "wrapup_until"

MESSAGE, CONVERSATION, TASK, WORK, DECISION = (
    Plan("insert", TABLES[name], columns) for name, columns in INSERTS.items()
)
SPOKEN = Plan("update", TABLES["conversation"], LAST)
WAITING = Plan("update", TABLES["conversation"], WAITS)
AGENT_STATE = Plan("update", TABLES["agent_state"], AGENT)

SENTENCE = (MESSAGE, SPOKEN)
OPENING = (CONVERSATION,)
FIRST = (MESSAGE, WAITING, TASK, WORK, DECISION, AGENT_STATE)


class Rows:
    """What one transaction writes."""

    def __init__(self, seq: int) -> None:
        self.seq = seq
        self.facts: list[tuple[Any, ...]] = []
        self.keys: list[tuple[Any, ...]] = []
        self.rows: dict[Plan, list[tuple[Any, ...]]] = {}
        self.agents: dict[str, tuple[Any, ...]] = {}

    def put(self, plan: Plan, row: tuple[Any, ...]) -> None:
        rows = self.rows.get(plan)
        if rows is None:
            self.rows[plan] = [row]
        else:
            rows.append(row)

    def fact(self, t: int, stream: str, version: int, name: str, actor: str, subject: str | None, plain: object,
             sealed: bytes | None = None) -> None:  # fmt: skip
        self.seq += 1
        self.facts.append(
            (self.seq, t, ORG, stream, version, name, 1, actor, subject, json(plain), sealed)
        )  # fmt: skip


Request = Callable[[Rows, int], None]


def sentence(
    conversation: str, customer: str, n: int, version: int, message: str, text: str, key: bytes, since: int
) -> Request:
    """A customer's sentence in a chat that an agent is on."""

    def write(rows: Rows, t: int) -> None:
        _received(rows, t, conversation, customer, n, version, message, text, key)
        words = " ".join(text[:480].split())[:120]
        rows.put(SPOKEN, (n, words, "customer", t, n, since, None, conversation))

    return write


def _received(
    rows: Rows,
    t: int,
    conversation: str,
    customer: str,
    n: int,
    version: int,
    message: str,
    text: str,
    key: bytes,
) -> None:
    stream, actor = f"conversation/{conversation}", f"visitor:{customer}"
    plain = {
        "conversation": conversation, "message": message, "n": n, "customer": customer, "client": "shop",
        "automatic": False, "sent_at": None, "html_blob": None,
    }  # fmt: skip
    personal = json({"text": text, "attachments": [], "headers": {}})
    sealed = encrypt(key, personal, f"{ORG}/{stream}/{version}/message.received".encode())
    rows.fact(t, stream, version, "message.received", actor, customer, plain, sealed)
    rows.keys.append((ORG, actor, message, t, json({"n": n})))
    rows.put(
        MESSAGE,
        (conversation, n, message, customer, "shop", "customer", customer, text, None, "[]", "{}", "received", t,
         None, False, ORG),
    )  # fmt: skip


def opening(conversation: str, customer: str, key: bytes) -> Request:
    """A chat without words yet."""

    def write(rows: Rows, t: int) -> None:
        stream, actor = f"conversation/{conversation}", f"visitor:{customer}"
        plain = {
            "conversation": conversation, "customer": customer, "client": "shop", "entry_point": "shop-chat",
            "channel": "webchat", "queue": "shop", "live": True, "outbox": False, "undo_seconds": 0,
            "language": "fr",
        }  # fmt: skip
        personal = json({"subject": "", "name": "Inès"})
        sealed = encrypt(key, personal, f"{ORG}/{stream}/1/conversation.opened".encode())
        rows.fact(t, stream, 1, "conversation.opened", actor, customer, plain, sealed)
        rows.keys.append((ORG, actor, f"open:{conversation}", t, json({})))
        rows.put(
            CONVERSATION,
            (conversation, customer, customer, "shop", "webchat", "shop-chat", "shop", True, "fr", "open", "",
             "Inès", t, 0, 0, "[]", t, ORG),
        )  # fmt: skip

    return write


def first(
    conversation: str,
    customer: str,
    message: str,
    text: str,
    key: bytes,
    agent: str,
    record: object,
    why: object,
) -> Request:
    """The first words: somebody is needed, a task waits, an agent is offered it, with the decision's record."""

    def write(rows: Rows, t: int) -> None:
        stream, actor, task = f"conversation/{conversation}", f"visitor:{customer}", f"{conversation}-1"
        offer, deadline = f"{task}-1", t + 300_000
        _received(rows, t, conversation, customer, 1, 2, message, text, key)
        rows.fact(
            t, stream, 3, "conversation.waiting", actor, None,
            {"conversation": conversation, "queue": "shop", "since": t, "live": True, "prefer_agent": None},
        )  # fmt: skip
        rows.fact(
            t, f"task/{task}", 1, "task.queued", actor, None,
            {
                "task": task, "conversation": conversation, "client": "shop", "queue": "shop", "live": True,
                "priority": 0, "cost": 1, "interruptible": False, "since": t, "skills": (), "language": None,
                "prefer_agent": None, "prefer_until": None, "assign_to": None,
            },
        )  # fmt: skip
        made = {
            "offer": offer, "task": task, "conversation": conversation, "client": "shop", "agent": agent,
            "deadline": deadline, "record": record,
        }  # fmt: skip
        rows.fact(t, f"task/{task}", 2, "offer.made", actor, None, made)
        words = " ".join(text[:480].split())[:120]
        rows.put(
            WAITING, (1, words, "customer", t, 1, t, None, "waiting", "shop", None, None, None, conversation)
        )
        rows.put(
            TASK, (task, conversation, "shop", "shop", True, "offered", t, 0, t + 60_000, None, agent, ORG)
        )
        rows.put(
            WORK,
            (agent, task, conversation, "shop", "shop", True, t, t + 60_000, "offered", deadline, offer,
             json(why).decode(), False, ORG),
        )  # fmt: skip
        rows.put(
            DECISION, (offer, task, conversation, "shop", agent, t, json(record).decode(), ORG)
        )  # fmt: skip
        rows.agents[agent] = ("available", "", t, 1, 100, 1, True, None, ORG, agent)

    return write


class Driver:
    """Callers hand in what they want written; one writer takes all of it at once."""

    def __init__(self, seq: int) -> None:
        self._seq = seq
        self._waiting: list[tuple[Request, asyncio.Future[None]]] = []
        self._more = asyncio.Event()

    async def write(self, request: Request) -> None:
        """Returns when it is durable."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        self._more.set()
        await future

    async def run(self) -> None:
        """Writes until cancelled."""
        while True:
            await self._more.wait()
            taken, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
            if not self._waiting:
                self._more.clear()
            rows, t = Rows(self._seq), now()
            for request, _ in taken:
                request(rows, t)
            if rows.agents:
                rows.rows[AGENT_STATE] = list(rows.agents.values())
            try:
                await self._commit(rows)
            except Exception as error:
                for _, future in taken:
                    future.set_exception(error)
                raise
            self._seq = rows.seq
            for _, future in taken:
                future.set_result(None)
            await asyncio.sleep(0)

    async def _commit(self, rows: Rows) -> None:
        raise NotImplementedError


class SqliteDriver(Driver):
    """One connection on the callers' own loop."""

    FACTS = (
        f"INSERT INTO fact (shard, {', '.join(Entry.__struct_fields__)}) "
        f"VALUES (0, {', '.join('?' * len(Entry.__struct_fields__))})"
    )

    def __init__(self, db: sqlite3.Connection, epoch: int, seq: int) -> None:
        super().__init__(seq)
        self._db = db
        self._epoch = epoch
        self._sql = {plan: plan.sqlite() for plan in {*SENTENCE, *OPENING, *FIRST}}

    async def _commit(self, rows: Rows) -> None:
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        if db.execute("SELECT epoch FROM shard WHERE shard = 0").fetchone()[0] != self._epoch:
            raise RuntimeError("somebody else leads")
        db.executemany(self.FACTS, rows.facts)
        db.executemany(
            "INSERT INTO command_key (org, actor, key, t, answer) VALUES (?, ?, ?, ?, ?)", rows.keys
        )
        for plan, values in rows.rows.items():
            db.executemany(self._sql[plan], values)
        db.execute("COMMIT")


class PostgresDriver(Driver):
    """One connection, one statement for the whole batch."""

    def __init__(self, connection: Any, epoch: int, seq: int) -> None:  # noqa: ANN401 (asyncpg is generic)
        super().__init__(seq)
        self._connection = connection
        self._epoch = epoch
        self._sql: dict[tuple[Plan, ...], str] = {}

    async def _commit(self, rows: Rows) -> None:
        plans = tuple(plan for plan in (*OPENING, *FIRST, SPOKEN) if plan in rows.rows)
        sql = self._sql.get(plans)
        if sql is None:
            sql = self._sql[plans] = statement(plans)
        values: list[Any] = [0, self._epoch]
        for table in (rows.facts, rows.keys, *(rows.rows[plan] for plan in plans)):
            values.extend(map(list, zip(*table, strict=True)))
        if await self._connection.fetchval(sql, *values) != 1:
            raise RuntimeError("somebody else leads")


FACT_TYPES = (
    "bigint", "bigint", "text", "text", "bigint", "text", "bigint", "text", "text", "bytea", "bytea",
)  # fmt: skip
KEY_TYPES = "text", "text", "text", "bigint", "bytea"
FENCE = "fence AS MATERIALIZED (SELECT FROM shard WHERE shard = $1 AND epoch = $2 FOR SHARE)"


def statement(plans: Sequence[Plan], *, keys: bool = True) -> str:
    """Facts, keys and rows in one statement, nothing of it when the epoch is not ours."""
    parts, first = [FENCE], 3

    def arrays(types: Sequence[str]) -> str:
        nonlocal first
        first += len(types)
        return f"unnest({', '.join(f'${n}::{kind}[]' for n, kind in enumerate(types, first - len(types)))})"

    fact, key = ", ".join(Entry.__struct_fields__), "org, actor, key, t, answer"
    parts.append(
        f"f AS (INSERT INTO fact (shard, {fact}) SELECT $1, u.* FROM {arrays(FACT_TYPES)} AS u, fence)"
    )
    if keys:
        parts.append(
            f"k AS (INSERT INTO command_key ({key}) SELECT u.* FROM {arrays(KEY_TYPES)} AS u, fence)"
        )
    for number, plan in enumerate(plans):
        names = [f"u{n}" for n in range(len(plan.parameters))]
        source = f"{arrays(plan.types('postgres'))} AS u({', '.join(names)}), fence"
        table = quote(plan.table.name)
        if plan.kind == "insert":
            columns = ", ".join(map(quote, plan.columns))
            sql = f"INSERT INTO {table} ({columns}) SELECT {', '.join(names)} FROM {source}"
        else:
            sets = ", ".join(f"{quote(c)} = {n}" for c, n in zip(plan.columns, names, strict=False))
            at = zip(plan.key, names[len(plan.columns) :], strict=True)
            where = " AND ".join(f"t.{quote(c)} = {n}" for c, n in at)
            sql = f"UPDATE {table} AS t SET {sets} FROM {source} WHERE {where}"
        parts.append(f"p{number} AS ({sql})")
    return f"WITH {', '.join(parts)} SELECT count(*) FROM fence"


@asynccontextmanager
async def driver(where: Place) -> AsyncIterator[Driver]:
    """A driver on a place that a leader has left (tables, organisation and agents are there)."""
    made: Driver
    async with contextlib.AsyncExitStack() as stack:
        if where.url == "sqlite":
            db = stack.enter_context(contextlib.closing(connect(where.folder / "guichet.db", "FULL", STEPS)))
            epoch = db.execute("SELECT epoch FROM shard").fetchone()[0]
            made = SqliteDriver(db, epoch, db.execute("SELECT max(seq) FROM fact").fetchone()[0])
        else:
            settings = CONNECTION["server_settings"] | SETTINGS
            connection = await asyncpg.connect(where.url, **{**CONNECTION, "server_settings": settings})
            stack.push_async_callback(connection.close)
            epoch = await connection.fetchval("SELECT epoch FROM shard")
            made = PostgresDriver(connection, epoch, await connection.fetchval("SELECT max(seq) FROM fact"))
        writing = asyncio.ensure_future(made.run())
        try:
            yield made
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
