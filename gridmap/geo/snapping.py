"""Brings new outlines onto the borders around them, so that a tiling of both has no sliver.

`shapely.snap` moves onto vertices alone, and measures in degrees. Here an outline's vertices move
onto vertices or else edges, and its edges onto vertices, where these are within some metres; an
edge that runs along one of the others vertex for vertex stays. One outline is done after the other:
each onto what is fixed and onto those done before, so that no vertex moves by more than the
tolerance, and none of what is fixed at all. In the end each has a vertex wherever another's lies on
its border: outlines share their borders bit for bit, and along what is fixed they keep within a
nanometre.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from gridmap.errors import Invalid
from gridmap.geo.checks import metres_per_degree

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Geometries = NDArray[np.object_]

WIDEST_TOLERANCE_METRES = 10.0


@dataclass(frozen=True, slots=True)
class Snapped:
    """Outlines as they lie now, and what was moved.

    `polygons`: valid MultiPolygons, object (n,). Of each vertex that moved, and of each place of an
    edge that was drawn onto a vertex: `polygon` int64 (m,), whose it was; `before` and `after`
    float64 (m, 2), longitude then latitude, WGS 84 degrees; `metres` float64 (m,).
    """

    polygons: Geometries
    polygon: Ints
    before: Floats
    after: Floats
    metres: Floats


class CrossesItself(Invalid):
    """An outline would cross itself; `polygon` is its position."""

    def __init__(self, message: str, polygon: int) -> None:
        super().__init__(message)
        self.polygon = polygon


def snapped(outlines: ArrayLike, fixed: ArrayLike, tolerance_metres: float) -> Snapped:
    """The outlines, moved onto each other's borders and onto fixed ones.

    `outlines`: shapely Polygons or MultiPolygons (n,); `fixed`: polygons or lines (k,) that do not
    move; valid, WGS 84 degrees, longitude first. Metres are measured along the parallel and the
    meridian through the middle: good to 1 % up to some 100 km across. With tolerance 0 nothing
    moves by more than a micrometre.

    Raises Invalid for a tolerance out of range, CrossesItself where an outline would.
    """
    if not 0 <= tolerance_metres <= WIDEST_TOLERANCE_METRES:
        raise Invalid(
            f"The tolerance is {tolerance_metres:g} metres; it is from 0 to "
            f"{WIDEST_TOLERANCE_METRES:g}."
        )
    given = np.atleast_1d(np.asarray(outlines, dtype=np.object_))
    reach = max(tolerance_metres, _ON_METRES)
    bounds = shapely.bounds(given).reshape(-1, 4)
    middle = (bounds[:, 1].min(initial=90) + bounds[:, 3].max(initial=-90)) / 2
    scale = np.column_stack(metres_per_degree(middle))[0]
    margin = np.append(-2 * reach / scale, 2 * reach / scale)
    boxes = shapely.box(*(bounds + margin).T)
    pairs = shapely.STRtree(boxes).query(boxes)
    near: list[list[int]] = [[] for _ in given]
    for one, other in pairs.T.tolist():
        near[one].append(other)

    still = _Border(np.atleast_1d(np.asarray(fixed, dtype=np.object_)), scale)
    moves = _Moves()
    done: list[Any] = []
    for i, outline in enumerate(given):
        earlier = _Border([done[j] for j in near[i] if j < i], scale)
        snapping = _Snapping([still, earlier], reach, scale, moves, i)
        done.append(_rebuilt(outline, snapping.ring, i, tolerance_metres))
    # Whatever of another lies on its border does so by now, and no border moves.
    everyone = _Border(done, scale, owners=2)
    polygons = np.empty(len(done), dtype=np.object_)
    for i, outline in enumerate(done):
        drawing = _Snapping([everyone], _ON_METRES, scale, _Moves(), i)
        polygons[i] = _rebuilt(outline, drawing.drawn, i, tolerance_metres)
    return Snapped(
        polygons,
        np.array(moves.polygon, dtype=np.int64),
        np.array(moves.before, dtype=np.float64).reshape(-1, 2),
        np.array(moves.after, dtype=np.float64).reshape(-1, 2),
        np.array(moves.metres, dtype=np.float64),
    )


# What is nearer to a border than a micrometre lies on it.
_ON_METRES = 1e-6


class _Border:
    """The vertices and edges of polygons or lines, in degrees and, for searching, in metres.

    `edges`: those that so many of the polygons have, either way round.
    """

    def __init__(
        self, geometries: Sequence[Any] | Geometries, scale: Floats, owners: int = 1
    ) -> None:
        parts = shapely.get_parts(np.asarray(geometries, dtype=np.object_))
        polygonal = shapely.get_dimensions(parts) == 2
        lines = np.concatenate([shapely.get_rings(parts[polygonal]), parts[~polygonal]])
        coordinates, line = shapely.get_coordinates(lines, return_index=True)
        start = np.flatnonzero(line[1:] == line[:-1])
        self.vertices = np.unique(coordinates, axis=0)
        self.starts, self.ends = coordinates[start], coordinates[start + 1]
        self.vertex_tree = shapely.STRtree(shapely.points(self.vertices * scale))
        ends = np.stack([self.starts * scale, self.ends * scale], axis=1)
        self.edge_tree = shapely.STRtree(shapely.linestrings(ends))
        counts = Counter(_named(self.starts, self.ends) + _named(self.ends, self.starts))
        self.edges = {edge for edge, count in counts.items() if count >= owners}


@dataclass(slots=True)
class _Moves:
    polygon: list[int] = field(default_factory=list)
    before: list[Floats] = field(default_factory=list)
    after: list[Floats] = field(default_factory=list)
    metres: list[float] = field(default_factory=list)

    def note(self, polygon: int, before: Floats, after: Floats, metres: float) -> None:
        if metres > _ON_METRES:
            self.polygon.append(polygon)
            self.before.append(before)
            self.after.append(after)
            self.metres.append(metres)


@dataclass(frozen=True, slots=True)
class _Snapping:
    """Moves the rings of one polygon, float64 (n, 2) without the last vertex."""

    borders: Sequence[_Border]
    reach_metres: float
    scale: Floats
    moves: _Moves
    polygon: int

    def ring(self, ring: Floats) -> Floats:
        """With its vertices on vertices or else edges, then its edges on vertices."""
        to_vertex, vertex = self._nearest_vertices(ring)
        to_edge, foot = self._nearest_edges(ring)
        takes_vertex = to_vertex <= self.reach_metres
        takes_edge = ~takes_vertex & (to_edge <= self.reach_metres) & (to_edge > _ON_METRES)
        moved = ring.copy()
        moved[takes_vertex] = vertex[takes_vertex]
        moved[takes_edge] = foot[takes_edge]
        metres = np.where(takes_vertex, to_vertex, to_edge)
        for i in np.flatnonzero(takes_vertex | takes_edge).tolist():
            self.moves.note(self.polygon, ring[i], moved[i], float(metres[i]))
        return self.drawn(moved)

    def drawn(self, ring: Floats) -> Floats:
        """With a vertex wherever one of the borders is near an edge, in the order of the edge.

        Not where the ring has that vertex already, for then it would touch itself.
        """
        ends = np.roll(ring, -1, axis=0)
        own = {*map(tuple, ring.tolist())}
        edges = _named(ring, ends)
        shared = np.array([any(each in border.edges for border in self.borders) for each in edges])
        lines = shapely.linestrings(np.stack([ring * self.scale, ends * self.scale], axis=1))
        found: dict[tuple[float, float], tuple[float, int, float, Floats]] = {}
        for border in self.borders:
            edge, target = border.vertex_tree.query(
                lines, predicate="dwithin", distance=self.reach_metres
            )
            vertices = border.vertices[target]
            along = _along(ring[edge], ends[edge], vertices, self.scale)
            feet = ring[edge] + along[:, None] * (ends[edge] - ring[edge])
            metres = np.hypot(*((feet - vertices) * self.scale).T)
            for i in np.flatnonzero((along > 0) & (along < 1) & ~shared[edge]).tolist():
                name = (float(vertices[i, 0]), float(vertices[i, 1]))
                said = (float(metres[i]), int(edge[i]), float(along[i]), feet[i])
                # A vertex near two edges, around a corner, is put into the nearer one.
                if name not in own and (name not in found or said[:3] < found[name][:3]):
                    found[name] = said
        if not found:
            return ring
        added = sorted(found.items(), key=lambda each: each[1][1:3])
        for name, (distance, _, _, foot) in added:
            self.moves.note(self.polygon, foot, np.array(name), distance)
        where = [said[1] + 1 for _, said in added]
        return np.insert(ring, where, [name for name, _ in added], axis=0)

    def _nearest_vertices(self, ring: Floats) -> tuple[Floats, Floats]:
        """Metres to the nearest vertex of the borders, and where it is."""
        metres, places = np.full(len(ring), np.inf), ring.copy()
        points = shapely.points(ring * self.scale)
        for border in self.borders:
            (which, target), distances = border.vertex_tree.query_nearest(
                points, max_distance=self.reach_metres, return_distance=True, all_matches=False
            )
            nearer = distances < metres[which]
            metres[which[nearer]] = distances[nearer]
            places[which[nearer]] = border.vertices[target[nearer]]
        return metres, places

    def _nearest_edges(self, ring: Floats) -> tuple[Floats, Floats]:
        """The same of edges."""
        metres, places = np.full(len(ring), np.inf), ring.copy()
        points = shapely.points(ring * self.scale)
        for border in self.borders:
            (which, target), distances = border.edge_tree.query_nearest(
                points, max_distance=self.reach_metres, return_distance=True, all_matches=False
            )
            nearer = distances < metres[which]
            which, target = which[nearer], target[nearer]
            start, end = border.starts[target], border.ends[target]
            along = np.clip(_along(start, end, ring[which], self.scale), 0, 1)
            metres[which] = distances[nearer]
            places[which] = start + along[:, None] * (end - start)
        return metres, places


def _named(starts: Floats, ends: Floats) -> list[tuple[float, ...]]:
    """Each edge as what tells whether two are the same."""
    return [*map(tuple, np.column_stack([starts, ends]).tolist())]


def _along(start: Floats, end: Floats, point: Floats, scale: Floats) -> Floats:
    """How far along each edge its point comes nearest, from 0 to 1 where that is within it."""
    ahead, aside = (end - start) * scale, (point - start) * scale
    squared = (ahead * ahead).sum(axis=1)
    # An edge of no length is nowhere within.
    along: Floats = (ahead * aside).sum(axis=1) / np.where(squared > 0, squared, np.inf)
    return along


def _rebuilt(
    outline: Any, change: Callable[[Floats], Floats], polygon: int, tolerance_metres: float
) -> Any:
    """The outline with its rings changed; rings that come to nothing are left out."""
    parts = []
    for part in shapely.get_parts(outline):
        shell, *holes = (_tidied(change(ring)) for ring in _rings(part))
        if len(shell) >= 3:
            parts.append(shapely.Polygon(shell, [hole for hole in holes if len(hole) >= 3]))
    rebuilt = shapely.multipolygons(parts) if parts else shapely.MultiPolygon()
    if not parts or not shapely.is_valid(rebuilt):
        reason = shapely.is_valid_reason(rebuilt) if parts else "nothing is left of it"
        raise CrossesItself(
            f"brought onto the borders within {tolerance_metres:g} m it is no valid polygon: "
            f"{reason}",
            polygon,
        )
    return rebuilt


def _rings(polygon: Any) -> list[Floats]:
    return [shapely.get_coordinates(ring)[:-1] for ring in shapely.get_rings(polygon)]


def _tidied(ring: Floats) -> list[tuple[float, float]]:
    """Without vertices given twice running, and without ways there and back again."""
    kept: list[tuple[float, float]] = []
    for vertex in map(tuple, ring.tolist()):
        kept.append(vertex)
        _shorten(kept)
    # Around the ring's beginning.
    while len(kept) > 2:
        if kept[-1] == kept[0]:
            kept.pop()
        elif kept[-2] == kept[0]:
            del kept[-2:]
        elif kept[-1] == kept[1]:
            del kept[:1]
            kept.pop()
        else:
            break
    return kept


def _shorten(kept: list[tuple[float, float]]) -> None:
    while len(kept) > 1 and kept[-1] == kept[-2]:
        kept.pop()
    if len(kept) > 2 and kept[-1] == kept[-3]:
        del kept[-2:]
