"""The loop's table: it leads from a submission to an end, and the manual says what it says."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from gridmap.errors import Conflict
from gridmap.store import tables
from gridmap.store.loop import (
    ENDED,
    STEPS,
    TRANSITIONS,
    Action,
    Level,
    Party,
    State,
    Step,
    diagram,
    transition,
    who_may,
)

MANUAL = Path(__file__).parents[2] / "docs" / "reports.md"

# As the domain tells it: 点单, 派单, 接单, 评单.
WAYS = [
    "SUBMITTED REGISTERED DISPATCHED ACCEPTED IN_PROGRESS DONE VERIFIED CLOSED RATED",
    "SUBMITTED REJECTED",
    "SUBMITTED MERGED",
    "DISPATCHED RETURNED DISPATCHED",
    "ACCEPTED SUSPENDED IN_PROGRESS",
    "IN_PROGRESS SUSPENDED IN_PROGRESS",
    "DONE REWORK IN_PROGRESS DONE",
    "VERIFIED REWORK",
    "CLOSED REGISTERED",
    "RATED REGISTERED",
    "REJECTED REGISTERED",
]


def steps_from(state: State) -> set[State]:
    return {each.to for each in TRANSITIONS.values() if each.state is state}


def reached_from(*states: State) -> set[State]:
    reached, fresh = set(states), set(states)
    while fresh:
        fresh = {to for state in fresh for to in steps_from(state)} - reached
        reached |= fresh
    return reached


def test_every_state_is_reached_from_a_submission() -> None:
    assert reached_from(State.SUBMITTED) == set(State)


@pytest.mark.parametrize("state", sorted(set(State) - ENDED))
def test_every_state_with_something_left_to_do_leads_to_a_rating(state: State) -> None:
    assert State.RATED in reached_from(state)


@pytest.mark.parametrize("state", sorted(ENDED))
def test_an_end_is_left_by_a_rating_or_by_taking_it_up_again(state: State) -> None:
    left_by = {each.action for each in TRANSITIONS.values() if each.state is state}
    assert Action.REOPEN in left_by
    assert left_by <= {Action.REOPEN, Action.RATE}
    assert (Action.RATE in left_by) is (state is State.CLOSED)


def test_every_action_but_the_first_is_possible_somewhere() -> None:
    assert {each.action for each in TRANSITIONS.values()} == set(Action) - {Action.SUBMIT}


@pytest.mark.parametrize("way", WAYS)
def test_the_ways_that_the_districts_describe_are_there(way: str) -> None:
    states = [State(name) for name in way.split()]
    for state, to in pairwise(states):
        assert to in steps_from(state)


def test_every_transition_is_somebodys() -> None:
    for each in TRANSITIONS.values():
        assert each.parties, each
        # Whoever reported says where it is and how it was done, and never handles it.
        if Party.REPORTER in each.parties:
            assert each.to not in (State.DISPATCHED, State.ACCEPTED, State.DONE, State.CLOSED)


@pytest.mark.parametrize(
    "action", ["REJECT", "RETURN", "SUSPEND", "EXTEND", "REWORK", "REOPEN", "ESCALATE"]
)
def test_what_somebody_may_object_to_needs_a_reason(action: str) -> None:
    found = [each for each in TRANSITIONS.values() if each.action == action]
    assert found
    assert all(each.needs_note for each in found)


def test_something_has_a_deadline_in_each_state_that_waits_for_somebody() -> None:
    assert set(STEPS) == set(State)
    assert {state for state, step in STEPS.items() if step is None} == ENDED | {State.SUSPENDED}
    assert set(STEPS.values()) - {None} == set(Step) - {Step.WHOLE}


def test_the_database_knows_the_same_words() -> None:
    assert tuple(State) == tables.STATES
    assert tuple(Level) == tables.REPORT_LEVELS
    assert tuple(Step) == tables.STEPS


def test_the_ladder_ends_at_the_district() -> None:
    assert [level.above for level in Level] == [*list(Level)[1:], None]


def test_what_is_not_possible_says_what_is() -> None:
    with pytest.raises(Conflict, match=r"RATE is not possible while .* DONE.*: REWORK, VERIFY\."):
        transition(State.DONE, Action.RATE)
    for (state, action), each in TRANSITIONS.items():
        assert transition(state, action) is each


def test_the_diagram_has_every_change_of_state_and_no_other() -> None:
    lines = diagram().splitlines()
    assert lines[:2] == ["stateDiagram-v2", "    [*] --> SUBMITTED: submit"]
    drawn, ends = set(), set()
    for line in lines[2:]:
        state, to, actions = re.fullmatch(r" {4}(\w+) --> (\S+?)(?:: (.*))?", line).groups()  # type: ignore[union-attr]
        if to == "[*]":
            ends.add(state)
            continue
        for action in actions.split(", "):
            assert (state, to, action) not in drawn
            drawn.add((state, to, action))
    assert ends == ENDED
    assert drawn == {
        (each.state, each.to, each.action.lower().replace("_", " "))
        for each in TRANSITIONS.values()
        if each.state is not each.to
    }


def test_the_table_for_people_has_every_transition_and_no_other() -> None:
    head, rule, *lines = who_may().splitlines()
    assert head.count("|") == rule.count("|") == 6
    told = {}
    for line in lines:
        action, states, to, who, reason = (cell.strip() for cell in line.split("|")[1:-1])
        for state in states.split(", "):
            key = State(state), Action(action.upper().replace(" ", "_"))
            assert key not in told
            assert reason in ("", "needed")
            told[key] = (state if to == "stays" else to, frozenset(who.split(", ")), bool(reason))
    assert told == {
        key: (each.to, each.parties, each.needs_note) for key, each in TRANSITIONS.items()
    }


@pytest.mark.parametrize(
    ("name", "printed"),
    [("diagram", f"```mermaid\n{diagram()}```\n"), ("table", who_may())],
    ids=["diagram", "table"],
)
def test_the_manual_shows_what_the_program_prints(name: str, printed: str) -> None:
    [shown] = re.findall(
        rf"^<!-- loop: {name} -->\n\n(.*?)\n<!-- end -->$",
        MANUAL.read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    assert shown == printed
