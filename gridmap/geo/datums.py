"""From a map's own datum to WGS 84 and back: China's two shifted datums, exactly inverted.

GCJ-02 (AMap, Tencent) and BD-09 (Baidu) move a position by several hundred metres, so a position
says its datum or is worth nothing. CGCS2000 lies within centimetres of WGS 84 and is taken as it.

The shift applies inside `CHINA_BOX` only, and for BD-09 too: a position outside has the same
numbers in all four datums. Whether a position is inside is decided by where it is in WGS 84. At
the box's edge (sea and foreign land) no map can then be one to one. A shifted position whose WGS 84
origin is inside goes back to that origin; one with no origin inside stays as it is. So every
position inside the box survives WGS 84 → shifted → WGS 84, whereas of those outside a strip as
wide as the shift along some edges comes back moved by the shift.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import numpy as np
import shapely
from numpy.typing import NDArray

from gridmap.geo.bounds import Bounds

Points = NDArray[np.float64]
Geometries = NDArray[np.object_]


class Datum(StrEnum):
    """What a longitude and a latitude are measured against; never guessed, always declared."""

    WGS84 = "WGS84"
    CGCS2000 = "CGCS2000"
    GCJ02 = "GCJ02"
    BD09 = "BD09"

    @property
    def is_shifted(self) -> bool:
        """Whether positions in China lie hundreds of metres from their WGS 84 ones."""
        return self in (Datum.GCJ02, Datum.BD09)


# The box that map vendors and every published implementation use.
CHINA_BOX = Bounds(72.004, 0.8293, 137.8347, 55.8271)


def to_wgs84(points: Points, datum: Datum) -> Points:
    """WGS 84 positions of points given in `datum`.

    `points`: float64 (n, 2), longitude then latitude, degrees. Returns float64 (n, 2). WGS 84 and
    CGCS2000 come back as they are, bit for bit, as does what is not finite or lies outside
    `CHINA_BOX`. The inverse of a shift is found by iteration, to about 1e-11 degrees (a
    micrometre). Each point's answer is its own: it does not depend on the others.
    Raises ValueError when the shape is not (n, 2).
    """
    points = _checked(points)
    if not datum.is_shifted:
        return points
    nearby = _inside(points, margin=_FURTHEST_SHIFT)
    shifted = points[nearby]
    origins = shifted
    for _ in range(_ITERATIONS[datum]):
        origins = origins - (_shift(origins, datum) - shifted)
    is_origin_inside = _inside(origins, margin=_ON_THE_EDGE)
    # On the edge, or the way back would not shift it again.
    origins = np.clip(origins, CHINA_BOX[:2], CHINA_BOX[2:])
    result = points.copy()
    result[nearby] = np.where(is_origin_inside[:, np.newaxis], origins, shifted)
    return result


def from_wgs84(points: Points, datum: Datum) -> Points:
    """Positions in `datum` of points given in WGS 84.

    `points`: float64 (n, 2), longitude then latitude, degrees. Returns float64 (n, 2). WGS 84 and
    CGCS2000 come back as they are, bit for bit, as does what is not finite or lies outside
    `CHINA_BOX`. Raises ValueError when the shape is not (n, 2).
    """
    points = _checked(points)
    if not datum.is_shifted:
        return points
    inside = _inside(points)
    result = points.copy()
    result[inside] = _shift(points[inside], datum)
    return result


def geometries_to_wgs84(geometries: Geometries, datum: Datum) -> Geometries:
    """Geometries in `datum` moved to WGS 84, vertex by vertex as `to_wgs84` moves points.

    `geometries`: object (n,) of shapely geometries or None; None stays None. A shifted datum's
    geometries come back two-dimensional; the others are returned untouched.
    """
    if not datum.is_shifted:
        return geometries
    return _transformed(geometries, lambda points: to_wgs84(points, datum))


def geometries_from_wgs84(geometries: Geometries, datum: Datum) -> Geometries:
    """Geometries in WGS 84 moved to `datum`, vertex by vertex as `from_wgs84` moves points.

    `geometries`: object (n,) of shapely geometries or None; None stays None. A shifted datum's
    geometries come back two-dimensional; the others are returned untouched.
    """
    if not datum.is_shifted:
        return geometries
    return _transformed(geometries, lambda points: from_wgs84(points, datum))


# The Krasovsky 1940 ellipsoid with the eccentricity that the published GCJ-02 algorithm uses.
_SEMI_MAJOR_AXIS_M = 6378245.0
_ECCENTRICITY_SQUARED = 0.006693421622965943

# BD-09 wobbles with a period of 0.12 degrees around GCJ-02 moved by these offsets.
_BD09_FREQUENCY = np.pi * 3000.0 / 180.0
_BD09_OFFSET = np.array([0.0065, 0.006])

# Degrees beyond the box within which a shifted position may have its origin inside: the shift is
# below 0.02 degrees anywhere in the box, and the formula behaves well this far out.
_FURTHEST_SHIFT = 0.1

# Degrees (a tenth of a millimetre) by which a position may miss the edge that it came from.
_ON_THE_EDGE = 1e-9

# Each round takes two digits (GCJ-02) or a digit and a half (BD-09) off the error; these reach the
# last bits from 0.02 degrees. The number is fixed so that a point's answer does not depend on the
# points it is converted with.
_ITERATIONS = {Datum.GCJ02: 6, Datum.BD09: 8}


def _checked(points: Points) -> Points:
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"points must have the shape (n, 2), not {points.shape}")
    return points


def _inside(points: Points, margin: float = 0.0) -> NDArray[np.bool_]:
    longitude, latitude = points[:, 0], points[:, 1]
    return (
        (longitude >= CHINA_BOX.west - margin)
        & (longitude <= CHINA_BOX.east + margin)
        & (latitude >= CHINA_BOX.south - margin)
        & (latitude <= CHINA_BOX.north + margin)
    )


def _shift(points: Points, datum: Datum) -> Points:
    shifted = _wgs84_to_gcj02(points)
    return _gcj02_to_bd09(shifted) if datum is Datum.BD09 else shifted


def _wgs84_to_gcj02(points: Points) -> Points:
    """The published GCJ-02 algorithm (as in eviltransform, coordtransform, gcoord), vectorised."""
    x = points[:, 0] - 105.0
    y = points[:, 1] - 35.0
    root = np.sqrt(np.abs(x))
    ripple = 20.0 * np.sin(6.0 * np.pi * x) + 20.0 * np.sin(2.0 * np.pi * x)
    north_m = (
        -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root
        + ripple * 2.0 / 3.0
        + (20.0 * np.sin(np.pi * y) + 40.0 * np.sin(np.pi / 3.0 * y)) * 2.0 / 3.0
        + (160.0 * np.sin(np.pi / 12.0 * y) + 320.0 * np.sin(np.pi / 30.0 * y)) * 2.0 / 3.0
    )  # fmt: skip
    east_m = (
        300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root
        + ripple * 2.0 / 3.0
        + (20.0 * np.sin(np.pi * x) + 40.0 * np.sin(np.pi / 3.0 * x)) * 2.0 / 3.0
        + (150.0 * np.sin(np.pi / 12.0 * x) + 300.0 * np.sin(np.pi / 30.0 * x)) * 2.0 / 3.0
    )  # fmt: skip
    phi = np.radians(points[:, 1])
    curvature = 1.0 - _ECCENTRICITY_SQUARED * np.sin(phi) ** 2
    prime_vertical_m = _SEMI_MAJOR_AXIS_M / np.sqrt(curvature)
    meridian_m = prime_vertical_m * (1.0 - _ECCENTRICITY_SQUARED) / curvature
    shift = np.column_stack((east_m / (prime_vertical_m * np.cos(phi)), north_m / meridian_m))
    shifted: Points = points + np.degrees(shift)
    return shifted


def _gcj02_to_bd09(points: Points) -> Points:
    x, y = points[:, 0], points[:, 1]
    radius = np.hypot(x, y) + 0.00002 * np.sin(y * _BD09_FREQUENCY)
    angle = np.arctan2(y, x) + 0.000003 * np.cos(x * _BD09_FREQUENCY)
    turned = np.column_stack((radius * np.cos(angle), radius * np.sin(angle)))
    shifted: Points = turned + _BD09_OFFSET
    return shifted


def _transformed(geometries: Geometries, move: Callable[[Points], Points]) -> Geometries:
    moved: Geometries = np.asarray(shapely.transform(geometries, move), dtype=np.object_)
    return moved
