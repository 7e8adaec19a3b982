"""Tiles over HTTP: what viewers get, what they are told when they ask amiss, and when it is new."""

from __future__ import annotations

import gzip
import math
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import mapbox_vector_tile
import orjson
import psycopg
import pyarrow
import pyogrio.raw
import pytest
import shapely
from shapely.geometry import shape

from gridmap.store import tables
from gridmap.store.database import tool_engine
from gridmap.store.viewers import Role
from tests.api.conftest import Server, gridmap
from tests.districts import (
    COMMUNITY,
    SIDE,
    SOUTH,
    WEST,
    building_code,
    grid_code,
    put_building,
    put_district,
)
from tests.reports import put_report
from tests.waiting import wait_until

_client = httpx.Client(timeout=60)

EXTENT = 4096
COUNT = 90
SECRET_TEXT = "不该给别人看的话"
MIDDLE = (WEST + 1.5 * SIDE, SOUTH + SIDE)
HOUSE = building_code(7)

LIST = "query ($filter: ReportFilter) { reports(filter: $filter, first: 100) { nodes { number } } }"

FILTERS: list[dict[str, Any]] = [
    {},
    {"states": ["DISPATCHED", "RATED"]},
    {"category": "01", "open": True},
    {"overdue": True},
    {"urgency": "EMERGENCY"},
    {"region": COMMUNITY, "since": "2026-05-01T00:00:00+08:00"},
    {"grid": grid_code(2)},
    {"until": "2026-05-01T00:00:00Z"},
]


@pytest.fixture(scope="module")
def server(database_url: str) -> Iterator[Server]:
    engine = tool_engine(database_url)
    with engine.begin() as connection:
        put_district(connection)
        west, south = WEST + SIDE / 4, SOUTH + SIDE / 4
        put_building(
            connection,
            HOUSE,
            shapely.Point(west, south),
            footprint=shapely.box(west, south, west + SIDE / 8, south + SIDE / 8),
        )
    engine.dispose()
    chance = random.Random(11)
    with psycopg.connect(database_url) as connection:
        for number in range(COUNT):
            place = (
                (WEST + chance.random() * 3 * SIDE, SOUTH + chance.random() * 2 * SIDE)
                if number % 3
                else (chance.uniform(75, 134), chance.uniform(19, 53))
            )
            put_report(
                connection,
                state=chance.choice([state for state in tables.STATES if state != "MERGED"]),
                category=chance.choice(["0101", "0102", "1101"]),
                urgency=chance.choice(tables.URGENCIES),
                description=SECRET_TEXT,
                longitude=place[0],
                latitude=place[1],
                grid=grid_code(chance.randint(1, 6)),
                due_at=chance.choice([None, "2026-01-01T00:00:00Z", "2100-01-01T00:00:00Z"]),
            )
    with gridmap("serve", DATABASE_URL=database_url) as server:
        yield server


def tile_of(longitude: float, latitude: float, zoom: int) -> tuple[int, int, int]:
    side = 1 << zoom
    down = 0.5 - math.asinh(math.tan(math.radians(latitude))) / (2 * math.pi)
    return zoom, int((longitude + 180) / 360 * side), int(down * side)


def get(server: Server, path: str, accept: str = "identity", **more: Any) -> httpx.Response:
    headers = {"accept-encoding": accept, **server.headers(Role.AUDITOR), **more.pop("headers", {})}
    return _client.get(f"{server.address}/tiles/{path}", headers=headers, **more)


def features(server: Server, layer: str, place: tuple[int, int, int], **given: str) -> list[Any]:
    answer = get(server, f"{layer}/{'/'.join(map(str, place))}.mvt", params=given)
    if answer.status_code == 204:
        return []
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/vnd.mapbox-vector-tile"
    [(name, told)] = mapbox_vector_tile.decode(
        answer.content, default_options={"y_coord_down": True}
    ).items()
    assert name == layer
    found: list[Any] = told["features"]
    return found


def around(zoom: int) -> list[tuple[int, int, int]]:
    """The tiles that the district lies in."""
    _, west, south = tile_of(WEST, SOUTH, zoom)
    _, east, north = tile_of(WEST + 3 * SIDE, SOUTH + 2 * SIDE, zoom)
    return [(zoom, x, y) for x in range(west, east + 1) for y in range(north, south + 1)]


def in_degrees(outline: dict[str, Any], place: tuple[int, int, int]) -> Any:
    zoom, column, row = place
    side = EXTENT << zoom

    def placed(at: Any) -> Any:
        at[:, 0] = (at[:, 0] + column * EXTENT) / side * 360 - 180
        for each in at:
            down = math.pi * (1 - 2 * (each[1] + row * EXTENT) / side)
            each[1] = math.degrees(math.atan(math.sinh(down)))
        return at

    return shapely.transform(shape(outline), placed)


