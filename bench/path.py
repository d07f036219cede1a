"""The full message path: command, permission, scope, handler, fold, projections, sealing, one durable transaction
with every inline projection, answer. Beside it, in turn, a driver written by hand that writes the same rows."""

from __future__ import annotations

import argparse
import re
from collections.abc import Awaitable, Callable
from typing import Any, cast

import uvloop

from bench import bare
from bench.house import ENGINES, ORG, TEXT, House, Place, house, place
from bench.measure import Meter, Table, callers, ms, percentile
from guichet.kit.ids import new_id
from guichet.store.rows import TABLES

CALLERS = (1, 32, 256)
ROUNDS = 3
CHATS = 2_500
TURNS = 20
"""Sentences of one chat before its caller goes on to another one: chats are not endless."""
AGENTS = 1_500
SINCE = 1_800_000_000_000
"""Since when a chat's customer waits, by hand: any time will do."""
TARGETS = {"sqlite": 0.5, "postgres": 0.65}
NOTE = (
    "A sentence in a chat that an agent is on: 1 fact, 1 key, 2 rows. First message: a chat opened, then its words, "
    "with two durable answers: 5 facts, 2 keys, 7 rows, one of them the decision's record. Both sides' rows were "
    "compared before. CPU is Python's, + the server's."
)
HEAD = ["engine", "callers", "Guichet /s", "CPU us", "p50 / p99 ms", "by hand /s", "CPU us", "ratio", "aim"]

Ask = Callable[[int], Awaitable[object]]


class Chats:
    """Open chats that an agent is on, on one side of the comparison."""

    def __init__(self, customers: list[str], conversations: list[str], versions: list[int]) -> None:
        self.customers = customers
        self.conversations = conversations
        self.versions = versions
        self.said = [1] * len(conversations)
        self._turn: dict[int, int] = {}
        self._next = 0

    @classmethod
    async def made(cls, h: House, agent: str) -> Chats:
        customers = await h.customers(CHATS)
        conversations = await h.attended(customers, agent)
        versions = h.leader.memory.state.versions
        return cls(customers, conversations, [versions[f"conversation/{c}"] for c in conversations])

    def turn(self, caller: int) -> int:
        """The number of the chat in which the caller speaks next."""
        chat = self._turn.get(caller)
        if chat is None or self.said[chat] % TURNS == 0:
            chat = self._turn[caller] = self._next % CHATS
            self._next += 1
        self.said[chat] += 1
        self.versions[chat] += 1
        return chat


class Side:
    """One side's places and ids."""

    def __init__(self, chats: Chats, customers: list[str], keys: dict[str, bytes]) -> None:
        self.chats = chats
        self.customers = customers
        self.keys = keys

    @classmethod
    async def furnished(cls, h: House) -> Side:
        await h.found()
        names = await h.agents(AGENTS, "break")
        chats = await Chats.made(h, names[0])
        await h.present(names)
        customers = await h.customers(CHATS)
        keys = await h.store.keys.get([*chats.customers, *customers])
        return cls(chats, customers, keys)


async def measured(engine: str, seconds: float) -> list[list[str]]:
    """Both requests at every number of callers. Raises AssertionError when the two sides' rows differ."""
    with place(engine) as where:
        other = where.another("bare")
        async with house(other) as h:
            theirs = await Side.furnished(h)
        async with house(where) as h:
            ours = await Side.furnished(h)
            async with bare.driver(other) as driver:
                await compared(h, where, other, ours, theirs, driver)
                rows = []
                for what, pair in (
                    ("a sentence", (sentence(h, ours), bare_sentence(driver, theirs))),
                    ("first message", (first(h, ours), bare_first(driver, theirs))),
                ):
                    for number in CALLERS:
                        rows.append(await _line(engine, what, number, seconds, where, pair))
                        print(" ", *rows[-1], flush=True)
            await everything_was_offered(h)
    return rows


async def _line(
    engine: str, what: str, number: int, seconds: float, where: Place, pair: tuple[Ask, Ask]
) -> list[str]:
    meters = Meter(where.backend), Meter(where.backend)
    for _ in range(ROUNDS):
        for ask, meter in zip(pair, meters, strict=True):
            await callers(number, seconds / ROUNDS, ask, meter)
    us, hand = meters
    waits = f"{ms(percentile(us.latencies, 0.5))} / {ms(percentile(us.latencies, 0.99))}"
    ratio = us.rate / hand.rate
    aim = TARGETS[engine]
    return [
        f"{engine}, {what}", str(number), f"{us.rate:,.0f}", us.cost, waits, f"{hand.rate:,.0f}", hand.cost,
        f"{ratio:.2f}", f"{aim} {'met' if ratio >= aim else 'missed'}",
    ]  # fmt: skip


# --- the two requests, on the two sides --------------------------------------------------------------


