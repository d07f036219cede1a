"""The hub where the search of `test_hub_model` seldom gets by itself."""

from __future__ import annotations

import pytest

from guichet.desk.hub import Hub, LacksColumn, Subscription
from guichet.desk.lens import Delta
from guichet.kit.tasks import Supervisor
from guichet.leader.loop import Committed
from guichet.store.rows import TABLES, Changes, Delete, Insert, RowOp, Update
from tests.support.desk import MemoryReader, Mirror
from tests.unit.desk.test_hub_model import HubModel

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("read", [False, True])
@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("guards", [False, True])
def test_words_erased_while_they_are_read_do_not_come_back(guards: bool, read: bool, told: bool) -> None:
    """The search above seldom gets here by itself."""
    model = HubModel()
    model.start([("thread", "c1"), ("conversation", "c1"), ("legs", "c1")], ("shop",), False)
    model.race(guards, read, told, n=1, waiting=0, person="p1")
    model.nobody_was_sent_what_they_may_not_see()
    model.teardown()


@pytest.mark.parametrize("view", ["queues", "agents", "waiting", "config"])
def test_what_was_read_before_a_commit_is_not_handed_on(view: str) -> None:
    """A second desk may share what the first one read, but only while nothing has touched it."""
    model = HubModel()
    model.start([(view, "here")], ("*",), False)
    model.race(False, read=True, told=True, n=1, waiting=2, person=None)
    model.finish(0)
    model.watch((view, "here"), ("*",), "leader", "bob")
    model.settle()
    reads = len(model.reader.reads)
    model.watch((view, "here"), ("shop",), "leader", "bob")
    assert len(model.reader.reads) == reads, "nothing touched it: nobody reads"
    model.teardown()


def committed(*ops: RowOp) -> Committed:
    changes = Changes()
    changes.add("here", ops)
    return Committed(0, 1, 1, 1, list(changes.rows.values()), [], False)


class Overwhelmed(Mirror):
    """Ends all that it watches at the first delta, as a socket does whose buffer is full."""

    def __init__(self, hub: Hub) -> None:
        super().__init__()
        self.hub = hub
        self.subscriptions: list[Subscription] = []

    def delta(self, subscription: Subscription, delta: Delta) -> None:
        assert subscription.bucket is not None, "it had ended already"
        for one in self.subscriptions:
            self.hub.unsubscribe(one)


async def test_one_who_is_let_go_in_the_middle_of_a_commit_stops_nobody_else() -> None:
    hub = Hub(MemoryReader(), Supervisor(), strict=True)
    overwhelmed, others = Overwhelmed(hub), [Mirror(), Mirror()]
    for partition in ("ana", "bob"):
        for _ in range(2):
            overwhelmed.subscriptions.append(
                await hub.subscribe("my_work", "here", partition, overwhelmed, access=None)
            )
    await hub.subscribe("my_work", "here", "ana", others[0], access=None)
    await hub.subscribe("my_work", "here", "eve", others[1], access=None)
    work = TABLES["work"]
    hub.committed(committed(*(Insert(work, (who, "t"), {"client": "shop"}) for who in ("ana", "bob", "eve"))))
    assert [len(mirror.rows or ()) for mirror in others] == [1, 1]
    assert sorted(hub._buckets) == [("my_work", "here", "ana"), ("my_work", "here", "eve")]


async def test_a_row_operation_that_hides_whose_row_it_is_reaches_nobody() -> None:
    work, mirror = TABLES["work"], Mirror()
    careless = (
        Update(work, ("ana", "t"), {"state": "assigned"}, {}),
        Delete(work, ("ana", "t"), {}),
    )
    hub = Hub(MemoryReader(), Supervisor(), strict=True)
    await hub.subscribe("my_work", "here", "ana", mirror, access=None)
    for op in careless:
        with pytest.raises(LacksColumn, match="my_work needs 'client'"):
            hub.committed(committed(op))
    hub = Hub(MemoryReader(), Supervisor())
    await hub.subscribe("my_work", "here", "ana", mirror, access=None)
    good = Insert(work, ("ana", "t2"), {"client": "shop"})
    for op in careless:
        hub.committed(committed(op, good))
        assert [row["task"] for row in mirror.seen] == ["t2"]
        assert not mirror.gone
        mirror.seen.clear()
