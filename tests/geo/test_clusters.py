"""Clusters are what one gets by going through the points one by one, whoever asks and however."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gridmap.errors import Invalid
from gridmap.geo.bounds import Bounds
from gridmap.geo.clusters import (
    COARSE_LEVEL,
    DEEPEST_ZOOM,
    FAR_LEVEL,
    MOST_POINTS,
    MOST_STRETCHES,
    Cells,
    ClusterIndex,
    merged,
    middles,
    of_squares,
    zoom_of,
)

Points = NDArray[np.float64]
Ids = NDArray[np.uint64]

WORLD = Bounds(-180.0, -90.0, 180.0, 90.0)
ZOOMS = range(DEEPEST_ZOOM + 1)


# A slow way that is plainly right


def tile_cell(longitude: float, latitude: float, zoom: int) -> tuple[int, int]:
    """Column and row of a 64th of a tile, as OpenStreetMap's wiki reckons tiles from degrees."""
    across = 8 << zoom
    radians = math.radians(min(max(latitude, -89.0), 89.0))  # at 85 the tiles end
    x = (longitude + 180) / 360 * across
    y = (1 - math.log(math.tan(radians) + 1 / math.cos(radians)) / math.pi) / 2 * across
    column, row = (min(max(math.floor(each), 0), across - 1) for each in (x, y))
    return column, row


def curve_code(column: int, row: int) -> int:
    """The digits of both to the base of 2, by turns, read to the base of 2."""
    return int(f"{row:b}", 4) * 2 + int(f"{column:b}", 4)


def members_by_cell(
    points: Points, bounds: Bounds, zoom: int, counts: NDArray[np.bool_] | None = None
) -> list[tuple[int, set[int]]]:
    """The code of each cell with points in the bounds and the rows of these, by the code."""
    cells: defaultdict[int, set[int]] = defaultdict(set)
    for row, (longitude, latitude) in enumerate(points.tolist()):
        if counts is not None and not counts[row]:
            continue
        if bounds.west <= longitude <= bounds.east and bounds.south <= latitude <= bounds.north:
            cells[curve_code(*tile_cell(longitude, latitude, zoom))].add(row)
    return sorted(cells.items())


# What is drawn


def ten_millionths(low: int, high: int) -> st.SearchStrategy[float]:
    """Degrees as they are stored."""
    return st.integers(low * 10**7, high * 10**7).map(lambda number: number / 1e7)


LONGITUDES = st.sampled_from([-180.0, 0.0, 180.0]) | ten_millionths(-180, 180)
LATITUDES = st.sampled_from([-90.0, -85.06, 0.0, 85.06, 90.0]) | ten_millionths(-90, 90)


@st.composite
def reports(draw: st.DrawFn) -> tuple[Points, Ids]:
    """Points of a few places, some on one address, some metres from it, in any order."""
    places = draw(st.lists(st.tuples(LONGITUDES, LATITUDES), min_size=1, max_size=6))
    random = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    count = draw(st.integers(0, 60))
    points = np.array(places)[random.integers(len(places), size=count)]
    near = random.random(count) < 0.4
    off = random.normal(0, 1, (count, 2)) * 10.0 ** -random.integers(1, 7, (count, 1))
    points[near] += off[near]
    points = np.round(np.clip(points, (-180, -90), (180, 90)), 7)
    ids = np.arange(count).astype(np.uint64) + np.uint64(draw(st.integers(0, 1 << 62)))
    return points, ids


@st.composite
def boxes(draw: st.DrawFn, points: Points) -> Bounds:
    """Any bounds, those of two of the points, or only a place."""
    kind = draw(st.sampled_from(["any", "world", "of points"]))
    if kind == "world":
        return WORLD
    if kind == "any" or not len(points):
        west, east = sorted((draw(LONGITUDES), draw(LONGITUDES)))
        south, north = sorted((draw(LATITUDES), draw(LATITUDES)))
        return Bounds(west, south, east, north)
    corners = points[[draw(st.integers(0, len(points) - 1)) for _ in range(2)]]
    return Bounds(*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist())


