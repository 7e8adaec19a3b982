"""A report comes in: one statement, so that it is there whole or not at all, and once.

The client names it (a UUIDv7), so that it may send it again until it has an answer: the same
submission makes one report and gets the same reply, also when it comes twice at the same moment.
So the reply is what the first event says, which never changes.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import exc, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.errors import Conflict, GridmapError, Invalid
from gridmap.store import audit, tables
from gridmap.store.dates import CHINA
from gridmap.store.geometry import covers_in_text
from gridmap.store.grids import Grid
from gridmap.store.locations import Candidate, Located
from gridmap.store.loop import Action, Level, State, Step
from gridmap.store.permissions import Extent, Permission, extent
from gridmap.store.regions import regions_around, regions_by_code
from gridmap.store.report_rules import ReportRules
from gridmap.store.reports import (
    EVENT_COLUMNS,
    REPORT_AS_TEXT,
    REPORT_COLUMNS,
    Event,
    Report,
    Reporter,
    ReportKey,
    unnested,
)
from gridmap.store.sponsors import sponsors_of_grids
from gridmap.store.viewers import Role, Viewer

CERTAIN_SHARE = 0.9
"""A grid that holds so much of the circle is taken. Else whoever sent the report says which, for a
report in the wrong grid waits for somebody who walks elsewhere."""

DUPLICATE_METRES = 50.0
# For whoever may not see the reports there, and might look for them by sending in others: within so
# many metres of a place somewhere in a square as wide as `BLUR_METRES` around the other report.
BLURRED_METRES = 75.0
BLUR_METRES = 100.0
_METRES_OF_LATITUDE = 110_000  # a degree's, somewhat less than there are
DUPLICATE_DAYS = 14
MOST_DUPLICATES = 3


@dataclass(frozen=True, slots=True)
class Submission:
    """What a client sends. The position is given as it came, and in WGS 84 degrees.

    `id` is the report's own: see `kept_id`. `accuracy` is in metres, None for a true position.
    `grid`: the code of the one chosen, where the position leaves a choice. `photos`: the ids of
    photos that are uploaded.
    """

    id: UUID
    longitude: float
    latitude: float
    source_datum: str
    source_longitude: float
    source_latitude: float
    accuracy: float | None
    captured_at: datetime.datetime
    category: str
    urgency: str
    source: str
    description: str
    grid: str | None = None
    photos: Sequence[UUID] = ()
    reporter: Reporter | None = None

    @property
    def digest(self) -> bytes:
        """Equal where all that was sent is."""
        said = [
            self.id,
            self.source_datum,
            self.source_longitude,
            self.source_latitude,
            self.accuracy,
            self.captured_at.timestamp(),
            self.category,
            self.urgency,
            self.source,
            self.description,
            self.grid,
            list(self.photos),
            self.reporter,
        ]
        return sha256(orjson.dumps(said, default=tuple)).digest()


def kept_id(given: UUID) -> UUID:
    """The id of the report that a client names `given`, of which it does not tell.

    A report's id and all that was said in it are told to others. What its client alone knows is the
    id that it made: who sends the same again with it is the same, and has the receipt. The first 48
    bits stay, the time of a UUIDv7, so that ids are in order; it is a UUIDv8 (RFC 9562).
    """
    hidden = sha256(b"report " + given.bytes).digest()
    value = int.from_bytes(given.bytes[:6] + hidden[:10])
    value = value & ~(0xF << 76) & ~(0b11 << 62) | 8 << 76 | 0b10 << 62
    return UUID(int=value)


class Placement(NamedTuple):
    """Where a report belongs, and who answers there.

    `grid_code` is None where there is no grid, and where `candidates` leave a choice.
    `region_code`: the community, else the smallest region that is known. `is_default`: whether the
    sponsor answers because nobody else does (全域兜底).
    """

    district_code: str
    region_code: str
    grid_code: str | None
    building_code: str | None
    sponsor_code: str | None
    is_default: bool
    level: Level
    candidates: Sequence[Candidate] = ()


class Submitted(NamedTuple):
    """A report as it stands, and its first event, which the reply is made of."""

    report: Report
    event: Event


async def place(
    connection: AsyncConnection,
    located: Located,
    position: tuple[float, float],
    chosen: str | None,
    on: datetime.date,
    rules: ReportRules,
) -> Placement:
    """Where a report at `position` (longitude, latitude, WGS 84 degrees) belongs on a day.

    `located` is what is known of the position then, `chosen` the code of a grid. No statement is
    made where the grid is certain and has a sponsor. Raises Invalid where no district lies, and
    where the grid that was chosen is none that the accuracy circle touches.
    """
    grid = _chosen(located, chosen) if chosen is not None else certain_grid(located)
    if grid is None:
        # Nothing is guessed: there is no grid, or several may hold the true position.
        district_code, region_code, level = await _region(connection, located, position)
        placement = Placement(
            district_code, region_code, None, None, None, False, level, located.candidates
        )
    else:
        is_home = located.grid is not None and located.grid.key == grid.key
        building = located.building if is_home else None
        sponsor = (
            located.sponsor if is_home else (await sponsors_of_grids(connection, [grid.key], on))[0]
        )
        placement = Placement(
            grid.district_code,
            grid.community_code,
            grid.code,
            building.code if building else None,
            sponsor.code if sponsor else None,
            False,
            Level.BUILDING if building else Level.GRID,
        )
    if placement.sponsor_code is None and rules.regions:
        [regions] = await regions_around(connection, [placement.region_code])
        if default := rules.default_sponsor(regions):
            placement = placement._replace(sponsor_code=default, is_default=True)
    return placement


def certain_grid(located: Located) -> Grid | None:
    """The grid that a position lies in; None where there is none, and where several may hold it."""
    candidates = located.candidates
    if not candidates:
        return located.grid
    return candidates[0].grid if candidates[0].share >= CERTAIN_SHARE else None


def grid_now(
    captured: tuple[str | None, datetime.date], located: Located, current: Grid | None
) -> Grid | None:
    """The grid that a report lies in now.

    `captured`: the code of the grid as of capture, and the day. `located`: what is known of the
    position now. `current`: the version of that grid now. Where its outline is still the one of
    then, it is that grid, whatever the position alone says, for somebody chose it perhaps. Else,
    and where the outline is of that very day and may be of a later hour, it is sought anew.
    """
    code, day = captured
    if current is not None and current.valid_from < day:
        return current
    for candidate in located.candidates:
        if candidate.grid.code == code:
            return candidate.grid
    return certain_grid(located)


def _chosen(located: Located, code: str) -> Grid:
    choice = [each.grid for each in located.candidates]
    if located.grid is not None and located.grid not in choice:
        choice.append(located.grid)
    for grid in choice:
        if grid.code == code:
            return grid
    known = ", ".join(grid.code for grid in choice) or "none"
    raise Invalid(f"The grid {code!r} is none that the position may lie in; these are: {known}.")


async def _region(
    connection: AsyncConnection, located: Located, position: tuple[float, float]
) -> tuple[str, str, Level]:
    """District, code and level of the smallest region that is known to hold the position."""
    if located.candidates:
        return await _region_around(connection, [each.grid for each in located.candidates])
    longitude, latitude = position
    found = (
        await connection.execute(_REGION_AT, {"longitude": longitude, "latitude": latitude})
    ).first()
    if found is not None:
        return found.district_code, found.code, Level(found.level)
    raise Invalid(
        f"No district of this server lies at longitude {longitude:.6f}, latitude {latitude:.6f} "
        "(WGS 84). Check the position and its datum."
    )


async def _region_around(
    connection: AsyncConnection, grids: Sequence[Grid]
) -> tuple[str, str, Level]:
    """The same of the smallest region around all grids; the first one's district at most."""
    communities = list(dict.fromkeys(grid.community_code for grid in grids))
    first, *others = await regions_around(connection, communities)
    rows = [row for row in await regions_by_code(connection, first) if row and row.district_code]
    around = [row for row in rows if all(row.code in chain for chain in others)]
    region = around[0] if around else rows[-1]
    return grids[0].district_code, region.code, Level(region.level)


