"""Points merged for a map: an immutable index of what a map shows of many points at a zoom.

Clusters are cells of a quadtree in Web Mercator, 64 pixels wide: a marker of 40 pixels, which is
what a thumb hits, has room in one. So nothing changes clusters as the map is moved but that points
come into view, and a cell at one zoom is the union of its four at the next. Points are kept along
the curve that the quadtree's cells lie on (Morton order), where a cell of any zoom is one stretch
and a box is a few.

Reports come from addresses, many from one, so all reckoning is by spots: neighbours on the curve at
exactly the same position. What is summed is whole numbers, keys as well as positions (in units of
2⁻³⁰ degrees, a tenth of a millimetre), so that sums of the same members are the same in any order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gridmap.errors import Invalid
from gridmap.geo.bounds import Bounds

Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

DEEPEST_ZOOM = 24
COARSE_LEVEL = 18
"""Squares of the world either way, as a power of two, in which what is public is told: 153 m times
the cosine of the latitude wide, which from the south of China to its north is 146 to 92 m."""
FAR_LEVEL = 15
"""The same as it is told from afar: eight times as wide."""
MOST_POINTS = 1 << 25
MOST_STRETCHES = 16


@dataclass(frozen=True, slots=True)
class Cells:
    """Clusters of one zoom, in the order of their cells; all arrays are (k,).

    `zoom`: of 512-pixel tiles. `size`: how many points the index has. `code`: int64, the Morton
    code of the cell, ascending. `count`: int64, at least 1. `longitude_sum`, `latitude_sum`: int64,
    2⁻³⁰ degrees; `location` makes the mean of them. `west`, `south`, `east`, `north`: float64, the
    bounds of the members. `key`: uint64, stands for the set of members and nothing else. `member`:
    int64, the position in curve order of the first member (see `merged` for what it is there).
    """

    zoom: int
    size: int
    code: Ints
    count: Ints
    longitude_sum: Ints
    latitude_sum: Ints
    west: Floats
    south: Floats
    east: Floats
    north: Floats
    key: Keys
    member: Ints

    def __len__(self) -> int:
        return len(self.code)

    @property
    def location(self) -> Floats:
        """The mean of the members' positions: float64 (k, 2), longitude then latitude, in degrees.

        Within 0.1 mm of it and never outside the bounds: where all members are at one position,
        it is that position to the last bit.
        """
        return np.column_stack(
            [
                np.clip(self.longitude_sum / self.count * _UNIT, self.west, self.east),
                np.clip(self.latitude_sum / self.count * _UNIT, self.south, self.north),
            ]
        )


class ClusterIndex:
    """`points`: float64 (n, 2), longitude then latitude, degrees. `ids`: uint64 (n,), distinct.

    `order`: int64 (n,), from the position in curve order to the row of `points`; of points in one
    place those of lower rows come first. Ids may be any hash of an identity: they are mixed here.

    Latitudes beyond Web Mercator's 85.05 degrees belong to its outermost cells, and keep their
    position. Raises Invalid for positions that are none on earth (NaN too) and for more than
    33,554,432 points, which sums would not hold; ValueError where the lengths differ.
    """

    def __init__(self, points: Floats, ids: Keys) -> None:
        if points.shape != (len(ids), 2):
            raise ValueError(f"There are {len(ids)} ids for points of shape {points.shape}.")
        if len(points) > MOST_POINTS:
            raise Invalid(
                f"{len(points):,} points are too many for one index: split them into indexes of "
                f"{MOST_POINTS:,} at most and merge their cells."
            )
        longitudes, latitudes = np.ascontiguousarray(points.T, dtype=np.float64)
        on_earth = (np.abs(longitudes) <= 180) & (np.abs(latitudes) <= 90)  # not so with NaN
        if not on_earth.all():
            row = int(np.argmin(on_earth))
            raise Invalid(
                f"Point {row} (longitude {longitudes[row]}, latitude {latitudes[row]}) is no "
                "position on earth in degrees: correct it or leave it out."
            )
        codes = _interleaved(*_mercator(longitudes, latitudes))
        self.order = np.argsort(codes, kind="stable")
        self.order.flags.writeable = False
        codes, longitudes, latitudes = (
            codes[self.order],
            longitudes[self.order],
            latitudes[self.order],
        )
        self._keys = _mixed(ids[self.order])
        begins = np.ones(len(codes), dtype=np.bool_)
        begins[1:] = (longitudes[1:] != longitudes[:-1]) | (latitudes[1:] != latitudes[:-1])
        heads = np.flatnonzero(begins)
        # Of each point its spot; of each spot its first point, and behind the last all of them.
        self._spot = np.cumsum(begins, dtype=np.int32) - np.int32(1)
        self._firsts = np.append(heads, len(codes))
        self._codes = codes[heads]
        self._longitudes, self._latitudes = longitudes[heads], latitudes[heads]
        self._longitude_units = _units(self._longitudes)
        self._latitude_units = _units(self._latitudes)
        self._spot_keys = np.add.reduceat(self._keys, heads)

    def __len__(self) -> int:
        return len(self.order)

    def coarsened(self, level: int = COARSE_LEVEL) -> ClusterIndex:
        """The same points in the same order, each as if in the middle of its square of a level, so
        that nothing that is told of them says where in it they are.

        A key then stands for the squares and how many points are in each, whichever these are.
        Beyond Web Mercator's square a point is taken to be in the outermost one.
        """
        shift = 2 * (_BITS - level)
        squares = self._codes >> shift
        heads = _heads(squares)
        coarse = object.__new__(ClusterIndex)
        coarse.order = self.order
        number = np.zeros(len(squares), dtype=np.int32)
        number[heads] = 1
        coarse._spot = (np.cumsum(number, dtype=np.int32) - np.int32(1))[self._spot]
        coarse._firsts = self._firsts[np.append(heads, len(squares))]
        squares = squares[heads]
        coarse._longitudes, coarse._latitudes = _middles(squares, level)
        # The middle itself lies on a border of smaller squares, and rounding would choose.
        coarse._codes = squares << shift | 3 << shift - 2
        coarse._longitude_units = _units(coarse._longitudes)
        coarse._latitude_units = _units(coarse._latitudes)
        keys = _mixed(squares.view(np.uint64))
        coarse._keys = keys[coarse._spot]
        coarse._spot_keys = keys * np.diff(coarse._firsts).view(np.uint64)
        return coarse

    def cells(
        self, bounds: Bounds, zoom: int, where: Callable[[slice], Bools] | None = None
    ) -> Cells:
        """The points within the bounds, edges included, as clusters of a zoom of 512-pixel tiles.

        `where` is asked for the points that count in a stretch of the curve, a slice s of it, and
        answers bool (s.stop - s.start,); it is asked for 16 stretches at most, in ascending order.
        Without one, every point counts.

        There may be as many cells as points where the zoom does not go with the bounds. Raises
        Invalid for zooms other than 0 to 24 and bounds that are no numbers.
        """
        _check_zoom(zoom)
        rows = [self._rows(zoom, *ends, bounds, where) for ends in self._stretches(bounds)]
        if len(rows) != 1:
            rows = [_concatenated(zoom, len(self), rows)]
        return _joined(rows[0])

    def most_within(self, bounds: Bounds) -> int:
        """At least as many points as lie within the bounds, and some that lie close by, counted in
        no time. Raises Invalid for bounds that are no numbers."""
        return sum(
            int(self._firsts[end] - self._firsts[first]) for first, end in self._stretches(bounds)
        )

    def _stretches(self, bounds: Bounds) -> list[tuple[int, int]]:
        """Stretches of spots that hold all within the bounds, first and end of each."""
        if not np.isfinite(bounds).all():
            raise Invalid(f"The bounds {tuple(bounds)} are no numbers of degrees: give four.")
        x, y = _mercator(np.array(bounds[0::2]), np.array(bounds[1::2]))
        if x[0] > x[1] or y[1] > y[0]:
            return []
        # One unit more on every side is more than rounding ever moves anything.
        west, north = (max(int(least) - 1, 0) for least in (x[0], y[1]))
        east, south = (min(int(most) + 1, _WORLD - 1) for most in (x[1], y[0]))
        shift = max(max(east - west, south - north).bit_length() - _COVER_BITS, 0)
        columns = np.arange(west >> shift, (east >> shift) + 1)
        rows = np.arange(north >> shift, (south >> shift) + 1)
        codes = np.sort(_interleaved(columns, rows[:, None]), axis=None)
        apart = np.flatnonzero(np.diff(codes) != 1)
        firsts = np.searchsorted(self._codes, codes[np.append(0, apart + 1)] << 2 * shift)
        ends = np.searchsorted(self._codes, (codes[np.append(apart, -1)] + 1) << 2 * shift)
        firsts, ends = firsts[firsts < ends], ends[firsts < ends]
        if not len(firsts):
            return []
        # What lies between is read too where that takes less time than one more stretch would,
        # and where there are too many of them.
        gaps = self._firsts[firsts[1:]] - self._firsts[ends[:-1]]
        kept = np.sort(np.argsort(gaps)[::-1][: MOST_STRETCHES - 1])
        kept = kept[gaps[kept] >= _WORTH_A_STRETCH]
        firsts, ends = firsts[np.append(0, kept + 1)], ends[np.append(kept, -1)]
        return list(zip(firsts.tolist(), ends.tolist(), strict=True))

    def _rows(
        self,
        zoom: int,
        first: int,
        end: int,
        bounds: Bounds,
        where: Callable[[slice], Bools] | None,
    ) -> Cells:
        """Of a stretch of spots those within the bounds where points count, each by itself."""
        firsts = self._firsts[first : end + 1]
        spots: NDArray[np.integer] | slice
        if where is None:
            spots = slice(first, end)
            counts, keys, members = np.diff(firsts), self._spot_keys[spots], firsts[:-1]
        else:
            stretch = slice(int(firsts[0]), int(firsts[-1]))
            points = np.flatnonzero(where(stretch)) + stretch.start
            spot = self._spot[points]
            heads = _heads(spot)
            spots, counts, members = spot[heads], np.diff(heads, append=len(spot)), points[heads]
            keys = np.add.reduceat(self._keys[points], heads)
        longitudes, latitudes = self._longitudes[spots], self._latitudes[spots]
        inside = (longitudes >= bounds.west) & (longitudes <= bounds.east)
        inside &= (latitudes >= bounds.south) & (latitudes <= bounds.north)
        if not inside.all():
            kept = np.flatnonzero(inside)
            spots = kept + first if isinstance(spots, slice) else spots[kept]
            counts, keys, members = counts[kept], keys[kept], members[kept]
            longitudes, latitudes = longitudes[kept], latitudes[kept]
        return Cells(
            zoom=zoom,
            size=len(self),
            code=self._codes[spots] >> 2 * (_BITS - zoom - _LEVELS_PER_TILE),
            count=counts,
            longitude_sum=self._longitude_units[spots] * counts,
            latitude_sum=self._latitude_units[spots] * counts,
            west=longitudes,
            south=latitudes,
            east=longitudes,
            north=latitudes,
            key=keys,
            member=members,
        )


def merged(one: Cells, other: Cells) -> Cells:
    """The clusters of two indexes with no point in common, asked for the same bounds and zoom.

    `member` counts through the first index and then on through the second: as a position in the
    columns of both, one behind the other. Raises ValueError where the zooms differ.
    """
    if one.zoom != other.zoom:
        raise ValueError(f"Cells of zoom {one.zoom} do not merge with cells of zoom {other.zoom}.")
    both = [one, replace(other, member=other.member + one.size)]
    rows = _concatenated(one.zoom, one.size + other.size, both)
    order = np.argsort(rows.code, kind="stable")
    return _joined(replace(rows, **{name: getattr(rows, name)[order] for name in _COLUMNS}))


def of_squares(squares: Ints, counts: Ints, level: int, zoom: int) -> Cells:
    """So many points in the middle of each of some squares of a level, merged for a zoom.

    `squares`: int64 (k,), codes of cells of `zoom_of(level)`, ascending; `counts`: int64 (k,), all
    at least 1. What is told of them is what `ClusterIndex.coarsened` tells of as many points.
    Raises Invalid for zooms other than 0 to 24.
    """
    _check_zoom(zoom)
    shift = 2 * (_BITS - level)
    longitudes, latitudes = _middles(squares, level)
    return _joined(
        Cells(
            zoom=zoom,
            size=len(squares),
            # The middle itself lies on a border of smaller squares, and rounding would choose.
            code=(squares << shift | 3 << shift - 2) >> 2 * (_BITS - zoom - _LEVELS_PER_TILE),
            count=counts,
            longitude_sum=_units(longitudes) * counts,
            latitude_sum=_units(latitudes) * counts,
            west=longitudes,
            south=latitudes,
            east=longitudes,
            north=latitudes,
            key=_mixed(squares.view(np.uint64)) * counts.view(np.uint64),
            member=np.arange(len(squares)),
        )
    )


def zoom_of(level: int) -> int:
    """The zoom whose cells are the squares of a level."""
    return level - _LEVELS_PER_TILE


def middles(squares: Ints, level: int) -> Floats:
    """Of squares of a level: float64 (k, 2), longitude then latitude, in degrees."""
    return np.column_stack(_middles(squares, level))


def tile_codes(column: int, row: int) -> tuple[int, int]:
    """The codes of the cells in a 512-pixel tile of their zoom: the first, and the one behind all.

    Columns count from the west and rows from the north, as tiles do.
    """
    code = int(_interleaved(np.array(column), np.array(row))) << 2 * _LEVELS_PER_TILE
    return code, code + (1 << 2 * _LEVELS_PER_TILE)


_UNIT = 2.0**-30
# Columns and rows of the world; a code of both then fits an int64.
_BITS = 31
_WORLD = 1 << _BITS
# Cells of 64 pixels: 2³ of them go into a tile of 512 either way.
_LEVELS_PER_TILE = 3
# A box is covered by squares of which at most 17 lie side by side.
_COVER_BITS = 4
# So many points are read in the time that one more stretch takes.
_WORTH_A_STRETCH = 2_000
_FARTHEST_NORTH = 85.051128779806592  # where Web Mercator's square ends
_COLUMNS = {
    "code": np.int64,
    "count": np.int64,
    "longitude_sum": np.int64,
    "latitude_sum": np.int64,
    "west": np.float64,
    "south": np.float64,
    "east": np.float64,
    "north": np.float64,
    "key": np.uint64,
    "member": np.int64,
}


def _check_zoom(zoom: int) -> None:
    if not 0 <= zoom <= DEEPEST_ZOOM:
        raise Invalid(f"There is no zoom {zoom}: ask for one from 0 to {DEEPEST_ZOOM}.")


def _concatenated(zoom: int, size: int, parts: list[Cells]) -> Cells:
    """The rows of all parts, one part behind the other; of no parts, no rows."""
    columns = {
        name: np.concatenate([np.empty(0, kind), *(getattr(part, name) for part in parts)])
        for name, kind in _COLUMNS.items()
    }
    return Cells(zoom, size, **columns)


def _joined(rows: Cells) -> Cells:
    """One row a cell, of rows in the order of their cells."""
    heads = _heads(rows.code)
    return Cells(
        zoom=rows.zoom,
        size=rows.size,
        code=rows.code[heads],
        count=np.add.reduceat(rows.count, heads),
        longitude_sum=np.add.reduceat(rows.longitude_sum, heads),
        latitude_sum=np.add.reduceat(rows.latitude_sum, heads),
        west=np.minimum.reduceat(rows.west, heads),
        south=np.minimum.reduceat(rows.south, heads),
        east=np.maximum.reduceat(rows.east, heads),
        north=np.maximum.reduceat(rows.north, heads),
        key=np.add.reduceat(rows.key, heads),
        member=rows.member[heads],
    )


def _heads(sorted_numbers: NDArray[np.integer]) -> Ints:
    """Where another number begins."""
    begins = np.ones(len(sorted_numbers), dtype=np.bool_)
    np.not_equal(sorted_numbers[1:], sorted_numbers[:-1], out=begins[1:])
    return np.flatnonzero(begins)


def _units(degrees: Floats) -> Ints:
    units: Ints = np.rint(degrees / _UNIT).astype(np.int64)
    return units


def _mercator(longitudes: Floats, latitudes: Floats) -> tuple[Ints, Ints]:
    """Column from the west and row from the north in the world's square of 2³¹ cells either way.

    The spherical Mercator of EPSG 3857, y = asinh(tan φ) (Snyder, Map Projections: A Working
    Manual, 1987, equation 7-2a).
    """
    held = np.radians(np.clip(latitudes, -_FARTHEST_NORTH, _FARTHEST_NORTH))
    x = (longitudes + 180) / 360
    y = 0.5 - np.arcsinh(np.tan(held)) / (2 * np.pi)
    column, row = (np.clip(share * _WORLD, 0, _WORLD - 1).astype(np.int64) for share in (x, y))
    return column, row


def _middles(codes: Ints, level: int) -> tuple[Floats, Floats]:
    """Longitudes and latitudes of the middles of squares of a level, of which 2^level make up the
    world either way. The inverse of `_mercator` (Snyder, equation 7-4)."""
    columns, rows = _gathered(codes), _gathered(codes >> 1)
    x, y = ((numbers + 0.5) / (1 << level) for numbers in (columns, rows))
    return x * 360 - 180, np.degrees(np.arctan(np.sinh((0.5 - y) * 2 * np.pi)))


def _interleaved(columns: Ints, rows: Ints) -> Ints:
    """Morton codes: the bits of the column and of the row by turns, the row's being the higher."""
    return _spaced(columns) | _spaced(rows) << 1


