"""What happens to reports, as a subscription."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import strawberry

from gridmap.errors import NotFound, Unavailable
from gridmap.schema.context import Context, Info
from gridmap.schema.nodes import GlobalId
from gridmap.schema.regions import regions_below
from gridmap.schema.reports import Report, ReportEvent, report, report_event, report_key
from gridmap.schema.scalars import Cursor
from gridmap.store import report_changes as store
from gridmap.store.grids import is_grid
from gridmap.store.sponsors import sponsors_by_code


@strawberry.type(description="Something that happened to a report.")
class ReportChange:
    id: strawberry.ID = strawberry.field(description="The report's.")
    report: Report | None = strawberry.field(
        description="As it stands, perhaps after later events too. Null where the viewer may see "
        "it no longer: take it off what you show."
    )
    event: ReportEvent | None = strawberry.field(description="Null where the report is.")
    cursor: Cursor = strawberry.field(
        description="Subscribe with the last one as `after`, and no change is lost. Some may come "
        "twice, with the same version of the report."
    )


@strawberry.type
class Subscription:
    @strawberry.subscription(
        description="What happens to reports from now on, or after a state of the data: the asOf "
        "of a page, or the cursor of a change. Of reports that one may see; one that leaves these, "
        "or what is asked for, is told once more."
    )
    async def report_changed(
        self,
        info: Info,
        region: str | None = None,
        grid: str | None = None,
        sponsor: str | None = None,
        id: strawberry.ID | None = None,
        after: Cursor | None = None,
    ) -> AsyncGenerator[ReportChange, None]:
        context = info.context
        scope = await context.scope_of_lists()
        if context.news is None:
            raise Unavailable("This server tells nothing of changes.")
        regions = await regions_below(context, region)
        if grid is not None and not await context.run(is_grid, grid):
            raise NotFound(f"There is no grid {grid!r}, nor was there ever.")
        if sponsor is not None and await context.load(sponsors_by_code, sponsor) is None:
            raise NotFound(f"There is no sponsor {sponsor!r}.")
        interest = store.Interest(
            scope,
            frozenset(regions) if regions is not None else None,
            grid,
            sponsor,
            report_key(id) if id is not None else None,
        )
        # Before the first event, so that what cannot be followed is refused as a question is.
        return _told(context, await context.news.changes(interest, after))


async def _told(
    context: Context, changes: AsyncGenerator[store.ReportChange, None]
) -> AsyncGenerator[ReportChange, None]:
    async with aclosing(changes):
        async for change in changes:
            # What was known of the event before, and of the viewer's scope, may be other by now.
            context.forget_loaded()
            is_seen = change.is_in(await context.scope())
            key = change.report.report_key
            yield ReportChange(
                id=GlobalId("Report", key.district_code, str(key.id)).encoded(),
                report=report(change.report) if is_seen else None,
                event=report_event(change.event) if is_seen else None,
                cursor=Cursor(change.as_of),
            )
