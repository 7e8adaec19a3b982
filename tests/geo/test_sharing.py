"""Sharing out what nobody answers for: each place gets one unit, a near one, and none too many."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.geo.sharing import FAR_METRES, Ints, Places, Shares, shared_out

WEST, SOUTH = 130.28, 47.33
METRE = 1 / 111_200
"""A metre of latitude in degrees, there."""


@dataclass(frozen=True)
class Town:
    uncovered: Places
    around: Ints
    covered: Places
    answering: Ints
    loads: Ints

    def shared_out(self, evenness: float = 1.5) -> Shares:
        return shared_out(
            self.uncovered, self.around, self.covered, self.answering, self.loads, evenness
        )


def places(*rows: tuple[float, float] | tuple[float, float, str, str], prefix: str = "U") -> Places:
    """Metres east and north of a corner, and where it is said, community and compound."""
    full = [(*row, "C", "")[:4] if len(row) == 2 else row for row in rows]
    across = METRE / math.cos(math.radians(SOUTH))
    return Places(
        np.array([f"{prefix}{i:03}" for i in range(len(full))], np.str_),
        np.array(
            [(WEST + east * across, SOUTH + north * METRE) for east, north, *_ in full], np.float64
        ).reshape(-1, 2),
        np.array([community for *_, community, _ in full], np.str_),
        np.array([compound for *_, compound in full], np.str_),
    )


def town(
    uncovered: Places,
    covered: Places,
    answering: list[int],
    loads: list[int],
    around: list[int] | None = None,
) -> Town:
    return Town(
        uncovered,
        np.array(around or [-1] * len(uncovered), np.int64),
        covered,
        np.array(answering, np.int64),
        np.array(loads, np.int64),
    )


@st.composite
def towns(draw: st.DrawFn) -> Town:
    """Places on a coarse raster, so that many are equally far from each other."""
    row = st.tuples(
        st.integers(0, 9).map(lambda step: step * 100.0),
        st.integers(0, 9).map(lambda step: step * 100.0),
        st.sampled_from(["C1", "C2"]),
        st.sampled_from(["", "", "一号院"]),
    )
    uncovered = places(*draw(st.lists(row, max_size=12)))
    units = draw(st.integers(1, 5))
    covered = places(*draw(st.lists(row, max_size=12)), prefix="K")
    answering = draw(
        st.lists(st.integers(0, units - 1), min_size=len(covered), max_size=len(covered))
    )
    elsewhere = draw(st.lists(st.integers(0, 20), min_size=units, max_size=units))
    loads = np.bincount(np.array(answering, np.int64), minlength=units) + elsewhere
    around = draw(
        st.lists(st.integers(-1, units - 1), min_size=len(uncovered), max_size=len(uncovered))
    )
    return town(uncovered, covered, answering, loads.tolist(), around)


def after(of: Town, shares: Shares) -> Ints:
    return of.loads + np.bincount(shares.unit, minlength=len(of.loads))


@given(towns())
def test_every_place_gets_one_unit_in_a_turn_of_its_own(of: Town) -> None:
    shares = of.shared_out()
    assert ((shares.unit >= 0) & (shares.unit < len(of.loads))).all()
    assert sorted(shares.turn.tolist()) == list(range(len(of.uncovered)))


@given(towns(), st.sampled_from([1.0, 1.2, 1.5, 3.0]))
def test_no_unit_is_given_more_than_the_mean_allows(of: Town, evenness: float) -> None:
    mean = (of.loads.sum() + len(of.uncovered)) / len(of.loads)
    most = np.maximum(of.loads, math.ceil(evenness * mean))
    assert (after(of, of.shared_out(evenness)) <= most).all()


@given(towns(), st.randoms(use_true_random=False))
def test_the_order_of_the_places_does_not_matter(of: Town, random: Random) -> None:
    def shuffled(count: int) -> Ints:
        rows = list(range(count))
        random.shuffle(rows)
        return np.array(rows, np.int64)

    ours, theirs = shuffled(len(of.uncovered)), shuffled(len(of.covered))
    other = Town(
        of.uncovered.taken(ours),
        of.around[ours],
        of.covered.taken(theirs),
        of.answering[theirs],
        of.loads,
    )
    before, now = of.shared_out(), other.shared_out()
    assert now.unit.tolist() == before.unit[ours].tolist()
    assert now.turn.tolist() == before.turn[ours].tolist()
    np.testing.assert_array_equal(now.metres, before.metres[ours])


@given(towns())
def test_the_metres_are_those_to_the_nearest_place_of_the_unit_at_that_moment(of: Town) -> None:
    shares = of.shared_out()
    across = METRE / math.cos(math.radians(SOUTH))
    held: list[list[tuple[float, float]]] = [[] for _ in of.loads]
    for place, unit in enumerate(of.answering.tolist()):
        held[unit].append(tuple(of.covered.points[place]))
    for place in np.argsort(shares.turn).tolist():
        unit = int(shares.unit[place])
        here = of.uncovered.points[place]
        if held[unit]:
            nearest = min(
                math.hypot((here[0] - x) / across, (here[1] - y) / METRE) for x, y in held[unit]
            )
            assert shares.metres[place] == pytest.approx(nearest, rel=0.01)
        else:
            assert math.isnan(shares.metres[place])
        held[unit].append(tuple(here))


def test_a_place_goes_to_the_unit_of_the_nearest_place() -> None:
    covered = places((0, 0), (1000, 0), prefix="K")
    of = town(places((100, 0), (900, 0)), covered, [0, 1], [1, 1])
    assert of.shared_out().unit.tolist() == [0, 1]


def test_a_compound_stays_with_one_unit_however_near_another_is() -> None:
    covered = places((400, 0, "C", "一号院"), (20, 0, "C", ""), prefix="K")
    of = town(places((0, 0, "C", "一号院")), covered, [0, 1], [5, 5])
    assert of.shared_out().unit.tolist() == [0]


def test_compounds_of_one_name_in_two_communities_are_two() -> None:
    covered = places((400, 0, "C2", "一号院"), (20, 0, "C1", ""), prefix="K")
    of = town(places((0, 0, "C1", "一号院")), covered, [0, 1], [5, 5])
    assert of.shared_out().unit.tolist() == [1]


def test_a_place_of_the_same_community_counts_as_nearer() -> None:
    covered = places((150, 0, "C1", ""), (-100, 0, "C2", ""), prefix="K")
    of = town(places((0, 0, "C1", "")), covered, [0, 1], [5, 5])
    assert of.shared_out().unit.tolist() == [0]


def test_the_unit_of_the_grid_around_comes_first() -> None:
    covered = places((20, 0), prefix="K")
    of = town(places((0, 0)), covered, [0], [5, 5], around=[1])
    assert of.shared_out().unit.tolist() == [1]


def test_the_places_of_a_row_go_to_whom_the_row_begins_with() -> None:
    # Only the first is near a place of unit 0; the last is nearer to unit 1's than to that.
    row = places(*((100.0 * step, 0.0) for step in range(1, 7)))
    of = town(row, places((0, 0), (900, 300), prefix="K"), [0, 1], [10, 10])
    assert of.shared_out(3.0).unit.tolist() == [0] * 6


def test_a_unit_with_much_gets_less() -> None:
    covered = places((0, 0), (200, 0), prefix="K")
    wanted = places((90, 0))
    assert town(wanted, covered, [0, 1], [10, 10]).shared_out(3.0).unit.tolist() == [0]
    assert town(wanted, covered, [0, 1], [20, 10]).shared_out(3.0).unit.tolist() == [1]


def test_a_unit_that_has_nothing_yet_begins_where_the_others_are_far() -> None:
    covered = places((0, 0), prefix="K")
    wanted = places((FAR_METRES / 2, 0), (FAR_METRES * 4, 0))
    assert town(wanted, covered, [0], [1, 0]).shared_out(3.0).unit.tolist() == [0, 1]


def test_without_units_nothing_is_proposed() -> None:
    shares = town(places((0, 0), (1, 1)), places(prefix="K"), [], []).shared_out()
    assert shares.unit.tolist() == [-1, -1]
    assert np.isnan(shares.metres).all()


def test_without_places_there_is_nothing_to_share_out() -> None:
    assert len(town(places(), places((0, 0), prefix="K"), [0], [1]).shared_out().unit) == 0


def test_what_is_given_is_left_as_it_was() -> None:
    of = town(places((0, 0)), places((1, 1), prefix="K"), [0], [1])
    before = replace(of, loads=of.loads.copy())
    of.shared_out()
    assert of.loads.tolist() == before.loads.tolist()
