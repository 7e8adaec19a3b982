"""Reports as clients see them, and which of them a client asks for."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import strawberry
from graphql.pyutils import AwaitableOrValue
from strawberry.scalars import JSON

from gridmap.errors import Forbidden, Invalid, TooLarge
from gridmap.geo.datums import Datum
from gridmap.schema.buildings import Building, building
from gridmap.schema.connections import After, Connection, Edge, First, PageInfo, page_slice
from gridmap.schema.connections import connection as page_of
from gridmap.schema.context import Context, Info
from gridmap.schema.grids import Grid, grid, grid_as_it_was
from gridmap.schema.nodes import GlobalId, Node
from gridmap.schema.photos import Photo, photo
from gridmap.schema.points import BoundsInput, Point, bounds_of, point_in
from gridmap.schema.regions import Region, region_of, regions_below
from gridmap.schema.report_types import HandlerKind, ReportOrder, ReportSource, Urgency
from gridmap.schema.scalars import Cursor, GeoJSON, aware
from gridmap.schema.sponsors import Sponsor, sponsor_of
from gridmap.store import buildings as store_buildings
from gridmap.store import grids as store_grids
from gridmap.store import regions as store_regions
from gridmap.store import reports as store
from gridmap.store import standings as store_standings
from gridmap.store import submissions
from gridmap.store import workers as store_workers
from gridmap.store.audit import named
from gridmap.store.dates import CHINA
from gridmap.store.locations import spots_at
from gridmap.store.loop import Action, Level, State
from gridmap.store.paging import Key, Slice
from gridmap.store.permissions import Permission, extent
from gridmap.store.report_rules import Category
from gridmap.store.scopes import EVERYTHING, Scope
from gridmap.store.viewers import Role, Viewer

_LONGEST_TEXT = 100


@strawberry.type(description="What a report is about; two levels, which districts set.")
class ReportCategory:
    code: str
    name: str
    row: strawberry.Private[Category]

    @strawberry.field(description="The main category that it belongs to, if it is none itself.")
    async def parent(self, info: Info) -> ReportCategory | None:
        if self.row.parent_code is None:
            return None
        rules = await info.context.report_rules()
        return report_category(rules.category(self.row.parent_code))

    @strawberry.field
    async def children(self, info: Info) -> list[ReportCategory]:
        rules = await info.context.report_rules()
        return [report_category(row) for row in rules.categories_below(self.code)]


def report_category(row: Category) -> ReportCategory:
    return ReportCategory(code=row.code, name=row.name, row=row)


@strawberry.type(description="To whom a report is dispatched.")
class Handler:
    kind: HandlerKind
    known: strawberry.Private[str | None]
    report: strawberry.Private[store.Report]

    @strawberry.field(
        description="Of a building member null to those who do not handle the report: a person; "
        "and to all when personal data was taken out."
    )
    def code(self, info: Info) -> str | None:
        if self.known is not None and self.kind is HandlerKind.BUILDING_MEMBER:
            info.context.note_read("handlers", *self.report.report_key)
        return self.known

    @strawberry.field(description="Of a sponsor, a grid worker or a region; a member has none.")
    async def name(self, info: Info) -> str | None:
        context, code = info.context, self.known
        if code is None or self.kind is HandlerKind.BUILDING_MEMBER:
            return None
        found: Sponsor | store_regions.Region | store_workers.Worker | None
        if self.kind is HandlerKind.SPONSOR:
            found = await sponsor_of(context, code)
        elif self.kind is HandlerKind.REGION:
            found = await context.load(store_regions.regions_by_code, code)
        else:
            key = Key(code, self.report.district_code)
            found = await context.load(store_workers.workers_by_key, key)
        return found.name if found else None


@strawberry.type(description="Who sent a report. Told to those who handle it, and to nobody else.")
class Reporter:
    name: str | None
    phone: str | None


@strawberry.type(description="Something that was done to a report. Never changed or deleted.")
class ReportEvent:
    version: int = strawberry.field(description="The report's version that it made.")
    action: Action
    state: State = strawberry.field(description="In which it left the report.")
    at: datetime.datetime
    actor_role: str
    note: str
    row: strawberry.Private[store.Event]
    sender: strawberry.Private[Viewer | None]

    @strawberry.field(
        description="What the action was given, and what the report said before, by action; "
        "without other reports that the viewer may not see."
    )
    async def details(self, info: Info) -> JSON:
        details = _without_persons(self.row.details)
        return JSON(await _without_others(_asking(info, self.sender), self.row, details))

    @strawberry.field(description="Those that came with it.")
    async def photos(self, info: Info) -> list[Photo]:
        key = store.ReportKey(self.row.district_code, self.row.report_id)
        rows = await _photos(_asking(info, self.sender), key)
        return [row for version, row in rows if version == self.version]


def report_event(row: store.Event, sender: Viewer | None = None) -> ReportEvent:
    """The row as a node. `sender`: as for `report`."""
    return ReportEvent(
        version=row.version,
        action=Action(row.action),
        state=State(row.state),
        at=row.at,
        actor_role=row.actor_role,
        note=row.note,
        row=row,
        sender=sender,
    )


def _asking(info: Info, sender: Viewer | None) -> Context:
    return info.context if sender is None else info.context.asked_by(sender)


async def _photos(context: Context, key: store.ReportKey) -> list[tuple[int, Photo]]:
    """A report's photos, each with the version that it came with; none for whoever may not see
    reports. Their addresses let in whoever has them."""
    if extent(context.viewer, Permission.SEE_REPORTS) is None:
        return []
    rows = await context.load(store.photos_of_reports, key)
    return [(version, photo(context, row)) for version, row in rows]


def _without_persons(details: dict[str, Any]) -> dict[str, Any]:
    """What an event says, without the names of building members, which are for few to know."""
    given, before = details.get("given", {}), details.get("changed", {})
    member = "BUILDING_MEMBER"
    if given.get("handler", [None])[0] == member:
        details = details | {"given": given | {"handler": [member, None]}}
    if before.get("handler_kind") == member:
        details = details | {"changed": before | {"handler_code": None}}
    return details


async def _without_others(
    context: Context, row: store.Event, details: dict[str, Any]
) -> dict[str, Any]:
    """What an event says, without the ids of reports that the viewer may not see: those that it
    could be one with, and the one that it was merged into."""
    near: list[str] = details.get("duplicates", [])
    given, before = details.get("given", {}), details.get("changed", {})
    named = {*near, given.get("into"), before.get("merged_into")} - {None}
    if not named or (scope := await context.scope()).is_all:
        return details
    keys = [store.ReportKey(row.district_code, UUID(each)) for each in named]
    rows = await asyncio.gather(*(context.load(store.reports_by_key, key, scope) for key in keys))
    seen = {str(each.id) for each in rows if each is not None}
    shown = dict(details)
    if near:
        shown["duplicates"] = [each for each in near if each in seen]
    for name, said, key in (("given", given, "into"), ("changed", before, "merged_into")):
        if said.get(key) is not None and said[key] not in seen:
            shown[name] = said | {key: None}
    return shown


@strawberry.type(description="Something at a place that a resident or a grid worker reported.")
class Report(Node):
    number: str = strawberry.field(description="What it is called on the phone.")
    version: int = strawberry.field(description="To be given back with an action.")
    state: State
    urgency: Urgency
    source: ReportSource
    description: str
    accuracy: float | None = strawberry.field(description="Metres, as the device said.")
    captured_at: datetime.datetime
    received_at: datetime.datetime
    level: Level
    deadline: datetime.datetime | None = strawberry.field(description="By when it is to be closed.")
    step_deadline: datetime.datetime | None = strawberry.field(
        description="By when its next step is to be done; of a suspended one, when that ends."
    )
    state_since: datetime.datetime
    replied_at: datetime.datetime | None = strawberry.field(
        description="The first action of somebody else than the reporter."
    )
    closed_at: datetime.datetime | None
    rating: int | None = strawberry.field(description="1 to 5.")
    row: strawberry.Private[store.Report]
    sender: strawberry.Private[Viewer | None]

    def global_id(self) -> GlobalId:
        return GlobalId("Report", self.row.district_code, str(self.row.id))

    @strawberry.field
    async def category(self, info: Info) -> ReportCategory:
        rules = await info.context.report_rules()
        return report_category(rules.category(self.row.category_code))

    @strawberry.field(description="The position as it was given, in its own datum.")
    def point(self) -> Point:
        row = self.row
        return Point(
            longitude=row.source_longitude,
            latitude=row.source_latitude,
            datum=Datum(row.source_datum),
        )

    @strawberry.field(description="Where it is; datum is that of the answer.")
    def location(self, datum: Datum = Datum.WGS84) -> GeoJSON:
        point = point_in(datum, self.row.longitude, self.row.latitude)
        return GeoJSON({"type": "Point", "coordinates": [point.longitude, point.latitude]})

    @strawberry.field(
        description="Whether it is open and past a deadline, its own or that of its step. While it "
        "is suspended its own does not run."
    )
    def is_overdue(self, info: Info) -> bool:
        overdue_at = self.row.overdue_at
        return overdue_at is not None and overdue_at < info.context.now

    @strawberry.field(
        graphql_type=Region,
        description="The community; where there is no grid, the region around.",
    )
    def region(self, info: Info) -> AwaitableOrValue[Region]:
        return region_of(info.context, self.row.region_code, info.context.today)

    @strawberry.field(
        description="The grid that it lies in on a day, today by default: the one it was reported "
        "in, while its outline is the same. Null where there is none, and while one is to be "
        "chosen."
    )
    async def grid(self, info: Info, on: datetime.date | None = None) -> Grid | None:
        context, row, day = info.context, self.row, on or info.context.today
        key = Key(row.grid_code, row.district_code) if row.grid_code is not None else None
        captured = row.grid_code, row.captured_at.astimezone(CHINA).date()
        place = row.longitude, row.latitude, row.accuracy
        if snapshot := context.snapshot(day):
            current = snapshot.grid(key) if key else None
            found = submissions.grid_now(captured, snapshot.locate(*place), current)
        else:
            current = await context.load(store_grids.grids_on_days, (key, day)) if key else None
            located = await context.load(
                spots_at, place, on=day, building_reach_metres=context.building_reach_metres
            )
            found = submissions.grid_now(captured, located, current)
        return grid(found, day) if found else None

    @strawberry.field(
        description="The grid that it was reported in, as it was when it was captured; null where "
        "there was none, and while one is to be chosen."
    )
    async def captured_grid(self, info: Info) -> Grid | None:
        if self.row.grid_code is None:
            return None
        row = await info.context.load(
            store_grids.grids_at_capture, capture_of(self.row, self.row.grid_code)
        )
        return grid_as_it_was(row, info.context.today) if row else None

    @strawberry.field(description="The building that it was reported at.")
    async def building(self, info: Info) -> Building | None:
        if self.row.building_code is None:
            return None
        key, today = Key(self.row.building_code, self.row.district_code), info.context.today
        row = await info.context.load(store_buildings.buildings_by_key, key, today)
        return building(row, today) if row else None

    @strawberry.field(
        description="Who answers: the sponsor of the building, else of the grid, else the one that "
        "answers for all that nobody does (全域兜底). As of capture."
    )
    async def sponsor(self, info: Info) -> Sponsor | None:
        return await sponsor_of(info.context, self.row.sponsor_code)

    @strawberry.field
    async def handler(self, info: Info) -> Handler | None:
        kind, code, viewer = self.row.handler_kind, self.row.handler_code, info.context.viewer
        if kind is None:
            return None
        if HandlerKind(kind) is HandlerKind.BUILDING_MEMBER:
            standing = await info.context.load(store_standings.standings, self.row, viewer)
            if not store_standings.is_told_of_persons(standing, viewer):
                code = None
        return Handler(kind=HandlerKind(kind), known=code, report=self.row)

    @strawberry.field(
        description="The report that it was merged into; null for whoever may not see that one."
    )
    async def merged_into(self, info: Info) -> Report | None:
        if self.row.merged_into is None:
            return None
        return await report_of(
            info.context, store.ReportKey(self.row.district_code, self.row.merged_into)
        )

    @strawberry.field(
        description="The reports that were merged into it, of those that one may see, newest first."
    )
    async def merged(
        self, info: Info, first: First = None, after: After = None
    ) -> ReportConnection:
        context, key, cut = info.context, self.row.report_key, page_slice(first, after)
        scope = await context.scope()
        found = await context.load(store.reports_merged_into, key, scope, cut)
        return _connection(
            *found, cut, lambda: context.load(store.count_reports_merged_into, key, scope)
        )

    @strawberry.field(description="Those that it came with, and then those of later events.")
    async def photos(self, info: Info) -> list[Photo]:
        context = _asking(info, self.sender)
        return [row for _, row in await _photos(context, self.row.report_key)]

    @strawberry.field(description="All that happened to it, from the first on.")
    async def events(self, info: Info) -> list[ReportEvent]:
        context = _asking(info, self.sender)
        rows = await context.load(store.events_of_reports, self.row.report_key)
        return [report_event(row, self.sender) for row in rows]

    @strawberry.field(
        description="What the viewer may do with it as it stands. What an action is given must do "
        "too: the grid that is chosen, or the report to merge into."
    )
    async def actions(self, info: Info) -> list[Action]:
        context, viewer = info.context, info.context.viewer
        rules = await context.report_rules()
        standing = await context.load(store_standings.standings, self.row, viewer)
        choice = self.row.grid_code is None and await context.load(
            store_standings.are_to_be_chosen, self.row
        )
        possible = store_standings.possible(
            self.row, standing, viewer, rules, is_to_be_chosen=choice
        )
        if not store_standings.REFUSED_TO_HOLDERS.isdisjoint(possible) and await context.load(
            store.hold_others, self.row.report_key
        ):
            return [each for each in possible if each not in store_standings.REFUSED_TO_HOLDERS]
        return possible

    @strawberry.field(description="Null to those who do not handle the report.")
    async def reporter(self, info: Info) -> Reporter | None:
        context = _asking(info, self.sender)
        standing = await context.load(store_standings.standings, self.row, context.viewer)
        row = standing.reporter
        if row is None or not store_standings.is_told_of_persons(standing, context.viewer):
            return None
        context.note_read("reporters", *self.row.report_key)
        return Reporter(name=row.name, phone=row.phone)


def capture_of(row: store.Report, grid_code: str) -> store_grids.Capture:
    """That it was seen in a grid."""
    day = row.captured_at.astimezone(CHINA).date()
    return store_grids.Capture(Key(grid_code, row.district_code), day, row.longitude, row.latitude)


async def report_of(context: Context, key: store.ReportKey) -> Report | None:
    """The report; None where there is none that the viewer may see."""
    row = await context.load(store.reports_by_key, key, await context.scope())
    return report(row) if row else None


def report(row: store.Report, sender: Viewer | None = None) -> Report:
    """The row as a node, of a report that the viewer may see.

    `sender`: who has its receipt, where whoever asks has just sent it in without an account.
    """
    return Report(
        sender=sender,
        number=row.number,
        version=row.version,
        state=State(row.state),
        urgency=Urgency(row.urgency),
        source=ReportSource(row.source),
        description=row.description,
        accuracy=row.accuracy,
        captured_at=row.captured_at,
        received_at=row.received_at,
        level=Level(row.level),
        deadline=row.due_at,
        step_deadline=row.step_due_at,
        state_since=row.state_since,
        replied_at=row.replied_at,
        closed_at=row.closed_at,
        rating=row.rating,
        row=row,
    )


@strawberry.input(description="Which reports; what is said must all hold.")
class ReportFilter:
    number: str | None = None
    region: str | None = strawberry.field(
        default=None, description="The region's code; all below it are meant."
    )
    grid: str | None = strawberry.field(
        default=None, description="The code of the grid that it was reported in."
    )
    sponsor: str | None = strawberry.field(default=None, description="The code of who answers.")
    handler: str | None = strawberry.field(
        default=None,
        description="The code of the one that it is dispatched to. A member of a building is found "
        "by their own reports, and by those of an office's regions to that office.",
    )
    states: list[State] | None = None
    open: bool | None = strawberry.field(
        default=None, description="Whether something is left to do."
    )
    category: str | None = strawberry.field(
        default=None, description="Its code; a main category means all of its own."
    )
    urgency: Urgency | None = None
    source: ReportSource | None = None
    since: datetime.datetime | None = strawberry.field(
        default=None, description="Received then or later."
    )
    until: datetime.datetime | None = strawberry.field(default=None, description="Received before.")
    bounds: BoundsInput | None = None
    overdue: bool | None = None
    text: str | None = strawberry.field(
        default=None, description="Stands in the description, whatever its case."
    )


@strawberry.type
class ReportConnection:
    edges: list[Edge[Report]]
    page_info: PageInfo
    as_of: Cursor = strawberry.field(
        description="The state of the data that this page shows. Subscribe with it as `after`, and "
        "no change is lost between the page and the stream."
    )
    page: strawberry.Private[Connection[Report]]

    @strawberry.field(description="The nodes of the edges, for those who need no cursors.")
    def nodes(self) -> list[Report]:
        return [edge.node for edge in self.edges]

    @strawberry.field(description="How many there are in all; counted when asked for.")
    async def total_count(self) -> int:
        return await self.page.count()


async def reports_page(
    context: Context, given: ReportFilter | None, order: ReportOrder, cut: Slice
) -> ReportConnection:
    """A page of reports in that order.

    Raises Invalid where what has ended is asked for by deadlines.
    """
    wanted = await _filter_of_list(context, given)
    if order is ReportOrder.NEXT_DEADLINE:
        # Those that are open have an index; to sort all that ever came would take seconds.
        if wanted.is_open is False:
            raise Invalid("What has ended has no deadline to keep: ask for it by NEWEST.")
        wanted = dataclasses.replace(wanted, is_open=True)
    found = await context.run(store.page_of_reports, wanted, cut, store.Order(order.value))
    _note_members(context, wanted, found[0])
    return _connection(*found, cut, lambda: context.run(store.count_reports, wanted), order)


async def reports_of_grid(
    context: Context, code: str, given: ReportFilter | None, cut: Slice
) -> ReportConnection:
    """A page of the reports of a grid; pages of many grids at once take one statement."""
    wanted = await _filter_of_list(context, given)
    found = await context.load(store.reports_of_grids, code, wanted, cut)
    _note_members(context, wanted, found[0])
    return _connection(
        *found, cut, lambda: context.load(store.count_reports_of_grids, code, wanted)
    )


def _connection(
    rows: Sequence[store.Report],
    as_of: str,
    cut: Slice,
    count: Callable[[], Awaitable[int]],
    order: ReportOrder = ReportOrder.NEWEST,
) -> ReportConnection:
    if order is ReportOrder.NEWEST:
        page = page_of(rows, cut, report, count)
    else:
        page = page_of([store.Due(row) for row in rows], cut, lambda due: report(due.report), count)
    return ReportConnection(
        edges=page.edges, page_info=page.page_info, as_of=Cursor(as_of), page=page
    )


def _note_members(
    context: Context, wanted: store.ReportFilter, rows: Sequence[store.Report]
) -> None:
    """Whoever asks by name which reports a building's member handles is told so by the list."""
    for row in rows if wanted.handler is not None else ():
        if row.handler_kind == "BUILDING_MEMBER":
            context.note_read("handlers", *row.report_key)
    if not rows:
        _note_member(context, wanted)  # who may be told how many there are


