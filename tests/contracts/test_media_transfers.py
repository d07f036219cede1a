"""Calls that change hands: held, and transferred by the carrier or by a bridge of ours."""

from __future__ import annotations

import pytest

from guichet.events.base import decode
from guichet.events.media import EndpointTransferred
from guichet.kit.errors import Refused
from guichet.media.drivers.fake import FakeMedia
from guichet.media.tables import ENDPOINT
from guichet.server.settings import ProcessSettings
from tests.support.voice import CALLER, CUSTOMER, NUMBER, TARGET, Voice, document, in_the_room, talking
from tests.support.waiting import wait_until

pytestmark = pytest.mark.contract


async def outcomes(voice: Voice) -> list[str]:
    entries = await voice.node.store.reader.entries(0, 0, 1_000)
    facts = [decode(e.type, e.type_version, e.data) for e in entries if e.type == "endpoint.transferred"]
    return [fact.by for fact in facts if isinstance(fact, EndpointTransferred)]


# -- hold ------------------------------------------------------------------------------------------------


async def test_the_last_word_on_a_hold_counts(voice: Voice) -> None:
    call = await talking(voice)
    for on in (True, False, True, False, True):
        await voice.do("hold_endpoint", endpoint=call, on=on)
    await wait_until(lambda: voice.media.endpoints[call].holding, "it is held")
    await voice.do("hold_endpoint", endpoint=call, on=False)
    await wait_until(lambda: not voice.media.endpoints[call].holding, "it is taken back")


