"""Squares within squares, down to leaves: where `PointIndex` looks, and how it is made.

Crowded places are divided more often than empty ones, so that every leaf holds about a hundred
ordinary polygons. A leaf is what a change makes anew; all others stay as they are, in the old index
and in the new one.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import ceil, sqrt
from typing import Any, NamedTuple, final

import numpy as np
import shapely
from numpy.typing import NDArray

from gridmap.geo.leaves import Edges, Leaf, leaf, spread, whole

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Geometries = NDArray[np.object_]


@final
@dataclass(frozen=True, slots=True)
class Division:
    """A square whose cells are squares: `squares` by row * side + column, None where nobody is."""

    side: int
    squares: list[Square | None]


Square = Division | Leaf


class Frame(NamedTuple):
    """Where a square lies: in its own units it goes from 0 to 1, west to east and south to north.

    `path`: the side, column and row of each division on the way down from the widest square.

    All steps are monotone, and exact where they decide: x * side cannot round up to the next cell's
    beginning at x = 1, nor does taking off the whole part round. What lies before a square stays
    below 0, what lies behind it at 1 or above. All data lie within the widest square and divisions
    are 20 deep at most, so what rounding there is stays below 2⁻⁴⁷ of that square; `slack`, in
    units of this one, has eight times as much.
    """

    west: float
    south: float
    across: float
    up: float
    path: tuple[tuple[int, int, int], ...] = ()

    @classmethod
    def around(cls, bounds: Floats) -> Frame:
        """The widest square for bounds (n, 4), in degrees, with some room for changes."""
        west, south = bounds[:, :2].min(axis=0, initial=FARTHEST_DEGREES)
        east, north = bounds[:, 2:].max(axis=0, initial=-FARTHEST_DEGREES)
        width, height = max(east - west, _LEAST_DEGREES), max(north - south, _LEAST_DEGREES)
        room = _ROOM / (1 + 2 * _ROOM)
        across, up = (1 / size / (1 + 2 * _ROOM) for size in (width, height))
        return cls(float(west - room / across), float(south - room / up), float(across), float(up))

    def holds(self, bounds: Floats) -> bool:
        """Whether bounds (n, 4), in degrees or NaN, lie wholly within."""
        boxes = _boxes(self, bounds[~np.isnan(bounds[:, 0])])
        return bool(((boxes >= 0) & (boxes < 1)).all())

    def x(self, longitudes: Floats) -> Floats:
        x = (longitudes - self.west) * self.across
        for side, column, _ in self.path:
            x = x * side - column
        return x

    def y(self, latitudes: Floats) -> Floats:
        y = (latitudes - self.south) * self.up
        for side, _, row in self.path:
            y = y * side - row
        return y

    def within(self, side: int, cell: int) -> Frame:
        """The frame of a cell."""
        row, column = divmod(cell, side)
        path = (*self.path, (side, column, row))
        return Frame(self.west, self.south, self.across, self.up, path)

    @property
    def scale(self) -> float:
        """How many of this square go into the widest one along each axis."""
        scale = 1.0
        for side, _, _ in self.path:
            scale *= side
        return scale

    @property
    def slack(self) -> float:
        return self.scale * 2.0**-44


@dataclass(frozen=True, slots=True)
class Surveyor:
    """Makes squares of the polygons (n,).

    `bounds`: float64 (n, 4), degrees, NaN where nobody is. `ranks` (n,). `vertices`: int64 (n,),
    how many each has. `cells_per_weight`: how fine leaves are, as the function of this name says.
    """

    polygons: Geometries
    bounds: Floats
    ranks: NDArray[Any]
    vertices: Ints
    cells_per_weight: float

    def square(self, frame: Frame, members: Ints) -> Square | None:
        """A square with those polygons whose bounds come into it; None if there are none."""
        if not len(members):
            return None
        boxes = _boxes(frame, self.bounds[members])
        side = self._side(frame, members, boxes)
        if side == 1:
            return self._leaf(frame, members, boxes)
        which, cell = _cells(boxes, side)
        order = np.argsort(cell, kind="stable")
        which, cell = which[order], cell[order]
        breaks = np.flatnonzero(np.diff(cell, prepend=-1, append=-1)).tolist()
        squares: list[Square | None] = [None] * side**2
        for first, end in pairwise(breaks):
            number = int(cell[first])
            squares[number] = self.square(frame.within(side, number), members[which[first:end]])
        return Division(side, squares)

    def renewed(
        self, square: Square | None, frame: Frame, changed: Ints, reach: Floats
    ) -> Square | None:
        """The square with some polygons changed; whatever they do not reach is the old one's.

        `changed`: their positions. `reach`: (m, 4), degrees, the bounds they had and have.
        """
        if isinstance(square, Division):
            squares = list(square.squares)
            for number in np.unique(_cells(_boxes(frame, reach), square.side)[1]).tolist():
                inner = frame.within(square.side, number)
                squares[number] = self.renewed(squares[number], inner, changed, reach)
            return Division(square.side, squares) if any(squares) else None
        now = changed[_meet(_boxes(frame, self.bounds[changed]))]
        if square is not None:
            now = np.union1d(np.setdiff1d(square.members, changed), now)
        return self.square(frame, now)

    def _side(self, frame: Frame, members: Ints, boxes: Floats) -> int:
        """Into how many squares along each axis to divide, 1 for a leaf.

        By the edges that lie within if those of a polygon are spread evenly over its bounds. Heaps
        of polygons, one upon the other, are divided less: all parts would get all.
        """
        areas = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-9).prod(axis=1)
        weight = float((np.minimum(_covered(boxes) / areas, 1) * self.vertices[members]).sum())
        if weight <= 2 * _LEAF_WEIGHT:
            return 1
        side = min(_MOST_SQUARES, ceil(sqrt(weight / _LEAF_WEIGHT)))
        while side > 1:
            left, low, right, high = np.clip(np.floor(boxes * side), 0, side - 1).T
            parts = ((right - left + 1) * (high - low + 1)).sum()
            if parts <= 4 * len(members) + side**2 and frame.scale * side <= _FINEST:
                break
            side //= 2
        return max(1, side)

    def _leaf(self, frame: Frame, members: Ints, boxes: Floats) -> Leaf:
        members = members[np.lexsort((members, self.ranks[members]))]
        parts, polygon = shapely.get_parts(self.polygons[members], return_index=True)
        rings, part = shapely.get_rings(parts, return_index=True)
        coordinates, ring = shapely.get_coordinates(rings, return_index=True)
        longitudes, latitudes = np.ascontiguousarray(coordinates.T)
        x, y = frame.x(longitudes), frame.y(latitudes)
        # Of the edges in the square's rows, those west of it are never counted.
        slack = 2 * frame.slack
        first = np.flatnonzero(
            (ring[1:] == ring[:-1])
            & (np.minimum(y[1:], y[:-1]) <= 1 + slack)
            & (np.maximum(y[1:], y[:-1]) >= -slack)
            & (np.maximum(x[1:], x[:-1]) >= -slack)
            & ((longitudes[1:] != longitudes[:-1]) | (latitudes[1:] != latitudes[:-1]))
        )
        owners = polygon[part[ring[first]]]
        near = np.minimum(x[first], x[first + 1]) <= 1 + slack
        present = np.count_nonzero(np.bincount(owners[near]))
        weight = max(np.count_nonzero(near), present * _LEAST_WEIGHT)
        # Polygons that lie upon each other are written into the same cells one by one.
        weight /= max(1, _covered(boxes).sum() / 2)
        side = max(1, min(_MOST_CELLS, ceil(sqrt(weight * self.cells_per_weight))))
        edges = Edges(x * side, y * side, longitudes, latitudes, first, owners)
        return leaf(side, members, edges, frame.slack * side)


def cells_per_weight(vertices: Ints) -> float:
    """How fine leaves should be for polygons (n,) with so many vertices each, 0 where nobody is."""
    weight = float(np.maximum(vertices, _LEAST_WEIGHT)[vertices > 0].sum())
    return min(_MOST_PER_WEIGHT, max(_LEAST_PER_WEIGHT, _CELLS_ALWAYS / max(weight, 1.0)))


# Cells follow the edges: a quarter of the points falls on borders when an ordinary polygon of 50
# edges has 64 cells; a million cells (4 MB) are always allowed, so that small sets have far finer
# ones. A polygon weighs as much as its edges, but not less than a simple one of 48, since one with
# few edges has as many cells to cover as one with many.
_LEAST_WEIGHT = 48
_LEAF_WEIGHT = 90 * _LEAST_WEIGHT
_CELLS_ALWAYS = 1 << 20
_LEAST_PER_WEIGHT, _MOST_PER_WEIGHT = 1.3, 64.0
_MOST_CELLS = 1024  # along a leaf
_MOST_SQUARES = 64  # along a division
_ROOM = 1 / 16  # on each side of the widest square
_LEAST_DEGREES = 1e-6
FARTHEST_DEGREES = 400.0
_FINEST = 2.0**20  # leaves along the widest square; the slack is then 2⁻¹⁴ of a cell at most


def _boxes(frame: Frame, bounds: Floats) -> Floats:
    """Bounds (n, 4) in units of a square."""
    boxes = np.empty_like(bounds)
    boxes[:, [0, 2]] = frame.x(bounds[:, [0, 2]])
    boxes[:, [1, 3]] = frame.y(bounds[:, [1, 3]])
    return boxes


def _covered(boxes: Floats) -> Floats:
    """How much of a square each box (n, 4), in its units, covers."""
    sizes = np.clip(boxes[:, 2:], 0, 1) - np.clip(boxes[:, :2], 0, 1)
    areas: Floats = sizes.prod(axis=1)
    return areas


def _meet(boxes: Floats) -> Bools:
    """Which boxes (n, 4), in units of a square, come into it."""
    west, south, east, north = boxes.T
    meet: Bools = (west < 1) & (south < 1) & (east >= 0) & (north >= 0)
    return meet


def _cells(boxes: Floats, side: int) -> tuple[Ints, Ints]:
    """Which boxes (n, 4), in units of a square, come into which of its cells."""
    there = np.flatnonzero(_meet(boxes))
    left, low, right, high = whole(boxes[there] * side, 0, side - 1).T
    which, row = spread(low, high + 1)
    again, column = spread(left[which], right[which] + 1)
    return there[which[again]], row[again] * side + column
