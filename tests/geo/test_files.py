"""Reading: files made by other programs' writers come through whole, and faults are named."""

import json
import math
import struct
import subprocess
import sys
import tempfile
import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import pytest
import shapely

from gridmap.errors import Invalid
from gridmap.geo.files import count_rows, read_batches
from tests.geo.gisfiles import (
    SQUARE,
    UNCLOSED,
    cut_headings,
    feature,
    kml,
    placemark,
    polygon,
    raw,
    read,
    shapes,
    write,
    write_geojson,
    zipped,
)

NAN = float("nan")


BROKEN = {
    "sound": polygon(SQUARE),
    "unclosed": polygon(UNCLOSED),
    "crossing": polygon([SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3], SQUARE[0]]),
    "two points": polygon(SQUARE[:2]),
    "one point": polygon(SQUARE[:1]),
    "hole outside": polygon(SQUARE, [(x + 9, y) for x, y in SQUARE]),
    "not finite": polygon([(130.0, NAN), *SQUARE[1:]]),
    "sound again": polygon(SQUARE),
}


ROWS: dict[str, list[Any]] = {
    "code": ["230402001001001", "007", None],
    "名称": ["向阳一网格", '引号"和,逗号', "最后\n一行"],
    "households": [312, None, -5],
    "area": [1.5, None, 0.1],
    "since": [date(2023, 6, 30), None, date(1949, 10, 1)],
}


SHAPES = np.array(
    [
        shapely.box(130.26, 47.31, 130.28, 47.33),
        shapely.box(0, 0, 3, 3).difference(shapely.box(1, 1, 2, 2)),
        shapely.Polygon([(0.1, 0.2), (0.3, 1e-7), (130.123456789012345, 47.1)]),
    ],
    dtype=object,
)


