"""The demonstration in one process: pages, the customer's mailbox over real SMTP, traffic through the real doors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import uvicorn

from guichet.accounts.settings import EntryPoint
from guichet.conversations.tables import CONVERSATION, MESSAGE
from guichet.kit.clock import Clock, Instant
from guichet.kit.ids import new_id
from guichet.kit.seeded import Seeded
from guichet.leader.registry import COMMANDS, Actor, Command
from guichet.routing.tables import AGENT_STATE
from guichet.server.app import new_app
from guichet.server.checking import check_log
from guichet.server.demo import Demo
from guichet.server.demo.customers import chat
from guichet.server.demo.operator import ORG, PASSWORD, SHOPS
from guichet.server.demo.people import Figures, World
from guichet.server.node import Node
from guichet.server.serve import health, listen
from guichet.server.settings import ProcessSettings
from guichet.server.web import Web
from tests.support.clocks import WrongClock
from tests.support.patience import never_busy
from tests.support.ports import free_port
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SPEED = 20.0
SUBJECT = "Ma carafe est fêlée"
HEADERS = {"X-Guichet": "1"}
NOON, SUNDAY_NIGHT = 1_795_519_800_000, 1_795_917_600_000
"""The hour at which the tests run makes no difference: a Tuesday, some eat; a Sunday at three, one shop is closed."""


class Running:
    """One start of the demonstration, with a browser's view of it."""

    def __init__(self, demo: Demo, node: Node, http: httpx.AsyncClient, *, seeded: bool) -> None:
        self.demo = demo
        self.node = node
        self.http = http
        self.seeded = seeded

    async def figures(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.http.get("/demo/traffic")).json()
        return found

    async def lively(self) -> bool:
        figures = await self.figures()
        return bool(figures["chats_done"] >= 2 and figures["mails_answered"] >= 1)

    async def at_home(self) -> bool:
        rows = await self.node.store.reader.rows(AGENT_STATE, {"org": ORG})
        return all(row["presence"] != "available" for row in rows)

    async def paul(self, name: str, **fields: object) -> None:
        payload = msgspec.convert(fields, COMMANDS[name].payload)
        await self.node.submit(Command(name, new_id(), Actor("agent", "paul", ORG), payload))

    async def answered_thread(self) -> dict[str, Any] | None:
        (thread,) = await self.threads()
        return thread if len(thread["letters"]) > 1 else None

    async def threads(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.http.get("/demo/mail/threads")).json()["threads"]
        return found


def clock_at(now: Instant) -> Clock:
    clock = WrongClock()
    clock.shift = now - clock.now()
    return clock


@asynccontextmanager
async def running(folder: Path, clock: Clock) -> AsyncIterator[Running]:
    smtp = free_port()
    settings = ProcessSettings(data_dir=folder, port=free_port(), smtp_port=0)
    settings = settings.model_copy(update={"smtp_port": smtp})
    listener = listen(settings.host, settings.port)
    demo = Demo(settings, clock, lambda: ("127.0.0.1", smtp), SPEED)
    seeded = await demo.open(lambda _: None)
    node = await Node.open(settings, clock)
    never_busy(node)
    node.work()
    web = Web(node)
    await demo.begin(node.submit, node.directory)
    app = new_app(node.build, lambda: health(node), [*web.routes(), *demo.routes()])
    server = uvicorn.Server(
        uvicorn.Config(
            app, log_config=None, lifespan="off", ws="websockets-sansio", timeout_graceful_shutdown=1
        )
    )
    serving = node.supervisor.start("http", server.serve(sockets=[listener]))
    try:
        async with httpx.AsyncClient(base_url=settings.url) as http:
            await wait_until(lambda: server.started)
            yield Running(demo, node, http, seeded=seeded)
    finally:
        await demo.close()
        web.close()
        server.should_exit = True
        await asyncio.wait([serving])
        await node.close()


async def test_a_demonstration_from_its_first_start_to_its_second(tmp_path: Path) -> None:
    clock = clock_at(NOON)
    async with running(tmp_path, clock) as first:
        assert first.seeded
        await pages(first)
        await refusals(first)
        await sign_in(first)
        await a_letter(first)
        await traffic(first)
    async with running(tmp_path, clock) as second:
        assert not second.seeded
        letters = [letter for thread in await second.threads() for letter in thread["letters"]]
        assert SUBJECT in {letter["subject"] for letter in letters}
        # The mail server has another port now: the shops' mail goes there.
        entry = second.node.directory.find(ORG, EntryPoint, "corvelle-mail")
        assert entry is not None
        assert entry.settings["relay"]["port"] == second.node.settings.smtp_port + 1
    assert not await check_log(ProcessSettings(data_dir=tmp_path), compare=True)


