"""Coverage as clients see it: what nobody answers for in a region on a day."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Annotated, TypeAlias, TypeVar

import strawberry

from gridmap.errors import Invalid, NotFound
from gridmap.geo.datums import Datum
from gridmap.schema.buildings import Building, building
from gridmap.schema.connections import After, Connection, First, connection, page_slice
from gridmap.schema.context import Context, Info
from gridmap.schema.grades import GRADE_TOLERANCE, CoverageGrade, RegionGrade, coverage_grade
from gridmap.schema.grids import Grid, grid
from gridmap.schema.regions import Region, RegionLevel, region, regions_below
from gridmap.schema.scalars import GeoJSON, geojson
from gridmap.schema.sponsors import SponsorLevel
from gridmap.store import coverage as store
from gridmap.store import grids as store_grids
from gridmap.store import regions as store_regions
from gridmap.store.coverage import GridLack, Lack, Wanted
from gridmap.store.coverage_today import regions_below as regions_below_today

PieceType = TypeVar("PieceType")

USUAL_TOLERANCE = GRADE_TOLERANCE
WIDEST_TOLERANCE = 10.0

Tolerance: TypeAlias = Annotated[
    float,
    strawberry.argument(description="Metres. What is narrower is a sliver, and only counted."),
]

MOST_DAYS = 3_660

USUAL_HOUSEHOLDS = 300
"""Of one grid, as the districts draw them."""

Norm: TypeAlias = Annotated[
    int, strawberry.argument(description="Households that one worker is to have at most.")
]


@strawberry.type(description="What the sponsors of one level answer for in a region.")
class SponsorLevelLoad:
    level: SponsorLevel
    sponsors: int = strawberry.field(description="How many answer for a building there.")
    buildings: int
    households: int


@strawberry.type(description="How many households the workers of a grid have.")
class GridLoad:
    grid: Grid
    households: int
    workers: int
    households_per_worker: float


@strawberry.type(description="A part of a region that lies in no grid.")
class CoverageGap:
    outline: GeoJSON
    area: float = strawberry.field(description="Square metres on the ground.")
    neighbours: list[Grid] = strawberry.field(
        description="The grids that share a stretch of its border."
    )
    wkb: strawberry.Private[bytes]

    @strawberry.field(description="How many stand in it.")
    async def buildings(self, info: Info) -> int:
        return await info.context.load(store.buildings_in, self.wkb)


@strawberry.type(description="A part that two grids or more claim.")
class CoverageOverlap:
    outline: GeoJSON
    area: float = strawberry.field(description="Square metres on the ground.")
    grids: list[Grid]
    wkb: strawberry.Private[bytes]

    @strawberry.field(description="How many stand in it.")
    async def buildings(self, info: Info) -> int:
        return await info.context.load(store.buildings_in, self.wkb)


@strawberry.type(
    description="Pieces that are narrower than the tolerance; they are not among the others."
)
class CoverageSlivers:
    gaps: int
    gaps_area: float = strawberry.field(description="Square metres on the ground.")
    overlaps: int
    overlaps_area: float


@strawberry.type(description="What nobody covers in a region, as it stands on a day.")
class Coverage:
    region: Region
    on: datetime.date
    codes: strawberry.Private[list[str]]

    @strawberry.field
    async def grid_count(self, info: Info) -> int:
        return await info.context.load(
            store_grids.count_grids_of_regions, self.region.code, self.on
        )

    @strawberry.field
    async def building_count(self, info: Info) -> int:
        memory = info.context.snapshot(self.on)
        counts = await info.context.run(store.count_by_community, self.codes, memory)
        return sum(counts.values())

    @strawberry.field(description="How well all of it is covered, in one number and its parts.")
    async def grade(self, info: Info) -> CoverageGrade:
        return await coverage_grade(info.context, self.region.code, self.on)

    @strawberry.field(
        description="The regions directly below, or of a level all from this one downwards, with "
        "their grades; by code."
    )
    async def regions(
        self,
        info: Info,
        level: RegionLevel | None = None,
        first: First = None,
        after: After = None,
    ) -> Connection[RegionGrade]:
        cut, context = page_slice(first, after), info.context
        what = self.region.code, level.name if level else None
        rows = await context.run(store_regions.page_of_regions, *what, cut)
        return connection(
            rows,
            cut,
            lambda row: RegionGrade(region=region(row, self.on), on=self.on),
            lambda: context.run(store_regions.count_regions, *what),
        )

    @strawberry.field(description="Share of the region's area that lies in a grid, 0 to 1.")
    async def area_covered(self, info: Info) -> float:
        found = (await self._topology(info.context, USUAL_TOLERANCE)).found
        return found.covered_area_m2 / found.region_area_m2 if found.region_area_m2 else 0.0

    @strawberry.field(
        description="The region's outline less its grids, the largest part first. Where the "
        "outline is not known, the region is all that its grids enclose."
    )
    async def gaps(
        self,
        info: Info,
        tolerance: Tolerance = USUAL_TOLERANCE,
        first: First = None,
        after: After = None,
    ) -> Connection[CoverageGap]:
        pieces = (await self._topology(info.context, tolerance)).gaps

        def gap(piece: store.Piece) -> CoverageGap:
            return CoverageGap(
                outline=geojson(piece.outline, Datum.WGS84),
                area=piece.area_m2,
                neighbours=[grid(each, self.on) for each in piece.grids],
                wkb=piece.outline,
            )

        return _page_of_pieces(pieces, first, after, gap)

    @strawberry.field(description="Where grids lie over each other, the largest part first.")
    async def overlaps(
        self,
        info: Info,
        tolerance: Tolerance = USUAL_TOLERANCE,
        first: First = None,
        after: After = None,
    ) -> Connection[CoverageOverlap]:
        pieces = (await self._topology(info.context, tolerance)).overlaps

        def overlap(piece: store.Piece) -> CoverageOverlap:
            return CoverageOverlap(
                outline=geojson(piece.outline, Datum.WGS84),
                area=piece.area_m2,
                grids=[grid(each, self.on) for each in piece.grids],
                wkb=piece.outline,
            )

        return _page_of_pieces(pieces, first, after, overlap)

    @strawberry.field
    async def slivers(self, info: Info, tolerance: Tolerance = USUAL_TOLERANCE) -> CoverageSlivers:
        found = (await self._topology(info.context, tolerance)).found
        return CoverageSlivers(
            gaps=found.gaps.slivers,
            gaps_area=found.gaps.slivers_area_m2,
            overlaps=found.overlaps.slivers,
            overlaps_area=found.overlaps.slivers_area_m2,
        )

    @strawberry.field(description="Buildings that stand in no grid.")
    async def buildings_outside_grids(
        self, info: Info, first: First = None, after: After = None
    ) -> Connection[Building]:
        return await self._without(
            info.context, Wanted(Lack.GRID, self.codes, self.on), first, after
        )

    @strawberry.field(
        description="Buildings without a sponsor of their own; their grid may have one."
    )
    async def buildings_without_sponsor(
        self, info: Info, first: First = None, after: After = None
    ) -> Connection[Building]:
        return await self._without(
            info.context, Wanted(Lack.SPONSOR, self.codes, self.on), first, after
        )

    @strawberry.field(description="Buildings whose management mode is UNMANAGED.")
    async def buildings_without_management(
        self, info: Info, first: First = None, after: After = None
    ) -> Connection[Building]:
        return await self._without(
            info.context, Wanted(Lack.MANAGEMENT, self.codes, self.on), first, after
        )

    @strawberry.field(
        description="Buildings where no grid worker was on the day nor on the days before, days in "
        "all; by code."
    )
    async def buildings_not_visited(
        self, info: Info, days: int, first: First = None, after: After = None
    ) -> Connection[Building]:
        check_days(days)
        wanted = Wanted(Lack.VISIT, self.codes, self.on, days)
        return await self._without(info.context, wanted, first, after)

    @strawberry.field(description="Buildings where no member's card (党员身份卡) hangs, by code.")
    async def buildings_without_member_card(
        self, info: Info, first: First = None, after: After = None
    ) -> Connection[Building]:
        wanted = Wanted(Lack.MEMBER_CARD, self.codes, self.on)
        return await self._without(info.context, wanted, first, after)

    @strawberry.field(description="Grids that nobody walks, by code.")
    async def grids_without_worker(
        self, info: Info, first: First = None, after: After = None
    ) -> Connection[Grid]:
        return await self._grids_without(info.context, GridLack.WORKER, first, after)

    @strawberry.field(
        description="Grids where nobody answers for the grid itself nor for any building in it; by "
        "code."
    )
    async def grids_without_sponsor(
        self, info: Info, first: First = None, after: After = None
    ) -> Connection[Grid]:
        return await self._grids_without(info.context, GridLack.SPONSOR, first, after)

    @strawberry.field(
        description="Grids whose workers have more households each than the norm; those without a "
        "worker are in gridsWithoutWorker."
    )
    async def grids_over_norm(
        self,
        info: Info,
        norm: Norm = USUAL_HOUSEHOLDS,
        first: First = None,
        after: After = None,
    ) -> Connection[GridLoad]:
        check_norm(norm)
        cut, context = page_slice(first, after), info.context
        rows, known = await context.run(
            store.page_of_loads_over, norm, self.codes, self.on, cut, context.snapshot(self.on)
        )

        async def count() -> int:
            if known is not None:
                return known
            return await context.run(store.count_loads_over, norm, self.codes, self.on)

        return connection(
            rows,
            cut,
            lambda row: GridLoad(
                grid=grid(row.grid, self.on),
                households=row.households,
                workers=row.workers,
                households_per_worker=row.households / row.workers,
            ),
            count,
        )

    @strawberry.field(
        description="Who answers for the region's buildings, by the level of the sponsor, the "
        "widest first."
    )
    async def sponsor_levels(self, info: Info) -> list[SponsorLevelLoad]:
        memory = info.context.snapshot(self.on)
        rows = await info.context.run(store.loads_by_level, self.codes, self.on, memory)
        return [
            SponsorLevelLoad(
                level=SponsorLevel(row.level),
                sponsors=row.sponsors,
                buildings=row.load.buildings,
                households=row.load.households,
            )
            for row in rows
        ]

    async def _topology(self, context: Context, tolerance: float) -> store.Topology:
        check_tolerance(tolerance)
        memory = context.snapshot(self.on)
        return await context.load(store.topologies, self.region.code, self.on, tolerance, memory)

    async def _without(
        self, context: Context, wanted: Wanted, first: First, after: After
    ) -> Connection[Building]:
        cut = page_slice(first, after)
        rows, known = await context.run(
            store.page_of_buildings_without, wanted, cut, context.snapshot(self.on)
        )

        async def count() -> int:
            if known is not None:
                return known
            return await context.run(store.count_buildings_without, wanted)

        return connection(rows, cut, lambda row: building(row, self.on), count)

    async def _grids_without(
        self, context: Context, lack: GridLack, first: First, after: After
    ) -> Connection[Grid]:
        cut, what = page_slice(first, after), (lack, self.codes, self.on)
        rows, known = await context.run(
            store.page_of_grids_without, *what, cut, context.snapshot(self.on)
        )

        async def count() -> int:
            if known is not None:
                return known
            return await context.run(store.count_grids_without, *what)

        return connection(rows, cut, lambda row: grid(row, self.on), count)


async def coverage(context: Context, code: str, on: datetime.date) -> Coverage:
    """The coverage of a region. Raises NotFound where it is not kept."""
    memory = context.snapshot(on)
    if memory is not None and (kept := memory.regions.get(code)) is not None:
        [below] = regions_below_today(memory, [code])
        return Coverage(region=region(kept, on), on=on, codes=below)
    codes = await regions_below(context, code)
    row = await context.load(store_regions.regions_by_code, code)
    if row is None or codes is None:
        raise NotFound(f"There is no region {code!r}.", reason="NO_REGION", region=code)
    return Coverage(region=region(row, on), on=on, codes=codes)


def check_tolerance(metres: float) -> None:
    """Raises Invalid for what is no width of a sliver."""
    if not 0 <= metres <= WIDEST_TOLERANCE:
        raise Invalid(
            f"tolerance is {metres:g}; it is a width from 0 to {WIDEST_TOLERANCE:g} metres."
        )


def check_days(days: int) -> None:
    """Raises Invalid for what is no number of days to look back."""
    if not 1 <= days <= MOST_DAYS:
        raise Invalid(f"days is {days}; it counts days back from the day itself, 1 to {MOST_DAYS}.")


def check_norm(households: int) -> None:
    """Raises Invalid for what is no number of households."""
    if households < 0:
        raise Invalid(f"norm is {households}; it counts households from 0 on.")


def _page_of_pieces(
    pieces: list[store.Piece],
    first: First,
    after: After,
    to_node: Callable[[store.Piece], PieceType],
) -> Connection[PieceType]:
    cut = page_slice(first, after)

    async def count() -> int:
        return len(pieces)

    return connection(store.page_of(pieces, cut), cut, to_node, count)
