"""Files as other programs write them, for the tests of reading, and a look at what was read."""

import json
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pyproj
import shapely
from numpy.typing import NDArray

from gridmap.geo.files import Batch, read_batches

Position = tuple[float, ...]


SQUARE: list[Position] = [(130.0, 47.0), (131.0, 47.0), (131.0, 48.0), (130.0, 48.0), (130.0, 47.0)]


UNCLOSED = SQUARE[:-1]


DRIVERS = {".gpkg": "GPKG", ".fgb": "FlatGeobuf", ".shp": "ESRI Shapefile", ".kml": "LIBKML"}


def polygon(*rings: Sequence[Position]) -> bytes:
    """WKB of any rings at all, written by hand: shapely would refuse the broken ones."""
    width = len(rings[0][0]) if rings and rings[0] else 2
    wkb = struct.pack("<BII", 1, 3 if width == 2 else 1003, len(rings))
    for ring in rings:
        wkb += struct.pack("<I", len(ring))
        wkb += b"".join(struct.pack(f"<{width}d", *position) for position in ring)
    return wkb


def write(
    path: Path,
    columns: dict[str, list[Any]],
    wkb: list[bytes | None],
    crs: str | None = "EPSG:4326",
    **options: Any,
) -> Path:
    """A file as GDAL (or for Parquet, Arrow) writes it."""
    geometry = pa.array(wkb, pa.binary())
    table = pa.table({**columns, "geometry": geometry})
    if path.suffix in (".parquet", ".geoparquet"):
        described: dict[str, Any] = {"encoding": "WKB", "geometry_types": []}
        if crs is not None:
            described["crs"] = pyproj.CRS(crs).to_json_dict()
        geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": described}}
        pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), path, **options)
        return path
    if path.suffix == ".fgb":
        options.setdefault("SPATIAL_INDEX", "NO")
    pyogrio.write_arrow(
        table,
        path,
        driver=DRIVERS[path.suffix],
        geometry_name="geometry",
        geometry_type="Unknown" if path.suffix in (".kml", ".gpkg") else "Polygon",
        crs=crs,
        **options,
    )
    return path


def cut_headings(path: Path, headings: Sequence[str], encoding: str, cpg: str | None) -> Path:
    """The Shapefile with these headings as many programs write them: cut at ten bytes, wherever."""
    with path.with_suffix(".dbf").open("r+b") as table:
        for i, heading in enumerate(headings):
            table.seek(32 * (i + 1))
            table.write(heading.encode(encoding)[:10].ljust(11, b"\0"))
    path.with_suffix(".cpg").unlink(missing_ok=True)
    if cpg is not None:
        path.with_suffix(".cpg").write_text(cpg)
    return path


def write_geojson(path: Path, features: list[Any], **members: Any) -> Path:
    document = {"type": "FeatureCollection", **members, "features": features}
    path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return path


def feature(geometry: Any, /, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def placemark(ring: list[Position], *, name: str, code: str) -> str:
    coordinates = " ".join(",".join(map(str, position)) for position in ring)
    return (
        f"<Placemark><name>{name}</name><ExtendedData><SchemaData schemaUrl='#s'>"
        f"<SimpleData name='code'>{code}</SimpleData></SchemaData></ExtendedData>"
        "<Polygon><outerBoundaryIs><LinearRing>"
        f"<coordinates>{coordinates}</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark>"
    )


def kml(*placemarks: str, declared: str | None = "UTF-8") -> str:
    declaration = "" if declared is None else f'<?xml version="1.0" encoding="{declared}"?>\n'
    return (
        f'{declaration}<kml xmlns="http://www.opengis.net/kml/2.2"><Document>'
        "<Schema name='s' id='s'><SimpleField name='code' type='string'/></Schema>"
        f"<Folder><name>网格</name>{''.join(placemarks)}</Folder></Document></kml>"
    )


def zipped(path: Path, folder: Path, stem: str, inside: str, encoding: str = "utf-8") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for ending in (".shp", ".shx", ".dbf", ".prj"):
            name = f"{inside}{ending}"
            member = _NamedInBytes(name) if encoding == "gbk" else zipfile.ZipInfo(name)
            archive.writestr(member, (folder / f"{stem}{ending}").read_bytes())
    return path


class _NamedInBytes(zipfile.ZipInfo):
    """A member whose name is written in the encoding of Chinese Windows, without saying so."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802
        return self.filename.encode("gbk"), self.flag_bits & ~0x800


def read(path: Path, **options: Any) -> Batch:
    """All of a file as one batch."""
    batches = list(read_batches(path, **options))
    names = list(dict.fromkeys(name for batch in batches for name in batch.columns))
    columns: dict[str, list[object]] = {name: [] for name in names}
    for batch in batches:
        for name in names:
            columns[name] += batch.columns.get(name, [None] * len(batch.rows))
    geometries = [batch.geometries for batch in batches if batch.geometries is not None]
    return Batch(
        [row for batch in batches for row in batch.rows],
        columns,
        np.concatenate(geometries) if geometries else None,
    )


def shapes(batch: Batch) -> NDArray[np.object_]:
    assert batch.geometries is not None
    return np.asarray(shapely.from_wkb(batch.geometries), dtype=np.object_)


def raw(batch: Batch) -> list[bytes | None]:
    assert batch.geometries is not None
    return list(batch.geometries)
