"""Who hears whom in everything that people do in a call, and who is to be heard in 20 ms of sound.

Everybody has two tones, and goes on with the other one after each change of the matrix. So what is heard tells whether
it was said before or after the change, however long it was on its way, and each 20 ms can be judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.media.support import tones
from tests.media.support.tones import Samples

TONES = {
    "customer": (400, 650),
    "agent": (950, 1_250),
    "target": (1_600, 1_900),
    "supervisor": (2_250, 2_550),
    "music": (2_850, 3_150),
}
"""Hz in even and in odd turns. Multiples of 50: within 20 ms none of them looks like another. 250 apart at least: nor
does one that breaks off in their midst, as in a browser that has nothing to play."""
HEARD_DB = -24.0
"""A tone of 12 dB below full scale that fills a quarter of 20 ms. What it leaves 250 Hz beside it when it breaks off in
their midst is at -36."""
BIN_HERTZ = 50
_BINS = {(who, turn): hertz // BIN_HERTZ for who, both in TONES.items() for turn, hertz in enumerate(both)}

Voice = tuple[str, int]
"""Who speaks, and in which turn they said it: an even (0) or an odd one (1)."""
Block = frozenset[Voice]
"""Who speaks in 20 ms."""
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


def voices(samples: Samples, rate: int) -> Block:
    """Who speaks in 20 ms: who is loud, and louder than anything that is nobody's.

    Where sound was lost, concealment repeats what it had; then other frequencies appear, most of them nobody's.
    """
    assert len(samples) * BIN_HERTZ == rate
    levels = 20 * np.log10(np.maximum(2 * np.abs(np.fft.rfft(samples)) / len(samples) / 32767, 1e-6))
    loud = max(HEARD_DB, np.delete(levels, list(_BINS.values())).max())
    return frozenset(voice for voice, place in _BINS.items() if levels[place] > loud)


def leaks(block: Block, turn: int, now: Iterable[str], before: Iterable[str]) -> Block:
    """Voices that do not concern somebody who hears `now` in this turn, and heard `before` in the last one.

    The change is made before people take their other tone: what they said last may have come on either side of it.
    """
    either = {*now, *before}
    return frozenset((who, said) for who, said in block if who not in (now if said == turn else either))


def room(hears: Matrix, ids: Mapping[str, str], turn: int, *, recorded: bool = False) -> dict[str, Any]:
    """The document of a room of these people (their endpoints); the recording is of the customer, on the left."""
    document = {
        "endpoints": list(ids.values()),
        "hears": {ids[who]: [ids.get(source, source) for source in heard] for who, heard in hears.items()},
        "sources": {"music": {"files": [f"music-{turn}.wav"]}},
    }
    return document | ({"recording": {"id": "voicemail", "left": [ids["customer"]]}} if recorded else {})


def write_music(folder: Path) -> None:
    """The files that a room's music is of."""
    for turn, hertz in enumerate(TONES["music"]):
        tones.write_wav(folder / f"music-{turn}.wav", hertz)
