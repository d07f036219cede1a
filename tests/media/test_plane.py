"""The contract of the media port: our own media server and the fake keep it alike."""

from __future__ import annotations

import asyncio
import math
import struct
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from guichet.kit.errors import Refused
from guichet.kit.tasks import Supervisor
from guichet.media.drivers.server import MediaServer
from guichet.media.plane import (
    FRAME_BYTES,
    RATE,
    AudioSocket,
    Dial,
    Gap,
    Play,
    Position,
    Room,
    Silent,
    Source,
    Trunk,
)
from tests.media.support.far import FakeFar, Far, RealFar, telling
from tests.media.support.house import House
from tests.media.support.server import TOKEN
from tests.support.waiting import wait_until

pytestmark = pytest.mark.contract

NUMBER = "+33140000077"
TONES = {"a": 400, "b": 650, "c": 1_000}


@pytest.fixture(params=["fake", "server"])
async def far(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Far]:
    if request.param == "fake":
        tasks = Supervisor()
        yield FakeFar(tasks)
        await tasks.close()
        return
    program: Path = request.getfixturevalue("media_program")
    async with House.running(program, tmp_path) as house:
        plane = MediaServer(f"http://127.0.0.1:{house.server.port}", TOKEN)
        yield RealFar(house, plane)
        await plane.close()


def frames(hertz: int, seconds: float) -> bytes:
    count = int(RATE * seconds)
    samples = (int(8_000 * math.sin(2 * math.pi * hertz * n / RATE)) for n in range(count))
    return struct.pack(f"<{count}h", *samples)


def energy(pcm: bytes, hertz: int) -> float:
    """Amplitude of one frequency (Goertzel)."""
    samples = struct.unpack(f"<{len(pcm) // 2}h", pcm)
    turn = 2 * math.cos(2 * math.pi * hertz / RATE)
    before = last = 0.0
    for sample in samples:
        before, last = last, sample + turn * last - before
    return (
        2 * math.sqrt(max(0.0, last * last + before * before - turn * last * before)) / max(1, len(samples))
    )


async def talk(socket: AudioSocket, hertz: int) -> None:
    """Says a tone for as long as it takes."""
    while True:
        await socket.say(frames(hertz, 0.1))
        await asyncio.sleep(0.1)  # lint: allow sleeping-test, people speak in real time


async def heard(socket: AudioSocket) -> set[str]:
    """Who of a, b, c is in the next 200 ms."""
    pcm = b"".join([await asyncio.wait_for(socket.hear(), 5) for _ in range(10)])
    return {name for name, hertz in TONES.items() if energy(pcm, hertz) > 1_000}


async def until_heard(socket: AudioSocket, expected: set[str]) -> None:
    async def so() -> bool:
        return await heard(socket) == expected

    await wait_until(so, f"{expected} are heard")
    for _ in range(2):
        assert await heard(socket) == expected


async def until_the_end(socket: AudioSocket) -> None:
    while True:
        await asyncio.wait_for(socket.hear(), 5)


async def test_those_hear_who_are_named_and_nobody_else(far: Far) -> None:
    plane, tasks = far.plane, Supervisor()
    async with plane.pcm("a") as a, plane.pcm("b") as b, plane.pcm("c") as c:
        sockets = {"a": a, "b": b, "c": c}
        for name, socket in sockets.items():
            tasks.start(f"{name} talks", talk(socket, TONES[name]))
        everybody = ["a", "b", "c"]
        await plane.put([Room(id="r", rev=1, endpoints=everybody, hears={"a": ["b"], "b": ["a", "c"]})])
        await until_heard(a, {"b"})
        await until_heard(b, {"a", "c"})
        await until_heard(c, set())
        await plane.put([Room(id="r", rev=2, endpoints=everybody, hears={"c": ["a", "b"]})])
        await until_heard(c, {"a", "b"})
        await until_heard(a, set())
        await plane.put(
            [
                Room(id="r", rev=3, endpoints=["a"]),
                Room(id="s", rev=1, endpoints=["b", "c"], hears={"b": ["c"]}),
            ]
        )
        await until_heard(b, {"c"})
        await until_heard(c, set())
        await plane.put([Room(id="s", rev=2, closed=True)])
        await until_heard(b, set())
        await tasks.close()


