"""The change feed: what is kept says which of it has changed, to every process that listens.

PostgreSQL's notifications carry it, sent when a transaction commits and never when it does not.
Triggers, which migration 0003 makes, announce what anybody writes, by whatever tool. Where tables
are distributed over many machines (Citus) they have no such triggers, and what writes announces.

A change names rows by the code under which they are loaded again. It says that they may have
changed, not how: several changes may name one row, or one that has its old values again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass
from uuid import uuid4

import orjson
import psycopg
from sqlalchemy import Connection, text

from gridmap.errors import Unavailable
from gridmap.store.database import database_url

CHANNEL = "gridmap_changes"

_log = logging.getLogger("gridmap")


@dataclass(frozen=True, slots=True)
class Change:
    """Rows of one table that may have changed.

    `table`: regions, grids, buildings, sponsors or sponsorships; report_rules, for categories and
    deadlines too; reports. `district_code`: their district; empty for regions and sponsors, which
    districts share, and where it is not known. `codes`: their codes, and of sponsorships the codes
    of the buildings and grids that are sponsored; None for all rows of that district, or of all
    districts where none is named. Rules and reports are never named one by one.

    A mark is a change of no table, whose district is what it was named: see `mark`.
    """

    table: str
    district_code: str
    codes: frozenset[str] | None


Changes = frozenset[Change]
"""At most one change for each table and district; a table that is named whole is named once."""

SNAPSHOT_TABLES = ("regions", "grids", "buildings", "sponsors", "sponsorships")
"""Whose rows a snapshot holds."""

_TABLES = (*SNAPSHOT_TABLES, "report_rules", "reports")

EVERYTHING: Changes = frozenset(Change(table, "", None) for table in _TABLES)
"""Anything may have changed."""


def merged(changes: Iterable[Change]) -> Changes:
    """The same changes, each table and district once, and nothing that is said by another."""
    codes: dict[tuple[str, str], set[str] | None] = {}
    for change in changes:
        place = change.table, change.district_code
        known = codes.setdefault(place, set())
        if change.codes is None or known is None:
            codes[place] = None
        else:
            known |= change.codes
    whole = {table for (table, district), some in codes.items() if district == "" and some is None}
    return frozenset(
        Change(table, district, None if some is None else frozenset(some))
        for (table, district), some in codes.items()
        if district == "" or table not in whole
    )


def mark(connection: Connection, name: str) -> Change:
    """Has everybody hear a mark, after all that was committed before this transaction commits."""
    connection.execute(
        text("SELECT pg_notify(:channel, :payload)"),
        {"channel": CHANNEL, "payload": orjson.dumps({"mark": name}).decode()},
    )
    return Change("", name, frozenset())


def announce_staged(connection: Connection, table: str) -> None:
    """Announces the rows that an import has staged for `table`, where no trigger did better.

    A trigger knows which rows were written; here all that the file named may have changed.
    """
    if table not in SNAPSHOT_TABLES:
        return
    district = "CAST('' AS text)" if table in ("regions", "sponsors") else "district_code"
    code = "COALESCE(building_code, grid_code)" if table == "sponsorships" else "code"
    connection.execute(
        text(
            f"""
            SELECT gridmap_announce('{table}', {district}, array_agg(DISTINCT {code}))
            FROM staged
            WHERE NOT EXISTS (
                SELECT 1
                FROM pg_trigger
                WHERE tgrelid = CAST('{table}' AS regclass)
                  AND tgname = '{table}_announce_insert'
                  AND tgenabled <> 'D'
            )
            GROUP BY {district}
            """
        )
    )


class ChangeFeed:
    """Listens on a connection of its own, for as long as it takes.

    `is_listening` is False while there is no connection, and so no word of changes. `listeners` are
    told of each batch before it is given.
    """

    def __init__(self, url: str) -> None:
        address = database_url(url)
        _, self._parameters = address.get_dialect()().create_connect_args(address)
        self.is_listening = False
        self.listeners: list[Callable[[Changes], None]] = []

    async def batches(self) -> AsyncGenerator[Changes]:
        """All changes from now on, those that come together as one.

        The first is `EVERYTHING`, given when listening has begun: what is loaded after it misses
        no later change. So it is again after each lost connection, and where a notification cannot
        be read. No batch is empty. Never ends by itself, and raises nothing for a database that
        cannot be reached or listened to: it says so in the log and tries again. Close it
        (`contextlib.aclosing`) to close the connection.
        """
        clock = asyncio.get_running_loop().time
        wait = _SHORTEST_WAIT
        is_silent = False
        while True:
            began = clock()
            try:
                async with await self._connect() as connection:
                    is_silent = False
                    self.is_listening = True
                    changes = EVERYTHING
                    while True:
                        if changes:
                            for listener in self.listeners:
                                listener(changes)
                            yield changes
                        changes = await _next(connection)
            except (psycopg.Error, Unavailable) as error:
                if not is_silent:  # one line for each loss, not for each attempt
                    reason = str(error).strip().partition("\n")[0]
                    _log.warning("Changes are not heard of for now: %s", reason)
                is_silent = True
            finally:
                self.is_listening = False
            if clock() - began > _LONGEST_WAIT:
                wait = _SHORTEST_WAIT
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)

    async def _connect(self) -> psycopg.AsyncConnection:
        connection = await self._session()
        try:
            # A server may be set to close sessions that are silent for long, as this one is.
            await connection.execute("SET idle_session_timeout = 0")
            await connection.execute(f"LISTEN {CHANNEL}")
            await self._try_out(connection)
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _try_out(self, connection: psycopg.AsyncConnection) -> None:
        """Raises Unavailable where what another session says is not heard.

        A pooler that shares connections by transaction takes LISTEN without complaint, and then
        throws the notifications away.
        """
        said = orjson.dumps({"mark": uuid4().hex}).decode()
        async with await self._session() as other:
            await other.execute("SELECT pg_notify(%s, %s)", [CHANNEL, said])
        heard: list[str] = []
        while said not in heard:
            heard = await _heard(connection, _LONGEST_TRIAL)
            if not heard:
                raise Unavailable(
                    "What other sessions notify does not arrive. DATABASE_URL leads through a "
                    "pooler that shares connections by transaction; name the server itself, or "
                    "let the pooler share by session."
                )

    async def _session(self) -> psycopg.AsyncConnection:
        return await psycopg.AsyncConnection.connect(
            **{**_PARAMETERS, **self._parameters}, autocommit=True
        )


async def _next(connection: psycopg.AsyncConnection) -> Changes:
    """Waits for a notification and takes those that follow it at once."""
    clock = asyncio.get_running_loop().time
    heard = await _heard(connection)
    payloads = list(heard)
    latest = clock() + _LONGEST_GATHERING
    while heard and clock() < latest:
        heard = await _heard(connection, _QUIET)
        payloads += heard
    return merged(change for payload in payloads for change in _read(payload))


async def _heard(connection: psycopg.AsyncConnection, seconds: float | None = None) -> list[str]:
    """The payloads that are there, or else the next ones to arrive; none when time is up.

    The generator is read to its end: what has arrived and is not taken from it would be lost.
    """
    notifications = connection.notifies(timeout=seconds, stop_after=1)
    return [each.payload async for each in notifications]


def _read(payload: str) -> Changes:
    try:
        said = orjson.loads(payload)
    except orjson.JSONDecodeError:
        said = None
    match said:
        case {"table": str(table), "district": str(district), "codes": None | list() as codes} if (
            table in _TABLES and all(isinstance(code, str) for code in codes or ())
        ):
            return frozenset([Change(table, district, None if codes is None else frozenset(codes))])
        case {"mark": str(name)}:
            return frozenset([Change("", name, frozenset())])
    _log.warning("Anything may have changed; who notified %s of %.100r?", CHANNEL, payload)
    return EVERYTHING


# Seconds. A transaction's notifications arrive within few milliseconds of each other.
_QUIET = 0.01
_LONGEST_GATHERING = 0.25
_LONGEST_TRIAL = 2.0
_SHORTEST_WAIT = 0.1
_LONGEST_WAIT = 5.0

# A network that is gone says nothing, so that it is asked: it is found out in 25 seconds.
_PARAMETERS = {
    "application_name": "gridmap-changes",
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