@st.composite
def questions(draw: st.DrawFn) -> tuple[Points, Ids, Bounds, int, NDArray[np.bool_] | None]:
    points, ids = draw(reports())
    counts = draw(st.none() | st.lists(st.booleans(), min_size=len(ids), max_size=len(ids)))
    zoom = draw(st.integers(0, DEEPEST_ZOOM))
    marks = None if counts is None else np.array(counts, dtype=np.bool_)
    return points, ids, draw(boxes(points)), zoom, marks


def asked(
    index: ClusterIndex, bounds: Bounds, zoom: int, counts: NDArray[np.bool_] | None = None
) -> Cells:
    """`counts` by rows of the points that the index was made of."""
    if counts is None:
        return index.cells(bounds, zoom)
    along = counts[index.order]
    return index.cells(bounds, zoom, lambda stretch: along[stretch])


def assert_same(one: Cells, other: Cells, but: tuple[str, ...] = ()) -> None:
    for field in fields(Cells):
        if field.name not in but:
            values = getattr(one, field.name), getattr(other, field.name)
            np.testing.assert_array_equal(*values, err_msg=field.name)


# Promises


@given(questions())
def test_clusters_are_the_cells_that_their_members_lie_in(
    question: tuple[Points, Ids, Bounds, int, NDArray[np.bool_] | None],
) -> None:
    points, ids, bounds, zoom, counts = question
    index = ClusterIndex(points, ids)
    expected = members_by_cell(points, bounds, zoom, counts)

    found = asked(index, bounds, zoom, counts)

    assert found.code.tolist() == [code for code, _ in expected]
    assert found.count.tolist() == [len(members) for _, members in expected]
    for i, (_, members) in enumerate(expected):
        longitudes, latitudes = points[sorted(members)].T.tolist()
        assert (found.west[i], found.east[i]) == (min(longitudes), max(longitudes))
        assert (found.south[i], found.north[i]) == (min(latitudes), max(latitudes))
        means = math.fsum(longitudes) / len(members), math.fsum(latitudes) / len(members)
        assert found.location[i].tolist() == pytest.approx(means, abs=1e-9)
        assert index.order[found.member[i]] in members


@given(st.data())
def test_counts_add_up_to_the_points_in_the_bounds_at_every_zoom(data: st.DataObject) -> None:
    points, ids = data.draw(reports())
    bounds = data.draw(boxes(points))
    within = (points >= bounds[:2]) & (points <= bounds[2:])
    index = ClusterIndex(points, ids)

    for zoom in ZOOMS:
        assert index.cells(bounds, zoom).count.sum() == within.all(axis=1).sum()
    assert within.all(axis=1).sum() <= index.most_within(bounds) <= len(points)


@given(st.data())
def test_a_cluster_is_the_union_of_those_in_it_at_the_next_zoom(data: st.DataObject) -> None:
    points, ids = data.draw(reports())
    index, bounds = ClusterIndex(points, ids), data.draw(boxes(points))

    for zoom in ZOOMS[:-1]:
        wide, close = index.cells(bounds, zoom), index.cells(bounds, zoom + 1)
        for i, code in enumerate(wide.code):
            part = close.code >> 2 == code
            assert wide.count[i] == close.count[part].sum()
            assert wide.key[i] == close.key[part].sum()
            assert wide.west[i] == close.west[part].min()
            assert wide.north[i] == close.north[part].max()


