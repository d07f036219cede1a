"""E-mail as a channel: deferred, in through the SMTP door, out through a relay."""

from __future__ import annotations

from collections.abc import Collection

from guichet.channels.base import Capabilities, Channel, Door, Edge, Inbound, Outgoing, Sent
from guichet.channels.email import render, send
from guichet.channels.email.door import MailDoor
from guichet.channels.email.mailbox import NAME, as_inbound
from guichet.channels.email.mime import Mailbox, parse_mail
from guichet.channels.email.settings import MailSettings


class Email(Channel):
    """Mails in, mails out."""

    name = NAME
    Settings = MailSettings
    capabilities = Capabilities(live=False, outbox=True, undo_seconds=10, attachments=True)

    def addresses(self, entry_point: str, settings: MailSettings) -> Collection[str]:
        return (settings.address, *settings.aliases)

    def parse(self, raw: bytes) -> Inbound:
        """Any bytes are some mail: nothing is refused here, the door has checked the size."""
        mail = parse_mail(raw)
        return as_inbound(mail, mail.sender or Mailbox("nobody@invalid"))

    def render(self, message: Outgoing) -> bytes:
        return render.render(message)

    async def send(self, message: Outgoing, edge: Edge) -> Sent:
        return await send.send_mail(message, edge)

    def door(self, edge: Edge) -> Door:
        return MailDoor(edge)
