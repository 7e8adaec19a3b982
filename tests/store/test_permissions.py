"""The table of who may do what: it is the manual's, and what the code goes by."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest

from gridmap.errors import Forbidden
from gridmap.store.loop import Level, Party
from gridmap.store.permissions import (
    OF_PARTY,
    PERMISSIONS,
    WORDS,
    Extent,
    Permission,
    require,
    who_may,
)
from gridmap.store.reports import Report
from gridmap.store.standings import _parties, parties
from gridmap.store.viewers import ANONYMOUS, CODES, Role, Viewer

MANUAL = Path(__file__).parents[2] / "docs" / "identity.md"

GRID, COMMUNITY, STREET, DISTRICT = "230402001001001", "230402001001", "230402001", "230402"
REGIONS = [COMMUNITY, STREET, DISTRICT]
CODE = {
    Role.GRID_WORKER: GRID,
    Role.BUILDING_MEMBER: "23040200100100001",
    Role.SPONSOR: "S1",
    Role.COMMUNITY: COMMUNITY,
    Role.STREET: STREET,
    Role.DISTRICT: DISTRICT,
}


def viewer_of(role: Role) -> Viewer:
    if role is Role.ANONYMOUS:
        return ANONYMOUS
    return Viewer(role, "somebody", frozenset([CODE[role]] if role in CODES else []))


def reports_of(viewer: Viewer) -> list[Report]:
    """Reports that the viewer has as much to do with as one of their role can."""
    handlers = [
        ("SPONSOR", "S1"),
        ("GRID_WORKER", viewer.subject),
        ("BUILDING_MEMBER", viewer.subject),
        *(("REGION", region) for region in REGIONS),
    ]
    nothing = cast("dict[str, Any]", dict.fromkeys(Report._fields))
    return [
        Report(**nothing)._replace(
            district_code=DISTRICT,
            id=UUID(int=7),
            region_code=COMMUNITY,
            grid_code=GRID,
            level=Level.COMMUNITY,
            handler_kind=kind,
            handler_code=code,
        )
        for kind, code in handlers
    ]


def test_the_manual_shows_the_table() -> None:
    assert who_may() in MANUAL.read_text()
    assert WORDS.keys() == set(Permission)
    assert PERMISSIONS.keys() == set(Role)


@pytest.mark.parametrize("role", Role)
def test_a_role_may_act_on_reports_as_what_it_can_be_to_one_and_as_nothing_else(
    role: Role,
) -> None:
    viewer = viewer_of(role)
    home = frozenset({(DISTRICT, COMMUNITY)})
    has_sent = bool(viewer.subject)
    standing = [(each, REGIONS, has_sent, viewer, home) for each in reports_of(viewer)]
    can_be = frozenset().union(*(frozenset(_parties(*each)) for each in standing))
    acts_as = frozenset().union(*(parties(*each) for each in standing))
    allowed = frozenset(party for party in Party if OF_PARTY[party] in PERMISSIONS[role])
    assert acts_as == can_be & allowed
    # No cell of the table promises what cannot be; an administrator needs to be nothing to it.
    if role is not Role.ADMINISTRATOR:
        assert acts_as == allowed


def test_an_auditor_sees_all_and_changes_nothing() -> None:
    assert set(PERMISSIONS[Role.AUDITOR].values()) == {Extent.ALL}
    changes = set(Permission) - {
        permission for permission in Permission if permission.startswith("SEE_")
    }
    assert len(changes) == 8
    for permission in changes:
        with pytest.raises(Forbidden, match="AUDITOR"):
            require(viewer_of(Role.AUDITOR), permission)
        require(viewer_of(Role.ADMINISTRATOR), permission)
