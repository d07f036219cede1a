"""The harness itself: each engine gives an empty database of its own."""

from __future__ import annotations

import asyncpg
import pysqlite3
import pytest

pytestmark = pytest.mark.contract


def test_sqlite_is_one_without_the_wal_reset_fault() -> None:
    assert pysqlite3.sqlite_version_info >= (3, 51, 3)


async def test_a_database_is_there_and_empty(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    assert await connection.fetchval("SELECT count(*) FROM pg_stat_user_tables") == 0
    await connection.close()


@pytest.mark.parametrize("turn", [1, 2])
async def test_nothing_crosses_from_one_test_to_the_next(postgres_url: str, turn: int) -> None:
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("CREATE TABLE mark (turn int)")
    await connection.execute("INSERT INTO mark VALUES ($1)", turn)
    assert await connection.fetchval("SELECT turn FROM mark") == turn
    await connection.close()
