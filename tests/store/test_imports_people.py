"""Sponsors, what they sponsor and when, and the workers of grids."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection

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


def test_a_second_sponsor_at_one_time_is_refused_and_told_which_to_end(
    settled: Connection, tmp_path: Path
) -> None:
    sponsor(settled, tmp_path, ("A", BUILDING, "", FIRST_DAY, ""))
    heading = ("sponsor", "building", "valid_from", "valid_to")
    second = ("B", BUILDING, LATER, "")

    summary = bring_rows(settled, "sponsorships", tmp_path, [heading, second])

    assert said(summary) == [(2, "date-conflict")]
    (problem,) = summary.problems
    assert "End the kept sponsorship" in problem.remedy
    assert f"sponsor A, building {BUILDING}, valid_from {FIRST_DAY}" in problem.remedy
    assert f"valid_to of {LATER}" in problem.remedy
    # With the end of the first in the same file it is in order.
    assert sponsor(
        settled, tmp_path, ("B", BUILDING, "", LATER, ""), ("A", BUILDING, "", FIRST_DAY, LATER)
    ) == (1, 1, 0)


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