# Served by regions_boundary_idx.
_REGION_AT = text(
    f"""
    SELECT regions.district_code, regions.code, regions.level
    FROM
        regions,
        (SELECT ST_SetSRID(ST_MakePoint(:longitude, :latitude), 4326) AS point) AS given
    WHERE regions.district_code IS NOT NULL
        AND {covers_in_text("regions.boundary", "given.point")}
    ORDER BY array_position(ARRAY['COMMUNITY', 'STREET', 'DISTRICT'], regions.level), regions.code
    LIMIT 1
    """
)


async def submit(
    connection: AsyncConnection,
    submission: Submission,
    placement: Placement,
    received_at: datetime.datetime,
    viewer: Viewer,
    rules: ReportRules,
) -> tuple[Submitted, bool]:
    """The report as it stands, its first event, and whether it is new.

    `connection` commits each statement by itself. Raises Conflict where a report has this id that
    is another, Invalid for photos that are not there.
    """
    of = placement.district_code, submission.category, submission.urgency
    due_at = rules.due(received_at, *of, Step.WHOLE)
    reporter = submission.reporter or Reporter(None, None)
    who = audit.actor(viewer)
    parameters = {
        **_near(submission.latitude, is_blurred=not _sees_all_at(placement, viewer)),
        "district": placement.district_code,
        "id": submission.id,
        "category": submission.category,
        "urgency": submission.urgency,
        "source": submission.source,
        "description": submission.description,
        "longitude": submission.longitude,
        "latitude": submission.latitude,
        "source_datum": submission.source_datum,
        "source_longitude": submission.source_longitude,
        "source_latitude": submission.source_latitude,
        "accuracy": submission.accuracy,
        "captured_at": submission.captured_at,
        "received_at": received_at,
        "region": placement.region_code,
        "grid": placement.grid_code,
        "building": placement.building_code,
        "sponsor": placement.sponsor_code,
        "level": placement.level,
        "due_at": due_at,
        "step_due_at": rules.due(received_at, *of, Step.REGISTER),
        "submission": submission.digest,
        "photos": list(submission.photos),
        "role": viewer.role,
        "subject": viewer.subject,
        "who": who["subject"],
        "account": who["account"],
        "ip": who["address"],
        "request": who["request"],
        "reporter": viewer.signature,
        "codes": sorted(viewer.codes),
        "name": reporter.name,
        "phone": reporter.phone,
        "today": received_at.astimezone(CHINA).date(),
        "details": orjson.dumps(
            {
                "grid": placement.grid_code,
                "building": placement.building_code,
                "sponsor": placement.sponsor_code,
                "is_default": placement.is_default,
                "due_at": due_at.isoformat() if due_at else None,
                "candidates": [
                    {
                        "grid": grid.code,
                        "district": grid.district_code,
                        "share": share,
                        "distance": distance,
                    }
                    for grid, share, distance in placement.candidates
                ],
            }
        ).decode(),
    }
    try:
        made = (await connection.execute(_SUBMIT, parameters)).first()
    except exc.IntegrityError as error:
        raise _refused(error, submission) from error
    if made is not None:
        size = len(REPORT_COLUMNS)
        return Submitted(Report(*made[:size]), Event(*made[size:])), True
    known = await submitted(connection, submission)
    if known is None:
        raise Conflict("What this report belongs to has just changed; send it again.")
    return known, False


