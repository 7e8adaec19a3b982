"""Writing rows to GeoJSON, GeoPackage or CSV so that reading them again gives the same, to the bit.

A file appears whole or not at all: it is made in a hidden folder beside its place and then moved
there. Rows are written as they come; memory stays at one batch.
"""

from __future__ import annotations

import csv
import math
import os
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyogrio
import shapely
from numpy.typing import NDArray

from gridmap.errors import Invalid
from gridmap.geo.checks import GeometryKind

__all__ = ["ENDINGS", "ColumnType", "Features", "write_features"]

# What a file's name may end in.
ENDINGS = (".geojson", ".gpkg", ".csv")

ColumnType = type[str] | type[int] | type[float] | type[date]


@dataclass(frozen=True, slots=True)
class Features:
    """Some rows to write, as columns of one length.

    `columns`: heading → values, each of its column's type or None. `geometries`: object (n,) of
    shapely geometries or None, longitude then latitude in degrees; None as a whole in a table.
    """

    columns: Mapping[str, Sequence[object]]
    geometries: NDArray[np.object_] | None


def write_features(
    path: Path,
    batches: Iterable[Features],
    *,
    columns: Mapping[str, ColumnType],
    geometry: GeometryKind | None,
    is_private: bool = False,
) -> int:
    """Write batches to a file whose ending says the format; returns the number of rows.

    `columns`: what every batch holds, in the order to be written; str, int, float or date.
    `geometry`: points, polygons (simple or multiple, mixed as may be), or None for a table.
    `is_private`: nobody but the file's owner may read it, at any time.

    GeoJSON (.geojson) follows RFC 7946, a feature a line; exterior rings are turned
    counter-clockwise, as it asks, which changes the order of a polygon's vertices but not one
    coordinate. GeoPackage (.gpkg) has one layer named after the file, in EPSG:4326, with polygons
    as multipolygons of one; a value (not a coordinate) of -0.0 becomes 0.0 there. CSV (.csv) is
    UTF-8 with a byte-order mark, for Excel's sake; a point is in the columns `longitude` and
    `latitude`, a polygon is WKT in the column `boundary`; an empty string cannot be told from None
    there, and a row of nothing but None is passed over when read. Heights are dropped.

    A file that was there is replaced. Raises Invalid when the ending or a heading cannot be used,
    a value is not of its column's type or not finite, or a geometry is of another kind; then, and
    whatever else `batches` raises, nothing is left behind and what was there stays.
    """
    path = Path(path).absolute()
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise Invalid(
            f"{path.name} ends in {ending or 'nothing'}; what can be written ends in "
            f"{', '.join(ENDINGS)}."
        )
    if not path.parent.is_dir():
        raise Invalid(f"There is no folder {path.parent}. Make it first.")
    for name, kind in columns.items():
        if kind not in _ARROW_TYPES:
            raise ValueError(f"column {name!r} is of {kind!r}, not of str, int, float or date")
        if name.lower() in _RESERVED[ending] or not name:
            raise Invalid(f"A column of a {ending} file cannot be named {name!r}. Rename it.")
    layer = _Layer(path.stem, dict(columns), geometry)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}-") as folder:
        unfinished = Path(folder) / path.name
        count = _WRITERS[ending](unfinished, layer, _checked(batches, layer))
        if is_private:
            unfinished.chmod(0o600)  # before it leaves the folder, which is the owner's alone
        os.replace(unfinished, path)
    return count


_RESERVED = {
    ".geojson": frozenset[str](),
    ".gpkg": frozenset(["fid", "geom"]),
    ".csv": frozenset(["longitude", "latitude", "boundary"]),
}
_ARROW_TYPES = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    date: pa.date32(),
}
_POLYGONAL = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)


@dataclass(frozen=True, slots=True)
class _Layer:
    name: str
    columns: dict[str, ColumnType]
    geometry: GeometryKind | None


def _checked(batches: Iterable[Features], layer: _Layer) -> Iterator[Features]:
    """The batches with their columns in order, their geometry flat, and nothing wrong in them."""
    for batch in batches:
        columns: dict[str, Sequence[object]] = {}
        for name, kind in layer.columns.items():
            columns[name] = _checked_values(name, kind, batch.columns[name])
        lengths = {len(values) for values in columns.values()}
        if batch.geometries is not None:
            lengths.add(len(batch.geometries))
        if len(lengths) > 1 or (batch.geometries is None) is not (layer.geometry is None):
            raise ValueError("a batch's columns and geometries must be of one length")
        if layer.geometry is None or batch.geometries is None:
            yield Features(columns, None)
        else:
            yield Features(columns, _checked_geometries(layer.geometry, batch.geometries))


