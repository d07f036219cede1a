"""Table `mail_thread`: which conversation a customer's mail went into, by a hash of its Message-ID."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from guichet.customers.part import Customers
from guichet.events.conversations import MessageReceived
from guichet.leader.registry import At, project
from guichet.store.rows import Insert, RowOp, Value, table

MAIL_THREAD = table(
    "mail_thread",
    key=("conversation", "n"),
    columns={"conversation": "text", "n": "int", "reference": "text", "subject": "text", "at": "int"},
    indexes=(("reference",),),
)


def reference(message_id: str) -> str:
    """A Message-ID as it stands in the table: of bounded length."""
    return hashlib.sha256(message_id.encode("utf-8", "replace")).hexdigest()


@project(MessageReceived)
def keep_message_id(part: Customers, fact: MessageReceived, at: At) -> Iterator[RowOp]:
    """One row per mail received."""
    found = fact.headers.get("message_id")
    if found and not part.is_erased(fact.customer):
        values: dict[str, Value] = {"reference": reference(found), "subject": fact.customer, "at": at.t}
        yield Insert(MAIL_THREAD, (fact.conversation, fact.n), values)
