"""submitReport as a client sees it: datums, refusals, and the same reply to the same submission."""

from __future__ import annotations

import datetime
import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import pytest
from pyproj import Geod
from shapely import box

from gridmap.schema.nodes import GlobalId
from gridmap.store.database import tool_engine
from gridmap.store.dates import CHINA, now
from gridmap.store.loop import Action
from gridmap.store.reports import Report, ReportKey
from gridmap.store.viewers import ANONYMOUS, Role, Viewer, holder_of_receipt
from tests.districts import (
    COMMUNITY,
    DISTRICT,
    LONG_AGO,
    SIDE,
    SOUTH,
    WEST,
    building_code,
    grid_code,
    put_grid,
)
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
    middle_of,
)

GEOD = Geod(ellps="WGS84")

SUBMIT = """
mutation ($input: SubmitReportInput!) {
  submitReport(input: $input) {
    number deadline receipt isDefaultHandler
    grid { id code validFrom } candidates { share distance grid { code } }
    workers { code name } sponsor { code name }
    duplicates { id number state receivedOn report { id } }
    report { id version state point { longitude latitude datum } location
      capturedGrid { code } region { code } level }
  }
}
"""
HEGANG = {
    "WGS84": (130.2847, 47.343),
    "CGCS2000": (130.2847, 47.343),
    "GCJ02": (130.292526466297, 47.345423110705),
    "BD09": (130.299002465551, 47.351472753842),
}
"""One place in the four datums, as other converters have it; grid 7 is laid around it."""


@pytest.fixture(scope="module")
def desk(database_url: str) -> Iterator[Desk]:
    engine = tool_engine(database_url)
    with desk_of_a_district(database_url) as desk:
        with engine.begin() as connection:
            put_grid(connection, grid_code(7), box(130.284, 47.342, 130.286, 47.344))
        engine.dispose()
        yield desk


def given(position: tuple[float, float] | None = None, **said: Any) -> dict[str, Any]:
    longitude, latitude = position or middle_of(1)
    point = {"longitude": longitude, "latitude": latitude, "datum": "WGS84"}
    return {
        "id": str(uuid4()),
        "point": {**point, **said.pop("point", {})},
        "capturedAt": now().isoformat(),
        "category": "0101",
        "description": "楼道口有垃圾",
        **said,
    }


def reply(desk: Desk, viewer: Viewer = ANONYMOUS, **said: Any) -> Any:
    answer = desk.ask(SUBMIT, viewer, input=given(**said))
    assert answer.errors == []
    return answer.data["submitReport"]


def may_choose(desk: Desk, id_: str, viewer: Viewer) -> bool:
    answer = desk.ask("query ($id: ID!) { report(id: $id) { actions } }", viewer, id=id_)
    return "CHOOSE_GRID" in answer.data["report"]["actions"]


