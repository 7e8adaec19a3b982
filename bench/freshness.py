"""Measures how soon answers from memory show what was changed, and what that costs those who ask.

Run with `python -m bench.freshness [GRIDS …]` (1,000, 10,000 and 100,000 by default; of the most,
also without buildings and all in one district). A process of its own follows a private cluster as
the server does, with its event loop, and looks points up all the time, while this one edits. Times
are from the end of COMMIT to the first answer that shows the edit. How late the loop was is told
twice: by the clock, which knows of other programs on the machine too, and by how much of it this
process's other threads were working, which is what can be blamed on the snapshot.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import isawaitable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import shapely
import uvloop
from numpy.typing import NDArray

from bench.polygons import tiling_polygons
from gridmap import migrations
from gridmap.api.memory import share_one_heap
from gridmap.geo.datums import Datum
from gridmap.schema.context import Context
from gridmap.schema.locations import locate
from gridmap.schema.points import PointInput
from gridmap.store.cluster import private_cluster
from gridmap.store.database import Database, tool_engine
from gridmap.store.dates import today
from gridmap.store.follower import Follower

_SIZES = (1_000, 10_000, 100_000)
_VERTICES = 50
_REACH = 30.0
_EDITS = 20
_LOSSES = 3
_SPONSORS = 1_000
_GRIDS_OF_A_COMMUNITY = 100
_COMMUNITIES_OF_A_DISTRICT = 10
_CORNERS = np.array([(-1, -1), (1, -1), (-1, 1), (1, 1)]) * (0.001, 0.00066)
"""Where the buildings of a grid stand, seen from its middle: a fifth of a cell, some 75 m."""


def main() -> None:
    """Print the tables."""
    sizes = [int(argument) for argument in sys.argv[1:]] or list(_SIZES)
    variants = [_Variant(size) for size in sizes]
    variants += [_Variant(max(sizes), buildings=0), _Variant(max(sizes), is_one_district=True)]
    with tempfile.TemporaryDirectory(prefix="gridmap-bench-") as folder:
        Path(folder).chmod(0o755)  # the cluster's user must enter it where this user is root
        with private_cluster(Path(folder) / "cluster") as url:
            for variant in variants:
                with _database(url, variant) as named:
                    measure(named, variant)


@dataclass(frozen=True)
class _Variant:
    grids: int
    buildings: int = 4  # in each
    is_one_district: bool = False

    def __str__(self) -> str:
        buildings = f"{self.grids * self.buildings:,} buildings"
        return f"{self.grids:,} grids, {buildings}{', one district' * self.is_one_district}"

    def community(self, grid: int) -> str:
        if self.is_one_district:
            return "230402001001"
        community = grid // _GRIDS_OF_A_COMMUNITY
        district, community = divmod(community, _COMMUNITIES_OF_A_DISTRICT)
        return f"{230401 + district}001{community + 1:03}"

    def grid(self, grid: int) -> str:
        if self.is_one_district:
            return f"G-{grid:06}"
        return f"{self.community(grid)}{grid % _GRIDS_OF_A_COMMUNITY + 1:03}"

    def building(self, grid: int, corner: int) -> str:
        if self.is_one_district:
            return f"B-{grid:06}-{corner}"
        return f"{self.community(grid)}{grid % _GRIDS_OF_A_COMMUNITY * 4 + corner + 1:05}"

    def middles(self) -> NDArray[np.float64]:
        polygons = tiling_polygons(self.grids, _VERTICES)
        middles: NDArray[np.float64] = shapely.get_coordinates(shapely.centroid(polygons))
        return middles


# What is asked and edited, told to the process that follows


@dataclass(frozen=True)
class _Sight:
    """The codes that an answer for a place shows once an edit is in it, "?" for any."""

    longitude: float
    latitude: float
    grid: str | None = "?"
    building: str | None = "?"
    sponsor: str | None = "?"


@dataclass(frozen=True)
class _Lateness:
    """Of the loop, in ms: at worst and of the 99th percentile by the clock; at worst by work."""

    worst: float
    rare: float
    worked: float

    @classmethod
    def of(cls, ticks: Sequence[tuple[float, float]]) -> _Lateness:
        late, worked = np.array(ticks).T * 1e3
        return cls(late.max(), float(np.percentile(late, 99)), np.minimum(late, worked).max())

    def __str__(self) -> str:
        return f"{self.worst:>10.1f} {self.rare:>10.1f} {self.worked:>10.1f}"


@dataclass(frozen=True)
class _Seen:
    moment: float
    in_memory: float
    """The moment from which memory answered again, or still did."""
    lateness: _Lateness


def measure(url: str, variant: _Variant) -> None:
    """Prints the table of one database."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_follow, args=(url, theirs))
    process.start()
    theirs.close()
    try:
        before = ours.recv()
        seconds, lateness, peak, steady = ours.recv()
        print(f"\n{variant}: the first snapshot in {seconds:.1f} s")
        print(f"MB before {before:,.0f}, at the peak {peak:,.0f}, then {steady:,.0f}")
        print(
            f"{'':<24}{'seen after ms: median':>22} {'worst':>7} {'from memory':>12}   "
            f"{'loop late ms: worst':>19} {'p99':>10} {'by work':>10}"
        )
        print(f"{'first snapshot':<24}{'':>46}{lateness!s:>31}")
        with psycopg.connect(url, autocommit=True) as connection:
            for what, edits in _edits(variant):
                _print(what, [_edit(ours, connection, *each) for each in edits])
            lost = f"{'connection lost':<24}"
            figures = [_lose(ours, connection) for _ in range(_LOSSES)]
            memory = statistics.median(seen.in_memory - seen.moment for seen in figures)
            worst = max((seen.lateness for seen in figures), key=lambda each: each.worked)
            print(f"{lost}{'':>30} {1e3 * memory:>12,.0f}   {worst!s:>31}")
        ours.send(None)
        peak, steady = ours.recv()
        print(f"MB at the peak {peak:,.0f}, at the end {steady:,.0f}")
        sys.stdout.flush()
    finally:
        ours.close()
        process.join()


