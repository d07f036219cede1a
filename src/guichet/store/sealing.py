"""Personal fields of facts, sealed under the customer's key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from guichet.store.ciphers import decrypt, encrypt
from guichet.store.entry import Entry
from guichet.store.keys import Keys


class NoKey(LookupError):
    """Nothing can be sealed for this subject: its key was never made, was not loaded, or is destroyed."""


def no_key(entry: Entry) -> NoKey:
    """The error for an entry whose subject has no key."""
    return NoKey(f"no key for the subject of {entry.type} in {entry.stream}")


class Sealer:
    """Seals personal fields on their way into the log and opens them on the way out. Any loop may use it."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def load_keys(self, subjects: Iterable[str]) -> None:
        """Makes these subjects' keys ready for `seal` and `unseal`; those without a key are left out."""
        await self._keys.get(subjects)

    async def seal_all(self, facts: Sequence[tuple[Entry, bytes]]) -> None:
        """Seals each entry's personal fields. Raises NoKey."""
        keys = await self._keys.get({entry.subject for entry, _ in facts if entry.subject is not None})
        for entry, personal in facts:
            key = keys.get(entry.subject) if entry.subject is not None else None
            if key is None:
                raise no_key(entry)
            entry.sealed = encrypt(key, personal, _place(entry))

    def seal(self, entry: Entry, personal: bytes) -> bytes:
        """The ciphertext for `entry.sealed`. Raises NoKey."""
        key = self._keys.cached(entry.subject) if entry.subject is not None else None
        if key is None:
            raise no_key(entry)
        return encrypt(key, personal, _place(entry))

    def unseal(self, entry: Entry) -> bytes | None:
        """The personal fields as JSON; None when there are none or the key is gone. Raises Damaged."""
        if entry.sealed is None or entry.subject is None:
            return None
        key = self._keys.cached(entry.subject)
        return None if key is None else decrypt(key, entry.sealed, _place(entry))

    async def open_many(self, entries: Sequence[Entry]) -> list[tuple[Entry, bytes | None]]:
        """Each entry with its personal fields, or None."""
        keys = await self._keys.get({e.subject for e in entries if e.sealed is not None and e.subject})
        opened: list[tuple[Entry, bytes | None]] = []
        for entry in entries:
            key = keys.get(entry.subject) if entry.sealed is not None and entry.subject else None
            opened.append((entry, None if key is None else decrypt(key, entry.sealed or b"", _place(entry))))
        return opened


def _place(entry: Entry) -> bytes:
    return f"{entry.org}/{entry.stream}/{entry.version}/{entry.type}".encode()
