"""Personal data is kept for a time after a report has ended, and then taken out.

What is figures stays: that there was a report, of which category and grid, when it came in, how it
went, who in which office dealt with it, how it was rated. What may be about persons goes: who sent
it, their words and those of who dealt with it, photos with their bytes, the building, the name of
a member who handled it, and the exact place. Words go whole, for nobody can tell by a program
which of them name somebody. The place becomes one of its cell of some hundred metres, within the
same grid, so that counts by grid and maps stay right.

Each batch is a transaction of its own, with its entry in the audit log, and skips what somebody
else has locked; so it may run beside servers, twice, or be stopped at any moment.
"""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import orjson
from sqlalchemy import TextClause, delete, text
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.errors import Unavailable
from gridmap.store import audit, audit_chain, tables
from gridmap.store.database import Database
from gridmap.store.dates import CHINA
from gridmap.store.objects import Objects
from gridmap.store.photos import Photo, Photos
from gridmap.store.report_changes import ANNOUNCE
from gridmap.store.reports import ReportKey
from gridmap.store.sessions import IDLE, LONGEST
from gridmap.store.users import User

CELL_DEGREES = 0.001
"""Some 110 m from south to north; from west to east 75 m in the north of China, 105 m in the south.
"""

_AT_ONCE = 500

# Who acts for themselves, and not in an office.
_PRIVATE = ("RESIDENT", "BUILDING_MEMBER")
_MEMBER = "BUILDING_MEMBER"
_OF_PLACES = {
    *("longitude", "latitude", "datum", "location", "accuracy", "building_code"),
    *("source_datum", "source_longitude", "source_latitude", "photos"),
}


class Gone(NamedTuple):
    """How much was taken out, or would be: of reports, visits and cards personal data alone."""

    reports: int = 0
    photos: int = 0
    visits: int = 0
    member_cards: int = 0
    users: int = 0
    sessions: int = 0
    counts: int = 0
    audit_entries: int = 0


class Retained(NamedTuple):
    """What was taken out. `failure`: why bytes of photos are still there, though these are not
    known any more; the next time that it is done they go.
    """

    gone: Gone
    failure: Unavailable | None


class Terms(NamedTuple):
    """How many days personal data is kept, and entries of the audit log are."""

    days: int
    audit_days: int


async def to_go(database: Database, terms: Terms, now: datetime.datetime) -> Gone:
    """What `retain` would take out."""
    async with database.connection() as connection:
        row = (await connection.execute(_TO_GO, _moments(terms, now))).one()
    return Gone(*row)


async def retain(
    database: Database, objects: Objects, terms: Terms, now: datetime.datetime
) -> Retained:
    """Takes out the personal data of what ended more than so many days ago.

    Where the place of photos is not to be had, all else is done.
    """
    moments = _moments(terms, now)
    reports = photos = 0
    failure: Unavailable | None = None
    while True:
        async with _writing(database) as connection:
            keys, gone = await _anonymised(connection, moments)
        reports, photos = reports + len(keys), photos + len(gone)
        if failure is None:  # which takes half a minute to find out
            try:
                await objects.delete([name for photo in gone for name in photo.names])
            except Unavailable as error:
                failure = error
        if not keys:
            break
        async with database.connection() as connection:
            await connection.execute(ANNOUNCE)
    visits = await _in_batches(database, _blank_visits, moments)
    cards = await _in_batches(database, _blank_cards, moments)
    async with _writing(database) as connection:
        users = [User(*row) for row in await connection.execute(_DELETE_USERS, moments)]
        await audit.enter(connection, None, "REMOVE", "users", [user.audit_key for user in users])
        sessions = (await connection.execute(_DELETE_SESSIONS, moments)).rowcount
        counts = (
            await connection.execute(
                delete(tables.counts).where(tables.counts.c.ends_at < moments["now"])
            )
        ).rowcount
    entries = 0
    while True:
        async with _writing(database) as connection:
            trimmed = await connection.run_sync(audit_chain.trim, moments["logged"])
        entries += trimmed
        if not trimmed:
            break
    if failure is None:
        purged = await Photos(database, objects).purge()
        photos, failure = photos + purged.photos, purged.failure
    counted = Gone(reports, photos, visits, cards, len(users), sessions, counts, entries)
    return Retained(counted, failure)