class TestReply:
    def test_it_says_at_once_where_it_is_and_who_answers(self, desk: Desk) -> None:
        said = reply(desk)
        assert said["grid"]["code"] == said["report"]["capturedGrid"]["code"] == grid_code(1)
        assert said["sponsor"] == {"code": "S1", "name": "市审计局"}
        assert said["workers"] == [{"code": "W1", "name": "示例"}]
        assert said["candidates"] == []
        assert said["isDefaultHandler"] is False
        assert said["number"].startswith(f"{DISTRICT}-")
        assert (said["report"]["state"], said["report"]["version"]) == ("SUBMITTED", 1)
        assert said["report"]["region"] == {"code": COMMUNITY}
        assert datetime.datetime.fromisoformat(said["deadline"]) > now()
        # This server issues none.
        assert said["receipt"] is None

    def test_an_auditor_sends_in_nothing(self, desk: Desk) -> None:
        answer = desk.ask(SUBMIT, Viewer(Role.AUDITOR, "auditor"), input=given())
        assert [code for code, _ in answer.errors] == ["FORBIDDEN"]

    @pytest.mark.parametrize("datum", HEGANG)
    def test_a_position_is_kept_as_given_and_found_where_it_is(
        self, desk: Desk, datum: str
    ) -> None:
        longitude, latitude = HEGANG[datum]
        said = reply(desk, position=(longitude, latitude), point={"datum": datum})
        report = said["report"]
        assert report["point"] == {"longitude": longitude, "latitude": latitude, "datum": datum}
        east, north = report["location"]["coordinates"]
        *_, metres = GEOD.inv(east, north, *HEGANG["WGS84"])
        assert metres < 0.001
        assert said["grid"]["code"] == grid_code(7)
        kept = "SELECT source_datum, source_longitude, source_latitude FROM reports"
        assert (datum, longitude, latitude) in desk.sql(kept)

    def test_with_the_wrong_datum_it_is_another_place(self, desk: Desk) -> None:
        said = given(HEGANG["WGS84"], point={"datum": "GCJ02"})
        [(code, message)] = desk.ask(SUBMIT, input=said).errors
        assert code == "INVALID"
        assert "Check the position and its datum" in message

    def test_a_choice_is_left_to_who_reports(self, desk: Desk) -> None:
        border = (WEST + SIDE, SOUTH + 1.5 * SIDE)
        said = reply(desk, position=border, point={"accuracy": 30.0})
        assert said["grid"] is None
        assert said["report"]["capturedGrid"] is None
        codes = [each["grid"]["code"] for each in said["candidates"]]
        assert codes == [grid_code(1), grid_code(2)]
        choose = """
        mutation ($input: ChooseReportGridInput!) {
          chooseReportGrid(input: $input) {
            report { version capturedGrid { code } sponsor { code } level }
            event { action version }
          }
        }
        """
        report, key = said["report"], key_of(said)
        receipt = holder_of_receipt(*key)
        assert may_choose(desk, report["id"], receipt)
        chosen = {"id": report["id"], "version": 1, "grid": grid_code(2)}
        for wrong, code in ((grid_code(3), "INVALID"), ("", "INVALID")):
            answer = desk.ask(choose, receipt, input={**chosen, "grid": wrong})
            assert answer.errors[0][0] == code
        answers = [desk.ask(choose, receipt, input=chosen) for _ in range(2)]
        assert answers[0].data == answers[1].data
        assert answers[0].data["chooseReportGrid"] == {
            "report": {
                "version": 2,
                "capturedGrid": {"code": grid_code(2)},
                "sponsor": {"code": "S2"},
                "level": "GRID",
            },
            "event": {"action": "CHOOSE_GRID", "version": 2},
        }
        again = desk.ask(choose, receipt, input={**chosen, "version": 2, "grid": grid_code(1)})
        assert again.errors[0][0] == "CONFLICT"
        assert not may_choose(desk, report["id"], receipt)

    def test_where_there_is_no_grid_none_is_to_be_chosen(self, desk: Desk) -> None:
        border, nowhere = (WEST + SIDE, SOUTH + 1.5 * SIDE), (WEST + SIDE, SOUTH - SIDE)
        outline = "ST_Multi(ST_Expand(ST_SetSRID(ST_MakePoint(%s, %s), 4326), 0.001))"
        desk.sql(f"UPDATE regions SET boundary = {outline} WHERE code = %s", *nowhere, DISTRICT)
        try:
            report = reply(desk, RESIDENT, position=nowhere)["report"]
            assert (report["capturedGrid"], report["region"]) == (None, {"code": DISTRICT})
            assert not may_choose(desk, report["id"], RESIDENT)
            # Nor where one was to be chosen, and the pin was moved to such a place.
            report = reply(desk, RESIDENT, position=border, point={"accuracy": 30.0})["report"]
            assert may_choose(desk, report["id"], RESIDENT)
            point = {"longitude": nowhere[0], "latitude": nowhere[1], "datum": "WGS84"}
            move = """
            mutation ($input: MoveReportInput!) { moveReport(input: $input) { report { state } } }
            """
            given = {"id": report["id"], "version": 1, "point": point}
            assert desk.ask(move, RESIDENT, input=given).errors == []
            assert not may_choose(desk, report["id"], RESIDENT)
        finally:
            desk.sql("UPDATE regions SET boundary = NULL WHERE code = %s", DISTRICT)

    def test_what_may_be_the_same_thing_is_shown_as_it_stands(self, desk: Desk) -> None:
        place = (WEST + 2.2 * SIDE, SOUTH + 0.8 * SIDE)
        first = reply(desk, position=place)
        said = {
            "id": first["report"]["id"],
            "number": first["number"],
            "state": "SUBMITTED",
            "receivedOn": datetime.datetime.now(CHINA).date().isoformat(),
        }
        assert reply(desk, position=place)["duplicates"] == [{**said, "report": None}]
        told = reply(desk, OFFICE, position=place)["duplicates"]
        assert {**said, "report": {"id": said["id"]}} in told


