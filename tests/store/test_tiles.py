"""Tiles show what is kept, where it is, and neighbours side by side."""

from __future__ import annotations

import asyncio
import datetime
import math
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import mapbox_vector_tile
import numpy as np
import psycopg
import pyproj
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely.geometry import shape
from sqlalchemy.ext.asyncio import AsyncConnection

from bench.polygons import tiling_polygons
from gridmap.geo.tiles import BUFFER, EXTENT, Tile
from gridmap.store.database import Database
from gridmap.store.tile_shapes import TileShapes
from gridmap.store.tiles import grids_tile
from tests.reports import COMMUNITIES, put_regions

DAY = datetime.date(2026, 3, 2)
HALF_WORLD = 20037508.342789244
# Half a pixel, to which corners are moved, along the diagonal; and what a tile's own units round.
MOVED = math.hypot(2, 2) + 1e-6


@pytest.fixture(scope="module")
def url(database_url: str) -> str:
    put_regions(database_url)
    return database_url


def put_grids(url: str, polygons: Iterable[shapely.Polygon]) -> None:
    """Puts these grids, and none but these."""
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("TRUNCATE grids")
        cursor.executemany(
            """
            INSERT INTO grids (
                district_code, code, community_code, name, boundary, source_datum, valid_from
            )
            VALUES (%s, %s, %s, '网格', ST_Multi(ST_GeomFromWKB(%s, 4326)), 'WGS84', '2024-01-01')
            """,
            [
                (COMMUNITIES[0][:6], f"{COMMUNITIES[0]}{number:03}", COMMUNITIES[0], polygon.wkb)
                for number, polygon in enumerate(polygons)
            ],
        )


def asked(url: str, ask: Callable[[AsyncConnection], Awaitable[Any]]) -> Any:
    async def answer() -> Any:
        database = Database(url, pool_size=2)
        try:
            async with database.connection() as connection:
                return await ask(connection)
        finally:
            await database.close()

    return asyncio.run(answer())


def told(url: str, tiles: Iterable[Tile]) -> dict[Tile, bytes]:
    async def ask(connection: AsyncConnection) -> dict[Tile, bytes]:
        return {tile: await grids_tile(connection, tile, None, DAY) for tile in tiles}

    found: dict[Tile, bytes] = asked(url, ask)
    return found


def fill(url: str) -> None:
    async def filled() -> None:
        database = Database(url, pool_size=2)
        await TileShapes(database).fill()
        await database.close()

    asyncio.run(filled())


def outlines(body: bytes, tile: Tile) -> dict[str, Any]:
    """Of each grid its outline in units of the zoom, from the world's corner, y to the south."""
    if not body:
        return {}
    layer = mapbox_vector_tile.decode(body, default_options={"y_coord_down": True})["grids"]
    assert (layer["version"], layer["extent"]) == (2, EXTENT)
    return {
        feature["properties"]["code"]: shapely.transform(
            shape(feature["geometry"]), lambda at: at + np.array([tile.west, tile.north])
        )
        for feature in layer["features"]
    }


def in_units(polygons: Iterable[shapely.Polygon], zoom: int) -> list[Any]:
    """Where outlines are at a zoom, by PROJ."""
    project = pyproj.Transformer.from_crs(4326, 3857, always_xy=True).transform
    scale = (EXTENT << zoom) / (2 * HALF_WORLD)

    def placed(at: Any) -> Any:
        x, y = project(at[:, 0], at[:, 1])
        return np.column_stack([(x + HALF_WORLD) * scale, (HALF_WORLD - y) * scale])

    return [shapely.transform(polygon, placed) for polygon in polygons]


