"""Which of many points lie within reach of a place: an immutable list, by strips of latitude.

A strip is as high as the reach, so that a search takes in two or three of them, and in each by
bisection only what is near in longitude too.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right

import numpy as np
from numpy.typing import NDArray

from gridmap.geo.checks import metres_per_degree

Floats = NDArray[np.float64]


class NearPoints:
    """`points`: float64 (n, 2), longitude then latitude, WGS 84 degrees; NaN where nothing is."""

    def __init__(self, points: Floats, reach_metres: float) -> None:
        self.reach_metres = reach_metres
        # No degree of latitude has fewer metres than one at the equator.
        self._height = max(reach_metres, 1.0) / _LEAST_METRES
        there = np.flatnonzero(~np.isnan(points[:, 0]))
        places = np.floor(points[there, 1] / self._height) * _STRIP + points[there, 0]
        by_place = np.argsort(places, kind="stable")
        order = there[by_place]
        self._places = places[by_place].data
        self._positions = order.data
        self._longitudes = np.ascontiguousarray(points[order, 0]).data
        self._latitudes = np.ascontiguousarray(points[order, 1]).data

    def within_reach(self, longitude: float, latitude: float) -> list[tuple[float, int]]:
        """Metres to each point that is no farther than the reach, and its position; nearest first.

        Metres are right to 0.05 % at a reach of 1 km up to 80 degrees of latitude, and the better
        the nearer. Nothing reaches across the antimeridian, nor across a pole.
        """
        across, along = map(float, metres_per_degree(latitude))
        # At the poles everything is near in longitude.
        width = self.reach_metres / max(across, 1.0) + _SLACK_DEGREES
        height = self.reach_metres / along + _SLACK_DEGREES
        places, limit = self._places, self.reach_metres
        found = []
        low = math.floor((latitude - height) / self._height)
        high = math.floor((latitude + height) / self._height)
        for strip in range(low, high + 1):
            place = strip * _STRIP + longitude
            first, last = bisect_left(places, place - width), bisect_right(places, place + width)
            for i in range(first, last):
                metres = math.hypot(
                    (self._longitudes[i] - longitude) * across,
                    (self._latitudes[i] - latitude) * along,
                )
                if metres <= limit:
                    found.append((metres, self._positions[i]))
        found.sort()
        return found


_LEAST_METRES = 110_574.0
# Strips are so far apart on one line, on which each is 360 wide.
_STRIP = 1024.0
# What rounding might take off a place on that line, ten times over.
_SLACK_DEGREES = 1e-6
