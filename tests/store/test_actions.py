"""What people do with reports: who may, what it makes of them, and what happens all at once."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from gridmap.errors import Conflict, Forbidden, GridmapError, Invalid, NotFound
from gridmap.store.actions import Handler, Move, Outcome
from gridmap.store.dates import CHINA
from gridmap.store.loop import Action, Level
from gridmap.store.reports import Report, ReportKey
from gridmap.store.submissions import Placement
from gridmap.store.viewers import ANONYMOUS, Role, Viewer, holder_of_receipt
from tests.districts import COMMUNITY, DISTRICT, STREET, building_code, grid_code
from tests.reporting import (
    ADMINISTRATOR,
    DISTRICT_OFFICE,
    MONDAY,
    OFFICE,
    RESIDENT,
    SPONSOR,
    STREET_OFFICE,
    WORKER,
    Desk,
    desk_of_a_district,
    middle_of,
    put_rules,
)

HOUR = datetime.timedelta(hours=1)
DAY = datetime.timedelta(days=1)

A = Action

# From the submission to each state, by those who may.
WAY_TO: dict[str, tuple[tuple[Any, ...], ...]] = {
    "SUBMITTED": (),
    "REGISTERED": ((A.REGISTER, OFFICE),),
    "REJECTED": ((A.REJECT, OFFICE),),
    "DISPATCHED": ((A.REGISTER, OFFICE), (A.DISPATCH, OFFICE)),
}
WAY_TO["RETURNED"] = (*WAY_TO["DISPATCHED"], (A.RETURN, SPONSOR))
WAY_TO["ACCEPTED"] = (*WAY_TO["DISPATCHED"], (A.ACCEPT, SPONSOR))
WAY_TO["IN_PROGRESS"] = (*WAY_TO["ACCEPTED"], (A.START, SPONSOR))
WAY_TO["DONE"] = (*WAY_TO["IN_PROGRESS"], (A.DONE, SPONSOR))
WAY_TO["VERIFIED"] = (*WAY_TO["DONE"], (A.VERIFY, OFFICE))
WAY_TO["REWORK"] = (*WAY_TO["DONE"], (A.REWORK, OFFICE))
WAY_TO["CLOSED"] = (*WAY_TO["VERIFIED"], (A.CLOSE, OFFICE))
WAY_TO["RATED"] = (*WAY_TO["CLOSED"], (A.RATE, RESIDENT, {"rating": 5}))

PEOPLE = {
    "reporter": RESIDENT,
    "worker": WORKER,
    "handler": SPONSOR,
    "office": OFFICE,
    "street": STREET_OFFICE,
    "district": DISTRICT_OFFICE,
}
STRANGERS = [
    ANONYMOUS,
    Viewer(Role.RESIDENT, "somebody else"),
    Viewer(Role.GRID_WORKER, "W2", frozenset({grid_code(2)})),
    Viewer(Role.SPONSOR, "clerk", frozenset({"S2"})),
    Viewer(Role.BUILDING_MEMBER, "clerk", frozenset({building_code(1)})),
    Viewer(Role.COMMUNITY, "secretary", frozenset({"230402002006"})),
    Viewer(Role.STREET, "street", frozenset({"230402001"})),
    Viewer(Role.DISTRICT, "district", frozenset({"230406"})),
    Viewer(Role.AUDITOR, "auditor"),
    # Right codes with another role.
    Viewer(Role.SPONSOR, "secretary", frozenset({COMMUNITY})),
    Viewer(Role.BUILDING_MEMBER, "W1", frozenset({grid_code(1)})),
    Viewer(Role.GRID_WORKER, "clerk", frozenset({"S1"})),
    holder_of_receipt(DISTRICT, uuid4()),
]

MAY_SEE = [*PEOPLE.values(), *(each for each in STRANGERS if each.role is Role.AUDITOR)]
MAY_SEE += [each for each in STRANGERS if building_code(1) in each.codes]
"""Who may see a report at building 1; to all others it is not there."""

OFFICES = {"office", "street", "district"}
MAY = [
    ("SUBMITTED", A.REGISTER, {"worker", *OFFICES}),
    ("SUBMITTED", A.REJECT, OFFICES),
    ("REGISTERED", A.REJECT, OFFICES),
    ("SUBMITTED", A.MERGE, {"reporter", "worker", *OFFICES}),
    ("REGISTERED", A.MERGE, {"worker", *OFFICES}),
    ("SUBMITTED", A.MOVE, {"reporter", "worker", *OFFICES}),
    ("REGISTERED", A.MOVE, {"worker", *OFFICES}),
    ("ACCEPTED", A.MOVE, {"worker", *OFFICES}),
    ("SUBMITTED", A.CHOOSE_GRID, {"reporter", *OFFICES}),
    ("REGISTERED", A.CHOOSE_GRID, OFFICES),
    ("REGISTERED", A.DISPATCH, OFFICES),
    ("RETURNED", A.DISPATCH, OFFICES),
    ("DISPATCHED", A.ACCEPT, {"handler"}),
    ("DISPATCHED", A.RETURN, {"handler"}),
    ("DISPATCHED", A.ESCALATE, {"worker", "handler", *OFFICES}),
    ("ACCEPTED", A.START, {"handler"}),
    ("ACCEPTED", A.SUSPEND, OFFICES),
    ("IN_PROGRESS", A.EXTEND, OFFICES),
    ("IN_PROGRESS", A.DONE, {"handler"}),
    ("DONE", A.VERIFY, {"worker", *OFFICES}),
    ("DONE", A.REWORK, {"worker", *OFFICES}),
    ("VERIFIED", A.CLOSE, OFFICES),
    ("CLOSED", A.RATE, {"reporter"}),
    ("CLOSED", A.REOPEN, {"reporter", *OFFICES}),
    ("REJECTED", A.REOPEN, {"reporter", *OFFICES}),
    ("RATED", A.REOPEN, {"reporter", *OFFICES}),
]


@pytest.fixture(scope="module")
def desk(database_url: str) -> Iterator[Desk]:
    with desk_of_a_district(database_url) as desk:
        yield desk


@pytest.fixture(autouse=True)
def on_monday(desk: Desk) -> None:
    desk.now = MONDAY
    if desk.sql("SELECT FROM report_rules"):
        put_rules(desk)


def report_that_is(desk: Desk, state: str, **said: Any) -> Report:
    report: Report = desk.go(desk.submit(**said), *WAY_TO[state])
    assert report.state == state
    return report


def moved_to(number: int, sponsor: str | None = None) -> Move:
    """To the middle of a grid's square, as if placed there."""
    position = middle_of(number)
    placement = Placement(DISTRICT, COMMUNITY, grid_code(number), None, sponsor, False, Level.GRID)
    return Move(*position, "WGS84", *position, None, placement)


