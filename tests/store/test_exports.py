"""What is exported and imported again is the same: in its own database, and in an empty one."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import shapely
from sqlalchemy import Connection, Engine, text

from gridmap.demo import DEMO_DATUM, DEMO_FILES, write_demo
from gridmap.errors import Invalid, NotFound
from gridmap.geo.datums import Datum, to_wgs84
from gridmap.geo.files import read_batches
from gridmap.store.database import tool_engine
from gridmap.store.exports import export_file
from gridmap.store.imports import CodeScheme, ImportOptions, Noun, import_file
from tests.store.importing import (
    COMMUNITY,
    FIRST_DAY,
    LATER,
    REGIONS,
    bring,
    bring_features,
    bring_rows,
    building,
    cell,
    counts,
    found,
    grid,
)

ENDINGS = (".geojson", ".gpkg", ".csv")

TABLES = {
    "regions": "SELECT code, name, level, parent_code, district_code FROM regions",
    "grids": "SELECT district_code, code, community_code, name, valid_from, valid_to FROM grids",
    "workers": "SELECT * FROM workers",
    "worker_assignments": "SELECT * FROM worker_assignments",
    "buildings": "SELECT district_code, code, community_code, name, compound, households "
    "FROM buildings",
    "building_managements": "SELECT * FROM building_managements",
    "sponsors": "SELECT * FROM sponsors",
    "sponsorships": "SELECT district_code, sponsor_code, building_code, grid_code, valid_from, "
    "valid_to FROM sponsorships",
    "visits": "SELECT district_code, id, building_code, worker_code, kind, at, note FROM visits",
    "member_cards": "SELECT district_code, building_code, name, valid_from, valid_to "
    "FROM member_cards",
    "report_categories": "SELECT * FROM report_categories",
    "deadlines": "SELECT * FROM deadlines",
    "report_rules": "SELECT * FROM report_rules",
}
SHAPES = {
    "regions": "SELECT boundary FROM regions WHERE boundary IS NOT NULL ORDER BY code",
    "grids": "SELECT boundary FROM grids ORDER BY code, valid_from",
    "locations": "SELECT location FROM buildings ORDER BY code",
    "footprints": "SELECT footprint FROM buildings WHERE footprint IS NOT NULL ORDER BY code",
}


@pytest.fixture(scope="module")
def demo(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A database with the demo, and a worker who has no grid."""
    folder = tmp_path_factory.mktemp("demo")
    write_demo(folder)
    engine = tool_engine(database_url)
    for noun, name in DEMO_FILES:
        options = ImportOptions(datum=Datum(DEMO_DATUM))
        assert import_file(engine, Noun(noun), folder / name, options).written
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO workers VALUES ('230402', 'idle', '示例', NULL)"))
    yield engine
    engine.dispose()


def contents(connection: Connection) -> dict[str, list[str]]:
    """The rows of every table, as sorted text."""
    return {
        table: sorted(map(repr, found(connection, statement)))
        for table, statement in TABLES.items()
    }


def shapes(connection: Connection) -> dict[str, list[shapely.Geometry]]:
    return {
        name: [shapely.from_wkb(bytes.fromhex(wkb)) for (wkb,) in found(connection, statement)]
        for name, statement in SHAPES.items()
    }


def clear(connection: Connection) -> None:
    # Visits are never deleted, but for tests.
    connection.execute(text("ALTER TABLE visits DISABLE TRIGGER USER"))
    connection.execute(
        text(
            "TRUNCATE regions, grids, workers, buildings, sponsors, report_categories, deadlines "
            "CASCADE"
        )
    )
    connection.execute(text("ALTER TABLE visits ENABLE TRIGGER USER"))


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("datum", [Datum.WGS84, Datum.GCJ02])
def test_export_then_import_is_the_identity(
    demo: Engine, tmp_path: Path, ending: str, datum: Datum
) -> None:
    with demo.connect() as connection:
        transaction = connection.begin()
        sizes = come_back(connection, tmp_path, ending, datum)
        assert sizes[Noun.REGIONS] == 111
        assert sizes[Noun.BUILDINGS] == 449
        transaction.rollback()


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("datum", [Datum.WGS84, Datum.GCJ02])
def test_what_has_ended_and_what_is_planned_comes_back_too(
    eventful: Connection, tmp_path: Path, ending: str, datum: Datum
) -> None:
    sizes = come_back(eventful, tmp_path, ending, datum)

    assert sizes[Noun.BUILDINGS] == 1 + 3 + 2 + 2 + 1
    assert sizes[Noun.SPONSORSHIPS] == 5
    assert sizes[Noun.WORKERS] == 5