@given(st.data())
def test_a_key_stands_for_the_members_whatever_was_asked_and_in_whatever_order_they_came(
    data: st.DataObject,
) -> None:
    points, ids = data.draw(reports())
    shuffled = np.random.default_rng(data.draw(st.integers(0, 1 << 32))).permutation(len(ids))
    members_of: dict[int, set[int]] = {}
    key_of: dict[frozenset[int], tuple[int, float, float]] = {}

    for rows in (np.arange(len(ids)), shuffled):
        index = ClusterIndex(points[rows], ids[rows])
        for bounds in (WORLD, data.draw(boxes(points))):
            for counts in (None, points[rows, 0] > 0):
                for zoom in (0, 5, 10, 16, DEEPEST_ZOOM):
                    found = asked(index, bounds, zoom, counts)
                    expected = members_by_cell(points[rows], bounds, zoom, counts)
                    for key, location, (_, cell) in zip(
                        found.key.tolist(), found.location.tolist(), expected, strict=True
                    ):
                        members = {int(ids[rows[row]]) for row in cell}
                        assert members_of.setdefault(key, members) == members
                        # As is the location, to the last bit.
                        told = (key, *location)
                        assert key_of.setdefault(frozenset(members), told) == told


def test_keys_are_the_same_in_every_process() -> None:
    """The first numbers that splitmix64 gives from seeds 0 and 1234567, as widely published."""
    points = np.array([(130.3, 47.3), (-130.3, 47.3)])

    found = ClusterIndex(points, np.array([0, 1234567], dtype=np.uint64)).cells(WORLD, 0)

    assert found.key.tolist() == [6457827717110365317, 0xE220A8397B1DCDAF]


@given(questions(), st.integers(0, 60))
def test_two_indexes_merged_are_as_one(
    question: tuple[Points, Ids, Bounds, int, NDArray[np.bool_] | None], cut: int
) -> None:
    points, ids, bounds, zoom, counts = question
    parts = slice(None, cut), slice(cut, None)
    main, tail = (ClusterIndex(points[part], ids[part]) for part in parts)
    of_main, of_tail = (
        asked(index, bounds, zoom, None if counts is None else counts[part])
        for index, part in zip((main, tail), parts, strict=True)
    )

    found = merged(of_main, of_tail)

    expected = asked(ClusterIndex(points, ids), bounds, zoom, counts)
    assert_same(found, expected, but=("member",))
    np.testing.assert_array_equal(found.location, expected.location)
    rows = np.append(main.order, len(main) + tail.order)[found.member].tolist()
    cells = members_by_cell(points, bounds, zoom, counts)
    assert all(row in members for row, (_, members) in zip(rows, cells, strict=True))


@given(questions())
def test_the_mean_lies_within_the_bounds_of_the_members(
    question: tuple[Points, Ids, Bounds, int, NDArray[np.bool_] | None],
) -> None:
    points, ids, bounds, zoom, counts = question

    found = asked(ClusterIndex(points, ids), bounds, zoom, counts)

    longitudes, latitudes = found.location.T
    assert ((found.west <= longitudes) & (longitudes <= found.east)).all()
    assert ((found.south <= latitudes) & (latitudes <= found.north)).all()


@given(st.floats(-180, 180), st.floats(-90, 90), st.integers(1, 50))
def test_points_at_one_address_are_one_cluster_there_at_every_zoom(
    longitude: float, latitude: float, count: int
) -> None:
    points = np.tile((longitude, latitude), (count, 1))
    index = ClusterIndex(points, np.arange(count, dtype=np.uint64))

    for zoom in ZOOMS:
        found = index.cells(Bounds(longitude, latitude, longitude, latitude), zoom)

        assert found.count.tolist() == [count]
        assert found.location.tolist() == [[longitude, latitude]]


@given(st.floats(-179, 179), st.floats(-89, 89))
def test_a_point_on_an_edge_of_the_bounds_is_within_and_one_just_beyond_is_not(
    longitude: float, latitude: float
) -> None:
    index = ClusterIndex(np.array([(longitude, latitude)]), np.ones(1, dtype=np.uint64))
    widest = Bounds(longitude - 1, latitude - 1, longitude + 1, latitude + 1)

    for side, number in zip(Bounds._fields, (longitude, latitude) * 2, strict=True):
        away = math.inf if side in ("west", "south") else -math.inf
        touching = widest._replace(**{side: number})
        beyond = widest._replace(**{side: math.nextafter(number, away)})

        assert len(index.cells(touching, 10)) == 1
        assert len(index.cells(beyond, 10)) == 0


