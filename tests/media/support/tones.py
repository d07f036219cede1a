"""What people say in these tests, tones, and what they heard: samples, codecs, energy per frequency."""

from __future__ import annotations

import subprocess
import wave
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]

ROWS, COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
"""Hz of a keypad (DTMF)."""
LOUD_DB = -12.0
"""Of each tone, below a full-scale sine: four of them together do not clip."""
HEARD_DB, SILENT_DB = -30.0, -45.0
"""A tone above the first is heard, one below the second is not; between them nobody knows, which fails."""
RATES = {"PCMU": 8000, "PCMA": 8000, "G722": 16000}


@cache
def payloads(codec: str, hertz: int, ptime: int = 20) -> tuple[bytes, ...]:
    """Three seconds of a tone as RTP payloads of so many ms, to be sent round and round."""
    data = encode(codec, sine(hertz, 3 * RATES[codec], RATES[codec]))
    size = 8 * ptime  # a byte each 125 us, in all three codecs
    return tuple(data[at : at + size] for at in range(0, len(data), size))


def keys(codec: str, pressed: str, milliseconds: int, ptime: int = 20) -> list[bytes]:
    """Keys as they sound (DTMF), each with a pause of 100 ms after it, as RTP payloads."""
    rate, parts = RATES[codec], []
    for key in pressed:
        row, column = divmod("123A456B789C*0#D".index(key), 4)
        length = rate * milliseconds // 1000
        parts.append((sine(ROWS[row], length, rate) + sine(COLUMNS[column], length, rate)).astype(np.int16))
        parts.append(np.zeros(rate // 10, np.int16))
    data, size = encode(codec, np.concatenate(parts)), 8 * ptime
    return [data[at : at + size] for at in range(0, len(data), size)]


def write_wav(file: Path, hertz: int, seconds: float = 1.0, rate: int = 16000) -> None:
    """A file to be played: a tone, which goes on without a click when it is looped over whole seconds."""
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(sine(hertz, round(rate * seconds), rate).tobytes())


def sine(hertz: int, samples: int, rate: int) -> Samples:
    amplitude = 32767 * 10 ** (LOUD_DB / 20)
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(samples) / rate)).astype(np.int16)


def encode(codec: str, samples: Samples) -> bytes:
    if codec == "G722":
        return _ffmpeg(
            "-f", "s16le", "-ar", "16000", "-ac", "1", "-i", "-", "-f", "g722", "-", data=samples.tobytes()
        )
    table = _table(codec)
    order = np.argsort(table, kind="stable")
    middles = (table[order][1:].astype(np.int32) + table[order][:-1]) / 2
    return order[np.searchsorted(middles, samples)].astype(np.uint8).tobytes()


def decode(codec: str, data: bytes) -> Samples:
    if codec == "G722":
        said = _ffmpeg("-f", "g722", "-i", "-", "-f", "s16le", "-", data=data)
        return np.frombuffer(said, dtype=np.int16)
    return _table(codec)[np.frombuffer(data, dtype=np.uint8)]


def level(samples: Samples, rate: int, hertz: int) -> float:
    """How loud a frequency is, in dB below a full-scale sine; -120 for nothing."""
    if len(samples) == 0:
        return -120.0
    turning = np.exp(-2j * np.pi * hertz * np.arange(len(samples)) / rate)
    amplitude = 2 * abs(np.dot(samples.astype(np.float64), turning)) / len(samples) / 32767
    return float(20 * np.log10(max(amplitude, 1e-6)))


def heard(samples: Samples, rate: int, among: Iterable[int]) -> frozenset[int]:
    """Which of these tones are in there. One that is neither loud nor silent is an error."""
    levels = {hertz: level(samples, rate, hertz) for hertz in among}
    doubtful = {hertz: round(db, 1) for hertz, db in levels.items() if SILENT_DB < db < HEARD_DB}
    assert not doubtful, f"neither heard nor silent: {doubtful} dB"
    return frozenset(hertz for hertz, db in levels.items() if db >= HEARD_DB)


@cache
def _table(codec: str) -> Samples:
    """What each of the 256 bytes of G.711 stands for (ITU-T G.711, sections 3.1 and 3.2)."""
    values = []
    for byte in range(256):
        if codec == "PCMA":
            code = byte ^ 0x55
            exponent, mantissa = (code >> 4) & 7, code & 15
            value = (mantissa << 4) + 8 if exponent == 0 else ((mantissa << 4) + 0x108) << (exponent - 1)
            values.append(value if code & 0x80 else -value)
        else:
            code = ~byte & 0xFF
            exponent, mantissa = (code >> 4) & 7, code & 15
            value = (((mantissa << 3) + 0x84) << exponent) - 0x84
            values.append(-value if code & 0x80 else value)
    return np.array(values, dtype=np.int16)


def _ffmpeg(*arguments: str, data: bytes) -> bytes:
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", *arguments]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout
