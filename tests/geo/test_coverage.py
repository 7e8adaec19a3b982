"""Gaps and overlaps are those that points and PostGIS find, and areas add up to the region's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pyproj import Geod
from sqlalchemy import Connection, text

from bench.polygons import tiling_polygons
from gridmap.errors import Invalid
from gridmap.geo.areas import areas_m2
from gridmap.geo.coverage import Coverage, coverage
from gridmap.store.database import tool_engine
from tests.geo.test_overlaps import scattered_shapes, spoilt_tilings

EARTH = Geod(ellps="WGS84")
HERE = (130.28, 47.33)
SIDE = 0.004


@pytest.fixture(scope="module")
def postgis(database_url: str) -> Iterator[Connection]:
    """One connection for all examples of a property; nothing is written."""
    engine = tool_engine(database_url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def placed(shapes: Any) -> Any:
    """Shapes drawn in units, put near Hegang with some 300 to 450 m for a unit."""
    return shapely.transform(shapes, lambda at: at * SIDE + HERE)


def box(west: float, south: float, east: float, north: float) -> Any:
    return placed(shapely.box(west, south, east, north))


def squares(columns: int, rows: int) -> list[Any]:
    """Squares of one unit, row by row from the south-west."""
    return [box(i, j, i + 1, j + 1) for j in range(rows) for i in range(columns)]


def area(*shapes: Any) -> float:
    return float(areas_m2(shapes).sum())


def assert_adds_up(found: Coverage, grids: Any) -> None:
    """Gaps and what is covered make the region; each claim on a piece is of some grid's area."""
    region = found.region_area_m2
    assert found.gaps.area_m2 + found.covered_area_m2 == pytest.approx(region, rel=1e-9)
    for pieces in (found.gaps, found.overlaps):
        listed = pieces.areas_m2.sum() + pieces.slivers_area_m2
        # Rounding is not listed: a micrometre along some ten kilometres of borders.
        assert listed == pytest.approx(pieces.area_m2, rel=1e-9, abs=0.1)
        assert shapely.is_valid(pieces.polygons).all()
        assert areas_m2(pieces.polygons) == pytest.approx(pieces.areas_m2)
        assert (np.diff(pieces.areas_m2) <= 0).all()
    if len(found.overlaps.polygons) == 0 and found.overlaps.slivers == 0:
        inside = found.covered_area_m2 + found.outside_areas_m2.sum()
        assert area(*grids) == pytest.approx(inside, rel=1e-9, abs=0.1)


# By hand


def test_a_clean_tiling_of_its_region_has_nothing_to_tell() -> None:
    for columns, rows in ((1, 1), (2, 2), (4, 4), (5, 4)):
        found = coverage(box(0, 0, columns, rows), squares(columns, rows))
        assert found.region_area_m2 == area(box(0, 0, columns, rows))
        assert found.covered_area_m2 == pytest.approx(found.region_area_m2, rel=1e-13)
        assert len(found.gaps.polygons) == len(found.overlaps.polygons) == 0
        assert found.gaps.area_m2 == found.overlaps.area_m2 == 0
        assert found.outside_areas_m2.tolist() == [0] * columns * rows


def test_a_square_left_out_is_a_gap_with_the_four_grids_along_it() -> None:
    grids = squares(3, 3)
    (missing,) = grids[4:5]
    found = coverage(box(0, 0, 3, 3), grids[:4] + grids[5:])
    (gap,) = found.gaps.polygons
    assert gap.equals(missing)
    assert gap.exterior.is_ccw
    assert found.gaps.areas_m2[0] == pytest.approx(area(missing), rel=1e-13)
    assert found.gaps.grids == ((1, 3, 4, 6),)


def test_what_the_outline_holds_beyond_the_grids_is_a_gap_and_the_reverse_is_outside() -> None:
    found = coverage(box(-0.5, 0, 1.5, 1), squares(2, 1))
    (gap,) = found.gaps.polygons
    assert shapely.normalize(gap).equals_exact(box(-0.5, 0, 0, 1).normalize(), 1e-12)
    assert found.gaps.grids == ((0,),)
    assert found.outside_areas_m2 == pytest.approx([0, area(box(1.5, 0, 2, 1))], rel=1e-9)


