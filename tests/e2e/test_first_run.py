"""The first hour of a new centre without demonstration data, all of it in browsers: set up, invite, configure, chat."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.e2e.browser import Browser, Page
from tests.e2e.demonstration import Agent, Visitor
from tests.e2e.looking import LANGUAGES, Looker
from tests.support.ports import listens
from tests.support.serving import Serving, lasting_port
from tests.support.waiting import wait_until_sync

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.xdist_group("browser"), pytest.mark.timeout(240)]

PASSWORD = "une phrase assez longue"
SHOP = """<!doctype html><html lang="{language}"><meta charset="utf-8"><title>Étoile</title>
<link rel="icon" href="data:,">
<main><h1>Étoile</h1></main>{line}</html>"""
FIRST = "Bonjour, avez-vous cette lampe en vert ?"
WORDS = {
    "fr": {
        "saved": "Enregistré",
        "line": "Ligne à coller",
        "invite": "Lien d’invitation",
        "french": "français",
    },
    "en": {"saved": "Saved", "line": "Line to paste", "invite": "Invitation link", "french": "French"},
}


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Serving]:
    async with Serving.running(tmp_path) as serving:
        yield serving


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The client's own web site, on another origin: its address and its folder."""
    folder = tmp_path / "shop"
    folder.mkdir()
    port = lasting_port()
    command = [
        sys.executable,
        "-m",
        "http.server",
        str(port),
        "--bind",
        "127.0.0.1",
        "--directory",
        str(folder),
    ]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until_sync(lambda: listens(port), "the shop answers")
        yield f"http://127.0.0.1:{port}", folder
    finally:
        server.terminate()
        server.wait()


def choose(page: Page, field: str, option: str) -> None:
    """One of a list, as people do: open it, click the words."""
    page.click(f"[id='field-{field}']")
    page.click(f"[role=option]:has-text('{option}'):visible")
    page.press("Escape")


def save(page: Page, saved: str) -> None:
    page.click(".item-head button[type=submit]")
    page.see(f"[role=status]:has-text('{saved}')")
    page.see(".item-head button[type=submit][data-disabled]")


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_centre_is_set_up_in_browsers(
    browser: Browser, served: Serving, shop: tuple[str, Path], language: str
) -> None:
    address, folder = shop
    looker, words = Looker(language), WORDS[language]
    anne = browser.visit(served.url, "anne", language=language)
    anne.open("/")
    anne.see("h1:has-text('Guichet')")
    looker.at(anne, "set-up")
    names = ("Étoile Services", "Anne Lenoir", "anne@etoile.example", PASSWORD)
    for number, answer in enumerate(names):
        anne.fill(f"form input >> nth={number}", answer)
    anne.press("Enter")
    anne.see(".admin-kinds")
    looker.at(anne, "set-up-done")

    anne.open("/desk/admin/client/new")
    anne.fill("#field-name", "Boutique Étoile")
    save(anne, words["saved"])
    anne.open("/desk/admin/queue/new")
    anne.fill("#field-name", "Accueil")
    choose(anne, "client", "Boutique Étoile")
    save(anne, words["saved"])
    anne.open("/desk/admin/entry_point/new")
    anne.fill("#field-name", "Chat de la boutique")
    choose(anne, "client", "Boutique Étoile")
    choose(anne, "channel", "Chat")
    choose(anne, "queue", "Accueil")
    anne.fill("[id='field-settings.allowed_origins']", address)
    anne.press("Enter")
    save(anne, words["saved"])
    line = anne.do(["getByLabel", words["line"]], ["inputValue"])
    looker.at(anne, "set-up-entry-point")
    anne.open("/desk/admin/agent/new")
    anne.fill("#field-name", "Zoé Picard")
    anne.fill("#field-email", "zoe@etoile.example")
    anne.click("#field-site")
    anne.click("[role=option]:visible >> nth=0")
    choose(anne, "clients", "Boutique Étoile")
    choose(anne, "languages", words["french"])
    save(anne, words["saved"])
    anne.click(f"text={words['invite']}")
    anne.see("[role=dialog] input[readonly]")
    looker.at(anne, "set-up-invitation")
    link = anne.on("[role=dialog] input[readonly]", "inputValue")

    zoe = Agent(browser, served.url, "zoé", language=language)
    zoe.page.open(link)
    zoe.page.see("h1:has-text('Zoé Picard')")
    looker.at(zoe.page, "invitation")
    zoe.page.fill("input[type=password]", PASSWORD)
    zoe.page.press("Enter")
    zoe.page.see(".rail-presence")
    zoe.available()

    (folder / "index.html").write_text(SHOP.format(line=line, language=language), encoding="utf-8")
    visitor = Visitor(browser, address, language=language)
    visitor.begin(FIRST, "/")
    zoe.accept(FIRST)
    zoe.say("Oui, en deux tailles.")
    visitor.sees("Oui, en deux tailles.")
    looker.at(visitor.page, "set-up-chat", "guichet-widget")

    again = browser.visit(served.url, "somebody else")
    again.open("/desk")
    again.see("input[type=password]")
    assert again.count("form input") == 2, "sign-in: a centre is set up once"
    assert not looker.verdict(), looker.verdict()
    for page in (anne, zoe.page, visitor.page, again):
        page.close()
