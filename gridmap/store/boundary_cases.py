"""What lies under a plan of other boundaries: the grids that are meant and those around, and what
stands in them, as it is kept at one moment and holds on one day.

The number of statements does not grow with the number of grids, nor with what stands in them.
"""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self
from uuid import UUID

import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.errors import Conflict, Invalid, NotFound, TooLarge
from gridmap.geo.areas import areas_m2
from gridmap.geo.checks import metres_per_degree
from gridmap.geo.snapping import WIDEST_TOLERANCE_METRES
from gridmap.store.grids import Grid
from gridmap.store.paging import Key

Geometries = NDArray[np.object_]

MOST_GRIDS = 1_000
"""Grids that one plan may change, make or end."""

MOST_AROUND = 20_000
MOST_BUILDINGS = 100_000

_LONGEST_CODE = 64
_LONGEST_NAME = 200
_NUMBERS = 999


class DraftGrid(NamedTuple):
    """What one grid is to be. `outline`: WKB, WGS 84; or None, and it is to be all that the grids
    of the codes `together` are.

    `code`: of a grid that there is, or of a new one; None to have a new one numbered. `name`: None
    to keep it; a new one needs it. `community`: of a new one, None for that of the grid from whose
    ground it has most.
    """

    code: str | None
    outline: bytes | None
    together: tuple[str, ...] = ()
    name: str | None = None
    community: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody wants: `grids` to be so from the day `start` on, and those of `ends` no more.

    `may_move_ground`: whether ground may be given up, or taken in that no grid had.
    """

    start: datetime.date
    grids: tuple[DraftGrid, ...]
    ends: tuple[str, ...] = ()
    datum: str = "WGS84"
    tolerance_metres: float = 1.0
    may_move_ground: bool = False

    def as_json(self) -> dict[str, Any]:
        return {
            "start": self.start.isoformat(),
            "grids": [
                [code, outline.hex() if outline else None, list(together), name, community]
                for code, outline, together, name, community in self.grids
            ],
            "ends": list(self.ends),
            "datum": self.datum,
            "tolerance_metres": self.tolerance_metres,
            "may_move_ground": self.may_move_ground,
        }

    @classmethod
    def of_json(cls, said: dict[str, Any]) -> Self:
        return cls(
            datetime.date.fromisoformat(said["start"]),
            tuple(
                DraftGrid(
                    code, bytes.fromhex(outline) if outline else None, tuple(together), *words
                )
                for code, outline, together, *words in said["grids"]
            ),
            tuple(said["ends"]),
            said["datum"],
            float(said["tolerance_metres"]),
            said["may_move_ground"],
        )


class Outlined(NamedTuple):
    """A version of a grid with its outline, a shapely MultiPolygon."""

    grid: Grid
    outline: Any


class Wanted(NamedTuple):
    """A grid as it is to be. `before`: the version that it follows, None of a new one.

    `outline`: before anything is snapped. `was_before`: whether a new one has the code of a grid
    that has ended. `community_outline`: None where it is not known.
    """

    district_code: str
    code: str
    name: str
    community_code: str
    outline: Any
    before: Outlined | None
    was_before: bool
    community_outline: Any


class StandingBuilding(NamedTuple):
    """`sponsorship_id` and `sponsor_code`: what holds on the day; None where nothing does."""

    district_code: str
    code: str
    community_code: str
    households: int
    longitude: float
    latitude: float
    sponsorship_id: int | None
    sponsor_code: str | None


class OpenReport(NamedTuple):
    """`current_from`: since when the version of its grid holds that does on the day."""

    district_code: str
    id: UUID
    serial: int
    longitude: float
    latitude: float
    accuracy: float | None
    captured_on: datetime.date
    grid_code: str | None
    current_from: datetime.date | None


class GridSponsorship(NamedTuple):
    """That a sponsor answers for a grid itself on the day or later."""

    id: int
    sponsor_code: str
    grid_code: str
    valid_from: datetime.date
    valid_to: datetime.date | None


class Assignment(NamedTuple):
    """That a worker walks a grid on the day or later. `walks_others`: grids that do not end."""

    worker_code: str
    worker_name: str
    grid_code: str
    valid_from: datetime.date
    valid_to: datetime.date | None
    walks_others: bool


@dataclass(frozen=True, slots=True)
class Case:
    """All that a plan is reckoned from.

    `ending`: the grids that end. `around`: all others that hold on the day, of any district, near
    the outlines or within what is known of a report's position.
    """

    draft: Draft
    district_code: str
    wanted: list[Wanted]
    ending: list[Outlined]
    around: list[Outlined]
    buildings: list[StandingBuilding]
    reports: list[OpenReport]
    sponsorships: list[GridSponsorship]
    assignments: list[Assignment]

    @property
    def before(self) -> list[Outlined]:
        """The grids that change or end, as they are."""
        return [*(each.before for each in self.wanted if each.before), *self.ending]


async def case_of(connection: AsyncConnection, draft: Draft) -> Case:
    """What lies under a draft. `connection` is in a transaction.

    Raises NotFound for grids and communities that there are not, Invalid for what makes no sense,
    Conflict where a grid that is meant or one beside it has a version that begins later, and
    TooLarge beyond the limits.
    """
    _check(draft)
    versions = await _versions(connection, draft)
    held = _held(draft, versions)
    shapes = [_shape(each, held) for each in draft.grids]
    ending = [held[code] for code in draft.ends]
    meant = [held[each.code] for each in draft.grids if each.code in held]
    outlines = [*shapes, *(each.outline for each in (*meant, *ending))]
    values = _box_values(outlines, draft)

    reports = [OpenReport(*row) for row in await connection.execute(_REPORTS, values)]
    near = await _near(connection, values, reports)
    touched = {each.grid.key for each in (*meant, *ending)}
    _refuse_later(draft, near, touched, outlines)
    around = [
        each
        for each in near
        if each.grid.valid_from <= draft.start and each.grid.key not in touched
    ]
    wanted = await _wanted(connection, draft, shapes, held, versions, [*meant, *ending, *around])
    district_code = _district(wanted, ending)

    rows = (await connection.execute(_BUILDINGS, {**values, "most": MOST_BUILDINGS + 1})).all()
    if len(rows) > MOST_BUILDINGS:
        raise TooLarge(
            f"More than {MOST_BUILDINGS} buildings stand there; plan a part of it by itself."
        )
    named = {
        "district": district_code,
        "codes": [*(each.code for each in wanted), *draft.ends],
        "ends": list(draft.ends),
        "start": draft.start,
    }
    return Case(
        draft,
        district_code,
        wanted,
        ending,
        around,
        [StandingBuilding(*row) for row in rows],
        reports,
        [GridSponsorship(*row) for row in await connection.execute(_SPONSORSHIPS, named)],
        [Assignment(*row) for row in await connection.execute(_ASSIGNMENTS, named)],
    )


def _check(draft: Draft) -> None:
    if not draft.grids and not draft.ends:
        raise Invalid("No grid is named; give outlines, or codes of grids that end.")
    count = len(draft.grids) + len(draft.ends)
    if count > MOST_GRIDS:
        raise TooLarge(f"{count} grids are named; at most {MOST_GRIDS} go into one plan.")
    if not 0 <= draft.tolerance_metres <= WIDEST_TOLERANCE_METRES:
        raise Invalid(
            f"tolerance is {draft.tolerance_metres:g}; it is a length from 0 to "
            f"{WIDEST_TOLERANCE_METRES:g} metres."
        )
    named = Counter([*(each.code for each in draft.grids if each.code), *draft.ends])
    for code, times in named.items():
        if times > 1:
            raise Invalid(f"Grid {code} is named twice; it has one outline, or ends.")
    for each in draft.grids:
        what = f"Grid {each.code}" if each.code else "A new grid"
        if (each.outline is None) == (not each.together):
            raise Invalid(f"{what} needs an outline, or the grids that it is made of; one of both.")
        if each.name is not None and not 0 < len(each.name.strip()) <= _LONGEST_NAME:
            raise Invalid(f"{what} is given a name of 0 or more than {_LONGEST_NAME} characters.")


async def _versions(connection: AsyncConnection, draft: Draft) -> dict[str, list[Outlined]]:
    """All versions of the grids that the draft names, by code, the oldest first."""
    codes = {
        *draft.ends,
        *(each.code for each in draft.grids if each.code),
        *(code for each in draft.grids for code in each.together),
    }
    versions: dict[str, list[Outlined]] = {}
    for row in await connection.execute(_VERSIONS, {"codes": sorted(codes)}):
        versions.setdefault(row[1], []).append(_outlined(tuple(row)))
    return versions


def _held(draft: Draft, versions: dict[str, list[Outlined]]) -> dict[str, Outlined]:
    """The version of each named grid that holds on the day.

    Of districts that share a code the first is meant, as everywhere. Raises NotFound where there
    must be one and is none, Conflict where it cannot be followed by another.
    """
    start, held = draft.start, {}
    for code, rows in versions.items():
        district_code = rows[0].grid.district_code
        for row in rows:
            if row.grid.district_code == district_code and row.grid.holds_on(start):
                held[code] = row
    for code in (*draft.ends, *(code for each in draft.grids for code in each.together)):
        if code not in held:
            raise NotFound(
                f"There is no grid {code!r} on {start}.",
                reason="NO_GRID",
                grid=code,
                day=str(start),
            )
    for code in (*draft.ends, *(each.code for each in draft.grids if each.code)):
        for row in versions.get(code, []):
            begins = row.grid.valid_from
            if begins > start or (begins == start and code in held):
                raise Conflict(
                    f"Grid {code} has a version that begins on {begins}, and the change is to "
                    f"begin on {start}. Begin on a day after {begins}.",
                    reason="HAS_VERSION",
                    grid=code,
                    begins=str(begins),
                )
    return held


def _shape(wanted: DraftGrid, held: dict[str, Outlined]) -> Any:
    if wanted.outline is not None:
        return shapely.from_wkb(wanted.outline)
    united = shapely.union_all([held[code].outline for code in wanted.together])
    return shapely.multipolygons(shapely.get_parts(united))


def _box_values(outlines: Sequence[Any], draft: Draft) -> dict[str, Any]:
    """The outlines' boxes, larger by twice the tolerance and a metre, as a statement takes them."""
    bounds = shapely.bounds(np.array(outlines, dtype=np.object_)).reshape(-1, 4)
    metres = 2 * draft.tolerance_metres + 1
    across, along = metres_per_degree((bounds[:, 1] + bounds[:, 3]) / 2)
    east, north = metres / across, metres / along
    return {
        "wests": (bounds[:, 0] - east).tolist(),
        "souths": (bounds[:, 1] - north).tolist(),
        "easts": (bounds[:, 2] + east).tolist(),
        "norths": (bounds[:, 3] + north).tolist(),
        "start": draft.start,
    }


