"""Small real districts for tests, put straight into the tables so that no import is trusted."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from shapely import MultiPolygon, Point, Polygon, box
from sqlalchemy import Connection, insert

from gridmap.store import tables

LONG_AGO = datetime.date(2024, 1, 1)
LAST_YEAR = datetime.date(2025, 6, 1)

DISTRICT = "230402"
STREET = "230402002"
COMMUNITY = "230402002005"

WEST, SOUTH, SIDE = 130.28, 47.33, 0.004
"""The south-west corner of the squares and their side, in degrees."""


@dataclass(frozen=True)
class District:
    """Three by two squares, numbered from the north-west; a building in the middle of each.

    Grid 1 and its building have a sponsor each, building 2 none; grid 6 has moved: before
    `LAST_YEAR` it was the northern half of its square.
    """

    grids: dict[str, Polygon]
    buildings: dict[str, Point]


def grid_code(number: int) -> str:
    return f"{COMMUNITY}{number:03}"


def building_code(number: int) -> str:
    return f"{COMMUNITY}{number:05}"


def put_district(connection: Connection) -> District:
    """Puts the district into an empty database."""
    _put_regions(connection)
    squares = {
        grid_code(row * 3 + column + 1): box(
            WEST + column * SIDE,
            SOUTH + (1 - row) * SIDE,
            WEST + (column + 1) * SIDE,
            SOUTH + (2 - row) * SIDE,
        )
        for row in range(2)
        for column in range(3)
    }
    for code, square in squares.items():
        moved = code == grid_code(6)
        put_grid(connection, code, square, valid_from=LAST_YEAR if moved else LONG_AGO)
    west, _, east, north = squares[grid_code(6)].bounds
    put_grid(
        connection,
        grid_code(6),
        box(west, north - SIDE / 2, east, north),
        valid_from=LONG_AGO,
        valid_to=LAST_YEAR,
    )
    buildings = {
        building_code(number): squares[grid_code(number)].centroid for number in range(1, 7)
    }
    for number, (code, location) in enumerate(buildings.items(), start=1):
        put_building(connection, code, location, households=number * 10)
    _put_sponsors(connection)
    return District(squares, buildings)


def put_grid(
    connection: Connection,
    code: str,
    boundary: Polygon | MultiPolygon,
    *,
    valid_from: datetime.date = LONG_AGO,
    valid_to: datetime.date | None = None,
) -> None:
    """Puts one version of a grid of the district."""
    parts = boundary.geoms if isinstance(boundary, MultiPolygon) else [boundary]
    connection.execute(
        insert(tables.grids).values(
            district_code=DISTRICT,
            code=code,
            community_code=COMMUNITY,
            name=f"第{int(code[-3:])}网格",
            boundary=f"SRID=4326;{MultiPolygon(list(parts)).wkt}",
            source_datum="WGS84",
            valid_from=valid_from,
            valid_to=valid_to,
        )
    )


def put_building(
    connection: Connection,
    code: str,
    location: Point,
    *,
    households: int = 10,
    footprint: Polygon | None = None,
) -> None:
    """Puts a building of the district."""
    connection.execute(
        insert(tables.buildings).values(
            district_code=DISTRICT,
            code=code,
            community_code=COMMUNITY,
            name=f"{int(code[-5:])}号楼",
            households=households,
            location=f"SRID=4326;{location.wkt}",
            footprint=f"SRID=4326;{MultiPolygon([footprint]).wkt}" if footprint else None,
            source_datum="WGS84",
            source_longitude=location.x,
            source_latitude=location.y,
        )
    )


def _put_regions(connection: Connection) -> None:
    rows = [
        ("23", "黑龙江省", "PROVINCE", None, None),
        ("2304", "鹤岗市", "CITY", "23", None),
        (DISTRICT, "向阳区", "DISTRICT", "2304", DISTRICT),
        (STREET, "红军街道", "STREET", DISTRICT, DISTRICT),
        (COMMUNITY, "友谊社区", "COMMUNITY", STREET, DISTRICT),
        ("230402002006", "煤城社区", "COMMUNITY", STREET, DISTRICT),
    ]
    names = ("code", "name", "level", "parent_code", "district_code")
    connection.execute(insert(tables.regions), [dict(zip(names, row, strict=True)) for row in rows])


def _put_sponsors(connection: Connection) -> None:
    connection.execute(
        insert(tables.sponsors),
        [
            {"code": "S1", "name": "市审计局", "level": "CITY", "region_code": "2304"},
            {"code": "S2", "name": "区法院", "level": "DISTRICT", "region_code": DISTRICT},
        ],
    )
    connection.execute(
        insert(tables.sponsorships),
        [
            {
                "district_code": DISTRICT,
                "sponsor_code": sponsor,
                "building_code": building,
                "grid_code": grid,
                "valid_from": valid_from,
                "valid_to": valid_to,
            }
            for sponsor, building, grid, valid_from, valid_to in (
                ("S2", building_code(1), None, LONG_AGO, LAST_YEAR),
                ("S1", building_code(1), None, LAST_YEAR, None),
                ("S1", building_code(3), None, LAST_YEAR, None),
                ("S2", None, grid_code(1), LONG_AGO, None),
                ("S2", None, grid_code(2), LONG_AGO, None),
            )
        ],
    )
    connection.execute(
        insert(tables.workers),
        [{"district_code": DISTRICT, "code": "W1", "name": "示例", "phone": None}],
    )
    connection.execute(
        insert(tables.worker_assignments),
        [
            {
                "district_code": DISTRICT,
                "worker_code": "W1",
                "grid_code": grid_code(1),
                "valid_from": LONG_AGO,
            }
        ],
    )
    connection.execute(
        insert(tables.building_managements),
        [
            {
                "district_code": DISTRICT,
                "building_code": building_code(1),
                "mode": "COMMUNITY_LED",
                "valid_from": LONG_AGO,
            }
        ],
    )
