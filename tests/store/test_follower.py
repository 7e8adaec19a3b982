"""Lookups from memory go on while data changes, and are never older than what was seen before."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from inspect import isawaitable

import pytest
from shapely import MultiPolygon, box
from sqlalchemy import Engine, text

from gridmap.geo.datums import Datum
from gridmap.schema.context import Context
from gridmap.schema.locations import locate
from gridmap.schema.points import PointInput
from gridmap.store.database import Database, tool_engine
from gridmap.store.dates import CHINA, today
from gridmap.store.follower import Follower
from gridmap.store.snapshot import Snapshot
from tests.districts import SIDE, SOUTH, WEST, building_code, grid_code, put_district
from tests.waiting import PATIENCE_SECONDS

Requests = Callable[[], Context]
REACH = 30.0
PLACE = (WEST + SIDE, SOUTH + 1.5 * SIDE)
"""On the edge of grids 1 and 2, which the edits move to and fro."""


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = tool_engine(database_url)
    with engine.begin() as connection:
        connection.execute(
            text(
                "TRUNCATE regions, grids, buildings, sponsors, sponsorships, workers, "
                "worker_assignments, building_managements CASCADE"
            )
        )
        put_district(connection)
    yield engine
    engine.dispose()


@asynccontextmanager
async def following(url: str) -> AsyncIterator[tuple[Follower, Requests]]:
    """A follower at work, and what makes for each request what it would have of it."""
    follower, database = Follower(url, REACH), Database(url)
    task = asyncio.create_task(follower.run())
    try:
        yield follower, partial(Context, database, REACH, follower)
    finally:
        task.cancel()
        await asyncio.wait([task])
        await database.close()


async def until_in_memory(follower: Follower) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while follower.snapshot(today()) is None:
            await asyncio.sleep(0.01)


async def seen(requests: Requests) -> tuple[int, str]:
    """Which edit the answer to a new request shows, and whose the place is by it."""
    point = PointInput(longitude=PLACE[0], latitude=PLACE[1], datum=Datum.WGS84, accuracy=None)
    location = locate(requests(), point, today())
    grid = (await location if isawaitable(location) else location).located.grid
    assert grid is not None
    return int(grid.name), grid.code


def owner(edit: int) -> str:
    """Whose the place is after so many edits."""
    return grid_code(1 if edit % 2 else 2)


def make(engine: Engine, edit: int) -> None:
    """Moves the edge of grids 1 and 2, and has both names say so; one transaction."""
    edge = WEST + SIDE * (1.3 if edit % 2 else 0.7)
    south, north = SOUTH + SIDE, SOUTH + 2 * SIDE
    outlines = {1: box(WEST, south, edge, north), 2: box(edge, south, WEST + 2 * SIDE, north)}
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE grids SET boundary = :outline, name = :name WHERE code = :code"),
            [
                {
                    "outline": f"SRID=4326;{MultiPolygon([outline]).wkt}",
                    "name": str(edit),
                    "code": grid_code(number),
                }
                for number, outline in outlines.items()
            ],
        )


def stop_listening(engine: Engine) -> None:
    """Ends the connection by which changes are heard of."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'gridmap-changes' AND datname = current_database()"
            )
        )


def test_edits_under_load_give_no_wrong_answer_and_none_that_is_older(
    engine: Engine, database_url: str
) -> None:
    """
    1. Many ask for one place without a pause, while an editor moves the border across it.
    2. Twice the connection that listens is killed, so that the database answers for a while.
    3. Every answer is whole (the grid is the one of its edit), none is older than an edit whose
       end was seen by that asker before, and the last edit is seen by all.
    """
    last = 60
    make(engine, 0)

    def edit_all() -> None:
        for edit in range(1, last + 1):
            make(engine, edit)
            if edit in (20, 40):
                stop_listening(engine)

    async def ask_until_the_last(requests: Requests) -> list[int]:
        edits: list[int] = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not edits or edits[-1] < last:
                edit, code = await seen(requests)
                assert code == owner(edit)
                edits.append(edit)
                await asyncio.sleep(0)
        return edits

    async def all_of_it() -> list[list[int]]:
        async with following(database_url) as (follower, requests):
            await until_in_memory(follower)
            with ThreadPoolExecutor(1) as pool:
                editing = asyncio.get_running_loop().run_in_executor(pool, edit_all)
                answers = await asyncio.gather(*(ask_until_the_last(requests) for _ in range(4)))
                await editing
            return answers

    for edits in asyncio.run(all_of_it()):
        assert edits == sorted(edits)


