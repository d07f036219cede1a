"""The customers' mailbox: reading, threads, its file. (Its server and sending are tried in tests/e2e/test_demo.py.)"""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

import pytest
from aiosmtpd.smtp import Envelope

from guichet.kit.clock import ManualClock
from guichet.server.demo.mailbox import KEPT, Letter, Mailbox

pytestmark = pytest.mark.unit

BOX = "ines@mail.example"
NOBODY = cast(Any, None)


@pytest.fixture
def mailbox(tmp_path: Path) -> Mailbox:
    return Mailbox(tmp_path / "letters.jsonl", ManualClock())


def mail(ident: str, subject: str = "Bonjour", *references: str, text: str = "Texte") -> bytes:
    made = EmailMessage()
    made["From"] = "Maison Corvelle <bonjour@corvelle.example>"
    made["Reply-To"] = "bonjour+token@corvelle.example"
    made["Subject"] = subject
    made["Message-ID"] = f"<{ident}>"
    if references:
        made["References"] = " ".join(f"<{r}>" for r in references)
    made.set_content(text)
    return made.as_bytes()


async def deliver(mailbox: Mailbox, raw: bytes, box: str = BOX) -> None:
    envelope = Envelope()
    envelope.content = raw
    envelope.rcpt_tos = [box]
    assert await mailbox.handle_DATA(NOBODY, NOBODY, envelope) == "250 OK"


async def test_reads_what_came_and_tells_who_listens(mailbox: Mailbox) -> None:
    heard: list[Letter] = []
    mailbox.listeners.append(heard.append)
    await deliver(mailbox, mail("a", "Né à Évian", text="Déjà vu\n"), "Ines@Mail.Example")
    (letter,) = heard
    assert (letter.box, letter.other_name, letter.subject) == (BOX, "Maison Corvelle", "Né à Évian")
    assert letter.reply_to == "bonjour+token@corvelle.example"
    assert letter.text.strip() == "Déjà vu"


async def test_threads_by_reference_newest_first(mailbox: Mailbox) -> None:
    await deliver(mailbox, mail("a"))
    await deliver(mailbox, mail("x"))
    await deliver(mailbox, mail("b", "Re: Bonjour", "a"))
    await deliver(mailbox, mail("c", "Re: Bonjour", "unknown", "b"))
    await deliver(mailbox, mail("y"), "somebody@mail.example")
    ids = [[letter.message_id for letter in thread] for thread in mailbox.threads(BOX)]
    assert sorted(ids, key=len) == [["<x>"], ["<a>", "<b>", "<c>"]]


async def test_survives_what_is_no_mail(mailbox: Mailbox) -> None:
    await deliver(mailbox, b"\xff\xfe not a mail at all")
    await deliver(mailbox, b"")
    assert len(mailbox.threads(BOX)) >= 1


async def test_keeps_letters_over_a_restart_without_the_torn_line(mailbox: Mailbox, tmp_path: Path) -> None:
    await deliver(mailbox, mail("a"))
    with (tmp_path / "letters.jsonl").open("ab") as file:
        file.write(b'{"id": "torn')
    again = Mailbox(tmp_path / "letters.jsonl", ManualClock())
    again.load()
    assert [letter.message_id for letter in again.letters] == ["<a>"]
    assert b"torn" not in (tmp_path / "letters.jsonl").read_bytes()


async def test_forgets_the_oldest(mailbox: Mailbox) -> None:
    for n in range(KEPT + 3):
        await deliver(mailbox, mail(str(n)))
    assert len(mailbox.letters) == KEPT
    assert mailbox.letters[0].message_id == "<3>"