def _moments(terms: Terms, now: datetime.datetime) -> dict[str, Any]:
    return {
        "now": now,
        "before": now - datetime.timedelta(days=terms.days),
        "logged": now - datetime.timedelta(days=terms.audit_days),
        "idle": now - IDLE,
        "begun": now - LONGEST,
        "waited": now - datetime.timedelta(days=1),
    }


@asynccontextmanager
async def _writing(database: Database) -> AsyncIterator[AsyncConnection]:
    """A transaction that may write what is final otherwise: see migration 0012."""
    async with database.transaction() as connection:
        await connection.execute(text("SELECT set_config('gridmap.retention', 'on', TRUE)"))
        yield connection


async def _in_batches(
    database: Database,
    blank: Callable[[AsyncConnection, dict[str, Any]], Awaitable[int]],
    moments: dict[str, Any],
) -> int:
    total = 0
    while True:
        async with _writing(database) as connection:
            count = await blank(connection, moments)
        total += count
        if count < _AT_ONCE:
            return total


async def _anonymised(
    connection: AsyncConnection, moments: dict[str, Any]
) -> tuple[list[ReportKey], list[Photo]]:
    """Reports of a batch, and the photos whose bytes are to go when it is committed."""
    rows = await connection.execute(_ENDED, {**moments, "most": _AT_ONCE})
    keys = [ReportKey(*row) for row in rows]
    if not keys:
        return [], []
    named = {"districts": [key.district_code for key in keys], "ids": [key.id for key in keys]}
    taken = await connection.scalars(_DELETE_TAKEN, named)
    gone = await connection.execute(_DELETE_PHOTOS, {"photos": list(set(taken))})
    photos = [Photo(*row) for row in gone]
    await connection.execute(_DELETE_REPORTERS, named)
    events = (await connection.execute(_EVENTS, named)).all()
    await connection.execute(
        _BLANK_EVENTS,
        {
            "districts": [event.district_code for event in events],
            "ids": [event.report_id for event in events],
            "versions": [event.version for event in events],
            "details": [orjson.dumps(blanked(event.details)).decode() for event in events],
            "private": list(_PRIVATE),
        },
    )
    await connection.execute(_BLANK_REPORTS, {**named, "now": moments["now"], "cell": CELL_DEGREES})
    await audit.enter(connection, None, "ANONYMISE", "reports", keys)
    await audit.enter(connection, None, "REMOVE", "photos", [("", photo.id) for photo in photos])
    return keys, photos


def blanked(details: dict[str, Any]) -> dict[str, Any]:
    """What an event says, without places and without the names of buildings' members."""
    said = dict(details)
    if "candidates" in said:  # of the first event; how far each was tells where the place is
        said |= {"candidates": [], "building": None}
    for part in ("given", "changed"):
        if part in said:
            said[part] = {name: it for name, it in said[part].items() if name not in _OF_PLACES}
    given, changed = said.get("given", {}), said.get("changed", {})
    if given.get("handler", [None])[0] == _MEMBER:
        given["handler"] = [_MEMBER, ""]
    if changed.get("handler_kind", _MEMBER) == _MEMBER and changed.get("handler_code"):
        changed["handler_code"] = ""
    return said


async def _blank_visits(connection: AsyncConnection, moments: dict[str, Any]) -> int:
    return await _blank(connection, _BLANK_VISITS, "visits", moments)


async def _blank_cards(connection: AsyncConnection, moments: dict[str, Any]) -> int:
    return await _blank(connection, _BLANK_CARDS, "member_cards", moments)


async def _blank(
    connection: AsyncConnection, statement: TextClause, noun: str, moments: dict[str, Any]
) -> int:
    rows = (await connection.execute(statement, {**moments, "most": _AT_ONCE})).all()
    await audit.enter(connection, None, "ANONYMISE", noun, [(row[0], row[1]) for row in rows])
    return len(rows)