@settings(deadline=None)
@given(reports(), st.integers(0, 1 << 32), st.data())
def test_nothing_that_is_told_of_coarse_points_says_where_in_their_squares_they_are(
    given_points: tuple[Points, Ids], seed: int, data: st.DataObject
) -> None:
    """As many other points in the same squares, of other ids, are told to the last bit alike."""
    points, ids = given_points
    level = data.draw(st.sampled_from((FAR_LEVEL, COARSE_LEVEL)))
    random, across = np.random.default_rng(seed), 1 << level
    places = [tile_cell(x, y, level - 3) for x, y in points.tolist()]
    corners = np.array(places, dtype=np.float64).reshape(-1, 2)
    east, down = (corners + random.random(corners.shape)).T / across
    others = np.column_stack(
        [east * 360 - 180, np.degrees(np.arctan(np.sinh(np.pi * (1 - 2 * down))))]
    )
    one = ClusterIndex(points, ids).coarsened(level)
    other = ClusterIndex(others, random.integers(0, 1 << 63, len(ids)).astype(np.uint64))
    bounds, zoom = data.draw(boxes(points)), data.draw(st.sampled_from(ZOOMS))
    told = one.cells(bounds, zoom)
    assert_same(told, other.coarsened(level).cells(bounds, zoom), but=("member", "size"))
    # So are as many of squares alone, which are where the points are.
    squares = one.cells(bounds, zoom_of(level))
    alone = of_squares(squares.code, squares.count, level, zoom)
    assert_same(told, alone, but=("member", "size"))
    whole = one.cells(WORLD, zoom_of(level))
    found = {tile_cell(x, y, level - 3) for x, y in middles(whole.code, level).tolist()}
    assert found == set(places)
    assert len(whole) == len(found)


def test_the_filter_is_asked_for_few_stretches_and_what_lies_between_does_not_count() -> None:
    random = np.random.default_rng(1)
    points = random.uniform((120, 40), (135, 52), (400_000, 2))
    points[:100_000] = points[random.integers(100_000, 102_000, 100_000)]
    ids = random.permutation(400_000).astype(np.uint64)
    kinds = random.integers(0, 3, 400_000)
    index = ClusterIndex(points, ids)
    along = kinds[index.order] == 1
    whole = index.cells(WORLD, DEEPEST_ZOOM)
    assert whole.count.sum() == 400_000
    most = 0

    for zoom in [*ZOOMS] * 2:
        corners = np.sort(random.uniform((119, 39), (136, 53), (2, 2)), axis=0)
        # Long ones too, which meet the curve most often.
        corners[1] = corners[0] + (corners[1] - corners[0]) / random.choice([1, 1, 9, 400], 2)
        bounds = Bounds(*corners.ravel().tolist())
        stretches: list[slice] = []

        def where(stretch: slice, stretches: list[slice] = stretches) -> NDArray[np.bool_]:
            stretches.append(stretch)
            marks: NDArray[np.bool_] = along[stretch]
            return marks

        found = index.cells(bounds, zoom, where)

        within = ((points >= corners[0]) & (points <= corners[1])).all(axis=1)
        assert found.count.sum() == (within & (kinds == 1)).sum()
        assert index.cells(bounds, zoom).count.sum() == within.sum()
        ends = [end for each in stretches for end in (each.start, each.stop)]
        assert ends == sorted(ends)
        assert len(stretches) <= MOST_STRETCHES
        most = max(most, len(stretches))
    assert most == MOST_STRETCHES


@given(reports())
def test_the_order_tells_the_row_of_every_point_and_cannot_be_changed(
    drawn: tuple[Points, Ids],
) -> None:
    points, ids = drawn
    index = ClusterIndex(points, ids)

    codes = [
        curve_code(*tile_cell(longitude, latitude, DEEPEST_ZOOM))
        for longitude, latitude in points[index.order].tolist()
    ]

    assert sorted(index.order.tolist()) == list(range(len(index)))
    assert codes == sorted(codes)
    if len(index):
        with pytest.raises(ValueError, match="read-only"):
            index.order[0] = 0


