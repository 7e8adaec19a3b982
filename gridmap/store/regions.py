"""Regions: province, city, district, street, community, each below its parent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import CTE, Select, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.store import tables
from gridmap.store.geometry import as_wkb
from gridmap.store.paging import Key, Slice, among, parents, rows_by_parent

_table = tables.regions


class Region(NamedTuple):
    """`district_code` is None for a province or a city, and the own code for a district."""

    code: str
    name: str
    level: str
    parent_code: str | None
    district_code: str | None

    @property
    def key(self) -> Key:
        return Key(self.code, "")


_COLUMNS = (
    _table.c.code,
    _table.c.name,
    _table.c.level,
    _table.c.parent_code,
    _table.c.district_code,
)


async def regions_by_code(connection: AsyncConnection, codes: Sequence[str]) -> list[Region | None]:
    """One for each code, in their order. Served by regions_pkey."""
    rows = await connection.execute(select(*_COLUMNS).where(among(_table.c.code, codes)))
    found = {row.code: Region(*row) for row in rows}
    return [found.get(code) for code in codes]


async def top_regions(connection: AsyncConnection) -> list[Region]:
    """Those that are below no other, by code. Served by regions_parent_code_idx."""
    rows = select(*_COLUMNS).where(_table.c.parent_code.is_(None)).order_by(_table.c.code)
    return [Region(*row) for row in await connection.execute(rows)]


async def children_of(connection: AsyncConnection, codes: Sequence[str]) -> list[list[Region]]:
    """The regions directly below each, by code. Served by regions_parent_code_idx."""
    parent = parents(code=codes)
    rows = select(*_COLUMNS).where(_table.c.parent_code == parent.c.code).order_by(_table.c.code)
    found = await rows_by_parent(connection, parent, rows, len(codes))
    return [[Region(*row) for row in children] for children in found]


async def page_of_regions(
    connection: AsyncConnection, root: str, level: str | None, cut: Slice
) -> list[Region]:
    """The regions directly below a region; of a level, all of that level from it downwards.

    By code.
    """
    rows = _below(select(*_COLUMNS), root, level)
    if cut.after is not None:
        rows = rows.where(_table.c.code > cut.after.code)
    found = await connection.execute(rows.order_by(_table.c.code).limit(cut.limit))
    return [Region(*row) for row in found]


async def count_regions(connection: AsyncConnection, root: str, level: str | None) -> int:
    """How many there are."""
    rows = _below(select(func.count()).select_from(_table), root, level)
    count: int = (await connection.execute(rows)).scalar_one()
    return count


def _below(statement: Select[Any], root: str, level: str | None) -> Select[Any]:
    if level is None:
        return statement.where(_table.c.parent_code == root)
    tree = region_tree([root])
    return statement.where(_table.c.code.in_(select(tree.c.code)), _table.c.level == level)


async def region_boundaries(
    connection: AsyncConnection, codes: Sequence[str]
) -> list[bytes | None]:
    """WKB of each outline, WGS 84; None where none is known."""
    statement = select(_table.c.code, as_wkb(_table.c.boundary)).where(among(_table.c.code, codes))
    found: dict[str, bytes | None] = dict((await connection.execute(statement)).all())
    return [found.get(code) for code in codes]


async def regions_below(connection: AsyncConnection, codes: Sequence[str]) -> list[list[str]]:
    """For each region its code and those of all below it; none when there is no such region."""
    tree = region_tree(codes)
    found: dict[str, list[str]] = {code: [] for code in codes}
    for root, code in await connection.execute(select(tree.c.root, tree.c.code)):
        found[root].append(code)
    return [found[code] for code in codes]


async def regions_around(connection: AsyncConnection, codes: Sequence[str]) -> list[list[str]]:
    """For each region its code and those of all that it lies in, from within outwards.

    Served by regions_pkey.
    """
    found: dict[str, list[str]] = {code: [] for code in codes}
    for inner, code in await connection.execute(_AROUND, {"codes": list(codes)}):
        found[inner].append(code)
    return [found[code] for code in codes]


# Written once: every action upon a report asks this, and to put it together takes longer than to
# answer it.
_AROUND = text(
    """
    WITH RECURSIVE line AS (
        SELECT code AS inner_code, code, parent_code, 0 AS step
        FROM regions
        WHERE code = ANY(CAST(:codes AS text[]))
        UNION ALL
        SELECT line.inner_code, regions.code, regions.parent_code, line.step + 1
        FROM regions
        JOIN line ON regions.code = line.parent_code
    )
    SELECT inner_code, code
    FROM line
    ORDER BY step
    """
)


def region_tree(roots: Sequence[str]) -> CTE:
    """Each root region with itself and every region below it: columns `root` and `code`.

    A walk along regions_parent_code_idx, so that it holds
    for districts that number their regions in another way than by prefix.
    """
    top = (
        select(_table.c.code.label("root"), _table.c.code.label("code"))
        .where(among(_table.c.code, roots))
        .cte("tree", recursive=True)
    )
    return top.union_all(
        select(top.c.root, _table.c.code).join(top, _table.c.parent_code == top.c.code)
    )
