"""Measures the whole of `coverage`, asked of a real server over HTTP: every list, count and grade.

Run with `python -m bench.coverage_query`, with numbers of grids after it to choose. A district of
tiling grids of 20 vertices in communities of twenty, a hundred buildings in each grid. Every
hundredth grid is left out, so that there are gaps and buildings outside; every fiftieth building is
without a sponsor, a management, a visit of late and a member card, and every fiftieth grid without
a worker. All lists are asked for, a page of a hundred each, and counted.
"""

from __future__ import annotations

import datetime
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import numpy as np
import psycopg
import shapely

from bench.polygons import tiling_polygons
from bench.server import Client, cpu_seconds, request, served
from gridmap import migrations
from gridmap.store.cluster import private_cluster
from gridmap.store.database import tool_engine
from gridmap.store.dates import now

_SIZES = (92, 1_000, 10_000)
_LIMITS = {92: 0.1, 1_000: 0.5, 10_000: 5.0}
_VERTICES = 20
_BUILDINGS = 100
_COMMUNITY = 20
_RUNS = 9
_DISTRICT = "990001"
_SINCE = datetime.date(2024, 1, 1)

_PAGE = "{ totalCount nodes { code } }"
_FIGURES = (
    "gridCount buildingCount areaCovered slivers { gaps overlaps } sponsorLevels { sponsors }"
)
_SHAPES = (
    "gaps { totalCount nodes { outline area buildings neighbours { code } } } "
    "overlaps { totalCount nodes { outline area buildings grids { code } } }"
)
_LISTS = {
    "figures": _FIGURES,
    "gaps, overlaps": _SHAPES,
    "outside grids": f"buildingsOutsideGrids {_PAGE}",
    "no sponsor": f"buildingsWithoutSponsor {_PAGE}",
    "no management": f"buildingsWithoutManagement {_PAGE}",
    "not visited": f"buildingsNotVisited(days: 30) {_PAGE}",
    "no card": f"buildingsWithoutMemberCard {_PAGE}",
    "grids: no worker": f"gridsWithoutWorker {_PAGE}",
    "no sponsor ": f"gridsWithoutSponsor {_PAGE}",
    "over norm": "gridsOverNorm { totalCount nodes { grid { code } householdsPerWorker } }",
}
_GRADE = "grade { score parts { value } }"


def main() -> None:
    """Print a table for each size."""
    sizes = [int(each) for each in sys.argv[1:] if each.isdigit()] or _SIZES
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="gridmap-bench-") as folder:
            Path(folder).chmod(0o755)  # the cluster's user must enter it where this user is root
            with private_cluster(Path(folder) / "cluster", durable=False) as url:
                fill(url, size)
                _measure(url, size, postmaster_of(Path(folder)))


def _measure(url: str, size: int, postmaster: int) -> None:
    with served(url, GRIDMAP_STATEMENT_TIMEOUT="60") as server:
        client = Client(server.address)
        limit = f"; at most {_LIMITS[size]:g} s for all" if size in _LIMITS else ""
        print(f"{size:,} grids, {size * _BUILDINGS:,} buildings{limit}", flush=True)
        for name, fields in {"all": " ".join(_LISTS.values()), **_LISTS, "grade": _GRADE}.items():
            sent = request(f'{{ coverage(region: "{_DISTRICT}") {{ {fields} }} }}', {})
            runs = _RUNS if name == "all" else 3
            client.post(sent)
            taken, before = [], (cpu_seconds(server.process), postgres_seconds(postmaster))
            for _ in range(runs):
                began = time.perf_counter()
                client.post(sent)
                taken.append(time.perf_counter() - began)
            ours = (cpu_seconds(server.process) - before[0]) / runs
            theirs = (postgres_seconds(postmaster) - before[1]) / runs
            print(
                f"  {name:<16} p50 {statistics.median(taken):7.3f} s, worst {max(taken):7.3f} s; "
                f"CPU of the server {ours:6.3f} s, of PostgreSQL {theirs:6.3f} s",
                flush=True,
            )


def postmaster_of(folder: Path) -> int:
    """The process of the cluster in a folder."""
    [file] = folder.rglob("postmaster.pid")
    return int(file.read_text().split()[0])


def postgres_seconds(postmaster: int) -> float:
    """The CPU time of a cluster: of what runs, and of what has ended."""
    fields = Path(f"/proc/{postmaster}/stat").read_text().rpartition(")")[2].split()
    ended = (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
    running = 0.0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):  # it may end meanwhile
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == postmaster:
                running += int((process / "schedstat").read_text().split()[0]) / 1e9
    return ended + running


