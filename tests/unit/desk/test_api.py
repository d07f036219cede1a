"""The desk over HTTP: every route against the walls, then what each one answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from guichet.accounts.permissions import WORK
from guichet.desk.http import Needs
from guichet.kit.ids import new_id
from tests.support.desk_centre import DeskCentre, with_centre

pytestmark = pytest.mark.unit

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
Ask = Callable[[httpx.AsyncClient, str], Awaitable[httpx.Response]]
"""Asks something about a conversation whose customer is `<conversation>-customer`."""

CASES: dict[str, Ask] = {
    "GET /api/conversations": lambda c, of: c.get(
        "/api/conversations", params={"customer": f"{of}-customer"}
    ),
    "GET /api/conversations/{conversation}": lambda c, of: c.get(f"/api/conversations/{of}"),
    "GET /api/conversations/{conversation}/messages": lambda c, of: c.get(
        f"/api/conversations/{of}/messages"
    ),
    "GET /api/tasks/{task}/decisions": lambda c, of: c.get(f"/api/tasks/{of}-1/decisions"),
    "GET /api/customers/{customer}": lambda c, of: c.get(f"/api/customers/{of}-customer"),
    "GET /api/drafts/{conversation}/{kind}": lambda c, of: c.get(f"/api/drafts/{of}/reply"),
    "PUT /api/drafts/{conversation}/{kind}": lambda c, of: c.put(
        f"/api/drafts/{of}/note", json={"text": "à revoir", "attachments": [], "revision": 0}
    ),
    "DELETE /api/drafts/{conversation}/{kind}": lambda c, of: c.delete(f"/api/drafts/{of}/note"),
    "POST /api/attachments": lambda c, of: c.post(
        "/api/attachments", params={"conversation": of}, content=PNG
    ),
    "GET /api/attachments/{conversation}/{address}": lambda c, of: c.get(
        f"/api/attachments/{of}/{ADDRESSES[of]}"
    ),
    "POST /api/commands": lambda c, of: c.post(
        "/api/commands",
        json={"name": "add_note", "key": new_id(), "payload": {"conversation": of, "text": "vu"}},
    ),
}
LISTS: dict[str, Ask] = {
    "GET /api/customers": lambda c, of: c.get("/api/customers", params={"words": of}),
    "GET /api/search": lambda c, of: c.get("/api/search", params={"words": f"secret{of}"}),
}
"""Those that name nothing: who may not see a thing finds nothing."""
ADDRESSES: dict[str, str] = {}
"""A file of each conversation."""


async def furnished(centre: DeskCentre) -> None:
    """`shop`, `bank`: a conversation of each client; `far`: one of the other organisation."""
    for conversation, client, org in (
        ("shop", "shop", "org"),
        ("bank", "bank", "org"),
        ("far", "shop", "other"),
    ):
        await centre.chat(conversation, client, org, words=f"secret{conversation}")
        ADDRESSES[conversation], _ = await centre.node.store.blobs.put(f"{conversation}-customer", PNG)
    await centre.indexed()


def routes(centre: DeskCentre) -> dict[str, APIRoute]:
    found = {}
    for route in centre.routes:
        if isinstance(route, APIRoute) and "desk" in route.tags:
            for method in route.methods or ():
                found[f"{method} {route.path}"] = route
    return found


@with_centre
async def test_every_route_has_a_case_and_declares_its_permission(centre: DeskCentre) -> None:
    found = routes(centre)
    assert set(found) == set(CASES) | set(LISTS)
    for name, route in found.items():
        needs = [d.call for d in route.dependant.dependencies if isinstance(d.call, Needs)]
        assert [need.permission for need in needs] == [WORK], name


@with_centre
async def test_walls(centre: DeskCentre) -> None:
    await furnished(centre)
    paul, bob, eve = centre.http("paul"), centre.http("bob"), centre.http("max")
    nobody, nina = centre.http(), centre.http("nina")
    for name, ask in CASES.items():
        before = await centre.position()
        assert (await ask(nobody, "shop")).status_code == 401, name
        unknown = (
            await ask(paul, "unknown") if "{address}" not in name else await paul.get("/api/attachments/x/y")
        )
        for who, of in (
            (nina, "shop"),
            (bob, "shop"),
            (eve, "shop"),
            (paul, "bank"),
            (paul, "far"),
            (eve, "bank"),
        ):
            answer = await ask(who, of)
            assert (answer.status_code, answer.content) == (unknown.status_code, unknown.content), (name, of)
        assert unknown.status_code == 404, name
        if name.split()[0] != "GET":
            without = centre.http("paul")
            del without.headers["X-Guichet"]
            assert (await ask(without, "shop")).json()["code"] == "request.header_missing", name
            foreign = centre.http("paul", Origin="https://evil.example")
            assert (await ask(foreign, "shop")).json()["code"] == "request.foreign_origin", name
        assert await centre.position() == before, name + " left a trace in the log"
        assert (await ask(paul, "shop")).is_success, name
        assert (await ask(eve, "far")).is_success, name
        assert (await ask(centre.http("ada"), "bank")).is_success, name
    for name, ask in LISTS.items():
        assert (await ask(nobody, "shop")).status_code == 401, name
        for who, of in (
            (nina, "shop"),
            (bob, "shop"),
            (eve, "shop"),
            (paul, "bank"),
            (paul, "far"),
            (eve, "bank"),
        ):
            assert (await ask(who, of)).json() == [], (name, of)
        for who, of in ((paul, "shop"), (bob, "bank"), (eve, "far"), (centre.http("ada"), "bank")):
            assert len((await ask(who, of)).json()) == 1, (name, of)


@with_centre
async def test_conversations_by_customer_state_and_agent_page_by_page(centre: DeskCentre) -> None:
    await centre.chat("bank", "bank")
    for number in range(5):
        await centre.chat(f"c{number}")
    await centre.take("c1", "paul")
    paul = centre.http("paul")

    async def ids(**params: Any) -> list[str]:
        rows = (await paul.get("/api/conversations", params=params)).json()
        assert all("subject" not in row and "org" not in row for row in rows)
        return [row["conversation"] for row in rows]

    first = (await paul.get("/api/conversations", params={"limit": 2})).json()
    assert [row["conversation"] for row in first] == ["c4", "c3"]
    assert await ids(limit=2, before=first[-1]["last_at"]) == ["c2", "c1"]
    assert await ids(agent="paul") == ["c1"]
    assert await ids(state="active") == ["c1"]
    assert await ids(state="waiting", customer="c2-customer") == ["c2"]
    one = (await paul.get("/api/conversations/c1")).json()
    assert (one["agent"], [leg["agent"] for leg in one["legs"]]) == ("paul", ["paul"])


@with_centre
async def test_a_thread_is_read_backwards_in_pages_oldest_first(centre: DeskCentre) -> None:
    await centre.chat("c1", words="1")
    for number in range(2, 8):
        await centre.say("c1", str(number))
    paul = centre.http("paul")

    async def numbers(**params: Any) -> list[int]:
        return [row["n"] for row in (await paul.get("/api/conversations/c1/messages", params=params)).json()]

    assert await numbers(limit=3) == [5, 6, 7]
    assert await numbers(limit=3, before=5) == [2, 3, 4]
    assert await numbers(limit=3, before=2) == [1]


@with_centre
async def test_people_are_found_by_name_address_and_number(centre: DeskCentre) -> None:
    await centre.chat("c1")
    await centre.chat("c2", "bank")
    await centre.do(
        centre.agent("paul"), "describe_customer", customer="c1-customer", name="Zoé Lefèvre-Martin",
        phone="+33 6 12 34 56 78",
    )  # fmt: skip
    await centre.indexed()

    async def found(words: str, who: str = "paul") -> list[str]:
        answer = await centre.http(who).get("/api/customers", params={"words": words})
        return [row["customer"] for row in answer.json()]

    for words in ("zoe", "LEFEVRE zo", "martin", "ines.c1@mail.example", "+33 6 12", "33612345678"):
        assert await found(words) == ["c1-customer"], words
    for words in ("zoe nobody", "@@@", "612345678"):
        assert await found(words) == [], words
    await centre.do(centre.agent("paul"), "describe_customer", customer="c1-customer", name="Zoé Durand")
    await centre.indexed()
    assert await found("lefevre") == []
    assert await found("durand") == ["c1-customer"]
    assert await found("ines", "ada") == ["c2-customer", "c1-customer"]  # by address
    await centre.do(centre.agent("ada"), "erase_customer", customer="c1-customer")
    await centre.indexed()
    assert await found("zoe", "ada") == []


@with_centre
async def test_search_shows_each_conversation_once_with_the_latest_place(centre: DeskCentre) -> None:
    await centre.chat("c1", words="Où est mon colis bleu ?")
    await centre.say("c1", "Un colis bleu, vous dis-je")
    await centre.indexed()
    (hit,) = (await centre.http("paul").get("/api/search", params={"words": "bleu colis"})).json()
    assert (hit["conversation"], hit["n"], hit["channel"], hit["client"]) == ("c1", 2, "webchat", "shop")
    assert "colis bleu" in hit["excerpt"]


@with_centre
async def test_why_an_offer_went_where_it_went(centre: DeskCentre) -> None:
    desk = await centre.desk("paul")
    await desk.command("set_presence", presence="available")
    await centre.chat("c1")
    (task,) = await centre.rows("task", conversation="c1")
    (decision,) = (await centre.http("paul").get("/api/tasks/" + str(task["task"]) + "/decisions")).json()
    assert (decision["agent"], decision["task"]) == ("paul", task["task"])
    assert decision["record"]


@with_centre
async def test_commands_by_http_are_those_of_the_socket(centre: DeskCentre) -> None:
    await centre.chat("c1")
    paul = centre.http("paul")

    async def ask(name: str, key: str = "", **payload: Any) -> httpx.Response:
        return await paul.post(
            "/api/commands", json={"name": name, "key": key or new_id(), "payload": payload}
        )

    first = await ask("add_note", "k", conversation="c1", text="vu")
    assert (first.status_code, first.json()) == (200, {"n": 2})
    assert (await ask("add_note", "k", conversation="c1", text="vu")).json() == {"n": 2}
    answer = await ask("add_note", conversation="c1", text=5)
    assert (answer.status_code, answer.json()["field"]) == (422, "text")
    answer = await ask("add_note", conversation="c1", text="x" * 40_000)
    assert (answer.status_code, answer.json()["limit"]) == (413, 32_768)
    assert (await ask("receive_message", conversation="c1", message="m", text="x")).status_code == 422
    assert (await ask("erase_customer", customer="c1-customer")).status_code == 403
    assert len(await centre.rows("message", conversation="c1")) == 2


@with_centre
async def test_drafts_are_kept_shared_and_never_overwritten_unseen(centre: DeskCentre) -> None:
    await centre.chat("c1")
    paul, eva = centre.http("paul"), centre.http("eva")
    path = "/api/drafts/c1/reply"
    empty = {"text": "", "attachments": [], "revision": 0, "agent": None, "t": None}
    assert (await paul.get(path)).json() == empty
    file = {"address": "a", "name": "é.pdf", "type": "application/pdf", "size": 3}
    saved = (await paul.put(path, json={"text": "Bonj", "attachments": [file], "revision": 0})).json()
    assert (saved["revision"], saved["agent"]) == (1, "paul")
    assert (await eva.get(path)).json() == {**saved, "attachments": [file]}
    stale = await eva.put(path, json={"text": "Autre", "attachments": [], "revision": 0})
    assert (stale.status_code, stale.json()["code"]) == (409, "draft.stale")
    newer = await eva.put(path, json={"text": "Bonjour", "attachments": [], "revision": 1})
    assert newer.json()["revision"] == 2
    assert (await paul.get("/api/drafts/c1/note")).json() == empty
    assert (await paul.get("/api/drafts/c1/mail")).status_code == 422
    long = await paul.put(path, json={"text": "x" * 32_769, "attachments": [], "revision": 2})
    assert (long.status_code, long.json()["field"]) == (422, "text")
    assert (await paul.delete(path)).status_code == 204
    assert (await eva.get(path)).json() == empty


@with_centre
async def test_bounds_of_reads(centre: DeskCentre) -> None:
    paul = centre.http("paul")
    for path in (
        "/api/conversations?limit=0", "/api/conversations?limit=201", "/api/conversations?before=-1",
        "/api/conversations?state=lost", "/api/customers", "/api/customers?words=", "/api/search?words=a&limit=201",
        "/api/search?words=" + "x" * 201, "/api/conversations/" + "x" * 129,
        f"/api/conversations?before={2**63}",
    ):  # fmt: skip
        answer = await paul.get(path)
        assert answer.status_code == 422, path
        assert answer.json()["kind"] == "invalid", path
        assert "field" in answer.json(), path
