"""Who is at a desk, as the leader is told: once, in order, again after a failure, and not about every tab."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from guichet.desk import presence as module
from guichet.desk.presence import Presence
from guichet.kit.errors import Refused
from guichet.kit.tasks import Supervisor
from guichet.leader.registry import Command
from guichet.server import stages
from tests.support.waiting import wait_until

pytestmark = pytest.mark.unit

stages.load()
PAUL = ("org", "paul")


class Leader:
    """Takes commands; refuses as often as it is told to."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.keys: set[str] = set()
        self.refusals: list[Refused] = []

    async def __call__(self, command: Command, /) -> dict[str, Any]:
        await asyncio.sleep(0)
        if self.refusals:
            raise self.refusals.pop(0)
        assert (command.actor.kind, command.actor.org) == ("system", "org")
        self.told.append(f"{command.name} {command.payload.agent}")  # type: ignore[attr-defined]
        self.keys.add(command.key)
        return {}


async def test_it_tells_of_the_first_and_of_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    leader, supervisor, seconds = Leader(), Supervisor(), 0.02
    presence = Presence(leader, supervisor, lambda org: seconds)
    presence.came(PAUL)
    presence.came(PAUL)
    await wait_until(lambda: leader.told)
    presence.left(PAUL)
    presence.left(PAUL)
    presence.came(PAUL)  # the page was loaded again
    presence.left(PAUL)
    await wait_until(lambda: len(leader.told) == 2)
    assert leader.told == ["agent_connected paul", "agent_vanished paul"]
    leader.refusals = [Refused("unavailable", "x", "x"), Refused("limited", "x", "x")]
    presence.came(PAUL)
    await wait_until(lambda: len(leader.told) == 3)
    assert leader.told[-1] == "agent_connected paul"
    assert len(leader.keys) == 3
    leader.refusals = [Refused("not_found", "x", "x")]  # no such agent: it is not asked for ever
    presence.left(PAUL)
    await wait_until(lambda: not leader.refusals)
    presence.close()
    await supervisor.close()
    assert len(leader.told) == 3


async def test_who_comes_and_goes_while_it_is_being_told_ends_as_they_are() -> None:
    leader, supervisor = Leader(), Supervisor()
    presence = Presence(leader, supervisor, lambda org: 0.0)
    presence.came(PAUL)
    presence.left(PAUL)
    await wait_until(lambda: leader.told in ([], ["agent_connected paul", "agent_vanished paul"]))
    presence.came(PAUL)
    await wait_until(lambda: leader.told and leader.told[-1] == "agent_connected paul")
    presence.close()
    await supervisor.close()


async def test_a_leader_that_begins_anew_is_told_of_everybody_again() -> None:
    leader, supervisor = Leader(), Supervisor()
    presence = Presence(leader, supervisor, lambda org: 60)
    presence.came(PAUL)
    await wait_until(lambda: len(leader.told) == 1)
    presence.tell_again()
    await wait_until(lambda: len(leader.told) == 2)
    assert leader.told[-1] == "agent_connected paul"
    presence.left(PAUL)
    presence.tell_again()  # a page that is being loaded again still counts
    await wait_until(lambda: len(leader.told) == 3)
    assert leader.told[-1] == "agent_connected paul"
    presence.close()
    await supervisor.close()
