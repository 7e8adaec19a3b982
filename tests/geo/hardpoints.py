"""Points where a rounding error would show, and who holds them by others' reckoning."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from sqlalchemy import Connection, text

Points = NDArray[np.float64]
Positions = NDArray[np.int32]


def hard_points(polygons: ArrayLike, count: int, seed: int = 1) -> Points:
    """Longitudes and latitudes (count, 2) on or beside borders.

    A third are vertices, a third lie on edges, a third within a few metres of one; most of them
    are then moved to the next float in one axis or both (near 0 to that of a millionth).
    """
    random = np.random.default_rng(seed)
    rings = shapely.get_rings(shapely.get_parts(np.asarray(polygons, dtype=object)))
    coordinates, ring = shapely.get_coordinates(rings, return_index=True)
    edge = random.choice(np.flatnonzero(ring[1:] == ring[:-1]), count)
    start, end = coordinates[edge], coordinates[edge + 1]
    kind = random.integers(0, 3, (count, 1))
    along = np.where(kind == 0, 0, random.random((count, 1)))
    points = start + along * (end - start)
    points += np.where(kind == 2, random.normal(0, 3e-5, (count, 2)), 0)
    moved: Points = points + random.integers(-1, 2, (count, 2)) * np.spacing(
        np.maximum(np.abs(points), 1e-6)
    )
    return moved


def by_shapely(polygons: ArrayLike, ranks: ArrayLike, points: Points) -> Positions:
    """The holder of each point, by GEOS and the tie rule."""
    everyone = np.asarray(polygons, dtype=object)
    point, polygon = shapely.STRtree(everyone).query(shapely.points(points), predicate="intersects")
    return _first(len(points), point, polygon, np.asarray(ranks))


def by_fractions(polygons: ArrayLike, ranks: ArrayLike, points: Points) -> Positions:
    """The holder of each point, by school geometry on fractions: slow, and beyond all doubt."""
    pairs = [
        (i, k)
        for k, polygon in enumerate(np.asarray(polygons, dtype=object))
        for i, (longitude, latitude) in enumerate(points.tolist())
        if polygon is not None and _covers(polygon, Fraction(longitude), Fraction(latitude))
    ]
    point, polygon = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return _first(len(points), point, polygon, np.asarray(ranks))


def by_postgis(
    connection: Connection, polygons: ArrayLike, ranks: ArrayLike, points: Points, predicate: str
) -> Positions:
    """The holder of each point, by one statement.

    `predicate`: SQL of `boundary` and `point`; the tie rule is ORDER BY rank LIMIT 1.
    """
    everyone = np.asarray(polygons, dtype=object)
    connection.execute(
        text("CREATE TEMPORARY TABLE shapes (position int, rank int, boundary geometry)")
    )
    connection.execute(
        text(
            "INSERT INTO shapes SELECT position - 1, rank, ST_GeomFromWKB(shape) "
            "FROM unnest(CAST(:ranks AS int[]), CAST(:shapes AS bytea[])) "
            "WITH ORDINALITY AS given (rank, shape, position)"
        ),
        {"ranks": np.asarray(ranks).tolist(), "shapes": shapely.to_wkb(everyone).tolist()},
    )
    connection.execute(text("CREATE INDEX ON shapes USING gist (boundary)"))
    connection.execute(text("ANALYZE shapes"))
    holders = connection.execute(
        text(
            f"""
            SELECT coalesce(
                (
                    SELECT position
                    FROM shapes
                    WHERE {predicate}
                    ORDER BY rank
                    LIMIT 1
                ),
                -1
            )
            FROM unnest(CAST(:longitudes AS float8[]), CAST(:latitudes AS float8[]))
                WITH ORDINALITY AS given (longitude, latitude, ordinal),
                ST_Point(longitude, latitude) AS point
            ORDER BY ordinal
            """
        ),
        {"longitudes": points[:, 0].tolist(), "latitudes": points[:, 1].tolist()},
    )
    found = np.fromiter(holders.scalars(), dtype=np.int32, count=len(points))
    connection.execute(text("DROP TABLE shapes"))
    return found


def _first(
    count: int, point: NDArray[np.int64], polygon: NDArray[np.int64], ranks: NDArray[Any]
) -> Positions:
    """For each point, its polygon of smallest rank, and of equal ranks the first."""
    order = np.lexsort((polygon, ranks[polygon]))[::-1]
    found = np.full(count, -1, dtype=np.int32)
    found[point[order]] = polygon[order]
    return found


def _covers(polygon: Any, x: Fraction, y: Fraction) -> bool:
    inside = False
    for ring in shapely.get_rings(shapely.get_parts(polygon)):
        corners = [(Fraction(a), Fraction(b)) for a, b in shapely.get_coordinates(ring).tolist()]
        for (ax, ay), (bx, by) in pairwise(corners):
            turn = (bx - ax) * (y - ay) - (x - ax) * (by - ay)
            between = min(ax, bx) <= x <= max(ax, bx) and min(ay, by) <= y <= max(ay, by)
            if turn == 0 and between:
                return True
            if (ay > y) != (by > y) and (turn > 0) == (by > ay):
                inside = not inside
    return inside
