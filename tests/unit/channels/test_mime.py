"""What we make of a corpus of mails, and of mails made to hurt."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from guichet.channels.email.mime import MAX_FILES, MAX_TEXT, Mail, parse_mail

pytestmark = pytest.mark.unit

CORPUS = Path(__file__).parents[2] / "corpora" / "email"


def mail(name: str) -> Mail:
    return parse_mail((CORPUS / f"{name}.eml").read_bytes())


def test_a_plain_mail() -> None:
    found = mail("plain")
    assert found.sender is not None
    assert (found.sender.address, found.sender.name) == ("ines@client.example", "Inès Colin")
    assert found.subject == "Mon colis n°12"
    assert found.text == "Bonjour,\n\nOù est mon colis ?\n\nInès"
    assert found.message_id == "<plain@client.example>"
    assert found.sent_at == 1_795_503_600_000
    assert (found.automatic, found.html, found.files, found.quoted) == ("", "", (), "")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("latin1", "Ça coûte 5€ ? “Merci”"),
        ("wrong_charset", "Déjà reçu à Orléans"),
        ("unknown_charset", "Déjà reçu"),
        ("gb2312", "你好，我的包裹镕"),
        ("broken_boundary", "Bonjour, mon client de messagerie est casse."),
        ("no_headers", "juste du texte sans le moindre en-tete"),
        ("odd_date_and_from", "Bonjour"),
    ],
)
def test_text_in_odd_clothes(name: str, text: str) -> None:
    assert mail(name).text == text


@pytest.fixture(params=["UTC", "Asia/Kolkata", "America/New_York"])
def somewhere(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine's own time zone."""
    with monkeypatch.context() as here:
        here.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("somewhere")
@pytest.mark.parametrize(
    ("date", "sent_at"),
    [
        ("Tue, 24 Nov 2026 09:00:00 +0100", 1_795_507_200_000),
        ("Tue, 24 Nov 2026 08:00:00 -0000", 1_795_507_200_000),
        ("Tue, 24 Nov 2026 08:00:00", 1_795_507_200_000),
        ("Fri, 31 Dec 9999 23:00:00 -0800", None),
    ],
)
def test_when_it_was_sent_does_not_depend_on_where_we_are(date: str, sent_at: int | None) -> None:
    assert parse_mail(f"Date: {date}\n\nBonjour".encode()).sent_at == sent_at


def test_headers_in_odd_clothes() -> None:
    assert mail("gb2312").subject == "包裹在哪里"
    raw = mail("raw_8bit_header")
    assert raw.subject == "Réclamation à propos"
    assert raw.sender is not None
    assert raw.sender.name == "Inès Colin"
    odd = mail("odd_date_and_from")
    assert odd.sent_at is None
    assert odd.message_id == ""
    assert odd.sender is not None
    assert odd.sender.address == "ines@client.example"


def test_html_is_harmless_and_readable() -> None:
    found = mail("html_only")
    for evil in ("script", "alert", "onload", "javascript", "iframe", "form", "input", "url(", ' src="http'):
        assert evil not in found.html
    assert 'data-remote="https://pixel.example/t.gif"' in found.html
    assert 'href="https://suivi.example/12"' in found.html
    assert found.text == (
        "Bonjour Paul,\n\n- un colis\n- une facture\n\ncliquez suivi <https://suivi.example/12>\n\nMerci"
    )


def test_an_image_inside_the_text_keeps_its_place() -> None:
    found = mail("alternative_inline_image")
    assert found.text == "Voici la photo."
    assert 'src="cid:p1@client.example"' in found.html
    (image,) = found.files
    assert (image.cid, image.type, image.name) == ("p1@client.example", "image/png", "photo.png")
    assert image.content.startswith(b"\x89PNG")


def test_attachments_have_safe_names_and_nothing_is_opened() -> None:
    found = mail("attachments")
    assert [(f.name, f.type) for f in found.files] == [
        ("facture n°12.pdf", "application/pdf"),
        ("passwd", "application/octet-stream"),
        ("message.eml", "message/rfc822"),
    ]
    assert b"un message joint" in found.files[2].content
    assert found.text == "Ci-joint."


@pytest.mark.parametrize(
    ("name", "new", "quoted"),
    [
        ("gmail_reply_fr", "Merci, bien reçu !", "Le mar. 24 nov. 2026"),
        ("outlook_reply_fr", "Toujours rien.\n\nInès Colin", "____"),
        ("apple_reply_fr", "Parfait.\n\nEnvoyé de mon iPhone", "> Le 24 nov."),
        ("outlook_reply_en", "Still nothing.", "-----Original Message-----"),
    ],
)
def test_the_quoted_mail_is_folded(name: str, new: str, quoted: str) -> None:
    found = mail(name)
    assert found.text == new
    assert found.quoted.startswith(quoted)


def test_answers_between_the_lines_are_not_hidden() -> None:
    found = mail("answers_between")
    assert "C'est le 4512." in found.text
    assert "12 rue des Lilas" in found.text
    assert found.quoted == ""


def test_what_it_answers_nearest_first() -> None:
    assert mail("gmail_reply_fr").references == ("<autre@lune.example>", "<plain@client.example>")


@pytest.mark.parametrize(
    ("name", "why"),
    [("auto_reply", "auto-reply"), ("newsletter", "bulk"), ("bounce", "report"), ("plain", "")],
)
def test_machines_are_told_from_people(name: str, why: str) -> None:
    assert mail(name).automatic == why


