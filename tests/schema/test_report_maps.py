"""Clusters add up to the list of reports, and hotspots are those that PostGIS finds."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import psycopg
import pytest

from gridmap.schema.context import Context
from gridmap.schema.root import schema
from gridmap.store.database import Database
from gridmap.store.report_points import ReportPoints
from gridmap.store.viewers import Role, Viewer
from tests.asking import AUDITOR
from tests.districts import (
    COMMUNITY,
    DISTRICT,
    LAST_YEAR,
    SIDE,
    SOUTH,
    STREET,
    WEST,
    District,
    building_code,
    grid_code,
)
from tests.reports import change_report, put_report

OTHER = "230402002006"
METRE = 1 / 111_200
"""Of latitude, in degrees, about."""
RADIUS = 34.0
"""Between the distances of places on a lattice of 10 metres, which are 31.6 and 36.1."""

CLUSTERS = """
    query ($bounds: BoundsInput!, $zoom: Int!, $filter: ReportFilter, $all: ReportFilter) {
        reportClusters(bounds: $bounds, zoom: $zoom, filter: $filter) {
            count key bounds location report { number location }
        }
        reports(filter: $all, first: 1) { totalCount }
    }
"""
HOTSPOTS = """
    query ($region: String!, $filter: ReportFilter, $radius: Float!, $least: Int!) {
        hotspots(region: $region, filter: $filter, radius: $radius, minReports: $least) {
            count outline centre grids { code } reportsPerHundredHouseholds
        }
    }