class TestWhatIsInAFile:
    @pytest.mark.parametrize("ending", [".gpkg", ".fgb", ".parquet", ".geoparquet"])
    def test_rows_come_as_they_were_written(self, tmp_path: Path, ending: str) -> None:
        path = write(tmp_path / f"网格{ending}", ROWS, list(shapely.to_wkb(SHAPES)))
        found = read(path)
        assert found.rows == [1, 2, 3]
        assert found.columns == ROWS
        assert raw(found) == list(shapely.to_wkb(SHAPES))

    def test_a_shapefile_comes_with_short_headings_and_its_own_ring_order(
        self, tmp_path: Path
    ) -> None:
        path = write(tmp_path / "a.shp", ROWS, list(shapely.to_wkb(SHAPES)))
        found = read(path)
        assert found.columns == ROWS
        assert shapely.equals_identical(
            shapely.normalize(shapes(found)), shapely.normalize(SHAPES)
        ).all()

    @pytest.mark.parametrize(
        ("encoding", "cpg", "headings", "left"),
        [
            ("utf-8", "UTF-8", ["网格编码", "所属社区编码"], ["网格编", "所属社"]),
            ("utf-8", None, ["网格编码", "所属社区编码"], ["网格编", "所属社"]),
            ("gb18030", None, ["网格编码全称", "A网格编码全"], ["网格编码全", "A网格编码"]),
            ("gbk", "936", ["网格编码全称", "A网格编码全"], ["网格编码全", "A网格编码"]),
            ("utf-8", "UTF-8", ["网格编码", "网格编号"], ["网格_1", "网格_2"]),
            ("utf-8", "UTF-8", ["网格编", "网格编号"], ["网格编", "网格_1"]),
            ("gbk", "GBK", ["A网格编码甲", "A网格编码乙"], ["A网格编_1", "A网格编_2"]),
        ],
    )
    @pytest.mark.parametrize("ending", [".shp", ".zip"])
    def test_a_heading_that_ends_inside_a_character_loses_what_is_left_of_it(
        self,
        tmp_path: Path,
        encoding: str,
        cpg: str | None,
        headings: list[str],
        left: list[str],
        ending: str,
    ) -> None:
        columns = {"a": ["向阳区", "乙"], "b": ["丙", "丁"]}
        path = write(tmp_path / "网格.shp", columns, [polygon(SQUARE)] * 2, encoding=encoding)
        cut_headings(path, headings, encoding, cpg)
        before = path.with_suffix(".dbf").read_bytes()
        if ending == ".zip":
            with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
                for part in tmp_path.glob("网格.*"):
                    archive.write(part, part.name)
            path = tmp_path / "a.zip"
        found = read(path)
        assert found.columns == dict(zip(left, columns.values(), strict=True))
        assert found.rows == [1, 2]
        assert (tmp_path / "网格.dbf").read_bytes() == before

    def test_kml_comes_with_its_extended_data_and_without_its_styles(self, tmp_path: Path) -> None:
        path = tmp_path / "a.kml"
        path.write_text(kml(placemark(SQUARE, name="网格一", code="007")), encoding="utf-8")
        found = read(path)
        assert found.columns["Name"] == ["网格一"]
        assert found.columns["code"] == ["007"]
        assert found.columns.keys().isdisjoint({"tessellate", "visibility", "drawOrder"})
        assert raw(found) == [polygon(SQUARE)]

    @pytest.mark.parametrize("ending", [".kml", ".kmz"])
    @pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
    def test_untyped_data_of_kml_keep_their_chinese_names(
        self, tmp_path: Path, encoding: str, ending: str
    ) -> None:
        def untyped(**values: str) -> str:
            data = "".join(
                f'<Data  name="{name}"><displayName>x</displayName><value>{value}</value></Data>'
                for name, value in values.items()
            )
            return f"<Placemark><ExtendedData>{data}</ExtendedData></Placemark>"

        second = untyped(网格名称="丙&amp;丁").replace("网格名称", "&#32593;格名称")
        text = kml(untyped(网格编码="07", 网格名称="乙", n="3"), second, declared=encoding)
        path = tmp_path / f"a{ending}"
        if ending == ".kml":
            path.write_text(text, encoding=encoding)
        else:
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("doc.kml", text.encode(encoding))
        found = read(path).columns
        assert found["网格编码"] == ["07", None]
        assert found["网格名称"] == ["乙", "丙&丁"]
        assert found["n"] == ["3", None]
        assert not [name for name in found if "__" in name or "gridmap" in name]

    def test_a_name_of_typed_and_untyped_data_in_kml_is_one_column(self, tmp_path: Path) -> None:
        typed = kml(placemark(SQUARE, name="甲", code="1")).replace("'code'", "'编码'")
        untyped = "<ExtendedData><Data name='编码'><value>2</value></Data></ExtendedData>"
        text = typed.replace("</Folder>", f"<Placemark>{untyped}</Placemark></Folder>")
        (tmp_path / "a.kml").write_text(text, encoding="utf-8")
        assert read(tmp_path / "a.kml").columns["编码"] == ["1", "2"]

    def test_kmz_is_unpacked(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "a.kmz", "w") as archive:
            archive.writestr("files/doc.kml", kml(placemark(SQUARE, name="网格", code="1")))
        assert read(tmp_path / "a.kmz").columns["Name"] == ["网格"]

    def test_geojson_keeps_every_digit_and_each_feature_its_own_properties(
        self, tmp_path: Path
    ) -> None:
        path = write_geojson(
            tmp_path / "a.json",
            [
                feature(
                    json.loads(shapely.to_geojson(SHAPES[0])), code="007", list=[1, {"a": "网"}]
                ),
                feature({"type": "Point", "coordinates": [0.1, 1e-7]}, households=3, big=2**62),
                feature(None, code=None, yes=True),
            ],
        )
        found = read(path)
        assert found.columns == {
            "code": ["007", None, None],
            "list": ['[1, {"a": "网"}]', None, None],
            "households": [None, 3, None],
            "big": [None, 2**62, None],
            "yes": [None, None, True],
        }
        assert shapes(found).tolist() == [SHAPES[0], shapely.Point(0.1, 1e-7), None]

    def test_a_feature_id_is_a_column_unless_the_properties_have_one(self, tmp_path: Path) -> None:
        features: list[Any] = [
            {**feature(None, n=1), "id": "a"},
            {**feature(None, n=2), "id": 7},
            feature(None, n=3),
            {**feature(None, n=4, id="property"), "id": "feature"},
        ]
        assert read(write_geojson(tmp_path / "a.geojson", features)).columns == {
            "id": ["a", 7, None, "property"],
            "n": [1, 2, 3, 4],
        }

    @pytest.mark.parametrize(
        "document",
        [
            feature({"type": "Point", "coordinates": [130, 47]}),
            feature({"type": "Point", "coordinates": [130, 47]}, features=[{"features": []}]),
            {"type": "Point", "coordinates": [130, 47]},
            {"features": [feature({"type": "Point", "coordinates": [130, 47]})]},
        ],
    )
    def test_one_feature_or_one_geometry_is_geojson_too(
        self, tmp_path: Path, document: dict[str, Any]
    ) -> None:
        (tmp_path / "a.geojson").write_text(json.dumps(document))
        assert shapes(read(tmp_path / "a.geojson")).tolist() == [shapely.Point(130, 47)]

    def test_a_collection_without_features_has_no_rows(self, tmp_path: Path) -> None:
        assert list(read_batches(write_geojson(tmp_path / "a.geojson", []))) == []

    @pytest.mark.parametrize("ending", [".gpkg", ".parquet", ".geojson"])
    def test_heights_are_dropped(self, tmp_path: Path, ending: str) -> None:
        high = [(x, y, 150.0) for x, y in SQUARE]
        path = tmp_path / f"a{ending}"
        if ending == ".geojson":
            mixed = [*high[:-1], SQUARE[-1]]
            write_geojson(path, [feature({"type": "Polygon", "coordinates": [mixed]})] * 2)
        else:
            write(path, {"n": [1, 2]}, [polygon(high), polygon(SQUARE)])
        assert raw(read(path)) == [polygon(SQUARE), polygon(SQUARE)]

    @pytest.mark.parametrize("order", ["<", ">"])
    @pytest.mark.parametrize(("code", "extra"), [(3001, "2d"), (0xC0000001, "2d"), (2001, "d")])
    def test_measures_and_other_byte_orders_are_understood(
        self, tmp_path: Path, order: str, code: int, extra: str
    ) -> None:
        values = [130.5, 47.5, 1.0, 2.0][: 2 + len(extra.replace("2d", "dd"))]
        wkb = struct.pack(f"{order}BI{len(values)}d", order == "<", code, *values)
        path = write(tmp_path / "a.parquet", {"n": [1]}, [wkb])
        assert raw(read(path)) == [struct.pack("<BI2d", 1, 1, 130.5, 47.5)]

    def test_values_of_odd_types_become_plain_ones(self, tmp_path: Path) -> None:
        table = pa.table(
            {
                "nan": pa.array([NAN, 1.0]),
                "when": pa.array([datetime(2024, 1, 2, 3, 4, 5, 6), None], pa.timestamp("ns")),
                "kind": pa.array(["a", "b"]).dictionary_encode(),
                "tags": pa.array([["甲"], None]),
                "flag": pa.array([True, None]),
            }
        )
        pq.write_table(table, tmp_path / "a.parquet")
        found = read(tmp_path / "a.parquet")
        assert found.geometries is None
        assert found.columns == {
            "nan": [None, 1.0],
            "when": [datetime(2024, 1, 2, 3, 4, 5, 6), None],
            "kind": ["a", "b"],
            "tags": ['["甲"]', None],
            "flag": [True, None],
        }

    def test_blanks_around_headings_go(self, tmp_path: Path) -> None:
        path = write_geojson(tmp_path / "a.geojson", [feature(None, **{" code ": 1})])
        assert read(path).columns == {"code": [1]}
        path = write(tmp_path / "a.gpkg", {" code　": [1]}, [polygon(SQUARE)])
        assert read(path).columns == {"code": [1]}

    @pytest.mark.parametrize("ending", [".gpkg", ".fgb", ".parquet", ".shp", ".geojson"])
    def test_rows_are_numbered_through_all_batches(self, tmp_path: Path, ending: str) -> None:
        path = tmp_path / f"a{ending}"
        numbers = list(range(1, 1001))
        if ending == ".geojson":
            square = {"type": "Polygon", "coordinates": [SQUARE]}
            write_geojson(path, [feature(square, n=n) for n in numbers])
        else:
            write(path, {"n": numbers}, [polygon(SQUARE)] * 1000)
        batches = list(read_batches(path, batch_size=300))
        assert [len(batch.rows) for batch in batches] == [300, 300, 300, 100]
        assert [row for batch in batches for row in batch.rows] == numbers
        assert [n for batch in batches for n in batch.columns["n"]] == numbers

    @pytest.mark.parametrize("ending", [".gpkg", ".fgb", ".parquet", ".shp", ".zip"])
    def test_rows_are_counted_where_that_is_cheap(self, tmp_path: Path, ending: str) -> None:
        columns = {"名称": ["网格"] * 42}
        if ending == ".zip":
            write(tmp_path / "a.shp", columns, [polygon(SQUARE)] * 42, encoding="GB18030")
            zipped(tmp_path / "a.zip", tmp_path, "a", "a")
        else:
            write(tmp_path / f"a{ending}", columns, [polygon(SQUARE)] * 42)
        assert count_rows(tmp_path / f"a{ending}") == 42

    def test_rows_are_not_counted_where_the_file_would_have_to_be_read(
        self, tmp_path: Path
    ) -> None:
        assert count_rows(write_geojson(tmp_path / "a.geojson", [])) is None


