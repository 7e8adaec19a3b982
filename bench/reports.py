"""Reports to measure with: positions of people in towns, and whole reports at them.

The same for the same arguments, but for their times, of which the last is now.
"""

from __future__ import annotations

import datetime
from uuid import UUID

import numpy as np
import psycopg
from numpy.typing import NDArray

from gridmap import migrations
from gridmap.geo.checks import metres_per_degree
from gridmap.store.database import tool_engine

_TOWNS = 100
_ADDRESSES = 60_000
_KILOMETRES = (1_000.0, 500.0)
_WEST, _SOUTH = 121.0, 43.5
# Of ten reports nine are sent from an address and lie on it, one from where the phone says it is.
_STRAY = 0.1
_STRAY_METRES = 15.0

_YEARS = 2
# In squares: a district of some 40 km, its communities of 5 km, and 16 grids in each of them.
_DISTRICT_DEGREES = 0.5
_COMMUNITIES_ALONG = 8
_GRIDS_ALONG = 4
_SPONSORS = 1_000
# Of a hundred reports one or two lie long; of the newest most are not done yet.
_NEW, _OPEN_OF_NEW, _OPEN_OF_OLD = 0.03, 0.8, 0.015
_OPEN = ("SUBMITTED", "REGISTERED", "DISPATCHED", "ACCEPTED", "IN_PROGRESS", "SUSPENDED", "DONE")
_ENDED, _SHARES_OF_ENDED = ("CLOSED", "RATED", "REJECTED"), (0.55, 0.4, 0.05)
_URGENCIES, _SHARES_OF_URGENCIES = ("ROUTINE", "URGENT", "EMERGENCY"), (0.9, 0.09, 0.01)
_SOURCES = ("PHONE", "CHAT_GROUP", "HOTLINE_12345", "WALK")
_SHARES_OF_SOURCES = (0.4, 0.2, 0.1, 0.3)
WISHES = ("请尽快处理", "已经好几天了", "影响居民出行", "老人孩子走不了", "味道很大")


def report_points(count: int, seed: int = 1) -> NDArray[np.float64]:
    """Positions float64 (count, 2), longitude then latitude, WGS 84 degrees, in no order.

    A province of 1,000 km by 500 km with 100 towns, the first as big as the next two together and
    so on (Zipf's law); in them 60,000 addresses, denser towards the middle; some addresses have
    thousands of reports of a million and most a few. All have seven decimals, as stored positions
    do.
    """
    random = np.random.default_rng(seed)
    across, along = map(float, metres_per_degree(_SOUTH + 2.2))
    degrees = np.array([1_000 / across, 1_000 / along])  # a kilometre
    towns = (_WEST, _SOUTH) + random.uniform(0, 1, (_TOWNS, 2)) * _KILOMETRES * degrees
    size = 1 / np.arange(1, _TOWNS + 1)
    size /= size.sum()
    town = random.choice(_TOWNS, _ADDRESSES, p=size)
    radius = 40 * np.sqrt(size[town])  # some 17 km for the largest town, 2 km for the smallest
    away = random.normal(0, 0.5, (_ADDRESSES, 2)) * radius[:, None]
    addresses = towns[town] + away * degrees
    liveliness = random.pareto(1.2, _ADDRESSES) + 0.2
    points = addresses[random.choice(_ADDRESSES, count, p=liveliness / liveliness.sum())]
    strays = random.random(count) < _STRAY
    off = random.normal(0, _STRAY_METRES / 1_000, (int(strays.sum()), 2))
    points[strays] += off * degrees
    rounded: NDArray[np.float64] = np.round(points, 7)
    return rounded


def load_reports(url: str, points: NDArray[np.float64], seed: int = 2) -> None:
    """Fills an empty database with a report at each point (longitude, latitude, WGS 84 degrees).

    Received over two years, the last just now; most are closed and rated. Regions and sponsors are
    there too, and no grids but for their codes. Each report has one event, whatever its state.
    """
    engine = tool_engine(url)
    with engine.begin() as connection:
        migrations.upgrade(connection)
    engine.dispose()
    with psycopg.connect(url) as connection:
        # Nobody listens yet, and what is here is known to be right.
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET maintenance_work_mem = '512MB'")
        _copy_given(connection, points, np.random.default_rng(seed))
        connection.execute(_REGIONS)
        connection.execute(_SPONSORS_THERE, (_SPONSORS,))
        # An index is made in a quarter of the time that it takes to fill it row by row.
        indexes = connection.execute(_INDEXES).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
        connection.execute(_REPORTS)
        connection.execute(_EVENTS)
        for _, definition in indexes:
            connection.execute(definition)
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def _copy_given(
    connection: psycopg.Connection, points: NDArray[np.float64], random: np.random.Generator
) -> None:
    count = len(points)
    rows = connection.execute(
        "SELECT code, name FROM report_categories WHERE parent_code IS NOT NULL ORDER BY code"
    ).fetchall()
    share = 1 / np.arange(1, len(rows) + 1)
    category = random.choice(len(rows), count, p=random.permutation(share / share.sum()))
    now = datetime.datetime.now(datetime.UTC).timestamp()
    received = np.sort(now - random.uniform(0, _YEARS * 365 * 86_400, count))
    is_new = np.arange(count) >= count * (1 - _NEW)
    is_open = random.random(count) < np.where(is_new, _OPEN_OF_NEW, _OPEN_OF_OLD)
    state = np.where(
        is_open, random.choice(_OPEN, count), random.choice(_ENDED, count, p=_SHARES_OF_ENDED)
    )
    district = _squares(points, _DISTRICT_DEGREES)
    community = _squares(points, _DISTRICT_DEGREES / _COMMUNITIES_ALONG)
    grid = _squares(points, _DISTRICT_DEGREES / _COMMUNITIES_ALONG / _GRIDS_ALONG)
    columns = (
        points[:, 0],
        points[:, 1],
        state,
        category,
        random.choice(_URGENCIES, count, p=_SHARES_OF_URGENCIES),
        random.choice(_SOURCES, count, p=_SHARES_OF_SOURCES),
        received,
        district,
        community,
        grid,
        random.integers(0, _SPONSORS, count),
        random.integers(0, 200, count),
        random.integers(1, 300, count),
        random.choice(WISHES, count),
        random.integers(0, 1 << 62, (count, 2)),
    )
    connection.execute(_GIVEN)
    with connection.cursor() as cursor, cursor.copy("COPY given FROM STDIN") as copy:
        for start in range(0, count, 10_000):
            some = (column[start : start + 10_000].tolist() for column in columns)
            copy.write("".join(_line(rows, *row) for row in zip(*some, strict=True)))


