"""The mail door for real: SMTP on loopback both ways, a leader and a store behind it."""

from __future__ import annotations

import asyncio
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

import aiosmtplib
import pytest

from guichet.channels.email.mime import MAX_MAIL
from guichet.channels.email.parser import LARGE
from guichet.kit import faults
from guichet.kit.errors import Refused
from tests.support.centre import ADDRESS, CHECKED_BY, Centre
from tests.support.certificate import certificate
from tests.support.mailing import INES, has_status, in_a_centre, mail, only_conversation, port_of, post, reply
from tests.support.mailing import no_undo as no_undo

pytestmark = pytest.mark.contract


async def test_mails_both_ways_stay_in_one_thread(tmp_path: Path, database: str) -> None:
    async with Centre.running(tmp_path, database_url=database) as centre:
        await centre.found()
        await both_ways(centre)


async def both_ways(centre: Centre) -> None:
    await centre.available()
    answer = await post(centre, mail("Mon colis", "Bonjour,\nOù est mon colis ?\n", "a1"))
    assert answer.startswith("2.0.0 taken as")
    conversation = await only_conversation(centre)
    await post(centre, mail("Re: Mon colis", "Alors ?", "a2", In_Reply_To="<a1@client.example>"))
    await centre.accept(conversation)
    ours = await reply(centre, conversation, "r1", "Il arrive demain.")
    assert (ours["To"], ours["Subject"]) == (f"Inès Colin <{INES}>", "Re: Mon colis")
    assert ours["From"] == f"Boutique Lune <{ADDRESS}>"
    assert ours["References"].split() == ["<a1@client.example>", "<a2@client.example>"]
    assert "> Alors ?" in ours.get_content()
    by_reference = mail("Re: Mon colis", "Merci !\n\nLe 24 nov. 2026, Lune a écrit :\n> demain", "a3")
    by_reference["References"] = ours["Message-ID"]
    await post(centre, by_reference)
    to = ours["Reply-To"].addresses[0].addr_spec
    await post(centre, mail("Autre sujet", "Par l'adresse", "a4", From="Autre <autre@client.example>"), to)
    assert await only_conversation(centre) == conversation
    rows = await centre.messages(conversation)
    assert [row["text"] for row in rows] == [
        "Bonjour,\nOù est mon colis ?", "Alors ?", "Il arrive demain.", "Merci !", "Par l'adresse",
    ]  # fmt: skip
    assert rows[3]["headers"]["quoted"] == "Le 24 nov. 2026, Lune a écrit :\n> demain"  # type: ignore[index,call-overload]
    await centre.until(lambda: has_status(centre, conversation, 2, "sent"), "the reply is marked as sent")


@in_a_centre
async def test_a_mail_that_comes_twice_is_taken_once(centre: Centre) -> None:
    letter = mail("Mon colis", "Bonjour", "a1")
    first, _, third = await asyncio.gather(*(post(centre, letter) for _ in range(3)))
    assert first == third
    again = b"Received: from somewhere\n" + letter.as_bytes()
    assert await post(centre, again, ADDRESS, "aide@lune.example") == first
    assert len(await centre.messages(await only_conversation(centre))) == 1
    assert (await centre.facts()).count("customer.created") == 1


@in_a_centre
async def test_somebody_elses_message_id_leads_nowhere(centre: Centre) -> None:
    await post(centre, mail("Mon colis", "Bonjour", "a1"))
    stranger = mail(
        "Re: Mon colis", "Et alors ?", "b1", From="x@evil.example", In_Reply_To="<a1@client.example>"
    )
    await post(centre, stranger)
    forged = mail(
        "Re", "Forgé", "b2", From="x@evil.example", In_Reply_To="<c1.0123456789abcdef.1@lune.example>"
    )
    await post(centre, forged)
    assert len(await centre.rows("conversation")) == 3
    assert len(await centre.rows("customer")) == 2


