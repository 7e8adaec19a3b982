"""Reading GeoJSON as a stream, with everything that is wrong in it still to be seen.

Not by GDAL, which reads it at half the speed and makes of a malformed geometry a null, of NaN an
empty point, of integer ids its own row numbers, and skips a null feature, so that the numbers of
the rows after it are wrong. Here the text is cut between features, each stretch is parsed by
orjson, and the coordinates of a stretch become WKB together.
"""

from __future__ import annotations

import codecs
import json
import re
import struct
from array import array
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import orjson
from numpy.typing import NDArray

from gridmap.errors import Invalid, TooLarge
from gridmap.geo.batches import Batch
from gridmap.geo.encodings import open_as_utf8, text_encoding
from gridmap.geo.projections import flat_degrees, transformer_to_degrees


def read_geojson(path: Path, batch_size: int, encoding: str | None) -> Iterator[Batch]:
    """Features of a FeatureCollection (or one Feature, or one geometry), in order.

    Values are as JSON has them, nested ones as JSON text; a date is a string. A feature's `id` is
    the column "id", unless its properties have one of that name. A `crs` member (of the older
    GeoJSON) is obeyed. Raises Invalid when the text is not JSON, saying the line, or not GeoJSON.
    """
    with open_as_utf8(path, text_encoding(path, encoding)) as file:
        document = _Document(path.name, file)
        try:
            yield from _batches(document, batch_size)
        except UnicodeDecodeError as error:
            raise Invalid(f"{path.name} is not {error.encoding} text: {error.reason}.") from error


def wkb_of(geometry: object) -> bytes:
    """Two-dimensional WKB of a GeoJSON geometry as JSON has it; empty where it is none."""
    [encoded] = _wkb([geometry])
    return encoded or b""


# Read at once. Small, for speed: what orjson makes of it then stays in the processor's cache.
_CHUNK = 1 << 14

# No boundary comes near this; a file with a quotation mark missing would be read to its end.
_LARGEST_FEATURE = 1 << 28
_LARGEST_HEAD = 1 << 24

_FEATURES = re.compile(rb'"features"\s*:\s*\[')
_SPACE = re.compile(r"[ \t\r\n]*")

# Cuts tried before features are parsed one after another; all but the first are rarely needed.
_CUTS = 3

_SINGLE = {"Point": 1, "LineString": 2, "Polygon": 3}
_MULTIPLE = {
    "MultiPoint": (4, "Point"),
    "MultiLineString": (5, "LineString"),
    "MultiPolygon": (6, "Polygon"),
}
_COLLECTION = "GeometryCollection"
_EMPTY_POINT = struct.pack("<2d", float("nan"), float("nan"))


def _batches(document: _Document, batch_size: int) -> Iterator[Batch]:
    row = 0
    names: dict[str, None] = {}
    properties: list[dict[str, Any]] = []
    geometries: list[bytes | None] = []
    for features in document.features():
        for start in range(0, len(features), batch_size):
            part = features[start : start + batch_size]
            properties.extend(_properties(part))
            geometries.extend(_wkb([_geometry(feature) for feature in part]))
            while len(properties) >= batch_size:
                yield _batch(document, row, names, properties[:batch_size], geometries[:batch_size])
                row += batch_size
                del properties[:batch_size], geometries[:batch_size]
    if properties:
        yield _batch(document, row, names, properties, geometries)


def _batch(
    document: _Document,
    row: int,
    names: dict[str, None],
    properties: list[dict[str, Any]],
    geometries: list[bytes | None],
) -> Batch:
    for found in properties:
        if not found.keys() <= names.keys():
            names.update(dict.fromkeys(found))
    columns: dict[str, list[object]] = {}
    for name in names:
        heading = name.strip("\ufeff \t\r\n\u3000")
        if heading in columns:
            raise Invalid(
                f"{document.name} has two properties named {heading!r} but for blanks around them. "
                "Rename one."
            )
        columns[heading] = _plain([found.get(name) for found in properties])
    transformer = transformer_to_degrees(document.crs, document.name)
    held: NDArray[np.object_] = np.empty(len(geometries), dtype=object)
    held[:] = geometries
    rows = list(range(row + 1, row + 1 + len(properties)))
    return Batch(rows, columns, flat_degrees(held, transformer))