def test_where_three_grids_meet_there_is_one_piece_of_three() -> None:
    grids = [box(0, 0, 2, 2), box(1, 1, 3, 3), box(1, 0, 3, 2)]
    found = coverage(None, grids)
    pieces = dict(zip(found.overlaps.grids, found.overlaps.polygons, strict=True))
    assert set(pieces) == {(0, 1, 2), (0, 2), (1, 2)}
    assert pieces[0, 1, 2].equals(box(1, 1, 2, 2))
    assert pieces[0, 2].equals(box(1, 0, 2, 1))
    assert pieces[1, 2].equals(box(2, 1, 3, 2))
    assert found.overlaps.area_m2 == pytest.approx(area(*pieces.values()), rel=1e-12)


def test_a_grid_given_twice_overlaps_as_a_whole_wherever_it_lies() -> None:
    grids = squares(3, 3)
    for twice in range(9):
        found = coverage(box(0, 0, 3, 3), [*grids, shapely.reverse(grids[twice])])
        (piece,) = found.overlaps.polygons
        assert piece.equals(grids[twice])
        assert found.overlaps.grids == ((twice, 9),)
        assert found.gaps.area_m2 == 0


def test_a_grid_over_two_neighbours_makes_two_pieces() -> None:
    """The border between the two lies within what is claimed twice, and must not be lost."""
    found = coverage(None, [*squares(2, 1), box(0.5, 0.25, 1.5, 0.75)])
    assert set(found.overlaps.grids) == {(0, 2), (1, 2)}


def test_an_outline_through_an_overlap_does_not_cut_it() -> None:
    found = coverage(box(0, 0, 1, 1), [box(0, 0, 2, 1), box(0, 0, 2, 0.5)])
    (piece,) = found.overlaps.polygons
    assert piece.equals(box(0, 0, 2, 0.5))
    assert found.outside_areas_m2 == pytest.approx([area(box(1, 0, 2, 1)), area(box(1, 0, 2, 0.5))])


def test_without_a_region_what_the_grids_enclose_is_the_region() -> None:
    grids = squares(3, 3)
    found = coverage(None, grids[:4] + grids[5:])
    (gap,) = found.gaps.polygons
    assert gap.equals(grids[4])
    assert found.region_area_m2 == pytest.approx(area(box(0, 0, 3, 3)), rel=1e-12)
    assert found.outside_areas_m2.tolist() == [0] * 8


def test_a_region_without_grids_is_a_gap_in_each_of_its_parts() -> None:
    holed = box(0, 0, 3, 3) - box(1, 1, 2, 2)
    region = shapely.MultiPolygon([holed, box(5, 0, 6, 1)])
    found = coverage(region, [])
    assert [gap.equals(part) for gap, part in zip(found.gaps.polygons, region.geoms, strict=True)]
    assert found.gaps.grids == ((), ())
    assert found.gaps.area_m2 == pytest.approx(found.region_area_m2, rel=1e-13)


def test_nothing_at_all_is_nothing() -> None:
    found = coverage(None, [])
    assert found.region_area_m2 == found.covered_area_m2 == found.gaps.area_m2 == 0


def test_a_hole_of_the_region_is_no_gap() -> None:
    found = coverage(box(0, 0, 3, 3) - box(1, 1, 2, 2), squares(3, 3))
    assert found.gaps.area_m2 == 0
    assert found.outside_areas_m2 == pytest.approx([0] * 4 + [area(box(1, 1, 2, 2))] + [0] * 4)


def test_empty_parts_repeated_points_and_heights_do_not_matter() -> None:
    odd = shapely.from_wkt("MULTIPOLYGON Z (((0 0 1, 1 0 1, 1 0 1, 1 1 1, 0 1 2, 0 0 1)), EMPTY)")
    found = coverage(shapely.box(0, 0, 2, 1), [odd, shapely.box(1, 0, 2, 1)])
    assert found.gaps.area_m2 == found.overlaps.area_m2 == 0