async def _near(
    connection: AsyncConnection, values: dict[str, Any], reports: Sequence[OpenReport]
) -> list[Outlined]:
    """The grids that hold on the day or later, in the boxes or where a report may be."""
    uncertain = [each for each in reports if each.accuracy]
    latitudes = np.array([each.latitude for each in uncertain], dtype=np.float64)
    across, along = metres_per_degree(latitudes)
    reach = 1.01 * np.array([each.accuracy for each in uncertain], dtype=np.float64)
    east, north = reach / np.maximum(across, 1.0), reach / along
    longitudes = np.array([each.longitude for each in uncertain], dtype=np.float64)
    boxes = {
        "wests": [*values["wests"], *(longitudes - east).tolist()],
        "souths": [*values["souths"], *(latitudes - north).tolist()],
        "easts": [*values["easts"], *(longitudes + east).tolist()],
        "norths": [*values["norths"], *(latitudes + north).tolist()],
        "start": values["start"],
        "most": MOST_AROUND + 1,
    }
    rows = (await connection.execute(_NEAR, boxes)).all()
    if len(rows) > MOST_AROUND:
        raise TooLarge(f"More than {MOST_AROUND} grids lie around; plan a part of it by itself.")
    return [_outlined(tuple(row)) for row in rows]


def _refuse_later(
    draft: Draft, near: Sequence[Outlined], touched: set[Key], outlines: Sequence[Any]
) -> None:
    """Raises Conflict where a grid beside those that change has a version that begins later.

    What is right on the day may be wrong on that one, and who planned that did not know of this.
    """
    later = [
        each for each in near if each.grid.valid_from > draft.start and each.grid.key not in touched
    ]
    if not later:
        return
    tree = shapely.STRtree(np.array([each.outline for each in later], dtype=np.object_))
    found = tree.query(
        np.array(outlines, dtype=np.object_), predicate="dwithin", distance=_BESIDE_DEGREES
    )[1]
    if len(found):
        other = later[int(found.min())].grid
        raise Conflict(
            f"Grid {other.code}, which lies beside, changes on {other.valid_from}, after "
            f"{draft.start}. Begin on that day or later.",
            reason="CHANGES_BESIDE",
            grid=other.code,
            begins=str(other.valid_from),
        )


# A ten-thousandth of a second of arc, some millimetres.
_BESIDE_DEGREES = 3e-8


async def _wanted(
    connection: AsyncConnection,
    draft: Draft,
    shapes: Sequence[Any],
    held: dict[str, Outlined],
    versions: dict[str, list[Outlined]],
    there: Sequence[Outlined],
) -> list[Wanted]:
    """The grids as they are to be, the new ones numbered and put into their communities."""
    is_new = [each.code not in held for each in draft.grids]
    communities = [
        _community(each, shape, there) if new else held[each.code or ""].grid.community_code
        for each, shape, new in zip(draft.grids, shapes, is_new, strict=True)
    ]
    known: dict[str, tuple[str, int | None, Any]] = {}
    for code, district, last, wkb in await connection.execute(
        _COMMUNITIES, {"codes": sorted(set(communities))}
    ):
        if district is None:
            raise Invalid(f"Region {code} lies above any district, and has no grids.")
        known[code] = district, last, shapely.from_wkb(wkb) if wkb else None
    taken: dict[str, int] = {}
    for each in draft.grids:
        if each.code and (match := _STANDARD.fullmatch(each.code)):
            taken[match[1]] = max(taken.get(match[1], 0), int(match[2]))
    wanted = []
    for each, shape, community, new in zip(draft.grids, shapes, communities, is_new, strict=True):
        if community not in known:
            raise NotFound(
                f"There is no community {community!r} for a new grid.",
                reason="NO_COMMUNITY",
                community=community,
            )
        district_code, last, around = known[community]
        before = None if new else held[each.code or ""]
        if before is not None:
            district_code, code = before.grid.district_code, before.grid.code
        else:
            code = each.code or _next_code(community, last, taken)
            if not re.fullmatch(rf"\S{{1,{_LONGEST_CODE}}}", code):
                raise Invalid(
                    f"{code[:_LONGEST_CODE]!r} is no code; one has 1 to {_LONGEST_CODE} "
                    "characters without blanks."
                )
            if last is not None and not _STANDARD.fullmatch(code):
                raise Invalid(
                    f"{code!r} is no code of a grid of community {community}: those there have its "
                    "12 digits and 3 of their own. Give such a code, or leave it out."
                )
        name = each.name.strip() if each.name else (before.grid.name if before else None)
        if name is None:
            raise Invalid(
                f"The new grid {code} has no name; give it one.", reason="NO_NAME", grid=code
            )
        was_before = new and code in versions
        wanted.append(
            Wanted(district_code, code, name, community, shape, before, was_before, around)
        )
    return wanted


