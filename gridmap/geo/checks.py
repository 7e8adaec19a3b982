"""Checks the geometries of a file's rows, says what is wrong with each, and mends what can be.

Rows without fault, nearly all, pass through whole-array calls; Python looks at a row by itself only
once something is wrong with it, to find words for its owner.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from gridmap.geo.bounds import Bounds
from gridmap.geo.problems import Kind, Problem, Severity

Geometries = NDArray[np.object_]
Floats = NDArray[np.float64]


class GeometryKind(StrEnum):
    """What a layer consists of."""

    POINT = "point"
    POLYGON = "polygon"


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of a batch, in its order.

    `geometries`: shapely (n,), 2D and valid, Points or MultiPolygons as wanted; None where the row
    had none or was refused. `problems`: at most one a row, in the order of rows.
    """

    geometries: Geometries
    problems: list[Problem]


def check_geometries(
    geometries: Sequence[bytes | str | None] | Geometries,
    rows: Sequence[int],
    codes: Sequence[str | None],
    *,
    wanted: GeometryKind,
    box: Bounds | None,
    repair: bool,
) -> Checked:
    """Reads and checks one batch of geometries.

    `geometries`: (n,), each WKB as bytes, WKT as str, or None; longitude first, degrees, any Z or M
    is let go. `rows`, `codes`: (n,), to name a row in its problem. `box`: where everything has to
    lie, China's box as a rule; without one, anywhere on earth. A MultiPoint of one point counts as
    a point.

    With `repair`, unclosed rings are closed, exchanged coordinates put right and shapes that cross
    themselves made valid, each reported as REPAIRED with what was changed; what is then still wrong
    stays an ERROR. Raises ValueError where the lengths differ.
    """
    given = np.empty(len(geometries), dtype=np.object_)
    given[:] = geometries
    limits = box or _EARTH
    # Coordinates that are no numbers, or too large ones, are the point here, not to be warned of.
    with np.errstate(invalid="ignore", over="ignore"):
        read = _read(given)
        fine = _fits(read, wanted) & _within(shapely.bounds(read), limits)
        fine[fine] = shapely.is_valid(read[fine])
        checked = np.full(len(given), None, dtype=np.object_)
        checked[fine] = _plain(read[fine], wanted)
        problems = []
        for i, row, code in zip(range(len(given)), rows, codes, strict=True):
            if not fine[i]:
                faults = _faults(given[i], read[i], wanted, box)
                checked[i], problem = _verdict(faults, row, code, wanted, limits, repair)
                problems.append(problem)
    return Checked(checked, problems)


def metres_per_degree(latitude: ArrayLike) -> tuple[Floats, Floats]:
    """Length of a degree of longitude and of latitude at a WGS 84 latitude in degrees.

    From the ellipsoid's radii of curvature across and along the meridian (Snyder, Map Projections:
    A Working Manual, 1987, equations 4-20 and 4-18).
    """
    radians = np.radians(np.asarray(latitude, dtype=np.float64))
    flattened = 1 - _ECCENTRICITY_SQUARED * np.sin(radians) ** 2
    across = _SEMI_MAJOR_METRES / np.sqrt(flattened)
    along = across * (1 - _ECCENTRICITY_SQUARED) / flattened
    return np.radians(across * np.cos(radians)), np.radians(along)


_SEMI_MAJOR_METRES = 6_378_137.0
_ECCENTRICITY_SQUARED = 0.006_694_379_990_141_3
_EARTH = Bounds(-180.0, -90.0, 180.0, 90.0)
_STRIP_METRES = 1.0
_OR_REPAIR = ", or import with --repair"
_A_NUMBER = "Replace it by a position in degrees, or remove that point."
_NANS = [struct.pack(f"{order}d", sign * math.nan) for order in "<>" for sign in (1, -1)]
_PLACE = re.compile(r"(.*)\[(\S+) (\S+)\]")
# GEOS's words for a bad shape, in the owner's.
_REASONS = {
    "Self-intersection": "the border crosses itself",
    "Ring Self-intersection": "a ring touches itself",
    "Hole lies outside shell": "a hole lies outside its outer ring",
    "Holes are nested": "a hole lies within another",
    "Nested shells": "a part lies within another",
    "Interior is disconnected": "holes cut the inside into pieces",
    "Duplicate Rings": "a ring is given twice",
}


