"""Plans of other boundaries, as they are made, kept, and looked at by others.

A plan is reckoned from a draft and from what is kept, written down as it was shown, and never
changed. Reckoned anew it comes out the same as long as nothing under it has changed, and so
`boundary_changes` knows that it applies what was shown.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.errors import Forbidden, Invalid
from gridmap.store import audit
from gridmap.store.boundary_cases import Draft, case_of
from gridmap.store.boundary_contents import Content, digest_of
from gridmap.store.boundary_reckoning import content_of
from gridmap.store.paging import Key, Slice
from gridmap.store.permissions import Extent, Permission, extent
from gridmap.store.viewers import Role, Viewer


class PlanKey(NamedTuple):
    """Names one plan for ever."""

    district_code: str
    id: UUID


@dataclass(frozen=True, slots=True)
class BoundaryPlan:
    """A plan as it was shown. `digest`: of its content."""

    plan_key: PlanKey
    made_at: datetime.datetime
    author_role: str
    author_subject: str
    draft: Draft
    content: Content
    digest: bytes

    @property
    def key(self) -> Key:
        """Its place in a list, newest first."""
        return Key(f"{self.made_at.isoformat()} {self.plan_key.id}", self.plan_key.district_code)


async def plan(
    connection: AsyncConnection, draft: Draft, viewer: Viewer, now: datetime.datetime
) -> BoundaryPlan:
    """Reckons a plan and keeps it; grids are left as they are. `connection` is in a transaction.

    The number of statements does not grow with what is planned. Raises what `case_of` does, Invalid
    for a day that is past or an outline that cannot be snapped, and Forbidden for a viewer who is
    no office of the district.
    """
    check_start(draft, now.date())
    # Before the case is read, for who may not plan is not to keep the server busy.
    if extent(viewer, Permission.CHANGE_BOUNDARIES) is None:
        raise refused(viewer)
    content = await reckoned(connection, draft)
    check_viewer(viewer, content.district_code)
    made = BoundaryPlan(
        PlanKey(content.district_code, uuid4()),
        now,
        viewer.role.value,
        viewer.subject,
        draft,
        content,
        digest_of(content),
    )
    await connection.execute(
        _KEEP,
        {
            "district": made.plan_key.district_code,
            "id": made.plan_key.id,
            "made_at": made.made_at,
            "role": made.author_role,
            "subject": made.author_subject,
            "valid_from": draft.start,
            "draft": orjson.dumps(draft.as_json()).decode(),
            "content": orjson.dumps(content.as_json()).decode(),
            "digest": made.digest,
        },
    )
    await audit.enter(connection, viewer, "PLAN", "boundary_plans", [made.plan_key])
    return made


async def plans_by_key(
    connection: AsyncConnection, keys: Sequence[PlanKey]
) -> list[BoundaryPlan | None]:
    """One for each key, in their order. Served by boundary_plans_pkey."""
    rows = await connection.execute(
        _PLANS,
        {"districts": [key.district_code for key in keys], "ids": [key.id for key in keys]},
    )
    found = {(plan := _plan(row)).plan_key: plan for row in rows}
    return [found.get(key) for key in keys]


async def page_of_plans(
    connection: AsyncConnection, district_code: str, viewer: Viewer, cut: Slice
) -> list[BoundaryPlan]:
    """The plans of a district, newest first. Served by boundary_plans_made_idx.

    Raises Forbidden as `check_reader` does.
    """
    check_reader(viewer, district_code)
    at, id_ = cut.after.moment_and_id if cut.after else (None, None)
    values = {"district": district_code, "at": at, "id": id_, "limit": cut.limit}
    return [_plan(row) for row in await connection.execute(_PAGE, values)]


async def count_plans(connection: AsyncConnection, district_code: str) -> int:
    """How many there are."""
    count: int = (await connection.execute(_COUNT, {"district": district_code})).scalar_one()
    return count


def _plan(row: Any) -> BoundaryPlan:
    district_code, id_, made_at, role, subject, draft, content, digest = row
    key = PlanKey(district_code, id_)
    said = Draft.of_json(draft), Content.of_json(content)
    return BoundaryPlan(key, made_at, role, subject, *said, digest)


async def reckoned(connection: AsyncConnection, draft: Draft) -> Content:
    """What a draft comes to, as things are now. Reckoned in a thread."""
    case = await case_of(connection, draft)
    return await asyncio.to_thread(content_of, case)


def check_viewer(viewer: Viewer, district_code: str) -> None:
    """Raises Forbidden unless the viewer plans for the district."""
    if viewer.role is Role.AUDITOR or not may_read(viewer, district_code):
        raise refused(viewer)


def may_read(viewer: Viewer, district_code: str) -> bool:
    """Whether the viewer plans for the district, or sees all."""
    may = extent(viewer, Permission.CHANGE_BOUNDARIES)
    return (
        may is Extent.ALL
        or (may is Extent.OWN and district_code in viewer.codes)
        or viewer.role is Role.AUDITOR
    )


def check_reader(viewer: Viewer, district_code: str) -> None:
    """Raises Forbidden unless the viewer plans for the district, or sees all."""
    if not may_read(viewer, district_code):
        raise refused(viewer)


def refused(viewer: Viewer) -> Forbidden:
    return Forbidden(
        "Boundaries are for the office of their district to change, or for an ADMINISTRATOR. You "
        f"are {viewer.role}{' elsewhere' if viewer.role is Role.DISTRICT else ''}.",
        reason="OFFICE_ONLY",
    )


def check_start(draft: Draft, today: datetime.date) -> None:
    """Raises Invalid for a day that is past.

    Reports, visits and figures of that day have been told by the grids as they were; a change of
    them would make all of that untrue. What was agreed upon earlier begins today.
    """
    if draft.start < today:
        raise Invalid(
            f"The change is to begin on {draft.start}, which is past. What was is not rewritten: "
            "say today or a later day.",
            reason="DAY_IS_PAST",
            day=str(draft.start),
        )


_KEEP = text(
    """
    INSERT INTO boundary_plans (
        district_code, id, made_at, author_role, author_subject, valid_from, draft, content, digest
    )
    VALUES (
        :district, :id, :made_at, :role, :subject, :valid_from, CAST(:draft AS jsonb),
        CAST(:content AS jsonb), :digest
    )
    """
)

_COLUMNS = "district_code, id, made_at, author_role, author_subject, draft, content, digest"

_PLANS = text(
    f"""
    SELECT {_COLUMNS}
    FROM boundary_plans
    WHERE (district_code, id) IN (
        SELECT * FROM unnest(CAST(:districts AS text[]), CAST(:ids AS uuid[]))
    )
    """
)

_PAGE = text(
    f"""
    SELECT {_COLUMNS}
    FROM boundary_plans
    WHERE district_code = :district
      AND (CAST(:at AS timestamptz) IS NULL OR (made_at, id) < (:at, CAST(:id AS uuid)))
    ORDER BY made_at DESC, id DESC
    LIMIT :limit
    """
)

_COUNT = text("SELECT count(*) FROM boundary_plans WHERE district_code = :district")
