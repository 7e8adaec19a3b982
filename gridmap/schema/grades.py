"""Grades of coverage as clients see them."""

from __future__ import annotations

import asyncio
import datetime
from enum import Enum

import strawberry

from gridmap.schema.context import Context, Info
from gridmap.schema.regions import Region
from gridmap.store import coverage as store_coverage
from gridmap.store import grades as store

GRADE_TOLERANCE = 1.0

strawberry.enum(
    store.Part,
    name="CoveragePart",
    description="Shares. AREA_IN_ONE_GRID: of the region's area, in one grid and no other. "
    "BUILDINGS_IN_GRIDS, BUILDINGS_WITH_SPONSOR (of their own), BUILDINGS_MANAGED, "
    f"BUILDINGS_VISITED (within {store.VISITED_DAYS} days), BUILDINGS_WITH_MEMBER_CARD: of the "
    "buildings. GRIDS_WITH_WORKER: of the grids. GRIDS_WITHIN_NORM: of the grids with a worker, "
    f"those with at most {store.NORM} households for each.",
)


@strawberry.enum(
    description=", ".join(f"{letter}: from {least} on" for letter, least in store.LETTERS.items())
    + "."
)
class GradeLetter(Enum):
    A = "A"
    B = "B"
    C = "C"
    D = "D"
    E = "E"


@strawberry.type
class CoverageGradePart:
    name: store.Part
    value: float = strawberry.field(description="A share, 0 to 1.")
    weight: int = strawberry.field(description="Of 100, where the region has all parts.")
    points: float = strawberry.field(description="What it adds to the score.")


@strawberry.type(description="How well a region is covered, so that regions can be compared.")
class CoverageGrade:
    score: float | None = strawberry.field(
        description="0 to 100; null where there is nothing to grade."
    )
    letter: GradeLetter | None
    parts: list[CoverageGradePart] = strawberry.field(
        description="Those of which the region has something: no buildings, no parts of them."
    )


@strawberry.type(description="A region and its grade.")
class RegionGrade:
    region: Region
    on: strawberry.Private[datetime.date]

    @strawberry.field
    async def grade(self, info: Info) -> CoverageGrade:
        return await coverage_grade(info.context, self.region.code, self.on)


async def coverage_grade(context: Context, region: str, on: datetime.date) -> CoverageGrade:
    """The grade of a region on a day."""
    memory = context.snapshot(on)
    # At once, so that the same regions are loaded together however long either takes.
    topology, tally = await asyncio.gather(
        context.load(store_coverage.topologies, region, on, GRADE_TOLERANCE, memory),
        context.load(store.tallies, region, on, memory),
    )
    found = store.grade(tally, topology.found)
    return CoverageGrade(
        score=found.score,
        letter=GradeLetter(found.letter) if found.letter else None,
        parts=[
            CoverageGradePart(name=part, value=value, weight=weight, points=points)
            for part, value, weight, points in found.parts
        ],
    )
