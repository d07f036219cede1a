"""The chat door for real: HTTP and sockets on loopback, a leader and a store behind them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from guichet.channels.uploads import MAX_FILE
from guichet.channels.webchat import presence
from guichet.channels.webchat.identity import Claims, sign
from guichet.channels.webchat.socket import BURST
from guichet.kit import faults
from guichet.kit.errors import Refused
from guichet.leader.registry import Actor, Command
from tests.support.centre import ORG, Centre
from tests.support.waiting import wait_until

pytestmark = pytest.mark.contract

SHOP = "https://lune.example"


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Milliseconds instead of a minute and a half until a visitor counts as gone."""
    monkeypatch.setattr(presence, "GONE_AFTER", 300)


class Widget:
    """What a widget hears and says; frames are kept until somebody asks for their kind."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.heard: list[dict[str, Any]] = []

    async def say(self, **frame: object) -> None:
        await self.socket.send(json.dumps(frame))

    async def hear(self, op: str, **fields: object) -> dict[str, Any]:
        """The next frame of this kind (with these values)."""
        async with asyncio.timeout(10):
            while True:
                for frame in self.heard:
                    if frame["op"] == op and fields.items() <= frame.items():
                        self.heard.remove(frame)
                        return frame
                self.heard.append(json.loads(await self.socket.recv()))


def in_a_centre(test: Callable[[Centre], Awaitable[None]]) -> Callable[[Path], Awaitable[None]]:
    """The test runs in a centre that begins and ends with it, so that its tasks are not taken for left-overs."""

    async def run(tmp_path: Path) -> None:
        async with Centre.running(tmp_path) as running:
            await running.found(allowed_origins=[SHOP], identity_secret="shop", show_country=True)
            await test(running)

    run.__name__ = test.__name__
    return run


@asynccontextmanager
async def widget(centre: Centre, token: str, entry: str = "shop", **more: Any) -> AsyncIterator[Widget]:
    url = f"ws://127.0.0.1:{centre.port}/api/webchat/{entry}/socket?token={token}"
    async with websockets.connect(url, max_queue=None, **more) as socket:
        yield Widget(socket)


async def test_a_chat_from_hello_to_goodbye(tmp_path: Path, database: str) -> None:
    async with Centre.running(tmp_path, database_url=database) as centre:
        await centre.found(show_country=True)
        await hello_to_goodbye(centre)


async def hello_to_goodbye(centre: Centre) -> None:
    await centre.available()
    opened = await centre.open_chat(name="Inès", email="ines@client.example")
    assert opened["conversation"] is None
    async with widget(centre, opened["token"]) as ines:
        await ines.say(op="resume", after=0)
        assert (await ines.hear("thread"))["messages"] == []
        await ines.say(op="say", id="m1", text="Bonjour, mon colis ?", attachments=[])
        ack = await ines.hear("ack", id="m1")
        conversation = ack["conversation"]
        assert ack["n"] == 1
        (own,) = (await ines.hear("thread"))["messages"]
        assert (own["id"], own["author"], own["text"]) == ("m1", "me", "Bonjour, mon colis ?")

        await centre.accept(conversation)
        assert await ines.hear("agent") == {"op": "agent", "name": "Paul Martin", "country": "FR"}
        centre.node.signals.writing(ORG, conversation, "paul")
        assert (await ines.hear("typing"))["name"] == "Paul Martin"
        await centre.do(
            centre.agent(), "send_message", conversation=conversation, message="r1", text="Il arrive demain."
        )
        (answer,) = (await ines.hear("thread"))["messages"]
        assert (answer["author"], answer["name"], answer["text"]) == (
            "agent",
            "Paul Martin",
            "Il arrive demain.",
        )

        async def status() -> object:
            return (await centre.messages(conversation))[1]["status"]

        await centre.until(lambda: _equals(status, "delivered"), "the delivery mark")
        await ines.say(op="read", n=2)
        await centre.until(lambda: _equals(status, "read"), "the read mark")
        await ines.say(op="leave")
        await centre.until(lambda: _has_fact(centre, "conversation.left"), "the visitor has left")
        await centre.do(centre.agent(), "close", conversation=conversation)
        await ines.hear("closed")
    (row,) = await centre.rows("conversation", conversation=conversation)
    assert (row["state"], row["customer_name"], row["language"]) == ("closed", "Inès", "fr")


async def _equals(read: Any, value: object) -> bool:
    return bool(await read() == value)


async def _has_fact(centre: Centre, name: str) -> bool:
    return name in await centre.facts()


@in_a_centre
async def test_words_sent_again_are_said_once(centre: Centre) -> None:
    token = (await centre.open_chat())["token"]
    say = {"op": "say", "id": "m1", "text": "Bonjour", "attachments": []}
    async with widget(centre, token) as one, widget(centre, token) as two:
        await asyncio.gather(one.say(**say), two.say(**say), one.say(**say))
        first = await one.hear("ack", id="m1")
        assert await one.hear("ack", id="m1") == first
        assert await two.hear("ack", id="m1") == first
    assert [row["text"] for row in await centre.messages(first["conversation"])] == ["Bonjour"]
    assert (await centre.facts()).count("conversation.opened") == 1


@in_a_centre
async def test_resuming_brings_what_came_after(centre: Centre) -> None:
    await centre.available()
    token = (await centre.open_chat())["token"]
    async with widget(centre, token) as before:
        await before.say(op="say", id="m1", text="Bonjour", attachments=[])
        conversation = (await before.hear("ack"))["conversation"]
        await before.say(op="say", id="m2", text="Vous êtes là ?", attachments=[])
        await before.hear("ack", id="m2")
    await centre.accept(conversation)
    await centre.do(centre.agent(), "send_message", conversation=conversation, message="r1", text="Oui !")
    async with widget(centre, token) as after:
        await after.say(op="resume", after=1, conversation=conversation)
        thread = await after.hear("thread")
        assert [(m["n"], m["text"]) for m in thread["messages"]] == [(2, "Vous êtes là ?"), (3, "Oui !")]
        assert thread["n"] == 3
        assert (await after.hear("agent"))["name"] == "Paul Martin"
        await after.say(op="resume", after=3, conversation=conversation)
        assert (await after.hear("thread"))["messages"] == []
        await after.say(op="resume", after=9, conversation="another one")
        assert len((await after.hear("thread"))["messages"]) == 3
    again = await centre.open_chat(token=token)
    assert (again["token"], again["conversation"]) == (token, conversation)


@in_a_centre
async def test_a_place_in_line_until_somebody_answers(centre: Centre) -> None:
    tokens = [(await centre.open_chat())["token"] for _ in range(2)]
    async with widget(centre, tokens[0]) as first, widget(centre, tokens[1]) as second:
        await first.say(op="say", id="m1", text="un", attachments=[])
        conversation = (await first.hear("ack"))["conversation"]
        await second.say(op="say", id="m1", text="deux", attachments=[])
        assert (await first.hear("place"))["waiting"]["place"] == 1
        assert (await second.hear("place"))["waiting"]["place"] == 2
        await centre.available()
        await centre.accept(conversation)
        assert (await first.hear("place"))["waiting"] is None


@in_a_centre
async def test_frames_that_are_refused(centre: Centre) -> None:
    async with widget(centre, (await centre.open_chat())["token"]) as visitor:
        await visitor.say(op="say", id="long", text="x" * 40_000, attachments=[])
        error = (await visitor.hear("nack", id="long"))["error"]
        assert (error["code"], error["field"], error["limit"]) == ("message.too_long", "text", 32_768)
        await visitor.socket.send("{")
        assert (await visitor.hear("nack"))["error"]["code"] == "frame.invalid"
        for i in range(2 * BURST):
            await visitor.say(op="say", id=f"m{i}", text="encore", attachments=[])
        refused = await visitor.hear("nack")
        assert refused["error"]["kind"] == "limited"
        assert refused["id"].startswith("m")


@in_a_centre
async def test_words_keep_their_order_when_the_first_are_refused_for_now(centre: Centre) -> None:
    def busy() -> None:
        raise Refused("limited", "leader.busy", "wait")

    async with widget(centre, (await centre.open_chat())["token"]) as visitor:
        faults.arm("channels.message.before_submit", busy)
        try:
            for word in (
                "un",
                "deux",
                "un",
                "deux",
            ):  # again all that is not acknowledged, as the widget does it
                await visitor.say(op="say", id=word, text=word, attachments=[])
            assert (await visitor.hear("nack", id="un"))["error"]["code"] == "leader.busy"
            assert (await visitor.hear("nack", id="deux"))["error"]["code"] == "message.out_of_turn"
        finally:
            faults.disarm_all()
        assert (await visitor.hear("ack", id="un"))["n"] == 1
        assert (await visitor.hear("ack", id="deux"))["n"] == 2


@in_a_centre
async def test_words_that_another_tab_said_hold_up_nobody(centre: Centre) -> None:
    """Tabs share their outbox: what one was refused for now the other says, and neither says it again."""

    def busy() -> None:
        raise Refused("limited", "leader.busy", "wait")

    token = (await centre.open_chat())["token"]
    async with widget(centre, token) as one, widget(centre, token) as two:
        faults.arm("channels.message.before_submit", busy)
        try:
            await one.say(op="say", id="un", text="un", attachments=[])
            await one.hear("nack", id="un")
        finally:
            faults.disarm_all()
        await two.say(op="say", id="un", text="un", attachments=[])
        await two.hear("ack", id="un")
        await one.say(op="say", id="deux", text="deux", attachments=[])
        assert (await one.hear("ack", id="deux"))["n"] == 2


@in_a_centre
async def test_a_name_told_again_is_registered_once_and_leaves_no_trace_of_it(centre: Centre) -> None:
    """Each time a line comes back the widget says who the visitor is."""
    first = await centre.open_chat(name="Inès", email="ines@client.example")
    before = await centre.facts()
    for _ in range(2):
        again = await centre.open_chat(name="Inès", email="ines@client.example", token=first["token"])
        assert again["token"] == first["token"]
    assert await centre.facts() == before
    asked: list[str] = []
    submit = centre.node.leading.leader.submit

    def listening(command: Command) -> asyncio.Future[dict[str, Any]]:
        asked.append(command.key)
        return submit(command)

    centre.node.leading.leader.submit = listening  # type: ignore[method-assign]
    await centre.open_chat(name="Inès", email="ines@client.example", token=first["token"])
    assert asked == []
    changed = await centre.open_chat(name="Inès Diallo", email="ines@client.example", token=first["token"])
    (key,) = asked
    plain = sha256("\0".join(("Inès Diallo", "ines@client.example", "")).encode()).hexdigest()
    assert plain[:16] not in key, "who knows the name could find it by its hash"
    (row,) = await centre.rows("customer", customer=changed["customer"])
    assert row["name"] == "Inès Diallo"


@in_a_centre
async def test_who_may_show_the_chat(centre: Centre) -> None:
    path = "/api/webchat/shop"
    assert (await centre.http.get(path)).status_code == 200
    own = await centre.http.get(path, headers={"Origin": f"http://127.0.0.1:{centre.port}"})
    assert own.status_code == 200
    allowed = await centre.http.get(path, headers={"Origin": SHOP})
    assert allowed.headers["access-control-allow-origin"] == SHOP
    preflight = await centre.http.options(f"{path}/open", headers={"Origin": SHOP})
    assert preflight.status_code == 204
    assert "x-guichet-token" in preflight.headers["access-control-allow-headers"]
    for foreign in ("https://evil.example", "https://lune.example.evil.example", "null"):
        refused = await centre.http.post(f"{path}/open", json={}, headers={"Origin": foreign})
        assert (refused.status_code, refused.json()["code"]) == (403, "origin.foreign")
        assert "access-control-allow-origin" not in refused.headers
    token = (await centre.open_chat())["token"]
    with pytest.raises(websockets.InvalidStatus) as denied:
        async with widget(centre, token, origin=cast("Any", "https://evil.example")):
            pass
    assert denied.value.response.status_code == 403
    assert (await centre.http.get("/api/webchat/nowhere")).status_code == 404
    assert (await centre.http.get("/api/webchat/mail")).status_code == 404


@in_a_centre
async def test_tokens(centre: Centre) -> None:
    for token in ("wrong", "x" * 129):
        refused = await centre.http.post("/api/webchat/shop/open", json={"token": token})
        assert refused.status_code in (401, 422)
        with pytest.raises(websockets.InvalidStatus) as denied:
            async with widget(centre, token):
                pass
        assert denied.value.response.status_code == 401
    agent = await centre.node.store.sessions.create("agent", ORG, "paul", 2**50)
    with pytest.raises(websockets.InvalidStatus):
        async with widget(centre, agent):
            pass
    other = {"name": "Autre", "client": "lune", "channel": "webchat", "queue": "q"}
    admin = Actor("system", "setup", ORG)
    await centre.do(admin, "set_config", kind="entry_point", id="other", value=other, expected_version=0)
    token = (await centre.open_chat())["token"]
    refused = await centre.http.post("/api/webchat/other/open", json={"token": token})
    assert (refused.status_code, refused.json()["kind"]) == (401, "signed_out")


@in_a_centre
async def test_files(centre: Centre) -> None:
    token = (await centre.open_chat())["token"]
    path, png = "/api/webchat/shop/attachments", b"\x89PNG" + bytes(70_000)
    headers = {"X-Guichet-Token": token, "X-Filename": "ma%20photo.png", "Content-Type": "image/png"}
    uploaded = await centre.http.post(path, content=png, headers=headers)
    assert uploaded.status_code == 201
    file = uploaded.json()
    assert (file["name"], file["type"], file["size"]) == ("ma photo.png", "image/png", len(png))
    unsaid = await centre.http.get(f"{path}/{file['address']}", headers={"X-Guichet-Token": token})
    assert unsaid.status_code == 404
    async with widget(centre, token) as visitor:
        await visitor.say(op="say", id="m1", text="", attachments=[file])
        await visitor.hear("ack")
        (message,) = (await visitor.hear("thread"))["messages"]
    assert message["attachments"][0]["address"] == file["address"]
    got = await centre.http.get(f"{path}/{file['address']}", headers={"X-Guichet-Token": token})
    assert got.content == png
    assert got.headers["content-type"] == "image/png"
    assert got.headers["x-content-type-options"] == "nosniff"
    stranger = (await centre.open_chat())["token"]
    hidden = await centre.http.get(f"{path}/{file['address']}", headers={"X-Guichet-Token": stranger})
    assert hidden.status_code == 404

    async with widget(centre, stranger) as thief:
        await thief.say(op="say", id="m1", text="", attachments=[file])
        assert (await thief.hear("nack"))["error"]["code"] == "attachment.unknown"

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(MAX_FILE // 1_000_000 + 2):
            yield bytes(1_000_000)

    large = await centre.http.post(path, content=endless(), headers=headers)
    assert (large.status_code, large.json()["limit"]) == (413, MAX_FILE)


@in_a_centre
async def test_who_is_logged_in_at_the_shop(centre: Centre) -> None:
    for name, value in (("shop", b"another kind's"), ("identity/shop", secret := b"between the shop and us")):
        await centre.node.store.secrets.put(ORG, name, value)
    now = centre.node.clock.now() // 1_000
    identity = sign(Claims(handle="client-12", exp=now + 600, name="Inès Colin"), secret)
    at_home = await centre.open_chat(identity=identity)
    async with widget(centre, at_home["token"]) as visitor:
        await visitor.say(op="say", id="m1", text="Bonjour", attachments=[])
        conversation = (await visitor.hear("ack"))["conversation"]
    on_the_way = await centre.open_chat(identity=identity)
    assert on_the_way["customer"] == at_home["customer"]
    assert on_the_way["conversation"] == conversation
    anonymous = await centre.open_chat()
    assert anonymous["customer"] != at_home["customer"]
    logged_in = await centre.open_chat(token=anonymous["token"], identity=identity)
    assert logged_in["customer"] == at_home["customer"]
    (customer,) = await centre.rows("customer", customer=at_home["customer"])
    assert customer["name"] == "Inès Colin"
    newcomer = await centre.open_chat()
    another = sign(Claims(handle="client-13", exp=now + 600, name="Luc"), secret)
    luc = await centre.open_chat(token=newcomer["token"], identity=another)
    assert luc["customer"] == newcomer["customer"]
    assert luc["token"] != newcomer["token"]
    assert (await centre.open_chat(token=luc["token"], identity=another))["token"] == luc["token"]
    third = sign(Claims(handle="client-14", exp=now + 600), secret)
    shared = await centre.open_chat(token=luc["token"], identity=third)
    assert shared["customer"] not in (luc["customer"], at_home["customer"])
    for bad, code in (
        (sign(Claims(handle="client-12", exp=now - 1), secret), "identity.expired"),
        (sign(Claims(handle="client-12", exp=now + 600), b"guess"), "identity.invalid"),
    ):
        refused = await centre.http.post("/api/webchat/shop/open", json={"identity": bad})
        assert (refused.status_code, refused.json()["code"]) == (403, code)


@in_a_centre
async def test_an_erased_visitor_is_a_stranger(centre: Centre) -> None:
    opened = await centre.open_chat(name="Inès")
    admin = Actor("system", "setup", ORG)
    await centre.do(admin, "erase_customer", customer=opened["customer"])
    refused = await centre.http.post("/api/webchat/shop/open", json={"token": opened["token"]})
    assert (refused.status_code, refused.json()["kind"]) == (401, "signed_out")


async def test_a_required_field_is_asked_for(tmp_path: Path) -> None:
    async with Centre.running(tmp_path) as centre:
        await centre.found(ask_email="required")
        refused = await centre.http.post("/api/webchat/shop/open", json={"name": "Inès"})
        assert (refused.status_code, refused.json()["field"]) == (422, "email")
        wrong = await centre.http.post("/api/webchat/shop/open", json={"email": "ines"})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "email.invalid")
        assert await centre.open_chat(email="ines@client.example")


@in_a_centre
async def test_closed_hours_are_told(centre: Centre) -> None:
    admin = Actor("system", "setup", ORG)
    hours = {"name": "Jamais", "time_zone": "Europe/Paris", "slots": []}
    await centre.do(admin, "set_config", kind="hours", id="never", value=hours, expected_version=0)
    queue = {"name": "Accueil", "client": "lune", "hours": "never"}
    await centre.do(admin, "set_config", kind="queue", id="q", value=queue, expected_version=1)
    door = (await centre.http.get("/api/webchat/shop?language=en")).json()
    assert (door["open"], door["hours"]) == (False, "We are closed. Leave us a message and we will answer.")
    async with widget(centre, (await centre.open_chat())["token"]) as visitor:
        await visitor.say(op="say", id="m1", text="Rappelez-moi", attachments=[])
        await visitor.hear("ack", id="m1")


@in_a_centre
async def test_who_is_gone_too_long_has_left(centre: Centre) -> None:
    token = (await centre.open_chat())["token"]
    async with widget(centre, token) as visitor:
        await visitor.say(op="say", id="m1", text="Bonjour", attachments=[])
        conversation = (await visitor.hear("ack"))["conversation"]
        looked = centre.node.clock.now() + 700
        await wait_until(lambda: centre.node.clock.now() > looked, "the watch looked twice")
        assert "conversation.left" not in await centre.facts()
    await centre.until(lambda: _has_fact(centre, "conversation.left"), "the visitor has left")
    (row,) = await centre.rows("conversation", conversation=conversation)
    assert row["state"] == "closed"


async def test_who_does_not_come_back_after_a_restart_has_left(tmp_path: Path) -> None:
    async with Centre.running(tmp_path) as centre:
        await centre.found()
        async with widget(centre, (await centre.open_chat())["token"]) as visitor:
            await visitor.say(op="say", id="m1", text="Bonjour", attachments=[])
            await visitor.hear("ack")
    async with Centre.running(tmp_path) as again:
        await again.until(lambda: _has_fact(again, "conversation.left"), "the visitor has left")


@in_a_centre
async def test_too_many_tabs(centre: Centre) -> None:
    watch = presence.Presence(centre.node.edge)
    for _ in range(presence.MAX_SOCKETS):
        watch.came("c")
    with pytest.raises(Refused, match=r"visit\.too_many_sockets"):
        watch.came("c")
