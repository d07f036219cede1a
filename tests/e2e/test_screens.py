"""Every screen, in light and dark, French and English: axe-core finds nothing, the console says nothing."""

from __future__ import annotations

import asyncio
import re
import smtplib
from collections.abc import Iterator
from email.message import EmailMessage

import pytest

from guichet.server.demo.operator import PASSWORD
from tests.e2e.browser import Browser, Page
from tests.e2e.demonstration import Agent, Demonstration, Visitor
from tests.e2e.looking import LANGUAGES, Looker

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.xdist_group("browser"), pytest.mark.timeout(240)]

SHOP = "/demo/shop/corvelle?language="
FIRST = "Bonjour, ma lampe Ondine est arrivée cassée."
AGENTS = {"fr": "paul", "en": "salma"}
FIRST_LOAD = 300_000
"""Bytes on the wire, compressed."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demonstration]:
    """One demonstration for all of this module: looking changes little in it."""
    serving = Demonstration(tmp_path_factory.mktemp("demo"))
    try:
        asyncio.run(serving.start())
        asyncio.run(serving.clear())
        yield serving
    finally:
        serving.end()


@pytest.fixture(params=LANGUAGES)
def looker(request: pytest.FixtureRequest) -> Looker:
    return Looker(request.param)


def post(served: Demonstration, name: str) -> None:
    """A mail with everything in it: layout, a picture from elsewhere, a file, a quote."""
    mail = EmailMessage()
    mail["From"] = f"Aurélie Bensaïd <aurelie.{name}@mail.example>"
    mail["To"] = "bonjour@corvelle.example"
    mail["Subject"] = "Commande MC-43268 toujours pas livrée"
    mail["Message-ID"] = f"<screens-{name}@mail.example>"
    mail.set_content(
        "Bonjour,\noù en est mon colis ?\n\nLe 20 novembre, Corvelle a écrit :\n> Il part demain.\n"
    )
    mail.add_alternative(
        '<h2>Bonjour,</h2><p>où en est <b>mon colis</b> ?</p><img src="https://x.example/a.png" alt="suivi">',
        subtype="html",
    )
    mail.add_attachment(b"%PDF-1.4 facture", "application", "pdf", filename="facture MC-43268.pdf")
    with smtplib.SMTP("127.0.0.1", served.smtp_port, timeout=20) as smtp:
        smtp.send_message(mail)


def dialog(looker: Looker, page: Page, name: str, keys: str, sight: str) -> None:
    """Something that a key opens and Escape closes."""
    page.press(keys)
    page.see(sight)
    looker.at(page, name)
    page.press("Escape")
    page.miss(sight)


def test_the_agents_screens(browser: Browser, served: Demonstration, looker: Looker) -> None:
    who = AGENTS[looker.language]
    agent = Agent(browser, served.url, who, language=looker.language)
    page = agent.page
    page.open("/desk")
    page.see("input[type=email]")
    looker.at(page, "sign-in")
    page.fill("input[type=email]", f"{who}@halcyre.example")
    page.fill("input[type=password]", "wrong, of course")
    page.press("Enter")
    page.see("[role=alert]")
    looker.at(page, "sign-in-wrong")
    agent.sign_in()
    looker.at(page, "work-empty")

    agent.available()
    post(served, who)
    page.see(".offer")
    looker.at(page, "offer-mail")
    page.press("Alt+Enter")
    page.see(".mail-acts")
    looker.at(page, "mail")
    page.click(".mail-acts [aria-pressed=false]")
    page.see(".html-mail iframe")
    looker.at(page, "mail-layout")

    visitor = Visitor(browser, served.url, f"Inès {who.capitalize()}", language=looker.language)
    visitor.begin(FIRST, SHOP + looker.language)
    page.see(f".offer:has-text('{visitor.name}')")
    looker.at(page, "offer-chat")
    agent.accept(FIRST)
    agent.say("Bonjour, je regarde tout de suite.")
    visitor.sees("Bonjour, je regarde tout de suite.")
    visitor.write("Merci")
    page.see(".writing:has-text('Inès')")
    looker.at(page, "chat")
    looker.at(visitor.page, "shop-chat")

    page.click(".composer textarea")
    page.type("/")
    page.see("[role=listbox]")
    looker.at(page, "canned")
    page.press("Escape", "Backspace", "Escape")
    page.press("n")
    page.see(".composer[data-kind=note]")
    agent.write("Remplacer la lampe.")
    looker.at(page, "note")
    page.press("Control+Enter")
    page.see(".message[data-kind=note]")
    looker.at(page, "note-said")
    page.press("Escape")

    dialog(looker, page, "keymap", "?", ".keymap")
    dialog(looker, page, "transfer", "t", "[role=dialog]")
    page.press("l")
    page.see("[role=option]")
    looker.at(page, "tags")
    page.press("Escape", "Escape")  # the list, then the dialog
    page.miss("[role=dialog]")
    dialog(looker, page, "why", "w", ".why")
    dialog(looker, page, "customer-edit", "c", ".part.form input:focus")
    page.press("Control+k")
    page.see(".palette")
    page.type("a")
    page.see(".palette-list [role=option]")
    looker.at(page, "palette")
    page.press("Escape")
    page.click(".rail-presence")
    page.see("[role=menu]")
    looker.at(page, "presence")
    page.press("Escape")
    page.click(".thread-acts [aria-haspopup=menu] >> nth=0")
    page.see("[role=menu]")
    looker.at(page, "park")
    page.press("Escape")

    page.press("e")
    page.see(".wrapup")
    looker.at(page, "wrap-up")
    visitor.page.see(".ended")
    looker.at(visitor.page, "shop-ended")
    page.press("Control+Shift+Enter")
    page.miss(".wrapup")

    page.open("/desk/conversations")
    page.see("[data-row]")
    looker.at(page, "conversations")
    page.click("[data-row] >> nth=0")
    page.see(".thread")
    looker.at(page, "conversation-old")
    page.open("/desk/conversations?words=xyzzy")
    page.see(".ui-empty, .empty")
    looker.at(page, "conversations-none")
    page.open("/desk/work/no-such-conversation")
    page.see(".work-middle .ui-empty")
    looker.at(page, "work-missing")
    page.open("/desk/settings")
    page.see("main h1")
    looker.at(page, "settings")
    page.press("Alt+6")
    page.see(".rail-presence[data-presence=offline]")
    assert not looker.verdict(), looker.verdict()
    page.close()
    visitor.page.close()


def test_the_leaders_screens(browser: Browser, served: Demonstration, looker: Looker) -> None:
    claire = Agent(browser, served.url, "claire", language=looker.language)
    page = claire.page
    claire.sign_in()
    pages = page.evaluate("() => [...document.querySelectorAll('.rail-link')].map((link) => link.pathname)")
    assert len(pages) >= 4
    for path in pages:
        page.open(path)
        page.see("main h1")
        looker.at(page, f"leader-{path.rpartition('/')[2]}")
    for what in ("queue=corvelle-mail", "agent=claire"):
        page.open(f"/desk/queues?{what}")
        page.see("[role=dialog]")
        looker.at(page, f"leader-{what.partition('=')[0]}")
    page.click("[role=dialog] .history-row >> nth=0")
    page.see("[role=dialog] .thread")
    looker.at(page, "leader-case")
    assert not looker.verdict(), looker.verdict()
    page.close()


def test_the_administrators_screens(browser: Browser, served: Demonstration, looker: Looker) -> None:
    marc = Agent(browser, served.url, "marc", language=looker.language)
    page = marc.page
    marc.sign_in()
    page.open("/desk/admin")
    page.see(".admin-kinds a")
    kinds = page.evaluate("() => [...document.querySelectorAll('.admin-kinds a')].map((a) => a.pathname)")
    assert len(kinds) >= 12
    for path in kinds:
        kind = path.rpartition("/")[2]
        page.click(f".admin-kinds a[href='{path}']")
        page.see(f".admin-kinds a[href='{path}'][aria-current=page]")
        page.see(".item-pane")
        if kind == "organisation":
            looker.at(page, "admin-organisation")
            continue
        page.click("[data-row] >> nth=0")
        page.see(".item-pane form")
        looker.at(page, f"admin-{kind}")
        page.click(".item-list-head button")
        page.see(".item-list:not(:has([aria-current=true])) + .item-pane form")
        page.click(".item-head button[type=submit]")
        looker.at(page, f"admin-{kind}-new")
    assert not looker.verdict(), looker.verdict()
    page.close()


def test_the_demonstrations_pages(browser: Browser, served: Demonstration, looker: Looker) -> None:
    page = browser.visit(served.url, "somebody", language=looker.language)
    language = looker.language
    page.open(f"/?language={language}")
    page.see("h1")
    looker.at(page, "start")
    for shop in ("corvelle", "wrenfield"):
        page.open(f"/demo/shop/{shop}?language={language}")
        page.see(".launcher")
        looker.at(page, f"shop-{shop}")
        page.click(".launcher")
        page.see(".panel .form")
        looker.at(page, f"shop-{shop}-form")
    page.open(f"/demo/mail?language={language}")
    page.see("h1")
    looker.at(page, "mailbox")
    page.open("/desk/invitation/not-a-real-one")
    page.see("h1")
    looker.at(page, "invitation-gone")
    found = [fault for fault in looker.found if "404" not in fault]
    assert not found, "\n".join(found)
    page.close()


@pytest.mark.parametrize("size", ["small", "phone"])
def test_smaller_windows(browser: Browser, served: Demonstration, size: str) -> None:
    looker = Looker("fr")
    claire = Agent(browser, served.url, "claire", language=looker.language, size=size)
    page = claire.page
    claire.sign_in()
    for path in ("work", "queues", "conversations", "settings"):
        page.open(f"/desk/{path}")
        page.see("main h1")
        looker.at(page, f"{size}-{path}")
        wide = page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{path} is {wide} px wider than the window"
    page.open("/desk/conversations")
    page.click("[data-row] >> nth=0")
    page.on(".thread", "click", {"trial": True})  # nothing lies over it
    looker.at(page, f"{size}-conversation")
    shop = Visitor(browser, served.url, "Inès", language=looker.language, size=size)
    shop.begin(FIRST)
    looker.at(shop.page, f"{size}-shop-chat")
    shop.page.click(".panel .end")
    shop.page.click(".panel .ask .firm")
    shop.page.see(".ended")
    assert not looker.verdict(), looker.verdict()
    page.close()
    shop.page.close()


def test_the_first_load_is_light(browser: Browser, served: Demonstration) -> None:
    paul = Agent(browser, served.url, "marta")
    paul.sign_in()
    fresh = paul.page
    fresh.reload()
    fresh.see(".rail-presence")
    sizes = fresh.evaluate(
        """() => performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))
          .map((entry) => [entry.name, entry.encodedBodySize])"""
    )
    total = sum(size for _, size in sizes)
    scripts = [size for name, size in sizes if re.search(r"\.(js|css)$", name)]
    print(f"first load of the desk: {total:,} bytes, {sum(scripts):,} of them scripts and styles")  # noqa: T201
    assert min(scripts) > 0, "cached without a size: nothing was measured"
    assert total < FIRST_LOAD
    paul.page.close()


def test_a_shift_without_a_mouse(browser: Browser, served: Demonstration) -> None:
    visitor = Visitor(browser, served.url, "Lucie Armand")
    lea = Agent(browser, served.url, "lea")
    page = lea.page
    page.open("/desk")
    page.see("input[type=email]:focus")
    page.type("lea@halcyre.example")
    page.press("Tab")
    page.type(PASSWORD)
    page.press("Enter")
    lea.available()

    visitor.page.open("/demo/shop/corvelle")
    visitor.page.see(".launcher")
    visitor.page.on(".launcher", "focus")
    visitor.page.press("Enter")
    visitor.page.see("[name=name]:focus")
    visitor.page.type("Lucie Armand")
    visitor.page.press("Tab", "Tab")
    visitor.page.type(FIRST)
    visitor.page.press("Tab", "Enter")

    page.see(".offer:has-text('Lucie Armand')")
    page.press("Alt+Enter")
    lea.sees(FIRST)
    page.see(".composer textarea:focus")
    page.type("Bonjour Lucie, elle est remplacée.")
    page.press("Enter")
    visitor.sees("Bonjour Lucie, elle est remplacée.")
    visitor.page.see(".panel .composer textarea:focus")
    visitor.page.type("Merci beaucoup !")
    visitor.page.press("Enter")
    lea.sees("Merci beaucoup !")

    page.press("Escape", "e")
    page.see(".wrapup :focus")
    page.press("Space")
    page.see(".wrapup input:checked")
    page.press("Tab")
    page.type("Lampe remplacée.")
    page.press("Control+Shift+Enter")
    page.miss(".wrapup")
    visitor.page.see(".ended")
    visitor.page.see(".ended button:focus")
    page.press("Alt+6")
    page.see(".rail-presence[data-presence=offline]")
    page.close()
    visitor.page.close()
