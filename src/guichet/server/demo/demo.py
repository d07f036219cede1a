"""What the composition root gets: one demonstration in one process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.routing import Route

from guichet.accounts.directory import Directory
from guichet.accounts.settings import EntryPoint
from guichet.customers.identity import IdentityHasher
from guichet.kit.clock import Clock
from guichet.kit.ids import new_id
from guichet.kit.seeded import Seeded
from guichet.leader.registry import COMMANDS, Actor, Command
from guichet.leader.thread import LoopThread
from guichet.server import stages
from guichet.server.demo.mailbox import Mailbox
from guichet.server.demo.operator import ORG, PASSWORD, PEOPLE
from guichet.server.demo.people import World
from guichet.server.demo.seed import seed
from guichet.server.demo.site import FRONT, Site
from guichet.server.demo.traffic import Traffic
from guichet.server.settings import ProcessSettings
from guichet.store.ciphers import derive
from guichet.store.engines import open_store
from guichet.store.vault import master_key

HOST = "127.0.0.1"
Submit = Callable[[Command], Awaitable[dict[str, Any]]]


class Demo:
    """In this order: `open` before the node opens, `begin` once it leads, `close`.

    Args:
        mail_door: where the process takes mail; asked each time, for it may not listen yet.
        speed: how much faster than people its people are; for tests.
    """

    def __init__(
        self,
        settings: ProcessSettings,
        clock: Clock,
        mail_door: Callable[[], tuple[str, int]],
        speed: float = 1.0,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self.mailbox = Mailbox(settings.data_dir / "demo-mailbox.jsonl", clock)
        self.traffic = Traffic(
            World(settings.url, clock, Seeded(clock.now()), speed), self.mailbox, mail_door
        )
        self._site = Site(self.mailbox, self.traffic, mail_door)
        self._relay = (HOST, 0)

    async def open(self, progress: Callable[[str], None]) -> bool:
        """Opens the customers' mail server, on the port after the process's own door, and fills the data directory
        when it is empty (True). Raises Refused: the port is taken; NewerDatabase, OSError: the store's own."""
        settings = self._settings
        stages.load()
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._relay = await self.mailbox.listen(HOST, settings.smtp_port + 1 if settings.smtp_port else 0)
        master = master_key(settings.data_dir / "master.key")
        hasher = IdentityHasher(derive(master, "guichet identities"))
        thread = LoopThread("seed", asyncio.new_event_loop)
        thread.start()
        try:
            store = await open_store(
                settings.database_url, settings.data_dir, thread.loop, self._clock, master
            )
            try:
                return await seed(store, thread.run, hasher, self._clock.now(), self._relay, progress)
            finally:
                await store.close()
        finally:
            thread.stop()

    async def begin(self, submit: Submit, directory: Directory, *, traffic: bool = False) -> None:
        """Points the shops' mail at this run's mail server, and starts traffic if asked to. Raises Refused."""
        host, port = self._relay
        for ident, item in list(directory.items(ORG, "entry_point").items()):
            value = item.value
            if not isinstance(value, EntryPoint) or not value.settings.get("relay"):
                continue
            relay = {**value.settings["relay"], "host": host, "port": port}
            if relay != value.settings["relay"]:
                changed = value.model_copy(update={"settings": {**value.settings, "relay": relay}})
                payload = COMMANDS["set_config"].payload(
                    kind="entry_point",
                    id=ident,
                    value=changed.model_dump(mode="json"),
                    expected_version=item.version,
                )
                await submit(Command("set_config", new_id(), Actor("system", "demo", ORG), payload))
        if traffic:
            self.traffic.start()

    def routes(self) -> list[Route]:
        """ "/" and everything below "/demo"."""
        return self._site.routes()

    def lines(self) -> list[str]:
        """What to print: addresses and sign-ins."""
        url = self._settings.url
        people = ", ".join(f"{p.email} ({p.role})" for p in PEOPLE if p.id in FRONT)
        return [
            f"start page     {url}/",
            f"shops          {url}/demo/shop/corvelle  {url}/demo/shop/wrenfield",
            f"web mailbox    {url}/demo/mail",
            f"desk           {url}/desk",
            f"sign in as     {people}",
            f"password       {PASSWORD}",
        ]

    async def close(self) -> None:
        """Stops traffic and the mail server."""
        with contextlib.suppress(TimeoutError):
            await self.traffic.stop()
        await self.mailbox.close()