def _print(what: str, figures: list[tuple[float, float, _Lateness]]) -> None:
    seen = [1e3 * each[0] for each in figures]
    memory = statistics.median(1e3 * each[1] for each in figures)
    late = [each[2] for each in figures]
    worst = _Lateness(
        max(each.worst for each in late),
        statistics.median(each.rare for each in late),
        max(each.worked for each in late),
    )
    print(
        f"{what:<24}{statistics.median(seen):>22,.0f} {max(seen):>7,.0f} {memory:>12,.0f}   "
        f"{worst!s:>31}"
    )
    sys.stdout.flush()


Edit = tuple[str, Sequence[Any], _Sight]


def _edits(variant: _Variant) -> Iterator[tuple[str, Iterator[Edit]]]:
    """Kinds of edits: statement, parameters, and how each is seen."""
    middles = variant.middles()
    random = np.random.default_rng(3)

    def outlines(count: int, times: int) -> Iterator[Edit]:
        """Outlines lose the places of their buildings, and in the next edit have them again."""
        count = min(count, variant.grids)
        for _ in range(times // 2):
            first = int(random.integers(variant.grids - count + 1))
            west, south = (middles[first] + _CORNERS[0]).tolist()
            codes = [variant.grid(number) for number in range(first, first + count)]
            for factor, grid in ((0.2, None), (5.0, variant.grid(first))):
                yield (
                    "UPDATE grids SET boundary = ST_Scale(boundary, ST_Point(%s, %s), "
                    "ST_Centroid(boundary)) WHERE code = ANY(%s)",
                    (factor, factor, codes),
                    _Sight(west, south, grid=grid),
                )

    def buildings() -> Iterator[Edit]:
        """Buildings move to the middles of their grids."""
        for number in random.permutation(variant.grids)[:_EDITS].tolist():
            west, south = middles[number].tolist()
            code = variant.building(number, 0)
            yield (
                "UPDATE buildings SET location = ST_SetSRID(ST_Point(%s, %s), 4326) "
                "WHERE code = %s",
                (west, south, code),
                _Sight(west, south, building=code),
            )

    def sponsorships() -> Iterator[Edit]:
        for number in random.permutation(variant.grids)[:_EDITS].tolist():
            west, south = (middles[number] + _CORNERS[3]).tolist()
            sponsor = f"S{_SPONSORS}"
            yield (
                "UPDATE sponsorships SET sponsor_code = %s WHERE building_code = %s",
                (sponsor, variant.building(number, 3)),
                _Sight(west, south, sponsor=sponsor),
            )

    yield "one outline", outlines(1, _EDITS)
    yield "100 outlines", outlines(100, _EDITS)
    yield "1,000 outlines", outlines(1_000, _EDITS)
    if variant.grids > 10_000:
        yield "10,000 outlines", outlines(10_000, 4)
    if variant.buildings:
        yield "one building", buildings()
        yield "one sponsorship", sponsorships()


def _edit(
    ours: Connection,
    connection: psycopg.Connection,
    statement: str,
    values: Sequence[Any],
    sight: _Sight,
) -> tuple[float, float, _Lateness]:
    ours.send(sight)
    ours.recv()  # it watches
    with connection.transaction():
        connection.execute(statement, values)
    committed = time.perf_counter()
    seen = ours.recv()
    return seen.moment - committed, seen.in_memory - committed, seen.lateness


def _lose(ours: Connection, connection: psycopg.Connection) -> _Seen:
    ours.send("loss")
    ours.recv()
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'gridmap-changes' AND datname = current_database()"
    )
    seen: _Seen = ours.recv()
    return seen