def vouched(letter: EmailMessage, domain: str = "client.example") -> EmailMessage:
    """The mail as the trusted server hands it on."""
    letter["Authentication-Results"] = f"{CHECKED_BY}; dmarc=pass header.from={domain}"
    return letter


async def identities(centre: Centre, customer: object) -> set[tuple[object, object]]:
    rows = await centre.rows("identity", customer=customer)
    return {(row["kind"], row["proven"]) for row in rows if row["kind"] == "email"}


async def headers(centre: Centre, conversation: str) -> list[dict[str, Any]]:
    return [cast("dict[str, Any]", row["headers"]) for row in await centre.messages(conversation)]


@in_a_centre
async def test_a_sender_is_claimed_until_somebody_vouches(centre: Centre) -> None:
    """All mails of one address lead to one customer; each says whether it is really from there."""
    await post(centre, mail("Un", "Bonjour", "a1"))
    (customer,) = await centre.rows("customer")
    assert await identities(centre, customer["customer"]) == {("email", False)}
    await post(centre, mail("Deux", "Bonjour", "a2", From="Ines <INES@client.example>"))
    await post(centre, vouched(mail("Trois", "Bonjour", "a3")))
    assert await identities(centre, customer["customer"]) == {("email", True)}
    await post(centre, mail("Quatre", "Bonjour", "a4"))
    assert [row["name"] for row in await centre.rows("customer")] == ["Inès Colin"]
    rows = sorted(await centre.rows("conversation"), key=lambda row: int(str(row["opened_at"])))
    said = {
        str(r["subject_line"]): (await headers(centre, str(r["conversation"])))[0]["sender"] for r in rows
    }
    assert said == {"Un": "unverified", "Deux": "unverified", "Trois": "verified", "Quatre": "unverified"}
    assert {row["customer"] for row in rows} == {customer["customer"]}


@in_a_centre
async def test_a_forged_reply_to_gets_nothing(centre: Centre) -> None:
    await centre.available()
    await post(centre, mail("Mon colis", "Bonjour", "a1", Reply_To="x@evil.example"))
    conversation = await only_conversation(centre)
    assert (await centre.rows("conversation"))[0]["reply_to"] == INES
    await centre.accept(conversation)
    assert (await reply(centre, conversation, "r1", "Demain."))["To"] == f"Inès Colin <{INES}>"
    assert centre.relay.mails[-1][1] == [INES]
    await post(
        centre,
        vouched(
            mail("Re", "À la maison", "a2", In_Reply_To="<a1@client.example>", Reply_To="i@home.example")
        ),
    )
    await centre.accept(conversation)
    await reply(centre, conversation, "r2", "Bien.")
    assert centre.relay.mails[-1][1] == ["i@home.example"]


@in_a_centre
async def test_another_sender_is_shown_as_such_and_turns_no_answer(centre: Centre) -> None:
    await centre.available()
    await post(centre, vouched(mail("Mon colis", "Bonjour", "a1")))
    conversation = await only_conversation(centre)
    await centre.accept(conversation)
    ours = await reply(centre, conversation, "r1", "Il arrive demain.")
    evil = vouched(
        mail("Re", "Envoyez ici", "b1", From="X <x@evil.example>", In_Reply_To=ours["Message-ID"]),
        "evil.example",
    )
    await post(centre, evil)
    assert await only_conversation(centre) == conversation
    assert len(await centre.rows("customer")) == 1
    found = (await headers(centre, conversation))[2]
    assert (found["from"], found["other_sender"], found["sender"]) == ("x@evil.example", "yes", "verified")
    await centre.accept(conversation)
    answer = await reply(centre, conversation, "r2", "Non.")
    assert centre.relay.mails[-1][1] == [INES]
    assert "Envoyez ici" not in answer.get_content()
    assert "> Bonjour" in answer.get_content()
    await post(centre, mail("Re", "C'est moi", "a2", In_Reply_To=answer["Message-ID"]))
    assert "other_sender" not in (await headers(centre, conversation))[4]


