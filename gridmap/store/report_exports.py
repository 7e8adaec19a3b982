"""Reports as rows of a table for people: what they are about and who answers, in words.

No row says who sent a report.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Double,
    FromClause,
    Select,
    Text,
    and_,
    case,
    cast,
    extract,
    func,
    select,
)

from gridmap.store import tables
from gridmap.store.database import Database
from gridmap.store.dates import CHINA
from gridmap.store.reports import ReportFilter, is_overdue, matching
from gridmap.store.scopes import condition
from gridmap.store.streaming import Rows, rows_in_batches
from gridmap.store.viewers import Viewer


class Kind(Enum):
    """What the cells of a column hold, where they hold anything.

    TEXT: str, written by anybody. WORD: one of the few words of an enumeration, or of a truth
    value. WHOLE: int. NUMBER, DEGREES: float. TIME: datetime without zone, as clocks in China show
    it, in whole seconds.
    """

    TEXT = "TEXT"
    WORD = "WORD"
    WHOLE = "WHOLE"
    NUMBER = "NUMBER"
    DEGREES = "DEGREES"
    TIME = "TIME"


@dataclass(frozen=True, slots=True)
class Column:
    """`width` is in characters of a sheet's column."""

    name: str
    chinese: str
    english: str
    kind: Kind
    width: int


COLUMNS = (
    Column("number", "编号", "Number", Kind.TEXT, 16),
    Column("state", "状态", "State", Kind.WORD, 13),
    Column("main_category", "大类", "Main category", Kind.TEXT, 12),
    Column("category", "小类", "Category", Kind.TEXT, 16),
    Column("urgency", "紧急程度", "Urgency", Kind.WORD, 11),
    Column("source", "来源", "Source", Kind.WORD, 14),
    Column("description", "描述", "Description", Kind.TEXT, 50),
    Column("captured_at", "采集时间（北京时间）", "Captured (UTC+8)", Kind.TIME, 20),
    Column("received_at", "收到时间（北京时间）", "Received (UTC+8)", Kind.TIME, 20),
    Column("reply_minutes", "首次响应（分钟）", "First reply (minutes)", Kind.NUMBER, 16),
    Column("due_at", "办结时限（北京时间）", "Deadline (UTC+8)", Kind.TIME, 20),
    Column("is_overdue", "是否超时", "Overdue", Kind.WORD, 9),
    Column("closed_at", "结案时间（北京时间）", "Closed (UTC+8)", Kind.TIME, 20),
    Column("region", "社区", "Community", Kind.TEXT, 16),
    Column("grid_code", "网格编码", "Grid", Kind.TEXT, 18),
    Column("building", "楼栋", "Building", Kind.TEXT, 18),
    Column("level", "层级", "Level", Kind.WORD, 12),
    Column("sponsor", "包保单位", "Sponsor", Kind.TEXT, 24),
    Column("handler_kind", "承办类别", "Kind of handler", Kind.WORD, 17),
    Column("handler_code", "承办方编码", "Handler's code", Kind.TEXT, 18),
    Column("handler", "承办方", "Handler", Kind.TEXT, 24),
    Column("longitude", "经度（WGS 84）", "Longitude (WGS 84)", Kind.DEGREES, 14),
    Column("latitude", "纬度（WGS 84）", "Latitude (WGS 84)", Kind.DEGREES, 14),
    Column("source_datum", "上报坐标系", "Datum as given", Kind.TEXT, 12),
    Column("source_longitude", "上报经度", "Longitude as given", Kind.DEGREES, 14),
    Column("source_latitude", "上报纬度", "Latitude as given", Kind.DEGREES, 14),
    Column("accuracy", "精度（米）", "Accuracy (m)", Kind.NUMBER, 11),
    Column("rating", "评价（1–5）", "Rating (1–5)", Kind.WHOLE, 11),
    Column("merged_into", "并入", "Merged into", Kind.TEXT, 16),
)
"""The columns of a row, in their order."""


@asynccontextmanager
async def report_rows(
    database: Database, wanted: ReportFilter, viewer: Viewer
) -> AsyncIterator[AsyncIterator[Rows]]:
    """All reports that match, of those that the viewer may see, newest first, in batches.

    They are as they are when the block begins. See `rows_in_batches` for what that holds and
    raises.
    """
    async with rows_in_batches(database, _statement(wanted), viewer) as batches:
        yield batches


def _statement(wanted: ReportFilter) -> Select[Any]:
    """Served as `page_of_reports` is; each join by the primary key of what it names."""
    report = tables.reports.c
    category, main = tables.report_categories, tables.report_categories.alias("main")
    region, building, sponsor = tables.regions, tables.buildings, tables.sponsors
    worker, merged = tables.workers, tables.reports.alias("merged")
    handling_sponsor, handling_region = sponsor.alias("handling"), region.alias("handling_region")
    expressions: dict[str, ColumnElement[Any]] = {
        "number": _number(tables.reports),
        "main_category": func.coalesce(main.c.name, category.c.name),
        "category": category.c.name,
        "captured_at": _in_china(report.captured_at),
        "received_at": _in_china(report.received_at),
        "reply_minutes": _minutes(report.replied_at - report.received_at),
        "due_at": _in_china(report.due_at),
        "is_overdue": func.coalesce(is_overdue(wanted.now), False),
        "closed_at": _in_china(report.closed_at),
        "region": region.c.name,
        "building": building.c.name,
        "sponsor": sponsor.c.name,
        # What a building member is called is for few to know.
        "handler_code": case((report.handler_kind != "BUILDING_MEMBER", report.handler_code)),
        "handler": func.coalesce(handling_sponsor.c.name, worker.c.name, handling_region.c.name),
        "longitude": func.ST_X(report.location),
        "latitude": func.ST_Y(report.location),
        "merged_into": _number(merged),
    }
    statement = select(
        *(
            expressions[each.name] if each.name in expressions else report[each.name]
            for each in COLUMNS
        )
    ).select_from(
        tables.reports.join(category, category.c.code == report.category_code)
        .outerjoin(main, main.c.code == category.c.parent_code)
        .join(region, region.c.code == report.region_code)
        .outerjoin(
            building,
            and_(
                building.c.district_code == report.district_code,
                building.c.code == report.building_code,
            ),
        )
        .outerjoin(sponsor, sponsor.c.code == report.sponsor_code)
        .outerjoin(
            handling_sponsor,
            and_(report.handler_kind == "SPONSOR", handling_sponsor.c.code == report.handler_code),
        )
        .outerjoin(
            worker,
            and_(
                report.handler_kind == "GRID_WORKER",
                worker.c.district_code == report.district_code,
                worker.c.code == report.handler_code,
            ),
        )
        .outerjoin(
            handling_region,
            and_(report.handler_kind == "REGION", handling_region.c.code == report.handler_code),
        )
        .outerjoin(
            merged,
            and_(
                merged.c.district_code == report.district_code,
                merged.c.id == report.merged_into,
                condition(wanted.scope, merged),
            ),
        )
    )
    return matching(statement, wanted).order_by(
        report.received_at.desc(), report.id.desc(), report.district_code.desc()
    )


def _number(reports: FromClause) -> ColumnElement[str]:
    """What a report is called, as `Report.number` says it."""
    return reports.c.district_code + "-" + cast(reports.c.serial, Text)


def _in_china(moment: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.date_trunc("second", func.timezone(CHINA.key, moment))


def _minutes(span: ColumnElement[Any]) -> ColumnElement[float]:
    return cast(func.round(extract("epoch", span) / 60, 1), Double)
