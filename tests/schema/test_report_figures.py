"""Figures of reports: each is what a reader of the rows would count."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from statistics import mean, median
from typing import Any

import pytest
from sqlalchemy import Connection, text

from gridmap.store.database import tool_engine
from gridmap.store.dates import CHINA, now
from tests.asking import Answer, ask
from tests.districts import (
    COMMUNITY,
    LAST_YEAR,
    LONG_AGO,
    District,
    grid_code,
    put_grid,
)
from tests.reports import NOON, closed, put_reports, rejected

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
SEPTEMBER, OCTOBER = datetime(2025, 9, 1, tzinfo=CHINA), datetime(2025, 10, 1, tzinfo=CHINA)
OTHER_COMMUNITY = "230402002006"

FIGURES = """
    query Figures(
      $filter: ReportFilter, $dueSince: DateTime, $dueUntil: DateTime, $by: [FigureDimension!],
      $order: FigureOrder! = GROUP, $first: Int
    ) {
      reportFigures(
        filter: $filter, dueSince: $dueSince, dueUntil: $dueUntil, by: $by, order: $order,
        first: $first
      ) {
        received due closed closedInTime closedRate inTimeRate open overdue replied repliedRate
        medianFirstReplyMinutes meanFirstReplyMinutes rated meanRating
        closedByLevel { level closed share }
        grid { code validFrom } sponsor { code name } category { code parent { code } }
        region { code } source month
      }
    }