@pytest.mark.parametrize("ending", ENDINGS)
def test_districts_with_the_same_free_codes_come_back_apart(
    emptied: Connection, tmp_path: Path, ending: str
) -> None:
    clear(emptied)
    districts = ["east", "west"]
    then = FIRST_DAY + datetime.timedelta(days=30)
    free = {"code_scheme": CodeScheme.FREE}
    bring_rows(
        emptied,
        "regions",
        tmp_path,
        [("code", "name"), *zip(districts, "东西", strict=True)],
        **free,
    )
    grids = [grid(i, code="G1", community=name) for i, name in enumerate(districts)]
    assert bring_features(emptied, "grids", tmp_path, grids, **free).written
    houses = [
        building(i, code="B1", community=name, management_mode=mode, management_from=str(day))
        for i, name in enumerate(districts)
        for mode, day in [("COMMUNITY_LED", FIRST_DAY), ("PROFESSIONAL", then)]
    ]
    assert bring_features(emptied, "buildings", tmp_path, houses, **free).written
    sponsors = [("code", "name", "level", "region"), ("A", "甲", "CITY", "east")]
    assert bring_rows(emptied, "sponsors", tmp_path, sponsors, **free).written
    sponsorships = [
        ("sponsor", "building", "grid", "district"),
        *(("A", "", "G1", name) for name in districts),
        *(("A", "B1", "", name) for name in districts),
    ]
    assert bring_rows(emptied, "sponsorships", tmp_path, sponsorships, **free).written
    workers = [("code", "name", "grid", "district"), *(("W", "示例", "G1", d) for d in districts)]
    assert bring_rows(emptied, "workers", tmp_path, workers, **free).written
    visits = [
        ("building", "worker", "kind", "at", "note", "district"),
        *(("B1", "W", "走访", "2024-03-01 8:30", "一切\n正常", name) for name in districts),
    ]
    assert bring_rows(emptied, "visits", tmp_path, visits, **free).written
    cards = [("building", "name", "district"), *(("B1", "示例", name) for name in districts)]
    assert bring_rows(emptied, "member-cards", tmp_path, cards, **free).written
    categories = [("code", "name", "parent"), ("A1", "小类", "A"), ("A", "大类", "")]
    assert bring_rows(emptied, "categories", tmp_path, categories, **free).written
    deadlines = [
        ("district", "category", "urgency", "step", "amount", "unit"),
        *((name, "A1", "", "HANDLE", 3, "DAYS") for name in districts),
        ("", "", "URGENT", "WHOLE", 1, "WORKING_DAYS"),
    ]
    assert bring_rows(emptied, "deadlines", tmp_path, deadlines, **free).written
    rules = [("region", "default_sponsor", "rated"), ("east", "A", ""), ("west", "", "false")]
    assert bring_rows(emptied, "report-rules", tmp_path, rules, **free).written

    sizes = come_back(emptied, tmp_path, ending, Datum.WGS84, CodeScheme.FREE)

    assert [sizes[noun] for noun in Noun] == [2, 2, 4, 1, 4, 2, 2, 2, 2, 3, 2]


