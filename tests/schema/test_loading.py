"""What several fields of one request wait for together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.schema.context import Context
from gridmap.store.database import Database
from tests.waiting import PATIENCE_SECONDS

_asked: list[Sequence[int]] = []


async def squares(connection: AsyncConnection, numbers: Sequence[int]) -> list[int]:
    _asked.append(numbers)
    rows = await connection.execute(
        text("SELECT n * n FROM unnest(CAST(:n AS int[])) AS n, pg_sleep(0.05)"), {"n": numbers}
    )
    return list(rows.scalars())


async def endless(connection: AsyncConnection, numbers: Sequence[int]) -> list[int]:
    await connection.execute(text("SELECT pg_sleep(600)"))
    return list(numbers)


def test_stopping_one_field_leaves_the_others_what_they_wait_for(database_url: str) -> None:
    _asked.clear()

    async def work() -> None:
        database = Database(database_url)
        context = Context(database, 30)
        first, second = (asyncio.ensure_future(context.load(squares, 7)) for _ in range(2))
        await asyncio.sleep(0.01)
        first.cancel()
        assert await second == 49
        assert await context.load(squares, 7) == 49
        assert _asked == [[7]]
        await database.close()

    asyncio.run(work())


def test_what_nobody_waits_for_any_more_is_stopped(database_url: str) -> None:
    async def work() -> None:
        database = Database(database_url, pool_size=1, statement_timeout_seconds=600)
        context = Context(database, 30)
        waiting = [asyncio.ensure_future(context.load(endless, 7)) for _ in range(2)]
        await asyncio.sleep(0.05)
        for each in waiting:
            each.cancel()
        await asyncio.wait(waiting)
        # The one connection is free again, long before the statement would have ended.
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await context.load(squares, 8) == 64
        with pytest.raises(asyncio.CancelledError):
            await waiting[0]
        await database.close()

    asyncio.run(work())
