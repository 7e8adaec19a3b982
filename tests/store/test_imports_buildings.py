"""Buildings keep the position they were given, and a history of how they are managed."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely import wkt
from sqlalchemy import Connection

from gridmap.errors import Invalid
from gridmap.geo.datums import Datum, from_wgs84
from gridmap.geo.problems import Severity
from tests.store.importing import (
    COMMUNITY,
    FIRST_DAY,
    LATER,
    bring_features,
    bring_rows,
    building,
    cell,
    counts,
    found,
    grid,
    polygon,
    said,
)

MODES = "SELECT building_code, mode, valid_from, valid_to FROM building_managements ORDER BY 1, 3"
CODE = f"{COMMUNITY}00001"


@pytest.fixture
def gridded(district: Connection, tmp_path: Path) -> Connection:
    """The district with grids 1 and 2."""
    bring_features(district, "grids", tmp_path, [grid(1), grid(2)])
    return district


def test_a_table_with_chinese_headings_and_positions_comes_in(
    gridded: Connection, tmp_path: Path
) -> None:
    rows = [
        ("楼栋编码", "楼栋名称", "小区", "户数", "管理方式", "经度", "纬度", "备注"),
        (CODE, "1号楼", "平安小区", 24, "社区领办", 130.2575, 47.332, "无"),
        (f"{COMMUNITY}00002", "2号楼", "", 36, "无", "130.2625", "47.332", ""),
    ]

    summary = bring_rows(gridded, "buildings", tmp_path, rows)

    assert counts(summary) == (2, 0, 0)
    assert summary.problems == ()
    assert summary.ignored_columns == ("备注",)
    assert found(
        gridded,
        "SELECT district_code, code, community_code, name, compound, households "
        "FROM buildings ORDER BY code",
    ) == [
        ("230402", CODE, COMMUNITY, "1号楼", "平安小区", 24),
        ("230402", f"{COMMUNITY}00002", COMMUNITY, "2号楼", None, 36),
    ]
    assert found(
        gridded,
        "SELECT ST_X(location), ST_Y(location), source_datum, source_longitude, source_latitude "
        "FROM buildings ORDER BY code",
    ) == [
        (130.2575, 47.332, "WGS84", 130.2575, 47.332),
        (130.2625, 47.332, "WGS84", 130.2625, 47.332),
    ]
    assert found(gridded, MODES) == [(CODE, "COMMUNITY_LED", FIRST_DAY, None)]


@pytest.mark.parametrize("datum", [Datum.GCJ02, Datum.BD09])
def test_a_shifted_position_is_kept_as_given_beside_the_true_one(
    gridded: Connection, tmp_path: Path, datum: Datum
) -> None:
    true = np.array([[130.2575, 47.332]])
    ((longitude, latitude),) = from_wgs84(true, datum).tolist()
    rows = [
        ("code", "name", "households", "longitude", "latitude"),
        (CODE, "1号楼", 24, longitude, latitude),
    ]

    summary = bring_rows(gridded, "buildings", tmp_path, rows, datum=datum)

    assert summary.problems == ()  # not even outside every grid
    ((x, y, *source),) = found(
        gridded,
        "SELECT ST_X(location), ST_Y(location), source_datum, source_longitude, source_latitude "
        "FROM buildings",
    )
    assert (x, y) == (pytest.approx(130.2575, abs=1e-9), pytest.approx(47.332, abs=1e-9))
    assert source == [str(datum), longitude, latitude]
    # The same place told in another datum is no change.
    assert counts(bring_features(gridded, "buildings", tmp_path, [building(1)])) == (0, 0, 1)


def test_importing_again_changes_nothing_and_a_difference_is_taken(
    gridded: Connection, tmp_path: Path
) -> None:
    both = [building(1, compound="平安小区"), building(2)]
    assert counts(bring_features(gridded, "buildings", tmp_path, both)) == (2, 0, 0)
    assert counts(bring_features(gridded, "buildings", tmp_path, both)) == (0, 0, 2)

    more = [building(1, households=30, compound="平安小区"), building(2)]
    assert counts(bring_features(gridded, "buildings", tmp_path, more)) == (0, 1, 1)
    assert found(gridded, "SELECT households FROM buildings ORDER BY code") == [(30,), (24,)]


def test_a_column_that_is_absent_keeps_and_one_that_is_empty_erases(
    gridded: Connection, tmp_path: Path
) -> None:
    compounds = "SELECT compound FROM buildings"
    bring_features(gridded, "buildings", tmp_path, [building(1, compound="平安小区")])

    assert counts(bring_features(gridded, "buildings", tmp_path, [building(1)])) == (0, 0, 1)
    assert found(gridded, compounds) == [("平安小区",)]
    emptied = [building(1, compound=None)]
    assert counts(bring_features(gridded, "buildings", tmp_path, emptied)) == (0, 1, 0)
    assert found(gridded, compounds) == [(None,)]


@pytest.mark.parametrize("written", ["wkt", "geojson"])
def test_a_footprint_comes_as_text_is_replaced_and_never_erased(
    gridded: Connection, tmp_path: Path, written: str
) -> None:
    def footprint(east: float) -> str:
        ring = [[130.257, 47.3318], [130.258 + east, 47.3318], [130.258, 47.3322]]
        ring.append(ring[0])
        if written == "geojson":
            return str(polygon(ring)).replace("'", '"')
        return "POLYGON ((" + ", ".join(f"{x} {y}" for x, y in ring) + "))"

    def bring_with(text: str | None) -> tuple[int, int, int]:
        return counts(bring_features(gridded, "buildings", tmp_path, [building(1, footprint=text)]))

    assert bring_with(None) == (1, 0, 0)
    assert bring_with(footprint(0)) == (0, 1, 0)
    assert bring_with(footprint(0)) == (0, 0, 1)
    assert bring_with(None) == (0, 0, 1)
    assert bring_with(footprint(0.0001)) == (0, 1, 0)
    ((outline,),) = found(gridded, "SELECT ST_AsText(footprint) FROM buildings")
    assert wkt.loads(outline).bounds == pytest.approx((130.257, 47.3318, 130.2581, 47.3322))


def test_a_building_drawn_as_a_polygon_has_a_footprint_and_a_point_on_it(
    gridded: Connection, tmp_path: Path
) -> None:
    drawn = {**building(1), "geometry": polygon(cell(1))}

    summary = bring_features(gridded, "buildings", tmp_path, [drawn, building(2)])

    assert counts(summary) == (2, 0, 0)
    assert found(
        gridded,
        "SELECT ST_Contains(footprint, location), "
        "(source_longitude, source_latitude) = (ST_X(location), ST_Y(location)) "
        "FROM buildings ORDER BY code",
    ) == [(True, True), (None, True)]


def test_a_building_outside_every_grid_is_warned_of_and_kept(
    gridded: Connection, tmp_path: Path
) -> None:
    summary = bring_features(gridded, "buildings", tmp_path, [building(1), building(9)])

    assert counts(summary) == (2, 0, 0)
    assert [(p.row, p.kind, p.severity) for p in summary.problems] == [
        (2, "outside-grids", Severity.WARNING)
    ]


def test_faults_are_named_and_nothing_is_written(gridded: Connection, tmp_path: Path) -> None:
    rows: list[tuple[Any, ...]] = [
        ("code", "name", "households", "lng", "lat", "管理模式", "footprint"),
        (CODE, "a", "24户", 130.2575, 47.332, "", ""),
        (f"{COMMUNITY}00002", "b", 24, "", 47.332, "", ""),
        (f"{COMMUNITY}00003", "c", 24, 47.332, 130.2575, "", ""),
        (f"{COMMUNITY}00004", "d", 24, "东", 47.332, "", ""),
        (f"{COMMUNITY}00005", "e", 24, 130.2575, 47.332, "随便", ""),
        (f"{COMMUNITY}00006", "f", 24, 130.2575, 47.332, "", "POINT (1 2)"),
        (f"{COMMUNITY}007", "g", 24, 130.2575, 47.332, "", ""),
        ("23040200199900008", "h", 24, 130.2575, 47.332, "", ""),
        (CODE, "i", -1, 130.2575, 47.332, "", ""),
    ]

    summary = bring_rows(gridded, "buildings", tmp_path, rows)

    assert said(summary) == [
        (2, "bad-value"),
        (3, "missing-value"),
        (4, "swapped-coordinates"),
        (5, "bad-value"),
        (6, "bad-value"),
        (7, "wrong-geometry-type"),
        (8, "bad-code"),
        (9, "unknown-parent"),
        (10, "bad-value"),
        (10, "duplicate-code"),
    ]
    assert summary.problems[1].message == "lng is empty"
    assert "社区领办" in summary.problems[4].message
    assert found(gridded, "SELECT count(*) FROM buildings") == [(0,)]


def test_positions_must_be_somewhere(gridded: Connection, tmp_path: Path) -> None:
    rows = [("code", "name", "households"), (CODE, "1号楼", 24)]

    with pytest.raises(
        Invalid, match=r"columns longitude and latitude.*--map longitude=经度 --map latitude=纬度"
    ):
        bring_rows(gridded, "buildings", tmp_path, rows)
    half = [(*rows[0], "经度"), (*rows[1], 130.2575)]
    with pytest.raises(Invalid, match=r"no column latitude\. .*--map latitude=纬度"):
        bring_rows(gridded, "buildings", tmp_path, half)
    with pytest.raises(Invalid, match="--datum"):
        bring_rows(gridded, "buildings", tmp_path, rows, datum=None)


def test_a_row_without_a_number_is_refused_once_and_its_columns_are_named(
    gridded: Connection, tmp_path: Path
) -> None:
    rows: list[tuple[Any, ...]] = [
        ("code", "name", "households", "经度", "纬度"),
        (CODE, "a", 24, "", ""),
        (f"{COMMUNITY}00002", "b", 24, "", "北"),
        (f"{COMMUNITY}00003", "c", 24, "东", "北"),
    ]

    summary = bring_rows(gridded, "buildings", tmp_path, rows)

    assert [(p.row, p.message.split(" ")[0], str(p.kind)) for p in summary.problems] == [
        (2, "经度", "missing-value"),
        (3, "纬度", "bad-value"),
        (3, "经度", "missing-value"),
        (4, "经度", "bad-value"),
        (4, "纬度", "bad-value"),
    ]
    assert summary.problems[0].message == "经度 and 纬度 are empty"
    # Of a layer, it is the geometry that is missing.
    undrawn = bring_features(gridded, "buildings", tmp_path, [{**building(1), "geometry": None}])
    assert said(undrawn) == [(1, "null-geometry")]


def test_positions_written_as_text_come_in(gridded: Connection, tmp_path: Path) -> None:
    rows: list[tuple[Any, ...]] = [
        ("code", "name", "households", "经度", "纬度"),
        (CODE, "a", "２４", " 130.2575 ", "北纬47.332"),
        (f"{COMMUNITY}00002", "b", 24, "１３０．２５７５°Ｅ", "47.332°N"),
    ]

    assert counts(bring_rows(gridded, "buildings", tmp_path, rows)) == (2, 0, 0)
    assert found(gridded, "SELECT DISTINCT ST_X(location), ST_Y(location) FROM buildings") == [
        (130.2575, 47.332)
    ]


def test_a_mode_is_closed_by_the_next_and_by_none(gridded: Connection, tmp_path: Path) -> None:
    last = LATER + datetime.timedelta(days=90)

    def manage(mode: str | None, day: datetime.date) -> tuple[int, int, int]:
        return counts(
            bring_features(
                gridded,
                "buildings",
                tmp_path,
                [building(1, management_mode=mode)],
                valid_from=day,
            )
        )

    assert manage("COMMUNITY_LED", FIRST_DAY) == (1, 0, 0)
    assert manage("COMMUNITY_LED", LATER) == (0, 0, 1)
    assert manage("专业引进", LATER) == (0, 1, 0)
    assert manage("无", last) == (0, 1, 0)
    assert manage(None, last) == (0, 0, 1)
    assert found(gridded, MODES) == [
        (CODE, "COMMUNITY_LED", FIRST_DAY, LATER),
        (CODE, "PROFESSIONAL", LATER, last),
    ]
    # A file without the column says nothing of it, and a building may be managed again.
    assert counts(bring_features(gridded, "buildings", tmp_path, [building(1)])) == (0, 0, 1)
    assert manage("底线保洁", last) == (0, 1, 0)
    assert found(gridded, MODES)[2:] == [(CODE, "BASELINE_CLEANING", last, None)]


def test_a_mode_of_the_same_day_is_corrected_and_an_earlier_one_refused(
    gridded: Connection, tmp_path: Path
) -> None:
    def managed(mode: str | None, day: datetime.date) -> list[dict[str, Any]]:
        return [building(1, management_mode=mode, management_from=str(day))]

    bring_features(gridded, "buildings", tmp_path, managed("PROFESSIONAL", LATER))

    early = bring_features(gridded, "buildings", tmp_path, managed("SELF_MANAGED", FIRST_DAY))
    assert said(early) == [(1, "date-conflict")]
    assert str(FIRST_DAY) in early.problems[0].message
    assert str(LATER) in early.problems[0].message

    same_day = managed("SELF_MANAGED", LATER)
    assert counts(bring_features(gridded, "buildings", tmp_path, same_day)) == (0, 1, 0)
    assert found(gridded, MODES) == [(CODE, "SELF_MANAGED", LATER, None)]
    assert counts(bring_features(gridded, "buildings", tmp_path, managed(None, LATER))) == (0, 1, 0)
    assert found(gridded, MODES) == []


def managed(*changes: tuple[str | None, datetime.date | None]) -> list[dict[str, Any]]:
    """Building 1 once for each mode and the day it begins."""
    return [
        building(1, management_mode=mode, management_from=day and str(day)) for mode, day in changes
    ]


def test_a_mode_is_compared_with_the_one_of_its_day_and_not_with_a_planned_one(
    gridded: Connection, tmp_path: Path
) -> None:
    planned = datetime.date(2999, 1, 1)
    led, professional = ("COMMUNITY_LED", FIRST_DAY), ("PROFESSIONAL", planned)
    bring_features(gridded, "buildings", tmp_path, managed(led))
    assert counts(bring_features(gridded, "buildings", tmp_path, managed(professional))) == (
        0,
        1,
        0,
    )

    for same in (led, professional, ("COMMUNITY_LED", None), ("COMMUNITY_LED", LATER)):
        assert counts(bring_features(gridded, "buildings", tmp_path, managed(same))) == (0, 0, 1)
    for earlier in ("SELF_MANAGED", None):
        other = bring_features(gridded, "buildings", tmp_path, managed((earlier, LATER)))
        assert said(other) == [(1, "date-conflict")]
        # Whoever follows the advice is not refused again.
        (day,) = re.findall(r"management_from of (\S+) or later", other.problems[0].remedy)
        assert day == str(planned)
    assert counts(
        bring_features(gridded, "buildings", tmp_path, managed(("SELF_MANAGED", planned)))
    ) == (0, 1, 0)
    assert found(gridded, MODES) == [
        (CODE, "COMMUNITY_LED", FIRST_DAY, planned),
        (CODE, "SELF_MANAGED", planned, None),
    ]


def test_a_building_has_a_row_for_each_change_of_its_management(
    gridded: Connection, tmp_path: Path
) -> None:
    days = [FIRST_DAY + datetime.timedelta(days=30 * number) for number in range(5)]
    rows = managed(
        ("PROFESSIONAL", days[3]),
        ("COMMUNITY_LED", days[0]),
        (None, days[1]),
        ("COMMUNITY_LED", days[2]),
    )
    modes = [
        (CODE, "COMMUNITY_LED", days[0], days[1]),
        (CODE, "COMMUNITY_LED", days[2], days[3]),
        (CODE, "PROFESSIONAL", days[3], None),
    ]

    assert counts(bring_features(gridded, "buildings", tmp_path, rows)) == (4, 0, 0)
    assert found(gridded, "SELECT count(*) FROM buildings") == [(1,)]
    assert found(gridded, MODES) == modes
    assert counts(bring_features(gridded, "buildings", tmp_path, rows)) == (0, 0, 4)
    more = [*rows, *managed(("UNMANAGED", days[4]))]
    assert counts(bring_features(gridded, "buildings", tmp_path, more)) == (0, 1, 4)
    assert found(gridded, MODES) == [*modes[:2], (CODE, "PROFESSIONAL", days[3], days[4])]


def test_a_mode_that_is_resumed_on_the_day_it_ended_has_not_ended(
    gridded: Connection, tmp_path: Path
) -> None:
    led = ("COMMUNITY_LED", FIRST_DAY)
    for change in (led, ("PROFESSIONAL", LATER), ("COMMUNITY_LED", LATER)):
        bring_features(gridded, "buildings", tmp_path, managed(change))
    assert found(gridded, MODES) == [(CODE, *led, None)]

    bring_features(gridded, "buildings", tmp_path, managed((None, LATER)))
    assert found(gridded, MODES) == [(CODE, *led, LATER)]
    bring_features(gridded, "buildings", tmp_path, managed(("COMMUNITY_LED", LATER)))
    assert found(gridded, MODES) == [(CODE, *led, None)]


def test_rows_of_one_building_differ_in_nothing_but_its_management(
    gridded: Connection, tmp_path: Path
) -> None:
    first, second = managed(("COMMUNITY_LED", FIRST_DAY), ("PROFESSIONAL", LATER))
    renamed = {**second, "properties": {**second["properties"], "name": "2号楼"}}
    moved = {**second, "geometry": building(2)["geometry"]}

    for other, kind in ((renamed, "bad-value"), (moved, "bad-value"), (first, "duplicate-code")):
        summary = bring_features(gridded, "buildings", tmp_path, [first, other])
        assert said(summary) == [(2, kind)]
    # Where the file says nothing of management, a building has one row.
    plain = bring_features(gridded, "buildings", tmp_path, [building(1), building(1)])
    assert said(plain) == [(2, "duplicate-code")]
    dated = [building(1, management_from=str(day)) for day in (FIRST_DAY, LATER)]
    plain = bring_features(gridded, "buildings", tmp_path, dated)
    assert said(plain) == [(2, "duplicate-code")]


DAYS = st.integers(0, 5).map(lambda number: FIRST_DAY + datetime.timedelta(days=number))
CHANGES = st.dictionaries(
    DAYS, st.sampled_from(["COMMUNITY_LED", "PROFESSIONAL", None]), min_size=1, max_size=4
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(CHANGES, min_size=1, max_size=3))
def test_each_day_has_the_mode_of_the_last_change_before_it(
    gridded: Connection, tmp_path: Path, files: list[dict[datetime.date, str | None]]
) -> None:
    book: dict[datetime.date, str | None] = {}

    def mode_on(changes: dict[datetime.date, str | None], day: datetime.date) -> str | None:
        before = [each for each in changes if each <= day]
        return changes[max(before)] if before else None

    with gridded.begin_nested() as savepoint:
        for changes in files:
            rows = managed(*((mode, day) for day, mode in changes.items()))
            summary = bring_features(gridded, "buildings", tmp_path, rows)
            newest = max(book, default=FIRST_DAY)
            assert summary.written is not any(
                day < newest and mode != mode_on(book, day) for day, mode in changes.items()
            )
            if summary.written:
                both = {**book, **changes}
                day_before = datetime.timedelta(days=-1)
                book = {
                    day: mode
                    for day, mode in both.items()
                    if mode != mode_on(both, day + day_before)
                }
            for number in range(7):
                day = FIRST_DAY + datetime.timedelta(days=number)
                holding = found(
                    gridded,
                    "SELECT mode FROM building_managements WHERE valid_from <= '"
                    f"{day}' AND (valid_to IS NULL OR valid_to > '{day}')",
                )
                mode = mode_on(book, day)
                assert holding == ([(mode,)] if mode else [])
        savepoint.rollback()


def test_free_codes_join_the_region_of_free_grids(gridded: Connection, tmp_path: Path) -> None:
    summary = bring_features(
        gridded, "buildings", tmp_path, [building(1, code="House-7")], code_scheme="free"
    )

    assert counts(summary) == (1, 0, 0)
    assert found(gridded, "SELECT district_code, community_code FROM buildings") == [
        ("foreign", "foreign")
    ]
