"""The built web apps on the wire: compressed once, and kept by browsers as long as their names allow."""

from __future__ import annotations

import asyncio
import gzip
from functools import lru_cache
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

PACKED_SUFFIXES = frozenset({".js", ".css", ".svg", ".json", ".html"})
FOR_EVER = "public, max-age=31536000, immutable"


class Assets(StaticFiles):
    """Files whose names change with their content."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, compressed for who takes that. Raises HTTPException (404)."""
        response = await super().get_response(path, scope)
        if not isinstance(response, FileResponse):  # 304
            return response
        response.headers["Cache-Control"] = FOR_EVER
        return await packed(response, Headers(scope=scope))


async def packed(response: FileResponse, asked: Headers) -> Response:
    """The same answer with its body compressed, where that helps and the browser takes it."""
    path = Path(response.path)
    if path.suffix not in PACKED_SUFFIXES:
        return response
    response.headers["Vary"] = "Accept-Encoding"
    if "gzip" not in asked.get("accept-encoding", "") or "range" in asked:
        return response
    changed = await asyncio.to_thread(lambda: path.stat().st_mtime_ns)
    body = await asyncio.to_thread(_pack, path, changed)
    kept = {name: value for name, value in response.headers.items() if name != "content-length"}
    return Response(body, headers={**kept, "Content-Encoding": "gzip"}, media_type=response.media_type)


@lru_cache(maxsize=256)
def _pack(path: Path, changed: int) -> bytes:
    """`changed` is part of the key only: a file built anew is packed anew."""
    return gzip.compress(path.read_bytes(), 9, mtime=0)
