"""A customer's words on their way to the agent's screen: the whole product over real sockets.

`guichet serve` runs as a process of its own, with its followers; this process is the visitors' widgets and the
agents' desks, and speaks their protocols. A message is timed from the moment at which it was due to be sent to
the frame on the agent's socket, so that a server that falls behind cannot hide it.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import uvloop

from bench.house import ENGINES, ORG, House, Place, house, place
from bench.measure import Table, cpu_of, ms, percentile
from bench.sockets_server import raise_file_limit
from bench.wire import Wire
from guichet.kit.clock import HOUR
from guichet.kit.ids import new_id
from tests.support.serving import Serving

ENTRY = "shop-chat"
AGENTS, CHATS_EACH = 50, 60
RATES = (50, 200, 1_000)
FLOODS = (2_000, 3_000, 6_000)
AGAIN_SECONDS = 2.0
"""As the widget does: what was refused for now, and all after it, is said again so long after the last refusal."""
DRAIN_SECONDS = 60.0
IDLE_AGENTS = 1_000
OPENINGS = 20
SETTLE_SECONDS = 5.0
WORDS = "Bonjour, mon colis devait arriver hier. Pouvez-vous regarder ? (message {:08})"
MARK = b"(message "

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Script(msgspec.Struct):
    """What was made before the server started: sessions of agents and visitors, who speaks in which chat."""

    agents: dict[str, str] = {}
    visitors: list[tuple[str, str, str]] = []
    """(token, conversation, agent on it)"""


# --- before ------------------------------------------------------------------------------------------


async def furnish(where: Place, agents: int, chats_each: int, newcomers: int) -> Script:
    """Agents at work with open chats each, and visitors who have not begun to speak."""
    script = Script()
    async with house(where) as h:
        await h.found()
        names = await h.agents(agents, "break" if chats_each else "available")
        for name in names:
            script.agents[name] = await _session(h, "agent", name)
        for name in names if chats_each else ():
            customers = await h.customers(chats_each)
            conversations = await h.attended(customers, name)
            for customer, conversation in zip(customers, conversations, strict=True):
                token = await _visit(h, customer, conversation)
                script.visitors.append((token, conversation, name))
        for customer in await h.customers(newcomers):
            conversation = new_id()
            script.visitors.append((await _visit(h, customer, conversation), conversation, ""))
    return script


async def _session(h: House, kind: str, who: str, data: dict[str, str] | None = None) -> str:
    expires = 12 * HOUR + int(time.time() * 1_000)
    return await h.store.sessions.create(kind, ORG, who, expires, data)


async def _visit(h: House, customer: str, conversation: str) -> str:
    data = {"entry": ENTRY, "conversation": conversation, "language": "fr"}
    return await _session(h, "visitor", customer, data)


# --- the crowd ---------------------------------------------------------------------------------------


class Crowd:
    """All sockets, and when each message was due, acknowledged, and seen by the agent."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.desks: list[Wire] = []
        self.widgets: list[Wire] = []
        self.free: deque[int] = deque()
        """Visitors who may write: nobody writes on while their last words have not gone out."""
        self.due: dict[int, float] = {}
        self.acknowledged: dict[int, float] = {}
        self.seen: dict[int, float] = {}
        self.told: dict[int, float] = {}
        self.offered: dict[str, float] = {}
        self.refused: Counter[str] = Counter()
        self._unsaid: dict[int, int] = {}
        """By visitor: the message that is not acknowledged yet."""
        self._snapshots = 0
        self._threads = 0

    async def sign_in(self, script: Script, *, threads: bool) -> None:
        """Opens every desk, with its list and its threads, and every widget."""
        chats: dict[str, list[str]] = {}
        for _, conversation, agent in script.visitors:
            chats.setdefault(agent, []).append(conversation)
        expected = 0
        for name, token in script.agents.items():
            desk = await Wire.dial(self.port, "/api/desk", self._desk, f"guichet_session={token}")
            self.desks.append(desk)
            desk.say(_encode({"op": "subscribe", "sub": "work", "view": "my_work"}))
            expected += 1
            for nth, conversation in enumerate(chats.get(name, ()) if threads else ()):
                ask = {"op": "subscribe", "sub": f"t{nth}", "view": "thread", "partition": conversation}
                desk.say(_encode(ask))
                expected += 1
        for number, (token, _, _) in enumerate(script.visitors):
            hear = functools.partial(self._widget, number)
            widget = await Wire.dial(self.port, f"/api/webchat/{ENTRY}/socket?token={token}", hear)
            self.widgets.append(widget)
            widget.say(b'{"op":"resume","after":0}')
            self.free.append(number)
        await until(lambda: self._snapshots == expected and self._threads >= len(self.widgets))

    def _desk(self, frame: bytes) -> None:
        at = time.perf_counter()
        if frame.startswith(b'{"op":"delta"'):
            for piece in frame.split(MARK)[1:]:
                self.seen.setdefault(int(piece[:8]), at)
            if b'"sub":"work"' in frame:
                for row in _decode(frame)["set"]:
                    if row.get("state") == "offered":
                        self.offered.setdefault(row["conversation"], at)
        elif frame.startswith(b'{"op":"snapshot"'):
            self._snapshots += 1
        elif frame.startswith((b'{"op":"bye"', b'{"op":"refused"')):
            self.refused[frame.decode()] += 1

    def _widget(self, widget: int, frame: bytes) -> None:
        at = time.perf_counter()
        if frame.startswith(b'{"op":"ack"'):
            number = int(_decode(frame)["id"])
            self.acknowledged.setdefault(number, at)
            if self._unsaid.pop(widget, None) is not None:
                self.free.append(widget)
        elif frame.startswith(b'{"op":"nack"'):
            answer = _decode(frame)
            assert answer["error"]["kind"] == "limited", answer
            self.refused[answer["error"]["code"]] += 1
            self.told.setdefault(int(answer["id"]), at)
            asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._send, widget)
        elif frame.startswith(b'{"op":"thread"'):
            self._threads += 1

    def say(self, widget: int, number: int, due: float) -> None:
        """A visitor's words; kept and said again until they are acknowledged."""
        self.due[number] = due
        self._unsaid[widget] = number
        self._send(widget)

    def _send(self, widget: int) -> None:
        number = self._unsaid[widget]
        self.widgets[widget].say(
            _encode({"op": "say", "id": str(number), "text": WORDS.format(number), "attachments": []})
        )

    def close(self) -> None:
        for wire in (*self.widgets, *self.desks):
            wire.close()


