"""A case for every command in the catalogue: who may, and what must stand before they can.

A case's conversation is of client shop of organisation "org" unless it says otherwise; whatever belongs to it is
named after it, so that the same request about nothing is a matter of another name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from guichet.accounts.permissions import ADMINISTER, BY_ROLE, ERASE, LEAD, WORK
from guichet.leader.registry import Actor
from tests.support.waiting import wait_until
from tests.support.walls import PEOPLE, House, may_see

Payload = dict[str, Any]
Prepare = Callable[[House, str], Awaitable[Payload]]


async def _nothing_more(house: House, of: str) -> None:
    return None


async def close(house: House, of: str) -> None:
    """So that nothing of it comes due later."""
    await house.do(house.agent("ada"), "close", conversation=of)


@dataclass(frozen=True, kw_only=True)
class Case:
    """`may`: one rightful actor. `also`: who is cleared and refused all the same, with what. `within`: whom it is
    nothing to: who is not cleared for the client, or only other organisations."""

    may: str
    permission: str
    prepare: Prepare
    client: str = "shop"
    within: Literal["client", "organisation"] = "client"
    also: dict[str, str] = field(default_factory=dict)
    foreign: str = "not_found"
    tidy: Callable[[House, str], Awaitable[None]] = _nothing_more

    def holds(self, who: str) -> bool:
        return self.permission in BY_ROLE[PEOPLE[who][1]]  # type: ignore[index]

    def may_do(self, who: str) -> bool:
        """Whether they are on the right side of the wall: by role, organisation and clearance."""
        inside = (
            PEOPLE[who][0] == "org" if self.within == "organisation" else may_see(who, "org", self.client)
        )
        return inside and self.holds(who)

    def expected(self, who: str) -> str:
        """The code of their refusal."""
        return self.foreign if self.holds(who) else "permission.missing"

    def unknown(self, payload: Payload, of: str) -> Payload:
        """The same about what is not there."""
        return {k: v.replace(of, "nothing") if isinstance(v, str) else v for k, v in payload.items()}

    def no_agents(self, of: str) -> list[Actor]:
        """Actors that are no people: none of them does people's work."""
        visitor, system = Actor("visitor", f"{of}-customer", "org"), Actor("system", "test", "org")
        return [visitor, system] if self.permission in (WORK, LEAD) else [visitor]


# --- what must stand before -----------------------------------------------------------------------------


def with_words(**more: Any) -> Prepare:
    """A conversation in which somebody wrote."""

    async def prepare(house: House, of: str) -> Payload:
        await house.chat(of)
        return {"conversation": of, **more}

    return prepare


def taken(**more: Any) -> Prepare:
    """The same, and Paul has it."""

    async def prepare(house: House, of: str) -> Payload:
        await house.chat(of)
        await house.do(house.agent("paul"), "take", conversation=of)
        return {"conversation": of, **{k: v.format(of=of) for k, v in more.items()}}

    return prepare


async def tagged(house: House, of: str) -> Payload:
    """There is a tag to choose."""
    await house.config("org", "tag", of, name="Colis")
    return {**await with_words()(house, of), "tags": [of]}


async def held(house: House, of: str) -> Payload:
    """Paul has a reply that has not left."""
    customer = f"{of}-customer"
    await house.node.store.keys.ensure(customer)
    visitor = house.visitor(of)
    await house.do(visitor, "register_customer", customer=customer, client="shop")
    await house.do(
        visitor, "open_conversation", conversation=of, customer=customer, entry_point="shop-chat", live=False,
        outbox=True, undo_seconds=600,
    )  # fmt: skip
    await house.say(of, "Bonjour")
    await house.do(house.agent("paul"), "take", conversation=of)
    await house.do(house.agent("paul"), "send_message", conversation=of, message=f"{of}-a", text="Bonjour")
    return {"conversation": of, "message": f"{of}-a"}


async def failed(house: House, of: str) -> Payload:
    """Paul has a reply that failed."""
    await sent(house, of)
    await house.do(
        house.system(), "record_delivery", conversation=of, message=f"{of}-a", status="failed", reason="gone"
    )
    return {"conversation": of, "message": f"{of}-a"}


async def sent(house: House, of: str) -> Payload:
    """Paul has answered."""
    await taken()(house, of)
    await house.do(house.agent("paul"), "send_message", conversation=of, message=f"{of}-a", text="Bonjour")
    return {"conversation": of, "message": f"{of}-a", "status": "delivered"}


async def offered(house: House, of: str) -> Payload:
    """Oda is asked; of client vip."""
    await house.do(house.agent("oda"), "set_presence", presence="available")
    await house.chat(of, "vip")
    (work,) = await house.rows("work", org="org", conversation=of)
    assert work["agent"] == "oda"
    return {"offer": work["offer"]}


async def wrapping_up(house: House, of: str) -> Payload:
    """Oda has ended her conversation."""
    await house.do(house.agent("oda"), "accept_offer", **await offered(house, of))
    await house.do(house.agent("oda"), "close", conversation=of)
    return {"task": f"{of}-1"}


