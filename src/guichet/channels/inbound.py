"""The way in that every channel shares: slow work first (keys, blobs), then commands under keys that come from
the provider's own ids, so that what is told twice happens once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from guichet.accounts.settings import EntryPoint
from guichet.channels.base import Edge, Entry, Identity, Message
from guichet.channels.reading import conversation_row, customer_name
from guichet.channels.registry import capabilities
from guichet.events.conversations import Attachment
from guichet.kit.errors import invalid
from guichet.kit.faults import declare, fault_point
from guichet.leader.registry import COMMANDS, Actor, Command

BEFORE_SUBMIT = declare("channels.message.before_submit")


def ask(name: str, key: str, actor: Actor, /, **fields: object) -> Command:
    """A command of a stage downstream, by its name. Raises Refused when a field is beyond its bounds."""
    try:
        payload = msgspec.convert(fields, COMMANDS[name].payload)
    except msgspec.ValidationError as error:
        raise invalid(name, "command.invalid", str(error)) from error
    return Command(name, key, actor, payload)


async def register_customer(
    edge: Edge,
    actor: Actor,
    *,
    key: str,
    client: str,
    customer: str,
    identities: Sequence[Identity] = (),
    name: str = "",
    email: str = "",
    language: str,
    anonymous: bool = False,
) -> str:
    """Makes the customer known, its key durable first; gives the id to use from now on, which is another one
    when an identity belongs to somebody already. What is "" is left as it is. Raises Refused."""
    await edge.keys.ensure(customer)
    claimed = [
        {
            "kind": identity.kind,
            "handle": identity.handle,
            "hash": edge.hasher(actor.org, client, identity.kind, identity.handle),
            "proven": identity.proven,
        }
        for identity in identities
    ]
    answer = await edge.submit(
        ask(
            "register_customer", key, actor, customer=customer, client=client, anonymous=anonymous,
            identities=claimed, name=clean(name) or None, email=email or None, language=language or None,
        )
    )  # fmt: skip
    return str(answer.get("customer", customer))


async def open_conversation(
    edge: Edge,
    actor: Actor,
    *,
    conversation: str,
    customer: str,
    entry: Entry,
    language: str,
    subject: str = "",
) -> None:
    """Opens a conversation, without words yet, unless it is open; they follow by `receive`. Raises Refused."""
    if await conversation_row(edge.reader, conversation) is not None:
        return
    name = await customer_name(edge.reader, customer)
    can = capabilities(entry.config.channel)
    command = ask(
        "open_conversation", f"open:{conversation}", actor, conversation=conversation, customer=customer,
        entry_point=entry.id, live=can.live, outbox=can.outbox, undo_seconds=can.undo_seconds,
        language=language, subject=clean(subject), name=name,
    )  # fmt: skip
    await edge.submit(command)


async def receive(
    edge: Edge, actor: Actor, message: Message, *, key: str, conversation: str, customer: str, message_id: str
) -> dict[str, Any]:
    """Stores the message's files, fsynced, then hands in its words; returns after the commit. Raises Refused."""
    attachments, html_blob = await keep_files(edge, customer, message)
    command = ask(
        "receive_message", key, actor, conversation=conversation, message=message_id, text=clean(message.text),
        attachments=[*message.attachments, *attachments], html_blob=html_blob, headers=message.headers,
        sent_at=message.sent_at, automatic=message.automatic,
    )  # fmt: skip
    fault_point(BEFORE_SUBMIT)
    return await edge.submit(command)


async def keep_files(edge: Edge, customer: str, message: Message) -> tuple[list[Attachment], str | None]:
    """Puts a message's files and its HTML in the blob store. "cid:" addresses in the HTML are its attachments'."""
    kept = []
    for part in message.parts:
        address, size = await edge.blobs.put(customer, part.content)
        kept.append(Attachment(address=address, name=part.name, type=part.type, size=size, cid=part.cid))
    html_blob = (await edge.blobs.put(customer, clean(message.html).encode()))[0] if message.html else None
    return kept, html_blob


def clean(text: str) -> str:
    """Text that every store can hold: no NUL, no half characters."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def language_of(entry: EntryPoint, asked: str = "") -> str:
    """The language to speak: what was asked for when we speak it, else the entry point's."""
    asked = asked[:2].lower()
    return asked if asked in ("fr", "en") else entry.language
