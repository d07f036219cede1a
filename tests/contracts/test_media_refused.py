"""What a media server refuses holds nothing else up: not another organisation's trunk, not who may hear whom."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest

from guichet.kit.clock import SystemClock
from guichet.kit.errors import Refused, invalid
from guichet.kit.tasks import Supervisor
from guichet.media import link
from guichet.media.drivers.fake import FakeMedia
from guichet.media.plane import Event, Room, Trunk
from guichet.media.tables import ENDPOINT, TRUNK
from guichet.server.node import Node
from guichet.server.settings import ProcessSettings
from tests.support.voice import CUSTOMER, NUMBER, Voice
from tests.support.waiting import wait_until

pytestmark = pytest.mark.contract

TLS = {"name": "TLS", "peer": "192.0.2.2:5061", "transport": "tls", "countries": ["+33"]}
FIRST = {"name": "First", "peer": "192.0.2.3:5060", "countries": ["+33"]}
HOUR = 3_600_000


class Picky(FakeMedia):
    """Refuses what the real one refuses, by the same fields: it has no TLS port, and one file is missing."""

    async def trunks(self, rev: int, trunks: Sequence[Trunk]) -> None:
        for at, trunk in enumerate(trunks):
            if trunk.transport == "tls":
                raise invalid(
                    f"trunks[{at}].transport", "media.bad_field", "this server listens on no tls port"
                )
        await super().trunks(rev, trunks)

    async def put(self, rooms: Sequence[Room]) -> None:
        for at, room in enumerate(rooms):
            for name, source in room.sources.items():
                if "missing.wav" in source.files:
                    raise invalid(f"rooms[{at}].sources.{name}.files[0]", "media.bad_field", "no such file")
            if room.recording is not None and room.recording.id == "done":
                raise Refused(
                    "conflict", "media.recording_id", "it has ended", field=f"rooms[{at}].recording.id"
                )
        await super().put(rooms)


@pytest.fixture
async def media() -> AsyncIterator[Picky]:
    tasks = Supervisor()
    yield Picky(SystemClock(), tasks)
    await tasks.close()


async def test_a_trunk_that_cannot_be_had_holds_up_no_other(voice: Voice) -> None:
    for ident, value in (("a-tls", TLS), ("b-first", FIRST)):
        await voice.do("set_config", kind="trunk", id=ident, value=value, expected_version=0)
    await wait_until(
        lambda: {"org.carrier", "org.b-first"} == set(voice.media.known_trunks), "the others are"
    )
    row = await wait_until(lambda: voice.row(TRUNK, "org.a-tls"), "it is said to be down")
    assert (row["up"], row["cause"]) == (False, "refused: transport")


async def test_a_trunk_has_the_numbers_it_is_called_by(voice: Voice) -> None:
    async def has(*numbers: str) -> None:
        def known() -> bool:
            trunk = voice.media.known_trunks.get("org.carrier")
            return trunk is not None and trunk.numbers == list(numbers)

        await wait_until(known, f"the trunk has {numbers}")

    number = {"name": "Line", "number": NUMBER, "trunk": "carrier"}
    await voice.do("set_config", kind="trunk", id="b-first", value=FIRST, expected_version=0)
    await has()
    await voice.do("set_config", kind="number", id="line", value=number, expected_version=0)
    await has(NUMBER)
    first = voice.media.known_trunks["org.b-first"]
    assert (first.numbers, first.session_s) == ([], 1_800), "a call whose end was lost is over after a while"
    await voice.do(
        "set_config", kind="number", id="line", value=number | {"active": False}, expected_version=1
    )
    await has()


async def test_trunks_get_there_though_the_clock_was_set_back(voice: Voice) -> None:
    await wait_until(lambda: "org.carrier" in voice.media.known_trunks, "the trunk is known")
    ahead = (await voice.media.state()).trunks_rev + HOUR  # of a process whose clock was wrong
    await voice.media.trunks(ahead, list(voice.media.known_trunks.values()))
    voice.media.goes()
    voice.media.comes_back()
    await voice.do("set_config", kind="trunk", id="first", value=FIRST, expected_version=0)
    await wait_until(lambda: "org.first" in voice.media.known_trunks, "the new trunk is known")


async def test_who_is_on_hold_hears_nobody_though_the_music_is_missing(voice: Voice) -> None:
    told: list[Event] = []
    assert voice.node.media is not None
    voice.node.media.listeners.append(told.append)
    await voice.room("one")
    await voice.room("two")
    await voice.do("set_rooms", rooms={"one": {"endpoints": ["a", "c"], "hears": {"a": ["c"], "c": ["a"]}}})
    await wait_until(lambda: "one" in voice.media.rooms, "they talk")
    hold = {
        "endpoints": ["c"], "hears": {"c": ["music", "tone"]},
        "sources": {"music": {"files": ["missing.wav"]}, "tone": {"tone": "busy"}},
        "recording": {"id": "done", "left": ["c"], "right": []},
    }  # fmt: skip
    await voice.do("set_rooms", rooms={"one": hold, "two": {"endpoints": ["a", "b"], "hears": {"a": ["b"]}}})
    await wait_until(lambda: "two" in voice.media.rooms, "the agent consults")
    room = voice.media.rooms["one"]
    assert (room.rev, room.hears, set(room.sources), room.recording) == (2, {"c": ["tone"]}, {"tone"}, None)
    assert voice.media.puts[-1] == {"one", "two"}
    assert [(e.kind, e.room, e.play, e.cause) for e in told] == [("played", "one", "music", "failed")]


async def test_an_endpoint_leaves_one_room_where_it_enters_another(voice: Voice) -> None:
    await voice.room("one")
    await voice.room("two")
    await voice.do("set_rooms", rooms={"one": {"endpoints": ["a", "b"]}})
    with pytest.raises(Refused) as refused:
        await voice.do("set_rooms", rooms={"two": {"endpoints": ["a"]}})
    assert refused.value.code == "room.two_places"
    await voice.do("set_rooms", rooms={"two": {"endpoints": ["a"]}}, closed=["one"])
    await voice.do("set_rooms", rooms={"two": {"endpoints": ["b"]}})
    await voice.do("open_room", room="three", customer="c1")
    await voice.do("set_rooms", rooms={"three": {"endpoints": ["a"]}})


async def test_only_numbers_of_ours_are_shown_and_emergency_numbers_are_dialled(voice: Voice) -> None:
    call = {"customer": CUSTOMER, "trunk": "carrier"}
    with pytest.raises(Refused) as refused:
        await voice.do("dial_endpoint", endpoint="one", number=NUMBER, caller_id="+33199000099", **call)
    assert refused.value.field == "caller_id"
    ours = {"name": "Ours", "number": "+33199000099", "trunk": "carrier"}
    await voice.do("set_config", kind="number", id="ours", value=ours, expected_version=0)
    await wait_until(lambda: "org.carrier" in voice.media.known_trunks, "the trunk is known")
    await voice.do("dial_endpoint", endpoint="two", number=NUMBER, caller_id="+33199000099", **call)
    await wait_until(lambda: "two" in voice.media.endpoints, "it is dialled")
    with pytest.raises(msgspec.ValidationError):
        await voice.do("dial_endpoint", endpoint="three", number="0199001234", **call)
    await voice.do("dial_endpoint", endpoint="four", number="112", **call)
    await voice.until_state("four", "over")  # this server has no such country


async def test_calls_of_a_server_that_never_comes_back_are_over(
    tmp_path: Path, database: str, media: Picky, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "STARTING", 0.5)
    settings = ProcessSettings(data_dir=tmp_path, smtp_port=0, port=0, database_url=database)
    async with Voice.running(settings, media) as voice:
        await voice.found()
        call = voice.media.far_calls("org.carrier", "+33611000000", "+33199000000")
        await voice.until_state(call, "offered")
    media.goes()
    node = await Node.open(settings, plane=media)
    try:
        node.work()
        await Voice(node, media).until_state(call, "over")
    finally:
        await node.close()


async def test_a_call_that_is_silent_was_answered(voice: Voice) -> None:
    call = voice.media.far_calls("org.carrier", "+33611000000", "+33199000000")
    await voice.until_state(call, "offered")
    voice.media.goes()  # and nobody is told of the answer
    voice.media.endpoints[call] = msgspec.structs.replace(voice.media.endpoints[call], state="silent")
    voice.media.comes_back()
    await voice.until_state(call, "answered")


async def test_a_call_to_nobody_does_not_ring_for_ever(voice: Voice) -> None:
    endpoint = voice.media.far_calls("gone.carrier", "+33611000000", NUMBER)
    await wait_until(lambda: endpoint not in voice.media.endpoints, "it is rejected")
    assert not await voice.node.store.reader.rows(ENDPOINT, {})
