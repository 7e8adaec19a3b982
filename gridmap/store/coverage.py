"""What is not covered in a region: buildings and grids that lack somebody who answers for them.

`regions` are the codes of a region and of all below it: see `regions_below`. Everything is as it
stands on a day. `memory` is a snapshot of that day where there is one: what it knows
(`coverage_today`) comes from there, with the same result, and the rest from the database.
"""

from __future__ import annotations

import asyncio
import datetime
import struct
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import Enum
from hashlib import sha256
from typing import Any, NamedTuple, TypeVar

import numpy as np
import shapely
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    Table,
    Text,
    and_,
    case,
    exists,
    func,
    literal_column,
    select,
    true,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.errors import TooLarge
from gridmap.geo import coverage as geo
from gridmap.store import coverage_today, tables
from gridmap.store.buildings import Building, buildings_by_key, buildings_on
from gridmap.store.dates import holds_on
from gridmap.store.geometry import as_wkb, covers, covers_many, outlines_given
from gridmap.store.grids import Grid, grid_columns, grid_covers
from gridmap.store.paging import Key, Slice, among, sliced
from gridmap.store.regions import region_boundaries, region_tree
from gridmap.store.snapshot import Snapshot
from gridmap.store.sponsors import Load
from gridmap.store.visits import moments_of

_building = tables.buildings
_grid = tables.grids
_management = tables.building_managements
_sponsorship = tables.sponsorships
_assignment = tables.worker_assignments
_visit = tables.visits
_card = tables.member_cards

MOST_OUTLINES = 20_000
"""Grids whose outlines are laid over each other at once, which takes some seconds."""


class Lack(Enum):
    """What a building may be without."""

    GRID = "GRID"
    SPONSOR = "SPONSOR"
    MANAGEMENT = "MANAGEMENT"
    VISIT = "VISIT"
    MEMBER_CARD = "MEMBER_CARD"


_REMEMBERED = {
    Lack.GRID: coverage_today.buildings_outside,
    Lack.SPONSOR: coverage_today.buildings_unsponsored,
}
"""What a snapshot knows of buildings."""


class Wanted(NamedTuple):
    """Buildings of regions that lack something on a day.

    A visit is lacking where there was none on that day and the `days` - 1 before.
    """

    lack: Lack
    regions: Sequence[str]
    on: datetime.date
    days: int = 1


class GridLack(Enum):
    """What a grid may be without."""

    WORKER = "WORKER"
    SPONSOR = "SPONSOR"


class GridLoad(NamedTuple):
    """How many households the workers of a grid have."""

    grid: Grid
    households: int
    workers: int

    @property
    def key(self) -> Key:
        return self.grid.key


class LevelLoad(NamedTuple):
    """What the sponsors of one level answer for."""

    level: str
    sponsors: int
    load: Load


class Piece(NamedTuple):
    """A gap with the grids around it, or an overlap with those that claim it.

    `outline` is WKB, WGS 84.
    """

    outline: bytes
    area_m2: float
    grids: list[Grid]

    @property
    def key(self) -> Key:
        """The largest first. It tells the piece itself, so that a page stays right while another
        piece is mended: bits of an area above 0 sort as the area does.
        """
        [bits] = struct.unpack(">Q", struct.pack(">d", self.area_m2))
        return Key(f"{(1 << 64) - 1 - bits:016x}", sha256(self.outline).hexdigest()[:16])


class Topology(NamedTuple):
    """How the grids of a region cover it; `found` names them by their positions in `grids`."""

    grids: list[Grid]
    found: geo.Coverage

    @property
    def gaps(self) -> list[Piece]:
        """The largest first."""
        return self._pieces(self.found.gaps)

    @property
    def overlaps(self) -> list[Piece]:
        """The largest first."""
        return self._pieces(self.found.overlaps)

    def _pieces(self, pieces: geo.Pieces) -> list[Piece]:
        outlines = shapely.to_wkb(pieces.polygons).tolist()
        found = [
            Piece(outline, area, [self.grids[place] for place in places])
            for outline, area, places in zip(
                outlines, pieces.areas_m2.tolist(), pieces.grids, strict=True
            )
        ]
        return sorted(found, key=lambda piece: piece.key)


