"""The read tables of conversations."""

from __future__ import annotations

from guichet.store.rows import table

CONVERSATION = table(
    "conversation",
    key=("conversation",),
    columns={
        "conversation": "text",
        "customer": "text",
        "subject": "text",
        "client": "text",
        "channel": "text",
        "entry_point": "text",
        "queue": "text",
        "live": "bool",
        "language": "text",
        "state": "text",
        "subject_line": "text",
        "customer_name": "text",
        "reply_to": "text",  # where the next reply goes, once the customer has said so
        "last_words": "text",
        "last_author": "text",
        "last_at": "int",
        "waiting_since": "int",
        "parked_until": "int",
        "left_at": "int",
        "n": "int",
        "unread": "int",
        "agent": "text",
        "tags": "json",
        "disposition": "text",
        "opened_at": "int",
        "closed_at": "int",
    },
    indexes=(("org", "state", "last_at"), ("customer", "last_at"), ("agent", "last_at")),
)

MESSAGE = table(
    "message",
    key=("conversation", "n"),
    columns={
        "conversation": "text",
        "n": "int",
        "message": "text",
        "subject": "text",
        "client": "text",
        "kind": "text",
        "author": "text",
        "text": "text",
        "html_blob": "text",
        "attachments": "json",
        "headers": "json",
        "status": "text",
        "reason": "text",
        "at": "int",
        "sent_at": "int",
        "release_at": "int",
        "internal": "bool",
    },
)

LEG = table(
    "leg",
    key=("conversation", "leg"),
    columns={
        "conversation": "text",
        "leg": "text",
        "party": "text",
        "agent": "text",
        "site": "text",
        "country": "text",
        "employer": "text",
        "started": "int",
        "ended": "int",
        "reason": "text",
    },
)
