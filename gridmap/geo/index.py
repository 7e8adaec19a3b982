"""Which polygon holds a point: an immutable index that answers in about a microsecond, exactly.

It goes down through squares (`gridmap.geo.squares`) to a cell (`gridmap.geo.leaves`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from gridmap.errors import Invalid
from gridmap.geo.leaves import Leaf
from gridmap.geo.squares import (
    FARTHEST_DEGREES,
    Division,
    Frame,
    Square,
    Surveyor,
    cells_per_weight,
)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Geometries = NDArray[np.object_]
Ranks = NDArray[np.int64] | NDArray[np.str_]
Item = TypeVar("Item", bound=np.generic)


class PointIndex:
    """Which polygon holds each point.

    `polygons`: shapely Polygons or MultiPolygons (n,), valid by OGC's rules, WGS 84 degrees,
    longitude first; None or empty for a position that holds nobody. A polygon is called by its
    position. `ranks`: int64 or strings (n,), positions by default. Of all polygons that cover a
    point, border included, the one with the smallest rank holds it, and of equal ranks the one
    with the lower position: so a point on a shared edge or corner, or in an overlap, has one
    holder. Raises Invalid where a polygon is no polygon or lies beyond ±400 degrees, and where the
    lengths differ; validity is not checked again.

    Whether a polygon covers a point is decided exactly, as `shapely.intersects_xy` does. For how
    PostGIS is asked so that it says the same, see docs/lookup.md.

    Nothing changes once it is made; threads may share it.
    """

    __slots__ = ("_across", "_bounds", "_root", "_south", "_surveyor", "_up", "_west")

    _surveyor: Surveyor
    _root: Square | None
    # The frame of the root, as floats since `locate` takes it every time.
    _west: float
    _south: float
    _across: float
    _up: float

    def __init__(
        self, polygons: Sequence[Any] | Geometries, ranks: ArrayLike | None = None
    ) -> None:
        own = _geometries(polygons)
        positions = np.arange(len(own))
        bounds, vertices = _measured(own, positions)
        self._make(own, bounds, vertices, _checked_ranks(ranks, positions))

    def __len__(self) -> int:
        """How many positions there are, held or not."""
        return len(self._surveyor.polygons)

    @property
    def polygons(self) -> Geometries:
        """The polygons (n,) by position, read-only."""
        return self._surveyor.polygons

    def locate(self, longitude: float, latitude: float) -> int:
        """The position of the polygon that holds the point (WGS 84 degrees), −1 where none does.

        A point that is not finite is nowhere.
        """
        # The hot path: `__trunc__` cuts in half the time of int.
        x = (longitude - self._west) * self._across
        y = (latitude - self._south) * self._up
        square = self._root
        if not (0.0 <= x < 1.0 and 0.0 <= y < 1.0):
            return -1
        while type(square) is Division:
            side = square.side
            x *= side
            y *= side
            column = x.__trunc__()
            row = y.__trunc__()
            square = square.squares[row * side + column]
            x -= column
            y -= row
        if square is None:
            return -1
        side = square.side
        label = square.labels[(y * side).__trunc__() * side + (x * side).__trunc__()]
        if label >= -1:
            return label
        return square.borders.holder(-2 - label, longitude, latitude, self._surveyor.polygons)

    def locate_many(self, points: ArrayLike) -> NDArray[np.int32]:
        """The position of the polygon that holds each point, −1 where none does.

        `points`: float64 (n, 2), longitude then latitude, WGS 84 degrees. Returns int32 (n,).
        Raises Invalid for another shape.
        """
        everyone = np.asarray(points, dtype=np.float64)
        if everyone.ndim != 2 or everyone.shape[1] != 2:
            raise Invalid(
                f"Points came with shape {everyone.shape}; give (n, 2), longitude then latitude."
            )
        found = np.full(len(everyone), -1, dtype=np.int32)
        for start in range(0, len(everyone), _POINTS_AT_ONCE):
            part = slice(start, start + _POINTS_AT_ONCE)
            longitudes, latitudes = np.ascontiguousarray(everyone[part].T)
            x = (longitudes - self._west) * self._across
            y = (latitudes - self._south) * self._up
            within = (x >= 0) & (x < 1) & (y >= 0) & (y < 1)
            if within.all():
                found[part] = self._among(self._root, x, y, longitudes, latitudes)
            else:
                found[part][within] = self._among(
                    self._root, x[within], y[within], longitudes[within], latitudes[within]
                )
        return found

    def meeting(self, west: float, south: float, east: float, north: float) -> list[int]:
        """Positions of the polygons whose bounds meet a box (WGS 84 degrees), by rank."""
        left, right = (west - self._west) * self._across, (east - self._west) * self._across
        low, high = (south - self._south) * self._up, (north - self._south) * self._up
        if not (left < 1 and right >= 0 and low < 1 and high >= 0):
            return []
        members = [leaf.members for leaf in _leaves(self._root, left, low, right, high)]
        if not members:
            return []
        near = members[0] if len(members) == 1 else np.unique(np.concatenate(members))
        bounds = self._surveyor.bounds[near]
        meet = (bounds <= (east, north, np.inf, np.inf)) & (
            bounds >= (-np.inf, -np.inf, west, south)
        )
        near = near[meet.all(axis=1)]
        ranks = self._surveyor.ranks[near]
        found: list[int] = near[np.lexsort((near, ranks))].tolist()
        return found

    def replaced(
        self,
        positions: ArrayLike,
        polygons: Sequence[Any] | Geometries,
        ranks: ArrayLike | None = None,
    ) -> PointIndex:
        """A new index in which some polygons are others; this one stays as it is.

        `positions`: int64 (m,), each once. `polygons` (m,): what is there now, None to remove; all
        other positions keep their polygon and rank. Positions from `len(self)` on are added; those
        left out in between hold nobody. `ranks` (m,): their ranks, the positions by default. Only
        what a change touches is made again, unless polygons come far outside of all others or far
        more of them. Raises Invalid as the constructor does, and for a position that is negative or
        comes twice.
        """
        old = self._surveyor
        where = np.atleast_1d(np.asarray(positions, dtype=np.int64))
        others = _geometries(polygons)
        if len(where) != len(others):
            raise Invalid(
                f"{len(others)} polygons came for {len(where)} positions; give one for each."
            )
        if len(np.unique(where)) < len(where) or (where < 0).any():
            raise Invalid(
                f"Positions must be 0 or more and each given once, but are {where.tolist()[:20]}."
            )
        own_bounds, own_vertices = _measured(others, where)
        own_ranks = _checked_ranks(ranks, where)
        if len(self) and len(where) and own_ranks.dtype.kind != old.ranks.dtype.kind:
            raise Invalid(
                f"New ranks are of type {own_ranks.dtype}, but there are ranks of type "
                f"{old.ranks.dtype}; give ranks of the same type."
            )
        count = max(len(self), int(where.max(initial=-1)) + 1)
        bounds = _grown(old.bounds, count, np.nan)
        reach = np.concatenate([bounds[where], own_bounds])
        bounds[where] = own_bounds
        vertices = _grown(old.vertices, count, 0)
        vertices[where] = own_vertices
        everyone = _grown(old.polygons, count, None)
        everyone[where] = others
        everyone.flags.writeable = False
        # Strings may become longer.
        dtype = np.result_type(old.ranks, own_ranks) if len(self) else own_ranks.dtype
        everyones_ranks = _grown(old.ranks.astype(dtype), count, dtype.type())
        everyones_ranks[where] = own_ranks

        new = PointIndex.__new__(PointIndex)
        frame = Frame(self._west, self._south, self._across, self._up)
        if frame.holds(own_bounds) and cells_per_weight(vertices) >= old.cells_per_weight / 2:
            new._surveyor = Surveyor(
                everyone, bounds, everyones_ranks, vertices, old.cells_per_weight
            )
            new._west, new._south, new._across, new._up, _ = frame
            new._root = new._surveyor.renewed(self._root, frame, where, reach)
        else:
            new._make(everyone, bounds, vertices, everyones_ranks)
        return new

    def _make(self, polygons: Geometries, bounds: Floats, vertices: Ints, ranks: Ranks) -> None:
        self._surveyor = Surveyor(polygons, bounds, ranks, vertices, cells_per_weight(vertices))
        there = np.flatnonzero(vertices)
        frame = Frame.around(bounds[there])
        self._west, self._south, self._across, self._up, _ = frame
        self._root = self._surveyor.square(frame, there)

    def _among(
        self, square: Square | None, x: Floats, y: Floats, longitudes: Floats, latitudes: Floats
    ) -> NDArray[np.int32]:
        """The holders of points that lie in a square at x, y in its units: as `locate` does."""
        if square is None:
            return np.full(len(x), -1, dtype=np.int32)
        if len(x) < _FEW_POINTS:
            pairs = zip(longitudes.tolist(), latitudes.tolist(), strict=True)
            return np.array([self.locate(*pair) for pair in pairs], dtype=np.int32)
        x, y = x * square.side, y * square.side
        column, row = x.astype(np.int32), y.astype(np.int32)
        cell = row * square.side + column
        if isinstance(square, Leaf):
            found: NDArray[np.int32] = np.frombuffer(square.labels, dtype=np.int32)[cell]
            border = np.flatnonzero(found < -1)
            if len(border):
                found[border] = square.borders.holders(
                    -2 - found[border], longitudes[border], latitudes[border], self.polygons
                )
            return found
        order = np.argsort(cell.astype(np.int16), kind="stable")  # which is a radix sort
        cell = cell[order]
        values = [v[order] for v in (x - column, y - row, longitudes, latitudes)]
        found = np.empty(len(x), dtype=np.int32)
        breaks = np.flatnonzero(np.diff(cell, prepend=-1, append=-1)).tolist()
        for first, end in pairwise(breaks):
            found[order[first:end]] = self._among(
                square.squares[cell[first]], *(v[first:end] for v in values)
            )
        return found


_POINTS_AT_ONCE = 1 << 20
_POLYGONS_AT_ONCE = 5_000  # a few milliseconds' work for GEOS, which keeps the interpreter busy
_FEW_POINTS = 48  # fewer are looked up sooner one by one
_POLYGONAL = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)


def _leaves(
    square: Square | None, left: float, low: float, right: float, high: float
) -> Iterator[Leaf]:
    """The leaves that a box in units of a square meets."""
    if isinstance(square, Leaf):
        yield square
    elif square is not None:
        side = square.side
        left, low, right, high = left * side, low * side, right * side, high * side
        for row in range(max(0, int(low)), min(side - 1, int(high)) + 1):
            for column in range(max(0, int(left)), min(side - 1, int(right)) + 1):
                inner = square.squares[row * side + column]
                yield from _leaves(inner, left - column, low - row, right - column, high - row)


def _geometries(polygons: Sequence[Any] | Geometries) -> Geometries:
    own = np.array(polygons, dtype=np.object_).reshape(-1)
    own.flags.writeable = False
    return own


def _measured(polygons: Geometries, positions: Ints) -> tuple[Floats, Ints]:
    """Bounds (n, 4), NaN where nobody is, and numbers of vertices (n,); checks both."""
    bounds = np.full((len(polygons), 4), np.nan)
    vertices = np.zeros(len(polygons), dtype=np.int64)
    for start in range(0, len(polygons), _POLYGONS_AT_ONCE):
        part = slice(start, start + _POLYGONS_AT_ONCE)
        kind = shapely.get_type_id(polygons[part])
        bounds[part] = shapely.bounds(polygons[part])
        vertices[part] = shapely.get_num_coordinates(polygons[part])
        wrong = ~np.isin(kind, (-1, *_POLYGONAL)) | (
            (vertices[part] > 0) & ~(np.abs(bounds[part]) <= FARTHEST_DEGREES).all(axis=1)
        )
        if wrong.any():
            i = start + int(np.argmax(wrong))
            raise Invalid(
                f"What came for position {positions[i]} is no polygon in degrees: "
                f"{str(polygons[i])[:80]}. Give polygons whose coordinates lie within "
                f"±{FARTHEST_DEGREES:.0f}, longitude first."
            )
    return bounds, vertices


def _checked_ranks(ranks: ArrayLike | None, positions: Ints) -> Ranks:
    own = np.array(positions if ranks is None else ranks).reshape(-1)
    if len(own) != len(positions):
        raise Invalid(f"{len(own)} ranks came for {len(positions)} polygons; give one for each.")
    if own.dtype.kind == "U":
        return own
    if not len(own) or np.can_cast(own.dtype, np.int64):
        return own.astype(np.int64)
    raise Invalid(f"Ranks are of type {own.dtype}; give all integers or all strings.")


def _grown(array: NDArray[Item], count: int, filling: object) -> NDArray[Item]:
    """A copy with so many rows."""
    grown = np.full((count, *array.shape[1:]), filling, dtype=array.dtype)
    grown[: len(array)] = array
    return grown
