"""Secrets of entry points. Administrators name them; where they lie in the vault depends on what they are for, so
that no name leads to a colleague's password hash or to another kind's secret."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator

from guichet.channels.base import Edge

Use = Literal["relay", "identity"]
"""What a secret is for: our password at a relay; the key by which a shop signs who is logged in."""


def _name_alone(name: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9._-]{0,64}", name) is None:
        raise ValueError("write the secret's name alone: at most 64 letters, digits, dots, - and _")
    return name


SecretName = Annotated[str, AfterValidator(_name_alone)]


async def secret(edge: Edge, org: str, use: Use, name: str) -> bytes | None:
    """The secret of this name, or None: none is named, or the vault has none."""
    return await edge.secrets.get(org, f"{use}/{name}") if name else None
