"""Mail through a real provider: a customer's mailbox on Postfix and Dovecot, answered at the desk."""

from __future__ import annotations

import struct
import zlib
from collections.abc import AsyncIterator, Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.browser import Browser
from tests.e2e.demonstration import Agent
from tests.e2e.mail_house import CLIENT_DOMAIN, DOMAIN, MailHouse
from tests.support.serving import Office, Serving
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.xdist_group("browser"), pytest.mark.timeout(240)]

INES, YVES, GHOST = (f"{name}@{DOMAIN}" for name in ("ines", "yves", "ghost"))
HELP, RETURNS = f"aide@{CLIENT_DOMAIN}", f"retours@{CLIENT_DOMAIN}"
UNDO_AND_DELIVERY = 40.0
"""Seconds: a reply may be taken back for ten, then two servers carry it."""


class Post:
    """A centre with two mail addresses, a provider, and one agent."""

    def __init__(self, serving: Serving, house: MailHouse, agent: httpx.AsyncClient) -> None:
        self.serving = serving
        self.house = house
        self.agent = agent

    async def conversations(self) -> list[dict[str, Any]]:
        answer = await self.agent.get("/api/conversations")
        return list(answer.json())

    async def messages(self, conversation: str) -> list[dict[str, Any]]:
        answer = await self.agent.get(f"/api/conversations/{conversation}/messages")
        return list(answer.json())

    async def until(self, conversation: str, count: int) -> list[dict[str, Any]]:
        """The conversation's messages once there are that many."""

        async def there() -> list[dict[str, Any]]:
            found = await self.messages(conversation)
            return found if len(found) >= count else []

        found: list[dict[str, Any]] = await wait_until(there, f"{count} messages", UNDO_AND_DELIVERY)
        return found

    async def command(self, name: str, key: str, **payload: object) -> None:
        body = {"name": name, "key": key, "payload": payload}
        answer = await self.agent.post("/api/commands", json=body)
        assert answer.status_code == 200, answer.text


@pytest.fixture
def ports(tmp_path: Path, database: str) -> Iterator[tuple[Serving, MailHouse]]:
    serving = Serving(tmp_path, database)
    with MailHouse.running(serving.smtp_port) as house:
        yield serving, house


@pytest.fixture
async def post(ports: tuple[Serving, MailHouse]) -> AsyncIterator[Post]:
    serving, house = ports
    try:
        await serving.start()
        office = await Office.found(serving)
        try:
            relays = {"aide": (HELP, house.port), "retours": (RETURNS, house.credulous)}
            await office.set("queue", "mail", name="Courriel", client="own", answer_within_seconds=3600)
            for ident, (address, port) in relays.items():
                relay = {"host": "127.0.0.1", "port": port, "tls": "none"}
                await office.set(
                    "entry_point", ident, name=address, client="own", channel="email", queue="mail",
                    settings={"address": address, "relay": relay},
                )  # fmt: skip
            agent = await office.hire("paul", name="Paul Martin", capacity=20)
        finally:
            await office.close()
        yield Post(serving, house, agent)
        await agent.aclose()
    finally:
        serving.end()


