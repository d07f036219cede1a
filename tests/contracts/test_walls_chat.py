"""Walls, at the chat's doors: every route of the widget, tried without a token, with another visitor's, at another
door, from a page that may not show the chat; each refusal beside the same request by whose visit it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from guichet.channels.webchat.identity import Claims, sign
from guichet.kit.errors import Refused
from tests.support.desk_centre import Browser
from tests.support.walls import EVIL, PEOPLE, PNG, House

pytestmark = pytest.mark.contract

SHOP = "https://shop.example"
DOOR = "/api/webchat/shop-chat"
SECRET = b"the shop's own"
Counted = Callable[[str, object], None]


def token(of: str) -> dict[str, str]:
    return {"X-Guichet-Token": of}


async def hear(browser: Browser, op: str) -> dict[str, Any]:
    return await browser.frame(op)


async def visit(house: House, door: str = DOOR, **who: str) -> str:
    answer = await house.http().post(f"{door}/open", json={"language": "fr", **who})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["token"])


async def talk(house: House, of: str, words: str, door: str = "shop-chat", **more: Any) -> Browser:
    """A visitor's socket, on which these words were said."""
    widget = house.chat_socket(door, of)
    widget.send(op="say", id="m1", text=words, **more)
    await widget.frame("ack")
    return widget


async def test_walls_of_the_chat(tmp_path: Path, database: str, counted: Counted) -> None:
    async with House.running(tmp_path / "data", database) as house:
        await house.node.store.secrets.put("org", "identity/shop", SECRET)
        settings = {"allowed_origins": [SHOP], "identity_secret": "shop"}
        await house.change("org", "entry_point", "shop-chat", settings=settings)
        ines, omar = await visit(house, name="Inès"), await visit(house, name="Omar")
        bank = await visit(house, "/api/webchat/bank-chat", name="Bea")
        far = await visit(house, "/api/webchat/other-shop-chat", name="Max")
        wrong = {"no token": "", "a guess": "x" * 32, "another door's": bank, "another house's": far}
        wrong |= {f"{who}'s session": house.tokens[who] for who in ("paul", "ada", "zoe")}
        await pages(house, ines, wrong)
        file = await files(house, ines, omar, wrong)
        await sockets(house, ines, omar, wrong, file)
        await who_signs(house)
        await no_way_to_the_desk(house, ines)
        counted("refusals", house.tries)


async def pages(house: House, ines: str, wrong: dict[str, str]) -> None:
    """What stands at the door is for everybody whom the client lets show it."""
    for door in (DOOR, f"{DOOR}/open", f"{DOOR}/attachments", f"{DOOR}/attachments/x"):
        async with house.unchanged(f"preflight of {door}"):
            foreign = await house.http(Origin=EVIL).options(door)
        assert (foreign.status_code, foreign.json()["code"]) == (403, "origin.foreign")
        assert "access-control-allow-origin" not in foreign.headers
        ours = await house.http(Origin=SHOP).options(door)
        assert (ours.status_code, ours.headers["access-control-allow-origin"]) == (204, SHOP)
    async with house.unchanged("another site"):
        assert (await house.http(Origin=EVIL).get(DOOR)).status_code == 403
        assert (await house.http(Origin=EVIL).post(f"{DOOR}/open", json={})).status_code == 403
    assert (await house.http(Origin=SHOP).get(DOOR)).json()["client"]["name"] == "Shop"
    for ident in ("nothing", "paul", "shop"):  # no door, and ids of what is none
        async with house.unchanged(f"door {ident}"):
            assert (await house.http().get(f"/api/webchat/{ident}")).status_code == 404
            assert (await house.http().post(f"/api/webchat/{ident}/open", json={})).status_code == 404
    for whose, it in wrong.items():
        if it:
            async with house.unchanged(f"opened with {whose} token"):
                answer = await house.http().post(f"{DOOR}/open", json={"token": it, "name": "Eve"})
            assert (answer.status_code, answer.json()["code"]) == (401, "visit.unknown"), whose
    again = await house.http(Origin=SHOP).post(f"{DOOR}/open", json={"token": ines})
    assert again.json()["token"] == ines