def test_what_was_changed_while_nobody_listened_is_seen(engine: Engine, database_url: str) -> None:
    make(engine, 0)

    async def ask() -> tuple[int, str]:
        async with following(database_url) as (follower, requests):
            await until_in_memory(follower)
            with engine.begin() as connection:
                connection.execute(text("ALTER TABLE grids DISABLE TRIGGER USER"))
            make(engine, 1)
            with engine.begin() as connection:
                connection.execute(text("ALTER TABLE grids ENABLE TRIGGER USER"))
            stop_listening(engine)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while follower.snapshot(today()) is not None:
                    await asyncio.sleep(0.001)
            await until_in_memory(follower)
            return await seen(requests)

    assert asyncio.run(ask()) == (1, owner(1))


def test_the_database_answers_until_there_is_a_snapshot_and_for_other_days(
    engine: Engine, database_url: str
) -> None:
    make(engine, 3)

    async def ask() -> None:
        async with following(database_url) as (follower, requests):
            assert follower.snapshot(today()) is None
            assert await seen(requests) == (3, owner(3))
            await until_in_memory(follower)
            assert follower.snapshot(today() - datetime.timedelta(days=1)) is None

    asyncio.run(ask())


def test_all_that_changes_at_once_is_seen(engine: Engine, database_url: str) -> None:
    """More rows than are followed one by one."""

    async def ask() -> str:
        async with following(database_url) as (follower, _):
            await until_in_memory(follower)
            with engine.begin() as connection:
                connection.execute(
                    text(
                        "INSERT INTO sponsors (code, name, level, region_code) "
                        "SELECT 'M' || n, n, 'CITY', '2304' FROM generate_series(1, 6000) AS n"
                    )
                )
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    snapshot = follower.snapshot(today())
                    if snapshot is not None and (sponsor := snapshot.sponsors.get("M6000")):
                        return sponsor.name
                    await asyncio.sleep(0.01)

    assert asyncio.run(ask()) == "6000"


def test_changes_that_go_on_while_the_snapshot_is_made_are_in_it(
    engine: Engine, database_url: str
) -> None:
    make(engine, 0)

    async def ask() -> tuple[int, str]:
        async with following(database_url) as (follower, requests):
            with ThreadPoolExecutor(1) as pool:
                for edit in range(1, 15):
                    await asyncio.get_running_loop().run_in_executor(pool, make, engine, edit)
            await until_in_memory(follower)
            # What came last may not have been heard yet.
            async with asyncio.timeout(PATIENCE_SECONDS):
                while (await seen(requests))[0] != 14:
                    await asyncio.sleep(0.01)
            return await seen(requests)

    assert asyncio.run(ask()) == (14, owner(14))


def test_following_goes_on_after_an_outline_that_lies_nowhere_is_mended(
    engine: Engine, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """
    1. Somebody puts a grid a thousand degrees away, which no snapshot can be made of.
    2. The database answers, and the log says why, with the place in the code.
    3. Somebody mends it, and memory answers again.
    """
    make(engine, 0)
    move = "UPDATE grids SET boundary = ST_Translate(boundary, {}, 0) WHERE code = :code"

    def shift(degrees: int) -> None:
        with engine.begin() as connection:
            connection.execute(text(move.format(degrees)), {"code": grid_code(5)})

    async def ask() -> tuple[int, str]:
        async with following(database_url) as (follower, context):
            await until_in_memory(follower)
            shift(1000)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while follower.snapshot(today()) is not None or not caplog.records:
                    await asyncio.sleep(0.01)
            make(engine, 2)
            assert await seen(context) == (2, owner(2))
            shift(-1000)
            await until_in_memory(follower)
            make(engine, 3)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while (await seen(context))[0] != 3:
                    await asyncio.sleep(0.01)
            return await seen(context)

    assert asyncio.run(ask()) == (3, owner(3))
    assert "no polygon in degrees" in caplog.text
    assert "index.py" in caplog.text


def test_a_snapshot_of_yesterday_does_not_answer_for_today(
    engine: Engine, database_url: str
) -> None:
    """A clock stands shortly before midnight, and then after it, when grid 1 holds for grid 4."""
    tomorrow = today() + datetime.timedelta(days=1)
    midnight = datetime.datetime.combine(tomorrow, datetime.time(), CHINA)
    clock = midnight - datetime.timedelta(milliseconds=100)
    with engine.begin() as connection:
        for column, code in (("valid_to", grid_code(4)), ("valid_from", grid_code(1))):
            connection.execute(
                text(f"UPDATE grids SET {column} = :day WHERE code = :code"),
                {"day": tomorrow, "code": code},
            )
    places = ((WEST + SIDE / 2, SOUTH + SIDE / 2), (WEST + SIDE / 2, SOUTH + 1.5 * SIDE))

    def grids(snapshot: Snapshot) -> list[str | None]:
        found = [snapshot.locate(*place).grid for place in places]
        return [grid and grid.code for grid in found]

    async def ask() -> list[list[str | None]]:
        nonlocal clock
        follower = Follower(database_url, REACH, lambda: clock)
        task = asyncio.create_task(follower.run())
        answers = []
        today = clock.date()
        async with asyncio.timeout(PATIENCE_SECONDS):
            for day, other in ((today, tomorrow), (tomorrow, today)):
                while (snapshot := follower.snapshot(day)) is None:
                    await asyncio.sleep(0.001)
                answers.append(grids(snapshot))
                assert follower.snapshot(other) is None
                clock = midnight
        task.cancel()
        await asyncio.wait([task])
        return answers

    assert asyncio.run(ask()) == [[grid_code(4), None], [None, grid_code(1)]]


def test_many_changes_that_each_are_few_are_all_seen(engine: Engine, database_url: str) -> None:
    """Together they are more than are followed one by one; some come while it is all loaded."""

    async def ask() -> None:
        async with following(database_url) as (follower, _):
            with ThreadPoolExecutor(1) as pool:
                for edit in range(6):
                    await asyncio.get_running_loop().run_in_executor(
                        pool, _name_sponsors, engine, edit
                    )
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    snapshot = follower.snapshot(today())
                    if snapshot is not None:
                        names = {
                            getattr(snapshot.sponsors.get(f"M{n}"), "name", "") for n in (1, 4000)
                        }
                        if names == {"5"}:
                            return
                    await asyncio.sleep(0.01)

    asyncio.run(ask())


def _name_sponsors(engine: Engine, edit: int) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO sponsors (code, name, level, region_code) "
                "SELECT 'M' || n, :name, 'CITY', '2304' FROM generate_series(1, 4000) AS n "
                "ON CONFLICT (code) DO UPDATE SET name = excluded.name"
            ),
            {"name": str(edit)},
        )