"""


@pytest.fixture(scope="module")
def url(database_url: str, district: District) -> str:  # noqa: ARG001, its squares are there
    """Reports around the middles of four squares, and some far from all."""
    chance = random.Random(3)
    with psycopg.connect(database_url) as connection:
        for square, how_many in ((0, 60), (1, 25), (4, 40), (5, 12)):
            east = WEST + (square % 3 + 0.5) * SIDE
            north = SOUTH + (1.5 - square // 3) * SIDE
            for _ in range(how_many):
                put_near(connection, chance, east, north, 5)
        for _ in range(30):
            put_near(connection, chance, WEST + 1.5 * SIDE, SOUTH + SIDE, 40)
    return database_url


def put_near(
    connection: psycopg.Connection, chance: random.Random, east: float, north: float, wide: int
) -> None:
    """On a lattice of 10 metres around a place that lies on it."""
    columns, rows = (round(chance.gauss(0, wide)) for _ in range(2))
    across = METRE / 0.6785  # at 47.33 degrees, on the sphere; the lattice need not be exact
    put_report(
        connection,
        DISTRICT,
        region=chance.choice([COMMUNITY, COMMUNITY, OTHER]),
        urgency=chance.choice(["ROUTINE", "URGENT"]),
        category=chance.choice(["0101", "0102", "0301"]),
        description=chance.choice(["楼道杂物", "路灯不亮"]),
        longitude=round((round(east / across / 10) + columns) * across * 10, 7),
        latitude=round((round(north / METRE / 10) + rows) * METRE * 10, 7),
    )


@asynccontextmanager
async def asking(url: str, viewer: Viewer = AUDITOR) -> AsyncIterator[Any]:
    database = Database(url)
    points = ReportPoints(database, url)

    async def ask(query: str, **variables: object) -> tuple[Any, list[str]]:
        result = await schema.execute(
            query,
            variable_values=variables,
            context_value=Context(database, 30, points=points, viewer=viewer),
        )
        return orjson.loads(orjson.dumps(result.data)), [e.message for e in result.errors or []]

    try:
        yield ask
    finally:
        await points.close()
        await database.close()


def asked(url: str, query: str, **variables: object) -> tuple[Any, list[str]]:
    async def main() -> tuple[Any, list[str]]:
        async with asking(url) as ask:
            answer: tuple[Any, list[str]] = await ask(query, **variables)
            return answer

    return asyncio.run(main())


@pytest.fixture
def connection(url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


# Clusters


def chosen_filter(chance: random.Random) -> dict[str, Any]:
    choices: dict[str, Any] = {
        "region": chance.choice([COMMUNITY, OTHER, DISTRICT, "2304"]),
        "states": chance.sample(["SUBMITTED", "REGISTERED", "CLOSED"], 2),
        "open": chance.random() < 0.5,
        "category": chance.choice(["01", "03", "0101", "0301"]),
        "urgency": chance.choice(["ROUTINE", "URGENT"]),
        "source": chance.choice(["PHONE", "WALK"]),
        "since": "2026-05-04T09:00:00.000050+08:00",
        "until": "2026-05-04T09:00:00.000100+08:00",
        "overdue": chance.random() < 0.5,
        "text": chance.choice(["杂", "路灯", "道杂物"]),
        "number": f"{DISTRICT}-{chance.randint(1, 200)}",
    }
    return {name: choices[name] for name in chance.sample(sorted(choices), chance.randint(0, 2))}


def test_clusters_add_up_to_the_list_of_the_same_reports(
    url: str, connection: psycopg.Connection
) -> None:
    chance = random.Random(11)

    async def main() -> int:
        alone = 0
        async with asking(url) as ask:
            for _ in range(40):
                west, east = sorted(WEST + chance.uniform(0, 3) * SIDE for _ in range(2))
                south, north = sorted(SOUTH + chance.uniform(0, 2) * SIDE for _ in range(2))
                bounds = {"west": west, "south": south, "east": east, "north": north}
                given = chosen_filter(chance)
                data, errors = await ask(
                    CLUSTERS,
                    bounds=bounds,
                    zoom=chance.randint(0, 24),
                    filter=given,
                    all={**given, "bounds": bounds},
                )
                assert errors == []
                clusters = data["reportClusters"]
                total = sum(cluster["count"] for cluster in clusters)
                assert total == data["reports"]["totalCount"], given
                for cluster in clusters:
                    longitude, latitude = cluster["location"]["coordinates"]
                    of = cluster["bounds"]
                    assert of[0] <= longitude <= of[2]
                    assert of[1] <= latitude <= of[3]
                    assert (cluster["report"] is None) == (cluster["count"] > 1)
                    if cluster["report"]:
                        assert cluster["report"]["location"] == cluster["location"]
                        alone += 1
        return alone

    assert asyncio.run(main()) > 20
    assert connection.execute("SELECT count(*) > 150 FROM reports").fetchone() == (True,)


def test_a_report_is_on_the_map_in_its_new_state_as_soon_as_it_has_it(
    url: str, connection: psycopg.Connection
) -> None:
    place = {"west": 50.0, "south": 5.0, "east": 51.0, "north": 6.0}

    async def main() -> None:
        async with asking(url) as ask:

            async def keys(**given: object) -> list[str]:
                data, _ = await ask(CLUSTERS, bounds=place, zoom=9, filter=given, all={})
                return [cluster["key"] for cluster in data["reportClusters"]]

            id_ = put_report(connection, DISTRICT, longitude=50.5, latitude=5.5)
            [key] = await keys()
            change_report(connection, id_, DISTRICT, state="REGISTERED")
            assert await keys(states=["REGISTERED"]) == [key]
            assert await keys(states=["SUBMITTED"]) == []
            change_report(connection, id_, DISTRICT, location="SRID=4326;POINT(52 5.5)")
            assert await keys() == []

    asyncio.run(main())


@pytest.mark.parametrize(
    ("viewer", "found"),
    [
        (Viewer(Role.BUILDING_MEMBER, "李四", frozenset({building_code(1)})), 1),
        (Viewer(Role.BUILDING_MEMBER, "王五", frozenset({building_code(1)})), 0),
        (Viewer(Role.GRID_WORKER, "李四", frozenset({grid_code(1)})), 0),
        (Viewer(Role.SPONSOR, "clerk", frozenset({"李四"})), 1),
        (Viewer(Role.COMMUNITY, "office", frozenset({COMMUNITY})), 1),
        (Viewer(Role.STREET, "office", frozenset({STREET})), 3),
        (Viewer(Role.DISTRICT, "office", frozenset({"230406"})), 0),
        (AUDITOR, 3),
    ],
    ids=lambda value: str(getattr(value, "role", "")),
)
def test_a_member_of_a_building_is_found_by_name_only_by_who_is_told_the_name(
    url: str, connection: psycopg.Connection, viewer: Viewer, found: int
) -> None:
    """Two that the member handles, in two communities, and one of a sponsor of the same code."""
    bounds = {"west": 100.0, "south": 0.0, "east": 101.0, "north": 1.0}
    at = {"handler": "李四", "longitude": 100.5, "latitude": 0.5, "category": "0501"}
    ids = [
        put_report(connection, DISTRICT, region=COMMUNITY, handler_kind="BUILDING_MEMBER", **at),
        put_report(connection, DISTRICT, region=OTHER, handler_kind="BUILDING_MEMBER", **at),
        put_report(connection, DISTRICT, region=OTHER, handler_kind="SPONSOR", **at),
    ]

    async def main() -> Any:
        async with asking(url, viewer) as ask:
            terms = {"handler": "李四", "category": "0501"}
            return await ask(CLUSTERS, bounds=bounds, zoom=3, filter=terms, all=terms)

    try:
        data, errors = asyncio.run(main())
    finally:
        with connection.transaction():
            connection.execute("SET LOCAL session_replication_role = replica")
            for table in ("report_events", "reports"):
                column = "report_id" if table == "report_events" else "id"
                connection.execute(f"DELETE FROM {table} WHERE {column} = ANY(%s)", [ids])
    assert errors == []
    on_map = sum(each["count"] for each in data["reportClusters"])
    assert (on_map, data["reports"]["totalCount"]) == (found, found)


@pytest.mark.parametrize(
    ("bounds", "zoom", "said"),
    [
        ((0, 0, 1, 1), 25, "There is no zoom 25: ask for one from 0 to 24."),
        ((0, 0, 1, 1), -1, "There is no zoom -1: ask for one from 0 to 24."),
        ((1, 0, 0, 1), 3, "needs -180 <= west <= east <= 180"),
    ],
)
def test_what_no_map_shows_is_refused(
    url: str, bounds: tuple[int, ...], zoom: int, said: str
) -> None:
    box = dict(zip(("west", "south", "east", "north"), bounds, strict=True))
    data, errors = asked(url, CLUSTERS, bounds=box, zoom=zoom)
    assert data is None
    assert said in errors[0]


# Hotspots


@pytest.mark.parametrize(
    ("region", "given", "least"),
    [
        (COMMUNITY, {}, 4),
        (DISTRICT, {}, 4),
        (DISTRICT, {}, 3),
        (OTHER, {"urgency": "URGENT"}, 2),
        ("2304", {"category": "01", "text": "楼道"}, 4),
    ],
)
def test_hotspots_are_the_groups_that_postgis_finds(
    url: str, connection: psycopg.Connection, region: str, given: dict[str, Any], least: int
) -> None:
    data, errors = asked(url, HOTSPOTS, region=region, filter=given, radius=RADIUS, least=least)
    assert errors == []
    found = data["hotspots"]
    expected = connection.execute(
        """
        SELECT count(*), avg(longitude), avg(latitude)
        FROM (
            SELECT
                ST_X(location) AS longitude,
                ST_Y(location) AS latitude,
                ST_ClusterDBSCAN(ST_Transform(location, 32652), %s, %s) OVER () AS hotspot
            FROM reports
            WHERE region_code LIKE %s || '%%'
                AND urgency LIKE %s AND category_code LIKE %s AND description LIKE %s
                AND ST_X(location) > 100
        ) AS grouped
        WHERE hotspot IS NOT NULL
        GROUP BY hotspot
        ORDER BY 1 DESC, 2, 3
        """,
        [
            RADIUS,
            least,
            region,
            given.get("urgency", "%"),
            given.get("category", "") + "%",
            given.get("text", "") + "%",
        ],
    ).fetchall()
    assert len(expected) > 1
    assert [each["count"] for each in found] == [count for count, _, _ in expected]
    for each, (_, longitude, latitude) in zip(found, expected, strict=True):
        assert each["centre"]["coordinates"] == pytest.approx([longitude, latitude], abs=1e-9)


def test_hotspots_tell_what_lies_in_them(url: str, connection: psycopg.Connection) -> None:
    data, errors = asked(url, HOTSPOTS, region=DISTRICT, radius=RADIUS, least=4)
    assert errors == []
    shares = []
    for each in data["hotspots"]:
        row = connection.execute(
            """
            SELECT
                (
                    SELECT array_agg(code ORDER BY code)
                    FROM grids
                    WHERE ST_Intersects(boundary, outline) AND valid_from <= %(today)s
                        AND (valid_to IS NULL OR valid_to > %(today)s)
                ),
                (SELECT sum(households) FROM buildings WHERE ST_Intersects(location, outline)),
                (
                    SELECT count(*) FROM reports
                    WHERE ST_DWithin(geography(location), geography(outline), 0.5)
                )
            FROM (SELECT ST_SetSRID(ST_GeomFromGeoJSON(%(outline)s), 4326) AS outline) AS given
            """,
            {"outline": json.dumps(each["outline"]), "today": LAST_YEAR},
        ).fetchone()
        assert row is not None
        grids, households, inside = row
        assert [grid["code"] for grid in each["grids"]] == grids
        share = 100 * each["count"] / households if households else None
        assert each["reportsPerHundredHouseholds"] == share
        assert inside >= each["count"]
        shares.append(share)
    assert None in shares
    assert len(set(shares)) > 2


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"radius": 0}, "The radius is 0; it is from"),
        ({"radius": -5}, "The radius is -5; it is from"),
        ({"radius": 1e9}, "The radius is 1e+09; it is from"),
        ({"least": 0}, "0"),
        ({"least": -1}, "-1"),
        ({"filter": {"region": COMMUNITY}}, "Name the region beside the filter"),
    ],
)
def test_hotspots_that_make_no_sense_are_refused(
    url: str, variables: dict[str, object], said: str
) -> None:
    given = {"region": DISTRICT, "radius": RADIUS, "least": 4, **variables}
    data, errors = asked(url, HOTSPOTS, **given)
    assert data is None
    assert said in errors[0]


def test_a_region_that_there_is_not_has_no_hotspots(url: str) -> None:
    data, errors = asked(url, HOTSPOTS, region="999999", radius=RADIUS, least=4)
    assert data == {"hotspots": []} or errors