def come_back(
    connection: Connection,
    folder: Path,
    ending: str,
    datum: Datum,
    scheme: CodeScheme = CodeScheme.STANDARD,
) -> dict[Noun, int]:
    """Exports, imports over the same and then into nothing, and finds the same; gives the sizes."""
    options = ImportOptions(datum=datum, valid_from=LATER, code_scheme=scheme)
    before, shapes_before = contents(connection), shapes(connection)
    paths = {noun: folder / f"{noun}{ending}" for noun in Noun}
    sizes = {noun: export_file(connection, noun, path, datum=datum) for noun, path in paths.items()}

    for noun, path in paths.items():
        same = import_file(connection, noun, path, options)
        assert same.problems == ()
        assert same.ignored_columns == ()
        assert counts(same) == (0, 0, sizes[noun])
    assert contents(connection) == before

    clear(connection)
    for noun, path in paths.items():
        assert counts(import_file(connection, noun, path, options)) == (sizes[noun], 0, 0)
    assert contents(connection) == before
    after = shapes(connection)
    for name, kept in shapes_before.items():
        assert len(after[name]) == len(kept), name
        # A tenth of a millimetre; without a shift in between, to the bit.
        tolerance = 1e-9 if datum.is_shifted else 0.0
        assert all(
            first.normalize().equals_exact(second.normalize(), tolerance)
            or (datum.is_shifted and first.hausdorff_distance(second) < tolerance)
            for first, second in zip(kept, after[name], strict=True)
        ), name
    return sizes


def test_coordinates_are_written_in_the_datum_that_is_asked_for(
    demo: Engine, tmp_path: Path
) -> None:
    with demo.connect() as connection:
        export_file(connection, Noun.GRIDS, tmp_path / "gcj.csv", datum=Datum.GCJ02)
        ((code, kept),) = found(
            connection, "SELECT code, ST_AsText(boundary, 15) FROM grids ORDER BY code LIMIT 1"
        )
    (batch,) = read_batches(tmp_path / "gcj.csv")
    written = dict(zip(batch.columns["code"], batch.columns["boundary"], strict=True))[code]

    shifted = shapely.get_coordinates(shapely.from_wkt(written))
    true = shapely.get_coordinates(shapely.from_wkt(kept))
    assert np.abs(shifted - true).max() > 0.001
    assert to_wgs84(shifted, Datum.GCJ02) == pytest.approx(true, abs=1e-9)


def test_a_position_goes_out_as_it_came_in(district: Connection, tmp_path: Path) -> None:
    given = (130.2637123456789, 47.3341123456789)
    rows = [
        ("code", "name", "households", "longitude", "latitude"),
        (f"{COMMUNITY}00001", "1号楼", 24, *given),
    ]
    bring_rows(district, "buildings", tmp_path, rows, datum=Datum.BD09)

    export_file(district, Noun.BUILDINGS, tmp_path / "out.csv", datum=Datum.BD09)

    (batch,) = read_batches(tmp_path / "out.csv")
    assert [float(str(batch.columns[name][0])) for name in ("longitude", "latitude")] == list(given)


def test_only_what_lies_in_a_region_is_written(demo: Engine, tmp_path: Path) -> None:
    with demo.connect() as connection:
        sizes = {
            (str(noun), region): export_file(connection, noun, tmp_path / "x.csv", region=region)
            for noun in Noun
            for region in ("230402", "230405", "230406004002")
        }
        with pytest.raises(NotFound, match="999999"):
            export_file(connection, Noun.GRIDS, tmp_path / "x.csv", region="999999")

    assert sizes["grids", "230402"] == 92
    assert sizes["buildings", "230402"] == 370
    assert sizes["buildings", "230405"] == 63
    assert sizes["buildings", "230406004002"] == 16
    assert sizes["regions", "230406004002"] == 1
    assert sizes["workers", "230402"] == 93  # one of them without a grid
    assert sizes["workers", "230406004002"] == sizes["grids", "230406004002"]
    assert sizes["sponsorships", "230405"] >= 12


@pytest.fixture
def emptied(district: Connection, tmp_path: Path) -> Connection:
    """A connection to a database with regions only."""
    clear(district)
    bring_rows(district, "regions", tmp_path, [("code", "name"), *REGIONS])
    return district


PLANNED = datetime.date(2999, 1, 1)


