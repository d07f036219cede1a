"""Mails through the doors of a centre."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import aiosmtplib
import msgspec
import pytest

from guichet.channels.email.channel import Email
from guichet.channels.email.door import MailDoor
from tests.support.centre import ADDRESS, Centre
from tests.support.waiting import wait_until

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


async def has_status(centre: Centre, conversation: str, at: int, status: str) -> bool:
    return (await centre.messages(conversation))[at]["status"] == status
