"""Reports to measure with: positions of people in towns, the same for the same arguments."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gridmap.geo.checks import metres_per_degree

_TOWNS = 100
_ADDRESSES = 60_000
_KILOMETRES = (1_000.0, 500.0)
_WEST, _SOUTH = 121.0, 43.5
# Of ten reports nine are sent from an address and lie on it, one from where the phone says it is.
_STRAY = 0.1
_STRAY_METRES = 15.0


def report_points(count: int, seed: int = 1) -> NDArray[np.float64]:
    """Positions float64 (count, 2), longitude then latitude, WGS 84 degrees, in no order.

    A province of 1,000 km by 500 km with 100 towns, the first as big as the next two together and
    so on (Zipf's law); in them 60,000 addresses, denser towards the middle; some addresses have
    thousands of reports of a million and most a few. All have seven decimals, as stored positions
    do.
    """
    random = np.random.default_rng(seed)
    across, along = map(float, metres_per_degree(_SOUTH + 2.2))
    degrees = np.array([1_000 / across, 1_000 / along])  # a kilometre
    towns = (_WEST, _SOUTH) + random.uniform(0, 1, (_TOWNS, 2)) * _KILOMETRES * degrees
    size = 1 / np.arange(1, _TOWNS + 1)
    size /= size.sum()
    town = random.choice(_TOWNS, _ADDRESSES, p=size)
    radius = 40 * np.sqrt(size[town])  # some 17 km for the largest town, 2 km for the smallest
    away = random.normal(0, 0.5, (_ADDRESSES, 2)) * radius[:, None]
    addresses = towns[town] + away * degrees
    liveliness = random.pareto(1.2, _ADDRESSES) + 0.2
    points = addresses[random.choice(_ADDRESSES, count, p=liveliness / liveliness.sum())]
    strays = random.random(count) < _STRAY
    off = random.normal(0, _STRAY_METRES / 1_000, (int(strays.sum()), 2))
    points[strays] += off * degrees
    rounded: NDArray[np.float64] = np.round(points, 7)
    return rounded