def test_a_null_sender_is_a_machine() -> None:
    assert parse_mail((CORPUS / "plain.eml").read_bytes(), "").automatic == "auto-reply"


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("Auto-Submitted: auto-replied (vacation)", "auto-reply"),
        ("Auto-Submitted: Auto-Generated; x=y", "generated"),
        ("X-AutoGenerated: yes", "generated"),
        ("Auto-Submitted: no", ""),
        ("Content-Type: multipart/report; report-type=disposition-notification; boundary=x", "auto-reply"),
        ("Content-Type: multipart/report; report-type=delivery-status; boundary=x", "report"),
    ],
)
def test_only_what_answers_by_itself_is_an_automatic_reply(header: str, why: str) -> None:
    """A form or another company's desk generates mail that a person wrote."""
    assert parse_mail(f"From: a@b.example\n{header}\n\nBonjour".encode()).automatic == why


def test_a_bounce_names_our_mail_and_its_reason() -> None:
    report = mail("bounce").report
    assert report is not None
    assert (report.status, report.reason) == ("bounced", "smtp.5.1.1")
    assert report.message_id == "<c0ffee.0123456789abcdef.3@lune.example>"
    delayed = mail("delayed").report
    assert delayed is not None
    assert delayed.status == "sent"


def test_the_same_mail_by_another_way_is_the_same_event() -> None:
    raw = (CORPUS / "plain.eml").read_bytes()
    again = parse_mail(b"Received: from elsewhere\nDelivered-To: x@y\n" + raw)
    assert again.event == parse_mail(raw).event
    assert again.hops == 1
    assert parse_mail(raw.replace(b"colis", b"livre")).event != again.event


def test_long_text_and_quotes_are_kept_whole_as_files() -> None:
    words, quote = "mot " * 20_000, "\n".join(["> cité"] * 3_000)
    found = parse_mail(f"From: a@b.example\n\n{words}\nLe 3 mai 2026, X a écrit :\n{quote}\n".encode())
    assert len(found.text.encode()) <= MAX_TEXT
    names = {f.name: f.content.decode() for f in found.files}
    assert names["message.txt"] == words.strip()
    assert names["quoted.txt"].count("cité") == 3_000


def test_too_many_files_are_kept_as_the_whole_mail() -> None:
    parts = "".join(
        f"--x\nContent-Type: image/png; name=a{i}.png\nContent-Disposition: attachment\n\n{i}\n"
        for i in range(90)
    )
    raw = f"From: a@b.example\nContent-Type: multipart/mixed; boundary=x\n\n{parts}--x--\n".encode()
    found = parse_mail(raw)
    assert len(found.files) == MAX_FILES + 1
    assert found.files[-1].content == raw


def nested(depth: int) -> bytes:
    head = "".join(f"Content-Type: multipart/mixed; boundary=b{i}\n\n--b{i}\n" for i in range(depth))
    return f"From: a@b.example\n{head}Content-Type: text/plain\n\nau fond\n".encode()


HOSTILE = {
    "nested multiparts": nested(3_000),
    "just few enough multiparts": nested(100),
    "nested messages": b"From: a@b.example\n" + b"Content-Type: message/rfc822\n\n" * 20_000,
    "a million parts": b"From: a@b.example\nContent-Type: multipart/mixed; boundary=x\n\n"
    + b"--x\n\n\n" * 1_000_000,
    "a huge header": b"From: a@b.example\nSubject: " + b"x" * 5_000_000 + b"\n\nBonjour",
    "many headers": b"From: a@b.example\n" + b"X-A: b\n" * 500_000 + b"\nBonjour",
    "headers without end": b"A: b\n" * 500_000,
    "encoded words": b"From: a@b.example\nSubject: " + b"=?utf-8?q?" * 100_000 + b"\n\nBonjour",
    "many addresses": b"From: " + b"<" * 100_000 + b"\nTo: " + b"a@b.example," * 100_000 + b"\n\nBonjour",
    "deep html": b"From: a@b.example\nContent-Type: text/html\n\n" + b"<div>" * 200_000,
    "html entities": b"From: a@b.example\nContent-Type: text/html\n\n" + b"&#" * 200_000,
    "attribution lines": b"From: a@b.example\n\n" + b"On " * 50_000 + b"\n" + b"Le 3 mai\n" * 50_000,
    "quoted lines": b"From: a@b.example\n\n" + b"> cite\n" * 300_000 + b"Bonjour",
    "inline html": b"From: a@b.example\nContent-Type: text/html\n\n" + b"<b>x</b>" * 120_000,
    "a punycode charset": b"From: a@b.example\nContent-Type: text/plain; charset=punycode\n\n"
    + b"a-b" * 100_000,
    "compressed": b"From: a@b.example\nContent-Type: application/zip\nContent-Transfer-Encoding: base64\n\n"
    + base64.encodebytes(b"PK\x03\x04" + b"\0" * 100_000),
    "nul bytes": b"From: a@b.example\n\n" + b"\0" * 100_000 + b"Bonjour",
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_mails_cost_little_and_lose_nothing(name: str) -> None:
    found = parse_mail(HOSTILE[name])
    assert len(found.event) == 32
    assert found.sender is None or found.sender.address == "a@b.example"
    if HOSTILE[name].endswith(b"Bonjour"):
        assert found.text.startswith(("Bonjour", "> cite"))
    if "few enough" in name:
        assert "au fond" in found.text or any(b"au fond" in f.content for f in found.files)
