"""Reports: what residents and grid workers saw, where, and how far it has been dealt with.

A report is written by `submissions` and changed by `actions` alone; here it is read.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.expression import TableValuedAlias

from gridmap.geo.bounds import Bounds
from gridmap.store import tables
from gridmap.store.database import protected
from gridmap.store.geometry import lies_in
from gridmap.store.loop import State
from gridmap.store.paging import Key, Slice, among, parents, rows_by_parent
from gridmap.store.photos import Photo
from gridmap.store.scopes import Scope, condition
from gridmap.store.states import STATE_NOW

_table = tables.reports
_event = tables.report_events


class ReportKey(NamedTuple):
    """Names one report for ever."""

    district_code: str
    id: UUID


class Report(NamedTuple):
    """A report as it stands. `longitude` and `latitude` are WGS 84; `source_…` is what was sent."""

    district_code: str
    id: UUID
    serial: int
    version: int
    state: str
    category_code: str
    urgency: str
    source: str
    description: str
    longitude: float
    latitude: float
    source_datum: str
    source_longitude: float
    source_latitude: float
    accuracy: float | None
    captured_at: datetime.datetime
    received_at: datetime.datetime
    region_code: str
    grid_code: str | None
    building_code: str | None
    sponsor_code: str | None
    level: str
    handler_kind: str | None
    handler_code: str | None
    due_at: datetime.datetime | None
    step_due_at: datetime.datetime | None
    state_since: datetime.datetime
    replied_at: datetime.datetime | None
    closed_at: datetime.datetime | None
    ended_at: datetime.datetime | None
    rating: int | None
    merged_into: UUID | None

    @property
    def report_key(self) -> ReportKey:
        return ReportKey(self.district_code, self.id)

    @property
    def key(self) -> Key:
        """Its place in a list, newest first."""
        return Key(f"{self.received_at.isoformat()} {self.id}", self.district_code)

    @property
    def overdue_at(self) -> datetime.datetime | None:
        """The next deadline that it can pass, its own or that of its step; None if none.

        While it is suspended its own does not run.
        """
        if self.ended_at is not None:
            return None
        if self.state == State.SUSPENDED:
            return self.step_due_at
        return min((due for due in (self.due_at, self.step_due_at) if due), default=None)

    @property
    def number(self) -> str:
        """What it is called on the phone."""
        return f"{self.district_code}-{self.serial}"


class Order(StrEnum):
    """Of a list of reports. NEXT_DEADLINE: by `Report.overdue_at`, the soonest first; what has none
    comes last."""

    NEWEST = "NEWEST"
    NEXT_DEADLINE = "NEXT_DEADLINE"


class Due(NamedTuple):
    """A report in its place in a list by deadlines."""

    report: Report

    @property
    def key(self) -> Key:
        due = self.report.overdue_at or _NEVER
        return Key(f"{due.isoformat()} {self.report.id}", self.report.district_code)


# Later than any deadline; a cursor cannot hold PostgreSQL's infinity.
_NEVER = datetime.datetime(9999, 12, 31, tzinfo=datetime.UTC)


class Event(NamedTuple):
    """What happened to a report, and who did it. `details` depend on the action."""

    district_code: str
    report_id: UUID
    version: int
    action: str
    state: str
    at: datetime.datetime
    actor_role: str
    actor_subject: str
    note: str
    details: dict[str, Any]


class Reporter(NamedTuple):
    """Who sent a report: personal data."""

    name: str | None
    phone: str | None


@dataclass(frozen=True, slots=True)
class ReportFilter:
    """Which reports. None is any; what is said must all hold.

    `scope`: those that whoever asks may see. `serial`: district and serial. `regions`: see
    `regions_below`. `grid`: as of capture. `sponsor`: who answers. `handler`: to whom it is
    dispatched; a member of a building is found by it within `member_regions` alone, None for
    everywhere. `categories`: codes. `since`, `until`: when it was received, `until` itself not.
    `is_overdue`: at `now`. `text`: what stands somewhere in the description, whatever its case.
    """

    now: datetime.datetime
    scope: Scope
    serial: tuple[str, int] | None = None
    regions: tuple[str, ...] | None = None
    grid: str | None = None
    sponsor: str | None = None
    handler: str | None = None
    member_regions: tuple[str, ...] | None = None
    states: tuple[str, ...] | None = None
    is_open: bool | None = None
    categories: tuple[str, ...] | None = None
    urgencies: tuple[str, ...] | None = None
    sources: tuple[str, ...] | None = None
    since: datetime.datetime | None = None
    until: datetime.datetime | None = None
    bounds: Bounds | None = None
    is_overdue: bool | None = None
    text: str | None = None


_POSITION = {
    "longitude": "ST_X(location) AS longitude",
    "latitude": "ST_Y(location) AS latitude",
}

REPORT_AS_TEXT = ", ".join(_POSITION.get(name, name) for name in Report._fields)
"""The columns of a `Report`, for a statement that is written as text."""

OVERDUE_AT_AS_TEXT = f"""
    CASE
        WHEN reports.ended_at IS NOT NULL THEN NULL
        WHEN reports.state = '{State.SUSPENDED}' THEN reports.step_due_at
        ELSE least(reports.due_at, reports.step_due_at)
    END
