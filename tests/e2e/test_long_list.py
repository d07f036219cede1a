"""A desk with far more work than a socket may watch conversations, as after a bad week with hundreds put aside."""

from __future__ import annotations

import pytest

from tests.e2e.browser import Browser
from tests.e2e.demonstration import Agent, Demonstration, quiet

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.xdist_group("browser"), pytest.mark.timeout(240)]

PARKED = 200
NAMES = ".work-row .work-row-name"


async def park(demo: Demonstration, who: str, count: int) -> None:
    """Takes so many conversations of the invented past and puts them aside."""
    async with demo.as_person(who) as http:
        rows = (await http.get("/api/conversations", params={"limit": count})).json()
        assert len(rows) == count
        for row in rows:
            for name in ("take", "park"):
                payload = {"conversation": row["conversation"]}
                body = {"name": name, "key": f"{name}:{row['conversation']}", "payload": payload}
                answer = await http.post("/api/commands", json=body)
                assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("database", ["sqlite"])
async def test_two_hundred_parked_conversations(browser: Browser, demo: Demonstration) -> None:
    claire = Agent(browser, demo.url, "claire")
    page = claire.page
    claire.sign_in()
    await park(demo, "claire", PARKED)
    page.reload()
    page.see(f".list-title:has-text('{PARKED}')")
    page.see(".thread .message")
    page.miss(f"{NAMES}:text-is('')")
    page.shot("long-list")

    end = f".work-list [aria-posinset='{PARKED + 1}'] .work-row"
    page.evaluate("() => { document.querySelector('.work-list .ui-scroll').scrollTop = 1e9; }")
    page.see(f"{end} .work-row-words:not(:text-is(''))")
    page.miss(f"{NAMES}:text-is('')")
    page.click(end)
    page.see(f"{end}[aria-current=true]")
    page.see(".thread .message")
    who = page.on(f"{end} .work-row-name", "innerText")
    page.see(f".thread-who:has-text('{who}')")
    page.shot("long-list-end")
    page.press("Escape", *["k"] * 30)
    page.see(
        f".work-list [aria-posinset='{PARKED - 29}'] [aria-current=true] .work-row-words:not(:text-is(''))"
    )
    page.see(".thread .message")

    # Another page and back, without loading anew: what the list watched has made room.
    page.press("g", "q")
    page.see(".queues")
    page.press("g", "w")
    page.see(".work-row[aria-current=true] .work-row-words:not(:text-is(''))")
    page.miss(f"{NAMES}:text-is('')")
    page.see(".thread .message")
    assert not quiet(page)
    page.close()
