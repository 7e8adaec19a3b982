"""Where queries begin."""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable
from typing import Annotated

import strawberry
from graphql import GraphQLError
from graphql.pyutils import AwaitableOrValue
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from gridmap.errors import Invalid
from gridmap.geo.sharing import EVENNESS
from gridmap.schema.audit import AuditEntry, audit_log
from gridmap.schema.boundary_changes import BoundaryMutation
from gridmap.schema.boundary_plans import (
    BoundaryPlan,
    boundary_plan,
    boundary_plans,
    plan_key,
)
from gridmap.schema.buildings import Building, building
from gridmap.schema.connections import After, Connection, First, connection, page_slice
from gridmap.schema.context import Context, Info
from gridmap.schema.coverage import Coverage, coverage
from gridmap.schema.grid_history import (
    BoundaryDifference,
    GridVersion,
    boundary_difference,
    grid_history,
)
from gridmap.schema.grids import Grid, grid, grid_as_it_was
from gridmap.schema.locations import Location, locate, locate_many
from gridmap.schema.member_cards import MemberCard, MemberCardMutation, card_key, member_card
from gridmap.schema.nodes import GlobalId, Node
from gridmap.schema.points import BoundsInput, PointInput, bounds_of
from gridmap.schema.regions import Region, region, regions_below
from gridmap.schema.report_figures import (
    By,
    DueSince,
    DueUntil,
    FirstGroups,
    ReportFigures,
    report_figures,
)
from gridmap.schema.report_maps import Hotspot, ReportCluster, hotspots, report_clusters
from gridmap.schema.report_mutations import ReportMutation
from gridmap.schema.report_subscription import Subscription
from gridmap.schema.report_trends import (
    Days,
    FirstTrends,
    GridTrend,
    LastDay,
    Periods,
    report_trends,
)
from gridmap.schema.report_types import ReportOrder
from gridmap.schema.reports import (
    Report,
    ReportCategory,
    ReportConnection,
    ReportFilter,
    report_category,
    report_key,
    report_of,
    reports_page,
)
from gridmap.schema.scalars import SCALARS
from gridmap.schema.search import SearchHit, search
from gridmap.schema.sponsor_plans import Evenness, SponsorshipPlan, suggest_sponsorships
from gridmap.schema.sponsors import Sponsor, sponsor
from gridmap.schema.sponsorships import (
    Sponsorship,
    SponsorshipMutation,
    sponsorship,
    sponsorship_key,
)
from gridmap.schema.viewers import Viewer, viewer
from gridmap.schema.visits import Visit, VisitMutation, visit, visit_key
from gridmap.schema.workers import GridWorker, grid_worker
from gridmap.store import boundary_plans as store_boundary_plans
from gridmap.store import buildings as store_buildings
from gridmap.store import grids as store_grids
from gridmap.store import member_cards as store_member_cards
from gridmap.store import regions as store_regions
from gridmap.store import sponsors as store_sponsors
from gridmap.store import sponsorships as store_sponsorships
from gridmap.store import visits as store_visits
from gridmap.store import workers as store_workers
from gridmap.store.paging import Key
from gridmap.store.report_figures import Order