def test_every_answer_is_of_one_state(engine: Engine, database_url: str) -> None:
    """
    1. An editor makes a new sponsor and gives it the building of grid 1, and its grid the new
       name too, in one transaction after another without a pause.
    2. Every answer shows building and grid as one of these transactions left them.
    """
    last = 150
    rename(engine, 0)

    def edit_all() -> None:
        for edit in range(1, last + 1):
            rename(engine, edit)

    async def ask() -> None:
        async with following(database_url) as (follower, _):
            await until_in_memory(follower)
            with ThreadPoolExecutor(1) as pool:
                editing = asyncio.get_running_loop().run_in_executor(pool, edit_all)
                seen_at_last = ""
                async with asyncio.timeout(PATIENCE_SECONDS):
                    while seen_at_last != str(last):
                        snapshot = follower.snapshot(today())
                        if snapshot is not None:
                            spot = snapshot.locate(WEST + SIDE / 2, SOUTH + 1.5 * SIDE)
                            assert spot.grid is not None
                            assert spot.sponsor is not None
                            seen_at_last = spot.grid.name
                            assert spot.sponsor.code == f"N{seen_at_last}"
                        await asyncio.sleep(0)
                await editing

    asyncio.run(ask())


def rename(engine: Engine, edit: int) -> None:
    """Has the name of grid 1 and the sponsor of its building say so."""
    with engine.begin() as connection:
        for statement in (
            "INSERT INTO sponsors (code, name, level, region_code) "
            "VALUES (:code, :name, 'CITY', '2304') ON CONFLICT DO NOTHING",
            "UPDATE grids SET name = :name WHERE code = :grid",
            "UPDATE sponsorships SET sponsor_code = :code "
            "WHERE building_code = :building AND valid_to IS NULL",
        ):
            connection.execute(
                text(statement),
                {
                    "code": f"N{edit}",
                    "name": str(edit),
                    "grid": grid_code(1),
                    "building": building_code(1),
                },
            )


def test_what_is_few_is_not_lost_when_very_much_comes_close_behind(
    engine: Engine, database_url: str
) -> None:
    """
    1. A large change waits to be committed. A small one is, and the large one so soon after it
       that the small one is still being followed; again and again, each time a little later.
    2. Memory ends up as the database is, every time.
    """
    make(engine, 0)

    async def ask() -> None:
        async with following(database_url) as (follower, _):
            for edit in range(1, 25):
                await until_in_memory(follower)
                with engine.connect() as large:
                    large.execute(
                        text(
                            "INSERT INTO sponsors (code, name, level, region_code) "
                            "SELECT 'L' || n, :name, 'CITY', '2304' FROM generate_series(1, 6000) "
                            "AS n ON CONFLICT (code) DO UPDATE SET name = excluded.name"
                        ),
                        {"name": str(edit)},
                    )
                    make(engine, edit)
                    await asyncio.sleep(0.003 * (edit % 12))
                    large.commit()
                async with asyncio.timeout(PATIENCE_SECONDS):
                    while True:
                        snapshot = follower.snapshot(today())
                        sponsor = snapshot and snapshot.sponsors.get("L6000")
                        if snapshot and sponsor and sponsor.name == str(edit):
                            break
                        await asyncio.sleep(0.01)
                grid = snapshot.locate(*PLACE).grid
                assert grid is not None
                assert (int(grid.name), grid.code) == (edit, owner(edit))

    asyncio.run(ask())
