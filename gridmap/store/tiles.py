"""What tiles tell: five layers as Mapbox Vector Tiles, each tile by one statement.

Outlines come from `tile_shapes`, a little beyond the tile's edge. A point belongs to the tile that
it lies in and to no other, so that what is counted over the tiles of a zoom adds up. Places are for
all to see, and reports for some; but no person is named here, and no description.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import psycopg
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Double,
    LargeBinary,
    Text,
    and_,
    cast,
    func,
    literal,
    literal_column,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.geo.bounds import Bounds
from gridmap.geo.clusters import tile_codes
from gridmap.geo.tiles import BUFFER, EXTENT, Tile
from gridmap.store import tables
from gridmap.store.buildings import UNMANAGED
from gridmap.store.database import protected
from gridmap.store.geometry import lies_in
from gridmap.store.report_points import ReportPoints
from gridmap.store.reports import ReportFilter, is_overdue, matching
from gridmap.store.scopes import Scope, condition
from gridmap.store.tile_shapes import FOOTPRINTS, GRIDS, LAST_ZOOM, REGIONS, mended


@dataclass(frozen=True, slots=True)
class Layer:
    """`fields`: of each feature, and what they mean. `tables`: what it changes with."""

    name: str
    description: str
    first_zoom: int
    last_zoom: int
    fields: Mapping[str, str]
    tables: frozenset[str]


_OF_REPORTS = frozenset({"regions", "report_rules"})

LAYERS = {
    layer.name: layer
    for layer in (
        Layer(
            "regions",
            "Outlines of regions, of every level.",
            REGIONS.first_zoom,
            LAST_ZOOM,
            {
                "code": "The region's code.",
                "name": "Its name.",
                "level": ", ".join(tables.REGION_LEVELS),
                "parent": "Code of the region that it lies in.",
            },
            frozenset({"regions"}),
        ),
        Layer(
            "grids",
            "Outlines of grids, as they are on a day.",
            GRIDS.first_zoom,
            LAST_ZOOM,
            {
                "code": "The grid's code.",
                "name": "Its name.",
                "community": "Code of its community.",
                "sponsor": "Code of the sponsor that answers for it, if any.",
            },
            frozenset({"regions", "grids", "sponsorships"}),
        ),
        Layer(
            "buildings",
            "Buildings: their footprints from zoom 15 on where they are known, else points.",
            12,
            LAST_ZOOM,
            {
                "code": "The building's code.",
                "name": "Its name.",
                "community": "Code of its community.",
                "management": ", ".join((*tables.MANAGEMENT_MODES, UNMANAGED)),
                "sponsor": "Code of the sponsor that answers for it, if any.",
                "households": "How many.",
            },
            frozenset({"regions", "buildings", "sponsorships"}),
        ),
        Layer(
            "reports",
            "Reports, each where it is.",
            14,
            LAST_ZOOM,
            {
                "number": "What it is called on the phone.",
                "state": ", ".join(tables.STATES),
                "category": "Code of its category.",
                "urgency": ", ".join(tables.URGENCIES),
                "overdue": "Whether it is open and past a deadline.",
                "received": "When it was received, seconds since 1970.",
            },
            _OF_REPORTS,
        ),
        Layer(
            "report_clusters",
            "Reports that lie close to each other at a zoom, merged.",
            0,
            LAST_ZOOM,
            {
                "count": "How many reports.",
                "key": "Stands for these reports and no others: the same at every zoom.",
                "number": "The report's number, where it is one alone, and not for the public.",
            },
            _OF_REPORTS,
        ),
    )
}


async def regions_tile(
    connection: AsyncConnection, tile: Tile, regions: Sequence[str] | None
) -> bytes:
    """Of all regions, or of those with such codes. Served by regions_boundary_idx."""
    statement = _regions(tile.zoom, regions is not None)
    return await _told(connection, statement, _place(tile, regions=regions))


async def grids_tile(
    connection: AsyncConnection, tile: Tile, regions: Sequence[str] | None, on: datetime.date
) -> bytes:
    """Of all communities, or of those with such codes. Served by grids_boundary_idx."""
    statement = _grids(tile.zoom, regions is not None)
    return await _told(connection, statement, _place(tile, regions=regions, on=on))


async def buildings_tile(
    connection: AsyncConnection, tile: Tile, regions: Sequence[str] | None, on: datetime.date
) -> bytes:
    """Of all communities, or of those with such codes.

    Served by buildings_location_idx and buildings_footprint_idx.
    """
    statement = _buildings(tile.zoom, regions is not None)
    return await _told(connection, statement, _place(tile, regions=regions, on=on))


@protected
async def reports_tile(connection: AsyncConnection, tile: Tile, wanted: ReportFilter) -> bytes:
    """Served by reports_location_idx, or by the index of what is asked for."""
    report = tables.reports.c
    x, y = _units(report.location, float(EXTENT << tile.zoom))
    found = matching(
        select(
            x.label("x"),
            y.label("y"),
            report.serial,
            (report.district_code + "-" + cast(report.serial, Text)).label("number"),
            report.state,
            report.category_code.label("category"),
            report.urgency,
            func.coalesce(is_overdue(wanted.now), False).label("overdue"),
            cast(func.extract("epoch", report.received_at), BigInteger).label("received"),
        ),
        wanted,
    )
    points = found.where(lies_in(report.location, tile.bounds(1))).subquery("points").c
    west, north = float(tile.west), float(tile.north)
    feature = (
        select(
            func.ST_MakePoint(points.x - west, points.y - north).label("geom"),
            *(points[name] for name in LAYERS["reports"].fields),
        )
        .where(points.x >= west, points.x < west + EXTENT)
        .where(points.y >= north, points.y < north + EXTENT)
        .order_by(points.serial)
        .subquery("feature")
    )
    told = func.ST_AsMVT(literal_column("feature"), "reports", EXTENT, "geom", type_=LargeBinary)
    return bytes(await connection.scalar(select(told).select_from(feature)) or b"")


class PlacedClusters(NamedTuple):
    """Clusters of a tile; all lists are as long. `x`, `y`: units from the tile's corner. `serials`:
    of a report in each, 0 on the public's map."""

    x: list[float]
    y: list[float]
    counts: list[int]
    keys: list[str]
    serials: list[int]


