"""The closed loop 点单—派单—接单—评单: what may become of a report, by whose action.

All of it stands in one table, `TRANSITIONS`. The manual's diagram is drawn from it, and nothing
else decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from gridmap.errors import Conflict


class State(StrEnum):
    SUBMITTED = "SUBMITTED"
    REGISTERED = "REGISTERED"
    REJECTED = "REJECTED"
    MERGED = "MERGED"
    DISPATCHED = "DISPATCHED"
    RETURNED = "RETURNED"
    ACCEPTED = "ACCEPTED"
    IN_PROGRESS = "IN_PROGRESS"
    SUSPENDED = "SUSPENDED"
    DONE = "DONE"
    VERIFIED = "VERIFIED"
    REWORK = "REWORK"
    CLOSED = "CLOSED"
    RATED = "RATED"


class Action(StrEnum):
    SUBMIT = "SUBMIT"
    CHOOSE_GRID = "CHOOSE_GRID"
    MOVE = "MOVE"
    REASSIGN = "REASSIGN"
    REGISTER = "REGISTER"
    REJECT = "REJECT"
    MERGE = "MERGE"
    DISPATCH = "DISPATCH"
    RETURN = "RETURN"
    ACCEPT = "ACCEPT"
    START = "START"
    SUSPEND = "SUSPEND"
    EXTEND = "EXTEND"
    DONE = "DONE"
    VERIFY = "VERIFY"
    REWORK = "REWORK"
    CLOSE = "CLOSE"
    RATE = "RATE"
    REOPEN = "REOPEN"
    ESCALATE = "ESCALATE"


class Party(StrEnum):
    """What somebody has to do with a report.

    REPORTER: who sent it. WORKER: who walks its grid. HANDLER: to whom it is dispatched. OFFICE: a
    community, street or district that it lies in, of its level on the ladder or above.
    """

    REPORTER = "REPORTER"
    WORKER = "WORKER"
    HANDLER = "HANDLER"
    OFFICE = "OFFICE"


class Step(StrEnum):
    """What has a deadline: the whole, and what is to be done next."""

    WHOLE = "WHOLE"
    REGISTER = "REGISTER"
    DISPATCH = "DISPATCH"
    ACCEPT = "ACCEPT"
    HANDLE = "HANDLE"
    VERIFY = "VERIFY"
    CLOSE = "CLOSE"


class Level(StrEnum):
    """The ladder 小事不出楼栋、大事不出社区, from the bottom."""

    BUILDING = "BUILDING"
    GRID = "GRID"
    COMMUNITY = "COMMUNITY"
    STREET = "STREET"
    DISTRICT = "DISTRICT"

    @property
    def rank(self) -> int:
        return list(Level).index(self)

    @property
    def above(self) -> Level | None:
        """The next level, None at the top."""
        return next((level for level in Level if level.rank == self.rank + 1), None)


ENDED = frozenset({State.REJECTED, State.MERGED, State.CLOSED, State.RATED})
"""States in which nothing is left to do."""

STEPS: dict[State, Step | None] = {
    State.SUBMITTED: Step.REGISTER,
    State.REGISTERED: Step.DISPATCH,
    State.RETURNED: Step.DISPATCH,
    State.DISPATCHED: Step.ACCEPT,
    State.ACCEPTED: Step.HANDLE,
    State.IN_PROGRESS: Step.HANDLE,
    State.REWORK: Step.HANDLE,
    State.SUSPENDED: None,  # until the day that was set
    State.DONE: Step.VERIFY,
    State.VERIFIED: Step.CLOSE,
    **dict.fromkeys(ENDED, None),
}
"""What is to be done next in each state."""


@dataclass(frozen=True, slots=True)
class Transition:
    """`needs_note`: whether it takes a reason in words."""

    state: State
    action: Action
    to: State
    parties: frozenset[Party]
    needs_note: bool = False


def _each(
    states: str, action: Action, to: State | None, parties: str, *, needs_note: bool = False
) -> list[Transition]:
    """One transition from each of the states; to itself where `to` is None."""
    who = frozenset(map(Party, parties.split()))
    return [
        Transition(state, action, to or state, who, needs_note)
        for state in map(State, states.split())
    ]


_HANDLED = "DISPATCHED ACCEPTED IN_PROGRESS SUSPENDED REWORK"

_ALL = [
    # 点单
    *_each("SUBMITTED", Action.CHOOSE_GRID, None, "REPORTER OFFICE"),
    *_each("REGISTERED", Action.CHOOSE_GRID, None, "OFFICE"),
    *_each("SUBMITTED", Action.MOVE, None, "REPORTER WORKER OFFICE"),
    *_each("SUBMITTED", Action.REGISTER, State.REGISTERED, "WORKER OFFICE"),
    *_each("SUBMITTED REGISTERED", Action.REJECT, State.REJECTED, "OFFICE", needs_note=True),
    *_each("SUBMITTED", Action.MERGE, State.MERGED, "REPORTER WORKER OFFICE"),
    *_each("REGISTERED", Action.MERGE, State.MERGED, "WORKER OFFICE"),
    # 派单
    *_each("REGISTERED RETURNED", Action.DISPATCH, State.DISPATCHED, "OFFICE"),
    *_each("DISPATCHED", Action.RETURN, State.RETURNED, "HANDLER", needs_note=True),
    *_each(f"REGISTERED RETURNED {_HANDLED}", Action.MOVE, None, "WORKER OFFICE"),
    # The pin moved to where somebody else answers, so that it is dispatched anew.
    *_each(_HANDLED, Action.REASSIGN, State.REGISTERED, "WORKER OFFICE"),
    *_each(
        "REGISTERED RETURNED", Action.ESCALATE, State.REGISTERED, "WORKER OFFICE", needs_note=True
    ),
    *_each(_HANDLED, Action.ESCALATE, State.REGISTERED, "WORKER HANDLER OFFICE", needs_note=True),
    # 接单
    *_each("DISPATCHED", Action.ACCEPT, State.ACCEPTED, "HANDLER"),
    *_each("ACCEPTED REWORK SUSPENDED", Action.START, State.IN_PROGRESS, "HANDLER"),
    *_each("ACCEPTED IN_PROGRESS", Action.SUSPEND, State.SUSPENDED, "OFFICE", needs_note=True),
    *_each(
        "DISPATCHED ACCEPTED IN_PROGRESS REWORK", Action.EXTEND, None, "OFFICE", needs_note=True
    ),
    *_each("IN_PROGRESS", Action.DONE, State.DONE, "HANDLER"),
    # 评单
    *_each("DONE", Action.VERIFY, State.VERIFIED, "WORKER OFFICE"),
    *_each("DONE VERIFIED", Action.REWORK, State.REWORK, "WORKER OFFICE", needs_note=True),
    *_each("VERIFIED", Action.CLOSE, State.CLOSED, "OFFICE"),
    *_each("CLOSED", Action.RATE, State.RATED, "REPORTER"),
    *_each(
        "REJECTED CLOSED RATED", Action.REOPEN, State.REGISTERED, "REPORTER OFFICE", needs_note=True
    ),
    *_each("MERGED", Action.REOPEN, State.REGISTERED, "OFFICE", needs_note=True),
]

TRANSITIONS: dict[tuple[State, Action], Transition] = {
    (transition.state, transition.action): transition for transition in _ALL
}
"""What may become of a report, by its state and the action."""


def transition(state: State, action: Action) -> Transition:
    """What the action does in that state. Raises Conflict where it does nothing there."""
    found = TRANSITIONS.get((state, action))
    if found is None:
        possible = ", ".join(sorted(each for at, each in TRANSITIONS if at is state))
        raise Conflict(
            f"{action} is not possible while the report is {state}; possible are: {possible}.",
            reason="NOT_NOW",
            action=action,
            state=state,
        )
    return found


def diagram() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> SUBMITTED: submit"]
    lines += [
        f"    {state} --> {to}: {', '.join(actions)}" for (state, to), actions in _arrows().items()
    ]
    lines += [f"    {state} --> [*]" for state in State if state in ENDED]
    return "\n".join(lines) + "\n"


def _arrows() -> dict[tuple[State, State], list[str]]:
    arrows: dict[tuple[State, State], list[str]] = {}
    for each in _ALL:
        if each.state is not each.to:
            arrows.setdefault((each.state, each.to), []).append(_word(each.action))
    return arrows


def who_may() -> str:
    """The table as Markdown: a line for each action, with the states it is possible in."""
    lines = ["| action | from | to | who | reason |", "|---|---|---|---|---|"]
    groups: dict[tuple[Action, State | None, frozenset[Party], bool], list[State]] = {}
    for each in _ALL:
        to = None if each.to is each.state else each.to
        key = each.action, to, each.parties, each.needs_note
        groups.setdefault(key, []).append(each.state)
    for (action, to, parties, needs_note), states in groups.items():
        lines.append(
            f"| {_word(action)} | {_listed(states)} | {to or 'stays'} | "
            f"{_listed(party for party in Party if party in parties)} | "
            f"{'needed' if needs_note else ''} |"
        )
    return "\n".join(lines) + "\n"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _word(action: Action) -> str:
    return action.lower().replace("_", " ")