def _line(
    categories: list[tuple[str, str]],
    longitude: float,
    latitude: float,
    state: str,
    category: int,
    urgency: str,
    source: str,
    received: float,
    district: int,
    community: int,
    grid: int,
    sponsor: int,
    road: int,
    number: int,
    wish: str,
    chance: tuple[int, int],
) -> str:
    """A row of `given`. The id is a UUIDv7 (RFC 9562, 5.7)."""
    high, low = chance[0] & 0xFFF, chance[1]
    id_ = UUID(int=int(received * 1000) << 80 | 7 << 76 | high << 64 | 2 << 62 | low)
    code, name = categories[category]
    region = f"{500_000 + district}{community:06}"
    one, two = divmod(road, 20)
    street = "建新光文和平安民兴胜"[one] + "设华明化平安康乐业利荣昌丰盛达通顺庆祥瑞"[two] + "路"
    return (
        f"{id_}\t{longitude}\t{latitude}\t{state}\t{code}\t{urgency}\t{source}\t{received}\t"
        f"{500_000 + district}\t{region}\t{region}{grid:07}\tS{sponsor}\t"
        f"{street}{number}号{name}，{wish}\n"
    )


def _squares(points: NDArray[np.float64], degrees: float) -> NDArray[np.int64]:
    """The number of the square that each point lies in."""
    column, row = ((points - points.min(axis=0)) // degrees).astype(np.int64).T
    numbers: NDArray[np.int64] = np.unique(column * 100_000 + row, return_inverse=True)[1]
    return numbers


_GIVEN = """
    CREATE TEMPORARY TABLE given (
        id uuid, longitude float8, latitude float8, state text, category text, urgency text,
        source text, received float8, district text, community text, grid text, sponsor text,
        description text
    )
"""

_REGIONS = """
    INSERT INTO regions (code, name, level, parent_code, district_code)
    SELECT DISTINCT district, district, 'DISTRICT', NULL, district FROM given
    UNION ALL
    SELECT DISTINCT community, community, 'COMMUNITY', district, district FROM given
"""

_SPONSORS_THERE = """
    INSERT INTO sponsors (code, name, level, region_code)
    SELECT 'S' || number, 'S' || number, 'DISTRICT', (SELECT min(code) FROM regions)
    FROM generate_series(0, %s - 1) AS number
"""

_INDEXES = """
    SELECT indexname, indexdef FROM pg_indexes
    WHERE tablename IN ('reports', 'report_events') AND indexname NOT LIKE '%_pkey'
"""

_REPORTS = """
    INSERT INTO reports (
        district_code, id, version, state, category_code, urgency, source, description,
        location, source_datum, source_longitude, source_latitude, accuracy,
        captured_at, received_at, region_code, grid_code, sponsor_code, level,
        handler_kind, handler_code, due_at, step_due_at, state_since, replied_at,
        closed_at, ended_at, rating, submission
    )
    SELECT
        district, id, 1, state, category, urgency, source, description,
        ST_SetSRID(ST_MakePoint(longitude, latitude), 4326), 'WGS84', longitude, latitude, 15,
        at - interval '1 minute', at, community, grid, sponsor, 'GRID',
        CASE WHEN is_sent THEN 'SPONSOR' END, CASE WHEN is_sent THEN sponsor END,
        at + interval '7 days', CASE WHEN NOT is_ended THEN at + interval '2 days' END,
        at + interval '1 day', at + interval '1 hour',
        CASE WHEN state IN ('CLOSED', 'RATED') THEN at + interval '1 day' END,
        CASE WHEN is_ended THEN at + interval '1 day' END,
        CASE WHEN state = 'RATED' THEN 5 END, uuid_send(id)
    FROM (
        SELECT
            *,
            to_timestamp(received) AS at,
            state IN ('CLOSED', 'RATED', 'REJECTED') AS is_ended,
            state NOT IN ('SUBMITTED', 'REGISTERED', 'REJECTED') AS is_sent
        FROM given
    ) AS given
"""

_EVENTS = """
    INSERT INTO report_events (
        district_code, report_id, version, action, state, at,
        actor_role, actor_subject, note, details
    )
    SELECT district, id, 1, 'SUBMIT', state, to_timestamp(received), 'ANONYMOUS', '', '', '{}'
    FROM given
"""
