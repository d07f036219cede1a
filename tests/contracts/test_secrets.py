"""A secret that settings name is kept until none does, and then removed for good."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.support.walls import House

pytestmark = pytest.mark.contract

TRUNK = {"name": "Carrier", "peer": "192.0.2.1:5060", "username": "us", "secret": "both"}
MAIL = {"address": "bonjour@lune.example", "relay": {"host": "192.0.2.2", "user": "us", "secret": "both"}}
CHAT = {"identity_secret": "both"}


async def known(ada: httpx.AsyncClient, use: str) -> bool:
    return bool((await ada.get(f"/api/secrets/{use}/both")).json()["known"])


async def removed(ada: httpx.AsyncClient, use: str) -> str:
    answer = await ada.delete(f"/api/secrets/{use}/both")
    return "" if answer.status_code == 204 else str(answer.json()["code"])


async def test_it_is_removed_once_nothing_names_it(tmp_path: Path) -> None:
    async with House.running(tmp_path / "data") as house:
        ada = house.http("ada")
        for use in ("trunk", "relay", "identity"):
            assert (
                await ada.put(f"/api/secrets/{use}/both", json={"secret": f"of {use}"})
            ).status_code == 204
        door = {"name": "Door", "client": "vip", "queue": "vip"}
        await house.config("org", "trunk", "carrier", **TRUNK)
        await house.config("org", "entry_point", "mail", **door, channel="email", settings=MAIL)
        await house.config("org", "entry_point", "chat", **door, channel="webchat", settings=CHAT)
        for use in ("trunk", "relay", "identity"):
            assert await removed(ada, use) == "secret.in_use", use

        await house.change("org", "trunk", "carrier", active=False)
        assert await removed(ada, "trunk") == "secret.in_use", "it may be taken up again"
        await house.change("org", "trunk", "carrier", secret="")
        assert await removed(ada, "trunk") == ""
        await house.change("org", "entry_point", "mail", settings=MAIL | {"relay": None})
        assert await removed(ada, "relay") == ""
        assert await removed(ada, "relay") == "", "again is harmless"
        assert [await known(ada, use) for use in ("trunk", "relay", "identity")] == [False, False, True]
