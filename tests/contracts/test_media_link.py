"""The log and a media server agree: what is desired gets there, what happens there becomes facts, on both engines."""

from __future__ import annotations

import pytest

from guichet.kit.clock import SystemClock
from guichet.kit.errors import Refused
from guichet.kit.tasks import Supervisor
from guichet.media.drivers.fake import FakeMedia
from guichet.media.plane import Room
from guichet.media.tables import RECORDING, ROOM, TRUNK
from guichet.server.checking import check_log
from guichet.server.settings import ProcessSettings
from tests.support.voice import CUSTOMER, NUMBER, Voice
from tests.support.waiting import wait_until

pytestmark = pytest.mark.contract


async def test_a_room_is_put_as_it_is_desired(voice: Voice) -> None:
    await voice.room()
    wanted = {
        "endpoints": ["a", "b"],
        "hears": {"a": ["b"], "b": ["a", "music"]},
        "sources": {"music": {"tone": "busy"}},
    }
    await voice.do("set_rooms", rooms={"room": wanted})
    room = await wait_until(lambda: voice.media.rooms.get("room"), "the room is there")
    assert (room.rev, room.endpoints, room.hears) == (1, ["a", "b"], {"a": ["b"], "b": ["a", "music"]})
    assert room.sources["music"].tone == "busy"
    await voice.do("set_rooms", closed=["room"])
    await wait_until(lambda: voice.media.rooms["room"].closed, "the room is closed")
    row = await voice.row(ROOM, "room")
    assert row is not None
    assert (row["rev"], row["closed"]) == (2, True)


async def test_an_endpoint_moves_between_two_rooms_in_one_put(voice: Voice) -> None:
    await voice.room("one")
    await voice.room("two")
    await voice.do("set_rooms", rooms={"one": {"endpoints": ["a", "b"]}})
    await voice.do("set_rooms", rooms={"one": {"endpoints": ["b"]}, "two": {"endpoints": ["a"]}})
    await wait_until(lambda: "two" in voice.media.rooms, "the second room is there")
    assert voice.media.rooms["one"].endpoints == ["b"]
    assert voice.media.puts[-1] == {"one", "two"}


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"endpoints": ["a"], "hears": {"b": ["a"]}}, "hears"),
        ({"endpoints": ["a"], "hears": {"a": ["x"]}}, "hears"),
        ({"endpoints": ["a"], "sources": {"a": {}}}, "sources"),
        ({"endpoints": ["a"], "video": [{"from": "a", "kind": "camera", "to": "b"}]}, "video"),
    ],
)
async def test_a_document_that_names_strangers_is_refused(
    voice: Voice, wanted: dict[str, object], field: str
) -> None:
    await voice.room()
    with pytest.raises(Refused) as refused:
        await voice.do("set_rooms", rooms={"room": wanted})
    assert refused.value.field == field
    row = await voice.row(ROOM, "room")
    assert row is not None
    assert row["rev"] == 0


async def test_another_organisations_rooms_and_calls_are_not_there(voice: Voice) -> None:
    await voice.room()
    await voice.do("dial_endpoint", endpoint="call", customer=CUSTOMER, trunk="carrier", number=NUMBER)
    for name, fields in (
        ("set_rooms", {"closed": ["room"]}),
        ("ask_endpoint", {"endpoint": "call", "act": "hang_up"}),
        ("open_room", {"room": "room", "customer": CUSTOMER}),
    ):
        with pytest.raises(Refused) as refused:
            await voice.do(name, org="other", **fields)
        assert refused.value.kind == "not_found"
    for actor in ("agent", "visitor"):
        with pytest.raises(Refused) as refused:
            await voice.do("set_rooms", actor=actor, closed=["room"])
        assert refused.value.kind in ("forbidden", "signed_out", "not_found")


async def test_a_call_out_from_the_log_to_its_end(voice: Voice) -> None:
    await wait_until(lambda: "org.carrier" in voice.media.known_trunks, "the trunk is known")
    await voice.do("dial_endpoint", endpoint="call", customer=CUSTOMER, trunk="carrier", number=NUMBER)
    await wait_until(lambda: "call" in voice.media.endpoints, "it is dialled")
    assert voice.media.endpoints["call"].to == NUMBER
    voice.media.far_rings("call")
    await voice.until_state("call", "ringing")
    voice.media.far_answers("call")
    await voice.until_state("call", "answered")
    voice.media.far_holds("call", on=True)
    await voice.until_state("call", "held")
    voice.media.far_holds("call", on=False)
    await voice.until_state("call", "answered")
    await voice.do("ask_endpoint", endpoint="call", act="hang_up")
    await voice.until_state("call", "over")
    with pytest.raises(Refused):
        await voice.do("ask_endpoint", endpoint="call", act="hang_up")


