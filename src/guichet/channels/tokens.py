"""Tokens that name a conversation towards the outside and cannot be made up: `<conversation>.<signature>`."""

from __future__ import annotations

import re

from guichet.customers.identity import IdentityHasher
from guichet.kit.ids import same_secret

_TOKEN = re.compile(r"^([0-9a-zA-Z_-]{1,64})\.([0-9a-f]{16})$")


def conversation_token(hasher: IdentityHasher, org: str, conversation: str) -> str:
    """The conversation's token. Lower case only where the id is."""
    return f"{conversation}.{_signature(hasher, org, conversation)}"


def conversation_in(hasher: IdentityHasher, org: str, token: str) -> str | None:
    """The conversation that a token names, or None: no token, or not one of ours for this organisation."""
    found = _TOKEN.match(token)
    if found is None or not same_secret(found[2], _signature(hasher, org, found[1])):
        return None
    return found[1]


def _signature(hasher: IdentityHasher, org: str, conversation: str) -> str:
    return hasher(org, "", "conversation", conversation)[:16]
