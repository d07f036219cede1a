"""What the worker does for an erased customer. Each step may be repeated, and is, until it works: nobody looks after
a promise that was given up. Rows went with the fact itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from guichet.customers.commands import CompleteErasure
from guichet.leader.registry import Actor, Command
from guichet.store.port import Blobs, Drafts, Job, Keys


async def erase(
    job: Job, keys: Keys, blobs: Blobs, drafts: Drafts, submit: Callable[[Command], Awaitable[dict[str, Any]]]
) -> None:
    """The body of a job of `ERASE_QUEUE`: first the key, without which nothing can be read, then the rest."""
    org, customer = str(job.payload["org"]), str(job.payload["customer"])
    await keys.destroy(customer)
    await blobs.erase(customer)
    await drafts.erase(customer)
    actor = Actor("system", "erasure", org)
    await submit(Command("complete_erasure", f"erasure:{customer}", actor, CompleteErasure(customer)))
