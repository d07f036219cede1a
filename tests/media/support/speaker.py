"""People at the far end of a call: each says its own tone, and remembers what reached it and when.

One thread does it for all of a test, as asyncio's loop is busy with the test itself; the kernel notes the arrivals.
"""

from __future__ import annotations

import itertools
import selectors
import socket
import struct
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType

from tests.media.support import tones
from tests.media.support.scenarios import PAYLOADS
from tests.support.waiting import wait_until

TICK_MS = 10
RECENT_SECONDS = 0.25
DIGITS = "0123456789*#ABCD"
EVENT = 101
SO_TIMESTAMPNS = 35

_sources = itertools.count(0x5EED_0000)


@dataclass(frozen=True)
class Packet:
    """One RTP packet as it arrived; `at` in seconds of the kernel's clock."""

    at: float
    payload_type: int
    sequence: int
    timestamp: int
    source: int
    payload: bytes
    marked: bool


@dataclass(frozen=True)
class Hearing:
    """What reached somebody in a span of time."""

    packets: tuple[Packet, ...]
    codec: str

    @property
    def audio(self) -> tuple[Packet, ...]:
        return tuple(packet for packet in self.packets if packet.payload_type == PAYLOADS[self.codec])

    def tones(self, among: Iterable[int]) -> frozenset[int]:
        """Which of these frequencies (Hz) are in it."""
        samples = tones.decode(self.codec, b"".join(packet.payload for packet in self.audio))
        return tones.heard(samples, tones.RATES[self.codec], among)

    def level(self, hertz: int) -> float:
        """dB below full scale."""
        samples = tones.decode(self.codec, b"".join(packet.payload for packet in self.audio))
        return tones.level(samples, tones.RATES[self.codec], hertz)

    @property
    def gaps(self) -> list[float]:
        """Seconds between one audio packet and the next."""
        return [after.at - before.at for before, after in itertools.pairwise(self.audio)]

    @property
    def longest_gap(self) -> float:
        return max(self.gaps, default=0.0)

    @property
    def lost(self) -> int:
        """Packets missing in the sequence numbers."""
        numbers = [packet.sequence for packet in self.audio]
        return sum(((after - before) % 65536) - 1 for before, after in itertools.pairwise(numbers))

    @property
    def digits(self) -> str:
        """Keys pressed, by RFC 4733 (each event counts once)."""
        seen: dict[int, str] = {}
        for packet in self.packets:
            if packet.payload_type == EVENT and len(packet.payload) == 4:
                seen.setdefault(packet.timestamp, DIGITS[packet.payload[0] % len(DIGITS)])
        return "".join(seen.values())