async def report_clusters(
    points: ReportPoints, tile: Tile, wanted: ReportFilter, *, is_public: bool
) -> PlacedClusters:
    """The clusters whose cells the tile is made of, from memory."""
    bounds = tile.bounds(1)
    # The outermost cells hold all that lies beyond Web Mercator's square.
    if tile.row == 0:
        bounds = bounds._replace(north=90.0)
    if tile.row == (1 << tile.zoom) - 1:
        bounds = bounds._replace(south=-90.0)
    if is_public:
        cells = await points.public_clusters(bounds, tile.zoom, wanted)
        serials = np.zeros(len(cells), dtype=np.int64)
    else:
        cells, serials = await points.clusters(bounds, tile.zoom, wanted)
    first, end = np.searchsorted(cells.code, tile_codes(tile.column, tile.row)).tolist()
    x, y = tile.units(cells.location[first:end])
    return PlacedClusters(
        x.tolist(),
        y.tolist(),
        cells.count[first:end].tolist(),
        [f"{key:016x}" for key in cells.key[first:end].tolist()],
        serials[first:end].tolist(),
    )


@protected
async def report_clusters_tile(
    connection: AsyncConnection, clusters: PlacedClusters, scope: Scope
) -> bytes:
    """Served by reports_serial_idx. A report's number is told where it is in the scope."""
    if not clusters.x:
        return b""
    columns = zip(clusters._fields, (Double, Double, BigInteger, Text, BigInteger), strict=True)
    told = (
        func.unnest(*(literal(getattr(clusters, name), ARRAY(type_)) for name, type_ in columns))
        .table_valued("x", "y", "count", "key", "serial", with_ordinality="place", name="told")
        .render_derived()
    )
    report = tables.reports.c
    is_it = and_(told.c.count == 1, report.serial == told.c.serial, condition(scope))
    feature = (
        select(
            func.ST_MakePoint(told.c.x, told.c.y).label("geom"),
            told.c.count,
            told.c.key,
            (report.district_code + "-" + cast(report.serial, Text)).label("number"),
        )
        .select_from(told.outerjoin(tables.reports, is_it))
        .order_by(told.c.place)
        .subquery("feature")
    )
    tile = func.ST_AsMVT(
        literal_column("feature"), "report_clusters", EXTENT, "geom", type_=LargeBinary
    )
    return bytes(await connection.scalar(select(tile).select_from(feature)) or b"")


