"""What follows when a call is transferred, and when calls are lost with their media server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from guichet.accounts.settings import Trunk
from guichet.events.base import Fact
from guichet.events.media import (
    EndpointAnswered,
    EndpointAsked,
    EndpointDialled,
    EndpointLeft,
    EndpointReferred,
    EndpointTransferred,
    RoomSet,
)
from guichet.leader.registry import Now, reacts_to
from guichet.media.part import Endpoint, Media
from guichet.media.plane import Hearing

LOST = "media_lost"
"""Cause of a call's end: its media server was gone, and we saw it go."""
RING_SECONDS = 45
"""For how long somebody who was cut off is called again."""


@reacts_to(EndpointReferred)
def bridge(part: Media, fact: EndpointReferred, now: Now) -> Iterator[Fact]:
    """Where the carrier connects the two, our part is over; where it does not, we call there ourselves."""
    endpoint = part.endpoints.get(fact.endpoint)
    if endpoint is None or (transfer := endpoint.transfer) is None:
        return
    if part.customers.is_erased(transfer.customer):  # their number, and their key, are gone
        yield EndpointTransferred(endpoint=endpoint.id, transfer=transfer.id, by="nobody")
    elif 200 <= fact.code < 300:
        yield EndpointTransferred(endpoint=endpoint.id, transfer=transfer.id, by="carrier")
        yield from _hang_up(endpoint)
    else:
        yield EndpointDialled(
            endpoint=transfer.id, client=endpoint.client, customer=transfer.customer, trunk=transfer.trunk,
            caller_id=transfer.caller_id, timeout_seconds=transfer.timeout_seconds, early_media=False,
            number_of=endpoint.id,
        )  # fmt: skip


@reacts_to(EndpointAnswered)
def connect(part: Media, fact: EndpointAnswered, now: Now) -> Iterator[Fact]:
    """Whoever was called for a transfer answers: the two hear each other, and nobody else hears them."""
    called = part.endpoints.get(fact.endpoint)
    first = part.endpoints.get(called.bridged) if called is not None else None
    if called is None or first is None or first.transfer is None or first.transfer.id != called.id:
        return
    room = part.place(first.id)
    if first.state == "left" or room is None:
        yield from _hang_up(called)
        return
    yield EndpointTransferred(endpoint=first.id, transfer=called.id, by="us")
    pair = {"endpoints": [first.id, called.id], "hears": {first.id: [called.id], called.id: [first.id]}}
    others = [part.endpoints.get(other) for other in room.document.get("endpoints", ())]
    yield RoomSet(room=room.id, rev=room.rev + 1, document=pair)
    for other in others:  # telephones that nobody could hang up any more
        if other is not None and other.trunk and other.id not in pair["hears"]:
            yield from _hang_up(other)


@reacts_to(EndpointLeft)
def part_ways(part: Media, fact: EndpointLeft, now: Now) -> Iterator[Fact]:
    """One of two that were connected by us is gone: so is the other, unless it was not there yet."""
    gone = part.endpoints.get(fact.endpoint)
    other = part.endpoints.get(gone.bridged) if gone is not None else None
    if gone is None or other is None or other.state == "left":
        return
    if other.transfer is not None and other.transfer.id == gone.id:
        yield EndpointTransferred(endpoint=other.id, transfer=gone.id, by="nobody")
    else:
        yield from _hang_up(other)


@reacts_to(EndpointLeft)
def call_again(part: Media, fact: EndpointLeft, now: Now) -> Iterator[Fact]:
    """Whoever was cut off by a failure of ours is called again, once, and takes their old place in the room."""
    gone, room = part.endpoints.get(fact.endpoint), part.place(fact.endpoint)
    if gone is None or room is None or fact.cause != LOST or not gone.talked or gone.again:
        return
    if "hang_up" in gone.asked or (
        gone.bridged and gone.transfer is None
    ):  # it was over, or not ours any more
        return
    trunk = part.accounts.directory.find(now.org, Trunk, gone.trunk)
    if trunk is None or not trunk.active or not trunk.call_again or part.customers.is_erased(room.customer):
        return
    if gone.incoming and part.is_alive(room.again):
        return  # it is the customer whom we know how to call, and they are being called
    again = _again(gone.id)
    yield EndpointDialled(
        endpoint=again, client=room.client, customer=room.customer, trunk=gone.trunk,
        caller_id=gone.ours if part.shows(now.org, gone.ours) else "", timeout_seconds=RING_SECONDS,
        early_media=False, number_of=gone.id, again=True,
    )  # fmt: skip
    yield RoomSet(room=room.id, rev=room.rev + 1, document=_renamed(room.document, gone.id, again))


def _hang_up(endpoint: Endpoint) -> Iterator[Fact]:
    if endpoint.state != "left" and "hang_up" not in endpoint.asked:
        yield EndpointAsked(endpoint=endpoint.id, act="hang_up")


def _again(ident: str) -> str:
    """The id of what stands in for it, within an id's length."""
    return f"{ident[:58]}-again"


def _renamed(document: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    """The same document with one endpoint in another's place. Its recording is another one: the first has ended."""
    was = msgspec.convert(document, Hearing)

    def named(endpoints: list[str]) -> list[str]:
        return [new if endpoint == old else endpoint for endpoint in endpoints]

    recording = was.recording
    if recording is not None:
        recording = msgspec.structs.replace(
            recording, id=_again(recording.id), left=named(recording.left), right=named(recording.right)
        )
    video = [
        msgspec.structs.replace(forward, from_=named([forward.from_])[0], to=named([forward.to])[0])
        for forward in was.video
    ]
    hears = {named([hearer])[0]: named(heard) for hearer, heard in was.hears.items()}
    made = msgspec.structs.replace(
        was, endpoints=named(was.endpoints), hears=hears, recording=recording, video=video
    )
    renamed: dict[str, Any] = msgspec.to_builtins(made)
    return renamed
