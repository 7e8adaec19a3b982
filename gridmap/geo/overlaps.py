"""Finds the pairs of a set of polygons that share more than a sliver of area.

Asking GEOS about every pair of neighbours is exact but slow, and where polygons tile nearly every
answer is no. So edges are cancelled first: walk every ring with its polygon's interior on the left;
then the border between two neighbours is walked once each way, and such a pair of edges cancels.
Count at each place how many polygons cover it. The count is none far outside and changes only
across edges that did not cancel; within an overlap it is two or more. So around every overlap lies
an edge that did not cancel, and it belongs to a polygon that overlaps another. Hence:

1. Polygons with an edge that did not cancel are doubtful: each is compared with its neighbours by
   `shapely.relate_pattern`.
2. One found to overlap is taken out of the set. Its neighbours' edges along it have lost their
   counterparts, so the neighbours are doubtful in turn; repeat until nobody is.

What was taken out has been compared, and what is left cannot overlap. The answer is therefore that
of comparing all pairs, yet of a clean tiling only the rim is compared. Nothing rounds on the way:
edges are equal bit for bit or do not cancel, and the rest are GEOS's exact predicates.

Coordinates wait in an anonymous temporary file and are read by windows of near polygons; memory
holds some 80 bytes a polygon (8 more for each further ring) and a few windows.
"""

from __future__ import annotations