def particulars(desk: Desk, action: Action) -> dict[str, Any]:
    """What an action needs beside a note."""
    match action:
        case A.MERGE:
            return {"into": desk.submit().id}
        case A.MOVE | A.CHOOSE_GRID:
            return {"move": moved_to(1, "S1")}
        case A.SUSPEND:
            return {"until": desk.now + DAY}
        case A.EXTEND:
            return {"until": desk.now + 60 * DAY}
        case A.RATE:
            return {"rating": 4}
    return {}


def _said(value: object) -> str:
    """A name that is the same in every process."""
    return ",".join(sorted(value)) if isinstance(value, set) else str(value)


class TestWhoMay:
    @pytest.mark.parametrize(("state", "action", "may"), MAY, ids=_said)
    def test_an_action_is_done_by_those_it_is_for_and_by_nobody_else(
        self, desk: Desk, state: str, action: Action, may: set[str]
    ) -> None:
        said = particulars(desk, action)
        report = report_that_is(desk, state)
        for viewer in [*(PEOPLE[name] for name in PEOPLE.keys() - may), *STRANGERS]:
            refusal = f"{action} of a report that is {state} is for its", Forbidden
            unseen = "There is no report", NotFound
            words, error = refusal if viewer in MAY_SEE else unseen
            with pytest.raises(error, match=words):
                desk.act(report, action, viewer, **said)
        assert desk.kept(report.report_key) == report
        for name in sorted(may):
            fresh = report_that_is(desk, state)
            done = desk.act(fresh, action, PEOPLE[name], **particulars(desk, action))
            assert done.event.version == done.report.version == fresh.version + 1
            assert done.event.actor_role == PEOPLE[name].role
            assert done.event.actor_subject == PEOPLE[name].subject

    def test_the_administrator_may_do_all_that_is_possible_and_nothing_else(
        self, desk: Desk
    ) -> None:
        report = report_that_is(desk, "DISPATCHED")
        with pytest.raises(Conflict, match="CLOSE is not possible"):
            desk.act(report, A.CLOSE, ADMINISTRATOR)
        assert desk.act(report, A.ACCEPT, ADMINISTRATOR).report.state == "ACCEPTED"

    def test_who_sent_a_report_without_an_account_acts_on_it_by_its_receipt_alone(
        self, desk: Desk
    ) -> None:
        reports = [report_that_is(desk, "CLOSED", viewer=ANONYMOUS) for _ in range(2)]
        receipt = holder_of_receipt(DISTRICT, reports[0].id)
        with pytest.raises(NotFound):
            desk.act(reports[1], A.RATE, receipt, rating=5)
        for nobody in (ANONYMOUS, holder_of_receipt("230406", reports[0].id)):
            with pytest.raises(NotFound):
                desk.act(reports[0], A.RATE, nobody, rating=5)
        assert desk.act(reports[0], A.RATE, receipt, rating=5).report.rating == 5

    def test_nobody_is_known_again_by_having_no_name(self) -> None:
        assert ANONYMOUS.signature is None
        assert RESIDENT.signature != Viewer(Role.AUDITOR, RESIDENT.subject).signature

    def test_up_the_ladder_it_leaves_the_hands_of_the_offices_below(self, desk: Desk) -> None:
        report = report_that_is(desk, "REGISTERED")
        report = desk.go(report, *[(A.ESCALATE, WORKER)] * 3)
        assert report.level == "STREET"
        with pytest.raises(Forbidden):
            desk.act(report, A.DISPATCH, OFFICE)
        report = desk.act(report, A.ESCALATE, STREET_OFFICE).report
        with pytest.raises(Forbidden):
            desk.act(report, A.DISPATCH, STREET_OFFICE)
        assert desk.act(report, A.DISPATCH, DISTRICT_OFFICE).report.state == "DISPATCHED"

    def test_a_report_that_there_is_not_is_not_found(self, desk: Desk) -> None:
        report = desk.submit()
        for nothing in (
            report._replace(id=uuid4()),
            report._replace(district_code="230406"),
        ):
            with pytest.raises(NotFound, match=str(nothing.id)):
                desk.act(nothing, A.REGISTER, OFFICE)