@dataclass(frozen=True, slots=True)
class _Fault:
    """One thing wrong. `mended` is the geometry without it and `change` says how it was mended;
    None where that cannot be."""

    kind: Kind
    message: str
    remedy: str
    mended: Any = None
    change: str = ""


def _read(given: Geometries) -> Geometries:
    read = np.full(len(given), None, dtype=np.object_)
    kinds = set(map(type, given))
    for kind, reader in ((bytes, shapely.from_wkb), (str, shapely.from_wkt)):
        if kind not in kinds:
            continue
        which = np.fromiter((isinstance(value, kind) for value in given), bool, len(given))
        try:
            read[which] = reader(given[which], on_invalid="ignore")
        except NotImplementedError:  # a curve among them, which shapely refuses for all
            for i in np.flatnonzero(which):
                try:
                    read[i] = reader(given[i], on_invalid="ignore")
                except NotImplementedError:
                    continue
    return read


def _fits(geometries: Geometries, wanted: GeometryKind) -> NDArray[np.bool_]:
    kind = shapely.get_type_id(geometries)
    fits: NDArray[np.bool_]
    if wanted is GeometryKind.POLYGON:
        fits = (kind == shapely.GeometryType.POLYGON) | (kind == shapely.GeometryType.MULTIPOLYGON)
    else:
        one = shapely.get_num_geometries(geometries) == 1
        fits = (kind == shapely.GeometryType.POINT) | (
            (kind == shapely.GeometryType.MULTIPOINT) & one
        )
    fits &= ~shapely.is_empty(geometries)
    return fits


def _within(bounds: Floats, limits: Bounds) -> NDArray[np.bool_]:
    west, south, east, north = bounds.T
    within: NDArray[np.bool_] = (
        (west >= limits.west)
        & (south >= limits.south)
        & (east <= limits.east)
        & (north <= limits.north)
    )
    return within


def _plain(geometries: Geometries, wanted: GeometryKind) -> Geometries:
    """2D Points or MultiPolygons of geometries that fit."""
    plain = geometries.copy()
    deep = shapely.has_z(plain) | shapely.has_m(plain)
    plain[deep] = shapely.force_2d(plain[deep])
    kind = shapely.get_type_id(plain)
    if wanted is GeometryKind.POLYGON:
        single = kind == shapely.GeometryType.POLYGON
        plain[single] = shapely.multipolygons(plain[single], indices=np.arange(single.sum()))
        # Empty parts go: they mean nothing, and more than one call of GEOS crashes on them.
        several = np.flatnonzero(shapely.get_num_geometries(plain) > 1)
        parts, owner = shapely.get_parts(plain[several], return_index=True)
        empty = shapely.is_empty(parts)
        for i in np.unique(owner[empty]):
            plain[several[i]] = shapely.multipolygons(parts[(owner == i) & ~empty])
    else:
        alone = kind == shapely.GeometryType.MULTIPOINT
        plain[alone] = shapely.get_geometry(plain[alone], 0)
    return plain


def _verdict(
    faults: Iterator[_Fault],
    row: int,
    code: str | None,
    wanted: GeometryKind,
    limits: Bounds,
    repair: bool,
) -> tuple[Any, Problem]:
    """The mended geometry or None, and what to report: the first fault, or that which stays."""
    first = next(faults)
    if not repair:
        return None, Problem(row, code, first.kind, first.message, first.remedy)
    found = [first, *faults]
    last = found[-1]
    if last.mended is None:
        return None, Problem(row, code, last.kind, last.message, last.remedy)
    mended = _plain(np.array([last.mended], dtype=np.object_), wanted)
    sound = (
        _fits(mended, wanted) & _within(shapely.bounds(mended), limits) & shapely.is_valid(mended)
    )
    if not sound[0]:
        remedy = "Correct it in the file; mending it did not give a valid shape."
        return None, Problem(row, code, last.kind, last.message, remedy)
    message = "; ".join(fault.message for fault in found)
    change = "Changed: " + "; ".join(fault.change for fault in found) + "."
    return mended[0], Problem(row, code, first.kind, message, change, Severity.REPAIRED)


