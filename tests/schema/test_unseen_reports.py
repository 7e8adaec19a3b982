"""A report that one may not see is to all writing as one that is not there, whatever else is wrong.

Each mutation of the schema that names a report is tried, so that a new one is too.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from typing import Any
from uuid import uuid4

import pytest
from graphql import (
    GraphQLInputObjectType,
    GraphQLObjectType,
    get_named_type,
    is_required_input_field,
)

from gridmap.schema.nodes import GlobalId
from gridmap.schema.root import schema
from gridmap.store.loop import Action
from gridmap.store.reports import Report
from gridmap.store.viewers import ANONYMOUS, Role, Viewer
from tests.districts import DISTRICT, grid_code
from tests.reporting import OFFICE, WORKER, Desk, desk_of_a_district, middle_of

STRANGERS = [
    ANONYMOUS,
    Viewer(Role.RESIDENT, "somebody else"),
    Viewer(Role.GRID_WORKER, "W9", frozenset({grid_code(5)})),
    Viewer(Role.COMMUNITY, "office", frozenset({"230402002006"})),
    Viewer(Role.DISTRICT, "office", frozenset({"230406"})),
]

EAST, NORTH = middle_of(2)
RIGHT: dict[str, Any] = {
    "note": "因故",
    "until": "2099-01-01",
    "deadline": "2099-01-01T00:00:00+08:00",
    "rating": 3,
    "grid": grid_code(2),
    "point": {"longitude": EAST, "latitude": NORTH, "datum": "WGS84"},
    "to": {"kind": "SPONSOR", "code": "S1"},
}
WRONG: dict[str, list[Any]] = {
    "version": [0, 2, 99],
    "note": ["", "长" * 5_000],
    "photos": [[str(uuid4())], [str(uuid4()) for _ in range(30)]],
    "until": ["0001-01-01"],
    "deadline": ["2000-01-01T00:00:00+08:00", "2099-01-01T00:00:00"],
    "rating": [9],
    "grid": ["nowhere", grid_code(6)],
    "point": [
        {"longitude": 0, "latitude": 0, "datum": "WGS84"},
        {"longitude": 500, "latitude": 0, "datum": "WGS84"},
        {"longitude": EAST, "latitude": NORTH, "datum": "WGS84", "accuracy": -1},
        {"longitude": EAST, "latitude": NORTH, "datum": "WGS84", "accuracy": 9_000},
    ],
    "to": [{"kind": "SPONSOR", "code": "nobody"}, {"kind": "GRID_WORKER", "code": ""}],
}


def mutations() -> dict[str, GraphQLInputObjectType]:
    """Those that name a report, with what they are given."""
    root = schema._schema.mutation_type
    assert isinstance(root, GraphQLObjectType)
    inputs = {name: get_named_type(field.args["input"].type) for name, field in root.fields.items()}
    return {
        name: type_
        for name, type_ in inputs.items()
        if isinstance(type_, GraphQLInputObjectType) and {"id", "version"} <= type_.fields.keys()
    }


MUTATIONS = mutations()


@pytest.fixture(scope="module")
def desk(database_url: str) -> Iterator[Desk]:
    with desk_of_a_district(database_url) as desk:
        yield desk


@pytest.fixture(scope="module")
def reports(desk: Desk) -> list[Report]:
    """In several states, all of them in the first grid."""
    sent, other = desk.submit(), desk.submit()
    taken = desk.go(desk.submit(), (Action.REGISTER, WORKER))
    given = desk.go(desk.submit(), (Action.REGISTER, WORKER), (Action.DISPATCH, OFFICE))
    merged = desk.go(other, (Action.MERGE, WORKER, {"into": sent.id}))
    return [sent, taken, given, merged]


def id_of(report_id: object) -> str:
    return GlobalId("Report", DISTRICT, str(report_id)).encoded()


def tries(type_: GraphQLInputObjectType) -> Iterator[dict[str, Any]]:
    """What is right but for who says it, and then with one thing wrong."""
    fields = {name: field for name, field in type_.fields.items() if name not in ("id", "version")}
    right = {name: RIGHT[name] for name, field in fields.items() if name in RIGHT}
    assert all(
        name in right or name == "into" or not is_required_input_field(field)
        for name, field in fields.items()
    ), "A new field: say what is right of it."
    right["version"] = 1
    yield right
    for name in ("version", *fields):
        for said in WRONG.get(name, ()):
            yield right | {name: said}


def test_whoever_may_not_see_a_report_is_told_that_there_is_none(
    desk: Desk, reports: list[Report]
) -> None:
    assert len(MUTATIONS) >= 17

    def answer(name: str, said: dict[str, Any], id_: object, viewer: Viewer) -> tuple[str, str]:
        query = f"mutation ($input: {MUTATIONS[name].name}!) {{ {name}(input: $input) {{"
        query += " report { id } } }"
        [(code, message)] = desk.ask(query, viewer, input={"id": id_of(id_), **said}).errors
        # It says the id that it was given.
        return code, message.replace(str(id_), "ID")

    codes = set()
    before = desk.sql("SELECT max(transaction) FROM report_events")
    asked = (
        (name, said | more)
        for name, type_ in MUTATIONS.items()
        for said in tries(type_)
        for more in (
            [{"into": id_of(each)} for each in (reports[0].id, uuid4())]
            if "into" in type_.fields
            else [{}]
        )
    )
    # By turns: a report, a stranger.
    turns = zip(asked, cycle(reports), cycle(STRANGERS), strict=False)
    for (name, said), report, viewer in turns:
        told = answer(name, said, report.id, viewer)
        assert told == answer(name, said, uuid4(), viewer), (name, said, viewer)
        codes.add(told[0])
        assert told == ("NOT_FOUND", NOTHING) or told[0] in ("INVALID", "TOO_LARGE"), told
    assert {"NOT_FOUND", "INVALID", "TOO_LARGE"} == codes
    assert desk.sql("SELECT max(transaction) FROM report_events") == before


NOTHING = f"There is no report ID in district {DISTRICT}."
