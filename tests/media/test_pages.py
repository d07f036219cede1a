"""Browsers: two pages that see and hear each other, a page and a telephone, and pages that go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
import pytest_asyncio

from tests.e2e import browser
from tests.e2e.browser import Browser
from tests.media.support import pages
from tests.media.support.house import House
from tests.media.support.pages import Person
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

CUSTOMER, AGENT, PHONE, OTHER = 400, 650, 1_000, 1_500
ALL = (CUSTOMER, AGENT, PHONE, OTHER)
FIRST_FRAME_SECONDS = 1.5
Joins = Callable[[str, int], Awaitable[Person]]
DEAD_SECONDS, SILENT_SECONDS, BACK_SECONDS = 5.0, 1.5, 1.0


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser.running(*pages.FLAGS) as started:
        yield started


@pytest_asyncio.fixture
async def joins(house: House, chromium: Browser) -> AsyncIterator[Joins]:
    """Lets somebody come with a page; all of them are gone after the test."""
    came: list[Person] = []

    async def join(endpoint: str, hertz: int) -> Person:
        came.append(await Person.joins(chromium, house.server, endpoint, hertz))
        return came[-1]

    yield join
    for person in came:
        await asyncio.to_thread(person.page.close)


async def test_a_screen_one_way_and_a_camera_the_other(
    house: House, joins: Joins, counted: Callable[[str, object], None]
) -> None:
    control, events = house.server.control, house.server.events
    customer = await joins("web-customer", CUSTOMER)
    agent = await joins("web-agent", AGENT)
    both = [customer.endpoint, agent.endpoint]
    await control.room(
        "c1", endpoints=both, hears={both[0]: [both[1]], both[1]: [both[0]]},
        video=[
            {"from": both[0], "kind": "screen", "to": both[1]},
            {"from": both[1], "kind": "camera", "to": both[0]},
        ],
    )  # fmt: skip
    await customer.hears({AGENT}, ALL)
    await agent.hears({CUSTOMER}, ALL)
    for endpoint in both:
        assert (await control.endpoint(endpoint) or {})["codec"] == "G722"
    assert not events.count("video_started"), "nothing is filmed before a page starts it"
    assert [await person.does(pages.SIZES) for person in (customer, agent)] == [[0, 0], [0, 0]]

    await agent.does(pages.CAMERA)
    first = (await customer.sees("camera") - await agent.does("() => started")) / 1000
    counted("s from the agent's click on the camera to its first frame at the customer", round(first, 2))
    assert first < FIRST_FRAME_SECONDS
    await events.wait_for("video_started", endpoint=agent.endpoint, track="camera")
    await asyncio.to_thread(customer.page.click, "button")
    first = (await agent.sees("screen") - await customer.does("() => started")) / 1000
    counted("s from the customer's click on Share to the first frame at the agent", round(first, 2))
    assert first < FIRST_FRAME_SECONDS
    await events.wait_for("video_started", endpoint=customer.endpoint, track="screen")
    sizes = [await person.does(pages.SIZES) for person in (customer, agent)]
    assert [[width > 0 for width in each] for each in sizes] == [[True, False], [False, True]]

    await asyncio.to_thread(agent.page.on, "#screen", "click", {"position": {"x": 160, "y": 270}})
    place = """() => {
      const mark = document.getElementById("mark");
      const box = mark.getBoundingClientRect();
      return mark.textContent && [box.x / innerWidth, box.y / innerHeight];
    }"""
    assert await wait_until(lambda: customer.does(place), "the mark arrives") == pytest.approx(
        [0.25, 0.75], abs=0.01
    )
    assert not await agent.does(place)
    faults = customer.page.faults() + agent.page.faults()
    assert not [each for each in faults if "favicon" not in each]


async def test_a_page_and_a_telephone_hear_each_other_and_nobody_else_does(
    house: House, joins: Joins
) -> None:
    phone, a = await house.answered(PHONE)
    other, b = await house.answered(OTHER, sender="+33140000002")
    agent = await joins("web-agent", AGENT)
    stranger = await joins("web-stranger", CUSTOMER)
    web = agent.endpoint
    await house.server.control.rooms(
        c1={"endpoints": [a, web], "hears": {a: [web], web: [a]}},
        c2={"endpoints": [b, stranger.endpoint], "hears": {}},
    )
    mark = len(other.speaker.packets)
    await phone.speaker.hears({AGENT}, ALL)
    await agent.hears({PHONE}, ALL)
    await stranger.hears((), ALL)
    assert other.speaker.since(mark).tones(ALL) == frozenset()
    assert (await house.server.control.endpoint(a) or {})["codec"] == "PCMA"
    await agent.does("() => audio.sender.dtmf.insertDTMF('5')")
    await house.server.events.wait_for("digit", endpoint=web, digit="5")


async def test_a_page_that_falls_silent_and_one_that_is_killed(
    house: House, joins: Joins, counted: Callable[[str, object], None]
) -> None:
    events = house.server.events
    phone, a = await house.answered(PHONE)
    agent = await joins("web-agent", AGENT)
    web = agent.endpoint
    await house.server.control.room("c1", endpoints=[a, web], hears={a: [web], web: [a]})
    await phone.speaker.hears({AGENT}, ALL)
    await agent.does(pages.MUTE, True)
    began = time.monotonic()
    await events.wait_for("silent", endpoint=web, on=True, within=SILENT_SECONDS)
    counted("s until a silent page is noticed", round(time.monotonic() - began, 2))
    await phone.speaker.hears((), ALL)
    await agent.does(pages.MUTE, False)
    await events.wait_for("silent", endpoint=web, within=SILENT_SECONDS)
    await phone.speaker.hears({AGENT}, ALL)
    crashing = asyncio.ensure_future(asyncio.to_thread(agent.page.crash))
    silent = await events.wait_for("silent", endpoint=web, on=True, within=20)
    left = await events.wait_for("left", endpoint=web, who="network", cause="lost", within=DEAD_SECONDS)
    noticed = 1 + (left["at_ms"] - silent["at_ms"]) / 1000  # silent is told a second after the last packet
    counted("s until a killed tab is noticed", round(noticed, 2))
    assert noticed < DEAD_SECONDS
    await crashing
    await phone.speaker.hears((), ALL)
    assert await house.server.control.endpoint(a), "who talked to it is still there"


async def test_a_page_is_back_after_the_server_was_killed(
    house: House, joins: Joins, counted: Callable[[str, object], None]
) -> None:
    phone, a = await house.answered(PHONE)
    agent = await joins("web-agent", AGENT)
    web = agent.endpoint
    await house.server.control.room("c1", endpoints=[a, web], hears={a: [web], web: [a]})
    await phone.speaker.hears({AGENT}, ALL)
    await house.server.kill()
    await house.server.start()
    began = time.monotonic()
    await agent.offer("web-agent-2")
    web = agent.endpoint
    await house.server.control.room("c1", endpoints=[a, web], hears={a: [web], web: [a]})
    await house.server.events.wait_for("connected", endpoint=web)
    back = time.monotonic() - began
    counted("s from the server's return to a page that is connected again", round(back, 2))
    assert back < BACK_SECONDS
    await phone.speaker.hears({AGENT}, ALL)
    await agent.hears({PHONE}, ALL)
