"""kill -9 under traffic, at every named fault point and at random moments: what was acknowledged is there, once."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from guichet.conversations.tables import CONVERSATION
from guichet.kit.faults import POINTS
from guichet.kit.seeded import Seeded
from guichet.server import node as _node  # noqa: F401 (with it every fault point of `serve` is declared)
from guichet.server import stages
from tests.support.ledger import Ledger, OfferWalk
from tests.support.log import ALL, facts_of, opened
from tests.support.mail_client import Sink
from tests.support.serving import Serving
from tests.support.traffic import Traffic
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.fault, pytest.mark.slow]

Counted = Callable[[str, object], None]

LATE = ("channels.send.after_send", "store.job.claimed")
"""Points that traffic reaches only after a while (a mail can be taken back for ten seconds): their turn comes last."""
RARE = {
    "store.blob.written": 2,
    "store.keys.written": 4,
    "store.job.claimed": 2,
    "channels.send.after_send": 2,
}
OFTEN = 20
"""At which hit of a point the process dies, at most: after some traffic, not at the first of its steps."""
UNREACHED: dict[str, str] = {}
"""Points that no traffic through `serve` can reach, each with the reason."""
RANDOM_KILLS = 3
"""Beside one at each point, where nobody says how many."""
LIFE = 30, 250
"""How much is acknowledged before a kill at a random moment."""
POINT_SECONDS = 30.0
RATE = 50
"""Acknowledged a second, over the time in which the server was there."""


def points() -> list[str]:
    """All that `serve` can hit."""
    stages.load()
    return sorted(POINTS - set(UNREACHED), key=lambda name: (name in LATE, name))


class Lives:
    """Kills and restarts, and how long the server was up in all."""

    def __init__(self, traffic: Traffic, chance: Seeded) -> None:
        self.serving = traffic.serving
        self.ledger = traffic.ledger
        self.chance = chance
        self.kills: Counter[str] = Counter()
        self.seconds = 0.0

    async def until_point(self, name: str) -> None:
        """One life that ends at a fault point."""
        hit = 1 + self.chance.below(RARE.get(name, OFTEN))
        await self._life(f"{name}=kill@{hit}", name)

    async def until_random(self) -> None:
        """One life that ends at any moment."""
        await self._life("", "random moment")

    async def until_stopped(self) -> None:
        """One life that ends as an operator would end it, in the middle of traffic."""
        await self.serving.start()
        await self._traffic()
        assert await self.serving.stop() == 0

    async def _life(self, faults: str, name: str) -> None:
        await self.serving.start(faults)
        began = asyncio.get_running_loop().time()
        if faults:
            code = await self.serving.ended(POINT_SECONDS)
            assert code == -signal.SIGKILL, f"{name} was never hit; ended with {code}"
        else:
            await self._traffic()
            await self.serving.kill()
        self.seconds += asyncio.get_running_loop().time() - began
        self.kills[name] += 1

    async def _traffic(self) -> None:
        enough = self.ledger.total + self.chance.between(*LIFE)
        await wait_until(lambda: self.ledger.total >= enough, "traffic", POINT_SECONDS)


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    return "sqlite" if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))


@pytest.mark.timeout(3_600)
async def test_what_was_acknowledged_survives_every_kill(
    database_url: str, tmp_path: Path, kills: int | None, counted: Counted, told: Callable[[str], None]
) -> None:
    chance, ledger = Seeded(7), Ledger()
    turns = list(_turns(chance, kills or len(points()) + RANDOM_KILLS))
    async with (
        Sink.running() as sink,
        Serving.running(tmp_path, database_url, relay_port=sink.port) as serving,
    ):
        traffic = Traffic(serving, ledger, sink)
        await traffic.set_up()
        await serving.kill()
        lives = Lives(traffic, chance)
        try:
            async with traffic.flowing():
                for number, turn in enumerate(turns, 1):
                    await (lives.until_point(turn) if turn else lives.until_random())
                    told(
                        f"kill {number} of {len(turns)}, {turn or 'any moment'}: {ledger.total} acknowledged"
                    )
                rate = ledger.total / lives.seconds
                await lives.until_stopped()
                await serving.start()
                await traffic.drain()
            await _replies_arrived(traffic)
            assert await _shown_wrongly(traffic) == []
        finally:
            await traffic.close()
        assert await serving.stop() == 0
        await _log_agrees(serving, ledger)
        counted("kills", lives.kills.total())
        for what, count in (lives.kills | ledger.counts).items():
            counted(what, count)
        counted("acknowledged a second", round(rate))
        counted("mails sent more than once", len(sink.mails) - len({ident for ident, _ in sink.mails}))
        assert set(lives.kills) >= set(turns) - {""}
        assert rate >= RATE
        assert serving.problems() == []


def _turns(chance: Seeded, kills: int) -> Iterator[str]:
    """Every point once, then points and ("") random moments in turn, as many as are asked for."""
    yield from points()[:kills]
    for turn in range(kills - len(points())):
        yield chance.pick(points()) if turn % 2 else ""


async def _replies_arrived(traffic: Traffic) -> None:
    """Every reply to a mail that a desk was told to be sent leaves, once undoing is over, at least once."""
    wanted = traffic.replies_by_mail()
    await wait_until(
        lambda: wanted <= {text for _, text in traffic.sink.mails}, f"{len(wanted)} replies arrive", 60
    )
    for text, ids in traffic.sink.count().items():
        assert len(ids) == 1, f"{text!r} went out under {sorted(ids)}"


async def _shown_wrongly(traffic: Traffic) -> list[str]:
    """What stands in the visitors' widgets and in the draft, against the ledger."""
    found = []
    for visitor in traffic.visitors:
        found += traffic.ledger.check_thread(visitor, await visitor.whole_thread())
    revision, text = await traffic.saved_draft()
    if revision < traffic.ledger.draft[0] or text != f"Brouillon {revision}":
        found.append(f"the draft is {text!r} at {revision}, and was acknowledged as {traffic.ledger.draft}")
    return found


async def _log_agrees(serving: Serving, ledger: Ledger) -> None:
    """The log, the rows made from it and the files, once the server has stopped."""
    code, said = await serving.run("log", "replay", "--check")
    assert code == 0, said
    assert "live equals log" in said
    async with opened(serving) as store:
        facts = await facts_of(store)
        states = {
            str(row["conversation"]): str(row["state"])
            for row in await store.reader.rows(CONVERSATION, {}, limit=ALL)
        }
        assert ledger.check(facts) == []
        walk = OfferWalk()
        for fact in facts:
            walk.take(fact)
        assert walk.end(states) == []
        for address, content in ledger.files.items():
            assert await store.blobs.get(address) == content
        assert await store.jobs.dead() == []
