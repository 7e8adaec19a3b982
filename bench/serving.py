"""Measures what a running server answers in a second: `locate` beside `/healthz`, and `locateMany`.

Run with `python -m bench.serving`. A real `gridmap serve` on the demo district is driven by wrk
with 16 connections, in rounds that alternate, so that what else the machine does falls on all of
them alike. A share is a rate over that of `/healthz` in the same round, which is as fast as this
server answers anything. CPU is what the server's process used, by the kernel's count.

Then the parts of a `locate` and of a `locateMany` are timed one by one in this process, each with
the answers of the whole.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from graphql import get_operation_ast, parse
from numpy.typing import NDArray
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Scope

from bench.server import answered, cpu_seconds, load_demo_district, request, served
from bench.wrk import driven, needs_wrk, posts
from gridmap.api.app import application
from gridmap.api.demo import EXAMPLE
from gridmap.api.plans import plan
from gridmap.api.settings import Settings
from gridmap.geo.datums import Datum
from gridmap.schema.context import Context
from gridmap.schema.grids import grid as located_grid
from gridmap.schema.locations import locate
from gridmap.schema.points import PointInput
from gridmap.schema.root import schema
from gridmap.store.cluster import private_cluster
from gridmap.store.database import Database
from gridmap.store.dates import today
from gridmap.store.follower import Follower
from gridmap.store.locations import locate_points

_ROUNDS = 5
_SECONDS = 5
_CONNECTIONS = 16
_QUESTIONS = 1_000
_POINTS = 10_000
_RUNS = 7
_ACCURACY_METRES = 15.0
_REACH_METRES = 30.0
_VARIED = "locate, another point each time"
_AROUND_DEGREES = (0.007, 0.005)  # where nine in ten points lie in a grid

_FIELDS = "{ outcome grid { code name community { name } } sponsor { name } }"
_ONE = f"query ($point: PointInput!) {{ locate(point: $point) {_FIELDS} }}"
_MANY = f"query ($points: [PointInput!]!) {{ locateMany(points: $points) {_FIELDS} }}"


def main() -> None:
    """Print the tables."""
    needs_wrk()
    with tempfile.TemporaryDirectory(prefix="gridmap-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the cluster's user must enter it where this user is root
        with private_cluster(folder / "cluster", durable=False) as url:
            load_demo_district(url)
            with served(url) as (address, process):
                cost = _requests(folder, address, process)
                asyncio.run(_parts(url, address, process, cost))


# One point a request


def _requests(folder: Path, address: str, process: int) -> float:
    """Microseconds of CPU that a locate costs the server."""
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
        answered(address, body)

    ways = {
        "/healthz": (f"{address}/healthz",),
        _VARIED: posts(folder, "varied", address, varied),
        "locate, always the same": posts(folder, "constant", address, [constant]),
    }
    rates: dict[str, list[float]] = {way: [] for way in ways}
    costs: dict[str, list[float]] = {way: [] for way in ways}
    for each in range(-1, _ROUNDS):  # the first round warms up
        for way, arguments in ways.items():
            before = cpu_seconds(process)
            rate, count, *_ = driven(_SECONDS, _CONNECTIONS, *arguments)
            if each >= 0:
                rates[way].append(rate)
                costs[way].append(1e6 * (cpu_seconds(process) - before) / count)
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
    return statistics.median(costs[_VARIED])


# Where the time goes


async def _parts(url: str, address: str, process: int, cost: float) -> None:
    """Takes both requests apart, in this process and so without HTTP; `cost` is that with HTTP."""
    app = application(Settings(), url)
    database, follower = Database(url), Follower(url, _REACH_METRES)
    following = asyncio.create_task(follower.run())
    async with app.router.lifespan_context(app):
        while follower.snapshot(today()) is None:
            await asyncio.sleep(0.1)
        await asyncio.sleep(1)  # the application follows for itself
        gc.freeze()  # what the benchmark keeps is not the server's to look through

        def context() -> Context:
            return Context(database, _REACH_METRES, follower)

        await _parts_of_one(app, context, cost)
        await _parts_of_many(address, process, context)
    following.cancel()
    await asyncio.wait([following])
    await database.close()


async def _parts_of_one(app: Starlette, context: Callable[[], Context], cost: float) -> None:
    points = _points(_QUESTIONS).tolist()
    bodies = [request(_ONE, {"point": _point(*point)}) for point in points]
    given = [orjson.loads(body)["variables"] for body in bodies]
    [endpoint] = [
        route.app for route in app.routes if isinstance(route, Route) and route.path == "/graphql"
    ]
    answers: list[bytes] = []

    async def asked(app: ASGIApp, body: bytes) -> None:
        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            if "body" in message:
                answers.append(message["body"])

        await app(_scope(body), receive, send)

    for body in bodies:
        await asked(app, body)
    execute = _execution(_ONE)
    values = [execute(context(), variables) for variables in given]
    if answers != [orjson.dumps({"data": value}) for value in values]:
        raise AssertionError("Two ways gave different answers.")

    def through(app: ASGIApp) -> Callable[[int], Awaitable[None]]:
        return lambda each: asked(app, bodies[each])

    def resolved(each: int) -> None:
        """What the resolvers do, called one by one."""
        here = context()
        point = PointInput(**{**given[each]["point"], "datum": Datum.WGS84})
        location: Any = locate(here, point, today())
        location.outcome()
        if (row := location.located.grid) is not None:
            grid: Any = located_grid(row, today())
            grid.community(info=_InfoOf(here))
        location.sponsor()

    snapshot = context().snapshot(today())
    assert snapshot is not None
    at = snapshot.locate

    def looked_up(each: int) -> None:
        longitude, latitude = points[each]
        spot = at(longitude, latitude, _ACCURACY_METRES)
        _ = spot.grid, spot.is_within, spot.sponsor

    whole = await _microseconds(through(app))
    view = await _microseconds(through(endpoint))
    execution = await _microseconds(lambda each: execute(context(), given[each]))
    resolvers = await _microseconds(resolved)
    lookup = await _microseconds(looked_up)
    json = await _microseconds(
        lambda each: (orjson.loads(bodies[each]), orjson.dumps({"data": values[each]}))
    )
    print(
        f"\nOne locate, CPU, medians of {_RUNS}, each part timed alone\n"
        f"{'part':<28} {'µs':>6} share"
    )
    for part, microseconds in {
        "the HTTP server": cost - whole,
        "Starlette's routes": whole - view,
        "the view": view - execution - json,
        "JSON, in and out": json,
        "GraphQL": execution - resolvers,
        "resolvers": resolvers - lookup,
        "lookup": lookup,
    }.items():
        print(f"{part:<28} {microseconds:>6.0f} {microseconds / cost:>5.2f}")


async def _parts_of_many(address: str, process: int, context: Callable[[], Context]) -> None:
    points = _points(_POINTS)
    sent = request(_MANY, {"points": [_point(*point) for point in points.tolist()]})
    over_http, answer = await _timed(lambda: answered(address, sent), lambda: cpu_seconds(process))
    accuracies = [_ACCURACY_METRES] * len(points)
    execute, snapshot = _execution(_MANY), context().snapshot(today())
    assert snapshot is not None
    at = snapshot.locate_many

    def looked_up() -> list[object]:
        spots = at(points, accuracies)
        return [(spot.grid, spot.is_within, spot.sponsor) for spot in spots]

    async def by_postgis() -> list[object]:
        reach = _REACH_METRES
        rows = await context().run(locate_points, points, accuracies, today(), reach)
        return [(row.grid, row.is_within, row.sponsor) for row in rows]

    json_in, asked = await _timed(lambda: orjson.loads(sent))
    lookup, found = await _timed(looked_up)
    execution, data = await _timed(lambda: execute(context(), asked["variables"]))
    json_out, written = await _timed(lambda: orjson.dumps({"data": data}))
    postgis, others = await _timed(by_postgis, time.perf_counter)
    if orjson.loads(written)["data"] != answer or found != others:
        raise AssertionError("Two ways gave different answers.")
    print(
        f"\nlocateMany, {_POINTS:,} points, CPU, medians of {_RUNS}\n{'part':<28} {'ms':>6} share"
    )
    for part, seconds in {
        "the server, in all": over_http,
        "JSON in": json_in,
        "lookup": lookup,
        "GraphQL and resolvers": execution - lookup,
        "JSON out": json_out,
        "HTTP and the view": over_http - json_in - execution - json_out,
        "PostGIS, by the clock": postgis,
    }.items():
        print(f"{part:<28} {1e3 * seconds:>6.0f} {seconds / over_http:>5.2f}")


class _InfoOf:
    """As much of Strawberry's as a resolver uses."""

    def __init__(self, context: Context) -> None:
        self.context = context


