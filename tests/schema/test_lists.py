"""Lists: pages that follow one another, filters, counts, and few statements."""

from __future__ import annotations

import datetime
from typing import Any

import orjson
import pytest
import shapely
from pyproj import Geod
from sqlalchemy import insert

from gridmap.store import tables
from gridmap.store.database import tool_engine
from tests.asking import ask
from tests.districts import (
    COMMUNITY,
    DISTRICT,
    LAST_YEAR,
    SIDE,
    SOUTH,
    STREET,
    WEST,
    District,
    building_code,
    grid_code,
)

pytestmark = pytest.mark.usefixtures("district")


def codes(connection: dict[str, Any]) -> list[str]:
    return [node["code"] for node in connection["nodes"]]


class TestPages:
    QUERY = """
    query ($first: Int, $after: Cursor) {
      grids(region: "230402", first: $first, after: $after) {
        totalCount
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        edges { cursor node { code } }
        nodes { code }
      }
    }
    """

    def test_pages_one_after_the_other_give_every_row_once(self, database_url: str) -> None:
        seen: list[str] = []
        after = None
        for _ in range(10):
            page = ask(database_url, self.QUERY, first=4, after=after).data["grids"]
            seen += codes(page)
            assert page["totalCount"] == 6
            assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
        assert seen == [grid_code(number) for number in range(1, 7)]

    def test_a_row_added_before_the_cursor_does_not_shift_the_next_page(
        self, database_url: str
    ) -> None:
        query = """
        query ($after: Cursor) {
          sponsors(first: 1, after: $after) { nodes { code } pageInfo { endCursor } }
        }
        """
        first = ask(database_url, query).data["sponsors"]
        engine = tool_engine(database_url)
        with engine.begin() as connection:
            connection.execute(
                insert(tables.sponsors).values(
                    code="S0", name="新单位", level="CITY", region_code="2304"
                )
            )
        second = ask(database_url, query, after=first["pageInfo"]["endCursor"]).data["sponsors"]
        with engine.begin() as connection:
            connection.execute(tables.sponsors.delete().where(tables.sponsors.c.code == "S0"))
        engine.dispose()
        assert [codes(first), codes(second)] == [["S1"], ["S2"]]

    def test_the_count_is_made_only_when_it_is_asked_for(self, database_url: str) -> None:
        plain = ask(database_url, "{ grids { nodes { code } } }")
        counted = ask(database_url, "{ grids { nodes { code } totalCount } }")
        assert len(plain.statements) == 1
        assert len(counted.statements) == 2
        assert not any("count(" in statement for statement in plain.statements)

    def test_a_page_of_none_says_whether_there_are_any(self, database_url: str) -> None:
        page = ask(database_url, self.QUERY, first=0).data["grids"]
        assert page["edges"] == []
        assert page["pageInfo"]["hasNextPage"] is True
        assert page["pageInfo"]["endCursor"] is None

    @pytest.mark.parametrize(
        ("arguments", "code"),
        [
            ("first: 101", "TOO_LARGE"),
            ("first: -1", "INVALID"),
            ('after: "nonsense"', "INVALID"),
            ('after: "WzEsMl0="', "INVALID"),
            ('after: ""', "INVALID"),
            ("bounds: {west: 131, south: 47, east: 130, north: 48}", "INVALID"),
            ("bounds: {west: 130, south: 48, east: 131, north: 47}", "INVALID"),
            ("bounds: {west: 130, south: 48, east: 1e999, north: 49}", "INVALID"),
            ('region: "999999"', "NOT_FOUND"),
            ('region: "\\u0000"', "INVALID"),
        ],
    )
    def test_a_page_that_makes_no_sense_is_refused(
        self, database_url: str, arguments: str, code: str
    ) -> None:
        [(found, message)] = ask(
            database_url, f"{{ grids({arguments}) {{ nodes {{ code }} }} }}"
        ).errors
        assert found == code
        assert message


