"""SQLite files: how they are opened, what their errors mean, and a file with a writer thread of its own."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

import structlog
from pysqlite3 import dbapi2 as sqlite3

from guichet.store.port import Away, BadChange, Conflict, DuplicateKey, Full, NewerDatabase, full_disk
from guichet.store.side import Dialect, Found

log = structlog.get_logger(__name__)

T = TypeVar("T")
Synchronous = Literal["FULL", "NORMAL"]

TYPES = {"int": "INTEGER", "bytes": "BLOB", "strict": "STRICT", "vault": ""}

READERS = 3
"""Threads that read one file. More would only wait for each other: rows are decoded under the GIL."""


def connect(path: Path, synchronous: Synchronous, steps: Sequence[Sequence[str]] = ()) -> sqlite3.Connection:
    """Opens (or creates) a file for its one writer, in WAL mode, and brings its own tables up to date.

    What is deleted is overwritten with zeros. Raises NewerDatabase, Full, OSError.
    """
    with meaning():
        db = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, cached_statements=1_000, timeout=10
        )
    try:
        with meaning():
            for pragma in (
                "journal_mode = WAL",
                f"synchronous = {synchronous}",
                "secure_delete = ON",
                "cache_size = -16000",
                "temp_store = MEMORY",
            ):
                db.execute(f"PRAGMA {pragma}").fetchall()
        done = db.execute("PRAGMA user_version").fetchone()[0]
        if done > len(steps):
            raise NewerDatabase(str(path))
        for number in range(done + 1, len(steps) + 1):
            with transaction(db):
                for sql in steps[number - 1]:
                    db.execute(sql.format(**TYPES))
                db.execute(f"PRAGMA user_version = {number}")
    except BaseException:
        db.close()
        raise
    return db


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """BEGIN IMMEDIATE ... COMMIT; an exception rolls back and arrives as the port's."""
    with meaning():
        db.execute("BEGIN IMMEDIATE")
        try:
            yield
            db.execute("COMMIT")
        except BaseException:
            # After some errors (a full disk) SQLite has rolled back by itself.
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise


@contextmanager
def meaning() -> Iterator[None]:
    """Turns SQLite's errors into the port's."""
    try:
        with full_disk():
            yield
    except sqlite3.Error as error:
        raise translated(error) from error
    except (OverflowError, UnicodeEncodeError) as error:
        raise BadChange(type(error).__name__) from error


def translated(error: sqlite3.Error) -> Exception:
    """What an SQLite error means to the port: which index failed, or that the disk is full."""
    text = str(error)
    if isinstance(error, sqlite3.IntegrityError):
        if "failed: fact." in text:
            return Conflict(text)
        if "failed: command_key." in text:
            return DuplicateKey(text)
        return BadChange(text)
    if isinstance(error, sqlite3.InterfaceError | sqlite3.ProgrammingError | sqlite3.DataError):
        return BadChange(text)
    if getattr(error, "sqlite_errorname", "") == "SQLITE_FULL" or "disk is full" in text:
        return Full()
    if text.startswith("no such ") or "syntax error" in text:
        return BadChange(text)
    return Away(text)


class Readers:
    """A few threads, each with a read-only connection of its own. They never checkpoint."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._open: list[sqlite3.Connection] = []
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix=f"read-{path.stem}")

    def _connection(self) -> sqlite3.Connection:
        db: sqlite3.Connection | None = getattr(self._local, "db", None)
        if db is None:
            db = sqlite3.connect(
                f"file:{self._path}?mode=ro",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
                timeout=10,
            )
            db.execute("PRAGMA query_only = ON")
            db.execute("PRAGMA wal_autocheckpoint = 0")
            self._local.db = db
            self._open.append(db)
        return db

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with meaning():
            return work(self._connection())

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Runs `work` in one of the threads; each statement sees whole commits only."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._run, work)

    async def read(self, sql: str, *values: object) -> Found:
        return await self.run(lambda db: db.execute(sql, values).fetchall())

    def close(self) -> None:
        self._pool.shutdown()
        for db in self._open:
            db.close()


class Checkpointer:
    """Moves the log's write-ahead log into its file in a thread of its own.

    Within a commit this took p99 at 1,000 messages/s from 2 to 15 ms. The writer does it itself only when the
    write-ahead log has become long because nothing ever paused (`OVERDUE`), and then little is left to do.
    """

    EVERY = 1_000
    OVERDUE = 8_000
    """Pages of 4 KiB."""

    def __init__(self, path: Path, writer: sqlite3.Connection) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1)
        self._db.execute("PRAGMA wal_autocheckpoint = 0")
        writer.execute(f"PRAGMA wal_autocheckpoint = {self.OVERDUE}")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"checkpoint-{path.stem}")
        self._pages = 0
        self._running = False

    def wrote(self, pages: int) -> None:
        """Told by the writer after a commit, roughly."""
        self._pages += pages
        if self._pages >= self.EVERY and not self._running:
            self._pages, self._running = 0, True
            self._thread.submit(self._run)

    def _run(self) -> None:
        try:
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as error:  # a full disk, most likely: the log itself says so to those who write
            log.warning("checkpoint failed", error=str(error))
        finally:
            self._running = False

    def close(self) -> None:
        self._thread.shutdown()
        self._db.close()


def empty_log(path: Path) -> None:
    """Moves a file's write-ahead log into it and cuts it to nothing, so that what was overwritten in the file does
    not remain there. Waits for whoever writes or reads; raises OSError when that takes too long."""
    with meaning(), closing(sqlite3.connect(path, isolation_level=None, timeout=5)) as db:
        busy = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    if busy:
        raise OSError(errno.EBUSY, f"{path.name} is in use: its write-ahead log could not be emptied")


class SqliteFile:
    """A file beside the log, with its own writer thread: keys, and each follower's tables. A `Database`."""

    dialect: Dialect = "sqlite"

    def __init__(self, path: Path, synchronous: Synchronous, steps: Sequence[Sequence[str]] = ()) -> None:
        self._db = connect(path, synchronous, steps)
        self._readers = Readers(path)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"write-{path.stem}")

    async def _run(self, work: Callable[[], T]) -> T:
        def run() -> T:
            with meaning():
                return work()

        return await asyncio.get_running_loop().run_in_executor(self._thread, run)

    async def read(self, sql: str, *values: object) -> Found:
        return await self._readers.read(sql, *values)

    async def write(self, sql: str, *values: object) -> Found:
        def work() -> Found:
            if self._db.in_transaction:
                raise RuntimeError("write inside a transaction: use the transaction")
            return self._db.execute(sql, values).fetchall()

        return await self._run(work)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[SqliteTransaction]:
        """BEGIN ... COMMIT on the writer; an exception rolls back."""
        await self._run(lambda: self._db.execute("BEGIN IMMEDIATE"))
        try:
            yield SqliteTransaction(self._db, self._run)
            await self._run(lambda: self._db.execute("COMMIT"))
        except BaseException:
            await self._run(self._db.rollback)
            raise

    def close(self) -> None:
        self._readers.close()
        self._thread.shutdown()
        self._db.close()


class SqliteTransaction:
    """The statements of one transaction, run by the file's writer thread."""

    dialect: Dialect = "sqlite"

    def __init__(self, db: sqlite3.Connection, run: Callable[[Callable[[], Any]], Any]) -> None:
        self._db = db
        self._run = run

    async def read(self, sql: str, *values: object) -> Found:
        found: Found = await self._run(lambda: self._db.execute(sql, values).fetchall())
        return found

    write = read

    async def many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        await self._run(lambda: self._db.executemany(sql, rows))
