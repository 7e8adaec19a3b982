"""From which day a row holds, until which, and which row of what is kept it means."""

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


def meant(table: str, same: str) -> str:
    """SQL of the kept row that a row of `staged` means, as a lateral table `kept`.

    `same`: what both have in common. The first day says which; a row that does not say its first
    day means the one that ends as it says, or the one that holds on the import's day.
    """
    return f"""
        LATERAL (
            SELECT *
            FROM {table} AS kept
            WHERE {same}
              AND (
                  kept.valid_from = staged.valid_from
                  OR NOT staged.is_dated AND (
                      kept.valid_to = staged.valid_to
                      OR kept.valid_from <= staged.valid_from
                      AND (kept.valid_to IS NULL OR kept.valid_to > staged.valid_from)
                  )
              )
            ORDER BY kept.valid_from = staged.valid_from DESC, kept.valid_from DESC
            LIMIT 1
        ) AS kept
    """


def refuse_undated_ends(run: Run, code: str, *, where: str = "TRUE") -> None:
    """Refuses rows of `judged` without a first day that end before the one they mean begins.

    `code`: the column that names such a row; `where`: which rows have dates at all.
    """
    for row, named, begin, end in run.sql(
        f"""
        SELECT file_row, {code}, begins_on, ends_on
        FROM judged
        WHERE NOT is_dated AND {where} AND ends_on <= begins_on
        """
    ):
        refuse_end(run, row, named, begin, end)


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
