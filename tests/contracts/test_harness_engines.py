"""The harness itself: each engine gives an empty database of its own."""

from __future__ import annotations

import asyncpg
import pysqlite3
import pytest

pytestmark = pytest.mark.contract


async def test_a_database_is_there_and_empty(engine_kind: str, engine_url: str) -> None:
    if engine_kind == "postgres":
        connection = await asyncpg.connect(engine_url)
        tables = await connection.fetchval("SELECT count(*) FROM pg_stat_user_tables")
        await connection.close()
    else:
        file = pysqlite3.connect(engine_url.removeprefix("sqlite:///"))
        (tables,) = file.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        file.close()
    assert tables == 0


@pytest.mark.parametrize("turn", [1, 2])
async def test_nothing_crosses_from_one_test_to_the_next(postgres_url: str, turn: int) -> None:
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("CREATE TABLE mark (turn int)")
    await connection.execute("INSERT INTO mark VALUES ($1)", turn)
    assert await connection.fetchval("SELECT turn FROM mark") == turn
    await connection.close()
