"""A box of longitudes and latitudes."""

from __future__ import annotations

from typing import NamedTuple


class Bounds(NamedTuple):
    """In degrees, edges included; no box crosses the antimeridian."""

    west: float
    south: float
    east: float
    north: float