def _checked_values(name: str, kind: ColumnType, values: Sequence[object]) -> Sequence[object]:
    accepted: tuple[type, ...] = (int, float) if kind is float else (kind,)
    refused: tuple[type, ...] = (datetime,) if kind is date else (bool,)
    for found in set(map(type, values)) - {type(None)}:
        if not issubclass(found, accepted) or issubclass(found, refused):
            value = next(value for value in values if type(value) is found)
            raise Invalid(f"Column {name!r} is to hold {kind.__name__}; {value!r} is none.")
    if kind is float:
        for value in values:
            if value is not None and not math.isfinite(value):  # type: ignore[arg-type]
                raise Invalid(f"Column {name!r} holds {value!r}, which no file can. Use None.")
        return [None if value is None else float(value) for value in values]  # type: ignore[arg-type]
    return values


def _checked_geometries(kind: GeometryKind, geometries: NDArray[np.object_]) -> NDArray[np.object_]:
    found = shapely.get_type_id(geometries)
    allowed = _POLYGONAL if kind is GeometryKind.POLYGON else (shapely.GeometryType.POINT,)
    wrong = ~np.isin(found, (shapely.GeometryType.MISSING, *allowed))
    if wrong.any():
        other = shapely.GeometryType(found[wrong][0]).name.lower()
        raise Invalid(f"A layer of {kind} geometries cannot hold a {other}.")
    flat: NDArray[np.object_] = shapely.force_2d(geometries)
    if not np.isfinite(shapely.get_coordinates(flat)).all():
        raise Invalid("A geometry has a coordinate that is not finite. Mend it first.")
    return flat


def _write_geojson(path: Path, layer: _Layer, batches: Iterator[Features]) -> int:
    count = 0
    with path.open("wb") as file:
        file.write(b'{"type":"FeatureCollection","features":[')
        for batch in batches:
            names = tuple(layer.columns)
            rows = zip(*batch.columns.values(), strict=True) if names else None
            geometries = _geojson_geometries(batch)
            for i, found in enumerate(geometries):
                properties = dict(zip(names, next(rows), strict=True)) if rows else {}
                feature = {"type": "Feature", "properties": properties, "geometry": found}
                file.write(b",\n" if count + i else b"\n")
                file.write(orjson.dumps(feature, option=orjson.OPT_SERIALIZE_NUMPY))
            count += len(geometries)
        file.write(b"\n]}\n")
    return count


def _geojson_geometries(batch: Features) -> list[dict[str, Any] | None]:
    if batch.geometries is None:
        return [None] * _length(batch)
    turned = shapely.orient_polygons(batch.geometries, exterior_cw=False)
    found: list[dict[str, Any] | None] = []
    for kind, coordinates in _coordinates(turned):
        found.append(None if kind is None else {"type": kind, "coordinates": coordinates})
    return found


def _write_csv(path: Path, layer: _Layer, batches: Iterator[Features]) -> int:
    count = 0
    heading = list(layer.columns)
    if layer.geometry is GeometryKind.POINT:
        heading += ["longitude", "latitude"]
    elif layer.geometry is GeometryKind.POLYGON:
        heading.append("boundary")
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(heading)
        for batch in batches:
            columns = list(batch.columns.values())
            if batch.geometries is not None and layer.geometry is GeometryKind.POINT:
                positions = [
                    (None, None) if kind is None or not len(position) else position.tolist()
                    for kind, position in _coordinates(batch.geometries)
                ]
                columns += [[p[0] for p in positions], [p[1] for p in positions]]
            elif batch.geometries is not None:
                columns.append([_wkt(*found) for found in _coordinates(batch.geometries)])
            writer.writerows(zip(*columns, strict=True))
            count += _length(batch)
    return count


