"""Walls, over the desk's socket: every view, and every command in the catalogue, tried by everybody who must not,
each refusal beside the same request by somebody who may. A view or a command without a case fails.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guichet.desk.views import VIEWS
from guichet.leader.registry import COMMANDS
from guichet.server import stages
from tests.support.desk_centre import Browser
from tests.support.wall_commands import DOORS, PEOPLES, Case
from tests.support.walls import (
    EVIL,
    HOLDERS,
    LEADERS,
    PEOPLE,
    PNG,
    TARGETS,
    House,
    outsiders,
    rightful,
    seen_by,
    seen_in,
    shown,
)

pytestmark = pytest.mark.contract

stages.load()

Counted = Callable[[str, object], None]
OF_A_CONVERSATION = ("conversation", "thread", "legs")
OF_AN_AGENT = ("my_work", "me")
OF_THE_HOUSE = ("waiting", "config", "queues", "agents")
FOR_LEADERS = ("queues", "agents")
FOR_VISITORS = ("visitor_thread",)


def test_every_view_and_command_has_a_case() -> None:
    assert set(VIEWS) == {*OF_A_CONVERSATION, *OF_AN_AGENT, *OF_THE_HOUSE, *FOR_VISITORS}
    ours = {name for name, spec in COMMANDS.items() if spec.handle.__module__.startswith("guichet.")}
    assert ours == {*PEOPLES, *DOORS}


async def test_views(tmp_path: Path, database: str, counted: Counted) -> None:
    async with House.running(tmp_path / "data", database) as house:
        await house.talk()
        await signed_out(house)
        desks = await house.desks()
        for who, desk in desks.items():
            for view in OF_A_CONVERSATION:
                for of in TARGETS:
                    if of in seen_by(who):
                        snapshot = await desk.subscribe(view, of, f"{view}.{of}")
                        assert snapshot["rows"], (who, view, of)
                        assert seen_in(shown(snapshot)) == {of}
                    else:
                        await nothing_there(house, desk, view, of, "not_found")
            for view in FOR_VISITORS:
                for of in TARGETS:
                    await nothing_there(house, desk, view, of, "view.forbidden")
            for view in OF_AN_AGENT:
                for of, holder in HOLDERS.items():
                    if holder == who:
                        assert (await desk.subscribe(view, holder))["rows"], (who, view)
                    else:
                        await nothing_there(house, desk, view, holder, "not_found")
                        snapshot = await desk.subscribe(view)  # one's own
                        assert of not in shown(snapshot)
                        assert not any(row.get("agent") != who for row in snapshot["rows"])
            for view in OF_THE_HOUSE:
                await watch_the_house(house, desk, who, view)
        await news_of_others(house, desks)
        counted("refusals", house.tries)


async def signed_out(house: House) -> None:
    """Nobody, somebody who left, a visitor: told to sign in. Another site's page is not even answered."""
    visit = await house.node.store.sessions.create("visitor", "org", "zircon-customer", 2**45)
    for token in (None, house.tokens["old"], visit):
        async with house.unchanged("signed out"):
            browser = house.desk_socket(token)
            browser.send(op="subscribe", sub="s", view="thread", partition="zircon")
            assert await browser.frame() == {"op": "bye", "reason": "signed_out"}
            await browser.ended()
            assert browser.frames.empty()
    for origin in (EVIL, None):
        async with house.unchanged("another site"):
            browser = house.desk_socket(house.tokens["paul"], origin)
            await browser.ended()
        assert (browser.accepted, browser.closed) == (False, 1008)


async def nothing_there(house: House, desk: Browser, view: str, partition: str, code: str) -> None:
    """Refused as something unknown is."""
    async with house.unchanged(f"{view} of {partition}"):
        unknown = await desk.subscribe(view, "nothing", "s")
        refused = await desk.subscribe(view, partition, "s")
    assert refused == unknown, (view, partition)
    assert (refused["op"], refused["error"]["code"]) == ("refused", code), (view, partition)


async def watch_the_house(house: House, desk: Browser, who: str, view: str) -> None:
    """An organisation's view: of one's own, as far as one is cleared; whatever else is named is not there."""
    org = PEOPLE[who][0]
    if view in FOR_LEADERS and who not in LEADERS:
        await nothing_there(house, desk, view, org, "view.forbidden")
        return
    await nothing_there(house, desk, view, "other" if org == "org" else "org", "not_found")
    snapshot = await desk.subscribe(view, org, view)
    if view == "agents":
        colleagues = {name for name, (its, *_) in PEOPLE.items() if its == org}
        assert {row["agent"] for row in snapshot["rows"]} - {"old"} == colleagues
    else:
        assert seen_in(shown(snapshot)) == seen_by(who), (who, view)


async def news_of_others(house: House, desks: dict[str, Browser]) -> None:
    """Everybody watches all that they may; what happens then is told to those only whom it concerns."""
    for of, (org, _) in TARGETS.items():
        await house.say(of, f"Encore {of}", org)
        await house.change(org, "disposition", f"{of}-code", name=f"Autre {of}")
        for who in outsiders(of):  # who does not watch a thread cannot say that they write in it
            desks[who].send(op="writing", conversation=of)
    heard: dict[str, list[dict[str, Any]]] = {who: [] for who in desks}
    for of in TARGETS:
        for who in rightful(of):
            while f"Autre {of}" not in json.dumps(heard[who]):
                heard[who].append(await desks[who].frame())
    for who, desk in desks.items():
        desk.send(op="ping")
        while (frame := await desk.frame())["op"] != "pong":
            heard[who].append(frame)
        assert seen_in(json.dumps(heard[who])) == seen_by(who), who
        assert {frame["op"] for frame in heard[who]} <= {"delta"}, "nobody's writing came by"
    for of in TARGETS:
        second = next(who for who in rightful(of) if who != HOLDERS[of])
        desks[second].send(op="writing", conversation=of)
        assert (await desks[HOLDERS[of]].frame("signal"))["agent"] == second


