"""Plans of other boundaries as clients see them: what would become of grids, and of what is there.

Everything is as it was shown when the plan was made; the grids, buildings and reports that it names
are shown as they are known.
"""

from __future__ import annotations

import datetime
from collections import Counter
from enum import Enum
from typing import Annotated, TypeAlias
from uuid import UUID

import shapely
import strawberry
from graphql.pyutils import AwaitableOrValue

from gridmap.errors import Invalid
from gridmap.geo.checks import GeometryKind, check_geometries
from gridmap.geo.datums import Datum, geometries_to_wgs84
from gridmap.geo.geojson import wkb_of
from gridmap.geo.snapping import WIDEST_TOLERANCE_METRES
from gridmap.schema.buildings import Building, building
from gridmap.schema.connections import (
    After,
    Connection,
    First,
    connection,
    connection_of,
    page_slice,
)
from gridmap.schema.context import Context, Info
from gridmap.schema.grids import Grid, grid
from gridmap.schema.nodes import GlobalId, Node
from gridmap.schema.regions import Region, region_of
from gridmap.schema.reports import Report, report_of
from gridmap.schema.scalars import GeoJSON, geojson
from gridmap.schema.sponsorships import Sponsorship, sponsorship
from gridmap.schema.workers import GridWorker, grid_worker
from gridmap.store import boundary_changes as store_changes
from gridmap.store import boundary_contents as store_contents
from gridmap.store import boundary_plans as store
from gridmap.store import buildings as store_buildings
from gridmap.store import grids as store_grids
from gridmap.store import reports as store_reports
from gridmap.store import sponsorships as store_sponsorships
from gridmap.store import workers as store_workers
from gridmap.store.boundary_cases import MOST_GRIDS, Draft, DraftGrid
from gridmap.store.boundary_contents import WarningCode
from gridmap.store.paging import Key, Slice

OutlineDatum: TypeAlias = Annotated[
    Datum, strawberry.argument(description="Of the answer; WGS84 by default.")
]


@strawberry.input(description="What one grid is to be.")
class GridOutlineInput:
    code: str | None = strawberry.field(
        default=None,
        description="Of a grid that there is, or a free one for a new grid. Left out, a new grid "
        "has its community's code and the next 3 digits that no grid of it has ever had.",
    )
    outline: GeoJSON | None = strawberry.field(
        default=None, description="Polygon or MultiPolygon, in the plan's datum."
    )
    together: list[str] | None = strawberry.field(
        default=None,
        description="Instead of an outline: the codes of grids whose ground it has, all together.",
    )
    name: str | None = strawberry.field(
        default=None, description="A new grid needs one; another keeps its own by default."
    )
    community: str | None = strawberry.field(
        default=None,
        description="Of a new grid. By default that of its code, or of the grid from which it has "
        "most of its ground.",
    )


@strawberry.input(description="Which grids are to have which outlines, and from which day on.")
class PlanBoundaryChangeInput:
    from_: datetime.date = strawberry.field(
        name="from", description="The first day; today or later."
    )
    grids: list[GridOutlineInput] = strawberry.field(
        default_factory=list,
        description=f"Those that change and those that are new; at most {MOST_GRIDS} with ends.",
    )
    ends: list[str] = strawberry.field(
        default_factory=list, description="The codes of grids that are no more, as they are merged."
    )
    datum: Datum = strawberry.field(
        default=Datum.WGS84, description="Of all outlines; always said, never guessed."
    )
    tolerance: float = strawberry.field(
        default=1.0,
        description="Metres, up to "
        f"{WIDEST_TOLERANCE_METRES:g}. What is nearer to a border is brought onto it.",
    )
    ground_may_change: bool = strawberry.field(
        default=False,
        description="Whether the grids may together give up ground, or take in some that no grid "
        "has. Otherwise such a plan cannot be applied.",
    )


@strawberry.enum(description="CHANGED: another outline or name. NEW. ENDS: is no more.")
class BoundaryFate(Enum):
    CHANGED = "CHANGED"
    NEW = "NEW"
    ENDS = "ENDS"


@strawberry.type(description="What stands in a grid, and how many walk it.")
class GridWork:
    buildings: int
    households: int
    workers: int

    @strawberry.field(description="Null where nobody walks it.")
    def buildings_per_worker(self) -> float | None:
        return self.buildings / self.workers if self.workers else None

    @strawberry.field(description="Null where nobody walks it.")
    def households_per_worker(self) -> float | None:
        return self.households / self.workers if self.workers else None


