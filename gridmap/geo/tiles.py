"""Tiles of a web map: squares of Web Mercator (EPSG:3857), four of each zoom to one of the last.

A tile is divided into 4096 units, eight to a pixel of the 512 that map clients draw it with. The
units of a zoom count from the north-west corner of the world, columns to the east and rows to the
south, so that a place has whole numbers which any tile of the zoom shares.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gridmap.errors import Invalid
from gridmap.geo.bounds import Bounds

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

EXTENT = 4096
"""Units along a tile's side."""

BUFFER = 64
"""Units around a tile that it tells too, so that lines along its edge are drawn whole."""

DEEPEST_ZOOM = 24


class Tile(NamedTuple):
    """One tile: `column` from west to east, `row` from north to south, both from 0 on."""

    zoom: int
    column: int
    row: int

    @property
    def west(self) -> int:
        """Units of the zoom from the world's western edge to the tile's."""
        return self.column * EXTENT

    @property
    def north(self) -> int:
        """Units of the zoom from the world's northern edge to the tile's."""
        return self.row * EXTENT

    def bounds(self, buffer: int = 0) -> Bounds:
        """In degrees, with so many units around; longitudes stay within ±180."""
        margin = buffer / EXTENT
        return Bounds(
            max(self._longitude(self.column - margin), -180.0),
            self._latitude(self.row + 1 + margin),
            min(self._longitude(self.column + 1 + margin), 180.0),
            self._latitude(self.row - margin),
        )

    def units(self, points: Floats) -> tuple[Ints, Ints]:
        """Where points in the tile are, from its north-west corner: x to the east, y to the south.

        `points`: float64 (n, 2), longitude then latitude, degrees. Returns int64 (n,) each, 0 to
        4095; rounding moves none across the tile's edge. y = asinh(tan φ) (Snyder, Map Projections:
        A Working Manual, 1987, equation 7-2a).
        """
        side = EXTENT << self.zoom
        longitudes, latitudes = points.T
        x = (longitudes + 180) / 360 * side - self.west
        y = (0.5 - np.arcsinh(np.tan(np.radians(latitudes))) / (2 * np.pi)) * side - self.north
        column, row = (np.clip(np.floor(each), 0, EXTENT - 1).astype(np.int64) for each in (x, y))
        return column, row

    def _longitude(self, column: float) -> float:
        return math.ldexp(column, -self.zoom) * 360 - 180

    def _latitude(self, row: float) -> float:
        """By the inverse of the spherical Mercator projection."""
        return math.degrees(math.atan(math.sinh(math.pi * (1 - math.ldexp(row, 1 - self.zoom)))))


def tile(zoom: int, column: int, row: int) -> Tile:
    """The tile of such numbers. Raises Invalid where there is none."""
    if not 0 <= zoom <= DEEPEST_ZOOM:
        raise Invalid(f"There is no zoom {zoom}; ask for one from 0 to {DEEPEST_ZOOM}.")
    last = (1 << zoom) - 1
    for name, number in (("x", column), ("y", row)):
        if not 0 <= number <= last:
            raise Invalid(
                f"There is no tile with {name} {number} at zoom {zoom}; {name} goes from 0 to "
                f"{last}."
            )
    return Tile(zoom, column, row)
