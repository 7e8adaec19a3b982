"""Sponsors as clients see them."""

from __future__ import annotations

import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import strawberry
from graphql.pyutils import AwaitableOrValue

from gridmap.geo.datums import Datum
from gridmap.schema.connections import After, Connection, First, connection, page_slice
from gridmap.schema.context import Context, Info
from gridmap.schema.nodes import GlobalId, Node
from gridmap.schema.regions import Region, region_of
from gridmap.schema.scalars import GeoJSON, geojson
from gridmap.store import buildings as store_buildings
from gridmap.store import reports as store_reports
from gridmap.store import sponsors as store

if TYPE_CHECKING:
    from gridmap.schema.buildings import Building


@strawberry.enum
class SponsorLevel(Enum):
    CITY = "CITY"
    DISTRICT = "DISTRICT"
    STREET = "STREET"
    COMMUNITY = "COMMUNITY"


@strawberry.type(description="The smallest convex outline around the buildings of a unit.")
class SponsorHull:
    outline: GeoJSON = strawberry.field(
        description="A polygon; a line or a point where two buildings or one are all."
    )
    area: float = strawberry.field(description="Square metres on the ground.")


@strawberry.type(description="包保单位: a unit that answers for buildings or grids.")
class Sponsor(Node):
    code: str
    name: str
    level: SponsorLevel
    leader_role: str | None = strawberry.field(
        description="The office of the cadre who leads the unit's group."
    )
    row: strawberry.Private[store.Sponsor]
    on: strawberry.Private[datetime.date]

    def global_id(self) -> GlobalId:
        return GlobalId("Sponsor", "", self.code)

    @strawberry.field(graphql_type=Region, description="The region that the unit belongs to.")
    def region(self, info: Info) -> AwaitableOrValue[Region]:
        return region_of(info.context, self.row.region_code, self.on)

    @strawberry.field(description="The buildings that the unit answers for.")
    async def buildings(
        self, info: Info, first: First = None, after: After = None
    ) -> Connection[Annotated[Building, strawberry.lazy("gridmap.schema.buildings")]]:
        from gridmap.schema.buildings import building

        cut = page_slice(first, after)
        rows = await info.context.load(
            store_buildings.buildings_of_sponsors, self.code, self.on, cut
        )

        async def count() -> int:
            return (await info.context.load(store.loads_of_sponsors, self.code, self.on)).buildings

        return connection(rows, cut, lambda row: building(row, self.on), count)

    @strawberry.field
    async def building_count(self, info: Info) -> int:
        return (await info.context.load(store.loads_of_sponsors, self.code, self.on)).buildings

    @strawberry.field
    async def household_count(self, info: Info) -> int:
        return (await info.context.load(store.loads_of_sponsors, self.code, self.on)).households

    @strawberry.field(description="How many grids the unit answers for, or for a building in them.")
    async def grid_count(self, info: Info) -> int:
        return await info.context.load(store.grid_counts_of_sponsors, self.code, self.on)

    @strawberry.field(
        description="How far apart its buildings lie; null for a unit without any building."
    )
    async def hull(self, info: Info) -> SponsorHull | None:
        row = await info.context.load(store.hulls_of_sponsors, self.code, self.on)
        if row is None:
            return None
        return SponsorHull(outline=geojson(row.outline, Datum.WGS84), area=row.area_m2)

    @strawberry.field(
        description="Reports that the unit answers for and that are open now, of those that one "
        "may see."
    )
    async def open_report_count(self, info: Info) -> int:
        count, _ = await self._reports(info)
        return count

    @strawberry.field(description="Of these, those that are past a deadline.")
    async def overdue_report_count(self, info: Info) -> int:
        _, overdue = await self._reports(info)
        return overdue

    async def _reports(self, info: Info) -> tuple[int, int]:
        context = info.context
        return await context.load(
            store_reports.open_reports_of_sponsors,
            self.code,
            context.now,
            await context.scope_of_lists(),
        )


def sponsor(row: store.Sponsor, on: datetime.date) -> Sponsor:
    """The row as a node, whose lists show the day."""
    return Sponsor(
        code=row.code,
        name=row.name,
        level=SponsorLevel(row.level),
        leader_role=row.leader_role,
        row=row,
        on=on,
    )


async def sponsor_of(context: Context, code: str | None) -> Sponsor | None:
    """The sponsor that another row names: from memory where a lookup before was answered from it.

    None where none is named.
    """
    if code is None:
        return None
    snapshot = context.remembered
    row = snapshot.sponsors.get(code) if snapshot else None
    row = row or await context.load(store.sponsors_by_code, code)
    return sponsor(row, context.today) if row else None
