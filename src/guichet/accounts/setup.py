"""The first run: an installation without an organisation gets one, with its administrator."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from guichet.accounts.access import Access
from guichet.accounts.commands import FoundOrganisation
from guichet.accounts.directory import Directory
from guichet.accounts.passwords import Passwords
from guichet.kit.errors import Refused
from guichet.kit.ids import new_id
from guichet.leader.registry import Actor, Command

Submit = Callable[[Command], Awaitable[dict[str, Any]]]


class SetUp:
    """Open to anybody who reaches the installation, as long as nobody did it."""

    def __init__(self, directory: Directory, passwords: Passwords, submit: Submit) -> None:
        self._directory = directory
        self._passwords = passwords
        self._submit = submit

    @property
    def needed(self) -> bool:
        return not self._directory.organisations()

    async def run(self, ask: FoundOrganisation, password: str) -> Access:
        """Founds the organisation, signs the administrator in. Raises Refused, also when somebody was faster:
        the leader decides."""
        if not self.needed:
            raise Refused("conflict", "organisation.exists", "this is set up already; sign in")
        # The password first: an administrator who cannot sign in could not be helped. If the rest is refused
        # it lies in the vault under an id that nobody has.
        await self._passwords.set(ask.organisation, ask.administrator, password)
        actor = Actor("system", "setup", ask.organisation)
        await self._submit(Command("found_organisation", new_id(), actor, ask))
        return Access(ask.organisation, ask.administrator, ask.administrator_name, "administrator", ("*",))
