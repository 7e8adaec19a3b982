"""Measures what a running server answers in a second: `locate` beside `/healthz`, and `locateMany`.

Run with `python -m bench.serving`. A real `gridmap serve` on the demo district is driven by wrk
with 16 connections, in rounds that alternate, so that what else the machine does falls on all of
them alike. A share is a rate over that of `/healthz` in the same round, which is as fast as this
server answers anything. CPU is what the server's process used, by the kernel's count.

`locateMany` is asked over HTTP, and its parts are then timed one by one in this process on the same
points, each answer the same as the server's.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
from graphql import ExecutionResult, execute, parse
from numpy.typing import NDArray
from rich.console import Console

from gridmap import migrations
from gridmap.api.demo import EXAMPLE, load_demo
from gridmap.schema.context import Context
from gridmap.schema.root import schema
from gridmap.store.cluster import private_cluster
from gridmap.store.database import Database, tool_engine
from gridmap.store.dates import today
from gridmap.store.follower import Follower
from gridmap.store.locations import Located, locate_points

_ROUNDS = 2
_SECONDS = 5
_CONNECTIONS = 16
_QUESTIONS = 1_000
_POINTS = 10_000
_RUNS = 7
_ACCURACY_METRES = 15.0
_REACH_METRES = 30.0
_AROUND_DEGREES = (0.007, 0.005)  # where nine in ten points lie in a grid

_FIELDS = "{ outcome grid { code name community { name } } sponsor { name } }"
_ONE = f"query ($point: PointInput!) {{ locate(point: $point) {_FIELDS} }}"
_MANY = f"query ($points: [PointInput!]!) {{ locateMany(points: $points) {_FIELDS} }}"
_VERSION = "query ($point: PointInput!) { locate(point: $point) { snapshotVersion } }"

# What wrk sends: the bodies of a file, one a line, again and again.
_SCRIPT = """
local requests, next_one = {}, 0

