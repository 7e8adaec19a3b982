"""Where points lie denser than around them: groups by DBSCAN, in metres on the ground.

The groups are those of PostGIS's ST_ClusterDBSCAN, made without looking at every pair. Points at
one position are taken together. Positions fall into cells so small that all in one are within the
radius of each other, so a cell with enough points needs no measuring. What is left is measured
against the neighbouring cells, and these not point by point but by halves: a half that lies wholly
within the radius, or wholly beyond, is settled by its bounding box.

Metres are those of a degree halfway between two points: true to a millionth over a kilometre up to
85 degrees of latitude, wherever the points are and however far others lie. Beyond 89 degrees
lengths are reckoned as if at 89, and nothing reaches across the antimeridian.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from gridmap.errors import Invalid
from gridmap.geo.checks import metres_per_degree

Floats = NDArray[np.float64]
Numbers = NDArray[np.intp]
Flags = NDArray[np.bool_]

SMALLEST_RADIUS_METRES = 0.1
LARGEST_RADIUS_METRES = 10_000.0


def dense_groups(points: Floats, radius_metres: float, least: int) -> Numbers:
    """The number of each point's group, intp (n,); −1 where it is in none.

    `points`: float64 (n, 2), longitude then latitude, WGS 84 degrees. A point with at least `least`
    points within the radius, itself and those at the radius included, is in a group together with
    all points within its radius. Groups that have such a point in common are one. A point that
    could be in several groups, having too few around itself, is in that of the first such point, in
    the order given, that it is within the radius of. Groups are numbered by their first points.

    Raises Invalid for points that are no positions, a radius that is not from
    `SMALLEST_RADIUS_METRES` to `LARGEST_RADIUS_METRES`, and `least` below 1.
    """
    points = _positions(points)
    _check_radius(radius_metres)
    if least < 1:
        raise Invalid(f"A group cannot be made of {least} points; ask for at least 1.")
    if not len(points):
        return np.empty(0, dtype=np.intp)
    lattice = _Lattice.of(radius_metres)
    places, place_of_point = _Places.of(points, lattice)
    tree = _Tree(places)
    core = _core(tree, lattice, least)
    cores = tree if core.all() else _Tree(places.chosen(core))
    group = np.full(len(core), -1, dtype=np.intp)
    group[core] = _joined(cores, lattice)[cores.cell[: len(cores.places.first)]]
    _add_borders(group, core, tree, cores, lattice)
    return _numbered(group, places.first)[place_of_point]


def outlines(points: Floats, groups: Numbers, radius_metres: float) -> NDArray[np.object_]:
    """A line around each group, in the order of their numbers: shapely Polygons (groups,), valid.

    `points`: as for `dense_groups`, and `groups` what it gave. An outline has all points of its
    group well inside, follows them at about half the radius, bridges gaps of up to the radius and
    has holes only where no point is within about the radius. WGS 84 degrees, which go on beyond 180
    or 90 where a group lies at the very edge. Points that are too far from each other to be a group
    get the convex hull of their outlines. Raises Invalid as `dense_groups` does, and for a number
    below the highest that no point has.
    """
    _check_radius(radius_metres)
    points, starts = _by_group(points, groups)
    if not len(starts):
        return np.empty(0, dtype=np.object_)
    low, high = np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts)
    middle = (low + high) / 2
    # In squares of a quarter of the radius, on which everything is as near as a reader can tell.
    scale = np.column_stack(metres_per_degree(_tame(middle[:, 1]))) * (_SQUARES / radius_metres)
    group = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(points)))
    column, row = np.floor((points - middle[group]) * scale[group]).T
    order = np.lexsort((row, column, group))
    taken = np.column_stack((group, column, row))[order]
    taken = taken[_new(taken)]
    squares = shapely.box(taken[:, 1], taken[:, 2], taken[:, 1] + 1, taken[:, 2] + 1)
    ends = taken[:, 0].searchsorted(np.arange(len(starts)), side="right").tolist()
    shapes = np.array(
        [_widened(squares[begin:end]) for begin, end in zip([0, *ends], ends, strict=False)]
    )
    shapes = shapely.buffer(shapes, -_SQUARES / 2, quad_segs=2)
    shapes = shapely.simplify(shapes, _SQUARES / 16)
    faulty = ~shapely.is_valid(shapes) | (shapely.get_type_id(shapes) != _POLYGON)
    shapes[faulty] = shapely.convex_hull(shapes[faulty])
    corners, owner = shapely.get_coordinates(shapes, return_index=True)
    placed: NDArray[np.object_] = shapely.set_coordinates(
        shapes, corners / scale[owner] + middle[owner]
    )
    return placed


def centres(points: Floats, groups: Numbers) -> Floats:
    """The mean of the points of each group, float64 (groups, 2), WGS 84 degrees.

    `points`, `groups`: as for `outlines`. The centre of a bent group may lie outside its outline.
    """
    points, starts = _by_group(points, groups)
    if not len(starts):
        return np.empty((0, 2))
    sizes = np.diff(starts, append=len(points))
    # From a point of the group, so that many at one position have that very position.
    origin = points[starts]
    off = np.add.reduceat(points - np.repeat(origin, sizes, axis=0), starts)
    means: Floats = origin + off / sizes[:, None]
    return means


_FARTHEST_LATITUDE = 89.0
# No degree of latitude has more metres, and none has fewer than one at the equator; so no point
# reaches farther than into the second row of cells above and below.
_MOST_METRES = 111_694.0
_ROWS = (0, 1, -1, 2, -2)
# Far more than rounding does to the place of a cell, of which the smallest is 7 cm.
_SLACK = 1e-6
# How many places are looked at one by one rather than by halves.
_FEW = 8
# What is measured at one time; some megabytes.
_MOST_PAIRS = 1 << 17
# Of an outline, in a radius.
_SQUARES = 4
_POLYGON = shapely.GeometryType.POLYGON


def _positions(points: Floats) -> Floats:
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise Invalid(f"Points are of shape {points.shape}; give (n, 2), longitude then latitude.")
    wrong = ~(np.abs(points) <= (180.0, 90.0)).all(axis=1)
    if wrong.any():
        first = int(wrong.argmax())
        longitude, latitude = points[first].tolist()
        raise Invalid(
            f"Point {first} is no position on earth in degrees: longitude {longitude}, latitude "
            f"{latitude}. Give longitude first, and leave out what has no position."
        )
    return points


def _check_radius(radius_metres: float) -> None:
    if not SMALLEST_RADIUS_METRES <= radius_metres <= LARGEST_RADIUS_METRES:
        raise Invalid(
            f"The radius is {radius_metres:g}; it is from {SMALLEST_RADIUS_METRES:g} to "
            f"{LARGEST_RADIUS_METRES:g} metres."
        )


def _by_group(points: Floats, groups: Numbers) -> tuple[Floats, Numbers]:
    """The points that are in groups, group by group, and where each group starts."""
    points, groups = _positions(points), np.asarray(groups)
    if groups.shape != (len(points),):
        raise Invalid(f"There are {len(points)} points, and groups of shape {groups.shape}.")
    order = np.argsort(groups, kind="stable")
    order = order[groups[order].searchsorted(0) :]
    numbers, starts = np.unique(groups[order], return_index=True)
    if len(numbers) and numbers[-1] != len(numbers) - 1:
        missing = int((numbers != np.arange(len(numbers))).argmax())
        raise Invalid(f"No point is in group {missing}; number the groups from 0 on without gaps.")
    return points[order], starts


def _new(rows: Floats) -> Flags:
    """Which rows differ from the one before."""
    new = np.ones(len(rows), dtype=np.bool_)
    new[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    return new


def _widened(squares: NDArray[np.object_]) -> Any:
    """Squares of a lattice and all that is within the radius of them.

    What touches is made one first and each piece widened by itself, since GEOS takes the square of
    the number of pieces to widen them together.
    """
    pieces = shapely.get_parts(shapely.coverage_union_all(squares))
    return shapely.union_all(shapely.buffer(pieces, _SQUARES, quad_segs=2))


def _tame(latitudes: Floats) -> Floats:
    return np.clip(latitudes, -_FARTHEST_LATITUDE, _FARTHEST_LATITUDE)


# Places and the cells they are in


class _Lattice(NamedTuple):
    """Cells in rows of latitude, as wide as high in metres, with a diagonal of the radius; rows
    differ in how many cells they have."""

    radius: float
    height: float
    """Of a row, in degrees."""

    @classmethod
    def of(cls, radius: float) -> _Lattice:
        return cls(radius, radius * (1 - _SLACK) / math.sqrt(2) / _MOST_METRES)

    def widths(self, rows: Numbers) -> Floats:
        """Of the cells of rows, in degrees: at their edge towards the equator, where it is most."""
        south = rows * self.height - 90
        nearest = np.maximum(np.maximum(south, -south - self.height), 0)
        return self.height * _MOST_METRES / _across(nearest)

    def reach(self, latitudes: Floats) -> Floats:
        """By how many degrees of longitude anything within the radius may lie off."""
        return self.radius * (1 + _SLACK) / _across(np.abs(latitudes) + 3 * self.height)


def _across(latitudes: Floats) -> Floats:
    return metres_per_degree(_tame(latitudes))[0]


class _Places(NamedTuple):
    """Positions that differ, ordered by cell and in a cell so that neighbours are mostly near."""

    longitude: Floats
    latitude: Floats
    across: Floats
    along: Floats
    """Metres in a degree of longitude and of latitude."""
    weight: Numbers
    """How many points are there."""
    first: Numbers
    """The lowest index of these."""
    row: Numbers
    cell: Numbers
    """Of the lattice: row and column in one number."""

    @classmethod
    def of(cls, points: Floats, lattice: _Lattice) -> tuple[_Places, Numbers]:
        """The places of points, and the place of each point."""
        order = np.lexsort((points[:, 1], points[:, 0]))
        ordered = points[order]
        starts = np.flatnonzero(_new(ordered))
        weight = np.diff(starts, append=len(points))
        longitude, latitude = ordered[starts].T
        row, north = _divided(latitude + 90, lattice.height)
        column, east = _divided(longitude + 180, lattice.widths(row))
        cell = (row << 32) + column
        by_cell = np.lexsort((_interleaved(east, north), cell))
        rank = np.empty_like(by_cell)
        rank[by_cell] = np.arange(len(by_cell))
        place_of_point = np.empty_like(order)
        place_of_point[order] = np.repeat(rank, weight)
        across, along = metres_per_degree(_tame(latitude))
        # The sort is stable, so the first of its points is the lowest.
        places = cls(longitude, latitude, across, along, weight, order[starts], row, cell)
        return places.chosen(by_cell), place_of_point

    def chosen(self, which: Numbers | Flags) -> _Places:
        return _Places._make(values[which] for values in self)


def _divided(values: Floats, size: Floats | float) -> tuple[Numbers, Floats]:
    """Whole parts and what is left, from 0 to 1."""
    parts = values / size
    whole = np.floor(parts)
    return whole.astype(np.intp), parts - whole


def _interleaved(east: Floats, north: Floats) -> Numbers:
    """Numbers along a curve through the unit square that keeps near what is near (Morton's)."""
    woven = np.zeros(len(east), dtype=np.intp)
    for axis, share in enumerate((east, north)):
        bits = (share * 1024).astype(np.intp)
        for bit in range(10):
            woven |= ((bits >> bit) & 1) << (2 * bit + axis)
    return woven


class _Tree:
    """Places, then their cells, then halves of these, all as numbered boxes.

    The boxes from 0 on are the places by themselves. Those of `cells` come next. A box that holds
    several places is made up of `parts` boxes from `part` on.
    """

    def __init__(self, places: _Places) -> None:
        self.places = places
        count = len(places.cell)
        start = np.flatnonzero(np.diff(places.cell, prepend=-1))
        stop = np.append(start[1:], count)[: len(start)]
        self.cells = slice(count, count + len(start))
        self.keys = places.cell[start]
        starts, stops = [np.arange(count)], [np.arange(1, count + 1)]
        parts, part = [np.ones(count, dtype=np.intp)], [np.arange(count)]
        below = count
        while len(start):
            starts.append(start)
            stops.append(stop)
            below += len(start)
            size = stop - start
            many = np.flatnonzero(size > _FEW)
            begin = start.copy()
            begin[many] = below + 2 * np.arange(len(many))
            size[many] = 2
            part.append(begin)
            parts.append(size)
            middle = (start[many] + stop[many]) // 2
            start, stop = (
                np.column_stack((start[many], middle)).ravel(),
                np.column_stack((middle, stop[many])).ravel(),
            )
        self.part, self.parts = np.concatenate(part), np.concatenate(parts)
        begins, ends = np.concatenate(starts), np.concatenate(stops)
        self.size = ends - begins
        self.middle = (begins + ends) // 2
        self.row = places.row[begins]
        self.cell = np.searchsorted(self.keys, places.cell)[begins]

        # Of every second stretch, those from one box's end to the next one's begin being of no use.
        stretches = np.column_stack((begins, ends)).ravel()[2 * count :]

        def over(combine: np.ufunc, values: NDArray[Any]) -> NDArray[Any]:
            whole = combine.reduceat(np.append(values, values[:1]), stretches)[::2]
            return np.concatenate((values, whole))

        self.west, self.east = (over(each, places.longitude) for each in (np.minimum, np.maximum))
        self.south, self.north = (over(each, places.latitude) for each in (np.minimum, np.maximum))
        self.least_across, self.most_across = (
            over(each, places.across) for each in (np.minimum, np.maximum)
        )
        self.least_along, self.most_along = (
            over(each, places.along) for each in (np.minimum, np.maximum)
        )
        self.weight = over(np.add, places.weight)
        self.first = over(np.minimum, places.first)


def _nearest(a: _Tree, i: Numbers, b: _Tree, j: Numbers) -> Floats:
    """Metres that nothing in boxes i of a is nearer to anything in boxes j of b; between two places
    the distance itself.

    Rounding never goes against the order of numbers, so this is never more than the distance of
    two places in the boxes, to the last bit.
    """
    east = np.maximum(np.maximum(a.west[i] - b.east[j], b.west[j] - a.east[i]), 0)
    north = np.maximum(np.maximum(a.south[i] - b.north[j], b.south[j] - a.north[i]), 0)
    east *= (a.least_across[i] + b.least_across[j]) / 2
    north *= (a.least_along[i] + b.least_along[j]) / 2
    metres: Floats = np.sqrt(east * east + north * north)
    return metres


def _farthest(a: _Tree, i: Numbers, b: _Tree, j: Numbers) -> Floats:
    """Metres that nothing in boxes i of a is farther from anything in boxes j of b."""
    east = np.maximum(a.east[i] - b.west[j], b.east[j] - a.west[i])
    north = np.maximum(a.north[i] - b.south[j], b.north[j] - a.south[i])
    east *= (a.most_across[i] + b.most_across[j]) / 2
    north *= (a.most_along[i] + b.most_along[j]) / 2
    metres: Floats = np.sqrt(east * east + north * north)
    return metres


def _neighbours(
    a: _Tree, boxes: Numbers, b: _Tree, lattice: _Lattice, rows: Sequence[int] = _ROWS
) -> Iterator[tuple[Numbers, Numbers]]:
    """Pairs of a box of a, none larger than a cell, and a cell of b that may be within the radius;
    so many rows of cells farther north."""
    reach = lattice.reach(np.maximum(np.abs(a.south[boxes]), np.abs(a.north[boxes])))
    west, east = a.west[boxes] - reach + 180, a.east[boxes] + reach + 180
    for step in rows:
        row = a.row[boxes] + step
        widths = lattice.widths(row)
        low = (row << 32) + np.maximum(np.floor(west / widths).astype(np.intp), 0)
        high = (row << 32) + np.floor(east / widths).astype(np.intp)
        begin = b.keys.searchsorted(low)
        owner, cell = _spread(begin, b.keys.searchsorted(high, side="right") - begin)
        yield boxes[owner], cell + b.cells.start


def _spread(begin: Numbers, count: Numbers) -> tuple[Numbers, Numbers]:
    """Of stretches of numbers: which stretch, and each number in it."""
    owner = np.repeat(np.arange(len(begin)), count)
    return owner, np.arange(len(owner)) + np.repeat(begin - np.cumsum(count) + count, count)


def _within(
    a: _Tree, i: Numbers, b: _Tree, j: Numbers, radius: float, done: Flags
) -> Iterator[tuple[Numbers, Numbers]]:
    """Of pairs of a place of a and a box of b, the largest parts of b that are wholly within the
    radius; no more for places that are `done`, which may change while this goes on."""
    stack = [(i, j)]
    while stack:
        i, j = stack.pop()
        if len(i) > _MOST_PAIRS:
            half = len(i) // 2
            stack += [(i[half:], j[half:]), (i[:half], j[:half])]
            continue
        wanted = ~done[i]
        i, j = i[wanted], j[wanted]
        near = _nearest(a, i, b, j) <= radius
        i, j = i[near], j[near]
        whole = _farthest(a, i, b, j) <= radius
        yield i[whole], j[whole]
        i, j = i[~whole], j[~whole]
        owner, j = _spread(b.part[j], b.parts[j])
        if len(j):
            stack.append((i[owner], j))


# DBSCAN


def _core(tree: _Tree, lattice: _Lattice, least: int) -> Flags:
    """Which places have so many points within the radius."""
    places = len(tree.places.cell)
    cell = tree.cell[:places] + tree.cells.start
    count = tree.weight[cell]
    enough = count >= least
    left = np.flatnonzero(~enough)
    for i, j in _neighbours(tree, left, tree, lattice):
        others = j != cell[i]
        for place, box in _within(tree, i[others], tree, j[others], lattice.radius, enough):
            np.add.at(count, place, tree.weight[box])
            enough[place] = count[place] >= least
    return enough


def _joined(cores: _Tree, lattice: _Lattice) -> Numbers:
    """For each cell a number that is the same for all that are of one group.

    All in a cell are of one group anyway, and two cells are as soon as one pair of places is within
    the radius. Whatever is of one group already need not be measured.
    """
    joined = np.arange(cores.cells.stop - cores.cells.start)
    boxes = np.arange(cores.cells.start, cores.cells.stop)
    for i, j in _neighbours(cores, boxes, cores, lattice, rows=(0, 1, 2)):
        stack = [(i[i < j], j[i < j])]
        while stack:
            i, j = stack.pop()
            if len(i) > _MOST_PAIRS:
                half = len(i) // 2
                stack += [(i[half:], j[half:]), (i[:half], j[:half])]
                continue
            apart = joined[cores.cell[i]] != joined[cores.cell[j]]
            i, j = i[apart], j[apart]
            near = _nearest(cores, i, cores, j) <= lattice.radius
            i, j = i[near], j[near]
            met = _nearest(cores, cores.middle[i], cores, cores.middle[j]) <= lattice.radius
            joined = _united(joined, cores.cell[i[met]], cores.cell[j[met]])
            i, j = i[~met], j[~met]
            # Of each pair the larger in two; two places by themselves have met or are not near.
            i, j = np.where(cores.size[i] > cores.size[j], (i, j), (j, i))
            owner, i = _spread(cores.part[i], cores.parts[i])
            if len(i):
                stack.append((i, j[owner]))
    return joined


def _united(joined: Numbers, first: Numbers, second: Numbers) -> Numbers:
    """`joined` with each of the first and of the second as one; the lowest stands for all."""
    while True:
        low, high = joined[first], joined[second]
        apart = low != high
        if not apart.any():
            return joined
        first, second, low, high = first[apart], second[apart], low[apart], high[apart]
        np.minimum.at(joined, np.maximum(low, high), np.minimum(low, high))
        while ((deeper := joined[joined]) != joined).any():
            joined = deeper


def _add_borders(group: Numbers, core: Flags, tree: _Tree, cores: _Tree, lattice: _Lattice) -> None:
    """Gives places that are not core the group of the first core point within the radius."""
    points = int(tree.places.weight.sum())
    lowest = np.full(len(core), points)
    for i, j in _neighbours(tree, np.flatnonzero(~core), cores, lattice):
        for place, box in _within(tree, i, cores, j, lattice.radius, core):
            np.minimum.at(lowest, place, cores.first[box])
    border = np.flatnonzero(lowest < points)
    group_of_first = np.empty(points, dtype=np.intp)
    group_of_first[cores.places.first] = group[core]
    group[border] = group_of_first[lowest[border]]


def _numbered(group: Numbers, first: Numbers) -> Numbers:
    """Groups numbered from 0 on, by the lowest of `first` among their members."""
    inside = np.flatnonzero(group >= 0)
    by_first = inside[np.argsort(first[inside])]
    names, begin, which = np.unique(group[by_first], return_index=True, return_inverse=True)
    number = np.empty(len(names), dtype=np.intp)
    number[np.argsort(begin)] = np.arange(len(names))
    numbered = np.full(len(group), -1, dtype=np.intp)
    numbered[by_first] = number[which]
    return numbered
