"""Who answers is said with dates: one at a time, and nothing that has held is forgotten."""

from __future__ import annotations

import asyncio
import datetime
import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyproj import Geod
from shapely import MultiPoint
from shapely.geometry import shape

from gridmap.errors import Conflict, GridmapError
from gridmap.store.changes import CHANNEL
from gridmap.store.database import Database
from gridmap.store.dates import today
from gridmap.store.sponsorships import Sponsorship, SponsorshipKey, Wanted, assign, end
from gridmap.store.viewers import ANONYMOUS, Role, Viewer
from tests.asking import Answer
from tests.districts import COMMUNITY, DISTRICT, LAST_YEAR, STREET, building_code, grid_code
from tests.reporting import (
    ADMINISTRATOR,
    DISTRICT_OFFICE,
    OFFICE,
    SPONSOR,
    STREET_OFFICE,
    WORKER,
    Desk,
    desk_of_a_district,
    middle_of,
)
from tests.waiting import PATIENCE_SECONDS

TODAY = today()
DAY = datetime.timedelta(days=1)
YESTERDAY, TOMORROW = TODAY - DAY, TODAY + DAY

ASSIGN = """
mutation ($input: AssignSponsorInput!) {
  assignSponsor(input: $input) {
    sponsorship { id validFrom validTo sponsor { code } building { code } grid { code } }
    building { code sponsor { code } sponsorships { sponsor { code } validFrom validTo } }
    grid { code sponsor { code } sponsorships { sponsor { code } validFrom validTo } }
  }
}
"""

END = """
mutation ($input: EndSponsorshipInput!) {
  endSponsorship(input: $input) {
    sponsorship { id validFrom validTo }
    building { code sponsor { code } }
    grid { code sponsor { code } }
  }
}
"""