class TestNotes:
    @pytest.mark.parametrize(
        ("state", "action", "viewer"),
        [
            ("SUBMITTED", A.REJECT, OFFICE),
            ("DISPATCHED", A.RETURN, SPONSOR),
            ("ACCEPTED", A.SUSPEND, OFFICE),
            ("ACCEPTED", A.EXTEND, OFFICE),
            ("DONE", A.REWORK, OFFICE),
            ("CLOSED", A.REOPEN, RESIDENT),
            ("REGISTERED", A.ESCALATE, WORKER),
        ],
    )
    def test_what_needs_a_reason_is_not_done_without(
        self, desk: Desk, state: str, action: Action, viewer: Viewer
    ) -> None:
        report, said = report_that_is(desk, state), particulars(desk, action)
        for nothing in ("", "  \n"):
            with pytest.raises(Invalid, match=f"{action} needs a note"):
                desk.act(report, action, viewer, note=nothing, **said)
        assert desk.act(report, action, viewer, note="因为", **said).event.note == "因为"

    def test_a_note_is_kept_as_it_is_up_to_2000_characters(self, desk: Desk) -> None:
        report, note = desk.submit(), "\"'%\\ {楼} 🧹" + "长" * 1990
        assert len(note) == 2_000
        with pytest.raises(Invalid, match="2001 characters"):
            desk.act(report, A.REGISTER, OFFICE, note=note + "x")
        with pytest.raises(Invalid):
            desk.act(report, A.REGISTER, OFFICE, note="\0")
        assert desk.act(report, A.REGISTER, OFFICE, note=note).event.note == note
        assert [event.note for event in desk.events(report.report_key)] == ["", note]

    def test_a_photo_that_is_not_there_is_refused_and_nothing_is_done(self, desk: Desk) -> None:
        report = desk.submit()
        with pytest.raises(Invalid, match="photo"):
            desk.act(report, A.REGISTER, OFFICE, photos=(uuid4(),))
        assert desk.kept(report.report_key) == report
        photo = uuid4()
        desk.sql("INSERT INTO photos VALUES (%s, '', 1, 1, 1)", photo)
        desk.act(report, A.REGISTER, OFFICE, photos=(photo,))
        kept = "SELECT version, place, photo_id FROM report_photos WHERE report_id = %s"
        assert desk.sql(kept, report.id) == [(2, 1, photo)]


class TestVersions:
    def test_who_saw_another_version_is_told_how_it_stands(self, desk: Desk) -> None:
        report = report_that_is(desk, "DISPATCHED")
        for version in (report.version - 1, report.version + 1, 0, -1, 2**31 - 1):
            with pytest.raises(Conflict, match="at version 3") as caught:
                desk.act(report, A.ACCEPT, SPONSOR, version=version)
            assert caught.value.details == {"state": "DISPATCHED", "version": 3}

    def test_of_two_who_act_at_the_same_moment_one_wins_and_the_other_is_told(
        self, desk: Desk
    ) -> None:
        with Desk(desk.url) as left, Desk(desk.url) as right:
            for _ in range(15):
                report = desk.submit()
                outcomes = at_once(
                    partial(left.act, report, A.REGISTER, OFFICE),
                    partial(right.act, report, A.REJECT, STREET_OFFICE),
                )
                [won] = [each for each in outcomes if isinstance(each, Outcome)]
                [lost] = [each for each in outcomes if isinstance(each, GridmapError)]
                assert isinstance(lost, Conflict)
                assert lost.details == {"state": won.report.state, "version": 2}
                assert desk.kept(report.report_key) == won.report
                assert len(desk.events(report.report_key)) == 2

    def test_the_same_action_sent_twice_at_the_same_moment_is_done_once(self, desk: Desk) -> None:
        with Desk(desk.url) as left, Desk(desk.url) as right:
            for _ in range(10):
                report = desk.submit()
                first, second = at_once(
                    partial(left.act, report, A.REGISTER, OFFICE),
                    partial(right.act, report, A.REGISTER, OFFICE),
                )
                assert first == second
                assert len(desk.events(report.report_key)) == 2

    @pytest.mark.parametrize(
        ("state", "action", "viewer"),
        [
            ("SUBMITTED", A.REGISTER, OFFICE),
            ("SUBMITTED", A.MERGE, RESIDENT),
            ("REGISTERED", A.MOVE, OFFICE),
            ("DISPATCHED", A.RETURN, SPONSOR),
            ("IN_PROGRESS", A.SUSPEND, OFFICE),
            ("IN_PROGRESS", A.EXTEND, OFFICE),
            ("CLOSED", A.RATE, RESIDENT),
        ],
    )
    def test_an_action_sent_again_after_its_answer_was_lost_gets_that_answer(
        self, desk: Desk, state: str, action: Action, viewer: Viewer
    ) -> None:
        report, said = report_that_is(desk, state), particulars(desk, action)
        done = desk.act(report, action, viewer, **said)
        desk.now += HOUR
        assert desk.act(report, action, viewer, **said) == done
        later = desk.go(done.report, (A.REOPEN, OFFICE)) if done.report.ended_at else done.report
        assert desk.act(report, action, viewer, **said) == Outcome(later, done.event)
        with pytest.raises(Conflict, match="you saw version"):
            desk.act(report, action, viewer, **{**said, "note": "其他"})
        another = Viewer(viewer.role, "another", viewer.codes)
        with pytest.raises(Conflict if viewer.codes else NotFound):
            desk.act(report, action, another, **said)

    def test_a_move_that_became_a_reassignment_gets_its_answer_again_too(self, desk: Desk) -> None:
        report = report_that_is(desk, "ACCEPTED")
        done = desk.act(report, A.MOVE, OFFICE, move=moved_to(2, "S2"))
        assert done.event.action == "REASSIGN"
        assert desk.act(report, A.MOVE, OFFICE, move=moved_to(2, "S2")) == done
        with pytest.raises(Conflict):
            desk.act(report, A.MOVE, OFFICE, move=moved_to(3, "S1"))


