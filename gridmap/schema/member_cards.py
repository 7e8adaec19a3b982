"""Member cards as clients see them, and how they are posted and removed."""

from __future__ import annotations

import datetime

import strawberry

from gridmap.errors import Invalid
from gridmap.schema.buildings import Building, building
from gridmap.schema.context import Context, Info
from gridmap.schema.nodes import GlobalId, Node
from gridmap.store import buildings as store_buildings
from gridmap.store import member_cards as store


@strawberry.type(
    description="党员身份卡: that a party member's card hangs at a building, for a time. Whose it "
    "is the API tells nobody."
)
class MemberCard(Node):
    valid_from: datetime.date = strawberry.field(description="The first day.")
    valid_to: datetime.date | None = strawberry.field(
        description="The first day on which it no longer hangs; null while no end is known."
    )
    row: strawberry.Private[store.MemberCard]

    def global_id(self) -> GlobalId:
        return GlobalId("MemberCard", self.row.district_code, str(self.row.id))

    @strawberry.field
    async def building(self, info: Info) -> Building:
        return await _building(info.context, self.row)


def member_card(row: store.MemberCard) -> MemberCard:
    """The row as a node."""
    return MemberCard(valid_from=row.valid_from, valid_to=row.valid_to, row=row)


def card_key(given: GlobalId) -> store.CardKey:
    """Raises Invalid for what is no id of a member card."""
    if given.type != "MemberCard" or not (given.code.isascii() and given.code.isdigit()):
        raise Invalid(f"{given.encoded()!r} is not the id of a member card.")
    return store.CardKey(given.district_code, int(given.code))


@strawberry.input
class PostMemberCardInput:
    building: str = strawberry.field(description="Its code.")
    name: str = strawberry.field(description="The member's. It is kept, and told to nobody here.")
    from_: datetime.date = strawberry.field(name="from", description="The first day.")


@strawberry.type
class PostMemberCardPayload:
    member_card: MemberCard
    building: Building


@strawberry.input
class RemoveMemberCardInput:
    id: strawberry.ID = strawberry.field(description="The card's.")
    to: datetime.date = strawberry.field(
        description="The first day on which it no longer hangs. One that begins today or later is "
        "called off by its own first day."
    )


@strawberry.type
class RemoveMemberCardPayload:
    member_card: MemberCard = strawberry.field(
        description="Where it was called off it is not kept, and validTo is validFrom."
    )
    building: Building


@strawberry.type
class MemberCardMutation:
    @strawberry.mutation(
        description="党员身份卡: have a member's card hang at a building from a day on. For the "
        "worker of its grid, and the offices of the community, the street and the district. The "
        "same sent again is answered the same."
    )
    async def post_member_card(
        self, info: Info, input: PostMemberCardInput
    ) -> PostMemberCardPayload:
        context = info.context
        async with context.keeper.transaction() as connection:
            row = await store.post(
                connection, input.building, input.name, input.from_, context.viewer, context.today
            )
        context.forget_loaded()
        return PostMemberCardPayload(
            member_card=member_card(row), building=await _building(context, row)
        )

    @strawberry.mutation(description="Take a member's card away. For the same as postMemberCard.")
    async def remove_member_card(
        self, info: Info, input: RemoveMemberCardInput
    ) -> RemoveMemberCardPayload:
        context, key = info.context, card_key(GlobalId.decoded(input.id))
        async with context.keeper.transaction() as connection:
            row = await store.remove(connection, key, input.to, context.viewer, context.today)
        context.forget_loaded()
        return RemoveMemberCardPayload(
            member_card=member_card(row), building=await _building(context, row)
        )


async def _building(context: Context, row: store.MemberCard) -> Building:
    kept = await context.load(store_buildings.buildings_by_key, row.building_key, context.today)
    assert kept is not None  # a foreign key holds it
    return building(kept, context.today)
