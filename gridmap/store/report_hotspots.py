"""Where reports are denser than around them, and what lies there."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.errors import TooLarge
from gridmap.geo.density import centres, dense_groups, outlines
from gridmap.store import tables
from gridmap.store.dates import holds_on
from gridmap.store.geometry import outlines_given
from gridmap.store.grids import Grid, grid_columns

MOST_HOTSPOTS = 1_000


class Hotspot(NamedTuple):
    """`outline`: WKB, WGS 84. `longitude` and `latitude`: the mean of the reports' positions."""

    reports: int
    outline: bytes
    longitude: float
    latitude: float


class Surroundings(NamedTuple):
    """The grids that an outline touches, by code; the households of the buildings in it."""

    grids: list[Grid]
    households: int


def hotspots_among(
    positions: NDArray[np.float64], radius_metres: float, least: int
) -> list[Hotspot]:
    """The groups that positions make (see `dense_groups`), those of most reports first.

    `positions`: float64 (n, 2), longitude then latitude, WGS 84 degrees. Raises Invalid as
    `dense_groups` does, and TooLarge for more than `MOST_HOTSPOTS`.
    """
    groups = dense_groups(positions, radius_metres, least)
    counts = np.bincount(groups[groups >= 0])
    if len(counts) > MOST_HOTSPOTS:
        raise TooLarge(
            f"There are {len(counts)} hotspots; at most {MOST_HOTSPOTS} are told. Ask for a "
            "smaller region, or for more reports within a smaller radius."
        )
    around = shapely.to_wkb(outlines(positions, groups, radius_metres)).tolist()
    centre = centres(positions, groups).tolist()
    found = [
        Hotspot(count, outline, longitude, latitude)
        for count, outline, (longitude, latitude) in zip(
            counts.tolist(), around, centre, strict=True
        )
    ]
    return sorted(found, key=lambda each: (-each.reports, each.longitude, each.latitude))


async def surroundings(
    connection: AsyncConnection, outlines: Sequence[bytes], on: datetime.date
) -> list[Surroundings]:
    """What lies in each outline (WKB, WGS 84) on a day.

    Served by grids_boundary_idx and buildings_location_idx.
    """
    grid, building = tables.grids, tables.buildings
    outline = outlines_given(outlines)
    touching = await connection.execute(
        select(outline.c.ordinal, *grid_columns(grid))
        .join(grid, func.ST_Intersects(grid.c.boundary, outline.c.outline))
        .where(holds_on(grid, on))
        .order_by(grid.c.code, grid.c.district_code)
    )
    found = [Surroundings([], 0) for _ in outlines]
    for row in touching:
        found[row[0] - 1].grids.append(Grid(*row[1:]))
    inside = (
        select(func.coalesce(func.sum(building.c.households), 0).label("households"))
        .where(func.ST_Covers(outline.c.outline, building.c.location))
        .lateral("inside")
    )
    rows = await connection.execute(
        select(outline.c.ordinal, inside.c.households)
        .select_from(outline.join(inside, true()))
        .order_by(outline.c.ordinal)
    )
    return [
        around._replace(households=row.households) for around, row in zip(found, rows, strict=True)
    ]
