"""Reports for tests of files, put straight into the tables of the district in `districts`."""

from __future__ import annotations

import datetime

from sqlalchemy import Connection, text

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