class _Document:
    """A GeoJSON text being read; `crs` is known once its first features are."""

    def __init__(self, name: str, file: BinaryIO) -> None:
        self.name = name
        self.crs: str | None = None
        self._file = file
        self._lines = 0

    def features(self) -> Iterator[list[Any]]:
        """The features, a stretch of the text at a time."""
        start = self._to_the_features()
        if start is None:
            return
        if isinstance(start, list):
            yield start
            return
        text = start
        while chunk := self._file.read(max(_CHUNK, len(text))):
            text += chunk
            features, end = self._complete(text)
            if features:
                yield features
                self._lines += text.count(b"\n", 0, end)
                text = text[end:]
            elif len(text) > _LARGEST_FEATURE:
                raise TooLarge(
                    f"A feature of {self.name} that begins on line {self._lines + 1} is longer "
                    f"than {_LARGEST_FEATURE >> 20} MiB. Perhaps a quotation mark is missing."
                )
        # What precedes the features was read already; it is put in again on the same line.
        end = self._parsed(b'{"features":[' + text)
        crs_before = self.crs
        self._accept(end)
        if self.crs != crs_before and transformer_to_degrees(self.crs, self.name) is not None:
            raise Invalid(
                f"{self.name} names its coordinate system after its features. "
                "Move the crs member before them, or export in longitude and latitude."
            )
        yield end["features"]

    def _to_the_features(self) -> bytes | list[Any] | None:
        """The text after the features' opening bracket, or the features where there is none."""
        text = b""
        while chunk := self._file.read(_CHUNK):
            text += chunk
            for match in _FEATURES.finditer(text):
                # Only the collection's own member makes a document when it is closed there.
                try:
                    head = orjson.loads(text[: match.end()] + b"]}")
                except orjson.JSONDecodeError:
                    continue
                self._accept(head)
                self._lines = text.count(b"\n", 0, match.end())
                return text[match.end() :]
            if len(text) > _LARGEST_HEAD:
                raise Invalid(f"{self.name} is not GeoJSON: it has no features.")
        document = self._parsed(text)
        kind = document.get("type") if isinstance(document, dict) else None
        if kind == "Feature":
            self._accept(document)
            return [document]
        if kind in _SINGLE or kind in _MULTIPLE or kind == _COLLECTION:
            self._accept(document)
            return [{"geometry": document}]
        said = f"its type is {kind!r}" if kind else "it has no type"
        raise Invalid(
            f"{self.name} is not GeoJSON: {said}, where a FeatureCollection is needed. "
            "Export it as GeoJSON."
        )

    def _accept(self, document: dict[str, Any]) -> None:
        kind = document.get("type", "FeatureCollection")
        if "features" in document and kind != "FeatureCollection":
            raise Invalid(
                f"{self.name} is not GeoJSON: its type is {kind!r}, where a FeatureCollection is "
                "needed. Export it as GeoJSON."
            )
        crs = document.get("crs")
        if crs is None:
            return
        try:
            self.crs = str(crs["properties"]["name"])
        except (TypeError, KeyError):
            raise Invalid(
                f"The crs member of {self.name} cannot be understood: {str(crs)[:80]}. "
                "Export in longitude and latitude."
            ) from None

    def _complete(self, text: bytes) -> tuple[list[Any], int]:
        """The features that are whole in the text, and where the rest of it begins.

        A cut before a brace that follows a comma lies between features if, and only if, what
        precedes it parses as the inside of an array.
        """
        brace = len(text)
        for _ in range(_CUTS):
            while (brace := text.rfind(b"{", 0, brace)) > 0:
                comma = brace - 1
                while text[comma] in b" \t\r\n" and comma:
                    comma -= 1
                if text[comma] == ord(","):
                    break
            if brace <= 0:
                break
            try:
                return orjson.loads(b"[" + text[:comma] + b"]"), brace
            except orjson.JSONDecodeError as error:
                # If it does not merely end too soon, other cuts fail as well.
                if error.pos < comma:
                    break
        return self._one_by_one(text)

    def _one_by_one(self, text: bytes) -> tuple[list[Any], int]:
        """As `_complete`, but slower: for odd cuts, and for NaN, which orjson does not take."""
        string = codecs.getincrementaldecoder("utf-8")().decode(text)
        decode = json.JSONDecoder().raw_decode
        features: list[Any] = []
        position = 0
        while (start := _SPACE.match(string, position).end()) < len(string):  # type: ignore[union-attr]
            if string[start] == "]":
                break
            try:
                feature, end = decode(string, start)
            except json.JSONDecodeError as error:
                is_unfinished = error.pos > len(string) - 16 or error.msg.startswith("Unterminated")
                if features or is_unfinished:
                    break
                raise self._broken(error) from None
            end = _SPACE.match(string, end).end()  # type: ignore[union-attr]
            if string[end : end + 1] != ",":
                break
            self._check_text(string[start:end], feature)
            features.append(feature)
            position = end + 1
        return features, len(string[:position].encode())

    def _parsed(self, text: bytes) -> Any:
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            pass
        try:
            document = json.loads(text.decode())
        except json.JSONDecodeError as error:
            raise self._broken(error) from None
        self._check_text(text, document)
        return document

    def _check_text(self, text: str | bytes, value: Any) -> None:
        """Python's own parser lets through half a surrogate pair, which no database can store."""
        if (b"\\u" if isinstance(text, bytes) else "\\u") not in text:  # type: ignore[operator]
            return
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise Invalid(
                f"{self.name} has half a character ({error.object[error.start]!r}) near line "
                f"{self._lines + 1}. Write the text as UTF-8."
            ) from None

    def _broken(self, error: json.JSONDecodeError) -> Invalid:
        return Invalid(
            f"{self.name} is not JSON from line {self._lines + error.lineno} on: {error.msg}. "
            "It may be incomplete: export it or copy it again."
        )


