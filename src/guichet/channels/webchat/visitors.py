"""Visits: who stands at the door, under which token, in which conversation.

A visit is a session of kind "visitor". It fixes the conversation's id before there is one, so that two tabs,
or the same words sent twice, can never open two.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from guichet.accounts.vault import secret
from guichet.channels.base import Edge, Entry, Identity
from guichet.channels.inbound import language_of, open_conversation, register_customer
from guichet.channels.reading import (
    customer_behind,
    customer_email,
    customer_name,
    is_known,
    latest_conversation,
)
from guichet.channels.webchat.identity import MAX_TOKEN, Claims, verify
from guichet.channels.webchat.settings import WebchatSettings
from guichet.kit.clock import DAY
from guichet.kit.errors import Refused, invalid
from guichet.kit.ids import new_id
from guichet.leader.registry import Actor

NAME = "webchat"
KIND = "visitor"
VISIT_LASTS = 30 * DAY

Text = Annotated[str, msgspec.Meta(max_length=200)]


class OpenRequest(msgspec.Struct, frozen=True):
    """What the widget says when a visitor begins or comes back."""

    language: Annotated[str, msgspec.Meta(max_length=16)] = ""
    token: Annotated[str, msgspec.Meta(max_length=128)] = ""
    name: Text = ""
    email: Annotated[str, msgspec.Meta(max_length=254)] = ""
    identity: Annotated[str, msgspec.Meta(max_length=MAX_TOKEN)] = ""


class Visit(msgspec.Struct, frozen=True):
    """A visitor at one entry point."""

    org: str
    customer: str
    entry: Entry
    conversation: str
    language: str
    identified: bool = False
    """The shop signed who this is; another person who signs in here gets a visit of their own."""

    @property
    def actor(self) -> Actor:
        return Actor("visitor", self.customer, self.org)


async def open_visit(edge: Edge, entry: Entry, asked: OpenRequest) -> tuple[str, Visit]:
    """Begins a visit, or goes on with the token's; gives the token. Raises Refused."""
    settings: WebchatSettings = entry.settings
    visit = await find_visit(edge, entry, asked.token) if asked.token else None
    claims = await _claims(edge, entry, asked.identity) if asked.identity else None
    name = asked.name.strip() or (claims.name if claims else "")
    email = _email(asked.email) or (claims.email if claims else "")
    if visit is None:
        _required("name", settings.ask_name, name)
        _required("email", settings.ask_email, email)
    known = await _known(edge, entry, claims) if claims else None
    if visit is not None and claims is not None and known != visit.customer and (known or visit.identified):
        visit = None  # somebody else is logged in now: another person's words must not be shown
    customer = visit.customer if visit else known or new_id()
    language = language_of(entry.config, asked.language)
    if visit is not None and (claims is None or visit.identified) and await _told(edge, visit, name, email):
        return asked.token, visit
    if visit is None or claims is not None or name or email:
        customer = await register_customer(
            edge,
            Actor("system", NAME, entry.org),
            key=f"visit:{new_id()}",
            client=entry.config.client,
            customer=customer,
            identities=[Identity("account", claims.handle, proven=True)] if claims else [],
            name=name,
            email=email,
            language=language,
            anonymous=claims is None,
        )
    if visit is not None and (claims is None or visit.identified):
        return asked.token, visit
    if visit is not None:  # an anonymous visitor signed in: the same talk goes on under a new token
        await edge.sessions.end(KIND, asked.token)
        conversation = visit.conversation
    else:
        conversation = (await _running(edge, entry, customer) if known else None) or new_id()
    made = Visit(entry.org, customer, entry, conversation, language, claims is not None)
    data = {"entry": entry.id, "conversation": conversation, "language": language}
    if made.identified:
        data["identified"] = "yes"
    return await edge.sessions.create(KIND, entry.org, customer, edge.clock.now() + VISIT_LASTS, data), made


async def find_visit(edge: Edge, entry: Entry, token: str) -> Visit:
    """The visit of a token. Raises Refused(signed_out): unknown, expired, another door's, or its visitor erased."""
    session = await edge.sessions.find(KIND, token) if len(token) <= 128 else None
    if session is None or session.org != entry.org or session.data.get("entry") != entry.id:
        raise Refused("signed_out", "visit.unknown", "open a new visit", field="token")
    if not await is_known(edge.reader, session.actor):  # erased
        await edge.sessions.end(KIND, token)
        raise Refused("signed_out", "visit.unknown", "open a new visit", field="token")
    data = session.data
    return Visit(
        session.org, session.actor, entry, data["conversation"], data["language"], "identified" in data
    )


async def begin_conversation(edge: Edge, visit: Visit) -> None:
    """Opens the visit's conversation unless it is there; again is harmless. Raises Refused."""
    await open_conversation(
        edge,
        visit.actor,
        conversation=visit.conversation,
        customer=visit.customer,
        entry=visit.entry,
        language=visit.language,
    )


async def _claims(edge: Edge, entry: Entry, token: str) -> Claims:
    key = await secret(edge.secrets, entry.org, "identity", entry.settings.identity_secret)
    if key is None:
        raise Refused(
            "forbidden", "identity.unsupported", "this door knows no shop's signature", field="identity"
        )
    return verify(token, key, edge.clock.now())


async def _known(edge: Edge, entry: Entry, claims: Claims) -> str | None:
    found = edge.hasher(entry.org, entry.config.client, "account", claims.handle)
    return await customer_behind(edge.reader, found)


async def _running(edge: Edge, entry: Entry, customer: str) -> str | None:
    """What the same person began elsewhere and has not ended."""
    row = await latest_conversation(edge.reader, entry.org, customer, entry.id)
    return str(row["conversation"]) if row is not None and row["state"] != "closed" else None


async def _told(edge: Edge, visit: Visit, name: str, email: str) -> bool:
    """Whether we know all that a visitor says of themselves: the widget says it whenever its line comes back."""
    return (not name or name == await customer_name(edge.reader, visit.customer)) and (
        not email or email == await customer_email(edge.reader, visit.customer)
    )


def _email(typed: str) -> str:
    typed = typed.strip()
    if typed and (typed.count("@") != 1 or " " in typed or len(typed) < 3):
        raise invalid("email", "email.invalid", "write it as name@example.org")
    return typed


def _required(field: str, wanted: str, given: str) -> None:
    if wanted == "required" and not given:
        raise invalid(field, f"{field}.missing", "fill it in")
