"""How far outlines lie from a point on the ground, and what a circle around it takes of each.

Edges are straight in degrees, since that is how every point is given its grid, and metres are those
of the ground. For both to hold, degrees are stretched to what they measure at the point, which
keeps edges straight, and it is then reckoned in that a degree of longitude narrows towards the
pole. What remains is of second order in the distance. Compared with geodesics on the ellipsoid, up
to 75 degrees of latitude: distances are true to 0.01 % up to 10 km and to 0.1 % up to 100 km, the
shares of circles of up to 10 km to 0.0001 of the circle.

Beyond 89 degrees of latitude lengths are reckoned as if at 89, and nothing reaches across the
antimeridian.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from gridmap.errors import Invalid
from gridmap.geo.bounds import Bounds
from gridmap.geo.checks import metres_per_degree

Floats = NDArray[np.float64]
Outlines = Sequence[Any] | NDArray[np.object_]
"""Shapely Polygons or MultiPolygons (n,), valid and not empty, WGS 84 degrees, longitude first."""

LARGEST_RADIUS_METRES = 100_000.0


def metres_to_boundary(outline: Any, longitude: float, latitude: float) -> float:
    """Metres from a point to the border of an outline, that of its holes included.

    `outline`: one of `Outlines`; the point in WGS 84 degrees, inside or outside.
    """
    return float(_metres_to_borders(np.array([outline]), longitude, latitude)[0])


def metres_to(outlines: Outlines, longitude: float, latitude: float) -> Floats:
    """Metres from a point to each outline, float64 (n,): 0 within it and on its border."""
    outlines = np.asarray(outlines, dtype=np.object_)
    metres = _metres_to_borders(outlines, longitude, latitude)
    metres[shapely.intersects_xy(outlines, longitude, latitude)] = 0.0
    return metres


@dataclass(frozen=True, slots=True)
class Circle:
    """All that is within so many metres on the ground of a point in WGS 84 degrees.

    Raises Invalid for a radius below 0 or above `LARGEST_RADIUS_METRES`.
    """

    longitude: float
    latitude: float
    radius_metres: float

    def __post_init__(self) -> None:
        if not 0 <= self.radius_metres <= LARGEST_RADIUS_METRES:
            raise Invalid(
                f"A circle's radius is {self.radius_metres:g}; it is from 0 to "
                f"{LARGEST_RADIUS_METRES:g} metres."
            )

    @property
    def bounds(self) -> Bounds:
        """A box that holds the circle: no outline outside it is within the radius."""
        plane = _Plane.around(self.longitude, self.latitude)
        # A degree of longitude has the length that it has halfway to its place.
        farther = 1 / (1 - abs(plane.narrowing) * self.radius_metres / 2)
        east = self.radius_metres * farther / plane.across + _SLACK_DEGREES
        north = self.radius_metres / plane.along + _SLACK_DEGREES
        return Bounds(
            max(self.longitude - east, -180.0),
            max(self.latitude - north, -90.0),
            min(self.longitude + east, 180.0),
            min(self.latitude + north, 90.0),
        )

    def lies_in(self, outline: Any) -> bool:
        """Whether the whole circle lies in an outline.

        It does where the outline covers the centre and `metres_to_boundary` is no less than the
        radius; so a circle that touches the border from within still lies in.
        """
        if not shapely.intersects_xy(outline, self.longitude, self.latitude):
            return False
        return metres_to_boundary(outline, self.longitude, self.latitude) >= self.radius_metres

    def shares(self, outlines: Outlines) -> Floats:
        """The share of the circle's area that each outline takes, float64 (n,), from 0 to 1.

        Shares of outlines that have no area in common add up to at most 1. An outline that the
        circle only touches, being exactly the radius away, takes nothing. A circle of less than a
        millimetre is taken for one of a millimetre, as degrees hardly tell smaller ones apart.
        """
        outlines = np.asarray(outlines, dtype=np.object_)
        plane = _Plane.around(self.longitude, self.latitude)
        disc = plane.disc(max(self.radius_metres, _SMALLEST_RADIUS_METRES))
        taken = shapely.intersection(outlines, disc)
        areas = plane.areas(np.append(taken, disc))
        shares: Floats = np.minimum(areas[:-1] / areas[-1], 1.0)
        # Of a circle of centimetres, the last digits of degrees may make a little more than all.
        total = float(shares.sum())
        return shares / total if 1 < total < 1 + _ROUNDING else shares


_FARTHEST_LATITUDE = 89.0
_SMALLEST_RADIUS_METRES = 0.001
_ROUNDING = 1e-6
# A tenth of a millimetre, and far more than any rounding on the way.
_SLACK_DEGREES = 1e-9
# A nanometre, which may be divided by.
_NO_STEP = 1e-9
# The corners, east and north, of a polygon of the unit circle's area: what it lacks along an edge
# it has too much at the next corner, so that 48 edges come to within 0.0001 of any share.
_EDGES = 48
_TURNS = np.arange(_EDGES) * (math.tau / _EDGES)
_CORNERS = np.column_stack((np.sin(_TURNS), np.cos(_TURNS))) * math.sqrt(
    math.tau / _EDGES / math.sin(math.tau / _EDGES)
)
# Who goes east along a geodesic comes to the south of the parallel, and who goes north to where
# degrees of longitude are narrower.
_BENDS = np.column_stack((_CORNERS[:, 0] * _CORNERS[:, 1], -(_CORNERS[:, 0] ** 2) / 2))


class _Plane(NamedTuple):
    """The surroundings of a point, flat: metres in a degree of longitude (`across`) and of latitude
    (`along`), and by what part `across` is less a metre farther north (`narrowing`)."""

    longitude: float
    latitude: float
    across: float
    along: float
    narrowing: float

    @classmethod
    def around(cls, longitude: float, latitude: float) -> _Plane:
        tame = min(max(latitude, -_FARTHEST_LATITUDE), _FARTHEST_LATITUDE)
        across, along = map(float, metres_per_degree(tame))
        # A step along the meridian takes sin(latitude) of its length off a parallel's radius.
        narrowing = math.radians(1) * math.sin(math.radians(tame)) / across
        return cls(longitude, latitude, across, along, narrowing)

    def disc(self, radius_metres: float) -> Any:
        """The circle as a polygon in degrees, true to the second order in its radius."""
        metres = _CORNERS * radius_metres + _BENDS * (self.narrowing * radius_metres**2)
        degrees = metres / (self.across, self.along) + (self.longitude, self.latitude)
        return shapely.polygons(degrees)

    def areas(self, shapes: NDArray[np.object_]) -> Floats:
        """Areas on the ground, up to a factor that all have in common.

        What a square degree is on the ground changes evenly from south to north over a shape this
        small; so it is that of the centroid.
        """
        areas: Floats = shapely.area(shapes)
        some = areas > 0
        north = shapely.get_y(shapely.centroid(shapes[some])) - self.latitude
        areas[some] *= 1 - self.narrowing * self.along * north
        return areas


def _metres_to_borders(outlines: NDArray[np.object_], longitude: float, latitude: float) -> Floats:
    """Metres to the nearest point of each border, float64 (n,)."""
    plane = _Plane.around(longitude, latitude)
    lines, owner = shapely.get_parts(shapely.boundary(outlines), return_index=True)
    degrees, line = shapely.get_coordinates(lines, return_index=True)
    # Metres east of the point as the real part, metres north of it as the imaginary one.
    places = degrees.view(np.complex128)[:, 0] - complex(longitude, latitude)
    places.real *= plane.across
    places.imag *= plane.along
    starts = places[:-1]
    steps = places[1:] - starts
    # From the end of a line to the next line there is no edge; the end itself stands for it, as for
    # an edge without length.
    steps[(line[1:] != line[:-1]) | (steps == 0)] = _NO_STEP
    along = np.minimum(np.maximum((starts / steps).real, -1.0), 0.0)
    nearest = starts - along * steps
    # A degree of longitude has the length that it has halfway.
    north = nearest.imag
    east = nearest.real * (1 - plane.narrowing / 2 * north)
    firsts = owner[line].searchsorted(np.arange(len(outlines)))
    return np.sqrt(np.minimum.reduceat(east * east + north * north, firsts))
