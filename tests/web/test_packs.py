"""A district's grids in a phone: what they say, what they do not dare to say, their renewal."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psycopg
import pytest
import shapely
from numpy.typing import NDArray

from gridmap.geo.packing import TOLERANCE_METRES, packed, rounded_up
from tests.api.conftest import Server
from tests.waiting import wait_until
from tests.web.nodes import answers

DISTRICT = "230402"
COUNTIES = Path(__file__).parents[1] / "data" / "us_counties_10m.geojson.gz"
METRES = 111_000.0


def phone(*questions: dict[str, Any]) -> list[Any]:
    """What the phone's own code answers, a line each."""
    return answers("lib.mjs", *questions)


def pack_of(outlines: list[shapely.Geometry]) -> dict[str, Any]:
    small = [packed(outline) for outline in outlines]
    return {
        "error": rounded_up(max(each.error_metres for each in small)),
        "grids": [
            {"code": f"{i}", "polygons": each.polygons, "name": "", "community": "", "workers": []}
            for i, each in enumerate(small)
        ],
    }


def test_where_the_phone_is_sure_the_true_outlines_say_the_same() -> None:
    # Counties of a country, shrunk to the size of grids, and drawn by an unsteady hand: a corner
    # every few metres, off by some centimetres, so that neighbours overlap and gape a little.
    random = np.random.default_rng(6)
    features = json.loads(gzip.decompress(COUNTIES.read_bytes()))["features"]
    counties = [shapely.from_geojson(json.dumps(each["geometry"])) for each in features]
    chosen = [
        each
        for each in counties
        if each.is_valid and -80 < each.centroid.x < -74 and 36 < each.centroid.y < 41
    ]

    def shrunk(positions: NDArray[np.float64]) -> NDArray[np.float64]:
        shifted: NDArray[np.float64] = (positions - [-77, 38.5]) / 200 + [130.28, 47.36]
        shaken = shifted + random.uniform(-0.2, 0.2, shifted.shape) / METRES
        shaken[-1] = shaken[0]
        return shaken

    dense = shapely.segmentize(
        [shapely.Polygon(part.exterior) for each in chosen for part in shapely.get_parts(each)],
        0.02,
    )
    outlines = [shapely.transform(each, shrunk) for each in dense]
    pack = pack_of(outlines)
    assert len(outlines) > 80
    assert TOLERANCE_METRES / 2 < pack["error"] < TOLERANCE_METRES + 0.2
    corners = sum(len(ring) // 2 for each in pack["grids"] for p in each["polygons"] for ring in p)
    assert corners < 0.6 * sum(map(shapely.get_num_coordinates, outlines))

    # Most points lie within a few metres of a line, on either side of it.
    lines = shapely.get_coordinates(shapely.segmentize(shapely.boundary(outlines), 5e-5))
    near = lines[random.integers(len(lines), size=6000)]
    points = near + random.normal(0, 2 / METRES, (6000, 2))
    accuracies = random.choice([0, 0, 5], 6000)
    (answers,) = phone({"pack": pack, "points": np.c_[points, accuracies].tolist()})

    sure = {"INSIDE": 0, "OUTSIDE": 0}
    tree = shapely.STRtree(outlines)
    for point, (outcome, code, candidates) in zip(shapely.points(points), answers, strict=True):
        true = tree.query(point, predicate="intersects").tolist()
        if outcome == "UNCERTAIN":
            assert {f"{each}" for each in true} <= set(candidates)
            continue
        sure[outcome] += 1
        assert ([int(code)] if outcome == "INSIDE" else []) == true
    assert min(sure.values()) > 50, "nothing was tried"


def test_near_a_boundary_the_phone_does_not_say_which() -> None:
    west = shapely.box(130.0, 47.0, 130.01, 47.01)
    east = shapely.box(130.01, 47.0, 130.02, 47.01)
    metre = 1 / (METRES * np.cos(np.radians(47)))
    points = [
        [130.01 - 20 * metre, 47.005, 10],
        [130.01 - 20 * metre, 47.005, 25],
        [130.01, 47.005, 0],
        [130.02 + 20 * metre, 47.005, 10],
        [130.02 + 20 * metre, 47.005, 25],
    ]
    (answers,) = phone({"pack": pack_of([west, east]), "points": points})
    assert answers == [
        ["INSIDE", "0", ["0"]],
        ["UNCERTAIN", "0", ["0", "1"]],
        ["UNCERTAIN", answers[2][1], answers[2][2]],
        ["OUTSIDE", None, []],
        ["UNCERTAIN", None, ["1"]],
    ]
    assert set(answers[2][2]) == {"0", "1"}


def test_a_pack_is_sent_whole_once_and_then_what_has_changed(server: Server, demo_url: str) -> None:
    address = f"{server.address}/packs/{DISTRICT}.json"

    # 1. All of it, under a name for what is in it.
    first = httpx.get(address)
    whole = first.json()
    assert len(whole["grids"]) == 92
    assert first.headers["etag"] == f'"{whole["version"]}"'

    # 2. Nothing while nothing has changed.
    again = httpx.get(address, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")

    # 3. One grid when that one has changed, and the phone then has what a new one is sent.
    with psycopg.connect(demo_url) as connection:
        connection.execute(
            "UPDATE grids SET name = '改名网格' WHERE code = %s", [whole["grids"][3]["code"]]
        )
    since = {"since": whole["version"]}
    wait_until(lambda: httpx.get(address, params=since).json()["version"] != whole["version"])
    change = httpx.get(address, params=since).json()
    assert [grid["name"] for grid in change["grids"]] == ["改名网格"]
    (renewed,) = phone({"pack": whole, "change": change})
    assert renewed == httpx.get(address).json()

    # 4. All of it where nobody remembers the version.
    assert len(httpx.get(address, params={"since": "long ago"}).json()["grids"]) == 92


def test_a_district_that_there_is_not_is_said_so(server: Server) -> None:
    answer = httpx.get(f"{server.address}/packs/999999.json")
    assert answer.status_code == 404
    assert "'999999'" in answer.json()["errors"][0]["message"]


def test_coordinates_are_read_as_people_paste_them() -> None:
    texts = {
        "130.2870, 47.3600": [130.287, 47.36],
        "47.36 130.287": [130.287, 47.36],
        "经度：130.287 纬度：47.36": [130.287, 47.36],
        "130°17'13.2\"E 47°21'36\"N": [130.287, 47.36],
        "N47°21′36″，E130°17′13.2″": [130.287, 47.36],
        "北纬47.36度 东经130.287度": [130.287, 47.36],
        "47.36": None,
        "47.36 47.36": None,
        "130.1 47.1 3": None,
        "no place": None,
    }
    (read,) = phone({"texts": list(texts)})
    for (text, expected), found in zip(texts.items(), read, strict=True):
        assert found == (expected and pytest.approx(expected)), text
