"""Where all reports are, in memory, so that a map of a million of them is merged in milliseconds.

Columns of plain numbers in the order of a `ClusterIndex`: the large index, and a small one of what
has come or changed since it was made. Both never change; others take their place. Before each
answer it is asked what has happened since, by the same condition that the subscriptions use, so
that an answer is never older than the question.

Codes stand as PostgreSQL's 64-bit hashes of them: two codes of one column that share one would be
taken for each other, of which the chance is below one in a billion for a hundred thousand codes.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, NamedTuple, TypeAlias, TypeVar
from uuid import UUID

import numpy as np
import psycopg
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.errors import TooLarge
from gridmap.geo.bounds import Bounds
from gridmap.geo.clusters import Cells, ClusterIndex, merged
from gridmap.store import tables
from gridmap.store.database import Database, tool_engine
from gridmap.store.loop import ENDED
from gridmap.store.reports import Member, ReportFilter, matching
from gridmap.store.snapshot import one_state

Columns: TypeAlias = Mapping[str, NDArray[Any]]
Bools: TypeAlias = NDArray[np.bool_]
Made = TypeVar("Made")
Keys: TypeAlias = NDArray[np.uint64]

MOST_CLUSTERS = 10_000

_NEVER = np.iinfo(np.int64).max
_FEWEST_IN_TAIL = 5_000
_MOST_FOLLOWED = 50_000
_MOST_AT_ONCE = 100


def _hash(code: str) -> str:
    return f"hashtextextended(coalesce({code}, ''), 0)"


def _place(column: str, values: Sequence[str]) -> str:
    listed = ", ".join(f"'{value}'" for value in values)
    return f"CAST(array_position(ARRAY[{listed}], {column}) - 1 AS smallint)"


def _microseconds(moment: str) -> str:
    return f"coalesce(CAST(extract(epoch FROM {moment}) * 1000000 AS bigint), {_NEVER})"


# Column, its type as PostgreSQL sends it, and what it is.
_COLUMNS = (
    ("id", "V16", "id"),
    ("district", ">i8", _hash("district_code")),
    ("longitude", ">f8", "ST_X(location)"),
    ("latitude", ">f8", "ST_Y(location)"),
    ("state", ">i2", _place("state", tables.STATES)),
    ("urgency", ">i2", _place("urgency", tables.URGENCIES)),
    ("source", ">i2", _place("source", tables.SOURCES)),
    ("category", ">i8", _hash("category_code")),
    ("region", ">i8", _hash("region_code")),
    ("grid", ">i8", _hash("grid_code")),
    ("sponsor", ">i8", _hash("sponsor_code")),
    ("handler", ">i8", _hash("handler_code")),
    ("received", ">i8", _microseconds("received_at")),
    (
        "overdue",
        ">i8",
        # See `Report.overdue_at`.
        _microseconds(
            """
            CASE
                WHEN ended_at IS NOT NULL THEN NULL
                WHEN state = 'SUSPENDED' THEN step_due_at
                ELSE least(due_at, step_due_at)
            END
            """
        ),
    ),
)
_SELECTED = ", ".join(f"{sql} AS {name}" for name, _, sql in _COLUMNS)

# A row of PostgreSQL's binary COPY: the number of fields, and each behind its length.
_ROW = np.dtype(
    [
        ("fields", ">i2"),
        *(
            field
            for name, type_, _ in _COLUMNS
            for field in ((f"{name} length", ">i4"), (name, type_))
        ),
    ]
)
_HEADER_BYTES = 19
_TRAILER_BYTES = 2
_BATCH_BYTES = 16_000_000


class ReportClusters(NamedTuple):
    """Clusters of a zoom; `members` has the report of those that are of one alone."""

    cells: Cells
    members: dict[int, Member]


@dataclass(frozen=True)
class _Part:
    """`columns` in the order of the curve. `is_here`: False for rows that another part has now."""

    index: ClusterIndex
    columns: Columns
    is_here: Bools

    @cached_property
    def ids(self) -> Keys:
        return _ids(self.columns)

    @cached_property
    def by_id(self) -> NDArray[np.int64]:
        return np.argsort(self.ids, kind="stable")

    @cached_property
    def regions(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        return _numbered(self.columns["region"])

    @cached_property
    def categories(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        return _numbered(self.columns["category"])

    def find(self, ids: Keys) -> NDArray[np.int64]:
        """The positions of those that are in this part."""
        order = self.by_id
        places = np.searchsorted(self.ids, ids, sorter=order)
        places[places == len(order)] = 0
        positions = order[places] if len(order) else places[:0]
        found: NDArray[np.int64] = positions[self.ids[positions] == ids[: len(positions)]]
        return found

    def without(self, ids: Keys) -> _Part:
        positions = self.find(ids)
        if not len(positions):
            return self
        is_here = self.is_here.copy()
        is_here[positions] = False
        part = replace(self, is_here=is_here)
        for name in ("ids", "by_id", "regions", "categories"):
            if name in self.__dict__:
                part.__dict__[name] = self.__dict__[name]
        return part

    @property
    def rows_here(self) -> Columns:
        return {name: values[self.is_here] for name, values in self.columns.items()}


def _part(columns: Columns) -> _Part:
    points = np.column_stack([columns["longitude"], columns["latitude"]])
    index = ClusterIndex(points, _ids(columns))
    ordered = {name: values[index.order] for name, values in columns.items()}
    return _Part(index, ordered, np.ones(len(points), dtype=np.bool_))


@dataclass(frozen=True, slots=True)
class _Points:
    """All reports of one state of the data."""

    as_of: str
    main: _Part
    tail: _Part

    def after(self, changed: Columns, as_of: str) -> _Points:
        """The same with rows that have come or changed."""
        if not len(changed["id"]):
            return replace(self, as_of=as_of)
        ids = _ids(changed)
        tail = _part(_joined(self.tail.without(ids).rows_here, changed))
        return _Points(as_of, self.main.without(ids), tail)

    @property
    def is_to_be_merged(self) -> bool:
        return len(self.tail.is_here) > max(_FEWEST_IN_TAIL, len(self.main.is_here) // 100)

    def merged(self) -> _Points:
        """The same with all rows in the large index."""
        rows = _joined(self.main.rows_here, self.tail.rows_here)
        return _Points(self.as_of, _part(rows), _part({k: v[:0] for k, v in rows.items()}))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A filter in numbers. `chosen`: ids of reports that the database has picked, None for any."""

    filter: ReportFilter
    codes: dict[str, int]
    chosen: Keys | None

    def mask(self, part: _Part) -> Callable[[slice], Bools] | None:
        """Which rows of a part are wanted; None where all are."""
        conditions = list(self._conditions(part))
        if not part.is_here.all():
            conditions.append(lambda rows: part.is_here[rows])
        if not conditions:
            return None

        def where(rows: slice) -> Bools:
            mask = conditions[0](rows)
            for condition in conditions[1:]:
                mask = mask & condition(rows)
            return mask

        return where

    def _conditions(self, part: _Part) -> Sequence[Callable[[slice], Bools]]:
        wanted, columns = self.filter, part.columns
        found: list[Callable[[slice], Bools]] = []

        def equal(name: str, value: int) -> None:
            column = columns[name]
            found.append(lambda rows: column[rows] == value)

        def among(numbers: NDArray[Any], table: Bools) -> None:
            found.append(lambda rows: table[numbers[rows]])

        for name, code in (
            ("grid", wanted.grid),
            ("sponsor", wanted.sponsor),
            ("handler", wanted.handler),
        ):
            if code is not None:
                equal(name, self.codes[code])
        for (hashes, numbers), codes in (
            (part.regions, wanted.regions),
            (part.categories, wanted.categories),
        ):
            if codes is not None:
                known = np.array([self.codes[code] for code in codes], dtype=np.int64)
                among(numbers, np.isin(hashes, known))
        for name, values, chosen in (
            ("state", tables.STATES, wanted.states),
            ("urgency", tables.URGENCIES, wanted.urgencies),
            ("source", tables.SOURCES, wanted.sources),
        ):
            if chosen is not None:
                among(columns[name], np.array([value in chosen for value in values]))
        if wanted.is_open is not None:
            is_open = np.array([(state not in ENDED) is wanted.is_open for state in tables.STATES])
            among(columns["state"], is_open)
        received, overdue = columns["received"], columns["overdue"]
        if wanted.since is not None:
            since = _in_microseconds(wanted.since)
            found.append(lambda rows: received[rows] >= since)
        if wanted.until is not None:
            until = _in_microseconds(wanted.until)
            found.append(lambda rows: received[rows] < until)
        if wanted.is_overdue is not None:
            now, is_overdue = _in_microseconds(wanted.now), wanted.is_overdue
            found.append(lambda rows: (overdue[rows] < now) == is_overdue)
        if self.chosen is not None:
            picked = np.zeros(len(part.is_here), dtype=np.bool_)
            picked[part.find(self.chosen)] = True
            found.append(lambda rows: picked[rows])
        return found


