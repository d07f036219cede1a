"""Our reply as a mail, and the ids by which its answers come back."""

from __future__ import annotations

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest

from guichet.channels.base import Outgoing, Part
from guichet.channels.email.render import render, subject_of_reply
from guichet.channels.email.settings import MailSettings
from guichet.channels.email.threads import reply_address
from guichet.channels.tokens import conversation_in, conversation_token
from guichet.customers.identity import IdentityHasher

pytestmark = pytest.mark.unit

HASHER = IdentityHasher(b"k" * 32)
TOKEN = conversation_token(HASHER, "org", "c1")
AT = 1_795_503_600_000


def row(n: int, kind: str, text: str, **more: Any) -> dict[str, Any]:
    return {
        "n": n,
        "kind": kind,
        "text": text,
        "at": AT,
        "sent_at": None,
        "status": "sent",
        "headers": None,
    } | more


def outgoing(**more: Any) -> Outgoing:
    fields: dict[str, Any] = {
        "org": "org", "client": "lune", "client_name": "Boutique Lune", "agent_name": "Paul", "conversation": "c1",
        "message": "m", "n": 3, "text": "Bonjour,\n\nIl arrive demain. Coût : 5 €", "at": AT,
        "to": "ines@client.example", "to_name": "Inès Colin", "subject": "RE: Mon colis",
        "settings": MailSettings(address="bonjour@lune.example"), "token": TOKEN,
        "earlier": (
            row(2, "customer", "Alors ?\nInès", headers={"message_id": "<a2@x>", "references": "<a1@x>"}),
            row(1, "customer", "Où ?", headers={"message_id": "<a1@x>"}),
        ),
    }  # fmt: skip
    return Outgoing(**(fields | more))


def read(**more: Any) -> EmailMessage:
    return message_from_bytes(render(outgoing(**more)), policy=default)


def test_headers_and_text() -> None:
    mail = read()
    assert mail["From"] == "Boutique Lune <bonjour@lune.example>"
    assert mail["To"] == "Inès Colin <ines@client.example>"
    assert mail["Reply-To"] == f"bonjour+{TOKEN}@lune.example"
    assert mail["Subject"] == "Re: Mon colis"
    assert mail["Message-ID"] == f"<{TOKEN}.3@lune.example>"
    assert mail["In-Reply-To"] == "<a2@x>"
    assert mail["References"] == "<a1@x> <a2@x>"
    assert mail["Auto-Submitted"] is None
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content_charset() == "utf-8"
    assert mail.get_content().replace("\r\n", "\n") == (
        "Bonjour,\n\nIl arrive demain. Coût : 5 €\n\n"
        "Le 24 novembre 2026, Inès Colin a écrit :\n\n> Alors ?\n> Inès\n"
    )


def test_in_english_and_without_a_customers_mail() -> None:
    assert "On November 24, 2026, Inès Colin wrote:" in read(language="en").get_content()
    alone = read(earlier=())
    assert alone["In-Reply-To"] is None
    assert alone.get_content().strip().endswith("5 €")


def test_a_second_reply_in_a_row_stays_in_the_thread() -> None:
    before = (row(3, "agent", "Un instant"), *outgoing().earlier)
    mail = read(n=4, earlier=before)
    assert mail["In-Reply-To"] == "<a2@x>"
    assert mail["References"] == f"<a1@x> <{TOKEN}.3@lune.example> <a2@x>"
    assert "> Alors ?" in mail.get_content()


def test_it_is_the_same_mail_each_time() -> None:
    files = (Part("photo.png", "image/png", b"\x89PNG"), Part("note.txt", "text/plain", "été".encode()))
    assert render(outgoing(parts=files)) == render(outgoing(parts=files))


def test_attachments() -> None:
    files = (
        Part("facture n°12.pdf", "application/pdf", b"%PDF"),
        Part("note.txt", "text/plain", "été\n".encode("latin-1")),
        Part("joint.eml", "message/rfc822", b"Subject: x\n\ny"),
    )
    found = list(read(parts=files).iter_attachments())
    assert [part.get_filename() for part in found] == ["facture n°12.pdf", "note.txt", "joint.eml"]
    assert [part.get_payload(decode=True) for part in found] == [f.content for f in files]


@pytest.mark.parametrize(
    "bad", ["Evil\r\nBcc: all@x.example", "", "x" * 500, "\ud800", 'quote " \\ name', "名前" * 30]
)
def test_no_name_or_subject_breaks_the_header(bad: str) -> None:
    name = bad.encode("utf-8", "replace").decode()
    mail = read(to_name=name, subject=name)
    assert mail["Bcc"] is None
    assert mail["To"].addresses[0].addr_spec == "ines@client.example"


@pytest.mark.parametrize(
    ("subject", "reply"),
    [
        ("Mon colis", "Re: Mon colis"),
        ("RE: Re : Mon colis", "Re: Mon colis"),
        ("TR: AW: Re[2]: x", "Re: x"),
        ("Réclamation", "Re: Réclamation"),
        ("", "Re:"),
    ],
)
def test_subjects(subject: str, reply: str) -> None:
    assert subject_of_reply(subject) == reply


def test_tokens_cannot_be_made_up() -> None:
    assert conversation_in(HASHER, "org", TOKEN) == "c1"
    assert conversation_in(HASHER, "other", TOKEN) is None
    assert conversation_in(HASHER, "org", TOKEN.replace("c1", "c2")) is None
    assert conversation_in(IdentityHasher(b"x" * 32), "org", TOKEN) is None
    assert conversation_in(HASHER, "org", "") is None


def test_an_address_too_long_for_a_token_stays_plain() -> None:
    assert reply_address("service-clientele-international@lune.example", TOKEN + "0" * 30) == (
        "service-clientele-international@lune.example"
    )
