"""A report comes in: where it belongs, who answers there, by when, and that it comes in once."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg._queries import MAX_CACHED_STATEMENT_LENGTH
from pyproj import Geod

from gridmap.errors import Conflict, Invalid
from gridmap.store.database import tool_engine
from gridmap.store.dates import CHINA
from gridmap.store.loop import Action
from gridmap.store.reports import Reporter
from gridmap.store.submissions import _SUBMIT, Submitted
from gridmap.store.viewers import ANONYMOUS
from tests.districts import (
    COMMUNITY,
    DISTRICT,
    LAST_YEAR,
    SIDE,
    SOUTH,
    STREET,
    WEST,
    building_code,
    grid_code,
)
from tests.reporting import (
    GARBAGE,
    MONDAY,
    OFFICE,
    RESIDENT,
    SPONSOR,
    Desk,
    desk_of_a_district,
    middle_of,
    put_rules,
)

DAY = datetime.timedelta(days=1)
GEOD = Geod(ellps="WGS84")

BETWEEN_1_AND_2 = (WEST + SIDE, SOUTH + 1.5 * SIDE)
ELSEWHERE = (WEST + 10 * SIDE, SOUTH)


@pytest.fixture(scope="module")
def desk(database_url: str) -> Iterator[Desk]:
    with desk_of_a_district(database_url) as desk:
        # A district that is known to hold more than its grids, and a street within it.
        for code, side in ((DISTRICT, 20), (STREET, 8)):
            desk.sql(
                "UPDATE regions SET boundary = ST_Multi(ST_MakeEnvelope(%s, %s, %s, %s, 4326)) "
                "WHERE code = %s",
                *(WEST, SOUTH, WEST + side * SIDE, SOUTH + 2 * SIDE, code),
            )
        yield desk


def elsewhere(desk: Desk, id_: UUID, place: tuple[float, float]) -> tuple[float, float]:
    """Where a report is taken to be for whoever may not see it."""
    [(digest,)] = desk.sql("SELECT submission FROM reports WHERE id = %s", id_)
    east, north = (100 * (byte - 127.5) / 255 for byte in sha256(digest).digest()[:2])
    longitude, latitude = place
    return (
        longitude + east / (110_000 * math.cos(math.radians(latitude))),
        latitude + north / 110_000,
    )


@pytest.fixture(autouse=True)
def on_monday(desk: Desk) -> None:
    desk.now = MONDAY
    if desk.sql("SELECT FROM report_rules"):
        put_rules(desk)


def away(bearing: float, metres: float, place: tuple[float, float]) -> tuple[float, float]:
    longitude, latitude, _ = GEOD.fwd(*place, bearing, metres)
    return longitude, latitude


def at_once(
    sent: Sequence[tuple[Desk, tuple[float, float]]], id_: UUID
) -> list[tuple[Submitted, bool] | Conflict]:
    """What each is answered who sends a report of this id to a desk of its own at the same time."""
    assert all(at.rules for at, _ in sent)
    barrier = Barrier(len(sent))

    def send(at: Desk, place: tuple[float, float]) -> tuple[Submitted, bool] | Conflict:
        barrier.wait()
        try:
            return at.submitted(place, id=id_)
        except Conflict as refused:
            return refused

    with ThreadPoolExecutor(len(sent)) as pool:
        return list(pool.map(send, *zip(*sent, strict=True)))


def assert_kept_once(desk: Desk, made: dict[UUID, str]) -> None:
    """The ids have one report each, in their district, with one event and one reporter."""
    wanted = sorted((district, id_) for id_, district in made.items())
    for table, column in (
        ("reports", "id"),
        ("report_events", "report_id"),
        ("reporters", "report_id"),
    ):
        found = desk.sql(
            f"SELECT district_code, {column} FROM {table} WHERE {column} = ANY(%s) ORDER BY 1, 2",
            list(made),
        )
        assert found == wanted


class TestPlace:
    @pytest.mark.parametrize(("number", "sponsor"), [(1, "S1"), (2, "S2"), (3, "S1"), (4, None)])
    def test_at_a_building_its_sponsor_answers_else_the_grids(
        self, desk: Desk, number: int, sponsor: str | None
    ) -> None:
        report = desk.submit(middle_of(number))
        assert (report.grid_code, report.building_code, report.sponsor_code, report.level) == (
            grid_code(number),
            building_code(number),
            sponsor,
            "BUILDING",
        )
        assert (report.district_code, report.region_code) == (DISTRICT, COMMUNITY)

    def test_away_from_buildings_the_grids_sponsor_answers(self, desk: Desk) -> None:
        report = desk.submit(away(90, 60, middle_of(1)))
        found = report.grid_code, report.building_code, report.sponsor_code, report.level
        assert found == (grid_code(1), None, "S2", "GRID")

    @pytest.mark.parametrize("region", [COMMUNITY, STREET, DISTRICT])
    def test_where_nobody_answers_the_default_of_the_region_does(
        self, desk: Desk, region: str
    ) -> None:
        put_rules(desk, (region, "S2", None))
        submitted, _ = desk.submitted(middle_of(4))
        assert submitted.report.sponsor_code == "S2"
        assert submitted.event.details["is_default"] is True
        own, _ = desk.submitted(middle_of(1))
        assert (own.report.sponsor_code, own.event.details["is_default"]) == ("S1", False)

    def test_the_default_of_the_innermost_region_comes_first(self, desk: Desk) -> None:
        put_rules(desk, (DISTRICT, "S1", None), (STREET, "S2", None), (COMMUNITY, None, True))
        assert desk.submit(middle_of(4)).sponsor_code == "S2"

    def test_without_a_default_nobody_answers(self, desk: Desk) -> None:
        put_rules(desk, (DISTRICT, None, True), ("230402002006", "S1", None))
        submitted, _ = desk.submitted(middle_of(4))
        assert submitted.report.sponsor_code is None
        assert submitted.event.details["is_default"] is False

    def test_what_was_seen_in_the_past_belongs_to_the_grid_of_then(self, desk: Desk) -> None:
        # Grid 6 was the northern half of its square.
        middle = middle_of(6)
        north, south = away(0, 60, middle), away(180, 60, middle)
        last = datetime.datetime.combine(LAST_YEAR, datetime.time(), CHINA)
        for captured_at, southern in (
            (MONDAY, grid_code(6)),
            (last, grid_code(6)),
            (last - datetime.timedelta(seconds=1), None),
        ):
            assert desk.submit(north, captured_at=captured_at).grid_code == grid_code(6)
            assert desk.submit(south, captured_at=captured_at).grid_code == southern

    def test_the_sponsor_is_that_of_the_day_too(self, desk: Desk) -> None:
        last = datetime.datetime.combine(LAST_YEAR, datetime.time(), CHINA)
        assert desk.submit(captured_at=last - DAY).sponsor_code == "S2"
        assert desk.submit(captured_at=last).sponsor_code == "S1"

    def test_an_uncertain_position_gives_candidates_and_no_grid(self, desk: Desk) -> None:
        submitted, _ = desk.submitted(BETWEEN_1_AND_2, accuracy=30.0)
        report, details = submitted.report, submitted.event.details
        assert (report.grid_code, report.building_code, report.level) == (None, None, "COMMUNITY")
        assert report.region_code == COMMUNITY
        assert [each["grid"] for each in details["candidates"]] == [grid_code(1), grid_code(2)]
        for each in details["candidates"]:
            assert each["share"] == pytest.approx(0.5, abs=0.01)
        assert details["workers"] == []

    def test_a_grid_that_holds_nearly_all_of_the_circle_is_taken(self, desk: Desk) -> None:
        # A cap of 5 % of the circle is cut off at 0.81 of the radius, one of 15 % at 0.58.
        for metres, grid in ((40.5, grid_code(1)), (29.0, None)):
            place = away(270, metres, BETWEEN_1_AND_2)
            submitted, _ = desk.submitted(place, accuracy=50.0)
            assert submitted.report.grid_code == grid
            assert (submitted.event.details["candidates"] == []) is (grid is not None)

    @pytest.mark.parametrize("number", [1, 2])
    def test_the_grid_that_is_chosen_among_them_is_taken(self, desk: Desk, number: int) -> None:
        place = away(90, 1, BETWEEN_1_AND_2)
        submitted, _ = desk.submitted(place, accuracy=30.0, grid=grid_code(number))
        report = submitted.report
        assert (report.grid_code, report.sponsor_code) == (grid_code(number), "S2")
        assert submitted.event.details["candidates"] == []
        assert submitted.event.details["workers"] == (["W1"] if number == 1 else [])

    def test_a_grid_that_it_cannot_lie_in_is_refused_with_those_it_can(self, desk: Desk) -> None:
        for wrong in (grid_code(3), grid_code(4), "", "x"):
            known = f"{grid_code(1)}, {grid_code(2)}"
            with pytest.raises(Invalid, match=f"{wrong!r}.*these are: {known}"):
                desk.submit(BETWEEN_1_AND_2, accuracy=30.0, grid=wrong)
        with pytest.raises(Invalid, match=f"these are: {grid_code(1)}"):
            desk.submit(grid=grid_code(2))
        assert desk.submit(grid=grid_code(1)).grid_code == grid_code(1)
        with pytest.raises(Invalid, match="these are: none"):
            desk.submit(ELSEWHERE, grid=grid_code(2))

    @pytest.mark.parametrize(
        ("squares", "region", "level"), [(5, STREET, "STREET"), (15, DISTRICT, "DISTRICT")]
    )
    def test_outside_of_all_grids_it_belongs_to_the_smallest_region_around(
        self, desk: Desk, squares: int, region: str, level: str
    ) -> None:
        put_rules(desk, (DISTRICT, "S1", None))
        report = desk.submit((WEST + squares * SIDE, SOUTH + SIDE))
        found = report.region_code, report.grid_code, report.level, report.sponsor_code
        assert found == (region, None, level, "S1")

    @pytest.mark.parametrize("place", [(WEST - SIDE, SOUTH), (121.5, 31.2), (0.0, 0.0)])
    def test_outside_of_everything_it_is_refused(
        self, desk: Desk, place: tuple[float, float]
    ) -> None:
        before = desk.sql("SELECT count(*) FROM reports")
        with pytest.raises(Invalid, match="No district of this server"):
            desk.submit(place)
        assert desk.sql("SELECT count(*) FROM reports") == before


class TestDeadlines:
    # The most exact of these says when: 1101 is below 11.
    RULES = (
        ("", "", "", 1),
        ("", "", "URGENT", 2),
        ("", "11", "", 3),
        ("", "11", "URGENT", 4),
        ("", "1101", "", 5),
        ("", "1101", "URGENT", 6),
        (DISTRICT, "", "", 7),
        (DISTRICT, "", "URGENT", 8),
        (DISTRICT, "11", "", 9),
        (DISTRICT, "11", "URGENT", 10),
        (DISTRICT, "1101", "", 11),
        (DISTRICT, "1101", "URGENT", 12),
        # Of others, and of another step.
        ("230406", "1101", "URGENT", 13),
        (DISTRICT, "1102", "URGENT", 14),
        (DISTRICT, "1101", "EMERGENCY", 15),
    )

    def test_the_most_exact_rule_holds_district_before_category_before_urgency(
        self, desk: Desk
    ) -> None:
        kept = desk.sql("SELECT * FROM deadlines")
        try:
            desk.sql("DELETE FROM deadlines")
            desk.forget_rules()
            assert desk.submit(category="1101", urgency="URGENT").due_at is None
            for most in range(1, len(self.RULES) + 1):
                *rule, hours = self.RULES[most - 1]
                desk.sql(
                    "INSERT INTO deadlines VALUES (%s, %s, %s, 'WHOLE', %s, 'HOURS')", *rule, hours
                )
                desk.forget_rules()
                report = desk.submit(category="1101", urgency="URGENT")
                expected = MONDAY + datetime.timedelta(hours=min(hours, 12))
                assert (report.due_at, report.step_due_at) == (expected, None)
            # What is not said so exactly falls back.
            for category, urgency, hours in (
                ("1101", "ROUTINE", 11),
                ("1103", "URGENT", 10),
                ("11", "ROUTINE", 9),
                ("0101", "URGENT", 8),
                ("0101", "ROUTINE", 7),
            ):
                report = desk.submit(category=category, urgency=urgency)
                assert report.due_at == MONDAY + datetime.timedelta(hours=hours)
        finally:
            desk.sql("DELETE FROM deadlines")
            for row in kept:
                desk.sql("INSERT INTO deadlines VALUES (%s, %s, %s, %s, %s, %s)", *row)
            desk.forget_rules()

    @pytest.mark.parametrize(
        ("category", "urgency", "due"),
        [
            # Monday the 2nd of March, ten o'clock; to the end of office hours.
            ("0101", "ROUTINE", (3, 11, 17, 30)),
            ("0101", "URGENT", (3, 4, 17, 30)),
            ("0101", "EMERGENCY", (3, 3, 10, 0)),
            ("1101", "ROUTINE", (3, 5, 17, 30)),
            ("1102", "ROUTINE", (3, 19, 17, 30)),
        ],
    )
    def test_a_new_installation_has_deadlines_to_begin_with(
        self, desk: Desk, category: str, urgency: str, due: tuple[int, int, int, int]
    ) -> None:
        report = desk.submit(category=category, urgency=urgency)
        assert report.due_at == datetime.datetime(2026, *due, tzinfo=CHINA)
        assert report.step_due_at == MONDAY + datetime.timedelta(hours=1)


class TestDuplicates:
    @settings(
        max_examples=12,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(st.data())
    def test_they_are_open_of_the_same_kind_near_and_recent_nearest_first(
        self, desk: Desk, data: st.DataObject
    ) -> None:
        origin = (WEST + 1.2 * SIDE, SOUTH + 0.4 * SIDE)
        # None of an earlier example is left open.
        desk.sql("UPDATE reports SET state = 'REJECTED', ended_at = now() WHERE ended_at IS NULL")
        known = []
        # Whoever may not see the reports there is told of them as if they were elsewhere.
        viewer = data.draw(st.sampled_from([OFFICE, RESIDENT]))
        # No two alike to the centimetre, so that it is plain which is the nearest.
        distances = st.one_of(st.integers(0, 18_000), st.sampled_from([4_999, 5_001]))
        for centimetres in data.draw(st.lists(distances, unique=True, max_size=7)):
            bearing, metres = data.draw(st.floats(0, 360)), (centimetres + 0.5) / 100
            days = data.draw(st.sampled_from([0, 1, -1, 13.99, -13.99, 14, -14, 14.01, -14.01]))
            category = data.draw(st.sampled_from([GARBAGE, GARBAGE, "0102", "01"]))
            is_open = data.draw(st.sampled_from([True, True, False]))
            report = desk.submit(
                away(bearing, metres, origin),
                captured_at=MONDAY - datetime.timedelta(days=days),
                category=category,
            )
            if not is_open:
                report = desk.act(report, Action.REJECT, OFFICE).report
            there = report.longitude, report.latitude
            if viewer is RESIDENT:
                there = elsewhere(desk, report.id, there)
            *_, apart = GEOD.inv(*origin, *there)
            is_near = apart <= (75 if viewer is RESIDENT else 50)
            if category == GARBAGE and abs(days) <= 14 and is_open and is_near:
                known.append((apart, str(report.id)))
        submitted, _ = desk.submitted(origin, viewer)
        expected = [id_ for _, id_ in sorted(known)][:3]
        assert submitted.event.details["duplicates"] == expected

    def test_nobody_finds_out_where_another_report_is_by_sending_in_many(self, desk: Desk) -> None:
        origin = (WEST + 2.2 * SIDE, SOUTH + 0.4 * SIDE)
        report = desk.submit(origin, category="0102")
        told = []
        for bearing in range(0, 360, 45):
            for metres in range(20, 160, 20):
                place = away(bearing, metres, origin)
                submitted, _ = desk.submitted(place, category="0102")
                if str(report.id) in submitted.event.details["duplicates"]:
                    told.append(place)
                desk.sql(
                    "UPDATE reports SET state = 'REJECTED', ended_at = now() WHERE id = %s",
                    submitted.report.id,
                )
        # What they find is the middle of a circle, and not where the report is.
        middle = shapely.MultiPoint(told).convex_hull.centroid
        found = GEOD.inv(middle.x, middle.y, *elsewhere(desk, report.id, origin))[2]
        assert found < 15
        # Who reports the same thing at the same place is told of it all the same.
        submitted, _ = desk.submitted(origin, category="0102")
        assert submitted.event.details["duplicates"] == [str(report.id)]

    def test_what_is_dispatched_and_done_is_open_still(self, desk: Desk) -> None:
        place = away(45, 100, middle_of(1))
        report = desk.go(
            desk.submit(place),
            (Action.REGISTER, OFFICE),
            (Action.DISPATCH, OFFICE, {"handler": None}),
        )
        submitted, _ = desk.submitted(place, OFFICE)
        assert submitted.event.details["duplicates"] == [str(report.id)]


class TestOnce:
    def test_the_same_submission_makes_one_report_whatever_has_become_of_it(
        self, desk: Desk
    ) -> None:
        id_ = uuid4()
        (report, event), is_new = desk.submitted(id=id_)
        assert is_new
        for action, viewer in (
            (Action.REGISTER, OFFICE),
            (Action.DISPATCH, OFFICE),
            (Action.ACCEPT, SPONSOR),
        ):
            desk.now += DAY
            report = desk.act(report, action, viewer).report
            again, is_new = desk.submitted(id=id_, captured_at=MONDAY)
            assert not is_new
            assert again == (report, event)
        assert len(desk.events(report.report_key)) == 4

    def test_it_is_known_again_by_the_moment_not_by_how_that_is_written(self, desk: Desk) -> None:
        id_ = uuid4()
        desk.submit(id=id_)
        _, is_new = desk.submitted(id=id_, captured_at=MONDAY.astimezone(datetime.UTC))
        assert not is_new

    @pytest.mark.parametrize(
        "other",
        [
            {"description": "其他"},
            {"category": "0102"},
            {"urgency": "URGENT"},
            {"source": "WALK"},
            {"accuracy": 5.0},
            {"source_datum": "CGCS2000"},
            {"source_longitude": 130.0},
            {"captured_at": MONDAY + datetime.timedelta(microseconds=1)},
            {"grid": grid_code(1)},
            {"reporter": None},
            {"reporter": Reporter("王某", None)},
            {"reporter": Reporter("13900000000", "王某")},
        ],
        ids=lambda other: ",".join(other),
    )
    def test_another_report_under_its_id_is_refused(
        self, desk: Desk, other: dict[str, Any]
    ) -> None:
        report = desk.submit()
        with pytest.raises(Conflict, match=f"that of report {report.number}"):
            desk.submit(**{"id": report.id, **other})
        assert desk.kept(report.report_key) == report

    def test_sent_from_several_connections_at_once_it_comes_in_once(self, desk: Desk) -> None:
        made = {}
        with Desk(desk.url) as left, Desk(desk.url) as right, Desk(desk.url) as third:
            for _ in range(40):
                id_ = uuid4()
                answers = at_once([(at, middle_of(1)) for at in (left, right, third)], id_)
                submitted = [answer for answer in answers if not isinstance(answer, Conflict)]
                assert sum(is_new for _, is_new in submitted) == 1
                assert [str(each) for each, _ in submitted] == 3 * [str(submitted[0][0])]
                made[id_] = DISTRICT
        assert_kept_once(desk, made)

    def test_sent_at_once_from_two_districts_one_comes_in_and_the_other_is_told(
        self, desk: Desk
    ) -> None:
        far, neighbour = (131.05, SOUTH), "230403"
        desk.sql(
            "INSERT INTO regions (code, name, level, parent_code, district_code, boundary) "
            "VALUES (%s, '示例', 'DISTRICT', '2304', %s, "
            "ST_Multi(ST_Expand(ST_SetSRID(ST_MakePoint(%s, %s), 4326), 0.01)))",
            *(neighbour, neighbour, *far),
        )
        made = {}
        with Desk(desk.url) as left, Desk(desk.url) as right:
            for _ in range(40):
                id_ = uuid4()
                answers = at_once([(left, middle_of(1)), (right, far)], id_)
                [refused] = [answer for answer in answers if isinstance(answer, Conflict)]
                [(taken, is_new)] = [each for each in answers if not isinstance(each, Conflict)]
                assert is_new
                assert f"is that of report {taken.report.number}," in str(refused)
                made[id_] = taken.report.district_code
        assert_kept_once(desk, made)

    def test_with_a_photo_that_is_not_there_nothing_is_kept(self, desk: Desk) -> None:
        id_, photo = uuid4(), uuid4()
        with pytest.raises(Invalid, match="photo"):
            desk.submit(id=id_, photos=(photo,))
        assert desk.sql("SELECT FROM reports WHERE id = %s", id_) == []
        assert desk.sql("SELECT FROM report_events WHERE report_id = %s", id_) == []
        desk.sql("INSERT INTO photos VALUES (%s, '', 1, 1, 1)", photo)
        assert desk.submit(id=id_, photos=(photo,)).id == id_

    def test_each_has_a_number_of_its_own_that_counts_up(self, desk: Desk) -> None:
        numbers = [desk.submit().number for _ in range(3)]
        assert all(number.startswith(f"{DISTRICT}-") for number in numbers)
        serials = [int(number.rpartition("-")[2]) for number in numbers]
        assert serials == sorted(set(serials))


class TestPersonalData:
    def test_names_and_phones_are_in_one_table_and_nowhere_else(self, desk: Desk) -> None:
        name, phone = "欧阳不可寻", "13777654321"
        report = desk.submit(viewer=RESIDENT, reporter=Reporter(name, phone))
        report = desk.go(
            report,
            (Action.REGISTER, OFFICE),
            (Action.DISPATCH, OFFICE),
            (Action.ACCEPT, SPONSOR),
        )
        holding = set()
        tables = desk.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        assert len(tables) > 12
        for (table,) in tables:
            for (row,) in desk.sql(f'SELECT "{table}"::text FROM "{table}"'):
                if name in row or phone in row:
                    holding.add(table)
        assert holding == {"reporters"}

    def test_whoever_is_nobody_is_kept_without_a_name(self, desk: Desk) -> None:
        report = desk.submit(viewer=ANONYMOUS, reporter=None)
        kept = "SELECT subject, name, phone FROM reporters WHERE report_id = %s"
        assert desk.sql(kept, report.id) == [(None, None, None)]


def test_the_statement_is_short_enough_for_psycopg_to_read_it_once() -> None:
    sent = str(_SUBMIT.compile(tool_engine("postgresql://")))
    assert len(sent) <= MAX_CACHED_STATEMENT_LENGTH
