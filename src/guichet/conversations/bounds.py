"""How much may be said at once, and what may be said of a file.

Checked by the handlers: what a channel hands in was made in this process and has passed no decoder.
"""

from __future__ import annotations

import re

from guichet.events.conversations import Attachment
from guichet.kit.errors import Refused, invalid

MAX_TEXT = 32 * 1024
"""Bytes of UTF-8 in one message or note."""
MAX_SIZE = 2**31 - 1
"""Bytes of a file."""
_FILE = {
    "address": re.compile(r"[A-Za-z0-9_-]{1,128}"),
    "name": re.compile(r"[^\x00-\x1f\x7f]{1,255}"),
    "type": re.compile(r"[A-Za-z0-9.+-]{1,64}/[A-Za-z0-9.+-]{1,64}"),
    "cid": re.compile(r"[^\x00-\x1f\x7f]{0,255}"),
}


def check_text(text: str, more: bool) -> None:
    """Raises Refused for too many words, and for none where there is nothing `more` than words."""
    if len(text) > MAX_TEXT or len(text.encode()) > MAX_TEXT:
        raise Refused(
            "too_large", "message.too_long", "shorten the text or attach a file", field="text", limit=MAX_TEXT
        )
    if not text.strip() and not more:
        raise invalid("text", "message.empty", "write something or attach a file")


def check_files(files: list[Attachment]) -> None:
    """Raises Refused, which names what is wrong with one of them."""
    for file in files:
        wrong = next(
            (name for name, bound in _FILE.items() if not bound.fullmatch(getattr(file, name))), None
        )
        if wrong is None and not 0 <= file.size <= MAX_SIZE:
            wrong = "size"
        if wrong is not None:
            raise invalid(
                "attachments", "attachment.invalid", f"the {wrong} of a file is too long, or not one"
            )
