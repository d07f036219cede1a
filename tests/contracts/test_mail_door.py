"""The mail door for real: SMTP on loopback both ways, a leader and a store behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, cast

import aiosmtplib
import msgspec
import pytest

from guichet.channels import delivery, registry
from guichet.channels.base import Outgoing
from guichet.channels.email.channel import Email
from guichet.channels.email.door import MailDoor
from guichet.channels.email.mime import MAX_MAIL
from guichet.channels.email.parser import LARGE
from guichet.channels.email.send import send_mail
from guichet.channels.email.settings import MailSettings, Relay
from guichet.kit import faults
from guichet.kit.errors import Refused
from guichet.leader.registry import Actor, Command
from guichet.store.jobs import MAX_ATTEMPTS
from guichet.store.port import Job, Secrets
from tests.support.centre import ADDRESS, CHECKED_BY, ORG, Centre
from tests.support.certificate import certificate
from tests.support.waiting import wait_until

pytestmark = pytest.mark.contract

INES = "ines@client.example"


@pytest.fixture(autouse=True)
def no_undo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replies leave at once instead of after ten seconds."""
    monkeypatch.setattr(Email, "capabilities", msgspec.structs.replace(Email.capabilities, undo_seconds=0))


def in_a_centre(test: Callable[[Centre], Awaitable[None]]) -> Callable[[Path], Awaitable[None]]:
    """The test runs in a centre that begins and ends with it, so that its tasks are not taken for left-overs."""

    async def run(tmp_path: Path) -> None:
        async with Centre.running(tmp_path) as running:
            await running.found()
            await test(running)

    run.__name__ = test.__name__
    return run


def mail(subject: str, text: str, ident: str, **headers: str) -> EmailMessage:
    made = EmailMessage()
    given = {
        "From": f"Inès Colin <{INES}>",
        "To": ADDRESS,
        "Subject": subject,
        "Message-ID": f"<{ident}@client.example>",
    }
    for name, value in (given | {k.replace("_", "-"): v for k, v in headers.items()}).items():
        made[name] = value
    made["Date"] = "Tue, 24 Nov 2026 08:00:00 +0100"
    made.set_content(text)
    return made


async def port_of(centre: Centre) -> int:
    (door,) = [d for d in centre.node.doors if isinstance(d, MailDoor)]
    await wait_until(lambda: door.port, "the door listens")
    return door.port


async def post(centre: Centre, content: EmailMessage | bytes, *to: str, sender: str = INES) -> str:
    """Sends a mail; gives the door's last answer. Raises aiosmtplib's errors."""
    raw = content if isinstance(content, bytes) else content.as_bytes()
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=await port_of(centre), start_tls=False)
    async with client:
        _, answer = await client.sendmail(sender, list(to or [ADDRESS]), raw)
    return answer


async def only_conversation(centre: Centre) -> str:
    (row,) = await centre.rows("conversation")
    return str(row["conversation"])


async def reply(centre: Centre, conversation: str, message: str, text: str) -> EmailMessage:
    """The agent answers; gives the mail that reached the relay."""
    count = len(centre.relay.mails)
    await centre.do(centre.agent(), "send_message", conversation=conversation, message=message, text=text)
    await wait_until(lambda: len(centre.relay.mails) > count, "the relay has the reply")
    return message_from_bytes(centre.relay.mails[-1][2], policy=default)


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
    await centre.until(lambda: _status(centre, conversation, 2, "sent"), "the reply is marked as sent")


@pytest.mark.slow
@in_a_centre
async def test_a_crash_after_sending_repeats_the_same_mail(centre: Centre) -> None:
    await centre.available()
    await post(centre, mail("Mon colis", "Bonjour", "a1"))
    conversation = await only_conversation(centre)
    await centre.accept(conversation)
    faults.arm("channels.send.after_send", "raise")
    try:
        first = await reply(centre, conversation, "r1", "Il arrive demain.")
        await wait_until(lambda: len(centre.relay.mails) == 2, "it is sent again", timeout=30)
    finally:
        faults.disarm_all()
    assert centre.relay.mails[0] == centre.relay.mails[1]
    assert first["Message-ID"]
    await centre.until(lambda: _status(centre, conversation, 1, "sent"), "the reply is marked as sent")