@in_a_centre
async def test_files_and_pages_are_kept(centre: Centre) -> None:
    corpus = Path(__file__).parents[1] / "corpora" / "email"
    await post(centre, (corpus / "alternative_inline_image.eml").read_bytes())
    (row,) = await centre.messages(await only_conversation(centre))
    (file,) = cast("list[dict[str, Any]]", row["attachments"])
    assert (file["name"], file["cid"]) == ("photo.png", "p1@client.example")
    blobs = centre.node.store.blobs
    page, image = await blobs.get(str(row["html_blob"])), await blobs.get(file["address"])
    assert page is not None
    assert b'src="cid:p1@client.example"' in page
    assert image is not None
    assert image.startswith(b"\x89PNG")


@in_a_centre
async def test_what_the_door_refuses(centre: Centre) -> None:
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as unknown:
        await post(centre, mail("x", "y", "a1"), "personne@lune.example")
    assert unknown.value.recipients[0].code == 550
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=await port_of(centre), start_tls=False)
    async with client:
        refused, _ = await client.sendmail(INES, [ADDRESS] * 1_000, mail("x", "y", "a2").as_bytes())
        assert next(iter(refused.values())).code == 452
    with pytest.raises(aiosmtplib.SMTPResponseException) as large:
        await post(centre, b"Subject: x\r\n\r\n" + (b"x" * 98 + b"\r\n") * (MAX_MAIL // 100 + 1))
    assert large.value.code == 552
    looping = b"Received: from a\r\n" * 60 + mail("x", "y", "a3").as_bytes()
    with pytest.raises(aiosmtplib.SMTPDataError) as loop:
        await post(centre, looping)
    assert loop.value.code == 554
    assert len(await centre.rows("conversation")) == 1


async def test_mail_may_come_encrypted(tmp_path: Path) -> None:
    async with Centre.running(tmp_path / "data", smtp_certificate=str(certificate(tmp_path))) as centre:
        await centre.found()
        client = aiosmtplib.SMTP(
            hostname="127.0.0.1", port=await port_of(centre), start_tls=True, validate_certs=False
        )
        async with client:
            await client.sendmail(INES, [ADDRESS], mail("Mon colis", "Bonjour", "a1").as_bytes())
        assert len(await centre.messages(await only_conversation(centre))) == 1


@in_a_centre
async def test_a_large_mail_is_read_in_another_process(centre: Centre) -> None:
    words = "mot " * (LARGE // 4)
    await post(centre, mail("Long", words, "a1"))
    (row,) = await centre.messages(await only_conversation(centre))
    assert len(str(row["text"])) == 32 * 1024
    (file,) = cast("list[dict[str, Any]]", row["attachments"])
    assert await centre.node.store.blobs.get(file["address"]) == words.strip().encode()


@in_a_centre
async def test_a_full_leader_asks_the_sender_to_come_back(centre: Centre) -> None:
    def refuse() -> None:
        raise Refused("limited", "leader.busy", "wait")

    faults.arm("channels.message.before_submit", refuse)
    try:
        with pytest.raises(aiosmtplib.SMTPDataError) as busy:
            await post(centre, mail("Mon colis", "Bonjour", "a1"))
    finally:
        faults.disarm_all()
    assert busy.value.code == 451
    await post(centre, mail("Mon colis", "Bonjour", "a1"))
    assert len(await centre.messages(await only_conversation(centre))) == 1


@in_a_centre
async def test_a_crash_before_250_takes_the_mail_once(centre: Centre) -> None:
    faults.arm("channels.mail.before_250", "raise")
    try:
        with pytest.raises(aiosmtplib.SMTPDataError):
            await post(centre, mail("Mon colis", "Bonjour", "a1"))
    finally:
        faults.disarm_all()
    await post(centre, mail("Mon colis", "Bonjour", "a1"))
    assert len(await centre.messages(await only_conversation(centre))) == 1