@strawberry.type
class Query:
    @strawberry.field(
        graphql_type=Location,
        description="Which grid and which sponsor answer for this point.",
    )
    def locate(
        self, info: Info, point: PointInput, on: datetime.date | None = None
    ) -> AwaitableOrValue[Location]:
        return locate(info.context, point, on or info.context.today)

    @strawberry.field(
        graphql_type=list[Location],
        description="The same for many points, in their order. At most 10 000.",
    )
    def locate_many(
        self, info: Info, points: list[PointInput], on: datetime.date | None = None
    ) -> AwaitableOrValue[list[Location]]:
        return locate_many(info.context, points, on or info.context.today)

    @strawberry.field(
        description="Whatever has this id; null when it is gone. What is told of it is as it "
        "stands on a day, today by default. The id of a grid names one version, and on a day of "
        "another is null; where no day is said, one that has ended is shown as on its first day."
    )
    async def node(
        self, info: Info, id: strawberry.ID, on: datetime.date | None = None
    ) -> Node | None:
        wanted = GlobalId.decoded(id)
        if wanted.type not in _NODES:
            raise Invalid(f"{id!r} is not an id of this server; give one back as it came.")
        return await _NODES[wanted.type](info.context, wanted, on)

    @strawberry.field(
        description="Addressed by 2, 4, 6, 9 or 12 digits of the statistical code; its grids as "
        "they stand on a day, today by default."
    )
    async def region(self, info: Info, code: str, on: datetime.date | None = None) -> Region | None:
        row = await info.context.load(store_regions.regions_by_code, code)
        return region(row, on or info.context.today) if row else None

    @strawberry.field(description="Those that lie in no other that is kept, by code.")
    async def regions(self, info: Info) -> list[Region]:
        rows = await info.context.run(store_regions.top_regions)
        return [region(row, info.context.today) for row in rows]

    @strawberry.field(
        description="Regions, sponsors, grids and buildings by a part of their name, or by how "
        "their code begins: what is called just so first. Words may be left out and come in any "
        "order."
    )
    async def search(
        self,
        info: Info,
        text: str,
        on: datetime.date | None = None,
        first: Annotated[int, strawberry.argument(description="How many; at most 100.")] = 10,
    ) -> list[SearchHit]:
        return await search(info.context, text, on or info.context.today, first)

    @strawberry.field(description="The grid as it stands on a day, today by default.")
    async def grid(self, info: Info, code: str, on: datetime.date | None = None) -> Grid | None:
        day = on or info.context.today
        row = await info.context.load(store_grids.grids_by_code, code, day)
        return grid(row, day) if row else None

    @strawberry.field(description="By code; as they stand on a day, today by default.")
    async def grids(
        self,
        info: Info,
        region: str | None = None,
        bounds: BoundsInput | None = None,
        on: datetime.date | None = None,
        first: First = None,
        after: After = None,
    ) -> Connection[Grid]:
        day, cut, context = on or info.context.today, page_slice(first, after), info.context
        box, regions = bounds_of(bounds), await regions_below(context, region)
        wanted = store_grids.GridFilter(day, regions, box)
        rows = await context.run(store_grids.page_of_grids, wanted, cut)
        return connection(
            rows,
            cut,
            lambda row: grid(row, day),
            lambda: context.run(store_grids.count_grids, wanted),
        )

    @strawberry.field(
        description="Its grid, sponsor and management as they stand on a day, today by default."
    )
    async def building(
        self, info: Info, code: str, on: datetime.date | None = None
    ) -> Building | None:
        day = on or info.context.today
        row = await info.context.load(store_buildings.buildings_by_code, code, day)
        return building(row, day) if row else None

    @strawberry.field(
        description="By code; in a region, in a grid, of a sponsor, within bounds. As things stand "
        "on a day, today by default."
    )
    async def buildings(
        self,
        info: Info,
        region: str | None = None,
        grid: str | None = None,
        sponsor: str | None = None,
        bounds: BoundsInput | None = None,
        on: datetime.date | None = None,
        first: First = None,
        after: After = None,
    ) -> Connection[Building]:
        day, cut, context = on or info.context.today, page_slice(first, after), info.context
        box, regions = bounds_of(bounds), await regions_below(context, region)
        wanted = store_buildings.BuildingFilter(day, regions, grid, sponsor, box)
        rows = await context.run(store_buildings.page_of_buildings, wanted, cut)
        return connection(
            rows,
            cut,
            lambda row: building(row, day),
            lambda: context.run(store_buildings.count_buildings, wanted),
        )

    @strawberry.field(
        description="What it answers for as it stands on a day, today by default; its reports as "
        "they stand now."
    )
    async def sponsor(
        self, info: Info, code: str, on: datetime.date | None = None
    ) -> Sponsor | None:
        row = await info.context.load(store_sponsors.sponsors_by_code, code)
        return sponsor(row, on or info.context.today) if row else None

    @strawberry.field(
        description="By code; those that belong to the region or answer in it on a day, today by "
        "default."
    )
    async def sponsors(
        self,
        info: Info,
        region: str | None = None,
        on: datetime.date | None = None,
        first: First = None,
        after: After = None,
    ) -> Connection[Sponsor]:
        day, cut, context = on or info.context.today, page_slice(first, after), info.context
        regions = await regions_below(context, region)
        rows = await context.run(store_sponsors.page_of_sponsors, regions, day, cut)
        return connection(
            rows,
            cut,
            lambda row: sponsor(row, day),
            lambda: context.run(store_sponsors.count_sponsors, regions, day),
        )

    @strawberry.field(
        description="What nobody covers in a region, as it stands on a day, today by default."
    )
    async def coverage(self, info: Info, region: str, on: datetime.date | None = None) -> Coverage:
        return await coverage(info.context, region, on or info.context.today)

    @strawberry.field(
        description="Who could answer for the buildings of a region that have no sponsor on a day, "
        "today by default: by nearness and load. Writes nothing."
    )
    async def suggest_sponsorships(
        self,
        info: Info,
        region: str,
        on: datetime.date | None = None,
        evenness: Evenness = EVENNESS,
    ) -> SponsorshipPlan:
        day = on or info.context.today
        return await suggest_sponsorships(info.context, region, day, evenness)

    @strawberry.field(description="The versions of a grid, the newest first.")
    async def grid_history(
        self, info: Info, code: str, first: First = None, after: After = None
    ) -> Connection[GridVersion]:
        return await grid_history(info.context, code, page_slice(first, after))

    @strawberry.field(
        description="Two days compared: which ground of a region went from which grid to which."
    )
    async def boundary_difference(
        self,
        info: Info,
        region: str,
        from_: Annotated[datetime.date, strawberry.argument(name="from")],
        to: datetime.date,
    ) -> BoundaryDifference:
        return await boundary_difference(info.context, region, from_, to)

    @strawberry.field(description="By its id; null where there is no such plan.")
    async def boundary_plan(self, info: Info, id: strawberry.ID) -> BoundaryPlan | None:
        row = await info.context.load(store_boundary_plans.plans_by_key, plan_key(id))
        return boundary_plan(row) if row else None

    @strawberry.field(
        description="The plans of a district, applied or not, newest first. For the office of the "
        "district, and for those who see all."
    )
    async def boundary_plans(
        self, info: Info, district: str, first: First = None, after: After = None
    ) -> Connection[BoundaryPlan]:
        return await boundary_plans(info.context, district, page_slice(first, after))

    @strawberry.field(description="By its id; null where there is none that one may see.")
    async def report(self, info: Info, id: strawberry.ID) -> Report | None:
        return await report_of(info.context, report_key(id))

    @strawberry.field(description="Those that one may see; newest first, unless it is said.")
    async def reports(
        self,
        info: Info,
        filter: ReportFilter | None = None,
        first: First = None,
        after: After = None,
        order: ReportOrder = ReportOrder.NEWEST,
    ) -> ReportConnection:
        return await reports_page(info.context, filter, order, page_slice(first, after))

    @strawberry.field(
        description="Reports merged for a map at a zoom level (of 512-pixel tiles). Whoever "
        "handles reports is told of those exactly, and the counts add up to the matching ones in "
        "the bounds. To all others it is the public's map: of all reports, each in the middle of a "
        "square of about 100 m (at zooms 0 to 12 of 800 m) and told with four others there, when "
        "the fifth has come; by region, grid, category, since and until (midnights in China) and "
        "bounds alone."
    )
    async def report_clusters(
        self, info: Info, bounds: BoundsInput, zoom: int, filter: ReportFilter | None = None
    ) -> list[ReportCluster]:
        return await report_clusters(info.context, bounds, zoom, filter)

    @strawberry.field(
        description="Places where reports are denser than around them (DBSCAN, radius in metres), "
        "those of most reports first. A report at the edge of several, too lonely to make one "
        "itself, is in that of the first report by number that it is within reach of. Of the same "
        "reports as reportClusters."
    )
    async def hotspots(
        self,
        info: Info,
        region: str,
        filter: ReportFilter | None = None,
        radius: float = 80,
        min_reports: int = 5,
    ) -> list[Hotspot]:
        return await hotspots(info.context, region, filter, radius, min_reports)

    @strawberry.field(description="The main categories of reports, by code.")
    async def report_categories(self, info: Info) -> list[ReportCategory]:
        rules = await info.context.report_rules()
        return [report_category(row) for row in rules.main_categories]

    @strawberry.field(
        description="Figures of the reports that match; where dueSince or dueUntil is given, of "
        "those alone whose deadline lies in that time."
    )
    async def report_figures(
        self,
        info: Info,
        filter: ReportFilter | None = None,
        due_since: DueSince = None,
        due_until: DueUntil = None,
        by: By = None,
        order: Order = Order.GROUP,
        first: FirstGroups = None,
    ) -> list[ReportFigures]:
        return await report_figures(
            info.context, filter, (due_since, due_until), by or [], order, first
        )

    @strawberry.field(
        description="The grids of a region that have reports in these periods, the most surprising "
        "first: by how improbable the number of the last period is beside the grid's own past."
    )
    async def report_trends(
        self,
        info: Info,
        region: str,
        filter: ReportFilter | None = None,
        days: Days = 7,
        periods: Periods = 12,
        on: LastDay = None,
        first: FirstTrends = 100,
    ) -> list[GridTrend]:
        return await report_trends(info.context, region, filter, (days, periods, on), first)

    @strawberry.field(
        description="Who wrote what, and who was told personal data, newest first. For auditors "
        "and administrators."
    )
    async def audit_log(
        self,
        info: Info,
        district: Annotated[
            str | None, strawberry.argument(description="The code of a district.")
        ] = None,
        from_: Annotated[
            datetime.datetime | None, strawberry.argument(name="from", description="Then or later.")
        ] = None,
        to: Annotated[
            datetime.datetime | None, strawberry.argument(description="Before then.")
        ] = None,
        who: Annotated[
            str | None, strawberry.argument(description="A subject or an account.")
        ] = None,
        first: First = None,
        after: After = None,
    ) -> Connection[AuditEntry]:
        return await audit_log(info.context, district, from_, to, who, page_slice(first, after))

    @strawberry.field(description="Who asks, by the token that came with the request.")
    def viewer(self, info: Info) -> Viewer:
        return viewer(info.context.viewer, info.context.ends_at)


