"""Boundaries change as a plan has shown it, or not at all; and how they were stays known."""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import orjson
import psycopg
import pytest
import shapely
from shapely import box

from gridmap.errors import Conflict
from gridmap.geo.datums import Datum, geometries_from_wgs84
from gridmap.schema.nodes import GlobalId
from gridmap.store import boundary_changes as store
from gridmap.store.boundary_plans import PlanKey
from gridmap.store.dates import CHINA, now, today
from gridmap.store.viewers import ANONYMOUS, Role, Viewer
from tests.asking import Answer
from tests.districts import (
    COMMUNITY,
    DISTRICT,
    LONG_AGO,
    SIDE,
    SOUTH,
    WEST,
    building_code,
    grid_code,
)
from tests.reporting import (
    ADMINISTRATOR,
    DISTRICT_OFFICE,
    OFFICE,
    STREET_OFFICE,
    WORKER,
    Desk,
    desk_of_a_district,
)

TODAY = today()
DAY = datetime.timedelta(days=1)
TOMORROW = TODAY + DAY

PLAN = """
mutation ($input: PlanBoundaryChangeInput!) { planBoundaryChange(input: $input) { ...Shown } }
"""
SHOWN = """
fragment Shown on BoundaryPlan {
  id from author authorRole warnings obstacles change { author reason }
  warned { code message grid community building worker workerName sponsor area buildings }
  grids {
    code name fate areaBefore areaAfter before { code validFrom }
    workBefore { buildings households workers householdsPerWorker }
    workAfter { buildings households workers householdsPerWorker }
  }
  snapped { totalCount nodes { grid metres } }
  gaps { nodes { area grids } } taken { nodes { area } }
  overlaps { nodes { area grids isNew } }
  moves { nodes {
    gridBefore gridAfter area buildings households openReports sponsorships } }
  buildings { totalCount nodes { building { code } gridBefore gridAfter } }
  reports { nodes { report { id } gridBefore gridAfter } }
  sponsorships { nodes { sponsorship { sponsor { code } } gridBefore gridAfter } }
  endingSponsorships { nodes { sponsorship { sponsor { code } } gridBefore } }
  endingAssignments { nodes { worker { code } grid } }
}
"""
APPLY = """
mutation ($input: ApplyBoundaryChangeInput!) { applyBoundaryChange(input: $input) {
  change { author authorRole reason } plan { id } grids { code name validFrom } } }
"""
HISTORY = """
query ($code: String!, $first: Int, $after: Cursor) {
  gridHistory(code: $code, first: $first, after: $after) {
    totalCount pageInfo { hasNextPage endCursor }
    nodes {
      validFrom validTo name area outline author authorRole reason plan endAuthor endReason
      splitFrom { code validFrom } mergedInto { code validFrom } grid { code }
    } } }
"""
DIFFERENCE = """
query ($region: String!, $from: Date!, $to: Date!) {
  boundaryDifference(region: $region, from: $from, to: $to) {
    area
    areas { totalCount nodes { area outline gridBefore { code } gridAfter { code } } }
    grids { nodes { before { code validFrom } after { code validFrom } } }
  } }
"""

KEPT = ("grids", "sponsorships", "worker_assignments", "buildings")


@pytest.fixture(scope="module")
def district_desk(database_url: str) -> Iterator[Desk]:
    with desk_of_a_district(database_url) as desk:
        desk.now = datetime.datetime.now(CHINA) - 3 * DAY
        for table in KEPT:
            desk.sql(f"CREATE TABLE kept_{table} AS SELECT * FROM {table}")
        yield desk


@pytest.fixture
def desk(district_desk: Desk) -> Desk:
    """The district of `tests.districts`, whatever the test before did to it."""
    with psycopg.connect(district_desk.url) as connection:
        # What is final is deleted for the next test all the same.
        connection.execute("SET session_replication_role = replica")
        for table in ("boundary_change_grids", "boundary_changes", "boundary_plans", *KEPT):
            connection.execute(f"DELETE FROM {table}")
        for table in KEPT:
            overriding = "OVERRIDING SYSTEM VALUE" if table == "sponsorships" else ""
            connection.execute(f"INSERT INTO {table} {overriding} SELECT * FROM kept_{table}")
        connection.execute("UPDATE reports SET ended_at = now(), state = 'CLOSED'")
    return district_desk


def square(number: int, *, west: float = 0.0, east: float = 0.0) -> Any:
    """The square of a grid of `tests.districts`, with sides moved eastwards by parts of it."""
    row, column = divmod(number - 1, 3)
    left, bottom = WEST + column * SIDE, SOUTH + (1 - row) * SIDE
    return box(left + west * SIDE, bottom, left + SIDE + east * SIDE, bottom + SIDE)


def outline(number: int | None, shape: Any, **said: Any) -> dict[str, Any]:
    code = {"code": grid_code(number)} if number else {}
    return {**code, "outline": json.loads(shapely.to_geojson(shape)), **said}


MOVED = [outline(1, square(1, east=-0.6)), outline(2, square(2, west=-0.6))]
"""The border between grids 1 and 2, so that building 1 comes into grid 2."""

