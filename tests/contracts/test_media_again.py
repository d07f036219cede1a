"""Who was cut off by a failure of ours is called again: once, in time, the right one, and nobody else."""

from __future__ import annotations

import pytest

from guichet.kit.clock import MINUTE
from guichet.media.drivers.fake import FakeMedia
from guichet.media.tables import ENDPOINT
from guichet.server.checking import check_log
from guichet.server.settings import ProcessSettings
from tests.support.clocks import WrongClock
from tests.support.voice import (
    CALLER,
    CUSTOMER,
    NUMBER,
    ORG,
    TARGET,
    Voice,
    document,
    in_the_room,
    talking,
    with_an_agent,
)
from tests.support.waiting import wait_until

pytestmark = pytest.mark.contract

CALL_AGAIN = "call-again"


async def test_whoever_we_called_is_called_again_after_a_loss(voice: Voice) -> None:
    await talking(voice)
    voice.media.goes(forgetting=True)
    await voice.until_state("call", "over")
    waits = await voice.row(ENDPOINT, CALL_AGAIN) or {}
    assert waits["state"] == "dialled"  # and it stays so while we wait
    voice.media.comes_back()
    await wait_until(lambda: CALL_AGAIN in voice.media.endpoints, "they are called again")
    assert voice.media.endpoints[CALL_AGAIN].to == NUMBER
    await in_the_room(voice, CALL_AGAIN, "agent")
    found = await document(voice)
    assert found["hears"] == {CALL_AGAIN: ["agent"], "agent": [CALL_AGAIN]}
    assert (found["recording"]["id"], found["recording"]["left"]) == ("r1-again", [CALL_AGAIN])
    assert found["video"][0]["to"] == CALL_AGAIN
    voice.media.far_answers(CALL_AGAIN)
    await voice.until_state(CALL_AGAIN, "answered")
    voice.media.goes(forgetting=True)  # once is enough
    await voice.until_state(CALL_AGAIN, "over")
    assert not await voice.node.store.reader.rows(ENDPOINT, {"state": "dialled"})


@pytest.mark.parametrize("closed", [False, True])
async def test_whoever_is_not_wanted_any_more_is_not_called_again(voice: Voice, closed: bool) -> None:
    await talking(voice)
    voice.media.goes(forgetting=True)
    await voice.until_state("call", "over")
    if closed:
        await voice.do("set_rooms", closed=["room"])
    else:
        await voice.do("ask_endpoint", endpoint=CALL_AGAIN, act="hang_up")
        await voice.until_state(CALL_AGAIN, "over")
    voice.media.comes_back()
    await voice.until_state(CALL_AGAIN, "over")
    assert CALL_AGAIN not in voice.media.endpoints


async def test_whoever_was_hung_up_is_not_called_again(voice: Voice) -> None:
    await talking(voice)
    voice.media.goes(forgetting=True)
    await voice.do("ask_endpoint", endpoint="call", act="hang_up")
    await voice.until_state("call", "over")
    assert not await voice.node.store.reader.rows(ENDPOINT, {})


async def test_an_end_that_was_missed_is_no_loss(voice: Voice) -> None:
    await talking(voice)
    voice.media.goes()
    await wait_until(lambda: voice.node.media and voice.node.media.condition == "down", "it is away")
    voice.media.far_hangs_up("call")
    for _ in range(1_000):  # as many as it keeps
        voice.media.far_trunk("org.carrier", up=True)
    voice.media.comes_back(restarted=False)
    await voice.until_state("call", "over")
    assert not await voice.node.store.reader.rows(ENDPOINT, {})


async def test_a_call_waits_for_a_server_that_does_not_know_its_trunks_yet(voice: Voice) -> None:
    await voice.room()
    known, voice.media.known_trunks = voice.media.known_trunks, {}
    await voice.do("dial_endpoint", endpoint="call", customer=CUSTOMER, trunk="carrier", number=NUMBER)
    await voice.until_state("call", "dialled")
    voice.media.known_trunks = known
    await wait_until(lambda: "call" in voice.media.endpoints, "it is dialled")


async def knows(voice: Voice, *numbers: str) -> None:
    """The customer called from these numbers before."""
    for number in numbers:
        hashed = voice.node.hasher(ORG, "own", "phone", number)
        identity = {"kind": "phone", "handle": number, "hash": hashed, "proven": False}
        await voice.do(
            "register_customer", customer=CUSTOMER, client="own", anonymous=True, language="fr",
            identities=[identity],
        )  # fmt: skip