async def extent(connection: AsyncConnection) -> Bounds | None:
    """What all grids lie in; None where there are none."""
    statement = text(
        """
        SELECT ST_XMin(box), ST_YMin(box), ST_XMax(box), ST_YMax(box)
        FROM (SELECT ST_Extent(boundary) AS box FROM grids) AS grids
        """
    )
    row = (await connection.execute(statement)).one()
    return None if row[0] is None else Bounds(*row)


async def _told(
    connection: AsyncConnection, statement: str, parameters: dict[str, object]
) -> bytes:
    """By the driver itself: SQLAlchemy's part would be as long as a small tile takes."""
    driver = (await connection.get_raw_connection()).driver_connection
    assert isinstance(driver, psycopg.AsyncConnection)
    cursor = await driver.execute(statement.encode(), parameters)
    row = await cursor.fetchone()
    return bytes(row[0] or b"") if row else b""


def _place(tile: Tile, **others: object) -> dict[str, object]:
    """The parameters of every tile's statement."""
    bounds = tile.bounds(BUFFER)
    return {
        **bounds._asdict(),
        "side": float(EXTENT << tile.zoom),
        "left": float(tile.west),
        "top": float(tile.north),
        **{
            name: list(value) if isinstance(value, tuple) else value
            for name, value in others.items()
        },
    }


@lru_cache(maxsize=100)
def _regions(zoom: int, some: bool) -> str:
    return _tile(
        "regions",
        f"""
        SELECT
            regions.code, regions.name, regions.level, regions.parent_code AS parent,
            {REGIONS.shape(zoom)} AS shape
        FROM {_near(zoom)}
        JOIN regions ON regions.boundary && near.box
        {REGIONS.joined}
        WHERE TRUE {_among("regions.code") if some else ""}
        """,
        _clipped("shape"),
    )


@lru_cache(maxsize=100)
def _grids(zoom: int, some: bool) -> str:
    return _tile(
        "grids",
        f"""
        SELECT
            grids.code, grids.name, grids.community_code AS community,
            sponsorships.sponsor_code AS sponsor,
            {GRIDS.shape(zoom)} AS shape
        FROM {_near(zoom)}
        JOIN grids ON grids.boundary && near.box
        {GRIDS.joined}
        LEFT JOIN sponsorships
            ON sponsorships.district_code = grids.district_code
            AND sponsorships.grid_code = grids.code
            AND {_holds("sponsorships")}
        WHERE {_holds("grids")}
            {_among("grids.community_code") if some else ""}
        """,
        _clipped("shape"),
    )