async def registered(house: House, of: str) -> Payload:
    await house.open(of)
    return {"customer": f"{of}-customer"}


async def described(house: House, of: str) -> Payload:
    return {**await registered(house, of), "name": "Inès"}


async def hired(house: House, of: str) -> Payload:
    """A colleague who has not come yet."""
    await house.hire(f"{of}-agent", "org", "agent", ["shop"])
    return {"agent": f"{of}-agent"}


async def someone_elses_presence(house: House, of: str) -> Payload:
    return {**await hired(house, of), "presence": "training"}


async def a_value(house: House, of: str) -> Payload:
    """A change of what "org" has. Whoever asks for it elsewhere asks for something of their own."""
    await house.config("org", "client", of, name="Zircon")
    await house.config("org", "disposition", f"{of}-code", name="Code", client=of)
    value = {"name": "Autre", "client": of}
    return {"kind": "disposition", "id": f"{of}-code", "value": value, "expected_version": 1}


NOT_YOURS = dict.fromkeys(("eva", "lea", "ada"), "conversation.not_yours")
PEOPLES: dict[str, Case] = {
    "set_config": Case(
        may="rita", permission=ADMINISTER, prepare=a_value, within="organisation", foreign="config.stale"
    ),
    "describe_customer": Case(may="eva", permission=WORK, prepare=described),
    "send_message": Case(
        may="paul", permission=WORK, prepare=taken(message="{of}-a", text="Bonjour"), also=NOT_YOURS, tidy=close
    ),
    "undo_message": Case(
        may="paul", permission=WORK, prepare=held, also={"eva": "not_found", "ada": "not_found"}, tidy=close
    ),
    "retry_message": Case(may="eva", permission=WORK, prepare=failed, tidy=close),
    "add_note": Case(may="eva", permission=WORK, prepare=with_words(text="vu"), tidy=close),
    "park": Case(may="paul", permission=WORK, prepare=taken(), also=NOT_YOURS, tidy=close),
    "close": Case(may="paul", permission=WORK, prepare=taken(), also={"eva": "conversation.not_yours"}),
    "tag": Case(may="eva", permission=WORK, prepare=tagged, tidy=close),
    "take": Case(may="eva", permission=WORK, prepare=with_words(), tidy=close),
    "assign": Case(may="lea", permission=LEAD, prepare=with_words(agent="paul"), tidy=close),
    "transfer": Case(
        may="paul", permission=WORK, prepare=taken(agent="eva"), also={"eva": "conversation.not_yours"},
        tidy=close,
    ),
    "accept_offer": Case(
        may="oda", permission=WORK, prepare=offered, client="vip", also={"odo": "offer.over", "ada": "offer.over"},
        tidy=close,
    ),
    "decline_offer": Case(
        may="oda", permission=WORK, prepare=offered, client="vip", also={"odo": "offer.over", "ada": "offer.over"},
        tidy=close,
    ),
    "finish_wrapup": Case(
        may="oda", permission=WORK, prepare=wrapping_up, client="vip",
        also={"odo": "wrapup.over", "ada": "wrapup.over"},
    ),
    "set_presence": Case(
        may="ned", permission=LEAD, prepare=someone_elses_presence, within="organisation"
    ),
    # Last: what is left of her is destroyed meanwhile.
    "erase_customer": Case(may="ada", permission=ERASE, prepare=registered),
}  # fmt: skip
"""What a desk can ask for."""


# --- what no desk can ask for -----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Door:
    """A channel's or the system's own command. `customers`: the customer whom it is about may ask for it.
    `agents`: what an agent is told; `elsewhere`: what an agent, a visitor and the system of another organisation
    are. `again`: whose work it is has done it already, and only says it once more."""

    prepare: Prepare
    customers: bool = False
    founds: bool = False
    agents: str = "permission.missing"
    elsewhere: tuple[str, str, str] = ("not_found", "not_found", "not_found")
    again: bool = False

    def may(self, of: str) -> Actor:
        if self.customers:
            return Actor("visitor", f"{of}-customer", "org")
        return Actor("system", "test", f"{of}-org" if self.founds else "org")

    def must_not(self, of: str) -> dict[Actor, str]:
        """Who else asks, and what they are told."""
        agent, visitor, system = self.elsewhere
        return {
            Actor("agent", "paul", "org"): self.agents,
            Actor("agent", "ada", "org"): self.agents,
            Actor("agent", "zoe", "other"): agent,
            Actor("visitor", "nobody", "org"): "not_found" if self.customers else self.agents,
            Actor("visitor", f"{of}-customer", "other"): visitor,
            Actor("system", "test", "other"): system,
        }


async def founding(house: House, of: str) -> Payload:
    who = {"administrator": "a", "administrator_name": "A", "email": "a@x.example"}
    return {"organisation": f"{of}-org", "name": "X", **who}


