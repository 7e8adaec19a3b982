"""Overlaps are those that comparing every pair would find, whatever is done to find them sooner."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod

from gridmap.errors import Invalid
from gridmap.geo import overlaps
from gridmap.geo.overlaps import Overlap, OverlapFinder

Pairs = set[tuple[int, int]]
Ring = list[tuple[float, float]]

EARTH = Geod(ellps="WGS84")
BOX = shapely.box(130.0, 47.0, 130.01, 47.01)


def found(polygons: Iterable[Any], tolerance_metres: float = 0) -> list[Overlap]:
    everyone = np.array(list(polygons), dtype=object)
    with OverlapFinder() as finder:
        finder.add(everyone, np.arange(len(everyone)))
        return list(finder.overlaps(tolerance_metres))


def named(reported: Sequence[Overlap]) -> Pairs:
    pairs = [(overlap.first, overlap.second) for overlap in reported]
    assert len(pairs) == len(set(pairs)), "a pair was reported twice"
    return set(pairs)


def by_comparing_all(polygons: Iterable[Any]) -> Pairs:
    """The oracle: GEOS asked about every pair there is."""
    everyone = np.array(list(polygons), dtype=object)
    first, second = np.triu_indices(len(everyone), 1)
    meet = shapely.relate_pattern(everyone[first], everyone[second], "T********")
    return set(zip(first[meet].tolist(), second[meet].tolist(), strict=True))


# Window's vertices, then the most vertices, combinations and pairs. With the first, a dozen cells
# already take several windows; with the second, most are halved down to single polygons.
SMALL = (40, 400, 1_000, 200)
TINY = (24, 60, 40, 12)


@contextmanager
def limits(window: int, vertices: int, combinations: int, pairs: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overlaps, "_WINDOW_VERTICES", window)
        patch.setattr(overlaps, "_LEAST_VERTICES", 1)
        patch.setattr(overlaps, "_MOST_VERTICES", vertices)
        patch.setattr(overlaps, "_MOST_COMBINATIONS", combinations)
        patch.setattr(overlaps, "_MOST_PAIRS", pairs)
        yield


def assert_exact(polygons: list[Any]) -> None:
    """Same pairs as the oracle's, in one window, in several and in very many."""
    expected = by_comparing_all(polygons)
    assert named(found(polygons)) == expected
    for size in (SMALL, TINY):
        with limits(*size):
            assert named(found(polygons)) == expected


def cells(columns: int, rows: int, west: float = 0, south: float = 0) -> list[Any]:
    """Squares of one degree, row by row."""
    return [
        shapely.box(west + i, south + j, west + i + 1, south + j + 1)
        for j in range(rows)
        for i in range(columns)
    ]


@st.composite
def spoilt_tilings(draw: st.DrawFn) -> list[Any]:
    """Tilings with bent borders, then spoilt: vertices moved or left out, rings turned round,
    cells merged into multipolygons, cut out, doubled."""
    columns, rows = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    shift = st.sampled_from([0.0, 0.0, 0.125, -0.1875, 0.1, -0.3])
    corner = {(i, j): (i + draw(shift), j + draw(shift)) for i in range(5) for j in range(5)}
    bends: dict[tuple[tuple[int, int], tuple[int, int]], Ring] = {}

    def border(start: tuple[int, int], end: tuple[int, int]) -> Ring:
        low, high = min(start, end), max(start, end)
        if (low, high) not in bends:
            middle = [(corner[low][k] + corner[high][k]) / 2 for k in (0, 1)]
            bend = (middle[0] + draw(shift) / 2, middle[1] + draw(shift) / 2)
            bends[low, high] = [bend] if draw(st.booleans()) else []
        line = [corner[low], *bends[low, high]]
        return line if start == low else [corner[start], *bends[low, high]]

    spoiling = st.sampled_from([None] * 12 + ["nudge", "push", "drop"])
    polygons = []
    for i in range(columns):
        for j in range(rows):
            walk = [(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1), (i, j)]
            ring = [point for k in range(4) for point in border(walk[k], walk[k + 1])]
            spoil = draw(spoiling)
            k = draw(st.integers(0, len(ring) - 1))
            if spoil == "nudge":
                ring[k] = (float(np.nextafter(ring[k][0], 9)), ring[k][1])
            elif spoil == "push":
                ring[k] = (ring[k][0] + draw(shift), ring[k][1] + draw(shift))
            elif spoil == "drop":
                del ring[k]
            turn = draw(st.integers(0, len(ring) - 1))
            ring = ring[turn:] + ring[:turn]
            polygons.append(shapely.Polygon(ring[::-1] if draw(st.booleans()) else ring))
    for _ in range(draw(st.integers(0, 2))):
        some = draw(st.lists(st.sampled_from(polygons), min_size=1, max_size=3))
        match draw(st.sampled_from(["merge", "cut", "double", "shrink", "cover"])):
            case "merge":
                polygons = [p for p in polygons if not any(p is q for q in some)]
                polygons.append(shapely.union_all(some))
            case "cut":
                polygons.append(shapely.difference(shapely.box(-1, -1, 6, 6), some[0]))
            case "double":
                polygons.append(some[0])
            case "shrink":
                polygons.append(shapely.buffer(some[0], -0.25))
            case "cover":
                polygons.append(shapely.box(*shapely.total_bounds(some)))
    order = draw(st.permutations(polygons))
    return [p for p in order if p.is_valid and not p.is_empty and p.geom_type in KINDS]