_STANDARD = re.compile(r"([0-9]{12})([0-9]{3})")


def _community(wanted: DraftGrid, shape: Any, there: Sequence[Outlined]) -> str:
    """What is said, else what the code begins with, else that of the grid whose ground it has most
    of."""
    standard = _STANDARD.fullmatch(wanted.code or "")
    if standard and wanted.community not in (None, standard[1]):
        raise Invalid(
            f"Grid {wanted.code} is to be in community {wanted.community}, but its code begins "
            f"with {standard[1]}. Correct one of both."
        )
    if wanted.community is not None:
        return wanted.community
    if standard:
        return standard[1]
    near = [each for each in there if shapely.intersects(each.outline, shape)]
    shared = areas_m2([_area(shapely.intersection(each.outline, shape)) for each in near])
    if not len(shared) or not shared.max() > 0:
        raise Invalid(
            "A new grid lies where no grid is; say its community.", reason="WHICH_COMMUNITY"
        )
    return near[int(np.argmax(shared))].grid.community_code


def _area(shape: Any) -> Any:
    """What of a shape has area."""
    parts = shapely.get_parts(shape)
    return shapely.multipolygons(parts[shapely.get_dimensions(parts) == 2])


def _next_code(community: str, last: int | None, taken: dict[str, int]) -> str:
    """The community's code and the next number that no grid of it has ever had."""
    if not re.fullmatch("[0-9]{12}", community):
        raise Invalid(
            f"The grids of {community} are not numbered by its code; say the code of a new one."
        )
    number = max(last or 0, taken.get(community, 0)) + 1
    if number > _NUMBERS:
        raise Invalid(f"Community {community} has had a grid {_NUMBERS}; say a code that is free.")
    taken[community] = number
    return f"{community}{number:03}"


