"""The doors of accounts over HTTP: real routes, real sessions and vault, the real leader over a log in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from guichet.accounts.api import Deps, router
from guichet.accounts.directory import Directory
from guichet.accounts.door import COOKIE, SESSION, Door
from guichet.accounts.invitations import VALID, Invitations
from guichet.accounts.passwords import Passwords
from guichet.accounts.setup import SetUp
from guichet.accounts.sign_in import PER_ACCOUNT, SignIn
from guichet.leader.registry import Command
from guichet.server.app import new_app
from guichet.store.port import Entry, Reader
from tests.support.harness import Harness, config, furnished
from tests.support.stores import Opened

pytestmark = pytest.mark.unit

SECRET = "correct horse battery"
HEADERS = {"X-Guichet": "1"}


class Log:
    """Reads the harness's log."""

    def __init__(self, house: Harness) -> None:
        self._house = house

    async def streams(self, names: Sequence[str]) -> dict[str, list[Entry]]:
        return {name: [e for e in self._house.log if e.stream == name] for name in names}


class Web:
    """One web process's accounts."""

    def __init__(self, house: Harness, opened: Opened) -> None:
        self.house, self.clock, store = house, opened.clock, opened.store
        self.directory = Directory()
        self.follow()
        self.passwords = Passwords(store.secrets)
        self.ended: list[str] = []
        self.elsewhere: list[tuple[str, str, str]] = []
        self.new_secrets: list[str] = []
        deps = Deps(
            door=Door(store.sessions, self.directory, self.clock),
            directory=self.directory,
            sign_in=SignIn(self.directory, self.passwords, self.clock),
            invitations=Invitations(self.directory, store.sessions, self.passwords, self.clock),
            set_up=SetUp(self.directory, self.passwords, self.submit),
            passwords=self.passwords,
            secrets=store.secrets,
            secret_kept=self.new_secrets.append,
            reader=cast(Reader, Log(house)),
            channel_schemas={"talk": {"type": "object"}},
            policies=["longest_idle"],
            signed_out=self.ended.append,
            signed_out_elsewhere=lambda *of: self.elsewhere.append(of),
        )
        self.app = new_app("0", self.health, list(router(deps).routes))

    async def health(self) -> dict[str, Any]:
        return {}

    async def submit(self, command: Command) -> dict[str, Any]:
        self.house.submit(command)
        self.follow()
        return self.house.answer or {}

    def follow(self) -> None:
        for row in self.house.rows("config"):
            self.directory.put_row(row)

    def client(self) -> httpx.AsyncClient:
        """A browser of its own."""
        transport = httpx.ASGITransport(app=self.app, client=("10.0.0.1", 1))
        return httpx.AsyncClient(transport=transport, base_url="http://desk.example", headers=HEADERS)


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Opened]:
    store = await Opened("sqlite", tmp_path / "data").open()
    yield store
    await store.close()


@pytest.fixture
async def web(opened: Opened) -> Web:
    """A furnished house in which ada and paul have passwords."""
    web = Web(furnished(), opened)
    for agent in ("ada", "paul"):
        await web.passwords.set("org", agent, SECRET)
    return web


async def sign_in(
    browser: httpx.AsyncClient, agent: str = "paul", password: str = SECRET, **more: str
) -> httpx.Response:
    body = {"email": f"{agent}@org.example", "password": password, **more}
    return await browser.post("/api/sign-in", json=body)


async def test_signing_in_opens_a_session_and_signing_out_ends_it(web: Web) -> None:
    async with web.client() as browser:
        assert (await browser.get("/api/me")).json()["code"] == "session.none"
        answer = await sign_in(browser)
        assert answer.status_code == 200
        assert (answer.json()["agent"], answer.json()["role"], answer.json()["clients"]) == (
            "paul",
            "agent",
            ["shop"],
        )
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert "Secure" not in cookie
        assert (await browser.get("/api/me")).json()["name"] == "Paul"
        token = browser.cookies[COOKIE]
        assert (await browser.post("/api/sign-out")).status_code == 204
        assert web.ended == [token]
        browser.cookies.set(COOKIE, token)
        assert (await browser.get("/api/me")).status_code == 401


async def test_over_https_the_cookie_is_for_https(web: Web) -> None:
    transport = httpx.ASGITransport(app=web.app)
    async with httpx.AsyncClient(
        transport=transport, base_url="https://desk.example", headers=HEADERS
    ) as browser:
        assert "Secure" in (await sign_in(browser)).headers["set-cookie"]


async def test_wrong_password_and_unknown_address_are_the_same_answer(web: Web) -> None:
    async with web.client() as browser:
        wrong, unknown = await sign_in(browser, password="wrong one!"), await sign_in(browser, "nobody")
        never = await sign_in(browser, "eva")
        assert wrong.status_code == unknown.status_code == never.status_code == 401
        assert wrong.json() == unknown.json() == never.json()


