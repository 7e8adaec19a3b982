"""What of a region no grid covers, and what several do, as polygons with their true areas.

All borders are laid over each other once, with a node wherever two meet; they cut the plane into
faces, and a face lies in a grid, or in the region, altogether or not at all. Every answer is a sum
of faces. Faces share their edges bit for bit, so the areas of gaps and of what is covered add up to
the region's, whatever the rounding of the nodes.

Most borders are not needed. Walk every ring with its polygon's interior on the left: an edge walked
as often one way as the other (a border between two neighbours) has the same number of grids on
either side. Such edges are left out; of a clean tiling only the rim remains, and its faces are of
several grids at once. It does matter whose a face is where several grids claim it or where it lies
outside the region, so the grids there have all their edges laid in after all.

A piece is a sliver if no circle of the tolerance's diameter fits into it. That is how the import
tells slivers from overlaps, and unlike twice the area over the perimeter it does not depend on how
ragged the border is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from gridmap.errors import Invalid
from gridmap.geo.areas import areas_m2
from gridmap.geo.checks import metres_per_degree

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Geometries = NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Pieces:
    """Gaps or overlaps, the largest first; slivers are only counted.

    `polygons`: shapely Polygons, object (n,), WGS 84 degrees, their outer rings counter-clockwise.
    `areas_m2`: float64 (n,). `grids`: positions of grids for each, ascending. `area_m2`: the area
    of all, slivers included.
    """

    polygons: Geometries
    areas_m2: Floats
    grids: tuple[tuple[int, ...], ...]
    slivers: int
    slivers_area_m2: float
    area_m2: float


@dataclass(frozen=True, slots=True)
class Coverage:
    """How grids cover a region; areas in square metres on the WGS 84 ellipsoid, see `areas_m2`.

    `gaps`: the region less its grids; `grids` of a gap are those that share a stretch of border
    with it (of a few millimetres at least; a corner is not enough). `overlaps`: where two or more
    grids lie over each other, within the region or not; `grids` are all that claim the piece, so
    that where three meet there is one piece of three and not three pairs. `outside_areas_m2`:
    float64 (n,), what of each grid lies beyond the region.
    """

    region_area_m2: float
    covered_area_m2: float
    gaps: Pieces
    overlaps: Pieces
    outside_areas_m2: Floats


def coverage(region: Any, grids: ArrayLike, tolerance_metres: float = 1.0) -> Coverage:
    """Gaps and overlaps of grids in a region.

    `region`: shapely Polygon or MultiPolygon; or None, and then the region is all that the grids
    enclose. `grids`: shapely Polygons or MultiPolygons (n,). All valid by OGC's rules, WGS 84
    degrees, longitude first. A piece into which no circle of diameter `tolerance_metres` fits is a
    sliver; what is narrower than a micrometre is rounding, and counts in `area_m2` only.

    The areas of gaps and of what is covered add up to that of the region, within some 1e-12 of it.
    Takes n log n of the number of vertices. Raises Invalid for what is no valid polygon, and says
    which; also if the areas of what was found do not add up, which no known input brings about.
    """
    if not tolerance_metres >= 0:
        raise Invalid(f"The tolerance is {tolerance_metres} metres; give 0 or more.")
    everyone = np.atleast_1d(np.asarray(grids, dtype=np.object_))
    outline = np.array([] if region is None else [region], dtype=np.object_)
    _check(everyone, "Grid {} of the list")
    _check(outline, "The region")

    region_area = float(areas_m2(outline).sum())
    faces = _faces_that_add_up(outline, everyone, region_area)
    empty = faces.claims == 0
    outside = ~faces.inside[faces.face]
    return Coverage(
        region_area_m2=region_area if len(outline) else float(faces.areas_m2.sum()),
        covered_area_m2=float(faces.areas_m2[faces.inside & ~empty].sum()),
        gaps=_gaps(faces, everyone, tolerance_metres),
        overlaps=_overlaps(faces, tolerance_metres),
        outside_areas_m2=np.bincount(
            faces.grid[outside],
            weights=faces.areas_m2[faces.face[outside]],
            minlength=len(everyone),
        ).astype(np.float64),
    )


# How far from where they belong rounding may leave the nodes, and more: a tenth of a millimetre.
_NEAR_DEGREES = 1e-9
_ALONG = np.arange(1, 16) / 16
# What is narrower comes of rounding: a micrometre.
_ROUNDING_METRES = 1e-6
_ROUNDING_DEGREES = 1e-11
_RASTERS = (0.0, 1e-12, 1e-11, 1e-10)
_EXACT = 1e-9
_POLYGONAL = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)


def _check(polygons: Geometries, name: str) -> None:
    """Raises Invalid for the first that is no valid polygon; `name` has room for its position."""
    sound = np.isin(shapely.get_type_id(polygons), _POLYGONAL) & shapely.is_valid(polygons)
    sound &= ~shapely.is_empty(polygons)
    if sound.all():
        return
    i = int(np.argmin(sound))
    polygon = polygons[i]
    if polygon is None:
        reason = "it is missing"
    elif polygon.is_empty or polygon.geom_type not in ("Polygon", "MultiPolygon"):
        reason = f"it is {str(polygon)[:60]}"
    else:
        reason = shapely.is_valid_reason(polygon)
    raise Invalid(
        f"{name.format(i)} is no valid polygon: {reason}. Mend it first, say by an import with "
        "--repair."
    )


@dataclass(frozen=True, slots=True)
class _Faces:
    """The faces; and, face by face, which grids claim them.

    `claims`: how many do. Of neighbours that are not told apart in a face, one claims it for all.
    """

    polygons: Geometries
    areas_m2: Floats
    inside: Bools
    claims: Ints
    face: Ints
    grid: Ints


def _faces_that_add_up(outline: Geometries, grids: Geometries, region_area: float) -> _Faces:
    """The faces, proved: they make up the region, and those that grids claim make up the grids.

    Of some thousand heaps of needles GEOS gets one wrong where edges run a hair's breadth apart.
    Nodes on a raster then bring such edges together.
    """
    grids_area = float(areas_m2(grids).sum())
    for raster_degrees in _RASTERS:
        faces = _faces(outline, grids, raster_degrees)
        made = float(faces.areas_m2[faces.inside].sum()) if len(outline) else region_area
        claimed = float((faces.areas_m2 * faces.claims).sum())
        if abs(made - region_area) <= _EXACT * region_area and (
            abs(claimed - grids_area) <= _EXACT * grids_area
        ):
            return faces
    raise Invalid(
        f"The borders of these {len(grids)} grids cannot be laid over each other: by their faces "
        f"the grids have {claimed:,.3f} m², but {grids_area:,.3f} m² by themselves. Look for "
        "borders that run along each other less than a millimetre apart, and draw them as one."
    )


def _faces(outline: Geometries, grids: Geometries, raster_degrees: float) -> _Faces:
    """Lays in the borders that matter, sees whose faces are unclear, and lays in theirs too."""
    borders = _Borders(np.concatenate([grids, outline]), len(grids))
    tree = shapely.STRtree(grids)
    laid = borders.matter
    while True:
        polygons = borders.faces(laid, raster_degrees)
        points = shapely.STRtree(_points_within(polygons))
        grid, face = points.query(grids, predicate="intersects")
        claims = np.bincount(face, minlength=len(polygons))
        proper = points.query(grids, predicate="contains_properly")[1]
        inside = np.full(len(polygons), not len(outline))
        inside[points.query(outline, predicate="intersects")[1]] = True
        # A point on a border that was left out says nothing of the number of grids around it.
        on_border = claims != np.bincount(proper, minlength=len(polygons))
        unclear = ~on_border & (claims > inside)
        tell = np.zeros(len(grids), dtype=bool)
        tell[grid[on_border[face]]] = True
        tell[tree.query(polygons[unclear], predicate="intersects")[1]] = True
        more = laid | borders.of(tell)
        if (more == laid).all():
            break
        laid = more
    order = np.lexsort((grid, face))
    return _Faces(polygons, areas_m2(polygons), inside, claims, face[order], grid[order])


class _Borders:
    """The edges of polygons, each once: of the first `grids` polygons and of a region's outline."""

    def __init__(self, polygons: Geometries, grids: int) -> None:
        parts, polygon = shapely.get_parts(polygons, return_index=True)
        parts = shapely.orient_polygons(parts, exterior_cw=False)
        rings, part = shapely.get_rings(parts, return_index=True)
        coordinates, ring = shapely.get_coordinates(rings, return_index=True)
        # Adding nothing makes -0.0 the same bits as 0.0.
        position = (coordinates + 0.0).view(np.complex128).ravel()
        positions, number = np.unique(position, return_inverse=True)
        start = np.flatnonzero((ring[1:] == ring[:-1]) & (number[1:] != number[:-1]))
        first, second = number[start], number[start + 1]
        low, high = np.minimum(first, second), np.maximum(first, second)
        edges, self._edge = np.unique(low * len(positions) + high, return_inverse=True)
        self._owner = polygon[part[ring[start]]]
        ends = np.stack(np.divmod(edges, max(1, len(positions))), axis=1)
        self._ends = positions.view(np.float64).reshape(-1, 2)[ends]
        outline = self._owner >= grids
        walks = np.where(outline, 0, np.where(first < second, 1, -1))
        self.matter: Bools = np.bincount(self._edge, weights=walks, minlength=len(edges)) != 0
        self.matter[self._edge[outline]] = True

    def of(self, grids: Bools) -> Bools:
        """Which edges some grids have, bool (edges,)."""
        edges = np.zeros(len(self._ends), dtype=bool)
        edges[self._edge[np.append(grids, False)[self._owner]]] = True
        return edges

    def faces(self, laid: Bools, raster_degrees: float) -> Geometries:
        """The faces between some edges, Polygons (n,); nodes are on a raster, unless that is 0."""
        lines = shapely.linestrings(self._ends[laid])
        noded = shapely.union_all(lines, grid_size=raster_degrees or None)
        faces: Geometries = shapely.get_parts(shapely.polygonize(shapely.get_parts(noded)))
        return faces