def _geometry(feature: Any) -> Any:
    return feature.get("geometry") if isinstance(feature, dict) else None


def _properties(features: list[Any]) -> Iterator[dict[str, Any]]:
    for feature in features:
        found = feature.get("properties") if isinstance(feature, dict) else None
        properties = found if isinstance(found, dict) else {}
        if isinstance(feature, dict) and "id" in feature:
            yield {"id": feature["id"], **properties}
        else:
            yield properties


def _plain(values: list[Any]) -> list[object]:
    if {dict, list}.isdisjoint(map(type, values)):
        return values
    return [
        json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
        for value in values
    ]


def _wkb(geometries: list[Any]) -> list[bytes | None]:
    """Two-dimensional WKB of GeoJSON geometries; empty bytes for what is not one."""
    try:
        return _wkb_together(geometries)
    except _MALFORMED:
        pass
    encoded: list[bytes | None] = []
    for geometry in geometries:
        try:
            encoded += _wkb_together([geometry])
        except _MALFORMED:
            encoded.append(b"")
    return encoded


_MALFORMED = (TypeError, ValueError, KeyError, IndexError, OverflowError, RecursionError)


def _wkb_together(geometries: list[Any]) -> list[bytes | None]:
    positions: list[Any] = []
    layouts = [
        None if geometry is None else _layout(geometry, positions) for geometry in geometries
    ]
    widths = set(map(len, positions))
    if widths - {2}:
        if min(widths) < 2:
            raise ValueError("a position needs a longitude and a latitude")
        positions = [position[:2] for position in positions]
    # Unlike numpy, array takes nothing but numbers: "130.3" and null are malformed.
    numbers = array("d", chain.from_iterable(positions))
    coordinates = np.frombuffer(numbers, dtype=np.float64).astype("<f8", copy=False).tobytes()
    encoded: list[bytes | None] = []
    start = 0
    for layout in layouts:
        if layout is None:
            encoded.append(None)
            continue
        pieces: list[bytes] = []
        for head, count in layout:
            end = start + 16 * count
            pieces += (head, coordinates[start:end])
            start = end
        encoded.append(b"".join(pieces))
    return encoded


def _layout(geometry: dict[str, Any], positions: list[Any]) -> list[tuple[bytes, int]]:
    """What precedes each run of positions in a geometry's WKB; the positions are appended."""
    kind = geometry["type"]
    if kind == _COLLECTION:
        return _joined(7, geometry["geometries"], positions)
    coordinates = geometry["coordinates"]
    if not isinstance(coordinates, list):
        raise TypeError("coordinates are not an array")
    if kind in _MULTIPLE:
        code, part = _MULTIPLE[kind]
        parts = [{"type": part, "coordinates": held} for held in coordinates]
        return _joined(code, parts, positions)
    head = struct.pack("<BI", 1, _SINGLE[kind])
    if kind == "Point":
        if not coordinates:
            return [(head + _EMPTY_POINT, 0)]
        positions.append(coordinates)
        return [(head, 1)]
    if kind == "LineString":
        positions.extend(coordinates)
        return [(head + struct.pack("<I", len(coordinates)), len(coordinates))]
    head += struct.pack("<I", len(coordinates))
    layout = []
    for ring in coordinates:
        positions.extend(ring)
        layout.append((head + struct.pack("<I", len(ring)), len(ring)))
        head = b""
    return layout or [(head, 0)]


def _joined(code: int, parts: list[Any], positions: list[Any]) -> list[tuple[bytes, int]]:
    layout = [(struct.pack("<BII", 1, code, len(parts)), 0)]
    for part in parts:
        layout += _layout(part, positions)
    return layout
