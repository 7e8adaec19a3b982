"""Trends: a grid's reports beside its own past, counted by days of capture in China."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from shapely import box
from sqlalchemy import text

from gridmap.store.database import tool_engine
from gridmap.store.dates import CHINA, today
from tests.asking import ask
from tests.districts import COMMUNITY, DISTRICT, District, grid_code, put_grid
from tests.reports import put_reports

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
LAST = date(2025, 9, 28)

TRENDS = """
    query Trends(
      $region: String!, $filter: ReportFilter, $days: Int! = 7, $periods: Int! = 12, $on: Date,
      $first: Int! = 100
    ) {
      reportTrends(
        region: $region, filter: $filter, days: $days, periods: $periods, on: $on, first: $first
      ) { grid { code } reports before expected probability unusual }
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
        # Events are final; a superuser's session may pass over the triggers that say so.
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("DELETE FROM report_events"))
        connection.execute(text("DELETE FROM reports"))
    engine.dispose()


def trends(url: str, region: str = DISTRICT, **variables: object) -> dict[str, Any]:
    """By grid, in the order of the answer."""
    variables.setdefault("on", LAST.isoformat())
    answer = ask(url, TRENDS, region=region, **variables)
    assert answer.errors == []
    return {each["grid"]["code"]: each for each in answer.data["reportTrends"]}


def captured(day: date, number: int = 1, grid: int = 1, **more: object) -> Rows:
    """Reports of a grid on a day."""
    at = datetime(day.year, day.month, day.day, 9, tzinfo=CHINA)
    row = {"captured_at": at, "received_at": at, "grid_code": grid_code(grid), **more}
    return [row] * number


def by_week(counts: list[int], grid: int) -> Rows:
    """Reports of a grid in these weeks, of which the last ends with `LAST`."""
    rows: Rows = []
    for ago, count in enumerate(reversed(counts)):
        rows += captured(LAST - 7 * ago * DAY - ago % 7 * DAY, count, grid)
    return rows


def test_one_to_nine_is_unusual_and_many_are_not(
    database_url: str, put: Callable[[Rows], Rows]
) -> None:
    steady = [41, 38, 40, 44, 36, 42, 39, 40, 37, 43, 41, 39, 42]
    put(by_week([1] * 12 + [9], grid=1) + by_week(steady, grid=2) + by_week([2] * 13, grid=3))
    found = trends(database_url)
    assert list(found) == [grid_code(1), grid_code(2), grid_code(3)]
    assert [each["unusual"] for each in found.values()] == [True, False, False]
    first = found[grid_code(1)]
    assert (first["reports"], first["before"]) == (9, [1] * 12)
    assert first["expected"] == pytest.approx(12.5 / 12)
    assert found[grid_code(2)]["before"] == steady[:-1]


def test_what_is_unusual_for_one_grid_may_be_chance_among_many(
    database_url: str, put: Callable[[Rows], Rows]
) -> None:
    """Five where one is usual: by chance in one week of two hundred."""
    put(by_week([1] * 12 + [5], grid=1))
    [alone] = trends(database_url, filter={"grid": grid_code(1)}).values()
    assert alone["unusual"]
    assert 0.002 < alone["probability"] < 0.01
    [among] = trends(database_url).values()
    assert among["probability"] == alone["probability"]
    assert not among["unusual"]  # the five grids that had nothing were looked at too


def test_a_day_is_one_in_china(database_url: str, put: Callable[[Rows], Rows]) -> None:
    midnight = datetime(2025, 9, 29, tzinfo=CHINA)
    for moment in (
        midnight,  # the day after
        midnight - SECOND,
        midnight - 7 * DAY,  # the first moment of the last week
        midnight - 7 * DAY - SECOND,  # the week before
        midnight - 91 * DAY,  # the first moment of all
        midnight - 91 * DAY - SECOND,
    ):
        put([{"captured_at": moment, "received_at": moment}])
    [found] = trends(database_url).values()
    assert (found["reports"], found["before"]) == (2, [1] + [0] * 10 + [1])


def test_a_report_counts_when_it_was_captured_however_late_it_came(
    database_url: str, put: Callable[[Rows], Rows]
) -> None:
    at = datetime(2025, 9, 25, 9, tzinfo=CHINA)
    put([{"captured_at": at, "received_at": at + 60 * DAY}])
    put([{"captured_at": at, "received_at": at - timedelta(minutes=5)}])  # by a fast clock
    [found] = trends(database_url).values()
    assert found["reports"] == 2