@strawberry.type(description="What becomes of one grid.")
class PlannedGrid:
    code: str
    name: str
    fate: BoundaryFate
    area_before: float = strawberry.field(description="Square metres on the ground.")
    area_after: float
    work_before: GridWork
    work_after: GridWork
    row: strawberry.Private[store_contents.PlannedGrid]
    plan: strawberry.Private[store.BoundaryPlan]

    @strawberry.field(graphql_type=Region)
    def community(self, info: Info) -> AwaitableOrValue[Region]:
        return region_of(info.context, self.row.community_code, self.plan.draft.start)

    @strawberry.field(description="The version that the plan ends; null of a new grid.")
    async def before(self, info: Info) -> Grid | None:
        if self.row.before_from is None:
            return None
        version = store_grids.GridVersion(
            self.plan.plan_key.district_code,
            self.code,
            datetime.date.fromisoformat(self.row.before_from),
        )
        row = await info.context.load(store_grids.grids_by_version, version)
        eve = max(self.plan.draft.start - datetime.timedelta(days=1), version.valid_from)
        return grid(row, eve) if row else None

    @strawberry.field(description="Null of a new grid.")
    def outline_before(self, datum: OutlineDatum = Datum.WGS84) -> GeoJSON | None:
        return _outline(self.row.outline_before, datum)

    @strawberry.field(description="As it would be, snapped; null of one that ends.")
    def outline_after(self, datum: OutlineDatum = Datum.WGS84) -> GeoJSON | None:
        return _outline(self.row.outline_after, datum)


@strawberry.type(description="A place of an outline that was brought onto a border near by.")
class SnappedPlace:
    grid: str = strawberry.field(description="The code of the grid whose outline it is.")
    metres: float = strawberry.field(description="How far it was moved.")
    row: strawberry.Private[store_contents.Snap]

    @strawberry.field(description="Where it was drawn.")
    def drawn(self, datum: OutlineDatum = Datum.WGS84) -> GeoJSON:
        return _point(self.row.longitude, self.row.latitude, datum)

    @strawberry.field(description="Where it is.")
    def moved(self, datum: OutlineDatum = Datum.WGS84) -> GeoJSON:
        return _point(self.row.to_longitude, self.row.to_latitude, datum)


@strawberry.type(description="A piece of ground.")
class PlannedPiece:
    area: float = strawberry.field(description="Square metres on the ground.")
    grids: list[str] = strawberry.field(
        description="The codes of the grids that share a stretch of its border, or that claim it."
    )
    row: strawberry.Private[store_contents.Piece]

    @strawberry.field
    def outline(self, datum: OutlineDatum = Datum.WGS84) -> GeoJSON:
        return geojson(bytes.fromhex(self.row.outline), datum)


@strawberry.type(description="Ground that two grids or more would claim.")
class PlannedOverlap(PlannedPiece):
    is_new: bool = strawberry.field(
        description="Whether the change would make it; otherwise it is there already."
    )


@strawberry.type(description="What goes from one grid to another, each by its code; null: no grid.")
class BoundaryMove:
    grid_before: str | None
    grid_after: str | None
    area: float = strawberry.field(description="Square metres on the ground.")
    buildings: int
    households: int
    open_reports: int | None = strawberry.field(
        description="Null for whoever may not see the reports of the district."
    )
    sponsorships: int


@strawberry.type(description="A building that will stand in another grid.")
class MovedBuilding:
    grid_before: str | None
    grid_after: str | None
    households: int
    key: strawberry.Private[Key]
    on: strawberry.Private[datetime.date]

    @strawberry.field(description="As it is known; null when it is gone.")
    async def building(self, info: Info) -> Building | None:
        row = await info.context.load(store_buildings.buildings_by_key, self.key, self.on)
        return building(row, self.on) if row else None


@strawberry.type(description="An open report that will lie in another grid.")
class MovedReport:
    grid_before: str | None
    grid_after: str | None
    key: strawberry.Private[store_reports.ReportKey]

    @strawberry.field(description="As it stands now.")
    async def report(self, info: Info) -> Report | None:
        return await report_of(info.context, self.key)


