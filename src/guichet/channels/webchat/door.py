"""The chat at work in one process: its routes, the watch over who left, the places in line."""

from __future__ import annotations

import asyncio

from guichet.channels.base import Door, Edge
from guichet.channels.webchat.presence import Presence
from guichet.channels.webchat.routes import Pages
from guichet.channels.webchat.socket import Talk
from guichet.kit.errors import Refused

PLACE_EVERY = 2.0
"""Seconds between two looks at the places in line."""


class ChatDoor(Door):
    """What the composition root serves and runs."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._talks: set[Talk] = set()
        self._presence = Presence(edge)
        self.routes = Pages(edge, self._talks, self._presence).routes

    async def run(self) -> None:
        """Until cancelled."""
        places = self._edge.tasks.start("places in line", self._show_places())
        try:
            await self._presence.run()
        finally:
            places.cancel()

    async def _show_places(self) -> None:
        while True:
            for talk in [talk for talk in self._talks if talk.waiting]:
                try:
                    talk.show_place(await self._edge.place(talk.visit.org, talk.visit.conversation))
                except (OSError, Refused):
                    break  # the store does not answer; the next round asks again
            await asyncio.sleep(PLACE_EVERY)
