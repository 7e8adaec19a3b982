"""Each fault of a geometry is named to its owner, and mended where it can be, never silently."""

from __future__ import annotations

import gzip
import json
import re
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod

from gridmap.geo.bounds import Bounds
from gridmap.geo.checks import (
    Checked,
    GeometryKind,
    check_geometries,
    metres_per_degree,
)
from gridmap.geo.problems import Kind, Problem, Severity

CHINA = Bounds(72.004, 0.8293, 137.8347, 55.8271)
COUNTIES = Path(__file__).parents[1] / "data" / "us_counties_10m.geojson.gz"
EARTH = Geod(ellps="WGS84")
NAN, INF = float("nan"), float("inf")

Ring = Sequence[tuple[float, float]]
SQUARE: Ring = [(130.0, 47.0), (130.1, 47.0), (130.1, 47.1), (130.0, 47.1), (130.0, 47.0)]


def check(
    *geometries: Any,
    wanted: GeometryKind = GeometryKind.POLYGON,
    box: Bounds | None = CHINA,
    repair: bool = False,
) -> Checked:
    rows = range(2, 2 + len(geometries))
    codes = [f"code {row}" for row in rows]
    return check_geometries(geometries, rows, codes, wanted=wanted, box=box, repair=repair)


def refusal(geometry: Any, **options: Any) -> Problem:
    """The one problem of a row that is refused."""
    checked = check(geometry, **options)
    (problem,) = checked.problems
    assert checked.geometries[0] is None
    assert problem.severity is Severity.ERROR
    return problem


def repaired(geometry: Any, **options: Any) -> tuple[Any, Problem]:
    """The mended geometry and the one problem that tells of it."""
    checked = check(geometry, repair=True, **options)
    (problem,) = checked.problems
    assert problem.severity is Severity.REPAIRED
    assert_sound(checked.geometries[0])
    return checked.geometries[0], problem


def assert_sound(polygon: Any) -> None:
    assert polygon.geom_type == "MultiPolygon"
    assert polygon.is_valid
    assert not polygon.is_empty
    assert not polygon.has_z


def wkb(*rings: Ring) -> bytes:
    """A polygon written by hand, so that its rings may be as wrong as a file's."""
    body = b"".join(
        struct.pack("<I", len(ring)) + b"".join(struct.pack("<dd", *point) for point in ring)
        for ring in rings
    )
    return struct.pack("<BII", 1, 3, len(rings)) + body


def test_sound_polygons_pass_as_multipolygons_in_their_order() -> None:
    square = shapely.Polygon(SQUARE)
    two = shapely.MultiPolygon([square, shapely.box(130.2, 47.0, 130.3, 47.1)])
    holed = shapely.Polygon(SQUARE, [shapely.box(130.04, 47.04, 130.06, 47.06).exterior])
    clockwise = shapely.reverse(square)
    given_ = [square, two, holed, clockwise]
    for read in (
        check(*shapely.to_wkb(given_)),
        check(*shapely.to_wkt(given_, rounding_precision=-1)),
    ):
        assert read.problems == []
        assert [g.geom_type for g in read.geometries] == ["MultiPolygon"] * 4
        assert shapely.equals(read.geometries, given_).all()


def test_bytes_and_text_may_stand_side_by_side() -> None:
    checked = check(wkb(SQUARE), shapely.Polygon(SQUARE).wkt, None)
    assert [problem.row for problem in checked.problems] == [4]
    assert shapely.equals(checked.geometries[0], checked.geometries[1])


def test_height_and_measure_are_let_go() -> None:
    solid = check("POLYGON Z ((130 47 9, 131 47 9, 131 48 9, 130 47 9))").geometries[0]
    point = check("POINT ZM (130 47 9 5)", wanted=GeometryKind.POINT).geometries[0]
    assert (solid.has_z, point.has_z, point.has_m) == (False, False, False)


def test_a_multipoint_of_one_is_a_point_and_of_two_is_not() -> None:
    wanted = GeometryKind.POINT
    assert (
        check("MULTIPOINT ((130 47))", wanted=wanted).geometries[0].equals(shapely.Point(130, 47))
    )
    problem = refusal("MULTIPOINT ((130 47), (131 47))", wanted=wanted)
    assert problem.kind is Kind.WRONG_GEOMETRY_TYPE
    assert "MultiPoint of 2" in problem.message


