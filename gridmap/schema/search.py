"""Finding regions, sponsors, grids and buildings by what they are called."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeAlias

import strawberry

from gridmap.errors import Invalid
from gridmap.schema.buildings import Building, building
from gridmap.schema.context import Context
from gridmap.schema.grids import Grid, grid
from gridmap.schema.limits import LARGEST_PAGE
from gridmap.schema.regions import Region, region
from gridmap.schema.sponsors import Sponsor, sponsor
from gridmap.store import buildings as store_buildings
from gridmap.store import grids as store_grids
from gridmap.store import regions as store_regions
from gridmap.store import search as store
from gridmap.store import sponsors as store_sponsors

SearchHit: TypeAlias = Annotated[Region | Sponsor | Grid | Building, strawberry.union("SearchHit")]


async def search(context: Context, text: str, on: datetime.date, first: int) -> list[SearchHit]:
    """Raises Invalid for a text or a number that makes no sense."""
    if not 1 <= first <= LARGEST_PAGE:
        raise Invalid(f"{first} cannot be had; ask for 1 to {LARGEST_PAGE}.")
    found = await context.run(store.hits, text, on, first)
    told = await asyncio.gather(*(_READ[hit.noun](context, hit.code, on) for hit in found))
    return [each for each in told if each is not None]


async def _region(context: Context, code: str, on: datetime.date) -> Region | None:
    row = await context.load(store_regions.regions_by_code, code)
    return region(row, on) if row else None


async def _sponsor(context: Context, code: str, on: datetime.date) -> Sponsor | None:
    row = await context.load(store_sponsors.sponsors_by_code, code)
    return sponsor(row, on) if row else None


async def _grid(context: Context, code: str, on: datetime.date) -> Grid | None:
    row = await context.load(store_grids.grids_by_code, code, on)
    return grid(row, on) if row else None


async def _building(context: Context, code: str, on: datetime.date) -> Building | None:
    row = await context.load(store_buildings.buildings_by_code, code, on)
    return building(row, on) if row else None


_READ: dict[
    str,
    Callable[[Context, str, datetime.date], Awaitable[Region | Sponsor | Grid | Building | None]],
] = {"region": _region, "sponsor": _sponsor, "grid": _grid, "building": _building}
