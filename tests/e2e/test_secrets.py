"""A password at somebody else's server: typed by an administrator, kept in the vault, used, never shown, removed."""

from __future__ import annotations

import json
import smtplib
from email.message import EmailMessage

import httpx
import pytest

from guichet.kit.ids import new_id
from tests.e2e.browser import Browser
from tests.e2e.demonstration import Agent, Demonstration
from tests.e2e.looking import Looker
from tests.support.mail_client import Sink
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.xdist_group("browser"), pytest.mark.timeout(240)]

WRONG, RIGHT = "pas-le-bon", "chut-c'est-le-relais"
FIELD = "[id='field-settings.relay.secret']"
SAVE = ".item-head button[type=submit]"


@pytest.mark.parametrize("database", ["sqlite"])
async def test_the_password_of_a_relay(browser: Browser, demo: Demonstration) -> None:
    async with Sink.running(RIGHT) as relay:
        marc = Agent(browser, demo.url, "marc")
        page = marc.page
        marc.sign_in()
        page.open("/desk/admin/entry_point/corvelle-mail")
        page.fill("[id='field-settings.relay.port']", str(relay.port))
        page.fill("[id='field-settings.relay.user']", "guichet")
        page.see("text=Montré à personne une fois enregistré")
        for password in (WRONG, RIGHT):
            page.fill(FIELD, password)
            page.click(SAVE)
            page.see(f"{SAVE}[data-disabled]")
            page.see("text=Gardé, et montré à personne")
            assert page.on(FIELD, "inputValue") == ""
        looker = Looker("fr")
        looker.at(page, "admin-secret")
        page.reload()
        page.see("text=Gardé, et montré à personne")
        assert RIGHT not in page.evaluate("() => document.documentElement.outerHTML")
        async with demo.as_person("marc") as http:
            doors = (await http.get("/api/config/entry_point")).json()
            (mail,) = [door["value"]["settings"] for door in doors if door["id"] == "corvelle-mail"]
            assert mail["relay"]["secret"] == "corvelle-mail.secret"
            past = (await http.get("/api/config/entry_point/corvelle-mail/history")).text
            assert RIGHT not in json.dumps(doors) + past
        await a_reply(demo)
        await wait_until(lambda: relay.mails, "the reply leaves with the password", 60)
    removed(marc, looker)
    async with demo.as_person("marc") as http:
        assert (await http.get("/api/secrets/relay/corvelle-mail.secret")).json() == {"known": False}
    assert not looker.verdict(), looker.verdict()
    assert RIGHT not in demo.log()


def removed(marc: Agent, looker: Looker) -> None:
    """Out of the form, and with the next saving out of the vault."""
    page = marc.page
    page.see("text=Gardé, et montré à personne")
    page.click("text=Le supprimer")
    page.see("text=Il sera supprimé pour de bon")
    looker.at(page, "admin-secret-removed")
    page.click(SAVE)
    page.see(f"{SAVE}[data-disabled]")
    page.see("text=Montré à personne une fois enregistré")
    page.close()


async def a_reply(demo: Demonstration) -> None:
    """A customer's mail, answered."""
    letter = EmailMessage()
    letter["From"], letter["To"] = "Aurélie Bensaïd <aurelie@mail.example>", "bonjour@corvelle.example"
    letter["Subject"], letter["Message-ID"] = "Ma carafe est fêlée", "<secrets-1@mail.example>"
    letter.set_content("Pouvez-vous la remplacer ?")
    with smtplib.SMTP("127.0.0.1", demo.smtp_port, timeout=20) as smtp:
        smtp.send_message(letter)
    async with demo.as_person("claire") as http:
        rows = (await http.get("/api/conversations", params={"limit": 20})).json()
        (conversation,) = [r["conversation"] for r in rows if r["subject_line"] == letter["Subject"]]
        await command(http, "take", conversation=conversation)
        words = {"message": new_id(), "text": "Elle part aujourd'hui.", "attachments": []}
        await command(http, "send_message", conversation=conversation, **words)


async def command(http: httpx.AsyncClient, name: str, **payload: object) -> None:
    answer = await http.post("/api/commands", json={"name": name, "key": new_id(), "payload": payload})
    assert answer.status_code == 200, answer.text
