"""Walls, over HTTP: every route that the application answers, tried by everybody who must not, each refusal beside
the same request by everybody who may. A route without a case, or a reason to be open to anybody, fails.

The chat's doors are in `test_walls_chat.py`, views and commands in `test_walls_socket.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from guichet.kit.ids import new_id
from guichet.server.demo import Demo
from guichet.server.serve import application
from tests.support.walls import (
    ADMINISTRATORS,
    EVIL,
    METRICS_TOKEN,
    PEOPLE,
    PNG,
    TARGETS,
    WORDS,
    House,
    doors_of,
    outsiders,
    rightful,
    seen_by,
    seen_in,
)

pytestmark = pytest.mark.contract

Counted = Callable[[str, object], None]
Ask = Callable[[httpx.AsyncClient, str, str], Awaitable[httpx.Response]]
"""Asks about a conversation (or what belongs to it), and the address of a file of it."""


async def save_draft(c: httpx.AsyncClient, of: str, file: str) -> httpx.Response:
    """Goes on with the draft that is there, as a desk does."""
    path = f"/api/drafts/{of}/reply"
    revision = (await c.get(path)).json().get("revision", 0)
    return await c.put(path, json={"text": f"Bonjour {of}", "attachments": [], "revision": revision})


def note(c: httpx.AsyncClient, of: str, file: str) -> Awaitable[httpx.Response]:
    ask = {"name": "add_note", "key": new_id(), "payload": {"conversation": of, "text": "vu"}}
    return c.post("/api/commands", json=ask)


THINGS: dict[str, Ask] = {
    "GET /api/conversations/{conversation}": lambda c, of, _: c.get(f"/api/conversations/{of}"),
    "GET /api/conversations/{conversation}/messages": lambda c, of, _: c.get(
        f"/api/conversations/{of}/messages"
    ),
    "GET /api/conversations": lambda c, of, _: c.get(f"/api/conversations?customer={of}-customer"),
    "GET /api/tasks/{task}/decisions": lambda c, of, _: c.get(f"/api/tasks/{of}-1/decisions"),
    "GET /api/customers/{customer}": lambda c, of, _: c.get(f"/api/customers/{of}-customer"),
    "PUT /api/drafts/{conversation}/{kind}": save_draft,
    "GET /api/drafts/{conversation}/{kind}": lambda c, of, _: c.get(f"/api/drafts/{of}/reply"),
    "DELETE /api/drafts/{conversation}/{kind}": lambda c, of, _: c.delete(f"/api/drafts/{of}/note"),
    "POST /api/attachments": lambda c, of, _: c.post(f"/api/attachments?conversation={of}", content=PNG),
    "GET /api/attachments/{conversation}/{address}": lambda c, of, file: c.get(
        f"/api/attachments/{of}/{file}"
    ),
    "POST /api/commands": note,
}
"""Those that name a thing: to whom it is nothing, it is as if it were not there."""
SILENT = {"DELETE /api/drafts/{conversation}/{kind}", "POST /api/attachments", "POST /api/commands"}
"""Their answers hold no word of the conversation."""

LISTS = {
    "GET /api/conversations": "/api/conversations?limit=200",
    "GET /api/customers": "/api/customers?words=ines",
    "GET /api/search": f"/api/search?words={WORDS}",
}
"""Those that name nothing: everybody finds what is theirs, and no more."""

ADMINISTRATION: dict[str, Ask] = {
    "GET /api/config/kinds": lambda c, of, _: c.get("/api/config/kinds"),
    "GET /api/config/{kind}": lambda c, of, _: c.get("/api/config/disposition"),
    "GET /api/config/{kind}/{ident}/history": lambda c, of, _: c.get(
        f"/api/config/disposition/{of}-code/history"
    ),
    "POST /api/invitations": lambda c, of, _: c.post("/api/invitations", json={"agent": of}),
    "PUT /api/secrets/{use}/{name}": lambda c, of, _: c.put(
        f"/api/secrets/relay/{of}", json={"secret": f"of {of}"}
    ),
    "GET /api/secrets/{use}/{name}": lambda c, of, _: c.get(f"/api/secrets/relay/{of}"),
    "DELETE /api/secrets/{use}/{name}": lambda c, of, _: c.delete(f"/api/secrets/relay/{of}"),
}
"""For administrators, over all clients of their own organisation: they are who gives clearances."""

OWN = ("GET /api/me", "POST /api/sign-out", "POST /api/password")
SIGNING = (
    "POST /api/sign-in", "GET /api/setup", "POST /api/setup", "GET /api/invitations/{token}",
    "POST /api/invitations/{token}",
)  # fmt: skip
# In the modules beside this one.
CHAT = (
    "GET /api/webchat/{entry}", "OPTIONS /api/webchat/{entry}",
    "POST /api/webchat/{entry}/open", "OPTIONS /api/webchat/{entry}/open",
    "POST /api/webchat/{entry}/attachments", "OPTIONS /api/webchat/{entry}/attachments",
    "GET /api/webchat/{entry}/attachments/{address}", "OPTIONS /api/webchat/{entry}/attachments/{address}",
    "WS /api/webchat/{entry}/socket",
)  # fmt: skip
SOCKETS = ("WS /api/desk",)
VOICE = ("GET /api/ice-servers", "GET /api/trunks", "POST /api/trunks/{trunk}/test-call")

OPEN = {
    "GET /": ("/", "leads to the desk"),
    "GET /api/health": ("/api/health", "probes sign in nowhere; figures only"),
    "GET /api/openapi.json": ("/api/openapi.json", "the description of the routes, the same for all"),
    "GET /metrics": ("/metrics", "figures only, and for whoever has the token"),
    "GET /widget/guichet.js": ("/widget/guichet.js", "the chat's program, for every page"),
    "MOUNT /desk/assets": ("/desk/assets/nothing.js", "the desk's program"),
    "GET /desk": ("/desk", "the desk's page: it holds nothing before somebody signs in"),
    "GET /desk/{rest:path}": ("/desk/work", "the same"),
}
"""Open to anybody, and why."""
DEMONSTRATION = "invented customers and words only; there with `--demo` alone"


async def in_a_house(
    tmp_path: Path, test: Callable[[House], Awaitable[None]], url: str, counted: Counted
) -> None:
    async with House.running(tmp_path / "data", url) as house:
        await house.talk()
        await test(house)
        counted("refusals", house.tries)


async def test_every_route_has_a_case(tmp_path: Path) -> None:
    async with House.running(tmp_path / "data", empty=True) as house:
        found = doors_of(house.app.routes)
        assert found == {*THINGS, *LISTS, *ADMINISTRATION, *OWN, *SIGNING, *CHAT, *SOCKETS, *VOICE, *OPEN}
        demo = Demo(house.node.settings, house.node.clock, lambda: ("127.0.0.1", 1))
        app = application(house.node, house.web, demo)
        more = doors_of(app.routes) - found
        assert more, DEMONSTRATION
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://desk.example") as browser:
            for method, path in (door.split() for door in more):
                assert path.startswith("/demo/"), path
                if method != "GET":
                    answer = await browser.request(method, path, json={"on": False})
                    assert answer.json()["code"] == "header.missing"


async def test_things_and_lists(tmp_path: Path, database: str, counted: Counted) -> None:
    async def walls(house: House) -> None:
        browsers = {who: house.http(who) for who in PEOPLE}
        for name, ask in THINGS.items():
            for of in TARGETS:
                for who in outsiders(of):
                    nothing = await ask(browsers[who], "nothing", "0" * 64)
                    async with house.unchanged(f"{who}: {name} of {of}"):
                        answer = await ask(browsers[who], of, house.files[of])
                    assert (answer.status_code, answer.content) == (404, nothing.content), (name, who, of)
                for who in rightful(of):
                    answer = await ask(browsers[who], of, house.files[of])
                    assert answer.is_success, (name, who, of, answer.text)
                    if "address" in name:
                        assert answer.content == PNG
                    elif name not in SILENT:
                        assert seen_in(answer.text) == {of}, (name, who)
            await turned_away(house, name, ask, "zircon", "paul")
        # A file of one conversation is not to be had through another one.
        async with house.unchanged("a file of somebody else"):
            answer = await browsers["ada"].get(f"/api/attachments/zircon/{house.files['amber']}")
        assert answer.status_code == 404
        await house.indexed()
        for name, path in LISTS.items():
            async with house.unchanged(name):
                for who, browser in browsers.items():
                    answer = await browser.get(path)
                    assert (answer.status_code, seen_in(answer.text)) == (200, seen_by(who)), (name, who)
            await turned_away(house, name, lambda c, *_, path=path: c.get(path), "", "paul")
        for filters in ("agent=paul", "state=active", f"before={2**53}"):
            for who, browser in browsers.items():
                answer = await browser.get(f"/api/conversations?{filters}")
                assert seen_in(answer.text) == seen_by(who) - (
                    {"amber", "cobalt"} if "paul" in filters else set()
                )

    await in_a_house(tmp_path, walls, database, counted)


async def turned_away(house: House, name: str, ask: Ask, of: str, rightful_one: str) -> None:
    """Nobody, somebody who left, a visitor and another site's page get nothing, whatever they ask for."""
    file = house.files.get(of, "")
    visit = await house.node.store.sessions.create("visitor", "org", "zircon-customer", 2**45)
    for cookie in ("", house.tokens["old"], visit, "x" * 5_000):
        async with house.unchanged(f"signed out: {name}"):
            answer = await ask(house.http(Cookie=f"guichet_session={cookie}"), of, file)
        assert (answer.status_code, answer.json()["code"]) == (401, "session.none"), name
    async with house.unchanged(f"another site: {name}"):
        answer = await ask(house.http(rightful_one, Origin=EVIL), of, file)
    assert (answer.status_code, answer.json()["code"]) == (403, "request.foreign_origin"), name
    if not name.startswith("GET"):
        without = house.http(rightful_one)
        del without.headers["X-Guichet"]
        async with house.unchanged(f"a form: {name}"):
            answer = await ask(without, of, file)
        assert (answer.status_code, answer.json()["code"]) == (403, "request.header_missing"), name