def letter(sender: str, to: str, subject: str, text: str, ident: str, **headers: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = f"Inès Colin <{sender}>"
    mail["To"] = to
    mail["Subject"] = subject
    mail["Message-ID"] = f"<{ident}@{DOMAIN}>"
    mail["Date"] = "Tue, 24 Nov 2026 09:00:00 +0100"
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(text, charset="iso-8859-15")
    return mail


def picture(width: int, height: int) -> bytes:
    """A plain PNG of that size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\x7a\x3b\x2e" * width for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


async def in_mailbox(house: MailHouse, person: str, count: int) -> list[EmailMessage]:
    """The mails of a mailbox, oldest first, once there are that many."""

    def look() -> list[EmailMessage]:
        with house.mailbox(person) as imap:
            found = imap.search()
            if len(found) < count:
                return []
            fetched = imap.fetch(found, ["BODY.PEEK[]"])
            return [message_from_bytes(fetched[n][b"BODY[]"], policy=default) for n in found]

    return await wait_until(look, f"{count} mails for {person}: {house.log()[-800:]}", UNDO_AND_DELIVERY)


async def test_a_mail_is_answered_and_stays_one_thread(browser: Browser, post: Post) -> None:
    paul = Agent(browser, post.serving.url)
    paul.sign_in(f"paul@{CLIENT_DOMAIN}", Office.PASSWORD)
    paul.available()

    asked = "Bonjour,\nmon colis à 12 € n'est pas arrivé. Où est-il ?\n"
    first = letter(INES, HELP, "Où est mon colis ?", asked, "first")
    first.add_alternative(
        '<p>Bonjour,<br>mon colis à <b>12 €</b> n\'est pas arrivé. Où est-il ?</p><img src="cid:photo@x" alt="colis">'
        '<script>window.parent.document.title = "volé"</script><img src="x" onerror="parent.document.title=\'volé\'">',
        subtype="html", charset="windows-1252",
    )  # fmt: skip
    html = first.get_payload()[1]  # type: ignore[index]
    html.add_related(picture(48, 32), "image", "png", cid="<photo@x>")  # type: ignore[union-attr]
    # She keeps a copy of what she sends in the same mailbox, as a reader with whole threads does.
    post.house.submit(first, INES, HELP, INES)

    paul.accept("Bonjour, mon colis à 12 € n'est pas arrivé. Où est-il ?")
    paul.page.see(".thread-header:has-text('Où est mon colis')")
    paul.page.see(".message .file img")
    paul.page.see(".message-head:has-text('Expéditeur non vérifié')")
    paul.page.see(f".composer-as:has-text('À {INES}')")
    paul.page.click(".mail-acts [aria-pressed=false]")
    frame = ["frameLocator", ".html-mail iframe"]
    box = paul.page.do(frame, ["locator", "img[alt=colis]"], ["boundingBox"])
    assert (box["width"], box["height"]) == (48, 32), "the inline image is shown"
    assert paul.page.count(".message .file") == 0, "and not a second time below"
    inside = paul.page.do(frame, ["locator", "html"], ["innerHTML"])
    assert "script" not in inside
    assert "onerror" not in inside
    assert "volé" not in paul.page.do(["title"])
    paul.page.shot("mail-original")

    paul.write("Bonjour Inès,\nvotre colis part demain — promis 😊")
    paul.page.press("Control+Enter")
    paul.page.see("text=Annuler")
    paul.page.shot("mail-undo")
    mails = await in_mailbox(post.house, "ines", 2)
    reply = mails[1]
    body = reply.get_body(("plain",))
    assert body is not None
    assert body.get_content_charset() == "utf-8"
    text = body.get_content().replace("\r\n", "\n")
    assert text.startswith("Bonjour Inès,\nvotre colis part demain — promis 😊\n")
    assert "> mon colis à 12 € n'est pas arrivé. Où est-il ?" in text.splitlines()
    assert "Inès Colin a écrit" in text
    assert reply["Subject"] == "Re: Où est mon colis ?"
    assert reply["In-Reply-To"] == "<first@mail.example>"
    assert reply["From"].addresses[0].addr_spec == HELP
    paul.page.see(".thread .message [aria-label='Envoyé']", 30)

    answer = letter(
        INES, str(reply["Reply-To"]), "Re: Où est mon colis ?",
        "Merci Paul !\n\nLe 24 novembre 2026, Lune a écrit :\n> votre colis part demain\n", "second",
        In_Reply_To=str(reply["Message-ID"]), References=f"{reply['References']} {reply['Message-ID']}",
    )  # fmt: skip
    post.house.submit(answer, INES, reply["Reply-To"].addresses[0].addr_spec, INES)
    (conversation,) = await post.conversations()
    messages = await post.until(conversation["conversation"], 3)
    assert [message["kind"] for message in messages] == ["customer", "agent", "customer"]
    assert messages[2]["text"] == "Merci Paul !"
    await in_mailbox(post.house, "ines", 3)
    with post.house.mailbox("ines") as imap:
        threads = imap.thread("REFERENCES")
    assert threads == ((1, 2, 3),), "one thread"

    paul.page.see(".offer, .work-row:has-text('Merci Paul')")
    if paul.page.count(".offer"):
        paul.page.press("Alt+Enter")
    paul.sees("Merci Paul !")
    paul.page.see(".message:has-text('Merci Paul') .mail-acts [aria-expanded=false]")
    paul.page.shot("mail-thread")
    assert not [fault for fault in paul.page.faults() if "exception" in fault]
    paul.page.close()


async def test_a_reply_that_cannot_be_delivered_says_why(browser: Browser, post: Post) -> None:
    await post.command("set_presence", "available", presence="available")
    for number, address in enumerate((HELP, RETURNS)):
        post.house.submit(
            letter(GHOST, address, f"Perdu {number}", "Bonjour ?", f"ghost{number}"), GHOST, address
        )

    async def both() -> bool:
        return len(await post.conversations()) == 2

    await wait_until(both, "two conversations", UNDO_AND_DELIVERY)
    for row in await post.conversations():
        conversation = row["conversation"]
        await post.command("take", f"take:{conversation}", conversation=conversation)
        await post.command(
            "send_message", f"say:{conversation}", conversation=conversation, message=f"m{row['n']}{conversation}"[:64],
            text="Bonjour, nous cherchons.", attachments=[],
        )  # fmt: skip

    async def bounced() -> list[str]:
        rows = [(await post.messages(row["conversation"]))[1] for row in await post.conversations()]
        reasons = sorted(str(row["reason"]) for row in rows if row["status"] == "bounced")
        return reasons if len(reasons) == 2 else []

    reasons = await wait_until(bounced, "both come back", UNDO_AND_DELIVERY)
    assert reasons == ["smtp.5.1.1", "smtp.550"], "once refused at the door, once by a report"
    assert [row["state"] for row in await post.conversations()] == ["waiting"] * 2, "both are work again"

    paul = Agent(browser, post.serving.url)
    paul.sign_in(f"paul@{CLIENT_DOMAIN}", Office.PASSWORD)
    for row in await post.conversations():
        paul.page.open(f"/desk/work/{row['conversation']}")
        paul.page.see(".message .ui-error:has-text('personne n’a cette adresse')")
    paul.page.shot("mail-bounced")
    paul.page.close()
