"""Measures the coverage of a region by its grids beside PostGIS and shapely.

Run with `python -m bench.coverage`. All get the same tiling polygons of 20 vertices and the same
outline, in one run and by turns; each figure is the median of several runs.

- *clean*: the grids tile the region.
- *spoilt*: of a hundred grids two are left out, two are moved by some metres and two are given
  twice, so that there are gaps, overlaps, and both as slivers.

PostGIS finds the gaps alone, by `ST_Difference(region, ST_Union(grids))`, and what it takes to send
them is not counted; nor does shapely's `coverage_union_all` find overlaps, and where there are some
its answer is wrong: there `union_all` stands beside it.
"""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import shapely
from numpy.typing import NDArray

from bench.polygons import tiling_polygons
from gridmap.geo.areas import areas_m2
from gridmap.geo.coverage import coverage
from gridmap.store.cluster import private_cluster

Geometries = NDArray[np.object_]

_SIZES = (92, 1_000, 10_000)
_VERTICES = 20
_RUNS = 7
_GAPS = """
    SELECT ST_AsBinary(ST_Difference(region, united))
    FROM region, (SELECT ST_Union(grid) AS united FROM grids) AS grids
"""


def main() -> None:
    """Print the table."""
    print(
        f"{'grids':>6} {'':<6} {'gaps':>5} {'overlaps':>8} {'slivers':>7} {'p50 ms':>7} {'max':>6} "
        f"{'/ n log n':>9} {'ST_Union ms':>11} {'×':>5} {'coverage_union ms':>17} "
        f"{'union_all ms':>12} {'×':>5} {'off by':>8}"
    )
    with tempfile.TemporaryDirectory(prefix="gridmap-bench-") as folder:
        Path(folder).chmod(0o755)  # the cluster's user must enter it where this user is root
        with (
            private_cluster(Path(folder) / "cluster", durable=False) as url,
            psycopg.connect(url, autocommit=True) as connection,
        ):
            connection.execute("CREATE EXTENSION IF NOT EXISTS postgis")
            for spoilt in (False, True):
                first = 0.0
                for size in _SIZES:
                    growth = _compare(connection, size, spoilt, first)
                    first = first or growth


def _compare(connection: psycopg.Connection, size: int, spoilt: bool, first: float) -> float:
    """Prints one line, and gives the time over n log n."""
    grids = tiling_polygons(size, _VERTICES)
    region = shapely.coverage_union_all(grids)
    if spoilt:
        grids = _spoilt(grids)
    _load(connection, region, grids)
    ways: dict[str, Callable[[], Any]] = {
        "ours": lambda: coverage(region, grids),
        "postgis": lambda: connection.execute(_GAPS).fetchone(),
        "clean": lambda: shapely.difference(region, shapely.coverage_union_all(grids)),
        "any": lambda: shapely.difference(region, shapely.union_all(grids)),
    }
    if spoilt:
        del ways["clean"]
    taken: dict[str, list[float]] = {way: [] for way in ways}
    answers = {}
    for _ in range(_RUNS):
        for way, ask in ways.items():
            began = time.perf_counter()
            answers[way] = ask()
            taken[way].append(1e3 * (time.perf_counter() - began))
    found = answers["ours"]
    gaps = areas_m2([shapely.from_wkb(bytes(answers["postgis"][0])), answers["any"]])
    # Where nothing is open, PostGIS and shapely leave what their unions round.
    if not np.allclose(gaps, found.gaps.area_m2, rtol=1e-9, atol=1e-9 * found.region_area_m2):
        raise AssertionError(f"Gaps of {found.gaps.area_m2} m², but {gaps} by other ways.")
    off = (found.gaps.area_m2 + found.covered_area_m2) / found.region_area_m2 - 1
    half = {way: statistics.median(runs) for way, runs in taken.items()}
    growth = half["ours"] / (size * math.log(size))
    clean = f"{half['clean']:.0f}" if "clean" in half else "–"
    print(
        f"{size:>6,} {'spoilt' if spoilt else 'clean':<6} {len(found.gaps.polygons):>5,} "
        f"{len(found.overlaps.polygons):>8,} {found.gaps.slivers + found.overlaps.slivers:>7,} "
        f"{half['ours']:>7.1f} {max(taken['ours']):>6.0f} {growth / (first or growth):>9.2f} "
        f"{half['postgis']:>11,.0f} {half['postgis'] / half['ours']:>5.1f} {clean:>17} "
        f"{half['any']:>12,.0f} {half['any'] / half['ours']:>5.1f} {abs(off):>8.0e}"
    )
    return growth


def _spoilt(grids: Geometries) -> Geometries:
    random = np.random.default_rng(1)
    fate = random.permutation(len(grids)) * 100 // len(grids)
    moved = grids[(fate >= 2) & (fate < 4)]
    twice = grids[(fate >= 4) & (fate < 6)]
    # Some seven metres to the east and a decimetre to the north.
    moved = shapely.transform(moved, lambda at: at + np.array([1e-4, 1e-6]))
    spoilt: Geometries = np.concatenate([grids[fate >= 4], moved, twice])
    return spoilt


def _load(connection: psycopg.Connection, region: Any, grids: Geometries) -> None:
    connection.execute("DROP TABLE IF EXISTS grids, region")
    connection.execute("CREATE TABLE grids (grid geometry)")
    connection.execute("CREATE TABLE region (region geometry)")
    connection.execute(
        "INSERT INTO grids SELECT ST_GeomFromWKB(wkb) FROM unnest(%s::bytea[]) AS given (wkb)",
        (shapely.to_wkb(grids).tolist(),),
    )
    connection.execute("INSERT INTO region VALUES (ST_GeomFromWKB(%s))", (region.wkb,))
    connection.execute("VACUUM ANALYZE grids")


if __name__ == "__main__":
    main()