def _district(wanted: Sequence[Wanted], ending: Sequence[Outlined]) -> str:
    """The district that all lie in."""
    districts = sorted(
        {*(each.district_code for each in wanted), *(each.grid.district_code for each in ending)}
    )
    if len(districts) > 1:
        raise Invalid(
            f"The grids lie in districts {', '.join(districts)}; plan for each by itself. What "
            "lies beside in another district stays as it is.",
            reason="SEVERAL_DISTRICTS",
            districts=districts,
        )
    return districts[0]


def _outlined(row: tuple[Any, ...]) -> Outlined:
    return Outlined(Grid(*row[:-1]), shapely.from_wkb(row[-1]))


_BOXES = """
unnest(
    CAST(:wests AS float8[]), CAST(:souths AS float8[]), CAST(:easts AS float8[]),
    CAST(:norths AS float8[])
) AS box (west, south, east, north)
"""
_BOX = "ST_MakeEnvelope(west, south, east, north, 4326)"

# Served by grids_code_idx.
_VERSIONS = text(
    """
    SELECT
        district_code, code, community_code, name, valid_from, valid_to, ST_AsBinary(boundary)
    FROM grids
    WHERE code = ANY(CAST(:codes AS text[]))
    ORDER BY code, district_code, valid_from
    """
)

# Served by grids_boundary_idx.
_NEAR = text(
    f"""
    SELECT
        district_code, code, community_code, name, valid_from, valid_to, ST_AsBinary(boundary)
    FROM grids
    WHERE (district_code, code, valid_from) IN (
            SELECT near.district_code, near.code, near.valid_from
            FROM {_BOXES}
            JOIN grids AS near ON near.boundary && {_BOX}
            WHERE near.valid_to IS NULL OR near.valid_to > :start
        )
    ORDER BY code, district_code, valid_from
    LIMIT :most
    """
)

# With the number of the last grid that each has ever had, and its outline. Served by
# grids_community_idx.
_COMMUNITIES = text(
    """
    SELECT
        code,
        district_code,
        (
            SELECT max(CAST(right(grids.code, 3) AS integer))
            FROM grids
            WHERE community_code = regions.code
              AND grids.code ~ '^[0-9]{15}$'
              AND left(grids.code, 12) = regions.code
        ),
        ST_AsBinary(boundary)
    FROM regions
    WHERE code = ANY(CAST(:codes AS text[]))
    """
)

