"""Sponsors: the units that answer for buildings and grids, and for how much each of them does."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import shapely
from sqlalchemy import ColumnElement, Select, and_, any_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.geo.areas import areas_m2
from gridmap.store import tables
from gridmap.store.dates import holds_on
from gridmap.store.geometry import as_wkb
from gridmap.store.grids import grid_covers
from gridmap.store.paging import Key, Slice, among, parents, parents_by_key, rows_by_parent

_table = tables.sponsors
_sponsorship = tables.sponsorships
_building = tables.buildings


class Sponsor(NamedTuple):
    code: str
    name: str
    level: str
    region_code: str
    leader_role: str | None

    @property
    def key(self) -> Key:
        return Key(self.code, "")


class Load(NamedTuple):
    """For how many buildings and households a sponsor answers."""

    buildings: int
    households: int


class Hull(NamedTuple):
    """The smallest convex outline around buildings: WKB, WGS 84, of a polygon, or of a line or a
    point where that is all."""

    outline: bytes
    area_m2: float


class Share(NamedTuple):
    """How much of a grid's load a sponsor bears."""

    sponsor: Sponsor
    load: Load


_COLUMNS = tuple(_table.c[name] for name in Sponsor._fields)


async def sponsors_by_code(
    connection: AsyncConnection, codes: Sequence[str]
) -> list[Sponsor | None]:
    """One for each code, in their order. Served by sponsors_pkey."""
    rows = await connection.execute(select(*_COLUMNS).where(among(_table.c.code, codes)))
    found = {row.code: Sponsor(*row) for row in rows}
    return [found.get(code) for code in codes]


async def page_of_sponsors(
    connection: AsyncConnection, regions: Sequence[str] | None, on: datetime.date, cut: Slice
) -> list[Sponsor]:
    """Those that belong to one of the regions or answer for something there.

    Served by sponsors_pkey.
    """
    statement = _matching(regions, on)
    if cut.after is not None:
        statement = statement.where(_table.c.code > cut.after.code)
    rows = await connection.execute(statement.order_by(_table.c.code).limit(cut.limit))
    return [Sponsor(*row) for row in rows]


async def count_sponsors(
    connection: AsyncConnection, regions: Sequence[str] | None, on: datetime.date
) -> int:
    """How many sponsors match."""
    matching = _matching(regions, on).subquery()
    return (await connection.execute(select(func.count()).select_from(matching))).scalar_one()


async def loads_of_sponsors(
    connection: AsyncConnection, codes: Sequence[str], on: datetime.date
) -> list[Load]:
    """Served by sponsorships_sponsor_idx, and by buildings_pkey for each building.

    A join would rather read all buildings there are, even for a sponsor of some thousands.
    """
    households = select(_building.c.households).where(_is_sponsored_building()).scalar_subquery()
    rows = await connection.execute(
        select(_sponsorship.c.sponsor_code, func.count(), func.sum(households))
        .where(
            among(_sponsorship.c.sponsor_code, codes),
            _sponsorship.c.building_code.is_not(None),
            holds_on(_sponsorship, on),
        )
        .group_by(_sponsorship.c.sponsor_code)
    )
    found = {code: Load(buildings, households) for code, buildings, households in rows}
    return [found.get(code, Load(0, 0)) for code in codes]


async def grid_counts_of_sponsors(
    connection: AsyncConnection, codes: Sequence[str], on: datetime.date
) -> list[int]:
    """How many grids each answers for, or for a building in them.

    Served by sponsorships_sponsor_idx, and by grids_boundary_idx for each building.
    """
    parent, grid = parents(code=codes), tables.grids
    of_parent = and_(_sponsorship.c.sponsor_code == parent.c.code, holds_on(_sponsorship, on))
    inside = (
        select(grid.c.district_code, grid.c.code)
        .select_from(_sponsorship)
        .join(_building, _is_sponsored_building())
        .join(grid, grid_covers(grid, _building.c.location, on))
        .where(of_parent)
        .correlate(parent)
    )
    itself = (
        select(grid.c.district_code, grid.c.code)
        .select_from(_sponsorship)
        .join(
            grid,
            and_(
                grid.c.district_code == _sponsorship.c.district_code,
                grid.c.code == _sponsorship.c.grid_code,
                holds_on(grid, on),
            ),
        )
        .where(of_parent)
        .correlate(parent)
    )
    touched = inside.union(itself).subquery("touched")
    rows = select(func.count()).select_from(touched)
    return [count for [(count,)] in await rows_by_parent(connection, parent, rows, len(codes))]


async def hulls_of_sponsors(
    connection: AsyncConnection, codes: Sequence[str], on: datetime.date
) -> list[Hull | None]:
    """What lies between the buildings of each; None where it has none.

    Served by sponsorships_sponsor_idx, and by buildings_pkey for each building.
    """
    rows = await connection.execute(
        select(
            _sponsorship.c.sponsor_code,
            as_wkb(func.ST_ConvexHull(func.ST_Collect(_building.c.location))),
        )
        .join(_building, _is_sponsored_building())
        .where(among(_sponsorship.c.sponsor_code, codes), holds_on(_sponsorship, on))
        .group_by(_sponsorship.c.sponsor_code)
    )
    found: dict[str, bytes] = dict(rows.all())
    outlines = shapely.from_wkb(list(found.values()))
    # A line and a point have no area.
    areas = areas_m2(np.where(shapely.get_dimensions(outlines) == 2, outlines, shapely.Polygon()))
    hulls = {
        code: Hull(outline, float(area))
        for (code, outline), area in zip(found.items(), areas, strict=True)
    }
    return [hulls.get(code) for code in codes]


