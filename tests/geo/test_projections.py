"""Coordinate systems: metres become degrees, degrees stay, and the rest is refused."""

import itertools
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pyproj
import pytest
import shapely

from gridmap.errors import Invalid
from tests.geo.gisfiles import (
    SQUARE,
    Position,
    feature,
    polygon,
    raw,
    read,
    shapes,
    write,
    write_geojson,
)


class TestCoordinateSystems:
    # Easting, northing without a zone number; with one; UTM; web Mercator; Beijing 1954.
    @pytest.mark.parametrize(
        "crs", ["EPSG:4549", "EPSG:4525", "EPSG:32652", "EPSG:3857", "EPSG:2436"]
    )
    @pytest.mark.parametrize("ending", [".gpkg", ".shp", ".fgb", ".parquet", ".geojson"])
    def test_projected_coordinates_become_degrees_longitude_first(
        self, tmp_path: Path, crs: str, ending: str
    ) -> None:
        system = pyproj.CRS(crs)
        to_metres = pyproj.Transformer.from_crs(system.geodetic_crs, system, always_xy=True)
        triangle = [(130.26, 47.31), (130.28, 47.33), (130.28, 47.31), (130.26, 47.31)]
        metres = [to_metres.transform(*position) for position in triangle]
        path = tmp_path / f"a{ending}"
        if ending == ".geojson":
            authority, code = crs.split(":")
            name = f"urn:ogc:def:crs:{authority}::{code}"
            write_geojson(
                path,
                [feature({"type": "Polygon", "coordinates": [metres]})],
                crs={"type": "name", "properties": {"name": name}},
            )
        else:
            write(path, {"n": [1]}, [polygon(metres)], crs)
        assert min(metres[0]) > 1000
        found = shapely.get_coordinates(shapes(read(path)))
        assert np.abs(found - np.array(triangle)).max() < 1e-8

    @pytest.mark.parametrize(
        ("ending", "crs"),
        [
            *itertools.product(
                [".gpkg", ".shp", ".parquet"], ["EPSG:4490", "EPSG:4326", "EPSG:4979", "EPSG:4214"]
            ),
            # A GeoPackage always names a system.
            (".shp", None),
            (".parquet", None),
        ],
    )
    def test_degrees_are_taken_as_they_are(
        self, tmp_path: Path, crs: str | None, ending: str
    ) -> None:
        triangle: list[Position] = [
            (130.26, 47.31),
            (130.28, 47.33),
            (130.28, 47.31),
            (130.26, 47.31),
        ]
        path = write(tmp_path / f"a{ending}", {"n": [1]}, [polygon(triangle)], crs or "EPSG:4326")
        if crs is None and ending == ".shp":
            path.with_suffix(".prj").unlink()
        elif crs is None:
            table = pq.read_table(path)
            geo = json.loads(table.schema.metadata[b"geo"])
            geo["columns"]["geometry"]["crs"] = None
            pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), path)
        assert raw(read(path)) == [polygon(triangle)]

    def test_an_empty_point_stays_empty_when_projected(self, tmp_path: Path) -> None:
        path = write_geojson(
            tmp_path / "a.geojson",
            [feature({"type": "Point", "coordinates": []})],
            crs={"type": "name", "properties": {"name": "EPSG:3857"}},
        )
        assert shapes(read(path))[0].is_empty

    @pytest.mark.parametrize(
        "crs", ["no such system", "EPSG:4807", "EPSG:4978", 'LOCAL_CS["site",UNIT["metre",1]]']
    )
    def test_a_system_that_cannot_be_used_is_refused(self, tmp_path: Path, crs: str) -> None:
        # Nonsense; grads from Paris; geocentric; a site of its own.
        path = write_geojson(
            tmp_path / "a.geojson",
            [feature({"type": "Point", "coordinates": [1, 2]})],
            crs={"type": "name", "properties": {"name": crs}},
        )
        with pytest.raises(Invalid, match=r"coordinate system of a.geojson.*EPSG:4490"):
            read(path)

    def test_a_shapefile_whose_prj_is_nonsense_is_refused(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.shp", {"n": [1]}, [polygon(SQUARE)])
        path.with_suffix(".prj").write_text("somewhere in Hegang")
        with pytest.raises(Invalid, match=r"somewhere in Hegang.*EPSG:4490"):
            read(path)

    def test_a_projected_system_named_after_the_features_is_refused(self, tmp_path: Path) -> None:
        point = feature({"type": "Point", "coordinates": [1, 2]})
        for name, is_refused in (("EPSG:4549", True), ("EPSG:4490", False)):
            document = {
                "type": "FeatureCollection",
                "features": [point],
                "crs": {"type": "name", "properties": {"name": name}},
            }
            path = tmp_path / "a.geojson"
            path.write_text(json.dumps(document))
            if is_refused:
                with pytest.raises(Invalid, match="after its features"):
                    read(path)
            else:
                assert shapes(read(path)).tolist() == [shapely.Point(1, 2)]
