"""Measures how many reports a second come in, beside plain INSERTs of the same rows.

Run with `python -m bench.submissions`. A real `gridmap serve` on the demo, whose database is as
durable as anybody's (fsync on), is driven by wrk; each request is a new report with a UUIDv7, at a
building of the demo or a few metres beside it. In turn, rows like those that came of it are
inserted by psycopg over as many connections, one row a transaction: into a table with the columns,
indexes and checks of reports and nothing else, and as all rows of a report (with its event, its
reporter and all foreign keys) in one statement, as the server writes them. A share is a rate over
that of the bare row in the same round. CPU is that of the server, and of PostgreSQL's processes.
"""

from __future__ import annotations

import asyncio
import datetime
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import psycopg
import uvloop

from bench.server import Server, cpu_seconds, load_demo_district, request, served
from bench.wrk import driven, needs_wrk, posts
from gridmap.geo.checks import metres_per_degree
from gridmap.store.cluster import private_cluster

_ROUNDS = 3
_SECONDS = 6
_CONNECTIONS = (16, 1)
_MOST_A_SECOND = 4_000
_ACCURACY_METRES = 15.0
_STRAY_METRES = 10.0

_NUMBER = "mutation ($input: SubmitReportInput!) { submitReport(input: $input) { number } }"
_WHOLE = """
    mutation ($input: SubmitReportInput!) {
      submitReport(input: $input) {
        number deadline receipt isDefaultHandler
        report { id version state }
        grid { code name } candidates { share grid { code name } }
        workers { name } sponsor { name } duplicates { number }
      }
    }
"""
_SERVER = {"answered with its number": _NUMBER, "with all that a phone shows": _WHOLE}
_BARE, _ROWS = "INSERT of the bare row", "INSERT of all its rows"


