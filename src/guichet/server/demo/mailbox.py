"""The customers' side of mail: a server that takes what Guichet sends, and letters that are really sent.

It serves invented people only: everything addressed to it stays here, nothing is ever relayed.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, formataddr, getaddresses, parseaddr
from pathlib import Path

import aiosmtplib
import msgspec
import structlog
from aiosmtpd.smtp import SMTP, Envelope, Session

from guichet.kit.clock import Clock, Instant
from guichet.kit.errors import Refused
from guichet.kit.ids import new_id

OWNER = ("Inès Caradec", "ines.caradec@mail.example")
"""Whose mailbox the demonstration shows."""
CHECKED_BY = "mail.example"
"""The name by which this server vouches for its people; the shops' mailboxes trust it."""
KEPT = 500
"""Letters remembered; the oldest go first."""
MAX_LETTER = 26_000_000
MAX_TEXT = 64 * 1024
SEND_SECONDS = 20

log = structlog.get_logger(__name__)


class Letter(msgspec.Struct, frozen=True):
    """One mail as its reader sees it. `box`: the invented person's address; `reply_to`: where an answer goes."""

    id: str
    at: Instant
    box: str
    outgoing: bool
    other: str
    other_name: str
    reply_to: str
    subject: str
    text: str
    message_id: str
    references: list[str]


class Mailbox:
    """Letters of all invented people, in memory and in one file of lines."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self.letters: deque[Letter] = deque(maxlen=KEPT)
        self.listeners: list[Callable[[Letter], None]] = []
        """Told of every letter that came in."""
        self._server: asyncio.Server | None = None

    # -- the server -------------------------------------------------------------------------------------

    async def listen(self, host: str, port: int) -> tuple[str, int]:
        """Takes mail at that address (port 0: any); gives it back. Raises Refused when the port cannot be had."""
        self.load()
        loop = asyncio.get_running_loop()

        def protocol() -> SMTP:
            return SMTP(
                self, hostname="mail.example", data_size_limit=MAX_LETTER, enable_SMTPUTF8=True, loop=loop
            )

        try:
            self._server = await loop.create_server(protocol, host, port)
        except OSError as error:
            remedy = f"port {port} on {host} cannot be had ({error.strerror}): stop what uses it"
            raise Refused("conflict", "port.taken", remedy, field="port") from error
        bound: tuple[str, int] = self._server.sockets[0].getsockname()[:2]
        return bound

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 (aiosmtpd)
        """aiosmtpd's hook: a whole mail arrived."""
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        for box in envelope.rcpt_tos[:10]:
            letter = self._read(content, box.lower())
            self._keep(letter)
            for listener in self.listeners:
                listener(letter)
        return "250 OK"

    def _read(self, raw: bytes, box: str) -> Letter:
        mail = message_from_bytes(raw, policy=SMTP_POLICY)
        body = mail.get_body(("plain",))
        name, sender = parseaddr(str(mail["From"] or ""))
        return Letter(
            id=new_id(),
            at=self._clock.now(),
            box=box,
            outgoing=False,
            other=sender,
            other_name=name,
            reply_to=next((a for _, a in getaddresses([str(mail["Reply-To"] or "")]) if a), sender),
            subject=str(mail["Subject"] or ""),
            text=str(body.get_content())[:MAX_TEXT] if body is not None else "",
            message_id=str(mail["Message-ID"] or "").strip(),
            references=str(mail["References"] or mail["In-Reply-To"] or "").split(),
        )

    # -- reading and writing ----------------------------------------------------------------------------

    def threads(self, box: str) -> list[list[Letter]]:
        """A person's letters by thread, oldest first in each; the thread of the newest letter first."""
        roots: dict[str, str] = {}
        threads: dict[str, list[Letter]] = {}
        for letter in self.letters:
            if letter.box != box:
                continue
            root = next((roots[r] for r in letter.references if r in roots), letter.message_id)
            for known in (*letter.references, letter.message_id):
                roots.setdefault(known, root)
            threads.setdefault(root, []).append(letter)
        return sorted(threads.values(), key=lambda thread: thread[-1].at, reverse=True)

    async def send(
        self, door: tuple[str, int], *, sender: tuple[str, str], to: str, subject: str, text: str,
        answers: Letter | None = None,
    ) -> Letter:  # fmt: skip
        """Writes a mail and brings it to Guichet's own door. Raises Refused(unavailable)."""
        references = [*answers.references, answers.message_id] if answers is not None else []
        letter = Letter(
            id=new_id(),
            at=self._clock.now(),
            box=sender[1],
            outgoing=True,
            other=to,
            other_name="",
            reply_to=to,
            subject=subject,
            text=text,
            message_id=f"<{new_id()}@mail.example>",
            references=references,
        )
        try:
            await aiosmtplib.send(
                _as_mail(letter, sender), sender=sender[1], recipients=[to], hostname=door[0], port=door[1],
                start_tls=False, use_tls=False, timeout=SEND_SECONDS,
            )  # fmt: skip
        except (aiosmtplib.SMTPException, OSError) as error:
            log.info("letter not taken", error=type(error).__name__)
            why = re.sub(r"\s+", " ", str(error))[:200]
            raise Refused("unavailable", "mail.not_taken", f"the mail was not taken: {why}") from error
        self._keep(letter)
        return letter

    def find(self, ident: str) -> Letter | None:
        return next((letter for letter in self.letters if letter.id == ident), None)

    # -- the file ---------------------------------------------------------------------------------------

    def _keep(self, letter: Letter) -> None:
        self.letters.append(letter)
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(letter) + b"\n")

    def load(self) -> None:
        """Reads what is there, and writes it anew so that the file stays short. A torn last line is left out."""
        if not self._path.exists():
            return
        for line in self._path.read_bytes().splitlines():
            try:
                self.letters.append(msgspec.json.decode(line, type=Letter))
            except msgspec.MsgspecError:
                continue
        self._path.write_bytes(b"".join(msgspec.json.encode(letter) + b"\n" for letter in self.letters))


def _as_mail(letter: Letter, sender: tuple[str, str]) -> EmailMessage:
    mail = EmailMessage(policy=SMTP_POLICY)
    mail["Authentication-Results"] = f"{CHECKED_BY}; dmarc=pass header.from={sender[1].rpartition('@')[2]}"
    mail["From"] = formataddr(sender)
    mail["To"] = letter.other
    mail["Subject"] = letter.subject
    mail["Date"] = format_datetime(datetime.fromtimestamp(letter.at / 1_000, UTC))
    mail["Message-ID"] = letter.message_id
    if letter.references:
        mail["In-Reply-To"] = letter.references[-1]
        mail["References"] = " ".join(letter.references)
    mail.set_content(letter.text)
    return mail
