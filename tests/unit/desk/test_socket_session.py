"""Who may open a desk, and when it ends."""

from __future__ import annotations

import pytest

from guichet.desk.socket import CHECK_SECONDS
from guichet.kit.clock import HOUR
from tests.support.desk_centre import DeskCentre, with_centre
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
async def test_without_a_session_one_is_asked_to_sign_in(centre: DeskCentre) -> None:
    for token in (None, "", "nonsense", "x" * 5_000):
        browser = centre.browser(None, token=token)
        assert await browser.frame() == {"op": "bye", "reason": "signed_out"}
        await browser.ended()
        assert browser.closed == 1000


@with_centre
async def test_an_expired_session_opens_nothing(centre: DeskCentre) -> None:
    now = centre.node.clock.now()
    token = await centre.node.store.sessions.create("agent", "org", "paul", now + 50)
    await wait_until(lambda: centre.node.clock.now() > now + 50)
    assert (await centre.browser(None, token=token).frame())["op"] == "bye"


@with_centre
async def test_signing_out_ends_that_sessions_desks_and_no_other(centre: DeskCentre) -> None:
    now = centre.node.clock.now()
    phone = await centre.node.store.sessions.create("agent", "org", "paul", now + HOUR)
    first, second = await centre.desk("paul"), await centre.desk("paul")
    other = centre.browser(None, token=phone)
    await other.frame("hello")
    assert (await centre.http("paul").post("/api/sign-out")).status_code == 204
    for browser in (first, second):
        assert (await browser.frame())["reason"] == "signed_out"
        await browser.ended()
    other.send(op="ping")
    assert (await other.frame())["op"] == "pong"


@with_centre
async def test_a_new_password_ends_all_other_desks_at_once(centre: DeskCentre) -> None:
    now = centre.node.clock.now()
    await centre.web.passwords.set("org", "paul", "correct horse battery")
    lost = await centre.node.store.sessions.create("agent", "org", "paul", now + HOUR)
    mine, other, eva = await centre.desk("paul"), centre.browser(None, token=lost), await centre.desk("eva")
    await other.frame("hello")
    change = {"old": "correct horse battery", "password": "another good secret"}
    assert (await centre.http("paul").post("/api/password", json=change)).status_code == 204
    assert (await other.frame("bye"))["reason"] == "signed_out"
    for browser in (mine, eva):
        browser.send(op="ping")
        assert (await browser.frame())["op"] == "pong"
    invited = await centre.http("ada").post("/api/invitations", json={"agent": "paul"})
    path = "/api/invitations/" + invited.json()["link"].rpartition("/")[2]
    assert (await centre.http(None).post(path, json={"password": "a third good secret"})).is_success
    assert (await mine.frame("bye"))["reason"] == "signed_out"
    eva.send(op="ping")
    assert (await eva.frame())["op"] == "pong"


@with_centre
async def test_a_session_ended_elsewhere_is_noticed(
    centre: DeskCentre, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = await centre.desk("paul")
    await centre.node.store.sessions.end_all("agent", "org", "paul")
    browser.send(op="ping")
    assert (await browser.frame())["op"] == "pong"  # not asked at every ping
    clock, ahead = centre.node.clock, CHECK_SECONDS + 1
    real = clock.monotonic
    monkeypatch.setattr(clock, "monotonic", lambda: real() + ahead)
    browser.send(op="ping")
    assert (await browser.frame("bye"))["reason"] == "signed_out"
    await browser.ended()
