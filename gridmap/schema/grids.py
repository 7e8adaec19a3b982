"""Grids as clients see them: one version each, with what holds in it on the day asked for."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry
from graphql.pyutils import AwaitableOrValue

from gridmap.geo.datums import Datum
from gridmap.schema.connections import After, Connection, First, connection, page_slice
from gridmap.schema.context import Info
from gridmap.schema.nodes import GlobalId, Node
from gridmap.schema.regions import Region, region_of, street_of
from gridmap.schema.scalars import GeoJSON, geojson
from gridmap.schema.sponsors import Sponsor, sponsor
from gridmap.schema.workers import GridWorker, grid_worker
from gridmap.store import buildings as store_buildings
from gridmap.store import grids as store
from gridmap.store import sponsors as store_sponsors
from gridmap.store import sponsorships as store_sponsorships
from gridmap.store import workers as store_workers

if TYPE_CHECKING:
    from gridmap.schema.buildings import Building
    from gridmap.schema.reports import ReportConnection, ReportFilter
    from gridmap.schema.sponsorships import Sponsorship


@strawberry.type(description="How many of a grid's buildings a sponsor answers for.")
class SponsorShare:
    sponsor: Sponsor
    buildings: int
    households: int


@strawberry.type(
    description="A small area of a community. Its id names this version of its outline for ever."
)
class Grid(Node):
    code: str
    name: str
    valid_from: datetime.date
    valid_to: datetime.date | None
    row: strawberry.Private[store.Grid]
    on: strawberry.Private[datetime.date]

    def global_id(self) -> GlobalId:
        version = self.row.valid_from.isoformat()
        return GlobalId("Grid", self.row.district_code, self.code, version)

    @strawberry.field(graphql_type=Region)
    def community(self, info: Info) -> AwaitableOrValue[Region]:
        return region_of(info.context, self.row.community_code, self.on)

    @strawberry.field(graphql_type=Region)
    def street(self, info: Info) -> AwaitableOrValue[Region]:
        return street_of(info.context, self.row.community_code, self.on)

    @strawberry.field(graphql_type=Region)
    def district(self, info: Info) -> AwaitableOrValue[Region]:
        return region_of(info.context, self.row.district_code, self.on)

    @strawberry.field(
        description="The outline. datum is that of the answer; simplified by up to toleranceMetres."
    )
    async def boundary(
        self, info: Info, datum: Datum = Datum.WGS84, tolerance_metres: float | None = None
    ) -> GeoJSON:
        wkb = await info.context.load(store.grid_boundaries, self.row.version)
        return geojson(wkb, datum, tolerance_metres)

    @strawberry.field(description="Square metres on the ground.")
    async def area(self, info: Info) -> float:
        return await info.context.load(store.grid_areas, self.row.version)

    @strawberry.field(description="The grids that share a stretch or a corner of the outline.")
    async def neighbours(self, info: Info) -> list[Grid]:
        rows = await info.context.load(store.neighbours_of, self.row.version, self.on)
        return [grid(row, self.on) for row in rows]

    @strawberry.field(description="The buildings that stand in the grid.")
    async def buildings(
        self, info: Info, first: First = None, after: After = None
    ) -> Connection[Annotated[Building, strawberry.lazy("gridmap.schema.buildings")]]:
        from gridmap.schema.buildings import building

        cut, load = page_slice(first, after), info.context.load
        rows = await load(store_buildings.buildings_of_grids, self.code, self.on, cut)
        return connection(
            rows,
            cut,
            lambda row: building(row, self.on),
            lambda: load(store_buildings.count_buildings_of_grids, self.code, self.on),
        )

    @strawberry.field(description="What was reported in the grid, newest first.")
    async def reports(
        self,
        info: Info,
        filter: Annotated[ReportFilter, strawberry.lazy("gridmap.schema.reports")] | None = None,
        first: First = None,
        after: After = None,
    ) -> Annotated[ReportConnection, strawberry.lazy("gridmap.schema.reports")]:
        from gridmap.schema.reports import reports_of_grid

        return await reports_of_grid(info.context, self.code, filter, page_slice(first, after))

    @strawberry.field
    async def workers(self, info: Info) -> list[GridWorker]:
        rows = await info.context.load(store_workers.workers_of_grids, self.row.key, self.on)
        return [grid_worker(row) for row in rows]

    @strawberry.field(description="Who answers for the grid itself, where no building is meant.")
    async def sponsor(self, info: Info) -> Sponsor | None:
        row = await info.context.load(store_sponsors.sponsors_of_grids, self.row.key, self.on)
        return sponsor(row, self.on) if row else None

    @strawberry.field(description="Who answers for the grid's buildings, the largest load first.")
    async def sponsors(self, info: Info) -> list[SponsorShare]:
        shares = await info.context.load(store_sponsors.shares_of_grids, self.code, self.on)
        return [
            SponsorShare(
                sponsor=sponsor(share.sponsor, self.on),
                buildings=share.load.buildings,
                households=share.load.households,
            )
            for share in shares
        ]

    @strawberry.field(
        description="Who has answered for the grid itself, does, and is to: the latest first."
    )
    async def sponsorships(
        self, info: Info
    ) -> list[Annotated[Sponsorship, strawberry.lazy("gridmap.schema.sponsorships")]]:
        from gridmap.schema.sponsorships import sponsorship

        rows = await info.context.load(store_sponsorships.sponsorships_of_grids, self.row.key)
        return [sponsorship(row, self.on) for row in rows]


def grid(row: store.Grid, on: datetime.date) -> Grid:
    """The version as a node, whose lists show the day."""
    return Grid(
        code=row.code,
        name=row.name,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        row=row,
        on=on,
    )


def grid_as_it_was(row: store.Grid, today: datetime.date) -> Grid:
    """A version of a grid: as it is today, or if it has ended as on its first day."""
    ended = row.valid_to is not None and row.valid_to <= today
    return grid(row, row.valid_from if ended else today)
