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
STALL_SECONDS = 5.0
LATE_SECONDS = 0.04
"""For which a busy machine may stand still."""
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
    def seconds(self) -> float:
        """How much audio it is; a byte takes 125 us in all three codecs."""
        return sum(len(packet.payload) for packet in self.audio) / 8000

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


def _now() -> float:
    """The clock by which the kernel stamps packets."""
    return time.clock_gettime(time.CLOCK_REALTIME)


def _only(hearing: Hearing, wanted: frozenset[int], among: tuple[int, ...]) -> bool:
    """Whether exactly these tones are in it, each of the others clearly not."""
    try:
        return hearing.tones(among) == wanted
    except AssertionError:
        return False


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

    def says(self, hertz: int) -> None:
        """Goes on with another tone."""
        self.hertz, self._payloads = hertz, tones.payloads(self.codec, hertz, self._every * TICK_MS)

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

    @property
    def singing(self) -> bool:
        return bool(self._sung)

    def since(self, mark: int) -> Hearing:
        """What it heard since it had `mark` packets."""
        return Hearing(tuple(self.packets[mark:]), self.codec)

    async def hearing(self, seconds: float = 0.5, sound: float = 0.0) -> Hearing:
        """What reaches it from now on for so long, and until there are so many seconds of `sound` in it."""
        mark, start, since = len(self.packets), time.monotonic(), _now()

        def reached() -> Hearing:  # what lies in the kernel from before is not what it hears now
            return Hearing(tuple(packet for packet in self.packets[mark:] if packet.at >= since), self.codec)

        def over() -> bool:
            return time.monotonic() - start >= seconds and (not sound or reached().seconds >= sound)

        await wait_until(over, f"{self.hertz} Hz hears {sound:g} s of sound", seconds + STALL_SECONDS)
        return reached()

    async def hears(self, expected: Iterable[int], among: Iterable[int], within: float = 10.0) -> Hearing:
        """Waits until it hears exactly these of those tones, then makes sure that it stays so for 300 ms of sound.

        A machine that stalls makes a pause, after which it listens anew; another tone is an error at once.
        """
        wanted, tried = frozenset(expected), tuple(among)
        deadline = time.monotonic() + within

        def recent() -> Hearing:
            since = _now() - RECENT_SECONDS
            return Hearing(tuple(packet for packet in self.packets[-15:] if packet.at > since), self.codec)

        while True:
            try:
                await wait_until(lambda: _only(recent(), wanted, tried), "", deadline - time.monotonic())
            except AssertionError as late:
                levels = {hertz: round(recent().level(hertz), 1) for hertz in tried}
                raise AssertionError(
                    f"{self.hertz} Hz is to hear {sorted(wanted)} and hears {levels} dB"
                ) from late
            then = await self.hearing(0.3, sound=0.3 if wanted else 0)
            if _only(then, wanted, tried):
                return then
            levels = {hertz: round(then.level(hertz), 1) for hertz in tried}
            others = [hertz for hertz in tried if hertz not in wanted and levels[hertz] >= tones.HEARD_DB]
            assert not others, f"{self.hertz} Hz heard only {sorted(wanted)}, and then {levels} dB"

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
        self.stalls = 0
        """How often they spoke late: the machine had stalled."""
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
                self.stalls += wait < -LATE_SECONDS
                with self._lock:
                    speakers = list(self._speakers)
                for speaker in speakers:
                    speaker.tick(number)
                due, number = due + TICK_MS / 1000, number + 1
                continue
            for key, _ in self._selector.select(wait):
                key.data.arrived()
