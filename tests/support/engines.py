"""Fixtures that run a test once per store engine, and give it an empty PostgreSQL database of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.postgres import Cluster

ENGINES = ("sqlite", "postgres")


@pytest.fixture
def postgres_url(postgres_cluster: Cluster) -> Iterator[str]:
    """The URL of an empty PostgreSQL database that only this test uses."""
    name = postgres_cluster.create_database()
    yield postgres_cluster.url(name)
    postgres_cluster.drop_database(name)


@pytest.fixture(params=ENGINES)
def engine_kind(request: pytest.FixtureRequest) -> str:
    """`sqlite`, then `postgres`: ask for it and the test runs on both."""
    return str(request.param)


@pytest.fixture
def database(engine_kind: str, request: pytest.FixtureRequest) -> str:
    """The `database_url` of a whole process, on the engine in turn: its SQLite is in its data directory."""
    return str(request.getfixturevalue("postgres_url")) if engine_kind == "postgres" else engine_kind
