"""What is unusual beside its own past: exact sums, drawn counts, and what a reader would say."""

from __future__ import annotations

from fractions import Fraction
from math import comb
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gridmap.store.trends import Floats, dispersions, expected, probabilities, unusual, upper_tail

PASTS = st.lists(st.integers(0, 60), min_size=1, max_size=20)
COUNTS = st.integers(0, 200)


def _row(values: list[int]) -> Floats:
    return np.array([values], dtype=np.float64)


def _probability(count: int, past: list[int]) -> float:
    return float(probabilities(np.array([count], dtype=np.float64), _row(past))[0])


def _exact_tail(count: int, shape: int, chance: Fraction) -> Fraction:
    """Of a negative binomial of whole shape: `shape` failures of 1 - chance, in fractions."""
    below = sum(
        (comb(k + shape - 1, k) * chance**k for k in range(count)),
        start=Fraction(0),
    )
    return 1 - below * (1 - chance) ** shape


@pytest.mark.parametrize("count", [1, 2, 7, 40, 120])
@pytest.mark.parametrize("shape", [1, 3, 25])
@pytest.mark.parametrize("chance", [Fraction(1, 13), Fraction(1, 2), Fraction(9, 10)], ids=str)
def test_a_tail_is_the_exact_sum(count: int, shape: int, chance: Fraction) -> None:
    exact = _exact_tail(count, shape, chance)
    mean, width = shape * chance / (1 - chance), 1 / (1 - chance)
    [found] = upper_tail(
        np.array([float(count)]), np.array([float(mean)]), np.array([float(width)])
    )
    assert found == pytest.approx(float(exact), rel=1e-9)


def _predictive_tail(count: int, total: int, periods: int) -> Fraction:
    """The same of a Gamma-Poisson with shape total + 1/2, whose terms are fractions times one root.

    P(k) / P(0) is a product of fractions, and all of them add up to 1 / P(0); 400 terms are enough.
    """
    shape, chance = Fraction(2 * total + 1, 2), Fraction(1, periods + 1)
    terms, term = [], Fraction(1)
    for k in range(400):
        terms.append(term)
        term = Fraction((term * (shape + k) / (k + 1) * chance).limit_denominator(10**60))
    return sum(terms[count:], start=Fraction(0)) / sum(terms, start=Fraction(0))


@pytest.mark.parametrize(
    ("past", "count"),
    [([1, 1, 1, 1], 9), ([0, 0, 0], 1), ([0] * 12, 2), ([3, 2, 3, 3, 2, 3], 5), ([5], 11)],
)
def test_steady_counts_have_the_gamma_poisson_probability(past: list[int], count: int) -> None:
    exact = _predictive_tail(count, sum(past), len(past))
    assert _probability(count, past) == pytest.approx(float(exact), rel=1e-9)


def test_one_to_nine_is_unusual_and_a_steady_two_hundred_is_not() -> None:
    before = np.array([[1.0] * 12, [196, 203, 200, 211, 190, 205, 188, 199, 214, 207, 193, 200]])
    before = np.vstack([before, np.tile([2.0, 1, 3, 0], (90, 3))])
    found = probabilities(np.array([9.0, 206, *[2.0] * 90]), before)
    assert unusual(found, len(found), 0.01).tolist() == [True] + [False] * 91


def test_a_grid_that_always_scatters_is_not_unusual_where_an_even_one_is() -> None:
    even, wild = [5, 6, 4, 5, 6, 4, 5, 5, 6, 4, 5, 5], [0, 20, 1, 0, 14, 0, 0, 9, 0, 1, 15, 0]
    assert sum(even) == sum(wild)
    found = probabilities(np.array([18.0, 18.0]), np.array([even, wild], dtype=np.float64))
    assert unusual(found, 2, 0.01).tolist() == [True, False]


def test_a_grid_of_which_nothing_is_known_is_never_unusual() -> None:
    before = np.array([[np.nan, np.nan], [1, np.nan], [1, 1]])
    found = probabilities(np.array([50.0, 50.0, 50.0]), before)
    assert np.isnan(found[0])
    assert np.isnan(expected(before)[0])
    assert unusual(found, 3, 0.01).tolist() == [False, True, True]


def test_no_grids_have_no_probabilities() -> None:
    assert probabilities(np.empty(0), np.empty((0, 12))).shape == (0,)


def test_extreme_counts_stay_within_reason() -> None:
    before = np.full((4, 12), [[0.0], [1.0], [100_000.0], [1_000_000.0]])
    found = probabilities(np.array([1_000_000.0, 0, 100_000, 1_002_000]), before)
    assert found[0] == 0.0
    assert found[1] == 1.0
    # Near the mean it is a half; at two thousand of a million, 1.92 standard deviations away.
    assert found[2] == pytest.approx(0.5, abs=0.01)
    assert found[3] == pytest.approx(0.0274, abs=0.001)