async def _region_node(context: Context, wanted: GlobalId, on: datetime.date | None) -> Node | None:
    row = await context.load(store_regions.regions_by_code, wanted.code)
    return region(row, on or context.today) if row else None


async def _grid_node(context: Context, wanted: GlobalId, on: datetime.date | None) -> Node | None:
    try:
        valid_from = datetime.date.fromisoformat(wanted.version)
    except ValueError as error:
        raise Invalid(f"The id of grid {wanted.code!r} names no version of it.") from error
    version = store_grids.GridVersion(wanted.district_code, wanted.code, valid_from)
    row = await context.load(store_grids.grids_by_version, version)
    if row is None or on is None:
        return grid_as_it_was(row, context.today) if row else None
    return grid(row, on) if row.holds_on(on) else None


async def _building_node(
    context: Context, wanted: GlobalId, on: datetime.date | None
) -> Node | None:
    key, day = Key(wanted.code, wanted.district_code), on or context.today
    row = await context.load(store_buildings.buildings_by_key, key, day)
    return building(row, day) if row else None


async def _sponsor_node(
    context: Context, wanted: GlobalId, on: datetime.date | None
) -> Node | None:
    row = await context.load(store_sponsors.sponsors_by_code, wanted.code)
    return sponsor(row, on or context.today) if row else None


