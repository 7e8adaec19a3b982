"""Whole real files: the demo's, and the outlines of 3,231 counties with 40 that are broken."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest
import shapely
from sqlalchemy import Connection

from gridmap.demo import DEMO_DATUM, DEMO_FILES, write_demo
from gridmap.geo.datums import Datum
from gridmap.geo.problems import Severity
from tests.store.importing import bring, counts, found

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
