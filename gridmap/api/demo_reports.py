"""The demo's reports, sent in and dealt with by the code that serves everybody.

It is done on a clock of its own, so that each report has the history that it would have.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from uuid import UUID

import numpy as np
import uvloop
from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.demo import DEMO_DATUM
from gridmap.demo.draws import noise
from gridmap.demo.people import workers
from gridmap.demo.reports import DemoDeed, DemoReport, reports
from gridmap.store.actions import Deed, Handler, act
from gridmap.store.database import Database
from gridmap.store.locations import locate_points
from gridmap.store.loop import Action, Party
from gridmap.store.report_rules import ReportRules, load_rules
from gridmap.store.reports import Report, Reporter
from gridmap.store.submissions import Placement, Submission, place, submit
from gridmap.store.viewers import ANONYMOUS, Role, Viewer, holder_of_receipt

_REACH_METRES = 30.0


def add_reports(engine: Engine, at: datetime.datetime) -> int:
    """Adds the demo's reports as if it were `at`, all in one transaction; returns how many."""
    return uvloop.run(_add_reports(engine.url.render_as_string(hide_password=False), at))


async def _add_reports(url: str, at: datetime.datetime) -> int:
    drawn = reports(at)
    database = Database(url, pool_size=1)
    try:
        async with database.transaction() as connection:
            play = _Play(connection, drawn, await load_rules(connection))
            await play.all()
    finally:
        await database.close()
    return len(drawn)


class _Play:
    """Does what the demo's people did, in the order of time over all reports."""

    def __init__(
        self, connection: AsyncConnection, drawn: Sequence[DemoReport], rules: ReportRules
    ) -> None:
        self._connection = connection
        self._drawn = drawn
        self._rules = rules
        self._placements: list[Placement] = []
        self._kept: dict[int, Report] = {}
        self._worker_of = {worker.grid: worker.code for worker in workers()}

    async def all(self) -> None:
        await self._place()
        moments: list[tuple[datetime.datetime, int, int]] = [
            (moment, number, step)
            for number, report in enumerate(self._drawn)
            for step, moment in enumerate([report.received_at, *(deed.at for deed in report.deeds)])
        ]
        for _, number, step in sorted(moments):
            if step == 0:
                await self._submit(number)
            else:
                await self._act(number, self._drawn[number].deeds[step - 1])

    async def _place(self) -> None:
        points = np.array([(each.longitude, each.latitude) for each in self._drawn])
        accuracies = [each.accuracy for each in self._drawn]
        on = max(each.received_at for each in self._drawn).date()
        found = await locate_points(self._connection, points, accuracies, on, _REACH_METRES)
        for report, located in zip(self._drawn, found, strict=True):
            position = report.longitude, report.latitude
            self._placements.append(
                await place(self._connection, located, position, None, on, self._rules)
            )

    async def _submit(self, number: int) -> None:
        report, placement = self._drawn[number], self._placements[number]
        submission = Submission(
            id=_id(number, report.received_at),
            longitude=report.longitude,
            latitude=report.latitude,
            source_datum=DEMO_DATUM,
            source_longitude=report.longitude,
            source_latitude=report.latitude,
            accuracy=report.accuracy,
            captured_at=report.received_at - datetime.timedelta(seconds=40),
            category=report.category,
            urgency=report.urgency,
            source=report.source,
            description=report.description,
            reporter=Reporter(report.name, report.phone),
        )
        viewer = self._sender(report.source, placement)
        submitted, _ = await submit(
            self._connection, submission, placement, report.received_at, viewer, self._rules
        )
        self._kept[number] = submitted.report

    async def _act(self, number: int, deed: DemoDeed) -> None:
        report = self._kept[number]
        handler = None
        is_unanswered = deed.action == Action.DISPATCH and report.sponsor_code is None
        if deed.is_to_worker or is_unanswered:
            handler = Handler("GRID_WORKER", self._worker_of[report.grid_code or ""])
        outcome = await act(
            self._connection,
            report.report_key,
            Deed(
                Action(deed.action),
                report.version,
                deed.note,
                into=None if deed.into is None else self._kept[deed.into].id,
                handler=handler,
                until=deed.until,
                rating=deed.rating,
            ),
            self._viewer(Party(deed.by), report),
            deed.at,
            self._rules,
        )
        self._kept[number] = outcome.report

    def _sender(self, source: str, placement: Placement) -> Viewer:
        district, region, grid = (
            placement.district_code,
            placement.region_code,
            placement.grid_code,
        )
        if source == "WALK" and grid is not None:
            return Viewer(Role.GRID_WORKER, self._worker_of[grid], frozenset([grid]))
        if source == "CHAT_GROUP":
            return Viewer(Role.COMMUNITY, f"示例群管理员{region}", frozenset([region]))
        if source == "HOTLINE_12345":
            return Viewer(Role.DISTRICT, "示例话务员", frozenset([district]))
        return ANONYMOUS

    def _viewer(self, party: Party, report: Report) -> Viewer:
        """Somebody who is that to the report."""
        region = frozenset([report.region_code])
        match party:
            case Party.REPORTER:
                return holder_of_receipt(report.district_code, report.id)
            case Party.WORKER if report.grid_code is not None:
                grid = report.grid_code
                return Viewer(Role.GRID_WORKER, self._worker_of[grid], frozenset([grid]))
            case Party.HANDLER if report.handler_kind == "GRID_WORKER":
                code, grid = report.handler_code or "", report.grid_code or ""
                return Viewer(Role.GRID_WORKER, code, frozenset([grid]))
            case Party.HANDLER:
                code = report.handler_code or ""
                return Viewer(Role.SPONSOR, f"示例{code}", frozenset([code]))
        return Viewer(Role.COMMUNITY, f"示例社区{report.region_code}", region)


def _id(number: int, at: datetime.datetime) -> UUID:
    """A UUIDv7 (RFC 9562, 5.7) of that moment, whose random part is the report's own."""
    high, low = int(noise(50, number) * (1 << 12)), int(noise(51, number) * (1 << 53))
    milliseconds = int(at.timestamp() * 1000)
    return UUID(int=milliseconds << 80 | 7 << 76 | high << 64 | 2 << 62 | low)
