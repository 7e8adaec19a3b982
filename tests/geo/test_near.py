"""Near points are found as by measuring to every one of them on the ellipsoid."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pyproj import Geod

from gridmap.geo.near import NearPoints

_GEOD = Geod(ellps="WGS84")


def measured(points: NDArray[np.float64], longitude: float, latitude: float) -> list[float]:
    """Metres to each point by Karney's geodesics, NaN where nothing is."""
    here = (np.full(len(points), longitude), np.full(len(points), latitude))
    metres: list[float] = _GEOD.inv(*here, points[:, 0], points[:, 1])[2].tolist()
    return metres


@st.composite
def places(draw: st.DrawFn) -> tuple[NDArray[np.float64], float, float, float]:
    """Points around a place, the place, and a reach; some far away, on one spot, or not there."""
    longitude = draw(st.floats(-179.0, 179.0))
    latitude = draw(st.floats(-80.0, 80.0))
    reach = draw(st.sampled_from([0.0, 0.5, 30.0, 1_000.0]))
    random = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    azimuths = random.uniform(0, 360, 60)
    metres = random.uniform(0, 3 * reach + 1, 60)
    metres[:3] = 0
    east, north, _ = _GEOD.fwd(np.full(60, longitude), np.full(60, latitude), azimuths, metres)
    points = np.column_stack([east, north])
    points[:3] = longitude, latitude  # to the last digit
    points[3:6] = np.nan
    points[6:12] = random.uniform((-180, -90), (180, 90), (6, 2))
    return points, longitude, latitude, reach


@given(places())
def test_all_points_within_reach_are_found_and_none_beyond(
    drawn: tuple[NDArray[np.float64], float, float, float],
) -> None:
    points, longitude, latitude, reach = drawn
    # Parallels bend, the more the nearer to a pole; at 80 degrees that is 0.05 % of a kilometre.
    slack = 0.0005 * reach + 1e-6
    expected = measured(points, longitude, latitude)

    found = NearPoints(points, reach).within_reach(longitude, latitude)

    numbers = {number for _, number in found}
    assert len(numbers) == len(found)
    for number, metres in enumerate(expected):
        if metres <= reach - slack or metres == 0:
            assert number in numbers
        elif not metres <= reach + slack:  # NaN is nowhere
            assert number not in numbers
    assert [metres for metres, _ in found] == sorted(metres for metres, _ in found)
    for metres, number in found:
        assert metres == pytest.approx(expected[number], abs=slack)


def test_of_two_on_one_spot_the_lower_position_comes_first() -> None:
    points = np.array([(130.3, 47.3), (130.4, 47.3), (130.3, 47.3)])

    assert NearPoints(points, 30.0).within_reach(130.3, 47.3) == [(0.0, 0), (0.0, 2)]


def test_a_reach_of_nothing_finds_what_is_on_the_spot() -> None:
    points = np.array([(130.3, 47.3), (130.3, math.nextafter(47.3, 90.0))])

    assert NearPoints(points, 0.0).within_reach(130.3, 47.3) == [(0.0, 0)]


def test_where_there_are_no_points_none_is_near() -> None:
    for points in (np.empty((0, 2)), np.full((3, 2), np.nan)):
        assert NearPoints(points, 30.0).within_reach(130.3, 47.3) == []


@pytest.mark.parametrize("latitude", [-90.0, 90.0])
def test_at_a_pole_what_lies_on_the_meridian_is_found(latitude: float) -> None:
    """All longitudes meet there; as far as they are told apart, nothing is lost or invented."""
    points = np.array([(0.0, latitude), (0.0, math.copysign(89.9999, latitude)), (0.0, 0.0)])

    found = NearPoints(points, 30.0).within_reach(0.0, latitude)

    assert [number for _, number in found] == [0, 1]


def test_nothing_reaches_across_the_antimeridian() -> None:
    points = np.array([(179.99999, 10.0), (-179.99999, 10.0)])

    assert [each for _, each in NearPoints(points, 30.0).within_reach(179.99999, 10.0)] == [0]