async def submitted(connection: AsyncConnection, submission: Submission) -> Submitted | None:
    """The report that this submission has made, None where it has not been seen.

    Served by reports_id_idx. Raises Conflict where the id is that of another report.
    """
    report, event = tables.reports, tables.report_events
    rows = await connection.execute(
        select(*REPORT_COLUMNS, report.c.submission, *EVENT_COLUMNS)
        .join(
            event,
            (event.c.district_code == report.c.district_code)
            & (event.c.report_id == report.c.id)
            & (event.c.version == 1),
        )
        .where(report.c.id == submission.id)
    )
    size = len(REPORT_COLUMNS)
    known = None
    for row in rows:
        known = Submitted(Report(*row[:size]), Event(*row[size + 1 :]))
        if row[size] == submission.digest:
            return known
    if known is not None:
        raise Conflict(
            f"The id is that of report {known.report.number}, which says something else. Give each "
            "report an id of its own, and send the same report unchanged."
        )
    return None


class Duplicate(NamedTuple):
    """What whoever sends in a report is told of another that may be of the same thing: neither
    where it is nor what it says. `received_on`: the day, in China."""

    key: ReportKey
    number: str
    state: str
    received_on: datetime.date


async def duplicates(connection: AsyncConnection, keys: Sequence[ReportKey]) -> list[Duplicate]:
    """Those of the reports that there are, in their order. Served by reports_pkey."""
    report = tables.reports.c
    rows = await connection.execute(
        select(
            report.district_code, report.id, report.serial, report.state, report.received_at
        ).where(tuple_(report.district_code, report.id).in_(unnested(keys)))
    )
    found = {
        (key := ReportKey(row.district_code, row.id)): Duplicate(
            key,
            f"{row.district_code}-{row.serial}",
            row.state,
            row.received_at.astimezone(CHINA).date(),
        )
        for row in rows
    }
    return [found[key] for key in keys if key in found]