MERGED: dict[str, Any] = {
    "grids": [{"code": grid_code(2), "together": [grid_code(1), grid_code(2)]}]
} | {"ends": [grid_code(1)]}


def planned(
    desk: Desk,
    grids: list[dict[str, Any]],
    viewer: Viewer = DISTRICT_OFFICE,
    start: datetime.date = TOMORROW,
    **said: Any,
) -> Answer:
    given = {"from": start.isoformat(), "grids": grids, **said}
    return desk.ask(PLAN + SHOWN, viewer, input=given)


def applied(
    desk: Desk, plan: Any, viewer: Viewer = DISTRICT_OFFICE, reason: str = "业主大会"
) -> Answer:
    return desk.ask(APPLY, viewer, input={"plan": plan["id"], "reason": reason})


def well(answer: Answer) -> Any:
    assert answer.errors == []
    [found] = answer.data.values()
    return found


def warned(plan: Any) -> dict[str, dict[str, Any]]:
    """What each warning names, by its code."""
    assert [each["message"] for each in plan["warned"]] == plan["warnings"]
    return {
        each["code"]: {
            name: value
            for name, value in each.items()
            if value is not None and name not in ("code", "message")
        }
        for each in plan["warned"]
    }


def refusal(answer: Answer, code: str) -> str:
    """The message."""
    [(found, message)] = answer.errors
    assert found == code, message
    return message


def difference(desk: Desk, region: str, before: datetime.date, after: datetime.date) -> Answer:
    days: dict[str, Any] = {"from": before.isoformat(), "to": after.isoformat()}
    return desk.ask(DIFFERENCE, region=region, **days)


def counted(desk: Desk, table: str, where: str = "true", *values: object) -> int:
    [(count,)] = desk.sql(f"SELECT count(*) FROM {table} WHERE {where}", *values)
    return int(count)


def grids(desk: Desk) -> list[tuple[Any, ...]]:
    return desk.sql("SELECT code, valid_from, valid_to, name, boundary FROM grids ORDER BY 1, 2")


def names(grid: dict[str, Any] | None) -> str | None:
    return grid["code"] if grid else None


