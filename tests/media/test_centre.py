"""Guichet and its media server, each killed while people talk: neither takes the calls with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.media.support.carrier import Carrier
from tests.media.support.child import Child, prepare
from tests.media.support.speaker import Studio
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

ANNE, BEN = 400, 650
ALL = (ANNE, BEN)
UNNOTICED_SECONDS = 0.06
AGREED_SECONDS = 2.0


async def test_neither_process_takes_the_calls_with_it(
    tmp_path: Path, media_program: Path, counted: Callable[[str, object], None]
) -> None:
    with Studio() as studio:
        async with Child.running(tmp_path, media_program) as child:
            server: Any = SimpleNamespace(sip_port=child.sip_port)
            async with Carrier.running(tmp_path, studio, server) as carrier:
                await prepare(child, carrier)
                anne, a = await child.call(carrier, ANNE, "+33140000001")
                ben, b = await child.call(carrier, BEN, "+33140000002")
                talk = {"endpoints": [a, b], "hears": {a: [b], b: [a]}}
                await child.do("set_rooms", rooms={"room": talk})
                await anne.speaker.hears({BEN}, ALL)
                await ben.speaker.hears({ANNE}, ALL)

                mark = len(anne.speaker.packets)
                await child.kill()
                await anne.speaker.hearing(1.0)
                began = time.monotonic()
                await child.start()
                await child.do("set_rooms", rooms={"room": {**talk, "hears": {a: [b]}}})
                opened = time.monotonic() - began
                await ben.speaker.hears((), ALL)
                gap = anne.speaker.since(mark).longest_gap
                counted("Guichet killed: longest gap in a call, ms", round(gap * 1_000))
                counted("Guichet killed: s from its start to what it said next", round(opened, 2))
                assert gap < UNNOTICED_SECONDS
                assert await child.endpoints() == {a: "answered", b: "answered"}

                media, mark = child.media(), len(anne.speaker.packets)
                assert media is not None
                media.kill()
                killed = time.monotonic()
                await wait_until(lambda: child.media() not in (None, media), "there is another media server")
                await child.until_up()
                await child.do("set_rooms", rooms={"room": talk})
                await ben.speaker.hears({ANNE}, ALL)
                agreed = time.monotonic() - killed
                gap = anne.speaker.since(mark).longest_gap
                counted("media server killed beside Guichet: longest gap in a call, ms", round(gap * 1_000))
                assert agreed < AGREED_SECONDS + 0.5  # `hears` itself looks for 300 ms
                assert await child.endpoints() == {a: "answered", b: "answered"}

                ben.do("HANGUP")
                await ben.over()
                await child.until(b, "over")
                await child.do("ask_endpoint", endpoint=a, act="hang_up")
                await anne.over()
                await child.stop()
                await wait_until(lambda: child.media() is None, "the media server ends with Guichet")
