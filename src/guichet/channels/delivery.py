"""The worker that carries released replies out: claims "send" jobs, asks the channel to send, records how it went."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import cast

import structlog
from pydantic import ValidationError

from guichet.accounts.settings import Agent, Client, EntryPoint
from guichet.channels.base import Channel, Edge, Outgoing, Part, Sent
from guichet.channels.inbound import ask
from guichet.channels.reading import conversation_row, customer_email, message_row, said_before
from guichet.channels.registry import channel
from guichet.channels.tokens import conversation_token
from guichet.channels.work import work
from guichet.kit.errors import Refused
from guichet.kit.faults import declare, fault_point
from guichet.leader.registry import Actor
from guichet.store.jobs import MAX_ATTEMPTS
from guichet.store.port import Job, Row

QUEUE = "send"
AFTER_SEND = declare("channels.send.after_send")
EARLIER = 20
"""Messages of the thread that a channel gets to quote and to chain from."""
PATIENCE = 90.0
"""Seconds that one try may take: less than the job's lease, or another worker would send it too."""
MAX_FILES_SIZE = 25 * 1024 * 1024
"""Bytes of all files of one message together."""
GIVE_UP_AT = MAX_ATTEMPTS - 1
"""The try after which a reply has failed. One is left to say so, should this process die before it could: else the
reply would be shown as on its way for ever."""
TRIES, PAUSE = 30, 1.0
"""How often, and after how many seconds, an outcome is recorded again while the leader does not answer: sending
the message once more would be worse."""

log = structlog.get_logger(__name__)


class CannotSend(Exception):
    """A reply that no further try would carry out; `args[0]` is the reason's code."""


async def run(edge: Edge) -> None:
    """Works until cancelled."""
    await work(edge, QUEUE, partial(send, edge))


async def send(edge: Edge, job: Job, owner: str) -> None:
    """One job. A repetition after a crash sends again, with the same provider id; once recorded it does nothing."""
    conversation, n = str(job.payload["conversation"]), cast("int", job.payload["n"])
    row = await message_row(edge.reader, conversation, n)
    if row is None or row["message"] != job.payload["message"] or row["status"] != "queued":
        await edge.jobs.done(job, owner)  # erased, or recorded by an earlier try
        return
    try:
        outgoing, medium = await _outgoing(edge, str(job.payload["org"]), row)
        async with asyncio.timeout(PATIENCE):
            sent = await medium.send(outgoing, edge)
    except TimeoutError:
        sent = Sent("later", "channel.timeout")
    except CannotSend as error:
        sent = Sent("failed", str(error.args[0]))
    except Exception:
        # Whatever a channel stumbles over, the reply is tried again and in the end shown as failed.
        log.exception("channel failed to send", job=job.id)
        sent = Sent("later", "channel.error")
    fault_point(AFTER_SEND)
    if sent.status == "later":
        log.info("sending failed for now", job=job.id, attempt=job.attempt, reason=sent.reason)
        if job.attempt < GIVE_UP_AT:
            await edge.jobs.failed(job, owner, sent.reason)
            return
        sent = Sent("failed", sent.reason)
    await _record(edge, job, sent)
    await edge.jobs.done(job, owner)


async def _record(edge: Edge, job: Job, sent: Sent) -> None:
    actor = Actor("system", str(job.payload["channel"]), str(job.payload["org"]))
    command = ask(
        "record_delivery", f"sent:{job.key}", actor, conversation=job.payload["conversation"],
        message=job.payload["message"], status=sent.status, reason=sent.reason[:80] or None,
    )  # fmt: skip
    for attempt in range(TRIES):
        try:
            await edge.submit(command)
            return
        except Refused as refused:
            if refused.kind == "not_found":
                return  # erased meanwhile
            if refused.kind not in ("unavailable", "limited") or attempt == TRIES - 1:
                raise
            await asyncio.sleep(PAUSE)


async def _outgoing(edge: Edge, org: str, row: Row) -> tuple[Outgoing, Channel]:
    conversation, n = str(row["conversation"]), cast("int", row["n"])
    about = await conversation_row(edge.reader, conversation)
    if about is None:
        raise CannotSend("conversation.gone")
    entry_point, directory = str(about["entry_point"]), edge.directory
    entry = directory.find(org, EntryPoint, entry_point)
    if entry is None:
        raise CannotSend("entry_point.unknown")
    try:
        medium = channel(str(about["channel"]))
        settings = medium.Settings.model_validate(entry.settings)
    except (Refused, ValidationError) as error:
        raise CannotSend("entry_point.broken") from error
    earlier = tuple(await said_before(edge.reader, conversation, n, EARLIER))
    to = str(about["reply_to"] or "") or await customer_email(edge.reader, str(about["customer"]))
    if not to:
        raise CannotSend("customer.no_address")
    client = directory.find(org, Client, str(about["client"]))
    agent = directory.find(org, Agent, str(row["author"]))
    outgoing = Outgoing(
        org=org,
        client=str(about["client"]),
        client_name=client.name if client is not None else entry.name,
        agent_name=agent.name if agent is not None else "",
        conversation=conversation,
        message=str(row["message"]),
        n=n,
        text=str(row["text"] or ""),
        at=cast("int", row["at"]),
        to=to,
        to_name=str(about["customer_name"] or ""),
        subject=str(about["subject_line"] or ""),
        language=str(about["language"] or entry.language),
        entry_point=entry_point,
        settings=settings,
        token=conversation_token(edge.hasher, org, conversation),
        earlier=earlier,
        parts=await _files(edge, row),
    )
    return outgoing, medium


async def _files(edge: Edge, row: Row) -> tuple[Part, ...]:
    files, total = [], 0
    for file in cast("list[dict[str, str]]", row["attachments"] or []):
        content = await edge.blobs.get(file["address"])
        if content is None:
            raise CannotSend("attachment.gone")
        total += len(content)
        if total > MAX_FILES_SIZE:
            raise CannotSend("attachments.too_large")
        files.append(Part(file["name"], file["type"], content))
    return tuple(files)
