"""What carriers and their telephones do in a call: early media, hold, another port, timers, transfers, digits."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from tests.media.support.carrier import Phone
from tests.media.support.house import House
from tests.media.support.scenarios import (
    REDIRECTED,
    REFERRED,
    label,
    log,
    ok,
    recv,
    scenario,
    send,
)  # fmt: skip
from tests.media.support.server import rtp_block
from tests.media.support.speaker import Hearing
from tests.media.support.tones import COLUMNS, LOUD_DB, ROWS
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

ANNE, BEN, MOVED, MUSIC = 400, 650, 1_050, 2_050
ALL = (ANNE, BEN, MOVED, MUSIC)
KEYPAD = ROWS + COLUMNS
PROMPTS = {"music.wav": MUSIC}


async def talking(house: House, **how: object) -> tuple[Phone, str, Phone, str]:
    """Anne and Ben hear each other."""
    anne, a = await house.answered(ANNE, **how)
    ben, b = await house.answered(BEN, sender="+33140000002")
    await house.server.control.room("c1", endpoints=[a, b], hears={a: [b], b: [a]})
    await anne.speaker.hears({BEN}, ALL)
    await ben.speaker.hears({ANNE}, ALL)
    return anne, a, ben, b


async def test_an_announcement_before_the_answer(media_program: Path, tmp_path: Path) -> None:
    async with House.running(media_program, tmp_path, prompts=PROMPTS) as house:
        anne, a = await house.offered(ANNE)
        music = {"music": {"files": ["music.wav"]}}
        await house.server.control.room("c1", endpoints=[a], hears={a: ["music"]}, sources=music)
        assert not anne.speaker.packets
        await house.server.control.act(a, "early")
        await anne.lived("early")
        await anne.speaker.hears({MUSIC}, ALL)
        assert (await house.server.control.endpoint(a) or {})["state"] == "early"
        await house.server.control.act(a, "answer")
        await anne.answered()
        await anne.speaker.hears({MUSIC}, ALL)


async def test_we_hear_what_the_carrier_plays_before_its_answer(house: House) -> None:
    anne, a = await house.answered(ANNE)
    ben = await house.dialled(BEN, "out-ben", early_media=True)
    await house.server.control.room("c1", endpoints=[a, "out-ben"], hears={a: ["out-ben"], "out-ben": [a]})
    await anne.speaker.hears((), ALL)
    ben.do("EARLY")
    await ben.lived("early")
    ben.talk()
    await house.server.events.wait_for("early", endpoint="out-ben", codec="PCMA")
    await anne.speaker.hears({BEN}, ALL)
    assert not house.server.events.count("answered", endpoint="out-ben")
    ben.do("ANSWER")
    await house.server.events.wait_for("answered", endpoint="out-ben")
    await anne.speaker.hears({BEN}, ALL)
    await ben.speaker.hears({ANNE}, ALL)


@pytest.mark.parametrize(("word", "answer"), [("HOLD", "recvonly"), ("INACTIVE", "inactive")])
async def test_the_telephone_holds_and_resumes(house: House, word: str, answer: str) -> None:
    anne, a, ben, _ = await talking(house)
    anne.do(word)
    await anne.lived(f"direction {answer}")
    await house.server.events.wait_for("held", endpoint=a)
    anne.speaker.silent = word == "INACTIVE"
    await anne.speaker.hearing(0.1)
    assert not (await anne.speaker.hearing(0.5)).packets, "a telephone on hold is sent nothing"
    await ben.speaker.hears({ANNE} if word == "HOLD" else (), ALL)
    anne.speaker.silent = False
    anne.do("RESUME")
    await anne.lived("direction sendrecv")
    await house.server.events.wait_for("resumed", endpoint=a)
    await anne.speaker.hears({BEN}, ALL)
    await ben.speaker.hears({ANNE}, ALL)


async def test_hold_from_our_side_is_another_matrix(media_program: Path, tmp_path: Path) -> None:
    async with House.running(media_program, tmp_path, prompts=PROMPTS) as house:
        anne, a, ben, b = await talking(house)
        music = {"music": {"files": ["music.wav"]}}
        await house.server.control.room("c1", endpoints=[a, b], hears={a: ["music"]}, sources=music)
        await anne.speaker.hears({MUSIC}, ALL)
        await ben.speaker.hears((), ALL)
        await house.server.control.room("c1", endpoints=[a, b], hears={a: [b], b: [a]})
        await anne.speaker.hears({BEN}, ALL)
        await ben.speaker.hears({ANNE}, ALL)
        assert "got INVITE" not in anne.story, "the telephone need not be asked"


async def test_the_trunk_is_told_of_our_hold(media_program: Path, tmp_path: Path) -> None:
    """And whoever is on hold is heard by nobody, though the carrier goes on sending and the room would let it."""
    async with House.running(media_program, tmp_path, prompts=PROMPTS) as house:
        anne, a, ben, b = await talking(house)
        control, events = house.server.control, house.server.events
        music = {"music": {"files": ["music.wav"]}}
        await control.room("c1", endpoints=[a, b], hears={a: ["music"], b: [a]}, sources=music)
        await ben.speaker.hears({ANNE}, ALL)
        await control.act(a, "hold")
        await anne.lived("direction sendonly")
        await events.wait_for("holding", endpoint=a, on=True)
        await anne.speaker.hears({MUSIC}, ALL)
        await ben.speaker.hears((), ALL)
        anne.do("HOLD")
        await anne.lived("direction inactive")
        await events.wait_for("held", endpoint=a)
        await anne.speaker.hearing(0.1)
        assert not (await anne.speaker.hearing(0.3)).packets, "both hold: nothing flows"
        anne.do("RESUME")
        await anne.lived("direction sendonly")
        await anne.speaker.hears({MUSIC}, ALL)
        await ben.speaker.hears((), ALL)
        await control.room("c1", endpoints=[a, b], hears={a: [b], b: [a]})
        await control.act(a, "resume")
        await anne.lived("direction sendrecv")
        await anne.speaker.hears({BEN}, ALL)
        await ben.speaker.hears({ANNE}, ALL)


async def test_a_telephone_moves_to_another_port(house: House) -> None:
    elsewhere = house.studio.speaker(MOVED, host=house.carrier.host)
    anne, a, ben, _ = await talking(house, moves_to=elsewhere.port)
    anne.do("MOVE")
    await anne.lived("direction sendrecv")
    anne.speaker.silent = True
    ports = [line.partition(" ")[2] for line in anne.story if line.startswith("media ")]
    elsewhere.speak_to(int(ports[-1]))
    await elsewhere.hears({BEN}, ALL)
    await ben.speaker.hears({MOVED}, ALL)
    assert not (await anne.speaker.hearing(0.3)).packets, "nothing more goes where the telephone was"
    assert not house.server.events.count("held", endpoint=a)


async def test_we_refresh_a_session(house: House) -> None:
    """The far side's 200 says 3 s: after half of them we ask again, and again, and the call goes on."""
    ben = await house.dialled(BEN, "out-ben", session="3;refresher=uac")
    ben.do("ANSWER")
    await ben.answered()
    await house.server.control.room("c1", endpoints=["out-ben"], hears={})
    for _ in range(2):
        await ben.lived("got INVITE", within=3)
    assert not house.server.events.count("left")


