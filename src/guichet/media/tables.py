"""The read tables of the media stage: what is put to the media server, and what it told."""

from __future__ import annotations

from guichet.store.rows import table

ROOM = table(
    "room",
    key=("room",),
    columns={
        "room": "text",
        "client": "text",
        "customer": "text",
        "rev": "int",
        "closed": "bool",
        "document": "json",
    },
    indexes=(("closed",),),
)

ENDPOINT = table(
    "endpoint",
    key=("endpoint",),
    columns={
        "endpoint": "text",
        "client": "text",
        "party": "text",
        "trunk": "text",
        "state": "text",
        "codec": "text",
        "hold": "bool",
        "transfer": "text",
        "since": "int",
    },
    version=2,
)
"""Endpoints that are not over. `hold`: whether we want the far side on hold. `transfer`: the one of which
the carrier has told nothing yet."""

RECORDING = table(
    "recording",
    key=("recording",),
    columns={
        "recording": "text",
        "room": "text",
        "subject": "text",
        "blob": "text",
        "sha256": "text",
        "size": "int",
        "millis": "int",
        "at": "int",
        "failed": "text",
    },
    indexes=(("room",),),
)

TRUNK = table(
    "trunk", key=("trunk",), columns={"trunk": "text", "up": "bool", "cause": "text", "since": "int"}
)

POSITION = table("media_position", key=("link",), columns={"link": "text", "epoch": "text", "seq": "int"})
"""One row, "media": up to which of the media server's events there are facts."""
