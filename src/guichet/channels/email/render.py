"""Our reply as a mail: plain text in UTF-8, the customer's last words quoted, one Message-ID for ever."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from babel.dates import format_date

from guichet.channels.base import Outgoing
from guichet.channels.email.settings import MailSettings
from guichet.channels.email.threads import message_id, reply_address
from guichet.store.port import Row

MAX_QUOTE = 200
"""Lines of the customer's mail that are quoted."""
MAX_CHAIN = 20
"""References kept, the first and the newest."""
_PREFIX = re.compile(r"^((re|ré|ref|réf|aw|sv|tr|fw|fwd|wg)\s?(\[\d+\])?\s?:\s*)+", re.IGNORECASE)


def render(message: Outgoing) -> bytes:
    """The whole mail, byte for byte the same each time."""
    settings: MailSettings = message.settings
    domain = settings.address.rpartition("@")[2]
    mail = EmailMessage(policy=SMTP)
    mail["From"] = _address(settings.from_name or message.client_name, settings.address)
    mail["To"] = _address(message.to_name, message.to)
    mail["Reply-To"] = _address("", reply_address(settings.address, message.token))
    mail["Subject"] = subject_of_reply(message.subject)
    mail["Date"] = format_datetime(datetime.fromtimestamp(message.at // 1_000, UTC))
    mail["Message-ID"] = message_id(message.token, message.n, domain)
    answered, chain = _chain(message, domain)
    if answered:
        mail["In-Reply-To"] = answered
        mail["References"] = " ".join(chain)
    mail.set_content(_text(message), charset="utf-8")
    for part in message.parts:
        main, _, sub = part.type.partition("/")
        if main in ("message", "multipart") or not sub:  # these have a structure that bytes alone do not
            main, sub = "application", "octet-stream"
        mail.add_attachment(part.content, maintype=main, subtype=sub, filename=_one_line(part.name))
    if mail.is_multipart():
        mark = hashlib.sha256(f"{message.conversation}.{message.n}".encode()).hexdigest()[:24]
        mail.set_boundary(f"=_{mark}")
    return mail.as_bytes()


def subject_of_reply(subject: str) -> str:
    """ "Re: " once, whatever prefixes the mail came with."""
    return f"Re: {_PREFIX.sub('', _one_line(subject)).strip()}".strip()


def _chain(message: Outgoing, domain: str) -> tuple[str, list[str]]:
    """(what it answers, the whole thread oldest first): our own mails and those of the customer."""
    chain: list[str] = []
    answered = ""
    for row in reversed(message.earlier):
        headers = row["headers"] if isinstance(row["headers"], dict) else {}
        if row["kind"] == "agent" and row["status"] in ("sent", "delivered", "read"):
            chain.append(message_id(message.token, int(str(row["n"])), domain))
        elif _is_theirs(row) and headers.get("message_id"):
            older = str(headers.get("references") or "").split()
            chain += [*older, str(headers["message_id"])]
            answered = str(headers["message_id"])
    chain = list(dict.fromkeys(chain))
    answered = answered or (chain[-1] if chain else "")
    if answered in chain:  # what is answered stands last
        chain.remove(answered)
        chain.append(answered)
    return answered, [*chain[:1], *chain[1:][-MAX_CHAIN:]]


def _text(message: Outgoing) -> str:
    quote = next((row for row in message.earlier if _is_theirs(row)), None)
    return message.text.rstrip() + "\n" + (_quote(quote, message) if quote is not None else "")


def _is_theirs(row: Row) -> bool:
    """Whether the customer wrote it: what others sent into the thread is not theirs to be quoted to."""
    headers = row["headers"]
    return row["kind"] == "customer" and not (isinstance(headers, dict) and headers.get("other_sender"))


def _quote(row: Row, message: Outgoing) -> str:
    day = datetime.fromtimestamp(int(str(row["sent_at"] or row["at"])) // 1_000, UTC)
    name = message.to_name or message.to
    if message.language == "fr":
        intro = f"Le {format_date(day, 'long', locale='fr')}, {name} a écrit :"
    else:
        intro = f"On {format_date(day, 'long', locale='en')}, {name} wrote:"
    lines = str(row["text"] or "").split("\n")
    quoted = [f"> {line}".rstrip() for line in lines[:MAX_QUOTE]]
    return "\n" + "\n".join([intro, "", *quoted, *(["> …"] if len(lines) > MAX_QUOTE else [])]) + "\n"


def _address(name: str, address: str) -> Address | str:
    """The mailbox as a header. An address that the library cannot take apart stands alone."""
    try:
        return Address(_one_line(name), addr_spec=address)
    except (ValueError, IndexError, AttributeError):
        return _one_line(address)


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