Keyed = TypeVar("Keyed", Piece, Grid, GridLoad)


def page_of(rows: Sequence[Keyed], cut: Slice) -> list[Keyed]:
    """A slice of rows that are had whole and in their order."""
    first = 0
    if cut.after is not None:
        first = bisect_right(rows, cut.after, key=lambda row: row.key)
    return list(rows[first : first + cut.limit])


async def topologies(
    connection: AsyncConnection,
    regions: Sequence[str],
    on: datetime.date,
    tolerance_metres: float,
    memory: Snapshot | None = None,
) -> list[Topology]:
    """Gaps and overlaps of each region on a day. Reckoned in a thread, region by region.

    A region without an outline is all that its grids enclose. Raises TooLarge for regions of more
    than `MOST_OUTLINES` grids together, and Invalid as `geo.coverage` does.
    """
    if memory is not None:
        grids, outlines = await asyncio.to_thread(coverage_today.outlined_grids, memory, regions)
    else:
        grids, outlines = await _outlined_grids(connection, regions, on)
    if sum(map(len, grids)) > MOST_OUTLINES:
        raise TooLarge(
            f"Region {regions[0]} has more than {MOST_OUTLINES} grids; ask for the regions in it."
            if len(regions) == 1
            else f"These regions have more than {MOST_OUTLINES} grids; ask for fewer at once."
        )
    wholes = await region_boundaries(connection, regions)

    def found() -> list[Topology]:
        return [
            Topology(
                own,
                geo.coverage(
                    shapely.from_wkb(whole) if whole else None,
                    # From the database they come as WKB.
                    shapely.from_wkb(shapes) if memory is None else shapes,
                    tolerance_metres,
                ),
            )
            for own, shapes, whole in zip(grids, outlines, wholes, strict=True)
        ]

    return await asyncio.to_thread(found)


async def _outlined_grids(
    connection: AsyncConnection, regions: Sequence[str], on: datetime.date
) -> tuple[list[list[Grid]], list[list[Any]]]:
    """The grids of each region, by code, and the outline of each as WKB; of more than
    `MOST_OUTLINES` one more than those. Served by grids_community_idx.
    """
    grid, tree = tables.grids, region_tree(regions)
    rows = await connection.execute(
        select(*grid_columns(grid), as_wkb(grid.c.boundary), tree.c.root)
        .join(tree, grid.c.community_code == tree.c.code)
        .where(holds_on(grid, on))
        .order_by(grid.c.code, grid.c.district_code)
        .limit(MOST_OUTLINES + 1)
    )
    grids: dict[str, list[Grid]] = {region: [] for region in regions}
    outlines: dict[str, list[Any]] = {region: [] for region in regions}
    for *columns, outline, root in rows:
        grids[root].append(Grid(*columns))
        outlines[root].append(outline)
    return list(grids.values()), list(outlines.values())


async def buildings_in(connection: AsyncConnection, outlines: Sequence[bytes]) -> list[int]:
    """How many buildings stand in each outline (WKB, WGS 84). Served by buildings_location_idx."""
    building, given = tables.buildings, outlines_given(outlines)
    rows = await connection.execute(
        select(given.c.ordinal, func.count().label("buildings"))
        .join(building, func.ST_Covers(given.c.outline, building.c.location))
        .group_by(given.c.ordinal)
    )
    counts = {row.ordinal: row.buildings for row in rows}
    return [counts.get(place, 0) for place in range(1, len(outlines) + 1)]