class TestOnce:
    def test_the_same_submission_gets_the_same_reply_whatever_has_become_of_it(
        self, desk: Desk
    ) -> None:
        place = (WEST + 1.8 * SIDE, SOUTH + 1.2 * SIDE)
        reply(desk, position=place)
        said = given(place, point={"accuracy": 3.0}, reporter={"name": "王某", "phone": "1"})
        first = desk.ask(SUBMIT, input=said)
        assert first.errors == []
        key = key_of(first.data["submitReport"])
        for action in (Action.REGISTER, Action.DISPATCH):
            desk.go(desk.kept(key), (action, OFFICE))
            # In the meantime another is reported there.
            reply(desk, position=place)
            again = desk.ask(SUBMIT, input=said)
            assert again.errors == []
            assert without_report(again.data) == without_report(first.data)
            assert again.data["submitReport"]["report"]["version"] == desk.kept(key).version

    def test_so_it_does_after_the_grids_were_drawn_anew(self, desk: Desk) -> None:
        said = given(middle_of(3))
        first = desk.ask(SUBMIT, input=said)
        desk.sql("UPDATE grids SET valid_to = '2024-02-01' WHERE code = %s", grid_code(3))
        try:
            fresh = desk.ask(SUBMIT, input={**said, "id": str(uuid4())})
            assert fresh.errors[0][0] == "INVALID"
            again = desk.ask(SUBMIT, input=said)
            assert again.errors == []
            assert again.data["submitReport"]["number"] == first.data["submitReport"]["number"]
            other = desk.ask(SUBMIT, input={**said, "description": "其他"})
            assert other.errors[0][0] == "CONFLICT"
        finally:
            desk.sql("UPDATE grids SET valid_to = NULL WHERE code = %s", grid_code(3))

    def test_another_report_under_the_id_is_a_conflict(self, desk: Desk) -> None:
        said = given()
        assert desk.ask(SUBMIT, input=said).errors == []
        [(code, message)] = desk.ask(SUBMIT, input={**said, "urgency": "URGENT"}).errors
        assert (code, "says something else" in message) == ("CONFLICT", True)

    def test_what_is_told_of_a_report_does_not_let_anybody_send_it_again(self, desk: Desk) -> None:
        """For the reply has the receipt, and the id that the client made is all that is secret."""
        said = given(reporter=None)
        first = desk.ask(SUBMIT, input=said).data["submitReport"]
        told = key_of(first)
        assert str(told.id) != said["id"]
        again = desk.ask(SUBMIT, input={**said, "id": str(told.id)}).data["submitReport"]
        assert again["number"] != first["number"]
        everything = desk.ask(
            """query { reports(first: 100) { pageInfo { endCursor } edges { cursor node {
                id number mergedInto { id } merged { nodes { id } } photos { id }
                events { action note details } } } } }"""
        )
        hidden = UUID(said["id"])
        shown = json.dumps(everything.data)
        for word in re.findall(r"[\w+/=-]{8,}", shown):
            with suppress(ValueError):
                shown += urlsafe_b64decode(word).decode("latin-1")
        assert first["number"] in shown
        assert str(told.id) in shown
        assert str(hidden) not in shown

    def test_blanks_around_words_are_no_other_words(self, desk: Desk) -> None:
        said = given()
        first = desk.ask(SUBMIT, input=said)
        again = desk.ask(SUBMIT, input={**said, "description": " 楼道口有垃圾\n", "reporter": None})
        assert again.data == first.data


