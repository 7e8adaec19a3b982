"""What happens to reports, told to whoever wants to know, as it happens and without a gap.

The events are the truth: each carries the number of the transaction that wrote it, and a state of
the data is a PostgreSQL snapshot, which says of every transaction whether it is in it. So "what
came between this state and that" is one condition, exact in whatever order transactions commit.

A notification only wakes those who wait. It is sent after the commit: within the transaction it
would let one commit at a time, 200 a second where 2,000 are to be had. Should a process die between
the two, the others look by themselves soon.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.errors import GridmapError, Invalid, TooLarge, Unavailable
from gridmap.store.changes import CHANNEL, Changes
from gridmap.store.database import Database
from gridmap.store.reports import REPORT_AS_TEXT, Event, Report, ReportKey

_log = logging.getLogger("gridmap")

MOST_MISSED = 10_000
"""Changes that are told to one who comes back. Whoever missed more had better read the lists."""

_MOST_WAITING = 1_000
_POLL_SECONDS = 1.0
_STATE = re.compile(r"\d{1,20}:\d{1,20}:(\d{1,20}(,\d{1,20})*)?")


class ReportChange(NamedTuple):
    """An event, the report as it stands, and the state of the data to go on from.

    The state of an event that others follow at once is the one before them all: whoever comes back
    with it hears some of them again, and misses none.
    """

    report: Report
    event: Event
    as_of: str


@dataclass(frozen=True, slots=True)
class Interest:
    """Which reports somebody wants to hear of; None is any. A report that leaves is told too."""

    regions: frozenset[str] | None = None
    grid: str | None = None
    sponsor: str | None = None
    key: ReportKey | None = None

    def meets(self, report: Report, event: Event) -> bool:
        before = event.details.get("changed", {})
        return (
            (self.key is None or report.report_key == self.key)
            and (self.grid is None or self.grid in (report.grid_code, before.get("grid_code")))
            and (
                self.sponsor is None
                or self.sponsor in (report.sponsor_code, before.get("sponsor_code"))
            )
            and (
                self.regions is None
                or report.region_code in self.regions
                or before.get("region_code") in self.regions
            )
        )


async def changes_between(
    connection: AsyncConnection, after: str, until: str | None = None
) -> tuple[list[tuple[Report, Event]], str]:
    """What came after a state, up to another or to now, in its order; and that state.

    Served by report_events_transaction_idx. Raises TooLarge where it is more than `MOST_MISSED`.
    """
    rows = (await connection.execute(_BETWEEN, {"after": after, "until": until})).all()
    size = len(Report._fields)
    found = [
        (Report(*row[1 : size + 1]), Event(*row[size + 1 :])) for row in rows if row[1] is not None
    ]
    if len(found) > MOST_MISSED:
        raise TooLarge(
            f"More than {MOST_MISSED} changes came since then. Read the list again, and subscribe "
            "with its asOf."
        )
    return found, rows[0].as_of


async def state_now(connection: AsyncConnection) -> str:
    """The state of the data that a statement sees now."""
    return str(await connection.scalar(text("SELECT CAST(pg_current_snapshot() AS text)")))


# `MATERIALIZED` once, or the snapshot would be read from its text for every row.
_BETWEEN = text(
    f"""
    WITH state AS MATERIALIZED (
        SELECT
            CAST(:after AS pg_snapshot) AS after,
            coalesce(CAST(:until AS pg_snapshot), pg_current_snapshot()) AS until
    )
    SELECT
        CAST(state.until AS text) AS as_of,
        {", ".join(f"report.{name}" for name in Report._fields)},
        {", ".join(f"event.{name}" for name in Event._fields)}
    FROM state
    LEFT JOIN (
        report_events AS event
        JOIN (SELECT {REPORT_AS_TEXT} FROM reports) AS report
            ON report.district_code = event.district_code AND report.id = event.report_id
    )
        ON event.transaction >= pg_snapshot_xmin(state.after)
        AND NOT pg_visible_in_snapshot(event.transaction, state.after)
        AND pg_visible_in_snapshot(event.transaction, state.until)
    ORDER BY event.at, event.version
    LIMIT {MOST_MISSED + 1}
    """
)


@dataclass(eq=False, slots=True)
class _Listener:
    interest: Interest
    # None: what came is not told any more.
    waiting: asyncio.Queue[ReportChange | None] = field(
        default_factory=lambda: asyncio.Queue(_MOST_WAITING + 1)
    )

    def tell(self, changes: Sequence[tuple[Report, Event]], before: str, after: str) -> None:
        for change in _told(changes, self.interest, before, after):
            if self.waiting.qsize() == _MOST_WAITING:
                self.give_up()
            if self.waiting.full():
                return
            self.waiting.put_nowait(change)

    def give_up(self) -> None:
        """Tells nothing more."""
        while not self.waiting.full():
            self.waiting.put_nowait(None)


class ReportNews:
    """One for a process; `run` is to be a task of it for as long as it serves."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listeners: set[_Listener] = set()
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
                    async with self._database.connection(commits=True) as connection:
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
        for one who does not take what is told, or when the database cannot be reached.
        """
        if after is not None and not _STATE.fullmatch(after):
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
        try:
            self._wake.set()
            if after is not None:
                async with self._database.connection() as connection:
                    missed, _ = await changes_between(connection, after, begin)
                for told in _told(missed, interest, after, begin):
                    yield told
            while (change := await listener.waiting.get()) is not None:
                yield change
            raise Unavailable(
                f"{_MOST_WAITING} changes wait to be read. Subscribe again with the last cursor."
            )
        finally:
            self._listeners.discard(listener)

    async def _read(self) -> None:
        before = self._as_of
        async with self._database.connection() as connection:
            try:
                found, self._as_of = await changes_between(connection, before)
            except TooLarge:
                # Each of those who listen comes back and reads what it wants of it.
                self._as_of = await state_now(connection)
                for listener in self._listeners:
                    listener.give_up()
                return
        for listener in self._listeners:
            listener.tell(found, before, self._as_of)


def _told(
    changes: Sequence[tuple[Report, Event]], interest: Interest, before: str, after: str
) -> list[ReportChange]:
    of_interest = [(report, event) for report, event in changes if interest.meets(report, event)]
    last = len(of_interest) - 1
    return [
        ReportChange(report, event, after if place == last else before)
        for place, (report, event) in enumerate(of_interest)
    ]


_ANNOUNCE = text(f"SELECT pg_notify('{CHANNEL}', :payload)").bindparams(
    payload='{"table":"reports","district":"","codes":null}'
)
