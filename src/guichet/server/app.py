"""The HTTP application: every stage's routes, the built web apps, errors in one shape."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from guichet.kit.errors import HTTP_STATUS, Refused
from guichet.kit.ids import same_secret
from guichet.server.assets import Assets, packed

STATIC = Path(__file__).parent / "static"
DESK = STATIC / "desk"
WIDGET = STATIC / "widget" / "guichet.js"

SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
DESK_POLICY = (
    "default-src 'self'; img-src 'self' data: blob: https:; style-src 'self' 'unsafe-inline'; "
    "connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
"""Styles are inline because the component library sets them so; scripts are ours alone. Pictures from elsewhere
are those of a mail whose reader asked for them: its frame inherits this policy and has a stricter one until then."""

Health = Callable[[], Awaitable[dict[str, Any]]]


def new_app(version: str, health: Health, routes: list[BaseRoute], *, metrics_token: str = "") -> FastAPI:
    """The application with `routes` first; the desk answers every other path below /desk."""

    async def metrics(request: Request) -> Response:
        """Prometheus figures, for whoever has the token: this machine's own address proves nothing behind a proxy."""
        shown = request.headers.get("Authorization", "")
        if not metrics_token or not same_secret(shown, f"Bearer {metrics_token}"):
            return problem(Refused("not_found", "not_found", "there is nothing at this address"))
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    app = FastAPI(
        title="Guichet", version=version, docs_url=None, redoc_url=None, openapi_url="/api/openapi.json"
    )
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)

    @app.get("/api/health", tags=["process"])
    async def read_health() -> dict[str, Any]:
        """Whether this process leads, and how far its followers are."""
        return await health()

    app.router.routes.extend(routes)
    app.router.routes.extend(
        [
            Route("/metrics", metrics),
            Route("/widget/guichet.js", _widget),
            Mount("/desk/assets", Assets(directory=DESK / "assets", check_dir=False)),
            Route("/desk", _desk),
            Route("/desk/{rest:path}", _desk),
        ]
    )
    return app


class Direct:
    """Hands the WebSockets of one path straight to their endpoint. Through the framework's layers each open socket
    would hold a dozen coroutines, 10 KB in all, and there are ten thousand of them."""

    def __init__(self, app: ASGIApp, path: str, endpoint: ASGIApp) -> None:
        self._app = app
        self._path = path
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        direct = scope["type"] == "websocket" and scope["path"] == self._path
        await (self._endpoint if direct else self._app)(scope, receive, send)


def problem(refused: Refused) -> JSONResponse:
    """A refusal as a response: its kind decides the status."""
    return JSONResponse(refused.as_dict(), status_code=HTTP_STATUS[refused.kind], headers=SECURITY)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refused)
    return problem(error)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
    return problem(Refused("invalid", "request.invalid", str(first["msg"]), field=field))


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return problem(Refused("not_found", "not_found", "there is nothing at this address"))
    body = {"kind": "invalid", "code": f"http.{error.status_code}", "remedy": str(error.detail)}
    return JSONResponse(body, status_code=error.status_code, headers=error.headers)


async def _widget(request: Request) -> Response:
    """The customers' chat, one file, for every page that may embed it."""
    if not WIDGET.is_file():
        return problem(Refused("unavailable", "widget.not_built", "the chat is not built: run `make web`"))
    headers = {"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=300", **SECURITY}
    file = FileResponse(WIDGET, media_type="text/javascript; charset=utf-8", headers=headers)
    return await packed(file, request.headers)


async def _desk(request: Request) -> Response:
    """The desk's one page; it finds its way by the path itself."""
    page = DESK / "index.html"
    if not page.is_file():
        refused = Refused("unavailable", "desk.not_built", "the desk is not built: run `make web`")
        return problem(refused)
    headers = {"Cache-Control": "no-cache", "Content-Security-Policy": DESK_POLICY, **SECURITY}
    return FileResponse(page, headers=headers)


async def to_desk(request: Request) -> Response:
    """The front door, where no demonstration stands in it."""
    return RedirectResponse("/desk")
