"""Buildings as clients see them."""

from __future__ import annotations

import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import strawberry

from gridmap.geo.datums import Datum
from gridmap.schema.connections import After, Connection, First, connection, page_slice
from gridmap.schema.context import Info
from gridmap.schema.grids import Grid, grid
from gridmap.schema.nodes import GlobalId, Node
from gridmap.schema.scalars import GeoJSON, geojson
from gridmap.schema.sponsors import Sponsor, sponsor
from gridmap.store import buildings as store
from gridmap.store import member_cards as store_member_cards
from gridmap.store import sponsors as store_sponsors
from gridmap.store import sponsorships as store_sponsorships
from gridmap.store import visits as store_visits

if TYPE_CHECKING:
    from gridmap.schema.member_cards import MemberCard
    from gridmap.schema.sponsorships import Sponsorship
    from gridmap.schema.visits import Visit


@strawberry.enum
class ManagementMode(Enum):
    COMMUNITY_LED = strawberry.enum_value("COMMUNITY_LED", description="社区领办")
    PROFESSIONAL = strawberry.enum_value("PROFESSIONAL", description="专业引进")
    BASELINE_CLEANING = strawberry.enum_value("BASELINE_CLEANING", description="底线保洁")
    SELF_MANAGED = strawberry.enum_value("SELF_MANAGED", description="业主自治")
    UNMANAGED = strawberry.enum_value("UNMANAGED", description="无人管理")


@strawberry.type
class Building(Node):
    code: str
    name: str
    compound: str | None = strawberry.field(description="小区, where the building is in one.")
    households: int
    management_mode: ManagementMode
    row: strawberry.Private[store.Building]
    on: strawberry.Private[datetime.date]

    def global_id(self) -> GlobalId:
        return GlobalId("Building", self.row.district_code, self.code)

    @strawberry.field(description="The point that stands for the building; datum is the answer's.")
    def location(self, datum: Datum = Datum.WGS84) -> GeoJSON:
        return geojson(self.row.location, datum)

    @strawberry.field(
        description="The grid that the building stands in, on the day that is shown or on another."
    )
    async def grid(self, info: Info, on: datetime.date | None = None) -> Grid | None:
        day = on or self.on
        row = await info.context.load(store.grids_of_buildings, self.row.key, day)
        return grid(row, day) if row else None

    @strawberry.field(description="The unit that answers for the building.")
    async def sponsor(self, info: Info) -> Sponsor | None:
        row = await info.context.load(store_sponsors.sponsors_of_buildings, self.row.key, self.on)
        return sponsor(row, self.on) if row else None

    @strawberry.field(
        description="Who has answered for the building, does, and is to: the latest first."
    )
    async def sponsorships(
        self, info: Info
    ) -> list[Annotated[Sponsorship, strawberry.lazy("gridmap.schema.sponsorships")]]:
        from gridmap.schema.sponsorships import sponsorship

        rows = await info.context.load(store_sponsorships.sponsorships_of_buildings, self.row.key)
        return [sponsorship(row, self.on) for row in rows]

    @strawberry.field(description="What grid workers did here up to the day, the latest first.")
    async def visits(
        self, info: Info, first: First = None, after: After = None
    ) -> Connection[Annotated[Visit, strawberry.lazy("gridmap.schema.visits")]]:
        from gridmap.schema.visits import visit

        cut, load, what = page_slice(first, after), info.context.load, (self.row.key, self.on)
        rows = await load(store_visits.visits_of_buildings, *what, cut)
        return connection(
            rows, cut, visit, lambda: load(store_visits.count_visits_of_buildings, *what)
        )

    @strawberry.field(description="The last visit up to the day.")
    async def last_visit(
        self, info: Info
    ) -> Annotated[Visit, strawberry.lazy("gridmap.schema.visits")] | None:
        from gridmap.schema.visits import visit

        row = await info.context.load(store_visits.last_visits_of_buildings, self.row.key, self.on)
        return visit(row) if row else None

    @strawberry.field(description="党员身份卡: the members' cards that hang here on the day.")
    async def member_cards(
        self, info: Info
    ) -> list[Annotated[MemberCard, strawberry.lazy("gridmap.schema.member_cards")]]:
        from gridmap.schema.member_cards import member_card

        rows = await info.context.load(store_member_cards.cards_of_buildings, self.row.key, self.on)
        return [member_card(row) for row in rows]


def building(row: store.Building, on: datetime.date) -> Building:
    """The row as a node, seen on the day."""
    return Building(
        code=row.code,
        name=row.name,
        compound=row.compound,
        households=row.households,
        management_mode=ManagementMode(row.management_mode),
        row=row,
        on=on,
    )
