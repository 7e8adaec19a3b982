"""Writing: what is written comes back to the bit, and a file is there whole or not at all."""

import itertools
import json
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from gridmap.errors import Invalid
from gridmap.geo.checks import GeometryKind
from gridmap.geo.files import read_batches
from gridmap.geo.writing import ColumnType, Features, write_features

ENDINGS = [".geojson", ".gpkg", ".csv"]
COLUMNS: dict[str, ColumnType] = {"code": str, "名称": str, "n": int, "area": float, "since": date}

# What PostgreSQL can hold as text: anything but the null character.
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
ROWS = st.tuples(
    st.sampled_from(["230402001001001", "007"]),
    st.none() | TEXTS | st.sampled_from(['"引号"', "逗,号", "换\n行", "\r\n", "=1+1", " 空 "]),
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.none() | st.dates(),
)
DEGREES = st.floats(-180, 180) | st.floats(-1e-6, 1e-6)
POINTS = st.builds(shapely.Point, DEGREES, DEGREES)


def triangles(west: float) -> st.SearchStrategy[shapely.Polygon]:
    """Valid polygons of any digits in a strip of their own, turned either way."""
    inside = st.floats(0, 1)
    return st.builds(
        lambda a, b, c, turned: shapely.Polygon(
            ((west, a), (west + 0.25, 2 + b), (west + 0.75, c))[:: -1 if turned else 1],
            [((west + 0.25, 1.1), (west + 0.26, 1.1), (west + 0.25 + b / 100, 1.2))],
        ),
        inside,
        inside,
        inside,
        st.booleans(),
    )


POLYGONS = triangles(130.1) | st.builds(
    lambda *polygons: shapely.MultiPolygon(polygons), triangles(1e-9), triangles(130.1)
)


def written(path: Path, rows: list[tuple[Any, ...]], shapes: list[Any], kind: GeometryKind) -> Path:
    """The rows written in batches of three."""

    def batches() -> Iterator[Features]:
        for start in range(0, len(rows), 3):
            part = rows[start : start + 3]
            geometries = np.empty(len(part), dtype=object)
            geometries[:] = shapes[start : start + 3]
            columns = zip(COLUMNS, map(list, zip(*part, strict=True)), strict=True)
            yield Features(dict(columns), geometries)

    assert write_features(path, batches(), columns=COLUMNS, geometry=kind) == len(rows)
    return path


def values_read(path: Path) -> dict[str, list[Any]]:
    """Columns as they come back, in the types that they were written in."""
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for batch in read_batches(path, batch_size=4):
        for name in COLUMNS:
            columns[name] += batch.columns[name]
    if path.suffix != ".gpkg":
        # Neither JSON nor CSV has dates; a CSV has nothing but text.
        columns["since"] = [found and date.fromisoformat(found) for found in columns["since"]]
    if path.suffix == ".csv":
        columns["n"] = [found and int(found) for found in columns["n"]]
        columns["area"] = [found and float(found) for found in columns["area"]]
    return columns


def shapes_read(path: Path) -> list[Any]:
    found: list[Any] = []
    for batch in read_batches(path, batch_size=4):
        if batch.geometries is not None:
            found += list(shapely.from_wkb(batch.geometries))
        elif "boundary" in batch.columns:
            found += list(shapely.from_wkt(batch.columns["boundary"]))
        else:
            pairs = zip(batch.columns["longitude"], batch.columns["latitude"], strict=True)
            found += [x and shapely.Point(float(str(x)), float(str(y))) for x, y in pairs]
    return found


def bits(shape: Any) -> Any:
    """A geometry's parts and rings to the last bit, whichever way round and starting anywhere."""
    if shape is None:
        return None
    if shape.geom_type == "Point":
        return shapely.to_wkb(shape)
    return sorted(
        (
            tuple(sorted(ring(polygon.exterior))),
            tuple(sorted(tuple(sorted(ring(hole))) for hole in polygon.interiors)),
        )
        for polygon in shapely.get_parts(shape)
    )


def ring(line: Any) -> list[bytes]:
    """The vertices of a ring, each as its bytes, the closing one left out."""
    return [position.tobytes() for position in shapely.get_coordinates(line)[:-1]]


def same(first: Any, second: Any) -> bool:
    """Equal, and of one type, and with the sign of zero."""
    return type(first) is type(second) and repr(first) == repr(second)


