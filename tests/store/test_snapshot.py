"""What is in memory answers as PostGIS does, and follows what changes."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, text

from gridmap.store.changes import EVERYTHING, Change
from gridmap.store.database import Database, tool_engine
from gridmap.store.dates import today
from gridmap.store.locations import Located, locate_points
from gridmap.store.snapshot import Snapshot, load
from tests.districts import (
    DISTRICT,
    SIDE,
    SOUTH,
    WEST,
    building_code,
    grid_code,
    put_building,
    put_district,
    put_grid,
)

REACH = 30.0
SHARE = 0.0006
"""How far apart shares may be: PostGIS's circle has 128 corners, ours 48."""


def asked(
    url: str,
    points: NDArray[np.float64],
    accuracies: Sequence[float | None],
    on: datetime.date | None = None,
) -> Sequence[Located]:
    """What PostGIS says."""

    async def ask() -> Sequence[Located]:
        database = Database(url)
        try:
            async with database.connection() as connection:
                return await locate_points(connection, points, accuracies, on or today(), REACH)
        finally:
            await database.close()

    return asyncio.run(ask())


def remembered(engine: Engine) -> Snapshot:
    with engine.connect() as connection:
        return load(connection, today(), REACH)


def assert_alike(ours: Located, theirs: Located) -> None:
    assert ours.grid == theirs.grid
    assert ours.is_within == theirs.is_within
    assert ours.building == theirs.building
    assert ours.sponsor == theirs.sponsor
    assert ours.distance_to_boundary == pytest.approx(theirs.distance_to_boundary, abs=1e-3)
    assert [each.share for each in ours.candidates] == sorted(
        (each.share for each in ours.candidates), reverse=True
    )
    ours_by_grid = {each.grid.key: each for each in ours.candidates}
    theirs_by_grid = {each.grid.key: each for each in theirs.candidates}
    assert ours_by_grid.keys() == theirs_by_grid.keys()
    for key, candidate in ours_by_grid.items():
        assert candidate.share == pytest.approx(theirs_by_grid[key].share, abs=SHARE)
        assert candidate.distance == pytest.approx(theirs_by_grid[key].distance, abs=1e-3)


def test_a_whole_district_is_remembered_as_postgis_knows_it(demo_url: str) -> None:
    random = np.random.default_rng(20)
    points = random.uniform((130.255, 47.31), (130.315, 47.37), (1500, 2))
    accuracies = [
        None if kind < 0.3 else float(10 ** (3 * kind)) for kind in random.uniform(0, 1, 1500)
    ]

    engine = tool_engine(demo_url)
    snapshot = remembered(engine)
    engine.dispose()

    for ours, theirs in zip(
        snapshot.locate_many(points, accuracies), asked(demo_url, points, accuracies), strict=True
    ):
        assert_alike(ours, theirs)


@pytest.fixture(scope="module")
def engine(database_url: str) -> Iterator[Engine]:
    engine = tool_engine(database_url)
    with engine.begin() as connection:
        put_district(connection)
    yield engine
    engine.dispose()


def test_one_point_is_located_as_many_are(engine: Engine) -> None:
    snapshot = remembered(engine)
    place = (WEST + SIDE / 2, SOUTH + SIDE / 2)

    one = snapshot.locate(*place, accuracy=20)

    [same] = snapshot.locate_many(np.array([place]), [20])
    assert one.grid == same.grid is not None
    assert one.candidates == same.candidates


def test_an_accuracy_of_nothing_is_a_true_point(engine: Engine) -> None:
    spot = remembered(engine).locate(WEST + SIDE, SOUTH + SIDE / 2, accuracy=0)

    assert spot.is_within
    assert [each.share for each in spot.candidates] == [1.0]


def test_two_who_see_the_same_call_it_the_same(engine: Engine) -> None:
    assert remembered(engine).version == remembered(engine).version


def test_a_snapshot_of_another_reach_has_another_name(engine: Engine) -> None:
    with engine.connect() as connection:
        assert load(connection, today(), 31).version != remembered(engine).version