async def until(condition: Callable[[], bool], seconds: float = 60) -> bool:
    """Whether it became true in time."""
    end = time.perf_counter() + seconds
    while not condition():
        if time.perf_counter() > end:
            return False
        await asyncio.sleep(0.01)
    return True


async def paced(rate: float, seconds: float, act: Callable[[int, float], None]) -> None:
    """Calls `act` at an even pace with (number, when it was due); what is late is made up for at once."""
    begun, number = time.perf_counter(), 0
    while number < rate * seconds:
        now = time.perf_counter()
        while number < rate * seconds and (due := begun + number / rate) <= now:
            act(number, due)
            number += 1
        await asyncio.sleep(min(0.001, 1 / rate))


# --- the server --------------------------------------------------------------------------------------


@asynccontextmanager
async def serving(where: Place) -> Any:  # noqa: ANN401 (a context manager's shape)
    """`guichet serve` on the place."""
    server = Serving(where.folder, where.url)
    server.data = where.folder
    try:
        await server.start()
        yield server
    finally:
        server.end()


# --- the figures -------------------------------------------------------------------------------------

HEAD = [
    "engine",
    "wanted/s",
    "sent/s",
    "on the desk/s",
    "p50 ms",
    "p99 ms",
    "ack p99 ms",
    "CPU us",
    "asked to wait",
    "told p99 ms",
]
NOTE = (
    "Timed from when the message was due to the frame on the agent's socket, for those that were not asked to wait; "
    "each was durable before, and each of the others was on the desk in the end. CPU: the server's process (and "
    f"PostgreSQL's), for each message. {AGENTS * CHATS_EACH:,} visitors in {AGENTS} agents' chats. A visitor who is "
    "asked to wait says it again after two seconds, as the widget does, and writes nothing else meanwhile."
)


async def messages(engine: str, seconds: float, rates: tuple[int, ...]) -> list[list[str]]:
    """Chats at each pace, then faster than the machine is."""
    rows = []
    with place(engine) as where:
        script = await furnish(where, AGENTS, CHATS_EACH, 0)
        async with serving(where) as server:
            crowd = Crowd(server.port)
            await crowd.sign_in(script, threads=True)
            number = 0
            for rate in rates:
                rows.append(await _at_rate(engine, where, server, crowd, number, rate, seconds))
                print(" ", *rows[-1], flush=True)
                number += int(rate * seconds) + 1
                await asyncio.sleep(1)
            crowd.close()
    return rows