# Served by buildings_location_idx and sponsorships_building_idx.
_BUILDINGS = text(
    f"""
    SELECT
        building.district_code,
        building.code,
        building.community_code,
        building.households,
        ST_X(building.location),
        ST_Y(building.location),
        sponsorship.id,
        sponsorship.sponsor_code
    FROM buildings AS building
    LEFT JOIN sponsorships AS sponsorship
        ON sponsorship.district_code = building.district_code
        AND sponsorship.building_code = building.code
        AND sponsorship.valid_from <= :start
        AND (sponsorship.valid_to IS NULL OR sponsorship.valid_to > :start)
    WHERE (building.district_code, building.code) IN (
            SELECT near.district_code, near.code
            FROM {_BOXES}
            JOIN buildings AS near ON near.location && {_BOX}
        )
    ORDER BY building.code, building.district_code
    LIMIT :most
    """
)

# Those that may lie in a box: a position is known to some metres. Served by
# reports_open_location_idx where it is known to 200 m, as nearly all are.
_REPORTS = text(
    f"""
    SELECT
        report.district_code,
        report.id,
        report.serial,
        ST_X(report.location),
        ST_Y(report.location),
        report.accuracy,
        CAST(report.captured_at AT TIME ZONE 'Asia/Shanghai' AS date),
        report.grid_code,
        current.valid_from
    FROM reports AS report
    LEFT JOIN grids AS current
        ON current.district_code = report.district_code
        AND current.code = report.grid_code
        AND current.valid_from <= :start
        AND (current.valid_to IS NULL OR current.valid_to > :start)
    WHERE (report.district_code, report.id) IN (
            SELECT near.district_code, near.id
            FROM {_BOXES}
            JOIN reports AS near ON near.location && ST_Expand({_BOX}, 0.006)
            WHERE near.ended_at IS NULL
              AND (
                  near.location && {_BOX}
                  OR near.accuracy <= 200
                  AND ST_DWithin(
                      geography(near.location), geography({_BOX}), 1.01 * near.accuracy
                  )
              )
            UNION
            SELECT near.district_code, near.id
            FROM {_BOXES}
            JOIN reports AS near
              ON ST_DWithin(geography(near.location), geography({_BOX}), 1.01 * near.accuracy)
            WHERE near.ended_at IS NULL AND near.accuracy > 200
        )
    ORDER BY report.id, report.district_code
    """
)

# Served by sponsorships_grid_idx.
_SPONSORSHIPS = text(
    """
    SELECT id, sponsor_code, grid_code, valid_from, valid_to
    FROM sponsorships
    WHERE district_code = :district
      AND grid_code = ANY(CAST(:codes AS text[]))
      AND (valid_to IS NULL OR valid_to > :start)
    ORDER BY id
    """
)

# Served by worker_assignments_grid_idx and worker_assignments_pkey.
_ASSIGNMENTS = text(
    """
    SELECT
        assignment.worker_code,
        worker.name,
        assignment.grid_code,
        assignment.valid_from,
        assignment.valid_to,
        EXISTS (
            SELECT
            FROM worker_assignments AS other
            WHERE other.district_code = assignment.district_code
              AND other.worker_code = assignment.worker_code
              AND other.grid_code <> ALL (CAST(:ends AS text[]))
              AND (other.valid_to IS NULL OR other.valid_to > :start)
        )
    FROM worker_assignments AS assignment
    JOIN workers AS worker
        ON worker.district_code = assignment.district_code
        AND worker.code = assignment.worker_code
    WHERE assignment.district_code = :district
      AND assignment.grid_code = ANY(CAST(:codes AS text[]))
      AND (assignment.valid_to IS NULL OR assignment.valid_to > :start)
    ORDER BY assignment.worker_code, assignment.grid_code, assignment.valid_from
    """
)
