"""What calls cost the media server, how many it carries, and how long a voice is on its way.

Callers are one small process of Go on the last core (media-server/cmd/peer): a-law at 20 ms over SIP, each a tone of
its own. People at browsers are in one headless Chromium. The server is not tied to a core.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.measure import Table
from bench.media_house import Hall, Load, aside, chromium, delays, join, ranked
from tests.media.support.peer import Peer
from tests.media.support.peer import program as peer_program
from tests.media.support.server import media_server_program
from tests.support.waiting import wait_until

COMMAND = "python -m bench.media"
LEGS, STEP, MOST = 100, 200, 3000
CLIMB_SECONDS = 110.0
PER_SECOND = 100.0
SETTLE_SECONDS = 2.0
PEOPLE = 8
HEAD = [
    "what",
    "legs",
    "server CPU",
    "a leg",
    "lost",
    "gap p50 / p99 / max ms",
    "late ticks",
    "tick p99 ms",
    "callers",
]
LAST_CORE = [max(os.sched_getaffinity(0))]


def say(text: str) -> None:
    print(text, flush=True)


def row(what: str, load: Load) -> list[str]:
    report, gap = load.report, load.report.gap_ms
    found = [
        what, f"{report.calls}", f"{load.server:.1f} %", f"{load.server / max(report.calls, 1):.3f} %",
        f"{report.lost} of {report.received:,}", f"{gap.p50:.1f} / {gap.p99:.1f} / {gap.max:.1f}", f"{load.late}",
        f"{load.phase('tick'):.2f}", f"{load.callers:.0f} %",
    ]  # fmt: skip
    say("  " + " | ".join(found))
    return found


def pairs(endpoints: list[str], recorded: int = 0, name: str = "") -> dict[str, dict[str, Any]]:
    """Rooms in which two talk; the first so many are recorded."""
    rooms: dict[str, dict[str, Any]] = {}
    for number, (one, other) in enumerate(list(pairwise(endpoints))[::2]):
        rooms[f"pair-{number}"] = {"endpoints": [one, other], "hears": {one: [other], other: [one]}}
        if number < recorded:
            rooms[f"pair-{number}"]["recording"] = {"id": f"{name}-{number}", "left": [one], "right": [other]}
    return rooms


async def phones(folder: Path, scale: float) -> list[Table]:
    """Queued, mixed, recorded; then more and more until something gives way."""
    rows: list[list[str]] = []
    notes: list[str] = []
    async with Hall.running(media_server_program(), folder) as hall:
        with Peer.running(peer_program(), hall.server.sip_port, host="127.77.1.1", cores=LAST_CORE) as peer:
            trunk = await hall.trunk(peer)
            rooms = hall.server.control.rooms
            idle = await hall.share(3 * scale)
            await more(hall, peer, trunk, LEGS)
            queue = {
                f"queue-{number}": {
                    "endpoints": [one], "hears": {one: ["music"]}, "sources": {"music": {"files": ["music.wav"]}}
                }
                for number, one in enumerate(hall.answered[trunk])
            }  # fmt: skip
            await rooms(**queue)
            await asyncio.sleep(SETTLE_SECONDS)
            rows.append(row("queued, hears music", await hall.load(peer, 15 * scale)))
            await rooms(**pairs(hall.answered[trunk]))
            await asyncio.sleep(SETTLE_SECONDS)
            plain = await hall.load(peer, 20 * scale)
            rows.append(row("mixed, in pairs", plain))
            rows.append(await recorded(hall, peer, trunk, plain, scale, notes))
            notes.append(await climb(hall, peer, trunk, rows, scale))
            await aside(peer.hang_up)
    notes.append(
        f"Server CPU: of one core, {idle:.1f} % of it with nobody there. Lost: packets that callers missed. Callers: "
        "CPU of their process, of one core. A tick is late when it begins 5 ms after its time."
    )
    return [Table("Phones", COMMAND, HEAD, rows, [" ".join(notes)])]


async def more(hall: Hall, peer: Peer, trunk: str, legs: int) -> None:
    """Calls until there are so many."""
    before = len(hall.answered[trunk])
    said = await aside(peer.call, legs - before, PER_SECOND)
    if said["answered"] < legs - before:
        raise RuntimeError(
            f"{legs - before - said['answered']} calls were not answered: {said['failed'][:300]}"
        )
    await wait_until(lambda: len(hall.answered[trunk]) == legs, "the server has answered all", 10)


async def recorded(
    hall: Hall, peer: Peer, trunk: str, plain: Load, scale: float, notes: list[str]
) -> list[str]:
    """All pairs recorded; then what encoding takes."""
    count = LEGS // 2
    before = hall.encoding()
    began = time.monotonic()
    await hall.server.control.rooms(**pairs(hall.answered[trunk], count, "rec"))
    await asyncio.sleep(SETTLE_SECONDS)
    load = await hall.load(peer, 12 * scale)
    span = time.monotonic() - began
    found = row(f"the same, {count} recordings", load)
    await hall.server.control.rooms(**pairs(hall.answered[trunk]))
    encoded = hall.server.events
    with contextlib.suppress(AssertionError):  # then what is ready counts
        await wait_until(lambda: encoded.count("recording_ready") == count, "all are encoded", 30)
    ready = encoded.count("recording_ready")
    took = hall.encoding() - before
    notes.append(
        f"A recording adds {(load.server - plain.server) / count:.3f} % while the call goes on; encoding it "
        f"afterwards takes {100 * took / (ready * span) if ready else float('nan'):.2f} % of its length of a core at "
        f"the lowest priority ({ready} of {count} in time)."
    )
    say(f"  {notes[-1]}")
    return found


async def climb(hall: Hall, peer: Peer, trunk: str, rows: list[list[str]], scale: float) -> str:
    """More and more pairs until a tick is late or a packet lost, twice in a row; says what gave way."""
    end = time.monotonic() + CLIMB_SECONDS * min(scale, 1)
    carried = LEGS
    for legs in range(STEP, MOST + 1, STEP):
        if time.monotonic() > end:
            break
        await more(hall, peer, trunk, legs)
        await hall.server.control.rooms(**pairs(hall.answered[trunk]))
        load = await trial(hall, peer, rows, "mixed, in pairs", scale)
        if not load.clean:
            load = await trial(hall, peer, rows, "mixed, in pairs, again", scale)
        if not load.clean:
            return f"**{carried} legs without a late tick or a lost packet; at {legs} the limit is {load.limit}.**"
        carried = legs
    return f"**{carried} legs without a late tick or a lost packet; there was no time to try more.**"


async def trial(hall: Hall, peer: Peer, rows: list[list[str]], what: str, scale: float) -> Load:
    await asyncio.sleep(SETTLE_SECONDS)
    load = await hall.load(peer, 8 * scale)
    rows.append(row(what, load))
    return load


async def browsers(folder: Path, scale: float) -> list[Table]:
    """What a browser's leg and a forwarded picture cost; one leg each way is timed."""
    rows = []
    async with Hall.running(media_server_program(), folder) as hall:
        idle = await hall.share(3 * scale)
        with chromium() as page:
            people = [f"web-{number}" for number in range(PEOPLE)]
            for number, person in enumerate(people):
                await join(hall, page, person, hertz=400 + 50 * number)
            await hall.server.control.rooms(**pairs(people))
            await asyncio.sleep(SETTLE_SECONDS)
            codec = await aside(page.evaluate, "(id) => codec(id)", people[0])
            talk = await hall.share(12 * scale)
            each = f"{(talk - idle) / PEOPLE:.2f} %"
            rows.append([f"leg ({codec}, in pairs)", f"{PEOPLE}", f"{talk:.1f} %", each])
            say(f"  {rows[-1]}")
            one, other = people[:2]
            for person in people[2:]:  # the picture's price is easier to see beside little else
                await hall.server.control.act(person, "hangup")
                await aside(page.evaluate, "(id) => people[id].pc.close()", person)
            await asyncio.sleep(SETTLE_SECONDS)
            before_it = await hall.share(6 * scale)
            room = pairs([one, other])["pair-0"] | {
                "video": [{"from": one, "kind": "camera", "to": other, "max_kbps": 2500}]
            }
            await hall.server.control.room("pair-0", **room)
            await aside(page.evaluate, "(id) => film(id)", one)
            shown: dict[str, float] = {"height": 0}
            end = time.monotonic() + 12
            while shown["height"] < 720 and time.monotonic() < end:
                await asyncio.sleep(0.5)
                shown = await aside(page.evaluate, "(id) => watched(id)", other)
            before, began = shown, time.monotonic()
            film = await hall.share(12 * scale)
            shown = await aside(page.evaluate, "(id) => watched(id)", other)
            span = time.monotonic() - began
            await aside(page.evaluate, "(id) => people[id].camera.sender.replaceTrack(null)", one)
            await asyncio.sleep(SETTLE_SECONDS)
            without = (before_it + await hall.share(6 * scale)) / 2
            rate = (shown["frames"] - before["frames"]) / span
            mbit = 8e-6 * (shown["bytes"] - before["bytes"]) / span
            what = f"forwarded picture ({shown['height']:.0f} lines, {rate:.0f} a second, {mbit:.1f} Mbit/s)"
            rows.append([what, "1", f"{film:.1f} %", f"{film - without:.2f} %"])
            say(f"  {rows[-1]}")
    note = (
        f"Each: without the {idle:.1f} % of a server with nobody there; the picture without two "
        "people's talk before and after it. Chromium is on the same cores."
    )
    return [Table("Browsers", COMMAND, ["what", "how many", "server CPU", "each"], rows, [note])]