def test_what_may_be_anything_is_read_again(engine: Engine) -> None:
    before = remembered(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE sponsors SET name = 'another' WHERE code = 'S2'"))

    with engine.connect() as connection:
        after = before.after(connection, EVERYTHING)

    assert after.version == remembered(engine).version != before.version
    assert after.grids is before.grids
    sponsors = [snapshot.sponsors.get("S2") for snapshot in (before, after)]
    assert [sponsor and sponsor.name for sponsor in sponsors] == ["区法院", "another"]


def test_what_comes_later_is_not_in_a_snapshot_from_before(engine: Engine) -> None:
    """Two follow upon the same one, each with another new sponsor, and share what they are made of.

    The first of the two is thrown away, as when the database was changed too much meanwhile.
    """
    insert = text("INSERT INTO sponsors VALUES (:code, '新', 'CITY', '2304')")
    before = remembered(engine)
    snapshots = []
    for code in ("L1", "L2"):
        with engine.begin() as connection:
            connection.execute(insert, {"code": code})
        with engine.connect() as connection:
            change = Change("sponsors", "", frozenset([code]))
            snapshots.append(before.after(connection, frozenset([change])))

    known = [
        [code for code in ("L1", "L2") if snapshot.sponsors.get(code)]
        for snapshot in (before, *snapshots)
    ]
    assert known == [[], ["L1"], ["L2"]]


# Edits as people make them, by hand; each says which rows it concerns.

Edit = tuple[str, tuple[int, ...]]
edits = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "move grid",
                "end grid",
                "add grid",
                "rename grid",
                "add building",
                "move building",
                "remove building",
                "draw footprint",
                "end sponsorship",
                "sponsor building",
                "sponsor grid",
                "rename sponsor",
                "rename region",
            ]
        ),
        st.tuples(st.integers(1, 9), st.integers(0, 8), st.integers(1, 5)),
    ),
    min_size=1,
    max_size=8,
)


def _change(connection: Connection, what: str, numbers: tuple[int, ...]) -> Change | None:
    """Makes an edit; None where there is nothing to edit."""
    number, place, size = numbers
    west, south = WEST + place * SIDE / 3, SOUTH + size * SIDE / 4
    square = shapely.box(west, south, west + size * SIDE / 3, south + SIDE / 2)
    grid, building = grid_code(number), building_code(number)
    parameters = {
        "district": DISTRICT,
        "grid": grid,
        "building": building,
        "day": today(),
        "shape": f"SRID=4326;{shapely.MultiPolygon([square]).wkt}",
        "point": f"SRID=4326;{square.centroid.wkt}",
        "name": f"{place}-{size}",
        "sponsor": f"S{1 + size % 2}",
    }
    table, code, statement = {
        "move grid": (
            "grids",
            grid,
            "UPDATE grids SET boundary = :shape WHERE code = :grid AND valid_to IS NULL",
        ),
        "end grid": (
            "grids",
            grid,
            "UPDATE grids SET valid_to = :day WHERE code = :grid AND valid_to IS NULL "
            "AND valid_from < :day",
        ),
        "add grid": (
            "grids",
            grid,
            "INSERT INTO grids (district_code, code, community_code, name, boundary, source_datum, "
            "valid_from) SELECT :district, :grid, '230402002005', :name, :shape, 'WGS84', :day "
            "WHERE NOT EXISTS (SELECT FROM grids WHERE code = :grid AND "
            "(valid_to IS NULL OR valid_to > :day))",
        ),
        "rename grid": ("grids", grid, "UPDATE grids SET name = :name WHERE code = :grid"),
        "add building": ("buildings", building, ""),
        "move building": (
            "buildings",
            building,
            "UPDATE buildings SET location = :point WHERE code = :building",
        ),
        "remove building": (
            "buildings",
            building,
            "DELETE FROM buildings WHERE code = :building AND NOT EXISTS (SELECT FROM sponsorships "
            "WHERE building_code = :building) AND NOT EXISTS (SELECT FROM building_managements "
            "WHERE building_code = :building)",
        ),
        "draw footprint": (
            "buildings",
            building,
            "UPDATE buildings SET footprint = :shape WHERE code = :building",
        ),
        "end sponsorship": (
            "sponsorships",
            building,
            "UPDATE sponsorships SET valid_to = :day WHERE building_code = :building "
            "AND valid_to IS NULL AND valid_from < :day",
        ),
        "sponsor building": (
            "sponsorships",
            building,
            "INSERT INTO sponsorships (district_code, sponsor_code, building_code, valid_from) "
            "SELECT :district, :sponsor, :building, :day WHERE EXISTS (SELECT FROM buildings "
            "WHERE code = :building) AND NOT EXISTS (SELECT FROM sponsorships WHERE "
            "building_code = :building AND (valid_to IS NULL OR valid_to > :day))",
        ),
        "sponsor grid": (
            "sponsorships",
            grid,
            "UPDATE sponsorships SET sponsor_code = :sponsor WHERE grid_code = :grid",
        ),
        "rename sponsor": (
            "sponsors",
            parameters["sponsor"],
            "UPDATE sponsors SET name = :name WHERE code = :sponsor",
        ),
        "rename region": (
            "regions",
            "230402002005",
            "UPDATE regions SET name = :name WHERE code = '230402002005'",
        ),
    }[what]
    if what == "add building":
        exists = text("SELECT 1 FROM buildings WHERE code = :building")
        if connection.execute(exists, parameters).first():
            return None
        put_building(connection, building, square.centroid)
    else:
        connection.execute(text(statement), parameters)
    district = DISTRICT if table in ("grids", "buildings", "sponsorships") else ""
    return Change(table, district, frozenset([str(code)]))