KINDS = ("Polygon", "MultiPolygon")


@st.composite
def scattered_shapes(draw: st.DrawFn) -> list[Any]:
    """Shapes on a coarse lattice, where borders coincide, cross and touch all the time."""
    point = st.tuples(st.integers(0, 5), st.integers(0, 5))
    shapes = []
    for points in draw(st.lists(st.lists(point, min_size=3, max_size=6), min_size=2, max_size=10)):
        shape = shapely.make_valid(
            shapely.MultiPoint(points).convex_hull
            if draw(st.booleans())
            else shapely.Polygon(points)
        )
        parts = shapely.get_parts(shape)
        parts = parts[shapely.get_dimensions(parts) == 2]
        if len(parts):
            shapes.append(shapely.union_all(parts))
    return shapes


@settings(max_examples=100, deadline=None)
@given(spoilt_tilings())
def test_a_spoilt_tiling_has_the_overlaps_that_comparing_all_pairs_finds(
    polygons: list[Any],
) -> None:
    assert_exact(polygons)


@settings(max_examples=100, deadline=None)
@given(scattered_shapes())
def test_scattered_shapes_have_the_overlaps_that_comparing_all_pairs_finds(
    shapes: list[Any],
) -> None:
    assert_exact(shapes)


def test_a_clean_tiling_has_none_and_only_its_rim_is_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[int] = []
    relate = shapely.relate_pattern

    def counted(one: Any, other: Any, pattern: str) -> Any:
        compared.append(len(one))
        return relate(one, other, pattern)

    monkeypatch.setattr(shapely, "relate_pattern", counted)
    # Slanted, so that the bounds of neighbours overlap.
    slanted = shapely.transform(cells(30, 30), lambda pairs: pairs @ [[1, 0.25], [-0.25, 1]])
    with limits(*SMALL):
        assert found(slanted) == []
    rim = 4 * 29
    assert rim < sum(compared) <= 8 * rim


def test_two_tilings_laid_over_each_other_overlap_to_their_innermost_cells() -> None:
    assert_exact(cells(12, 12) + cells(12, 12, west=0.5, south=0.25))


def test_a_tiling_laid_twice_is_found_cell_by_cell() -> None:
    polygons = cells(9, 9) + cells(9, 9)
    assert named(found(polygons)) == {(i, i + 81) for i in range(81)}


@pytest.mark.parametrize("doubled", range(25))
def test_one_cell_of_a_tiling_given_twice_is_found(doubled: int) -> None:
    """Wherever in the file the two stand: each of its edges then has two counterparts to choose."""
    others = cells(5, 5)
    cell = others.pop(doubled)
    for again in (cell, shapely.reverse(cell)):
        assert named(found([cell, *others, again])) == {(0, 25)}
        assert named(found([cell, again, *others])) == {(0, 1)}
        assert named(found([*others, cell, again])) == {(24, 25)}


def test_a_polygon_and_the_same_drawn_the_other_way_round_overlap() -> None:
    assert named(found([BOX, shapely.reverse(BOX)])) == {(0, 1)}


def test_a_cell_drawn_over_the_middle_of_a_tiling_is_found() -> None:
    inner = shapely.box(4.25, 4.25, 4.75, 4.75)
    assert named(found([*cells(9, 9), inner])) == {(4 * 9 + 4, 81)}


def test_an_enclave_that_fills_its_hole_exactly_does_not_overlap() -> None:
    enclave = shapely.box(3, 3, 4, 4)
    around = shapely.difference(shapely.box(0, 0, 8, 8), enclave)
    assert found([around, enclave]) == []
    assert named(found([shapely.box(0, 0, 8, 8), enclave])) == {(0, 1)}


@pytest.mark.parametrize(
    "other",
    [
        shapely.box(1, 0, 2, 1),
        shapely.box(1, 1, 2, 2),
        shapely.box(1, -3, 2, 3),
        shapely.Polygon([(1, 0.5), (2, 0), (2, 1)]),
        shapely.MultiPolygon([shapely.box(1, 0, 2, 1), shapely.box(-2, 1, 0, 3)]),
    ],
    ids=["an edge", "a corner", "part of an edge", "a vertex on an edge", "two neighbours"],
)
def test_what_only_touches_does_not_overlap(other: Any) -> None:
    assert found([shapely.box(0, 0, 1, 1), other]) == []


def test_negative_zero_is_zero() -> None:
    """Two cells on either side of the equator and of Greenwich, one with -0.0 for 0.0."""
    west = shapely.Polygon([(-1, 0.0), (-0.0, -0.0), (-0.0, 1), (-1, 1)])
    assert found([west, shapely.box(0, 0, 1, 1)]) == []


