"""What becomes of a mail: a message in its conversation, a new conversation, or news of one of ours."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from guichet.channels.base import Delivery, Edge, Entry, Identity, Inbound, Message
from guichet.channels.email.mime import Mail, Mailbox
from guichet.channels.email.parser import MailParser
from guichet.channels.email.threads import conversation_id, find_conversation, our_message
from guichet.channels.inbound import ask, open_conversation, receive, register_customer
from guichet.channels.reading import customer_behind, message_row
from guichet.channels.registry import entries
from guichet.kit.errors import Refused
from guichet.kit.faults import declare, fault_point
from guichet.kit.ids import new_id
from guichet.leader.registry import Actor

NAME = "email"
BEFORE_250 = declare("channels.mail.before_250")
MAX_HOPS = 50
"""Servers that a mail may have passed; more is a loop."""
MAX_HEADER = 4_000

log = structlog.get_logger(__name__)


def as_inbound(mail: Mail, sender: Mailbox) -> Inbound:
    """The mail in the words that all channels share."""
    if mail.report is not None:
        report = mail.report
        return Delivery(
            event=mail.event, status=report.status, message=report.message_id, reason=report.reason
        )
    headers = {
        "message_id": mail.message_id,
        "references": " ".join(reversed(mail.references)),
        "from": sender.address,
        "reply_to": (mail.reply_to or sender).address,
        "to": ", ".join(box.address for box in mail.to),
        "cc": ", ".join(box.address for box in mail.cc),
        "subject": mail.subject,
        "quoted": mail.quoted,
        "automatic": mail.automatic,
    }
    return Message(
        event=mail.event,
        text=mail.text or mail.subject or "…",
        sender=Identity("email", sender.address, proven=True),
        name=sender.name,
        subject=mail.subject,
        html=mail.html,
        parts=mail.files,
        headers={name: value[:MAX_HEADER] for name, value in headers.items() if value},
        sent_at=mail.sent_at,
    )


class Mailroom:
    """`smtp.Postman` over one edge."""

    def __init__(self, edge: Edge, parser: MailParser) -> None:
        self._edge = edge
        self._parser = parser

    def knows(self, address: str) -> bool:
        return self._find(address) is not None

    async def take(self, sender: str, recipients: Sequence[str], content: bytes) -> str:
        """Every mailbox among the recipients gets the mail once."""
        mail = await self._parser.parse(content, sender)
        if mail.hops > MAX_HOPS:
            raise Refused(
                "invalid", "mail.loop", "this mail runs in a circle", field="received", limit=MAX_HOPS
            )
        doors: dict[tuple[str, str], tuple[Entry, str]] = {}
        for address in recipients:
            found = self._find(address)
            if found is not None:
                entry, plus = found
                known = doors.get((entry.org, entry.id))
                doors[entry.org, entry.id] = (entry, plus or (known[1] if known else ""))
        for entry, plus in doors.values():
            await self._deliver(entry, plus, sender, mail)
        fault_point(BEFORE_250)
        return mail.event

    def _find(self, address: str) -> tuple[Entry, str] | None:
        """The mailbox of an address, and what stood behind its "+"."""
        local, _, domain = address.strip().lower().rpartition("@")
        local, _, plus = local.partition("+")
        plain = f"{local}@{domain}"
        for entry in entries(self._edge.directory, NAME):
            if plain == entry.settings.address or plain in entry.settings.aliases:
                return entry, plus
        return None

    async def _deliver(self, entry: Entry, plus: str, envelope_sender: str, mail: Mail) -> None:
        sender = mail.sender or Mailbox(
            envelope_sender or f"nobody@{entry.settings.address.rpartition('@')[2]}"
        )
        inbound = as_inbound(mail, sender)
        if isinstance(inbound, Delivery):
            await self._record(entry, inbound)
        elif isinstance(inbound, Message):
            await self._receive(entry, plus, mail, inbound, sender)

    async def _receive(self, entry: Entry, plus: str, mail: Mail, message: Message, sender: Mailbox) -> None:
        edge, actor = self._edge, Actor("system", NAME, entry.org)
        client, address = entry.config.client, Identity("email", sender.address, proven=True)
        known = await customer_behind(
            edge.reader, edge.hasher(entry.org, client, address.kind, address.handle)
        )
        row = await find_conversation(edge, entry, mail, plus, known)
        if row is not None:
            conversation, customer = str(row["conversation"]), str(row["customer"])
        else:
            customer = known or await register_customer(
                edge,
                actor,
                key=f"from:{entry.id}:{mail.event}",
                client=client,
                customer=new_id(),
                identities=[address],
                name=sender.name,
                email=sender.address,
                language=entry.config.language,
            )
            conversation = conversation_id(entry, mail.event)
            await open_conversation(
                edge,
                actor,
                conversation=conversation,
                customer=customer,
                entry=entry,
                language=entry.config.language,
                subject=mail.subject,
            )
        await receive(
            edge,
            actor,
            message,
            key=f"mail:{entry.id}:{mail.event}",
            conversation=conversation,
            customer=customer,
            message_id=mail.event,
        )

    async def _record(self, entry: Entry, news: Delivery) -> None:
        edge = self._edge
        ours = our_message(edge, entry.org, news.message)
        row = await message_row(edge.reader, *ours) if ours is not None else None
        if ours is None or row is None:
            log.info("report about a mail that is not ours", entry_point=entry.id)
            return
        command = ask(
            "record_delivery", f"report:{news.event}", Actor("system", NAME, entry.org), conversation=ours[0],
            message=row["message"], status=news.status, reason=news.reason or None,
        )  # fmt: skip
        await edge.submit(command)
