"""The check that the leader makes before every command. Reads use `Access` for the same questions."""

from __future__ import annotations

from guichet.accounts.access import Access, not_cleared, not_permitted, unknown_agent
from guichet.accounts.part import Accounts
from guichet.accounts.permissions import LEAD, OF_SYSTEM, SPEAK_AS_CUSTOMER, WORK
from guichet.kit.errors import Refused
from guichet.leader.registry import Actor, CommandSpec, Scope
from guichet.leader.state import State


def not_found() -> Refused:
    """The answer for what does not exist, and for what somebody must not learn the existence of."""
    return Refused("not_found", "not_found", "there is nothing with this id")


def authorise(state: State, actor: Actor, spec: CommandSpec, scope: Scope) -> None:
    """`leader.run.Authorise`. Raises Refused when this actor may not do this there."""
    if actor.kind == "system":
        if spec.permission not in OF_SYSTEM:
            raise not_permitted(spec.permission)
    elif actor.kind == "visitor":
        if spec.permission != SPEAK_AS_CUSTOMER:
            raise not_permitted(spec.permission)
        if scope.customer != actor.id:
            raise not_found()
    else:
        access = state.part(Accounts).directory.access(actor.org, actor.id)
        if access is None:
            raise unknown_agent()
        _authorise_agent(access, spec.permission, scope)


def _authorise_agent(access: Access, permission: str, scope: Scope) -> None:
    others = permission == WORK and scope.agent not in (None, access.agent)
    access.need(LEAD if others else permission)
    if scope.client is not None and not access.cleared(scope.client):
        raise not_cleared()
