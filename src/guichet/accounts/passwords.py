"""Passwords: argon2id, hashed and verified off the loop, kept in the vault. Never in a fact, never in a log."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from guichet.kit.errors import Refused, invalid
from guichet.store.port import Secrets

P = ParamSpec("P")
T = TypeVar("T")

MIN_LENGTH = 10
MAX_LENGTH = 200
MAX_WAITING = 200
"""Checks that may wait for a core (about 30 ms each); past it people are asked to try again."""

MEMORY_KIB = 19 * 1024


class Passwords:
    """Sets and verifies. One hash at a time per core: it takes 19 MiB and all of a core for a moment."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._hasher = PasswordHasher(time_cost=2, memory_cost=MEMORY_KIB, parallelism=1)
        self._cores = asyncio.Semaphore(os.cpu_count() or 1)
        self._waiting = 0
        self._dummy: str | None = None

    async def set(self, org: str, agent: str, password: str) -> None:
        """Replaces an agent's password. Raises Refused when it is too short or too long."""
        check_length(password)
        hashed = await self._on_a_core(self._hash, password)
        await self._secrets.put(org, _name(agent), hashed.encode())

    async def verify(self, org: str, agent: str, password: str) -> bool:
        """Whether this is the agent's password. Raises Refused when too many are waiting."""
        stored = await self._secrets.get(org, _name(agent))
        if stored is None:
            await self.verify_nobody(password)
            return False
        return await self._on_a_core(self._matches, stored.decode(), password)

    async def verify_nobody(self, password: str) -> None:
        """Takes as long as `verify`, so that the time does not tell whether an account exists."""
        if self._dummy is None:
            self._dummy = await self._on_a_core(self._hash, "nobody's password")
        await self._on_a_core(self._matches, self._dummy, password)

    def _hash(self, password: str) -> str:
        return self._hasher.hash(password)

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return len(password) <= MAX_LENGTH and self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _on_a_core(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._waiting >= MAX_WAITING:
            raise Refused("limited", "sign_in.busy", "too many people sign in at once; try again in a moment")
        self._waiting += 1
        try:
            async with self._cores:
                return await asyncio.to_thread(work, *args, **kwargs)
        finally:
            self._waiting -= 1


def check_length(password: str) -> None:
    """Raises Refused that names the bound."""
    if len(password) < MIN_LENGTH:
        remedy = f"choose at least {MIN_LENGTH} characters"
        raise invalid("password", "password.too_short", remedy, limit=MIN_LENGTH)
    if len(password) > MAX_LENGTH:
        raise invalid("password", "password.too_long", "choose a shorter one", limit=MAX_LENGTH)


def _name(agent: str) -> str:
    return f"password/{agent}"
