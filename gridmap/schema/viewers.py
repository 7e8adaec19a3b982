"""Who asks, as they see themselves."""

from __future__ import annotations

import strawberry

from gridmap.store import viewers as store

strawberry.enum(
    store.Role,
    description="ANONYMOUS: no token. RESIDENT: a resident, or whoever holds the receipt of a "
    "report. GRID_WORKER: 网格员. BUILDING_MEMBER: 楼栋党员. SPONSOR: 包保单位. COMMUNITY, "
    "STREET, DISTRICT: an office there. AUDITOR: sees all, changes nothing. ADMINISTRATOR: who "
    "runs the server.",
)


@strawberry.type(description="Who asks, as their token says.")
class Viewer:
    role: store.Role
    subject: str | None = strawberry.field(
        description="The code of a grid worker, else a name; null for ANONYMOUS."
    )
    codes: list[str] = strawberry.field(
        description="Grids of a grid worker, buildings of a member, the sponsor's own, regions of "
        "an office; none for the others."
    )


def viewer(viewer: store.Viewer) -> Viewer:
    """The viewer as clients see one."""
    return Viewer(role=viewer.role, subject=viewer.subject or None, codes=sorted(viewer.codes))
