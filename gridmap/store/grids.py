"""Grids: the small areas of a community, each a dated version of an outline."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Date,
    Double,
    FromClause,
    Select,
    Text,
    and_,
    cast,
    column,
    exists,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.expression import TableValuedAlias

from gridmap.geo.bounds import Bounds
from gridmap.store import tables
from gridmap.store.dates import holds_on
from gridmap.store.geometry import area_m2, as_wkb, covers, meets
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
from gridmap.store.regions import region_tree
from gridmap.store.tables import CODE, LONGITUDE_LATITUDE

_table = tables.grids


class Grid(NamedTuple):
    """One version of a grid. It holds from `valid_from` until before `valid_to`."""

    district_code: str
    code: str
    community_code: str
    name: str
    valid_from: datetime.date
    valid_to: datetime.date | None

    @property
    def key(self) -> Key:
        return Key(self.code, self.district_code)

    @property
    def version(self) -> GridVersion:
        return GridVersion(self.district_code, self.code, self.valid_from)

    def holds_on(self, day: datetime.date) -> bool:
        """Whether the version holds on the day."""
        return self.valid_from <= day and (self.valid_to is None or self.valid_to > day)


class GridVersion(NamedTuple):
    """What names one version for ever."""

    district_code: str
    code: str
    valid_from: datetime.date


@dataclass(frozen=True, slots=True)
class GridFilter:
    """Grids as they stand on a day, of regions (see `regions_below`), within bounds."""

    on: datetime.date
    regions: Sequence[str] | None = None
    bounds: Bounds | None = None


def grid_columns(table: FromClause) -> tuple[ColumnElement[Any], ...]:
    """The columns of a `Grid`, in its order."""
    return tuple(table.c[name] for name in Grid._fields)


_COLUMNS = grid_columns(_table)
_KEY = (_table.c.code, _table.c.district_code)


async def grids_by_code(
    connection: AsyncConnection, codes: Sequence[str], on: datetime.date
) -> list[Grid | None]:
    """The version of each code that holds on the day. Served by grids_code_idx."""
    rows = await connection.execute(
        select(*_COLUMNS)
        .where(among(_table.c.code, codes), holds_on(_table, on))
        .order_by(_table.c.district_code.desc())
    )
    found = {row.code: Grid(*row) for row in rows}
    return [found.get(code) for code in codes]


async def is_grid(connection: AsyncConnection, code: str) -> bool:
    """Whether there is such a grid, or ever was one. Served by grids_code_idx."""
    return bool(await connection.scalar(select(exists().where(_table.c.code == code))))


async def grids_on_days(
    connection: AsyncConnection, wanted: Sequence[tuple[Key, datetime.date]]
) -> list[Grid | None]:
    """The version of each grid that held on a day of its own. Served by grids_pkey."""
    given = (
        func.unnest(
            literal([key.code for key, _ in wanted], ARRAY(Text)),
            literal([key.district_code for key, _ in wanted], ARRAY(Text)),
            literal([day for _, day in wanted], ARRAY(Date)),
        )
        .table_valued(
            column("code", CODE),
            column("district_code", CODE),
            column("day", Date),
            with_ordinality="ordinal",
            name="given",
        )
        .render_derived()
    )
    rows = await connection.execute(
        select(given.c.ordinal, *_COLUMNS).join(
            _table,
            and_(
                _table.c.district_code == given.c.district_code,
                _table.c.code == given.c.code,
                _table.c.valid_from <= given.c.day,
                or_(_table.c.valid_to.is_(None), _table.c.valid_to > given.c.day),
            ),
        )
    )
    found = {row[0]: Grid(*row[1:]) for row in rows}
    return [found.get(ordinal) for ordinal in range(1, len(wanted) + 1)]


class Capture(NamedTuple):
    """That something was seen in a grid on a day. `longitude`, `latitude`: WGS 84 degrees."""

    key: Key
    day: datetime.date
    longitude: float
    latitude: float


async def grids_at_capture(
    connection: AsyncConnection, captures: Sequence[Capture]
) -> list[Grid | None]:
    """The version of each grid in which something was seen. Served by grids_pkey.

    Where one version ended on the day and another began, and nobody knows the hour, it is the one
    that covers the place; if both do, the new one.
    """
    given = (
        func.unnest(
            literal([each.key.code for each in captures], ARRAY(Text)),
            literal([each.key.district_code for each in captures], ARRAY(Text)),
            literal([each.day for each in captures], ARRAY(Date)),
            literal([each.longitude for each in captures], ARRAY(Double)),
            literal([each.latitude for each in captures], ARRAY(Double)),
        )
        .table_valued(
            column("code", CODE),
            column("district_code", CODE),
            column("day", Date),
            column("longitude", Double),
            column("latitude", Double),
            with_ordinality="ordinal",
            name="given",
        )
        .render_derived()
    )
    place = func.ST_SetSRID(
        func.ST_MakePoint(given.c.longitude, given.c.latitude), LONGITUDE_LATITUDE
    )
    versions = (
        select(*_COLUMNS)
        .where(
            is_parent(_table, given),
            _table.c.valid_from <= given.c.day,
            or_(_table.c.valid_to.is_(None), _table.c.valid_to >= given.c.day),
        )
        .order_by(covers(_table.c.boundary, place).desc(), _table.c.valid_from.desc())
        .limit(1)
    )
    found = await rows_by_parent(connection, given, versions, len(captures))
    return [Grid(*rows[0]) if rows else None for rows in found]


async def grids_known_on(
    connection: AsyncConnection, keys: Sequence[Key], on: datetime.date
) -> list[Grid | None]:
    """The version of each that holds on the day, else the last one before. Served by grids_pkey."""
    parent = parents_by_key(keys)
    rows = (
        select(*_COLUMNS)
        .where(is_parent(_table, parent), _table.c.valid_from <= on)
        .order_by(_table.c.valid_from.desc())
        .limit(1)
    )
    found = await rows_by_parent(connection, parent, rows, len(keys))
    return [Grid(*versions[0]) if versions else None for versions in found]


async def grids_by_version(
    connection: AsyncConnection, versions: Sequence[GridVersion]
) -> list[Grid | None]:
    """Each version, None where there is no such."""
    rows = await connection.execute(_of_versions(versions, *_COLUMNS))
    found = {(grid := Grid(*row)).version: grid for row in rows}
    return [found.get(version) for version in versions]


async def page_of_grids(connection: AsyncConnection, wanted: GridFilter, cut: Slice) -> list[Grid]:
    """Served by grids_code_idx, or by grids_boundary_idx where bounds are given."""
    rows = await connection.execute(sliced(_matching(wanted), _KEY, cut))
    return [Grid(*row) for row in rows]


async def count_grids(connection: AsyncConnection, wanted: GridFilter) -> int:
    """How many grids match."""
    matching = _matching(wanted).subquery()
    return (await connection.execute(select(func.count()).select_from(matching))).scalar_one()


async def grids_of_regions(
    connection: AsyncConnection, regions: Sequence[str], on: datetime.date, cut: Slice
) -> list[list[Grid]]:
    """A page of the grids below each region.

    A page of n grids has grids of n communities at most: of those whose own page begins first.
    Only these are read further. Served by grids_community_idx.
    """
    tree = region_tree(regions)

    def page(community: FromClause, limit: int, *columns: ColumnElement[Any]) -> Select[Any]:
        rows = select(*columns).where(
            _table.c.community_code == community.c.code, holds_on(_table, on)
        )
        return sliced(rows, _KEY, Slice(limit, cut.after))

    first = page(tree, 1, *_KEY).lateral("first")
    place = func.row_number().over(
        partition_by=tree.c.root, order_by=(first.c.code, first.c.district_code)
    )
    communities = (
        select(tree.c.root, tree.c.code, place.label("place"))
        .select_from(tree.join(first, true()))
        .subquery("communities")
    )
    grids = page(communities, cut.limit, *_COLUMNS).lateral("page")
    place = func.row_number().over(
        partition_by=communities.c.root, order_by=(grids.c.code, grids.c.district_code)
    )
    rows = (
        select(communities.c.root, *grids.c, place.label("place"))
        .select_from(communities.join(grids, true()))
        .where(communities.c.place <= cut.limit)
        .subquery("numbered")
    )
    found: dict[str, list[Grid]] = {region: [] for region in regions}
    for root, *grid, _ in await connection.execute(
        select(*rows.c).where(rows.c.place <= cut.limit).order_by(rows.c.root, rows.c.place)
    ):
        found[root].append(Grid(*grid))
    return [found[region] for region in regions]


async def count_grids_of_regions(
    connection: AsyncConnection, regions: Sequence[str], on: datetime.date
) -> list[int]:
    """How many grids lie below each region."""
    tree = region_tree(regions)
    rows = await connection.execute(
        select(tree.c.root, func.count())
        .join(_table, _table.c.community_code == tree.c.code)
        .where(holds_on(_table, on))
        .group_by(tree.c.root)
    )
    counts: dict[str, int] = dict(rows.all())
    return [counts.get(region, 0) for region in regions]


async def grid_boundaries(
    connection: AsyncConnection, versions: Sequence[GridVersion]
) -> list[bytes]:
    """WKB of each version's outline, WGS 84."""
    return await _values(connection, versions, as_wkb(_table.c.boundary))