async def mouth_to_ear(folder: Path, scale: float) -> list[Table]:
    """How long a voice is on its way."""
    async with Hall.running(media_server_program(), folder) as hall:
        port, binary = hall.server.sip_port, peer_program()
        with (
            Peer.running(binary, port, host="127.77.1.2", bursts=True, cores=LAST_CORE) as anne,
            Peer.running(binary, port, host="127.77.1.3", bursts=True, cores=LAST_CORE) as ben,
            Peer.running(binary, port, host="127.77.1.4", bursts=True, cores=LAST_CORE) as carl,
            chromium() as page,
        ):
            endpoints = []
            for peer in (anne, ben, carl):
                trunk = await hall.trunk(peer)
                await more(hall, peer, trunk, 1)
                endpoints += hall.answered[trunk]
            await join(hall, page, "web", bursts=True)
            await hall.server.control.rooms(**pairs([*endpoints, "web"]))
            await asyncio.sleep(2 * SETTLE_SECONDS)
            seconds = 25 * scale
            await aside(page.evaluate, "() => begin('web')")
            await aside(page.evaluate, "() => waited('web')")
            by_anne, by_ben, by_carl = await asyncio.gather(
                *(aside(peer.measure, seconds) for peer in (anne, ben, carl))
            )
            web = await aside(page.evaluate, "() => told('web')")
            there_waits = await aside(page.evaluate, "() => waited('web')")
    said, heard = ([at / 1e3 for at in web[what]] for what in ("said", "heard"))
    first, second, third = endpoints
    rows = []
    for way, speakers, found, there in (
        ("phone to phone", (first, second),
         (delays(by_anne.said, by_ben.heard), delays(by_ben.said, by_anne.heard)), ""),
        ("phone to browser", (third,), (delays(by_carl.said, heard),), f"{there_waits:.0f}"),
        ("browser to phone", ("web",), (delays(said, by_carl.heard),), ""),
    ):  # fmt: skip
        took = [each for times, _ in found for each in times]
        waits = [hall.waits(speaker) for speaker in speakers]
        missing = sum(lost for _, lost in found)
        rows.append(
            [way, f"{len(took)}", f"{missing}", *ranked(took), f"{sum(waits) / len(waits):.0f}", there]
        )
        say(f"  {rows[-1]}")
    note = (
        "On loopback, no loss. Bursts of 100 ms at random times, all by this machine's clock. A phone's mouth is 20 ms "
        "before its packet leaves (it collects them); its ear is when the packet with the burst's first sample comes, "
        "and so far into it (what a phone then waits is its own). A browser's mouth is an AudioWorklet, its ear the "
        "samples that Chromium hands out to be played; the sound card is not in it. De-jitter: what packets waited in "
        "the server and in Chromium. Aim: p50 below 80 ms."
    )
    head = ["from", "bursts", "not heard", "p50 ms", "p90 ms", "max ms", "de-jitter: server", "Chromium"]
    return [Table("Mouth to ear", COMMAND, head, rows, [note])]


