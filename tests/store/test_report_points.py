"""A map of reports counts what the database holds at that moment, each report once."""

from __future__ import annotations

import asyncio
import datetime
import math
import random
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from functools import lru_cache, partial
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import sql
from sqlalchemy import text

from gridmap.errors import TooLarge, Unavailable
from gridmap.geo.bounds import Bounds
from gridmap.geo.clusters import Cells
from gridmap.store import report_columns, report_masks, report_points, tables
from gridmap.store.database import Database
from gridmap.store.dates import CHINA, now
from gridmap.store.report_points import ReportPoints, reports_by_serial
from gridmap.store.reports import ReportFilter
from gridmap.store.scopes import EVERYTHING, NOTHING, Scope
from tests.geo.test_clusters import curve_code, tile_cell
from tests.reports import (
    COMMUNITIES,
    DISTRICTS,
    change_report,
    put_regions,
    put_report,
)
from tests.waiting import PATIENCE_SECONDS

WORLD = Bounds(-180, -90, 180, 90)
NEVER = datetime.datetime(2999, 1, 1, tzinfo=datetime.UTC)
ANY_REPORT = ReportFilter(now(), EVERYTHING)
WORDS = ("楼道", "杂物", "A栋", "灯", "漏水", "Garbage", "100%", "路_灯")
TEXTS = ("楼", "楼道", "道杂", "garbage", "栋", "%", "_灯", "0%", "物A栋", "杂物a", "灯灯灯", "无")
CATEGORIES = ("0101", "0102", "0301", "1101")
STATES = tuple(state for state in tables.STATES if state != "MERGED")


@pytest.fixture(scope="module")
def url(database_url: str) -> str:
    put_regions(database_url)
    return database_url


