"""Circles and distances are those that geodesics give, and never contradict each other."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pyproj import Geod, Transformer
from sqlalchemy import Connection, text

from gridmap.errors import Invalid
from gridmap.geo.checks import metres_per_degree
from gridmap.geo.circles import Circle, metres_to, metres_to_boundary

Floats = NDArray[np.float64]

EARTH = Geod(ellps="WGS84")

# A square of some 760 m by 1,110 m with a hole in its middle, and its neighbour to the east.
SQUARE = shapely.Polygon(
    shapely.box(130.28, 47.35, 130.29, 47.36).exterior,
    [shapely.box(130.284, 47.354, 130.286, 47.356).exterior],
)
EASTERN = shapely.box(130.29, 47.35, 130.3, 47.36)

longitudes = st.floats(73, 136)
latitudes = st.floats(3, 54) | st.floats(-75, 75)
radii = st.floats(-1, 4).map(lambda power: 10.0**power)


def geodesic_rim(longitude: float, latitude: float, radius: float, azimuths: Floats) -> Floats:
    """Points so far from one in these directions, (n, 2)."""
    given = np.ones((3, len(azimuths))) * [[longitude], [latitude], [radius]]
    return np.column_stack(EARTH.fwd(given[0], given[1], azimuths, given[2])[:2])


def geodesic_share(outline: Any, longitude: float, latitude: float, radius: float) -> float:
    """The oracle: 2,000 points of the circle, and edges made of short pieces, on a map of true
    areas around the point."""
    rim = geodesic_rim(longitude, latitude, radius, np.linspace(0, 360, 2_000, endpoint=False))
    near = shapely.intersection(outline, shapely.box(*shapely.MultiPoint(rim).bounds))
    to_metres = Transformer.from_crs(
        "EPSG:4326",
        f"+proj=laea +lon_0={longitude!r} +lat_0={latitude!r} +ellps=WGS84",
        always_xy=True,
    )

    def mapped(degrees: Floats) -> Floats:
        return np.column_stack(to_metres.transform(degrees[:, 0], degrees[:, 1]))

    disc = shapely.Polygon(mapped(rim))
    pieces = shapely.transform(shapely.segmentize(near, radius / 111_000 / 100), mapped)
    return float(shapely.intersection(pieces, disc).area / disc.area)


def geodesic_distance(outline: Any, longitude: float, latitude: float) -> float:
    """The oracle: the nearest of many points of each edge, then of many around that one."""
    nearest = math.inf
    for ring in shapely.get_rings(shapely.get_parts(outline)):
        corners = shapely.get_coordinates(ring)
        for start, end in pairwise(corners):
            along = np.linspace(0, 1, 200)
            for _ in range(7):
                points = start + along[:, None] * (end - start)
                here = np.ones((len(points), 2)) * (longitude, latitude)
                metres = EARTH.inv(here[:, 0], here[:, 1], points[:, 0], points[:, 1])[2]
                i = int(np.argmin(metres))
                nearest = min(nearest, float(metres[i]))
                along = np.linspace(along[max(i - 1, 0)], along[min(i + 1, len(along) - 1)], 40)
    return nearest


@st.composite
def outlines_around(draw: st.DrawFn, longitude: float, latitude: float, size: float) -> Any:
    """A polygon of some corners `size` metres away from a place not far from the point."""
    across, along = metres_per_degree(latitude)
    east, north = (draw(st.floats(-1.5, 1.5)) * size for _ in range(2))
    turns = draw(st.lists(st.integers(0, 71), min_size=3, max_size=8, unique=True))
    reaches = draw(st.lists(st.floats(0.2, 1.5), min_size=len(turns), max_size=len(turns)))
    corners = [
        (
            longitude + (east + size * reach * math.cos(math.radians(5 * turn))) / float(across),
            latitude + (north + size * reach * math.sin(math.radians(5 * turn))) / float(along),
        )
        for turn, reach in zip(sorted(turns), reaches, strict=True)
    ]
    outline = shapely.Polygon(corners)
    assume(outline.is_valid and outline.area > 0)
    return outline


@st.composite
def cases(draw: st.DrawFn, sizes: st.SearchStrategy[float]) -> tuple[Any, float, float, float]:
    """An outline, a point near it and a radius that compares with its size."""
    longitude, latitude, size = draw(longitudes), draw(latitudes), draw(sizes)
    outline = draw(outlines_around(longitude, latitude, size))
    radius = size * draw(st.floats(0.3, 3))
    return outline, longitude, latitude, min(radius, 10_000.0)


@st.composite
def tilings(draw: st.DrawFn) -> tuple[list[Any], float, float, float]:
    """Outlines that leave nothing out around a point, as far as the circle of some radius."""
    longitude, latitude, radius = draw(longitudes), draw(latitudes), draw(radii)
    across, along = map(float, metres_per_degree(latitude))
    steps = st.integers(-20, 20)
    seeds = draw(st.lists(st.tuples(steps, steps), min_size=2, max_size=12, unique=True))
    points = np.array(seeds) / 10 * (radius / across, radius / along) + (longitude, latitude)
    room = shapely.MultiPoint(np.vstack((points - 1, points + 1))).envelope
    cells = shapely.voronoi_polygons(shapely.MultiPoint(points), extend_to=room)
    return list(shapely.get_parts(cells)), longitude, latitude, radius


@settings(max_examples=60, deadline=None)
@given(cases(radii))
def test_shares_are_those_of_a_geodesic_circle(case: tuple[Any, float, float, float]) -> None:
    outline, longitude, latitude, radius = case
    [share] = Circle(longitude, latitude, radius).shares([outline])
    assert share == pytest.approx(geodesic_share(outline, longitude, latitude, radius), abs=0.0001)


@settings(max_examples=40, deadline=None)
@given(cases(radii))
def test_distances_are_those_of_geodesics(case: tuple[Any, float, float, float]) -> None:
    outline, longitude, latitude, _ = case
    exact = geodesic_distance(outline, longitude, latitude)
    metres = metres_to_boundary(outline, longitude, latitude)
    assert metres == pytest.approx(exact, rel=0.0001, abs=1e-5)
    covered = shapely.intersects_xy(outline, longitude, latitude)
    assert metres_to([outline], longitude, latitude)[0] == (0.0 if covered else metres)


@settings(max_examples=40, deadline=None)
@given(cases(st.floats(20_000, 60_000)))
def test_distances_hold_as_far_as_a_county(case: tuple[Any, float, float, float]) -> None:
    outline, longitude, latitude, _ = case
    exact = geodesic_distance(outline, longitude, latitude)
    assume(exact <= 100_000)
    assert metres_to_boundary(outline, longitude, latitude) == pytest.approx(
        exact, rel=0.001, abs=1e-5
    )


@settings(deadline=None)
@given(cases(radii), st.floats(0, 2))
def test_a_circle_lies_in_an_outline_exactly_where_the_border_is_no_nearer(
    case: tuple[Any, float, float, float], factor: float
) -> None:
    outline, longitude, latitude, _ = case
    metres = metres_to_boundary(outline, longitude, latitude)
    covered = bool(shapely.covers(outline, shapely.Point(longitude, latitude)))
    radius = min(factor * metres, 10_000.0)
    circle = Circle(longitude, latitude, radius)
    assert circle.lies_in(outline) == (covered and radius <= metres)
    # And the ground agrees, but for the last ten-thousandth.
    assume(radius > 0.01)
    rim = shapely.points(geodesic_rim(longitude, latitude, 0.9999 * radius, np.arange(0.0, 360)))
    if circle.lies_in(outline):
        assert shapely.covers(outline, rim).all()
        assert circle.shares([outline])[0] == pytest.approx(1, abs=0.0001)


@pytest.mark.parametrize("latitude", [3.0, 30.0, 54.0, 75.0])
# From a metre on: for edges of centimetres, PostGIS gives the distance to the line they lie on.
@pytest.mark.parametrize("radius", [1.0, 15.0, 10_000.0])
def test_shares_and_distances_are_those_of_postgis(
    connection: Connection, latitude: float, radius: float
) -> None:
    longitude = 130.287
    # A wedge from within the circle out to the north-east, with a hole, and an island.
    shape = shapely.from_wkt(
        "MULTIPOLYGON (((-.2 -.3, 3 .4, 2 2, -.1 1.4, -.2 -.3), (.2 .1, .5 .2, .4 .5, .2 .1)),"
        " ((-.9 .1, -.5 .2, -.6 -.7, -.9 .1)))"
    )
    across, along = map(float, metres_per_degree(latitude))
    degrees = np.array([radius / across, radius / along])
    outline = shapely.transform(shape, lambda parts: parts * degrees + (longitude, latitude))
    exact = connection.execute(
        text(
            """
            SELECT
                ST_Area(ST_Intersection(ST_Transform(outline, areas), circle)) / ST_Area(circle),
                ST_Distance(geography(point), geography(ST_Boundary(outline)))
            FROM (
                SELECT
                    point,
                    ST_Segmentize(ST_GeomFromWKB(:outline, 4326), :degrees) AS outline,
                    '+proj=laea +ellps=WGS84 +lon_0=' || ST_X(point) || ' +lat_0=' || ST_Y(point)
                        AS areas
                FROM (SELECT ST_SetSRID(ST_MakePoint(:longitude, :latitude), 4326)) AS at (point)
            ) AS given, LATERAL (
                SELECT ST_Transform(ST_MakePolygon(ST_MakeLine(
                    geometry(ST_Project(geography(point), :radius, radians(degree % 360)))
                    ORDER BY degree
                )), areas) AS circle
                FROM generate_series(0, 360) AS degree
            ) AS around
            """
        ),
        {
            "outline": shapely.to_wkb(outline),
            "degrees": degrees[1] / 200,
            "longitude": longitude,
            "latitude": latitude,
            "radius": radius,
        },
    ).one()
    [share] = Circle(longitude, latitude, radius).shares([outline])
    assert share == pytest.approx(exact[0], abs=0.0002)
    metres = metres_to_boundary(outline, longitude, latitude)
    assert metres == pytest.approx(exact[1], rel=0.0001)


@settings(deadline=None)
@given(tilings())
def test_outlines_without_gap_or_overlap_share_the_whole_circle(
    tiling: tuple[list[Any], float, float, float],
) -> None:
    outlines, longitude, latitude, radius = tiling
    shares = Circle(longitude, latitude, radius).shares(outlines)
    assert shares.min() >= 0
    assert shares.sum() <= 1 + 1e-9
    assert shares.sum() == pytest.approx(1, abs=1e-7)


@settings(deadline=None)
@given(tilings())
def test_what_shares_the_circle_is_within_its_radius_and_its_bounds(
    tiling: tuple[list[Any], float, float, float],
) -> None:
    outlines, longitude, latitude, radius = tiling
    circle = Circle(longitude, latitude, radius)
    distances = metres_to(outlines, longitude, latitude)
    near = distances <= radius
    # What lies at the rim may gain or lose its last ten-thousandth.
    assert circle.shares(outlines)[~near].sum() <= 0.0001
    assert shapely.intersects(outlines, shapely.box(*circle.bounds))[near].all()


@settings(deadline=None)
@given(cases(radii), st.floats(0.9, 3))
def test_an_outline_outside_the_bounds_is_not_within_the_radius(
    case: tuple[Any, float, float, float], factor: float
) -> None:
    outline, longitude, latitude, _ = case
    [metres] = metres_to([outline], longitude, latitude)
    circle = Circle(longitude, latitude, min(factor * metres, 100_000.0))
    if metres <= circle.radius_metres:
        assert shapely.intersects(outline, shapely.box(*circle.bounds))


@pytest.mark.parametrize("latitude", [-75.0, 0.0, 30.0, 54.0, 75.0])
@pytest.mark.parametrize("radius", [0.1, 60.0, 10_000.0])
def test_bounds_hold_the_circle_and_little_more(latitude: float, radius: float) -> None:
    azimuths = np.arange(0.0, 360.0, 0.5)
    rim = shapely.MultiPoint(geodesic_rim(100.0, latitude, radius, azimuths))
    box = shapely.box(*Circle(100.0, latitude, radius).bounds)
    height = rim.bounds[3] - rim.bounds[1]
    assert box.buffer(0.0001 * height).covers(rim)
    assert box.bounds == pytest.approx(rim.bounds, abs=0.02 * height)


def test_a_hole_is_outside_and_its_border_counts() -> None:
    # 0.0005 degrees of latitude, on the ground, from the middle of the hole to its northern edge;
    # the eastern one is 0.001 degrees of longitude away, and farther.
    to_hole = EARTH.inv(130.285, 47.355, 130.285, 47.356)[2]
    east = EARTH.inv(130.285, 47.355, 130.286, 47.355)[2]
    nearest = min(to_hole, east)
    assert metres_to_boundary(SQUARE, 130.285, 47.355) == pytest.approx(nearest, rel=1e-6)
    assert metres_to([SQUARE], 130.285, 47.355) == pytest.approx([nearest], rel=1e-6)
    assert not Circle(130.285, 47.355, 10).lies_in(SQUARE)
    assert Circle(130.285, 47.355, 10).shares([SQUARE]) == [0.0]


@settings(deadline=None)
@given(
    st.lists(st.booleans(), min_size=36, max_size=36).filter(any),
    st.tuples(st.floats(-1, 7), st.floats(-1, 7)),
    st.floats(1, 300),
)
def test_parts_and_holes_count_for_what_they_are(
    taken: list[bool], point: tuple[float, float], radius: float
) -> None:
    # Cells on lines that floats hold exactly, so that their union has the very same edges.
    cells = np.array(
        [
            shapely.box(130 + i / 1024, 47 + j / 1024, 130 + (i + 1) / 1024, 47 + (j + 1) / 1024)
            for i in range(-2, 8)
            for j in range(-2, 8)
        ]
    )
    inner = np.array([0 <= i < 6 and 0 <= j < 6 for i in range(-2, 8) for j in range(-2, 8)])
    chosen = np.zeros(100, dtype=np.bool_)
    chosen[inner] = taken
    outline = shapely.union_all(cells[chosen])
    longitude, latitude = 130 + point[0] / 1024, 47 + point[1] / 1024

    circle = Circle(longitude, latitude, radius)
    shares = circle.shares(cells)
    assert circle.shares([outline]) == pytest.approx(shares[chosen].sum(), abs=1e-9)
    distances = metres_to(cells, longitude, latitude)
    inside, outside = distances[chosen].min(), distances[~chosen].min()
    assert metres_to([outline], longitude, latitude) == pytest.approx([inside], abs=1e-6)
    metres = metres_to_boundary(outline, longitude, latitude)
    assert metres == pytest.approx(max(inside, outside), abs=1e-6)


def test_a_gap_between_rings_is_no_edge() -> None:
    # The last corner of each ring to the first one of the next would pass right by the point.
    islands = shapely.MultiPolygon(
        [shapely.box(130.27, 47.3, 130.271, 47.301), shapely.box(130.29, 47.32, 130.291, 47.321)]
    )
    nearest = min(
        metres_to_boundary(island, 130.2805, 47.3105) for island in shapely.get_parts(islands)
    )
    assert metres_to_boundary(islands, 130.2805, 47.3105) == nearest
    both = metres_to([islands, *shapely.get_parts(islands)], 130.2805, 47.3105)
    assert both[0] == both[1:].min() == nearest


def test_a_circle_that_touches_the_border_lies_in_and_the_neighbour_is_touched() -> None:
    metres = metres_to_boundary(SQUARE, 130.2885, 47.355)
    assert metres_to([EASTERN], 130.2885, 47.355) == [metres]
    circle = Circle(130.2885, 47.355, metres)
    assert circle.lies_in(SQUARE)
    assert circle.shares([SQUARE, EASTERN]) == pytest.approx([1, 0], abs=0.0001)
    assert not Circle(130.2885, 47.355, math.nextafter(metres, math.inf)).lies_in(SQUARE)


def test_a_point_on_the_border_is_no_way_from_it_and_within() -> None:
    assert metres_to_boundary(SQUARE, 130.29, 47.355) == 0
    assert metres_to([SQUARE, EASTERN], 130.29, 47.355).tolist() == [0, 0]
    assert Circle(130.29, 47.355, 0).lies_in(SQUARE)
    assert not Circle(130.29, 47.355, 0.1).lies_in(SQUARE)
    shares = Circle(130.29, 47.355, 5).shares([SQUARE, EASTERN])
    assert shares == pytest.approx([0.5, 0.5], abs=1e-6)


def test_a_circle_within_an_outline_is_its_own_wholly() -> None:
    assert Circle(130.2825, 47.352, 60).shares([SQUARE, EASTERN]).tolist() == [1, 0]


@settings(deadline=None)
@given(cases(radii), st.integers(2, 400))
def test_the_number_of_vertices_changes_nothing(
    case: tuple[Any, float, float, float], pieces: int
) -> None:
    outline, longitude, latitude, radius = case
    fine = shapely.segmentize(outline, shapely.length(outline) / pieces)
    circle = Circle(longitude, latitude, radius)
    assert circle.shares([fine]) == pytest.approx(circle.shares([outline]), abs=1e-6)
    metres = metres_to_boundary(outline, longitude, latitude)
    assert metres_to_boundary(fine, longitude, latitude) == pytest.approx(
        metres, rel=1e-4, abs=1e-5
    )


def test_a_vertex_given_twice_changes_nothing() -> None:
    ring = [(130.28, 47.35), (130.29, 47.35), (130.29, 47.35), (130.285, 47.36), (130.28, 47.35)]
    once = shapely.Polygon([*ring[:2], *ring[3:]])
    twice = shapely.Polygon(ring)
    for point in [(130.285, 47.351), (130.2901, 47.3499), (130.29, 47.35)]:
        assert metres_to_boundary(twice, *point) == pytest.approx(
            metres_to_boundary(once, *point), abs=1e-8
        )


def test_many_vertices_are_reckoned_with_as_few_are() -> None:
    county = shapely.Point(130.28, 47.35).buffer(0.2, quad_segs=8_000)
    longitude, latitude = 130.48 - 0.0001, 47.35
    circle = Circle(longitude, latitude, 15)
    metres = EARTH.inv(longitude, latitude, 130.48, latitude)[2]
    assert metres_to_boundary(county, longitude, latitude) == pytest.approx(metres, rel=1e-5)
    # So near, the county's border is a line along a meridian.
    half_plane = shapely.box(130, 47, 130.48, 48)
    assert circle.shares([county]) == pytest.approx(circle.shares([half_plane]), abs=1e-4)
    assert not circle.lies_in(county)


@pytest.mark.parametrize("radius", [0.0, 5e-324, 1e-9, 0.001, 0.1, 10_000.0, 100_000.0])
@pytest.mark.parametrize("longitude", [-180.0, 0.0, 179.9999, 180.0])
@pytest.mark.parametrize("latitude", [-90.0, -89.5, 0.0, 89.0, 89.99999, 90.0])
def test_everywhere_on_earth_there_is_an_answer(
    longitude: float, latitude: float, radius: float
) -> None:
    halves = [shapely.box(-180, -90, 0, 90), shapely.box(0, -90, 180, 90)]
    circle = Circle(longitude, latitude, radius)
    shares = circle.shares(halves)
    assert np.isfinite(shares).all()
    assert shares.min() >= 0
    assert shares.sum() <= 1
    assert np.isfinite(metres_to(halves, longitude, latitude)).all()
    west, south, east, north = circle.bounds
    assert -180 <= west <= longitude <= east <= 180
    assert -90 <= south <= latitude <= north <= 90


def test_of_no_outlines_there_are_no_shares_and_no_distances() -> None:
    assert Circle(130.28, 47.35, 60).shares([]).tolist() == []
    assert metres_to([], 130.28, 47.35).tolist() == []


@pytest.mark.parametrize("radius", [-0.1, math.nan, math.inf, 100_001.0])
def test_a_circle_has_a_radius_of_the_neighbourhood(radius: float) -> None:
    with pytest.raises(Invalid, match="it is from 0 to 100000 metres"):
        Circle(130.28, 47.35, radius)
