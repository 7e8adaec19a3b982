"""Geometries on their way in: read, checked, brought to WGS 84, and compared with those kept."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from gridmap.geo.checks import GeometryKind, check_geometries
from gridmap.geo.datums import CHINA_BOX, geometries_to_wgs84
from gridmap.store.imports.columns import Rows
from gridmap.store.imports.run import Run
from gridmap.store.imports.staging import batches_of

Geometries = NDArray[np.object_]

SAME_DEGREES = 1e-9
"""Positions this near each other are the same: a tenth of a millimetre, far above what rounding
does on the way through another datum and back."""


def checked(run: Run, rows: Rows, given: Geometries, wanted: GeometryKind) -> Geometries:
    """Sound geometries in the file's own datum, None where there is none; faults are refused.

    `given`: object (n,) of WKB, WKT or None. Polygons come back as MultiPolygons.
    """
    result = check_geometries(
        given,
        rows.numbers,
        rows.codes,
        wanted=wanted,
        box=CHINA_BOX if run.is_standard else None,
        repair=run.options.repair,
    )
    run.problems.extend(result.problems)
    return result.geometries


def checked_where_given(
    run: Run, rows: Rows, given: Geometries, wanted: GeometryKind
) -> Geometries:
    """The same, but a row without a geometry is no fault."""
    present = np.flatnonzero([each is not None for each in given])
    result: Geometries = np.full(len(given), None, dtype=object)
    if len(present):
        some = Rows([rows.numbers[i] for i in present], [rows.codes[i] for i in present], values={})
        result[present] = checked(run, some, given[present], wanted)
    return result


def in_wgs84(run: Run, geometries: Geometries) -> Geometries:
    return geometries_to_wgs84(geometries, run.datum)


def as_wkb(geometries: Geometries) -> list[bytes | None]:
    """WKB for the staging table."""
    written: list[bytes | None] = shapely.to_wkb(geometries).tolist()
    return written


def texts(cells: list[str | None]) -> Geometries:
    """Geometries written in a table's column, in the form `checked` takes.

    As WKT, as GeoJSON, or as WKB in hexadecimal digits, which is how PostGIS writes its columns and
    how a Parquet file without GeoParquet's metadata comes.
    """
    given: Geometries = np.array(cells, dtype=object)
    for i, cell in enumerate(cells):
        if cell is None:
            continue
        if cell.startswith("{"):
            geometry = shapely.from_geojson(cell, on_invalid="ignore")
            if geometry is not None:
                given[i] = shapely.to_wkb(geometry)
        elif cell.startswith(("00", "01")):
            with suppress(ValueError):
                given[i] = bytes.fromhex(cell)
    return given


def rows_of_same_shape(run: Run, statement: str) -> list[int]:
    """Numbers of the rows whose two geometries agree within `SAME_DEGREES`.

    `statement` selects a number and two WKB of each row, and should leave out those whose bytes
    are alike, which need no second look.
    """
    same: list[int] = []
    for rows in batches_of(run.connection, statement):
        numbers, mine, kept = (np.array(column, dtype=object) for column in zip(*rows, strict=True))
        alike = same_shapes(shapely.from_wkb(mine), shapely.from_wkb(kept))
        same.extend(numbers[alike].tolist())
    return same


def same_shapes(first: Geometries, second: Geometries) -> NDArray[np.bool_]:
    """Whether each pair has the same vertices within `SAME_DEGREES`, wherever its rings begin.

    Sorting parts and rings into one order is not enough: two vertices that agree in longitude may
    change places by a rounding error, and with them where a ring begins. So for what is left it
    asks that there be as many vertices, and that no vertex of one lies off the other's border.
    """
    same: NDArray[np.bool_] = shapely.equals_exact(first, second, SAME_DEGREES)
    left = np.flatnonzero(~same & (_sizes(first) == _sizes(second)).all(axis=0))
    same[left] = (
        shapely.hausdorff_distance(shapely.boundary(first[left]), shapely.boundary(second[left]))
        <= SAME_DEGREES
    )
    return same


def _sizes(geometries: Geometries) -> NDArray[Any]:
    return np.stack(
        (shapely.get_num_coordinates(geometries), shapely.get_num_geometries(geometries))
    )
