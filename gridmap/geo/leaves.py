"""Leaves of cells that answer at once, or on a border decide exactly by the few edges near.

Why it is exact. Points and vertices go to cells by the same arithmetic, which is monotone (see
`Frame`), and an edge belongs to every cell that it might touch when all rounding is counted against
it. Whether a polygon covers a point p is then told from the edges E of its cell and one bit. Count,
mod 2, the edges crossed by the ray from p eastwards. Let q be where the ray leaves the cell, and
call a vertex ahead of p if it lies in a column east of the cell and above p. Of an edge with one
end ahead, either the ray east of q or the ray north of q crosses it, not both; else both or none
do. The ends of all edges of closed rings are counted twice, so their sum is even. Edges not in E
never come between p, q, and the rest of the cell's eastern side. It follows that

    inside(p) = constant of the cell + sum over E of [crosses(p) + first end ahead + second ahead]

and only `crosses` needs arithmetic, which floating point decides beyond doubt (Shewchuk, Adaptive
Precision Floating-Point Arithmetic, 1997) or else leaves to GEOS, which has twice the digits:
enough for every number that is 0 or at least 1e-20. The constant is had by counting at the height
of the cell's middle; nothing is computed that could round.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Geometries = NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A square of side × side cells that answer.

    The label of a cell, row by row from the south-west, is the polygon that holds all of it, −1 for
    none, −2 − b for border cell b. `members`: int32, the polygons whose bounds come into the
    square, by rank.
    """

    side: int
    labels: array[int]
    borders: Borders
    members: NDArray[np.int32]


class Borders(NamedTuple):
    """The border cells of a leaf.

    The candidates of cell b, by rank, are `firsts[b]` to `firsts[b + 1]`; a candidate's claim is
    twice its position, plus the constant of the cell; its edges in the cell are `starts[candidate]`
    on. An edge is four times the number of its first vertex (the second is the next), plus 2 if the
    first and 1 if the second lies in a column east of the cell.
    """

    firsts: array[int]
    claims: array[int]
    starts: array[int]
    edges: array[int]
    longitudes: array[float]
    latitudes: array[float]

    def holder(self, border: int, longitude: float, latitude: float, polygons: Geometries) -> int:
        """The first candidate of a border cell that covers a point of the cell, −1 if none does."""
        for candidate in range(self.firsts[border], self.firsts[border + 1]):
            if self._covers(candidate, longitude, latitude, polygons):
                return self.claims[candidate] >> 1
        return -1

    def _covers(
        self, candidate: int, longitude: float, latitude: float, polygons: Geometries
    ) -> bool:
        """Whether a candidate covers a point of its cell: see the module's words."""
        claim = self.claims[candidate]
        inside = claim & 1
        longitudes, latitudes = self.longitudes, self.latitudes
        for edge in self.edges[self.starts[candidate] : self.starts[candidate + 1]]:
            i = edge >> 2
            first, second = latitudes[i], latitudes[i + 1]
            if first > latitude:
                if second > latitude:
                    inside ^= (edge >> 1 ^ edge) & 1
                    continue
                inside ^= edge >> 1 & 1
            elif second > latitude:
                inside ^= edge & 1
            else:
                if first == latitude or second == latitude:
                    start, end = longitudes[i], longitudes[i + 1]
                    if (
                        (first == latitude and start == longitude)
                        or (second == latitude and end == longitude)
                        or (first == second and (start < longitude) != (end < longitude))
                    ):
                        return True
                continue
            start, end = longitudes[i] - longitude, longitudes[i + 1] - longitude
            if start > 0 and end > 0:
                inside ^= 1
            elif start >= 0 or end >= 0:
                one, other = start * (second - latitude), (first - latitude) * end
                turn = one - other
                if abs(turn) <= _DOUBT * abs(one + other) + _UNDERFLOW:
                    return bool(shapely.intersects_xy(polygons[claim >> 1], longitude, latitude))
                inside ^= (turn > 0) == (second > latitude)
        return inside == 1

    def holders(
        self,
        border: NDArray[np.int32],
        longitude: Floats,
        latitude: Floats,
        polygons: Geometries,
    ) -> NDArray[np.int32]:
        """`holder` of many points (n,), step by step the same."""
        firsts, claims, starts, edges, longitudes, latitudes = map(np.asarray, self)
        point, candidate = spread(firsts[border], firsts[border + 1])
        claim = claims[candidate]
        pair, place = spread(starts[candidate], starts[candidate + 1])
        edge = edges[place]
        i, at = edge >> 2, point[pair]
        height = latitude[at]
        first, second = latitudes[i], latitudes[i + 1]
        first_above, second_above = first > height, second > height
        flips = (first_above & (edge >> 1)) ^ (second_above & edge)  # the lowest bit counts

        straddling = np.flatnonzero(first_above != second_above)
        j, here = i[straddling], longitude[at[straddling]]
        start, end = longitudes[j] - here, longitudes[j + 1] - here
        crossing = (start > 0) & (end > 0)
        close = np.flatnonzero(~crossing & ((start >= 0) | (end >= 0)))
        k = straddling[close]
        one = start[close] * (second[k] - height[k])
        other = (first[k] - height[k]) * end[close]
        turn = one - other
        crossing[close] = (turn > 0) == second_above[k]
        flips[straddling] ^= crossing
        doubtful = k[np.abs(turn) <= _DOUBT * np.abs(one + other) + _UNDERFLOW]

        level = np.flatnonzero(
            ((first == height) | (second == height)) & ~(first_above | second_above)
        )
        j, here = i[level], longitude[at[level]]
        start, end = longitudes[j], longitudes[j + 1]
        at_first, at_second = first[level] == height[level], second[level] == height[level]
        on_border = (at_first & (start == here)) | (at_second & (end == here))
        on_border |= at_first & at_second & ((start < here) != (end < here))

        flipped = np.bincount(pair[flips & 1 == 1], minlength=len(candidate))
        covers = (claim ^ flipped) & 1 == 1
        if len(doubtful):
            doubtful = np.unique(pair[doubtful])
            covers[doubtful] = shapely.intersects_xy(
                polygons[claim[doubtful] >> 1],
                longitude[point[doubtful]],
                latitude[point[doubtful]],
            )
        covers[pair[level[on_border]]] = True
        holders = np.full(len(border), -1, dtype=np.int32)
        covering = np.flatnonzero(covers)[::-1]  # backwards, so that of several the first stays
        holders[point[covering]] = claim[covering] >> 1
        return holders


