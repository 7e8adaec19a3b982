"""Where all reports are, in memory, so that a map of a million of them is merged in milliseconds.

Columns of plain numbers in the order of a `ClusterIndex`: the large index, and a small one of what
has come or changed since it was made. Both never change; others take their place. Before each
answer it is asked what has happened since, by the same condition that the subscriptions use, so
that an answer is never older than the question.

A report stands as its serial, which the database gives: whoever sends reports chooses their ids,
and could choose two that get in each other's way. Codes stand as PostgreSQL's 64-bit hashes of
them: two codes of one column that share one would be taken for each other, of which the chance is
below one in a billion for a hundred thousand codes.

Whoever answers for places has a map of the reports there, exactly. The public has one of squares of
about 100 m, or 800 m from afar, of the same columns in the same order, since the squares are
stretches of the curve. A square's reports are told in fives, each as if its five had come when the
fifth did. All that the public is told, of any zoom, days and box, is made of these fives.

What residents wrote would not fit: the database is asked which reports have a text, once for each
text and large index. Of the small index the descriptions are here too.
"""

from __future__ import annotations

import asyncio
import datetime
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
import psycopg
from numpy.typing import NDArray
from sqlalchemy import ARRAY, BigInteger, Connection, any_, literal, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.errors import TooLarge
from gridmap.geo.bounds import Bounds
from gridmap.geo.clusters import (
    COARSE_LEVEL,
    FAR_LEVEL,
    Cells,
    ClusterIndex,
    merged,
    middles,
    of_squares,
    zoom_of,
)
from gridmap.store import tables
from gridmap.store.database import Database, explained, protected, tool_engine
from gridmap.store.loop import ENDED
from gridmap.store.reports import OVERDUE_AT_AS_TEXT, REPORT_COLUMNS, Report, ReportFilter
from gridmap.store.scopes import Clause, Scope, condition
from gridmap.store.snapshot import one_state
from gridmap.store.states import STATE_NOW

Columns: TypeAlias = Mapping[str, NDArray[Any]]
Bools: TypeAlias = NDArray[np.bool_]
Made = TypeVar("Made")
Serials: TypeAlias = NDArray[np.int64]

MOST_CLUSTERS = 10_000
LEAST_PUBLIC = 5
"""As many reports are told together to the public, or none: a square's are told in fives."""

_WORLD = Bounds(-180.0, -90.0, 180.0, 90.0)
_NEVER = np.iinfo(np.int64).max
_FEWEST_IN_TAIL = 5_000
_MOST_FOLLOWED = 50_000
_MOST_CODES = 100_000
_MOST_TEXTS = 1_000
_MOST_TEXT_BYTES = 64_000_000
# A text is looked for everywhere in this time where few reports have it. Where many do, the reports
# of a view are sooner looked through, if they are no more than this.
_SOON_SECONDS = 0.02
_FEW = 30_000


def _hash(code: str) -> str:
    return f"coalesce(hashtextextended({code}, 0), 0)"


def _place(column: str, values: Sequence[str]) -> str:
    listed = ", ".join(f"'{value}'" for value in values)
    return f"CAST(array_position(ARRAY[{listed}], {column}) - 1 AS smallint)"


def _microseconds(moment: str) -> str:
    return f"coalesce(CAST(extract(epoch FROM {moment}) * 1000000 AS bigint), {_NEVER})"


def _handler(kind: str, code: str) -> str:
    # No kind has a blank in it.
    return f"{kind} {code}"