async def files(house: House, ines: str, omar: str, wrong: dict[str, str]) -> dict[str, Any]:
    """Gives a file that Inès sent in her conversation, which is "hers" from now on."""
    for whose, it in wrong.items():
        async with house.unchanged(f"upload with {whose} token"):
            answer = await house.http(**token(it)).post(f"{DOOR}/attachments", content=PNG)
        assert (answer.status_code, answer.json()["code"]) == (401, "visit.unknown"), whose
    async with house.unchanged("upload from another site"):
        answer = await house.http(Origin=EVIL, **token(ines)).post(f"{DOOR}/attachments", content=PNG)
    assert answer.status_code == 403
    headers = {**token(ines), "Content-Type": "image/png", "X-Filename": "zircon.png"}
    stored = await house.http(Origin=SHOP, **headers).post(f"{DOOR}/attachments", content=PNG)
    file: dict[str, Any] = stored.json()
    assert stored.status_code == 201

    his = await talk(house, omar, "Bonjour")
    # Not said yet, so not to be had; and nobody can say what somebody else brought.
    path = f"{DOOR}/attachments/{file['address']}"
    assert (await house.http(**token(ines)).get(path)).status_code == 404
    async with house.unchanged("words with somebody else's file"):
        his.send(op="say", id="m2", text="?", attachments=[{**file, "address": "0" * 64}])
        unknown = await his.frame("nack")
        his.send(op="say", id="m2", text="?", attachments=[file])
        assert await his.frame("nack") == unknown
    hers = await talk(house, ines, "Mon colis zircon", attachments=[file])
    await hers.leave()
    await his.leave()

    async def ask(it: str, where: str = path, **headers: str) -> httpx.Response:
        return await house.http(**token(it), **headers).get(where)

    nothing = await ask(omar, f"{DOOR}/attachments/{'0' * 64}")
    async with house.unchanged("somebody else's file"):
        refused = await ask(omar)
        assert (refused.status_code, refused.content) == (404, nothing.content)
        for whose, it in wrong.items():
            assert (await ask(it)).status_code == 401, whose
        assert (await ask(ines, Origin=EVIL)).status_code == 403
        assert (await ask(ines, path.replace("shop-chat", "bank-chat"))).status_code == 401
    assert (await ask(ines, Origin=SHOP)).content == PNG
    return file


async def sockets(house: House, ines: str, omar: str, wrong: dict[str, str], file: dict[str, Any]) -> None:
    """One hears and speaks in one's own conversation only, and never hears what colleagues note."""
    for whose, it in {**wrong, "no": ""}.items():
        async with house.unchanged(f"socket with {whose} token"):
            widget = house.chat_socket("shop-chat", it)
            widget.send(op="say", id="m9", text="zircon")
            await widget.ended()
        assert (widget.accepted, widget.closed) == (False, 4401), whose
    for door, origin in (
        ("bank-chat", None),
        ("other-shop-chat", None),
        ("nothing", None),
        ("shop-chat", EVIL),
    ):
        async with house.unchanged(f"socket at {door} from {origin}"):
            widget = house.chat_socket(door, ines, origin)
            await widget.ended()
        assert (widget.accepted, widget.frames.empty()) == (False, True), (door, origin)

    (row,) = [r for r in await house.rows("conversation") if r["last_words"] == "Mon colis zircon"]
    conversation = str(row["conversation"])
    await house.do(house.system(), "agent_connected", agent="paul")
    await house.do(house.agent("paul"), "take", conversation=conversation)
    await house.do(house.agent("paul"), "add_note", conversation=conversation, text="Note zircon")
    his = house.chat_socket("shop-chat", omar, SHOP)
    # The id of another's conversation in a frame leads nowhere: the token alone says whose words these are.
    his.send(op="resume", after=0, conversation=conversation)
    heard = await hear(his, "thread")
    assert heard["conversation"] != conversation
    assert [m["text"] for m in heard["messages"]] == ["Bonjour"]
    hers = house.chat_socket("shop-chat", ines, SHOP)
    hers.send(op="resume", after=0)
    heard = await hear(hers, "thread")
    assert [m["text"] for m in heard["messages"]] == ["Mon colis zircon"]
    assert "Note zircon" not in json.dumps(heard)
    await house.do(
        house.agent("paul"), "send_message", conversation=conversation, message="r1", text="Le zircon arrive"
    )
    assert (await hear(hers, "thread"))["messages"][0]["text"] == "Le zircon arrive"
    his.send(op="resume", after=1)  # answered after whatever came before it
    later: list[dict[str, Any]] = []
    while (frame := await his.frame())["op"] != "thread":
        later.append(frame)
    assert "zircon" not in json.dumps([*later, frame])
    await hers.leave()
    await his.leave()