async def page_of_buildings_without(
    connection: AsyncConnection, wanted: Wanted, cut: Slice, memory: Snapshot | None = None
) -> tuple[list[Building], int | None]:
    """By code; and how many there are in all, where that costs nothing, else None.

    Served by buildings_community_idx, and by the index on what each may lack.
    """
    if memory is not None and (look := _REMEMBERED.get(wanted.lack)):

        def found(memory: Snapshot) -> tuple[list[Key], int]:
            numbers = look(memory, wanted.regions)
            return coverage_today.page_of_buildings(memory, numbers, cut), len(numbers)

        keys, how_many = await asyncio.to_thread(found, memory)
        buildings = await buildings_by_key(connection, keys, wanted.on)
        there = [building for building in buildings if building is not None]
        if len(there) == len(keys):  # else one is gone since, and memory will soon know it
            return there, how_many
    key = (_building.c.code, _building.c.district_code)
    statement = sliced(buildings_without(buildings_on(wanted.on), wanted), key, cut)
    is_counted = cut.after is None and (wanted.lack is Lack.GRID or _are_few(memory, wanted))
    if is_counted:  # all are found before the first is given, or soon
        statement = statement.add_columns(func.count().over())
    rows = (await connection.execute(statement)).all()
    size = len(Building._fields)
    count = (rows[0][size] if rows else 0) if is_counted else None
    return [Building(*row[:size]) for row in rows], count


def _are_few(memory: Snapshot | None, wanted: Wanted) -> bool:
    """Whether the regions are known to have so few buildings that it costs little to count them."""
    if memory is None:
        return False
    there = coverage_today.buildings_in_regions(memory, wanted.regions)
    return int(np.count_nonzero(there)) <= _FEW_BUILDINGS


_FEW_BUILDINGS = 20_000


async def count_buildings_without(connection: AsyncConnection, wanted: Wanted) -> int:
    """How many there are."""
    statement = buildings_without(select(func.count()).select_from(_building), wanted)
    count: int = (await connection.execute(statement)).scalar_one()
    return count


async def page_of_grids_without(
    connection: AsyncConnection,
    lack: GridLack,
    regions: Sequence[str],
    on: datetime.date,
    cut: Slice,
    memory: Snapshot | None = None,
) -> tuple[list[Grid], int | None]:
    """By code; and how many there are in all, where that costs nothing, else None.

    A grid is without a sponsor where neither it nor any building in it has one, and is done with at
    its first building that has. Served by grids_community_idx; by worker_assignments_grid_idx, or
    by sponsorships_grid_idx, buildings_location_idx and sponsorships_building_idx.
    """
    if memory is not None and lack is GridLack.SPONSOR:
        grids = await asyncio.to_thread(coverage_today.grids_unsponsored, memory, regions)
        return page_of(grids, cut), len(grids)
    key = (_grid.c.code, _grid.c.district_code)
    statement = grids_without(select(*grid_columns(_grid)), lack, regions, on)
    statement = sliced(statement, key, cut)
    is_counted = lack is GridLack.SPONSOR and cut.after is None
    if is_counted:  # where few are without, all have been looked at
        statement = statement.add_columns(func.count().over())
    rows = (await connection.execute(statement)).all()
    size = len(Grid._fields)
    count = (rows[0][size] if rows else 0) if is_counted else None
    return [Grid(*row[:size]) for row in rows], count


async def count_grids_without(
    connection: AsyncConnection, lack: GridLack, regions: Sequence[str], on: datetime.date
) -> int:
    """How many there are."""
    statement = grids_without(select(func.count()).select_from(_grid), lack, regions, on)
    count: int = (await connection.execute(statement)).scalar_one()
    return count


async def page_of_loads_over(
    connection: AsyncConnection,
    norm: int,
    regions: Sequence[str],
    on: datetime.date,
    cut: Slice,
    memory: Snapshot | None = None,
) -> tuple[list[GridLoad], int | None]:
    """Grids whose workers have more than `norm` households each, by code; and how many there are in
    all, where that costs nothing, else None.

    Grids without a worker are not among them.
    """
    if memory is not None:
        workers = await _workers_of_grids(connection, regions, on)
        over = await asyncio.to_thread(_remembered_loads_over, memory, norm, regions, workers)
        return page_of(over, cut), len(over)
    key = (_grid.c.code, _grid.c.district_code)
    statement = sliced(loads_over(norm, regions, on), key, cut)
    is_counted = cut.after is None
    if is_counted:  # all are found before the first is given
        statement = statement.add_columns(func.count().over())
    rows = (await connection.execute(statement)).all()
    size = len(Grid._fields)
    count = (rows[0][size + 2] if rows else 0) if is_counted else None
    return [GridLoad(Grid(*row[:size]), *row[size : size + 2]) for row in rows], count