def _faults(
    value: Any, geometry: Any, wanted: GeometryKind, box: Bounds | None
) -> Iterator[_Fault]:
    """What is wrong with one geometry, at least one thing, each as the mends before it leave it.

    The last is one that cannot be mended, or its mended geometry has no known fault.
    """
    if geometry is None:
        fault = _reading_fault(value)
        yield fault
        if fault.mended is None:
            return
        geometry = fault.mended
    if shapely.is_empty(geometry):
        yield _Fault(
            Kind.EMPTY_GEOMETRY,
            f"the geometry is an empty {geometry.geom_type}",
            f"Draw the row's {wanted}, or remove the row.",
        )
        return
    if not _fits(np.array([geometry], dtype=np.object_), wanted)[0]:
        yield _type_fault(geometry, wanted)
        return
    geometry = shapely.force_2d(geometry)
    coordinates = shapely.get_coordinates(geometry)
    not_finite = _number_fault(coordinates)
    if not_finite:
        yield not_finite
        return
    misplaced = _position_fault(geometry, coordinates, box)
    if misplaced:
        yield misplaced
        if misplaced.mended is None:
            return
        geometry = misplaced.mended
    if not shapely.is_valid(geometry):
        yield _shape_fault(geometry)


def _reading_fault(value: Any) -> _Fault:
    if value is None:
        return _Fault(
            Kind.NULL_GEOMETRY,
            "the row has no geometry",
            "Give the row a geometry, or remove the row.",
        )
    if value == b"":
        return _Fault(
            Kind.UNREADABLE_GEOMETRY,
            "the geometry's coordinates are not pairs of numbers, or not nested as its type wants",
            "Write the file anew from its source; the geometry is damaged.",
        )
    if not isinstance(value, (bytes, str)):
        return _Fault(
            Kind.UNREADABLE_GEOMETRY,
            f"the geometry is a value of type {type(value).__name__}: {str(value)[:60]}",
            "Give it as WKB or as WKT.",
        )
    reader = shapely.from_wkb if isinstance(value, bytes) else shapely.from_wkt
    try:
        reader(value)
    except NotImplementedError:
        return _Fault(
            Kind.WRONG_GEOMETRY_TYPE,
            "the geometry has curved edges",
            "Replace curves by straight pieces (ST_CurveToLine, or “Convert to linear”).",
        )
    except shapely.errors.GEOSException as error:
        reason = str(error).partition(": ")[2].strip() or str(error)
    closed = reader(value, on_invalid="fix")
    if "do not form a closed" in reason:
        if closed is None:
            # What is no number equals nothing, not even itself where a ring comes back to it.
            if _holds_no_number(value):
                return _Fault(Kind.NOT_FINITE, "a coordinate is not a finite number", _A_NUMBER)
            return _Fault(
                Kind.UNCLOSED_RING,
                "a ring's last point is not its first, and it has too few points to be closed",
                "Draw the ring anew.",
            )
        not_finite = _number_fault(shapely.get_coordinates(closed))
        if not_finite:
            return not_finite
        where = ""
        if shapely.get_num_coordinates(closed) == len(shapely.get_parts(closed)[0].exterior.coords):
            ends = shapely.get_coordinates(closed)
            where = f": it begins at {_place(ends[0])} and ends at {_place(ends[-2])}"
        return _Fault(
            Kind.UNCLOSED_RING,
            f"a ring's last point is not its first{where}",
            f"Close the ring by repeating its first point{_OR_REPAIR}.",
            closed,
            "rings closed by repeating their first point",
        )
    if "umber of points" in reason or "point array must contain" in reason:
        return _Fault(
            Kind.TOO_FEW_POINTS,
            f"a ring has too few points ({reason})",
            "Give the ring at least three different points, or remove it.",
        )
    shown = value[:24].hex() if isinstance(value, bytes) else value[:60]
    # The reason may quote the whole value.
    reason = reason.partition(":")[0]
    return _Fault(
        Kind.UNREADABLE_GEOMETRY,
        f"the geometry cannot be read ({reason}): it begins with “{shown}”",
        "Write the file anew from its source; the geometry is damaged or no WKB or WKT.",
    )