async def test_customers_do_not_wait_at_night_where_it_is_closed(tmp_path: Path) -> None:
    async with running(tmp_path, clock_at(SUNDAY_NIGHT)) as run:
        wrenfield = SHOPS[1]
        assert not (await run.http.get(f"/api/webchat/{wrenfield.client}-chat")).json()["open"]
        world = World(run.node.settings.url, run.node.clock, Seeded(1), SPEED)
        before = await run.node.store.reader.rows(CONVERSATION, {"org": ORG, "client": wrenfield.client})
        await asyncio.wait_for(chat(world, wrenfield), 20)
        after = await run.node.store.reader.rows(CONVERSATION, {"org": ORG, "client": wrenfield.client})
        assert world.figures == Figures()
        assert len(after) == len(before)


async def pages(run: Running) -> None:
    for language, word in (("fr", "Côté client"), ("en", "As a customer")):
        page = await run.http.get("/", params={"language": language})
        assert f'<html lang="{language}">' in page.text
        assert word in page.text
        assert "{{" not in page.text
        assert "script-src 'self'" in page.headers["content-security-policy"]
    for client in ("corvelle", "wrenfield"):
        page = await run.http.get(f"/demo/shop/{client}")
        assert f'data-entry="{client}-chat"' in page.text
        door = (await run.http.get(f"/api/webchat/{client}-chat")).json()
        assert door["client"]["name"] in page.text
    mail = await run.http.get("/demo/mail", params={"language": "fr"})
    assert "bonjour@corvelle.example" in mail.text
    for file in ("page.css", "shop.css", "start.js", "mail.js", "mark.svg"):
        assert (await run.http.get(f"/demo/static/{file}")).status_code == 200
    for path in ("/demo/static/..%2Fsite.py", "/demo/shop/nobody"):
        assert (await run.http.get(path)).status_code == 404


async def refusals(run: Running) -> None:
    letter = {"to": "bonjour@corvelle.example", "subject": "x", "text": "x"}
    for path, body in (("/demo/mail/letters", letter), ("/demo/traffic", {"on": True})):
        foreign = await run.http.post(path, json=body)
        assert (foreign.status_code, foreign.json()["code"]) == (403, "header.missing")
    for change, code in (
        ({"to": "somebody@elsewhere.example"}, "mail.elsewhere"),
        ({"subject": " "}, "mail.no_subject"),
        ({"text": ""}, "body.invalid"),
        ({"text": "x" * 20_001}, "body.invalid"),
    ):
        bad = await run.http.post("/demo/mail/letters", json={**letter, **change}, headers=HEADERS)
        assert (bad.status_code, bad.json()["code"]) == (422, code)
    large = await run.http.post("/demo/mail/letters", content=b"x" * 200_000, headers=HEADERS)
    assert (large.status_code, large.json()["code"]) == (413, "body.too_large")
    assert not (await run.figures())["on"]
    assert await run.threads() == []


async def sign_in(run: Running) -> None:
    for agent in ("paul", "claire", "marc"):
        body = {"email": f"{agent}@halcyre.example", "password": PASSWORD}
        async with httpx.AsyncClient(base_url=run.http.base_url) as browser:
            response = await browser.post("/api/sign-in", json=body, headers=HEADERS)
            assert response.status_code == 200, response.text


async def a_letter(run: Running) -> None:
    """Inès writes to the shop; Paul takes it and answers: the reply lies in the same thread of her mailbox."""
    body = {"to": "bonjour@corvelle.example", "subject": SUBJECT, "text": "Pouvez-vous la remplacer ?"}
    sent = await run.http.post("/demo/mail/letters", json=body, headers=HEADERS)
    assert sent.status_code == 200, sent.text
    (row,) = await run.node.store.reader.rows(CONVERSATION, {"org": ORG, "subject_line": SUBJECT})
    conversation = str(row["conversation"])
    await run.paul("take", conversation=conversation)
    await run.paul("send_message", conversation=conversation, message=new_id(), text="Elle part aujourd'hui.")
    # Ten seconds in which it can be taken back, then the relay.
    thread = await wait_until(run.answered_thread, "the reply arrives", timeout=40)
    assert thread["id"] == sent.json()["thread"]
    reply = thread["letters"][-1]
    assert reply["subject"] == f"Re: {SUBJECT}"
    assert reply["text"].startswith("Elle part aujourd'hui.")
    more = {"text": "Merci !", "answers": reply["id"]}
    again = await run.http.post("/demo/mail/letters", json=more, headers=HEADERS)
    assert again.json()["thread"] == thread["id"]
    messages = await run.node.store.reader.rows(MESSAGE, {"conversation": conversation}, order="n")
    assert [m["kind"] for m in messages] == ["customer", "agent", "customer"]


async def traffic(run: Running) -> None:
    await run.http.post("/demo/traffic", json={"on": True}, headers=HEADERS)
    await wait_until(run.lively, "two chats are done and a mail is answered", timeout=60)
    await run.http.post("/demo/traffic", json={"on": False}, headers=HEADERS)
    assert not (await run.figures())["on"]
    # Who could not say so is missed by the centre half a minute later.
    await wait_until(run.at_home, "simulated agents go offline", timeout=45)