async def test_guessing_is_limited_and_the_right_password_costs_nothing(web: Web) -> None:
    async with web.client() as browser:
        for _ in range(PER_ACCOUNT + 2):
            assert (await sign_in(browser)).status_code == 200
        for _ in range(PER_ACCOUNT):
            assert (await sign_in(browser, password="wrong one!")).status_code == 401
        limited = await sign_in(browser)
        assert (limited.status_code, limited.json()["code"]) == (429, "sign_in.too_often")
        assert (await sign_in(browser, "ada")).status_code == 200, "others are not locked out"
        web.clock.advance(31_000)
        assert (await sign_in(browser)).status_code == 200


async def test_a_session_ends_in_time_and_when_the_agent_is_taken_out_of_use(web: Web) -> None:
    async with web.client() as browser:
        await sign_in(browser)
        agent = web.directory.item("org", "agent", "paul")
        assert agent is not None
        value = agent.value.model_dump(mode="json") | {"active": False}
        config(web.house, "org", "agent", "paul", 1, **value)
        web.follow()
        assert (await browser.get("/api/me")).status_code == 401
        assert (await sign_in(browser)).status_code == 401
        config(web.house, "org", "agent", "paul", 2, **(value | {"active": True}))
        web.follow()
        assert (await browser.get("/api/me")).status_code == 200
        web.clock.advance(SESSION)
        assert (await browser.get("/api/me")).status_code == 401


async def test_who_works_for_two_organisations_chooses(web: Web) -> None:
    config(
        web.house, "other", "agent", "p", name="Paul", email="PAUL@org.example", site="main", clients=["*"]
    )
    web.follow()
    async with web.client() as browser:
        assert (await sign_in(browser)).json()["agent"] == "paul", "only one of them has this password"
        await web.passwords.set("other", "p", SECRET)
        choices = (await sign_in(browser)).json()["choose"]
        assert [choice["organisation"] for choice in choices] == ["org", "other"]
        assert (await sign_in(browser, organisation="other")).json()["agent"] == "p"


async def test_requests_of_other_sites_are_refused(web: Web) -> None:
    async with web.client() as browser:
        body = {"email": "paul@org.example", "password": SECRET}
        bare = await browser.post("/api/sign-in", json=body, headers={"X-Guichet": ""})
        assert (bare.status_code, bare.json()["code"]) == (403, "request.header_missing")
        foreign = await browser.post("/api/sign-in", json=body, headers={"Origin": "http://evil.example"})
        assert (foreign.status_code, foreign.json()["code"]) == (403, "request.foreign_origin")
        own = await browser.post("/api/sign-in", json=body, headers={"Origin": "http://desk.example"})
        assert own.status_code == 200


async def test_bodies_are_strict_and_name_the_field(web: Web) -> None:
    async with web.client() as browser:
        for body, field in (
            ({"email": "a@b.c"}, "password"),
            ({"email": "a@b.c", "password": 1}, "password"),
            ({"email": "x" * 300, "password": "y"}, "email"),
            ({"email": "a@b.c", "password": "y", "admin": True}, "admin"),
        ):
            refused = await browser.post("/api/sign-in", json=body)
            assert (refused.status_code, refused.json()["field"]) == (422, field)


async def test_the_first_run_makes_an_administrator_once(opened: Opened) -> None:
    web = Web(Harness(), opened)
    body = {"organisation": "Guichet unique", "name": "Ada", "email": "ada@org.example", "password": SECRET}
    async with web.client() as browser, web.client() as late:
        assert (await browser.get("/api/setup")).json() == {"needed": True}
        short = await browser.post("/api/setup", json=body | {"password": "short"})
        assert (short.status_code, short.json()["field"], short.json()["limit"]) == (422, "password", 10)
        made = await browser.post("/api/setup", json=body)
        assert made.status_code == 201
        me = (await browser.get("/api/me")).json()
        assert (me["role"], me["organisation_name"]) == ("administrator", "Guichet unique")
        assert (await browser.get("/api/setup")).json() == {"needed": False}
        assert (await late.post("/api/setup", json=body)).json()["code"] == "organisation.exists"
        assert (await sign_in(late, "ada")).status_code == 200


async def test_an_invitation_works_once(web: Web) -> None:
    async with web.client() as ada, web.client() as eva, web.client() as other:
        await sign_in(ada, "ada")
        first = (await ada.post("/api/invitations", json={"agent": "eva"})).json()["link"]
        link = (await ada.post("/api/invitations", json={"agent": "eva"})).json()["link"]
        token, old = link.rsplit("/", 1)[1], first.rsplit("/", 1)[1]
        assert (await eva.get(f"/api/invitations/{old}")).status_code == 404, "a newer one replaces it"
        assert (await eva.get(f"/api/invitations/{token}")).json()["name"] == "Eva"
        short = await eva.post(f"/api/invitations/{token}", json={"password": "short"})
        assert short.json()["code"] == "password.too_short"
        assert (await eva.post(f"/api/invitations/{token}", json={"password": SECRET})).status_code == 200
        assert (await eva.get("/api/me")).json()["agent"] == "eva"
        again = await other.post(f"/api/invitations/{token}", json={"password": "another secret"})
        assert again.json()["code"] == "invitation.gone"
        assert (await sign_in(other, "eva")).status_code == 200


