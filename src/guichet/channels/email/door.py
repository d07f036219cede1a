"""The mail door at work in one process."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import structlog

from guichet.channels.base import Door, Edge
from guichet.channels.email.mailbox import Mailroom
from guichet.channels.email.parser import MailParser
from guichet.channels.email.settings import MailOptions
from guichet.channels.email.smtp import SmtpDoor
from guichet.kit.errors import Refused

log = structlog.get_logger(__name__)


class MailDoor(Door):
    """Listens for mail until cancelled. `port` is 0 until it does."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self.port = 0

    async def run(self) -> None:
        """Raises Refused when the port cannot be had."""
        options = MailOptions.model_validate(dict(self._edge.process))
        parser = MailParser()
        tls = await asyncio.to_thread(_tls, options.smtp_certificate) if options.smtp_certificate else None
        door = SmtpDoor(Mailroom(self._edge, parser), options.mail_domain, tls)
        try:
            try:
                self.port = await door.open(options.smtp_host, options.smtp_port)
            except OSError as error:
                where = f"port {options.smtp_port} on {options.smtp_host}"
                remedy = f"{where} cannot be had for mail: stop what uses it, or choose another with GUICHET_SMTP_PORT"
                raise Refused("conflict", "port.taken", remedy, field="smtp_port") from error
            log.info("mail door open", host=options.smtp_host, port=self.port)
            await asyncio.Event().wait()
        finally:
            await door.close()
            await parser.close()


def _tls(certificate: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(Path(certificate))
    return context
