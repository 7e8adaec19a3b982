"""Who may do what: one table, of which the manual's is printed and which all code asks.

What a permission is of is a matter of codes and dates: `OWN` is what the viewer's codes name, or
what they sent in themselves; `gridmap.store.scopes` and `gridmap.store.standings` find out.
"""

from __future__ import annotations

from enum import StrEnum

from gridmap.errors import Forbidden
from gridmap.store.loop import Party
from gridmap.store.viewers import Role, Viewer


class Permission(StrEnum):
    """Something that not everybody may do. WORDS says it in words."""

    SEE_PLACES = "SEE_PLACES"
    SEE_REPORTS = "SEE_REPORTS"
    SUBMIT_REPORTS = "SUBMIT_REPORTS"
    FOLLOW_REPORTS = "FOLLOW_REPORTS"
    CHECK_REPORTS = "CHECK_REPORTS"
    HANDLE_REPORTS = "HANDLE_REPORTS"
    DIRECT_REPORTS = "DIRECT_REPORTS"
    SEE_PERSONS = "SEE_PERSONS"
    ASSIGN_SPONSORS = "ASSIGN_SPONSORS"
    LOOK_AFTER_BUILDINGS = "LOOK_AFTER_BUILDINGS"
    CHANGE_BOUNDARIES = "CHANGE_BOUNDARIES"


class Extent(StrEnum):
    """Of what somebody may do something. OWN: what their codes name, or what they sent in."""

    OWN = "OWN"
    ALL = "ALL"


WORDS = {
    Permission.SEE_PLACES: "see regions, grids, buildings, sponsors and coverage, and locate",
    Permission.SEE_REPORTS: "see reports, their history and photos, without who sent them",
    Permission.SUBMIT_REPORTS: "send in reports",
    Permission.FOLLOW_REPORTS: "choose the grid of a report that one sent, move, merge, rate and "
    "reopen it",
    Permission.CHECK_REPORTS: "register, merge, move and escalate reports of the grids that one "
    "walks, and verify what was done",
    Permission.HANDLE_REPORTS: "accept, return, work on and finish reports that are dispatched to "
    "one",
    Permission.DIRECT_REPORTS: "register, reject, dispatch, extend, verify, close and reopen "
    "reports of one's region",
    Permission.SEE_PERSONS: "see who sent a report, and which resident handles it",
    Permission.ASSIGN_SPONSORS: "say who sponsors which building or grid",
    Permission.LOOK_AFTER_BUILDINGS: "log visits and hang up members' cards at buildings",
    Permission.CHANGE_BOUNDARIES: "plan other boundaries of grids, and apply a plan",
}

_ANYBODY = dict.fromkeys((Permission.SEE_PLACES, Permission.SUBMIT_REPORTS), Extent.ALL)
_READER = (Permission.SEE_PLACES, Permission.SEE_REPORTS, Permission.SEE_PERSONS)


def _also(*own: Permission) -> dict[Permission, Extent]:
    """What anybody may do, and these of one's own."""
    return {**_ANYBODY, **dict.fromkeys(own, Extent.OWN)}


_RESIDENT = (Permission.SEE_REPORTS, Permission.FOLLOW_REPORTS, Permission.SEE_PERSONS)
_HANDLER = (*_RESIDENT, Permission.HANDLE_REPORTS)
_OFFICE = (
    *_HANDLER,
    Permission.DIRECT_REPORTS,
    Permission.ASSIGN_SPONSORS,
    Permission.LOOK_AFTER_BUILDINGS,
)

PERMISSIONS: dict[Role, dict[Permission, Extent]] = {
    Role.ANONYMOUS: _ANYBODY,
    Role.RESIDENT: _also(*_RESIDENT),
    Role.GRID_WORKER: _also(*_HANDLER, Permission.CHECK_REPORTS, Permission.LOOK_AFTER_BUILDINGS),
    Role.BUILDING_MEMBER: _also(*_HANDLER),
    Role.SPONSOR: _also(*_HANDLER),
    Role.COMMUNITY: _also(*_OFFICE),
    Role.STREET: _also(*_OFFICE),
    Role.DISTRICT: _also(*_OFFICE, Permission.CHANGE_BOUNDARIES),
    Role.AUDITOR: dict.fromkeys(_READER, Extent.ALL),
    Role.ADMINISTRATOR: dict.fromkeys(Permission, Extent.ALL),
}
"""What each role may do; what is not there it may not."""

OF_PARTY = {
    Party.REPORTER: Permission.FOLLOW_REPORTS,
    Party.WORKER: Permission.CHECK_REPORTS,
    Party.HANDLER: Permission.HANDLE_REPORTS,
    Party.OFFICE: Permission.DIRECT_REPORTS,
}
"""What one needs to act on a report as what one is to it."""


def extent(viewer: Viewer, permission: Permission) -> Extent | None:
    """Of what the viewer may do this; None where they may not."""
    return PERMISSIONS[viewer.role].get(permission)


def require(viewer: Viewer, permission: Permission) -> None:
    """Raises Forbidden where the viewer may not do this at all."""
    if extent(viewer, permission) is None:
        raise Forbidden(f"You are {viewer.role}, who may not {WORDS[permission]}.")


def who_may() -> str:
    """The table as Markdown: a line for each permission, a column for each role."""
    lines = [
        f"| may | {' | '.join(f'`{role}`' for role in Role)} |",
        f"|---|{'---|' * len(Role)}",
    ]
    for permission in Permission:
        cells = (PERMISSIONS[role].get(permission, "") for role in Role)
        lines.append(f"| {WORDS[permission]} | {' | '.join(map(str.lower, cells))} |")
    return "\n".join(lines) + "\n"
