"""Measures what fields cost that take longer than they look, in rows of a list: the WEIGHTS of
`gridmap/schema/limits.py`, in units of 50 µs of a core.

Run with `python -m bench.costs`. A district: the demo's 92 grids and 370 buildings, with its
reports copied until there are 50,000, each up to some 300 m and two years away, and nobody who
sponsors anything. What counts is time of a core, in the server and in PostgreSQL together; it grows
by half or so while others keep the machine busy.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psycopg

from bench.server import Server, load_demo_district, served
from gridmap.schema.limits import EACH, WEIGHTS
from gridmap.store.cluster import private_cluster

_COPIES = 240
_RUNS = 7
_POINTS = 2_000
_UNIT = 0.05  # milliseconds
_TICKS = os.sysconf("SC_CLK_TCK")

_PAGES = {
    "a row of grids": "{ grids { nodes { code name } } }",
    "a row of reports": """{ reports { nodes { id number state urgency description receivedAt
        deadline category { name } grid { code name } } } }""",
}
_DISTRICT = '(region: "230402")'
_BOUNDS = "{west: 130.2, south: 47.3, east: 130.4, north: 47.4}"
_LIST = "nodes { code }"
QUESTIONS = {
    "reportClusters": f"reportClusters(bounds: {_BOUNDS}, zoom: 13) {{ count }}",
    "coverage": f"""coverage{_DISTRICT} {{ areaCovered grade {{ score }} gaps {{ nodes {{ area }} }}
        overlaps {{ nodes {{ area }} }} buildingsWithoutSponsor {{ {_LIST} }}
        buildingsNotVisited(days: 30) {{ {_LIST} }} gridsWithoutWorker {{ {_LIST} }} }}""",
    "reportFigures": 'reportFigures(filter: {region: "230402"}, by: [GRID]) { received }',
    "reportTrends": f"reportTrends{_DISTRICT} {{ reports expected probability }}",
    "hotspots": f"hotspots{_DISTRICT} {{ count outline }}",
    "suggestSponsorships": f"suggestSponsorships{_DISTRICT} {{ __typename }}",
}
_LOCATE = "query ($points: [PointInput!]!) { locateMany(points: $points) { outcome } }"

_COPY = f"""
    SET session_replication_role = replica;
    INSERT INTO reports ({{columns}})
    SELECT {{values}}
    FROM reports, generate_series(1, {_COPIES}) AS copy,
        LATERAL (SELECT random() * interval '700 days' AS ago, random() * 0.006 - 0.003 AS east,
            random() * 0.006 - 0.003 AS north, copy) AS moved
    WHERE merged_into IS NULL;
    DELETE FROM sponsorships;
    ANALYZE reports;
"""
_MOVED = {
    "id": "gen_random_uuid()",
    "location": "ST_Translate(location, east, north)",
    **{
        name: f"{name} - ago"
        for name in (
            "captured_at",
            "received_at",
            "state_since",
            "replied_at",
            "closed_at",
            "ended_at",
            "due_at",
            "step_due_at",
        )
    },
}


def main() -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory(prefix="gridmap-bench-") as folder:
        Path(folder).chmod(0o755)  # the cluster's user must enter it where this user is root
        with private_cluster(Path(folder) / "cluster", durable=False) as url:
            load_demo_district(url)
            count = _copy_reports(url)
            with served(url) as server:
                _print(server, Path(folder) / "cluster", count)


def _print(server: Server, cluster: Path, count: int) -> None:
    postgres = int((cluster / "postgres/data/postmaster.pid").read_text().split()[0])
    measured = _Measured(server, postgres)
    print(f"{count} reports")
    print(f"{'':<22} {'ms':>8} {'units':>7} {'weight':>7}")
    for name, page in _PAGES.items():
        taken = measured.milliseconds(page) / 100
        print(f"{name:<22} {taken:>8.3f} {taken / _UNIT:>7.2f} {1:>7}")
    for field, question in QUESTIONS.items():
        taken = measured.milliseconds(f"{{ {question} }}")
        print(f"{field:<22} {taken:>8.2f} {taken / _UNIT:>7.0f} {WEIGHTS[field]:>7}")
    random = np.random.default_rng(1)
    places = random.uniform((130.27, 47.33), (130.32, 47.37), (_POINTS, 2)).tolist()
    points = [
        {"longitude": longitude, "latitude": latitude, "datum": "WGS84", "accuracy": 50}
        for longitude, latitude in places
    ]
    taken = measured.milliseconds(_LOCATE, points=points) / _POINTS
    _, weight = EACH["locateMany"]
    print(f"{'locateMany, a point':<22} {taken:>8.3f} {taken / _UNIT:>7.2f} {weight:>7}")


class _Measured:
    """Time of a core in the server and in PostgreSQL, all of its processes."""

    def __init__(self, server: Server, postgres: int) -> None:
        self._server = server
        self._postgres = postgres
        self._client = httpx.Client(timeout=120)

    def milliseconds(self, query: str, **variables: Any) -> float:
        """Of one answer: the median of several. Too short ones are asked for again and again, as
        the kernel counts in hundredths of a second.
        """
        self._ask(query, variables)
        began = time.perf_counter()
        self._ask(query, variables)
        times = max(1, round(0.5 / (time.perf_counter() - began)))
        taken = []
        for _ in range(_RUNS):
            before = self._spent()
            for _ in range(times):
                self._ask(query, variables)
            taken.append((self._spent() - before) / times * 1_000)
        return statistics.median(taken)

    def _ask(self, query: str, variables: dict[str, Any]) -> None:
        body = {"query": query, "variables": variables}
        answer = self._client.post(f"{self._server.address}/graphql", json=body).json()
        if "errors" in answer:
            raise AssertionError(answer["errors"])

    def _spent(self) -> float:
        """Seconds since they began. Of processes that ended, their parent's count has them."""
        family = [self._server.process, self._postgres]
        tasks = Path(f"/proc/{self._postgres}/task/{self._postgres}/children").read_text()
        ticks = 0
        for number, process in enumerate([*family, *map(int, tasks.split())]):
            stat = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, stat[11:15] if number < len(family) else stat[11:13]))
        return ticks / _TICKS


def _copy_reports(url: str) -> int:
    with psycopg.connect(url, autocommit=True) as connection:
        names = [
            name
            for (name,) in connection.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_name = 'reports' "
                "AND is_generated = 'NEVER' AND is_identity = 'NO' ORDER BY ordinal_position"
            )
        ]
        values = [_MOVED.get(name, f"reports.{name}") for name in names]
        copy = _COPY.format(columns=", ".join(names), values=", ".join(values))
        connection.execute(copy.encode())
        row = connection.execute("SELECT count(*) FROM reports").fetchone()
    assert row is not None
    return int(row[0])


if __name__ == "__main__":
    main()