@strawberry.type(description="A sponsorship of a building that moves; it stays with the building.")
class MovedSponsorship:
    grid_before: str | None
    grid_after: str | None
    key: strawberry.Private[store_sponsorships.SponsorshipKey]
    on: strawberry.Private[datetime.date]

    @strawberry.field(description="As it is kept; null where it was called off.")
    async def sponsorship(self, info: Info) -> Sponsorship | None:
        row = await info.context.load(store_sponsorships.sponsorships_by_key, self.key)
        return sponsorship(row, self.on) if row else None


@strawberry.type(description="That somebody walks a grid that ends.")
class EndingAssignment:
    grid: str = strawberry.field(description="Its code.")
    key: strawberry.Private[Key]

    @strawberry.field
    async def worker(self, info: Info) -> GridWorker | None:
        row = await info.context.load(store_workers.workers_by_key, self.key)
        return grid_worker(row) if row else None


strawberry.enum(
    WarningCode,
    name="BoundaryWarningCode",
    description="What a plan warns of. OTHER: the message says it, as in plans that were made "
    "before there were codes.",
)


@strawberry.type(
    description="What to think of before a plan is applied, with what its message names; null: it "
    "names none."
)
class BoundaryWarning:
    code: WarningCode
    message: str = strawberry.field(description="In English.")
    grid: str | None = strawberry.field(description="Its code.")
    community: str | None = strawberry.field(
        description="Its code: the grid's, or of the buildings that come into the grid."
    )
    building: str | None = strawberry.field(description="The code of one of those.")
    worker: str | None = strawberry.field(description="Their code.")
    worker_name: str | None
    sponsor: str | None = strawberry.field(description="Its code.")
    area: float | None = strawberry.field(description="Square metres on the ground.")
    buildings: int | None = strawberry.field(description="How many.")


@strawberry.type(description="That a plan was applied.")
class BoundaryChange:
    applied_at: datetime.datetime
    author: str = strawberry.field(description="Who applied it.")
    author_role: str
    reason: str


