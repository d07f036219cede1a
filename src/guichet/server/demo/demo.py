"""What the composition root gets: one demonstration in one process."""

from __future__ import annotations

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
from guichet.server.demo.mailbox import Mailbox
from guichet.server.demo.operator import ORG, PASSWORD, PEOPLE
from guichet.server.demo.people import World
from guichet.server.demo.seed import OnWriter, seed
from guichet.server.demo.site import FRONT, Site
from guichet.server.demo.traffic import Traffic
from guichet.server.settings import ProcessSettings
from guichet.store.port import Store

Submit = Callable[[Command], Awaitable[dict[str, Any]]]


class Demo:
    """In this order: `open`, `seed` before anybody leads, `begin` once somebody does, `close`.

    Args:
        mail_door: where the process takes mail; asked each time, for it may not listen yet.
    """

    def __init__(
        self, settings: ProcessSettings, clock: Clock, mail_door: Callable[[], tuple[str, int]]
    ) -> None:
        self._settings = settings
        self._clock = clock
        self.mailbox = Mailbox(settings.data_dir / "demo-mailbox.jsonl", clock)
        self.traffic = Traffic(World(settings.url, Seeded(clock.now())), self.mailbox, mail_door)
        self._site = Site(self.mailbox, self.traffic, mail_door)
        self._relay = ("127.0.0.1", 0)

    async def open(self) -> None:
        """Opens the customers' mail server, beside the process's own door. Raises Refused: its port is taken."""
        port = self._settings.smtp_port
        self._relay = await self.mailbox.listen("127.0.0.1", port + 1 if port else 0)

    async def seed(
        self, store: Store, on_writer: OnWriter, hasher: IdentityHasher, progress: Callable[[str], None]
    ) -> bool:
        """Fills an empty data directory; False when there is something in it. Raises Refused, OSError."""
        return await seed(store, on_writer, hasher, self._clock.now(), self._relay, progress)

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
