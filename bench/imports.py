"""Measures the import of grids from end to end: a file with a clean tiling into an empty database.

Run with `python -m bench.imports [POLYGONS …]` (10,000, 100,000 and 300,000 by default). Every
import runs in a process of its own, so that the peak of its memory is its own, on a durable private
cluster of this machine (fsync and all). Each figure is the median of three runs.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import psycopg
import pyogrio.raw
import shapely
from sqlalchemy import text

from bench.polygons import tiling_polygons
from gridmap import migrations
from gridmap.api.memory import share_one_heap
from gridmap.geo.checks import GeometryKind
from gridmap.geo.datums import Datum
from gridmap.geo.writing import Features, write_features
from gridmap.store.cluster import private_cluster
from gridmap.store.database import tool_engine
from gridmap.store.imports import ImportOptions, Noun, Progress, import_file

_RUNS = 3
_SIZES = (10_000, 100_000, 300_000)
_VERTICES = 50
_FORMATS = ("fgb", "geojson")
_STAGES = ("reading", "checking", "writing", "finishing the checks", "committing")
_GRIDS_OF_A_COMMUNITY = 999
_COMMUNITIES_OF_A_DISTRICT = 10


def main() -> None:
    """Print the table."""
    sizes = [int(argument) for argument in sys.argv[1:]] or list(_SIZES)
    with tempfile.TemporaryDirectory(prefix="gridmap-bench-") as folder:
        Path(folder).chmod(0o755)  # the cluster's user must enter it where this user is root
        with private_cluster(Path(folder) / "cluster") as url:
            _prepare(url, max(sizes))
            print(
                f"{'polygons':>9}  {'format':<8} {'seconds':>8} {'a second':>9}  "
                + " ".join(f"{stage.split()[0]:>10}" for stage in _STAGES)
                + f" {'peak MB':>8}"
            )
            for size in sizes:
                for ending in _FORMATS:
                    path = Path(folder) / f"grids.{ending}"
                    _write(path, size)
                    runs = [_measure(url, path) for _ in range(_RUNS)]
                    _print(size, ending, runs)
                    path.unlink()


def _print(size: int, ending: str, runs: list[tuple[dict[str, float], float]]) -> None:
    totals = [sum(stages.values()) for stages, _ in runs]
    seconds = statistics.median(totals)
    stages = " ".join(
        f"{statistics.median(stages[stage] for stages, _ in runs):>10.2f}" for stage in _STAGES
    )
    peak = statistics.median(peak for _, peak in runs)
    print(
        f"{size:>9,}  {ending:<8} {seconds:>8.2f} {size / seconds:>9,.0f}  {stages} {peak:>8,.0f}"
    )
    sys.stdout.flush()


_numbers = count(1)


def _measure(url: str, path: Path) -> tuple[dict[str, float], float]:
    """Seconds of each stage and the peak of memory in MB, of one import into a new database."""
    name = f"bench_{next(_numbers)}"
    _administer(url, f"CREATE DATABASE {name} TEMPLATE bench_template")
    _administer(url, "CHECKPOINT")
    try:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as child:
            return child.submit(_import, _named(url, name), path).result()
    finally:
        _administer(url, f"DROP DATABASE {name} WITH (FORCE)")


def _import(url: str, path: Path) -> tuple[dict[str, float], float]:
    share_one_heap()  # as the command line does
    began: dict[str, float] = {}

    def report(progress: Progress) -> None:
        began.setdefault(progress.stage, time.perf_counter())

    began["reading"] = time.perf_counter()
    summary = import_file(
        tool_engine(url), Noun.GRIDS, path, ImportOptions(datum=Datum.WGS84), report
    )
    ended = time.perf_counter()
    if not summary.written or summary.problems:
        raise AssertionError(f"The import went wrong: {summary.problems[:3]}")
    moments = [*began.values(), ended]
    stages = {
        stage: after - before
        for stage, before, after in zip(began, moments, moments[1:], strict=False)
    }
    return stages, _peak_of_memory()


def _peak_of_memory() -> float:
    """In MB, of this program only: what getrusage says includes the process that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _write(path: Path, size: int) -> None:
    polygons = tiling_polygons(size, _VERTICES)
    codes = [
        f"{_community(number)}{number % _GRIDS_OF_A_COMMUNITY + 1:03}" for number in range(size)
    ]
    names = [f"第{number}网格" for number in range(size)]
    if path.suffix == ".geojson":
        features = Features({"code": codes, "name": names}, polygons)
        write_features(
            path,
            [features],
            columns={"code": str, "name": str},
            geometry=GeometryKind.POLYGON,
        )
    else:
        pyogrio.raw.write(
            path,
            shapely.to_wkb(polygons),
            [np.array(codes, dtype=object), np.array(names, dtype=object)],
            ["code", "name"],
            geometry_type="Polygon",
            crs="EPSG:4326",
            driver="FlatGeobuf",
            SPATIAL_INDEX="NO",
        )


def _prepare(url: str, size: int) -> None:
    """A template database with the communities of so many grids."""
    _administer(url, "CREATE DATABASE bench_template")
    engine = tool_engine(_named(url, "bench_template"))
    communities = [
        _community(number)
        for number in range(0, size + _GRIDS_OF_A_COMMUNITY, _GRIDS_OF_A_COMMUNITY)
    ]
    with engine.begin() as connection:
        migrations.upgrade(connection)
        connection.execute(
            text(
                "INSERT INTO regions (code, name, level, district_code) "
                "SELECT code, code, 'COMMUNITY', left(code, 6) "
                "FROM unnest(CAST(:codes AS text[])) AS code"
            ),
            {"codes": communities},
        )
    engine.dispose()


def _community(number: int) -> str:
    community = number // _GRIDS_OF_A_COMMUNITY
    district, community = divmod(community, _COMMUNITIES_OF_A_DISTRICT)
    return f"{230401 + district}001{community + 1:03}"


def _named(url: str, name: str) -> str:
    return url.replace("/gridmap?", f"/{name}?")


def _administer(url: str, statement: str) -> None:
    with psycopg.connect(_named(url, "postgres"), autocommit=True) as connection:
        connection.execute(statement)


if __name__ == "__main__":
    main()