def _execution(text: str) -> Callable[[Context, dict[str, Any]], dict[str, Any]]:
    """What the endpoint does for a document that it has seen before."""
    document = parse(text)
    operation = get_operation_ast(document)
    assert operation is not None
    planned = plan(schema, document, operation)
    assert planned is not None

    def execute(context: Context, variables: dict[str, Any]) -> dict[str, Any]:
        executor = schema.execution_context_class.build(
            schema._schema,
            document,
            context_value=context,
            raw_variable_values=variables,
        )
        assert not isinstance(executor, list)
        data = planned.data(executor)
        assert data is not None
        return data

    return execute


async def _microseconds(work: Callable[[int], object]) -> float:
    """Of CPU for one of many questions; the median of several runs."""
    taken = []
    for _ in range(_RUNS):
        began = time.process_time()
        for each in range(_QUESTIONS):
            result = work(each)
            if isawaitable(result):
                await result
        taken.append(1e6 * (time.process_time() - began) / _QUESTIONS)
    return statistics.median(taken)


async def _timed(
    work: Callable[[], Any], clock: Callable[[], float] = time.process_time
) -> tuple[float, Any]:
    """The median of seconds, of CPU if not said otherwise, and what came of it."""
    taken, result = [], None
    for _ in range(_RUNS):
        began = clock()
        result = work()
        if isawaitable(result):
            result = await result
        taken.append(clock() - began)
    return statistics.median(taken), result


def _scope(body: bytes) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/graphql",
        "raw_path": b"/graphql",
        "root_path": "",
        "query_string": b"",
        "headers": [
            (b"host", b"127.0.0.1:8000"),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ],
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 40000),
    }


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


if __name__ == "__main__":
    main()