class TestFilters:
    @pytest.mark.parametrize("region", ["23", "2304", DISTRICT, STREET, COMMUNITY])
    def test_a_region_of_any_level_holds_the_grids_below_it(
        self, database_url: str, region: str
    ) -> None:
        query = "query ($region: String) { grids(region: $region) { totalCount } }"
        assert ask(database_url, query, region=region).data["grids"]["totalCount"] == 6

    def test_bounds_hold_the_grids_that_touch_them(self, database_url: str) -> None:
        query = """
        query ($bounds: BoundsInput) { grids(bounds: $bounds) { nodes { code } } }
        """
        bounds = {
            "west": WEST - 1,
            "south": SOUTH - 1,
            "east": WEST + SIDE / 2,
            "north": SOUTH + SIDE / 2,
        }
        assert codes(ask(database_url, query, bounds=bounds).data["grids"]) == [grid_code(4)]

    def test_a_past_day_has_the_outlines_of_that_day(self, database_url: str) -> None:
        query = (
            "query ($code: String!, $on: Date) { grid(code: $code, on: $on) { boundary validTo } }"
        )
        then = (LAST_YEAR - datetime.timedelta(days=1)).isoformat()
        before = ask(database_url, query, code=grid_code(6), on=then).data["grid"]
        since = ask(database_url, query, code=grid_code(6)).data["grid"]
        halves = [shapely.from_geojson(str_of(each["boundary"])).area for each in (before, since)]
        assert halves[1] == pytest.approx(2 * halves[0])
        assert before["validTo"] == LAST_YEAR.isoformat()

    def test_buildings_are_those_of_the_grid_the_sponsor_or_the_region(
        self, database_url: str
    ) -> None:
        answer = ask(
            database_url,
            """
            {
              grid: buildings(grid: "230402002005002") { nodes { code } }
              sponsor: buildings(sponsor: "S1") { nodes { code } }
              both: buildings(sponsor: "S1", grid: "230402002005003") { nodes { code } }
              region: buildings(region: "2304") { totalCount }
              other: buildings(region: "230402002006") { totalCount nodes { code } }
            }
            """,
        ).data
        assert codes(answer["grid"]) == [building_code(2)]
        assert codes(answer["sponsor"]) == [building_code(1), building_code(3)]
        assert codes(answer["both"]) == [building_code(3)]
        assert answer["region"]["totalCount"] == 6
        assert answer["other"] == {"totalCount": 0, "nodes": []}

    def test_sponsors_of_a_region_belong_to_it_or_answer_in_it(self, database_url: str) -> None:
        query = "query ($region: String) { sponsors(region: $region) { nodes { code } } }"
        assert codes(ask(database_url, query, region=DISTRICT).data["sponsors"]) == ["S1", "S2"]
        assert codes(ask(database_url, query, region="230402002006").data["sponsors"]) == []


class TestRelations:
    def test_everything_around_a_grid_is_reached_from_it(
        self, database_url: str, district: District
    ) -> None:
        grid = ask(
            database_url,
            """
            {
              grid(code: "230402002005001") {
                name area boundary
                community { code } street { name level } district { name parent { name } }
                neighbours { code } workers { code name } sponsor { code }
                sponsors { sponsor { name } buildings households }
                buildings { totalCount nodes { code managementMode households } }
              }
            }
            """,
        ).data["grid"]
        square = district.grids[grid_code(1)]
        assert shapely.from_geojson(str_of(grid["boundary"])).equals(square)
        assert grid["area"] == pytest.approx(
            abs(Geod(ellps="WGS84").geometry_area_perimeter(square)[0]), rel=1e-6
        )
        assert grid["street"] == {"name": "红军街道", "level": "STREET"}
        assert grid["district"]["parent"]["name"] == "鹤岗市"
        assert [each["code"] for each in grid["neighbours"]] == [
            grid_code(2),
            grid_code(4),
            grid_code(5),
        ]
        assert grid["workers"] == [{"code": "W1", "name": "示例"}]
        assert grid["sponsor"] == {"code": "S2"}
        assert grid["sponsors"] == [
            {"sponsor": {"name": "市审计局"}, "buildings": 1, "households": 10}
        ]
        assert grid["buildings"] == {
            "totalCount": 1,
            "nodes": [
                {
                    "code": building_code(1),
                    "managementMode": "COMMUNITY_LED",
                    "households": 10,
                }
            ],
        }

    def test_the_tree_of_regions_is_walked_down_and_up(self, database_url: str) -> None:
        region = ask(
            database_url,
            '{ region(code: "23") { children { children { name parent { name } children { '
            "children { name level grids(first: 1) { totalCount nodes { code } } } } } } } }",
        ).data["region"]
        [city] = region["children"]
        [district] = city["children"]
        assert district["parent"] == {"name": "鹤岗市"}
        [street] = district["children"]
        assert [
            (each["name"], each["grids"]["totalCount"], codes(each["grids"]))
            for each in street["children"]
        ] == [("友谊社区", 6, [grid_code(1)]), ("煤城社区", 0, [])]

    def test_a_sponsor_counts_what_it_answers_for_today(self, database_url: str) -> None:
        sponsor = ask(
            database_url,
            '{ sponsor(code: "S1") { buildingCount householdCount '
            "buildings(first: 1) { totalCount nodes { code grid { code } } } } }",
        ).data["sponsor"]
        assert sponsor == {
            "buildingCount": 2,
            "householdCount": 40,
            "buildings": {
                "totalCount": 2,
                "nodes": [{"code": building_code(1), "grid": {"code": grid_code(1)}}],
            },
        }

    def test_a_simplified_outline_stays_within_its_tolerance(
        self, database_url: str, district: District
    ) -> None:
        query = """
        query ($tolerance: Float) {
          grid(code: "230402002005001") { boundary(toleranceMetres: $tolerance) }
        }
        """
        square = district.grids[grid_code(1)]
        simplified = ask(database_url, query, tolerance=20.0).data["grid"]["boundary"]
        outline = shapely.from_geojson(str_of(simplified))
        assert shapely.hausdorff_distance(outline, square) * 111_320 <= 20
        [(code, _)] = ask(database_url, query, tolerance=-1.0).errors
        assert code == "INVALID"


