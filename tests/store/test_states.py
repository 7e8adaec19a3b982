"""Whoever goes on from a state hears of all that came after it, whatever goes wrong meanwhile."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import tempfile
from contextlib import aclosing, suppress
from itertools import product
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import Connection

from gridmap.store.cluster import private_cluster
from gridmap.store.database import Database, tool_engine
from gridmap.store.dates import now
from gridmap.store.paging import Slice
from gridmap.store.report_changes import Interest, ReportNews, changes_between, state_now
from gridmap.store.reports import ReportFilter, page_of_reports
from gridmap.store.scopes import EVERYTHING
from gridmap.store.states import is_state
from tests.conftest import migrate
from tests.districts import put_district
from tests.waiting import PATIENCE_SECONDS, wait_until


@pytest.fixture(scope="module")
def url(database_url: str) -> str:
    """Of a database that has a district."""
    return with_district(database_url)


def with_district(url: str) -> str:
    engine = tool_engine(url)
    with engine.begin() as connection:
        put_district(connection)
    engine.dispose()
    return url


def test_what_is_taken_for_a_state_is_what_postgresql_reads_as_a_snapshot(url: str) -> None:
    numbers = ("0", "1", "2", "3")
    running = ["", *(",".join(some) for n in (1, 2) for some in product(numbers, repeat=n))]
    texts = [":".join(parts) for parts in product(numbers, numbers, running)]
    with psycopg.connect(url, autocommit=True) as connection:
        for text in texts:
            is_read = True
            try:
                connection.execute("SELECT CAST(%s AS pg_snapshot)", [text])
            except psycopg.DataError:
                is_read = False
            assert is_state(text) == is_read, text


def put_report(connection: Connection) -> UUID:
    """Puts one with its event, in a transaction of its own."""
    report = uuid4()
    with connection.transaction():
        connection.execute(REPORT, {"id": report})
        connection.execute(EVENT, {"id": report})
    return report


REPORT = """
INSERT INTO reports (
    district_code, id, version, state, category_code, urgency, source, description, location,
    source_datum, source_longitude, source_latitude, captured_at, received_at, state_since,
    region_code, level, submission
)
VALUES (
    '230402', %(id)s, 1, 'SUBMITTED', '0101', 'ROUTINE', 'PHONE', '有垃圾',
    ST_SetSRID(ST_MakePoint(130.282, 47.336), 4326), 'WGS84', 130.282, 47.336, now(), now(), now(),
    '230402002005', 'GRID', ''
)
"""
EVENT = """
INSERT INTO report_events (
    district_code, report_id, version, action, state, at, actor_role, actor_subject, note, details
)
VALUES ('230402', %(id)s, 1, 'SUBMIT', 'SUBMITTED', now(), 'ANONYMOUS', '', '', '{}')
"""


def states(url: str) -> list[str]:
    """The state now, by each of the ways in which a client may get it."""

    async def had() -> list[str]:
        database = Database(url)
        try:
            async with database.connection() as connection:
                start = await state_now(connection)
                _, page = await page_of_reports(
                    connection, ReportFilter(now(), EVERYTHING), Slice(1, None)
                )
                _, change = await changes_between(connection, start)
                return [start, page, change]
        finally:
            await database.close()

    return asyncio.run(had())


def come_since(url: str, state: str) -> set[UUID]:
    """The reports of all events that came after a state."""

    async def had() -> set[UUID]:
        database = Database(url)
        try:
            async with database.connection() as connection:
                found, _ = await changes_between(connection, state)
                return {each.event.report_id for each in found}
        finally:
            await database.close()

    return asyncio.run(had())


def test_a_state_from_before_a_crash_tells_of_what_comes_after_it() -> None:
    with tempfile.TemporaryDirectory(prefix="gridmap-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the user that runs PostgreSQL for root is to enter
        with private_cluster(folder) as url:
            migrate(url)
            with_district(url)
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
                connection.execute("ALTER SYSTEM SET recovery_init_sync_method = syncfs")
                connection.execute("SELECT pg_reload_conf()")
            for leave_nothing in (notify, undo):
                # 1. PostgreSQL gives a number to a transaction that leaves nothing, and is in no
                # hurry to write down that it did.
                with psycopg.connect(url, autocommit=True) as connection:
                    put_report(connection)
                    leave_nothing(connection)
                had = states(url)
                # 2. It crashes, and gives the number again.
                crash(url)
                with psycopg.connect(url, autocommit=True) as connection:
                    report = put_report(connection)
                # 3. Each state from before tells of what came with that number, and of no more.
                assert [come_since(url, state) for state in had] == [{report}] * 3


def notify(connection: Connection) -> None:
    connection.execute("SELECT pg_notify('anything', '')")


def undo(connection: Connection) -> None:
    with connection.transaction(force_rollback=True):
        connection.execute("SELECT FROM reports FOR UPDATE")


def crash(url: str) -> None:
    """Kills a session, on which PostgreSQL ends all of them and recovers."""
    with psycopg.connect(url, autocommit=True) as one, psycopg.connect(url) as other:
        os.kill(one.info.backend_pid, signal.SIGKILL)
        with suppress(psycopg.OperationalError):
            other.execute("SELECT pg_sleep(30)")
    wait_until(lambda: is_up(url))


def is_up(url: str) -> bool:
    with suppress(psycopg.OperationalError), psycopg.connect(url):
        return True
    return False


def test_those_who_leave_take_no_news_from_those_who_stay(url: str) -> None:
    chance = random.Random(2304)

    async def heard() -> tuple[list[UUID], list[UUID]]:
        database = Database(url)
        news = ReportNews(database)
        put, told = [], []

        async def stay() -> None:
            async with aclosing(await news.changes(Interest(EVERYTHING))) as changes:
                async for change in changes:
                    told.append(change.event.report_id)  # noqa: PERF401, read while it grows

        async def come() -> None:
            async with aclosing(await news.changes(Interest(EVERYTHING))) as changes:
                await anext(changes)

        running = [asyncio.create_task(each) for each in (news.run(), stay())]
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not news._listeners:
                await asyncio.sleep(0.01)
        with psycopg.connect(url, autocommit=True) as connection:
            for _ in range(150):
                put.append(put_report(connection))
                coming = asyncio.create_task(come())
                await asyncio.sleep(chance.uniform(0, 0.006))
                coming.cancel()
                await asyncio.wait([coming])
        news.announce()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(told) < len(put):
                await asyncio.sleep(0.01)
        for task in running:
            task.cancel()
        await asyncio.wait(running)
        await database.close()
        return put, told

    put, told = asyncio.run(heard())
    assert told == put