@lru_cache(maxsize=100)
def _buildings(zoom: int, some: bool) -> str:
    if zoom < FOOTPRINTS.first_zoom:
        shape, joined = "CAST(NULL AS geometry)", ""
        there = "buildings.location && near.box"
    else:
        shape, joined = FOOTPRINTS.shape(zoom), FOOTPRINTS.joined
        # By two indexes. A building that has a footprint stands in it, wherever its position is.
        there = """(
            buildings.footprint && near.box
            OR (buildings.location && near.box AND buildings.footprint IS NULL)
        )"""
    return _tile(
        "buildings",
        f"""
        SELECT
            buildings.code, buildings.name, buildings.community_code AS community,
            coalesce(building_managements.mode, '{UNMANAGED}') AS management,
            sponsorships.sponsor_code AS sponsor, buildings.households,
            {_X.format("buildings.location")} AS x, {_Y.format("buildings.location")} AS y,
            {shape} AS shape
        FROM {_near(zoom)}
        JOIN buildings ON {there}
        {joined}
        LEFT JOIN building_managements
            ON building_managements.district_code = buildings.district_code
            AND building_managements.building_code = buildings.code
            AND {_holds("building_managements")}
        LEFT JOIN sponsorships
            ON sponsorships.district_code = buildings.district_code
            AND sponsorships.building_code = buildings.code
            AND {_holds("sponsorships")}
        WHERE TRUE {_among("buildings.community_code") if some else ""}
        """,
        f"""
        CASE
            WHEN shape IS NOT NULL THEN {_clipped("shape")}
            WHEN x >= %(left)s AND x < %(left)s + {EXTENT}
                AND y >= %(top)s AND y < %(top)s + {EXTENT}
            THEN ST_MakePoint(x - %(left)s, y - %(top)s)
        END
        """,
    )


def _tile(layer: str, found: str, geometry: str) -> str:
    """The statement of a tile: rows that are near, and where they are in the tile.

    Rows are put in order so that the same data makes the same bytes, whoever makes them.
    """
    return f"""
    SELECT ST_AsMVT(feature, '{layer}', {EXTENT}, 'geom')
    FROM (
        SELECT {geometry} AS geom, {", ".join(LAYERS[layer].fields)}
        FROM ({found} OFFSET 0) AS found
        ORDER BY code
        OFFSET 0 -- so that no part is cut twice, once to see whether it is empty
    ) AS feature
    WHERE NOT ST_IsEmpty(geom)
    """


def _clipped(shape: str) -> str:
    """The part of a shape that lies in the tile or a little beyond, from the tile's corner."""
    box = (
        f"ST_MakeEnvelope(%(left)s - {BUFFER}, %(top)s - {BUFFER}, "
        f"%(left)s + {EXTENT + BUFFER}, %(top)s + {EXTENT + BUFFER})"
    )
    cut = f"ST_SnapToGrid(ST_CollectionExtract(ST_ClipByBox2D({shape}, {box}), 3), 1)"
    part = f"CASE WHEN {shape} @ {box} THEN {shape} ELSE {mended(cut)} END"
    return f"ST_Translate({part}, -%(left)s, -%(top)s)"


def _holds(table: str) -> str:
    return (
        f"{table}.valid_from <= CAST(%(on)s AS date) "
        f"AND ({table}.valid_to IS NULL OR {table}.valid_to > CAST(%(on)s AS date))"
    )


def _near(zoom: int) -> str:
    """The tile's box with its margin, as `near`.

    Where a tile holds few rows, making a plan takes longer than following it. There PostgreSQL is
    not to see how large the box is: then all plans are one, which it keeps.
    """
    box = "ST_MakeEnvelope(%(west)s, %(south)s, %(east)s, %(north)s, 4326) AS box"
    return f"(SELECT {box} {'OFFSET 0' if zoom >= _FEW_ROWS_ZOOM else ''}) AS near"


def _among(code: str) -> str:
    return f"AND {code} = ANY(CAST(%(regions)s AS text[]))"


def _units(
    location: ColumnElement[Any], side: float
) -> tuple[ColumnElement[float], ColumnElement[float]]:
    """As `_X` and `_Y` say it."""
    across = (func.ST_X(location, type_=Double) + 180.0) / 360.0
    down = 0.5 - func.asinh(func.tan(func.radians(func.ST_Y(location)))) / (2 * func.pi())
    return func.floor(across * side), func.floor(down * side)


# From here on a tile of grids holds about a hundred at most, as wide as these are.
_FEW_ROWS_ZOOM = 13

# Units of the zoom from the world's north-west corner, by spherical Mercator (EPSG:3857).
_X = "floor((ST_X({0}) + 180) / 360 * %(side)s)"
_Y = "floor((0.5 - asinh(tan(radians(ST_Y({0})))) / (2 * pi())) * %(side)s)"
