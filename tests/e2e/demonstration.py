"""The demonstration as its people use it: visitors of a shop, agents at the desk."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from guichet.server.demo.operator import DOMAIN, PASSWORD
from tests.e2e.browser import Browser, Page
from tests.support.serving import Serving
from tests.support.serving import browser as http_of

SHOP = "/demo/shop/corvelle"


class Demonstration(Serving):
    """`guichet serve --demo`: an invented operator with its history."""

    def _popen(self, *arguments: str, faults: str = "") -> subprocess.Popen[bytes]:
        more = ("--demo",) if arguments[0] == "serve" else ()
        return super()._popen(*arguments, *more, faults=faults)

    async def clear(self) -> None:
        """A leader takes what waits from the invented past, so that the next offer is the test's own."""
        async with self.as_person("claire") as http:
            waiting = (await http.get("/api/conversations", params={"state": "waiting"})).json()
            for row in waiting:
                body = {"name": "take", "key": f"take:{row['conversation']}"}
                payload = {"conversation": row["conversation"]}
                answer = await http.post("/api/commands", json={**body, "payload": payload})
                assert answer.status_code == 200, answer.text

    @asynccontextmanager
    async def as_person(self, who: str) -> AsyncIterator[httpx.AsyncClient]:
        """Somebody's session without a browser, to look at what there is."""
        async with http_of(self) as http:
            answer = await http.post("/api/sign-in", json={"email": f"{who}@{DOMAIN}", "password": PASSWORD})
            assert answer.status_code == 200, answer.text
            yield http


class Visitor:
    """A customer on the shop's page, with the chat in its corner."""

    def __init__(self, browser: Browser, base: str, name: str = "Inès Caradec", **options: Any) -> None:
        self.page = browser.visit(base, name, **options)
        self.name = name

    def begin(self, words: str, shop: str = SHOP) -> None:
        """Opens the shop and the chat, fills in the form and sends it."""
        self.page.open(shop)
        self.page.click(".launcher")
        self.page.fill("[name=name]", self.name)
        self.page.fill("[name=message]", words)
        self.page.click(".form .firm")
        self.sees_own(words)

    def write(self, words: str) -> None:
        """Types without sending."""
        self.page.click(".panel .composer textarea")
        self.page.type(words)

    def say(self, words: str) -> None:
        self.write(words)
        self.page.press("Enter")

    def send_file(self, path: Path) -> None:
        self.page.on(".panel .composer input[type=file]", "setInputFiles", str(path))
        self.page.miss(".panel .chip progress")
        self.page.click(".panel .composer .send")

    def sees_own(self, words: str) -> None:
        self.page.see(f'.panel .message.me .bubble:text-is("{words}")')

    def sees(self, words: str, timeout: float = 15) -> None:
        """An agent's words."""
        self.page.see(f'.panel .message.agent .bubble:text-is("{words}")', timeout)

    def thread(self) -> list[str]:
        """The words in the chat, in order."""
        return self.page.texts(".panel .message .bubble")


class Agent:
    """Somebody at the desk."""

    def __init__(self, browser: Browser, base: str, who: str = "paul", **options: Any) -> None:
        self.page = browser.visit(base, who, **options)
        self.who = who

    def sign_in(self, email: str = "", password: str = PASSWORD) -> None:
        self.page.open("/desk")
        self.page.fill("input[type=email]", email or f"{self.who}@{DOMAIN}")
        self.page.fill("input[type=password]", password)
        self.page.press("Enter")
        self.page.see(".rail-presence")

    def available(self) -> None:
        """By its key, whether the line is up yet or not."""
        self.page.see(".rail-presence")
        self.page.press("Alt+1")
        self.page.see(".rail-presence[data-presence=available]")

    def accept(self, words: str) -> None:
        """Takes the offer by its key, and sees what the customer wrote."""
        self.page.see(".offer")
        self.page.press("Alt+Enter")
        self.sees(words)

    def write(self, words: str) -> None:
        """Types without sending."""
        self.page.click(".composer textarea")
        self.page.type(words)

    def say(self, words: str) -> None:
        self.write(words)
        self.page.press("Enter")

    def sees(self, words: str, timeout: float = 15) -> None:
        """Words in the thread, whoever said them."""
        self.page.see(f'.thread .message-words :text-is("{words}")', timeout)

    def thread(self) -> list[str]:
        """The words in the open thread, in order."""
        return [words for words in self.page.texts(".thread .message .words") if words]


def quiet(*pages: Page) -> list[str]:
    """What pages complained of, without what an outage brings about."""
    return [
        fault for page in pages for fault in page.faults() if not fault.startswith("error: Failed to load")
    ]


async def taken_chat(browser: Browser, demo: Demonstration, words: str) -> tuple[Visitor, Agent]:
    """An empty centre in which Paul has taken the chat of a visitor who began with these words."""
    await demo.clear()
    visitor, paul = Visitor(browser, demo.url), Agent(browser, demo.url)
    paul.sign_in()
    paul.available()
    visitor.begin(words)
    paul.accept(words)
    return visitor, paul
