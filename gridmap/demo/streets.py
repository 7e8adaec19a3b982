"""A made-up town's streets: a fine lattice bent over the land, blocks cut from it, their outlines.

Blocks are rectangles of an integer lattice and every lattice point has one position, rounded once,
so neighbours share their vertices exactly, at T-junctions too, and nothing need be snapped. Only
arithmetic that IEEE 754 fixes to the last bit is used (no sine, no library geometry): every
machine makes the same town.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt

from gridmap.demo.draws import noise
from gridmap.errors import Invalid

Position = tuple[float, float]
"""Longitude and latitude, WGS 84 degrees, rounded to 8 decimals (about a millimetre)."""

Ring = tuple[Position, ...]
"""Counter-clockwise, first position not repeated."""


@dataclass(frozen=True, slots=True)
class Block:
    """What four streets enclose: lattice columns `west` to `east`, lines `south` to `north`."""

    west: int
    south: int
    east: int
    north: int

    @property
    def area(self) -> int:
        """In lattice cells."""
        return (self.east - self.west) * (self.north - self.south)

    def halves(self) -> tuple[Block, Block]:
        """The western and the eastern half."""
        middle = (self.west + self.east) // 2
        return (
            Block(self.west, self.south, middle, self.north),
            Block(middle, self.south, self.east, self.north),
        )


@dataclass(frozen=True, slots=True)
class Bend:
    """Pulls the streets aside: by (`east`, `north`) metres at its centre, half that at `radius`.

    The centre (`column`, `line`) is on the lattice; `radius` is in metres.
    """

    column: float
    line: float
    radius: float
    east: float
    north: float


@dataclass(frozen=True)
class Town:
    """A street lattice on the land.

    `longitude`, `latitude`: WGS 84 degrees of the lattice point (`column`, `line`), about which
    the lattice is turned. `step_east`, `step_north`: metres between lattice points.
    """

    longitude: float
    latitude: float
    column: int
    line: int
    step_east: float
    step_north: float
    bends: tuple[Bend, ...]

    def corner(self, column: int, line: int) -> Position:
        """The one position of a lattice point; as no surveyed line is straight, up to 1 m off."""
        east, north = self._metres(column, line)
        return self.position(
            east + 2 * noise(1, column, line) - 1, north + 2 * noise(2, column, line) - 1
        )

    def ring(self, block: Block) -> Ring:
        """The block's outline with a vertex at every lattice point, from the south-west corner."""
        b = block
        path = [
            *((u, b.south) for u in range(b.west, b.east)),
            *((b.east, v) for v in range(b.south, b.north)),
            *((u, b.north) for u in range(b.east, b.west, -1)),
            *((b.west, v) for v in range(b.north, b.south, -1)),
        ]
        return tuple(self.corner(u, v) for u, v in path)

    def place(
        self, column: float, line: float, direction: tuple[int, int]
    ) -> tuple[Position, Position]:
        """The point on a street and the street's unit vector there, both in metres.

        `direction` says which way along the lattice: (±1, 0) or (0, ±1).
        """
        east, north = self._metres(column, line)
        ahead = self._metres(column + direction[0], line + direction[1])
        behind = self._metres(column - direction[0], line - direction[1])
        along = (ahead[0] - behind[0], ahead[1] - behind[1])
        length = sqrt(along[0] * along[0] + along[1] * along[1])
        return (east, north), (along[0] / length, along[1] / length)

    def position(self, east: float, north: float) -> Position:
        """Metres from the town's middle as a position."""
        return (
            round(self.longitude + east / _METRES_PER_DEGREE_EAST, 8),
            round(self.latitude + north / _METRES_PER_DEGREE_NORTH, 8),
        )

    def _metres(self, column: float, line: float) -> tuple[float, float]:
        x = (column - self.column) * self.step_east
        y = (line - self.line) * self.step_north
        east, north = x, y
        for bend in self.bends:
            dx = x - (bend.column - self.column) * self.step_east
            dy = y - (bend.line - self.line) * self.step_north
            pull = 1 / (1 + (dx * dx + dy * dy) / (bend.radius * bend.radius))
            east += bend.east * pull
            north += bend.north * pull
        return east * _COSINE - north * _SINE, east * _SINE + north * _COSINE


def outline(rings: Iterable[Ring]) -> Ring:
    """The union of counter-clockwise `rings` that share whole edges, vertex for vertex.

    An edge that two rings walk in opposite directions lies inside and goes; what is left is the
    outline, from its westernmost vertex. Raises `Invalid` where that is not one ring: the parts
    are apart, touch in a point only, or enclose a hole.
    """
    edges = {(a, b) for ring in rings for a, b in zip(ring, (*ring[1:], ring[0]), strict=True)}
    outer = [(a, b) for a, b in edges if (b, a) not in edges]
    after = dict(outer)
    if not after:
        raise Invalid("No outline: no ring was given. Give at least one.")
    path = [min(after)]
    # Where two parts touch in a point only, two edges leave it, and following one could go astray.
    if len(after) == len(outer):
        while (ahead := after[path[-1]]) != path[0]:
            path.append(ahead)
    if len(path) != len(outer):
        raise Invalid(
            f"The {len(outer)} outer edges are not one ring that passes {path[0]}. "
            "The grids of a region must join along edges and leave no hole."
        )
    return tuple(path)


# Lengths of a degree on the WGS 84 ellipsoid at 47.34 N. The demo spans a tenth of a degree,
# over which they change by less than 0.2 %.
_METRES_PER_DEGREE_EAST = 75_572.2
_METRES_PER_DEGREE_NORTH = 111_177.5

# The streets run 5.2 degrees counter-clockwise of due east: 2t/(1+t²) and (1-t²)/(1+t²), t = 1/22.
_SINE = 44 / 485
_COSINE = 483 / 485