def _note_member(context: Context, wanted: store.ReportFilter) -> None:
    """The same of what is told of all their reports together: whose, and not which."""
    if wanted.handler is not None and wanted.member_regions != ():
        context.note_read("handlers", "", named(Role.BUILDING_MEMBER, wanted.handler))


async def filter_of(context: Context, given: ReportFilter | None) -> store.ReportFilter:
    """What a client asks for, of what the viewer may see. For what is no list of reports: that it
    was asked for by a member's name is noted.

    Raises Forbidden where that is no report at all, and Invalid for what there is not.
    """
    wanted = await _filter_of_list(context, given)
    _note_member(context, wanted)
    return wanted


async def _filter_of_list(context: Context, given: ReportFilter | None) -> store.ReportFilter:
    return await _checked(context, given or ReportFilter(), await context.scope_of_lists())


async def map_filter_of(
    context: Context, given: ReportFilter | None
) -> tuple[store.ReportFilter, bool]:
    """The same of a map, and whether it is the public's: of all reports, and coarse.

    Those have the public's who may see none, or those alone that they sent. Raises Forbidden for
    a filter by which the public could tell reports apart.
    """
    scope = await map_scope(context, given)
    wanted = await _checked(context, given or ReportFilter(), scope or EVERYTHING)
    _note_member(context, wanted)
    return wanted, scope is None