@pytest.fixture
def writer(url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@asynccontextmanager
async def map_of(url: str) -> AsyncIterator[ReportPoints]:
    database = Database(url, pool_size=4)
    points = ReportPoints(database, url)
    try:
        yield points
    finally:
        await points.close()
        await database.close()


async def counted(points: ReportPoints, wanted: ReportFilter = ANY_REPORT) -> int:
    cells, _ = await points.clusters(WORLD, 3, wanted)
    return int(cells.count.sum())


# A slow way that is plainly right


def conditions(wanted: ReportFilter) -> tuple[str, dict[str, Any]]:
    """The filter as a condition of plain SQL, in which each index is as good as none."""
    said = {
        "serial": "district_code || '-' || serial = %(serial)s",
        "regions": "region_code = ANY(%(regions)s)",
        "grid": "grid_code = %(grid)s",
        "sponsor": "sponsor_code = %(sponsor)s",
        "handler": "handler_code = %(handler)s",
        "member_regions": "(CAST(%(handler)s AS text) IS NULL OR handler_kind <> 'BUILDING_MEMBER' "
        "OR region_code = ANY(%(member_regions)s))",
        "states": "state = ANY(%(states)s)",
        "is_open": "(state NOT IN ('REJECTED', 'MERGED', 'CLOSED', 'RATED')) = %(is_open)s",
        "categories": "category_code = ANY(%(categories)s)",
        "urgencies": "urgency = ANY(%(urgencies)s)",
        "sources": "source = ANY(%(sources)s)",
        "since": "received_at >= %(since)s",
        "until": "received_at < %(until)s",
        "bounds": "ST_X(location) BETWEEN %(west)s AND %(east)s "
        "AND ST_Y(location) BETWEEN %(south)s AND %(north)s",
        "is_overdue": "(state NOT IN ('REJECTED', 'MERGED', 'CLOSED', 'RATED') AND coalesce("
        "CASE state WHEN 'SUSPENDED' THEN step_due_at ELSE least(due_at, step_due_at) END "
        "< %(now)s, FALSE)) = %(is_overdue)s",
        "text": "position(lower(%(text)s) IN lower(description)) > 0",
    }
    names = [field.name for field in fields(wanted) if field.name not in ("now", "scope")]
    assert set(names) == set(said)
    given = {name: getattr(wanted, name) for name in names}
    found = [said[name] for name in names if given[name] is not None]
    scoped = [
        " AND ".join(["TRUE", *(f"{column} IN {(*values, '-', '-')}" for column, values in clause)])
        for clause in wanted.scope.clauses
    ]
    found.append(f"({' OR '.join(scoped)})")
    if wanted.serial is not None:
        given["serial"] = "{}-{}".format(*wanted.serial)
    if wanted.bounds is not None:
        given |= wanted.bounds._asdict()
    lists = {name: list(value) for name, value in given.items() if isinstance(value, tuple)}
    return " AND ".join(["TRUE", *found]), {**given, **lists, "bounds": None, "now": wanted.now}


def members_by_cell(
    connection: psycopg.Connection, bounds: Bounds, zoom: int, wanted: ReportFilter
) -> dict[int, set[int]]:
    where, parameters = conditions(wanted)
    within, edges = conditions(ReportFilter(wanted.now, EVERYTHING, bounds=bounds))
    for name in bounds._fields:
        within = within.replace(f"%({name})s", f"%(of_map_{name})s")
        parameters[f"of_map_{name}"] = edges[name]
    rows = connection.execute(
        sql.SQL(
            f"SELECT serial, ST_X(location), ST_Y(location) FROM reports WHERE {where} AND {within}"
        ),
        parameters,
    )
    cells: defaultdict[int, set[int]] = defaultdict(set)
    for serial, longitude, latitude in rows:
        cells[curve_code(*tile_cell(longitude, latitude, zoom))].add(serial)
    return dict(cells)


def public_counts(
    connection: psycopg.Connection, bounds: Bounds, wanted: ReportFilter, zoom: int = 24
) -> dict[tuple[float, float], int]:
    """How many reports the public is told of in each square, by its middle, at a zoom."""
    across = 1 << (15 if zoom <= 12 else 18)
    moments = [wanted.until or NEVER]
    if wanted.since is not None:
        moments.append(min(wanted.since, moments[0]))
    ends = [square_counts(connection, bounds, wanted, until, across) for until in moments]
    fives = [{middle: count // 5 * 5 for middle, count in end.items()} for end in ends]
    told = {
        middle: count - sum(before.get(middle, 0) for before in fives[1:])
        for middle, count in fives[0].items()
    }
    return {middle: count for middle, count in told.items() if count}


def square_counts(
    connection: psycopg.Connection,
    bounds: Bounds,
    wanted: ReportFilter,
    until: datetime.datetime,
    across: int,
) -> dict[tuple[float, float], int]:
    """How many reports each square has that came before a moment."""
    counts = defaultdict[tuple[float, float], int](int)
    where, parameters = conditions(replace(wanted, bounds=None, since=None, until=until))
    for longitude, latitude in connection.execute(
        sql.SQL(f"SELECT ST_X(location), ST_Y(location) FROM reports WHERE {where}"), parameters
    ):
        column, row = tile_cell(longitude, latitude, across.bit_length() - 4)
        middle = (
            (column + 0.5) / across * 360 - 180,
            math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * (row + 0.5) / across)))),
        )
        boxes = [bounds, *([wanted.bounds] if wanted.bounds else [])]
        if all(
            box.west <= middle[0] <= box.east and box.south <= middle[1] <= box.north
            for box in boxes
        ):
            counts[middle] += 1
    return counts


def merged_counts(counts: dict[tuple[float, float], int], zoom: int) -> dict[int, int]:
    """The same by cells of a zoom."""
    cells: defaultdict[int, int] = defaultdict(int)
    for middle, count in counts.items():
        cells[curve_code(*tile_cell(*middle, zoom))] += count
    return dict(cells)


# What is drawn


def chosen_place(chance: random.Random) -> tuple[float, float]:
    """An address of some, or anywhere near."""
    if chance.random() < 0.5:
        return 130.28 + chance.randrange(4) / 100, 47.33 + chance.randrange(3) / 100
    return round(chance.uniform(130.2, 130.4), 7), round(chance.uniform(47.3, 47.4), 7)


def chosen_moment(chance: random.Random) -> datetime.datetime:
    return now() + datetime.timedelta(minutes=chance.randrange(-3000, 3000))