# The process that follows


def _follow(url: str, pipe: Connection) -> None:
    share_one_heap()  # as the command line does
    pipe.send(_memory("VmRSS"))
    uvloop.run(_Watch(url, pipe).run())


class _Watch:
    def __init__(self, url: str, pipe: Connection) -> None:
        self._pipe = pipe
        self._follower = Follower(url, _REACH)
        self._database = Database(url)
        self._ticks: list[tuple[float, float]] = []

    async def run(self) -> None:
        began = time.perf_counter()
        tasks = [asyncio.create_task(self._follower.run()), asyncio.create_task(self._tick())]
        await self._until(lambda: self._follower.snapshot(today()) is not None)
        seconds = time.perf_counter() - began
        await asyncio.sleep(1)  # what is left over is given back in this time
        self._pipe.send((seconds, self._lateness(), _memory("VmHWM"), _memory("VmRSS")))
        while (order := await self._order()) is not None:
            self._ticks.clear()
            self._pipe.send("watching")
            if isinstance(order, _Sight):
                while not await self._sees(order):
                    await asyncio.sleep(0.001)
            else:
                await self._until(lambda: self._follower.snapshot(today()) is None)
            moment = time.perf_counter()
            await self._until(lambda: self._follower.snapshot(today()) is not None)
            in_memory = max(moment, time.perf_counter() - 0.001)
            await asyncio.sleep(0.2)
            self._pipe.send(_Seen(moment, in_memory, self._lateness()))
        self._pipe.send((_memory("VmHWM"), _memory("VmRSS")))
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await self._database.close()

    async def _tick(self) -> None:
        """How late the loop is at each turn of it, with some lookups in each."""
        random = np.random.default_rng(5)
        while True:
            began, worked = time.perf_counter(), time.process_time() - time.thread_time()
            await asyncio.sleep(0.001)
            late = time.perf_counter() - began - 0.001
            self._ticks.append((late, time.process_time() - time.thread_time() - worked))
            snapshot = self._follower.snapshot(today())
            if snapshot is not None:
                for place in random.uniform((130, 47), (130.1, 47.1), (5, 2)).tolist():
                    spot = snapshot.locate(*place)
                    _ = spot.grid, spot.building, spot.sponsor

    async def _sees(self, sight: _Sight) -> bool:
        point = PointInput(
            longitude=sight.longitude, latitude=sight.latitude, datum=Datum.WGS84, accuracy=None
        )
        context = Context(self._database, _REACH, self._follower)
        location = locate(context, point, today())
        found = await location if isawaitable(location) else location
        located = found.located
        return all(
            wanted == "?" or (row and row.code) == wanted
            for row, wanted in (
                (located.grid, sight.grid),
                (located.building, sight.building),
                (located.sponsor, sight.sponsor),
            )
        )

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await asyncio.sleep(0.001)

    async def _order(self) -> Any:
        return await asyncio.get_running_loop().run_in_executor(None, self._pipe.recv)

    def _lateness(self) -> _Lateness:
        return _Lateness.of(self._ticks)