def test_empty_parts_are_left_out() -> None:
    (polygon,) = check("MULTIPOLYGON (EMPTY, ((130 47, 131 47, 131 48, 130 47)))").geometries
    assert len(polygon.geoms) == 1


def test_an_empty_part_does_not_hinder_a_repair() -> None:
    bow = shapely.Polygon([(130, 47), (132, 49), (132, 47), (130, 49)])
    mended, _ = repaired(shapely.MultiPolygon([shapely.Polygon(), bow]).wkb)
    assert mended.equals(repaired(bow.wkb)[0])


def test_repeated_points_are_no_problem() -> None:
    assert check(wkb([*SQUARE[:2], *SQUARE[1:]])).problems == []


def test_a_problem_names_its_row_and_code() -> None:
    checked = check(wkb(SQUARE), None, wkb(SQUARE), b"")
    assert [(p.row, p.code) for p in checked.problems] == [(3, "code 3"), (5, "code 5")]
    assert [g is None for g in checked.geometries] == [False, True, False, True]


@pytest.mark.parametrize("repair", [False, True])
@pytest.mark.parametrize(
    ("geometry", "kind", "said"),
    [
        (None, Kind.NULL_GEOMETRY, "no geometry"),
        ("POLYGON EMPTY", Kind.EMPTY_GEOMETRY, "empty Polygon"),
        ("LINESTRING (130 47, 131 47)", Kind.WRONG_GEOMETRY_TYPE, "LineString"),
        ("POINT (130 47)", Kind.WRONG_GEOMETRY_TYPE, "Point"),
        (
            "GEOMETRYCOLLECTION (POLYGON ((130 47, 131 47, 131 48, 130 47)))",
            Kind.WRONG_GEOMETRY_TYPE,
            "GeometryCollection",
        ),
        (
            "CURVEPOLYGON (CIRCULARSTRING (130 47, 131 48, 132 47, 131 46, 130 47))",
            Kind.WRONG_GEOMETRY_TYPE,
            "curved",
        ),
        (b"no geometry at all", Kind.UNREADABLE_GEOMETRY, b"no geom".hex()),
        (b"", Kind.UNREADABLE_GEOMETRY, "not pairs of numbers"),
        (wkb(SQUARE)[:-5], Kind.UNREADABLE_GEOMETRY, "cannot be read"),
        ("POLYGON ((130 47, 131", Kind.UNREADABLE_GEOMETRY, "POLYGON ((130 47, 131"),
        (17, Kind.UNREADABLE_GEOMETRY, "int"),
        (wkb([(130, 47), (130, 47)]), Kind.TOO_FEW_POINTS, "too few points"),
        (wkb([(130, 47)] * 5), Kind.TOO_FEW_POINTS, "longitude 130, latitude 47"),
        (wkb([(130, 47), (131, NAN), (131, 48), (130, 47)]), Kind.NOT_FINITE, "latitude nan"),
        (wkb([(130, 47), (INF, 47), (131, 48), (130, 47)]), Kind.NOT_FINITE, "longitude inf"),
        (wkb([(NAN, 47), (131, 47), (131, 48), (NAN, 47)]), Kind.NOT_FINITE, "not a finite"),
        (wkb([(NAN, 47), (131, 47), (131, 48), (130, 48)]), Kind.NOT_FINITE, "not a finite"),
        (wkb([(130, 47), (131, 47), (131, 48), (130, NAN)]), Kind.NOT_FINITE, "latitude nan"),
        ("POLYGON ((nan 47, 131 47, 131 48, nan 47))", Kind.NOT_FINITE, "not a finite"),
        ("POLYGON ((-110 45, -109 45, -109 46, -110 45))", Kind.OUTSIDE_CHINA, "longitude -110"),
        (
            "POLYGON ((130 47, 140.5 47, 131 48, 130 47))",
            Kind.OUTSIDE_CHINA,
            "longitude 140.5, latitude 47 lies outside China's box (longitude 72.004 to 137.835",
        ),
        (
            "POLYGON ((500000 5200000, 500100 5200000, 500100 5200100, 500000 5200000))",
            Kind.OUT_OF_RANGE,
            "longitude 500000, latitude 5200000",
        ),
    ],
)
def test_what_cannot_be_mended_is_refused_with_its_value(
    geometry: Any, kind: Kind, said: str, repair: bool
) -> None:
    problem = refusal(geometry, repair=repair)
    assert problem.kind is kind
    assert said in problem.message
    assert "--repair" not in problem.remedy