def put_any(connection: psycopg.Connection, chance: random.Random) -> tuple[str, UUID]:
    longitude, latitude = chosen_place(chance)
    region = chance.choice(COMMUNITIES)
    handler = chance.choice([None, "S1", "W1"])
    kind = chance.choice(["SPONSOR", "BUILDING_MEMBER"]) if handler else None
    id_ = put_report(
        connection,
        region[:6],
        longitude=longitude,
        latitude=latitude,
        state=chance.choice(STATES),
        category=chance.choice(CATEGORIES),
        urgency=chance.choice(tables.URGENCIES),
        source=chance.choice(tables.SOURCES),
        description="".join(chance.choices(WORDS, k=3)),
        at=chosen_moment(chance),
        region=region,
        grid=chance.choice([None, "G1", "G2"]),
        building=chance.choice([None, "B1", "B2"]),
        sponsor=chance.choice([None, "S1", "S2"]),
        handler_kind=kind,
        handler=handler,
        due_at=chance.choice([None, chosen_moment(chance)]),
        step_due_at=chance.choice([None, chosen_moment(chance)]),
    )
    return region[:6], id_


def change_any(connection: psycopg.Connection, chance: random.Random, of: tuple[str, UUID]) -> None:
    longitude, latitude = chosen_place(chance)
    state = chance.choice(STATES)
    is_ended = state in ("REJECTED", "CLOSED", "RATED")
    columns: dict[str, Any] = chance.choice(
        [
            {"location": f"SRID=4326;POINT({longitude} {latitude})"},
            {"state": state, "ended_at": now() if is_ended else None},
            {"grid_code": chance.choice([None, "G1", "G2"]), "sponsor_code": "S1"},
            {"due_at": chosen_moment(chance)},
            {"description": "".join(chance.choices(WORDS, k=3))},
        ]
    )
    change_report(connection, of[1], of[0], **columns)


def chosen_filter(chance: random.Random, serials: list[tuple[str, int]]) -> ReportFilter:
    choices: dict[str, Callable[[], Any]] = {
        "serial": lambda: chance.choice([*serials, ("230402", 10**9), ("none", 1)]),
        "regions": lambda: tuple(chance.sample(COMMUNITIES, chance.randrange(4))),
        "grid": lambda: chance.choice(["G1", "G2", "G3", ""]),
        "sponsor": lambda: chance.choice(["S1", "S2", ""]),
        "handler": lambda: chance.choice(["S1", "W1", "", "W2"]),
        "member_regions": lambda: tuple(chance.sample(COMMUNITIES, chance.randrange(3))),
        "states": lambda: tuple(chance.sample(tables.STATES, chance.randrange(8))),
        "is_open": lambda: chance.random() < 0.5,
        "categories": lambda: tuple(chance.sample(CATEGORIES, chance.randrange(4))),
        "urgencies": lambda: (chance.choice(tables.URGENCIES),),
        "sources": lambda: (chance.choice(tables.SOURCES),),
        "since": lambda: chosen_moment(chance),
        "until": lambda: chosen_moment(chance),
        "bounds": lambda: chosen_bounds(chance),
        "is_overdue": lambda: chance.random() < 0.5,
        "text": lambda: chance.choice(TEXTS),
    }
    names = chance.sample(sorted(choices), chance.choice([0, 1, 1, 1, 2, 2, 3]))
    if "handler" in names and chance.random() < 0.7:
        names.append("member_regions")
    scope = EVERYTHING if chance.random() < 0.5 else chosen_scope(chance)
    return ReportFilter(now(), scope, **{name: choices[name]() for name in names})


def chosen_scope(chance: random.Random) -> Scope:
    """Such as a worker's, a member's, a sponsor's and an office's."""
    district = ("district_code", tuple(chance.sample(DISTRICTS, chance.randrange(3))))
    region = ("region_code", tuple(chance.sample(COMMUNITIES, chance.randrange(4))))
    kinds = ("handler_kind", (chance.choice(["SPONSOR", "BUILDING_MEMBER"]),))
    handled = (kinds, ("handler_code", (chance.choice(["S1", "W1"]),)))
    return Scope(
        chance.choice(
            [
                ((district, ("grid_code", ("G1", "G3"))), (district, *handled)),
                ((district, ("building_code", ("B1",))), (district, region, *handled)),
                ((("sponsor_code", ("S1",)),), handled),
                ((region,), handled),
            ]
        )
    )


