"""A file that was said to be in the wrong datum does not move what is kept, unless it is meant."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pyproj import Geod
from sqlalchemy import Connection

from gridmap.errors import Invalid
from gridmap.geo.datums import Datum, from_wgs84, to_wgs84
from gridmap.geo.problems import Severity
from gridmap.store.imports.datums import shift_between
from tests.store.importing import (
    COMMUNITY,
    LATER,
    OTHER_COMMUNITY,
    Ring,
    bring_features,
    bring_rows,
    building,
    cell,
    counts,
    found,
    grid,
    point,
    said,
)

EARTH = Geod(ellps="WGS84")
NUMBERS = range(1, 9)
SHIFTED = [
    (declared, true)
    for declared in Datum
    for true in Datum
    if declared is not true and (declared.is_shifted or true.is_shifted)
]

places = st.tuples(st.floats(80, 130), st.floats(20, 50), st.integers(1, 30), st.integers(0, 999))


def district_at(place: tuple[float, float, int, int]) -> np.ndarray[Any, Any]:
    """Two corners of each of some grids of some hundred metres, within 2 km."""
    west, south, count, seed = place
    random = np.random.default_rng(seed)
    corners = np.array([west, south]) + random.uniform(0, 0.02, (count, 2))
    return np.stack((corners, corners + random.uniform(0.001, 0.01, (count, 2))), axis=1)


def read_wrongly(points: np.ndarray[Any, Any], true: Datum, declared: Datum) -> Any:
    """Where points of WGS 84 come to lie whose numbers in `true` are taken for `declared`."""
    numbers = from_wgs84(points.reshape(-1, 2), true)
    return to_wgs84(numbers, declared).reshape(points.shape)


def moved(ring: Ring, true: Datum) -> Ring:
    """The numbers in `true` of a ring of WGS 84."""
    numbers: Ring = from_wgs84(np.array(ring), true).tolist()
    return numbers


@given(place=places, datums=st.sampled_from(SHIFTED))
def test_the_datum_that_a_file_was_in_is_named_and_its_shift_measured(
    place: tuple[float, float, int, int], datums: tuple[Datum, Datum]
) -> None:
    declared, true = datums
    kept = district_at(place)
    given_ = read_wrongly(kept, true, declared)
    lengths = EARTH.inv(*kept.reshape(-1, 2).T, *given_.reshape(-1, 2).T)[2]
    assume(lengths.min() > 25)
    # In places two datums are so close to each other that nobody can tell which one it was.
    for other in Datum:
        if other is not true and (other.is_shifted or true.is_shifted):
            alike = read_wrongly(kept, other, declared).reshape(-1, 2)
            apart = EARTH.inv(*given_.reshape(-1, 2).T, *alike.T)[2]
            assume(apart.min() > 100)

    shift = shift_between(given_, [declared] * len(kept), kept, [Datum.WGS84] * len(kept))

    assert shift is not None
    assert (shift.count, shift.is_of_kept) == (len(kept), False)
    assert shift.datum is (true if true.is_shifted else Datum.WGS84)
    assert lengths.min() * 0.8 < np.hypot(shift.east, shift.north) < lengths.max() * 1.2


@given(place=places, datums=st.sampled_from(SHIFTED))
def test_a_right_file_shows_that_what_is_kept_came_in_the_wrong_datum(
    place: tuple[float, float, int, int], datums: tuple[Datum, Datum]
) -> None:
    declared, true = datums
    given_ = district_at(place)
    kept = read_wrongly(given_, true, declared)
    assume(np.abs(kept - given_).max(axis=-1).min() > 0.0005)

    shift = shift_between(given_, [Datum.WGS84] * len(kept), kept, [declared] * len(kept))

    # From GCJ02 to BD09 is as far as from somewhere to WGS 84; else only what is kept explains it.
    assert shift is not None
    assert shift.count == len(kept)
    assert shift.datum is not None


@given(place=places, metres=st.floats(20, 400), seed=st.integers(0, 99))
def test_shapes_that_move_each_its_own_way_have_no_shift_in_common(
    place: tuple[float, float, int, int], metres: float, seed: int
) -> None:
    kept = district_at(place)
    assume(len(kept) >= 4)
    random = np.random.default_rng(seed)
    angles = np.linspace(0, 2 * np.pi, len(kept), endpoint=False) + random.uniform(0, 0.1)
    east, north, _ = EARTH.fwd(
        kept[..., 0], kept[..., 1], np.degrees(angles)[:, None].repeat(2, 1), metres
        * np.ones(kept.shape[:2])
    )  # fmt: skip
    datums = [Datum.WGS84] * len(kept)

    assert shift_between(np.stack((east, north), axis=-1), datums, kept, datums) is None


@pytest.mark.parametrize(("count", "is_shift"), [(4, False), (5, True)])
def test_a_stiff_move_that_no_datum_explains_needs_several_shapes(
    count: int, is_shift: bool
) -> None:
    kept = district_at((130.2, 47.3, count, 1))
    east, north, _ = EARTH.fwd(
        kept[..., 0], kept[..., 1], np.full((count, 2), 300.0), np.full((count, 2), 90.0)
    )
    datums = [Datum.WGS84] * count

    shift = shift_between(np.stack((east, north), axis=-1), datums, kept, datums)

    if not is_shift:
        assert shift is None
        return
    assert shift is not None
    assert (shift.count, shift.datum) == (count, None)
    # 90 m to the west-north-west.
    assert shift.east == pytest.approx(-77.9, abs=1)
    assert shift.north == pytest.approx(45, abs=1)


def test_nothing_that_changed_has_no_shift() -> None:
    assert shift_between(np.empty((0, 2, 2)), [], np.empty((0, 2, 2)), []) is None


@pytest.mark.parametrize("true", [Datum.GCJ02, Datum.BD09])
def test_grids_in_another_datum_than_was_said_are_refused_and_the_datum_is_named(
    district: Connection, tmp_path: Path, true: Datum
) -> None:
    bring_features(district, "grids", tmp_path, [grid(n) for n in NUMBERS])
    # One of them has really been redrawn, and one is new.
    mixed = [grid(n, moved(cell(n), true)) for n in NUMBERS]
    mixed[0] = grid(1, moved(cell(0, row=3), true))
    mixed.append(grid(99, moved(cell(99), true)))
    ((east, north),) = moved([[130.28, 47.33]], true)
    _, _, length = EARTH.inv(130.28, 47.33, east, north)

    summary = bring_features(district, "grids", tmp_path, mixed, valid_from=LATER)

    assert said(summary) == [(0, "wrong-datum")]
    assert not summary.written
    (problem,) = summary.problems
    told = re.match(r"7 of the 8 moved grids lie ([\d,]+) m north-east of", problem.message)
    assert told
    assert float(told[1].replace(",", "")) == pytest.approx(length, rel=0.02)
    assert f"--datum {true}" in problem.remedy
    assert "--trust-positions" in problem.remedy
    right = bring_features(district, "grids", tmp_path, mixed[1:-1], datum=true, valid_from=LATER)
    assert counts(right) == (0, 0, 7)


def test_grids_that_have_really_moved_are_taken_when_that_is_said(
    district: Connection, tmp_path: Path
) -> None:
    bring_features(district, "grids", tmp_path, [grid(n) for n in NUMBERS])
    elsewhere = [grid(n, moved(cell(n), Datum.GCJ02)) for n in NUMBERS]

    summary = bring_features(
        district, "grids", tmp_path, elsewhere, valid_from=LATER, trust_positions=True
    )

    assert counts(summary) == (0, 8, 0)
    # What is kept is now wrong, and the right file shows it.
    back = bring_features(district, "grids", tmp_path, [grid(n) for n in NUMBERS], valid_from=LATER)
    assert said(back) == [(0, "wrong-datum")]
    assert (
        "what is kept came as WGS84 and looks as if it had been GCJ02" in back.problems[0].message
    )
    assert "--datum" not in back.problems[0].remedy


def test_borders_that_are_redrawn_are_no_shift(district: Connection, tmp_path: Path) -> None:
    bring_features(district, "grids", tmp_path, [grid(n) for n in NUMBERS])
    # The road south of all of them has moved by 90 m.
    redrawn = [
        grid(n, [[x, y - 0.0008 if y == min(y for _, y in cell(n)) else y] for x, y in cell(n)])
        for n in NUMBERS
    ]

    assert counts(
        bring_features(district, "grids", tmp_path, redrawn, valid_from=LATER)
    ) == (0, 8, 0)  # fmt: skip


def test_a_stiff_move_by_no_datum_is_refused_too(district: Connection, tmp_path: Path) -> None:
    bring_features(district, "grids", tmp_path, [grid(n) for n in NUMBERS])
    shifted = [grid(n, [[x - 0.001, y] for x, y in cell(n)]) for n in NUMBERS]

    summary = bring_features(district, "grids", tmp_path, shifted, valid_from=LATER)

    assert said(summary) == [(0, "wrong-datum")]
    assert "all 8 moved grids lie 76 m west of where they are kept" in summary.problems[0].message


@pytest.fixture
def peopled(district: Connection, tmp_path: Path) -> Connection:
    """Grids of two communities in a row, each wider than no shift."""
    grids = [grid(n) for n in range(1, 5)]
    grids += [grid(n, code=f"{OTHER_COMMUNITY}{n:03}") for n in range(5, 9)]
    bring_features(district, "grids", tmp_path, grids)
    return district


def houses(true: Datum, per_grid: int = 6) -> list[dict[str, Any]]:
    """Some in the eastern half of each grid, numbered through, at their numbers in `true`."""
    built = []
    for n in NUMBERS:
        (west, south), (east, north) = cell(n)[0], cell(n)[2]
        for i in range(per_grid):
            place = [[west + (east - west) * (0.5 + i / 20), (south + north) / 2]]
            community = COMMUNITY if n < 5 else OTHER_COMMUNITY
            code = f"{community}{n * 100 + i:05}"
            built.append({**building(n, code=code), "geometry": point(*moved(place, true)[0])})
    return built


@pytest.mark.parametrize("true", [Datum.GCJ02, Datum.BD09])
def test_new_buildings_that_another_datum_puts_into_their_own_grids_are_refused_once(
    peopled: Connection, tmp_path: Path, true: Datum
) -> None:
    summary = bring_features(peopled, "buildings", tmp_path, houses(true))

    assert said(summary) == [(0, "wrong-datum")]
    (problem,) = summary.problems
    assert f"read as {true}, 48 would" in problem.message
    assert f"--datum {true}" in problem.remedy
    right = bring_features(peopled, "buildings", tmp_path, houses(true), datum=true, dry_run=True)
    assert (right.problems, right.counts.added) == ((), 48)
    meant = bring_features(peopled, "buildings", tmp_path, houses(true), trust_positions=True)
    assert counts(meant) == (48, 0, 0)
    assert {problem.severity for problem in meant.problems} == {Severity.WARNING}
    # Where they stand is settled then: a file that does not move them need not say it again.
    again = bring_features(peopled, "buildings", tmp_path, houses(true))
    assert counts(again) == (0, 0, 48)


def test_kept_buildings_in_another_datum_than_was_said_are_refused(
    peopled: Connection, tmp_path: Path
) -> None:
    bring_features(peopled, "buildings", tmp_path, houses(Datum.WGS84))

    summary = bring_features(peopled, "buildings", tmp_path, houses(Datum.BD09))

    assert said(summary) == [(0, "wrong-datum")]
    assert "all 48 moved buildings lie" in summary.problems[0].message
    assert "--datum BD09" in summary.problems[0].remedy
    assert found(peopled, "SELECT DISTINCT source_datum FROM buildings") == [("WGS84",)]


def test_one_building_that_moves_as_a_datum_would_is_no_sign_of_one(
    peopled: Connection, tmp_path: Path
) -> None:
    built = houses(Datum.WGS84)
    built[7] = houses(Datum.GCJ02)[7]
    bring_features(peopled, "buildings", tmp_path, built, trust_positions=True)

    summary = bring_features(peopled, "buildings", tmp_path, houses(Datum.WGS84))

    assert counts(summary) == (0, 1, 47)
    assert summary.problems == ()


def test_a_few_new_buildings_are_only_warned_of(peopled: Connection, tmp_path: Path) -> None:
    last = houses(Datum.BD09)[-3:]

    summary = bring_features(peopled, "buildings", tmp_path, last)

    assert counts(summary) == (3, 0, 0)
    assert summary.problems[0].row == 0
    assert summary.problems[0].severity is Severity.WARNING
    assert "read as BD09, 3 would" in summary.problems[0].message


def test_buildings_that_no_datum_puts_right_are_only_warned_of_by_row(
    peopled: Connection, tmp_path: Path
) -> None:
    scattered = [
        building(n, code=f"{COMMUNITY}{n:05}") for n in range(5, 9)
    ] + [building(n, code=f"{COMMUNITY}{n:05}") for n in (1, 2, 20, 30, 40, 50)]  # fmt: skip

    summary = bring_features(peopled, "buildings", tmp_path, scattered)

    assert counts(summary) == (10, 0, 0)
    assert said(summary) == [(row, "outside-grids") for row in (7, 8, 9, 10)]


@pytest.mark.parametrize(
    ("remark", "named"),
    [
        ("WGS84", Datum.WGS84),
        ("wgs-84", Datum.WGS84),
        ("国家2000", Datum.CGCS2000),
        ("CGCS2000", Datum.CGCS2000),
        ("GCJ-02", Datum.GCJ02),
        ("高德", Datum.GCJ02),
        ("BD09", Datum.BD09),
        ("百度坐标", Datum.BD09),
    ],
)
@pytest.mark.parametrize("declared", Datum)
def test_a_heading_that_names_another_datum_is_refused(
    peopled: Connection, tmp_path: Path, remark: str, named: Datum, declared: Datum
) -> None:
    rows = [
        ("code", "name", "households", f"经度（{remark}）", f"纬度（{remark}）"),
        (f"{COMMUNITY}00001", "1号楼", 24, *moved([[130.2575, 47.332]], named)[0]),
    ]

    if declared is named or not (declared.is_shifted or named.is_shifted):
        summary = bring_rows(peopled, "buildings", tmp_path, rows, datum=declared)
        assert counts(summary) == (1, 0, 0)
        return
    with pytest.raises(Invalid, match=f"is in {named} by its name.*--datum {named}"):
        bring_rows(peopled, "buildings", tmp_path, rows, datum=declared)
    meant = bring_rows(
        peopled, "buildings", tmp_path, rows, datum=declared, trust_positions=True, dry_run=True
    )
    assert meant.counts.added == 1


def test_of_positions_in_two_datums_one_may_be_named(peopled: Connection, tmp_path: Path) -> None:
    true = [130.2575, 47.332]
    headings = ("code", "name", "households", "经度(百度)", "纬度(百度)", "经度(84)", "纬度(84)")
    row = (f"{COMMUNITY}00001", "1号楼", 24, *moved([true], Datum.BD09)[0], *true)
    columns = {"longitude": "经度(84)", "latitude": "纬度(84)"}

    with pytest.raises(Invalid, match="--map longitude="):
        bring_rows(peopled, "buildings", tmp_path, [headings, row])
    summary = bring_rows(peopled, "buildings", tmp_path, [headings, row], columns=columns)

    assert counts(summary) == (1, 0, 0)
    assert found(peopled, "SELECT ST_X(location), ST_Y(location) FROM buildings") == [tuple(true)]
