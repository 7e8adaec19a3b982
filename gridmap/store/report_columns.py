"""All reports of one state of the data, in memory as columns of plain numbers.

The columns are in the order of a `ClusterIndex`: the large index, and a small one of what has come
or changed since it was made. Both never change; others take their place.

A report stands as its serial, which the database gives: whoever sends reports chooses their ids,
and could choose two that get in each other's way. Codes stand as PostgreSQL's 64-bit hashes of
them: two codes of one column that share one would be taken for each other, of which the chance is
below one in a billion for a hundred thousand codes.

What residents wrote would not fit. Of the small index alone the descriptions are here too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import psycopg
from numpy.typing import NDArray
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.geo.clusters import COARSE_LEVEL, FAR_LEVEL, ClusterIndex
from gridmap.store import tables
from gridmap.store.database import explained, tool_engine
from gridmap.store.reports import OVERDUE_AT_AS_TEXT
from gridmap.store.snapshot import one_state
from gridmap.store.states import STATE_NOW

Columns: TypeAlias = Mapping[str, NDArray[Any]]
Bools: TypeAlias = NDArray[np.bool_]
Serials: TypeAlias = NDArray[np.int64]

_NEVER = np.iinfo(np.int64).max
_FEWEST_IN_TAIL = 5_000
_MOST_FOLLOWED = 50_000


def _hash(code: str) -> str:
    return f"coalesce(hashtextextended({code}, 0), 0)"


def _place(column: str, values: Sequence[str]) -> str:
    listed = ", ".join(f"'{value}'" for value in values)
    return f"CAST(array_position(ARRAY[{listed}], {column}) - 1 AS smallint)"


def _microseconds(moment: str) -> str:
    return f"coalesce(CAST(extract(epoch FROM {moment}) * 1000000 AS bigint), {_NEVER})"


def handler_key(kind: str, code: str) -> str:
    """What is hashed of a handler."""
    # No kind has a blank in it.
    return f"{kind} {code}"


COLUMNS = (
    ("serial", ">i8", "serial"),
    ("longitude", ">f8", "ST_X(location)"),
    ("latitude", ">f8", "ST_Y(location)"),
    ("state", ">i2", _place("state", tables.STATES)),
    ("urgency", ">i2", _place("urgency", tables.URGENCIES)),
    ("source", ">i2", _place("source", tables.SOURCES)),
    ("category", ">i8", _hash("category_code")),
    ("region", ">i8", _hash("region_code")),
    ("district", ">i8", _hash("district_code")),
    ("grid", ">i8", _hash("grid_code")),
    ("building", ">i8", _hash("building_code")),
    ("sponsor", ">i8", _hash("sponsor_code")),
    ("handler", ">i8", _hash("handler_kind || ' ' || handler_code")),
    ("received", ">i8", _microseconds("received_at")),
    ("overdue", ">i8", _microseconds(OVERDUE_AT_AS_TEXT)),
)
"""Column, its type as PostgreSQL sends it, and what it is; none is ever NULL."""

_SENT = {">i2": "int2send", ">i8": "int8send", ">f8": "float8send"}

# A row of PostgreSQL's binary COPY: the number of fields, and each behind its length.
_COPIED = np.dtype(
    [
        ("fields", ">i2"),
        *(
            field
            for name, type_, _ in COLUMNS
            for field in ((f"{name} length", ">i4"), (name, type_))
        ),
    ]
)
# The fields alone, one behind the other.
_PACKED = np.dtype([(name, type_) for name, type_, _ in COLUMNS])
_HEADER_BYTES = 19
_BATCH_BYTES = 1_000_000


@dataclass(frozen=True)
class Rows:
    """`columns` in the order of the curve; what is found out about them is kept."""

    index: ClusterIndex
    columns: Columns

    @classmethod
    def of(cls, columns: Columns) -> Rows:
        """Of columns in any order."""
        points = np.column_stack([columns["longitude"], columns["latitude"]])
        index = ClusterIndex(points, columns["serial"].view(np.uint64))
        return cls(index, {name: values[index.order] for name, values in columns.items()})

    def prepare(self) -> None:
        """Finds everything out, so that nobody waits for it."""
        _ = self.by_serial, self.regions, self.categories, self.coarse

    @cached_property
    def coarse(self) -> Mapping[int, ClusterIndex]:
        """As the public is told where they are, in the same order, by the level of the squares."""
        return {level: self.index.coarsened(level) for level in (FAR_LEVEL, COARSE_LEVEL)}

    @cached_property
    def by_serial(self) -> NDArray[np.int64]:
        """Positions of rows, int64 (n,), by their serials."""
        return np.argsort(self.columns["serial"], kind="stable")

    @cached_property
    def regions(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """The distinct hashes, int64 (k,), and of each row which it has, int32 (n,)."""
        return _numbered(self.columns["region"])

    @cached_property
    def categories(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """The same of categories."""
        return _numbered(self.columns["category"])


@dataclass(frozen=True, slots=True)
class Part:
    """`is_here`: bool (n,), False for rows that another part has now; None where all are here."""

    rows: Rows
    is_here: Bools | None = None

    def __len__(self) -> int:
        return len(self.rows.index)

    def find(self, serials: Serials) -> NDArray[np.int64]:
        """The positions of those that are in this part, int64."""
        if not len(self):
            return np.empty(0, dtype=np.int64)
        known, order = self.rows.columns["serial"], self.rows.by_serial
        places = np.searchsorted(known, serials, sorter=order)
        positions = order[np.minimum(places, len(order) - 1)]
        found: NDArray[np.int64] = positions[known[positions] == serials]
        return found

    def without(self, serials: Serials) -> Part:
        """The same part, where these are here no more."""
        positions = self.find(serials)
        if not len(positions):
            return self
        is_here = np.ones(len(self), dtype=np.bool_) if self.is_here is None else self.is_here
        is_here = is_here.copy()
        is_here[positions] = False
        return replace(self, is_here=is_here)

    @property
    def columns_here(self) -> Columns:
        """Of the rows that no other part has."""
        if self.is_here is None:
            return self.rows.columns
        return {name: values[self.is_here] for name, values in self.rows.columns.items()}


@dataclass(frozen=True, slots=True)
class Points:
    """All reports of the state `as_of` of the data: `main` large, `tail` small."""

    as_of: str
    main: Part
    tail: Part

    @classmethod
    def of(cls, columns: Columns, as_of: str) -> Points:
        """With all of them in the large index."""
        main = Rows.of(columns)
        main.prepare()
        return cls(as_of, Part(main), Part(Rows.of(_unpacked(b"", ()))))

    def after(self, changed: Columns, as_of: str) -> Points:
        """The same with rows that have come or changed."""
        serials = changed["serial"]
        tail = Rows.of(_joined(self.tail.without(serials).columns_here, changed))
        return Points(as_of, self.main.without(serials), Part(tail))

    @property
    def is_to_be_merged(self) -> bool:
        """Whether so much has come that the small index takes its time."""
        return len(self.tail) > max(_FEWEST_IN_TAIL, len(self.main) // 100)

    def merged(self) -> Points:
        """The same with all rows in the large index, without what is said of them."""
        return Points.of(_joined(self.main.columns_here, self.tail.columns_here), self.as_of)


def load(url: str) -> Points:
    """All reports, read in one go."""
    engine = tool_engine(url)
    try:
        with explained(), engine.connect() as connection, one_state(connection):
            as_of = str(connection.scalar(text(f"SELECT {STATE_NOW}")))
            columns = _copied(connection)
    finally:
        engine.dispose()
    return Points.of(columns, as_of)


def _copied(connection: Connection) -> Columns:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    size: int = connection.execute(text("SELECT count(*) FROM reports")).scalar_one()
    columns = {name: np.empty(size, type_.replace(">", "=")) for name, type_, _ in COLUMNS}
    begin = 0

    def take(data: bytearray, header: int) -> bytearray:
        """Puts the whole rows that there are into the columns; gives what is left."""
        nonlocal begin
        rows = np.frombuffer(data, _COPIED, (len(data) - header) // _COPIED.itemsize, header)
        for name, column in columns.items():
            column[begin : begin + len(rows)] = rows[name]
        begin += len(rows)
        return data[header + rows.nbytes :]

    selected = ", ".join(sql for _, _, sql in COLUMNS)
    statement = f"COPY (SELECT {selected} FROM reports) TO STDOUT (FORMAT binary)"
    waiting, header = bytearray(), _HEADER_BYTES
    with driver.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        for data in copy:
            waiting += data
            if len(waiting) > _BATCH_BYTES:
                waiting, header = take(waiting, header), 0
    take(waiting, header)
    return columns


def _unpacked(reports: bytes, descriptions: Sequence[str]) -> Columns:
    """Columns, and with them what is said of each report, in lower case."""
    rows = np.frombuffer(reports, _PACKED)
    return {
        **{name: rows[name].astype(type_.replace(">", "=")) for name, type_, _ in COLUMNS},
        "description": np.array(descriptions, dtype=np.object_),
    }


async def changed_since(connection: AsyncConnection, after: str) -> tuple[Columns | None, str]:
    """The rows that have come or changed since a state, and the state now.

    None if they are very many: then everything is sooner loaded anew.
    """
    row = (await connection.execute(_CHANGED, {"after": after, "most": _MOST_FOLLOWED})).one()
    if row.events > _MOST_FOLLOWED:
        return None, row.as_of
    return _unpacked(row.reports or b"", row.descriptions or ()), row.as_of


# Served by report_events_transaction_idx and reports_pkey, as in `report_changes`.
_CHANGED = text(
    f"""
    WITH state AS MATERIALIZED (
        SELECT CAST(:after AS pg_snapshot) AS after, CAST({STATE_NOW} AS pg_snapshot) AS now
    ),
    came AS MATERIALIZED (
        SELECT event.district_code, event.report_id
        FROM state
        JOIN report_events AS event
            ON event.transaction >= pg_snapshot_xmin(state.after)
            AND event.transaction < pg_snapshot_xmax(state.now)
            AND NOT pg_visible_in_snapshot(event.transaction, state.after)
        LIMIT :most + 1
    )
    SELECT
        CAST(state.now AS text) AS as_of,
        (SELECT count(*) FROM came) AS events,
        found.reports,
        found.descriptions
    FROM state
    CROSS JOIN (
        SELECT
            string_agg(report.packed, '') AS reports,
            array_agg(report.description) AS descriptions
        FROM (SELECT DISTINCT district_code, report_id FROM came) AS named
        CROSS JOIN LATERAL (
            SELECT
                {" || ".join(f"{_SENT[type_]}({sql})" for _, type_, sql in COLUMNS)} AS packed,
                lower(description) AS description
            FROM reports
            WHERE district_code = named.district_code AND id = named.report_id
            LIMIT 1
        ) AS report
    ) AS found
    """
)


def _numbered(hashes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """The distinct hashes, and of each row which it has."""
    distinct, numbers = np.unique(hashes, return_inverse=True)
    return distinct, numbers.astype(np.int32)


def _joined(one: Columns, other: Columns) -> Columns:
    return {name: np.concatenate([one[name], other[name]]) for name in one}