MEMBERS_BUILDING = frozenset({building_code(2)})


class TestDispatch:
    @pytest.mark.parametrize(
        ("kind", "code", "handler"),
        [
            ("SPONSOR", "S2", Viewer(Role.SPONSOR, "x", frozenset({"S2"}))),
            ("GRID_WORKER", "W1", WORKER),
            ("BUILDING_MEMBER", "李", Viewer(Role.BUILDING_MEMBER, "李", MEMBERS_BUILDING)),
            ("REGION", COMMUNITY, OFFICE),
            ("REGION", STREET, STREET_OFFICE),
            ("REGION", DISTRICT, DISTRICT_OFFICE),
        ],
    )
    def test_whoever_it_is_dispatched_to_takes_it_on_and_no_other(
        self, desk: Desk, kind: str, code: str, handler: Viewer
    ) -> None:
        report = report_that_is(desk, "REGISTERED")
        report = desk.act(report, A.DISPATCH, OFFICE, handler=Handler(kind, code)).report
        assert (report.handler_kind, report.handler_code) == (kind, code)
        for viewer in [*PEOPLE.values(), *STRANGERS]:
            if (viewer.role, viewer.codes) != (handler.role, handler.codes):
                with pytest.raises(Forbidden if viewer in MAY_SEE else NotFound):
                    desk.act(report, A.ACCEPT, viewer)
        assert desk.act(report, A.ACCEPT, handler).report.state == "ACCEPTED"

    @pytest.mark.parametrize(
        ("kind", "code", "namesake"),
        [
            ("GRID_WORKER", "W1", Viewer(Role.GRID_WORKER, "W1", frozenset({"110101001001001"}))),
            (
                "BUILDING_MEMBER",
                "李",
                Viewer(Role.BUILDING_MEMBER, "李", frozenset({"11010100100100001"})),
            ),
        ],
    )
    def test_a_namesake_who_looks_after_another_place_takes_nothing_on(
        self, desk: Desk, kind: str, code: str, namesake: Viewer
    ) -> None:
        report = report_that_is(desk, "REGISTERED")
        report = desk.act(report, A.DISPATCH, OFFICE, handler=Handler(kind, code)).report
        with pytest.raises(NotFound):
            desk.act(report, A.ACCEPT, namesake)

    @pytest.mark.parametrize(
        ("kind", "code"),
        [
            ("SPONSOR", "S9"),
            ("SPONSOR", ""),
            ("GRID_WORKER", "W9"),
            ("REGION", "2304"),
            ("REGION", "230406"),
            ("BUILDING_MEMBER", ""),
            ("BUILDING_MEMBER", " "),
        ],
    )
    def test_it_goes_to_nobody_who_is_not_there(self, desk: Desk, kind: str, code: str) -> None:
        report = report_that_is(desk, "REGISTERED")
        with pytest.raises(Invalid, match=f"no {kind}"):
            desk.act(report, A.DISPATCH, OFFICE, handler=Handler(kind, code))

    def test_without_a_word_it_goes_to_the_sponsor_who_answers(self, desk: Desk) -> None:
        report = report_that_is(desk, "DISPATCHED")
        assert (report.handler_kind, report.handler_code) == ("SPONSOR", "S1")
        nobodys = desk.go(desk.submit(middle_of(5)), (A.REGISTER, OFFICE))
        assert nobodys.sponsor_code is None
        with pytest.raises(Invalid, match="Nobody answers"):
            desk.act(nobodys, A.DISPATCH, OFFICE)

    def test_what_was_returned_is_dispatched_again_to_somebody_else(self, desk: Desk) -> None:
        report = report_that_is(desk, "RETURNED")
        report = desk.act(report, A.DISPATCH, OFFICE, handler=Handler("SPONSOR", "S2")).report
        with pytest.raises(Forbidden):
            desk.act(report, A.ACCEPT, SPONSOR)
        assert report.handler_code == "S2"


