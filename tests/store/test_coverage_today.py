"""Coverage from memory is what the database tells, and what is plainly so."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely import Point, Polygon, box
from sqlalchemy import Connection, Engine, insert, text

from gridmap.store import tables
from gridmap.store.changes import Change
from gridmap.store.coverage import (
    GridLack,
    Lack,
    Wanted,
    count_buildings_without,
    count_by_community,
    count_grids_without,
    count_loads_over,
    loads_by_level,
    page_of_buildings_without,
    page_of_grids_without,
    page_of_loads_over,
    topologies,
)
from gridmap.store.database import Database, tool_engine
from gridmap.store.dates import today
from gridmap.store.grades import tallies
from gridmap.store.paging import Key, Slice
from gridmap.store.snapshot import Snapshot, load
from tests.districts import (
    COMMUNITY,
    DISTRICT,
    LONG_AGO,
    SIDE,
    SOUTH,
    STREET,
    WEST,
    building_code,
    grid_code,
    put_building,
    put_district,
    put_grid,
)

OTHER = "230402002006"
REGIONS = {DISTRICT: [DISTRICT, STREET, COMMUNITY, OTHER], OTHER: [OTHER]}
NORM = 30

numbers = st.integers(0, 8)
places = st.tuples(numbers, numbers)
"""On a lattice, so that buildings stand on edges and corners and grids share them."""


class District(NamedTuple):
    """Grids by a corner and a size; buildings by a place and households. The odd ones are the other
    community's. Who of them has sponsors, and how many walk each grid.
    """

    grids: list[tuple[tuple[int, int], int]]
    buildings: list[tuple[tuple[int, int], int]]
    sponsored_grids: set[int]
    sponsored_buildings: set[int]
    workers: list[int]


districts = st.builds(
    District,
    st.lists(st.tuples(places, st.integers(1, 4)), max_size=7),
    st.lists(st.tuples(places, st.integers(0, 40)), max_size=12),
    st.sets(st.integers(0, 6), max_size=3),
    st.sets(st.integers(0, 11), max_size=8),
    st.lists(st.integers(0, 2), min_size=7, max_size=7),
)


@pytest.fixture(scope="module")
def engine(database_url: str) -> Iterator[Engine]:
    engine = tool_engine(database_url)
    with engine.begin() as connection:
        put_district(connection)
        for worker in ("W2", "W3"):
            connection.execute(
                insert(tables.workers).values(district_code=DISTRICT, code=worker, name="示例")
            )
    yield engine
    engine.dispose()


def outline(corner: tuple[int, int], size: int) -> Polygon:
    west, south = point(corner).coords[0]
    return box(west, south, west + size * SIDE, south + size * SIDE)


def point(place: tuple[int, int]) -> Point:
    return Point(WEST + place[0] * SIDE, SOUTH + place[1] * SIDE)


def put(connection: Connection, district: District) -> None:
    connection.execute(text("TRUNCATE grids, buildings, sponsorships, worker_assignments CASCADE"))
    for number, (corner, size) in enumerate(district.grids):
        put_grid(connection, grid_code(number), outline(corner, size))
        for worker in range(district.workers[number]):
            connection.execute(
                insert(tables.worker_assignments).values(
                    district_code=DISTRICT,
                    worker_code=f"W{worker + 1}",
                    grid_code=grid_code(number),
                    valid_from=LONG_AGO,
                )
            )
    for number, (place, households) in enumerate(district.buildings):
        put_building(connection, building_code(number), point(place), households=households)
    for table in ("grids", "buildings"):
        odd = "right(code, 1) IN ('1', '3', '5', '7', '9')"
        moved = f"UPDATE {table} SET community_code = '{OTHER}' WHERE {odd}"
        connection.execute(text(moved))
    answered = [("building_code", building_code(n)) for n in district.sponsored_buildings]
    answered += [("grid_code", grid_code(n)) for n in district.sponsored_grids]
    for column, code in answered:
        kept = "buildings" if column == "building_code" else "grids"
        connection.execute(
            text(
                f"INSERT INTO sponsorships (district_code, sponsor_code, {column}, valid_from) "
                f"SELECT '{DISTRICT}', CASE WHEN right(:code, 1) < '4' THEN 'S1' ELSE 'S2' END, "
                f"code, :day FROM {kept} WHERE code = :code"
            ),
            {"code": code, "day": LONG_AGO},
        )


def told(url: str, memory: Snapshot | None) -> Any:
    """Everything that memory may tell, in pages of five, of each region."""

    async def ask() -> Any:
        database, day = Database(url), today()
        try:
            async with database.connection() as connection:

                async def whole(page: Any, count: Any, *what: Any) -> Any:
                    rows: list[Any] = []
                    after = None
                    while True:
                        some, known = await page(connection, *what, Slice(5, after), memory)
                        rows += some
                        if len(some) < 5:
                            break
                        after = some[-1].key
                    assert known in (None, await count(connection, *what))
                    return rows

                return {
                    region: [
                        *[
                            await whole(
                                page_of_buildings_without,
                                count_buildings_without,
                                Wanted(lack, below, day),
                            )
                            for lack in (Lack.GRID, Lack.SPONSOR)
                        ],
                        await whole(
                            page_of_grids_without,
                            count_grids_without,
                            GridLack.SPONSOR,
                            below,
                            day,
                        ),
                        await whole(page_of_loads_over, count_loads_over, NORM, below, day),
                        await loads_by_level(connection, below, day, memory),
                        [
                            (each.gaps, each.overlaps, each.found.covered_area_m2)
                            for each in await topologies(
                                connection, list(REGIONS), day, 1.0, memory
                            )
                        ],
                        await count_by_community(connection, below, memory),
                        await tallies(connection, [region], day, memory),
                    ]
                    for region, below in REGIONS.items()
                }
        finally:
            await database.close()

    return asyncio.run(ask())


def numbered(rows: list[Any]) -> list[int]:
    return [int(row.code[len(COMMUNITY) :]) for row in rows]


def assert_plainly_so(found: Any, district: District) -> None:
    """What shapely and counting say of the whole district."""
    outside, unsponsored, alone, over, levels, _, _, [tally] = found[DISTRICT]
    shapes = [outline(*grid) for grid in district.grids]
    homes = {
        number: next((i for i, shape in enumerate(shapes) if shape.covers(point(place))), None)
        for number, (place, _) in enumerate(district.buildings)
    }
    answered = {number for number in homes if number in district.sponsored_buildings}
    assert numbered(outside) == [number for number, home in homes.items() if home is None]
    assert numbered(unsponsored) == [number for number in homes if number not in answered]
    has = {homes[number] for number in answered} | district.sponsored_grids
    assert numbered(alone) == [number for number in range(len(shapes)) if number not in has]
    households: defaultdict[int | None, int] = defaultdict(int)
    for number, home in homes.items():
        households[home] += district.buildings[number][1]
    assert [(row.households, row.workers) for row in over] == [
        (households[number], district.workers[number])
        for number in range(len(shapes))
        if 0 < district.workers[number] < households[number] / NORM
    ]
    sponsors = Counter("S1" if str(number)[-1] < "4" else "S2" for number in answered)
    assert {row.level: row.load.buildings for row in levels} == {
        {"S1": "CITY", "S2": "DISTRICT"}[sponsor]: count for sponsor, count in sponsors.items()
    }
    assert (tally.buildings, tally.buildings_in_grids) == (len(homes), len(homes) - len(outside))


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(district=districts, moved=places)
def test_memory_tells_of_coverage_what_the_database_tells_and_after_changes_too(
    engine: Engine, database_url: str, district: District, moved: tuple[int, int]
) -> None:
    with engine.begin() as connection:
        put(connection, district)
    with engine.connect() as connection:
        memory = load(connection, today(), 30.0)
    found = told(database_url, memory)
    assert found == told(database_url, None)
    assert_plainly_so(found, district)

    given = {
        "place": f"SRID=4326;{point(moved).wkt}",
        "outline": f"SRID=4326;MULTIPOLYGON({outline(moved, 3).wkt.removeprefix('POLYGON ')})",
    }
    for table, key, change in (
        ("buildings", building_code(0), "SET households = 50, location = :place"),
        ("grids", grid_code(0), "SET boundary = :outline"),
        ("sponsorships", building_code(1), "SET sponsor_code = 'S2'"),
        ("sponsorships", building_code(0), None),
    ):
        code = "building_code" if table == "sponsorships" else "code"
        what = f"UPDATE {table} {change}" if change else f"DELETE FROM {table}"
        with engine.begin() as connection:
            connection.execute(text(f"{what} WHERE {code} = :code"), {"code": key, **given})
        assert len(memory.homes) == len(memory.answering)  # as if somebody had asked in between
        with engine.connect() as connection:
            changes = frozenset([Change(table, DISTRICT, frozenset([key]))])
            memory = memory.after(connection, changes)
    assert told(database_url, memory) == told(database_url, None)


def test_a_building_that_is_gone_since_does_not_shorten_a_page(
    engine: Engine, database_url: str
) -> None:
    standing = [((0, 0), 1), ((1, 1), 1), ((2, 2), 1)]
    with engine.begin() as connection:
        put(connection, District([], standing, set(), set(), []))
    with engine.connect() as connection:
        memory = load(connection, today(), 30.0)
    with engine.begin() as connection:
        gone = building_code(1)
        connection.execute(text("DELETE FROM buildings WHERE code = :gone"), {"gone": gone})

    async def page() -> list[Key]:
        database = Database(database_url)
        try:
            async with database.connection() as connection:
                wanted = Wanted(Lack.GRID, REGIONS[DISTRICT], today())
                rows, _ = await page_of_buildings_without(connection, wanted, Slice(2), memory)
                return [row.key for row in rows]
        finally:
            await database.close()

    assert asyncio.run(page()) == [Key(building_code(n), DISTRICT) for n in (0, 2)]
