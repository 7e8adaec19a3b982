"""Measures maps of a million reports as clients ask for them, and their hotspots.

Run with `python -m bench.report_maps`. A real PostGIS database and a real `gridmap serve` on it;
the same views are asked of the server, of `ReportPoints` in this process, of PostGIS by a plain
statement that groups by ST_SnapToGrid, and of npm's supercluster. Each view is that of a phone or
of a wall of screens around a report. Times are by the clock, over one connection that is kept, and
beside them the CPU of the server; "SQL ×" is the statement's median over the server's, for the
same views.

All ways must count the same reports. What supercluster does not promise is told in
`bench.clusters`; how dense groups are found is measured by itself in `bench.hotspots`.
"""

from __future__ import annotations

import datetime
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import psycopg
import uvloop
from sqlalchemy import Select, func, select

from bench.clusters import supercluster, view
from bench.reports import WISHES, load_reports, report_points
from bench.server import AUDITOR, Client, Server, cpu_seconds, memory, request, served
from gridmap.api.memory import share_one_heap
from gridmap.geo.bounds import Bounds
from gridmap.schema.context import Context
from gridmap.schema.reports import ReportFilter, filter_of
from gridmap.store import tables
from gridmap.store.cluster import private_cluster
from gridmap.store.database import Database
from gridmap.store.report_points import ReportPoints
from gridmap.store.reports import ReportFilter as Wanted
from gridmap.store.reports import matching

_COUNT = 1_000_000
_SCREENS = {"phone": (390, 844), "wall": (3840, 2160)}
_ZOOMS = range(3, 19)
_VIEWS = 50
_FILTERED_VIEWS = 20
_SQL_VIEWS = 3
_ADDED = 5
# By how many reports have them: one in fifty thousand, in five thousand, in five.
_TEXTS = {
    "rare": [f"建设路{number}号" for number in range(10, 50)],
    "more": [f"{name}路{number}" for name in ("建设", "新华", "文化") for number in range(1, 10)],
    "common": [wish[:end] for wish in WISHES for end in range(2, len(wish) + 1)],
}
_NEW_TEXTS = 5
_PAUSE = 1.0  # in which whoever asked looks at the map
_HOTSPOT_REPORTS = 100_000
_HOTSPOT_TERMS = ((30.0, 60), (80.0, 150))
_RUNS = 5
_SQL_RUNS = 2  # it takes seconds

_CLUSTERS = """
    query ($bounds: BoundsInput!, $zoom: Int!, $filter: ReportFilter) {
      reportClusters(bounds: $bounds, zoom: $zoom, filter: $filter) { count location bounds key }
    }
"""
_HOTSPOTS = """
    query ($region: String!, $filter: ReportFilter, $radius: Float!, $least: Int!) {
      hotspots(region: $region, filter: $filter, radius: $radius, minReports: $least) {
        count outline centre
      }
    }
"""

Views = dict[tuple[str, int], list[Bounds]]


def main() -> None:
    """Print the tables."""
    count = int(sys.argv[1]) if sys.argv[1:] and sys.argv[1].isdigit() else _COUNT
    points = report_points(count)
    random = np.random.default_rng(3)
    views = {
        (screen, zoom): [
            view(longitude, latitude, zoom, *_SCREENS[screen])
            for longitude, latitude in points[random.integers(0, count, _VIEWS)].tolist()
        ]
        for screen in _SCREENS
        for zoom in _ZOOMS
    }
    loaded, theirs = supercluster(points, views)
    with tempfile.TemporaryDirectory(prefix="gridmap-bench-") as folder:
        Path(folder).chmod(0o755)  # the cluster's user must enter it where this user is root
        with private_cluster(Path(folder) / "cluster", durable=False) as url:
            began = time.perf_counter()
            load_reports(url, points)
            print(f"{count:,} reports were put in in {time.perf_counter() - began:.0f} s")
            share_one_heap()  # as the command line does
            with served(url) as server:
                uvloop.run(_Maps(url, server).all(views, loaded, theirs))


