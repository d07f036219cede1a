"""Facts of customers: people, the identities by which they reach us, merging, erasure."""

from __future__ import annotations

from guichet.events.base import Fact, Id, Personal, Plain, fact


@fact("customer.created", stream="customer", opens=True)
class CustomerCreated(Fact, frozen=True, kw_only=True):
    """Somebody reached a client for the first time. `anonymous`: known by a visitor's token only."""

    customer: Id
    client: Id
    anonymous: bool


@fact("identity.claimed", stream="customer", subject="customer")
class IdentityClaimed(Fact, frozen=True, kw_only=True):
    """A handle by which the customer can be reached. `proven`: a provider or a signature vouches for it; what
    somebody merely typed is not, and never leads to another customer. `hash` is its key in table `identity`."""

    customer: Id
    client: Id
    kind: Plain[str]
    proven: bool
    hash: Personal[str] = ""
    handle: Personal[str] = ""


@fact("customer.described", stream="customer", subject="customer")
class CustomerDescribed(Fact, frozen=True, kw_only=True):
    """What we know of the person; None leaves a field as it was, an empty text clears it."""

    customer: Id
    client: Id
    name: Personal[str | None] = None
    email: Personal[str | None] = None
    phone: Personal[str | None] = None
    language: Personal[str | None] = None


@fact("customer.merged", stream="customer")
class CustomerMerged(Fact, frozen=True, kw_only=True):
    """This customer turned out to be `into`. Its conversations keep its id (and its key): readers look at both."""

    customer: Id
    into: Id
    client: Id


@fact("customer.absorbed", stream="customer")
class CustomerAbsorbed(Fact, frozen=True, kw_only=True):
    """The other side of `customer.merged`, in the stream of the customer that remains."""

    customer: Id
    absorbed: Id
    client: Id


@fact("customer.erased", stream="customer")
class CustomerErased(Fact, frozen=True, kw_only=True):
    """All rows about the customer are gone with this commit; key and blobs follow by a job."""

    customer: Id
    client: Id


@fact("customer.erasure_completed", stream="customer")
class CustomerErasureCompleted(Fact, frozen=True, kw_only=True):
    """The customer's key, blobs and drafts are destroyed: what the log holds of them cannot be read any more."""

    customer: Id