async def count_loads_over(
    connection: AsyncConnection, norm: int, regions: Sequence[str], on: datetime.date
) -> int:
    """How many grids there are over the norm."""
    matching = loads_over(norm, regions, on).subquery()
    return (await connection.execute(select(func.count()).select_from(matching))).scalar_one()


async def count_by_community(
    connection: AsyncConnection, regions: Sequence[str], memory: Snapshot | None = None
) -> dict[str, int]:
    """How many buildings are in each of the communities; those that have none are left out."""
    if memory is not None:

        def found(memory: Snapshot) -> dict[str, int]:
            numbers = np.flatnonzero(coverage_today.buildings_in_regions(memory, regions))
            return coverage_today.buildings_by_community(memory, numbers)

        return await asyncio.to_thread(found, memory)
    return await _by_community(connection, _counted().where(among(_community, regions)))


async def lacking_by_community(
    connection: AsyncConnection, wanted: Wanted, memory: Snapshot | None = None
) -> dict[str, int]:
    """How many buildings lack this in each community; those where none does are left out."""
    if memory is not None and (look := _REMEMBERED.get(wanted.lack)):

        def found(memory: Snapshot) -> dict[str, int]:
            return coverage_today.buildings_by_community(memory, look(memory, wanted.regions))

        return await asyncio.to_thread(found, memory)
    return await _by_community(connection, buildings_without(_counted(), wanted))


_community = _building.c.community_code


def _counted() -> Select[Any]:
    return select(_community, func.count())


async def _by_community(connection: AsyncConnection, counted: Select[Any]) -> dict[str, int]:
    found: dict[str, int] = dict((await connection.execute(counted.group_by(_community))).all())
    return found


async def grid_figures_by_community(
    connection: AsyncConnection,
    norm: int,
    regions: Sequence[str],
    on: datetime.date,
    memory: Snapshot | None = None,
) -> dict[str, tuple[int, int, int]]:
    """Of each community that has any: grids, those with a worker, and of these those whose workers
    have no more than `norm` households each.
    """
    if memory is not None:
        workers = await _workers_of_grids(connection, regions, on)
        return await asyncio.to_thread(_remembered_figures, memory, norm, regions, workers)
    rows = await connection.execute(
        select(
            _grid.c.community_code,
            func.count().label("grids"),
            func.count().filter(_is_walked(on)).label("walked"),
        )
        .where(among(_grid.c.community_code, regions), holds_on(_grid, on))
        .group_by(_grid.c.community_code)
    )
    over = loads_over(norm, regions, on).subquery("over")
    counted = await connection.execute(
        select(over.c.community_code, func.count()).group_by(over.c.community_code)
    )
    too_many: dict[str, int] = dict(counted.all())
    return {
        community: (grids, walked, walked - too_many.get(community, 0))
        for community, grids, walked in rows
    }


def _remembered_loads_over(
    memory: Snapshot, norm: int, regions: Sequence[str], workers: dict[Key, int]
) -> list[GridLoad]:
    return [
        GridLoad(grid, households, walking)
        for grid, households in coverage_today.households_of_grids(memory, regions)
        if (walking := workers.get(grid.key)) and households > norm * walking
    ]


def _remembered_figures(
    memory: Snapshot, norm: int, regions: Sequence[str], workers: dict[Key, int]
) -> dict[str, tuple[int, int, int]]:
    grids = [grid for _, grid in coverage_today.grids_in_regions(memory, regions)]
    walked = Counter(grid.community_code for grid in grids if grid.key in workers)
    over = Counter(
        load.grid.community_code for load in _remembered_loads_over(memory, norm, regions, workers)
    )
    return {
        community: (how_many, walked[community], walked[community] - over[community])
        for community, how_many in Counter(grid.community_code for grid in grids).items()
    }


