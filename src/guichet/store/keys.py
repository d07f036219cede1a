"""The key store: one 256-bit key per customer, wrapped by the master key, in a place of its own."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable

from guichet.kit.errors import Refused
from guichet.kit.faults import fault_point
from guichet.kit.ids import random_bytes
from guichet.store.ciphers import Damaged, decrypt, derive, encrypt
from guichet.store.points import KEYS_WRITTEN
from guichet.store.side import Side

REMEMBERED = 100_000
"""Raw keys kept in memory (32 bytes each, about 20 MB in all); cipher objects would take 2.5 kB each."""
CHUNK = 500

_CHECK = ""
"""The row that tells whether the master key is the right one; no subject has an empty id."""


class Keys:
    """`port.Keys`. `table` is where its engine keeps them; `after_destroy` makes the bytes vanish from disk."""

    def __init__(
        self,
        side: Side,
        master_key: bytes,
        after_destroy: Callable[[], Awaitable[None]],
        table: str = "subject_key",
        remembered: int = REMEMBERED,
    ) -> None:
        self._side = side
        self._wrapping = derive(master_key, "guichet subject keys")
        self._after_destroy = after_destroy
        self._table = table
        self._remembered = remembered
        self._cache: OrderedDict[str, bytes] = OrderedDict()
        self._destroyed: set[str] = set()

    async def verify(self) -> None:
        """Refuses a master key that does not open this store, before anything is written under it."""
        wrapped = encrypt(self._wrapping, b"guichet", _CHECK.encode())
        await self._insert(_CHECK, wrapped)
        found = await self._side.read(f"SELECT wrapped FROM {self._table} WHERE subject = ?", _CHECK)
        try:
            decrypt(self._wrapping, found[0][0], _CHECK.encode())
        except Damaged as error:
            remedy = "the master key does not fit this database: put the right master key back"
            raise Refused("unavailable", "store.wrong_master_key", remedy) from error

    async def ensure(self, subject: str) -> None:
        if self.cached(subject) is not None:
            return
        key = random_bytes(32)
        if await self._insert(subject, encrypt(self._wrapping, key, subject.encode())):
            fault_point(KEYS_WRITTEN)
            self._remember(subject, key)
        elif subject not in await self.get([subject]):
            raise erased()

    async def _insert(self, subject: str, wrapped: bytes) -> bool:
        sql = f"""INSERT INTO {self._table} (subject, wrapped, destroyed) VALUES (?, ?, 0)
            ON CONFLICT (subject) DO NOTHING RETURNING subject"""
        return bool(await self._side.write(sql, subject, wrapped))

    def cached(self, subject: str) -> bytes | None:
        """The raw key if it is in memory."""
        return self._cache.get(subject)

    async def get(self, subjects: Iterable[str]) -> dict[str, bytes]:
        keys: dict[str, bytes] = {}
        unknown = []
        for subject in subjects:
            key = self.cached(subject)
            if key is None:
                unknown.append(subject)
                continue
            keys[subject] = key
            try:
                self._cache.move_to_end(subject)
            except KeyError:  # another thread has just pushed it out
                continue
        for start in range(0, len(unknown), CHUNK):
            part = unknown[start : start + CHUNK]
            sql = f"""SELECT subject, wrapped FROM {self._table}
                WHERE destroyed = 0 AND subject IN ({", ".join("?" * len(part))})"""
            for subject, wrapped in await self._side.read(sql, *part):
                keys[subject] = decrypt(self._wrapping, wrapped, subject.encode())
                self._remember(subject, keys[subject])
        return keys

    def _remember(self, subject: str, key: bytes) -> None:
        if subject in self._destroyed:
            return
        self._cache[subject] = key
        if len(self._cache) > self._remembered:
            self._cache.popitem(last=False)

    async def destroy(self, subject: str) -> None:
        sql = f"""INSERT INTO {self._table} (subject, wrapped, destroyed) VALUES (?, NULL, 1)
            ON CONFLICT (subject) DO UPDATE SET wrapped = NULL, destroyed = 1"""
        await self._side.write(sql, subject)
        self._destroyed.add(subject)
        self._cache.pop(subject, None)
        await self._after_destroy()


def erased() -> Refused:
    """The answer when something is to be kept for a customer who was erased."""
    return Refused("conflict", "customer.erased", "this customer was erased; nothing more is kept about them")
