"""Who could answer for places that nobody answers for: a proposal by nearness and load.

One place after the other goes to a unit, always the place and unit that cost least of all that are
left; and what a unit is given counts as its own from then on, so that its places grow together. The
cost is the distance to the nearest place of the unit, in metres, but:

- a place in the same compound is at no distance, and one of another community at twice its own;
- a unit that answers for the grid around the place is at no distance either;
- a unit that has nothing yet is as far from everywhere as FAR_METRES;
- a unit that would have more places than the mean of all counts as farther away, by FAR_METRES for
  each mean that it would be over.

No unit is given more than `evenness` times the mean, rounded up. Of all units one is always below
the mean, so every place finds one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridmap.geo.checks import metres_per_degree

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Texts = NDArray[np.str_]

FAR_METRES = 500.0
"""Some blocks: what is farther is not looked after on one walk."""

EVENNESS = 1.5
"""How many times the mean a unit may be given, unless it is said."""

_OTHER_COMMUNITY = 2.0


@dataclass(frozen=True, slots=True)
class Places:
    """Where people live; all arrays have n rows.

    `code`: str, each once. `points`: float64 (n, 2), longitude then latitude, WGS 84 degrees, none
    of them across the antimeridian. `community`: str. `compound`: str, empty where there is none;
    it is one with those of its name in the same community.
    """

    code: Texts
    points: Floats
    community: Texts
    compound: Texts

    def __len__(self) -> int:
        return len(self.code)

    def taken(self, rows: Ints) -> Places:
        """Those in these rows."""
        return Places(self.code[rows], self.points[rows], self.community[rows], self.compound[rows])


@dataclass(frozen=True, slots=True)
class Shares:
    """Which unit is proposed for each place; all arrays are (n,), in the order of the places.

    `unit`: int64, a position among the units; −1 where there is none. `metres`: float64, to the
    unit's nearest place at that moment, NaN where it had none. `turn`: int64, from 0, in which the
    places were dealt with.
    """

    unit: Ints
    metres: Floats
    turn: Ints


def shared_out(
    uncovered: Places,
    around: Ints,
    covered: Places,
    answering: Ints,
    loads: Ints,
    evenness: float = EVENNESS,
) -> Shares:
    """Proposes a unit for each place that is not covered.

    `around`: int64 (n,), the unit that answers for the grid around each place, −1 where there is
    none. `answering`: int64 (m,), the unit that answers for each covered place. Both are positions
    in `loads`: int64 (k,), for how many places each unit answers, there and elsewhere. `evenness`:
    at least 1.

    The same places and units in the same order of units give the same proposal, however the places
    are ordered. Of equal cost the place with the smaller code goes first, then the unit that comes
    first. Takes O(n (m + n k)) steps and O(n k) memory.
    """
    n, k = len(uncovered), len(loads)
    unit, turn = np.full(n, -1, np.int64), np.full(n, -1, np.int64)
    metres = np.full(n, np.nan)
    if n == 0 or k == 0:
        return Shares(unit, metres, turn)
    order = np.argsort(uncovered.code, kind="stable")
    by_unit = np.argsort(answering, kind="stable")
    wanted, held = _spots(uncovered.taken(order), covered.taken(by_unit))
    cost, nearest = np.full((n, k), np.inf), np.full((n, k), np.inf)
    if len(covered):
        units, first = np.unique(answering[by_unit], return_index=True)
        for place in range(n):
            straight, felt = _distances(held, wanted, place)
            nearest[place, units] = np.minimum.reduceat(straight, first)
            cost[place, units] = np.minimum.reduceat(felt, first)
    is_around = around[order] >= 0
    cost[is_around, around[order][is_around]] = 0.0
    load = loads.astype(np.int64, copy=True)
    mean = (int(load.sum()) + n) / k
    most = math.ceil(evenness * mean)
    is_left = np.ones(n, bool)
    for number in range(n):
        burden = FAR_METRES * np.maximum((load + 1) / mean - 1, 0)
        burden[load >= most] = np.inf
        total = np.where(np.isinf(cost), FAR_METRES, cost) + burden
        total[~is_left] = np.inf
        place, chosen = (int(each) for each in np.unravel_index(np.argmin(total), total.shape))
        unit[order[place]], turn[order[place]] = chosen, number
        if np.isfinite(nearest[place, chosen]):
            metres[order[place]] = nearest[place, chosen]
        load[chosen] += 1
        is_left[place] = False
        straight, felt = _distances(wanted, wanted, place)
        np.minimum(nearest[:, chosen], straight, out=nearest[:, chosen])
        np.minimum(cost[:, chosen], felt, out=cost[:, chosen])
    return Shares(unit, metres, turn)


class _Spots(NamedTuple):
    """Places in metres and with numbers for names, −1 for no compound."""

    points: Floats
    community: Ints
    compound: Ints


def _spots(*several: Places) -> list[_Spots]:
    points = np.concatenate([places.points for places in several])
    middle = (points[:, 1].min() + points[:, 1].max()) / 2
    # From near by, so that no digits are lost.
    points = (points - points.min(axis=0)) * np.array(
        [float(each) for each in metres_per_degree(middle)]
    )
    names = np.concatenate([places.community for places in several])
    community = np.unique(names, return_inverse=True)[1]
    compounds = np.concatenate([places.compound for places in several])
    _, label = np.unique(compounds, return_inverse=True)
    compound = np.where(compounds == "", -1, community * (label.max() + 1) + label)
    cuts = np.cumsum([len(places) for places in several])[:-1]
    return [
        _Spots(*each)
        for each in zip(
            np.split(points, cuts), np.split(community, cuts), np.split(compound, cuts), strict=True
        )
    ]


def _distances(spots: _Spots, others: _Spots, place: int) -> tuple[Floats, Floats]:
    """Metres from all spots to one of the others, straight and as they are felt."""
    across, along = (spots.points - others.points[place]).T
    straight = np.hypot(across, along)
    felt = np.where(
        spots.community == others.community[place], straight, straight * _OTHER_COMMUNITY
    )
    if others.compound[place] >= 0:
        felt[spots.compound == others.compound[place]] = 0.0
    return straight, felt