import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from gridmap.errors import Invalid
from gridmap.geo.checks import metres_per_degree

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Geometries = NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two polygons, by their keys, that share area; `first` was added before `second`.

    `area_m2` is all they share. `width_metres` is the diameter of the widest circle within it, to
    about a twentieth of the tolerance, and `longitude`, `latitude` (WGS 84 degrees) its centre.
    """

    first: int
    second: int
    area_m2: float
    width_metres: float
    longitude: float
    latitude: float


class OverlapFinder:
    """Collects polygons with `add`, then names those that overlap; a context manager.

    The temporary file lies where `tempfile` puts it (see TMPDIR) and takes 16 bytes a vertex.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="gridmap-")  # noqa: SIM115 (closed by close)
        self._shelves: list[_Shelf] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the temporary file back; may be repeated."""
        self._file.close()

    def add(self, geometries: ArrayLike, keys: ArrayLike, *, known: bool = False) -> None:
        """Take polygons into the set.

        `geometries`: shapely Polygons or MultiPolygons (n,), valid by OGC's rules, WGS 84 degrees,
        longitude first. `keys`: int64 (n,), what the caller calls them. Those added as `known` are
        reported against the others but not against each other. Raises Invalid where one is missing,
        empty or not polygonal, or where the lengths differ; validity is not checked again.
        """
        polygons = np.atleast_1d(np.asarray(geometries, dtype=np.object_))
        names = np.atleast_1d(np.asarray(keys, dtype=np.int64))
        if polygons.shape != names.shape:
            raise Invalid(f"{len(polygons)} polygons came with {len(names)} keys; give one each.")
        unfit = ~np.isin(shapely.get_type_id(polygons), _POLYGONAL) | shapely.is_empty(polygons)
        if unfit.any():
            i = int(np.argmax(unfit))
            raise Invalid(
                f"The geometry with key {names[i]} has no area: {str(polygons[i])[:80]}. "
                "Only valid polygons can be compared; check the geometries first."
            )
        if len(polygons):
            shelf, coordinates = _shelved(polygons, names, known, self._file.tell() // _VERTEX)
            coordinates.tofile(self._file)
            self._shelves.append(shelf)

    def overlaps(self, tolerance_metres: float = 1.0) -> Iterator[Overlap]:
        """Each pair that shares more than a sliver, once, in no particular order.

        A sliver is shared area too narrow for a circle of diameter `tolerance_metres`, measured
        along the parallel and the meridian through its middle: good to 1 % for shared areas up to
        some 100 km across. With tolerance 0, exactly the pairs come for which
        `shapely.relate_pattern(first, second, "T********")` is true.
        """
        if not self._shelves:
            return
        self._file.flush()
        self._shelves = [_joined(self._shelves)]
        search = _Search(self._file.fileno(), self._shelves[0], tolerance_metres)
        doubtful, settled = np.zeros((2, len(search.shelf.keys)), dtype=bool)
        with ThreadPoolExecutor(_THREADS, "overlaps") as pool:
            everyone = ~settled
            for uncancelled in _ahead(pool, search.uncancelled, search.parts(everyone)):
                doubtful[uncancelled] = True
            while doubtful.any():
                bereft = np.zeros_like(doubtful)
                work = search.comparison(doubtful, settled)
                for neighbours, found in _ahead(pool, work, search.parts(doubtful)):
                    bereft[neighbours] = True
                    yield from found
                settled = settled | doubtful
                doubtful = bereft & ~settled


# Two, because GEOS and numpy let go of the interpreter only in part: a third thread gains nothing.
_THREADS = 2
_VERTEX = 16  # bytes of a longitude and a latitude
# A window is about what a thread works on at once: 2 MB of coordinates, so that its edges and their
# order stay near the processor. A small polygon counts as one of 50 vertices.
_WINDOW_VERTICES = 125_000
_LEAST_VERTICES = 50
# What a window may bring along: vertices of neighbours, and pairs, before and after the tree.
_MOST_VERTICES = 1_000_000
_MOST_COMBINATIONS = 16_000_000
_MOST_PAIRS = 100_000
# Neighbours for each, on average, from which on cancelling edges is not worth reading them all.
_CROWD = 200
_POLYGONAL = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True)
class _Shelf:
    """Where polygons lie in the file: polygon i has parts polygons[i] to polygons[i + 1], part j
    rings parts[j] to parts[j + 1], ring k vertices rings[k] to rings[k + 1] of the file."""

    keys: Ints
    known: Bools
    bounds: Floats  # (n, 4)
    polygons: Ints
    parts: Ints
    rings: Ints


@dataclass(frozen=True, slots=True)
class _Part:
    """Some polygons, and all pairs of one of them (`left`) and one whose bounds it meets."""

    core: Ints
    left: Ints
    right: Ints


def _shelved(polygons: Geometries, keys: Ints, known: bool, start: int) -> tuple[_Shelf, Floats]:
    """Offsets and coordinates of polygons that will be written from vertex `start` on."""
    # One MultiPolygon makes shapely give all three levels of offsets; it is left out again.
    oriented = shapely.orient_polygons(np.append(polygons, _MULTIPOLYGON), exterior_cw=False)
    _, coordinates, (rings, parts, wholes) = shapely.to_ragged_array(oriented, include_z=False)
    # A MultiPolygon may hold empty parts, and GEOS crashes on making them again.
    rings, parts = _without_empty(rings, parts)
    parts, wholes = _without_empty(parts, wholes)
    shelf = _Shelf(
        keys=keys,
        known=np.full(len(keys), known),
        bounds=shapely.bounds(polygons),
        polygons=wholes[:-1],
        parts=parts[:-1],
        rings=rings[:-1] + start,
    )
    # Adding nothing makes -0.0 the same bits as 0.0.
    return shelf, coordinates[: rings[-2]] + 0.0


def _without_empty(offsets: Ints, parents: Ints) -> tuple[Ints, Ints]:
    """Offsets without the items that hold nothing, and their parents' offsets among the rest."""
    full = np.diff(offsets) > 0
    kept = np.append(offsets[:-1][full], offsets[-1]).astype(np.int64)
    return kept, np.append(0, np.cumsum(full))[parents]


_MULTIPOLYGON = shapely.multipolygons([shapely.box(0, 0, 1, 1)])


def _joined(shelves: list[_Shelf]) -> _Shelf:
    """One shelf of several that follow each other in the file."""

    def offsets(name: str, *, absolute: bool = False) -> Ints:
        runs, base = [np.zeros(1, dtype=np.int64)], 0
        for shelf in shelves:
            run: Ints = getattr(shelf, name)
            runs.append(run[1:] + (0 if absolute else base))
            base += int(run[-1])
        return np.concatenate(runs)

    return _Shelf(
        keys=np.concatenate([shelf.keys for shelf in shelves]),
        known=np.concatenate([shelf.known for shelf in shelves]),
        bounds=np.concatenate([shelf.bounds for shelf in shelves]),
        polygons=offsets("polygons"),
        parts=offsets("parts"),
        rings=offsets("rings", absolute=True),
    )