class Edges(NamedTuple):
    """What runs through a leaf.

    `x`, `y`: all vertices in units of a cell, from the square's south-west corner; `longitudes`,
    `latitudes`: the same in degrees. Edge i runs from vertex `first[i]` to the next one and belongs
    to member `owners[i]`; owners ascend.
    """

    x: Floats
    y: Floats
    longitudes: Floats
    latitudes: Floats
    first: Ints
    owners: Ints


def leaf(side: int, members: Ints, edges: Edges, slack: float) -> Leaf:
    """A leaf of side × side cells.

    `members`: positions of polygons, by rank. `edges`: those of members that come into the square
    or lie east of it in its rows. `slack`: more than what rounding does to `x` and `y`.
    """
    x, y, owners = edges.x, edges.y, edges.owners
    start, end = edges.first, edges.first + 1

    # Edges by polygon, row of cells and first column there. `passed` counts those that cross the
    # middle of the row, so that one subtraction says how many of them lie further east.
    edge, row, left, right = _touched(x[start], y[start], x[end], y[end], side, slack)
    line = owners[edge] * side + row  # one polygon in one row of cells
    place = line * (side + 1) + left
    order = np.argsort(place)
    edge, row, left, right = edge[order], row[order], left[order], right[order]
    line, place = line[order], place[order]
    straddles = (y[start[edge]] > row + 0.5) != (y[end[edge]] > row + 0.5)
    passed = np.append(0, np.cumsum(straddles))
    all_passed = passed[np.searchsorted(line, line, "right")]

    # Cells between edges are the polygon's if an odd number of edges lies east. Of several that
    # hold all of a cell, the first by rank holds it, and whoever comes behind does not matter.
    number = np.cumsum(np.diff(line, prepend=line[:1]) != 0) * (side + 2)
    furthest = np.maximum.accumulate(number + right + 1)
    gap = np.maximum(np.append(0, furthest)[:-1] - number, 0)
    odd = np.flatnonzero((gap < left) & ((all_passed - passed[:-1]) % 2 == 1))[::-1]
    run, cell = spread((row * side + gap)[odd], (row * side + left)[odd])
    holder = np.full(side * side, len(members))
    holder[cell] = owners[edge[odd]][run]  # backwards, so that the first stays
    labels = np.append(members, -1)[holder]

    # Cells that edges may touch, once for every edge, by cell and then by candidate.
    i, column = spread(left, np.maximum(np.minimum(right + 1, side), left))
    cell = row[i] * side + column
    matters = owners[edge[i]] < holder[cell]
    i, column, cell = i[matters], column[matters], cell[matters]
    key = cell * len(members) + owners[edge[i]]
    order = np.argsort(key)
    i, column, cell, key = i[order], column[order], cell[order], key[order]
    first, second, middle = start[edge[i]], end[edge[i]], row[i] + 0.5
    first_east, second_east = x[first] >= column + 1, x[second] >= column + 1
    ahead = (first_east & (y[first] > middle)) ^ (second_east & (y[second] > middle))
    total = np.append(0, np.cumsum(ahead))
    heads = np.flatnonzero(np.diff(key, prepend=-1))
    ends = np.append(heads[1:], len(key))
    beyond = np.searchsorted(place, line[i[heads]] * (side + 1) + column[heads], "right")
    constant = all_passed[i[heads]] - passed[beyond] + total[ends] - total[heads]

    # A border cell's last candidate may be the holder of all of it, without any edges.
    border = np.unique(cell)
    border = border[holder[border] < len(members)]
    key = np.append(key[heads], border * len(members) + holder[border])
    order = np.argsort(key)
    cell, owner = np.divmod(key[order], len(members))
    constant = np.append(constant & 1, np.ones_like(border))[order]
    counts = np.append(ends - heads, np.zeros_like(border))[order]
    firsts = np.flatnonzero(np.diff(cell, prepend=-1))
    labels[cell[firsts]] = -2 - np.arange(len(firsts))
    if labels[0] >= -1 and (labels == labels[0]).all():
        side, labels = 1, labels[:1]

    # Only vertices of edges that touch a cell are kept; the two of an edge stay neighbours.
    number = np.zeros(len(x) + 1, dtype=np.int64)
    number[first] = number[second] = 1
    kept = np.flatnonzero(number)
    number[kept] = np.arange(len(kept))
    borders = Borders(
        firsts=_array(np.append(firsts, len(cell))),
        claims=_array(members[owner] * 2 + constant),
        starts=_array(np.append(0, np.cumsum(counts))),
        edges=_array(number[first] * 4 + first_east * 2 + second_east),
        longitudes=array("d", edges.longitudes[kept].tobytes()),
        latitudes=array("d", edges.latitudes[kept].tobytes()),
    )
    return Leaf(side, _array(labels), borders, members.astype(np.int32))