async def test_revisions_only_rise(far: Far) -> None:
    await far.plane.put([Room(id="r", rev=5, endpoints=["a"])])
    await far.plane.put([Room(id="r", rev=5, endpoints=["a"])])
    for stale in (Room(id="r", rev=4), Room(id="r", rev=5, endpoints=["b"])):
        with pytest.raises(Refused) as refused:
            await far.plane.put([Room(id="other", rev=1), stale])
        assert (refused.value.kind, refused.value.code) == ("conflict", "media.old_rev")
    rooms = {room.id: room for room in (await far.plane.state()).rooms}
    assert rooms["r"].endpoints == ["a"]
    assert "other" not in rooms, "all of a put or nothing"


async def test_an_endpoint_is_in_one_room(far: Far) -> None:
    with pytest.raises(Refused) as refused:
        await far.plane.put([Room(id="r", rev=1, endpoints=["a"]), Room(id="s", rev=1, endpoints=["a"])])
    assert refused.value.kind == "invalid"
    assert (await far.plane.state()).rooms == []


async def test_a_call_in(far: Far) -> None:
    await far.plane.trunks(10, [far.trunk])
    async with telling(far.plane) as told:
        endpoint = await far.calls()
        offered = await told.wait("offered", endpoint=endpoint)
        assert (offered.trunk, offered.from_, offered.to) == (far.trunk.id, "+33140000001", "+33140000099")
        await far.plane.ring(endpoint)
        await far.plane.answer(endpoint)
        await told.wait("answered", endpoint=endpoint, codec="PCMA")
        (standing,) = (await far.plane.state()).endpoints
        assert (standing.id, standing.state, standing.kind, standing.incoming) == (
            endpoint,
            "answered",
            "phone",
            True,
        )
        await far.plane.hang_up(endpoint)
        left = await told.wait("left", endpoint=endpoint)
        assert left.who == "us"
        assert (await far.plane.state()).endpoints == []
        assert [event.seq for event in told.events] == list(range(1, len(told.events) + 1))


async def test_a_call_in_is_refused(far: Far) -> None:
    await far.plane.trunks(10, [far.trunk])
    async with telling(far.plane) as told:
        endpoint = await far.calls()
        await far.plane.reject(endpoint, 486)
        assert (await told.wait("left", endpoint=endpoint)).who == "us"


async def test_a_call_out(far: Far) -> None:
    await far.plane.trunks(10, [far.trunk])
    async with telling(far.plane) as told:
        await far.is_called()
        call = Dial(trunk=far.trunk.id, number=NUMBER)
        await far.plane.dial("out", call)
        await far.plane.dial("out", call)
        await far.answers("out")
        await told.wait("ringing", endpoint="out")
        await told.wait("answered", endpoint="out")
        await far.hangs_up("out")
        assert (await told.wait("left", endpoint="out")).who == "them"
        assert sum(event.kind == "answered" for event in told.events) == 1


