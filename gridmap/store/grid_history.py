"""The versions of a grid: since when each holds, by whose change, and from whose ground it came."""

from __future__ import annotations

import datetime
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.errors import Invalid
from gridmap.store.grids import Grid
from gridmap.store.paging import Key, Slice


class Change(NamedTuple):
    """A change by which a version of a grid began or ended.

    `taken_from`, `given_to`: codes of the grids of its district with which it exchanged ground.
    """

    applied_at: datetime.datetime
    author_role: str
    author_subject: str
    reason: str
    plan_id: Any
    taken_from: list[str]
    given_to: list[str]


class Version(NamedTuple):
    """A version in the history of its grid.

    `began`, `ended`: by which change; None where no plan did it, but an import, or nothing yet.
    """

    grid: Grid
    began: Change | None
    ended: Change | None

    @property
    def key(self) -> Key:
        """Its place in the history, newest first."""
        return Key(self.grid.valid_from.isoformat(), self.grid.district_code)


async def page_of_history(connection: AsyncConnection, code: str, cut: Slice) -> list[Version]:
    """The versions of a grid, the newest first; of districts that share its code, of the first.

    Served by grids_code_idx and boundary_change_grids_pkey.
    """
    rows = await connection.execute(
        _HISTORY, {"code": code, "after": _day(cut.after), "limit": cut.limit}
    )
    size, end = len(Grid._fields), len(Grid._fields) + len(Change._fields)
    return [
        Version(
            Grid(*row[:size]),
            Change(*row[size:end]) if row[size] is not None else None,
            Change(*row[end:]) if row[end] is not None else None,
        )
        for row in rows
    ]


async def count_versions(connection: AsyncConnection, code: str) -> int:
    """How many versions there are."""
    count: int = (await connection.execute(_COUNT, {"code": code})).scalar_one()
    return count


def _day(after: Key | None) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(after.code) if after else None
    except ValueError:
        raise Invalid(
            "The cursor is of another list; give back one of this list as it came."
        ) from None


_OF_CODE = """
grids.code = :code
AND grids.district_code = (
    SELECT min(named.district_code) FROM grids AS named WHERE named.code = :code
)
"""


def _change(of: str, order: str) -> str:
    """The change of a grid that takes effect on a day of its version."""
    return f"""
        SELECT {", ".join(Change._fields)}
        FROM boundary_change_grids AS changed
        JOIN boundary_changes AS change USING (district_code, plan_id)
        WHERE changed.district_code = grids.district_code
          AND changed.grid_code = grids.code
          AND changed.valid_from = {of}
        ORDER BY {order}
        LIMIT 1
    """


_HISTORY = text(
    f"""
    SELECT
        {", ".join(f"grids.{name}" for name in Grid._fields)},
        {", ".join(f"began.{name}" for name in Change._fields)},
        {", ".join(f"ended.{name}" for name in Change._fields)}
    FROM grids
    LEFT JOIN LATERAL ({_change("grids.valid_from", "applied_at DESC")}) AS began ON true
    LEFT JOIN LATERAL ({_change("grids.valid_to", "applied_at")}) AS ended ON true
    WHERE {_OF_CODE}
      AND (CAST(:after AS date) IS NULL OR grids.valid_from < :after)
    ORDER BY grids.valid_from DESC
    LIMIT :limit
    """
)

_COUNT = text(f"SELECT count(*) FROM grids WHERE {_OF_CODE}")
