"""The read tables of customers."""

from __future__ import annotations

from guichet.store.rows import table

CUSTOMER = table(
    "customer",
    key=("customer",),
    columns={
        "customer": "text",
        "client": "text",
        "subject": "text",
        "name": "text",
        "email": "text",
        "phone": "text",
        "language": "text",
        "anonymous": "bool",
        "created_at": "int",
        "merged_into": "text",
    },
    indexes=(("org", "client"), ("merged_into",)),
)

IDENTITY = table(
    "identity",
    key=("hash",),  # see identity.identity_key
    columns={
        "hash": "text",
        "customer": "text",
        "subject": "text",
        "client": "text",
        "kind": "text",
        "handle": "text",
        "proven": "bool",
    },
    indexes=(("customer",),),
)
