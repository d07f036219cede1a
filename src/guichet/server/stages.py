"""Which stages there are: importing them registers their commands, reactors, projections and tables."""

from __future__ import annotations

import importlib
import importlib.util

from guichet.accounts.part import Accounts, Rules
from guichet.channels import registry as channels
from guichet.conversations.part import Conversations
from guichet.customers.part import Customers
from guichet.events.base import Fact
from guichet.events.routing import OfferMade, OfferMissed
from guichet.leader.state import State
from guichet.media.part import Media
from guichet.routing.part import Routing
from guichet.routing.policy import policies

ANSWERS_ONLY: frozenset[type[Fact]] = frozenset({OfferMade, OfferMissed})
"""Facts that no person brings in: a replay must find a reactor that gives each of them."""

STAGES = ("accounts", "customers", "channels", "media", "conversations", "routing")
FILES = ("commands", "reactors", "projections", "start")


def load() -> None:
    """Imports what registers itself; the order of the stages is the order in which reactors run."""
    for stage in STAGES:
        for file in FILES:
            name = f"guichet.{stage}.{file}"
            if importlib.util.find_spec(name) is not None:
                importlib.import_module(name)
    channels.load()


def rules() -> Rules:
    """What configuration is checked against downstream of accounts: the policies and channels there are."""
    return Rules(
        policies=frozenset(policies()),
        channel_settings=channels.channel_settings,
        addresses=channels.addresses,
    )


def new_state(given: Rules | None = None) -> State:
    """An empty state with a part of each stage; `given` instead of this installation's `rules`."""
    accounts = Accounts(given if given is not None else rules())
    customers = Customers(accounts)
    conversations = Conversations(accounts, customers)
    return State(
        [accounts, customers, Media(accounts, customers), conversations, Routing(accounts, conversations)]
    )
