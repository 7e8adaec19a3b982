"""Reports put straight into the tables, so that neither submissions nor actions are trusted."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, insert

from gridmap.store import tables
from gridmap.store.dates import CHINA
from tests.districts import COMMUNITY, DISTRICT, grid_code

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