class _Search:
    """What the steps of one search share; all of it is only read, so threads may share it too."""

    def __init__(self, file: int, shelf: _Shelf, tolerance_metres: float) -> None:
        self.shelf = shelf
        self._file = file
        self._tolerance = tolerance_metres
        firsts = shelf.rings[shelf.parts[shelf.polygons]]  # each polygon's first vertex
        self._starts, self._ends = firsts[:-1], firsts[1:]
        self._sizes = self._ends - self._starts
        # Known polygons far from all others have nobody to be reported against.
        fresh = ~shelf.known
        self._concerned = (
            _meeting(shelf.bounds, _union(shelf.bounds[fresh])) if fresh.any() else fresh
        )
        self._windows = _windows(shelf.bounds, self._sizes, np.flatnonzero(self._concerned))

    def parts(self, wanted: Bools) -> Iterator[_Part]:
        """The wanted polygons with their neighbours, in portions that fit into memory."""
        for window in self._windows:
            core = window[wanted[window]]
            if len(core):
                yield from self._split(core)

    def _split(self, core: Ints) -> Iterator[_Part]:
        bounds = self.shelf.bounds
        near = np.flatnonzero(_meeting(bounds, _union(bounds[core])) & self._concerned)
        if len(core) == 1:
            yield _Part(core, np.repeat(core, len(near)), near)
        elif len(core) * len(near) > _MOST_COMBINATIONS or self._sizes[near].sum() > _MOST_VERTICES:
            # One polygon that spans all others brings them all: halving sets it apart in the end.
            for half in np.array_split(core, 2):
                yield from self._split(half)
        else:
            tree = shapely.STRtree(shapely.box(*bounds[near].T))
            left, right = tree.query(shapely.box(*bounds[core].T))
            # Few pairs as a rule; a heap of polygons has so many that they go by portions.
            pairs = np.bincount(left, minlength=len(core))
            cuts = _portions(pairs, _MOST_PAIRS)
            order = np.argsort(left, kind="stable")
            left, right = core[left[order]], near[right[order]]
            ends = np.cumsum(pairs)[cuts - 1]
            for some, ours, theirs in zip(
                np.split(core, cuts), np.split(left, ends), np.split(right, ends), strict=True
            ):
                yield _Part(some, ours, theirs)

    def uncancelled(self, part: _Part) -> Ints:
        """Those of the part that have an edge without a counterpart of its own."""
        everyone = np.unique(part.right)
        if self._sizes[everyone].sum() > _MOST_VERTICES or len(part.left) > _CROWD * len(part.core):
            return part.core  # they lie on or around very many others: simply compare them
        coordinates, rings, parts, polygons = self._read(everyone)
        longitude, latitude = np.ascontiguousarray(coordinates.T)
        # An edge goes by its first vertex; the last of a ring starts none, repeated ones do not.
        starts = np.ones(len(coordinates), dtype=bool)
        starts[rings[1:] - 1] = False
        starts[:-1] &= (longitude[1:] != longitude[:-1]) | (latitude[1:] != latitude[:-1])
        edges = np.flatnonzero(starts)
        # Edges with the same ends, either way round, get the same number and lie side by side.
        mixed = _mixed(longitude, latitude)
        number = mixed[edges] + mixed[edges + 1]
        order = np.argsort(number, kind="stable")
        pair = np.diff(number[order]) == 0
        # Of three and more alike only the last two are tried, so that none cancels twice.
        pair[:-1] &= ~pair[1:]
        one, other = edges[order[:-1][pair]], edges[order[1:][pair]]
        # The number only brought them together: whether they cancel, the coordinates say.
        cancels = (
            (longitude[one] == longitude[other + 1])
            & (latitude[one] == latitude[other + 1])
            & (longitude[one + 1] == longitude[other])
            & (latitude[one + 1] == latitude[other])
        )
        starts[one[cancels]] = starts[other[cancels]] = False
        left_over = np.searchsorted(rings[parts[polygons]], np.flatnonzero(starts), "right") - 1
        return np.intersect1d(everyone[left_over], part.core)

    def comparison(
        self, doubtful: Bools, settled: Bools
    ) -> Callable[[_Part], tuple[Ints, list[Overlap]]]:
        """Compares the doubtful of a part with their neighbours, except where that has been done.

        Gives the neighbours of those that overlap something, and the overlaps to report.
        """

        def compare(part: _Part) -> tuple[Ints, list[Overlap]]:
            left, right = part.left, part.right
            due = _interiors_meet(self.shelf.bounds, left, right) & (left != right)
            # Two that are both doubtful meet twice, perhaps in different parts; the lower asks.
            due &= ~settled[right] & (~doubtful[right] | (left < right))
            left, right = left[due], right[due]
            cuts = _portions(self._sizes[right], _MOST_VERTICES)
            overlapping: list[Ints] = []
            found: list[Overlap] = []
            for some, others in zip(np.split(left, cuts), np.split(right, cuts), strict=True):
                meeting, overlaps = self._compared(some, others)
                overlapping.append(meeting)
                found += overlaps
            neighbours = part.right[np.isin(part.left, np.concatenate(overlapping))]
            return np.unique(neighbours), found

        return compare

    def _compared(self, left: Ints, right: Ints) -> tuple[Ints, list[Overlap]]:
        everyone = np.unique(np.concatenate([left, right]))
        if not len(everyone):
            return left, []
        coordinates, *offsets = self._read(everyone)
        polygons = shapely.from_ragged_array(
            shapely.GeometryType.MULTIPOLYGON, coordinates, tuple(offsets)
        )
        one = polygons[np.searchsorted(everyone, left)]
        other = polygons[np.searchsorted(everyone, right)]
        meet = shapely.relate_pattern(one, other, "T********")
        report = meet & ~(self.shelf.known[left] & self.shelf.known[right])
        first, second = np.minimum(left, right)[report], np.maximum(left, right)[report]
        found = _measured(
            one[report],
            other[report],
            self.shelf.keys[first],
            self.shelf.keys[second],
            self._tolerance,
        )
        return left[meet], found

    def _read(self, which: Ints) -> tuple[Floats, Ints, Ints, Ints]:
        """Coordinates of polygons (ascending) and their offsets, as `from_ragged_array` takes."""
        shelf = self.shelf
        polygons, parts_read = _children(shelf.polygons, which)
        parts, rings_read = _children(shelf.parts, parts_read)
        rings = np.append(0, np.cumsum(shelf.rings[rings_read + 1] - shelf.rings[rings_read]))
        # Polygons that follow each other in the file are read at one go.
        starts, ends = self._starts[which], self._ends[which]
        new = starts[1:] != ends[:-1]
        starts, ends = starts[np.append(True, new)], ends[np.append(new, True)]
        read = [
            os.pread(self._file, (end - start) * _VERTEX, start * _VERTEX)
            for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        ]
        return np.frombuffer(b"".join(read)).reshape(-1, 2), rings, parts, polygons