def test_a_damaged_geometry_is_shown_by_its_beginning_only() -> None:
    assert len(refusal("01" * 500).message) < 150


def test_a_position_abroad_names_the_option_that_allows_it() -> None:
    assert "--code-scheme free" in refusal("POINT (10 50)", wanted=GeometryKind.POINT).remedy


def test_a_curve_does_not_spoil_its_neighbours() -> None:
    checked = check("CIRCULARSTRING (130 47, 131 48, 132 47)", shapely.Polygon(SQUARE).wkt)
    assert [problem.row for problem in checked.problems] == [2]
    assert checked.geometries[1] is not None


@pytest.mark.parametrize(
    ("geometry", "kind"),
    [
        ("POINT (130 NAN)", Kind.NOT_FINITE),
        ("POINT EMPTY", Kind.EMPTY_GEOMETRY),
        ("POLYGON ((130 47, 131 47, 131 48, 130 47))", Kind.WRONG_GEOMETRY_TYPE),
        ("POINT (10 50)", Kind.OUTSIDE_CHINA),
        ("POINT (47 130)", Kind.SWAPPED_COORDINATES),
    ],
)
def test_points_are_checked_as_polygons_are(geometry: str, kind: Kind) -> None:
    assert refusal(geometry, wanted=GeometryKind.POINT).kind is kind


def test_the_corners_of_the_box_belong_to_it() -> None:
    corners = [f"POINT ({x} {y})" for x in (72.004, 137.8347) for y in (0.8293, 55.8271)]
    assert check(*corners, wanted=GeometryKind.POINT).problems == []


def test_an_unclosed_ring_is_closed_with_its_first_point() -> None:
    problem = refusal(wkb(SQUARE[:-1]))
    assert problem.kind is Kind.UNCLOSED_RING
    assert "begins at longitude 130, latitude 47 and ends at longitude 130, latitude 47.1" in (
        problem.message
    )
    assert "--repair" in problem.remedy
    mended, told = repaired(wkb(SQUARE[:-1]))
    assert told.kind is Kind.UNCLOSED_RING
    assert mended.equals(shapely.Polygon(SQUARE))


def test_a_ring_that_crosses_itself_is_told_with_the_place() -> None:
    bow = "POLYGON ((130 47, 132 49, 132 47, 130 49, 130 47))"
    problem = refusal(bow)
    assert problem.kind is Kind.SELF_CROSSING
    assert "crosses itself at longitude 131, latitude 48" in problem.message
    assert "--repair" in problem.remedy
    mended, told = repaired(bow)
    triangles = [
        shapely.Polygon([(130, 47), (131, 48), (130, 49)]),
        shapely.Polygon([(132, 47), (131, 48), (132, 49)]),
    ]
    assert mended.equals(shapely.MultiPolygon(triangles))
    assert "m2 now" in told.remedy


def test_what_a_repair_takes_from_the_area_is_told_in_square_metres() -> None:
    """A part that lies upon another is counted twice before and once after."""
    square = shapely.box(130.0, 47.0, 130.002, 47.002)
    twice = shapely.MultiPolygon([square, square])
    _, told = repaired(twice.wkb)
    area, _ = EARTH.geometry_area_perimeter(shapely.orient_polygons(square))
    words = re.search(r"area (\S+) m2 before and (\S+) m2 now", told.remedy)
    assert words is not None
    before, now = (float(number.replace(",", "")) for number in words.groups())
    assert before == pytest.approx(2 * area, rel=1e-3)
    assert now == pytest.approx(area, rel=1e-3)
    assert "(-50 %)" in told.remedy


def test_a_collapsed_part_is_dropped_and_said() -> None:
    line = shapely.from_wkt("POLYGON ((131 47, 131.5 47, 131 47, 131 47))")
    geometry = shapely.MultiPolygon([shapely.Polygon(SQUARE), line])
    assert refusal(geometry.wkb).kind is Kind.TOO_FEW_POINTS
    mended, told = repaired(geometry.wkb)
    assert mended.equals(shapely.Polygon(SQUARE))
    assert "1 of 2 parts kept" in told.remedy


