"""The installation's master key, and small secrets encrypted under it."""

from __future__ import annotations

import os
from pathlib import Path

from guichet.kit.errors import Refused
from guichet.kit.ids import random_bytes
from guichet.store.ciphers import decrypt, derive, encrypt
from guichet.store.side import Side

SIZE = 32
WRAPPED = "keys.db"
"""Beside the master key, where one engine keeps the customers' keys that it wraps."""


def master_key(path: Path) -> bytes:
    """Reads the master key, or makes it (mode 0600, fsynced) when there is neither a file nor data beside it.

    Without it nothing personal can be read again: it is backed up apart from the data.
    Raises Refused when others may read the file, when it is not a key, and when it is missing: a new one would
    not open the data, and could end in the backup of the right one.
    """
    if not path.exists() and (path.parent / WRAPPED).exists():
        remedy = f"{path} is missing, and without it the data in its folder cannot be read: put it back"
        raise Refused("unavailable", "store.master_key_missing", remedy)
    try:
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read(path)
    with os.fdopen(made, "w") as file:
        file.write(random_bytes(SIZE).hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)
    return _read(path)


def _read(path: Path) -> bytes:
    if path.stat().st_mode & 0o077:
        remedy = f"others may read {path}: chmod 600 it"
        raise Refused("unavailable", "store.master_key_open", remedy)
    try:
        key = bytes.fromhex(path.read_text().strip())
    except ValueError:
        key = b""
    if len(key) != SIZE:
        remedy = f"{path} is not a master key: put the file back from its backup"
        raise Refused("unavailable", "store.master_key_damaged", remedy)
    return key


def sync_folder(folder: Path) -> None:
    """Makes a new or renamed name in this folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Secrets:
    """`port.Secrets`."""

    def __init__(self, side: Side, master_key: bytes) -> None:
        self._side = side
        self._key = derive(master_key, "guichet secrets")

    async def put(self, org: str, name: str, secret: bytes) -> None:
        sql = """INSERT INTO secret (org, name, sealed) VALUES (?, ?, ?)
            ON CONFLICT (org, name) DO UPDATE SET sealed = excluded.sealed"""
        await self._side.write(sql, org, name, encrypt(self._key, secret, f"{org}/{name}".encode()))

    async def get(self, org: str, name: str) -> bytes | None:
        found = await self._side.read("SELECT sealed FROM secret WHERE org = ? AND name = ?", org, name)
        return decrypt(self._key, found[0][0], f"{org}/{name}".encode()) if found else None

    async def delete(self, org: str, name: str) -> None:
        await self._side.write("DELETE FROM secret WHERE org = ? AND name = ?", org, name)