@strawberry.type(
    description="What would become of grids and of all that is in them, as it was shown when the "
    "plan was made. Apply it with applyBoundaryChange."
)
class BoundaryPlan(Node):
    from_: datetime.date = strawberry.field(name="from", description="The first day.")
    made_at: datetime.datetime
    author: str = strawberry.field(description="Who made it.")
    author_role: str
    tolerance: float = strawberry.field(description="Metres within which outlines were snapped.")
    ground_may_change: bool
    warnings: list[str] = strawberry.field(
        description="What to think of before it is applied, in words; `warned` says the same."
    )
    obstacles: list[str] = strawberry.field(
        description="Why it cannot be applied; none where it can."
    )
    row: strawberry.Private[store.BoundaryPlan]

    def global_id(self) -> GlobalId:
        return GlobalId("BoundaryPlan", self.row.plan_key.district_code, str(self.row.plan_key.id))

    @strawberry.field(graphql_type=Region)
    def district(self, info: Info) -> AwaitableOrValue[Region]:
        return region_of(info.context, self.row.plan_key.district_code, self.from_)

    @strawberry.field(description="That it was applied; null where it was not.")
    async def change(self, info: Info) -> BoundaryChange | None:
        row = await info.context.load(store_changes.changes_of_plans, self.row.plan_key)
        return boundary_change(row) if row else None

    @strawberry.field(
        description="What to think of before it is applied, by codes, for whoever tells it in "
        "other words."
    )
    def warned(self) -> list[BoundaryWarning]:
        return [
            BoundaryWarning(
                code=each.code,
                message=each.message,
                grid=each.grid,
                community=each.community,
                building=each.building,
                worker=each.worker,
                worker_name=each.worker_name,
                sponsor=each.sponsor,
                area=each.area_m2,
                buildings=each.buildings,
            )
            for each in self.row.content.warnings
        ]

    @strawberry.field(description="By code.")
    def grids(self) -> list[PlannedGrid]:
        return [
            PlannedGrid(
                code=each.code,
                name=each.name,
                fate=BoundaryFate(each.kind),
                area_before=each.area_before_m2,
                area_after=each.area_after_m2,
                work_before=GridWork(**each.load_before._asdict()),
                work_after=GridWork(**each.load_after._asdict()),
                row=each,
                plan=self.row,
            )
            for each in self.row.content.grids
        ]

    @strawberry.field(description="What was moved to where, grid by grid.")
    def snapped(self, first: First = None, after: After = None) -> Connection[SnappedPlace]:
        return connection_of(
            self.row.content.snaps,
            page_slice(first, after),
            lambda each: SnappedPlace(grid=each.grid_code, metres=each.metres, row=each),
        )

    @strawberry.field(
        description="Ground that would be in no grid and is in one now, the largest piece first."
    )
    def gaps(self, first: First = None, after: After = None) -> Connection[PlannedPiece]:
        return connection_of(self.row.content.gaps, page_slice(first, after), _piece)

    @strawberry.field(
        description="Ground that would be in a grid and is in none now, the largest piece first."
    )
    def taken(self, first: First = None, after: After = None) -> Connection[PlannedPiece]:
        return connection_of(self.row.content.taken, page_slice(first, after), _piece)

    @strawberry.field(description="Where its grids would lie over others, the largest first.")
    def overlaps(self, first: First = None, after: After = None) -> Connection[PlannedOverlap]:
        return connection_of(
            self.row.content.overlaps,
            page_slice(first, after),
            lambda each: PlannedOverlap(
                area=each.area_m2, grids=each.grids, is_new=each.is_new, row=each
            ),
        )

    @strawberry.field(description="What goes from which grid to which, the most ground first.")
    def moves(
        self, info: Info, first: First = None, after: After = None
    ) -> Connection[BoundaryMove]:
        sees_reports = store.may_read(info.context.viewer, self.row.plan_key.district_code)
        moves = _moves(self.row.content, sees_reports=sees_reports)
        return connection_of(moves, page_slice(first, after), lambda each: each)

    @strawberry.field(description="The buildings that will stand in another grid.")
    def buildings(self, first: First = None, after: After = None) -> Connection[MovedBuilding]:
        return connection_of(
            self.row.content.buildings,
            page_slice(first, after),
            lambda each: MovedBuilding(
                grid_before=each.before,
                grid_after=each.after,
                households=each.households,
                key=Key(each.code, each.district_code),
                on=self.from_,
            ),
        )

    @strawberry.field(
        description="The open reports that will lie in another grid. For the office of the "
        "district, and for those who see all."
    )
    def reports(
        self, info: Info, first: First = None, after: After = None
    ) -> Connection[MovedReport]:
        store.check_reader(info.context.viewer, self.row.plan_key.district_code)
        return connection_of(
            self.row.content.reports,
            page_slice(first, after),
            lambda each: MovedReport(
                grid_before=each.before,
                grid_after=each.after,
                key=store_reports.ReportKey(each.district_code, UUID(each.id)),
            ),
        )

    @strawberry.field(description="Those of the buildings that will stand in another grid.")
    def sponsorships(
        self, first: First = None, after: After = None
    ) -> Connection[MovedSponsorship]:
        return connection_of(
            self.row.content.sponsorships,
            page_slice(first, after),
            lambda each: MovedSponsorship(
                grid_before=each.before,
                grid_after=each.after,
                key=store_sponsorships.SponsorshipKey(each.district_code, each.id),
                on=self.from_,
            ),
        )

    @strawberry.field(
        description="Sponsorships of the grids that end, themselves: they end on that day, and are "
        "called off where they have not begun."
    )
    def ending_sponsorships(
        self, first: First = None, after: After = None
    ) -> Connection[MovedSponsorship]:
        return connection_of(
            self.row.content.ending_sponsorships,
            page_slice(first, after),
            lambda each: MovedSponsorship(
                grid_before=each.grid_code,
                grid_after=None,
                key=store_sponsorships.SponsorshipKey(self.row.plan_key.district_code, each.id),
                on=self.from_,
            ),
        )

    @strawberry.field(
        description="Who walks the grids that end: that ends on the day, or is called off."
    )
    def ending_assignments(
        self, first: First = None, after: After = None
    ) -> Connection[EndingAssignment]:
        return connection_of(
            self.row.content.ending_assignments,
            page_slice(first, after),
            lambda each: EndingAssignment(
                grid=each.grid_code, key=Key(each.worker_code, self.row.plan_key.district_code)
            ),
        )


def boundary_plan(row: store.BoundaryPlan) -> BoundaryPlan:
    """The row as a node."""
    return BoundaryPlan(
        from_=row.draft.start,
        made_at=row.made_at,
        author=row.author_subject,
        author_role=row.author_role,
        tolerance=row.draft.tolerance_metres,
        ground_may_change=row.draft.may_move_ground,
        warnings=[each.message for each in row.content.warnings],
        obstacles=row.content.obstacles,
        row=row,
    )


