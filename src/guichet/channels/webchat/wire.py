"""What the visitor sees of a message row."""

from __future__ import annotations

from typing import Any

from guichet.accounts.directory import Directory
from guichet.accounts.settings import Agent, Site
from guichet.store.port import Row

NOT_YET = frozenset({"held", "queued"})
"""An agent's words that have not left."""


def shown(row: Row, org: str, directory: Directory) -> dict[str, Any]:
    """The message as `WireMessage`; the row is a whole one."""
    kind = row["kind"]
    out: dict[str, Any] = {
        "n": row["n"],
        "id": str(row["message"]),
        "author": "system",
        "text": row["text"] or "",
        "at": row["at"],
    }
    if kind == "customer":
        out["author"] = "me"
        out["id"] = out["id"].rpartition(".")[2]
    elif kind == "agent":
        out["author"] = "agent"
        out["status"] = row["status"]
        out["name"] = agent_name(directory, org, row["author"])
    if row["attachments"]:
        out["attachments"] = row["attachments"]
    return out


def agent_name(directory: Directory, org: str, agent: object) -> str | None:
    """Who answers, as the visitor may read it."""
    found = directory.find(org, Agent, str(agent))
    return found.name if found is not None else None


def agent_country(directory: Directory, org: str, agent: object) -> str | None:
    """From which country: the one of the agent's site."""
    found = directory.find(org, Agent, str(agent))
    site = directory.find(org, Site, found.site) if found is not None else None
    return site.country if site is not None else None
