"""The index says of every point what exact arithmetic and PostGIS say, and nothing else.

GRIDMAP_HARD_POINTS sets how many points are compared with PostGIS and GEOS (60,000 by default).
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sqlalchemy import Connection

from bench.polygons import tiling_polygons
from gridmap.errors import Invalid
from gridmap.geo import index, squares
from gridmap.geo.checks import GeometryKind, check_geometries
from gridmap.geo.index import PointIndex
from tests.geo.hardpoints import by_fractions, by_postgis, by_shapely, hard_points

Polygons = NDArray[np.object_]

HARD_POINTS = int(os.environ.get("GRIDMAP_HARD_POINTS", "60000"))
COUNTIES = Path(__file__).parents[1] / "data" / "us_counties_10m.geojson.gz"
COVERS = "ST_Covers(boundary, point)"
# What the manual gives against those points that ST_Covers takes for ones on an edge by rounding.
MANUAL = Path(__file__).parents[2] / "docs" / "lookup.md"
EXACTLY = MANUAL.read_text().partition("```sql\n")[2].partition("```")[0]


@pytest.fixture(scope="module")
def counties() -> Polygons:
    """Real outlines with islands, holes and enclaves, repaired as the import does."""
    with gzip.open(COUNTIES) as file:
        features = json.load(file)["features"]
    return check_geometries(
        [json_wkb(feature["geometry"]) for feature in features],
        range(len(features)),
        [None] * len(features),
        wanted=GeometryKind.POLYGON,
        box=None,
        repair=True,
    ).geometries


def json_wkb(geometry: Any) -> bytes:
    wkb: bytes = shapely.to_wkb(shapely.from_geojson(json.dumps(geometry)))
    return wkb


def grids() -> Polygons:
    return tiling_polygons(1_000, 50)


# Ties


def test_a_point_on_a_shared_edge_has_one_grid() -> None:
    west, east = shapely.box(130, 47, 131, 48), shapely.box(131, 47, 132, 48)
    assert PointIndex([west, east]).locate(131, 47.3) == 0
    assert PointIndex([east, west]).locate(131, 47.3) == 0
    assert PointIndex([west, east], ["230402002", "230402001"]).locate(131, 47.3) == 1


def test_a_corner_of_four_grids_belongs_to_the_smallest_code() -> None:
    four = [shapely.box(x, y, x + 1, y + 1) for y in (0, 1) for x in (0, 1)]
    assert PointIndex(four, ["4", "3", "2", "3"]).locate(1, 1) == 2


def test_of_equal_ranks_the_first_holds() -> None:
    overlapping = [None, shapely.box(0, 0, 2, 2), shapely.box(1, 0, 3, 2)]
    assert PointIndex(overlapping, [0, 7, 7]).locate(1.5, 1) == 1


def test_an_overlap_belongs_to_the_smallest_code_wherever_it_is() -> None:
    large, small = shapely.box(0, 0, 10, 10), shapely.box(4, 4, 5, 5)
    assert PointIndex([large, small], ["b", "a"]).locate(4.5, 4.5) == 1
    assert PointIndex([large, small], ["a", "b"]).locate(4.5, 4.5) == 0


# Shapes


def test_a_hole_holds_nobody_but_its_enclave_and_its_rim_is_covered() -> None:
    hole = shapely.box(4, 4, 6, 6)
    around, enclave = shapely.box(0, 0, 10, 10) - hole, shapely.box(4.5, 4.5, 5.5, 5.5)
    one = PointIndex([around, enclave])
    assert [one.locate(*point) for point in [(1, 1), (4.2, 5), (5, 5), (4, 5), (4, 4)]] == [
        *(0, -1, 1, 0, 0)
    ]


def test_parts_far_apart_are_one_polygon_with_nothing_between() -> None:
    parts = shapely.MultiPolygon([shapely.box(-170, 0, -169, 1), shapely.box(169, 60, 170, 61)])
    one = PointIndex([parts, shapely.box(0, 0, 1, 1)])
    assert one.locate_many([(-169.5, 0.5), (169.5, 60.5), (0.5, 0.5), (100, 30)]).tolist() == [
        *(0, 0, 1, -1)
    ]


@pytest.mark.parametrize("nothing", [[], [None], [shapely.Polygon()], [shapely.MultiPolygon()]])
def test_without_grids_every_point_is_nowhere(nothing: list[Any]) -> None:
    one = PointIndex(nothing)
    assert len(one) == len(nothing)
    assert one.locate(130, 47) == -1
    assert one.locate_many([(130, 47), (0, 0)]).tolist() == [-1, -1]
    assert one.locate_many(np.zeros((0, 2))).tolist() == []
    assert one.meeting(-180, -90, 180, 90) == []


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 1e308, -1e308])
def test_numbers_that_are_no_place_are_nowhere(number: float) -> None:
    one = PointIndex([shapely.box(0, 0, 1, 1)])
    assert one.locate(number, 0.5) == one.locate(0.5, number) == -1
    assert one.locate_many([(number, 0.5), (0.5, number), (0.5, 0.5)]).tolist() == [-1, -1, 0]


# Every answer


@contextmanager
def sizes(leaf: int, cells: float, few: int) -> Iterator[None]:
    """Small leaves and coarse cells, so that a handful of polygons goes all ways there are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(squares, "_LEAF_WEIGHT", leaf)
        patch.setattr(squares, "_LEAST_WEIGHT", 1)
        patch.setattr(squares, "_LEAST_PER_WEIGHT", cells)
        patch.setattr(squares, "_MOST_PER_WEIGHT", cells)
        patch.setattr(index, "_FEW_POINTS", few)
        yield


