"""Grades: by the rule that is written down, for one region as for many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from shapely import box

from gridmap.geo.coverage import coverage as area_coverage
from gridmap.store.database import tool_engine
from gridmap.store.grades import LETTERS, WEIGHTS, Grade, Part, Tally, grade
from tests.api.test_readme import ROOT, quoted, table
from tests.districts import (
    COMMUNITY,
    DISTRICT,
    SIDE,
    SOUTH,
    STREET,
    WEST,
    building_code,
    grid_code,
    put_grid,
)
from tests.reporting import OFFICE, Desk, desk_of_a_district
from tests.schema.test_visits import DAY, NOON, logged, posted, well

PART = "name value weight points"
QUERY = f"""
query ($region: String!) {{ coverage(region: $region) {{
    grade {{ score letter parts {{ {PART} }} }}
    regions {{ totalCount nodes {{
      region {{ code }} grade {{ score letter parts {{ {PART} }} }} }} }} }} }}
"""


@pytest.fixture(scope="module")
def desk(database_url: str) -> Iterator[Desk]:
    with desk_of_a_district(database_url) as desk:
        desk.sql(
            "UPDATE regions SET boundary = ST_Multi(ST_MakeEnvelope(%s, %s, %s, %s, 4326)) "
            "WHERE code = %s",
            WEST, SOUTH, WEST + 3 * SIDE, SOUTH + 2 * SIDE, COMMUNITY,
        )  # fmt: skip
        # Half of grid 6 is gone, and grid 7 lies over half of grid 5.
        desk.sql("DELETE FROM grids WHERE code = %s AND valid_to IS NULL", grid_code(6))
        desk.sql("UPDATE grids SET valid_to = NULL WHERE code = %s", grid_code(6))
        desk.sql("DELETE FROM buildings WHERE code = %s", building_code(6))
        engine = tool_engine(database_url)
        with engine.begin() as connection:
            low = box(WEST + SIDE, SOUTH, WEST + 2 * SIDE, SOUTH + SIDE / 2)
            put_grid(connection, grid_code(7), low)
        engine.dispose()
        well(logged(desk, 1, NOON))
        well(logged(desk, 2, NOON - 30 * DAY))
        well(posted(desk, 3))
        yield desk


def parts_of(found: dict[str, Any]) -> dict[str, float]:
    return {part["name"]: part["value"] for part in found["parts"]}


def test_each_part_is_the_share_that_is_covered(desk: Desk) -> None:
    found = well(desk.ask(QUERY, region=COMMUNITY))["grade"]
    # Five buildings; seven grids, of which one has a worker.
    assert parts_of(found) == {
        "AREA_IN_ONE_GRID": pytest.approx(5 / 6, rel=1e-4),
        "BUILDINGS_IN_GRIDS": 1,
        "BUILDINGS_WITH_SPONSOR": 2 / 5,
        "BUILDINGS_MANAGED": 1 / 5,
        "BUILDINGS_VISITED": 1 / 5,
        "BUILDINGS_WITH_MEMBER_CARD": 1 / 5,
        "GRIDS_WITH_WORKER": 1 / 7,
        "GRIDS_WITHIN_NORM": 1,
    }
    points = [part["weight"] * part["value"] for part in found["parts"]]
    assert [part["points"] for part in found["parts"]] == pytest.approx(points)
    assert found["score"] == pytest.approx(sum(points))
    assert found["letter"] == "E"


def test_a_region_with_too_many_households_for_its_workers_is_not_within_the_norm(
    desk: Desk,
) -> None:
    of_building = building_code(1)
    desk.sql("UPDATE buildings SET households = 301 WHERE code = %s", of_building)
    found = well(desk.ask(QUERY, region=COMMUNITY))["grade"]
    desk.sql("UPDATE buildings SET households = 300 WHERE code = %s", of_building)
    after = well(desk.ask(QUERY, region=COMMUNITY))["grade"]
    assert parts_of(found)["GRIDS_WITHIN_NORM"] == 0
    assert parts_of(after)["GRIDS_WITHIN_NORM"] == 1


def test_the_regions_below_are_graded_as_each_by_itself(desk: Desk) -> None:
    below = well(desk.ask(QUERY, region=STREET))["regions"]
    assert below["totalCount"] == 2
    for each in below["nodes"]:
        alone = well(desk.ask(QUERY, region=each["region"]["code"]))["grade"]
        assert each["grade"] == alone
    # The other community has neither a building nor a grid nor an outline.
    nothing: dict[str, Any] = {"score": None, "letter": None, "parts": []}
    assert [each["grade"] == nothing for each in below["nodes"]] == [False, True]


def test_the_regions_of_a_level_are_those_from_the_region_downwards(desk: Desk) -> None:
    query = """
    query ($region: String!, $level: RegionLevel!) { coverage(region: $region) {
        regions(level: $level) { totalCount nodes { region { code } } } } }
    """

    def codes(region: str, level: str) -> list[str]:
        found = well(desk.ask(query, region=region, level=level))["regions"]
        assert found["totalCount"] == len(found["nodes"])
        return [each["region"]["code"] for each in found["nodes"]]

    both = [COMMUNITY, "230402002006"]
    assert codes("23", "COMMUNITY") == codes(DISTRICT, "COMMUNITY") == both
    assert codes(COMMUNITY, "COMMUNITY") == [COMMUNITY]
    assert codes(COMMUNITY, "STREET") == []


def test_the_statements_do_not_grow_with_the_regions(desk: Desk) -> None:
    one = QUERY.replace("regions {", "regions(first: 1) {")
    asked = [desk.ask(query, OFFICE, region=STREET) for query in (one, QUERY)]
    assert len(asked[0].statements) == len(asked[1].statements)


def test_the_weights_make_a_hundred_and_what_is_not_there_counts_for_nothing() -> None:
    assert sum(WEIGHTS.values()) == 100
    assert list(WEIGHTS) == list(Part)
    whole = area_coverage(box(130, 47, 130.01, 47.01), [box(130, 47, 130.01, 47.01)])
    everything = Tally(*[9] * len(Tally._fields))
    assert grade(everything, whole).score == pytest.approx(100)
    assert grade(everything, whole).letter == "A"
    only_grids = Tally(grids=2, grids_with_worker=1, grids_within_norm=1)
    found = grade(only_grids, whole)
    # 15 for the area, 15 for the workers and 5 for the norm: half of one is missing.
    assert found.score == pytest.approx(100 * (15 + 7.5 + 5) / 35)
    assert found.letter == "C"


def test_the_rule_is_the_one_that_is_written_down() -> None:
    page = ROOT / "docs" / "coverage.md"
    weights = {quoted(part)[0]: int(weight) for part, _, weight, _ in table(page, "part")}
    assert weights == {part.value: weight for part, weight in WEIGHTS.items()}
    letters = {quoted(letter)[0]: int(least) for letter, least in table(page, "letter")}
    assert letters == LETTERS


@pytest.mark.parametrize(("letter", "least"), LETTERS.items())
def test_a_letter_begins_with_its_score(letter: str, least: int) -> None:
    graded = Grade(float(least), [])
    assert graded.letter == letter
    if least:
        assert Grade(least - 0.1, []).letter != letter
