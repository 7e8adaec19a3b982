"""True areas of polygons on the WGS 84 ellipsoid, such that the areas of parts add up.

Edges are straight in degrees, as everywhere in this project: a point that is added to an edge, or a
border shared by two polygons, changes no sum. (`ST_Area` of PostGIS's geography takes edges as
geodesics, which bow out the more the longer they are: near Hegang the area of a grid of 370 m with
twenty corners differs by less than a millionth, that of a plain square by up to eight.)
"""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def areas_m2(polygons: ArrayLike) -> Floats:
    """Square metres of each polygon, float64 (n,).

    `polygons`: shapely Polygons or MultiPolygons (n,), valid, WGS 84 degrees, longitude first, not
    across the antimeridian. Right to about 1e-15 of the polygon's bounding box.

    By Green's theorem the area is the integral, around the rings, of longitude over the authalic
    function q of latitude (Snyder, Map Projections: A Working Manual, 1987, equation 3-12). dq is
    the product of the radii of curvature (4-18, 4-20) and the cosine of latitude. It is integrated
    instead of subtracting two q, which would cancel; by Gauss and Legendre's rule along each edge.
    """
    given = np.atleast_1d(np.asarray(polygons, dtype=np.object_))
    parts, owner = shapely.get_parts(given, return_index=True)
    # A ring's direction says whether it adds or takes away.
    parts = shapely.orient_polygons(parts, exterior_cw=False)
    rings, part = shapely.get_rings(parts, return_index=True)
    coordinates, ring = shapely.get_coordinates(rings, return_index=True)
    if not len(coordinates):
        return np.zeros(len(given))
    # Around a closed ring a constant adds nothing; without it the numbers are small.
    begins = np.flatnonzero(np.diff(ring, prepend=-1))
    begin = np.zeros(len(rings), dtype=np.int64)
    begin[ring[begins]] = begins
    longitude = np.radians(coordinates[:, 0] - coordinates[begin[ring], 0])
    latitude = np.radians(coordinates[:, 1])
    start = np.flatnonzero(ring[1:] == ring[:-1])
    east, north = longitude[start], latitude[start]
    eastwards, northwards = longitude[start + 1] - east, latitude[start + 1] - north
    integral = np.zeros(len(start))
    for place, weight in zip(_PLACES, _WEIGHTS, strict=True):
        sine = np.sin(north + place * northwards)
        flattened = 1 - _ECCENTRICITY_SQUARED * sine * sine
        radii = _RADII * np.sqrt(1 - sine * sine) / (flattened * flattened)
        integral += weight * (east + place * eastwards) * radii
    integral *= northwards
    areas: Floats = np.bincount(
        owner[part[ring[start]]], weights=integral, minlength=len(given)
    ).astype(np.float64)
    return areas


# Eight places are exact to the last digits for edges of up to some 50 degrees.
_PLACES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_PLACES, _WEIGHTS = (_PLACES + 1) / 2, _WEIGHTS / 2
_ECCENTRICITY_SQUARED = 0.006_694_379_990_141_3
_RADII = 6_378_137.0**2 * (1 - _ECCENTRICITY_SQUARED)
