"""How well a region is covered, as one number of several parts, so that regions can be compared.

Each part is a share, of what there is to be covered, that is covered; it counts by its weight. A
part of which a region has nothing (no buildings, or no grids) is left out, and the others count for
more. See `PARTS` for what they are; the rule is told in docs/coverage.md.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.geo.coverage import Coverage
from gridmap.store import coverage_today
from gridmap.store.coverage import (
    Lack,
    Wanted,
    count_by_community,
    grid_figures_by_community,
    lacking_by_community,
)
from gridmap.store.regions import regions_below
from gridmap.store.snapshot import Snapshot

VISITED_DAYS = 30
NORM = 300
"""Households of one worker."""


class Part(Enum):
    """What is graded."""

    AREA_IN_ONE_GRID = "AREA_IN_ONE_GRID"
    BUILDINGS_IN_GRIDS = "BUILDINGS_IN_GRIDS"
    BUILDINGS_WITH_SPONSOR = "BUILDINGS_WITH_SPONSOR"
    BUILDINGS_MANAGED = "BUILDINGS_MANAGED"
    BUILDINGS_VISITED = "BUILDINGS_VISITED"
    BUILDINGS_WITH_MEMBER_CARD = "BUILDINGS_WITH_MEMBER_CARD"
    GRIDS_WITH_WORKER = "GRIDS_WITH_WORKER"
    GRIDS_WITHIN_NORM = "GRIDS_WITHIN_NORM"


WEIGHTS = {
    Part.AREA_IN_ONE_GRID: 15,
    Part.BUILDINGS_IN_GRIDS: 15,
    Part.BUILDINGS_WITH_SPONSOR: 20,
    Part.BUILDINGS_MANAGED: 15,
    Part.BUILDINGS_VISITED: 10,
    Part.BUILDINGS_WITH_MEMBER_CARD: 5,
    Part.GRIDS_WITH_WORKER: 15,
    Part.GRIDS_WITHIN_NORM: 5,
}
"""They add up to 100."""

LETTERS = {"A": 90, "B": 80, "C": 70, "D": 60, "E": 0}
"""From which score on each is given."""


class Tally(NamedTuple):
    """How many buildings and grids a region has, and how many of them are covered in which way."""

    buildings: int = 0
    buildings_in_grids: int = 0
    buildings_with_sponsor: int = 0
    buildings_managed: int = 0
    buildings_visited: int = 0
    buildings_with_member_card: int = 0
    grids: int = 0
    grids_with_worker: int = 0
    grids_within_norm: int = 0


class GradedPart(NamedTuple):
    """`value` is a share, 0 to 1; `points` are what it adds to the score."""

    part: Part
    value: float
    weight: int
    points: float


class Grade(NamedTuple):
    """`score`: 0 to 100, the sum of the parts' points; None where there is nothing to grade."""

    score: float | None
    parts: list[GradedPart]

    @property
    def letter(self) -> str | None:
        """A to E."""
        if self.score is None:
            return None
        # A hundred made of eight parts may be off by a rounding.
        score = round(self.score, 9)
        return next(letter for letter, least in LETTERS.items() if score >= least)


async def tallies(
    connection: AsyncConnection,
    regions: Sequence[str],
    on: datetime.date,
    memory: Snapshot | None = None,
) -> list[Tally]:
    """What there is in each region on a day. The number of statements is that of the parts, however
    many regions. `memory`: see `store.coverage`.
    """
    if memory is not None:
        trees = coverage_today.regions_below(memory, regions)
    else:
        trees = await regions_below(connection, regions)
    below = dict(zip(regions, trees, strict=True))
    codes = sorted({code for found in below.values() for code in found})
    buildings = await count_by_community(connection, codes, memory)
    lacking = {
        lack: await lacking_by_community(connection, Wanted(lack, codes, on, VISITED_DAYS), memory)
        for lack in Lack
    }
    grids = await grid_figures_by_community(connection, NORM, codes, on, memory)
    lacks = (Lack.GRID, Lack.SPONSOR, Lack.MANAGEMENT, Lack.VISIT, Lack.MEMBER_CARD)
    found: defaultdict[str, list[int]] = defaultdict(lambda: [0] * len(Tally._fields))
    for code in codes:
        count = buildings.get(code, 0)
        having = (count - lacking[lack].get(code, 0) for lack in lacks)
        of_grids = grids.get(code, (0, 0, 0))
        found[code] = [count, *having, *of_grids]
    return [
        Tally(*map(sum, zip(*(found[code] for code in below[region]), strict=True)))
        if below[region]
        else Tally()
        for region in regions
    ]


def grade(tally: Tally, area: Coverage) -> Grade:
    """The grade of a region, by what it has and by how its grids cover it."""
    shares: dict[Part, tuple[float, float]] = {
        Part.AREA_IN_ONE_GRID: (
            max(0.0, area.covered_area_m2 - area.overlaps.area_m2),
            area.region_area_m2,
        ),
        Part.BUILDINGS_IN_GRIDS: (tally.buildings_in_grids, tally.buildings),
        Part.BUILDINGS_WITH_SPONSOR: (tally.buildings_with_sponsor, tally.buildings),
        Part.BUILDINGS_MANAGED: (tally.buildings_managed, tally.buildings),
        Part.BUILDINGS_VISITED: (tally.buildings_visited, tally.buildings),
        Part.BUILDINGS_WITH_MEMBER_CARD: (tally.buildings_with_member_card, tally.buildings),
        Part.GRIDS_WITH_WORKER: (tally.grids_with_worker, tally.grids),
        Part.GRIDS_WITHIN_NORM: (tally.grids_within_norm, tally.grids_with_worker),
    }
    there = [(part, *shares[part]) for part in Part if shares[part][1] > 0]
    weights = sum(WEIGHTS[part] for part, *_ in there)
    parts = [
        GradedPart(
            part, having / whole, WEIGHTS[part], 100 * WEIGHTS[part] * having / whole / weights
        )
        for part, having, whole in there
    ]
    return Grade(sum(part.points for part in parts) if parts else None, parts)
