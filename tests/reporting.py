"""Reports as tests send them and act on them: through the store, and through the schema."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Coroutine, Iterator
from contextlib import closing, contextmanager
from typing import Any, TypeVar
from uuid import UUID, uuid4

import numpy as np
import orjson
import psycopg

from gridmap.schema.context import Context
from gridmap.schema.root import schema
from gridmap.store.actions import Deed, Outcome, act
from gridmap.store.database import Database, Rights, tool_engine, with_rights
from gridmap.store.dates import CHINA
from gridmap.store.locations import locate_points
from gridmap.store.loop import Action
from gridmap.store.report_rules import ReportRules, load_rules
from gridmap.store.reports import (
    Event,
    Report,
    Reporter,
    ReportKey,
    events_of_reports,
    reports_by_key,
)
from gridmap.store.scopes import EVERYTHING
from gridmap.store.submissions import Submission, Submitted, place, submit
from gridmap.store.viewers import Role, Viewer
from tests.asking import Answer, noted
from tests.districts import COMMUNITY, DISTRICT, SIDE, SOUTH, STREET, WEST, grid_code, put_district

T = TypeVar("T")

MONDAY = datetime.datetime(2026, 3, 2, 10, tzinfo=CHINA)
"""A working day like any other, in office hours."""

RESIDENT = Viewer(Role.RESIDENT, "resident 7")
WORKER = Viewer(Role.GRID_WORKER, "W1", frozenset({grid_code(1)}))
SPONSOR = Viewer(Role.SPONSOR, "clerk", frozenset({"S1"}))
OFFICE = Viewer(Role.COMMUNITY, "secretary", frozenset({COMMUNITY}))
STREET_OFFICE = Viewer(Role.STREET, "street", frozenset({STREET}))
DISTRICT_OFFICE = Viewer(Role.DISTRICT, "district", frozenset({DISTRICT}))
ADMINISTRATOR = Viewer(Role.ADMINISTRATOR, "root")

GARBAGE = "0101"


def middle_of(number: int) -> tuple[float, float]:
    """Longitude and latitude of the middle of a square of `tests.districts`, and its building."""
    row, column = divmod(number - 1, 3)
    return WEST + (column + 0.5) * SIDE, SOUTH + (1.5 - row) * SIDE


class Desk:
    """The schema and the store of one database, over pools of its own; for one thread.

    The store is asked as whoever owns the tables, who sees all, and the schema has the rights of a
    server.
    `now` is what time the store is told; the schema looks at the clock.
    """

    def __init__(self, database_url: str) -> None:
        self.database = Database(database_url, pool_size=4)
        self.server, self.keeper = (
            Database(with_rights(database_url, rights), pool_size=4) for rights in Rights
        )
        self.url = database_url
        self.now = MONDAY
        self._runner = asyncio.Runner()
        self._rules: ReportRules | None = None

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *_: object) -> None:
        for database in (self.database, self.server, self.keeper):
            self.run(database.close())
        self._runner.close()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(coroutine)

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """What a plain connection is answered; committed."""
        with closing(psycopg.connect(self.url)) as connection:
            cursor = connection.execute(statement, values)
            rows = cursor.fetchall() if cursor.description else []
            connection.commit()
            return rows

    @property
    def rules(self) -> ReportRules:
        if self._rules is None:
            self._rules = self.run(self._load_rules())
        return self._rules

    def forget_rules(self) -> None:
        self._rules = None

    async def _load_rules(self) -> ReportRules:
        async with self.database.connection() as connection:
            return await load_rules(connection)

    # Through the store.

    def submit(
        self, at: tuple[float, float] | None = None, viewer: Viewer = RESIDENT, **said: Any
    ) -> Report:
        return self.submitted(at, viewer, **said)[0].report

    def submitted(
        self, at: tuple[float, float] | None = None, viewer: Viewer = RESIDENT, **said: Any
    ) -> tuple[Submitted, bool]:
        """A report sent in at a place, by default in the middle of grid 1, seen just now."""
        longitude, latitude = at or middle_of(1)
        submission = Submission(
            **{
                "id": uuid4(),
                "longitude": longitude,
                "latitude": latitude,
                "source_datum": "WGS84",
                "source_longitude": longitude,
                "source_latitude": latitude,
                "accuracy": None,
                "captured_at": self.now,
                "category": GARBAGE,
                "urgency": "ROUTINE",
                "source": "PHONE",
                "description": "楼道口有垃圾",
                "reporter": Reporter("王某", "13900000000"),
                **said,
            }
        )
        return self.run(self._submit(submission, viewer, self.rules))

    async def _submit(
        self, submission: Submission, viewer: Viewer, rules: ReportRules
    ) -> tuple[Submitted, bool]:
        position = submission.longitude, submission.latitude
        day = submission.captured_at.astimezone(CHINA).date()
        async with self.database.connection() as connection:
            [located] = await locate_points(
                connection, np.array([position]), [submission.accuracy], day, 30.0
            )
            placement = await place(connection, located, position, submission.grid, day, rules)
            return await submit(connection, submission, placement, self.now, viewer, rules)

    def act(self, report: Report, action: Action, viewer: Viewer, **said: Any) -> Outcome:
        """An action on the report as it is given; with a note where none is said."""
        said = {"version": report.version, "note": "因故", **said}
        return self.run(self._act(report.report_key, Deed(action, **said), viewer, self.rules))

    async def _act(self, key: ReportKey, deed: Deed, viewer: Viewer, rules: ReportRules) -> Outcome:
        async with self.database.transaction() as connection:
            return await act(connection, key, deed, viewer, self.now, rules)

    def go(self, report: Report, *steps: tuple[Any, ...]) -> Report:
        """The report after some actions: each with its viewer, and with what is said if need be."""
        for action, viewer, *said in steps:
            report = self.act(report, action, viewer, **(said[0] if said else {})).report
        return report

    def kept(self, key: ReportKey) -> Report:
        return self.run(self._kept(key))

    def kept_by_id(self, id_: UUID) -> Report:
        return self.kept(ReportKey(DISTRICT, id_))

    async def _kept(self, key: ReportKey) -> Report:
        async with self.database.connection() as connection:
            [report] = await reports_by_key(connection, [key], EVERYTHING)
        assert report is not None
        return report

    def events(self, key: ReportKey) -> list[Event]:
        return self.run(self._events(key))

    async def _events(self, key: ReportKey) -> list[Event]:
        async with self.database.connection() as connection:
            [events] = await events_of_reports(connection, [key])
        return events

    # Through the schema.

    def ask(self, query: str, viewer: Viewer = ADMINISTRATOR, **variables: Any) -> Answer:
        return self.run(self._ask(query, viewer, variables))

    async def _ask(self, query: str, viewer: Viewer, variables: dict[str, Any]) -> Answer:
        with noted(self.server, self.keeper) as statements:
            result = await schema.execute(
                query,
                variable_values=variables,
                context_value=Context(
                    self.server,
                    30,
                    viewer=viewer,
                    keeper=self.keeper,
                    photo_address=lambda id_, _: f"/photos/{id_}",
                ),
            )
        errors = [
            (
                getattr(error.original_error, "code", type(error.original_error).__name__),
                error.message,
            )
            for error in result.errors or []
        ]
        return Answer(orjson.loads(orjson.dumps(result.data)), errors, statements)


@contextmanager
def desk_of_a_district(database_url: str) -> Iterator[Desk]:
    """A desk of an empty database, into which the district of `tests.districts` is put."""
    engine = tool_engine(database_url)
    with engine.begin() as connection:
        put_district(connection)
    engine.dispose()
    with Desk(database_url) as desk:
        yield desk


def put_rules(desk: Desk, *rules: tuple[str, str | None, bool | None]) -> None:
    """Sets what regions say: code, default sponsor, whether they rate."""
    desk.sql("DELETE FROM report_rules")
    for rule in rules:
        desk.sql("INSERT INTO report_rules VALUES (%s, %s, %s)", *rule)
    desk.forget_rules()