class TestDeadlines:
    def test_each_step_has_its_deadline_from_when_it_begins(self, desk: Desk) -> None:
        # One working hour each to register and to dispatch, four to accept, five days to handle,
        # one each to verify and close; seven in all. The 2nd of March 2026 is a Monday.
        report = desk.submit()
        assert report.due_at == datetime.datetime(2026, 3, 11, 17, 30, tzinfo=CHINA)
        found = [report.step_due_at]
        for action, viewer in WAY_TO["CLOSED"]:
            desk.now += HOUR / 2
            report = desk.act(report, action, viewer).report
            found.append(report.step_due_at)
        handled = datetime.datetime(2026, 3, 9, 17, 30, tzinfo=CHINA)
        tuesday = datetime.datetime(2026, 3, 3, 17, 30, tzinfo=CHINA)
        assert found == [
            MONDAY + HOUR,
            MONDAY + HOUR * 1.5,
            MONDAY + HOUR * 5,
            handled,
            handled,
            tuesday,
            tuesday,
            None,
        ]
        assert report.due_at == datetime.datetime(2026, 3, 11, 17, 30, tzinfo=CHINA)

    def test_time_that_it_was_suspended_is_given_back(self, desk: Desk) -> None:
        report = report_that_is(desk, "IN_PROGRESS")
        due_at, step_due_at = report.due_at, report.step_due_at
        assert due_at is not None
        assert step_due_at is not None
        for number, pause in enumerate((3 * DAY + HOUR, 5 * DAY), start=1):
            desk.now += HOUR
            until = desk.now + 10 * DAY
            report = desk.act(report, A.SUSPEND, OFFICE, until=until).report
            assert (report.state, report.step_due_at) == ("SUSPENDED", until), number
            desk.now += pause
            report = desk.act(report, A.START, SPONSOR).report
            due_at, step_due_at = due_at + pause, step_due_at + pause
            assert (report.state, report.due_at) == ("IN_PROGRESS", due_at)
            assert report.step_due_at == step_due_at

    @pytest.mark.parametrize("way", ["escalated", "reassigned"])
    def test_it_is_given_back_also_where_another_takes_over(self, desk: Desk, way: str) -> None:
        report = report_that_is(desk, "IN_PROGRESS")
        assert report.due_at is not None
        due_at = report.due_at + 3 * DAY
        report = desk.act(report, A.SUSPEND, OFFICE, until=desk.now + 10 * DAY).report
        desk.now += 3 * DAY
        if way == "escalated":
            report = desk.act(report, A.ESCALATE, OFFICE).report
        else:
            report = desk.act(report, A.MOVE, OFFICE, move=moved_to(2, "S2")).report
        assert (report.state, report.due_at) == ("REGISTERED", due_at)
        assert report.step_due_at == desk.now + HOUR

    def test_a_suspended_report_is_moved_without_ending_the_suspension(self, desk: Desk) -> None:
        report = report_that_is(desk, "IN_PROGRESS")
        before = report.step_due_at
        assert before is not None
        report = desk.act(report, A.SUSPEND, OFFICE, until=desk.now + 10 * DAY).report
        desk.now += DAY
        report = desk.act(report, A.MOVE, OFFICE, move=moved_to(1, "S1")).report
        assert (report.state, report.step_due_at) == ("SUSPENDED", MONDAY + 10 * DAY)
        desk.now += DAY
        assert desk.act(report, A.START, SPONSOR).report.step_due_at == before + 2 * DAY

    def test_a_deadline_is_extended_to_a_later_time_only(self, desk: Desk) -> None:
        report = report_that_is(desk, "ACCEPTED")
        assert report.due_at is not None
        for until in (None, desk.now, desk.now - DAY, report.due_at):
            with pytest.raises(Invalid):
                desk.act(report, A.EXTEND, OFFICE, until=until)
        until = report.due_at + datetime.timedelta(seconds=1)
        report = desk.act(report, A.EXTEND, OFFICE, until=until).report
        assert (report.state, report.due_at, report.step_due_at) == ("ACCEPTED", until, until)

    @pytest.mark.parametrize("action", [A.SUSPEND, A.EXTEND])
    def test_nothing_is_put_off_for_ever(self, desk: Desk, action: Action) -> None:
        report = report_that_is(desk, "ACCEPTED")
        never = datetime.datetime(9999, 12, 31, 23, tzinfo=datetime.UTC)
        with pytest.raises(Invalid, match="9999"):
            desk.act(report, action, OFFICE, until=never)
        assert desk.kept(report.report_key) == report

    def test_a_suspension_ends_in_time_to_come(self, desk: Desk) -> None:
        report = report_that_is(desk, "ACCEPTED")
        for until in (None, desk.now, desk.now - DAY):
            with pytest.raises(Invalid):
                desk.act(report, A.SUSPEND, OFFICE, until=until)

    def test_what_is_taken_up_again_has_a_new_deadline(self, desk: Desk) -> None:
        report = report_that_is(desk, "RATED")
        assert (report.rating, report.step_due_at) == (5, None)
        desk.now += 30 * DAY  # Wednesday, the 1st of April
        report = desk.act(report, A.REOPEN, RESIDENT).report
        assert report.state == "REGISTERED"
        # Qingming is kept on the 4th to the 6th.
        assert report.due_at == datetime.datetime(2026, 4, 13, 17, 30, tzinfo=CHINA)
        assert report.step_due_at == desk.now + HOUR
        nothing = (report.closed_at, report.ended_at, report.rating, report.merged_into)
        assert nothing == (None,) * 4
        assert (report.handler_kind, report.handler_code) == (None, None)

    def test_the_first_reply_is_somebody_elses(self, desk: Desk) -> None:
        report = desk.submit()
        desk.now += HOUR
        report = desk.act(report, A.MOVE, RESIDENT, move=moved_to(1, "S1")).report
        assert report.replied_at is None
        desk.now += HOUR
        report = desk.act(report, A.REGISTER, WORKER).report
        assert report.replied_at == MONDAY + 2 * HOUR
        desk.now += HOUR
        assert desk.act(report, A.DISPATCH, OFFICE).report.replied_at == MONDAY + 2 * HOUR