class TestPlan:
    def test_it_shows_what_goes_from_which_grid_to_which_and_writes_no_grid(
        self, desk: Desk
    ) -> None:
        before = grids(desk)
        report = desk.submit((WEST + 0.5 * SIDE, SOUTH + 1.6 * SIDE))
        plan = well(planned(desk, MOVED))
        assert grids(desk) == before
        pair = {"gridBefore": grid_code(1), "gridAfter": grid_code(2)}
        [move] = plan["moves"]["nodes"]
        [(area,)] = desk.sql(
            "SELECT ST_Area(geography(ST_GeomFromText(%s, 4326)))",
            square(1).difference(square(1, east=-0.6)).wkt,
        )
        # PostGIS bends edges, by some millionths.
        assert move.pop("area") == pytest.approx(area, rel=1e-5)
        counts = {"buildings": 1, "households": 10, "openReports": 1, "sponsorships": 1}
        assert move == pair | counts
        assert plan["buildings"]["nodes"] == [{"building": {"code": building_code(1)}, **pair}]
        [sponsorship] = plan["sponsorships"]["nodes"]
        assert sponsorship == {"sponsorship": {"sponsor": {"code": "S1"}}, **pair}
        [moved] = plan["reports"]["nodes"]
        query = "query ($id: ID!, $on: Date) { report(id: $id) { grid(on: $on) { code } } }"
        there = desk.ask(query, id=moved["report"]["id"]).data["report"]["grid"]
        assert there == {"code": report.grid_code} == {"code": grid_code(1)}
        assert (plan["from"], plan["author"]) == (TOMORROW.isoformat(), "district")
        well(applied(desk, plan))
        on = TOMORROW.isoformat()
        there = desk.ask(query, id=moved["report"]["id"], on=on).data["report"]["grid"]
        assert there == {"code": grid_code(2)}

    def test_it_shows_how_the_load_of_each_worker_changes(self, desk: Desk) -> None:
        plan = well(planned(desk, MOVED))
        first, second = plan["grids"]
        assert first["workBefore"] == {
            "buildings": 1,
            "households": 10,
            "workers": 1,
            "householdsPerWorker": 10.0,
        }
        assert first["workAfter"]["householdsPerWorker"] == 0.0
        assert second["workBefore"]["households"] == 20
        assert second["workAfter"] == {
            "buildings": 2,
            "households": 30,
            "workers": 0,
            "householdsPerWorker": None,
        }
        assert first["before"] == {"code": grid_code(1), "validFrom": LONG_AGO.isoformat()}

    def test_another_person_sees_the_same_also_from_another_server(self, desk: Desk) -> None:
        plan = well(planned(desk, MOVED))
        query = "query ($id: ID!) { %s { ...Shown } }" + SHOWN
        with Desk(desk.url) as other:
            for field in ("boundaryPlan(id: $id)", "node(id: $id)"):
                found = other.ask(query % field, DISTRICT_OFFICE, id=plan["id"])
                assert well(found) == plan

    def test_the_plans_of_a_district_are_listed_for_those_who_plan_or_see_all(
        self, desk: Desk
    ) -> None:
        plans = [well(planned(desk, MOVED))["id"] for _ in range(3)]
        well(applied(desk, {"id": plans[0]}))
        query = """query ($first: Int, $after: Cursor, $district: String! = "230402") {
          boundaryPlans(district: $district, first: $first, after: $after) {
            totalCount pageInfo { endCursor } nodes { id change { reason } } } }"""
        auditor = Viewer(Role.AUDITOR, "eye")
        page = well(desk.ask(query, auditor, first=2))
        rest = well(desk.ask(query, auditor, first=2, after=page["pageInfo"]["endCursor"]))
        found = [*page["nodes"], *rest["nodes"]]
        assert [each["id"] for each in found] == plans[::-1]
        assert [each["change"] is None for each in found] == [True, True, False]
        assert page["totalCount"] == 3
        refusal(desk.ask(query, OFFICE), "FORBIDDEN")
        refusal(desk.ask(query, DISTRICT_OFFICE, district="230406"), "FORBIDDEN")

    def test_the_statements_do_not_grow_with_the_plan(self, desk: Desk) -> None:
        def renamed(*numbers: int) -> list[dict[str, Any]]:
            return [outline(i, square(i), name=f"新{i}") for i in numbers]

        one = planned(desk, renamed(3))
        all_of_them = planned(desk, renamed(*range(1, 7)))
        assert well(one)["obstacles"] == well(all_of_them)["obstacles"] == []
        more = len(all_of_them.statements) - len(one.statements)
        # What is asked of the grids before, of buildings and sponsorships is asked for all at once.
        assert more <= 0
        assert len(one.statements) <= 12
        plans = [well(one), well(all_of_them)]
        first = applied(desk, plans[0])
        assert refusal(applied(desk, plans[1]), "CONFLICT")
        again = well(planned(desk, renamed(1, 2, 4, 5, 6)))
        assert len(applied(desk, again).statements) == len(first.statements)

    def test_a_new_grid_gets_the_next_number_that_no_grid_has_ever_had(self, desk: Desk) -> None:
        desk.sql(
            "INSERT INTO grids SELECT district_code, %s, community_code, name, boundary, "
            "source_datum, '2023-01-01', '2023-06-01' FROM grids WHERE code = %s",
            grid_code(8),
            grid_code(1),
        )
        halves = [outline(1, square(1, east=-0.5)), outline(None, square(1, west=0.5), name="新")]
        plan = well(planned(desk, halves))
        assert [(each["code"], each["name"], each["fate"]) for each in plan["grids"]] == [
            (grid_code(1), "第1网格", "CHANGED"),
            (grid_code(9), "新", "NEW"),
        ]
        assert warned(plan)["NOBODY_WALKS_GRID"] == {"grid": grid_code(9)}
        begun = well(applied(desk, plan))["grids"]
        assert [each["code"] for each in begun] == [grid_code(1), grid_code(9)]

    def test_outlines_may_be_given_in_the_datum_of_a_chinese_map(self, desk: Desk) -> None:
        shifted = [
            {**each, "outline": json.loads(shapely.to_geojson(shape))}
            for each, shape in zip(
                MOVED,
                geometries_from_wgs84(
                    shapely.from_geojson([json.dumps(each["outline"]) for each in MOVED]),
                    Datum.GCJ02,
                ),
                strict=True,
            )
        ]
        plan = well(planned(desk, shifted, datum="GCJ02"))
        assert plan["obstacles"] == []
        assert [each["areaAfter"] for each in plan["grids"]] == pytest.approx(
            [each["areaAfter"] for each in well(planned(desk, MOVED))["grids"]], rel=1e-9
        )

    def test_what_would_change_nothing_is_said_to_be_so_and_cannot_be_applied(
        self, desk: Desk
    ) -> None:
        plan = well(planned(desk, [outline(1, square(1)), outline(2, square(2))]))
        assert [said[:21] for said in plan["obstacles"]] == ["Nothing would change:"]
        assert "Nothing would change" in refusal(applied(desk, plan), "CONFLICT")
        renamed = well(planned(desk, [outline(1, square(1), name="新名"), outline(2, square(2))]))
        assert renamed["obstacles"] == []

    def test_what_is_beside_a_border_is_brought_onto_it_and_told(self, desk: Desk) -> None:
        beside = [
            outline(1, shapely.transform(square(1, east=-0.6), lambda at: at + 4e-6)),
            outline(2, square(2, west=-0.6)),
        ]
        plan = well(planned(desk, beside))
        assert plan["obstacles"] == []
        assert plan["snapped"]["totalCount"] >= 4
        assert all(0 < each["metres"] <= 1 for each in plan["snapped"]["nodes"])
        strict = well(planned(desk, beside, tolerance=0.1))
        assert strict["obstacles"] != []

    @pytest.mark.parametrize(
        ("given", "code"),
        [
            ([], "INVALID"),
            ([{"code": grid_code(1)}], "INVALID"),
            ([outline(1, square(1), together=[grid_code(1)])], "INVALID"),
            ([outline(1, square(1)), outline(1, square(1))], "INVALID"),
            ([outline(None, square(1))], "INVALID"),
            (
                [{"code": grid_code(1), "outline": {"type": "Point", "coordinates": [130, 47]}}],
                "INVALID",
            ),
            (
                [{"code": grid_code(1), "outline": {"type": "Polygon", "coordinates": [["a"]]}}],
                "INVALID",
            ),
            ([outline(1, box(0, 0, 1, 1)) | {"outline": "nonsense"}], "INVALID"),
            ([{"code": grid_code(1), "together": ["nowhere"]}], "NOT_FOUND"),
            ([outline(None, square(1), name="新", community="230402002999")], "NOT_FOUND"),
            ([outline(None, square(1), name="新", community="23")], "INVALID"),
            # Where the others have codes of fifteen digits.
            ([outline(None, square(1), name="新") | {"code": "12345"}], "INVALID"),
            ([outline(None, box(1, 1, 2, 2), name="新")], "INVALID"),
        ],
    )
    def test_what_makes_no_sense_is_refused(
        self, desk: Desk, given: list[dict[str, Any]], code: str
    ) -> None:
        refusal(planned(desk, given), code)

    def test_what_was_is_not_rewritten(self, desk: Desk) -> None:
        message = refusal(planned(desk, MOVED, start=TODAY - DAY), "INVALID")
        assert "past" in message


