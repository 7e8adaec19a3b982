"""Measures what it takes to plan another boundary, to apply it, and to compare two days.

Run with `python -m bench.boundaries`. A district of so many grids of 20 vertices, with 10 buildings
in each. Each figure is the median of several runs, in milliseconds: of the clock, and of this
process alone, without PostgreSQL.

- *edge*: a place of the border between two grids moves.
- *split*: a grid becomes two.
- *92 grids*: so many neighbouring ones are drawn anew, each vertex up to 0.3 m off.
"""

from __future__ import annotations

import asyncio
import datetime
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import shapely
from shapely.ops import split
from sqlalchemy import event

from bench.polygons import tiling_polygons
from gridmap import migrations
from gridmap.store import boundary_changes, boundary_differences, boundary_plans
from gridmap.store.boundary_cases import Draft, DraftGrid
from gridmap.store.cluster import private_cluster
from gridmap.store.database import Database, tool_engine
from gridmap.store.dates import now, today
from gridmap.store.viewers import Role, Viewer

_SIZES = (92, 10_000)
_VERTICES = 20
_BUILDINGS = 10
_RUNS = 7
_PLANNER = Viewer(Role.ADMINISTRATOR, "bench")
_DISTRICT = "230402"


def main() -> None:
    """Print the table."""
    print(f"{'grids':>6} {'what':<16} {'p50 ms':>8} {'ours ms':>8} {'statements':>10}")
    for count in _SIZES:
        with tempfile.TemporaryDirectory(prefix="gridmap-bench-") as folder:
            Path(folder).chmod(0o755)  # the cluster's user must enter it where this user is root
            with private_cluster(Path(folder) / "cluster", durable=False) as url:
                outlines = tiling_polygons(count, _VERTICES)
                _fill(url, outlines)
                asyncio.run(_measure(url, count, outlines))


def _code(number: int) -> str:
    return f"{_DISTRICT}{number // 900 + 1:06}{number % 900 + 1:03}"


def _fill(url: str, outlines: Any) -> None:
    engine = tool_engine(url)
    with engine.begin() as connection:
        migrations.upgrade(connection)
    engine.dispose()
    random = np.random.default_rng(1)
    with psycopg.connect(url) as connection:
        cursor = connection.cursor()
        cursor.execute(
            "INSERT INTO regions (code, name, level, district_code) "
            "VALUES (%s, '区', 'DISTRICT', %s)",
            (_DISTRICT, _DISTRICT),
        )
        communities = sorted({_code(i)[:12] for i in range(len(outlines))})
        cursor.executemany(
            "INSERT INTO regions (code, name, level, parent_code, district_code) "
            "VALUES (%s, '社区', 'COMMUNITY', %s, %s)",
            [(code, _DISTRICT, _DISTRICT) for code in communities],
        )
        with cursor.copy(
            "COPY grids (district_code, code, community_code, name, boundary, source_datum, "
            "valid_from) FROM STDIN"
        ) as copy:
            shapes = shapely.set_srid(shapely.multipolygons(outlines[:, None]), 4326)
            for i, shape in enumerate(shapely.to_wkb(shapes, hex=True, include_srid=True)):
                copy.write_row(
                    (_DISTRICT, _code(i), _code(i)[:12], "网格", shape, "WGS84", "2024-01-01")
                )
        with cursor.copy(
            "COPY buildings (district_code, code, community_code, name, households, location, "
            "source_datum, source_longitude, source_latitude) FROM STDIN"
        ) as copy:
            for i, outline in enumerate(outlines):
                west, south, east, north = outline.bounds
                for j in range(_BUILDINGS):
                    at = shapely.Point(random.uniform(west, east), random.uniform(south, north))
                    point = shapely.to_wkb(shapely.set_srid(at, 4326), hex=True, include_srid=True)
                    copy.write_row(
                        (
                            _DISTRICT,
                            f"{_code(i)}{j:03}",
                            _code(i)[:12],
                            "楼",
                            30,
                            point,
                            "WGS84",
                            at.x,
                            at.y,
                        )
                    )
        connection.commit()
        connection.autocommit = True
        connection.execute("ANALYZE")


