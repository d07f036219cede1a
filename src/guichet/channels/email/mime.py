"""A mail's bytes as a `Mail`. Never raises and never takes long, whatever the bytes are: what cannot be
understood is kept as text. Nothing is unpacked; sizes, parts and nesting are bounded before parsing."""

from __future__ import annotations

import hashlib
import html as markup
import re
from collections.abc import Iterator
from datetime import UTC
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from email.utils import getaddresses, parsedate_to_datetime

import msgspec

from guichet.channels.base import Part
from guichet.channels.email.automatic import Automatic, Report, automatic, delivery_report
from guichet.channels.email.html import safe_html, text_of
from guichet.channels.email.quotes import split_reply
from guichet.channels.email.words import decoded, header_text

MAX_MAIL = 25 * 1024 * 1024
"""Bytes."""
MAX_HEADERS = 256 * 1024
"""Bytes of a mail's header that are read."""
MAX_CONTAINERS = 100
"""Multipart and message containers; a mail with more is read as plain text."""
MAX_BOUNDARIES = 2_000
"""Lines that separate parts, likewise."""
MAX_DEPTH = 20
MAX_FILES = 40
"""Of a mail with more, the whole mail is the last."""
MAX_TEXT = 32 * 1024
"""Bytes of text that are shown; the whole text of a longer mail is one of its files."""
MAX_QUOTED = 4_000
"""Characters of the quoted mail, likewise."""
MAX_REFERENCES = 50
MAX_RESULTS = 20
"""Headers with results of checks that are read, the topmost first."""

_CONTAINER = re.compile(rb"boundary\s*=|content-type:\s*message/", re.IGNORECASE)
_BOUNDARY = re.compile(rb"boundary\s*=\s*(?:\"([^\"\r\n]{1,200})\"|([^\s;\"]{1,200}))", re.IGNORECASE)
_BLANK = re.compile(rb"\r?\n\r?\n")
_ID = re.compile(r"<[^<>\s]{1,250}>")


class Mailbox(msgspec.Struct, frozen=True):
    """An address with the name beside it."""

    address: str
    name: str = ""


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """What we understand of a mail. Every field is bounded; none is trusted."""

    event: str
    """The same for the same mail: 32 hexadecimal digits."""
    message_id: str = ""
    references: tuple[str, ...] = ()
    """What it answers, nearest first."""
    sender: Mailbox | None = None
    one_sender: bool = False
    """Whether the mail names exactly one."""
    results: tuple[str, ...] = ()
    """What servers say of its sender (or somebody in their name), topmost first; see `proof.py`."""
    reply_to: Mailbox | None = None
    to: tuple[Mailbox, ...] = ()
    cc: tuple[Mailbox, ...] = ()
    subject: str = ""
    sent_at: int | None = None
    text: str = ""
    quoted: str = ""
    html: str = ""
    files: tuple[Part, ...] = ()
    automatic: Automatic = ""
    report: Report | None = None
    hops: int = 0


class _Body:
    """What a walk through the parts collects."""

    def __init__(self) -> None:
        self.segments: list[tuple[str, str]] = []
        self.files: list[Part] = []


def parse_mail(raw: bytes, envelope_sender: str | None = None) -> Mail:
    """Parses a whole mail. Runs anywhere, also in another process."""
    raw = raw[:MAX_MAIL]
    tree = _tree(raw)
    header = _headers(tree)
    body = _Body()
    _collect(tree, body)
    text, html = _body_text(body)
    new, quoted = split_reply(text)
    files = list(body.files[:MAX_FILES])
    if len(body.files) > MAX_FILES:
        files.append(Part("message.eml", "message/rfc822", raw))
    if len(new.encode()) > MAX_TEXT:
        files.append(Part("message.txt", "text/plain", new.encode()))
        new = new.encode()[:MAX_TEXT].decode("utf-8", "ignore")
    if len(quoted) > MAX_QUOTED:
        files.append(Part("quoted.txt", "text/plain", quoted.encode()))
        quoted = quoted[:MAX_QUOTED]
    senders = _mailboxes(" , ".join(_raws(tree, "from")))
    reply_to = _mailboxes(_raw(tree, "reply-to"))[:1]
    return Mail(
        event=_event(raw, header),
        message_id=next(iter(_ID.findall(header.get("message-id", ""))), ""),
        references=_references(header),
        sender=senders[0] if senders else None,
        one_sender=len(senders) == 1,
        results=tuple(_raws(tree, "authentication-results")[:MAX_RESULTS]),
        reply_to=reply_to[0] if reply_to else None,
        to=tuple(_mailboxes(_raw(tree, "to"))[:50]),
        cc=tuple(_mailboxes(_raw(tree, "cc"))[:50]),
        subject=header.get("subject", "")[:500],
        sent_at=_date(header.get("date", "")),
        text=new,
        quoted=quoted,
        html=html,
        files=tuple(files),
        automatic=automatic(header, envelope_sender),
        report=_report(tree),
        hops=sum(1 for name, _ in tree.raw_items() if name.lower() == "received"),
    )