class TestApply:
    def test_the_versions_end_on_the_day_and_the_new_ones_begin(self, desk: Desk) -> None:
        plan = well(planned(desk, MOVED))
        payload = well(applied(desk, plan))
        assert payload["change"] == {
            "author": "district",
            "authorRole": "DISTRICT",
            "reason": "业主大会",
        }
        assert payload["grids"] == [
            {"code": grid_code(n), "name": f"第{n}网格", "validFrom": TOMORROW.isoformat()}
            for n in (1, 2)
        ]
        rows = desk.sql(
            "SELECT code, valid_from, valid_to FROM grids WHERE code = ANY(%s) ORDER BY 1, 2",
            [grid_code(1), grid_code(2)],
        )
        assert rows == [
            (grid_code(n), *days)
            for n in (1, 2)
            for days in ((LONG_AGO, TOMORROW), (TOMORROW, None))
        ]

    def test_a_plan_is_applied_once(self, desk: Desk) -> None:
        plan = well(planned(desk, MOVED))
        well(applied(desk, plan))
        assert "already" in refusal(applied(desk, plan), "CONFLICT")
        query = "query ($id: ID!) { boundaryPlan(id: $id) { change { reason } } }"
        assert well(desk.ask(query, id=plan["id"])) == {"change": {"reason": "业主大会"}}

    def test_of_two_plans_over_one_grid_the_first_to_be_applied_is(self, desk: Desk) -> None:
        one = well(planned(desk, MOVED))
        other = well(
            planned(desk, [{"code": grid_code(2), "together": [grid_code(2)], "name": "新"}])
        )
        well(applied(desk, other))
        assert grid_code(2) in refusal(applied(desk, one), "CONFLICT")

    def test_of_two_who_apply_at_the_same_moment_one_is_refused(self, desk: Desk) -> None:
        keys = []
        for _ in range(2):
            made = GlobalId.decoded(well(planned(desk, MOVED))["id"])
            keys.append(PlanKey(made.district_code, UUID(made.code)))

        async def apply(key: PlanKey) -> store.BoundaryChange:
            async with desk.database.transaction() as connection:
                return await store.apply(connection, key, "同时", DISTRICT_OFFICE, now())

        async def both(*keys: PlanKey) -> list[Any]:
            return await asyncio.gather(*map(apply, keys), return_exceptions=True)

        outcome = desk.run(both(*keys))
        assert {type(each) for each in outcome} == {Conflict, store.BoundaryChange}
        # One of them has been applied by now, the other no longer fits.
        outcome = desk.run(both(*keys))
        assert {type(each) for each in outcome} == {Conflict}
        assert counted(desk, "grids", "valid_from = %s", TOMORROW) == 2
        assert counted(desk, "boundary_changes") == 1

    def test_a_plan_that_is_applied_twice_at_the_same_moment_is_applied_once(
        self, desk: Desk
    ) -> None:
        made = GlobalId.decoded(well(planned(desk, MOVED))["id"])
        key = PlanKey(made.district_code, UUID(made.code))

        async def apply() -> store.BoundaryChange:
            async with desk.database.transaction() as connection:
                return await store.apply(connection, key, "同时", DISTRICT_OFFICE, now())

        async def all_at_once() -> list[Any]:
            return await asyncio.gather(*(apply() for _ in range(3)), return_exceptions=True)

        outcome = desk.run(all_at_once())
        assert sorted(type(each).__name__ for each in outcome) == [
            "BoundaryChange",
            "Conflict",
            "Conflict",
        ]

    @pytest.mark.parametrize(
        ("change", "named"),
        [
            (
                lambda desk: desk.sql(
                    "UPDATE buildings SET households = 77 WHERE code = %s", building_code(2)
                ),
                grid_code(2),
            ),
            (
                lambda desk: desk.sql(
                    "UPDATE buildings SET location = ST_Translate(location, %s, 0) WHERE code = %s",
                    SIDE,
                    building_code(1),
                ),
                building_code(1),
            ),
            (
                lambda desk: desk.sql(
                    "UPDATE grids SET boundary = ST_Multi(ST_Expand(boundary, -1e-6)) "
                    "WHERE code = %s",
                    grid_code(5),
                ),
                grid_code(5),
            ),
            (
                lambda desk: desk.sql(
                    "UPDATE grids SET valid_to = %s WHERE code = %s", TODAY + 9 * DAY, grid_code(4)
                ),
                grid_code(4),
            ),
            (
                lambda desk: desk.sql(
                    "INSERT INTO worker_assignments VALUES (%s, 'W1', %s, %s)",
                    DISTRICT,
                    grid_code(2),
                    LONG_AGO,
                ),
                grid_code(2),
            ),
            (
                lambda desk: desk.sql(
                    "UPDATE sponsorships SET valid_to = %s WHERE building_code = %s "
                    "AND valid_to IS NULL",
                    TODAY,
                    building_code(1),
                ),
                f"who answers for a building in grid {grid_code(1)}",
            ),
            (
                lambda desk: desk.submit((WEST + 0.5 * SIDE, SOUTH + 1.6 * SIDE)),
                f"a report in grid {grid_code(1)} (new)",
            ),
        ],
        ids=["households", "location", "neighbour", "end", "worker", "sponsorship", "report"],
    )
    def test_what_has_changed_under_it_refuses_it_and_is_named(
        self, desk: Desk, change: Callable[[Desk], object], named: str
    ) -> None:
        plan = well(planned(desk, MOVED))
        change(desk)
        before = grids(desk)
        assert named in refusal(applied(desk, plan), "CONFLICT")
        made = GlobalId.decoded(plan["id"])
        key = PlanKey(made.district_code, UUID(made.code))

        async def apply() -> None:
            async with desk.database.transaction() as connection:
                await store.apply(connection, key, "再试", DISTRICT_OFFICE, now())

        with pytest.raises(Conflict) as refused:
            desk.run(apply())
        changes: Any = refused.value.details["changes"]
        assert any(str(each["code"]) in named for each in changes)
        assert grids(desk) == before

    def test_what_has_changed_elsewhere_does_not(self, desk: Desk) -> None:
        plan = well(planned(desk, MOVED))
        desk.sql("UPDATE buildings SET households = 5 WHERE code = %s", building_code(6))
        desk.sql("UPDATE grids SET name = '别的' WHERE code = %s", grid_code(6))
        desk.submit((WEST + 2.5 * SIDE, SOUTH + 0.5 * SIDE))
        well(applied(desk, plan))

    def test_grids_that_would_overlap_are_refused(self, desk: Desk) -> None:
        plan = well(planned(desk, MOVED[1:]))
        [overlap] = plan["overlaps"]["nodes"]
        assert overlap["isNew"]
        assert overlap["grids"] == [grid_code(2), grid_code(1)]
        assert "overlap" in refusal(applied(desk, plan), "CONFLICT")

    def test_an_overlap_from_of_old_is_told_and_hinders_nobody(self, desk: Desk) -> None:
        desk.sql(
            "UPDATE grids SET boundary = ST_Multi(ST_GeomFromText(%s, 4326)) WHERE code = %s",
            square(4, east=0.001).wkt,
            grid_code(4),
        )
        plan = well(planned(desk, [outline(4, square(4, east=0.001)), *MOVED]))
        [overlap] = plan["overlaps"]["nodes"]
        assert not overlap["isNew"]
        well(applied(desk, plan))

    def test_ground_is_given_up_only_where_that_is_meant(self, desk: Desk) -> None:
        plan = well(planned(desk, MOVED[:1]))
        assert [each["grids"] for each in plan["gaps"]["nodes"]] == [
            [grid_code(1), grid_code(2), grid_code(4)]
        ]
        assert "No grid would cover" in refusal(applied(desk, plan), "CONFLICT")
        meant = well(planned(desk, MOVED[:1], groundMayChange=True))
        assert meant["obstacles"] == []
        [gap] = meant["gaps"]["nodes"]
        told = warned(meant)
        assert told["GROUND_GIVEN_UP"] == {"area": gap["area"]}
        assert told["BUILDINGS_IN_NO_GRID"] == {"buildings": 1, "building": building_code(1)}
        [move] = meant["moves"]["nodes"]
        assert (move["gridBefore"], move["gridAfter"], move["buildings"]) == (grid_code(1), None, 1)
        well(applied(desk, meant))

    def test_ground_is_taken_in_only_where_that_is_meant(self, desk: Desk) -> None:
        wider = [outline(3, square(3, east=0.5))]
        plan = well(planned(desk, wider))
        assert "taken in" in refusal(applied(desk, plan), "CONFLICT")
        meant = well(planned(desk, wider, groundMayChange=True))
        [move] = meant["moves"]["nodes"]
        assert (move["gridBefore"], move["gridAfter"]) == (None, grid_code(3))
        assert move["area"] == pytest.approx(meant["taken"]["nodes"][0]["area"])
        well(applied(desk, meant))

    def test_a_grid_may_end_without_another_in_its_place_where_that_is_meant(
        self, desk: Desk
    ) -> None:
        plan = well(planned(desk, [], ends=[grid_code(3)]))
        assert "No grid would cover" in refusal(applied(desk, plan), "CONFLICT")
        plan = well(planned(desk, [], ends=[grid_code(3)], groundMayChange=True))
        assert plan["buildings"]["totalCount"] == 1
        assert well(applied(desk, plan))["grids"] == []
        assert counted(desk, "grids", "code = %s AND valid_to = %s", grid_code(3), TOMORROW) == 1

    def test_it_is_told_where_a_grid_reaches_beyond_its_community(self, desk: Desk) -> None:
        desk.sql(
            "UPDATE regions SET boundary = (SELECT ST_Multi(ST_Union(boundary)) FROM grids) "
            "WHERE code = %s",
            COMMUNITY,
        )
        wider = well(planned(desk, [outline(3, square(3, east=0.5))], groundMayChange=True))
        desk.sql("UPDATE regions SET boundary = NULL")
        [taken] = wider["taken"]["nodes"]
        told = warned(wider)
        assert told["GROUND_TAKEN_IN"] == {"area": taken["area"]}
        beyond = pytest.approx(taken["area"], rel=1e-6)
        assert told["BEYOND_COMMUNITY"] == {
            "grid": grid_code(3),
            "community": COMMUNITY,
            "area": beyond,
        }

    def test_what_is_of_a_grid_that_ends_ends_with_it(self, desk: Desk) -> None:
        desk.sql(
            "INSERT INTO worker_assignments VALUES (%s, 'W1', %s, %s), (%s, 'W1', %s, %s)",
            *(DISTRICT, grid_code(1) + "x", LONG_AGO, DISTRICT, grid_code(4), TODAY + 9 * DAY),
        )
        plan = well(planned(desk, **MERGED))
        assert plan["endingSponsorships"]["nodes"] == [
            {"sponsorship": {"sponsor": {"code": "S2"}}, "gridBefore": grid_code(1)}
        ]
        assert plan["endingAssignments"]["nodes"] == [
            {"worker": {"code": "W1"}, "grid": grid_code(1)}
        ]
        told = warned(plan)
        assert told["SPONSOR_ENDS"] == {"sponsor": "S2", "grid": grid_code(1)}
        well(applied(desk, plan))
        ends = desk.sql("SELECT valid_to FROM sponsorships WHERE grid_code = %s", grid_code(1))
        assert ends == [(TOMORROW,)]
        ends = desk.sql(
            "SELECT valid_to FROM worker_assignments WHERE grid_code = %s", grid_code(1)
        )
        assert ends == [(TOMORROW,)]
        # The sponsor of the building goes with the building.
        query = """query ($code: String!, $on: Date) {
          building(code: $code, on: $on) { grid { code } sponsor { code } } }"""
        for on, number in ((TODAY, 1), (TOMORROW, 2)):
            found = desk.ask(query, code=building_code(1), on=on.isoformat())
            assert well(found) == {"grid": {"code": grid_code(number)}, "sponsor": {"code": "S1"}}

    def test_what_was_to_begin_later_for_a_grid_that_ends_is_called_off(self, desk: Desk) -> None:
        later = TODAY + 9 * DAY
        desk.sql(
            "INSERT INTO worker_assignments VALUES (%s, 'W1', %s, %s)",
            *(DISTRICT, grid_code(4), later),
        )
        plan = well(
            planned(
                desk,
                [{"code": grid_code(5), "together": [grid_code(4), grid_code(5)]}],
                ends=[grid_code(4)],
            )
        )
        assert plan["endingAssignments"]["nodes"][0]["grid"] == grid_code(4)
        well(applied(desk, plan))
        assert counted(desk, "worker_assignments", "grid_code = %s", grid_code(4)) == 0

    def test_where_a_grid_or_one_beside_it_changes_later_it_is_refused(self, desk: Desk) -> None:
        later = TODAY + 9 * DAY
        well(applied(desk, well(planned(desk, MOVED, start=later))))
        for given in (MOVED, [outline(4, square(4, east=-0.1)), outline(5, square(5, west=-0.1))]):
            assert later.isoformat() in refusal(planned(desk, given), "CONFLICT")
        # Grids 3 and 6 do not touch those two... but 3 lies beside 2.
        assert grid_code(2) in refusal(planned(desk, [outline(3, square(3))]), "CONFLICT")
        well(planned(desk, [outline(3, square(3))], start=later))
        refusal(planned(desk, MOVED, start=later), "CONFLICT")

    def test_a_plan_from_before_warnings_had_codes_is_shown_and_applied(self, desk: Desk) -> None:
        plan = well(planned(desk, **MERGED))
        [(content,)] = desk.sql("SELECT content FROM boundary_plans")
        content["warnings"] = [each[1] for each in content["warnings"]]
        said = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
        with psycopg.connect(desk.url) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute(
                "UPDATE boundary_plans SET content = %s, digest = %s",
                [json.dumps(content), hashlib.blake2b(said, digest_size=16).digest()],
            )
        query = "query ($id: ID!) { boundaryPlan(id: $id) { ...Shown } }" + SHOWN
        kept = well(desk.ask(query, DISTRICT_OFFICE, id=plan["id"]))
        assert kept["warnings"] == plan["warnings"] != []
        assert warned(kept) == {"OTHER": {}}
        well(applied(desk, plan))

    def test_a_reason_is_needed(self, desk: Desk) -> None:
        plan = well(planned(desk, MOVED))
        for reason in ("", "  ", "长" * 2001):
            refusal(applied(desk, plan, reason=reason), "INVALID")

    @pytest.mark.parametrize("id_", ["nonsense", "UmVnaW9uCgoyMw==", ""])
    def test_what_is_no_plan_is_refused(self, desk: Desk, id_: str) -> None:
        refusal(applied(desk, {"id": id_}), "INVALID")

    def test_nobody_changes_what_was_applied(self, desk: Desk) -> None:
        well(applied(desk, well(planned(desk, MOVED))))
        for statement in (
            "UPDATE boundary_changes SET reason = '别的'",
            "DELETE FROM boundary_change_grids",
            "TRUNCATE boundary_changes CASCADE",
        ):
            with pytest.raises(psycopg.errors.RestrictViolation):
                desk.sql(statement)