def test_a_collapsed_hole_is_dropped_and_said() -> None:
    hole = [(130.05, 47.05), (130.06, 47.05), (130.05, 47.05)]
    mended, told = repaired(wkb(SQUARE, hole))
    assert mended.equals(shapely.Polygon(SQUARE))
    assert "holes" in told.remedy


@pytest.mark.parametrize("east", [0.2, 0.1], ids=["apart", "touching"])
def test_a_hole_outside_its_ring_is_dropped_and_never_becomes_land(east: float) -> None:
    outside = [(longitude + east, latitude) for longitude, latitude in SQUARE]
    inside = [(130.05, 47.05), (130.06, 47.05), (130.06, 47.06), (130.05, 47.05)]
    assert refusal(wkb(SQUARE, inside, outside)).kind is Kind.SELF_CROSSING
    mended, told = repaired(wkb(SQUARE, inside, outside))
    assert mended.equals(shapely.Polygon(SQUARE, [inside]))
    assert "1 hole outside the outer ring dropped, area still" in told.remedy


def test_a_hole_across_its_ring_takes_away_what_lies_inside() -> None:
    across = [(longitude + 0.05, latitude) for longitude, latitude in SQUARE]
    mended, told = repaired(wkb(SQUARE, across))
    assert mended.equals(shapely.Polygon(SQUARE).difference(shapely.Polygon(across)))
    assert "dropped" not in told.remedy


@pytest.mark.parametrize(
    "ring",
    [
        [(130.0, 47.0), (130.01, 47.02), (130.0, 47.0)],
        [(130.0, 47.0), (130.01, 47.02), (130.01, 47.02), (130.0, 47.0), (130.0, 47.0)],
        [(130.0, 47.0), (130.005, 47.0), (130.01, 47.0), (130.0, 47.0)],
    ],
    ids=["there and back", "with repeated points", "three on a line"],
)
def test_a_shape_without_area_becomes_a_strip_one_metre_wide(ring: Ring) -> None:
    mended, told = repaired(wkb(ring))
    far = max(ring)
    length = EARTH.line_length([ring[0][0], far[0]], [ring[0][1], far[1]])
    area, _ = EARTH.geometry_area_perimeter(shapely.orient_polygons(mended))
    assert area == pytest.approx(length * 1.0, rel=2e-3)
    assert shapely.distance(mended, shapely.LineString([ring[0], far])) == 0
    assert shapely.LineString([ring[0], far]).buffer(1e-4).contains(mended)
    assert "1 m wide" in told.remedy


def test_exchanged_coordinates_are_put_right() -> None:
    exchanged = wkb([(latitude, longitude) for longitude, latitude in SQUARE])
    problem = refusal(exchanged)
    assert problem.kind is Kind.SWAPPED_COORDINATES
    assert "longitude 47, latitude 130" in problem.message
    mended, told = repaired(exchanged)
    assert told.kind is Kind.SWAPPED_COORDINATES
    assert mended.equals(shapely.Polygon(SQUARE))


def test_abroad_only_a_latitude_beyond_the_pole_shows_an_exchange() -> None:
    assert check("POINT (47 60)", wanted=GeometryKind.POINT, box=None).problems == []
    swapped = refusal("POINT (47 130)", wanted=GeometryKind.POINT, box=None)
    assert swapped.kind is Kind.SWAPPED_COORDINATES
    lost = refusal("POINT (100 130)", wanted=GeometryKind.POINT, box=None)
    assert lost.kind is Kind.OUT_OF_RANGE


def test_several_faults_of_a_row_are_mended_together_and_all_told() -> None:
    """Unclosed, exchanged and crossing itself."""
    mended, told = repaired(wkb([(47, 130), (49, 132), (47, 132), (49, 130)]))
    assert mended.equals(
        shapely.from_wkt(
            "MULTIPOLYGON (((130 47, 131 48, 130 49, 130 47)), ((132 47, 132 49, 131 48, 132 47)))"
        )
    )
    for words in ("last point", "exchanged", "crosses itself"):
        assert words in told.message