async def map_scope(context: Context, given: ReportFilter | None) -> Scope | None:
    """Which reports a map may show exactly; None where it is the public's. Raises Forbidden as
    `map_filter_of` does."""
    scope = await context.scope()
    if scope.is_of_places:
        return scope.of_places
    _check_public(given or ReportFilter())
    return None


_A_MIDNIGHT = datetime.datetime(2000, 1, 1, tzinfo=CHINA)
_DAY = datetime.timedelta(days=1)
_OF_PUBLIC = ("region", "grid", "category", "since", "until", "bounds")


def _check_public(given: ReportFilter) -> None:
    others = [
        field.name
        for field in dataclasses.fields(given)
        if field.name not in _OF_PUBLIC and getattr(given, field.name) is not None
    ]
    if others:
        raise Forbidden(
            f"A map for the public cannot be filtered by {', '.join(others)}, but by "
            f"{', '.join(_OF_PUBLIC)}. Sign in as somebody who handles reports there."
        )
    for name in ("since", "until"):
        moment = getattr(given, name)
        if moment is not None and (aware(name, moment) - _A_MIDNIGHT) % _DAY:
            raise Forbidden(
                f"A map for the public is of whole days, and {name} is {moment.isoformat()}: give "
                "a midnight in China (+08:00), or sign in as somebody who handles reports there."
            )