async def _workers_of_grids(
    connection: AsyncConnection, regions: Sequence[str], on: datetime.date
) -> dict[Key, int]:
    """How many walk each grid of the regions; those that nobody walks are left out."""
    rows = await connection.execute(
        select(_grid.c.code, _grid.c.district_code, func.count())
        .join(_assignment, _is_walking(on))
        .where(among(_grid.c.community_code, regions), holds_on(_grid, on))
        .group_by(_grid.c.code, _grid.c.district_code)
    )
    return {Key(code, district_code): workers for code, district_code, workers in rows}


async def loads_by_level(
    connection: AsyncConnection,
    regions: Sequence[str],
    on: datetime.date,
    memory: Snapshot | None = None,
) -> list[LevelLoad]:
    """What the sponsors of each level answer for among the buildings of the regions.

    From the widest level down; of a level that has none there is nothing. Served by
    buildings_community_idx and sponsorships_building_idx.
    """
    sponsor = tables.sponsors
    rows: Iterable[Any]
    if memory is not None:
        rows = await asyncio.to_thread(coverage_today.loads_of_sponsors, memory, regions)
    else:
        rows = await connection.execute(
            select(
                sponsor.c.level,
                func.count(sponsor.c.code.distinct()),
                func.count(),
                func.sum(_building.c.households),
            )
            .select_from(_building)
            .join(_sponsorship, _is_sponsored_on(on))
            .join(sponsor, sponsor.c.code == _sponsorship.c.sponsor_code)
            .where(among(_building.c.community_code, regions))
            .group_by(sponsor.c.level)
        )
    found = [LevelLoad(level, sponsors, Load(*load)) for level, sponsors, *load in rows]
    return sorted(found, key=lambda each: tables.SPONSOR_LEVELS.index(each.level))


def buildings_without(statement: Select[Any], wanted: Wanted) -> Select[Any]:
    """The buildings of the regions, of a statement on buildings, that lack this."""
    statement = statement.where(among(_building.c.community_code, wanted.regions))
    on = wanted.on
    match wanted.lack:
        case Lack.GRID:
            return _outside(statement, wanted.regions, on)
        case Lack.SPONSOR:
            return statement.where(~_is_sponsored(on))
        case Lack.MANAGEMENT:
            return statement.where(~_has(_management, holds_on(_management, on)))
        case Lack.MEMBER_CARD:
            return statement.where(~_has(_card, holds_on(_card, on)))
        case Lack.VISIT:
            return statement.where(~_has(_visit, _is_recent(on, wanted.days)))