def sentence(h: House, side: Side) -> Ask:
    chats = side.chats

    async def ask(caller: int) -> None:
        chat = chats.turn(caller)
        await h.say(chats.conversations[chat], chats.customers[chat], new_id())

    return ask


def bare_sentence(driver: bare.Driver, side: Side) -> Ask:
    chats, keys = side.chats, side.keys

    async def ask(caller: int) -> None:
        chat = chats.turn(caller)
        customer, n, version = chats.customers[chat], chats.said[chat], chats.versions[chat]
        conversation, key = chats.conversations[chat], keys[customer]
        await driver.write(bare.sentence(conversation, customer, n, version, new_id(), TEXT, key, SINCE))

    return ask


def first(h: House, side: Side) -> Ask:
    """Opens a chat, then says its first words, as the widget does: two durable answers."""
    turn = iter(range(1 << 30))

    async def ask(caller: int) -> None:
        customer, conversation = side.customers[next(turn) % CHATS], new_id()
        await h.open(conversation, customer)
        await h.say(conversation, customer, new_id())

    return ask


def bare_first(driver: bare.Driver, side: Side) -> Ask:
    turn = iter(range(1 << 30))

    async def ask(caller: int) -> None:
        number = next(turn)
        customer, conversation = side.customers[number % CHATS], new_id()
        key = side.keys[customer]
        await driver.write(bare.opening(conversation, customer, key))
        agent = f"agent{number % AGENTS:05}"
        await driver.write(bare.first(conversation, customer, new_id(), TEXT, key, agent, RECORD, RECORD))

    return ask


RECORD: dict[str, Any] = {}
"""What a decision says here; taken from the first one that the leader makes."""


# --- proof that both write the same ------------------------------------------------------------------

FACTS = """SELECT stream, version, type, type_version, org, actor, subject, data, length(sealed) FROM fact
    WHERE type <> 'deadline.fired' ORDER BY seq DESC LIMIT 6"""
KEYS = "SELECT org, actor, key, answer FROM command_key ORDER BY t DESC LIMIT 3"


async def compared(
    h: House, where: Place, other: Place, ours: Side, theirs: Side, driver: bare.Driver
) -> None:
    """Runs each request once on each side and compares what stands in the tables afterwards."""
    await sentence(h, ours)(-1)
    await bare_sentence(driver, theirs)(-1)
    await first(h, ours)(-1)
    (offered,) = await h.store.reader.rows(TABLES["work"], {"state": "offered"})
    decision = await h.store.reader.row(TABLES["decision"], (str(offered["offer"]),))
    assert decision is not None
    RECORD.clear()
    RECORD.update(cast("dict[str, Any]", decision["record"]))
    await bare_first(driver, theirs)(-1)
    one, two = await written(where, ours), await written(other, theirs)
    for left, right in zip(one, two, strict=True):
        assert left == right, f"the leader writes\n{left}\nthe driver\n{right}"


async def written(where: Place, side: Side) -> list[str]:
    """The last facts, keys and rows of a side as text, with ids and times taken out."""
    chat = side.chats.conversations[0]
    found = [row for sql in (FACTS, KEYS) for row in sorted(await where.read(sql), key=repr)]
    for name, columns in bare.INSERTS.items():
        order = "n" if name == "message" else columns[0]
        sql = f"SELECT {{}} FROM {name} WHERE {{}} ORDER BY {order} DESC LIMIT 1"
        wanted = ", ".join(TABLES[name].columns)
        found += await where.read(sql.format(wanted, "conversation > ''"))
        if name in ("message", "conversation"):
            found += await where.read(sql.format(wanted, f"conversation = '{chat}'"))
    found += await where.read(f"SELECT {', '.join(bare.AGENT)} FROM agent_state WHERE offered = 1")
    return [
        re.sub(r"\b[0-9a-v]{26}\b", "ID", re.sub(r"\b1\d{12}\b|agent\d{5}", "X", repr(row))) for row in found
    ]


async def everything_was_offered(h: House) -> None:
    """The first messages were measured with an offer each, or the figure says something else."""
    waiting = await h.store.reader.rows(TABLES["task"], {"org": ORG, "state": "queued"}, limit=1)
    assert not waiting, "agents ran out: first messages waited without an offer"


def main(arguments: list[str] | None = None) -> list[Table]:
    """Measures and gives the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.path", description=__doc__)
    parser.add_argument("--seconds", type=float, default=6, help="for each line and side")
    parser.add_argument("--engine", choices=ENGINES, action="append")
    options = parser.parse_args(arguments)
    table = Table("The full message path", "python -m bench.path", HEAD, notes=[NOTE])
    for engine in options.engine or ENGINES:
        table.rows += uvloop.run(measured(engine, options.seconds))
    return [table]


if __name__ == "__main__":
    for made in main():
        print(made.text())
