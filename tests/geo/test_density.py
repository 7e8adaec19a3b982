"""Groups are those that PostGIS makes, and their outlines hold them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pyproj import Geod
from sqlalchemy import Connection, text

from gridmap.errors import Invalid
from gridmap.geo.checks import metres_per_degree
from gridmap.geo.circles import metres_to_boundary
from gridmap.geo.density import centres, dense_groups, outlines
from gridmap.store.database import tool_engine

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

EARTH = Geod(ellps="WGS84")
HERE = (130.287, 47.352)
RADIUS = 80.0

leasts = st.integers(1, 6)


@pytest.fixture(scope="module")
def postgis(database_url: str) -> Iterator[Connection]:
    """One connection for all examples of a property; nothing is written."""
    engine = tool_engine(database_url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def degrees(metres: Floats, around: tuple[float, float] = HERE) -> Floats:
    """Positions so many metres east and north of one, for some hundred metres around."""
    scale = np.column_stack(metres_per_degree(around[1]))
    return np.asarray(metres, dtype=np.float64).reshape(-1, 2) / scale + around


def by_postgis(postgis: Connection, metres: Floats, radius: float, least: int) -> list[int]:
    rows = postgis.execute(
        text(
            """
            SELECT ST_ClusterDBSCAN(ST_MakePoint(east, north), :radius, :least) OVER (ORDER BY i)
            FROM unnest(CAST(:east AS float8[]), CAST(:north AS float8[]))
                WITH ORDINALITY AS points (east, north, i)
            ORDER BY i
            """
        ),
        {
            "east": metres[:, 0].tolist(),
            "north": metres[:, 1].tolist(),
            "radius": radius,
            "least": least,
        },
    )
    return numbered([-1 if group is None else group for (group,) in rows])


def by_definition(near: Flags, least: int) -> list[int]:
    """The oracle for whom is near whom is known: bool (n, n)."""
    everyone = range(len(near))
    core = [sum(near[i].tolist()) >= least for i in everyone]
    group = [-1] * len(near)
    for start in everyone:
        found = [start] if core[start] and group[start] < 0 else []
        while found:
            member = found.pop()
            group[member] = start
            found += [i for i in everyone if near[member, i] and core[i] and group[i] < 0]
    for i in everyone:
        if not core[i]:
            group[i] = next((group[j] for j in everyone if near[i, j] and core[j]), -1)
    return numbered(group)


def numbered(groups: list[int]) -> list[int]:
    """The same groups, numbered by their first members."""
    numbers: dict[int, int] = {}
    return [-1 if each < 0 else numbers.setdefault(each, len(numbers)) for each in groups]


def geodesics(points: Floats) -> Floats:
    """Metres from each point to each, (n, n)."""
    count = len(points)
    starts, ends = np.repeat(points, count, axis=0), np.tile(points, (count, 1))
    metres = EARTH.inv(starts[:, 0], starts[:, 1], ends[:, 0], ends[:, 1])[2]
    return np.asarray(metres).reshape(count, count)


@st.composite
def lattices(draw: st.DrawFn) -> tuple[Floats, float]:
    """Points on whole steps, often several on one, and a radius no two of them are apart: so that
    what is within it is beyond doubt, and many points are on the rim of more than one group."""
    size = draw(st.integers(1, 12))
    steps = st.integers(0, size)
    points = draw(st.lists(st.tuples(steps, steps), max_size=60))
    step = draw(st.sampled_from([0.5, 20.0, 57.0]))
    reach = math.sqrt(draw(st.sampled_from([0.5, 1.5, 2.5, 4.5, 8.5])))
    return np.array(points, dtype=np.float64).reshape(-1, 2) * step, reach * step


@st.composite
def scattered(draw: st.DrawFn) -> tuple[Floats, float]:
    """Points on thousandths of a radius, from so dense that cells have to be halved many times to
    so thin that hardly any are near; some stacked."""
    random = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    count, side = draw(st.integers(1, 400)), draw(st.sampled_from([0.5, 2.0, 5.0, 20.0]))
    points = random.integers(0, int(side * 1_000) + 1, (count, 2)) / 1_000 * RADIUS
    if draw(st.booleans()):
        points = points[random.integers(0, max(count // 4, 1), count)]
    return points, RADIUS


@settings(max_examples=300, deadline=None)
@given(case=lattices(), least=leasts)
def test_groups_are_those_of_postgis_whatever_lies_between_two(
    postgis: Connection, case: tuple[Floats, float], least: int
) -> None:
    metres, radius = case
    groups = dense_groups(degrees(metres), radius, least)
    assert groups.tolist() == by_postgis(postgis, metres, radius, least)


@settings(max_examples=100, deadline=None)
@given(case=scattered(), least=leasts | st.sampled_from([20, 100, 300]))
def test_groups_are_those_of_postgis_however_dense_the_points(
    postgis: Connection, case: tuple[Floats, float], least: int
) -> None:
    metres, radius = case
    # A pair that is the radius apart to a ten-thousandth is here or there near.
    apart = np.hypot(*(metres[:, None] - metres).T)
    assume(not (np.abs(apart / radius - 1) < 1e-4).any())
    groups = dense_groups(degrees(metres), radius, least)
    assert groups.tolist() == by_postgis(postgis, metres, radius, least)


@settings(max_examples=100, deadline=None)
@given(
    places=st.lists(
        st.tuples(st.floats(-179, 179), st.floats(-80, 80)), min_size=1, max_size=3, unique=True
    ),
    radius=st.sampled_from([0.5, 80.0, 500.0]),
    least=leasts,
    seed=st.integers(0, 1 << 32),
)
def test_metres_are_those_on_the_ground_however_far_the_points_spread(
    places: list[tuple[float, float]], radius: float, least: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    points = np.vstack([degrees(random.uniform(0, 4, (15, 2)) * radius, each) for each in places])
    points = random.permutation(points)
    metres = geodesics(points)
    assume(not (np.abs(metres / radius - 1) < 1e-6).any())
    groups = dense_groups(points, radius, least)
    assert groups.tolist() == by_definition(metres <= radius, least)


@pytest.mark.parametrize("latitude", [-85.0, -60.0, 0.0, 30.0, 47.0, 75.0, 85.0])
@pytest.mark.parametrize("azimuth", [0.0, 30.0, 90.0, 200.0])
@pytest.mark.parametrize("metres", [80.0, 300.0, 1_000.0])
def test_the_radius_is_true_to_a_millionth(latitude: float, azimuth: float, metres: float) -> None:
    there = EARTH.fwd(HERE[0], latitude, azimuth, metres)[:2]
    points = np.array([(HERE[0], latitude), there])
    assert dense_groups(points, metres * (1 + 1e-6), 2).tolist() == [0, 0]
    assert dense_groups(points, metres * (1 - 1e-6), 2).tolist() == [-1, -1]


def test_a_point_at_the_radius_is_within_it() -> None:
    points = np.array([(0.0, 0.0), (2.0**-10, 0.0)])
    metres = float(metres_per_degree(0.0)[0]) * 2.0**-10
    assert dense_groups(points, metres, 2).tolist() == [0, 0]
    assert dense_groups(points, math.nextafter(metres, 0), 2).tolist() == [-1, -1]


def test_a_point_between_two_groups_is_in_that_of_the_first_point_with_enough_around() -> None:
    western, eastern = [(-70, 0), (-80, 0), (-80, 5)], [(70, 0), (80, 0), (80, 5)]
    between = [(0, 0)]
    for first, second in ((western, eastern), (eastern, western)):
        groups = dense_groups(degrees(np.array(between + first + second)), 75.0, 4)
        # Only the nearest of each has four around it.
        assert groups.tolist() == [0, 0, 0, 0, 1, 1, 1]


def test_reports_at_one_address_are_a_group_when_there_are_enough() -> None:
    address = np.tile(HERE, (5, 1))
    assert dense_groups(address, RADIUS, 5).tolist() == [0] * 5
    assert dense_groups(address[:4], RADIUS, 5).tolist() == [-1] * 4


def test_if_one_point_is_enough_each_is_in_a_group() -> None:
    points = degrees(np.array([(0, 0), (500, 0), (60, 0)]))
    assert dense_groups(points, RADIUS, 1).tolist() == [0, 1, 0]


def test_of_many_points_all_within_the_radius_each_counts() -> None:
    turns = np.linspace(0, math.tau, 3_000)
    reach = np.linspace(0, 0.499 * RADIUS, 3_000)
    points = degrees(np.column_stack((reach * np.cos(turns), reach * np.sin(turns))))
    for least, group in ((5, 0), (2_999, 0), (3_000, 0), (3_001, -1)):
        assert (dense_groups(points, RADIUS, least) == group).all()


def test_groups_are_numbered_by_their_first_points() -> None:
    points = degrees(np.array([(900, 0), (500, 0), (0, 0), (500, 9), (0, 9), (-70, 0)]))
    assert dense_groups(points, RADIUS, 2).tolist() == [-1, 0, 1, 0, 1, 1]


def test_no_points_make_no_groups() -> None:
    none = np.empty((0, 2))
    groups = dense_groups(none, RADIUS, 5)
    assert groups.tolist() == []
    assert outlines(none, groups, RADIUS).tolist() == []
    assert centres(none, groups).tolist() == []


def test_nothing_reaches_across_the_antimeridian() -> None:
    points = np.array([(179.9999, 10.0), (-179.9999, 10.0), (180.0, 10.0)])
    assert dense_groups(points, RADIUS, 2).tolist() == [0, -1, 0]


@pytest.mark.parametrize("latitude", [-90.0, -89.5, 89.0, 90.0])
def test_at_a_pole_lengths_are_those_at_89_degrees(latitude: float) -> None:
    across = float(metres_per_degree(89.0)[0])
    points = np.array([(0.0, latitude), (79 / across, latitude), (160 / across, latitude)])
    assert dense_groups(points, RADIUS, 2).tolist() == [0, 0, -1]


@pytest.mark.parametrize(
    ("points", "radius", "least", "message"),
    [
        ([(130.0, 47.0), (math.nan, 47.0)], 80.0, 5, "Point 1 is no position"),
        ([(47.0, 130.0)], 80.0, 5, "longitude 47.0, latitude 130.0. Give longitude first"),
        ([(130.0, 47.0, 0.0)], 80.0, 5, r"of shape \(1, 3\)"),
        ([(130.0, 47.0)], 0.0, 5, "The radius is 0; it is from 0.1 to 10000 metres"),
        ([(130.0, 47.0)], math.nan, 5, "The radius is nan"),
        ([(130.0, 47.0)], 10_001.0, 5, "The radius is 10001"),
        ([(130.0, 47.0)], 80.0, 0, "cannot be made of 0 points"),
    ],
)
def test_what_makes_no_sense_is_refused(
    points: list[tuple[float, ...]], radius: float, least: int, message: str
) -> None:
    with pytest.raises(Invalid, match=message):
        dense_groups(np.array(points), radius, least)


def test_groups_that_are_not_numbered_through_are_refused() -> None:
    points = degrees(np.array([(0, 0), (500, 0)]))
    with pytest.raises(Invalid, match="No point is in group 1"):
        outlines(points, np.array([0, 2]), RADIUS)
    with pytest.raises(Invalid, match="There are 2 points"):
        centres(points, np.array([0]))


@settings(max_examples=60, deadline=None)
@given(scattered(), leasts, st.floats(-85, 85))
def test_an_outline_is_one_polygon_with_all_points_of_its_group_well_inside(
    case: tuple[Floats, float], least: int, latitude: float
) -> None:
    metres, radius = case
    points = degrees(metres, (HERE[0], latitude))
    groups = dense_groups(points, radius, least)
    shapes = outlines(points, groups, radius)
    assert len(shapes) == groups.max() + 1
    for number, shape in enumerate(shapes):
        members = points[groups == number]
        assert shape.geom_type == "Polygon"
        assert shape.is_valid
        assert shapely.covers(shape, shapely.points(members)).all()
        for longitude, north in np.unique(members, axis=0)[:20].tolist():
            assert metres_to_boundary(shape, longitude, north) >= radius / 4
        corners = shapely.get_coordinates(shape)
        for longitude, north in corners[:20].tolist():
            here = np.tile((longitude, north), (len(members), 1))
            away = EARTH.inv(here[:, 0], here[:, 1], members[:, 0], members[:, 1])[2]
            assert min(away) <= 1.4 * radius


def test_the_outline_of_one_address_is_small_and_round() -> None:
    [shape] = outlines(np.tile(HERE, (500, 1)), np.zeros(500, dtype=np.intp), RADIUS)
    assert shapely.get_num_coordinates(shape) <= 13
    area = shapely.area(shape) * math.prod(map(float, metres_per_degree(HERE[1])))
    assert 0.4 * RADIUS < math.sqrt(area / math.pi) < 0.75 * RADIUS


def test_a_ring_of_points_keeps_its_hole_and_a_small_gap_is_filled() -> None:
    turns = np.linspace(0, math.tau, 60, endpoint=False)
    circle = np.column_stack((np.cos(turns), np.sin(turns)))
    for size, holes in ((3 * RADIUS, 1), (0.9 * RADIUS, 0)):
        points = degrees(circle * size)
        [shape] = outlines(points, dense_groups(points, RADIUS, 2), RADIUS)
        assert len(shape.interiors) == holes


def test_points_far_from_each_other_still_have_one_outline() -> None:
    points = np.array([(130.2, 47.3), (130.3, 47.4), (125.0, 40.0)])
    [shape] = outlines(points, np.zeros(3, dtype=np.intp), RADIUS)
    assert shape.is_valid
    assert shape.geom_type == "Polygon"
    assert shapely.covers(shape, shapely.points(points)).all()


def test_a_centre_is_the_mean_of_its_group() -> None:
    points = np.array([(130.0, 47.0), (131.0, 40.0), (130.5, 47.5), (10.0, 10.0)])
    groups = np.array([1, 0, 1, -1])
    assert centres(points, groups).tolist() == [[131.0, 40.0], [130.25, 47.25]]
    address = np.tile((130.1, 47.3), (7, 1))
    assert centres(address, np.zeros(7, dtype=np.intp)).tolist() == [[130.1, 47.3]]
