"""A month of an invented operator, lived through the leader's own code: people arrive, agents answer, work waits."""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import Callable

import msgspec

from guichet.channels.registry import capabilities
from guichet.customers.identity import IdentityHasher
from guichet.events.base import Fact
from guichet.events.conversations import LegEnded, LegStarted, MessageReleased
from guichet.events.routing import OfferMade, PresenceChanged, WrapupStarted
from guichet.kit.clock import DAY, HOUR, MINUTE, SECOND, Instant
from guichet.kit.errors import Refused
from guichet.kit.seeded import Seeded
from guichet.server.demo.dialogues import Dialogue, as_mail, as_reply, book, compose, said
from guichet.server.demo.operator import AGENTS, DISPOSITIONS, PEOPLE, SHOPS, Shop, queue_of
from guichet.server.demo.past import Past

CHAT, MAIL = "webchat", "email"
DAYS = 30
QUIET = 25 * MINUTE
"""Before the present no chat begins any more, so that none is left hanging."""
HOME = 8 * MINUTE
"""Before the present everybody has gone home: nobody is at a desk before they sign in."""
LOCAL = HOUR
"""The operator's clock against UTC; a demonstration can do without summer time."""
NAMES = {person.id: person.name for person in PEOPLE}


class Talk(msgspec.Struct):
    """A conversation in the making; `turn`: whose words are next."""

    id: str
    customer: str
    shop: Shop
    channel: str
    dialogue: Dialogue
    turn: int = 0
    agent: str | None = None
    ended: bool = False