# One that was merged is looked after with the other one, until that has ended as long ago.
_HAS_ENDED = """
    reports.ended_at < :before
    AND (reports.anonymised_at IS NULL OR reports.anonymised_at < reports.ended_at)
    AND (
        reports.merged_into IS NULL
        OR EXISTS (
            SELECT
            FROM reports AS other
            WHERE other.district_code = reports.district_code
                AND other.id = reports.merged_into
                AND other.ended_at < :before
        )
    )
"""

# Served by reports_kept_idx.
_ENDED = text(
    f"""
    SELECT district_code, id
    FROM reports
    WHERE {_HAS_ENDED}
    ORDER BY ended_at
    LIMIT :most
    FOR UPDATE SKIP LOCKED
    """
)

_NAMED = "unnest(CAST(:districts AS text[]), CAST(:ids AS uuid[])) AS named (district_code, id)"

_DELETE_TAKEN = text(
    f"""
    DELETE FROM report_photos AS taken
    USING {_NAMED}
    WHERE taken.district_code = named.district_code AND taken.report_id = named.id
    RETURNING taken.photo_id
    """
)

# One may have been sent with several reports.
_DELETE_PHOTOS = text(
    f"""
    DELETE FROM photos
    WHERE id = ANY(CAST(:photos AS uuid[]))
        AND NOT EXISTS (SELECT FROM report_photos WHERE photo_id = photos.id)
    RETURNING {", ".join(Photo._fields)}
    """
)

_DELETE_REPORTERS = text(
    f"""
    DELETE FROM reporters
    USING {_NAMED}
    WHERE reporters.district_code = named.district_code AND reporters.report_id = named.id
    """
)

_EVENTS = text(
    f"""
    SELECT event.district_code, event.report_id, event.version, event.details
    FROM {_NAMED}
    JOIN report_events AS event
        ON event.district_code = named.district_code AND event.report_id = named.id
    """
)

# The last event of each counts as new, so that whoever keeps reports in memory reads this one anew.
_BLANK_EVENTS = text(
    """
    UPDATE report_events AS event
    SET
        note = '',
        details = CAST(named.details AS jsonb),
        actor_subject = CASE
            WHEN event.actor_role = ANY(CAST(:private AS text[])) THEN '' ELSE event.actor_subject
        END,
        transaction = CASE
            WHEN event.version = reports.version THEN pg_current_xact_id() ELSE event.transaction
        END
    FROM
        unnest(
            CAST(:districts AS text[]), CAST(:ids AS uuid[]), CAST(:versions AS integer[]),
            CAST(:details AS text[])
        ) AS named (district_code, id, version, details),
        reports
    WHERE event.district_code = named.district_code
        AND event.report_id = named.id
        AND event.version = named.version
        AND reports.district_code = named.district_code
        AND reports.id = named.id
    """
)

