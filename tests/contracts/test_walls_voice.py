"""Walls of the trunks: an administrator sees and tries those of their own organisation, nobody else any."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import httpx
import pytest

from guichet.kit.clock import SECOND, SystemClock
from guichet.kit.tasks import Supervisor
from guichet.media.drivers.fake import FakeMedia
from guichet.media.turn import GOOD_FOR
from tests.support.waiting import wait_until
from tests.support.walls import EVIL, PEOPLE, House

pytestmark = pytest.mark.contract

NUMBER = {"number": "+33199001234"}
TRUNK = {"name": "zircon trunk", "peer": "192.0.2.1:5060", "allow": ["192.0.2.0/24"], "countries": ["+33"]}


def look(c: httpx.AsyncClient) -> Awaitable[httpx.Response]:
    return c.get("/api/trunks")


def call(c: httpx.AsyncClient) -> Awaitable[httpx.Response]:
    return c.post("/api/trunks/zircon/test-call", json=NUMBER)


async def test_trunks_belong_to_administrators_of_their_organisation(tmp_path: Path, database: str) -> None:
    tasks = Supervisor()
    media = FakeMedia(SystemClock(), tasks)
    media.picks_up = True
    async with House.running(tmp_path / "data", database, plane=media) as house:
        await house.config("org", "trunk", "zircon", **TRUNK)
        await wait_until(lambda: "org.zircon" in media.known_trunks, "the media server knows the trunk")
        for who, (org, role, _) in PEOPLE.items():
            seen, called = await look(house.http(who)), await call(house.http(who))
            if role != "administrator":
                assert (seen.status_code, called.status_code) == (403, 403), who
            elif org != "org":
                assert "zircon" not in seen.text, who
                assert called.status_code == 404, who
            else:
                assert "zircon trunk" in seen.text, who
                await wait_until(lambda: not media.endpoints, "the last test call is over")
                assert called.json().get("outcome") == "answered", (who, called.text)
        assert len(media.puts) >= 2
        for ask in (look, call):
            assert (await ask(house.http("ada", Origin=EVIL))).status_code == 403
            assert (await ask(house.http(None))).status_code == 401
    await tasks.close()


async def test_what_is_wrong_with_a_test_call_is_said(tmp_path: Path) -> None:
    tasks = Supervisor()
    media = FakeMedia(SystemClock(), tasks)
    async with House.running(tmp_path / "data", plane=media) as house:
        await house.config("org", "trunk", "zircon", **TRUNK)
        await wait_until(lambda: "org.zircon" in media.known_trunks, "the media server knows the trunk")
        ada = house.http("ada")
        far = await ada.post("/api/trunks/zircon/test-call", json={"number": "+442079460000"})
        assert (far.status_code, far.json()["field"]) == (403, "countries")
        bad = await ada.post("/api/trunks/zircon/test-call", json={"number": "12"})
        assert (bad.status_code, bad.json()["field"]) == (422, "number")
    await tasks.close()
    async with House.running(tmp_path / "none") as house:
        await house.config("org", "trunk", "zircon", **TRUNK)
        assert (await call(house.http("ada"))).json()["code"] == "media.off"


async def test_a_new_password_reaches_the_media_server(tmp_path: Path) -> None:
    tasks = Supervisor()
    media = FakeMedia(SystemClock(), tasks)
    async with House.running(tmp_path / "data", plane=media) as house:
        await house.config("org", "trunk", "zircon", **TRUNK, username="us", secret="carrier")
        await wait_until(lambda: "org.zircon" in media.known_trunks, "the media server knows the trunk")
        for password in ("first", "second"):
            answer = await house.http("ada").put("/api/secrets/trunk/carrier", json={"secret": password})
            assert answer.status_code == 204
            await wait_until(lambda: media.known_trunks["org.zircon"].password == password, "it knows it")  # noqa: B023
    await tasks.close()


async def test_ways_to_the_media_server_are_for_who_is_signed_in(tmp_path: Path) -> None:
    turn: dict[str, Any] = {
        "turn_urls": "turns:turn.example:443?transport=tcp, turn:turn.example:3478",
        "turn_secret": "shared",
    }
    async with House.running(tmp_path / "data", **turn) as house:
        (server,) = (await house.http("paul").get("/api/ice-servers")).json()["ice_servers"]
        assert server["urls"] == ["turns:turn.example:443?transport=tcp", "turn:turn.example:3478"]
        until, _, who = server["username"].partition(":")
        assert (int(until) * SECOND, who) == (house.node.clock.now() // SECOND * SECOND + GOOD_FOR, "paul")
        proof = hmac.new(b"shared", server["username"].encode(), hashlib.sha1).digest()
        assert server["credential"] == base64.b64encode(proof).decode()
        assert (await house.http(None).get("/api/ice-servers")).status_code == 401
        assert (await house.http("paul", Origin=EVIL).get("/api/ice-servers")).status_code == 403
    async with House.running(tmp_path / "none") as house:
        assert (await house.http("paul").get("/api/ice-servers")).json() == {"ice_servers": []}