PARTS: tuple[tuple[str, Callable[[Path, float], Awaitable[list[Table]]], float], ...] = (
    ("phones", phones, 225.0), ("browsers", browsers, 75.0), ("mouth_to_ear", mouth_to_ear, 60.0),
)  # fmt: skip


async def measured(wanted: list[str], scale: float) -> list[Table]:
    """All parts; one that fails says so in a table of its own and does not cost the others."""
    tables = []
    for name, part, limit in PARTS:
        if wanted and name not in wanted:
            continue
        say(f"- {name}")
        with tempfile.TemporaryDirectory() as folder:
            try:
                tables += await asyncio.wait_for(part(Path(folder), scale), limit)
            except (Exception, TimeoutError) as error:  # noqa: BLE001 (said where it is read)
                why = f"{type(error).__name__}: {error}"[:400]
                say(f"  failed: {why}")
                tables.append(
                    Table(name, COMMAND, ["not measured"], [[why.replace("|", "/").replace("\n", " ")]])
                )
    return tables


def main(arguments: list[str] | None = None) -> list[Table]:
    """Measures and gives the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.media", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="of all spans; below 1 for a try")
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(name for name, *_ in PARTS)}")
    options = parser.parse_args(arguments)
    return asyncio.run(measured(options.parts, options.scale))


if __name__ == "__main__":
    for table in main():
        print(table.text())