async def test_a_session_that_the_far_side_keeps(house: House) -> None:
    ben = await house.dialled(BEN, "out-ben", session="6;refresher=uas")
    ben.do("ANSWER")
    await ben.answered()
    ben.do("REFRESH")
    await ben.lived("direction sendrecv")
    await ben.speaker.hearing(4.5)
    assert not house.server.events.count("left"), "it was refreshed"
    assert "got BYE" not in ben.story


async def test_a_session_that_nobody_refreshes_ends(house: House) -> None:
    ben = await house.dialled(BEN, "out-ben", session="3;refresher=uas")
    ben.do("ANSWER")
    await ben.answered()
    await house.server.events.wait_for(
        "left", endpoint="out-ben", who="network", cause="session_expired", within=10
    )
    await ben.lived("got BYE")
    await ben.over()


async def test_keep_alive_both_ways(house: House) -> None:
    pong = scenario(label("next"), recv("OPTIONS", '<log message="asked"/>'), ok(next="next"))
    carrier = await house.carrier.acts(pong)
    await house.server.control.trunks(house.carrier.trunk(options_s=5))
    await house.server.events.wait_for("trunk_up", trunk=house.carrier.id)
    await carrier.lived("asked")
    await carrier.lived("asked", within=7)
    ping = scenario(
        send(
            "OPTIONS sip:[remote_ip]:[remote_port] SIP/2.0",
            "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]",
            "From: <sip:carrier@[local_ip]>;tag=[pid]", "To: <sip:[remote_ip]>", "CSeq: 1 OPTIONS", again=True,
        ),
        recv("200"),
        log("alive"),
    )  # fmt: skip
    asking = await house.carrier.acts(ping, calls=True)
    await asking.lived("alive")
    await asking.over()


