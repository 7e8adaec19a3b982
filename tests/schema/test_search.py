"""Finding what is kept by how it is called."""

from __future__ import annotations

import datetime

import pytest
from sqlalchemy import text

from gridmap.store.database import tool_engine
from tests.asking import ask
from tests.districts import COMMUNITY, building_code, grid_code

pytestmark = pytest.mark.usefixtures("district")

QUERY = """
query ($text: String!, $on: Date) {
  search(text: $text, on: $on) {
    __typename
    ... on Region { code }
    ... on Sponsor { code }
    ... on Grid { code validFrom }
    ... on Building { code }
  }
}
"""


def found(database_url: str, said: str, **variables: object) -> list[tuple[str, str]]:
    hits = ask(database_url, QUERY, text=said, **variables).data["search"]
    return [(hit["__typename"], hit["code"]) for hit in hits]


def test_a_part_of_a_name_finds_all_that_is_called_so(database_url: str) -> None:
    assert found(database_url, "审计") == [("Sponsor", "S1")]
    assert found(database_url, "社区 友谊") == [("Region", COMMUNITY)]
    # What is called just so is first; what begins so comes before what is only like it.
    assert found(database_url, "3号楼") == [("Building", building_code(3))]
    assert found(database_url, "区法院")[0] == ("Sponsor", "S2")
    assert found(database_url, "第6网格") == [("Grid", grid_code(6))]
    assert found(database_url, "没有这样的") == []


def test_the_beginning_of_a_code_finds_what_has_it_the_shortest_first(database_url: str) -> None:
    assert found(database_url, "230402002")[0] == ("Region", "230402002")
    assert set(found(database_url, f"{COMMUNITY}0000")) == {
        ("Building", building_code(each)) for each in range(1, 7)
    }
    assert found(database_url, grid_code(2)) == [("Grid", grid_code(2))]


def test_a_grid_is_found_as_it_stands_on_the_day(database_url: str) -> None:
    long_ago = ask(database_url, QUERY, text=grid_code(6), on="2024-06-01").data["search"]
    now = ask(database_url, QUERY, text=grid_code(6)).data["search"]
    assert [len(long_ago), len(now)] == [1, 1]
    assert datetime.date.fromisoformat(long_ago[0]["validFrom"]) < datetime.date.fromisoformat(
        now[0]["validFrom"]
    )


@pytest.mark.parametrize("said", ["", "  ", "长" * 101])
def test_a_text_that_says_nothing_is_refused(database_url: str, said: str) -> None:
    ((code, _),) = ask(database_url, QUERY, text=said).errors
    assert code == "INVALID"


def test_names_are_found_by_their_index(database_url: str) -> None:
    engine = tool_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        for table in ("regions", "sponsors", "grids", "buildings"):
            plan = connection.execute(
                text(f"EXPLAIN SELECT code FROM {table} WHERE gridmap_words(name) @> '{{审计}}'")
            )
            assert f"{table}_name_idx" in "\n".join(plan.scalars())
    engine.dispose()