def _points_within(faces: Geometries) -> Geometries:
    """A point well within each face that is wider than rounding is."""
    points: Geometries = shapely.point_on_surface(faces)
    # It may lie in a spike as thin as rounding, of a face that is wide elsewhere. The widest
    # circle's radius is at least the area over the border, and half of that will do.
    close = shapely.distance(shapely.boundary(faces), points) < _ROUNDING_DEGREES
    radius = shapely.area(faces) / shapely.length(faces)
    spiky = close & (2 * radius >= _ROUNDING_DEGREES)
    circles = shapely.maximum_inscribed_circle(faces[spiky], tolerance=radius[spiky] / 2)
    points[spiky] = shapely.get_point(circles, 0)
    return points


def _gaps(faces: _Faces, grids: Geometries, tolerance: float) -> Pieces:
    gaps = faces.inside & (faces.claims == 0)
    polygons, areas = faces.polygons[gaps], faces.areas_m2[gaps]
    which, slivers = _wide(polygons, areas, tolerance)
    around = _grids_around(polygons[which], grids)
    return _pieces(polygons, areas, which, slivers, around)


def _overlaps(faces: _Faces, tolerance: float) -> Pieces:
    claimants = _split(faces.grid, faces.claims)
    alike: dict[tuple[int, ...], list[int]] = {}
    for i in np.flatnonzero(faces.claims > 1).tolist():
        alike.setdefault(claimants[i], []).append(i)
    polygons, claimed = [], []
    for grids, places in alike.items():
        joined = faces.polygons[places]
        # The region's outline may run through an overlap, which is one piece all the same.
        if len(np.unique(faces.inside[places])) > 1:
            joined = shapely.get_parts(shapely.union_all(joined))
            joined = joined[shapely.area(joined) > 0]
        polygons += joined.tolist()
        claimed += [grids] * len(joined)
    pieces = np.array(polygons, dtype=np.object_)
    areas = areas_m2(pieces)
    which, slivers = _wide(pieces, areas, tolerance)
    return _pieces(pieces, areas, which, slivers, [claimed[i] for i in which])


