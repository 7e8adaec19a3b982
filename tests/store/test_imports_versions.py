"""Grids with several versions: in one file, and beside those that are kept."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from tests.store.importing import (
    COMMUNITY,
    FIRST_DAY,
    Ring,
    bring_features,
    bring_rows,
    counts,
    found,
    grid,
    said,
)

WEST, SOUTH, STEP, NORTH = 130.25, 47.33, 0.005, 47.334


def strip(west: int, east: int) -> Ring:
    """A rectangle from one meridian to another, numbered 370 m apart."""
    left, right = WEST + west * STEP, WEST + east * STEP
    return [[left, SOUTH], [right, SOUTH], [right, NORTH], [left, NORTH], [left, SOUTH]]


def year(number: int) -> str:
    return f"{number}-01-01"


def version(number: int, west: int, east: int, begin: int, end: int | None = None) -> Any:
    """A feature of a grid that reaches from meridian to meridian, in the years [begin, end)."""
    return grid(
        number, strip(west, east), valid_from=year(begin), valid_to=year(end) if end else None
    )


def kept(connection: Connection) -> list[tuple[int, int, int, int, int | None]]:
    """Number, west, east and years of every version, by code and time."""
    return [(int(code[-3:]), *version) for code, *version in _versions(connection)]


def _versions(connection: Connection) -> list[tuple[Any, ...]]:
    return [
        (code, round((west - WEST) / STEP), round((east - WEST) / STEP), begin, end)
        for code, west, east, begin, end in found(
            connection,
            """
            SELECT
                code, ST_XMin(boundary), ST_XMax(boundary),
                CAST(extract(year FROM valid_from) AS integer),
                CAST(extract(year FROM valid_to) AS integer)
            FROM grids
            ORDER BY district_code, code, valid_from
            """,
        )
    ]


def test_a_file_may_hold_several_versions_of_a_new_grid_in_any_order(
    district: Connection, tmp_path: Path
) -> None:
    versions = [version(1, 0, 3, 2024), version(1, 0, 1, 2020, 2021), version(1, 0, 2, 2022)]

    summary = bring_features(district, "grids", tmp_path, versions)

    assert counts(summary) == (3, 0, 0)
    assert kept(district) == [
        (1, 0, 1, 2020, 2021),
        (1, 0, 2, 2022, 2024),
        (1, 0, 3, 2024, None),
    ]


def test_the_same_history_again_changes_nothing(district: Connection, tmp_path: Path) -> None:
    versions = [
        version(1, 0, 1, 2020, 2022),
        version(1, 0, 2, 2022, 2024),
        version(1, 0, 1, 2024),
        version(2, 2, 3, 2020),
    ]
    bring_features(district, "grids", tmp_path, versions)
    before = kept(district)

    summary = bring_features(district, "grids", tmp_path, versions)

    assert counts(summary) == (0, 0, 4)
    assert kept(district) == before


def test_a_file_may_bring_several_later_versions_of_a_kept_grid(
    district: Connection, tmp_path: Path
) -> None:
    bring_features(district, "grids", tmp_path, [version(1, 0, 1, 2020)])
    later = [version(1, 0, 1, 2026), version(1, 0, 2, 2022), version(1, 0, 3, 2024, 2025)]

    summary = bring_features(district, "grids", tmp_path, later)

    assert counts(summary) == (0, 3, 0)
    assert kept(district) == [
        (1, 0, 1, 2020, 2022),
        (1, 0, 2, 2022, 2024),
        (1, 0, 3, 2024, 2025),
        (1, 0, 1, 2026, None),
    ]


def test_two_versions_that_begin_on_one_day_are_refused(
    district: Connection, tmp_path: Path
) -> None:
    summary = bring_features(
        district, "grids", tmp_path, [version(1, 0, 1, 2020), version(1, 0, 2, 2020)]
    )

    assert said(summary) == [(2, "duplicate-code")]


@pytest.mark.parametrize("earlier", [[], [version(1, 0, 1, 2018)]])
def test_a_version_that_ends_after_the_next_begins_is_refused(
    district: Connection, tmp_path: Path, earlier: list[Any]
) -> None:
    bring_features(district, "grids", tmp_path, earlier or [version(9, 8, 9, 2018)])
    rows = [version(1, 0, 2, 2020, 2023), version(1, 0, 3, 2022)]

    summary = bring_features(district, "grids", tmp_path, rows)

    assert said(summary) == [(1, "date-conflict")]
    assert "row 2" in summary.problems[0].message


def test_a_neighbour_may_not_begin_before_the_old_outline_ends(
    district: Connection, tmp_path: Path
) -> None:
    bring_features(district, "grids", tmp_path, [version(1, 0, 2, 2020)])
    shrunk_and_new = [version(1, 0, 1, 2025), version(2, 1, 2, 2022)]

    summary = bring_features(district, "grids", tmp_path, shrunk_and_new)

    assert said(summary) == [(2, "overlap")]
    assert f"the kept grid {COMMUNITY}001" in summary.problems[0].message
    assert kept(district) == [(1, 0, 2, 2020, None)]


def test_a_neighbour_may_begin_on_the_day_the_old_outline_ends(
    district: Connection, tmp_path: Path
) -> None:
    bring_features(district, "grids", tmp_path, [version(1, 0, 2, 2020)])

    summary = bring_features(
        district, "grids", tmp_path, [version(1, 0, 1, 2025), version(2, 1, 2, 2025)]
    )

    assert counts(summary) == (1, 1, 0)


def test_an_older_version_of_an_unchanged_grid_keeps_its_place(
    district: Connection, tmp_path: Path
) -> None:
    bring_features(
        district, "grids", tmp_path, [version(1, 0, 2, 2020, 2024), version(1, 0, 1, 2024)]
    )
    as_it_is = grid(1, strip(0, 1))

    refused = bring_features(district, "grids", tmp_path, [as_it_is, version(2, 1, 2, 2022)])
    taken = bring_features(district, "grids", tmp_path, [as_it_is, version(2, 1, 2, 2024)])

    assert said(refused) == [(2, "overlap")]
    assert counts(taken) == (1, 0, 1)


def test_an_overlap_with_an_unchanged_grid_is_said_once(
    district: Connection, tmp_path: Path
) -> None:
    bring_features(district, "grids", tmp_path, [version(1, 0, 2, 2020)])

    summary = bring_features(
        district, "grids", tmp_path, [version(1, 0, 2, 2020), version(2, 1, 3, 2022)]
    )

    assert said(summary) == [(2, "overlap")]


def test_a_grid_may_not_be_prolonged_into_what_took_its_place(
    district: Connection, tmp_path: Path
) -> None:
    bring_features(
        district, "grids", tmp_path, [version(1, 0, 2, 2020, 2024), version(2, 0, 2, 2024)]
    )

    summary = bring_features(district, "grids", tmp_path, [version(1, 0, 2, 2020, 2026)])

    assert said(summary) == [(1, "overlap")]


Row = tuple[int, int, int, int, int | None]


@st.composite
def files(draw: st.DrawFn) -> list[tuple[Row, bool]]:
    """Rows of up to three grids: number, west, east, first year, and last year or None.

    And whether the row itself says when it begins, without which it does on `FIRST_DAY`.
    """
    rows: list[tuple[Row, bool]] = []
    for _ in range(draw(st.integers(1, 4))):
        west = draw(st.integers(0, 3))
        is_dated = draw(st.booleans())
        begin = draw(st.integers(2020, 2026)) if is_dated else FIRST_DAY.year
        row = (
            draw(st.integers(1, 3)),
            west,
            west + draw(st.integers(1, 2)),
            begin,
            draw(st.none() | st.integers(begin + 1, 2028)),
        )
        rows.append((row, is_dated))
    return rows


def _features(rows: Sequence[tuple[Row, bool]]) -> list[Any]:
    features = [version(*row) for row, _ in rows]
    for feature, (_, is_dated) in zip(features, rows, strict=True):
        if not is_dated:
            feature["properties"]["valid_from"] = None
    return features


def _clashes(versions: Sequence[Row]) -> bool:
    """Whether two grids hold the same place, or one grid is there twice, in some year."""
    for year in range(2020, 2031):
        then = [row for row in versions if row[3] <= year < (row[4] or 9999)]
        owners = [meridian for _, west, east, *_ in then for meridian in range(west, east)]
        if len(set(owners)) < len(owners) or len({row[0] for row in then}) < len(then):
            return True
    return False


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(history=st.lists(files(), min_size=1, max_size=4))
def test_no_series_of_imports_lets_two_grids_hold_one_place_on_a_day(
    district: Connection, tmp_path: Path, history: list[list[tuple[Row, bool]]]
) -> None:
    """What is kept never clashes, and a whole history by itself is refused only if it does.

    A file that was taken in, and whatever is kept then, change nothing when they come again.
    """
    savepoint = district.begin_nested()
    try:
        for number, file in enumerate(history):
            before = kept(district)
            features, rows = _features(file), [row for row, _ in file]
            summary = bring_features(district, "grids", tmp_path, features)
            after = kept(district)
            assert not _clashes(after)
            assert summary.written or after == before
            if number == 0:
                assert summary.written == (not _clashes(_closed(rows)) and _are_apart(rows))
            if summary.written:
                same = bring_features(district, "grids", tmp_path, features)
                assert counts(same) == (0, 0, len(file))
            if after:
                whole = [version(*row) for row in after]
                assert counts(bring_features(district, "grids", tmp_path, whole)) == (
                    (0, 0, len(after))
                )
    finally:
        savepoint.rollback()


def _closed(rows: Sequence[Row]) -> list[Row]:
    """The rows, each ended where the next of its grid begins if it says no end."""
    ordered = sorted(rows, key=lambda row: (row[0], row[3]))
    following = [*ordered[1:], (0, 0, 0, 0, None)]
    return [
        (*row[:4], row[4] or (after[3] if after[0] == row[0] else None))
        for row, after in zip(ordered, following, strict=True)
    ]


def _are_apart(rows: Sequence[Row]) -> bool:
    return len({(row[0], row[3]) for row in rows}) == len(rows)


def test_a_history_does_not_lose_what_it_tells(district: Connection, tmp_path: Path) -> None:
    bring_features(district, "grids", tmp_path, [version(1, 0, 1, 2025)])

    summary = bring_features(
        district, "grids", tmp_path, [version(1, 0, 1, 2024), version(1, 0, 2, 2025)]
    )

    assert said(summary) == [(1, "date-conflict")]


def test_a_history_may_go_on_from_what_is_kept(district: Connection, tmp_path: Path) -> None:
    bring_features(district, "grids", tmp_path, [version(1, 0, 1, 2023)])

    summary = bring_features(
        district, "grids", tmp_path, [version(1, 0, 1, 2024), version(1, 0, 2, 2025)]
    )

    assert counts(summary) == (0, 2, 0)
    assert kept(district) == [
        (1, 0, 1, 2023, 2024),
        (1, 0, 1, 2024, 2025),
        (1, 0, 2, 2025, None),
    ]


def test_a_version_that_says_no_first_day_may_not_end_before_the_files(
    district: Connection, tmp_path: Path
) -> None:
    undated = grid(1, strip(0, 1), valid_to=year(2022))

    summary = bring_features(district, "grids", tmp_path, [undated, version(1, 0, 2, 2023)])

    assert said(summary) == [(1, "date-conflict")]


def test_days_are_what_counts_not_years(district: Connection, tmp_path: Path) -> None:
    first = grid(1, strip(0, 2), valid_from="2024-01-01", valid_to="2024-06-15")
    second = grid(2, strip(0, 2), valid_from="2024-06-15")
    bring_features(district, "grids", tmp_path, [first, second])

    assert found(district, "SELECT valid_to FROM grids ORDER BY code") == [
        (datetime.date(2024, 6, 15),),
        (None,),
    ]


def test_two_districts_may_use_one_code_each_with_a_history_of_its_own(
    district: Connection, tmp_path: Path
) -> None:
    other = "230403"
    regions = [
        ("code", "name"),
        (other, "工农区"),
        (f"{other}001", "街道"),
        (f"{other}001001", "一"),
    ]
    bring_rows(district, "regions", tmp_path, regions)

    def free(community: str, west: int, east: int, begin: int) -> Any:
        return grid(1, strip(west, east), code="A", community=community, valid_from=year(begin))

    there = free(f"{other}001001", 5, 6, 2020)
    bring_features(district, "grids", tmp_path, [there], code_scheme="free")
    moved = free(f"{other}001001", 5, 7, 2023)
    here = [free(COMMUNITY, 0, 2, 2022), free(COMMUNITY, 0, 1, 2020)]

    summary = bring_features(district, "grids", tmp_path, [moved, *here], code_scheme="free")

    assert counts(summary) == (2, 1, 0)
    assert [row[1:] for row in _versions(district)] == [
        (0, 1, 2020, 2022),
        (0, 2, 2022, None),
        (5, 6, 2020, 2023),
        (5, 7, 2023, None),
    ]
