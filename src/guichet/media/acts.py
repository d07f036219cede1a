"""What was asked of endpoints, carried out after the commit that asked it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import cast

import msgspec

from guichet.channels.base import Edge
from guichet.channels.work import work
from guichet.customers.tables import IDENTITY
from guichet.events.base import Fact, decode
from guichet.events.media import EndpointDialled, EndpointTransferWanted
from guichet.kit.clock import SteadyClock
from guichet.kit.errors import Refused
from guichet.media.plane import Dial, Hearing, MediaPlane, Silent
from guichet.media.projections import ACTS
from guichet.media.reports import Desired, Reports
from guichet.media.tables import ENDPOINT, ROOM
from guichet.media.trunks import trunk_id
from guichet.store.port import Job
from guichet.store.sealing import Sealer

TRIES, PAUSE = 20, 0.1
"""A server that was killed is back within two seconds; who waits longer waits for nobody."""


class Acts:
    """Does them. `run` works until cancelled."""

    def __init__(self, plane: MediaPlane, edge: Edge, sealer: Sealer, reports: Reports) -> None:
        self._plane = plane
        self._edge = edge
        self._sealer = sealer
        self._reports = reports
        self._clock = SteadyClock(edge.clock)  # as the leader's, whose times are compared with it

    async def run(self) -> None:
        await work(self._edge, ACTS, self._one)

    async def _one(self, job: Job, owner: str) -> None:
        """One act. Whoever hung up meanwhile needs it no more."""
        org, endpoint, asked = (str(job.payload[name]) for name in ("org", "endpoint", "act"))
        until = cast("int | None", job.payload.get("until"))
        ask = partial(self._ask, endpoint, asked, cast("int", job.payload["code"]))
        # One at a time of each call: what is to be is read and said before the next one looks.
        async with self._reports.order(endpoint):
            try:
                if asked != "hang_up" or not await self._never_called(org, endpoint):
                    await (_patiently(ask) if until is None else self._in_time(ask, endpoint, until))
            except Refused as refused:
                if asked == "dial" and until is not None and (_not_yet(refused) or refused.kind == "limited"):
                    raise  # tried again: the server may still be away, the trunk in a rush
                if asked == "refer" and isinstance(refused, Silent):
                    raise  # it may have been sent
                if asked == "dial":
                    await self._reports.refused(org, endpoint, refused.code)
                elif asked == "refer":
                    await self._reports.not_referred(org, endpoint)
                elif refused.kind not in ("not_found", "conflict"):  # it is over, or has gone on
                    raise
        await self._edge.jobs.done(job, owner)

    async def _in_time(self, ask: Callable[[], Awaitable[None]], endpoint: str, until: int) -> None:
        """Calls somebody again, if by now it would not only startle them, and somebody is there."""
        if self._clock.now() >= until:
            raise Refused("conflict", "call.too_late", "by now it would only startle somebody")
        if not await self._has_a_place(endpoint):
            raise Refused("conflict", "call.no_room", "the conversation is over")
        await ask()
        if not await self._has_a_place(endpoint):  # it ended in this moment
            await self._plane.hang_up(endpoint)

    async def _has_a_place(self, endpoint: str) -> bool:
        """In an open room of whoever is called; what is over needs none."""
        row = await self._edge.reader.row(ENDPOINT, (endpoint,))
        if row is None:
            return True
        customer = str(row["party"]).partition(":")[2]
        rooms = await self._edge.reader.rows(ROOM, {"customer": customer, "closed": False})
        return any(endpoint in msgspec.convert(room["document"], Hearing).endpoints for room in rooms)

    async def _never_called(self, org: str, endpoint: str) -> bool:
        """Hung up before the call was made: no server will tell its end, but one that made it all the same is told."""
        row = await self._edge.reader.row(ENDPOINT, (endpoint,))
        if row is None or row["state"] != "dialled":  # as most are: no need to look at the jobs
            return False
        if not Desired([row], await self._edge.jobs.undone(ACTS)).waits_for_dial(row):
            return False
        await self._reports.refused(org, endpoint, "hangup")
        return True

    async def _ask(self, endpoint: str, asked: str, code: int) -> None:
        plane = self._plane
        row = await self._edge.reader.row(ENDPOINT, (endpoint,))
        if row is None:
            return
        match asked:
            case "dial":
                await plane.dial(endpoint, await self._call(endpoint))
            case "refer" if row["transfer"]:
                transfer = str(row["transfer"])
                await plane.refer(endpoint, transfer, await self._target(endpoint, transfer))
            case "hold":
                await plane.hold(endpoint, on=bool(row["hold"]))
            case "ring":
                await plane.ring(endpoint)
            case "early":
                await plane.early(endpoint)
            case "answer":
                await plane.answer(endpoint)
            case "reject":
                await plane.reject(endpoint, code)
            case "hang_up":
                await plane.hang_up(endpoint)
            case _:
                pass

    # -- numbers -------------------------------------------------------------------------------------------

    async def _call(self, endpoint: str) -> Dial:
        """Raises Refused where there is no number (any more)."""
        for org, fact in await self._facts(endpoint):
            if isinstance(fact, EndpointDialled):
                return Dial(
                    trunk=trunk_id(org, fact.trunk), number=await self._number(fact), caller_id=fact.caller_id,
                    timeout_ms=fact.timeout_seconds * 1_000, early_media=fact.early_media,
                )  # fmt: skip
        raise _nobody()

    async def _number(self, call: EndpointDialled) -> str:
        """A number stands in the log alone, under the customer's key: here, or in the call that this one stands in for.
        That of somebody who called us is among their identities."""
        if call.number:
            return call.number
        if call.again:
            for _, fact in await self._facts(call.number_of):
                if isinstance(fact, EndpointDialled):
                    return await self._number(fact)
            rows = await self._edge.reader.rows(IDENTITY, {"customer": call.customer})
            numbers = {str(row["handle"]) for row in rows if row["kind"] == "phone"}
            if len(numbers) == 1:  # of two it might be the wrong one
                return numbers.pop()
        elif call.number_of:
            return await self._target(call.number_of, call.endpoint)
        raise _nobody()

    async def _target(self, endpoint: str, transfer: str) -> str:
        """To whom a call is transferred."""
        for _, fact in await self._facts(endpoint):
            if isinstance(fact, EndpointTransferWanted) and fact.transfer == transfer and fact.number:
                return fact.number
        raise _nobody()

    async def _facts(self, endpoint: str) -> list[tuple[str, Fact]]:
        """(organisation, fact) of an endpoint's stream, opened."""
        stream = f"endpoint/{endpoint}"
        entries = (await self._edge.reader.streams([stream]))[stream]
        opened = await self._sealer.open_many(entries)
        return [
            (entry.org, decode(entry.type, entry.type_version, entry.data, personal))
            for entry, personal in opened
        ]


async def _patiently(ask: Callable[[], Awaitable[None]]) -> None:
    for left in range(TRIES, 0, -1):
        try:
            await ask()
            return
        except Refused as refused:
            if left == 1 or not _not_yet(refused):
                raise
            await asyncio.sleep(PAUSE)


def _not_yet(refused: Refused) -> bool:
    """The server is away, or has just come and does not know its trunks."""
    return isinstance(refused, Silent) or refused.code == "media.unknown_trunk"


def _nobody() -> Refused:
    return Refused(
        "not_found", "call.no_number", "there is no number to call: the customer was erased, or has none"
    )
