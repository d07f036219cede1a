"""Tells the leader who is at a desk: connected with the first socket, vanished some time after the last one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from guichet.channels.base import Submit
from guichet.kit.errors import Refused
from guichet.kit.ids import new_id
from guichet.kit.tasks import Supervisor
from guichet.leader.registry import COMMANDS, Actor, Command

log = structlog.get_logger(__name__)

RETRY_SECONDS = 1.0

Agent = tuple[str, str]
"""(organisation, agent)."""


class Presence:
    """Counts the sockets of each agent in this process. Kept in memory only: a leader
    begins by taking everybody for vanished, and whoever is here is told to it (again)."""

    def __init__(
        self, submit: Submit, supervisor: Supervisor, vanish_seconds: Callable[[str], float]
    ) -> None:
        self._submit = submit
        self._supervisor = supervisor
        self._vanish_seconds = vanish_seconds
        self._sockets: dict[Agent, int] = {}
        self._leaving: dict[Agent, asyncio.TimerHandle] = {}
        self._told: dict[Agent, bool] = {}
        self._telling: set[Agent] = set()

    def came(self, agent: Agent) -> None:
        """One more socket."""
        count = self._sockets[agent] = self._sockets.get(agent, 0) + 1
        leaving = self._leaving.pop(agent, None)
        if leaving is not None:
            leaving.cancel()
        if count == 1:
            self._tell(agent)

    def left(self, agent: Agent) -> None:
        """One less. Without any for `vanish_seconds`, the agent has vanished."""
        count = self._sockets[agent] - 1
        if count:
            self._sockets[agent] = count
            return
        del self._sockets[agent]
        loop = asyncio.get_running_loop()
        self._leaving[agent] = loop.call_later(self._vanish_seconds(agent[0]), self._gone, agent)

    def tell_again(self) -> None:
        """A leader has begun anew in this process, and takes everybody for vanished."""
        self._told.clear()
        for agent in {*self._sockets, *self._leaving}:
            self._tell(agent)

    def close(self) -> None:
        """Forgets who was about to vanish: the process stops, and a new one will ask again."""
        for leaving in self._leaving.values():
            leaving.cancel()
        self._leaving.clear()

    def _gone(self, agent: Agent) -> None:
        del self._leaving[agent]
        self._tell(agent)

    def _here(self, agent: Agent) -> bool:
        return agent in self._sockets or agent in self._leaving

    def _tell(self, agent: Agent) -> None:
        if agent not in self._telling and self._told.get(agent, False) != self._here(agent):
            self._telling.add(agent)
            self._supervisor.start("desk presence", self._until_told(agent))

    async def _until_told(self, agent: Agent) -> None:
        """Repeats until the leader knows what is true now."""
        try:
            while (here := self._here(agent)) != self._told.get(agent, False):
                name = "agent_connected" if here else "agent_vanished"
                payload = COMMANDS[name].payload(agent=agent[1])
                actor = Actor("system", "desk", agent[0])
                try:
                    await self._submit(Command(name=name, key=new_id(), actor=actor, payload=payload))
                except Refused as refused:
                    if refused.kind not in ("unavailable", "limited"):
                        # An agent that the leader does not know: nothing to be told.
                        log.warning("presence refused", command=name, code=refused.code)
                        return
                    await asyncio.sleep(RETRY_SECONDS)
                    continue
                if here:
                    self._told[agent] = True
                else:
                    self._told.pop(agent, None)
        finally:
            self._telling.discard(agent)
