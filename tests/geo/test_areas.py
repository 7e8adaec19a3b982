"""Areas are those of the ellipsoid under edges straight in degrees, and areas of parts add up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod, Transformer
from sqlalchemy import Connection, text

from bench.polygons import tiling_polygons
from gridmap.geo.areas import areas_m2

EARTH = Geod(ellps="WGS84")
EQUAL_AREA = Transformer.from_crs("EPSG:4326", "+proj=cea +ellps=WGS84", always_xy=True)
RAGGED = shapely.from_wkt(
    "MULTIPOLYGON (((0 0, 3 .4, 2 2, -.1 1.4, 0 0), (.2 .1, .4 .5, .5 .2, .2 .1)),"
    " ((-.9 .1, -.6 -.7, -.5 .2, -.9 .1)))"
)


def by_equal_area(polygon: Any, pieces: int) -> float:
    """The oracle: every edge cut into many, drawn in PROJ's equal-area projection."""
    longest = max(np.ptp(shapely.bounds(polygon).reshape(2, 2), axis=0))
    finer = shapely.segmentize(polygon, longest / pieces)
    drawn = shapely.transform(finer, lambda at: np.column_stack(EQUAL_AREA.transform(*at.T)))
    return float(shapely.area(drawn))


@pytest.mark.parametrize("latitude", [-60.0, 0.0, 30.0, 54.0, 75.0])
@pytest.mark.parametrize("size", [0.001, 0.1, 3.0])
def test_areas_are_those_of_an_equal_area_map(latitude: float, size: float) -> None:
    polygon = shapely.transform(RAGGED, lambda at: at * size + (130.287, latitude))
    assert areas_m2(polygon)[0] == pytest.approx(by_equal_area(polygon, 20_000), rel=2e-9)


def test_areas_are_those_of_geodesics_where_edges_are_short() -> None:
    polygon = shapely.transform(RAGGED, lambda at: at * 0.5 + (130.287, 47.35))
    finer = shapely.orient_polygons(shapely.segmentize(polygon, 2e-5))
    area, _ = EARTH.geometry_area_perimeter(finer)
    assert areas_m2(polygon)[0] == pytest.approx(area, rel=1e-9)


def test_half_the_world_has_half_its_area() -> None:
    # 510 065 621 724 088 m², NGA.STND.0036, table 3.5.
    north = shapely.box(-180, 0, 180, 90)
    assert areas_m2(north)[0] == pytest.approx(510_065_621_724_088 / 2, rel=1e-12)


def test_a_grid_differs_from_the_area_of_a_geography_by_a_millionth(
    connection: Connection,
) -> None:
    grids = tiling_polygons(50, 20)
    geographies = connection.execute(
        text("SELECT ST_Area(ST_GeomFromWKB(wkb, 4326)::geography) FROM unnest(:wkb) AS wkb"),
        {"wkb": shapely.to_wkb(grids).tolist()},
    ).scalars()
    assert areas_m2(grids) == pytest.approx(np.array(list(geographies)), rel=2e-6)


@settings(max_examples=50, deadline=None)
@given(
    st.floats(-179, 170), st.floats(-80, 79), st.floats(1e-4, 9), st.lists(st.floats(0.01, 0.99))
)
def test_a_point_added_to_an_edge_changes_no_area(
    west: float, south: float, size: float, along: list[float]
) -> None:
    corners = np.array([[0, 0], [1, 0.2], [0.8, 1.1], [0.1, 0.7]])
    added = [corners[0] + share * (corners[1] - corners[0]) for share in sorted(along)]
    plain, finer = (
        shapely.Polygon(np.array(ring) * size + (west, south))
        for ring in (corners, [corners[0], *added, *corners[1:]])
    )
    # A point that is added lies off the edge by what its own numbers round.
    rounding = 1e-13 + 1e-13 / size
    one, other = areas_m2([plain, finer])
    assert other == pytest.approx(one, rel=rounding)


def test_holes_take_away_and_no_direction_of_a_ring_matters() -> None:
    outer, hole = shapely.box(130, 47, 131, 48), shapely.box(130.2, 47.2, 130.3, 47.9)
    holed = shapely.Polygon(outer.exterior, [hole.exterior])
    whole, gone = areas_m2([outer, hole])
    turned = shapely.MultiPolygon([shapely.Polygon(holed.exterior.coords[::-1], holed.interiors)])
    for polygon in (holed, shapely.reverse(holed), turned):
        assert areas_m2(polygon)[0] == pytest.approx(whole - gone, rel=1e-14)


def test_nothing_and_what_is_empty_have_no_area() -> None:
    assert areas_m2([]).shape == (0,)
    empty_part = shapely.from_wkt("MULTIPOLYGON (EMPTY, ((0 0, 1 0, 1 1, 0 0)))")
    areas = areas_m2([shapely.Polygon(), empty_part, shapely.MultiPolygon()])
    assert areas[[0, 2]].tolist() == [0, 0]
    assert areas[1] == areas_m2(shapely.Polygon([(0, 0), (1, 0), (1, 1)]))[0]