async def _checked(context: Context, given: ReportFilter, scope: Scope) -> store.ReportFilter:
    rules = await context.report_rules()
    categories = None
    if given.category is not None:
        main = rules.category(given.category)
        categories = (main.code, *(each.code for each in rules.categories_below(main.code)))
    text = given.text.strip() if given.text is not None else None
    if text == "":
        raise Invalid("text is empty; leave it out to have all reports.")
    if text is not None and len(text) > _LONGEST_TEXT:
        raise TooLarge(f"text has {len(text)} characters; at most {_LONGEST_TEXT} are looked for.")
    for name in ("since", "until"):
        moment = getattr(given, name)
        if moment is not None:
            aware(name, moment)
    regions = await regions_below(context, given.region)
    members: list[str] | None = None
    if given.handler is not None:
        members = await context.run(
            store_standings.regions_of_member, given.handler, context.viewer
        )
    return store.ReportFilter(
        context.now,
        scope,
        serial=_serial(given.number),
        regions=tuple(regions) if regions is not None else None,
        grid=given.grid,
        sponsor=given.sponsor,
        handler=given.handler,
        member_regions=tuple(members) if members is not None else None,
        states=tuple(given.states) if given.states is not None else None,
        is_open=given.open,
        categories=categories,
        urgencies=(str(given.urgency.value),) if given.urgency else None,
        sources=(str(given.source.value),) if given.source else None,
        since=given.since,
        until=given.until,
        bounds=bounds_of(given.bounds),
        is_overdue=given.overdue,
        text=text,
    )


def _serial(number: str | None) -> tuple[str, int] | None:
    """District and serial of a number as it is said on the phone."""
    if number is None:
        return None
    district_code, _, serial = number.strip().rpartition("-")
    if not (district_code and serial.isascii() and serial.isdigit() and len(serial) < 19):
        raise Invalid(f"{number!r} is no number of a report; one looks like 230402-1042.")
    return district_code, int(serial)


def report_key(given: strawberry.ID) -> store.ReportKey:
    """The report that a global id names. Raises Invalid where it names none."""
    wanted = GlobalId.decoded(given)
    try:
        if wanted.type == "Report" and not wanted.version:
            return store.ReportKey(wanted.district_code, UUID(wanted.code))
    except ValueError:
        pass
    raise Invalid(f"{given!r} is not the id of a report; give one back as it came.")