class TestLadder:
    def test_it_goes_up_step_by_step_to_the_district_and_no_further(self, desk: Desk) -> None:
        report = report_that_is(desk, "REGISTERED")
        assert report.level == "BUILDING"
        for level in ("GRID", "COMMUNITY", "STREET", "DISTRICT"):
            report = desk.act(report, A.ESCALATE, WORKER).report
            assert (report.level, report.state) == (level, "REGISTERED")
        with pytest.raises(Conflict, match="nothing is above"):
            desk.act(report, A.ESCALATE, WORKER)

    def test_the_level_at_closing_is_kept(self, desk: Desk) -> None:
        report = report_that_is(desk, "ACCEPTED")
        report = desk.act(report, A.ESCALATE, SPONSOR).report
        report = desk.act(report, A.ESCALATE, OFFICE).report
        report = desk.go(report, *WAY_TO["RATED"][1:])
        assert (report.state, report.level) == ("RATED", "COMMUNITY")

    def test_who_handled_it_does_so_no_more_when_it_went_up(self, desk: Desk) -> None:
        report = desk.act(report_that_is(desk, "ACCEPTED"), A.ESCALATE, SPONSOR).report
        assert (report.handler_kind, report.handler_code) == (None, None)
        with pytest.raises(Forbidden):
            desk.act(report, A.ESCALATE, SPONSOR)

    def test_a_move_keeps_what_was_taken_up_on_purpose(self, desk: Desk) -> None:
        report = report_that_is(desk, "REGISTERED")
        assert desk.act(report, A.MOVE, OFFICE, move=moved_to(2)).report.level == "GRID"
        report = report_that_is(desk, "REGISTERED")
        report = desk.go(report, (A.ESCALATE, WORKER), (A.ESCALATE, WORKER))
        assert desk.act(report, A.MOVE, OFFICE, move=moved_to(2)).report.level == "COMMUNITY"

    def test_the_lowest_step_up_is_kept_as_well(self, desk: Desk) -> None:
        report = desk.go(report_that_is(desk, "REGISTERED"), (A.ESCALATE, WORKER))
        move = moved_to(2)
        at_a_building = move.placement._replace(
            building_code=building_code(2), level=Level.BUILDING
        )
        move = Move(*middle_of(2), "WGS84", *middle_of(2), None, at_a_building)
        assert desk.act(report, A.MOVE, OFFICE, move=move).report.level == "GRID"


class TestRating:
    def test_a_district_that_does_not_rate_closes_and_no_more(self, desk: Desk) -> None:
        put_rules(desk, (DISTRICT, None, False))
        report = report_that_is(desk, "CLOSED")
        with pytest.raises(Conflict, match="not rated"):
            desk.act(report, A.RATE, RESIDENT, rating=5)
        assert desk.kept(report.report_key) == report

    def test_the_innermost_region_that_says_so_decides(self, desk: Desk) -> None:
        put_rules(desk, (DISTRICT, None, False), (STREET, None, None), (COMMUNITY, None, True))
        report = desk.act(report_that_is(desk, "CLOSED"), A.RATE, RESIDENT, rating=1).report
        assert (report.state, report.rating) == ("RATED", 1)

    def test_a_rating_goes_from_1_to_5_and_keeps_when_it_was_closed(self, desk: Desk) -> None:
        report = report_that_is(desk, "CLOSED")
        for rating in (None, 0, 6, -1, 2**31):
            with pytest.raises(Invalid, match="1 to 5"):
                desk.act(report, A.RATE, RESIDENT, rating=rating)
        desk.now += DAY
        rated = desk.act(report, A.RATE, RESIDENT, rating=3).report
        assert (rated.closed_at, rated.ended_at) == (report.closed_at, report.ended_at)
        assert rated.closed_at == MONDAY


