"""Trends of reports as clients see them: which grids have more than their own past leads to."""

from __future__ import annotations

import datetime
from typing import Annotated, TypeAlias

import strawberry

from gridmap.errors import Invalid, TooLarge
from gridmap.schema.context import Context
from gridmap.schema.grids import Grid, grid_as_it_was
from gridmap.schema.regions import regions_below
from gridmap.schema.reports import ReportFilter, filter_of
from gridmap.store import report_trends as store

_MOST_TRENDS = 1_000
_MOST_DAYS = 92
_MOST_PERIODS = 104
_FIRST_YEAR = 2000

Days: TypeAlias = Annotated[
    int, strawberry.argument(description=f"Of a period; at most {_MOST_DAYS}.")
]
Periods: TypeAlias = Annotated[
    int, strawberry.argument(description=f"How many to look back at; at most {_MOST_PERIODS}.")
]
LastDay: TypeAlias = Annotated[
    datetime.date | None,
    strawberry.argument(
        description="The last day that counts, by when reports were captured, in China. Yesterday "
        "by default: a day that is not over cannot be compared."
    ),
]
FirstTrends: TypeAlias = Annotated[
    int,
    strawberry.argument(description=f"How many of the grids; at most {_MOST_TRENDS}."),
]


@strawberry.type(description="How many reports a grid has, beside its own past.")
class GridTrend:
    grid: Grid
    reports: int = strawberry.field(
        description="Captured in the last period, those rejected and merged included."
    )
    before: list[int] = strawberry.field(
        description="Captured in each period before, the earliest first; without those in which "
        "there was no such grid yet on the first day."
    )
    expected: float | None = strawberry.field(
        description="How many the past leads to; null for a grid without past."
    )
    probability: float | None = strawberry.field(
        description="That there are so many or more if all is as before: of a negative binomial "
        "count, as its rate is known from its past alone, and wider for a past that scatters more."
    )
    unusual: bool = strawberry.field(
        description="Whether the probability is too small for chance, in view of how many grids "
        "were looked at: of the grids called so, at most "
        f"{store.FALSE_ALARMS:.0%} are so by chance (Benjamini and Hochberg)."
    )


async def report_trends(
    context: Context,
    region: str,
    given: ReportFilter | None,
    span: tuple[int, int, datetime.date | None],
    first: int,
) -> list[GridTrend]:
    """The grids of a region by surprise; `span`: days, periods and the last day.

    Raises Invalid or TooLarge for what makes no sense or is too much, NotFound for the region.
    """
    days, periods, on = span
    for name, value, most in (
        ("days", days, _MOST_DAYS),
        ("periods", periods, _MOST_PERIODS),
        ("first", first, _MOST_TRENDS),
    ):
        if value > most:
            raise TooLarge(f"{name} is {value}; at most {most} are answered.")
        if value < 1:
            raise Invalid(f"{name} is {value}; it counts from 1 to {most}.")
    yesterday = context.today - datetime.timedelta(days=1)
    last = on or yesterday
    if last > yesterday:
        raise Invalid(f"The day {last} is not over; the last that can be compared is {yesterday}.")
    if last.year < _FIRST_YEAR:
        raise Invalid(f"The day {last} is before there were reports; ask for a later one.")
    if given is not None and (given.since is not None or given.until is not None):
        raise Invalid("Trends count by when reports were captured; leave since and until out.")
    wanted = await filter_of(context, given)
    within = await regions_below(context, region) or []
    if wanted.regions is not None:
        within = sorted({*within} & {*wanted.regions})
    rows = await context.run(
        store.report_trends, within, wanted, store.Span(last, days, periods), first
    )
    return [
        GridTrend(
            grid=grid_as_it_was(row.grid, context.today),
            reports=row.reports,
            before=row.before,
            expected=row.expected,
            probability=row.probability,
            unusual=row.is_unusual,
        )
        for row in rows
    ]