SIZES = st.builds(
    sizes,
    leaf=st.sampled_from([2, 10, 4_320]),
    cells=st.sampled_from([0.01, 0.5, 3.0, 20.0]),
    few=st.sampled_from([1, 8, 48]),
)


@st.composite
def shapes(draw: st.DrawFn) -> Any:
    """A polygon of triangles joined and cut out, on a lattice so coarse that borders often meet."""
    number = st.integers(0, 6)
    corners = st.tuples(*[st.tuples(number, number)] * 3)

    def area() -> Any:
        triangles = draw(st.lists(corners, min_size=1, max_size=3))
        return shapely.union_all([shapely.Polygon(corners).buffer(0) for corners in triangles])

    shape = area() - area() if draw(st.booleans()) else area()
    return shapely.MultiPolygon([p for p in shapely.get_parts(shape) if p.geom_type == "Polygon"])


@st.composite
def placed(draw: st.DrawFn, least: int = 0, most: int = 6) -> list[Any]:
    """Polygons (or None) somewhere on earth, of some size, all moved and scaled alike."""
    drawn = draw(st.lists(st.none() | shapes(), min_size=least, max_size=most))
    scale = draw(st.sampled_from([1.0, 10.0, 1e-3 / 3, 0.005, 1e-7]))
    west, south = draw(st.sampled_from([(0.0, 0.0), (130.1, 47.3), (-0.7, -1e-3), (-120, 55)]))
    moved = [
        None if one is None else shapely.transform(one, lambda c: c * scale + (west, south))
        for one in drawn
    ]
    # Rounding may have made one touch itself: not what the index promises for.
    return [one if one is not None and one.is_valid else None for one in moved]


def points_around(polygons: list[Any], seed: int) -> NDArray[np.float64]:
    there = [one for one in polygons if one is not None and not one.is_empty]
    if not there:
        return np.array([(130.0, 47.0)])
    random = np.random.default_rng(seed)
    west, south, east, north = shapely.total_bounds(there)
    anywhere = random.uniform((west - 1e-3, south - 1e-3), (east + 1e-3, north + 1e-3), (60, 2))
    return np.concatenate([hard_points(there, 240, seed), anywhere])


def assert_holders(one: PointIndex, points: NDArray[np.float64], holders: Any) -> None:
    assert one.locate_many(points).tolist() == holders.tolist()
    assert [one.locate(*point) for point in points.tolist()] == holders.tolist()