async def test_administration_and_oneself(tmp_path: Path, database: str, counted: Counted) -> None:
    async def walls(house: House) -> None:
        for name, ask in ADMINISTRATION.items():
            invites = name == "POST /api/invitations"
            for who, (org, *_) in PEOPLE.items():
                browser = house.http(who)
                for of, (its_org, _) in TARGETS.items():
                    subject = {"zircon": "eva", "amber": "bob", "cobalt": "max"}[of] if invites else of
                    if who in ADMINISTRATORS and org == its_org:
                        answer = await ask(browser, subject, "")
                        assert answer.is_success, (name, who, of, answer.text)
                        assert (of in answer.text) == ("{kind}" in name), name
                        continue
                    nothing = await ask(browser, "nothing", "")
                    async with house.unchanged(f"{who}: {name} of {of}"):
                        answer = await ask(browser, subject, "")
                    assert (answer.status_code, answer.content) == (nothing.status_code, nothing.content)
                    assert answer.status_code == 403 or who in ADMINISTRATORS, (name, who)
                    assert of not in answer.text, (name, who)
            await turned_away(house, name, ask, "zircon", "ada")
        for who, (org, role, _) in PEOPLE.items():
            me = (await house.http(who).get("/api/me")).json()
            assert (me["organisation"], me["agent"], me["role"]) == (org, who, role)
        await turned_away(house, "GET /api/me", lambda c, *_: c.get("/api/me"), "", "paul")
        await changing_passwords(house)
        await keeping_secrets(house)
        await signing_out(house)

    await in_a_house(tmp_path, walls, database, counted)


