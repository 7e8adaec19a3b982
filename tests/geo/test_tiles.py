"""Tiles lie where Web Mercator has them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer

from gridmap.errors import Invalid
from gridmap.geo.tiles import EXTENT, Tile, tile

HALF_WORLD = 20037508.342789244

to_mercator = Transformer.from_crs(4326, 3857, always_xy=True)


@st.composite
def tiles(draw: st.DrawFn) -> Tile:
    zoom = draw(st.integers(0, 24))
    numbers = st.integers(0, (1 << zoom) - 1)
    return Tile(zoom, draw(numbers), draw(numbers))


@given(tiles(), st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
def test_a_tile_and_its_units_are_where_proj_has_them(
    tile: Tile, across: float, down: float
) -> None:
    side = 2 * HALF_WORLD / (1 << tile.zoom)
    west, north = tile.column * side - HALF_WORLD, HALF_WORLD - tile.row * side
    bounds = tile.bounds()
    expected = to_mercator.transform([bounds.west, bounds.east], [bounds.north, bounds.south])
    assert np.allclose(expected[0], [west, west + side], atol=1e-6)
    assert np.allclose(expected[1], [north, north - side], atol=1e-6)
    point = to_mercator.transform(west + across * side, north - down * side, direction="INVERSE")
    (x,), (y,) = tile.units(np.array([point]))
    assert abs(x + 0.5 - across * EXTENT) <= 0.51
    assert abs(y + 0.5 - down * EXTENT) <= 0.51


@pytest.mark.parametrize("numbers", [(3, 8, 0), (3, 0, 8), (3, -1, 0), (25, 0, 0), (-1, 0, 0)])
def test_what_is_no_tile_is_refused(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(Invalid, match="There is no"):
        tile(*numbers)
