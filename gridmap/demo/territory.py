"""The demo's grids and buildings with their codes and names.

A community's grids are numbered along its streets: row by row from north to south and each row
from west to east, a row being the grids between the same two cross streets. Its buildings are
numbered grid by grid, and within a grid from west to east.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

from gridmap.demo.draws import noise, shares
from gridmap.demo.houses import (
    House,
    houses_along_streets,
    houses_in_ranks,
    room_along_streets,
)
from gridmap.demo.plan import COMPOUNDS, DISTRICTS, DONGSHAN, XIANGYANG, XINGAN, District
from gridmap.demo.streets import Block, Position, Ring


@dataclass(frozen=True, slots=True)
class Grid:
    """A grid; `code` has 15 digits, `number` its last three; `row` counts from the north."""

    code: str
    community: str
    number: int
    row: int
    block: Block
    ring: Ring


@dataclass(frozen=True, slots=True)
class Building:
    """A building; `code` has 17 digits; `mode` is None where nobody manages it."""

    code: str
    name: str
    grid: Grid
    location: Position
    footprint: Ring
    households: int
    mode: str | None
    managed_from: str | None
    compound: str | None


def grids_of(district: District) -> tuple[Grid, ...]:
    """The district's grids by code."""
    grids = []
    for quarter in district.quarters:
        blocks = [(row, b) for row, cells in enumerate(quarter.rows) for b in cells.blocks()]
        for number, (row, block) in enumerate(blocks, start=1):
            grids.append(
                Grid(
                    code=f"{quarter.community}{number:03}",
                    community=quarter.community,
                    number=number,
                    row=row,
                    block=block,
                    ring=district.town.ring(block),
                )
            )
    return tuple(grids)


def buildings_of(district: District) -> tuple[Building, ...]:
    """The district's buildings by code."""
    return _BUILDINGS[district.code]()


def all_grids() -> tuple[Grid, ...]:
    """The grids of every district, by code within each."""
    return tuple(grid for district in DISTRICTS for grid in grids_of(district))


def all_buildings() -> tuple[Building, ...]:
    """The buildings of every district, by code within each."""
    return tuple(building for district in DISTRICTS for building in buildings_of(district))


def _xiangyang_buildings() -> tuple[Building, ...]:
    grids = grids_of(XIANGYANG)
    counts = shares(
        370,
        weights=[grid.block.area * (0.5 + noise(9, int(grid.code))) for grid in grids],
        least=2,
        most=[room_along_streets(XIANGYANG, grid.block) for grid in grids],
    )
    sites = [
        (grid, house)
        for grid, count in zip(grids, counts, strict=True)
        for house in houses_along_streets(XIANGYANG, grid.block, count)
    ]
    shuffled = sorted(range(len(sites)), key=lambda index: noise(10, index))
    modes = dict(zip(shuffled, _XIANGYANG_MODES, strict=True))
    return tuple(
        Building(
            code=code,
            name=name,
            grid=grid,
            location=house.location,
            footprint=house.footprint,
            households=_HOUSEHOLDS[int(noise(11, index) * len(_HOUSEHOLDS))],
            mode=modes[index],
            managed_from=_MANAGED_FROM[modes[index]],
            compound=None,
        )
        for index, (code, name, (grid, house)) in enumerate(
            zip(_codes(sites), _street_numbers(sites), sites, strict=True)
        )
    )


def _xingan_buildings() -> tuple[Building, ...]:
    grids = {grid.code: grid for grid in grids_of(XINGAN)}
    sites = []
    names = []
    compounds = []
    for code, (western, eastern) in COMPOUNDS.items():
        grid = grids[code]
        for (compound, count), block in zip((western, eastern), grid.block.halves(), strict=True):
            houses = houses_in_ranks(XINGAN, block, count)
            sites += [(grid, house) for house in houses]
            names += [f"{compound}{number}号楼" for number in range(1, count + 1)]
            compounds += [compound] * count
    # Twelve households a building: what one has more, its neighbour in the list has less.
    extra = [2 * int(noise(12, pair) * 4) for pair in range(len(sites) // 2)]
    households = [12 + sign * more for more in extra for sign in (1, -1)] + [12] * (len(sites) % 2)
    return tuple(
        Building(
            code=code,
            name=name,
            grid=grid,
            location=house.location,
            footprint=house.footprint,
            households=homes,
            mode=None,
            managed_from=None,
            compound=compound,
        )
        for code, name, (grid, house), homes, compound in zip(
            _codes(sites), names, sites, households, compounds, strict=True
        )
    )


def _dongshan_buildings() -> tuple[Building, ...]:
    sites = [
        (grid, house)
        for grid in grids_of(DONGSHAN)
        for house in houses_along_streets(DONGSHAN, grid.block, 4)
    ]
    return tuple(
        Building(
            code=code,
            name=name,
            grid=grid,
            location=house.location,
            footprint=house.footprint,
            households=0,
            mode=None,
            managed_from=None,
            compound=None,
        )
        for code, name, (grid, house) in zip(
            _codes(sites), _street_numbers(sites), sites, strict=True
        )
    )


def _codes(sites: list[tuple[Grid, House]]) -> list[str]:
    """Community and five digits, counted on within each community."""
    last: Counter[str] = Counter()
    codes = []
    for grid, _ in sites:
        last[grid.community] += 1
        codes.append(f"{grid.community}{last[grid.community]:05}")
    return codes


def _street_numbers(sites: list[tuple[Grid, House]]) -> list[str]:
    """Names such as 红旗路12号楼: along each street one side has the odd numbers, one the even."""
    sides: defaultdict[tuple[str, bool], list[int]] = defaultdict(list)
    for index, (_, house) in enumerate(sites):
        sides[house.street, house.is_odd_side].append(index)
    names = [""] * len(sites)
    for (street, is_odd), side in sides.items():
        side.sort(key=lambda index: (sites[index][1].along, index))
        for place, index in enumerate(side, start=1):
            names[index] = f"{street}{2 * place - is_odd}号楼"
    return names


_BUILDINGS = {
    XIANGYANG.code: _xiangyang_buildings,
    XINGAN.code: _xingan_buildings,
    DONGSHAN.code: _dongshan_buildings,
}

_XIANGYANG_MODES = (
    *["COMMUNITY_LED"] * 311,
    *["PROFESSIONAL"] * 10,
    *["BASELINE_CLEANING"] * 10,
    *["SELF_MANAGED"] * 39,
)
_MANAGED_FROM = {
    "COMMUNITY_LED": "2024-03-01",
    "PROFESSIONAL": "2024-05-01",
    "BASELINE_CLEANING": "2024-04-01",
    "SELF_MANAGED": "2024-02-01",
}
# Flats of one to three entrances, five or six floors, two or three flats to a landing.
_HOUSEHOLDS = (20, 24, 30, 36, 40, 45, 54, 60)