def strip(metres: float) -> tuple[Any, list[Any]]:
    """A region and two grids so many metres apart, or over each other where negative."""
    west, south, middle, north = box(0, 0, 1, 1).bounds
    longitude, _, _ = EARTH.fwd(middle, (south + north) / 2, 90, metres)
    east = box(2, 0, 3, 1).bounds[0]
    grids = [shapely.box(west, south, middle, north), shapely.box(longitude, south, east, north)]
    return shapely.box(west, south, east, north), grids


@pytest.mark.parametrize("sign", [1, -1])
def test_what_is_narrower_than_the_tolerance_is_counted_apart(sign: int) -> None:
    for metres, tolerance, slivers in ((0.97, 1, 1), (1.03, 1, 0), (1.03, 1.1, 1), (0.01, 0, 0)):
        region, grids = strip(sign * metres)
        found = coverage(region, grids, tolerance)
        pieces = found.gaps if sign > 0 else found.overlaps
        assert (pieces.slivers, len(pieces.polygons)) == (slivers, 1 - slivers)
        assert pieces.grids == ((0, 1),) * (1 - slivers)
        assert pieces.area_m2 == pytest.approx(pieces.areas_m2.sum() + pieces.slivers_area_m2)
        assert pieces.area_m2 == pytest.approx(metres * 444.7, rel=2e-3)
        assert_adds_up(found, grids)


def test_a_ragged_or_holed_piece_with_room_for_the_circle_is_no_sliver() -> None:
    teeth = [(i / 200, 0.2 * (i % 2)) for i in range(201)]
    comb = placed(shapely.Polygon([*teeth, (1, 0.3), (0, 0.3)]))
    found = coverage(comb, [], 30)
    assert (len(found.gaps.polygons), found.gaps.slivers) == (1, 0)
    assert coverage(comb, [], 60).gaps.slivers == 1


def test_a_vertex_rounded_off_its_neighbours_edge_makes_no_piece_at_all() -> None:
    """Grids whose corners lie upon long slanted edges of others, as far as numbers can say."""
    turned = [[0.8, 0.6], [-0.6, 0.8]]
    rows = [
        shapely.transform(
            shapely.box(i + 0.37 * j, j, i + 1 + 0.37 * j, j + 1), lambda at: at @ turned
        )
        for j in range(6)
        for i in range(6)
    ]
    grids = placed(np.array(rows))
    for tolerance in (0, 1):
        found = coverage(None, grids, tolerance)
        for pieces in (found.gaps, found.overlaps):
            assert len(pieces.polygons) == pieces.slivers == 0
            assert pieces.area_m2 < 1e-5


@pytest.mark.parametrize(
    ("unfit", "reason"),
    [
        (shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]), "Self-intersection"),
        (shapely.Point(1, 2), "POINT"),
        (shapely.Polygon(), "EMPTY"),
        (None, "missing"),
    ],
)
def test_what_is_no_valid_polygon_is_refused_by_its_position(unfit: Any, reason: str) -> None:
    with pytest.raises(Invalid, match=f"Grid 2 .*{reason}"):
        coverage(None, [*squares(2, 1), unfit])
    if unfit is not None:
        with pytest.raises(Invalid, match=f"The region .*{reason}"):
            coverage(unfit, squares(2, 1))


@pytest.mark.parametrize("raster", [1e-12, 1e-11, 1e-10])
def test_nodes_on_a_raster_find_the_same(monkeypatch: pytest.MonkeyPatch, raster: float) -> None:
    """That is what is left where nodes as exact as numbers can be do not add up."""
    region, grids = box(0.5, 0.5, 5.5, 5.2), [*squares(6, 6), box(1.3, 1.3, 2.6, 2.7)]
    del grids[20]
    exact = coverage(region, grids)
    monkeypatch.setattr("gridmap.geo.coverage._RASTERS", (raster,))
    found = coverage(region, grids)
    assert_adds_up(found, grids)
    for ours, theirs in ((found.gaps, exact.gaps), (found.overlaps, exact.overlaps)):
        assert ours.areas_m2 == pytest.approx(theirs.areas_m2, rel=1e-5)
        assert sorted(ours.grids) == sorted(theirs.grids)
    assert found.outside_areas_m2 == pytest.approx(exact.outside_areas_m2, rel=1e-5, abs=0.1)