def _holds_no_number(value: bytes | str) -> bool:
    """Whether a damaged WKB or WKT has a NaN in it; by its looks, since nothing can read it."""
    if isinstance(value, str):
        return "nan" in value.casefold()
    return any(number in value for number in _NANS)


def _number_fault(coordinates: Floats) -> _Fault | None:
    infinite = ~np.isfinite(coordinates).all(axis=1)
    if not infinite.any():
        return None
    return _Fault(
        Kind.NOT_FINITE,
        f"a coordinate is not a finite number: {_place(coordinates[infinite][0])}",
        _A_NUMBER,
    )


def _type_fault(geometry: Any, wanted: GeometryKind) -> _Fault:
    count = shapely.get_num_geometries(geometry)
    several = f" of {count} geometries" if count > 1 else ""
    if wanted is GeometryKind.POINT:
        remedy = "Give one point for each row, say the centre of the shape."
    else:
        remedy = "Give a Polygon or MultiPolygon; turn closed lines into polygons first."
    return _Fault(
        Kind.WRONG_GEOMETRY_TYPE,
        f"a {wanted} is wanted and this is a {geometry.geom_type}{several}",
        remedy,
    )


def _position_fault(geometry: Any, coordinates: Floats, box: Bounds | None) -> _Fault | None:
    limits = box or _EARTH
    outside = ~_inside(coordinates, limits)
    if not outside.any():
        return None
    first = coordinates[outside][0]
    if _inside(coordinates[:, ::-1], limits).all():
        return _Fault(
            Kind.SWAPPED_COORDINATES,
            f"longitude and latitude are exchanged: {_place(first)}",
            f"Write the longitude first{_OR_REPAIR}.",
            shapely.transform(geometry, lambda pairs: pairs[:, ::-1]),
            "longitude and latitude exchanged",
        )
    if box is None or not _inside(first[None], _EARTH)[0]:
        return _Fault(
            Kind.OUT_OF_RANGE,
            f"{_place(first)} is no position on earth in degrees",
            "Give degrees; if these are metres of a projection, transform the file to EPSG:4326.",
        )
    return _Fault(
        Kind.OUTSIDE_CHINA,
        f"{_place(first)} lies outside China's box (longitude {box.west:g} to {box.east:g}, "
        f"latitude {box.south:g} to {box.north:g})",
        "Correct the position, or import with --code-scheme free if it is meant to lie there.",
    )


def _inside(coordinates: Floats, limits: Bounds) -> NDArray[np.bool_]:
    return _within(np.hstack([coordinates, coordinates]), limits)


def _shape_fault(geometry: Any) -> _Fault:
    reason = shapely.is_valid_reason(geometry)
    match = _PLACE.fullmatch(reason)
    words, place = reason, ""
    if match:
        words = match[1]
        place = f" at {_place((float(match[2]), float(match[3])))}"
    mended, change = _mended(geometry)
    offer = _OR_REPAIR if mended is not None else ""
    if words.startswith("Too few points"):
        return _Fault(
            Kind.TOO_FEW_POINTS,
            f"a ring has fewer than three different points{place}",
            f"Complete the ring or remove it{offer}.",
            mended,
            change,
        )
    return _Fault(
        Kind.SELF_CROSSING,
        _REASONS.get(words, words.lower()) + place,
        f"Redraw the border there{offer}.",
        mended,
        change,
    )


