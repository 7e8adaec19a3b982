"""Figures of reports as clients see them."""

from __future__ import annotations

import datetime
from typing import Annotated, TypeAlias

import strawberry

from gridmap.errors import Invalid, TooLarge
from gridmap.schema.context import Context, Info
from gridmap.schema.grids import Grid, grid_as_it_was
from gridmap.schema.regions import Region, region
from gridmap.schema.report_types import ReportSource
from gridmap.schema.reports import (
    ReportCategory,
    ReportFilter,
    filter_of,
    report_category,
)
from gridmap.schema.scalars import aware
from gridmap.schema.sponsors import Sponsor, sponsor
from gridmap.store import grids as store_grids
from gridmap.store import regions as store_regions
from gridmap.store import report_figures as store
from gridmap.store import sponsors as store_sponsors
from gridmap.store.loop import Level
from gridmap.store.paging import Key
from gridmap.store.report_figures import MOST_GROUPS, Dimension, Order

strawberry.enum(
    Dimension,
    name="FigureDimension",
    description="GRID, SPONSOR, REGION: as of capture; REGION is the community, or else the "
    "smallest region that is known. MAIN_CATEGORY, CATEGORY: one level or the other. MONTH: of the "
    "deadline, in China. Reports without a grid make a group for each district.",
)
strawberry.enum(
    Order,
    name="FigureOrder",
    description="GROUP: by the codes of the groups. Otherwise what needs looking at first; groups "
    "that have no such figure come last.",
)

By: TypeAlias = Annotated[
    list[Dimension] | None,
    strawberry.argument(description="A group for each combination that there is; none: one group."),
]
DueSince: TypeAlias = Annotated[
    datetime.datetime | None,
    strawberry.argument(description="Only reports whose deadline is then or later."),
]
DueUntil: TypeAlias = Annotated[
    datetime.datetime | None,
    strawberry.argument(description="Only reports whose deadline is before."),
]
FirstGroups: TypeAlias = Annotated[
    int | None,
    strawberry.argument(
        description=f"How many groups, at most {MOST_GROUPS}. Left out, all of them, or an error "
        "where they are more."
    ),
]


@strawberry.type(description="How many reports were closed at a level of the ladder.")
class LevelFigures:
    level: Level
    closed: int
    share: float | None = strawberry.field(
        description="Of all that are closed, from 0 to 1; null where none is."
    )


@strawberry.type(
    description="Figures of the reports that were asked for, or of one group of them. What they "
    "have in common is null where it was not asked for by, and where they have none. Rates go from "
    "0 to 1."
)
class ReportFigures:
    source: ReportSource | None
    month: datetime.date | None = strawberry.field(
        description="The first day of the month of their deadline, in China."
    )
    received: int = strawberry.field(
        description="How many there are, those rejected and merged included."
    )
    due: int = strawberry.field(
        description="Whose deadline has passed, as it was extended if it was; those rejected or "
        "merged are not due."
    )
    closed: int = strawberry.field(
        description="Of those due, the closed ones. A report that was reopened is not closed."
    )
    closed_in_time: int = strawberry.field(
        description="Of those due, the ones closed by their deadline."
    )
    closed_rate: float | None = strawberry.field(
        description="closed over due; null where none is due."
    )
    in_time_rate: float | None = strawberry.field(
        description="closedInTime over due; null where none is due."
    )
    open: int = strawberry.field(description="Where something is left to do, due or not.")
    overdue: int = strawberry.field(
        description="Of those open, the ones past their deadline or that of their step."
    )
    replied: int = strawberry.field(
        description="Of all received, those on which somebody else than the reporter acted."
    )
    replied_rate: float | None = strawberry.field(description="replied over received.")
    mean_first_reply_minutes: float | None = strawberry.field(
        description="From when they were received until the first reply, of those replied."
    )
    rated: int = strawberry.field(description="How many have a rating.")
    mean_rating: float | None = strawberry.field(description="From 1 to 5.")
    closed_by_level: list[LevelFigures] = strawberry.field(
        description="小事不出楼栋、大事不出社区: at which level all that are closed were closed, "
        "due or not; every level from the bottom."
    )
    group: strawberry.Private[store.Group]
    asked: strawberry.Private[tuple[store.FigureFilter, tuple[Dimension, ...]]]

    @strawberry.field(description="The same in the median; worked out when asked for.")
    async def median_first_reply_minutes(self, info: Info) -> float | None:
        return await info.context.load(store.median_replies, self.group, *self.asked)

    @strawberry.field(description="As it is today, or as it last was.")
    async def grid(self, info: Info) -> Grid | None:
        code, district_code = self.group.grid_code, self.group.district_code
        if code is None or district_code is None:
            return None
        key, today = Key(code, district_code), info.context.today
        row = await info.context.load(store_grids.grids_known_on, key, today)
        return grid_as_it_was(row, today) if row else None

    @strawberry.field
    async def sponsor(self, info: Info) -> Sponsor | None:
        if self.group.sponsor_code is None:
            return None
        row = await info.context.load(store_sponsors.sponsors_by_code, self.group.sponsor_code)
        return sponsor(row, info.context.today) if row else None

    @strawberry.field(description="By MAIN_CATEGORY alone the main one.")
    async def category(self, info: Info) -> ReportCategory | None:
        if self.group.category_code is None:
            return None
        rules = await info.context.report_rules()
        return report_category(rules.category(self.group.category_code))

    @strawberry.field
    async def region(self, info: Info) -> Region | None:
        if self.group.region_code is None:
            return None
        row = await info.context.load(store_regions.regions_by_code, self.group.region_code)
        return region(row, info.context.today) if row else None


async def report_figures(
    context: Context,
    given: ReportFilter | None,
    due: tuple[datetime.datetime | None, datetime.datetime | None],
    by: list[Dimension],
    order: Order,
    first: int | None,
) -> list[ReportFigures]:
    """The figures of each group. Raises TooLarge for too many, Invalid for what makes no sense."""
    if first is not None and first > MOST_GROUPS:
        raise TooLarge(f"first is {first}; at most {MOST_GROUPS} groups are answered.")
    if first is not None and first < 0:
        raise Invalid(f"first is {first}; it counts groups from 0 to {MOST_GROUPS}.")
    for name, moment in zip(("dueSince", "dueUntil"), due, strict=True):
        if moment is not None:
            aware(name, moment)
    wanted = store.FigureFilter(await filter_of(context, given), *due)
    found = await context.run(store.report_figures, wanted, by, order, first)
    return [_figures(group, figures, (wanted, tuple(by))) for group, figures in found]


def _figures(
    group: store.Group,
    figures: store.Figures,
    asked: tuple[store.FigureFilter, tuple[Dimension, ...]],
) -> ReportFigures:
    closed = sum(figures.closed_by_level.values())
    return ReportFigures(
        source=ReportSource(group.source) if group.source else None,
        month=group.month,
        received=figures.received,
        due=figures.due,
        closed=figures.closed,
        closed_in_time=figures.in_time,
        closed_rate=figures.closed_rate,
        in_time_rate=figures.in_time_rate,
        open=figures.open,
        overdue=figures.overdue,
        replied=figures.replied,
        replied_rate=figures.replied / figures.received if figures.received else None,
        mean_first_reply_minutes=figures.mean_reply_minutes,
        rated=figures.rated,
        mean_rating=figures.mean_rating,
        closed_by_level=[
            LevelFigures(level=level, closed=count, share=count / closed if closed else None)
            for level, count in figures.closed_by_level.items()
        ],
        group=group,
        asked=asked,
    )