@given(COUNTS, PASTS)
def test_a_larger_count_is_never_less_surprising(count: int, past: list[int]) -> None:
    assert _probability(count + 1, past) <= _probability(count, past) * (1 + 1e-12)


@given(COUNTS, PASTS)
def test_nothing_is_more_surprising_than_if_it_scattered_as_poissons(
    count: int, past: list[int]
) -> None:
    poisson = _predictive_mean_tail(count, past)
    assert _probability(count, past) >= poisson * (1 - 1e-12)


def _predictive_mean_tail(count: int, past: list[int]) -> float:
    mean, width = np.array([(sum(past) + 0.5) / len(past)]), np.array([1 + 1 / len(past)])
    return float(upper_tail(np.array([float(count)]), mean, width)[0])


@given(COUNTS, PASTS, st.randoms())
def test_the_order_of_the_periods_says_nothing(count: int, past: list[int], random: Random) -> None:
    mixed = list(past)
    random.shuffle(mixed)
    assert _probability(count, mixed) == pytest.approx(_probability(count, past), rel=1e-9)


@given(COUNTS, PASTS, st.integers(1, 5))
def test_periods_before_a_grid_was_are_as_if_not_asked_for(
    count: int, past: list[int], missing: int
) -> None:
    before = np.array([[*past, *[np.nan] * missing]], dtype=np.float64)
    [found] = probabilities(np.array([float(count)]), before)
    assert found == pytest.approx(_probability(count, past), rel=1e-12)


@given(
    arrays(np.float64, st.tuples(st.integers(1, 8), st.integers(1, 12)), elements=st.integers(0, 9))
)
def test_no_dispersion_is_below_poissons(before: Floats) -> None:
    assert (dispersions(before) >= 1).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.integers(0, 20))
def test_what_is_unusual_is_what_benjamini_and_hochberg_say(
    values: list[float], others: int
) -> None:
    tests = len(values) + others
    # The largest k of which k values lie at or below k / tests of the level.
    most = max(
        (k for k in range(1, len(values) + 1) if sum(v <= 0.2 * k / tests for v in values) >= k),
        default=0,
    )
    assert unusual(np.array(values), tests, 0.2).sum() == pytest.approx(
        sum(v <= 0.2 * most / tests for v in values) if most else 0
    )


def _drawn(mean: float, dispersion: float, shape: tuple[int, ...]) -> Floats:
    random = np.random.default_rng(20260101)
    rates = np.full(shape, mean)
    if dispersion > 1:
        rates = random.gamma(mean / (dispersion - 1), dispersion - 1, shape)
    return random.poisson(rates, shape).astype(np.float64)


@pytest.mark.parametrize("periods", [4, 12])
@pytest.mark.parametrize("mean", [0.3, 2.0, 20.0, 200.0])
def test_of_poisson_counts_at_most_one_in_a_hundred_comes_out_below_one_percent(
    mean: float, periods: int
) -> None:
    drawn = _drawn(mean, 1, (20_000, periods + 1))
    assert (probabilities(drawn[:, 0], drawn[:, 1:]) < 0.01).mean() <= 0.01


@pytest.mark.parametrize("periods", [4, 12])
@pytest.mark.parametrize("dispersion", [2.0, 5.0])
def test_of_counts_that_scatter_more_hardly_more_do(dispersion: float, periods: int) -> None:
    drawn = _drawn(20, dispersion, (20_000, periods + 1))
    counts, before = drawn[:, 0], drawn[:, 1:]
    mean, width = expected(before), np.full(len(counts), 1 + 1 / periods)
    as_poisson = (upper_tail(counts, mean, width) < 0.01).mean()
    assert as_poisson > 0.04  # what would be raised by mistake otherwise
    assert (probabilities(counts, before) < 0.01).mean() < 0.018


def test_a_city_in_which_nothing_happens_raises_hardly_an_alarm() -> None:
    """Of two thousand grids one in a hundred would be twenty alarms in each of the fifty weeks."""
    random = np.random.default_rng(20260102)
    rates = random.gamma(1, 4, 2_000)[:, None]
    alarms = []
    for _ in range(50):
        drawn = random.poisson(rates, (2_000, 13)).astype(np.float64)
        found = probabilities(drawn[:, 0], drawn[:, 1:])
        alarms.append(int(unusual(found, len(found), 0.01).sum()))
    assert sum(alarms) <= 3
