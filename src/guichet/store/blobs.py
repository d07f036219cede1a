"""Attachments: encrypted in chunks under the customer's key, addressed by the hash of the ciphertext.

A blob is a header and frames. Each frame's nonce holds its number and whether it is the last, so that frames
can be neither moved nor left out unnoticed.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from guichet.kit.faults import fault_point
from guichet.kit.ids import new_id, random_bytes
from guichet.store.ciphers import Damaged
from guichet.store.keys import Keys, erased
from guichet.store.points import BLOB_WRITTEN
from guichet.store.port import full_disk
from guichet.store.side import Side
from guichet.store.vault import sync_folder

CHUNK = 256 * 1024
MAGIC = b"GB1\0"
PREFIX = 7
HEADER = len(MAGIC) + PREFIX
FRAME = CHUNK + 16


class Place(Protocol):
    """Where an engine keeps ciphertext."""

    def begin(self) -> BinaryIO:
        """A file to write the ciphertext to. Called in a thread."""
        ...

    async def keep(self, file: BinaryIO, address: str) -> None:
        """Makes the written ciphertext durable under its address."""
        ...

    def drop(self, file: BinaryIO) -> None:
        """Gives up a file that will not be kept. Called in a thread."""
        ...

    def pieces(self, address: str) -> AsyncIterator[bytes]:
        """The header, then each frame; nothing when there is no such blob."""
        ...

    async def remove(self, addresses: Sequence[str]) -> None: ...


class Blobs:
    """`port.Blobs`."""

    def __init__(self, side: Side, keys: Keys, place: Place) -> None:
        self._side = side
        self._keys = keys
        self._place = place

    async def put(self, subject: str, content: bytes | AsyncIterator[bytes]) -> tuple[str, int]:
        key = (await self._keys.get([subject])).get(subject)
        if key is None:
            raise erased()
        with full_disk():
            file = await asyncio.to_thread(self._place.begin)
            try:
                writer = _Encryption(file, key)
                async for piece in _chunks(content):
                    await asyncio.to_thread(writer.write, piece)
                await asyncio.to_thread(writer.finish)
                await self._place.keep(file, writer.address)
            finally:
                await asyncio.to_thread(self._place.drop, file)
            try:
                fault_point(BLOB_WRITTEN)
                sql = "INSERT INTO blob (address, subject, size) VALUES (?, ?, ?)"
                await self._side.write(sql, writer.address, subject, writer.size)
            except Exception:  # nobody will ask for it or erase it, and each further try would leave one more
                await self._place.remove([writer.address])
                raise
        return writer.address, writer.size

    async def get(self, address: str) -> bytes | None:
        found = await self._side.read("SELECT subject FROM blob WHERE address = ?", address)
        key = (await self._keys.get([found[0][0]])).get(found[0][0]) if found else None
        if key is None:
            return None
        plain = bytearray()
        decryption = _Decryption(key, address)
        async for piece in self._place.pieces(address):
            plain += await asyncio.to_thread(decryption.read, piece)
        decryption.check_complete()
        return bytes(plain)

    async def owner(self, address: str) -> str | None:
        found = await self._side.read("SELECT subject FROM blob WHERE address = ?", address)
        return str(found[0][0]) if found else None

    async def erase(self, subject: str) -> None:
        found = await self._side.read("SELECT address FROM blob WHERE subject = ?", subject)
        # The index goes last: a crash in between leaves what the next attempt needs.
        await self._place.remove([row[0] for row in found])
        await self._side.write("DELETE FROM blob WHERE subject = ?", subject)


class _Encryption:
    """Writes frames. One chunk is held back until it is known whether it is the last."""

    def __init__(self, file: BinaryIO, key: bytes) -> None:
        self._file = file
        self._cipher = AESGCM(key)
        self._prefix = random_bytes(PREFIX)
        self._hash = hashlib.sha256()
        self._held: bytes | None = None
        self._number = 0
        self.size = 0
        self._out(MAGIC + self._prefix)

    def write(self, chunk: bytes) -> None:
        if self._held is not None:
            self._frame(self._held, last=False)
        self._held = chunk
        self.size += len(chunk)

    def finish(self) -> None:
        self._frame(self._held or b"", last=True)
        self.address = self._hash.hexdigest()

    def _frame(self, chunk: bytes, *, last: bool) -> None:
        self._out(self._cipher.encrypt(_nonce(self._prefix, self._number, last), chunk, None))
        self._number += 1

    def _out(self, data: bytes) -> None:
        self._hash.update(data)
        self._file.write(data)


class _Decryption:
    """Opens pieces in order. Raises Damaged when one is not what was written."""

    def __init__(self, key: bytes, address: str) -> None:
        self._cipher = AESGCM(key)
        self._address = address
        self._prefix: bytes | None = None
        self._number = 0
        self._complete = False

    def read(self, piece: bytes) -> bytes:
        if self._prefix is None:
            self._prefix = piece[len(MAGIC) :]
            return b""
        # Only a frame shorter than the others can be seen to be the last; a full one may be it, too.
        for last in (False, True) if len(piece) == FRAME else (True,):
            with contextlib.suppress(InvalidTag):
                plain = self._cipher.decrypt(_nonce(self._prefix, self._number, last), piece, None)
                self._number += 1
                self._complete = last
                return plain
        raise Damaged(f"blob {self._address} is damaged")

    def check_complete(self) -> None:
        if not self._complete:
            raise Damaged(f"blob {self._address} is incomplete or lost")


def _nonce(prefix: bytes, number: int, last: bool) -> bytes:
    return prefix + number.to_bytes(4, "big") + bytes([last])


async def _chunks(content: bytes | AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The content in pieces of CHUNK bytes; only the last is shorter."""
    if isinstance(content, bytes):
        for start in range(0, len(content), CHUNK):
            yield content[start : start + CHUNK]
        return
    waiting = bytearray()
    async for piece in content:
        waiting += piece
        while len(waiting) >= CHUNK:
            yield bytes(waiting[:CHUNK])
            del waiting[:CHUNK]
    if waiting:
        yield bytes(waiting)


