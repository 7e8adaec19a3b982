"""Importing visits and member cards: each is kept once, and what makes no sense is refused."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection

from gridmap.store.imports.values import moment_of
from tests.store.importing import (
    COMMUNITY,
    FIRST_DAY,
    LATER,
    REGIONS,
    bring_features,
    bring_rows,
    building,
    counts,
    found,
    grid,
    said,
)

HOUSE, OTHER = f"{COMMUNITY}00001", f"{COMMUNITY}00002"
SHANGHAI = datetime.timezone(datetime.timedelta(hours=8))
VISITS = ("楼栋编码", "工号", "走访类型", "走访时间", "走访记录")
CARDS = ("building", "name", "valid_from", "valid_to")


@pytest.fixture
def walked(connection: Connection, tmp_path: Path) -> Connection:
    """Two buildings and a worker."""
    connection.begin()
    bring_rows(connection, "regions", tmp_path, [("code", "name"), *REGIONS])
    bring_features(connection, "grids", tmp_path, [grid(1), grid(2)])
    bring_features(connection, "buildings", tmp_path, [building(1), building(2)])
    workers = [("code", "name", "grid"), ("W1", "示例", f"{COMMUNITY}001")]
    bring_rows(connection, "workers", tmp_path, workers)
    return connection


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2024-03-01 08:30", "2024-03-01T08:30:00+08:00"),
        ("2024年3月1日 8:30:15", "2024-03-01T08:30:15+08:00"),
        ("2024/3/1　08：30", "2024-03-01T08:30:00+08:00"),
        ("20240301", "2024-03-01T00:00:00+08:00"),
        ("2024-03-01T00:30:00.123456Z", "2024-03-01T00:30:00.123456+00:00"),
        ("2024-03-01 08:30:00+0900", "2024-03-01T08:30:00+09:00"),
        (datetime.datetime(2024, 3, 1, 8, 30), "2024-03-01T08:30:00+08:00"),
        (datetime.date(2024, 3, 1), "2024-03-01T00:00:00+08:00"),
        (" ", None),
    ],
)
def test_a_moment_is_read_as_people_write_it(written: object, meant: str | None) -> None:
    moment = moment_of(written)
    assert moment == (meant and datetime.datetime.fromisoformat(meant))


@pytest.mark.parametrize("written", ["yesterday", "2024-02-30", "2024-03-01 25:00", "8:30"])
def test_what_is_no_moment_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        moment_of(written)


def test_a_visit_comes_in_once_however_often_its_file_does(
    walked: Connection, tmp_path: Path
) -> None:
    rows = [
        VISITS,
        (HOUSE, "W1", "走访排查", "2024-03-01 08:30", "一切正常"),
        (HOUSE, "W1", "代办服务", "2024-03-01 08:30", ""),
        (OTHER, "W1", "政策宣传", "2024-03-02", ""),
    ]
    assert counts(bring_rows(walked, "visits", tmp_path, rows)) == (3, 0, 0)
    # The same moment in another zone is the same visit.
    rows[1] = (HOUSE, "W1", "VISIT", "2024-03-01T00:30:00Z", "一切正常")
    rows.append((HOUSE, "W1", "收集民意", "2024-03-03", ""))
    assert counts(bring_rows(walked, "visits", tmp_path, rows)) == (1, 0, 3)
    kept = found(walked, "SELECT building_code, kind, at, note FROM visits ORDER BY at, kind")
    assert [row[:2] for row in kept] == [
        (HOUSE, "ERRAND"), (HOUSE, "VISIT"), (OTHER, "POLICY"), (HOUSE, "OPINIONS"),
    ]  # fmt: skip
    assert kept[1][2:] == (datetime.datetime(2024, 3, 1, 8, 30, tzinfo=SHANGHAI), "一切正常")
    # A visit is never changed: other words for it are refused.
    rows[1] = (HOUSE, "W1", "VISIT", "2024-03-01 08:30", "别的")
    assert said(bring_rows(walked, "visits", tmp_path, rows)) == [(2, "bad-value")]


def test_visits_that_make_no_sense_are_refused_with_their_rows(
    walked: Connection, tmp_path: Path
) -> None:
    rows = [
        VISITS,
        ("nowhere", "W1", "走访", "2024-03-01", ""),
        (HOUSE, "nobody", "走访", "2024-03-01", ""),
        (HOUSE, "W1", "喝茶", "2024-03-01", ""),
        (HOUSE, "W1", "走访", "", ""),
        (HOUSE, "W1", "走访", "2024-03-01", "很长" * 2000),
        (OTHER, "W1", "走访", "2024-03-01", ""),
        (OTHER, "W1", "VISIT", "2024-03-01", "又一次"),
    ]
    assert said(bring_rows(walked, "visits", tmp_path, rows)) == [
        (2, "unknown-code"),
        (3, "unknown-code"),
        (4, "bad-value"),
        (5, "missing-value"),
        (6, "bad-value"),
        (8, "duplicate-code"),
    ]


def test_cards_come_in_with_their_dates_and_end_later(walked: Connection, tmp_path: Path) -> None:
    rows: list[tuple[object, ...]] = [
        CARDS,
        (HOUSE, "示例一", FIRST_DAY, ""),
        (HOUSE, "示例二", FIRST_DAY, ""),
    ]
    assert counts(bring_rows(walked, "member-cards", tmp_path, rows)) == (2, 0, 0)
    rows[1] = (HOUSE, "示例一", "", LATER.isoformat())
    assert counts(bring_rows(walked, "member-cards", tmp_path, rows)) == (0, 1, 1)
    rows.append((HOUSE, "示例一", LATER, ""))
    assert counts(bring_rows(walked, "member-cards", tmp_path, rows)) == (1, 0, 2)
    kept = found(
        walked, "SELECT name, valid_from, valid_to FROM member_cards ORDER BY name, valid_from"
    )
    assert kept == [
        ("示例一", FIRST_DAY, LATER),
        ("示例一", LATER, None),
        ("示例二", FIRST_DAY, None),
    ]


def test_a_member_has_one_card_at_a_building_at_a_time(walked: Connection, tmp_path: Path) -> None:
    rows = [
        CARDS,
        (HOUSE, "示例一", FIRST_DAY, ""),
        (HOUSE, "示例一", LATER, ""),
        (OTHER, "示例一", LATER, ""),
        (OTHER, "示例一", LATER, ""),
        (OTHER, "示例二", LATER, FIRST_DAY),
        ("nowhere", "示例", FIRST_DAY, ""),
    ]
    refused = bring_rows(walked, "member-cards", tmp_path, rows)
    assert said(refused) == [
        (3, "date-conflict"),
        (5, "duplicate-code"),
        (6, "date-conflict"),
        (7, "unknown-code"),
    ]
    # Nobody's name is printed.
    assert not any("示例" in problem.message for problem in refused.problems)
