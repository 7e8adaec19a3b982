"""Whatever people try, one after the other, a report goes as the districts describe it.

The model below is written from their description, and knows nothing of the program's own table.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridmap.errors import Conflict, Forbidden, GridmapError, Invalid, NotFound
from gridmap.store.actions import Handler, Move, Outcome
from gridmap.store.loop import Action, Level
from gridmap.store.report_rules import load_rules
from gridmap.store.reports import Report
from gridmap.store.standings import possible as possible_actions
from gridmap.store.standings import standings
from gridmap.store.submissions import Placement
from gridmap.store.viewers import ANONYMOUS, Role, Viewer
from tests.districts import COMMUNITY, DISTRICT, STREET, grid_code
from tests.reporting import MONDAY, Desk, desk_of_a_district, middle_of

PEOPLE = {
    "reporter": Viewer(Role.RESIDENT, "resident 7"),
    "neighbour": Viewer(Role.RESIDENT, "resident 8"),
    "worker of 1": Viewer(Role.GRID_WORKER, "W1", frozenset({grid_code(1)})),
    "worker of 2": Viewer(Role.GRID_WORKER, "W2", frozenset({grid_code(2)})),
    "S1": Viewer(Role.SPONSOR, "clerk", frozenset({"S1"})),
    "S2": Viewer(Role.SPONSOR, "clerk", frozenset({"S2"})),
    "community": Viewer(Role.COMMUNITY, "c", frozenset({COMMUNITY})),
    "other community": Viewer(Role.COMMUNITY, "c", frozenset({"230402002006"})),
    "street": Viewer(Role.STREET, "s", frozenset({STREET})),
    "district": Viewer(Role.DISTRICT, "d", frozenset({DISTRICT})),
    "other district": Viewer(Role.DISTRICT, "d", frozenset({"230406"})),
    "auditor": Viewer(Role.AUDITOR, "a"),
    "administrator": Viewer(Role.ADMINISTRATOR, "root"),
    "nobody": ANONYMOUS,
}
OVER = ("REJECTED", "MERGED", "CLOSED", "RATED")
LADDER = ["BUILDING", "GRID", "COMMUNITY", "STREET", "DISTRICT"]
IN_HAND = {"DISPATCHED", "ACCEPTED", "IN_PROGRESS", "SUSPENDED", "REWORK"}
WITH_REASON = {"REJECT", "RETURN", "SUSPEND", "EXTEND", "REWORK", "REOPEN", "ESCALATE"}
AHEAD = ["REGISTER", "DISPATCH", "ACCEPT", "START", "DONE", "VERIFY", "CLOSE", "RATE"]
TRIED: list[str] = sorted(set(Action) - {"SUBMIT", "REASSIGN"})


@dataclass
class Case:
    """A report as the description has it."""

    state: str = "SUBMITTED"
    version: int = 1
    level: str = "BUILDING"
    is_escalated: bool = False
    grid: int = 1
    handler: str | None = None
    into: Case | None = None
    has_others: bool = False

    def is_office(self, who: str) -> bool:
        """An office answers up to its own step of the ladder."""
        return who in ("community", "street", "district") and LADDER.index(
            self.level
        ) <= LADDER.index(who.upper())

    def after(self, action: str, who: str, grid: int, other: Case) -> str | None:
        """The state that it is in then, None where it cannot be or is not for them to do."""
        office = self.is_office(who)
        worker = office or who == f"worker of {self.grid}"
        reporter = office or who == "reporter"
        anybody = worker or reporter
        handler = who == self.handler
        if who == "administrator":
            office = worker = reporter = anybody = handler = True
        state = self.state
        fresh, taken_up = state == "SUBMITTED", state in ("SUBMITTED", "REGISTERED")
        to_dispatch = state in ("REGISTERED", "RETURNED")
        match action:
            # 点单
            case "REGISTER" if fresh and worker:
                return "REGISTERED"
            case "REJECT" if taken_up and office:
                # Those that were merged into it would be lost with it.
                return "REJECTED" if not self.has_others else None
            case "MERGE" if (fresh and anybody) or (taken_up and worker):
                stands = other.state not in OVER and not self.has_others
                return "MERGED" if stands else None
            case "CHOOSE_GRID" if (fresh and reporter) or (taken_up and office):
                return state
            case "MOVE" if (fresh and anybody) or (to_dispatch and worker):
                return state
            case "MOVE" if state in IN_HAND and worker:
                # Each grid of these has a sponsor of its own.
                return state if grid == self.grid else "REGISTERED"
            # 派单
            case "DISPATCH" if to_dispatch and office:
                return "DISPATCHED"
            case "RETURN" if state == "DISPATCHED" and handler:
                return "RETURNED"
            case "ESCALATE" if (to_dispatch or state in IN_HAND) and (worker or handler):
                return "REGISTERED" if self.level != "DISTRICT" else None
            # 接单
            case "ACCEPT" if state == "DISPATCHED" and handler:
                return "ACCEPTED"
            case "START" if state in ("ACCEPTED", "REWORK", "SUSPENDED") and handler:
                return "IN_PROGRESS"
            case "SUSPEND" if state in ("ACCEPTED", "IN_PROGRESS") and office:
                return "SUSPENDED"
            case "EXTEND" if state in IN_HAND - {"SUSPENDED"} and office:
                return state
            case "DONE" if state == "IN_PROGRESS" and handler:
                return "DONE"
            # 评单
            case "VERIFY" if state == "DONE" and worker:
                return "VERIFIED"
            case "REWORK" if state in ("DONE", "VERIFIED") and worker:
                return "REWORK"
            case "CLOSE" if state == "VERIFIED" and office:
                return "CLOSED"
            case "RATE" if state == "CLOSED" and who in ("reporter", "administrator"):
                return "RATED"
            case "REOPEN" if state in ("REJECTED", "CLOSED", "RATED") and reporter:
                return "REGISTERED"
            case "REOPEN" if state == "MERGED" and office:
                return "REGISTERED"
        return None

    def go(self, action: str, to: str, grid: int, sponsor: str, other: Case) -> None:
        self.version += 1
        if action in ("MOVE", "CHOOSE_GRID"):
            self.grid = grid
            self.level = self.level if self.is_escalated and self.level != "BUILDING" else "GRID"
        if action == "ESCALATE":
            self.level, self.is_escalated = LADDER[LADDER.index(self.level) + 1], True
        if action == "DISPATCH":
            self.handler = sponsor
        elif to in ("REGISTERED", "RETURNED"):
            self.handler = None
        if action == "MERGE":
            self.into, other.has_others = other, True
        elif self.into is not None:
            self.into, other.has_others = None, False
        self.state = to


@pytest.fixture(scope="module")
def desk(database_url: str) -> Iterator[Desk]:
    with desk_of_a_district(database_url) as desk:
        yield desk


def particulars(desk: Desk, action: str, grid: int, sponsor: str, other: Report) -> dict[str, Any]:
    match action:
        case "MERGE":
            return {"into": other.id}
        case "MOVE" | "CHOOSE_GRID":
            placement = Placement(
                DISTRICT, COMMUNITY, grid_code(grid), None, f"S{grid}", False, Level.GRID
            )
            place = middle_of(grid)
            return {"move": Move(*place, "WGS84", *place, None, placement)}
        case "DISPATCH":
            return {"handler": Handler("SPONSOR", sponsor)}
        case "SUSPEND":
            return {"until": desk.now + datetime.timedelta(days=1)}
        case "EXTEND":
            # Each time a little later than the time before.
            later = desk.now - MONDAY + datetime.timedelta(days=60)
            return {"until": desk.now + later}
        case "RATE":
            return {"rating": 3}
    return {}


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.data())
def test_whatever_people_try_a_report_goes_as_the_districts_describe(
    desk: Desk, data: st.DataObject
) -> None:
    desk.now = MONDAY
    cases = [Case(), Case()]
    reports = [desk.submit(), desk.submit()]
    deeds: list[list[tuple[str, str, str]]] = [[("SUBMIT", "reporter", "SUBMITTED")] for _ in "12"]
    start = data.draw(st.sampled_from(range(len(AHEAD) + 1)), label="steps to begin with")
    for step in range(start + data.draw(st.integers(1, 20), label="how many")):
        begins = step < start
        desk.now += datetime.timedelta(minutes=7)
        which = 0 if begins else data.draw(st.sampled_from([0, 0, 0, 1]))
        case, other = cases[which], cases[1 - which]
        grid = data.draw(st.sampled_from([1, 2]))
        sponsor = data.draw(st.sampled_from(["S1", "S2"]))
        possible = {
            action: [who for who in PEOPLE if case.after(action, who, grid, other) is not None]
            for action in TRIED
        }
        possible = {action: whose for action, whose in possible.items() if whose}
        # Half of the time what leads on, so that every state is come by; the rest by anybody.
        ahead = sorted(set(AHEAD) & possible.keys()) or sorted(possible)
        kinds = ["ahead", "ahead", "aside", "trespass", "anything"]
        kind = "ahead" if begins else data.draw(st.sampled_from(kinds))
        actions = {"ahead": ahead, "anything": TRIED}.get(kind) or sorted(possible)
        action = data.draw(st.sampled_from(actions))
        who = data.draw(
            st.sampled_from(possible[action] if kind in ("ahead", "aside") else sorted(PEOPLE))
        )
        is_stale = not begins and data.draw(st.sampled_from([False] * 5 + [True]))
        version = case.version + (data.draw(st.sampled_from([-1, 1])) if is_stale else 0)
        note = data.draw(st.sampled_from(["因故", "因故", "因故", " "]))
        to = case.after(action, who, grid, other)
        is_lost = action == "MERGE" and not sees(who, reports[1 - which])
        if is_stale or is_lost or (action in WITH_REASON and not note.strip()):
            to = None
        said = particulars(desk, action, grid, sponsor, reports[1 - which])
        # A note that nobody gave before: what is tried again is no repetition.
        said |= {"version": version, "note": note.strip() and f"{note} {desk.now}"}
        outcome: Outcome | GridmapError
        try:
            outcome = desk.act(reports[which], Action(action), PEOPLE[who], **said)
        except GridmapError as error:
            outcome = error
        if isinstance(outcome, Outcome):
            assert to is not None, (action, who, case)
            case.go(action, to, grid, sponsor, other)
            reports[which] = outcome.report
            deeds[which].append((action, who, to))
            assert outcome.event.version == case.version
            for near in (who, f"worker of {case.grid}", "reporter"):
                offers_agree(desk, case, outcome.report, near)
        else:
            assert to is None, (action, who, outcome)
            assert isinstance(outcome, Conflict | Forbidden | Invalid | NotFound)
            is_seen = sees(who, reports[which])
            assert isinstance(outcome, NotFound) is not is_seen
            if is_stale and is_seen:
                assert isinstance(outcome, Conflict)
                assert outcome.details == {"state": case.state, "version": case.version}
        for case, report in zip(cases, reports, strict=True):
            assert desk.kept(report.report_key) == report
            agree(case, report, reports[1 - reports.index(report)])
    for case, report in zip(cases, reports, strict=True):
        for who in PEOPLE:
            offers_agree(desk, case, report, who)
    for report, done in zip(reports, deeds, strict=True):
        events = desk.events(report.report_key)
        assert [event.version for event in events] == list(range(1, report.version + 1))
        written = [(each.action.replace("REASSIGN", "MOVE"), each.state) for each in events]
        assert written == [(action, to) for action, _, to in done]
        for event, (_, who, _) in zip(events, done, strict=True):
            assert (event.actor_role, event.actor_subject) == (
                PEOPLE[who].role,
                PEOPLE[who].subject,
            )
        for before, after in pairwise(events):
            assert before.at < after.at
            assert after.details["changed"].get("state", after.state) == before.state


def sees(who: str, report: Report) -> bool:
    """Whether it is theirs to know of; else it is told as one that is not there."""
    if who.startswith("worker"):
        return report.grid_code == grid_code(int(who[-1]))
    if who in ("S1", "S2"):
        return who in (report.sponsor_code, report.handler_code)
    return who not in ("neighbour", "other community", "other district", "nobody")


def offers_agree(desk: Desk, case: Case, report: Report, who: str) -> None:
    """What the report says that they may do is what the description lets them do."""
    told = desk.run(_offered(desk, report, PEOPLE[who]))
    may = {action for action in TRIED if case.after(action, who, 1, Case())}
    # Whether another report stands, something is above, or others were merged into it, is seen when
    # it is done; the grid of these reports is chosen already.
    unsure = {"MERGE", "CHOOSE_GRID"} | ({"ESCALATE"} if case.level == "DISTRICT" else set())
    unsure |= {"REJECT"} if case.has_others else set()
    assert told - unsure == may - unsure, (case, who)


async def _offered(desk: Desk, report: Report, viewer: Viewer) -> set[str]:
    async with desk.database.connection() as connection:
        [standing] = await standings(connection, [report], viewer)
        rules = await load_rules(connection)
    return set(possible_actions(report, standing, viewer, rules))


def agree(case: Case, report: Report, other: Report) -> None:
    """The report is as the description has it, and its times go with its state."""
    assert (report.state, report.version, report.level) == (case.state, case.version, case.level)
    assert report.grid_code == grid_code(case.grid)
    assert report.handler_code == case.handler
    assert report.merged_into == (other.id if case.into else None)
    assert (report.merged_into is not None) is (case.state == "MERGED")
    has_ended = case.state in OVER
    assert (report.ended_at is not None) is has_ended
    assert (report.closed_at is not None) is (case.state in ("CLOSED", "RATED"))
    assert (report.rating is not None) is (case.state == "RATED")
    assert (report.step_due_at is None) is has_ended
    if has_ended and case.state in ("REJECTED", "MERGED", "CLOSED"):
        assert report.ended_at == report.state_since
