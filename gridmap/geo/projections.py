"""Geometry from a file brought to plain two-dimensional longitude and latitude, broken or not.

It works on WKB and not on shapely geometries, since those cannot hold an unclosed ring and the
checks must still see it.
"""

from __future__ import annotations

import math
import struct

import numpy as np
import pyproj
from numpy.typing import NDArray

from gridmap.errors import Invalid


def transformer_to_degrees(crs: object, source: str) -> pyproj.Transformer | None:
    """What turns coordinates in `crs` into degrees of its own geographic base, longitude first.

    `crs`: whatever pyproj understands, or None where the file names none. Returns None where
    nothing is to be done: the coordinates are degrees already. The datum does not change; which
    one it is, the caller declares. `source` names the file in messages.
    Raises Invalid when the system cannot be understood or is neither projected nor in degrees east
    of Greenwich.
    """
    if crs is None:
        return None
    try:
        system = pyproj.CRS.from_user_input(crs)
        while system.is_compound or system.is_bound:
            base = system.sub_crs_list[0] if system.is_compound else system.source_crs
            if base is None:
                break
            system = base
        if system.is_geographic:
            if _is_degrees_from_greenwich(system):
                return None
        elif system.is_projected and system.geodetic_crs is not None:
            return pyproj.Transformer.from_crs(system, system.geodetic_crs, always_xy=True)
        name = system.name
    except pyproj.exceptions.ProjError as error:
        name = f"{str(crs)[:80]} ({str(error)[:120]})"
    raise Invalid(
        f"The coordinate system of {source} cannot be used: {name}. "
        "Export the layer in CGCS2000 or WGS 84 longitude and latitude (EPSG:4490 or EPSG:4326)."
    )


def flat_degrees(
    geometries: NDArray[np.object_], transformer: pyproj.Transformer | None
) -> NDArray[np.object_]:
    """WKB geometries without heights or measures, turned into degrees by `transformer` if given.

    `geometries`: object (n,) of WKB or None. What is two-dimensional already and needs no turning
    is returned untouched. A position that cannot be turned becomes infinite; WKB that cannot be
    followed to its end stays as it is.
    """
    if transformer is None and _is_plain(geometries):
        return geometries
    pieces: list[list[bytes | NDArray[np.float64]] | None] = []
    for geometry in geometries:
        found: list[bytes | NDArray[np.float64]] | None = []
        try:
            if geometry is not None and _walk(geometry, 0, found) != len(geometry):
                found = None
        except (struct.error, ValueError, IndexError, RecursionError):
            found = None
        pieces.append(found)
    if transformer is not None:
        blocks = [
            piece for found in pieces if found for piece in found if isinstance(piece, np.ndarray)
        ]
        _turn(blocks, transformer)
    result = geometries.copy()
    for i, found in enumerate(pieces):
        if found:
            result[i] = b"".join(
                piece if isinstance(piece, bytes) else piece.tobytes() for piece in found
            )
    return result


# The first five bytes of little-endian WKB of the seven plain kinds; empty is no geometry at all.
_PLAIN_HEADS = frozenset([b"", *(struct.pack("<BI", 1, kind) for kind in range(1, 8))])

_POINT = 1
_LINES = frozenset([2, 8])  # line string, circular string
_RINGS = frozenset([3, 17])  # polygon, triangle
_COLLECTIONS = frozenset([4, 5, 6, 7, 9, 10, 11, 12, 15, 16])


def _is_degrees_from_greenwich(system: pyproj.CRS) -> bool:
    meridian = system.prime_meridian
    return all(
        math.isclose(axis.unit_conversion_factor, math.pi / 180, rel_tol=1e-9)
        for axis in system.axis_info[:2]
    ) and (meridian is None or meridian.longitude == 0)


def _is_plain(geometries: NDArray[np.object_]) -> bool:
    return {wkb[:5] for wkb in geometries if wkb is not None} <= _PLAIN_HEADS


def _walk(wkb: bytes, position: int, found: list[bytes | NDArray[np.float64]] | None) -> int:
    """Append a geometry's pieces, headings and coordinates (n, 2) in turn, and say where it ends.

    Understands ISO WKB and PostGIS's extended WKB, in both byte orders.
    """
    assert found is not None
    order = "<>"[1 - wkb[position]] if wkb[position] < 2 else ""
    if not order:
        raise ValueError("not a byte order")
    count_format = f"{order}I"
    (code,) = struct.unpack_from(count_format, wkb, position + 1)
    position += 9 if code & 0x20000000 else 5
    dimension, kind = divmod(code & 0x0FFFFFFF, 1000)
    has_z = bool(code & 0x80000000) or dimension in (1, 3)
    has_m = bool(code & 0x40000000) or dimension in (2, 3)
    width = 2 + has_z + has_m
    found.append(struct.pack("<BI", 1, kind))

    def coordinates(count: int) -> None:
        nonlocal position
        values = np.frombuffer(wkb, f"{order}f8", count * width, position)
        found.append(values.reshape(count, width)[:, :2].astype("<f8", order="C"))
        position += 8 * width * count

    def counted() -> int:
        nonlocal position
        (count,) = struct.unpack_from(count_format, wkb, position)
        found.append(struct.pack("<I", count))
        position += 4
        return int(count)

    if kind == _POINT:
        coordinates(1)
    elif kind in _LINES:
        coordinates(counted())
    elif kind in _RINGS:
        for _ in range(counted()):
            coordinates(counted())
    elif kind in _COLLECTIONS:
        for _ in range(counted()):
            position = _walk(wkb, position, found)
    else:
        raise ValueError("not a kind of geometry")
    return position


def _turn(blocks: list[NDArray[np.float64]], transformer: pyproj.Transformer) -> None:
    """Turn coordinates in place, in one call: pyproj costs more to call than to compute."""
    if not blocks:
        return
    every = np.concatenate(blocks)
    # An empty point is written as NaN and must stay so; pyproj would make it infinite.
    finite = np.isfinite(every).all(axis=1)
    longitude, latitude = transformer.transform(every[finite, 0], every[finite, 1])
    every[finite] = np.column_stack((longitude, latitude))
    start = 0
    for block in blocks:
        block[:] = every[start : start + len(block)]
        start += len(block)
