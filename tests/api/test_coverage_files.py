"""Lists of coverage as files over HTTP: they hold what GraphQL lists, and where it is."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
import shapely
from shapely import box
from shapely.geometry import shape
from sqlalchemy import text

from gridmap.api.coverage_files import LISTS
from gridmap.store.database import tool_engine
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

OUTLINED = "ST_Multi(ST_GeomFromText(:wkt, 4326))"
OUTLINE = box(WEST, SOUTH, WEST + 3 * SIDE, SOUTH + 2 * SIDE)
FORMULA = '=HYPERLINK("http://example.invalid")'

ASKED = {
    "gaps": "area buildings neighbours { code }",
    "overlaps": "area buildings grids { code }",
    "gridsOverNorm": "grid { code } households workers householdsPerWorker",
}
PARAMETERS: dict[str, dict[str, object]] = {
    "gridsOverNorm": {"norm": 5},
    "buildingsNotVisited": {"days": 30},
}


@pytest.fixture(scope="module")
def server(database_url: str) -> Iterator[Server]:
    """A district where every list has something in it."""
    engine = tool_engine(database_url)
    with engine.begin() as connection:
        put_district(connection)
        # Grid 2 is gone, grid 4 reaches into grid 5, and one building stands far off.
        connection.execute(text("DELETE FROM grids WHERE code = :code"), {"code": grid_code(2)})
        wider = box(WEST, SOUTH, WEST + 1.1 * SIDE, SOUTH + SIDE)
        connection.execute(
            text(f"UPDATE grids SET boundary = {OUTLINED} WHERE code = :code"),
            {"code": grid_code(4), "wkt": wider.wkt},
        )
        connection.execute(
            text(f"UPDATE regions SET boundary = {OUTLINED} WHERE code = :code"),
            {"code": COMMUNITY, "wkt": OUTLINE.wkt},
        )
        put_building(connection, building_code(7), shapely.Point(WEST - 1, SOUTH))
        connection.execute(
            text("UPDATE buildings SET name = :name WHERE code = :code"),
            {"name": FORMULA, "code": building_code(7)},
        )
    engine.dispose()
    with gridmap("serve", DATABASE_URL=database_url) as server:
        yield server


def file(server: Server, name: str, **parameters: object) -> httpx.Response:
    given = {key: str(value) for key, value in {"region": COMMUNITY, **parameters}.items()}
    return httpx.get(f"{server.address}/coverage/{name}", params=given, timeout=30)


def rows(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    assert answer.content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


def features(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.headers["content-type"] == "application/geo+json"
    collection = answer.json()
    assert collection["type"] == "FeatureCollection"
    assert collection["datum"] == "WGS84"
    found: list[dict[str, Any]] = collection["features"]
    return found


def listed(server: Server, name: str) -> list[dict[str, Any]]:
    arguments = "".join(f"({key}: {value})" for key, value in PARAMETERS.get(name, {}).items())
    asked = f"{name}{arguments} {{ nodes {{ {ASKED.get(name, 'code name')} }} }}"
    data = server.ask(f'{{ coverage(region: "{COMMUNITY}") {{ {asked} }} }}')
    nodes: list[dict[str, Any]] = data["coverage"][name]["nodes"]
    return nodes


@pytest.mark.parametrize("name", LISTS)
def test_the_files_of_a_list_hold_what_the_list_holds(server: Server, name: str) -> None:
    nodes, given = listed(server, name), PARAMETERS.get(name, {})
    assert nodes
    table = rows(file(server, f"{name}.csv", language="en", **given))
    drawn = features(file(server, f"{name}.geojson", **given))
    assert len(table) == len(drawn) == len(nodes)
    for node, row, feature in zip(nodes, table, drawn, strict=True):
        properties = feature["properties"]
        if "area" in node:
            around = [grid["code"] for grid in node.get("neighbours") or node["grids"]]
            assert properties["area"] == node["area"] == float(row["Area (m²)"])
            assert properties["buildings"] == node["buildings"] == int(row["Buildings"])
            assert around in properties.values()
            assert " ".join(around) in row.values()
        else:
            code = node["code"] if "code" in node else node["grid"]["code"]
            assert code == properties["code"]
            assert code in row.values()
            assert properties["communityName"] == row["Community"] == "友谊社区"
        for key in ("households", "workers", "householdsPerWorker"):
            assert key not in node or node[key] == properties[key]
        # The point of the row lies in what the feature draws, whose rings turn as RFC 7946 asks.
        place = shape(feature["geometry"])
        at = shapely.Point(float(row["Longitude (WGS 84)"]), float(row["Latitude (WGS 84)"]))
        assert place.distance(at) < 1e-9
        assert all(each.exterior.is_ccw for each in getattr(place, "geoms", []))


def test_a_list_with_nothing_in_it_is_a_whole_file(server: Server) -> None:
    nothing = {"region": "230402002006"}
    assert rows(file(server, "gridsWithoutWorker.csv", **nothing)) == []
    assert features(file(server, "gridsWithoutWorker.geojson", **nothing)) == []
    assert features(file(server, "gaps.geojson", **nothing)) == []


def test_a_table_speaks_chinese_and_holds_no_formula(server: Server) -> None:
    answer = file(server, "buildingsOutsideGrids.csv")
    *_, row = rows(answer)
    assert row["楼栋名称"] == f"'{FORMULA}"
    assert row["管理方式"] == "无人管理"
    name = unquote(answer.headers["content-disposition"])
    assert name.startswith('attachment; filename="buildings-outside-grids-')
    assert f"网格外楼栋-{COMMUNITY}-" in name


def test_a_file_is_of_the_day_that_is_asked_for(server: Server) -> None:
    before = rows(file(server, "buildingsWithoutSponsor.csv", on="2025-05-31"))
    after = rows(file(server, "buildingsWithoutSponsor.csv", on="2025-06-01"))
    assert [row["楼栋编码"] for row in before] != [row["楼栋编码"] for row in after]
    assert building_code(3) in [row["楼栋编码"] for row in before]


@pytest.mark.parametrize(
    ("name", "parameters", "status", "said"),
    [
        ("holes.csv", {}, 404, "no list 'holes.csv'"),
        ("gaps.xlsx", {}, 404, "no list 'gaps.xlsx'"),
        ("gaps", {}, 404, "no list 'gaps'"),
        ("gaps.csv", {"region": "999999"}, 404, "no region '999999'"),
        ("gaps.csv", {"region": ""}, 404, "no region ''"),
        ("gaps.csv", {"on": "yesterday"}, 400, "'on' is 'yesterday'"),
        ("gaps.csv", {"tolerance": "wide"}, 400, "'tolerance' is 'wide'"),
        ("gaps.csv", {"tolerance": 11}, 400, "0 to 10 metres"),
        ("gaps.csv", {"tolerance": "nan"}, 400, "0 to 10 metres"),
        ("buildingsNotVisited.csv", {}, 400, "&days=30"),
        ("buildingsNotVisited.csv", {"days": 0}, 400, "days is 0"),
        ("gaps.csv", {"norm": 3}, 400, "no parameter 'norm'"),
        ("gaps.csv", {"language": "fr"}, 400, "'fr'"),
        ("gaps.geojson", {"language": "en"}, 400, "no parameter 'language'"),
        ("gridsOverNorm.csv", {"norm": -1}, 400, "norm is -1"),
    ],
)
def test_what_makes_no_sense_is_refused(
    server: Server, name: str, parameters: dict[str, object], status: int, said: str
) -> None:
    answer = file(server, name, **parameters)
    assert answer.status_code == status
    assert said in answer.json()["errors"][0]["message"]


def test_a_file_without_a_region_says_how_to_ask(server: Server) -> None:
    answer = httpx.get(f"{server.address}/coverage/gaps.csv")
    assert answer.status_code == 400
    assert "?region=230402" in answer.json()["errors"][0]["message"]
    assert httpx.post(f"{server.address}/coverage/gaps.csv").status_code == 405
