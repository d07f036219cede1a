"""What the media server tells of its endpoints and trunks, as commands. Told twice, it happens once."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import msgspec
import structlog

from guichet.channels.base import Edge
from guichet.kit.errors import Refused
from guichet.kit.ids import new_id
from guichet.media.commands import ReportEndpoint, ReportTrunk
from guichet.media.plane import Endpoint, Event, MediaPlane, State
from guichet.media.projections import ACTS, job_key
from guichet.media.reactors import LOST
from guichet.media.tables import ENDPOINT
from guichet.media.telling import tell
from guichet.media.trunks import org_of
from guichet.store.port import Row

FACTS = frozenset({"offered", "ringing", "early", "answered", "held", "resumed", "referred", "left"})
AS_EVENTS: dict[str, tuple[str, ...]] = {
    "ringing": ("ringing",),
    "early": ("early",),
    "answered": ("answered", "resumed"),
    "held": ("answered", "held"),
    "silent": ("answered", "resumed"),
}
"""What must have happened to a call that is so; what is known already becomes no fact again."""
NOBODYS = 404
"""SIP status for a call to nobody."""
AT_ONCE = 100
"""Losses reported side by side: the leader commits them together."""
PAGE = 100_000

log = structlog.get_logger(__name__)


class Desired(NamedTuple):
    """Rows of endpoints, and the keys of the acts that were not done when they were read."""

    rows: list[Row]
    undone: set[str]

    def waits_for_dial(self, row: Row) -> bool:
        """Whether the call is yet to be made; it ends by itself if it cannot be."""
        return row["state"] == "dialled" and job_key(str(row["endpoint"]), "dial") in self.undone

    def waits_for_transfer(self, row: Row, stands: Endpoint) -> bool:
        """Whether what becomes of a transfer will still be told."""
        transfer = str(row["transfer"])
        return stands.referring == transfer or job_key(stands.id, "refer", transfer) in self.undone


class Reports:
    """Knows whose each endpoint is."""

    def __init__(self, plane: MediaPlane, edge: Edge) -> None:
        self._plane = plane
        self._edge = edge
        self._orgs: dict[str, str] = {}
        self._orders: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def know(self, endpoint: str, org: str | None) -> None:
        """The endpoint belongs to this organisation; None: it is over."""
        if org is None:
            self._orgs.pop(endpoint, None)
        else:
            self._orgs[endpoint] = org

    def order(self, endpoint: str) -> asyncio.Lock:
        """Held by whoever reads what is desired of an endpoint and says it: one at a time."""
        return self._orders.setdefault(endpoint, asyncio.Lock())

    async def desired(self) -> Desired:
        """What is known of the endpoints now, and which acts are not done yet."""
        undone = await self._edge.jobs.undone(ACTS)  # first: what is done after this is in the rows, or over
        return Desired(await self._rows(), undone)

    async def _rows(self) -> list[Row]:
        return await self._edge.reader.rows(ENDPOINT, {}, limit=PAGE)

    async def take(self, event: Event) -> bool:
        """Gives the command that follows from an event, if any does, and waits for its commit. False: the log has
        done with this call before."""
        if event.kind in ("trunk_up", "trunk_down"):
            up = event.kind == "trunk_up"
            report = ReportTrunk(trunk=event.trunk, up=up, cause=event.cause)
            await self._submit(org_of(event.trunk), _key(event), report)
        elif event.kind in FACTS:
            org = org_of(event.trunk) if event.kind == "offered" else self._orgs.get(event.endpoint, "")
            if org in self._edge.directory.organisations():
                answer = await self._submit(org, _key(event), _report(event))
                over = bool(answer.get("over"))
                self.know(event.endpoint, None if over or event.kind == "left" else org)
                return not over
            if event.kind == "offered":  # over a trunk that is nobody's any more: it must not ring for ever
                with contextlib.suppress(Refused):
                    await self._plane.reject(event.endpoint, NOBODYS)
        return True

    async def agree(self, state: State) -> None:
        """Makes the log know what stands there, and ends what the log does not want."""
        there = {endpoint.id: endpoint for endpoint in state.endpoints}
        rows = await self._rows()  # after the state: whatever stands there was desired before it stood
        known = {str(row["endpoint"]) for row in rows}
        for row in rows:
            self.know(str(row["endpoint"]), str(row["org"]))
        for endpoint in there.values():
            fresh = endpoint.id not in known and endpoint.incoming
            wanted = endpoint.id in known or fresh
            kinds = ("offered",) * fresh + AS_EVENTS.get(endpoint.state, ()) * (endpoint.kind == "phone")
            for kind in kinds if wanted else ():
                wanted = await self.take(_as_event(endpoint, kind, state)) and wanted
            if not wanted and endpoint.kind == "phone":
                log.warning("a call that nobody wants is ended", endpoint=endpoint.id)
                await self._plane.hang_up(endpoint.id)
            elif endpoint.state in ("answered", "held", "silent"):
                await self._resume(endpoint)

    async def conclude(self, before: Desired, state: State, *, seen: bool) -> None:
        """Events were missed, those since are known: what was desired before this state and does not stand there is
        over. `seen`: as in `lost`."""
        there = {endpoint.id: endpoint for endpoint in state.endpoints}
        for row in before.rows:
            stands = there.get(str(row["endpoint"]))
            if stands is not None and row["transfer"] and not before.waits_for_transfer(row, stands):
                await self.not_referred(str(row["org"]), stands.id)
        rest = [row for row in before.rows if row["endpoint"] not in there]
        await self.lost(Desired(rest, before.undone), seen=seen)

    async def _resume(self, endpoint: Endpoint) -> None:
        """Whether it is to be held, as desired while one of the two was away."""
        async with self.order(endpoint.id):
            row = await self._edge.reader.row(ENDPOINT, (endpoint.id,))
            if row is not None and endpoint.holding != bool(row["hold"]):
                with contextlib.suppress(Refused):  # over, or refused by the far side: as told by an event
                    await self._plane.hold(endpoint.id, on=bool(row["hold"]))

    async def lost(self, gone: Desired, *, seen: bool) -> None:
        """These endpoints went down with their server; one whose call is yet to be made did not. `seen`: just now; else
        some time while we were away ourselves, and nobody who was in them waits any more."""
        rows = [row for row in gone.rows if not gone.waits_for_dial(row)]
        for at in range(0, len(rows), AT_ONCE):
            await asyncio.gather(*(self._lost(row, seen=seen) for row in rows[at : at + AT_ONCE]))

    async def _lost(self, row: Row, *, seen: bool) -> None:
        endpoint, cause = str(row["endpoint"]), LOST if seen else "missed"
        report = ReportEndpoint(endpoint=endpoint, epoch="", seq=0, kind="left", cause=cause)
        await self._submit(str(row["org"]), f"lost/{endpoint}", report)

    async def not_referred(self, org: str, endpoint: str) -> None:
        """The carrier was not asked to transfer a call, or its answer was missed."""
        row = await self._edge.reader.row(ENDPOINT, (endpoint,))
        if row is not None and row["transfer"]:
            act = str(row["transfer"])
            report = ReportEndpoint(endpoint=endpoint, epoch="", seq=0, kind="referred", act=act)
            await self._submit(org, f"not_referred/{act}", report)

    async def trunk_refused(self, trunk: str, field: str) -> None:
        """The media server cannot have this trunk, for what this field says."""
        report = ReportTrunk(trunk=trunk, up=False, cause=f"refused: {field}"[:64])
        await self._submit(org_of(trunk), new_id(), report)

    async def refused(self, org: str, endpoint: str, code: str) -> None:
        """What was asked cannot be: the call is over before it began."""
        report = ReportEndpoint(endpoint=endpoint, epoch="", seq=0, kind="left", who="us", cause=code[:64])
        await self._submit(org, f"refused/{endpoint}", report)

    async def _submit(self, org: str, key: str, payload: msgspec.Struct) -> dict[str, Any]:
        """Until the leader has taken it: an event that is let go is a call that never ends."""
        name = "report_trunk" if isinstance(payload, ReportTrunk) else "report_endpoint"
        try:
            return await tell(self._edge, org, name, key, payload)
        except Refused as refused:
            log.warning("an event was refused", code=refused.code)
            return {}


def _key(event: Event) -> str:
    """What is told again is the same event; what a snapshot shows is asked anew each time."""
    return f"{event.epoch}/{event.seq}" if event.seq else new_id()


def _as_event(endpoint: Endpoint, kind: str, state: State) -> Event:
    """As if it had just been told: the snapshot of an endpoint. Without a number of its own."""
    return Event(
        kind=kind, epoch=f"{state.epoch}@{state.seq}", endpoint=endpoint.id,
        trunk=endpoint.trunk, to=endpoint.to, codec=endpoint.codec,
    )  # fmt: skip


def _report(event: Event) -> ReportEndpoint:
    who = event.who if event.who in ("us", "them") else "network"
    return ReportEndpoint(
        endpoint=event.endpoint, epoch=event.epoch[:64], seq=event.seq, kind=event.kind, trunk=event.trunk,
        number=event.to if event.kind == "offered" else "", codec=event.codec, act=event.act, who=who,  # type: ignore[arg-type]
        cause=event.cause[:64], code=event.code,
    )  # fmt: skip