ACCEPT = """
mutation ($input: AcceptSponsorshipsInput!) {
  acceptSponsorships(input: $input) { sponsorships { id building { code } sponsor { code } } }
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


def assigned(
    desk: Desk,
    number: int,
    sponsor: str = "S2",
    since: datetime.date = TODAY,
    viewer: Viewer = OFFICE,
    **said: Any,
) -> Answer:
    wanted = {"building": building_code(number), "sponsor": sponsor, "from": since.isoformat()}
    return desk.ask(ASSIGN, viewer, input=wanted | said)


def well(answer: Answer) -> Any:
    assert answer.errors == []
    [found] = answer.data.values()
    return found


def code_of(answer: Answer) -> str:
    [(code, message)] = answer.errors
    assert message
    return code


def held(desk: Desk, number: int) -> str:
    """The id of what holds for a building."""
    query = "query ($code: String!) { building(code: $code) { sponsorships { id } } }"
    found: str = desk.ask(query, code=building_code(number)).data["building"]["sponsorships"][0][
        "id"
    ]
    return found


def rows(desk: Desk, number: int) -> list[tuple[Any, ...]]:
    return desk.sql(
        "SELECT sponsor_code, valid_from, valid_to FROM sponsorships WHERE building_code = %s "
        "ORDER BY valid_from",
        building_code(number),
    )


class TestAssign:
    def test_a_building_without_a_sponsor_gets_one_from_a_day_on(self, desk: Desk) -> None:
        payload = well(assigned(desk, 2))
        begun = {"sponsor": {"code": "S2"}, "validFrom": TODAY.isoformat(), "validTo": None}
        assert payload["building"] == {
            "code": building_code(2),
            "sponsor": {"code": "S2"},
            "sponsorships": [begun],
        }
        assert payload["grid"] is None
        assert payload["sponsorship"].items() >= begun.items()
        assert rows(desk, 2) == [("S2", TODAY, None)]

    def test_a_grid_gets_one_too(self, desk: Desk) -> None:
        wanted = {"grid": grid_code(4), "sponsor": "S1", "from": TODAY.isoformat()}
        payload = well(desk.ask(ASSIGN, OFFICE, input=wanted))
        assert payload["building"] is None
        assert payload["grid"]["sponsor"] == {"code": "S1"}
        assert payload["sponsorship"]["grid"] == {"code": grid_code(4)}

    def test_who_answered_until_then_ends_on_that_day_and_stays_known(self, desk: Desk) -> None:
        before = rows(desk, 1)
        payload = well(assigned(desk, 1, replaces=held(desk, 1)))
        *earlier, (last, since, _) = before
        assert rows(desk, 1) == [*earlier, (last, since, TODAY), ("S2", TODAY, None)]
        assert [each["sponsor"]["code"] for each in payload["building"]["sponsorships"]] == [
            "S2",
            "S1",
            "S2",
        ]

    def test_each_past_day_is_answered_as_it_was(self, desk: Desk) -> None:
        query = """
        query ($on: Date, $point: PointInput!) {
          locate(point: $point, on: $on) { building { code } sponsor { code } }
        }
        """
        longitude, latitude = middle_of(1)
        point = {"longitude": longitude, "latitude": latitude, "datum": "WGS84"}
        days = [TODAY - n * DAY for n in (1, 30, 3000)]

        def asked() -> list[Any]:
            return [desk.ask(query, point=point, on=day.isoformat()).data for day in days]

        before = asked()
        well(assigned(desk, 1, replaces=held(desk, 1)))
        assert asked() == before
        now = desk.ask(query, point=point).data["locate"]
        assert now["sponsor"] == {"code": "S2"}

    def test_nothing_is_replaced_that_was_not_seen(self, desk: Desk) -> None:
        before = rows(desk, 1)
        assert code_of(assigned(desk, 1)) == "CONFLICT"
        seen = held(desk, 1)
        well(assigned(desk, 1, replaces=seen))
        # Another clerk saw the same, and comes later.
        assert code_of(assigned(desk, 1, "S1", TOMORROW, replaces=seen)) == "CONFLICT"
        assert len(rows(desk, 1)) == len(before) + 1

    def test_nothing_is_said_to_be_replaced_where_there_is_nothing(self, desk: Desk) -> None:
        assert code_of(assigned(desk, 2, replaces=held(desk, 1))) == "CONFLICT"
        assert rows(desk, 2) == []

    def test_what_is_sent_again_is_answered_the_same(self, desk: Desk) -> None:
        seen = held(desk, 1)
        first = assigned(desk, 1, replaces=seen)
        again = assigned(desk, 1, replaces=seen)
        assert well(first) == well(again)
        assert len(rows(desk, 1)) == 3

    def test_who_answers_already_is_not_assigned_again(self, desk: Desk) -> None:
        assert code_of(assigned(desk, 1, "S1", replaces=held(desk, 1))) == "CONFLICT"

    def test_where_a_later_one_is_planned_it_is_refused(self, desk: Desk) -> None:
        well(assigned(desk, 2, "S1", TOMORROW))
        answer = assigned(desk, 2, "S2", TODAY)
        assert code_of(answer) == "CONFLICT"
        assert "S1" in answer.errors[0][1]
        assert TOMORROW.isoformat() in answer.errors[0][1]
        assert rows(desk, 2) == [("S1", TOMORROW, None)]

    def test_who_begins_today_by_mistake_is_corrected_today(self, desk: Desk) -> None:
        # Building 1 was S1's until today; S1 again is one that begins anew.
        mistaken = well(assigned(desk, 1, replaces=held(desk, 1)))["sponsorship"]["id"]
        wish = {"number": 1, "sponsor": "S1", "replaces": mistaken}
        corrected = well(assigned(desk, **wish))
        assert corrected["sponsorship"]["id"] == mistaken
        assert corrected["building"]["sponsor"] == {"code": "S1"}
        assert well(assigned(desk, **wish)) == corrected
        assert rows(desk, 1)[1:] == [("S1", LAST_YEAR, TODAY), ("S1", TODAY, None)]

    def test_what_is_planned_or_ends_soon_is_corrected_as_well(self, desk: Desk) -> None:
        planned = well(assigned(desk, 2, "S1", TOMORROW))["sponsorship"]["id"]
        well(desk.ask(END, OFFICE, input={"id": planned, "to": (TOMORROW + DAY).isoformat()}))
        well(assigned(desk, 2, "S2", TOMORROW, replaces=planned))
        assert rows(desk, 2) == [("S2", TOMORROW, None)]

    def test_nobody_is_corrected_whose_first_day_is_over(self, desk: Desk) -> None:
        well(assigned(desk, 2, "S1", YESTERDAY))
        answer = assigned(desk, 2, "S2", YESTERDAY, replaces=held(desk, 2))
        assert code_of(answer) == "CONFLICT"
        well(assigned(desk, 2, "S2", TODAY, replaces=held(desk, 2)))
        assert rows(desk, 2) == [("S1", YESTERDAY, TODAY), ("S2", TODAY, None)]

    @pytest.mark.parametrize(
        ("said", "code"),
        [
            ({"building": "nowhere"}, "NOT_FOUND"),
            ({"building": None, "grid": "nowhere"}, "NOT_FOUND"),
            ({"sponsor": "nobody"}, "NOT_FOUND"),
            ({"building": None}, "INVALID"),
            ({"grid": grid_code(1)}, "INVALID"),
            ({"replaces": "nonsense"}, "INVALID"),
            ({"building": "\0"}, "INVALID"),
        ],
    )
    def test_what_makes_no_sense_is_refused(
        self, desk: Desk, said: dict[str, Any], code: str
    ) -> None:
        assert code_of(assigned(desk, 2, **said)) == code

    def test_a_grid_has_no_sponsor_on_a_day_on_which_there_is_no_such_grid(
        self, desk: Desk
    ) -> None:
        wanted = {"grid": grid_code(4), "sponsor": "S1", "from": "2020-01-01"}
        assert code_of(desk.ask(ASSIGN, OFFICE, input=wanted)) == "NOT_FOUND"


class TestWhoMay:
    @pytest.mark.parametrize(
        "viewer",
        [OFFICE, STREET_OFFICE, DISTRICT_OFFICE, ADMINISTRATOR],
        ids=lambda viewer: viewer.role,
    )
    def test_the_offices_of_the_region_may(self, desk: Desk, viewer: Viewer) -> None:
        well(assigned(desk, 2, viewer=viewer))
        ended = {"id": held(desk, 2), "to": TOMORROW.isoformat()}
        well(desk.ask(END, viewer, input=ended))

    @pytest.mark.parametrize(
        "viewer",
        [
            ANONYMOUS,
            WORKER,
            SPONSOR,
            Viewer(Role.AUDITOR, "eye"),
            Viewer(Role.COMMUNITY, "next door", frozenset({"230402002006"})),
            Viewer(Role.STREET, "next door", frozenset({"230402003"})),
            Viewer(Role.DISTRICT, "next door", frozenset({"230406"})),
            Viewer(Role.SPONSOR, "clever", frozenset({COMMUNITY})),
        ],
        ids=lambda viewer: f"{viewer.role} {viewer.subject}",
    )
    def test_nobody_else_may(self, desk: Desk, viewer: Viewer) -> None:
        before = desk.sql("SELECT * FROM sponsorships ORDER BY id")
        chosen = [{"building": building_code(2), "sponsor": "S1"}]
        for answer in (
            assigned(desk, 2, viewer=viewer),
            desk.ask(END, viewer, input={"id": held(desk, 1), "to": TODAY.isoformat()}),
            desk.ask(ACCEPT, viewer, input={"from": TODAY.isoformat(), "chosen": chosen}),
        ):
            assert code_of(answer) == "FORBIDDEN"
        assert desk.sql("SELECT * FROM sponsorships ORDER BY id") == before


class TestEnd:
    def test_it_no_longer_holds_on_the_day_that_is_said(self, desk: Desk) -> None:
        payload = well(desk.ask(END, OFFICE, input={"id": held(desk, 1), "to": TODAY.isoformat()}))
        assert payload["sponsorship"]["validTo"] == TODAY.isoformat()
        assert payload["building"] == {"code": building_code(1), "sponsor": None}
        assert payload["grid"] is None
        assert rows(desk, 1)[-1][2] == TODAY

    def test_what_is_sent_again_is_answered_the_same(self, desk: Desk) -> None:
        ended = {"id": held(desk, 1), "to": TODAY.isoformat()}
        first, again = (well(desk.ask(END, OFFICE, input=ended)) for _ in range(2))
        assert first == again

    def test_another_end_than_the_one_kept_is_a_conflict(self, desk: Desk) -> None:
        id_ = held(desk, 1)
        well(desk.ask(END, OFFICE, input={"id": id_, "to": TODAY.isoformat()}))
        answer = desk.ask(END, OFFICE, input={"id": id_, "to": TOMORROW.isoformat()})
        assert code_of(answer) == "CONFLICT"

    def test_an_end_that_is_still_to_come_can_be_another(self, desk: Desk) -> None:
        id_, later = held(desk, 1), TOMORROW + datetime.timedelta(days=9)
        for day in (later, TOMORROW, later):
            well(desk.ask(END, OFFICE, input={"id": id_, "to": day.isoformat()}))
            assert rows(desk, 1)[-1][2] == day
        well(assigned(desk, 1, since=later))
        beyond = (later + datetime.timedelta(days=1)).isoformat()
        answer = desk.ask(END, OFFICE, input={"id": id_, "to": beyond})
        assert code_of(answer) == "CONFLICT"

    def test_what_has_begun_is_not_undone(self, desk: Desk) -> None:
        well(assigned(desk, 2))
        answer = desk.ask(END, OFFICE, input={"id": held(desk, 2), "to": TODAY.isoformat()})
        assert code_of(answer) == "INVALID"
        assert rows(desk, 2) == [("S2", TODAY, None)]

    def test_what_has_not_begun_can_be_called_off(self, desk: Desk) -> None:
        well(assigned(desk, 2, since=TOMORROW))
        ended = {"id": held(desk, 2), "to": TOMORROW.isoformat()}
        payload = well(desk.ask(END, OFFICE, input=ended))
        assert payload["sponsorship"]["validFrom"] == payload["sponsorship"]["validTo"]
        assert rows(desk, 2) == []
        assert code_of(desk.ask(END, OFFICE, input=ended)) == "NOT_FOUND"

    def test_where_a_change_is_called_off_the_one_before_goes_on(self, desk: Desk) -> None:
        before, first = rows(desk, 1), held(desk, 1)
        begun = well(assigned(desk, 1, since=TOMORROW, replaces=first))["sponsorship"]["id"]
        assert [end for _, _, end in rows(desk, 1)][-2:] == [TOMORROW, None]
        well(desk.ask(END, OFFICE, input={"id": begun, "to": TOMORROW.isoformat()}))
        assert rows(desk, 1) == before

    def test_that_of_a_grid_ends_too(self, desk: Desk) -> None:
        query = "query ($code: String!) { grid(code: $code) { sponsorships { id } } }"
        [row] = desk.ask(query, code=grid_code(1)).data["grid"]["sponsorships"]
        payload = well(desk.ask(END, OFFICE, input={"id": row["id"], "to": TODAY.isoformat()}))
        assert payload["grid"] == {"code": grid_code(1), "sponsor": None}

    @pytest.mark.parametrize("id_", ["nonsense", "UmVnaW9uCgoyMw==", ""])
    def test_what_is_no_sponsorship_is_refused(self, desk: Desk, id_: str) -> None:
        answer = desk.ask(END, OFFICE, input={"id": id_, "to": TODAY.isoformat()})
        assert code_of(answer) == "INVALID"


class TestAccept:
    def accepted(self, desk: Desk, *chosen: tuple[int, str]) -> Answer:
        wanted = [{"building": building_code(number), "sponsor": code} for number, code in chosen]
        return desk.ask(ACCEPT, OFFICE, input={"from": TODAY.isoformat(), "chosen": wanted})

    def test_all_that_was_chosen_begins_in_that_order(self, desk: Desk) -> None:
        begun = well(self.accepted(desk, (5, "S1"), (2, "S2")))["sponsorships"]
        assert [(each["building"]["code"], each["sponsor"]["code"]) for each in begun] == [
            (building_code(5), "S1"),
            (building_code(2), "S2"),
        ]
        assert rows(desk, 5) == [("S1", TODAY, None)]

    def test_the_statements_do_not_grow_with_what_is_chosen(self, desk: Desk) -> None:
        one = self.accepted(desk, (5, "S1"))
        more = self.accepted(desk, (2, "S1"), (4, "S2"), (6, "S2"))
        assert well(one)
        assert well(more)
        assert len(one.statements) == len(more.statements)

    def test_where_one_cannot_be_none_is(self, desk: Desk) -> None:
        # Building 3 has a sponsor since the plan was made.
        assert code_of(self.accepted(desk, (2, "S2"), (3, "S2"))) == "CONFLICT"
        assert rows(desk, 2) == []

    def test_what_is_sent_again_is_answered_the_same(self, desk: Desk) -> None:
        first, again = (well(self.accepted(desk, (2, "S2"), (5, "S1"))) for _ in range(2))
        assert first == again

    def test_no_building_is_chosen_twice(self, desk: Desk) -> None:
        assert code_of(self.accepted(desk, (2, "S2"), (2, "S1"))) == "INVALID"

    def test_nothing_chosen_is_nothing_begun(self, desk: Desk) -> None:
        assert well(self.accepted(desk))["sponsorships"] == []

    def test_more_than_a_thousand_are_refused(self, desk: Desk) -> None:
        assert code_of(self.accepted(desk, *[(n, "S1") for n in range(1001)])) == "TOO_LARGE"


class TestWhateverIsDone:
    @settings(
        max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["assign", "end"]),
                st.sampled_from(["S1", "S2"]),
                st.integers(-4, 4),
                st.booleans(),
            ),
            max_size=8,
        )
    )
    def test_one_answers_on_each_day_and_no_day_before_the_one_that_is_said_is_changed(
        self, desk: Desk, deeds: list[tuple[str, str, int, bool]]
    ) -> None:
        desk.sql("DELETE FROM sponsorships")
        answering = calendar(desk)
        for deed, sponsor, offset, is_seen in deeds:
            day = TODAY + offset * DAY
            before, rows_before = answering, rows(desk, 2)
            held = desk.sql(
                "SELECT id, valid_to FROM sponsorships WHERE building_code = %s "
                "AND valid_from <= %s AND (valid_to IS NULL OR valid_to > %s) ORDER BY valid_from",
                building_code(2),
                day if deed == "assign" else TODAY + 5 * DAY,
                day if deed == "assign" else TODAY - 5 * DAY,
            )
            keys = [SponsorshipKey(DISTRICT, id_) for id_, _ in held if is_seen]
            try:
                if deed == "assign":
                    replaces = keys[0] if keys else None
                    desk.run(
                        assign_one(desk, Wanted(building_code(2), None, sponsor, replaces), day)
                    )
                elif keys:
                    desk.run(end_one(desk, keys[-1], day))
                    # Where an end that was to come is put off, what changes begins with that one.
                    day = min(day, held[-1][1] or day)
            except GridmapError:
                assert rows(desk, 2) == rows_before
            answering = calendar(desk)
            unchanged = [each for each in before if each < day]
            assert [answering[each] for each in unchanged] == [before[each] for each in unchanged]
            assert all(len(sponsors) <= 1 for sponsors in answering.values())


def calendar(desk: Desk) -> dict[datetime.date, list[str]]:
    """Who answers for building 2 on each day around today."""
    days = [TODAY + offset * DAY for offset in range(-8, 9)]
    kept = rows(desk, 2)
    return {
        day: [
            sponsor for sponsor, since, until in kept if since <= day and (not until or until > day)
        ]
        for day in days
    }


async def assign_one(desk: Desk, wanted: Wanted, since: datetime.date) -> None:
    async with desk.database.transaction() as connection:
        await assign(connection, [wanted], since, OFFICE, TODAY)


async def end_one(desk: Desk, key: SponsorshipKey, on: datetime.date) -> None:
    async with desk.database.transaction() as connection:
        await end(connection, key, on, OFFICE, TODAY)


class TestAtTheSameMoment:
    def test_of_many_who_assign_at_once_one_comes_first_and_the_others_are_told(
        self, desk: Desk
    ) -> None:
        async def attempt(database: Database, sponsor: str) -> Sponsorship | Conflict:
            wanted = [Wanted(building_code(n), None, sponsor) for n in (2, 5, 6)]
            try:
                async with database.transaction() as connection:
                    return (await assign(connection, wanted, TODAY, OFFICE, TODAY))[0]
            except Conflict as conflict:
                return conflict

        async def attempts() -> list[Sponsorship | Conflict]:
            database = Database(desk.url, pool_size=6)
            try:
                tries = (attempt(database, sponsor) for sponsor in ("S1", "S2") * 3)
                return await asyncio.gather(*tries)
            finally:
                await database.close()

        found = asyncio.run(attempts())
        begun = {each for each in found if isinstance(each, Sponsorship)}
        assert len(begun) == 1
        [(sponsor,)] = desk.sql(
            "SELECT DISTINCT sponsor_code FROM sponsorships WHERE building_code = ANY(%s)",
            [building_code(n) for n in (2, 5, 6)],
        )
        assert {each.sponsor_code for each in begun} == {sponsor}
        # Who sent the same as the first is answered as the first.
        assert sum(isinstance(each, Conflict) for each in found) == 3


def test_all_who_listen_hear_of_it(desk: Desk) -> None:
    with psycopg.connect(desk.url, autocommit=True) as listener:
        listener.execute(f"LISTEN {CHANNEL}")
        well(assigned(desk, 1, replaces=held(desk, 1)))
        heard = [each.payload for each in listener.notifies(timeout=PATIENCE_SECONDS, stop_after=1)]
    [payload] = [json.loads(each) for each in heard]
    assert payload["table"] == "sponsorships"
    assert payload["codes"] == [building_code(1)]


def test_a_sponsorship_is_found_again_by_its_id(desk: Desk) -> None:
    query = """
    query ($id: ID!) {
      node(id: $id) { id ... on Sponsorship { sponsor { code } building { code } validTo } }
    }
    """
    id_ = held(desk, 3)
    assert desk.ask(query, id=id_).data["node"] == {
        "id": id_,
        "sponsor": {"code": "S1"},
        "building": {"code": building_code(3)},
        "validTo": None,
    }


def test_the_histories_of_many_take_as_many_statements_as_that_of_one(desk: Desk) -> None:
    query = """
    query ($region: String, $first: Int) {
      buildings(region: $region, first: $first) { nodes { sponsorships { sponsor { code } } } }
    }
    """
    one = desk.ask(query, region=DISTRICT, first=1)
    many = desk.ask(query, region=STREET)
    assert len(one.statements) == len(many.statements)
    assert [len(each["sponsorships"]) for each in many.data["buildings"]["nodes"]] == [
        2, 0, 1, 0, 0, 0,
    ]  # fmt: skip


class TestOfASponsor:
    QUERY = """
    { sponsors { nodes {
        code gridCount buildingCount hull { area } openReportCount overdueReportCount } } }
    """

    def test_grids_are_counted_that_it_answers_for_or_in_which_it_has_a_building(
        self, desk: Desk
    ) -> None:
        well(assigned(desk, 2, "S2"))
        well(assigned(desk, 4, "S2"))
        counts = {
            each["code"]: each["gridCount"]
            for each in desk.ask(self.QUERY).data["sponsors"]["nodes"]
        }
        # S2 has grids 1 and 2, and buildings in 2 and 4.
        assert counts == {"S1": 2, "S2": 3}

    def test_its_hull_holds_its_buildings_and_nothing_that_need_not_be(self, desk: Desk) -> None:
        for number in (2, 4, 5):
            well(assigned(desk, number, "S2"))
        query = "{ sponsors { nodes { code hull { outline area } } } }"
        hulls = {each["code"]: each["hull"] for each in well(desk.ask(query))["nodes"]}
        expected = MultiPoint([middle_of(number) for number in (2, 4, 5)]).convex_hull
        assert shape(hulls["S2"]["outline"]).equals_exact(expected, 1e-9, normalize=True)
        # With a corner every few metres, so that the geodesics between them do not bow out.
        dense = expected.segmentize(1e-4)
        area, _ = Geod(ellps="WGS84").geometry_area_perimeter(dense)
        assert hulls["S2"]["area"] == pytest.approx(abs(area), rel=1e-7)
        # S1 has two buildings, which a line joins.
        assert hulls["S1"]["area"] == 0
        assert hulls["S1"]["outline"]["type"] == "LineString"
        desk.sql("DELETE FROM sponsorships WHERE sponsor_code = 'S1'")
        assert desk.ask(query).data["sponsors"]["nodes"][0]["hull"] is None

    def test_its_reports_are_counted_while_they_are_open_and_when_they_are_late(
        self, desk: Desk
    ) -> None:
        for number in (1, 1, 3):
            desk.submit(middle_of(number))
        report = desk.submit(middle_of(1))
        desk.sql("UPDATE reports SET due_at = now() + interval '1 day', step_due_at = NULL")
        desk.sql("UPDATE reports SET due_at = now() - interval '1 hour' WHERE id = %s", report.id)
        found = desk.ask(self.QUERY).data["sponsors"]["nodes"]
        assert [
            (each["code"], each["openReportCount"], each["overdueReportCount"]) for each in found
        ] == [("S1", 4, 1), ("S2", 0, 0)]

    def test_the_statements_do_not_grow_with_the_sponsors(self, desk: Desk) -> None:
        one = desk.ask(self.QUERY.replace("sponsors {", "sponsors(first: 1) {"))
        assert len(one.statements) == len(desk.ask(self.QUERY).statements)