"""
"""`Report.overdue_at`, for a statement that is written as text."""


def _column(name: str) -> ColumnElement[Any]:
    if name == "longitude":
        return func.ST_X(_table.c.location).label(name)
    if name == "latitude":
        return func.ST_Y(_table.c.location).label(name)
    return _table.c[name]


REPORT_COLUMNS = tuple(_column(name) for name in Report._fields)
EVENT_COLUMNS = tuple(_event.c[name] for name in Event._fields)


@protected
async def reports_by_key(
    connection: AsyncConnection, keys: Sequence[ReportKey], scope: Scope
) -> list[Report | None]:
    """One for each key, in their order; None where none is in the scope. Served by reports_pkey."""
    wanted = unnested(keys)
    rows = await connection.execute(
        select(*REPORT_COLUMNS).where(
            tuple_(_table.c.district_code, _table.c.id).in_(wanted), condition(scope)
        )
    )
    found = {(report := Report(*row)).report_key: report for row in rows}
    return [found.get(key) for key in keys]


@protected
async def page_of_reports(
    connection: AsyncConnection, wanted: ReportFilter, cut: Slice, order: Order = Order.NEWEST
) -> tuple[list[Report], str]:
    """In that order, and the state of the data that this is true of: see `states`.

    Served by the index of what is asked for, else by reports_received_idx. By deadlines all that
    match are sorted: ask for open ones, which are few.
    """
    page = _page(matching(select(*REPORT_COLUMNS), wanted), cut, order).subquery("page")
    state = select(literal_column(STATE_NOW, Text).label("as_of")).subquery("state")
    statement = (
        select(state.c.as_of, *page.c)
        .select_from(state.outerjoin(page, true()))
        .order_by(*_ordering(page.c, order))
    )
    rows = (await connection.execute(statement)).all()
    return [Report(*row[1:]) for row in rows if row.id is not None], rows[0].as_of


@protected
async def count_reports(connection: AsyncConnection, wanted: ReportFilter) -> int:
    """How many reports match."""
    statement = matching(select(func.count()).select_from(_table), wanted)
    count: int = (await connection.execute(statement)).scalar_one()
    return count


@protected
async def reports_of_grids(
    connection: AsyncConnection, grids: Sequence[str], wanted: ReportFilter, cut: Slice
) -> list[tuple[list[Report], str]]:
    """For each grid a page of its reports, newest first, and the state that all are true of.

    The pages may show later changes too. Served by reports_grid_idx.
    """
    parent = parents(code=grids)
    rows = matching(select(*REPORT_COLUMNS), wanted).where(_table.c.grid_code == parent.c.code)
    return await _pages(connection, parent, rows, cut, len(grids))


@protected
async def count_reports_of_grids(
    connection: AsyncConnection, grids: Sequence[str], wanted: ReportFilter
) -> list[int]:
    """How many reports of each grid match."""
    parent = parents(code=grids)
    rows = matching(select(func.count()).select_from(_table), wanted).where(
        _table.c.grid_code == parent.c.code
    )
    return [count for [(count,)] in await rows_by_parent(connection, parent, rows, len(grids))]


@protected
async def open_reports_of_sponsors(
    connection: AsyncConnection, codes: Sequence[str], now: datetime.datetime, scope: Scope
) -> list[tuple[int, int]]:
    """How many reports that each sponsor answers for are open, and how many of these overdue, of
    those in the scope.

    Served by reports_open_idx or reports_sponsor_idx.
    """
    rows = await connection.execute(
        select(_table.c.sponsor_code, func.count(), func.count().filter(is_overdue(now)))
        .where(among(_table.c.sponsor_code, codes), _table.c.ended_at.is_(None), condition(scope))
        .group_by(_table.c.sponsor_code)
    )
    found = {code: (count, overdue) for code, count, overdue in rows}
    return [found.get(code, (0, 0)) for code in codes]


@protected
async def events_of_reports(
    connection: AsyncConnection, keys: Sequence[ReportKey]
) -> list[list[Event]]:
    """All that happened to each report, from the first on. Served by report_events_pkey."""
    wanted = unnested(keys)
    rows = await connection.execute(
        select(*EVENT_COLUMNS)
        .where(tuple_(_event.c.district_code, _event.c.report_id).in_(wanted))
        .order_by(_event.c.version)
    )
    found: dict[ReportKey, list[Event]] = {key: [] for key in keys}
    for row in rows:
        found[ReportKey(row.district_code, row.report_id)].append(Event(*row))
    return [found[key] for key in keys]


@protected
async def reports_merged_into(
    connection: AsyncConnection, keys: Sequence[ReportKey], scope: Scope, cut: Slice
) -> list[tuple[list[Report], str]]:
    """For each report a page of those merged into it that are in the scope, newest first, and the
    state of the pages.

    The pages may show later changes too. Served by reports_merged_into_idx.
    """
    parent = _parents(keys)
    rows = select(*REPORT_COLUMNS).where(_is_merged_into(parent), condition(scope))
    return await _pages(connection, parent, rows, cut, len(keys))


@protected
async def count_reports_merged_into(
    connection: AsyncConnection, keys: Sequence[ReportKey], scope: Scope
) -> list[int]:
    """How many reports in the scope were merged into each."""
    parent = _parents(keys)
    rows = select(func.count()).select_from(_table).where(_is_merged_into(parent), condition(scope))
    return [count for [(count,)] in await rows_by_parent(connection, parent, rows, len(keys))]


@protected
async def hold_others(connection: AsyncConnection, keys: Sequence[ReportKey]) -> list[bool]:
    """Whether others were merged into each. Served by reports_merged_into_idx."""
    parent = _parents(keys)
    rows = select(_table.c.id).where(_is_merged_into(parent)).limit(1)
    return [bool(held) for held in await rows_by_parent(connection, parent, rows, len(keys))]


def _parents(keys: Sequence[ReportKey]) -> TableValuedAlias:
    return parents(
        district_code=[key.district_code for key in keys], id=[str(key.id) for key in keys]
    )


def _is_merged_into(parent: TableValuedAlias) -> ColumnElement[bool]:
    return and_(
        _table.c.district_code == parent.c.district_code,
        _table.c.merged_into == cast(parent.c.id, postgresql.UUID),
    )


@protected
async def photos_of_reports(
    connection: AsyncConnection, keys: Sequence[ReportKey]
) -> list[list[tuple[int, Photo]]]:
    """The photos of each report in their order, each with the version that it came with.

    Served by report_photos_pkey.
    """
    taken, photo = tables.report_photos, tables.photos
    rows = await connection.execute(
        select(
            taken.c.district_code,
            taken.c.report_id,
            taken.c.version,
            *(photo.c[name] for name in Photo._fields),
        )
        .join(photo, photo.c.id == taken.c.photo_id)
        .where(tuple_(taken.c.district_code, taken.c.report_id).in_(unnested(keys)))
        .order_by(taken.c.version, taken.c.place)
    )
    found: dict[ReportKey, list[tuple[int, Photo]]] = {key: [] for key in keys}
    for district_code, report_id, version, *said in rows:
        found[ReportKey(district_code, report_id)].append((version, Photo(*said)))
    return [found[key] for key in keys]


def unnested(keys: Sequence[ReportKey]) -> Select[Any]:
    """The keys as rows, sent as two arrays however many they are."""
    codes = literal([key.district_code for key in keys], postgresql.ARRAY(Text))
    ids = literal([key.id for key in keys], postgresql.ARRAY(postgresql.UUID))
    return select(func.unnest(codes, type_=tables.CODE), func.unnest(ids, type_=postgresql.UUID))


def matching(statement: Select[Any], wanted: ReportFilter) -> Select[Any]:
    """The rows of a statement on reports that the filter lets through."""
    return statement.where(*_conditions(wanted))


def _conditions(wanted: ReportFilter) -> list[ColumnElement[bool]]:
    c = _table.c
    conditions: list[ColumnElement[bool]] = []
    asked = {
        "region_code": wanted.regions,
        "grid_code": (wanted.grid,) if wanted.grid is not None else None,
        "sponsor_code": (wanted.sponsor,) if wanted.sponsor is not None else None,
    }
    # Said where it makes a difference, or PostgreSQL would think that it leaves few.
    if not wanted.scope.holds_all(asked):
        conditions.append(condition(wanted.scope))
    if wanted.serial is not None:
        district_code, serial = wanted.serial
        conditions += [c.district_code == district_code, c.serial == serial]
    for column, values in (
        (c.region_code, wanted.regions),
        (c.state, wanted.states),
        (c.category_code, wanted.categories),
        (c.urgency, wanted.urgencies),
        (c.source, wanted.sources),
    ):
        if values is not None:
            conditions.append(among(column, values))
    for column, value in (
        (c.grid_code, wanted.grid),
        (c.sponsor_code, wanted.sponsor),
        (c.handler_code, wanted.handler),
    ):
        if value is not None:
            conditions.append(column == value)
    if wanted.handler is not None and wanted.member_regions is not None:
        is_within = among(c.region_code, wanted.member_regions)
        conditions.append(or_(c.handler_kind != "BUILDING_MEMBER", is_within))
    if wanted.is_open is not None:
        conditions.append(c.ended_at.is_(None) if wanted.is_open else c.ended_at.is_not(None))
    if wanted.since is not None:
        conditions.append(c.received_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(c.received_at < wanted.until)
    if wanted.bounds is not None:
        conditions.append(lies_in(c.location, wanted.bounds))
    if wanted.is_overdue is not None:
        conditions.append(is_overdue(wanted.now, wanted.is_overdue))
    if wanted.text is not None:
        said = literal(wanted.text, Text)
        # Served by reports_words_idx; the pairs may stand apart, so that the text is looked at.
        conditions.append(func.gridmap_words(c.description).op("@>")(func.gridmap_words(said)))
        conditions.append(func.strpos(func.lower(c.description), func.lower(said)) > 0)
    return conditions


def is_overdue(now: datetime.datetime, wanted: bool = True) -> ColumnElement[bool]:
    """Whether a report is past `Report.overdue_at`."""
    # That it is open is said once more, for the indexes of those that are.
    late = and_(_table.c.ended_at.is_(None), _overdue_at(_table.c) < now)
    return late if wanted else func.coalesce(late, False).is_(False)


async def _pages(
    connection: AsyncConnection,
    parent: TableValuedAlias,
    rows: Select[Any],
    cut: Slice,
    how_many: int,
) -> list[tuple[list[Report], str]]:
    """For each parent a page of its reports, and a state before all of them."""
    as_of = await connection.scalar(select(literal_column(STATE_NOW, Text)))
    found = await rows_by_parent(connection, parent, _page(rows, cut), how_many)
    return [([Report(*row) for row in reports], str(as_of)) for reports in found]


def _page(statement: Select[Any], cut: Slice, order: Order = Order.NEWEST) -> Select[Any]:
    if cut.after is not None:
        moment, report_id = cut.after.moment_and_id
        place = tuple_(*_place(_table.c, order))
        after = tuple_(literal(moment), literal(report_id), literal(cut.after.district_code))
        statement = statement.where(place < after if order is Order.NEWEST else place > after)
    return statement.order_by(*_ordering(_table.c, order)).limit(cut.limit)


_Columns: TypeAlias = ReadOnlyColumnCollection[str, ColumnElement[Any]]


def _ordering(c: _Columns, order: Order) -> list[ColumnElement[Any]]:
    place = _place(c, order)
    return [each.desc() for each in place] if order is Order.NEWEST else place


def _place(c: _Columns, order: Order) -> list[ColumnElement[Any]]:
    """What a report is sorted by, as in its key. `c`: the columns of a `Report`."""
    if order is Order.NEWEST:
        moment = c.received_at
    else:
        moment = func.coalesce(_overdue_at(c), literal(_NEVER))
    return [moment, c.id, c.district_code]


def _overdue_at(c: _Columns) -> ColumnElement[Any]:
    """`Report.overdue_at`, of the columns of a `Report`."""
    return case(
        (c.ended_at.is_not(None), None),
        (c.state == State.SUSPENDED, c.step_due_at),
        else_=func.least(c.due_at, c.step_due_at),
    )
