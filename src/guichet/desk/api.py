"""The desk over HTTP. Each route declares the permission that it takes, by `Needs`."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Response
from pydantic import StringConstraints

from guichet.accounts.access import Access
from guichet.accounts.permissions import WORK
from guichet.desk import attachments, drafts, reads
from guichet.desk.frames import KEY
from guichet.desk.http import Body, Deps, Needs, answer, problems

__all__ = ["Deps", "router"]


class CommandBody(Body):
    """A command, as over the socket. `key` makes a repetition harmless."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    key: Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=KEY)]
    payload: dict[str, Any]


def router(deps: Deps) -> APIRouter:
    """All of the desk's routes below /api but its socket."""
    api = APIRouter(prefix="/api", tags=["desk"])
    works = Needs(deps.door, WORK)

    @api.post(
        "/commands",
        responses={200: {"model": dict[str, Any]}, **problems(404, 409, 413, 429)},
        response_model=None,
    )
    async def command(body: CommandBody, access: Access = Depends(works)) -> Response:
        """Asks the leader; answers after the commit."""
        payload = msgspec.json.encode(body.payload)
        return answer(await deps.commands.submit(access, body.name, body.key, payload))

    reads.routes(api, deps)
    drafts.routes(api, deps)
    attachments.routes(api, deps)
    return api