class TestBrokenGeometry:
    @pytest.mark.parametrize("ending", [".gpkg", ".fgb", ".parquet"])
    def test_it_passes_untouched(self, tmp_path: Path, ending: str) -> None:
        path = write(tmp_path / f"a{ending}", {"n": list(BROKEN)}, list(BROKEN.values()))
        found = read(path)
        assert found.columns["n"] == list(BROKEN)
        assert raw(found) == list(BROKEN.values())

    def test_it_passes_untouched_from_geojson(self, tmp_path: Path) -> None:
        features = []
        for name, wkb in BROKEN.items():
            rings, position = [], 9
            for _ in range(struct.unpack_from("<I", wkb, 5)[0]):
                (count,) = struct.unpack_from("<I", wkb, position)
                ring = np.frombuffer(wkb, "<f8", 2 * count, position + 4).reshape(-1, 2).tolist()
                position += 4 + 16 * count
                rings.append(ring)
            features.append(feature({"type": "Polygon", "coordinates": rings}, n=name))
        path = write_geojson(tmp_path / "a.geojson", features)
        assert "NaN" in path.read_text()
        found = read(path)
        assert found.columns["n"] == list(BROKEN)
        assert raw(found) == list(BROKEN.values())

    def test_an_unclosed_ring_is_still_unclosed_in_a_shapefile_and_in_kml(
        self, tmp_path: Path
    ) -> None:
        path = write(tmp_path / "a.shp", {"n": [1, 2]}, [polygon(SQUARE), polygon(UNCLOSED)])
        clockwise = [UNCLOSED[-1], *UNCLOSED[-2::-1]]
        assert raw(read(path))[1] in (polygon(UNCLOSED), polygon(clockwise))
        placemarks = [placemark(ring, name="a", code="1") for ring in (SQUARE, UNCLOSED)]
        (tmp_path / "a.kml").write_text(kml(*placemarks))
        assert raw(read(tmp_path / "a.kml")) == [polygon(SQUARE), polygon(UNCLOSED)]

    @pytest.mark.parametrize("ending", [".gpkg", ".parquet", ".shp", ".geojson"])
    def test_none_is_none_in_its_own_row(self, tmp_path: Path, ending: str) -> None:
        path = tmp_path / f"a{ending}"
        if ending == ".geojson":
            square = {"type": "Polygon", "coordinates": [SQUARE]}
            write_geojson(path, [feature(square, n=1), {"type": "Feature"}, feature(square, n=3)])
        else:
            write(path, {"n": [1, None, 3]}, [polygon(SQUARE), None, polygon(SQUARE)])
        found = read(path)
        assert found.columns == {"n": [1, None, 3]}
        assert [wkb is None for wkb in raw(found)] == [False, True, False]

    @pytest.mark.parametrize(
        "geometry",
        [
            {"type": "Circle", "coordinates": [130, 47]},
            {"type": "Point", "coordinates": [130]},
            {"type": "Point", "coordinates": ["130.3", "47.3"]},
            {"type": "Point", "coordinates": [None, 47]},
            {"type": "Point", "coordinates": {"lon": 130, "lat": 47}},
            {"type": "Point"},
            {"type": "Polygon", "coordinates": SQUARE},
            {"type": "Polygon", "coordinates": "POLYGON"},
            {"type": "Polygon", "coordinates": [[{"x": 1, "y": 2}]]},
            {"type": "Point", "coordinates": [10**400, 1]},
            {"type": ["Point"], "coordinates": [1, 2]},
            {"coordinates": [1, 2]},
            "POINT (130 47)",
            [130, 47],
            7,
        ],
    )
    def test_what_is_no_geometry_is_told_from_nothing_and_harms_no_neighbour(
        self, tmp_path: Path, geometry: Any
    ) -> None:
        square = {"type": "Polygon", "coordinates": [SQUARE]}
        path = write_geojson(
            tmp_path / "a.geojson", [feature(square), feature(geometry, n=2), feature(square)]
        )
        found = read(path)
        assert raw(found) == [polygon(SQUARE), b"", polygon(SQUARE)]
        assert found.rows == [1, 2, 3]

    def test_a_feature_that_is_none_keeps_its_number(self, tmp_path: Path) -> None:
        path = write_geojson(
            tmp_path / "a.geojson", [feature(None, n=1), None, 7, feature(None, n=4)]
        )
        found = read(path)
        assert found.columns == {"n": [1, None, None, 4]}
        assert found.rows == [1, 2, 3, 4]

    def test_projecting_reaches_the_vertices_of_broken_rings_too(self, tmp_path: Path) -> None:
        gauss = pyproj.Transformer.from_crs("EPSG:4490", "EPSG:4549", always_xy=True)
        metres = [gauss.transform(x, y) for x, y in UNCLOSED]
        wkb = polygon(metres)
        path = write(
            tmp_path / "a.parquet", {"n": [1, 2]}, [wkb, b"\x01\x03\x00\x00\x00\x09"], "EPSG:4549"
        )
        found = raw(read(path))
        assert found[0] is not None
        assert len(found[0]) == len(wkb)
        turned = np.frombuffer(found[0], "<f8", offset=13).reshape(-1, 2)
        assert np.abs(turned - np.array(UNCLOSED)).max() < 1e-9
        assert found[1] == b"\x01\x03\x00\x00\x00\x09"


