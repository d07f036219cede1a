"""Signing in by password, at a limited rate."""

from __future__ import annotations

from guichet.accounts.access import Access
from guichet.accounts.directory import Directory, folded
from guichet.accounts.passwords import Passwords
from guichet.accounts.settings import Agent
from guichet.kit.clock import Clock
from guichet.kit.errors import Refused, invalid
from guichet.kit.limits import Buckets

# Only failures count, so that a whole site behind one address can start its shift together.
PER_ADDRESS = 50
PER_ACCOUNT = 10
REFILL_SECONDS = 30
MAX_ORGANISATIONS = 5
"""Organisations tried for one e-mail address: each costs a hash."""


class SignIn:
    """Checks who somebody is. It opens no session: that is the door's."""

    def __init__(self, directory: Directory, passwords: Passwords, clock: Clock) -> None:
        self._directory = directory
        self._passwords = passwords
        self._addresses = Buckets(clock, PER_ADDRESS, 1 / REFILL_SECONDS)
        self._accounts = Buckets(clock, PER_ACCOUNT, 1 / REFILL_SECONDS)

    async def check(self, email: str, password: str, organisation: str | None, address: str) -> list[Access]:
        """Whom the password proves the asker to be: one, or one per organisation of somebody who works for
        several. Raises Refused: wrong (the same for an unknown e-mail address), or tried too often."""
        found = await self._limited(email, password, organisation, address)
        if not found:
            raise Refused("signed_out", "sign_in.wrong", "the e-mail address or the password is wrong")
        return found

    async def confirm(self, access: Access, password: str, address: str) -> None:
        """Asks somebody who is signed in for their password again, under the same limits: an open desk is no way to
        find it out. Raises Refused."""
        agent = self._directory.find(access.org, Agent, access.agent)
        email = agent.email if agent is not None else ""
        if access.agent not in [a.agent for a in await self._limited(email, password, access.org, address)]:
            raise invalid("old", "password.wrong", "this is not your password")

    async def _limited(
        self, email: str, password: str, organisation: str | None, address: str
    ) -> list[Access]:
        account = folded(email)
        if not self._addresses.take(address):
            raise _too_often()
        if not self._accounts.take(account):
            self._addresses.give_back(address)
            raise _too_often()
        found = await self._matching(email, password, organisation)
        if found:
            self._addresses.give_back(address)
            self._accounts.give_back(account)
        return found

    async def _matching(self, email: str, password: str, organisation: str | None) -> list[Access]:
        agents = [(o, a) for o, a in self._directory.agents_with(email) if organisation in (None, o)]
        if not agents:
            await self._passwords.verify_nobody(password)
        found: list[Access] = []
        for org, agent in agents[:MAX_ORGANISATIONS]:
            if await self._passwords.verify(org, agent, password):
                access = self._directory.access(org, agent)
                if access is not None:
                    found.append(access)
        return found


def _too_often() -> Refused:
    return Refused("limited", "sign_in.too_often", "too many wrong tries; wait a few minutes, then try again")