def standing(snapshot: Snapshot) -> dict[str, tuple[str | None, str | None]]:
    """The grid and the sponsor of each building by their codes."""
    grids, sponsors = snapshot.grids.rows.at, snapshot.sponsors.at
    return {
        building: (
            grids[home][1] if home >= 0 else None,
            sponsors[sponsor].code if sponsor >= 0 else None,
        )
        for building, home, sponsor in zip(
            snapshot.buildings.rows.at, snapshot.homes, snapshot.answering, strict=True
        )
        if building is not None
    }


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(history=edits)
def test_a_snapshot_that_follows_is_one_that_is_made_anew(
    engine: Engine, database_url: str, history: list[Edit]
) -> None:
    first = snapshot = remembered(engine)
    random = np.random.default_rng(7)
    points = random.uniform(
        (WEST - SIDE, SOUTH - SIDE), (WEST + 5 * SIDE, SOUTH + 3 * SIDE), (60, 2)
    )
    points[:20] = np.round(points[:20] / SIDE * 12) * SIDE / 12
    accuracies = [None, 5.0, 80.0] * 20
    for what, numbers in history:
        with engine.begin() as connection:
            change = _change(connection, what, numbers)
        if change is not None:
            standing(snapshot)  # so that the next one has it from this one
            with engine.connect() as connection:
                snapshot = snapshot.after(connection, frozenset([change]))

    anew = remembered(engine)
    with engine.connect() as connection:
        assert first.anew(connection, today()).version == anew.version
    assert snapshot.version == anew.version
    assert standing(snapshot) == standing(anew)
    found = snapshot.locate_many(points, accuracies)
    for ours, made in zip(found, anew.locate_many(points, accuracies), strict=True):
        assert (ours.grid, ours.candidates) == (made.grid, made.candidates)
        assert (ours.building, ours.sponsor) == (made.building, made.sponsor)
    for ours, theirs in zip(found, asked(database_url, points, accuracies), strict=True):
        assert (ours.grid, ours.building) == (theirs.grid, theirs.building)
        assert ours.sponsor == theirs.sponsor


def test_grids_that_overlap_give_the_point_to_the_smallest_code(engine: Engine) -> None:
    with engine.begin() as connection:
        square = shapely.box(WEST + 20 * SIDE, SOUTH, WEST + 21 * SIDE, SOUTH + SIDE)
        put_grid(connection, grid_code(901), square)
        put_grid(connection, grid_code(900), square)

    spot = remembered(engine).locate(WEST + 20.5 * SIDE, SOUTH + SIDE / 2)

    assert spot.grid is not None
    assert spot.grid.code == grid_code(900)


def test_an_empty_database_has_no_grid_for_any_point(connection: Connection) -> None:
    connection.execute(text("TRUNCATE grids, buildings, sponsorships CASCADE"))
    connection.commit()  # the last test here

    spot = load(connection, today(), REACH).locate(WEST, SOUTH, 10)

    found = (spot.grid, spot.building, spot.sponsor, spot.distance_to_boundary, spot.candidates)
    assert found == (None, None, None, None, ())
