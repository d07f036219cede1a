"""The whole matrix: who hears whom in everything that people do in a call, judged packet by packet."""

from __future__ import annotations

import asyncio
import math
import struct
import subprocess
import time
import wave
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from tests.media.support import tones
from tests.media.support.house import House
from tests.media.support.speaker import Packet

pytestmark = pytest.mark.e2e

TONES = {"customer": 400, "agent": 650, "target": 1_000, "supervisor": 1_500, "music": 2_050}
"""Multiples of 50 Hz: within one packet of 20 ms none of them looks like another."""
SETTLED_SECONDS = 0.06
"""Three ticks after a put was answered: what was on its way has arrived."""
JUDGED_SECONDS = 0.6
MOST = 0.9
"""Of the packets that a phase sends to somebody, this part at least has all that they are to hear."""

Matrix = Mapping[str, list[str]]

PHASES: dict[str, Matrix] = {
    "queue": {"customer": ["music"]},
    "talk": {"customer": ["agent"], "agent": ["customer"]},
    "hold": {"customer": ["music"]},
    "talk again": {"customer": ["agent"], "agent": ["customer"]},
    "consult": {"customer": ["music"], "agent": ["target"], "target": ["agent"]},
    "conference": {
        "customer": ["agent", "target"], "agent": ["customer", "target"], "target": ["customer", "agent"],
    },
    "warm transfer": {"customer": ["target"], "target": ["customer"]},
    "back": {"customer": ["agent"], "agent": ["customer"]},
    "listen": {"customer": ["agent"], "agent": ["customer"], "supervisor": ["customer", "agent"]},
    "whisper": {
        "customer": ["agent"], "agent": ["customer", "supervisor"], "supervisor": ["customer", "agent"],
    },
    "barge": {
        "customer": ["agent", "supervisor"], "agent": ["customer", "supervisor"], "supervisor": ["customer", "agent"],
    },
    "voicemail": {"customer": []},
}  # fmt: skip


def heard_in(packet: Packet, codec: str) -> frozenset[str]:
    """Who speaks in one packet; a tone at its very end or start counts from a tenth of its strength."""
    samples = tones.decode(codec, packet.payload)
    return frozenset(name for name, hertz in TONES.items() if tones.level(samples, 8_000, hertz) > -32)


def music(file: Path) -> None:
    """Two seconds of the music's tone, a whole number of waves."""
    count = 2 * 16_000
    samples = (int(10_000 * math.sin(2 * math.pi * TONES["music"] * n / 16_000)) for n in range(count))
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes(struct.pack(f"<{count}h", *samples))


async def test_nobody_hears_what_does_not_concern_them(
    house: House, counted: Callable[[str, object], None]
) -> None:
    music(house.server.prompts / "music.wav")
    people = {}
    for number, name in enumerate(("customer", "agent", "target", "supervisor")):
        people[name] = await house.answered(TONES[name], sender=f"+3314000000{number}")
    ids = {name: endpoint for name, (_, endpoint) in people.items()}
    judged = leaked = 0
    for phase, matrix in PHASES.items():
        hears = {ids[who]: [ids.get(source, source) for source in sources] for who, sources in matrix.items()}
        recording = (
            {"id": "voicemail", "left": [ids["customer"]], "right": []} if phase == "voicemail" else None
        )
        await house.server.control.room(
            "c", endpoints=list(ids.values()), hears=hears, recording=recording,
            sources={"music": {"files": ["music.wav"]}},
        )  # fmt: skip
        since = time.clock_gettime(time.CLOCK_REALTIME) + SETTLED_SECONDS
        marks = {name: len(phone.speaker.packets) for name, (phone, _) in people.items()}
        await people["customer"][0].speaker.hearing(JUDGED_SECONDS + SETTLED_SECONDS)
        for name, (phone, _) in people.items():
            hearing = phone.speaker.since(marks[name])
            packets = [packet for packet in hearing.audio if packet.at > since]
            wanted = frozenset(matrix.get(name, ()))
            found = [heard_in(packet, hearing.codec) for packet in packets]
            judged += len(found)
            leaks = [who for who in found if who - wanted]
            assert not leaks, f"{phase}: {name} hears {set().union(*leaks)}"
            leaked += len(leaks)
            whole = sum(who == wanted for who in found)
            assert not wanted or whole > MOST * JUDGED_SECONDS * 50, (
                f"{phase}: {name} hears {wanted} in {whole}"
            )
    counted("the whole matrix: packets judged", judged)
    counted("the whole matrix: leaked", leaked)
    assert judged > 1_000
    await a_message_was_left(house, people["customer"][1])


async def a_message_was_left(house: House, customer: str) -> None:
    """The voicemail holds what the customer said, on the left, and nothing else."""
    await house.server.control.room("c", endpoints=[customer])
    ready = await house.server.events.wait_for("recording_ready", recording="voicemail", within=20)
    file = house.server.spool / str(ready["path"])
    decode = ["ffmpeg", "-v", "error", "-i", str(file), "-f", "s16le", "-ar", "16000", "-"]
    raw = await asyncio.to_thread(subprocess.check_output, decode)
    stereo = np.frombuffer(raw, dtype=np.int16).reshape(-1, 2)
    left, right = stereo[8_000:, 0], stereo[8_000:, 1]
    wanted = {"customer"}
    assert {n for n, hertz in TONES.items() if tones.level(left, 16_000, hertz) > -32} == wanted
    assert np.abs(right).max() < 300


def test_a_packet_of_two_voices_is_told_apart() -> None:
    """The judge itself: what it is given it finds, and nothing else."""
    n = np.arange(160)
    for names in ({"customer"}, {"agent", "target"}, {"customer", "agent", "supervisor"}, set()):
        total = sum((8_000 * np.sin(2 * np.pi * TONES[name] * n / 8_000) for name in names), np.zeros(160))
        payload = tones.encode("PCMA", total.astype(np.int16))
        assert heard_in(Packet(0.0, 8, 0, 0, 0, payload, marked=False), "PCMA") == names