@pytest.fixture
def eventful(emptied: Connection, tmp_path: Path) -> Connection:
    """A community in which things have ended, been resumed, and been planned."""
    then = FIRST_DAY + datetime.timedelta(days=30)
    houses: dict[int, list[tuple[str | None, datetime.date | None]]] = {
        1: [("COMMUNITY_LED", FIRST_DAY)],
        2: [("COMMUNITY_LED", FIRST_DAY), (None, then), ("COMMUNITY_LED", LATER)],
        3: [("PROFESSIONAL", then), ("SELF_MANAGED", PLANNED)],
        4: [("BASELINE_CLEANING", FIRST_DAY), (None, LATER)],
        5: [(None, None)],
    }
    bring_features(emptied, "grids", tmp_path, [grid(number) for number in houses])
    features = [
        building(number, management_mode=mode, management_from=day and str(day))
        for number, changes in houses.items()
        for mode, day in changes
    ]
    bring_features(emptied, "buildings", tmp_path, features)
    sponsors = [("code", "name", "level", "region"), *((c, c, "CITY", "2304") for c in "AB")]
    bring_rows(emptied, "sponsors", tmp_path, sponsors)
    house, area = f"{COMMUNITY}00001", f"{COMMUNITY}001"
    sponsorships = [
        ("sponsor", "building", "grid", "valid_from", "valid_to"),
        ("A", house, "", FIRST_DAY, then),
        ("A", house, "", then, LATER),
        ("B", house, "", LATER, ""),
        ("B", "", area, FIRST_DAY, LATER),
        ("A", "", area, PLANNED, ""),
    ]
    assert bring_rows(emptied, "sponsorships", tmp_path, sponsorships).written
    workers = [
        ("code", "name", "district", "grid", "valid_from", "valid_to"),
        ("W1", "示例", "", area, FIRST_DAY, then),
        ("W1", "示例", "", area, LATER, ""),
        ("W2", "示例", "", area, FIRST_DAY, LATER),
        ("W2", "示例", "", f"{COMMUNITY}002", PLANNED, ""),
        ("W3", "示例", "230402", "", "", ""),
    ]
    assert bring_rows(emptied, "workers", tmp_path, workers).written
    visits = [
        ("building", "worker", "kind", "at"),
        (f"{COMMUNITY}00001", "W1", "POLICY", f"{FIRST_DAY}T09:00:00.123456+09:00"),
        (f"{COMMUNITY}00001", "W2", "ERRAND", f"{LATER}"),
    ]
    assert bring_rows(emptied, "visits", tmp_path, visits).written
    cards = [
        ("building", "name", "valid_from", "valid_to"),
        (f"{COMMUNITY}00001", "示例", FIRST_DAY, then),
        (f"{COMMUNITY}00001", "示例", LATER, ""),
        (f"{COMMUNITY}00001", "另一", PLANNED, ""),
    ]
    assert bring_rows(emptied, "member-cards", tmp_path, cards).written
    return emptied


@pytest.mark.parametrize("day", [FIRST_DAY, LATER, PLANNED, datetime.date(2000, 1, 1)])
def test_the_export_of_a_day_imported_again_changes_nothing(
    eventful: Connection, tmp_path: Path, day: datetime.date
) -> None:
    before = contents(eventful)
    for noun in Noun:
        path = tmp_path / f"{noun}.csv"
        size = export_file(eventful, noun, path, on=day)
        if noun is Noun.BUILDINGS:
            assert size == 5  # one row each
        again = bring(eventful, noun, path, valid_from=day)
        assert counts(again) == (0, 0, size)
    assert contents(eventful) == before


