"""Who may call, who may be called, and what strangers get: nothing."""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.media.support.carrier import Carrier, Phone
from tests.media.support.house import House
from tests.media.support.logins import registrar, unbelieved
from tests.media.support.scenarios import Audio, Login
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

ANNE, BEN, STRANGER = 400, 650, 1_050
ALL = (ANNE, BEN, STRANGER)
LOGIN, WRONG = Login("ab12", "sesame"), Login("ab12", "barley")
FLOOD_SECONDS, FLOOD_PER_SECOND = 3.0, 1_000
FLOOD_GAP_SECONDS = 0.1


@asynccontextmanager
async def strange(house: House, folder: Path) -> AsyncIterator[Carrier]:
    """Somebody at an address that no trunk names."""
    async with Carrier.running(folder, house.studio, house.server) as stranger:
        yield stranger


async def talking(house: House) -> tuple[Phone, str, Phone, str]:
    """Anne and Ben hear each other."""
    anne, a = await house.answered(ANNE)
    ben, b = await house.answered(BEN, sender="+33140000002")
    await house.server.control.room("c1", endpoints=[a, b], hears={a: [b], b: [a]})
    await anne.speaker.hears({BEN}, ALL)
    await ben.speaker.hears({ANNE}, ALL)
    return anne, a, ben, b


async def test_a_registration_is_kept_and_taken_back(house: House) -> None:
    carrier = await house.carrier.acts(registrar(LOGIN))
    signed = {"register": True, "username": LOGIN.username, "password": LOGIN.password, "register_s": 60}
    await house.server.control.trunks(house.carrier.trunk(**signed))
    assert await carrier.lived("asks") == "60"
    await carrier.lived("registered")
    await house.server.events.wait_for("trunk_up", trunk=house.carrier.id)
    assert await carrier.lived("asks", within=3) == "60", "after 4/5 of the 2 s that were granted"
    await carrier.lived("registered")
    await house.server.control.trunks(house.carrier.trunk())
    assert await carrier.lived("asks", within=3) == "0"
    await carrier.lived("registered")
    assert house.server.events.count("trunk_up") == 1
    assert not house.server.events.count("trunk_down")


async def test_a_registration_with_a_wrong_password(house: House) -> None:
    """It is said once, tried again after a pause and not in a circle, and goes as soon as the password is right."""
    carrier = await house.carrier.acts(registrar(LOGIN))
    wrong = {"register": True, "username": WRONG.username, "password": WRONG.password, "register_s": 60}
    await house.server.control.trunks(house.carrier.trunk(**wrong))
    await house.server.events.wait_for("trunk_down", trunk=house.carrier.id, cause="credentials")
    await carrier.lived("refused")
    await carrier.speaker.hearing(0.7)
    assert carrier.story.count("refused") == 1, "two requests, then a pause"
    await house.server.control.trunks(house.carrier.trunk(**{**wrong, "password": LOGIN.password}))
    await house.server.events.wait_for("trunk_up", trunk=house.carrier.id)
    await carrier.lived("registered")


async def test_a_caller_shows_who_they_are(house: House) -> None:
    await house.server.control.trunks(
        house.carrier.trunk(in_username=LOGIN.username, in_password=LOGIN.password)
    )
    anne, a = await house.answered(ANNE, login=LOGIN)
    await house.server.control.room(
        "c1", endpoints=[a], sources={"t": {"tone": f"{BEN}/1000"}}, hears={a: ["t"]}
    )
    await anne.speaker.hears({BEN}, ALL)
    anne.do("HANGUP")
    await anne.over()
    assert not house.server.events.count("refused")


async def test_a_caller_with_a_wrong_password(house: House) -> None:
    await house.server.control.trunks(
        house.carrier.trunk(in_username=LOGIN.username, in_password=LOGIN.password)
    )
    other = await house.carrier.acts(unbelieved(Audio(9, house.carrier.host), WRONG), calls=True)
    await other.lived("refused 401")
    await house.server.events.wait_for("refused", trunk=house.carrier.id, cause="digest", count=1)
    assert not house.server.events.count("offered")