def _near(latitude: float, *, is_blurred: bool) -> dict[str, float]:
    """How near duplicates are, in metres, and the same and the blur in degrees."""
    near, blur = (BLURRED_METRES, BLUR_METRES) if is_blurred else (DUPLICATE_METRES, 0.0)
    metres_of_longitude = _METRES_OF_LATITUDE * max(math.cos(math.radians(latitude)), 0.01)
    return {
        "near": near,
        "width": (near + blur) / metres_of_longitude,
        "height": (near + blur) / _METRES_OF_LATITUDE,
        "blur_x": blur / 255 / metres_of_longitude,
        "blur_y": blur / 255 / _METRES_OF_LATITUDE,
    }


def _sees_all_at(placement: Placement, viewer: Viewer) -> bool:
    """Whether the viewer may see all reports there, whoever sent them."""
    if extent(viewer, Permission.SEE_REPORTS) is Extent.ALL:
        return True
    place = {
        Role.GRID_WORKER: (placement.grid_code,),
        Role.COMMUNITY: (placement.region_code,),
        Role.DISTRICT: (placement.district_code,),
    }.get(viewer.role, ())
    return not viewer.codes.isdisjoint(place)


def _refused(error: exc.IntegrityError, submission: Submission) -> GridmapError:
    said = str(error.orig)
    if "report_photos" in said:
        return Invalid(
            "A photo of this report is not here, or no more, or in another report; upload it under "
            "an id of its own and send the report again."
        )
    if "category" in said:
        return Invalid(f"There is no category {submission.category!r} any more.")
    return Conflict("What this report belongs to has just changed; send it again.")