"""

Rows = list[dict[str, Any]]


@pytest.fixture
def put(database_url: str, district: District) -> Iterator[Callable[[Rows], Rows]]:
    """Puts reports in, which are gone after the test."""
    del district
    engine = tool_engine(database_url)

    def put_in(given: Rows) -> Rows:
        with engine.begin() as connection:
            return put_reports(connection, given)

    yield put_in
    with engine.begin() as connection:
        empty(connection)
    engine.dispose()


def empty(connection: Connection) -> None:
    # Events are final; a superuser's session may pass over the triggers that say so.
    connection.execute(text("SET LOCAL session_replication_role = replica"))
    connection.execute(text("DELETE FROM report_events"))
    connection.execute(text("DELETE FROM reports"))


def figures(url: str, **variables: object) -> list[Any]:
    answer = ask(url, FIGURES, **variables)
    assert answer.errors == []
    found: list[Any] = answer.data["reportFigures"]
    return found


def refused(url: str, **variables: object) -> tuple[str, str]:
    answer: Answer = ask(url, FIGURES, **variables)
    [error] = answer.errors
    return error


def test_a_real_month_has_the_rates_that_were_published(
    database_url: str, put: Callable[[Rows], Rows]
) -> None:
    """972 due, 911 closed (93.72 %), 737 in time (75.82 %)."""
    # 1. Over the whole month, from its first second to its last in China.
    deadlines = [SEPTEMBER + (OCTOBER - SECOND - SEPTEMBER) * n / 971 for n in range(972)]
    in_time = [closed(due - HOUR * (n % 50), due_at=due) for n, due in enumerate(deadlines[:737])]
    late = [closed(due + SECOND, due_at=due) for due in deadlines[737:911]]
    never = [{"due_at": due} for due in deadlines[911:]]
    # 2. What is not due: rejected, merged, of the months beside it, without a deadline.
    [into] = put([{"due_at": OCTOBER}])
    put([*in_time, *late, *never])
    put(
        [
            *[rejected(NOON, due_at=SEPTEMBER + DAY * n) for n in range(17)],
            {
                "state": "MERGED",
                "ended_at": NOON,
                "merged_into": into["id"],
                "due_at": SEPTEMBER + DAY,
            },
            closed(SEPTEMBER, due_at=SEPTEMBER - SECOND),
            closed(SEPTEMBER),
        ]
    )
    # 3. The month has its figures.
    since, until = SEPTEMBER.isoformat(), OCTOBER.isoformat()
    [found] = figures(database_url, dueSince=since, dueUntil=until)
    assert (found["received"], found["due"]) == (990, 972)
    assert (found["closed"], found["closedInTime"], found["open"]) == (911, 737, 61)
    assert f"{found['closedRate']:.2%}" == "93.72%"
    assert f"{found['inTimeRate']:.2%}" == "75.82%"
    # 4. So has it where months are asked for beside each other.
    months = {each["month"]: each["due"] for each in figures(database_url, by=["MONTH"])}
    assert months == {"2025-08-01": 1, "2025-09-01": 972, "2025-10-01": 1, None: 0}


def test_a_deadline_that_is_still_to_come_makes_nothing_due(
    database_url: str, put: Callable[[Rows], Rows]
) -> None:
    moment = now()
    put([{"due_at": moment + DAY}, closed(moment, due_at=moment + DAY), {"due_at": moment - DAY}])
    [found] = figures(database_url, dueUntil=(moment + 2 * DAY).isoformat())
    assert (found["received"], found["due"], found["closed"]) == (3, 1, 0)
    assert (found["open"], found["overdue"], found["closedRate"]) == (2, 1, 0.0)


def test_where_nothing_was_reported_there_are_no_rates(
    database_url: str, put: Callable[[Rows], Rows]
) -> None:
    del put
    [found] = figures(database_url)
    assert [found[name] for name in ("received", "due", "closed", "open", "replied")] == [0] * 5
    for name in ("closedRate", "inTimeRate", "repliedRate", "meanRating"):
        assert found[name] is None
    assert found["medianFirstReplyMinutes"] is None
    assert [level["share"] for level in found["closedByLevel"]] == [None] * 5
    assert figures(database_url, by=["GRID", "MONTH"]) == []


def drawn(seed: int, count: int) -> Rows:
    """Reports of all kinds."""
    chance = random.Random(seed)
    rows = []
    for _ in range(count):
        received = SEPTEMBER + chance.random() * 60 * DAY
        ended = received + chance.random() * 20 * DAY
        kind = chance.random()
        row: dict[str, Any] = {} if kind < 0.3 else closed(ended)
        if 0.3 <= kind < 0.4:
            row = rejected(ended)
        elif kind > 0.7:
            row |= {"state": "RATED", "rating": chance.randint(1, 5)}
        replied = chance.random() < 0.8
        rows.append(
            row
            | {
                "received_at": received,
                "captured_at": received,
                "due_at": received + chance.randint(1, 15) * DAY if chance.random() < 0.9 else None,
                "replied_at": received + chance.random() * DAY if replied else None,
                "category_code": chance.choice(["0101", "0102", "1101"]),
                "source": chance.choice(["PHONE", "WALK"]),
                "region_code": chance.choice([COMMUNITY, OTHER_COMMUNITY]),
                "grid_code": chance.choice([grid_code(1), grid_code(2), None]),
                "sponsor_code": chance.choice(["S1", "S2", None]),
                "level": chance.choice(["BUILDING", "GRID", "COMMUNITY", "DISTRICT"]),
            }
        )
    return rows


def counted(rows: Rows) -> dict[str, Any]:
    """The same figures, counted by hand."""
    moment = now()
    due = [
        row
        for row in rows
        if row["due_at"] and row["due_at"] <= moment and row["state"] not in ("REJECTED", "MERGED")
    ]
    in_time = [row for row in due if row["closed_at"] and row["closed_at"] <= row["due_at"]]
    closed_due = [row for row in due if row["closed_at"]]
    is_open = [row for row in rows if not row["ended_at"]]
    replies = [
        (row["replied_at"] - row["received_at"]).total_seconds() / 60
        for row in rows
        if row["replied_at"]
    ]
    ratings = [row["rating"] for row in rows if row["rating"]]
    done = [row["level"] for row in rows if row["closed_at"]]
    return {
        "received": len(rows),
        "due": len(due),
        "closed": len(closed_due),
        "closedInTime": len(in_time),
        "closedRate": _of(len(closed_due), due),
        "inTimeRate": _of(len(in_time), due),
        "open": len(is_open),
        "overdue": sum(bool(row["due_at"]) and row["due_at"] < moment for row in is_open),
        "replied": len(replies),
        "repliedRate": _of(len(replies), rows),
        "medianFirstReplyMinutes": pytest.approx(median(replies)) if replies else None,
        "meanFirstReplyMinutes": pytest.approx(mean(replies)) if replies else None,
        "rated": len(ratings),
        "meanRating": pytest.approx(mean(ratings)) if ratings else None,
        "closedByLevel": [
            {"level": level, "closed": done.count(level), "share": _of(done.count(level), done)}
            for level in ("BUILDING", "GRID", "COMMUNITY", "STREET", "DISTRICT")
        ],
    }


def _of(part: int, whole: list[Any]) -> Any:
    return pytest.approx(part / len(whole)) if whole else None


def month_of(row: dict[str, Any]) -> str | None:
    return f"{row['due_at'].astimezone(CHINA):%Y-%m-01}" if row["due_at"] else None


# Of a row, and of an answer.
KEYS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "GRID": (lambda row: row["grid_code"], lambda found: found["grid"] and found["grid"]["code"]),
    "SPONSOR": (
        lambda row: row["sponsor_code"],
        lambda found: found["sponsor"] and found["sponsor"]["code"],
    ),
    "CATEGORY": (lambda row: row["category_code"], lambda found: found["category"]["code"]),
    "MAIN_CATEGORY": (
        lambda row: row["category_code"][:2],
        lambda found: found["category"]["code"],
    ),
    "REGION": (lambda row: row["region_code"], lambda found: found["region"]["code"]),
    "SOURCE": (lambda row: row["source"], lambda found: found["source"]),
    "MONTH": (month_of, lambda found: found["month"]),
}


@pytest.mark.parametrize(
    "by", [[], *([each] for each in KEYS), ["GRID", "MONTH"], ["SPONSOR", "MAIN_CATEGORY"]], ids=str
)
def test_figures_of_groups_are_those_of_their_reports(
    database_url: str, put: Callable[[Rows], Rows], by: list[str]
) -> None:
    rows = put(drawn(seed=1, count=200))
    groups: dict[tuple[Any, ...], Rows] = {}
    for row in rows:
        groups.setdefault(tuple(KEYS[each][0](row) for each in by), []).append(row)
    found = figures(database_url, by=by)
    assert len(found) == len(groups)
    for each in found:
        key = tuple(KEYS[dimension][1](each) for dimension in by)
        assert {name: each[name] for name in counted([])} == counted(groups[key])


def test_figures_are_of_what_the_filter_lets_through(
    database_url: str, put: Callable[[Rows], Rows]
) -> None:
    rows = put(drawn(seed=2, count=100))
    wanted = {"sponsor": "S1", "region": OTHER_COMMUNITY, "source": "WALK", "category": "01"}
    kept = [
        row
        for row in rows
        if (row["sponsor_code"], row["region_code"], row["source"])
        == ("S1", OTHER_COMMUNITY, "WALK")
        and row["category_code"].startswith("01")
    ]
    assert kept
    [found] = figures(database_url, filter=wanted)
    assert {name: found[name] for name in counted([])} == counted(kept)


def test_groups_that_were_not_asked_for_are_null(
    database_url: str, put: Callable[[Rows], Rows]
) -> None:
    put(drawn(seed=3, count=5))
    [found] = figures(database_url)
    names = ("grid", "sponsor", "category", "region", "source", "month")
    assert [found[name] for name in names] == [None] * 6


def test_a_grid_that_is_no_more_is_shown_as_it_last_was(
    database_url: str, put: Callable[[Rows], Rows], district: District
) -> None:
    engine = tool_engine(database_url)
    with engine.begin() as connection:
        square = district.grids[grid_code(1)]
        put_grid(connection, grid_code(77), square, valid_to=LAST_YEAR)
    engine.dispose()
    put([{"grid_code": grid_code(77)}, {"grid_code": grid_code(6)}, {"grid_code": None}])
    found = figures(database_url, by=["GRID"])
    assert [each["grid"] for each in found] == [
        {"code": grid_code(6), "validFrom": LAST_YEAR.isoformat()},
        {"code": grid_code(77), "validFrom": LONG_AGO.isoformat()},
        None,
    ]


@pytest.mark.parametrize(
    ("order", "first_grids"),
    [
        ("GROUP", [1, 2, 3]),
        ("MOST_RECEIVED", [3, 2, 1]),
        ("MOST_OVERDUE", [3, 1, 2]),
        ("LOWEST_CLOSED_RATE", [3, 1, 2]),
        ("LOWEST_IN_TIME_RATE", [2, 3, 1]),
        ("SLOWEST_FIRST_REPLY", [2, 1, 3]),
    ],
)
def test_what_needs_looking_at_comes_first(
    database_url: str, put: Callable[[Rows], Rows], order: str, first_grids: list[int]
) -> None:
    due = {"due_at": NOON}
    quick, slow = {"replied_at": NOON + HOUR}, {"replied_at": NOON + 9 * HOUR}
    one = [closed(NOON, **due, **quick), {**due}]
    two = [closed(NOON + DAY, **due, **slow)] * 3
    three = [{**due}] * 3 + [closed(NOON, **due)]
    rows = [
        {**row, "grid_code": grid_code(number)}
        for number, rows in enumerate((one, two, three), start=1)
        for row in rows
    ]
    put(rows)
    found = figures(database_url, by=["GRID"], order=order)
    assert [each["grid"]["code"] for each in found] == [grid_code(n) for n in first_grids]
    [top] = figures(database_url, by=["GRID"], order=order, first=1)
    assert top == found[0]


def test_statements_do_not_grow_with_the_groups(
    database_url: str, put: Callable[[Rows], Rows]
) -> None:
    by = ["GRID", "SPONSOR", "CATEGORY", "REGION", "MONTH"]
    put(drawn(seed=4, count=2))
    few = ask(database_url, FIGURES, by=by)
    put(drawn(seed=5, count=150))
    many = ask(database_url, FIGURES, by=by)
    assert len(many.data["reportFigures"]) > 50
    assert len(many.statements) <= len(few.statements) + 1  # few may have no grid or sponsor


def test_more_than_a_thousand_groups_are_not_answered_unless_cut(
    database_url: str, put: Callable[[Rows], Rows]
) -> None:
    put([{"grid_code": f"{COMMUNITY}{n:04}"} for n in range(1001)])
    code, message = refused(database_url, by=["GRID"])
    assert code == "TOO_LARGE"
    assert "more than 1000 groups" in message
    assert len(figures(database_url, by=["GRID"], first=1000)) == 1000


@pytest.mark.parametrize(
    ("asked", "code", "message"),
    [
        ({"first": 1001}, "TOO_LARGE", "first is 1001"),
        ({"first": -1}, "INVALID", "first is -1"),
        ({"dueSince": "2025-09-01T00:00:00"}, "INVALID", "dueSince .* time zone"),
        ({"dueUntil": "2025-09-01T00:00:00"}, "INVALID", "dueUntil .* time zone"),
        ({"filter": {"region": "99"}}, "NOT_FOUND", "no region '99'"),
    ],
)
def test_what_makes_no_sense_is_refused(
    database_url: str, district: District, asked: dict[str, object], code: str, message: str
) -> None:
    del district
    found = refused(database_url, **asked)
    assert found[0] == code
    assert re.search(message, found[1])
