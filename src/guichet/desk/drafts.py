"""Drafts over HTTP: what an agent typed and has not sent, one per conversation and kind, shared by whoever works
on it. A revision tells when somebody else wrote meanwhile."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from guichet.accounts.access import Access
from guichet.accounts.permissions import WORK
from guichet.desk.http import Body, Deps, Ident, Needs, answer, problems
from guichet.desk.reach import conversation_of
from guichet.store.port import Draft

Kind = Literal["reply", "note"]
MAX_TEXT = 32 * 1024


class AttachmentModel(BaseModel):
    """A stored file beside a message or a draft."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    address: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    name: Annotated[str, StringConstraints(max_length=255)]
    type: Annotated[str, StringConstraints(max_length=127)]
    size: Annotated[int, Field(ge=0, le=2**40)]
    cid: Annotated[str, StringConstraints(max_length=255)] = ""


class DraftBody(Body):
    """`revision`: of the draft that was changed, 0 for a new one."""

    text: Annotated[str, StringConstraints(max_length=MAX_TEXT)]
    attachments: Annotated[list[AttachmentModel], Field(max_length=50, default_factory=list)]
    revision: Annotated[int, Field(ge=0, le=2**53)]


class DraftModel(BaseModel):
    """A draft; `revision` 0: there is none. `agent` wrote it last, at `t`."""

    text: str
    attachments: list[AttachmentModel]
    revision: int
    agent: str | None
    t: int | None


def routes(api: APIRouter, deps: Deps) -> None:
    """Adds the routes of drafts."""
    works = Needs(deps.door, WORK)
    path = "/drafts/{conversation}/{kind}"

    @api.get(path, responses={200: {"model": DraftModel}, **problems(404)}, response_model=None)
    async def read(conversation: Ident, kind: Kind, access: Access = Depends(works)) -> Response:
        """What was typed so far."""
        await conversation_of(deps.reader, access, conversation)
        for draft in await deps.drafts.get(access.org, conversation):
            if draft.kind == kind:
                return answer(_shown(draft))
        return answer({"text": "", "attachments": [], "revision": 0, "agent": None, "t": None})

    @api.put(path, responses={200: {"model": DraftModel}, **problems(404, 409)}, response_model=None)
    async def save(
        conversation: Ident, kind: Kind, body: DraftBody, access: Access = Depends(works)
    ) -> Response:
        """Keeps it, unless somebody else kept another one meanwhile (409: read it again)."""
        row = await conversation_of(deps.reader, access, conversation)
        draft = Draft(
            org=access.org,
            conversation=conversation,
            kind=kind,
            agent=access.agent,
            text=body.text,
            attachments=[a.model_dump_json(exclude_defaults=True) for a in body.attachments],
            revision=body.revision + 1,
            t=deps.clock.now(),
        )
        return answer(_shown(await deps.drafts.save(draft, str(row["subject"]))))

    @api.delete(path, status_code=204, responses=problems(404))
    async def delete(conversation: Ident, kind: Kind, access: Access = Depends(works)) -> Response:
        """Sent, or thrown away."""
        await conversation_of(deps.reader, access, conversation)
        await deps.drafts.delete(access.org, conversation, kind)
        return Response(status_code=204)


def _shown(draft: Draft) -> dict[str, object]:
    return {
        "text": draft.text,
        "attachments": [msgspec.Raw(a.encode()) for a in draft.attachments],
        "revision": draft.revision,
        "agent": draft.agent,
        "t": draft.t,
    }