def expected_values(ending: str, rows: list[tuple[Any, ...]]) -> dict[str, list[Any]]:
    columns = [list(column) for column in zip(*rows, strict=True)]
    if ending == ".csv":
        columns[1] = [text or None for text in columns[1]]
    if ending == ".gpkg":
        # SQLite stores whole numbers without a sign of zero; in coordinates it is kept.
        columns[3] = [0.0 if area == 0 else area for area in columns[3]]
    return dict(zip(COLUMNS, columns, strict=True))


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kind", list(GeometryKind))
@settings(max_examples=25)
@given(data=st.data())
def test_what_is_written_is_read_again_to_the_bit(
    tmp_path_factory: pytest.TempPathFactory, ending: str, kind: GeometryKind, data: st.DataObject
) -> None:
    rows = data.draw(st.lists(ROWS, min_size=1, max_size=7))
    some = POINTS if kind is GeometryKind.POINT else POLYGONS
    shapes = data.draw(st.lists(st.none() | some, min_size=len(rows), max_size=len(rows)))
    path = written(tmp_path_factory.mktemp("bits") / f"网格{ending}", rows, shapes, kind)
    found = values_read(path)
    for name, values in expected_values(ending, rows).items():
        assert all(map(same, found[name], values))
        assert len(found[name]) == len(values)
    assert [bits(shape) for shape in shapes_read(path)] == [bits(shape) for shape in shapes]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_written_polygon_is_the_same_polygon(tmp_path: Path, ending: str) -> None:
    shape = shapely.box(130.1, 47.1, 130.9, 47.9).difference(shapely.box(130.2, 47.2, 130.3, 47.3))
    row = ("1", None, None, None, None)
    for turned in (shape, shapely.reverse(shape)):
        path = written(tmp_path / f"a{ending}", [row], [turned], GeometryKind.POLYGON)
        (found,) = shapely.get_parts(shapes_read(path))
        assert shapely.equals_identical(shapely.normalize(found), shapely.normalize(shape))


def test_geojson_is_as_the_rfc_wants_it(tmp_path: Path) -> None:
    hole = shapely.box(130.2, 47.2, 130.3, 47.3)
    shape = shapely.box(130.1, 47.1, 130.9, 47.9).difference(hole)
    row = ("1", "网格", 2, 0.5, date(2023, 6, 30))
    path = written(
        tmp_path / "a.geojson", [row] * 4, [shape, shapely.reverse(shape), None, shape],
        GeometryKind.POLYGON,
    )  # fmt: skip
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) == 4 + 2
    document = json.loads(path.read_text("utf-8"))
    assert document.keys() == {"type", "features"}
    first, second, third, _ = document["features"]
    assert first["properties"] == {
        "code": "1", "名称": "网格", "n": 2, "area": 0.5, "since": "2023-06-30",
    }  # fmt: skip
    for found in (first, second):
        exterior, interior = found["geometry"]["coordinates"]
        assert shapely.is_ccw(shapely.LinearRing(exterior))
        assert not shapely.is_ccw(shapely.LinearRing(interior))
    assert third["geometry"] is None


def test_a_geopackage_has_one_typed_layer_in_4326(tmp_path: Path) -> None:
    row = ("1", "网格", 2, 0.5, date(2023, 6, 30))
    path = written(tmp_path / "向阳区.gpkg", [row], [shapely.box(1, 1, 2, 2)], GeometryKind.POLYGON)
    assert pyogrio.list_layers(path).tolist() == [["向阳区", "MultiPolygon"]]
    info = pyogrio.read_info(path)
    assert info["crs"] == "EPSG:4326"
    assert info["ogr_types"] == [
        "OFTString", "OFTString", "OFTInteger64", "OFTReal", "OFTDate",
    ]  # fmt: skip


