"""HTTP of the media stage: how the trunks are, the test call, TURN credentials."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from guichet.accounts.access import Access
from guichet.accounts.directory import Directory
from guichet.accounts.door import Door
from guichet.accounts.permissions import ADMINISTER
from guichet.accounts.settings import E164, Trunk
from guichet.kit.clock import Clock
from guichet.kit.errors import Refused
from guichet.media.tables import TRUNK
from guichet.media.testcall import TestCalls
from guichet.media.trunks import trunk_id
from guichet.media.turn import Turn
from guichet.store.port import Reader


@dataclass(frozen=True)
class Deps:
    """What the routes use. `calls` None: there is no media server in this process."""

    door: Door
    directory: Directory
    reader: Reader
    calls: TestCalls | None
    turn: Turn
    clock: Clock


class TestCallBody(BaseModel):
    """Whom to call: a telephone that the administrator has at hand."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    number: E164


class TrunkState(BaseModel):
    """Whether a trunk answers; `up` None: it has not said anything yet."""

    trunk: str
    name: str
    up: bool | None
    cause: str
    since: int | None


class IceServers(BaseModel):
    """What a browser's RTCPeerConnection takes as `iceServers`."""

    ice_servers: list[dict[str, str | list[str]]]


class CallOutcome(BaseModel):
    """See `testcall.Outcome`."""

    outcome: str
    cause: str
    code: int
    codec: str
    rang_ms: int | None
    answered_ms: int | None


def router(deps: Deps) -> APIRouter:
    """The routes: trunks for administrators of their own organisation, ways to the media server for everybody."""
    api = APIRouter(prefix="/api", tags=["media"])
    signed_in = deps.door.signed_in

    @api.get("/ice-servers")
    async def ice_servers(access: Access = Depends(signed_in)) -> IceServers:
        """By which one's browser reaches the media server from a closed network, for a shift."""
        servers = deps.turn.servers(access.agent, deps.clock.now())
        return IceServers(ice_servers=[msgspec.structs.asdict(server) for server in servers])

    @api.get("/trunks")
    async def trunks(access: Access = Depends(signed_in)) -> list[TrunkState]:
        """How each trunk is."""
        access.need(ADMINISTER)
        states = []
        for ident, trunk in deps.directory.of(access.org, Trunk).items():
            row = await deps.reader.row(TRUNK, (trunk_id(access.org, ident),)) or {}
            told = {"up": row.get("up"), "cause": row.get("cause") or "", "since": row.get("since")}
            states.append(TrunkState.model_validate({"trunk": ident, "name": trunk.name, **told}))
        return states

    @api.post("/trunks/{trunk}/test-call")
    async def test_call(trunk: str, body: TestCallBody, access: Access = Depends(signed_in)) -> CallOutcome:
        """Calls a telephone at hand, and tells how that went; a tone is played to whoever answers."""
        access.need(ADMINISTER)
        found = deps.directory.find(access.org, Trunk, trunk)
        if found is None or not found.active:
            raise Refused("not_found", "trunk.not_found", "there is no such trunk in use")
        if deps.calls is None:
            raise Refused("unavailable", "media.off", "this installation has no media server")
        outcome = await deps.calls.place(access.org, trunk, body.number)
        return CallOutcome.model_validate(msgspec.structs.asdict(outcome))

    return api