async def _at_rate(
    engine: str, where: Place, server: Serving, crowd: Crowd, first: int, rate: int, seconds: float
) -> list[str]:
    crowd.refused.clear()
    before, begun = _cpu(where, server), time.perf_counter()

    def write(n: int, due: float) -> None:
        if crowd.free:
            crowd.say(crowd.free.popleft(), first + n, due)

    await paced(rate, seconds, write)
    ended = begun + seconds
    total = [n for n in crowd.due if n >= first]
    all_seen = await until(
        lambda: all(n in crowd.seen and n in crowd.acknowledged for n in total), DRAIN_SECONDS
    )
    assert all_seen, f"{sum(n not in crowd.seen for n in total)} of {len(total)} messages never came"
    cpu = (_cpu(where, server) - before) / len(total)
    in_time = sum(crowd.seen[n] <= ended for n in total)
    prompt = [n for n in total if n not in crowd.told]
    late = [crowd.seen[n] - crowd.due[n] for n in prompt]
    acks = [crowd.acknowledged[n] - crowd.due[n] for n in prompt]
    told = [crowd.told[n] - crowd.due[n] for n in total if n in crowd.told]
    return [
        engine, f"{rate:,}", f"{len(total) / seconds:,.0f}", f"{in_time / seconds:,.0f}",
        ms(percentile(late, 0.5)), ms(percentile(late, 0.99)), ms(percentile(acks, 0.99)), f"{cpu * 1e6:.0f}",
        f"{len(told) / len(total):.0%}" if told else "-", ms(percentile(told, 0.99)) if told else "-",
    ]  # fmt: skip


def _cpu(where: Place, server: Serving) -> float:
    return cpu_of(server.pid) + (cpu_of(where.backend) if where.backend is not None else 0.0)


OFFER_HEAD = ["engine", "desks signed in", "conversations/s", "offers", "p50 ms", "p99 ms", "aim"]


async def offers(engine: str, seconds: float) -> list[str]:
    """Conversations that begin, each until its offer is on some agent's socket."""
    number = int(OPENINGS * seconds)
    with place(engine) as where:
        script = await furnish(where, IDLE_AGENTS, 0, number)
        async with serving(where) as server:
            crowd = Crowd(server.port)
            await crowd.sign_in(script, threads=False)
            await asyncio.sleep(1)
            began: dict[str, float] = {}

            def begin(n: int, due: float) -> None:
                began[script.visitors[n][1]] = due
                crowd.say(n, n, due)

            await paced(OPENINGS, seconds, begin)
            await until(lambda: len(crowd.offered) >= len(began), SETTLE_SECONDS)
            crowd.close()
    late = [at - began[conversation] for conversation, at in crowd.offered.items() if conversation in began]
    assert not crowd.refused, dict(crowd.refused)
    p99 = percentile(late, 0.99)
    met = "met" if p99 < 0.1 and len(late) == number else "missed"
    return [
        engine, f"{IDLE_AGENTS:,}", str(OPENINGS), f"{len(late)} of {number}", ms(percentile(late, 0.5)), ms(p99),
        f"p99 < 100 ms {met}",
    ]  # fmt: skip


def main(arguments: list[str] | None = None) -> list[Table]:
    """Measures and gives the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.live", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="at each pace")
    parser.add_argument("--engine", choices=ENGINES, action="append")
    parser.add_argument("--rate", type=int, action="append")
    parser.add_argument("--only", choices=("messages", "offers"))
    options = parser.parse_args(arguments)
    raise_file_limit()
    command = "python -m bench.live"
    chat = Table("From the customer's widget to the agent's desk", command, HEAD, notes=[NOTE])
    offer = Table("From a conversation's first words to the offer on a desk", command, OFFER_HEAD)
    for engine in options.engine or ENGINES:
        if options.only != "offers":
            rates = tuple(options.rate or (*RATES, *FLOODS))
            chat.rows += uvloop.run(messages(engine, options.seconds, rates))
        if options.only != "messages":
            offer.rows.append(uvloop.run(offers(engine, options.seconds)))
            print(" ", *offer.rows[-1], flush=True)
    return [table for table in (chat, offer) if table.rows]


if __name__ == "__main__":
    for made in main():
        print(made.text())
