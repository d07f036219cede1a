"""What was asked of endpoints, carried out after the commit that asked it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import cast

from guichet.channels.base import Edge
from guichet.channels.work import work
from guichet.events.base import decode
from guichet.events.media import EndpointDialled
from guichet.kit.errors import Refused
from guichet.media.plane import Dial, MediaPlane, Silent
from guichet.media.projections import ACTS
from guichet.media.reports import Reports
from guichet.media.tables import ENDPOINT
from guichet.media.trunks import trunk_id
from guichet.store.port import Job
from guichet.store.sealing import Sealer

TRIES, PAUSE = 20, 0.1
"""A server that was killed is back within two seconds; who waits longer waits for nobody."""


async def act(plane: MediaPlane, edge: Edge, sealer: Sealer, reports: Reports) -> None:
    """Works until cancelled."""
    await work(edge, ACTS, partial(_act, plane, edge, sealer, reports))


async def _act(plane: MediaPlane, edge: Edge, sealer: Sealer, reports: Reports, job: Job, owner: str) -> None:
    """One act. Whoever hung up meanwhile needs it no more."""
    org, endpoint, asked = (str(job.payload[name]) for name in ("org", "endpoint", "act"))
    if await edge.reader.row(ENDPOINT, (endpoint,)) is not None:
        try:
            await _patiently(
                partial(_ask, plane, edge, sealer, endpoint, asked, cast("int", job.payload["code"]))
            )
        except Refused as refused:
            if asked == "dial":
                await reports.refused(org, endpoint, refused.code)
            elif refused.kind != "not_found":
                raise
    await edge.jobs.done(job, owner)


async def _patiently(ask: Callable[[], Awaitable[None]]) -> None:
    for left in range(TRIES, 0, -1):
        try:
            await ask()
            return
        except Silent:
            if left == 1:
                raise
            await asyncio.sleep(PAUSE)


async def _ask(plane: MediaPlane, edge: Edge, sealer: Sealer, endpoint: str, asked: str, code: int) -> None:
    match asked:
        case "dial":
            await plane.dial(endpoint, await _call(edge, sealer, endpoint))
        case "ring":
            await plane.ring(endpoint)
        case "early":
            await plane.early(endpoint)
        case "answer":
            await plane.answer(endpoint)
        case "reject":
            await plane.reject(endpoint, code)
        case _:
            await plane.hang_up(endpoint)


async def _call(edge: Edge, sealer: Sealer, endpoint: str) -> Dial:
    """The number stands in the log alone, under the customer's key. Raises Refused once that is gone."""
    stream = f"endpoint/{endpoint}"
    first = (await edge.reader.streams([stream]))[stream][:1]
    for entry, personal in await sealer.open_many(first):
        fact = decode(entry.type, entry.type_version, entry.data, personal)
        if isinstance(fact, EndpointDialled) and fact.number:
            return Dial(
                trunk=trunk_id(entry.org, fact.trunk), number=fact.number, caller_id=fact.caller_id,
                timeout_ms=fact.timeout_seconds * 1_000, early_media=fact.early_media,
            )  # fmt: skip
    raise Refused("not_found", "customer.erased", "the customer was erased: nobody can be called")