async def test_commands_of_people(tmp_path: Path, database: str, counted: Counted) -> None:
    async with House.running(tmp_path / "data", database) as house:
        desks = await house.desks()
        for number, (name, case) in enumerate(PEOPLES.items()):
            # Somebody else's presence takes more than one's own.
            assert case.permission == COMMANDS[name].permission or name == "set_presence"
            await try_command(house, desks, name, case, f"zircon{number}")
        counted("refusals", house.tries)


async def try_command(house: House, desks: dict[str, Browser], name: str, case: Case, of: str) -> None:
    """Over the socket and over HTTP: to who may not, it is as if it were not there."""
    payload = await case.prepare(house, of)
    unknown = case.unknown(payload, of)
    for who in PEOPLE:
        if case.may_do(who):
            continue
        desk, browser = desks[who], house.http(who)
        nothing = (await desk.command(name, **unknown))["error"]
        async with house.unchanged(f"{who}: {name}"):
            refused = (await desk.command(name, **payload))["error"]
            answer = await browser.post(
                "/api/commands", json={"name": name, "key": f"{of}.{who}", "payload": payload}
            )
        assert refused == nothing == answer.json(), (name, who)
        expected = case.expected(who)
        assert refused["code"] == expected, (name, who, refused)
    for who, code in case.also.items():
        async with house.unchanged(f"{who}: {name}"):
            answer_frame = await desks[who].command(name, **payload)
        assert answer_frame["error"]["code"] == code, (name, who)
    for actor in case.no_agents(of):
        async with house.unchanged(f"{actor}: {name}"):
            assert await house.refusal(actor, name, payload) == "permission.missing", (name, actor)
    before = await house.last()
    ask = {"name": name, "key": of, "payload": payload}
    frame = await desks[case.may].command(name, key=of, **payload)
    assert "ok" in frame, (name, frame)
    assert await house.last() > before, name
    repeated = await house.http(case.may).post("/api/commands", json=ask)
    assert (repeated.status_code, repeated.json()) == (200, frame["ok"]), name
    await case.tidy(house, of)


async def test_what_a_command_names_besides(tmp_path: Path) -> None:
    """Whoever may ask for one thing learns nothing of another that they name in passing."""
    async with House.running(tmp_path / "data") as house:
        await house.talk()
        desks = await house.desks()
        for who, name, payload in (
            ("paul", "transfer", {"conversation": "zircon", "queue": "amber-queue"}),
            ("paul", "transfer", {"conversation": "zircon", "queue": "cobalt-queue"}),
            ("ada", "transfer", {"conversation": "zircon", "queue": "cobalt-queue"}),
            ("paul", "transfer", {"conversation": "zircon", "agent": "max"}),
            ("lea", "assign", {"conversation": "zircon", "agent": "max"}),
            ("ada", "set_presence", {"agent": "max", "presence": "break"}),
        ):
            (what,) = payload.keys() & {"queue", "agent"}
            async with house.unchanged(f"{who}: {name}"):
                unknown = await desks[who].command(name, **{**payload, what: "nothing"})
                refused = await desks[who].command(name, **payload)
            assert refused == unknown, (who, name)
            assert refused["error"]["kind"] == "not_found"
        for who, client, file in (("paul", "zircon", "amber"), ("bob", "amber", "zircon")):
            attached = {"address": house.files[file], "name": "x.png", "type": "image/png", "size": len(PNG)}
            words = {"conversation": client, "message": "m", "text": "Voici"}
            async with house.unchanged("somebody else's file"):
                unknown = await desks[who].command(
                    "send_message", **words, attachments=[{**attached, "address": "0" * 64}]
                )
                refused = await desks[who].command("send_message", **words, attachments=[attached])
            assert refused == unknown
            attached["address"] = house.files[client]
            assert "ok" in await desks[who].command("send_message", **words, attachments=[attached])


async def test_commands_of_channels_and_of_the_system(
    tmp_path: Path, database: str, counted: Counted
) -> None:
    """No desk can send them; each has its door, and nobody else comes through."""
    async with House.running(tmp_path / "data", database) as house:
        desks = await house.desks()
        for number, (name, door) in enumerate(DOORS.items()):
            of = f"zircon{number}"
            payload = await door.prepare(house, of)
            for who, desk in desks.items():
                async with house.unchanged(f"{who}: {name}"):
                    unknown = await desk.command("no_such_command", **payload)
                    refused = await desk.command(name, **payload)
                    ask = {"name": name, "key": "k", "payload": payload}
                    answer = await house.http(who).post("/api/commands", json=ask)
                assert refused == unknown, (name, who)
                assert refused["error"] == answer.json(), (name, who)
                assert refused["error"]["code"] == "command.unknown"
            for actor, code in door.must_not(of).items():
                async with house.unchanged(f"{actor}: {name}"):
                    assert await house.refusal(actor, name, payload) == code, (name, actor)
            before = await house.last()
            await house.do(door.may(of), name, **payload)
            assert (await house.last() > before) != door.again, name
        counted("refusals", house.tries)
