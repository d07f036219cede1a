"""Speech to be sent through calls, and how well what comes out agrees with it: STOI, delay over time, a drawing."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pystoi import stoi

from tests.media.support import tones

RATE = 8000
FRAME = 160
PAUSE_SECONDS = 0.4
SENTENCES = (
    ("en-gb", "Good morning, this is the repair desk of the lamp makers."),
    ("fr-fr", "Bonjour, ma lampe est arrivée cassée hier matin."),
    ("de", "Wir schicken Ihnen noch heute eine neue Lampe."),
    ("en-gb", "The birch canoe slid on the smooth planks."),
    ("fr-fr", "Votre dossier porte le numéro quatre cent douze."),
    ("de", "Bitte werfen Sie die alte nicht weg."),
)
FAR_SECONDS = 0.8
"""Nothing is on its way for longer."""
ALIKE = 0.5
"""Correlation from which a piece is known for certain."""

Audio = NDArray[np.float64]


@dataclass(frozen=True)
class Speech:
    """`samples` at 8 kHz, a whole number of frames; where each sentence is in them."""

    samples: Audio
    sentences: Sequence[tuple[int, int]]

    @property
    def payloads(self) -> list[bytes]:
        """As a-law, 20 ms each."""
        data = tones.encode("PCMA", self.samples.astype(np.int16))
        return [data[at : at + FRAME] for at in range(0, len(data), FRAME)]


def speak() -> Speech:
    """The sentences, said by espeak-ng, with pauses between them."""
    parts, where, at = [], [], 0
    for voice, text in SENTENCES:
        wav = subprocess.run(
            ["espeak-ng", "-v", voice, "-s", "150", "--stdout", text], capture_output=True, check=True
        ).stdout
        command = [
            "ffmpeg",
            "-loglevel",
            "error",
            "-i",
            "-",
            "-ac",
            "1",
            "-ar",
            f"{RATE}",
            "-f",
            "s16le",
            "-",
        ]
        raw = subprocess.run(command, input=wav, capture_output=True, check=True).stdout
        said = np.frombuffer(raw, dtype=np.int16).astype(np.float64)
        where.append((at, at + len(said)))
        length = -(-(len(said) + int(PAUSE_SECONDS * RATE)) // FRAME) * FRAME
        parts.append(np.pad(said * (8000 / np.abs(said).max()), (0, length - len(said))))
        at += length
    return Speech(np.concatenate(parts), where)


@dataclass(frozen=True)
class Heard:
    """What an ear got: `samples` at 8 kHz; the first was heard at `began`, in Unix seconds."""

    samples: Audio
    began: float

    def piece(self, at: float, length: int) -> Audio:
        """So many samples from a time on; silence where there is nothing."""
        first = round((at - self.began) * RATE)
        found = self.samples[max(first, 0) : max(first + length, 0)]
        return np.pad(found, (max(-first, 0), length - len(found) - max(-first, 0)))


def delay(said: Audio, heard: Heard, spoken: float) -> float | None:
    """Seconds from mouth to ear of a piece of speech; None where it is not known again for certain."""
    reach = int(FAR_SECONDS * RATE)
    there = heard.piece(spoken, len(said) + reach)
    size = 1 << (len(there) + len(said)).bit_length()
    likeness = np.fft.irfft(np.fft.rfft(there, size) * np.conj(np.fft.rfft(said, size)), size)[:reach]
    power = np.concatenate(([0.0], np.cumsum(there**2)))
    energy = power[len(said) : len(said) + reach] - power[:reach]
    likeness = likeness / np.sqrt(np.maximum(energy, 1) * max(float(np.dot(said, said)), 1))
    best = int(np.argmax(likeness))
    return best / RATE if likeness[best] > ALIKE else None


def score(said: Audio, heard: Heard, spoken: float, pieces: Sequence[tuple[int, float]]) -> float:
    """STOI of one sentence, 0 to 1. Play-out that adapts moves parts of it: each is compared where it is, by the delays
    (sample of the sentence, seconds) that were found."""
    step = RATE // 4
    there = np.zeros(len(said))
    for at in range(0, len(said), step):
        _, late = min(pieces, key=lambda piece: abs(piece[0] - at))
        there[at : at + step] = heard.piece(spoken + at / RATE + late, len(said[at : at + step]))
    return float(stoi(said, there, RATE, extended=False))


def draw(
    file: Path, title: str, lines: Mapping[str, Sequence[tuple[float, float]]], marks: Sequence[float]
) -> None:
    """Delay (ms) over time (s) as an SVG; `marks` are times to be seen below it."""
    colours = ("#1864ab", "#e8590c", "#2b8a3e")
    last = max((x for points in lines.values() for x, _ in points), default=1.0)
    top = max((y for points in lines.values() for _, y in points), default=1.0) * 1.1

    def x_of(x: float) -> float:
        return 60 + 820 * x / last

    def y_of(y: float) -> float:
        return 340 - 300 * y / top

    parts = [f'<text x="60" y="24" font-size="15">{title}</text>']
    for number in range(6):
        y, x = top * number / 5, last * number / 5
        parts.append(f'<path d="M60 {y_of(y):.1f}H880" stroke="#dee2e6"/>')
        parts.append(f'<text x="52" y="{y_of(y) + 4:.1f}" text-anchor="end">{y:.0f} ms</text>')
        parts.append(f'<text x="{x_of(x):.1f}" y="376" text-anchor="middle">{x:.0f} s</text>')
    parts += [f'<path d="M{x_of(x):.1f} 346v8" stroke="#c92a2a"/>' for x in marks]
    for number, (name, points) in enumerate(lines.items()):
        path = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colours[number]}" stroke-width="1.5"/>')
        parts.append(f'<text x="{640 + 90 * number}" y="24" fill="{colours[number]}">{name}</text>')
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 390" font-family="sans-serif" font-size="12">'
        f'<rect width="900" height="390" fill="white"/>{"".join(parts)}</svg>\n'
    )