@pytest.mark.parametrize("login", [LOGIN, WRONG])
async def test_we_show_who_we_are(house: House, login: Login) -> None:
    await house.server.control.trunks(house.carrier.trunk(username=login.username, password=login.password))
    ben = await house.carrier.awaits(BEN, login=LOGIN)
    await house.server.control.dial("out-ben", house.carrier.id)
    if login is WRONG:
        await ben.lived("refused 403")
        await house.server.events.wait_for(
            "left", endpoint="out-ben", who="them", cause="forbidden", code=403
        )
        return
    await ben.lived("rings")
    ben.do("ANSWER")
    await ben.answered()
    tone = {"t": {"tone": f"{ANNE}/1000"}}
    await house.server.control.room("c1", endpoints=["out-ben"], sources=tone, hears={"out-ben": ["t"]})
    await ben.speaker.hears({ANNE}, ALL)
    await house.server.control.act("out-ben", "hangup")
    await ben.lived("asks BYE")
    await ben.lived("got BYE")
    await ben.over()


async def test_strangers_hear_nothing_and_are_counted(house: House, tmp_path: Path) -> None:
    async with strange(house, tmp_path) as stranger:
        caller = await stranger.calls(STRANGER)
        told = await house.server.events.wait_for("refused", cause="unknown_source")
        assert told["count"] >= 1
        assert "trunk" not in told, "nobody knows whose it is"
        assert len(caller.story) == 1, caller.story
        assert "SIP/2.0 1" not in caller.messages()
        assert "SIP/2.0 4" not in caller.messages()
    assert not house.server.events.count("offered")


async def test_an_empty_list_lets_nothing_in(house: House) -> None:
    control = house.server.control
    await control.trunks(house.carrier.trunk(allow=[]))
    caller = await house.carrier.calls(ANNE)
    await house.server.events.wait_for("refused", cause="unknown_source")
    assert len(caller.story) == 1, caller.story
    for broken in ("everybody", "127.0.0.1", "127.0.0.0/33", ""):
        body = {"rev": 9, "trunks": [house.carrier.trunk(allow=[broken])]}
        refusal = await control.ask("PUT", "/v1/trunks", body, status=422)
        assert refusal["field"] == "trunks[0].allow[0]"
    assert not house.server.events.count("offered")


async def test_limits_of_incoming_calls(house: House) -> None:
    await house.server.control.trunks(house.carrier.trunk(max_calls=1))
    anne, a = await house.answered(ANNE)
    second = await house.carrier.calls(BEN)
    await second.lived("refused 503")
    await house.server.events.wait_for("refused", trunk=house.carrier.id, cause="max_calls", count=1)
    await house.server.control.act(a, "hangup")
    await anne.over()
    await house.server.control.trunks(house.carrier.trunk(max_per_s=0.1))
    await house.offered(ANNE)
    third = await house.carrier.calls(BEN)
    await third.lived("refused 503")
    await house.server.events.wait_for("refused", trunk=house.carrier.id, cause="max_per_s", count=1)


@pytest.mark.parametrize(
    ("field", "status", "limits", "first"),
    [
        ("max_calls", 429, {"max_calls": 1}, "+33140000077"),
        ("max_per_s", 429, {"max_per_s": 0.1}, "+33140000077"),
        ("countries", 403, {"countries": ["+32"]}, ""),
        ("countries", 403, {"countries": []}, ""),
        ("price_per_min", 403, {"spend_per_day": 1, "price_per_min": {"+32": 1}}, ""),
        ("spend_per_day", 403, {"spend_per_day": 0.01, "price_per_min": {"+33": 60}}, "+33140000077"),
    ],
)
async def test_limits_of_calls_we_make(
    house: House, field: str, status: int, limits: dict[str, object], first: str
) -> None:
    await house.server.control.trunks(house.carrier.trunk(**limits))
    if first:
        ben = await house.dialled(BEN, "out-ben")
        ben.do("ANSWER")
        await ben.answered()
        await ben.speaker.hearing(0.1)  # costs 0.1, where it costs
    body = {"trunk": house.carrier.id, "number": "+33140000078", "timeout_ms": 5_000}
    refused = await house.server.control.act("out-x", "dial", status=status, **body)
    assert (refused["code"], refused["field"]) == ("limit", field)
    assert refused["remedy"]
    await house.server.events.wait_for("refused", trunk=house.carrier.id, cause=field, count=1)
    assert await house.server.control.endpoint("out-x") is None