def test_areas_that_do_not_add_up_are_never_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridmap.geo.coverage._EXACT", -1.0)
    with pytest.raises(Invalid, match="cannot be laid over each other"):
        coverage(None, squares(2, 1))


@pytest.mark.parametrize("tolerance", [-1.0, float("nan")])
def test_a_tolerance_that_is_none_is_refused(tolerance: float) -> None:
    with pytest.raises(Invalid, match="tolerance"):
        coverage(None, squares(1, 1), tolerance)


# By other means


@st.composite
def districts(draw: st.DrawFn) -> tuple[Any, NDArray[np.object_]]:
    """Grids that tile or do not, and a region that fits them or does not."""
    drawn = draw(st.one_of(spoilt_tilings(), scattered_shapes()))
    # Here numbers have fewer digits to spare, so that corners come to lie beside edges.
    grids = placed(np.array(drawn, dtype=object))
    grids = grids[shapely.is_valid(grids)]
    whole = shapely.union_all(grids)
    shift = st.sampled_from([0.0, 0.0, 0.25, 0.1, -0.3, 1e-9, 1e-6])
    region: Any = box(draw(shift), draw(shift), 4 + draw(shift), 4)
    match draw(st.sampled_from(["none", "union", "box", "moved", "hull", "holed", "parts"])):
        case "none":
            region = None
        case "union" if not whole.is_empty:
            region = whole
        case "moved" if not whole.is_empty:
            offset = np.array([draw(shift), draw(shift)]) * SIDE
            region = shapely.transform(whole, lambda at: at + offset)
        case "hull" if not whole.is_empty:
            region = whole.convex_hull
        case "holed":
            hole = placed(shapely.Point(2, 2).buffer(1 + draw(shift)))
            region = box(-0.5, -0.5, 5, 5) - hole
        case "parts":
            region = shapely.MultiPolygon([box(0, 0, 2, 3 + draw(shift)), box(2.5, 0.1, 4, 4)])
    assume(region is None or region.is_valid)
    return region, grids


@settings(max_examples=200, deadline=None)
@given(districts(), st.integers(0, 2**32 - 1))
def test_every_point_is_in_the_piece_that_counting_its_grids_asks_for(
    district: tuple[Any, NDArray[np.object_]], seed: int
) -> None:
    region, grids = district
    found = coverage(region, grids, 0)
    assert_adds_up(found, grids)
    low, high = placed(shapely.Point(-1, -1)), placed(shapely.Point(6, 6))
    points = np.random.default_rng(seed).uniform([low.x, low.y], [high.x, high.y], (400, 2))
    borders = shapely.boundary(grids if region is None else np.append(grids, region))
    borders = shapely.union_all(borders)
    points = (
        points[shapely.distance(borders, shapely.points(points)) > 1e-9] if len(grids) else points
    )

    def holding(polygons: NDArray[np.object_]) -> NDArray[np.bool_]:
        if not len(polygons):
            return np.zeros((len(points), 0), dtype=bool)
        held: NDArray[np.bool_] = shapely.contains_xy(polygons, points[:, :1], points[:, 1:])
        return held

    claims = holding(grids)
    in_gaps, in_overlaps = holding(found.gaps.polygons), holding(found.overlaps.polygons)
    if region is not None:
        in_region = shapely.contains_xy(region, *points.T)
        assert (in_gaps.sum(axis=1) == (in_region & ~claims.any(axis=1))).all()
    else:
        assert not (in_gaps.any(axis=1) & claims.any(axis=1)).any()
    assert (in_overlaps.sum(axis=1) == (claims.sum(axis=1) > 1)).all()
    for point, piece in np.argwhere(in_overlaps):
        assert found.overlaps.grids[piece] == tuple(np.flatnonzero(claims[point]))