async def grid_areas(connection: AsyncConnection, versions: Sequence[GridVersion]) -> list[float]:
    """Square metres of each version on the ellipsoid."""
    return await _values(connection, versions, area_m2(_table.c.boundary))


async def neighbours_of(
    connection: AsyncConnection, versions: Sequence[GridVersion], on: datetime.date
) -> list[list[Grid]]:
    """The other grids of the day that share a stretch or a corner of the outline, by code.

    Served by grids_pkey for the grid itself and grids_boundary_idx for those around it.
    """
    parent = _versions(versions)
    itself = _table.alias("itself")
    rows = (
        select(*_COLUMNS)
        .join(itself, func.ST_Intersects(_table.c.boundary, itself.c.boundary))
        .where(
            _is_version(itself, parent),
            holds_on(_table, on),
            or_(_table.c.code != itself.c.code, _table.c.district_code != itself.c.district_code),
        )
        .order_by(*_KEY)
    )
    found = await rows_by_parent(connection, parent, rows, len(versions))
    return [[Grid(*row) for row in grids] for grids in found]


def grid_covers(
    grid: FromClause, point: ColumnElement[Any], on: datetime.date
) -> ColumnElement[bool]:
    """Whether the point belongs to this grid on the day.

    A point on a shared edge or corner lies in several outlines; it belongs to the one with the
    smallest code, so that every point belongs to one grid at most.
    """
    # The code as an expression: PostgreSQL would look it up in grids_code_idx too, and find half of
    # all grids there for each point.
    smaller = tables.grids.alias("smaller")
    return and_(
        covers(grid.c.boundary, point),
        holds_on(grid, on),
        ~exists(
            select(literal(1))
            .where(
                covers(smaller.c.boundary, point),
                holds_on(smaller, on),
                tuple_(func.textcat(smaller.c.code, ""), smaller.c.district_code)
                < tuple_(grid.c.code, grid.c.district_code),
            )
            .correlate_except(smaller)
        ),
    )