class _Maps:
    def __init__(self, url: str, server: Server) -> None:
        self._url = url
        self._server = server
        self._client = Client(server.address, AUDITOR)
        self._database = Database(url, statement_timeout_seconds=300)
        self._points = ReportPoints(self._database, url)
        self._district, self._since, self._within = _largest(url)
        month = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=30)
        self._filters: dict[str, dict[str, object]] = {
            "open": {"open": True},
            "a main category": {"category": "01"},
            "the last 30 days": {"since": month.isoformat()},
            "a district": {"region": self._district},
            "a district, open": {"region": self._district, "open": True},
            "a text": {"text": "建设路1"},
        }

    async def all(
        self,
        views: Views,
        loaded: float,
        theirs: dict[tuple[str, int], list[tuple[float, int]]],
    ) -> None:
        await self._first(views, loaded)
        await self._everything(views, theirs)
        for name, given in self._filters.items():
            await self._filtered(views, name, given)
        self._first_of_texts(views)
        await self._added(views)
        await self._hotspots()
        await self._points.close()
        await self._database.close()

    async def _first(self, views: Views, loaded: float) -> None:
        """What is read when a map is asked for the first time."""
        process = self._server.process
        before, cpu = memory(process, "VmRSS"), cpu_seconds(process)
        began = time.perf_counter()
        self._asked(views["phone", 12][0], 12, None)
        seconds, cpu = time.perf_counter() - began, cpu_seconds(process) - cpu
        print(
            f"\nThe first question took {seconds:.1f} s (CPU of the server {cpu:.1f} s); "
            f"supercluster's load of positions alone {loaded:.1f} s. "
            f"MB before {before:,.0f}, at the peak {memory(process, 'VmHWM'):,.0f}, "
            f"then {memory(process, 'VmRSS'):,.0f}"
        )
        sys.stdout.flush()
        await self._points.clusters(views["phone", 12][0], 12, await self._wanted(None))

    async def _everything(
        self, views: Views, theirs: dict[tuple[str, int], list[tuple[float, int]]]
    ) -> None:
        print(
            f"\nWithout a filter, {_VIEWS} views each\n"
            f"{'screen':<6} {'zoom':>4} {'reports':>9} {'clusters':>8} {'HTTP ms: p50':>13} "
            f"{'p99':>6} {'CPU':>6} {'in process: p50':>16} {'p99':>6} {'CPU':>6} "
            f"{'SQL p50':>8} {'SQL ×':>6} {'supercluster CPU µs: p50':>25}"
        )
        over_http: list[float] = []
        for (screen, zoom), boxes in views.items():
            row = await self._compared(boxes, zoom, None, _SQL_VIEWS)
            over_http += row.http.milliseconds
            beside = statistics.median(seconds for seconds, _ in theirs[screen, zoom]) * 1e6
            print(f"{screen:<6} {zoom:>4} {row} {beside:>25.0f}")
            sys.stdout.flush()
        p50, p99 = np.percentile(over_http, (50, 99))
        print(f"all of them over HTTP: p50 {p50:.1f} ms, p99 {p99:.1f} ms")

    async def _filtered(self, views: Views, name: str, given: dict[str, object]) -> None:
        print(
            f"\nFilter: {name}, {_FILTERED_VIEWS} views of each zoom\n"
            f"{'screen':<6} {'zoom':>4} {'reports':>9} {'clusters':>8} {'HTTP ms: p50':>13} "
            f"{'p99':>6} {'CPU':>6} {'in process: p50':>16} {'p99':>6} {'CPU':>6} "
            f"{'SQL p50':>8} {'SQL ×':>6}"
        )
        for screen in _SCREENS:
            over_http: list[float] = []
            for zoom in _ZOOMS:
                is_told = zoom % 4 == 0
                boxes = views[screen, zoom][:_FILTERED_VIEWS]
                if "region" in given:  # which somebody looks for where it is
                    boxes = [view(*place, zoom, *_SCREENS[screen]) for place in self._within]
                row = await self._compared(boxes, zoom, given, _SQL_VIEWS if is_told else 0)
                over_http += row.http.milliseconds
                if is_told:
                    print(f"{screen:<6} {zoom:>4} {row}")
            p50, p99 = np.percentile(over_http, (50, 99))
            print(f"{screen:<6} all zooms over HTTP: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
            sys.stdout.flush()

    async def _compared(
        self, boxes: Sequence[Bounds], zoom: int, given: dict[str, object] | None, by_sql: int
    ) -> _Row:
        wanted = await self._wanted(given)
        http, answers = self._over_http(boxes, zoom, given)
        inside, counts = _Times(), []
        for box in boxes:
            cpu, began = time.process_time(), time.perf_counter()
            clusters = await self._points.clusters(box, zoom, wanted)
            inside.add(began, time.process_time() - cpu)
            counts.append(int(clusters.cells.count.sum()))
        sql = _Times()
        async with self._database.connection() as connection:
            for place, box in enumerate(boxes[:by_sql]):
                statement = _snapped(box, zoom, wanted)
                began = time.perf_counter()
                rows = (await connection.execute(statement)).all()
                sql.add(began, 0)
                if sum(row.count for row in rows) != counts[place]:
                    raise AssertionError("Two ways counted different reports.")
        if [sum(each["count"] for each in answer) for answer in answers] != counts:
            raise AssertionError("Two ways counted different reports.")
        return _Row(counts, [len(answer) for answer in answers], http, inside, sql)

    def _over_http(
        self, boxes: Sequence[Bounds], zoom: int, given: dict[str, object] | None
    ) -> tuple[_Times, list[Any]]:
        for box in boxes[:3]:
            self._asked(box, zoom, given)
        times, answers, process = _Times(), [], self._server.process
        for box in boxes:
            sent = _question(box, zoom, given)
            cpu, began = cpu_seconds(process), time.perf_counter()
            answer = self._client.post(sent)
            times.add(began, cpu_seconds(process) - cpu)
            answers.append(orjson.loads(answer)["data"]["reportClusters"])
        return times, answers

    def _asked(self, box: Bounds, zoom: int, given: dict[str, object] | None) -> bytes:
        return self._client.post(_question(box, zoom, given))

    async def _wanted(self, given: dict[str, object] | None) -> Wanted:
        values: dict[str, Any] = dict(given or {})
        if "since" in values:
            values["since"] = datetime.datetime.fromisoformat(values["since"])
        return await filter_of(
            Context(self._database, 30.0, viewer=AUDITOR), ReportFilter(**values)
        )

    def _first_of_texts(self, views: Views) -> None:
        """The first answers for texts that nobody has asked for yet."""
        print(
            f"\nThe first answer for a new text, {_NEW_TEXTS} texts each\n"
            f"{'text':<6} {'screen':<6} {'zoom':>4} {'reports':>8} {'HTTP ms: p50':>13} "
            f"{'worst':>6} {'and then: p50':>14} {'worst':>6}"
        )
        for name, texts in _TEXTS.items():
            unknown = iter(texts)
            for screen, zoom in (("phone", 16), ("phone", 12), ("wall", 12), ("wall", 4)):
                first, then, counts = _Times(), _Times(), []
                for box, said in zip(views[screen, zoom][:_NEW_TEXTS], unknown, strict=False):
                    for times in (first, then):
                        began = time.perf_counter()
                        answer = self._asked(box, zoom, {"text": said})
                        times.add(began, 0)
                        time.sleep(_PAUSE)
                    clusters = orjson.loads(answer)["data"]["reportClusters"]
                    counts.append(sum(each["count"] for each in clusters))
                print(
                    f"{name:<6} {screen:<6} {zoom:>4} {int(np.median(counts)):>8,} "
                    f"{first.p50:>13.1f} {max(first.milliseconds):>6.1f} "
                    f"{then.p50:>14.1f} {max(then.milliseconds):>6.1f}"
                )
                sys.stdout.flush()

    async def _added(self, views: Views) -> None:
        """The first answer after reports have come."""
        print(
            f"\nThe first answer of a phone's map of zoom 12 after reports came, {_ADDED} times\n"
            f"{'came':>6} {'HTTP ms: p50':>13} {'worst':>6} {'and then: p50':>14} {'worst':>6}"
        )
        with psycopg.connect(self._url, autocommit=True) as connection:
            for several in (1, 100, 1_000):
                first, then = _Times(), _Times()
                for box in views["phone", 12][:_ADDED]:
                    connection.execute(_ADD, {"several": several})
                    for times in (first, then):
                        began = time.perf_counter()
                        self._asked(box, 12, None)
                        times.add(began, 0)
                print(
                    f"{several:>6,} {first.p50:>13.1f} {max(first.milliseconds):>6.1f} "
                    f"{then.p50:>14.1f} {max(then.milliseconds):>6.1f}"
                )

    async def _hotspots(self) -> None:
        print(
            f"\nHotspots among the newest {_HOTSPOT_REPORTS:,} reports of a district, medians of "
            f"{_RUNS}\n{'radius':>6} {'least':>6} {'hotspots':>9} {'HTTP ms':>8} {'worst':>6} "
            f"{'CPU':>6} {'DBSCAN alone: groups':>21} {'ms':>7} {'×':>5}"
        )
        with psycopg.connect(self._url) as connection:
            # Metres of the zone of UTM that the town lies in; made before, so that PostGIS only
            # groups.
            connection.execute(_PROJECTED, {"code": self._district, "since": self._since})
            connection.execute("ANALYZE projected")
            for radius, least in _HOTSPOT_TERMS:
                sent = request(
                    _HOTSPOTS,
                    {
                        "region": self._district,
                        "filter": {"since": self._since.isoformat()},
                        "radius": radius,
                        "least": least,
                    },
                )
                self._client.post(sent)
                ours, theirs, process = _Times(), _Times(), self._server.process
                for each in range(_RUNS):
                    cpu, began = cpu_seconds(process), time.perf_counter()
                    answer = self._client.post(sent)
                    ours.add(began, cpu_seconds(process) - cpu)
                    if each < _SQL_RUNS:
                        began = time.perf_counter()
                        row = connection.execute(_DBSCAN, (radius, least)).fetchone()
                        theirs.add(began, 0)
                assert row is not None
                found = orjson.loads(answer)["data"]["hotspots"]
                print(
                    f"{radius:>6.0f} {least:>6} {len(found):>9,} {ours.p50:>8.0f} "
                    f"{max(ours.milliseconds):>6.0f} {ours.cpu:>6.0f} {row[0]:>21,} "
                    f"{theirs.p50:>7.0f} {theirs.p50 / ours.p50:>5.1f}"
                )
                sys.stdout.flush()


class _Times:
    """In milliseconds, by the clock and of CPU."""

    def __init__(self) -> None:
        self.milliseconds: list[float] = []
        self._cpu: list[float] = []

    def add(self, began: float, cpu: float) -> None:
        self.milliseconds.append(1e3 * (time.perf_counter() - began))
        self._cpu.append(1e3 * cpu)

    @property
    def p50(self) -> float:
        return statistics.median(self.milliseconds)

    @property
    def p99(self) -> float:
        return float(np.percentile(self.milliseconds, 99))

    @property
    def cpu(self) -> float:
        return statistics.median(self._cpu)

    def __str__(self) -> str:
        return f"{self.p99:>6.1f} {self.cpu:>6.1f}"


class _Row:
    def __init__(
        self,
        counts: Sequence[int],
        clusters: Sequence[int],
        http: _Times,
        inside: _Times,
        sql: _Times,
    ) -> None:
        self.http = http
        beside = ""
        if sql.milliseconds:
            same = statistics.median(http.milliseconds[: len(sql.milliseconds)])
            beside = f" {sql.p50:>8.0f} {sql.p50 / same:>6.1f}"
        self._text = (
            f"{int(np.median(counts)):>9,} {int(np.median(clusters)):>8,} {http.p50:>13.1f} "
            f"{http} {inside.p50:>16.1f} {inside}{beside}"
        )

    def __str__(self) -> str:
        return self._text


def _question(box: Bounds, zoom: int, given: dict[str, object] | None) -> bytes:
    return request(_CLUSTERS, {"bounds": box._asdict(), "zoom": zoom, "filter": given})


def _snapped(box: Bounds, zoom: int, wanted: Wanted) -> Select[Any]:
    """Count and mean position by cells of 64 pixels, in degrees. Served by reports_location_idx."""
    location = tables.reports.c.location
    size = 360 * 64 / 512 / 2**zoom
    statement = select(
        func.count().label("count"),
        func.avg(func.ST_X(location)),
        func.avg(func.ST_Y(location)),
    ).group_by(func.ST_SnapToGrid(location, size))
    return matching(statement, replace(wanted, bounds=box))


def _largest(url: str) -> tuple[str, datetime.datetime, list[tuple[float, float]]]:
    """The district of most reports, since when it has had the last of them, and where some are."""
    with psycopg.connect(url) as connection:
        [(district,)] = connection.execute(
            "SELECT district_code FROM reports GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"
        ).fetchall()
        [(since,)] = connection.execute(
            "SELECT min(received_at) FROM (SELECT received_at FROM reports WHERE district_code = "
            "%s ORDER BY received_at DESC LIMIT %s) AS newest",
            (district, _HOTSPOT_REPORTS),
        ).fetchall()
        places = connection.execute(
            "SELECT ST_X(location), ST_Y(location) FROM reports WHERE district_code = %s "
            "ORDER BY md5(CAST(id AS text)) LIMIT %s",
            (district, _FILTERED_VIEWS),
        ).fetchall()
    return district, since, places


# Reports like the newest, with their events, in one statement as they come.
_ADD = """
    WITH made AS (
        INSERT INTO reports (
            district_code, id, version, state, category_code, urgency, source, description,
            location, source_datum, source_longitude, source_latitude, accuracy, captured_at,
            received_at, region_code, grid_code, sponsor_code, level, state_since, submission
        )
        SELECT
            district_code, gen_random_uuid(), 1, 'SUBMITTED', category_code, urgency, source,
            description, location, source_datum, source_longitude, source_latitude, accuracy,
            captured_at, now(), region_code, grid_code, sponsor_code, level, now(), submission
        FROM reports
        ORDER BY received_at DESC
        LIMIT %(several)s
        RETURNING district_code, id
    )
    INSERT INTO report_events (
        district_code, report_id, version, action, state, at, actor_role, actor_subject, note,
        details
    )
    SELECT district_code, id, 1, 'SUBMIT', 'SUBMITTED', now(), 'ANONYMOUS', '', '', '{}'
    FROM made
"""

_PROJECTED = """
    CREATE TEMPORARY TABLE projected AS
    SELECT
        row_number() OVER () AS i,
        ST_Transform(location, 32600 + CAST(floor(ST_X(location) / 6) AS int) + 31) AS point
    FROM reports
    WHERE district_code = %(code)s AND received_at >= %(since)s
"""
_DBSCAN = """
    SELECT count(DISTINCT number)
    FROM (SELECT ST_ClusterDBSCAN(point, %s, %s) OVER (ORDER BY i) AS number FROM projected) AS g
"""


if __name__ == "__main__":
    main()
