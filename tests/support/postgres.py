"""A private PostgreSQL server from Debian's binaries, so that tests need no service and share nothing.

PostgreSQL refuses to run as root, so a root run (a container, CI) starts it as the user `postgres`.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import leftovers
from tests.support.ports import free_port
from tests.support.waiting import wait_until_sync

OWNER = "guichet"
FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "autovacuum": "off",
    "log_min_messages": "warning",
}
START_ATTEMPTS = 3


class NoPostgres(Exception):
    """PostgreSQL's server programs are not on this machine."""


def binaries() -> Path:
    """The folder of the newest installed server."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path is None:
        raise NoPostgres(
            "no initdb on this machine: run `make test` as root, or `apt-get install postgresql`"
        )
    return Path(on_path).resolve().parent


def _unprivileged() -> str | None:
    """Whom to run the server as: somebody else when we are root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise NoPostgres("running as root, and there is no user `postgres` to run the server as")


def _die_with_parent() -> None:
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGQUIT)  # SIGQUIT: stop at once


@dataclass
class Cluster:
    """One running server; every test takes a database of its own in it."""

    folder: Path
    port: int
    user: str | None
    options: dict[str, str]
    process: subprocess.Popen[bytes] = field(init=False)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    @classmethod
    @contextmanager
    def running(cls, **options: str) -> Iterator[Cluster]:
        """A server that lives as long as the block; `options` override its settings."""
        user = _unprivileged()
        folder = Path(tempfile.mkdtemp(prefix="guichet-pg-"))
        try:
            if user is not None:
                shutil.chown(folder, user)
            cls._initialise(folder, user)
            cluster = cls._start(folder, user, {**FAST, **options})
            try:
                yield cluster
            finally:
                cluster.stop()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @staticmethod
    def _initialise(folder: Path, user: str | None) -> None:
        made = subprocess.run(
            [
                *(str(binaries() / "initdb"), "-D", str(folder / "data"), "-U", OWNER, "--no-sync"),
                *("--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"),
            ],
            user=user,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            raise NoPostgres(f"initdb failed: {made.stderr.strip()}")

    @classmethod
    def _start(cls, folder: Path, user: str | None, options: dict[str, str]) -> Cluster:
        for _ in range(START_ATTEMPTS):  # the port may be taken between looking and binding
            cluster = cls(folder, free_port(), user, options)
            if cluster.start_again():
                return cluster
        raise NoPostgres(f"PostgreSQL does not start: {(folder / 'log').read_text()[-2000:]}")

    def start_again(self) -> bool:
        """Starts the server, anew after `stop`, on its port; False when it ended at once."""
        settings = {**self.options, "port": str(self.port), "listen_addresses": "127.0.0.1"}
        settings["unix_socket_directories"] = str(self.folder)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(binaries() / "postgres"), "-D", str(self.folder / "data")]
                + [f"--{name}={value}" for name, value in settings.items()],
                user=self.user,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - must outlive nothing, not even kill -9 of pytest
            )
        leftovers.adopt(self.process.pid)
        wait_until_sync(self.ready_or_ended, "PostgreSQL answers", 30)
        return self.process.poll() is None

    def ready_or_ended(self) -> bool:
        return self.ready() or self.process.poll() is not None

    def ready(self) -> bool:
        answer = self._client("pg_isready", "--quiet", "--dbname=postgres", check=False)
        return answer.returncode == 0

    def stop(self) -> None:
        """Ends the server at once; nothing in it is worth a checkpoint."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(timeout=30)

    def create_database(self) -> str:
        """Makes an empty database and returns its name."""
        name = f"test_{next(self.numbers)}"
        self.run_sql(f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY FILE_COPY")
        return name

    def drop_database(self, name: str) -> None:
        self.run_sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def run_sql(self, statement: str, database: str = "postgres") -> str:
        """Runs one statement with psql, outside any event loop, and returns what it prints."""
        return self._client("psql", "-X", "-q", "-A", "-t", "-d", database, "-c", statement).stdout

    def url(self, database: str) -> str:
        return f"postgresql://{OWNER}@127.0.0.1:{self.port}/{database}"

    def socket_url(self, database: str) -> str:
        """The same by Unix socket: what a benchmark wants."""
        return f"postgresql://{OWNER}@/{database}?host={self.folder}&port={self.port}"

    def _client(self, program: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        address = ["-h", str(self.folder), "-p", str(self.port), "-U", OWNER]
        done = subprocess.run(
            [str(binaries() / program), *address, *arguments], capture_output=True, text=True, check=False
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"{program} failed: {done.stderr.strip()}")
        return done
