"""GeoJSON: cut where it may be cut, read as GDAL reads it, and its mistakes named by line."""

import json
import struct
from pathlib import Path
from typing import Any

import pyogrio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridmap.errors import Invalid
from gridmap.geo import geojson
from tests.geo.gisfiles import (
    feature,
    raw,
    read,
    write_geojson,
)

NAMES = st.text(max_size=5).filter(lambda name: name.strip("\ufeff \t\r\n\u3000") == name)


TEXTS = st.sampled_from(['},{"', "]}", '"', "\\", "},{", "网格", '\\"},', "[", ""]) | st.text(
    max_size=8
)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=6,
)


NUMBERS = st.floats(-1e6, 1e6)


class TestGeoJSONText:
    @settings(max_examples=100)
    @given(
        features=st.lists(
            st.builds(
                lambda properties, position: {
                    **feature({"type": "Point", "coordinates": position}),
                    "properties": properties,
                },
                st.dictionaries(NAMES, VALUES, max_size=3),
                st.tuples(NUMBERS, NUMBERS),
            )
            | st.none(),
            max_size=12,
        ),
        indent=st.sampled_from([None, 0, 2]),
        chunk=st.integers(1, 200),
        after=st.booleans(),
    )
    def test_it_is_cut_between_features_wherever_it_is_read(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        features: list[Any],
        indent: int | None,
        chunk: int,
        after: bool,
    ) -> None:
        document = {"type": "FeatureCollection", "name": '"features":[', "features": features}
        if after:
            document |= {"more": [{"features": [{}]}, {}], "bbox": [1, 2, 3, 4]}
        path = tmp_path_factory.mktemp("cut") / "a.geojson"
        text = json.dumps(document, indent=indent, ensure_ascii=False)
        path.write_text(text, encoding="utf-8", newline="")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(geojson, "_CHUNK", chunk)
            found = read(path, batch_size=5)
        expected = json.loads(text)["features"]
        assert found.rows == list(range(1, len(expected) + 1))
        for i, held in enumerate(expected):
            for name, value in (held or {"properties": {}})["properties"].items():
                given = found.columns[name][i]
                assert (
                    json.loads(str(given)) if isinstance(value, dict | list) else given
                ) == value
            if held is not None:
                wkb = struct.pack("<BI2d", 1, 1, *held["geometry"]["coordinates"])
                assert raw(found)[i] == wkb

    @settings(max_examples=40)
    @given(st.data())
    def test_every_kind_of_geometry_is_as_gdal_reads_it(
        self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
    ) -> None:
        positions = st.tuples(NUMBERS, NUMBERS)
        lines = st.lists(positions, min_size=2, max_size=5)
        rings = lines.map(lambda line: [*line, line[0], line[0]])
        polygons = st.lists(rings, min_size=1, max_size=3)
        kinds: dict[str, st.SearchStrategy[Any]] = {
            "Point": positions,
            "LineString": lines,
            "Polygon": polygons,
            "MultiPoint": lines,
            "MultiLineString": st.lists(lines, min_size=1, max_size=3),
            "MultiPolygon": st.lists(polygons, min_size=1, max_size=3),
        }
        simple = st.one_of(
            [
                st.fixed_dictionaries({"type": st.just(kind), "coordinates": held})
                for kind, held in kinds.items()
            ]
        )
        collections = st.fixed_dictionaries(
            {
                "type": st.just("GeometryCollection"),
                "geometries": st.lists(simple, min_size=1, max_size=3),
            }
        )
        geometries = data.draw(st.lists(simple | collections, min_size=1, max_size=6))
        path = write_geojson(
            tmp_path_factory.mktemp("kinds") / "a.geojson", [feature(g) for g in geometries]
        )
        _, _, expected, _ = pyogrio.raw.read(path)
        assert raw(read(path)) == expected.tolist()

    def test_the_line_of_a_mistake_is_named(self, tmp_path: Path) -> None:
        line = json.dumps(feature({"type": "Point", "coordinates": [130, 47]}, n=1))
        good = '{"type":"FeatureCollection","features":[\n' + ",\n".join([line] * 5000)
        path = tmp_path / "a.geojson"
        path.write_text(good.replace('"n": 1', '"n" 1') + "\n]}")
        with pytest.raises(Invalid, match="line 2 on"):
            read(path)
        path.write_text(good + ',\n{"n" 1},\n' + ",\n".join([line] * 5000) + "\n]}")
        with pytest.raises(Invalid, match="line 5002 on"):
            read(path)
        path.write_text(good)
        with pytest.raises(Invalid, match=r"line 5001 on.*incomplete"):
            read(path)
        path.write_text(good + "\n]} and more")
        with pytest.raises(Invalid, match="line 5002 on"):
            read(path)

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ('{"type":"Topology","objects":{}}', "'Topology'"),
            ('{"type":"Topology","features":[{}]}', "'Topology'"),
            ('{"features":{}}', "no type"),
            ("[1, 2]", "no type"),
            ("code,name", "line 1"),
            ('{"type":"FeatureCollection","features":[{"properties":{"a":"\\ud800"}}]}', "half"),
            ('{"type":"FeatureCollection","crs":7,"features":[]}', "crs member"),
        ],
    )
    def test_what_is_not_geojson_is_refused(self, tmp_path: Path, text: str, said: str) -> None:
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(Invalid, match=said):
            read(tmp_path / "a.json")

    def test_two_properties_that_differ_by_blanks_are_refused(self, tmp_path: Path) -> None:
        path = write_geojson(tmp_path / "a.geojson", [feature(None, **{"code": 1, "code ": 2})])
        with pytest.raises(Invalid, match="two properties named 'code'"):
            read(path)
