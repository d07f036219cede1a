"""/api/desk from a browser's side: who gets in, what comes, what is refused, how it ends."""

from __future__ import annotations

from typing import Any

import pytest

from guichet.desk.frames import MAX_FRAME
from guichet.desk.socket import MAX_SOCKETS, MAX_SUBSCRIPTIONS, MAX_WAITING
from guichet.kit.clock import SystemClock
from guichet.kit.ids import new_id
from guichet.leader.loop import Committed
from guichet.store.rows import TABLES, Changes, Insert, Update
from tests.support.desk_centre import HOST, DeskCentre, with_centre
from tests.support.waiting import wait_until

pytestmark = pytest.mark.unit
FORBIDDEN = [
    ("nothing", "", "view.unknown"),
    ("visitor_thread", "c1", "view.forbidden"),
    ("queues", "", "view.forbidden"),
    ("agents", "org", "view.forbidden"),
    ("my_work", "eva", "not_found"),
    ("me", "lea", "not_found"),
    ("config", "other", "not_found"),
    ("thread", "c2", "not_found"),
    ("thread", "c3", "not_found"),
    ("conversation", "unknown", "not_found"),
    ("legs", "", "not_found"),
]


@with_centre
async def test_a_desk_is_greeted_and_told_who_it_is(centre: DeskCentre) -> None:
    browser = centre.browser("paul")
    hello = await browser.frame()
    assert abs(hello.pop("t") - SystemClock().now()) < 60_000
    assert hello == {
        "op": "hello", "org": "org", "agent": "paul", "name": "Paul", "role": "agent", "clients": ["shop"],
        "build": centre.node.build,
    }  # fmt: skip


@with_centre
async def test_another_sites_page_is_turned_away_before_anything_is_said(centre: DeskCentre) -> None:
    for origin in (None, "https://evil.example", f"http://{HOST}.evil.example", "null", ""):
        browser = centre.browser("paul", origin)
        await browser.ended()
        assert (browser.accepted, browser.closed) == (False, 1008), origin
    assert (await centre.desk("paul")).accepted


@with_centre
async def test_a_chat_reaches_the_agent_and_both_tabs_agree(centre: DeskCentre) -> None:
    first, second = await centre.desk("paul"), await centre.desk("paul")
    for browser in (first, second):
        assert (await browser.subscribe("my_work"))["rows"] == []
        assert (await browser.subscribe("me"))["rows"][0]["agent"] == "paul"
    assert await first.command("set_presence", presence="available") == {"op": "answer", "id": "a", "ok": {}}
    await centre.chat("c1")
    works = [await _row(browser, "my_work", state="offered") for browser in (first, second)]
    assert works[0] == works[1]
    assert (works[0]["conversation"], works[0]["client"]) == ("c1", "shop")
    thread = await first.subscribe("thread", "c1")
    assert [(row["n"], row["text"]) for row in thread["rows"]] == [(1, "Bonjour, mon colis ?")]
    assert "subject" not in thread["rows"][0]
    assert "ok" in await first.command("accept_offer", offer=works[0]["offer"])
    await _row(second, "my_work", state="assigned")
    answer = await first.command("send_message", conversation="c1", message=new_id(), text="Je regarde.")
    assert answer["ok"] == {"n": 2}


async def _row(browser: Any, sub: str, **values: object) -> dict[str, Any]:
    """Waits until a delta of `sub` sets a row with these values, and checks the chain on the way."""
    last = None
    while True:
        frame = await browser.frame("delta")
        if frame["sub"] != sub:
            continue
        assert last in (None, frame["prev"])
        assert frame["n"] == frame["prev"] + 1
        last = frame["n"]
        for row in frame["set"]:
            if all(row.get(name) == value for name, value in values.items()):
                found: dict[str, Any] = row
                return found


@with_centre
async def test_what_an_agent_may_not_watch(centre: DeskCentre) -> None:
    await centre.chat("c1")
    await centre.chat("c2", "bank")
    await centre.chat("c3", org="other")
    browser = await centre.desk("paul")
    for view, partition, code in FORBIDDEN:
        refused = await browser.subscribe(view, partition, "mine")
        assert (refused["op"], refused["sub"], refused["error"]["code"]) == ("refused", "mine", code), view
    assert (await browser.subscribe("thread", "c1"))["op"] == "snapshot"


@with_centre
async def test_only_peoples_commands_are_taken(centre: DeskCentre) -> None:
    await centre.chat("c1")
    browser = await centre.desk("lea")
    await wait_until(lambda: _connected(centre, "lea"))
    before = await centre.position()
    for name, payload in (
        ("receive_message", {"conversation": "c1", "message": "m", "text": "als wäre ich sie"}),
        ("agent_vanished", {"agent": "paul"}),
        ("no_such_command", {}),
    ):
        answer = await browser.command(name, **payload)
        assert answer["error"]["code"] == "command.unknown"
    answer = await browser.command("set_config", kind="team", id="t", value={"name": "T"}, expected_version=0)
    assert answer["error"]["code"] == "permission.missing"
    answer = await browser.command("erase_customer", customer="c1-customer")
    assert answer["error"]["code"] == "permission.missing"
    assert await centre.position() == before
    assert "ok" in await browser.command("add_note", conversation="c1", text="une note")