def chosen_bounds(chance: random.Random) -> Bounds:
    kind = chance.randrange(4)
    if kind == 0:
        return WORLD
    one, other = chosen_place(chance), chosen_place(chance)
    west, east = sorted((one[0], other[0]))
    south, north = sorted((one[1], other[1]))
    return Bounds(west, south, east, north)


# The public's map of reports that are nowhere but in memory

SQUARE = 360 / (1 << 18)
"""Of longitude, in degrees."""
SQUARES = (0, 1, 8, 9)
"""In two of those that are told from afar."""


class Came(NamedTuple):
    """A report: in which square from the meridian on, its category, grid and day."""

    square: int
    category: str
    grid: str
    day: int


def arrays() -> st.SearchStrategy[list[Came]]:
    few = st.builds(
        Came,
        st.sampled_from(SQUARES),
        st.sampled_from(CATEGORIES[:2]),
        st.sampled_from(("G1", "G2")),
        st.integers(0, 4),
    )
    # Several of each, so that there are fives.
    return st.lists(st.tuples(few, st.integers(1, 9)), max_size=8).map(
        lambda said: [each for each, times in said for _ in range(times)]
    )


@lru_cache(maxsize=2)
def points_of(reports: tuple[Came, ...]) -> report_columns.Points:
    counted = len(reports)
    columns = {
        name: np.zeros(counted, type_.replace(">", "="))
        for name, type_, _ in report_columns.COLUMNS
    }
    columns["serial"][:] = np.arange(counted)
    columns["longitude"][:] = [(each.square + 0.3) * SQUARE for each in reports]
    columns["latitude"][:] = SQUARE / 3
    columns["received"][:] = [day(each.day + 0.5).timestamp() * 1e6 for each in reports]
    columns["category"][:] = [HASHES[each.category] for each in reports]
    columns["grid"][:] = [HASHES[each.grid] for each in reports]
    return report_columns.Points.of(columns, "1:1:")


def day(number: float) -> datetime.datetime:
    return datetime.datetime(2026, 5, 1, tzinfo=CHINA) + datetime.timedelta(days=number)


HASHES = {code: number for number, code in enumerate([*CATEGORIES, "G1", "G2"])}
DAYS = st.none() | st.integers(-1, 6)


