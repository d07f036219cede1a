"""Sessions and one-time links: random tokens of which only a hash is stored."""

from __future__ import annotations

import hashlib

import msgspec

from guichet.kit.clock import HOUR, Clock, Instant
from guichet.kit.ids import new_token
from guichet.store.port import Session
from guichet.store.side import Side


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


class Sessions:
    """`port.Sessions`."""

    def __init__(self, side: Side, clock: Clock) -> None:
        self._side = side
        self._clock = clock
        self._swept: Instant = 0

    async def create(
        self, kind: str, org: str, actor: str, expires: Instant, data: dict[str, str] | None = None
    ) -> str:
        token, now = new_token(), self._clock.now()
        if now - self._swept >= HOUR:
            self._swept = now
            await self._side.write("DELETE FROM session WHERE expires <= ?", now)
        await self._side.write(
            "INSERT INTO session (kind, token, org, actor, created, expires, data) VALUES (?, ?, ?, ?, ?, ?, ?)",
            kind, _hash(token), org, actor, now, expires, msgspec.json.encode(data or {}).decode(),
        )  # fmt: skip
        return token

    async def find(self, kind: str, token: str) -> Session | None:
        sql = """SELECT org, actor, created, expires, data FROM session
            WHERE kind = ? AND token = ? AND expires > ?"""
        found = await self._side.read(sql, kind, _hash(token), self._clock.now())
        if not found:
            return None
        org, actor, created, expires, data = found[0]
        return Session(org, actor, created, expires, msgspec.json.decode(data, type=dict[str, str]))

    async def end(self, kind: str, token: str) -> bool:
        sql = "DELETE FROM session WHERE kind = ? AND token = ? AND expires > ? RETURNING kind"
        return bool(await self._side.write(sql, kind, _hash(token), self._clock.now()))

    async def end_all(self, kind: str, org: str, actor: str, *, but: str = "") -> None:
        sql = "DELETE FROM session WHERE org = ? AND actor = ? AND kind = ? AND token <> ?"
        await self._side.write(sql, org, actor, kind, _hash(but))
