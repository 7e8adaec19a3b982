"""Polygons to measure with: a wiggly, perfectly tiling field, the same for the same arguments."""

from __future__ import annotations

import math

import numpy as np
import shapely
from numpy.typing import NDArray

from gridmap.errors import Invalid


def tiling_polygons(
    count: int,
    vertices: int = 50,
    *,
    west: float = 130.0,
    south: float = 47.0,
    cell_longitude: float = 0.005,
    cell_latitude: float = 0.0033,
    seed: int = 1,
) -> NDArray[np.object_]:
    """Shapely Polygons (count,) that tile, row by row from the south-west corner.

    `vertices`: distinct vertices of each polygon, even and at least 4. `west`, `south`, `cell_*`:
    WGS 84 degrees; the default cells are about 370 m square near Hegang. Neighbours share their
    borders vertex for vertex, bit for bit; every border is wiggly. Raises Invalid for numbers of
    vertices that cannot be.
    """
    if count < 1 or vertices < 4 or vertices % 2:
        raise Invalid(
            f"{count} polygons of {vertices} vertices cannot be made: ask for at least one, "
            "with an even number of vertices from 4 on."
        )
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    random = np.random.default_rng(seed)
    # Corners move by a fifth of a cell and borders by a fiftieth at most, so that none ever cross.
    corners = np.stack(np.meshgrid(np.arange(columns + 1.0), np.arange(rows + 1.0)), axis=-1)
    corners += random.uniform(-0.2, 0.2, corners.shape)
    level = _borders(corners[:, :-1], corners[:, 1:], (vertices + 2) // 4, random)
    upright = _borders(corners[:-1], corners[1:], vertices // 2 - (vertices + 2) // 4, random)
    # Counter-clockwise from the south-west corner. Each border holds its first corner, not its
    # last; turned round, it holds its last (the next border's first is put back) and not its first.
    rings = np.concatenate(
        [
            level[:-1],
            upright[:, 1:],
            corners[1:, 1:, None],
            level[1:, :, :0:-1],
            corners[1:, :-1, None],
            upright[:, :-1, :0:-1],
        ],
        axis=2,
    )
    rings = rings.reshape(-1, vertices, 2)[:count]
    polygons: NDArray[np.object_] = shapely.polygons(
        rings * (cell_longitude, cell_latitude) + (west, south)
    )
    return polygons


def _borders(
    starts: NDArray[np.float64],
    ends: NDArray[np.float64],
    pieces: int,
    random: np.random.Generator,
) -> NDArray[np.float64]:
    """Lines (…, pieces, 2) from starts to ends, without the ends."""
    along = (np.arange(pieces) / pieces)[:, None]
    lines: NDArray[np.float64] = starts[..., None, :] * (1 - along) + ends[..., None, :] * along
    # Sideways only as far as neighbouring vertices cannot pass each other.
    lines[..., 1:, :] += random.uniform(-0.3, 0.3, lines[..., 1:, :].shape) * min(
        0.06, 1 / (2 * pieces)
    )
    return lines