async def _status(centre: Centre, conversation: str, at: int, status: str) -> bool:
    return (await centre.messages(conversation))[at]["status"] == status


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
async def test_a_bounce_marks_the_reply(centre: Centre) -> None:
    await centre.available()
    await post(centre, mail("Mon colis", "Bonjour", "a1"))
    conversation = await only_conversation(centre)
    await centre.accept(conversation)
    ours = await reply(centre, conversation, "r1", "Il arrive demain.")
    await centre.until(lambda: _status(centre, conversation, 1, "sent"), "the reply is marked as sent")
    corpus = Path(__file__).parents[1] / "corpora" / "email"
    bounce = (corpus / "bounce.eml").read_bytes()
    await post(centre, bounce, sender="")  # about a mail that is not ours
    ours_id = str(ours["Message-ID"]).encode()
    await post(centre, bounce.replace(b"<c0ffee.0123456789abcdef.3@lune.example>", ours_id), sender="")
    row = (await centre.messages(conversation))[1]
    assert (row["status"], row["reason"]) == ("bounced", "smtp.5.1.1")
    assert len(await centre.rows("conversation")) == 1
    await centre.accept(conversation)  # whoever wrote it is asked first
    again = bounce.replace(b"<c0ffee.0123456789abcdef.3@lune.example>", ours_id) + b"\nonce more\n"
    before = await centre.facts()
    await post(centre, again, sender="")
    assert await centre.facts() == before, "a report about a report makes no work"
    assert len(centre.relay.mails) == 1, "and is never answered"


@in_a_centre
async def test_an_automatic_reply_is_kept_and_never_answered(centre: Centre) -> None:
    corpus = Path(__file__).parents[1] / "corpora" / "email"
    await post(centre, (corpus / "auto_reply.eml").read_bytes(), sender="")
    (row,) = await centre.messages(await only_conversation(centre))
    assert row["headers"]["automatic"] == "auto-reply"  # type: ignore[index,call-overload]
    assert centre.relay.mails == []


@in_a_centre
async def test_an_automatic_reply_to_ours_wakes_nobody(centre: Centre) -> None:
    await centre.available()
    await post(centre, mail("Mon colis", "Bonjour", "a1"))
    conversation = await only_conversation(centre)
    await centre.accept(conversation)
    ours = await reply(centre, conversation, "r1", "Il arrive demain.")
    await centre.do(centre.agent(), "close", conversation=conversation)
    away = mail(
        "Absence", "Je suis absente", "ar", In_Reply_To=ours["Message-ID"], Auto_Submitted="auto-replied"
    )
    await post(centre, away, sender="")
    (row,) = await centre.rows("conversation")
    assert (row["state"], row["n"]) == ("closed", 3)
    assert await centre.rows("work", agent="paul") == []
    desk = mail("Re", "Un humain", "b1", In_Reply_To=ours["Message-ID"], Auto_Submitted="auto-generated")
    await post(centre, desk)
    assert (await centre.rows("conversation"))[0]["state"] == "waiting", "another desk's software wrote that"


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


@in_a_centre
async def test_what_the_relay_says(centre: Centre) -> None:
    message = Outgoing(
        org=ORG, client="lune", client_name="Lune", agent_name="Paul", conversation="c", message="m", n=1, text="x",
        at=0, to=INES, settings=MailSettings(address=ADDRESS), token="c.0123456789abcdef",
    )  # fmt: skip
    edge = centre.node.edge
    assert (await send_mail(message, edge)).status == "sent"
    centre.relay.refusals = [Refused("limited", "busy", "x"), Refused("invalid", "spam", "x")]
    assert (await send_mail(message, edge)).status == "later"
    refused = await send_mail(message, edge)
    assert (refused.status, refused.reason) == ("failed", "smtp.554")
    centre.relay.unknown = {INES}
    bounced = await send_mail(message, edge)
    assert (bounced.status, bounced.reason) == ("bounced", "smtp.550")
    nowhere = {"relay": {"host": "127.0.0.1", "port": 1, "tls": "none"}}
    away = msgspec.structs.replace(message, settings=MailSettings(address=ADDRESS, **nowhere))
    assert (await send_mail(away, edge)).reason == "relay.unreachable"


