"""Visits and member cards: kept once, said by those who look after the building, and missed."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from gridmap.store.dates import CHINA, now, today
from gridmap.store.viewers import ANONYMOUS, Role, Viewer
from gridmap.store.visits import NewVisit, log
from tests.asking import Answer
from tests.districts import COMMUNITY, building_code, grid_code
from tests.reporting import (
    ADMINISTRATOR,
    DISTRICT_OFFICE,
    OFFICE,
    RESIDENT,
    SPONSOR,
    STREET_OFFICE,
    WORKER,
    Desk,
    desk_of_a_district,
)

NOON = datetime.datetime.combine(today(), datetime.time(), CHINA) - datetime.timedelta(hours=12)
"""Of yesterday, so that no test has it before itself."""
DAY = datetime.timedelta(days=1)
TODAY = today()
AUDITOR = Viewer(Role.AUDITOR, "auditor")
ELSEWHERE = Viewer(Role.COMMUNITY, "other", frozenset({"230402002006"}))
WALKS_GRID_2 = Viewer(Role.GRID_WORKER, "W1", frozenset({grid_code(2)}))

LOG = """
mutation ($input: LogVisitInput!) { logVisit(input: $input) {
    visit { id kind at note worker { code } building { code } }
    building { lastVisit { id } visits { totalCount } } } }
"""
POST = """
mutation ($input: PostMemberCardInput!) { postMemberCard(input: $input) {
    memberCard { id validFrom validTo } building { memberCards { id } } } }
"""
REMOVE = """
mutation ($input: RemoveMemberCardInput!) { removeMemberCard(input: $input) {
    memberCard { id validFrom validTo } building { memberCards { id } } } }
"""
MISSING = """
query ($days: Int!, $on: Date) { coverage(region: "230402", on: $on) {
    buildingsNotVisited(days: $days) { totalCount nodes { code } }
    buildingsWithoutMemberCard { totalCount nodes { code } } } }