class ReportPoints:
    """One for a process. Everything is read when it is first asked for."""

    def __init__(self, database: Database, url: str) -> None:
        self._database = database
        self._url = url
        self._points: _Points | None = None
        # What has come since the large index began to be made anew.
        self._later: list[tuple[Columns, str]] = []
        self._merging: asyncio.Task[None] | None = None
        self._loading: asyncio.Task[_Points] | None = None
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(2, "points")

    async def clusters(self, bounds: Bounds, zoom: int, wanted: ReportFilter) -> ReportClusters:
        """The reports within the bounds, merged for a zoom (see `ClusterIndex.cells`).

        Raises TooLarge where there are more than `MOST_CLUSTERS`.
        """
        numbers = await self._numbers(wanted, bounds)
        points = await self._now()
        return await self._in_thread(partial(_clusters, points, bounds, zoom, numbers))

    async def positions(self, wanted: ReportFilter) -> NDArray[np.float64]:
        """Where such reports are: float64 (n, 2), longitude then latitude, WGS 84 degrees."""
        numbers = await self._numbers(wanted, wanted.bounds)
        points = await self._now()
        return await self._in_thread(partial(_positions, points, numbers))

    async def close(self) -> None:
        if self._merging is not None:
            self._merging.cancel()
        await asyncio.to_thread(self._thread.shutdown)

    async def _numbers(self, wanted: ReportFilter, bounds: Bounds | None) -> _Wanted:
        codes = {code for code in (wanted.grid, wanted.sponsor, wanted.handler) if code is not None}
        codes |= {*(wanted.regions or ()), *(wanted.categories or ())}
        is_picked = wanted.text is not None or wanted.serial is not None
        if not codes and not is_picked:
            return _Wanted(wanted, {}, None)
        async with self._database.connection() as connection:
            numbers = await _numbers_of(connection, sorted(codes))
            picked = None
            if is_picked:
                picked = await _picked(connection, replace(wanted, bounds=bounds))
        return _Wanted(wanted, numbers, picked)

    async def _now(self) -> _Points:
        """All reports as they are at some time after this was called."""
        async with self._turn:
            if self._points is None:
                self._points = await self._loaded()
            async with self._database.connection() as connection:
                changed, as_of = await _changed(connection, self._points.as_of)
            if changed is None:
                if self._merging is not None:
                    self._merging.cancel()
                self._points = await self._loaded()
                return self._points
            after = partial(self._points.after, changed, as_of)
            is_much = len(changed["id"]) > _MOST_AT_ONCE
            self._points = await self._in_thread(after) if is_much else after()
            if self._merging is not None:
                self._later.append((changed, as_of))
            elif self._points.is_to_be_merged:
                self._merging = asyncio.create_task(self._merge(self._points))
            return self._points

    async def _loaded(self) -> _Points:
        """All reports, read in one go, which goes on when whoever asked for it has gone."""
        if self._loading is None:
            self._loading = asyncio.create_task(self._in_thread(partial(_load, self._url)))
        loading = self._loading
        try:
            return await asyncio.shield(loading)
        finally:
            if loading.done():
                self._loading = None

    async def _merge(self, points: _Points) -> None:
        """Makes the large index anew, while the old one answers."""
        try:
            made = await self._in_thread(points.merged)
            async with self._turn:
                for changed, as_of in self._later:
                    made = await self._in_thread(partial(made.after, changed, as_of))
                self._points = made
        finally:
            self._later.clear()
            self._merging = None

    async def _in_thread(self, make: Callable[[], Made]) -> Made:
        return await asyncio.get_running_loop().run_in_executor(self._thread, make)