@pytest.mark.parametrize("numbers", [(CALLER,), (), (CALLER, TARGET)])
async def test_whoever_called_us_is_called_back_where_we_know_their_number(
    voice: Voice, numbers: tuple[str, ...]
) -> None:
    await voice.room()
    await voice.do(
        "set_config", kind="number", id="front", value={"name": "Front", "number": "+33199000000", "trunk": "carrier"},
        expected_version=0,
    )  # fmt: skip
    await knows(voice, *numbers)
    call = voice.media.far_calls("org.carrier", CALLER, "+33199000000")
    await voice.until_state(call, "offered")
    await voice.do("ask_endpoint", endpoint=call, act="answer")
    await voice.until_state(call, "answered")
    await with_an_agent(voice, call)
    voice.media.goes(forgetting=True)
    await voice.until_state(call, "over")
    voice.media.comes_back()
    again = f"{call}-again"
    if len(numbers) == 1:
        await wait_until(lambda: again in voice.media.endpoints, "they are called back")
        made = voice.media.endpoints[again]
        assert (made.to, made.from_) == (CALLER, "+33199000000")
    else:
        await voice.until_state(again, "over")
        assert again not in voice.media.endpoints


async def test_nobody_is_called_again_who_was_not_talking_or_where_the_trunk_says_no(voice: Voice) -> None:
    await talking(voice)
    ringing = voice.media.far_calls("org.carrier", CALLER, "+33199000000")
    await voice.until_state(ringing, "offered")
    trunk = {"name": "Carrier", "peer": "192.0.2.1:5060", "allow": ["192.0.2.0/24"], "countries": ["+33"]}
    await voice.do(
        "set_config", kind="trunk", id="carrier", value={**trunk, "call_again": False}, expected_version=1
    )
    voice.media.goes(forgetting=True)
    await voice.until_state("call", "over")
    await voice.until_state(ringing, "over")
    voice.media.comes_back()
    assert not await voice.node.store.reader.rows(ENDPOINT, {})


@pytest.mark.parametrize("minutes", [-60, 60])
async def test_a_clock_that_jumped_calls_nobody_too_late(
    settings: ProcessSettings, media: FakeMedia, minutes: int
) -> None:
    clock = WrongClock()
    async with Voice.running(settings, media, clock) as voice:
        await voice.found()
        await wait_until(lambda: "org.carrier" in media.known_trunks, "the trunk is known")
        await talking(voice)
        clock.shift = minutes * MINUTE
        media.goes(forgetting=True)
        media.comes_back()
        await wait_until(lambda: CALL_AGAIN in media.endpoints, "they are called again")


async def test_a_loss_that_nobody_saw_startles_nobody(settings: ProcessSettings, media: FakeMedia) -> None:
    async with Voice.running(settings, media) as voice:
        await voice.found()
        await wait_until(lambda: "org.carrier" in media.known_trunks, "the trunk is known")
        await talking(voice)
    media.goes(forgetting=True)
    media.comes_back()
    async with Voice.running(settings, media) as voice:
        await voice.until_state("call", "over")
        assert not await voice.node.store.reader.rows(ENDPOINT, {})
    assert not await check_log(settings, compare=True)


async def test_in_a_conference_it_is_the_customer_who_is_called_back(voice: Voice) -> None:
    """Whoever else we had called is called again too; that is not the customer."""
    await talking(voice)
    await knows(voice, CALLER)
    customer = voice.media.far_calls("org.carrier", CALLER, "+33199000000")
    await voice.until_state(customer, "offered")
    await voice.do("ask_endpoint", endpoint=customer, act="answer")
    await voice.until_state(customer, "answered")
    await voice.do("set_rooms", rooms={"room": {"endpoints": ["call", customer]}})
    voice.media.goes(forgetting=True)
    await voice.until_state("call", "over")
    await voice.until_state(customer, "over")
    voice.media.comes_back()
    wanted = {CALL_AGAIN: NUMBER, f"{customer}-again": CALLER}
    await wait_until(lambda: wanted.keys() <= voice.media.endpoints.keys(), "both are called")
    assert {again: voice.media.endpoints[again].to for again in wanted} == wanted
