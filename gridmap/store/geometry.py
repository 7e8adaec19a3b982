"""Spatial expressions that several nouns use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    LargeBinary,
    and_,
    column,
    func,
    literal,
    not_,
    or_,
    select,
)

from gridmap.geo.bounds import Bounds
from gridmap.store.tables import LONGITUDE_LATITUDE


def as_wkb(geometry: ColumnElement[Any]) -> ColumnElement[bytes]:
    """The geometry as WKB, which shapely reads."""
    return func.ST_AsBinary(geometry, type_=LargeBinary)


def meets(geometry: ColumnElement[Any], bounds: Bounds) -> ColumnElement[bool]:
    """Whether the geometry has a point in the box. Served by the column's GiST index."""
    return func.ST_Intersects(geometry, func.ST_MakeEnvelope(*bounds, LONGITUDE_LATITUDE))


def lies_in(point: ColumnElement[Any], bounds: Bounds) -> ColumnElement[bool]:
    """Whether the point lies in the box or on its edge, also in a box that is a line or a point.

    Served by the column's GiST index, whose boxes are a little larger than what they hold.
    """
    return and_(
        point.op("&&")(func.ST_MakeEnvelope(*bounds, LONGITUDE_LATITUDE)),
        func.ST_X(point).between(bounds.west, bounds.east),
        func.ST_Y(point).between(bounds.south, bounds.north),
    )


def covers(polygon: ColumnElement[Any], point: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether the point lies in the polygon or on its border, exactly as `PointIndex` says it.

    Served by the polygon's GiST index.
    """
    return and_(
        func.ST_Covers(polygon, point),
        or_(func.ST_Contains(polygon, point), not_(func.ST_Disjoint(polygon, point))),
    )


def covers_many(polygon: ColumnElement[Any], point: ColumnElement[Any]) -> ColumnElement[bool]:
    """The same where the many points of each polygon are wanted: most lie inside, and one test says
    so.

    Served by the points' GiST index. PostgreSQL thinks ST_Covers so dear that with `covers` it may
    look for the polygons of each point instead, which takes ten times as long: PostGIS prepares a
    polygon once for all points that follow one another.
    """
    return and_(
        polygon.op("~")(point),
        or_(
            func.ST_Contains(polygon, point),
            and_(func.ST_Covers(polygon, point), not_(func.ST_Disjoint(polygon, point))),
        ),
    )


def covers_in_text(polygon: str, point: str) -> str:
    """The same for a statement that is written as text.

    ST_Covers takes a point within a rounding error of an edge for one on it; of such a point, and
    of those on the border, ST_Contains is false, and ST_Disjoint decides with twice the digits.
    """
    return (
        f"ST_Covers({polygon}, {point}) "
        f"AND (ST_Contains({polygon}, {point}) OR NOT ST_Disjoint({polygon}, {point}))"
    )


def area_m2(geometry: ColumnElement[Any]) -> ColumnElement[float]:
    """Square metres on the WGS 84 ellipsoid."""
    return func.ST_Area(func.geography(geometry))


def outlines_given(outlines: Sequence[bytes]) -> CTE:
    """Outlines that a statement brings as WKB: columns `ordinal`, from 1 on, and `outline`."""
    given = (
        func.unnest(literal(list(outlines), ARRAY(LargeBinary)))
        .table_valued(column("wkb", LargeBinary), with_ordinality="ordinal", name="given")
        .render_derived()
    )
    outline = func.ST_GeomFromWKB(given.c.wkb, LONGITUDE_LATITUDE).label("outline")
    return select(given.c.ordinal.label("ordinal"), outline).cte("outlines")