def _grids_around(gaps: Geometries, grids: Geometries) -> list[tuple[int, ...]]:
    """The grids along each gap: those that are found at two places of one of its edges.

    One place is not enough, since a corner may touch there. An edge ends where another border
    begins, so a grid is along all of it; only where rounding kept the two apart, it may be along a
    part, and is found if that is an eighth.
    """
    rings, gap = shapely.get_rings(gaps, return_index=True)
    coordinates, ring = shapely.get_coordinates(rings, return_index=True)
    start = np.flatnonzero(ring[1:] == ring[:-1])
    ahead = coordinates[start + 1] - coordinates[start]
    # All of a very short edge is near to what touches its end.
    long = np.abs(ahead).max(axis=1, initial=0) > _NEAR_DEGREES / _ALONG[0] * 2
    start, ahead = start[long], ahead[long]
    places = coordinates[start, None] + _ALONG[:, None] * ahead[:, None]
    tree = shapely.STRtree(shapely.points(places.reshape(-1, 2)))
    grid, near = tree.query(grids, predicate="dwithin", distance=_NEAR_DEGREES)
    pairs, found = np.unique(
        np.stack([start[near // len(_ALONG)], grid], axis=1), axis=0, return_counts=True
    )
    edge, grid = pairs[found > 1].T
    along = np.unique(np.stack([gap[ring[edge]], grid], axis=1), axis=0)
    return _split(along[:, 1], np.bincount(along[:, 0], minlength=len(gaps)))


def _split(values: Ints, counts: Ints) -> list[tuple[int, ...]]:
    """The first so many values, the next so many, and so on."""
    listed, ends = values.tolist(), np.cumsum(counts).tolist()
    return [tuple(listed[start:end]) for start, end in zip([0, *ends], ends, strict=False)]


def _wide(polygons: Geometries, areas: Floats, tolerance: float) -> tuple[Ints, Bools]:
    """Which have room for a circle of that diameter, by falling area; and which are slivers."""
    bounds = shapely.bounds(polygons).reshape(-1, 4)
    middle = (bounds[:, :2] + bounds[:, 2:]) / 2
    scale = np.column_stack(metres_per_degree(middle[:, 1]))
    coordinates, owner = shapely.get_coordinates(polygons, return_index=True)
    local = shapely.set_coordinates(polygons.copy(), (coordinates - middle[owner]) * scale[owner])
    area, border = shapely.area(local), shapely.length(local)
    # Nothing within is farther from the border than the widest circle's radius r, so the area is at
    # most border · r + π r² · holes (the border moved inwards never gets longer, but for those of
    # holes). With a margin of two this spares large pieces the dear proof.
    holes = shapely.get_num_interior_rings(local)
    wide = area >= tolerance * (border + tolerance * holes)
    # Whatever holds the circle has its area.
    asked = np.flatnonzero(~wide & (area >= 0.7 * tolerance**2))
    wide[asked] = ~shapely.is_empty(shapely.buffer(local[asked], -tolerance / 2))
    piece = 2 * area >= _ROUNDING_METRES * border
    order = np.argsort(-areas, kind="stable")
    return order[(wide & piece)[order]], piece & ~wide


def _pieces(
    polygons: Geometries,
    areas: Floats,
    which: Ints,
    slivers: Bools,
    grids: list[tuple[int, ...]],
) -> Pieces:
    return Pieces(
        polygons=shapely.orient_polygons(polygons[which], exterior_cw=False),
        areas_m2=areas[which],
        grids=tuple(grids),
        slivers=int(slivers.sum()),
        slivers_area_m2=float(areas[slivers].sum()),
        area_m2=float(areas.sum()),
    )
