"""Datums: against published vectors, and against themselves where a round trip must come home."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pyproj import Geod

from gridmap.geo.datums import (
    CHINA_BOX,
    Datum,
    from_wgs84,
    geometries_from_wgs84,
    geometries_to_wgs84,
    to_wgs84,
)

Points = NDArray[np.float64]

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "fixtures" / "gcj_vectors.json").read_text("utf-8")
)["vectors"]
IN_CHINA = [vector for vector in VECTORS if not vector["name"].startswith("outside")]
OUTSIDE = [vector for vector in VECTORS if vector["name"].startswith("outside")]
SHIFTED = [Datum.GCJ02, Datum.BD09]

# Farther from the box's edges than any shift reaches.
WELL_INSIDE = st.tuples(
    st.floats(CHINA_BOX.west + 0.05, CHINA_BOX.east - 0.05),
    st.floats(CHINA_BOX.south + 0.05, CHINA_BOX.north - 0.05),
)
ANYWHERE_INSIDE = st.tuples(
    st.floats(CHINA_BOX.west, CHINA_BOX.east), st.floats(CHINA_BOX.south, CHINA_BOX.north)
)
AT_THE_EDGE = st.tuples(
    st.sampled_from([CHINA_BOX.west, CHINA_BOX.east]), st.floats(CHINA_BOX.south, CHINA_BOX.north)
) | st.tuples(
    st.floats(CHINA_BOX.west, CHINA_BOX.east), st.sampled_from([CHINA_BOX.south, CHINA_BOX.north])
)


def metres_between(first: Points, second: Points) -> Points:
    _, _, metres = Geod(ellps="WGS84").inv(first[:, 0], first[:, 1], second[:, 0], second[:, 1])
    return np.asarray(metres, dtype=np.float64)


def points(*positions: tuple[float, float] | list[float]) -> Points:
    return np.array(positions, dtype=np.float64).reshape(-1, 2)


def random_points(count: int, *, margin: float = 0.0) -> Points:
    random = np.random.default_rng(20230630)
    return np.column_stack(
        (
            random.uniform(CHINA_BOX.west - margin, CHINA_BOX.east + margin, count),
            random.uniform(CHINA_BOX.south - margin, CHINA_BOX.north + margin, count),
        )
    )


@pytest.mark.parametrize("vector", IN_CHINA, ids=lambda vector: vector["name"])
@pytest.mark.parametrize(("datum", "key"), [(Datum.GCJ02, "gcj02"), (Datum.BD09, "bd09")])
def test_published_positions_are_met_within_a_centimetre(
    vector: dict[str, Any], datum: Datum, key: str
) -> None:
    wgs84, shifted = points(vector["wgs84"]), points(vector[key])
    assert metres_between(from_wgs84(wgs84, datum), shifted)[0] < 0.01
    assert metres_between(to_wgs84(shifted, datum), wgs84)[0] < 0.01


def test_the_vectors_hold_places_inside_and_outside_china() -> None:
    assert len(IN_CHINA) >= 10
    assert len(OUTSIDE) >= 1


@pytest.mark.parametrize("vector", OUTSIDE, ids=lambda vector: vector["name"])
@pytest.mark.parametrize("datum", list(Datum))
def test_london_is_never_shifted(vector: dict[str, Any], datum: Datum) -> None:
    london = points(vector["wgs84"])
    assert from_wgs84(london, datum).tobytes() == london.tobytes()
    assert to_wgs84(london, datum).tobytes() == london.tobytes()


def test_hegang_is_off_by_as_much_as_its_map_vendors_put_it() -> None:
    # Known of the city: 643–670 m in GCJ-02, about 1,434 m in BD-09 at its centre.
    longitude, latitude = np.meshgrid(
        np.linspace(130.20, 130.34, 30), np.linspace(47.24, 47.37, 30)
    )
    city = np.column_stack((longitude.ravel(), latitude.ravel()))
    gcj02 = metres_between(city, from_wgs84(city, Datum.GCJ02))
    assert gcj02.min() > 640
    assert gcj02.max() < 673
    centre = points((130.2847, 47.343))
    assert metres_between(centre, from_wgs84(centre, Datum.BD09))[0] == pytest.approx(1434, abs=1)


@pytest.mark.parametrize("datum", SHIFTED)
@given(position=ANYWHERE_INSIDE | AT_THE_EDGE)
def test_every_position_in_the_box_survives_being_shifted_and_put_back(
    datum: Datum, position: tuple[float, float]
) -> None:
    start = points(position)
    assert metres_between(to_wgs84(from_wgs84(start, datum), datum), start)[0] < 0.001


@pytest.mark.parametrize("datum", SHIFTED)
@given(position=WELL_INSIDE)
def test_every_shifted_position_in_china_survives_being_put_back_and_shifted(
    datum: Datum, position: tuple[float, float]
) -> None:
    start = points(position)
    assert metres_between(from_wgs84(to_wgs84(start, datum), datum), start)[0] < 0.001


@pytest.mark.parametrize("datum", SHIFTED)
@given(longitude=st.floats(104.999999, 105.000001), latitude=st.floats(34.999999, 35.000001))
def test_the_kink_of_the_formula_at_105_east_is_inverted_too(
    datum: Datum, longitude: float, latitude: float
) -> None:
    start = points((longitude, latitude))
    assert metres_between(to_wgs84(from_wgs84(start, datum), datum), start)[0] < 0.001


@pytest.mark.parametrize("datum", SHIFTED)
def test_near_the_edge_outside_a_position_comes_back_or_is_off_by_no_more_than_the_shift(
    datum: Datum,
) -> None:
    # No map can be one to one here; the module says what happens, and this holds it to that.
    start = random_points(200_000, margin=0.05)
    west, south, east, north = CHINA_BOX
    longitude, latitude = start.T
    inside = (longitude >= west) & (longitude <= east) & (latitude >= south) & (latitude <= north)
    back = to_wgs84(from_wgs84(start, datum), datum)
    assert metres_between(back[inside], start[inside]).max() < 0.001
    off = metres_between(back[~inside], start[~inside])
    assert (off == 0).mean() > 0.8
    assert 0 < off.max() < 3000


@pytest.mark.parametrize("datum", SHIFTED)
def test_a_shifted_position_without_an_origin_in_the_box_stays_where_it_is(datum: Datum) -> None:
    start = random_points(200_000, margin=0.05)
    found = to_wgs84(start, datum)
    moved = (found != start).any(axis=1)
    west, south, east, north = CHINA_BOX
    assert found[moved, 0].min() >= west
    assert found[moved, 0].max() <= east
    assert found[moved, 1].min() >= south
    assert found[moved, 1].max() <= north
    again = from_wgs84(found[moved], datum)
    assert metres_between(again, start[moved]).max() < 0.001


@pytest.mark.parametrize("datum", SHIFTED)
@pytest.mark.parametrize("convert", [to_wgs84, from_wgs84])
def test_a_point_gets_the_same_answer_in_any_company(datum: Datum, convert: Any) -> None:
    start = random_points(501, margin=1.0)
    together = convert(start, datum)
    alone = np.concatenate([convert(start[i : i + 1], datum) for i in range(len(start))])
    assert together.tobytes() == alone.tobytes()


@pytest.mark.parametrize("datum", [Datum.WGS84, Datum.CGCS2000])
def test_wgs84_and_cgcs2000_come_back_bit_for_bit(datum: Datum) -> None:
    start = np.array([[130.28, 47.34], [np.nan, -0.0], [np.inf, 1e300]])
    assert to_wgs84(start, datum).tobytes() == start.tobytes()
    assert from_wgs84(start, datum).tobytes() == start.tobytes()
    shapes = np.array([shapely.Point(1, 2, 3), None], dtype=object)
    assert geometries_to_wgs84(shapes, datum)[0].has_z
    assert geometries_from_wgs84(shapes, datum)[1] is None


@pytest.mark.parametrize("datum", SHIFTED)
def test_what_is_no_position_is_left_alone_without_a_warning(datum: Datum) -> None:
    start = np.array([[np.nan, 47.0], [130.0, np.inf], [-np.inf, np.nan], [1e308, 90.0]])
    assert to_wgs84(start, datum).tobytes() == start.tobytes()
    assert from_wgs84(start, datum).tobytes() == start.tobytes()


@pytest.mark.parametrize("datum", list(Datum))
def test_no_points_are_no_trouble(datum: Datum) -> None:
    assert to_wgs84(np.empty((0, 2)), datum).shape == (0, 2)
    assert from_wgs84(np.empty((0, 2)), datum).shape == (0, 2)


def test_a_conversion_does_not_change_its_input() -> None:
    start = points((130.28, 47.34))
    kept = start.copy()
    to_wgs84(start, Datum.BD09)
    from_wgs84(start, Datum.GCJ02)
    assert start.tobytes() == kept.tobytes()


@pytest.mark.parametrize("shape", [(2,), (3, 3), (1, 2, 1)])
def test_points_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"shape \(n, 2\)"):
        to_wgs84(np.zeros(shape), Datum.GCJ02)


@pytest.mark.parametrize("datum", SHIFTED)
def test_geometries_move_vertex_by_vertex_and_none_stays_none(datum: Datum) -> None:
    hole = shapely.box(130.26, 47.32, 130.27, 47.33)
    shapes = np.array(
        [
            shapely.box(130.25, 47.31, 130.30, 47.36).difference(hole),
            None,
            shapely.Point(130.2847, 47.343),
            shapely.MultiPolygon([shapely.box(116, 39, 117, 40), shapely.box(-1, 51, 0, 52)]),
        ],
        dtype=object,
    )
    moved = geometries_from_wgs84(shapes, datum)
    assert moved[1] is None
    kept = [0, 2, 3]
    assert shapely.is_valid(moved[kept]).all()
    expected = from_wgs84(shapely.get_coordinates(shapes), datum)
    assert shapely.get_coordinates(moved).tobytes() == expected.tobytes()
    back = geometries_to_wgs84(moved, datum)
    difference = shapely.get_coordinates(back) - shapely.get_coordinates(shapes)
    assert np.abs(difference).max() < 1e-11
    assert shapely.equals_identical(back[3].geoms[1], shapes[3].geoms[1])


@pytest.mark.parametrize("name", ["WGS84", "CGCS2000", "GCJ02", "BD09"])
def test_a_datum_is_written_as_it_is_named(name: str) -> None:
    assert Datum[name] == Datum(name) == name