class TestNodes:
    def test_every_id_finds_its_node_again(self, database_url: str) -> None:
        ids = ask(
            database_url,
            """
            {
              region(code: "230402") { id }
              grid(code: "230402002005001") { id workers { id } }
              building(code: "23040200200500001") { id }
              sponsor(code: "S1") { id }
            }
            """,
        ).data
        [worker] = ids["grid"].pop("workers")
        for kind, node in {**ids, "gridWorker": worker}.items():
            found = ask(
                database_url, "query ($id: ID!) { node(id: $id) { __typename id } }", id=node["id"]
            ).data["node"]
            assert found["__typename"].lower() == kind.lower()
            assert found["id"] == node["id"]

    def test_the_id_of_an_ended_version_shows_that_version(self, database_url: str) -> None:
        then = (LAST_YEAR - datetime.timedelta(days=1)).isoformat()
        query = 'query ($on: Date) { grid(code: "230402002005006", on: $on) { id } }'
        ended = ask(database_url, query, on=then).data["grid"]["id"]
        current = ask(database_url, query).data["grid"]["id"]
        assert ended != current
        node = ask(
            database_url, "query ($id: ID!) { node(id: $id) { ... on Grid { validTo } } }", id=ended
        ).data["node"]
        assert node == {"validTo": LAST_YEAR.isoformat()}

    @pytest.mark.parametrize("id_", ["", "x", "Tm90aGluZw==", "R3JpZAoyMzA0MDIKYQo=", "é", "\0"])
    def test_a_foreign_id_is_refused(self, database_url: str, id_: str) -> None:
        [(code, message)] = ask(
            database_url, "query ($id: ID!) { node(id: $id) { id } }", id=id_
        ).errors
        assert code == "INVALID"
        assert message

    def test_what_does_not_exist_is_null(self, database_url: str) -> None:
        answer = ask(
            database_url,
            '{ region(code: "9") { id } grid(code: "9") { id } building(code: "9") { id } '
            'sponsor(code: "9") { id } }',
        )
        assert set(answer.data.values()) == {None}
        assert answer.errors == []


class TestStatements:
    QUERY = """
    query ($first: Int) {
      grids(first: $first) {
        nodes {
          code area boundary community { name parent { name } } district { name }
          neighbours { code } workers { name } sponsor { name } sponsors { sponsor { name } }
          buildings(first: $first) {
            totalCount
            nodes { code grid { code area } sponsor { name buildingCount householdCount } }
          }
        }
      }
    }
    """

    def test_the_number_of_statements_does_not_grow_with_the_rows(self, database_url: str) -> None:
        few = ask(database_url, self.QUERY, first=2)
        many = ask(database_url, self.QUERY, first=6)
        assert few.errors == many.errors == []
        assert len(many.data["grids"]["nodes"]) == 6
        assert len(many.statements) == len(few.statements)


def str_of(geojson: object) -> str:
    return orjson.dumps(geojson).decode()
