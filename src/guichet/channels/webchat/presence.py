"""Who has a socket open, and who has been gone for too long: that is leaving.

One job per conversation keeps watch, so that a visitor also counts as gone when this process was killed:
those who do not come back within `GONE_AFTER` of the start have left. The job looks again and again while the
visitor is here; its key alternates, so that the next one is there before this one ends.
"""

from __future__ import annotations

from guichet.channels.base import Edge
from guichet.channels.inbound import ask
from guichet.channels.webchat.visitors import Visit
from guichet.channels.work import work
from guichet.kit.clock import SECOND, Millis
from guichet.kit.errors import Refused
from guichet.leader.registry import Actor
from guichet.store.port import Job
from guichet.store.rows import NewJob

GONE_AFTER = 90 * SECOND
QUEUE = "webchat.left"
MAX_SOCKETS = 20
"""Open sockets (tabs) of one visit."""


class Presence:
    """The open sockets of this process's visits."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._started = edge.clock.monotonic()
        self._open: dict[str, int] = {}
        self._gone: dict[str, float] = {}

    def came(self, conversation: str) -> None:
        """A socket opened. Raises Refused when there are too many."""
        count = self._open.get(conversation, 0)
        if count >= MAX_SOCKETS:
            raise Refused("limited", "visit.too_many_sockets", "close other tabs", limit=MAX_SOCKETS)
        self._open[conversation] = count + 1
        self._gone.pop(conversation, None)

    def went(self, conversation: str, *, watched: bool) -> None:
        """A socket closed. `watched`: there is a conversation, so somebody asks when the visitor went."""
        count = self._open.pop(conversation) - 1
        if count:
            self._open[conversation] = count
        elif watched:
            self._gone[conversation] = self._edge.clock.monotonic()

    async def watch(self, visit: Visit) -> None:
        """Begins to keep watch over a conversation; again is harmless."""
        await self._look(visit.org, visit.customer, visit.conversation, 0, GONE_AFTER)

    async def run(self) -> None:
        """Looks after those who may have gone, until cancelled."""
        await work(self._edge, QUEUE, self._check, forever=True)

    async def _check(self, job: Job, owner: str) -> None:
        org, customer = str(job.payload["org"]), str(job.payload["customer"])
        conversation, turn = str(job.payload["conversation"]), int(str(job.payload["turn"]))
        now = self._edge.clock.monotonic()
        since = now if conversation in self._open else self._gone.get(conversation, self._started)
        left = GONE_AFTER - round((now - since) * SECOND)
        if left > 0:
            await self._look(org, customer, conversation, 1 - turn, left)
        else:
            actor = Actor("visitor", customer, org)
            await leave(self._edge, actor, conversation, f"left:{job.id}")
            self._gone.pop(conversation, None)
        await self._edge.jobs.done(job, owner)

    async def _look(self, org: str, customer: str, conversation: str, turn: int, after: Millis) -> None:
        payload: dict[str, str | int | None] = {
            "org": org,
            "customer": customer,
            "conversation": conversation,
            "turn": turn,
        }
        await self._edge.jobs.add(NewJob(QUEUE, f"{conversation}:{turn}", payload), after)


async def leave(edge: Edge, actor: Actor, conversation: str, key: str) -> None:
    """The visitor has left; nothing to do where the conversation is gone (erased). Raises Refused."""
    try:
        await edge.submit(ask("customer_left", key, actor, conversation=conversation))
    except Refused as refused:
        if refused.kind not in ("not_found", "conflict"):
            raise
