"""Buildings: where people live, how each is managed, and which grid it stands in."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.geo.bounds import Bounds
from gridmap.store import tables
from gridmap.store.dates import holds_on
from gridmap.store.geometry import as_wkb, lies_in
from gridmap.store.grids import Grid, grid_columns, grid_covers
from gridmap.store.paging import (
    Key,
    Slice,
    among,
    is_parent,
    parents,
    parents_by_key,
    rows_by_parent,
    sliced,
)

_table = tables.buildings
_management = tables.building_managements
_sponsorship = tables.sponsorships

UNMANAGED = "UNMANAGED"


class Building(NamedTuple):
    """A building as it is managed on the day that was asked for. `location` is WKB, WGS 84."""

    district_code: str
    code: str
    community_code: str
    name: str
    compound: str | None
    households: int
    location: bytes
    management_mode: str

    @property
    def key(self) -> Key:
        return Key(self.code, self.district_code)


@dataclass(frozen=True, slots=True)
class BuildingFilter:
    """Buildings of regions (see `regions_below`), in a grid, of a sponsor, within bounds.

    As things stand on a day.
    """

    on: datetime.date
    regions: Sequence[str] | None = None
    grid: str | None = None
    sponsor: str | None = None
    bounds: Bounds | None = None


_KEY = (_table.c.code, _table.c.district_code)


async def buildings_by_code(
    connection: AsyncConnection, codes: Sequence[str], on: datetime.date
) -> list[Building | None]:
    """One for each code, in their order. Served by buildings_code_idx."""
    statement = buildings_on(on).where(among(_table.c.code, codes))
    rows = await connection.execute(statement.order_by(_table.c.district_code.desc()))
    found = {row.code: Building(*row) for row in rows}
    return [found.get(code) for code in codes]


async def buildings_by_key(
    connection: AsyncConnection, keys: Sequence[Key], on: datetime.date
) -> list[Building | None]:
    """One for each key, in their order. Served by buildings_pkey."""
    parent = parents_by_key(keys)
    rows = await connection.execute(buildings_on(on).join(parent, is_parent(_table, parent)))
    found = {(building := Building(*row)).key: building for row in rows}
    return [found.get(key) for key in keys]


async def page_of_buildings(
    connection: AsyncConnection, wanted: BuildingFilter, cut: Slice
) -> list[Building]:
    """Served by buildings_code_idx, or by buildings_location_idx for a grid or bounds."""
    rows = await connection.execute(sliced(_matching(wanted), _KEY, cut))
    return [Building(*row) for row in rows]


async def count_buildings(connection: AsyncConnection, wanted: BuildingFilter) -> int:
    """How many buildings match."""
    matching = _matching(wanted).subquery()
    return (await connection.execute(select(func.count()).select_from(matching))).scalar_one()


async def buildings_of_grids(
    connection: AsyncConnection, grids: Sequence[str], on: datetime.date, cut: Slice
) -> list[list[Building]]:
    """A page of the buildings that stand in each grid."""
    parent = parents(code=grids)
    rows = _in_grid(buildings_on(on), parent.c.code, on)
    found = await rows_by_parent(connection, parent, sliced(rows, _KEY, cut), len(grids))
    return [[Building(*row) for row in buildings] for buildings in found]


async def count_buildings_of_grids(
    connection: AsyncConnection, grids: Sequence[str], on: datetime.date
) -> list[int]:
    """How many buildings stand in each grid."""
    parent = parents(code=grids)
    rows = _in_grid(select(func.count()).select_from(_table), parent.c.code, on)
    return [count for [(count,)] in await rows_by_parent(connection, parent, rows, len(grids))]


async def buildings_of_sponsors(
    connection: AsyncConnection, sponsors: Sequence[str], on: datetime.date, cut: Slice
) -> list[list[Building]]:
    """A page of the buildings that each sponsor answers for. Served by sponsorships_sponsor_idx."""
    parent = parents(code=sponsors)
    rows = _of_sponsor(buildings_on(on), parent.c.code, on)
    found = await rows_by_parent(connection, parent, sliced(rows, _KEY, cut), len(sponsors))
    return [[Building(*row) for row in buildings] for buildings in found]


async def grids_of_buildings(
    connection: AsyncConnection, keys: Sequence[Key], on: datetime.date
) -> list[Grid | None]:
    """The grid that each building stands in. Served by grids_boundary_idx."""
    parent, grid = parents_by_key(keys), tables.grids
    rows = (
        select(*grid_columns(grid))
        .select_from(grid)
        .join(_table, grid_covers(grid, _table.c.location, on))
        .where(is_parent(_table, parent))
        .limit(1)
    )
    found = await rows_by_parent(connection, parent, rows, len(keys))
    return [Grid(*grids[0]) if grids else None for grids in found]


def buildings_on(on: datetime.date) -> Select[Any]:
    mode = (
        select(_management.c.mode)
        .where(
            _management.c.district_code == _table.c.district_code,
            _management.c.building_code == _table.c.code,
            holds_on(_management, on),
        )
        .scalar_subquery()
    )
    return select(
        *(_table.c[name] for name in Building._fields[:6]),
        as_wkb(_table.c.location).label("location"),
        func.coalesce(mode, UNMANAGED).label("management_mode"),
    )


def _matching(wanted: BuildingFilter) -> Select[Any]:
    statement = buildings_on(wanted.on)
    if wanted.regions is not None:
        statement = statement.where(among(_table.c.community_code, wanted.regions))
    if wanted.grid is not None:
        statement = _in_grid(statement, literal(wanted.grid), wanted.on)
    if wanted.sponsor is not None:
        statement = _of_sponsor(statement, literal(wanted.sponsor), wanted.on)
    if wanted.bounds is not None:
        statement = statement.where(lies_in(_table.c.location, wanted.bounds))
    return statement


def _in_grid(statement: Select[Any], grid: ColumnElement[str], on: datetime.date) -> Select[Any]:
    outline = tables.grids.alias("outline")
    return statement.join(
        outline, and_(outline.c.code == grid, grid_covers(outline, _table.c.location, on))
    )


def _of_sponsor(
    statement: Select[Any], sponsor: ColumnElement[str], on: datetime.date
) -> Select[Any]:
    return statement.join(
        _sponsorship,
        and_(
            _sponsorship.c.district_code == _table.c.district_code,
            _sponsorship.c.building_code == _table.c.code,
            _sponsorship.c.sponsor_code == sponsor,
            holds_on(_sponsorship, on),
        ),
    )