def _clusters(points: _Points, bounds: Bounds, zoom: int, wanted: _Wanted) -> ReportClusters:
    if wanted.filter.bounds is not None:
        bounds = _both(bounds, wanted.filter.bounds)
    cells = merged(
        points.main.index.cells(bounds, zoom, wanted.mask(points.main)),
        points.tail.index.cells(bounds, zoom, wanted.mask(points.tail)),
    )
    if len(cells) > MOST_CLUSTERS:
        raise TooLarge(
            f"There are {len(cells)} clusters at zoom {zoom}; at most {MOST_CLUSTERS} are told. "
            "Ask for smaller bounds, or for a smaller zoom."
        )
    size = len(points.main.is_here)
    members = {}
    for place in np.flatnonzero(cells.count == 1).tolist():
        position = int(cells.member[place])
        part, row = (points.main, position) if position < size else (points.tail, position - size)
        members[place] = Member(
            UUID(bytes=part.columns["id"][row].tobytes()), int(part.columns["district"][row])
        )
    return ReportClusters(cells, members)


def _positions(points: _Points, wanted: _Wanted) -> NDArray[np.float64]:
    found = []
    for part in (points.main, points.tail):
        everything = slice(0, len(part.is_here))
        where = wanted.mask(part)
        rows: Any = everything if where is None else where(everything)
        columns = [part.columns[name][rows] for name in ("longitude", "latitude")]
        found.append(np.column_stack(columns))
    positions = np.concatenate(found)
    if (bounds := wanted.filter.bounds) is not None:
        longitudes, latitudes = positions.T
        inside = (longitudes >= bounds.west) & (longitudes <= bounds.east)
        inside &= (latitudes >= bounds.south) & (latitudes <= bounds.north)
        positions = positions[inside]
    return positions