class TestMerging:
    def test_a_merged_report_has_ended_and_says_into_which(self, desk: Desk) -> None:
        main, other = desk.submit(), desk.submit()
        merged = desk.act(other, A.MERGE, WORKER, into=main.id).report
        assert (merged.state, merged.merged_into) == ("MERGED", main.id)
        assert merged.ended_at == MONDAY
        assert merged.closed_at is None
        assert desk.kept(main.report_key) == main

    def test_it_is_merged_into_one_that_is_there_and_stands_by_itself(self, desk: Desk) -> None:
        report = desk.submit()
        for into in (None, report.id, uuid4()):
            with pytest.raises(Invalid):
                desk.act(report, A.MERGE, OFFICE, into=into)
        for state in ("REJECTED", "CLOSED", "RATED"):
            with pytest.raises(Conflict, match=f"is {state}, and nobody would look after"):
                desk.act(report, A.MERGE, OFFICE, into=report_that_is(desk, state).id)

    def test_there_are_no_chains(self, desk: Desk) -> None:
        main, other, third = desk.submit(), desk.submit(), desk.submit()
        desk.act(other, A.MERGE, OFFICE, into=main.id)
        with pytest.raises(Conflict, match="is MERGED"):
            desk.act(third, A.MERGE, OFFICE, into=other.id)
        with pytest.raises(Conflict, match="Other reports were merged into"):
            desk.act(main, A.MERGE, OFFICE, into=third.id)

    def test_a_merged_one_is_taken_out_again_by_an_office(self, desk: Desk) -> None:
        main, other = desk.submit(), desk.submit()
        other = desk.act(other, A.MERGE, OFFICE, into=main.id).report
        with pytest.raises(Forbidden):
            desk.act(other, A.REOPEN, RESIDENT)
        other = desk.act(other, A.REOPEN, OFFICE).report
        assert (other.state, other.merged_into, other.ended_at) == ("REGISTERED", None, None)
        third = desk.submit()
        assert desk.act(main, A.MERGE, OFFICE, into=third.id).report.state == "MERGED"

    def test_two_that_are_merged_into_each_other_at_once_make_no_ring(self, desk: Desk) -> None:
        with Desk(desk.url) as left, Desk(desk.url) as right:
            for _ in range(15):
                one, two = desk.submit(), desk.submit()
                outcomes = at_once(
                    partial(left.act, one, A.MERGE, OFFICE, into=two.id),
                    partial(right.act, two, A.MERGE, OFFICE, into=one.id),
                )
                assert sorted(map(type, outcomes), key=str) == [Conflict, Outcome]
                states = {desk.kept(each.report_key).state for each in (one, two)}
                assert states == {"MERGED", "SUBMITTED"}

    def test_three_that_are_merged_in_a_ring_at_once_make_none(self, desk: Desk) -> None:
        with Desk(desk.url) as first, Desk(desk.url) as second, Desk(desk.url) as third:
            for _ in range(10):
                reports = [desk.submit() for _ in range(3)]
                at_once(
                    *(
                        lambda at=at, one=one, two=two: at.act(one, A.MERGE, OFFICE, into=two.id)
                        for at, one, two in zip(
                            (first, second, third), reports, reports[1:] + reports[:1], strict=True
                        )
                    )
                )
                kept = {each.id: desk.kept(each.report_key) for each in reports}
                merged = [each for each in kept.values() if each.merged_into]
                assert merged
                for each in merged:
                    assert each.merged_into is not None
                    assert kept[each.merged_into].merged_into is None


