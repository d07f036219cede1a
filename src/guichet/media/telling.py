"""Commands of the media part itself, given again until the leader has taken them."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from guichet.channels.base import Edge
from guichet.kit.errors import Refused
from guichet.leader.registry import Actor, Command

PASSES = ("unavailable", "limited")
"""Kinds of refusal that pass."""
PAUSE = 0.2
"""Seconds before a command is given again to a leader that did not take it."""


async def tell(edge: Edge, org: str, name: str, key: str, payload: msgspec.Struct) -> dict[str, Any]:
    """The answer, once the leader has taken it. Raises Refused for what does not pass."""
    command = Command(name, key, Actor("system", "media", org), payload)
    while True:
        try:
            return await edge.submit(command)
        except Refused as refused:
            if refused.kind not in PASSES:
                raise
            await asyncio.sleep(PAUSE)
