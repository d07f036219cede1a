"""Reading over HTTP: conversations and their history, customers, search, why an offer went where it went."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel

from guichet.accounts.access import Access
from guichet.accounts.permissions import WORK
from guichet.accounts.settings import ANY
from guichet.conversations.tables import CONVERSATION, LEG, MESSAGE
from guichet.customers.tables import CUSTOMER, IDENTITY
from guichet.desk.http import Deps, Ident, Needs, answer, problems, row_model, shown
from guichet.desk.reach import conversation_of, customer_of, within
from guichet.routing.tables import DECISION
from guichet.store.port import Row

Words = Annotated[str, Query(min_length=1, max_length=200)]
Filter = Annotated[str | None, Query(min_length=1, max_length=128)]
Before = Annotated[int | None, Query(ge=0, le=2**53)]
Limit = Annotated[int, Query(ge=1, le=200)]
State = Literal["open", "waiting", "active", "parked", "closed"]

MAX_LEGS = 1_000
MAX_IDENTITIES = 200
MAX_PEOPLE = 50
"""Customers that one person may have been merged from, and still be shown with one history."""


class IdentityModel(BaseModel):
    """An address by which somebody reaches us."""

    kind: str
    handle: str | None
    proven: bool


class HitModel(BaseModel):
    """A conversation in which the words were said; `n`, `at` and `excerpt` where."""

    conversation: str
    client: str
    customer: str
    channel: str
    state: str
    subject_line: str | None
    customer_name: str | None
    last_words: str | None
    last_at: int | None
    message: str
    n: int
    at: int
    excerpt: str


def routes(api: APIRouter, deps: Deps) -> None:
    """Adds the reading routes."""
    _conversation_routes(api, deps)
    _customer_routes(api, deps)


def _conversation_routes(api: APIRouter, deps: Deps) -> None:
    reader, works = deps.reader, Needs(deps.door, WORK)
    conversation_row = row_model("ConversationRow", CONVERSATION)
    leg_row: Any = row_model("LegRow", LEG)
    message_row: Any = row_model("MessageRow", MESSAGE)
    decision_row: Any = row_model("DecisionRow", DECISION)
    with_legs = row_model("ConversationWithLegs", CONVERSATION, legs=list[leg_row])

    @api.get("/conversations", responses=_of(list[conversation_row]), response_model=None)  # type: ignore[valid-type]
    async def conversations(
        customer: Filter = None,
        state: State | None = None,
        agent: Filter = None,
        before: Before = None,
        limit: Limit = 50,
        access: Access = Depends(works),
    ) -> Response:
        """Newest first by what was said last; `before` is the `last_at` of the last one seen. With a customer,
        the conversations of everybody who turned out to be that person."""
        where = within(access)
        if customer is not None:
            where["customer"] = [str(p["customer"]) for p in await _person(deps, access, customer)]
        if state is not None:
            where["state"] = state
        if agent is not None:
            where["agent"] = agent
        rows = await reader.rows(
            CONVERSATION, where, order="last_at", descending=True, before=before, limit=limit
        )
        return answer([shown(row) for row in rows])

    @api.get("/conversations/{conversation}", responses=_of(with_legs), response_model=None)
    async def conversation(conversation: Ident, access: Access = Depends(works)) -> Response:
        """One conversation and who took part in it."""
        row = await conversation_of(reader, access, conversation)
        legs = await reader.rows(
            LEG, {"conversation": conversation, "org": access.org}, order="started", limit=MAX_LEGS
        )
        return answer({**shown(row), "legs": [shown(leg) for leg in legs]})

    @api.get("/conversations/{conversation}/messages", responses=_of(list[message_row]), response_model=None)
    async def messages(
        conversation: Ident, before: Before = None, limit: Limit = 50, access: Access = Depends(works)
    ) -> Response:
        """Oldest first: the last `limit` ones before number `before`."""
        await conversation_of(reader, access, conversation)
        rows = await reader.rows(
            MESSAGE, {"conversation": conversation, "org": access.org},
            order="n", descending=True, before=before, limit=limit,
        )  # fmt: skip
        return answer([shown(row) for row in reversed(rows)])

    @api.get("/tasks/{task}/decisions", responses=_of(list[decision_row]), response_model=None)
    async def decisions(task: Ident, access: Access = Depends(works)) -> Response:
        """Why each offer of a task went to whom it went, oldest first."""
        # A task is the n-th of its conversation and named so; its own row goes when it ends.
        await conversation_of(reader, access, task.rpartition("-")[0])
        rows = await reader.rows(DECISION, {"task": task, "org": access.org}, order="t", limit=200)
        return answer([shown(row) for row in rows])


def _customer_routes(api: APIRouter, deps: Deps) -> None:
    reader, works = deps.reader, Needs(deps.door, WORK)
    customer_row: Any = row_model("CustomerRow", CUSTOMER)
    with_identities = row_model("CustomerWithIdentities", CUSTOMER, identities=list[IdentityModel])

    @api.get("/customers", responses=_of(list[customer_row]), response_model=None)
    async def customers(words: Words, limit: Limit = 20, access: Access = Depends(works)) -> Response:
        """People by name, address or number: all the words, or longer ones that begin so."""
        found = await deps.people.find(access.org, _clients(access), words, limit)
        rows = (
            await reader.rows(CUSTOMER, {**within(access), "customer": found}, limit=limit) if found else []
        )
        place = {customer: index for index, customer in enumerate(found)}
        return answer([shown(row) for row in sorted(rows, key=lambda row: place[str(row["customer"])])])

    @api.get("/customers/{customer}", responses=_of(with_identities), response_model=None)
    async def customer(customer: Ident, access: Access = Depends(works)) -> Response:
        """One person and the addresses by which they reach us."""
        people = await _person(deps, access, customer)
        row = next(p for p in people if p["customer"] == customer)
        among = [str(p["customer"]) for p in people]
        found = await reader.rows(IDENTITY, {**within(access), "customer": among}, limit=MAX_IDENTITIES)
        identities = {
            (i["kind"], i["handle"]): {"kind": i["kind"], "handle": i["handle"], "proven": i["proven"]}
            for i in sorted(found, key=lambda i: bool(i["proven"]))
        }
        return answer({**shown(row), "identities": list(identities.values())})

    @api.get("/search", responses=_of(list[HitModel]), response_model=None)
    async def search(words: Words, limit: Limit = 20, access: Access = Depends(works)) -> Response:
        """Conversations in which all the words were said, newest first; each once, with the latest place."""
        hits = await deps.search.find(access.org, _clients(access), words, limit)
        ids = list(dict.fromkeys(hit.conversation for hit in hits))
        where = {**within(access), "conversation": ids}
        rows = {row["conversation"]: row for row in await reader.rows(CONVERSATION, where, limit=limit)}
        shown_fields = [
            name for name in HitModel.model_fields if name in CONVERSATION.columns and name != "n"
        ]
        answers: dict[str, Row] = {}
        for hit in hits:
            row = rows.get(hit.conversation)
            if row is not None and hit.conversation not in answers:
                place: Row = {"message": hit.message, "n": hit.n, "at": hit.t, "excerpt": hit.excerpt}
                answers[hit.conversation] = {**{name: row[name] for name in shown_fields}, **place}
        return answer(list(answers.values()))


async def _person(deps: Deps, access: Access, customer: str) -> list[Row]:
    """Everybody who turned out to be the same person as this customer, the one that remained first."""
    row = await customer_of(deps.reader, access, customer)
    remains = row
    if row["merged_into"] is not None:
        remains = await customer_of(deps.reader, access, str(row["merged_into"]))
    where = {**within(access), "merged_into": remains["customer"]}
    return [remains, *await deps.reader.rows(CUSTOMER, where, limit=MAX_PEOPLE)]


def _clients(access: Access) -> tuple[str, ...] | None:
    return None if ANY in access.clients else access.clients


def _of(model: object) -> dict[int | str, dict[str, Any]]:
    return {200: {"model": model}, **problems(404)}