def test_every_layer_tells_the_fields_that_its_tilejson_names_and_nothing_personal(
    server: Server,
) -> None:
    for layer, zoom in {
        "regions": 12, "grids": 12, "buildings": 15, "reports": 14, "report_clusters": 16
    }.items():  # fmt: skip
        said = get(server, f"{layer}.json").json()
        assert said["tilejson"] == "3.0.0"
        [described] = said["vector_layers"]
        assert described["id"] == layer
        found = [each for place in around(zoom) for each in features(server, layer, place)]
        if layer != "regions":  # which have no outlines here
            assert {name for each in found for name in each["properties"]} == set(
                described["fields"]
            )
        url = said["tiles"][0]
        for name, number in zip("zxy", tile_of(*MIDDLE, zoom), strict=True):
            url = url.replace(f"{{{name}}}", f"{number}")
        assert SECRET_TEXT.encode() not in _client.get(url).content


def test_grids_and_sponsors_are_those_of_the_day_that_is_asked_for(server: Server) -> None:
    place = tile_of(WEST + 2.9 * SIDE, SOUTH + 0.9 * SIDE, 13)
    for day, height in {"2026-03-01": SIDE, "2024-06-01": SIDE / 2}.items():
        found = {
            each["properties"]["code"]: each for each in features(server, "grids", place, on=day)
        }
        _, south, _, north = in_degrees(found[grid_code(6)]["geometry"], place).bounds
        assert north - south == pytest.approx(height, abs=SIDE / 50)
    assert features(server, "grids", place, on="2020-01-01") == []

    def sponsors(layer: str, **given: str) -> dict[str, str | None]:
        found = features(server, layer, tile_of(*MIDDLE, 12), **given)
        said = (each["properties"] for each in found)
        return {each["code"]: each.get("sponsor") for each in said}

    assert sponsors("grids") == {
        grid_code(number): "S2" if number < 3 else None for number in range(1, 7)
    }
    assert sponsors("buildings")[building_code(1)] == "S1"
    assert sponsors("buildings", on="2025-01-01")[building_code(1)] == "S2"


def test_buildings_are_points_and_then_footprints_where_they_are_known(server: Server) -> None:
    for zoom, kind in {12: "Point", 16: "Polygon"}.items():
        place = tile_of(WEST + 0.26 * SIDE, SOUTH + 0.26 * SIDE, zoom)
        found = {each["properties"]["code"]: each for each in features(server, "buildings", place)}
        house = found[HOUSE]
        assert house["geometry"]["type"] == kind
        assert house["properties"]["management"] == "UNMANAGED"
        longitude, latitude, *_ = in_degrees(house["geometry"], place).bounds
        assert (longitude, latitude) == pytest.approx((WEST + SIDE / 4, SOUTH + SIDE / 4), abs=1e-4)
    counted = Counter(
        each["properties"]["code"]
        for place in around(16)
        for each in features(server, "buildings", place)
        if each["geometry"]["type"] == "Point"
    )
    assert counted == {building_code(number): 1 for number in range(1, 7)}


@pytest.mark.parametrize("wanted", FILTERS, ids=str)
def test_reports_and_clusters_are_those_that_the_list_has(
    server: Server, wanted: dict[str, Any]
) -> None:
    listed = {each["number"] for each in server.ask(LIST, filter=wanted)["reports"]["nodes"]}
    # In the two ways of asking: word by word, and as the export of files is asked.
    words = {
        name: str(value).lower() if isinstance(value, bool) else
        ",".join(value) if isinstance(value, list) else value
        for name, value in wanted.items()
    }  # fmt: skip
    as_json = {"filter": orjson.dumps(wanted).decode()}
    for given in (words, as_json):
        shown = [
            each["properties"]["number"]
            for place in around(14)
            for each in features(server, "reports", place, **given)
        ]
        assert len(shown) == len(set(shown))
        assert set(shown) <= listed
        clusters = [
            each["properties"]
            for x in range(4)
            for y in range(4)
            for each in features(server, "report_clusters", (2, x, y), **given)
        ]
        assert sum(each["count"] for each in clusters) == len(listed)
        assert {each["number"] for each in clusters if each["count"] == 1} <= listed
    boxed = {
        "west": WEST, "south": SOUTH, "east": WEST + 3 * SIDE, "north": SOUTH + 2 * SIDE
    }  # fmt: skip
    nodes = server.ask(LIST, filter={**wanted, "bounds": boxed})["reports"]["nodes"]
    assert {each["number"] for each in nodes} <= set(shown)