def test_a_csv_is_one_that_excel_in_china_opens(tmp_path: Path) -> None:
    row = ("007", "网格", 2, 0.1, date(2023, 6, 30))
    path = written(tmp_path / "a.csv", [row], [shapely.Point(130.1, 1e-7)], GeometryKind.POINT)
    assert path.read_bytes() == (
        b"\xef\xbb\xbf"
        + "code,名称,n,area,since,longitude,latitude\r\n".encode()
        + "007,网格,2,0.1,2023-06-30,130.1,1e-07\r\n".encode()
    )


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_table_needs_no_geometry(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    batches = [Features({"code": ["1", "2"]}, None), Features({"code": ["3"]}, None)]
    assert write_features(path, batches, columns={"code": str}, geometry=None) == 3
    codes = [code for batch in read_batches(path) for code in batch.columns["code"]]
    assert codes == ["1", "2", "3"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_rows_make_a_file_that_can_be_read(tmp_path: Path, ending: str) -> None:
    path = written(tmp_path / f"a{ending}", [], [], GeometryKind.POINT)
    assert [row for batch in read_batches(path) for row in batch.rows] == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_empty_geometry_and_heights_do_no_harm(tmp_path: Path, ending: str) -> None:
    row = ("1", None, None, None, None)
    shapes = [shapely.Polygon(), shapely.box(1, 1, 2, 2), shapely.MultiPolygon()]
    path = written(tmp_path / f"a{ending}", [row] * 3, shapes, GeometryKind.POLYGON)
    assert [shape.is_empty for shape in shapes_read(path)] == [True, False, True]
    high = shapely.Polygon([(1, 1, 9), (2, 1, 9), (2, 2, 9)])
    path = written(tmp_path / f"b{ending}", [row], [high], GeometryKind.POLYGON)
    assert not shapes_read(path)[0].has_z


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_failure_leaves_nothing_behind_and_the_old_file_alone(
    tmp_path: Path, ending: str
) -> None:
    # 1. A file is there, and another one is begun and fails in its third batch.
    path = written(
        tmp_path / f"a{ending}", [("1",) + (None,) * 4], [shapely.Point(1, 2)], GeometryKind.POINT
    )
    before = path.read_bytes()

    def failing() -> Iterator[Features]:
        for _ in range(2):
            yield Features({"code": ["1"]}, np.array([shapely.Point(1, 2)], dtype=object))
        raise KeyError("the database is gone")

    for name in (path.name, f"new{ending}"):
        with pytest.raises(KeyError, match="the database is gone"):
            write_features(
                tmp_path / name, failing(), columns={"code": str}, geometry=GeometryKind.POINT
            )
    # 2. The old one is as it was, and alone.
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("ending", ENDINGS)
def test_nothing_stands_at_the_path_before_it_is_whole(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    seen: list[bool] = []

    def batches() -> Iterator[Features]:
        for _ in range(3):
            seen.append(path.exists())
            yield Features({"code": ["1"]}, None)

    write_features(path, batches(), columns={"code": str}, geometry=None)
    assert seen == [False, False, False]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_private_is_at_no_time_for_others_to_read(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    path.touch(0o644)  # of an earlier time

    def batches() -> Iterator[Features]:
        for _ in range(2):
            [folder] = (each for each in tmp_path.iterdir() if each != path)
            assert folder.stat().st_mode & 0o077 == 0
            yield Features({"code": ["1"]}, None)

    write_features(path, batches(), columns={"code": str}, geometry=None, is_private=True)
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (str, 7), (int, "7"), (int, 7.0), (int, True), (float, "0.1"), (float, float("nan")),
        (float, float("inf")), (date, "2023-06-30"), (date, datetime(2023, 6, 30)),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_refused(
    tmp_path: Path, ending: str, kind: ColumnType, value: object
) -> None:
    with pytest.raises(Invalid, match="Column 'a'"):
        write_features(
            tmp_path / f"a{ending}",
            [Features({"a": [None, value]}, None)],
            columns={"a": kind},
            geometry=None,
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    ("kind", "shape", "said"),
    [
        (GeometryKind.POINT, shapely.box(1, 1, 2, 2), "cannot hold a polygon"),
        (GeometryKind.POLYGON, shapely.Point(1, 2), "cannot hold a point"),
        (GeometryKind.POINT, shapely.Point(float("inf"), 2), "not finite"),
    ],
)
def test_a_geometry_of_another_kind_is_refused(
    tmp_path: Path, ending: str, kind: GeometryKind, shape: Any, said: str
) -> None:
    with pytest.raises(Invalid, match=said):
        written(tmp_path / f"a{ending}", [("1",) + (None,) * 4], [shape], kind)


@pytest.mark.parametrize(
    ("name", "column", "said"),
    [
        ("a.shp", "code", r"ends in \.shp; what can be written"),
        ("no/such/a.csv", "code", "no folder"),
        ("a.gpkg", "fid", "cannot be named 'fid'"),
        ("a.gpkg", "Geom", "cannot be named 'Geom'"),
        ("a.csv", "latitude", "cannot be named 'latitude'"),
        ("a.geojson", "", "cannot be named ''"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_at_once(
    tmp_path: Path, name: str, column: str, said: str
) -> None:
    with pytest.raises(Invalid, match=said):
        write_features(tmp_path / name, [], columns={column: str}, geometry=None)


def test_rows_are_written_as_they_come(tmp_path: Path) -> None:
    # An endless supply, stopped after a while: had it been collected first, this would not end.
    supply = itertools.count()

    def batches() -> Iterator[Features]:
        for i in supply:
            if i == 50:
                unfinished = next(tmp_path.glob(".a-*/a.geojson"))
                assert unfinished.stat().st_size > 100_000
                return
            yield Features({"code": ["x" * 100] * 100}, None)

    path = tmp_path / "a.geojson"
    assert write_features(path, batches(), columns={"code": str}, geometry=None) == 5000
