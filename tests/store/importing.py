"""Small files of one community, as a district hands them in, and what the database then holds."""

from __future__ import annotations

import csv
import datetime
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from gridmap.geo.datums import Datum
from gridmap.store.imports import ImportOptions, Noun, Summary, import_file

COMMUNITY = "230402001001"
OTHER_COMMUNITY = "230402001002"
FIRST_DAY = datetime.date(2024, 1, 1)
LATER = datetime.date(2024, 6, 1)

REGIONS = (
    ("23", "黑龙江省"),
    ("2304", "鹤岗市"),
    ("230402", "向阳区"),
    ("230402001", "北山街道"),
    (COMMUNITY, "梧桐社区"),
    (OTHER_COMMUNITY, "友谊社区"),
)

Ring = list[list[float]]


def cell(column: int, row: int = 0, *, east: float = 0.0) -> Ring:
    """A closed square of about 400 m in Hegang; squares side by side share their edges.

    `east` moves its eastern edge by so many degrees.
    """
    west, south = 130.25 + column * 0.005, 47.33 + row * 0.004
    right, top = 130.25 + (column + 1) * 0.005 + east, 47.33 + (row + 1) * 0.004
    return [[west, south], [right, south], [right, top], [west, top], [west, south]]


def polygon(ring: Ring) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [ring]}


def point(longitude: float, latitude: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [longitude, latitude]}


def grid(number: int, ring: Ring | None = None, **properties: object) -> dict[str, Any]:
    """A feature of a grid in `COMMUNITY`; its place follows from its number unless given."""
    return {
        "type": "Feature",
        "properties": {
            "code": f"{COMMUNITY}{number:03}",
            "name": f"第{number}网格",
            **properties,
        },
        "geometry": polygon(ring or cell(number)),
    }


def building(number: int, **properties: object) -> dict[str, Any]:
    """A feature of a building in the middle of grid `number`."""
    ((west, south), _, (east, north), *_) = cell(number)
    return {
        "type": "Feature",
        "properties": {
            "code": f"{COMMUNITY}{number:05}",
            "name": f"{number}号楼",
            "households": 24,
            **properties,
        },
        "geometry": point((west + east) / 2, (south + north) / 2),
    }


def write_geojson(path: Path, features: Iterable[Mapping[str, Any]]) -> Path:
    path.write_text(json.dumps({"type": "FeatureCollection", "features": list(features)}))
    return path


def write_csv(path: Path, rows: Sequence[Sequence[object]], encoding: str = "utf-8") -> Path:
    """The first row is the heading."""
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def bring(
    connection: Connection, noun: str, path: Path, datum: Datum | None = Datum.WGS84, **options: Any
) -> Summary:
    """Imports with the first day unless told otherwise."""
    options = {"datum": datum, "valid_from": FIRST_DAY, **options}
    return import_file(connection, Noun(noun), path, ImportOptions(**options))


def bring_rows(
    connection: Connection,
    noun: str,
    folder: Path,
    rows: Sequence[Sequence[object]],
    **options: Any,
) -> Summary:
    """Imports a table."""
    return bring(connection, noun, write_csv(folder / f"{noun}.csv", rows), **options)


def bring_features(
    connection: Connection,
    noun: str,
    folder: Path,
    features: Iterable[Mapping[str, Any]],
    **options: Any,
) -> Summary:
    """Imports features."""
    return bring(connection, noun, write_geojson(folder / f"{noun}.geojson", features), **options)


def found(connection: Connection, statement: str) -> list[tuple[Any, ...]]:
    """The rows that a SELECT finds."""
    return [tuple(row) for row in connection.execute(text(statement))]


def said(summary: Summary) -> list[tuple[int, str]]:
    """Row and kind of each problem."""
    return [(problem.row, str(problem.kind)) for problem in summary.problems]


def counts(summary: Summary) -> tuple[int, int, int]:
    """Added, changed, unchanged, of a file that was written."""
    assert summary.written, summary.problems
    return summary.counts.added, summary.counts.changed, summary.counts.unchanged
