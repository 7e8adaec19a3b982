"""What happens to reports, told to whoever wants to know, as it happens and without a gap.

The events are the truth: each carries the number of the transaction that wrote it, and a state of
the data (see `states`) says of every transaction whether it is in it. So "what came between this
state and that" is one condition, exact in whatever order transactions commit.

A notification only wakes those who wait. It is sent after the commit: within the transaction it
would let one commit at a time, 200 a second where 2,000 are to be had. Should a process die between
the two, the others look by themselves soon.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID
from weakref import WeakSet

from sqlalchemy import Connection, Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.errors import GridmapError, Invalid, TooLarge, Unavailable
from gridmap.store.changes import CHANNEL, Changes
from gridmap.store.database import Database
from gridmap.store.reports import REPORT_AS_TEXT, Event, Report, ReportKey
from gridmap.store.scopes import Scope
from gridmap.store.states import STATE_NOW, is_state

_log = logging.getLogger("gridmap")

MOST_MISSED = 10_000
"""Changes that are told to one who comes back. Whoever missed more had better read the lists."""

_MOST_WAITING = 1_000
_POLL_SECONDS = 1.0


class ReportChange(NamedTuple):
    """An event, the report as it stands, and the state of the data to go on from.

    The state of an event that others follow at once is the one before them all: whoever comes back
    with it hears some of them again, and misses none.
    """

    report: Report
    event: Event
    as_of: str
    sender: Sender

    def is_in(self, scope: Scope) -> bool:
        """Whether the report is in the scope, as it stands."""
        return scope.holds(self.report._asdict(), *self.sender)


class Sender(NamedTuple):
    """By what whoever sent a report is known again, if they were signed in: see `reporters`."""

    subject: str | None
    codes: list[str]


class Belonging(NamedTuple):
    """To whom a report belonged at some time."""

    district_code: str
    id: UUID
    region_code: str
    grid_code: str | None
    building_code: str | None
    sponsor_code: str | None
    handler_kind: str | None
    handler_code: str | None


class Happened(NamedTuple):
    """An event, the report as it stands, perhaps after later ones; and as it was around it."""

    report: Report
    event: Event
    before: Belonging
    after: Belonging
    sender: Sender


@dataclass(frozen=True, slots=True)
class Interest:
    """Which reports somebody wants to hear of; None is any. A report that leaves is told too.

    `scope`: those that they may see.
    """

    scope: Scope
    regions: frozenset[str] | None = None
    grid: str | None = None
    sponsor: str | None = None
    key: ReportKey | None = None

    def meets(self, happened: Happened) -> bool:
        return (self.key is None or happened.report.report_key == self.key) and (
            self._holds(happened.after, happened.sender)
            or self._holds(happened.before, happened.sender)
        )

    def _holds(self, belonging: Belonging, sender: Sender) -> bool:
        return (
            (self.regions is None or belonging.region_code in self.regions)
            and (self.grid is None or belonging.grid_code == self.grid)
            and (self.sponsor is None or belonging.sponsor_code == self.sponsor)
            and self.scope.holds(belonging._asdict(), *sender)
        )


async def changes_between(
    connection: AsyncConnection, after: str, until: str | None = None
) -> tuple[list[Happened], str]:
    """What came after a state, up to another or to now, in its order; and that state.

    Raises TooLarge where it is more than `MOST_MISSED`, and Invalid where the first state is later
    than the other: it is of another server.
    """
    rows = (
        await connection.execute(_BETWEEN, {"after": after, "until": until, "most": MOST_MISSED})
    ).all()
    if rows[0].is_later:
        raise Invalid(f"{after!r} is no state of this server; give an asOf or a cursor back.")
    if len(rows) > MOST_MISSED:
        raise TooLarge(
            f"More than {MOST_MISSED} changes came since then. Read the list again, and subscribe "
            "with its asOf."
        )
    return [_happened(row) for row in rows if row.later is not None], rows[0].as_of


def _happened(row: Row[Any]) -> Happened:
    size = 5 + len(Report._fields)
    report, event = Report(*row[5:size]), Event(*row[size:])
    now = {name: getattr(report, name) for name in Belonging._fields}
    after = now | {name: row.later[name] for name in now.keys() & row.later.keys()}
    changed = event.details.get("changed", {})
    before = after | {name: changed[name] for name in after.keys() & changed.keys()}
    sender = Sender(row.sender, row.codes or [])
    return Happened(report, event, Belonging(**before), Belonging(**after), sender)


async def state_now(connection: AsyncConnection) -> str:
    """The state of the data that a statement sees now."""
    return str(await connection.scalar(text(f"SELECT {STATE_NOW}")))


# The number of the first transaction that is not in a state bounds those to look at from below, and
# the number after its last from above. `MATERIALIZED` once, or the states would be read from their
# texts for every row. Served by report_events_transaction_idx, reports_pkey and reporters_pkey,
# whatever the planner thinks of how much there is. `later`: what the report said after the event,
# of all that is other now. Clocks of servers differ: an event is told no earlier than the ones
# before it of the same report.
_BETWEEN = text(
    f"""
    WITH state AS MATERIALIZED (
        SELECT
            CAST(:after AS pg_snapshot) AS after,
            CAST(coalesce(:until, {STATE_NOW}) AS pg_snapshot) AS until
    ),
    came AS MATERIALIZED (
        SELECT event.*
        FROM state
        JOIN report_events AS event
            ON event.transaction >= pg_snapshot_xmin(state.after)
            AND event.transaction < pg_snapshot_xmax(state.until)
            AND NOT pg_visible_in_snapshot(event.transaction, state.after)
            AND pg_visible_in_snapshot(event.transaction, state.until)
        LIMIT :most + 1
    )
    SELECT
        CAST(state.until AS text) AS as_of,
        pg_snapshot_xmax(state.after) > pg_snapshot_xmax(state.until) AS is_later,
        later.changed AS later,
        reporter.subject AS sender,
        reporter.codes,
        {", ".join(f"report.{name}" for name in Report._fields)},
        {", ".join(f"came.{name}" for name in Event._fields)}
    FROM state
    LEFT JOIN (
        came
        CROSS JOIN LATERAL (
            SELECT {REPORT_AS_TEXT}
            FROM reports
            WHERE district_code = came.district_code AND id = came.report_id
            LIMIT 1
        ) AS report
        CROSS JOIN LATERAL (
            SELECT coalesce(jsonb_object_agg(said.name, said.value), '{{}}') AS changed
            FROM (
                SELECT DISTINCT ON (changed.name) changed.name, changed.value
                FROM
                    report_events AS event,
                    jsonb_each(event.details -> 'changed') AS changed (name, value)
                WHERE event.district_code = came.district_code
                    AND event.report_id = came.report_id
                    AND event.version > came.version
                ORDER BY changed.name, event.version
            ) AS said
        ) AS later
    )
        ON TRUE
    LEFT JOIN reporters AS reporter
        ON reporter.district_code = came.district_code AND reporter.report_id = came.report_id
    ORDER BY
        max(came.at) OVER (
            PARTITION BY came.district_code, came.report_id ORDER BY came.version
        ),
        came.version
    """
)


def bring_back(connection: Connection) -> None:
    """Has all events belong to the past.

    Events that were restored from another server's dump may carry numbers that this server's
    transactions have yet to reach, and would be told as news then.
    """
    connection.execute(_BRING_BACK)


# Transaction 0, which there never was, is in every state.
_BRING_BACK = text(
    """
    DO $$
    DECLARE
        next xid8 := pg_snapshot_xmax(pg_current_snapshot());
    BEGIN
        IF EXISTS (SELECT FROM report_events WHERE transaction >= next) THEN
            ALTER TABLE report_events DISABLE TRIGGER report_events_are_final_by_row;
            UPDATE report_events SET transaction = '0' WHERE transaction >= next;
            ALTER TABLE report_events ENABLE TRIGGER report_events_are_final_by_row;
        END IF;
    END
    $$
    """
)


@dataclass(eq=False, slots=True, weakref_slot=True)
class _Listener:
    interest: Interest
    # None: what came is not told any more.
    waiting: asyncio.Queue[ReportChange | None] = field(default_factory=asyncio.Queue)
    is_given_up: bool = False

    def tell(self, changes: Sequence[Happened], before: str, after: str) -> None:
        told = _told(changes, self.interest, before, after)
        if self.waiting.qsize() + len(told) > _MOST_WAITING:
            self.give_up()
        for change in () if self.is_given_up else told:
            self.waiting.put_nowait(change)

    def give_up(self) -> None:
        """Tells nothing more."""
        if not self.is_given_up:
            self.is_given_up = True
            self.waiting.put_nowait(None)


class ReportNews:
    """One for a process; `run` is to be a task of it for as long as it serves."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # Weak, for one who asked for changes may never begin to take them.
        self._listeners: WeakSet[_Listener] = WeakSet()
        self._as_of = ""
        self._reading = asyncio.Lock()
        self._wake = asyncio.Event()
        self._is_to_announce = False

    def announce(self) -> None:
        """Something was committed: tells whoever listens, here and in other processes."""
        self._is_to_announce = True
        self._wake.set()

    def hear(self, changes: Changes) -> None:
        """Takes note of what the change feed says."""
        if any(change.table == "reports" for change in changes):
            self._wake.set()

    async def run(self) -> None:
        """Tells and reads for ever; says in the log what keeps it from doing so."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_POLL_SECONDS if self._listeners else None):
                    await self._wake.wait()
            self._wake.clear()
            try:
                if self._is_to_announce:
                    self._is_to_announce = False
                    async with self._database.connection() as connection:
                        await connection.execute(_ANNOUNCE)
                if self._listeners:
                    async with self._reading:
                        await self._read()
            except GridmapError as error:
                _log.warning("Changes of reports are not told for now: %s", error)
                await asyncio.sleep(_POLL_SECONDS)
            except Exception:  # noqa: BLE001 - whatever it was, it is tried again
                _log.exception("Changes of reports are not told for now.")
                await asyncio.sleep(_POLL_SECONDS)

    async def changes(
        self, interest: Interest, after: str | None = None
    ) -> AsyncGenerator[ReportChange]:
        """What happens to such reports after a state, or from now on; never ends by itself.

        Raises Invalid for what is no state, TooLarge where too much came since, and Unavailable
        when the database cannot be reached. Taking the changes raises Unavailable for one who did
        not take what was told.
        """
        if after is not None and not is_state(after):
            raise Invalid(f"{after!r} is no state of this server; give an asOf or a cursor back.")
        listener = _Listener(interest)
        async with self._reading:
            if self._listeners:
                await self._read()
            else:
                async with self._database.connection() as connection:
                    self._as_of = await state_now(connection)
            begin = self._as_of
            self._listeners.add(listener)
        self._wake.set()
        try:
            missed = await self._missed(interest, after, begin) if after is not None else []
        except BaseException:
            self._listeners.discard(listener)
            raise
        return self._following(listener, missed)

    async def _following(
        self, listener: _Listener, missed: Sequence[ReportChange]
    ) -> AsyncGenerator[ReportChange]:
        try:
            for told in missed:
                yield told
            while (change := await listener.waiting.get()) is not None:
                yield change
            raise Unavailable(
                f"{_MOST_WAITING} changes wait to be read. Subscribe again with the last cursor."
            )
        finally:
            self._listeners.discard(listener)

    async def _missed(self, interest: Interest, after: str, until: str) -> list[ReportChange]:
        async with self._database.connection() as connection:
            changes, _ = await changes_between(connection, after, until)
        return _told(changes, interest, after, until)

    async def _read(self) -> None:
        """Tells what came, all of it in one go: whatever breaks this off, nobody has missed it."""
        before = self._as_of
        async with self._database.connection() as connection:
            try:
                found, after = await changes_between(connection, before)
            except (TooLarge, Invalid):
                # Each of those who listen comes back and reads what it wants of it.
                found, after = None, await state_now(connection)
        for listener in self._listeners:
            if found is None:
                listener.give_up()
            else:
                listener.tell(found, before, after)
        self._as_of = after


def _told(
    changes: Sequence[Happened], interest: Interest, before: str, after: str
) -> list[ReportChange]:
    of_interest = [happened for happened in changes if interest.meets(happened)]
    last = len(of_interest) - 1
    return [
        ReportChange(
            happened.report, happened.event, after if place == last else before, happened.sender
        )
        for place, happened in enumerate(of_interest)
    ]


# It need not wait for the disk: what it tells of is committed, and if it is lost others look again.
_ANNOUNCE = text(
    f"SELECT set_config('synchronous_commit', 'off', TRUE), pg_notify('{CHANNEL}', :payload)"
).bindparams(payload='{"table":"reports","district":"","codes":null}')
