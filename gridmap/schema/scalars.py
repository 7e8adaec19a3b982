"""The scalars that are ours, geometry and cursors; and the datums.

Geometry travels as one value, not as a tree.
"""

from __future__ import annotations

import datetime
from typing import Any, NewType

import numpy as np
import orjson
import shapely
import strawberry

from gridmap.errors import Invalid
from gridmap.geo.datums import Datum, geometries_from_wgs84

strawberry.enum(
    Datum,
    description="WGS84: browsers, HarmonyOS, GPS. CGCS2000: surveys. GCJ02: AMap, Tencent, WeChat "
    "by its type. BD09: Baidu.",
)

GeoJSON = NewType("GeoJSON", object)
Cursor = NewType("Cursor", str)

_METRES_PER_DEGREE = 111_320.0  # of latitude, at most

SCALARS: dict[object, Any] = {
    GeoJSON: strawberry.scalar(
        name="GeoJSON",
        description="RFC 7946 geometry object, WGS 84, longitude first.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc7946",
        serialize=lambda written: written,
    ),
    Cursor: strawberry.scalar(
        name="Cursor",
        description="A place in a list, to be given back as it came.",
        serialize=str,
        parse_value=lambda value: _text(value),
    ),
}


def geojson(wkb: bytes, datum: Datum, tolerance_metres: float | None = None) -> GeoJSON:
    """A geometry kept as WKB in WGS 84, written in `datum`, simplified up to a tolerance.

    The simplified outline differs from the true one by no more than the tolerance, and neighbours
    may come apart by as much. Raises Invalid when the tolerance is not a length.
    """
    geometry = shapely.from_wkb(wkb)
    if tolerance_metres is not None:
        if not 0 <= tolerance_metres <= 1e6:
            raise Invalid(
                f"toleranceMetres is {tolerance_metres:g}; it is a length from 0 to 1 000 000."
            )
        geometry = shapely.simplify(geometry, tolerance_metres / _METRES_PER_DEGREE)
        if geometry.geom_type == "Polygon":  # what is kept is a MultiPolygon, and stays one
            geometry = shapely.multipolygons([geometry])
    [converted] = geometries_from_wgs84(np.array([geometry]), datum)
    return GeoJSON(orjson.Fragment(shapely.to_geojson(converted)))


def aware(name: str, moment: datetime.datetime) -> datetime.datetime:
    """The moment. Raises Invalid, calling it by its name, where it has no time zone."""
    if moment.tzinfo is None:
        raise Invalid(f"{name} is {moment.isoformat()}; say its time zone, as in +08:00.")
    return moment


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Invalid(f"A cursor is text, not {value!r}; give one back as it came.")
    return value
