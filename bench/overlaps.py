"""Measures the search for overlaps beside the plain way: a tree of bounds, then every pair.

Run with `python -m bench.overlaps`. Both get the same tiling polygons of 50 vertices in the same
process, by turns; each figure is the median of three runs.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import shapely
from numpy.typing import NDArray

from bench.polygons import tiling_polygons
from gridmap.geo.overlaps import OverlapFinder

_RUNS = 3
_SIZES = (10_000, 100_000)


def main() -> None:
    """Print the table."""
    print(f"{'polygons':>9}  {'way':<30} {'wall s':>7} {'core s':>7}")
    for size in _SIZES:
        polygons = tiling_polygons(size, 50)
        ways: dict[str, Callable[[NDArray[np.object_]], int]] = {
            "OverlapFinder": _ours,
            "STRtree and relate_pattern": _plain,
        }
        taken: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        for _ in range(_RUNS):
            for way, find in ways.items():
                wall, core = time.perf_counter(), time.process_time()
                found = find(polygons)
                taken[way].append((time.perf_counter() - wall, time.process_time() - core))
                if found:
                    raise AssertionError(f"{way} found {found} overlaps in a clean tiling.")
        for way, runs in taken.items():
            walls, cores = zip(*runs, strict=True)
            print(
                f"{size:>9,}  {way:<30} "
                f"{statistics.median(walls):>7.2f} {statistics.median(cores):>7.2f}"
            )


def _ours(polygons: NDArray[np.object_]) -> int:
    with OverlapFinder() as finder:
        for start in range(0, len(polygons), 5_000):
            batch = polygons[start : start + 5_000]
            finder.add(batch, np.arange(start, start + len(batch)))
        return sum(1 for _ in finder.overlaps())


def _plain(polygons: NDArray[np.object_]) -> int:
    first, second = shapely.STRtree(polygons).query(polygons)
    ahead = first < second
    pairs = polygons[first[ahead]], polygons[second[ahead]]
    return int(shapely.relate_pattern(*pairs, "T********").sum())


if __name__ == "__main__":
    main()