"""


@pytest.fixture(scope="module")
def district_desk(database_url: str) -> Iterator[Desk]:
    with desk_of_a_district(database_url) as desk:
        yield desk


@pytest.fixture
def desk(district_desk: Desk) -> Desk:
    district_desk.sql("SET session_replication_role = replica; DELETE FROM visits")
    district_desk.sql("DELETE FROM member_cards")
    return district_desk


def logged(
    desk: Desk,
    number: int,
    at: datetime.datetime = NOON,
    viewer: Viewer = OFFICE,
    **said: Any,
) -> Answer:
    wanted = {
        "id": str(uuid4()),
        "building": building_code(number),
        "kind": "VISIT",
        "at": at.isoformat(),
        "note": "一切正常",
        "worker": None if viewer.role is Role.GRID_WORKER else "W1",
    }
    return desk.ask(LOG, viewer, input=wanted | said)


def posted(
    desk: Desk,
    number: int,
    viewer: Viewer = OFFICE,
    name: str = "示例一",
    since: datetime.date = TODAY,
) -> Answer:
    wanted = {"building": building_code(number), "name": name, "from": since.isoformat()}
    return desk.ask(POST, viewer, input=wanted)


def removed(desk: Desk, id_: str, to: datetime.date, viewer: Viewer = OFFICE) -> Answer:
    return desk.ask(REMOVE, viewer, input={"id": id_, "to": to.isoformat()})


def well(answer: Answer) -> Any:
    assert answer.errors == []
    [found] = answer.data.values()
    return found


def code_of(answer: Answer) -> str:
    [(code, message)] = answer.errors
    assert message
    return code


def missing(desk: Desk, days: int = 30, on: datetime.date | None = None) -> dict[str, list[int]]:
    found = well(desk.ask(MISSING, days=days, on=on and on.isoformat()))
    for each in found.values():
        assert each["totalCount"] == len(each["nodes"])
    return {
        name: [int(node["code"][len(COMMUNITY) :]) for node in each["nodes"]]
        for name, each in found.items()
    }


class TestVisits:
    def test_a_worker_logs_a_visit_of_each_kind(self, desk: Desk) -> None:
        for count, kind in enumerate(("VISIT", "OPINIONS", "POLICY", "ERRAND"), start=1):
            answer = well(logged(desk, 1, NOON + count * DAY / 24, WORKER, kind=kind))
            visit = answer["visit"]
            assert (visit["kind"], visit["note"]) == (kind, "一切正常")
            assert visit["worker"] == {"code": "W1"}
            assert visit["building"] == {"code": building_code(1)}
            last = {"id": visit["id"]}
            assert answer["building"] == {"lastVisit": last, "visits": {"totalCount": count}}
            node = desk.ask("query ($id: ID!) { node(id: $id) { id } }", id=visit["id"])
            assert well(node) == last

    def test_the_same_visit_sent_again_is_kept_once_and_answered_the_same(self, desk: Desk) -> None:
        id_ = str(uuid4())
        first = well(logged(desk, 1, viewer=WORKER, id=id_))
        # The same moment in another zone is the same moment.
        again = NOON.astimezone(datetime.timezone(datetime.timedelta(hours=-5)))
        assert well(logged(desk, 1, again, WORKER, id=id_)) == first
        assert code_of(logged(desk, 1, viewer=WORKER, id=id_, note="别的")) == "CONFLICT"
        assert desk.sql("SELECT count(*) FROM visits") == [(1,)]

    def test_the_same_visit_sent_many_times_at_once_is_kept_once(self, desk: Desk) -> None:
        given = NewVisit(uuid4(), building_code(1), "POLICY", NOON)

        async def send() -> Any:
            async with desk.database.connection() as connection:
                return await log(connection, given, WORKER, now())

        async def all_at_once() -> list[Any]:
            return await asyncio.gather(*(send() for _ in range(8)))

        answers = desk.run(all_at_once())
        assert len(set(answers)) == 1
        assert desk.sql("SELECT count(*) FROM visits") == [(1,)]

    @pytest.mark.parametrize(
        "viewer", [WORKER, OFFICE, STREET_OFFICE, DISTRICT_OFFICE, ADMINISTRATOR], ids=str
    )
    def test_whoever_looks_after_the_building_may_log(self, desk: Desk, viewer: Viewer) -> None:
        assert well(logged(desk, 1, viewer=viewer))["visit"]["note"] == "一切正常"

    @pytest.mark.parametrize(
        "viewer", [ANONYMOUS, RESIDENT, SPONSOR, AUDITOR, ELSEWHERE, WALKS_GRID_2], ids=str
    )
    def test_nobody_else_may_log_or_post(self, desk: Desk, viewer: Viewer) -> None:
        assert code_of(logged(desk, 1, viewer=viewer)) == "FORBIDDEN"
        assert code_of(posted(desk, 1, viewer)) == "FORBIDDEN"

    def test_who_was_there_and_what_is_noted_is_told_to_those_who_look_after_the_building(
        self, desk: Desk
    ) -> None:
        well(logged(desk, 1, viewer=WORKER))
        query = """
        query ($code: String!) { building(code: $code) {
            lastVisit { kind note worker { code } } } }
        """

        def told(viewer: Viewer) -> Any:
            visit = well(desk.ask(query, viewer, code=building_code(1)))["lastVisit"]
            assert visit["kind"] == "VISIT"
            return visit["note"], visit["worker"]

        shown = [told(viewer) for viewer in (WORKER, OFFICE, DISTRICT_OFFICE, AUDITOR)]
        assert shown == [("一切正常", {"code": "W1"})] * 4
        hidden = [told(viewer) for viewer in (ANONYMOUS, SPONSOR, ELSEWHERE, WALKS_GRID_2)]
        assert hidden == [(None, None)] * 4

    def test_visits_come_in_pages_the_latest_first(self, desk: Desk) -> None:
        # Two at the same moment: their ids tell them apart.
        moments = [NOON - hours * DAY / 24 for hours in (0, 1, 1, 2, 3)]
        ids = [str(UUID(int=number)) for number in (9, 8, 7, 6, 5)]
        for moment, id_ in zip(moments, ids, strict=True):
            well(logged(desk, 2, moment, id=id_))
        query = """
        query ($code: String!, $after: Cursor) { building(code: $code) {
            visits(first: 2, after: $after) {
              nodes { at } pageInfo { hasNextPage endCursor } totalCount } } }
        """
        seen: list[str] = []
        after, is_more = None, True
        while is_more:
            page = well(desk.ask(query, code=building_code(2), after=after))["visits"]
            assert page["totalCount"] == 5
            seen += [node["at"] for node in page["nodes"]]
            after, is_more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
        assert [datetime.datetime.fromisoformat(each) for each in seen] == moments

    def test_the_statements_do_not_grow_with_the_buildings(self, desk: Desk) -> None:
        for number in range(1, 7):
            well(logged(desk, number))
        query = """
        query ($first: Int) { buildings(region: "230402", first: $first) { nodes {
            visits { totalCount nodes { note worker { code } } } lastVisit { id note }
            memberCards { id } } } }
        """
        asked = [desk.ask(query, OFFICE, first=first) for first in (2, 6)]
        assert len(asked[0].statements) == len(asked[1].statements)

    @pytest.mark.parametrize(
        ("said", "code"),
        [
            ({"building": "nowhere"}, "NOT_FOUND"),
            ({"worker": "nobody"}, "NOT_FOUND"),
            ({"worker": None}, "INVALID"),
            ({"at": now() + DAY}, "INVALID"),
            ({"at": NOON.replace(tzinfo=None)}, "INVALID"),
            ({"note": "很长" * 2000}, "INVALID"),
        ],
    )
    def test_what_makes_no_sense_is_refused(
        self, desk: Desk, said: dict[str, Any], code: str
    ) -> None:
        assert code_of(logged(desk, 1, **said)) == code

    def test_a_worker_speaks_for_nobody_else(self, desk: Desk) -> None:
        assert code_of(logged(desk, 1, viewer=WORKER, worker="W2")) == "FORBIDDEN"

    @pytest.mark.parametrize(
        "statement", ["UPDATE visits SET note = ''", "DELETE FROM visits", "TRUNCATE visits"]
    )
    def test_a_visit_is_never_changed_or_deleted(self, desk: Desk, statement: str) -> None:
        well(logged(desk, 1))
        with pytest.raises(psycopg.errors.RestrictViolation):
            desk.sql(statement)


class TestMemberCards:
    def test_a_card_is_posted_and_removed_and_told_without_the_name(self, desk: Desk) -> None:
        since = today() - 10 * DAY
        card = well(posted(desk, 1, WORKER, since=since))["memberCard"]
        assert (card["validFrom"], card["validTo"]) == (since.isoformat(), None)
        # Sent again it is the same card; another member's is another.
        assert well(posted(desk, 1, since=since))["memberCard"] == card
        assert len(well(posted(desk, 1, name="示例二"))["building"]["memberCards"]) == 2
        gone = well(removed(desk, card["id"], today()))
        assert gone["memberCard"]["validTo"] == today().isoformat()
        assert len(gone["building"]["memberCards"]) == 1
        assert well(removed(desk, card["id"], today())) == gone
        assert code_of(removed(desk, card["id"], today() - DAY)) == "CONFLICT"

    def test_one_member_has_one_card_at_a_building_at_a_time(self, desk: Desk) -> None:
        well(posted(desk, 1))
        earlier = today() - DAY
        assert code_of(posted(desk, 1, since=earlier)) == "CONFLICT"
        well(posted(desk, 2, since=earlier))

    def test_a_card_that_was_posted_today_by_mistake_is_called_off(self, desk: Desk) -> None:
        card = well(posted(desk, 1))["memberCard"]["id"]
        assert well(removed(desk, card, today()))["building"]["memberCards"] == []
        assert desk.sql("SELECT count(*) FROM member_cards") == [(0,)]
        assert code_of(removed(desk, card, today())) == "NOT_FOUND"
        since = today() - DAY
        old = well(posted(desk, 1, since=since))["memberCard"]["id"]
        assert code_of(removed(desk, old, today() - DAY)) == "INVALID"
        assert code_of(removed(desk, old, today(), ELSEWHERE)) == "FORBIDDEN"

    @pytest.mark.parametrize("name", ["", " 示例", "示\n例", "示" * 101])
    def test_what_is_no_name_is_refused(self, desk: Desk, name: str) -> None:
        assert code_of(posted(desk, 1, name=name)) == "INVALID"


class TestCoverage:
    def test_buildings_without_a_visit_for_so_many_days_are_told(self, desk: Desk) -> None:
        midnight = datetime.datetime.combine(today() - 9 * DAY, datetime.time(), CHINA)
        well(logged(desk, 1, midnight))
        well(logged(desk, 2, midnight - datetime.timedelta(microseconds=1)))
        # The tenth day back from today, counting today, is nine days ago.
        assert missing(desk, days=10)["buildingsNotVisited"] == [2, 3, 4, 5, 6]
        assert missing(desk, days=11)["buildingsNotVisited"] == [3, 4, 5, 6]
        assert missing(desk, days=9)["buildingsNotVisited"] == [1, 2, 3, 4, 5, 6]
        # As it stood then, and before.
        then = today() - 10 * DAY
        assert missing(desk, days=1, on=then)["buildingsNotVisited"] == [1, 3, 4, 5, 6]

    def test_buildings_without_a_card_are_told_as_of_a_day(self, desk: Desk) -> None:
        since = today() - 3 * DAY
        card = well(posted(desk, 3, since=since))["memberCard"]["id"]
        well(removed(desk, card, today()))
        assert missing(desk)["buildingsWithoutMemberCard"] == [1, 2, 3, 4, 5, 6]
        before = missing(desk, on=today() - DAY)["buildingsWithoutMemberCard"]
        assert before == [1, 2, 4, 5, 6]

    @pytest.mark.parametrize("days", [0, -1, 3661])
    def test_days_that_make_no_sense_are_refused(self, desk: Desk, days: int) -> None:
        assert code_of(desk.ask(MISSING, days=days)) == "INVALID"

    def test_every_day_of_the_calendar_may_be_asked_for(self, desk: Desk) -> None:
        for day in ("0001-01-01", "9999-12-31"):
            found = well(desk.ask(MISSING, days=30, on=day))
            assert found["buildingsNotVisited"]["totalCount"] == 6