def _children(offsets: Ints, which: Ints) -> tuple[Ints, Ints]:
    """Offsets of the children of `which` alone, and those children's places among all."""
    counts = offsets[which + 1] - offsets[which]
    own = np.append(0, np.cumsum(counts))
    return own, np.repeat(offsets[which] - own[:-1], counts) + np.arange(own[-1])


def _portions(sizes: Ints, most: int) -> Ints:
    """Where to cut a sequence so that each portion's sizes add up to about `most`."""
    return np.flatnonzero(np.diff(np.cumsum(sizes) // most)) + 1


def _windows(bounds: Floats, sizes: Ints, which: Ints) -> list[Ints]:
    """Polygons in compact groups of about a window's vertices: strips by longitude, cut across."""
    bounds, sizes = bounds[which], np.maximum(sizes[which], _LEAST_VERTICES)
    strips = max(1, round(float(sizes.sum() / _WINDOW_VERTICES) ** 0.5))
    eastwards = np.argsort(bounds[:, 0] + bounds[:, 2], kind="stable")
    strip = np.empty_like(which)
    strip[eastwards] = (np.cumsum(sizes[eastwards]) - 1) * strips // max(1, sizes.sum())
    order = np.lexsort((bounds[:, 1] + bounds[:, 3], strip))
    window = np.cumsum(sizes[order]) // _WINDOW_VERTICES
    breaks = np.flatnonzero(np.diff(window) | np.diff(strip[order])) + 1
    return np.array_split(which[order], breaks)


def _mixed(longitude: Floats, latitude: Floats) -> NDArray[np.uint64]:
    """A number for each position that seldom is another's (multiply and fold, as splitmix64)."""
    mixed: NDArray[np.uint64] = longitude.view(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(32)
    mixed += latitude.view(np.uint64)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(29)
    return mixed * np.uint64(0x94D049BB133111EB)


def _union(bounds: Floats) -> Floats:
    return np.concatenate([bounds[:, :2].min(axis=0), bounds[:, 2:].max(axis=0)])


def _meeting(bounds: Floats, box: Floats) -> Bools:
    west, south, east, north = bounds.T
    meet: Bools = (west <= box[2]) & (east >= box[0]) & (south <= box[3]) & (north >= box[1])
    return meet


def _interiors_meet(bounds: Floats, left: Ints, right: Ints) -> Bools:
    low = np.maximum(bounds[left, :2], bounds[right, :2])
    high = np.minimum(bounds[left, 2:], bounds[right, 2:])
    meet: Bools = (low[:, 0] < high[:, 0]) & (low[:, 1] < high[:, 1])
    return meet


def _measured(
    one: Geometries, other: Geometries, first: Ints, second: Ints, tolerance: float
) -> list[Overlap]:
    """The pairs whose shared area is no sliver, measured in metres around its middle."""
    if not len(one):
        return []
    shared = shapely.intersection(one, other)
    # Where borders also run together, lines and points come along; they have no width.
    mixed = np.flatnonzero(~np.isin(shapely.get_type_id(shared), _POLYGONAL))
    for i in mixed:
        pieces = shapely.get_parts(shared[i])
        shared[i] = shapely.multipolygons(pieces[shapely.get_dimensions(pieces) == 2])
    # Area too thin for floating-point numbers may come back as none at all: bounds stand in.
    box = shapely.bounds(np.where(shapely.is_empty(shared), one, shared))
    middle = np.column_stack([box[:, 0] + box[:, 2], box[:, 1] + box[:, 3]]) / 2
    scale = np.column_stack(metres_per_degree(middle[:, 1]))
    coordinates, owner = shapely.get_coordinates(shared, return_index=True)
    local = shapely.set_coordinates(shared, (coordinates - middle[owner]) * scale[owner])

    area = shapely.area(local)
    if tolerance > 0:
        # Whatever holds the circle has its area; asking that first spares most slivers the rest.
        wide = area >= 0.7 * tolerance**2
        wide[wide] = ~shapely.is_empty(shapely.buffer(local[wide], -tolerance / 2))
    else:
        wide = np.ones(len(local), dtype=bool)
    extent = np.sqrt(np.maximum(area, 0))
    circles = np.full(len(local), None, dtype=object)
    measurable = wide & (area > 0)
    circles[measurable] = shapely.maximum_inscribed_circle(
        local[measurable], tolerance=np.maximum(tolerance / 20, extent[measurable] * 1e-3)
    )
    found = []
    for i in np.flatnonzero(wide):
        centre, width = (0.0, 0.0), 0.0
        if circles[i] is not None:
            centre, width = circles[i].coords[0], 2 * circles[i].length
        longitude, latitude = middle[i] + np.asarray(centre) / scale[i]
        found.append(
            Overlap(
                first=int(first[i]),
                second=int(second[i]),
                area_m2=float(area[i]),
                width_metres=float(width),
                longitude=float(longitude),
                latitude=float(latitude),
            )
        )
    return found


def _ahead(
    pool: ThreadPoolExecutor, work: Callable[[_Given], _Made], items: Iterable[_Given]
) -> Iterator[_Made]:
    """Results in order; like `pool.map`, but only a few items are taken ahead of the reader."""
    waiting: deque[Future[_Made]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) > _THREADS:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
