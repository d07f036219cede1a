"""Where secrets that settings name lie in the vault: under what they are for and their name ("relay/shop-mail"), so
that no name leads to a colleague's password hash or to another use's secret."""

from __future__ import annotations

from guichet.store.port import Secrets


def place(use: str, name: str) -> str:
    """By what the vault knows it."""
    return f"{use}/{name}"


async def secret(secrets: Secrets, org: str, use: str, name: str) -> bytes | None:
    """The secret of this name, or None: none is named, or the vault has none."""
    return await secrets.get(org, place(use, name)) if name else None
