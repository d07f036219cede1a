"""What every test gets: a category, a clean end, no stray network, and engines to run against.

The parts are in tests/support; this file only hangs them into pytest.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.support import categories, leftovers, network, profiles
from tests.support.postgres import Cluster

pytest_plugins = ["tests.support.engines", "tests.support.counts"]

SOAK_KILLS = 100
SOAK_SECONDS = 4 * 3_600
"""What any one test may take in a soak run."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="the long runs: 100 kills, larger random searches")
    parser.addoption("--kills", type=int, metavar="N", help="of the server on each engine; in a long run 100")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--soak"):
        os.environ["GUICHET_SOAK"] = "1"
    os.environ["GUICHET_MEDIA_SERVER"] = "off"  # unless a test brings one of its own
    profiles.load()
    network.install()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--soak"):
        for item in items:
            item.add_marker(pytest.mark.timeout(SOAK_SECONDS), append=False)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module:
    return categories.CategorisedModule.from_parent(parent, path=module_path)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    leftovers.watch_tasks(item)
    with network.limited_to(categories.of(item)):
        return (yield)


@pytest.fixture(autouse=True)
def leaves_nothing_behind() -> Iterator[None]:
    """A test that leaves a thread or a child process behind fails; tasks are watched in the test's own loop."""
    before = leftovers.Snapshot.take()
    yield
    leftovers.fail_on(before)


@pytest.fixture(scope="session")
def soak() -> bool:
    """Whether this is a soak run: scale counts and durations by it."""
    return os.environ.get("GUICHET_SOAK") == "1"


@pytest.fixture(scope="session")
def kills(request: pytest.FixtureRequest, soak: bool) -> int | None:
    """How often to kill, where somebody says so or it is a soak run."""
    chosen: int | None = request.config.getoption("--kills")
    return SOAK_KILLS if chosen is None and soak else chosen


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Cluster]:
    """A PostgreSQL server of this test process's own, thrown away at the end."""
    with Cluster.running() as cluster:
        yield cluster
