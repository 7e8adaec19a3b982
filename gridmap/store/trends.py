"""How unusual a count is beside the counts before it: plain functions on arrays, a row for a grid.

A Gamma-Poisson model of each grid alone. The counts before are taken for draws at one rate, of
which nothing else is known (Jeffreys' prior: Gamma with shape 1/2 and rate 0). The next count is
then negative binomial, wider than Poisson's since the rate is known from a few periods only (Gelman
et al., Bayesian Data Analysis, 3rd edition, section 2.6). Counts that scatter more than Poisson's
make it wider still.

`before` is float64 (n, periods) throughout: the counts of the periods before, NaN for a period in
which there was no such grid yet.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_PRIOR = 0.5
"""What Jeffreys' prior adds to the sum of the counts."""

_SHARED_FREEDOM = 6
"""How many degrees of freedom the scatter of all grids weighs beside a grid's own. Beside twelve
periods that scatter twice as much as Poisson's, 1.7 % of counts come out below 1 % by their own
scatter alone, 1.2 % with this, and 4.5 % where they are taken for Poisson's."""

_PRECISION = 1e-14
_MOST_STEPS = 100_000  # some 1 000 are enough for counts of a million


def expected(before: Floats) -> Floats:
    """The mean of the next count, (n,); NaN for a grid of which no period is known."""
    total, periods = _sums(before)
    return (total + _PRIOR) / np.where(periods > 0, periods, np.nan)


def dispersions(before: Floats) -> Floats:
    """How many times as much as Poisson's the counts of each grid scatter, (n,); at least 1.

    By the method of moments: Pearson's χ² over its degrees of freedom (McCullagh and Nelder,
    Generalized Linear Models, section 6.2.4), with those of all grids together added in a fixed
    weight, as twelve counts say little of how they scatter.
    """
    total, periods = _sums(before)
    mean = total / np.maximum(periods, 1)
    squares = np.nansum((before - mean[:, None]) ** 2, axis=1)
    # A grid that had nothing says nothing of how its counts scatter.
    freedom = np.where(total > 0, np.maximum(periods - 1, 0), 0)
    chi_squares = squares / np.where(total > 0, mean, 1)
    shared = chi_squares.sum() / max(freedom.sum(), 1)
    together = chi_squares + _SHARED_FREEDOM * max(shared, 1)
    found: Floats = np.maximum(together / (freedom + _SHARED_FREEDOM), 1)
    return found


def probabilities(counts: Floats, before: Floats) -> Floats:
    """The probability of such a count or a larger one if all is as before, (n,).

    `counts`: (n,). NaN for a grid of which no period is known. Where counts scatter φ times as much
    as Poisson's, the negative binomial is that of the same mean and φ times the variance; φ = 1
    gives the Gamma-Poisson one. The larger of the two holds, so that nothing is more surprising
    than it were if it scattered as Poisson's.
    """
    _, periods = _sums(before)
    known = periods > 0
    mean = expected(before)[known]
    width = 1 + 1 / periods[known]  # variance over mean, for φ = 1
    found = np.full(len(counts), np.nan)
    found[known] = np.maximum(
        upper_tail(counts[known], mean, width),
        upper_tail(counts[known], mean, width * dispersions(before)[known]),
    )
    return found


def unusual(probabilities: Floats, tests: int, level: float) -> NDArray[np.bool_]:
    """Which are too small for chance, (n,); of these at most `level` are by chance, on average.

    `tests`: how many were looked at in all, those included that are not given here. NaN is never
    unusual. Benjamini and Hochberg, Journal of the Royal Statistical Society B 57 (1995), 289-300.
    """
    ordered = np.sort(probabilities[~np.isnan(probabilities)])
    small = ordered <= level * np.arange(1, len(ordered) + 1) / max(tests, 1)
    return probabilities <= (ordered[small][-1] if small.any() else -1.0)


def upper_tail(counts: Floats, mean: Floats, width: Floats) -> Floats:
    """The probability of at least `counts` of a negative binomial, (n,).

    `mean` above 0, `width` the variance over the mean, above 1. It is the regularised incomplete
    beta function I(count, mean / (width - 1)) at 1 - 1 / width: NIST Digital Library of
    Mathematical Functions, 8.17.
    """
    found = np.ones(len(counts))
    some = counts > 0
    shape = mean[some] / (width[some] - 1)
    found[some] = _incomplete_beta(counts[some], shape, 1 - 1 / width[some])
    return found


def _incomplete_beta(a: Floats, b: Floats, x: Floats) -> Floats:
    """I_x(a, b), to full relative precision where it is small; a, b > 0 and 0 < x < 1."""
    # The fraction converges fast on this side of the mean; beyond it, the rest to 1 is taken.
    beyond = x > (a + 1) / (a + b + 2)
    a, b, x = np.where(beyond, b, a), np.where(beyond, a, b), np.where(beyond, 1 - x, x)
    front = _log_gamma(a + b) - _log_gamma(a) - _log_gamma(b) + a * np.log(x) + b * np.log1p(-x)
    part = np.exp(front) / a * _beta_fraction(a, b, x)
    return np.where(beyond, 1 - part, part)


def _beta_fraction(a: Floats, b: Floats, x: Floats) -> Floats:
    """The continued fraction of I_x(a, b), DLMF 8.17.22, by Lentz's method from the front."""
    c = np.ones_like(x)
    d = 1 / (1 - (a + b) * x / (a + 1))
    fraction = d
    for m in range(1, _MOST_STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        before = fraction
        for term in (even, odd):
            d = 1 / (1 + term * d)
            c = 1 + term / c
            fraction = fraction * c * d
        if np.all(np.abs(fraction - before) <= _PRECISION * np.abs(fraction)):
            break
    return fraction


def _log_gamma(values: Floats) -> Floats:
    return np.fromiter(map(math.lgamma, values.tolist()), dtype=np.float64, count=len(values))


def _sums(before: Floats) -> tuple[Floats, Floats]:
    """The sum of the counts of each grid, and in how many periods there was one."""
    known = ~np.isnan(before)
    return np.where(known, before, 0).sum(axis=1), known.sum(axis=1).astype(np.float64)
