"""Who a signed-in person is and how far their word reaches. Made anew for each request, so it is never stale."""

from __future__ import annotations

import msgspec

from guichet.accounts.permissions import BY_ROLE
from guichet.accounts.settings import ANY, Agent, Role
from guichet.kit.errors import Refused
from guichet.leader.registry import Actor


class Access(msgspec.Struct, frozen=True):
    """An active agent of an organisation."""

    org: str
    agent: str
    name: str
    role: Role
    clients: tuple[str, ...]

    @classmethod
    def of(cls, org: str, agent: str, settings: Agent) -> Access:
        return cls(org, agent, settings.name, settings.role, tuple(settings.clients))

    @property
    def actor(self) -> Actor:
        """As who their commands are submitted."""
        return Actor("agent", self.agent, self.org)

    def may(self, permission: str) -> bool:
        return permission in BY_ROLE[self.role]

    def cleared(self, client: str) -> bool:
        """Whether they may see anything of this client."""
        return ANY in self.clients or client in self.clients

    def need(self, permission: str) -> None:
        """Raises Refused without the permission."""
        if not self.may(permission):
            raise not_permitted(permission)


def not_permitted(permission: str) -> Refused:
    """The answer to somebody whose role lacks a permission."""
    return Refused(
        "forbidden", "permission.missing", f"your role does not allow this; it takes {permission!r}"
    )


def not_cleared() -> Refused:
    """The answer to somebody who does not work for this client."""
    return Refused(
        "forbidden", "client.not_cleared", "you are not cleared for this client; ask an administrator"
    )


def unknown_agent() -> Refused:
    """The answer to somebody who is no (active) agent of the organisation."""
    return Refused(
        "signed_out", "agent.unknown", "this account does not exist or is not active; sign in again"
    )
