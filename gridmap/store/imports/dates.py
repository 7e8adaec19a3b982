"""From which day a row holds, and until which."""

from __future__ import annotations

import datetime

from gridmap.geo.problems import Kind
from gridmap.store.imports.columns import Rows
from gridmap.store.imports.run import Run


def begins(run: Run, rows: Rows) -> tuple[list[datetime.date], list[bool]]:
    """The first day of each row, and whether the row itself says it."""
    named = rows.values["valid_from"]
    return [day or run.day for day in named], [day is not None for day in named]


def refuse_dates_out_of_order(run: Run, rows: Rows) -> None:
    """Refuses rows that end on or before the day on which they say they begin.

    A row that does not say when it begins may be one imported before, and have ended since.
    """
    dates = zip(rows.values["valid_from"], rows.values["valid_to"], strict=True)
    for i, (begin, end) in enumerate(dates):
        if begin is not None and end is not None and end <= begin:
            refuse_end(run, rows.numbers[i], rows.codes[i], begin, end)


def refuse_end(
    run: Run, row: int, code: str | None, begin: datetime.date, end: datetime.date
) -> None:
    """Refuses a row that ends on or before the day it begins."""
    run.refuse(
        row,
        code,
        Kind.DATE_CONFLICT,
        f"valid_to {end} is not after valid_from {begin}",
        "valid_to is the first day on which it no longer holds; correct one of the two.",
    )