def test_a_mend_that_leaves_another_fault_is_still_refused() -> None:
    problem = refusal(wkb([(10, 47), (11, 47), (11, 48), (10, 48)]), repair=True)
    assert problem.kind is Kind.OUTSIDE_CHINA


def test_rows_and_geometries_have_to_be_as_many() -> None:
    with pytest.raises(ValueError, match="zip"):
        check_geometries(
            [None, None], [1], ["a"], wanted=GeometryKind.POINT, box=None, repair=False
        )


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=8),
        min_size=1,
        max_size=3,
    ),
    st.booleans(),
)
def test_whatever_the_rings_a_repair_is_valid_or_refused(
    rings: list[list[tuple[int, int]]], as_parts: bool
) -> None:
    """Also: it stays where the rings were, and what was valid is not touched."""
    closed = [[(100.0 + x, 30.0 + 0.7 * y) for x, y in [*ring, ring[0]]] for ring in rings]
    shape = (
        shapely.MultiPolygon([shapely.Polygon(ring) for ring in closed])
        if as_parts
        else shapely.Polygon(closed[0], closed[1:])
    )
    checked = check(shape.wkb, repair=True)
    (result,) = checked.geometries
    if shape.is_valid:
        assert checked.problems == []
        assert result.equals(shape)
        return
    (problem,) = checked.problems
    if result is None:
        assert problem.severity is Severity.ERROR
        # Refused are only those that are one position and nothing else.
        assert len(np.unique(shapely.get_coordinates(shape), axis=0)) == 1
        return
    assert problem.severity is Severity.REPAIRED
    assert_sound(result)
    reach = shapely.MultiPoint(shapely.get_coordinates(shape)).convex_hull.buffer(1e-5)
    assert reach.covers(result)


@settings(max_examples=100, deadline=None)
@given(st.floats(-85, 85), st.floats(0.001, 0.02))
def test_a_degree_is_as_long_as_on_the_ellipsoid(latitude: float, step: float) -> None:
    along_parallel, along_meridian = metres_per_degree(latitude)
    _, _, east = EARTH.inv(-step, latitude, step, latitude)
    _, _, north = EARTH.inv(0, latitude - step, 0, latitude + step)
    assert along_parallel * 2 * step == pytest.approx(east, rel=1e-5)
    assert along_meridian * 2 * step == pytest.approx(north, rel=1e-5)


@pytest.fixture(scope="module")
def counties() -> tuple[list[bytes], list[str]]:
    with gzip.open(COUNTIES) as file:
        features = json.load(file)["features"]
    shapes = shapely.from_geojson([json.dumps(feature["geometry"]) for feature in features])
    return list(shapely.to_wkb(shapes)), [feature["id"] for feature in features]


def test_a_real_file_has_forty_invalid_shapes_and_all_can_be_mended(
    counties: tuple[list[bytes], list[str]],
) -> None:
    shapes, codes = counties
    rows = range(1, len(shapes) + 1)
    valid = shapely.is_valid(shapely.from_wkb(shapes))

    refused = check_geometries(
        shapes, rows, codes, wanted=GeometryKind.POLYGON, box=None, repair=False
    )
    assert len(refused.problems) == 40
    assert [p.row for p in refused.problems] == (np.flatnonzero(~valid) + 1).tolist()
    assert {p.kind for p in refused.problems} == {Kind.TOO_FEW_POINTS, Kind.SELF_CROSSING}

    mended = check_geometries(
        shapes, rows, codes, wanted=GeometryKind.POLYGON, box=None, repair=True
    )
    assert [p.row for p in mended.problems] == [p.row for p in refused.problems]
    assert {p.severity for p in mended.problems} == {Severity.REPAIRED}
    for polygon in mended.geometries:
        assert_sound(polygon)


def test_falls_church_which_is_but_a_line_in_that_file_becomes_a_strip(
    counties: tuple[list[bytes], list[str]],
) -> None:
    shapes, codes = counties
    mended, told = repaired(shapes[codes.index("51610")], box=None)
    assert "strip 1 m wide along its line of 2,67" in told.remedy
    area, _ = EARTH.geometry_area_perimeter(shapely.orient_polygons(mended))
    assert area == pytest.approx(2_670, rel=1e-2)