def _mended(geometry: Any) -> tuple[Any, str]:
    """A valid MultiPolygon or Polygon in place of an invalid one and how it differs, or None."""
    scale = np.column_stack(metres_per_degree(shapely.get_coordinates(geometry)[:, 1].mean()))
    given = shapely.get_parts(geometry)
    given = given[~shapely.is_empty(given)]
    parts = np.array([_without_holes_outside(part) for part in given], dtype=np.object_)
    outcome = [_mended_part(part) for part in parts]
    kept = [part for part in outcome if part is not None]
    if not kept:
        return _strip(geometry, scale)
    mended = kept[0] if len(kept) == 1 else _made_valid(shapely.union_all(kept))
    if mended is None:
        return None, ""
    changes = ["shape made valid"]
    lost = np.array([part is None for part in outcome])
    if any(_positions(ring) < 3 for ring in shapely.get_rings(parts[~lost])):
        changes.append("holes of fewer than three points dropped")
    outside = int(
        (shapely.get_num_interior_rings(given) - shapely.get_num_interior_rings(parts)).sum()
    )
    if outside:
        holes = "1 hole" if outside == 1 else f"{outside} holes"
        changes.append(f"{holes} outside the outer ring dropped")
    if len(kept) < len(parts):
        changes.append(f"{len(kept)} of {len(parts)} parts kept, the others had no area")
    before, after = (
        float(shapely.area(shapely.transform(shape, lambda pairs: pairs * scale)))
        for shape in (shapely.multipolygons(parts), mended)
    )
    if abs(after - before) < 0.05:
        changes.append(f"area still {after:,.1f} m2")
    else:
        share = f" ({(after - before) / before * 100:+.2g} %)" if before > 0 else ""
        changes.append(f"area {before:,.1f} m2 before and {after:,.1f} m2 now{share}")
    return mended, ", ".join(changes)


def _mended_part(polygon: Any) -> Any:
    """What of a polygon has area, made valid; None if nothing has."""
    # Rings of one or two positions go first: on some of them GEOS gives up ("mixed-dimension").
    shell, *holes = shapely.get_rings(polygon)
    if _positions(shell) < 3:
        return None
    mended = shapely.Polygon(shell, [hole for hole in holes if _positions(hole) >= 3])
    return _made_valid(mended)


def _without_holes_outside(polygon: Any) -> Any:
    """The polygon without holes that share no area with what its outer ring encloses.

    They take nothing away, and `make_valid` would make land of them.
    """
    shell, *holes = shapely.get_rings(polygon)
    land = _area_of(shell)
    areas = [_area_of(hole) for hole in holes]
    kept = [
        hole
        for hole, area in zip(holes, areas, strict=True)
        if land is None or area is None or shapely.relate_pattern(land, area, "T********")
    ]
    return polygon if len(kept) == len(holes) else shapely.Polygon(shell, kept)


def _area_of(ring: Any) -> Any:
    """What a ring encloses; None where that is nothing."""
    return _made_valid(shapely.Polygon(ring)) if _positions(ring) >= 3 else None


def _positions(ring: Any) -> int:
    return len(np.unique(shapely.get_coordinates(ring), axis=0))


def _made_valid(shape: Any) -> Any:
    """The polygonal part of `make_valid`; None where that is nothing or GEOS gives up."""
    # Of odd shapes one in some hundreds comes back with parts that share a border; a second
    # round joins them.
    for _ in range(2):
        try:
            shape = shapely.make_valid(shape, method="structure", keep_collapsed=False)
        except shapely.errors.GEOSException:
            return None
        pieces = shapely.get_parts(shape)
        pieces = pieces[(shapely.get_dimensions(pieces) == 2) & ~shapely.is_empty(pieces)]
        if not len(pieces):
            return None
        shape = shapely.multipolygons(pieces)
        if shapely.is_valid(shape):
            break
    return shape


def _strip(geometry: Any, scale: Floats) -> tuple[Any, str]:
    """A strip along a geometry that is but a line; None if it is but a point."""
    rings = shapely.get_rings(shapely.get_parts(geometry))
    # The union walks stretches once that the rings walk there and back.
    walked = shapely.line_merge(shapely.union_all(rings))
    line = shapely.transform(walked, lambda pairs: pairs * scale)
    if line.length == 0:
        return None, ""
    strip = shapely.buffer(line, _STRIP_METRES / 2, cap_style="flat")
    return (
        shapely.transform(strip, lambda pairs: pairs / scale),
        f"shape without area widened to a strip {_STRIP_METRES:g} m wide along its line of "
        f"{line.length:,.1f} m",
    )


def _place(position: Any) -> str:
    longitude, latitude = (f"{degrees:.7f}".rstrip("0").rstrip(".") for degrees in position)
    return f"longitude {longitude}, latitude {latitude}"
