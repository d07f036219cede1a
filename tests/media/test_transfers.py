"""Calls that change hands, with Guichet, its media server and a carrier: nobody is left in silence."""

from __future__ import annotations

import shutil
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from tests.media.support.carrier import Carrier, Phone
from tests.media.support.child import Child, prepare
from tests.media.support.speaker import Studio
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

ANNE, BEN, EXPERT = 400, 650, 1_050
ALL = (ANNE, BEN, EXPERT)
NUMBER, AGENT, TARGET = "+33140000001", "+33140000002", "+33140000066"


class Centre(NamedTuple):
    child: Child
    carrier: Carrier

    async def talking(self) -> tuple[Phone, str, Phone]:
        """Anne and Ben called, and hear each other: (Anne, her call, Ben)."""
        anne, a = await self.child.call(self.carrier, ANNE, NUMBER)
        ben, b = await self.child.call(self.carrier, BEN, AGENT)
        await self.hear_each_other(a, b)
        await anne.speaker.hears({BEN}, ALL)
        await ben.speaker.hears({ANNE}, ALL)
        return anne, a, ben

    async def hear_each_other(self, a: str, b: str) -> None:
        await self.child.do("set_rooms", rooms={"room": {"endpoints": [a, b], "hears": {a: [b], b: [a]}}})

    async def transfer(self, anne: Phone, call: str) -> None:
        await self.child.do("transfer_endpoint", endpoint=call, transfer="t1", number=TARGET)
        await anne.lived("got REFER")

    async def nobody(self) -> bool:
        return not await self.child.endpoints()

    async def loses_its_host(self) -> None:
        """The media server is killed, and whatever it had kept is gone with it."""
        media = self.child.media()
        assert media is not None
        shutil.rmtree(self.child.folder / "data" / "media" / "state")
        (self.child.folder / "data" / "media" / "state").mkdir(mode=0o700)
        media.kill()
        await wait_until(lambda: self.child.media() not in (None, media), "there is another one")


@pytest.fixture
async def centre(tmp_path: Path, media_program: Path) -> AsyncIterator[Centre]:
    with Studio() as studio:
        async with Child.running(tmp_path, media_program) as child:
            server: Any = SimpleNamespace(sip_port=child.sip_port)
            async with Carrier.running(tmp_path, studio, server) as carrier:
                await prepare(child, carrier)
                yield Centre(child, carrier)


async def test_the_carrier_takes_a_call_over(centre: Centre) -> None:
    anne, call, ben = await centre.talking()
    await centre.transfer(anne, call)
    assert f"Refer-To: <sip:{TARGET}@" in anne.messages()
    anne.do("DONE")
    await anne.lived("got BYE")
    await anne.over()
    await centre.child.until(call, "over")
    ben.do("HANGUP")
    await ben.over()


async def test_whoever_leaves_without_a_word_was_transferred_or_went_home(centre: Centre) -> None:
    """Many carriers accept, and hang up: nobody else is to be rung by us."""
    anne, call, ben = await centre.talking()
    await centre.transfer(anne, call)
    anne.do("HANGUP")
    await anne.over()
    await centre.child.until(call, "over")
    ben.do("HANGUP")
    await ben.over()
    await wait_until(centre.nobody, "all calls are over")


async def test_what_the_carrier_does_not_take_over_is_bridged(
    centre: Centre,
) -> None:
    anne, call, ben = await centre.talking()
    expert = await centre.carrier.awaits(EXPERT)
    await centre.transfer(anne, call)
    anne.do("FAILED")
    await expert.lived("rings")
    await anne.speaker.hears({BEN}, ALL)  # nobody is put into silence before somebody answers
    expert.do("ANSWER")
    await expert.answered()
    await anne.speaker.hears({EXPERT}, ALL)
    await expert.speaker.hears({ANNE}, ALL)
    await ben.speaker.hears((), ALL)
    expert.do("HANGUP")
    await expert.over()
    await anne.lived("got BYE")
    await anne.over()
    await centre.child.until(call, "over")


async def test_whoever_was_cut_off_is_called_again(
    centre: Centre, counted: Callable[[str, object], None]
) -> None:
    identity = {"kind": "phone", "handle": NUMBER, "hash": "f" * 64, "proven": False}
    await centre.child.do(
        "register_customer", customer="c1", client="own", language="fr", anonymous=True, identities=[identity]
    )
    _, call, _ = await centre.talking()
    again = await centre.carrier.awaits(ANNE)
    await centre.loses_its_host()
    lost = time.monotonic()
    assert await again.lived("to", within=20) == NUMBER
    await again.lived("rings")
    counted("media host lost: s until whoever was cut off is rung", round(time.monotonic() - lost, 2))
    again.do("ANSWER")
    await again.answered()
    await centre.child.until(f"{call}-again", "answered")
    (room,) = await centre.child.ask({"table": "room"})
    assert f"{call}-again" in room["document"]["endpoints"]
    ben, b = await centre.child.call(centre.carrier, BEN, AGENT)
    await centre.hear_each_other(f"{call}-again", b)
    await again.speaker.hears({BEN}, ALL)
    await ben.speaker.hears({ANNE}, ALL)
    again.do("HANGUP")
    await again.over()