async def changing_passwords(house: House) -> None:
    """One's own, with the old one; there is no way to name somebody else's."""
    old, new = "correct horse battery", "another good secret"
    await house.web.passwords.set("org", "paul", old)

    def change(browser: httpx.AsyncClient, **more: str) -> Awaitable[httpx.Response]:
        return browser.post("/api/password", json={"old": old, "password": new, **more})

    await turned_away(house, "POST /api/password", lambda c, *_: change(c), "", "paul")
    for who, more in (("eva", {}), ("ada", {"agent": "paul"}), ("paul", {"old": new})):
        async with house.unchanged(f"{who} changes paul's password"):
            assert (await change(house.http(who), **more)).status_code == 422
    assert await house.web.passwords.verify("org", "paul", old)
    assert (await change(house.http("paul"))).status_code == 204
    assert await house.web.passwords.verify("org", "paul", new)


async def keeping_secrets(house: House) -> None:
    """Each organisation its own, whatever they are called; no name leads out of its use."""
    vault = house.node.store.secrets
    hashed = await vault.get("org", "password/paul")
    assert hashed is not None
    for who in ("ada", next(w for w in ADMINISTRATORS if PEOPLE[w][0] == "other")):
        kept = await house.http(who).put("/api/secrets/identity/shop", json={"secret": f"of {who}"})
        assert kept.status_code == 204
        told = await house.http(who).get("/api/secrets/identity/shop")
        assert (told.status_code, told.json()) == (200, {"known": True})
        assert await vault.get(PEOPLE[who][0], "identity/shop") == f"of {who}".encode()
    assert (await house.http("ada").get("/api/secrets/relay/shop")).json() == {"known": False}
    for path in (
        "password/paul",
        "relay/..%2Fpassword%2Fpaul",
        "relay/../password/paul",
        "relay/password:paul",
    ):
        async with house.unchanged(path):
            answer = await house.http("ada").put(f"/api/secrets/{path}", json={"secret": "mine"})
            removed = await house.http("ada").delete(f"/api/secrets/{path}")
        assert {answer.status_code, removed.status_code} <= {404, 405, 422}, path
    assert await vault.get("org", "password/paul") == hashed
    assert (await house.http("ada").delete("/api/secrets/identity/shop")).status_code == 204
    assert (await house.http("ada").get("/api/secrets/identity/shop")).json() == {"known": False}
    assert await vault.get("other", "identity/shop") is not None, (
        "another organisation's is not hers to remove"
    )


