"""Reports put straight into the tables, so that neither submissions nor actions are trusted.

`put_reports` puts some as they have become, `put_many_reports` very many, and `put_report` and
`change_report` write one on a connection of the test's own, in any order of commits.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb
from sqlalchemy import Connection, insert, text

from gridmap.store import tables
from gridmap.store.changes import ChangeFeed
from gridmap.store.database import Database
from gridmap.store.dates import CHINA
from gridmap.store.report_changes import ReportNews
from tests.districts import COMMUNITY, DISTRICT, grid_code
from tests.waiting import PATIENCE_SECONDS

NOON = datetime.datetime(2025, 9, 10, 12, tzinfo=CHINA)

_DEFAULTS = {
    "district_code": DISTRICT,
    "version": 1,
    "state": "IN_PROGRESS",
    "category_code": "0101",
    "urgency": "ROUTINE",
    "source": "PHONE",
    "description": "路灯不亮",
    "location": "SRID=4326;POINT(130.281 47.331)",
    "source_datum": "WGS84",
    "source_longitude": 130.281,
    "source_latitude": 47.331,
    "captured_at": NOON,
    "received_at": NOON,
    "state_since": NOON,
    "region_code": COMMUNITY,
    "grid_code": grid_code(1),
    "sponsor_code": "S1",
    "level": "GRID",
    "due_at": None,
    "step_due_at": None,
    "replied_at": None,
    "closed_at": None,
    "ended_at": None,
    "rating": None,
    "merged_into": None,
    "submission": b"",
}


def put_reports(connection: Connection, given: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Puts reports in, each with what it is given and otherwise the same; gives whole rows."""
    rows = [{**_DEFAULTS, "id": uuid4(), **each} for each in given]
    events = [
        {
            "district_code": row["district_code"],
            "report_id": row["id"],
            "version": row["version"],
            "action": "SUBMIT",
            "state": row["state"],
            "at": row["received_at"],
            "actor_role": "ANONYMOUS",
            "actor_subject": "",
            "note": "",
            "details": {},
        }
        for row in rows
    ]
    connection.execute(insert(tables.reports), rows)
    connection.execute(insert(tables.report_events), events)
    return rows


def closed(at: datetime.datetime, **more: object) -> dict[str, Any]:
    """What a report says that was closed then."""
    return {"state": "CLOSED", "closed_at": at, "ended_at": at, **more}


def rejected(at: datetime.datetime, **more: object) -> dict[str, Any]:
    """What a report says that was rejected then."""
    return {"state": "REJECTED", "ended_at": at, **more}


FIRST = datetime.datetime.fromisoformat("2025-01-01T00:00:00+08:00")
"""When the first report was received."""


def put_many_reports(connection: Connection, count: int) -> None:
    """Puts reports that lie a minute apart, the first the oldest; serial numbers count from 1.

    They have no events, which files do not show: the foreign keys are not looked at meanwhile. Nor
    can their text be searched for by an index any more, which would take most of the time.
    """
    connection.execute(text("DROP INDEX IF EXISTS reports_words_idx"))
    connection.execute(text("SET LOCAL session_replication_role = replica"))
    connection.execute(_MANY, {"count": count, "first": FIRST})


_MANY = text(
    """
    INSERT INTO reports (
        district_code, id, version, state, category_code, urgency, source, description,
        location, source_datum, source_longitude, source_latitude, accuracy,
        captured_at, received_at, state_since, region_code, grid_code, building_code,
        sponsor_code, level, handler_kind, handler_code, due_at, replied_at, submission
    )
    SELECT
        '230402', gen_random_uuid(), 1, 'DISPATCHED', '0101', 'ROUTINE', 'PHONE',
        '友谊小区' || number || '号楼前有垃圾，已经好几天没有人清理，请尽快处理。',
        ST_SetSRID(ST_MakePoint(130.282 + number % 7 * 1e-5, 47.336), 4326),
        'GCJ02', 130.288, 47.338, 15.5,
        received_at - interval '1 minute', received_at, received_at,
        '230402002005', '230402002005001', '23040200200500001', 'S1', 'BUILDING',
        'SPONSOR', 'S1', received_at + interval '7 days', received_at + interval '90 seconds',
        '\\x00'
    FROM (
        SELECT
            number,
            CAST(:first AS timestamptz) + (number - 1) * interval '1 minute' AS received_at
        FROM generate_series(1, :count) AS number
    ) AS numbered
    ORDER BY number
    """
)


DISTRICTS = ("230402", "230403")
COMMUNITIES = ("230402002005", "230402002006", "230403001001")

EventKey = tuple[str, str, int]
"""District, id and version."""

_moments = count()