def _spaced(numbers: Ints) -> Ints:
    """A zero before each of 31 bits (Morton, 1966, by halves as in Warren, Hacker's Delight)."""
    spaced = numbers
    for shift, mask in _HALVES:
        spaced = (spaced | spaced << shift) & mask
    return spaced


def _gathered(codes: Ints) -> Ints:
    """Every other bit, the lowest first: what `_spaced` has spread."""
    numbers = codes & _HALVES[-1][1]
    for (shift, _), (_, mask) in zip(_HALVES[::-1], _HALVES[-2::-1], strict=False):
        numbers = (numbers | numbers >> shift) & mask
    return (numbers | numbers >> 16) & 0x7FFF_FFFF


_HALVES = [
    (16, 0x0000_FFFF_0000_FFFF),
    (8, 0x00FF_00FF_00FF_00FF),
    (4, 0x0F0F_0F0F_0F0F_0F0F),
    (2, 0x3333_3333_3333_3333),
    (1, 0x5555_5555_5555_5555),
]


def _mixed(ids: Keys) -> Keys:
    """Numbers that look like chance, another for each id (splitmix64: Steele, Lea and Flood, Fast
    Splittable Pseudorandom Number Generators, 2014)."""
    mixed = ids + np.uint64(0x9E37_79B9_7F4A_7C15)
    mixed = (mixed ^ mixed >> np.uint64(30)) * np.uint64(0xBF58_476D_1CE4_E5B9)
    mixed = (mixed ^ mixed >> np.uint64(27)) * np.uint64(0x94D0_49BB_1331_11EB)
    return mixed ^ mixed >> np.uint64(31)
