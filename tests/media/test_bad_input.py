"""What is broken disturbs nobody: prompts, disks, SIP, SDP and RTP, while two people talk."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.media.support.carrier import Phone
from tests.media.support.house import House
from tests.media.support.scenarios import Audio
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

ANNE, BEN, CARL = 400, 650, 1_050
ALL = (ANNE, BEN, CARL)
ROOM_ON_DISK = "256k"
FULL_SECONDS = 10


class Talk:
    """Anne and Ben, who hear each other whatever happens."""

    def __init__(self, house: House, anne: Phone, ben: Phone, ids: list[str]) -> None:
        self.house, self.anne, self.ben = house, anne, ben
        self.ids = ids
        self.matrix = {"endpoints": ids, "hears": {ids[0]: [ids[1]], ids[1]: [ids[0]]}}
        self._marks = 0, 0

    @classmethod
    async def begins(cls, house: House) -> Talk:
        anne, a = await house.answered(ANNE)
        ben, b = await house.answered(BEN, sender="+33140000002")
        talk = cls(house, anne, ben, [a, b])
        await house.server.control.room("c1", **talk.matrix)
        await talk.goes_on()
        talk._marks = len(anne.speaker.packets), len(ben.speaker.packets)
        return talk

    async def goes_on(self) -> None:
        """They hear each other, and lost nothing since they began."""
        await self.anne.speaker.hears({BEN}, ALL)
        await self.ben.speaker.hears({ANNE}, ALL)
        for phone, mark in zip((self.anne, self.ben), self._marks, strict=True):
            assert phone.speaker.since(mark).lost == 0
        assert not self.house.server.events.count("left", endpoint=self.ids[0])
        assert not self.house.server.events.count("left", endpoint=self.ids[1])


@pytest_asyncio.fixture
async def talk(house: House) -> AsyncIterator[Talk]:
    yield await Talk.begins(house)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk; internal/record tries the same")
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "guichet-test", str(folder)], check=False
    )
    if made.returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("broken", ["missing.wav", "words.wav", "cut.wav", "folder.wav", "../out.wav"])
async def test_a_prompt_that_cannot_be_read(talk: Talk, broken: str) -> None:
    server = talk.house.server
    (server.prompts / "words.wav").write_text("this is no sound\n" * 100)
    (server.prompts / "cut.wav").write_bytes(b"RIFF\xff\xff\xff\x7fWAVEfmt \x10\0\0\0")
    (server.prompts / "folder.wav").mkdir()
    before = (await server.control.state())["rooms"]
    room = {"id": "c1", "rev": 2, "endpoints": talk.ids, "hears": {talk.ids[0]: ["m"]}}
    document = {"rooms": [{**room, "sources": {"m": {"files": [broken]}}}]}
    refused = await server.control.ask("PUT", "/v1/rooms", document, status=422)
    assert broken not in refused["remedy"] or "/" not in refused["remedy"], "no path of the machine is told"
    assert "files" in refused["field"]
    play = {"play": "p1", "heard_by": talk.ids, "file": broken}
    refused = await server.control.ask("POST", "/v1/rooms/c1/plays", play, status=422)
    assert refused["field"] == "file"
    assert (await server.control.state())["rooms"] == before
    await talk.goes_on()


async def test_the_disk_fills_up_under_a_recording(media_program: Path, tmp_path: Path) -> None:
    spool = tmp_path / "small"
    with small_disk(spool, ROOM_ON_DISK):
        async with House.running(media_program, tmp_path, config={"spool": str(spool)}) as house:
            house.server.forgiven = "a recording fails"
            talk = await Talk.begins(house)
            recording = {"id": "rec-1", "left": talk.ids[:1], "right": talk.ids[1:]}
            await house.server.control.room("c1", **talk.matrix, recording=recording)
            failed = await house.server.events.wait_for(
                "recording_failed", recording="rec-1", within=FULL_SECONDS
            )
            assert failed["cause"] == "disk_full"
            await talk.goes_on()
            await house.server.control.act(talk.ids[1], "hangup")
            await talk.ben.over()


def invite(number: int, audio: Audio, port: int) -> bytes:
    """A call as it should be."""
    body = audio.sdp().replace("\n", "\r\n") + "\r\n"
    lines = (
        f"INVITE sip:+33140000099@127.0.0.1:{port} SIP/2.0", f"Via: SIP/2.0/UDP {audio.host}:9;branch=z9hG4bK-{number}",
        f"From: <sip:+33140000009@{audio.host}>;tag=bad{number}", "To: <sip:+33140000099@127.0.0.1>",
        f"Call-ID: bad-{number}", "CSeq: 1 INVITE", "Max-Forwards: 70", f"Contact: <sip:carrier@{audio.host}:9>",
        "Content-Type: application/sdp", f"Content-Length: {len(body)}", "", body,
    )  # fmt: skip
    return "\r\n".join(lines).encode()


def damaged(audio: Audio, port: int) -> Iterator[bytes]:
    """Calls as they should not be: cut, with a line missing, twice or garbled, with fields that cannot be."""
    whole = invite(0, audio, port)
    lines = whole.split(b"\r\n")
    broken = [whole[:end] for end in range(0, len(whole), 13)]
    for place, line in enumerate(lines):
        before, after = lines[:place], lines[place + 1 :]
        insteads: tuple[list[bytes], ...] = ([], [line, line], [b"\0\xff" + line[::-1]])
        broken += [measured(b"\r\n".join([*before, *instead, *after])) for instead in insteads]
    for old, new in (
        (b"CSeq: 1 ", b"CSeq: 99999999999 "), (b"Max-Forwards: 70", b"Max-Forwards: x"),
        (b"To: <sip:", b"To: <sip:" + b"a" * 60_000), (b" SIP/2.0\r\n", b" SIP/9.9\r\n"),
        (b"Max-Forwards: 70", b"\r\n".join(b"X-%d: y" % each for each in range(4_000))),
        (b"m=audio ", b"m=audio 9999999"), (b"c=IN IP4 ", b"c=IN IP4 999."), (b"o=carrier 1 1", b"o=" + b"-" * 5_000),
        (b"rtpmap:8 PCMA/8000", b"rtpmap:8 PCMA/0"), (b"ptime:20", b"ptime:-7"), (b"AVP 8 101", b"AVP " + b"8 " * 900),
    ):  # fmt: skip
        broken.append(measured(whole.replace(old, new, 1)))
    length = b"Content-Length: "
    broken += [whole.replace(length, length + more) for more in (b"-", b"99999999999999999999", b"x")]
    broken += [b"SIP/2.0 200 OK\r\n" + b"\r\n".join(lines[1:]), bytes(range(256)) * 40]
    for number, message in enumerate(broken):
        yield (
            message[:65_000]
            .replace(b"bad-0", b"bad-%d" % number)
            .replace(b"branch=z9hG4bK-0", b"branch=z9hG4bK-%d" % number)
        )


def measured(message: bytes) -> bytes:
    """With the right length, so that what is wrong with it is read at all."""
    head, blank, body = message.partition(b"\r\n\r\n")
    return re.sub(rb"Content-Length: \d+", b"Content-Length: %d" % len(body), head) + blank + body


async def test_malformed_sip_from_the_trunk_itself(house: House, talk: Talk) -> None:
    audio = Audio(9, house.carrier.host)
    sip = ("127.0.0.1", house.server.sip_port)
    sent = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.bind((house.carrier.host, 0))
        for message in damaged(audio, house.server.sip_port):
            out.sendto(message, sip)
            sent += 1
    for message in list(damaged(audio, house.server.sip_port))[::9]:
        _, line = await asyncio.open_connection(*sip, local_addr=(house.carrier.host, 0))
        line.write(message)
        line.close()
    assert sent > 100
    await talk.goes_on()
    carl = await house.carrier.calls(CARL, sender="+33140000003")
    from_carl: dict[str, Any] = {"from": "+33140000003"}
    event = await house.server.events.wait_for("offered", **from_carl)
    await house.server.control.act(event["endpoint"], "answer")
    await carl.answered()
    await house.server.control.room(
        "c1", endpoints=[*talk.ids, event["endpoint"]], hears={event["endpoint"]: talk.ids}
    )
    await carl.speaker.hears({ANNE, BEN}, ALL)


async def test_malformed_rtp_from_a_caller(talk: Talk) -> None:
    port = next(int(line.partition(" ")[2]) for line in talk.anne.story if line.startswith("media "))
    packet = bytes((0x80, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9)) + b"\x2a" * 160
    broken = [packet[:size] for size in range(14)]
    broken += [bytes([first]) + packet[1:] for first in (0, 0x40, 0xC0, 0x8F, 0x90, 0xA0, 0xBF)]
    broken += [packet[:1] + bytes([kind]) + packet[2:] for kind in (0, 13, 72, 77, 96, 101, 127, 200)]
    broken += [b"\xff" * 1_472, packet + b"\x2a" * 20_000]
    for each in broken * 5:
        talk.anne.speaker.socket.sendto(each, ("127.0.0.1", port))
    await talk.goes_on()
    assert not talk.house.server.events.count("digit")
    quality = talk.house.server.events
    await wait_until(lambda: quality.count("quality", endpoint=talk.ids[0]) > 0, "its figures come", 7)
