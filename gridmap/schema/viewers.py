"""Who asks, as they see themselves."""

from __future__ import annotations

import datetime

import strawberry

from gridmap.store import permissions
from gridmap.store import viewers as store
from gridmap.store.dates import CHINA
from gridmap.store.permissions import PERMISSIONS, WORDS

strawberry.enum(
    store.Role,
    description="ANONYMOUS: no token. RESIDENT: a resident, or whoever holds the receipt of a "
    "report. GRID_WORKER: 网格员. BUILDING_MEMBER: 楼栋党员. SPONSOR: 包保单位. COMMUNITY, "
    "STREET, DISTRICT: an office there. AUDITOR: sees all, changes nothing. ADMINISTRATOR: who "
    "runs the server.",
)


strawberry.enum(
    permissions.Permission,
    name="PermissionName",
    description="What not everybody may do; `words` of a Permission says it in words.",
)
strawberry.enum(
    permissions.Extent,
    name="PermissionExtent",
    description="OWN: of what the viewer's codes name, or what they sent in. ALL: of everything.",
)


@strawberry.type(description="Something that the viewer may do.")
class Permission:
    name: permissions.Permission
    extent: permissions.Extent
    words: str = strawberry.field(description="In English, as in: say who sponsors which building.")


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
    expires_at: datetime.datetime | None = strawberry.field(
        description="When the token ends; null where there is none, and for receipts."
    )
    permissions: list[Permission] = strawberry.field(
        description="What the viewer may do. What one may do with a report is in its actions."
    )


def viewer(viewer: store.Viewer, ends_at: float | None) -> Viewer:
    """The viewer as clients see one; `ends_at` is in seconds of the epoch."""
    return Viewer(
        role=viewer.role,
        subject=viewer.subject or None,
        codes=sorted(viewer.codes),
        expires_at=datetime.datetime.fromtimestamp(ends_at, CHINA) if ends_at else None,
        permissions=[
            Permission(name=name, extent=extent, words=WORDS[name])
            for name, extent in PERMISSIONS[viewer.role].items()
        ],
    )
