"""The lists of coverage as rows for files: what stands in each, and where it is."""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import shapely
from sqlalchemy import ColumnElement, Double, Select, cast, func, select

from gridmap.store import tables
from gridmap.store.buildings import buildings_on
from gridmap.store.coverage import (
    GridLack,
    Lack,
    Piece,
    Topology,
    Wanted,
    buildings_in,
    buildings_without,
    grids_without,
    loads_over,
    topologies,
)
from gridmap.store.database import Database
from gridmap.store.dates import CHINA
from gridmap.store.geometry import as_wkb
from gridmap.store.report_exports import Column, Kind
from gridmap.store.streaming import Rows, rows_in_batches
from gridmap.store.visits import moments_of

_building, _grid, _region, _visit = tables.buildings, tables.grids, tables.regions, tables.visits


@dataclass(frozen=True, slots=True)
class Listing:
    """A list as rows: each has a value for every one of `columns`, and then its place as WKB, WGS
    84. `read` begins to read them, and raises what `Database.connection` and `topologies` raise.

    The columns `longitude` and `latitude` are of the place, or of a point in it. Several codes in
    one cell are a list.
    """

    columns: tuple[Column, ...]
    read: Callable[[Database], AbstractAsyncContextManager[AsyncIterator[Rows]]]


def building_list(wanted: Wanted) -> Listing:
    """Buildings that lack this, by code."""
    inner = buildings_without(buildings_on(wanted.on), wanted).subquery("found")
    last_visit = (
        select(func.date_trunc("second", func.timezone(CHINA.key, func.max(_visit.c.at))))
        .where(
            _visit.c.district_code == inner.c.district_code,
            _visit.c.building_code == inner.c.code,
            _visit.c.at <= moments_of(wanted.on)[1],
        )
        .scalar_subquery()
    )
    is_of_visits = wanted.lack is Lack.VISIT
    statement = (
        select(
            inner.c.code,
            inner.c.name,
            inner.c.community_code,
            _region.c.name,
            inner.c.compound,
            inner.c.households,
            inner.c.management_mode,
            *([last_visit] if is_of_visits else []),
            func.ST_X(_building.c.location),
            func.ST_Y(_building.c.location),
            inner.c.location,
        )
        .select_from(inner)
        .join(_region, _region.c.code == inner.c.community_code)
        .join(
            _building,
            (_building.c.district_code == inner.c.district_code)
            & (_building.c.code == inner.c.code),
        )
        .order_by(inner.c.code, inner.c.district_code)
    )
    return Listing(
        (
            *_named("Building", "楼栋"),
            Column("compound", "小区", "Compound", Kind.TEXT, 16),
            Column("households", "户数", "Households", Kind.WHOLE, 10),
            Column("managementMode", "管理方式", "Management", Kind.WORD, 12),
            *([_LAST_VISIT] if is_of_visits else []),
            *_PLACE,
        ),
        lambda database: rows_in_batches(database, statement),
    )


def grid_list(lack: GridLack, regions: Sequence[str], on: datetime.date) -> Listing:
    """Grids that lack this, by code."""
    columns: Select[Any] = select(*_grid_columns(), *_grid_place())
    statement = (
        grids_without(columns, lack, regions, on)
        .join(_region, _region.c.code == _grid.c.community_code)
        .order_by(_grid.c.code, _grid.c.district_code)
    )
    return Listing(
        (*_named("Grid", "网格"), *_PLACE), lambda database: rows_in_batches(database, statement)
    )


