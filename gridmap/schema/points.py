"""Positions and boxes as clients give them, checked and brought to WGS 84."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import strawberry
from numpy.typing import NDArray
from strawberry.types import get_object_definition
from strawberry.types.arguments import InputContext

from gridmap.errors import Invalid
from gridmap.geo.bounds import Bounds
from gridmap.geo.datums import CHINA_BOX, Datum, from_wgs84, to_wgs84

COARSEST_ACCURACY_METRES = 10_000.0
"""A circle wider than this says nothing of a grid of some hundred metres, and costs much."""


@strawberry.input
class PointInput:
    longitude: float
    latitude: float
    datum: Datum = strawberry.field(description="Always said, never guessed.")
    accuracy: float | None = strawberry.field(
        default=None,
        description="Radius in metres within which the true position lies (95 %, as browsers "
        "report it).",
    )


def _point_input(_: type, given: Mapping[str, Any], __: InputContext) -> PointInput:
    """One of a request's many points, without what Strawberry would find out for each anew."""
    return PointInput(**given)


get_object_definition(PointInput, strict=True).from_input = _point_input


@strawberry.input(description="WGS 84 degrees.")
class BoundsInput:
    west: float
    south: float
    east: float
    north: float


@strawberry.type
class Point:
    longitude: float
    latitude: float
    datum: Datum


def wgs84_position(point: PointInput) -> tuple[float, float]:
    """Longitude and latitude, WGS 84 degrees. Raises Invalid for what lies nowhere on Earth."""
    _check_position("", point)
    _check_accuracy("", point.accuracy)
    position = (point.longitude, point.latitude)
    # An array for one point costs more than the rest of its lookup.
    if not point.datum.is_shifted:
        return position
    [(longitude, latitude)] = to_wgs84(np.array([position]), point.datum).tolist()
    return longitude, latitude


def wgs84_positions(points: Sequence[PointInput]) -> NDArray[np.float64]:
    """float64 (n, 2), longitude then latitude, WGS 84 degrees.

    Raises Invalid, naming the point by its place in the list, for what lies nowhere on Earth.
    """
    for place, point in enumerate(points):
        where = f"Point {place}: " if len(points) > 1 else ""
        _check_position(where, point)
        _check_accuracy(where, point.accuracy)
    positions = np.array(
        [(point.longitude, point.latitude) for point in points], dtype=np.float64
    ).reshape(-1, 2)
    for datum in {point.datum for point in points}:
        given = np.array([point.datum is datum for point in points])
        positions[given] = to_wgs84(positions[given], datum)
    return positions


def point_in(datum: Datum, longitude: float, latitude: float) -> Point:
    """The WGS 84 position, said in `datum`."""
    if datum.is_shifted:
        [(longitude, latitude)] = from_wgs84(np.array([(longitude, latitude)]), datum).tolist()
    return Point(longitude=longitude, latitude=latitude, datum=datum)


def bounds_of(given: BoundsInput | None) -> Bounds | None:
    """The box, checked. Raises Invalid when it is none."""
    if given is None:
        return None
    bounds = Bounds(given.west, given.south, given.east, given.north)
    if not all(map(math.isfinite, bounds)):
        raise Invalid(f"bounds has a side that is not a number: {tuple(bounds)}.")
    if not (-180 <= bounds.west <= bounds.east <= 180):
        raise Invalid(
            f"bounds goes from west {bounds.west:g} to east {bounds.east:g}; it needs "
            "-180 <= west <= east <= 180."
        )
    if not (-90 <= bounds.south <= bounds.north <= 90):
        raise Invalid(
            f"bounds goes from south {bounds.south:g} to north {bounds.north:g}; it needs "
            "-90 <= south <= north <= 90."
        )
    return bounds


def _check_position(where: str, point: PointInput) -> None:
    longitude, latitude = point.longitude, point.latitude
    if not (math.isfinite(longitude) and math.isfinite(latitude)):
        raise Invalid(f"{where}longitude {longitude} and latitude {latitude} must be finite.")
    west, south, east, north = CHINA_BOX
    if abs(latitude) > 90 and west <= latitude <= east and south <= longitude <= north:
        raise Invalid(
            f"{where}latitude {latitude:g} is beyond 90 degrees; longitude and latitude look "
            "exchanged."
        )
    if abs(longitude) > 180 or abs(latitude) > 90:
        raise Invalid(
            f"{where}longitude {longitude:g}, latitude {latitude:g} is nowhere on Earth; longitude "
            "goes from -180 to 180 and latitude from -90 to 90 degrees.",
            reason="NOT_ON_EARTH",
        )


def _check_accuracy(where: str, accuracy: float | None) -> None:
    if accuracy is None or 0 <= accuracy <= COARSEST_ACCURACY_METRES:
        return
    raise Invalid(
        f"{where}accuracy is {accuracy:g}; it is a radius from 0 to "
        f"{COARSEST_ACCURACY_METRES:g} metres. Leave it out or ask the device for a better fix."
    )