def _memory(line: str) -> float:
    """In MB, of this process only."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{line}:")[2].split()[0]) / 1024


# What is kept


@contextmanager
def _database(url: str, variant: _Variant) -> Iterator[str]:
    name = "bench"
    named = url.replace("/gridmap?", f"/{name}?")
    postgres = url.replace("/gridmap?", "/postgres?")
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        fill(named, variant)
        connection.execute("CHECKPOINT")
        try:
            yield named
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def fill(url: str, variant: _Variant) -> None:
    """Puts everything into a new database."""
    engine = tool_engine(url)
    with engine.begin() as connection:
        migrations.upgrade(connection)
    engine.dispose()
    middles = variant.middles()
    communities = sorted({variant.community(number) for number in range(variant.grids)})
    with psycopg.connect(url) as connection:
        # Nobody listens yet, and what is here is known to be right.
        connection.execute("SET session_replication_role = replica")
        _copy(
            connection,
            "regions (code, name, level, district_code)",
            ((code, code, "COMMUNITY", code[:6]) for code in communities),
        )
        _copy(
            connection,
            "grids (district_code, code, community_code, name, boundary, source_datum, valid_from)",
            (
                (
                    variant.community(number)[:6],
                    variant.grid(number),
                    variant.community(number),
                    f"第{number}网格",
                    outline,
                    "WGS84",
                    "2024-01-01",
                )
                for number, outline in enumerate(_outlines(variant.grids))
            ),
        )
        _copy(
            connection,
            "sponsors (code, name, level, region_code)",
            ((f"S{i}", f"单位{i}", "CITY", communities[0]) for i in range(1, _SPONSORS + 1)),
        )
        places = [
            (number, corner, *(middles[number] + _CORNERS[corner]).tolist())
            for number in range(variant.grids)
            for corner in range(variant.buildings)
        ]
        _copy(
            connection,
            "buildings (district_code, code, community_code, name, households, location, "
            "source_datum, source_longitude, source_latitude)",
            (
                (
                    variant.community(number)[:6],
                    variant.building(number, corner),
                    variant.community(number),
                    f"{corner}号楼",
                    30,
                    f"SRID=4326;POINT({longitude} {latitude})",
                    "WGS84",
                    longitude,
                    latitude,
                )
                for number, corner, longitude, latitude in places
            ),
        )
        _copy(
            connection,
            "sponsorships (district_code, sponsor_code, building_code, valid_from)",
            (
                (
                    variant.community(number)[:6],
                    f"S{number % (_SPONSORS - 1) + 1}",
                    variant.building(number, corner),
                    "2024-01-01",
                )
                for number, corner, *_ in places
            ),
        )
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE")


def _outlines(count: int) -> Iterator[str]:
    polygons = tiling_polygons(count, _VERTICES)
    for start in range(0, count, 1_000):
        outlines = shapely.multipolygons(polygons[start : start + 1_000, None])
        yield from shapely.to_wkb(shapely.set_srid(outlines, 4326), hex=True, include_srid=True)


def _copy(connection: psycopg.Connection, what: str, rows: Iterator[Sequence[Any]]) -> None:
    with connection.cursor() as cursor, cursor.copy(f"COPY {what} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


if __name__ == "__main__":
    main()