def test_a_region_is_shown_with_all_below_it_and_nothing_else(server: Server) -> None:
    place = tile_of(*MIDDLE, 12)
    everything = features(server, "grids", place)
    assert features(server, "grids", place, region="2304") == everything
    assert features(server, "grids", place, region="230402002006") == []
    assert features(server, "buildings", place, region=COMMUNITY)
    described = get(server, "grids.json", params={"region": "2304"}).json()
    assert described["tiles"][0].endswith("/tiles/grids/{z}/{x}/{y}.mvt?region=2304")


def test_a_tile_is_packed_as_the_client_wishes_and_not_sent_to_whoever_has_it(
    server: Server,
) -> None:
    path = "grids/{}/{}/{}.mvt".format(*tile_of(*MIDDLE, 12))
    plain = get(server, path)
    assert "content-encoding" not in plain.headers
    for accept, coding in {
        "gzip, deflate, br": "gzip",
        "gzip, zstd": "zstd",
        "zstd;q=0": None,
    }.items():
        with _client.stream(
            "GET", f"{server.address}/tiles/{path}", headers={"accept-encoding": accept}
        ) as answer:
            raw = b"".join(answer.iter_raw())
        assert answer.headers.get("content-encoding") == coding
        assert "accept-encoding" in answer.headers["vary"]
        match coding:
            case "gzip":
                raw = gzip.decompress(raw)
            case "zstd":
                raw = pyarrow.Codec("zstd").decompress(raw, len(plain.content), asbytes=True)
        assert raw == plain.content
        tag = answer.headers["etag"]
        again = get(server, path, accept, headers={"if-none-match": f'"other", W/{tag}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    empty = get(server, "grids/12/0/0.mvt")
    assert (empty.status_code, empty.content) == (204, b"")
    head = _client.head(f"{server.address}/tiles/{path}", headers={"accept-encoding": "identity"})
    assert head.headers["etag"] == plain.headers["etag"]


def test_a_tile_that_is_kept_is_told_as_it_was_at_first_but_to_no_wrong_token(
    server: Server,
) -> None:
    path = "grids/{}/{}/{}.mvt?on=2026-03-01".format(*tile_of(*MIDDLE, 12))
    own = {"date", "x-request-id"}
    first, *others = (
        (answer.status_code, answer.content, [h for h in answer.headers.items() if h[0] not in own])
        for answer in (get(server, path) for _ in range(3))
    )
    assert first[0] == 200
    assert others == [first, first]
    refused = get(server, path, headers={"authorization": "Bearer of.no.body"})
    assert (refused.status_code, refused.json()["errors"][0]["extensions"]["code"]) == (
        401,
        "UNAUTHENTICATED",
    )
    ids = {get(server, path).headers["x-request-id"] for _ in range(5)}
    assert len(ids) == 5
    assert _client.put(f"{server.address}/tiles/{path}").status_code == 405


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("roads/1/1/1.mvt", 404, "There is no layer 'roads'; there are regions, grids,"),
        ("roads.json", 404, "There is no layer 'roads'"),
        ("grids/12/4096/0.mvt", 400, "no tile with x 4096 at zoom 12; x goes from 0 to 4095."),
        ("grids/12/0/-1.mvt", 400, "'-1' is no number of a tile"),
        ("grids/99/0/0.mvt", 400, "There is no zoom 99"),
        ("grids/7/0/0.mvt", 400, "There are no grids at zoom 7; ask for zooms 8 to 16."),
        ("grids/12/0/0.mvt?day=1", 400, "no parameter 'day' of grids; there are region, on."),
        ("grids/12/0/0.mvt?on=1.3.2026", 400, "on is '1.3.2026', which is no day"),
        ("grids/12/0/0.mvt?region=99", 404, "There is no region '99'."),
        ("grids/12/0/0.mvt?region=23&region=24", 400, "The parameter 'region' is given twice"),
        ("reports/14/0/0.mvt?open=perhaps", 400, "open: Boolean cannot represent"),
        ("reports/14/0/0.mvt?states=LOST", 400, "LOST"),
        ("reports/14/0/0.mvt?filter=[]", 400, "it is no object"),
        ("reports/14/0/0.mvt?category=99", 400, "99"),
        ("style.json?dark=1", 400, "There is no parameter 'dark'"),
    ],
)  # fmt: skip
def test_whoever_asks_amiss_is_told_what_there_is(
    server: Server, path: str, status: int, said: str
) -> None:
    answer = get(server, path)
    assert (answer.status_code, answer.headers["cache-control"]) == (status, "no-store")
    assert said in answer.json()["errors"][0]["message"]
    # Nor is anybody sent there.
    layer, _, query = path.partition("?")
    if query and layer != "style.json":
        described = get(server, f"{layer.partition('/')[0]}.json?{query}")
        assert (described.status_code, described.json()) == (status, answer.json())