async def test_we_hold_a_call(far: Far) -> None:
    await far.plane.trunks(10, [far.trunk])
    async with telling(far.plane) as told:

        async def until_told(outcomes: list[bool]) -> None:
            await wait_until(
                lambda: [event.on for event in told.events if event.kind == "holding"] == outcomes,
                f"holding {outcomes} among {told.events}",
            )

        endpoint = await far.calls()
        with pytest.raises(Refused) as early:
            await far.plane.hold(endpoint, True)
        assert (early.value.kind, early.value.code) == ("conflict", "media.wrong_state")
        await far.plane.answer(endpoint)
        await told.wait("answered", endpoint=endpoint)
        await far.plane.hold(endpoint, False)
        for outcomes in ([True], [True, False], [True, False, True]):
            on = outcomes[-1]
            await far.plane.hold(endpoint, on)
            await far.plane.hold(endpoint, on)
            await far.is_held(endpoint, on)
            await until_told(outcomes)
            (standing,) = (await far.plane.state()).endpoints
            assert standing.state in ("answered", "silent"), "who says nothing falls silent"
            assert standing.holding == on
        assert not any(event.kind in ("held", "resumed") for event in told.events)


async def test_numbers_that_may_not_be_called(far: Far) -> None:
    await far.plane.trunks(10, [far.trunk])
    with pytest.raises(Refused) as country:
        await far.plane.dial("out", Dial(trunk=far.trunk.id, number="+67922212345"))
    assert country.value.field == "countries"
    with pytest.raises(Refused) as trunk:
        await far.plane.dial("out", Dial(trunk="nothing", number=NUMBER))
    assert trunk.value.kind == "not_found"


async def test_a_trunk_with_a_malformed_network_is_refused(far: Far) -> None:
    nowhere = Trunk(**{**{n: getattr(far.trunk, n) for n in Trunk.__struct_fields__}, "allow": ["anywhere"]})
    with pytest.raises(Refused) as refused:
        await far.plane.trunks(2, [nowhere])
    assert refused.value.kind == "invalid"


async def test_what_is_not_there(far: Far) -> None:
    for act in (
        far.plane.ring("x"),
        far.plane.answer("x"),
        far.plane.hold("x", True),
        far.plane.refer("x", "1", NUMBER),
        far.plane.digits("x", "1", "5"),
    ):
        with pytest.raises(Refused) as refused:
            await act
        assert refused.value.kind == "not_found"
    with pytest.raises(Refused):
        await far.plane.play("nowhere", Play(play="p", heard_by=["a"], tone="busy"))
    with pytest.raises(Refused) as sdp:
        await far.plane.browser("web", "this is no SDP")
    assert sdp.value.kind == "invalid"


async def test_a_play_that_is_stopped(far: Far) -> None:
    async with far.plane.pcm("a"), telling(far.plane) as told:
        await far.plane.put([Room(id="r", rev=1, endpoints=["a"], sources={"music": Source(tone="busy")})])
        play = Play(play="p", heard_by=["a"], tone="ringback", loop=True)
        await far.plane.play("r", play)
        await far.plane.play("r", play)
        await far.plane.stop("r", "p")
        assert (await told.wait("played", play="p")).cause == "stopped"
        await far.plane.stop("r", "p")
        assert sum(event.kind == "played" for event in told.events) == 1


async def test_a_program_that_leaves(far: Far) -> None:
    async with telling(far.plane) as told:
        async with far.plane.pcm("a") as socket:
            await told.wait("connected", endpoint="a")
            assert len(await asyncio.wait_for(socket.hear(), 5)) == FRAME_BYTES
        assert (await told.wait("left", endpoint="a")).who == "them"
        async with far.plane.pcm("b") as hung:
            await far.plane.hang_up("b")
            await told.wait("left", endpoint="b", who="us")
            with pytest.raises(EOFError):
                await until_the_end(hung)


async def test_another_runs_events_are_not_there(far: Far) -> None:
    with pytest.raises(Gap):
        async with aclosing(far.plane.events(Position("another", 3))) as events:
            await anext(events)


async def test_a_server_that_is_gone_is_silent(far: Far) -> None:
    async with telling(far.plane):
        await far.goes()
        with pytest.raises(Silent):
            await far.plane.state()
        with pytest.raises(Silent):
            await far.plane.put([Room(id="r", rev=1)])
        with pytest.raises(Silent):
            async with aclosing(far.plane.events(Position("x", 0))) as events:
                await anext(events)