# Column, its type as PostgreSQL sends it, and what it is; none is ever NULL.
_COLUMNS = (
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
_SENT = {">i2": "int2send", ">i8": "int8send", ">f8": "float8send"}

# A row of PostgreSQL's binary COPY: the number of fields, and each behind its length.
_COPIED = np.dtype(
    [
        ("fields", ">i2"),
        *(
            field
            for name, type_, _ in _COLUMNS
            for field in ((f"{name} length", ">i4"), (name, type_))
        ),
    ]
)
# The fields alone, one behind the other.
_PACKED = np.dtype([(name, type_) for name, type_, _ in _COLUMNS])
_HEADER_BYTES = 19
_BATCH_BYTES = 1_000_000


class ReportClusters(NamedTuple):
    """Clusters of a zoom. `serials`: int64 (k,), of a report in each: of those of one alone, it."""

    cells: Cells
    serials: Serials


@dataclass(frozen=True)
class _Rows:
    """`columns` in the order of the curve; what is found out about them is kept."""

    index: ClusterIndex
    columns: Columns

    @classmethod
    def of(cls, columns: Columns) -> _Rows:
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
        return np.argsort(self.columns["serial"], kind="stable")

    @cached_property
    def regions(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        return _numbered(self.columns["region"])

    @cached_property
    def categories(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        return _numbered(self.columns["category"])


@dataclass(frozen=True, slots=True)
class _Part:
    """`is_here`: bool, False for rows that another part has now; None where all are here."""

    rows: _Rows
    is_here: Bools | None = None

    def __len__(self) -> int:
        return len(self.rows.index)

    def find(self, serials: Serials) -> NDArray[np.int64]:
        """The positions of those that are in this part."""
        if not len(self):
            return np.empty(0, dtype=np.int64)
        known, order = self.rows.columns["serial"], self.rows.by_serial
        places = np.searchsorted(known, serials, sorter=order)
        positions = order[np.minimum(places, len(order) - 1)]
        found: NDArray[np.int64] = positions[known[positions] == serials]
        return found

    def without(self, serials: Serials) -> _Part:
        positions = self.find(serials)
        if not len(positions):
            return self
        is_here = np.ones(len(self), dtype=np.bool_) if self.is_here is None else self.is_here
        is_here = is_here.copy()
        is_here[positions] = False
        return replace(self, is_here=is_here)

    @property
    def columns_here(self) -> Columns:
        if self.is_here is None:
            return self.rows.columns
        return {name: values[self.is_here] for name, values in self.rows.columns.items()}


@dataclass(frozen=True, slots=True)
class _Points:
    """All reports of one state of the data."""

    as_of: str
    main: _Part
    tail: _Part

    @classmethod
    def of(cls, columns: Columns, as_of: str) -> _Points:
        main = _Rows.of(columns)
        main.prepare()
        return cls(as_of, _Part(main), _Part(_Rows.of(_unpacked(b"", ()))))

    def after(self, changed: Columns, as_of: str) -> _Points:
        """The same with rows that have come or changed."""
        serials = changed["serial"]
        tail = _Rows.of(_joined(self.tail.without(serials).columns_here, changed))
        return _Points(as_of, self.main.without(serials), _Part(tail))

    @property
    def is_to_be_merged(self) -> bool:
        return len(self.tail) > max(_FEWEST_IN_TAIL, len(self.main) // 100)

    def merged(self) -> _Points:
        """The same with all rows in the large index, without what is said of them."""
        return _Points.of(_joined(self.main.columns_here, self.tail.columns_here), self.as_of)


@dataclass(frozen=True, slots=True)
class _Having:
    """Which rows have a text in them.

    `rows`: of a large index. `positions`: of them those that have it, ascending. `said`: the text
    as PostgreSQL puts it in lower case, by which the rows of a small index are looked through.
    """

    rows: _Rows
    positions: NDArray[np.int32]
    said: str

    @classmethod
    def of(cls, rows: _Rows, serials: bytes, said: str) -> _Having:
        found, known = np.frombuffer(serials, ">i8").astype(np.int64), rows.columns["serial"]
        if len(found) < len(known) // 100:
            positions = np.sort(_Part(rows).find(np.sort(found)))
        else:
            positions = np.flatnonzero(np.isin(known, found))
        return cls(rows, positions.astype(np.int32), said)

    def mask(self, part: _Part) -> Callable[[slice], Bools]:
        if part.rows is self.rows:
            return self._among_positions
        descriptions, said = part.rows.columns["description"], self.said
        return lambda rows: np.array([said in each for each in descriptions[rows]], dtype=np.bool_)

    def _among_positions(self, rows: slice) -> Bools:
        first, end = np.searchsorted(self.positions, (rows.start, rows.stop))
        mask = np.zeros(rows.stop - rows.start, dtype=np.bool_)
        mask[self.positions[first:end] - rows.start] = True
        return mask


class _Texts:
    """Which rows of a large index have the texts that were last asked for.

    What is found once holds as long as the index: a report that has changed since the text was
    looked for is no longer in the index for whoever asks then what has changed.
    """

    def __init__(
        self, rows: _Rows, look: Callable[[_Rows, str, Bounds | None], Coroutine[Any, Any, _Having]]
    ) -> None:
        self.rows = rows
        self._look = look
        self._found: OrderedDict[str, asyncio.Task[_Having]] = OrderedDict()

    async def having(self, text: str, bounds: Bounds | None) -> _Having:
        """Of the rows within the bounds, where there are bounds, all that have the text are told.

        Where few lie within them they are looked through if the text is not soon found everywhere;
        of such texts, which nobody waits for, one at a time is looked for.
        """
        task = self._found.get(text)
        if task is not None:
            self._found.move_to_end(text)
        if bounds is not None and self.rows.index.most_within(bounds) <= _FEW:
            if task is None and all(each.done() for each in self._found.values()):
                task = self._look_everywhere(text)
                await asyncio.wait({task}, timeout=_SOON_SECONDS)
            if task is None or not _has_succeeded(task):
                return await self._look(self.rows, text, bounds)
        elif task is None or (task.done() and not _has_succeeded(task)):
            task = self._look_everywhere(text)
        return await asyncio.shield(task)

    async def close(self) -> None:
        tasks = [task for task in self._found.values() if task.cancel()]
        await asyncio.gather(*tasks, return_exceptions=True)

    def _look_everywhere(self, text: str) -> asyncio.Task[_Having]:
        task = asyncio.create_task(self._look(self.rows, text, None))
        self._found[text] = task
        task.add_done_callback(self._forget_oldest)
        return task

    def _forget_oldest(self, _: asyncio.Task[_Having]) -> None:
        sizes = {
            text: task.result().positions.nbytes if _has_succeeded(task) else 0
            for text, task in self._found.items()
        }
        size = sum(sizes.values())
        while len(self._found) > 1 and (size > _MOST_TEXT_BYTES or len(self._found) > _MOST_TEXTS):
            text, _ = self._found.popitem(last=False)
            size -= sizes[text]


def _has_succeeded(task: asyncio.Task[_Having]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A filter in numbers. `serials`: of the report that has the number, None for any."""

    filter: ReportFilter
    codes: Mapping[str, int]
    serials: Serials | None = None
    having: _Having | None = None

    def mask(self, part: _Part) -> Callable[[slice], Bools] | None:
        """Which rows of a part are wanted; None where all are."""
        conditions = self._conditions(part)
        if (is_here := part.is_here) is not None:
            conditions.append(lambda rows: is_here[rows])
        if not conditions:
            return None

        def where(rows: slice) -> Bools:
            mask = conditions[0](rows)
            for other in conditions[1:]:
                mask = mask & other(rows)
            return mask

        return where

    def _conditions(self, part: _Part) -> list[Callable[[slice], Bools]]:
        wanted, columns = self.filter, part.rows.columns
        found: list[Callable[[slice], Bools]] = []
        if not wanted.scope.is_all:
            found.append(self._in_scope(part.rows))

        def equal(name: str, value: int) -> None:
            column = columns[name]
            found.append(lambda rows: column[rows] == value)

        def among(numbers: NDArray[Any], table: Bools) -> None:
            found.append(_looked_up(numbers, table))

        for name, code in (("grid", wanted.grid), ("sponsor", wanted.sponsor)):
            if code is not None:
                equal(name, self.codes[code])
        if wanted.handler is not None:
            found.append(self._handled_by(wanted.handler, part.rows))
        for (hashes, numbers), codes in (
            (part.rows.regions, wanted.regions),
            (part.rows.categories, wanted.categories),
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
        if self.serials is not None:
            serials, known = self.serials, columns["serial"]
            found.append(lambda rows: np.isin(known[rows], serials))
        if self.having is not None:
            found.append(self.having.mask(part))
        return found

    def _in_scope(self, rows: _Rows) -> Callable[[slice], Bools]:
        """The same as `scopes.condition`, but for what somebody sent in."""
        clauses = [self._clause(clause, rows) for clause in self.filter.scope.clauses]

        def where(at: slice) -> Bools:
            mask = np.zeros(at.stop - at.start, dtype=np.bool_)
            for first, *others in clauses:
                one = first(at)
                for other in others:
                    one = one & other(at)
                mask |= one
            return mask

        return where

    def _clause(self, clause: Clause, rows: _Rows) -> list[Callable[[slice], Bools]]:
        found: list[Callable[[slice], Bools]] = []
        for name, values in _by_column(clause).items():
            numbers = np.array([self.codes[value] for value in values], dtype=np.int64)
            if name == "region":
                hashes, regions = rows.regions
                found.append(_looked_up(regions, np.isin(hashes, numbers)))
            else:
                found.append(_one_of(rows.columns[name], numbers))
        return found

    def _handled_by(self, code: str, rows: _Rows) -> Callable[[slice], Bools]:
        handlers, (hashes, regions) = rows.columns["handler"], rows.regions
        kinds = (_handler(kind, code) for kind in tables.HANDLER_KINDS if kind != _MEMBER)
        others = _one_of(handlers, np.array([self.codes[each] for each in kinds], dtype=np.int64))
        member = self.codes[_handler(_MEMBER, code)]
        is_told = np.ones(len(hashes), dtype=np.bool_)
        if self.filter.member_regions is not None:
            known = [self.codes[region] for region in self.filter.member_regions]
            is_told = np.isin(hashes, np.array(known, dtype=np.int64))
        return lambda at: others(at) | ((handlers[at] == member) & is_told[regions[at]])


_MEMBER = "BUILDING_MEMBER"


def _by_column(clause: Clause) -> dict[str, tuple[str, ...]]:
    """The columns here, and what is hashed in them."""
    said = dict(clause)
    if "handler_kind" in said:
        kinds, codes = said.pop("handler_kind"), said["handler_code"]
        said["handler_code"] = tuple(_handler(kind, code) for kind in kinds for code in codes)
    return {name.removesuffix("_code"): values for name, values in said.items()}


def _looked_up(numbers: NDArray[Any], table: Bools) -> Callable[[slice], Bools]:
    return lambda rows: table[numbers[rows]]


def _one_of(column: NDArray[np.int64], numbers: NDArray[np.int64]) -> Callable[[slice], Bools]:
    if len(numbers) == 1:
        return lambda rows: column[rows] == numbers[0]
    return lambda rows: np.isin(column[rows], numbers)


class ReportPoints:
    """One for a process. Everything is read when it is first asked for."""

    def __init__(self, database: Database, url: str) -> None:
        self._database = database
        self._url = url
        self._points: _Points | None = None
        self._loading: asyncio.Task[_Points] | None = None
        self._merging: asyncio.Task[None] | None = None
        # How often it was asked what has changed, and the last of these that `_points` answers.
        self._asked = 0
        self._answered = 0
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(2, "points")
        self._codes: dict[str, int] = {}
        self._texts: _Texts | None = None

    async def clusters(self, bounds: Bounds, zoom: int, wanted: ReportFilter) -> ReportClusters:
        """The reports within the bounds, merged for a zoom (see `ClusterIndex.cells`).

        Raises TooLarge where there are more than `MOST_CLUSTERS`.
        """
        return await self._merged(bounds, zoom, wanted, _clusters)

    async def public_clusters(self, bounds: Bounds, zoom: int, wanted: ReportFilter) -> Cells:
        """The same as the public is told of it: fives in the middle of their squares (see
        `ClusterIndex.coarsened`), of those squares whose middle lies within the bounds."""
        return await self._merged(bounds, zoom, wanted, _public_clusters)

    async def positions(self, wanted: ReportFilter) -> NDArray[np.float64]:
        """Where such reports are, in the order of their serials.

        float64 (n, 2), longitude then latitude, WGS 84 degrees.
        """
        points, numbers = await self._asked_for(wanted, wanted.bounds)
        return await self._in_thread(partial(_positions, points, numbers))

    async def public_positions(self, wanted: ReportFilter) -> NDArray[np.float64]:
        """The same as the public is told of it, from west to east, south to north."""
        points, numbers = await self._asked_for(wanted, wanted.bounds)
        return await self._in_thread(partial(_public_positions, points, numbers))

    async def close(self) -> None:
        for task in (self._merging, self._loading):
            if task is not None:
                task.cancel()
        if self._texts is not None:
            await self._texts.close()
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)

    async def _merged(
        self,
        bounds: Bounds,
        zoom: int,
        wanted: ReportFilter,
        merge: Callable[[_Points, Bounds, int, _Wanted], Made],
    ) -> Made:
        if wanted.bounds is not None:
            bounds = _both(bounds, wanted.bounds)
        points, numbers = await self._asked_for(wanted, bounds)
        return await self._in_thread(partial(merge, points, bounds, zoom, numbers))

    async def _asked_for(
        self, wanted: ReportFilter, bounds: Bounds | None
    ) -> tuple[_Points, _Wanted]:
        """All reports as they are at some time after this was called, and which are wanted of those
        within the bounds."""
        numbers = await self._numbers(wanted)
        if wanted.text is None:
            return await self._now(), numbers
        while True:
            # In this order, so that what changes meanwhile is in the large index no more.
            rows = (self._points or await self._now()).main.rows
            having = await self._texts_of(rows).having(wanted.text, bounds)
            points = await self._now()
            if points.main.rows is rows:
                return points, replace(numbers, having=having)

    async def _numbers(self, wanted: ReportFilter) -> _Wanted:
        codes = {code for code in (wanted.grid, wanted.sponsor) if code is not None}
        codes |= {*(wanted.regions or ()), *(wanted.categories or ())}
        if wanted.handler is not None:
            codes |= {_handler(kind, wanted.handler) for kind in tables.HANDLER_KINDS}
            codes |= {*(wanted.member_regions or ())}
        for clause in wanted.scope.clauses:
            codes.update(*_by_column(clause).values())
        known = self._codes
        if not known.keys() >= codes:
            # They come from clients, and there may be any.
            known = self._codes if len(self._codes) < _MOST_CODES else {}
            async with self._database.connection() as connection:
                self._codes = known = known | await _numbers_of(connection, sorted(codes))
        if wanted.serial is None:
            return _Wanted(wanted, known)
        async with self._database.connection() as connection:
            return _Wanted(wanted, known, await _serials_of(connection, *wanted.serial))

    def _texts_of(self, rows: _Rows) -> _Texts:
        if self._texts is None or self._texts.rows is not rows:
            self._texts = _Texts(rows, self._look)
        return self._texts

    async def _look(self, rows: _Rows, text: str, bounds: Bounds | None) -> _Having:
        if bounds is None:
            async with self._database.transaction() as connection:
                await connection.execute(_MUCH_MEMORY)
                row = (await connection.execute(_HAVING, {"said": text})).one()
        else:
            async with self._database.connection() as connection:
                given = {"said": text, **bounds._asdict()}
                row = (await connection.execute(_HAVING_WITHIN, given)).one()
        return await self._in_thread(partial(_Having.of, rows, row.serials or b"", row.said))

    async def _now(self) -> _Points:
        """All reports as they are at some time after this was called."""
        begun = self._asked
        async with self._turn:
            if self._points is not None and self._answered > begun:
                # Somebody has asked meanwhile.
                return self._points
            changed = None
            while changed is None:
                points = self._points or await self._loaded()
                self._asked += 1
                async with self._database.connection() as connection:
                    changed, as_of = await _changed(connection, points.as_of)
                if changed is None:
                    self._points = None
                    if self._merging is not None:
                        self._merging.cancel()
            if len(changed["serial"]):
                points = await self._in_thread(partial(points.after, changed, as_of))
            else:
                points = replace(points, as_of=as_of)
            self._points, self._answered = points, self._asked
            if points.is_to_be_merged and self._merging is None:
                self._merging = asyncio.create_task(self._merge(points))
            return points

    async def _loaded(self) -> _Points:
        """All reports, read in one go, which goes on when whoever asked for it has gone."""
        loading = self._loading
        if loading is None or (loading.done() and loading.exception() is not None):
            loading = asyncio.create_task(self._in_thread(partial(_load, self._url)))
            self._loading = loading
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
                # The next to ask is told what has changed since these were.
                self._points, self._answered = made, 0
        finally:
            self._merging = None

    async def _in_thread(self, make: Callable[[], Made]) -> Made:
        return await asyncio.get_running_loop().run_in_executor(self._thread, make)


def _clusters(points: _Points, bounds: Bounds, zoom: int, wanted: _Wanted) -> ReportClusters:
    main, tail = points.main, points.tail
    cells = main.rows.index.cells(bounds, zoom, wanted.mask(main))
    if len(tail):
        cells = merged(cells, tail.rows.index.cells(bounds, zoom, wanted.mask(tail)))
    _check_size(cells, zoom)
    is_in_main = cells.member < len(main)
    serials = np.empty(len(cells), dtype=np.int64)
    serials[is_in_main] = main.rows.columns["serial"][cells.member[is_in_main]]
    serials[~is_in_main] = tail.rows.columns["serial"][cells.member[~is_in_main] - len(main)]
    return ReportClusters(cells, serials)


def _public_clusters(points: _Points, bounds: Bounds, zoom: int, wanted: _Wanted) -> Cells:
    level = FAR_LEVEL if zoom <= zoom_of(FAR_LEVEL) else COARSE_LEVEL
    cells = of_squares(*_fives(points, bounds, wanted, level), level, zoom)
    _check_size(cells, zoom)
    return cells


def _fives(points: _Points, bounds: Bounds, wanted: _Wanted, level: int) -> tuple[Serials, Serials]:
    """Squares of a level in their order, and how many reports the public is told of in each: both
    int64 (k,).

    What came until a moment is rounded down to fives, and of days the two ends of them are told.
    Were the days counted and then rounded, one could find the day of every report, by looking for
    the shortest times that have a five.
    """
    all_days = replace(wanted.filter, since=None)
    squares, counts = _squares(points, bounds, replace(wanted, filter=all_days), level)
    told = counts - counts % LEAST_PUBLIC
    if (since := wanted.filter.since) is not None:
        until = since if all_days.until is None else min(since, all_days.until)
        before = replace(wanted, filter=replace(all_days, until=until))
        known, earlier = _squares(points, bounds, before, level)
        told[np.searchsorted(squares, known)] -= earlier - earlier % LEAST_PUBLIC
    return squares[told > 0], told[told > 0]


def _squares(
    points: _Points, bounds: Bounds, wanted: _Wanted, level: int
) -> tuple[Serials, Serials]:
    """Squares of a level in their order, and how many reports are in each: both int64 (k,)."""
    zoom = zoom_of(level)
    cells, other = (
        part.rows.coarse[level].cells(bounds, zoom, wanted.mask(part))
        for part in (points.main, points.tail)
    )
    cells = merged(cells, other)
    return cells.code, cells.count


def _check_size(cells: Cells, zoom: int) -> None:
    if len(cells) > MOST_CLUSTERS:
        raise TooLarge(
            f"There are {len(cells)} clusters at zoom {zoom}; at most {MOST_CLUSTERS} are told. "
            "Ask for smaller bounds, or for a smaller zoom."
        )


def _public_positions(points: _Points, wanted: _Wanted) -> NDArray[np.float64]:
    squares, counts = _fives(points, wanted.filter.bounds or _WORLD, wanted, COARSE_LEVEL)
    positions = np.repeat(middles(squares, COARSE_LEVEL), counts, axis=0)
    in_order: NDArray[np.float64] = positions[np.lexsort(positions.T[::-1])]
    return in_order


def _within(positions: NDArray[np.float64], bounds: Bounds | None) -> NDArray[np.float64]:
    if bounds is None:
        return positions
    longitudes, latitudes = positions.T
    inside = (longitudes >= bounds.west) & (longitudes <= bounds.east)
    inside &= (latitudes >= bounds.south) & (latitudes <= bounds.north)
    found: NDArray[np.float64] = positions[inside]
    return found


def _positions(points: _Points, wanted: _Wanted) -> NDArray[np.float64]:
    found = []
    for part in (points.main, points.tail):
        everything = slice(0, len(part))
        where = wanted.mask(part)
        rows: Any = everything if where is None else where(everything)
        columns = [part.rows.columns[name][rows] for name in ("serial", "longitude", "latitude")]
        found.append(columns)
    serials, longitudes, latitudes = (np.concatenate(each) for each in zip(*found, strict=True))
    positions = np.column_stack([longitudes, latitudes])[np.argsort(serials)]
    return _within(positions, wanted.filter.bounds)


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
        with explained(), engine.connect() as connection, one_state(connection):
            as_of = str(connection.scalar(text(f"SELECT {STATE_NOW}")))
            columns = _copied(connection)
    finally:
        engine.dispose()
    return _Points.of(columns, as_of)


def _copied(connection: Connection) -> Columns:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    size: int = connection.execute(text("SELECT count(*) FROM reports")).scalar_one()
    columns = {name: np.empty(size, type_.replace(">", "=")) for name, type_, _ in _COLUMNS}
    begin = 0

    def take(data: bytearray, header: int) -> bytearray:
        """Puts the whole rows that there are into the columns; gives what is left."""
        nonlocal begin
        rows = np.frombuffer(data, _COPIED, (len(data) - header) // _COPIED.itemsize, header)
        for name, column in columns.items():
            column[begin : begin + len(rows)] = rows[name]
        begin += len(rows)
        return data[header + rows.nbytes :]

    selected = ", ".join(sql for _, _, sql in _COLUMNS)
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
        **{name: rows[name].astype(type_.replace(">", "=")) for name, type_, _ in _COLUMNS},
        "description": np.array(descriptions, dtype=np.object_),
    }


async def _changed(connection: AsyncConnection, after: str) -> tuple[Columns | None, str]:
    """The rows that have come or changed since a state, and the state now; None if very many."""
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
                {" || ".join(f"{_SENT[type_]}({sql})" for _, type_, sql in _COLUMNS)} AS packed,
                lower(description) AS description
            FROM reports
            WHERE district_code = named.district_code AND id = named.report_id
            LIMIT 1
        ) AS report
    ) AS found
    """
)

# Served by reports_words_idx. Pairs say where their letters are too; of a text of two letters the
# index says all, of a longer one the pairs may stand apart. They come from a subquery, so that the
# planner does not know them: where most reports have them it would read all reports instead, and
# find the words of each, which takes ten times as long as to look for the text.
_HAVING = text(
    """
    SELECT
        lower(CAST(:said AS text)) AS said,
        (
            SELECT string_agg(int8send(serial), '')
            FROM reports
            WHERE gridmap_words(description) @> (
                    SELECT array_agg(word)
                    FROM unnest(gridmap_words(CAST(:said AS text))) AS word
                    WHERE length(word) = least(length(lower(CAST(:said AS text))), 2)
                )
                AND (
                    length(lower(CAST(:said AS text))) <= 2
                    OR strpos(lower(description), lower(CAST(:said AS text))) > 0
                )
        ) AS serials
    """
)
# To know each of ten million reports by itself; else PostgreSQL knows their pages, and finds the
# words of all that is there.
_MUCH_MEMORY = text("SET LOCAL work_mem = '64MB'")

# Served by reports_location_idx.
_HAVING_WITHIN = text(
    f"""
    SELECT
        lower(CAST(:said AS text)) AS said,
        (
            SELECT string_agg(int8send(serial), '')
            FROM reports
            WHERE location && ST_MakeEnvelope(
                    :west, :south, :east, :north, {tables.LONGITUDE_LATITUDE}
                )
                AND strpos(lower(description), lower(CAST(:said AS text))) > 0
        ) AS serials
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


async def _serials_of(connection: AsyncConnection, district_code: str, serial: int) -> Serials:
    """The serial, if a report of the district has it. Served by reports_serial_idx."""
    reports = tables.reports.c
    found = await connection.scalars(
        select(reports.serial).where(
            reports.district_code == district_code, reports.serial == serial
        )
    )
    return np.array(found.all(), dtype=np.int64)


@protected
async def reports_by_serial(
    connection: AsyncConnection, serials: Sequence[int], scope: Scope
) -> list[Report | None]:
    """One for each, in their order; None where it is not in the scope.

    Served by reports_serial_idx.
    """
    wanted = literal(list(serials), ARRAY(BigInteger))
    rows = await connection.execute(
        select(*REPORT_COLUMNS).where(tables.reports.c.serial == any_(wanted), condition(scope))
    )
    found = {row.serial: Report(*row) for row in rows}
    return [found.get(serial) for serial in serials]


def _numbered(hashes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """The distinct hashes, and of each row which it has."""
    distinct, numbers = np.unique(hashes, return_inverse=True)
    return distinct, numbers.astype(np.int32)


def _joined(one: Columns, other: Columns) -> Columns:
    return {name: np.concatenate([one[name], other[name]]) for name in one}


def _in_microseconds(moment: datetime.datetime) -> int:
    return (moment - _EPOCH) // datetime.timedelta(microseconds=1)


_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
