"""Where all reports are, in memory, so that a map of a million of them is merged in milliseconds.

Before each answer it is asked what has happened since, by the same condition that the subscriptions
use, so that an answer is never older than the question.

Whoever answers for places has a map of the reports there, exactly. The public has one of squares of
about 100 m, or 800 m from afar, of the same columns in the same order, since the squares are
stretches of the curve. A square's reports are told in fives, each as if its five had come when the
fifth did. All that the public is told, of any zoom, days and box, is made of these fives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ARRAY, BigInteger, any_, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.errors import TooLarge
from gridmap.geo.bounds import Bounds
from gridmap.geo.clusters import (
    COARSE_LEVEL,
    FAR_LEVEL,
    Cells,
    merged,
    middles,
    of_squares,
    zoom_of,
)
from gridmap.store import tables
from gridmap.store.database import Database, protected
from gridmap.store.report_columns import Points, Rows, Serials, changed_since, load
from gridmap.store.report_masks import Having, Texts, Wanted, codes_of, look, numbers_of, serials_of
from gridmap.store.reports import REPORT_COLUMNS, Report, ReportFilter
from gridmap.store.scopes import Scope, condition

Made = TypeVar("Made")

MOST_CLUSTERS = 10_000
LEAST_PUBLIC = 5
"""As many reports are told together to the public, or none: a square's are told in fives."""

_WORLD = Bounds(-180.0, -90.0, 180.0, 90.0)
_MOST_CODES = 100_000


class ReportClusters(NamedTuple):
    """Clusters of a zoom. `serials`: int64 (k,), of a report in each: of those of one alone, it."""

    cells: Cells
    serials: Serials


class ReportPoints:
    """One for a process. Everything is read when it is first asked for."""

    def __init__(self, database: Database, url: str) -> None:
        self._database = database
        self._url = url
        self._points: Points | None = None
        self._loading: asyncio.Task[Points] | None = None
        self._merging: asyncio.Task[None] | None = None
        # How often it was asked what has changed, and the last of these that `_points` answers.
        self._asked = 0
        self._answered = 0
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(2, "points")
        self._codes: dict[str, int] = {}
        self._texts: Texts | None = None

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
        merge: Callable[[Points, Bounds, int, Wanted], Made],
    ) -> Made:
        if wanted.bounds is not None:
            bounds = _both(bounds, wanted.bounds)
        points, numbers = await self._asked_for(wanted, bounds)
        return await self._in_thread(partial(merge, points, bounds, zoom, numbers))

    async def _asked_for(
        self, wanted: ReportFilter, bounds: Bounds | None
    ) -> tuple[Points, Wanted]:
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

    async def _numbers(self, wanted: ReportFilter) -> Wanted:
        codes = codes_of(wanted)
        known = self._codes
        if not known.keys() >= codes:
            # They come from clients, and there may be any.
            known = self._codes if len(self._codes) < _MOST_CODES else {}
            async with self._database.connection() as connection:
                self._codes = known = known | await numbers_of(connection, sorted(codes))
        if wanted.serial is None:
            return Wanted(wanted, known)
        async with self._database.connection() as connection:
            return Wanted(wanted, known, await serials_of(connection, *wanted.serial))

    def _texts_of(self, rows: Rows) -> Texts:
        if self._texts is None or self._texts.rows is not rows:
            self._texts = Texts(rows, self._look)
        return self._texts

    async def _look(self, rows: Rows, text: str, bounds: Bounds | None) -> Having:
        serials, said = await look(self._database, text, bounds)
        return await self._in_thread(partial(Having.of, rows, serials, said))

    async def _now(self) -> Points:
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
                    changed, as_of = await changed_since(connection, points.as_of)
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

    async def _loaded(self) -> Points:
        """All reports, read in one go, which goes on when whoever asked for it has gone."""
        loading = self._loading
        if loading is None or (loading.done() and loading.exception() is not None):
            loading = asyncio.create_task(self._in_thread(partial(load, self._url)))
            self._loading = loading
        try:
            return await asyncio.shield(loading)
        finally:
            if loading.done():
                self._loading = None

    async def _merge(self, points: Points) -> None:
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


def _clusters(points: Points, bounds: Bounds, zoom: int, wanted: Wanted) -> ReportClusters:
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


def _public_clusters(points: Points, bounds: Bounds, zoom: int, wanted: Wanted) -> Cells:
    level = FAR_LEVEL if zoom <= zoom_of(FAR_LEVEL) else COARSE_LEVEL
    cells = of_squares(*_fives(points, bounds, wanted, level), level, zoom)
    _check_size(cells, zoom)
    return cells


def _fives(points: Points, bounds: Bounds, wanted: Wanted, level: int) -> tuple[Serials, Serials]:
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


def _squares(points: Points, bounds: Bounds, wanted: Wanted, level: int) -> tuple[Serials, Serials]:
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


def _public_positions(points: Points, wanted: Wanted) -> NDArray[np.float64]:
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


def _positions(points: Points, wanted: Wanted) -> NDArray[np.float64]:
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