async def sponsors_of_buildings(
    connection: AsyncConnection, keys: Sequence[Key], on: datetime.date
) -> list[Sponsor | None]:
    """Who answers for each building. Served by sponsorships_building_idx."""
    return await _answerable(connection, keys, on, _sponsorship.c.building_code)


async def sponsors_of_grids(
    connection: AsyncConnection, keys: Sequence[Key], on: datetime.date
) -> list[Sponsor | None]:
    """Who answers for each grid itself. Served by sponsorships_grid_idx."""
    return await _answerable(connection, keys, on, _sponsorship.c.grid_code)


async def shares_of_grids(
    connection: AsyncConnection, grids: Sequence[str], on: datetime.date
) -> list[list[Share]]:
    """Who answers for the buildings that stand in each grid, the largest load first."""
    parent, outline = parents(code=grids), tables.grids.alias("outline")
    count, households = func.count(), func.sum(_building.c.households)
    rows = (
        select(*_COLUMNS, count.label("buildings"), households.label("sum_of_households"))
        .select_from(outline)
        .join(_building, grid_covers(outline, _building.c.location, on))
        .join(_sponsorship, and_(_is_sponsored_building(), holds_on(_sponsorship, on)))
        .join(_table, _table.c.code == _sponsorship.c.sponsor_code)
        .where(outline.c.code == parent.c.code)
        .group_by(*_COLUMNS)
        .order_by(count.desc(), _table.c.code)
    )
    found = await rows_by_parent(connection, parent, rows, len(grids))
    size = len(_COLUMNS)
    return [[Share(Sponsor(*row[:size]), Load(*row[size:])) for row in shares] for shares in found]


def _matching(regions: Sequence[str] | None, on: datetime.date) -> Select[Any]:
    """Who answers for something is looked for in the districts of the regions only.

    Where a district is wanted whole, it does not matter where in it a building stands. Served by
    sponsorships_pkey and by the indexes of buildings and grids on their community.
    """
    statement = select(*_COLUMNS)
    if regions is None:
        return statement
    region, grid = tables.regions, tables.grids
    wanted = (
        select(region.c.code, region.c.district_code)
        .where(among(region.c.code, regions))
        .cte("wanted")
    )
    codes = select(wanted.c.code)
    whole = codes.where(wanted.c.code == wanted.c.district_code)
    partial = codes.where(wanted.c.district_code.not_in(whole))
    # Materialized, because PostgreSQL would rather ask for each grid and building who answers.
    answers = (
        select(_sponsorship)
        .where(
            _is_one_of(_sponsorship.c.district_code, select(wanted.c.district_code).distinct()),
            holds_on(_sponsorship, on),
        )
        .cte("answers")
        .prefix_with("MATERIALIZED")
    )
    # Distinct, so that PostgreSQL sees that they fit into memory.
    who = select(answers.c.sponsor_code).distinct()
    is_the_building = and_(
        _building.c.district_code == answers.c.district_code,
        _building.c.code == answers.c.building_code,
    )
    is_the_grid = and_(
        grid.c.district_code == answers.c.district_code, grid.c.code == answers.c.grid_code
    )
    return statement.where(
        or_(
            _table.c.region_code.in_(codes),
            _table.c.code.in_(
                who.where(answers.c.district_code.in_(whole), answers.c.building_code.is_not(None))
            ),
            _table.c.code.in_(
                who.join(_building, is_the_building).where(
                    _is_one_of(_building.c.community_code, partial)
                )
            ),
            _table.c.code.in_(
                who.join(grid, is_the_grid).where(
                    grid.c.community_code.in_(codes), holds_on(grid, on)
                )
            ),
        )
    )


def _is_one_of(code: ColumnElement[str], codes: Select[Any]) -> ColumnElement[bool]:
    """Whether the code is one of a few, selected once and then looked up in the code's index."""
    return code == any_(func.array(codes.scalar_subquery()))


def _is_sponsored_building() -> ColumnElement[bool]:
    return and_(
        _building.c.district_code == _sponsorship.c.district_code,
        _building.c.code == _sponsorship.c.building_code,
    )


async def _answerable(
    connection: AsyncConnection,
    keys: Sequence[Key],
    on: datetime.date,
    code: ColumnElement[str],
) -> list[Sponsor | None]:
    parent = parents_by_key(keys)
    rows = (
        select(*_COLUMNS)
        .join(_sponsorship, _sponsorship.c.sponsor_code == _table.c.code)
        .where(
            _sponsorship.c.district_code == parent.c.district_code,
            code == parent.c.code,
            holds_on(_sponsorship, on),
        )
    )
    found = await rows_by_parent(connection, parent, rows, len(keys))
    return [Sponsor(*sponsors[0]) if sponsors else None for sponsors in found]
