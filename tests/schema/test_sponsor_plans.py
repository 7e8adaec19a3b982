"""A plan proposes somebody for each building that nobody answers for; accepted, it is so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gridmap.store import sponsor_plans
from tests.asking import Answer
from tests.districts import COMMUNITY, DISTRICT, STREET, building_code
from tests.reporting import OFFICE, Desk, desk_of_a_district
from tests.schema.test_sponsorships import ACCEPT, TODAY, TOMORROW, assigned, well

PLAN = """
query ($region: String!, $evenness: Float! = 1.5) {
  suggestSponsorships(region: $region, evenness: $evenness) {
    region { code } on
    proposals { building { code households } sponsor { code } metres }
    loads {
      sponsor { code buildingCount householdCount }
      buildingsBefore buildingsAfter householdsBefore householdsAfter
    }
  }
}
"""


@pytest.fixture(scope="module")
def district_desk(database_url: str) -> Iterator[Desk]:
    with desk_of_a_district(database_url) as desk:
        desk.sql("CREATE TABLE kept AS SELECT * FROM sponsorships")
        yield desk


@pytest.fixture
def desk(district_desk: Desk) -> Desk:
    """With the sponsorships of `tests.districts`, whatever the test before did to them."""
    district_desk.sql("DELETE FROM sponsorships")
    district_desk.sql("INSERT INTO sponsorships OVERRIDING SYSTEM VALUE SELECT * FROM kept")
    return district_desk


def planned(desk: Desk, region: str = DISTRICT, **said: Any) -> dict[str, Any]:
    found: dict[str, Any] = well(desk.ask(PLAN, region=region, **said))
    return found


def accepted(desk: Desk, plan: dict[str, Any], count: int) -> Answer:
    chosen = [
        {"building": each["building"]["code"], "sponsor": each["sponsor"]["code"]}
        for each in plan["proposals"][:count]
    ]
    return desk.ask(ACCEPT, OFFICE, input={"from": TODAY.isoformat(), "chosen": chosen})


def uncovered(desk: Desk) -> list[str]:
    query = """
    query ($region: String!) {
      coverage(region: $region) { buildingsWithoutSponsor { nodes { code } } }
    }
    """
    nodes = well(desk.ask(query, region=DISTRICT))["buildingsWithoutSponsor"]["nodes"]
    return [node["code"] for node in nodes]


@pytest.mark.parametrize("region", [COMMUNITY, STREET, DISTRICT])
def test_every_building_without_a_sponsor_has_one_proposal(desk: Desk, region: str) -> None:
    plan = planned(desk, region)
    found = sorted(each["building"]["code"] for each in plan["proposals"])
    assert found == uncovered(desk) == [building_code(number) for number in (2, 4, 5, 6)]
    assert plan["region"] == {"code": region}
    assert plan["on"] == TODAY.isoformat()


def test_the_unit_of_its_grid_is_proposed_for_a_building(desk: Desk) -> None:
    # S2 answers for grid 2 itself and for no building; the nearest buildings are S1's.
    proposals = planned(desk)["proposals"]
    units = {each["building"]["code"]: each["sponsor"]["code"] for each in proposals}
    assert units[building_code(2)] == "S2"
    assert proposals[0]["building"]["code"] == building_code(2)
    assert proposals[0]["metres"] is None


def test_what_each_unit_would_hold_is_what_it_holds_when_the_plan_is_accepted(
    desk: Desk,
) -> None:
    plan = planned(desk)
    for load in plan["loads"]:
        assert load["buildingsBefore"] == load["sponsor"]["buildingCount"]
        assert load["householdsBefore"] == load["sponsor"]["householdCount"]
    well(accepted(desk, plan, 100))
    assert uncovered(desk) == []
    after = planned(desk)
    assert after["proposals"] == []
    for was, load in zip(plan["loads"], after["loads"], strict=True):
        assert was["buildingsAfter"] == load["buildingsBefore"] == load["buildingsAfter"]
        assert was["householdsAfter"] == load["householdsBefore"] == load["householdsAfter"]


def test_a_part_of_a_plan_can_be_accepted_and_the_rest_planned_anew(desk: Desk) -> None:
    plan = planned(desk)
    well(accepted(desk, plan, 2))
    rest = planned(desk)["proposals"]
    assert [each["building"]["code"] for each in rest] == [
        each["building"]["code"] for each in plan["proposals"][2:]
    ]


def test_a_plan_that_was_overtaken_is_not_accepted(desk: Desk) -> None:
    plan = planned(desk)
    well(assigned(desk, 2, "S1"))
    [(code, message)] = accepted(desk, plan, 100).errors
    assert code == "CONFLICT"
    assert building_code(2) in message
    assert len(uncovered(desk)) == 3


def test_a_building_that_is_to_have_a_sponsor_is_left_out(desk: Desk) -> None:
    well(assigned(desk, 2, "S1", TOMORROW))
    codes = [each["building"]["code"] for each in planned(desk)["proposals"]]
    assert building_code(2) not in codes
    assert len(codes) == 3


def test_nothing_is_written_by_a_plan(desk: Desk) -> None:
    before = desk.sql("SELECT * FROM sponsorships ORDER BY id")
    planned(desk)
    assert desk.sql("SELECT * FROM sponsorships ORDER BY id") == before


def test_the_same_question_has_the_same_answer(desk: Desk) -> None:
    assert planned(desk) == planned(desk)


def test_nobody_is_proposed_in_a_region_where_nobody_answers(desk: Desk) -> None:
    desk.sql("DELETE FROM sponsorships")
    assert planned(desk, COMMUNITY)["proposals"] == []
    # S2 belongs to the district.
    assert {each["sponsor"]["code"] for each in planned(desk)["proposals"]} == {"S2"}


def test_the_statements_do_not_grow_with_the_proposals(desk: Desk) -> None:
    many = desk.ask(PLAN, region=DISTRICT)
    well(accepted(desk, well(many), 3))
    one = desk.ask(PLAN, region=DISTRICT)
    assert (len(well(many)["proposals"]), len(well(one)["proposals"])) == (4, 1)
    assert len(many.statements) == len(one.statements)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"region": "999999"}, "NOT_FOUND"),
        ({"evenness": 0.9}, "INVALID"),
        ({"evenness": 1e308}, "INVALID"),
    ],
)
def test_what_makes_no_sense_is_refused(desk: Desk, said: dict[str, Any], code: str) -> None:
    [(found, message)] = desk.ask(PLAN, **{"region": DISTRICT, **said}).errors
    assert found == code
    assert message


def test_a_region_with_too_much_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MOST_BUILDINGS", "MOST_UNCOVERED", "MOST_SPONSORS"):
        with monkeypatch.context() as patch:
            patch.setattr(sponsor_plans, name, 1)
            [(code, _)] = desk.ask(PLAN, region=DISTRICT).errors
            assert code == "TOO_LARGE"