@with_centre
async def test_bad_payloads_name_the_field_and_its_bound(centre: DeskCentre) -> None:
    await centre.chat("c1")
    browser = await centre.desk("paul")
    for payload, field, limit in (
        ({"conversation": "c" * 65, "text": "x"}, "conversation", 64),
        ({"conversation": "c1"}, "text", None),
        ({"conversation": "c1", "text": 5}, "text", None),
        ({"conversation": "c1", "text": "x" * 40_000}, "text", 32 * 1024),
    ):
        error = (await browser.command("add_note", **payload))["error"]
        assert (error["field"], error.get("limit")) == (field, limit)
    refused = await browser.command("add_note", key="k" * 129, conversation="c1", text="x")
    assert (refused["op"], refused["id"]) == ("refused", "a")
    assert (refused["error"]["field"], refused["error"]["limit"]) == ("key", 128)


@with_centre
async def test_nonsense_is_refused_and_the_desk_goes_on(centre: DeskCentre) -> None:
    browser = await centre.desk("paul")
    for text in (
        "",
        "{",
        "[]",
        "null",
        '{"op":"dance"}',
        '{"op":"ping","more":1}',
        "\x00",
        '{"op":"subscribe"}',
    ):
        browser.send_text(text)
        assert (await browser.frame())["op"] == "refused", text
    browser.send_text('{"op":"ping","x":"' + "y" * MAX_FRAME + '"}')
    assert (await browser.frame())["error"]["limit"] == MAX_FRAME
    browser._in.put_nowait({"type": "websocket.receive", "bytes": b'{"op":"ping"}'})
    assert (await browser.frame())["op"] == "refused"
    browser.send_text('{"op":"subscribe","sub":"a\\"b","view":"me"}')
    assert (await browser.frame())["error"]["field"] == "sub"
    browser.send(op="ping")
    assert (await browser.frame())["op"] == "pong"


@with_centre
async def test_a_repeated_key_gets_the_first_answer(centre: DeskCentre) -> None:
    await centre.chat("c1")
    browser = await centre.desk("paul")
    first = await browser.command("add_note", key="k", conversation="c1", text="une note")
    assert await browser.command("add_note", key="k", conversation="c1", text="une note") == first
    assert len((await browser.subscribe("thread", "c1"))["rows"]) == 2


@with_centre
async def test_lost_clearance_takes_the_rows_away_and_ends_what_is_forbidden(centre: DeskCentre) -> None:
    await centre.change("org", "agent", "paul", clients=["shop", "bank"])
    await centre.chat("c1")
    await centre.chat("c2", "bank")
    browser = await centre.desk("paul")
    assert len((await browser.subscribe("waiting"))["rows"]) == 2
    for conversation in ("c1", "c2"):
        await browser.subscribe("thread", conversation, conversation)
    await centre.change("org", "agent", "paul", clients=["bank"])
    assert (await browser.frame("hello"))["clients"] == ["bank"]
    seen: dict[str, dict[str, Any]] = {}
    while len(seen) < 3:
        frame = await browser.frame("snapshot", "refused")
        seen[frame["sub"]] = frame
    assert [row["client"] for row in seen["waiting"]["rows"]] == ["bank"]
    assert seen["c1"]["error"]["kind"] == "not_found"
    assert len(seen["c2"]["rows"]) == 1
    await centre.say("c1", "encore là ?")
    await centre.say("c2", "allô ?")
    assert (await browser.frame("delta"))["sub"] in ("waiting", "c2")


@with_centre
async def test_what_is_committed_with_a_loss_of_rights_is_shown_under_the_new_ones(
    centre: DeskCentre,
) -> None:
    browser = await centre.desk("paul")
    await browser.subscribe("my_work")
    item = centre.node.directory.item("org", "agent", "paul")
    assert item is not None
    value = {**item.value.model_dump(mode="json"), "clients": []}
    changes = Changes()
    work = Insert(TABLES["work"], ("paul", "t9"), {"client": "shop", "state": "assigned"})
    rights = Update(TABLES["config"], ("org", "agent", "paul"), {"version": item.version + 1, "value": value})
    changes.add("org", [work, rights])
    rows = list(changes.rows.values())
    centre.node.directory.take(rows)
    centre.web.desks.committed(Committed(0, 1, 1, 1, rows, [], False))
    assert (await browser.frame())["op"] == "hello"
    assert (await browser.frame())["rows"] == []
    browser.send(op="ping")
    assert (await browser.frame())["op"] == "pong"


