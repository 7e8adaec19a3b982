"""Writing what is kept back to files, under the headings by which the import knows them.

What is exported and imported again with the same datum changes nothing; imported into an empty
database, in the order of `Noun`, it gives the same rows, history and plans among them. What changes
in time has a row for each version: of a grid, of a sponsorship, of a worker's time on a grid. A
building has one for each day on which its management changed.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from gridmap.errors import NotFound
from gridmap.geo.checks import GeometryKind
from gridmap.geo.datums import Datum, geometries_from_wgs84
from gridmap.geo.writing import ColumnType, Features, write_features
from gridmap.store.dates import today
from gridmap.store.imports.options import Noun
from gridmap.store.imports.staging import batches_of

PERSONAL = frozenset({Noun.WORKERS, Noun.MEMBER_CARDS, Noun.VISITS})
"""What holds names, phones and notes."""


def export_file(
    connection: Connection,
    noun: Noun,
    path: Path,
    *,
    region: str | None = None,
    datum: Datum = Datum.WGS84,
    on: datetime.date | None = None,
) -> int:
    """Writes the noun's rows to a .geojson, .gpkg or .csv; returns how many.

    `region`: only what lies in it or below it (sponsors: which belong to it). `datum`: of the
    coordinates written. `on`: only what holds on that day, a row for each code (workers: for each
    of their grids); by default everything, with what has ended and what is to begin. Categories are
    everybody's and always written whole; of deadlines a region has those that name its districts.

    What is no region, grid or building has no geometry: null in GeoJSON, a table in a GeoPackage.
    In a table of buildings the position is in `longitude` and `latitude`, in one of grids and
    regions the outline is WKT in `boundary`. Rows are streamed; memory holds one batch.

    What is PERSONAL is for the file's owner alone to read.

    Raises NotFound where there is no such region, and Invalid where the ending or the folder cannot
    be written.
    """
    noun = Noun(noun)
    layer = _LAYERS[noun]
    parameters = {
        "region": region,
        "datum": str(datum),
        "day": on or today(),
        "whole": on is None,
    }
    if (
        region is not None
        and not connection.execute(
            text("SELECT 1 FROM regions WHERE code = :region"), parameters
        ).first()
    ):
        raise NotFound(f"There is no region {region}; regions are named by their codes.")
    return write_features(
        path,
        _features(connection, layer, datum, parameters),
        columns=layer.columns,
        geometry=layer.geometry,
        is_private=noun in PERSONAL,
    )


@dataclass(frozen=True, slots=True)
class _Layer:
    """`statement` selects `columns` in their order, a footprint as WKB, and then the geometry as
    WKB, which is in `:datum` already where the last column says so."""

    columns: dict[str, ColumnType]
    geometry: GeometryKind | None
    statement: str


def _features(
    connection: Connection, layer: _Layer, datum: Datum, parameters: dict[str, Any]
) -> Iterator[Features]:
    for rows in batches_of(connection, _TREE + layer.statement, **parameters):
        values = [list(column) for column in zip(*rows, strict=True)]
        columns = dict(zip(layer.columns, values, strict=False))
        if "footprint" in columns:
            columns["footprint"] = _as_geojson(_moved(columns["footprint"], datum))
        geometries = None
        if layer.geometry is not None:
            wkb, is_moved = values[len(columns) :]
            geometries = np.where(is_moved, shapely.from_wkb(wkb), _moved(wkb, datum))
        yield Features(columns, geometries)


def _moved(wkb: list[bytes | None], datum: Datum) -> NDArray[np.object_]:
    return geometries_from_wgs84(shapely.from_wkb(np.array(wkb, dtype=object)), datum)


def _as_geojson(geometries: NDArray[np.object_]) -> list[str | None]:
    """Not WKT, of which GEOS drops digits."""
    written: list[str | None] = shapely.to_geojson(geometries).tolist()
    return written


# Every region of `:region`, or all. A walk along regions_parent_code_idx.
_TREE = """
WITH RECURSIVE tree (code) AS (
    SELECT code
    FROM regions
    WHERE CAST(:region AS text) IS NULL OR code = :region
    UNION
    SELECT regions.code
    FROM regions
    JOIN tree ON regions.parent_code = tree.code
)
"""

_LAYERS = {
    Noun.REGIONS: _Layer(
        {"code": str, "name": str, "level": str, "parent": str},
        GeometryKind.POLYGON,
        """
        SELECT code, name, level, parent_code, ST_AsBinary(boundary), FALSE
        FROM regions
        WHERE code IN (SELECT code FROM tree)
        ORDER BY length(code), code
        """,
    ),
    Noun.GRIDS: _Layer(
        {
            "code": str,
            "name": str,
            "community": str,
            "valid_from": datetime.date,
            "valid_to": datetime.date,
        },
        GeometryKind.POLYGON,
        """
        SELECT
            code, name, community_code, valid_from, valid_to, ST_AsBinary(boundary), FALSE
        FROM grids
        WHERE community_code IN (SELECT code FROM tree)
          AND (:whole OR valid_from <= :day AND (valid_to IS NULL OR valid_to > :day))
        ORDER BY code, district_code, valid_from
        """,
    ),
    # A position goes out as it came in where it is asked for in the datum it came in. Where nobody
    # took over from a mode that ended, that is a change too.
    Noun.BUILDINGS: _Layer(
        {
            "code": str,
            "name": str,
            "community": str,
            "compound": str,
            "households": int,
            "management_mode": str,
            "management_from": datetime.date,
            "footprint": str,
        },
        GeometryKind.POINT,
        """
        SELECT
            code, name, community_code, compound, households,
            COALESCE(managed.mode, 'UNMANAGED'), managed.day, ST_AsBinary(footprint),
            CASE
                WHEN source_datum = :datum
                THEN ST_AsBinary(ST_MakePoint(source_longitude, source_latitude))
                ELSE ST_AsBinary(location)
            END,
            source_datum = :datum
        FROM buildings
        LEFT JOIN (
            SELECT *
            FROM (
                SELECT
                    district_code, code, mode, day,
                    lead(day) OVER (PARTITION BY district_code, code ORDER BY day) AS next_day
                FROM (
                    SELECT district_code, building_code AS code, mode, valid_from AS day
                    FROM building_managements
                    UNION ALL
                    SELECT district_code, building_code, NULL, valid_to
                    FROM building_managements AS ended
                    WHERE valid_to IS NOT NULL
                      AND NOT EXISTS (
                          SELECT 1
                          FROM building_managements AS next
                          WHERE next.district_code = ended.district_code
                            AND next.building_code = ended.building_code
                            AND next.valid_from = ended.valid_to
                      )
                ) AS change
            ) AS period
            WHERE :whole OR day <= :day AND (next_day IS NULL OR next_day > :day)
        ) AS managed USING (district_code, code)
        WHERE community_code IN (SELECT code FROM tree)
        ORDER BY code, district_code, managed.day
        """,
    ),
    Noun.SPONSORS: _Layer(
        {
            "code": str,
            "name": str,
            "level": str,
            "region": str,
            "leader": str,
            "leader_role": str,
        },
        None,
        """
        SELECT code, name, level, region_code, leader, leader_role
        FROM sponsors
        WHERE region_code IN (SELECT code FROM tree)
        ORDER BY code
        """,
    ),
    # Joined, not asked by IN: a list too long for its memory is read through for each row.
    Noun.SPONSORSHIPS: _Layer(
        {
            "sponsor": str,
            "building": str,
            "grid": str,
            "district": str,
            "valid_from": datetime.date,
            "valid_to": datetime.date,
        },
        None,
        """
        SELECT sponsor_code, building_code, grid_code, district_code, valid_from, valid_to
        FROM sponsorships
        LEFT JOIN (
            SELECT district_code, code AS building_code
            FROM buildings
            WHERE community_code IN (SELECT code FROM tree)
        ) AS building USING (district_code, building_code)
        LEFT JOIN (
            SELECT DISTINCT district_code, code AS grid_code
            FROM grids
            WHERE community_code IN (SELECT code FROM tree)
        ) AS grid USING (district_code, grid_code)
        WHERE (:whole OR valid_from <= :day AND (valid_to IS NULL OR valid_to > :day))
          AND (building.building_code IS NOT NULL OR grid.grid_code IS NOT NULL)
        ORDER BY building_code, grid_code, district_code, valid_from
        """,
    ),
    # A worker without a grid belongs to the district; one with grids, to where those are.
    Noun.WORKERS: _Layer(
        {
            "code": str,
            "name": str,
            "phone": str,
            "district": str,
            "grid": str,
            "valid_from": datetime.date,
            "valid_to": datetime.date,
        },
        None,
        """
        SELECT code, name, phone, district_code, grid_code, valid_from, valid_to
        FROM workers
        LEFT JOIN (
            SELECT district_code, worker_code AS code, grid_code, valid_from, valid_to
            FROM worker_assignments
            WHERE :whole OR valid_from <= :day AND (valid_to IS NULL OR valid_to > :day)
        ) AS assigned USING (district_code, code)
        LEFT JOIN (
            SELECT DISTINCT district_code, code AS grid_code
            FROM grids
            WHERE community_code IN (SELECT code FROM tree)
        ) AS grid USING (district_code, grid_code)
        WHERE grid.grid_code IS NOT NULL
           OR assigned.grid_code IS NULL AND district_code IN (SELECT code FROM tree)
        ORDER BY code, district_code, grid_code, valid_from
        """,
    ),
    # Of a day there are the visits of that day.
    Noun.VISITS: _Layer(
        {
            "building": str,
            "worker": str,
            "kind": str,
            "at": str,
            "note": str,
            "id": str,
            "district": str,
        },
        None,
        """
        SELECT
            building_code, worker_code, kind,
            to_char(at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD"T"HH24:MI:SS.US"+08:00"'),
            nullif(note, ''), CAST(id AS text), district_code
        FROM visits
        JOIN (
            SELECT district_code, code AS building_code
            FROM buildings
            WHERE community_code IN (SELECT code FROM tree)
        ) AS building USING (district_code, building_code)
        WHERE :whole OR CAST(at AT TIME ZONE 'Asia/Shanghai' AS date) = :day
        ORDER BY at, id, district_code
        """,
    ),
    Noun.MEMBER_CARDS: _Layer(
        {
            "building": str,
            "name": str,
            "district": str,
            "valid_from": datetime.date,
            "valid_to": datetime.date,
        },
        None,
        """
        SELECT building_code, name, district_code, valid_from, valid_to
        FROM member_cards
        JOIN (
            SELECT district_code, code AS building_code
            FROM buildings
            WHERE community_code IN (SELECT code FROM tree)
        ) AS building USING (district_code, building_code)
        WHERE :whole OR valid_from <= :day AND (valid_to IS NULL OR valid_to > :day)
        ORDER BY building_code, district_code, valid_from, id
        """,
    ),
    Noun.CATEGORIES: _Layer(
        {"code": str, "name": str, "parent": str},
        None,
        """
        SELECT code, name, parent_code
        FROM report_categories
        ORDER BY coalesce(parent_code, code), parent_code NULLS FIRST, code
        """,
    ),
    Noun.DEADLINES: _Layer(
        {
            "category": str,
            "urgency": str,
            "step": str,
            "amount": int,
            "unit": str,
            "district": str,
        },
        None,
        """
        SELECT
            nullif(category_code, ''), nullif(urgency, ''), step, amount, unit,
            nullif(district_code, '')
        FROM deadlines
        WHERE CAST(:region AS text) IS NULL OR district_code IN (SELECT code FROM tree)
        ORDER BY district_code, category_code, urgency, step
        """,
    ),
    Noun.REPORT_RULES: _Layer(
        {"region": str, "default_sponsor": str, "rated": str},
        None,
        """
        SELECT region_code, default_sponsor_code, CAST(is_rated AS text)
        FROM report_rules
        WHERE region_code IN (SELECT code FROM tree)
        ORDER BY region_code
        """,
    ),
}
