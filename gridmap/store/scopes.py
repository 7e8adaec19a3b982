"""Which reports somebody may see: `SEE_REPORTS` of the permissions, by codes and by who sent what.

A scope is found once for whoever asks, and then told in three ways that say the same: as a
condition of a statement, of a report at hand, and (in `report_points`) of the map in memory. It
stands beside the row-level security of the database, not on it, and lets indexes serve.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    FromClause,
    Table,
    Text,
    Uuid,
    and_,
    any_,
    false,
    func,
    literal,
    or_,
    select,
    true,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.errors import Forbidden
from gridmap.store import tables
from gridmap.store.paging import among
from gridmap.store.permissions import Extent, Permission, extent
from gridmap.store.regions import regions_below
from gridmap.store.viewers import OFFICES, Role, Viewer

Clause: TypeAlias = tuple[tuple[str, tuple[str, ...]], ...]
"""Columns of a report, each with the values of which it has one; all must hold."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The reports that somebody may see: any that one of these holds for.

    `clauses`: by what is kept of the report itself; one without columns is all reports. `sender`
    and `codes`: sent by whoever has this `Viewer.signature`, and answered for one of these then,
    or for nothing now and then. `report`: district and id of one.
    """

    clauses: tuple[Clause, ...] = ()
    sender: str | None = None
    codes: tuple[str, ...] = ()
    report: tuple[str, UUID] | None = None

    @property
    def is_all(self) -> bool:
        return () in self.clauses

    @property
    def is_of_places(self) -> bool:
        """Whether it is of more than what somebody sent in, so that a map can show it."""
        return bool(self.clauses)

    @property
    def of_places(self) -> Scope:
        """The part of it that is the same for all who answer for the same, whoever they are."""
        return Scope(self.clauses)

    def holds(self, report: Mapping[str, Any], sender: str | None, codes: Sequence[str]) -> bool:
        """Whether a report is in it. `report`: its columns by name; `sender` and `codes`: what is
        kept of who sent it."""
        return (
            any(
                all(report[column] in values for column, values in clause)
                for clause in self.clauses
            )
            or (self.report is not None and (report["district_code"], report["id"]) == self.report)
            or (
                self.sender is not None
                and self.sender == sender
                and (set(self.codes) == set(codes) or not set(self.codes).isdisjoint(codes))
            )
        )

    def holds_all(self, of: Mapping[str, Collection[str] | None]) -> bool:
        """Whether it holds every report that has one of the values of each column; None is any."""
        return any(
            all(
                (asked := of.get(column)) is not None and set(values).issuperset(asked)
                for column, values in clause
            )
            for clause in self.clauses
        )


EVERYTHING = Scope(((),))
NOTHING = Scope()


def condition(scope: Scope, reports: FromClause = tables.reports) -> ColumnElement[bool]:
    """Whether a row of `reports` is in the scope.

    Of what was sent in, served by reporters_subject_idx.
    """
    if scope.is_all:
        return true()
    c, found = reports.c, [_clause(clause, reports) for clause in scope.clauses]
    if scope.report is not None:
        district_code, report_id = scope.report
        found.append(and_(c.district_code == district_code, c.id == report_id))
    if scope.sender is not None:
        sent, codes = tables.reporters.c, literal(list(scope.codes), ARRAY(Text))
        was_them = sent.codes.op("&&")(codes) if scope.codes else func.cardinality(sent.codes) == 0
        # Found first, as an array, so that this is one condition of several that indexes serve.
        ids = select(sent.report_id).where(sent.subject == scope.sender, was_them)
        found.append(c.id == any_(func.array(ids.scalar_subquery(), type_=ARRAY(Uuid))))
    return or_(*found) if found else false()


def _clause(clause: Clause, reports: FromClause) -> ColumnElement[bool]:
    return and_(*(among(reports.c[column], values) for column, values in clause))


async def scope_of(connection: AsyncConnection, viewer: Viewer) -> Scope:
    """Which reports the viewer may see.

    One statement at most: an office's by regions_parent_code_idx, else as `homes_of` says.
    """
    known = known_scope(viewer)
    return known or _own(viewer, await _clauses(connection, viewer))


async def scopes_of(connection: AsyncConnection, viewers: Sequence[Viewer]) -> list[Scope]:
    """The same of each of some viewers, of whom there is one as a rule."""
    return [await scope_of(connection, viewer) for viewer in viewers]


def known_scope(viewer: Viewer) -> Scope | None:
    """The same, where it takes no statement to say; else None."""
    match extent(viewer, Permission.SEE_REPORTS):
        case None:
            return NOTHING
        case Extent.ALL:
            return EVERYTHING
    codes = tuple(sorted(viewer.codes))
    match viewer.role:
        case Role.RESIDENT:
            return _own(viewer, ())
        case Role.SPONSOR:
            return _own(viewer, ((("sponsor_code", codes),), _handled("SPONSOR", codes)))
    return None


def require_reports(viewer: Viewer) -> None:
    """Raises Forbidden where the viewer may see no report, whatever there is: who is told of none
    would take that for there being none."""
    if extent(viewer, Permission.SEE_REPORTS) is None:
        raise Forbidden(
            "Reports are for those who sent them and those who handle them: sign in, or send the "
            "receipt of a report as the token. Where many are, reportClusters and hotspots tell "
            "anybody.",
            reason="NOT_YOUR_REPORTS",
        )


def _own(viewer: Viewer, clauses: tuple[Clause, ...]) -> Scope:
    return Scope(clauses, viewer.signature, tuple(sorted(viewer.codes)), viewer.report)


async def _clauses(connection: AsyncConnection, viewer: Viewer) -> tuple[Clause, ...]:
    codes = tuple(sorted(viewer.codes))
    if viewer.role in OFFICES:
        below = await regions_below(connection, codes)
        regions = {*codes, *(code for each in below for code in each)}
        return (("region_code", tuple(sorted(regions))),), _handled("REGION", codes)
    homes = await homes_of(connection, viewer)
    district = ("district_code", tuple(sorted({district for district, _ in homes})))
    if viewer.role is Role.GRID_WORKER:
        handled = _handled("GRID_WORKER", (viewer.subject,))
        return (district, ("grid_code", codes)), (district, *handled)
    if viewer.role is Role.BUILDING_MEMBER:
        region = ("region_code", tuple(sorted({community for _, community in homes})))
        handled = _handled("BUILDING_MEMBER", (viewer.subject,))
        return (district, ("building_code", codes)), (district, region, *handled)
    return ()


def _handled(kind: str, codes: tuple[str, ...]) -> Clause:
    return ("handler_kind", (kind,)), ("handler_code", codes)


async def homes_of(connection: AsyncConnection, viewer: Viewer) -> frozenset[tuple[str, str]]:
    """District and community of the grids or buildings that the viewer looks after.

    Codes of workers are those of one district, and names of members are nobody's alone, so that
    either is meant only where the person is at home. Served by grids_code_idx and
    buildings_code_idx.
    """
    table: Table
    match viewer.role:
        case Role.GRID_WORKER:
            table = tables.grids
        case Role.BUILDING_MEMBER:
            table = tables.buildings
        case _:
            return frozenset()
    rows = await connection.execute(
        select(table.c.district_code, table.c.community_code)
        .where(among(table.c.code, sorted(viewer.codes)))
        .distinct()
    )
    return frozenset((row.district_code, row.community_code) for row in rows)
