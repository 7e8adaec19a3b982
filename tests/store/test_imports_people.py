"""Sponsors, what they sponsor and when, and the workers of grids."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from gridmap.store.imports import CodeScheme
from tests.store.importing import (
    COMMUNITY,
    FIRST_DAY,
    LATER,
    bring_features,
    bring_rows,
    building,
    counts,
    found,
    grid,
    said,
)

LAST = LATER + datetime.timedelta(days=90)
BUILDING = f"{COMMUNITY}00001"
OTHER_BUILDING = f"{COMMUNITY}00002"
GRID = f"{COMMUNITY}001"
OTHER_GRID = f"{COMMUNITY}002"
SPONSORSHIPS = (
    "SELECT sponsor_code, COALESCE(building_code, grid_code), valid_from, valid_to "
    "FROM sponsorships ORDER BY valid_from, 2"
)
ASSIGNMENTS = (
    "SELECT worker_code, grid_code, valid_from, valid_to "
    "FROM worker_assignments ORDER BY worker_code, grid_code, valid_from"
)

Rows = Sequence[Sequence[object]]


@pytest.fixture
def settled(district: Connection, tmp_path: Path) -> Connection:
    """The district with grids 1 and 2, a building in each, and sponsors A and B."""
    bring_features(district, "grids", tmp_path, [grid(1), grid(2)])
    bring_features(district, "buildings", tmp_path, [building(1), building(2)])
    sponsors = [
        ("code", "name", "level", "region"),
        ("A", "市审计局", "市直单位", "2304"),
        ("B", "区法院", "区级", "230402"),
    ]
    assert counts(bring_rows(district, "sponsors", tmp_path, sponsors, datum=None)) == (2, 0, 0)
    return district


def sponsor(connection: Connection, folder: Path, *rows: Sequence[object]) -> tuple[int, int, int]:
    summary = bring_rows(
        connection,
        "sponsorships",
        folder,
        [("sponsor", "building", "grid", "valid_from", "valid_to"), *rows],
        datum=None,
    )
    return counts(summary)


def refused(connection: Connection, folder: Path, *rows: Sequence[object]) -> list[tuple[int, str]]:
    before = found(connection, SPONSORSHIPS)
    summary = bring_rows(
        connection,
        "sponsorships",
        folder,
        [("sponsor", "building", "grid", "valid_from", "valid_to"), *rows],
        datum=None,
    )
    assert found(connection, SPONSORSHIPS) == before
    return said(summary)


def test_sponsors_are_updated_and_a_leader_may_go(settled: Connection, tmp_path: Path) -> None:
    heading = ("单位编码", "单位名称", "级别", "所属区划", "包保领导", "职务")
    named = [heading, ("A", "市审计局", "市", "2304", "示例一", "局长")]
    vacant = [heading, ("A", "市审计局", "CITY", "2304", "", "局长")]
    unsaid = [heading[:4], ("A", "市审计局", "市直", "2304")]
    leader = "SELECT leader, leader_role FROM sponsors WHERE code = 'A'"

    assert counts(bring_rows(settled, "sponsors", tmp_path, named)) == (0, 1, 0)
    assert counts(bring_rows(settled, "sponsors", tmp_path, unsaid)) == (0, 0, 1)
    assert found(settled, leader) == [("示例一", "局长")]
    assert counts(bring_rows(settled, "sponsors", tmp_path, vacant)) == (0, 1, 0)
    assert found(settled, leader) == [(None, "局长")]


def test_faulty_sponsors_are_named(settled: Connection, tmp_path: Path) -> None:
    rows = [
        ("code", "name", "level", "region"),
        ("C", "市教育局", "省", "2304"),
        ("D", "市统计局", "市", "2399"),
        ("x" * 33, "长", "市", "2304"),
        ("E", "一", "市", "2304"),
        ("E", "二", "市", "2304"),
    ]

    summary = bring_rows(settled, "sponsors", tmp_path, rows)

    assert said(summary) == [
        (2, "bad-value"),
        (3, "unknown-parent"),
        (4, "bad-code"),
        (6, "duplicate-code"),
    ]


def test_a_sponsorship_given_again_changes_nothing_and_may_be_ended(
    settled: Connection, tmp_path: Path
) -> None:
    begun = ("A", BUILDING, "", FIRST_DAY, "")
    ended = ("A", BUILDING, "", FIRST_DAY, LATER)

    assert sponsor(settled, tmp_path, begun, ("B", "", GRID, FIRST_DAY, "")) == (2, 0, 0)
    assert sponsor(settled, tmp_path, begun) == (0, 0, 1)
    assert sponsor(settled, tmp_path, ended) == (0, 1, 0)
    assert sponsor(settled, tmp_path, ended) == (0, 0, 1)
    # An older file does not begin it again.
    assert sponsor(settled, tmp_path, begun) == (0, 0, 1)
    assert found(settled, SPONSORSHIPS) == [
        ("A", BUILDING, FIRST_DAY, LATER),
        ("B", GRID, FIRST_DAY, None),
    ]
    assert found(settled, "SELECT DISTINCT district_code FROM sponsorships") == [("230402",)]


def test_a_row_without_dates_means_the_sponsorship_that_holds(
    settled: Connection, tmp_path: Path
) -> None:
    rows = [("包保单位", "楼栋编码"), ("A", BUILDING)]

    assert counts(bring_rows(settled, "sponsorships", tmp_path, rows)) == (1, 0, 0)
    again = bring_rows(settled, "sponsorships", tmp_path, rows, valid_from=LATER)
    assert counts(again) == (0, 0, 1)
    assert found(settled, SPONSORSHIPS) == [("A", BUILDING, FIRST_DAY, None)]


@pytest.mark.parametrize("target", [(BUILDING, ""), ("", GRID)])
def test_another_sponsor_on_the_first_day_corrects_the_kept_one(
    settled: Connection, tmp_path: Path, target: tuple[str, str]
) -> None:
    code = "".join(target)

    assert sponsor(settled, tmp_path, ("A", *target, FIRST_DAY, LATER)) == (1, 0, 0)
    assert sponsor(settled, tmp_path, ("B", *target, FIRST_DAY, "")) == (0, 1, 0)
    assert found(settled, SPONSORSHIPS) == [("B", code, FIRST_DAY, LATER)]
    assert sponsor(settled, tmp_path, ("B", *target, FIRST_DAY, "")) == (0, 0, 1)
    assert sponsor(settled, tmp_path, ("A", *target, FIRST_DAY, LAST)) == (0, 1, 0)
    assert found(settled, SPONSORSHIPS) == [("A", code, FIRST_DAY, LAST)]
    # Without a date the row begins today, which is the first day.
    assert sponsor(settled, tmp_path, ("B", *target, "", "")) == (0, 1, 0)
    assert found(settled, SPONSORSHIPS) == [("B", code, FIRST_DAY, LAST)]


@pytest.mark.parametrize("target", [(BUILDING, ""), ("", GRID)])
def test_another_sponsor_on_a_later_day_ends_the_kept_one(
    settled: Connection, tmp_path: Path, target: tuple[str, str]
) -> None:
    code = "".join(target)
    sponsor(settled, tmp_path, ("A", *target, FIRST_DAY, ""))

    assert sponsor(settled, tmp_path, ("B", *target, LATER, LAST), ("A", *target, LAST, "")) == (
        2,
        0,
        0,
    )
    assert found(settled, SPONSORSHIPS) == [
        ("A", code, FIRST_DAY, LATER),
        ("B", code, LATER, LAST),
        ("A", code, LAST, None),
    ]
    # What has ended in the meantime may be said in the same file, or again.
    whole = found(settled, SPONSORSHIPS)
    rows = [(who, *target, begin, end or "") for who, _, begin, end in whole]
    assert sponsor(settled, tmp_path, *rows) == (0, 0, 3)


def test_a_sponsorship_that_is_corrected_or_ended_leaves_other_targets_alone(
    settled: Connection, tmp_path: Path
) -> None:
    others = [("A", OTHER_BUILDING, "", FIRST_DAY, ""), ("A", "", GRID, FIRST_DAY, "")]
    sponsor(settled, tmp_path, ("A", BUILDING, "", FIRST_DAY, ""), *others)

    sponsor(settled, tmp_path, ("B", BUILDING, "", FIRST_DAY, ""))
    sponsor(settled, tmp_path, ("A", BUILDING, "", LATER, ""))

    assert found(settled, SPONSORSHIPS) == [
        ("B", BUILDING, FIRST_DAY, LATER),
        ("A", OTHER_BUILDING, FIRST_DAY, None),
        ("A", GRID, FIRST_DAY, None),
        ("A", BUILDING, LATER, None),
    ]


@pytest.mark.parametrize(
    "rows",
    [
        # Into what is kept: B from LATER on.
        [("A", BUILDING, "", FIRST_DAY, "")],
        [("A", BUILDING, "", FIRST_DAY, LAST)],
        [("A", BUILDING, "", "", "")],
        # Into each other.
        [("A", OTHER_BUILDING, "", FIRST_DAY, ""), ("B", OTHER_BUILDING, "", LATER, "")],
        [("B", OTHER_BUILDING, "", LATER, ""), ("A", OTHER_BUILDING, "", "", "")],
        [("A", BUILDING, "", LAST, ""), ("B", BUILDING, "", LATER, "")],
        # On the same day.
        [("A", "", GRID, FIRST_DAY, ""), ("B", "", GRID, FIRST_DAY, "")],
        [("A", BUILDING, "", LATER, ""), ("B", BUILDING, "", LATER, "")],
    ],
)
def test_who_follows_the_advice_on_two_sponsors_is_not_refused_again(
    settled: Connection, tmp_path: Path, rows: list[tuple[str, str, str, object, object]]
) -> None:
    sponsor(settled, tmp_path, ("B", BUILDING, "", LATER, ""))
    heading = ("sponsor", "building", "grid", "valid_from", "valid_to")

    summary = bring_rows(settled, "sponsorships", tmp_path, [heading, *rows])

    (problem,) = summary.problems
    assert problem.kind == "date-conflict"
    mended = followed(problem.remedy, rows)
    assert mended != rows
    assert sum(sponsor(settled, tmp_path, *mended)) == len(mended)


def followed(
    remedy: str, rows: list[tuple[str, str, str, object, object]]
) -> list[tuple[str, str, str, object, object]]:
    """The rows of sponsorships as a person makes them who does what the remedy says."""
    if remedy.startswith("Remove one of the two rows"):
        return rows[:-1]
    asked = re.search(
        r"give the row of sponsor (\w+), (?:building|grid) (\d+), valid_from (\S+), "
        r"a valid_to of (\S+) or before",
        remedy,
    )
    assert asked, remedy
    named, code, begin, end = asked.groups()
    return [
        (who, building, grid, day, end)
        if (who, building or grid) == (named, code) and str(day or FIRST_DAY) == begin
        else (who, building, grid, day, old)
        for who, building, grid, day, old in rows
    ]


DAYS = st.integers(0, 5).map(lambda number: FIRST_DAY + datetime.timedelta(days=number))
Sponsorship = tuple[str, datetime.date, datetime.date | None]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.sampled_from("AB"), DAYS, st.none() | DAYS), min_size=1, max_size=5))
def test_one_row_after_another_comes_to_what_a_book_kept_by_hand_says(
    settled: Connection, tmp_path: Path, rows: list[Sponsorship]
) -> None:
    book: list[Sponsorship] = []
    with settled.begin_nested() as savepoint:
        for who, begin, end in rows:
            heading = ("sponsor", "building", "valid_from", "valid_to")
            row = (who, BUILDING, begin, end or "")
            summary = bring_rows(settled, "sponsorships", tmp_path, [heading, row])
            then = entered(book, (who, begin, end))
            assert summary.written is (then is not None)
            book = book if then is None else then
            assert found(
                settled, "SELECT sponsor_code, valid_from, valid_to FROM sponsorships ORDER BY 2"
            ) == sorted(book, key=lambda entry: entry[1])
        savepoint.rollback()


def entered(book: list[Sponsorship], row: Sponsorship) -> list[Sponsorship] | None:
    """The book with the row, None where two would answer on one day."""
    who, begin, end = row
    on_the_day = [old for old in book if old[1] == begin]
    if on_the_day:
        (old,) = on_the_day
        new = [each for each in book if each is not old] + [(who, begin, end or old[2])]
    else:
        new = [
            (theirs, first, begin if first < begin < (last or datetime.date.max) else last)
            for theirs, first, last in book
        ] + [row]
    days = [
        first + datetime.timedelta(days=number)
        for _, first, last in new
        for number in range(((last or LAST) - first).days)
    ]
    in_order = all(last is None or first < last for _, first, last in new)
    return new if in_order and len(days) == len(set(days)) else None


def test_two_rows_of_a_file_may_not_claim_one_building_at_one_time(
    settled: Connection, tmp_path: Path
) -> None:
    assert refused(
        settled,
        tmp_path,
        ("A", BUILDING, "", FIRST_DAY, LATER),
        ("B", BUILDING, "", LATER, LAST),
        ("A", BUILDING, "", FIRST_DAY, ""),
        ("A", "", GRID, FIRST_DAY, ""),
        ("B", "", GRID, LATER, ""),
    ) == [(4, "duplicate-code"), (6, "date-conflict")]


def test_faulty_sponsorships_are_named(settled: Connection, tmp_path: Path) -> None:
    assert refused(
        settled,
        tmp_path,
        ("Z", BUILDING, "", FIRST_DAY, ""),
        ("A", f"{COMMUNITY}00099", "", FIRST_DAY, ""),
        ("A", "", f"{COMMUNITY}099", FIRST_DAY, ""),
        ("A", "", "", FIRST_DAY, ""),
        ("A", OTHER_BUILDING, OTHER_GRID, FIRST_DAY, ""),
        ("A", OTHER_BUILDING, "", LATER, FIRST_DAY),
        ("", OTHER_BUILDING, "", "2024-13-01", ""),
    ) == [
        (2, "unknown-code"),
        (3, "unknown-code"),
        (4, "unknown-code"),
        (5, "missing-value"),
        (6, "bad-value"),
        (7, "date-conflict"),
        (8, "missing-value"),
        (8, "bad-value"),
    ]


def test_a_code_of_several_districts_wants_the_district_and_one_that_has_it(
    settled: Connection, tmp_path: Path
) -> None:
    free = {"code_scheme": CodeScheme.FREE}
    east = [("code", "name"), ("east", "东")]
    bring_rows(settled, "regions", tmp_path, east, **free)
    elsewhere = [grid(5, code=GRID, community="east")]
    assert bring_features(settled, "grids", tmp_path, elsewhere, **free).written
    rows = [
        ("sponsor", "grid", "building", "district"),
        ("A", GRID, "", ""),
        ("A", GRID, "", "west"),
        ("A", "", BUILDING, "east"),
    ]

    summary = bring_rows(settled, "sponsorships", tmp_path, rows)

    assert [problem.message for problem in summary.problems] == [
        f"several districts have a grid {GRID}",
        f"grid {GRID} is not in district west",
        f"building {BUILDING} is not in district east",
    ]
    assert "column district" in summary.problems[0].remedy


def test_a_row_with_one_fault_is_refused_for_that_one_only(
    settled: Connection, tmp_path: Path
) -> None:
    sponsor(settled, tmp_path, ("A", BUILDING, "", FIRST_DAY, ""))

    assert refused(
        settled,
        tmp_path,
        ("Z", BUILDING, "", LATER, ""),
        ("Z", BUILDING, "", LATER, ""),
        ("A", BUILDING, "", FIRST_DAY, ""),
        ("A", BUILDING, "", FIRST_DAY, LATER),
        ("B", BUILDING, "", LATER, FIRST_DAY),
        ("A", "", GRID, LATER, ""),
    ) == [
        (2, "unknown-code"),
        (3, "unknown-code"),
        (5, "duplicate-code"),
        (6, "date-conflict"),
    ]


def test_a_target_whose_code_two_districts_have_is_refused(
    settled: Connection, tmp_path: Path
) -> None:
    for region in ("here", "there"):
        bring_features(
            settled,
            "buildings",
            tmp_path,
            [building(1, code="same")],
            code_scheme="free",
            free_region=region,
        )

    assert refused(settled, tmp_path, ("A", "same", "", FIRST_DAY, "")) == [(2, "unknown-code")]


WORKERS = ("工号", "姓名", "电话", "网格编码", "上岗日期", "离岗日期")


def test_a_worker_may_walk_several_grids(settled: Connection, tmp_path: Path) -> None:
    rows: Rows = [
        WORKERS,
        ("W1", "示例一", "000-1", GRID, FIRST_DAY, ""),
        ("W1", "示例一", "000-1", OTHER_GRID, FIRST_DAY, ""),
        ("W2", "示例二", "", GRID, FIRST_DAY, LATER),
    ]

    assert counts(bring_rows(settled, "workers", tmp_path, rows)) == (3, 0, 0)
    assert counts(bring_rows(settled, "workers", tmp_path, rows)) == (0, 0, 3)
    assert found(settled, "SELECT * FROM workers ORDER BY code") == [
        ("230402", "W1", "示例一", "000-1"),
        ("230402", "W2", "示例二", None),
    ]
    assert found(settled, ASSIGNMENTS) == [
        ("W1", GRID, FIRST_DAY, None),
        ("W1", OTHER_GRID, FIRST_DAY, None),
        ("W2", GRID, FIRST_DAY, LATER),
    ]


def test_an_assignment_ends_and_a_phone_changes(settled: Connection, tmp_path: Path) -> None:
    bring_rows(settled, "workers", tmp_path, [WORKERS, ("W1", "一", "000-1", GRID, FIRST_DAY, "")])

    moved = [
        WORKERS,
        ("W1", "一", "000-2", GRID, FIRST_DAY, LATER),
        ("W1", "一", "000-2", OTHER_GRID, LATER, ""),
    ]

    assert counts(bring_rows(settled, "workers", tmp_path, moved)) == (1, 1, 0)
    assert found(settled, "SELECT phone FROM workers") == [("000-2",)]
    assert found(settled, ASSIGNMENTS) == [
        ("W1", GRID, FIRST_DAY, LATER),
        ("W1", OTHER_GRID, LATER, None),
    ]
    # A file without the column keeps the phone, and one without dates means what holds.
    short = [("code", "name", "grid"), ("W1", "一", OTHER_GRID)]
    assert counts(bring_rows(settled, "workers", tmp_path, short, valid_from=LAST)) == (0, 0, 1)


def test_a_worker_without_a_grid_names_the_district_once(
    settled: Connection, tmp_path: Path
) -> None:
    heading = ("code", "name", "grid", "district")

    nowhere = bring_rows(settled, "workers", tmp_path, [heading, ("W1", "一", "", "")])
    assert said(nowhere) == [(2, "missing-value")]

    here = [heading, ("W1", "一", "", "230402")]
    assert counts(bring_rows(settled, "workers", tmp_path, here)) == (1, 0, 0)
    renamed = [heading, ("W1", "壹", "", "")]
    assert counts(bring_rows(settled, "workers", tmp_path, renamed)) == (0, 1, 0)
    assert found(settled, "SELECT district_code, name FROM workers") == [("230402", "壹")]
    assert found(settled, ASSIGNMENTS) == []


def test_faulty_workers_are_named(settled: Connection, tmp_path: Path) -> None:
    rows: Rows = [
        (*WORKERS, "区县代码"),
        ("W1", "一", "1", GRID, FIRST_DAY, LATER, ""),
        ("W1", "壹", "1", OTHER_GRID, FIRST_DAY, "", ""),
        ("W2", "二", "", f"{COMMUNITY}099", FIRST_DAY, "", ""),
        ("W3", "三", "", GRID, FIRST_DAY, "", ""),
        ("W3", "三", "", GRID, FIRST_DAY, "", ""),
        ("W4", "四", "", GRID, FIRST_DAY, "", ""),
        ("W4", "四", "", GRID, LATER, "", ""),
        ("W5", "五", "", GRID, LATER, FIRST_DAY, ""),
        ("W6", "六", "", GRID, FIRST_DAY, "", "2304"),
        ("W7", "七", "", GRID, FIRST_DAY, "", "999999"),
    ]

    summary = bring_rows(settled, "workers", tmp_path, rows)

    assert said(summary) == [
        (3, "bad-value"),
        (4, "unknown-code"),
        (6, "duplicate-code"),
        (8, "date-conflict"),
        (9, "date-conflict"),
        (10, "unknown-code"),
        (11, "unknown-parent"),
        (11, "unknown-code"),
    ]
    assert found(settled, "SELECT * FROM workers") == []