# A point of the report's cell, the same for all reports of the cell that are of the same grid, and
# within it. Where the grid has less than a quarter of the cell, which would say much of the place,
# it is one of the grid as a whole.
_BLANK_REPORTS = text(
    f"""
    UPDATE reports
    SET
        description = '',
        submission = '',
        accuracy = NULL,
        building_code = NULL,
        handler_code = CASE
            WHEN handler_kind = '{_MEMBER}' THEN '' ELSE handler_code
        END,
        location = coarse.place,
        source_datum = 'WGS84',
        source_longitude = ST_X(coarse.place),
        source_latitude = ST_Y(coarse.place),
        anonymised_at = :now
    FROM (
        SELECT
            report.district_code,
            report.id,
            coalesce(
                CASE
                    WHEN ST_Area(part.shape) >= ST_Area(cell.square) / 4
                        THEN ST_PointOnSurface(part.shape)
                    ELSE ST_PointOnSurface(grid.boundary)
                END,
                ST_Centroid(cell.square)
            ) AS place
        FROM {_NAMED}
        JOIN reports AS report
            ON report.district_code = named.district_code AND report.id = named.id
        CROSS JOIN LATERAL (
            SELECT
                floor(ST_X(report.location) / :cell) * :cell AS west,
                floor(ST_Y(report.location) / :cell) * :cell AS south
        ) AS corner
        CROSS JOIN LATERAL (
            SELECT ST_MakeEnvelope(west, south, west + :cell, south + :cell, 4326) AS square
        ) AS cell
        LEFT JOIN LATERAL (
            SELECT grids.boundary
            FROM grids
            WHERE grids.district_code = report.district_code
                AND grids.code = report.grid_code
                AND daterange(grids.valid_from, grids.valid_to)
                    @> CAST(timezone('{CHINA.key}', report.captured_at) AS date)
            LIMIT 1
        ) AS grid
            ON TRUE
        LEFT JOIN LATERAL (
            SELECT ST_CollectionExtract(ST_Intersection(cell.square, grid.boundary), 3) AS shape
        ) AS part
            ON TRUE
    ) AS coarse
    WHERE reports.district_code = coarse.district_code AND reports.id = coarse.id
    """
)

_BLANK_VISITS = text(
    """
    UPDATE visits
    SET note = ''
    FROM (
        SELECT district_code, id FROM visits WHERE at < :before AND note <> ''
        LIMIT :most
        FOR UPDATE SKIP LOCKED
    ) AS old
    WHERE visits.district_code = old.district_code AND visits.id = old.id
    RETURNING visits.district_code, visits.id
    """
)

# No two members of a building may be called the same at the same time.
_BLANK_CARDS = text(
    """
    UPDATE member_cards
    SET name = 'member ' || id
    WHERE (district_code, id) IN (
        SELECT district_code, id
        FROM member_cards
        WHERE valid_to < CAST(:before AS date) AND name <> 'member ' || id
        LIMIT :most
        FOR UPDATE SKIP LOCKED
    )
    RETURNING district_code, id
    """
)

_ARE_OLD_USERS = "disabled_at < :before OR valid_to < CAST(:before AS date)"
_ARE_OLD_SESSIONS = "renewed_at < :idle OR begun_at < :begun"

# With their sessions.
_DELETE_USERS = text(
    f"DELETE FROM users WHERE {_ARE_OLD_USERS} RETURNING {', '.join(User._fields)}"
)

_DELETE_SESSIONS = text(f"DELETE FROM sessions WHERE {_ARE_OLD_SESSIONS}")

_TO_GO = text(
    f"""
    SELECT
        (SELECT count(*) FROM reports WHERE {_HAS_ENDED}),
        (
            SELECT count(*)
            FROM photos
            WHERE NOT EXISTS (SELECT FROM report_photos WHERE photo_id = photos.id)
                AND uploaded_at < :waited
                OR EXISTS (SELECT FROM report_photos WHERE photo_id = photos.id)
                AND NOT EXISTS (
                    SELECT
                    FROM report_photos AS taken
                    JOIN reports
                        ON reports.district_code = taken.district_code
                        AND reports.id = taken.report_id
                    WHERE taken.photo_id = photos.id AND ({_HAS_ENDED}) IS NOT TRUE
                )
        ),
        (SELECT count(*) FROM visits WHERE at < :before AND note <> ''),
        (
            SELECT count(*)
            FROM member_cards
            WHERE valid_to < CAST(:before AS date) AND name <> 'member ' || id
        ),
        (SELECT count(*) FROM users WHERE {_ARE_OLD_USERS}),
        (SELECT count(*) FROM sessions WHERE {_ARE_OLD_SESSIONS}),
        (SELECT count(*) FROM counts WHERE ends_at < :now),
        (
            SELECT count(*)
            FROM audit_seals
            CROSS JOIN LATERAL unnest(district_codes, entry_ids) AS held (district_code, id)
            JOIN audit_entries AS entry
                ON entry.district_code = held.district_code AND entry.id = held.id
            WHERE audit_seals.at < :logged
        )
    """
)
