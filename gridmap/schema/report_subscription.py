"""What happens to reports, as a subscription."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import strawberry

from gridmap.errors import NotFound, Unavailable
from gridmap.schema.context import Info
from gridmap.schema.regions import regions_below
from gridmap.schema.reports import Report, ReportEvent, report, report_event, report_key
from gridmap.schema.scalars import Cursor
from gridmap.store import report_changes as store
from gridmap.store.grids import is_grid
from gridmap.store.sponsors import sponsors_by_code


@strawberry.type(description="Something that happened to a report.")
class ReportChange:
    report: Report = strawberry.field(description="As it stands, perhaps after later events too.")
    event: ReportEvent
    cursor: Cursor = strawberry.field(
        description="Subscribe with the last one as `after`, and no change is lost. Some may come "
        "twice, with the same version of the report."
    )


@strawberry.type
class Subscription:
    @strawberry.subscription(
        description="What happens to reports from now on, or after a state of the data: the asOf "
        "of a page, or the cursor of a change. A report that leaves what is asked for is told too."
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
        if context.news is None:
            raise Unavailable("This server tells nothing of changes.")
        regions = await regions_below(context, region)
        if grid is not None and not await context.run(is_grid, grid):
            raise NotFound(f"There is no grid {grid!r}, nor was there ever.")
        if sponsor is not None and await context.load(sponsors_by_code, sponsor) is None:
            raise NotFound(f"There is no sponsor {sponsor!r}.")
        interest = store.Interest(
            frozenset(regions) if regions is not None else None,
            grid,
            sponsor,
            report_key(id) if id is not None else None,
        )
        # Before the first event, so that what cannot be followed is refused as a question is.
        return _told(await context.news.changes(interest, after))


async def _told(
    changes: AsyncGenerator[store.ReportChange, None],
) -> AsyncGenerator[ReportChange, None]:
    async with aclosing(changes):
        async for change in changes:
            yield ReportChange(
                report=report(change.report),
                event=report_event(change.event),
                cursor=Cursor(change.as_of),
            )