def _matching(wanted: GridFilter) -> Select[Any]:
    statement = select(*_COLUMNS).where(holds_on(_table, wanted.on))
    if wanted.regions is not None:
        statement = statement.where(among(_table.c.community_code, wanted.regions))
    if wanted.bounds is not None:
        statement = statement.where(meets(_table.c.boundary, wanted.bounds))
    return statement


def _versions(versions: Sequence[GridVersion]) -> TableValuedAlias:
    return parents(
        district_code=[version.district_code for version in versions],
        code=[version.code for version in versions],
        valid_from=[version.valid_from.isoformat() for version in versions],
    )


def _is_version(grid: FromClause, version: TableValuedAlias) -> ColumnElement[bool]:
    return and_(
        grid.c.district_code == version.c.district_code,
        grid.c.code == version.c.code,
        grid.c.valid_from == cast(version.c.valid_from, Date),
    )


def _of_versions(versions: Sequence[GridVersion], *columns: ColumnElement[Any]) -> Select[Any]:
    """Served by grids_pkey."""
    wanted = _versions(versions)
    return select(*columns).join(wanted, _is_version(_table, wanted))


async def _values(
    connection: AsyncConnection, versions: Sequence[GridVersion], value: ColumnElement[Any]
) -> list[Any]:
    key = (_table.c.district_code, _table.c.code, _table.c.valid_from)
    rows = await connection.execute(_of_versions(versions, *key, value))
    found = {GridVersion(*row[:3]): row[3] for row in rows}
    return [found[version] for version in versions]