# --- structure --------------------------------------------------------------------------------------


def _tree(raw: bytes) -> Message:
    head = _BLANK.search(raw)
    end = head.start() if head else min(len(raw), MAX_HEADERS)
    if end > MAX_HEADERS:
        cut = raw.rfind(b"\n", 0, MAX_HEADERS)
        raw = raw[: max(cut, 0)] + b"\n\n" + (raw[head.end() :] if head else b"")
    if not _is_flat_enough(raw):
        return _as_text(raw)
    try:
        return BytesParser(policy=compat32).parsebytes(raw)
    except Exception:  # noqa: BLE001 (the parser has no list of what it may raise: RecursionError, ValueError ...)
        return _as_text(raw)


def _is_flat_enough(raw: bytes) -> bool:
    """Whether parsing takes a time that grows with the size alone."""
    if sum(1 for _ in _CONTAINER.finditer(raw)) > MAX_CONTAINERS:
        return False
    found = {a or b for a, b in _BOUNDARY.findall(raw)}
    return sum(raw.count(b"\n--" + boundary) for boundary in found) <= MAX_BOUNDARIES


def _as_text(raw: bytes) -> Message:
    """Only the header is parsed; all the rest is one plain text."""
    head, _, rest = raw.replace(b"\r\n", b"\n").partition(b"\n\n")
    tree = BytesParser(policy=compat32).parsebytes(head[:MAX_HEADERS] + b"\n\n", headersonly=True)
    for name in ("content-type", "content-transfer-encoding"):
        del tree[name]
    tree.set_payload(rest.decode("ascii", "surrogateescape"))
    return tree


def _collect(tree: Message, body: _Body) -> None:
    for part, alternative in _leaves(tree):
        kind, name = _kind(part), _file_name(part)
        if kind.startswith("multipart/") and not part.is_multipart():
            kind = "text/plain"  # its boundary never comes: the words are still there
        attached = _is_attached(part, name)
        if kind in ("text/plain", "text/html") and not attached:
            text = decoded(_content(part), _charset(part))
            plain, html = (text, "") if kind == "text/plain" else ("", text)
            if alternative and body.segments and not (body.segments[-1][0] and plain):
                before = body.segments.pop()
                plain, html = before[0] or plain, before[1] or html
            body.segments.append((plain, html))
        elif len(body.files) <= MAX_FILES:
            body.files.append(Part(name or _default_name(kind), kind, _content(part), _cid(part)))


def _leaves(tree: Message) -> Iterator[tuple[Message, bool]]:
    """Parts without parts, in order, with whether one is a further form of the one before it."""
    stack: list[tuple[Message, int, bool]] = [(tree, 0, False)]
    while stack:
        part, depth, alternative = stack.pop()
        children = part.get_payload()
        if isinstance(children, list) and not _kind(part).startswith("message/") and depth < MAX_DEPTH:
            inside = _kind(part) == "multipart/alternative"
            following = [
                (child, depth + 1, (inside and i > 0) or (alternative and i == 0))
                for i, child in enumerate(children)
                if isinstance(child, Message)
            ]
            stack.extend(reversed(following))
        else:
            yield part, alternative


def _body_text(body: _Body) -> tuple[str, str]:
    """The text, and harmless HTML where the mail has any."""
    texts, pages = [], []
    for plain, html in body.segments:
        texts.append(plain.strip() or text_of(html))
        pages.append(safe_html(html) if html else f"<pre>{markup.escape(plain)}</pre>")
    has_html = any(html for _, html in body.segments)
    return "\n\n".join(t for t in texts if t), "\n".join(pages) if has_html and all(pages) else ""


