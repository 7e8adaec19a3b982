"""Measures tiles of 100,000 grids beside TiPg, which tells the same table's.

Run with `python -m bench.tiles`. Both serve one database in one run, each with one process and ten
connections, and are asked for the same tiles by turns, without compression. TiPg is asked for the
same fields, and told to put all features into a tile, not 10,000 at most. It is installed by pip in
an environment of its own, as gridmap itself does not need it.

- *uncached*: one request at a time, of a gridmap that keeps no tiles. Of each tile the median of
  several rounds counts; the figures are of all tiles of a zoom. *unkept* is gridmap's statement by
  itself while no shapes are kept, as it is after an import.
- *cached*: 16 connections, driven by wrk, of a gridmap that has told each tile before. TiPg keeps
  none, and is driven in the same way; where a tile takes it too long for that, its rate is twice
  that of one request at a time, for there are two cores. CPU is what the server and PostgreSQL used
  for a request: it is the truer one where other programs take their part of the machine, of which
  ten connections of PostgreSQL get more than one process does.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import socket
import statistics
import subprocess
import tempfile
import time
import venv
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, RemoteDisconnected
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import numpy as np
import psycopg
import shapely
from numpy.typing import NDArray

from bench.polygons import tiling_polygons
from bench.server import Server, cpu_seconds, served
from bench.wrk import driven, needs_wrk
from gridmap import migrations
from gridmap.geo.tiles import Tile
from gridmap.store.cluster import private_cluster
from gridmap.store.database import Database, tool_engine
from gridmap.store.dates import today
from gridmap.store.tile_shapes import TileShapes
from gridmap.store.tiles import grids_tile

Polygons = NDArray[np.object_]

_COUNT = 100_000
_ZOOMS = range(8, 17)
_MOST_TILES = 12
_ROUNDS = 5
_SECONDS = 3
_CONNECTIONS = 16
_TIPG = "tipg==1.6.1"
_COMMUNITY = "230402001001"

# wrk asks for the paths of a file, one a line, again and again.
_SCRIPT = """
local paths, next_one = {}, 0

