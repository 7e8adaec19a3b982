"""Sponsorships as clients see them, and how they begin and end."""

from __future__ import annotations

import datetime

import strawberry

from gridmap.errors import Invalid
from gridmap.schema.buildings import Building, building
from gridmap.schema.context import Context, Info
from gridmap.schema.grids import Grid, grid
from gridmap.schema.nodes import GlobalId, Node
from gridmap.schema.sponsors import Sponsor, sponsor
from gridmap.store import buildings as store_buildings
from gridmap.store import grids as store_grids
from gridmap.store import sponsors as store_sponsors
from gridmap.store import sponsorships as store
from gridmap.store.paging import Key


@strawberry.type(description="包保: that a unit answers for a building or a grid, for a time.")
class Sponsorship(Node):
    valid_from: datetime.date = strawberry.field(description="The first day.")
    valid_to: datetime.date | None = strawberry.field(
        description="The first day on which it no longer holds; null while no end is known."
    )
    row: strawberry.Private[store.Sponsorship]
    on: strawberry.Private[datetime.date]

    def global_id(self) -> GlobalId:
        return GlobalId("Sponsorship", self.row.district_code, str(self.row.id))

    @strawberry.field
    async def sponsor(self, info: Info) -> Sponsor:
        row = await info.context.load(store_sponsors.sponsors_by_code, self.row.sponsor_code)
        assert row is not None  # a foreign key holds it
        return sponsor(row, self.on)

    @strawberry.field(description="What it is for, where that is a building.")
    async def building(self, info: Info) -> Building | None:
        return await _building(info.context, self.row, self.on)

    @strawberry.field(description="What it is for, where that is a grid.")
    async def grid(self, info: Info) -> Grid | None:
        return await _grid(info.context, self.row, self.on)


def sponsorship(row: store.Sponsorship, on: datetime.date) -> Sponsorship:
    """The row as a node, which shows what it is for as that is on the day."""
    return Sponsorship(valid_from=row.valid_from, valid_to=row.valid_to, row=row, on=on)


def sponsorship_key(given: str) -> store.SponsorshipKey:
    """Raises Invalid for what is no id of a sponsorship."""
    wanted = GlobalId.decoded(given)
    if wanted.type != "Sponsorship" or not (wanted.code.isascii() and wanted.code.isdigit()):
        raise Invalid(f"{given!r} is not the id of a sponsorship.")
    return store.SponsorshipKey(wanted.district_code, int(wanted.code))


@strawberry.input(description="Who is to answer for a building, or for a grid.")
class AssignSponsorInput:
    building: str | None = strawberry.field(default=None, description="Its code.")
    grid: str | None = strawberry.field(default=None, description="Its code.")
    sponsor: str = strawberry.field(description="The code of the unit.")
    from_: datetime.date = strawberry.field(name="from", description="The first day.")
    replaces: strawberry.ID | None = strawberry.field(
        default=None,
        description="The sponsorship that holds on that day and is to end then, as you saw it; "
        "leave it out where you saw none. One that begins on that day, today or later, is "
        "corrected, and keeps its id.",
    )


@strawberry.type
class AssignSponsorPayload:
    sponsorship: Sponsorship
    building: Building | None = strawberry.field(description="As it is on the first day.")
    grid: Grid | None = strawberry.field(description="As it is on the first day.")


@strawberry.input
class EndSponsorshipInput:
    id: strawberry.ID = strawberry.field(description="The sponsorship's.")
    to: datetime.date = strawberry.field(
        description="The first day on which it no longer holds. One that has not begun yet is "
        "called off by its own first day."
    )


@strawberry.type
class EndSponsorshipPayload:
    sponsorship: Sponsorship = strawberry.field(
        description="Where it was called off it is not kept, and validTo is validFrom."
    )
    building: Building | None = strawberry.field(description="As it is when it has ended.")
    grid: Grid | None = strawberry.field(description="As it is when it has ended.")


@strawberry.input
class ChosenSponsorInput:
    building: str = strawberry.field(description="Its code.")
    sponsor: str = strawberry.field(description="The code of the unit.")


@strawberry.input(description="What was chosen of a plan, or anything else in its place.")
class AcceptSponsorshipsInput:
    from_: datetime.date = strawberry.field(name="from", description="The first day of all.")
    chosen: list[ChosenSponsorInput] = strawberry.field(
        description=f"At most {store.MOST_AT_ONCE}, of buildings that have no sponsor then."
    )


@strawberry.type
class AcceptSponsorshipsPayload:
    sponsorships: list[Sponsorship] = strawberry.field(description="In the order of chosen.")


@strawberry.type
class SponsorshipMutation:
    @strawberry.mutation(
        description="包保: have a unit answer for a building or a grid from a day on. Who did so "
        "until then ends on that day. For the offices of the community, the street and the "
        "district. The same sent again is answered the same."
    )
    async def assign_sponsor(self, info: Info, input: AssignSponsorInput) -> AssignSponsorPayload:
        context, since = info.context, input.from_
        replaces = sponsorship_key(input.replaces) if input.replaces is not None else None
        wanted = store.Wanted(input.building, input.grid, input.sponsor, replaces)
        [row] = await _assigned(context, [wanted], since)
        return AssignSponsorPayload(
            sponsorship=sponsorship(row, since),
            building=await _building(context, row, since),
            grid=await _grid(context, row, since),
        )

    @strawberry.mutation(
        description="Say when a unit no longer answers. For the offices of the community, the "
        "street and the district."
    )
    async def end_sponsorship(
        self, info: Info, input: EndSponsorshipInput
    ) -> EndSponsorshipPayload:
        context, key = info.context, sponsorship_key(input.id)
        async with context.keeper.transaction() as connection:
            row = await store.end(connection, key, input.to, context.viewer, context.today)
        context.forget_loaded()
        return EndSponsorshipPayload(
            sponsorship=sponsorship(row, input.to),
            building=await _building(context, row, input.to),
            grid=await _grid(context, row, input.to),
        )

    @strawberry.mutation(
        description="Begin the sponsorships that were chosen of suggestSponsorships, all or none. "
        "The same sent again is answered the same."
    )
    async def accept_sponsorships(
        self, info: Info, input: AcceptSponsorshipsInput
    ) -> AcceptSponsorshipsPayload:
        wanted = [store.Wanted(each.building, None, each.sponsor) for each in input.chosen]
        rows = await _assigned(info.context, wanted, input.from_)
        return AcceptSponsorshipsPayload(
            sponsorships=[sponsorship(row, input.from_) for row in rows]
        )


async def _assigned(
    context: Context, wanted: list[store.Wanted], since: datetime.date
) -> list[store.Sponsorship]:
    async with context.keeper.transaction() as connection:
        rows = await store.assign(connection, wanted, since, context.viewer, context.today)
    context.forget_loaded()
    return rows


async def _building(context: Context, row: store.Sponsorship, on: datetime.date) -> Building | None:
    if row.building_code is None:
        return None
    key = Key(row.building_code, row.district_code)
    found = await context.load(store_buildings.buildings_by_key, key, on)
    return building(found, on) if found else None


async def _grid(context: Context, row: store.Sponsorship, on: datetime.date) -> Grid | None:
    if row.grid_code is None:
        return None
    key = Key(row.grid_code, row.district_code)
    found = await context.load(store_grids.grids_known_on, key, on)
    return grid(found, on) if found else None