def _both(one: Bounds, other: Bounds) -> Bounds:
    return Bounds(
        max(one.west, other.west),
        max(one.south, other.south),
        min(one.east, other.east),
        min(one.north, other.north),
    )


def _load(url: str) -> _Points:
    """All reports, read in one go."""
    engine = tool_engine(url)
    try:
        with engine.connect() as connection, one_state(connection):
            as_of = str(connection.scalar(text("SELECT CAST(pg_current_snapshot() AS text)")))
            columns = _copied(connection)
    finally:
        engine.dispose()
    return _Points(as_of, _part(columns), _part({k: v[:0] for k, v in columns.items()}))


def _copied(connection: Connection) -> Columns:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    statement = f"COPY (SELECT {_SELECTED} FROM reports) TO STDOUT (FORMAT binary)"
    parts: list[Columns] = [_columns(b"")]
    waiting, size, header = [], 0, _HEADER_BYTES
    with driver.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        for data in copy:
            waiting.append(bytes(data))
            size += len(data)
            if size > _BATCH_BYTES:
                rows = b"".join(waiting)[header:]
                whole = len(rows) // _ROW.itemsize * _ROW.itemsize
                parts.append(_columns(rows[:whole]))
                waiting, size, header = [rows[whole:]], 0, 0
    parts.append(_columns(b"".join(waiting)[header:-_TRAILER_BYTES]))
    return {name: np.concatenate([part[name] for part in parts]) for name, _, _ in _COLUMNS}


