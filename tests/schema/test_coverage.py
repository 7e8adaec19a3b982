"""Coverage: what nobody answers for in a region is listed, and nothing else."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from shapely import Point
from sqlalchemy import insert

from gridmap.store import tables
from gridmap.store.database import tool_engine
from tests.asking import Answer, ask
from tests.districts import (
    COMMUNITY,
    DISTRICT,
    LAST_YEAR,
    LONG_AGO,
    SIDE,
    SOUTH,
    STREET,
    WEST,
    District,
    building_code,
    grid_code,
    put_building,
    put_grid,
)

ON_AN_EDGE, FAR_OFF, ABROAD = 7, 8, 9
"""More buildings: between grids 1 and 2, in no grid, in a grid of another community."""

OTHER_COMMUNITY = "230402002006"

COVERAGE = """
query ($region: String!, $on: Date, $first: Int, $norm: Int! = 300) {
  coverage(region: $region, on: $on) {
    region { code } on gridCount buildingCount
    buildingsOutsideGrids(first: $first) { totalCount nodes { code grid { code } } }
    buildingsWithoutSponsor(first: $first) { totalCount nodes { code sponsor { code } } }
    buildingsWithoutManagement(first: $first) { totalCount nodes { code managementMode } }
    gridsWithoutWorker(first: $first) { totalCount nodes { code workers { code } } }
    gridsWithoutSponsor(first: $first) {
      totalCount nodes { code sponsor { code } sponsors { buildings } }
    }
    gridsOverNorm(norm: $norm, first: $first) {
      totalCount nodes { grid { code } households workers householdsPerWorker }
    }
    sponsorLevels { level sponsors buildings households }
  }
}
"""


@pytest.fixture(scope="module", autouse=True)
def buildings(database_url: str, district: District) -> None:
    del district
    engine = tool_engine(database_url)
    with engine.begin() as connection:
        edge = Point(WEST + SIDE, SOUTH + 1.5 * SIDE)
        put_building(connection, building_code(ON_AN_EDGE), edge, households=400)
        put_building(connection, building_code(FAR_OFF), Point(WEST - 1, SOUTH), households=80)
        put_building(connection, building_code(ABROAD), Point(WEST + 10 * SIDE, SOUTH))
        connection.execute(
            insert(tables.grids).values(
                district_code=DISTRICT,
                code=f"{OTHER_COMMUNITY}001",
                community_code=OTHER_COMMUNITY,
                name="别的网格",
                boundary=(
                    "SRID=4326;MULTIPOLYGON((("
                    f"{WEST + 9.5 * SIDE} {SOUTH - SIDE}, {WEST + 10.5 * SIDE} {SOUTH - SIDE}, "
                    f"{WEST + 10.5 * SIDE} {SOUTH + SIDE}, {WEST + 9.5 * SIDE} {SOUTH + SIDE}, "
                    f"{WEST + 9.5 * SIDE} {SOUTH - SIDE})))"
                ),
                source_datum="WGS84",
                valid_from=LONG_AGO,
            )
        )
    engine.dispose()


def coverage(url: str, region: str = COMMUNITY, **variables: object) -> dict[str, Any]:
    answer = ask(url, COVERAGE, region=region, **variables)
    assert answer.errors == []
    found: dict[str, Any] = answer.data["coverage"]
    return found


def numbers(nodes: list[dict[str, Any]]) -> list[int]:
    return [int(node["code"][len(COMMUNITY) :]) for node in nodes]


def test_the_counts_are_those_of_the_region(database_url: str) -> None:
    found = coverage(database_url)
    assert (found["gridCount"], found["buildingCount"]) == (6, 9)
    assert found["region"] == {"code": COMMUNITY}
    for region in ("23", DISTRICT, STREET):
        found = coverage(database_url, region)
        assert (found["gridCount"], found["buildingCount"]) == (7, 9)


@pytest.mark.parametrize("region", ["23", DISTRICT, COMMUNITY])
def test_a_building_is_outside_where_no_grid_of_any_region_covers_it(
    database_url: str, region: str
) -> None:
    outside = coverage(database_url, region)["buildingsOutsideGrids"]
    assert outside == {
        "totalCount": 1,
        "nodes": [{"code": building_code(FAR_OFF), "grid": None}],
    }


def test_buildings_without_a_sponsor_are_those_whose_sponsor_is_null(database_url: str) -> None:
    without = coverage(database_url)["buildingsWithoutSponsor"]
    assert numbers(without["nodes"]) == [2, 4, 5, 6, 7, 8, 9]
    assert without["totalCount"] == 7
    assert all(node["sponsor"] is None for node in without["nodes"])


def test_buildings_without_management_are_unmanaged(database_url: str) -> None:
    without = coverage(database_url)["buildingsWithoutManagement"]
    assert numbers(without["nodes"]) == [2, 3, 4, 5, 6, 7, 8, 9]
    assert {node["managementMode"] for node in without["nodes"]} == {"UNMANAGED"}


def test_grids_without_a_worker_are_those_that_nobody_walks(database_url: str) -> None:
    without = coverage(database_url)["gridsWithoutWorker"]
    assert numbers(without["nodes"]) == [2, 3, 4, 5, 6]
    assert without["totalCount"] == 5
    assert all(node["workers"] == [] for node in without["nodes"])


def test_a_grid_is_without_sponsor_where_neither_it_nor_a_building_in_it_has_one(
    database_url: str,
) -> None:
    without = coverage(database_url)["gridsWithoutSponsor"]
    assert numbers(without["nodes"]) == [4, 5, 6]
    assert without["totalCount"] == 3
    assert all(node["sponsor"] is None and node["sponsors"] == [] for node in without["nodes"])


def test_a_past_day_shows_what_was_not_covered_then(database_url: str) -> None:
    before = (LAST_YEAR - datetime.timedelta(days=1)).isoformat()
    found = coverage(database_url, on=before)
    assert found["on"] == before
    # Building 3 had no sponsor yet.
    assert numbers(found["buildingsWithoutSponsor"]["nodes"]) == [2, 3, 4, 5, 6, 7, 8, 9]
    assert numbers(found["gridsWithoutSponsor"]["nodes"]) == [3, 4, 5, 6]
    first = coverage(database_url, on=(LONG_AGO - datetime.timedelta(days=1)).isoformat())
    assert first["gridCount"] == 0
    assert first["buildingsOutsideGrids"]["totalCount"] == first["buildingCount"] == 9


def test_a_grid_is_over_the_norm_by_the_households_of_its_own_buildings(
    database_url: str,
) -> None:
    # Building 1 has 10 households, and the one on the edge, which is grid 1's, 400.
    found = coverage(database_url)["gridsOverNorm"]
    over = {
        "grid": {"code": grid_code(1)},
        "households": 410,
        "workers": 1,
        "householdsPerWorker": 410.0,
    }
    assert found == {"totalCount": 1, "nodes": [over]}
    assert coverage(database_url, norm=409)["gridsOverNorm"]["nodes"] == [over]
    assert coverage(database_url, norm=410)["gridsOverNorm"]["nodes"] == []


def test_the_sponsors_of_a_level_are_counted_once_each(database_url: str) -> None:
    assert coverage(database_url)["sponsorLevels"] == [
        {"level": "CITY", "sponsors": 1, "buildings": 2, "households": 40}
    ]


def test_pages_follow_one_another(database_url: str) -> None:
    query = """
    query ($after: Cursor) {
      coverage(region: "230402") {
        buildingsWithoutSponsor(first: 3, after: $after) {
          nodes { code } pageInfo { hasNextPage endCursor }
        }
      }
    }
    """
    seen, after = [], None
    for _ in range(3):
        page = ask(database_url, query, after=after).data["coverage"]["buildingsWithoutSponsor"]
        seen += numbers(page["nodes"])
        after = page["pageInfo"]["endCursor"]
    assert seen == [2, 4, 5, 6, 7, 8, 9]
    assert not page["pageInfo"]["hasNextPage"]


def test_the_statements_do_not_grow_with_what_is_listed(database_url: str) -> None:
    def asked(first: int) -> Answer:
        return ask(database_url, COVERAGE, region=DISTRICT, first=first)

    assert len(asked(1).statements) == len(asked(100).statements)


def test_nothing_is_counted_that_is_not_asked_for(database_url: str) -> None:
    query = '{ coverage(region: "230402") { buildingsWithoutSponsor { nodes { code } } } }'
    answer = ask(database_url, query)
    assert not any("count(" in statement for statement in answer.statements)


@pytest.mark.parametrize(
    ("arguments", "fields", "code"),
    [
        ('region: "999999"', "gridCount", "NOT_FOUND"),
        ('region: ""', "gridCount", "NOT_FOUND"),
        ('region: "230402"', "gridsOverNorm(norm: -1) { totalCount }", "INVALID"),
        ('region: "230402"', "buildingsOutsideGrids(first: 101) { totalCount }", "TOO_LARGE"),
    ],
)
def test_what_makes_no_sense_is_refused(
    database_url: str, arguments: str, fields: str, code: str
) -> None:
    [(found, message)] = ask(database_url, f"{{ coverage({arguments}) {{ {fields} }} }}").errors
    assert found == code
    assert message


def test_of_overlapping_grids_the_smaller_code_has_the_building_in_whichever_region_it_is(
    database_url: str,
) -> None:
    engine = tool_engine(database_url)
    with engine.begin() as connection:
        # A worker in grid 2, and around its building a grid of the code before all others.
        connection.execute(
            insert(tables.worker_assignments).values(
                district_code=DISTRICT,
                worker_code="W1",
                grid_code=grid_code(2),
                valid_from=LONG_AGO,
            )
        )
    before = coverage(database_url, norm=0)["gridsOverNorm"]["nodes"]
    with engine.begin() as connection:
        middle = Point(WEST + 1.5 * SIDE, SOUTH + 1.5 * SIDE)
        put_grid(connection, grid_code(0), middle.buffer(SIDE / 4))
    after = coverage(database_url, norm=0)["gridsOverNorm"]["nodes"]
    with engine.begin() as connection:
        grids, walks = tables.grids, tables.worker_assignments
        connection.execute(grids.delete().where(grids.c.code == grid_code(0)))
        connection.execute(walks.delete().where(walks.c.grid_code == grid_code(2)))
    engine.dispose()
    assert [node["grid"]["code"] for node in before] == [grid_code(1), grid_code(2)]
    assert [node["grid"]["code"] for node in after] == [grid_code(1)]