@settings(max_examples=60, deadline=None)
@given(districts())
def test_gaps_overlaps_and_areas_are_those_of_postgis(
    postgis: Connection, district: tuple[Any, NDArray[np.object_]]
) -> None:
    region, grids = district
    if region is None or not len(grids):
        return
    found = coverage(region, grids, 0)
    gap, twice, outside = postgis.execute(
        text(
            """
            WITH grids AS (
                SELECT i, ST_GeomFromWKB(wkb) AS grid
                FROM unnest(:grids) WITH ORDINALITY AS given (wkb, i)
            ), region AS (
                SELECT ST_GeomFromWKB(:region) AS region
            )
            SELECT
                (SELECT ST_AsBinary(ST_Difference(region, ST_Union(grid)))
                    FROM grids, region GROUP BY region),
                (SELECT ST_AsBinary(ST_Union(
                    ST_CollectionExtract(ST_Intersection(one.grid, other.grid), 3)))
                    FROM grids AS one JOIN grids AS other ON one.i < other.i),
                (SELECT array_agg(ST_AsBinary(ST_Difference(grid, region)) ORDER BY i)
                    FROM grids, region)
            """
        ),
        {"grids": shapely.to_wkb(grids).tolist(), "region": shapely.to_wkb(region)},
    ).one()
    for pieces, theirs in ((found.gaps, gap), (found.overlaps, twice)):
        ours = shapely.union_all(pieces.polygons)
        shape = shapely.Polygon() if theirs is None else shapely.from_wkb(bytes(theirs))
        assert pieces.area_m2 == pytest.approx(area(shape), rel=1e-9, abs=0.05)
        assert shapely.area(shapely.symmetric_difference(ours, shape)) < 1e-12
    beyond = shapely.from_wkb([bytes(each) for each in outside])
    assert found.outside_areas_m2 == pytest.approx(areas_m2(beyond), rel=1e-9, abs=1e-3)


@settings(max_examples=100, deadline=None)
@given(districts())
def test_the_grids_of_a_gap_are_those_with_a_stretch_of_its_border(
    district: tuple[Any, NDArray[np.object_]],
) -> None:
    """Grids made a little larger hold a stretch of the border, and not a spot."""
    region, grids = district
    gaps = coverage(region, grids, 1).gaps
    for gap, around in zip(gaps.polygons, gaps.grids, strict=True):
        met = shapely.length(shapely.intersection(gap.boundary, shapely.buffer(grids, 2e-9)))
        # Of a corner it is some 1e-8 at most; a side of a square has 4e-3.
        assert {i for i, shared in enumerate(met) if shared > SIDE} <= set(around)
        assert all(met[i] > 1e-8 for i in around)


def test_ten_thousand_spoilt_grids_add_up() -> None:
    """Some left out, some moved, some given twice; and the outline of the clean ones."""
    grids = tiling_polygons(10_000, 20)
    region = shapely.coverage_union_all(grids)
    random = np.random.default_rng(1)
    fate = random.choice(
        ["stays", "goes", "moves", "doubles"], len(grids), p=[0.94, 0.02, 0.02, 0.02]
    )
    moved = shapely.transform(grids[fate == "moves"], lambda at: at + np.array([2e-4, -1e-4]))
    given_ = np.concatenate(
        [grids[np.isin(fate, ["stays", "doubles"])], moved, grids[fate == "doubles"]]
    )
    found = coverage(region, given_)
    assert_adds_up(found, given_)
    assert found.gaps.area_m2 + found.covered_area_m2 == pytest.approx(area(region), rel=1e-12)
    assert found.gaps.area_m2 > area(*grids[fate == "goes"])
    assert len(found.overlaps.polygons) > (fate == "doubles").sum()