async def who_signs(house: House) -> None:
    """Who somebody is at the shop, only the shop's signature says; it leads to nobody of another client."""
    exp = house.node.clock.now() // 1_000 + 600

    def claims(secret: bytes, until: int = exp) -> dict[str, str]:
        return {"identity": sign(Claims("c-42", until, "Zoé"), secret)}

    first = await house.http().post(f"{DOOR}/open", json=claims(SECRET))
    for asked in (claims(b"a guess"), claims(SECRET, exp - 1_200), {"identity": "a.b.c"}):
        async with house.unchanged("a signature that is none"):
            answer = await house.http().post(f"{DOOR}/open", json=asked)
        assert answer.status_code == 403
    async with house.unchanged("at a door that knows no signature"):
        answer = await house.http().post("/api/webchat/bank-chat/open", json=claims(SECRET))
    assert answer.json()["code"] == "identity.unsupported"
    again = await house.http().post(f"{DOOR}/open", json=claims(SECRET))
    assert again.json()["customer"] == first.json()["customer"]
    typed = await house.http().post(f"{DOOR}/open", json={"name": "Zoé", "email": "zoe@mail.example"})
    assert typed.json()["customer"] != first.json()["customer"], "what somebody merely types proves nothing"


async def no_way_to_the_desk(house: House, ines: str) -> None:
    """A visit's token is no session of the desk's."""
    async with house.unchanged("a visitor at the desk"):
        for headers in (token(ines), {"Cookie": f"guichet_session={ines}"}):
            ask = {"name": "close", "key": "k", "payload": {"conversation": "x"}}
            assert (await house.http(**headers).post("/api/commands", json=ask)).status_code == 401
            assert (await house.http(**headers).get("/api/conversations")).status_code == 401


async def test_a_door_belongs_to_who_made_it_first(tmp_path: Path, database: str) -> None:
    """What the outside knows an entry point by is one organisation's: a second one must not take its contacts."""
    async with House.running(tmp_path / "data", database) as house:
        mail = {"address": "bonjour@shop.example", "aliases": ["aide@shop.example"]}
        door = {"name": "Courriel", "client": "shop", "channel": "email", "queue": "shop", "settings": mail}
        await house.config("org", "entry_point", "mail", **door)
        chat = {"name": "Chat", "client": "shop", "channel": "webchat", "queue": "shop"}
        alias = {"address": "x@shop.example", "aliases": ["BONJOUR@shop.example"]}
        for org, ident, value in (
            ("other", "shop-chat", chat),
            ("other", "mail", door),
            ("other", "letters", {**door, "settings": {"address": "aide@shop.example"}}),
            ("other", "letters", {**door, "settings": alias}),
            ("org", "letters", door),
        ):
            async with house.unchanged(f"{ident} of {org}"):
                with pytest.raises(Refused) as refused:
                    await house.config(org, "entry_point", ident, **value)
            assert refused.value.code == "entry_point.taken", (org, ident)
        await house.change("org", "entry_point", "mail", name="Courrier")  # what is one's own can change
        await house.config(
            "other", "entry_point", "mail", **{**door, "settings": {"address": "x@far.example"}}
        )
        assert (await house.http().get(DOOR)).json()["client"]["name"] == "Shop"
        # Given up by one, it is free for the other.
        await house.change("org", "entry_point", "shop-chat", active=False)
        await house.config("other", "entry_point", "shop-chat", **chat)
        with pytest.raises(Refused):
            await house.change("org", "entry_point", "shop-chat", active=True)
        assert PEOPLE["zoe"][0] == "other"
