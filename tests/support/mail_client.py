"""The customers' side of mail: a sender that tries again until it hears 250, and the server that replies go to."""

from __future__ import annotations

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.message import EmailMessage
from typing import Any

import aiosmtplib
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

PAUSE = 0.3
TIMEOUT = 15.0

Acknowledged = Callable[[str, str], None]
"""Told (Message-ID, text) at the 250."""


def letter(sender: str, to: str, number: str, text: str, *, file: bytes = b"") -> EmailMessage:
    """A plain mail, with a file where one is given."""
    mail = EmailMessage(policy=email.policy.SMTP)
    mail["From"] = sender
    mail["To"] = to
    mail["Subject"] = f"Commande {number}"
    mail["Message-ID"] = f"<{number}@clients.example>"
    mail.set_content(text)
    if file:
        mail.add_attachment(file, maintype="application", subtype="pdf", filename="facture.pdf")
    return mail


class Sender:
    """A customer's mail server: one connection, dialled again when it breaks. `refusals`: codes other than 250."""

    def __init__(self, port: int, acknowledged: Acknowledged = lambda *_: None) -> None:
        self._port = port
        self._acknowledged = acknowledged
        self._client: aiosmtplib.SMTP | None = None
        self.refusals: list[int] = []

    async def post(self, mail: EmailMessage, to: str) -> None:
        """Returns once the mail was taken. What is refused for good (5xx) fails."""
        while True:
            try:
                client = await self._connected()
                await client.sendmail(str(mail["From"]), [to], mail.as_bytes())
            except aiosmtplib.SMTPRecipientsRefused as error:
                self._note(error.recipients[0].code)
            except aiosmtplib.SMTPResponseException as error:
                self._note(error.code)
            except (aiosmtplib.SMTPException, OSError):
                self._hang_up()  # without an answer nobody knows: the same mail once more
            else:
                self._acknowledged(str(mail["Message-ID"]), mail.get_body().get_content().strip())  # type: ignore[union-attr]
                return
            await asyncio.sleep(PAUSE)

    def _note(self, code: int) -> None:
        self.refusals.append(code)
        assert code < 500, f"the mail was sent back: {code}"
        if code == 421:
            self._hang_up()

    async def _connected(self) -> aiosmtplib.SMTP:
        if self._client is None or not self._client.is_connected:
            self._client = aiosmtplib.SMTP(
                hostname="127.0.0.1", port=self._port, timeout=TIMEOUT, start_tls=False
            )
            await self._client.connect()
        return self._client

    def _hang_up(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def close(self) -> None:
        self._hang_up()


class Sink:
    """The relay: takes every mail and keeps it, as often as it comes; with a password, from who knows it."""

    def __init__(self, password: str = "") -> None:
        self.port = 0
        self.password = password
        self.mails: list[tuple[str, str]] = []
        """(Message-ID, first line of the text), in order of arrival."""
        self._connections: set[_Connection] = set()

    @classmethod
    @asynccontextmanager
    async def running(cls, password: str = "") -> AsyncIterator[Sink]:
        sink = cls(password)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Connection(sink), "127.0.0.1", 0)
        sink.port = int(server.sockets[0].getsockname()[1])
        try:
            yield sink
        finally:
            server.close()
            tasks = [task for c in list(sink._connections) if (task := c.stop()) is not None]
            await asyncio.gather(*tasks, return_exceptions=True)
            await server.wait_closed()

    def knows(
        self, server: SMTP, session: Session, envelope: Envelope, how: str, given: object
    ) -> AuthResult:
        """Whether somebody has the password."""
        right = isinstance(given, LoginPassword) and given.password == self.password.encode()
        return AuthResult(success=right, handled=False)

    def count(self) -> dict[str, dict[str, int]]:
        """How often each Message-ID came, by the text that it carried."""
        found: dict[str, dict[str, int]] = {}
        for ident, text in self.mails:
            ids = found.setdefault(text, {})
            ids[ident] = ids.get(ident, 0) + 1
        return found

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.password and not session.authenticated:
            return "530 5.7.0 sign in first"
        mail = email.message_from_bytes(envelope.original_content or b"", policy=email.policy.default)
        body = mail.get_body(("plain",))
        text = body.get_content() if body is not None else ""
        self.mails.append((str(mail["Message-ID"]), text.splitlines()[0]))
        return "250 kept"


class _Connection(SMTP):
    def __init__(self, sink: Sink) -> None:
        super().__init__(
            sink,
            hostname="sink.example",
            loop=asyncio.get_running_loop(),
            enable_SMTPUTF8=True,
            authenticator=sink.knows,
            auth_require_tls=False,
        )
        self._sink = sink

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._sink._connections.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._sink._connections.discard(self)
        super().connection_lost(error)

    def stop(self) -> asyncio.Task[Any] | None:
        if self.transport is not None:
            self.transport.close()
        return self._handler_coroutine
