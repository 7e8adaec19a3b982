"""Gaps and overlaps of a region's grids, as clients see them."""

from __future__ import annotations

from typing import Any

import pytest
from pyproj import Geod
from shapely import box
from shapely.geometry import shape
from sqlalchemy import text

from gridmap.store.database import tool_engine
from tests.asking import ask
from tests.districts import COMMUNITY, SIDE, SOUTH, STREET, WEST, District, grid_code, put_grid

QUERY = """
query ($region: String!, $tolerance: Float! = 1) {
  coverage(region: $region) {
    areaCovered
    gaps(tolerance: $tolerance) {
      totalCount nodes { outline area buildings neighbours { code } }
    }
    overlaps(tolerance: $tolerance) { totalCount nodes { outline area grids { code } } }
    slivers(tolerance: $tolerance) { gaps gapsArea overlaps overlapsArea } } }
"""
OUTLINED = "ST_Multi(ST_GeomFromText(:wkt, 4326))"
OUTLINE = box(WEST, SOUTH, WEST + 3 * SIDE, SOUTH + 2 * SIDE)


@pytest.fixture(scope="module")
def spoilt(database_url: str, district: District) -> str:  # noqa: ARG001
    """Grid 2 is gone, with its building left; grid 4 reaches a tenth of a square into grid 5."""
    engine = tool_engine(database_url)
    wider = box(WEST, SOUTH, WEST + 1.1 * SIDE, SOUTH + SIDE)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM grids WHERE code = :code"), {"code": grid_code(2)})
        connection.execute(
            text(f"UPDATE grids SET boundary = {OUTLINED} WHERE code = :code"),
            {"code": grid_code(4), "wkt": wider.wkt},
        )
        connection.execute(
            text(f"UPDATE regions SET boundary = {OUTLINED} WHERE code = :code"),
            {"code": COMMUNITY, "wkt": OUTLINE.wkt},
        )
    engine.dispose()
    return database_url


def area(geometry: object) -> float:
    """Square metres on the ellipsoid, whose edges bend a little less than those in degrees."""
    metres, _ = Geod(ellps="WGS84").geometry_area_perimeter(geometry)
    return abs(metres)


def test_a_gap_tells_its_outline_its_neighbours_and_the_buildings_in_it(spoilt: str) -> None:
    answer = ask(spoilt, QUERY, region=COMMUNITY)
    assert answer.errors == []
    coverage = answer.data["coverage"]
    [gap] = coverage["gaps"]["nodes"]
    missing = box(WEST + SIDE, SOUTH + SIDE, WEST + 2 * SIDE, SOUTH + 2 * SIDE)
    assert shape(gap["outline"]).equals(missing)
    assert gap["area"] == pytest.approx(area(missing), rel=1e-5)
    assert gap["buildings"] == 1
    assert [each["code"] for each in gap["neighbours"]] == [grid_code(n) for n in (1, 3, 4, 5)]
    assert coverage["areaCovered"] == pytest.approx(5 / 6, rel=1e-4)


def test_an_overlap_tells_who_claims_it(spoilt: str) -> None:
    [overlap] = ask(spoilt, QUERY, region=COMMUNITY).data["coverage"]["overlaps"]["nodes"]
    claimed = box(WEST + SIDE, SOUTH, WEST + 1.1 * SIDE, SOUTH + SIDE)
    assert shape(overlap["outline"]).symmetric_difference(claimed).area < 1e-12
    assert [each["code"] for each in overlap["grids"]] == [grid_code(4), grid_code(5)]


def test_a_region_without_an_outline_is_what_its_grids_enclose(spoilt: str) -> None:
    coverage = ask(spoilt, QUERY, region=STREET).data["coverage"]
    # Grid 2 lay at the edge: nothing encloses its square.
    assert coverage["gaps"] == {"totalCount": 0, "nodes": []}
    assert coverage["areaCovered"] == 1


@pytest.mark.parametrize("tolerance", [-1, 11, 1e9])
def test_a_tolerance_that_makes_no_sense_is_refused(spoilt: str, tolerance: float) -> None:
    [(code, message), *_] = ask(spoilt, QUERY, region=COMMUNITY, tolerance=tolerance).errors
    assert code == "INVALID"
    assert "0 to 10 metres" in message


def test_a_page_of_gaps_goes_on_after_the_last_one_though_that_is_mended_meanwhile(
    spoilt: str,
) -> None:
    def page(after: str | None = None) -> Any:
        query = """
        query ($region: String!, $after: Cursor) { coverage(region: $region) {
            gaps(first: 1, after: $after) {
              totalCount nodes { neighbours { code } } pageInfo { hasNextPage endCursor } } } }
        """
        return ask(spoilt, query, region=COMMUNITY, after=after).data["coverage"]["gaps"]

    east, south = WEST + 2 * SIDE, SOUTH
    engine = tool_engine(spoilt)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM grids WHERE code = :code"), {"code": grid_code(6)})
    first = page()
    with engine.begin() as connection:
        put_grid(connection, grid_code(6), box(east, south, east + SIDE, south + SIDE))
    engine.dispose()
    second = page(first["pageInfo"]["endCursor"])
    # Grid 6 lies farther south, where a degree is longer.
    assert first["nodes"] == [{"neighbours": [{"code": grid_code(n)} for n in (3, 5)]}]
    assert (first["totalCount"], first["pageInfo"]["hasNextPage"]) == (2, True)
    assert second["nodes"] == [{"neighbours": [{"code": grid_code(n)} for n in (1, 3, 4, 5)]}]
    assert (second["totalCount"], second["pageInfo"]["hasNextPage"]) == (1, False)
