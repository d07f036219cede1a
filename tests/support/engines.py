"""Fixtures that run a test once per store engine, each time on an empty database of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgres import Cluster

ENGINES = ("sqlite", "postgres")


@pytest.fixture
def postgres_url(postgres_cluster: Cluster) -> Iterator[str]:
    """The URL of an empty PostgreSQL database that only this test uses."""
    name = postgres_cluster.create_database()
    yield postgres_cluster.url(name)
    postgres_cluster.drop_database(name)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of an SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'guichet.sqlite'}"


@pytest.fixture(params=ENGINES)
def engine_kind(request: pytest.FixtureRequest) -> str:
    """`sqlite`, then `postgres`: ask for it (or for `engine_url`) and the test runs on both."""
    return str(request.param)


@pytest.fixture
def engine_url(engine_kind: str, request: pytest.FixtureRequest) -> str:
    """The URL of an empty database of the engine in turn."""
    return str(request.getfixturevalue(f"{engine_kind}_url"))