def _write_geopackage(path: Path, layer: _Layer, batches: Iterator[Features]) -> int:
    count = 0
    failure: BaseException | None = None
    fields = [(name, _ARROW_TYPES[kind]) for name, kind in layer.columns.items()]
    if layer.geometry is not None:
        fields.append(("geom", pa.binary()))
    schema = pa.schema(fields)

    def tables() -> Iterator[pa.RecordBatch]:
        nonlocal count, failure
        try:
            for batch in batches:
                arrays = [
                    pa.array(values, type=_ARROW_TYPES[layer.columns[name]])
                    for name, values in batch.columns.items()
                ]
                if batch.geometries is not None:
                    wkb = shapely.to_wkb(_multiple(batch.geometries), byte_order=1)
                    arrays.append(pa.array(wkb, type=pa.binary()))
                count += _length(batch)
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        except BaseException as error:
            # Arrow's C stream would hand on no more than its text.
            failure = error
            raise

    kinds = {GeometryKind.POINT: "Point", GeometryKind.POLYGON: "MultiPolygon"}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            pyogrio.write_arrow(
                pa.RecordBatchReader.from_batches(schema, tables()),
                path,
                driver="GPKG",
                layer=layer.name,
                geometry_name=None if layer.geometry is None else "geom",
                geometry_type=None if layer.geometry is None else kinds[layer.geometry],
                crs="EPSG:4326",
            )
    except (RuntimeError, pa.ArrowException, OSError) as error:
        if failure is not None:
            raise failure from None
        raise Invalid(f"{path.name} cannot be written: {error}.") from error
    return count


_WRITERS: dict[str, Callable[[Path, _Layer, Iterator[Features]], int]] = {
    ".geojson": _write_geojson,
    ".gpkg": _write_geopackage,
    ".csv": _write_csv,
}


def _length(batch: Features) -> int:
    if batch.geometries is not None:
        return len(batch.geometries)
    return len(next(iter(batch.columns.values()), ()))


def _multiple(geometries: NDArray[np.object_]) -> NDArray[np.object_]:
    """The same with polygons as multipolygons of one, since a GeoPackage layer has one type."""
    single = shapely.get_type_id(geometries) == shapely.GeometryType.POLYGON
    result = geometries.copy()
    result[single] = shapely.multipolygons(geometries[single], indices=np.arange(single.sum()))
    return result


def _coordinates(geometries: NDArray[np.object_]) -> Iterator[tuple[str | None, Any]]:
    """Each geometry's GeoJSON type and coordinates, down to arrays (2,) or (n, 2) of float64."""
    parts, owners = shapely.get_parts(geometries, return_index=True)
    rings, ring_owners = shapely.get_rings(parts, return_index=True)
    is_point = shapely.get_type_id(parts) == shapely.GeometryType.POINT
    lines = np.array_split(
        shapely.get_coordinates(rings), np.cumsum(shapely.get_num_coordinates(rings))[:-1]
    )
    points = iter(shapely.get_coordinates(parts[is_point]))
    polygons: list[list[Any]] = [[] for _ in parts]
    for line, owner in zip(lines, ring_owners.tolist(), strict=False):
        if len(line):
            polygons[owner].append(line)
    members: list[list[Any]] = [[] for _ in geometries]
    for polygon, owner in zip(polygons, owners.tolist(), strict=True):
        members[owner].append(polygon)
    for geometry, held in zip(geometries, members, strict=True):
        if geometry is None:
            yield None, None
        elif geometry.geom_type == "Point":
            yield "Point", ([] if geometry.is_empty else next(points))
        elif geometry.geom_type == "Polygon":
            yield "Polygon", (held[0] if held else [])
        else:
            yield "MultiPolygon", [polygon for polygon in held if polygon]


def _wkt(kind: str | None, coordinates: Any) -> str | None:
    """WKT with the shortest digits that give the same numbers; GEOS drops digits of small ones."""
    if kind is None:
        return None
    if not len(coordinates):
        return f"{kind.upper()} EMPTY"
    text = orjson.dumps(coordinates, option=orjson.OPT_SERIALIZE_NUMPY).decode()
    # [[[1,2],[3,4]],[[5,6],[7,8]]] becomes ((1 2, 3 4), (5 6, 7 8)): vertices lose their brackets.
    for found, written in (("],[", ";"), (",", " "), (";", ", "), ("[", "("), ("]", ")")):
        text = text.replace(found, written)
    return f"{kind.upper()} {text[1:-1]}"