def fill(url: str, size: int) -> None:
    """Fills an empty database. Constraints that serve no query are left out, to be quick."""
    engine = tool_engine(url)
    with engine.begin() as connection:
        migrations.upgrade(connection)
    engine.dispose()
    grids = tiling_polygons(size, _VERTICES)
    outline = shapely.multipolygons([shapely.coverage_union_all(grids)])
    communities = [f"{_DISTRICT}{i // _COMMUNITY:06}" for i in range(size)]
    grid_codes = [f"{community}{i % _COMMUNITY:03}" for i, community in enumerate(communities)]
    bounds = shapely.bounds(grids)
    random = np.random.default_rng(3)
    # Borders wander by a fifth of a cell at most, so the middle of the box is inside.
    spread = random.uniform(0.35, 0.65, (size, _BUILDINGS, 2))
    at = bounds[:, None, :2] + spread * (bounds[:, None, 2:] - bounds[:, None, :2])
    place = shapely.points(at)
    codes = [
        [f"{code[:12]}{i % _COMMUNITY:02}{b:03}" for b in range(_BUILDINGS)]
        for i, code in enumerate(grid_codes)
    ]
    there = [i for i in range(size) if i % 100]
    with psycopg.connect(url) as connection:
        connection.execute("SET session_replication_role = replica")
        for table in ("grids", "building_managements", "worker_assignments", "member_cards"):
            _drop_exclusions(connection, table)
        _drop_exclusions(connection, "sponsorships")
        _copy(
            connection,
            "regions (code, name, level, parent_code, district_code, boundary)",
            [
                (_DISTRICT, "区", "DISTRICT", None, _DISTRICT, _wkb(outline)),
                *(
                    (code, code, "COMMUNITY", _DISTRICT, _DISTRICT, None)
                    for code in sorted(set(communities))
                ),
            ],
        )
        _copy(
            connection,
            "grids (district_code, code, community_code, name, boundary, source_datum, valid_from)",
            (
                (
                    _DISTRICT,
                    grid_codes[i],
                    communities[i],
                    grid_codes[i],
                    _wkb(shapely.multipolygons([grids[i]])),
                    "WGS84",
                    _SINCE,
                )
                for i in there
            ),
        )
        _copy(
            connection,
            "buildings (district_code, code, community_code, name, households, location, "
            "source_datum, source_longitude, source_latitude)",
            (
                (
                    _DISTRICT,
                    codes[i][b],
                    communities[i],
                    codes[i][b],
                    3,
                    _wkb(place[i, b]),
                    "WGS84",
                    at[i, b, 0],
                    at[i, b, 1],
                )
                for i in range(size)
                for b in range(_BUILDINGS)
            ),
        )
        kept = [(i, b) for i in range(size) for b in range(_BUILDINGS)]
        sponsors = [f"S{n:03}" for n in range(200)]
        _copy(
            connection,
            "sponsors (code, name, level, region_code)",
            [(code, code, "DISTRICT", _DISTRICT) for code in sponsors],
        )
        _copy(
            connection,
            "sponsorships (district_code, sponsor_code, building_code, valid_from)",
            ((_DISTRICT, sponsors[i % 200], codes[i][b], _SINCE) for i, b in kept if b % 50),
        )
        _copy(
            connection,
            "building_managements (district_code, building_code, mode, valid_from)",
            ((_DISTRICT, codes[i][b], "COMMUNITY_LED", _SINCE) for i, b in kept if (b + 1) % 50),
        )
        _copy(
            connection,
            "member_cards (district_code, building_code, name, valid_from)",
            ((_DISTRICT, codes[i][b], "示例", _SINCE) for i, b in kept if (b + 2) % 50),
        )
        _copy(
            connection,
            "workers (district_code, code, name)",
            ((_DISTRICT, f"W{i}", "示例") for i in range(size)),
        )
        _copy(
            connection,
            "worker_assignments (district_code, worker_code, grid_code, valid_from)",
            ((_DISTRICT, f"W{i}", grid_codes[i], _SINCE) for i in there if i % 50),
        )
        moment = now()
        _copy(
            connection,
            "visits (district_code, id, building_code, worker_code, kind, at, note)",
            (
                (
                    _DISTRICT,
                    UUID(int=(i * _BUILDINGS + b) * 3 + k),
                    codes[i][b],
                    f"W{i}",
                    "VISIT",
                    moment - datetime.timedelta(days=1 + (i + b) % 25 + 30 * k),
                    "",
                )
                for i, b in kept
                for k in range(3)
                if k or (b + 3) % 50
            ),
        )
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE")


def _drop_exclusions(connection: psycopg.Connection, table: str) -> None:
    found = connection.execute(
        "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'x'",
        (table,),
    ).fetchall()
    for (name,) in found:
        connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")


def _copy(connection: psycopg.Connection, into: str, rows: Iterable[Sequence[object]]) -> None:
    with connection.cursor().copy(f"COPY {into} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _wkb(shape: shapely.Geometry) -> str:
    written: str = shapely.to_wkb(shapely.set_srid(shape, 4326), hex=True, include_srid=True)
    return written


if __name__ == "__main__":
    main()