async def boundary_plans(context: Context, district: str, cut: Slice) -> Connection[BoundaryPlan]:
    """A page of the plans of a district, newest first."""
    rows = await context.run(store.page_of_plans, district, context.viewer, cut)
    return connection(rows, cut, boundary_plan, lambda: context.run(store.count_plans, district))


def boundary_change(row: store_changes.BoundaryChange) -> BoundaryChange:
    return BoundaryChange(
        applied_at=row.applied_at,
        author=row.author_subject,
        author_role=row.author_role,
        reason=row.reason,
    )


def plan_key(given: str) -> store.PlanKey:
    """Raises Invalid for what is no id of a plan."""
    wanted = GlobalId.decoded(given)
    try:
        if wanted.type == "BoundaryPlan" and not wanted.version:
            return store.PlanKey(wanted.district_code, UUID(wanted.code))
    except ValueError:
        pass
    raise Invalid(f"{given!r} is not the id of a boundary plan; give one back as it came.")


def draft_of(given: PlanBoundaryChangeInput) -> Draft:
    """What a client wants, with its outlines in WGS 84. Raises Invalid for what is no outline."""
    shapes = _shapes(given)
    return Draft(
        given.from_,
        tuple(
            DraftGrid(each.code, shape, tuple(each.together or ()), each.name, each.community)
            for each, shape in zip(given.grids, shapes, strict=True)
        ),
        tuple(given.ends),
        given.datum.value,
        given.tolerance,
        given.ground_may_change,
    )


def _shapes(given: PlanBoundaryChangeInput) -> list[bytes | None]:
    """WKB of each outline, None where there is none."""
    drawn = [i for i, each in enumerate(given.grids) if each.outline is not None]
    names = [given.grids[i].code or f"{i + 1} of the list" for i in drawn]
    written = [wkb_of(given.grids[i].outline) for i in drawn]
    if b"" in written:
        raise Invalid(
            f"The outline of grid {names[written.index(b'')]} is no GeoJSON geometry; give a "
            "Polygon or MultiPolygon, and no Feature around it."
        )
    checked = check_geometries(
        written,
        drawn,
        names,
        wanted=GeometryKind.POLYGON,
        box=None,
        repair=False,
    )
    if checked.problems:
        problem = checked.problems[0]
        remedy = problem.remedy.partition(", or import")[0].rstrip(".")
        raise Invalid(
            f"The outline of grid {problem.code}: {problem.message}. {remedy}.",
            reason="NO_OUTLINE",
            grid=problem.code,
        )
    shapes: list[bytes | None] = [None] * len(given.grids)
    moved = geometries_to_wgs84(checked.geometries, given.datum)
    for i, shape in zip(drawn, moved, strict=True):
        shapes[i] = shapely.to_wkb(shape)
    return shapes


def _moves(content: store_contents.Content, *, sees_reports: bool) -> list[BoundaryMove]:
    pairs = {(each.before, each.after): each.area_m2 for each in content.flows}
    counts: dict[str, Counter[tuple[str | None, str | None]]] = {
        "buildings": Counter((each.before, each.after) for each in content.buildings),
        "open_reports": Counter((each.before, each.after) for each in content.reports),
        "sponsorships": Counter((each.before, each.after) for each in content.sponsorships),
        "households": Counter(),
    }
    for each in content.buildings:
        counts["households"][each.before, each.after] += each.households
    # Of a point on a border no ground need move with it.
    points = {*counts["buildings"], *(counts["open_reports"] if sees_reports else ())}
    every = [*pairs, *sorted(points - {*pairs}, key=str)]
    return [
        BoundaryMove(
            grid_before=pair[0],
            grid_after=pair[1],
            area=pairs.get(pair, 0.0),
            buildings=counts["buildings"][pair],
            households=counts["households"][pair],
            open_reports=counts["open_reports"][pair] if sees_reports else None,
            sponsorships=counts["sponsorships"][pair],
        )
        for pair in every
    ]


def _piece(row: store_contents.Piece) -> PlannedPiece:
    return PlannedPiece(area=row.area_m2, grids=row.grids, row=row)


def _outline(written: str | None, datum: Datum) -> GeoJSON | None:
    return geojson(bytes.fromhex(written), datum) if written is not None else None


def _point(longitude: float, latitude: float, datum: Datum) -> GeoJSON:
    return geojson(shapely.to_wkb(shapely.Point(longitude, latitude)), datum)
