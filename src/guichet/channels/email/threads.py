"""How mails find their conversation, and the ids by which ours are recognised.

Our Message-ID is `<token.n@domain>` and our reply address `local+token@domain`, where the token names the
conversation and is signed: whoever answers carries one of them back. A customer's own Message-IDs are kept in
table `mail_thread`, for a second mail that comes before we answered the first.
"""

from __future__ import annotations

import hashlib
import re

from guichet.channels.base import Edge, Entry
from guichet.channels.email.mime import Mail
from guichet.channels.email.projections import MAIL_THREAD, reference
from guichet.channels.reading import conversation_row
from guichet.channels.tokens import conversation_in
from guichet.store.port import Row

MAX_LOCAL = 64
"""Characters of an address's left side (RFC 5321)."""
_OURS = re.compile(r"^<([0-9a-zA-Z_-]{1,64}\.[0-9a-f]{16})\.(\d{1,9})@")


def message_id(token: str, n: int, domain: str) -> str:
    """The Message-ID of our n-th message of a conversation, the same each time it is sent."""
    return f"<{token}.{n}@{domain}>"


def reply_address(address: str, token: str) -> str:
    """The address that brings answers back to the conversation; the plain one where it would be too long."""
    local, _, domain = address.rpartition("@")
    plus = f"{local}+{token}"
    return f"{plus}@{domain}" if len(plus) <= MAX_LOCAL else address


def our_message(edge: Edge, org: str, found: str) -> tuple[str, int] | None:
    """(conversation, n) of a Message-ID that we made."""
    ours = _OURS.match(found.strip())
    conversation = conversation_in(edge.hasher, org, ours[1]) if ours else None
    return (conversation, int(ours[2])) if ours and conversation else None


async def find_conversation(
    edge: Edge, entry: Entry, mail: Mail, plus: str, customer: str | None
) -> Row | None:
    """The conversation that a mail continues, of this door's client, or None. `plus`: what stood behind "+"."""
    candidates = [conversation_in(edge.hasher, entry.org, plus)]
    candidates += [ours[0] if (ours := our_message(edge, entry.org, r)) else None for r in mail.references]
    for conversation in dict.fromkeys(c for c in candidates if c):
        row = await conversation_row(edge.reader, conversation)
        if row is not None and row["org"] == entry.org and row["client"] == entry.config.client:
            return row
    return await _by_their_ids(edge, entry, mail, customer) if customer else None


async def _by_their_ids(edge: Edge, entry: Entry, mail: Mail, customer: str) -> Row | None:
    """A Message-ID of somebody else is no secret: it leads only its own customer back."""
    if not mail.references:
        return None
    wanted = [reference(found) for found in mail.references]
    rows = await edge.reader.rows(
        MAIL_THREAD, {"org": entry.org, "reference": list(wanted)}, order="at", descending=True, limit=50
    )
    for found in rows:
        row = await conversation_row(edge.reader, str(found["conversation"]))
        if row is not None and row["customer"] == customer and row["client"] == entry.config.client:
            return row
    return None


def conversation_id(entry: Entry, event: str) -> str:
    """The id of the conversation that a mail opens: the same when the mail comes again."""
    return hashlib.sha256(f"{entry.org}\0{entry.id}\0{event}".encode()).hexdigest()[:26]