@with_centre
async def test_who_is_taken_out_of_use_is_shown_out(centre: DeskCentre) -> None:
    browser, eva = await centre.desk("paul"), await centre.desk("eva")
    await centre.change("org", "agent", "paul", active=False)
    assert (await browser.frame("bye"))["reason"] == "signed_out"
    await browser.ended()
    eva.send(op="ping")
    assert (await eva.frame())["op"] == "pong"


@with_centre
async def test_erased_words_leave_the_desk(centre: DeskCentre) -> None:
    await centre.chat("c1")
    browser = await centre.desk("paul")
    assert len((await browser.subscribe("thread", "c1"))["rows"]) == 1
    assert len((await browser.subscribe("conversation", "c1"))["rows"]) == 1
    await centre.do(centre.agent("ada"), "erase_customer", customer="c1-customer")
    emptied: dict[str, Any] = {}
    while len(emptied) < 2:
        frame = await browser.frame("snapshot")
        emptied[frame["sub"]] = frame["rows"]
    assert emptied == {"thread": [], "conversation": []}


@with_centre
async def test_colleagues_see_who_writes_and_the_customer_learns_nothing_of_a_note(
    centre: DeskCentre,
) -> None:
    await centre.chat("c1")
    paul, eva, bob = await centre.desk("paul"), await centre.desk("eva"), await centre.desk("bob")
    for browser in (paul, eva):
        await browser.subscribe("thread", "c1")
    heard: list[str | None] = []
    deaf = centre.node.signals.listen("org", "c1", lambda signal: heard.append(signal.agent))
    bob.send(op="writing", conversation="c1", kind="reply")  # he does not even watch it
    bob.send(op="ping")
    await bob.frame("pong")
    paul.send(op="writing", conversation="c1", kind="note")
    signal = await eva.frame()
    assert signal.pop("until") > centre.node.clock.now()
    assert signal == {
        "op": "signal",
        "conversation": "c1",
        "kind": "writing",
        "who": "agent",
        "agent": "paul",
    }
    assert heard == []
    eva.send(op="writing", conversation="c1", kind="reply")
    assert (await paul.frame())["agent"] == "eva"
    eva.send(op="writing", conversation="c1", kind="reply")  # too soon after the first
    eva.send(op="ping")
    await eva.frame("pong")
    assert heard == ["eva"]
    centre.node.signals.writing("org", "c1")
    assert (await paul.frame())["who"] == "customer"
    deaf()


@with_centre
async def test_a_desk_that_stops_reading_is_let_go_and_the_others_are_not(centre: DeskCentre) -> None:
    await centre.chat("c1")
    slow, quick = await centre.desk("paul"), await centre.desk("eva")
    for browser in (slow, quick):
        await browser.subscribe("thread", "c1")
    slow.reading.clear()
    words = "x" * 30_000
    count = MAX_WAITING // len(words) + 3
    for _ in range(count):
        await centre.say("c1", words)
        assert (await quick.frame("delta"))["set"][0]["text"] == words
    bucket = centre.node.hub._buckets["thread", "org", "c1"]
    assert len(bucket.subscriptions) == 1
    slow.reading.set()
    assert (await slow.frame("bye"))["reason"] == "too_slow"
    await slow.ended()
    assert not slow._task.cancelled()


@with_centre
async def test_how_much_one_agent_may_open(centre: DeskCentre) -> None:
    desks = [await centre.desk("paul") for _ in range(MAX_SOCKETS)]
    assert (await centre.browser("paul").frame())["reason"] == "too_many"
    browser = desks[0]
    for number in range(MAX_SUBSCRIPTIONS):
        assert (await browser.subscribe("me", sub=f"me{number}"))["op"] == "snapshot"
    assert (await browser.subscribe("me", sub="more"))["error"]["limit"] == MAX_SUBSCRIPTIONS
    assert (await browser.subscribe("me", sub="me0"))["op"] == "snapshot"  # the same name replaces
    browser.send(op="unsubscribe", sub="me1")
    assert (await browser.subscribe("me", sub="more"))["op"] == "snapshot"
    await desks[1].leave()
    assert (await centre.desk("paul")).accepted


@with_centre
async def test_the_leader_hears_of_the_first_desk_and_not_of_the_second(centre: DeskCentre) -> None:
    assert not await _connected(centre, "paul")
    first = await centre.desk("paul")
    await wait_until(lambda: _connected(centre, "paul"))
    before = await centre.position()
    second = await centre.desk("paul")
    await first.leave()
    await second.leave()
    assert await centre.position() == before  # somebody may still come back before vanish_seconds
    assert await _connected(centre, "paul")


async def _connected(centre: DeskCentre, agent: str) -> bool:
    row = await centre.node.store.reader.row(TABLES["agent_state"], ("org", agent))
    return row is not None and bool(row["connected"])


@with_centre
async def test_a_process_that_stops_says_so(centre: DeskCentre) -> None:
    browser = await centre.desk("paul")
    centre.web.close()
    assert (await browser.frame())["reason"] == "stopping"
    await browser.ended()
