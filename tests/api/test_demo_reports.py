"""The demo's reports: of these weeks on any day, with whole histories, and what they add up to."""

from __future__ import annotations

import datetime
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from sqlalchemy import Connection, Engine, text

from gridmap.api.demo import load_demo
from gridmap.api.demo_reports import add_reports
from gridmap.demo.complaints import COMPLAINTS
from gridmap.demo.reports import reports
from gridmap.store.database import tool_engine
from gridmap.store.dates import CHINA
from gridmap.store.tables import SOURCES, STATES

XIANGYANG, XINGAN, DONGSHAN = "230402", "230405", "230406"

moments = st.datetimes(
    datetime.datetime(2024, 1, 1), datetime.datetime(2035, 12, 31), timezones=st.just(CHINA)
)


@pytest.fixture(scope="module")
def engine(demo_url: str) -> Iterator[Engine]:
    engine = tool_engine(demo_url)
    yield engine
    engine.dispose()


@pytest.fixture
def kept(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        yield connection


def rows(connection: Connection, statement: str, **parameters: object) -> list[Any]:
    return list(connection.execute(text(statement), parameters))


@given(moments)
@settings(max_examples=60, deadline=None)
def test_whenever_it_is_loaded_all_has_happened_by_then_and_in_order(
    now: datetime.datetime,
) -> None:
    for report in reports(now):
        times = [report.received_at, *(deed.at for deed in report.deeds)]
        assert times == sorted(times)
        assert times[-1] <= now
        assert times[0] > now - datetime.timedelta(days=100)


@given(moments, moments)
@settings(max_examples=20, deadline=None)
def test_on_every_day_it_says_the_same_but_for_the_times(
    one: datetime.datetime, other: datetime.datetime
) -> None:
    def content(now: datetime.datetime) -> list[object]:
        return [
            (
                each.longitude,
                each.latitude,
                each.category,
                each.source,
                each.description,
                each.phone,
                [(deed.action, deed.by, deed.note, deed.rating) for deed in each.deeds],
            )
            for each in reports(now)
        ]

    assert content(one) == content(other)


def test_every_state_and_every_way_to_report_occurs(kept: Connection) -> None:
    assert {state for (state,) in rows(kept, "SELECT state FROM reports")} == set(STATES)
    assert {source for (source,) in rows(kept, "SELECT source FROM reports")} == set(SOURCES)
    [(count, urgencies)] = rows(kept, "SELECT count(*), count(DISTINCT urgency) FROM reports")
    assert count > 200
    assert urgencies == 3


def test_the_districts_have_as_many_as_the_manual_says(kept: Connection) -> None:
    counts = rows(
        kept, "SELECT district_code, count(closed_at), count(*) FROM reports GROUP BY 1 ORDER BY 1"
    )
    assert [code for code, *_ in counts] == [XIANGYANG, XINGAN, DONGSHAN]
    manual = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    for place, line in ((1, "reports, closed"), (2, "reports, all")):
        xiangyang, xingan, dongshan = (row[place] for row in counts)
        assert f"| {line} | {xiangyang} | {dongshan} | {xingan} |" in manual


def test_xiangyang_has_closed_over_120_reports_and_all_that_were_due_in_time(
    kept: Connection,
) -> None:
    [(closed, late, due_and_open)] = rows(
        kept,
        """
        SELECT
            count(closed_at),
            count(*) FILTER (WHERE closed_at > due_at),
            count(*) FILTER (WHERE ended_at IS NULL AND due_at < now())
        FROM reports
        WHERE district_code = :district
        """,
        district=XIANGYANG,
    )
    assert closed >= 120
    assert (late, due_and_open) == (0, 0)


def test_the_other_districts_are_late_with_some(kept: Connection) -> None:
    late = rows(
        kept,
        "SELECT district_code, count(*) FROM reports WHERE ended_at IS NULL AND due_at < now() "
        "GROUP BY 1 ORDER BY 1",
    )
    assert [tuple(row) for row in late] == [(XINGAN, 2), (DONGSHAN, 2)]
    [(closed_late,)] = rows(kept, "SELECT count(*) FROM reports WHERE closed_at > due_at")
    assert closed_late == 4


def test_dongshan_does_not_rate_and_the_others_do(kept: Connection) -> None:
    rated = {code for (code,) in rows(kept, "SELECT district_code FROM reports WHERE rating > 0")}
    assert rated == {XIANGYANG, XINGAN}
    [(closed,)] = rows(
        kept,
        "SELECT count(*) FROM reports WHERE state = 'CLOSED' AND district_code = :code",
        code=DONGSHAN,
    )
    assert closed >= 10


def test_where_nobody_answers_the_district_s_default_does(kept: Connection) -> None:
    by_default = rows(
        kept,
        """
        SELECT DISTINCT district_code, details->>'sponsor'
        FROM report_events
        WHERE CAST(details->>'is_default' AS boolean)
        """,
    )
    assert [tuple(row) for row in by_default] == [(XIANGYANG, f"S{XIANGYANG}-16")]


def test_each_report_has_its_whole_history(kept: Connection) -> None:
    """The last event is what the report says, and versions are without a gap."""
    events = defaultdict(list)
    for row in rows(kept, "SELECT * FROM report_events ORDER BY report_id, version"):
        events[row.report_id].append(row)
    for report in rows(kept, "SELECT * FROM reports"):
        history = events.pop(report.id)
        assert [row.version for row in history] == list(range(1, report.version + 1))
        assert history[0].action == "SUBMIT"
        assert history[0].at == report.received_at
        assert history[-1].state == report.state
        assert [row.at for row in history] == sorted(row.at for row in history)
        if report.closed_at is not None:
            actions = {row.action for row in history}
            assert {"REGISTER", "DISPATCH", "ACCEPT", "START", "DONE", "VERIFY"} <= actions
    assert events == {}


def test_serial_numbers_count_up_with_the_time(kept: Connection) -> None:
    received = [at for (at,) in rows(kept, "SELECT received_at FROM reports ORDER BY serial")]
    assert received == sorted(received)


def test_some_addresses_have_many_reports_and_some_reports_are_merged(kept: Connection) -> None:
    [(most,)] = rows(
        kept,
        """
        SELECT max(near.count)
        FROM reports, LATERAL (
            SELECT count(*)
            FROM reports AS other
            WHERE ST_DWithin(geography(other.location), geography(reports.location), 15)
        ) AS near
        """,
    )
    assert most >= 6
    merged = rows(
        kept,
        """
        SELECT first.category_code = reports.category_code, first.building_code, reports.grid_code,
            first.grid_code, ST_Distance(geography(first.location), geography(reports.location))
        FROM reports
        JOIN reports AS first ON first.id = reports.merged_into
        """,
    )
    assert len(merged) == 6
    for same_category, _, grid, first_grid, metres in merged:
        assert same_category
        assert grid == first_grid
        assert metres < 50


def test_only_those_between_two_grids_have_none(kept: Connection) -> None:
    without = rows(kept, "SELECT state, accuracy FROM reports WHERE grid_code IS NULL")
    assert [tuple(row) for row in without] == [("SUBMITTED", 45.0)] * 2
    choices = rows(
        kept,
        "SELECT jsonb_array_length(details->'candidates') FROM report_events "
        "JOIN reports ON reports.id = report_id AND grid_code IS NULL",
    )
    assert all(number >= 2 for (number,) in choices)


def test_the_complaints_are_of_the_categories_that_there_are(kept: Connection) -> None:
    known = {
        code
        for (code,) in rows(
            kept, "SELECT code FROM report_categories WHERE parent_code IS NOT NULL"
        )
    }
    assert {each.category for each in COMPLAINTS} <= known
    used = {category for (category,) in rows(kept, "SELECT category_code FROM reports")}
    assert len(used) >= 20
    named = rows(kept, "SELECT description FROM reports")
    assert all("号楼" in said and "{" not in said for (said,) in named)


def test_nobody_in_it_could_be_somebody(kept: Connection) -> None:
    for name, phone in rows(kept, "SELECT name, phone FROM reporters WHERE name IS NOT NULL"):
        assert name.startswith("示例")
        assert phone.startswith("000")


def test_a_second_start_adds_nothing_and_an_older_demo_gets_what_it_lacks(
    engine: Engine,
) -> None:
    def sizes() -> list[int]:
        with engine.connect() as connection:
            return [
                rows(connection, f"SELECT count(*) FROM {table}")[0][0]
                for table in ("regions", "buildings", "reports", "report_events", "report_rules",
                              "imports")
            ]  # fmt: skip

    before = sizes()
    load_demo(engine, Console(quiet=True))
    assert sizes() == before

    with engine.begin() as connection:
        connection.execute(text("DELETE FROM imports WHERE noun = 'report-rules'"))
        connection.execute(text("DELETE FROM report_rules"))
    load_demo(engine, Console(quiet=True))
    assert sizes() == before


def test_loaded_in_the_holidays_xiangyang_is_in_time_as_well(engine: Engine) -> None:
    spring_festival = datetime.datetime(2025, 1, 31, 0, 5, tzinfo=CHINA)

    count = add_reports(engine, spring_festival)

    with engine.connect() as connection:
        found = rows(
            connection,
            """
            SELECT district_code, state, ended_at IS NULL AND due_at < :now, closed_at > due_at
            FROM reports
            WHERE received_at < :now
            """,
            now=spring_festival,
        )
    assert len(found) == count
    assert {state for _, state, *_ in found} == set(STATES)
    overdue = Counter(district for district, _, is_overdue, _ in found if is_overdue)
    assert overdue == {XINGAN: 2, DONGSHAN: 2}
    assert not any(late for district, _, _, late in found if district == XIANGYANG)
