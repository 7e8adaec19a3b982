"""Lists by region hold what lies below it, whatever the codes, and come page by page."""

from __future__ import annotations

import asyncio
import datetime
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import pytest
from sqlalchemy import Engine, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.store import grids, regions, sponsors, tables
from gridmap.store.database import Database, tool_engine
from gridmap.store.paging import Key, Slice

DAY = datetime.date(2024, 6, 1)
EARLIER, LATER = datetime.date(2024, 1, 1), datetime.date(2025, 1, 1)
SQUARE = "SRID=4326;MULTIPOLYGON(((130 47,131 47,131 48,130 47)))"
TREE = {
    "P": None,
    "C": "P",
    "D1": "C",
    "D2": "C",
    **{f"S{number}": f"D{1 + number % 2}" for number in range(4)},
    **{f"K{number}": f"S{number % 4}" for number in range(12)},
}

T = TypeVar("T")


def above(code: str | None) -> list[str]:
    """The region and those above it."""
    return [code, *above(TREE[code])] if code else []


def district_of(code: str) -> str | None:
    return next((each for each in above(code) if each.startswith("D")), None)


@pytest.fixture(scope="module")
def peopled(database_url: str) -> Iterator[Engine]:
    """Two districts whose grids have codes in no order, and sponsors here and there."""
    chance = random.Random(7)
    communities = [code for code in TREE if code.startswith("K")]
    engine = tool_engine(database_url)
    dates = [(EARLIER, None), (EARLIER, DAY), (LATER, None), (EARLIER, LATER)]
    with engine.begin() as connection:

        def put(table: Any, **row: object) -> None:
            connection.execute(insert(table).values(row))

        for code, parent in TREE.items():
            level = {"P": "PROVINCE", "C": "CITY", "D": "DISTRICT", "S": "STREET"}
            put(
                tables.regions,
                code=code,
                name=code,
                level=level.get(code[0], "COMMUNITY"),
                parent_code=parent,
                district_code=district_of(code),
            )
        for number in range(12):
            home = chance.choice(list(TREE))
            put(tables.sponsors, code=f"U{number:02}", name="u", level="CITY", region_code=home)
        for number in chance.sample(range(1000), 60):
            place = chance.choice(communities)
            district, (begin, end) = district_of(place), chance.choice(dates)
            put(
                tables.grids,
                district_code=district,
                code=f"G{number:03}",
                community_code=place,
                name="g",
                boundary=SQUARE,
                source_datum="WGS84",
                valid_from=begin,
                valid_to=end,
            )
            put(
                tables.buildings,
                district_code=district,
                code=f"B{number:03}",
                community_code=place,
                name="b",
                households=number,
                location="SRID=4326;POINT(130 47)",
                source_datum="WGS84",
                source_longitude=130,
                source_latitude=47,
            )
            for target in ("grid_code", "building_code"):
                if chance.random() < 0.2:
                    begin, end = chance.choice(dates)
                    put(
                        tables.sponsorships,
                        district_code=district,
                        sponsor_code=f"U{chance.randrange(12):02}",
                        valid_from=begin,
                        valid_to=end,
                        **{target: f"{target[0].upper()}{number:03}"},
                    )
    yield engine
    engine.dispose()


def ask(url: str, question: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    async def answer() -> T:
        database = Database(url)
        try:
            async with database.connection() as connection:
                return await question(connection)
        finally:
            await database.close()

    return asyncio.run(answer())


def holding(engine: Engine, table: str) -> list[Any]:
    with engine.connect() as connection:
        return [
            row
            for row in connection.execute(text(f"SELECT * FROM {table} ORDER BY 2"))
            if row.valid_from <= DAY and (row.valid_to is None or row.valid_to > DAY)
        ]


@pytest.mark.parametrize("limit", [0, 1, 3, 100])
@pytest.mark.parametrize("after", [None, Key("G400", ""), Key("G400", "zz"), Key("H", "")])
def test_a_page_of_each_region_has_the_first_grids_below_it(
    peopled: Engine, database_url: str, limit: int, after: Key | None
) -> None:
    asked = [*TREE, "nowhere"]
    current = holding(peopled, "grids")

    pages = ask(
        database_url,
        lambda connection: grids.grids_of_regions(connection, asked, DAY, Slice(limit, after)),
    )
    sizes = ask(
        database_url, lambda connection: grids.count_grids_of_regions(connection, asked, DAY)
    )

    for region, page, size in zip(asked, pages, sizes, strict=True):
        below = sorted(
            (row.code, row.district_code) for row in current if region in above(row.community_code)
        )
        assert size == len(below)
        rest = [key for key in below if after is None or key > tuple(after)]
        assert [tuple(grid.key) for grid in page] == rest[:limit]


@pytest.mark.parametrize("region", TREE)
def test_sponsors_of_a_region_are_those_who_belong_or_answer_there(
    peopled: Engine, database_url: str, region: str
) -> None:
    place_of = {row.code: row.community_code for row in holding(peopled, "grids")}
    with peopled.connect() as connection:
        place_of |= dict(
            connection.execute(text("SELECT code, community_code FROM buildings")).all()
        )
        expected = {
            row.code
            for row in connection.execute(text("SELECT code, region_code FROM sponsors"))
            if region in above(row.region_code)
        }
    for row in holding(peopled, "sponsorships"):
        if region in above(place_of.get(row.building_code or row.grid_code)):
            expected.add(row.sponsor_code)

    async def question(connection: AsyncConnection) -> tuple[list[str], int]:
        [below] = await regions.regions_below(connection, [region])
        page = await sponsors.page_of_sponsors(connection, below, DAY, Slice(100))
        return [each.code for each in page], await sponsors.count_sponsors(connection, below, DAY)

    assert ask(database_url, question) == (sorted(expected), len(expected))


def test_a_sponsor_bears_the_households_of_its_buildings(
    peopled: Engine, database_url: str
) -> None:
    asked = [f"U{number:02}" for number in range(13)]
    answers = [row for row in holding(peopled, "sponsorships") if row.building_code]

    loads = ask(database_url, lambda connection: sponsors.loads_of_sponsors(connection, asked, DAY))

    assert loads == [
        (len(own), sum(int(row.building_code[1:]) for row in own))
        for own in ([row for row in answers if row.sponsor_code == each] for each in asked)
    ]
    assert any(loads)
