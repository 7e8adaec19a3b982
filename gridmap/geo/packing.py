"""Outlines made small for a phone, and how far they are from the true ones at most.

A ring becomes fewer corners on a lattice of micro-degrees. Between two corners that stay, the true
ring runs within some metres of the new stretch; the most of all is the error. Nearer to the line
than that nothing is sure, but whoever is farther from all lines of a packed outline is inside it if
and only if inside the true one: the true ring can be moved onto the new one within strips that are
convex and do not hold the point, so that its winding number there stays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

TOLERANCE_METRES = 0.5
"""Corners nearer than this to the line without them go."""

_LATTICE = 1_000_000  # a degree; a step is 11 cm to the north
_METRES_PER_DEGREE = 111_320.0
# Distances are reckoned on a plane around each corner, which is true to 0.1 % over the longest edge
# that a grid has, and on a sphere instead of the ellipsoid, true to 0.6 %.
_MARGIN = 1.01


@dataclass(frozen=True)
class PackedOutline:
    """`polygons`: of each its rings, the outer first; a ring is micro-degrees x, y of its first
    corner and then the steps to the others, without the first again. `error_metres`: see above.
    """

    polygons: list[list[list[int]]]
    error_metres: float


def packed(outline: shapely.Geometry) -> PackedOutline:
    """A polygon or multipolygon, WGS 84 degrees, longitude first, made small."""
    polygons, errors = [], [0.0]
    for polygon in shapely.get_parts(outline):
        rings = []
        for ring in shapely.get_rings(polygon):
            corners, error = _packed(shapely.get_coordinates(ring))
            steps = np.diff(corners, axis=0, prepend=np.zeros((1, 2), dtype=np.int64))
            rings.append(steps.ravel().tolist())
            errors.append(error)
        polygons.append(rings)
    return PackedOutline(polygons, max(errors))


def _packed(ring: NDArray[np.float64]) -> tuple[NDArray[np.int64], float]:
    """The corners int64 (m, 2) that stay of a closed ring float64 (n, 2), and the error."""
    kept = _corners_kept(ring)
    lattice = np.rint(ring[kept] * _LATTICE).astype(np.int64)
    return lattice[:-1], _error(ring, kept, lattice / _LATTICE)


def _corners_kept(ring: NDArray[np.float64]) -> NDArray[np.intp]:
    """Positions of the corners that stay, the first and the last with them.

    What would be left with less than a triangle stays as it is.
    """
    plane = ring * _scale(ring[:, 1].mean())
    simple = shapely.get_coordinates(
        shapely.simplify(shapely.linestrings(plane), TOLERANCE_METRES, preserve_topology=False)
    )
    if len(simple) < 4:
        return np.arange(len(ring))
    # What is left are corners of the ring in its order, unchanged.
    kept, position = [], 0
    for corner in simple:
        while not np.array_equal(plane[position], corner):
            position += 1
        kept.append(position)
        position += 1
    kept[-1] = len(ring) - 1
    return np.array(kept)


def _error(ring: NDArray[np.float64], kept: NDArray[np.intp], new: NDArray[np.float64]) -> float:
    """Metres that a corner of the ring lies from the stretch that stands for its part, at most.

    A part's ends count for the stretch on either side. Distance to a stretch is convex, so that
    what holds for corners holds for all between them.
    """
    part = np.searchsorted(kept, np.arange(len(ring)), side="right") - 1
    last = len(kept) - 2
    after = _metres_to_stretches(ring, new, np.clip(part, 0, last))
    before = _metres_to_stretches(ring[kept], new, np.clip(np.arange(len(kept)) - 1, 0, last))
    return float(max(after.max(), before.max()))


def _metres_to_stretches(
    points: NDArray[np.float64], line: NDArray[np.float64], stretch: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Metres float64 (n,) of each point to the stretch of the line that has its number."""
    scale = _scale(points[:, 1])
    start = (line[stretch] - points) * scale
    along = (line[stretch + 1] - line[stretch]) * scale
    length2 = np.einsum("ij,ij->i", along, along)
    passed = -np.einsum("ij,ij->i", start, along) / np.where(length2 > 0, length2, 1)
    nearest = start + np.clip(passed, 0, 1)[:, None] * along
    metres: NDArray[np.float64] = np.hypot(nearest[:, 0], nearest[:, 1]) * _MARGIN
    return metres


def _scale(latitude: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Metres of a degree of longitude and of latitude there."""
    across = np.cos(np.radians(latitude)) * _METRES_PER_DEGREE
    return np.stack(np.broadcast_arrays(across, _METRES_PER_DEGREE), axis=-1)


def rounded_up(metres: float) -> float:
    """To whole centimetres, never less."""
    return math.ceil(metres * 100) / 100
