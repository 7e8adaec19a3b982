"""Outlines that were drawn beside borders lie on them afterwards: nothing is left between."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from shapely import LineString, MultiPolygon, Polygon, box

from gridmap.errors import Invalid
from gridmap.geo.areas import areas_m2
from gridmap.geo.snapping import CrossesItself, Snapped, snapped
from tests.tilings import metres, shaken, tiling

Geometries = NDArray[np.object_]

SQUARE = box(130.28, 47.33, 130.284, 47.334)
EAST = box(130.284, 47.33, 130.288, 47.334)


def rim(polygons: Geometries) -> Any:
    return shapely.boundary(shapely.union_all(polygons))


def vertices(polygon: Any) -> set[tuple[float, float]]:
    return {*map(tuple, shapely.get_coordinates(polygon).tolist())}


def beside(longitude: float, latitude: float, east: float, north: float) -> tuple[float, float]:
    """A place so many metres away."""
    away = metres(east, north)
    return float(longitude + away[0]), float(latitude + away[1])


def moved(polygon: Polygon, east: float, north: float) -> Polygon:
    """By metres."""
    return shapely.transform(polygon, lambda pairs: pairs + metres(east, north))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    chosen=st.sets(st.integers(0, 8), min_size=1),
    noise=st.floats(0, 0.3),
)
def test_outlines_drawn_beside_the_borders_tile_exactly_what_they_tiled(
    seed: int, chosen: set[int], noise: float
) -> None:
    random = np.random.default_rng(seed)
    whole = tiling(random)
    which = np.array(sorted(chosen))
    others = np.delete(whole, which)
    drawn = np.array([shaken(polygon, random, noise) for polygon in whole[which]])

    found = snapped(drawn, np.append(others, rim(whole[which])), 1.0)

    assert shapely.is_valid(found.polygons).all()
    everyone = np.append(found.polygons, others)
    united = shapely.union_all(whole)
    off = shapely.area(shapely.symmetric_difference(shapely.union_all(everyone), united))
    assert off <= 1e-9 * united.area
    assert abs(areas_m2(everyone).sum() - areas_m2(united)[0]) <= 1e-9 * areas_m2(united)[0]
    for i, polygon in enumerate(found.polygons):
        for other in found.polygons[i + 1 :]:
            # Bit for bit: what they share has no area at all.
            assert shapely.relate_pattern(polygon, other, "F********")
    assert (found.metres <= 1.0).all()
    again = snapped(found.polygons, np.append(others, rim(whole[which])), 1.0)
    assert len(again.metres) == 0
    assert shapely.equals(again.polygons, found.polygons).all()


def test_what_lies_on_the_borders_already_is_left_as_it_is() -> None:
    found = snapped([SQUARE], [EAST], 1.0)
    assert shapely.equals_exact(found.polygons[0], MultiPolygon([SQUARE]), 0)
    assert len(found.metres) == 0


def test_a_vertex_goes_to_the_nearest_vertex_and_what_was_moved_is_told() -> None:
    drawn = moved(SQUARE, 0.3, 0.4)
    found = snapped([drawn], [SQUARE], 1.0)
    assert shapely.equals(found.polygons[0], SQUARE)
    assert found.polygon.tolist() == [0] * 4
    assert found.metres == pytest.approx(np.full(4, 0.5), rel=1e-3)
    assert {*map(tuple, found.before.tolist())} == vertices(drawn)
    assert {*map(tuple, found.after.tolist())} == vertices(SQUARE)


def test_a_vertex_far_from_every_vertex_goes_to_the_edge() -> None:
    half = box(130.2840000001, 47.33, 130.288, 47.332)
    found = snapped([half], [SQUARE], 1.0)
    assert found.polygons[0].bounds[0] == 130.284
    assert shapely.relate_pattern(found.polygons[0], SQUARE, "F***1****")


def test_an_edge_is_drawn_onto_a_vertex_that_it_passes() -> None:
    top = beside(130.282, 47.334, 0, 0.6)
    bent = Polygon([(130.28, 47.33), (130.284, 47.33), (130.284, 47.334), top, (130.28, 47.334)])
    north = box(130.28, 47.334, 130.284, 47.338)
    found = snapped([north], [bent], 1.0)
    assert top in vertices(found.polygons[0])
    assert found.metres == pytest.approx([0.6], rel=1e-3)
    assert shapely.relate_pattern(found.polygons[0], bent, "F********")


def test_what_is_farther_than_the_tolerance_stays() -> None:
    drawn = moved(SQUARE, 0.3, 0.4)
    found = snapped([drawn], [SQUARE], 0.4)
    # Its corners are half a metre off, but the edges 0.3 and 0.4.
    assert 0 < found.metres.max() <= 0.4
    found = snapped([drawn], [SQUARE], 0.2)
    assert len(found.metres) == 0
    assert shapely.equals_exact(found.polygons[0], MultiPolygon([drawn]), 0)


def test_an_edge_that_runs_along_another_is_not_drawn_to_a_third() -> None:
    # The two have long been 0.5 m apart, and only the far side of one is to change.
    apart = moved(EAST, 0.5, 0)
    drawn = box(130.2801, 47.33, 130.284, 47.334)
    found = snapped([drawn], [apart, shapely.boundary(SQUARE)], 1.0)
    assert found.polygons[0].bounds[2] == SQUARE.bounds[2]


def test_a_hole_narrower_than_the_tolerance_closes() -> None:
    hole = box(130.282, 47.332, *beside(130.282, 47.332, 0.5, 0.5))
    west, south, east, north = hole.bounds
    found = snapped([SQUARE - hole], [LineString([(west, south), (east, north)])], 1.0)
    assert len(found.polygons[0].geoms[0].interiors) == 0


def test_what_comes_to_nothing_is_refused_by_its_position() -> None:
    needle = box(130.28, 47.33, *beside(130.28, 47.334, 0.5, 0))
    with pytest.raises(CrossesItself) as refused:
        snapped([SQUARE, needle], [shapely.boundary(SQUARE)], 1.0)
    assert refused.value.polygon == 1


@pytest.mark.parametrize("tolerance", [-1.0, 10.1, float("nan")])
def test_a_tolerance_is_a_length_of_some_metres(tolerance: float) -> None:
    with pytest.raises(Invalid):
        snapped([SQUARE], [EAST], tolerance)


def test_nothing_comes_of_nothing() -> None:
    found: Snapped = snapped([], [SQUARE], 1.0)
    assert len(found.polygons) == len(found.metres) == 0