async def test_a_flood_of_calls_from_a_stranger(house: House, counted: Callable[[str, object], None]) -> None:
    """1,000 INVITEs a second while two people talk."""
    anne, _, ben, _ = await talking(house)
    marks = len(anne.speaker.packets), len(ben.speaker.packets)
    lines = (
        "INVITE sip:100@[remote] SIP/2.0", "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-{0}",
        "From: <sip:100@192.0.2.1>;tag={0}", "To: <sip:100@192.0.2.1>", "Call-ID: {0}", "CSeq: 1 INVITE",
        "Contact: <sip:100@192.0.2.1>", "Content-Length: 0", "", "",
    )  # fmt: skip
    message = "\r\n".join(lines)
    began, sent = time.monotonic(), 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.250.250.250", 0))
        stranger.setblocking(False)

        def flooded() -> bool:
            nonlocal sent
            due = int((time.monotonic() - began) * FLOOD_PER_SECOND)
            for number in range(sent, due):
                stranger.sendto(message.format(number).encode(), ("127.0.0.1", house.server.sip_port))
            sent = max(sent, due)
            return time.monotonic() - began > FLOOD_SECONDS

        await wait_until(flooded, "the flood is over")
        rate = sent / (time.monotonic() - began)
        heard = [phone.speaker.since(mark) for phone, mark in zip((anne, ben), marks, strict=True)]

        def told() -> int:
            events = house.server.events.all
            return sum(each["count"] for each in events if each["kind"] == "refused")

        await wait_until(lambda: told() == sent, "each of them is counted", 3)
        with pytest.raises(BlockingIOError):
            stranger.recv(1)
    gap = max(hearing.longest_gap for hearing in heard)
    counted("a stranger's INVITEs a second while two people talk", round(rate))
    counted("a stranger's INVITEs: longest gap ms of the two", round(gap * 1000))
    assert rate > 0.9 * FLOOD_PER_SECOND
    assert [hearing.lost for hearing in heard] == [0, 0]
    assert gap < FLOOD_GAP_SECONDS
    for hearing, partner in zip(heard, (BEN, ANNE), strict=True):
        assert hearing.tones(ALL) == {partner}
    assert not any(event["kind"] == "offered" for event in house.server.events.all[6:])


async def test_audio_of_a_stranger_is_not_heard_and_counted(house: House, tmp_path: Path) -> None:
    anne, a, ben, b = await talking(house)
    port = next(int(line.partition(" ")[2]) for line in anne.story if line.startswith("media "))
    async with strange(house, tmp_path) as stranger:
        intruder = house.studio.speaker(STRANGER, host=stranger.host)
        intruder.speak_to(port)
        neighbour = house.studio.speaker(STRANGER, host=house.carrier.host)
        neighbour.pretend(anne.speaker)
        neighbour.speak_to(port)
        await ben.speaker.hearing(1.0)
        await ben.speaker.hears({ANNE}, ALL)
        await anne.speaker.hears({BEN}, ALL)
        assert not intruder.packets
        assert not neighbour.packets
    await house.server.control.act(a, "hangup")
    quality = await house.server.events.wait_for("quality", endpoint=a)
    while not quality.get("strangers"):
        quality = await house.server.events.wait_for("quality", endpoint=a)
    assert quality["strangers"] >= 100
    await house.server.control.act(b, "hangup")
    quality = await house.server.events.wait_for("quality", endpoint=b)
    assert "strangers" not in quality
