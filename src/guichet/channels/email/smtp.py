"""The SMTP door: aiosmtpd behind a small interface. What is answered with 250 is ours from then on."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Sequence
from typing import Any, Protocol

import structlog
from aiosmtpd.smtp import SMTP, Envelope, Session

from guichet.channels.email.mime import MAX_MAIL
from guichet.kit.errors import Refused

MAX_RECIPIENTS = 100
MAX_CONNECTIONS = 100
MAX_LINE = 256 * 1024
"""Bytes of one line: more than RFC 5321 allows, because broken senders are customers too."""
TIMEOUT = 120.0
"""Seconds of silence."""
FOR_GOOD = frozenset({"invalid", "too_large", "forbidden"})
"""Refusals that the same mail would meet again."""

log = structlog.get_logger(__name__)


class Postman(Protocol):
    """Who takes the mail in."""

    def knows(self, address: str) -> bool:
        """Whether mail to this address is ours."""
        ...

    async def take(self, sender: str, recipients: Sequence[str], content: bytes) -> str:
        """Makes the mail durable and gives an id for the log. Raises Refused; those of `FOR_GOOD` send it back,
        after any other its sender tries again."""
        ...


class SmtpDoor:
    """A listening socket and its connections."""

    def __init__(self, postman: Postman, host_name: str, tls: ssl.SSLContext | None = None) -> None:
        self._postman = postman
        self._host_name = host_name
        self._tls = tls
        self._server: asyncio.Server | None = None
        self.connections: set[_Connection] = set()

    async def open(self, host: str, port: int) -> int:
        """Listens; gives the port (a free one for 0). Raises OSError."""
        logging.getLogger("mail.log").setLevel(logging.ERROR)  # it would write addresses and words
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    def _connection(self) -> asyncio.Protocol:
        return _Connection(
            self,
            _Handler(self._postman),
            data_size_limit=MAX_MAIL,
            enable_SMTPUTF8=True,
            hostname=self._host_name,
            ident="Guichet",
            tls_context=self._tls,
            timeout=TIMEOUT,
            loop=asyncio.get_running_loop(),
        )

    async def close(self) -> None:
        """Stops listening and ends the connections; a mail that was not answered is sent again by its sender."""
        if self._server is not None:
            self._server.close()
            ending = [task for c in self.connections if (task := c.stop()) is not None]
            await asyncio.gather(*ending, return_exceptions=True)
            await self._server.wait_closed()


class _Connection(SMTP):
    line_length_limit = MAX_LINE

    def __init__(self, door: SmtpDoor, handler: _Handler, **options: Any) -> None:  # noqa: ANN401
        super().__init__(handler, **options)
        self._door = door

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._door.connections.add(self)
        super().connection_made(transport)
        if len(self._door.connections) > MAX_CONNECTIONS and isinstance(transport, asyncio.WriteTransport):
            transport.write(b"421 4.3.2 too many connections, try again later\r\n")
            transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._door.connections.discard(self)
        super().connection_lost(error)

    def stop(self) -> asyncio.Task[None] | None:
        """Cuts the connection; gives the task that served it."""
        if self.transport is not None:
            self.transport.close()
        return self._handler_coroutine


class _Handler:
    """aiosmtpd's hooks."""

    def __init__(self, postman: Postman) -> None:
        self._postman = postman

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if len(envelope.rcpt_tos) >= MAX_RECIPIENTS:
            return f"452 4.5.3 at most {MAX_RECIPIENTS} recipients a mail"
        if not self._postman.knows(address):
            return "550 5.1.1 no such mailbox here"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.original_content or b""
        sender = envelope.mail_from or ""
        try:
            taken = await self._postman.take("" if sender == "<>" else sender, envelope.rcpt_tos, content)
        except Refused as refused:
            log.info("mail refused", code=refused.code)
            if refused.kind in FOR_GOOD:
                return f"554 5.6.0 {refused.code}: {refused.remedy}"
            return f"451 4.3.0 {refused.code}: try again later"
        except OSError as error:
            log.warning("mail not taken", error=type(error).__name__)
            return "451 4.3.0 try again later"
        return f"250 2.0.0 taken as {taken}"

    async def handle_exception(self, error: Exception) -> str:
        """A defect of ours is never the sender's loss: they keep the mail and try again."""
        log.error("defect in the mail door", error=type(error).__name__, exc_info=error)
        return "451 4.3.0 internal error, try again later"
