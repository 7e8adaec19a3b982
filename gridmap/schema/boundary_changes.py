"""How boundaries are planned and changed."""

from __future__ import annotations

import strawberry

from gridmap.schema.boundary_plans import (
    BoundaryChange,
    BoundaryPlan,
    PlanBoundaryChangeInput,
    boundary_change,
    boundary_plan,
    draft_of,
    plan_key,
)
from gridmap.schema.context import Info
from gridmap.schema.grids import Grid, grid
from gridmap.store import boundary_changes as store
from gridmap.store import boundary_plans as store_plans
from gridmap.store import grids as store_grids
from gridmap.store.paging import Key


@strawberry.input
class ApplyBoundaryChangeInput:
    plan: strawberry.ID = strawberry.field(description="The plan's, as it was shown.")
    reason: str = strawberry.field(
        description=f"Up to {store.LONGEST_REASON} characters; kept with your name for ever."
    )


@strawberry.type
class ApplyBoundaryChangePayload:
    plan: BoundaryPlan
    change: BoundaryChange
    grids: list[Grid] = strawberry.field(
        description="The grids that change and the new ones, as they are on the first day; by code."
    )


@strawberry.type
class BoundaryMutation:
    @strawberry.mutation(
        description="Shows what other outlines would mean, and keeps the plan so that others can "
        "look at it. Grids stay as they are. For the office of the district."
    )
    async def plan_boundary_change(
        self, info: Info, input: PlanBoundaryChangeInput
    ) -> BoundaryPlan:
        context, draft = info.context, draft_of(input)
        async with context.keeper.transaction() as connection:
            row = await store_plans.plan(connection, draft, context.viewer, context.now)
        return boundary_plan(row)

    @strawberry.mutation(
        description="Applies exactly what a plan has shown, all or nothing. A CONFLICT where "
        "anything under it has changed since, or it was applied already. For the office of the "
        "district."
    )
    async def apply_boundary_change(
        self, info: Info, input: ApplyBoundaryChangeInput
    ) -> ApplyBoundaryChangePayload:
        context, key = info.context, plan_key(input.plan)
        async with context.keeper.transaction() as connection:
            change = await store.apply(connection, key, input.reason, context.viewer, context.now)
        context.forget_loaded()
        row = await context.load(store_plans.plans_by_key, key)
        assert row is not None  # it was applied
        start = row.draft.start
        wanted = [
            (Key(each.code, key.district_code), start)
            for each in row.content.grids
            if each.outline_after is not None
        ]
        grids = await context.run(store_grids.grids_on_days, wanted)
        return ApplyBoundaryChangePayload(
            plan=boundary_plan(row),
            change=boundary_change(change),
            grids=[grid(each, start) for each in grids if each],
        )