async def _sponsorship_node(
    context: Context, wanted: GlobalId, on: datetime.date | None
) -> Node | None:
    key = sponsorship_key(wanted.encoded())
    row = await context.load(store_sponsorships.sponsorships_by_key, key)
    return sponsorship(row, on or context.today) if row else None


async def _visit_node(context: Context, wanted: GlobalId, _: datetime.date | None) -> Node | None:
    row = await context.load(store_visits.visits_by_key, visit_key(wanted))
    return visit(row) if row else None


async def _member_card_node(
    context: Context, wanted: GlobalId, _: datetime.date | None
) -> Node | None:
    row = await context.load(store_member_cards.cards_by_key, card_key(wanted))
    return member_card(row) if row else None


async def _worker_node(context: Context, wanted: GlobalId, _: datetime.date | None) -> Node | None:
    key = Key(wanted.code, wanted.district_code)
    row = await context.load(store_workers.workers_by_key, key)
    return grid_worker(row) if row else None


async def _report_node(context: Context, wanted: GlobalId, _: datetime.date | None) -> Node | None:
    return await report_of(context, report_key(wanted.encoded()))


async def _boundary_plan_node(
    context: Context, wanted: GlobalId, _: datetime.date | None
) -> Node | None:
    key = plan_key(wanted.encoded())
    row = await context.load(store_boundary_plans.plans_by_key, key)
    return boundary_plan(row) if row else None


_NODES: dict[str, Callable[[Context, GlobalId, datetime.date | None], Awaitable[Node | None]]] = {
    "Region": _region_node,
    "Grid": _grid_node,
    "Building": _building_node,
    "Sponsor": _sponsor_node,
    "Sponsorship": _sponsorship_node,
    "GridWorker": _worker_node,
    "Report": _report_node,
    "Visit": _visit_node,
    "MemberCard": _member_card_node,
    "BoundaryPlan": _boundary_plan_node,
}


@strawberry.type
class Mutation(
    ReportMutation, SponsorshipMutation, VisitMutation, MemberCardMutation, BoundaryMutation
): ...


class _QuietSchema(strawberry.Schema):
    """Errors are told to the client, and logged where nobody foresaw them, by the rim."""

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None: ...


schema = _QuietSchema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    types=[
        Region,
        Grid,
        Building,
        Sponsor,
        Sponsorship,
        GridWorker,
        Report,
        Visit,
        MemberCard,
        BoundaryPlan,
    ],
    config=StrawberryConfig(scalar_map=SCALARS),
)