@settings(deadline=None)
@given(arrays(), arrays().filter(bool), DAYS, DAYS, st.data())
def test_one_report_changes_the_publics_map_only_where_it_makes_a_five_full(
    others: list[Came], more: list[Came], since: int | None, until: int | None, data: st.DataObject
) -> None:
    """By every filter that the public has; and all zooms and boxes tell of the same fives."""
    category = data.draw(st.sampled_from((None, *CATEGORIES[:2])))
    grid = data.draw(st.sampled_from((None, "G1", "G2")))
    one, zoom = more[0], data.draw(st.integers(0, 24))
    wanted = replace(
        ANY_REPORT,
        categories=(category,) if category else None,
        grid=grid,
        since=None if since is None else day(since),
        until=None if until is None else day(until),
    )

    side = 8 if zoom <= 12 else 1

    def told(reports: Sequence[Came], *squares: int) -> list[tuple[object, ...]]:
        first, last = (squares[0], squares[-1]) if squares else (0, 15)
        bounds = Bounds(first * side * SQUARE, 0, (last + 1) * side * SQUARE, side * SQUARE)
        cells = report_points._public_clusters(
            points_of(tuple(reports)), bounds, zoom, report_masks.Wanted(wanted, HASHES)
        )
        return list(zip(*(getattr(cells, field.name).tolist() for field in LISTS), strict=True))

    def counted(reports: Sequence[Came], square: int, before: float | None) -> int:
        return sum(
            each.square // side == square
            and category in (None, each.category)
            and grid in (None, each.grid)
            and (before is None or each.day < before)
            for each in reports
        )

    def count_of(rows: list[tuple[object, ...]]) -> int:
        return sum(int(str(row[AT_COUNT])) for row in rows)

    both, its = [*others, one], one.square // side
    ends = [until] if since is None else [until, since if until is None else min(since, until)]
    if all(counted(both, its, end) // 5 == counted(others, its, end) // 5 for end in ends):
        assert told(both) == told(others)
    expected = {}
    for square in {each // side for each in SQUARES}:
        fives = [counted(both, square, end) // 5 * 5 for end in ends]
        expected[square] = fives[0] - sum(fives[1:])
        assert count_of(told(both, square)) == expected[square]
    assert count_of(told(both)) == sum(expected.values())
    if since is None:
        assert count_of(told(both)) <= sum(counted(both, square, until) for square in expected)


LISTS = [field for field in fields(Cells) if field.name not in ("zoom", "size", "member")]
AT_COUNT = [field.name for field in LISTS].index("count")


# Promises


@pytest.mark.parametrize("fewest", [5, 60, 5_000])
def test_clusters_are_what_the_database_holds_as_reports_come_and_change(
    url: str, writer: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, fewest: int
) -> None:
    """Members and keys too, whether what is new lies in one index or the other."""
    monkeypatch.setattr(report_columns, "_FEWEST_IN_TAIL", fewest)
    chance = random.Random(fewest)
    known = [put_any(writer, chance) for _ in range(60)]
    key_of_set: dict[frozenset[int], int] = {}
    set_of_key: dict[int, frozenset[int]] = {}

    async def main() -> None:
        async with map_of(url) as points:
            for _ in range(70):
                with writer.transaction():
                    for _ in range(chance.choice([0, 1, 1, 4, 12])):
                        if chance.random() < 0.4:
                            known.append(put_any(writer, chance))
                        else:
                            change_any(writer, chance, chance.choice(known))
                serials = writer.execute(
                    "SELECT district_code, serial FROM reports ORDER BY random() LIMIT 3"
                ).fetchall()
                bounds, zoom = chosen_bounds(chance), chance.randint(0, 24)
                wanted = chosen_filter(chance, serials)
                cells, shown = await points.clusters(bounds, zoom, wanted)
                expected = members_by_cell(writer, bounds, zoom, wanted)
                assert dict(zip(cells.code.tolist(), cells.count.tolist(), strict=True)) == {
                    code: len(members) for code, members in expected.items()
                }, wanted
                codes, keys = cells.code.tolist(), cells.key.tolist()
                for code, key, serial in zip(codes, keys, shown.tolist(), strict=True):
                    members = frozenset(expected[code])
                    assert serial in members
                    assert key_of_set.setdefault(members, key) == key
                    assert set_of_key.setdefault(key, members) == members
                public = await points.public_clusters(bounds, zoom, wanted)
                squares = public_counts(writer, bounds, wanted, zoom)
                told = dict(zip(public.code.tolist(), public.count.tolist(), strict=True))
                # Farther in, a middle lies on a border of cells: each square is a cell by itself.
                if zoom < 15:
                    assert told == merged_counts(squares, zoom), wanted
                else:
                    middles = [tuple(each) for each in public.location.tolist()]
                    seen = dict(zip(middles, public.count.tolist(), strict=True))
                    assert seen == {
                        near: count
                        for middle, count in squares.items()
                        for near in [min(middles, key=partial(math.dist, middle))]
                        if math.dist(near, middle) < 1e-9
                    }
                    assert len(seen) == len(squares)
                if wanted.bounds is not None or not chance.randrange(5):
                    coarse = await points.public_positions(wanted)
                    assert len(coarse) == sum(public_counts(writer, WORLD, wanted).values())
                    found = await points.positions(wanted)
                    everywhere = members_by_cell(writer, WORLD, 0, wanted)
                    assert len(found) == sum(map(len, everywhere.values()))

    asyncio.run(main())
    assert len(set_of_key) > 100


@pytest.mark.parametrize("fewest", [5, 5_000])
def test_a_text_is_found_where_it_stands_now_however_often_it_is_asked_for(
    url: str, writer: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, fewest: int
) -> None:
    """By all ways that a text is looked for, and when what was found is forgotten."""
    monkeypatch.setattr(report_columns, "_FEWEST_IN_TAIL", fewest)
    monkeypatch.setattr(report_masks, "_SOON_SECONDS", 0)
    chance = random.Random(fewest)
    known = [put_any(writer, chance) for _ in range(40)]

    async def main() -> None:
        async with map_of(url) as points:
            for few, most_bytes in [(0, 10**6), (30, 10**6), (10**6, 10**6), (30, 50)] * 4:
                monkeypatch.setattr(report_masks, "_FEW", few)
                monkeypatch.setattr(report_masks, "_MOST_TEXT_BYTES", most_bytes)
                with writer.transaction():
                    known.append(put_any(writer, chance))
                    for each in chance.sample(known, 5):
                        said = "".join(chance.choices(WORDS, k=3))
                        change_report(writer, each[1], each[0], description=said)
                views = [
                    (chosen_bounds(chance), replace(ANY_REPORT, text=chance.choice(TEXTS)))
                    for _ in range(8)
                ]
                answers = await asyncio.gather(
                    *(points.clusters(bounds, 14, wanted) for bounds, wanted in views)
                )
                for (bounds, wanted), (cells, _) in zip(views, answers, strict=True):
                    expected = members_by_cell(writer, bounds, 14, wanted)
                    assert dict(zip(cells.code.tolist(), cells.count.tolist(), strict=True)) == {
                        code: len(members) for code, members in expected.items()
                    }, wanted

    asyncio.run(main())


def test_a_text_that_takes_too_long_everywhere_is_found_where_few_reports_are(
    url: str, writer: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_report(writer, description="井盖", longitude=70.0, latitude=5.0)
    put_report(writer, longitude=-70.0, latitude=-5.0)
    lids, here = replace(ANY_REPORT, text="井盖"), Bounds(69, 4, 71, 6)
    fast = report_masks._HAVING
    # As the limit of the server would stop it, whatever else takes long on a busy machine.
    writer.execute(
        "CREATE FUNCTION stopped_after_a_while() RETURNS integer LANGUAGE plpgsql AS "
        "'BEGIN PERFORM pg_sleep(0.1); RAISE query_canceled; END'"
    )

    async def main() -> None:
        async with map_of(url) as points:
            count = await counted(points)
            monkeypatch.setattr(report_masks, "_FEW", count - 1)
            slow = text(f"{fast.text} FROM stopped_after_a_while()")
            monkeypatch.setattr(report_masks, "_HAVING", slow)
            for _ in range(2):
                cells, _ = await points.clusters(here, 3, lids)
                assert cells.count.tolist() == [1]
                with pytest.raises(Unavailable, match="smaller area"):
                    await counted(points, lids)
            monkeypatch.setattr(report_masks, "_HAVING", fast)
            assert await counted(points, lids) == 1

    asyncio.run(main())


def test_who_gives_up_on_a_text_keeps_nobody_else_from_it(
    url: str, writer: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_masks, "_FEW", 0)
    put_report(writer, description="窨井")
    slow = text(f"{report_masks._HAVING.text} FROM pg_sleep(0.2)")

    async def main() -> None:
        async with map_of(url) as points:
            await counted(points)
            monkeypatch.setattr(report_masks, "_HAVING", slow)
            wanted = replace(ANY_REPORT, text="窨井")
            first, second = (asyncio.create_task(counted(points, wanted)) for _ in range(2))
            await asyncio.sleep(0.05)
            first.cancel()
            assert await second == 1

    asyncio.run(main())


def test_one_alone_comes_as_itself_whatever_its_district(
    url: str, writer: psycopg.Connection
) -> None:
    ids = {
        put_report(writer, district, longitude=west, latitude=5.0): west
        for west, district in zip((10.0, 10.01), DISTRICTS, strict=True)
    }
    _, second = ids

    async def main() -> None:
        async with map_of(url) as points:
            cells, serials = await points.clusters(Bounds(9, 4, 11, 6), 18, ANY_REPORT)
            assert cells.count.tolist() == [1, 1]
            database = Database(url)
            async with database.connection() as connection:
                asked = [*serials.tolist(), 10**12]
                rows = await reports_by_serial(connection, asked, EVERYTHING)
                unseen = await reports_by_serial(connection, asked, NOTHING)
            await database.close()
            assert rows.pop() is None
            assert unseen == [None, None, None]
            assert {(row.district_code, row.longitude) for row in rows if row} == {
                (DISTRICTS[0], 10.0),
                (DISTRICTS[1], 10.01),
            }
            for row, west in zip(rows, cells.west.tolist(), strict=True):
                assert row is not None
                assert ids[row.id] == row.longitude == west
            change_report(writer, second, DISTRICTS[1], location="SRID=4326;POINT(10 5)")
            cells, _ = await points.clusters(Bounds(9, 4, 11, 6), 18, ANY_REPORT)
            assert cells.count.tolist() == [2]

    asyncio.run(main())


def test_whoever_has_written_finds_it_however_many_ask(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_columns, "_FEWEST_IN_TAIL", 10)

    async def main() -> None:
        async with map_of(url) as points:

            async def write_and_look(who: int) -> None:
                place = Bounds(20 + who, 5, 20 + who, 5)

                def write() -> None:
                    with psycopg.connect(url) as connection:
                        put_report(connection, longitude=20.0 + who, latitude=5.0)

                for times in range(1, 6):
                    await asyncio.to_thread(write)
                    cells, _ = await points.clusters(place, 10, ANY_REPORT)
                    assert cells.count.tolist() == [times]

            await asyncio.gather(*map(write_and_look, range(12)))

    asyncio.run(main())


def test_reports_that_move_meanwhile_are_neither_lost_nor_doubled(
    url: str, writer: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_columns, "_FEWEST_IN_TAIL", 25)
    monkeypatch.setattr(report_masks, "_MOST_TEXTS", 1)
    monkeypatch.setattr(report_masks, "_FEW", 0)
    east = Bounds(40, 0, 60, 60)
    ids = [put_report(writer, longitude=45.0, latitude=5.0, description="灯") for _ in range(80)]
    lamps = replace(ANY_REPORT, text="灯")
    stop = threading.Event()

    def move(seed: int) -> None:
        chance = random.Random(seed)
        with psycopg.connect(url) as connection:
            while not stop.is_set():
                for id_ in chance.sample(ids[seed::2], chance.randint(1, 4)):
                    longitude, latitude = chance.uniform(40, 60), chance.uniform(0, 60)
                    change_report(
                        connection,
                        id_,
                        location=f"SRID=4326;POINT({longitude:.6f} {latitude:.6f})",
                        description="红灯" if longitude < 49 else "路灯",
                    )
                connection.commit()

    async def main() -> None:
        indexes = {}
        async with map_of(url) as points:
            moving = [asyncio.create_task(asyncio.to_thread(move, seed)) for seed in range(2)]
            try:
                for _ in range(20):
                    asked = [
                        points.clusters(east, zoom, wanted)
                        for zoom, wanted in [(3, ANY_REPORT), (12, ANY_REPORT), (8, lamps)]
                    ]
                    red = points.clusters(Bounds(50, 0, 60, 60), 3, replace(lamps, text="红灯"))
                    (none, _), *all_ = await asyncio.gather(red, *asked)
                    assert len(none) == 0
                    for cells, _ in all_:
                        assert int(cells.count.sum()) == len(ids)
                    assert points._points is not None
                    indexes[id(points._points.main.rows)] = points._points.main
            finally:
                stop.set()
                await asyncio.gather(*moving)
            cells, _ = await points.clusters(east, 9, ANY_REPORT)
            expected = members_by_cell(writer, east, 9, ANY_REPORT)
            assert dict(zip(cells.code.tolist(), cells.count.tolist(), strict=True)) == {
                code: len(members) for code, members in expected.items()
            }
        assert len(indexes) > 1

    asyncio.run(main())


def test_all_is_read_anew_when_too_much_has_changed(
    url: str, writer: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_columns, "_MOST_FOLLOWED", 10)
    monkeypatch.setattr(report_columns, "_FEWEST_IN_TAIL", 5)

    async def main() -> None:
        async with map_of(url) as points:
            before = await counted(points)
            for more in (9, 10, 11, 30, 1):
                with writer.transaction():
                    for _ in range(more):
                        put_report(writer)
                before += more
                assert await counted(points) == before

    asyncio.run(main())


@pytest.mark.parametrize("is_first", [True, False])
def test_who_gives_up_while_all_is_read_leaves_nothing_old_behind(
    url: str, writer: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, is_first: bool
) -> None:
    monkeypatch.setattr(report_columns, "_MOST_FOLLOWED", 3)
    may_go_on, load = threading.Event(), report_columns.load

    def slowly(url: str) -> Any:
        points = load(url)
        may_go_on.wait(20)
        return points

    async def main() -> None:
        async with map_of(url) as points:
            if not is_first:
                await counted(points)
                with writer.transaction():
                    for _ in range(4):
                        put_report(writer)
            monkeypatch.setattr(report_points, "load", slowly)
            asking = [asyncio.create_task(counted(points)) for _ in range(3)]
            async with asyncio.timeout(PATIENCE_SECONDS):
                while points._loading is None:
                    await asyncio.sleep(0.005)
            await asyncio.sleep(0.05)
            for task in asking[:2]:
                task.cancel()
            await asyncio.wait(asking[:2])
            put_report(writer)
            later = asyncio.create_task(counted(points))
            may_go_on.set()
            [count] = writer.execute("SELECT count(*) FROM reports").fetchone() or [0]
            assert await later == count
            assert count - 1 <= await asking[2] <= count

    asyncio.run(main())


def test_a_map_that_is_closed_while_it_is_put_in_order_stops_quietly(
    url: str, writer: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_columns, "_FEWEST_IN_TAIL", 0)

    async def main() -> None:
        async with map_of(url) as points:
            await counted(points)
            for _ in range(12):
                put_report(writer)
            while points._merging is None:
                put_report(writer)
                await counted(points)

    for _ in range(3):
        asyncio.run(main())


def test_an_empty_database_has_an_empty_map_until_the_first_report(
    cluster_url: str, empty_template: str
) -> None:
    from tests.conftest import new_database

    empty = new_database(cluster_url, "map_of_nothing", template=empty_template)
    put_regions(empty)

    async def main() -> None:
        async with map_of(empty) as points:
            for wanted in (
                ANY_REPORT,
                replace(ANY_REPORT, grid="G1", regions=COMMUNITIES, categories=CATEGORIES),
                replace(ANY_REPORT, text="楼"),
                replace(ANY_REPORT, serial=("230402", 1)),
                replace(ANY_REPORT, is_overdue=True, bounds=WORLD),
            ):
                cells, serials = await points.clusters(WORLD, 3, wanted)
                assert len(cells) == len(serials) == 0
                assert (await points.positions(wanted)).shape == (0, 2)
            with psycopg.connect(empty) as connection:
                put_report(connection, grid="G1", longitude=1.5, latitude=2.5)
            wanted = replace(ANY_REPORT, grid="G1")
            assert await counted(points, wanted) == 1
            assert (await points.positions(wanted)).tolist() == [[1.5, 2.5]]

    asyncio.run(main())


def test_a_load_of_several_batches_reads_every_row_whole(
    url: str, writer: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for size in (1, 50, 4_000):
        monkeypatch.setattr(report_columns, "_BATCH_BYTES", size)
        points = report_columns.load(url)
        rows = writer.execute(
            "SELECT serial, ST_X(location), ST_Y(location) FROM reports ORDER BY serial"
        ).fetchall()
        columns = points.main.rows.columns
        order = np.argsort(columns["serial"])
        for name, expected in zip(
            ("serial", "longitude", "latitude"), zip(*rows, strict=True), strict=True
        ):
            assert columns[name][order].tolist() == list(expected)


def test_more_clusters_than_a_map_shows_are_refused(
    url: str, writer: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_points, "MOST_CLUSTERS", 3)
    for place in range(4):
        put_report(writer, longitude=-100.0 + place, latitude=5.0)

    async def main() -> None:
        async with map_of(url) as points:
            cells, _ = await points.clusters(Bounds(-101, 0, -97.5, 10), 18, ANY_REPORT)
            assert len(cells) == 3
            with pytest.raises(TooLarge, match="There are 4 clusters at zoom 18"):
                await points.clusters(Bounds(-101, 0, -96, 10), 18, ANY_REPORT)

    asyncio.run(main())


def test_a_database_that_cannot_be_reached_is_said_to_be_and_asked_again(url: str) -> None:
    async def main() -> None:
        database = Database(url)
        points = ReportPoints(database, url.replace("/test_", "/none_"))
        for _ in range(2):
            with pytest.raises(Unavailable, match="cannot be reached"):
                await points.clusters(WORLD, 3, ANY_REPORT)
        points._url = url
        assert await counted(points) > 0
        await points.close()
        await database.close()

    asyncio.run(main())