class Speaker:
    """Somebody with a UDP port. Says nothing before it is told `speak_to`."""

    def __init__(self, hertz: int, *, codec: str = "PCMA", host: str = "127.0.0.1", ptime: int = 20) -> None:
        self.hertz = hertz
        self.codec = codec
        self.host = host
        self.packets: list[Packet] = []
        self.strangers = 0
        """Datagrams that were no RTP."""
        self.silent = False
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.bind((host, 0))
        self.socket.setblocking(False)
        self.port = int(self.socket.getsockname()[1])
        self._every = ptime // TICK_MS
        self._payloads = tones.payloads(codec, hertz, ptime)
        self._far: tuple[str, int] | None = None
        self._source = next(_sources)
        self._sequence = 1000
        self._said = 0
        self._keys: list[bytes] = []
        self._sung: list[bytes] = []

    def speak_to(self, port: int, host: str = "127.0.0.1") -> None:
        """Says its tone there from now on."""
        self._far = (host, port)

    def pretend(self, other: Speaker) -> None:
        """Sends as if it were another, whose numbers it knows: the same stream, a little ahead."""
        self._source, self._sequence, self._said = other._source, other._sequence + 5, other._said + 800

    def press(self, keys: str, milliseconds: int = 160) -> None:
        """Presses keys (RFC 4733), one after the other with a pause of 100 ms."""
        for key in keys:
            for tick in range(milliseconds // 20 + 3):
                last = tick >= milliseconds // 20
                length = min(tick + 1, milliseconds // 20) * 160
                body = struct.pack("!BBH", DIGITS.index(key), (0x80 if last else 0) | 10, length)
                self._keys.append(bytes([1 if tick == 0 else 0]) + body)
            self._keys += [b""] * 5

    def sing(self, keys: str, milliseconds: int = 120) -> None:
        """Presses keys that are sent as sound (DTMF)."""
        self._sung = tones.keys(self.codec, keys, milliseconds, self._every * TICK_MS)

    def since(self, mark: int) -> Hearing:
        """What it heard since it had `mark` packets."""
        return Hearing(tuple(self.packets[mark:]), self.codec)

    async def hearing(self, seconds: float = 0.5) -> Hearing:
        """What it hears from now on for so long."""
        mark, start = len(self.packets), time.monotonic()
        await wait_until(lambda: time.monotonic() - start >= seconds, "time passes", seconds + 5)
        return self.since(mark)

    async def hears(self, expected: Iterable[int], among: Iterable[int], within: float = 3.0) -> Hearing:
        """Waits until it hears exactly these of those tones, then makes sure for 300 ms that it stays so."""
        wanted, tried = frozenset(expected), tuple(among)

        def recent() -> Hearing:
            since = time.clock_gettime(time.CLOCK_REALTIME) - RECENT_SECONDS  # as the kernel stamps packets
            return Hearing(tuple(packet for packet in self.packets[-15:] if packet.at > since), self.codec)

        def so() -> bool:
            try:
                return recent().tones(tried) == wanted
            except AssertionError:
                return False

        try:
            await wait_until(so, "", within)
        except AssertionError as late:
            levels = {hertz: round(recent().level(hertz), 1) for hertz in tried}
            raise AssertionError(
                f"{self.hertz} Hz is to hear {sorted(wanted)} and hears {levels} dB"
            ) from late
        then = await self.hearing(0.3)
        assert then.tones(tried) == wanted, f"{self.hertz} Hz stopped hearing {sorted(wanted)}"
        return then

    # -- its thread's ----------------------------------------------------------------------------------------

    def tick(self, number: int) -> None:
        """TICK_MS are over."""
        self._said += 8 * TICK_MS
        if self._far is None or self.silent or number % self._every:
            return
        if self._keys:
            self._press(self._keys.pop(0))
        else:
            here = number // self._every % len(self._payloads)
            payload = self._sung.pop(0) if self._sung else self._payloads[here]
            self._send(PAYLOADS[self.codec], self._said, payload)

    def _press(self, step: bytes) -> None:
        if not step:
            return
        if step[0]:
            self._pressed = self._said
        self._send(EVENT, self._pressed, step[1:], marked=bool(step[0]))

    _pressed = 0

    def _send(self, payload_type: int, timestamp: int, payload: bytes, *, marked: bool = False) -> None:
        assert self._far is not None
        self._sequence = (self._sequence + 1) % 65536
        second = payload_type | (0x80 if marked else 0)
        head = struct.pack("!BBHII", 0x80, second, self._sequence, timestamp & 0xFFFFFFFF, self._source)
        try:
            self.socket.sendto(head + payload, self._far)
        except OSError:  # while the server is dead, the kernel says that nobody listens there
            return

    def arrived(self) -> None:
        """Takes what the kernel has."""
        while True:
            try:
                data, extra, _, _ = self.socket.recvmsg(2048, 128)
            except BlockingIOError:
                return
            except OSError:
                continue
            if len(data) < 12 or data[0] & 0xC0 != 0x80:
                self.strangers += 1
                continue
            seconds, nanos = struct.unpack("@qq", extra[0][2]) if extra else (0, 0)
            _, kind, sequence, timestamp, source = struct.unpack("!BBHII", data[:12])
            self.packets.append(
                Packet(
                    seconds + nanos / 1e9, kind & 127, sequence, timestamp, source, data[12 + 4 * (data[0] & 15) :],
                    bool(kind & 128),
                )
            )  # fmt: skip


class Studio:
    """Where the speakers of one test live."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._speakers: list[Speaker] = []
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="studio", daemon=True)

    def __enter__(self) -> Studio:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        for speaker in self._speakers:
            speaker.socket.close()
        self._selector.close()

    def speaker(
        self, hertz: int, *, codec: str = "PCMA", host: str = "127.0.0.1", ptime: int = 20
    ) -> Speaker:
        """One more."""
        speaker = Speaker(hertz, codec=codec, host=host, ptime=ptime)
        with self._lock:
            self._speakers.append(speaker)
            self._selector.register(speaker.socket, selectors.EVENT_READ, speaker)
        return speaker

    def _run(self) -> None:
        due, number = time.monotonic(), 0
        while not self._over.is_set():
            wait = due - time.monotonic()
            if wait <= 0:
                with self._lock:
                    speakers = list(self._speakers)
                for speaker in speakers:
                    speaker.tick(number)
                due, number = due + TICK_MS / 1000, number + 1
                continue
            for key, _ in self._selector.select(wait):
                key.data.arrived()