async def _measure(url: str, count: int, outlines: Any) -> None:
    database = Database(url)
    statements = _Statements(database)
    start = today() + datetime.timedelta(days=1)
    middle = count // 2

    async def planned(draft: Draft) -> boundary_plans.BoundaryPlan:
        async with database.transaction() as connection:
            made = await boundary_plans.plan(connection, draft, _PLANNER, now())
        assert not made.content.obstacles, made.content.obstacles
        return made

    drafts = {
        "plan edge": _edge(outlines, middle, start),
        "plan split": _split(outlines, middle, start),
        "plan 92 grids": _redrawn(outlines, start),
    }
    for what, draft in drafts.items():
        await _told(count, what, statements, lambda draft=draft: planned(draft))  # type: ignore[misc]

    plans = [
        await planned(_edge(outlines, middle, start + datetime.timedelta(days=i))) for i in range(1)
    ]

    async def applied() -> None:
        async with database.transaction() as connection:
            await boundary_changes.apply(connection, plans[0].plan_key, "bench", _PLANNER, now())

    await _told(count, "apply edge", statements, applied, runs=1)
    regions = [_DISTRICT, *sorted({_code(i)[:12] for i in range(count)})]

    async def compared() -> None:
        async with database.connection() as connection:
            found = await boundary_differences.difference(connection, regions, today(), start)
        assert len(found.areas) == 1

    await _told(count, "difference", statements, compared)
    await database.close()


async def _told(
    count: int,
    what: str,
    statements: _Statements,
    run: Callable[[], Awaitable[object]],
    runs: int = _RUNS,
) -> None:
    walls, ours = [], []
    for _ in range(runs):
        statements.count = 0
        began, used = time.perf_counter(), time.process_time()
        await run()
        walls.append(time.perf_counter() - began)
        ours.append(time.process_time() - used)
    wall, own = statistics.median(walls) * 1000, statistics.median(ours) * 1000
    print(f"{count:>6} {what:<16} {wall:>8.1f} {own:>8.1f} {statements.count:>10}", flush=True)


class _Statements:
    """Counts what the database is asked."""

    def __init__(self, database: Database) -> None:
        self.count = 0
        event.listen(database.engine.sync_engine, "before_cursor_execute", self._note)

    def _note(self, *_: Any) -> None:
        self.count += 1


def _draft(shapes: dict[str | None, Any], start: datetime.date) -> Draft:
    return Draft(
        start,
        tuple(
            DraftGrid(code, shapely.to_wkb(shapely.multipolygons([shape])), (), "网格", None)
            for code, shape in shapes.items()
        ),
    )


def _edge(outlines: Any, middle: int, start: datetime.date) -> Draft:
    """The third vertex of the border between two neighbours, moved some 20 m in both."""
    one, other = outlines[middle], outlines[middle + 1]
    shared = {*map(tuple, one.exterior.coords)} & {*map(tuple, other.exterior.coords)}
    vertex = sorted(shared, key=lambda at: at[1])[len(shared) // 2]

    def moved(polygon: Any) -> Any:
        at = shapely.get_coordinates(polygon)
        at[(at == vertex).all(axis=1), 0] += 2.5e-4
        return shapely.Polygon(at)

    return _draft({_code(middle): moved(one), _code(middle + 1): moved(other)}, start)


def _split(outlines: Any, middle: int, start: datetime.date) -> Draft:
    west, south, east, north = outlines[middle].bounds
    line = shapely.LineString([(west, (south + north) / 2), (east, (south + north) / 2)])
    kept, new = split(outlines[middle], line).geoms
    return _draft({_code(middle): kept, None: new}, start)


def _redrawn(outlines: Any, start: datetime.date) -> Draft:
    """The 92 grids that lie nearest to one in the middle, or all."""
    random = np.random.default_rng(2)
    centre = outlines[len(outlines) // 2].centroid
    nearest = np.argsort(shapely.distance(shapely.centroid(outlines), centre))[:92]

    def shaken(polygon: Any) -> Any:
        return shapely.Polygon(
            (
                shapely.get_coordinates(polygon)
                + random.uniform(-2.5e-6, 2.5e-6, (_VERTICES + 1, 2))
            )[:-1]
        )

    return _draft({_code(i): shaken(outlines[i]) for i in nearest.tolist()}, start)


if __name__ == "__main__":
    main()
