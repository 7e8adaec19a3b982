"""The rules by which reports go: categories, deadlines, and what a region says for itself.

Few rows, which every submission and every action needs, so that a process keeps them in memory and
reads them again when the change feed says that they have changed.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.errors import Invalid
from gridmap.store import tables
from gridmap.store.changes import Changes
from gridmap.store.database import Database
from gridmap.store.loop import Step
from gridmap.store.working_time import Unit, ends


class Category(NamedTuple):
    code: str
    name: str
    parent_code: str | None


class Limit(NamedTuple):
    amount: int
    unit: Unit


class RegionRules(NamedTuple):
    """What a region says; None is left to the region above."""

    default_sponsor_code: str | None
    is_rated: bool | None


@dataclass(frozen=True)
class ReportRules:
    """`limits` by district, category, urgency and step, empty for any; `regions` by code."""

    categories: dict[str, Category]
    limits: dict[tuple[str, str, str, str], Limit]
    regions: dict[str, RegionRules]

    def category(self, code: str) -> Category:
        """Raises Invalid for one that there is not."""
        found = self.categories.get(code)
        if found is None:
            known = ", ".join(f"{each.code} {each.name}" for each in self.main_categories)
            raise Invalid(
                f"There is no category {code!r}; the query reportCategories lists them. "
                f"The main ones are {known}."
            )
        return found

    @property
    def main_categories(self) -> list[Category]:
        return self.categories_below(None)

    def categories_below(self, parent: str | None) -> list[Category]:
        """The categories of a main one, or the main ones, by code."""
        below = (each for each in self.categories.values() if each.parent_code == parent)
        return sorted(below, key=lambda each: each.code)

    def due(
        self, start: datetime.datetime, district: str, category: str, urgency: str, step: Step
    ) -> datetime.datetime | None:
        """When a step that begins at `start` is to be done; None where no rule says.

        The most exact rule holds: of the district before any, of the category before its parent's
        before any, of the urgency before any.
        """
        known = self.categories.get(category)
        parent = known.parent_code if known else None
        for of_district in (district, ""):
            for of_category in dict.fromkeys((category, parent or "", "")):
                for of_urgency in (urgency, ""):
                    limit = self.limits.get((of_district, of_category, of_urgency, step))
                    if limit is not None:
                        return ends(start, *limit)
        return None

    def default_sponsor(self, regions: Sequence[str]) -> str | None:
        """Who answers in the first of these regions, from within outwards, that names anybody."""
        said = (self.regions[code].default_sponsor_code for code in regions if code in self.regions)
        return next((sponsor for sponsor in said if sponsor is not None), None)

    def is_rated(self, regions: Sequence[str]) -> bool:
        """Whether reports of the first of these regions are rated; they are unless one says no."""
        said = (self.regions[code].is_rated for code in regions if code in self.regions)
        return next((is_rated for is_rated in said if is_rated is not None), True)


class KeptRules:
    """The rules of a process: in memory while `hear` is told of all changes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rules: ReportRules | None = None
        self._changes = 0
        self._reading: asyncio.Task[ReportRules] | None = None

    async def rules(self) -> ReportRules:
        if self._rules is not None:
            return self._rules
        # All who ask meanwhile share one reading, and go on at the same moment, so that what they
        # load next is loaded together.
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        return await asyncio.shield(self._reading)

    async def _read(self) -> ReportRules:
        try:
            while True:
                changes = self._changes
                async with self._database.connection() as connection:
                    rules = await load_rules(connection)
                if changes == self._changes:
                    self._rules = rules
                    return rules
        finally:
            self._reading = None

    def hear(self, changes: Changes) -> None:
        """Takes note of what the change feed says."""
        if any(change.table == "report_rules" for change in changes):
            self._changes += 1
            self._rules = None


async def load_rules(connection: AsyncConnection) -> ReportRules:
    """All rules as they are now."""
    category, deadline, rule = tables.report_categories, tables.deadlines, tables.report_rules
    categories = await connection.execute(
        select(category.c.code, category.c.name, category.c.parent_code)
    )
    deadlines = await connection.execute(select(deadline))
    rules = await connection.execute(select(rule))
    return ReportRules(
        {row.code: Category(*row) for row in categories},
        {tuple(row[:4]): Limit(row.amount, Unit(row.unit)) for row in deadlines},
        {row.region_code: RegionRules(*row[1:]) for row in rules},
    )
