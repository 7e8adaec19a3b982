"""Two days compared: which ground of a region went from which grid to which."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.errors import TooLarge
from gridmap.geo.areas import areas_m2
from gridmap.store.grids import Grid

Geometries = NDArray[np.object_]

MOST_GRIDS = 20_000
"""Versions that are laid over each other, which takes some seconds."""

# Less comes of rounding.
_NOTHING_M2 = 1e-3


class ChangedArea(NamedTuple):
    """Ground that went from one grid to another, None where there was or is none.

    `outline`: WKB of a MultiPolygon, WGS 84.
    """

    before: Grid | None
    after: Grid | None
    outline: bytes
    area_m2: float


class ChangedGrid(NamedTuple):
    """A grid as it was and as it is; None where it was not yet, or is no more."""

    before: Grid | None
    after: Grid | None


@dataclass(frozen=True, slots=True)
class Difference:
    """`areas`: the largest first. `grids`: those of the region with another version, by code."""

    areas: list[ChangedArea]
    grids: list[ChangedGrid]


class _Version(NamedTuple):
    grid: Grid
    outline: Any
    held: bool
    holds: bool
    is_of_region: bool


async def difference(
    connection: AsyncConnection,
    regions: Sequence[str],
    before: datetime.date,
    after: datetime.date,
) -> Difference:
    """The difference of two days, in the regions (see `regions_below`). Reckoned in a thread.

    Ground counts that a grid of the regions had or has; the other may be of any region. Raises
    TooLarge where more than `MOST_GRIDS` versions have to be looked at.
    """
    values = {
        "regions": list(regions),
        "before": before,
        "after": after,
        "most": MOST_GRIDS + 1,
    }
    rows = (await connection.execute(_VERSIONS, values)).all()
    if len(rows) > MOST_GRIDS:
        raise TooLarge(
            f"More than {MOST_GRIDS} grids are other than they were; ask for the regions in it."
        )
    size = len(Grid._fields)
    return await asyncio.to_thread(
        lambda: _compared(
            [
                _Version(Grid(*row[:size]), shapely.from_wkb(row[size]), *row[size + 1 :])
                for row in rows
            ]
        )
    )


def _compared(versions: Sequence[_Version]) -> Difference:
    old = [each for each in versions if each.held]
    new = [each for each in versions if each.holds]
    areas = _moved(old, new) + _lost(old, new) + _won(old, new)
    order = sorted(areas, key=lambda each: (-each.area_m2, str(each.before), str(each.after)))
    return Difference(order, _changed_grids(old, new))


def _moved(old: Sequence[_Version], new: Sequence[_Version]) -> list[ChangedArea]:
    """Ground of two grids, one before and the other after."""
    if not old or not new:
        return []
    one, other = shapely.STRtree(_outlines(old)).query(_outlines(new), "intersects")[::-1]
    pairs = [
        (old[i], new[j])
        for i, j in zip(one.tolist(), other.tolist(), strict=True)
        if old[i].grid.key != new[j].grid.key
        and (old[i].is_of_region or new[j].is_of_region)
        # Whatever has not changed had this ground before, and has it still.
        and not (old[i].holds or new[j].held)
    ]
    shapes = shapely.intersection(
        _outlines([before for before, _ in pairs]), _outlines([after for _, after in pairs])
    )
    return [
        ChangedArea(before.grid, after.grid, wkb, area)
        for (before, after), (wkb, area) in zip(pairs, _told(shapes), strict=True)
        if area > _NOTHING_M2
    ]


def _lost(old: Sequence[_Version], new: Sequence[_Version]) -> list[ChangedArea]:
    """Ground that no grid has any more."""
    gone = [each for each in old if each.is_of_region and not each.holds]
    return [ChangedArea(grid, None, wkb, area) for grid, wkb, area in _less(gone, new)]


def _won(old: Sequence[_Version], new: Sequence[_Version]) -> list[ChangedArea]:
    """Ground that no grid had."""
    come = [each for each in new if each.is_of_region and not each.held]
    return [ChangedArea(None, grid, wkb, area) for grid, wkb, area in _less(come, old)]


def _less(some: Sequence[_Version], others: Sequence[_Version]) -> list[tuple[Grid, bytes, float]]:
    """What of some outlines lies in none of the others."""
    if not some:
        return []
    rest = _outlines(some)
    if others:
        which, other = shapely.STRtree(_outlines(others)).query(rest, "intersects")
        theirs = _outlines(others)
        for i in np.unique(which).tolist():
            rest[i] = shapely.difference(rest[i], shapely.union_all(theirs[other[which == i]]))
    return [
        (each.grid, wkb, area)
        for each, (wkb, area) in zip(some, _told(rest), strict=True)
        if area > _NOTHING_M2
    ]


def _told(shapes: Geometries) -> list[tuple[bytes, float]]:
    """What of each shape has area, as WKB, and the area."""
    whole = np.empty(len(shapes), dtype=np.object_)
    for i, shape in enumerate(shapes):
        parts = shapely.get_parts(shape)
        parts = parts[shapely.get_dimensions(parts) == 2]
        whole[i] = shapely.multipolygons(parts[areas_m2(parts) > _NOTHING_M2])
    return list(zip(shapely.to_wkb(whole).tolist(), areas_m2(whole).tolist(), strict=True))


def _changed_grids(old: Sequence[_Version], new: Sequence[_Version]) -> list[ChangedGrid]:
    before = {each.grid.key: each for each in old if not each.holds}
    after = {each.grid.key: each for each in new if not each.held}
    found = []
    for key in sorted({*before, *after}):
        was, is_ = before.get(key), after.get(key)
        if (was is not None and was.is_of_region) or (is_ is not None and is_.is_of_region):
            found.append(ChangedGrid(was.grid if was else None, is_.grid if is_ else None))
    return found


def _outlines(versions: Sequence[_Version]) -> Geometries:
    outlines = np.empty(len(versions), dtype=np.object_)
    outlines[:] = [each.outline for each in versions]
    return outlines


_HELD = "grids.valid_from <= :before AND (grids.valid_to IS NULL OR grids.valid_to > :before)"
_HOLDS = "grids.valid_from <= :after AND (grids.valid_to IS NULL OR grids.valid_to > :after)"

# A version that holds on one of the days alone makes the difference, and those around are where
# ground went to. Served by grids_community_idx and grids_boundary_idx.
_VERSIONS = text(
    f"""
    WITH changed AS MATERIALIZED (
        SELECT boundary
        FROM grids
        WHERE community_code = ANY(CAST(:regions AS text[])) AND ({_HELD}) <> ({_HOLDS})
    )
    SELECT
        {", ".join(Grid._fields)},
        ST_AsBinary(boundary),
        {_HELD},
        {_HOLDS},
        community_code = ANY(CAST(:regions AS text[]))
    FROM grids
    WHERE (({_HELD}) OR ({_HOLDS}))
      AND (district_code, code, valid_from) IN (
          SELECT grids.district_code, grids.code, grids.valid_from
          FROM changed
          JOIN grids ON grids.boundary && changed.boundary
      )
    ORDER BY code, district_code, valid_from
    LIMIT :most
    """
)