class History:
    """Fills `past` from `DAYS` days before `now` up to `now`."""

    def __init__(self, past: Past, hasher: IdentityHasher, org: str, now: Instant, seed: int = 1) -> None:
        self._past = past
        self._hasher = hasher
        self._org = org
        self._now = now
        self._chance = Seeded(seed)
        self._due: list[tuple[Instant, int, Callable[[], None]]] = []
        self._count = 0
        self._talks: dict[str, Talk] = {}
        self._unsent: dict[str, str] = {}
        self._people: dict[str, list[tuple[str, str, str]]] = {shop.client: [] for shop in SHOPS}

    def live(self) -> None:
        """Runs it all."""
        first = self._now - DAYS * DAY
        for day in range(DAYS + 1):
            self._plan(first - (first + LOCAL) % DAY + day * DAY)
        for agent in AGENTS:
            self._at(self._now - HOME, lambda a=agent.id: self._goes(a))  # type: ignore[misc]
        for n in range(6):  # whoever opens the desk first finds something to do
            self._at(self._now - HOME + (n + 1) * MINUTE, lambda n=n: self._mail_arrives(SHOPS[n % 2]))  # type: ignore[misc]
        while self._due and self._due[0][0] < self._now:
            self._move(self._due[0][0])
            if self._past.t >= self._due[0][0]:
                self._try(heapq.heappop(self._due)[2])
        while self._past.t < self._now - SECOND:
            self._move(self._now - SECOND)
        self._wind_up()

    # -- the plan ---------------------------------------------------------------------------------------

    def _plan(self, midnight: Instant) -> None:
        """One day: who works when, who arrives when. `midnight` is local."""
        weekday = (midnight + LOCAL) // DAY % 7  # 0: a Thursday, as the epoch was
        sunday, saturday = weekday == 3, weekday == 2
        for n, agent in enumerate(AGENTS):
            if sunday or (saturday and n % 3):
                continue
            start = midnight + (8 + n % 3) * HOUR + self._chance.between(0, 10) * MINUTE
            lunch = start + (3 * HOUR + 30 * MINUTE) + self._chance.between(0, 40) * MINUTE
            if start > self._now - 2 * HOME:
                continue
            self._at(start, lambda a=agent.id: self._comes(a))  # type: ignore[misc]
            self._at(lunch, lambda a=agent.id: self._presence(a, "break", "lunch"))  # type: ignore[misc]
            self._at(lunch + 45 * MINUTE, lambda a=agent.id: self._presence(a, "available"))  # type: ignore[misc]
            self._at(start + 8 * HOUR, lambda a=agent.id: self._goes(a))  # type: ignore[misc]
        share = 0 if sunday else 0.5 if saturday else 1
        for shop in SHOPS:
            self._spread(midnight + 9 * HOUR, 8 * HOUR, 5 * share, lambda s=shop: self._chat_arrives(s))  # type: ignore[misc]
            self._spread(midnight, 24 * HOUR, 1.5 + 3 * share, lambda s=shop: self._mail_arrives(s))  # type: ignore[misc]

    def _spread(self, start: Instant, length: int, mean: float, act: Callable[[], None]) -> None:
        """About `mean` times at random within `length` milliseconds."""
        t = start
        while mean and (t := t + round(self._chance.exponential(length / mean))) < start + length:
            self._at(t, act)

    def _at(self, t: Instant, act: Callable[[], None]) -> None:
        if t >= self._now - DAYS * DAY:
            self._count += 1
            heapq.heappush(self._due, (t, self._count, act))

    def _in(self, low: int, high: int, act: Callable[[], None]) -> None:
        """Between `low` and `high` seconds from now."""
        self._at(self._past.t + self._chance.between(low * SECOND, high * SECOND), act)

    def _move(self, t: Instant) -> None:
        """Goes on to `t`, or to the next deadline before it: people act on that first."""
        due = self._past.next_due()
        self._past.move(t if due is None else min(t, max(due, self._past.t)))
        self._follow_news()

    def _try(self, act: Callable[[], None]) -> None:
        """What is refused did not happen: somebody was faster, or has gone home."""
        with contextlib.suppress(Refused):
            act()
        self._follow_news()

    def _follow_news(self) -> None:
        for fact in self._past.news():
            self._follow(fact)

    # -- agents -----------------------------------------------------------------------------------------

    def _comes(self, agent: str) -> None:
        self._past.ask("agent_connected", "system", "desk", agent=agent)
        self._presence(agent, "available")

    def _goes(self, agent: str) -> None:
        self._presence(agent, "offline")
        self._past.ask("agent_vanished", "system", "desk", agent=agent)

    def _presence(self, agent: str, presence: str, reason: str = "") -> None:
        if presence != "offline" and self._past.t >= self._now - HOME:
            return  # a break that would begin or end after everybody has gone
        self._past.ask("set_presence", "agent", agent, presence=presence, reason=reason)

    def _follow(self, fact: Fact) -> None:
        """What people do about it."""
        chance = self._chance
        match fact:
            case OfferMade() if not chance.chance(0.02):
                answer = "decline_offer" if chance.chance(0.03) else "accept_offer"
                self._in(2, 9, lambda: self._do(answer, fact.agent, offer=fact.offer))
            case PresenceChanged(presence="missed"):
                self._in(60, 200, lambda: self._presence(fact.agent, "available"))
            case LegStarted(party="agent") if fact.agent is not None:
                talk = self._talks[fact.conversation]
                talk.agent = fact.agent
                span = (15, 50) if talk.channel == CHAT else (90, 420)
                self._in(*span, lambda: self._agent_turn(talk))
            case LegEnded(reason="vanished"):  # the agent went home in the middle of it
                talk = self._talks[fact.conversation]
                talk.agent = None
                if talk.channel == CHAT:
                    self._in(90, 420, lambda: self._impatient(talk))
            case WrapupStarted():
                talk = self._talks[fact.conversation]
                self._in(8, 40, lambda: self._finish(talk, fact.task, fact.agent))
            case MessageReleased() if self._talks[fact.conversation].channel == MAIL:
                self._unsent[fact.message] = fact.conversation
                self._in(1, 3, lambda: self._sent(fact.message))

    def _do(self, command: str, agent: str, **fields: object) -> None:
        self._past.ask(command, "agent", agent, **fields)

    def _sent(self, message: str) -> None:
        conversation = self._unsent.pop(message)
        self._past.ask(
            "record_delivery", "system", MAIL, conversation=conversation, message=message, status="sent"
        )

    def _finish(self, talk: Talk, task: str, agent: str) -> None:
        code = talk.dialogue.code if talk.dialogue.code in DISPOSITIONS else "other"
        self._do("finish_wrapup", agent, task=task, disposition=code, note=talk.dialogue.note)

    # -- customers --------------------------------------------------------------------------------------

    def _begin(self, shop: Shop, channel: str) -> Talk:
        known = self._people[shop.client]
        t, chance = self._past.t, self._chance
        back = chance.pick(known) if len(known) > 20 and chance.chance(0.35) else None
        dialogue = compose(shop, chance, back[:2] if back is not None else None)
        proven = channel == MAIL
        identity = {
            "kind": "email",
            "handle": dialogue.address,
            "hash": self._hasher(self._org, shop.client, "email", dialogue.address),
            "proven": proven,
        }
        customer = back[2] if back is not None else chance.id_at(t)
        answer = self._past.ask(
            "register_customer", "system", channel, customer=customer, client=shop.client,
            anonymous=not proven, identities=[identity], name=dialogue.name, email=dialogue.address,
            language=dialogue.language,
        )  # fmt: skip
        customer = str(answer["customer"])
        if back is None:
            known.append((dialogue.language, dialogue.name, customer))
        able = capabilities(channel)
        talk = Talk(chance.id_at(t), customer, shop, channel, dialogue)
        self._talks[talk.id] = talk
        self._past.ask(
            "open_conversation", "system", channel, conversation=talk.id, customer=customer,
            entry_point=queue_of(shop.client, "chat" if channel == CHAT else "mail"), live=able.live,
            outbox=able.outbox, undo_seconds=able.undo_seconds, language=dialogue.language,
            subject=dialogue.subject if channel == MAIL else "", name=dialogue.name,
        )  # fmt: skip
        return talk

    def _chat_arrives(self, shop: Shop) -> None:
        if self._past.t > self._now - QUIET:
            return
        talk = self._begin(shop, CHAT)
        self._customer_turn(talk)
        if self._chance.chance(0.06):
            self._in(2, 6, lambda: self._leaves(talk))
        self._in(90, 420, lambda: self._impatient(talk))

    def _impatient(self, talk: Talk) -> None:
        if talk.agent is None and not talk.ended:
            self._says(talk, self._chance.pick(book(talk.dialogue.language).abandoned))
            self._in(20, 60, lambda: self._leaves(talk))

    def _leaves(self, talk: Talk) -> None:
        if talk.agent is None:
            self._past.ask("customer_left", "visitor", talk.customer, conversation=talk.id)
            talk.ended = True

    def _mail_arrives(self, shop: Shop) -> None:
        self._customer_turn(self._begin(shop, MAIL))

    def _customer_turn(self, talk: Talk) -> None:
        if talk.ended:
            return
        dialogue, turn = talk.dialogue, talk.turn
        talk.turn += 1
        self._says(
            talk, as_mail(dialogue, turn, self._chance) if talk.channel == MAIL else dialogue.turns[turn]
        )
        if talk.channel == CHAT and talk.agent is not None:
            self._in(12, 55, lambda: self._agent_turn(talk))

    def _says(self, talk: Talk, text: str) -> None:
        message = self._chance.id_at(self._past.t)
        headers: dict[str, str] = {}
        if talk.channel == MAIL:
            address = talk.dialogue.address
            headers = {
                "message_id": f"<{message}@mail.example>",
                "from": address,
                "sender": "verified",
                "reply_to": address,
            }
        self._past.ask(
            "receive_message", "system", talk.channel, conversation=talk.id, message=f"{talk.id}.{message}",
            text=text, headers=headers, sent_at=self._past.t,
        )  # fmt: skip

    # -- turns of agents --------------------------------------------------------------------------------

    def _agent_turn(self, talk: Talk) -> None:
        agent, dialogue = talk.agent, talk.dialogue
        if agent is None or talk.ended:
            return
        if talk.turn >= len(dialogue.turns) or talk.turn % 2 == 0:
            self._close(talk)
            return
        turn, mail = talk.turn, talk.channel == MAIL
        text = (
            as_reply(dialogue, turn, NAMES[agent], talk.shop.name, self._chance)
            if mail
            else said(dialogue, turn, NAMES[agent])
        )
        if mail and turn == 1 and self._chance.chance(0.05):
            self._do(
                "park", agent, conversation=talk.id, until=self._past.t + self._chance.between(2, 30) * HOUR
            )
            talk.agent = None
            return
        if dialogue.tags and turn == 1:
            self._do("tag", agent, conversation=talk.id, tags=dialogue.tags)
        answer = self._past.ask(
            "send_message",
            "agent",
            agent,
            conversation=talk.id,
            message=self._chance.id_at(self._past.t),
            text=text,
        )
        talk.turn += 1
        more = talk.turn < len(dialogue.turns)
        if mail:
            if more and self._chance.chance(0.45):
                self._in(40 * 60, 20 * 3600, lambda: self._customer_turn(talk))
            elif self._chance.chance(0.9):
                self._in(20, 120, lambda: self._close(talk))
            return
        self._in(2, 6, lambda: self._reads(talk, int(answer["n"])))
        self._in(10, 60, (lambda: self._customer_turn(talk)) if more else (lambda: self._close(talk)))

    def _reads(self, talk: Talk, n: int) -> None:
        self._past.ask("customer_read", "visitor", talk.customer, conversation=talk.id, n=n)

    def _close(self, talk: Talk) -> None:
        if talk.agent is not None and not talk.ended:
            self._do("close", talk.agent, conversation=talk.id)
            talk.ended = True

    def _wind_up(self) -> None:
        """The present: no chat hangs in the air, no mail lies with somebody who went home, none is half sent."""
        for talk in list(self._talks.values()):
            if talk.channel == CHAT and not talk.ended:
                self._try(lambda talk=talk: self._close(talk) if talk.agent else self._leaves(talk))  # type: ignore[misc]
            elif talk.channel == MAIL and talk.agent is not None and talk.turn % 2:
                self._try(lambda talk=talk: self._agent_turn(talk))  # type: ignore[misc]
        for message in list(self._unsent):
            self._try(lambda message=message: self._sent(message))  # type: ignore[misc]