class TestWhoMay:
    @pytest.mark.parametrize("viewer", [DISTRICT_OFFICE, ADMINISTRATOR], ids=lambda each: each.role)
    def test_the_office_of_the_district_may(self, desk: Desk, viewer: Viewer) -> None:
        well(applied(desk, well(planned(desk, MOVED, viewer)), viewer))

    @pytest.mark.parametrize(
        "viewer",
        [
            ANONYMOUS,
            WORKER,
            OFFICE,
            STREET_OFFICE,
            Viewer(Role.AUDITOR, "eye"),
            Viewer(Role.DISTRICT, "next door", frozenset({"230406"})),
        ],
        ids=lambda viewer: f"{viewer.role} {viewer.subject}",
    )
    def test_nobody_else_may(self, desk: Desk, viewer: Viewer) -> None:
        plan = well(planned(desk, MOVED))
        refusal(planned(desk, MOVED, viewer), "FORBIDDEN")
        refusal(applied(desk, plan, viewer), "FORBIDDEN")
        assert counted(desk, "boundary_plans") == 1


class TestHistory:
    def test_versions_come_newest_first_with_who_changed_them_and_why(self, desk: Desk) -> None:
        plan = well(planned(desk, MOVED))
        well(applied(desk, plan))
        history = well(desk.ask(HISTORY, code=grid_code(1)))
        assert history["totalCount"] == 2
        new, old = history["nodes"]
        assert (new["author"], new["authorRole"], new["reason"], new["plan"]) == (
            "district",
            "DISTRICT",
            "业主大会",
            plan["id"],
        )
        assert (old["author"], old["reason"], old["plan"]) == (None, None, None)
        assert (old["validFrom"], old["validTo"]) == (LONG_AGO.isoformat(), TOMORROW.isoformat())
        assert new["validTo"] is None
        shape, meant = shapely.from_geojson(json.dumps(new["outline"])), square(1, east=-0.6)
        assert shape.symmetric_difference(meant).area <= 1e-9 * meant.area
        assert new["area"] < old["area"]
        assert old["mergedInto"] == [{"code": grid_code(2), "validFrom": TOMORROW.isoformat()}]
        assert new["splitFrom"] == []
        assert names(new["grid"]) == grid_code(1)

    def test_of_a_grid_that_was_merged_it_tells_into_which(self, desk: Desk) -> None:
        well(applied(desk, well(planned(desk, **MERGED))))
        [last] = well(desk.ask(HISTORY, code=grid_code(1)))["nodes"]
        assert last["mergedInto"] == [{"code": grid_code(2), "validFrom": TOMORROW.isoformat()}]
        assert (last["author"], last["endAuthor"], last["endReason"]) == (
            None,
            "district",
            "业主大会",
        )
        newest = well(desk.ask(HISTORY, code=grid_code(2)))["nodes"][0]
        assert newest["splitFrom"] == [{"code": grid_code(1), "validFrom": LONG_AGO.isoformat()}]

    def test_it_comes_in_pages_and_is_empty_for_a_grid_that_never_was(self, desk: Desk) -> None:
        page = well(desk.ask(HISTORY, code=grid_code(6), first=1))
        assert page["pageInfo"]["hasNextPage"]
        rest = well(
            desk.ask(HISTORY, code=grid_code(6), first=1, after=page["pageInfo"]["endCursor"])
        )
        days = [each["validFrom"] for each in (*page["nodes"], *rest["nodes"])]
        assert days == sorted(days, reverse=True)
        assert len(days) == page["totalCount"] == 2
        assert well(desk.ask(HISTORY, code="nowhere"))["nodes"] == []