function init(arguments)
  for path in io.lines(arguments[1]) do
    paths[#paths + 1] = wrk.format("GET", path)
  end
end

function request()
  next_one = next_one % #paths + 1
  return paths[next_one]
end
"""


def main() -> None:
    """Print the tables."""
    needs_wrk()
    with tempfile.TemporaryDirectory(prefix="gridmap-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)  # the cluster's user must enter it where this user is root
        url = stack.enter_context(private_cluster(folder / "cluster", durable=False))
        polygons = tiling_polygons(_COUNT)
        _load(url, polygons)
        tiles = {zoom: _tiles(zoom, polygons) for zoom in _ZOOMS}
        tipg = stack.enter_context(_tipg(folder, url))
        unkept = {zoom: asyncio.run(_unkept(url, some)) for zoom, some in tiles.items()}
        _fill(url)
        with served(url, GRIDMAP_TILE_CACHE="0") as server:
            alone = _uncached({"ours": server.address, "tipg": tipg.address}, tiles, unkept)
        with served(url) as server:
            _cached(folder, url, {"ours": server, "tipg": tipg}, tiles, alone)


def _load(url: str, polygons: Polygons) -> None:
    engine = tool_engine(url)
    with engine.begin() as connection:
        migrations.upgrade(connection)
    engine.dispose()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO regions (code, name, level) VALUES (%s, '友谊社区', 'COMMUNITY')",
            [_COMMUNITY],
        )
        connection.execute(
            """
            INSERT INTO grids (
                district_code, code, community_code, name, boundary, source_datum, valid_from
            )
            SELECT
                '230402', %s || lpad(CAST(number AS text), 6, '0'), %s, '第' || number || '网格',
                ST_Multi(ST_GeomFromWKB(outline, 4326)), 'WGS84', '2024-01-01'
            FROM unnest(CAST(%s AS bytea[])) WITH ORDINALITY AS given (outline, number)
            """,
            [_COMMUNITY, _COMMUNITY, shapely.to_wkb(polygons).tolist()],
        )
        connection.execute("VACUUM ANALYZE grids")


async def _unkept(url: str, tiles: Sequence[Tile]) -> float:
    """Tiles a second while no shapes are kept, by the statement alone."""
    database = Database(url, statement_timeout_seconds=60)
    taken = []
    async with database.connection() as connection:
        for tile in (tiles[0], *tiles):
            began = time.perf_counter()
            await grids_tile(connection, tile, None, today())
            taken.append(time.perf_counter() - began)
    await database.close()
    return len(tiles) / sum(taken[1:])


def _fill(url: str) -> None:
    async def filled() -> None:
        database = Database(url)
        await TileShapes(database).fill()
        await database.close()

    began = time.perf_counter()
    asyncio.run(filled())
    taken = time.perf_counter() - began
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE tile_shapes")
        row = connection.execute(
            "SELECT pg_total_relation_size('tile_shapes'), pg_total_relation_size('grids')"
        ).fetchone()
    assert row
    print(
        f"Shapes of {_COUNT:,} grids made in {taken:.0f} s, {_COUNT / taken:,.0f} a second; "
        f"{row[0] / 1e6:.0f} MB beside {row[1] / 1e6:.0f} MB of grids.\n",
        flush=True,
    )


def _tiles(zoom: int, polygons: Polygons) -> list[Tile]:
    """Tiles that polygons are in, some of them at the field's edge."""
    chosen = random.Random(zoom)
    side = 1 << zoom
    found: dict[Tile, None] = {}
    for polygon in chosen.choices(list(polygons), k=50):
        longitude, latitude = polygon.centroid.coords[0]
        down = 0.5 - math.asinh(math.tan(math.radians(latitude))) / (2 * math.pi)
        found[Tile(zoom, int((longitude + 180) / 360 * side), int(down * side))] = None
    return list(found)[:_MOST_TILES]


@contextmanager
def _tipg(folder: Path, url: str) -> Iterator[Server]:
    """A TiPg on the database, in an environment of its own."""
    environment = folder / "tipg"
    venv.create(environment, with_pip=True)
    programs = environment / "bin"
    subprocess.run(
        [programs / "pip", "install", "--quiet", _TIPG, "uvicorn", "uvloop", "httptools"],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    parts = urlsplit(url)
    host = quote(parse_qs(parts.query)["host"][0], safe="")
    server = subprocess.Popen(
        [programs / "uvicorn", "tipg.main:app", "--port", str(port), "--log-level", "warning"],
        cwd=folder,
        env={
            **os.environ,
            "DATABASE_URL": f"postgresql://{parts.username}@{host}{parts.path}",
            "TIPG_MAX_FEATURES_PER_TILE": str(2 * _COUNT),
            "TIPG_DB_SCHEMAS": '["public"]',
        },
    )
    try:
        while not _is_open(port):
            if server.poll() is not None:
                raise AssertionError("TiPg did not start.")
            time.sleep(0.1)
        yield Server(f"http://127.0.0.1:{port}", server.pid)
    finally:
        server.terminate()
        server.wait(timeout=30)


def _is_open(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


def _paths(tile: Tile) -> dict[str, str]:
    numbers = f"{tile.zoom}/{tile.column}/{tile.row}"
    return {
        "ours": f"/tiles/grids/{numbers}.mvt",
        "tipg": f"/collections/public.grids/tiles/WebMercatorQuad/{numbers}"
        "?properties=code,name,community_code",
    }


def _uncached(
    addresses: dict[str, str], tiles: dict[int, list[Tile]], unkept: dict[int, float]
) -> dict[int, float]:
    """Prints a table, and gives TiPg's tiles a second at each zoom."""
    asked = {way: _Client(address) for way, address in addresses.items()}
    print(
        f"Uncached, one request at a time, {_ROUNDS} rounds\n"
        f"{'zoom':>4} {'tiles':>5} {'features':>8} {'TiPg':>8} {'ours/s':>8} {'TiPg/s':>8} "
        f"{'×':>5} {'bytes':>9} {'TiPg':>9} {'share':>5} {'unkept/s':>8}"
    )
    rates = {}
    for zoom, some in tiles.items():
        taken: dict[str, list[float]] = {way: [] for way in asked}
        sizes = dict.fromkeys(asked, 0)
        features = dict.fromkeys(asked, 0)
        for tile in some:
            rounds: dict[str, list[float]] = {way: [] for way in asked}
            bodies = {}
            for each in range(_ROUNDS + 1):
                for way, path in _paths(tile).items():
                    began = time.perf_counter()
                    bodies[way] = asked[way].get(path)
                    if each:  # the first round warms up
                        rounds[way].append(time.perf_counter() - began)
            for way in asked:
                taken[way].append(statistics.median(rounds[way]))
                sizes[way] += len(bodies[way])
            for way, body in bodies.items():
                features[way] += _features(body)
        if features["ours"] < 0.98 * features["tipg"]:
            raise AssertionError(f"{features} features at zoom {zoom}.")
        ours, tipg = (len(some) / sum(taken[way]) for way in ("ours", "tipg"))
        rates[zoom] = tipg
        print(
            f"{zoom:>4} {len(some):>5} {features['ours'] / len(some):>8,.0f} "
            f"{features['tipg'] / len(some):>8,.0f} {ours:>8.1f} {tipg:>8.1f} "
            f"{ours / tipg:>5.1f} {sizes['ours'] / len(some):>9,.0f} "
            f"{sizes['tipg'] / len(some):>9,.0f} {sizes['ours'] / sizes['tipg']:>5.2f} "
            f"{unkept.get(zoom, 0):>8.1f}",
            flush=True,
        )
    return rates


def _cached(
    folder: Path,
    url: str,
    servers: dict[str, Server],
    tiles: dict[int, list[Tile]],
    alone: dict[int, float],
) -> None:
    script = folder / "paths.lua"
    script.write_text(_SCRIPT)
    print(
        f"\nCached, {_CONNECTIONS} connections, medians of {_ROUNDS} rounds\n"
        f"{'zoom':>4} {'ours/s':>8} {'TiPg/s':>8} {'×':>7} {'CPU µs':>7} {'TiPg':>7} {'×':>5}"
    )
    for zoom, some in tiles.items():
        commands = {}
        for way, server in servers.items():
            paths = [_paths(tile)[way] for tile in some]
            for path in paths:
                _Client(server.address).get(path)
            (folder / f"{way}.paths").write_text("\n".join(paths))
            commands[way] = (
                "-s", f"{script}", server.address, "--", f"{folder / way}.paths"
            )  # fmt: skip
        rates: dict[str, list[float]] = {way: [] for way in servers}
        costs: dict[str, list[float]] = {way: [] for way in servers}
        for _ in range(_ROUNDS):
            for way, server in servers.items():
                if way == "tipg" and alone[zoom] < _CONNECTIONS:
                    rates[way].append(2 * alone[zoom])
                    continue
                before = _cpu_seconds(url, server.process)
                done = driven(_SECONDS, _CONNECTIONS, *commands[way])
                rates[way].append(done.rate)
                used = _cpu_seconds(url, server.process) - before
                costs[way].append(1e6 * used / done.requests)
        ours, tipg = (statistics.median(rates[way]) for way in ("ours", "tipg"))
        cpu = statistics.median(costs["ours"])
        of_tipg = statistics.median(costs["tipg"]) if costs["tipg"] else math.nan
        print(
            f"{zoom:>4} {ours:>8,.0f} {tipg:>8.1f} {ours / tipg:>7.0f} "
            f"{cpu:>7,.0f} {of_tipg:>7,.0f} {of_tipg / cpu:>5.0f}",
            flush=True,
        )


def _cpu_seconds(url: str, process: int) -> float:
    """What a server and PostgreSQL have used so far."""
    with psycopg.connect(url) as connection:
        own = connection.info.backend_pid
        backends = [
            pid
            for (pid,) in connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
            )
            if pid != own
        ]
        return cpu_seconds(process) + sum(map(cpu_seconds, backends))


class _Client:
    """A connection that is kept, and takes what comes."""

    def __init__(self, address: str) -> None:
        self._connection = HTTPConnection(address.removeprefix("http://"), timeout=120)

    def get(self, path: str) -> bytes:
        try:
            self._connection.request("GET", path)
            response = self._connection.getresponse()
        except (RemoteDisconnected, ConnectionResetError):  # it was idle for too long
            self._connection.close()
            return self.get(path)
        body = response.read()
        if response.status not in (200, 204):
            raise AssertionError(body.decode()[:1000])
        return body


def _features(body: bytes) -> int:
    """How many features are in a tile: its layer's fields of number 2, by the wire format."""
    if not body:
        return 0
    place, count = 1, 0
    _, place = _varint(body, place)
    while place < len(body):
        key, place = _varint(body, place)
        value, place = _varint(body, place)
        count += key == 0x12
        place += value if key & 7 == 2 else 0
    return count


def _varint(body: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = body[place]
        place += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, place


if __name__ == "__main__":
    main()
