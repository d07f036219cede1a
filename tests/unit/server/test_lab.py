"""The lab answers its own page and no other site's, under whatever name that one leads here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from guichet.kit.clock import SystemClock
from guichet.kit.tasks import Supervisor
from guichet.media.drivers.fake import FakeMedia
from guichet.server.lab.carrier import Carrier
from guichet.server.lab.lab import Lab, application

pytestmark = pytest.mark.unit

OURS = ("127.0.0.1:8090", "localhost:8090", "[::1]:8090", "localhost", "[::1]")
OTHERS = (
    "evil.example:8090", "127.0.0.1.evil.example", "127.0.0.1.evil.example:8090", "localhost@evil.example",
    "192.0.2.1:8090", "[::2]:8090", "",
)  # fmt: skip
HERE = OURS[0]
READING = ("/", "/lab.js", "/api/state")
CHANGING: tuple[tuple[str, str, dict[str, object]], ...] = (
    ("PUT", "/api/room", {}),
    ("POST", "/api/dial", {"number": "+33199000001"}),
    ("POST", "/api/call-in", {}),
    ("POST", "/api/play", {"play": "p", "heard_by": ["a"]}),
    ("POST", "/api/endpoints/a/hangup", {}),
)


class Page:
    """A page in a browser, which says `host` and, where there is one, its `origin`."""

    def __init__(self, media: FakeMedia, folder: Path) -> None:
        self.media = media
        self.app = application(Lab(media, Carrier(folder), 0))
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://lab")

    async def ask(
        self, method: str, path: str, body: object = None, *, own: bool = True, **headers: str
    ) -> httpx.Response:
        given = headers | ({"x-guichet": "1"} if own else {})
        return await self.http.request(method, path, json=body, headers=given)

    async def socket(self, **headers: str) -> str:
        """The type of the first message with which the socket is answered."""
        said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        asked = asyncio.Queue[dict[str, Any]]()
        asked.put_nowait({"type": "websocket.connect"})
        scope = {
            "type": "websocket", "path": "/api/events", "raw_path": b"/api/events", "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }  # fmt: skip
        socket = asyncio.ensure_future(self.app(scope, asked.get, said.put))  # type: ignore[arg-type]
        first = str((await said.get())["type"])
        socket.cancel()
        await asyncio.wait([socket])
        return first


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    tasks = Supervisor()
    made = Page(FakeMedia(SystemClock(), tasks), tmp_path)
    async with made.http:
        yield made
    await tasks.close()


@pytest.mark.parametrize("host", OURS)
async def test_the_page_of_this_machine_is_answered(page: Page, host: str) -> None:
    for path in READING:
        assert (await page.ask("GET", path, own=False, host=host)).status_code == 200, path
    origin = f"http://{host}"
    put = await page.ask("PUT", "/api/room", {"endpoints": ["a"]}, host=host, origin=origin)
    assert put.json() == {"rev": 1}
    assert list(page.media.rooms) == ["lab"]
    assert await page.socket(host=host, origin=origin) == "websocket.accept"


@pytest.mark.parametrize("host", OTHERS)
async def test_a_name_of_another_site_that_leads_here_is_not(page: Page, host: str) -> None:
    for path in READING:
        refused = await page.ask("GET", path, host=host)
        assert (refused.status_code, refused.json()["code"]) == (403, "lab.foreign_host"), path
    origin = f"http://{host}"
    for method, path, body in CHANGING:
        assert (await page.ask(method, path, body, host=host, origin=origin)).status_code == 403, path
    assert await page.socket(host=host, origin=origin) == "websocket.close"
    assert not page.media.rooms


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:8091", "http://[", HERE]
)
async def test_a_page_of_another_site_may_ask_nothing(page: Page, origin: str) -> None:
    for method, path, body in (*CHANGING, ("GET", "/api/state", None)):
        answer = await page.ask(method, path, body, host=HERE, origin=origin)
        assert (answer.status_code, answer.json()["code"]) == (403, "request.foreign_origin"), path
    assert await page.socket(host=HERE, origin=origin) == "websocket.close"
    assert not page.media.rooms


async def test_what_a_form_or_a_socket_without_a_page_could_send_is_refused(page: Page) -> None:
    for method, path, body in CHANGING:
        answer = await page.ask(method, path, body, own=False, host=HERE)
        assert (answer.status_code, answer.json()["code"]) == (403, "request.header_missing"), path
    assert await page.socket(host=HERE) == "websocket.close"
    assert not page.media.rooms