async def registering(house: House, of: str) -> Payload:
    return {**await registered(house, of), "client": "shop", "name": "Inès"}


async def opening(house: House, of: str) -> Payload:
    customer = f"{of}-customer"
    await house.node.store.keys.ensure(customer)
    await house.do(house.visitor(of), "register_customer", customer=customer, client="shop")
    how = {"entry_point": "shop-chat", "live": True, "outbox": False}
    return {"conversation": of, "customer": customer, **how}


async def answered(house: House, of: str) -> Payload:
    await sent(house, of)
    return {"conversation": of, "n": 9}


async def erased(house: House, of: str) -> Payload:
    """Once the job has done its work, and said so."""
    about = await registered(house, of)
    await house.do(house.agent("ada"), "erase_customer", **about)

    async def done() -> bool:
        stream = f"customer/{of}-customer"
        found = await house.node.store.reader.streams([stream])
        return any(entry.type == "customer.erasure_completed" for entry in found[stream])

    await wait_until(done, "what is left of a customer is destroyed")
    return about


async def at_a_desk(house: House, of: str) -> Payload:
    about = await hired(house, of)
    await house.do(house.system(), "agent_connected", **about)
    return about


async def in_a_room(house: House, of: str) -> Payload:
    about = await registered_room(house, of)
    await house.do(house.system(), "open_room", **about)
    return about


async def registered_room(house: House, of: str) -> Payload:
    return {"room": of, **await registered(house, of)}


async def hearing(house: House, of: str) -> Payload:
    await in_a_room(house, of)
    return {"rooms": {of: {"endpoints": [f"in-{of}"]}}}


async def recorded(house: House, of: str) -> Payload:
    await in_a_room(house, of)
    return {"room": of, "recording": of, "failed": "disk_full"}


async def on_a_trunk(house: House, of: str) -> Payload:
    carrier = {"name": "Carrier", "peer": "192.0.2.1:5060", "allow": ["192.0.2.0/24"]}
    await house.config("org", "trunk", of, **carrier)
    return {"trunk": f"org.{of}", "up": True}


async def dialling(house: House, of: str) -> Payload:
    await on_a_trunk(house, of)
    return {"endpoint": of, "trunk": of, "number": "+33199001234", **await registered(house, of)}


async def joining(house: House, of: str) -> Payload:
    return {"endpoint": of, "party": "agent:paul"}


async def joined(house: House, of: str) -> Payload:
    await house.do(house.system(), "join_endpoint", **await joining(house, of))
    return {"endpoint": of, "act": "hang_up"}


async def told(house: House, of: str) -> Payload:
    await joined(house, of)
    return {"endpoint": of, "epoch": "e", "seq": 1, "kind": "left"}


async def talking(house: House, of: str) -> Payload:
    """A call of theirs that was answered, in its customer's room."""
    await house.do(house.system(), "dial_endpoint", **await dialling(house, of))
    await house.do(house.system(), "report_endpoint", endpoint=of, epoch="e", seq=1, kind="answered")
    return {"endpoint": of, "on": True}


async def transferring(house: House, of: str) -> Payload:
    await talking(house, of)
    await house.do(house.system(), "open_room", room=of, customer=f"{of}-customer")
    await house.do(house.system(), "set_rooms", rooms={of: {"endpoints": [of]}})
    return {"endpoint": of, "transfer": f"{of}-t", "number": "+33199001235"}


NO = "permission.missing"
DOORS: dict[str, Door] = {
    "found_organisation": Door(prepare=founding, founds=True, agents="not_found"),
    "register_customer": Door(
        prepare=registering, customers=True, elsewhere=(NO, "customer.not_found", "customer.not_found")
    ),
    "open_conversation": Door(
        prepare=opening, customers=True, elsewhere=(NO, "entry_point.unknown", "entry_point.unknown")
    ),
    "receive_message": Door(prepare=with_words(message="m2", text="?"), customers=True),
    "customer_left": Door(prepare=with_words(), customers=True),
    "customer_read": Door(prepare=answered, customers=True),
    "record_delivery": Door(prepare=sent),
    "complete_erasure": Door(prepare=erased, again=True),
    "agent_connected": Door(prepare=hired, elsewhere=(NO, NO, "agent.not_found")),
    "agent_vanished": Door(prepare=at_a_desk, elsewhere=(NO, NO, "agent.not_found")),
    "open_room": Door(prepare=registered_room),
    "set_rooms": Door(prepare=hearing),
    "dial_endpoint": Door(prepare=dialling),
    "join_endpoint": Door(prepare=joining, elsewhere=(NO, NO, "agent.not_found")),
    "ask_endpoint": Door(prepare=joined),
    "hold_endpoint": Door(prepare=talking),
    "transfer_endpoint": Door(prepare=transferring),
    "report_endpoint": Door(prepare=told),
    "keep_recording": Door(prepare=recorded),
    "report_trunk": Door(prepare=on_a_trunk),
}
"""What no desk can ask for, and whose it is."""
