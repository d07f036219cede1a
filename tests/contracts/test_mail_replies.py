"""What becomes of replies by mail: the relay, bounces, automatic answers, a crash in between."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from guichet.channels import delivery, registry
from guichet.channels.base import Outgoing
from guichet.channels.email.channel import Email
from guichet.channels.email.send import send_mail
from guichet.channels.email.settings import MailSettings, Relay
from guichet.kit import faults
from guichet.kit.errors import Refused
from guichet.leader.registry import Actor, Command
from guichet.store.jobs import MAX_ATTEMPTS
from guichet.store.port import Job, Secrets
from tests.support.centre import ADDRESS, ORG, Centre
from tests.support.mailing import INES, has_status, in_a_centre, mail, only_conversation, post, reply
from tests.support.mailing import no_undo as no_undo
from tests.support.waiting import wait_until

pytestmark = pytest.mark.contract


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
    await centre.until(lambda: has_status(centre, conversation, 1, "sent"), "the reply is marked as sent")


@in_a_centre
async def test_a_bounce_marks_the_reply(centre: Centre) -> None:
    await centre.available()
    await post(centre, mail("Mon colis", "Bonjour", "a1"))
    conversation = await only_conversation(centre)
    await centre.accept(conversation)
    ours = await reply(centre, conversation, "r1", "Il arrive demain.")
    await centre.until(lambda: has_status(centre, conversation, 1, "sent"), "the reply is marked as sent")
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
    await centre.until(lambda: has_status(centre, conversation, 1, "bounced"), "the bounce is shown")


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
    await centre.until(lambda: has_status(centre, conversation, 1, "failed"), "the reply is shown as failed")
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
