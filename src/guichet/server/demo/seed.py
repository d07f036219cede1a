"""The first start of a demonstration: configuration, passwords and a history, written before anybody leads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from guichet.accounts.passwords import Passwords
from guichet.customers.identity import IdentityHasher
from guichet.kit.clock import DAY, Instant
from guichet.server.demo.history import CHAT, DAYS, MAIL, History
from guichet.server.demo.mailbox import CHECKED_BY
from guichet.server.demo.operator import ORG, PASSWORD, PEOPLE, configuration
from guichet.server.demo.past import Past, append
from guichet.server.leading import SHARD
from guichet.store.port import Batch, Store

OnWriter = Callable[[Coroutine[Any, Any, None]], Awaitable[None]]


async def seed(
    store: Store,
    on_writer: OnWriter,
    hasher: IdentityHasher,
    now: Instant,
    relay: tuple[str, int],
    progress: Callable[[str], None],
) -> bool:
    """Fills an empty data directory; False (and nothing done) when the log has begun already.

    `on_writer` runs a coroutine on the store's writer loop (`LoopThread.run`). `relay` is where the mailbox of
    the invented customers listens. Raises Refused, OSError.
    """
    if await store.reader.last(SHARD) != (0, 0):
        return False
    progress(f"inventing {DAYS} days of conversations ...")
    past = await asyncio.to_thread(invent, hasher, now, relay)
    batch: Batch = await past.prepare(store)
    progress(f"writing {len(batch.entries):,} facts ...")
    passwords = Passwords(store.secrets)
    # Passwords first: a history without anybody who can sign in would be of no use.
    for person in PEOPLE:
        await passwords.set(ORG, person.id, PASSWORD)
    await on_writer(append(store, batch))
    return True


def invent(hasher: IdentityHasher, now: Instant, relay: tuple[str, int], seed_number: int = 1) -> Past:
    """The operator and its last month, in memory."""
    past = Past(ORG, now - (DAYS + 1) * DAY)
    administrator = next(person for person in PEOPLE if person.role == "administrator")
    past.ask(
        "found_organisation", "system", "setup", organisation=ORG, name="Halcyre",
        administrator=administrator.id, administrator_name=administrator.name, email=administrator.email,
    )  # fmt: skip
    host, port = relay
    for kind, ident, value in configuration(CHAT, MAIL):
        settings = value.get("settings", {})
        if "address" in settings:
            settings["relay"] = {"host": host, "port": port, "tls": "none"}
            settings["checked_by"] = CHECKED_BY
        version = 1 if (kind, ident) == ("agent", administrator.id) else 0
        past.ask("set_config", "system", "setup", kind=kind, id=ident, value=value, expected_version=version)
    for _ in past.news():
        pass
    History(past, hasher, ORG, now, seed_number).live()
    return past