async def test_a_hold_asked_for_while_the_server_is_away_is_told_when_it_is_back(
    voice: Voice, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = await talking(voice)
    await voice.do("hold_endpoint", endpoint=call, on=True)
    await wait_until(lambda: voice.media.endpoints[call].holding, "it is held")
    await voice.media.hold(call, on=False)  # it was restarted, and has not saved this
    voice.media.restarts()
    await wait_until(lambda: voice.media.endpoints[call].holding, "it is held again")


async def test_only_an_answered_call_is_held_or_transferred(voice: Voice) -> None:
    await voice.room()
    await voice.do("dial_endpoint", endpoint="call", customer=CUSTOMER, trunk="carrier", number=NUMBER)
    for name, fields in (
        ("hold_endpoint", {"on": True}),
        ("transfer_endpoint", {"transfer": "t", "number": TARGET}),
    ):
        with pytest.raises(Refused) as refused:
            await voice.do(name, endpoint="call", **fields)
        assert refused.value.code == "endpoint.not_answered"
        with pytest.raises(Refused) as refused:
            await voice.do(name, org="other", endpoint="call", **fields)
        assert refused.value.kind == "not_found"


# -- transfer --------------------------------------------------------------------------------------------


async def transfer(voice: Voice, call: str) -> None:
    await voice.do("transfer_endpoint", endpoint=call, transfer="t1", number=TARGET)
    await wait_until(lambda: (call, "t1", TARGET) in voice.media.referred, "the carrier is asked")


async def test_a_carrier_that_takes_the_call_over_has_it(voice: Voice) -> None:
    call = await talking(voice)
    await transfer(voice, call)
    voice.media.far_refers(call, "t1", 200)
    await voice.until_state(call, "over")
    assert await outcomes(voice) == ["carrier"]
    assert "t1" not in voice.media.endpoints


@pytest.mark.parametrize("code", [405, 486, 0])
async def test_a_call_that_the_carrier_does_not_take_over_is_bridged(voice: Voice, code: int) -> None:
    call = await talking(voice)
    await transfer(voice, call)
    voice.media.far_refers(call, "t1", code)
    await wait_until(lambda: "t1" in voice.media.endpoints, "we call there ourselves")
    assert voice.media.endpoints["t1"].to == TARGET
    assert (await document(voice))["endpoints"] == [call, "agent"]  # nobody waits in silence meanwhile
    voice.media.far_answers("t1")
    await in_the_room(voice, call, "t1")
    assert (await document(voice))["hears"] == {call: ["t1"], "t1": [call]}
    assert await outcomes(voice) == ["us"]
    voice.media.far_hangs_up("t1")
    await voice.until_state(call, "over")


async def test_whoever_cannot_be_reached_leaves_the_call_with_us(voice: Voice) -> None:
    call = await talking(voice)
    await transfer(voice, call)
    voice.media.far_refers(call, "t1", 405)
    await wait_until(lambda: "t1" in voice.media.endpoints, "we call there ourselves")
    voice.media.far_hangs_up("t1", 486)
    await voice.until_state("t1", "over")
    assert await outcomes(voice) == ["nobody"]
    assert (await document(voice))["endpoints"] == [call, "agent"]
    await voice.do("transfer_endpoint", endpoint=call, transfer="t2", number=TARGET)


async def test_a_customer_who_hangs_up_ends_the_call_made_for_them(voice: Voice) -> None:
    call = await talking(voice)
    await transfer(voice, call)
    voice.media.far_refers(call, "t1", 405)
    await wait_until(lambda: "t1" in voice.media.endpoints, "we call there ourselves")
    voice.media.far_hangs_up(call)
    await voice.until_state("t1", "over")


async def test_a_transfer_that_cannot_even_be_asked_for_is_bridged_or_over(voice: Voice) -> None:
    call = await talking(voice)
    far = "+6799001234"  # a country that the trunk may not call
    await voice.do("transfer_endpoint", endpoint=call, transfer="t1", number=far)

    async def over() -> bool:
        return await outcomes(voice) == ["nobody"]

    voice.media.far_refers(call, "t1", 403)
    await wait_until(over, "nobody is reached")
    assert (await voice.row(ENDPOINT, call) or {})["state"] == "answered"


async def test_a_transfer_whose_outcome_was_missed_is_bridged(
    settings: ProcessSettings, media: FakeMedia
) -> None:
    async with Voice.running(settings, media) as voice:
        await voice.found()
        await wait_until(lambda: "org.carrier" in media.known_trunks, "the trunk is known")
        call = await talking(voice)
        await transfer(voice, call)
    media.far_refers(call, "t1", 405)
    media.restarts()  # and nobody has heard of it
    async with Voice.running(settings, media) as voice:
        await wait_until(lambda: "t1" in media.endpoints, "we call there ourselves")
        media.far_answers("t1")
        await in_the_room(voice, call, "t1")


async def test_a_transfer_under_way_is_waited_for_over_a_restart(voice: Voice) -> None:
    call = await talking(voice)
    await transfer(voice, call)
    voice.media.restarts()
    voice.media.far_refers(call, "t1", 200)
    await voice.until_state(call, "over")
    assert await outcomes(voice) == ["carrier"]
    assert "t1" not in voice.media.endpoints


async def test_a_transfer_asked_for_while_the_server_is_away_is_made_once(voice: Voice) -> None:
    call = await talking(voice)
    voice.media.goes()
    await voice.do("transfer_endpoint", endpoint=call, transfer="t1", number=TARGET)
    voice.media.comes_back()
    await wait_until(lambda: (call, "t1", TARGET) in voice.media.referred, "the carrier is asked")
    voice.media.far_refers(call, "t1", 200)
    await voice.until_state(call, "over")
    assert await outcomes(voice) == ["carrier"]


async def test_a_customer_who_is_erased_meanwhile_is_transferred_nowhere(voice: Voice) -> None:
    call = await talking(voice)
    await transfer(voice, call)
    await voice.erased()
    voice.media.far_refers(call, "t1", 405)

    async def nobody() -> bool:
        return await outcomes(voice) == ["nobody"]

    await wait_until(nobody, "nobody is reached")
    other = voice.media.far_calls("org.carrier", CALLER, "+33199000000")
    await voice.until_state(other, "offered")


async def test_a_telephone_that_nobody_hears_any_more_is_hung_up(voice: Voice) -> None:
    call = await talking(voice)
    third = voice.media.far_calls("org.carrier", CALLER, "+33199000000")
    await voice.until_state(third, "offered")
    await voice.do("ask_endpoint", endpoint=third, act="answer")
    await voice.until_state(third, "answered")
    await voice.do("set_rooms", rooms={"room": {"endpoints": [call, third]}})
    await transfer(voice, call)
    voice.media.far_refers(call, "t1", 405)
    await wait_until(lambda: "t1" in voice.media.endpoints, "we call there ourselves")
    voice.media.far_answers("t1")
    await voice.until_state(third, "over")


async def test_one_transfer_at_a_time_with_an_id_and_a_number_of_its_own(voice: Voice) -> None:
    call = await talking(voice)
    await transfer(voice, call)
    await voice.do("transfer_endpoint", endpoint=call, transfer="t1", number=TARGET)  # a repetition
    for fields, code in (
        ({"transfer": "t2"}, "transfer.pending"),
        ({"transfer": "t2", "trunk": "nowhere"}, "transfer.pending"),
    ):
        with pytest.raises(Refused) as refused:
            await voice.do("transfer_endpoint", endpoint=call, number=TARGET, **fields)
        assert refused.value.code == code
    voice.media.far_refers(call, "t1", 405)
    await wait_until(lambda: "t1" in voice.media.endpoints, "we call there ourselves")
    voice.media.far_hangs_up("t1")
    await voice.until_state("t1", "over")
    for fields, code in (
        ({"transfer": "agent", "trunk": "nowhere"}, "trunk.not_found"),
        ({"transfer": "t1"}, "transfer.taken"),
        ({"transfer": "t3", "caller_id": "+33199000000"}, "number.not_found"),
    ):
        with pytest.raises(Refused) as refused:
            await voice.do("transfer_endpoint", endpoint=call, number=TARGET, **fields)
        assert refused.value.code == code
    await voice.do("set_rooms", rooms={"room": {"endpoints": []}})
    with pytest.raises(Refused) as refused:
        await voice.do("transfer_endpoint", endpoint=call, transfer="t4", number=TARGET)
    assert refused.value.code == "transfer.no_room"