def _columns(rows: bytes) -> Columns:
    table = np.frombuffer(rows, dtype=_ROW) if rows else np.empty(0, dtype=_ROW)
    return {name: _native(table[name]) for name, _, _ in _COLUMNS}


def _native(column: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(column.astype(column.dtype.newbyteorder("=")))


async def _changed(connection: AsyncConnection, after: str) -> tuple[Columns | None, str]:
    """The rows that have come or changed since a state, and the state now; None if very many."""
    rows = (await connection.execute(_CHANGED, {"after": after})).all()
    as_of = str(rows[0].as_of)
    there = [row[1:] for row in rows if row.id is not None]
    if len(there) > _MOST_FOLLOWED:
        return None, as_of
    columns: dict[str, NDArray[Any]] = {}
    for place, (name, type_, _) in enumerate(_COLUMNS):
        values = [row[place] for row in there]
        if name == "id":
            joined = b"".join(value.bytes for value in values)
            columns[name] = _binary(joined)
        else:
            columns[name] = np.array(values, dtype=np.dtype(type_).newbyteorder("="))
    return columns, as_of


# Served by report_events_transaction_idx and reports_pkey.
_CHANGED = text(
    f"""
    WITH state AS MATERIALIZED (
        SELECT CAST(:after AS pg_snapshot) AS after
    ),
    changed AS MATERIALIZED (
        SELECT DISTINCT event.district_code, event.report_id
        FROM state
        JOIN report_events AS event
            ON event.transaction >= pg_snapshot_xmin(state.after)
            AND NOT pg_visible_in_snapshot(event.transaction, state.after)
        LIMIT {_MOST_FOLLOWED + 1}
    )
    SELECT CAST(pg_current_snapshot() AS text) AS as_of, report.*
    FROM state
    LEFT JOIN (
        SELECT {_SELECTED}
        FROM reports
        JOIN (SELECT district_code AS of_district, report_id FROM changed) AS named
            ON reports.district_code = named.of_district AND reports.id = named.report_id
    ) AS report
        ON TRUE
    """
)


async def _numbers_of(connection: AsyncConnection, codes: Sequence[str]) -> dict[str, int]:
    rows = await connection.execute(
        text(
            """
            SELECT code, hashtextextended(code, 0) AS number
            FROM unnest(CAST(:codes AS text[])) AS code
            """
        ),
        {"codes": list(codes)},
    )
    return {row.code: row.number for row in rows}


async def _picked(connection: AsyncConnection, wanted: ReportFilter) -> Keys:
    """The ids of reports that a filter lets through, as numbers."""
    table = tables.reports
    statement = matching(
        select(table.c.id, func.hashtextextended(table.c.district_code, 0)),
        replace(wanted, is_overdue=None),
    )
    rows = (await connection.execute(statement)).all()
    joined = b"".join(row[0].bytes for row in rows)
    return _ids(
        {
            "id": _binary(joined),
            "district": np.array([row[1] for row in rows], dtype=np.int64),
        }
    )


def _binary(ids: bytes) -> NDArray[Any]:
    return np.frombuffer(ids, dtype="V16") if ids else np.empty(0, dtype="V16")


def _ids(columns: Columns) -> Keys:
    """A number for each report: of an id that is chance itself, and its district."""
    halves = columns["id"].view(">u8").reshape(-1, 2).astype(np.uint64)
    mixed: Keys = halves[:, 0] * np.uint64(0x9E37_79B9_7F4A_7C15)
    return mixed ^ halves[:, 1] ^ columns["district"].view(np.uint64)


def _numbered(hashes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """The distinct hashes, and of each row which it has."""
    distinct, numbers = np.unique(hashes, return_inverse=True)
    return distinct, numbers.astype(np.int32)


def _joined(one: Columns, other: Columns) -> Columns:
    return {name: np.concatenate([one[name], other[name]]) for name in one}


def _in_microseconds(moment: datetime.datetime) -> int:
    return (moment - _EPOCH) // datetime.timedelta(microseconds=1)


_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