# Of two that come at the same moment, one waits at reports_id_idx until the other is committed. One
# that is there already takes no number.
#
# Written close, for psycopg reads a statement of more than 4,096 characters anew each time.
#
# Duplicates are looked for by reports_open_location_idx among what is still to be done; the box in
# degrees is made a little larger than the circle, so that the index may be asked with it. Where a
# place is blurred, each report is taken to be elsewhere in a square around it: at one place, always
# the same, by a digest that nobody is told.
_SUBMIT = text(
    " ".join(
        f"""
    WITH given AS (SELECT ST_SetSRID(ST_MakePoint(:longitude, :latitude), 4326) AS point),
    nearest AS (
        SELECT jsonb_agg(id ORDER BY metres, id) AS ids
        FROM (
            SELECT
                id,
                ST_Distance(
                    geography(
                        ST_Translate(
                            location,
                            (get_byte(sha256(submission), 0) - 127.5) * :blur_x,
                            (get_byte(sha256(submission), 1) - 127.5) * :blur_y
                        )
                    ),
                    geography(point)
                ) AS metres
            FROM reports, given
            WHERE ended_at IS NULL
                AND location && ST_Expand(point, :width, :height)
                AND district_code = :district
                AND category_code = :category
                AND captured_at BETWEEN
                    CAST(:captured_at AS timestamptz) - interval '{DUPLICATE_DAYS} days'
                    AND CAST(:captured_at AS timestamptz) + interval '{DUPLICATE_DAYS} days'
                AND id <> :id
            ORDER BY metres, id
            LIMIT {MOST_DUPLICATES}
        ) AS first
        WHERE metres <= :near
    ),
    walking AS (
        SELECT jsonb_agg(worker_code ORDER BY worker_code) AS codes
        FROM worker_assignments
        WHERE district_code = :district
            AND grid_code = :grid
            AND valid_from <= :today
            AND (valid_to IS NULL OR valid_to > :today)
    ),
    made AS (
        INSERT INTO reports (
            district_code, id, version, state, category_code, urgency, source, description,
            location, source_datum, source_longitude, source_latitude, accuracy,
            captured_at, received_at, state_since,
            region_code, grid_code, building_code, sponsor_code, level,
            due_at, step_due_at, submission
        )
        SELECT
            :district, :id, 1, '{State.SUBMITTED}', :category, :urgency, :source, :description,
            ST_SetSRID(ST_MakePoint(:longitude, :latitude), 4326),
            :source_datum, :source_longitude, :source_latitude, :accuracy,
            :captured_at, :received_at, :received_at,
            :region, :grid, :building, :sponsor, :level,
            :due_at, :step_due_at, :submission
        WHERE NOT EXISTS (SELECT FROM reports WHERE id = :id)
        ON CONFLICT DO NOTHING
        RETURNING {REPORT_AS_TEXT}
    ),
    event AS (
        INSERT INTO report_events (
            district_code, report_id, version, action, state, at,
            actor_role, actor_subject, note, details
        )
        SELECT
            made.district_code, made.id, 1, '{Action.SUBMIT}', '{State.SUBMITTED}', :received_at,
            :role, :subject, '',
            CAST(:details AS jsonb) || jsonb_build_object(
                'workers', coalesce(walking.codes, '[]'),
                'duplicates', coalesce(nearest.ids, '[]')
            )
        FROM made, nearest, walking
        RETURNING {", ".join(Event._fields)}
    ),
    reporter AS (
        INSERT INTO reporters (district_code, report_id, subject, codes, name, phone)
        SELECT district_code, id, :reporter, :codes, :name, :phone
        FROM made
    ),
    log AS (
        INSERT INTO audit_entries (
            district_code, role, subject, account, address, request, action, noun, ids
        )
        SELECT district_code, :role, :who, :account, :ip, :request, 'SUBMIT', 'reports', ARRAY[id]
        FROM made
    ),
    taken AS (
        INSERT INTO report_photos (district_code, report_id, version, place, photo_id)
        SELECT made.district_code, made.id, 1, photo.place, photo.id
        FROM made, unnest(CAST(:photos AS uuid[])) WITH ORDINALITY AS photo (id, place)
    )
    SELECT {", ".join(f"made.{name}" for name in Report._fields)},
        {", ".join(f"event.{name}" for name in Event._fields)}
    FROM made, event
    """.split()
    )
)