def _has(table: Table, holds: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether the building has such a row of a table, of which not all columns may be seen."""
    return exists(table.c.building_code).where(
        table.c.district_code == _building.c.district_code,
        table.c.building_code == _building.c.code,
        holds,
    )


def _is_recent(on: datetime.date, days: int) -> ColumnElement[bool]:
    return _visit.c.at.between(*moments_of(on, days))


def _outside(statement: Select[Any], regions: Sequence[str], on: datetime.date) -> Select[Any]:
    """The buildings of the regions that no grid covers.

    The buildings of the regions' own grids are looked for first, grid by grid (see `covers_many`).
    What they leave is little, and may still stand in a grid of another region. A building is known
    by where PostgreSQL keeps it, which is the same throughout a statement and sooner compared than
    its codes.
    """
    inside = (
        select(_place(_building).label("place"))
        .select_from(_building)
        .join(_grid, covers_many(_grid.c.boundary, _building.c.location))
        .where(among(_grid.c.community_code, regions), holds_on(_grid, on))
        .cte("inside")
        .prefix_with("MATERIALIZED")
    )
    elsewhere = exists().where(covers(_grid.c.boundary, _building.c.location), holds_on(_grid, on))
    is_left = inside.c.place.is_(None)
    there = _building.outerjoin(inside, inside.c.place == _place(_building))
    return statement.select_from(there).where(
        # As a CASE, so that it is asked of those alone that are left.
        is_left,
        case((is_left, ~elsewhere), else_=False),
    )


def _place(table: Table) -> ColumnElement[Any]:
    return literal_column(f"{table.name}.ctid")


def _is_same(one: Any, other: Any) -> ColumnElement[bool]:
    return and_(one.c.district_code == other.c.district_code, one.c.code == other.c.code)


def _is_sponsored_on(on: datetime.date) -> ColumnElement[bool]:
    return and_(
        _sponsorship.c.district_code == _building.c.district_code,
        _sponsorship.c.building_code == _building.c.code,
        holds_on(_sponsorship, on),
    )


def _is_sponsored(on: datetime.date) -> ColumnElement[bool]:
    return exists().where(_is_sponsored_on(on))


def grids_without(
    statement: Select[Any], lack: GridLack, regions: Sequence[str], on: datetime.date
) -> Select[Any]:
    """The grids of the regions, of a statement on grids, that lack this."""
    there = {GridLack.WORKER: _is_walked, GridLack.SPONSOR: _is_answered_for}[lack](on)
    return statement.where(among(_grid.c.community_code, regions), holds_on(_grid, on), ~there)


def _is_walked(on: datetime.date) -> ColumnElement[bool]:
    return exists().where(_is_walking(on))


def _is_walking(on: datetime.date) -> ColumnElement[bool]:
    return and_(
        _assignment.c.district_code == _grid.c.district_code,
        _assignment.c.grid_code == _grid.c.code,
        holds_on(_assignment, on),
    )


def _is_answered_for(on: datetime.date) -> ColumnElement[bool]:
    itself = exists().where(
        _sponsorship.c.district_code == _grid.c.district_code,
        _sponsorship.c.grid_code == _grid.c.code,
        holds_on(_sponsorship, on),
    )
    return itself | exists().where(grid_covers(_grid, _building.c.location, on), _is_sponsored(on))


def loads_over(norm: int, regions: Sequence[str], on: datetime.date) -> Select[Any]:
    """The columns of a `Grid`, households and workers.

    A building on a shared edge, or where grids overlap, belongs to the one with the smallest code,
    which may be one of another region: so the grids around the regions' own are looked at too.
    """
    own = _grid.alias("own")
    is_near = exists().where(
        own.c.boundary.op("&&")(_grid.c.boundary),
        among(own.c.community_code, regions),
        holds_on(own, on),
    )
    # Numbered by code: a number is sooner compared. PostgreSQL takes them for a handful, and would
    # go through all of them for each that it joins; so what they lead to is looked up by its place.
    order = func.row_number().over(order_by=(_grid.c.code, _grid.c.district_code))
    around = (
        select(_place(_grid).label("place"), _grid.c.boundary, order.label("number"))
        .select_from(_grid)
        .where(holds_on(_grid, on), is_near)
        .cte("around")
        .prefix_with("MATERIALIZED")
    )
    standing = (
        select(
            func.min(around.c.number).label("number"),
            func.min(_building.c.households).label("households"),
        )
        .select_from(around)
        .join(_building, covers_many(around.c.boundary, _building.c.location))
        .group_by(_place(_building))
        .subquery("standing")
    )
    load = (
        select(standing.c.number, func.sum(standing.c.households).label("households"))
        .group_by(standing.c.number)
        .cte("load")
        .prefix_with("MATERIALIZED")
    )
    places = type_coerce(
        select(func.array_agg(aggregate_order_by(around.c.place, around.c.number)))
        .select_from(around)
        .scalar_subquery(),
        ARRAY(Text),
    )
    walked = (
        select(func.count().label("workers"))
        .select_from(_assignment)
        .where(_is_walking(on))
        .lateral("walked")
    )
    return (
        select(*grid_columns(_grid), load.c.households, walked.c.workers)
        .select_from(load)
        .join(_grid, _place(_grid) == places[load.c.number])
        .join(walked, true())
        .where(
            among(_grid.c.community_code, regions),
            holds_on(_grid, on),
            walked.c.workers > 0,
            load.c.households > norm * walked.c.workers,
        )
    )
