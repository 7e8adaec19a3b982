"""Which grid, which building and which sponsor answer for points: one statement for all of them.

A point belongs to the grid that covers it; on a shared edge or corner, to the one with the
smallest code. With an accuracy, the circle on the ground is compared with every grid it touches.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.store.geometry import covers_in_text
from gridmap.store.grids import Grid
from gridmap.store.paging import Key
from gridmap.store.sponsors import Sponsor


class Candidate(NamedTuple):
    """A grid that the accuracy circle touches: its share of the circle, its distance in metres."""

    grid: Grid
    share: float
    distance: float


class Located(Protocol):
    """What is known of one point.

    `is_within` says whether the whole accuracy circle lies in the grid: the outline is no nearer
    than the accuracy. `candidates` are the grids that are, largest share first.
    `distance_to_boundary` is in metres from the point to its grid's outline. `version` names the
    state of the data that this was true of: where two are equal, so was all they saw.
    """

    @property
    def grid(self) -> Grid | None: ...
    @property
    def is_within(self) -> bool: ...
    @property
    def candidates(self) -> tuple[Candidate, ...]: ...
    @property
    def distance_to_boundary(self) -> float | None: ...
    @property
    def building(self) -> Key | None: ...
    @property
    def sponsor(self) -> Sponsor | None: ...
    @property
    def version(self) -> str: ...


@dataclass(frozen=True, slots=True)
class _Found:
    """A `Located` that PostGIS has found."""

    grid: Grid | None
    is_within: bool
    candidates: tuple[Candidate, ...]
    distance_to_boundary: float | None
    building: Key | None
    sponsor: Sponsor | None
    version: str


def _metres_to_border(outline: str) -> str:
    """Metres from the point to an outline's border, whose edges are straight in degrees.

    So they are where a grid is looked for, while geographies would bend them. The nearest point is
    sought where degrees are stretched to what they measure here, then measured on the ellipsoid.
    """
    return f"""
ST_Distance(geography(points.point), geography(ST_Scale(
    ST_ClosestPoint(
        ST_Scale(ST_Boundary({outline}), points.across, points.along),
        ST_Scale(points.point, points.across, points.along)
    ),
    1 / points.across, 1 / points.along
)))
"""


# The grid of the point is found by grids_boundary_idx. The box of the circle in degrees is made a
# little larger than the circle, so that the index may be asked with it; the exact test follows.
# A building's reach is treated alike with buildings_location_idx. `across` and `along` are the
# metres in a degree of longitude and of latitude here (Snyder, Map Projections, 1987, 4-20, 4-18).
_LOCATE = text(
    f"""
WITH points AS (
    SELECT
        ordinal,
        ST_SetSRID(ST_MakePoint(longitude, latitude), 4326) AS point,
        nullif(accuracy, 0) AS accuracy,
        radians(6378137 * greatest(cos(radians(latitude)), 0.01) / sqrt(flattened)) AS across,
        radians(6378137 * (1 - 0.00669437999014) / flattened ^ 1.5) AS along
    FROM
        unnest(
            CAST(:longitudes AS float8[]),
            CAST(:latitudes AS float8[]),
            CAST(:accuracies AS float8[])
        ) WITH ORDINALITY AS given (longitude, latitude, accuracy, ordinal),
        LATERAL (
            SELECT 1 - 0.00669437999014 * sin(radians(latitude)) ^ 2 AS flattened
        ) AS ellipsoid
)
SELECT
    home.district_code, home.code, home.community_code, home.name, home.valid_from, home.valid_to,
    home.distance_to_boundary,
    coalesce(home.within, false) AS within,
    around.candidates,
    building.code AS building_code, building.district_code AS building_district_code,
    CAST(pg_current_snapshot() AS text) AS version,
    sponsor.code, sponsor.name, sponsor.level, sponsor.region_code, sponsor.leader_role
