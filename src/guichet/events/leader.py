"""Facts of the leader itself."""

from __future__ import annotations

from guichet.events.base import Fact, Id, Plain, fact
from guichet.kit.clock import Instant


@fact("deadline.fired", stream=lambda f: f"deadline/{f.kind}")
class DeadlineFired(Fact, frozen=True, kw_only=True):
    """A deadline passed; `kind` says of what (offer, wrapup ...), `id` of which one. A logged input."""

    kind: Plain[str]
    id: Id
    due: Instant
