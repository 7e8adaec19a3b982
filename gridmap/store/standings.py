"""How somebody stands to a report: what they have to do with it, and what they may do.

A worker, a member or a sponsor is known by codes that a token brings, and an office by its region;
whoever sent a report, by what they signed in with or by its receipt.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import exists, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.store import tables
from gridmap.store.database import protected
from gridmap.store.loop import TRANSITIONS, Action, Level, Party
from gridmap.store.paging import among
from gridmap.store.permissions import OF_PARTY, Extent, Permission, extent
from gridmap.store.regions import regions_around, regions_below
from gridmap.store.report_rules import ReportRules
from gridmap.store.reports import Report, Reporter, ReportKey, unnested
from gridmap.store.scopes import homes_of
from gridmap.store.viewers import OFFICES, Role, Viewer, is_office_of


class Standing(NamedTuple):
    """How somebody stands to a report: what they have to do with it, the regions that it lies in,
    from within outwards, and who sent it."""

    parties: frozenset[Party]
    regions: list[str]
    reporter: Reporter | None


@protected
async def standings(
    connection: AsyncConnection, reports: Sequence[Report], viewer: Viewer
) -> list[Standing]:
    """How the viewer stands to each report."""
    if viewer.role is Role.ANONYMOUS:
        return [Standing(frozenset(), [], None)] * len(reports)
    regions = await regions_around(connection, [report.region_code for report in reports])
    reporters = await _reporters(connection, [report.report_key for report in reports], viewer)
    homes = await homes_of(connection, viewer)
    return [
        Standing(parties(report, around, has_sent, viewer, homes), around, reporter)
        for report, around, (has_sent, reporter) in zip(reports, regions, reporters, strict=True)
    ]


def is_told_of_persons(standing: Standing, viewer: Viewer) -> bool:
    """Whether the viewer is to know who sent a report, and who of the residents handles it."""
    match extent(viewer, Permission.SEE_PERSONS):
        case Extent.ALL:
            return True
        case Extent.OWN:
            return bool(standing.parties)
    return False


@protected
async def regions_of_member(
    connection: AsyncConnection, member: str, viewer: Viewer
) -> list[str] | None:
    """Where the viewer finds a building's member by name: None is everywhere.

    That is where reports are the viewer's own to handle, or their office's, if the member handles
    one of them. Served by reports_handler_idx.
    """
    regions: list[str] | None = []
    if extent(viewer, Permission.SEE_PERSONS) is Extent.ALL:
        regions = None
    elif viewer.role in OFFICES:
        below = await regions_below(connection, sorted(viewer.codes))
        regions = [code for codes in below for code in codes]
    elif viewer.role is Role.BUILDING_MEMBER and viewer.subject == member:
        regions = [community_code for _, community_code in await homes_of(connection, viewer)]
    if regions == []:
        return regions
    report = tables.reports.c
    handled = select(report.id).where(
        report.handler_code == member, report.handler_kind == "BUILDING_MEMBER"
    )
    if regions is not None:
        handled = handled.where(among(report.region_code, regions))
    return regions if await connection.scalar(select(handled.exists())) else []


REFUSED_TO_HOLDERS = frozenset({Action.MERGE, Action.REJECT})
"""What is not done to a report into which others were merged: they would be lost with it."""


@protected
async def are_to_be_chosen(connection: AsyncConnection, reports: Sequence[Report]) -> list[bool]:
    """Whether the grid of each report is to be chosen yet, among those of its own district.

    Those that may hold it are in its first event; where it was moved since, it lies in none. Served
    by report_events_pkey.
    """
    first, later = tables.report_events.alias("first"), tables.report_events.alias("later")
    district = func.jsonb_build_object("district", first.c.district_code)
    rows = await connection.execute(
        select(first.c.district_code, first.c.report_id).where(
            tuple_(first.c.district_code, first.c.report_id).in_(
                unnested([report.report_key for report in reports if report.grid_code is None])
            ),
            first.c.version == 1,
            first.c.details["candidates"].op("@>")(func.jsonb_build_array(district)),
            ~exists().where(
                later.c.district_code == first.c.district_code,
                later.c.report_id == first.c.report_id,
                later.c.action.in_((Action.MOVE, Action.REASSIGN)),
            ),
        )
    )
    found = {ReportKey(*row) for row in rows}
    return [report.report_key in found for report in reports]


def possible(
    report: Report,
    standing: Standing,
    viewer: Viewer,
    rules: ReportRules,
    *,
    is_to_be_chosen: bool = False,
) -> list[Action]:
    """What the viewer may do with a report as it stands. REASSIGN is a MOVE to whoever moves.

    `is_to_be_chosen`: whether its grid is, as `are_to_be_chosen` says.
    """
    return [
        action
        for (state, action), found in TRANSITIONS.items()
        if state == report.state
        and action is not Action.REASSIGN
        and (action is not Action.CHOOSE_GRID or is_to_be_chosen)
        and (action is not Action.RATE or rules.is_rated(standing.regions))
        and (action is not Action.ESCALATE or Level(report.level).above is not None)
        and (viewer.role is Role.ADMINISTRATOR or standing.parties & found.parties)
    ]


async def _reporters(
    connection: AsyncConnection, keys: Sequence[ReportKey], viewer: Viewer
) -> list[tuple[bool, Reporter | None]]:
    """Whether the viewer was signed in as each was sent, and what is known of who sent it.

    One name may be two people's, of two offices or districts: the person is the same who answers
    for something that they answered for then. Served by reporters_pkey.
    """
    table = tables.reporters
    rows = await connection.execute(
        select(table).where(tuple_(table.c.district_code, table.c.report_id).in_(unnested(keys)))
    )
    found = {
        ReportKey(row.district_code, row.report_id): (
            row.subject is not None
            and row.subject == viewer.signature
            and (viewer.codes == frozenset(row.codes) or not viewer.codes.isdisjoint(row.codes)),
            Reporter(row.name, row.phone),
        )
        for row in rows
    }
    return [found.get(key, (False, None)) for key in keys]


def parties(
    report: Report,
    regions: Sequence[str],
    has_sent: bool,
    viewer: Viewer,
    homes: frozenset[tuple[str, str]],
) -> frozenset[Party]:
    """What the viewer is to a report, as far as their role may act as that.

    `regions` are those around it; `homes` are district and community of where the viewer is at
    home.
    """
    found = _parties(report, regions, has_sent, viewer, homes)
    return frozenset(party for party in found if extent(viewer, OF_PARTY[party]))


def _parties(
    report: Report,
    regions: Sequence[str],
    has_sent: bool,
    viewer: Viewer,
    homes: frozenset[tuple[str, str]],
) -> Iterator[Party]:
    if has_sent or viewer.report == report.report_key:
        yield Party.REPORTER
    districts = {district_code for district_code, _ in homes}
    is_worker = viewer.role is Role.GRID_WORKER and report.district_code in districts
    if is_worker and report.grid_code in viewer.codes:
        yield Party.WORKER
    if _is_handler(report, viewer, homes):
        yield Party.HANDLER
    if _is_office(report, regions, viewer):
        yield Party.OFFICE


def _is_handler(report: Report, viewer: Viewer, homes: frozenset[tuple[str, str]]) -> bool:
    code = report.handler_code
    match report.handler_kind:
        case "SPONSOR":
            return viewer.role is Role.SPONSOR and code in viewer.codes
        case "GRID_WORKER":
            districts = {district_code for district_code, _ in homes}
            is_worker = viewer.role is Role.GRID_WORKER and report.district_code in districts
            return is_worker and code == viewer.subject
        case "BUILDING_MEMBER":
            home = report.district_code, report.region_code
            is_member = viewer.role is Role.BUILDING_MEMBER and home in homes
            return is_member and code == viewer.subject
        case "REGION":
            return viewer.role in OFFICES and code in viewer.codes
    return False


def _is_office(report: Report, regions: Sequence[str], viewer: Viewer) -> bool:
    return is_office_of(viewer, regions) and _LEVELS[viewer.role].rank >= Level(report.level).rank


_LEVELS = {
    Role.COMMUNITY: Level.COMMUNITY,
    Role.STREET: Level.STREET,
    Role.DISTRICT: Level.DISTRICT,
}