async def test_a_country_that_may_not_be_called_ends_the_call(voice: Voice) -> None:
    await wait_until(lambda: "org.carrier" in voice.media.known_trunks, "the trunk is known")
    far = "+6799001234"
    await voice.do("dial_endpoint", endpoint="call", customer=CUSTOMER, trunk="carrier", number=far)
    await voice.until_state("call", "over")
    assert "call" not in voice.media.endpoints


async def test_a_call_in_is_answered_once(voice: Voice) -> None:
    endpoint = voice.media.far_calls("org.carrier", "+33611000000", "+33199000000")
    await voice.until_state(endpoint, "offered")
    await voice.do("ask_endpoint", endpoint=endpoint, act="answer")
    await voice.until_state(endpoint, "answered")
    voice.media.far_presses(endpoint, "4")
    voice.media.far_hangs_up(endpoint)
    await voice.until_state(endpoint, "over")
    entries = await voice.node.store.reader.entries(0, 0, 1_000)
    written = b"".join(entry.data for entry in entries)
    assert b"endpoint.offered" in b"".join(entry.type.encode() for entry in entries)
    assert b"+33611000000" not in written
    assert not [entry for entry in entries if "digit" in entry.type]


async def test_a_server_that_was_killed_gets_everything_again(voice: Voice) -> None:
    await voice.room()
    await voice.do("set_rooms", rooms={"room": {"endpoints": ["a"]}})
    await wait_until(lambda: "room" in voice.media.rooms, "the room is there")
    call = voice.media.far_calls("org.carrier", "+33611000000", "+33199000000")
    await voice.until_state(call, "offered")
    await voice.do("join_endpoint", endpoint="browser", party="agent:admin")
    voice.media.goes(forgetting=True)
    await voice.do("set_rooms", rooms={"room": {"endpoints": ["a", "b"]}})
    voice.media.comes_back()
    await wait_until(
        lambda: voice.media.rooms.get("room", Room(id="", rev=0)).rev == 2, "the room is there again"
    )
    await voice.until_state(call, "over")
    await voice.until_state("browser", "over")


async def test_a_server_that_stays_away_takes_its_calls_with_it(voice: Voice) -> None:
    call = voice.media.far_calls("org.carrier", "+33611000000", "+33199000000")
    await voice.until_state(call, "offered")
    voice.media.goes()
    await voice.until_state(call, "over")
    assert voice.node.media is not None
    assert voice.node.media.condition == "down"
    voice.media.comes_back()  # with the call, which the log has given up: whoever called has been told something else
    await wait_until(lambda: call not in voice.media.endpoints, "the forgotten call is ended")


async def test_what_happened_while_guichet_was_away_is_learnt(
    settings: ProcessSettings, media: FakeMedia
) -> None:
    async with Voice.running(settings, media) as voice:
        await voice.found()
        first = media.far_calls("org.carrier", "+33611000000", "+33199000000")
        second = media.far_calls("org.carrier", "+33611000001", "+33199000000")
        await voice.until_state(second, "offered")
    await media.answer(first)
    media.far_hangs_up(second)
    third = media.far_calls("org.carrier", "+33611000002", "+33199000000")
    async with Voice.running(settings, media) as voice:
        await voice.until_state(first, "answered")
        await voice.until_state(second, "over")
        await voice.until_state(third, "offered")
    assert not await check_log(settings, compare=True)


async def test_missed_events_are_concluded_from_what_stands(settings: ProcessSettings) -> None:
    tasks = Supervisor()
    media = FakeMedia(SystemClock(), tasks, journal=6)
    async with Voice.running(settings, media) as voice:
        await voice.found()
        await voice.room()
        gone = media.far_calls("org.carrier", "+33611000000", "+33199000000")
        await voice.until_state(gone, "offered")
    media.far_hangs_up(gone)
    calls = [media.far_calls("org.carrier", f"+3361100000{n}", "+33199000000") for n in range(5)]
    media.loses("room", "r1", "write")
    async with Voice.running(settings, media) as voice:
        await voice.until_state(gone, "over")
        for call in calls:
            await voice.until_state(call, "offered")
        await wait_until(lambda: voice.row(RECORDING, "r1"), "what no state tells was among the events kept")
    await tasks.close()


async def test_a_trunks_state_is_shown(voice: Voice) -> None:
    voice.media.far_trunk("org.carrier", up=False)
    row = await wait_until(lambda: voice.row(TRUNK, "org.carrier"), "the trunk is down")
    assert row["up"] is False
    voice.media.far_trunk("org.carrier", up=True)

    async def up() -> bool:
        row = await voice.row(TRUNK, "org.carrier")
        return row is not None and bool(row["up"])

    await wait_until(up, "the trunk is up")
