"""Random tilings of a few irregular polygons, and outlines as somebody draws them anew."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import Polygon

Floats = NDArray[np.float64]

WEST, SOUTH = 130.28, 47.33
SIDE = np.array([0.004, 0.0027])
"""Of a cell, in degrees: some 300 m."""


def metres(east: float, north: float) -> Floats:
    """So many metres in degrees, near Hegang."""
    return np.array([east / 75_570.0, north / 111_180.0])


def tiling(
    random: np.random.Generator, side: int = 3, origin: tuple[float, float] = (WEST, SOUTH)
) -> NDArray[np.object_]:
    """Polygons (side²,) row by row from the south-west: corners, and two vertices on each border,
    lie where chance has it."""
    count = side * 3 + 1
    places = np.stack(np.meshgrid(np.arange(count), np.arange(count)), axis=-1) / 3.0
    places += random.uniform(-0.08, 0.08, places.shape)
    points = places * SIDE + origin
    polygons = []
    for row in range(0, side * 3, 3):
        for column in range(0, side * 3, 3):
            ring = [
                *points[row, column : column + 3],
                *points[row : row + 3, column + 3],
                *points[row + 3, column + 3 : column : -1],
                *points[row + 3 : row : -1, column],
            ]
            polygons.append(Polygon(ring))
    return np.array(polygons, dtype=np.object_)


def shaken(polygon: Polygon, random: np.random.Generator, most_metres: float) -> Polygon:
    """With each vertex up to so many metres off, some edges with one vertex more, to the seventh
    decimal. Of vertices less than a metre apart, as computing leaves them, one is kept."""
    ring = shapely.get_coordinates(polygon.exterior)[:-1]
    apart = np.hypot(*((ring - np.roll(ring, 1, axis=0)) / metres(1, 1)).T)
    ring = ring[apart > 1.0]
    middles = (ring + np.roll(ring, -1, axis=0)) / 2
    more = random.random(len(ring)) < 0.3
    ring = np.insert(ring, np.flatnonzero(more) + 1, middles[more], axis=0)
    angle = random.uniform(0, 2 * np.pi, len(ring))
    away = most_metres * random.random(len(ring))
    offsets = np.stack([np.cos(angle), np.sin(angle)], axis=1) * away[:, None]
    return Polygon(np.round(ring + offsets * metres(1, 1), 7))
