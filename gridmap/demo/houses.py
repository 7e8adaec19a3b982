"""Where the demo's buildings stand: slabs along the streets, or in ranks inside a compound."""

from __future__ import annotations

from dataclasses import dataclass

from gridmap.demo.draws import noise
from gridmap.demo.plan import District
from gridmap.demo.streets import Block, Position, Ring, Town


@dataclass(frozen=True, slots=True)
class House:
    """A slab of flats before anyone has numbered it.

    `footprint`: four corners, counter-clockwise. `street` is the street it stands on and `along`
    its place there in lattice units from the west or north end; `is_odd_side` says which side.
    """

    location: Position
    footprint: Ring
    street: str
    along: float
    is_odd_side: bool


def houses_along_streets(district: District, block: Block, count: int) -> tuple[House, ...]:
    """`count` houses just inside the block, from west to east, then north to south.

    Most stand on the northern and southern sides, as flats here are built to face south. A block
    has room for as many as `room_along_streets` says.
    """
    places = sorted(
        _places(block, district.town),
        key=lambda place: (
            noise(3, *place.key) - (0.55 if place.direction[0] else 0.0),
            place.key,
        ),
    )
    houses = [_house_on_street(district, place) for place in places[:count]]
    return tuple(sorted(houses, key=lambda house: (house.location[0], -house.location[1])))


def room_along_streets(district: District, block: Block) -> int:
    """How many houses fit along the block's four sides."""
    return len(_places(block, district.town))


def houses_in_ranks(district: District, block: Block, count: int) -> tuple[House, ...]:
    """`count` houses in ranks of two in the middle of a compound's `block`, north to south."""
    ranks = (count + 1) // 2
    middle = (block.south + block.north) / 2
    houses = []
    for index in range(count):
        rank, column = divmod(index, 2)
        at = (
            block.west + (block.east - block.west) * (0.29 + 0.42 * column),
            middle + ((ranks - 1) / 2 - rank) * _RANK / district.town.step_north,
        )
        houses.append(
            _house(
                district.town,
                at,
                direction=(1, 0),
                inwards=0.0,
                size=(51.0 + 6 * noise(4, block.west, block.north, index), 12.0),
                street=_nearest(district.streets, block.north),
                is_odd_side=False,
            )
        )
    return tuple(houses)


@dataclass(frozen=True, slots=True)
class _Place:
    """Room for one house: its lattice point on the street, the block lying left of `direction`."""

    column: float
    line: float
    direction: tuple[int, int]
    key: tuple[int, int, int, int]


def _places(block: Block, town: Town) -> list[_Place]:
    b = block
    width, height = b.east - b.west, b.north - b.south
    across = _spread(width, town.step_east, _END_ALONG_STREETS, (b.west, b.south))
    down = _spread(height, town.step_north, _END_ALONG_AVENUES, (b.south, b.west))
    return [
        *(_Place(b.west + at, b.south, (1, 0), (b.west, b.south, 0, i)) for i, at in across),
        *(_Place(b.east - at, b.north, (-1, 0), (b.west, b.south, 1, i)) for i, at in across),
        *(_Place(b.east, b.south + at, (0, 1), (b.west, b.south, 2, i)) for i, at in down),
        *(_Place(b.west, b.north - at, (0, -1), (b.west, b.south, 3, i)) for i, at in down),
    ]


def _spread(steps: int, step: float, end: float, key: tuple[int, int]) -> list[tuple[int, float]]:
    """Numbered middles of the plots a side is cut into, in lattice units from its start."""
    length = steps * step - 2 * end
    plots = int(length / _PLOT)
    slack = length / plots - _PLOT if plots else 0.0
    return [
        (
            i,
            (end + length * (i + 0.5) / plots + slack * (noise(5, *key, steps, i) - 0.5)) / step,
        )
        for i in range(plots)
    ]


def _house_on_street(district: District, place: _Place) -> House:
    is_street = place.direction[0] != 0
    return _house(
        district.town,
        (place.column, place.line),
        direction=place.direction,
        inwards=14.5 + 7 * noise(6, *place.key),
        size=(51 + 16 * noise(7, *place.key), 11.3 + 1.4 * noise(8, *place.key)),
        street=_nearest(district.streets, place.line)
        if is_street
        else _nearest(district.avenues, place.column),
        is_odd_side=place.direction in ((-1, 0), (0, -1)),
    )


def _house(
    town: Town,
    at: tuple[float, float],
    *,
    direction: tuple[int, int],
    inwards: float,
    size: tuple[float, float],
    street: str,
    is_odd_side: bool,
) -> House:
    """A slab `size` long and deep (metres), its front `inwards` to the left of the street."""
    (east, north), (ahead_east, ahead_north) = town.place(*at, direction)
    length, depth = size

    def corner(along: float, aside: float) -> Position:
        return town.position(
            east + along * ahead_east - aside * ahead_north,
            north + along * ahead_north + aside * ahead_east,
        )

    half = length / 2
    return House(
        location=corner(0, inwards + depth / 2),
        footprint=(
            corner(-half, inwards),
            corner(half, inwards),
            corner(half, inwards + depth),
            corner(-half, inwards + depth),
        ),
        street=street,
        along=at[0] if direction[0] else -at[1],
        is_odd_side=is_odd_side,
    )


def _nearest(names: dict[int, str], at: float) -> str:
    """The name of the street at `at`, or of the one before it: names run on past small offsets."""
    return names[max(line for line in names if line <= at)]


# From one rank of a compound to the next, metres: winter sun still reaches the ground floor.
_RANK = 48.0
# A plot holds the longest slab (67 m) and 15 m beside it where bends squeeze the lattice by an
# eighth.
_PLOT = 94.0
# From a side's ends to its first plot, metres. Slabs on streets and avenues meet in the corners:
# one on a street reaches 35 m into the block, and 15 m must stay between them.
_END_ALONG_STREETS = 20.0
_END_ALONG_AVENUES = 50.0
