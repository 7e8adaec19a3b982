"""Whole real files: the demo's, and the outlines of 3,231 counties with 40 that are broken."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from sqlalchemy import Connection

from gridmap.demo import DEMO_DATUM, DEMO_FILES, write_demo
from gridmap.geo.datums import Datum
from gridmap.geo.problems import Severity
from tests.store.importing import COMMUNITY, bring, bring_rows, cell, counts, found

COUNTIES = Path(__file__).parent.parent / "data" / "us_counties_10m.geojson.gz"


@pytest.fixture(scope="module")
def counties(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("counties") / "us_counties_10m.geojson"
    with gzip.open(COUNTIES) as packed, path.open("wb") as file:
        shutil.copyfileobj(packed, file)
    return path


@pytest.fixture(scope="module")
def broken(counties: Path) -> set[int]:
    """Rows of the counties that are no valid polygons, as GEOS alone sees it."""
    features = shapely.get_parts(shapely.from_geojson(counties.read_text()))
    assert len(features) == 3231
    return {index + 1 for index in (~shapely.is_valid(features)).nonzero()[0].tolist()}


def test_the_demo_comes_in_without_a_single_problem_and_again_without_a_change(
    connection: Connection, tmp_path: Path
) -> None:
    connection.begin()
    write_demo(tmp_path)
    for noun, name in DEMO_FILES:
        summary = bring(connection, noun, tmp_path / name, Datum(DEMO_DATUM))
        assert (summary.problems, summary.ignored_columns) == ((), ())
        assert counts(summary) == (summary.read, 0, 0)
    for noun, name in DEMO_FILES:
        again = bring(connection, noun, tmp_path / name, Datum(DEMO_DATUM))
        assert counts(again) == (0, 0, again.read)


@pytest.mark.parametrize("noun", ["regions", "grids"])
def test_counties_are_refused_with_the_broken_ones_named(
    connection: Connection, counties: Path, broken: set[int], noun: str
) -> None:
    connection.begin()

    summary = bring(connection, noun, counties, code_scheme="free")

    assert len(summary.errors) == 40
    assert {problem.row for problem in summary.errors} == broken
    assert all(problem.code and len(problem.code) == 5 for problem in summary.errors)
    assert not summary.written
    assert found(connection, f"SELECT * FROM {noun}") == []


@pytest.mark.parametrize("noun", ["regions", "grids"])
def test_counties_are_whole_when_repaired_and_unchanged_when_repaired_again(
    connection: Connection, counties: Path, broken: set[int], noun: str
) -> None:
    connection.begin()

    summary = bring(connection, noun, counties, code_scheme="free", repair=True)

    assert counts(summary) == (3231, 0, 0)
    assert summary.repaired == 40
    repaired = {p.row for p in summary.problems if p.severity is Severity.REPAIRED}
    assert repaired == broken
    assert found(connection, f"SELECT count(*) FROM {noun} WHERE ST_IsValid(boundary)") == [(3231,)]
    again = bring(connection, noun, counties, code_scheme="free", repair=True)
    assert counts(again) == (0, 0, 3231)


def test_a_parquet_file_without_its_metadata_and_a_table_of_postgis_bring_their_outlines(
    district: Connection, tmp_path: Path
) -> None:
    outlines = [shapely.Polygon(cell(number)) for number in (1, 2)]
    codes = [f"{COMMUNITY}{number:03}" for number in (1, 2)]
    plain = pa.table({"code": codes, "name": codes, "geom": shapely.to_wkb(outlines).tolist()})
    pq.write_table(plain, tmp_path / "grids.parquet")
    written = found(
        district,
        f"SELECT ST_GeomFromText('{outlines[0]}', 4326), ST_GeomFromText('{outlines[1]}', 4326)",
    )[0]
    rows = [("code", "name", "geom"), *zip(codes, codes, written, strict=True)]

    assert counts(bring(district, "grids", tmp_path / "grids.parquet")) == (2, 0, 0)
    assert counts(bring_rows(district, "grids", tmp_path, rows)) == (0, 0, 2)
    kept = found(district, "SELECT boundary FROM grids ORDER BY code")
    for (wkb,), outline in zip(kept, outlines, strict=True):
        assert shapely.from_wkb(wkb).equals(outline)