def tiles_over(placed: Iterable[Any], zoom: int) -> list[Tile]:
    west, north, east, south = shapely.total_bounds(list(placed)) // EXTENT
    return [
        Tile(zoom, column, row)
        for column in range(int(west), int(east) + 1)
        for row in range(int(north), int(south) + 1)
    ]


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.integers(0, 1000),
    st.sampled_from([8, 10, 12, 14]),
    st.sampled_from([0.002, 0.005, 0.03]),
    st.booleans(),
)
def test_neighbours_lie_side_by_side_in_every_tile_and_across_its_edges(
    url: str, seed: int, zoom: int, cell: float, is_kept: bool
) -> None:
    # 1. Grids that tile a field around the corner of four tiles.
    down = 0.5 - math.asinh(math.tan(math.radians(47.3))) / (2 * math.pi)
    corner = Tile(zoom, int((130.3 + 180) / 360 * (1 << zoom)), int(down * (1 << zoom))).bounds()
    polygons = list(
        tiling_polygons(
            16,
            20,
            west=corner.west - 2 * cell,
            south=corner.north - 2 * cell * 0.66,
            cell_longitude=cell,
            cell_latitude=cell * 0.66,
            seed=seed,
        )
    )
    put_grids(url, polygons)
    if is_kept:
        fill(url)
    placed = in_units(polygons, zoom)

    # 2. Each outline is whole in its tiles taken together, and within half a pixel of the truth.
    parts: dict[str, list[Any]] = {}
    tiles = tiles_over(placed, zoom)
    for tile, body in told(url, tiles).items():
        square = shapely.box(tile.west, tile.north, tile.west + EXTENT, tile.north + EXTENT)
        for code, outline in outlines(body, tile).items():
            assert outline.is_valid
            assert square.buffer(BUFFER, join_style="mitre").contains(outline)
            parts.setdefault(code, []).append(outline & square)
    shown = {int(code[-3:]): shapely.union_all(some) for code, some in parts.items()}
    for number, truth in enumerate(placed):
        outline = shown.get(number, shapely.Polygon())
        # Only what is narrower than half a pixel is gone.
        assert truth.buffer(-MOVED).difference(outline.buffer(MOVED + 1)).is_empty
        assert outline.difference(truth.buffer(MOVED + 1)).is_empty

    # 3. Between them nothing is open, and nothing is covered twice, by more than the unit in which
    # a cut at a tile's edge is rounded.
    field = shapely.union_all(list(shown.values()))
    inside = shapely.union_all(placed).buffer(-MOVED - 1)
    assert inside.difference(field).buffer(-0.51).is_empty
    some = list(shown.values())
    for first in range(len(some)):
        for second in range(first):
            assert (some[first] & some[second]).buffer(-0.51).is_empty


def test_shapes_that_are_kept_and_those_made_on_the_spot_say_the_same(url: str) -> None:
    polygons = list(tiling_polygons(30, 30, west=130.3, south=47.3, seed=5))
    put_grids(url, polygons)
    tiles = [
        tile for zoom in range(8, 17) for tile in tiles_over(in_units(polygons[:4], zoom), zoom)
    ]
    before = told(url, tiles)
    fill(url)
    with psycopg.connect(url, autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM tile_shapes").fetchone() == (30,)
    assert told(url, tiles) == before


def test_a_tile_shows_a_new_outline_at_once_and_a_lost_one_no_more(url: str) -> None:
    # 1. Shapes are kept.
    here, there = tiling_polygons(2, 4, west=130.3, south=47.3)
    put_grids(url, [here])
    fill(url)
    [tile] = tiles_over(in_units([here.centroid.buffer(1e-6)], 12), 12)
    # 2. An outline changes behind the back of whoever fills.
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "UPDATE grids SET boundary = ST_Multi(ST_GeomFromWKB(%s, 4326))", [there.wkb]
        )
        [outline] = outlines(told(url, [tile])[tile], tile).values()
        [expected] = in_units([there], 12)
        assert outline.hausdorff_distance(expected) <= MOVED
        # 3. What is kept then is of the new one, and of no grid that is no more.
        fill(url)
        [outline] = outlines(told(url, [tile])[tile], tile).values()
        assert outline.hausdorff_distance(expected) <= MOVED
        connection.execute("DELETE FROM grids")
        fill(url)
        assert told(url, [tile]) == {tile: b""}
        assert connection.execute("SELECT count(*) FROM tile_shapes").fetchone() == (0,)


def test_outlines_that_cross_themselves_when_moved_are_mended(url: str) -> None:
    chance = random.Random(3)
    combs = []
    for number in range(40):
        # Teeth of a comb, most of them narrower than half a pixel at zoom 8.
        west, south = 130.3 + number * 0.05, 47.3
        across = sorted(chance.uniform(0, 0.04) for _ in range(20))
        teeth = [(west + x, south + chance.choice((0.001, 0.03))) for x in across]
        combs.append(shapely.Polygon([(west, south), (west + 0.04, south), *reversed(teeth)]))
    combs = [comb for comb in combs if comb.is_valid]
    put_grids(url, combs)
    for zoom in (8, 9, 11):
        for tile, body in told(url, tiles_over(in_units(combs, zoom), zoom)).items():
            assert all(outline.is_valid for outline in outlines(body, tile).values())


def test_what_lies_beyond_web_mercator_is_in_no_tile_and_in_nobodys_way(url: str) -> None:
    here, _ = tiling_polygons(2, 4, west=130.3, south=47.3)
    put_grids(url, [here, shapely.box(130, 85, 131, 90)])
    fill(url)
    [tile] = tiles_over(in_units([here.centroid.buffer(1e-6)], 12), 12)
    assert len(outlines(told(url, [tile])[tile], tile)) == 1