_PUT = """
    WITH made AS (
        INSERT INTO reports (
            district_code, id, version, state, category_code, urgency, source, description,
            location, source_datum, source_longitude, source_latitude, captured_at, received_at,
            state_since, ended_at, region_code, grid_code, building_code, sponsor_code,
            handler_kind, handler_code, level, due_at, step_due_at, submission
        )
        SELECT
            %(district)s, %(id)s, 1, %(state)s, %(category)s, %(urgency)s, %(source)s,
            %(description)s, ST_SetSRID(ST_MakePoint(%(longitude)s, %(latitude)s), 4326), 'WGS84',
            %(longitude)s, %(latitude)s, %(at)s, %(at)s, %(at)s,
            CASE WHEN %(state)s IN ('REJECTED', 'CLOSED', 'RATED')
                THEN CAST(%(at)s AS timestamptz) END,
            %(region)s, %(grid)s, %(building)s, %(sponsor)s, %(handler_kind)s, %(handler)s, 'GRID',
            %(due_at)s, %(step_due_at)s, ''
        RETURNING *
    )
    INSERT INTO report_events (
        district_code, report_id, version, action, state, at, actor_role, actor_subject, note,
        details
    )
    SELECT district_code, id, 1, 'SUBMIT', state, received_at, 'ANONYMOUS', '', '', '{}'
    FROM made
"""

_CHANGE = """
    WITH made AS (
        UPDATE reports SET version = version + 1, {changes}
        WHERE district_code = %(district)s AND id = %(id)s
        RETURNING *
    )
    INSERT INTO report_events (
        district_code, report_id, version, action, state, at, actor_role, actor_subject, note,
        details
    )
    SELECT district_code, id, version, %(action)s, state, %(at)s, 'DISTRICT', '', '', %(details)s
    FROM made
    RETURNING version
"""


def put_regions(url: str) -> None:
    """Two districts with communities, and two sponsors."""
    rows: list[tuple[str, str, str | None, str | None]]
    rows = [("23", "PROVINCE", None, None), ("2304", "CITY", "23", None)]
    rows += [(code, "DISTRICT", "2304", code) for code in DISTRICTS]
    streets = sorted({code[:9] for code in COMMUNITIES})
    rows += [(code, "STREET", code[:6], code[:6]) for code in streets]
    rows += [(code, "COMMUNITY", code[:9], code[:6]) for code in COMMUNITIES]
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO regions (code, name, level, parent_code, district_code) "
            "VALUES (%s, '示例', %s, %s, %s)",
            rows,
        )
        cursor.executemany(
            "INSERT INTO sponsors (code, name, level, region_code) "
            "VALUES (%s, '示例', 'CITY', '2304')",
            [("S1",), ("S2",)],
        )


def put_report(connection: psycopg.Connection, district: str = DISTRICTS[0], **said: Any) -> UUID:
    """Writes a report and its first event; commits nothing."""
    row: dict[str, Any] = {
        "id": uuid4(),
        "state": "SUBMITTED",
        "category": "0101",
        "urgency": "ROUTINE",
        "source": "PHONE",
        "description": "示例",
        "longitude": 130.28,
        "latitude": 47.33,
        "at": f"2026-05-04T09:00:00.{next(_moments):06}+08:00",
        "region": next(code for code in COMMUNITIES if code.startswith(district)),
        "grid": None,
        "building": None,
        "sponsor": None,
        "handler_kind": "SPONSOR" if said.get("handler") else None,
        "handler": None,
        "due_at": None,
        "step_due_at": None,
    }
    assert row.keys() >= said.keys()
    row |= said
    connection.execute(_PUT, {"district": district, **row})
    made: UUID = row["id"]
    return made


def change_report(
    connection: psycopg.Connection,
    id_: UUID,
    district: str = DISTRICTS[0],
    *,
    action: str = "REGISTER",
    at: str | None = None,
    before: Mapping[str, object] | None = None,
    **columns: object,
) -> int:
    """Writes columns of a report and the event of it; commits nothing. Gives the new version."""
    columns = columns or {"state": "REGISTERED"}
    changes = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(f"new_{name}"))
        for name in columns
    )
    row = connection.execute(
        sql.SQL(_CHANGE).format(changes=changes),
        {
            "district": district,
            "id": id_,
            "action": action,
            "at": at or f"2026-05-04T09:00:00.{next(_moments):06}+08:00",
            "details": Jsonb({"changed": dict(before or {})}),
            **{f"new_{name}": value for name, value in columns.items()},
        },
    ).fetchone()
    assert row is not None
    version: int = row[0]
    return version


def seen_events(connection: psycopg.Connection) -> tuple[str, set[EventKey]]:
    """A state of the data, and the events in it."""
    row = connection.execute(
        """
        SELECT
            CAST(pg_current_snapshot() AS text),
            coalesce(array_agg(district_code || ' ' || report_id || ' ' || version), '{}')
        FROM report_events
        """
    ).fetchone()
    assert row is not None
    keys = set()
    for said in row[1]:
        district, report_id, version = said.split()
        keys.add((district, report_id, int(version)))
    return row[0], keys


@asynccontextmanager
async def news_process(url: str) -> AsyncIterator[ReportNews]:
    """What a server's process has to tell of changes, wired as the application does."""
    database, feed = Database(url, pool_size=4), ChangeFeed(url)
    news = ReportNews(database)
    feed.listeners.append(news.hear)

    async def listen() -> None:
        async with aclosing(feed.batches()) as batches:
            async for _ in batches:
                pass

    tasks = [asyncio.create_task(listen()), asyncio.create_task(news.run())]
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not feed.is_listening:
                await asyncio.sleep(0.005)
        yield news
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await database.close()
