"""Reading the files in which districts send their grids, buildings and streets, batch by batch.

One function for every format; a file's ending says which. What is wrong with a row is not judged
here: raw geometry comes through as it is, so that the checks can name the row. What is wrong with
a file as a whole is `Invalid`, with the reason.

Memory stays at about a batch, however long the file, but for three formats: XLSX and KML are
loaded whole by the libraries that read them, and so is each row group of a GeoParquet file.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, time
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyogrio
from pyogrio.raw import open_arrow

from gridmap.errors import Invalid
from gridmap.geo.batches import Batch
from gridmap.geo.geojson import read_geojson
from gridmap.geo.projections import flat_degrees, transformer_to_degrees
from gridmap.geo.sources import (
    DRIVERS,
    Source,
    chosen_layer,
    count_zipped,
    reading,
    source_of,
)
from gridmap.geo.tables import Recognised, read_csv, read_xlsx

__all__ = ["ENDINGS", "Batch", "count_rows", "read_batches"]

# What a file's name may end in. Tables (the last four) come without geometry.
ENDINGS = (
    ".geojson", ".json", ".gpkg", ".shp", ".zip", ".kml", ".kmz", ".fgb", ".parquet",
    ".geoparquet", ".csv", ".tsv", ".txt", ".xlsx",
)  # fmt: skip


def read_batches(
    path: Path,
    *,
    batch_size: int = 5000,
    layer: str | None = None,
    encoding: str | None = None,
    recognised: Recognised | None = None,
) -> Iterator[Batch]:
    """Rows of a file, `batch_size` at a time, in the file's order. See `Batch`.

    By the file's ending: GeoJSON (.geojson, .json), GeoPackage (.gpkg), Shapefile (.shp, or .zip
    with one inside), KML (.kml, .kmz), FlatGeobuf (.fgb), GeoParquet (.parquet, .geoparquet), and
    the tables CSV (.csv, .tsv, .txt) and XLSX (.xlsx).
    `layer`: which layer, or which sheet of an XLSX; needed where a file with geometry has several.
    `encoding`: of text in GeoJSON, KML, Shapefile and CSV; found out where not given.
    `recognised`: tells a table's headings from a title above them; see `gridmap.geo.tables`.
    Coordinates in a projected system become degrees of that system's own base; geographic ones are
    taken as they are. Heights and measures are dropped. NaN among a column's values is None.
    Raises Invalid, once iterated, if there is no such file or it cannot be read as what its ending
    says.
    """
    path = Path(path).absolute()
    ending = ending_of(path)
    if ending == ".xlsx":
        yield from read_xlsx(path, batch_size, layer, recognised)
    elif ending in (".geojson", ".json"):
        _refuse_layer(path, layer)
        yield from read_geojson(path, batch_size, encoding)
    elif ending in (".csv", ".tsv", ".txt"):
        _refuse_layer(path, layer)
        yield from read_csv(path, batch_size, encoding, recognised)
    elif ending in (".parquet", ".geoparquet"):
        _refuse_layer(path, layer)
        yield from _read_parquet(path, batch_size)
    else:
        with ExitStack() as stack:
            source = source_of(path, ending, layer, encoding, stack)
            yield from _read_gdal(source, batch_size)


def count_rows(path: Path, layer: str | None = None) -> int | None:
    """How many rows `read_batches` will yield, for a progress bar; None where that is not cheap.

    Cheap are GeoPackage, FlatGeobuf, GeoParquet and Shapefile. Raises as `read_batches` does.
    """
    path = Path(path).absolute()
    ending = ending_of(path)
    if ending in (".parquet", ".geoparquet"):
        _refuse_layer(path, layer)
        with reading(path.name, "GeoParquet"), pq.ParquetFile(path) as file:
            return int(file.metadata.num_rows)
    if ending == ".zip":
        return count_zipped(path, layer)
    if ending not in (".gpkg", ".fgb", ".shp"):
        return None
    source = Source(path, path.name, DRIVERS[ending], layer, None)
    layer = chosen_layer(source)
    with reading(source.name, source.driver):
        count = int(pyogrio.read_info(path, layer=layer, encoding=_ANY_ENCODING)["features"])
    return count if count >= 0 else None


def ending_of(path: Path) -> str:
    """The file's ending, once it is certain that there is a file and something in it.

    Raises Invalid where there is none, or none that can be read here by its ending.
    """
    ending = path.suffix.lower()
    if not path.exists():
        raise Invalid(f"There is no file {path}. Look at its name and its folder.")
    if path.is_dir():
        raise Invalid(f"{path} is a folder. Name one file in it.")
    if ending not in ENDINGS:
        hint = " Save it as .xlsx." if ending == ".xls" else ""
        raise Invalid(
            f"{path.name} ends in {ending or 'nothing'}, which says no format that can be read "
            f"here: {', '.join(ENDINGS)}.{hint}"
        )
    if path.stat().st_size == 0:
        raise Invalid(f"{path.name} is empty (0 bytes). Export it or copy it again.")
    return ending


# Every byte is a character of this one, so that headings need not be understood to count rows.
_ANY_ENCODING = "ISO-8859-1"

# How to draw a placemark, not what it is.
_KML_STYLE = frozenset(
    ["altitudeMode", "tessellate", "extrude", "visibility", "drawOrder", "icon", "snippet"]
)


def _refuse_layer(path: Path, layer: str | None) -> None:
    if layer is not None:
        raise Invalid(f"{path.name} has no layers to choose {layer!r} from. Leave the layer out.")


def _read_gdal(source: Source, batch_size: int) -> Iterator[Batch]:
    layer = chosen_layer(source)
    row = 0
    with ExitStack() as stack:
        with reading(source.name, source.driver):
            info = pyogrio.read_info(source.path, layer=layer, encoding=source.encoding)
            if info["driver"] != source.driver:
                raise Invalid(
                    f"{source.name} is not what its ending says but {info['driver']}. "
                    "Give it the ending of what it is."
                )
            meta, reader = stack.enter_context(
                open_arrow(
                    source.path,
                    layer=layer,
                    encoding=source.encoding,
                    batch_size=batch_size,
                    use_pyarrow=True,
                )
            )
        geometry_name = meta["geometry_name"] or "wkb_geometry"
        has_geometry = geometry_name in reader.schema.names
        transformer = transformer_to_degrees(_crs(source, meta["crs"]), source.name)
        while True:
            with reading(source.name, source.driver):
                table = next(reader, None)
                if table is None:
                    break
                geometries = table.column(geometry_name) if has_geometry else None
                columns = _columns(source, table, {geometry_name})
            yield _batch(row, table.num_rows, columns, geometries, transformer)
            row += table.num_rows
    # FlatGeobuf ends silently where its index does, should nothing come after it.
    if source.driver == "FlatGeobuf" and info["features"] > row:
        raise Invalid(
            f"{source.name} is not complete: of its {info['features']} features {row} are there. "
            "Export it or copy it again."
        )


def _crs(source: Source, crs: str | None) -> str | None:
    projection = source.path.with_suffix(".prj")
    if crs is None and source.driver == "ESRI Shapefile" and projection.exists():
        return projection.read_text(errors="replace").strip() or None
    return crs


def _read_parquet(path: Path, batch_size: int) -> Iterator[Batch]:
    with ExitStack() as stack:
        with reading(path.name, "GeoParquet"):
            # Without buffering ahead, memory stays at one row group.
            file = stack.enter_context(pq.ParquetFile(path, pre_buffer=False))
            metadata = (file.schema_arrow.metadata or {}).get(b"geo")
            batches = file.iter_batches(batch_size)
        geometry_name, others, crs = _geoparquet(path.name, metadata)
        transformer = transformer_to_degrees(crs, path.name)
        row = 0
        while True:
            with reading(path.name, "GeoParquet"):
                table = next(batches, None)
                if table is None:
                    break
                if geometry_name is not None and geometry_name not in table.schema.names:
                    raise Invalid(
                        f"{path.name} has no column {geometry_name!r}, which its metadata names as "
                        "the geometry. Export it again."
                    )
                geometries = table.column(geometry_name) if geometry_name is not None else None
                source = Source(path, path.name, "GeoParquet", None, None)
                columns = _columns(source, table, others)
            yield _batch(row, table.num_rows, columns, geometries, transformer)
            row += table.num_rows


def _geoparquet(name: str, metadata: bytes | None) -> tuple[str | None, set[str], str | None]:
    """Of GeoParquet's metadata: the geometry column, what is no plain column, and the CRS."""
    if metadata is None:
        return None, set(), None
    try:
        geo = orjson.loads(metadata)
        primary = str(geo["primary_column"])
        described = geo["columns"][primary]
        encoding = described["encoding"]
        others = set(geo["columns"])
        crs = described.get("crs")
        for corner in described.get("covering", {}).get("bbox", {}).values():
            others.add(corner[0])
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise Invalid(
            f"The GeoParquet metadata of {name} cannot be understood ({error!r}). Export it again."
        ) from error
    if encoding != "WKB":
        raise Invalid(
            f"{name} holds its geometry as {encoding!r}; only WKB can be read here. "
            "Export it with the WKB encoding."
        )
    return primary, others, None if crs is None else orjson.dumps(crs).decode()