class TestZippedShapefiles:
    @pytest.mark.parametrize("encoding", ["gbk", "utf-8"])
    @pytest.mark.parametrize("folder", ["", "数据/网格/"])
    def test_chinese_names_and_folders_inside_are_fine(
        self, tmp_path: Path, folder: str, encoding: str
    ) -> None:
        columns = {"名称": ["向阳区", "东山区"]}
        write(tmp_path / "a.shp", columns, [polygon(SQUARE)] * 2, encoding="GBK")
        path = zipped(tmp_path / "b.shp.zip", tmp_path, "a", f"{folder}向阳区网格", encoding)
        assert read(path).columns == columns
        assert read(path, layer="向阳区网格").columns == columns
        assert count_rows(path) == 2

    def test_upper_case_endings_and_the_shadows_of_macos_are_fine(self, tmp_path: Path) -> None:
        write(tmp_path / "a.shp", {"n": [1]}, [polygon(SQUARE)])
        with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
            for ending in ("shp", "shx", "dbf"):
                archive.write(tmp_path / f"a.{ending}", f"A.{ending.upper()}")
                archive.writestr(f"__MACOSX/._A.{ending.upper()}", b"shadow")
        assert read(tmp_path / "b.zip").columns == {"n": [1]}

    def test_several_are_layers_to_choose_from(self, tmp_path: Path) -> None:
        for name, value in (("grids", 1), ("buildings", 2)):
            write(tmp_path / f"{name}.shp", {"n": [value]}, [polygon(SQUARE)])
        with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
            for file in tmp_path.glob("*.*"):
                if file.suffix != ".zip":
                    archive.write(file, file.name)
        with pytest.raises(Invalid, match=r"several layers.*'buildings'|several layers.*'grids'"):
            read(tmp_path / "b.zip")
        with pytest.raises(Invalid, match="no layer 'streets'"):
            read(tmp_path / "b.zip", layer="streets")
        assert read(tmp_path / "b.zip", layer="buildings").columns == {"n": [2]}

    def test_an_archive_without_one_or_with_half_of_one_is_refused(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("readme.txt", "hello")
        with pytest.raises(Invalid, match=r"no Shapefile.*readme.txt"):
            read(tmp_path / "a.zip")
        write(tmp_path / "a.shp", {"n": [1]}, [polygon(SQUARE)])
        with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
            archive.write(tmp_path / "a.shp", "a.shp")
        with pytest.raises(Invalid, match=r"lacks its .shx and .dbf"):
            read(tmp_path / "b.zip")
        (tmp_path / "a.dbf").unlink()
        with pytest.raises(Invalid, match=r"lacks its .dbf"):
            read(tmp_path / "a.shp")

    def test_nothing_is_left_of_what_was_unpacked(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(tmp_path / "a.shp", {"n": list(range(50))}, [polygon(SQUARE)] * 50)
        path = zipped(tmp_path / "b.zip", tmp_path, "a", "a")
        (tmp_path / "temporary").mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
        batches = read_batches(path, batch_size=10)
        next(batches)
        assert list((tmp_path / "temporary").iterdir()) != []
        batches.close()  # type: ignore[attr-defined]
        assert list((tmp_path / "temporary").iterdir()) == []


class TestFilesThatAreRefused:
    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(Invalid, match=r"no file .*grids.geojson"):
            read(tmp_path / "grids.geojson")
        with pytest.raises(Invalid, match=r"no file .*grids.gpkg"):
            count_rows(tmp_path / "grids.gpkg")

    def test_a_folder(self, tmp_path: Path) -> None:
        (tmp_path / "a.gpkg").mkdir()
        with pytest.raises(Invalid, match="is a folder"):
            read(tmp_path / "a.gpkg")

    @pytest.mark.parametrize("name", ["a.dwg", "a", "a.xls"])
    def test_an_unknown_ending(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_text("x")
        with pytest.raises(Invalid, match=r"says no format.*\.geojson"):
            read(tmp_path / name)

    @pytest.mark.parametrize(
        "ending", ["geojson", "gpkg", "fgb", "kml", "kmz", "shp", "zip", "parquet", "csv", "xlsx"]
    )
    def test_an_empty_file(self, tmp_path: Path, ending: str) -> None:
        (tmp_path / f"a.{ending}").touch()
        with pytest.raises(Invalid, match=rf"a.{ending} is empty"):
            read(tmp_path / f"a.{ending}")

    @pytest.mark.parametrize("ending", [".gpkg", ".fgb", ".parquet", ".zip", ".shp"])
    @pytest.mark.parametrize("part", [0.1, 0.6, 0.999])
    def test_a_file_that_breaks_off(self, tmp_path: Path, ending: str, part: float) -> None:
        write(tmp_path / "a.shp", {"n": [1] * 2000}, [polygon(SQUARE)] * 2000)
        if ending == ".zip":
            path = zipped(tmp_path / "a.zip", tmp_path, "a", "a")
        elif ending == ".shp":
            path = tmp_path / "a.shp"
        else:
            path = write(tmp_path / f"a{ending}", {"n": [1] * 2000}, [polygon(SQUARE)] * 2000)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * part)])
        with pytest.raises(Invalid, match=rf"a{ending} (cannot be read|is not complete)"):
            read(path)

    def test_a_flatgeobuf_of_which_only_the_index_is_left(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.fgb", {"n": [1] * 9}, [polygon(SQUARE)] * 9)
        content = path.read_bytes()
        first = content.index(struct.pack("<d", 130.0), len(content) // 9)
        for length in range(first - 400, first, 7):
            path.write_bytes(content[:length])
            with pytest.raises(Invalid):
                read(path)

    @pytest.mark.parametrize(
        "ending", [".gpkg", ".fgb", ".kml", ".zip", ".parquet", ".xlsx", ".kmz"]
    )
    def test_a_file_that_is_not_what_its_ending_says(self, tmp_path: Path, ending: str) -> None:
        path = write_geojson(tmp_path / "a.geojson", [feature(None)])
        with pytest.raises(Invalid, match=rf"a{ending} (cannot be read as|is not what)"):
            read(path.rename(tmp_path / f"a{ending}"))

    def test_a_geopackage_that_is_named_flatgeobuf(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.gpkg", {"n": [1]}, [polygon(SQUARE)])
        with pytest.raises(Invalid, match=r"a.fgb is not what its ending says but GPKG"):
            read(path.rename(tmp_path / "a.fgb"))

    def test_several_layers_must_be_chosen_from(self, tmp_path: Path) -> None:
        path = tmp_path / "a.gpkg"
        write(path, {"n": [1]}, [polygon(SQUARE)], layer="grids")
        write(path, {"n": [2, 3]}, [polygon(SQUARE)] * 2, layer="楼房", append=True)
        with pytest.raises(Invalid, match=r"several layers: 'grids', '楼房'"):
            read(path)
        with pytest.raises(Invalid, match=r"no layer 'streets'; it has 'grids', '楼房'"):
            read(path, layer="streets")
        assert read(path, layer="楼房").columns == {"n": [2, 3]}
        assert count_rows(path, "楼房") == 2

    @pytest.mark.parametrize("ending", [".geojson", ".csv", ".parquet"])
    def test_a_layer_where_there_are_none(self, tmp_path: Path, ending: str) -> None:
        (tmp_path / f"a{ending}").write_text("{}")
        with pytest.raises(Invalid, match="no layers to choose 'grids' from"):
            read(tmp_path / f"a{ending}", layer="grids")

    def test_geoparquet_in_another_encoding_or_with_wrong_metadata(self, tmp_path: Path) -> None:
        table = pa.table({"geometry": pa.array([polygon(SQUARE)])})
        column = {"encoding": "point", "geometry_types": []}
        for metadata, said in (
            ({"primary_column": "geometry", "columns": {"geometry": column}}, "as 'point'"),
            ({"primary_column": "geometry", "columns": {}}, "cannot be understood"),
            ({"primary_column": "g", "columns": {"g": {"encoding": "WKB"}}}, "no column 'g'"),
        ):
            written = table.replace_schema_metadata({"geo": json.dumps(metadata)})
            pq.write_table(written, tmp_path / "a.parquet")
            with pytest.raises(Invalid, match=said):
                read(tmp_path / "a.parquet")


@pytest.mark.parametrize("ending", [".geojson", ".csv", ".gpkg", ".fgb"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, ending: str) -> None:
    # 1. Two files, one thirty times the other, of polygons with 100 vertices.
    angles = np.linspace(0, 2 * math.pi, 100)
    ring = np.column_stack((130 + np.cos(angles) / 7, 47 + np.sin(angles) / 7))
    shape = shapely.Polygon(ring)
    sizes = {}
    for name, count in (("small", 500), ("large", 15_000)):
        path = tmp_path / f"{name}{ending}"
        if ending == ".geojson":
            one = json.dumps(feature(json.loads(shapely.to_geojson(shape)), code="007"))
            path.write_text('{"type":"FeatureCollection","features":[' + ",\n".join([one] * count) + "]}")  # fmt: skip  # noqa: E501
        elif ending == ".csv":
            path.write_text("code,boundary\n" + f'007,"{shape.wkt}"\n' * count)
        else:
            write(path, {"code": ["007"] * count}, [shapely.to_wkb(shape)] * count)
        sizes[name] = path.stat().st_size
    # 2. A process of its own reads the small one, then the large one, and says how it grew.
    program = """
import resource, sys
from pathlib import Path
from gridmap.geo.files import read_batches
peaks = []
for path in sys.argv[1:]:
    rows = sum(len(batch.rows) for batch in read_batches(Path(path), batch_size=250))
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
print(rows, peaks[1] - peaks[0])
"""
    files = [str(tmp_path / f"{name}{ending}") for name in sizes]
    done = subprocess.run(
        [sys.executable, "-c", program, *files], capture_output=True, text=True, check=True
    )
    rows, growth = map(int, done.stdout.split())
    # 3. All rows came, and the growth is a fraction of the file.
    assert rows == 15_000
    assert growth < sizes["large"] / 3
