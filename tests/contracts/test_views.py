"""Each view against its table and the projections that feed it, on both engines.

A day at a small centre runs through the real leader. Whoever watches any view from before the first contact must
hold, row for row and value for value, what somebody who opens it at the end is shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from guichet.accounts.permissions import LEAD, WORK
from guichet.accounts.settings import KINDS
from guichet.desk.hub import Hub
from guichet.desk.views import HIDDEN, PUBLIC, VIEWS, View
from guichet.kit.errors import Refused
from guichet.kit.ids import new_id
from guichet.leader.loop import Committed
from guichet.server import stages
from guichet.store.port import Row
from tests.support.desk import Mirror
from tests.support.desk_centre import AGENTS, DeskCentre
from tests.support.waiting import wait_until
from tools import protocol

pytestmark = pytest.mark.contract

stages.load()


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_a_view_fits_its_table(view: View) -> None:
    table = view.source
    named = [view.scope, view.newest, view.only[0] if view.only else None, *view.columns]
    assert {name for name in named if name is not None} <= set(table.columns)
    assert view.partition == "org" or view.partition in table.key
    assert not view.guarded or view.partition == "conversation"
    assert not view.own or view.partition == "agent"
    assert view.permission in (WORK, LEAD, "")
    assert view.newest is None or table.columns[view.newest] == "int"
    assert not HIDDEN & set(view.shown)
    # What belongs to a client says so, or is kept inside its conversation.
    assert view.scope or view.guarded or view.public or "client" not in table.columns


def test_every_kind_of_configuration_says_what_everybody_sees() -> None:
    assert set(PUBLIC) == set(KINDS)
    for kind, names in PUBLIC.items():
        assert set(names) <= set(KINDS[kind].model_fields)
        assert "active" in names


class Watch:
    """Somebody trusted who watches one partition from the beginning."""

    def __init__(self, view: View, partition: str) -> None:
        self.view = view
        self.partition = partition
        self.mirror = Mirror()

    async def held_and_shown(self, hub: Hub) -> tuple[list[Row], list[Row]]:
        """What they hold, and what a newcomer is shown: nothing any more, once the customer is erased."""
        assert self.mirror.rows is not None, f"{self.view.name} {self.partition} ended"
        newcomer = Mirror()
        try:
            hub.unsubscribe(await hub.subscribe(self.view.name, "org", self.partition, newcomer, access=None))
        except Refused as refused:
            newcomer.rows = {} if self.view.guarded and refused.kind == "not_found" else None
        assert newcomer.rows is not None
        return _sorted(self.mirror.rows.values()), _sorted(newcomer.rows.values())


def all_loaded(hub: Hub) -> bool:
    return all(s.pending is None for bucket in hub._buckets.values() for s in bucket.subscriptions)


def _sorted(rows: Any) -> list[Row]:
    return sorted(rows, key=repr)


def partitions(view: View) -> Iterator[str]:
    if view.partition == "org":
        yield "org"
    elif view.partition == "agent":
        yield from (name for name, (org, *_) in AGENTS.items() if org == "org")


async def test_what_is_held_is_what_is_shown(engine_kind: str, tmp_path: Path, request: Any) -> None:
    url = "sqlite" if engine_kind == "sqlite" else request.getfixturevalue("postgres_url")
    async with DeskCentre.running(tmp_path / "data", url) as centre:
        hub = Hub(centre.node.store.reader, centre.node.supervisor, strict=True)
        failed: list[BaseException] = []

        def committed(news: Committed) -> None:
            try:
                hub.committed(news)
            except AssertionError as error:  # a listener's error would only be logged
                failed.append(error)

        centre.node.listeners.append(committed)
        watches = [Watch(view, partition) for view in VIEWS.values() for partition in partitions(view)]
        for watch in watches:
            await hub.subscribe(watch.view.name, "org", watch.partition, watch.mirror, access=None)
        day = day_of(centre)
        async for conversation in day:
            # From its first moment: a conversation is watched before anything is said in it.
            for view in VIEWS.values():
                if view.partition == "conversation":
                    watch = Watch(view, conversation)
                    watches.append(watch)
                    await hub.subscribe(view.name, "org", conversation, watch.mirror, access=None)
        await wait_until(lambda: all_loaded(hub), "an erasure's new snapshots have been read")
        seen = 0
        for watch in watches:
            held, shown = await watch.held_and_shown(hub)
            assert held == shown, f"{watch.view.name} {watch.partition}"
            seen += len(shown)
            if watch.view.permission:
                for row in shown:
                    check_claims(watch.view, row)
        assert seen > 50
        assert not failed, failed[0]


def check_claims(view: View, row: Row) -> None:
    """What the web's types say of a row is true."""
    always = {*view.key, *protocol.ALWAYS[view.table].split()}
    for column in view.shown:
        value = row[column]
        assert value is not None or column not in always, f"{view.table}.{column} is null"
        if (view.table, column) in protocol.WORDS and value is not None:
            assert value in protocol.words_of(view.table, column), f"{view.table}.{column} is {value!r}"