@pytest.mark.parametrize(("word", "code"), [("DONE", 200), ("FAILED", 486)])
async def test_we_transfer_and_hear_what_became_of_it(house: House, word: str, code: int) -> None:
    anne, a = await house.answered(ANNE)
    await house.server.control.act(a, "refer", act="t1", number=REFERRED)
    await anne.lived("got REFER")
    assert f"Refer-To: <sip:{REFERRED}@" in anne.messages()
    anne.do(word)
    await house.server.events.wait_for("referred", endpoint=a, act="t1", code=code)
    assert not house.server.events.count("left", endpoint=a), "Guichet hangs up, or goes on talking"


@pytest.mark.parametrize(("cause", "code"), [("transferred", 200), ("no_answer", 603)])
async def test_the_far_side_asks_for_a_transfer(house: House, cause: str, code: int) -> None:
    anne, a = await house.answered(ANNE)
    anne.do("TRANSFER")
    await house.server.events.wait_for("transfer_asked", endpoint=a, to=REFERRED)
    await anne.lived("got NOTIFY 100")
    await house.server.control.act(a, "hangup", cause=cause)
    await anne.lived(f"got NOTIFY {code}")
    await anne.lived("got BYE")
    await anne.over()


async def test_digits_belong_to_one_leg(house: House) -> None:
    """By RFC 4733 (Anne) and by INFO (Ben), both ways; nothing of them comes to who listens."""
    anne, a, ben, b = await talking(house)
    marks = len(anne.speaker.packets), len(ben.speaker.packets)
    anne.speaker.press("159#")
    for digit in "159#":
        await house.server.events.wait_for("digit", endpoint=a, digit=digit, via="rtp")
    ben.do("DIGIT")
    await house.server.events.wait_for("digit", endpoint=b, digit="5", via="info")
    await house.server.control.act(a, "digits", act="d1", digits="42*")
    await wait_until(lambda: anne.speaker.since(0).digits == "42*", "the keys arrive")
    await house.server.control.act(b, "digits", act="d2", digits="7", via="info")
    await ben.lived("got INFO 7")
    await anne.speaker.hears({BEN}, ALL)
    await ben.speaker.hears({ANNE}, ALL)

    for phone, mark in zip((anne, ben), marks, strict=True):
        assert phone.speaker.since(mark).tones(KEYPAD) == frozenset()
    assert ben.speaker.since(0).digits == ""
    assert not any(line.startswith("got INFO") for line in anne.story)
    assert house.server.events.count("digit", endpoint=b) == 1
    assert '"digit' not in house.server.log(), "digits are not for the log"


async def sung(house: House, keys: str, caller: Phone, listener: Phone, endpoint: str) -> tuple[str, int]:
    """Keys are pressed on the caller's telephone: which are told, and how many of the packets that the listener gets
    sound like one."""
    mark = len(listener.speaker.packets)

    def told() -> str:
        return "".join(
            event["digit"]
            for event in house.server.events.all
            if event["kind"] == "digit" and event["endpoint"] == endpoint and event["via"] == "inband"
        )

    before = len(told())
    caller.speaker.sing(keys)
    await wait_until(lambda: not caller.speaker.singing, "the last key is pressed")
    await listener.speaker.hears({caller.speaker.hertz}, ALL)
    with suppress(AssertionError):
        await wait_until(lambda: len(told()) - before >= len(keys), "all keys are told", 2)
    heard = [Hearing((packet,), "PCMA") for packet in listener.speaker.since(mark).packets]
    levels = [min(max(map(one.level, ROWS)), max(map(one.level, COLUMNS))) for one in heard]
    return told()[before:], sum(level > LOUD_DB - 8 for level in levels)


