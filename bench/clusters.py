"""Measures the index of clusters, with a filter and without, beside npm's supercluster.

Run with `python -m bench.clusters`. Both get the same million reports of a province and the same
views of it in one run: of a phone and of a wall of screens, from the whole world down to a street,
each around a report. Figures are CPU time of the process, second time round; "ours ×" is our time,
without a filter, over supercluster's.

The two do not promise the same. supercluster decides when it loads what is clustered with what, so
that it only has to look up who is in a view; its counts are those of whole clusters, whatever part
of them a view holds, and another filter is another load, which is told below the table.
"""

from __future__ import annotations

import json
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.reports import report_points
from gridmap.geo.bounds import Bounds
from gridmap.geo.clusters import Cells, ClusterIndex
from tests.api.node_packages import install, run

Where = Callable[[slice], NDArray[np.bool_]]

_COUNT = 1_000_000
_SCREENS = {"phone": (390, 844), "wall": (3840, 2160)}
_ZOOMS = range(3, 19)
_VIEWS = 100
_BUILDS = 3
_SUPERCLUSTER = Path(__file__).parent / "supercluster"


def main() -> None:
    """Print the tables."""
    points = report_points(_COUNT)
    random = np.random.default_rng(2)
    ids = random.integers(0, 1 << 64, _COUNT, dtype=np.uint64)
    build, index = _made(points, ids)
    states = random.choice(4, _COUNT, p=(0.5, 0.3, 0.15, 0.05)).astype(np.uint8)
    along = states[index.order]
    views = {
        (screen, zoom): [
            view(longitude, latitude, zoom, *_SCREENS[screen])
            for longitude, latitude in points[random.integers(0, _COUNT, _VIEWS)].tolist()
        ]
        for screen in _SCREENS
        for zoom in _ZOOMS
    }
    loaded, theirs = supercluster(points, views)
    loaded_some, _ = supercluster(points[states == 1], {})

    print(
        f"{'screen':<6} {'zoom':>4} {'reports':>9} {'clusters':>8} {'p50 ms':>7} {'p99':>6} "
        f"{'of 3 in 10: p50':>16} {'p99':>6} {'supercluster: clusters':>23} {'p50 µs':>7} "
        f"{'p99':>6} {'ours ×':>7} {'p99':>5}"
    )
    for (screen, zoom), boxes in views.items():
        whole, answers = _asked(index, boxes, zoom, None)
        some, _ = _asked(index, boxes, zoom, lambda stretch: along[stretch] == 1)
        seconds, clusters = np.array(theirs[screen, zoom]).T
        beside = np.percentile(seconds, (50, 99)) * 1e3
        ratios = whole / beside
        print(
            f"{screen:<6} {zoom:>4} {_median([cells.count.sum() for cells in answers]):>9,} "
            f"{_median([len(cells) for cells in answers]):>8,} {whole[0]:>7.2f} {whole[1]:>6.2f} "
            f"{some[0]:>16.2f} {some[1]:>6.2f} {_median(clusters):>23,} {beside[0] * 1e3:>7.0f} "
            f"{beside[1] * 1e3:>6.0f} {ratios[0]:>7.1f} {ratios[1]:>5.1f}"
        )
    print(
        f"\nMade in {build:.2f} s; supercluster loaded in {loaded:.2f} s (× {loaded / build:.1f}), "
        f"the 3 in 10 alone in {loaded_some:.2f} s."
    )


def view(longitude: float, latitude: float, zoom: int, width: int, height: int) -> Bounds:
    """What a map of 512-pixel tiles shows around a place on so many pixels, within the world."""
    world = 512 * 2.0**zoom
    middle = math.asinh(math.tan(math.radians(latitude)))
    south, north = (
        math.degrees(math.atan(math.sinh(middle + side * math.pi * height / world)))
        for side in (-1, 1)
    )
    half = 180 * width / world
    return Bounds(max(longitude - half, -180.0), south, min(longitude + half, 180.0), north)


def _asked(
    index: ClusterIndex, boxes: list[Bounds], zoom: int, where: Where | None
) -> tuple[NDArray[np.float64], list[Cells]]:
    """Median and 99th percentile in milliseconds, and the answers."""
    taken, answers = [], []
    for box in boxes:
        index.cells(box, zoom, where)
    for box in boxes:
        began = time.process_time()
        answers.append(index.cells(box, zoom, where))
        taken.append(time.process_time() - began)
    return np.percentile(taken, (50, 99)) * 1e3, answers


def _made(points: NDArray[np.float64], ids: NDArray[np.uint64]) -> tuple[float, ClusterIndex]:
    """Median seconds of making the index, and the index."""
    taken = []
    for _ in range(_BUILDS):
        began = time.process_time()
        index = ClusterIndex(points, ids)
        taken.append(time.process_time() - began)
    return statistics.median(taken), index


def _median(numbers: Sequence[int] | NDArray[np.float64]) -> int:
    return int(np.median(numbers))


def supercluster(
    points: NDArray[np.float64], views: dict[tuple[str, int], list[Bounds]]
) -> tuple[float, dict[tuple[str, int], list[tuple[float, int]]]]:
    """Seconds that supercluster takes to load the points; and of each view the seconds and how many
    clusters it finds."""
    install(_SUPERCLUSTER)
    with tempfile.TemporaryDirectory(prefix="gridmap-bench-") as folder:
        data, questions = Path(folder) / "points", Path(folder) / "views.json"
        points.tofile(data)
        asked = [(box, zoom) for (_, zoom), boxes in views.items() for box in boxes]
        questions.write_text(json.dumps(asked))
        told = json.loads(run(_SUPERCLUSTER / "clusters.mjs", str(data), str(questions)))
    each = zip(told["seconds"], told["clusters"], strict=True)
    return told["load"], {which: [next(each) for _ in boxes] for which, boxes in views.items()}


if __name__ == "__main__":
    main()
