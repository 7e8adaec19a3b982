"""Files of several batches, the first of which is being written while the last is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from gridmap.errors import Conflict
from gridmap.store.database import tool_engine
from tests.store.importing import (
    COMMUNITY,
    LATER,
    bring_features,
    bring_rows,
    cell,
    counts,
    found,
    grid,
    said,
)


@pytest.fixture
def many(district: Connection, tmp_path: Path) -> list[dict[str, Any]]:
    """Features of more grids than are read at once, 900 to a community."""
    communities = [f"230402009{number:03}" for number in range(1, 7)]
    regions = [("code", "name"), ("230402009", "街道"), *((code, code) for code in communities)]
    bring_rows(district, "regions", tmp_path, regions)
    return [
        grid(
            0,
            cell(number % 80, number // 80),
            code=f"{communities[number // 900]}{number % 900:03}",
        )
        for number in range(5200)
    ]


def test_a_fault_near_the_end_of_a_long_file_undoes_what_came_before(
    district: Connection, tmp_path: Path, many: list[dict[str, Any]]
) -> None:
    many[-1]["properties"]["code"] = many[0]["properties"]["code"]

    summary = bring_features(district, "grids", tmp_path, many)

    assert said(summary) == [(5200, "duplicate-code")]
    assert "row 1 " in summary.problems[0].message
    assert found(district, "SELECT count(*) FROM grids") == [(0,)]


def test_a_long_file_comes_in_whole_and_a_change_near_its_end_is_seen(
    district: Connection, tmp_path: Path, many: list[dict[str, Any]]
) -> None:
    assert counts(bring_features(district, "grids", tmp_path, many)) == (5200, 0, 0)

    many[-1]["properties"]["name"] = "改名"
    again = bring_features(district, "grids", tmp_path, many, valid_from=LATER)

    assert counts(again) == (0, 1, 5199)


def test_what_the_database_refuses_while_the_file_is_read_is_a_clear_conflict(
    district: Connection, tmp_path: Path, many: list[dict[str, Any]]
) -> None:
    district.execute(text("ALTER TABLE grids ADD CONSTRAINT named CHECK (name <> '坏')"))
    many[3]["properties"]["name"] = "坏"

    with pytest.raises(Conflict, match="坏"):
        bring_features(district, "grids", tmp_path, many)

    assert found(district, "SELECT count(*) FROM grids") == [(0,)]


def test_readers_do_not_wait_for_an_import(
    district: Connection, database_url: str, tmp_path: Path
) -> None:
    bring_features(district, "grids", tmp_path, [grid(1)])  # and does not commit

    engine = tool_engine(database_url)
    with engine.connect() as reader:
        reader.execute(text("SET lock_timeout = '1s'"))
        assert found(reader, "SELECT * FROM grids") == []
    engine.dispose()


def test_versions_in_different_batches_are_one_history(
    district: Connection, tmp_path: Path, many: list[dict[str, Any]]
) -> None:
    first = grid(1, cell(-5), valid_from="2020-01-01")
    last = grid(1, cell(-5, east=0.001), valid_from="2022-01-01")

    summary = bring_features(district, "grids", tmp_path, [last, *many, first])

    assert counts(summary) == (5202, 0, 0)
    assert found(
        district,
        f"""
        SELECT CAST(valid_from AS text), CAST(valid_to AS text)
        FROM grids
        WHERE code = '{COMMUNITY}001'
        ORDER BY valid_from
        """,
    ) == [("2020-01-01", "2022-01-01"), ("2022-01-01", None)]
