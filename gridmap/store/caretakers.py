"""Who looks after a building: the workers of its grid, and the offices that it belongs to."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.errors import Forbidden, NotFound
from gridmap.store import tables
from gridmap.store.buildings import grids_of_buildings
from gridmap.store.paging import Key, is_parent, parents_by_key
from gridmap.store.permissions import Extent, Permission, extent
from gridmap.store.regions import regions_around
from gridmap.store.viewers import Role, Viewer, is_office_of

_building = tables.buildings


async def look_after(
    connection: AsyncConnection, keys: Sequence[Key], viewer: Viewer, on: datetime.date
) -> list[bool]:
    """Whether the viewer looks after each building on a day.

    At most two statements, however many buildings. Served by grids_boundary_idx or buildings_pkey.
    """
    may = extent(viewer, Permission.LOOK_AFTER_BUILDINGS)
    if may is not Extent.OWN:
        return [may is Extent.ALL] * len(keys)
    if viewer.role is Role.GRID_WORKER:
        grids = await grids_of_buildings(connection, keys, on)
        return [grid is not None and grid.code in viewer.codes for grid in grids]
    parent = parents_by_key(keys)
    rows = await connection.execute(
        select(_building.c.code, _building.c.district_code, _building.c.community_code).join(
            parent, is_parent(_building, parent)
        )
    )
    communities = {Key(code, district): community for code, district, community in rows}
    around = dict(
        zip(
            communities.values(),
            await regions_around(connection, list(communities.values())),
            strict=True,
        )
    )
    return [key in communities and is_office_of(viewer, around[communities[key]]) for key in keys]


async def building_in_care(
    connection: AsyncConnection, code: str, viewer: Viewer, on: datetime.date
) -> Key:
    """The building of this code that the viewer looks after on a day.

    Served by buildings_code_idx. Raises NotFound where there is none of this code, and Forbidden
    where the viewer looks after none such.
    """
    rows = await connection.execute(
        select(_building.c.code, _building.c.district_code)
        .where(_building.c.code == code)
        .order_by(_building.c.district_code)
    )
    keys = [Key(*row) for row in rows]
    if not keys:
        raise NotFound(f"There is no building {code!r}.")
    for key, is_theirs in zip(keys, await look_after(connection, keys, viewer, on), strict=True):
        if is_theirs:
            return key
    raise Forbidden(
        f"What is done at building {code} is for the worker of its grid, the office of its "
        f"community, street or district, or an ADMINISTRATOR to say. You are {viewer.role}"
        f"{' elsewhere' if viewer.codes else ''}."
    )