# Shewchuk's bound for the sign of orient2d is (3 + 16ε)ε of the sum of both products, ε = 2⁻⁵³.
# The products have the same sign here. Products too small for that are always in doubt.
_DOUBT = 3.4e-16
_UNDERFLOW = 1e-290


def _touched(
    ax: Floats, ay: Floats, bx: Floats, by: Floats, side: int, slack: float
) -> tuple[Ints, Ints, Ints, Ints]:
    """Every row of cells that an edge may touch, and the first and last column that it may there.

    Edges from (ax, ay) to (bx, by). Returns the edge, row, first and last column (`side` if east of
    all), but nothing for rows where the edge lies west of all columns.
    """
    low = whole(np.minimum(ay, by) - slack, 0, side)
    high = whole(np.maximum(ay, by) + slack, -1, side - 1)
    edge, row = spread(low, np.maximum(high + 1, low))
    ax, ay, bx, by = ax[edge], ay[edge], bx[edge], by[edge]
    with np.errstate(divide="ignore", over="ignore"):
        # Of a level edge these are infinite, and all of it counts, since its row is two slacks
        # higher and lower here.
        enter = np.clip((row - 2 * slack - ay) / (by - ay), 0, 1)
        leave = np.clip((row + 1 + 2 * slack - ay) / (by - ay), 0, 1)
    enter, leave = ax + enter * (bx - ax), ax + leave * (bx - ax)
    left = whole(np.minimum(enter, leave) - slack, 0, side)
    right = whole(np.maximum(enter, leave) + slack, -1, side)
    here = right >= 0
    return edge[here], row[here], left[here], right[here]


def whole(numbers: Floats, least: int, most: int) -> Ints:
    """The whole numbers not above these, within limits."""
    return np.clip(np.floor(numbers), least, most).astype(np.int64)


def spread(firsts: NDArray[np.integer], ends: NDArray[np.integer]) -> tuple[Ints, Ints]:
    """All integers from each first to before its end, one range after another.

    Returns the number of the range that each is of, and the integers.
    """
    counts = (ends - firsts).astype(np.int64)
    which = np.repeat(np.arange(len(counts)), counts)
    before = np.cumsum(counts) - counts
    return which, np.arange(len(which)) + (firsts - before)[which]


def _array(numbers: Ints) -> array[int]:
    """What Python reads one by one much sooner than numpy's, and its garbage collector never."""
    return array("i", numbers.astype(np.int32).tobytes())