@pytest.mark.parametrize(
    ("layer", "query"), [("report_clusters", "urgency=URGENT"), ("reports", "")]
)
def test_what_is_not_for_the_public_is_not_described_to_it(
    server: Server, layer: str, query: str
) -> None:
    asked = [f"{layer}/14/0/0.mvt?{query}", f"{layer}.json?{query}"]
    if not query:
        asked.append(f"style.json?layer={layer}")
    answers = [_client.get(f"{server.address}/tiles/{path}") for path in asked]
    assert [each.status_code for each in answers] == [403] * len(asked)
    assert all(each.json() == answers[0].json() for each in answers)


def test_a_change_is_seen_in_the_tiles_that_show_it_and_leaves_the_others(
    server: Server, database_url: str
) -> None:
    place = tile_of(*MIDDLE, 12)
    grids, buildings = (f"{layer}/12/{place[1]}/{place[2]}.mvt" for layer in ("grids", "buildings"))
    before, others = get(server, grids), get(server, buildings)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE grids SET name = '新名' WHERE code = %s", [grid_code(2)])
        # The feed says so within a quarter of a second.
        known = {"if-none-match": before.headers["etag"]}
        wait_until(lambda: get(server, grids, headers=known).status_code == 200)
        assert "新名" in {each["properties"]["name"] for each in features(server, "grids", place)}
        assert get(server, buildings).headers["etag"] == others.headers["etag"]
        # How a building is managed stands in a table of its own.
        connection.execute(
            "INSERT INTO building_managements VALUES ('230402', %s, 'PROFESSIONAL', '2024-01-01')",
            [building_code(2)],
        )
        wait_until(
            lambda: any(
                each["properties"]["management"] == "PROFESSIONAL"
                for each in features(server, "buildings", place)
            )
        )
        # A report is there at once.
        put_report(connection, longitude=MIDDLE[0], latitude=MIDDLE[1])
        whole = features(server, "report_clusters", (0, 0, 0))
        assert sum(each["properties"]["count"] for each in whole) == COUNT + 1


def test_the_style_of_one_layer_draws_it_and_no_ground_over_others(server: Server) -> None:
    style = get(server, "style.json?layer=grids").json()
    assert set(style["sources"]) == {"grids"}
    assert {layer.get("source") for layer in style["layers"]} == {"grids"}


def test_the_style_draws_sources_that_are_there(server: Server) -> None:
    style = get(server, "style.json").json()
    assert style["version"] == 8
    assert style["center"] == pytest.approx(MIDDLE, abs=1e-6)
    assert "glyphs" not in style
    drawn = {layer["source"] for layer in style["layers"] if "source" in layer}
    assert drawn == set(style["sources"])
    for name, source in style["sources"].items():
        assert source["url"].startswith(server.address)
        [described] = get(server, f"{name}.json").json()["vector_layers"]
        layers = [layer for layer in style["layers"] if layer.get("source") == name]
        assert {layer["source-layer"] for layer in layers} == {described["id"]}
        fields = set(described["fields"])
        for layer in layers:
            assert _fields_of([layer["paint"], layer.get("filter")]) <= fields


def _fields_of(expression: Any) -> set[str]:
    match expression:
        case ["get" | "has", str(field)]:
            return {field}
        case list():
            return {field for each in expression for field in _fields_of(each)}
        case dict():
            return _fields_of(list(expression.values()))
    return set()


def test_gdal_reads_a_tile_and_puts_it_where_it_is(server: Server, tmp_path: Path) -> None:
    zoom, column, row = tile_of(*MIDDLE, 12)
    body = get(server, f"grids/{zoom}/{column}/{row}.mvt").content
    file = tmp_path / "tile.mvt"
    file.write_bytes(body)
    meta, _, outlines, _ = pyogrio.raw.read(file, X=column, Y=row, Z=zoom, METADATA_FILE="")
    assert "3857" in meta["crs"]
    radius = 6378137
    west, south = math.radians(WEST) * radius, math.asinh(math.tan(math.radians(SOUTH))) * radius
    found = shapely.union_all(shapely.from_wkb(outlines))
    unit = 2 * math.pi * radius / (EXTENT << zoom)
    assert found.bounds[:2] == pytest.approx((west, south), abs=4 * unit)