class TestMoving:
    def test_within_its_grid_the_pin_moves_and_the_handler_stays(self, desk: Desk) -> None:
        report = report_that_is(desk, "ACCEPTED")
        position = (middle_of(1)[0] + 0.001, middle_of(1)[1])
        placement = moved_to(1, "S1").placement
        move = Move(*position, "GCJ02", 130.5, 47.5, 20.0, placement)
        done = desk.act(report, A.MOVE, OFFICE, move=move)
        assert done.event.action == "MOVE"
        assert done.report.state == "ACCEPTED"
        assert done.report.handler_code == "S1"
        assert (done.report.longitude, done.report.latitude) == position
        given = done.report.source_datum, done.report.source_longitude, done.report.source_latitude
        assert given == ("GCJ02", 130.5, 47.5)
        changed = done.event.details["changed"]
        assert (changed["longitude"], changed["latitude"]) == middle_of(1)
        assert changed["source_datum"] == "WGS84"

    @pytest.mark.parametrize(
        "state", ["DISPATCHED", "ACCEPTED", "IN_PROGRESS", "SUSPENDED", "REWORK"]
    )
    def test_where_another_answers_it_is_dispatched_anew(self, desk: Desk, state: str) -> None:
        report = report_that_is(desk, "IN_PROGRESS" if state == "SUSPENDED" else state)
        if state == "SUSPENDED":
            report = desk.act(report, A.SUSPEND, OFFICE, until=desk.now + DAY).report
        done = desk.act(report, A.MOVE, OFFICE, move=moved_to(2, "S2"))
        assert done.event.action == "REASSIGN"
        moved = done.report
        assert (moved.state, moved.grid_code) == ("REGISTERED", grid_code(2))
        assert (moved.sponsor_code, moved.handler_kind, moved.handler_code) == ("S2", None, None)
        again = desk.act(moved, A.DISPATCH, OFFICE).report
        assert again.handler_code == "S2"

    @pytest.mark.parametrize("state", ["SUBMITTED", "REGISTERED", "RETURNED"])
    def test_what_nobody_has_in_hand_is_moved_as_it_stands(self, desk: Desk, state: str) -> None:
        report = report_that_is(desk, state)
        done = desk.act(report, A.MOVE, OFFICE, move=moved_to(2, "S2"))
        assert (done.event.action, done.report.state) == ("MOVE", state)
        assert done.report.grid_code == grid_code(2)

    @pytest.mark.parametrize("state", ["DONE", "VERIFIED", "CLOSED", "REJECTED"])
    def test_what_is_done_stays_where_it_is(self, desk: Desk, state: str) -> None:
        with pytest.raises(Conflict, match="not possible"):
            desk.act(report_that_is(desk, state), A.MOVE, OFFICE, move=moved_to(2, "S2"))

    def test_it_is_not_moved_to_another_district(self, desk: Desk) -> None:
        placement = moved_to(2).placement._replace(district_code="230406")
        move = Move(*middle_of(2), "WGS84", *middle_of(2), None, placement)
        with pytest.raises(Conflict, match="230406"):
            desk.act(desk.submit(), A.MOVE, OFFICE, move=move)

    def test_whoever_walks_the_new_grid_has_to_do_with_it(self, desk: Desk) -> None:
        other = Viewer(Role.GRID_WORKER, "W2", frozenset({grid_code(2)}))
        moved = desk.act(desk.submit(), A.MOVE, RESIDENT, move=moved_to(2)).report
        with pytest.raises(NotFound):
            desk.act(moved, A.REGISTER, WORKER)
        assert desk.act(moved, A.REGISTER, other).report.state == "REGISTERED"

    def test_once_its_grid_is_chosen_it_is_the_grids_matter(self, desk: Desk) -> None:
        # On the border of grids 1 and 2, within 50 m.
        border = (middle_of(1)[0] + 0.002, middle_of(1)[1])
        report = desk.submit(border, accuracy=50.0)
        assert (report.grid_code, report.level) == (None, "COMMUNITY")
        chosen = desk.act(report, A.CHOOSE_GRID, RESIDENT, move=moved_to(2)).report
        assert (chosen.grid_code, chosen.level) == (grid_code(2), "GRID")


class TestWhatIsKept:
    def test_every_step_is_told_with_who_when_and_what_it_said_before(self, desk: Desk) -> None:
        report = desk.submit()
        for action, viewer in WAY_TO["VERIFIED"]:
            desk.now += HOUR
            report = desk.act(report, action, viewer).report
        events = desk.events(report.report_key)
        assert [event.version for event in events] == list(range(1, 8))
        assert [event.at for event in events] == [MONDAY + n * HOUR for n in range(7)]
        assert [event.actor_subject for event in events] == [
            viewer.subject
            for viewer in (RESIDENT, OFFICE, OFFICE, SPONSOR, SPONSOR, SPONSOR, OFFICE)
        ]
        states = [event.state for event in events]
        assert [event.details["changed"]["state"] for event in events[1:]] == states[:-1]
        assert desk.events(ReportKey(DISTRICT, uuid4())) == []

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE report_events SET note = 'x'",
            "UPDATE report_events SET note = note",
            "DELETE FROM report_events",
            "TRUNCATE report_events CASCADE",
            "TRUNCATE reports CASCADE",
            "TRUNCATE report_categories CASCADE",
            "DELETE FROM reports",
            "INSERT INTO report_events SELECT * FROM report_events",
        ],
    )
    def test_no_event_is_changed_or_deleted(self, desk: Desk, statement: str) -> None:
        desk.submit()
        before = desk.sql("SELECT * FROM report_events ORDER BY report_id, version")
        with pytest.raises(psycopg.errors.IntegrityError):
            desk.sql(statement)
        assert desk.sql("SELECT * FROM report_events ORDER BY report_id, version") == before

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE reports SET version = version + 1",
            "UPDATE reports SET version = version + 1, state = 'REGISTERED'",
            "UPDATE reports SET state = 'CLOSED'",
            "UPDATE reports SET merged_into = id",
            "UPDATE reports SET handler_kind = 'SPONSOR'",
        ],
    )
    def test_no_report_gets_a_version_without_its_event(self, desk: Desk, statement: str) -> None:
        report = desk.submit()
        with pytest.raises(psycopg.errors.IntegrityError):
            desk.sql(f"{statement} WHERE id = %s", report.id)
        assert desk.kept(report.report_key) == report


def at_once(*deeds: Callable[[], Outcome]) -> list[Outcome | GridmapError]:
    """What each gives or raises, begun at the same moment in threads of their own."""
    barrier = Barrier(len(deeds))

    def do(deed: Callable[[], Outcome]) -> Outcome | GridmapError:
        barrier.wait()
        try:
            return deed()
        except GridmapError as error:
            return error

    with ThreadPoolExecutor(len(deeds)) as pool:
        return list(pool.map(do, deeds))