def frames(file: BinaryIO) -> Iterator[bytes]:
    """A written blob's header, then its frames."""
    piece = file.read(HEADER)
    while piece:
        yield piece
        piece = file.read(FRAME)


class BlobFiles:
    """Ciphertext as files `ab/cdef...`: written aside, fsynced, renamed, folder fsynced."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True)
        for left in self._incoming.iterdir():  # by a process that died; this one holds the folder's lock
            left.unlink()

    def begin(self) -> BinaryIO:
        return (self._incoming / new_id()).open("xb")

    async def keep(self, file: BinaryIO, address: str) -> None:
        await asyncio.to_thread(self._keep, file, self._path(address))

    def _keep(self, file: BinaryIO, path: Path) -> None:
        file.flush()
        os.fsync(file.fileno())
        if not path.parent.exists():
            path.parent.mkdir(exist_ok=True)
            sync_folder(self._folder)
        Path(file.name).rename(path)
        sync_folder(path.parent)

    def drop(self, file: BinaryIO) -> None:
        # Closing flushes, which a full disk may refuse: the name must go all the same.
        with contextlib.suppress(OSError):
            file.close()
        Path(file.name).unlink(missing_ok=True)

    async def pieces(self, address: str) -> AsyncIterator[bytes]:
        try:
            file = await asyncio.to_thread(self._path(address).open, "rb")
        except FileNotFoundError:
            return
        with file:
            reading = frames(file)
            while piece := await asyncio.to_thread(next, reading, b""):
                yield piece

    async def remove(self, addresses: Sequence[str]) -> None:
        await asyncio.to_thread(self._remove, [self._path(address) for address in addresses])

    def _remove(self, paths: list[Path]) -> None:
        for path in paths:
            path.unlink(missing_ok=True)
        for parent in {path.parent for path in paths}:
            if parent.exists():
                sync_folder(parent)

    def _path(self, address: str) -> Path:
        return self._folder / address[:2] / address[2:]