# --- one part -----------------------------------------------------------------------------------------


def _kind(part: Message) -> str:
    try:
        kind = part.get_content_type()
    except Exception:  # noqa: BLE001 (damaged parameters)
        return "application/octet-stream"
    return kind if re.fullmatch(r"[a-z0-9.+-]{1,64}/[a-z0-9.+-]{1,64}", kind) else "application/octet-stream"


def _charset(part: Message) -> str | None:
    try:
        return part.get_content_charset()
    except Exception:  # noqa: BLE001
        return None


def _file_name(part: Message) -> str:
    try:
        name = part.get_filename() or ""
    except Exception:  # noqa: BLE001
        name = ""
    name = re.split(r"[/\\]", header_text(str(name)))[-1]
    return name.strip(". ")[:255]


def _is_attached(part: Message, name: str) -> bool:
    disposition = str(part.get("content-disposition", ""))[:200].strip().lower()
    return disposition.startswith("attachment") or (bool(name) and not disposition.startswith("inline"))


def _default_name(kind: str) -> str:
    if kind == "message/rfc822":
        return "message.eml"
    return "part." + re.sub(r"[^a-z0-9]", "", kind.partition("/")[2])[:10]


def _cid(part: Message) -> str:
    value = header_text(str(part.get("content-id", "")))
    return value.strip("<> ")[:250]


def _content(part: Message) -> bytes:
    """The part's bytes, decoded from base64 or quoted-printable as far as that goes."""
    try:
        if part.is_multipart():
            payload = part.get_payload()
            inner = payload[0] if isinstance(payload, list) and payload else part
            return inner.as_bytes() if isinstance(inner, Message) else b""
        content = part.get_payload(decode=True)
        return content if isinstance(content, bytes) else b""
    except Exception:  # noqa: BLE001
        return b""


# --- header ---------------------------------------------------------------------------------------------


def _headers(tree: Message) -> dict[str, str]:
    """The first of each header, as text."""
    found: dict[str, str] = {}
    for name, value in tree.raw_items():
        key = name.lower()
        if key not in found and len(found) < 200:
            found[key] = header_text(str(value))
    return found


def _raw(tree: Message, wanted: str) -> str:
    """The first of a header; see `_raws`."""
    return next(iter(_raws(tree, wanted)), "")


def _raws(tree: Message, wanted: str) -> list[str]:
    """A header as it stands, each time it does: addresses are told apart before their names are decoded."""
    return [
        " ".join(str(value)[:16_384].split()) for name, value in tree.raw_items() if name.lower() == wanted
    ]


def _mailboxes(raw: str) -> list[Mailbox]:
    try:
        pairs = getaddresses([raw])
    except Exception:  # noqa: BLE001
        return []
    found = []
    for name, address in pairs[:100]:
        address = header_text(address).replace(" ", "")[:254]
        if address.count("@") == 1 and 0 < address.index("@") < len(address) - 1:
            found.append(Mailbox(address, header_text(name)[:200]))
    return found


def _references(header: dict[str, str]) -> tuple[str, ...]:
    answered = _ID.findall(header.get("in-reply-to", ""))[:5]
    thread = list(reversed(_ID.findall(header.get("references", ""))))
    return tuple(dict.fromkeys([*answered, *thread]))[:MAX_REFERENCES]


def _date(text: str) -> int | None:
    try:
        at = parsedate_to_datetime(text)
        if at.tzinfo is None:  # "-0000" is UTC, said by somebody who does not tell where they are
            at = at.replace(tzinfo=UTC)
        return int(at.astimezone(UTC).timestamp() * 1_000)
    except Exception:  # noqa: BLE001 (ValueError, TypeError, OverflowError: years beyond all time)
        return None


def _report(tree: Message) -> Report | None:
    try:
        return delivery_report(tree)
    except Exception:  # noqa: BLE001
        return None


def _event(raw: bytes, header: dict[str, str]) -> str:
    """The same mail may come by two ways or twice by one: its trace headers differ, these do not."""
    head = _BLANK.search(raw)
    content = raw[head.end() :] if head else raw
    names = ("message-id", "from", "date", "subject")
    stable = "\n".join(header.get(name, "") for name in names).encode("utf-8", "replace")
    return hashlib.sha256(stable + b"\0" + hashlib.sha256(content).digest()).hexdigest()[:32]