async def signing_out(house: House) -> None:
    without = house.http("paul")
    del without.headers["X-Guichet"]
    for other in (without, house.http("paul", Origin=EVIL)):
        async with house.unchanged("another site signs out"):
            assert (await other.post("/api/sign-out")).status_code == 403
    assert (await house.http("eva").post("/api/sign-out")).status_code == 204
    assert (await house.http("eva").get("/api/me")).status_code == 401, "whoever signed out is out"
    assert (await house.http("paul").get("/api/me")).status_code == 200, "and nobody else is"


async def test_signing_in(tmp_path: Path) -> None:
    """Set up once, invited once, and signed in with one's own password only."""
    async with House.running(tmp_path / "data", empty=True) as house:
        founding = {
            "organisation": "Lune",
            "name": "Anne",
            "email": "anne@lune.example",
            "password": "x" * 12,
        }
        plain, foreign = house.http(), house.http(Origin=EVIL)
        del plain.headers["X-Guichet"]
        for browser in (plain, foreign):
            async with house.unchanged("another site sets up"):
                assert (await browser.post("/api/setup", json=founding)).status_code == 403
        assert (await house.http().get("/api/setup")).json() == {"needed": True}
        anne = house.http()
        assert (await anne.post("/api/setup", json=founding)).status_code == 201
        async with house.unchanged("set up twice"):
            again = await house.http().post("/api/setup", json={**founding, "email": "eve@evil.example"})
        assert (again.status_code, again.json()["code"]) == (409, "organisation.exists")
        assert (await house.http().get("/api/setup")).json() == {"needed": False}

        me = (await anne.get("/api/me")).json()
        link = (await anne.post("/api/invitations", json={"agent": me["agent"]})).json()["link"]
        token = link.rpartition("/")[2]
        path, chosen = f"/api/invitations/{token}", {"password": "correct horse battery"}
        assert (await house.http().get(path)).json()["name"] == "Anne"
        async with house.unchanged("invitations of others"):
            for browser in (plain, foreign):
                assert (await browser.post(path, json=chosen)).status_code == 403
            for wrong in ("nothing", house.tokens.get("ada", "x"), token[:-1]):
                assert (await house.http().get(f"/api/invitations/{wrong}")).status_code == 404
                answer = await house.http().post(f"/api/invitations/{wrong}", json=chosen)
                assert (answer.status_code, answer.json()["code"]) == (404, "invitation.gone")
        assert (await house.http().post(path, json=chosen)).is_success
        assert (await house.http().post(path, json=chosen)).status_code == 404, "a link works once"
        assert (await anne.get("/api/me")).status_code == 401, "a new password ends the other sessions"

        def sign_in(browser: httpx.AsyncClient, **more: Any) -> Awaitable[httpx.Response]:
            return browser.post("/api/sign-in", json={"email": "anne@lune.example", **chosen, **more})

        async with house.unchanged("signing in as somebody else"):
            for browser in (plain, foreign):
                assert (await sign_in(browser)).status_code == 403
            wrong = await sign_in(house.http(), password="x" * 12)
            unknown = await sign_in(house.http(), email="nobody@lune.example")
            elsewhere = await sign_in(house.http(), organisation="other")
        assert wrong.status_code in (401, 403)
        assert unknown.content == wrong.content == elsewhere.content
        assert (await sign_in(house.http())).json()["agent"] == me["agent"]


async def test_open_to_anybody_and_empty_of_anything(tmp_path: Path, counted: Counted) -> None:
    async def walls(house: House) -> None:
        for name, (path, why) in OPEN.items():
            answer = await house.http().get(path)
            assert answer.status_code in (200, 307, 404, 503), (name, why)
            assert not seen_in(answer.text), (name, why)
        here = httpx.ASGITransport(app=house.app, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=here, base_url="http://desk.example") as probe:
            figures = await probe.get("/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"})
            assert (figures.status_code, seen_in(figures.text)) == (200, set())
            for wrong in (
                "",
                "Bearer",
                "Bearer ",
                "Bearer of another",
                METRICS_TOKEN,
                f"Basic {METRICS_TOKEN}",
            ):
                refused = await probe.get("/metrics", headers={"Authorization": wrong})
                assert refused.status_code == 404, "a proxy on this machine brings everybody"

    await in_a_house(tmp_path, walls, "sqlite", counted)