def test_things_are_written_as_they_stood_on_a_day(emptied: Connection, tmp_path: Path) -> None:
    district = emptied
    bring_features(district, "grids", tmp_path, [grid(1)])
    bring_features(district, "grids", tmp_path, [grid(1, cell(2))], valid_from=LATER)
    managed = building(1, management_mode="PROFESSIONAL")
    unmanaged = building(1, management_mode=None)
    bring_features(district, "buildings", tmp_path, [managed])
    bring_features(district, "buildings", tmp_path, [unmanaged], valid_from=LATER)
    rows = [("code", "name", "level", "region"), ("A", "a", "CITY", "2304")]
    bring_rows(district, "sponsors", tmp_path, rows)
    heading = ("sponsor", "building", "valid_from", "valid_to")
    ended = [heading, ("A", f"{COMMUNITY}00001", FIRST_DAY, LATER)]
    bring_rows(district, "sponsorships", tmp_path, ended)

    def exported(noun: str, on: datetime.date | None) -> list[dict[str, object]]:
        path = tmp_path / "out.geojson"
        count = export_file(district, Noun(noun), path, on=on)
        features = json.loads(path.read_text())["features"]
        assert len(features) == count
        return [{**feature["properties"], "geometry": feature["geometry"]} for feature in features]

    (old,) = exported("grids", FIRST_DAY)
    (new,) = exported("grids", LATER)
    assert (old["valid_from"], old["valid_to"]) == (str(FIRST_DAY), str(LATER))
    assert (new["valid_from"], new["valid_to"]) == (str(LATER), None)
    assert shapely.from_geojson(json.dumps(old["geometry"])).equals(shapely.Polygon(cell(1)))
    assert [row["management_mode"] for row in exported("buildings", FIRST_DAY)] == ["PROFESSIONAL"]
    assert [row["management_mode"] for row in exported("buildings", LATER)] == ["UNMANAGED"]
    (before,) = exported("buildings", FIRST_DAY - datetime.timedelta(days=1))
    assert (before["management_mode"], before["management_from"]) == ("UNMANAGED", None)
    assert len(exported("sponsorships", FIRST_DAY)) == 1
    assert exported("sponsorships", LATER) == []
    # On no day in particular, what has ended is written too, so that nothing is lost.
    assert len(exported("sponsorships", None)) == 1
    assert exported("grids", None) == [old, new]
    assert [
        (row["management_mode"], row["management_from"]) for row in exported("buildings", None)
    ] == [("PROFESSIONAL", str(FIRST_DAY)), ("UNMANAGED", str(LATER))]


def test_what_cannot_be_written_is_said_and_leaves_nothing(
    district: Connection, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()

    with pytest.raises(Invalid, match=r"\.xlsx"):
        export_file(district, Noun.REGIONS, folder / "regions.xlsx")

    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("noun", list(Noun)[1:])
def test_an_empty_export_is_a_file_that_can_be_imported(
    emptied: Connection, tmp_path: Path, noun: Noun, ending: str
) -> None:
    path = tmp_path / f"{noun}{ending}"

    assert export_file(emptied, noun, path) == 0
    if noun in ("workers", "member-cards", "visits"):  # names, phones and notes
        assert path.stat().st_mode & 0o077 == 0
    assert counts(bring(emptied, noun, path)) == (0, 0, 0)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("datum", [Datum.WGS84, Datum.GCJ02])
def test_every_version_of_a_grid_comes_back(
    eventful: Connection, tmp_path: Path, ending: str, datum: Datum
) -> None:
    then = FIRST_DAY + datetime.timedelta(days=30)
    # Grid 1 gives its eastern strip to grid 2 for a while, and will be renamed; grid 6 has ended.
    wide, narrow = cell(2), cell(1, east=-0.001)
    wide[0][0] = wide[3][0] = wide[4][0] = narrow[1][0]
    changes = [
        (then, [grid(1, narrow), grid(2, wide)]),
        (LATER, [grid(1), grid(2), grid(6, valid_from=str(FIRST_DAY), valid_to=str(LATER))]),
        (PLANNED, [grid(1, name="新网格")]),
    ]
    for day, features in changes:
        summary = bring_features(eventful, "grids", tmp_path, features, valid_from=day)
        assert summary.written, summary.problems

    sizes = come_back(eventful, tmp_path, ending, datum)

    assert sizes[Noun.GRIDS] == 4 + 3 + 1 + 1 + 1 + 1