class TestDifference:
    def test_it_is_what_went_from_which_grid_to_which(self, desk: Desk) -> None:
        well(applied(desk, well(planned(desk, MOVED))))
        found = well(difference(desk, COMMUNITY, TODAY, TOMORROW))
        [area] = found["areas"]["nodes"]
        assert (names(area["gridBefore"]), names(area["gridAfter"])) == (grid_code(1), grid_code(2))
        shape = shapely.from_geojson(json.dumps(area["outline"]))
        strip = square(1).difference(square(1, east=-0.6))
        assert shape.symmetric_difference(strip).area <= 1e-12 * strip.area
        assert found["area"] == area["area"]
        assert [names(each["after"]) for each in found["grids"]["nodes"]] == [
            grid_code(1),
            grid_code(2),
        ]

    def test_grids_that_came_and_that_ended_are_told_with_their_ground(self, desk: Desk) -> None:
        halves = [
            outline(1, square(1, east=-0.5)),
            outline(None, square(1, west=0.5), name="新"),
            {"code": grid_code(4), "together": [grid_code(4), grid_code(5)]},
            outline(3, square(3, east=0.25)),
        ]
        plan = planned(desk, halves, ends=[grid_code(5)], groundMayChange=True)
        well(applied(desk, well(plan)))
        found = well(difference(desk, DISTRICT, TODAY, TOMORROW))
        pairs = {
            (names(each["gridBefore"]), names(each["gridAfter"]))
            for each in found["areas"]["nodes"]
        }
        assert pairs == {
            (grid_code(1), grid_code(7)),
            (grid_code(5), grid_code(4)),
            (None, grid_code(3)),
        }
        changed = {
            (names(each["before"]), names(each["after"])) for each in found["grids"]["nodes"]
        }
        assert (None, grid_code(7)) in changed
        assert (grid_code(5), None) in changed
        same = well(difference(desk, DISTRICT, TOMORROW, TOMORROW))
        assert (same["area"], same["areas"]["totalCount"], same["grids"]["nodes"]) == (0, 0, [])

    def test_days_in_order_and_a_region_are_needed(self, desk: Desk) -> None:
        refusal(difference(desk, DISTRICT, TOMORROW, TODAY), "INVALID")
        refusal(difference(desk, "99", TODAY, TOMORROW), "NOT_FOUND")