def _batch(
    row: int, count: int, columns: dict[str, list[object]], geometries: Any, transformer: Any
) -> Batch:
    rows = list(range(row + 1, row + 1 + count))
    if geometries is None:
        return Batch(rows, columns, None)
    wkb = geometries.to_numpy(zero_copy_only=False)
    return Batch(rows, columns, flat_degrees(wkb, transformer))


def _columns(source: Source, table: pa.RecordBatch, without: set[str]) -> dict[str, list[object]]:
    columns: dict[str, list[object]] = {}
    for name, array in zip(table.schema.names, table.columns, strict=True):
        if name in without or (source.driver == "LIBKML" and name in _KML_STYLE):
            continue
        heading = source.headings.get(name, name).strip("\ufeff \t\r\n\u3000")
        if heading in columns and name not in source.headings:
            raise Invalid(
                f"{source.name} has two columns named {heading!r} but for blanks around them. "
                "Rename one."
            )
        values = _values(array)
        if source.driver == "FlatGeobuf" and pa.types.is_timestamp(array.type):
            # The format knows no dates; writers make them midnights.
            values = [_date_if_midnight(value) for value in values]
        if heading in columns:
            # KML may give a name to typed data of some placemarks and to untyped ones of others.
            beside = zip(columns[heading], values, strict=True)
            values = [other if value is None else value for value, other in beside]
        columns[heading] = values
    return columns