async def test_a_new_password_ends_every_other_session(web: Web) -> None:
    change = {"old": SECRET, "password": "another good secret"}
    async with web.client() as here, web.client() as there, web.client() as nobody:
        await sign_in(here)
        await sign_in(there)
        assert (await nobody.post("/api/password", json=change)).json()["code"] == "session.none"
        for wrong in ("wrong" * 5, "x" * 1_000):
            answer = await here.post("/api/password", json=change | {"old": wrong})
            assert (answer.status_code, answer.json()["field"]) == (422, "old")
            assert answer.json()["code"] == "password.wrong"
        short = await here.post("/api/password", json=change | {"password": "short"})
        assert (short.json()["code"], short.json()["limit"]) == ("password.too_short", 10)
        assert web.elsewhere == []
        assert (await here.post("/api/password", json=change)).status_code == 204
        assert (await here.get("/api/me")).status_code == 200, "whoever changed it goes on"
        assert (await there.get("/api/me")).status_code == 401
        assert web.elsewhere == [("org", "paul", here.cookies[COOKIE])]
        assert (await sign_in(there)).json()["code"] == "sign_in.wrong"
        assert (await sign_in(there, password=change["password"])).status_code == 200


async def test_an_old_password_is_not_found_out_by_trying(web: Web) -> None:
    """An open desk is no way around the limit of signing in."""
    async with web.client() as browser:
        await sign_in(browser)
        guess = {"old": "a wrong guess", "password": "another good secret"}
        codes = [
            (await browser.post("/api/password", json=guess)).json()["code"] for _ in range(PER_ACCOUNT + 1)
        ]
        assert codes == ["password.wrong"] * PER_ACCOUNT + ["sign_in.too_often"]
        assert (await browser.post("/api/password", json=guess | {"old": SECRET})).status_code == 429


async def test_an_accepted_invitation_ends_every_session(web: Web) -> None:
    async with web.client() as ada, web.client() as paul, web.client() as new:
        await sign_in(ada, "ada")
        await sign_in(paul)
        token = (await ada.post("/api/invitations", json={"agent": "paul"})).json()["link"].rsplit("/", 1)[1]
        assert (await new.post(f"/api/invitations/{token}", json={"password": SECRET})).status_code == 200
        assert (await paul.get("/api/me")).status_code == 401
        assert web.elsewhere == [("org", "paul", "")]


async def test_an_old_invitation_is_gone(web: Web) -> None:
    async with web.client() as ada, web.client() as eva:
        await sign_in(ada, "ada")
        token = (await ada.post("/api/invitations", json={"agent": "eva"})).json()["link"].rsplit("/", 1)[1]
        web.clock.advance(VALID)
        assert (await eva.get(f"/api/invitations/{token}")).json()["code"] == "invitation.gone"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/config/kinds"),
        ("GET", "/api/config/agent"),
        ("GET", "/api/config/agent/paul/history"),
        ("POST", "/api/invitations"),
    ],
)
async def test_only_administrators_administer(web: Web, method: str, path: str) -> None:
    async with web.client() as ada, web.client() as paul, web.client() as nobody:
        await sign_in(ada, "ada")
        await sign_in(paul, "paul")
        before = len(web.house.log)
        body = {"agent": "eva"} if method == "POST" else None
        assert (await ada.request(method, path, json=body)).status_code < 300
        assert (await paul.request(method, path, json=body)).json()["code"] == "permission.missing"
        assert (await nobody.request(method, path, json=body)).status_code == 401
        assert len(web.house.log) == before


async def test_configuration_is_read_whole_and_with_its_past(web: Web) -> None:
    config(web.house, "org", "team", "blue", name="Blue")
    config(web.house, "org", "team", "blue", 1, name="Bleu")
    web.follow()
    async with web.client() as ada:
        await sign_in(ada, "ada")
        kinds = (await ada.get("/api/config/kinds")).json()
        assert kinds["kinds"]["agent"]["properties"]["site"]["ref"] == "site"
        assert kinds["channels"] == {"talk": {"type": "object"}}
        (team,) = (await ada.get("/api/config/team")).json()
        assert team == {"id": "blue", "version": 2, "value": {"active": True, "name": "Bleu"}}
        past = (await ada.get("/api/config/team/blue/history")).json()
        assert [(p["version"], p["value"]["name"], p["by"]) for p in past] == [
            (2, "Bleu", "system:test"),
            (1, "Blue", "system:test"),
        ]
        assert (await ada.get("/api/config/nothing")).json()["field"] == "kind"
        assert (await ada.get("/api/config/team/red/history")).status_code == 404
