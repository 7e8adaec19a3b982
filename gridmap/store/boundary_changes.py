"""Plans of other boundaries applied: exactly what was shown, once, with author and reason.

Nobody else writes grids, buildings, or who walks which grid meanwhile; a sponsor that is assigned
to one of them comes before or after. What the plan shows is reckoned anew under these locks, and
any difference refuses it. Of what is kept about a grid only the end of its version is written.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import psycopg
from sqlalchemy import exc, text
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.errors import Conflict, GridmapError, Invalid, NotFound, Unavailable
from gridmap.store import audit
from gridmap.store.boundary_contents import (
    Content,
    EndingAssignment,
    EndingSponsorship,
    MovedBuilding,
    MovedReport,
    MovedSponsorship,
    PlannedGrid,
    Under,
    digest_of,
)
from gridmap.store.boundary_plans import (
    BoundaryPlan,
    PlanKey,
    check_start,
    check_viewer,
    plans_by_key,
    reckoned,
)
from gridmap.store.viewers import Viewer

LONGEST_REASON = 2_000
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class BoundaryChange:
    """That a plan was applied."""

    key: PlanKey
    applied_at: datetime.datetime
    author_role: str
    author_subject: str
    reason: str


async def changes_of_plans(
    connection: AsyncConnection, keys: Sequence[PlanKey]
) -> list[BoundaryChange | None]:
    """Of each plan that it was applied, None where it was not. Served by boundary_changes_pkey."""
    rows = await connection.execute(
        _CHANGES,
        {"districts": [key.district_code for key in keys], "ids": [key.id for key in keys]},
    )
    found = {
        key: BoundaryChange(key, *said)
        for district_code, id_, *said in rows
        for key in [PlanKey(district_code, id_)]
    }
    return [found.get(key) for key in keys]


async def apply(
    connection: AsyncConnection,
    key: PlanKey,
    reason: str,
    viewer: Viewer,
    now: datetime.datetime,
) -> BoundaryChange:
    """Ends the versions that the plan names on its day, and begins the new ones.

    What is of a grid that ends ends with it: who walks it, and who answers for it itself. Those who
    were to begin later are called off. `connection` is in a transaction of its own.

    Raises NotFound where there is no such plan, Forbidden for a viewer who is no office of its
    district, Invalid for no reason in words and for a day that is past by now, Conflict where it
    was applied already, has an obstacle, or anything under it has changed, and Unavailable while an
    import writes the same.
    """
    said = reason.strip()
    if not 0 < len(said) <= LONGEST_REASON:
        raise Invalid(
            f"Say the reason, in 1 to {LONGEST_REASON} characters.",
            reason="NOT_SAID_WHY",
            most=LONGEST_REASON,
        )
    [plan] = await plans_by_key(connection, [key])
    if plan is None:
        raise NotFound(
            f"There is no plan {key.id} in district {key.district_code}.", reason="NO_PLAN"
        )
    check_viewer(viewer, key.district_code)
    if plan.content.obstacles:
        raise Conflict(
            f"The plan cannot be applied: {' '.join(plan.content.obstacles)} Plan anew.",
            reason="HAS_OBSTACLES",
            obstacles=plan.content.obstacles,
        )
    await _lock(connection, plan)
    [before] = await changes_of_plans(connection, [key])
    if before is not None:
        raise Conflict(
            f"The plan was applied on {before.applied_at:%Y-%m-%d %H:%M} already.",
            reason="WAS_APPLIED",
            appliedAt=before.applied_at.isoformat(),
        )
    check_start(plan.draft, now.date())
    await _check_unchanged(connection, plan)
    await _write(connection, plan)
    change = BoundaryChange(key, now, viewer.role.value, viewer.subject, said)
    await _keep(connection, plan, change)
    await audit.enter(connection, viewer, "APPLY", "boundary_plans", [key])
    return change


async def _lock(connection: AsyncConnection, plan: BoundaryPlan) -> None:
    """Waits for all who write what the plan lies on.

    Imports lock the tables that they write in this way too. Buildings and grids by row in the order
    in which `sponsorships` locks them. Raises Unavailable where it takes long, as an import may.
    """
    buildings = sorted({each.code for each in plan.content.buildings})
    grids = sorted({each.code for each in plan.content.grids})
    try:
        await connection.execute(_WAIT)
        await connection.execute(_LOCK_TABLES)
        await connection.execute(_LOCK_BUILDINGS, {"codes": buildings})
        await connection.execute(_LOCK_GRIDS, {"codes": grids})
    except exc.DBAPIError as error:
        if isinstance(error.orig, psycopg.errors.LockNotAvailable):
            raise Unavailable(
                "Somebody else writes grids, buildings or who walks them, perhaps an import; apply "
                "the plan when that is done.",
                reason="BEING_WRITTEN",
            ) from error
        raise


async def _check_unchanged(connection: AsyncConnection, plan: BoundaryPlan) -> None:
    """Raises Conflict, with what has changed, where the plan would be another by now."""
    try:
        content = await reckoned(connection, plan.draft)
    except GridmapError as error:
        raise Conflict(
            f"What the plan lies on has changed: {error.message} Plan anew.",
            reason="PLAN_CHANGED",
            because={**error.details, "code": error.code, "message": error.message},
        ) from error
    if digest_of(content) != plan.digest:
        changed = list(differences(plan.content, content))
        said = [each.words for each in changed]
        more = f", and {len(changed) - _MOST_NAMED} more" if len(changed) > _MOST_NAMED else ""
        raise Conflict(
            f"What the plan lies on has changed: {', '.join(said[:_MOST_NAMED])}{more}. "
            "Plan anew, and look at it again.",
            reason="PLAN_CHANGED",
            changed=said[:100],
            changes=[each.as_json() for each in changed[:100]],
        )


class Difference(NamedTuple):
    """What is not as it was shown: of which kind, which grid, building or worker by its code (None:
    no grid, or none is named), whether it is new or gone, and all of that in words.
    """

    what: str
    code: str | None
    how: str | None
    words: str

    def as_json(self) -> dict[str, str | None]:
        return {"what": self.what, "code": self.code, "how": self.how}


def differences(shown: Content, now: Content) -> Iterable[Difference]:
    """What is not as it was shown: the grids first."""
    one, other = shown.as_json(), now.as_json()
    if one == other:
        return
    told: list[Difference] = []
    for name, width, what, code_of, words in _NAMES:
        before = {tuple(row[:width]): row for row in one[name]}
        after = {tuple(row[:width]): row for row in other[name]}
        for key in sorted({*before, *after}, key=str):
            if before.get(key) != after.get(key):
                code = code_of(after.get(key) or before[key])
                how = None if key in before and key in after else "NEW" if key in after else "GONE"
                said = words.format(f"grid {code}" if code else "no grid", code=code)
                said += f" ({how.lower()})" if how else ""
                told.append(Difference(what, code, how, said))
    if not told:
        names = [field.name for field in fields(Content) if one[field.name] != other[field.name]]
        told.append(Difference("PLAN", None, None, ", ".join(names).replace("_", " ")))
    # Several of one grid are told once.
    yield from dict.fromkeys(told)


# Of each part that is named: how many columns name a row, of which kind it is, its code, and what
# it is called. Reports and sponsorships are named by where they are, for the numbers that they are
# kept by are nobody's.
_NAMES: tuple[tuple[str, int, str, Callable[[Sequence[Any]], str | None], str], ...] = (
    ("under", 2, "GRID", lambda row: Under(*row).code, "{}"),
    ("buildings", 2, "BUILDING", lambda row: MovedBuilding(*row).code, "building {code}"),
    ("reports", 2, "REPORTS", lambda row: MovedReport(*row).before, "a report in {}"),
    (
        "sponsorships",
        2,
        "BUILDING_SPONSORS",
        lambda row: MovedSponsorship(*row).before,
        "who answers for a building in {}",
    ),
    (
        "ending_sponsorships",
        1,
        "GRID_SPONSORS",
        lambda row: EndingSponsorship(*row).grid_code,
        "who answers for {}",
    ),
    (
        "ending_assignments",
        1,
        "WORKER",
        lambda row: EndingAssignment(*row).worker_code,
        "worker {code}",
    ),
    (
        "grids",
        1,
        "CONTENTS",
        lambda row: PlannedGrid(*row).code,
        "what stands in {}, or who walks it",
    ),
)


async def _write(connection: AsyncConnection, plan: BoundaryPlan) -> None:
    content, start = plan.content, plan.draft.start
    gone = [grid for grid in content.grids if grid.before_from is not None]
    ended = await connection.execute(
        _END_VERSIONS,
        {
            "district": content.district_code,
            "codes": [grid.code for grid in gone],
            "froms": [grid.before_from for grid in gone],
            "start": start,
        },
    )
    ends: dict[str, datetime.date | None] = dict(ended.all())
    new = [grid for grid in content.grids if grid.outline_after is not None]
    await connection.execute(
        _BEGIN_VERSIONS,
        {
            "district": content.district_code,
            "codes": [grid.code for grid in new],
            "communities": [grid.community_code for grid in new],
            "names": [grid.name for grid in new],
            "outlines": [bytes.fromhex(grid.outline_after or "") for grid in new],
            "ends": [ends.get(grid.code) for grid in new],
            "datum": plan.draft.datum,
            "start": start,
        },
    )
    values = {
        "district": content.district_code,
        "codes": list(plan.draft.ends),
        "start": start,
    }
    if plan.draft.ends:
        for statement in _END_WHAT_IS_OF_GRIDS:
            await connection.execute(statement, values)


async def _keep(connection: AsyncConnection, plan: BoundaryPlan, change: BoundaryChange) -> None:
    key = {"district": change.key.district_code, "id": change.key.id}
    await connection.execute(
        _KEEP,
        {
            **key,
            "applied_at": change.applied_at,
            "role": change.author_role,
            "subject": change.author_subject,
            "reason": change.reason,
        },
    )
    exchanges = exchanges_of(plan.content)
    await connection.execute(
        _KEEP_GRIDS,
        {
            **key,
            "codes": list(exchanges),
            "valid_from": plan.draft.start,
            # As text, for the arrays are of different lengths.
            "taken": ["\n".join(each.taken_from) for each in exchanges.values()],
            "given": ["\n".join(each.given_to) for each in exchanges.values()],
        },
    )


class Exchange(NamedTuple):
    """The grids that a grid has ground from, and those that have ground of it."""

    taken_from: list[str]
    given_to: list[str]


def exchanges_of(content: Content) -> dict[str, Exchange]:
    """With whom each grid of a plan exchanges ground, more than a sliver of it."""
    exchanges = {grid.code: Exchange([], []) for grid in content.grids}
    for flow in content.flows:
        if flow.before is None or flow.after is None or flow.area_m2 < _SLIVER_M2:
            continue
        if flow.after in exchanges:
            exchanges[flow.after].taken_from.append(flow.before)
        if flow.before in exchanges:
            exchanges[flow.before].given_to.append(flow.after)
    return exchanges


_SLIVER_M2 = 1.0

_WAIT = text("SET LOCAL lock_timeout = '5s'")

_LOCK_TABLES = text("LOCK TABLE grids, worker_assignments, buildings IN SHARE ROW EXCLUSIVE MODE")

# Served by buildings_code_idx.
_LOCK_BUILDINGS = text(
    """
    SELECT
    FROM buildings
    WHERE code = ANY(CAST(:codes AS text[]))
    ORDER BY code, district_code
    FOR NO KEY UPDATE
    """
)

# Served by grids_code_idx.
_LOCK_GRIDS = text(
    """
    SELECT
    FROM grids
    WHERE code = ANY(CAST(:codes AS text[]))
    ORDER BY code, district_code, valid_from
    FOR NO KEY UPDATE
    """
)

# With the day on which each was to end. Served by grids_pkey.
_END_VERSIONS = text(
    """
    WITH ended AS (
        SELECT grids.district_code, grids.code, grids.valid_from, grids.valid_to
        FROM unnest(CAST(:codes AS text[]), CAST(:froms AS date[])) AS named (code, valid_from)
        JOIN grids
            ON grids.district_code = :district
            AND grids.code = named.code
            AND grids.valid_from = named.valid_from
    )
    UPDATE grids
    SET valid_to = :start
    FROM ended
    WHERE grids.district_code = ended.district_code
      AND grids.code = ended.code
      AND grids.valid_from = ended.valid_from
    RETURNING grids.code, ended.valid_to
    """
)

_BEGIN_VERSIONS = text(
    """
    INSERT INTO grids (
        district_code, code, community_code, name, boundary, source_datum, valid_from, valid_to
    )
    SELECT
        :district, code, community_code, name, ST_GeomFromWKB(outline, 4326), :datum,
        CAST(:start AS date), valid_to
    FROM unnest(
        CAST(:codes AS text[]), CAST(:communities AS text[]), CAST(:names AS text[]),
        CAST(:outlines AS bytea[]), CAST(:ends AS date[])
    ) AS new (code, community_code, name, outline, valid_to)
    ORDER BY code
    """
)

# Those that were to begin later have never held. Served by sponsorships_grid_idx and
# worker_assignments_grid_idx.
_END_WHAT_IS_OF_GRIDS = [
    text(
        f"""
        WITH called_off AS (
            DELETE FROM {table}
            WHERE district_code = :district
              AND grid_code = ANY(CAST(:codes AS text[]))
              AND valid_from >= :start
        )
        UPDATE {table}
        SET valid_to = :start
        WHERE district_code = :district
          AND grid_code = ANY(CAST(:codes AS text[]))
          AND valid_from < :start
          AND (valid_to IS NULL OR valid_to > :start)
        """
    )
    for table in ("sponsorships", "worker_assignments")
]

_KEEP = text(
    """
    INSERT INTO boundary_changes (
        district_code, plan_id, applied_at, author_role, author_subject, reason
    )
    VALUES (:district, :id, :applied_at, :role, :subject, :reason)
    """
)

_KEEP_GRIDS = text(
    """
    INSERT INTO boundary_change_grids (
        district_code, grid_code, plan_id, valid_from, taken_from, given_to
    )
    SELECT
        :district, code, :id, CAST(:valid_from AS date), string_to_array(taken, chr(10)),
        string_to_array(given, chr(10))
    FROM unnest(
        CAST(:codes AS text[]), CAST(:taken AS text[]), CAST(:given AS text[])
    ) AS exchange (code, taken, given)
    """
)

_CHANGES = text(
    """
    SELECT district_code, plan_id, applied_at, author_role, author_subject, reason
    FROM boundary_changes
    WHERE (district_code, plan_id) IN (
        SELECT * FROM unnest(CAST(:districts AS text[]), CAST(:ids AS uuid[]))
    )
    """
)