def _date_if_midnight(value: object) -> object:
    if isinstance(value, datetime) and value.time() == time():
        return value.date()
    return value


def _values(array: Any) -> list[object]:
    """A column's values as `Batch` has them."""
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    kind = array.type
    if pa.types.is_floating(kind):
        array = pc.if_else(pc.is_nan(array), None, array)
    elif pa.types.is_timestamp(kind) and kind.unit == "ns":
        # Python's datetime ends at microseconds.
        array = array.cast(pa.timestamp("us", kind.tz), safe=False)
    elif pa.types.is_decimal(kind):
        array = array.cast(pa.float64())
    values: list[object]
    try:
        values = array.to_pylist()
    except UnicodeDecodeError:
        # A dBASE field that was too short cuts UTF-8 inside a character: let go of what is left.
        decode = codecs.getincrementaldecoder("utf-8")
        raw = array.cast(pa.binary()).to_pylist()
        return [None if value is None else decode().decode(value) for value in raw]
    if pa.types.is_nested(kind):
        return [None if value is None else orjson.dumps(value).decode() for value in values]
    if pa.types.is_time(kind) or pa.types.is_duration(kind):
        return [None if value is None else str(value) for value in values]
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return [value.hex() if isinstance(value, bytes) else value for value in values]
    return values
