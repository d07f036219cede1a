"""The traffic switch: invented customers and simulated agents, through the real doors, until switched off."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import asdict
from typing import Any

import structlog
from websockets.exceptions import WebSocketException

from guichet.kit.errors import Refused
from guichet.kit.tasks import Supervisor
from guichet.server.demo.customers import Correspondents, chat
from guichet.server.demo.mailbox import Letter, Mailbox
from guichet.server.demo.operator import PEOPLE, SHOPS
from guichet.server.demo.people import World
from guichet.server.demo.robots import Robot

ROBOTS = ("amina", "tiago", "beatriz", "salma")
MOST_CHATS = 6
"""Chats at a time: what four agents can hold."""
CHAT_EVERY = 18.0
"""Seconds between two visitors, on average."""
MAIL_EVERY = 55.0

log = structlog.get_logger(__name__)


class Traffic:
    """On or off; `start` and `stop` may be called in any order."""

    def __init__(self, world: World, mailbox: Mailbox, mail_door: Callable[[], tuple[str, int]]) -> None:
        self._world = world
        self._tasks = Supervisor()
        self.on = False
        self._letters = Correspondents(world, mailbox, mail_door, self._later)
        mailbox.listeners.append(self._letter)

    def figures(self) -> dict[str, Any]:
        """How it stands, for the start page."""
        return {"on": self.on, **asdict(self._world.figures)}

    def start(self) -> None:
        if self.on:
            return
        self.on = True
        for person in PEOPLE:
            if person.id in ROBOTS:
                self._tasks.start(f"simulated agent {person.id}", Robot(self._world, person).run())
        self._tasks.start("visitors", self._visitors())
        self._tasks.start("correspondents", self._correspondents())

    async def stop(self) -> None:
        """Ends it all and waits until it has ended; conversations going on are left to the people."""
        self.on = False
        await self._tasks.close()

    def _letter(self, letter: Letter) -> None:
        if self.on:
            self._letters.answered(letter)

    def _later(self, letter: Letter) -> None:
        self._tasks.start("correspondent", self._letters.write_again(letter))

    async def _visitors(self) -> None:
        await self._world.pause(1, 3)
        while True:
            if self._world.figures.chats < MOST_CHATS:
                self._tasks.start(
                    "visitor", _tolerant("chat", chat(self._world, self._world.chance.pick(SHOPS)))
                )
            await self._next(CHAT_EVERY)

    async def _correspondents(self) -> None:
        await self._world.pause(4, 9)
        while True:
            self._tasks.start(
                "correspondent", _tolerant("mail", self._letters.write(self._world.chance.pick(SHOPS)))
            )
            await self._next(MAIL_EVERY)

    async def _next(self, mean: float) -> None:
        """Arrivals at random, `mean` seconds apart, never all at once."""
        seconds = min(4 * mean, 1 + self._world.chance.exponential(mean))
        await self._world.pause(seconds, seconds)


async def _tolerant(what: str, work: Coroutine[Any, Any, None]) -> None:
    """A customer who is not served goes away; the centre's own log says why."""
    try:
        await work
    except (OSError, WebSocketException, TimeoutError, Refused) as error:
        log.info("invented customer went away", what=what, error=type(error).__name__)
