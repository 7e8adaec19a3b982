"""Plans of who could answer for what nobody answers for, as clients see them."""

from __future__ import annotations

import asyncio
import datetime
from typing import Annotated, TypeAlias

import strawberry

from gridmap.errors import NotFound
from gridmap.geo.sharing import EVENNESS
from gridmap.schema.buildings import Building, building
from gridmap.schema.context import Context, Info
from gridmap.schema.regions import Region, region, regions_below
from gridmap.schema.sponsors import Sponsor, sponsor
from gridmap.store import buildings as store_buildings
from gridmap.store import regions as store_regions
from gridmap.store import sponsor_plans as store

Evenness: TypeAlias = Annotated[
    float,
    strawberry.argument(
        description="At least 1: no unit is given more than this many times the mean number of "
        f"buildings. {EVENNESS:g} by default."
    ),
]


@strawberry.type(description="A unit that could answer for a building.")
class SponsorshipProposal:
    sponsor: Sponsor
    metres: float | None = strawberry.field(
        description="To the nearest building that the unit answers for by then, as proposed before "
        "this one or in fact; null where it has none there."
    )
    row: strawberry.Private[store.Proposal]
    on: strawberry.Private[datetime.date]

    @strawberry.field
    async def building(self, info: Info) -> Building:
        row = await info.context.load(store_buildings.buildings_by_key, self.row.building, self.on)
        if row is None:
            raise NotFound(f"The building {self.row.building.code!r} is gone; ask for a new plan.")
        return building(row, self.on)


@strawberry.type(description="What a unit answers for, in all regions, and what it would.")
class PlannedLoad:
    sponsor: Sponsor
    buildings_before: int
    buildings_after: int
    households_before: int
    households_after: int


@strawberry.type(
    description="Who could answer for the buildings of a region that have no sponsor. Nothing is "
    "written; accept it in whole or in part with acceptSponsorships."
)
class SponsorshipPlan:
    region: Region
    on: datetime.date
    proposals: list[SponsorshipProposal] = strawberry.field(
        description="One for each building that has no sponsor, nor one planned; in the order in "
        "which they were found, the nearest first."
    )
    loads: list[PlannedLoad] = strawberry.field(
        description="Of all units that belong to the region or answer for something there, by code."
    )


async def suggest_sponsorships(
    context: Context, code: str, on: datetime.date, evenness: float
) -> SponsorshipPlan:
    """The plan for a region. Raises NotFound where it is not kept."""
    codes = await regions_below(context, code)
    row = await context.load(store_regions.regions_by_code, code)
    if row is None or codes is None:
        raise NotFound(f"There is no region {code!r}.", reason="NO_REGION", region=code)
    case = await context.run(store.case_of, codes, on)
    plan = await asyncio.to_thread(store.planned, case, evenness)
    return SponsorshipPlan(
        region=region(row, on),
        on=on,
        proposals=[
            SponsorshipProposal(
                sponsor=sponsor(each.sponsor, on), metres=each.metres, row=each, on=on
            )
            for each in plan.proposals
        ],
        loads=[
            PlannedLoad(
                sponsor=sponsor(each.sponsor, on),
                buildings_before=each.before.buildings,
                buildings_after=each.after.buildings,
                households_before=each.before.households,
                households_after=each.after.households,
            )
            for each in plan.loads
        ],
    )