FROM points
LEFT JOIN LATERAL (
    SELECT
        grid.*,
        border.distance AS distance_to_boundary,
        points.accuracy IS NULL OR border.distance >= points.accuracy AS within
    FROM
        grids AS grid,
        LATERAL (SELECT {_metres_to_border("grid.boundary")} AS distance) AS border
    WHERE {covers_in_text("grid.boundary", "points.point")}
        AND grid.valid_from <= :on
        AND (grid.valid_to IS NULL OR grid.valid_to > :on)
    ORDER BY grid.code, grid.district_code
    LIMIT 1
) AS home ON true
LEFT JOIN LATERAL (
    SELECT json_agg(
        json_build_array(
            grid.district_code, grid.code, grid.community_code, grid.name, grid.valid_from,
            grid.valid_to, grid.share, grid.distance
        )
        ORDER BY grid.share DESC, grid.distance, grid.code
    ) AS candidates
    FROM (
        SELECT
            touched.*,
            ST_Area(ST_Intersection(touched.boundary, circle)) / ST_Area(circle) AS share,
            border.distance
        FROM
            geometry(ST_Buffer(geography(points.point), points.accuracy, 'quad_segs=32')) AS circle,
            grids AS touched,
            LATERAL (
                SELECT CASE
                    WHEN {covers_in_text("touched.boundary", "points.point")} THEN 0
                    ELSE {_metres_to_border("touched.boundary")}
                END AS distance
            ) AS border
        WHERE points.accuracy IS NOT NULL
            AND NOT coalesce(home.within, false)
            AND touched.boundary && ST_Expand(
                points.point,
                1.01 * points.accuracy / points.across,
                1.01 * points.accuracy / points.along
            )
            AND border.distance <= points.accuracy
            AND touched.valid_from <= :on
            AND (touched.valid_to IS NULL OR touched.valid_to > :on)
    ) AS grid
) AS around ON true
LEFT JOIN LATERAL (
    SELECT near.code, near.district_code
    FROM (
        SELECT building.code, building.district_code, -1.0 AS distance
        FROM buildings AS building
        WHERE {covers_in_text("building.footprint", "points.point")}
        UNION ALL
        SELECT
            building.code, building.district_code,
            ST_Distance(geography(building.location), geography(points.point)) AS distance
        FROM buildings AS building
        WHERE building.location && ST_Expand(
                points.point, 1.01 * :reach / points.across, 1.01 * :reach / points.along
            )
            AND (home.code, home.district_code) = (
                SELECT grid.code, grid.district_code
                FROM grids AS grid
                WHERE {covers_in_text("grid.boundary", "building.location")}
                    AND grid.valid_from <= :on
                    AND (grid.valid_to IS NULL OR grid.valid_to > :on)
                ORDER BY grid.code, grid.district_code
                LIMIT 1
            )
    ) AS near
    WHERE near.distance <= :reach
    ORDER BY near.distance, near.code, near.district_code
    LIMIT 1
) AS building ON true
LEFT JOIN LATERAL (
    SELECT coalesce(
        (
            SELECT sponsorship.sponsor_code
            FROM sponsorships AS sponsorship
            WHERE sponsorship.district_code = building.district_code
                AND sponsorship.building_code = building.code
                AND sponsorship.valid_from <= :on
                AND (sponsorship.valid_to IS NULL OR sponsorship.valid_to > :on)
        ),
        (
            SELECT sponsorship.sponsor_code
            FROM sponsorships AS sponsorship
            WHERE sponsorship.district_code = home.district_code
                AND sponsorship.grid_code = home.code
                AND sponsorship.valid_from <= :on
                AND (sponsorship.valid_to IS NULL OR sponsorship.valid_to > :on)
        )
    ) AS sponsor_code
) AS answerable ON true
LEFT JOIN sponsors AS sponsor ON sponsor.code = answerable.sponsor_code
ORDER BY points.ordinal
"""
)


async def locate_points(
    connection: AsyncConnection,
    points: NDArray[np.float64],
    accuracies: Sequence[float | None],
    on: datetime.date,
    building_reach_metres: float,
) -> Sequence[Located]:
    """What is known of each point on a day, in their order.

    `points`: float64 (n, 2), longitude then latitude, WGS 84 degrees. `accuracies`: metres, or
    None where nothing is known. A building without a footprint around the point is within reach
    up to `building_reach_metres`, if it stands in the point's own grid.
    """
    rows = await connection.execute(
        _LOCATE,
        {
            "longitudes": points[:, 0].tolist(),
            "latitudes": points[:, 1].tolist(),
            "accuracies": list(accuracies),
            "on": on,
            "reach": building_reach_metres,
        },
    )
    return [_located(tuple(row)) for row in rows]


async def spots_at(
    connection: AsyncConnection,
    spots: Sequence[tuple[float, float, float | None]],
    on: datetime.date,
    building_reach_metres: float,
) -> Sequence[Located]:
    """The same of spots: longitude, latitude, WGS 84 degrees, and accuracy."""
    points = np.array([spot[:2] for spot in spots], dtype=np.float64).reshape(-1, 2)
    accuracies = [accuracy for _, _, accuracy in spots]
    return await locate_points(connection, points, accuracies, on, building_reach_metres)


def _located(row: tuple[Any, ...]) -> _Found:
    home, sponsor = row[:6], row[12:]
    distance, within, candidates, code, district_code, version = row[6:12]
    grid = Grid(*home) if home[0] else None
    if candidates:
        touched = tuple(_candidate(*candidate) for candidate in candidates)
    else:
        touched = (Candidate(grid, 1.0, 0.0),) if grid else ()
    return _Found(
        grid=grid,
        is_within=within,
        candidates=touched,
        distance_to_boundary=distance,
        building=Key(code, district_code) if code else None,
        sponsor=Sponsor(*sponsor) if sponsor[0] else None,
        version=version,
    )


def _candidate(*row: Any) -> Candidate:
    district_code, code, community_code, name, valid_from, valid_to, share, distance = row
    grid = Grid(
        district_code,
        code,
        community_code,
        name,
        datetime.date.fromisoformat(valid_from),
        datetime.date.fromisoformat(valid_to) if valid_to else None,
    )
    return Candidate(grid, share, distance)