async def day_of(centre: DeskCentre) -> Any:
    """Most of what a day brings; gives each conversation before its first words."""
    do, paul, eva, ada = centre.do, centre.agent("paul"), centre.agent("eva"), centre.agent("ada")
    lea = centre.agent("lea")
    for name in ("paul", "eva", "lea", "ada"):
        await do(centre.system(), "agent_connected", agent=name)
    await do(paul, "set_presence", presence="available")
    for tag in ("parcel", "late"):
        await centre.config("org", "tag", tag, name=tag.title())
    for number in range(1, 6):
        conversation = f"c{number}"
        await centre.open(conversation)
        yield conversation
        await centre.say(conversation, f"Bonjour, colis {number}")
    works = {row["conversation"]: row for row in await centre.rows("work", agent="paul")}
    assert works
    for work in works.values():
        conversation = str(work["conversation"])
        await do(paul, "accept_offer", offer=work["offer"])
        sent = new_id()
        await do(paul, "send_message", conversation=conversation, message=sent, text="Je regarde.")
        await do(centre.visitor(conversation), "customer_read", conversation=conversation, n=9)
        await do(paul, "add_note", conversation=conversation, text="rappeler le dépôt")
        await do(paul, "tag", conversation=conversation, tags=["parcel", "late"])
    first, *others = [str(c) for c in works]
    await do(paul, "close", conversation=first)
    (wrapup,) = [r for r in await centre.rows("work", agent="paul") if r["state"] == "wrapup"]
    await centre.config("org", "disposition", "done", name="Résolu")
    await do(paul, "finish_wrapup", task=wrapup["task"], disposition="done", note="tout est dit")
    waiting = [str(r["conversation"]) for r in await centre.rows("task", org="org") if r["state"] == "queued"]
    await do(eva, "take", conversation=waiting[0])
    await do(eva, "park", conversation=waiting[0])
    await do(lea, "assign", conversation=waiting[0], agent="paul")
    await do(eva, "set_presence", presence="available")
    offered = [r for r in await centre.rows("work", agent="eva") if r["state"] == "offered"]
    for row in offered:
        await do(eva, "decline_offer", offer=row["offer"])
    if others:
        await do(paul, "transfer", conversation=others[0], queue="shop", note="pour la suite")
    await do(lea, "set_presence", agent="eva", presence="break", reason="")
    await do(paul, "describe_customer", customer=f"{first}-customer", name="Inès Caradec", phone="0612")
    await centre.change("org", "queue", "shop", name="Boutique")
    await centre.change("org", "agent", "eva", active=False)
    await centre.say(first, "Encore moi")
    await do(ada, "erase_customer", customer=f"{first}-customer")
    await do(centre.visitor(waiting[0]), "customer_left", conversation=waiting[0])
    await do(centre.system(), "agent_vanished", agent="paul")