def test_empty_parts_and_repeated_points_do_not_matter() -> None:
    odd = shapely.from_wkt("MULTIPOLYGON (((0 0, 1 0, 1 0, 1 1, 0 1, 0 0)), EMPTY)")
    assert found([odd, shapely.box(1, 0, 2, 1)]) == []
    assert named(found([odd, shapely.box(0.5, 0, 2, 1)])) == {(0, 1)}


def strip_over_border(width_metres: float) -> list[Any]:
    """Two boxes near Hegang; the eastern one reaches over their border by that many metres."""
    longitude, _, _ = EARTH.fwd(130.01, 47.005, -90, width_metres)
    return [BOX, shapely.box(longitude, 47.0, 130.02, 47.01)]


def test_a_strip_narrower_than_the_tolerance_is_no_overlap() -> None:
    assert found(strip_over_border(0.97), tolerance_metres=1.0) == []
    assert named(found(strip_over_border(1.03), tolerance_metres=1.0)) == {(0, 1)}
    assert found(strip_over_border(1.03), tolerance_metres=1.1) == []


@pytest.mark.parametrize("width_metres", [1.5, 20.0, 300.0])
def test_area_width_and_place_of_an_overlap_are_those_on_the_ellipsoid(
    width_metres: float,
) -> None:
    polygons = strip_over_border(width_metres)
    (overlap,) = found(polygons, tolerance_metres=1.0)
    shared = shapely.intersection(*polygons)
    area, _ = EARTH.geometry_area_perimeter(shapely.orient_polygons(shared))
    assert overlap.area_m2 == pytest.approx(area, rel=2e-3)
    assert overlap.width_metres == pytest.approx(width_metres, rel=1e-2, abs=0.05)
    assert shared.contains(shapely.Point(overlap.longitude, overlap.latitude))


def test_an_overlap_that_also_runs_along_a_border_is_measured_by_its_area_alone() -> None:
    """The shared set is a square with a line hanging on to it."""
    one = shapely.Polygon([(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)])
    other = shapely.Polygon([(1, 0.5), (3, 0.5), (3, 3), (1, 3)])
    one, other = (
        shapely.transform(shape, lambda pairs: pairs * 0.001 + (130, 47)) for shape in (one, other)
    )
    (overlap,) = found([one, other], tolerance_metres=1.0)
    area, _ = EARTH.geometry_area_perimeter(
        shapely.orient_polygons(shapely.box(130.001, 47.0005, 130.002, 47.001))
    )
    assert overlap.area_m2 == pytest.approx(area, rel=2e-3)


def test_what_is_known_is_reported_only_against_what_is_new() -> None:
    known = [*cells(5, 5), shapely.box(1.5, 1.5, 2.5, 2.5)]  # known, and overlapping its like
    new = [shapely.box(2.25, 2.25, 2.75, 2.75), shapely.box(10, 0, 11, 1)]
    with OverlapFinder() as finder:
        finder.add(known, np.arange(100, 126), known=True)
        finder.add(new, [7, 8])
        reported = named(list(finder.overlaps(0)))
    assert reported == {(112, 7), (125, 7)}


def test_known_polygons_alone_have_nothing_to_report() -> None:
    with OverlapFinder() as finder:
        finder.add([BOX, BOX], [1, 2], known=True)
        assert list(finder.overlaps()) == []
        finder.add([BOX], [3])
        assert named(list(finder.overlaps())) == {(1, 3), (2, 3)}


def test_an_empty_set_has_no_overlaps() -> None:
    with OverlapFinder() as finder:
        finder.add([], [])
        assert list(finder.overlaps()) == []


@pytest.mark.parametrize("unfit", [None, shapely.Point(1, 2), shapely.Polygon()])
def test_what_has_no_area_is_refused_by_its_key(unfit: Any) -> None:
    with OverlapFinder() as finder, pytest.raises(Invalid, match="key 42"):
        finder.add([BOX, unfit], [41, 42])


def test_memory_does_not_grow_with_the_vertices() -> None:
    """1. One process takes 60 polygons of 30,000 vertices, another 240 such (86 MB more).
    2. The second needs no more memory than the first, but for a little."""
    few, many = _peak_megabytes(60), _peak_megabytes(240)
    assert many - few < 30


def _peak_megabytes(count: int) -> float:
    program = f"""
        import resource
        import numpy as np
        from gridmap.geo.overlaps import OverlapFinder
        import shapely
        turn = np.linspace(0, 2 * np.pi, 30_000, endpoint=False)
        circle = np.column_stack([np.cos(turn), np.sin(turn)])
        with OverlapFinder() as finder:
            for i in range({count}):
                place = (i % 20) * 1.9, (i // 20) * 2.1
                finder.add(shapely.polygons([circle + place]), [i])
            assert len(list(finder.overlaps())) == {count} // 20 * 19
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True
    )
    return int(done.stdout) * _MAXRSS_BYTES / 1e6


# Kilobytes on Linux, bytes on macOS.
_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024