@given(placed(), SIZES, st.integers(0, 9), st.permutations(range(6)))
@settings(max_examples=100, deadline=None)
def test_every_answer_is_that_of_geos(
    polygons: list[Any], size: Any, seed: int, order: list[int]
) -> None:
    ranks = [order[i] // 2 for i in range(len(polygons))]
    points = points_around(polygons, seed)
    with size:
        assert_holders(PointIndex(polygons, ranks), points, by_shapely(polygons, ranks, points))


@given(placed(1, 3), SIZES, st.integers(0, 9))
@settings(max_examples=30, deadline=None)
def test_every_answer_is_that_of_fractions(polygons: list[Any], size: Any, seed: int) -> None:
    points = points_around(polygons, seed)[::4]
    ranks = range(len(polygons))
    with size:
        assert_holders(PointIndex(polygons), points, by_fractions(polygons, ranks, points))


@pytest.mark.parametrize("degrees", [0.005, 0.5])
def test_grids_of_any_size_answer_as_postgis_and_geos_do(
    connection: Connection, degrees: float
) -> None:
    polygons = tiling_polygons(400, 50, cell_longitude=degrees, cell_latitude=degrees)
    ranks = np.random.default_rng(1).permutation(len(polygons))
    points = hard_points(polygons, HARD_POINTS)
    found = PointIndex(polygons, ranks).locate_many(points)
    assert (found == by_shapely(polygons, ranks, points)).all()
    assert (found == by_postgis(connection, polygons, ranks, points, EXACTLY)).all()


def test_grids_answer_as_st_covers_does(connection: Connection) -> None:
    polygons = grids()
    ranks = np.random.default_rng(1).permutation(len(polygons))
    west, south, east, north = shapely.total_bounds(polygons)
    anywhere = np.random.default_rng(1).uniform((west, south), (east, north), (HARD_POINTS, 2))
    points = np.concatenate([hard_points(polygons, HARD_POINTS), anywhere])
    found = PointIndex(polygons, ranks).locate_many(points)
    assert (found == by_postgis(connection, polygons, ranks, points, COVERS)).all()


def test_real_outlines_answer_as_postgis_and_geos_do(
    connection: Connection, counties: Polygons
) -> None:
    ranks = np.random.default_rng(1).permutation(len(counties))
    points = hard_points(counties, HARD_POINTS // 4)
    one = PointIndex(counties, ranks)
    found = one.locate_many(points)
    assert [one.locate(*point) for point in points[:2_000].tolist()] == found[:2_000].tolist()
    assert (found == by_shapely(counties, ranks, points)).all()
    assert (found == by_postgis(connection, counties, ranks, points, EXACTLY)).all()


def test_a_crowd_far_from_a_lonely_grid_is_told_apart() -> None:
    crowd = tiling_polygons(1_000, 12, cell_longitude=1e-6, cell_latitude=1e-6)
    polygons = np.append(crowd, [shapely.box(-170, -60, -100, -10)])
    points = np.concatenate([hard_points(crowd, 3_000), hard_points(polygons[-1:], 300)])
    found = by_shapely(polygons, range(len(polygons)), points)
    assert_holders(PointIndex(polygons), points, found)


def test_a_heap_of_polygons_one_upon_the_other_is_told_apart() -> None:
    heap = np.repeat(shapely.Point(130, 47).buffer(0.1, quad_segs=64), 40)
    ranks = np.random.default_rng(1).permutation(len(heap))
    points = hard_points(heap[:1], 200)
    assert_holders(PointIndex(heap, ranks), points, by_shapely(heap, ranks, points))


# Boxes


@given(placed(), SIZES, st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_a_box_meets_the_polygons_whose_bounds_it_meets_by_rank(
    polygons: list[Any], size: Any, seed: int
) -> None:
    ranks = [-i for i in range(len(polygons))]
    corners = points_around(polygons, seed)
    with size:
        one = PointIndex(polygons, ranks)
    for a, b in zip(corners[:40], corners[20:], strict=False):
        west, south, east, north = np.concatenate([np.minimum(a, b), np.maximum(a, b)]).tolist()
        assert one.meeting(west, south, east, north) == [
            i
            for i in reversed(range(len(polygons)))
            if polygons[i] is not None
            and not polygons[i].is_empty
            and polygons[i].bounds[0] <= east
            and polygons[i].bounds[1] <= north
            and polygons[i].bounds[2] >= west
            and polygons[i].bounds[3] >= south
        ]


# Changes


@given(placed(0, 8), st.lists(placed(1, 3), max_size=4), SIZES, st.data())
@settings(max_examples=80, deadline=None)
def test_what_is_replaced_answers_like_an_index_made_anew(
    polygons: list[Any], changes: list[list[Any]], size: Any, data: st.DataObject
) -> None:
    with size:
        one = PointIndex(polygons)
        for others in changes:
            where = data.draw(
                st.lists(
                    st.integers(0, len(polygons) + 2),
                    min_size=len(others),
                    max_size=len(others),
                    unique=True,
                )
            )
            before, old = list(polygons), one
            asked = np.concatenate([points_around(before, 1), points_around(others, 2)])
            holders = old.locate_many(asked)
            polygons = polygons + [None] * (max(where) + 1 - len(polygons))
            for position, polygon in zip(where, others, strict=True):
                polygons[position] = polygon
            one = old.replaced(where, others)
            assert list(one.polygons) == polygons
            assert_holders(one, asked, by_shapely(polygons, range(len(polygons)), asked))
            assert_holders(old, asked, holders)
            assert list(old.polygons) == before
            west, south, east, north = asked.min(), asked.min(), asked.max(), asked.max()
            assert one.meeting(west, south, east, north) == PointIndex(polygons).meeting(
                west, south, east, north
            )


def test_a_district_grows_from_nothing_changes_and_goes_away_again() -> None:
    polygons = tiling_polygons(600, 20)
    points = hard_points(polygons, 3_000)
    one = PointIndex([])
    for start in range(0, 600, 100):
        one = one.replaced(range(start, start + 100), polygons[start : start + 100])
    assert_holders(one, points, by_shapely(polygons, range(600), points))
    swapped = polygons.copy()
    swapped[[7, 430]] = polygons[[430, 7]]
    assert_holders(
        one.replaced([7, 430], swapped[[7, 430]]), points, by_shapely(swapped, range(600), points)
    )
    assert (one.replaced(range(600), [None] * 600).locate_many(points) == -1).all()


def test_a_change_of_rank_changes_who_holds_a_shared_point() -> None:
    west, east = shapely.box(0, 0, 1, 1), shapely.box(1, 0, 2, 1)
    one = PointIndex([west, east], ["b", "c"])
    assert one.replaced([1], [east], ["a long code"]).locate(1, 0.5) == 1
    assert one.locate(1, 0.5) == 0


def test_a_polygon_that_moves_far_away_is_found_there_and_no_longer_here() -> None:
    polygons = grids()
    far = shapely.box(-10, -10, -9, -9)
    one = PointIndex(polygons).replaced([500], [far])
    points = hard_points(polygons, 3_000)
    polygons[500] = far
    assert_holders(one, points, by_shapely(polygons, range(len(polygons)), points))
    assert one.locate(-9.5, -9.5) == 500


def test_many_threads_may_ask_one_index_while_others_replace() -> None:
    polygons = grids()
    one = PointIndex(polygons)
    points = hard_points(polygons, 5_000)
    expected = by_shapely(polygons, range(len(polygons)), points).tolist()

    def ask(turn: int) -> bool:
        if turn % 2:
            one.replaced([turn], [None])
            return bool([one.locate(*point) for point in points[:500].tolist()] == expected[:500])
        return bool(one.locate_many(points).tolist() == expected)

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(ask, range(24)))


# What cannot be asked


@pytest.mark.parametrize(
    ("polygons", "ranks", "words"),
    [
        ([shapely.Point(130, 47)], None, "position 0 is no polygon"),
        ([None, shapely.box(0, 0, 1, 500)], None, "position 1 is no polygon in degrees"),
        ([shapely.box(0, 0, 1, 1)], [1, 2], "2 ranks came for 1 polygons"),
        ([shapely.box(0, 0, 1, 1)], [0.5], "Ranks are of type float64"),
    ],
)
def test_what_is_no_polygon_or_no_rank_is_refused(
    polygons: list[Any], ranks: Any, words: str
) -> None:
    with pytest.raises(Invalid, match=words):
        PointIndex(polygons, ranks)
    if ranks is None:
        with pytest.raises(Invalid, match=words):
            PointIndex([]).replaced(range(len(polygons)), polygons)


@pytest.mark.parametrize(
    ("positions", "ranks", "words"),
    [
        ([0, 1], None, "1 polygons came for 2 positions"),
        ([-1], None, "must be 0 or more"),
        ([0], ["a"], "ranks of the same type"),
    ],
)
def test_a_replacement_that_makes_no_sense_is_refused(
    positions: list[int], ranks: Any, words: str
) -> None:
    one = PointIndex([shapely.box(0, 0, 1, 1)])
    with pytest.raises(Invalid, match=words):
        one.replaced(positions, [None], ranks)


def test_a_position_may_not_be_replaced_twice_at_once() -> None:
    with pytest.raises(Invalid, match="each given once"):
        PointIndex([None]).replaced([0, 0], [None, None])


def test_points_must_come_in_pairs() -> None:
    with pytest.raises(Invalid, match=r"shape \(3,\)"):
        PointIndex([]).locate_many([1, 2, 3])


def test_the_polygons_can_be_read_but_not_changed() -> None:
    one = PointIndex([shapely.box(0, 0, 1, 1)])
    with pytest.raises(ValueError, match="read-only"):
        one.polygons[0] = None