function init(arguments)
  for body in io.lines(arguments[1]) do
    requests[#requests + 1] =
      wrk.format("POST", "/graphql", {["Content-Type"] = "application/json"}, body)
  end
end

function request()
  next_one = next_one % #requests + 1
  return requests[next_one]
end
"""


def main() -> None:
    """Print the tables."""
    if not shutil.which("wrk"):
        sys.exit("This drives the server with wrk: apt-get install wrk")
    with tempfile.TemporaryDirectory(prefix="gridmap-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the cluster's user must enter it where this user is root
        with private_cluster(folder / "cluster", durable=False) as url:
            _load(url)
            with _served(url) as (address, process):
                _requests(folder, address, process)
                _many(url, address)


def _load(url: str) -> None:
    engine = tool_engine(url)
    with engine.begin() as connection:
        migrations.upgrade(connection)
    load_demo(engine, Console(quiet=True))
    engine.dispose()


@contextmanager
def _served(url: str) -> Iterator[tuple[str, int]]:
    """The address and the process of a server that answers from memory."""
    server = subprocess.Popen(
        [sys.executable, "-m", "gridmap", "serve"],
        env={**os.environ, "PORT": "0", "COLUMNS": "200", "DATABASE_URL": url},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        for line in server.stdout:
            if found := re.search(r"Serving on (http://[\d.]+:\d+)", line):
                _wait_until_it_remembers(found[1])
                yield found[1], server.pid
                return
        raise AssertionError("The server did not start.")
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=30)


def _wait_until_it_remembers(address: str) -> None:
    while httpx.get(f"{address}/readyz").status_code != 200:
        time.sleep(0.1)
    body = orjson.dumps({"query": _VERSION, "variables": {"point": _point(*EXAMPLE)}})
    # What comes from the database has versions with colons.
    while ":" in _asked(address, body)["locate"]["snapshotVersion"]:
        time.sleep(0.1)


# One point a request


def _requests(folder: Path, address: str, process: int) -> None:
    points = _points(_QUESTIONS)
    varied = [
        orjson.dumps({"query": _ONE, "variables": {"point": _point(*p)}}) for p in points.tolist()
    ]
    longitude, latitude = EXAMPLE
    literal = (
        f"{{ locate(point: {{longitude: {longitude}, latitude: {latitude}, datum: WGS84, "
        f"accuracy: {_ACCURACY_METRES}}}) {_FIELDS} }}"
    )
    constant = orjson.dumps({"query": literal})
    for body in (*varied[:100], constant):
        _asked(address, body)

    (folder / "bodies.lua").write_text(_SCRIPT)
    (folder / "varied").write_bytes(b"\n".join(varied))
    (folder / "constant").write_bytes(constant)
    script = ("-s", f"{folder / 'bodies.lua'}", f"{address}/graphql", "--")
    ways = {
        "/healthz": (f"{address}/healthz",),
        "locate, another point each time": (*script, f"{folder / 'varied'}"),
        "locate, always the same": (*script, f"{folder / 'constant'}"),
    }
    rates: dict[str, list[float]] = {way: [] for way in ways}
    costs: dict[str, list[float]] = {way: [] for way in ways}
    for each in range(-1, _ROUNDS):  # the first round warms up
        for way, arguments in ways.items():
            before = _cpu_seconds(process)
            rate, count = _driven(*arguments)
            if each >= 0:
                rates[way].append(rate)
                costs[way].append(1e6 * (_cpu_seconds(process) - before) / count)
    print(
        f"\n{_CONNECTIONS} connections, medians of {_ROUNDS} rounds of {_SECONDS} s\n"
        f"{'asked':<34} {'a second':>9} {'share':>6} {'CPU µs':>7} {'share':>6}"
    )
    for way in ways:
        share, cpu_share = (
            statistics.median(a / b for a, b in zip(above, below, strict=True))
            for above, below in (
                (rates[way], rates["/healthz"]),
                (costs["/healthz"], costs[way]),
            )
        )
        rate, cost = statistics.median(rates[way]), statistics.median(costs[way])
        print(f"{way:<34} {rate:>9,.0f} {share:>6.3f} {cost:>7.0f} {cpu_share:>6.3f}")
    sys.stdout.flush()


def _driven(*arguments: str) -> tuple[float, int]:
    """Requests in a second, and in all."""
    done = subprocess.run(
        ["wrk", "-t1", f"-c{_CONNECTIONS}", f"-d{_SECONDS}s", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise AssertionError(done.stdout)
    rate = re.search(r"Requests/sec: *([\d.]+)", done.stdout)
    count = re.search(r"(\d+) requests in", done.stdout)
    assert rate, done.stdout
    assert count, done.stdout
    return float(rate[1]), int(count[1])


def _cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# Many points a request


def _many(url: str, address: str) -> None:
    points = _points(_POINTS)
    sent = orjson.dumps(
        {"query": _MANY, "variables": {"points": [_point(*p) for p in points.tolist()]}}
    )
    over_http, answer = _timed(lambda: _asked(address, sent))
    parts = asyncio.run(_parts(url, points, sent, answer))
    inside = sum(parts[part] for part in ("JSON in", "lookup", "GraphQL", "JSON out"))
    parts = {"over HTTP": over_http, **parts, "HTTP and the client": over_http - inside}
    print(f"\nlocateMany with {_POINTS:,} points, medians of {_RUNS}\n{'part':<24} {'ms':>8} share")
    for part, seconds in parts.items():
        print(f"{part:<24} {1e3 * seconds:>8.1f} {seconds / over_http:>5.2f}")


async def _parts(
    url: str, points: NDArray[np.float64], sent: bytes, expected: Any
) -> dict[str, float]:
    database, follower = Database(url), Follower(url, _REACH_METRES)
    following = asyncio.create_task(follower.run())
    while (snapshot := follower.snapshot(today())) is None:
        await asyncio.sleep(0.1)
    accuracies = [_ACCURACY_METRES] * len(points)
    document = parse(_MANY)

    def looked_up() -> list[object]:
        return [
            (spot.grid, spot.is_within, spot.sponsor)
            for spot in snapshot.locate_many(points, accuracies)
        ]

    async def executed() -> ExecutionResult:
        result = execute(
            schema._schema,
            document,
            context_value=Context(database, _REACH_METRES, follower),
            variable_values=asked["variables"],
            executor_class=schema.execution_context_class,
        )
        return result if isinstance(result, ExecutionResult) else await result

    async def by_postgis() -> list[object]:
        async with database.connection() as connection:
            found: list[Located] = list(
                await locate_points(connection, points, accuracies, today(), _REACH_METRES)
            )
        return [(each.grid, each.is_within, each.sponsor) for each in found]

    json_in, asked = _timed(lambda: orjson.loads(sent))
    lookup, found = _timed(looked_up)
    execution, results = [], []
    postgis, others = [], []
    for _ in range(_RUNS):
        began = time.perf_counter()
        results = [await executed()]
        execution.append(time.perf_counter() - began)
    for _ in range(3):
        began = time.perf_counter()
        others = await by_postgis()
        postgis.append(time.perf_counter() - began)
    json_out, written = _timed(lambda: orjson.dumps({"data": results[0].data}))
    following.cancel()
    await asyncio.wait([following])
    await database.close()
    if orjson.loads(written)["data"] != expected or found != others:
        raise AssertionError("Two ways gave different answers.")
    return {
        "JSON in": json_in,
        "lookup": lookup,
        "GraphQL": statistics.median(execution) - lookup,
        "JSON out": json_out,
        "PostGIS instead of lookup": statistics.median(postgis),
    }


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """The median of seconds, and what came of it."""
    taken, result = [], None
    for _ in range(_RUNS):
        began = time.perf_counter()
        result = work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken), result


def _points(count: int) -> NDArray[np.float64]:
    """Points of the demo district, some of them outside every grid."""
    return np.random.default_rng(1).uniform(
        np.subtract(EXAMPLE, _AROUND_DEGREES), np.add(EXAMPLE, _AROUND_DEGREES), (count, 2)
    )


def _point(longitude: float, latitude: float) -> dict[str, object]:
    return {
        "longitude": longitude,
        "latitude": latitude,
        "datum": "WGS84",
        "accuracy": _ACCURACY_METRES,
    }


def _asked(address: str, body: bytes) -> Any:
    """The data of the answer; an error ends the benchmark."""
    response = httpx.post(
        f"{address}/graphql",
        content=body,
        headers={"content-type": "application/json"},
        timeout=60,
    )
    answer = orjson.loads(response.content)
    if "errors" in answer:
        raise AssertionError(answer["errors"])
    return answer["data"]


if __name__ == "__main__":
    main()