class TestRefusals:
    @pytest.mark.parametrize(
        ("said", "code", "message"),
        [
            ({"capturedAt": "2099-01-01T00:00:00+08:00"}, "INVALID", "still to come"),
            ({"capturedAt": "9999-12-31T23:59:59-12:00"}, "INVALID", "still to come"),
            ({"capturedAt": "0001-01-01T00:00:00+14:00"}, "INVALID", "more than a year ago"),
            ({"capturedAt": "2020-01-01T00:00:00+08:00"}, "INVALID", "more than a year ago"),
            ({"capturedAt": "2026-03-02T10:00:00"}, "INVALID", "time zone, as in [+]08:00"),
            ({"category": "9999"}, "INVALID", "no category '9999'.*01 市容环境"),
            ({"category": ""}, "INVALID", "no category ''"),
            ({"photos": [str(UUID(int=i)) for i in range(7)]}, "TOO_LARGE", "7 photos; at most 6"),
            ({"photos": [str(UUID(int=1))]}, "INVALID", "photo .* upload it"),
            ({"description": ""}, "INVALID", "description is empty"),
            ({"description": " \n\u3000"}, "INVALID", "description is empty"),
            ({"description": "a\0b"}, "INVALID", "description has a null character"),
            ({"description": "长" * 2001}, "TOO_LARGE", "2001 characters; at most 2000"),
            ({"reporter": {"name": "a\0b"}}, "INVALID", "reporter.name has a null"),
            ({"reporter": {"phone": "1" * 101}}, "TOO_LARGE", "reporter.phone has 101"),
            ({"point": {"latitude": 91.0}}, "INVALID", "nowhere on Earth"),
            (
                {"point": {"longitude": 47.34, "latitude": 130.28}},
                "INVALID",
                "longitude and latitude look exchanged",
            ),
            ({"point": {"accuracy": -1.0}}, "INVALID", "accuracy is -1"),
            ({"point": {"accuracy": 10_001.0}}, "INVALID", "accuracy is 10001"),
            ({"point": {"datum": "WGS72"}}, "GraphQLError", "WGS72"),
            ({"point": {"datum": None}}, "GraphQLError", "datum"),
            ({"id": "17"}, "StrawberryInputCoercionError", "17"),
            ({"urgency": "SOON"}, "GraphQLError", "SOON"),
            ({"grid": grid_code(2)}, "INVALID", f"these are: {grid_code(1)}"),
            ({"grid": "\0"}, "INVALID", "none that the position may lie in"),
            ({"point": {"longitude": 121.5, "latitude": 31.2}}, "INVALID", "No district of this"),
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_what_makes_no_sense_is_refused_with_what_to_do(
        self, desk: Desk, said: dict[str, Any], code: str, message: str
    ) -> None:
        before = desk.sql("SELECT count(*) FROM reports")
        answer = desk.ask(SUBMIT, input=given(**said))
        [(found, words)] = answer.errors
        assert found == code
        assert re.search(message, words), words
        assert desk.sql("SELECT count(*) FROM reports") == before

    @pytest.mark.parametrize(
        "said",
        [
            {"description": "长" * 2000},
            {"description": "'\"%_\\ 🧹 \u202e {x}"},
            {"reporter": {"name": " ", "phone": None}},
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_what_is_odd_but_right_is_taken(self, desk: Desk, said: dict[str, Any]) -> None:
        key = key_of(reply(desk, **said))
        if "description" in said:
            assert desk.kept(key).description == said["description"]

    def test_a_fast_clock_and_a_long_way_are_allowed_for(self, desk: Desk) -> None:
        for captured_at in (
            now() + datetime.timedelta(minutes=9),
            now() - datetime.timedelta(days=364),
        ):
            key = key_of(reply(desk, capturedAt=captured_at.isoformat()))
            assert desk.kept(key).captured_at == captured_at


class TestReporter:
    QUERY = """
    query ($id: ID!) { report(id: $id) { reporter { name phone } actions } }
    """

    def test_who_sent_it_is_told_to_those_who_handle_it_and_to_nobody_else(
        self, desk: Desk
    ) -> None:
        said = reply(desk, RESIDENT, reporter={"name": "王某", "phone": "13900000000"})
        key, node = key_of(said), said["report"]["id"]
        desk.go(desk.kept(key), (Action.REGISTER, OFFICE), (Action.DISPATCH, OFFICE))
        told = {"name": "王某", "phone": "13900000000"}
        for viewer in (
            RESIDENT,
            WORKER,
            SPONSOR,
            OFFICE,
            STREET_OFFICE,
            DISTRICT_OFFICE,
            ADMINISTRATOR,
            Viewer(Role.AUDITOR, "auditor"),
            holder_of_receipt(*key),
        ):
            assert desk.ask(self.QUERY, viewer, id=node).data["report"]["reporter"] == told
        for viewer in (
            ANONYMOUS,
            Viewer(Role.RESIDENT, "another"),
            Viewer(Role.GRID_WORKER, "W2", frozenset({grid_code(2)})),
            Viewer(Role.SPONSOR, "clerk", frozenset({"S2"})),
            Viewer(Role.BUILDING_MEMBER, "W1", frozenset({building_code(1)})),
            Viewer(Role.COMMUNITY, "secretary", frozenset({"230402002006"})),
            Viewer(Role.DISTRICT, "district", frozenset({"230406"})),
            holder_of_receipt(DISTRICT, uuid4()),
        ):
            sees = building_code(1) in viewer.codes
            answer = desk.ask(self.QUERY, viewer, id=node)
            assert answer.errors == []
            assert answer.data["report"] == ({"reporter": None, "actions": []} if sees else None)

    @pytest.mark.parametrize(
        ("sender", "namesake"),
        [
            (WORKER, Viewer(Role.GRID_WORKER, WORKER.subject, frozenset({"230406001001001"}))),
            (
                Viewer(Role.SPONSOR, "clerk", frozenset({"S1"})),
                Viewer(Role.SPONSOR, "clerk", frozenset({"S2"})),
            ),
            (
                Viewer(Role.COMMUNITY, "李", frozenset({"230402002006"})),
                Viewer(Role.COMMUNITY, "李", frozenset({"230406004002"})),
            ),
            (
                Viewer(Role.BUILDING_MEMBER, "李", frozenset({building_code(5)})),
                Viewer(Role.BUILDING_MEMBER, "李", frozenset({"23040600400200001"})),
            ),
        ],
        ids=lambda viewer: viewer.role.value,
    )
    def test_who_has_the_name_of_the_one_who_sent_it_but_is_elsewhere_is_told_nothing(
        self, desk: Desk, sender: Viewer, namesake: Viewer
    ) -> None:
        node = desk.ask(SUBMIT, sender, input=given()).data["submitReport"]["report"]["id"]
        seen = desk.ask(self.QUERY, sender, id=node).data["report"]
        assert (seen["reporter"] is None, "MERGE" in seen["actions"]) == (False, True)
        assert desk.ask(self.QUERY, namesake, id=node).data["report"] is None

    def test_nothing_else_of_the_answer_tells_it(self, desk: Desk) -> None:
        name, phone = "欧阳不可寻", "13777654321"
        said = reply(desk, RESIDENT, reporter={"name": name, "phone": phone})
        key = key_of(said)
        desk.go(desk.kept(key), (Action.REGISTER, OFFICE))
        answer = desk.ask(
            """
            query ($id: ID!) { report(id: $id) {
              description number events { action actorRole note details } handler { code }
              reporter { name } } }
            """,
            Viewer(Role.BUILDING_MEMBER, "李", frozenset({building_code(1)})),
            id=said["report"]["id"],
        )
        assert answer.errors == []
        assert answer.data["report"]["events"]
        shown = json.dumps([said, answer.data], ensure_ascii=False)
        assert name not in shown
        assert phone not in shown
        assert RESIDENT.subject not in shown

    def test_the_reply_shows_nobody_what_their_receipt_will_show(self, desk: Desk) -> None:
        said = """{ description photos { id width } reporter { name phone }
            events { action note details photos { id } } }"""
        photo = uuid4()
        desk.sql("INSERT INTO photos VALUES (%s, '', 1, 1, 1)", photo)
        submit = """mutation ($input: SubmitReportInput!) {
            submitReport(input: $input) { report { id ...Told } } } fragment Told on Report """
        answer = desk.ask(
            submit + said,
            ANONYMOUS,
            input=given(photos=[str(photo)], reporter={"name": "王某", "phone": "139"}),
        )
        assert answer.errors == []
        told = answer.data["submitReport"]["report"]
        key = key_of(answer.data["submitReport"])
        holder = holder_of_receipt(key.district_code, key.id)
        query = f"query ($id: ID!) {{ report(id: $id) {said} }}"
        assert {**desk.ask(query, holder, id=told["id"]).data["report"], "id": told["id"]} == told
        assert told["reporter"] == {"name": "王某", "phone": "139"}
        assert len(told["photos"]) == len(told["events"][0]["photos"]) == 1
        # And whoever has no receipt is shown nothing.
        assert desk.ask(query, ANONYMOUS, id=told["id"]).data["report"] is None

    def test_an_event_names_no_report_that_one_may_not_see(self, desk: Desk) -> None:
        """Neither one that it could be, nor the one that it was merged into or was in before."""
        longitude, latitude = middle_of(4)
        alone = longitude + 0.0009, latitude - 0.0007  # where no other test has any
        first, second = reply(desk, RESIDENT, position=alone), reply(desk, position=alone)
        key, other = key_of(second), key_of(first)
        kept = desk.act(desk.kept(key), Action.MERGE, OFFICE, into=other.id).report
        desk.act(kept, Action.REOPEN, OFFICE)
        query = "query ($id: ID!) { report(id: $id) { events { details } } }"

        def told(viewer: Viewer) -> list[Any]:
            node = second["report"]["id"]
            return [
                each["details"]
                for each in desk.ask(query, viewer, id=node).data["report"]["events"]
            ]

        for viewer in (OFFICE, ADMINISTRATOR):
            submitted, merged, reopened = told(viewer)
            assert str(other.id) in submitted["duplicates"]
            assert merged["given"]["into"] == reopened["changed"]["merged_into"] == str(other.id)
        holder = holder_of_receipt(key.district_code, key.id)
        submitted, merged, reopened = told(holder)
        assert submitted["duplicates"] == []
        assert merged["given"]["into"] is reopened["changed"]["merged_into"] is None
        assert str(other.id) not in json.dumps(told(holder))

    def test_each_is_told_what_they_may_do(self, desk: Desk) -> None:
        said = reply(desk, RESIDENT)
        may = {
            viewer.role: set(
                desk.ask(self.QUERY, viewer, id=said["report"]["id"]).data["report"]["actions"]
            )
            for viewer in (RESIDENT, WORKER, OFFICE, SPONSOR)
        }
        assert may == {
            Role.RESIDENT: {"MOVE", "MERGE"},
            Role.GRID_WORKER: {"MOVE", "REGISTER", "MERGE"},
            Role.COMMUNITY: {"MOVE", "REGISTER", "REJECT", "MERGE"},
            Role.SPONSOR: set(),
        }

    def test_what_would_lose_the_reports_that_were_merged_into_it_is_not_offered(
        self, desk: Desk
    ) -> None:
        first, second = reply(desk), reply(desk)
        desk.act(desk.kept(key_of(second)), Action.MERGE, OFFICE, into=key_of(first).id)
        may = desk.ask(self.QUERY, OFFICE, id=first["report"]["id"]).data["report"]["actions"]
        assert may == ["MOVE", "REGISTER"]


class TestActions:
    def test_a_lost_race_tells_the_state_and_the_version(self, desk: Desk) -> None:
        said = reply(desk)
        desk.go(desk.kept(key_of(said)), (Action.REGISTER, OFFICE))
        reject = """
        mutation ($input: RejectReportInput!) { rejectReport(input: $input) { report { state } } }
        """
        node = said["report"]["id"]
        answer = desk.ask(reject, OFFICE, input={"id": node, "version": 1, "note": "重复"})
        assert answer.errors[0][0] == "CONFLICT"
        assert answer.data is None

    @pytest.mark.parametrize("until", ["9999-12-31", "9999-12-30", "2026-01-05", "0001-01-01"])
    def test_a_suspension_ends_on_a_day_to_come(self, desk: Desk, until: str) -> None:
        said = reply(desk)
        desk.go(
            desk.kept(key_of(said)),
            (Action.REGISTER, OFFICE),
            (Action.DISPATCH, OFFICE),
            (Action.ACCEPT, SPONSOR),
        )
        suspend = """
        mutation ($input: SuspendReportInput!) {
          suspendReport(input: $input) { report { state stepDeadline } }
        }
        """
        said = {"id": said["report"]["id"], "version": 4, "note": "等材料"}
        [(code, message)] = desk.ask(suspend, OFFICE, input={**said, "until": until}).errors
        assert code == "INVALID"
        assert message.startswith(f"{min(until, '9999-12-30')} is ")
        day = now().date() + datetime.timedelta(days=3)
        answer = desk.ask(suspend, OFFICE, input={**said, "until": day.isoformat()})
        report = answer.data["suspendReport"]["report"]
        assert report["state"] == "SUSPENDED"
        end = datetime.datetime.combine(day, datetime.time(), CHINA) + datetime.timedelta(days=1)
        assert datetime.datetime.fromisoformat(report["stepDeadline"]) == end

    @pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
    def test_a_deadline_at_the_ends_of_time_is_refused(self, desk: Desk, moment: str) -> None:
        said = reply(desk)
        desk.go(desk.kept(key_of(said)), (Action.REGISTER, OFFICE), (Action.DISPATCH, OFFICE))
        extend = """
        mutation ($input: ExtendReportInput!) { extendReport(input: $input) { report { state } } }
        """
        given = {"id": said["report"]["id"], "version": 3, "note": "等材料", "deadline": moment}
        [(code, message)] = desk.ask(extend, OFFICE, input=given).errors
        assert code == "INVALID"
        assert message.startswith(moment[:10])

    def test_a_move_is_placed_anew_and_dispatched_anew(self, desk: Desk) -> None:
        said = reply(desk)
        desk.go(desk.kept(key_of(said)), (Action.REGISTER, OFFICE), (Action.DISPATCH, OFFICE))
        move = """
        mutation ($input: MoveReportInput!) {
          moveReport(input: $input) {
            report { state capturedGrid { code } sponsor { code } handler { code }
              point { datum longitude } }
            event { action details }
          }
        }
        """
        longitude, latitude = HEGANG["BD09"]
        point = {"longitude": longitude, "latitude": latitude, "datum": "BD09"}
        sent = {"id": said["report"]["id"], "version": 3, "point": point}
        answer = desk.ask(move, WORKER, input=sent)
        moved = answer.data["moveReport"]
        assert moved["event"]["action"] == "REASSIGN"
        assert moved["report"] == {
            "state": "REGISTERED",
            "capturedGrid": {"code": grid_code(7)},
            "sponsor": None,
            "handler": None,
            "point": {"datum": "BD09", "longitude": longitude},
        }
        assert desk.ask(move, WORKER, input=sent).data == answer.data


def test_on_the_day_on_which_outlines_change_a_report_lies_where_it_lies(desk: Desk) -> None:
    """Nobody keeps the hour of a change: what was sent before it is told by the old outline."""
    west, south, today = WEST, SOUTH - 9 * SIDE, desk.now.date()
    shrinks, grows = f"{COMMUNITY}081", f"{COMMUNITY}082"
    lower, middle, upper = (
        box(west, south + i * SIDE, west + SIDE, south + (i + 1) * SIDE) for i in range(3)
    )
    engine = tool_engine(desk.url)
    with engine.begin() as connection:
        put_grid(connection, shrinks, lower.union(middle))
        put_grid(connection, grows, upper)
    said = desk.submit((west + SIDE / 2, south + 1.5 * SIDE))
    desk.sql("UPDATE grids SET valid_to = %s WHERE code = ANY(%s)", today, [shrinks, grows])
    with engine.begin() as connection:
        put_grid(connection, shrinks, lower, valid_from=today)
        put_grid(connection, grows, middle.union(upper), valid_from=today)
    engine.dispose()
    later = desk.submit((west + SIDE / 2, south + 1.5 * SIDE))
    query = """query ($id: ID!) { report(id: $id) {
        grid { code validFrom } capturedGrid { code validFrom } } }"""
    long_ago, now_on = LONG_AGO.isoformat(), today.isoformat()
    for report, captured in ((said, (shrinks, long_ago)), (later, (grows, now_on))):
        answer = desk.ask(query, id=global_id_of(report)).data["report"]
        assert answer["grid"] == {"code": grows, "validFrom": now_on}
        assert answer["capturedGrid"] == dict(zip(("code", "validFrom"), captured, strict=True))


def global_id_of(report: Report) -> str:
    return GlobalId("Report", report.district_code, str(report.id)).encoded()


def key_of(said: Any) -> ReportKey:
    from gridmap.schema.reports import report_key

    return report_key(said["report"]["id"])


def without_report(data: Any) -> Any:
    return {name: value for name, value in data["submitReport"].items() if name != "report"}