class TestAnyDay:
    def test_whatever_has_a_grid_is_shown_as_on_any_day(self, desk: Desk) -> None:
        well(applied(desk, well(planned(desk, **MERGED))))
        query = """query (
          $building: String!, $grid: String!, $region: String!, $id: ID!, $on: Date
        ) {
          building(code: $building, on: $on) { id grid { code } }
          buildings(grid: $grid, on: $on) { nodes { code } }
          region(code: $region, on: $on) { grids { totalCount } }
          sponsor(code: "S1", on: $on) { gridCount }
          sponsors(region: $region, on: $on) { nodes { gridCount } }
          node(id: $id, on: $on) { ... on Building { grid { code } } }
          today: building(code: $building) { grid(on: $on) { code } }
        }"""
        first = "query ($code: String!) { building(code: $code) { id } }"
        id_ = well(desk.ask(first, code=building_code(1)))["id"]
        seen = {}
        for on in (TODAY, TOMORROW):
            answer = desk.ask(
                query,
                building=building_code(1),
                grid=grid_code(2),
                region=COMMUNITY,
                id=id_,
                on=on.isoformat(),
            )
            assert answer.errors == []
            seen[on] = answer.data
        for on, number in ((TODAY, 1), (TOMORROW, 2)):
            there = {"code": grid_code(number)}
            assert seen[on]["building"]["grid"] == there
            assert seen[on]["node"]["grid"] == there
            assert seen[on]["today"]["grid"] == there
        assert len(seen[TODAY]["buildings"]["nodes"]) == 1
        assert len(seen[TOMORROW]["buildings"]["nodes"]) == 2
        assert seen[TODAY]["region"]["grids"]["totalCount"] == 6
        assert seen[TOMORROW]["region"]["grids"]["totalCount"] == 5

    def test_a_version_is_shown_on_its_own_days_only(self, desk: Desk) -> None:
        first = "query ($code: String!) { grid(code: $code) { id } }"
        id_ = well(desk.ask(first, code=grid_code(1)))["id"]
        well(applied(desk, well(planned(desk, **MERGED))))
        query = "query ($id: ID!, $on: Date) { node(id: $id, on: $on) { id } }"
        assert well(desk.ask(query, id=id_, on=TODAY.isoformat())) == {"id": id_}
        assert desk.ask(query, id=id_, on=TOMORROW.isoformat()).data["node"] is None