async def test_keys_that_come_as_sound(house: House) -> None:
    """Anne's telephone has no events: its keys are told, and who listens hears her, but not them. A machine that stalls
    breaks a key apart; then they are pressed again."""
    anne, a, ben, _ = await talking(house, events=False)
    tries: list[tuple[str, int]] = []
    while len(tries) < 5:
        stalls = await house.stalls()
        told, sounding = await sung(house, "159#", anne, ben, a)
        if told == "159#" and sounding <= 2 * 4:
            return
        tries.append((told, sounding))
        if await house.stalls() == stalls:
            break
    raise AssertionError(f"told, and how many of 4 keys of 6 packets sound like keys: {tries}")


async def test_a_late_offer(house: House) -> None:
    anne, a = await house.answered(ANNE, offer=False)
    ben, b = await house.answered(BEN)
    await house.server.control.room("c1", endpoints=[a, b], hears={a: [b], b: [a]})
    await anne.speaker.hears({BEN}, ALL)
    await ben.speaker.hears({ANNE}, ALL)


async def test_a_redirect_is_followed_at_the_trunk(house: House) -> None:
    anne, a = await house.answered(ANNE)
    ben = await house.dialled(BEN, "out-ben")
    assert "to +33140000077" in ben.story
    ben.do("REDIRECT")
    await ben.lived("refused 302")
    await ben.lived(f"to {REDIRECTED}")
    await ben.lived("rings")
    ben.do("ANSWER")
    await ben.answered()
    await house.server.events.wait_for("answered", endpoint="out-ben")
    await house.server.control.room("c1", endpoints=[a, "out-ben"], hears={a: ["out-ben"], "out-ben": [a]})
    await anne.speaker.hears({BEN}, ALL)
    await ben.speaker.hears({ANNE}, ALL)


async def test_a_redirect_to_where_the_trunk_may_not_dial(house: House) -> None:
    await house.server.control.trunks(house.carrier.trunk(countries=["+33140000077"]))
    ben = await house.dialled(BEN, "out-ben")
    ben.do("REDIRECT")
    await ben.lived("refused 302")
    await house.server.events.wait_for("left", endpoint="out-ben", cause="redirected", code=302)


async def test_no_common_codec(house: House) -> None:
    anne = await house.carrier.calls(ANNE, codecs=["PCMU"])
    await anne.lived("refused 488")
    await anne.over()
    assert not house.server.events.count("offered")
    assert (await house.server.control.state())["endpoints"] == []


async def test_all_ports_are_used(media_program: Path, tmp_path: Path) -> None:
    """Two calls fit. A third is refused either way and told; the two hear each other all the time."""
    first = rtp_block()
    few = {"rtp_first": first, "rtp_last": first + 3}
    async with House.running(media_program, tmp_path, config=few) as house:
        anne, _, ben, b = await talking(house)
        marks = len(anne.speaker.packets), len(ben.speaker.packets)
        other = await house.carrier.calls(MOVED, sender="+33140000003")
        await other.lived("refused 503")
        await house.server.events.wait_for("ports_exhausted", trunk=house.carrier.id)
        body = {"trunk": house.carrier.id, "number": "+33140000077", "timeout_ms": 5_000}
        refused = await house.server.control.act("out-x", "dial", status=503, **body)
        assert refused["code"] == "ports_exhausted"
        await house.server.events.wait_for("ports_exhausted", trunk=house.carrier.id)
        await anne.speaker.hears({BEN}, ALL)
        await ben.speaker.hears({ANNE}, ALL)
        assert [phone.speaker.since(mark).lost for phone, mark in zip((anne, ben), marks, strict=True)] == [
            0,
            0,
        ]
        await house.server.control.act(b, "hangup")
        await ben.over()
        await house.answered(MOVED, sender="+33140000003")
