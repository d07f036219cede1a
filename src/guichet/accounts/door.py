"""Who is asking: the session cookie, and the guards against requests that another site's page makes."""

from __future__ import annotations

from typing import cast

import msgspec
from starlette.requests import HTTPConnection
from starlette.responses import Response

from guichet.accounts.access import Access
from guichet.accounts.directory import Directory
from guichet.kit.clock import HOUR, SECOND, Clock
from guichet.kit.errors import Refused
from guichet.store.port import Sessions

COOKIE = "guichet_session"
KIND = "agent"
SESSION = 12 * HOUR
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class SignedIn(msgspec.Struct, frozen=True):
    """A standing session: its token, and what its agent may do now."""

    token: str
    access: Access


class Door:
    """Opens, reads and ends sessions.

    Args:
        origins: allowed values of the Origin header, beside the host that was asked.
        secure: cookies over https only, also where this process itself does not see https (behind a proxy).
    """

    def __init__(
        self,
        sessions: Sessions,
        directory: Directory,
        clock: Clock,
        origins: frozenset[str] = frozenset(),
        *,
        secure: bool = False,
    ) -> None:
        self._sessions = sessions
        self._directory = directory
        self._clock = clock
        self._origins = origins
        self._secure = secure

    async def signed_in(self, connection: HTTPConnection) -> Access:
        """A FastAPI dependency: the access of whoever asks. Raises Refused: signed out, or from elsewhere."""
        self.check_origin(connection)
        found = await self.who(connection)
        if found is None:
            raise Refused("signed_out", "session.none", "sign in first")
        return found.access

    async def who(self, connection: HTTPConnection) -> SignedIn | None:
        """The session of a connection; None when there is none, or its agent is not active any more."""
        token = connection.cookies.get(COOKIE, "")
        session = await self._sessions.find(KIND, token) if 0 < len(token) <= 100 else None
        if session is None:
            return None
        access = self._directory.access(session.org, session.actor)
        return SignedIn(token, access) if access is not None else None

    async def still(self, token: str) -> bool:
        """Whether a session stands."""
        return await self._sessions.find(KIND, token) is not None

    def check_origin(self, connection: HTTPConnection) -> None:
        """See the function of this name; beside the host that was asked, the public address is ours. Raises Refused."""
        check_origin(connection, self._origins)

    async def open(self, response: Response, connection: HTTPConnection, access: Access) -> str:
        """Begins a session and sets its cookie; gives the token."""
        token = await self._sessions.create(KIND, access.org, access.agent, self._clock.now() + SESSION)
        response.set_cookie(
            COOKIE,
            token,
            max_age=SESSION // SECOND,
            path="/",
            httponly=True,
            samesite="lax",
            secure=self._secure or connection.url.scheme in ("https", "wss"),
        )
        return token

    async def end(self, response: Response, connection: HTTPConnection) -> str | None:
        """Ends the connection's session and takes its cookie back; gives the token that ended."""
        token = connection.cookies.get(COOKIE)
        if token is not None:
            await self._sessions.end(KIND, token)
        response.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax")
        return token

    async def end_all(self, org: str, agent: str) -> None:
        """Signs an agent out everywhere."""
        await self._sessions.end_all(KIND, org, agent)

    async def end_others(self, connection: HTTPConnection, access: Access) -> str:
        """Signs an agent out everywhere but here; gives the token of here."""
        token = connection.cookies.get(COOKIE, "")
        await self._sessions.end_all(KIND, access.org, access.agent, but=token)
        return token


def check_origin(connection: HTTPConnection, origins: frozenset[str] = frozenset()) -> None:
    """Refuses what another site's page asks of this one. Raises Refused.

    A changing request carries a header that a form cannot send; where a browser says from which page it
    asks, that page is ours: of the host that was asked, or one of `origins`. A WebSocket must say it.
    """
    socket = connection.scope["type"] == "websocket"
    method = cast(str, connection.scope.get("method", "GET"))
    if not socket and method not in SAFE_METHODS and connection.headers.get("x-guichet") != "1":
        raise Refused("forbidden", "request.header_missing", "send the header X-Guichet: 1")
    origin = connection.headers.get("origin")
    if origin is None:
        if socket:
            raise _foreign()
        return
    host = origin.partition("://")[2]
    if origin not in origins and (not host or host != connection.headers.get("host")):
        raise _foreign()


def _foreign() -> Refused:
    return Refused("forbidden", "request.foreign_origin", "this page may not ask that here")
