"""The web apps' files: compressed for who takes it, named by content and so kept for ever."""

from __future__ import annotations

import gzip
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from guichet.server.assets import Assets

pytestmark = pytest.mark.unit


async def test_a_script_is_compressed_for_who_takes_it(tmp_path: Path) -> None:
    script = b"let somebody = 'waits';\n" * 500
    (tmp_path / "app-1a2b.js").write_bytes(script)
    (tmp_path / "ring.mp3").write_bytes(b"\0" * 100)
    app = Starlette(routes=[Mount("/assets", Assets(directory=tmp_path))])
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://desk") as http:
        async with http.stream(
            "GET", "/assets/app-1a2b.js", headers={"Accept-Encoding": "gzip, br"}
        ) as packed:
            raw = b"".join([chunk async for chunk in packed.aiter_raw()])
        plain = await http.get("/assets/app-1a2b.js", headers={"Accept-Encoding": "identity"})
        sound = await http.get("/assets/ring.mp3", headers={"Accept-Encoding": "gzip"})
        known = {"Accept-Encoding": "gzip", "If-None-Match": packed.headers["etag"]}
        again = await http.get("/assets/app-1a2b.js", headers=known)
        missing = await http.get("/assets/none.js")

    assert gzip.decompress(raw) == script
    assert int(packed.headers["content-length"]) == len(raw) < len(script) / 10
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert "immutable" in packed.headers["cache-control"]
    assert packed.headers["content-type"] == plain.headers["content-type"]
    assert plain.content == script
    assert "content-encoding" not in plain.headers
    assert "content-encoding" not in sound.headers
    assert (again.status_code, missing.status_code) == (304, 404)
