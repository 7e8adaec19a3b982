"""What is answered from memory is what the database would have answered, without asking it."""

from __future__ import annotations

import asyncio
import datetime
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from sqlalchemy import event

from gridmap.schema.context import Context
from gridmap.schema.root import schema
from gridmap.store.database import Database
from gridmap.store.dates import now, today
from gridmap.store.follower import Follower
from gridmap.store.viewers import ANONYMOUS
from tests.asking import ask
from tests.districts import SIDE, SOUTH, WEST
from tests.waiting import PATIENCE_SECONDS

REACH = 30.0
QUERY = """
query ($point: PointInput!, $points: [PointInput!]!) {
  locate(point: $point) { ...Found }
  locateMany(points: $points) { ...Found }
}
fragment Found on Location {
  outcome distanceToBoundary point(datum: GCJ02) { longitude latitude datum }
  grid {
    id code name validFrom validTo
    community { id code name level parent { code parent { code parent { code parent { code } } } } }
    street { id name level } district { name level }
  }
  candidates { grid { code } share distance }
  sponsor { id code name level leaderRole region { name level } }
}
"""

COVERAGE = """
query ($on: Date) { coverage(region: "230402", on: $on) {
  gridCount buildingCount areaCovered
  grade { score letter parts { name value weight points } }
  buildingsOutsideGrids { totalCount nodes { code } }
  buildingsWithoutSponsor(first: 2) { totalCount nodes { code } pageInfo { hasNextPage } }
  buildingsWithoutManagement { totalCount nodes { code managementMode } }
  gridsWithoutWorker { totalCount nodes { code } }
  gridsWithoutSponsor { totalCount nodes { code community { name } } }
  gridsOverNorm(norm: 9) { totalCount nodes { grid { code } households householdsPerWorker } }
  sponsorLevels { level sponsors buildings households }
  gaps { totalCount } overlaps { totalCount }
} }
"""

SUBMIT = """
mutation ($input: SubmitReportInput!) {
  submitReport(input: $input) {
    number grid { code name community { name } } workers { name }
    sponsor { code name level region { name } } duplicates { number }
  }
}
"""


def remembered(database_url: str, query: str = QUERY, **variables: object) -> tuple[Any, list[str]]:
    """The data that comes from memory, and the statements that the request sent."""

    async def answer() -> tuple[Any, list[str]]:
        database, follower = Database(database_url), Follower(database_url, REACH)
        statements: list[str] = []

        @event.listens_for(database.engine.sync_engine, "before_cursor_execute")
        def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
            statements.append(statement)

        following = asyncio.create_task(follower.run())
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while follower.snapshot(today()) is None:
                    await asyncio.sleep(0.01)
            result = await schema.execute(
                query,
                variable_values=variables,
                context_value=Context(database, REACH, follower),
            )
        finally:
            following.cancel()
            await asyncio.wait([following])
            await database.close()
        assert result.errors is None
        return result.data, statements

    return asyncio.run(answer())


@pytest.mark.usefixtures("district")
def test_a_lookup_and_the_regions_around_it_come_from_memory_alone(database_url: str) -> None:
    generator = np.random.default_rng(3)
    positions = generator.uniform(
        (WEST - SIDE / 4, SOUTH - SIDE / 4), (WEST + 3 * SIDE, SOUTH + 2 * SIDE), (40, 2)
    )
    points = [
        {
            "longitude": x,
            "latitude": y,
            "datum": ("WGS84", "CGCS2000", "GCJ02", "BD09")[i % 4],
            "accuracy": (None, 20.0, 60.0)[i % 3],
        }
        for i, (x, y) in enumerate(positions.tolist())
    ]
    for i in range(4):
        found, statements = remembered(database_url, point=points[i], points=points)
        expected = ask(database_url, QUERY, point=points[i], points=points)
        assert statements == []
        assert expected.errors == []
        for here, there in zip(
            [found["locate"], *found["locateMany"]],
            [expected.data["locate"], *expected.data["locateMany"]],
            strict=True,
        ):
            assert_same(here, there)


@pytest.mark.usefixtures("district")
def test_a_report_is_answered_from_memory_but_for_what_only_the_database_has(
    database_url: str,
) -> None:
    longitude, latitude = WEST + SIDE / 2, SOUTH + 1.5 * SIDE
    given = {
        "id": str(uuid4()),
        "point": {"longitude": longitude, "latitude": latitude, "datum": "WGS84"},
        "capturedAt": now().isoformat(),
        "category": "0101",
        "description": "楼道口有垃圾",
    }
    found, statements = remembered(database_url, SUBMIT, input=given)
    rules, [submission, workers] = statements[:3], statements[3:]
    assert all(
        "FROM report_categories" in each or "FROM deadlines" in each or "FROM report_rules" in each
        for each in rules
    )
    assert "INSERT INTO reports" in submission
    assert "FROM workers" in workers
    # Sent again, it is answered by the database.
    assert found["submitReport"]["grid"]["community"]["name"] == "友谊社区"
    assert found == ask(database_url, SUBMIT, ANONYMOUS, input=given).data


def test_coverage_of_today_is_that_of_the_database_which_is_not_asked_who_stands_where(
    database_url: str,
) -> None:
    found, statements = remembered(database_url, COVERAGE, on=None)
    expected = ask(database_url, COVERAGE, on=None)
    assert_same(found, expected.data)
    assert not any("ST_C" in statement for statement in statements)
    assert any("ST_C" in statement for statement in expected.statements)
    yesterday = (today() - datetime.timedelta(days=1)).isoformat()
    found, statements = remembered(database_url, COVERAGE, on=yesterday)
    assert_same(found, ask(database_url, COVERAGE, on=yesterday).data)
    assert any("ST_C" in statement for statement in statements)


def assert_same(here: Any, there: Any) -> None:
    """Equal, but for numbers: those of PostGIS and of memory differ in their last digits."""
    match here:
        case dict():
            assert here.keys() == there.keys()
            for name in here:
                assert_same(here[name], there[name])
        case list():
            assert len(here) == len(there)
            for one, other in zip(here, there, strict=True):
                assert_same(one, other)
        case float():
            assert here == pytest.approx(there, abs=0.005)
        case _:
            assert here == there
