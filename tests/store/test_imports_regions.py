"""Regions come in with their parents, in any order, and keep their outlines."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection

from gridmap.errors import Invalid
from tests.store.importing import (
    COMMUNITY,
    bring,
    bring_features,
    bring_rows,
    cell,
    counts,
    found,
    polygon,
    said,
    write_csv,
)


def test_levels_parents_and_districts_follow_from_standard_codes(district: Connection) -> None:
    assert found(
        district,
        "SELECT code, level, parent_code, district_code FROM regions "
        "WHERE code <> '230402001002' ORDER BY code",
    ) == [
        ("23", "PROVINCE", None, None),
        ("2304", "CITY", "23", None),
        ("230402", "DISTRICT", "2304", "230402"),
        ("230402001", "STREET", "230402", "230402"),
        (COMMUNITY, "COMMUNITY", "230402001", "230402"),
    ]


def test_a_parent_may_come_later_in_the_same_file(connection: Connection, tmp_path: Path) -> None:
    connection.begin()
    rows = [("code", "name"), ("2304", "鹤岗市"), ("23", "黑龙江省")]

    assert counts(bring_rows(connection, "regions", tmp_path, rows)) == (2, 0, 0)


def test_a_region_without_its_parent_is_refused(district: Connection, tmp_path: Path) -> None:
    rows = [("code", "name"), ("230405001001", "某社区"), ("230402002", "红军街道")]

    summary = bring_rows(district, "regions", tmp_path, rows)

    assert said(summary) == [(2, "unknown-parent")]
    assert "230405001" in summary.problems[0].message


def test_codes_levels_and_parents_must_agree(district: Connection, tmp_path: Path) -> None:
    rows = [
        ("代码", "名称", "级别", "上级"),
        ("230402002", "红军街道", "街道", "230402"),
        ("230402003", "南翼街道", "社区", ""),
        ("230402004", "光明街道", "STREET", "230405"),
        ("2304020", "七位", "", ""),
        ("230402005", "胜利街道", "村庄", ""),
        ("230402006", "", "", ""),
    ]

    summary = bring_rows(district, "regions", tmp_path, rows)

    assert said(summary) == [
        (3, "bad-value"),
        (4, "unknown-parent"),
        (5, "bad-code"),
        (6, "bad-value"),
        (7, "missing-value"),
    ]
    assert "7 digits" in summary.problems[2].message


def test_importing_again_changes_nothing_and_a_new_name_is_taken(
    district: Connection, tmp_path: Path
) -> None:
    rows = [("code", "name"), ("230402", "向阳区"), (COMMUNITY, "梧桐新社区")]

    assert counts(bring_rows(district, "regions", tmp_path, rows)) == (0, 1, 1)
    assert counts(bring_rows(district, "regions", tmp_path, rows)) == (0, 0, 2)
    assert found(district, f"SELECT name FROM regions WHERE code = '{COMMUNITY}'") == [
        ("梧桐新社区",)
    ]


def test_an_outline_is_replaced_by_another_and_never_erased(
    district: Connection, tmp_path: Path
) -> None:
    def outlined(geometry: object) -> list[dict[str, object]]:
        properties = {"code": COMMUNITY, "name": "梧桐社区"}
        return [{"type": "Feature", "properties": properties, "geometry": geometry}]

    area = "SELECT ST_Area(boundary), source_datum FROM regions WHERE boundary IS NOT NULL"
    one, two = polygon(cell(0)), polygon(cell(0, east=0.005))

    assert counts(bring_features(district, "regions", tmp_path, outlined(one))) == (0, 1, 0)
    assert counts(bring_features(district, "regions", tmp_path, outlined(one))) == (0, 0, 1)
    assert counts(bring_features(district, "regions", tmp_path, outlined(None))) == (0, 0, 1)
    assert found(district, area) == [(pytest.approx(0.00002), "WGS84")]
    assert counts(bring_features(district, "regions", tmp_path, outlined(two))) == (0, 1, 0)
    assert found(district, area) == [(pytest.approx(0.00004), "WGS84")]


def test_only_regions_with_outlines_need_a_datum(district: Connection, tmp_path: Path) -> None:
    rows = [("code", "name"), ("230402002", "红军街道")]
    assert counts(bring_rows(district, "regions", tmp_path, rows, datum=None)) == (1, 0, 0)

    feature = {
        "type": "Feature",
        "properties": {"code": "230402", "name": "向阳区"},
        "geometry": polygon(cell(0)),
    }
    with pytest.raises(Invalid, match="--datum"):
        bring_features(district, "regions", tmp_path, [feature], datum=None)


def test_free_codes_find_their_district_up_their_parents(
    district: Connection, tmp_path: Path
) -> None:
    rows = [
        ("code", "name", "level", "parent"),
        ("v-1", "village", "COMMUNITY", "t-1"),
        ("t-1", "town", "STREET", "c-1"),
        ("c-1", "county", "", ""),
        ("w-1", "ward", "COMMUNITY", "230402001"),
        ("alone", "alone", "COMMUNITY", ""),
    ]

    summary = bring_rows(district, "regions", tmp_path, rows, code_scheme="free")

    assert counts(summary) == (5, 0, 0)
    assert found(
        district,
        "SELECT code, level, district_code FROM regions WHERE code ~ '^[a-z]' ORDER BY code",
    ) == [
        ("alone", "COMMUNITY", "alone"),
        ("c-1", "DISTRICT", "c-1"),
        ("t-1", "STREET", "c-1"),
        ("v-1", "COMMUNITY", "c-1"),
        ("w-1", "COMMUNITY", "230402"),
    ]
    # Without the columns, what is kept stays.
    shorter = [row[:2] for row in rows]
    again = bring_rows(district, "regions", tmp_path, shorter, code_scheme="free")
    assert counts(again) == (0, 0, 5)


def test_parents_in_a_circle_are_refused(district: Connection, tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "circle.csv", [("code", "name", "parent"), ("a", "a", "b"), ("b", "b", "a")]
    )

    summary = bring(district, "regions", path, code_scheme="free")

    assert said(summary) == [(2, "unknown-parent"), (3, "unknown-parent")]
