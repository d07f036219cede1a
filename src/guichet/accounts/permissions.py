"""What somebody may do. Each command and each view names one of these; roles collect them."""

from __future__ import annotations

from guichet.accounts.settings import Role

SPEAK_AS_CUSTOMER = "speak_as_customer"
"""Act as the customer of one conversation: a visitor in their own, a channel's door for anybody."""
WORK = "work"
"""Take, answer, note, park, close, transfer, for the clients one is cleared for."""
LEAD = "lead"
"""Do so for others too: assign, change a presence, open what colleagues have, watch the queues."""
ADMINISTER = "administer"
"""Change the configuration and invite people."""
ERASE = "erase"
"""Erase a customer for good."""
SYSTEM = "system"
"""Reserved to parts of the system itself."""

BY_ROLE: dict[Role, frozenset[str]] = {
    "agent": frozenset({WORK}),
    "leader": frozenset({WORK, LEAD}),
    "administrator": frozenset({WORK, LEAD, ADMINISTER, ERASE}),
}

OF_SYSTEM = frozenset({SPEAK_AS_CUSTOMER, ADMINISTER, ERASE, SYSTEM})
"""System actors do no agent's work."""
