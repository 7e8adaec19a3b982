"""Grids come in whole or not at all, and their changes become dated versions."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pytest
import shapely
from sqlalchemy import Connection

from gridmap.errors import Invalid
from gridmap.geo.datums import Datum, from_wgs84
from gridmap.geo.problems import Severity
from gridmap.store.imports import ImportOptions
from tests.store.importing import (
    COMMUNITY,
    FIRST_DAY,
    LATER,
    OTHER_COMMUNITY,
    bring_features,
    bring_rows,
    cell,
    counts,
    found,
    grid,
    polygon,
    said,
)

VERSIONS = "SELECT code, valid_from, valid_to FROM grids ORDER BY code, valid_from"


def test_new_grids_are_added_with_their_community_and_district(
    district: Connection, tmp_path: Path
) -> None:
    summary = bring_features(district, "grids", tmp_path, [grid(1), grid(2)])

    assert counts(summary) == (2, 0, 0)
    assert summary.problems == ()
    assert found(
        district,
        "SELECT district_code, code, community_code, name, source_datum, valid_from, valid_to, "
        "ST_AsText(boundary) FROM grids ORDER BY code",
    ) == [
        (
            "230402",
            f"{COMMUNITY}{number:03}",
            COMMUNITY,
            f"第{number}网格",
            "WGS84",
            FIRST_DAY,
            None,
            shapely.MultiPolygon([shapely.Polygon(cell(number))])
            .wkt.replace(", ", ",")
            .replace("MULTIPOLYGON ", "MULTIPOLYGON"),
        )
        for number in (1, 2)
    ]


def test_importing_the_same_file_again_changes_nothing(
    district: Connection, tmp_path: Path
) -> None:
    features = [grid(1), grid(2)]
    bring_features(district, "grids", tmp_path, features)
    before = found(district, VERSIONS)

    again = bring_features(district, "grids", tmp_path, features, valid_from=LATER)

    assert counts(again) == (0, 0, 2)
    assert found(district, VERSIONS) == before


def test_a_changed_outline_makes_a_new_version_and_closes_the_old_one(
    district: Connection, tmp_path: Path
) -> None:
    bring_features(district, "grids", tmp_path, [grid(1), grid(3)])

    summary = bring_features(
        district, "grids", tmp_path, [grid(1, cell(1, east=0.001)), grid(3)], valid_from=LATER
    )

    assert counts(summary) == (0, 1, 1)
    assert found(district, VERSIONS) == [
        (f"{COMMUNITY}001", FIRST_DAY, LATER),
        (f"{COMMUNITY}001", LATER, None),
        (f"{COMMUNITY}003", FIRST_DAY, None),
    ]


def test_a_changed_name_makes_a_new_version(district: Connection, tmp_path: Path) -> None:
    bring_features(district, "grids", tmp_path, [grid(1)])

    renamed = [grid(1, name="改名")]

    assert counts(bring_features(district, "grids", tmp_path, renamed, valid_from=LATER)) == (
        0,
        1,
        0,
    )
    assert found(district, "SELECT name FROM grids ORDER BY valid_from") == [
        ("第1网格",),
        ("改名",),
    ]


def test_a_community_that_is_not_the_codes_is_refused(district: Connection, tmp_path: Path) -> None:
    summary = bring_features(
        district,
        "grids",
        tmp_path,
        [grid(1, community=OTHER_COMMUNITY), grid(2, community=COMMUNITY)],
    )

    assert said(summary) == [(1, "unknown-parent")]
    assert COMMUNITY in summary.problems[0].message
    assert OTHER_COMMUNITY in summary.problems[0].message


def test_a_change_on_the_day_the_version_began_corrects_it_in_place(
    district: Connection, tmp_path: Path
) -> None:
    bring_features(district, "grids", tmp_path, [grid(1)])

    summary = bring_features(district, "grids", tmp_path, [grid(1, cell(1, east=0.001))])

    assert counts(summary) == (0, 1, 0)
    assert found(district, VERSIONS) == [(f"{COMMUNITY}001", FIRST_DAY, None)]
    assert found(district, "SELECT ST_XMax(boundary) FROM grids") == [
        (max(x for x, _ in cell(1, east=0.001)),)
    ]


def test_a_change_before_the_newest_version_is_refused_and_names_both_days(
    district: Connection, tmp_path: Path
) -> None:
    bring_features(district, "grids", tmp_path, [grid(1)], valid_from=LATER)

    summary = bring_features(district, "grids", tmp_path, [grid(1, name="改名")])

    assert said(summary) == [(1, "date-conflict")]
    assert str(FIRST_DAY) in summary.problems[0].message
    assert str(LATER) in summary.problems[0].message
    assert not summary.written


def test_an_earlier_version_given_again_changes_nothing(
    district: Connection, tmp_path: Path
) -> None:
    bring_features(district, "grids", tmp_path, [grid(1)])
    bring_features(district, "grids", tmp_path, [grid(1, name="改名")], valid_from=LATER)

    summary = bring_features(district, "grids", tmp_path, [grid(1, valid_from=str(FIRST_DAY))])

    assert counts(summary) == (0, 0, 1)


def test_a_grid_may_be_ended_and_begun_anew(district: Connection, tmp_path: Path) -> None:
    bring_features(district, "grids", tmp_path, [grid(1)])
    ending = [grid(1, valid_to=str(LATER))]
    day_after = LATER + datetime.timedelta(days=30)

    assert counts(bring_features(district, "grids", tmp_path, ending)) == (0, 1, 0)
    assert counts(bring_features(district, "grids", tmp_path, ending)) == (0, 0, 1)
    # Long after, the file that ended it still changes nothing; one that does not end it revives it.
    assert counts(bring_features(district, "grids", tmp_path, ending, valid_from=day_after)) == (
        0,
        0,
        1,
    )
    assert counts(bring_features(district, "grids", tmp_path, [grid(1)], valid_from=day_after)) == (
        0,
        1,
        0,
    )
    assert found(district, VERSIONS) == [
        (f"{COMMUNITY}001", FIRST_DAY, LATER),
        (f"{COMMUNITY}001", day_after, None),
    ]


def test_a_grid_that_ends_before_it_begins_is_refused(district: Connection, tmp_path: Path) -> None:
    summary = bring_features(
        district,
        "grids",
        tmp_path,
        [
            grid(1, valid_from="2024-05-01", valid_to="2024-05-01"),
            grid(2, valid_to="2023-12-31"),
        ],
    )

    assert said(summary) == [(1, "date-conflict"), (2, "date-conflict")]


def test_grids_that_overlap_are_refused_at_the_later_row(
    district: Connection, tmp_path: Path
) -> None:
    summary = bring_features(
        district, "grids", tmp_path, [grid(1, cell(1, east=0.001)), grid(5), grid(2)]
    )

    assert said(summary) == [(3, "overlap")]
    assert f"grid {COMMUNITY}001 of row 1" in summary.problems[0].message
    assert found(district, VERSIONS) == []


def test_a_sliver_narrower_than_the_tolerance_is_let_pass(
    district: Connection, tmp_path: Path
) -> None:
    # 0.00001 degrees are 0.75 m here.
    sliver = [grid(1, cell(1, east=0.00001)), grid(2)]

    strict = bring_features(
        district, "grids", tmp_path, sliver, sliver_tolerance_metres=0.5, dry_run=True
    )

    assert said(strict) == [(2, "overlap")]
    assert counts(bring_features(district, "grids", tmp_path, sliver)) == (2, 0, 0)


@pytest.mark.parametrize("tolerance", [-1.0, float("nan"), float("inf")])
def test_a_tolerance_is_a_length(tolerance: float) -> None:
    with pytest.raises(Invalid, match=r"--sliver-tolerance .* is no length"):
        ImportOptions(sliver_tolerance_metres=tolerance)


def test_a_grid_must_not_overlap_one_that_is_kept(district: Connection, tmp_path: Path) -> None:
    bring_features(district, "grids", tmp_path, [grid(1), grid(2)])

    grown = [grid(2, cell(2, east=0.001)), grid(3)]
    assert said(bring_features(district, "grids", tmp_path, grown, valid_from=LATER)) == [
        (2, "overlap")
    ]
    # Beside a kept one that the file does not name:
    shifted = bring_features(
        district, "grids", tmp_path, [grid(3, cell(1, east=-0.001))], valid_from=LATER
    )
    assert said(shifted) == [(1, "overlap")]
    assert f"the kept grid {COMMUNITY}001" in shifted.problems[0].message


def test_a_grid_may_take_the_place_of_one_that_has_ended(
    district: Connection, tmp_path: Path
) -> None:
    bring_features(district, "grids", tmp_path, [grid(1, valid_to=str(LATER))])

    successor = grid(7, cell(1))

    early = bring_features(district, "grids", tmp_path, [successor])
    assert said(early) == [(1, "overlap")]
    assert counts(bring_features(district, "grids", tmp_path, [successor], valid_from=LATER)) == (
        1,
        0,
        0,
    )


def test_every_kind_of_fault_is_named_with_its_row_and_nothing_is_written(
    district: Connection, tmp_path: Path
) -> None:
    features = [
        grid(1),
        grid(
            2, [[130.26, 47.33], [130.27, 47.34], [130.27, 47.33], [130.26, 47.34], [130.26, 47.33]]
        ),
        {**grid(3), "geometry": None},
        {**grid(4), "geometry": {"type": "Point", "coordinates": [130.3, 47.3]}},
        grid(5, [[y, x] for x, y in cell(5)]),
        grid(6, [[x - 120, y] for x, y in cell(6)]),
        grid(7, cell(7)[:-1]),
        grid(8, name=None),
        grid(9, code=f"{COMMUNITY}09"),
        grid(1, cell(10)),
        grid(11, code="230402001999001"),
        grid(12, valid_from="gestern"),
        grid(13, code=None),
        {**grid(14), "geometry": {"type": "Polygon", "coordinates": []}},
    ]

    summary = bring_features(district, "grids", tmp_path, features)

    assert said(summary) == [
        (2, "self-crossing"),
        (3, "null-geometry"),
        (4, "wrong-geometry-type"),
        (5, "swapped-coordinates"),
        (6, "outside-china"),
        (7, "unclosed-ring"),
        (8, "missing-value"),
        (9, "bad-code"),
        (10, "duplicate-code"),
        (11, "unknown-parent"),
        (12, "bad-value"),
        (13, "missing-value"),
        (14, "empty-geometry"),
    ]
    assert all(problem.message and problem.remedy for problem in summary.problems)
    assert summary.problems[8].code == f"{COMMUNITY}001"
    assert "row 1" in summary.problems[8].message
    assert "gestern" in summary.problems[10].message
    assert not summary.written
    assert found(district, VERSIONS) == []


def test_repair_mends_what_can_be_mended_and_says_so(district: Connection, tmp_path: Path) -> None:
    features = [grid(1, cell(1)[:-1]), grid(2, [[y, x] for x, y in cell(2)]), grid(3)]

    summary = bring_features(district, "grids", tmp_path, features, repair=True)

    assert counts(summary) == (3, 0, 0)
    assert summary.repaired == 2
    assert {problem.severity for problem in summary.problems} == {Severity.REPAIRED}
    assert (
        found(
            district,
            "SELECT code FROM grids WHERE ST_Contains(boundary, ST_Point(130.2525, 47.332, 4326))",
        )
        == []
    )
    assert found(
        district,
        "SELECT code FROM grids WHERE ST_Contains(boundary, ST_Point(130.2625, 47.332, 4326))",
    ) == [(f"{COMMUNITY}002",)]


def test_a_dry_run_counts_and_checks_but_writes_nothing(
    district: Connection, tmp_path: Path
) -> None:
    bring_features(district, "grids", tmp_path, [grid(1)])
    before = found(district, VERSIONS), found(district, "SELECT * FROM imports")

    summary = bring_features(
        district,
        "grids",
        tmp_path,
        [grid(1, name="改名"), grid(2)],
        valid_from=LATER,
        dry_run=True,
    )

    assert (summary.counts.added, summary.counts.changed) == (1, 1)
    assert not summary.written
    assert (found(district, VERSIONS), found(district, "SELECT * FROM imports")) == before


def test_the_datum_must_be_said(district: Connection, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="--datum"):
        bring_features(district, "grids", tmp_path, [grid(1)], datum=None)


def test_outlines_in_a_shifted_datum_are_kept_in_wgs84_and_match_on_the_next_import(
    district: Connection, tmp_path: Path
) -> None:
    bring_features(district, "grids", tmp_path, [grid(1)])
    shifted = from_wgs84(np.array(cell(1)), Datum.GCJ02).tolist()

    summary = bring_features(
        district, "grids", tmp_path, [grid(1, shifted)], datum=Datum.GCJ02, valid_from=LATER
    )

    assert counts(summary) == (0, 0, 1)


def test_grids_may_come_as_a_table_with_wkt(district: Connection, tmp_path: Path) -> None:
    rows = [
        ("网格编码", "网格名称", "所属社区", "边界"),
        (f"{COMMUNITY}001", "第1网格", COMMUNITY, shapely.Polygon(cell(1)).wkt),
        (f"{COMMUNITY}002", "第2网格", COMMUNITY, "POLYGON ((0 0"),
    ]
    summary = bring_rows(district, "grids", tmp_path, rows)
    assert said(summary) == [(3, "unreadable-geometry")]

    assert counts(bring_rows(district, "grids", tmp_path, rows[:2])) == (1, 0, 0)


def test_free_codes_belong_to_a_region_of_their_own(district: Connection, tmp_path: Path) -> None:
    square = polygon([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]])
    features = [
        {"type": "Feature", "properties": {"code": "A/1", "name": "a"}, "geometry": square},
        {"type": "Feature", "properties": {"code": "A/2", "name": "b"}, "geometry": square},
    ]

    summary = bring_features(
        district, "grids", tmp_path, features, code_scheme="free", free_region="elsewhere"
    )

    assert counts(summary) == (2, 0, 0)
    # They make no promise to tile.
    assert [(p.row, p.kind, p.severity) for p in summary.problems] == [
        (2, "overlap", Severity.WARNING)
    ]
    assert found(district, "SELECT DISTINCT district_code, community_code FROM grids") == [
        ("elsewhere", "elsewhere")
    ]
    assert found(
        district, "SELECT name, level, district_code FROM regions WHERE code = 'elsewhere'"
    ) == [("grids", "DISTRICT", "elsewhere")]


def test_free_codes_may_name_a_community(district: Connection, tmp_path: Path) -> None:
    named = [grid(1, code="甲", community=COMMUNITY), grid(2, code="乙", community="2304")]

    summary = bring_features(district, "grids", tmp_path, named, code_scheme="free")
    assert said(summary) == [(2, "unknown-parent")]

    bring_features(district, "grids", tmp_path, named[:1], code_scheme="free")
    assert found(district, "SELECT district_code, community_code, code FROM grids") == [
        ("230402", COMMUNITY, "甲")
    ]


def test_free_codes_may_not_hold_blanks_or_be_endless(district: Connection, tmp_path: Path) -> None:
    features = [grid(1, code="a b"), grid(2, code="x" * 65), grid(3, code="x" * 64)]

    summary = bring_features(district, "grids", tmp_path, features, code_scheme="free")

    assert said(summary) == [(1, "bad-code"), (2, "bad-code")]