def main() -> None:
    """Print the table."""
    needs_wrk()
    with tempfile.TemporaryDirectory(prefix="gridmap-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the cluster's user must enter it where this user is root
        with private_cluster(folder / "cluster") as url:
            load_demo_district(url)
            postmaster = folder / "cluster/postgres/data/postmaster.pid"
            database = int(postmaster.read_text().split()[0])
            with served(url, GRIDMAP_SECRET=secrets.token_hex(32)) as server:
                for connections in _CONNECTIONS:
                    _Rounds(folder, url, server, database, connections).all()


class _Done(NamedTuple):
    """Reports in a second; milliseconds that one took; seconds of CPU for each, of the program
    that gave them to PostgreSQL, and of PostgreSQL."""

    rate: float
    p50: float
    p99: float
    cpu: float
    database_cpu: float


class _Rounds:
    def __init__(
        self, folder: Path, url: str, server: Server, database: int, connections: int
    ) -> None:
        self._folder = folder
        self._url = url
        self._server = server
        self._database = database
        self._connections = connections
        with psycopg.connect(url) as connection:
            self._places = connection.execute(
                "SELECT ST_X(location), ST_Y(location) FROM buildings ORDER BY code"
            ).fetchall()
            self._categories = connection.execute(
                "SELECT code FROM report_categories WHERE parent_code IS NOT NULL ORDER BY code"
            ).fetchall()

    def all(self) -> None:
        """Prints the rows of one concurrency."""
        ways = (*_SERVER, _BARE, _ROWS)
        found: dict[str, list[_Done]] = {way: [] for way in ways}
        for each in range(-1, _ROUNDS):  # the first round warms up
            for way in ways:
                seconds = _SECONDS if each >= 0 else 2
                if way in _SERVER:
                    done = self._submitted(_SERVER[way], seconds)
                else:
                    done = self._inserted(way, seconds)
                if each >= 0:
                    found[way].append(done)
        print(
            f"\n{self._connections} connections, medians of {_ROUNDS} rounds of {_SECONDS} s\n"
            f"{'a report':<28} {'a second':>9} {'share':>6} {'p50 ms':>7} {'p99':>6} "
            f"{'CPU µs: server or client':>25} {'PostgreSQL':>11}"
        )
        for way in ways:
            shares = [a.rate / b.rate for a, b in zip(found[way], found[_BARE], strict=True)]
            done = _Done(*map(statistics.median, zip(*found[way], strict=True)))
            print(
                f"{way:<28} {done.rate:>9,.0f} {statistics.median(shares):>6.2f} {done.p50:>7.1f} "
                f"{done.p99:>6.1f} {1e6 * done.cpu:>25.0f} {1e6 * done.database_cpu:>11.0f}"
            )
        sys.stdout.flush()

    def _submitted(self, query: str, seconds: int) -> _Done:
        bodies = list(self._bodies(query, _MOST_A_SECOND * seconds))
        arguments = posts(self._folder, "reports", self._server.address, bodies)
        before = self._count()
        ours, theirs = cpu_seconds(self._server.process), _children_cpu(self._database)
        done = driven(seconds, self._connections, *arguments)
        ours = cpu_seconds(self._server.process) - ours
        theirs = _children_cpu(self._database) - theirs
        # wrk ends while the last are under way.
        if not done.requests <= self._count() - before <= done.requests + self._connections:
            raise AssertionError(f"{done.requests} answers, {self._count() - before} reports")
        return _Done(done.rate, done.p50, done.p99, ours / done.requests, theirs / done.requests)

    def _bodies(self, query: str, count: int) -> Iterator[bytes]:
        random = np.random.default_rng(time.time_ns())
        places = random.choice(self._places, count)
        across, along = metres_per_degree(47.3)
        places += random.normal(0, _STRAY_METRES, (count, 2)) / (float(across), float(along))
        categories = random.choice([code for (code,) in self._categories], count).tolist()
        captured_at = datetime.datetime.now(datetime.UTC).isoformat()
        for (longitude, latitude), category in zip(
            np.round(places, 7).tolist(), categories, strict=True
        ):
            point = {
                "longitude": longitude,
                "latitude": latitude,
                "datum": "WGS84",
                "accuracy": _ACCURACY_METRES,
            }
            yield request(
                query,
                {
                    "input": {
                        "id": str(_uuid7()),
                        "point": point,
                        "capturedAt": captured_at,
                        "category": category,
                        "description": "楼道口堆了杂物，老人孩子走不了，请尽快处理。",
                        "reporter": {"name": "示例居民", "phone": "0468-0000000"},
                    }
                },
            )

    def _count(self) -> int:
        with psycopg.connect(self._url) as connection:
            [(count,)] = connection.execute("SELECT count(*) FROM reports").fetchall()
        return int(count)

    def _inserted(self, way: str, seconds: int) -> _Done:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS bare (LIKE reports INCLUDING ALL EXCLUDING COMMENTS)"
            )
            # The report's, the event's and the reporter's columns, one behind the other.
            tables = ("reports", "report_events", "reporters")
            columns = {table: _columns(connection, table) for table in tables}
            rows = connection.execute(
                f"SELECT {', '.join(_read(t, name) for t in tables for name in columns[t])} "
                "FROM reports "
                "JOIN report_events ON report_events.report_id = reports.id "
                "JOIN reporters ON reporters.report_id = reports.id "
                "WHERE reports.version = 1 ORDER BY serial DESC LIMIT 10000"
            ).fetchall()
        if way == _BARE:
            size = len(columns["reports"])
            statement = _insert("bare", columns["reports"])
            return uvloop.run(self._driven(statement, [row[:size] for row in rows], [1], seconds))
        one, two, three = (_insert(table, columns[table]) for table in tables)
        statement = f"WITH one AS ({one}), two AS ({two}) {three}"
        starts = [0, len(columns["reports"]), len(columns["reports"] + columns["report_events"])]
        places = [start + 1 for start in starts]  # the id stands behind the district
        return uvloop.run(self._driven(statement, rows, places, seconds))

    async def _driven(
        self,
        statement: str,
        rows: Sequence[tuple[Any, ...]],
        ids: Sequence[int],
        seconds: int,
    ) -> _Done:
        each = cycle(rows)
        taken: list[float] = []
        connections = [
            await psycopg.AsyncConnection.connect(self._url, autocommit=True, prepare_threshold=1)
            for _ in range(self._connections)
        ]

        async def insert(connection: psycopg.AsyncConnection) -> None:
            cursor = connection.cursor()
            while time.perf_counter() < end:
                row, id_ = list(next(each)), _uuid7()
                for place in ids:
                    row[place] = id_
                began = time.perf_counter()
                await cursor.execute(statement, row)
                taken.append(1e3 * (time.perf_counter() - began))

        ours, theirs = time.process_time(), _children_cpu(self._database)
        began = time.perf_counter()
        end = began + seconds
        await asyncio.gather(*map(insert, connections))
        rate = len(taken) / (time.perf_counter() - began)
        ours, theirs = time.process_time() - ours, _children_cpu(self._database) - theirs
        for connection in connections:
            await connection.close()
        p50, p99 = np.percentile(taken, (50, 99)).tolist()
        return _Done(rate, p50, p99, ours / len(taken), theirs / len(taken))


def _columns(connection: psycopg.Connection, table: str) -> list[str]:
    """Those that a row is made with, in an order in which the district and the id come first."""
    rows = connection.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s "
        "AND is_identity = 'NO' AND column_name <> 'transaction' ORDER BY ordinal_position",
        (table,),
    ).fetchall()
    return [name for (name,) in rows]


def _read(table: str, column: str) -> str:
    return f"{table}.{column}{'::text' if column == 'details' else ''}"


def _insert(table: str, columns: Sequence[str]) -> str:
    values = ", ".join("%s::jsonb" if name == "details" else "%s" for name in columns)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values})"


def _uuid7() -> UUID:
    """Of now (RFC 9562, 5.7)."""
    chance = secrets.randbits(74)
    return UUID(
        int=time.time_ns() // 1_000_000 << 80
        | 7 << 76
        | chance >> 62 << 64
        | 2 << 62
        | chance & (1 << 62) - 1
    )


def _children_cpu(process: int) -> float:
    """Seconds of the processes that it has started and that still run."""
    total = 0.0
    for child in Path(f"/proc/{process}/task/{process}/children").read_text().split():
        try:
            total += cpu_seconds(int(child))
        except FileNotFoundError:  # it has just ended
            continue
    return total


if __name__ == "__main__":
    main()
