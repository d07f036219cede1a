"""What is true for some seconds and never stored: somebody is writing. In memory, bounded, may drop."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from guichet.channels.base import Cancel
from guichet.kit.clock import Clock, Instant

EVERY = 1.0
"""Seconds between two signals of one person in one conversation; those between are dropped."""
LASTS = 6_000
"""Milliseconds after which a signal that was not repeated is over."""


class Signal(msgspec.Struct, frozen=True):
    """Somebody writes in a conversation: an agent, or (None) its customer; over at `until` unless repeated."""

    conversation: str
    agent: str | None
    until: Instant


Listener = Callable[[Signal], None]


class _Conversation:
    """Who listens there, and when each person may be heard again."""

    __slots__ = ("listeners", "quiet")

    def __init__(self) -> None:
        self.listeners: list[tuple[Listener, bool]] = []
        self.quiet: dict[str | None, float] = {}


class Signals:
    """The desks and the customers' side of one web process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._conversations: dict[tuple[str, str], _Conversation] = {}

    def listen(self, org: str, conversation: str, on: Listener, *, colleague: bool = False) -> Cancel:
        """Calls `on` until cancelled. Only colleagues hear internal signals."""
        here = self._conversations.setdefault((org, conversation), _Conversation())
        entry = (on, colleague)
        here.listeners.append(entry)

        def cancel() -> None:
            if entry in here.listeners:
                here.listeners.remove(entry)
            if not here.listeners and self._conversations.get((org, conversation)) is here:
                del self._conversations[org, conversation]

        return cancel

    def writing(
        self, org: str, conversation: str, agent: str | None = None, *, internal: bool = False
    ) -> None:
        """Tells whoever listens that an agent, or (None) the customer, is writing there. Nobody listens, or it
        is too soon after the last time: nothing happens."""
        here = self._conversations.get((org, conversation))
        if here is None:
            return
        now = self._clock.monotonic()
        if now < here.quiet.get(agent, now):
            return
        here.quiet[agent] = now + EVERY
        signal = Signal(conversation, agent, self._clock.now() + LASTS)
        for on, colleague in list(here.listeners):
            if colleague or not internal:
                on(signal)
