"""Trends: how many reports each grid has beside its own past, so that unusual differs from many."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Date, cast, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.errors import TooLarge
from gridmap.store import tables
from gridmap.store.database import protected
from gridmap.store.dates import CHINA, holds_on
from gridmap.store.grids import Grid, grid_columns
from gridmap.store.paging import Key, among
from gridmap.store.reports import ReportFilter, matching
from gridmap.store.trends import Floats, expected, probabilities, unusual

MOST_GRIDS = 20_000

FALSE_ALARMS = 0.01
"""What part of the grids that are called unusual may be so by chance, on average."""

_grid = tables.grids
_report = tables.reports

_FAST_CLOCK = datetime.timedelta(days=1)
"""More than a device's clock may be ahead of ours as it captures a report."""


@dataclass(frozen=True, slots=True)
class Span:
    """Days in China: the `days` that end with `last`, and as many before them, `periods` times."""

    last: datetime.date
    days: int
    periods: int

    @property
    def first(self) -> datetime.date:
        return self.last - datetime.timedelta(days=self.days * (self.periods + 1) - 1)

    def begins(self) -> Iterator[datetime.date]:
        """The first days of the periods before, the earliest first."""
        for place in range(self.periods):
            yield self.first + datetime.timedelta(days=self.days * place)


class Trend(NamedTuple):
    """A grid's reports beside its own past.

    `reports`: how many there are in the last period; `before`: in each of the periods before, the
    earliest first, but for those in which there was no such grid on the first day. `expected`: the
    mean that these lead to; `probability`: that there are so many or more, if all is as before;
    both None where no period is known.
    """

    grid: Grid
    reports: int
    before: list[int]
    expected: float | None
    probability: float | None
    is_unusual: bool


@protected
async def report_trends(
    connection: AsyncConnection,
    regions: Sequence[str],
    wanted: ReportFilter,
    span: Span,
    first: int,
) -> list[Trend]:
    """The `first` grids of these regions (see `regions_below`) by surprise, the greatest first.

    Those that hold on the last day and have any report in the span. Raises TooLarge where there
    are more than `MOST_GRIDS`.
    """
    grids = await _grids(connection, regions, wanted.grid, span.last)
    if len(grids) > MOST_GRIDS:
        raise TooLarge(
            f"More than {MOST_GRIDS} grids lie there; ask for the regions below one by one."
        )
    counts = await _counts(connection, regions, wanted, span, [grid.key for grid, _ in grids])
    return await asyncio.to_thread(_judged, grids, counts, span, first)


async def _grids(
    connection: AsyncConnection, regions: Sequence[str], code: str | None, on: datetime.date
) -> list[tuple[Grid, datetime.date]]:
    """The grids of the day, by code, each with the first day of its first version.

    Served by grids_community_idx, and by grids_pkey for the first day.
    """
    earlier = _grid.alias("earlier")
    since = (
        select(func.min(earlier.c.valid_from))
        .where(earlier.c.district_code == _grid.c.district_code, earlier.c.code == _grid.c.code)
        .scalar_subquery()
    )
    statement = select(*grid_columns(_grid), since).where(
        among(_grid.c.community_code, regions), holds_on(_grid, on)
    )
    if code is not None:
        statement = statement.where(_grid.c.code == code)
    rows = await connection.execute(
        statement.order_by(_grid.c.code, _grid.c.district_code).limit(MOST_GRIDS + 1)
    )
    return [(Grid(*row[:-1]), row[-1]) for row in rows]


async def _counts(
    connection: AsyncConnection,
    regions: Sequence[str],
    wanted: ReportFilter,
    span: Span,
    keys: Sequence[Key],
) -> NDArray[np.int64]:
    """How many reports each grid had in each period, int64 (grids, periods + 1), by time.

    Served by reports_region_idx: what was captured in the span was received then or later.
    """
    c = _report.c
    begin, end = _midnight(span.first), _midnight(span.last + datetime.timedelta(days=1))
    day = cast(func.timezone(CHINA.key, c.captured_at), Date)
    period = ((day - literal(span.first, Date)) // span.days).label("period")
    rows = await connection.execute(
        matching(
            select(c.grid_code, c.district_code, period, func.count()),
            replace(wanted, regions=tuple(regions)),
        )
        .where(
            c.captured_at >= begin,
            c.captured_at < end,
            c.received_at >= begin - _FAST_CLOCK,
            c.grid_code.is_not(None),
        )
        .group_by(c.grid_code, c.district_code, period)
    )
    places = {key: place for place, key in enumerate(keys)}
    counts = np.zeros((len(keys), span.periods + 1), dtype=np.int64)
    for code, district_code, at, count in rows:
        if (place := places.get(Key(code, district_code))) is not None:
            counts[place, at] = count
    return counts


def _judged(
    grids: Sequence[tuple[Grid, datetime.date]], counts: NDArray[np.int64], span: Span, first: int
) -> list[Trend]:
    since = np.array([since for _, since in grids], dtype="datetime64[D]")
    begins = np.array(list(span.begins()), dtype="datetime64[D]")
    was_there = since[:, None] <= begins
    before: Floats = np.where(was_there, counts[:, :-1], np.nan)
    count = counts[:, -1]
    chance = probabilities(count.astype(np.float64), before)
    # All grids are looked at, those too that had nothing: see `unusual`.
    is_unusual = unusual(chance, len(grids), FALSE_ALARMS)
    mean = expected(before)
    # What is equally surprising, or of which nothing is known: the most reports first.
    order = np.lexsort((-count, np.where(np.isnan(chance), 2.0, chance)))
    order = order[counts[order].any(axis=1)][:first]
    return [
        Trend(
            grids[place][0],
            int(count[place]),
            counts[place, :-1][was_there[place]].tolist(),
            _known(mean[place]),
            _known(chance[place]),
            bool(is_unusual[place]),
        )
        for place in order.tolist()
    ]


def _midnight(day: datetime.date) -> datetime.datetime:
    return datetime.datetime.combine(day, datetime.time(), CHINA)


def _known(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)