@pytest.mark.parametrize(
    ("channel", "value", "field"),
    [
        (Email.name, {"address": ADDRESS, "relay": {"host": "x", "secret": "password/paul"}}, "relay.secret"),
        ("webchat", {"identity_secret": "../password/paul"}, "identity_secret"),
    ],
)
def test_a_secret_is_named_alone(channel: str, value: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refused:
        registry.channel_settings(channel, value)
    assert refused.value.field == f"settings.{field}"
    assert "write the secret's name alone" in refused.value.remedy


@in_a_centre
async def test_a_relay_gets_relays_secrets_only(centre: Centre) -> None:
    """An administrator who names a colleague's password, or the shop's signature, sends nothing of them out."""
    asked: list[tuple[str, str]] = []

    class Vault:
        async def get(self, org: str, name: str) -> bytes | None:
            asked.append((org, name))
            return None

    relay = {"host": "127.0.0.1", "port": 1, "tls": "none", "user": "u", "secret": "shop"}
    message = Outgoing(
        org=ORG, client="lune", client_name="Lune", agent_name="Paul", conversation="c", message="m", n=1, text="x",
        at=0, to=INES, settings=MailSettings(address=ADDRESS, relay=Relay(**relay)), token="c.0123456789abcdef",
    )  # fmt: skip
    await send_mail(message, replace(centre.node.edge, secrets=cast("Secrets", Vault())))
    assert asked == [(ORG, "relay/shop")]


@in_a_centre
async def test_a_reply_that_bounces_at_once_is_shown_so(centre: Centre) -> None:
    await centre.available()
    await post(centre, mail("Mon colis", "Bonjour", "a1"))
    conversation = await only_conversation(centre)
    await centre.accept(conversation)
    centre.relay.unknown = {INES}
    await centre.do(centre.agent(), "send_message", conversation=conversation, message="r1", text="Bonjour")
    await centre.until(lambda: _status(centre, conversation, 1, "bounced"), "the bounce is shown")


@in_a_centre
async def test_a_reply_that_is_given_up_says_so_also_after_a_crash(centre: Centre) -> None:
    """The outcome is on record before the job is over: a process that dies in between does it again."""
    await centre.available()
    await post(centre, mail("Mon colis", "Bonjour", "a1"))
    conversation = await only_conversation(centre)
    await centre.accept(conversation)
    edge, (kept, owner) = centre.node.edge, (centre.node.store.jobs, "dead worker")
    payload: dict[str, str | int | None]
    payload = {"org": ORG, "conversation": conversation, "message": "r1", "n": 2, "channel": "email"}
    job = Job("j", delivery.QUEUE, f"{conversation}/r1/1", payload, delivery.GIVE_UP_AT, 0)
    assert job.attempt < MAX_ATTEMPTS

    async def dies(command: Command) -> dict[str, Any]:
        raise ConnectionAbortedError("the process ends before it is recorded")

    async def row() -> dict[str, Any]:
        return cast("dict[str, Any]", (await centre.messages(conversation))[1])

    centre.relay.refusals = [Refused("limited", "busy", "x")] * 3
    await centre.do(centre.agent(), "send_message", conversation=conversation, message="r1", text="Bonjour")
    await centre.until(lambda: _refused(centre, 1), "the first try was refused for now")
    with pytest.raises(ConnectionAbortedError):
        await delivery.send(replace(edge, submit=dies), job, owner)
    assert (await row())["status"] == "queued"
    assert await kept.dead() == []
    await delivery.send(edge, msgspec.structs.replace(job, attempt=job.attempt + 1), owner)
    await centre.until(lambda: _status(centre, conversation, 1, "failed"), "the reply is shown as failed")
    assert (await row())["reason"] == "smtp.451"


async def _refused(centre: Centre, times: int) -> bool:
    return len(centre.relay.refusals) <= 3 - times


@in_a_centre
async def test_another_organisations_conversation_is_out_of_reach(centre: Centre) -> None:
    await centre.available()
    await post(centre, mail("Mon colis", "Bonjour", "a1"))
    conversation = await only_conversation(centre)
    await centre.accept(conversation)
    ours = await reply(centre, conversation, "r1", "Bonjour")
    setup = Actor("system", "setup", "org2")
    await centre.do(
        setup, "found_organisation", organisation="org2", name="Autre", administrator="a", administrator_name="A",
        email="a@autre.example",
    )  # fmt: skip
    (client,) = [ident for org, ident, _ in centre.node.directory.all("client") if org == "org2"]
    queue = {"name": "Q", "client": client}
    await centre.do(setup, "set_config", kind="queue", id="q", value=queue, expected_version=0)
    door = {
        "name": "Courriel", "client": client, "channel": Email.name, "queue": "q",
        "settings": registry.channel_settings(Email.name, {"address": "info@autre.example"}),
    }  # fmt: skip
    await centre.do(setup, "set_config", kind="entry_point", id="mail", value=door, expected_version=0)
    letter = mail("Re", "Bonjour", "z1", In_Reply_To=str(ours["Message-ID"]), To="info@autre.example")
    plus = str(ours["Reply-To"].addresses[0].username).partition("+")[2]
    await post(centre, letter, f"info+{plus}@autre.example")
    assert await only_conversation(centre) == conversation
    assert len(await centre.messages(conversation)) == 2