@pytest.mark.parametrize(
    "bounds",
    [
        WORLD,
        Bounds(-1e300, -1e300, 1e300, 1e300),
        Bounds(130.0, 47.0, 130.0, 47.0),
        Bounds(140.0, 50.0, 130.0, 40.0),
        Bounds(130.00000000000003, 47.0, 130.0, 48.0),
        Bounds(-180.0, 86.0, 180.0, 90.0),
    ],
)
def test_every_zoom_of_any_bounds_is_answered(bounds: Bounds) -> None:
    points = np.array([(130.0, 47.0), (0.0, 88.0), (0.0, -90.0), (180.0, 0.0), (-180.0, 0.0)])
    empty = ClusterIndex(np.empty((0, 2)), np.empty(0, dtype=np.uint64))
    index = ClusterIndex(points, np.arange(5, dtype=np.uint64))

    for zoom in ZOOMS:
        nothing = empty.cells(bounds, zoom)
        found = index.cells(bounds, zoom)

        assert found.code.tolist() == [code for code, _ in members_by_cell(points, bounds, zoom)]
        assert len(nothing) == len(nothing.location) == 0
        assert_same(nothing, empty.cells(bounds, zoom, lambda _: pytest.fail("was asked")))
        assert_same(merged(nothing, found), found)
        assert {getattr(found, field.name).dtype for field in fields(Cells)[2:6]} == {
            np.dtype("i8")
        }
        for field in fields(Cells)[2:]:
            assert getattr(nothing, field.name).dtype == getattr(found, field.name).dtype


@pytest.mark.parametrize(
    "place", [(math.nan, 47.0), (130.0, math.inf), (47.3, 130.3), (-180.1, 0.0), (0.0, -90.1)]
)
def test_what_is_no_position_on_earth_is_refused_by_its_row(place: tuple[float, float]) -> None:
    points = np.array([(130.3, 47.3), place])

    with pytest.raises(Invalid, match="Point 1 "):
        ClusterIndex(points, np.arange(2, dtype=np.uint64))


@pytest.mark.parametrize("zoom", [-1, DEEPEST_ZOOM + 1])
def test_a_zoom_that_no_map_has_is_refused(zoom: int) -> None:
    index = ClusterIndex(np.array([(130.3, 47.3)]), np.ones(1, dtype=np.uint64))

    with pytest.raises(Invalid, match=f"zoom {zoom}"):
        index.cells(WORLD, zoom)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("side", Bounds._fields)
def test_bounds_that_are_no_numbers_are_refused(side: str, number: float) -> None:
    index = ClusterIndex(np.array([(130.3, 47.3)]), np.ones(1, dtype=np.uint64))

    with pytest.raises(Invalid, match="bounds"):
        index.cells(WORLD._replace(**{side: number}), 10)


def test_more_points_than_sums_hold_are_refused() -> None:
    points, ids = np.zeros((1, 2)), np.zeros(1, dtype=np.uint64)
    many = MOST_POINTS + 1

    with pytest.raises(Invalid, match="33,554,433 points are too many"):
        ClusterIndex(np.broadcast_to(points, (many, 2)), np.broadcast_to(ids, (many,)))
    # As many as are taken are summed right even where sums are largest.
    assert MOST_POINTS * 180 << 30 < 1 << 63


def test_what_does_not_belong_together_is_not_put_together() -> None:
    points, ids = np.array([(130.3, 47.3)]), np.ones(1, dtype=np.uint64)
    cells = ClusterIndex(points, ids).cells(WORLD, 3)

    with pytest.raises(ValueError, match="2 ids for points of shape"):
        ClusterIndex(points, np.ones(2, dtype=np.uint64))
    with pytest.raises(ValueError, match="zoom 3 do not merge"):
        merged(cells, replace(cells, zoom=4))
