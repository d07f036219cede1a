"""The engine by itself: whom it picks, what it passes over, whom it keeps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from guichet.events.base import Fact
from guichet.events.leader import DeadlineFired
from guichet.events.routing import (
    AgentConnected,
    OfferAccepted,
    OfferMade,
    OfferMissed,
    PresenceChanged,
    TaskEnded,
    TaskQueued,
)
from guichet.kit.clock import SECOND
from guichet.leader.state import Deadlines
from guichet.routing.engine import Engine, ended
from guichet.routing.model import AgentSpec, QueueSpec

pytestmark = pytest.mark.unit

T = 1_800_000_000_000


class Centre:
    """An engine with a clock that is moved by hand."""

    def __init__(self, *queues: QueueSpec) -> None:
        self.engine = Engine("org", Deadlines())
        self.t = T
        self.count = 0
        for queue in queues or (QueueSpec("q", "shop"),):
            self.engine.set_queue(queue)

    def agent(self, name: str, **spec: Any) -> None:
        self.engine.set_agent(AgentSpec(name, **spec))
        self.engine.apply(AgentConnected(organisation="org", agent=name), t=self.t)
        self.engine.apply(PresenceChanged(organisation="org", agent=name, presence="available"), t=self.t)

    def queue(self, queue: str = "q", **more: Any) -> list[Fact]:
        self.count += 1
        spec = self.engine.queues[queue]
        values: dict[str, Any] = {
            "task": f"c{self.count}-1", "conversation": f"c{self.count}", "client": spec.client, "queue": queue,
            "live": True, "priority": spec.priority, "cost": spec.cost, "interruptible": spec.interruptible,
            "since": self.t,
        }  # fmt: skip
        return self.engine.apply(TaskQueued(**(values | more)), t=self.t)

    def accept_all(self, facts: Iterable[Fact]) -> list[str]:
        """Accepts what is offered and says to whom it went."""
        made = offers(facts)
        for offer in made:
            self.engine.apply(OfferAccepted(offer=offer.offer, task=offer.task, agent=offer.agent), t=self.t)
        return [offer.agent for offer in made]

    def end(self, task: str) -> list[Fact]:
        return self.engine.apply(ended(self.engine.tasks[task], "done"), t=self.t)

    def wait(self, millis: int) -> list[Fact]:
        facts: list[Fact] = []
        until = self.t + millis
        while (due := self.engine.deadlines.next()) is not None and due[0] <= until:
            self.t = due[0]
            self.engine.deadlines.drop(due[1], due[2])
            facts += self.engine.apply(DeadlineFired(kind=due[1], id=due[2], due=due[0]), t=self.t)
        self.t = until
        return facts


def offers(facts: Iterable[Fact]) -> list[OfferMade]:
    return [fact for fact in facts if isinstance(fact, OfferMade)]


def test_whoever_is_idle_longest_gets_it_and_an_offer_in_vain_keeps_the_place() -> None:
    centre = Centre()
    for name in ("a", "b", "c"):
        centre.agent(name)
        centre.t += SECOND
    assert centre.accept_all(centre.queue()) == ["a"]
    centre.t += SECOND
    centre.end("c1-1")  # a goes to the end of the line of idle agents
    made = offers(centre.queue())
    assert [offer.agent for offer in made] == ["b"]
    missed = centre.wait(centre.engine.rules.offer)
    assert any(isinstance(fact, OfferMissed) for fact in missed)
    assert [offer.agent for offer in offers(missed)] == ["c"]
    assert [offer.agent for offer in offers(centre.queue())] == ["b"], "still idle longest"


def test_priority_then_age_over_all_lines() -> None:
    centre = Centre(QueueSpec("low", "shop"), QueueSpec("high", "shop", priority=1))
    for queue in ("low", "high", "low", "high"):
        centre.queue(queue)
        centre.t += SECOND
    centre.agent("a", capacity=4)
    assert list(centre.engine.agents["a"].offers) == ["c2-1-1", "c4-1-1", "c1-1-1", "c3-1-1"]


def test_freed_agents_and_the_offers_they_get_come_one_after_another() -> None:
    centre = Centre()
    for _ in range(3):
        centre.queue()
    centre.engine.set_agent(AgentSpec("a", capacity=2))
    centre.engine.apply(AgentConnected(organisation="org", agent="a"), t=centre.t)
    facts = centre.engine.apply(
        PresenceChanged(organisation="org", agent="a", presence="available"), t=centre.t
    )
    assert [type(fact) for fact in facts] == [PresenceChanged, OfferMade, OfferMade]
    assert [offer.record.load for offer in offers(facts)] == [0, 1], "each decision sees the one before"


def test_an_agent_is_kept_for_a_large_task_that_small_ones_would_starve() -> None:
    centre = Centre(QueueSpec("chat", "shop", cost=2), QueueSpec("call", "shop", cost=6))
    centre.agent("a", capacity=6)
    centre.agent("b", capacity=6)
    running = [f"c{n}-1" for n in range(1, 7)]
    for _ in running:
        centre.accept_all(centre.queue("chat"))
    centre.queue("call", task="call-1", conversation="call")
    served_after = None
    for step in range(40):
        centre.t += 10 * SECOND
        centre.accept_all(centre.queue("chat"))
        first = running.pop(0)
        for offer in offers(centre.end(first)):
            centre.accept_all([offer])
            if offer.task == "call-1":
                served_after = step
            running.append(offer.task)
        if served_after is not None:
            break
    assert served_after is not None, "chats came and went for ever, the call never got through"
    assert served_after <= 16


def test_whoever_was_kept_is_free_again_once_the_large_task_has_gone() -> None:
    centre = Centre(QueueSpec("chat", "shop", cost=2), QueueSpec("call", "shop", cost=6))
    centre.agent("a", capacity=6)
    centre.accept_all(centre.queue("chat"))
    centre.queue("call", task="call-1", conversation="call")
    centre.t += 60 * SECOND
    assert offers(centre.queue("chat")) == [], "kept for the call"
    assert [offer.task for offer in offers(centre.end("call-1"))] == ["c3-1"]


def test_without_the_guard_it_would_starve() -> None:
    """The same traffic, with the guard out of reach: the test above tests something."""
    centre = Centre(QueueSpec("chat", "shop", cost=2), QueueSpec("call", "shop", cost=6))
    centre.engine.rules = msgspec.structs.replace(centre.engine.rules, starving=10**9)
    centre.agent("a", capacity=6)
    for _ in range(3):
        centre.accept_all(centre.queue("chat"))
    centre.queue("call", task="call-1", conversation="call")
    running = ["c1-1", "c2-1", "c3-1"]
    for _ in range(40):
        centre.t += 10 * SECOND
        centre.queue("chat")
        for offer in offers(centre.end(running.pop(0))):
            assert offer.task != "call-1"
            centre.accept_all([offer])
            running.append(offer.task)


def test_the_record_counts_what_each_criterion_removed() -> None:
    centre = Centre(QueueSpec("q", "shop", skills=(("retours", 3),), language="fr"))
    fit: dict[str, Any] = {"skills": frozenset({("retours", 3)}), "languages": frozenset({"fr"})}
    centre.agent("bank", clients=frozenset({"bank"}))
    centre.agent("elsewhere", queues=frozenset({"other"}))
    centre.agent("english", skills=fit["skills"], languages=frozenset({"en"}))
    centre.agent("beginner", skills=frozenset({("retours", 2)}), languages=fit["languages"])
    centre.agent("busy", **fit)
    assert centre.accept_all(centre.queue()) == ["busy"]
    centre.agent("away", **fit)
    centre.engine.apply(PresenceChanged(organisation="org", agent="away", presence="break"), t=centre.t)
    centre.agent("no", **fit)
    centre.agent("yes", **fit)
    (first,) = offers(centre.queue())
    assert first.agent == "no"
    (second,) = offers(centre.wait(centre.engine.rules.offer))
    record = second.record
    assert msgspec.structs.asdict(record.removed) == {
        "clearance": 1, "queue": 1, "language": 1, "skill": 1, "presence": 1, "capacity": 1, "skipped": 1,
    }  # fmt: skip
    assert (record.agents, record.candidates) == (8, 1)
    assert sum(msgspec.structs.astuple(record.removed)) + record.candidates == record.agents


def test_a_record_stays_under_a_kilobyte() -> None:
    """With ids as long as they may be, and all that it may name."""
    centre = Centre(*(QueueSpec(f"{n:064}", "shop") for n in range(6)))
    for n in range(6):
        centre.queue(f"{n:064}", task=f"{n:062}-1")
    centre.agent("a" * 64, capacity=1)
    for n in range(5):
        centre.agent(f"{n:064}", capacity=9)
    records = [offer.record for offer in offers(centre.queue(f"{0:064}"))]
    freed = Centre(*(QueueSpec(f"{n:064}", "shop") for n in range(6)))
    for n in range(6):
        freed.queue(f"{n:064}", task=f"{n:062}-1")
    freed.engine.set_agent(AgentSpec("a"))
    freed.engine.apply(AgentConnected(organisation="org", agent="a"), t=T)
    records += [
        offer.record
        for offer in offers(
            freed.engine.apply(PresenceChanged(organisation="org", agent="a", presence="available"), t=T)
        )
    ]
    assert [len(record.runners_up) for record in records] == [3, 0]
    assert [len(record.other_tasks) for record in records] == [0, 3]
    assert all(len(msgspec.json.encode(record)) < 1_000 for record in records)


def test_the_same_inputs_give_the_same_facts() -> None:
    def run() -> list[Fact]:
        centre, facts = Centre(), []
        for n in range(5):
            centre.agent(f"a{n}", capacity=1 + n % 3)
        for n in range(30):
            centre.t += n * SECOND
            facts += centre.queue()
            facts += centre.wait(7 * SECOND)
        return facts

    assert run() == run()


def test_a_deferred_task_needs_room_beside_everything_else() -> None:
    centre = Centre(QueueSpec("chat", "shop", cost=2), QueueSpec("mail", "shop", cost=1, interruptible=True))
    centre.agent("a", capacity=2)
    assert offers(centre.queue("mail", live=False))
    assert offers(centre.queue("chat")), "mail may be interrupted"
    assert not offers(centre.queue("mail", live=False)), "but it takes a place of its own"
    agent = centre.engine.agents["a"]
    assert (agent.hard, agent.total) == (2, 3)


def test_abandoning_leaves_nothing_behind() -> None:
    centre = Centre()
    centre.queue()
    facts = centre.end("c1-1")
    assert [type(fact) for fact in facts] == [TaskEnded]
    engine = centre.engine
    assert not engine.tasks
    assert not engine.by_number
    assert not engine.by_conversation
    assert not engine.index.waiting
    assert engine.deadlines.next() is None


def test_a_backlog_of_mail_keeps_nobody_from_a_chat_who_has_mail_already() -> None:
    centre = Centre(QueueSpec("chat", "shop", cost=2), QueueSpec("mail", "shop", cost=2, interruptible=True))
    for _ in range(3):
        centre.queue("mail", live=False)
    centre.agent("a", capacity=2)
    centre.t += 60 * SECOND
    assert [offer.agent for offer in offers(centre.queue("chat"))] == ["a"]
    assert not offers(centre.queue("chat"))