@pytest.mark.parametrize(("days", "periods"), [(7, 12), (1, 5), (30, 2)])
def test_counts_are_those_of_the_reports(
    database_url: str, put: Callable[[Rows], Rows], days: int, periods: int
) -> None:
    chance = random.Random(7)
    rows: Rows = []
    for _ in range(150):
        day = LAST - chance.randint(-3, 100) * DAY
        rows += captured(day, 1, chance.randint(1, 4))
    put(rows)
    counts: dict[str, list[int]] = {}
    for row in rows:
        ago = (LAST - row["captured_at"].date()).days
        if 0 <= ago < days * (periods + 1):
            of_grid = counts.setdefault(row["grid_code"], [0] * (periods + 1))
            of_grid[periods - ago // days] += 1
    found = trends(database_url, days=days, periods=periods)
    assert {code: [*each["before"], each["reports"]] for code, each in found.items()} == counts


def test_a_young_grid_is_compared_with_the_periods_since_it_is(
    database_url: str, put: Callable[[Rows], Rows]
) -> None:
    engine = tool_engine(database_url)
    with engine.begin() as connection:
        # 1. On the first day of a week, and a day too late for it.
        for number, weeks, days in ((11, 3, 0), (12, 3, 1), (13, 0, 0)):
            begins = LAST - 6 * DAY - weeks * 7 * DAY + days * DAY
            square = box(131 + number / 100, 48, 131.005 + number / 100, 48.005)
            put_grid(connection, grid_code(number), square, valid_from=begins)
    engine.dispose()
    for number in (11, 12, 13):
        put(by_week([0] * 9 + [1, 2, 3, 4], grid=number))
    found = trends(database_url)
    assert found[grid_code(11)]["before"] == [1, 2, 3]
    assert found[grid_code(12)]["before"] == [2, 3]
    # 2. One without a past is not judged, and comes last.
    newest = found[grid_code(13)]
    assert (newest["reports"], newest["before"]) == (4, [])
    assert (newest["expected"], newest["probability"], newest["unusual"]) == (None, None, False)
    assert list(found)[-1] == grid_code(13)


def test_a_new_outline_makes_no_grid_young(database_url: str, put: Callable[[Rows], Rows]) -> None:
    """Grid 6 has moved on the first of June."""
    put(by_week([1] * 13, grid=6))
    on = date(2025, 6, 29)
    put([row for week in range(14) for row in captured(on - week * 7 * DAY, 1, grid=6)])
    [found] = trends(database_url, on=on.isoformat()).values()
    assert found["before"] == [1] * 12


def test_only_grids_of_the_region_and_reports_of_the_filter_count(
    database_url: str, put: Callable[[Rows], Rows]
) -> None:
    put(captured(LAST, 2, category_code="0101"))
    put(captured(LAST, 3, category_code="1101"))
    put(captured(LAST, 1, grid=2, category_code="1101"))
    assert trends(database_url, region="230402002006") == {}
    assert trends(database_url, filter={"region": "230402002006"}) == {}
    found = trends(database_url, region=COMMUNITY, filter={"category": "01"})
    assert {code: each["reports"] for code, each in found.items()} == {grid_code(1): 2}


def test_the_most_surprising_come_first_and_as_many_as_asked_for(
    database_url: str, put: Callable[[Rows], Rows]
) -> None:
    for grid, last in ((1, 1), (2, 5), (3, 3), (4, 9)):
        put(by_week([1] * 12 + [last], grid))
    found = trends(database_url)
    assert list(found) == [grid_code(number) for number in (4, 2, 3, 1)]
    chances = [each["probability"] for each in found.values()]
    assert chances == sorted(chances)
    assert list(trends(database_url, first=2)) == [grid_code(4), grid_code(2)]


def test_statements_do_not_grow_with_the_grids(
    database_url: str, put: Callable[[Rows], Rows]
) -> None:
    put(captured(LAST))
    few = ask(database_url, TRENDS, region=DISTRICT, on=LAST.isoformat())
    put([row for grid in range(1, 7) for row in captured(LAST, 1, grid)])
    many = ask(database_url, TRENDS, region=DISTRICT, on=LAST.isoformat())
    assert len(many.data["reportTrends"]) == 6
    assert len(many.statements) == len(few.statements)


def test_the_running_day_does_not_count(database_url: str, put: Callable[[Rows], Rows]) -> None:
    put(captured(today()) + captured(today() - DAY))
    [found] = trends(database_url, on=None).values()
    assert found["reports"] == 1


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        ({"on": today().isoformat()}, "INVALID", "is not over"),
        ({"on": "0001-01-01"}, "INVALID", "0001-01-01"),
        ({"days": 0}, "INVALID", "days is 0"),
        ({"days": 93}, "TOO_LARGE", "days is 93"),
        ({"periods": 0}, "INVALID", "periods is 0"),
        ({"periods": 105}, "TOO_LARGE", "periods is 105"),
        ({"first": 1001}, "TOO_LARGE", "first is 1001"),
        ({"region": "99"}, "NOT_FOUND", "no region '99'"),
        ({"filter": {"since": "2025-09-01T00:00:00+08:00"}}, "INVALID", "leave since"),
    ],
)
def test_what_makes_no_sense_is_refused(
    database_url: str, district: District, asked: dict[str, object], code: str, said: str
) -> None:
    del district
    answer = ask(database_url, TRENDS, **{"region": DISTRICT, **asked})
    [error] = answer.errors
    assert error[0] == code
    assert said in error[1]
