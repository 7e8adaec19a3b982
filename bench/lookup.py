"""Measures the point index beside a tree of bounds (shapely.STRtree) and PostGIS.

Run with `python -m bench.lookup`. All get the same tiling polygons of 50 vertices and the same
points in one run, and must give the same answers. Each figure is the median of several runs. Builds
run in a process of their own, so that the peak of their memory is their own; while one index is
made and then changed in a thread, an event loop beside it says how late it was at worst.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import psycopg
import shapely
from numpy.typing import NDArray

from bench.polygons import tiling_polygons
from gridmap.geo.index import PointIndex
from gridmap.store.cluster import private_cluster

Geometries = NDArray[np.object_]
Points = NDArray[np.float64]

_RUNS = 3
_VERTICES = 50
_SIZES = (92, 100_000)
_BUILDS = (1_000, 10_000, 100_000)
_POINTS = 1_000_000
_COVERS = "ST_Covers(boundary, point)"
_EXACTLY = f"{_COVERS} AND (ST_Contains(boundary, point) OR NOT ST_Disjoint(boundary, point))"


def main() -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory(prefix="gridmap-bench-") as folder:
        Path(folder).chmod(0o755)  # the cluster's user must enter it where this user is root
        _builds(Path(folder))
        with (
            private_cluster(Path(folder) / "cluster", durable=False) as url,
            psycopg.connect(url) as connection,
        ):
            connection.execute("CREATE EXTENSION IF NOT EXISTS postgis")
            for size in _SIZES:
                _lookups(connection, size)


# Lookups


def _lookups(connection: psycopg.Connection, size: int) -> None:
    polygons = tiling_polygons(size, _VERTICES)
    random = np.random.default_rng(1)
    west, south, east, north = shapely.total_bounds(polygons)
    points = random.uniform((west, south), (east, north), (_POINTS, 2))
    index, tree = PointIndex(polygons), shapely.STRtree(polygons)
    _load(connection, polygons, points)

    def by_tree(longitude: float, latitude: float) -> int:
        found = tree.query(shapely.Point(longitude, latitude), predicate="intersects")
        return int(found.min(initial=size)) if len(found) else -1

    statement = (
        "SELECT position FROM grids, ST_Point(%s, %s) AS point "
        f"WHERE {_COVERS} ORDER BY position LIMIT 1"
    )

    def by_statement(longitude: float, latitude: float) -> int:
        row = connection.execute(statement, (longitude, latitude), prepare=True).fetchone()
        return row[0] if row else -1

    print(f"\nOne point among {size:,} grids\n{'way':<40} {'median µs':>10} {'p99 µs':>8} {'×':>8}")
    expected = index.locate_many(points[:100_000])
    base = 0.0
    for way, locate, count in (
        ("PointIndex.locate", index.locate, 100_000),
        ("STRtree.query", by_tree, 20_000),
        ("PostGIS, prepared, through psycopg", by_statement, 2_000),
    ):
        runs = [_each(locate, points[:count], expected[:count]) for _ in range(_RUNS)]
        median, rare = (statistics.median(figures) for figures in zip(*runs, strict=True))
        base = base or median
        print(f"{way:<40} {median:>10.2f} {rare:>8.2f} {median / base:>8.0f}")

    def by_join(predicate: str) -> Callable[[], NDArray[np.int64]]:
        def join() -> NDArray[np.int64]:
            rows = connection.execute(
                "SELECT ordinal, min(position) FROM points JOIN grids "
                f"ON {predicate} GROUP BY ordinal"
            ).fetchall()
            found = np.full(_POINTS, -1)
            ordinals, positions = np.array(rows).T
            found[ordinals - 1] = positions
            return found

        return join

    def by_whole_tree() -> NDArray[np.int64]:
        found = np.full(_POINTS, size)
        point, polygon = tree.query(shapely.points(points), predicate="intersects")
        np.minimum.at(found, point, polygon)
        return np.where(found == size, -1, found)

    print(f"\n{_POINTS:,} points among {size:,} grids\n{'way':<40} {'seconds':>10} {'×':>8}")
    everyone = index.locate_many(points)
    base = 0.0
    ways: list[tuple[str, Callable[[], NDArray[np.integer]], int]] = [
        ("PointIndex.locate_many", lambda: index.locate_many(points), 5),
        ("STRtree.query", by_whole_tree, 1),
        ("PostGIS join, ST_Covers", by_join(_COVERS), 1),
        ("PostGIS join, exact on borders", by_join(_EXACTLY), 1),
    ]
    for way, answer, times in ways:
        seconds = statistics.median(_timed(answer, everyone) for _ in range(times))
        base = base or seconds
        print(f"{way:<40} {seconds:>10.3f} {seconds / base:>8.0f}")


def _each(
    locate: Callable[[float, float], int], points: Points, expected: NDArray[np.int32]
) -> tuple[float, float]:
    """Median and 99th percentile of microseconds, less those that the clock takes."""
    clock = time.perf_counter_ns
    pairs = points.tolist()
    taken, found, nothing = [], [], []
    for longitude, latitude in pairs:
        began = clock()
        position = locate(longitude, latitude)
        taken.append(clock() - began)
        found.append(position)
    for _ in pairs:
        began = clock()
        nothing.append(clock() - began)
    if found != expected.tolist():
        raise AssertionError("Two ways gave different answers.")
    figures = np.percentile(taken, (50, 99)) - np.median(nothing)
    return float(figures[0]) / 1e3, float(figures[1]) / 1e3


def _timed(answer: Callable[[], NDArray[np.integer]], expected: NDArray[np.int32]) -> float:
    began = time.perf_counter()
    found = answer()
    seconds = time.perf_counter() - began
    if (found != expected).any():
        raise AssertionError("Two ways gave different answers.")
    return seconds


def _load(connection: psycopg.Connection, polygons: Geometries, points: Points) -> None:
    connection.execute("DROP TABLE IF EXISTS grids, points")
    connection.execute("CREATE TABLE grids (position int, boundary geometry)")
    connection.execute("CREATE TABLE points (ordinal int, point geometry)")
    with connection.cursor().copy("COPY grids FROM STDIN") as copy:
        for row in enumerate(shapely.to_wkb(polygons, hex=True)):
            copy.write_row(row)
    connection.execute(
        "INSERT INTO points SELECT ordinal, ST_Point(longitude, latitude) "
        "FROM unnest(%s::float8[], %s::float8[]) "
        "WITH ORDINALITY AS given (longitude, latitude, ordinal)",
        (points[:, 0].tolist(), points[:, 1].tolist()),
    )
    connection.execute("CREATE INDEX ON grids USING gist (boundary)")
    connection.commit()
    connection.autocommit = True
    connection.execute("VACUUM ANALYZE grids, points")
    connection.autocommit = False


# Making and changing


def _builds(folder: Path) -> None:
    print(
        f"{'grids':>9} {'make s':>8} {'a second':>9} {'MB before':>10} {'MB peak':>8} "
        f"{'change ms':>10} {'loop late ms: making':>21} {'changing':>9}"
    )
    for size in _BUILDS:
        path = folder / f"{size}.wkb"
        with path.open("wb") as file:
            file.writelines(shapely.to_wkb(tiling_polygons(size, _VERTICES)))
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as child:
            runs = [child.submit(_build, path, size).result()]
        for _ in range(_RUNS - 1):
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as child:
                runs.append(child.submit(_build, path, size).result())
        make, before, peak, change, late_making, late_changing = (
            statistics.median(figures) for figures in zip(*runs, strict=True)
        )
        print(
            f"{size:>9,} {make:>8.2f} {size / make:>9,.0f} {before:>10.0f} {peak:>8.0f} "
            f"{change:>10.1f} {late_making:>21.1f} {late_changing:>9.1f}"
        )


def _build(path: Path, size: int) -> tuple[float, float, float, float, float, float]:
    polygons = np.empty(size, dtype=object)
    whole = np.memmap(path, dtype=np.dtype((np.void, path.stat().st_size // size)))
    for start in range(0, size, 5_000):
        part = slice(start, start + 5_000)
        polygons[part] = shapely.from_wkb(whole[part].tolist())
    del whole
    before = _memory("VmRSS")
    began = time.perf_counter()
    index = PointIndex(polygons)
    make = time.perf_counter() - began
    peak = _memory("VmHWM")

    changes: list[float] = []

    def change() -> None:
        for i in np.random.default_rng(1).integers(0, size, 100).tolist():
            moved = shapely.transform(polygons[i], lambda corners: corners + 1e-4)
            began = time.perf_counter()
            index.replaced([i], [moved])
            changes.append(1e3 * (time.perf_counter() - began))

    change()
    changed = statistics.median(changes)
    return make, before, peak, changed, _late(lambda: PointIndex(polygons)), _late(change)


def _late(work: Callable[[], object]) -> float:
    """By how many milliseconds at worst an event loop was late while a thread did some work."""

    async def watch() -> float:
        thread = threading.Thread(target=work)
        thread.start()
        worst = 0.0
        while thread.is_alive():
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            worst = max(worst, time.perf_counter() - began - 0.001)
        return worst

    return 1e3 * asyncio.run(watch())


def _memory(line: str) -> float:
    """In MB, of this process only."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{line}:")[2].split()[0]) / 1024


if __name__ == "__main__":
    main()
