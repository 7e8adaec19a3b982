"""Spatial expressions that several nouns use."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, func

from gridmap.geo.bounds import Bounds
from gridmap.store.tables import LONGITUDE_LATITUDE


def as_wkb(geometry: ColumnElement[Any]) -> ColumnElement[bytes]:
    """The geometry as WKB, which shapely reads."""
    return func.ST_AsBinary(geometry, type_=LargeBinary)


def meets(geometry: ColumnElement[Any], bounds: Bounds) -> ColumnElement[bool]:
    """Whether the geometry has a point in the box. Served by the column's GiST index."""
    return func.ST_Intersects(geometry, func.ST_MakeEnvelope(*bounds, LONGITUDE_LATITUDE))


def area_m2(geometry: ColumnElement[Any]) -> ColumnElement[float]:
    """Square metres on the WGS 84 ellipsoid."""
    return func.ST_Area(func.geography(geometry))
