"""Invitations: a link that works once, by which somebody chooses a password (the first, or a new one)."""

from __future__ import annotations

from guichet.accounts.access import Access
from guichet.accounts.directory import Directory
from guichet.accounts.passwords import Passwords, check_length
from guichet.accounts.permissions import ADMINISTER
from guichet.kit.clock import DAY, Clock, Instant
from guichet.kit.errors import Refused, invalid
from guichet.store.port import Sessions

KIND = "invitation"
VALID = 7 * DAY


class Invitations:
    """Makes and takes invitations. A newer one ends the older ones of the same agent."""

    def __init__(self, directory: Directory, sessions: Sessions, passwords: Passwords, clock: Clock) -> None:
        self._directory = directory
        self._sessions = sessions
        self._passwords = passwords
        self._clock = clock

    async def create(self, by: Access, agent: str) -> tuple[str, Instant]:
        """(token, when it ends) for an active agent of the asker's organisation. Raises Refused."""
        by.need(ADMINISTER)
        if self._directory.access(by.org, agent) is None:
            raise invalid("agent", "agent.not_found", "there is no such active agent")
        await self._sessions.end_all(KIND, by.org, agent)
        expires = self._clock.now() + VALID
        return await self._sessions.create(KIND, by.org, agent, expires), expires

    async def who(self, token: str) -> Access:
        """Whom the invitation is for. Raises Refused when it was used, is too old or never was."""
        session = await self._sessions.find(KIND, token) if len(token) <= 100 else None
        access = self._directory.access(session.org, session.actor) if session is not None else None
        if access is None:
            raise Refused(
                "not_found", "invitation.gone", "this link was used or is too old; ask for a new one"
            )
        return access

    async def accept(self, token: str, password: str) -> Access:
        """Sets the password and uses the invitation up, once, whoever else tries at the same moment."""
        access = await self.who(token)
        check_length(password)
        if not await self._sessions.end(KIND, token):
            raise Refused(
                "not_found", "invitation.gone", "this link was used or is too old; ask for a new one"
            )
        await self._passwords.set(access.org, access.agent, password)
        return access