def load_list(norm: int, regions: Sequence[str], on: datetime.date) -> Listing:
    """Grids whose workers have more than `norm` households each, by code."""
    over = loads_over(norm, regions, on).subquery("over")
    statement: Select[Any] = (
        select(
            *_grid_columns(),
            over.c.households,
            over.c.workers,
            cast(over.c.households, Double) / over.c.workers,
            *_grid_place(),
        )
        .select_from(over)
        .join(
            _grid,
            (_grid.c.district_code == over.c.district_code)
            & (_grid.c.code == over.c.code)
            & (_grid.c.valid_from == over.c.valid_from),
        )
        .join(_region, _region.c.code == _grid.c.community_code)
        .order_by(_grid.c.code, _grid.c.district_code)
    )
    return Listing(
        (
            *_named("Grid", "网格"),
            Column("households", "户数", "Households", Kind.WHOLE, 10),
            Column("workers", "网格员人数", "Workers", Kind.WHOLE, 10),
            Column("householdsPerWorker", "人均户数", "Households per worker", Kind.NUMBER, 12),
            *_PLACE,
        ),
        lambda database: rows_in_batches(database, statement),
    )


def gap_list(region: str, on: datetime.date, tolerance_metres: float) -> Listing:
    """The gaps of a region, the largest first. Grids are those around."""
    return _piece_list(
        region, on, tolerance_metres, "neighbours", "相邻网格", lambda topology: topology.gaps
    )


def overlap_list(region: str, on: datetime.date, tolerance_metres: float) -> Listing:
    """The overlaps of a region's grids, the largest first. Grids are those that claim it."""
    return _piece_list(
        region, on, tolerance_metres, "grids", "重叠网格", lambda topology: topology.overlaps
    )


_PLACE = (
    Column("longitude", "经度（WGS 84）", "Longitude (WGS 84)", Kind.DEGREES, 14),
    Column("latitude", "纬度（WGS 84）", "Latitude (WGS 84)", Kind.DEGREES, 14),
)

_LAST_VISIT = Column("lastVisit", "最近走访时间（北京时间）", "Last visit (UTC+8)", Kind.TIME, 20)

# Of pieces, whose buildings are counted for so many at once.
_BATCH = 100


def _named(english: str, chinese: str) -> tuple[Column, ...]:
    return (
        Column("code", f"{chinese}编码", f"{english} code", Kind.TEXT, 20),
        Column("name", f"{chinese}名称", english, Kind.TEXT, 18),
        Column("community", "社区编码", "Community code", Kind.TEXT, 16),
        Column("communityName", "社区", "Community", Kind.TEXT, 16),
    )


def _grid_columns() -> tuple[ColumnElement[Any], ...]:
    return (_grid.c.code, _grid.c.name, _grid.c.community_code, _region.c.name)


def _grid_place() -> tuple[ColumnElement[Any], ...]:
    point = func.ST_PointOnSurface(_grid.c.boundary)
    return (func.ST_X(point), func.ST_Y(point), as_wkb(_grid.c.boundary))


def _piece_list(
    region: str,
    on: datetime.date,
    tolerance_metres: float,
    name: str,
    chinese: str,
    pieces_of: Callable[[Topology], list[Piece]],
) -> Listing:
    @asynccontextmanager
    async def read(database: Database) -> AsyncIterator[AsyncIterator[Rows]]:
        async with database.connection() as connection:
            [topology] = await topologies(connection, [region], on, tolerance_metres)
        yield _piece_rows(database, pieces_of(topology))

    return Listing(
        (
            Column("area", "面积（平方米）", "Area (m²)", Kind.NUMBER, 14),
            Column(name, chinese, name.capitalize(), Kind.TEXT, 40),
            Column("buildings", "楼栋数", "Buildings", Kind.WHOLE, 10),
            *_PLACE,
        ),
        read,
    )


async def _piece_rows(database: Database, pieces: Sequence[Piece]) -> AsyncIterator[Rows]:
    for start in range(0, len(pieces), _BATCH):
        batch = pieces[start : start + _BATCH]
        async with database.connection() as connection:
            buildings = await buildings_in(connection, [piece.outline for piece in batch])
        within = shapely.point_on_surface(shapely.from_wkb([piece.outline for piece in batch]))
        yield [
            (
                piece.area_m2,
                [grid.code for grid in piece.grids],
                count,
                point.x,
                point.y,
                piece.outline,
            )
            for piece, count, point in zip(batch, buildings, within, strict=True)
        ]
