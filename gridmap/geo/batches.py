"""A file's rows as they come out of a reader: some thousands at a time, as columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive rows of a file, as columns of one length.

    `rows`: each row's number as the reader of the file counts: GIS features from 1; in a CSV the
    file's line on which the record starts, in a sheet the sheet's row (the heading is usually 1).
    `columns`: heading → values, each str, int, float, bool, date, datetime or None. In GeoJSON,
    where every feature has its own properties, a column first met in a later batch is not in the
    earlier ones; where it is absent every value is None.
    `geometries`: object (n,) of two-dimensional WKB, longitude then latitude in degrees of the
    file's own datum, as found: rings may be unclosed or cross themselves, coordinates need not be
    finite. None where the row has no geometry; bytes that are no WKB (empty ones from GeoJSON)
    where it has something that is not one. The whole is None for a table.
    """

    rows: list[int]
    columns: dict[str, list[object]]
    geometries: NDArray[np.object_] | None
