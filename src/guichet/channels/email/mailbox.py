"""What becomes of a mail: a message in its conversation, a new conversation, or news of one of ours."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from guichet.channels.base import Delivery, Edge, Entry, Identity, Inbound, Message
from guichet.channels.email.automatic import Report
from guichet.channels.email.mime import Mail, Mailbox
from guichet.channels.email.parser import MailParser
from guichet.channels.email.proof import is_verified
from guichet.channels.email.threads import conversation_id, find_conversation, our_message
from guichet.channels.inbound import ask, open_conversation, receive, register_customer
from guichet.channels.reading import customer_behind, message_row, remaining
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
    return as_message(mail, sender)


def as_message(mail: Mail, sender: Mailbox, *, verified: bool = False, other: bool = False) -> Message:
    """A mail that is no report. `verified`: it comes from `sender` for certain; `other`: the conversation is another
    customer's. An answer goes to Reply-To only where a verified sender asks for it; neither `other` nor a machine's
    answer says where it goes."""
    automatic = mail.automatic == "auto-reply"
    headers = {
        "message_id": mail.message_id,
        "references": " ".join(reversed(mail.references)),
        "from": sender.address,
        "sender": "verified" if verified else "unverified",
        "other_sender": "yes" if other else "",
        "reply_to": "" if other or automatic else ((verified and mail.reply_to) or sender).address,
        "to": ", ".join(box.address for box in mail.to),
        "cc": ", ".join(box.address for box in mail.cc),
        "subject": mail.subject,
        "quoted": mail.quoted,
        "automatic": mail.automatic,
    }
    return Message(
        event=mail.event,
        text=mail.text or mail.subject or "…",
        sender=Identity("email", sender.address, proven=verified),
        name=sender.name,
        subject=mail.subject,
        html=mail.html,
        parts=mail.files,
        headers={name: value[:MAX_HEADER] for name, value in headers.items() if value},
        sent_at=mail.sent_at,
        automatic=automatic,
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
        if mail.report is not None:
            await self._record(entry, mail.event, mail.report)
        else:
            await self._receive(entry, plus, mail, sender)

    async def _receive(self, entry: Entry, plus: str, mail: Mail, sender: Mailbox) -> None:
        edge, actor = self._edge, Actor("system", NAME, entry.org)
        verified = is_verified(mail, entry.settings.checked_by)
        owner, proven = await self._owner(entry, sender.address)
        row = await find_conversation(edge, entry, mail, plus, owner)
        other = row is not None and owner != await remaining(edge.reader, str(row["customer"]))
        if not other and (owner is None or (verified and not proven)):
            owner = await self._register(entry, mail, sender, owner, verified=verified)
        if row is not None:
            conversation, customer = str(row["conversation"]), str(row["customer"])
        else:
            assert owner is not None, "whoever is no stranger was registered"
            conversation, customer = conversation_id(entry, mail.event), owner
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
            as_message(mail, sender, verified=verified, other=other),
            key=f"mail:{entry.id}:{mail.event}",
            conversation=conversation,
            customer=customer,
            message_id=mail.event,
        )

    async def _owner(self, entry: Entry, address: str) -> tuple[str | None, bool]:
        """Who writes under this address, and whether it was ever verified that it is theirs."""
        for identity in (Identity("email", address), _unverified(address)):
            key = self._edge.hasher(entry.org, entry.config.client, identity.kind, identity.handle)
            found = await customer_behind(self._edge.reader, key)
            if found is not None:
                return found, identity.kind == "email"
        return None, False

    async def _register(
        self, entry: Entry, mail: Mail, sender: Mailbox, owner: str | None, *, verified: bool
    ) -> str:
        address = Identity("email", sender.address, proven=verified)
        return await register_customer(
            self._edge,
            Actor("system", NAME, entry.org),
            key=f"from:{entry.id}:{mail.event}",
            client=entry.config.client,
            customer=owner or new_id(),
            identities=[address] if verified else [address, _unverified(sender.address)],
            name=sender.name if owner is None else "",
            email=sender.address if owner is None else "",
            language=entry.config.language if owner is None else "",
        )

    async def _record(self, entry: Entry, event: str, report: Report) -> None:
        edge = self._edge
        ours = our_message(edge, entry.org, report.message_id)
        row = await message_row(edge.reader, *ours) if ours is not None else None
        if ours is None or row is None:
            log.info("report about a mail that is not ours", entry_point=entry.id)
            return
        command = ask(
            "record_delivery", f"report:{event}", Actor("system", NAME, entry.org), conversation=ours[0],
            message=row["message"], status=report.status, reason=report.reason or None,
        )  # fmt: skip
        await edge.submit(command)


def _unverified(address: str) -> Identity:
    """Mail has come under this address, which is all that this says: whoever writes so finds back what they wrote
    before, but owns nothing. Hence another kind than the address itself."""
    return Identity("mail_sender", address.casefold(), proven=True)
