"""Regions as clients see them."""

from __future__ import annotations

import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Optional

import strawberry
from graphql.pyutils import AwaitableOrValue

from gridmap.errors import NotFound
from gridmap.geo.datums import Datum
from gridmap.schema.connections import After, Connection, First, connection, page_slice
from gridmap.schema.context import Context, Info
from gridmap.schema.nodes import GlobalId, Node
from gridmap.schema.scalars import GeoJSON, geojson
from gridmap.store import grids as store_grids
from gridmap.store import regions as store

if TYPE_CHECKING:
    from gridmap.schema.grids import Grid


@strawberry.enum
class RegionLevel(Enum):
    PROVINCE = "PROVINCE"
    CITY = "CITY"
    DISTRICT = "DISTRICT"
    STREET = "STREET"
    COMMUNITY = "COMMUNITY"


@strawberry.type(description="A province, city, district, street or community.")
class Region(Node):
    code: str
    name: str
    level: RegionLevel
    row: strawberry.Private[store.Region]
    on: strawberry.Private[datetime.date]

    def global_id(self) -> GlobalId:
        return GlobalId("Region", self.row.district_code or "", self.code)

    @strawberry.field(graphql_type=Optional["Region"])
    def parent(self, info: Info) -> AwaitableOrValue[Region] | None:
        code = self.row.parent_code
        return region_of(info.context, code, self.on) if code else None

    @strawberry.field
    async def children(self, info: Info) -> list[Region]:
        rows = await info.context.load(store.children_of, self.code)
        return [region(row, self.on) for row in rows]

    @strawberry.field(description="The outline, where one is known; datum is that of the answer.")
    async def boundary(
        self,
        info: Info,
        datum: Datum = Datum.WGS84,
        tolerance_metres: float | None = None,
    ) -> GeoJSON | None:
        wkb = await info.context.load(store.region_boundaries, self.code)
        return geojson(wkb, datum, tolerance_metres) if wkb else None

    @strawberry.field(
        description="The grids of all that lies in the region, on the day that is shown or on "
        "another."
    )
    async def grids(
        self,
        info: Info,
        on: datetime.date | None = None,
        first: First = None,
        after: After = None,
    ) -> Connection[Annotated[Grid, strawberry.lazy("gridmap.schema.grids")]]:
        from gridmap.schema.grids import grid

        cut, day = page_slice(first, after), on or self.on
        rows = await info.context.load(store_grids.grids_of_regions, self.code, day, cut)
        return connection(
            rows,
            cut,
            lambda row: grid(row, day),
            lambda: info.context.load(store_grids.count_grids_of_regions, self.code, day),
        )


def region(row: store.Region, on: datetime.date) -> Region:
    """The row as a node, whose lists show the day."""
    return Region(
        code=row.code,
        name=row.name,
        level=RegionLevel(row.level),
        row=row,
        on=on,
    )


def region_of(context: Context, code: str, on: datetime.date) -> AwaitableOrValue[Region]:
    """The region that another row names: from memory where a lookup before was answered from it.

    Raises NotFound when it is not kept.
    """
    snapshot = context.remembered
    row = snapshot.regions.get(code) if snapshot else None
    return region(row, on) if row else _kept_region(context, code, on)


def street_of(context: Context, community_code: str, on: datetime.date) -> AwaitableOrValue[Region]:
    """The street above a community; where a district has no streets, the community itself."""
    snapshot = context.remembered
    if snapshot and (community := snapshot.regions.get(community_code)):
        above = snapshot.regions.get(community.parent_code or "")
        return region(_street(above) or community, on)
    return _kept_street(context, community_code, on)


async def _kept_region(context: Context, code: str, on: datetime.date) -> Region:
    row = await context.load(store.regions_by_code, code)
    if row is None:
        raise NotFound(f"There is no region {code!r}.", reason="NO_REGION", region=code)
    return region(row, on)


async def _kept_street(context: Context, community_code: str, on: datetime.date) -> Region:
    community = await _kept_region(context, community_code, on)
    code = community.row.parent_code
    above = await context.load(store.regions_by_code, code) if code else None
    return region(_street(above) or community.row, on)


def _street(row: store.Region | None) -> store.Region | None:
    return row if row and row.level == "STREET" else None


async def regions_below(context: Context, code: str | None) -> list[str] | None:
    """The codes that a filter by this region means, None where it names none.

    Raises NotFound when the region is not kept.
    """
    if code is None:
        return None
    codes = await context.load(store.regions_below, code)
    if not codes:
        raise NotFound(f"There is no region {code!r}.", reason="NO_REGION", region=code)
    return codes
